// A job that takes checkpoints, stopped, failed or given other workers, and run again.
#include "runtime/run/run.h"
#include "tests/support/external_sink.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <time.h>
#include <weir/run.h>
#include <weir/source.h>

typedef struct event {
    uint64_t  number, key;
    weir_time at;
} event;
WEIR_RECORD(event, number, key, at);

typedef struct outcome {
    uint64_t key, count;
} outcome;
WEIR_RECORD(outcome, key, count);

static const uint64_t EVENTS = 200000;

static void make(event *e, uint64_t number, weir_time due)
{
    (void)due;
    e->number = number;
    e->key    = number % 1000;
    e->at     = (weir_time)number;
}
WEIR_GENERATOR(numbers, event, make);
WEIR_KEY(by_key, event, key);

typedef struct counted {
    uint64_t count;
} counted;
WEIR_RECORD(counted, count);
static void count(outcome *out, const by_key *key, counted *state, const event *e)
{
    (void)e;
    out->key   = key->key;
    out->count = ++state->count;
}
WEIR_REDUCE(counting, event, by_key, counted, outcome, count);

// The same with a state of another type.
typedef struct narrow {
    uint32_t count;
} narrow;
WEIR_RECORD(narrow, count);
static void count_narrow(outcome *out, const by_key *key, narrow *state, const event *e)
{
    (void)e;
    out->key   = key->key;
    out->count = ++state->count;
}
WEIR_REDUCE(counting_narrow, event, by_key, narrow, outcome, count_narrow);

static struct external external;
static char            directory[64];

static void set_up(void)
{
    external_init(&external, sizeof(outcome));
    (void)snprintf(directory, sizeof(directory), "/tmp/weir-checkpoints-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void tear_down(void)
{
    external_fini(&external);
    (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(checkpoints, .init = set_up, .fini = tear_down, .timeout = 240);

struct variant {
    const char                *job, *name, *formerly;
    const weir_reduce_binding *reduce;
    double                     rate;
};

static weir_job *job_of(const struct variant *variant)
{
    const weir_generator_options options = {
        .events     = EVENTS,
        .partitions = 2,
        .rate       = variant->rate,
        .time       = { .field = "at" },
    };
    weir_job                  *job = weir_job_open(variant->job != NULL ? variant->job : "tested");
    weir_stream                in  = weir_generate(job, &numbers, &options);
    const weir_reduce_binding *reduce = variant->reduce != NULL ? variant->reduce : &counting;
    weir_stream                out    = weir_reduce(weir_key(in, &by_key_key), reduce);
    out = weir_name(out, variant->name != NULL ? variant->name : "counting");
    if (variant->formerly != NULL) {
        (void)weir_formerly(out, variant->formerly);
    }
    (void)external_sink(out, "out", &external);
    return job;
}

static weir_run_options options_of(uint32_t workers)
{
    return (weir_run_options){
        .workers             = workers,
        .is_unpinned         = true,
        .batch_bytes         = 4096,
        .checkpoints         = directory,
        .checkpoint_interval = 2000,
    };
}

// Starts, waits until something has been committed, and stops without a drain.
static void run_and_stop(const struct variant *variant, uint32_t workers)
{
    weir_job              *job     = job_of(variant);
    const weir_run_options options = options_of(workers);
    weir_run              *run     = weir_run_start(job, &options);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    uint64_t before = 0;
    (void)pthread_mutex_lock(&external.lock);
    before = external.row_count;
    (void)pthread_mutex_unlock(&external.lock);
    for (uint64_t now = before; now == before && weir_run_wait(run, 0) == WEIR_TIMED_OUT;) {
        nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
        (void)pthread_mutex_lock(&external.lock);
        now = external.row_count;
        (void)pthread_mutex_unlock(&external.lock);
    }
    weir_run_stop_any(run, false);
    cr_assert_eq(weir_run_close(run), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
}

static void run_to_the_end(const struct variant *variant, uint32_t workers)
{
    weir_job              *job     = job_of(variant);
    const weir_run_options options = options_of(workers);
    cr_assert_eq(weir_job_run(job, &options), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
}

static void every_event_counted_once(void)
{
    uint64_t counts[1000] = { 0 };
    for (uint64_t i = 0; i < external.row_count; i++) {
        const outcome *o = (const outcome *)(const void *)(external.rows + i * sizeof(*o));
        cr_assert_eq(o->count, ++counts[o->key]);
    }
    cr_assert_eq(external.row_count, EVENTS);
}

static void is_refused(const struct variant *variant, weir_status status, const char *words)
{
    weir_job              *job     = job_of(variant);
    const weir_run_options options = options_of(2);
    cr_assert_eq(weir_job_run(job, &options), status, "%s", weir_job_error(job));
    cr_assert_not_null(strstr(weir_job_error(job), words), "%s", weir_job_error(job));
    weir_job_close(job);
}

static const struct variant plain = { .job = NULL };

Test(checkpoints, of_a_job_that_runs_to_its_end_show_each_row_once)
{
    run_to_the_end(&plain, 2);
    every_event_counted_once();
}

Test(checkpoints, let_a_stopped_job_go_on_with_other_numbers_of_workers)
{
    const uint32_t workers[] = { 1, 3, 2, 4 };
    for (uint32_t i = 0; i < 4; i++) {
        run_and_stop(&plain, workers[i]);
    }
    run_to_the_end(&plain, 2);
    every_event_counted_once();
}

Test(checkpoints, commit_what_was_prepared_when_the_commit_had_failed)
{
    external.fails_in          = 1; // there may be no more, on a slow machine
    weir_job        *job       = job_of(&plain);
    weir_run_options options   = options_of(2);
    options.restart_rule.kind  = WEIR_RESTART_FIXED;
    options.restart_rule.most  = 1;
    options.restart_rule.delay = 1000;
    cr_assert_eq(weir_job_run(job, &options), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
    cr_assert_eq(external.recoveries, 2);
    cr_assert_gt(external.committed_late, 0);
    every_event_counted_once();
}

Test(checkpoints, of_a_job_that_had_ended_leave_nothing_to_do)
{
    run_to_the_end(&plain, 2);
    run_to_the_end(&plain, 3);
    every_event_counted_once();
}

// The greatest number of a checkpoint in the directory.
static uint64_t newest;
static int      note_newest(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    const char *name = strstr(path, "/manifest-");
    if (name != NULL) {
        const uint64_t number = strtoull(name + strlen("/manifest-"), NULL, 10);
        newest                = number > newest ? number : newest;
    }
    return 0;
}

Test(checkpoints, of_a_job_that_had_ended_stay_as_they_are_when_it_is_run_again)
{
    run_to_the_end(&plain, 2);
    (void)nftw(directory, note_newest, 16, FTW_PHYS);
    const uint64_t last = newest;
    cr_assert_gt(last, 0);
    for (uint32_t workers = 1; workers < 4; workers++) {
        run_to_the_end(&plain, workers);
        (void)nftw(directory, note_newest, 16, FTW_PHYS);
        cr_assert_eq(newest, last, "%llu", (unsigned long long)newest);
    }
    every_event_counted_once();
}

// Else it would be one that was stopped, with something left to do.
Test(checkpoints, of_a_job_that_had_ended_stay_as_they_are_when_it_is_stopped)
{
    run_to_the_end(&plain, 2);
    (void)nftw(directory, note_newest, 16, FTW_PHYS);
    const uint64_t         last    = newest;
    weir_job              *job     = job_of(&plain);
    const weir_run_options options = options_of(2);
    weir_run              *run     = weir_run_start(job, &options);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    weir_run_stop_any(run, false);
    cr_assert_eq(weir_run_close(run), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
    (void)nftw(directory, note_newest, 16, FTW_PHYS);
    cr_assert_eq(newest, last, "%llu", (unsigned long long)newest);
}

Test(checkpoints, that_are_refused_are_not_said_to_leave_nothing_to_do)
{
    char path[80], said[1000];
    (void)snprintf(path, sizeof(path), "%s/said", directory);
    run_to_the_end(&plain, 2);
    cr_assert_not_null(freopen(path, "w+", stderr));
    is_refused(&(struct variant){ .name = "tallied" }, WEIR_MISMATCH, "the job has none of that");
    run_to_the_end(&plain, 2);
    rewind(stderr);
    cr_assert_not_null(fgets(said, sizeof(said), stderr));
    cr_assert_not_null(strstr(said, "nothing is left to do"), "%s", said);
    cr_assert_null(fgets(said, sizeof(said), stderr), "%s", said); // the second run's alone
}

Test(checkpoints, are_not_taken_while_a_job_rests)
{
    const struct variant   slow    = { .rate = 0.001 }; // one event, then nothing for long
    weir_job              *job     = job_of(&slow);
    const weir_run_options options = options_of(1);
    weir_run              *run     = weir_run_start(job, &options);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    cr_assert_eq(weir_run_wait(run, 400000), WEIR_TIMED_OUT); // some 200 intervals
    weir_run_stop_any(run, false);
    cr_assert_eq(weir_run_close(run), WEIR_OK);
    weir_job_close(job);
    (void)nftw(directory, note_newest, 16, FTW_PHYS);
    cr_assert_gt(newest, 0);
    cr_assert_lt(newest, 20, "%llu", (unsigned long long)newest);
}

Test(checkpoints, are_held_by_one_run_at_a_time)
{
    const struct variant   slow    = { .rate = 1000 };
    weir_job              *job     = job_of(&slow);
    const weir_run_options options = options_of(1);
    weir_run              *run     = weir_run_start(job, &options);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    is_refused(&plain, WEIR_CONFLICT, directory);
    weir_run_stop_any(run, false);
    cr_assert_eq(weir_run_close(run), WEIR_OK);
    weir_job_close(job);
}

Test(checkpoints, of_another_job_are_refused_by_name)
{
    run_and_stop(&plain, 2);
    is_refused(&(struct variant){ .job = "other" }, WEIR_MISMATCH, "it is not of the job other");
}

Test(checkpoints, of_an_operator_that_was_renamed_are_refused_by_name)
{
    run_and_stop(&plain, 2);
    is_refused(&(struct variant){ .name = "tallied" }, WEIR_MISMATCH,
               "it has state of the operator counting, and the job has none of that name");
}

Test(checkpoints, of_an_operator_that_was_renamed_are_taken_where_that_is_declared)
{
    const struct variant renamed = { .name = "tallied", .formerly = "counting" };
    run_and_stop(&plain, 2);
    run_and_stop(&renamed, 3);
    run_to_the_end(&renamed, 2); // what is there now has its name already
    every_event_counted_once();
}

Test(checkpoints, of_a_field_that_was_narrowed_are_refused_by_its_name)
{
    run_and_stop(&plain, 2);
    is_refused(&(struct variant){ .reduce = &counting_narrow }, WEIR_MISMATCH, "counting: states");
}

Test(checkpoints, that_are_not_there_cannot_be_chosen)
{
    run_and_stop(&plain, 2);
    weir_job        *job     = job_of(&plain);
    weir_run_options options = options_of(2);
    options.restore          = "999999";
    cr_assert_eq(weir_job_run(job, &options), WEIR_NOT_FOUND, "%s", weir_job_error(job));
    weir_job_close(job);
}

// From a savepoint the part behind it is made again.
Test(checkpoints, that_are_savepoints_are_gone_on_from_in_another_directory)
{
    const struct variant   paced   = { .rate = 400000 };
    weir_job              *job     = job_of(&paced);
    const weir_run_options options = options_of(2);
    weir_run              *run     = weir_run_start(job, &options);
    char                   saved[80], other[80];
    char                  *sentence = NULL;
    (void)snprintf(saved, sizeof(saved), "%s/saved", directory);
    (void)snprintf(other, sizeof(other), "%s/other", directory);
    nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    cr_assert_eq(weir_run_savepoint_any(run, saved, -1, &sentence), WEIR_OK, "%s", sentence);
    cr_assert_eq(weir_run_savepoint_any(run, saved, -1, &sentence), WEIR_CONFLICT);
    cr_assert_not_null(strstr(sentence, saved), "%s", sentence);
    free(sentence);
    cr_assert_eq(weir_run_close(run), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
    every_event_counted_once();

    external.row_count     = 0;
    weir_job        *again = job_of(&plain);
    weir_run_options from  = options_of(3);
    from.restore           = saved;
    cr_assert_eq(weir_job_run(again, &from), WEIR_CONFLICT, "%s", weir_job_error(again));
    cr_assert_not_null(strstr(weir_job_error(again), "leave restore"), "%s", weir_job_error(again));
    weir_job_close(again);
    again            = job_of(&plain);
    from.checkpoints = other;
    cr_assert_eq(weir_job_run(again, &from), WEIR_OK, "%s", weir_job_error(again));
    weir_job_close(again);
    cr_assert_gt(external.row_count, 0);
    cr_assert_lt(external.row_count, EVENTS);
    uint64_t counts[1000] = { 0 };
    for (uint64_t i = 0; i < external.row_count; i++) {
        const outcome *o = (const outcome *)(const void *)(external.rows + i * sizeof(*o));
        cr_assert(counts[o->key] == 0 || o->count == counts[o->key] + 1);
        counts[o->key] = o->count;
    }
    for (uint64_t key = 0; key < 1000; key++) {
        cr_assert_eq(counts[key], EVENTS / 1000);
    }
}

Test(checkpoints, are_chosen_by_number_or_latest)
{
    weir_job        *job     = job_of(&plain);
    weir_run_options options = options_of(2);
    options.restore          = "0";
    cr_assert_eq(weir_job_run(job, &options), WEIR_USAGE);
    cr_assert_not_null(strstr(weir_job_error(job), "\"latest\", the number"), "%s",
                       weir_job_error(job));
    weir_job_close(job);
}

Test(checkpoints, that_a_run_does_not_take_have_no_options)
{
    for (uint32_t i = 0; i < 4; i++) {
        weir_job        *job        = job_of(&plain);
        weir_run_options options    = { .workers = 1, .is_unpinned = true };
        const char      *names[]    = { "restore", "checkpoint_interval", "checkpoint_timeout",
                                        "checkpoints_kept" };
        options.restore             = i == 0 ? "5" : NULL;
        options.checkpoint_interval = i == 1;
        options.checkpoint_timeout  = i == 2;
        options.checkpoints_kept    = i == 3;
        cr_assert_eq(weir_job_run(job, &options), WEIR_USAGE);
        cr_assert_not_null(strstr(weir_job_error(job), names[i]), "%s", weir_job_error(job));
        cr_assert_not_null(strstr(weir_job_error(job), "(--checkpoints DIR)"));
        weir_job_close(job);
    }
}

// ---- other numbers of workers ----

static weir_status rescale(weir_run *run, uint32_t workers, const char *words)
{
    char             *sentence = NULL;
    const weir_status status   = weir_run_rescale_any(run, workers, -1, NULL, &sentence);
    cr_assert((status == WEIR_OK) == (sentence == NULL));
    cr_assert(status == WEIR_OK || strstr(sentence, words) != NULL, "%s", sentence);
    free(sentence);
    return status;
}

static void set_down(bool is_down)
{
    (void)pthread_mutex_lock(&external.lock);
    external.is_down = is_down;
    (void)pthread_mutex_unlock(&external.lock);
}

Test(checkpoints, another_number_of_workers_that_cannot_be_opened_leaves_the_job_as_it_was)
{
    const struct variant   paced   = { .rate = 400000 };
    weir_job              *job     = job_of(&paced);
    const weir_run_options options = options_of(2);
    weir_run              *run     = weir_run_start(job, &options);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    set_down(true);
    cr_assert_eq(rescale(run, 3, "out: the external system is down"), WEIR_UNREACHABLE);
    set_down(false);
    cr_assert_eq(rescale(run, 4, ""), WEIR_OK);
    cr_assert_eq(weir_run_close(run), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
    every_event_counted_once();
}

Test(checkpoints, the_number_of_workers_that_there_are_is_no_change_until_the_run_has_ended)
{
    const struct variant   paced     = { .rate = 400000 };
    weir_job              *job       = job_of(&paced);
    const weir_run_options options   = options_of(2);
    weir_run              *run       = weir_run_start(job, &options);
    int64_t                paused_us = -1;
    cr_assert_not_null(run, "%s", weir_job_error(job));
    set_down(true); // nothing is opened for it
    cr_assert_eq(weir_run_rescale_any(run, 2, -1, &paused_us, NULL), WEIR_OK);
    cr_assert_eq(paused_us, 0);
    set_down(false);
    cr_assert_eq(weir_run_wait(run, -1), WEIR_OK);
    cr_assert_eq(rescale(run, 2, "the run has ended"), WEIR_CONFLICT);
    cr_assert_eq(weir_run_close(run), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
    every_event_counted_once();
}

Test(checkpoints, another_number_of_workers_leaves_a_mistake_of_the_job_alone)
{
    const struct variant   paced   = { .rate = 400000 };
    weir_job              *job     = job_of(&paced);
    const weir_run_options options = options_of(2);
    weir_run              *run     = weir_run_start(job, &options);
    cr_assert_null(weir_run_start(job, &options));
    cr_assert_eq(rescale(run, 1, ""), WEIR_OK);
    cr_assert_not_null(weir_job_error(job));
    (void)weir_run_close(run);
    weir_job_close(job);
    every_event_counted_once();
}

// By then the new workers run.
Test(checkpoints, what_cannot_be_prepared_at_a_change_of_workers_fails_the_run_which_goes_on_again)
{
    for (uint32_t in = 1; in < 6; in++) {
        const struct variant   paced   = { .rate = 400000 };
        weir_job              *job     = job_of(&paced);
        const weir_run_options options = options_of(2);
        weir_run              *run     = weir_run_start(job, &options);
        cr_assert_not_null(run, "%s", weir_job_error(job));
        (void)pthread_mutex_lock(&external.lock);
        external.prepare_fails_in = in;
        (void)pthread_mutex_unlock(&external.lock);
        for (uint32_t i = 0; rescale(run, 1 + (in + i) % 3, "the run has failed") == WEIR_OK; i++) {
        }
        cr_assert_eq(weir_run_close(run), WEIR_FULL, "%s", weir_job_error(job));
        weir_job_close(job);
    }
    run_to_the_end(&plain, 2);
    every_event_counted_once();
}
