// reduce: a running result a record, by key. The states of a batch are found together (hash,
// prefetch, resolve), then the user's loop runs over rows and states and writes the results in
// place.
#include "operators/keyed.h"
#include "operators/operators.h"

struct reduce_node {
    struct wr_node    node;
    struct wr_keyed   keyed;
    struct wr_table  *states;
    struct wr_strings state_strings;
    bool              is_within; // the record at inlet->next is in the state, its result is staged
};

static bool reduce_open(struct wr_node *node)
{
    struct reduce_node        *reduce  = (struct reduce_node *)node;
    const weir_reduce_binding *binding = node->spec->binding;
    wr_keyed_init(&reduce->keyed, node->spec->key, node->seed);
    reduce->state_strings = wr_strings_of(binding->state);
    wr_output_allow_staging(&node->outputs[WR_OUTPUT_MAIN], 1);
    reduce->states =
        wr_keyed_open_table(&reduce->keyed, node, binding->state->size, &reduce->state_strings);
    const struct wr_table_shape shape = { .key   = node->spec->key->key,
                                          .parts = { { "state", binding->state, 0 } } };
    wr_node_keep_table(node, "states", reduce->states, &shape);
    return true;
}

static void reduce_close(struct wr_node *node)
{
    struct reduce_node *reduce = (struct reduce_node *)node;
    if (reduce->states != NULL) {
        wr_table_close(reduce->states);
    }
    wr_keyed_fini(&reduce->keyed);
    wr_strings_fini(&reduce->state_strings);
}

// The results' event time is their record's.
static void reduce_copy_times(const struct wr_output *output, const struct wr_inlet *inlet,
                              uint32_t count)
{
    if (output->batch->times == NULL || inlet->batch->times == NULL) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        output->batch->times[output->batch->row_count + i] =
            inlet->batch->times[wr_inlet_row(inlet, inlet->next + i)];
    }
}

static void reduce_apply(struct wr_node *node, const struct wr_inlet *inlet, uint32_t count,
                         void *out, void *const *states)
{
    const struct reduce_node  *reduce  = (const struct reduce_node *)node;
    const weir_reduce_binding *binding = node->spec->binding;
    if (inlet->selection != NULL) {
        binding->rows(node->call, out, reduce->keyed.keys, states, inlet->batch->rows,
                      inlet->selection + inlet->next, count);
    } else {
        binding->rows(node->call, out, reduce->keyed.keys, states,
                      wr_batch_row(inlet->batch, inlet->next), NULL, count);
    }
}

// Neither results nor states have strings: results are written where they leave from.
static void reduce_plain_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct reduce_node *reduce = (struct reduce_node *)node;
    struct wr_output   *output = &node->outputs[WR_OUTPUT_MAIN];
    void               *states[WR_KEYED_CHUNK];

    while (inlet->next < inlet->count && wr_output_room(output) > 0) {
        uint32_t count = inlet->count - inlet->next;
        count          = count < wr_output_room(output) ? count : wr_output_room(output);
        count          = count < WR_KEYED_CHUNK ? count : WR_KEYED_CHUNK;
        wr_node_release_state(node);
        wr_keyed_take(&reduce->keyed, inlet, count);
        if (!wr_keyed_resolve(&reduce->keyed, node, reduce->states, count, states, NULL)) {
            return;
        }
        reduce_apply(node, inlet, count, wr_output_row(output), states);
        reduce_copy_times(output, inlet, count);
        wr_output_commit(output, count);
        inlet->next += count;
    }
}

// With strings: row by row, through the staged row, because updating a state again would count
// twice when its result does not fit.
static void reduce_string_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct reduce_node *reduce = (struct reduce_node *)node;
    struct wr_output   *output = &node->outputs[WR_OUTPUT_MAIN];
    void               *state;

    while (wr_output_unstage(node, output)) {
        wr_call_reset(node->call);
        if (reduce->is_within) {
            reduce->is_within = false;
            inlet->next++;
        }
        if (inlet->next == inlet->count || wr_output_room(output) == 0) {
            return;
        }
        wr_node_release_state(node);
        wr_keyed_take(&reduce->keyed, inlet, 1);
        if (!wr_keyed_resolve(&reduce->keyed, node, reduce->states, 1, &state, NULL)) {
            return;
        }
        wr_call_begin(node, inlet->batch, wr_inlet_row(inlet, inlet->next));
        reduce_apply(node, inlet, 1,
                     wr_output_stage(node, output, WEIR_INSERT, node->call->event_time), &state);
        wr_output_own_staged(node, output);
        reduce->is_within = true;
        if (reduce->state_strings.count > 0 &&
            !wr_table_keep_strings_many(reduce->states, reduce->keyed.hashes, &reduce->keyed.column,
                                        1, &state)) {
            (void)wr_keyed_out_of_budget(node);
            return;
        }
    }
}

static void reduce_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    if (node->outputs[WR_OUTPUT_MAIN].layout.strings.count > 0 ||
        ((struct reduce_node *)node)->state_strings.count > 0) {
        reduce_string_rows(node, inlet);
    } else {
        wr_call_begin(node, inlet->batch, wr_inlet_row(inlet, inlet->next));
        reduce_plain_rows(node, inlet);
    }
}

const struct wr_operator wr_reduce_operator = {
    .verb       = "reduce",
    .node_bytes = sizeof(struct reduce_node),
    .open       = reduce_open,
    .close      = reduce_close,
    .rows       = reduce_rows,
};
