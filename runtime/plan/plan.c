// Making a plan: graph nodes become plan nodes, inputs become edges, edges cut the graph into
// stages.
#include "runtime/plan/plan.h"
#include "operators/operators.h"

#include <stdlib.h>

enum { FLUSH_AFTER_US = 50 }; // the longest that rows wait for more of them

// ---- nodes and edges ----

static uint32_t plan_add_node(struct wr_plan *plan, const struct wr_graph_node *graph)
{
    struct wr_plan_node *node = wr_alloc(sizeof(*node));
    node->graph               = graph;
    node->spec                = graph->spec;
    if (plan->options.until != NULL && graph->kind == WR_GRAPH_SINK) {
        node->spec.operator_ = &wr_discard_operator;
    }
    node->output_count = graph->output_count;
    node->outputs      = wr_alloc(sizeof(*node->outputs) * (graph->output_count + 1));
    for (uint32_t i = 0; i < graph->output_count; i++) {
        node->outputs[i].type          = graph->outputs[i].type;
        node->outputs[i].sends_changes = graph->outputs[i].sends_changes;
    }
    plan->nodes = wr_realloc(plan->nodes, sizeof(*plan->nodes) * (plan->node_count + 1));
    plan->nodes[plan->node_count] = node;
    return plan->node_count++;
}

static struct wr_plan_edge *plan_add_edge(struct wr_plan *plan, uint32_t from, uint32_t output,
                                          uint32_t to, enum wr_exchange_kind kind,
                                          const weir_key_binding *key)
{
    plan->edges = wr_realloc(plan->edges, sizeof(*plan->edges) * (plan->edge_count + 1));
    struct wr_plan_edge *edge = &plan->edges[plan->edge_count++];
    *edge =
        (struct wr_plan_edge){ .from = from, .output = output, .to = to, .kind = kind, .key = key };
    plan->nodes[from]->outputs[output].is_used = true;
    return edge;
}

// Where a graph input really comes from, through unions and routes: calls each (node, output,
// edge).
struct origin {
    uint32_t              node, output;
    struct wr_graph_input exchange;
};
struct origins {
    struct origin *items;
    uint32_t       count;
};

static void origins_collect(const weir_job *job, const struct wr_graph_input *input,
                            struct wr_graph_input exchange, struct origins *origins)
{
    const struct wr_graph_node *from = job->nodes[input->node];
    if (from->kind != WR_GRAPH_ROUTE) {
        origins->items = wr_realloc(origins->items, sizeof(*origins->items) * (origins->count + 1));
        origins->items[origins->count++] = (struct origin){ input->node, input->output, exchange };
        return;
    }
    // The exchange nearest to the reader decides: a key after a rebalance makes the rebalance
    // needless.
    if (from->is_route_exchange && exchange.exchange == WR_EXCHANGE_FORWARD) {
        exchange = from->route;
    }
    for (uint32_t i = 0; i < from->input_count; i++) {
        origins_collect(job, &from->inputs[i], exchange, origins);
    }
}

static bool graph_output_is_read(const weir_job *job, uint32_t node, uint32_t output)
{
    for (uint32_t i = 0; i < job->node_count; i++) {
        for (uint32_t k = 0; k < job->nodes[i]->input_count; k++) {
            const struct wr_graph_input *input = &job->nodes[i]->inputs[k];
            if (input->node == node && input->output == output) {
                return true;
            }
        }
    }
    return false;
}

// ---- a window is two nodes ----

// combine turns rows into partial aggregates. It stands before the exchange, one for each origin,
// so that a hot key crosses once a slice; if somebody reads the late records it stands behind it,
// where the watermark that judges them is.
static uint32_t plan_add_combine(struct wr_plan *plan, const struct wr_graph_node *graph,
                                 uint32_t number, bool judges_lateness)
{
    const uint32_t              id      = plan_add_node(plan, graph);
    struct wr_plan_node        *node    = plan->nodes[id];
    struct wr_aggregate_options options = *(const struct wr_aggregate_options *)graph->spec.options;

    options.judges_lateness = judges_lateness;
    node->options           = wr_alloc(sizeof(options));
    memcpy(node->options, &options, sizeof(options));
    char number_text[16] = "";
    if (number > 0) {
        (void)snprintf(number_text, sizeof(number_text), "-%u", number + 1);
    }
    node->name                         = wr_format("%s/combine%s", graph->spec.name, number_text);
    node->partial                      = wr_alloc(sizeof(*node->partial));
    *node->partial                     = wr_partial_layout_of(options.aggregate);
    node->spec.operator_               = &wr_combine_operator;
    node->spec.name                    = node->name;
    node->spec.options                 = node->options;
    node->outputs[WR_OUTPUT_MAIN].type = node->partial->type;
    node->outputs[WR_OUTPUT_MAIN].sends_changes = false;
    node->outputs[WR_OUTPUT_MAIN].columns       = WR_COLUMN_TIME | WR_COLUMN_HASH;
    node->outputs[WR_OUTPUT_MAIN].hashed_by     = graph->spec.key;
    return id;
}

static void plan_add_window(struct wr_plan *plan, const struct wr_graph_node *graph,
                            uint32_t window, const struct origins *origins, const uint32_t *numbers)
{
    const bool reads_late = graph_output_is_read(plan->job, graph->spec.id, WR_OUTPUT_LATE);
    uint32_t   combine    = 0;
    for (uint32_t i = 0; i < origins->count; i++) {
        const struct origin *origin = &origins->items[i];
        if (!reads_late || i == 0) {
            combine = plan_add_combine(plan, graph, i, reads_late);
        }
        if (reads_late) {
            plan_add_edge(plan, numbers[origin->node], origin->output, combine, WR_EXCHANGE_HASH,
                          graph->spec.key);
        } else {
            plan_add_edge(plan, numbers[origin->node], origin->output, combine, WR_EXCHANGE_FORWARD,
                          NULL);
            plan_add_edge(plan, combine, WR_OUTPUT_MAIN, window, WR_EXCHANGE_HASH, graph->spec.key);
        }
    }
    if (reads_late) {
        plan_add_edge(plan, combine, WR_OUTPUT_MAIN, window, WR_EXCHANGE_FORWARD, NULL);
    }
}

// ---- from graph to plan, inputs before readers ----

static void plan_visit(struct wr_plan *plan, uint32_t id, uint32_t *numbers, bool *is_done)
{
    const struct wr_graph_node *graph = plan->job->nodes[id];
    if (is_done[id]) {
        return;
    }
    is_done[id] = true;
    for (uint32_t i = 0; i < graph->input_count; i++) {
        plan_visit(plan, graph->inputs[i].node, numbers, is_done);
    }
    if (graph->kind == WR_GRAPH_ROUTE) {
        return;
    }
    struct origins origins = { 0 };
    for (uint32_t i = 0; i < graph->input_count; i++) {
        origins_collect(plan->job, &graph->inputs[i], graph->inputs[i], &origins);
    }
    numbers[id] = plan_add_node(plan, graph);
    if (graph->spec.operator_ == &wr_window_operator) {
        // Late records leave from combine, which sees them as they are.
        plan->nodes[numbers[id]]->outputs[WR_OUTPUT_LATE].type = NULL;
        plan_add_window(plan, graph, numbers[id], &origins, numbers);
    } else {
        for (uint32_t i = 0; i < origins.count; i++) {
            const struct origin *origin = &origins.items[i];
            struct wr_plan_edge *edge =
                plan_add_edge(plan, numbers[origin->node], origin->output, numbers[id],
                              origin->exchange.exchange, origin->exchange.key);
            edge->place  = origin->exchange.place;
            edge->opaque = origin->exchange.opaque;
        }
    }
    wr_free(origins.items);
}

// Readers of a window's late records read its combine.
static void plan_move_late_edges(struct wr_plan *plan)
{
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        struct wr_plan_edge *edge = &plan->edges[i];
        if (plan->nodes[edge->from]->spec.operator_ != &wr_window_operator ||
            edge->output != WR_OUTPUT_LATE) {
            continue;
        }
        for (uint32_t k = 0; k < plan->node_count; k++) {
            if (plan->nodes[k]->spec.operator_ == &wr_combine_operator &&
                plan->nodes[k]->graph == plan->nodes[edge->from]->graph) {
                plan->nodes[edge->from]->outputs[WR_OUTPUT_LATE].is_used = false;
                edge->from                                               = k;
                plan->nodes[k]->outputs[WR_OUTPUT_LATE].is_used          = true;
                break;
            }
        }
    }
}

// Node numbers in an order in which every edge leads forward.
static uint32_t *plan_topological_order(const struct wr_plan *plan)
{
    uint32_t *order   = wr_alloc(sizeof(*order) * (plan->node_count + 1));
    uint32_t *waiting = wr_alloc(sizeof(*waiting) * (plan->node_count + 1));
    uint32_t  count   = 0;
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        waiting[plan->edges[i].to]++;
    }
    for (uint32_t i = 0; i < plan->node_count; i++) {
        if (waiting[i] == 0) {
            order[count++] = i;
        }
    }
    for (uint32_t next = 0; next < count; next++) {
        for (uint32_t i = 0; i < plan->edge_count; i++) {
            if (plan->edges[i].from == order[next] && --waiting[plan->edges[i].to] == 0) {
                order[count++] = plan->edges[i].to;
            }
        }
    }
    WR_ASSERT(count == plan->node_count); // the graph had no cycle
    wr_free(waiting);
    return order;
}

// ---- stages ----

static uint32_t node_parallelism(const struct wr_plan *plan, const struct wr_plan_node *node)
{
    const struct wr_graph_node *graph = node->graph;
    if (graph->kind == WR_GRAPH_SOURCE) {
        uint32_t tasks = graph->parallelism != 0 ? graph->parallelism : plan->options.workers;
        return tasks < graph->partition_count ? tasks : graph->partition_count;
    }
    return graph->parallelism != 0 ? graph->parallelism : plan->options.workers;
}

static uint32_t plan_edges_from(const struct wr_plan *plan, uint32_t id)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        count += plan->edges[i].from == id;
    }
    return count;
}

// Whether the edge may stay inside `stage`: it needs no exchange, or has no choice of tasks.
static bool edge_can_fuse(const struct wr_plan *plan, const struct wr_plan_edge *edge,
                          const struct wr_plan_stage *stage)
{
    const struct wr_plan_node *to       = plan->nodes[edge->to];
    const bool                 is_given = to->graph->parallelism != 0;
    if (stage->node_count + stage->edge_count + 1 + plan_edges_from(plan, edge->to) >
        WR_STAGE_NODES_MAX) {
        return false; // each edge that leaves may need an exchange
    }
    if (edge->kind == WR_EXCHANGE_FORWARD) {
        const bool is_combine = to->spec.operator_ == &wr_combine_operator;
        return is_combine || !is_given || to->graph->parallelism == stage->parallelism;
    }
    return stage->parallelism == 1 && node_parallelism(plan, to) == 1;
}

// The stage all of the node's inputs come from and may stay in, or -1.
static int64_t node_stage_to_join(const struct wr_plan *plan, uint32_t id)
{
    int64_t joined = -1;
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        const struct wr_plan_edge *edge = &plan->edges[i];
        if (edge->to != id) {
            continue;
        }
        const uint32_t stage = plan->nodes[edge->from]->stage;
        if ((joined >= 0 && joined != stage) || !edge_can_fuse(plan, edge, &plan->stages[stage])) {
            return -1;
        }
        joined = stage;
    }
    return joined;
}

static void stage_add_node(struct wr_plan *plan, uint32_t stage_id, uint32_t id)
{
    struct wr_plan_stage *stage = &plan->stages[stage_id];
    stage->nodes = wr_realloc(stage->nodes, sizeof(*stage->nodes) * (stage->node_count + 1));
    plan->nodes[id]->stage            = stage_id;
    plan->nodes[id]->index            = stage->node_count;
    stage->nodes[stage->node_count++] = id;
    stage->edge_count += plan_edges_from(plan, id);
    WR_ASSERT(stage->node_count <= WR_STAGE_NODES_MAX);
}

// More readers than a task has places for cannot be served by one node.
static bool plan_readers_fit(struct wr_plan *plan)
{
    for (uint32_t i = 0; i < plan->node_count; i++) {
        if (plan_edges_from(plan, i) >= WR_STAGE_NODES_MAX) {
            wr_job_mistake(
                plan->job, WEIR_USAGE,
                "%s: %u operators read it, but at most %d can; put a rebalance before some",
                plan->nodes[i]->spec.name, plan_edges_from(plan, i), WR_STAGE_NODES_MAX - 1);
            return false;
        }
    }
    return true;
}

static void plan_make_stages(struct wr_plan *plan)
{
    uint32_t *order = plan_topological_order(plan);
    for (uint32_t i = 0; i < plan->node_count; i++) {
        const uint32_t id     = order[i];
        const int64_t  joined = node_stage_to_join(plan, id);
        if (joined >= 0) {
            stage_add_node(plan, (uint32_t)joined, id);
            continue;
        }
        plan->stages = wr_realloc(plan->stages, sizeof(*plan->stages) * (plan->stage_count + 1));
        plan->stages[plan->stage_count] = (struct wr_plan_stage){
            .parallelism = node_parallelism(plan, plan->nodes[id]),
            .is_source   = plan->nodes[id]->graph->kind == WR_GRAPH_SOURCE,
        };
        stage_add_node(plan, plan->stage_count++, id);
    }
    wr_free(order);
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        struct wr_plan_edge *edge = &plan->edges[i];
        edge->is_fused            = plan->nodes[edge->from]->stage == plan->nodes[edge->to]->stage;
        const uint32_t from_tasks = plan->stages[plan->nodes[edge->from]->stage].parallelism;
        const uint32_t to_tasks   = plan->stages[plan->nodes[edge->to]->stage].parallelism;
        if (!edge->is_fused && edge->kind == WR_EXCHANGE_FORWARD && from_tasks != to_tasks) {
            edge->kind        = WR_EXCHANGE_REBALANCE;
            edge->keeps_order = plan->nodes[edge->from]->outputs[edge->output].sends_changes;
        }
    }
}

// Single tasks (a file's reader, a file's writer) are dealt out over the workers.
static void plan_deal_single_tasks(struct wr_plan *plan)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < plan->stage_count; i++) {
        if (plan->stages[i].parallelism < plan->options.workers) {
            plan->stages[i].first_worker = next;
            next = (next + plan->stages[i].parallelism) % plan->options.workers;
        }
    }
}

// ---- columns and exchanges ----

// A function that takes the call may ask it for the event time.
static bool node_takes_call(const struct wr_plan_node *node)
{
    const struct wr_operator *ops = node->spec.operator_;
    return (ops == &wr_filter_operator &&
            ((const weir_filter_binding *)node->spec.binding)->takes_call) ||
           (ops == &wr_map_operator &&
            ((const weir_map_binding *)node->spec.binding)->takes_call) ||
           (ops == &wr_split_operator &&
            ((const weir_split_binding *)node->spec.binding)->takes_call) ||
           (ops == &wr_sink_operator &&
            ((const weir_sink_binding *)node->spec.binding)->takes_call);
}

// A node needs its input's event time if it uses it itself or hands it on to somebody who does.
static void plan_spread_time(struct wr_plan *plan)
{
    for (uint32_t i = 0; i < plan->node_count; i++) {
        plan->nodes[i]->uses_time =
            plan->nodes[i]->spec.operator_->uses_time || node_takes_call(plan->nodes[i]);
    }
    for (bool has_changed = true; has_changed;) {
        has_changed = false;
        for (uint32_t i = 0; i < plan->edge_count; i++) {
            struct wr_plan_node *from = plan->nodes[plan->edges[i].from];
            if (plan->nodes[plan->edges[i].to]->uses_time && !from->uses_time) {
                from->uses_time = true;
                has_changed     = true;
            }
        }
    }
}

static void plan_choose_columns(struct wr_plan *plan)
{
    plan_spread_time(plan);
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        struct wr_plan_edge      *edge   = &plan->edges[i];
        struct wr_output_outline *output = &plan->nodes[edge->from]->outputs[edge->output];
        edge->columns                    = 0;
        if (plan->nodes[edge->to]->uses_time) {
            edge->columns |= WR_COLUMN_TIME;
        }
        if (output->sends_changes) {
            edge->columns |= WR_COLUMN_CHANGE;
        }
        output->columns |= edge->columns;
        if (edge->kind == WR_EXCHANGE_HASH) {
            edge->columns |= WR_COLUMN_HASH;
        }
    }
}

static void plan_add_exchanges(struct wr_plan *plan)
{
    for (uint32_t i = 0; i < plan->edge_count; i++) {
        struct wr_plan_edge *edge = &plan->edges[i];
        if (edge->is_fused) {
            plan->nodes[edge->to]->inlet_count++;
            continue;
        }
        struct wr_plan_node        *node     = wr_alloc(sizeof(*node));
        struct wr_exchange_options *exchange = wr_alloc(sizeof(*exchange));
        exchange->kind                       = edge->kind;
        exchange->key                        = edge->key;
        exchange->place                      = edge->place;
        exchange->opaque                     = edge->opaque;
        exchange->keeps_order                = edge->keeps_order;
        exchange->flush_after_us             = FLUSH_AFTER_US;
        node->graph                          = plan->nodes[edge->from]->graph;
        node->name           = wr_format("%s->%s", plan->nodes[edge->from]->spec.name,
                                         plan->nodes[edge->to]->spec.name);
        node->options        = exchange;
        node->spec.operator_ = &wr_exchange_operator;
        node->spec.name      = node->name;
        node->spec.options   = exchange;
        node->spec.key       = edge->key;
        node->inlet_count    = 1;
        plan->nodes = wr_realloc(plan->nodes, sizeof(*plan->nodes) * (plan->node_count + 1));
        plan->nodes[plan->node_count] = node;
        edge->exchange                = plan->node_count++;
        stage_add_node(plan, plan->nodes[edge->from]->stage, edge->exchange);
    }
}

// A task's open batches should stay within half its second-level cache.
static void plan_size_batches(struct wr_plan *plan)
{
    uint32_t most_open = 1;
    for (uint32_t s = 0; s < plan->stage_count; s++) {
        uint32_t open = 0;
        for (uint32_t i = 0; i < plan->edge_count; i++) {
            if (!plan->edges[i].is_fused && plan->nodes[plan->edges[i].from]->stage == s) {
                open += plan->edges[i].kind == WR_EXCHANGE_FORWARD
                            ? 1
                            : plan->stages[plan->nodes[plan->edges[i].to]->stage].parallelism;
            }
        }
        most_open = open > most_open ? open : most_open;
    }
    const uint32_t bytes      = most_open <= 16 ? 32768 : most_open <= 32 ? 16384 : 8192;
    plan->channel_block_bytes = plan->options.batch_bytes != 0 ? plan->options.batch_bytes : bytes;
    plan->node_block_bytes    = plan->options.batch_bytes != 0 ? plan->options.batch_bytes : 16384;
}

// ---- all together ----

static bool plan_list_source(struct wr_plan *plan, struct wr_graph_node *graph,
                             struct wr_environment *environment)
{
    struct wr_source_options *source = (void *)(uintptr_t)graph->spec.options;
    weir_status               status = WEIR_USAGE;
    char                     *error  = NULL;
    for (uint32_t k = 0; k < source->partitions.count; k++) {
        wr_free(source->partitions.names[k]);
    }
    wr_free(source->partitions.names);
    source->partitions = (struct wr_partition_list){ 0 };
    if (!source->connector->list(environment, source->options, &source->partitions, &status,
                                 &error)) {
        wr_job_mistake(plan->job, status, "%s: %s", graph->spec.name,
                       error != NULL ? error : "cannot be read");
        wr_free(error);
        return false;
    }
    WR_ASSERT(source->partitions.count > 0);
    graph->partition_count = source->partitions.count;
    return true;
}

// While a job runs its partitions stay those it was started with: readers have their names.
static bool plan_list_partitions(struct wr_plan *plan, struct wr_environment *environment)
{
    for (uint32_t i = 0; i < plan->job->node_count; i++) {
        struct wr_graph_node *graph = plan->job->nodes[i];
        if (graph->kind != WR_GRAPH_SOURCE) {
            continue;
        }
        if (plan->job->run == NULL && !plan_list_source(plan, graph, environment)) {
            return false;
        }
        plan->partition_count += graph->partition_count;
    }
    return true;
}

// The regular file at `path`; false: there is none.
static bool file_at(struct wr_environment *environment, const char *path, struct wr_file_info *info)
{
    return path != NULL && strcmp(path, "-") != 0 &&
           environment->ops->info(environment, path, info) == 0 && info->is_regular;
}

// Refuses a source that reads the file which `sink` is about to empty.
static bool plan_check_source(struct wr_plan *plan, struct wr_environment *environment,
                              const struct wr_graph_node *graph, const struct wr_graph_node *sink,
                              const struct wr_file_info *written)
{
    const struct wr_source_options *source = graph->spec.options;
    for (uint32_t i = 0; source->connector->reads_files && i < source->partitions.count; i++) {
        const char         *path = source->partitions.names[i];
        struct wr_file_info read = { .is_regular = false };
        if (file_at(environment, path, &read) && read.device == written->device &&
            read.inode == written->inode) {
            wr_job_mistake(plan->job, WEIR_USAGE,
                           "%s: it would overwrite %s, which %s reads; write to another file",
                           sink->spec.name, path, graph->spec.name);
            return false;
        }
    }
    return true;
}

// No sink may write a file that a source reads, by whatever name.
static bool plan_check_files(struct wr_plan *plan, struct wr_environment *environment)
{
    const weir_job *job = plan->job;
    for (uint32_t i = 0; i < job->node_count; i++) {
        const struct wr_spec *spec    = &job->nodes[i]->spec;
        struct wr_file_info   written = { .is_regular = false };
        if (spec->operator_ == NULL || spec->operator_->writes == NULL ||
            !file_at(environment, spec->operator_->writes(spec->options), &written)) {
            continue;
        }
        for (uint32_t k = 0; k < job->node_count; k++) {
            if (job->nodes[k]->kind == WR_GRAPH_SOURCE &&
                !plan_check_source(plan, environment, job->nodes[k], job->nodes[i], &written)) {
                return false;
            }
        }
    }
    return true;
}

static const char *spill_directory(const weir_run_options *options, bool is_simulated)
{
    const char *const own = getenv("TMPDIR");
    return options->spill_directory != NULL ? options->spill_directory
           : options->checkpoints != NULL   ? options->checkpoints
           : is_simulated                   ? "/"
           : own != NULL && own[0] != 0     ? own
                                            : "/tmp";
}

static bool plan_check_budget(const struct wr_plan *plan)
{
    const weir_run_options *options = &plan->options;
    if (options->over_budget > WEIR_OVER_BUDGET_SLOW) {
        wr_job_mistake(plan->job, WEIR_USAGE, "over_budget %u: there are 0, 1 and 2",
                       (unsigned)options->over_budget);
        return false;
    }
    if (options->over_budget != WEIR_OVER_BUDGET_FAIL && options->state_budget == 0) {
        wr_job_mistake(plan->job, WEIR_USAGE,
                       "over_budget says what happens over a state budget, but state_budget is 0, "
                       "which is none; give one");
        return false;
    }
    return true;
}

// What is given of that which needs checkpoints; NULL: nothing.
static const char *option_of_checkpoints(const weir_run_options *options)
{
    return options->restore != NULL            ? "restore"
           : options->checkpoint_interval != 0 ? "checkpoint_interval"
           : options->checkpoint_timeout != 0  ? "checkpoint_timeout"
           : options->checkpoints_kept != 0    ? "checkpoints_kept"
                                               : NULL;
}

static bool plan_check_checkpoints(const struct wr_plan *plan)
{
    const weir_run_options *options = &plan->options;
    const char             *given   = option_of_checkpoints(options);
    if (given == NULL || options->checkpoints != NULL || options->until != NULL) {
        return true; // a replay takes none, and may go on from a savepoint alone
    }
    wr_job_mistake(
        plan->job, WEIR_USAGE,
        "%s is said of checkpoints, and the run keeps none; name a directory for them in "
        "checkpoints (--checkpoints DIR)",
        given);
    return false;
}

static void plan_fill_options(struct wr_plan *plan, const weir_run_options *options,
                              bool is_simulated)
{
    if (options != NULL) {
        plan->options = *options;
    }
    if (plan->options.workers == 0 && plan->options.until != NULL) {
        plan->options.workers = 1; // in the same order each time
    }
    if (plan->options.credits < 2) {
        plan->options.credits = 4;
    }
    if (plan->options.seed == 0) {
        plan->options.seed = 0x77656972; // "weir"
    }
    if (plan->options.spin_us == 0) {
        plan->options.spin_us = 50;
    }
    // Read again when a run gets other workers.
    plan->options.spill_directory = wr_copy_text(spill_directory(&plan->options, is_simulated));
    plan->options.cpus = plan->options.cpus != NULL ? wr_copy_text(plan->options.cpus) : NULL;
}

static void plan_note_guarantees(struct wr_plan *plan, struct wr_environment *environment)
{
    const bool has_guarantees = plan->options.checkpoints != NULL || plan->options.until != NULL;
    for (uint32_t i = 0; i < plan->node_count && has_guarantees; i++) {
        const struct wr_spec *spec = &plan->nodes[i]->spec;
        if (spec->operator_->guarantee != NULL) {
            plan->nodes[i]->guarantee = spec->operator_->guarantee(environment, spec->options);
        }
    }
}

struct wr_plan *wr_plan_open(weir_job *job, const weir_run_options *options,
                             struct wr_environment *environment)
{
    if (!wr_job_check(job)) {
        return NULL;
    }
    struct wr_plan *plan = wr_alloc(sizeof(*plan));
    plan->job            = job;
    plan_fill_options(plan, options, environment->is_simulated);
    if (!plan_check_budget(plan) || !plan_check_checkpoints(plan) || !wr_plan_place(plan) ||
        !plan_list_partitions(plan, environment) || !plan_check_files(plan, environment)) {
        wr_plan_close(plan);
        return NULL;
    }
    uint32_t *numbers = wr_alloc(sizeof(*numbers) * (job->node_count + 1));
    bool     *is_done = wr_alloc(sizeof(*is_done) * (job->node_count + 1));
    for (uint32_t i = 0; i < job->node_count; i++) {
        plan_visit(plan, i, numbers, is_done);
    }
    wr_free(numbers);
    wr_free(is_done);
    plan_move_late_edges(plan);
    if (!plan_readers_fit(plan)) {
        wr_plan_close(plan);
        return NULL;
    }
    plan_make_stages(plan);
    plan_note_guarantees(plan, environment);
    plan_deal_single_tasks(plan);
    plan_choose_columns(plan);
    plan_add_exchanges(plan);
    plan_size_batches(plan);
    return plan;
}

void wr_plan_close(struct wr_plan *plan)
{
    wr_plan_place_close(plan);
    for (uint32_t i = 0; i < plan->node_count; i++) {
        struct wr_plan_node *node = plan->nodes[i];
        if (node->partial != NULL) {
            weir_type_close(node->partial->type);
        }
        wr_free(node->partial);
        wr_free(node->name);
        wr_free(node->options);
        wr_free(node->outputs);
        wr_free(node);
    }
    for (uint32_t i = 0; i < plan->stage_count; i++) {
        wr_free(plan->stages[i].nodes);
    }
    wr_until_close(plan->until);
    wr_free((void *)(uintptr_t)plan->options.spill_directory);
    wr_free((void *)(uintptr_t)plan->options.cpus);
    wr_free(plan->nodes);
    wr_free(plan->edges);
    wr_free(plan->stages);
    wr_free(plan->cpus);
    wr_free(plan);
}
