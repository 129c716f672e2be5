// weir/outbox.h: a topic of a log, published to a system outside, each committed record once.
//
//   job --weir_to_log--> topic (the outbox) --publisher--> target: a directory, a database, a
//   broker
//                                               ^             |
//                                               +--progress---+  read back, never remembered
//
// A publisher copies the committed records of each partition, in order, into transactions of the
// target, and each transaction also says how far the partition has come. What the target says is
// the only truth: it is read back whenever a connection is made, and after every call of which it
// is not known what became of it. So nothing is lost and nothing is there twice, whatever crashes.
//
// A publisher runs in a thread of its own, in the process of the job or in another. Of two that
// publish one topic to one target the later one goes on, and the earlier one ends (WEIR_FENCED).
//
// Zero means the default written beside each field of the options.
#ifndef WEIR_OUTBOX_H
#define WEIR_OUTBOX_H

#include <weir/log.h>

// ---- targets ----

// What became of a call on a target.
typedef enum weir_outbox_outcome {
    WEIR_OUTBOX_DONE = 0,
    // It may have happened or not, or may yet, until the target is opened again: a lost connection,
    // a timeout. The publisher closes the target, and opens it anew a little later.
    WEIR_OUTBOX_UNKNOWN = 1,
    // A later publisher has opened the target; nothing has happened. The publisher ends.
    WEIR_OUTBOX_FENCED = 2,
    // Nothing has happened, and it would be no better another time. The publisher ends.
    WEIR_OUTBOX_REFUSED = 3
} weir_outbox_outcome;

#define WEIR_OUTBOX_ID_BYTES 33 // 32 hexadecimal digits and a zero

// What is published; a target keeps `name` and `id` with the progress.
typedef struct weir_outbox_source {
    const char      *name; // of the outbox
    const char      *id;   // of this making of the topic, for ever
    uint32_t         partitions;
    const weir_type *type; // of its rows
} weir_outbox_source;

// Who opens a target.
typedef struct weir_outbox_claim {
    uint64_t publisher;  // a random number, the same whenever this publisher opens it; not 0
    bool     takes_over; // from whoever had it; else it is WEIR_OUTBOX_FENCED if another has since
} weir_outbox_claim;

typedef struct weir_outbox_progress {
    bool     is_known;                 // something was published of this partition
    uint64_t next;                     // the offset that comes next
    char     id[WEIR_OUTBOX_ID_BYTES]; // of the source it is about
} weir_outbox_progress;

// What a commit says: the records of [from, next) of a partition are there.
typedef struct weir_outbox_place {
    uint32_t partition;
    uint64_t from; // what the progress was; never another
    uint64_t next; // what it is from now on
    uint64_t epoch;
} weir_outbox_place;

// A system that is published to. Its calls come from the publisher's thread, one at a time; they
// may wait, but not for long: some seconds at most, then they answer UNKNOWN. Between `open` and
// `close` the order is
//
//   open, progress of each partition, then (begin, write, ..., write, commit) again and again
//
// No transaction is left open between two steps of the publisher; none takes longer than a batch.
typedef struct weir_outbox_target {
    void *opaque; // handed to each call
    // Connects, and fences whoever opened it before: what they have under way has happened when
    // this is done, or never will. *epoch is greater than any before it, and not 0. The strings and
    // the type are valid until `close`.
    weir_outbox_outcome (*open)(void *opaque, const weir_outbox_source *source,
                                const weir_outbox_claim *claim, uint64_t *epoch);
    // How far a partition has come, as the target has it.
    weir_outbox_outcome (*progress)(void *opaque, uint32_t partition,
                                    weir_outbox_progress *progress);
    // A transaction with records of this partition, which follow `from`.
    weir_outbox_outcome (*begin)(void *opaque, uint32_t partition, uint64_t from);
    // Rows, in order; borrowed for the call.
    weir_outbox_outcome (*write)(void *opaque, const weir_log_rows *rows);
    // All that was written since `begin` is there from one moment on, and with it the progress.
    // FENCED if the epoch is not the newest.
    weir_outbox_outcome (*commit)(void *opaque, const weir_outbox_place *place);
    // Lets go of the connection, also of one that could not be opened. What was begun and not
    // committed is dropped.
    void (*close)(void *opaque);
    // The sentence of the last call that was not DONE; valid until the next.
    const char *(*error)(void *opaque);
} weir_outbox_target;

// ---- publishers ----

typedef struct weir_outbox weir_outbox;

typedef struct weir_outbox_options {
    const char      *name;  // under which the target keeps the progress; NULL: the topic's
    const weir_type *type;  // what records shall be; NULL: the topic's newest. Kept
    uint32_t         rows;  // of a transaction at most, but for one write more; 0: 10,000
    uint64_t         bytes; // likewise, in memory; 0: 1 MiB
    // Records wait so long for others to share their transaction, unless there are enough. 0: not
    // at all; what comes while the target is busy goes with the next one anyway
    weir_time linger;
    // Between tries on a target that is not there, or a log that is not there yet: it grows from
    // the least to the most, and varies by half.
    weir_time retry_least; // 0: 50 ms
    weir_time retry_most;  // 0: 5 s
    // Told what a user should know. NULL: stderr. The publisher's thread; it must not call the
    // outbox.
    void (*warn)(void *opaque, const char *sentence);
    void *opaque;
} weir_outbox_options;

// What has been done since it was opened, and what is left.
typedef struct weir_outbox_counters {
    uint64_t records; // that are published for sure
    uint64_t transactions;
    uint64_t unknown; // calls of which nobody knew what became
    uint64_t retries; // of the log, or of the target's opening
    uint64_t epoch;   // as the target gave it; 0: it was not reached yet
    uint64_t lag;     // acknowledged offsets that are not published
} weir_outbox_counters;

WEIR_BEGIN

// Starts to publish `topic` of the log in `directory` (strings are copied) to `target` (copied;
// what it points at is kept). Neither log nor topic nor target need be there yet: they are waited
// for. *outbox is set even on failure, for weir_outbox_error, and must be closed.
//   WEIR_USAGE      there is no topic, or no target
//   WEIR_NO_MEMORY  there is no thread
WEIR_API weir_status weir_outbox_open(const char *directory, const char *topic,
                                      const weir_outbox_target  *target,
                                      const weir_outbox_options *options, weir_outbox **outbox);
// Stops after the transaction under way, and lets go of log and target; does not publish what is
// left: that is weir_outbox_flush. Returns why it had ended by itself, or WEIR_OK. NULL: WEIR_OK.
WEIR_API weir_status weir_outbox_close(weir_outbox *outbox);
// Waits until all that is committed in the log now is published; timeout_us < 0: no limit.
// WEIR_TIMED_OUT, or why the publisher ended. Any thread.
WEIR_API weir_status weir_outbox_flush(weir_outbox *outbox, int64_t timeout_us);
// Waits until the publisher ends by itself, which it does not if nothing is wrong: WEIR_TIMED_OUT.
// timeout_us < 0: no limit. Else why it ended. Any thread.
//   WEIR_FENCED     a later publisher has taken over
//   WEIR_CONFLICT   what the target says it has is not in the log: it is the progress of another
//                   topic, or past what is committed; or records that are published were taken back
//   WEIR_NOT_FOUND  what comes next is gone from the log, by retention; or the topic was deleted
//   WEIR_FAILED     the target refuses
//   WEIR_DAMAGED and the like: the log cannot be read
WEIR_API weir_status weir_outbox_wait(weir_outbox *outbox, int64_t timeout_us);
// Why it ended, or what it waits for; valid until the next call of this function by any thread.
WEIR_API const char *weir_outbox_error(weir_outbox *outbox);
// Any thread.
WEIR_API void weir_outbox_count(weir_outbox *outbox, weir_outbox_counters *counters);

// ---- a target of files ----
//
// A directory of JSON Lines, as weir_to_jsonl writes them: a part a transaction, each there as a
// whole or not at all, named so that byte order is the order of publication.
//
//   DIRECTORY/part-0000000041-00002-1234.jsonl    number, partition, offset of the first record
//
// A source reads such a directory (weir_from_jsonl), and so does `cat DIRECTORY/part-*`. One
// directory holds one outbox.

// A target for one publisher at a time, in a directory that is made when it is first opened; its
// parent is there. Close it when the outbox is closed.
WEIR_API weir_outbox_target *weir_file_target_open(const char *directory);
WEIR_API void                weir_file_target_close(weir_outbox_target *target);

WEIR_END

#endif // WEIR_OUTBOX_H
