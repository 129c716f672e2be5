// One operator by itself: its node, one inlet, and outputs so small that it has to resume all the
// time. What leaves is handed to a function, at once.
#ifndef NODE_HARNESS_H
#define NODE_HARNESS_H

#include "operators/operators.h"

struct node_harness_options {
    const struct wr_operator *operator_;
    const void               *binding;
    const weir_key_binding   *key;
    const void               *options;
    const weir_type          *out; // of the main output
    uint32_t                  columns;
    uint32_t                  rows; // an output's batch has room for, without strings
    const weir_type          *late; // of the late output; NULL: nobody listens
    uint32_t                  range_bits;
    size_t                    budget_bytes; // of state; 0: no limit
    // Rows leave by output `output`.
    void (*take)(void *opaque, uint32_t output, const struct wr_batch *batch,
                 const uint16_t *selection, uint32_t count);
    void *opaque;
};

struct node_harness {
    struct node_harness_options options;
    struct wr_spec              spec;
    struct wr_node             *node;
    struct wr_inlet             inlet;
};

#define NODE_HARNESS_SEED 0x5eedu

void node_harness_open(struct node_harness *harness, const struct node_harness_options *options);
void node_harness_close(struct node_harness *harness);

// Each until the operator is done; the batch is free afterwards.
void node_harness_rows(struct node_harness *harness, const struct wr_batch *batch,
                       const uint16_t *selection, uint32_t count);
void node_harness_advance(struct node_harness *harness, weir_time watermark);
void node_harness_finish(struct node_harness *harness);
void node_harness_flush(struct node_harness *harness);

uint64_t node_harness_counter(const struct node_harness *harness, enum wr_counter counter);

#endif // NODE_HARNESS_H
