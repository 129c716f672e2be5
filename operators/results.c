// Results of windows on their way out; see results.h.
#include "operators/results.h"

#include "operators/times.h"

#include <string.h>

#define WAITING_MAX 8u // rows of corrections between two drains

void wr_results_init(struct wr_results *results, struct wr_node *node,
                     const weir_aggregate_binding *aggregate)
{
    const size_t size = aggregate->out->size;
    *results          = (struct wr_results){
                 .node      = node,
                 .aggregate = aggregate,
                 .output    = &node->outputs[WR_OUTPUT_MAIN],
    };
    results->has_strings  = results->output->layout.strings.count > 0;
    results->rows         = wr_alloc_aligned((WR_GROUP_ROWS + 1) * size, WR_CACHE_LINE);
    results->times        = wr_alloc(WR_GROUP_ROWS * sizeof(*results->times));
    results->changes      = wr_alloc(WR_GROUP_ROWS * sizeof(*results->changes));
    results->kept         = wr_alloc(WR_GROUP_ROWS * sizeof(*results->kept));
    results->before       = wr_alloc_aligned(size, WR_CACHE_LINE);
    results->after        = wr_alloc_aligned(size, WR_CACHE_LINE);
    results->keys         = wr_alloc(WR_GROUP_ROWS * sizeof(*results->keys));
    results->lengths      = wr_alloc(WR_GROUP_ROWS * sizeof(*results->lengths));
    results->accumulators = wr_alloc(WR_GROUP_ROWS * sizeof(*results->accumulators));
    results->structs      = wr_alloc(WR_GROUP_ROWS * sizeof(*results->structs));
}

void wr_results_fini(struct wr_results *results)
{
    wr_free(results->rows);
    wr_free(results->times);
    wr_free(results->changes);
    wr_free(results->kept);
    wr_free(results->before);
    wr_free(results->after);
    wr_free((void *)(uintptr_t)results->keys);
    wr_free(results->lengths);
    wr_free((void *)(uintptr_t)results->accumulators);
    wr_free((void *)(uintptr_t)results->structs);
    *results = (struct wr_results){ .node = NULL };
}

static char *waiting_row(const struct wr_results *results, uint32_t i)
{
    return results->rows + (size_t)i * results->aggregate->out->size;
}

static void results_count(struct wr_results *results, uint8_t change)
{
    const enum wr_counter counter = change == WEIR_INSERT   ? WR_INSERTS
                                    : change == WEIR_DELETE ? WR_DELETES
                                                            : WR_UPDATES;
    wr_count(results->node->counters, counter, 1);
}

// ---- waiting rows ----

// False: no room. A row too large for any batch is taken and rejected.
static bool waiting_row_leave(struct wr_results *results)
{
    struct wr_output *output = results->output;
    if (wr_output_room(output) == 0) {
        return false;
    }
    const uint32_t i    = results->next;
    const uint32_t at   = output->batch->row_count;
    const char    *from = waiting_row(results, i);
    if (results->has_strings && wr_batch_row_fits_never(&output->layout, from)) {
        wr_node_reject(results->node, "the result is larger than a record may be");
        results->next++;
        return true;
    }
    memcpy(wr_output_row(output), from, results->aggregate->out->size);
    if (output->batch->times != NULL) {
        output->batch->times[at] = results->times[i];
    }
    if (output->batch->changes != NULL) {
        output->batch->changes[at] = results->changes[i];
    }
    if (!wr_output_seal(output)) {
        return false;
    }
    results_count(results, results->changes[i]);
    results->next++;
    return true;
}

// Rows that wait for another call may point into tables, where these may spill in between.
static void waiting_own_strings(struct wr_results *results)
{
    if (wr_pool_spill(results->node->pool) == NULL) {
        return;
    }
    for (uint32_t i = results->next; i < results->count; i++) {
        wr_call_own_strings(results->node->call, &results->output->layout.strings,
                            waiting_row(results, i));
    }
}

bool wr_results_drain(struct wr_results *results)
{
    if (results->count == 0) {
        return true;
    }
    while (results->next < results->count) {
        if (!waiting_row_leave(results)) {
            waiting_own_strings(results);
            return false;
        }
    }
    results->next  = 0;
    results->count = 0;
    wr_call_reset(results->node->call);
    return true;
}

static void waiting_add(struct wr_results *results, weir_change change, const void *row,
                        weir_time end)
{
    WR_ASSERT(results->count < WAITING_MAX);
    const uint32_t i = results->count++;
    memcpy(waiting_row(results, i), row, results->aggregate->out->size);
    results->times[i]   = wr_time_clamp(end - 1);
    results->changes[i] = (uint8_t)change;
}

// ---- the user's function ----

static weir_pane pane_clamped(const weir_pane *pane)
{
    return (weir_pane){ wr_time_clamp(pane->start), wr_time_clamp(pane->end), pane->firing };
}

// The results of `count` keys, one after the other, zeroed before.
static uint32_t results_make(struct wr_results *results, void *rows, const void *const *keys,
                             const weir_pane *pane, const void *const *accumulators, uint32_t count)
{
    struct weir_call *call  = results->node->call;
    const weir_pane   shown = pane_clamped(pane);
    call->event_time        = wr_time_clamp(pane->end - 1);
    call->change            = WEIR_INSERT;
    memset(rows, 0, (size_t)count * results->aggregate->out->size);
    return results->aggregate->results(call, rows, keys, &shown, accumulators, count,
                                       results->kept);
}

static bool results_make_one(struct wr_results *results, void *row, const void *key,
                             const weir_pane *pane, const void *accumulator)
{
    return results_make(results, row, &key, pane, &accumulator, 1) == 1;
}

bool wr_results_add(struct wr_results *results, weir_change change, const void *key,
                    const weir_pane *pane, const void *accumulator)
{
    if (!results_make_one(results, results->after, key, pane, accumulator)) {
        return false;
    }
    waiting_add(results, change, results->after, pane->end);
    return true;
}

// ---- firing for every key of a table ----

// Into the output itself; `count` rows fit.
static void scan_emit(struct wr_results *results, const weir_pane *pane, uint32_t count)
{
    struct wr_output *output = results->output;
    const uint32_t    at     = output->batch->row_count;
    const uint32_t    made   = results_make(results, wr_output_row(output), results->structs, pane,
                                            results->accumulators, count);
    for (uint32_t i = 0; i < made && output->batch->times != NULL; i++) {
        output->batch->times[at + i] = wr_time_clamp(pane->end - 1);
    }
    if (output->batch->changes != NULL) {
        memset(output->batch->changes + at, WEIR_INSERT, made);
    }
    wr_output_commit(output, made);
    wr_count(results->node->counters, WR_INSERTS, made);
    wr_call_reset(results->node->call);
}

static void scan_wait(struct wr_results *results, const weir_pane *pane, uint32_t count)
{
    results->count =
        results_make(results, results->rows, results->structs, pane, results->accumulators, count);
    for (uint32_t i = 0; i < results->count; i++) {
        results->times[i]   = wr_time_clamp(pane->end - 1);
        results->changes[i] = WEIR_INSERT;
    }
}

bool wr_results_scan(struct wr_results *results, struct wr_key_block *keys, struct wr_scan *scan)
{
    for (;;) {
        if (!wr_results_drain(results)) {
            return false;
        }
        wr_node_release_state(results->node);
        const uint32_t room = wr_output_room(results->output);
        const uint32_t most = room < WR_GROUP_ROWS ? room : WR_GROUP_ROWS;
        if (most == 0) {
            return false;
        }
        const uint32_t count = wr_table_next(scan->table, &scan->cursor, most, results->keys,
                                             results->lengths, NULL, results->accumulators);
        if (count == 0) {
            return true;
        }
        wr_key_block_structs(keys, results->keys, results->lengths, count, results->structs);
        if (results->has_strings) {
            scan_wait(results, &scan->pane, count);
        } else {
            scan_emit(results, &scan->pane, count);
        }
    }
}

// ---- corrections ----

static bool record_equal(const weir_type *type, const char *a, const char *b);

static bool strings_equal(const char *a, const char *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const size_t at = i * sizeof(weir_str);
        if (!weir_str_equal((const void *)(a + at), (const void *)(b + at))) {
            return false;
        }
    }
    return true;
}

static bool field_equal(const weir_field *field, const char *a, const char *b)
{
    if (field->kind == WEIR_KIND_RECORD) {
        return record_equal(field->record, a, b);
    }
    if (field->kind == WEIR_KIND_STR) {
        return strings_equal(a, b, field->count);
    }
    return memcmp(a, b, field->size) == 0;
}

// By fields: what lies between them may differ.
static bool record_equal(const weir_type *type, const char *a, const char *b)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const weir_field *field = &type->fields[i];
        if (!field_equal(field, a + field->offset, b + field->offset)) {
            return false;
        }
    }
    return true;
}

static bool value_make(struct wr_results *results, void *row, const void *key,
                       const struct wr_pane_value *value, uint32_t firing)
{
    const weir_pane pane = { value->start, value->end, firing };
    return value->accumulator != NULL &&
           results_make_one(results, row, key, &pane, value->accumulator);
}

// Both are made with the number of the firing that sent `before`, so that a result which shows that
// number is not taken for a new one on its account.
void wr_results_correct(struct wr_results *results, const void *key,
                        const struct wr_pane_value *before, const struct wr_pane_value *after,
                        uint32_t *emitted)
{
    const uint32_t firing = *emitted > 0 ? *emitted - 1 : 0;
    const bool     was    = value_make(results, results->before, key, before, firing);
    const bool     is     = value_make(results, results->after, key, after, firing);

    *emitted += was && *emitted == 0;
    if ((!was && !is) ||
        (was && is && record_equal(results->aggregate->out, results->before, results->after))) {
        if (results->count == 0) {
            wr_call_reset(results->node->call);
        }
        return;
    }
    if (!is) {
        waiting_add(results, WEIR_DELETE, results->before, before->end);
    } else if (value_make(results, results->after, key, after, *emitted)) {
        waiting_add(results, was ? WEIR_UPDATE_AFTER : WEIR_INSERT, results->after, after->end);
    }
    (*emitted)++;
}
