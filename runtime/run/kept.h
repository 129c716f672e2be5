// kept: what the nodes of a task keep over a crash, as they told in open (wr_node_keep_...).
//
//   node "alerts"   table "states"   slices "slices": tables by time   number "fired until"
//   node "orders"   bytes "partition" of key "orders/0", of key "orders/1", ...
//
// Thread rule: written while the node is opened, read by its worker.
#ifndef WR_KEPT_H
#define WR_KEPT_H

#include "runtime/operator.h"
#include "runtime/state/slices.h"

struct wr_kept_table {
    const char           *name;
    struct wr_table      *table;  // or
    struct wr_slices     *slices; // one of them
    struct wr_table_shape shape;
};

enum wr_kept_cell_kind { WR_KEPT_LEAST, WR_KEPT_GREATEST, WR_KEPT_BY_KEY };

struct wr_kept_cell {
    const char            *name;
    char                  *key; // wr_alloc'ed; NULL: there is one a task
    void                  *at;
    uint32_t               bytes;
    enum wr_kept_cell_kind kind;
};

struct wr_kept {
    struct wr_kept_table *tables;
    struct wr_kept_cell  *cells;
    uint32_t              table_count, cell_count;
};

// The name under which a counter is kept, NULL for those that are not: what they say follows from
// something else.
const char *wr_kept_counter_name(enum wr_counter counter);

// What the node keeps under that name: slices if `is_by_time`, else a table. NULL: nothing.
const struct wr_kept_table *wr_kept_find_table(const struct wr_node *node, const char *name,
                                               bool is_by_time);

void wr_kept_close(struct wr_kept *kept); // NULL is fine

#endif // WR_KEPT_H
