// split: sends each row to one of several branches. No row is copied: each branch gets a selection.
#include "operators/operators.h"

struct split_node {
    struct wr_node node;
    uint16_t      *branches; // of each pending row
    uint16_t      *kept;     // branch after branch, each in the rows' order
    uint32_t       capacity;
};

enum { SPLIT_BRANCHES_MAX = 16 };

static struct wr_output *split_output(struct wr_node *node, uint32_t branch)
{
    return &node->outputs[branch == 0 ? WR_OUTPUT_MAIN : WR_OUTPUT_SIDES + branch - 1];
}

static uint32_t split_branch_count(const struct wr_node *node)
{
    return node->output_count > WR_OUTPUT_SIDES ? node->output_count - WR_OUTPUT_SIDES + 1 : 1;
}

static void split_close(struct wr_node *node)
{
    wr_free(((struct split_node *)node)->branches);
    wr_free(((struct split_node *)node)->kept);
}

static void split_make_room(struct split_node *split, uint32_t count)
{
    if (count > split->capacity) {
        split->branches = wr_realloc(split->branches, sizeof(*split->branches) * count);
        split->kept     = wr_realloc(split->kept, sizeof(*split->kept) * count);
        split->capacity = count;
    }
}

static void split_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct split_node        *split                      = (struct split_node *)node;
    const weir_split_binding *binding                    = node->spec->binding;
    const uint32_t            branch_count               = split_branch_count(node);
    uint32_t                  sizes[SPLIT_BRANCHES_MAX]  = { 0 };
    uint32_t                  starts[SPLIT_BRANCHES_MAX] = { 0 };

    WR_ASSERT(inlet->next == 0 && branch_count <= SPLIT_BRANCHES_MAX);
    split_make_room(split, inlet->count);
    wr_call_begin(node, inlet->batch, 0);
    binding->rows(node->call, inlet->batch->rows, inlet->selection, inlet->count, split->branches);
    uint32_t next_rejected = 0; // rejected rows go to no branch
    for (uint32_t i = 0; i < inlet->count; i++) {
        if (wr_call_has_rejected(node->call, wr_inlet_row(inlet, i), &next_rejected)) {
            continue;
        }
        if (split->branches[i] >= branch_count) {
            wr_node_fail(node, "a record was routed to branch %u, but there are %u",
                         split->branches[i], branch_count);
            inlet->next = inlet->count;
            return;
        }
        sizes[split->branches[i]]++;
    }
    for (uint32_t branch = 1; branch < branch_count; branch++) {
        starts[branch] = starts[branch - 1] + sizes[branch - 1];
    }
    uint32_t next[SPLIT_BRANCHES_MAX];
    memcpy(next, starts, sizeof(next));
    next_rejected = 0;
    for (uint32_t i = 0; i < inlet->count; i++) {
        const uint32_t row = wr_inlet_row(inlet, i);
        if (!wr_call_has_rejected(node->call, row, &next_rejected)) {
            split->kept[next[split->branches[i]]++] = (uint16_t)row;
        }
    }
    wr_call_reset(node->call);
    for (uint32_t branch = 0; branch < branch_count; branch++) {
        wr_output_pass(split_output(node, branch), inlet->batch, split->kept + starts[branch],
                       sizes[branch]);
    }
    inlet->next = inlet->count;
}

const struct wr_operator wr_split_operator = {
    .verb        = "split",
    .node_bytes  = sizeof(struct split_node),
    .rows        = split_rows,
    .close       = split_close,
    .passes_rows = true,
};
