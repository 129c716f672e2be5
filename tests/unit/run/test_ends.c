// What leaves a job at its end: count and global windows; and graphs with many readers.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <weir.h>

enum { EVENTS = 5003, KEYS = 7 };

typedef struct visit {
    weir_time at;
    uint64_t  page;
} visit;
WEIR_RECORD(visit, at, page);

static void make_visit(visit *v, uint64_t number, weir_time due)
{
    (void)due;
    v->at   = (weir_time)number * 1000;
    v->page = number % KEYS;
}
WEIR_GENERATOR(visits, visit, make_visit);
WEIR_KEY(by_page, visit, page);

typedef struct tally {
    uint64_t count;
} tally;
WEIR_RECORD(tally, count);

typedef struct page_count {
    uint64_t page, count;
} page_count;
WEIR_RECORD(page_count, page, count);

static void add_visit(tally *t, const visit *v)
{
    (void)v;
    t->count++;
}
static void add_tally(tally *t, const tally *more) { t->count += more->count; }
static void to_page_count(page_count *out, const by_page *key, const weir_pane *pane,
                          const tally *t)
{
    (void)pane;
    out->page  = key->page;
    out->count = t->count;
}
WEIR_AGGREGATE(counts, visit, by_page, tally, page_count, add_visit, add_tally, to_page_count);

static weir_stream add_source(weir_job *job)
{
    weir_generator_options options = { .events = EVENTS, .partitions = 2 };
    options.time.field             = "at";
    return weir_generate(job, &visits, &options);
}

// The sum of all counts, and how many results there were.
static uint64_t sum_of(weir_window window, uint32_t workers, size_t *results)
{
    weir_job        *job  = weir_job_open("ends");
    weir_collection *into = weir_collection_open();
    weir_stream      out = weir_aggregate(weir_key(add_source(job), &by_page_key), window, &counts);
    weir_run_options options = { .workers = workers };
    weir_collect(out, into);
    cr_assert_eq(weir_job_run(job, &options), WEIR_OK, "%s", weir_job_error(job));
    uint64_t sum = 0;
    *results     = weir_collection_count(into);
    for (size_t i = 0; i < *results; i++) {
        sum += ((const page_count *)weir_collection_at(into, i, NULL, NULL))->count;
    }
    weir_job_close(job);
    weir_collection_close(into);
    return sum;
}

Test(ends, global_windows_leave_one_result_a_key_at_the_end)
{
    for (uint32_t workers = 1; workers <= 5; workers += 2) {
        size_t results = 0;
        cr_expect_eq(sum_of(weir_global(), workers, &results), EVENTS, "%u workers", workers);
        cr_expect_eq(results, KEYS);
    }
}

Test(ends, count_windows_leave_what_is_left_at_the_end)
{
    for (uint32_t workers = 1; workers <= 5; workers += 2) {
        size_t results = 0;
        cr_expect_eq(sum_of(weir_count_window(100), workers, &results), EVENTS, "%u workers",
                     workers);
        cr_expect_eq(results, KEYS * (EVENTS / KEYS / 100 + 1));
    }
}

static void take_result(tally *local, const page_count *result)
{
    (void)result;
    local->count++;
}
static void add_results(tally *local, void *rows) { *(uint64_t *)rows += local->count; }
WEIR_SINK(count_results, page_count, tally, take_result, add_results);

// Runs one stream with so many keyed readers; the job's error, "" if there is none, in `error`.
static weir_status run_with_readers(uint32_t readers, uint64_t *rows, char *error, size_t bytes)
{
    static char      names[80][16];
    weir_job        *job     = weir_job_open("wide");
    weir_stream      in      = add_source(job);
    weir_run_options options = { .workers = 2 };
    for (uint32_t i = 0; i < readers; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "reader-%u", i);
        weir_stream out =
            weir_name(weir_aggregate(weir_key(in, &by_page_key), weir_global(), &counts), names[i]);
        weir_stream end = weir_sink(out, &count_results, rows);
        (void)snprintf(names[i], sizeof(names[i]), "sink-%u", i);
        weir_name(end, names[i]);
    }
    const weir_status status = weir_job_run(job, &options);
    (void)snprintf(error, bytes, "%s", weir_job_error(job) != NULL ? weir_job_error(job) : "");
    weir_job_close(job);
    return status;
}

Test(ends, forty_keyed_readers_of_one_stream_all_get_it)
{
    uint64_t rows = 0;
    char     error[300];
    cr_expect_eq(run_with_readers(40, &rows, error, sizeof(error)), WEIR_OK, "%s", error);
    cr_expect_eq(rows, 40 * KEYS);
}

Test(ends, more_readers_than_a_task_can_serve_are_refused)
{
    uint64_t rows = 0;
    char     error[300];
    cr_expect_eq(run_with_readers(70, &rows, error, sizeof(error)), WEIR_USAGE);
    cr_expect_not_null(strstr(error, "70 operators read it, but at most 63 can"), "%s", error);
    cr_expect_eq(rows, 0);
}
