// window: turns partials into results, one for each key and window that has records; see window.h.
//
//   combine --> (exchange by key) --> window --> results, with corrections where lateness is
//   allowed
//
// Rows are consumed in groups; a group that needs room in the output is consumed row by row.
#include "operators/window.h"

#include "operators/operators.h"

#include <string.h>

// ---- tables ----

struct wr_table_options wr_window_table_options(const struct wr_window *window, size_t value_bytes,
                                                bool is_plain)
{
    const bool has_strings = !is_plain && window->strings.count > 0;
    return (struct wr_table_options){
        .key_kind      = window->keys.codec.kind,
        .value_size    = (uint32_t)wr_round_up(value_bytes, 8),
        .value_strings = has_strings ? &window->strings : NULL,
        .range_bits    = window->node.range_bits,
        .seed          = window->node.seed,
    };
}

void wr_window_out_of_budget(struct wr_window *window)
{
    if (!window->has_failed) {
        wr_node_fail(&window->node,
                     "its state needs more than its share of the state budget, %zu bytes a task; "
                     "raise the budget, or take shorter windows, less lateness or fewer keys",
                     wr_pool_budget_bytes(window->node.pool));
    }
    window->has_failed = true;
}

// ---- groups ----

static void group_init(struct wr_group *group, const weir_type *key)
{
    group->rows   = wr_alloc(WR_GROUP_ROWS * sizeof(*group->rows));
    group->hashes = wr_alloc(WR_GROUP_ROWS * sizeof(*group->hashes));
    group->values = wr_alloc(WR_GROUP_ROWS * sizeof(*group->values));
    group->is_new = wr_alloc(WR_GROUP_ROWS);
    wr_key_block_init(&group->keys, key);
}

static void group_fini(struct wr_group *group)
{
    wr_free(group->rows);
    wr_free(group->hashes);
    wr_free((void *)(uintptr_t)group->values);
    wr_free(group->is_new);
    wr_key_block_fini(&group->keys);
}

void wr_window_take(struct wr_window *window, const struct wr_inlet *inlet)
{
    struct wr_group *group   = &window->group;
    const uint32_t   waiting = inlet->count - inlet->next;
    wr_node_release_state(&window->node);
    group->batch = inlet->batch;
    group->count = waiting < WR_GROUP_ROWS ? waiting : WR_GROUP_ROWS;
    for (uint32_t i = 0; i < group->count; i++) {
        group->rows[i] = (uint16_t)wr_inlet_row(inlet, inlet->next + i);
    }
}

void wr_window_group_keys(struct wr_window *window)
{
    struct wr_group       *group = &window->group;
    const struct wr_batch *batch = group->batch;
    for (uint32_t i = 0; i < group->count; i++) {
        group->hashes[i] = batch->hashes[group->rows[i]];
    }
    wr_key_block_fill(&group->keys, batch->rows + window->key_at, batch->row_size, group->rows,
                      group->count);
}

const void *wr_window_accumulator(const struct wr_window *window, uint32_t i)
{
    return wr_batch_row(window->group.batch, window->group.rows[i]);
}

const void *wr_window_key(const struct wr_window *window, uint32_t i)
{
    return (const char *)wr_window_accumulator(window, i) + window->key_at;
}

// ---- accumulators ----

void wr_window_clear(const struct wr_window *window, void *accumulator)
{
    memset(accumulator, 0, window->accumulator_bytes);
    if (window->aggregate->init != NULL) {
        window->aggregate->init(accumulator);
    }
}

void wr_window_merge_one(const struct wr_window *window, void *into, const void *from)
{
    window->aggregate->merge(&into, from, 0, NULL, 1);
}

bool wr_window_keep_strings(struct wr_window *window, struct wr_table *table)
{
    struct wr_group *group = &window->group;
    if (window->strings.count == 0 ||
        wr_table_keep_strings_many(table, group->hashes, &group->keys.keys, group->count,
                                   group->values)) {
        return true;
    }
    wr_window_out_of_budget(window);
    return false;
}

bool wr_window_merge_rows(struct wr_window *window, struct wr_table *table)
{
    struct wr_group              *group     = &window->group;
    const weir_aggregate_binding *aggregate = window->aggregate;
    if (wr_table_resolve_many(table, group->hashes, &group->keys.keys, group->count, group->values,
                              group->is_new) < group->count) {
        wr_window_out_of_budget(window);
        return false;
    }
    for (uint32_t i = 0; i < group->count && aggregate->init != NULL; i++) {
        if (group->is_new[i]) {
            aggregate->init(group->values[i]);
        }
    }
    aggregate->merge(group->values, group->batch->rows, group->batch->row_size, group->rows,
                     group->count);
    return true;
}

bool wr_window_merge_group(struct wr_window *window, struct wr_table *table)
{
    return wr_window_merge_rows(window, table) && wr_window_keep_strings(window, table);
}

// ---- the operator ----

static const struct wr_window_kind_ops *kind_ops(weir_window_kind kind)
{
    switch (kind) {
    case WEIR_WINDOW_TUMBLING:
    case WEIR_WINDOW_SLIDING: return &wr_time_window_ops;
    case WEIR_WINDOW_SESSION: return &wr_session_window_ops;
    case WEIR_WINDOW_COUNT: return &wr_count_window_ops;
    case WEIR_WINDOW_GLOBAL: return &wr_global_window_ops;
    }
    return NULL;
}

static bool span_is_sound(weir_time span) { return span > 0 && span <= WR_SPAN_MAX; }

static bool window_is_sound(const weir_window *window)
{
    switch (window->kind) {
    case WEIR_WINDOW_TUMBLING:
    case WEIR_WINDOW_SLIDING:
        return span_is_sound(window->length) && span_is_sound(window->slide) &&
               window->length % window->slide == 0;
    case WEIR_WINDOW_SESSION: return span_is_sound(window->gap);
    case WEIR_WINDOW_COUNT: return window->count > 0;
    case WEIR_WINDOW_GLOBAL: return true;
    }
    return false;
}

static void window_keep_number(struct wr_window *window, const char *name, void *number)
{
    wr_node_keep_number(&window->node, name, WR_CELL_GREATEST, number);
}

// What its state is cut by: that of another window is of no use.
static void window_keep(struct wr_window *window)
{
    weir_window *kept = &window->kept;
    *kept             = window->window;
    switch (kept->kind) {
    case WEIR_WINDOW_TUMBLING:
    case WEIR_WINDOW_SLIDING:
        window_keep_number(window, "length", &kept->length);
        window_keep_number(window, "slide", &kept->slide);
        window_keep_number(window, "offset", &kept->offset);
        break;
    case WEIR_WINDOW_SESSION: window_keep_number(window, "gap", &kept->gap); break;
    case WEIR_WINDOW_COUNT: window_keep_number(window, "count", &kept->count); break;
    case WEIR_WINDOW_GLOBAL: break;
    }
}

static bool window_open(struct wr_node *node)
{
    struct wr_window                  *window    = (struct wr_window *)node;
    const struct wr_aggregate_options *options   = node->spec->options;
    const weir_aggregate_binding      *aggregate = node->spec->binding;

    if (!window_is_sound(&options->window) || options->window.lateness < 0) {
        wr_node_fail(node, "the window's length, slide, gap, count or lateness is out of range");
        return false;
    }
    if (aggregate->accumulator->align > 8 || aggregate->key->align > 8) {
        wr_node_fail(node, "%s or %s wants to be aligned to more than 8 bytes",
                     aggregate->accumulator->name, aggregate->key->name);
        return false;
    }
    window->aggregate         = aggregate;
    window->window            = wr_window_normal(options->window);
    window->accumulator_bytes = aggregate->accumulator->size;
    window->strings           = wr_strings_of(aggregate->accumulator);
    window->key_at            = wr_partial_key_at(aggregate);
    window->accumulators = wr_alloc_aligned((size_t)WR_GROUP_ROWS * window->accumulator_bytes, 64);
    window->before       = wr_alloc_aligned(window->accumulator_bytes, 64);
    window->after        = wr_alloc_aligned(window->accumulator_bytes, 64);
    group_init(&window->group, aggregate->key);
    wr_key_block_init(&window->keys, aggregate->key);
    wr_results_init(&window->results, node, aggregate);
    window->kind = kind_ops(options->window.kind);
    window->kind->open(window);
    window_keep(window);
    return true;
}

static bool window_is_still(struct wr_window *window)
{
    const weir_window *was  = &window->kept;
    const weir_window *is   = &window->window;
    struct wr_node    *node = &window->node;
    return wr_node_is_still(node, "length", was->length, is->length) &&
           wr_node_is_still(node, "slide", was->slide, is->slide) &&
           wr_node_is_still(node, "offset", was->offset, is->offset) &&
           wr_node_is_still(node, "gap", was->gap, is->gap) &&
           wr_node_is_still(node, "count", (int64_t)was->count, (int64_t)is->count);
}

static bool window_restored(struct wr_node *node)
{
    struct wr_window *window = (struct wr_window *)node;
    if (!window_is_still(window)) {
        return false;
    }
    if (window->kind->restored != NULL) {
        window->kind->restored(window);
    }
    return !window->has_failed;
}

static void window_close(struct wr_node *node)
{
    struct wr_window *window = (struct wr_window *)node;
    if (window->kind == NULL) {
        return; // open refused
    }
    window->kind->close(window);
    wr_results_fini(&window->results);
    wr_key_block_fini(&window->keys);
    group_fini(&window->group);
    wr_free(window->accumulators);
    wr_free(window->before);
    wr_free(window->after);
    wr_strings_fini(&window->strings);
}

static void window_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct wr_window *window = (struct wr_window *)node;
    if (!window->has_failed) {
        window->kind->rows(window, inlet);
    }
    if (window->has_failed) {
        inlet->next = inlet->count; // the job is being stopped
    }
}

static bool window_advance(struct wr_node *node, weir_time watermark)
{
    struct wr_window *window = (struct wr_window *)node;
    return window->has_failed || window->kind->advance == NULL ||
           window->kind->advance(window, watermark);
}

const struct wr_operator wr_window_operator = {
    .verb       = "aggregate",
    .node_bytes = sizeof(struct wr_window),
    .open       = window_open,
    .close      = window_close,
    .restored   = window_restored,
    .rows       = window_rows,
    .advance    = window_advance,
    .uses_time  = true,
};
