#include "log/catalog.h"
#include "log/deciding.h"
#include "tests/support/upkeep_bench.h"

// About `bytes` of records to partition 0.
static void bench_fill(struct bench *bench, uint32_t bytes)
{
    static trial_row rows[256];
    for (uint32_t i = 0; i < bytes / sizeof(rows); i++) {
        cr_assert_eq(weir_producer_append_to(bench->producer, 0, rows, NULL, 256), WEIR_OK);
        cr_assert_eq(weir_producer_flush(bench->producer, -1), WEIR_OK);
    }
}

// Records go when they are that old.
static struct bench bench_of_ten_seconds(void)
{
    weir_topic topic = trial_topic("t", 1);
    topic.retain_age = WEIR_SECONDS(10);
    return bench_open_with(&topic);
}

// It has that many bytes of records that are older.
static struct bench bench_that_is_due(uint32_t bytes)
{
    struct bench bench = bench_of_ten_seconds();
    bench_fill(&bench, bytes);
    wr_simulation_spend(bench.environment, WEIR_SECONDS(20));
    return bench;
}

static weir_partition_info bench_info(struct bench *bench)
{
    weir_partition_info info;
    cr_assert_eq(weir_log_partition_info(bench->log, "t", 0, &info), WEIR_OK);
    return info;
}

Test(retain, segments_whose_records_are_all_older_go_and_younger_ones_stay)
{
    struct bench bench = bench_of_ten_seconds();
    uint64_t     bytes = 0;
    bench_fill(&bench, 200 << 10);
    const uint64_t old = bench_info(&bench).end_offset;
    wr_simulation_spend(bench.environment, WEIR_SECONDS(8));
    bench_fill(&bench, 100 << 10);
    cr_assert_eq(weir_log_retain(bench.log, "t", &bytes), WEIR_OK);
    cr_expect_eq(bytes, 0);
    cr_expect_eq(bench_info(&bench).first_offset, 0);
    wr_simulation_spend(bench.environment, WEIR_SECONDS(5)); // the first are 13 s old, the rest 5
    cr_assert_eq(weir_log_retain(bench.log, "t", &bytes), WEIR_OK);
    cr_expect_gt(bytes, 100 << 10);
    const weir_partition_info info = bench_info(&bench);
    cr_expect_gt(info.first_offset, 0);
    cr_expect_leq(info.first_offset, old);
    cr_expect_eq(info.end_offset, old + (100 << 10) / sizeof(trial_row));
    bench_close(&bench);
}

Test(retain, an_idle_topic_empties_by_age)
{
    struct bench bench = bench_of_ten_seconds();
    bench_fill(&bench, 8 << 10);
    wr_simulation_spend(bench.environment, WEIR_SECONDS(9));
    cr_assert_eq(weir_log_retain(bench.log, "t", NULL), WEIR_OK);
    cr_expect_eq(trial_count(bench.log, "t"), 512);
    wr_simulation_spend(bench.environment, WEIR_SECONDS(2));
    cr_assert_eq(weir_log_retain(bench.log, "t", NULL), WEIR_OK);
    cr_expect_eq(trial_count(bench.log, "t"), 0);
    const weir_partition_info info = bench_info(&bench);
    cr_expect_eq(info.first_offset, info.end_offset);
    bench_fill(&bench, 4 << 10);
    cr_expect_eq(trial_count(bench.log, "t"), 256);
    bench_close(&bench);
}

Test(retain, the_segment_being_written_goes_on_while_one_of_its_records_is_young)
{
    struct bench bench = bench_of_ten_seconds();
    bench_fill(&bench, 4 << 10);
    wr_simulation_spend(bench.environment, WEIR_SECONDS(9));
    bench_fill(&bench, 4 << 10);
    wr_simulation_spend(bench.environment, WEIR_SECONDS(2));
    cr_assert_eq(weir_log_retain(bench.log, "t", NULL), WEIR_OK);
    bench_fill(&bench, 4 << 10);
    cr_expect_eq(bench_info(&bench).first_offset, 0);
    cr_expect_eq(bench_info(&bench).segments, 1);
    bench_close(&bench);
}

Test(retain, as_many_bytes_as_asked_for_stay_and_at_most_a_segment_more)
{
    weir_topic topic   = trial_topic("t", 1);
    topic.retain_bytes = 150 << 10;
    struct bench bench = bench_open_with(&topic);
    bench_fill(&bench, 500 << 10);
    uint64_t bytes = 0;
    cr_assert_eq(weir_log_retain(bench.log, "t", &bytes), WEIR_OK);
    cr_expect_gt(bytes, 0);
    const weir_partition_info info = bench_info(&bench);
    cr_expect_geq(info.bytes, 150 << 10);
    cr_expect_leq(info.bytes, (150 + 64 + 8) << 10);
    cr_assert_eq(weir_log_retain(bench.log, "t", &bytes), WEIR_OK);
    cr_expect_eq(bytes, 0);
    bench_close(&bench);
}

Test(retain, a_topic_without_limits_keeps_all)
{
    const weir_topic topic = trial_topic("t", 1);
    struct bench     bench = bench_open_with(&topic);
    bench_fill(&bench, 300 << 10);
    wr_simulation_spend(bench.environment, WEIR_SECONDS(1000000));
    cr_assert_eq(weir_log_retain(bench.log, "t", NULL), WEIR_OK);
    cr_expect_eq(bench_info(&bench).first_offset, 0);
    bench_close(&bench);
}

Test(retain, a_segment_with_an_undecided_transaction_stays_until_it_is_decided)
{
    struct bench bench = bench_of_ten_seconds();
    bench_fill(&bench, 100 << 10);
    weir_transaction *transaction = bench_begin(&bench);
    const uint64_t    begun       = bench_info(&bench).end_offset;
    bench_fill(&bench, 100 << 10);
    wr_simulation_spend(bench.environment, WEIR_SECONDS(20));
    cr_assert_eq(weir_log_retain(bench.log, "t", NULL), WEIR_OK);
    cr_expect_leq(bench_info(&bench).first_offset, begun);
    cr_assert_eq(weir_transaction_commit(transaction), WEIR_OK);
    cr_assert_eq(weir_log_retain(bench.log, "t", NULL), WEIR_OK);
    cr_expect_eq(bench_info(&bench).first_offset, bench_info(&bench).end_offset);
    cr_assert_eq(weir_producer_join(bench.producer, NULL), WEIR_OK);
    weir_transaction_close(transaction);
    bench_close(&bench);
}

Test(retain, it_goes_on_by_itself)
{
    struct bench bench = bench_that_is_due(100 << 10);
    wr_upkeep_run(bench.log);
    cr_expect_eq(trial_count(bench.log, "t"), 0);
    bench_close(&bench);
}

Test(retain, nothing_goes_before_the_transactions_are_known)
{
    struct bench bench                = bench_that_is_due(100 << 10);
    uint64_t     bytes                = 0;
    bench.log->transactions->is_known = false; // as while the log is opening
    cr_expect_eq(weir_log_retain(bench.log, "t", &bytes), WEIR_CONFLICT);
    wr_upkeep_run(bench.log);
    cr_expect_eq(bench_info(&bench).first_offset, 0);
    bench.log->transactions->is_known = true;
    cr_expect_eq(weir_log_retain(bench.log, "t", &bytes), WEIR_OK);
    cr_expect_gt(bytes, 0);
    bench_close(&bench);
}

Test(retain, once_it_is_stopped_it_does_nothing_by_itself)
{
    struct bench bench = bench_that_is_due(100 << 10);
    wr_upkeep_stop(bench.log);
    wr_upkeep_run(bench.log);
    cr_expect_eq(bench_info(&bench).first_offset, 0);
    bench_close(&bench);
}

Test(retain, a_deleted_topic_takes_nothing_from_a_new_one_of_its_name)
{
    weir_topic topic             = trial_topic("t", 1);
    topic.retain_bytes           = 70 << 10;
    topic.is_compacted           = true;
    struct bench         bench   = bench_open_with(&topic);
    struct wr_log_error  error   = { .status = WEIR_OK };
    struct wr_partition *deleted = wr_catalog_topic(bench.log, "t", &error)->partitions[0];
    uint64_t             bytes   = 0;
    bench_fill(&bench, 300 << 10);
    cr_assert_eq(weir_producer_close(bench.producer), WEIR_OK);
    cr_assert_eq(weir_log_delete_topic(bench.log, "t"), WEIR_OK);
    trial_create(bench.log, &topic);
    cr_assert_eq(weir_producer_open(bench.log, "t", NULL, &bench.producer), WEIR_OK);
    bench_fill(&bench, 8 << 10);
    wr_upkeep_enter(bench.log);
    cr_expect_eq(wr_retain_partition(deleted, &bytes, &error), WEIR_NOT_FOUND);
    cr_expect_eq(wr_compact_partition(deleted, false, &bytes, &error), WEIR_NOT_FOUND);
    cr_expect_not(wr_upkeep_begin_step(deleted, &error));
    wr_upkeep_leave(bench.log);
    cr_expect_eq(trial_count(bench.log, "t"), 512);
    wr_log_error_fini(&error);
    bench_close(&bench);
}

Test(retain, a_missing_topic_and_a_reader_are_refused)
{
    const weir_topic topic  = trial_topic("t", 1);
    struct bench     bench  = bench_open_with(&topic);
    weir_log        *reader = trial_open(bench.environment, false);
    cr_expect_eq(weir_log_retain(bench.log, "none", NULL), WEIR_NOT_FOUND);
    cr_expect_eq(weir_log_retain(bench.log, ".transactions", NULL), WEIR_USAGE);
    cr_expect_eq(weir_log_retain(reader, "t", NULL), WEIR_USAGE);
    cr_expect_gt(strlen(weir_log_error(reader)), 0);
    cr_expect_eq(weir_log_close(reader), WEIR_OK);
    bench_close(&bench);
}

// The machine stops at change `at` of a retention; false: it was over before.
static bool crash_once(uint64_t at)
{
    struct bench   bench = bench_that_is_due(150 << 10);
    const uint64_t end   = bench_info(&bench).end_offset;
    bench_stop_at(&bench, at, WR_DISK_CRASH_AFTER);
    const weir_status status = weir_log_retain(bench.log, "t", NULL);
    if (!bench_reopen(&bench, at)) {
        return false;
    }
    const weir_partition_info info = bench_info(&bench);
    cr_expect_eq(info.end_offset, end);
    cr_expect(status != WEIR_OK || info.first_offset == end);
    cr_expect_eq(trial_count(bench.log, "t"), end - info.first_offset);
    bench_close_reopened(&bench);
    return true;
}

Test(retain, a_power_cut_anywhere_leaves_a_log_that_opens, .timeout = 250)
{
    bench_stop_anywhere(crash_once, 3);
}
