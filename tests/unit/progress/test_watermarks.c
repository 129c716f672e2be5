// Watermarks: a minimum over inputs, with idleness and ends.
#include "runtime/progress/progress.h"

#include <criterion/criterion.h>

static struct wr_watermarks two_inputs(weir_time first, weir_time second)
{
    struct wr_watermarks w;
    wr_watermarks_init(&w, 2);
    wr_watermarks_set(&w, 0, first);
    wr_watermarks_set(&w, 1, second);
    return w;
}

Test(watermarks, start_before_everything)
{
    struct wr_watermarks w;
    wr_watermarks_init(&w, 3);
    cr_assert_eq(w.current, WEIR_TIME_MIN);
    cr_assert_not(w.is_idle);
    wr_watermarks_fini(&w);
}

Test(watermarks, stay_until_every_input_has_spoken)
{
    struct wr_watermarks w;
    wr_watermarks_init(&w, 2);
    cr_assert_not(wr_watermarks_set(&w, 0, 50));
    cr_assert_eq(w.current, WEIR_TIME_MIN);
    cr_assert(wr_watermarks_set(&w, 1, 60));
    cr_assert_eq(w.current, 50);
    wr_watermarks_fini(&w);
}

Test(watermarks, are_the_minimum_over_the_inputs)
{
    struct wr_watermarks w = two_inputs(10, 20);
    cr_assert_eq(w.current, 10);
    cr_assert(wr_watermarks_set(&w, 0, 30));
    cr_assert_eq(w.current, 20);
    wr_watermarks_fini(&w);
}

Test(watermarks, do_not_change_when_an_input_falls_back)
{
    struct wr_watermarks w = two_inputs(10, 20);
    cr_assert_not(wr_watermarks_set(&w, 0, 9));
    cr_assert_eq(w.inputs[0].watermark, 10);
    cr_assert_eq(w.current, 10);
    wr_watermarks_fini(&w);
}

Test(watermarks, move_when_the_slowest_input_becomes_idle)
{
    struct wr_watermarks w = two_inputs(10, 20);
    cr_assert(wr_watermarks_set_idle(&w, 0));
    cr_assert_eq(w.current, 20);
    cr_assert_not(w.is_idle);
    wr_watermarks_fini(&w);
}

Test(watermarks, do_not_move_when_a_faster_input_becomes_idle)
{
    struct wr_watermarks w = two_inputs(10, 20);
    cr_assert_not(wr_watermarks_set_idle(&w, 1));
    cr_assert_eq(w.current, 10);
    wr_watermarks_fini(&w);
}

Test(watermarks, stay_when_the_last_active_input_becomes_idle)
{
    struct wr_watermarks w = two_inputs(10, 20);
    wr_watermarks_set_idle(&w, 0);
    cr_assert(wr_watermarks_set_idle(&w, 1));
    cr_assert(w.is_idle);
    cr_assert_eq(w.current, 20);
    cr_assert_not(wr_watermarks_set_idle(&w, 1));
    wr_watermarks_fini(&w);
}

Test(watermarks, do_not_fall_when_an_idle_input_comes_back_behind)
{
    struct wr_watermarks w = two_inputs(10, 20);
    wr_watermarks_set_idle(&w, 0);
    cr_assert_not(wr_watermarks_set(&w, 0, 12));
    cr_assert_eq(w.current, 20);
    cr_assert_not(wr_watermarks_set(&w, 1, 40)); // the one that came back holds it now
    cr_assert_eq(w.current, 20);
    cr_assert(wr_watermarks_set(&w, 0, 21));
    cr_assert_eq(w.current, 21);
    wr_watermarks_fini(&w);
}

Test(watermarks, stop_being_idle_when_an_input_repeats_its_watermark)
{
    struct wr_watermarks w = two_inputs(10, 20);
    wr_watermarks_set_idle(&w, 0);
    wr_watermarks_set_idle(&w, 1);
    cr_assert(wr_watermarks_set(&w, 0, 10));
    cr_assert_not(w.is_idle);
    cr_assert_eq(w.current, 20);
    wr_watermarks_fini(&w);
}

Test(watermarks, move_when_the_slowest_input_ends)
{
    struct wr_watermarks w = two_inputs(10, 20);
    cr_assert(wr_watermarks_end(&w, 0));
    cr_assert_eq(w.current, 20);
    cr_assert_not(wr_watermarks_end(&w, 0));
    wr_watermarks_fini(&w);
}

Test(watermarks, become_idle_when_only_idle_inputs_have_not_ended)
{
    struct wr_watermarks w = two_inputs(10, 20);
    wr_watermarks_set_idle(&w, 1);
    cr_assert_eq(w.current, 10);
    cr_assert(wr_watermarks_end(&w, 0));
    cr_assert(w.is_idle);
    cr_assert_eq(w.current, 10);
    wr_watermarks_fini(&w);
}

Test(watermarks, stay_when_all_inputs_end_without_having_been_drained)
{
    struct wr_watermarks w = two_inputs(10, 20);
    wr_watermarks_end(&w, 0);
    cr_assert_not(wr_watermarks_end(&w, 1));
    cr_assert_eq(w.current, 20);
    cr_assert_not(w.is_idle);
    wr_watermarks_fini(&w);
}

Test(watermarks, reach_the_end_when_the_last_input_ends_and_one_was_drained)
{
    struct wr_watermarks w = two_inputs(10, WEIR_TIME_MAX);
    cr_assert_not(wr_watermarks_end(&w, 1));
    cr_assert_eq(w.current, 10);
    cr_assert(wr_watermarks_end(&w, 0));
    cr_assert_eq(w.current, WEIR_TIME_MAX);
    wr_watermarks_fini(&w);
}

Test(watermarks, reach_the_end_when_every_input_is_drained)
{
    struct wr_watermarks w = two_inputs(WEIR_TIME_MAX, 20);
    cr_assert_eq(w.current, 20);
    cr_assert(wr_watermarks_set(&w, 1, WEIR_TIME_MAX));
    cr_assert_eq(w.current, WEIR_TIME_MAX);
    wr_watermarks_fini(&w);
}

Test(watermarks, stay_before_everything_without_inputs)
{
    struct wr_watermarks w;
    wr_watermarks_init(&w, 0);
    cr_assert_eq(w.current, WEIR_TIME_MIN);
    cr_assert_not(w.is_idle);
    wr_watermarks_fini(&w);
}
