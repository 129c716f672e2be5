#include "tests/support/upkeep_bench.h"

static struct bench bench_open(void)
{
    const weir_topic topic = trial_topic("t", 1);
    struct bench     bench = bench_open_with(&topic);
    for (uint32_t i = 0; i < 100; i++) {
        trial_put(bench.producer, i, (int64_t)i, WEIR_INSERT);
    }
    return bench;
}

// The records are those from offset `first` up to `end`, each with its offset as its value.
static void expect_range(struct bench *bench, uint64_t first, uint64_t end)
{
    struct trial_found *found = wr_alloc(sizeof(*found));
    cr_assert_eq(trial_read(bench->log, "t", 0, false, found), WEIR_TIMED_OUT);
    cr_expect_eq(found->count, end - first);
    for (uint32_t i = 0; i < found->count; i++) {
        cr_expect_eq(found->offsets[i], first + i);
        cr_expect_eq(found->rows[i].value, (int64_t)(first + i));
    }
    wr_free(found);
}

Test(truncate, before_an_offset_what_was_there_is_gone_and_the_rest_keeps_its_offsets)
{
    struct bench bench = bench_open();
    cr_assert_eq(weir_log_truncate_before(bench.log, "t", 0, 40), WEIR_OK);
    expect_range(&bench, 40, 100);
    cr_assert_eq(weir_log_truncate_before(bench.log, "t", 0, 10), WEIR_OK); // nothing is left
    expect_range(&bench, 40, 100);
    cr_assert_eq(weir_log_truncate_before(bench.log, "t", 0, 100), WEIR_OK);
    expect_range(&bench, 100, 100);
    bench_close(&bench);
}

Test(truncate, from_an_offset_the_next_record_gets_it)
{
    struct bench bench = bench_open();
    cr_assert_eq(weir_log_truncate_from(bench.log, "t", 0, 70), WEIR_OK);
    expect_range(&bench, 0, 70);
    trial_put(bench.producer, 1, 70, WEIR_INSERT);
    expect_range(&bench, 0, 71);
    cr_assert_eq(weir_log_truncate_from(bench.log, "t", 0, 71), WEIR_OK); // nothing behind
    expect_range(&bench, 0, 71);
    cr_assert_eq(weir_log_truncate_from(bench.log, "t", 0, 0), WEIR_OK);
    expect_range(&bench, 0, 0);
    bench_close(&bench);
}

// Appends rows of one key in one batch, of which compaction leaves the last.
static void leave_the_last_of(struct bench *bench, const char *topic, uint32_t count)
{
    struct wr_log_error error    = { .status = WEIR_OK };
    weir_topic          settings = trial_topic(topic, 1);
    weir_producer      *producer;
    settings.is_compacted = true;
    trial_create(bench->log, &settings);
    cr_assert_eq(weir_producer_open(bench->log, topic, NULL, &producer), WEIR_OK);
    for (uint32_t i = 0; i < count; i++) {
        const trial_row row = { 1, (int64_t)i };
        cr_assert_eq(weir_producer_append(producer, &row, 1), WEIR_OK);
    }
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
    struct wr_topic *found = wr_catalog_topic(bench->log, topic, &error);
    wr_commit_enter(bench->log->commit);
    cr_assert_eq(wr_partition_seal(found->partitions[0], &error), WEIR_OK);
    wr_commit_leave(bench->log->commit);
    cr_assert_eq(weir_log_compact(bench->log, topic, NULL), WEIR_OK);
}

Test(truncate, from_an_offset_among_those_that_compaction_emptied_leaves_no_gap)
{
    struct bench bench = bench_open();
    leave_the_last_of(&bench, "c", 10);
    cr_assert_eq(trial_count(bench.log, "c"), 1);
    cr_assert_eq(weir_log_truncate_from(bench.log, "c", 0, 5), WEIR_OK);
    cr_expect_eq(trial_count(bench.log, "c"), 0);
    cr_assert_eq(weir_log_truncate_from(bench.log, "c", 0, 3), WEIR_OK); // a batch without rows
    cr_expect_eq(trial_count(bench.log, "c"), 0);
    cr_expect_eq(weir_log_compact(bench.log, "c", NULL), WEIR_OK);
    weir_partition_info info;
    cr_assert_eq(weir_log_partition_info(bench.log, "c", 0, &info), WEIR_OK);
    cr_expect_eq(info.end_offset, 3);
    bench_close(&bench);
}

Test(truncate, what_is_left_of_a_batch_is_found_by_its_time)
{
    struct bench     bench  = bench_open();
    weir_reader     *reader = NULL;
    uint64_t         offset = 0;
    weir_producer   *producer;
    const weir_topic settings = trial_topic("c", 1);
    trial_create(bench.log, &settings);
    cr_assert_eq(weir_producer_open(bench.log, "c", NULL, &producer), WEIR_OK);
    cr_assert_eq(trial_append(producer, 0, 10), WEIR_OK); // one batch
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
    cr_assert_eq(weir_log_truncate_from(bench.log, "c", 0, 5), WEIR_OK);
    cr_assert_eq(
        weir_reader_open(bench.log, "c", &(weir_reader_options){ .consumer = NULL }, &reader),
        WEIR_OK);
    cr_assert_eq(weir_reader_find_time(reader, 0, 1, &offset), WEIR_OK);
    cr_expect_eq(offset, 0);
    weir_reader_close(reader);
    bench_close(&bench);
}

Test(truncate, offsets_beyond_what_there_is_are_refused)
{
    struct bench bench = bench_open();
    cr_expect_eq(weir_log_truncate_before(bench.log, "t", 0, 101), WEIR_USAGE);
    cr_expect_eq(weir_log_truncate_from(bench.log, "t", 0, 101), WEIR_USAGE);
    cr_assert_eq(weir_log_truncate_before(bench.log, "t", 0, 50), WEIR_OK);
    cr_expect_eq(weir_log_truncate_from(bench.log, "t", 0, 49), WEIR_USAGE);
    cr_expect_eq(weir_log_truncate_from(bench.log, "t", 1, 50), WEIR_NOT_FOUND);
    cr_expect_eq(weir_log_truncate_from(bench.log, "none", 0, 50), WEIR_NOT_FOUND);
    expect_range(&bench, 50, 100);
    bench_close(&bench);
}

Test(truncate, a_transaction_that_is_not_decided_is_never_cut_through)
{
    struct bench      bench       = bench_open();
    weir_transaction *transaction = bench_begin(&bench);
    for (uint32_t i = 100; i < 110; i++) {
        trial_put(bench.producer, i, (int64_t)i, WEIR_INSERT);
    }
    cr_assert_eq(weir_transaction_prepare(transaction, NULL), WEIR_OK);
    cr_assert_eq(weir_producer_join(bench.producer, NULL), WEIR_OK);
    trial_put(bench.producer, 110, 110, WEIR_INSERT);
    trial_put(bench.producer, 111, 111, WEIR_INSERT);
    cr_expect_eq(weir_log_truncate_before(bench.log, "t", 0, 101), WEIR_CONFLICT);
    cr_expect_eq(weir_log_truncate_from(bench.log, "t", 0, 109), WEIR_CONFLICT);
    cr_expect_eq(weir_log_truncate_from(bench.log, "t", 0, 50), WEIR_CONFLICT);
    cr_expect_neq(strstr(weir_log_error(bench.log), "transaction"), NULL);
    cr_expect_eq(weir_log_truncate_before(bench.log, "t", 0, 100), WEIR_OK);
    cr_expect_eq(weir_log_truncate_from(bench.log, "t", 0, 111), WEIR_OK);
    cr_assert_eq(weir_transaction_commit(transaction), WEIR_OK);
    expect_range(&bench, 100, 111);
    cr_expect_eq(weir_log_truncate_from(bench.log, "t", 0, 105), WEIR_OK);
    expect_range(&bench, 100, 105);
    weir_transaction_close(transaction);
    bench_close(&bench);
}

// The machine stops at change `at` of a truncation; false: it was over before.
static bool crash_once(uint64_t at, bool takes_before)
{
    struct bench bench = bench_open();
    bench_stop_at(&bench, at, WR_DISK_CRASH_AFTER);
    const weir_status status = takes_before ? weir_log_truncate_before(bench.log, "t", 0, 60)
                                            : weir_log_truncate_from(bench.log, "t", 0, 60);
    if (!bench_reopen(&bench, at)) {
        return false;
    }
    weir_partition_info info;
    cr_assert_eq(weir_log_partition_info(bench.log, "t", 0, &info), WEIR_OK);
    const bool is_whole = info.first_offset == 0 && info.end_offset == 100;
    const bool is_cut   = takes_before ? info.first_offset == 60 && info.end_offset == 100
                                       : info.first_offset == 0 && info.end_offset == 60;
    cr_expect(is_cut || (is_whole && status != WEIR_OK), "change %llu: %llu to %llu",
              (unsigned long long)at, (unsigned long long)info.first_offset,
              (unsigned long long)info.end_offset);
    expect_range(&bench, info.first_offset, info.end_offset);
    bench_close_reopened(&bench);
    return true;
}

static bool crash_once_before(uint64_t at) { return crash_once(at, true); }
static bool crash_once_from(uint64_t at) { return crash_once(at, false); }

Test(truncate, a_power_cut_anywhere_leaves_all_or_what_was_to_stay, .timeout = 250)
{
    bench_stop_anywhere(crash_once_before, 1);
    bench_stop_anywhere(crash_once_from, 1);
}
