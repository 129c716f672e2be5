// The running aggregate of a sliding window: for each key the aggregate over the window's slices,
// and how many of them have the key. A slide costs what the slice that comes and the one that goes
// hold.
//
//   comes    each of its keys: merged in, one more live slice
//   goes     each of its keys: one live slice less, and at none the entry goes too; else
//
//     removable      what the slice holds is taken out again
//     any other      two stacks. The window is cut at `middle`; a slice before it keeps, beside
//     each
//                    key's accumulator, that key's rest: the aggregate over the slices behind it up
//                    to the middle. `back` is the aggregate from the middle on.
//
//                        | s0: rest | s1: rest | s2: rest | s3 | s4 |      key = rest of the slice
//                                             middle ---->  \  back  /     that goes + back
//
//                    A slice behind the middle that goes first gives all of them their rests and
//                    moves the middle to the window's end: each slice once, as it passes.
//     with strings   its keys are looked up in all the other slices: rests would have to keep
//     strings
//                    while their own table is being read.
#include "operators/window.h"

#include <string.h>

// ---- values ----

static uint32_t facts_at(const struct wr_window *window)
{
    return (uint32_t)wr_round_up(window->accumulator_bytes, 8);
}

// How many slices of the window have the key of this entry of the running aggregate.
static uint32_t *live_of(const struct wr_window *window, void *value)
{
    return (void *)((char *)value + facts_at(window));
}

// Of an entry of a slice.
static char *rest_of(const struct wr_window *window, void *value)
{
    return (char *)value + facts_at(window);
}

static uint32_t *has_rest_of(const struct wr_window *window, void *value)
{
    return (void *)((char *)value + 2 * (size_t)facts_at(window));
}

// The rest that an entry read has, or NULL.
static const char *rest_in(const struct wr_window *window, const void *value)
{
    const char     *rest     = (const char *)value + facts_at(window);
    const uint32_t *has_rest = (const void *)(rest + facts_at(window));
    return *has_rest ? rest : NULL;
}

static bool has_rests(const struct wr_running *running)
{
    return !running->is_removed && !running->is_searched;
}

uint32_t wr_running_slice_bytes(const struct wr_window *window)
{
    return has_rests(&window->time.running) ? 2 * facts_at(window) + 8 : window->accumulator_bytes;
}

// What lies behind the accumulators of slices that keep rests.
typedef struct rest_mark {
    uint32_t has_rest;
} rest_mark;
WEIR_RECORD(rest_mark, has_rest);

void wr_running_describe_slices(const struct wr_window *window, struct wr_table_shape *shape)
{
    if (has_rests(&window->time.running)) {
        const uint32_t at = facts_at(window);
        shape->own[0]     = (struct wr_value_part){ "rest", window->aggregate->accumulator, at };
        shape->own[1]     = (struct wr_value_part){ "-", &rest_mark_type, 2 * at };
    }
}

// ---- opening ----

static struct wr_table *back_open(const struct wr_window *window)
{
    const struct wr_table_options options =
        wr_window_table_options(window, window->accumulator_bytes, false);
    return wr_table_open(window->node.pool, &options);
}

void wr_running_open(struct wr_window *window)
{
    struct wr_running            *running = &window->time.running;
    const struct wr_table_options options =
        wr_window_table_options(window, facts_at(window) + sizeof(uint32_t), false);
    running->is_removed  = window->aggregate->remove != NULL;
    running->is_searched = !running->is_removed && window->strings.count > 0;
    running->table       = wr_table_open(window->node.pool, &options);
    running->middle      = INT64_MIN;
    if (has_rests(running)) {
        running->back = back_open(window);
    }
}

void wr_running_close(struct wr_window *window)
{
    wr_table_close(window->time.running.table);
    wr_table_close(window->time.running.tail); // of a step that was left
    if (window->time.running.back != NULL) {
        wr_table_close(window->time.running.back);
    }
}

static void back_clear(struct wr_window *window)
{
    struct wr_running *running = &window->time.running;
    if (wr_table_count(running->back) > 0) {
        wr_table_close(running->back);
        running->back = back_open(window);
    }
}

// Nothing is live: whatever comes now is the back.
static void running_restart(struct wr_window *window)
{
    struct wr_running *running = &window->time.running;
    if (has_rests(running) && wr_table_count(running->table) == 0) {
        back_clear(window);
        running->middle = INT64_MIN;
    }
}

// ---- reading a slice ----

// The next entries of a slice: keys and hashes into the group, values into `entries`.
static uint32_t slice_read(struct wr_window *window, struct wr_table *slice,
                           struct wr_table_cursor *cursor, const void **entries)
{
    struct wr_group   *group   = &window->group;
    struct wr_results *results = &window->results;
    wr_node_release_state(&window->node); // of the entries before
    group->count = wr_table_next(slice, cursor, WR_GROUP_ROWS, results->keys, results->lengths,
                                 group->hashes, entries);
    wr_key_block_load(&group->keys, results->keys, results->lengths, group->count);
    return group->count;
}

static void entries_gather(const struct wr_window *window, const void *const *entries)
{
    const size_t bytes = window->accumulator_bytes;
    for (uint32_t i = 0; i < window->group.count; i++) {
        memcpy(window->accumulators + i * bytes, entries[i], bytes);
    }
}

// Merges the entries read into another table; group->values and is_new are that table's.
static bool entries_merge(struct wr_window *window, struct wr_table *table,
                          const void *const *entries)
{
    struct wr_group *group = &window->group;
    if (wr_table_resolve_many(table, group->hashes, &group->keys.keys, group->count, group->values,
                              group->is_new) < group->count) {
        wr_window_out_of_budget(window);
        return false;
    }
    for (uint32_t i = 0; i < group->count && window->aggregate->init != NULL; i++) {
        if (group->is_new[i]) {
            window->aggregate->init(group->values[i]);
        }
    }
    entries_gather(window, entries);
    window->aggregate->merge(group->values, window->accumulators, window->accumulator_bytes, NULL,
                             group->count);
    return true;
}

// ---- a slice comes ----

void wr_running_add(struct wr_window *window, struct wr_table *slice)
{
    struct wr_running     *running = &window->time.running;
    struct wr_group       *group   = &window->group;
    struct wr_table_cursor cursor  = { 0 };
    const void            *entries[WR_GROUP_ROWS];

    running_restart(window);
    while (slice_read(window, slice, &cursor, entries) > 0) {
        if (!entries_merge(window, running->table, entries)) {
            return;
        }
        for (uint32_t i = 0; i < group->count; i++) {
            ++*live_of(window, group->values[i]);
        }
        if (!wr_window_keep_strings(window, running->table) ||
            (has_rests(running) && !entries_merge(window, running->back, entries))) {
            return;
        }
    }
}

// ---- rests ----

// Gives the entries of one slice their rests, out of `tail`, and merges them into it.
static bool slice_take_rests(struct wr_window *window, struct wr_table *slice,
                             struct wr_table *tail)
{
    struct wr_group       *group  = &window->group;
    struct wr_table_cursor cursor = { 0 };
    const void            *entries[WR_GROUP_ROWS];
    const void            *rests[WR_GROUP_ROWS];
    while (slice_read(window, slice, &cursor, entries) > 0) {
        wr_table_find_many_read(tail, group->hashes, &group->keys.keys, group->count, rests);
        for (uint32_t i = 0; i < group->count; i++) {
            void *entry                 = wr_table_write_at(slice, group->hashes[i], entries[i]);
            *has_rest_of(window, entry) = rests[i] != NULL;
            if (rests[i] != NULL) {
                memcpy(rest_of(window, entry), rests[i], window->accumulator_bytes);
            }
        }
        if (!entries_merge(window, tail, entries)) {
            return false;
        }
    }
    return true;
}

// The window [start, start + length) gives all its slices their rests.
static void running_flip(struct wr_window *window, weir_time start)
{
    struct wr_running      *running = &window->time.running;
    const struct wr_slices *slices  = &window->time.slices;
    const uint32_t          first   = wr_slices_at(slices, start);

    running->tail   = back_open(window);
    running->middle = start + window->window.length;
    for (uint32_t i = wr_slices_at(slices, running->middle); i > first; i--) {
        if (!slice_take_rests(window, slices->spans[i - 1].table, running->tail)) {
            break;
        }
    }
    wr_table_close(running->tail);
    running->tail = NULL;
    back_clear(window);
}

// ---- a slice goes ----

// Counts one live slice less; true if the entry goes, which it has then.
static bool entry_leave(struct wr_window *window, uint64_t hash, void *value)
{
    uint32_t *live = live_of(window, value);
    WR_CHECK(*live > 0);
    if (--*live > 0) {
        return false;
    }
    wr_table_erase_at(window->time.running.table, hash, value);
    return true;
}

static void entries_remove(struct wr_window *window, const void *const *entries)
{
    struct wr_running *running = &window->time.running;
    struct wr_group   *group   = &window->group;
    wr_table_find_many(running->table, group->hashes, &group->keys.keys, group->count,
                       group->values);
    entries_gather(window, entries);
    window->aggregate->remove(group->values, window->accumulators, window->accumulator_bytes, NULL,
                              group->count);
    if (!wr_window_keep_strings(window, running->table)) {
        return;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        entry_leave(window, group->hashes[i], group->values[i]);
    }
}

static void entries_replace(struct wr_window *window, const void *const *entries)
{
    struct wr_running *running = &window->time.running;
    struct wr_group   *group   = &window->group;
    const void        *backs[WR_GROUP_ROWS];
    wr_table_find_many(running->table, group->hashes, &group->keys.keys, group->count,
                       group->values);
    wr_table_find_many_read(running->back, group->hashes, &group->keys.keys, group->count, backs);
    for (uint32_t i = 0; i < group->count; i++) {
        void *value = group->values[i];
        if (entry_leave(window, group->hashes[i], value)) {
            continue;
        }
        const char *rest = rest_in(window, entries[i]);
        if (rest != NULL) {
            memcpy(value, rest, window->accumulator_bytes);
        } else {
            wr_window_clear(window, value);
        }
        if (backs[i] != NULL) {
            wr_window_merge_one(window, value, backs[i]);
        }
    }
}

// The i-th key of the group, over the slices that start after `start` and before `end`.
static void key_search(const struct wr_window *window, uint32_t i, weir_time start, weir_time end,
                       void *accumulator)
{
    const struct wr_slices *slices = &window->time.slices;
    uint32_t                length;
    const void             *key = wr_key_block_at(&window->group.keys, i, &length);
    wr_window_clear(window, accumulator);
    for (uint32_t s = wr_slices_at(slices, start + 1);
         s < slices->end && slices->spans[s].start < end; s++) {
        const void *found =
            wr_table_find_read(slices->spans[s].table, window->group.hashes[i], key, length);
        if (found != NULL) {
            wr_window_merge_one(window, accumulator, found);
        }
    }
}

// One by one, because keeping one entry's strings may move the others.
static void entries_search(struct wr_window *window, weir_time start)
{
    struct wr_table *table = window->time.running.table;
    struct wr_group *group = &window->group;
    const uint32_t   count = group->count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t             length;
        const void          *key   = wr_key_block_at(&group->keys, i, &length);
        void                *value = wr_table_find(table, group->hashes[i], key, length);
        const struct wr_keys one   = { group->keys.width > 0 ? key : NULL,
                                     group->keys.width > 0 ? NULL : &group->keys.bytes[i],
                                     group->keys.width > 0 ? NULL : &group->keys.lengths[i] };
        if (entry_leave(window, group->hashes[i], value)) {
            continue;
        }
        key_search(window, i, start, start + window->window.length, value);
        if (!wr_table_keep_strings_many(table, &group->hashes[i], &one, 1, &value)) {
            wr_window_out_of_budget(window);
            return;
        }
    }
}

void wr_running_leave(struct wr_window *window, weir_time start, struct wr_table *slice)
{
    struct wr_running     *running = &window->time.running;
    struct wr_table_cursor cursor  = { 0 };
    const void            *entries[WR_GROUP_ROWS];

    if (has_rests(running) && start >= running->middle) {
        running_flip(window, start);
    }
    while (!window->has_failed && slice_read(window, slice, &cursor, entries) > 0) {
        if (running->is_removed) {
            entries_remove(window, entries);
        } else if (running->is_searched) {
            entries_search(window, start);
        } else {
            entries_replace(window, entries);
        }
    }
}

// ---- rows behind the newest window ----

// The i-th row of the group has come into the slice at `start`, before the middle: the slices
// before it have it in their rest. `entry` is the key's in the slice.
static void row_into_rests(struct wr_window *window, uint32_t i, weir_time start, void *entry,
                           bool is_new)
{
    const struct wr_slices *slices = &window->time.slices;
    const uint64_t          hash   = window->group.hashes[i];
    const void             *row    = wr_window_accumulator(window, i);
    uint32_t                length;
    const void             *key  = wr_key_block_at(&window->group.keys, i, &length);
    const weir_time         live = window->time.fired_until - window->window.length;

    for (uint32_t s = wr_slices_at(slices, live + 1);
         s < slices->end && slices->spans[s].start < start; s++) {
        void *found = wr_table_find(slices->spans[s].table, hash, key, length);
        if (found != NULL && *has_rest_of(window, found)) {
            wr_window_merge_one(window, rest_of(window, found), row);
        } else if (found != NULL) {
            memcpy(rest_of(window, found), row, window->accumulator_bytes);
            *has_rest_of(window, found) = 1;
        }
    }
    if (is_new) {
        key_search(window, i, start, window->time.running.middle, rest_of(window, entry));
        *has_rest_of(window, entry) = 1;
    }
}

void wr_running_merge(struct wr_window *window, weir_time start)
{
    struct wr_running *running = &window->time.running;
    struct wr_group   *group   = &window->group;
    uint8_t            is_new[WR_GROUP_ROWS];
    void              *entries[WR_GROUP_ROWS];
    memcpy(is_new, group->is_new, group->count);
    memcpy(entries, group->values, group->count * sizeof(*entries));

    running_restart(window);
    if (!wr_window_merge_rows(window, running->table)) {
        return;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        *live_of(window, group->values[i]) += is_new[i];
    }
    if (!wr_window_keep_strings(window, running->table) || !has_rests(running)) {
        return;
    }
    if (start >= running->middle) {
        (void)wr_window_merge_group(window, running->back);
        return;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        row_into_rests(window, i, start, entries[i], is_new[i]);
    }
}
