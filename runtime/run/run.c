// A run: its tasks and channels, its workers started, joined and taken apart; its first failure.
#include "runtime/run/run.h"
#include "runtime/base/thread.h"
#include "runtime/run/capturing.h"
#include "runtime/run/restore.h"

#include <errno.h>
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
    for (uint32_t i = 0; i < run->worker_count; i++) {
        wr_park_wake_any(&run->workers[i].park);
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

static void run_open_workers(struct weir_run *run)
{
    run->workers = wr_alloc_aligned(sizeof(*run->workers) * run->worker_count, WR_CACHE_LINE);
    for (uint32_t i = 0; i < run->worker_count; i++) {
        struct wr_worker *worker = &run->workers[i];
        wr_park_init(&worker->park);
        worker->run   = run;
        worker->index = i;
        (void)pthread_mutex_init(&worker->mail_lock, NULL);
    }
}

struct weir_run *wr_run_open(const struct wr_run_options *options)
{
    struct weir_run *run  = wr_alloc(sizeof(*run));
    run->environment      = options->environment;
    run->owns_environment = options->owns_environment;
    run->job_name         = options->job_name;
    run->worker_count     = options->worker_count;
    run->seed             = options->seed;
    run->spin_us          = options->spin_us;
    run->is_simulated     = options->is_simulated;
    run->pin_any          = options->pin_any;
    run->opaque           = options->opaque;
    run->alignment        = wr_alignment_open(options->partition_count);
    (void)pthread_mutex_init(&run->lock, NULL);
    (void)pthread_mutex_init(&run->serial, NULL);
    (void)pthread_mutex_init(&run->sharing, NULL);
    wr_condition_init(&run->ended);
    run_open_workers(run);
    return run;
}

// By the operator whose state it is, or one of them.
static void task_spill_failed(void *opaque, weir_status status, const char *sentence, bool is_lost)
{
    struct wr_task *const task = opaque;
    uint32_t              i    = task->node_count - 1;
    while (i > 0 && task->nodes[i]->spec->key == NULL) {
        i--;
    }
    wr_node_fail_as(task->nodes[i], status, "%s", sentence);
    if (is_lost) {
        wr_task_lose_state(task);
    }
}

static void task_open_spill(struct wr_task *task, const char *directory)
{
    struct wr_error               error   = { .status = WEIR_OK };
    const struct wr_spill_options options = {
        .environment = task->run->environment,
        .directory   = directory,
        .fail        = task_spill_failed,
        .opaque      = task,
    };
    task->spill = wr_spill_open(task->pool, &options, &error);
    if (task->spill == NULL) {
        wr_run_fail_any(task->run, error.status, error.sentence);
        wr_error_fini(&error);
    }
}

struct wr_task *wr_run_add_task(struct weir_run *run, const struct wr_task_outline *outline)
{
    struct wr_task *task = wr_alloc(sizeof(*task));
    task->run            = run;
    task->worker         = &run->workers[outline->worker % run->worker_count];
    task->number         = run->task_count;
    task->stage          = outline->stage;
    task->instance       = outline->instance;
    task->parallelism    = outline->parallelism;
    task->pool           = wr_pool_open(outline->state_budget);
    task->nodes          = wr_alloc(sizeof(struct wr_node *) * outline->node_count);
    task->behind         = wr_alloc(sizeof(*task->behind) * outline->node_count);
    run->tasks           = wr_realloc(run->tasks, sizeof(struct wr_task *) * (run->task_count + 1));
    run->tasks[run->task_count++] = task;
    task->tight_bytes             = outline->slows_sources ? outline->state_budget / 4 * 3 : 0;
    if (outline->spill_directory != NULL && outline->state_budget > 0) {
        task_open_spill(task, outline->spill_directory);
    }
    return task;
}

const struct wr_batch_layout *wr_run_add_layout(struct weir_run *run, const weir_type *type,
                                                uint32_t columns, const void *hashed_by,
                                                uint32_t block_bytes)
{
    struct wr_batch_layout *layout = wr_alloc(sizeof(*layout));
    *layout                        = wr_batch_layout_of(type, columns, block_bytes);
    layout->hashed_by              = hashed_by;
    run->layouts =
        wr_realloc(run->layouts, sizeof(struct wr_batch_layout *) * (run->layout_count + 1));
    run->layouts[run->layout_count++] = layout;
    return layout;
}

struct wr_channel *wr_run_add_channel(struct weir_run *run, const struct wr_batch_layout *layout,
                                      uint32_t credits, const struct wr_task *from,
                                      struct wr_task *to)
{
    const struct wr_channel_options options = {
        .layout        = layout,
        .credits       = credits,
        .receiver_park = run->is_simulated ? NULL : &to->worker->park,
        .sender_park   = run->is_simulated ? NULL : &from->worker->park,
    };
    struct wr_channel *channel = wr_channel_open(&options);
    run->channels =
        wr_realloc(run->channels, sizeof(struct wr_channel *) * (run->channel_count + 1));
    run->channels[run->channel_count++] = channel;
    to->inputs = wr_realloc(to->inputs, sizeof(struct wr_input) * (to->input_count + 1));
    to->inputs[to->input_count++] = (struct wr_input){ .channel = channel };
    to->live_count++;
    return channel;
}

// Readers stand after those they read, so one pass from the end collects what lies behind each
// node.
static void task_find_behind(struct wr_task *task)
{
    for (uint32_t i = task->node_count; i-- > 0;) {
        const struct wr_node *node = task->nodes[i];
        for (uint32_t o = 0; o < node->output_count; o++) {
            for (uint32_t c = 0; c < node->outputs[o].consumer_count; c++) {
                const uint32_t to = node->outputs[o].consumers[c]->node->index;
                task->behind[i] |= (UINT64_C(1) << to) | task->behind[to];
            }
        }
    }
}

// A worker's tasks stand downstream first, so that what is under way leaves before more comes in.
static void run_deal_tasks(struct weir_run *run)
{
    for (uint32_t i = run->task_count; i-- > 0;) {
        struct wr_worker *worker = run->tasks[i]->worker;
        worker->tasks =
            wr_realloc(worker->tasks, sizeof(struct wr_task *) * (worker->task_count + 1));
        worker->tasks[worker->task_count++] = run->tasks[i];
    }
}

static bool task_open_operators(struct wr_task *task)
{
    for (uint32_t i = 0; i < task->node_count; i++) {
        struct wr_node *node = task->nodes[i];
        if (node->ops->open != NULL && !node->ops->open(node)) {
            wr_node_fail(node, "could not be opened"); // unless it has said why itself
            return false;
        }
    }
    return true;
}

void wr_run_prepare(struct weir_run *run)
{
    for (uint32_t i = 0; i < run->task_count; i++) {
        struct wr_task *task = run->tasks[i];
        for (uint32_t k = 0; k < task->node_count; k++) {
            wr_node_init_watermarks(task->nodes[k], k == 0 ? task->input_count : 0);
        }
        task_find_behind(task);
    }
    run_deal_tasks(run);
    // Operators are opened only when all is joined, so that they know their outputs.
    for (uint32_t i = 0; i < run->task_count && task_open_operators(run->tasks[i]); i++) {
    }
    if (run->coordinator != NULL) {
        wr_coordinator_recover(run->coordinator);
    }
}

void wr_run_take_checkpoints(struct weir_run *run, struct wr_coordinator *coordinator)
{
    run->coordinator = coordinator;
    for (uint32_t i = 0; i < run->task_count; i++) {
        run->tasks[i]->capturing = wr_capturing_open(run->tasks[i], coordinator);
    }
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

static void run_start_workers(struct weir_run *run, uint32_t count, void *(*main)(void *worker))
{
    if (wr_run_has_failed_any(run)) {
        return;
    }
    run->running_count = count;
    if (main == wr_worker_main && !run_start_coordinator(run)) {
        wr_run_end_workers_any(run, count + 1);
        wr_run_fail_any(run, WEIR_NO_MEMORY, "the system refuses another thread");
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct wr_worker *worker = &run->workers[i];
        worker->is_started       = wr_thread_start(&worker->thread, main, worker, NULL) == 0;
        if (!worker->is_started) {
            wr_run_end_workers_any(run, count - i);
            wr_run_fail_any(run, WEIR_NO_MEMORY,
                            "the system refuses another thread; use fewer workers");
            break;
        }
    }
}

void wr_run_end_workers_any(struct weir_run *run, uint32_t count)
{
    (void)pthread_mutex_lock(&run->lock);
    run->running_count -= count;
    (void)pthread_cond_broadcast(&run->ended);
    (void)pthread_mutex_unlock(&run->lock);
}

void wr_run_start(struct weir_run *run)
{
    run_start_workers(run, run->worker_count, wr_worker_main);
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
    wr_run_end_workers_any(run, 1);
    return NULL;
}

void wr_run_start_simulation(struct weir_run *run, uint64_t seed)
{
    run->simulation_seed = seed;
    run_start_workers(run, 1, simulation_main);
}

void wr_run_join(struct weir_run *run)
{
    if (run->has_coordinator_thread) {
        (void)pthread_join(run->coordinator_thread, NULL);
        run->has_coordinator_thread = false;
    }
    for (uint32_t i = 0; i < run->worker_count; i++) {
        if (run->workers[i].is_started) {
            (void)pthread_join(run->workers[i].thread, NULL);
            run->workers[i].is_started = false;
        }
    }
}

static struct timespec timespec_after(int64_t span_us)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at); // of pthread_cond_timedwait, not of the job
    const int64_t ns = at.tv_nsec + span_us % 1000000 * 1000;
    at.tv_sec += (time_t)(span_us / 1000000 + ns / 1000000000);
    at.tv_nsec = (long)(ns % 1000000000);
    return at;
}

weir_status weir_run_wait(weir_run *run, int64_t timeout_us)
{
    const struct timespec until   = timespec_after(timeout_us > 0 ? timeout_us : 0);
    bool                  is_late = false;
    (void)pthread_mutex_lock(&run->lock);
    while (run->running_count > 0 && !is_late) {
        if (timeout_us < 0) {
            (void)pthread_cond_wait(&run->ended, &run->lock);
        } else {
            is_late = pthread_cond_timedwait(&run->ended, &run->lock, &until) == ETIMEDOUT;
        }
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
    if (sentence != NULL) {
        *sentence = error.sentence != NULL ? strdup(error.sentence) : NULL;
    }
    const weir_status status = error.status;
    wr_error_fini(&error);
    return status;
}

void wr_run_barrier_any(struct weir_run *run, uint64_t barrier)
{
    for (uint32_t i = 0; i < run->worker_count; i++) {
        wr_worker_post_any(&run->workers[i], WR_MESSAGE_BARRIER, barrier);
    }
}

// ---- taking apart ----

static void task_close(struct wr_task *task)
{
    for (uint32_t i = 0; i < task->node_count; i++) {
        wr_node_close(task->nodes[i]);
    }
    wr_spill_close(task->spill);
    wr_pool_close(task->pool);
    wr_free(task->nodes);
    wr_free(task->behind);
    wr_free(task->inputs);
    wr_free(task);
}

static void worker_close(struct wr_worker *worker)
{
    while (worker->mail != NULL) {
        struct wr_message *next = worker->mail->next;
        wr_free(worker->mail);
        worker->mail = next;
    }
    (void)pthread_mutex_destroy(&worker->mail_lock);
    wr_free(worker->tasks);
}

// A run that failed may stop in the middle of a batch.
static void task_return_batch(struct wr_task *task)
{
    for (uint32_t i = 0; i < task->input_count; i++) {
        if (task->inputs[i].batch != NULL) {
            wr_channel_return(task->inputs[i].channel, task->inputs[i].batch);
        }
    }
}

void wr_run_close_operators(struct weir_run *run)
{
    for (uint32_t i = 0; i < run->task_count; i++) {
        wr_capturing_close(run->tasks[i]->capturing);
        run->tasks[i]->capturing = NULL;
    }
    wr_coordinator_close(run->coordinator);
    run->coordinator = NULL;
    for (uint32_t i = 0; i < run->task_count; i++) {
        for (uint32_t k = 0; k < run->tasks[i]->node_count; k++) {
            wr_node_close_operator(run->tasks[i]->nodes[k]);
        }
    }
}

void wr_run_close(struct weir_run *run)
{
    for (uint32_t i = 0; i < run->task_count; i++) {
        task_return_batch(run->tasks[i]);
    }
    for (uint32_t i = 0; i < run->task_count; i++) {
        task_close(run->tasks[i]);
    }
    WR_ASSERT(run->shared == NULL); // nodes give back what they share
    for (uint32_t i = 0; i < run->channel_count; i++) {
        wr_channel_close(run->channels[i]);
    }
    for (uint32_t i = 0; i < run->layout_count; i++) {
        wr_batch_layout_fini(run->layouts[i]);
        wr_free(run->layouts[i]);
    }
    // Requests under way end here, and may wake a worker: it must still be there.
    if (run->owns_environment) {
        wr_environment_close(run->environment);
    }
    for (uint32_t i = 0; i < run->worker_count; i++) {
        worker_close(&run->workers[i]);
    }
    wr_alignment_close(run->alignment);
    wr_free(run->layouts);
    wr_free(run->channels);
    wr_free(run->tasks);
    wr_free(run->workers);
    wr_free(run->failure);
    (void)pthread_cond_destroy(&run->ended);
    (void)pthread_mutex_destroy(&run->lock);
    (void)pthread_mutex_destroy(&run->serial);
    (void)pthread_mutex_destroy(&run->sharing);
    wr_free(run);
}
