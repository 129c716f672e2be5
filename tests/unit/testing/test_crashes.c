// Crashes and restores: what is committed shows exactly once, whatever dies when.
#include "tests/support/visit_job.h"

#include <criterion/criterion.h>

static size_t committed(weir_test *test)
{
    return weir_collection_count(weir_test_committed(test, "counts"));
}
static size_t uncommitted(weir_test *test)
{
    return weir_collection_count(weir_test_uncommitted(test, "counts"));
}

// `visits` a page in each of the minutes, from `first` on, in both partitions.
static void feed_minutes(weir_test *test, int64_t first, int64_t count)
{
    for (int64_t second = first * 60; second < (first + count) * 60; second++) {
        visit_feed(test, (uint32_t)second % 2, second, 1 + (uint64_t)second % 3);
    }
}

static const char *expect_minutes(weir_test *test, int64_t count)
{
    page_count expected[3 * 10];
    for (int64_t i = 0; i < 3 * count; i++) {
        expected[i] = (page_count){ WEIR_MINUTES(i / 3), 1 + (uint64_t)i % 3, 20 };
    }
    return weir_test_expect(test, "counts", &page_count_type, expected, (size_t)count * 3,
                            WEIR_TEST_ANY_ORDER);
}

Test(crashes, rows_show_with_the_checkpoint_that_counts_them)
{
    weir_test *test = visit_test(2, 1);
    feed_minutes(test, 0, 2);
    weir_test_settle(test);
    cr_expect_eq(committed(test), 0);
    cr_expect_eq(uncommitted(test), 3);
    weir_test_checkpoint(test);
    cr_expect_eq(committed(test), 3);
    cr_expect_eq(uncommitted(test), 0);
    weir_test_close(test);
}

Test(crashes, a_crash_withdraws_what_no_checkpoint_counts)
{
    weir_test *test = visit_test(2, 1);
    feed_minutes(test, 0, 2);
    weir_test_checkpoint(test);
    feed_minutes(test, 2, 2);
    weir_test_settle(test);
    cr_expect_eq(uncommitted(test), 6);
    weir_test_crash(test, WEIR_TEST_KILL, 0);
    cr_expect(weir_test_is_down(test));
    cr_expect_eq(committed(test), 3);
    cr_expect_eq(uncommitted(test), 0);
    weir_test_close(test);
}

Test(crashes, what_was_fed_since_the_checkpoint_is_read_again)
{
    for (int death = WEIR_TEST_KILL; death <= WEIR_TEST_POWER_CUT; death++) {
        weir_test *test = visit_test(2, 1);
        feed_minutes(test, 0, 2);
        weir_test_checkpoint(test);
        feed_minutes(test, 2, 2);
        weir_test_settle(test);
        weir_test_crash(test, (weir_test_death)death, 0);
        weir_test_restore(test, 0);
        cr_expect_not(weir_test_is_down(test));
        weir_test_finish(test);
        cr_expect_null(expect_minutes(test, 4), "%s", expect_minutes(test, 4));
        weir_test_close(test);
    }
}

Test(crashes, without_a_checkpoint_all_is_read_again)
{
    weir_test *test = visit_test(2, 1);
    feed_minutes(test, 0, 3);
    weir_test_settle(test);
    weir_test_crash(test, WEIR_TEST_POWER_CUT, 0);
    weir_test_restore(test, 1);
    weir_test_finish(test);
    cr_expect_null(expect_minutes(test, 3), "%s", expect_minutes(test, 3));
    weir_test_close(test);
}

Test(crashes, other_numbers_of_workers_go_on_where_those_before_stopped)
{
    weir_test            *test      = visit_test(4, 9);
    static const uint32_t workers[] = { 1, 3, 2, 5, 1 };
    for (uint32_t i = 0; i < 5; i++) {
        feed_minutes(test, i, 1);
        weir_test_checkpoint(test);
        weir_test_restore(test, workers[i]);
    }
    weir_test_finish(test);
    cr_expect_null(expect_minutes(test, 5), "%s", expect_minutes(test, 5));
    weir_test_close(test);
}

// The same job with a sink right behind its source, which has prepared its rows long before the
// other operators have passed the barrier.
static weir_test *early_sink_test(uint64_t seed)
{
    const weir_test_options options = { .workers = 3, .seed = seed };
    weir_job               *job     = weir_job_open("early");
    weir_stream             visits  = visit_source(job);
    weir_test_sink(visits, "seen", NULL);
    weir_test_sink(weir_aggregate(weir_key(visits, &by_page_key), weir_tumbling(WEIR_MINUTES(1)),
                                  &page_counts),
                   "counts", NULL);
    return weir_test_open(job, &options);
}

Test(crashes, a_job_goes_on_with_other_numbers_of_workers_without_a_restart)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        weir_test *test = visit_test(1, seed);
        feed_minutes(test, 0, 2);
        weir_test_step(test, seed * 7);
        weir_test_rescale(test, 2);
        feed_minutes(test, 2, 2);
        weir_test_step(test, seed * 3);
        weir_test_rescale(test, 4);
        weir_test_step(test, seed);
        weir_test_rescale(test, 1);
        cr_expect_null(weir_test_error(test), "%s", weir_test_error(test));
        weir_test_finish(test);
        cr_expect_null(expect_minutes(test, 4), "%s", expect_minutes(test, 4));
        weir_test_close(test);
    }
}

Test(crashes, a_crash_after_other_workers_took_over_withdraws_what_those_before_prepared)
{
    weir_test *test = visit_test(2, 1);
    feed_minutes(test, 0, 2);
    weir_test_checkpoint(test);
    feed_minutes(test, 2, 2);
    weir_test_settle(test);
    weir_test_rescale(test, 3);
    cr_expect_eq(committed(test), 3);
    cr_expect_eq(uncommitted(test), 6);
    weir_test_crash(test, WEIR_TEST_POWER_CUT, 0);
    weir_test_restore(test, 1);
    cr_expect_eq(committed(test), 3);
    weir_test_finish(test);
    cr_expect_null(expect_minutes(test, 4), "%s", expect_minutes(test, 4));
    weir_test_close(test);
}

Test(crashes, a_crash_may_come_while_workers_hand_over)
{
    for (uint64_t steps = 0; steps < 60; steps++) {
        weir_test *test = visit_test(2, 3);
        feed_minutes(test, 0, 2);
        weir_test_step(test, 40);
        weir_test_crash(test, steps % 2 == 0 ? WEIR_TEST_KILL : WEIR_TEST_POWER_CUT, 1 + steps);
        weir_test_rescale(test, 3);
        weir_test_settle(test);
        weir_test_restore(test, 0);
        weir_test_finish(test);
        cr_expect_null(expect_minutes(test, 2), "%s", expect_minutes(test, 2));
        weir_test_close(test);
    }
}

Test(crashes, a_crash_may_come_at_any_step)
{
    uint32_t prepared_count = 0;
    for (uint64_t step = 1; step < 600; step++) {
        weir_test *test = early_sink_test(step / 10 + 1);
        weir_test_crash(test, step % 2 == 0 ? WEIR_TEST_KILL : WEIR_TEST_POWER_CUT, step);
        for (int64_t minute = 0; minute < 3; minute++) {
            feed_minutes(test, minute, 1);
            if (!weir_test_is_down(test)) {
                weir_test_checkpoint(test);
            }
        }
        cr_expect(weir_test_is_down(test), "step %lu", step);
        cr_expect_eq(weir_test_steps(test), step);
        prepared_count += weir_collection_count(weir_test_uncommitted(test, "seen")) > 0;
        weir_test_restore(test, 1 + (uint32_t)step % 3);
        weir_test_finish(test);
        cr_expect_null(expect_minutes(test, 3), "step %lu: %s", step, expect_minutes(test, 3));
        cr_expect_eq(weir_collection_count(weir_test_committed(test, "seen")), 180);
        cr_expect_eq(weir_collection_count(weir_test_uncommitted(test, "seen")), 0,
                     "step %lu: what was prepared was not withdrawn", step);
        weir_test_close(test);
    }
    cr_expect_gt(prepared_count, 0, "no crash found anything between prepared and committed");
}

Test(crashes, a_job_that_is_down_does_nothing_and_may_be_fed)
{
    weir_test *test = visit_test(2, 1);
    weir_test_crash(test, WEIR_TEST_KILL, 0);
    feed_minutes(test, 0, 1);
    weir_test_settle(test);
    weir_test_step(test, 10);
    cr_expect_eq(committed(test) + uncommitted(test), 0);
    weir_test_restore(test, 2);
    weir_test_finish(test);
    cr_expect_null(expect_minutes(test, 1), "%s", expect_minutes(test, 1));
    weir_test_close(test);
}

Test(crashes, what_cannot_be_asked_of_a_job_that_is_down_is_a_mistake)
{
    static const char *const verbs[] = { "checkpoint: the job has crashed",
                                         "finish: the job has crashed",
                                         "expect: the job has crashed" };
    for (uint32_t i = 0; i < 3; i++) {
        weir_test *test = visit_test(2, 1);
        feed_minutes(test, 0, 1);
        weir_test_crash(test, WEIR_TEST_KILL, 0);
        if (i == 0) {
            weir_test_checkpoint(test);
        } else if (i == 1) {
            weir_test_finish(test);
        }
        const char *said = expect_minutes(test, 0);
        cr_assert_not_null(said, "%s", verbs[i]);
        cr_expect_not_null(strstr(said, verbs[i]), "%s", said);
        weir_test_close(test);
    }
}

Test(crashes, more_workers_than_there_may_be_is_a_mistake)
{
    weir_test *test = visit_test(2, 1);
    weir_test_rescale(test, 5000);
    cr_assert_not_null(weir_test_error(test));
    cr_expect_str_eq(weir_test_error(test), "rescale: 5000 workers; there may be 1024 at most");
    weir_test_close(test);
}

Test(crashes, checkpoints_are_taken_as_time_passes_where_an_interval_says_so)
{
    const weir_test_options options = { .checkpoint_interval = WEIR_SECONDS(10) };
    weir_test              *test    = weir_test_open(visit_job(), &options);
    feed_minutes(test, 0, 2);
    weir_test_settle(test);
    cr_expect_eq(committed(test), 0);
    weir_test_advance(test, WEIR_SECONDS(11));
    cr_expect_eq(committed(test), 3);
    weir_test_close(test);
}

Test(crashes, what_was_taken_does_not_come_back_after_a_crash)
{
    weir_test *test = visit_test(2, 1);
    feed_minutes(test, 0, 2);
    weir_test_checkpoint(test);
    weir_test_take(test, "counts");
    weir_test_crash(test, WEIR_TEST_KILL, 0);
    weir_test_restore(test, 3);
    weir_test_finish(test);
    cr_expect_eq(committed(test), 3, "the second minute");
    weir_test_close(test);
}

Test(crashes, counters_come_back_with_the_checkpoint)
{
    weir_test *test = visit_test(2, 1);
    feed_minutes(test, 0, 1);
    weir_test_checkpoint(test);
    weir_test_crash(test, WEIR_TEST_KILL, 0);
    weir_test_restore(test, 3);
    cr_expect_eq(weir_test_counter(test, "visits", WEIR_ROWS_OUT), 60);
    cr_expect_eq(weir_test_watermark_of(test, "by-minute"), WEIR_SECONDS(58));
    weir_test_close(test);
}

Test(crashes, a_job_at_its_end_may_be_started_again)
{
    weir_test *test = visit_test(2, 1);
    feed_minutes(test, 0, 2);
    weir_test_finish(test);
    weir_test_crash(test, WEIR_TEST_KILL, 0);
    weir_test_restore(test, 3);
    weir_test_finish(test);
    cr_expect_null(expect_minutes(test, 2), "%s", expect_minutes(test, 2));
    weir_test_close(test);
}
