// What w2, w3 and w4 make of a card's payments, for every benchmark that runs them.
#ifndef WEIR_BENCH_BY_CARD_H
#define WEIR_BENCH_BY_CARD_H

#include "bench/jobs/payments.h"

// ---- w2: sum and count; of w3 too ----

typedef struct total {
    int64_t  sum;
    uint64_t count;
} total;
WEIR_RECORD(total, sum, count);

typedef struct card_total {
    weir_time end;
    uint64_t  card_id;
    int64_t   sum;
    uint64_t  count;
} card_total;
WEIR_RECORD(card_total, end, card_id, sum, count);

static inline void add_payment(total *t, const payment *p)
{
    t->sum += p->amount;
    t->count++;
}
static inline void merge_total(total *t, const total *more)
{
    t->sum += more->sum;
    t->count += more->count;
}
static inline void unmerge_total(total *t, const total *less)
{
    t->sum -= less->sum;
    t->count -= less->count;
}
static inline void to_card_total(card_total *out, const by_card *key, const weir_pane *pane,
                                 const total *t)
{
    out->end     = pane->end;
    out->card_id = key->card_id;
    out->sum     = t->sum;
    out->count   = t->count;
}
WEIR_AGGREGATE(totals, payment, by_card, total, card_total, add_payment, merge_total,
               to_card_total);

// ---- w4: the running sum ----

typedef struct running {
    int64_t sum;
} running;
WEIR_RECORD(running, sum);

typedef struct update {
    uint64_t card_id;
    int64_t  amount;
    int64_t  sum;
} update;
WEIR_RECORD(update, card_id, amount, sum);

static inline void add_running(update *out, const by_card *key, running *state, const payment *p)
{
    state->sum += p->amount;
    out->card_id = key->card_id;
    out->amount  = p->amount;
    out->sum     = state->sum;
}
WEIR_REDUCE(running_sums, payment, by_card, running, update, add_running);

#endif
