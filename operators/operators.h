// operators: every operator the library has, and the options each takes from its verb.
//
//   source   filter  map  flat map  split   |  combine -> window   deduplicate  reduce  process  |
//   sink (makes)  (one record at a time)         |  (by key, with state) |  (ends)
//
// One file an operator. Nothing here knows a thread, a ring or a file.
#ifndef WR_OPERATORS_H
#define WR_OPERATORS_H

#include "runtime/operator.h"
#include <weir/job.h>

extern const struct wr_operator wr_filter_operator;
extern const struct wr_operator wr_filter_function_operator;
extern const struct wr_operator wr_map_operator;
extern const struct wr_operator wr_map_function_operator;
extern const struct wr_operator wr_flat_map_operator;
extern const struct wr_operator wr_split_operator;
extern const struct wr_operator wr_combine_operator; // binding: weir_aggregate_binding
extern const struct wr_operator wr_window_operator;  // binding: weir_aggregate_binding
extern const struct wr_operator wr_deduplicate_operator;
extern const struct wr_operator wr_reduce_operator;
extern const struct wr_operator wr_process_operator;
extern const struct wr_operator wr_sink_operator;
extern const struct wr_operator wr_discard_operator; // what stands for sinks in a replay

struct wr_function_options {
    bool (*keep)(const void *record, void *opaque);
    bool (*change)(void *out, const void *in, void *opaque);
    void *opaque;
};

// Of combine and window alike.
struct wr_aggregate_options {
    weir_window                   window;
    const weir_aggregate_binding *aggregate;
    bool judges_lateness; // combine stands behind the exchange, someone listens
    bool sends_changes;
};

struct wr_deduplicate_options {
    weir_time within;
    weir_time lateness;
};

struct wr_sink_options {
    void *opaque;
};

// The record between combine and window: the accumulator, then the key, each at its own alignment.
struct wr_partial_layout {
    weir_type *type; // weir_type_close
    uint32_t   key_at;
};
struct wr_partial_layout wr_partial_layout_of(const weir_aggregate_binding *aggregate);

#endif // WR_OPERATORS_H
