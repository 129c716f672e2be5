#include "log/key_map.h"
#include "tests/support/upkeep_bench.h"

static struct bench bench_open(void)
{
    weir_topic topic    = trial_topic("t", 1);
    topic.is_compacted  = true;
    topic.tombstone_age = WEIR_SECONDS(60);
    return bench_open_with(&topic);
}

// Ends the segment being written.
static void bench_seal(struct bench *bench)
{
    struct wr_log_error  error     = { .status = WEIR_OK };
    struct wr_topic     *topic     = wr_catalog_topic(bench->log, "t", &error);
    struct wr_partition *partition = topic->partitions[0];
    wr_commit_enter(bench->log->commit);
    cr_assert_eq(wr_partition_seal(partition, &error), WEIR_OK);
    wr_commit_leave(bench->log->commit);
}

static struct trial_found *bench_read(struct bench *bench)
{
    struct trial_found *found = wr_alloc(sizeof(*found));
    cr_assert_eq(trial_read(bench->log, "t", 0, false, found), WEIR_TIMED_OUT);
    return found;
}

static void expect_rows(struct bench *bench, uint32_t count, const uint64_t *offsets,
                        const int64_t *values)
{
    struct trial_found *found = bench_read(bench);
    cr_assert_eq(found->count, count);
    for (uint32_t i = 0; i < count; i++) {
        cr_expect_eq(found->offsets[i], offsets[i]);
        cr_expect_eq(found->rows[i].value, values[i]);
    }
    wr_free(found);
}

Test(compact, of_each_key_the_last_record_stays_where_it_was)
{
    struct bench bench = bench_open();
    for (int64_t i = 0; i < 10; i++) {
        trial_put(bench.producer, (uint64_t)i % 3, i, WEIR_INSERT);
    }
    bench_seal(&bench);
    cr_assert_eq(weir_log_compact(bench.log, "t", NULL), WEIR_OK);
    expect_rows(&bench, 3, (uint64_t[]){ 7, 8, 9 }, (int64_t[]){ 7, 8, 9 });
    trial_put(bench.producer, 0, 10, WEIR_INSERT);
    expect_rows(&bench, 4, (uint64_t[]){ 7, 8, 9, 10 }, (int64_t[]){ 7, 8, 9, 10 });
    bench_close(&bench);
}

Test(compact, a_newer_record_in_the_segment_being_written_counts)
{
    struct bench bench = bench_open();
    trial_put(bench.producer, 1, 0, WEIR_INSERT);
    trial_put(bench.producer, 2, 1, WEIR_INSERT);
    bench_seal(&bench);
    trial_put(bench.producer, 1, 2, WEIR_INSERT);
    cr_assert_eq(weir_log_compact(bench.log, "t", NULL), WEIR_OK);
    expect_rows(&bench, 2, (uint64_t[]){ 1, 2 }, (int64_t[]){ 1, 2 });
    bench_close(&bench);
}

Test(compact, a_deletion_stays_until_its_age)
{
    struct bench bench = bench_open();
    trial_put(bench.producer, 1, 0, WEIR_INSERT);
    trial_put(bench.producer, 1, 1, WEIR_DELETE);
    trial_put(bench.producer, 2, 2, WEIR_INSERT);
    bench_seal(&bench);
    wr_simulation_spend(bench.environment, WEIR_SECONDS(55));
    cr_assert_eq(weir_log_compact(bench.log, "t", NULL), WEIR_OK);
    struct trial_found *found = bench_read(&bench);
    cr_expect_eq(found->count, 2);
    cr_expect_eq(found->changes[0], WEIR_DELETE);
    cr_expect_eq(found->offsets[0], 1);
    wr_free(found);
    wr_simulation_spend(bench.environment, WEIR_SECONDS(10));
    cr_assert_eq(weir_log_compact(bench.log, "t", NULL), WEIR_OK);
    expect_rows(&bench, 1, (uint64_t[]){ 2 }, (int64_t[]){ 2 });
    bench_close(&bench);
}

Test(compact, aborted_rows_go_and_committed_ones_become_plain)
{
    struct bench      bench = bench_open();
    weir_transaction *transaction;
    cr_assert_eq(weir_transaction_open(bench.log, "x", &transaction), WEIR_OK);
    cr_assert_eq(weir_producer_join(bench.producer, transaction), WEIR_OK);
    for (uint64_t i = 0; i < 4; i++) {
        cr_assert_eq(weir_transaction_begin(transaction), WEIR_OK);
        trial_put(bench.producer, i / 2, (int64_t)i, WEIR_INSERT); // 0: 0, 1; 1: 2, 3
        cr_assert_eq(i == 1 || i == 3 ? weir_transaction_abort(transaction)
                                      : weir_transaction_commit(transaction),
                     WEIR_OK);
    }
    bench_seal(&bench);
    cr_assert_eq(weir_log_compact(bench.log, "t", NULL), WEIR_OK);
    expect_rows(&bench, 2, (uint64_t[]){ 0, 2 }, (int64_t[]){ 0, 2 });
    struct wr_log_error        error     = { .status = WEIR_OK };
    const struct wr_partition *partition = wr_catalog_topic(bench.log, "t", &error)->partitions[0];
    cr_expect_eq(partition->segments[0].transaction_batches, 0);
    cr_assert_eq(weir_producer_join(bench.producer, NULL), WEIR_OK);
    weir_transaction_close(transaction);
    bench_close(&bench);
}

Test(compact, a_segment_with_an_undecided_transaction_stays_as_it_is)
{
    struct bench      bench = bench_open();
    weir_transaction *transaction;
    cr_assert_eq(weir_transaction_open(bench.log, "x", &transaction), WEIR_OK);
    trial_put(bench.producer, 1, 0, WEIR_INSERT);
    cr_assert_eq(weir_producer_join(bench.producer, transaction), WEIR_OK);
    cr_assert_eq(weir_transaction_begin(transaction), WEIR_OK);
    trial_put(bench.producer, 1, 1, WEIR_INSERT);
    bench_seal(&bench);
    cr_assert_eq(weir_log_compact(bench.log, "t", NULL), WEIR_OK);
    expect_rows(&bench, 1, (uint64_t[]){ 0 }, (int64_t[]){ 0 });
    cr_assert_eq(weir_transaction_commit(transaction), WEIR_OK);
    expect_rows(&bench, 2, (uint64_t[]){ 0, 1 }, (int64_t[]){ 0, 1 });
    cr_assert_eq(weir_log_compact(bench.log, "t", NULL), WEIR_OK);
    expect_rows(&bench, 1, (uint64_t[]){ 1 }, (int64_t[]){ 1 });
    cr_assert_eq(weir_producer_join(bench.producer, NULL), WEIR_OK);
    weir_transaction_close(transaction);
    bench_close(&bench);
}

Test(compact, small_neighbours_become_one)
{
    struct bench bench = bench_open();
    for (int64_t i = 0; i < 6; i++) {
        trial_put(bench.producer, (uint64_t)i, i, WEIR_INSERT);
        bench_seal(&bench);
    }
    cr_assert_eq(weir_log_compact(bench.log, "t", NULL), WEIR_OK);
    weir_partition_info info;
    cr_assert_eq(weir_log_partition_info(bench.log, "t", 0, &info), WEIR_OK);
    cr_expect_eq(info.segments, 1);
    expect_rows(&bench, 6, (uint64_t[]){ 0, 1, 2, 3, 4, 5 }, (int64_t[]){ 0, 1, 2, 3, 4, 5 });
    bench_close(&bench);
}

Test(compact, keys_that_need_more_memory_take_more_passes)
{
    struct bench bench      = bench_open();
    wr_compact_memory_bytes = 1; // the least there is: a few hundred keys
    static trial_row rows[4000];
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 4000; i++) {
            rows[i] = (trial_row){ i, (int64_t)(round * 4000 + i) };
        }
        cr_assert_eq(weir_producer_append_to(bench.producer, 0, rows, NULL, 4000), WEIR_OK);
        cr_assert_eq(weir_producer_flush(bench.producer, -1), WEIR_OK);
    }
    bench_seal(&bench);
    uint64_t bytes = 0;
    cr_assert_eq(weir_log_compact(bench.log, "t", &bytes), WEIR_OK);
    cr_expect_gt(bytes, 4000 * sizeof(trial_row) / 2);
    struct trial_found *found = bench_read(&bench);
    cr_expect_eq(found->count, 4000);
    for (uint32_t i = 0; i < found->count; i++) {
        cr_expect_eq(found->offsets[i], 4000 + i);
    }
    wr_free(found);
    bench_close(&bench);
}

Test(compact, it_happens_by_itself_when_half_is_out_of_date_and_not_before)
{
    struct bench     bench = bench_open();
    static trial_row rows[2000];
    for (uint32_t i = 0; i < 2000; i++) {
        rows[i] = (trial_row){ i < 1100 ? i : 1, (int64_t)i }; // 899 are out of date
    }
    cr_assert_eq(weir_producer_append_to(bench.producer, 0, rows, NULL, 2000), WEIR_OK);
    cr_assert_eq(weir_producer_flush(bench.producer, -1), WEIR_OK);
    bench_seal(&bench);
    wr_upkeep_run(bench.log);
    struct trial_found *found = bench_read(&bench);
    cr_expect_eq(found->count, 2000);
    wr_free(found);
    cr_assert_eq(weir_producer_append_to(bench.producer, 0, rows, NULL, 1100), WEIR_OK);
    cr_assert_eq(weir_producer_flush(bench.producer, -1), WEIR_OK);
    bench_seal(&bench);
    wr_upkeep_run(bench.log);
    found = bench_read(&bench);
    cr_expect_eq(found->count, 1100);
    wr_free(found);
    bench_close(&bench);
}

// Compaction may make a file longer than it was: its rows are packed as the topic says now.
Test(compact, a_reader_that_looked_before_reads_a_new_file_to_its_end)
{
    struct wr_environment *environment = wr_environment_open_simulated(1, false);
    weir_log              *log         = trial_open(environment, true);
    struct wr_log_error    error       = { .status = WEIR_OK };
    weir_topic             topic       = trial_topic("t", 1);
    weir_producer         *producer;
    weir_reader           *reader;
    weir_log_rows          rows = { .count = 0 };
    topic.is_compacted          = true;
    topic.compression           = WEIR_COMPRESSION_LZ4;
    trial_create(log, &topic);
    cr_assert_eq(weir_producer_open(log, "t", NULL, &producer), WEIR_OK);
    cr_assert_eq(trial_append(producer, 0, 1000), WEIR_OK);
    cr_assert_eq(trial_append(producer, 0, 1), WEIR_OK); // one is out of date
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
    cr_assert_eq(
        weir_reader_open(log, "t", &(weir_reader_options){ .start = WEIR_START_EARLIEST }, &reader),
        WEIR_OK);
    topic.compression = WEIR_COMPRESSION_NONE;
    trial_create(log, &topic);
    struct wr_topic *found = wr_catalog_topic(log, "t", &error);
    wr_commit_enter(log->commit);
    cr_assert_eq(wr_partition_seal(found->partitions[0], &error), WEIR_OK);
    wr_commit_leave(log->commit);
    cr_assert_eq(weir_log_compact(log, "t", NULL), WEIR_OK);
    cr_expect_eq(weir_reader_next(reader, 0, &rows), WEIR_OK);
    cr_expect_eq(rows.count, 1000);
    weir_reader_close(reader);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    wr_environment_close(environment);
}

Test(compact, a_topic_that_keeps_all_is_refused)
{
    struct bench     bench = bench_open();
    const weir_topic other = trial_topic("other", 1);
    trial_create(bench.log, &other);
    cr_expect_eq(weir_log_compact(bench.log, "other", NULL), WEIR_USAGE);
    cr_expect_eq(weir_log_compact(bench.log, "none", NULL), WEIR_NOT_FOUND);
    bench_close(&bench);
}

Test(compact, keys_that_share_a_hash_are_told_apart)
{
    struct wr_key_map map;
    wr_key_map_init(&map, 1);
    wr_key_map_begin(&map, 0);
    cr_expect_eq(wr_key_map_put(&map, 5, "ab", 2, 1), WR_KEY_MAP_NO_ROW);
    cr_expect_eq(wr_key_map_put(&map, 5, "ac", 2, 2), WR_KEY_MAP_NO_ROW);
    cr_expect_eq(wr_key_map_put(&map, 5, "abc", 3, 3), WR_KEY_MAP_NO_ROW);
    cr_expect_eq(wr_key_map_put(&map, 5, "ab", 2, 4), 1);
    cr_expect_eq(wr_key_map_put(&map, 5, "ac", 2, 5), 2);
    wr_key_map_fini(&map);
}

// The machine stops at change `at` of a compaction; false: it was over before.
static bool crash_once(uint64_t at)
{
    struct bench bench = bench_open();
    for (int64_t i = 0; i < 24; i++) {
        trial_put(bench.producer, (uint64_t)i % 5, i, WEIR_INSERT);
        if (i % 6 == 5) {
            bench_seal(&bench);
        }
    }
    bench_stop_at(&bench, at, at % 2 == 0 ? WR_DISK_CRASH_AFTER : WR_DISK_CRASH_BEFORE);
    const weir_status status = weir_log_compact(bench.log, "t", NULL);
    if (!bench_reopen(&bench, at)) {
        return false;
    }
    struct trial_found *found = bench_read(&bench);
    cr_expect(found->count == 24 || found->count == 5, "change %llu: %u rows",
              (unsigned long long)at, found->count);
    cr_expect(status != WEIR_OK || found->count == 5);
    wr_free(found);
    cr_assert_eq(weir_log_compact(bench.log, "t", NULL), WEIR_OK);
    found = bench_read(&bench);
    for (uint32_t i = 0; i < found->count; i++) {
        cr_expect_eq(found->offsets[i], 19 + i);
    }
    cr_expect_eq(found->count, 5);
    wr_free(found);
    bench_close_reopened(&bench);
    return true;
}

Test(compact, a_power_cut_anywhere_leaves_the_old_or_the_new, .timeout = 250)
{
    bench_stop_anywhere(crash_once, 5);
}
