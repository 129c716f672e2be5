#include "log/catalog.h"
#include "log/live.h"
#include "log/log.h"
#include "log/reader.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/call.h>

typedef struct item {
    weir_time at;
    uint64_t  id;
} item;
WEIR_RECORD(item, at, id);

// What a test works with: a simulated disk, a log with its writer, and a handle that only reads.
static struct wr_environment *environment;
static weir_log              *writer, *reading;
static weir_producer         *producer;

static const weir_topic items = {
    .name = "items", .type = &item_type, .time = "at", .partitions = 2, .segment_bytes = 64 << 10
};

static weir_log *open_log(bool writes)
{
    weir_log         *log;
    const weir_status status = wr_log_open_in(
        environment, "/log", &(weir_log_options){ .writes = writes, .creates = writes }, &log);
    cr_assert_eq(status, WEIR_OK, "%s", weir_log_error(log));
    return log;
}

static void open_writer(const weir_topic *topic)
{
    writer = open_log(true);
    cr_assert_eq(weir_log_create_topic(writer, topic), WEIR_OK, "%s", weir_log_error(writer));
    cr_assert_eq(weir_producer_open(writer, topic->name, NULL, &producer), WEIR_OK);
}

static void close_writer(void)
{
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
    cr_assert_eq(weir_log_close(writer), WEIR_OK);
    writer = NULL;
}

static void begin(const weir_topic *topic)
{
    environment = wr_environment_open_simulated(1, false);
    open_writer(topic);
    reading = open_log(false);
}

static void end(void)
{
    if (writer != NULL) {
        close_writer();
    }
    cr_assert_eq(weir_log_close(reading), WEIR_OK);
    wr_environment_close(environment);
}

// Items first, first + 1, ... in one batch, acknowledged.
static void append(uint32_t partition, uint64_t first, uint32_t count)
{
    item *rows = wr_alloc(count * sizeof(*rows));
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = (item){ .at = (weir_time)(first + i) * 10, .id = first + i };
    }
    cr_assert_eq(weir_producer_append_to(producer, partition, rows, NULL, count), WEIR_OK);
    cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK, "%s", weir_producer_error(producer));
    wr_free(rows);
}

// Segments of items 0 to 100 * count - 1, some 40 batches each.
static void append_segments(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        append(0, (uint64_t)i * 100, 100);
    }
}

static weir_reader *open_reader(weir_log *log, const weir_reader_options *options)
{
    weir_reader *reader;
    cr_assert_eq(weir_reader_open(log, "items", options, &reader), WEIR_OK, "%s",
                 weir_log_error(log));
    return reader;
}

static weir_reader *open_partition(uint32_t partition)
{
    return open_reader(reading,
                       &(weir_reader_options){ .partitions = &partition, .partition_count = 1 });
}

// The next batch begins with this item, which has this offset.
static void expect(weir_reader *reader, uint64_t offset, uint64_t id)
{
    weir_log_rows     rows;
    const weir_status status = weir_reader_next(reader, 1000000, &rows);
    cr_assert_eq(status, WEIR_OK, "%s: %s", weir_status_name(status), weir_reader_error(reader));
    cr_assert_eq(rows.offset, offset, "it has offset %llu", (unsigned long long)rows.offset);
    cr_assert_eq(((const item *)rows.rows)->id, id);
}

static void expect_status(weir_reader *reader, weir_status expected, const char *part)
{
    weir_log_rows     rows;
    const weir_status status = weir_reader_next(reader, 0, &rows);
    cr_assert_eq(status, expected, "%s: %s", weir_status_name(status), weir_reader_error(reader));
    cr_assert_not_null(strstr(weir_reader_error(reader), part), "%s", weir_reader_error(reader));
}

// ---- reading ----

Test(reader, gives_batches_of_its_partitions_in_turn)
{
    begin(&items);
    for (uint64_t i = 0; i < 3; i++) {
        append(0, i, 1);
        append(1, 100 + i, 1);
    }
    weir_reader *reader = open_reader(reading, NULL);
    for (uint64_t i = 0; i < 3; i++) {
        expect(reader, i, i);
        expect(reader, i, 100 + i);
    }
    expect_status(reader, WEIR_TIMED_OUT, "");
    weir_reader_close(reader);
    end();
}

Test(reader, ends_where_the_partitions_ended_when_it_was_opened)
{
    begin(&items);
    append(0, 0, 5);
    weir_reader *reader = open_reader(reading, &(weir_reader_options){ .is_bounded = true });
    append(0, 5, 5);
    append(1, 0, 5);
    expect(reader, 0, 0);
    expect_status(reader, WEIR_AT_END, "");
    weir_reader_close(reader);
    end();
}

Test(reader, gives_rows_from_the_middle_of_a_batch)
{
    begin(&items);
    append(0, 0, 100);
    weir_reader *reader = open_partition(0);
    cr_assert_eq(weir_reader_seek(reader, 0, 37), WEIR_OK);
    expect(reader, 37, 37);
    uint64_t offset, lag;
    cr_assert_eq(weir_reader_position(reader, 0, &offset, &lag), WEIR_OK);
    cr_assert(offset == 100 && lag == 0);
    weir_reader_close(reader);
    end();
}

Test(reader, stands_at_the_end_when_asked_beyond_it)
{
    begin(&items);
    append(0, 0, 10);
    weir_reader *reader = open_partition(0);
    cr_assert_eq(weir_reader_seek(reader, 0, 1000), WEIR_OK);
    append(0, 10, 1);
    expect(reader, 10, 10);
    weir_reader_close(reader);
    end();
}

Test(reader, finds_the_first_of_a_time_in_any_order_of_times)
{
    begin(&items);
    const item rows[] = { { 50, 0 }, { 10, 1 }, { 70, 2 }, { 60, 3 }, { 90, 4 } };
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(weir_producer_append_to(producer, 0, &rows[i], NULL, 1), WEIR_OK);
        cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
    }
    const struct {
        weir_time time;
        uint64_t  offset;
    } cases[] = { { 0, 0 }, { 50, 0 }, { 51, 2 }, { 70, 2 }, { 71, 4 }, { 90, 4 }, { 91, 5 } };
    weir_reader *reader = open_partition(0);
    for (uint32_t i = 0; i < WR_COUNT_OF(cases); i++) {
        uint64_t offset;
        cr_assert_eq(weir_reader_find_time(reader, 0, cases[i].time, &offset), WEIR_OK);
        cr_assert_eq(offset, cases[i].offset, "time %lld is at %llu", cases[i].time,
                     (unsigned long long)offset);
    }
    weir_reader_close(reader);
    end();
}

// ---- writers that come and go ----

Test(reader, reads_a_log_that_nobody_writes_to_and_goes_on_when_somebody_does)
{
    begin(&items);
    append(0, 0, 3);
    close_writer();
    weir_reader *reader = open_partition(0);
    expect(reader, 0, 0);
    expect_status(reader, WEIR_TIMED_OUT, "");
    open_writer(&items);
    append(0, 3, 2);
    expect(reader, 3, 3);
    close_writer();
    open_writer(&items);
    append(0, 5, 2);
    expect(reader, 5, 5);
    weir_reader_close(reader);
    end();
}

// ---- what is taken away ----

Test(reader, is_told_once_that_what_came_next_is_gone)
{
    begin(&items);
    weir_reader *reader = open_partition(0);
    append_segments(200);
    cr_assert_eq(weir_log_truncate_before(writer, "items", 0, 15000), WEIR_OK, "%s",
                 weir_log_error(writer));
    expect_status(reader, WEIR_NOT_FOUND, "reading goes on at offset 15000");
    expect(reader, 15000, 15000);
    weir_reader_close(reader);
    end();
}

Test(reader, is_told_once_that_what_it_has_read_was_taken_back)
{
    begin(&items);
    append(0, 0, 10);
    append(0, 10, 10);
    weir_reader *reader = open_partition(0), *behind = open_partition(0);
    expect(reader, 0, 0);
    expect(reader, 10, 10);
    expect(behind, 0, 0);
    cr_assert_eq(weir_log_truncate_from(writer, "items", 0, 12), WEIR_OK, "%s",
                 weir_log_error(writer));
    expect_status(reader, WEIR_CONFLICT, "offset 12");
    expect_status(reader, WEIR_TIMED_OUT, "");
    append(0, 500, 3);
    expect(reader, 12, 500);
    expect(behind, 10, 10); // it had not come so far, and is told nothing
    expect(behind, 12, 500);
    weir_reader_close(reader);
    weir_reader_close(behind);
    end();
}

Test(reader, hears_of_a_truncation_also_when_the_writer_has_gone)
{
    begin(&items);
    append(0, 0, 10);
    close_writer();
    weir_reader *reader = open_partition(0);
    expect(reader, 0, 0);
    open_writer(&items);
    cr_assert_eq(weir_log_truncate_from(writer, "items", 0, 4), WEIR_OK);
    append(0, 500, 20);
    close_writer();
    wr_simulation_spend(environment, 1000000);
    expect_status(reader, WEIR_CONFLICT, "offset 4");
    expect(reader, 4, 500);
    weir_reader_close(reader);
    end();
}

Test(reader, ends_early_if_bounded_when_its_end_was_taken_back)
{
    begin(&items);
    append(0, 0, 10);
    weir_reader *reader = open_reader(reading, &(weir_reader_options){ .is_bounded = true });
    cr_assert_eq(weir_log_truncate_from(writer, "items", 0, 4), WEIR_OK);
    append(0, 500, 20);
    expect(reader, 0, 0);
    expect_status(reader, WEIR_AT_END, "");
    weir_reader_close(reader);
    end();
}

// ---- compaction ----

// The segment being written is sealed and compacted under a reader that has read `read` batches.
static void compact_under(uint32_t read)
{
    const weir_topic compacted = { .name          = "items",
                                   .type          = &item_type,
                                   .key           = "id",
                                   .segment_bytes = 16 << 20,
                                   .is_compacted  = true };
    uint64_t         bytes;
    begin(&compacted);
    for (uint32_t i = 0; i < 40; i++) {
        append(0, 100 + i % 10, 90);
    }
    weir_reader *reader = open_partition(0);
    for (uint32_t i = 0; i < read; i++) {
        expect(reader, (uint64_t)i * 90, 100 + i % 10);
    }
    cr_assert_eq(weir_log_truncate_from(writer, "items", 0, 3600), WEIR_OK); // seals it
    cr_assert_eq(weir_log_compact(writer, "items", &bytes), WEIR_OK, "%s", weir_log_error(writer));
    cr_assert_gt(bytes, 0);
    weir_log_rows rows;
    weir_status   status;
    uint64_t      last = 0, lag = 1;
    while ((status = weir_reader_next(reader, 1000000, &rows)) == WEIR_OK) {
        last = rows.offset;
    }
    cr_assert_eq(status, WEIR_TIMED_OUT, "%s", weir_reader_error(reader));
    cr_assert(read == 40 || last > 0);
    cr_assert_eq(weir_reader_position(reader, 0, &last, &lag), WEIR_OK);
    cr_assert_eq(last, 3600, "it stands still at offset %llu", (unsigned long long)last);
    cr_assert_eq(lag, 0);
    append(0, 7000, 1);
    expect(reader, 3600, 7000);
    weir_reader_close(reader);
    end();
}

Test(reader, goes_on_when_the_newest_segment_is_compacted_under_it)
{
    for (uint32_t read = 0; read <= 40; read++) {
        compact_under(read);
    }
}

Test(reader, keeps_offsets_where_compaction_left_gaps)
{
    const weir_topic compacted = { .name          = "items",
                                   .type          = &item_type,
                                   .key           = "id",
                                   .segment_bytes = 64 << 10,
                                   .is_compacted  = true };
    begin(&compacted);
    weir_reader *reader = open_partition(0);
    for (uint32_t i = 0; i < 200; i++) {
        append(0, i % 2 == 0 ? 0 : i * 100, 100); // every other hundred is written again
    }
    expect(reader, 0, 0); // its file stays as it is
    cr_assert_eq(weir_log_compact(writer, "items", NULL), WEIR_OK, "%s", weir_log_error(writer));
    uint64_t      next = 100, count = 0;
    weir_log_rows rows;
    while (weir_reader_next(reader, 0, &rows) == WEIR_OK) {
        for (uint32_t i = 0; i < rows.count; i++) {
            const uint64_t offset = rows.offset + (rows.deltas != NULL ? rows.deltas[i] : i);
            const uint64_t id     = ((const item *)rows.rows)[i].id;
            cr_assert_geq(offset, next);
            cr_assert_eq(id, offset / 100 % 2 == 0 ? offset % 100 : offset);
            next = offset + 1;
            count++;
        }
    }
    cr_assert_eq(next, 20000);
    cr_assert_lt(count, 19000);
    weir_reader_close(reader);

    reader = open_partition(0); // a seek into a gap finds what comes after it
    cr_assert_eq(weir_reader_seek(reader, 0, 250), WEIR_OK);
    expect(reader, 300, 300);
    weir_reader_close(reader);
    end();
}

// The machine stops at one change of a truncation. True: it has been noted and nothing else says
// so.
static bool stop_in_truncation(uint64_t change)
{
    begin(&items);
    for (uint64_t i = 0; i < 3; i++) {
        append(0, i * 10, 10);
    }
    wr_simulation_fault_at(environment, wr_simulation_changes(environment) + change,
                           WR_DISK_CRASH_AFTER);
    const bool stops = weir_log_truncate_from(writer, "items", 0, 15) != WEIR_OK;
    (void)weir_producer_close(producer);
    (void)weir_log_close(writer);
    writer = NULL;
    (void)weir_log_close(reading);
    wr_simulation_reboot(environment, change);
    reading = open_log(false);
    return stops;
}

static uint32_t count_to_end(const weir_reader_options *options)
{
    weir_reader  *reader = open_reader(reading, options);
    weir_log_rows rows;
    weir_status   status;
    uint32_t      count = 0;
    while ((status = weir_reader_next(reader, 0, &rows)) == WEIR_OK) {
        count += rows.count;
    }
    cr_expect_eq(status, WEIR_AT_END, "%s", weir_reader_error(reader));
    weir_reader_close(reader);
    return count;
}

Test(reader, does_not_show_what_an_unfinished_truncation_takes_back)
{
    bool     stops = true;
    uint32_t noted = 0;
    for (uint64_t change = 0; stops; change++) {
        stops                           = stop_in_truncation(change);
        struct wr_partition_start start = { .cut_count = 0 };
        struct wr_log_error       error = { .status = WEIR_OK };
        const char               *place = "/log/topics/items/0";
        const uint32_t            expected =
            wr_partition_start_read(environment, place, &start, &error) == WEIR_OK &&
                    start.cut_count > 0
                           ? 15
                           : 30;
        cr_expect_eq(count_to_end(&(weir_reader_options){ .is_bounded = true }), expected);
        cr_expect_eq(
            count_to_end(&(weir_reader_options){ .is_bounded = true, .reads_uncommitted = true }),
            expected, "stopped at change %u", (unsigned)change);
        noted += stops && start.cut_count > 0;
        wr_partition_start_fini(&start);
        end();
    }
    cr_expect_gt(noted, 1);
}

// ---- damage ----

// A bit of the first segment of the topic's partition 0.
static void flip(const char *topic, size_t at)
{
    size_t length;
    char  *path  = wr_format("/log/topics/%s/0/00000000000000000000.segment", topic);
    char  *bytes = wr_simulation_bytes(environment, path, &length);
    cr_assert_not_null(bytes, "%s is not there", path);
    bytes[at] = (char)(bytes[at] ^ 1);
    wr_free(path);
}

Test(reader, names_the_place_of_damage_until_it_is_moved)
{
    begin(&items);
    append(0, 0, 10);
    append(0, 10, 10);
    append(0, 20, 10);
    close_writer();
    flip("items", 4096 + 256 + 120); // in the second batch's rows: each has 96 + 160 bytes
    weir_reader *reader = open_partition(0);
    expect(reader, 0, 0);
    expect_status(reader, WEIR_DAMAGED, "00000000000000000000.segment: at byte 4352");
    expect_status(reader, WEIR_DAMAGED, "offset 10");
    cr_assert_eq(weir_reader_seek(reader, 0, 0), WEIR_OK);
    expect(reader, 0, 0);
    expect_status(reader, WEIR_DAMAGED, "offset 10");
    cr_assert_eq(weir_reader_seek(reader, 0, 20), WEIR_OK);
    expect(reader, 20, 20);
    weir_reader_close(reader);
    end();
}

// ---- transactions ----

Test(reader, holds_back_until_a_transaction_is_decided)
{
    begin(&items);
    weir_transaction         *transaction;
    const uint32_t            first   = 0;
    const weir_reader_options options = { .partitions        = &first,
                                          .partition_count   = 1,
                                          .reads_uncommitted = true };
    weir_reader              *reader = open_partition(0), *hasty = open_reader(reading, &options);
    cr_assert_eq(weir_transaction_open(writer, "t", &transaction), WEIR_OK);
    for (uint64_t round = 0; round < 2; round++) {
        cr_assert_eq(weir_transaction_begin(transaction), WEIR_OK);
        cr_assert_eq(weir_producer_join(producer, transaction), WEIR_OK);
        append(0, round * 20, 10);
        cr_assert_eq(weir_producer_join(producer, NULL), WEIR_OK);
        append(0, round * 20 + 10, 10);
        expect_status(reader, WEIR_TIMED_OUT, "");
        expect(hasty, round * 20, round * 20);
        expect(hasty, round * 20 + 10, round * 20 + 10);
        if (round == 0) {
            cr_assert_eq(weir_transaction_commit(transaction), WEIR_OK);
            expect(reader, 0, 0);
        } else {
            cr_assert_eq(weir_transaction_abort(transaction), WEIR_OK);
        }
        expect(reader, round * 20 + 10, round * 20 + 10);
    }
    weir_transaction_close(transaction);
    weir_reader_close(reader);
    weir_reader_close(hasty);
    end();
}

// Items 0 to 9 of partition 0 and 1, and 10 to 19 of partition 0 in a transaction; closed.
static void write_a_transaction(void)
{
    weir_transaction *transaction;
    begin(&items);
    append(0, 0, 10);
    append(1, 0, 10);
    cr_assert_eq(weir_transaction_open(writer, "t", &transaction), WEIR_OK);
    cr_assert_eq(weir_transaction_begin(transaction), WEIR_OK);
    cr_assert_eq(weir_producer_join(producer, transaction), WEIR_OK);
    append(0, 10, 10);
    cr_assert_eq(weir_transaction_commit(transaction), WEIR_OK);
    weir_transaction_close(transaction);
    close_writer();
}

// What is not decided as far as can be known is refused; what needs no decision is read.
static void expect_no_decisions(weir_reader *reader, const char *part)
{
    weir_reader        *bounded;
    uint32_t            partition = 0;
    weir_reader_options options   = { .partitions      = &partition,
                                      .partition_count = 1,
                                      .is_bounded      = true };
    expect(reader, 0, 0);
    expect_status(reader, WEIR_DAMAGED, "the transaction at offset 10");
    expect_status(reader, WEIR_DAMAGED, part);
    bounded = open_reader(reading, &options);
    expect(bounded, 0, 0);
    expect_status(bounded, WEIR_DAMAGED, "items partition 0");
    expect_status(bounded, WEIR_DAMAGED, part);
    weir_reader_close(bounded);
    partition = 1;
    bounded   = open_reader(reading, &options);
    expect(bounded, 0, 0);
    expect_status(bounded, WEIR_AT_END, "");
    weir_reader_close(bounded);
}

Test(reader, says_that_what_was_decided_is_damaged)
{
    write_a_transaction();
    weir_reader *reader = open_partition(0);
    flip(".transactions", 4096 + 120); // in the rows of the first batch
    expect_no_decisions(reader, "topics/.transactions/0/00000000000000000000.segment");
    weir_reader_close(reader);
    end();
}

Test(reader, says_that_what_was_decided_is_gone)
{
    write_a_transaction();
    weir_reader *reader = open_partition(0);
    cr_assert_eq(environment->ops->unlink(environment, "/log/topics/.transactions/topic"), 0);
    expect_no_decisions(reader, ".transactions");
    weir_reader_close(reader);
    end();
}

// ---- a writer in the midst of a publication ----

Test(reader, keeps_to_what_is_known_while_the_writer_publishes)
{
    begin(&items);
    append(0, 0, 10);
    const uint32_t partition = 0;
    weir_reader   *reader    = open_reader(
             writer, &(weir_reader_options){ .partitions = &partition, .partition_count = 1 });
    expect(reader, 0, 0);
    struct wr_log_error error = { .status = WEIR_OK };
    struct wr_live     *live  = wr_topic_live(wr_catalog_topic(writer, "items", &error));
    uint64_t *sequence = (uint64_t *)(uintptr_t)wr_live_word(live) - 4 + 8; // the first slot's
    append(0, 10, 10);
    cr_assert_eq(*sequence % 2, 0);
    *sequence += 1;
    expect_status(reader, WEIR_TIMED_OUT, ""); // the files would say that there is more
    *sequence += 1;
    expect(reader, 10, 10);
    weir_reader_close(reader);
    end();
}

// ---- deletion ----

Test(reader, is_told_that_its_topic_was_deleted)
{
    begin(&items);
    append(0, 0, 10);
    weir_reader *reader = open_partition(0), *behind = open_partition(0);
    expect(reader, 0, 0);
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
    cr_assert_eq(weir_log_delete_topic(writer, "items"), WEIR_OK, "%s", weir_log_error(writer));
    expect_status(reader, WEIR_NOT_FOUND, "topic items was deleted");
    expect_status(reader, WEIR_NOT_FOUND, "topic items was deleted");
    cr_assert_eq(weir_log_create_topic(writer, &items), WEIR_OK); // another one
    expect_status(behind, WEIR_NOT_FOUND, "topic items was deleted");
    weir_reader_close(reader);
    weir_reader_close(behind);
    cr_assert_eq(weir_log_close(writer), WEIR_OK);
    writer = NULL;
    end();
}

// ---- consumers ----

static const weir_reader_options fraud = { .consumer = "fraud" };

Test(reader, goes_on_where_its_consumer_committed)
{
    begin(&items);
    append(0, 0, 10);
    append(0, 10, 10);
    weir_reader *reader = open_reader(reading, &fraud), *other;
    expect(reader, 0, 0);
    cr_assert_eq(weir_reader_open(reading, "items", &fraud, &other), WEIR_CONFLICT);
    cr_assert_null(other);
    cr_assert_not_null(strstr(weir_log_error(reading), "fraud"), "%s", weir_log_error(reading));
    cr_assert_eq(weir_reader_commit(reader), WEIR_OK, "%s", weir_reader_error(reader));
    expect(reader, 10, 10); // is not committed
    weir_reader_close(reader);
    reader = open_reader(reading, &fraud);
    expect(reader, 10, 10);
    weir_reader_close(reader);
    end();
}

// The consumer has committed offset 10, and the records from 4 on are taken back.
static void commit_what_is_taken_back(void)
{
    begin(&items);
    append(0, 0, 10);
    weir_reader *reader = open_reader(reading, &fraud);
    expect(reader, 0, 0);
    cr_assert_eq(weir_reader_commit(reader), WEIR_OK);
    weir_reader_close(reader);
    cr_assert_eq(weir_log_truncate_from(writer, "items", 0, 4), WEIR_OK);
}

Test(reader, tells_a_consumer_once_that_what_it_has_committed_was_taken_back)
{
    commit_what_is_taken_back();
    append(0, 500, 20); // its place is within the log again
    weir_reader *reader = open_reader(reading, &fraud);
    expect_status(reader, WEIR_CONFLICT, "it stands at offset 4");
    expect(reader, 4, 500);
    cr_assert_eq(weir_reader_commit(reader), WEIR_OK);
    weir_reader_close(reader);
    append(0, 600, 1);
    reader = open_reader(reading, &fraud);
    expect(reader, 24, 600);
    weir_reader_close(reader);
    end();
}

Test(reader, tells_a_consumer_that_came_further_than_the_log_goes)
{
    commit_what_is_taken_back();
    weir_reader *reader = open_reader(reading, &fraud);
    expect_status(reader, WEIR_CONFLICT, "committed offset 10");
    append(0, 500, 2);
    expect(reader, 4, 500);
    weir_reader_close(reader);
    end();
}

// ---- mistakes ----

typedef struct odd {
    bool id;
} odd;
WEIR_RECORD(odd, id);

Test(reader, refuses_what_cannot_be_and_says_why)
{
    begin(&items);
    const uint32_t            twice[] = { 1, 1 }, third[] = { 2 };
    const weir_reader_options options[] = {
        { .partitions = twice, .partition_count = 2 },
        { .partitions = third, .partition_count = 1 },
        { .type = &odd_type },
        { .start = (weir_start)9 },
    };
    const weir_status expected[] = { WEIR_USAGE, WEIR_NOT_FOUND, WEIR_MISMATCH, WEIR_USAGE };
    const char *parts[] = { "partition 1 is named twice", "no partition 2", "id", "weir_start" };
    for (uint32_t i = 0; i < WR_COUNT_OF(options); i++) {
        weir_reader *reader;
        cr_assert_eq(weir_reader_open(reading, "items", &options[i], &reader), expected[i]);
        cr_assert_null(reader);
        cr_assert_not_null(strstr(weir_log_error(reading), parts[i]), "%s",
                           weir_log_error(reading));
    }
    weir_reader *reader = open_reader(reading, NULL);
    cr_assert_eq(weir_reader_commit(reader), WEIR_USAGE);
    cr_assert_eq(weir_reader_seek(reader, 7, 0), WEIR_NOT_FOUND);
    weir_reader_close(reader);
    end();
}

// ---- waiting, with threads ----

static void *append_later(void *opaque)
{
    (void)opaque;
    environment->ops->wait_word(environment, &(uint32_t){ 0 }, 0, 50000);
    append(0, 0, 1);
    return NULL;
}

// A log with its writer in a temporary directory of the real disk.
static void begin_really(char *directory)
{
    cr_assert_not_null(mkdtemp(directory));
    environment = wr_environment_open_real();
    cr_assert_eq(wr_log_open_in(environment, directory,
                                &(weir_log_options){ .writes = true, .creates = true }, &writer),
                 WEIR_OK);
    cr_assert_eq(weir_log_create_topic(writer, &items), WEIR_OK);
    cr_assert_eq(weir_producer_open(writer, "items", NULL, &producer), WEIR_OK);
}

static void end_really(const char *directory)
{
    char command[60];
    close_writer();
    wr_environment_close(environment);
    (void)snprintf(command, sizeof(command), "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

Test(reader, wakes_when_something_is_appended)
{
    char      directory[] = "/tmp/weir-reader-XXXXXX";
    pthread_t thread;
    begin_really(directory);
    weir_reader *reader = open_reader(writer, NULL);
    cr_assert_eq(pthread_create(&thread, NULL, append_later, NULL), 0);
    weir_log_rows rows;
    cr_assert_eq(weir_reader_next(reader, -1, &rows), WEIR_OK);
    cr_assert_eq(rows.count, 1);
    pthread_join(thread, NULL);
    weir_reader_close(reader);
    end_really(directory);
}

Test(reader, finds_what_is_acknowledged_without_waiting)
{
    char directory[] = "/tmp/weir-reader-XXXXXX";
    begin_really(directory);
    cr_assert_eq(
        wr_log_open_in(environment, directory, &(weir_log_options){ .writes = false }, &reading),
        WEIR_OK);
    weir_reader  *reader = open_reader(reading, NULL);
    weir_log_rows rows;
    for (uint64_t i = 0; i < 1000; i++) {
        append(0, i, 1);
        cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
        cr_assert_eq(weir_reader_next(reader, 0, &rows), WEIR_OK, "after %llu rows",
                     (unsigned long long)i);
    }
    weir_reader_close(reader);
    cr_assert_eq(weir_log_close(reading), WEIR_OK);
    end_really(directory);
}
