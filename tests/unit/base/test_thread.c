#include "runtime/base/thread.h"

#include <criterion/criterion.h>
#include <time.h>

TestSuite(thread, .timeout = 120);

#define PIECE_NS INT64_C(100000) // at least, after which it sleeps

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    cr_assert_eq(clock_gettime(clock, &now), 0);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void work_ns(int64_t ns)
{
    const int64_t end = now_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
    while (now_ns(CLOCK_THREAD_CPUTIME_ID) < end) {
    }
}

Test(thread, sleeps_six_times_as_long_as_it_has_worked)
{
    struct wr_breath breath;
    const int64_t    spent = now_ns(CLOCK_THREAD_CPUTIME_ID);
    wr_breath_begin(&breath, 10000000);
    const int64_t left   = breath.left_ns;
    const int64_t before = now_ns(CLOCK_MONOTONIC);
    work_ns(2 * PIECE_NS);
    wr_breath_take(&breath);
    const int64_t slept = left - breath.left_ns;
    cr_assert_geq(slept, 6 * 2 * PIECE_NS);
    cr_assert_leq(slept, 6 * (now_ns(CLOCK_THREAD_CPUTIME_ID) - spent));
    cr_assert_geq(now_ns(CLOCK_MONOTONIC) - before, slept);
}

Test(thread, does_not_sleep_after_little_work)
{
    struct wr_breath breath;
    uint32_t         slept = 0;
    for (uint32_t i = 0; i < 100; i++) { // the clocks themselves may take as long, now and then
        wr_breath_begin(&breath, 1000);
        wr_breath_take(&breath);
        slept += breath.left_ns != 1000000;
    }
    cr_assert_lt(slept, 50);
}

Test(thread, never_sleeps_for_longer_than_5_ms)
{
    struct wr_breath breath;
    wr_breath_begin(&breath, 10000);
    work_ns(20 * PIECE_NS);
    wr_breath_take(&breath);
    cr_assert_eq(breath.left_ns, 5000000);
}

Test(thread, sleeps_no_longer_than_it_may_in_all)
{
    struct wr_breath breath;
    wr_breath_begin(&breath, 700);
    work_ns(PIECE_NS); // wants at least 600 us
    wr_breath_take(&breath);
    work_ns(PIECE_NS);
    wr_breath_take(&breath);
    cr_assert_eq(breath.left_ns, 0);
    const int64_t before = breath.spent_ns;
    work_ns(PIECE_NS);
    wr_breath_take(&breath);
    cr_assert_eq(breath.left_ns, 0);
    cr_assert_eq(breath.spent_ns, before); // it was not looked at again
}

Test(thread, that_may_not_sleep_does_not)
{
    struct wr_breath breath;
    wr_breath_begin(&breath, 0);
    work_ns(2 * PIECE_NS);
    const int64_t before = breath.spent_ns;
    wr_breath_take(&breath);
    cr_assert_eq(breath.spent_ns, before);
}
