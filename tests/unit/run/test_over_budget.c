// What a job does whose state comes to its budget: it fails, spills, or slows its sources.
#include "runtime/plan/plan.h"
#include "runtime/run/run.h"
#include "tests/support/run_turns.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <weir/test.h>

typedef struct number {
    weir_time at;
    uint64_t  value;
} number;
WEIR_RECORD(number, at, value);

static const uint64_t COUNT = 400000;
static const uint64_t KEYS  = 100000;

static void make_number(number *n, uint64_t i, weir_time due)
{
    (void)due;
    n->at    = (weir_time)i;
    n->value = i % KEYS;
}
WEIR_GENERATOR(numbers, number, make_number);
WEIR_KEY(by_value, number, value);

typedef struct counted {
    uint64_t count;
} counted;
WEIR_RECORD(counted, count);

static void count(counted *out, const by_value *key, counted *state, const number *n)
{
    (void)key;
    (void)n;
    out->count = ++state->count;
}
WEIR_REDUCE(counts, number, by_value, counted, counted, count);

// How often a key was seen the first, second, ... time.
typedef struct rounds {
    uint64_t times[8];
} rounds;
WEIR_RECORD(rounds, times);

static void take(rounds *local, const counted *c) { local->times[c->count % 8]++; }
static void finish(rounds *local, void *into)
{
    for (uint32_t i = 0; i < 8; i++) {
        ((rounds *)into)->times[i] += local->times[i];
    }
}
WEIR_SINK(look, counted, rounds, take, finish);

static weir_job *job_open(rounds *into)
{
    const weir_generator_options options = { .events = COUNT, .partitions = 2 };
    weir_job                    *job     = weir_job_open("large");
    const weir_stream            all     = weir_generate(job, &numbers, &options);
    weir_sink(weir_reduce(weir_key(all, &by_value_key), &counts), &look, into);
    return job;
}

static void require_all_counted(const rounds *seen)
{
    for (uint32_t i = 1; i <= COUNT / KEYS; i++) {
        cr_assert_eq(seen->times[i], KEYS, "%u: %zu", i, (size_t)seen->times[i]);
    }
}

// ---- refused ----

Test(over_budget, is_refused_where_there_is_no_budget)
{
    const weir_run_options options = { .over_budget = WEIR_OVER_BUDGET_SPILL };
    rounds                 seen    = { { 0 } };
    weir_job              *job     = job_open(&seen);
    cr_assert_eq(weir_job_run(job, &options), WEIR_USAGE);
    cr_assert_str_eq(weir_job_error(job),
                     "large: over_budget says what happens over a state budget, but state_budget "
                     "is 0, which is none; give one");
    weir_job_close(job);
}

Test(over_budget, fails_by_name_unless_it_is_told_otherwise)
{
    const weir_run_options options = { .workers = 2, .state_budget = 256 << 10 };
    rounds                 seen    = { { 0 } };
    weir_job              *job     = job_open(&seen);
    cr_assert_eq(weir_job_run(job, &options), WEIR_FAILED);
    cr_assert_not_null(strstr(weir_job_error(job), "large: counts"), "%s", weir_job_error(job));
    cr_assert_not_null(strstr(weir_job_error(job), "state budget"), "%s", weir_job_error(job));
    weir_job_close(job);
}

// ---- spilling ----

static uint32_t names_in(const char *directory)
{
    DIR     *opened = opendir(directory);
    uint32_t count  = 0;
    cr_assert_not_null(opened);
    while (readdir(opened) != NULL) {
        count++;
    }
    closedir(opened);
    return count;
}

Test(over_budget, spills_and_gives_what_it_gives_in_memory)
{
    char                   directory[] = "/tmp/weir-spill-XXXXXX";
    const weir_run_options options     = { .workers         = 2,
                                           .state_budget    = 256 << 10,
                                           .over_budget     = WEIR_OVER_BUDGET_SPILL,
                                           .spill_directory = mkdtemp(directory) };
    rounds                 seen        = { { 0 } };
    weir_job              *job         = job_open(&seen);
    weir_run              *run         = weir_run_start(job, &options);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    cr_assert_eq(weir_run_wait(run, -1), WEIR_OK);
    uint64_t read = 0;
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        if (run->now->tasks[i]->spill != NULL) {
            read += wr_spill_facts(run->now->tasks[i]->spill).read;
        }
    }
    cr_assert_gt(read, 1000);
    cr_assert_eq(names_in(directory), 2); // . and ..: the files have no names
    cr_assert_eq(weir_run_close(run), WEIR_OK);
    require_all_counted(&seen);
    weir_job_close(job);
    rmdir(directory);
}

Test(over_budget, names_the_directory_that_is_not_there)
{
    const weir_run_options options = { .state_budget    = 256 << 10,
                                       .over_budget     = WEIR_OVER_BUDGET_SPILL,
                                       .spill_directory = "/nowhere/at/all" };
    rounds                 seen    = { { 0 } };
    weir_job              *job     = job_open(&seen);
    cr_assert_eq(weir_job_run(job, &options), WEIR_NOT_FOUND);
    cr_assert_not_null(strstr(weir_job_error(job), "/nowhere/at/all"), "%s", weir_job_error(job));
    weir_job_close(job);
}

// The job's run in a simulation whose disk fails; what it says.
static char *run_with(void (*damage)(struct wr_environment *environment), weir_status *status)
{
    const weir_run_options options     = { .workers      = 2,
                                           .is_simulated = true,
                                           .seed         = 3,
                                           .state_budget = 256 << 10,
                                           .over_budget  = WEIR_OVER_BUDGET_SPILL };
    struct wr_environment *environment = wr_environment_open_simulated(3, false);
    rounds                 seen        = { { 0 } };
    weir_job              *job         = job_open(&seen);
    damage(environment);
    weir_run *run = wr_launch_still(job, &options, environment);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    *status = run_turns_take(run, options.seed, 0);
    cr_assert_eq(weir_run_close(run), *status);
    char *sentence = wr_copy_text(weir_job_error(job));
    weir_job_close(job);
    wr_environment_close(environment);
    return sentence;
}

static void reads_fail(struct wr_environment *environment)
{
    wr_simulation_fail(environment, WR_FAULT_READ, 500, EIO);
}

Test(over_budget, fails_by_name_when_state_cannot_be_read_again)
{
    weir_status status;
    char *const sentence = run_with(reads_fail, &status);
    cr_assert_eq(status, WEIR_DISK_FAILED);
    cr_assert_str_eq(sentence, "large: counts: state that was written to a file in / could not be "
                               "read again: Input/output error");
    wr_free(sentence);
}

static void disk_fills(struct wr_environment *environment)
{
    wr_simulation_fault_at(environment, 100, WR_DISK_ENOSPC);
}

Test(over_budget, fails_by_name_when_the_disk_is_full)
{
    weir_status status;
    char *const sentence = run_with(disk_fills, &status);
    cr_assert_eq(status, WEIR_FULL);
    cr_assert_not_null(strstr(sentence, "large: counts: state over the budget of"), "%s", sentence);
    cr_assert_not_null(strstr(sentence, "No space left on device"), "%s", sentence);
    wr_free(sentence);
}

// ---- slowing ----

static weir_test *slowed_open(weir_stream (*make)(weir_stream in))
{
    static const weir_test_source_options source  = { .time = { .field = "at" } };
    static const weir_test_options        options = { .workers      = 1,
                                                      .batch_bytes  = 2048,
                                                      .state_budget = 512 << 10,
                                                      .over_budget  = WEIR_OVER_BUDGET_SLOW };
    weir_job                             *job     = weir_job_open("slowed");
    weir_test_sink(make(weir_test_source(job, "numbers", &number_type, &source)), "out", NULL);
    return weir_test_open(job, &options);
}

// So many new keys from `first` on.
static void feed(weir_test *test, uint64_t first, uint64_t keys)
{
    number *fed = wr_alloc(keys * sizeof(*fed));
    for (uint64_t i = 0; i < keys; i++) {
        fed[i] = (number){ (weir_time)(first + i), first + i };
    }
    weir_test_feed(test, "numbers", 0, &number_type, fed, keys);
    weir_test_settle(test);
    wr_free(fed);
}

static uint64_t read_so_far(weir_test *test)
{
    return weir_test_counter(test, "numbers", WEIR_ROWS_OUT);
}

static weir_stream running(weir_stream in)
{
    return weir_reduce(weir_key(in, &by_value_key), &counts);
}

Test(over_budget, slows_sources_to_a_batch_every_ten_milliseconds)
{
    weir_test *test = slowed_open(running);
    feed(test, 0, 5000);
    cr_assert_eq(read_so_far(test), 5000); // there is room
    feed(test, 5000, 15000);
    const uint64_t before = read_so_far(test);
    cr_assert_lt(before, 20000);
    weir_test_advance(test, 10000);
    weir_test_settle(test);
    const uint64_t after = read_so_far(test);
    cr_assert_gt(after, before);
    cr_assert_leq(after, before + 2048 / sizeof(number));
    cr_assert_null(weir_test_error(test), "%s", weir_test_error(test));
    weir_test_close(test);
}

static void add(counted *c, const number *n)
{
    (void)n;
    c->count++;
}
static void merge(counted *c, const counted *more) { c->count += more->count; }
static void to_counted(counted *out, const by_value *key, const weir_pane *pane, const counted *c)
{
    (void)key;
    (void)pane;
    *out = *c;
}
WEIR_AGGREGATE(counted_keys, number, by_value, counted, counted, add, merge, to_counted);

static weir_stream in_windows(weir_stream in)
{
    return weir_aggregate(weir_key(in, &by_value_key), weir_tumbling(13000), &counted_keys);
}

Test(over_budget, lets_sources_go_on_when_windows_have_freed_state)
{
    weir_test *test  = slowed_open(in_windows);
    uint64_t   waits = 0;
    for (uint64_t first = 0; first < 78000; first += 13000) {
        feed(test, first, 13000);
        for (; read_so_far(test) < first + 13000 && waits < 2000; waits++) {
            weir_test_advance(test, 10000);
            weir_test_settle(test);
        }
        cr_assert_eq(read_so_far(test), first + 13000);
    }
    cr_assert_gt(waits, 0);
    weir_test_finish(test);
    cr_assert_null(weir_test_error(test), "%s", weir_test_error(test));
    cr_assert_eq(weir_collection_count(weir_test_committed(test, "out")), 78000);
    weir_test_close(test);
}
