// See node_harness.h.
#include "tests/support/node_harness.h"

#include "runtime/base/simulated.h"
#include "runtime/run/kept.h"

#define STUCK_CALLS 100000u

// ---- opening and closing ----

static void outputs_open(struct node_harness *harness, const struct wr_graph_node *graph,
                         uint32_t rows)
{
    struct wr_node *node = harness->node;
    node->output_count   = graph->output_count;
    node->outputs        = wr_alloc((node->output_count + 1) * sizeof(*node->outputs));
    for (uint32_t i = 0; i < node->output_count; i++) {
        const weir_type *type = graph->outputs[i].type;
        if (type != NULL) {
            struct wr_output *output = &node->outputs[i];
            output->is_used          = true;
            output->layout           = wr_batch_layout_of(
                          type, WR_COLUMN_TIME,
                rows == 1 ? 1 : (uint32_t)sizeof(struct wr_batch) + 64 + rows * (type->size + 17));
            output->batch = wr_batch_open(&output->layout);
        }
    }
}

// The partitions of a source, as the plan lists them.
static void list_partitions(const struct node_harness_options *options, const struct wr_spec *spec)
{
    struct wr_source_options *source = (struct wr_source_options *)(uintptr_t)spec->options;
    weir_status               status = WEIR_OK;
    char                     *error  = NULL;
    for (uint32_t i = 0; i < source->partitions.count; i++) {
        wr_free(source->partitions.names[i]);
    }
    wr_free(source->partitions.names);
    const bool is_listed = source->connector->list(options->environment, source->options,
                                                   &source->partitions, &status, &error);
    WR_ASSERT(is_listed);
}

struct weir_run *node_harness_run_open(struct wr_environment *environment, const weir_job *job)
{
    struct weir_run *run = wr_alloc(sizeof(*run));
    run->environment     = environment;
    run->job_name        = job->name;
    run->is_simulated    = true;
    (void)pthread_mutex_init(&run->lock, NULL);
    (void)pthread_mutex_init(&run->serial, NULL);
    (void)pthread_mutex_init(&run->sharing, NULL);
    return run;
}

void node_harness_run_close(struct weir_run *run)
{
    WR_ASSERT(run->shared == NULL);
    (void)pthread_mutex_destroy(&run->lock);
    (void)pthread_mutex_destroy(&run->serial);
    (void)pthread_mutex_destroy(&run->sharing);
    wr_free(run->failure);
    wr_free(run);
}

void node_harness_open(struct node_harness *harness, const struct node_harness_options *options)
{
    const struct wr_graph_node *graph     = options->job->nodes[options->stream.node];
    const struct wr_operator   *ops       = graph->spec.operator_;
    const bool                  is_source = graph->kind == WR_GRAPH_SOURCE;
    static char                 something; // that the task captures with
    *harness =
        (struct node_harness){ .park = wr_alloc_aligned(sizeof(struct wr_park), WR_CACHE_LINE) };
    wr_park_init(harness->park);
    if (is_source) {
        list_partitions(options, &graph->spec);
    }
    const struct wr_source_options *source = graph->spec.options;
    const uint32_t                  count  = is_source ? source->partitions.count : 0;
    harness->owns_run                      = options->run == NULL;
    harness->run                           = options->run;
    if (harness->owns_run) {
        harness->run = node_harness_run_open(options->environment, options->job);
    }
    harness->alignment       = wr_alignment_open(count);
    harness->task.run        = harness->run;
    harness->generation.run  = harness->run;
    harness->task.generation = &harness->generation;
    harness->task.capturing =
        options->is_checkpointed ? (struct wr_capturing *)(void *)&something : NULL;

    struct wr_node *node   = wr_alloc_aligned(ops->node_bytes, WR_CACHE_LINE);
    harness->node          = node;
    node->ops              = ops;
    node->spec             = &graph->spec;
    node->task             = &harness->task;
    node->environment      = options->environment;
    node->park             = harness->park;
    node->instance         = options->instance;
    node->parallelism      = options->instance + 1;
    node->watermark        = WEIR_TIME_MIN;
    node->source_watermark = WEIR_TIME_MIN;
    node->wake_at_us       = INT64_MAX;
    node->alignment        = harness->alignment;
    node->counters         = wr_alloc_aligned(sizeof(*node->counters), WR_CACHE_LINE);
    node->call             = wr_alloc(sizeof(*node->call));
    node->call->node       = node;
    outputs_open(harness, graph, options->rows > 0 ? options->rows : 1);
    harness->inlet.node = node;
    node->inlets        = &harness->inlet;
    node->inlet_count   = is_source ? 0 : 1;
    harness->is_open    = ops->open == NULL || ops->open(node);
}

void node_harness_close(struct node_harness *harness)
{
    struct wr_node *node = harness->node;
    if (node->ops->close != NULL) {
        node->ops->close(node);
    }
    for (uint32_t i = 0; i < node->output_count; i++) {
        if (node->outputs[i].is_used) {
            wr_batch_close(node->outputs[i].batch);
            wr_batch_layout_fini(&node->outputs[i].layout);
        }
    }
    wr_call_reset(node->call);
    wr_free(node->call);
    wr_kept_close(node->kept);
    wr_free(node->counters);
    wr_free(node->outputs);
    wr_free(node);
    while (wr_simulation_pending(harness->run->environment) > 0) { // they wake the park
        (void)wr_simulation_advance(harness->run->environment, INT64_MAX);
    }
    wr_alignment_close(harness->alignment);
    if (harness->owns_run) {
        node_harness_run_close(harness->run);
    }
    wr_free(harness->park);
}

const char *node_harness_failure(const struct node_harness *harness)
{
    return harness->run->failure;
}

void node_harness_take(struct node_harness *harness)
{
    for (uint32_t i = 0; i < harness->node->output_count; i++) {
        struct wr_output *output = &harness->node->outputs[i];
        output->passed           = NULL;
        output->count            = 0;
        if (output->is_used) {
            wr_batch_clear(output->batch, &output->layout);
        }
    }
}

void node_harness_wait(struct node_harness *harness)
{
    const struct wr_node *node = harness->node;
    if (node->wake_at_us != INT64_MAX || wr_simulation_pending(node->environment) > 0) {
        (void)wr_simulation_advance(node->environment, node->wake_at_us);
    }
}

// ---- a sink ----

void node_harness_give(struct node_harness *harness, const weir_type *type, const void *row)
{
    struct wr_batch_layout layout = wr_batch_layout_of(type, 0, 4096);
    struct wr_batch       *batch  = wr_batch_open(&layout);
    struct wr_inlet       *inlet  = &harness->inlet;
    memcpy(wr_batch_row(batch, 0), row, type->size);
    const bool is_sealed = wr_batch_seal_row(batch, &layout);
    WR_ASSERT(is_sealed);
    *inlet = (struct wr_inlet){ .node = harness->node, .batch = batch, .count = 1 };
    for (uint32_t calls = 0; inlet->next < 1 && harness->run->has_failed == 0; calls++) {
        harness->node->ops->rows(harness->node, inlet);
        node_harness_wait(harness);
        WR_ASSERT(calls < STUCK_CALLS);
    }
    inlet->next = inlet->count;
    wr_batch_close(batch);
    wr_batch_layout_fini(&layout);
}

bool node_harness_barrier(struct node_harness *harness, uint64_t checkpoint)
{
    struct wr_node *node = harness->node;
    for (uint32_t calls = 0; harness->run->has_failed == 0; calls++) {
        WR_ASSERT(calls < STUCK_CALLS);
        if ((node->ops->flush != NULL && node->ops->flush(node, true)) ||
            (node->ops->barrier != NULL && !node->ops->barrier(node, checkpoint))) {
            node_harness_wait(harness);
            continue;
        }
        return true;
    }
    return false;
}

void node_harness_finish(struct node_harness *harness)
{
    struct wr_node *node = harness->node;
    for (uint32_t calls = 0; node->ops->finish != NULL && !node->ops->finish(node); calls++) {
        node_harness_wait(harness);
        WR_ASSERT(calls < STUCK_CALLS);
    }
}

// ---- crashes ----

void node_harness_stop_machine(struct wr_environment *environment)
{
    if (!wr_simulation_has_stopped(environment)) {
        wr_simulation_fault_at(environment, wr_simulation_changes(environment),
                               WR_DISK_CRASH_BEFORE);
        (void)environment->ops->make_directory(environment, "/stops");
    }
    WR_ASSERT(wr_simulation_has_stopped(environment));
}

void node_harness_go_on(struct wr_environment *environment)
{
    wr_simulated_of(environment)->has_stopped = false;
    wr_simulation_restart(environment);
}
