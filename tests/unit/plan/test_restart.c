// When a job that failed is run again.
#include "runtime/plan/restart.h"

#include <criterion/criterion.h>

static struct wr_restarts restarts;
static int64_t            delay_us;

static void use(const weir_restart rule)
{
    wr_restarts_init(&restarts, &rule);
    wr_restarts_begin(&restarts, 0);
}

static bool again(int64_t now_us)
{
    return wr_restarts_again(&restarts, WEIR_FAILED, now_us, &delay_us);
}

static void done(void) { wr_restarts_fini(&restarts); }

TestSuite(restart, .fini = done);

Test(restart, is_not_tried_without_a_rule)
{
    use((weir_restart){ .kind = WEIR_RESTART_NONE });
    cr_assert_not(again(0));
}

Test(restart, of_what_will_not_get_better_is_not_tried)
{
    use((weir_restart){ .kind = WEIR_RESTART_FIXED });
    const weir_status wrong[] = { WEIR_OK,      WEIR_USAGE,    WEIR_CONFLICT, WEIR_INTERRUPTED,
                                  WEIR_DAMAGED, WEIR_MISMATCH, WEIR_FENCED,   WEIR_NOT_FOUND };
    for (size_t i = 0; i < WR_COUNT_OF(wrong); i++) {
        cr_assert_not(wr_restarts_again(&restarts, wrong[i], 0, &delay_us), "%d", wrong[i]);
    }
    cr_assert(wr_restarts_again(&restarts, WEIR_UNREACHABLE, 0, &delay_us));
}

Test(restart, of_a_fixed_delay_ends_after_its_most)
{
    use((weir_restart){ .kind = WEIR_RESTART_FIXED, .most = 2, .delay = 5 });
    cr_assert(again(0));
    cr_assert_eq(delay_us, 5);
    cr_assert(again(1000));
    cr_assert_eq(delay_us, 5);
    cr_assert_not(again(2000));
}

Test(restart, without_a_limit_never_ends)
{
    use((weir_restart){ .kind = WEIR_RESTART_FIXED });
    for (int i = 0; i < 1000; i++) {
        cr_assert(again(i));
    }
}

Test(restart, waits_twice_as_long_each_time_up_to_the_longest)
{
    use((weir_restart){ .kind = WEIR_RESTART_EXPONENTIAL, .delay = 10, .longest_delay = 50 });
    const int64_t expected[] = { 10, 20, 40, 50, 50 };
    for (size_t i = 0; i < WR_COUNT_OF(expected); i++) {
        cr_assert(again(0));
        cr_assert_eq(delay_us, expected[i], "%zu: %ld", i, delay_us);
    }
}

Test(restart, begins_anew_after_a_run_that_lasted)
{
    use((weir_restart){
        .kind = WEIR_RESTART_EXPONENTIAL, .delay = 10, .most = 2, .reset_after = 1000 });
    cr_assert(again(1));
    cr_assert(again(2));
    wr_restarts_begin(&restarts, 100);
    cr_assert_not(again(1099));
    cr_assert(again(1100));
    cr_assert_eq(delay_us, 10);
}

Test(restart, by_rate_ends_when_there_are_more_within_the_window)
{
    use((weir_restart){ .kind = WEIR_RESTART_RATE, .most = 2, .window = 100, .delay = 1 });
    cr_assert(again(0));
    cr_assert(again(50));
    cr_assert_not(again(99));
}

Test(restart, by_rate_forgets_what_is_older_than_the_window)
{
    use((weir_restart){ .kind = WEIR_RESTART_RATE, .most = 2, .window = 100, .delay = 1 });
    cr_assert(again(0));
    cr_assert(again(50));
    cr_assert(again(100));
    cr_assert_not(again(149));
}
