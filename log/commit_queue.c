// What others call on the committer: room in the buffer, the queues, asking, waiting for an
// acknowledgement, and why nothing is written any more.
//
//   producers --reserve, queue, ask--> ready partitions --> a round, which gives the room back
//                                                             \--> wait
#include "log/commit.h"

#include "log/producer.h"
#include "runtime/base/thread.h"

// ---- partitions with something queued ----

void wr_commit_list_add(struct wr_partition ***list, uint32_t *count, uint32_t *capacity,
                        struct wr_partition *partition)
{
    if (*count == *capacity) {
        *capacity = *capacity * 2 + 16;
        *list     = wr_realloc(*list, *capacity * sizeof(**list));
    }
    (*list)[(*count)++] = partition;
}

void wr_commit_ready_add(struct wr_commit *commit, struct wr_partition *partition)
{
    (void)pthread_mutex_lock(&commit->lock);
    if (!partition->is_ready) {
        partition->is_ready = true;
        wr_commit_list_add(&commit->ready, &commit->ready_count, &commit->ready_capacity,
                           partition);
    }
    (void)pthread_mutex_unlock(&commit->lock);
}

struct wr_partition **wr_commit_ready_take(struct wr_commit *commit, uint32_t *count)
{
    (void)pthread_mutex_lock(&commit->lock);
    struct wr_partition **taken = commit->ready;
    *count                      = commit->ready_count;
    for (uint32_t i = 0; i < *count; i++) {
        taken[i]->is_ready = false;
    }
    commit->ready          = NULL;
    commit->ready_count    = 0;
    commit->ready_capacity = 0;
    commit->round_count++;
    (void)pthread_mutex_unlock(&commit->lock);
    return taken;
}

// ---- the buffer, and asking ----

bool wr_commit_reserve_any(struct wr_commit *commit, size_t bytes, bool waits, weir_status *status)
{
    const uint64_t limit = commit->log->options.buffer_bytes;
    (void)pthread_mutex_lock(&commit->lock);
    while (waits && commit->poison == WEIR_OK && commit->buffered_bytes > 0 &&
           commit->buffered_bytes + bytes > limit) {
        if (commit->has_thread) {
            (void)pthread_cond_wait(&commit->has_room, &commit->lock);
        } else {
            (void)pthread_mutex_unlock(&commit->lock);
            if (!wr_commit_run(commit, false)) {
                commit->log->environment->ops->wait_word(commit->log->environment, &(uint32_t){ 0 },
                                                         0, WR_COMMIT_RETRY_US);
            }
            (void)pthread_mutex_lock(&commit->lock);
        }
    }
    *status             = commit->poison;
    const bool has_room = commit->poison == WEIR_OK &&
                          (commit->buffered_bytes == 0 || commit->buffered_bytes + bytes <= limit);
    (void)pthread_mutex_unlock(&commit->lock);
    return has_room;
}

void wr_commit_queue_any(struct wr_commit *commit, struct wr_partition *partition,
                         struct wr_queued_batch *batch)
{
    const size_t bytes = batch->header.bytes;
    (void)pthread_mutex_lock(&commit->lock);
    commit->buffered_bytes += bytes;
    (void)pthread_mutex_unlock(&commit->lock);
    wr_partition_queue_any(partition, batch);
    wr_commit_ready_add(commit, partition);
}

void wr_commit_give_room(struct wr_commit *commit, uint64_t bytes)
{
    if (bytes > 0) {
        (void)pthread_mutex_lock(&commit->lock);
        WR_ASSERT(commit->buffered_bytes >= bytes);
        commit->buffered_bytes -= bytes;
        (void)pthread_cond_broadcast(&commit->has_room);
        (void)pthread_mutex_unlock(&commit->lock);
    }
}

void wr_commit_ask_any(struct wr_commit *commit)
{
    (void)pthread_mutex_lock(&commit->lock);
    if (!commit->is_asked) {
        commit->is_asked = true;
        (void)pthread_cond_signal(&commit->has_work);
    }
    (void)pthread_mutex_unlock(&commit->lock);
}

void wr_commit_pull_any(struct wr_commit *commit)
{
    (void)pthread_mutex_lock(&commit->producers_lock);
    for (weir_producer *producer = commit->producers; producer != NULL; producer = producer->next) {
        wr_producer_pull_any(producer);
    }
    (void)pthread_mutex_unlock(&commit->producers_lock);
}

// ---- why nothing is written ----

static void wake_partitions_of(const struct wr_topic *topic)
{
    for (uint32_t i = 0; topic->partitions != NULL && i < topic->settings.partitions; i++) {
        if (topic->partitions[i] != NULL) {
            wr_partition_wake(topic->partitions[i]);
        }
    }
}

void wr_commit_fail(struct wr_commit *commit, const struct wr_log_error *why)
{
    weir_log *log      = commit->log;
    bool      is_first = false;
    (void)pthread_mutex_lock(&commit->lock);
    if (commit->poison == WEIR_OK) {
        is_first       = true;
        commit->poison = why->status;
        (void)wr_log_fail(&commit->poison_error, why->status, "%s", why->sentence);
        (void)pthread_cond_broadcast(&commit->has_room);
    }
    (void)pthread_mutex_unlock(&commit->lock);
    if (!is_first) {
        return;
    }
    wr_log_warn(log, "%s", why->sentence);
    (void)pthread_mutex_lock(&log->lock);
    for (uint32_t i = 0; i < log->topic_count; i++) {
        wake_partitions_of(log->topics[i]);
    }
    (void)pthread_mutex_unlock(&log->lock);
}

weir_status wr_commit_poison(struct wr_commit *commit, struct wr_log_error *error)
{
    (void)pthread_mutex_lock(&commit->lock);
    const weir_status status = commit->poison;
    if (status != WEIR_OK) {
        (void)wr_log_fail(error, status, "%s", commit->poison_error.sentence);
    }
    (void)pthread_mutex_unlock(&commit->lock);
    return status;
}

uint64_t wr_commit_round_any(struct wr_commit *commit)
{
    (void)pthread_mutex_lock(&commit->lock);
    const uint64_t rounds = commit->round_count;
    (void)pthread_mutex_unlock(&commit->lock);
    return rounds;
}

void wr_commit_be_stuck(struct wr_commit *commit, const struct wr_log_error *why)
{
    (void)pthread_mutex_lock(&commit->lock);
    commit->stuck_round = commit->round_count;
    (void)wr_log_fail(&commit->stuck_error, why->status, "%s", why->sentence);
    (void)pthread_mutex_unlock(&commit->lock);
}

weir_status wr_commit_stuck_any(struct wr_commit *commit, uint64_t since,
                                struct wr_log_error *error)
{
    weir_status status = WEIR_OK;
    (void)pthread_mutex_lock(&commit->lock);
    if (commit->stuck_round > since) {
        status = wr_log_fail(error, commit->stuck_error.status, "%s", commit->stuck_error.sentence);
    }
    (void)pthread_mutex_unlock(&commit->lock);
    return status;
}

// ---- waiting ----

// WEIR_OK, or why it is no use to wait any longer.
static weir_status wait_is_vain(struct wr_commit *commit, const struct wr_patience *patience,
                                struct wr_log_error *error)
{
    const weir_status status = wr_commit_poison(commit, error);
    return status != WEIR_OK ? status : wr_commit_stuck_any(commit, patience->stuck_since, error);
}

// A look under the partition's lock.
static bool is_acknowledged(struct wr_partition *partition, const struct wr_ticket *ticket,
                            uint64_t batches)
{
    (void)pthread_mutex_lock(&partition->lock);
    const bool is_done = ticket->acknowledged_batches >= batches;
    (void)pthread_mutex_unlock(&partition->lock);
    return is_done;
}

static weir_status timed_out(const struct wr_partition *partition, struct wr_log_error *error)
{
    return wr_log_fail(error, WEIR_TIMED_OUT, "%s: not acknowledged in the time given",
                       partition->directory);
}

// Without a thread: commits, and lets virtual time pass while the disk is full.
static weir_status wait_alone(struct wr_commit *commit, struct wr_partition *partition,
                              const struct wr_ticket *ticket, uint64_t batches,
                              const struct wr_patience *patience, struct wr_log_error *error)
{
    struct wr_environment *environment = commit->log->environment;
    while (!is_acknowledged(partition, ticket, batches)) {
        const weir_status status = wait_is_vain(commit, patience, error);
        if (status != WEIR_OK) {
            return status;
        }
        if (!wr_commit_run(commit, false) && !is_acknowledged(partition, ticket, batches)) {
            if (wr_commit_now_us(commit) >= patience->until_us) {
                return timed_out(partition, error);
            }
            const uint32_t word = 0;
            environment->ops->wait_word(environment, &word, 0, WR_COMMIT_RETRY_US / 10);
        }
    }
    return WEIR_OK;
}

weir_status wr_commit_wait(struct wr_commit *commit, struct wr_partition *partition,
                           const struct wr_ticket *ticket, uint64_t batches,
                           const struct wr_patience *patience, struct wr_log_error *error)
{
    const int64_t until = patience->until_us;
    if (!commit->has_thread) {
        return wait_alone(commit, partition, ticket, batches, patience, error);
    }
    weir_status status     = WEIR_OK;
    bool        is_in_time = true;
    (void)pthread_mutex_lock(&partition->lock);
    while (ticket->acknowledged_batches < batches && status == WEIR_OK && is_in_time) {
        // Not under the partition's lock, which comes after the commit's.
        (void)pthread_mutex_unlock(&partition->lock);
        status = wait_is_vain(commit, patience, error);
        (void)pthread_mutex_lock(&partition->lock);
        if (status != WEIR_OK || ticket->acknowledged_batches >= batches) {
            break;
        }
        // A poisoning between the look and the wait is seen at the latest a second later.
        const int64_t second = wr_commit_now_us(commit) + 1000000;
        is_in_time           = wr_condition_wait_until(&partition->acknowledges, &partition->lock,
                                             until < second ? until : second) ||
                     wr_commit_now_us(commit) < until;
    }
    const bool is_done = ticket->acknowledged_batches >= batches;
    (void)pthread_mutex_unlock(&partition->lock);
    if (is_done) {
        return WEIR_OK;
    }
    return status != WEIR_OK ? status : timed_out(partition, error);
}

uint32_t wr_commit_withdraw(struct wr_commit *commit, struct wr_partition *partition,
                            const struct wr_ticket *ticket)
{
    wr_commit_enter(commit); // what is being written is not in the queue
    struct wr_queued_batch *const withdrawn = wr_partition_withdraw(partition, ticket);
    uint64_t                      bytes     = 0;
    uint32_t                      count     = 0;
    for (const struct wr_queued_batch *batch = withdrawn; batch != NULL; batch = batch->next) {
        bytes += batch->header.bytes;
        count++;
    }
    wr_commit_give_room(commit, bytes);
    wr_commit_leave(commit);
    wr_queued_free(withdrawn);
    return count;
}
