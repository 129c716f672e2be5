// Slices: tables by event time, in order, where there is data.
//
//   spans   | gone | first: start, table | start, table | ... | capacity      ascending by start
//
// Also used for what is kept for each window, by the window's end.
#ifndef WR_SLICES_H
#define WR_SLICES_H

#include "runtime/state/state.h"

struct wr_slice {
    weir_time        start;
    struct wr_table *table;
    bool             is_held; // is being captured: it may not go
};

struct wr_slices {
    struct wr_slice        *spans;
    uint32_t                first, end, capacity; // spans[first .. end) are there
    struct wr_pool         *pool;
    struct wr_table_options options;
    struct wr_table       **leaving; // dropped while they were held
    uint32_t                leaving_count;
};

void wr_slices_init(struct wr_slices *slices, struct wr_pool *pool,
                    const struct wr_table_options *options);
void wr_slices_fini(struct wr_slices *slices);

// The slice that starts there, or NULL; or else made.
struct wr_table *wr_slices_find(const struct wr_slices *slices, weir_time start);
struct wr_table *wr_slices_make(struct wr_slices *slices, weir_time start);
// Makes one that is not there yet, without making room in it for as many keys as the last one has.
struct wr_table *wr_slices_add(struct wr_slices *slices, weir_time start);

// The number of the first slice that starts at or after `start`; slices->end when there is none.
uint32_t wr_slices_at(const struct wr_slices *slices, weir_time start);

// Drops all that start before. Those that are held stay, out of sight, until they are released.
void wr_slices_drop_before(struct wr_slices *slices, weir_time start);

// For captures: the table stays until it is released; if it was dropped meanwhile, it goes then.
void wr_slices_hold(struct wr_slices *slices, const struct wr_table *table);
void wr_slices_release(struct wr_slices *slices, struct wr_table *table);

// wr_table_adopt for each slice (adopt.c). `to` has none yet.
struct wr_slices_part {
    const struct wr_slices *slices;
    struct wr_hash_range    range;
};
bool wr_slices_adopt(struct wr_slices *to, struct wr_hash_range range,
                     const struct wr_slices_part *parts, uint32_t count);

#endif // WR_SLICES_H
