// Savepoints, and other numbers of workers: asked for from any thread, served by the coordinator
// between two checkpoints.
#include "runtime/run/coordinating.h"

#include "runtime/run/handover.h"

#include <time.h>

// Under the lock; in pieces, so that the end of the run is seen.
static void await_news(struct wr_coordinator *coordinator)
{
    const int64_t         until_us = wr_coordinator_now_us(coordinator) + 100000;
    const struct timespec until    = { .tv_sec  = until_us / 1000000,
                                       .tv_nsec = until_us % 1000000 * 1000 };
    (void)pthread_cond_timedwait(&coordinator->has_served, &coordinator->lock, &until);
}

// ---- savepoints ----

// Under the lock.
static void savepoint_ask(struct wr_coordinator *coordinator, struct savepoint *own)
{
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
        await_news(coordinator);
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

weir_status wr_coordinator_stop_any(struct wr_coordinator *coordinator, const char *directory,
                                    bool drain, struct wr_error *error)
{
    const struct savepoint own = { .directory = directory, .is_last = true, .drains = drain };
    return wr_store_savepoint_directory(coordinator->run->environment, directory, error) == WEIR_OK
               ? savepoint_await(coordinator, own, -1, error)
               : error->status;
}

bool wr_savepoint_is_wanted(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    const bool is_wanted = coordinator->savepoint != NULL && !coordinator->savepoint->is_last;
    (void)pthread_mutex_unlock(&coordinator->lock);
    return is_wanted;
}

void wr_savepoint_make(struct wr_coordinator *coordinator, bool is_last)
{
    struct wr_error error = { .status = WEIR_OK };
    (void)pthread_mutex_lock(&coordinator->lock);
    const struct savepoint *asked     = coordinator->savepoint;
    const bool              is_due    = asked != NULL && (is_last || !asked->is_last);
    char                   *directory = is_due ? wr_copy_text(asked->directory) : NULL;
    (void)pthread_mutex_unlock(&coordinator->lock);
    if (directory == NULL) {
        return;
    }
    (void)wr_store_savepoint(coordinator->store, directory, &error);
    wr_free(directory);
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->savepoint == asked) {
        coordinator->savepoint->error   = error;
        coordinator->savepoint->is_done = true;
        coordinator->savepoint          = NULL;
        (void)pthread_cond_broadcast(&coordinator->has_served);
    } else {
        wr_error_fini(&error);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}

// ---- moving ----

static bool generation_take_over(struct wr_coordinator      *coordinator,
                                 const struct wr_generation *last)
{
    const struct wr_index **indexes = wr_alloc((last->task_count + 1) * sizeof(struct wr_index *));
    for (uint32_t i = 0; i < last->task_count; i++) {
        indexes[i] = coordinator->parts[i].handed;
    }
    const bool is_good = wr_generation_take_over(coordinator->moving, last, indexes);
    wr_free((void *)(uintptr_t)indexes);
    return is_good;
}

// The pause: every task has ended at the barrier, until the next ones work.
static void move_on(struct wr_coordinator *coordinator)
{
    struct weir_run      *run  = coordinator->run;
    struct wr_generation *last = run->now;
    struct wr_generation *next = coordinator->moving;
    wr_generation_join(last);
    if (wr_run_has_failed_any(run) || !generation_take_over(coordinator, last)) {
        return;
    }
    wr_coordinator_close_parts(coordinator);
    coordinator->moving = NULL;
    wr_run_succeed(run, next);
    __atomic_store_n(&run->handover, 0, __ATOMIC_RELAXED);
    (void)pthread_mutex_lock(&coordinator->lock);
    wr_coordinator_open_parts(coordinator);
    (void)pthread_mutex_unlock(&coordinator->lock);
    wr_coordinator_rest(coordinator, coordinator->next_us);
    if (!run->is_simulated) {
        (void)wr_generation_start(next);
    }
    coordinator->paused_us = wr_coordinator_now_us(coordinator) - coordinator->handed_us;
}

// Under the lock, by who asked: threads are started with the priority of the one that starts them,
// and the coordinator's has stood back.
static void hand_over(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_unlock(&coordinator->lock);
    move_on(coordinator);
    (void)pthread_mutex_lock(&coordinator->lock);
    coordinator->is_handing = false;
    wr_coordinator_signal(coordinator);
}

// Lets who asked do it, who may have left because the run has failed.
static void let_hand_over(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    coordinator->is_handing = coordinator->move != NULL;
    (void)pthread_cond_broadcast(&coordinator->has_served);
    while (coordinator->is_handing) {
        (void)pthread_cond_wait(&coordinator->has_work, &coordinator->lock);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}

static bool is_waiting(struct wr_coordinator *coordinator, const struct move *own)
{
    return !own->is_done && !wr_run_has_failed_any(coordinator->run) &&
           (own->next == NULL || !coordinator->is_over);
}

weir_status wr_coordinator_move_any(struct wr_coordinator *coordinator, struct wr_generation *next,
                                    int64_t timeout_us, int64_t *paused_us, struct wr_error *error)
{
    const int64_t begin_us = wr_coordinator_now_us(coordinator);
    struct move   own      = { .next = next };
    bool          is_late  = false;
    (void)pthread_mutex_lock(&coordinator->lock);
    while (coordinator->is_handing || (is_waiting(coordinator, &own) && !is_late)) {
        if (coordinator->is_handing) {
            hand_over(coordinator);
            continue;
        }
        if (coordinator->move == NULL) {
            coordinator->move = &own;
            wr_coordinator_signal(coordinator);
        }
        await_news(coordinator);
        is_late = timeout_us >= 0 && own.next != NULL &&
                  wr_coordinator_now_us(coordinator) - begin_us >= timeout_us;
    }
    coordinator->move = NULL;
    (void)pthread_mutex_unlock(&coordinator->lock);
    wr_generation_close(own.next);
    if (paused_us != NULL) {
        *paused_us = own.paused_us;
    }
    return own.is_done ? WEIR_OK
           : is_late
               ? wr_error_set(error, WEIR_TIMED_OUT,
                              "another number of workers: it was not begun in the time given")
               : wr_error_set(error, WEIR_CONFLICT, "another number of workers: the run has ended");
}

void wr_coordinator_ask_move(struct wr_coordinator *coordinator, struct wr_generation *next)
{
    WR_ASSERT(!wr_coordinator_is_moving(coordinator));
    coordinator->moving = next;
}

bool wr_coordinator_is_moving(const struct wr_coordinator *coordinator)
{
    return coordinator->moving != NULL;
}

bool wr_move_is_wanted(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->move != NULL && coordinator->move->next != NULL) {
        coordinator->moving     = coordinator->move->next;
        coordinator->move->next = NULL; // who waits waits to the end now
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
    return coordinator->moving != NULL;
}

bool wr_move_is_under_way(const struct wr_coordinator *coordinator)
{
    return coordinator->current != 0 && coordinator->current == coordinator->run->handover;
}

void wr_move_begin(struct wr_coordinator *coordinator)
{
    coordinator->current  = coordinator->next++;
    coordinator->began_us = wr_coordinator_now_us(coordinator);
    // Read by tasks when the barrier has come to them.
    __atomic_store_n(&coordinator->run->handover, coordinator->current, __ATOMIC_RELAXED);
    wr_coordinator_post(coordinator, WR_MESSAGE_BARRIER, coordinator->current);
}

static void move_tell(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->move != NULL) {
        coordinator->move->paused_us = coordinator->paused_us;
        coordinator->move->is_done   = true;
        coordinator->move            = NULL;
        (void)pthread_cond_broadcast(&coordinator->has_served);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}

void wr_move_end(struct wr_coordinator *coordinator)
{
    struct weir_run            *run     = coordinator->run;
    struct wr_generation       *last    = run->now;
    const struct wr_generation *next    = coordinator->moving;
    const uint64_t              barrier = coordinator->current;
    if (run->is_simulated) {
        move_on(coordinator);
    } else {
        let_hand_over(coordinator);
    }
    if (!wr_run_has_failed_any(run)) {
        wr_prepared_move(coordinator, last, next, barrier);
        wr_generation_empty(last);
        move_tell(coordinator);
    }
}
