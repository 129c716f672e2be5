// A plan made real: a task for each instance of each stage, a node for each of its operators, a
// channel for each pair of tasks that an exchange joins.
#include "operators/operators.h"
#include "runtime/plan/plan.h"

// The tasks of a stage stand one after the other in the run.
struct build {
    const struct wr_plan *plan;
    struct wr_generation *generation;
    uint32_t             *first_tasks;     // of each stage
    uint32_t             *partition_bases; // of each plan node that is a source
};

static struct wr_task *build_task(const struct build *build, uint32_t stage, uint32_t instance)
{
    return build->generation->tasks[build->first_tasks[stage] + instance];
}

static bool stage_has_state(const struct wr_plan *plan, const struct wr_plan_stage *stage)
{
    for (uint32_t i = 0; i < stage->node_count; i++) {
        const struct wr_spec *spec = &plan->nodes[stage->nodes[i]]->spec;
        if (spec->key != NULL && spec->operator_ != &wr_exchange_operator &&
            spec->operator_ != &wr_combine_operator) {
            return true;
        }
    }
    return false;
}

// The state budget is shared evenly by the tasks that have state.
static uint32_t plan_task_count_with_state(const struct wr_plan *plan)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < plan->stage_count; s++) {
        count += stage_has_state(plan, &plan->stages[s]) ? plan->stages[s].parallelism : 0;
    }
    return count > 0 ? count : 1;
}

// Sources number their partitions one after the other, for alignment across them.
static void build_number_partitions(struct build *build)
{
    uint32_t base = 0;
    for (uint32_t i = 0; i < build->plan->node_count; i++) {
        const struct wr_plan_node *node = build->plan->nodes[i];
        build->partition_bases[i]       = base;
        if (node->spec.operator_ == &wr_source_operator) {
            base += node->graph->partition_count;
        }
    }
}

static void build_stage(struct build *build, uint32_t stage_id)
{
    const struct wr_plan       *plan   = build->plan;
    const struct wr_plan_stage *stage  = &plan->stages[stage_id];
    const uint64_t              budget = plan->options.state_budget;
    const bool                  spills =
        plan->options.over_budget == WEIR_OVER_BUDGET_SPILL && stage_has_state(plan, stage);

    build->first_tasks[stage_id] = build->generation->task_count;
    for (uint32_t i = 0; i < stage->parallelism; i++) {
        const struct wr_task_outline task_outline = {
            .worker          = stage->first_worker + i,
            .stage           = stage_id,
            .instance        = i,
            .parallelism     = stage->parallelism,
            .node_count      = stage->node_count,
            .state_budget    = budget == 0 ? 0 : budget / plan_task_count_with_state(plan) + 1,
            .spill_directory = spills ? plan->options.spill_directory : NULL,
            .slows_sources   = plan->options.over_budget == WEIR_OVER_BUDGET_SLOW,
        };
        struct wr_task *task = wr_generation_add_task(build->generation, &task_outline);
        for (uint32_t k = 0; k < stage->node_count; k++) {
            const struct wr_plan_node   *node    = plan->nodes[stage->nodes[k]];
            const struct wr_node_outline outline = {
                .spec           = &node->spec,
                .outputs        = node->outputs,
                .output_count   = node->output_count,
                .inlet_count    = node->inlet_count,
                .block_bytes    = plan->node_block_bytes,
                .alignment_base = build->partition_bases[stage->nodes[k]],
            };
            (void)wr_task_add_node(task, &outline);
        }
    }
}

// Inside each task: the sender's output to the reader, or to the exchange that stands for it.
static void build_join_nodes(const struct build *build, const struct wr_plan_edge *edge)
{
    const struct wr_plan      *plan   = build->plan;
    const struct wr_plan_node *from   = plan->nodes[edge->from];
    const struct wr_plan_node *reader = plan->nodes[edge->is_fused ? edge->to : edge->exchange];
    for (uint32_t i = 0; i < plan->stages[from->stage].parallelism; i++) {
        const struct wr_task *task = build_task(build, from->stage, i);
        wr_node_join(task->nodes[from->index], edge->output, task->nodes[reader->index]);
    }
}

// Between tasks: from each sender to every taker, or, forward, to the one of its own number.
static void build_join_tasks(const struct build *build, const struct wr_plan_edge *edge)
{
    const struct wr_plan         *plan       = build->plan;
    const struct wr_plan_node    *from       = plan->nodes[edge->from];
    const struct wr_plan_node    *to         = plan->nodes[edge->to];
    const bool                    is_forward = edge->kind == WR_EXCHANGE_FORWARD;
    const uint32_t                lanes      = is_forward ? 1 : plan->stages[to->stage].parallelism;
    struct wr_channel           **channels   = wr_alloc(sizeof(struct wr_channel *) * lanes);
    const struct wr_batch_layout *layout =
        wr_generation_add_layout(build->generation, from->outputs[edge->output].type, edge->columns,
                                 edge->key, plan->channel_block_bytes);

    for (uint32_t s = 0; s < plan->stages[from->stage].parallelism; s++) {
        struct wr_task *sender = build_task(build, from->stage, s);
        for (uint32_t lane = 0; lane < lanes; lane++) {
            channels[lane] =
                wr_generation_add_channel(build->generation, layout, plan->options.credits, sender,
                                          build_task(build, to->stage, is_forward ? s : lane));
        }
        wr_exchange_connect(sender->nodes[plan->nodes[edge->exchange]->index], channels, lanes);
    }
    wr_free(channels);
}

static void plan_pin_any(const void *plan, uint32_t worker)
{
    wr_plan_place_thread_any(plan, worker);
}

static void plan_release(void *plan) { wr_plan_close(plan); }

struct wr_generation *wr_plan_build_generation(struct wr_plan *plan, struct weir_run *run)
{
    const struct wr_generation_options options = {
        .worker_count    = plan->options.workers,
        .partition_count = plan->partition_count,
        .pin_any         = plan_pin_any,
        .release         = plan_release,
        .opaque          = plan,
    };
    struct build build    = { .plan = plan, .generation = wr_generation_open(run, &options) };
    build.first_tasks     = wr_alloc(sizeof(*build.first_tasks) * (plan->stage_count + 1));
    build.partition_bases = wr_alloc(sizeof(*build.partition_bases) * (plan->node_count + 1));
    build_number_partitions(&build);
    for (uint32_t s = 0; s < plan->stage_count; s++) {
        build_stage(&build, s);
    }
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        build_join_nodes(&build, &plan->edges[i]);
        if (!plan->edges[i].is_fused) {
            build_join_tasks(&build, &plan->edges[i]);
        }
    }
    wr_free(build.first_tasks);
    wr_free(build.partition_bases);
    return build.generation;
}

struct weir_run *wr_plan_build(struct wr_plan *plan, struct wr_environment *environment,
                               bool owns_environment)
{
    const struct wr_run_options options = {
        .environment        = environment,
        .owns_environment   = owns_environment,
        .job_name           = plan->job->name,
        .seed               = plan->options.seed,
        .spin_us            = plan->options.spin_us,
        .is_simulated       = plan->options.is_simulated,
        .until              = plan->until,
        .forgets_partitions = plan->options.forgets_partitions,
    };
    struct weir_run *run = wr_run_open(&options);
    run->job             = plan->job;
    (void)wr_plan_build_generation(plan, run);
    return run;
}
