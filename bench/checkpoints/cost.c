// What checkpoints cost a job that runs as fast as it goes.
#include "bench/checkpoints/checkpoint_bench.h"

#include "bench/harness/clock.h"
#include "bench/harness/median.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define MILLION UINT64_C(1000000)

struct cost_job {
    const char *name;
    uint64_t    keys, events;
    bool        is_tumbling;
};
static const struct cost_job jobs[] = {
    { .name = "w6_1m", .keys = W4_KEYS, .events = 200 * MILLION },
    { .name = "w6_10m", .keys = 10 * MILLION, .events = 200 * MILLION },
    { .name = "w6_w2_100k", .keys = W2_MANY_KEYS, .events = 200 * MILLION, .is_tumbling = true },
};

struct cost {
    const struct cost_job *job;
    uint64_t               events;
    double                 with[RUNS_MAX], without[RUNS_MAX], ratios[RUNS_MAX];
    double                 with_cpu_ns[RUNS_MAX], without_cpu_ns[RUNS_MAX]; // an event
    struct checksum        checksum;
    bool                   has_checksum;

    // Of all runs' checkpoints. The first of a run is full; the last, which is taken when there is
    // nothing more to read, is left out.
    double   full[RUNS_MAX], later[TAKEN_MAX], took_ms[TAKEN_MAX];
    uint32_t full_count, later_count, took_count;
};

static void cost_note(struct cost *cost, const struct taken *taken)
{
    for (uint32_t i = 0; i + 1 < taken->count || i == 0; i++) {
        if (i == 0) {
            cost->full[cost->full_count++] = taken->bytes[0];
        } else if (cost->later_count < TAKEN_MAX) {
            cost->later[cost->later_count++] = taken->bytes[i];
        }
        if (cost->took_count < TAKEN_MAX) {
            cost->took_ms[cost->took_count++] = taken->took_ms[i];
        }
    }
}

static double cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

// Events a second until the last result, or < 0.
static double side_run(const struct bench *bench, struct cost *cost, bool has_checkpoints,
                       double *cpu_ns)
{
    const char *const   path = bench_path(bench, "cost");
    const struct plan   plan = { .workers     = bench->workers,
                                 .checkpoints = has_checkpoints ? path : NULL,
                                 .interval_us = bench->is_small ? 50000 : 1000000 };
    struct seen         seen;
    static struct taken taken;
    seen_start(&seen, 0);
    weir_job *job = NULL;
    if (cost->job->is_tumbling) {
        job = tumbling_open(bench, cost->events, &seen);
    } else {
        job = running_open(bench, cost->events, false, &seen);
    }
    const int64_t start_ns = clock_now_ns();
    const double  before   = cpu_seconds();
    const bool    is_good  = plan_run(&plan, job, &taken);
    *cpu_ns                = (cpu_seconds() - before) * 1e9 / (double)cost->events;
    if (has_checkpoints) {
        path_remove_all(path);
        cost_note(cost, &taken);
    }
    if (!is_good) {
        return -1;
    }
    if (cost->has_checksum && !checksum_is_equal(&cost->checksum, &seen.checksum)) {
        fprintf(stderr,
                "weir-checkpoint-bench: %s: %" PRIu64 " results, hash %016" PRIx64
                "; the run before found %" PRIu64 ", %016" PRIx64 "\n",
                cost->job->name, seen.checksum.count, seen.checksum.hash, cost->checksum.count,
                cost->checksum.hash);
        return -1;
    }
    cost->checksum     = seen.checksum;
    cost->has_checksum = true;
    return (double)cost->events / ((double)(seen.last_ns - start_ns) / 1e9);
}

static bool cost_measure(const struct bench *bench, struct cost *cost)
{
    for (unsigned run = 0; run < bench->runs; run++) {
        if ((cost->without[run] = side_run(bench, cost, false, &cost->without_cpu_ns[run])) < 0 ||
            (cost->with[run] = side_run(bench, cost, true, &cost->with_cpu_ns[run])) < 0) {
            return false;
        }
        cost->ratios[run] = cost->with[run] / cost->without[run];
    }
    return true;
}

static void cost_print(const struct bench *bench, struct cost *cost)
{
    const double with        = median(cost->with, bench->runs),
                 without     = median(cost->without, bench->runs),
                 ratio       = median(cost->ratios, bench->runs),
                 cpu         = median(cost->with_cpu_ns, bench->runs),
                 without_cpu = median(cost->without_cpu_ns, bench->runs);
    const double full        = median(cost->full, cost->full_count),
                 later       = median(cost->later, cost->later_count),
                 took        = median(cost->took_ms, cost->took_count), // sorted now
        longest              = cost->took_ms[cost->took_count - 1];
    if (bench->is_json) {
        printf("{\"job\":\"%s\",\"events_per_second\":%.0f,\"without_events_per_second\":%.0f,"
               "\"ratio\":%.4f,\"cpu_ns_per_event\":%.2f,\"without_cpu_ns_per_event\":%.2f,"
               "\"checkpoints\":%u,\"full_bytes\":%.0f,\"incremental_bytes\":%.0f,"
               "\"median_ms\":%.1f,\"longest_ms\":%.1f,\"workers\":%u,\"events\":%" PRIu64
               ",\"keys\":%" PRIu64 ",\"runs\":%u,\"checksum\":{\"count\":%" PRIu64
               ",\"sum\":%" PRId64 ",\"hash\":\"%016" PRIx64 "\"}",
               cost->job->name, with, without, ratio, cpu, without_cpu, cost->took_count, full,
               later, took, longest, bench->workers, cost->events, running_keys, bench->runs,
               cost->checksum.count, cost->checksum.sum, cost->checksum.hash);
        return;
    }
    printf(
        "%-15s %8.2f M/s (%.2f to %.2f)   without %8.2f M/s (%.2f to %.2f)   ratio %.3f (%.3f to "
        "%.3f)\n",
        cost->job->name, with / 1e6, cost->with[0] / 1e6, cost->with[bench->runs - 1] / 1e6,
        without / 1e6, cost->without[0] / 1e6, cost->without[bench->runs - 1] / 1e6, ratio,
        cost->ratios[0], cost->ratios[bench->runs - 1]);
    printf("%-15s %u checkpoints   full %.2f MB, later %.2f MB   %.0f ms, longest %.0f ms   "
           "CPU %.2f ns an event, without %.2f   %" PRIu64 " results %016" PRIx64 "\n",
           "", cost->took_count, full / 1e6, later / 1e6, took, longest, cpu, without_cpu,
           cost->checksum.count, cost->checksum.hash);
}

bool bench_cost(const struct bench *bench, const char *name)
{
    static struct cost cost;
    cost = (struct cost){ .job = jobs };
    while (strcmp(cost.job->name, name) != 0) {
        cost.job++;
    }
    cost.events  = bench->events != 0 ? bench->events
                   : bench->is_small  ? 2 * MILLION
                                      : cost.job->events;
    running_keys = bench->is_small ? cost.job->keys / 20 : cost.job->keys;
    if (!cost_measure(bench, &cost)) {
        return false;
    }
    cost_print(bench, &cost);
    line_end(bench);
    return true;
}
