// weir/log.h: a durable log in a directory. Many independent readers, one writing process, one
// host.
//
//   producer --rows--> topic: partition 0  [ 0 1 2 3 4 5 6 7 ... ]  --> reader "fraud"   at 5
//                             partition 1  [ 0 1 2 3 ... ]          --> reader "kpi"     at 1
//
// A topic's records are rows of one weir_type; a topic made without one holds weir_log_text. Each
// partition is an ordered history: a record's offset is its place in it, counted from 0, and never
// changes. A record is acknowledged when it will survive a crash of the process and of the machine
// (or less, if the log was opened with a weaker durability, which it then says). Readers see
// acknowledged records only.
//
// Handles: weir_log (any thread), weir_producer, weir_transaction and weir_reader (one thread at a
// time each). Calls that fail keep one sentence, read by the ..._error call of the same handle.
// The log does not replicate: it survives what one machine survives, not the loss of its disk.
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <weir/event_time.h>
#include <weir/record.h>
#include <weir/status.h>
#include <weir/str.h>

typedef struct weir_log         weir_log;
typedef struct weir_producer    weir_producer;
typedef struct weir_transaction weir_transaction;
typedef struct weir_reader      weir_reader;

// ---- topics ----

// The record of a topic that has no type of its own.
typedef struct weir_log_text {
    weir_str key;
    weir_str value;
} weir_log_text;

typedef enum weir_compression {
    WEIR_COMPRESSION_NONE = 0,
    WEIR_COMPRESSION_LZ4  = 1,
    WEIR_COMPRESSION_ZSTD = 2
} weir_compression;

// What a topic is; a constant of the program that uses it. Zero means the default written beside
// each field.
typedef struct weir_topic {
    const char      *name; // 1 to 100 letters, digits, '-', '_' or '.'; not starting with '.'
    const weir_type *type; // NULL: weir_log_text. Kept
    const char      *key;  // "card_id" or "region,minute": equal keys go to one partition, and
                           // compaction keeps the last record of a key. NULL: none (of
                           // weir_log_text: "key")
    const char      *time; // a weir_time field, by which readers seek; NULL: the time of appending
    uint32_t         partitions;  // 0: 1. Fixed once the topic is made; at most 1,024
    weir_compression compression; // of batches; kept on disk and to the reader
    uint64_t  segment_bytes;      // of a segment file; 0: 64 MiB; at least 1 MiB (64 KiB in tests)
    weir_time retain_age;         // segments whose records are all older go; 0: kept for ever
    uint64_t  retain_bytes;       // a partition's oldest segments beyond go; 0: kept for ever
    bool      is_compacted;       // of a key only the last record is kept, some time later
    weir_time tombstone_age;      // how long a deletion is kept by compaction; 0: a day
} weir_topic;

typedef struct weir_partition_info {
    uint64_t first_offset;     // of the oldest record still there
    uint64_t end_offset;       // the next acknowledged record gets it
    uint64_t committed_offset; // readers of committed records get as far; below it no transaction
                               // is open
    uint64_t  bytes;           // on disk, without room set aside
    uint32_t  segments;
    weir_time first_time; // of the oldest record, WEIR_TIME_MIN when empty
    weir_time max_time;   // the latest
} weir_partition_info;

// ---- the log ----

// When a record counts as acknowledged.
typedef enum weir_durability {
    WEIR_DURABLE          = 0, // on disk (fdatasync; one for all that wait)
    WEIR_DURABLE_INTERVAL = 1, // written; on disk at most `interval` later: a crash of the machine
                               // loses up to so much
    WEIR_DURABLE_OS = 2        // written; on disk when the system finds time (typically 30 s)
} weir_durability;

typedef struct weir_log_options {
    bool            writes;  // be the log's one writer; else only read
    bool            creates; // make the log if the directory is missing or empty
    weir_durability durability;
    weir_time       interval; // of WEIR_DURABLE_INTERVAL; 0: 10 ms
    uint64_t buffer_bytes;    // appended and not yet written, all together; appends wait beyond it.
                              // 0: 64 MiB
    weir_time mark_after;     // of silence: a mark that says how far all is durable; 0: 100 ms
    // Told what a user should know: what recovery dropped, the loss window, a full disk. NULL:
    // stderr. Any thread; it must not call the log.
    void (*warn)(void *opaque, const char *sentence);
    void *opaque;
} weir_log_options;

WEIR_BEGIN

// Opens the log in `directory` (copied). *log is set even on failure (but for WEIR_NO_MEMORY), for
// weir_log_error, and must be closed. A writer recovers what a crash left behind before it returns.
//   WEIR_NOT_FOUND  there is no log (and `creates` is not set)
//   WEIR_CONFLICT   another process writes to it; or the directory is not a log's
//   WEIR_DAMAGED    what is stored is not what was written; nothing was changed
//   WEIR_UNREACHABLE, WEIR_FULL, WEIR_FENCED
WEIR_API weir_status weir_log_open(const char *directory, const weir_log_options *options,
                                   weir_log **log);
// Writes and acknowledges what was appended, a full disk being tried once more, then lets go of the
// directory. What it could not write is told to `warn`. WEIR_OK, or what went wrong last; the
// handle is gone in any case but one:
//   WEIR_CONFLICT  producers, transactions or readers of it are open: it stays open and works, and
//                  weir_log_error says which they are; close them first
WEIR_API weir_status weir_log_close(weir_log *log);
// The sentence of the last call on the log that failed; valid until the next call by any thread.
WEIR_API const char *weir_log_error(const weir_log *log);

// Makes the topic. WEIR_OK too if it is there and the same but for settings that may change
// (compression, segment_bytes, retention, compaction), which are then set, and for its type: one
// that can read what is stored, and can be read by the types before, becomes its newest version.
//   WEIR_CONFLICT  it is there with another number of partitions, key or time
//   WEIR_MISMATCH  it is there with a type that does not fit; the sentence names the field
WEIR_API weir_status weir_log_create_topic(weir_log *log, const weir_topic *topic);
// Removes it with all its records, at once for new readers.
WEIR_API weir_status weir_log_delete_topic(weir_log *log, const char *name);
// Calls `each` with every topic's name, in byte order.
WEIR_API weir_status weir_log_list_topics(weir_log *log,
                                          void (*each)(void *opaque, const char *name),
                                          void *opaque);
// The topic as it is stored; its strings and type are valid until the log is closed.
WEIR_API weir_status weir_log_topic(weir_log *log, const char *name, weir_topic *topic);
WEIR_API weir_status weir_log_partition_info(weir_log *log, const char *topic, uint32_t partition,
                                             weir_partition_info *info);

// ---- upkeep, by the writer ----

// Drops the records before `offset` (whole segments at once, the rest when they can go); readers
// start behind them from now on.
WEIR_API weir_status weir_log_truncate_before(weir_log *log, const char *topic, uint32_t partition,
                                              uint64_t offset);
// Drops the records from `offset` on; the next one appended gets this offset. Readers that are past
// it are told.
WEIR_API weir_status weir_log_truncate_from(weir_log *log, const char *topic, uint32_t partition,
                                            uint64_t offset);
// Applies retention now (the writer does it by itself every few seconds); *bytes (may be NULL) is
// what was freed.
WEIR_API weir_status weir_log_retain(weir_log *log, const char *topic, uint64_t *bytes);
// Compacts the sealed segments of a topic now (the writer does it by itself when half of what they
// hold is out of date).
WEIR_API weir_status weir_log_compact(weir_log *log, const char *topic, uint64_t *bytes);

// ---- producers ----

// Appends rows of `type` (NULL: the topic's own) to a topic. The log must be open for writing.
WEIR_API weir_status weir_producer_open(weir_log *log, const char *topic, const weir_type *type,
                                        weir_producer **producer);
// Waits for the acknowledgement of what was appended. Rows of a transaction that is still open stay
// in it. The handle is gone whatever it returns; weir_log_error says why.
//   WEIR_FULL  the disk is full, and another try to write, a second later, failed too. What is not
//              acknowledged is still written if there is room before the log is closed
WEIR_API weir_status weir_producer_close(weir_producer *producer);
WEIR_API const char *weir_producer_error(const weir_producer *producer);

// Appends `count` rows, copied with their strings; each goes to the partition of its key, or they
// take turns if the topic has none. Waits while the log's buffer is full (also when the disk is).
// What was appended is written soon, in order, without a further call.
WEIR_API weir_status weir_producer_append(weir_producer *producer, const void *rows, size_t count);
// The same to one partition, with the change of each row (NULL: inserts). A WEIR_DELETE is a
// tombstone to compaction.
WEIR_API weir_status weir_producer_append_to(weir_producer *producer, uint32_t partition,
                                             const void *rows, const uint8_t *changes,
                                             size_t count);
// Waits until all that was appended is acknowledged, also for room on a full disk; timeout_us < 0:
// no limit.
WEIR_API weir_status weir_producer_flush(weir_producer *producer, int64_t timeout_us);
// How many rows this producer appended to the partition are acknowledged, and the offset after the
// last of them (0 if there are none; may be NULL).
WEIR_API uint64_t weir_producer_acknowledged(const weir_producer *producer, uint32_t partition,
                                             uint64_t *next_offset);

// ---- transactions ----

// The name under which transactions are made, one after the other. Opening a name again fences
// whoever has it open (their calls return WEIR_FENCED) and aborts its open transaction, but not one
// that was prepared. *transaction is set also when it fails: weir_transaction_error says why then,
// every call on it but weir_transaction_close fails, and it must be closed.
WEIR_API weir_status weir_transaction_open(weir_log *log, const char *name,
                                           weir_transaction **transaction);
// Aborts an open one; what cannot be written now (on a full disk, after another try a second later)
// is aborted when the log is opened for writing next. Producers that are still joined to it belong
// to none from then on; if it was fenced, they append nothing (WEIR_FENCED) until they join
// another. NULL: does nothing.
WEIR_API void        weir_transaction_close(weir_transaction *transaction);
WEIR_API const char *weir_transaction_error(const weir_transaction *transaction);

// Begins one; from now on what the joined producers append belongs to it. They may append on other
// threads, but what is appended while it is being prepared, committed or aborted, or once it is, is
// refused (WEIR_CONFLICT; of many rows some may be in it) until the next is begun.
WEIR_API weir_status weir_transaction_begin(weir_transaction *transaction);
// The producer's appends belong to `transaction` (of the same log) from now on, and are refused
// (WEIR_CONFLICT) while none is begun; NULL: they belong to none.
WEIR_API weir_status weir_producer_join(weir_producer *producer, weir_transaction *transaction);
// All its records are on disk, whatever the log's durability; the transaction outlives a crash
// undecided, until weir_transaction_resolve or _commit or _abort. *id (may be NULL) names it for
// ever.
WEIR_API weir_status weir_transaction_prepare(weir_transaction *transaction, uint64_t *id);
// Readers of committed records see all of it, or none of it: from one moment on, in all partitions.
WEIR_API weir_status weir_transaction_commit(weir_transaction *transaction);
WEIR_API weir_status weir_transaction_abort(weir_transaction *transaction);
// Decides a prepared transaction of this name by its id, also after a crash. Deciding it again the
// same way is WEIR_OK, the other way WEIR_CONFLICT.
WEIR_API weir_status weir_transaction_resolve(weir_transaction *transaction, uint64_t id,
                                              bool commits);
// Calls `each` with the ids of prepared, undecided transactions of this name, oldest first.
WEIR_API weir_status weir_transaction_list_prepared(weir_transaction *transaction,
                                                    void (*each)(void *opaque, uint64_t id),
                                                    void *opaque);

// ---- readers ----

typedef enum weir_start {
    WEIR_START_DEFAULT  = 0, // where the consumer committed; else the earliest
    WEIR_START_EARLIEST = 1,
    WEIR_START_LATEST   = 2, // after the last acknowledged record
    WEIR_START_OFFSET   = 3, // `offset`, in every partition
    WEIR_START_TIME     = 4  // the first record whose time is `time` or later
} weir_start;

typedef struct weir_reader_options {
    const char *consumer;        // a name that keeps its committed offsets, held by one reader at a
                                 // time; NULL: none
    const weir_type *type;       // what records shall be; NULL: the topic's newest. Kept
    const uint32_t  *partitions; // NULL: all. Copied
    uint32_t         partition_count;
    weir_start       start;
    uint64_t         offset;
    weir_time        time;
    bool             is_bounded;        // ends where the partitions ended when it was opened
    bool             reads_uncommitted; // also records of transactions that are open or aborted
} weir_reader_options;

// Rows as they lie in the log, in order; borrowed from the reader until its next call.
typedef struct weir_log_rows {
    uint32_t         partition;
    uint32_t         count;
    uint64_t         offset; // of the first
    const uint32_t  *deltas; // row i has offset + deltas[i]; NULL: offset + i
    const void      *rows;   // `count` structs of `type`
    const weir_type *type;
    const uint8_t   *changes;  // a weir_change each; NULL: all inserts
    weir_time        appended; // wall clock
} weir_log_rows;

// Opens a reader of a topic. Readers never slow the writer, nor each other.
//   WEIR_MISMATCH  the stored records cannot be read as `type`; the sentence names the field
//   WEIR_CONFLICT  another reader has the consumer's name
WEIR_API weir_status weir_reader_open(weir_log *log, const char *topic,
                                      const weir_reader_options *options, weir_reader **reader);
WEIR_API void        weir_reader_close(weir_reader *reader);
WEIR_API const char *weir_reader_error(const weir_reader *reader);

// The next rows of one of its partitions. Waits up to timeout_us for some (0: not at all; < 0: for
// ever). What fails because of one partition (the last three) leaves the others as they are:
// rows->partition is that one, and the next call goes on with another.
//   WEIR_TIMED_OUT  there is nothing new
//   WEIR_AT_END     a bounded reader has read all
//   WEIR_NOT_FOUND  retention or truncation took the records that were next; the reader now stands
//                   at the earliest that is left (told once)
//   WEIR_CONFLICT   records it has read were taken back by weir_log_truncate_from; it now stands
//                   where they began (told once)
//   WEIR_DAMAGED    stored bytes are not what was written; what is whole before them was given out.
//                   Told again, whenever the partition's turn comes, until moved by
//                   weir_reader_seek behind them
WEIR_API weir_status weir_reader_next(weir_reader *reader, int64_t timeout_us, weir_log_rows *rows);
// Moves one of its partitions. An offset before the earliest is the earliest, one past the end the
// end.
WEIR_API weir_status weir_reader_seek(weir_reader *reader, uint32_t partition, uint64_t offset);
// The first offset in a partition whose record's time is `time` or later, whatever the order of
// times; the end offset if there is none.
WEIR_API weir_status weir_reader_find_time(weir_reader *reader, uint32_t partition, weir_time time,
                                           uint64_t *offset);
// The offset that comes next in a partition, and how many offsets are acknowledged from there on.
WEIR_API weir_status weir_reader_position(const weir_reader *reader, uint32_t partition,
                                          uint64_t *offset, uint64_t *lag);
// Keeps the positions durably under the consumer's name, as of the last rows given out.
WEIR_API weir_status weir_reader_commit(weir_reader *reader);

// ---- consumers ----

typedef struct weir_consumer_offset {
    const char *consumer;
    const char *topic;
    uint32_t    partition;
    uint64_t    offset; // comes next
    uint64_t    lag;    // acknowledged records from there on
    weir_time   committed_at;
} weir_consumer_offset;

// Calls `each` for every consumer, topic and partition, in byte order.
WEIR_API weir_status weir_log_list_consumers(
    weir_log *log, void (*each)(void *opaque, const weir_consumer_offset *at), void *opaque);
// Sets where the consumer will start in a partition; nobody may have it open.
WEIR_API weir_status weir_log_set_consumer(weir_log *log, const char *consumer, const char *topic,
                                           uint32_t partition, uint64_t offset);
WEIR_API weir_status weir_log_delete_consumer(weir_log *log, const char *consumer);

// The type of weir_log_text.
WEIR_API const weir_type *weir_log_text_type(void);

WEIR_END

#endif // WEIR_LOG_H
