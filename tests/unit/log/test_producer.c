// Appending: partitions, acknowledgement, the buffer, the weaker durabilities, full and failing
// disks.
#include "log/commit.h"
#include "log/producer.h"
#include "tests/support/log_directory.h"

#include <weir/call.h>

typedef struct sale {
    weir_time at;
    uint64_t  shop;
    weir_str  note;
} sale;
WEIR_RECORD(sale, at, shop, note);

static char last_warning[512];

static void take_warning(void *opaque, const char *sentence)
{
    (void)opaque;
    (void)snprintf(last_warning, sizeof(last_warning), "%s", sentence);
}

static weir_log *open_log(struct log_directory *directory, weir_durability durability)
{
    const weir_log_options options = { .writes       = true,
                                       .creates      = true,
                                       .durability   = durability,
                                       .buffer_bytes = 256 << 10,
                                       .warn         = take_warning };
    weir_log              *log;
    const weir_status      status =
        wr_log_open_in(directory->environment, directory->path, &options, &log);
    cr_assert_eq(status, WEIR_OK, "%s", weir_log_error(log));
    return log;
}

static weir_producer *open_producer(weir_log *log, uint32_t partitions, const char *key)
{
    const weir_topic topic = { .name          = "sales",
                               .type          = &sale_type,
                               .key           = key,
                               .time          = "at",
                               .partitions    = partitions,
                               .segment_bytes = 64 << 10 };
    weir_producer   *producer;
    cr_assert_eq(weir_log_create_topic(log, &topic), WEIR_OK, "%s", weir_log_error(log));
    cr_assert_eq(weir_producer_open(log, "sales", &sale_type, &producer), WEIR_OK, "%s",
                 weir_log_error(log));
    return producer;
}

static sale sale_of(uint64_t number)
{
    static char note[] = "a note that is longer than what a string keeps inline";
    return (sale){ .at   = (weir_time)number,
                   .shop = number % 13,
                   .note = weir_str_of(note, number % sizeof(note)) };
}

static void append_some(weir_producer *producer, uint64_t from, uint64_t count)
{
    for (uint64_t i = from; i < from + count; i++) {
        const sale one = sale_of(i);
        cr_assert_eq(weir_producer_append(producer, &one, 1), WEIR_OK, "%s",
                     weir_producer_error(producer));
    }
}

static uint64_t acknowledged_rows(const weir_producer *producer, uint32_t partitions)
{
    uint64_t rows = 0;
    for (uint32_t p = 0; p < partitions; p++) {
        rows += weir_producer_acknowledged(producer, p, NULL);
    }
    return rows;
}

static uint64_t end_offset(weir_log *log, uint32_t partition)
{
    weir_partition_info info;
    cr_assert_eq(weir_log_partition_info(log, "sales", partition, &info), WEIR_OK, "%s",
                 weir_log_error(log));
    return info.end_offset;
}

// ---- acknowledgement ----

static void flush_acknowledges(struct log_directory *directory)
{
    weir_log      *log      = open_log(directory, WEIR_DURABLE);
    weir_producer *producer = open_producer(log, 3, "shop");
    uint64_t       next     = 99;
    cr_expect_eq(weir_producer_acknowledged(producer, 0, &next), 0);
    cr_expect_eq(next, 0);
    append_some(producer, 0, 1000);
    cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
    cr_expect_eq(acknowledged_rows(producer, 3), 1000);
    uint64_t ends = 0;
    for (uint32_t p = 0; p < 3; p++) {
        cr_expect_eq(weir_producer_acknowledged(producer, p, &next), end_offset(log, p));
        cr_expect_eq(next, end_offset(log, p));
        ends += next;
    }
    cr_expect_eq(ends, 1000);
    cr_expect_eq(weir_producer_close(producer), WEIR_OK);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
}

Test(producer, acknowledges_all_at_a_flush) { in_both_environments(flush_acknowledges); }

static void close_acknowledges(struct log_directory *directory)
{
    weir_log      *log      = open_log(directory, WEIR_DURABLE);
    weir_producer *producer = open_producer(log, 1, NULL);
    append_some(producer, 0, 10);
    cr_expect_eq(weir_producer_close(producer), WEIR_OK);
    cr_expect_eq(end_offset(log, 0), 10);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
}

Test(producer, acknowledges_all_at_its_close) { in_both_environments(close_acknowledges); }

// ---- partitions ----

Test(producer, sends_equal_keys_to_one_partition)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, WEIR_DURABLE);
    weir_producer       *producer  = open_producer(log, 5, "shop");
    const sale           one       = sale_of(7);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(weir_producer_append(producer, &one, 1), WEIR_OK);
    }
    cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
    uint32_t used = 0;
    for (uint32_t p = 0; p < 5; p++) {
        const uint64_t rows = weir_producer_acknowledged(producer, p, NULL);
        cr_expect(rows == 0 || rows == 20, "%lu", rows);
        used += rows != 0;
    }
    cr_expect_eq(used, 1);
    (void)weir_producer_close(producer);
    (void)weir_log_close(log);
    log_directory_close(&directory);
}

Test(producer, takes_turns_among_partitions_without_a_key)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, WEIR_DURABLE);
    weir_producer       *producer  = open_producer(log, 4, NULL);
    append_some(producer, 0, 40);
    cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
    for (uint32_t p = 0; p < 4; p++) {
        cr_expect_eq(weir_producer_acknowledged(producer, p, NULL), 10);
    }
    (void)weir_producer_close(producer);
    (void)weir_log_close(log);
    log_directory_close(&directory);
}

Test(producer, refuses_a_partition_that_is_not_there)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, WEIR_DURABLE);
    weir_producer       *producer  = open_producer(log, 4, NULL);
    const sale           one       = sale_of(1);
    cr_expect_eq(weir_producer_append_to(producer, 3, &one, NULL, 1), WEIR_OK);
    cr_expect_eq(weir_producer_append_to(producer, 4, &one, NULL, 1), WEIR_USAGE);
    assert_has(weir_producer_error(producer), "topic sales has partitions 0 to 3, not 4");
    (void)weir_producer_close(producer);
    (void)weir_log_close(log);
    log_directory_close(&directory);
}

// The partition of a key is part of the format: these never change.
Test(key, leads_to_the_same_partition_for_ever)
{
    struct wr_log_key key;
    char             *error = NULL;
    cr_assert(wr_log_key_init(&key, &sale_type, "shop", &error));
    uint64_t hashes[8];
    uint32_t numbers[8];
    uint64_t shops[8] = { 0, 1, 2, 3, 1000, 1u << 31, UINT64_MAX, 7 };
    wr_log_key_partitions(&key, shops, 8, 16, hashes, numbers);
    const uint32_t expected[8] = { 14, 9, 9, 1, 3, 2, 14, 6 };
    for (int i = 0; i < 8; i++) {
        cr_expect_eq(numbers[i], expected[i], "shop %lu: %u", shops[i], numbers[i]);
    }
    wr_log_key_fini(&key);
}

Test(key, of_a_field_that_is_not_there_is_refused)
{
    struct wr_log_key key;
    char             *error = NULL;
    cr_assert_not(wr_log_key_init(&key, &sale_type, "shop,shopp", &error));
    assert_has(error, "sale has no field \"shopp\" for its key");
    wr_free(error);
}

Test(key, of_a_field_named_twice_is_that_field_twice_or_refused)
{
    struct wr_log_key key;
    char             *error = NULL;
    if (wr_log_key_init(&key, &sale_type, "shop,shop", &error)) {
        wr_log_key_fini(&key);
    } else {
        assert_has(error, "names a field twice");
        wr_free(error);
    }
}

// ---- a weaker durability ----

static uint64_t rows_after_power_cut(weir_durability durability)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, durability);
    weir_producer       *producer  = open_producer(log, 1, NULL);
    append_some(producer, 0, 100);
    cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
    wr_simulation_reboot(directory.environment, 3);
    (void)weir_producer_close(producer);
    (void)weir_log_close(log);
    log                 = open_log(&directory, WEIR_DURABLE);
    const uint64_t rows = end_offset(log, 0);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
    return rows;
}

Test(durability, keeps_what_was_acknowledged_through_a_power_cut)
{
    cr_expect_eq(rows_after_power_cut(WEIR_DURABLE), 100);
}

Test(durability, left_to_the_system_may_lose_and_never_invents)
{
    cr_expect_leq(rows_after_power_cut(WEIR_DURABLE_OS), 100);
    cr_expect_leq(rows_after_power_cut(WEIR_DURABLE_INTERVAL), 100);
}

static void weaker_close_loses_nothing(struct log_directory *directory)
{
    weir_log      *log      = open_log(directory, WEIR_DURABLE_OS);
    weir_producer *producer = open_producer(log, 1, NULL);
    append_some(producer, 0, 100);
    cr_expect_eq(weir_producer_close(producer), WEIR_OK);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    if (directory->environment->is_simulated) {
        wr_simulation_reboot(directory->environment, 5);
    }
    log = open_log(directory, WEIR_DURABLE);
    cr_expect_eq(end_offset(log, 0), 100);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
}

Test(durability, of_any_kind_loses_nothing_after_a_close)
{
    in_both_environments(weaker_close_loses_nothing);
}

// ---- disks ----

Test(commit, waits_on_a_full_disk_and_goes_on_when_there_is_room)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, WEIR_DURABLE);
    weir_producer       *producer  = open_producer(log, 1, NULL);
    append_some(producer, 0, 10);
    cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
    wr_simulation_fault_at(directory.environment, wr_simulation_changes(directory.environment),
                           WR_DISK_ENOSPC);
    append_some(producer, 10, 2000); // more than a segment's room
    cr_expect_eq(weir_producer_flush(producer, 3000000), WEIR_TIMED_OUT);
    assert_has(last_warning, "producers wait, readers go on, and it is tried again each second");
    wr_simulation_make_room(directory.environment);
    cr_expect_eq(weir_producer_flush(producer, -1), WEIR_OK);
    assert_has(last_warning, "there is room on the disk again");
    cr_expect_eq(end_offset(log, 0), 2010);
    cr_expect_eq(weir_producer_close(producer), WEIR_OK);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

// A log whose disk becomes full with rows 10 .. 2009 appended; 10 are acknowledged.
static void fill_disk(struct log_directory *directory, weir_log **log, weir_producer **producer)
{
    *log      = open_log(directory, WEIR_DURABLE);
    *producer = open_producer(*log, 1, NULL);
    append_some(*producer, 0, 10);
    cr_assert_eq(weir_producer_flush(*producer, -1), WEIR_OK);
    wr_simulation_fault_at(directory->environment, wr_simulation_changes(directory->environment),
                           WR_DISK_ENOSPC);
    append_some(*producer, 10, 2000); // more than a segment's room
}

Test(producer, that_closes_on_a_full_disk_gives_up_and_its_rows_are_written_when_there_is_room,
     .timeout = 60)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log;
    weir_producer       *producer;
    fill_disk(&directory, &log, &producer);
    const int64_t before = wr_now_us(directory.environment);
    cr_expect_eq(weir_producer_close(producer), WEIR_FULL);
    cr_expect_leq(wr_now_us(directory.environment) - before, WEIR_SECONDS(3));
    assert_has(weir_log_error(log), "topic sales: it closes with rows that are not acknowledged");
    cr_expect_lt(end_offset(log, 0), 2010);
    wr_simulation_make_room(directory.environment);
    wr_simulation_spend(directory.environment, WEIR_SECONDS(2));
    (void)wr_commit_run(log->commit, false);
    cr_expect_eq(end_offset(log, 0), 2010);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

Test(producer, that_closes_when_there_is_room_again_gives_up_nothing, .timeout = 60)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log;
    weir_producer       *producer;
    fill_disk(&directory, &log, &producer);
    (void)wr_commit_run(log->commit, false); // finds it full, and gives the ballast back
    wr_simulation_make_room(directory.environment);
    cr_expect_eq(weir_producer_close(producer), WEIR_OK);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

Test(commit, tries_once_more_when_the_log_closes_on_a_full_disk, .timeout = 60)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log;
    weir_producer       *producer;
    fill_disk(&directory, &log, &producer);
    cr_expect_eq(weir_producer_close(producer), WEIR_FULL);
    wr_simulation_make_room(directory.environment);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log = open_log(&directory, WEIR_DURABLE);
    cr_expect_eq(end_offset(log, 0), 2010);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

Test(commit, says_what_is_lost_when_the_log_closes_on_a_disk_that_stays_full, .timeout = 60)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log;
    weir_producer       *producer;
    fill_disk(&directory, &log, &producer);
    cr_expect_eq(weir_producer_close(producer), WEIR_FULL);
    cr_expect_eq(weir_log_close(log), WEIR_FULL);
    assert_has(last_warning, "bytes that were appended are lost; none of them was acknowledged");
    wr_simulation_make_room(directory.environment);
    log = open_log(&directory, WEIR_DURABLE);
    cr_expect_geq(end_offset(log, 0), 10);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

static void failed_sync_poisons(struct log_directory *directory, weir_log **log,
                                weir_producer **producer)
{
    *log      = open_log(directory, WEIR_DURABLE);
    *producer = open_producer(*log, 1, NULL);
    append_some(*producer, 0, 10);
    cr_assert_eq(weir_producer_flush(*producer, -1), WEIR_OK);
    // The next changes are the write of the batch and its sync.
    wr_simulation_fault_at(directory->environment,
                           wr_simulation_changes(directory->environment) + 1, WR_DISK_UNSYNCED);
    append_some(*producer, 10, 10);
    cr_expect_eq(weir_producer_flush(*producer, -1), WEIR_DISK_FAILED);
}

Test(commit, acknowledges_nothing_more_after_a_failed_sync)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log;
    weir_producer       *producer;
    failed_sync_poisons(&directory, &log, &producer);
    assert_has(weir_producer_error(producer), "nothing more is written to it");
    cr_expect_eq(weir_producer_acknowledged(producer, 0, NULL), 10);
    const uint64_t changes = wr_simulation_changes(directory.environment);
    const sale     one     = sale_of(20);
    cr_expect_eq(weir_producer_append(producer, &one, 1), WEIR_DISK_FAILED);
    cr_expect_eq(weir_producer_flush(producer, -1), WEIR_DISK_FAILED);
    cr_expect_eq(weir_producer_close(producer), WEIR_DISK_FAILED);
    cr_expect_eq(weir_log_close(log), WEIR_DISK_FAILED);
    cr_expect_eq(wr_simulation_changes(directory.environment), changes, "the disk was touched");
    log_directory_close(&directory);
}

Test(commit, does_not_trust_the_page_cache_after_a_failed_sync)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log;
    weir_producer       *producer;
    failed_sync_poisons(&directory, &log, &producer);
    (void)weir_producer_close(producer);
    (void)weir_log_close(log);
    // The cache still shows the second ten records; the disk has only the first.
    log = open_log(&directory, WEIR_DURABLE);
    cr_expect_eq(end_offset(log, 0), 10);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

Test(commit, takes_no_more_than_its_buffer)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, WEIR_DURABLE);
    weir_producer       *producer  = open_producer(log, 1, NULL);
    weir_status          status    = WEIR_OK;
    sale                 many[512];
    uint64_t             taken = 0;
    for (uint32_t i = 0; i < 512; i++) {
        many[i] = sale_of(i);
    }
    while (wr_producer_try(producer, 0, many, NULL, 512, &status) && taken < 1000000) {
        taken += 512;
    }
    cr_expect_eq(status, WEIR_OK);
    cr_expect_lt(taken * sizeof(sale), 1 << 20);
    cr_expect_leq(log->commit->buffered_bytes, log->options.buffer_bytes + (256 << 10));
    cr_expect_eq(weir_producer_flush(producer, -1), WEIR_OK);
    cr_expect(wr_producer_try(producer, 0, many, NULL, 512, &status));
    cr_expect_eq(weir_producer_close(producer), WEIR_OK);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

// A row whose string is 4 KiB long.
static sale long_sale(void)
{
    static char note[4096];
    memset(note, 'n', sizeof(note));
    return (sale){ .note = weir_str_of(note, sizeof(note)) };
}

Test(commit, counts_the_strings_of_rows_that_ask_for_room)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, WEIR_DURABLE);
    weir_producer       *producer  = open_producer(log, 1, NULL);
    weir_status          status    = WEIR_OK;
    sale                 many[64];
    for (uint32_t i = 0; i < WR_COUNT_OF(many); i++) {
        many[i] = long_sale();
    }
    cr_assert(wr_producer_try(producer, 0, many, NULL, 32, &status));
    // 128 KiB are in it, of 256.
    cr_expect_not(wr_producer_try(producer, 0, many, NULL, 64, &status));
    cr_expect_eq(status, WEIR_OK);
    cr_expect(wr_producer_try(producer, 0, many, NULL, 16, &status));
    cr_expect_eq(weir_producer_close(producer), WEIR_OK);
    cr_expect_eq(end_offset(log, 0), 48);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

Test(commit, keeps_to_its_buffer_when_many_long_rows_are_appended_at_once)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, WEIR_DURABLE);
    weir_producer       *producer  = open_producer(log, 1, NULL);
    static sale          many[1024]; // 4 MiB, into a buffer of 256 KiB
    for (uint32_t i = 0; i < WR_COUNT_OF(many); i++) {
        many[i] = long_sale();
    }
    cr_assert_eq(weir_producer_append(producer, many, WR_COUNT_OF(many)), WEIR_OK);
    cr_expect_leq(log->commit->buffered_bytes, log->options.buffer_bytes + (128 << 10));
    cr_expect_eq(weir_producer_close(producer), WEIR_OK);
    cr_expect_eq(end_offset(log, 0), 1024);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

// ---- who may append ----

Test(producer, needs_a_log_that_is_open_for_writing)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, WEIR_DURABLE);
    (void)weir_producer_close(open_producer(log, 1, NULL));
    (void)weir_log_close(log);
    weir_producer *producer;
    cr_assert_eq(wr_log_open_in(directory.environment, directory.path, NULL, &log), WEIR_OK);
    cr_expect_eq(weir_producer_open(log, "sales", NULL, &producer), WEIR_USAGE);
    assert_has(weir_log_error(log), "opened for reading");
    (void)weir_log_close(log);
    log_directory_close(&directory);
}

typedef struct other {
    uint64_t shop;
} other;
WEIR_RECORD(other, shop);

Test(producer, refuses_rows_of_a_type_the_topic_does_not_know)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, WEIR_DURABLE);
    (void)weir_producer_close(open_producer(log, 1, NULL));
    weir_producer *producer;
    cr_expect_eq(weir_producer_open(log, "sales", &other_type, &producer), WEIR_MISMATCH);
    assert_has(weir_log_error(log), "it has no version of its type that is other as given");
    cr_expect_eq(weir_producer_open(log, "salez", NULL, &producer), WEIR_NOT_FOUND);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

Test(producer, keeps_its_topic_from_being_deleted)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = open_log(&directory, WEIR_DURABLE);
    weir_producer       *producer  = open_producer(log, 2, NULL);
    append_some(producer, 0, 10);
    cr_expect_eq(weir_log_delete_topic(log, "sales"), WEIR_CONFLICT);
    assert_has(weir_log_error(log), "topic sales: 1 open producers append to it");
    cr_expect_eq(weir_producer_close(producer), WEIR_OK);
    cr_expect_eq(weir_log_delete_topic(log, "sales"), WEIR_OK);
    cr_expect_eq(weir_producer_open(log, "sales", NULL, &producer), WEIR_NOT_FOUND);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}
