#include <criterion/criterion.h>

#include "tests/support/operator_harness.h"

typedef struct event {
    weir_time at;
    uint64_t  number;
} event;
WEIR_RECORD(event, at, number);
WEIR_KEY(by_number, event, number);

// The node, and the times of the rows that passed.
struct deduplication {
    struct wr_deduplicate_options options;
    struct operator_harness       node;
    struct wr_batch_layout        layout;
    struct wr_batch              *batch;
    uint32_t                      passed;
};

static void take(void *opaque, uint32_t output, const struct wr_batch *batch,
                 const uint16_t *selection, uint32_t count)
{
    struct deduplication *dedup = opaque;
    (void)batch;
    cr_assert(output == WR_OUTPUT_MAIN && selection != NULL);
    dedup->passed += count;
}

static struct deduplication *deduplication_open(weir_time within, weir_time lateness)
{
    struct deduplication *dedup = wr_alloc(sizeof(*dedup));
    dedup->options              = (struct wr_deduplicate_options){ within, lateness };
    const struct operator_harness_options options = {
        .operator_    = &wr_deduplicate_operator,
        .key          = &by_number_key,
        .options      = &dedup->options,
        .outputs      = { [WR_OUTPUT_MAIN] = &event_type },
        .output_count = 2,
        .columns      = WR_COLUMN_TIME,
        .rows         = 1,
        .take         = take,
        .opaque       = dedup,
    };
    operator_harness_open(&dedup->node, &options);
    dedup->layout = wr_batch_layout_of(&event_type, WR_COLUMN_TIME, 4096);
    dedup->batch  = wr_batch_open(&dedup->layout);
    return dedup;
}

static void deduplication_close(struct deduplication *dedup)
{
    operator_harness_close(&dedup->node);
    wr_batch_close(dedup->batch);
    wr_batch_layout_fini(&dedup->layout);
    wr_free(dedup);
}

static void put(struct deduplication *dedup, weir_time at, uint64_t number)
{
    struct wr_batch *batch             = dedup->batch;
    const uint32_t   row               = batch->row_count++;
    batch->times[row]                  = at;
    *(event *)wr_batch_row(batch, row) = (event){ at, number };
}

// How many of the rows put pass.
static uint32_t passed(struct deduplication *dedup)
{
    dedup->passed = 0;
    operator_harness_rows(&dedup->node, dedup->batch, NULL, dedup->batch->row_count);
    wr_batch_clear(dedup->batch, &dedup->layout);
    return dedup->passed;
}

static bool passes(struct deduplication *dedup, weir_time at, uint64_t number)
{
    put(dedup, at, number);
    return passed(dedup) == 1;
}

static void check_reach(weir_time within)
{
    struct deduplication *dedup = deduplication_open(within, 3 * within);
    cr_expect(passes(dedup, 10 * within, 1));
    cr_expect(!passes(dedup, 10 * within, 1));
    cr_expect(passes(dedup, 10 * within, 2), "another key");
    cr_expect(!passes(dedup, 11 * within, 1), "within is included");
    cr_expect(passes(dedup, 11 * within + 1, 1));
    cr_expect(!passes(dedup, 9 * within, 1), "in either direction");
    cr_expect(passes(dedup, 9 * within - 1, 1));
    deduplication_close(dedup);
}

Test(deduplicate, reaches_within_in_either_direction_included) { check_reach(WEIR_HOURS(1)); }
Test(deduplicate, reaches_as_far_where_buckets_share_a_table) { check_reach(100); }

Test(deduplicate, counts_from_rows_that_passed_only)
{
    struct deduplication *dedup = deduplication_open(10, 100);
    cr_expect(passes(dedup, 0, 1));
    cr_expect(!passes(dedup, 10, 1));
    cr_expect(passes(dedup, 11, 1), "the row at 10 did not pass, so that it hides nobody");
    deduplication_close(dedup);
}

Test(deduplicate, lets_rows_of_a_batch_see_each_other_in_order)
{
    struct deduplication *dedup = deduplication_open(10, 100);
    put(dedup, 25, 1);
    put(dedup, 15, 1); // hidden by 25, in another bucket
    put(dedup, 14, 1); // passes
    put(dedup, 4, 1);  // hidden by 14
    put(dedup, 3, 1);  // passes
    cr_expect(passed(dedup) == 3);
    cr_expect(operator_harness_counter(&dedup->node, WR_DUPLICATES) == 2);
    deduplication_close(dedup);
}

Test(deduplicate, within_nothing_takes_the_same_time_only)
{
    struct deduplication *dedup = deduplication_open(0, 100);
    cr_expect(passes(dedup, 5, 1));
    cr_expect(!passes(dedup, 5, 1));
    cr_expect(passes(dedup, 6, 1));
    cr_expect(passes(dedup, 4, 1));
    deduplication_close(dedup);
}

Test(deduplicate, floors_below_zero_and_takes_the_ends_of_time)
{
    struct deduplication *dedup = deduplication_open(WEIR_HOURS(1), 0);
    cr_expect(passes(dedup, -1, 1));
    cr_expect(!passes(dedup, WEIR_HOURS(1) - 1, 1));
    cr_expect(passes(dedup, WEIR_HOURS(1), 1));
    cr_expect(passes(dedup, WEIR_TIME_MIN, 1));
    cr_expect(!passes(dedup, WEIR_TIME_MIN + WEIR_HOURS(1), 1));
    cr_expect(passes(dedup, WEIR_TIME_MAX, 1));
    cr_expect(!passes(dedup, WEIR_TIME_MAX - WEIR_HOURS(1), 1));
    deduplication_close(dedup);
}

Test(deduplicate, keeps_what_a_row_that_is_not_late_can_match_and_no_more)
{
    const weir_time       hour  = WEIR_HOURS(1);
    struct deduplication *dedup = deduplication_open(hour, hour / 2);
    cr_expect(passes(dedup, hour - 1, 1)); // the last moment of its bucket
    // Not late is from watermark - lateness on, and reaches an hour back.
    operator_harness_advance(&dedup->node, 2 * hour - 1 + hour / 2);
    cr_expect(!passes(dedup, 2 * hour - 1, 1));
    operator_harness_advance(&dedup->node, 2 * hour + hour / 2);
    cr_expect(wr_pool_used_bytes(dedup->node.node->pool) > 0, "the bucket of the row just seen");
    cr_expect(passes(dedup, 2 * hour, 1));
    operator_harness_advance(&dedup->node, WEIR_TIME_MAX);
    cr_expect(wr_pool_used_bytes(dedup->node.node->pool) == 0);
    deduplication_close(dedup);
}
