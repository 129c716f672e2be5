// One source or sink of a job by itself, driven by hand as its task and the coordinator of
// checkpoints would drive it, in an environment that outlives it: closed and opened again it is a
// job that goes on, after a simulated crash too.
#ifndef NODE_HARNESS_H
#define NODE_HARNESS_H

#include "runtime/graph/graph.h"

struct node_harness_options {
    struct wr_environment *environment; // simulated; kept
    weir_job              *job;         // kept
    weir_stream            stream;      // of the source, or what the sink's verb returned
    uint32_t               rows;        // that a batch of the outputs has room for; 0: 1
    uint32_t               instance;
    bool                   is_checkpointed;
    struct weir_run       *run; // that it is part of (node_harness_run_open); NULL: one of its own
};

struct node_harness {
    struct wr_park      *park;
    struct weir_run     *run; // for its failure and what its nodes share
    struct wr_generation generation;
    bool                 owns_run;
    struct wr_alignment *alignment;
    struct wr_task       task;
    struct wr_node      *node;
    struct wr_inlet      inlet;
    bool                 is_open; // the operator is, without a failure
};

struct weir_run *node_harness_run_open(struct wr_environment *environment, const weir_job *job);
void             node_harness_run_close(struct weir_run *run);

// Its open is called; what it says is the failure.
void node_harness_open(struct node_harness *harness, const struct node_harness_options *options);
void node_harness_close(struct node_harness *harness);
const char *node_harness_failure(const struct node_harness *harness); // NULL: none

// Empties the outputs, as if all readers had taken what is in them.
void node_harness_take(struct node_harness *harness);
// Time passes, until what is under way has ended or the node wants to be called.
void node_harness_wait(struct node_harness *harness);

// ---- a sink ----

// A row of the type that the sink takes.
void node_harness_give(struct node_harness *harness, const weir_type *type, const void *row);
// The task's part of a barrier: true unless the node has failed.
bool node_harness_barrier(struct node_harness *harness, uint64_t checkpoint);
void node_harness_finish(struct node_harness *harness);

// ---- crashes ----

// From now on nothing reaches the disk: the machine has stopped. Close what was open, then
// wr_simulation_reboot.
void node_harness_stop_machine(struct wr_environment *environment);
// After that, instead of a reboot: it was the process only; what was written is there, synced or
// not.
void node_harness_go_on(struct wr_environment *environment);

#endif // NODE_HARNESS_H
