// A run: a plan's tasks and channels made real, its workers started, joined and taken apart.
#include "runtime/run/run.h"
#include "operators/operators.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

// ---- failure --------------------------------------------------------------------------------------

bool wr_run_has_failed_any(const struct weir_run *run)
{
    return __atomic_load_n(&run->has_failed, __ATOMIC_RELAXED) != 0;
}

static void run_wake_all(struct weir_run *run)
{
    for (uint32_t i = 0; i < run->worker_count; i++) {
        wr_park_wake_any(&run->workers[i].park);
    }
}

void wr_run_fail_any(struct weir_run *run, weir_status status, const char *sentence)
{
    (void)pthread_mutex_lock(&run->lock);
    if (run->has_failed == 0) {
        wr_job_mistake(run->job, status, "%s", sentence);
        run->status = status;
        __atomic_store_n(&run->has_failed, 1, __ATOMIC_RELAXED);
    }
    (void)pthread_mutex_unlock(&run->lock);
    run_wake_all(run);
}

// ---- making tasks ---------------------------------------------------------------------------------

static struct wr_task *task_open(struct weir_run *run, uint32_t stage_id, uint32_t instance)
{
    const struct wr_plan_stage *stage = &run->plan->stages[stage_id];
    struct wr_task             *task  = wr_alloc(sizeof(*task));
    task->run        = run;
    task->worker     = &run->workers[(stage->first_worker + instance) % run->worker_count];
    task->stage      = stage_id;
    task->instance   = instance;
    task->node_count = stage->node_count;
    task->pool       = wr_pool_open(run->plan->options.state_budget / (run->task_count_planned + 1));
    task->nodes      = wr_alloc(sizeof(*task->nodes) * stage->node_count);
    task->behind     = wr_alloc(sizeof(*task->behind) * stage->node_count);
    for (uint32_t i = 0; i < stage->node_count; i++) {
        task->nodes[i] = wr_node_open(task, stage->nodes[i]);
    }
    return task;
}

static struct wr_task *run_task(const struct weir_run *run, uint32_t stage, uint32_t instance)
{
    return run->tasks[run->first_tasks[stage] + instance];
}

static void run_open_tasks(struct weir_run *run)
{
    const struct wr_plan *plan = run->plan;
    run->first_tasks           = wr_alloc(sizeof(*run->first_tasks) * (plan->stage_count + 1));
    for (uint32_t s = 0; s < plan->stage_count; s++) {
        run->task_count_planned += plan->stages[s].parallelism;
    }
    run->tasks = wr_alloc(sizeof(struct wr_task *) * (run->task_count_planned + 1));
    for (uint32_t s = 0; s < plan->stage_count; s++) {
        run->first_tasks[s] = run->task_count;
        for (uint32_t i = 0; i < plan->stages[s].parallelism; i++) {
            run->tasks[run->task_count++] = task_open(run, s, i);
        }
    }
}

// ---- joining nodes --------------------------------------------------------------------------------

static struct wr_inlet *node_add_inlet(struct wr_node *node)
{
    // Sized once for all inlets the plan counts, so that inlets do not move while they are joined.
    struct wr_inlet *inlet = &node->inlets[node->inlet_count];
    inlet->node            = node;
    inlet->index           = node->inlet_count++;
    return inlet;
}

static void output_add_consumer(struct wr_output *output, struct wr_inlet *inlet)
{
    output->consumers =
        wr_realloc(output->consumers, sizeof(struct wr_inlet *) * (output->consumer_count + 1));
    output->consumers[output->consumer_count++] = inlet;
}

static void task_join_nodes(struct wr_task *task)
{
    const struct wr_plan *plan = task->run->plan;
    for (uint32_t i = 0; i < task->node_count; i++) {
        const struct wr_plan_node *from = plan->nodes[plan->stages[task->stage].nodes[i]];
        task->nodes[i]->inlets = wr_alloc(sizeof(struct wr_inlet) * (from->inlet_count + 1));
    }
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        const struct wr_plan_edge *edge = &plan->edges[i];
        const struct wr_plan_node *from = plan->nodes[edge->from];
        if (from->stage != task->stage) {
            continue;
        }
        const uint32_t  reader = edge->is_fused ? edge->to : edge->exchange;
        struct wr_node *to     = task->nodes[plan->nodes[reader]->index];
        output_add_consumer(&task->nodes[from->index]->outputs[edge->output], node_add_inlet(to));
    }
    // Readers stand after those they read, so one pass from the end collects what lies behind a node.
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

// ---- channels -------------------------------------------------------------------------------------

static struct wr_channel *run_add_channel(struct weir_run *run, const struct wr_batch_layout *layout,
                                          const struct wr_task *from, struct wr_task *to)
{
    const struct wr_channel_options options = {
        .layout        = layout,
        .credits       = run->plan->options.credits,
        .receiver_park = run->plan->options.is_simulated ? NULL : &to->worker->park,
        .sender_park   = run->plan->options.is_simulated ? NULL : &from->worker->park,
    };
    struct wr_channel *channel = wr_channel_open(&options);
    run->channels = wr_realloc(run->channels, sizeof(struct wr_channel *) * (run->channel_count + 1));
    run->channels[run->channel_count++] = channel;
    to->inputs = wr_realloc(to->inputs, sizeof(struct wr_input) * (to->input_count + 1));
    to->inputs[to->input_count++] = (struct wr_input){ .channel = channel };
    to->live_count++;
    return channel;
}

static void run_join_edge(struct weir_run *run, uint32_t edge_id)
{
    const struct wr_plan      *plan     = run->plan;
    const struct wr_plan_edge *edge     = &plan->edges[edge_id];
    const struct wr_plan_node *from     = plan->nodes[edge->from];
    const struct wr_plan_node *to       = plan->nodes[edge->to];
    const uint32_t             senders  = plan->stages[from->stage].parallelism;
    const uint32_t             takers   = plan->stages[to->stage].parallelism;
    const uint32_t             lanes    = edge->kind == WR_EXCHANGE_FORWARD ? 1 : takers;
    struct wr_channel        **channels = wr_alloc(sizeof(struct wr_channel *) * lanes);

    run->layouts[edge_id] = wr_batch_layout_of(from->outputs[edge->output].type, edge->columns,
                                               plan->channel_block_bytes);
    for (uint32_t s = 0; s < senders; s++) {
        struct wr_task *sender = run_task(run, from->stage, s);
        for (uint32_t lane = 0; lane < lanes; lane++) {
            const uint32_t taker = edge->kind == WR_EXCHANGE_FORWARD ? s : lane;
            channels[lane]       = run_add_channel(run, &run->layouts[edge_id], sender,
                                                   run_task(run, to->stage, taker));
        }
        wr_exchange_connect(sender->nodes[plan->nodes[edge->exchange]->index], channels, lanes);
    }
    wr_free(channels);
}

static void task_init_watermarks(struct wr_task *task)
{
    for (uint32_t i = 0; i < task->node_count; i++) {
        struct wr_node *node = task->nodes[i];
        if (i == 0 && task->input_count > 0) {
            WR_ASSERT(node->inlet_count == 0);
            (void)node_add_inlet(node); // of all channels
            wr_watermarks_init(&node->watermarks, task->input_count);
        } else if (node->inlet_count > 0) {
            wr_watermarks_init(&node->watermarks, node->inlet_count);
        }
    }
}

// ---- sources, operators, workers ---------------------------------------------------------------------

static void run_number_partitions(struct weir_run *run)
{
    const struct wr_plan *plan = run->plan;
    uint32_t              base = 0;
    for (uint32_t s = 0; s < plan->stage_count; s++) {
        const struct wr_plan_node *head = plan->nodes[plan->stages[s].nodes[0]];
        if (head->graph->kind != WR_GRAPH_SOURCE || !plan->stages[s].is_source) {
            continue;
        }
        for (uint32_t i = 0; i < plan->stages[s].parallelism; i++) {
            run_task(run, s, i)->nodes[0]->alignment_base = base;
        }
        base += head->graph->partition_count;
    }
}

// Operators are opened only when everything is joined, so that they know their outputs.
static bool run_open_operators(struct weir_run *run)
{
    for (uint32_t i = 0; i < run->task_count; i++) {
        for (uint32_t k = 0; k < run->tasks[i]->node_count; k++) {
            struct wr_node *node = run->tasks[i]->nodes[k];
            if (node->ops->open != NULL && !node->ops->open(node)) {
                if (!wr_run_has_failed_any(run)) {
                    wr_node_fail(node, "could not be opened");
                }
                return false;
            }
        }
    }
    return true;
}

// A worker's tasks, downstream first, so that what is under way leaves before more comes in.
static void run_deal_tasks(struct weir_run *run)
{
    for (uint32_t i = run->task_count; i-- > 0;) {
        struct wr_worker *worker = run->tasks[i]->worker;
        worker->tasks = wr_realloc(worker->tasks, sizeof(struct wr_task *) * (worker->task_count + 1));
        worker->tasks[worker->task_count++] = run->tasks[i];
    }
}

static void run_open_workers(struct weir_run *run)
{
    run->worker_count = run->plan->options.workers;
    run->workers      = wr_alloc_aligned(sizeof(*run->workers) * run->worker_count, WR_CACHE_LINE);
    for (uint32_t i = 0; i < run->worker_count; i++) {
        struct wr_worker *worker = &run->workers[i];
        wr_park_init(&worker->park);
        worker->run   = run;
        worker->index = i;
        (void)pthread_mutex_init(&worker->mail_lock, NULL);
    }
}

struct weir_run *wr_run_open(struct wr_plan *plan, struct wr_environment *environment)
{
    struct weir_run *run = wr_alloc(sizeof(*run));
    run->job             = plan->job;
    run->plan            = plan;
    run->environment     = environment;
    (void)pthread_mutex_init(&run->lock, NULL);
    (void)pthread_mutex_init(&run->serial, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&run->ended, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    run->alignment = wr_alignment_open(plan->partition_count);
    run->layouts   = wr_alloc(sizeof(*run->layouts) * (plan->edge_count + 1));
    run_open_workers(run);
    run_open_tasks(run);
    for (uint32_t i = 0; i < run->task_count; i++) {
        task_join_nodes(run->tasks[i]);
    }
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        if (!plan->edges[i].is_fused) {
            run_join_edge(run, i);
        }
    }
    for (uint32_t i = 0; i < run->task_count; i++) {
        task_init_watermarks(run->tasks[i]);
    }
    run_number_partitions(run);
    run_deal_tasks(run);
    run->job->last_run = run;
    (void)run_open_operators(run); // a failure is found by the first to look
    return run;
}

static void task_close(struct wr_task *task)
{
    for (uint32_t i = 0; i < task->node_count; i++) {
        wr_node_close(task->nodes[i]);
    }
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

void wr_run_close(struct weir_run *run)
{
    wr_job_keep_counters(run->job, run);
    for (uint32_t i = 0; i < run->task_count; i++) {
        for (uint32_t k = 0; k < run->tasks[i]->input_count; k++) {
            struct wr_input *input = &run->tasks[i]->inputs[k];
            if (input->batch != NULL) {
                wr_channel_return(input->channel, input->batch);
            }
        }
    }
    for (uint32_t i = 0; i < run->task_count; i++) {
        task_close(run->tasks[i]);
    }
    for (uint32_t i = 0; i < run->channel_count; i++) {
        wr_channel_close(run->channels[i]);
    }
    for (uint32_t i = 0; i < run->plan->edge_count; i++) {
        if (run->layouts[i].type != NULL) {
            wr_batch_layout_fini(&run->layouts[i]);
        }
    }
    for (uint32_t i = 0; i < run->worker_count; i++) {
        worker_close(&run->workers[i]);
    }
    wr_alignment_close(run->alignment);
    wr_free(run->layouts);
    wr_free(run->channels);
    wr_free(run->tasks);
    wr_free(run->first_tasks);
    wr_free(run->workers);
    (void)pthread_cond_destroy(&run->ended);
    (void)pthread_mutex_destroy(&run->lock);
    (void)pthread_mutex_destroy(&run->serial);
    wr_plan_close(run->plan);
    wr_environment_close(run->environment);
    wr_free(run);
}

void wr_run_barrier_any(struct weir_run *run, uint64_t barrier)
{
    for (uint32_t i = 0; i < run->worker_count; i++) {
        wr_worker_post_any(&run->workers[i], WR_MESSAGE_BARRIER, barrier);
    }
}

// ---- the public calls -------------------------------------------------------------------------------

// Workers take no signals: those are for the threads of whoever embeds the runtime.
static bool run_start_threads(struct weir_run *run)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    run->running_count = run->worker_count;
    for (uint32_t i = 0; i < run->worker_count; i++) {
        struct wr_worker *worker = &run->workers[i];
        if (pthread_create(&worker->thread, NULL, wr_worker_main, worker) != 0) {
            (void)pthread_mutex_lock(&run->lock);
            run->running_count -= run->worker_count - i;
            (void)pthread_mutex_unlock(&run->lock);
            wr_run_fail_any(run, WEIR_NO_MEMORY, "the system refuses another thread; use fewer workers");
            break;
        }
        worker->is_started = true;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !wr_run_has_failed_any(run);
}

weir_run *weir_run_start(weir_job *job, const weir_run_options *options)
{
    if (job->error != NULL) {
        return NULL;
    }
    const bool     is_simulated = options != NULL && options->is_simulated;
    const uint64_t seed         = options != NULL ? options->seed : 0;
    struct wr_environment *environment =
        is_simulated ? wr_environment_open_simulated(seed, true) : wr_environment_open_real();
    struct wr_plan *plan = wr_plan_open(job, options, environment);
    if (plan == NULL) {
        wr_environment_close(environment);
        return NULL;
    }
    struct weir_run *run = wr_run_open(plan, environment);
    if (is_simulated) {
        wr_run_simulate(run, seed);
        if (!wr_run_has_failed_any(run) && wr_simulation_export(environment) != 0) {
            wr_run_fail_any(run, WEIR_UNREACHABLE, "the simulated disk could not be copied to the real one");
        }
    } else if (!wr_run_has_failed_any(run)) {
        (void)run_start_threads(run);
    }
    return run;
}

static struct timespec timespec_after(int64_t span_us)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
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

weir_status weir_run_close(weir_run *run)
{
    const weir_status status = weir_run_wait(run, -1);
    for (uint32_t i = 0; i < run->worker_count; i++) {
        if (run->workers[i].is_started) {
            (void)pthread_join(run->workers[i].thread, NULL);
        }
    }
    wr_run_close(run);
    return status;
}

weir_status weir_job_run(weir_job *job, const weir_run_options *options)
{
    weir_run *run = weir_run_start(job, options);
    return run != NULL ? weir_run_close(run) : job->error_status;
}

// Only stores and wake-ups, so that a signal handler may call it.
void weir_run_stop_any(weir_run *run, bool drain)
{
    __atomic_store_n(&run->drains, drain ? 1 : 0, __ATOMIC_RELAXED);
    __atomic_store_n(&run->is_stopping, 1, __ATOMIC_SEQ_CST);
    run_wake_all(run);
}
