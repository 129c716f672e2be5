// The verbs: each adds one node to the job and hands out what it sends.
//
// Every verb first takes its input through stream_checked: a stream of a job with a mistake, or of
// another type than the binding wants, yields the null stream, on which all verbs do nothing.
#include "operators/operators.h"
#include "runtime/graph/graph.h"

#include <stdarg.h>
#include <stdio.h>

static const weir_stream no_stream;

// ---- nodes ----

static struct wr_graph_node *job_add_node(weir_job *job, enum wr_graph_kind kind, const char *verb,
                                          const char *name, const struct wr_operator *ops)
{
    struct wr_graph_node *node = wr_alloc(sizeof(*node));
    node->kind                 = kind;
    node->verb                 = verb;
    node->spec.operator_       = ops;
    node->spec.name            = wr_copy_text(name);
    node->spec.id              = job->node_count;
    job->nodes = wr_realloc(job->nodes, sizeof(*job->nodes) * (job->node_count + 1));
    job->nodes[job->node_count++] = node;
    return node;
}

static void node_add_input(struct wr_graph_node *node, weir_stream in,
                           enum wr_exchange_kind exchange, const weir_key_binding *key)
{
    node->inputs = wr_realloc(node->inputs, sizeof(*node->inputs) * (node->input_count + 1));
    node->inputs[node->input_count++] = (struct wr_graph_input){
        .node = in.node, .output = in.output, .exchange = exchange, .key = key
    };
}

static void node_set_output(struct wr_graph_node *node, uint32_t output, const weir_type *type,
                            bool sends_changes)
{
    if (output >= node->output_count) {
        node->outputs = wr_realloc(node->outputs, sizeof(*node->outputs) * (output + 1));
        for (uint32_t i = node->output_count; i <= output; i++) {
            node->outputs[i] = (struct wr_graph_output){ 0 };
        }
        node->output_count = output + 1;
    }
    node->outputs[output] = (struct wr_graph_output){ type, sends_changes };
}

static weir_stream node_stream(weir_job *job, const struct wr_graph_node *node, uint32_t output)
{
    return (weir_stream){ job, node->spec.id, output };
}

static struct wr_graph_output *stream_output(weir_stream stream)
{
    struct wr_graph_node *node = wr_job_node(stream);
    if (node == NULL || stream.output >= node->output_count ||
        node->outputs[stream.output].type == NULL) {
        return NULL;
    }
    return &node->outputs[stream.output];
}

const weir_type *wr_stream_type(weir_stream stream)
{
    const struct wr_graph_output *output = stream_output(stream);
    return output != NULL ? output->type : NULL;
}

bool wr_stream_sends_changes(weir_stream stream)
{
    const struct wr_graph_output *output = stream_output(stream);
    return output != NULL && output->sends_changes;
}

static void stream_mistake(weir_stream stream, const char *sentence, ...) WEIR_PRINTF(2, 3);
static void stream_mistake(weir_stream stream, const char *sentence, ...)
{
    char    text[700];
    va_list arguments;
    va_start(arguments, sentence);
    (void)vsnprintf(text, sizeof(text), sentence, arguments);
    va_end(arguments);
    char *path = wr_job_path(stream.job, stream.node);
    wr_job_mistake(stream.job, WEIR_USAGE, "%s > %s", path, text);
    wr_free(path);
}

// Two types are the same if their shapes are: jobs may see a record through several headers.
static bool types_agree(const weir_type *a, const weir_type *b)
{
    if (a == b) {
        return true;
    }
    if (a->size != b->size || a->field_count != b->field_count || strcmp(a->name, b->name) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < a->field_count; i++) {
        if (strcmp(a->fields[i].name, b->fields[i].name) != 0 ||
            a->fields[i].kind != b->fields[i].kind || a->fields[i].offset != b->fields[i].offset) {
            return false;
        }
    }
    return true;
}

// Whether `name` may read `in` as records of `type` (NULL: any). Says so in the job if not. What
// may drop a row takes no changes: an update that it drops would leave the row before it standing.
static bool stream_checked(weir_stream in, const char *name, const weir_type *type,
                           bool takes_changes)
{
    struct wr_graph_node *node = wr_job_node(in);
    if (node == NULL) {
        return false;
    }
    const struct wr_graph_output *output = stream_output(in);
    if (output == NULL) {
        stream_mistake(in, "%s: %s has no such output to read", name, node->spec.name);
        return false;
    }
    if (type != NULL && !types_agree(type, output->type)) {
        stream_mistake(in, "%s: it takes records of type %s, but %s sends %s", name, type->name,
                       node->spec.name, output->type->name);
        return false;
    }
    if (output->sends_changes && !takes_changes) {
        stream_mistake(
            in,
            "%s: %s sends corrections (updates and deletes), which %s cannot take; "
            "window without lateness, select in the window's result function, or process "
            "them with weir_process",
            name, node->spec.name, name);
        return false;
    }
    return true;
}

static bool stream_sends_changes(weir_stream in) { return stream_output(in)->sends_changes; }

// An operator with one input: the common shape of most verbs.
static struct wr_graph_node *stream_add(weir_stream in, const char *verb, const char *name,
                                        const struct wr_operator *ops, const void *binding,
                                        const weir_type *in_type, const weir_type *out_type,
                                        bool takes_changes)
{
    if (!stream_checked(in, name, in_type, takes_changes)) {
        return NULL;
    }
    struct wr_graph_node *node = job_add_node(in.job, WR_GRAPH_OPERATOR, verb, name, ops);
    node->spec.binding         = binding;
    node_add_input(node, in, WR_EXCHANGE_FORWARD, NULL);
    if (out_type != NULL) {
        node_set_output(node, WR_OUTPUT_MAIN, out_type, stream_sends_changes(in));
    }
    node_set_output(node, WR_OUTPUT_REJECTS, &weir_dead_letter_type, false);
    return node;
}

static struct wr_graph_node *keyed_add(weir_keyed in, const char *verb, const char *name,
                                       const struct wr_operator *ops, const void *binding,
                                       const weir_type *in_type, const weir_type *key_type,
                                       const weir_type *out_type, bool takes_changes)
{
    if (wr_job_node(in.stream) == NULL) {
        return NULL;
    }
    if (in.key == NULL) {
        stream_mistake(in.stream, "%s: %s needs a key; make one with weir_key", name, verb);
        return NULL;
    }
    if (key_type != NULL && !types_agree(key_type, in.key->key)) {
        stream_mistake(in.stream, "%s: it expects the key %s, but the stream is keyed by %s", name,
                       key_type->name, in.key->key->name);
        return NULL;
    }
    struct wr_graph_node *node =
        stream_add(in.stream, verb, name, ops, binding, in_type, out_type, takes_changes);
    if (node != NULL) {
        node->inputs[0].exchange = WR_EXCHANGE_HASH;
        node->inputs[0].key      = in.key;
        node->spec.key           = in.key;
    }
    return node;
}

static void *copy_options(const void *options, size_t bytes)
{
    void *copy = wr_alloc(bytes);
    memcpy(copy, options, bytes);
    return copy;
}

// ---- one record at a time ----

static weir_stream added(weir_stream in, const struct wr_graph_node *node)
{
    return node != NULL ? node_stream(in.job, node, WR_OUTPUT_MAIN) : no_stream;
}

weir_stream weir_filter(weir_stream in, const weir_filter_binding *keep)
{
    const weir_type *type = wr_stream_type(in);
    return added(
        in, stream_add(in, "filter", keep->name, &wr_filter_operator, keep, keep->in, type, false));
}

weir_stream weir_map(weir_stream in, const weir_map_binding *change)
{
    return added(in, stream_add(in, "map", change->name, &wr_map_operator, change, change->in,
                                change->out, !change->may_skip));
}

weir_stream weir_flat_map(weir_stream in, const weir_flat_map_binding *expand)
{
    return added(in, stream_add(in, "flat map", expand->name, &wr_flat_map_operator, expand,
                                expand->in, expand->out, false));
}

weir_stream weir_split(weir_stream in, const weir_split_binding *route, uint32_t branches)
{
    if (wr_job_node(in) != NULL && (branches < 1 || branches > 16)) {
        stream_mistake(in, "%s: %u branches; a split has 1 to 16", route->name, branches);
    }
    const weir_type      *type = wr_stream_type(in);
    struct wr_graph_node *node =
        stream_add(in, "split", route->name, &wr_split_operator, route, route->in, type, false);
    if (node == NULL) {
        return no_stream;
    }
    for (uint32_t i = 1; i < branches; i++) {
        node_set_output(node, WR_OUTPUT_SIDES + i - 1, type, stream_sends_changes(in));
    }
    return added(in, node);
}

weir_stream weir_branch(weir_stream split, uint32_t branch)
{
    const struct wr_graph_node *node = wr_job_node(split);
    if (node == NULL || branch == 0) {
        return split;
    }
    const weir_stream stream = node_stream(split.job, node, WR_OUTPUT_SIDES + branch - 1);
    if (node->spec.operator_ != &wr_split_operator || stream_output(stream) == NULL) {
        const bool is_split = node->spec.operator_ == &wr_split_operator;
        stream_mistake(split, "branch %u does not exist: %s has %u, counted from 0", branch,
                       node->spec.name, is_split ? node->output_count - WR_OUTPUT_SIDES + 1 : 1);
        return no_stream;
    }
    return stream;
}

weir_stream weir_filter_function(weir_stream in, const char                           *name,
                                 bool (*keep)(const void *record, void *opaque), void *opaque)
{
    struct wr_graph_node *node = stream_add(in, "filter", name, &wr_filter_function_operator, NULL,
                                            NULL, wr_stream_type(in), false);
    if (node != NULL) {
        const struct wr_function_options options = { .keep = keep, .opaque = opaque };
        node->spec.options                       = copy_options(&options, sizeof(options));
    }
    return added(in, node);
}

weir_stream weir_map_function(weir_stream in, const char *name, const weir_type *out,
                              bool (*change)(void *out, const void *in, void *opaque), void *opaque)
{
    struct wr_graph_node *node =
        stream_add(in, "map", name, &wr_map_function_operator, NULL, NULL, out, false);
    if (node != NULL) {
        const struct wr_function_options options = { .change = change, .opaque = opaque };
        node->spec.options                       = copy_options(&options, sizeof(options));
    }
    return added(in, node);
}

// ---- unions and routes ----

static bool stream_is_read(weir_stream stream)
{
    for (uint32_t i = 0; i < stream.job->node_count; i++) {
        const struct wr_graph_node *node = stream.job->nodes[i];
        for (uint32_t k = 0; k < node->input_count; k++) {
            if (node->inputs[k].node == stream.node && node->inputs[k].output == stream.output) {
                return true;
            }
        }
    }
    return false;
}

// Whether `more` may come into the union as it is. Says so in the job if not.
static bool union_takes(weir_stream union_, weir_stream more)
{
    if (more.job != union_.job) {
        stream_mistake(union_, "its input %s is of another job, %s; a stream stays in its job",
                       wr_job_node(more)->spec.name, more.job->name);
        return false;
    }
    const struct wr_graph_node *node = wr_job_node(union_);
    if (!stream_checked(more, node->spec.name, wr_stream_type(union_), true)) {
        return false;
    }
    if (stream_sends_changes(more) && !stream_sends_changes(union_) && stream_is_read(union_)) {
        stream_mistake(
            more,
            "%s: it sends corrections (updates and deletes), but the union is read already by "
            "those who expect none; add it before they are",
            node->spec.name);
        return false;
    }
    return true;
}

void weir_union_add(weir_stream union_, weir_stream more)
{
    struct wr_graph_node *node = wr_job_node(union_);
    if (node == NULL || wr_job_node(more) == NULL) {
        return;
    }
    if (node->kind != WR_GRAPH_ROUTE || node->is_route_exchange) {
        stream_mistake(union_, "%s is no union; only a union takes another input", node->spec.name);
        return;
    }
    if (union_takes(union_, more)) {
        node_add_input(node, more, WR_EXCHANGE_FORWARD, NULL);
        node->outputs[WR_OUTPUT_MAIN].sends_changes |= stream_sends_changes(more);
    }
}

weir_stream weir_union(const weir_stream *inputs, uint32_t count)
{
    if (count == 0 || wr_job_node(inputs[0]) == NULL) {
        return no_stream;
    }
    struct wr_graph_node *node =
        job_add_node(inputs[0].job, WR_GRAPH_ROUTE, "union", "union", NULL);
    const weir_stream out = node_stream(inputs[0].job, node, WR_OUTPUT_MAIN);
    node_set_output(node, WR_OUTPUT_MAIN, wr_stream_type(inputs[0]), false);
    for (uint32_t i = 0; i < count; i++) {
        weir_union_add(out, inputs[i]);
    }
    return out;
}

static weir_stream stream_route(weir_stream in, const char *verb, enum wr_exchange_kind exchange,
                                wr_place place, void *opaque)
{
    if (!stream_checked(in, verb, NULL, true)) {
        return no_stream;
    }
    struct wr_graph_node *node = job_add_node(in.job, WR_GRAPH_ROUTE, verb, verb, NULL);
    node_add_input(node, in, WR_EXCHANGE_FORWARD, NULL);
    node->is_route_exchange = true;
    node->route = (struct wr_graph_input){ .exchange = exchange, .place = place, .opaque = opaque };
    node_set_output(node, WR_OUTPUT_MAIN, wr_stream_type(in), stream_sends_changes(in));
    return added(in, node);
}

weir_stream weir_rebalance(weir_stream in)
{
    return stream_route(in, "rebalance", WR_EXCHANGE_REBALANCE, NULL, NULL);
}

weir_stream weir_broadcast(weir_stream in)
{
    return stream_route(in, "broadcast", WR_EXCHANGE_BROADCAST, NULL, NULL);
}

weir_stream weir_partition_by(weir_stream in, uint64_t (*place)(const void *record, void *opaque),
                              void       *opaque)
{
    return stream_route(in, "partition", WR_EXCHANGE_CUSTOM, place, opaque);
}

// ---- by key ----

weir_keyed weir_key(weir_stream in, const weir_key_binding *key)
{
    if (key == NULL) {
        if (wr_job_node(in) != NULL) {
            stream_mistake(in, "key: it has no key; make one with WEIR_KEY");
        }
        return (weir_keyed){ no_stream, NULL };
    }
    if (!stream_checked(in, key->name, key->in, true)) {
        return (weir_keyed){ no_stream, key };
    }
    return (weir_keyed){ in, key };
}

weir_stream weir_reduce(weir_keyed in, const weir_reduce_binding *update)
{
    return added(in.stream, keyed_add(in, "reduce", update->name, &wr_reduce_operator, update,
                                      update->in, update->key, update->out, false));
}

// A sentence about what is wrong with the window, or NULL.
static const char *window_mistake(const weir_window *window, char *text, size_t bytes)
{
    const double second = 1e6;
    switch (window->kind) {
    case WEIR_WINDOW_TUMBLING:
    case WEIR_WINDOW_SLIDING:
        if (window->length <= 0 || window->slide <= 0) {
            return "length and slide must be more than zero";
        }
        if (window->slide > window->length) {
            (void)snprintf(
                text, bytes,
                "slide %g s is longer than length %g s, so records between two windows would "
                "be lost; choose a slide of at most the length",
                (double)window->slide / second, (double)window->length / second);
            return text;
        }
        if (window->length % window->slide != 0) {
            (void)snprintf(text, bytes, "slide %g s does not divide length %g s; choose a divisor",
                           (double)window->slide / second, (double)window->length / second);
            return text;
        }
        break;
    case WEIR_WINDOW_SESSION:
        if (window->gap <= 0) {
            return "the gap of a session must be more than zero";
        }
        break;
    case WEIR_WINDOW_COUNT:
        if (window->count == 0) {
            return "a count window needs a count of at least 1";
        }
        break;
    case WEIR_WINDOW_GLOBAL: break;
    default:
        return "the window has no kind; make it with weir_tumbling, weir_sliding, weir_session, "
               "weir_count_window or weir_global";
    }
    if (window->lateness < 0) {
        return "lateness must not be negative";
    }
    return NULL;
}

weir_stream weir_aggregate(weir_keyed in, weir_window window,
                           const weir_aggregate_binding *aggregate)
{
    char        text[300];
    const char *mistake = window_mistake(&window, text, sizeof(text));
    if (mistake != NULL && wr_job_node(in.stream) != NULL) {
        stream_mistake(in.stream, "%s: %s", aggregate->name, mistake);
    }
    struct wr_graph_node *node =
        keyed_add(in, "window", aggregate->name, &wr_window_operator, aggregate, aggregate->in,
                  aggregate->key, aggregate->out, false);
    if (node == NULL) {
        return no_stream;
    }
    const bool corrects = window.lateness > 0 && window.kind != WEIR_WINDOW_COUNT &&
                          window.kind != WEIR_WINDOW_GLOBAL;
    const struct wr_aggregate_options options = { .window        = window,
                                                  .aggregate     = aggregate,
                                                  .sends_changes = corrects };
    node->spec.options                        = copy_options(&options, sizeof(options));
    node_set_output(node, WR_OUTPUT_MAIN, aggregate->out, corrects);
    node_set_output(node, WR_OUTPUT_LATE, aggregate->in, false);
    return added(in.stream, node);
}

weir_stream weir_process(weir_keyed in, const weir_process_binding *process,
                         const weir_process_options *options)
{
    static const weir_process_options none;
    const weir_process_options       *chosen = options != NULL ? options : &none;
    struct wr_graph_node *node = keyed_add(in, "process", process->name, &wr_process_operator,
                                           process, process->in, process->key, process->out, true);
    if (node == NULL) {
        return no_stream;
    }
    node->spec.options = copy_options(chosen, sizeof(*chosen));
    node_set_output(node, WR_OUTPUT_MAIN, process->out, chosen->sends_changes);
    for (uint32_t i = 0; i < WR_COUNT_OF(chosen->sides); i++) {
        if (chosen->sides[i] != NULL) {
            node_set_output(node, WR_OUTPUT_SIDES + i, chosen->sides[i], chosen->sends_changes);
        }
    }
    return added(in.stream, node);
}

weir_stream weir_side(weir_stream process, uint32_t index)
{
    const struct wr_graph_node *node = wr_job_node(process);
    if (node == NULL) {
        return no_stream;
    }
    const weir_stream stream = node_stream(process.job, node, WR_OUTPUT_SIDES + index);
    if (stream_output(stream) == NULL) {
        stream_mistake(process, "side output %u does not exist; name its type in the options",
                       index);
        return no_stream;
    }
    return stream;
}

weir_stream weir_deduplicate(weir_keyed in, weir_time within, weir_time lateness)
{
    if (wr_job_node(in.stream) != NULL && (within < 0 || lateness < 0)) {
        stream_mistake(in.stream, "deduplicate: within and lateness must not be negative");
    }
    struct wr_graph_node *node =
        keyed_add(in, "deduplicate", "deduplicate", &wr_deduplicate_operator, NULL, NULL, NULL,
                  wr_stream_type(in.stream), false);
    if (node == NULL) {
        return no_stream;
    }
    const struct wr_deduplicate_options options = { within, lateness };
    node->spec.options                          = copy_options(&options, sizeof(options));
    return added(in.stream, node);
}

// ---- ends and side streams ----

weir_stream weir_sink(weir_stream in, const weir_sink_binding *sink, void *opaque)
{
    struct wr_graph_node *node =
        stream_add(in, "sink", sink->name, &wr_sink_operator, sink, sink->in, NULL, true);
    if (node != NULL) {
        const struct wr_sink_options options = { opaque };
        node->kind                           = WR_GRAPH_SINK;
        node->spec.options                   = copy_options(&options, sizeof(options));
    }
    return added(in, node);
}

static weir_stream stream_other_output(weir_stream of, uint32_t output, const char *what)
{
    const struct wr_graph_node *node = wr_job_node(of);
    if (node == NULL) {
        return no_stream;
    }
    const weir_stream stream = node_stream(of.job, node, output);
    if (stream_output(stream) == NULL) {
        stream_mistake(of, "a %s has no %s", node->verb, what);
        return no_stream;
    }
    return stream;
}

weir_stream weir_late(weir_stream of)
{
    return stream_other_output(of, WR_OUTPUT_LATE, "late records");
}

weir_stream weir_dead_letters(weir_stream of)
{
    return stream_other_output(of, WR_OUTPUT_REJECTS, "dead letters");
}

// ---- connectors ----

weir_stream wr_job_add_source(weir_job *job, const struct wr_connector *connector, const char *name,
                              void *options, const void *binding, const weir_type *type,
                              void (*free_options)(void *options))
{
    if (job == NULL || job->error != NULL) {
        if (free_options != NULL) {
            free_options(options);
        }
        return no_stream;
    }
    struct wr_graph_node *node =
        job_add_node(job, WR_GRAPH_SOURCE, connector->verb, name, &wr_source_operator);
    struct wr_source_options *source = wr_alloc(sizeof(*source));
    source->connector                = connector;
    source->options                  = options;
    source->binding                  = binding;
    source->free_options             = free_options;
    node->spec.options               = source;
    node->spec.binding               = binding;
    node->free_options               = wr_source_options_free;
    node_set_output(node, WR_OUTPUT_MAIN, type, false);
    if (connector->line != NULL) {
        node_set_output(node, WR_OUTPUT_LATE, &weir_line_type, false);
    }
    node_set_output(node, WR_OUTPUT_REJECTS, &weir_dead_letter_type, false);
    return node_stream(job, node, WR_OUTPUT_MAIN);
}

void wr_job_source_sends_changes(weir_stream source)
{
    struct wr_graph_node *node = wr_job_node(source);
    if (node != NULL) {
        node->outputs[WR_OUTPUT_MAIN].sends_changes = true;
    }
}

void wr_source_options_free(void *opaque)
{
    struct wr_source_options *source = opaque;
    if (source->free_options != NULL) {
        source->free_options((void *)(uintptr_t)source->options);
    }
    for (uint32_t i = 0; i < source->partitions.count; i++) {
        wr_free(source->partitions.names[i]);
    }
    wr_free(source->partitions.names);
    wr_free(source);
}

weir_stream wr_job_add_sink(weir_stream in, const struct wr_operator *ops, const char *name,
                            void *options, const void *binding, uint32_t parallelism,
                            void (*free_options)(void *options))
{
    struct wr_graph_node *node = stream_add(in, ops->verb, name, ops, binding, NULL, NULL, true);
    if (node == NULL) {
        if (free_options != NULL) {
            free_options(options);
        }
        return no_stream;
    }
    node->kind         = WR_GRAPH_SINK;
    node->spec.options = options;
    node->free_options = free_options;
    node->parallelism  = parallelism;
    return added(in, node);
}

weir_stream wr_job_refuse(weir_job *job, const char *sentence, ...)
{
    char    text[1000];
    va_list arguments;
    va_start(arguments, sentence);
    (void)vsnprintf(text, sizeof(text), sentence, arguments);
    va_end(arguments);
    wr_job_mistake(job, WEIR_USAGE, "%s", text);
    return no_stream;
}

// ---- how it runs ----

weir_stream weir_name(weir_stream of, const char *name)
{
    struct wr_graph_node *node = wr_job_node(of);
    if (node != NULL) {
        if (name == NULL || name[0] == '\0') {
            stream_mistake(of, "a name must not be empty");
        } else {
            wr_free((void *)(uintptr_t)node->spec.name);
            node->spec.name = wr_copy_text(name);
            node->is_named  = true;
        }
    }
    return of;
}

weir_stream weir_formerly(weir_stream of, const char *name)
{
    struct wr_graph_node *node = wr_job_node(of);
    if (node == NULL) {
        return of;
    }
    if (name == NULL || name[0] == '\0') {
        stream_mistake(of, "a former name must not be empty");
    } else if (node->kind == WR_GRAPH_SINK) {
        stream_mistake(of, "a sink keeps its name: what it has set aside outside lies under it");
    } else {
        wr_free(node->formerly);
        node->formerly = wr_copy_text(name);
    }
    return of;
}

weir_stream weir_parallelism(weir_stream of, uint32_t tasks)
{
    struct wr_graph_node *node = wr_job_node(of);
    if (node != NULL) {
        if (tasks == 0 || tasks > 1024) {
            stream_mistake(of, "%u parallel tasks; an operator has 1 to 1,024", tasks);
        } else {
            node->parallelism = tasks;
        }
    }
    return of;
}

weir_stream weir_with(weir_stream of, const void *parameters, size_t bytes)
{
    struct wr_graph_node *node = wr_job_node(of);
    if (node != NULL) {
        wr_free((void *)(uintptr_t)node->spec.parameters);
        node->spec.parameters = copy_options(parameters, bytes);
    }
    return of;
}
