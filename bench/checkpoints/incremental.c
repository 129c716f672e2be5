// How much a checkpoint writes where only a share of the keys is written between two.
//
// Scattered, the keys are any; together, they are those with the lowest hashes, which share
// segments: between the two lies what a job's own habits make of it.
#include "bench/checkpoints/checkpoint_bench.h"

#include "bench/harness/median.h"
#include "runtime/base/base.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS      UINT64_C(1000000)
#define TAKEN     7u // checkpoints of a run; the last is cut short
#define UNSETTLED 3u // of them, before every one is like the next

static int hash_compare(const void *a, const void *b)
{
    const uint64_t x = wr_mix64(*(const uint64_t *)a, RUN_SEED),
                   y = wr_mix64(*(const uint64_t *)b, RUN_SEED);
    return (x > y) - (x < y);
}

// The cards in the order of their hashes; NULL: no memory.
static uint64_t *cards_make(bool is_together)
{
    uint64_t *const cards = malloc(running_keys * sizeof(*cards));
    for (uint64_t i = 0; cards != NULL && i < running_keys; i++) {
        cards[i] = i;
    }
    if (cards != NULL && is_together) {
        qsort(cards, running_keys, sizeof(*cards), hash_compare);
    }
    return cards;
}

static void share_print(const struct bench *bench, const char *job, double share, bool is_together,
                        struct taken *taken)
{
    const uint32_t count  = taken->count - 1 - UNSETTLED;
    const double   full   = taken->bytes[0];
    const double   bytes  = median(taken->bytes + UNSETTLED, count),
                 segments = median(taken->packed + UNSETTLED, count),
                 took     = median(taken->took_ms + UNSETTLED, count);
    if (bench->is_json) {
        printf("{\"job\":\"%s\",\"keys_share\":%g,\"keys_are\":\"%s\",\"segments_share\":%.4f,"
               "\"bytes\":%.0f,\"full_bytes\":%.0f,\"bytes_share\":%.4f,\"median_ms\":%.1f,"
               "\"keys\":%" PRIu64 ",\"entries\":%" PRIu64 ",\"checkpoints\":%u,\"workers\":%u",
               job, share, is_together ? "together" : "scattered", segments, bytes, full,
               bytes / full, took, running_keys, taken->entries, taken->count, bench->workers);
        return;
    }
    printf("%-15s %4g %% of the keys, %-9s   %5.1f %% of the segments   %9.3f MB of %.3f MB: %5.1f "
           "%%   %.0f ms\n",
           job, share * 100, is_together ? "together" : "scattered", segments * 100, bytes / 1e6,
           full / 1e6, bytes / full * 100, took);
}

static bool share_run(const struct bench *bench, struct taken *taken)
{
    const char *const path = bench_path(bench, "incremental");
    const struct plan plan = { .workers            = bench->workers,
                               .checkpoints        = path,
                               .interval_us        = bench->is_small ? 50000 : 1000000,
                               .stop_at_checkpoint = TAKEN };
    struct seen       seen;
    seen_start(&seen, 0);
    const bool is_good = plan_run(&plan, running_open(bench, 0, true, &seen), taken);
    path_remove_all(path);
    if (is_good && taken->entries != running_keys) {
        fprintf(stderr,
                "weir-checkpoint-bench: w6_incremental: a checkpoint of %" PRIu64
                " keys has %" PRIu64 "\n",
                running_keys, taken->entries);
        return false;
    }
    return is_good;
}

bool bench_incremental(const struct bench *bench, const char *job)
{
    static const double shares[] = { 0.01, 0.1, 1 };
    static struct taken taken;
    bool                is_good = true;
    running_keys                = bench->is_small ? KEYS / 20 : KEYS;
    for (unsigned is_together = 0; is_together < 2 && is_good; is_together++) {
        uint64_t *const cards = cards_make(is_together != 0);
        is_good               = cards != NULL;
        running_cards         = cards;
        for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]) && is_good; i++) {
            running_card_count = (uint64_t)((double)running_keys * shares[i]);
            is_good            = share_run(bench, &taken);
            if (is_good) {
                share_print(bench, job, shares[i], is_together != 0, &taken);
                line_end(bench);
            }
        }
        running_cards = NULL;
        free(cards);
    }
    return is_good;
}
