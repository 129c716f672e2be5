// Partitions that wait for each other: nobody who is ahead sleeps on when the slowest has caught
// up, and nobody runs further ahead than it may. Each partition sleeps without a limit, so that one
// lost wake-up stops everybody, and the watchdog sees it.
#include "runtime/flow/flow.h"
#include "runtime/progress/progress.h"
#include "tests/support/trial.h"

#define PARTITIONS_MAX 5
#define WITHIN         100

struct round {
    struct wr_alignment *alignment;
    uint32_t             partitions;
    weir_time            last; // watermark to come to
    weir_time            most_ahead;
    uint64_t             seed;
    uint64_t             waits;
};

struct partition {
    _Alignas(WR_CACHE_LINE) struct wr_park park;
    struct round *round;
    uint32_t      number;
    pthread_t     thread;
};

static struct trial_watchdog watchdog;

static void wake(void *park) { wr_park_wake_any(park); }

static void partition_wait(struct partition *partition, weir_time watermark)
{
    struct round *round = partition->round;
    wr_alignment_await_any(round->alignment, partition->number, watermark - WITHIN, wake,
                           &partition->park);
    while (wr_alignment_awaits_any(round->alignment, partition->number)) {
        wr_park_announce(&partition->park);
        if (wr_alignment_awaits_any(round->alignment, partition->number)) {
            wr_park_wait(&partition->park, -1);
        } else {
            wr_park_cancel(&partition->park);
        }
    }
    __atomic_fetch_add(&round->waits, 1, __ATOMIC_RELAXED);
}

static void *partition_main(void *opaque)
{
    struct partition   *partition = opaque;
    struct round       *round     = partition->round;
    struct trial_random random    = { round->seed + partition->number };
    weir_time           watermark = 0;
    wr_alignment_publish_any(round->alignment, partition->number, watermark, WR_PARTITION_READING);
    while (watermark < round->last) {
        if (watermark > wr_alignment_minimum_any(round->alignment) + WITHIN) {
            partition_wait(partition, watermark);
            const weir_time minimum = wr_alignment_minimum_any(round->alignment);
            TRIAL_CHECK(minimum >= watermark - WITHIN, "woken at %lld by a minimum of %lld",
                        watermark, minimum);
        }
        watermark += 1 + trial_below(&random, (uint32_t)round->most_ahead);
        wr_alignment_publish_any(round->alignment, partition->number, watermark,
                                 WR_PARTITION_READING);
        trial_progress(&watchdog);
    }
    wr_alignment_publish_any(round->alignment, partition->number, watermark,
                             trial_one_in(&random, 2) ? WR_PARTITION_IDLE : WR_PARTITION_ENDED);
    return NULL;
}

static void round_run(struct round *round)
{
    struct partition partitions[PARTITIONS_MAX];
    round->alignment = wr_alignment_open(round->partitions);
    for (uint32_t i = 0; i < round->partitions; i++) {
        partitions[i].round  = round;
        partitions[i].number = i;
        wr_park_init(&partitions[i].park);
        TRIAL_CHECK(pthread_create(&partitions[i].thread, NULL, partition_main, &partitions[i]) ==
                        0,
                    "no thread");
    }
    for (uint32_t i = 0; i < round->partitions; i++) {
        pthread_join(partitions[i].thread, NULL);
    }
    TRIAL_CHECK(wr_alignment_minimum_any(round->alignment) >= round->last, "%lld",
                wr_alignment_minimum_any(round->alignment));
    wr_alignment_close(round->alignment);
}

int main(int argc, char **argv)
{
    struct trial_random random = { trial_seed(argc, argv) };
    const uint64_t      rounds = trial_size(8, 40, 400);
    const weir_time     last   = (weir_time)trial_size(50000, 200000, 1000000);
    uint64_t            waits  = 0;
    trial_watchdog_start(&watchdog);
    for (uint64_t i = 0; i < rounds; i++) {
        struct round round = {
            .partitions = 2 + (uint32_t)(i % (PARTITIONS_MAX - 1)),
            .last       = last,
            .most_ahead = 1 + trial_below(&random, 2 * WITHIN),
            .seed       = trial_next(&random),
        };
        round_run(&round);
        waits += round.waits;
    }
    trial_watchdog_stop(&watchdog);
    TRIAL_CHECK(waits > rounds, "%" PRIu64 " waits", waits);
    printf("%" PRIu64 " waits\n", waits);
    printf("cases: %" PRIu64 "\n", rounds);
    return 0;
}
