// One operator by itself: its node, one inlet, and outputs so small that it has to resume all the
// time; driven as a task would drive it. Its failures are kept as sentences. What leaves is handed
// to a function, at once.
#ifndef OPERATOR_HARNESS_H
#define OPERATOR_HARNESS_H

#include "runtime/run/run.h"

#include "operators/operators.h"

enum { OPERATOR_HARNESS_OUTPUTS = WR_OUTPUT_SIDES + 8 };

struct operator_harness_options {
    const struct wr_operator *operator_;
    const void               *binding;
    const weir_key_binding   *key;
    const void               *options;
    const void               *parameters;
    const weir_type          *outputs[OPERATOR_HARNESS_OUTPUTS]; // NULL: nobody listens
    uint32_t                  output_count;
    uint32_t                  columns; // of all outputs but the late one, which has times
    uint32_t                  rows;    // an output's batch has room for, without strings
    uint32_t                  range_bits;
    size_t                    budget_bytes; // of state; 0: no limit
    // Rows leave by output `output`.
    void (*take)(void *opaque, uint32_t output, const struct wr_batch *batch,
                 const uint16_t *selection, uint32_t count);
    void *opaque;
};

struct operator_harness {
    struct operator_harness_options options;
    struct wr_spec                  spec;
    struct weir_run                 run; // for its failure only
    struct wr_generation            generation;
    struct wr_task                  task;
    struct wr_node                 *node;
    struct wr_inlet                 inlet;
};

void operator_harness_open(struct operator_harness               *harness,
                           const struct operator_harness_options *options);
void operator_harness_close(struct operator_harness *harness);

// Each until the operator is done, or has failed; the batch is free afterwards.
void operator_harness_rows(struct operator_harness *harness, const struct wr_batch *batch,
                           const uint16_t *selection, uint32_t count);
void operator_harness_advance(struct operator_harness *harness, weir_time watermark);
void operator_harness_finish(struct operator_harness *harness);
void operator_harness_flush(struct operator_harness *harness);

uint64_t operator_harness_counter(const struct operator_harness *harness, enum wr_counter counter);
const char *operator_harness_failure(const struct operator_harness *harness); // NULL: none

// A batch of its own layout, to be filled with rows one by one; the layout is the caller's too.
struct operator_harness_batch {
    struct wr_batch_layout layout;
    struct wr_batch       *batch;
};
struct operator_harness_batch operator_harness_batch_open(const weir_type *type, uint32_t columns,
                                                          uint32_t block_bytes);
void                          operator_harness_batch_close(struct operator_harness_batch *batch);
// False: it has no room for the row.
bool operator_harness_batch_add(struct operator_harness_batch *batch, const void *record,
                                weir_time time, weir_change change);

#endif // OPERATOR_HARNESS_H
