// What a test says: rows that differ, and calls that are wrong.
#include "tests/support/visit_job.h"

#include <criterion/criterion.h>

static weir_test *two_counts(void)
{
    weir_test *test = visit_test(1, 1);
    visit_feed(test, 0, 1, 1);
    visit_feed(test, 0, 2, 2);
    visit_feed(test, 0, 3, 2);
    weir_test_finish(test);
    return test;
}

static void says(const char *found, const char *wanted)
{
    cr_expect_str_eq(found != NULL ? found : "nothing", wanted);
}

static const char *expect_counts(weir_test *test, const page_count *rows, size_t count,
                                 weir_test_order order)
{
    return weir_test_expect(test, "counts", &page_count_type, rows, count, order);
}

Test(expect, says_nothing_when_the_rows_are_those_expected)
{
    const page_count right[] = { { 0, 2, 2 }, { 0, 1, 1 } };
    weir_test       *test    = two_counts();
    cr_expect_null(expect_counts(test, right, 2, WEIR_TEST_ANY_ORDER));
    weir_test_close(test);
}

Test(expect, names_the_field_in_which_one_row_differs)
{
    const page_count wrong[] = { { 0, 2, 3 }, { 0, 1, 1 } };
    weir_test       *test    = two_counts();
    says(expect_counts(test, wrong, 2, WEIR_TEST_ANY_ORDER),
         "counts: 1 row differs in count: found 2, expected 3\n"
         "  found     {minute: 1970-01-01T00:00:00Z, page: 2, count: 2}\n"
         "  expected  {minute: 1970-01-01T00:00:00Z, page: 2, count: 3}");
    weir_test_close(test);
}

Test(expect, lists_rows_that_are_missing)
{
    const page_count wrong[] = { { 0, 2, 2 }, { 0, 1, 1 }, { 0, 1, 1 }, { 0, 1, 1 } };
    weir_test       *test    = two_counts();
    says(expect_counts(test, wrong, 4, WEIR_TEST_ANY_ORDER),
         "counts: 2 expected rows are missing\n"
         "  expected  {minute: 1970-01-01T00:00:00Z, page: 1, count: 1} 2 times");
    weir_test_close(test);
}

Test(expect, lists_rows_that_nobody_expected)
{
    weir_test *test = two_counts();
    says(expect_counts(test, NULL, 0, WEIR_TEST_ANY_ORDER),
         "counts: 2 rows found and not expected\n"
         "  found     {minute: 1970-01-01T00:00:00Z, page: 1, count: 1}\n"
         "  found     {minute: 1970-01-01T00:00:00Z, page: 2, count: 2}");
    weir_test_close(test);
}

Test(expect, names_the_first_row_that_is_out_of_order)
{
    weir_test *test = visit_test(1, 1);
    visit_feed(test, 0, 1, 1);
    visit_feed(test, 0, 61, 1);
    weir_test_finish(test);
    const page_count right[] = { { 0, 1, 1 }, { WEIR_MINUTES(1), 1, 1 } };
    const page_count wrong[] = { { WEIR_MINUTES(1), 1, 1 }, { 0, 1, 1 } };
    cr_expect_null(expect_counts(test, right, 2, WEIR_TEST_IN_ORDER));
    cr_expect_null(expect_counts(test, wrong, 2, WEIR_TEST_ANY_ORDER));
    says(expect_counts(test, wrong, 2, WEIR_TEST_IN_ORDER),
         "counts: row 0 differs in minute: found 1970-01-01T00:00:00Z, expected "
         "1970-01-01T00:01:00Z\n"
         "  found     {minute: 1970-01-01T00:00:00Z, page: 1, count: 1}\n"
         "  expected  {minute: 1970-01-01T00:01:00Z, page: 1, count: 1}");
    says(expect_counts(test, right, 1, WEIR_TEST_IN_ORDER),
         "counts: 2 rows found, 1 expected\n"
         "  found     {minute: 1970-01-01T00:01:00Z, page: 1, count: 1}\n"
         "  expected  nothing");
    weir_test_close(test);
}

Test(expect, begins_behind_what_was_taken)
{
    weir_test *test = two_counts();
    weir_test_take(test, "counts");
    cr_expect_null(expect_counts(test, NULL, 0, WEIR_TEST_ANY_ORDER));
    weir_test_close(test);
}

Test(expect, applies_changes_for_what_remains)
{
    const weir_test_source_options source = { .time = { .field = "at" } };
    weir_job                      *job    = weir_job_open("corrected");
    weir_stream                    visits = weir_test_source(job, "visits", &visit_type, &source);
    weir_window window = weir_allow_lateness(weir_tumbling(WEIR_MINUTES(1)), WEIR_MINUTES(5));
    weir_test_sink(weir_aggregate(weir_key(visits, &by_page_key), window, &page_counts), "counts",
                   "minute,page");
    weir_test *test = weir_test_open(job, NULL);
    visit_feed(test, 0, 1, 1);
    weir_test_watermark(test, "visits", 0, WEIR_MINUTES(2));
    weir_test_settle(test);
    visit_feed(test, 0, 2, 1);
    weir_test_watermark(test, "visits", 0, WEIR_MINUTES(3));
    weir_test_checkpoint(test);
    const page_count left    = { 0, 1, 2 };
    const char      *nothing = expect_counts(test, &left, 1, WEIR_TEST_REMAINING);
    cr_expect_null(nothing, "%s", nothing);
    cr_expect_not_null(expect_counts(test, &left, 1, WEIR_TEST_ANY_ORDER));
    weir_change change = WEIR_INSERT;
    (void)weir_collection_at(weir_test_committed(test, "counts"), 1, &change, NULL);
    cr_expect_eq(change, WEIR_UPDATE_AFTER);
    weir_test_close(test);
}

// ---- wrong use ----

Test(expect, wants_the_identity_of_rows_that_are_corrected)
{
    weir_window window       = weir_allow_lateness(weir_tumbling(WEIR_MINUTES(1)), WEIR_MINUTES(5));
    const char *identities[] = { NULL, "minute,side" };
    const char *sentences[]  = {
         "corrected: counts: its rows are corrected by later ones; give it the fields that name a "
          "row of page_count, \"a,b\"",
         "corrected: counts: its identity has the field \"side\", which page_count has not",
    };
    for (int i = 0; i < 2; i++) {
        weir_job   *job    = weir_job_open("corrected");
        weir_stream visits = visit_source(job);
        weir_test_sink(weir_aggregate(weir_key(visits, &by_page_key), window, &page_counts),
                       "counts", identities[i]);
        weir_test *test = weir_test_open(job, NULL);
        says(weir_test_error(test), sentences[i]);
        weir_test_close(test);
    }
}

Test(expect, names_the_sources_there_are)
{
    weir_test  *test = visit_test(1, 1);
    const visit v    = { 0 };
    weir_test_feed(test, "visit", 0, &visit_type, &v, 1);
    says(weir_test_error(test), "feed: the job has no test source named \"visit\"; it has visits");
    weir_test_close(test);
}

Test(expect, names_the_sinks_there_are)
{
    weir_test *test = visit_test(1, 1);
    cr_expect_eq(weir_collection_count(weir_test_committed(test, "nowhere")), 0);
    says(weir_test_error(test),
         "committed: the job has no test sink named \"nowhere\"; it has late, letters and counts");
    weir_test_close(test);
}

Test(expect, names_the_partitions_there_are)
{
    weir_test *test = visit_test(1, 1);
    visit_feed(test, 2, 1, 1);
    says(weir_test_error(test), "feed: visits has 2 partitions, from 0 to 1, and no 2");
    weir_test_close(test);
}

Test(expect, refuses_records_of_another_type)
{
    weir_test       *test = visit_test(1, 1);
    const page_count row  = { 0 };
    weir_test_feed(test, "visits", 0, &page_count_type, &row, 1);
    says(weir_test_error(test),
         "feed: visits sends records of type visit, and these are of type page_count");
    weir_test_close(test);
}

Test(expect, refuses_what_comes_after_the_end)
{
    weir_test *test = visit_test(1, 1);
    weir_test_end(test, "visits", 1);
    visit_feed(test, 1, 1, 1);
    says(weir_test_error(test),
         "feed: partition 1 of visits has ended; nothing may come after that");
    weir_test_close(test);
}

Test(expect, refuses_watermarks_where_there_is_no_event_time)
{
    weir_job *job = weir_job_open("timeless");
    weir_test_sink(weir_test_source(job, "visits", &visit_type, NULL), "out", NULL);
    weir_test *test = weir_test_open(job, NULL);
    weir_test_watermark(test, "visits", 0, 1);
    says(weir_test_error(test), "watermark: visits has no event time; name a weir_time field of "
                                "visit in .time.field");
    weir_test_close(test);
}

Test(expect, has_the_first_mistake_to_say_whatever_is_judged)
{
    weir_test *test = visit_test(1, 1);
    (void)weir_test_counter(test, "nobody", WEIR_ROWS_IN);
    weir_test_settle(test);
    weir_test_finish(test);
    says(expect_counts(test, NULL, 0, WEIR_TEST_ANY_ORDER),
         "counter: the job has no operator named \"nobody\"");
    weir_test_close(test);
}

Test(expect, has_the_mistake_of_a_job_that_cannot_be_built)
{
    weir_job *job = weir_job_open("broken");
    weir_test_source(job, "visits", &visit_type,
                     &(weir_test_source_options){ .time = { .field = "when" } });
    weir_test *test = weir_test_open(job, NULL);
    cr_expect_not_null(strstr(weir_test_error(test), "\"when\" is not in visit"), "%s",
                       weir_test_error(test));
    weir_test_settle(test);
    weir_test_close(test);
}

Test(expect, refuses_a_job_that_is_not_there)
{
    weir_test *test = weir_test_open(NULL, NULL);
    says(weir_test_error(test), "weir_test_open: the job is NULL; make one with weir_job_open");
    says(expect_counts(test, NULL, 0, WEIR_TEST_ANY_ORDER), weir_test_error(test));
    weir_test_close(test);
}

static uint32_t ninth(const visit *v) { return v->page == 9 ? 17 : 0; }
WEIR_SPLIT(split_ninth, visit, ninth);

Test(expect, has_the_failure_of_a_job_that_fails)
{
    weir_job   *job = weir_job_open("fails");
    weir_stream in  = weir_test_source(job, "visits", &visit_type, NULL);
    weir_test_sink(weir_split(in, &split_ninth, 2), "out", NULL);
    weir_test *test = weir_test_open(job, NULL);
    visit_feed(test, 0, 1, 9);
    weir_test_settle(test);
    cr_assert_not_null(weir_test_error(test));
    cr_expect_not_null(strstr(weir_test_error(test), "fails: split_ninth"), "%s",
                       weir_test_error(test));
    weir_test_close(test);
}

Test(expect, refuses_a_job_with_test_ends_outside_of_a_test)
{
    weir_job              *job     = visit_job();
    const weir_run_options options = { .workers = 1 };
    cr_expect_eq(weir_job_run(job, &options), WEIR_USAGE);
    says(weir_job_error(job), "pages: visits: a test source sends what a test feeds it: run the "
                              "job with weir_test_open");
    weir_job_close(job);
}

static void make_visit(visit *v, uint64_t number, weir_time due)
{
    (void)due;
    v->page = number;
}
WEIR_GENERATOR(endless, visit, make_visit);

Test(expect, lets_a_source_without_end_take_some_steps)
{
    const weir_test_options options = { .workers = 1, .batch_bytes = 1024 };
    weir_job               *job     = weir_job_open("endless");
    weir_collection        *seen    = weir_collection_open();
    weir_collect(weir_generate(job, &endless, NULL), seen);
    weir_test *test = weir_test_open(job, &options);
    weir_test_step(test, 100);
    cr_expect_null(weir_test_error(test));
    cr_expect_gt(weir_collection_count(seen), 0);
    weir_test_close(test);
    weir_collection_close(seen);
}
