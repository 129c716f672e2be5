// Savepoints: asked for from any thread, made of a checkpoint that has just been published.
#include "runtime/run/coordinating.h"

#include "runtime/base/thread.h"

void wr_coordinator_await_news(struct wr_coordinator *coordinator)
{
    (void)wr_condition_wait_until(&coordinator->has_served, &coordinator->lock,
                                  wr_coordinator_now_us(coordinator) + 100000);
}

// ---- for who asks ----

// Under the lock.
static void savepoint_ask(struct wr_coordinator *coordinator, struct savepoint *own)
{
    own->number            = ++coordinator->savepoints_asked;
    coordinator->savepoint = own;
    wr_coordinator_signal(coordinator);
    if (own->is_last) { // not before it is known what the last checkpoint is wanted for
        weir_run_stop_any(coordinator->run, own->drains);
    }
}

static weir_status savepoint_await(struct wr_coordinator *coordinator, struct savepoint own,
                                   int64_t timeout_us, struct wr_error *error)
{
    const int64_t begin_us = wr_coordinator_now_us(coordinator);
    bool          is_over  = false;
    bool          is_late  = false;
    (void)pthread_mutex_lock(&coordinator->lock);
    while (!own.is_done && !is_over && !is_late) {
        if (coordinator->savepoint == NULL) { // one at a time
            savepoint_ask(coordinator, &own);
        }
        wr_coordinator_await_news(coordinator);
        is_late = timeout_us >= 0 && wr_coordinator_now_us(coordinator) - begin_us >= timeout_us;
        is_over = coordinator->is_over || wr_run_has_failed_any(coordinator->run);
    }
    if (coordinator->savepoint == &own) {
        coordinator->savepoint = NULL;
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
    if (!own.is_done) {
        (void)wr_error_set(&own.error, is_over ? WEIR_CONFLICT : WEIR_TIMED_OUT, "savepoint %s: %s",
                           own.directory,
                           is_over ? "the run has ended" : "it was not made in the time given");
    }
    *error = own.error;
    return error->status;
}

weir_status wr_coordinator_savepoint_any(struct wr_coordinator *coordinator, const char *directory,
                                         int64_t timeout_us, struct wr_error *error)
{
    const struct savepoint own = { .directory = directory };
    return savepoint_await(coordinator, own, timeout_us, error);
}

// Sources that were asked to end have ended for good: where checkpoints fail they are not asked
// before one is made.
static bool has_no_room(struct wr_coordinator *coordinator, const char *directory,
                        struct wr_error *error)
{
    const struct savepoint trial = { .directory = directory, .is_trial = true };
    (void)pthread_mutex_lock(&coordinator->lock);
    const bool is_in_trouble = coordinator->trouble.count > 0;
    (void)pthread_mutex_unlock(&coordinator->lock);
    return is_in_trouble && savepoint_await(coordinator, trial, -1, error) != WEIR_OK;
}

weir_status wr_coordinator_stop_any(struct wr_coordinator *coordinator, const char *directory,
                                    bool drain, struct wr_error *error)
{
    const struct savepoint own = { .directory = directory, .is_last = true, .drains = drain };
    if (wr_store_savepoint_directory(coordinator->run->environment, directory, error) != WEIR_OK ||
        has_no_room(coordinator, directory, error)) {
        return error->status;
    }
    return savepoint_await(coordinator, own, -1, error);
}

// ---- for the coordinator ----

bool wr_savepoint_is_wanted(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    const bool is_wanted = coordinator->savepoint != NULL && !coordinator->savepoint->is_last;
    (void)pthread_mutex_unlock(&coordinator->lock);
    return is_wanted;
}

void wr_savepoint_note_try(struct wr_coordinator *coordinator, bool is_last)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->savepoint != NULL && (is_last || !coordinator->savepoint->is_last)) {
        coordinator->savepoint->is_tried = true;
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}

// Under the lock: who asked for it is answered.
static void savepoint_end(struct wr_coordinator *coordinator)
{
    coordinator->savepoint->is_done = true;
    coordinator->savepoint          = NULL;
    (void)pthread_cond_broadcast(&coordinator->has_served);
}

void wr_savepoint_refuse(struct wr_coordinator *coordinator, weir_status status, const char *why)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    struct savepoint *asked = coordinator->savepoint;
    if (asked != NULL && asked->is_tried) {
        (void)wr_error_set(
            &asked->error, status, "savepoint %s: checkpoint %llu is given up: %s; the job %s",
            asked->directory, (unsigned long long)coordinator->current, why,
            coordinator->is_final ? "ends when its last checkpoint is made, without the savepoint"
                                  : "runs on");
        savepoint_end(coordinator);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}

void wr_savepoint_make(struct wr_coordinator *coordinator, bool is_last)
{
    struct wr_error error = { .status = WEIR_OK };
    (void)pthread_mutex_lock(&coordinator->lock);
    const struct savepoint *asked     = coordinator->savepoint;
    const bool              is_due    = asked != NULL && (is_last || !asked->is_last);
    const bool              is_trial  = is_due && asked->is_trial;
    const uint64_t          number    = is_due ? asked->number : 0;
    char                   *directory = is_due ? wr_copy_text(asked->directory) : NULL;
    (void)pthread_mutex_unlock(&coordinator->lock);
    if (directory == NULL) {
        return;
    }
    if (!is_trial) {
        (void)wr_store_savepoint(coordinator->store, directory, &error);
    }
    wr_free(directory);
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->savepoint != NULL && coordinator->savepoint->number == number) {
        coordinator->savepoint->error = error;
        savepoint_end(coordinator);
    } else {
        wr_error_fini(&error);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}
