// The jobs that checkpoints are taken of: w4 with any number of cards, and w2.
#include "bench/checkpoints/checkpoint_bench.h"

#include "bench/harness/clock.h"
#include "bench/harness/median.h"
#include "bench/jobs/by_card.h"
#include "bench/jobs/payments.h"

#include <stdlib.h>

uint64_t        running_keys;
const uint64_t *running_cards;
uint64_t        running_card_count;

// ---- payments ----

static void make_ten_million(payment *p, uint64_t number, weir_time due)
{
    (void)due;
    payment_make(p, number, UINT64_C(10000000));
}
static void make_any(payment *p, uint64_t number, weir_time due)
{
    (void)due;
    payment_make(p, number, running_keys);
}
void running_payment(payment *out, uint64_t i)
{
    payment_make(out, i, running_keys);
    if (i < running_keys) {
        out->card_id = i;
    } else if (running_cards != NULL) {
        out->card_id = running_cards[i % running_card_count];
    }
}
static void make_filled(payment *p, uint64_t number, weir_time due)
{
    (void)due;
    running_payment(p, number);
}
WEIR_GENERATOR(payments_million, payment, make_w4);
WEIR_GENERATOR(payments_ten_million, payment, make_ten_million);
WEIR_GENERATOR(payments_hundred_thousand, payment, make_many);
WEIR_GENERATOR(payments_any, payment, make_any);
WEIR_GENERATOR(payments_filled, payment, make_filled);

// One generator for each number of cards in use, so that none divides; see payment_make.
static weir_stream payments_open(weir_job *job, const struct bench *bench, uint64_t events,
                                 bool is_filled, bool has_time)
{
    weir_generator_options options = { .name       = "payments",
                                       .events     = events,
                                       .partitions = bench->workers };
    if (has_time) {
        options.time.field        = "event_time";
        options.time.out_of_order = WORKLOAD_DELAY_US;
    }
    const weir_generator_binding *make = is_filled                      ? &payments_filled
                                         : running_keys == W4_KEYS      ? &payments_million
                                         : running_keys == W2_MANY_KEYS ? &payments_hundred_thousand
                                         : running_keys == 10000000     ? &payments_ten_million
                                                                        : &payments_any;
    return weir_generate(job, make, &options);
}

// ---- what sinks see ----

void seen_start(struct seen *seen, uint64_t middle_count)
{
    *seen = (struct seen){ .middle_count = middle_count };
}

// Each task has its own; they differ in middle_count from what they are merged into.
static void seen_note(struct seen *local, uint32_t count)
{
    const int64_t now_ns = clock_now_ns();
    local->first_ns      = local->first_ns == 0 ? now_ns : local->first_ns;
    local->last_ns       = now_ns;
    local->middle_count += count;
}

static void seen_merge(void *from, void *opaque)
{
    const struct seen *local = from;
    struct seen       *seen  = opaque;
    if (local->checksum.count == 0) {
        return;
    }
    checksum_merge(&seen->checksum, &local->checksum);
    if (seen->first_ns == 0 || local->first_ns < seen->first_ns) {
        seen->first_ns = local->first_ns;
    }
    seen->last_ns   = local->last_ns > seen->last_ns ? local->last_ns : seen->last_ns;
    seen->middle_ns = local->middle_ns > seen->middle_ns ? local->middle_ns : seen->middle_ns;
}

// ---- w4 ----

static uint64_t middle_count; // results a task sees before its middle

static void take_updates(weir_call *call, void *opaque, const void *rows, const uint16_t *selection,
                         uint32_t count)
{
    struct seen  *local   = opaque;
    const update *updates = rows;
    (void)call;
    seen_note(local, count);
    if (local->middle_ns == 0 && local->middle_count >= middle_count) {
        local->middle_ns = local->last_ns;
    }
    for (uint32_t i = 0; i < count; i++) {
        const update *u = &updates[selection != NULL ? selection[i] : i];
        checksum_add_w4(&local->checksum, u->card_id, u->amount, u->sum);
    }
}
static const weir_sink_binding see_updates = { .name       = "see_updates",
                                               .in         = &update_type,
                                               .local_size = sizeof(struct seen),
                                               .rows       = take_updates,
                                               .finish     = seen_merge };

weir_job *running_open(const struct bench *bench, uint64_t events, bool is_filled,
                       struct seen *seen)
{
    weir_job  *job = weir_job_open("running");
    weir_keyed per_card =
        weir_key(payments_open(job, bench, events, is_filled, false), &by_card_key);
    middle_count = seen->middle_count / bench->workers;
    weir_sink(weir_reduce(per_card, &running_sums), &see_updates, seen);
    return job;
}

struct checksum running_expected(uint64_t events, void (*make)(payment *out, uint64_t i))
{
    struct checksum expected = { .count = events };
    int64_t *const  sums     = calloc(running_keys, sizeof(*sums));
    for (uint64_t i = 0; i < events && sums != NULL; i++) {
        payment p;
        make(&p, i);
        sums[p.card_id] += p.amount;
        expected.sum += p.amount;
    }
    for (uint64_t card = 0; card < running_keys && sums != NULL; card++) {
        expected.hash += w4_hash(card, sums[card]) - w4_hash(card, 0);
    }
    free(sums);
    return expected;
}

bool running_half_of_peak(const struct bench *bench, unsigned workers, uint64_t events,
                          double *rate)
{
    const struct plan plan = { .workers = workers };
    double            rates[RUNS_MAX];
    running_keys = W4_KEYS;
    events       = bench->is_small ? events / 50 : events;
    for (unsigned run = 0; run < bench->runs; run++) {
        struct seen seen;
        seen_start(&seen, 0);
        weir_job     *job      = running_open(bench, events, false, &seen);
        const int64_t start_ns = clock_now_ns();
        if (!plan_run(&plan, job, NULL)) {
            return false;
        }
        rates[run] = (double)events / ((double)(seen.last_ns - start_ns) / 1e9);
    }
    *rate = median(rates, bench->runs) / 2;
    return true;
}

// ---- w2 ----

static void take_totals(weir_call *call, void *opaque, const void *rows, const uint16_t *selection,
                        uint32_t count)
{
    struct seen      *local = opaque;
    const card_total *all   = rows;
    (void)call;
    seen_note(local, count);
    for (uint32_t i = 0; i < count; i++) {
        const card_total *t = &all[selection != NULL ? selection[i] : i];
        checksum_add_w2(&local->checksum, t->end, t->card_id, t->sum, t->count);
    }
}
static const weir_sink_binding see_totals = { .name       = "see_totals",
                                              .in         = &card_total_type,
                                              .local_size = sizeof(struct seen),
                                              .rows       = take_totals,
                                              .finish     = seen_merge };

weir_job *tumbling_open(const struct bench *bench, uint64_t events, struct seen *seen)
{
    weir_job  *job      = weir_job_open("tumbling");
    weir_keyed per_card = weir_key(payments_open(job, bench, events, false, true), &by_card_key);
    weir_sink(weir_aggregate(per_card, weir_tumbling(W2_LENGTH_US), &totals), &see_totals, seen);
    return job;
}
