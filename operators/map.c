// map: makes one record of another. Rows go straight into the output batch; event time and change
// travel along. A function that returns false, or rejects its record, makes no output for its row.
#include "operators/operators.h"

enum { MAP_CHUNK = 1024 };

// The columns of `count` output rows from `first` on come from the input rows they were made of.
static void map_copy_columns(const struct wr_output *output, uint32_t first,
                             const struct wr_inlet *inlet, const uint16_t *kept, uint32_t count)
{
    struct wr_batch       *to   = output->batch;
    const struct wr_batch *from = inlet->batch;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t row = wr_inlet_row(inlet, inlet->next + (kept != NULL ? kept[i] : i));
        if (to->times != NULL && from->times != NULL) {
            to->times[first + i] = from->times[row];
        }
        if (to->changes != NULL) {
            to->changes[first + i] = from->changes != NULL ? from->changes[row] : WR_INSERT;
        }
    }
}

static uint32_t map_apply(struct wr_node *node, const struct wr_inlet *inlet, uint32_t count,
                          void *out, uint16_t *kept)
{
    const weir_map_binding *binding = node->spec->binding;
    const struct wr_batch  *batch   = inlet->batch;
    if (inlet->selection != NULL) {
        return binding->rows(node->call, batch->rows, inlet->selection + inlet->next, count, out,
                             kept);
    }
    return binding->rows(node->call, wr_batch_row(batch, inlet->next), NULL, count, out, kept);
}

static uint32_t map_function_apply(struct wr_node *node, const struct wr_inlet *inlet,
                                   uint32_t count, void *out, uint16_t *kept)
{
    const struct wr_function_options *options    = node->spec->options;
    const uint32_t                    row_size   = node->outputs[WR_OUTPUT_MAIN].batch->row_size;
    uint32_t                          kept_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const void *row  = wr_batch_row(inlet->batch, wr_inlet_row(inlet, inlet->next + i));
        kept[kept_count] = (uint16_t)i;
        kept_count +=
            options->change((char *)out + (size_t)kept_count * row_size, row, options->opaque);
    }
    return kept_count;
}

// Takes the rows made of rejected records out of the `made` rows at `out`, and names the records of
// those that are left in `kept`, as the loop does with may_skip. How many are left.
static uint32_t map_withdraw(const struct wr_node *node, const struct wr_inlet *inlet,
                             uint32_t count, char *out, uint16_t *kept, bool may_skip,
                             uint32_t made)
{
    const size_t row_size = node->outputs[WR_OUTPUT_MAIN].batch->row_size;
    uint32_t     left = 0, next_rejected = 0, next_made = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t row         = wr_inlet_row(inlet, inlet->next + i);
        const bool     is_rejected = wr_call_has_rejected(node->call, row, &next_rejected);
        const bool     is_made     = next_made < made && (!may_skip || kept[next_made] == i);
        if (is_made && !is_rejected) {
            memmove(out + left * row_size, out + next_made * row_size, row_size);
            kept[left++] = (uint16_t)i;
        }
        next_made += is_made;
    }
    return left;
}

typedef uint32_t (*map_loop)(struct wr_node *node, const struct wr_inlet *inlet, uint32_t count,
                             void *out, uint16_t *kept);

// Types without strings: as many rows at a time as fit.
static void map_plain_rows(struct wr_node *node, struct wr_inlet *inlet, map_loop apply,
                           bool may_skip)
{
    struct wr_output *output = &node->outputs[WR_OUTPUT_MAIN];
    uint16_t          kept[MAP_CHUNK];

    while (inlet->next < inlet->count && wr_output_room(output) > 0) {
        uint32_t count = inlet->count - inlet->next;
        if (count > wr_output_room(output)) {
            count = wr_output_room(output);
        }
        if (count > MAP_CHUNK) {
            count = MAP_CHUNK;
        }
        node->call->rejected_count = 0;
        uint32_t made              = apply(node, inlet, count, wr_output_row(output), kept);
        WR_ASSERT(made <= count);
        const uint32_t rejected_count = node->call->rejected_count;
        if (rejected_count > 0) {
            made = map_withdraw(node, inlet, count, wr_output_row(output), kept, may_skip, made);
        }
        if (output->batch->times != NULL || output->batch->changes != NULL) {
            const bool is_named = may_skip || rejected_count > 0;
            map_copy_columns(output, output->batch->row_count, inlet, is_named ? kept : NULL, made);
        }
        wr_output_commit(output, made);
        wr_count(node->counters, WR_FILTERED, count - made - rejected_count);
        inlet->next += count;
    }
}

// Types with strings: row by row. The function is pure, so a row whose strings do not fit any more
// is simply made again when there is room.
static void map_string_rows(struct wr_node *node, struct wr_inlet *inlet, map_loop apply)
{
    struct wr_output *output = &node->outputs[WR_OUTPUT_MAIN];
    uint16_t          kept[1];

    while (inlet->next < inlet->count && wr_output_room(output) > 0) {
        wr_call_begin(node, inlet->batch, wr_inlet_row(inlet, inlet->next));
        // A string the function does not set must not be what was there before.
        memset(wr_output_row(output), 0, output->batch->row_size);
        const uint32_t made = apply(node, inlet, 1, wr_output_row(output), kept);
        if (node->call->is_rejected) {
            // counted, and nothing is sent
        } else if (made == 1) {
            if (wr_batch_row_fits_never(&output->layout, wr_output_row(output))) {
                wr_node_reject(node, "the mapped record is larger than a record may be");
            } else {
                map_copy_columns(output, output->batch->row_count, inlet, NULL, 1);
                if (!wr_output_seal(output)) {
                    return;
                }
            }
        } else {
            wr_count(node->counters, WR_FILTERED, 1);
        }
        wr_call_reset(node->call);
        inlet->next++;
    }
}

static void map_rows_by(struct wr_node *node, struct wr_inlet *inlet, map_loop apply, bool may_skip)
{
    if (node->outputs[WR_OUTPUT_MAIN].layout.strings.count > 0) {
        map_string_rows(node, inlet, apply);
    } else {
        wr_call_begin(node, inlet->batch, wr_inlet_row(inlet, inlet->next));
        map_plain_rows(node, inlet, apply, may_skip);
        wr_call_reset(node->call);
    }
}

static void map_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    const weir_map_binding *binding = node->spec->binding;
    map_rows_by(node, inlet, map_apply, binding->may_skip);
}

static void map_function_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    map_rows_by(node, inlet, map_function_apply, true);
}

const struct wr_operator wr_map_operator = {
    .verb       = "map",
    .node_bytes = sizeof(struct wr_node),
    .rows       = map_rows,
};

const struct wr_operator wr_map_function_operator = {
    .verb       = "map",
    .node_bytes = sizeof(struct wr_node),
    .rows       = map_function_rows,
};
