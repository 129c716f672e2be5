// The committer's thread: when it runs a round though nobody asks, how it is started and stopped.
//
// It waits for who asks (commit_queue.c), or until a mark, a sync of a weaker durability, another
// try on a full disk, or a look for what is old is due.
#include "log/commit.h"

#include "log/upkeep.h"
#include "runtime/base/thread.h"

#include <string.h>

#define UPKEEP_US 5000000 // between looks for what is old

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

// Waits until somebody asks or `due`; false: stop.
static bool thread_wait(struct wr_commit *commit, int64_t due)
{
    (void)pthread_mutex_lock(&commit->lock);
    bool is_in_time = true;
    while (!commit->is_asked && !commit->is_stopping && is_in_time) {
        is_in_time = wr_condition_wait_until(&commit->has_work, &commit->lock, due);
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
    commit->next_upkeep_us        = wr_commit_now_us(commit) + UPKEEP_US;
    while (thread_wait(commit, has_written ? wr_commit_now_us(commit) : next_due(commit))) {
        has_written = wr_commit_run(commit, false);
        if (wr_commit_now_us(commit) >= commit->next_upkeep_us) {
            if (commit_is_open(commit)) {
                wr_upkeep_run(commit->log);
            }
            commit->next_upkeep_us = wr_commit_now_us(commit) + UPKEEP_US;
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

weir_status wr_commit_stop(weir_log *log)
{
    struct wr_log_error error = { .status = WEIR_OK };
    if (log->commit == NULL) {
        return WEIR_OK;
    }
    commit_join(log->commit);
    const weir_status status = wr_commit_run_last(log->commit, &error);
    if (status != WEIR_OK) {
        (void)wr_log_fail(&log->error, status, "%s", error.sentence);
    }
    // The handle goes, and its sentence with it. Why it was poisoned was told.
    if (status != WEIR_OK && log->commit->poison == WEIR_OK) {
        wr_log_warn(log, "%s", error.sentence);
    }
    wr_log_error_fini(&error);
    return status;
}

void wr_commit_close(struct wr_commit *commit)
{
    wr_log_error_fini(&commit->poison_error);
    wr_log_error_fini(&commit->stuck_error);
    wr_free(commit->ready);
    wr_free(commit->open);
    (void)pthread_cond_destroy(&commit->has_room);
    (void)pthread_cond_destroy(&commit->has_work);
    (void)pthread_mutex_destroy(&commit->producers_lock);
    (void)pthread_mutex_destroy(&commit->lock);
    (void)pthread_mutex_destroy(&commit->commit_lock);
    wr_free(commit);
}
