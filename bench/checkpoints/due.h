// The running sum of each card, with the moment at which its payment was due: what latencies are
// taken of.
#ifndef WEIR_BENCH_DUE_H
#define WEIR_BENCH_DUE_H

#include "bench/jobs/by_card.h"

typedef struct due_update {
    weir_time due; // of the payment: its event_time
    uint64_t  card_id;
    int64_t   amount;
    int64_t   sum;
} due_update;
WEIR_RECORD(due_update, due, card_id, amount, sum);

static inline void add_due(due_update *out, const by_card *key, running *state, const payment *p)
{
    state->sum += p->amount;
    out->due     = p->event_time;
    out->card_id = key->card_id;
    out->amount  = p->amount;
    out->sum     = state->sum;
}
WEIR_REDUCE(due_sums, payment, by_card, running, due_update, add_due);

#endif
