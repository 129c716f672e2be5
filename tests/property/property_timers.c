// Timers against a sorted list: random additions, before and after what was taken, and takings.
//
// usage: property_timers [--seed N] [--cases N]
//
// The model keeps deadlines in order; of equal deadlines the hashes must come out as a set. A case
// is one random call, compared with the model.
#include "runtime/progress/progress.h"

#include <stdio.h>
#include <stdlib.h>

#define MOST_TIMERS 3000u

struct timer {
    weir_time deadline;
    uint64_t  hash;
};

struct round {
    uint64_t          random;
    struct wr_timers *timers;
    struct timer      sorted[MOST_TIMERS];
    uint32_t          count;
    weir_time         now;
    uint32_t          span_log2; // deadlines lie up to 2^this around now
    uint32_t          style;
};

static uint64_t run_seed;
static uint64_t case_number;

#define REQUIRE(claim)                                                                             \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "seed %llu, case %llu, line %d: %s\n", (unsigned long long)run_seed,   \
                    (unsigned long long)case_number, __LINE__, #claim);                            \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static uint64_t next_random(struct round *r)
{
    r->random += 0x9e3779b97f4a7c15u;
    return wr_mix64(r->random, run_seed);
}

static uint32_t below(struct round *r, uint32_t limit)
{
    return (uint32_t)((next_random(r) >> 32) * limit >> 32);
}

static weir_time random_deadline(struct round *r)
{
    const weir_time ahead = (weir_time)(next_random(r) >> (64 - r->span_log2));
    switch (below(r, 24)) {
    case 0: return WEIR_TIME_MIN;
    case 1: return WEIR_TIME_MAX;
    case 2: return weir_time_add(r->now, -ahead);
    case 3: return r->now;
    case 4: return r->count > 0 ? r->sorted[below(r, r->count)].deadline : 0;
    default: return weir_time_add(r->now, r->style == 0 ? ahead : ahead / 1000 * 1000);
    }
}

static void model_add(struct round *r, struct timer timer)
{
    uint32_t at = r->count++;
    for (; at > 0 && r->sorted[at - 1].deadline > timer.deadline; at--) {
        r->sorted[at] = r->sorted[at - 1];
    }
    r->sorted[at] = timer;
}

// Removes the timer, which must be among the earliest.
static void model_take(struct round *r, struct timer timer)
{
    uint32_t at = 0;
    REQUIRE(r->count > 0);
    while (r->sorted[at].hash != timer.hash) {
        at++;
        REQUIRE(at < r->count && r->sorted[at].deadline == r->sorted[0].deadline);
    }
    REQUIRE(r->sorted[at].deadline == timer.deadline);
    r->count--;
    memmove(&r->sorted[at], &r->sorted[at + 1], (r->count - at) * sizeof(r->sorted[0]));
}

static void step_add(struct round *r)
{
    for (uint32_t n = 1 + below(r, 20); n > 0 && r->count < MOST_TIMERS; n--) {
        const struct timer timer = { random_deadline(r), next_random(r) };
        wr_timers_add(r->timers, timer.deadline, timer.hash);
        model_add(r, timer);
    }
}

static void step_take(struct round *r)
{
    weir_time until = weir_time_add(r->now, (weir_time)(next_random(r) >> (66 - r->span_log2)));
    if (r->count > 0 && below(r, 3) == 0) { // exactly at a deadline, or just before it
        until = r->sorted[below(r, r->count)].deadline;
        until = weir_time_add(until, -(weir_time)below(r, 2));
    }
    r->now = until > r->now && until < WEIR_TIME_MAX / 2 ? until : r->now;
    struct timer taken;
    for (uint32_t most = below(r, 4) == 0 ? 5 : MOST_TIMERS; most > 0; most--) {
        const bool is_due = r->count > 0 && r->sorted[0].deadline <= until;
        REQUIRE(wr_timers_take(r->timers, until, &taken.deadline, &taken.hash) == is_due);
        if (!is_due) {
            break;
        }
        model_take(r, taken);
    }
}

static void run_round(struct round *r)
{
    r->timers    = wr_timers_open();
    r->span_log2 = 3 + below(r, 60);
    r->style     = below(r, 2);
    r->now = below(r, 2) == 0 ? 0 : (weir_time)(next_random(r) >> 3) * (below(r, 2) == 0 ? 1 : -1);
    const uint32_t adds_of_10 = 3 + below(r, 5);
    for (uint32_t n = 300; n > 0; n--, case_number++) {
        if (below(r, 10) < adds_of_10) {
            step_add(r);
        } else {
            step_take(r);
        }
        REQUIRE(wr_timers_count(r->timers) == r->count);
        REQUIRE(wr_timers_earliest(r->timers) ==
                (r->count > 0 ? r->sorted[0].deadline : WEIR_TIME_MAX));
    }
    wr_timers_close(r->timers);
}

int main(int argc, char **argv)
{
    uint64_t cases = 60000;
    run_seed       = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) {
            run_seed = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--cases") == 0) {
            cases = strtoull(argv[i + 1], NULL, 10);
        }
    }
    printf("seed: %llu\n", (unsigned long long)run_seed);
    for (uint64_t number = 0; case_number < cases; number++) {
        static struct round r;
        memset(&r, 0, sizeof(r));
        r.random = number << 40;
        run_round(&r);
    }
    printf("cases: %llu\n", (unsigned long long)case_number);
    return 0;
}
