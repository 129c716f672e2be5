// A plan in words: for people as text, for programs as JSON; and the most memory it can take.
//
//   card-guard: 2 workers on cores 0, 1; at most 12.5 MiB in batches, no limit on state
//
//   stage 1, 1 task on worker 0
//     read-payment          source: jsonl      1 partition
//     failed                filter
//     by_card -> failures   hash to stage 2    4 credits of 32 KiB a channel
#include "operators/operators.h"
#include "runtime/plan/plan.h"

const char *wr_exchange_kind_name(enum wr_exchange_kind kind)
{
    static const char *const names[] = { "forward", "hash", "rebalance", "broadcast", "custom" };
    return names[kind];
}

// ---- memory ----

// A block is at least one row, whatever was asked for.
static uint64_t block_bytes_of(const weir_type *type, uint32_t columns, uint32_t wanted)
{
    struct wr_batch_layout layout = wr_batch_layout_of(type, columns, wanted);
    const uint64_t         bytes  = layout.block_bytes;
    wr_batch_layout_fini(&layout);
    return bytes;
}

static uint64_t edge_channel_count(const struct wr_plan *plan, const struct wr_plan_edge *edge)
{
    const uint64_t senders = plan->stages[plan->nodes[edge->from]->stage].parallelism;
    const uint64_t takers  = plan->stages[plan->nodes[edge->to]->stage].parallelism;
    return edge->kind == WR_EXCHANGE_FORWARD ? senders : senders * takers;
}

// How many batches each of the node's tasks has for the output.
static uint32_t node_batch_count(const struct wr_plan_node *node, uint32_t output)
{
    const struct wr_output_outline *planned = &node->outputs[output];
    const bool                      is_main = output == WR_OUTPUT_MAIN;
    const bool is_apart = output == WR_OUTPUT_LATE || output == WR_OUTPUT_REJECTS;
    if (planned->type == NULL || !(is_main || planned->is_used) ||
        (node->spec.operator_->passes_rows && !is_apart)) {
        return 0;
    }
    return is_main && node->spec.operator_ == &wr_source_operator ? 2 : 1; // one may be held back
}

static uint64_t plan_batch_bytes(const struct wr_plan *plan)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        const struct wr_plan_edge *edge = &plan->edges[i];
        if (!edge->is_fused) {
            const weir_type *type = plan->nodes[edge->from]->outputs[edge->output].type;
            bytes += edge_channel_count(plan, edge) * plan->options.credits *
                     block_bytes_of(type, edge->columns, plan->channel_block_bytes);
        }
    }
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const struct wr_plan_node *node = plan->nodes[i];
        for (uint32_t k = 0; k < node->output_count; k++) {
            if (node_batch_count(node, k) > 0) {
                bytes += (uint64_t)node_batch_count(node, k) *
                         plan->stages[node->stage].parallelism *
                         block_bytes_of(node->outputs[k].type, node->outputs[k].columns,
                                        plan->node_block_bytes);
            }
        }
    }
    return bytes;
}

uint64_t wr_plan_memory_bound(const struct wr_plan *plan)
{
    return plan_batch_bytes(plan) + plan->options.state_budget;
}

// ---- text ----

static const struct wr_plan_edge *plan_edge_of_exchange(const struct wr_plan *plan, uint32_t node)
{
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        if (!plan->edges[i].is_fused && plan->edges[i].exchange == node) {
            return &plan->edges[i];
        }
    }
    return NULL;
}

static void print_workers(const struct wr_plan *plan, FILE *to)
{
    (void)fprintf(to, "%s: %u worker%s", plan->job->name, plan->options.workers,
                  plan->options.workers == 1 ? "" : "s");
    if (plan->cpus[0] >= 0) {
        (void)fprintf(to, " on core%s", plan->options.workers == 1 ? "" : "s");
        for (uint32_t i = 0; i < plan->options.workers; i++) {
            (void)fprintf(to, "%s %d", i == 0 ? "" : ",", plan->cpus[i]);
        }
    } else {
        (void)fprintf(to, ", not pinned");
    }
    (void)fprintf(to, "; at most %.1f MiB in batches, ",
                  (double)plan_batch_bytes(plan) / 1048576.0);
    if (plan->options.state_budget > 0) {
        (void)fprintf(to, "%.1f MiB of state", (double)plan->options.state_budget / 1048576.0);
        if (plan->options.over_budget == WEIR_OVER_BUDGET_SPILL) {
            (void)fprintf(to, ", more in files in %s", plan->options.spill_directory);
        }
        (void)fputc('\n', to);
    } else {
        (void)fprintf(to, "no limit on state\n");
    }
}

static void print_node(const struct wr_plan *plan, uint32_t id, FILE *to)
{
    const struct wr_plan_node *node = plan->nodes[id];
    const struct wr_plan_edge *edge = plan_edge_of_exchange(plan, id);
    if (edge != NULL) {
        char *what =
            wr_format("%s%s%s to stage %u", wr_exchange_kind_name(edge->kind),
                      edge->key != NULL ? " by " : "", edge->key != NULL ? edge->key->name : "",
                      plan->nodes[edge->to]->stage + 1);
        (void)fprintf(to, "  -> %-30s %-28s %llu channels of %u x %u KiB\n",
                      plan->nodes[edge->to]->spec.name, what,
                      (unsigned long long)edge_channel_count(plan, edge), plan->options.credits,
                      plan->channel_block_bytes / 1024);
        wr_free(what);
        return;
    }
    (void)fprintf(to, "     %-30s %s", node->spec.name, node->spec.operator_->verb);
    if (node->graph->kind == WR_GRAPH_SOURCE) {
        (void)fprintf(to, " (%s), %u partition%s", node->graph->verb, node->graph->partition_count,
                      node->graph->partition_count == 1 ? "" : "s");
    }
    if (node->spec.key != NULL && node->spec.operator_ != &wr_combine_operator) {
        (void)fprintf(to, " by %s", node->spec.key->name);
    }
    if (node->guarantee != NULL) {
        (void)fprintf(to, ", %s", node->guarantee);
    }
    (void)fputc('\n', to);
}

void wr_plan_print_text(const struct wr_plan *plan, FILE *to)
{
    print_workers(plan, to);
    for (uint32_t s = 0; s < plan->stage_count; s++) {
        const struct wr_plan_stage *stage = &plan->stages[s];
        (void)fprintf(to, "\nstage %u, %u task%s", s + 1, stage->parallelism,
                      stage->parallelism == 1 ? "" : "s");
        if (stage->parallelism < plan->options.workers) {
            (void)fprintf(to, " from worker %u on", stage->first_worker);
        }
        (void)fputc('\n', to);
        for (uint32_t i = 0; i < stage->node_count; i++) {
            print_node(plan, stage->nodes[i], to);
        }
    }
}

// ---- JSON ----

static void print_json_text(const char *text, FILE *to)
{
    (void)fputc('"', to);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            (void)fprintf(to, "\\%c", *at);
        } else if ((unsigned char)*at < 0x20) {
            (void)fprintf(to, "\\u%04x", (unsigned)(unsigned char)*at);
        } else {
            (void)fputc(*at, to);
        }
    }
    (void)fputc('"', to);
}

static void print_json_node(const struct wr_plan *plan, uint32_t id, FILE *to)
{
    const struct wr_plan_node *node = plan->nodes[id];
    const struct wr_plan_edge *edge = plan_edge_of_exchange(plan, id);
    (void)fprintf(to, "{\"name\":");
    print_json_text(node->spec.name, to);
    (void)fprintf(to, ",\"verb\":\"%s\"", node->spec.operator_->verb);
    if (edge != NULL) {
        (void)fprintf(to, ",\"exchange\":\"%s\",\"to_stage\":%u,\"channels\":%llu",
                      wr_exchange_kind_name(edge->kind), plan->nodes[edge->to]->stage + 1,
                      (unsigned long long)edge_channel_count(plan, edge));
    }
    if (node->graph->kind == WR_GRAPH_SOURCE && edge == NULL) {
        (void)fprintf(to, ",\"partitions\":%u", node->graph->partition_count);
    }
    if (node->spec.key != NULL) {
        (void)fprintf(to, ",\"key\":");
        print_json_text(node->spec.key->name, to);
    }
    if (node->guarantee != NULL) {
        (void)fprintf(to, ",\"guarantee\":");
        print_json_text(node->guarantee, to);
    }
    (void)fputc('}', to);
}

void wr_plan_print_json(const struct wr_plan *plan, FILE *to)
{
    (void)fprintf(to, "{\"job\":");
    print_json_text(plan->job->name, to);
    (void)fprintf(to, ",\"workers\":%u,\"cpus\":[", plan->options.workers);
    for (uint32_t i = 0; i < plan->options.workers; i++) {
        (void)fprintf(to, "%s%d", i == 0 ? "" : ",", plan->cpus[i]);
    }
    (void)fprintf(to,
                  "],\"credits\":%u,\"batch_bytes\":%u,\"memory_bound_bytes\":%llu,\"stages\":[",
                  plan->options.credits, plan->channel_block_bytes,
                  (unsigned long long)wr_plan_memory_bound(plan));
    for (uint32_t s = 0; s < plan->stage_count; s++) {
        const struct wr_plan_stage *stage = &plan->stages[s];
        (void)fprintf(to, "%s{\"stage\":%u,\"tasks\":%u,\"nodes\":[", s == 0 ? "" : ",", s + 1,
                      stage->parallelism);
        for (uint32_t i = 0; i < stage->node_count; i++) {
            (void)fputs(i == 0 ? "" : ",", to);
            print_json_node(plan, stage->nodes[i], to);
        }
        (void)fputs("]}", to);
    }
    (void)fputs("]}\n", to);
}

// ---- the public calls ----

weir_status weir_job_plan(weir_job *job, const weir_run_options *options, bool as_json, FILE *to)
{
    struct wr_environment *environment = wr_environment_open_real();
    struct wr_plan        *plan        = wr_plan_open(job, options, environment);
    if (plan != NULL) {
        (as_json ? wr_plan_print_json : wr_plan_print_text)(plan, to);
        wr_plan_close(plan);
    }
    wr_environment_close(environment);
    return plan != NULL ? WEIR_OK : job->error_status;
}

uint64_t weir_job_memory_bound(weir_job *job, const weir_run_options *options)
{
    struct wr_environment *environment = wr_environment_open_real();
    struct wr_plan        *plan        = wr_plan_open(job, options, environment);
    const uint64_t         bytes       = plan != NULL ? wr_plan_memory_bound(plan) : 0;
    if (plan != NULL) {
        wr_plan_close(plan);
    }
    wr_environment_close(environment);
    return bytes;
}
