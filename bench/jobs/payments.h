// What the jobs share: the payment as a record, its generators, and running to the end.
#ifndef WEIR_BENCH_PAYMENTS_H
#define WEIR_BENCH_PAYMENTS_H

#include "bench/jobs/jobs.h"

#include <weir.h>

WEIR_RECORD(payment, event_time, card_id, amount, type);

// One generator for each number of keys in use, so that none divides; see payment_make.
static inline void make_few(payment *p, uint64_t number, weir_time due)
{
    (void)due;
    payment_make(p, number, W2_FEW_KEYS);
}
static inline void make_many(payment *p, uint64_t number, weir_time due)
{
    (void)due;
    payment_make(p, number, W2_MANY_KEYS);
}
static inline void make_w3(payment *p, uint64_t number, weir_time due)
{
    (void)due;
    payment_make(p, number, W3_KEYS);
}
static inline void make_w4(payment *p, uint64_t number, weir_time due)
{
    (void)due;
    payment_make(p, number, W4_KEYS);
}

WEIR_KEY(by_card, payment, card_id);

// The options of a free-running generator with a partition for each worker.
weir_generator_options jobs_generator(const struct roof_options *options, bool has_time);

// Runs the job with that many workers, closes it, and notes the seconds. False after saying why.
bool jobs_run(weir_job *job, unsigned workers, double *seconds);

#endif
