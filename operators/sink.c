// sink: hands every record to a function with memory of its task's own; at the end of the stream,
// or when other tasks go on, each task's memory is finished, one task at a time.
#include "operators/operators.h"

struct sink_node {
    struct wr_node node;
    void          *local;
};

static bool sink_open(struct wr_node *node)
{
    const weir_sink_binding *binding  = node->spec->binding;
    ((struct sink_node *)node)->local = wr_alloc_aligned(binding->local_size + 1, WR_CACHE_LINE);
    return true;
}

static void sink_close(struct wr_node *node) { wr_free(((struct sink_node *)node)->local); }

static void sink_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    const weir_sink_binding *binding = node->spec->binding;
    wr_call_begin(node, inlet->batch, wr_inlet_row(inlet, 0));
    binding->rows(node->call, ((struct sink_node *)node)->local, inlet->batch->rows,
                  inlet->selection, inlet->count);
    wr_call_reset(node->call);
    inlet->next = inlet->count;
}

static bool sink_finish(struct wr_node *node)
{
    const weir_sink_binding      *binding = node->spec->binding;
    const struct wr_sink_options *options = node->spec->options;
    if (binding->finish != NULL) {
        wr_node_enter_serial(node);
        binding->finish(((struct sink_node *)node)->local, options->opaque);
        wr_node_leave_serial(node);
    }
    return true;
}

static void sink_leave(struct wr_node *node) { (void)sink_finish(node); }

static const char *sink_guarantee(struct wr_environment *environment, const void *options)
{
    (void)environment;
    (void)options;
    return "at least once (a function of the job takes it)";
}

const struct wr_operator wr_sink_operator = {
    .verb       = "sink",
    .node_bytes = sizeof(struct sink_node),
    .open       = sink_open,
    .close      = sink_close,
    .rows       = sink_rows,
    .finish     = sink_finish,
    .leave      = sink_leave,
    .guarantee  = sink_guarantee,
};
