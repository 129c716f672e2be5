// plan: how a job will run on this machine.
//
//   stage     a chain of operators that one task runs together; cut where rows change tasks
//   node      one operator of a stage; a window is two: combine before the exchange, window after
//   it edge      rows from a node's output to another node: fused inside a stage, or an exchange
//   between
//             two, which is a node of its own at the end of the sending stage
//
// Invariants
//   nodes of a stage stand in topological order; the first is a source or is fed by exchanges only
//   a stage has at most WR_STAGE_NODES_MAX nodes, so that a task's pending work is one 64-bit word
//
// Thread rule: a plan is made by one thread and read-only afterwards.
#ifndef WR_PLAN_H
#define WR_PLAN_H

#include "runtime/base/error.h"
#include "runtime/graph/graph.h"

enum { WR_STAGE_NODES_MAX = 64 };

struct wr_plan_node {
    const struct wr_graph_node *graph; // whose user-visible operator it is part of
    struct wr_spec              spec;
    const char                 *guarantee; // of a sink in a run with checkpoints; else NULL
    char                       *name;      // the spec's, if made by the plan
    void                       *options;   // the spec's, if made by the plan
    struct wr_partial_layout   *partial;   // of combine: owns its output's type
    struct wr_output_outline   *outputs;
    uint32_t                    output_count;
    uint32_t                    stage;
    uint32_t                    index;       // in its stage
    uint32_t                    inlet_count; // fused edges into it
    bool                        uses_time;   // it, or something behind it
};

struct wr_plan_edge {
    uint32_t                from, output, to;
    enum wr_exchange_kind   kind;
    const weir_key_binding *key;
    wr_place                place;
    void                   *opaque;
    bool                    is_fused;
    bool     keeps_order; // of a rebalance nobody asked for: corrections must not overtake
    uint32_t exchange;    // the node that does it, if it is not fused
    uint32_t columns;     // of its channels' batches
};

struct wr_plan_stage {
    uint32_t *nodes; // numbers of plan nodes
    uint32_t  node_count;
    uint32_t  edge_count; // that leave its nodes: each may need an exchange
    uint32_t  parallelism;
    bool      is_source;
    uint32_t  first_worker; // task i runs on worker (first_worker + i) % workers
};

struct wr_plan {
    weir_job             *job;
    weir_run_options      options; // with the defaults filled in
    struct wr_plan_node **nodes;
    uint32_t              node_count;
    struct wr_plan_edge  *edges;
    uint32_t              edge_count;
    struct wr_plan_stage *stages; // in topological order
    uint32_t              stage_count;
    uint32_t              partition_count; // of all sources
    struct wr_until      *until;           // of a replay, set by who launches it; NULL: it is none
    int32_t              *cpus;            // of each worker; -1: not pinned
    void                 *topology;        // hwloc's, while the plan lives; NULL: not looked at
    uint32_t              channel_block_bytes, node_block_bytes;
};

// Makes the plan; NULL: the job has the mistake. `environment` is where sources look for their
// files.
struct wr_plan *wr_plan_open(weir_job *job, const weir_run_options *options,
                             struct wr_environment *environment);
void            wr_plan_close(struct wr_plan *plan);

// build.c: makes tasks, nodes and channels of the plan (handed). wr_run_prepare, or
// wr_generation_prepare, is the caller's.
struct wr_generation *wr_plan_build_generation(struct wr_plan *plan, struct weir_run *run);
struct weir_run      *wr_plan_build(struct wr_plan *plan, struct wr_environment *environment,
                                    bool owns_environment);
// launch.c: weir_run_start in a simulated environment of the caller's, which outlives the run, up
// to its start: the caller takes its turns (struct wr_turns), then closes it.
weir_run *wr_launch_still(weir_job *job, const weir_run_options *options,
                          struct wr_environment *environment);

// rescale.c: asks for another number of workers, of a run whose caller takes its turns. False:
// *error says why.
bool wr_rescale_still(weir_run *run, uint32_t workers, struct wr_error *error);

// Bytes of all batches of all channels and nodes, and the state budget.
uint64_t wr_plan_memory_bound(const struct wr_plan *plan);
void     wr_plan_print_text(const struct wr_plan *plan, FILE *to);
void     wr_plan_print_json(const struct wr_plan *plan, FILE *to);

// place.c: how many workers if the user did not say, and which core each is pinned to. False: the
// list of cores is wrong, said in the job.
bool wr_plan_place(struct wr_plan *plan);
// Pins the calling thread to its worker's core, and its memory to that core's node; a hint, never
// an error. Any thread.
void wr_plan_place_thread_any(const struct wr_plan *plan, uint32_t worker);
void wr_plan_place_close(struct wr_plan *plan);

// The kind's name: "hash", "forward", ...
const char *wr_exchange_kind_name(enum wr_exchange_kind kind);

#endif // WR_PLAN_H
