// A job in real threads, given other numbers of workers while it runs, stopped without a drain or
// failed at random moments, and started again from its checkpoints with another number of workers,
// until it ends: its committed output is as if nothing had happened. Small tables and many
// checkpoints, so that splits, captures and writes of state files overlap.
#include "runtime/run/run.h"
#include "tests/support/external_sink.h"
#include "tests/support/trial.h"
#include <ftw.h>
#include <weir/run.h>
#include <weir/source.h>

typedef struct event {
    uint64_t  number, key;
    weir_time at;
} event;
WEIR_RECORD(event, number, key, at);

typedef struct outcome {
    uint64_t key, count, last;
} outcome;
WEIR_RECORD(outcome, key, count, last);

enum { PARTITIONS = 3 };
static uint64_t keys;

static void make(event *e, uint64_t number, weir_time due)
{
    (void)due;
    e->number = number;
    e->key    = wr_mix64(number, 5) % keys * PARTITIONS + number % PARTITIONS;
    e->at     = 1000000 + (weir_time)number;
}
WEIR_GENERATOR(numbers, event, make);
WEIR_KEY(by_key, event, key);

typedef struct counted {
    uint64_t count;
} counted;
WEIR_RECORD(counted, count);
static void update(outcome *out, const by_key *key, counted *state, const event *e)
{
    out->key   = key->key;
    out->count = ++state->count;
    out->last  = e->number;
}
WEIR_REDUCE(running, event, by_key, counted, outcome, update);

static void add(counted *c, const event *e)
{
    (void)e;
    c->count++;
}
static void merge(counted *c, const counted *more) { c->count += more->count; }
static bool result(outcome *out, const by_key *key, const weir_pane *pane, const counted *c)
{
    out->key   = key->key;
    out->count = c->count;
    out->last  = (uint64_t)pane->end;
    return true;
}
WEIR_AGGREGATE(windowed, event, by_key, counted, outcome, add, merge, result);

static weir_job *job_make(uint64_t events, struct external *sums, struct external *windows)
{
    const weir_generator_options options = {
        .events     = events,
        .partitions = PARTITIONS,
        .time       = { .field = "at", .align_within = 5000 },
    };
    weir_job        *job = weir_job_open("stressed");
    const weir_keyed in  = weir_key(weir_generate(job, &numbers, &options), &by_key_key);
    (void)external_sink(weir_reduce(in, &running), "sums-out", sums);
    (void)external_sink(weir_aggregate(in, weir_tumbling(3000), &windowed), "windows-out", windows);
    return job;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void wait_us(int64_t us) { nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL); }

// ---- other numbers of workers, from a thread of its own ----

struct rescaler {
    weir_run           *run;
    struct trial_random random;
    uint64_t            count;
    pthread_t           thread;
};

// Until the run has ended, or fails.
static void *rescale(void *opaque)
{
    struct rescaler *rescaler = opaque;
    for (;;) {
        char             *sentence = NULL;
        const weir_status status   = weir_run_rescale_any(
              rescaler->run, 1 + trial_below(&rescaler->random, 4), -1, NULL, &sentence);
        TRIAL_CHECK(status == WEIR_OK || status == WEIR_CONFLICT, "%s", sentence);
        free(sentence);
        if (status != WEIR_OK) {
            return NULL;
        }
        rescaler->count++;
        wait_us(trial_below(&rescaler->random, 20000));
    }
}

static uint64_t rescale_count;

// True: it has ended.
static bool live(struct trial_random *random, const char *directory, uint64_t events,
                 struct external *sums, struct external *windows, bool may_die)
{
    weir_job              *job     = job_make(events, sums, windows);
    const weir_run_options options = {
        .workers             = 1 + trial_below(random, 4),
        .is_unpinned         = true,
        .batch_bytes         = 4096,
        .checkpoints         = directory,
        .checkpoint_interval = 1000 + trial_below(random, 5000),
    };
    weir_run *run = weir_run_start(job, &options);
    TRIAL_CHECK(run != NULL, "%s", weir_job_error(job));
    struct rescaler rescaler = { .run = run, .random = { trial_next(random) } };
    const bool      rescales = trial_one_in(random, 2);
    TRIAL_CHECK(!rescales || pthread_create(&rescaler.thread, NULL, rescale, &rescaler) == 0,
                "no thread");
    const bool dies = may_die && !trial_one_in(random, 8);
    if (dies) {
        wait_us(trial_below(random, 60000));
        if (trial_one_in(random, 3)) {
            wr_run_fail_any(run, WEIR_FAILED, "failed on purpose");
        } else {
            weir_run_stop_any(run, false);
        }
    }
    if (rescales) {
        (void)pthread_join(rescaler.thread, NULL);
        rescale_count += rescaler.count;
    }
    const weir_status status = weir_run_close(run);
    TRIAL_CHECK(status == WEIR_OK || dies, "%s", weir_job_error(job));
    const bool has_ended =
        status == WEIR_OK && weir_job_sources_counter(job, WEIR_ROWS_OUT) == events;
    weir_job_close(job);
    return has_ended;
}

static void check_sums(const struct external *sums, uint64_t events)
{
    uint64_t *counts = calloc(keys * PARTITIONS, sizeof(*counts));
    uint64_t *lasts  = calloc(keys * PARTITIONS, sizeof(*lasts));
    for (uint64_t i = 0; i < sums->row_count; i++) {
        const outcome *o = (const outcome *)(const void *)(sums->rows + i * sizeof(*o));
        TRIAL_CHECK(o->count == ++counts[o->key], "key %" PRIu64 ": %" PRIu64 " and not %" PRIu64,
                    o->key, o->count, counts[o->key]);
        TRIAL_CHECK(counts[o->key] == 1 || o->last > lasts[o->key], "out of order");
        lasts[o->key] = o->last;
    }
    TRIAL_CHECK(sums->row_count == events, "%" PRIu64 " of %" PRIu64, sums->row_count, events);
    free(counts);
    free(lasts);
}

static void check_windows(const struct external *windows, uint64_t events)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < windows->row_count; i++) {
        total += ((const outcome *)(const void *)(windows->rows + i * sizeof(outcome)))->count;
    }
    TRIAL_CHECK(total == events, "windows hold %" PRIu64 " of %" PRIu64, total, events);
}

int main(int argc, char **argv)
{
    const uint64_t        seed     = trial_seed(argc, argv);
    const uint64_t        jobs     = trial_size(2, 12, 300);
    struct trial_random   random   = { seed };
    struct trial_watchdog watchdog = { 0 };
    uint64_t              lives    = 0;
    trial_watchdog_start(&watchdog);
    for (uint64_t i = 0; i < jobs; i++) {
        char            directory[] = "/tmp/weir-stress-XXXXXX";
        struct external sums, windows;
        TRIAL_CHECK(mkdtemp(directory) != NULL, "no directory");
        const uint64_t events = trial_size(60000, 1000000, 1000000);
        keys                  = 10u << trial_below(&random, 12);
        external_init(&sums, sizeof(outcome));
        external_init(&windows, sizeof(outcome));
        for (uint32_t life = 0; !live(&random, directory, events, &sums, &windows, life < 20);
             life++) {
            trial_progress(&watchdog);
            lives++;
        }
        check_sums(&sums, events);
        check_windows(&windows, events);
        external_fini(&sums);
        external_fini(&windows);
        (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        trial_progress(&watchdog);
    }
    trial_watchdog_stop(&watchdog);
    printf("lives: %" PRIu64 ", rescaled: %" PRIu64 "\ncases: %" PRIu64 "\n", lives + jobs,
           rescale_count, jobs);
    return 0;
}
