// filter: keeps the rows a function says true to. No row is copied: what is kept is a selection.
#include "operators/operators.h"

struct filter_node {
    struct wr_node node;
    uint16_t      *kept;
    uint32_t       kept_capacity;
};

static void filter_make_room(struct filter_node *filter, uint32_t count)
{
    if (count > filter->kept_capacity) {
        filter->kept          = wr_realloc(filter->kept, sizeof(*filter->kept) * (count + 1));
        filter->kept_capacity = count;
    }
}

static void filter_close(struct wr_node *node) { wr_free(((struct filter_node *)node)->kept); }

// Takes the rejected rows out of those kept; how many are left.
static uint32_t filter_withdraw(struct filter_node *filter, const struct wr_inlet *inlet,
                                uint32_t kept_count)
{
    uint16_t *kept = filter->kept;
    uint32_t  left = 0, next_rejected = 0, next_kept = 0;
    for (uint32_t i = 0; i < inlet->count; i++) {
        const uint32_t row         = wr_inlet_row(inlet, i);
        const bool     is_rejected = wr_call_has_rejected(filter->node.call, row, &next_rejected);
        const bool     is_kept     = next_kept < kept_count && kept[next_kept] == row;
        next_kept += is_kept;
        if (is_kept && !is_rejected) {
            kept[left++] = (uint16_t)row;
        }
    }
    return left;
}

static void filter_pass(struct filter_node *filter, struct wr_inlet *inlet, uint32_t kept_count)
{
    const uint32_t rejected_count = filter->node.call->rejected_count;
    WR_ASSERT(kept_count <= inlet->count);
    if (rejected_count > 0) {
        kept_count = filter_withdraw(filter, inlet, kept_count);
    }
    wr_count(filter->node.counters, WR_FILTERED, inlet->count - kept_count - rejected_count);
    wr_output_pass(&filter->node.outputs[WR_OUTPUT_MAIN], inlet->batch, filter->kept, kept_count);
    inlet->next = inlet->count;
}

static void filter_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct filter_node        *filter  = (struct filter_node *)node;
    const weir_filter_binding *binding = node->spec->binding;

    WR_ASSERT(inlet->next == 0); // a filter takes all there is
    filter_make_room(filter, inlet->count);
    wr_call_begin(node, inlet->batch, 0);
    filter_pass(filter, inlet,
                binding->rows(node->call, inlet->batch->rows, inlet->selection, inlet->count,
                              filter->kept));
    wr_call_reset(node->call);
}

static void filter_function_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct filter_node               *filter     = (struct filter_node *)node;
    const struct wr_function_options *options    = node->spec->options;
    uint32_t                          kept_count = 0;

    filter_make_room(filter, inlet->count);
    for (uint32_t i = 0; i < inlet->count; i++) {
        const uint32_t row       = wr_inlet_row(inlet, i);
        filter->kept[kept_count] = (uint16_t)row;
        kept_count += options->keep(wr_batch_row(inlet->batch, row), options->opaque);
    }
    filter_pass(filter, inlet, kept_count);
}

const struct wr_operator wr_filter_operator = {
    .verb        = "filter",
    .node_bytes  = sizeof(struct filter_node),
    .rows        = filter_rows,
    .close       = filter_close,
    .passes_rows = true,
};

const struct wr_operator wr_filter_function_operator = {
    .verb        = "filter",
    .node_bytes  = sizeof(struct filter_node),
    .rows        = filter_function_rows,
    .close       = filter_close,
    .passes_rows = true,
};
