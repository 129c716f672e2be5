// flat map: makes any number of records of one. The function emits into staged rows, at most as
// many a call as its binding declares; they move to the batch as they fit, and only then is the
// next record looked at. A generator keeps a cursor and is called again with the same record until
// it is done. A call that rejects its record sends nothing, and ends it.
#include "operators/operators.h"

struct flat_map_node {
    struct wr_node node;
    void          *cursor;
    bool           is_within; // the record at inlet->next has been begun
    bool           is_done;   // and ended; its last rows may still be staged
};

static bool flat_map_open(struct wr_node *node)
{
    const weir_flat_map_binding *binding = node->spec->binding;
    if (binding->cursor_size > 0) {
        ((struct flat_map_node *)node)->cursor = wr_alloc(binding->cursor_size);
    }
    wr_output_allow_staging(&node->outputs[WR_OUTPUT_MAIN], binding->most);
    node->call->most = binding->most;
    return true;
}

static void flat_map_close(struct wr_node *node)
{
    wr_free(((struct flat_map_node *)node)->cursor);
}

static void flat_map_begin(struct flat_map_node *flat_map)
{
    const weir_flat_map_binding *binding = flat_map->node.spec->binding;
    if (binding->cursor_size > 0) {
        memset(flat_map->cursor, 0, binding->cursor_size);
    }
    flat_map->is_within = true;
    flat_map->is_done   = false;
}

static void flat_map_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct flat_map_node        *flat_map = (struct flat_map_node *)node;
    const weir_flat_map_binding *binding  = node->spec->binding;
    struct wr_output            *output   = &node->outputs[WR_OUTPUT_MAIN];

    while (wr_output_unstage(node, output)) {
        wr_call_reset(node->call);
        if (flat_map->is_within && flat_map->is_done) {
            flat_map->is_within = false;
            inlet->next++;
        }
        if (inlet->next == inlet->count || wr_output_room(output) == 0) {
            return;
        }
        if (!flat_map->is_within) {
            flat_map_begin(flat_map);
        }
        const uint32_t row = wr_inlet_row(inlet, inlet->next);
        wr_call_begin(node, inlet->batch, row);
        flat_map->is_done = binding->row(node->call, node->call->record, flat_map->cursor);
        if (node->call->is_rejected) {
            wr_output_withdraw(output);
            flat_map->is_done = true;
        }
    }
}

const struct wr_operator wr_flat_map_operator = {
    .verb       = "flat map",
    .node_bytes = sizeof(struct flat_map_node),
    .open       = flat_map_open,
    .close      = flat_map_close,
    .rows       = flat_map_rows,
    .uses_time  = true, // its function may ask for it
};
