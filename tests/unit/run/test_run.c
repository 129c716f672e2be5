// Running jobs through the public calls: twice, two at once, stopped, refused, never.
#include <weir.h>

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// ---- a job that adds up numbers ----

typedef struct number {
    weir_time at;
    uint64_t  value;
} number;
WEIR_RECORD(number, at, value);

static void make_number(number *n, uint64_t i, weir_time due)
{
    (void)due;
    n->at    = (weir_time)i;
    n->value = i;
}
WEIR_GENERATOR(numbers, number, make_number);

static bool is_even(const number *n) { return n->value % 2 == 0; }
WEIR_FILTER(even, number, is_even);
WEIR_KEY(by_value, number, value);

typedef struct total {
    uint64_t count, sum;
} total;
WEIR_RECORD(total, count, sum);

static void add(total *t, const number *n)
{
    t->count++;
    t->sum += n->value;
}
static void merge(total *t, const total *more)
{
    t->count += more->count;
    t->sum += more->sum;
}
static void to_total(total *out, const by_value *key, const weir_pane *pane, const total *t)
{
    (void)key;
    (void)pane;
    *out = *t;
}
WEIR_AGGREGATE(totals, number, by_value, total, total, add, merge, to_total);

static void take(total *local, const total *t) { merge(local, t); }
static void finish(total *local, void *into) { merge(into, local); }
WEIR_SINK(add_up, total, total, take, finish);

#define COUNT UINT64_C(20000)

// The even numbers below `events` (0: no end), each in a window of its own key.
static weir_job *job_open(const char *name, uint64_t events, total *result)
{
    const weir_generator_options options = { .events     = events,
                                             .partitions = 2,
                                             .time       = { .field = "at" } };
    weir_job                    *job     = weir_job_open(name);
    weir_stream chosen = weir_filter(weir_generate(job, &numbers, &options), &even);
    weir_stream summed =
        weir_aggregate(weir_key(chosen, &by_value_key), weir_tumbling(1000), &totals);
    (void)weir_sink(summed, &add_up, result);
    return job;
}

static void expect_total(const total *result, uint64_t times)
{
    cr_expect_eq(result->count, times * COUNT / 2, "%lu", result->count);
    cr_expect_eq(result->sum, times * (COUNT / 2) * (COUNT / 2 - 1), "%lu", result->sum);
}

static const weir_run_options two_workers = { .workers = 2 };

static void expect_error(const weir_job *job, weir_status status, const char *words)
{
    cr_assert_not_null(weir_job_error(job));
    cr_expect_not_null(strstr(weir_job_error(job), words), "%s", weir_job_error(job));
    cr_expect_eq(weir_job_status(job), status, "%d", weir_job_status(job));
}

// ---- running ----

Test(run, ends_when_its_sources_end)
{
    total     result = { 0 };
    weir_job *job    = job_open("once", COUNT, &result);
    cr_expect_eq(weir_job_run(job, &two_workers), WEIR_OK);
    expect_total(&result, 1);
    cr_expect_null(weir_job_error(job));
    weir_job_close(job);
}

Test(run, of_a_job_may_be_repeated)
{
    total     result = { 0 };
    weir_job *job    = job_open("twice", COUNT, &result);
    cr_expect_eq(weir_job_run(job, &two_workers), WEIR_OK);
    expect_total(&result, 1);
    cr_expect_eq(weir_job_run(job, &two_workers), WEIR_OK);
    expect_total(&result, 2);
    weir_job_close(job);
}

Test(run, may_have_other_options_than_the_last)
{
    total                  result    = { 0 };
    weir_job              *job       = job_open("options", COUNT, &result);
    const weir_run_options several[] = { { .workers = 1 },
                                         { .workers = 5, .batch_bytes = 1024, .credits = 2 },
                                         { .workers = 3, .is_simulated = true, .seed = 7 },
                                         { .is_unpinned = true, .spin_us = -1 } };
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(weir_job_run(job, &several[i]), WEIR_OK, "options %zu: %s", i,
                     weir_job_error(job));
        expect_total(&result, i + 1);
    }
    weir_job_close(job);
}

Test(run, shares_a_process_with_another)
{
    total     results[2] = { { 0 }, { 0 } };
    weir_job *jobs[2] = { job_open("left", COUNT, &results[0]), job_open("right", 0, &results[1]) };
    weir_run *runs[2];
    for (int i = 0; i < 2; i++) {
        runs[i] = weir_run_start(jobs[i], &two_workers);
        cr_assert_not_null(runs[i]);
    }
    cr_expect_eq(weir_run_close(runs[0]), WEIR_OK);
    expect_total(&results[0], 1);
    weir_job_close(jobs[0]);
    // The other has not been touched by the end of the first.
    cr_expect_eq(weir_run_wait(runs[1], 0), WEIR_TIMED_OUT);
    while (weir_job_counter(jobs[1], "even", WEIR_ROWS_OUT) == 0) {
        (void)usleep(1000);
    }
    weir_run_stop_any(runs[1], true);
    cr_expect_eq(weir_run_close(runs[1]), WEIR_OK);
    cr_expect_eq(results[1].count, weir_job_counter(jobs[1], "even", WEIR_ROWS_OUT));
    cr_expect_gt(results[1].count, 0);
    weir_job_close(jobs[1]);
}

Test(run, of_a_running_job_is_refused)
{
    total     result = { 0 };
    weir_job *job    = job_open("busy", 0, &result);
    weir_run *run    = weir_run_start(job, &two_workers);
    cr_assert_not_null(run);
    cr_expect_null(weir_run_start(job, &two_workers));
    expect_error(job, WEIR_CONFLICT, "busy: the job is running already");
    weir_run_stop_any(run, false);
    cr_expect_eq(weir_run_close(run), WEIR_OK);
    weir_job_close(job);
}

// ---- waiting and stopping ----

Test(wait, tells_that_the_job_still_runs)
{
    total     result = { 0 };
    weir_job *job    = job_open("endless", 0, &result);
    weir_run *run    = weir_run_start(job, &two_workers);
    cr_expect_eq(weir_run_wait(run, 0), WEIR_TIMED_OUT);
    cr_expect_eq(weir_run_wait(run, 20000), WEIR_TIMED_OUT);
    weir_run_stop_any(run, false);
    cr_expect_eq(weir_run_wait(run, -1), WEIR_OK);
    cr_expect_eq(weir_run_wait(run, 0), WEIR_OK);
    cr_expect_eq(weir_run_close(run), WEIR_OK);
    weir_job_close(job);
}

static total stop_after_some_rows(const weir_run_options *options, bool drain, uint64_t *sent)
{
    total     result = { 0 };
    weir_job *job    = job_open("stopped", 0, &result);
    weir_run *run    = weir_run_start(job, options);
    cr_assert_not_null(run);
    while (weir_job_sources_counter(job, WEIR_ROWS_OUT) < COUNT) {
        (void)usleep(1000);
    }
    weir_run_stop_any(run, drain);
    cr_expect_eq(weir_run_close(run), WEIR_OK);
    *sent = weir_job_counter(job, "even", WEIR_ROWS_OUT);
    weir_job_close(job);
    return result;
}

Test(stop, with_drain_closes_every_window)
{
    uint64_t    sent   = 0;
    const total result = stop_after_some_rows(&two_workers, true, &sent);
    cr_expect_eq(result.count, sent, "%lu of %lu", result.count, sent);
}

Test(stop, without_drain_leaves_windows_open)
{
    uint64_t    sent   = 0;
    const total result = stop_after_some_rows(&two_workers, false, &sent);
    cr_expect_lt(result.count, sent, "%lu of %lu", result.count, sent);
}

// The one that has ended says so by a drain, the other is cut off: what is open stays open.
Test(stop, without_drain_leaves_windows_open_when_another_source_has_ended)
{
    const weir_generator_options short_one = { .name   = "short",
                                               .events = COUNT,
                                               .time   = { .field = "at", .align_within = -1 } };
    const weir_generator_options endless   = { .time = { .field = "at", .align_within = -1 } };
    total                        result    = { 0 };
    weir_job                    *job       = weir_job_open("one of two");
    const weir_stream both = weir_union((weir_stream[]){ weir_generate(job, &numbers, &short_one),
                                                         weir_generate(job, &numbers, &endless) },
                                        2);
    (void)weir_sink(weir_aggregate(weir_key(weir_filter(both, &even), &by_value_key),
                                   weir_tumbling(1000), &totals),
                    &add_up, &result);
    weir_run *run = weir_run_start(job, &two_workers);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    while (weir_job_counter(job, "short", WEIR_ROWS_OUT) < COUNT ||
           weir_job_counter(job, "numbers", WEIR_ROWS_OUT) < COUNT) {
        (void)usleep(1000);
    }
    (void)usleep(20000); // nearly always the short one has been polled for its end by then
    weir_run_stop_any(run, false);
    cr_expect_eq(weir_run_close(run), WEIR_OK);
    cr_expect_lt(result.count, weir_job_counter(job, "even", WEIR_ROWS_OUT), "%lu", result.count);
    weir_job_close(job);
}

Test(stop, ends_a_simulated_run)
{
    const weir_run_options simulated = { .workers = 3, .is_simulated = true, .seed = 11 };
    uint64_t               sent      = 0;
    const total            result    = stop_after_some_rows(&simulated, true, &sent);
    cr_expect_eq(result.count, sent, "%lu of %lu", result.count, sent);
}

// ---- what does not run ----

Test(job, may_be_closed_without_a_run)
{
    total result = { 0 };
    weir_job_close(job_open("unused", COUNT, &result));
    weir_job_close(weir_job_open("empty"));
    weir_job_close(NULL);
    cr_expect_eq(result.count, 0);
}

Test(job, may_be_closed_after_a_plan)
{
    total     result = { 0 };
    weir_job *job    = job_open("planned", COUNT, &result);
    FILE     *to     = tmpfile();
    cr_expect_eq(weir_job_plan(job, &two_workers, true, to), WEIR_OK);
    cr_expect_gt(ftell(to), 0);
    (void)fclose(to);
    weir_job_close(job);
    cr_expect_eq(result.count, 0);
}

Test(job, that_is_empty_does_not_run)
{
    weir_job *job = weir_job_open("empty");
    cr_expect_eq(weir_job_run(job, NULL), WEIR_USAGE);
    expect_error(job, WEIR_USAGE, "empty: the job is empty");
    weir_job_close(job);
}

Test(job, with_a_mistake_does_not_run)
{
    total     result = { 0 };
    weir_job *job    = job_open("mistaken", COUNT, &result);
    (void)weir_sink(weir_branch(weir_generate(job, &numbers, NULL), 3), &add_up, &result);
    expect_error(job, WEIR_USAGE, "mistaken: ");
    char *said = strdup(weir_job_error(job));
    cr_expect_eq(weir_job_run(job, NULL), WEIR_USAGE);
    cr_expect_null(weir_run_start(job, NULL));
    cr_expect_eq(weir_job_plan(job, NULL, false, stderr), WEIR_USAGE);
    cr_expect_eq(weir_job_memory_bound(job, NULL), 0);
    cr_expect_str_eq(weir_job_error(job), said, "the first mistake stays");
    cr_expect_eq(result.count, 0);
    free(said);
    weir_job_close(job);
}

Test(job, with_a_wrong_list_of_cores_does_not_run)
{
    const weir_run_options nowhere = { .workers = 1, .cpus = "99999" };
    total                  result  = { 0 };
    weir_job              *job     = job_open("nowhere", COUNT, &result);
    cr_expect_eq(weir_job_run(job, &nowhere), WEIR_USAGE);
    expect_error(job, WEIR_USAGE, "99999");
    weir_job_close(job);
}

// ---- failing ----

WEIR_EMITS(too_many, number);
static void emit_too_many(weir_call *call, const number *n)
{
    for (int i = 0; i < 3; i++) {
        *too_many_emit(call) = *n;
    }
}
WEIR_FLAT_MAP_MOST(too_many, number, number, emit_too_many, 2);

static void take_any(total *local, const number *n) { add(local, n); }
WEIR_SINK(count_any, number, total, take_any, finish);

Test(failure, of_an_operator_ends_the_run_with_its_sentence)
{
    total     result = { 0 };
    weir_job *job    = weir_job_open("greedy");
    (void)weir_sink(weir_flat_map(weir_generate(job, &numbers, NULL), &too_many), &count_any,
                    &result);
    cr_expect_eq(weir_job_run(job, &two_workers), WEIR_FAILED);
    expect_error(job, WEIR_FAILED, "too_many: one call emitted more than the 2 records");
    cr_expect_eq(weir_job_run(job, &two_workers), WEIR_FAILED, "a failed job stays failed");
    weir_job_close(job);
}

// ---- what can be read ----

Test(counter, stays_after_the_run)
{
    total     result = { 0 };
    weir_job *job    = job_open("counted", COUNT, &result);
    cr_expect_eq(weir_job_counter(job, "even", WEIR_ROWS_IN), 0);
    cr_expect_eq(weir_job_run(job, &two_workers), WEIR_OK);
    cr_expect_eq(weir_job_counter(job, "numbers", WEIR_ROWS_OUT), COUNT);
    cr_expect_eq(weir_job_counter(job, "even", WEIR_ROWS_IN), COUNT);
    cr_expect_eq(weir_job_counter(job, "even", WEIR_ROWS_OUT), COUNT / 2);
    cr_expect_eq(weir_job_counter(job, "even", WEIR_FILTERED), COUNT / 2);
    cr_expect_eq(weir_job_sources_counter(job, WEIR_ROWS_OUT), COUNT);
    cr_expect_eq(weir_job_counter(job, "odd", WEIR_ROWS_OUT), 0);
    weir_job_close(job);
}

Test(memory_bound, counts_batches_and_the_state_budget)
{
    const weir_run_options with_state = { .workers = 2, .state_budget = 1 << 20 };
    const weir_run_options more       = { .workers = 4 };
    total                  result     = { 0 };
    weir_job              *job        = job_open("bounded", COUNT, &result);
    const uint64_t         batches    = weir_job_memory_bound(job, &two_workers);
    cr_expect_gt(batches, 0);
    cr_expect_eq(weir_job_memory_bound(job, &with_state), batches + (1 << 20));
    cr_expect_gt(weir_job_memory_bound(job, &more), batches);
    weir_job_close(job);
}
