// A run: started, joined and taken apart; its first failure.
#include "runtime/run/run.h"
#include "runtime/base/thread.h"
#include "runtime/run/capturing.h"
#include "runtime/run/restore.h"

#include <stdlib.h>
#include <time.h>

// ---- failure ----

bool wr_run_has_failed_any(const struct weir_run *run)
{
    return __atomic_load_n(&run->has_failed, __ATOMIC_RELAXED) != 0;
}

bool wr_run_is_stopping_any(const struct weir_run *run)
{
    return __atomic_load_n(&run->is_stopping, __ATOMIC_RELAXED) != 0;
}

void wr_run_wake_all_any(struct weir_run *run)
{
    const struct wr_generation *now = wr_run_now_any(run);
    for (uint32_t i = 0; now != NULL && i < now->worker_count; i++) {
        wr_park_wake_any(&now->workers[i].park);
    }
}

void wr_run_fail_any(struct weir_run *run, weir_status status, const char *sentence)
{
    (void)pthread_mutex_lock(&run->lock);
    if (run->has_failed == 0) {
        run->failure = wr_copy_text(sentence);
        run->status  = status;
        __atomic_store_n(&run->has_failed, 1, __ATOMIC_RELAXED);
    }
    (void)pthread_mutex_unlock(&run->lock);
    wr_run_wake_all_any(run);
    if (run->coordinator != NULL) {
        wr_coordinator_wake_any(run->coordinator);
    }
}

// ---- making ----

struct weir_run *wr_run_open(const struct wr_run_options *options)
{
    struct weir_run *run    = wr_alloc(sizeof(*run));
    run->environment        = options->environment;
    run->owns_environment   = options->owns_environment;
    run->job_name           = options->job_name;
    run->seed               = options->seed;
    run->spin_us            = options->spin_us;
    run->is_simulated       = options->is_simulated;
    run->until              = options->until;
    run->forgets_partitions = options->forgets_partitions;
    (void)pthread_mutex_init(&run->lock, NULL);
    (void)pthread_mutex_init(&run->serial, NULL);
    (void)pthread_mutex_init(&run->sharing, NULL);
    (void)pthread_mutex_init(&run->counting, NULL);
    (void)pthread_mutex_init(&run->rescaling, NULL);
    wr_condition_init(&run->ended);
    return run;
}

void wr_run_prepare(struct weir_run *run)
{
    wr_generation_prepare(run->now);
    if (run->coordinator != NULL) {
        wr_coordinator_recover(run->coordinator);
    }
}

void wr_run_take_checkpoints(struct weir_run *run, struct wr_coordinator *coordinator)
{
    run->coordinator = coordinator;
}

// ---- running ----

static bool run_start_coordinator(struct weir_run *run)
{
    if (run->coordinator == NULL) {
        return true;
    }
    run->running_count++;
    run->has_coordinator_thread = wr_thread_start(&run->coordinator_thread, wr_coordinator_main,
                                                  run->coordinator, "weir/checkpoint") == 0;
    return run->has_coordinator_thread;
}

static bool run_start_simulation(struct weir_run *run, void *(*simulate)(void *worker))
{
    struct wr_worker *worker = &run->now->workers[0];
    run->running_count       = 1;
    worker->is_started       = wr_thread_start(&worker->thread, simulate, worker, NULL) == 0;
    return worker->is_started;
}

void wr_run_end_threads_any(struct weir_run *run, uint32_t count)
{
    (void)pthread_mutex_lock(&run->lock);
    run->running_count -= count;
    (void)pthread_cond_broadcast(&run->ended);
    (void)pthread_mutex_unlock(&run->lock);
}

void wr_run_start(struct weir_run *run)
{
    if (wr_run_has_failed_any(run)) {
        return;
    }
    if (!run_start_coordinator(run)) {
        wr_run_end_threads_any(run, 1);
        wr_run_fail_any(run, WEIR_NO_MEMORY, "the system refuses another thread");
        return;
    }
    (void)wr_generation_start(run->now);
}

static void *simulation_main(void *opaque)
{
    const struct wr_worker *worker = opaque;
    struct weir_run        *run    = worker->run;
    wr_run_simulate(run, run->simulation_seed);
    if (run->owns_environment && !wr_run_has_failed_any(run) &&
        wr_simulation_export(run->environment) != 0) {
        wr_run_fail_any(run, WEIR_UNREACHABLE,
                        "the simulated disk could not be copied to the real one");
    }
    wr_run_end_threads_any(run, 1);
    return NULL;
}

void wr_run_start_simulation(struct weir_run *run, uint64_t seed)
{
    run->simulation_seed = seed;
    if (!wr_run_has_failed_any(run) && !run_start_simulation(run, simulation_main)) {
        wr_run_end_threads_any(run, 1);
        wr_run_fail_any(run, WEIR_NO_MEMORY, "the system refuses another thread");
    }
}

// The coordinator's thread ends first, for it may start others.
void wr_run_join(struct weir_run *run)
{
    if (run->has_coordinator_thread) {
        (void)pthread_join(run->coordinator_thread, NULL);
        run->has_coordinator_thread = false;
    }
    for (struct wr_generation *at = run->now; at != NULL; at = at->before) {
        wr_generation_join(at);
    }
}

// By the machine's clock, not by the job's; INT64_MAX: never.
static int64_t until_us_of(int64_t timeout_us)
{
    struct timespec now;
    if (timeout_us < 0 || timeout_us > INT64_MAX / 2) {
        return INT64_MAX;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + timeout_us;
}

weir_status weir_run_wait(weir_run *run, int64_t timeout_us)
{
    const int64_t until_us   = until_us_of(timeout_us);
    bool          is_in_time = true;
    (void)pthread_mutex_lock(&run->lock);
    while (run->running_count > 0 && is_in_time) {
        is_in_time = wr_condition_wait_until(&run->ended, &run->lock, until_us);
    }
    const weir_status status = run->running_count > 0 ? WEIR_TIMED_OUT : run->status;
    (void)pthread_mutex_unlock(&run->lock);
    return status;
}

// Only stores and wake-ups, so that a signal handler may call it.
void weir_run_stop_any(weir_run *run, bool drain)
{
    __atomic_store_n(&run->drains, drain ? 1 : 0, __ATOMIC_RELAXED);
    __atomic_store_n(&run->is_stopping, 1, __ATOMIC_SEQ_CST);
    wr_run_wake_all_any(run);
}

weir_status weir_run_savepoint_any(weir_run *run, const char *directory, int64_t timeout_us,
                                   char **sentence)
{
    struct wr_error error = { .status = WEIR_OK };
    if (run->coordinator == NULL || run->is_simulated) {
        (void)wr_error_set(
            &error, WEIR_USAGE,
            "savepoint %s: the run takes no checkpoints; give it a directory for them", directory);
    } else {
        (void)wr_coordinator_savepoint_any(run->coordinator, directory, timeout_us, &error);
    }
    return wr_error_hand_out(&error, sentence);
}

void wr_run_barrier_any(struct weir_run *run, uint64_t barrier)
{
    for (uint32_t i = 0; i < run->now->worker_count; i++) {
        wr_worker_post_any(&run->now->workers[i], WR_MESSAGE_BARRIER, barrier);
    }
}

// ---- taking apart ----

static void generation_close_operators(const struct wr_generation *generation)
{
    for (uint32_t i = 0; i < generation->task_count; i++) {
        for (uint32_t k = 0; k < generation->tasks[i]->node_count; k++) {
            wr_node_close_operator(generation->tasks[i]->nodes[k]);
        }
    }
}

void wr_run_close_operators(struct weir_run *run)
{
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        wr_capturing_close(run->now->tasks[i]->capturing);
        run->now->tasks[i]->capturing = NULL;
    }
    wr_coordinator_close(run->coordinator);
    run->coordinator = NULL;
    generation_close_operators(run->now);
}

void wr_run_close(struct weir_run *run)
{
    wr_generation_empty(run->now);
    WR_ASSERT(run->shared == NULL); // nodes give back what they share
    // Requests under way end here, and may wake a worker: it must still be there.
    if (run->owns_environment) {
        wr_environment_close(run->environment);
    }
    wr_generation_close(run->now);
    wr_free(run->failure);
    wr_free(run->origin);
    (void)pthread_cond_destroy(&run->ended);
    (void)pthread_mutex_destroy(&run->lock);
    (void)pthread_mutex_destroy(&run->serial);
    (void)pthread_mutex_destroy(&run->sharing);
    (void)pthread_mutex_destroy(&run->counting);
    (void)pthread_mutex_destroy(&run->rescaling);
    wr_free(run);
}
