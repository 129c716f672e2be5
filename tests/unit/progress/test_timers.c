// Timers: an index of deadlines that come out in order.
#include "runtime/progress/progress.h"

#include <criterion/criterion.h>

static struct wr_timers *timers;

static void open_timers(void) { timers = wr_timers_open(); }
static void close_timers(void) { wr_timers_close(timers); }

TestSuite(timers, .init = open_timers, .fini = close_timers);

// The hash of the timer taken, or 0 if none is due.
static uint64_t take(weir_time until)
{
    weir_time deadline;
    uint64_t  hash;
    return wr_timers_take(timers, until, &deadline, &hash) ? hash : 0;
}

Test(timers, have_nothing_to_take_at_first)
{
    cr_assert_eq(take(WEIR_TIME_MAX), 0);
    cr_assert_eq(wr_timers_count(timers), 0);
    cr_assert_eq(wr_timers_earliest(timers), WEIR_TIME_MAX);
}

Test(timers, are_due_at_their_deadline_and_not_before)
{
    wr_timers_add(timers, 1000, 1);
    cr_assert_eq(take(999), 0);
    cr_assert_eq(take(1000), 1);
    cr_assert_eq(take(1000), 0);
}

Test(timers, tell_deadline_and_hash)
{
    weir_time deadline;
    uint64_t  hash;
    wr_timers_add(timers, -5, 77);
    cr_assert(wr_timers_take(timers, 0, &deadline, &hash));
    cr_assert_eq(deadline, -5);
    cr_assert_eq(hash, 77);
}

Test(timers, come_out_in_the_order_of_deadlines)
{
    wr_timers_add(timers, WEIR_HOURS(5), 3);
    wr_timers_add(timers, -7, 1);
    wr_timers_add(timers, WEIR_DAYS(400), 4);
    wr_timers_add(timers, 1, 2);
    for (uint64_t hash = 1; hash <= 4; hash++) {
        cr_assert_eq(take(WEIR_TIME_MAX), hash);
    }
}

Test(timers, come_out_each_as_often_as_it_was_added)
{
    for (int i = 0; i < 100; i++) {
        wr_timers_add(timers, 500, 9);
    }
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(take(500), 9);
    }
    cr_assert_eq(take(500), 0);
}

Test(timers, added_before_what_was_taken_come_next)
{
    wr_timers_add(timers, 1000, 1);
    wr_timers_add(timers, 2000, 4);
    cr_assert_eq(take(1000), 1);
    wr_timers_add(timers, 900, 3);
    wr_timers_add(timers, 800, 2);
    cr_assert_eq(take(799), 0);
    for (uint64_t hash = 2; hash <= 4; hash++) {
        cr_assert_eq(take(2000), hash);
    }
}

Test(timers, may_lie_at_both_ends_of_time)
{
    wr_timers_add(timers, WEIR_TIME_MAX, 2);
    wr_timers_add(timers, WEIR_TIME_MIN, 1);
    cr_assert_eq(take(WEIR_TIME_MIN), 1);
    cr_assert_eq(take(WEIR_TIME_MAX - 1), 0);
    cr_assert_eq(take(WEIR_TIME_MAX), 2);
}

Test(timers, know_the_earliest_deadline)
{
    wr_timers_add(timers, 70, 1);
    wr_timers_add(timers, 60, 2);
    cr_assert_eq(wr_timers_earliest(timers), 60);
    take(60);
    cr_assert_eq(wr_timers_earliest(timers), 70);
    wr_timers_add(timers, 10, 3);
    cr_assert_eq(wr_timers_earliest(timers), 10);
}

Test(timers, are_counted)
{
    wr_timers_add(timers, 1, 1);
    wr_timers_add(timers, 1, 1);
    cr_assert_eq(wr_timers_count(timers), 2);
    take(1);
    cr_assert_eq(wr_timers_count(timers), 1);
}
