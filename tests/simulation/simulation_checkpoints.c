// Random jobs that are killed at random moments and started again, with other numbers of workers,
// until they end, and are given other numbers of workers while they go on: what they committed is
// what the same job gives that is never killed.
//
//   generators --> windows, sessions, running sums, deduplication, processes --> external sink
//
// Killed: between any two steps of the simulated executor; or the power of the simulated disk goes
// at any of its changes, and unsynced writes are lost in any subset; or the external system is down
// at a commit. Checkpoints are asked for every few milliseconds of virtual time, some time out,
// some meet a full disk or one that cannot be read. Half of the jobs have a budget for state of
// some kilobytes a task, and spill what is over it to the same disk. The same seed gives the same
// run.
//
// Nothing is late in these jobs, and a key's records come from one partition, so that what a job
// gives does not depend on the order in which tasks are stepped.
#include "runtime/plan/plan.h"
#include "runtime/run/coordinator.h"
#include "tests/support/external_sink.h"
#include "tests/support/run_turns.h"
#include <errno.h>
#include <weir/run.h>
#include <weir/source.h>

typedef struct event {
    uint64_t  number;
    uint64_t  key;
    weir_time at;
    int64_t   amount;
    uint32_t  source;
    uint32_t  kind;
} event;
WEIR_RECORD(event, number, key, at, amount, source, kind);

typedef struct outcome {
    uint64_t  key;
    weir_time at;
    int64_t   a, b;
    uint64_t  step; // which sink
} outcome;
WEIR_RECORD(outcome, key, at, a, b, step);

// ---- sources ----

static struct {
    uint64_t events;
    uint32_t partitions, keys;
    int64_t  step_us, jitter_us;
} making[2];

static void make(event *e, uint32_t source, uint64_t number)
{
    const uint64_t drawn = wr_mix64(number, 77 + source);
    const uint32_t count = making[source].partitions;
    e->number            = number;
    e->source            = source;
    // All of a key's records come from one partition of one source.
    e->key = ((drawn % making[source].keys) * count + number % count) * 2 + source;
    e->at  = 1000000 + (weir_time)(number / count) * making[source].step_us +
            (weir_time)(drawn >> 40) % (making[source].jitter_us + 1);
    e->amount = (int64_t)(drawn >> 20 & 0xffff) - 0x4000;
    e->kind   = (uint32_t)(drawn >> 36 & 7);
}
static void make_0(event *e, uint64_t number, weir_time due)
{
    (void)due;
    make(e, 0, number);
}
static void make_1(event *e, uint64_t number, weir_time due)
{
    (void)due;
    make(e, 1, number);
}
WEIR_GENERATOR(source_0, event, make_0);
WEIR_GENERATOR(source_1, event, make_1);

WEIR_KEY(by_key, event, key);
WEIR_KEY(by_number, event, key, kind);

// ---- sums ----

typedef struct sums {
    int64_t count, amount;
} sums;
WEIR_RECORD(sums, count, amount);
static void add(sums *s, const event *e)
{
    s->count++;
    s->amount += e->amount;
}
static void merge(sums *s, const sums *more)
{
    s->count += more->count;
    s->amount += more->amount;
}
static void unmerge(sums *s, const sums *less)
{
    s->count -= less->count;
    s->amount -= less->amount;
}
static bool result(outcome *out, const by_key *key, const weir_pane *pane, const sums *s)
{
    out->key = key->key;
    out->at  = pane->end;
    out->a   = s->count;
    out->b   = s->amount;
    return true;
}
WEIR_AGGREGATE(summed, event, by_key, sums, outcome, add, merge, result);
WEIR_AGGREGATE_REMOVABLE(summed_removable, event, by_key, sums, outcome, add, merge, unmerge,
                         result);

static void update(outcome *out, const by_key *key, sums *state, const event *e)
{
    state->count++;
    state->amount += e->amount;
    out->key = key->key;
    out->at  = e->at;
    out->a   = state->count;
    out->b   = state->amount;
}
WEIR_REDUCE(running, event, by_key, sums, outcome, update);

// ---- a process with everything ----

typedef struct seen {
    int64_t  count;
    uint64_t last;
} seen;
WEIR_RECORD(seen, count, last);
WEIR_LIST(amounts, sums);
WEIR_MAP_STATE(kinds, by_number, sums);

WEIR_EMITS(watched, outcome);

#define BUCKET_US 50000

// What is kept for a bucket of event time is complete when its timer fires; events of later ones
// may have come by then.
static void on_event(weir_call *call, const by_key *key, seen *state, const event *e)
{
    (void)key;
    const uint64_t bucket = (uint64_t)(e->at / BUCKET_US);
    state->count++;
    state->last          = e->number;
    const by_number kind = { .key = bucket, .kind = e->kind };
    sums           *of   = weir_map_put(call, &kinds, &kind);
    of->count++;
    of->amount += e->amount;
    sums *item   = weir_list_add(call, &amounts);
    item->count  = (int64_t)bucket;
    item->amount = e->amount;
    weir_timer_set(call, (weir_time)(bucket + 1) * BUCKET_US);
    weir_timer_set(call, (e->at + 100001) | 1); // never a bucket's end
    weir_timer_clear(call, (e->at + 100001) | 1);
}

static void on_timer(weir_call *call, const by_key *key, seen *state, weir_time at)
{
    outcome       *out    = watched_emit(call);
    const uint64_t bucket = (uint64_t)(at / BUCKET_US) - 1;
    out->key              = key->key;
    out->at               = at;
    for (uint32_t kind = 0; kind < 8; kind++) {
        const by_number name = { .key = bucket, .kind = kind };
        const sums     *of   = weir_map_find(call, &kinds, &name);
        if (of != NULL) {
            out->a += of->count * 16 + 1;
            out->b += of->amount * (int64_t)(kind + 1);
            (void)weir_map_remove(call, &kinds, &name);
        }
    }
    for (uint32_t i = weir_list_count(call, &amounts); i-- > 0;) {
        const sums *item = weir_list_at(call, &amounts, i);
        if (item->count == (int64_t)bucket) {
            out->b += item->amount;
            weir_list_remove(call, &amounts, i);
        }
    }
    if (weir_list_count(call, &amounts) == 0) {
        weir_state_clear(call);
    }
    (void)state;
}
WEIR_PROCESS(watched, event, by_key, seen, outcome, on_event, on_timer);

static void as_outcome(outcome *out, const event *e)
{
    out->key = e->key;
    out->at  = e->at;
    out->a   = (int64_t)e->number;
    out->b   = e->amount;
}
WEIR_MAP(plain, event, outcome, as_outcome);

static bool is_wanted(const event *e) { return e->kind != 1; }
WEIR_FILTER(wanted, event, is_wanted);

// ---- jobs ----

enum { STEPS = 8 };

struct shape {
    uint32_t sources;
    uint32_t steps; // as bits
    bool     filters, rebalances, spills;
};

static weir_stream job_step(weir_stream in, uint32_t step)
{
    static const weir_process_options process = { .lists = { &amounts }, .maps = { &kinds } };
    const weir_keyed                  keyed   = weir_key(in, &by_key_key);
    switch (step) {
    case 0: return weir_aggregate(keyed, weir_tumbling(40000), &summed);
    case 1: return weir_aggregate(keyed, weir_sliding(90000, 30000), &summed_removable);
    case 2: return weir_aggregate(keyed, weir_sliding(60000, 10000), &summed);
    case 3: return weir_aggregate(keyed, weir_session(15000), &summed);
    case 4: return weir_aggregate(keyed, weir_count_window(5), &summed);
    case 5: return weir_reduce(keyed, &running);
    case 6: return weir_process(keyed, &watched, &process);
    default: return weir_map(weir_deduplicate(keyed, 20000, WEIR_SECONDS(10)), &plain);
    }
}

static weir_job *job_make(const struct shape *shape, struct external *externals)
{
    static const weir_generator_binding *const bindings[2] = { &source_0, &source_1 };
    weir_job                                  *job         = weir_job_open("checked");
    weir_stream                                ins[2];
    for (uint32_t i = 0; i < shape->sources; i++) {
        const weir_generator_options options = {
            .events     = making[i].events,
            .partitions = making[i].partitions,
            .time = { .field = "at", .out_of_order = making[i].jitter_us, .align_within = 20000 },
        };
        ins[i] = weir_generate(job, bindings[i], &options);
    }
    weir_stream in = shape->sources == 1 ? ins[0] : weir_union(ins, shape->sources);
    if (shape->filters) {
        in = weir_filter(in, &wanted);
    }
    for (uint32_t step = 0; step < STEPS; step++) {
        if ((shape->steps >> step & 1) == 0) {
            continue;
        }
        char name[32], sink[32];
        (void)snprintf(name, sizeof(name), "step-%u", step);
        (void)snprintf(sink, sizeof(sink), "sink-%u", step);
        (void)external_sink(weir_name(job_step(in, step), name), sink, &externals[step]);
    }
    return job;
}

// ---- what came out ----

static int outcome_compare(const void *a, const void *b) { return memcmp(a, b, sizeof(outcome)); }

// Per key in the order of commits: what a running sum gives may not be exchanged.
static int key_compare(const void *a, const void *b)
{
    const outcome *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key)
                            : (x->step > y->step) - (x->step < y->step);
}

static void outcomes_sort(struct external *external, bool keeps_order)
{
    outcome *rows = (outcome *)(void *)external->rows;
    for (uint64_t i = 0; i < external->row_count; i++) {
        rows[i].step = keeps_order ? i : 0;
    }
    if (external->row_count > 0) {
        qsort(rows, external->row_count, sizeof(*rows),
              keeps_order ? key_compare : outcome_compare);
    }
    for (uint64_t i = 0; i < external->row_count; i++) {
        rows[i].step = 0;
    }
}

static void outcomes_check(uint64_t seed, uint32_t step, struct external *expected,
                           struct external *found)
{
    const bool keeps_order = step == 4 || step == 5;
    outcomes_sort(expected, keeps_order);
    outcomes_sort(found, keeps_order);
    const outcome *x = (const outcome *)(const void *)expected->rows;
    const outcome *y = (const outcome *)(const void *)found->rows;
    const uint64_t least =
        expected->row_count < found->row_count ? expected->row_count : found->row_count;
    for (uint64_t i = 0; i < least; i++) {
        TRIAL_CHECK(
            memcmp(&x[i], &y[i], sizeof(x[i])) == 0,
            "seed %" PRIu64 ": step %u: outcome %" PRIu64 " is key %" PRIu64 " at %lld: %" PRId64
            ", %" PRId64 " and not key %" PRIu64 " at %lld: %" PRId64 ", %" PRId64,
            seed, step, i, y[i].key, y[i].at, y[i].a, y[i].b, x[i].key, x[i].at, x[i].a, x[i].b);
    }
    TRIAL_CHECK(expected->row_count == found->row_count,
                "seed %" PRIu64 ": step %u: %" PRIu64 " outcomes and not %" PRIu64, seed, step,
                found->row_count, expected->row_count);
}

// ---- one life ----

struct tally {
    uint64_t lives, kills, power_cuts, refusals, rescales, rescales_refused, spilled; // segments
};
static struct tally tally;

static void tally_spilled(const weir_run *run)
{
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        if (run->now->tasks[i]->spill != NULL) {
            tally.spilled += wr_spill_facts(run->now->tasks[i]->spill).written;
        }
    }
}

// Takes the run's turns until it is over, or so many have been taken (0: no limit) and it is
// killed.
static void take_turns(struct trial_random *random, uint64_t seed, weir_run *run,
                       uint64_t turn_seed, uint64_t kill_after)
{
    struct wr_turns turns;
    const bool      moves   = trial_one_in(random, 2);
    uint64_t        move_at = 1 + trial_below(random, 60u << trial_below(random, 8));
    wr_turns_init(&turns, run, turn_seed);
    while (!wr_turns_are_over(&turns)) {
        if (turns.count + 1 == kill_after) {
            wr_run_fail_any(run, WEIR_INTERRUPTED, "the simulated process was killed");
            return;
        }
        if (moves && turns.count >= move_at && !wr_coordinator_is_moving(run->coordinator)) {
            struct wr_error error = { .status = WEIR_OK };
            if (!wr_rescale_still(run, 1 + trial_below(random, 4), &error)) {
                // By a disk that fails; the run goes on as it was.
                TRIAL_CHECK(error.status != WEIR_USAGE && error.status != WEIR_CONFLICT,
                            "seed %" PRIu64 ": %s", seed, error.sentence);
                tally.rescales_refused++;
            }
            wr_error_fini(&error);
            move_at = turns.count + 1 + trial_below(random, 60u << trial_below(random, 8));
        }
        const uint32_t before = run->now->number;
        run_turns_next(&turns);
        tally.rescales += run->now->number != before;
    }
}

// Runs until the end or the kill; true: it has ended.
static bool live(struct trial_random *random, uint64_t seed, const struct shape *shape,
                 struct external *externals, struct wr_environment *environment, bool may_die)
{
    weir_job        *job     = job_make(shape, externals);
    weir_run_options options = {
        .workers             = 1 + trial_below(random, 4),
        .batch_bytes         = 2048,
        .credits             = 2 + trial_below(random, 3),
        .is_simulated        = true,
        .seed                = 1 + trial_next(random) % 1000000,
        .checkpoints         = environment != NULL ? "/checkpoints" : NULL,
        .checkpoint_interval = 200 + trial_below(random, 3000),
    };
    if (environment == NULL) {
        options.checkpoint_interval = 0; // it takes none
        TRIAL_CHECK(weir_job_run(job, &options) == WEIR_OK, "seed %" PRIu64 ": %s", seed,
                    weir_job_error(job));
        weir_job_close(job);
        return true;
    }
    if (shape->spills) {
        options.state_budget = 4096u << trial_below(random, 8);
        options.over_budget  = WEIR_OVER_BUDGET_SPILL;
    }
    const uint32_t how = may_die ? trial_below(random, 40) * 4 / 39 : 4;
    tally.lives++;
    wr_simulation_forget_faults(environment);
    if (how == 0) {
        wr_simulation_fault_at(
            environment, wr_simulation_changes(environment) + trial_below(random, 60),
            trial_one_in(random, 2) ? WR_DISK_CRASH_BEFORE : WR_DISK_CRASH_AFTER);
        tally.power_cuts++;
    } else if (how == 1) {
        externals[trial_below(random, STEPS)].fails_in = 1 + trial_below(random, 10);
    } else if (how == 2 && shape->spills && trial_one_in(random, 2)) {
        wr_simulation_fail(environment, WR_FAULT_READ, trial_below(random, 4000), EIO);
    } else if (how == 2) {
        wr_simulation_fault_at(environment,
                               wr_simulation_changes(environment) + trial_below(random, 60),
                               WR_DISK_ENOSPC);
    }
    const bool is_killed       = how == 2 || how == 3;
    options.checkpoint_timeout = is_killed && trial_one_in(random, 2)
                                     ? 1 + trial_below(random, 10u << trial_below(random, 7))
                                     : 0;
    const uint64_t kill_after =
        is_killed ? 20 + trial_below(random, 60u << trial_below(random, 8)) : 0;
    weir_run   *run    = wr_launch_still(job, &options, environment);
    weir_status status = WEIR_FAILED;
    tally.kills += is_killed;
    if (run != NULL) {
        take_turns(random, seed, run, options.seed, kill_after);
        status = weir_run_wait(run, -1);
        tally_spilled(run);
        if (status != WEIR_OK) { // nothing that closing does may reach the disk
            wr_simulation_make_room(environment);
            wr_simulation_fault_at(environment, wr_simulation_changes(environment),
                                   WR_DISK_CRASH_BEFORE);
        }
        const weir_status closed = weir_run_close(run);
        TRIAL_CHECK(closed == status, "%d, then %d", status, closed);
    }
    TRIAL_CHECK(status == WEIR_OK || how != 4, "seed %" PRIu64 ": %s", seed, weir_job_error(job));
    tally.refusals += run == NULL;
    weir_job_close(job);
    for (uint32_t i = 0; i < STEPS; i++) {
        externals[i].fails_in = 0;
    }
    if (status != WEIR_OK) {
        wr_simulation_make_room(environment);
        wr_simulation_reboot(environment, trial_next(random));
    }
    return status == WEIR_OK;
}

static void externals_init(struct external *externals)
{
    for (uint32_t i = 0; i < STEPS; i++) {
        external_init(&externals[i], sizeof(outcome));
    }
}

static void try_seed(uint64_t seed, struct trial_watchdog *watchdog)
{
    struct trial_random random = { seed };
    struct external     expected[STEPS], found[STEPS];
    struct shape        shape = {
               .sources = 1 + trial_below(&random, 2),
               .steps   = 1 + trial_below(&random, (1 << STEPS) - 1),
               .filters = trial_one_in(&random, 2),
               .spills  = trial_one_in(&random, 2),
    };
    shape.steps &= (uint32_t)trial_next(&random) | 1u << trial_below(&random, STEPS);
    if (shape.filters) { // whose tasks share the rows of a key, so that these may come in any order
        shape.steps &= ~(1u << 4 | 1u << 5 | 1u << 7);
    }
    if (shape.steps == 0) {
        shape.steps = 1u << trial_below(&random, 4);
    }
    for (uint32_t i = 0; i < 2; i++) {
        making[i].events     = 200 + trial_below(&random, 3000);
        making[i].partitions = 1 + trial_below(&random, 4);
        making[i].keys       = 1 + trial_below(&random, 300);
        making[i].step_us    = 50 + trial_below(&random, 2000);
        making[i].jitter_us  = trial_below(&random, 5000);
    }
    externals_init(expected);
    externals_init(found);
    (void)live(&random, seed, &shape, expected, NULL, false);
    struct wr_environment *environment = wr_environment_open_simulated(seed, false);
    uint32_t               lives       = 0;
    while (!live(&random, seed, &shape, found, environment, lives < 12)) {
        lives++;
        trial_progress(watchdog);
    }
    wr_environment_close(environment);
    for (uint32_t step = 0; step < STEPS; step++) {
        outcomes_check(seed, step, &expected[step], &found[step]);
        external_fini(&expected[step]);
        external_fini(&found[step]);
    }
    trial_progress(watchdog);
}

// A seed given alone is tried alone; `--from SEED COUNT` tries so many from there.
int main(int argc, char **argv)
{
    const bool            is_range = argc == 4 && strcmp(argv[1], "--from") == 0;
    const uint64_t        seed     = trial_seed(is_range ? argc - 1 : argc, argv + is_range);
    const uint64_t        seeds    = is_range   ? strtoull(argv[3], NULL, 0)
                                     : argc > 1 ? 1
                                                : trial_size(60, 5000, 20000);
    struct trial_watchdog watchdog = { 0 };
    trial_watchdog_start(&watchdog);
    for (uint64_t i = 0; i < seeds; i++) {
        try_seed(seed + i, &watchdog);
    }
    trial_watchdog_stop(&watchdog);
    printf("lives: %" PRIu64 ", killed: %" PRIu64 ", power cuts: %" PRIu64 ", refused: %" PRIu64
           ", rescaled: %" PRIu64 ", not rescaled: %" PRIu64 ", segments spilled: %" PRIu64
           "\ncases: %" PRIu64 "\n",
           tally.lives, tally.kills, tally.power_cuts, tally.refusals, tally.rescales,
           tally.rescales_refused, tally.spilled, seeds);
    return 0;
}
