// How late results are while a checkpoint is under way, and while none is.
//
// A result belongs to a checkpoint if one was under way at any time between the moment its payment
// was due and the moment the result came: what a checkpoint has delayed counts as its own, also
// when it comes after its end.
#include "bench/checkpoints/checkpoint_bench.h"
#include "bench/checkpoints/due.h"

#include "bench/harness/clock.h"
#include "bench/harness/median.h"

#include <inttypes.h>
#include <stdio.h>

#define PEAK_EVENTS UINT64_C(50000000)

// ---- the job ----

static void make_due(payment *p, uint64_t number, weir_time due)
{
    payment_make(p, number, W4_KEYS);
    p->event_time = due;
}
WEIR_GENERATOR(payments_due, payment, make_due);

struct lateness {
    struct checksum  checksum;
    struct histogram during, outside; // nanoseconds
    bool             is_open;
};

static weir_time warm_after_us;  // payments due before are not recorded
static int64_t   wall_behind_us; // the wall clock less the monotonic one

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void lateness_open(struct lateness *late)
{
    late->is_open = histogram_open(&late->during) && histogram_open(&late->outside);
}

static void take_updates(weir_call *call, void *opaque, const void *rows, const uint16_t *selection,
                         uint32_t count)
{
    struct lateness  *late    = opaque;
    const due_update *updates = rows;
    const int64_t     now_us = wall_us(), busy_until_us = run_busy_until_us_any();
    (void)call;
    if (!late->is_open) {
        lateness_open(late);
    }
    for (uint32_t i = 0; i < count && late->is_open; i++) {
        const due_update *u = &updates[selection != NULL ? selection[i] : i];
        checksum_add_w4(&late->checksum, u->card_id, u->amount, u->sum);
        if (u->due >= warm_after_us) {
            const int64_t late_us   = now_us - u->due;
            const bool    is_during = u->due - wall_behind_us <= busy_until_us;
            histogram_record(is_during ? &late->during : &late->outside,
                             late_us > 0 ? (uint64_t)late_us * 1000 : 0);
        }
    }
}

static void lateness_merge(void *from, void *opaque)
{
    struct lateness *local = from, *all = opaque;
    if (local->is_open) {
        checksum_merge(&all->checksum, &local->checksum);
        histogram_merge(&all->during, &local->during);
        histogram_merge(&all->outside, &local->outside);
        histogram_close(&local->during);
        histogram_close(&local->outside);
    }
}
static const weir_sink_binding measure_lateness = { .name       = "measure_lateness",
                                                    .in         = &due_update_type,
                                                    .local_size = sizeof(struct lateness),
                                                    .rows       = take_updates,
                                                    .finish     = lateness_merge };

// ---- measuring ----

static bool paced_run(const struct bench *bench, double rate, struct lateness *late,
                      struct taken *taken)
{
    const double           warm_seconds = bench->is_small ? 0.2 : 10;
    const double           seconds      = bench->is_small ? 0.6 : 30;
    const char *const      path         = bench_path(bench, "latency");
    const struct plan      plan         = { .workers     = bench->workers,
                                            .checkpoints = path,
                                            .interval_us = bench->is_small ? 100000 : 1000000 };
    const uint64_t         events       = (uint64_t)(rate * (warm_seconds + seconds));
    const weir_time        start_us     = wall_us() + 500000;
    weir_generator_options generator    = { .name       = "payments",
                                            .events     = events,
                                            .partitions = bench->workers,
                                            .rate       = rate,
                                            .start      = start_us };
    warm_after_us                       = start_us + (weir_time)(warm_seconds * 1e6);
    wall_behind_us                      = wall_us() - clock_now_ns() / 1000;
    weir_job  *job                      = weir_job_open("running");
    weir_keyed per_card = weir_key(weir_generate(job, &payments_due, &generator), &by_card_key);
    weir_sink(weir_reduce(per_card, &due_sums), &measure_lateness, late);
    const bool is_good = plan_run(&plan, job, taken);
    path_remove_all(path);
    return is_good;
}

static void all_print(const struct bench *bench, const char *job, double rate,
                      const struct lateness *late, struct taken *taken)
{
    const double took    = median(taken->took_ms, taken->count), // sorted now
        longest          = taken->took_ms[taken->count - 1];
    const double outside = percentile_us(&late->outside, 99.9); // 0: none came outside
    const double ratio   = outside > 0 ? percentile_us(&late->during, 99.9) / outside : 0;
    if (bench->is_json) {
        printf("{\"job\":\"%s\",\"events_per_second\":%.0f,\"p99_9_ratio\":%.3f,"
               "\"checkpoints\":%u,\"median_ms\":%.1f,\"longest_ms\":%.1f,\"workers\":%u,"
               "\"checksum\":{\"count\":%" PRIu64 ",\"sum\":%" PRId64 ",\"hash\":\"%016" PRIx64
               "\"}",
               job, rate, ratio, taken->count, took, longest, bench->workers, late->checksum.count,
               late->checksum.sum, late->checksum.hash);
    } else {
        printf("%-15s %8.2f M/s   %u checkpoints, %.0f ms, longest %.0f ms   p99.9 ratio %.2f   "
               "%" PRIu64 " results %016" PRIx64 "\n",
               job, rate / 1e6, taken->count, took, longest, ratio, late->checksum.count,
               late->checksum.hash);
    }
    percentiles_print(bench, "during", &late->during);
    percentiles_print(bench, "outside", &late->outside);
}

bool bench_latency(const struct bench *bench, const char *job)
{
    static struct taken taken;
    struct lateness     late = { .is_open = false };
    double              rate = bench->rate;
    lateness_open(&late);
    const bool is_good =
        late.is_open &&
        (rate > 0 || running_half_of_peak(bench, bench->workers, PEAK_EVENTS, &rate)) &&
        paced_run(bench, rate, &late, &taken) && taken.count > 0;
    if (is_good) {
        all_print(bench, job, rate, &late, &taken);
        line_end(bench);
    }
    histogram_close(&late.during);
    histogram_close(&late.outside);
    return is_good;
}
