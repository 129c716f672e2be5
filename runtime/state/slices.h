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
};

struct wr_slices {
    struct wr_slice        *spans;
    uint32_t                first, end, capacity; // spans[first .. end) are there
    struct wr_pool         *pool;
    struct wr_table_options options;
    struct wr_table       **leaving; // dropped while they were being captured
    uint32_t                leaving_count;
};

void wr_slices_init(struct wr_slices *slices, struct wr_pool *pool,
                    const struct wr_table_options *options);
void wr_slices_fini(struct wr_slices *slices);

// The slice that starts there, or NULL; or else made.
struct wr_table *wr_slices_find(const struct wr_slices *slices, weir_time start);
struct wr_table *wr_slices_make(struct wr_slices *slices, weir_time start);

// The number of the first slice that starts at or after `start`; slices->end when there is none.
uint32_t wr_slices_at(const struct wr_slices *slices, weir_time start);

// Drops all that start before. One that is being captured stays until its capture is over, and
// whoever captures has told so.
void wr_slices_drop_before(struct wr_slices *slices, weir_time start);

// The capture of the table is over, or given up: if it was dropped meanwhile, it goes.
void wr_slices_release(struct wr_slices *slices, struct wr_table *captured);

#endif // WR_SLICES_H
