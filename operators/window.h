// What the files of the window operator share.
//
//   window.c           the operator: takes partials in groups, hands them to one of the kinds
//   window_time.c      tumbling and sliding: tables by slice, firing, corrections
//   window_running.c   sliding: the aggregate over all slices of the window, kept up to date
//   window_session.c   sessions: intervals by key
//   window_count.c     count and global windows: one accumulator a key
//
// In every table a value begins with its accumulator.
#ifndef WR_OPERATORS_WINDOW_H
#define WR_OPERATORS_WINDOW_H

#include "operators/partial.h"
#include "operators/results.h"
#include "operators/times.h"
#include "runtime/operator.h"
#include "runtime/state/slices.h"

struct wr_window;

// What a kind of window does. rows, advance and finish are as in struct wr_operator.
struct wr_window_kind_ops {
    void (*open)(struct wr_window *window);
    void (*close)(struct wr_window *window);
    void (*restored)(struct wr_window *window); // NULL: nothing follows from what is kept
    void (*rows)(struct wr_window *window, struct wr_inlet *inlet);
    bool (*advance)(struct wr_window *window, weir_time watermark);
};

// A group of partials, gathered for one table.
struct wr_group {
    const struct wr_batch *batch;
    uint32_t               count;
    uint16_t              *rows; // their numbers in the batch
    uint64_t              *hashes;
    struct wr_key_block    keys;
    void                 **values; // where their accumulators are
    uint8_t               *is_new;
};

// The aggregate over the slices of a sliding window; see window_running.c.
struct wr_running {
    struct wr_table *table;      // key -> accumulator, count of live slices; NULL: not sliding
    bool             is_removed; // the aggregate can be taken out again
    bool             is_searched;
    struct wr_table *back;   // key -> accumulator, over the slices from `middle` on
    struct wr_table *tail;   // while slices get their rests; else NULL
    weir_time        middle; // slices before it know the rest of their keys
};

struct wr_time_windows {
    struct wr_slices  slices;  // by start: key -> accumulator (and rest)
    struct wr_slices  firings; // by a window's end: key -> rows emitted, where corrected
    struct wr_running running;
    weir_time         fired_until; // the windows that end here or before have fired
    bool              is_firing;
    struct wr_scan    scan; // of the window that is firing
    bool              is_correcting;
    weir_time         correcting; // the end of the next window to correct
};

struct wr_sessions {
    struct wr_table  *heads;      // key -> the number of its newest session
    struct wr_table  *sessions;   // number -> accumulator, struct session, key
    struct wr_timers *timers;     // (when to look at it, number)
    struct wr_strings strings;    // of a session: its accumulator's, its key's
    int64_t           numbers;    // given so far
    bool              is_emitted; // what the row at hand changes has been made, and may wait
    uint32_t          emitted;    // and its session's count of rows emitted
    uint64_t          leaving;    // a session to drop when its result has left; 0: none
};

struct wr_counted {
    struct wr_table       *table;       // key -> accumulator, struct tally
    uint64_t               empty_count; // entries without a record, about
    struct wr_table_cursor cursor, held_from;
    bool                   is_sweeping, is_finishing;
    uint32_t               held_next, held_count; // entries that finish has read
};

struct wr_window {
    struct wr_node                   node;
    const struct wr_window_kind_ops *kind;
    const weir_aggregate_binding    *aggregate;
    weir_window                      window; // wr_window_normal
    weir_window                      kept;   // the same, as the checkpoint had it
    uint32_t                         accumulator_bytes;
    struct wr_strings                strings; // of the accumulator
    uint32_t                         key_at;  // in a partial
    bool                             has_failed;
    struct wr_group                  group;
    struct wr_key_block              keys; // of tables being read, and single ones
    struct wr_results                results;
    char                            *accumulators; // WR_GROUP_ROWS of them, gathered
    char                            *before, *after;
    struct wr_time_windows           time;
    struct wr_sessions               sessions;
    struct wr_counted                counted;
};

extern const struct wr_window_kind_ops wr_time_window_ops;
extern const struct wr_window_kind_ops wr_session_window_ops;
extern const struct wr_window_kind_ops wr_count_window_ops;
extern const struct wr_window_kind_ops wr_global_window_ops;

// ---- window.c ----

// The window's key, `value_bytes` a value, which begins with an accumulator unless `is_plain`.
struct wr_table_options wr_window_table_options(const struct wr_window *window, size_t value_bytes,
                                                bool is_plain);
void                    wr_window_out_of_budget(struct wr_window *window);

// The next rows of the inlet, at most WR_GROUP_ROWS, become the group. Keys and hashes are taken by
// wr_window_group_keys, for the rows then in it.
void wr_window_take(struct wr_window *window, const struct wr_inlet *inlet);
void wr_window_group_keys(struct wr_window *window);
// The i-th row of the group.
const void *wr_window_accumulator(const struct wr_window *window, uint32_t i);
const void *wr_window_key(const struct wr_window *window, uint32_t i);

// Merges the group into a table's values; group->values and is_new are set. False: failed.
bool wr_window_merge_group(struct wr_window *window, struct wr_table *table);
bool wr_window_merge_rows(struct wr_window *window, struct wr_table *table);
void wr_window_merge_one(const struct wr_window *window, void *into, const void *from);
void wr_window_clear(const struct wr_window *window, void *accumulator);
bool wr_window_keep_strings(struct wr_window *window, struct wr_table *table);

// ---- window_running.c ----

void     wr_running_open(struct wr_window *window);
void     wr_running_close(struct wr_window *window);
uint32_t wr_running_slice_bytes(const struct wr_window *window); // of a slice's values
void     wr_running_describe_slices(const struct wr_window *window, struct wr_table_shape *shape);
// The slice that starts there is now part of the window; is part of it no more.
void wr_running_add(struct wr_window *window, struct wr_table *slice);
void wr_running_leave(struct wr_window *window, weir_time start, struct wr_table *slice);
// The group has been merged into a slice that is part of the window; its is_new are the slice's.
void wr_running_merge(struct wr_window *window, weir_time start);

#endif // WR_OPERATORS_WINDOW_H
