// How long a checkpoint takes where every channel is full all the time: the sink takes 20
// microseconds a row, and the sources could make hundreds of rows in that time.
//
//   chain     source 1 --> sums 2 --> slow sink 1
//   shuffle   source 2 ==by card==> sums and slow sink 2
//   diamond   source 2 --split--> sums 2 and sums 2, by card --union==by card==> sums, slow sink 2
//
// That they are full shows in the sinks, which are busy all the time, and in the rows under way.
//
// A barrier stays behind the rows before it: it is through when the sink has taken all of them. So
// a checkpoint takes about as long as the sink takes for the rows under way, and the ratio is that
// of the longest one over the most rows. Less than that needs shorter channels, or
// checkpoints that save what is under way.
#include "bench/checkpoints/checkpoint_bench.h"

#include "bench/harness/clock.h"
#include "bench/harness/median.h"
#include "bench/jobs/by_card.h"

#include <inttypes.h>
#include <stdio.h>

#define SLOW_NS INT64_C(20000) // a row
#define TAKEN   12u
#define SINK    "see_slowly"

// ---- the jobs ----

WEIR_GENERATOR(payments_few, payment, make_few);
WEIR_KEY(by_update_card, update, card_id);

// A running sum of the running sums, whatever they are of: another stage with state.
static void add_update(update *out, const by_update_card *key, running *state, const update *in)
{
    (void)key;
    state->sum += in->amount;
    *out = *in;
}
WEIR_REDUCE(sums_again, update, by_update_card, running, update, add_update);

static uint32_t odd_or_even(const payment *p) { return p->amount % 2 == 0; }
WEIR_SPLIT(by_amount, payment, odd_or_even);

typedef struct checksum checksum;

static void take_slowly(checksum *local, const update *u)
{
    const int64_t until_ns = clock_now_ns() + SLOW_NS;
    checksum_add_w4(local, u->card_id, u->amount, u->sum);
    while (clock_now_ns() < until_ns) {
    }
}
static void finish_slowly(checksum *local, void *into) { checksum_merge(into, local); }
WEIR_SINK(see_slowly, update, checksum, take_slowly, finish_slowly);

static weir_stream sums_of(weir_stream payments, const char *name)
{
    return weir_parallelism(
        weir_name(weir_reduce(weir_key(payments, &by_card_key), &running_sums), name), 2);
}

static weir_stream chain_open(weir_stream payments)
{
    return weir_rebalance(sums_of(payments, "sums"));
}

static weir_stream shuffle_open(weir_stream payments) { return sums_of(payments, "sums"); }

static weir_stream diamond_open(weir_stream payments)
{
    const weir_stream even     = weir_split(payments, &by_amount, 2);
    const weir_stream sums[2]  = { sums_of(even, "sums-even"),
                                   sums_of(weir_branch(even, 1), "sums-odd") };
    const weir_keyed  per_card = weir_key(weir_union(sums, 2), &by_update_card_key);
    return weir_parallelism(weir_reduce(per_card, &sums_again), 2);
}

struct shape {
    const char *name;
    weir_stream (*open)(weir_stream payments);
    uint32_t sources, sinks;
};
static const struct shape shapes[] = {
    { .name = "chain", .open = chain_open, .sources = 1, .sinks = 1 },
    { .name = "shuffle", .open = shuffle_open, .sources = 2, .sinks = 2 },
    { .name = "diamond", .open = diamond_open, .sources = 2, .sinks = 2 },
};

// ---- measuring ----

static bool shape_run(const struct bench *bench, const struct shape *shape, struct taken *taken,
                      double *seconds)
{
    const char *const            path    = bench_path(bench, "backpressure");
    const struct plan            plan    = { .workers            = bench->workers,
                                             .checkpoints        = path,
                                             .interval_us        = bench->is_small ? 50000 : 500000,
                                             .sink               = SINK,
                                             .stop_at_checkpoint = TAKEN };
    const weir_generator_options options = { .name = "payments", .partitions = shape->sources };
    struct checksum              results = { .count = 0 };
    weir_job                    *job     = weir_job_open(shape->name);
    weir_stream                  payments =
        weir_parallelism(weir_generate(job, &payments_few, &options), shape->sources);
    weir_parallelism(weir_sink(shape->open(payments), &see_slowly, &results), shape->sinks);
    const int64_t start_ns = clock_now_ns();
    const bool    is_good  = plan_run(&plan, job, taken);
    *seconds               = (double)(clock_now_ns() - start_ns) / 1e9;
    path_remove_all(path);
    if (is_good && (results.count != taken->rows || taken->count < TAKEN)) {
        fprintf(stderr,
                "weir-checkpoint-bench: w6_backpressure: %s: %" PRIu64 " results of %" PRIu64
                " payments, %u checkpoints of %u\n",
                shape->name, results.count, taken->rows, taken->count, TAKEN);
        return false;
    }
    return is_good;
}

static void shape_print(const struct bench *bench, const char *job, const struct shape *shape,
                        struct taken *taken, double seconds)
{
    const double took     = median(taken->took_ms, TAKEN), // sorted now
        longest           = taken->took_ms[TAKEN - 1];
    const double rate     = (double)taken->rows / seconds;
    const double busy     = rate * (double)SLOW_NS / 1e9 / shape->sinks;
    const double least_ms = (double)taken->most_under_way / rate * 1e3;
    if (bench->is_json) {
        printf("{\"job\":\"%s\",\"shape\":\"%s\",\"median_ms\":%.1f,\"longest_ms\":%.1f,"
               "\"checkpoints\":%u,\"rows_under_way_ms\":%.1f,\"ratio\":%.3f,"
               "\"sinks_busy\":%.3f,\"events_per_second\":%.0f,\"least_rows_under_way\":%" PRIu64
               ",\"most_rows_under_way\":%" PRIu64 ",\"row_us\":%.0f,\"workers\":%u",
               job, shape->name, took, longest, TAKEN, least_ms, longest / least_ms, busy, rate,
               taken->least_under_way, taken->most_under_way, (double)SLOW_NS / 1e3,
               bench->workers);
        return;
    }
    printf("%-15s %-8s %u checkpoints, %.0f ms, longest %.0f ms   %" PRIu64 " to %" PRIu64
           " rows under way, at most %.0f ms   sinks busy %.2f   ratio %.2f\n",
           job, shape->name, TAKEN, took, longest, taken->least_under_way, taken->most_under_way,
           least_ms, busy, longest / least_ms);
}

bool bench_backpressure(const struct bench *bench, const char *job)
{
    static struct taken taken;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        double seconds;
        if (!shape_run(bench, &shapes[i], &taken, &seconds)) {
            return false;
        }
        shape_print(bench, job, &shapes[i], &taken, seconds);
        line_end(bench);
    }
    return true;
}
