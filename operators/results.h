// Results of windows on their way out: a function's results for a group of keys, or what a late
// record changes in one pane.
//
//   results without strings are written where they leave from
//   results with strings, and corrections, wait in `rows` until the output takes them:
//
//      rows   | gone | next ... | count ... | capacity      drained before more are made
//
// The strings of waiting rows stay where the function took them from (state, the record at hand,
// scratch): nothing of that may change before wr_results_drain is true.
#ifndef WR_OPERATORS_RESULTS_H
#define WR_OPERATORS_RESULTS_H

#include "operators/partial.h"
#include "runtime/operator.h"

struct wr_results {
    struct wr_node               *node;
    const weir_aggregate_binding *aggregate;
    struct wr_output             *output;
    bool                          has_strings;
    char                         *rows; // of the output's type
    weir_time                    *times;
    uint8_t                      *changes;
    uint32_t                      next, count;
    uint16_t                     *kept;
    char                         *before, *after; // one result each, being compared
    const void                  **keys;           // a group read from a table
    uint32_t                     *lengths;
    const void                  **accumulators;
    const void                  **structs;
};

// One firing of a window, for all keys of a table whose values begin with accumulators.
struct wr_scan {
    struct wr_table       *table;
    struct wr_table_cursor cursor;
    weir_pane              pane;
};

void wr_results_init(struct wr_results *results, struct wr_node *node,
                     const weir_aggregate_binding *aggregate);
void wr_results_fini(struct wr_results *results);

// Moves waiting rows out; true when none waits.
bool wr_results_drain(struct wr_results *results);

// Emits results of the scan while the output has room; true at its end.
bool wr_results_scan(struct wr_results *results, struct wr_key_block *keys, struct wr_scan *scan);

// Lets the result of one key, if there is any, wait as `change`; at most 8 rows between two drains.
// `key` is a key struct. True if there is one.
bool wr_results_add(struct wr_results *results, weir_change change, const void *key,
                    const weir_pane *pane, const void *accumulator);

// A pane's value, where accumulator NULL is none.
struct wr_pane_value {
    weir_time   start, end;
    const void *accumulator;
};

// A pane's value goes from `before` to `after`: lets the insert, update or delete wait that this
// is, if any. *emitted counts the rows that left for this pane so far; 0 with a result in `before`
// means that one did.
void wr_results_correct(struct wr_results *results, const void *key,
                        const struct wr_pane_value *before, const struct wr_pane_value *after,
                        uint32_t *emitted);

#endif // WR_OPERATORS_RESULTS_H
