// What state larger than its budget costs: the running sum with a budget of half of its state, over
// which segments go to a file, beside the same in memory alone.
//
// Every card comes once, which fills the tables; the rate counts from there. Uniform, the cards
// that follow are any; with zipf the r-th card comes 1/r as often as the first.
#include "bench/checkpoints/checkpoint_bench.h"

#include "bench/harness/median.h"
#include "runtime/base/base.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS    UINT64_C(4000000)
#define EVENTS  UINT64_C(8000000)
#define SAMPLES ((uint64_t)1 << 22)

struct spill_bench {
    const char     *name;
    uint64_t        events; // after the tables are filled
    uint64_t        budget_bytes;
    double          in_memory[RUNS_MAX], spilling[RUNS_MAX], ratios[RUNS_MAX];
    double          reads[RUNS_MAX], writes[RUNS_MAX]; // of segments, an event
    double          state_bytes, file_bytes;           // of the last run of each side
    struct checksum checksum;
};

// Cards by Zipf's law, exponent 1; NULL: no memory.
static uint64_t *zipf_make(void)
{
    uint64_t *const samples = malloc(SAMPLES * sizeof(*samples));
    double *const   sums    = malloc(running_keys * sizeof(*sums));
    double          sum     = 0;
    for (uint64_t r = 0; sums != NULL && r < running_keys; r++) {
        sum += 1 / (double)(r + 1);
        sums[r] = sum;
    }
    for (uint64_t i = 0; samples != NULL && sums != NULL && i < SAMPLES; i++) {
        const double wanted = sum * ((double)(wr_mix64(i, RUN_SEED) >> 11) / 9007199254740992.0);
        uint64_t     low = 0, high = running_keys - 1;
        while (low < high) {
            const uint64_t middle = (low + high) / 2;
            if (sums[middle] < wanted) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        samples[i] = low;
    }
    if (sums == NULL) {
        free(samples);
        return NULL;
    }
    free(sums);
    return samples;
}

// Events a second once the tables are filled, or < 0.
static double side_run(const struct bench *bench, struct spill_bench *spill, bool spills,
                       struct taken *taken)
{
    const struct plan plan = { .workers         = bench->workers,
                               .state_budget    = spills ? spill->budget_bytes : 0,
                               .spill_directory = spills ? bench->directory : NULL };
    struct seen       seen;
    seen_start(&seen, running_keys);
    weir_job *const job = running_open(bench, running_keys + spill->events, true, &seen);
    if (!plan_run(&plan, job, taken)) {
        return -1;
    }
    if (spill->checksum.count > 0 && !checksum_is_equal(&spill->checksum, &seen.checksum)) {
        fprintf(stderr,
                "weir-checkpoint-bench: %s: %" PRIu64 " results, hash %016" PRIx64
                "; the run before found %" PRIu64 ", %016" PRIx64 "\n",
                spill->name, seen.checksum.count, seen.checksum.hash, spill->checksum.count,
                spill->checksum.hash);
        return -1;
    }
    spill->checksum = seen.checksum;
    return (double)spill->events / ((double)(seen.last_ns - seen.middle_ns) / 1e9);
}

static bool spill_measure(const struct bench *bench, struct spill_bench *spill)
{
    static struct taken taken;
    const double        all = (double)(running_keys + spill->events);
    for (unsigned run = 0; run < bench->runs; run++) {
        if ((spill->in_memory[run] = side_run(bench, spill, false, &taken)) < 0) {
            return false;
        }
        spill->state_bytes  = (double)taken.state_bytes;
        spill->budget_bytes = taken.state_bytes / 2;
        if ((spill->spilling[run] = side_run(bench, spill, true, &taken)) < 0) {
            return false;
        }
        spill->file_bytes  = (double)taken.spilled.bytes;
        spill->reads[run]  = (double)taken.spilled.read / all;
        spill->writes[run] = (double)taken.spilled.written / all;
        spill->ratios[run] = spill->spilling[run] / spill->in_memory[run];
    }
    return true;
}

static void spill_print(const struct bench *bench, struct spill_bench *spill)
{
    const double in_memory = median(spill->in_memory, bench->runs),
                 spilling  = median(spill->spilling, bench->runs),
                 ratio     = median(spill->ratios, bench->runs),
                 reads     = median(spill->reads, bench->runs),
                 writes    = median(spill->writes, bench->runs);
    if (bench->is_json) {
        printf("{\"job\":\"%s\",\"events_per_second\":%.0f,\"in_memory_events_per_second\":%.0f,"
               "\"ratio\":%.4f,\"state_bytes\":%.0f,\"budget_bytes\":%" PRIu64
               ",\"file_bytes\":%.0f,\"reads_per_event\":%.4f,\"writes_per_event\":%.4f,"
               "\"keys\":%" PRIu64 ",\"events\":%" PRIu64 ",\"workers\":%u,\"runs\":%u,"
               "\"checksum\":{\"count\":%" PRIu64 ",\"sum\":%" PRId64 ",\"hash\":\"%016" PRIx64
               "\"}",
               spill->name, spilling, in_memory, ratio, spill->state_bytes, spill->budget_bytes,
               spill->file_bytes, reads, writes, running_keys, spill->events, bench->workers,
               bench->runs, spill->checksum.count, spill->checksum.sum, spill->checksum.hash);
        return;
    }
    printf("%-15s %8.3f M/s (%.3f to %.3f)   in memory %8.2f M/s (%.2f to %.2f)   ratio %.4f (%.4f "
           "to %.4f)\n",
           spill->name, spilling / 1e6, spill->spilling[0] / 1e6,
           spill->spilling[bench->runs - 1] / 1e6, in_memory / 1e6, spill->in_memory[0] / 1e6,
           spill->in_memory[bench->runs - 1] / 1e6, ratio, spill->ratios[0],
           spill->ratios[bench->runs - 1]);
    printf("%-15s state %.1f MB, budget %.1f MB, at the end %.1f MB in files   %.3f segments read "
           "and %.3f written an event   %" PRIu64 " results %016" PRIx64 "\n",
           "", spill->state_bytes / 1e6, (double)spill->budget_bytes / 1e6, spill->file_bytes / 1e6,
           reads, writes, spill->checksum.count, spill->checksum.hash);
}

bool bench_spill(const struct bench *bench, const char *job)
{
    const bool         is_skewed = strcmp(job, "w6_spill_zipf") == 0;
    struct spill_bench spill     = { .name = job, .events = bench->events };
    running_keys                 = bench->is_small ? KEYS / 40 : KEYS;
    if (spill.events == 0) {
        spill.events = bench->is_small ? EVENTS / 40 : EVENTS;
    }
    uint64_t *const cards = is_skewed ? zipf_make() : NULL;
    if (is_skewed && cards == NULL) {
        fprintf(stderr, "weir-checkpoint-bench: %s: no memory\n", job);
        return false;
    }
    running_cards      = cards;
    running_card_count = SAMPLES;
    const bool is_good = spill_measure(bench, &spill);
    running_cards      = NULL;
    free(cards);
    if (is_good) {
        spill_print(bench, &spill);
        line_end(bench);
    }
    return is_good;
}
