// Random jobs that are killed or run to their end, and are then replayed up to random points.
//
//   generator --> windows, running sums, an order of arrival --> external sink
//
// A replay, from whatever checkpoint and with however many workers, ends with the state that a
// replay from the beginning ends with; with one worker and another order of steps it is the same to
// the last byte; and neither shows a row or changes a checkpoint.
#include "cli/checkpoint/state_dump.h"
#include "runtime/plan/plan.h"
#include "tests/support/external_sink.h"
#include "tests/support/run_turns.h"
#include <weir/run.h>
#include <weir/source.h>

typedef struct event {
    uint64_t  number;
    uint64_t  key;
    uint32_t  few;
    weir_time at;
    int64_t   amount;
} event;
WEIR_RECORD(event, number, key, few, at, amount);

typedef struct outcome {
    uint64_t  key;
    weir_time at;
    int64_t   a, b;
} outcome;
WEIR_RECORD(outcome, key, at, a, b);

static struct {
    uint64_t events;
    uint32_t partitions, keys;
    int64_t  step_us, jitter_us;
} making;

// A key's events come from one partition, so that the order of partitions does not matter.
static void make(event *e, uint64_t number, weir_time due)
{
    const uint64_t drawn = wr_mix64(number, 77);
    const uint32_t count = making.partitions;
    (void)due;
    e->number = number;
    e->key    = drawn % making.keys * count + number % count;
    e->few    = (uint32_t)(drawn >> 60);
    e->at     = 1000000 + (weir_time)(number / count) * making.step_us +
            (weir_time)(drawn >> 40) % (making.jitter_us + 1);
    e->amount = (int64_t)(drawn >> 20 & 0xffff) - 0x4000;
}
WEIR_GENERATOR(events, event, make);
WEIR_KEY(by_key, event, key);

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
static bool result(outcome *out, const by_key *key, const weir_pane *pane, const sums *s)
{
    out->key = key->key;
    out->at  = pane->end;
    out->a   = s->count;
    out->b   = s->amount;
    return true;
}
WEIR_AGGREGATE(summed, event, by_key, sums, outcome, add, merge, result);

static void update(outcome *out, const by_key *key, sums *state, const event *e)
{
    add(state, e);
    out->key = key->key;
    out->at  = e->at;
    out->a   = state->count;
    out->b   = state->amount;
}
WEIR_REDUCE(running, event, by_key, sums, outcome, update);

// What depends on the order in which partitions are read.
WEIR_KEY(by_few, event, few);

typedef struct order {
    uint64_t so_far;
} order;
WEIR_RECORD(order, so_far);
static void note(outcome *out, const by_few *key, order *state, const event *e)
{
    state->so_far = wr_mix64(state->so_far, e->number + 1);
    out->key      = key->few;
    out->a        = (int64_t)(state->so_far >> 1);
}
WEIR_REDUCE(ordered, event, by_few, order, outcome, note);

static weir_job *job_make(struct external *external)
{
    const weir_generator_options options = {
        .events     = making.events,
        .partitions = making.partitions,
        .start      = 1, // not when it is opened
        .time       = { .field        = "at",
                        .out_of_order = making.jitter_us,
                        .align_within = making.step_us * 20 },
    };
    weir_job         *job    = weir_job_open("replayed");
    const weir_stream made   = weir_generate(job, &events, &options);
    const weir_keyed  keyed  = weir_key(made, &by_key_key);
    const weir_window window = weir_sliding(making.step_us * 40, making.step_us * 10);
    (void)external_sink(weir_aggregate(keyed, window, &summed), "sums", external);
    (void)external_sink(weir_reduce(keyed, &running), "totals", external);
    (void)external_sink(weir_reduce(weir_key(made, &by_few_key), &ordered), "orders", external);
    return job;
}

// ---- lives ----

static struct tally {
    uint64_t killed, replays, from_beginning;
} tally;

static weir_run_options options_draw(struct trial_random *random)
{
    return (weir_run_options){
        .workers             = 1 + trial_below(random, 4),
        .batch_bytes         = 2048,
        .is_simulated        = true,
        .seed                = 1 + trial_next(random) % 1000000,
        .checkpoint_interval = 200 + trial_below(random, 3000),
        .checkpoints_kept    = 1000000,
    };
}

// Runs to the end, or is killed within it.
static void live(struct trial_random *random, struct external *external,
                 struct wr_environment *environment)
{
    weir_job        *job       = job_make(external);
    weir_run_options options   = options_draw(random);
    const bool       is_killed = trial_one_in(random, 2);
    options.checkpoints        = "/checkpoints";
    const uint64_t kill_after =
        is_killed ? 20 + trial_below(random, 60u << trial_below(random, 8)) : 0;
    weir_run *run = wr_launch_still(job, &options, environment);
    TRIAL_CHECK(run != NULL, "%s", weir_job_error(job));
    const bool has_ended = run_turns_take(run, options.seed, kill_after) == WEIR_OK;
    if (!has_ended) { // nothing that closing does may reach the disk
        wr_simulation_fault_at(environment, wr_simulation_changes(environment),
                               WR_DISK_CRASH_BEFORE);
    }
    (void)weir_run_close(run);
    weir_job_close(job);
    if (!has_ended) {
        wr_simulation_make_room(environment);
        wr_simulation_reboot(environment, trial_next(random));
        wr_simulation_forget_faults(environment);
        tally.killed++;
    }
}

// ---- replays ----

static int line_compare(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

// The lines of a state in order, as one text to be freed with free().
static char *sort_lines(char *text)
{
    char **lines  = NULL;
    size_t count  = 0, length;
    char  *sorted = NULL, *rest = NULL;
    FILE  *to = open_memstream(&sorted, &length);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line       = strtok_r(NULL, "\n", &rest)) {
        lines          = wr_realloc(lines, (count + 1) * sizeof(*lines));
        lines[count++] = line;
    }
    if (count > 1) {
        qsort(lines, count, sizeof(*lines), line_compare);
    }
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(to, "%s\n", lines[i]);
    }
    (void)fclose(to);
    wr_free(lines);
    free(text);
    return sorted;
}

// The tables, without what depends on the order of partitions, and without what a window keeps for
// its own speed, which is made anew by a restore; of cells, which are of tasks, there may be others
// with other workers.
static char *tables_of(const char *state)
{
    char  *kept = NULL;
    size_t bytes;
    FILE  *to = open_memstream(&kept, &bytes);
    for (const char *line = state; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char  *end    = strchr(line, '\n');
        const size_t length = (size_t)(end - line);
        if (memmem(line, length, "\"cell\":", 7) == NULL &&
            memmem(line, length, "\"ordered\"", 9) == NULL) {
            const char *own = memmem(line, length, ",\"rest\":", 8);
            (void)fprintf(to, "%.*s\n", (int)(own != NULL ? own - line : end - 2 - line), line);
        }
    }
    (void)fclose(to);
    return kept;
}

static char *state_of(struct wr_environment *environment, const char *directory)
{
    const struct wr_store_options reading = { .writes = false };
    struct wr_error               error   = { .status = WEIR_OK };
    struct wr_store              *store;
    char                         *text = NULL;
    size_t                        length;
    TRIAL_CHECK(wr_store_open(environment, directory, &reading, &store, &error) == WEIR_OK, "%s",
                error.sentence);
    FILE *to = open_memstream(&text, &length);
    TRIAL_CHECK(wr_store_manifest(store) == NULL || // killed before the first
                    wr_state_dump(store, NULL, to, NULL, &error) == WEIR_OK,
                "%s", error.sentence);
    (void)fclose(to);
    wr_store_close(store);
    return sort_lines(text);
}

// The state at the point; NULL: no checkpoint is from before it.
static char *replay(struct trial_random *random, struct wr_environment *environment,
                    const char *until, const char *checkpoints, uint32_t workers)
{
    struct external  none;
    weir_run_options options = options_draw(random);
    char             directory[40];
    external_init(&none, sizeof(outcome));
    (void)snprintf(directory, sizeof(directory), "/replay-%" PRIu64, ++tally.replays);
    weir_job *job       = job_make(&none);
    options.workers     = workers;
    options.checkpoints = checkpoints;
    options.until       = until;
    options.replay_to   = directory;
    weir_run *run       = wr_launch_still(job, &options, environment);
    if (run != NULL) {
        (void)run_turns_take(run, options.seed, 0);
    }
    weir_status status = run != NULL ? weir_run_close(run) : weir_job_status(job);
    TRIAL_CHECK(status == WEIR_OK || (checkpoints != NULL && status == WEIR_NOT_FOUND), "%s: %s",
                until, weir_job_error(job));
    TRIAL_CHECK(none.row_count == 0 && none.piece_count == 0, "%s: it has shown something", until);
    weir_job_close(job);
    external_fini(&none);
    return status == WEIR_OK ? state_of(environment, directory) : NULL;
}

static void point_draw(struct trial_random *random, char *text, size_t bytes)
{
    const weir_time last = 1000000 + (weir_time)(making.events / making.partitions) *
                                         making.step_us * trial_below(random, 1000) / 1000;
    const uint64_t numbers = trial_next(random) % (making.events + 1);
    char           time[WEIR_TIME_TEXT_MAX];
    (void)weir_time_format(last, time);
    switch (trial_below(random, 3)) {
    case 0: (void)snprintf(text, bytes, "%s", time); break;
    case 1: (void)snprintf(text, bytes, "@%" PRIu64, numbers); break;
    default:
        (void)snprintf(text, bytes, "%s,%u@%" PRIu64, time, trial_below(random, making.partitions),
                       numbers);
    }
}

static void is_same(uint64_t seed, const char *until, const char *what, char *one, char *other)
{
    TRIAL_CHECK(strcmp(one, other) == 0, "seed %" PRIu64 ": until %s: %s", seed, until, what);
    free(one);
    free(other);
}

static void try_point(struct trial_random *random, uint64_t seed,
                      struct wr_environment *environment)
{
    char until[100];
    point_draw(random, until, sizeof(until));
    const uint32_t workers  = 1 + trial_below(random, 4);
    char          *expected = replay(random, environment, until, NULL, 1);
    char          *again    = replay(random, environment, until, NULL, 1);
    char          *found    = replay(random, environment, until, "/checkpoints", workers);
    if (found != NULL) {
        is_same(seed, until, "from a checkpoint it is another state", tables_of(expected),
                tables_of(found));
    } else {
        tally.from_beginning++;
    }
    free(found);
    is_same(seed, until, "the second time it is another state", expected, again);
}

static void try_seed(uint64_t seed, struct trial_watchdog *watchdog)
{
    struct trial_random random = { seed };
    struct external     external;
    making.events                      = 200 + trial_below(&random, 3000);
    making.partitions                  = 1 + trial_below(&random, 4);
    making.keys                        = 1 + trial_below(&random, 100);
    making.step_us                     = 50 + trial_below(&random, 2000);
    making.jitter_us                   = trial_below(&random, 5000);
    struct wr_environment *environment = wr_environment_open_simulated(seed, false);
    external_init(&external, sizeof(outcome));
    live(&random, &external, environment);
    const uint64_t shown = external.row_count;
    char *const    saved = state_of(environment, "/checkpoints");
    for (uint32_t i = 0; i < 3; i++) {
        try_point(&random, seed, environment);
        trial_progress(watchdog);
    }
    TRIAL_CHECK(external.row_count == shown, "seed %" PRIu64 ": the output has changed", seed);
    is_same(seed, "", "the checkpoints have changed", saved, state_of(environment, "/checkpoints"));
    wr_environment_close(environment);
    external_fini(&external);
}

int main(int argc, char **argv)
{
    const uint64_t        seed     = trial_seed(argc, argv);
    const uint64_t        seeds    = argc > 1 ? 1 : trial_size(30, 400, 5000);
    struct trial_watchdog watchdog = { 0 };
    trial_watchdog_start(&watchdog);
    for (uint64_t i = 0; i < seeds; i++) {
        try_seed(seed + i, &watchdog);
    }
    trial_watchdog_stop(&watchdog);
    printf("killed: %" PRIu64 ", replays: %" PRIu64 ", without a checkpoint: %" PRIu64
           "\ncases: %" PRIu64 "\n",
           tally.killed, tally.replays, tally.from_beginning, seeds);
    return 0;
}
