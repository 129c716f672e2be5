// gen and w1 to w4 through the public API.
#include "bench/jobs/by_card.h"
#include "bench/jobs/payments.h"
#include "bench/jobs/replay.h"

#include "bench/harness/clock.h"

#include <stdio.h>

weir_generator_options jobs_generator(const struct roof_options *options, bool has_time)
{
    weir_generator_options generator = { .name       = "payments",
                                         .events     = options->events,
                                         .partitions = options->threads };
    if (has_time) {
        generator.time.field        = "event_time";
        generator.time.out_of_order = WORKLOAD_DELAY_US;
    }
    return generator;
}

bool jobs_run(weir_job *job, unsigned workers, double *seconds)
{
    const weir_run_options options  = { .workers = workers };
    const int64_t          start_ns = clock_now_ns();
    const weir_status      status   = weir_job_run(job, &options);
    *seconds                        = (double)(clock_now_ns() - start_ns) / 1e9;
    if (status != WEIR_OK) {
        fprintf(stderr, "%s\n", weir_job_error(job));
    }
    weir_job_close(job);
    return status == WEIR_OK;
}

// Every sink adds up a checksum of its own and merges it at the end.
static void finish_checksum(struct checksum *local, void *into) { checksum_merge(into, local); }

WEIR_GENERATOR(payments_few, payment, make_few);
WEIR_GENERATOR(payments_many, payment, make_many);
WEIR_GENERATOR(payments_w3, payment, make_w3);
WEIR_GENERATOR(payments_w4, payment, make_w4);

typedef struct checksum checksum;

// ---- gen: the generator into a sink that does not look ----

static void take_any(checksum *local, const payment *p)
{
    (void)p;
    local->count++;
}
WEIR_SINK(count_any, payment, checksum, take_any, finish_checksum);

bool job_gen(const struct roof_options *options, struct roof_result *result)
{
    const weir_generator_options generator = jobs_generator(options, false);
    weir_job                    *job       = weir_job_open("gen");
    result->checksum                       = (checksum){ 0 };
    weir_sink(weir_generate(job, &payments_few, &generator), &count_any, &result->checksum);
    return jobs_run(job, options->threads, &result->seconds);
}

// ---- w1: filter, map, sum ----

static bool is_failed(const payment *p) { return p->type == PAYMENT_FAILED; }
WEIR_FILTER(failed, payment, is_failed);

static void make_doubled(payment *out, const payment *in)
{
    *out = *in;
    out->amount *= 2;
}
WEIR_MAP(doubled, payment, payment, make_doubled);

static void take_doubled(checksum *local, const payment *p) { checksum_add_w1(local, p->amount); }
WEIR_SINK(sum_doubled, payment, checksum, take_doubled, finish_checksum);

bool job_w1(const struct roof_options *options, struct roof_result *result)
{
    const weir_generator_options generator = jobs_generator(options, false);
    weir_job                    *job       = weir_job_open("w1");
    result->checksum                       = (checksum){ 0 };
    weir_stream payments                   = weir_generate(job, &payments_few, &generator);
    weir_stream bad                        = weir_filter(payments, &failed);
    weir_sink(weir_map(bad, &doubled), &sum_doubled, &result->checksum);
    return jobs_run(job, options->threads, &result->seconds);
}

// ---- w2: sum and count by card, tumbling ----

static void take_total(checksum *local, const card_total *t)
{
    checksum_add_w2(local, t->end, t->card_id, t->sum, t->count);
}
WEIR_SINK(sum_totals, card_total, checksum, take_total, finish_checksum);

// What becomes of the payments, wherever they come from.
static bool run_w2(weir_job *job, weir_stream payments, const struct roof_options *options,
                   struct roof_result *result)
{
    result->checksum    = (checksum){ 0 };
    weir_keyed per_card = weir_key(payments, &by_card_key);
    weir_sink(weir_aggregate(per_card, weir_tumbling(W2_LENGTH_US), &totals), &sum_totals,
              &result->checksum);
    return jobs_run(job, options->threads, &result->seconds);
}

bool job_w2(const struct roof_options *options, struct roof_result *result)
{
    const weir_generator_options  generator = jobs_generator(options, true);
    const weir_generator_binding *make =
        options->keys == W2_FEW_KEYS ? &payments_few : &payments_many;
    weir_job *job = weir_job_open("w2");
    return run_w2(job, weir_generate(job, make, &generator), options, result);
}

bool job_w2_replay(const struct roof_options *options, struct roof_result *result)
{
    const char *directory = replay_prepare(options);
    if (directory == NULL) {
        return false;
    }
    const weir_topic              topic  = { .name = REPLAY_TOPIC, .type = &payment_type };
    const weir_log_source_options source = {
        .directory = directory, .time = { .field = "event_time", .out_of_order = WORKLOAD_DELAY_US }
    };
    weir_job *job = weir_job_open("w2-replay");
    return run_w2(job, weir_from_log(job, &topic, &source), options, result);
}

// ---- w3: failed payments by card, sliding, over a threshold ----

static bool to_busy_card(card_total *out, const by_card *key, const weir_pane *pane, const total *t,
                         weir_call *call)
{
    const uint64_t *threshold = weir_parameters(call);
    to_card_total(out, key, pane, t);
    return t->count > *threshold;
}
WEIR_AGGREGATE_REMOVABLE(busy_cards, payment, by_card, total, card_total, add_payment, merge_total,
                         unmerge_total, to_busy_card);

static void take_busy(checksum *local, const card_total *t)
{
    checksum_add_w3(local, t->end, t->card_id, t->count);
}
WEIR_SINK(sum_busy, card_total, checksum, take_busy, finish_checksum);

static bool run_w3(const struct roof_options *options, weir_window window,
                   struct roof_result *result)
{
    const weir_generator_options generator = jobs_generator(options, true);
    const uint64_t               threshold = w3_threshold(options->events);
    weir_job                    *job       = weir_job_open("w3");
    result->checksum                       = (checksum){ 0 };
    weir_stream payments                   = weir_generate(job, &payments_w3, &generator);
    weir_keyed  per_card                   = weir_key(weir_filter(payments, &failed), &by_card_key);
    weir_stream busy =
        weir_with(weir_aggregate(per_card, window, &busy_cards), &threshold, sizeof(threshold));
    weir_sink(busy, &sum_busy, &result->checksum);
    return jobs_run(job, options->threads, &result->seconds);
}

bool job_w3(const struct roof_options *options, struct roof_result *result)
{
    return run_w3(options, weir_sliding(W3_LENGTH_US, W3_SLIDE_US), result);
}

bool job_w3_tumbling(const struct roof_options *options, struct roof_result *result)
{
    return run_w3(options, weir_tumbling(W3_LENGTH_US), result);
}

// ---- w4: running sum by card ----

static void take_update(checksum *local, const update *u)
{
    checksum_add_w4(local, u->card_id, u->amount, u->sum);
}
WEIR_SINK(sum_updates, update, checksum, take_update, finish_checksum);

bool job_w4(const struct roof_options *options, struct roof_result *result)
{
    const weir_generator_options generator = jobs_generator(options, false);
    weir_job                    *job       = weir_job_open("w4");
    result->checksum                       = (checksum){ 0 };
    weir_keyed per_card = weir_key(weir_generate(job, &payments_w4, &generator), &by_card_key);
    weir_sink(weir_reduce(per_card, &running_sums), &sum_updates, &result->checksum);
    return jobs_run(job, options->threads, &result->seconds);
}
