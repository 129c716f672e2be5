// Wake-ups that may not be lost: producers publish and wake, an owner announces, looks and sleeps
// without a limit. A producer publishes its next only after the owner took its last, so that one
// lost wake-up stops it, and the watchdog sees it.
#include "runtime/flow/flow.h"
#include "tests/support/trial.h"

#define PRODUCERS_MAX 3

struct slot {
    _Alignas(WR_CACHE_LINE) uint64_t published; // by the producer
    _Alignas(WR_CACHE_LINE) uint64_t taken;     // by the owner
};

struct round {
    struct wr_park park; // the owner's
    struct wr_park producer_parks[PRODUCERS_MAX];
    struct slot    slots[PRODUCERS_MAX];
    uint32_t       producers;
    uint64_t       count; // to publish, each
    uint32_t       pause_most;
    uint64_t       seed;
    uint64_t       waits;
    uint64_t       idle_seen;
};

struct producer {
    struct round *round;
    uint32_t      index;
    pthread_t     thread;
};

static struct trial_watchdog watchdog;

static void pause_some(struct trial_random *random, uint32_t most)
{
    for (volatile uint32_t i = trial_below(random, most + 1); i > 0; i--) {
    }
}

static bool slot_is_taken(struct slot *slot, uint64_t number)
{
    return __atomic_load_n(&slot->taken, __ATOMIC_RELAXED) == number;
}

static void *producer_main(void *opaque)
{
    struct producer    *producer = opaque;
    struct round       *round    = producer->round;
    struct slot        *slot     = &round->slots[producer->index];
    struct wr_park     *park     = &round->producer_parks[producer->index];
    struct trial_random random   = { round->seed + producer->index };
    for (uint64_t n = 1; n <= round->count; n++) {
        pause_some(&random, round->pause_most);
        __atomic_store_n(&slot->published, n, __ATOMIC_RELAXED);
        wr_park_wake_any(&round->park);
        if (wr_park_is_idle_any(&round->park)) {
            __atomic_fetch_add(&round->idle_seen, 1, __ATOMIC_RELAXED);
        }
        while (!slot_is_taken(slot, n)) {
            wr_park_announce(park);
            if (slot_is_taken(slot, n)) {
                wr_park_cancel(park);
            } else {
                wr_park_wait(park, -1);
            }
        }
        trial_progress(&watchdog);
    }
    return NULL;
}

// Takes what is published and wakes the producers; the number of items.
static uint32_t owner_take(struct round *round)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < round->producers; i++) {
        struct slot   *slot      = &round->slots[i];
        const uint64_t published = __atomic_load_n(&slot->published, __ATOMIC_RELAXED);
        if (published != slot->taken) {
            TRIAL_CHECK(published == slot->taken + 1, "%" PRIu64 " after %" PRIu64, published,
                        slot->taken);
            __atomic_store_n(&slot->taken, published, __ATOMIC_RELAXED);
            wr_park_wake_any(&round->producer_parks[i]);
            taken++;
        }
    }
    return taken;
}

static void owner_run(struct round *round)
{
    struct trial_random random = { ~round->seed };
    for (uint64_t left = round->count * round->producers; left > 0;) {
        uint32_t taken = owner_take(round);
        if (taken == 0) {
            pause_some(&random, round->pause_most);
            wr_park_announce(&round->park);
            taken = owner_take(round);
            if (taken > 0) {
                wr_park_cancel(&round->park);
            } else {
                round->waits++;
                wr_park_wait(&round->park, trial_one_in(&random, 100) ? 50 : -1);
            }
        }
        left -= taken;
    }
}

static void round_run(struct round *round)
{
    struct producer producers[PRODUCERS_MAX];
    wr_park_init(&round->park);
    for (uint32_t i = 0; i < round->producers; i++) {
        wr_park_init(&round->producer_parks[i]);
        producers[i] = (struct producer){ .round = round, .index = i };
        TRIAL_CHECK(pthread_create(&producers[i].thread, NULL, producer_main, &producers[i]) == 0,
                    "no thread");
    }
    owner_run(round);
    for (uint32_t i = 0; i < round->producers; i++) {
        pthread_join(producers[i].thread, NULL);
        TRIAL_CHECK(round->slots[i].taken == round->count, "%" PRIu64 " of %" PRIu64,
                    round->slots[i].taken, round->count);
    }
}

int main(int argc, char **argv)
{
    struct trial_random random = { trial_seed(argc, argv) };
    const uint64_t      rounds = trial_size(6, 12, 60);
    const uint64_t      each   = trial_size(4000, 30000, 200000);
    uint64_t            waits = 0, published = 0;
    trial_watchdog_start(&watchdog);
    for (uint64_t i = 0; i < rounds; i++) {
        struct round round = {
            .producers  = 1 + (uint32_t)(i % PRODUCERS_MAX),
            .count      = each,
            .pause_most = trial_below(&random, 2) * trial_below(&random, 3000),
            .seed       = trial_next(&random),
        };
        round_run(&round);
        waits += round.waits;
        published += round.count * round.producers;
    }
    trial_watchdog_stop(&watchdog);
    printf("%" PRIu64 " published, %" PRIu64 " waits\n", published, waits);
    printf("cases: %" PRIu64 "\n", rounds);
    return 0;
}
