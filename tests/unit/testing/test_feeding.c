// What a test feeds comes out of its source, in the steps that the job takes.
#include "tests/support/visit_job.h"

#include <criterion/criterion.h>

static weir_test *echo_test(uint32_t partitions, uint32_t workers, uint64_t seed)
{
    const weir_test_source_options source  = { .partitions = partitions };
    const weir_test_options        options = { .workers = workers, .seed = seed };
    weir_job                      *job     = weir_job_open("echo");
    weir_test_sink(weir_test_source(job, "visits", &visit_type, &source), "out", NULL);
    return weir_test_open(job, &options);
}

static size_t uncommitted(weir_test *test, const char *sink)
{
    return weir_collection_count(weir_test_uncommitted(test, sink));
}

static const visit *out_at(weir_test *test, size_t index)
{
    return (const visit *)weir_collection_at(weir_test_uncommitted(test, "out"), index, NULL, NULL);
}

Test(feeding, nothing_comes_out_before_the_job_takes_a_step)
{
    weir_test *test = echo_test(1, 2, 1);
    visit_feed(test, 0, 1, 7);
    cr_expect_eq(uncommitted(test, "out"), 0);
    weir_test_settle(test);
    cr_expect_eq(uncommitted(test, "out"), 1);
    cr_expect_null(weir_test_error(test), "%s", weir_test_error(test));
    weir_test_close(test);
}

Test(feeding, a_partition_keeps_its_order_under_every_seed)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        weir_test *test = echo_test(1, 1 + (uint32_t)seed % 4, seed);
        for (uint64_t page = 0; page < 200; page++) {
            visit_feed(test, 0, 1, page);
        }
        weir_test_settle(test);
        cr_assert_eq(uncommitted(test, "out"), 200);
        for (uint64_t page = 0; page < 200; page++) {
            cr_assert_eq(out_at(test, page)->page, page, "seed %lu", seed);
        }
        weir_test_close(test);
    }
}

Test(feeding, between_partitions_the_seed_decides)
{
    uint32_t first_of[2] = { 0, 0 };
    for (uint64_t seed = 1; seed <= 40; seed++) {
        weir_test *test = echo_test(2, 2, seed);
        visit_feed(test, 0, 1, 0);
        visit_feed(test, 1, 1, 1);
        weir_test_settle(test);
        first_of[out_at(test, 0)->page]++;
        weir_test_close(test);
    }
    cr_expect_gt(first_of[0], 0);
    cr_expect_gt(first_of[1], 0);
}

Test(feeding, settling_in_between_keeps_the_order_of_the_calls)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        weir_test *test = echo_test(2, 2, seed);
        for (uint64_t page = 0; page < 6; page++) {
            visit_feed(test, page % 2, 1, page);
            weir_test_settle(test);
        }
        for (uint64_t page = 0; page < 6; page++) {
            cr_expect_eq(out_at(test, page)->page, page, "seed %lu", seed);
        }
        weir_test_close(test);
    }
}

Test(feeding, records_and_strings_are_copied)
{
    weir_test *test     = echo_test(1, 1, 1);
    char       text[40] = "a text that does not fit into a string";
    visit      v        = { .at = 5, .page = 6, .from = weir_str_from(text) };
    weir_test_feed(test, "visits", 0, &visit_type, &v, 1);
    memset(text, 'x', sizeof(text));
    v.page = 0;
    weir_test_settle(test);
    const weir_str wanted = weir_str_from("a text that does not fit into a string");
    cr_expect_eq(out_at(test, 0)->page, 6);
    cr_expect(weir_str_equal(&out_at(test, 0)->from, &wanted));
    weir_test_close(test);
}

Test(feeding, at_most_so_many_steps_are_taken)
{
    weir_test *test = echo_test(1, 1, 1);
    for (uint64_t page = 0; page < 1000; page++) {
        visit_feed(test, 0, 1, page);
    }
    weir_test_step(test, 40);
    cr_expect_eq(weir_test_steps(test), 40);
    cr_expect_lt(uncommitted(test, "out"), 1000);
    weir_test_settle(test);
    cr_expect_eq(uncommitted(test, "out"), 1000);
    weir_test_close(test);
}

Test(feeding, a_record_that_is_refused_is_a_dead_letter_with_its_line)
{
    weir_test *test = visit_test(2, 1);
    visit_feed(test, 1, 1, 3);
    visit_feed(test, 1, 2, 0);
    weir_test_settle(test);
    const weir_dead_letter *letter = (const weir_dead_letter *)weir_collection_at(
        weir_test_uncommitted(test, "letters"), 0, NULL, NULL);
    cr_assert_not_null(letter);
    cr_expect_eq(letter->line, 2);
    cr_expect(weir_str_equal(&letter->partition, &(weir_str){ .length = 1, .head = "1" }));
    cr_expect_eq(weir_test_counter(test, "visits", WEIR_REJECTED), 1);
    cr_expect_eq(weir_test_counter(test, "visits", WEIR_ROWS_OUT), 1);
    weir_test_close(test);
}

Test(feeding, the_same_seed_and_calls_take_the_same_steps)
{
    uint64_t traces[3], steps[3];
    for (uint32_t i = 0; i < 3; i++) {
        weir_test *test = visit_test(3, i == 2 ? 6 : 5);
        for (uint64_t n = 0; n < 300; n++) {
            visit_feed(test, n % 2, (int64_t)n, 1 + n % 7);
        }
        weir_test_checkpoint(test);
        weir_test_crash(test, WEIR_TEST_POWER_CUT, 0);
        weir_test_restore(test, 2);
        weir_test_finish(test);
        cr_assert_null(weir_test_error(test), "%s", weir_test_error(test));
        traces[i] = weir_test_trace(test);
        steps[i]  = weir_test_steps(test);
        weir_test_close(test);
    }
    cr_expect_eq(traces[0], traces[1]);
    cr_expect_eq(steps[0], steps[1]);
    cr_expect_neq(traces[0], traces[2]);
}
