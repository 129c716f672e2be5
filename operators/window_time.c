// Tumbling and sliding windows: a table for each slice that has records.
//
//          fired_until - length + slide       fired_until
//   -----------|------------------------------|------------------------------> event time
//    only for  | part of windows that have    | part of windows
//    corrections fired and of some that have not | that have not fired
//
//   row of slice s   s + slide > fired_until: merged into its slice, and that is all
//                    else, sliding: also into the running aggregate
//                    else, with lateness: first corrects every fired window that contains s
//   window ends      sliding: the newest slice is added to the running aggregate
//                    results of all keys of the slice (tumbling), of the running aggregate
//                    (sliding) sliding: the oldest slice leaves it
//
// A slice is dropped when a row in it would be late (wr_late_before), so that a row either finds
// all that its windows had or is late. Windows without any slice are skipped at once.
#include "operators/window.h"

#include <string.h>

static bool windows_are_sliding(const struct wr_window *window)
{
    return window->window.length != window->window.slide;
}

// Of a window and key that has fired: how many rows were sent for it.
typedef struct firing {
    uint32_t sent;
} firing;
WEIR_RECORD(firing, sent);

static void time_open(struct wr_window *window)
{
    struct wr_time_windows *time    = &window->time;
    const weir_window      *shape   = &window->window;
    uint32_t                bytes   = window->accumulator_bytes;
    struct wr_table_options firings = wr_window_table_options(window, sizeof(uint32_t), true);

    if (windows_are_sliding(window)) {
        wr_running_open(window);
        bytes = wr_running_slice_bytes(window);
    }
    const struct wr_table_options slices = wr_window_table_options(window, bytes, false);
    wr_slices_init(&time->slices, window->node.pool, &slices);
    wr_slices_init(&time->firings, window->node.pool, &firings);
    time->fired_until = wr_slice_start(window->node.watermark, shape->slide, shape->offset);
    const struct wr_table_shape keys        = { .key = window->aggregate->key,
                                                .own = { { "-", &firing_type, 0 } } };
    const weir_type            *accumulator = window->aggregate->accumulator;
    struct wr_table_shape       values      = { .key   = window->aggregate->key,
                                                .parts = { { "accumulator", accumulator, 0 } } };
    if (windows_are_sliding(window)) {
        wr_running_describe_slices(window, &values);
    }
    wr_node_keep_slices(&window->node, "slices", &time->slices, &values);
    wr_node_keep_slices(&window->node, "firings", &time->firings, &keys);
    wr_node_keep_number(&window->node, "fired until", WR_CELL_LEAST, &time->fired_until);
}

// The running aggregate follows from the slices that are part of the window.
static void time_restored(struct wr_window *window)
{
    const struct wr_time_windows *time = &window->time;
    if (!windows_are_sliding(window)) {
        return;
    }
    for (uint32_t i = wr_slices_at(&time->slices, time->fired_until - window->window.length + 1);
         i < time->slices.end && time->slices.spans[i].start < time->fired_until; i++) {
        wr_running_add(window, time->slices.spans[i].table);
    }
}

static void time_close(struct wr_window *window)
{
    wr_slices_fini(&window->time.slices);
    wr_slices_fini(&window->time.firings);
    if (windows_are_sliding(window)) {
        wr_running_close(window);
    }
}

// ---- corrections ----

// The key at window->keys over the slices of [end - length, end), into `accumulator`. False: there
// is none. A key's slices are looked up one by one: late rows are few.
static bool pane_find(const struct wr_window *window, weir_time end, uint64_t hash,
                      void *accumulator)
{
    const struct wr_slices *slices = &window->time.slices;
    uint32_t                length;
    const void             *key     = wr_key_block_at(&window->keys, 0, &length);
    bool                    is_some = false;
    for (uint32_t i = wr_slices_at(slices, end - window->window.length);
         i < slices->end && slices->spans[i].start < end; i++) {
        const void *found = wr_table_find_read(slices->spans[i].table, hash, key, length);
        if (found != NULL && is_some) {
            wr_window_merge_one(window, accumulator, found);
        } else if (found != NULL) {
            memcpy(accumulator, found, window->accumulator_bytes);
            is_some = true;
        }
    }
    return is_some;
}

// Of a pane whose rows have been corrected before.
static uint32_t pane_emitted(const struct wr_window *window, weir_time end, uint64_t hash)
{
    struct wr_table *firings = wr_slices_find(&window->time.firings, end);
    uint32_t         length;
    const void      *key  = wr_key_block_at(&window->keys, 0, &length);
    const uint32_t *found = firings != NULL ? wr_table_find_read(firings, hash, key, length) : NULL;
    return found != NULL ? *found : 0;
}

static void pane_set_emitted(struct wr_window *window, weir_time end, uint64_t hash,
                             uint32_t emitted)
{
    struct wr_table *firings = wr_slices_make(&window->time.firings, end);
    uint32_t         length;
    const void      *key = wr_key_block_at(&window->keys, 0, &length);
    bool             is_new;
    uint32_t        *found = wr_table_resolve(firings, hash, key, length, &is_new);
    if (found == NULL) {
        wr_window_out_of_budget(window);
        return;
    }
    *found = emitted;
}

// The i-th row of the group is about to become part of the fired window that ends at `end`.
static void pane_correct(struct wr_window *window, weir_time end, uint32_t i)
{
    const uint64_t hash    = window->group.batch->hashes[window->group.rows[i]];
    const bool     is_some = pane_find(window, end, hash, window->before);
    if (is_some) {
        memcpy(window->after, window->before, window->accumulator_bytes);
    } else {
        wr_window_clear(window, window->after);
    }
    wr_window_merge_one(window, window->after, wr_window_accumulator(window, i));

    const weir_time            start   = end - window->window.length;
    const struct wr_pane_value before  = { start, end, is_some ? window->before : NULL };
    const struct wr_pane_value after   = { start, end, window->after };
    uint32_t                   emitted = pane_emitted(window, end, hash);
    wr_results_correct(&window->results, wr_window_key(window, i), &before, &after, &emitted);
    if (window->results.count > 0) {
        pane_set_emitted(window, end, hash, emitted);
    }
}

// Corrects the fired windows that the i-th row of the group belongs to; false: the output is full.
static bool row_correct(struct wr_window *window, weir_time start, uint32_t i)
{
    struct wr_time_windows *time   = &window->time;
    const weir_window      *shape  = &window->window;
    const weir_time         behind = window->node.watermark - shape->lateness;
    const weir_time         last =
        start + shape->length < time->fired_until ? start + shape->length : time->fired_until;
    if (!time->is_correcting) {
        const weir_time open = wr_slice_start(behind, shape->slide, shape->offset) + shape->slide;
        time->correcting     = open > start + shape->slide ? open : start + shape->slide;
        time->is_correcting  = true;
    }
    wr_key_block_fill(&window->keys, wr_window_key(window, i), 0, NULL, 1);
    for (; wr_results_drain(&window->results); time->correcting += shape->slide) {
        if (time->correcting > last || window->has_failed) {
            time->is_correcting = false;
            return true;
        }
        pane_correct(window, time->correcting, i);
    }
    return false;
}

// ---- rows ----

// Partials carry their slice's start, clamped where that lies before all time.
static weir_time partial_start(const struct wr_window *window, weir_time time)
{
    return time > WEIR_TIME_MIN ? time
                                : wr_slice_start(time, window->window.slide, window->window.offset);
}

// Merges the group, all of one slice that is not late.
static bool slice_merge(struct wr_window *window, weir_time start)
{
    struct wr_time_windows *time  = &window->time;
    const weir_window      *shape = &window->window;
    wr_window_group_keys(window);
    if (!wr_window_merge_group(window, wr_slices_make(&time->slices, start))) {
        return false;
    }
    if (start < time->fired_until && start > time->fired_until - shape->length) {
        wr_running_merge(window, start);
    }
    return !window->has_failed;
}

static bool row_is_corrected(const struct wr_window *window, weir_time start)
{
    return window->window.lateness > 0 && start < window->time.fired_until;
}

// Merges the rows of the group up to the first that needs corrections; rows of one slice go
// together. Returns how many rows were consumed.
static uint32_t group_merge(struct wr_window *window, weir_time late_before)
{
    struct wr_group *group = &window->group;
    const weir_time *times = group->batch->times;
    uint16_t         rows[WR_GROUP_ROWS];
    uint32_t         count = 0;
    uint32_t         late  = 0;
    uint32_t         taken = 0;

    for (; taken < group->count; taken++) {
        const weir_time start = partial_start(window, times[group->rows[taken]]);
        if (start >= late_before && row_is_corrected(window, start)) {
            break;
        }
        rows[count] = group->rows[taken];
        count += start >= late_before;
        late += start < late_before;
    }
    wr_count(window->node.counters, WR_LATE, late);
    while (count > 0) {
        const weir_time time   = times[rows[0]];
        uint32_t        others = 0;
        group->count           = 0;
        for (uint32_t i = 0; i < count; i++) {
            const uint16_t row        = rows[i];
            const bool     is_same    = times[row] == time;
            group->rows[group->count] = row;
            rows[others]              = row;
            group->count += is_same;
            others += !is_same;
        }
        count = others;
        if (!slice_merge(window, partial_start(window, time))) {
            break;
        }
    }
    return taken;
}

static void time_rows(struct wr_window *window, struct wr_inlet *inlet)
{
    const weir_time late_before = wr_late_before(&window->window, window->node.watermark);
    while (inlet->next < inlet->count && !window->has_failed) {
        wr_window_take(window, inlet);
        if (!window->time.is_correcting) {
            inlet->next += group_merge(window, late_before);
            if (inlet->next == inlet->count || window->has_failed) {
                return;
            }
            wr_window_take(window, inlet);
        }
        const weir_time start = partial_start(window, inlet->batch->times[window->group.rows[0]]);
        if (start < late_before || !row_is_corrected(window, start)) {
            continue; // the end of a group, not a row to correct
        }
        if (!row_correct(window, start, 0)) {
            return;
        }
        window->group.count = 1;
        if (slice_merge(window, start)) {
            inlet->next++;
        }
    }
}

// ---- firing ----

// The end of the next window with records in it; false if there is none until the watermark.
static bool window_next(const struct wr_window *window, weir_time watermark, weir_time *end)
{
    const struct wr_time_windows *time = &window->time;
    if (time->running.table != NULL && wr_table_count(time->running.table) > 0) {
        *end = time->fired_until + window->window.slide;
    } else {
        const uint32_t i = wr_slices_at(&time->slices, time->fired_until);
        if (i == time->slices.end) {
            return false;
        }
        *end = time->slices.spans[i].start + window->window.slide;
    }
    return wr_time_is_reached(*end, watermark);
}

static void window_begin(struct wr_window *window, weir_time end)
{
    struct wr_time_windows *time  = &window->time;
    struct wr_table        *slice = wr_slices_find(&time->slices, end - window->window.slide);
    if (windows_are_sliding(window) && slice != NULL) {
        wr_running_add(window, slice);
    }
    time->scan = (struct wr_scan){
        .table = windows_are_sliding(window) ? time->running.table : slice,
        .pane  = { end - window->window.length, end, 0 },
    };
    time->is_firing = true;
}

static void window_end(struct wr_window *window)
{
    struct wr_time_windows *time  = &window->time;
    const weir_time         start = time->scan.pane.start;
    struct wr_table        *slice = wr_slices_find(&time->slices, start);
    if (windows_are_sliding(window) && slice != NULL) {
        wr_running_leave(window, start, slice);
    }
    time->fired_until = time->scan.pane.end;
    time->is_firing   = false;
}

// Drops what neither a window still to fire nor a correction can ask for.
static void slices_drop_fired(struct wr_window *window, weir_time watermark)
{
    const weir_window *shape       = &window->window;
    const weir_time    in_unfired  = window->time.fired_until - shape->length + shape->slide;
    const weir_time    late_before = wr_late_before(shape, watermark);
    wr_slices_drop_before(&window->time.slices,
                          in_unfired < late_before ? in_unfired : late_before);
}

static bool time_advance(struct wr_window *window, weir_time watermark)
{
    struct wr_time_windows *time  = &window->time;
    const weir_window      *shape = &window->window;
    weir_time               end;

    while (time->is_firing || window_next(window, watermark, &end)) {
        if (!time->is_firing) {
            window_begin(window, end);
        }
        if (!window->has_failed && !wr_results_scan(&window->results, &window->keys, &time->scan)) {
            return false;
        }
        window_end(window);
        if (window->has_failed) {
            return true;
        }
        slices_drop_fired(window, watermark);
    }
    const weir_time reached = wr_slice_start(watermark, shape->slide, shape->offset);
    time->fired_until       = reached > time->fired_until ? reached : time->fired_until;
    wr_slices_drop_before(&time->slices, wr_late_before(shape, watermark));
    wr_slices_drop_before(&time->firings,
                          watermark == WEIR_TIME_MAX ? INT64_MAX : watermark - shape->lateness + 1);
    return true;
}

const struct wr_window_kind_ops wr_time_window_ops = {
    .open     = time_open,
    .close    = time_close,
    .restored = time_restored,
    .rows     = time_rows,
    .advance  = time_advance,
};
