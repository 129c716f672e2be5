// commit: one sync for all that wait. A thread that, again and again, takes what producers have
// queued in all partitions, writes it, syncs each file once, publishes and acknowledges. While it
// syncs, more is queued: so the groups grow with the load by themselves.
//
//   queue -> write -> sync -> check epoch -> publish -> wake readers -> acknowledge
//
// On a full disk it gives the ballast back, waits, and tries again each second; producers wait,
// readers go on. Who closes waits for one more try. A failed sync or write poisons the log: nothing
// more is written or acknowledged, every call says so.
//
//   commit         the round
//   commit_queue   what others call: room, queues, asking, waiting, and why nothing is written
//   commit_thread  the thread: when it runs a round, starting and stopping
//
// Thread rule: `commit_lock` is held for each round and by upkeep; the rest as said at the fields.
// The order of the locks: log.h.
#ifndef WR_LOG_COMMIT_H
#define WR_LOG_COMMIT_H

#include "log/partition.h"
#include <time.h>

struct wr_commit {
    weir_log       *log;
    pthread_mutex_t commit_lock;

    pthread_mutex_t       lock; // guards what follows
    pthread_cond_t        has_work, has_room;
    uint64_t              buffered_bytes; // queued and not yet written
    bool                  is_asked, is_stopping;
    bool                  is_open; // the log is: what is old may be seen to
    weir_status           poison;  // WEIR_OK, or why nothing is written any more
    struct wr_log_error   poison_error;
    struct wr_partition **ready; // have something queued
    uint32_t              ready_count, ready_capacity;
    uint64_t              round_count; // begun
    uint64_t            stuck_round; // the last that met a full disk although one before it had; 0
    struct wr_log_error stuck_error; // what that met

    pthread_mutex_t producers_lock; // guards the list of open producers (producer.h)
    weir_producer  *producers;

    // The commit lock's.
    struct wr_partition **open; // have something to sync or to vouch for
    uint32_t              open_count, open_capacity;
    bool                  is_full, has_ballast;
    bool                  is_idle;      // poisoned, as the last round found
    int64_t               next_try_us;  // on a full disk
    int64_t               next_sync_us; // of WEIR_DURABLE_INTERVAL

    pthread_t thread;
    int64_t   next_upkeep_us; // the thread's
    bool      has_thread;
};

weir_status wr_commit_start(weir_log *log); // the thread, in a real environment
// From now on what is old is seen to by itself; when the log has been opened.
void wr_commit_begin_upkeep(struct wr_commit *commit);
// Commits what is left, writes the marks of a clean close, ends the thread. WEIR_OK or what went
// wrong, which is the log's error then.
weir_status wr_commit_stop(weir_log *log);
void        wr_commit_close(struct wr_commit *commit); // after its partitions are closed

// Any thread: whether `bytes` more may be queued now; waits until they may if `waits`. False: not
// now, or the log is poisoned (*status).
bool wr_commit_reserve_any(struct wr_commit *commit, size_t bytes, bool waits, weir_status *status);
// Any thread: puts a batch into its partition's queue (handed).
void wr_commit_queue_any(struct wr_commit *commit, struct wr_partition *partition,
                         struct wr_queued_batch *batch);
// Any thread: there is something in a queue, or in a producer that has not filled a batch.
void wr_commit_ask_any(struct wr_commit *commit);
// Any thread: queues what producers have gathered, full batch or not. After it a ticket's
// queued_batches counts all that was appended.
void wr_commit_pull_any(struct wr_commit *commit);
// One round, by the calling thread; what the thread does, and who waits in a simulated environment.
// With `syncs` also what a weaker durability has not synced. True if something was written.
bool wr_commit_run(struct wr_commit *commit, bool syncs);
// How many rounds have begun. Any thread.
uint64_t wr_commit_round_any(struct wr_commit *commit);
// Who does not wait for a full disk asks it: whether a round that began after number `since` has
// met one that was known to be full, so that what could be given back was. WEIR_OK if not, else
// what it met. Any thread.
weir_status wr_commit_stuck_any(struct wr_commit *commit, uint64_t since,
                                struct wr_log_error *error);

// How long somebody waits.
struct wr_patience {
    int64_t  until_us;    // monotonic; INT64_MAX: no limit
    uint64_t stuck_since; // gives up when wr_commit_stuck_any says so; UINT64_MAX: never
};
// Waits until `ticket` of the partition has acknowledged `batches`. WEIR_TIMED_OUT, or why it will
// not be.
weir_status wr_commit_wait(struct wr_commit *commit, struct wr_partition *partition,
                           const struct wr_ticket *ticket, uint64_t batches,
                           const struct wr_patience *patience, struct wr_log_error *error);
// Takes the ticket's batches that are not written out of the queue. How many they were.
uint32_t wr_commit_withdraw(struct wr_commit *commit, struct wr_partition *partition,
                            const struct wr_ticket *ticket);
// WEIR_OK, or why nothing is written any more, with the sentence.
weir_status wr_commit_poison(struct wr_commit *commit, struct wr_log_error *error);

// Poisons the log: the disk failed within upkeep, or within a round. The first reason stays.
void wr_commit_fail(struct wr_commit *commit, const struct wr_log_error *why);

// Lets go of the segments of a topic that was deleted; under the commit lock, when it has no
// producers any more.
void wr_commit_forget(struct wr_commit *commit, const struct wr_topic *topic);

// For upkeep: no round runs between these.
void wr_commit_enter(struct wr_commit *commit);
void wr_commit_leave(struct wr_commit *commit);

// ---- between its files ----

#define WR_COMMIT_RETRY_US 1000000 // between tries on a full disk

static inline int64_t wr_commit_now_us(const struct wr_commit *commit)
{
    return wr_now_us(commit->log->environment);
}

// Appends to one of the lists of partitions.
void wr_commit_list_add(struct wr_partition ***list, uint32_t *count, uint32_t *capacity,
                        struct wr_partition *partition);
// The partition has something queued.
void wr_commit_ready_add(struct wr_commit *commit, struct wr_partition *partition);
// A round begins: the partitions with something queued (wr_alloc'ed), from now on not ready.
struct wr_partition **wr_commit_ready_take(struct wr_commit *commit, uint32_t *count);
// The round that begun last met a disk that was known to be full.
void wr_commit_be_stuck(struct wr_commit *commit, const struct wr_log_error *why);
// So much of what was queued is written.
void wr_commit_give_room(struct wr_commit *commit, uint64_t bytes);
// The last round, however short ago a full disk was tried, and the marks of a clean close; when the
// thread has ended. WEIR_OK, or why not all is written.
weir_status wr_commit_run_last(struct wr_commit *commit, struct wr_log_error *error);

#endif // WR_LOG_COMMIT_H
