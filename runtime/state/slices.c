// Slices: tables by event time; see slices.h.
#include "runtime/state/slices.h"

#include <string.h>

void wr_slices_init(struct wr_slices *slices, struct wr_pool *pool,
                    const struct wr_table_options *options)
{
    *slices = (struct wr_slices){ .pool = pool, .options = *options };
}

void wr_slices_fini(struct wr_slices *slices)
{
    wr_slices_drop_before(slices, INT64_MAX);
    WR_ASSERT(slices->leaving_count == 0); // captures end before the operator does
    wr_free((void *)(uintptr_t)slices->leaving);
    wr_free(slices->spans);
    slices->spans = NULL;
}

uint32_t wr_slices_at(const struct wr_slices *slices, weir_time start)
{
    uint32_t low  = slices->first;
    uint32_t high = slices->end;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (slices->spans[middle].start < start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool slices_has(const struct wr_slices *slices, uint32_t i, weir_time start)
{
    return i < slices->end && slices->spans[i].start == start;
}

struct wr_table *wr_slices_find(const struct wr_slices *slices, weir_time start)
{
    const uint32_t i = wr_slices_at(slices, start);
    return slices_has(slices, i, start) ? slices->spans[i].table : NULL;
}

// Closes the gap that dropped slices left, or grows.
static void slices_make_room(struct wr_slices *slices)
{
    const uint32_t count = slices->end - slices->first;
    if (count < slices->capacity / 2) {
        memmove(slices->spans, slices->spans + slices->first, count * sizeof(*slices->spans));
        slices->first = 0;
        slices->end   = count;
        return;
    }
    slices->capacity = slices->capacity > 0 ? slices->capacity * 2 : 8;
    slices->spans    = wr_realloc(slices->spans, slices->capacity * sizeof(*slices->spans));
}

// A new slice is likely to see as many keys as the one before it saw.
static void slices_reserve(const struct wr_slices *slices, uint32_t i)
{
    enum { WORTH_RESERVING = 256 };
    const uint64_t count = i > slices->first ? wr_table_count(slices->spans[i - 1].table) : 0;
    if (count >= WORTH_RESERVING) {
        wr_table_reserve(slices->spans[i].table, count);
    }
}

struct wr_table *wr_slices_add(struct wr_slices *slices, weir_time start)
{
    if (slices->end == slices->capacity) {
        slices_make_room(slices);
    }
    const uint32_t i = wr_slices_at(slices, start);
    WR_ASSERT(!slices_has(slices, i, start));
    memmove(slices->spans + i + 1, slices->spans + i, (slices->end - i) * sizeof(*slices->spans));
    slices->spans[i] = (struct wr_slice){
        .start = start,
        .table = wr_table_open(slices->pool, &slices->options),
    };
    slices->end++;
    return slices->spans[i].table;
}

struct wr_table *wr_slices_make(struct wr_slices *slices, weir_time start)
{
    const uint32_t i = wr_slices_at(slices, start);
    if (slices_has(slices, i, start)) {
        return slices->spans[i].table;
    }
    struct wr_table *table = wr_slices_add(slices, start);
    slices_reserve(slices, wr_slices_at(slices, start));
    return table;
}

static struct wr_slice *slice_of(struct wr_slices *slices, const struct wr_table *table)
{
    for (uint32_t i = slices->first; i < slices->end; i++) {
        if (slices->spans[i].table == table) {
            return &slices->spans[i];
        }
    }
    return NULL;
}

void wr_slices_hold(struct wr_slices *slices, const struct wr_table *table)
{
    struct wr_slice *slice = slice_of(slices, table);
    WR_ASSERT(slice != NULL && !slice->is_held);
    slice->is_held = true;
}

void wr_slices_release(struct wr_slices *slices, struct wr_table *table)
{
    struct wr_slice *slice = slice_of(slices, table);
    if (slice != NULL) {
        slice->is_held = false;
        return;
    }
    uint32_t at = 0;
    while (slices->leaving[at] != table) {
        at++;
    }
    slices->leaving[at] = slices->leaving[--slices->leaving_count];
    wr_table_close(table);
}

static void slice_drop(struct wr_slices *slices, const struct wr_slice *slice)
{
    if (!slice->is_held) {
        wr_table_close(slice->table);
        return;
    }
    const uint32_t count = slices->leaving_count + 1;
    slices->leaving = wr_realloc((void *)(uintptr_t)slices->leaving, count * sizeof(slice->table));
    slices->leaving[slices->leaving_count++] = slice->table;
}

void wr_slices_drop_before(struct wr_slices *slices, weir_time start)
{
    while (slices->first < slices->end && slices->spans[slices->first].start < start) {
        slice_drop(slices, &slices->spans[slices->first]);
        slices->first++;
    }
    if (slices->first == slices->end) {
        slices->first = 0;
        slices->end   = 0;
    }
}
