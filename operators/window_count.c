// Count windows (every n records of a key, in order of arrival) and the global window (all of
// them): one accumulator a key.
//
//   value   | accumulator | struct tally |
//
// A count window's result is made when its last record is in; the entry is full until the result
// has left, and then begins anew. Entries that hold nothing are swept out when they are many.
#include "operators/window.h"

#include <string.h>

#define EMPTY_MIN    1024u // entries without a record before a sweep pays
#define SWEEP_BUDGET 4096u // entries looked at between two batches

struct tally {
    weir_time first, last; // event times of the earliest and the latest record
    uint64_t  count;
};
typedef struct tally tally_entry;
WEIR_RECORD(tally_entry, first, last, count);

static struct tally *tally_in(const struct wr_window *window, const void *value)
{
    return (void *)((char *)(uintptr_t)value + wr_round_up(window->accumulator_bytes, 8));
}

static void tally_add(struct tally *tally, weir_time time)
{
    tally->first = tally->count == 0 || time < tally->first ? time : tally->first;
    tally->last  = tally->count == 0 || time > tally->last ? time : tally->last;
    tally->count++;
}

static weir_pane tally_pane(const struct tally *tally)
{
    return (weir_pane){ tally->first, tally->last + 1, 0 };
}

static void count_open(struct wr_window *window)
{
    const size_t bytes = wr_round_up(window->accumulator_bytes, 8) + sizeof(struct tally);
    const struct wr_table_options options = wr_window_table_options(window, bytes, false);
    window->counted.table                 = wr_table_open(window->node.pool, &options);
    const uint32_t              tally_at  = (uint32_t)wr_round_up(window->accumulator_bytes, 8);
    const struct wr_table_shape shape     = {
            .key   = window->aggregate->key,
            .parts = { { "accumulator", window->aggregate->accumulator, 0 } },
            .own   = { { "-", &tally_entry_type, tally_at } },
    };
    wr_node_keep_table(&window->node, "panes", window->counted.table, &shape);
}

static void count_close(struct wr_window *window) { wr_table_close(window->counted.table); }

// ---- empty entries ----

static bool entry_is_kept(void *opaque, const void *key, uint32_t length, const void *value)
{
    (void)key;
    (void)length;
    return tally_in(opaque, value)->count > 0;
}

static void empty_sweep(struct wr_window *window)
{
    struct wr_counted *counted = &window->counted;
    if (!counted->is_sweeping && (counted->empty_count < EMPTY_MIN ||
                                  counted->empty_count < wr_table_count(counted->table) / 2)) {
        return;
    }
    if (!counted->is_sweeping) {
        counted->cursor      = (struct wr_table_cursor){ 0 };
        counted->empty_count = 0;
        counted->is_sweeping = true;
    }
    counted->is_sweeping =
        !wr_table_sweep(counted->table, &counted->cursor, SWEEP_BUDGET, entry_is_kept, window);
}

// ---- count windows ----

static bool group_resolve(struct wr_window *window)
{
    struct wr_group *group = &window->group;
    wr_window_group_keys(window);
    if (wr_table_resolve_many(window->counted.table, group->hashes, &group->keys.keys, group->count,
                              group->values, group->is_new) < group->count) {
        wr_window_out_of_budget(window);
        return false;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        if (group->is_new[i]) {
            wr_window_clear(window, group->values[i]);
        }
    }
    return true;
}

// Consumes the i-th row of the group; false: the output is full, or the job has failed.
static bool count_row(struct wr_window *window, uint32_t i)
{
    struct wr_group *group = &window->group;
    struct tally    *tally = tally_in(window, group->values[i]);
    if (tally->count < window->window.count) { // else the row is in, and its result waits
        wr_window_merge_one(window, group->values[i], wr_window_accumulator(window, i));
        tally_add(tally, group->batch->times != NULL ? group->batch->times[group->rows[i]]
                                                     : WEIR_TIME_MIN);
        if (!wr_window_keep_strings(window, window->counted.table)) {
            return false;
        }
        tally = tally_in(window, group->values[i]);
        if (tally->count < window->window.count) {
            return true;
        }
        const weir_pane pane = tally_pane(tally);
        wr_results_add(&window->results, WEIR_INSERT, wr_window_key(window, i), &pane,
                       group->values[i]);
    }
    if (!wr_results_drain(&window->results)) {
        return false;
    }
    *tally = (struct tally){ 0 };
    wr_window_clear(window, group->values[i]);
    window->counted.empty_count++;
    return true;
}

// Keeping one entry's strings may move the others, so that rows with strings go one by one.
static void count_rows(struct wr_window *window, struct wr_inlet *inlet)
{
    struct wr_group *group = &window->group;
    if (window->results.count == 0) {
        empty_sweep(window);
    }
    while (inlet->next < inlet->count) {
        wr_window_take(window, inlet);
        group->count = window->strings.count > 0 ? 1 : group->count;
        if (!group_resolve(window)) {
            return;
        }
        for (uint32_t i = 0; i < group->count; i++) {
            if (!count_row(window, i)) {
                return;
            }
            inlet->next++;
        }
    }
}

// ---- the global window ----

static void global_rows(struct wr_window *window, struct wr_inlet *inlet)
{
    struct wr_group *group = &window->group;
    while (inlet->next < inlet->count) {
        wr_window_take(window, inlet);
        wr_window_group_keys(window);
        if (!wr_window_merge_rows(window, window->counted.table)) {
            return;
        }
        for (uint32_t i = 0; i < group->count; i++) {
            tally_add(tally_in(window, group->values[i]), group->batch->times != NULL
                                                              ? group->batch->times[group->rows[i]]
                                                              : WEIR_TIME_MIN);
        }
        if (!wr_window_keep_strings(window, window->counted.table)) {
            return;
        }
        inlet->next += group->count;
    }
}

// ---- the end ----

static bool entries_read(struct wr_window *window)
{
    struct wr_counted *counted = &window->counted;
    struct wr_results *results = &window->results;
    wr_node_release_state(&window->node);
    counted->held_from = counted->cursor;
    counted->held_next = 0;
    counted->held_count =
        wr_table_next(counted->table, &counted->cursor, WR_GROUP_ROWS, results->keys,
                      results->lengths, NULL, results->accumulators);
    wr_key_block_structs(&window->keys, results->keys, results->lengths, counted->held_count,
                         results->structs);
    return counted->held_count > 0;
}

// Those that were held when the output was full: what they pointed at may lie elsewhere now.
static void entries_read_again(struct wr_window *window)
{
    struct wr_counted *counted = &window->counted;
    const uint32_t     next    = counted->held_next;
    if (next < counted->held_count) {
        counted->cursor = counted->held_from;
        (void)entries_read(window);
        counted->held_next = next;
    }
}

// What is left at the end of time, not at a stop without draining. Every key's pane is its own, so
// that they go one by one.
static bool count_advance(struct wr_window *window, weir_time watermark)
{
    struct wr_counted *counted = &window->counted;
    struct wr_results *results = &window->results;
    if (watermark < WEIR_TIME_MAX) {
        return true;
    }
    if (!counted->is_finishing) {
        counted->is_finishing = true;
        counted->cursor       = (struct wr_table_cursor){ 0 };
    }
    entries_read_again(window);
    while (wr_results_drain(results)) {
        if (counted->held_next == counted->held_count && !entries_read(window)) {
            return true;
        }
        const uint32_t      i     = counted->held_next++;
        const struct tally *tally = tally_in(window, results->accumulators[i]);
        if (tally->count > 0) {
            const weir_pane pane = tally_pane(tally);
            wr_results_add(results, WEIR_INSERT, results->structs[i], &pane,
                           results->accumulators[i]);
        }
    }
    return false;
}

const struct wr_window_kind_ops wr_count_window_ops = {
    .open    = count_open,
    .close   = count_close,
    .rows    = count_rows,
    .advance = count_advance,
};

const struct wr_window_kind_ops wr_global_window_ops = {
    .open    = count_open,
    .close   = count_close,
    .rows    = global_rows,
    .advance = count_advance,
};
