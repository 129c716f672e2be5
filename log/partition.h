// partition: one ordered history as its writer has it: the queue of batches to write, the segment
// being written, the list of those before it.
//
//   producers --queue--> committer: pwrite ... pwrite, fdatasync --> acknowledged, published
//
// Invariants: written <= capacity of the segment; end of segments[i] = base of segments[i + 1];
// acknowledged <= durable (unless a weaker durability) <= written end.
//
// Thread rule: `lock` guards the queue, what has been acknowledged, and the list of segments; the
// rest belongs to whoever holds the log's commit lock.
#ifndef WR_LOG_PARTITION_H
#define WR_LOG_PARTITION_H

#include "log/catalog.h"
#include "log/live.h"
#include "log/segment.h"

// A batch on its way to disk. Its payload and header are made by the producer but for what only the
// committer knows: base offset, epoch, durable_upto, appended, cut.
struct wr_queued_batch {
    struct wr_queued_batch    *next;
    struct wr_log_batch_header header;
    char                      *bytes;  // header.bytes of them, handed; wr_free'd once written
    struct wr_ticket          *ticket; // told when it is acknowledged; may be NULL
};

// How a producer learns what became of its batches to one partition; guarded by the partition's
// lock. It outlives them, or they are made to forget it first.
struct wr_ticket {
    uint64_t queued_batches, acknowledged_batches;
    uint64_t acknowledged_rows;
    uint64_t next_offset; // after the last acknowledged row
};

// A segment that is not being written any more.
struct wr_sealed_segment {
    uint64_t  base, end, bytes, rows;
    uint32_t  generation;
    weir_time last_appended, greatest_time, least_time;
    uint32_t  transaction_batches, changes;
};

struct wr_partition {
    struct wr_topic    *topic;
    uint32_t            number, seed;
    char               *directory;
    struct wr_log_place place;

    pthread_mutex_t         lock;
    pthread_cond_t          acknowledges; // something was, or never will be
    struct wr_queued_batch *first, *last;
    bool                    is_ready; // in the commit's list `ready`; guarded by the commit's lock
    struct wr_sealed_segment *segments; // ascending; guarded by lock
    uint32_t                  segment_count, segment_capacity;
    uint64_t                  first_offset; // guarded by lock; see start

    // The commit lock's.
    int      file; // of the segment being written; -1: none yet
    char    *path;
    uint64_t base, position, room_bytes; // of that segment: where the next batch goes
    uint64_t next_offset;                // of the next batch
    uint64_t durable;                    // offsets below are on disk
    uint64_t vouched;                    // the greatest durable_upto written
    bool     is_dirty;                   // written and not synced
    bool     is_listed;                  // in the commit's list `open`
    bool     is_noted;                   // the segment, in the start file
    int64_t  last_commit_us;
    struct wr_segment_index   index;
    struct wr_partition_start start;
    bool                      has_unfinished_cut; // noted, and segments do not show it yet
};

// Opens, recovering what a crash left: reads the last segment past the page cache, drops a torn
// tail (warned of, with offsets and bytes), seals it, and clears away what an unfinished roll,
// compaction or truncation left behind. WEIR_DAMAGED: bytes before the durable end are not what was
// written; nothing has been changed then.
weir_status wr_partition_open(struct wr_topic *topic, uint32_t number, struct wr_log_error *error,
                              struct wr_partition **partition);
// Lets go of it; without writing.
void wr_partition_close(struct wr_partition *partition);

// What a reader may read when no writer has run since the machine started: everything valid, by a
// walk of the last segment. It is on disk, for that is where it came from since then. WEIR_DAMAGED
// as above.
weir_status wr_partition_look(struct wr_environment *environment, const char *directory,
                              const struct wr_log_place *place, struct wr_live_position *position,
                              struct wr_log_error *error);

// Lets go of the segment being written; without writing.
void wr_partition_close_file(struct wr_partition *partition);
// How often it was truncated from an offset.
uint64_t wr_partition_cut_number(const struct wr_partition *partition);
// Adds a segment behind the others in the list; and what a finished index says of one.
void                     wr_partition_add_sealed(struct wr_partition            *partition,
                                                 const struct wr_sealed_segment *sealed);
struct wr_sealed_segment wr_sealed_segment_of(const struct wr_segment_index *index, uint64_t base,
                                              uint64_t file_bytes, uint32_t generation);

// Puts a batch at the end of the queue (any thread); the commit is told by the caller.
void wr_partition_queue_any(struct wr_partition *partition, struct wr_queued_batch *batch);

// What is still queued tells this ticket nothing any more; under the commit lock, so that nothing
// is being written. For a producer that closes although not all was acknowledged.
void wr_partition_forget_ticket(struct wr_partition *partition, const struct wr_ticket *ticket);
// Takes the ticket's batches out of the queue, as a list; likewise.
struct wr_queued_batch *wr_partition_withdraw(struct wr_partition    *partition,
                                              const struct wr_ticket *ticket);
// Has those who wait for an acknowledgement look again.
void wr_partition_wake(struct wr_partition *partition);
void wr_queued_free(struct wr_queued_batch *batch); // and those behind it

// ---- under the commit lock ----

// Writes all that is queued, rolling as needed. WEIR_FULL: what did not fit is still queued, in
// order. *written gets the list of batches written, to be acknowledged (or freed) after the sync.
weir_status wr_partition_write(struct wr_partition *partition, struct wr_queued_batch **written,
                               struct wr_log_error *error);
// fdatasync of what was written. A failure poisons the log.
weir_status wr_partition_sync(struct wr_partition *partition, struct wr_log_error *error);
// Acknowledges `written` to its producers; when it was published, and readers were woken.
void wr_partition_acknowledge(struct wr_partition *partition, struct wr_queued_batch *written);
// Writes a mark (with WR_BATCH_IS_CLEAN at a close) if the durable end is not vouched for yet, and
// syncs it.
weir_status wr_partition_mark(struct wr_partition *partition, uint32_t flags,
                              struct wr_log_error *error);
// Gives the room behind the last batch back to the file system; at a close.
weir_status wr_partition_release_room(struct wr_partition *partition, struct wr_log_error *error);
// Writes the durable end into the start file, if it says less; at a close, so that a last segment
// that is cut short or gone is seen.
weir_status wr_partition_vouch(struct wr_partition *partition, struct wr_log_error *error);
// Tells readers how far to read (live memory), without waking them.
void wr_partition_publish(struct wr_partition *partition);
// Ends the segment being written, if there is one with a batch in it: footer, truncation, sync.
weir_status wr_partition_seal(struct wr_partition *partition, struct wr_log_error *error);

// ---- for upkeep, under the commit lock; each leaves the partition as it was when it fails ----

// Files that are in the list no more and still have to go. Removing many takes long, so that is
// done beside the committer; what a crash leaves of them the next opening removes.
struct wr_leftovers {
    uint64_t *bases; // wr_alloc'ed
    uint32_t  count;
    uint64_t  bytes;
    bool      is_replaced; // by a file whose name must be on disk first
};

// Segments that end at or before `offset` go: start file first (first_offset), then the list; the
// files are left over.
weir_status wr_partition_drop_before(struct wr_partition *partition, uint64_t offset,
                                     struct wr_leftovers *leftovers, struct wr_log_error *error);
// Puts the file at `path` (complete, sealed, synced, of generation > the others') in place of
// `count` neighbours from number `first` of the list, whose offsets it covers: rename over the
// first; the others are left over.
weir_status wr_partition_replace(struct wr_partition *partition, uint32_t first, uint32_t count,
                                 const char *path, const struct wr_sealed_segment *by,
                                 struct wr_leftovers *leftovers, struct wr_log_error *error);
// Removes leftover files and frees `leftovers`; by whoever does upkeep, with or without the commit
// lock.
weir_status wr_partition_remove_leftovers(const struct wr_partition *partition,
                                          struct wr_leftovers       *leftovers,
                                          struct wr_log_error       *error);
// Takes everything from `offset` on away; the next batch begins there, in a new segment. Noted in
// the start file (a cut) before anything is removed.
weir_status wr_partition_cut(struct wr_partition *partition, uint64_t offset,
                             struct wr_log_error *error);

#endif // WR_LOG_PARTITION_H
