// Partitions that wait for each other: nobody who is ahead sleeps on when the slowest has caught
// up, and nobody runs further ahead than it may. Each partition sleeps without a limit, so that one
// lost wake-up stops everybody, and the watchdog sees it. And partitions that go idle and come back
// while others move on: no minimum that anybody takes is above one that reads.
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

// ---- coming back from idleness ----

// What a partition that reads is at, as the one who moves it says; WEIR_TIME_MAX while it is idle.
// Written before it is published, so that it is never below what is.
struct wanderer {
    _Alignas(WR_CACHE_LINE) weir_time at;
    struct wr_alignment *alignment;
    uint32_t             number, others;
    uint64_t             seed, moves;
    uint64_t            *is_over;
    pthread_t            thread;
};

static void wanderer_say(struct wanderer *wanderer, weir_time at)
{
    __atomic_store_n(&wanderer->at, at, __ATOMIC_SEQ_CST);
}

// Rests for a while, and comes back with what it had: far behind the others by then.
static weir_time wanderer_rest(struct wanderer *wanderer, struct trial_random *random,
                               weir_time watermark)
{
    wanderer_say(wanderer, WEIR_TIME_MAX);
    wr_alignment_publish_any(wanderer->alignment, wanderer->number, watermark, WR_PARTITION_IDLE);
    for (volatile uint32_t i = trial_below(random, 200); i > 0; i--) {
    }
    const weir_time floor =
        wr_alignment_return_any(wanderer->alignment, wanderer->number, watermark);
    TRIAL_CHECK(floor >= watermark, "back at %lld, behind %lld", floor, watermark);
    wanderer_say(wanderer, floor);
    return floor;
}

static void *wanderer_main(void *opaque)
{
    struct wanderer    *wanderer  = opaque;
    struct trial_random random    = { wanderer->seed + wanderer->number };
    weir_time           watermark = 0;
    for (uint64_t i = 0; i < wanderer->moves; i++) {
        watermark += trial_below(&random, 10);
        wanderer_say(wanderer, watermark);
        wr_alignment_publish_any(wanderer->alignment, wanderer->number, watermark,
                                 WR_PARTITION_READING);
        if (trial_one_in(&random, 3)) {
            watermark = wanderer_rest(wanderer, &random, watermark);
        }
        trial_progress(&watchdog);
    }
    wanderer_say(wanderer, WEIR_TIME_MAX);
    wr_alignment_publish_any(wanderer->alignment, wanderer->number, watermark, WR_PARTITION_ENDED);
    return NULL;
}

// Takes minima: each is at most what any partition says afterwards that it is at.
static void *observer_main(void *opaque)
{
    const struct wanderer *all = opaque;
    while (__atomic_load_n(all->is_over, __ATOMIC_RELAXED) == 0) {
        const weir_time minimum = wr_alignment_minimum_any(all->alignment);
        for (uint32_t i = 0; i <= all->others; i++) {
            const weir_time at = __atomic_load_n(&all[i].at, __ATOMIC_SEQ_CST);
            TRIAL_CHECK(minimum <= at, "a minimum of %lld, but partition %u came back at %lld",
                        minimum, i, at);
        }
    }
    return NULL;
}

static void returns_run(struct trial_random *random, uint32_t partitions, uint64_t moves)
{
    struct wanderer      all[PARTITIONS_MAX];
    struct wr_alignment *alignment = wr_alignment_open(partitions);
    uint64_t             is_over   = 0;
    pthread_t            observer;
    for (uint32_t i = 0; i < partitions; i++) {
        all[i] = (struct wanderer){ .alignment = alignment,
                                    .number    = i,
                                    .others    = partitions - 1,
                                    .seed      = trial_next(random),
                                    .moves     = moves,
                                    .is_over   = &is_over,
                                    .at        = WEIR_TIME_MAX };
    }
    TRIAL_CHECK(pthread_create(&observer, NULL, observer_main, all) == 0, "no thread");
    for (uint32_t i = 0; i < partitions; i++) {
        TRIAL_CHECK(pthread_create(&all[i].thread, NULL, wanderer_main, &all[i]) == 0, "no thread");
    }
    for (uint32_t i = 0; i < partitions; i++) {
        pthread_join(all[i].thread, NULL);
    }
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    pthread_join(observer, NULL);
    wr_alignment_close(alignment);
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
    for (uint64_t i = 0; i < rounds; i++) {
        returns_run(&random, 2 + (uint32_t)(i % (PARTITIONS_MAX - 1)), (uint64_t)last / 20);
    }
    trial_watchdog_stop(&watchdog);
    TRIAL_CHECK(waits > rounds, "%" PRIu64 " waits", waits);
    printf("%" PRIu64 " waits\n", waits);
    printf("cases: %" PRIu64 "\n", 2 * rounds);
    return 0;
}
