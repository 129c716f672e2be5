// log: the embedded durable log. One directory, one writing process, any number of readers.
//
//   producer --batches--> partition's queue --committer--> segment file --cursor--> reader
//                                                     \--> live (shared memory): how far to read
//
//   DIR/log                     what makes it a log: format, id, when it was made
//   DIR/lock                    locked by the writer; who that is
//   DIR/epoch                   how often it was opened for writing
//   DIR/ballast                 room for the last things to be written on a full disk
//   DIR/topics/NAME/topic       settings and schemas
//   DIR/topics/NAME/live        shared memory of writer and readers; worth nothing after a restart
//   DIR/topics/NAME/P/*.segment the records of partition P
//   DIR/topics/NAME/P/start     first offset and cuts; missing: 0 and none
//   DIR/topics/.transactions/   a topic like the others, of decisions
//   DIR/consumers/NAME          committed offsets; DIR/consumers/NAME.lock held by its reader
//
// The small files are text that ends with its own checksum (small_file.h), replaced as a whole:
// temporary file, sync, rename, sync of the directory.
//
//   format      bytes of a segment             schema, pack   rows in batches
//   segment     finding, reading, making one   small_file     text with a checksum
//   catalog     the directory: lock, epoch, topics            live    what readers watch
//   partition   appending, sealing, recovering                commit  one sync for all that wait
//   producer    rows into batches              consumers      committed offsets
//   reader      batches into rows              fsck           what is wrong, and nothing else
//   look        how far readers may read, by the files
//   pending     a request that is waited for        search    where something belongs in order
//   transactions, follow_decisions, decide, transaction_handle, transaction_resolve, undecided,
//     forget_aborted: all or nothing (deciding.h)
//   upkeep      when: retain, truncate, and compact, out_of_date, rewrite (compaction.h)
//   rearrange   segments taken away, or others put in their place
//   handles     what is open of a log
//
// Invariants
//   offsets are dense: a batch's base offset is the end (base + span) of the one before it
//   a segment's base is the end of the segment before it; only the last is not sealed
//   durable <= written; readable <= durable, unless a weaker durability was chosen, then <= written
//   nothing is written to or synced in a file after a sync of it has failed; the log is then
//   poisoned, and acknowledges nothing more
//
// Thread rule: only the committer (one at a time, `commit_lock`) writes segment files. Who takes
// one of these locks holds none that stands behind it:
//
//   wr_upkeep.lock              one piece of upkeep, or the deletion of a topic
//   wr_transactions.start_lock  the first use of .transactions
//   weir_log.catalog_lock       one at a time opens, makes, alters, deletes topics
//   wr_commit.commit_lock       a round, or a step of upkeep
//   wr_commit.producers_lock    the list of producers
//   weir_producer.lock          what one has gathered, and its transaction
//   wr_transactions.lock        what is decided, and who is deciding
//   weir_log.lock               its topics, handles and error
//   wr_commit.lock              the buffer, what is ready, asked, poisoned
//   wr_partition.lock           its queue, what is acknowledged, its list of segments
//
// wr_upkeep.state_lock and those of a reader are taken last, with none of these under them. `warn`
// may be called under the commit lock: it must not call the log.
#ifndef WR_LOG_H
#define WR_LOG_H

#include "log/format.h"
#include "log/schema.h"
#include "runtime/base/environment.h"
#include <pthread.h>
#include <weir/log.h>

// The one sentence a handle keeps.
struct wr_log_error {
    weir_status status;
    char       *sentence; // wr_alloc'ed; NULL: none
};
// Keeps the sentence in place of the one before; returns `status`.
weir_status wr_log_fail(struct wr_log_error *error, weir_status status, const char *sentence, ...)
    WEIR_PRINTF(3, 4);
void wr_log_error_fini(struct wr_log_error *error);
// What a failed file operation (-errno) is to the user: WEIR_FULL, WEIR_NOT_FOUND,
// WEIR_UNREACHABLE, WEIR_DISK_FAILED (EIO). Either sign will do.
weir_status wr_log_status_of(int error);

struct wr_live;
struct wr_partition;
struct wr_commit;
struct wr_transactions;
struct wr_upkeep;

// A topic as it is open in a weir_log. Freed with the log only, so that it may be pointed at.
struct wr_topic {
    weir_log        *log;
    char            *directory; // DIR/topics/NAME
    struct wr_log_id id;
    weir_topic       settings; // strings and type are the topic's own; type: the newest version
    weir_type      **schemas;  // version v is schemas[v - 1]
    uint32_t         schema_count;
    char            *text; // its file as it was read or written last
    bool             is_deleted;
    struct wr_live  *live; // NULL: a reader's, and there is no writer's (yet)
    // What the writer before said of each partition, if the machine has not restarted since; NULL.
    struct wr_live_position *known;
    struct wr_partition **partitions; // settings.partitions of them; NULL: opened for reading only
};

// A producer, reader or transaction, as its log knows of it.
enum wr_handle_kind { WR_HANDLE_PRODUCER, WR_HANDLE_READER, WR_HANDLE_TRANSACTION };
struct wr_handle {
    struct wr_handle   *next, *before;
    enum wr_handle_kind kind;
    const char         *name; // of its topic; a transaction's own. NULL: not put
};

struct weir_log {
    struct wr_environment  *environment;
    bool                    owns_environment;
    char                   *directory;
    weir_log_options        options; // with the defaults filled in
    struct wr_log_id        id;
    uint32_t                epoch; // a writer's; 0: opened for reading
    int                     lock_file;
    pthread_mutex_t         lock;
    pthread_mutex_t         catalog_lock;
    struct wr_topic       **topics;
    uint32_t                topic_count;
    struct wr_log_error     error;
    struct wr_handle       *handles;      // that are open
    struct wr_commit       *commit;       // writers only
    struct wr_transactions *transactions; // writers: decides; readers: follows; NULL until needed
    struct wr_upkeep       *upkeep;       // writers only; made when needed
};

// weir_log_open in an environment of the caller's, which outlives the log. In a simulated one there
// is no committer thread: whoever waits commits (wr_commit_run).
weir_status wr_log_open_in(struct wr_environment *environment, const char *directory,
                           const weir_log_options *options, weir_log **log);
// Moves what a call left in `error` to where weir_log_error finds it; returns error->status. Any
// thread, without the log's lock.
weir_status wr_log_keep(weir_log *log, struct wr_log_error *error);
// The handle is open from now on, and is not any more (which does nothing if it never was). The
// name is the caller's, and valid until then.
void wr_handle_put(weir_log *log, struct wr_handle *handle, enum wr_handle_kind kind,
                   const char *name);
void wr_handle_take(weir_log *log, struct wr_handle *handle);
// WEIR_CONFLICT: some are open; log->error says which.
weir_status wr_handles_check(weir_log *log);
// Tells the user (options.warn).
void wr_log_warn(const weir_log *log, const char *sentence, ...) WEIR_PRINTF(2, 3);

#endif // WR_LOG_H
