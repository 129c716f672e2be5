// discard: the sink that stands for each sink of a job in a replay. It counts as they do.
#include "operators/operators.h"

static enum wr_counter counter_of(uint8_t change)
{
    return change == WR_DELETE ? WR_DELETES : change == WR_INSERT ? WR_INSERTS : WR_UPDATES;
}

static void discard_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    const uint8_t *changes = inlet->batch->changes;
    for (uint32_t i = 0; i < inlet->count; i++) {
        const uint8_t change = changes != NULL ? changes[wr_inlet_row(inlet, i)] : WR_INSERT;
        if (change != WR_UPDATE_BEFORE) {
            wr_count(node->counters, counter_of(change), 1);
        }
    }
    inlet->next = inlet->count;
}

static const char *discard_guarantee(struct wr_environment *environment, const void *options)
{
    (void)environment;
    (void)options;
    return "discarded (a replay writes nothing)";
}

const struct wr_operator wr_discard_operator = {
    .verb       = "discard",
    .node_bytes = sizeof(struct wr_node),
    .rows       = discard_rows,
    .guarantee  = discard_guarantee,
};
