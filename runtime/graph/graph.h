// graph: what the user declared: operators and the streams between them, checked as they are added.
//
//   weir_job --- nodes[] --- inputs[] ---> (node, output)
//
// A union, a rebalance, a broadcast and a custom partitioning are nodes without an operator: they
// only say how rows get from one to the next. The first mistake is kept; afterwards the job only
// closes.
//
// Thread rule: a job is built, planned and closed by one thread at a time.
#ifndef WR_GRAPH_H
#define WR_GRAPH_H

#include "runtime/connector.h"
#include "runtime/run/exchange.h"
#include "runtime/run/run.h"
#include <weir/run.h>

// How rows reach a node: from where, and by which exchange.
struct wr_graph_input {
    uint32_t                node, output;
    enum wr_exchange_kind   exchange;
    const weir_key_binding *key; // of WR_EXCHANGE_HASH
    wr_place                place;
    void                   *opaque;
};

struct wr_graph_output {
    const weir_type *type; // NULL: there is no such output
    bool             sends_changes;
};

enum wr_graph_kind { WR_GRAPH_SOURCE, WR_GRAPH_OPERATOR, WR_GRAPH_SINK, WR_GRAPH_ROUTE };

struct wr_graph_node {
    enum wr_graph_kind      kind;
    struct wr_spec          spec;
    const char             *verb; // as the user knows it
    struct wr_graph_input  *inputs;
    uint32_t                input_count;
    struct wr_graph_output *outputs;
    uint32_t                output_count;
    uint32_t                parallelism;       // 0: one task a worker
    bool                    is_named;          // by weir_name
    char                   *formerly;          // its name in checkpoints from before; or NULL
    bool                    is_route_exchange; // a rebalance, broadcast or custom partitioning
    struct wr_graph_input   route;             // its exchange
    void (*free_options)(void *options);
    uint32_t partition_count; // sources, once listed
};

struct weir_job {
    char                  *name;
    struct wr_graph_node **nodes;
    uint32_t               node_count;
    char                  *error;
    weir_status            error_status;
    struct weir_run       *run;   // while one runs
    struct wr_tally       *tally; // what the last one counted
};

// Keeps the first mistake.
void wr_job_mistake(weir_job *job, weir_status status, const char *sentence, ...) WEIR_PRINTF(3, 4);
// "payments > failed > by_card": the chain of names that leads to the node; wr_free it.
char *wr_job_path(const weir_job *job, uint32_t node);
// Checks what only the whole graph shows: names, cycles, loose ends. False: the job has an error.
bool wr_job_check(weir_job *job);

// Dead letters of the last run that went to no reader.
uint64_t wr_job_unread_dead_letters(const weir_job *job);

struct wr_graph_node *wr_job_node(weir_stream stream); // NULL after a mistake

#endif // WR_GRAPH_H
