// Alignment: the minimum over partitions, and who is woken when it has risen.
#include "runtime/progress/progress.h"

#include <criterion/criterion.h>

static struct wr_alignment *alignment;
static uint32_t             woken[3];

static void open_three(void) { alignment = wr_alignment_open(3); }
static void close_three(void) { wr_alignment_close(alignment); }

TestSuite(alignment, .init = open_three, .fini = close_three);

static void wake(void *count) { (*(uint32_t *)count)++; }
static void await(uint32_t partition, weir_time wanted)
{
    wr_alignment_await_any(alignment, partition, wanted, wake, &woken[partition]);
}
static void read_to(uint32_t partition, weir_time watermark)
{
    wr_alignment_publish_any(alignment, partition, watermark, WR_PARTITION_READING);
}

Test(alignment, begins_at_the_start_of_time)
{
    cr_expect_eq(wr_alignment_minimum_any(alignment), WEIR_TIME_MIN);
}

Test(alignment, is_held_by_the_slowest_that_reads)
{
    read_to(0, 10);
    read_to(1, 20);
    read_to(2, 30);
    cr_expect_eq(wr_alignment_minimum_any(alignment), 10);
    wr_alignment_publish_any(alignment, 0, 10, WR_PARTITION_IDLE);
    cr_expect_eq(wr_alignment_minimum_any(alignment), 20);
    wr_alignment_publish_any(alignment, 1, 20, WR_PARTITION_ENDED);
    cr_expect_eq(wr_alignment_minimum_any(alignment), 30);
}

Test(alignment, is_the_highest_when_nobody_reads)
{
    for (uint32_t i = 0; i < 3; i++) {
        wr_alignment_publish_any(alignment, i, 10 * (weir_time)i, WR_PARTITION_ENDED);
    }
    cr_expect_eq(wr_alignment_minimum_any(alignment), 20);
}

Test(alignment, takes_one_back_at_the_minimum_of_the_others)
{
    read_to(0, 10);
    read_to(1, 50);
    read_to(2, 60);
    wr_alignment_publish_any(alignment, 0, 10, WR_PARTITION_IDLE);
    cr_expect_eq(wr_alignment_return_any(alignment, 0, 10), 50);
    cr_expect_eq(wr_alignment_minimum_any(alignment), 50);
    read_to(1, 70);
    cr_expect_eq(wr_alignment_minimum_any(alignment), 50, "it holds the others from then on");
}

Test(alignment, takes_one_back_where_it_was_if_that_is_further)
{
    read_to(0, 51);
    read_to(1, 50);
    read_to(2, 60);
    wr_alignment_publish_any(alignment, 0, 51, WR_PARTITION_IDLE);
    cr_expect_eq(wr_alignment_return_any(alignment, 0, 51), 51);
    cr_expect_eq(wr_alignment_minimum_any(alignment), 50);
}

Test(alignment, takes_one_back_at_the_highest_when_nobody_reads)
{
    for (uint32_t i = 0; i < 3; i++) {
        wr_alignment_publish_any(alignment, i, 10 * (weir_time)i, WR_PARTITION_IDLE);
    }
    cr_expect_eq(wr_alignment_return_any(alignment, 0, 0), 20);
    cr_expect_eq(wr_alignment_return_any(alignment, 1, 10), 20);
    cr_expect_eq(wr_alignment_minimum_any(alignment), 20);
}

Test(alignment, wakes_once_when_the_minimum_has_come)
{
    read_to(0, 100);
    await(0, 50);
    read_to(1, 60);
    cr_expect_eq(woken[0], 0);
    cr_expect(wr_alignment_awaits_any(alignment, 0));
    read_to(2, 49);
    cr_expect_eq(woken[0], 0);
    read_to(2, 50);
    cr_expect_eq(woken[0], 1);
    cr_expect_not(wr_alignment_awaits_any(alignment, 0));
    read_to(2, 90);
    cr_expect_eq(woken[0], 1);
}

Test(alignment, wakes_at_once_when_the_minimum_is_there)
{
    read_to(0, 100);
    read_to(1, 60);
    read_to(2, 70);
    await(0, 60);
    cr_expect_eq(woken[0], 1);
    cr_expect_not(wr_alignment_awaits_any(alignment, 0));
}

Test(alignment, wakes_when_the_slowest_goes_idle_or_ends)
{
    read_to(0, 100);
    await(0, 50);
    wr_alignment_publish_any(alignment, 1, 10, WR_PARTITION_IDLE);
    cr_expect_eq(woken[0], 0);
    wr_alignment_publish_any(alignment, 2, 20, WR_PARTITION_ENDED);
    cr_expect_eq(woken[0], 1);
}

Test(alignment, wakes_each_at_its_own_wish)
{
    read_to(0, 100);
    read_to(1, 200);
    await(0, 50);
    await(1, 90);
    read_to(2, 60);
    cr_expect_eq(woken[0], 1);
    cr_expect_eq(woken[1], 0);
    read_to(2, 89);
    cr_expect_eq(woken[1], 0);
    read_to(2, 95);
    cr_expect_eq(woken[1], 1);
}

Test(alignment, keeps_the_latest_wish_of_a_partition)
{
    read_to(0, 100);
    read_to(1, 100);
    await(0, 20);
    await(0, 60);
    read_to(2, 30);
    cr_expect_eq(woken[0], 0);
    read_to(2, 60);
    cr_expect_eq(woken[0], 1);
}
