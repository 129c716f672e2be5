// The round: what is queued in all partitions is written, each file synced once, what is on disk is
// published and acknowledged; then marks that are due, and what a full disk asks for.
//
//   ready partitions -> write -> sync -> check epoch -> publish, wake readers, acknowledge ->
//   mark
//
// Thread rule: all of it is under the commit lock.
#include "log/commit.h"

// ---- partitions with something to sync or to vouch for ----

// Notes that the partition has a segment that will need a sync or a mark.
static void open_add(struct wr_commit *commit, struct wr_partition *partition)
{
    if (!partition->is_listed) {
        partition->is_listed = true;
        wr_commit_list_add(&commit->open, &commit->open_count, &commit->open_capacity, partition);
    }
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
            wr_commit_ready_add(round->commit, turn->partition);
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
    const int64_t     now    = wr_commit_now_us(commit);
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

// Says how far may be read, and then that it was said.
static void tell_readers(const struct round *round)
{
    const struct wr_topic *woken = NULL;
    for (uint32_t i = 0; i < round->turn_count; i++) {
        wr_partition_publish(round->turns[i].partition);
    }
    for (uint32_t i = 0; i < round->turn_count; i++) {
        struct wr_topic *topic = round->turns[i].partition->topic;
        if (topic != woken && topic->live != NULL) {
            wr_live_wake_any(topic->live);
        }
        woken = topic;
    }
}

// Gives the buffer's room back, tells readers and producers. Readers first: whoever is acknowledged
// and looks, or has somebody look, finds what it appended.
static void round_tell(struct round *round, bool is_good)
{
    uint64_t bytes = 0;
    if (is_good) {
        tell_readers(round);
    }
    for (uint32_t i = 0; i < round->turn_count; i++) {
        struct turn *turn = &round->turns[i];
        bytes += bytes_of(turn->written);
        turn->partition->last_commit_us = wr_commit_now_us(round->commit);
        if (is_good) {
            wr_partition_acknowledge(turn->partition, turn->written);
        } else {
            wr_queued_free(turn->written);
        }
    }
    wr_commit_give_room(round->commit, bytes);
}

// Another try on a full disk has failed: who does not wait for that hears of it.
static void round_be_stuck(struct round *round)
{
    wr_commit_be_stuck(round->commit, &round->error);
    for (uint32_t i = 0; i < round->turn_count; i++) {
        wr_partition_wake(round->turns[i].partition);
    }
}

// The disk became full, or has room again.
static void round_settle_room(struct round *round)
{
    struct wr_commit *commit = round->commit;
    if (round->is_full) {
        if (commit->is_full) {
            round_be_stuck(round);
        } else {
            wr_log_warn(commit->log,
                        "%s; producers wait, readers go on, and it is tried again each "
                        "second",
                        round->error.sentence);
            wr_catalog_drop_ballast(commit->log);
            commit->has_ballast = false;
        }
        commit->next_try_us = wr_commit_now_us(commit) + WR_COMMIT_RETRY_US;
    } else if (commit->is_full) {
        wr_log_warn(commit->log, "log %s: there is room on the disk again; going on",
                    commit->log->directory);
    } else if (!commit->has_ballast && wr_commit_now_us(commit) >= commit->next_try_us) {
        commit->has_ballast = wr_catalog_take_ballast(commit->log);
        commit->next_try_us = wr_commit_now_us(commit) + 10 * WR_COMMIT_RETRY_US;
    }
    commit->is_full = round->is_full;
}

// Writes the marks that are due; with `is_last` those that end the log's life.
static bool round_mark(struct round *round, bool is_last)
{
    struct wr_commit *commit  = round->commit;
    const int64_t     now     = wr_commit_now_us(commit);
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
    if (commit->is_idle || (commit->is_full && wr_commit_now_us(commit) < commit->next_try_us)) {
        wr_log_error_fini(&round.error);
        return false;
    }
    struct wr_partition **ready = wr_commit_ready_take(commit, &round.turn_count);
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

// ---- the ends of topics and of the log ----

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

weir_status wr_commit_run_last(struct wr_commit *commit, struct wr_log_error *error)
{
    const weir_log *log = commit->log;
    wr_commit_enter(commit);
    commit->next_try_us = 0;
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
    *error = last.error;
    return status;
}
