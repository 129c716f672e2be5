// exchange: the end of a stage: spreads an output's rows over the channels to the next stage's
// tasks.
//
//   rows --> which task each goes to --> one selection a task --> copied into that channel's open
//   batch
//
// An open batch leaves when it is full, when its task has nothing more to do, when the receiving
// worker is idle, or after flush_after. A watermark that moved rides on the next batch that leaves;
// if no batch is open one is opened for it.
//
// Invariants
//   rows for one task leave in the order they came
//   a batch carries the latest watermark that came before it leaves: after its rows, never before
//   one a row waits only for the credit of its own channel, but a batch of rows is done when all
//   are gone
#ifndef WR_EXCHANGE_H
#define WR_EXCHANGE_H

#include "runtime/operator.h"

// How a channel's receiver is chosen. Hash space is a grid of 2^16 cells; task i of n owns the run
// of cells c with c * n / 2^16 == i.
enum wr_exchange_kind {
    WR_EXCHANGE_FORWARD,   // task i to task i: a channel each
    WR_EXCHANGE_HASH,      // by the key's hash
    WR_EXCHANGE_REBALANCE, // batch by batch, to whoever has credit, in turn
    WR_EXCHANGE_BROADCAST, // each row to all
    WR_EXCHANGE_CUSTOM     // by a function of the user's that gives a hash
};

typedef uint64_t (*wr_place)(const void *record, void *opaque);

static inline uint32_t wr_exchange_task(uint64_t hash, uint32_t task_count)
{
    return (uint32_t)(((hash >> 48) * task_count) >> 16);
}

// spec->options of an exchange node.
struct wr_exchange_options {
    enum wr_exchange_kind   kind;
    const weir_key_binding *key; // WR_EXCHANGE_HASH
    wr_place                place;
    void                   *opaque;
    bool    keeps_order; // WR_EXCHANGE_REBALANCE: all rows of a sender go to one task
    int64_t flush_after_us;
};

extern const struct wr_operator wr_exchange_operator;

// Gives the node its channels, before open; kept, not owned.
void wr_exchange_connect(struct wr_node *node, struct wr_channel **channels,
                         uint32_t channel_count);

#endif // WR_EXCHANGE_H
