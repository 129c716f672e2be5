// A generation: workers, their tasks and channels, made, opened, started and taken apart.
#include "runtime/run/run.h"

#include "runtime/base/thread.h"
#include "runtime/run/capturing.h"
#include "runtime/run/kept.h"

#include <string.h>

// ---- making ----

static void generation_open_workers(struct wr_generation *generation)
{
    generation->workers =
        wr_alloc_aligned(sizeof(*generation->workers) * generation->worker_count, WR_CACHE_LINE);
    for (uint32_t i = 0; i < generation->worker_count; i++) {
        struct wr_worker *worker = &generation->workers[i];
        wr_park_init(&worker->park);
        worker->generation = generation;
        worker->run        = generation->run;
        worker->index      = i;
        (void)pthread_mutex_init(&worker->mail_lock, NULL);
    }
}

struct wr_generation *wr_generation_open(struct weir_run                    *run,
                                         const struct wr_generation_options *options)
{
    struct wr_generation *generation = wr_alloc(sizeof(*generation));
    generation->run                  = run;
    generation->worker_count         = options->worker_count;
    generation->pin_any              = options->pin_any;
    generation->release              = options->release;
    generation->opaque               = options->opaque;
    generation->alignment            = wr_alignment_open(options->partition_count);
    generation_open_workers(generation);
    generation->number       = __atomic_fetch_add(&run->generation_count, 1, __ATOMIC_RELAXED);
    generation->is_candidate = generation->number > 0;
    if (generation->number == 0) {
        run->now = generation;
    }
    return generation;
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
        wr_generation_fail_any(task->generation, error.status, error.sentence);
        wr_error_fini(&error);
    }
}

struct wr_task *wr_generation_add_task(struct wr_generation         *generation,
                                       const struct wr_task_outline *outline)
{
    struct wr_task *task = wr_alloc(sizeof(*task));
    task->run            = generation->run;
    task->generation     = generation;
    task->worker         = &generation->workers[outline->worker % generation->worker_count];
    task->number         = generation->task_count;
    task->stage          = outline->stage;
    task->instance       = outline->instance;
    task->parallelism    = outline->parallelism;
    task->pool           = wr_pool_open(outline->state_budget);
    task->nodes          = wr_alloc(sizeof(struct wr_node *) * outline->node_count);
    task->behind         = wr_alloc(sizeof(*task->behind) * outline->node_count);
    generation->tasks =
        wr_realloc(generation->tasks, sizeof(struct wr_task *) * (generation->task_count + 1));
    generation->tasks[generation->task_count++] = task;
    task->tight_bytes = outline->slows_sources ? outline->state_budget / 4 * 3 : 0;
    if (outline->spill_directory != NULL && outline->state_budget > 0) {
        task_open_spill(task, outline->spill_directory);
    }
    return task;
}

const struct wr_batch_layout *wr_generation_add_layout(struct wr_generation *generation,
                                                       const weir_type *type, uint32_t columns,
                                                       const void *hashed_by, uint32_t block_bytes)
{
    struct wr_batch_layout *layout = wr_alloc(sizeof(*layout));
    *layout                        = wr_batch_layout_of(type, columns, block_bytes);
    layout->hashed_by              = hashed_by;
    generation->layouts = wr_realloc(generation->layouts, sizeof(struct wr_batch_layout *) *
                                                              (generation->layout_count + 1));
    generation->layouts[generation->layout_count++] = layout;
    return layout;
}

struct wr_channel *wr_generation_add_channel(struct wr_generation         *generation,
                                             const struct wr_batch_layout *layout, uint32_t credits,
                                             const struct wr_task *from, struct wr_task *to)
{
    const bool                      is_simulated = generation->run->is_simulated;
    const struct wr_channel_options options      = {
             .layout        = layout,
             .credits       = credits,
             .receiver_park = is_simulated ? NULL : &to->worker->park,
             .sender_park   = is_simulated ? NULL : &from->worker->park,
    };
    struct wr_channel *channel = wr_channel_open(&options);
    const size_t       count   = generation->channel_count + 1;
    generation->channels = wr_realloc(generation->channels, count * sizeof(struct wr_channel *));
    generation->channels[generation->channel_count++] = channel;
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
static void deal_tasks(struct wr_generation *generation)
{
    for (uint32_t i = generation->task_count; i-- > 0;) {
        struct wr_worker *worker = generation->tasks[i]->worker;
        worker->tasks =
            wr_realloc(worker->tasks, sizeof(struct wr_task *) * (worker->task_count + 1));
        worker->tasks[worker->task_count++] = generation->tasks[i];
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

void wr_generation_prepare(struct wr_generation *generation)
{
    for (uint32_t i = 0; i < generation->task_count; i++) {
        struct wr_task *task = generation->tasks[i];
        for (uint32_t k = 0; k < task->node_count; k++) {
            wr_node_init_watermarks(task->nodes[k], k == 0 ? task->input_count : 0);
        }
        task_find_behind(task);
    }
    deal_tasks(generation);
    if (generation->run->coordinator != NULL) {
        for (uint32_t i = 0; i < generation->task_count; i++) {
            generation->tasks[i]->capturing =
                wr_capturing_open(generation->tasks[i], generation->run->coordinator);
        }
    }
    // Operators are opened only when all is joined, so that they know their outputs.
    for (uint32_t i = 0; i < generation->task_count && task_open_operators(generation->tasks[i]);
         i++) {
    }
}

static bool task_keeps_tables(const struct wr_task *task)
{
    for (uint32_t i = 0; i < task->node_count; i++) {
        if (task->nodes[i]->kept != NULL && task->nodes[i]->kept->table_count > 0) {
            return true;
        }
    }
    return false;
}

// On the worker's cores, whose memory it is to be.
static void *warm_main(void *opaque)
{
    const struct wr_worker     *worker     = opaque;
    const struct wr_generation *generation = worker->generation;
    if (generation->pin_any != NULL) {
        generation->pin_any(generation->opaque, worker->index);
    }
    for (uint32_t i = 0; i < worker->task_count; i++) {
        if (task_keeps_tables(worker->tasks[i])) {
            (void)wr_pool_reserve(worker->tasks[i]->pool, 1);
        }
    }
    return NULL;
}

void wr_generation_warm(struct wr_generation *generation)
{
    for (uint32_t i = 0; i < generation->worker_count; i++) {
        pthread_t thread;
        if (wr_thread_start(&thread, warm_main, &generation->workers[i], "weir/warm") == 0) {
            (void)pthread_join(thread, NULL);
        }
    }
}

// ---- failing ----

void wr_generation_fail_any(struct wr_generation *generation, weir_status status,
                            const char *sentence)
{
    struct weir_run *run = generation->run;
    (void)pthread_mutex_lock(&run->lock);
    const bool is_own = generation->is_candidate;
    if (is_own && generation->failure.status == WEIR_OK) {
        (void)wr_error_set(&generation->failure, status, "%s", sentence);
    }
    (void)pthread_mutex_unlock(&run->lock);
    if (!is_own) {
        wr_run_fail_any(run, status, sentence);
    }
}

bool wr_generation_is_sound_any(struct wr_generation *candidate, struct wr_error *error)
{
    (void)pthread_mutex_lock(&candidate->run->lock);
    const struct wr_error *failure  = &candidate->failure;
    const bool             is_sound = failure->status == WEIR_OK;
    if (!is_sound) {
        (void)wr_error_set(error, failure->status, "%s", failure->sentence);
    }
    (void)pthread_mutex_unlock(&candidate->run->lock);
    return is_sound;
}

bool wr_generation_begin(struct wr_generation *candidate)
{
    struct weir_run *run = candidate->run;
    (void)pthread_mutex_lock(&run->lock);
    candidate->is_candidate = false;
    (void)pthread_mutex_unlock(&run->lock);
    if (candidate->failure.status != WEIR_OK) {
        wr_run_fail_any(run, candidate->failure.status, candidate->failure.sentence);
        return false;
    }
    return true;
}

struct wr_node *wr_generation_first_node(const struct wr_generation *generation, const char *name)
{
    for (uint32_t i = 0; i < generation->task_count; i++) {
        for (uint32_t k = 0; k < generation->tasks[i]->node_count; k++) {
            if (strcmp(generation->tasks[i]->nodes[k]->spec->name, name) == 0) {
                return generation->tasks[i]->nodes[k];
            }
        }
    }
    return NULL;
}

// ---- running ----

bool wr_generation_start(struct wr_generation *generation)
{
    struct weir_run *run = generation->run;
    (void)pthread_mutex_lock(&run->lock);
    run->running_count += generation->worker_count;
    (void)pthread_mutex_unlock(&run->lock);
    for (uint32_t i = 0; i < generation->worker_count; i++) {
        struct wr_worker *worker = &generation->workers[i];
        worker->is_started = wr_thread_start(&worker->thread, wr_worker_main, worker, NULL) == 0;
        if (!worker->is_started) {
            wr_run_end_threads_any(run, generation->worker_count - i);
            wr_run_fail_any(run, WEIR_NO_MEMORY,
                            "the system refuses another thread; use fewer workers");
            return false;
        }
    }
    return true;
}

void wr_generation_join(struct wr_generation *generation)
{
    for (uint32_t i = 0; i < generation->worker_count; i++) {
        if (generation->workers[i].is_started) {
            (void)pthread_join(generation->workers[i].thread, NULL);
            generation->workers[i].is_started = false;
        }
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

// A run that failed may stop in the middle of a batch.
static void task_return_batch(struct wr_task *task)
{
    for (uint32_t i = 0; i < task->input_count; i++) {
        if (task->inputs[i].batch != NULL) {
            wr_channel_return(task->inputs[i].channel, task->inputs[i].batch);
        }
    }
}

void wr_generation_empty(struct wr_generation *generation)
{
    for (uint32_t i = 0; i < generation->task_count; i++) {
        wr_capturing_close(generation->tasks[i]->capturing);
        generation->tasks[i]->capturing = NULL;
        task_return_batch(generation->tasks[i]);
    }
    for (uint32_t i = 0; i < generation->task_count; i++) {
        task_close(generation->tasks[i]);
    }
    for (uint32_t i = 0; i < generation->channel_count; i++) {
        wr_channel_close(generation->channels[i]);
    }
    for (uint32_t i = 0; i < generation->layout_count; i++) {
        wr_batch_layout_fini(generation->layouts[i]);
        wr_free(generation->layouts[i]);
    }
    wr_alignment_close(generation->alignment);
    if (generation->release != NULL) {
        generation->release(generation->opaque);
    }
    wr_free(generation->layouts);
    wr_free(generation->channels);
    wr_free(generation->tasks);
    generation->layouts    = NULL;
    generation->channels   = NULL;
    generation->tasks      = NULL;
    generation->alignment  = NULL;
    generation->release    = NULL;
    generation->task_count = generation->channel_count = generation->layout_count = 0;
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

void wr_generation_close(struct wr_generation *generation)
{
    while (generation != NULL) {
        struct wr_generation *before = generation->before;
        wr_generation_empty(generation);
        for (uint32_t i = 0; i < generation->worker_count; i++) {
            worker_close(&generation->workers[i]);
        }
        wr_error_fini(&generation->failure);
        wr_free(generation->workers);
        wr_free(generation);
        generation = before;
    }
}

void wr_run_set_generation(struct weir_run *run, struct wr_generation *next)
{
    struct wr_generation *last = run->now;
    WR_ASSERT(next->run == run && next->before == NULL);
    next->before = last;
    (void)pthread_mutex_lock(&run->counting);
    // Pairs with the acquire in wr_run_now_any.
    __atomic_store_n(&run->now, next, __ATOMIC_RELEASE);
    (void)pthread_mutex_unlock(&run->counting);
}
