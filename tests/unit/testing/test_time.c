// Event time and virtual time in a test: watermarks, idleness, windows, lateness, timers.
#include "tests/support/visit_job.h"

#include <criterion/criterion.h>

static size_t uncommitted(weir_test *test, const char *sink)
{
    return weir_collection_count(weir_test_uncommitted(test, sink));
}

Test(time, the_watermark_of_an_operator_is_that_of_the_slower_partition)
{
    weir_test *test = visit_test(2, 3);
    visit_feed(test, 0, 100, 1);
    weir_test_settle(test);
    cr_expect_eq(weir_test_watermark_of(test, "by-minute"), WEIR_TIME_MIN);
    visit_feed(test, 1, 70, 1);
    weir_test_settle(test);
    cr_expect_eq(weir_test_watermark_of(test, "by-minute"), WEIR_SECONDS(70));
    weir_test_close(test);
}

Test(time, a_watermark_that_is_fed_fires_the_windows_before_it)
{
    weir_test       *test     = visit_test(3, 2);
    const page_count expected = { .minute = 0, .page = 4, .count = 2 };
    visit_feed(test, 0, 5, 4);
    visit_feed(test, 1, 50, 4);
    weir_test_watermark(test, "visits", WEIR_TEST_EVERY_PARTITION, WEIR_SECONDS(60) - 1);
    weir_test_settle(test);
    cr_expect_eq(uncommitted(test, "counts"), 0);
    weir_test_watermark(test, "visits", WEIR_TEST_EVERY_PARTITION, WEIR_SECONDS(60));
    weir_test_checkpoint(test);
    cr_expect_null(
        weir_test_expect(test, "counts", &page_count_type, &expected, 1, WEIR_TEST_IN_ORDER), "%s",
        weir_test_expect(test, "counts", &page_count_type, &expected, 1, WEIR_TEST_IN_ORDER));
    weir_test_close(test);
}

Test(time, a_partition_that_is_fed_idleness_holds_nobody_back)
{
    weir_test *test = visit_test(2, 4);
    visit_feed(test, 0, 200, 1);
    weir_test_settle(test);
    cr_expect_eq(weir_test_watermark_of(test, "by-minute"), WEIR_TIME_MIN);
    weir_test_idle(test, "visits", 1);
    weir_test_settle(test);
    cr_expect_eq(weir_test_watermark_of(test, "by-minute"), WEIR_SECONDS(200));
    visit_feed(test, 0, 300, 1);
    weir_test_settle(test);
    cr_expect_eq(weir_test_watermark_of(test, "by-minute"), WEIR_SECONDS(300));
    weir_test_close(test);
}

Test(time, a_partition_comes_back_from_idleness_at_the_watermark_of_the_others)
{
    weir_test *test = visit_test(2, 4);
    visit_feed(test, 0, 200, 1);
    weir_test_idle(test, "visits", 1);
    weir_test_settle(test);
    visit_feed(test, 1, 100, 1);
    weir_test_settle(test);
    cr_expect_eq(uncommitted(test, "late"), 1, "it was not judged by the job's watermark");
    visit_feed(test, 0, 300, 1);
    weir_test_settle(test);
    cr_expect_eq(weir_test_watermark_of(test, "by-minute"), WEIR_SECONDS(200));
    weir_test_close(test);
}

Test(time, a_partition_without_input_becomes_idle_when_time_passes)
{
    weir_test *test = visit_test(2, 4);
    visit_feed(test, 0, 200, 1);
    weir_test_advance(test, WEIR_SECONDS(4));
    cr_expect_eq(weir_test_watermark_of(test, "by-minute"), WEIR_TIME_MIN);
    visit_feed(test, 0, 201, 1); // so that it is not idle with the other one
    weir_test_advance(test, WEIR_SECONDS(2));
    cr_expect_eq(weir_test_watermark_of(test, "by-minute"), WEIR_SECONDS(201));
    weir_test_close(test);
}

Test(time, virtual_time_passes_as_far_as_it_was_told)
{
    weir_test      *test   = visit_test(2, 4);
    const weir_time before = weir_test_now(test);
    weir_test_advance(test, WEIR_HOURS(2));
    cr_expect_geq(weir_test_now(test), before + WEIR_HOURS(2));
    cr_expect_lt(weir_test_now(test), before + WEIR_HOURS(2) + WEIR_SECONDS(1));
    weir_test_close(test);
}

Test(time, settling_takes_next_to_no_time)
{
    weir_test      *test   = visit_test(2, 4);
    const weir_time before = weir_test_now(test);
    visit_feed(test, 0, 200, 1);
    weir_test_settle(test);
    cr_expect_lt(weir_test_now(test), before + WEIR_MILLISECONDS(100));
    weir_test_close(test);
}

Test(time, a_late_record_goes_to_the_late_stream_as_its_line)
{
    weir_test *test = visit_test(2, 4);
    visit_feed(test, 0, 200, 1);
    visit_feed(test, 0, 199, 2);
    weir_test_settle(test);
    const weir_line *line =
        (const weir_line *)weir_collection_at(weir_test_uncommitted(test, "late"), 0, NULL, NULL);
    cr_assert_not_null(line);
    cr_expect_eq(line->line, 2);
    cr_expect_eq(memcmp(weir_str_bytes(&line->text), "{\"at\":\"1970-01-01T00:03:19Z\"", 27), 0,
                 "%.*s", (int)line->text.length, weir_str_bytes(&line->text));
    cr_expect_eq(weir_test_counter(test, "visits", WEIR_LATE), 1);
    weir_test_close(test);
}

Test(time, the_end_of_a_partition_lets_the_others_go_on)
{
    weir_test *test = visit_test(2, 4);
    visit_feed(test, 0, 200, 1);
    weir_test_end(test, "visits", 1);
    weir_test_settle(test);
    cr_expect_eq(weir_test_watermark_of(test, "by-minute"), WEIR_SECONDS(200));
    weir_test_close(test);
}

Test(time, a_partition_far_ahead_is_read_all_the_same)
{
    weir_test *test = visit_test(2, 4);
    visit_feed(test, 1, 0, 1);
    visit_feed(test, 0, 0, 1);
    visit_feed(test, 0, 7200, 1);
    visit_feed(test, 0, 14400, 1);
    weir_test_settle(test);
    cr_expect_eq(weir_test_counter(test, "visits", WEIR_ROWS_OUT), 4);
    weir_test_close(test);
}

// ---- timers ----

typedef struct waiting {
    uint64_t visits;
} waiting;
WEIR_RECORD(waiting, visits);
WEIR_EMITS(silences, page_count);

static void on_visit(weir_call *call, const by_page *key, waiting *state, const visit *v)
{
    (void)key;
    state->visits++;
    weir_timer_set(call, v->at + WEIR_SECONDS(30));
}
static void on_silence(weir_call *call, const by_page *key, waiting *state, weir_time at)
{
    page_count *out = silences_emit(call);
    out->minute     = at;
    out->page       = key->page;
    out->count      = state->visits;
}
WEIR_PROCESS(silences, visit, by_page, waiting, page_count, on_visit, on_silence);

static weir_test *timer_test(uint32_t workers)
{
    const weir_test_options options = { .workers = workers };
    weir_job               *job     = weir_job_open("timers");
    weir_test_sink(weir_process(weir_key(visit_source(job), &by_page_key), &silences, NULL),
                   "silent-pages", NULL);
    return weir_test_open(job, &options);
}

Test(time, timers_fire_when_the_watermark_passes_them)
{
    weir_test *test = timer_test(2);
    visit_feed(test, 0, 10, 3);
    weir_test_watermark(test, "visits", WEIR_TEST_EVERY_PARTITION, WEIR_SECONDS(40) - 1);
    weir_test_settle(test);
    cr_expect_eq(uncommitted(test, "silent-pages"), 0);
    weir_test_watermark(test, "visits", WEIR_TEST_EVERY_PARTITION, WEIR_SECONDS(40));
    weir_test_settle(test);
    cr_expect_eq(uncommitted(test, "silent-pages"), 1);
    weir_test_close(test);
}

Test(time, timers_fire_after_a_crash_too)
{
    weir_test       *test     = timer_test(1);
    const page_count expected = { WEIR_SECONDS(40), 3, 1 };
    visit_feed(test, 0, 10, 3);
    weir_test_checkpoint(test);
    weir_test_crash(test, WEIR_TEST_KILL, 0);
    weir_test_restore(test, 3);
    weir_test_watermark(test, "visits", WEIR_TEST_EVERY_PARTITION, WEIR_SECONDS(40));
    weir_test_checkpoint(test);
    const char *wrong =
        weir_test_expect(test, "silent-pages", &page_count_type, &expected, 1, WEIR_TEST_ANY_ORDER);
    cr_expect_null(wrong, "%s", wrong);
    weir_test_close(test);
}
