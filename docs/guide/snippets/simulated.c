// simulated: a job tested against brute force, in a thousand orders of execution.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir.h>

enum { EVENT_COUNT = 300, USER_COUNT = 5, MINUTE_COUNT = 16 };

typedef struct click {
    weir_time at;
    uint32_t  user;
} click;
WEIR_RECORD(click, at, user);

// Event time runs three seconds an event, and records come up to half a minute out of order.
static void make_click(click *c, uint64_t number, weir_time due)
{
    (void)due;
    c->at   = WEIR_SECONDS(number * 3 + number * number * 7 % 31);
    c->user = (uint32_t)(number * number % USER_COUNT);
}
WEIR_GENERATOR(clicks, click, make_click);
WEIR_KEY(by_user, click, user);

typedef struct tally {
    uint64_t count;
} tally;
WEIR_RECORD(tally, count);
static void add(tally *t, const click *c)
{
    (void)c;
    t->count++;
}
static void merge(tally *t, const tally *more) { t->count += more->count; }

typedef struct per_minute {
    weir_time minute;
    uint32_t  user;
    uint64_t  count;
} per_minute;
WEIR_RECORD(per_minute, minute, user, count);
static void result(per_minute *out, const by_user *key, const weir_pane *pane, const tally *t)
{
    out->minute = pane->start;
    out->user   = key->user;
    out->count  = t->count;
}
WEIR_AGGREGATE(clicks_per_minute, click, by_user, tally, per_minute, add, merge, result);

static bool equals_brute_force(const weir_collection *seen)
{
    uint64_t left[MINUTE_COUNT][USER_COUNT] = { { 0 } };
    for (uint64_t number = 0; number < EVENT_COUNT; number++) {
        click c;
        make_click(&c, number, 0);
        left[c.at / WEIR_MINUTES(1)][c.user]++;
    }
    for (size_t i = 0; i < weir_collection_count(seen); i++) {
        const per_minute *row = weir_collection_at(seen, i, NULL, NULL);
        left[row->minute / WEIR_MINUTES(1)][row->user] -= row->count;
    }
    for (size_t i = 0; i < (size_t)MINUTE_COUNT * USER_COUNT; i++) {
        if (left[i / USER_COUNT][i % USER_COUNT] != 0) {
            return false;
        }
    }
    return true;
}

static bool try_seed(uint64_t seed)
{
    const weir_generator_options source = {
        .events     = EVENT_COUNT,
        .partitions = 1 + (uint32_t)(seed % 3),
        .time       = { .field = "at", .out_of_order = WEIR_SECONDS(30) },
    };
    const weir_run_options run = {
        .workers      = 1 + (uint32_t)(seed % 4),
        .is_simulated = true,
        .seed         = seed,
        .batch_bytes  = 1024, // small batches make many interleavings
    };
    weir_collection *seen  = weir_collection_open();
    weir_job        *job   = weir_job_open("simulated");
    weir_keyed       users = weir_key(weir_generate(job, &clicks, &source), &by_user_key);
    weir_collect(weir_aggregate(users, weir_tumbling(WEIR_MINUTES(1)), &clicks_per_minute), seen);

    bool is_right = weir_job_run(job, &run) == WEIR_OK;
    if (!is_right) {
        (void)fprintf(stderr, "%s\n", weir_job_error(job));
    }
    is_right = is_right && equals_brute_force(seen);
    weir_job_close(job);
    weir_collection_close(seen);
    return is_right;
}

int main(int argc, char **argv)
{
    const uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    const uint64_t last  = argc > 1 ? first : 1000;
    for (uint64_t seed = first; seed <= last; seed++) {
        if (!try_seed(seed)) {
            (void)printf("seed %" PRIu64 " is wrong; run this again with it as the argument\n",
                         seed);
            return 1;
        }
    }
    (void)printf("%" PRIu64 " seeds agree with brute force\n", last - first + 1);
    return 0;
}
