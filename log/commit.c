#include "log/commit.h"

#include "log/producer.h"
#include "log/upkeep.h"
#include "runtime/base/thread.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define FULL_RETRY_US 1000000
#define UPKEEP_US     5000000 // between looks for what is old
#define NEVER         INT64_MAX

static int64_t now_us(const struct wr_commit *commit)
{
    return wr_now_us(commit->log->environment);
}

// ---- lists of partitions ----

static void list_add(struct wr_partition ***list, uint32_t *count, uint32_t *capacity,
                     struct wr_partition *partition)
{
    if (*count == *capacity) {
        *capacity = *capacity * 2 + 16;
        *list     = wr_realloc(*list, *capacity * sizeof(**list));
    }
    (*list)[(*count)++] = partition;
}

// Notes that the partition has a segment that will need a sync or a mark.
static void open_add(struct wr_commit *commit, struct wr_partition *partition)
{
    if (!partition->is_listed) {
        partition->is_listed = true;
        list_add(&commit->open, &commit->open_count, &commit->open_capacity, partition);
    }
}

static void ready_add(struct wr_commit *commit, struct wr_partition *partition)
{
    (void)pthread_mutex_lock(&commit->lock);
    if (!partition->is_ready) {
        partition->is_ready = true;
        list_add(&commit->ready, &commit->ready_count, &commit->ready_capacity, partition);
    }
    (void)pthread_mutex_unlock(&commit->lock);
}

// The partitions with something queued (wr_alloc'ed), from now on not ready.
static struct wr_partition **ready_take(struct wr_commit *commit, uint32_t *count)
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
                                                         0, FULL_RETRY_US);
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
    ready_add(commit, partition);
}

static void buffer_give(struct wr_commit *commit, uint64_t bytes)
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

// ---- poison ----

static void wake_partitions_of(const struct wr_topic *topic)
{
    for (uint32_t i = 0; topic->partitions != NULL && i < topic->settings.partitions; i++) {
        struct wr_partition *partition = topic->partitions[i];
        if (partition != NULL) {
            (void)pthread_mutex_lock(&partition->lock);
            (void)pthread_cond_broadcast(&partition->acknowledges);
            (void)pthread_mutex_unlock(&partition->lock);
        }
    }
}

// The first one stays.
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

// ---- one round ----

// What one round does to one partition.
struct turn {
    struct wr_partition    *partition;
    struct wr_queued_batch *written;
};

struct round {
    struct wr_commit   *commit;
    struct turn        *turns;
    uint32_t            turn_count;
    bool                is_full;
    struct wr_log_error error; // of what poisons, or of the full disk
};

// False: the log is poisoned.
static bool round_write(struct round *round)
{
    for (uint32_t i = 0; i < round->turn_count; i++) {
        struct turn      *turn = &round->turns[i];
        const weir_status status =
            wr_partition_write(turn->partition, &turn->written, &round->error);
        open_add(round->commit, turn->partition);
        if (status == WEIR_FULL || status == WEIR_NO_MEMORY) { // or no descriptor: tried again
            round->is_full = true;
            ready_add(round->commit, turn->partition);
        } else if (status != WEIR_OK) {
            return false;
        }
    }
    return true;
}

static bool round_sync(struct round *round, bool syncs)
{
    struct wr_commit *commit = round->commit;
    const weir_log   *log    = commit->log;
    const int64_t     now    = now_us(commit);
    const bool        is_due =
        log->options.durability == WEIR_DURABLE_INTERVAL && now >= commit->next_sync_us;
    if (!syncs && !is_due && log->options.durability != WEIR_DURABLE) {
        return true;
    }
    commit->next_sync_us = now + log->options.interval;
    for (uint32_t i = 0; i < commit->open_count; i++) {
        if (wr_partition_sync(commit->open[i], &round->error) != WEIR_OK) {
            return false;
        }
    }
    return true;
}

static uint64_t bytes_of(const struct wr_queued_batch *batch)
{
    uint64_t bytes = 0;
    for (; batch != NULL; batch = batch->next) {
        bytes += batch->header.bytes;
    }
    return bytes;
}

// Gives the buffer's room back, tells producers and readers.
static void round_tell(struct round *round, bool is_good)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < round->turn_count; i++) {
        struct turn *turn = &round->turns[i];
        bytes += bytes_of(turn->written);
        turn->partition->last_commit_us = now_us(round->commit);
        if (is_good) {
            wr_partition_acknowledge(turn->partition, turn->written);
        } else {
            wr_queued_free(turn->written);
        }
    }
    buffer_give(round->commit, bytes);
    const struct wr_topic *woken = NULL;
    for (uint32_t i = 0; is_good && i < round->turn_count; i++) {
        struct wr_topic *topic = round->turns[i].partition->topic;
        if (topic != woken && topic->live != NULL) {
            wr_live_wake_any(topic->live);
        }
        woken = topic;
    }
}

// The disk became full, or has room again.
static void round_settle_room(struct round *round)
{
    struct wr_commit *commit = round->commit;
    if (round->is_full) {
        if (!commit->is_full) {
            wr_log_warn(commit->log,
                        "%s; producers wait, readers go on, and it is tried again each "
                        "second",
                        round->error.sentence);
            wr_catalog_drop_ballast(commit->log);
            commit->has_ballast = false;
        }
        commit->next_try_us = now_us(commit) + FULL_RETRY_US;
    } else if (commit->is_full) {
        wr_log_warn(commit->log, "log %s: there is room on the disk again; going on",
                    commit->log->directory);
    } else if (!commit->has_ballast && now_us(commit) >= commit->next_try_us) {
        commit->has_ballast = wr_catalog_take_ballast(commit->log);
        commit->next_try_us = now_us(commit) + 10 * FULL_RETRY_US;
    }
    commit->is_full = round->is_full;
}

// Writes the marks that are due; with `is_last` those that end the log's life.
static bool round_mark(struct round *round, bool is_last)
{
    struct wr_commit *commit  = round->commit;
    const int64_t     now     = now_us(commit);
    uint32_t          kept    = 0;
    bool              is_good = true;
    for (uint32_t i = 0; i < commit->open_count; i++) {
        struct wr_partition *partition = commit->open[i];
        const bool is_due = now >= partition->last_commit_us + commit->log->options.mark_after;
        if (is_good && (is_due || is_last)) {
            is_good = wr_partition_mark(partition, is_last ? WR_BATCH_IS_CLEAN : 0,
                                        &round->error) == WEIR_OK &&
                      (!is_last || wr_partition_release_room(partition, &round->error) == WEIR_OK);
            if (is_good) {
                wr_partition_publish(partition);
            }
        }
        if (is_good && is_due) {
            partition->is_listed = false;
        } else {
            commit->open[kept++] = partition;
        }
    }
    commit->open_count = kept;
    return is_good;
}

// A round under the commit lock; false: nothing was written.
static bool commit_round(struct wr_commit *commit, bool syncs)
{
    struct round round = { .commit = commit };
    wr_commit_pull_any(commit);
    commit->is_idle = wr_commit_poison(commit, &round.error) != WEIR_OK;
    if (commit->is_idle || (commit->is_full && now_us(commit) < commit->next_try_us)) {
        wr_log_error_fini(&round.error);
        return false;
    }
    struct wr_partition **ready = ready_take(commit, &round.turn_count);
    round.turns                 = wr_alloc((round.turn_count + 1) * sizeof(*round.turns));
    for (uint32_t i = 0; i < round.turn_count; i++) {
        round.turns[i].partition = ready[i];
    }
    const bool is_good = round_write(&round) && round_sync(&round, syncs) &&
                         wr_catalog_check_epoch(commit->log, &round.error) == WEIR_OK;
    round_tell(&round, is_good);
    const bool is_marked = is_good && (round.is_full || round_mark(&round, false));
    if (is_good && (is_marked || round.error.status == WEIR_FULL)) {
        round.is_full = round.is_full || !is_marked;
        round_settle_room(&round);
    } else {
        wr_commit_fail(commit, &round.error);
    }
    const bool has_written = round.turn_count > 0 && is_good && !round.is_full;
    wr_log_error_fini(&round.error);
    wr_free(round.turns);
    wr_free(ready);
    return has_written;
}

bool wr_commit_run(struct wr_commit *commit, bool syncs)
{
    wr_commit_enter(commit);
    const bool has_written = commit_round(commit, syncs);
    wr_commit_leave(commit);
    return has_written;
}

void wr_commit_enter(struct wr_commit *commit) { (void)pthread_mutex_lock(&commit->commit_lock); }

void wr_commit_leave(struct wr_commit *commit) { (void)pthread_mutex_unlock(&commit->commit_lock); }

void wr_commit_forget(struct wr_commit *commit, const struct wr_topic *topic)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < commit->open_count; i++) {
        if (commit->open[i]->topic == topic) {
            commit->open[i]->is_listed = false;
        } else {
            commit->open[kept++] = commit->open[i];
        }
    }
    commit->open_count = kept;
    for (uint32_t p = 0; p < topic->settings.partitions; p++) {
        wr_partition_close_file(topic->partitions[p]);
    }
}

// ---- the thread ----

// When a round is needed though nobody asks.
static int64_t next_due(struct wr_commit *commit)
{
    int64_t due = commit->next_upkeep_us;
    wr_commit_enter(commit);
    if (commit->is_full || !commit->has_ballast) {
        due = commit->next_try_us < due ? commit->next_try_us : due;
    }
    // On a full disk nothing else is worth a try, and a poisoned log has nothing to do.
    for (uint32_t i = 0; i < commit->open_count && !commit->is_full && !commit->is_idle; i++) {
        const int64_t mark = commit->open[i]->last_commit_us + commit->log->options.mark_after;
        due                = mark < due ? mark : due;
        if (commit->open[i]->is_dirty && commit->next_sync_us < due &&
            commit->log->options.durability == WEIR_DURABLE_INTERVAL) {
            due = commit->next_sync_us;
        }
    }
    wr_commit_leave(commit);
    return due;
}

static struct timespec timespec_of(int64_t us)
{
    return (struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
}

// Waits until somebody asks or `due`; false: stop.
static bool thread_wait(struct wr_commit *commit, int64_t due)
{
    (void)pthread_mutex_lock(&commit->lock);
    int waited = 0;
    while (!commit->is_asked && !commit->is_stopping && waited == 0) {
        if (due == NEVER) {
            (void)pthread_cond_wait(&commit->has_work, &commit->lock);
        } else {
            const struct timespec until = timespec_of(due);
            waited = pthread_cond_timedwait(&commit->has_work, &commit->lock, &until);
        }
    }
    const bool goes_on = !commit->is_stopping;
    commit->is_asked   = false;
    (void)pthread_mutex_unlock(&commit->lock);
    return goes_on;
}

static bool commit_is_open(struct wr_commit *commit)
{
    (void)pthread_mutex_lock(&commit->lock);
    const bool is_open = commit->is_open && !commit->is_stopping;
    (void)pthread_mutex_unlock(&commit->lock);
    return is_open;
}

void wr_commit_begin_upkeep(struct wr_commit *commit)
{
    (void)pthread_mutex_lock(&commit->lock);
    commit->is_open = true;
    (void)pthread_mutex_unlock(&commit->lock);
}

static void *commit_main(void *opaque)
{
    struct wr_commit *commit      = opaque;
    bool              has_written = false;
    commit->next_upkeep_us        = now_us(commit) + UPKEEP_US;
    while (thread_wait(commit, has_written ? now_us(commit) : next_due(commit))) {
        has_written = wr_commit_run(commit, false);
        if (now_us(commit) >= commit->next_upkeep_us) {
            if (commit_is_open(commit)) {
                wr_upkeep_run(commit->log);
            }
            commit->next_upkeep_us = now_us(commit) + UPKEEP_US;
        }
    }
    return NULL;
}

// ---- starting and stopping ----

weir_status wr_commit_start(weir_log *log)
{
    struct wr_commit *commit = wr_alloc(sizeof(*commit));
    commit->log              = log;
    commit->has_ballast      = true;
    (void)pthread_mutex_init(&commit->commit_lock, NULL);
    (void)pthread_mutex_init(&commit->lock, NULL);
    (void)pthread_mutex_init(&commit->producers_lock, NULL);
    wr_condition_init(&commit->has_work);
    wr_condition_init(&commit->has_room);
    log->commit = commit;
    if (log->environment->is_simulated) {
        return WEIR_OK;
    }
    const int error    = wr_thread_start(&commit->thread, commit_main, commit, "weir/commit");
    commit->has_thread = error == 0;
    if (error != 0) {
        return wr_log_fail(&log->error, WEIR_NO_MEMORY, "log %s: cannot start a thread: %s",
                           log->directory, strerror(error));
    }
    return WEIR_OK;
}

static void commit_join(struct wr_commit *commit)
{
    if (commit->has_thread) {
        (void)pthread_mutex_lock(&commit->lock);
        commit->is_stopping = true;
        (void)pthread_cond_signal(&commit->has_work);
        (void)pthread_mutex_unlock(&commit->lock);
        (void)pthread_join(commit->thread, NULL);
        commit->has_thread = false;
    }
}

// Every partition with a segment being written, so that each gets its last mark.
static void open_add_all(struct wr_commit *commit)
{
    for (uint32_t i = 0; i < commit->log->topic_count; i++) {
        const struct wr_topic *topic = commit->log->topics[i];
        for (uint32_t p = 0; topic->partitions != NULL && p < topic->settings.partitions; p++) {
            if (topic->partitions[p] != NULL && topic->partitions[p]->file >= 0) {
                open_add(commit, topic->partitions[p]);
            }
        }
    }
}

// Notes in every partition's start file how far it is on disk.
static weir_status vouch_all(struct wr_commit *commit, struct wr_log_error *error)
{
    weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < commit->log->topic_count && status == WEIR_OK; i++) {
        const struct wr_topic *topic    = commit->log->topics[i];
        const bool             is_there = topic->partitions != NULL && !topic->is_deleted;
        for (uint32_t p = 0; is_there && p < topic->settings.partitions && status == WEIR_OK; p++) {
            if (topic->partitions[p] != NULL) {
                status = wr_partition_vouch(topic->partitions[p], error);
            }
        }
    }
    return status;
}

weir_status wr_commit_stop(weir_log *log)
{
    struct wr_commit *commit = log->commit;
    if (commit == NULL) {
        return WEIR_OK;
    }
    commit_join(commit);
    commit->next_try_us = 0;
    wr_commit_enter(commit);
    (void)commit_round(commit, true);
    struct round last   = { .commit = commit };
    weir_status  status = wr_commit_poison(commit, &last.error);
    if (status == WEIR_OK && commit->is_full) {
        status =
            wr_log_fail(&last.error, WEIR_FULL,
                        "log %s: closed on a full disk: %llu bytes that were appended are lost; "
                        "none of them was acknowledged",
                        log->directory, (unsigned long long)commit->buffered_bytes);
    }
    if (status == WEIR_OK) {
        open_add_all(commit);
        status = round_mark(&last, true) ? vouch_all(commit, &last.error) : last.error.status;
    }
    wr_commit_leave(commit);
    if (status != WEIR_OK) {
        (void)wr_log_fail(&log->error, status, "%s", last.error.sentence);
    }
    wr_log_error_fini(&last.error);
    return status;
}

void wr_commit_close(struct wr_commit *commit)
{
    wr_log_error_fini(&commit->poison_error);
    wr_free(commit->ready);
    wr_free(commit->open);
    (void)pthread_cond_destroy(&commit->has_room);
    (void)pthread_cond_destroy(&commit->has_work);
    (void)pthread_mutex_destroy(&commit->producers_lock);
    (void)pthread_mutex_destroy(&commit->lock);
    (void)pthread_mutex_destroy(&commit->commit_lock);
    wr_free(commit);
}

// ---- waiting ----

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
                              const struct wr_ticket *ticket, uint64_t batches, int64_t until,
                              struct wr_log_error *error)
{
    struct wr_environment *environment = commit->log->environment;
    while (!is_acknowledged(partition, ticket, batches)) {
        const weir_status poison = wr_commit_poison(commit, error);
        if (poison != WEIR_OK) {
            return poison;
        }
        if (!wr_commit_run(commit, false) && !is_acknowledged(partition, ticket, batches)) {
            if (now_us(commit) >= until) {
                return timed_out(partition, error);
            }
            const uint32_t word = 0;
            environment->ops->wait_word(environment, &word, 0, FULL_RETRY_US / 10);
        }
    }
    return WEIR_OK;
}

weir_status wr_commit_wait(struct wr_commit *commit, struct wr_partition *partition,
                           const struct wr_ticket *ticket, uint64_t batches, int64_t timeout_us,
                           struct wr_log_error *error)
{
    const int64_t now   = now_us(commit);
    const int64_t until = timeout_us < 0 || timeout_us > NEVER - now ? NEVER : now + timeout_us;
    if (!commit->has_thread) {
        return wait_alone(commit, partition, ticket, batches, until, error);
    }
    weir_status status = WEIR_OK;
    int         waited = 0;
    (void)pthread_mutex_lock(&partition->lock);
    while (ticket->acknowledged_batches < batches && status == WEIR_OK && waited == 0) {
        // Not under the partition's lock: who poisons takes it after the commit's.
        (void)pthread_mutex_unlock(&partition->lock);
        status = wr_commit_poison(commit, error);
        (void)pthread_mutex_lock(&partition->lock);
        if (status != WEIR_OK || ticket->acknowledged_batches >= batches) {
            break;
        }
        // A poisoning between the look and the wait is seen at the latest a second later.
        const int64_t         second = now_us(commit) + 1000000;
        const struct timespec limit  = timespec_of(until < second ? until : second);
        waited = pthread_cond_timedwait(&partition->acknowledges, &partition->lock, &limit);
        waited = waited == ETIMEDOUT && now_us(commit) < until ? 0 : waited;
    }
    const bool is_done = ticket->acknowledged_batches >= batches;
    (void)pthread_mutex_unlock(&partition->lock);
    if (is_done) {
        return WEIR_OK;
    }
    return status != WEIR_OK ? status : timed_out(partition, error);
}
