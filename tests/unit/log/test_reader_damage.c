// What a reader gives out of a log whose segments are not what was written: all that is whole
// before the damage, in order, and then a sentence that names the place fsck names.
#include "log/fsck.h"
#include "log/segment.h"
#include "runtime/base/file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <weir/record.h>

#define PARTITION "/log/topics/items/0"
#define ROWS      1000u // of partition 0
#define ROWS_MORE 100u  // of partition 1
#define BATCH     50u   // rows
#define SEGMENTS  8     // at most

typedef struct item {
    uint64_t id; // its offset
    char     padding[200];
} item;
WEIR_RECORD(item, id, padding);

static struct wr_environment *environment;
static weir_log              *reading;
static char                  *segments[SEGMENTS]; // paths
static int                    segment_count;

static weir_log *open_log(bool writes)
{
    weir_log         *log;
    const weir_status status = wr_log_open_in(
        environment, "/log", &(weir_log_options){ .writes = writes, .creates = writes }, &log);
    cr_assert_eq(status, WEIR_OK, "%s", weir_log_error(log));
    return log;
}

static void append(weir_log *log, uint32_t partition, uint64_t first, uint32_t count)
{
    weir_producer *producer;
    cr_assert_eq(weir_producer_open(log, "items", NULL, &producer), WEIR_OK);
    for (uint64_t at = first; at < first + count; at += BATCH) {
        item rows[BATCH];
        memset(rows, 0, sizeof(rows));
        for (uint32_t i = 0; i < BATCH; i++) {
            rows[i].id = at + i;
        }
        cr_assert_eq(weir_producer_append_to(producer, partition, rows, NULL, BATCH), WEIR_OK);
        cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
    }
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
}

static void list_segments(void)
{
    uint64_t *bases;
    uint32_t  count;
    cr_assert_eq(wr_segment_list(environment, PARTITION, &bases, &count), 0);
    cr_assert(count >= 4 && count <= SEGMENTS, "there are %u segments", count);
    for (segment_count = 0; segment_count < (int)count; segment_count++) {
        segments[segment_count] = wr_segment_path(PARTITION, bases[segment_count]);
    }
    wr_free(bases);
}

// A closed log with several sealed segments in partition 0 and some rows in partition 1.
static void begin(void)
{
    const weir_topic topic = {
        .name = "items", .type = &item_type, .partitions = 2, .segment_bytes = 64u << 10
    };
    environment   = wr_environment_open_simulated(1, false);
    weir_log *log = open_log(true);
    cr_assert_eq(weir_log_create_topic(log, &topic), WEIR_OK, "%s", weir_log_error(log));
    append(log, 0, 0, ROWS);
    append(log, 1, 0, ROWS_MORE);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    list_segments();
}

// Without a restart, readers go by what the last writer told them; with one, by the files alone.
static void begin_reading(bool is_restarted)
{
    if (is_restarted) {
        wr_simulation_reboot(environment, 1);
    }
    reading = open_log(false);
}

static void end(void)
{
    cr_assert_eq(weir_log_close(reading), WEIR_OK);
    while (segment_count > 0) {
        wr_free(segments[--segment_count]);
    }
    wr_environment_close(environment);
}

// ---- harm ----

static size_t size_of(const char *path)
{
    size_t length;
    cr_assert_not_null(wr_simulation_bytes(environment, path, &length));
    return length;
}

static void cut(const char *path, uint64_t bytes)
{
    const int file = environment->ops->open(environment, path, WR_OPEN_UPDATE);
    cr_assert_geq(file, 0);
    cr_assert_eq(environment->ops->truncate(environment, file, bytes), 0);
    cr_assert_eq(environment->ops->sync(environment, file), 0);
    environment->ops->close(environment, file);
}

static void flip(const char *path, uint64_t at)
{
    size_t      length;
    char *const bytes = wr_simulation_bytes(environment, path, &length);
    cr_assert_lt(at, length);
    const char flipped = (char)(bytes[at] ^ 0x40);
    const int  file    = environment->ops->open(environment, path, WR_OPEN_UPDATE);
    cr_assert_eq(wr_file_write(environment, file, &flipped, 1, at), 0);
    cr_assert_eq(environment->ops->sync(environment, file), 0);
    environment->ops->close(environment, file);
}

static void cut_half(const char *path) { cut(path, size_of(path) / 2); }
static void cut_into_the_last_rows(const char *path) { cut(path, size_of(path) - 600); }
static void cut_to_the_header(const char *path) { cut(path, WR_SEGMENT_HEADER_BYTES); }
static void cut_within_the_header(const char *path) { cut(path, 1000); }
static void flip_in_the_header(const char *path) { flip(path, 100); }
static void flip_in_a_batch_header(const char *path) { flip(path, WR_SEGMENT_HEADER_BYTES + 20); }
static void flip_in_rows(const char *path) { flip(path, size_of(path) / 2); }
static void remove_it(const char *path)
{
    cr_assert_eq(environment->ops->unlink(environment, path), 0);
    cr_assert_eq(environment->ops->sync_directory(environment, PARTITION), 0);
}

static const struct harm {
    const char *name;
    void (*does)(const char *path);
} harms[] = {
    { "cut to half", cut_half },
    { "cut into the last rows", cut_into_the_last_rows },
    { "cut to the header", cut_to_the_header },
    { "cut within the header", cut_within_the_header },
    { "a bit of the header", flip_in_the_header },
    { "a bit of a batch's header", flip_in_a_batch_header },
    { "a bit of the rows", flip_in_rows },
    { "missing", remove_it },
};

// ---- what fsck says ----

static struct wr_fsck_finding found; // the first
static char                   found_path[200];

static void note(void *opaque, const struct wr_fsck_finding *finding)
{
    (void)opaque;
    if (found.sentence == NULL) {
        found          = *finding;
        found.sentence = "";
        (void)snprintf(found_path, sizeof(found_path), "%s", finding->path);
    }
}

static void ask_fsck(void)
{
    struct wr_fsck_summary summary;
    struct wr_log_error    error = { .status = WEIR_OK };
    found                        = (struct wr_fsck_finding){ .sentence = NULL };
    cr_assert_eq(wr_fsck_run(environment, "/log", &(struct wr_fsck_options){ .found = note },
                             &summary, &error),
                 WEIR_OK);
    cr_assert_not_null(found.sentence, "fsck finds nothing");
}

// ---- reading ----

static weir_reader *open_partition(uint32_t partition, bool is_bounded)
{
    weir_reader              *reader;
    const weir_reader_options options = { .partitions      = &partition,
                                          .partition_count = 1,
                                          .is_bounded      = is_bounded };
    cr_assert_eq(weir_reader_open(reading, "items", &options, &reader), WEIR_OK, "%s",
                 weir_log_error(reading));
    return reader;
}

// Reads from offset `at` on; each row is the one that was written there. Returns where it ended.
static uint64_t read_from(weir_reader *reader, uint64_t at, weir_status *status)
{
    weir_log_rows rows;
    while ((*status = weir_reader_next(reader, 0, &rows)) == WEIR_OK) {
        cr_assert_eq(rows.offset, at, "%llu comes in place of %llu",
                     (unsigned long long)rows.offset, (unsigned long long)at);
        for (uint32_t i = 0; i < rows.count; i++) {
            cr_assert_eq(((const item *)rows.rows)[i].id, at + i);
        }
        at += rows.count;
    }
    return at;
}

static void expect_words(const weir_reader *reader, const char *harm, const char *form,
                         uint64_t number)
{
    char words[100];
    (void)snprintf(words, sizeof(words), form, (unsigned long long)number);
    cr_assert_not_null(strstr(weir_reader_error(reader), words), "%s: \"%s\" does not say \"%s\"",
                       harm, weir_reader_error(reader), words);
}

// All before `found` is given out, then its place is told, again and again.
static void expect_damage(weir_reader *reader, const char *harm, uint64_t from)
{
    for (uint32_t i = 0; i < 2; i++) {
        weir_status    status;
        const uint64_t at = read_from(reader, i == 0 ? from : found.first_offset, &status);
        cr_assert_eq(status, WEIR_DAMAGED, "%s: %s at %llu", harm, weir_status_name(status),
                     (unsigned long long)at);
        cr_assert_eq(at, found.first_offset, "%s: ends at %llu and not %llu: %s", harm,
                     (unsigned long long)at, (unsigned long long)found.first_offset,
                     weir_reader_error(reader));
        expect_words(reader, harm, "offset %llu", found.first_offset);
        if (found.byte == UINT64_MAX) { // a whole segment
            continue;
        }
        cr_assert_not_null(strstr(weir_reader_error(reader), found_path), "%s: %s", harm,
                           weir_reader_error(reader));
        if (found.byte > 0) {
            expect_words(reader, harm, "at byte %llu ", found.byte);
        }
    }
}

static void harm_and_read(const struct harm *harm, int segment, bool is_restarted, bool is_bounded)
{
    begin();
    harm->does(segments[segment < 0 ? segment_count + segment : segment]);
    begin_reading(is_restarted);
    ask_fsck();
    weir_reader *reader = open_partition(0, is_bounded);
    expect_damage(reader, harm->name, 0);
    if (segment > 0) { // what lies behind it is read when asked for
        weir_status status;
        cr_assert_eq(weir_reader_seek(reader, 0, found.end_offset), WEIR_OK);
        cr_assert_eq(read_from(reader, found.end_offset, &status), ROWS, "%s: %s", harm->name,
                     weir_reader_error(reader));
        cr_assert_eq(status, is_bounded ? WEIR_AT_END : WEIR_TIMED_OUT);
    }
    weir_reader_close(reader);
    end();
}

Test(reader_damage, what_lies_before_a_damaged_segment_in_the_middle_is_given_out)
{
    for (uint32_t i = 0; i < WR_COUNT_OF(harms); i++) {
        for (uint32_t way = 0; way < 4; way++) {
            harm_and_read(&harms[i], 2, way % 2 == 1, way / 2 == 1);
        }
    }
}

Test(reader_damage, what_lies_before_damage_of_the_last_segment_is_given_out)
{
    for (uint32_t i = 0; i < WR_COUNT_OF(harms); i++) {
        for (uint32_t way = 0; way < 4; way++) {
            harm_and_read(&harms[i], -1, way % 2 == 1, way / 2 == 1);
        }
    }
}

Test(reader_damage, a_segment_without_its_footer_gives_out_all_its_records)
{
    for (uint32_t way = 0; way < 4; way++) {
        begin();
        cut(segments[2], size_of(segments[2]) - 40);
        begin_reading(way % 2 == 1);
        ask_fsck();
        cr_assert_eq(found.first_offset, found.end_offset);
        weir_reader *reader = open_partition(0, way / 2 == 1);
        weir_status  status;
        cr_assert_eq(read_from(reader, 0, &status), ROWS, "%s", weir_reader_error(reader));
        cr_assert_eq(status, way / 2 == 1 ? WEIR_AT_END : WEIR_TIMED_OUT);
        weir_reader_close(reader);
        end();
    }
}

Test(reader_damage,
     a_place_behind_the_first_damaged_batch_of_a_segment_that_is_cut_names_that_batch)
{
    for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
        begin();
        cut_half(segments[2]);
        begin_reading(is_restarted);
        ask_fsck();
        weir_reader *reader = open_partition(0, true);
        cr_assert_eq(weir_reader_seek(reader, 0, found.end_offset - 1), WEIR_OK);
        weir_log_rows rows;
        cr_assert_eq(weir_reader_next(reader, 0, &rows), WEIR_DAMAGED);
        expect_words(reader, "cut to half", "offset %llu", found.first_offset);
        expect_words(reader, "cut to half", "at byte %llu ", found.byte);
        weir_reader_close(reader);
        end();
    }
}

Test(reader_damage, a_time_that_may_lie_in_damage_is_looked_for_no_further)
{
    begin();
    cut_half(segments[2]);
    begin_reading(true);
    ask_fsck();
    weir_reader *reader;
    cr_assert_eq(weir_reader_open(reading, "items",
                                  &(weir_reader_options){ .start      = WEIR_START_TIME,
                                                          .time       = WEIR_TIME_MAX - 1,
                                                          .is_bounded = true },
                                  &reader),
                 WEIR_OK, "%s", weir_log_error(reading));
    weir_log_rows rows;
    cr_assert_eq(weir_reader_next(reader, 0, &rows), WEIR_DAMAGED);
    cr_assert_eq(rows.partition, 0);
    expect_words(reader, "cut to half", "at byte %llu ", found.byte);
    weir_reader_close(reader);
    end();
}

Test(reader_damage, other_partitions_go_on)
{
    for (uint32_t i = 0; i < WR_COUNT_OF(harms); i++) {
        begin();
        harms[i].does(segments[0]);
        begin_reading(i % 2 == 1);
        weir_reader *reader;
        cr_assert_eq(weir_reader_open(reading, "items",
                                      &(weir_reader_options){ .is_bounded = true }, &reader),
                     WEIR_OK, "%s: %s", harms[i].name, weir_log_error(reading));
        uint64_t next[2] = { 0 }, told = 0;
        for (uint32_t call = 0; call < 50; call++) {
            weir_log_rows     rows;
            const weir_status status = weir_reader_next(reader, 0, &rows);
            cr_assert(status == WEIR_OK || (status == WEIR_DAMAGED && rows.partition == 0),
                      "%s: %s", harms[i].name, weir_reader_error(reader));
            told += status == WEIR_DAMAGED;
            cr_assert(status != WEIR_OK || rows.offset == next[rows.partition]);
            next[rows.partition] += status == WEIR_OK ? rows.count : 0;
        }
        cr_assert_eq(next[1], ROWS_MORE, "%s", harms[i].name);
        cr_assert_gt(told, 20, "%s", harms[i].name);
        weir_reader_close(reader);
        end();
    }
}

Test(reader_damage, a_partition_that_is_gone_keeps_its_consumer_and_the_others_go_on)
{
    begin();
    begin_reading(true);
    weir_reader              *reader;
    const weir_reader_options options = { .consumer = "audit", .is_bounded = true };
    weir_log_rows             rows;
    cr_assert_eq(weir_reader_open(reading, "items", &options, &reader), WEIR_OK);
    cr_assert_eq(weir_reader_next(reader, 0, &rows), WEIR_OK);
    cr_assert_eq(rows.partition, 0);
    cr_assert_eq(weir_reader_commit(reader), WEIR_OK);
    weir_reader_close(reader);

    cr_assert_eq(environment->ops->rename(environment, PARTITION, "/log/moved"), 0);
    cr_assert_eq(weir_reader_open(reading, "items", &options, &reader), WEIR_OK, "%s",
                 weir_log_error(reading));
    cr_assert_eq(weir_reader_next(reader, 0, &rows), WEIR_DAMAGED);
    cr_assert_eq(weir_reader_next(reader, 0, &rows), WEIR_OK);
    cr_assert_eq(rows.partition, 1);
    cr_assert_eq(weir_reader_commit(reader), WEIR_OK, "%s", weir_reader_error(reader));
    weir_reader_close(reader);

    cr_assert_eq(environment->ops->rename(environment, "/log/moved", PARTITION), 0);
    cr_assert_eq(weir_reader_open(reading, "items", &options, &reader), WEIR_OK);
    cr_assert_eq(weir_reader_next(reader, 0, &rows), WEIR_OK);
    cr_assert_eq(rows.partition, 0);
    cr_assert_eq(rows.offset, BATCH);
    weir_reader_close(reader);
    end();
}

static char *copy_of(const char *path, size_t *length)
{
    const char *bytes = wr_simulation_bytes(environment, path, length);
    char       *copy  = wr_alloc(*length);
    memcpy(copy, bytes, *length);
    return copy;
}

// A sealed segment from before a truncation is put back: its end is of a time that was taken back.
Test(reader_damage, nothing_is_given_out_of_two_segments_that_hold_the_same_offsets)
{
    for (int is_restarted = 0; is_restarted < 2; is_restarted++) {
        size_t length;
        begin();
        char          *before = copy_of(segments[2], &length);
        const uint64_t base   = strtoull(strrchr(segments[2], '/') + 1, NULL, 10);
        weir_log      *log    = open_log(true);
        cr_assert_eq(weir_log_truncate_from(log, "items", 0, base + 10), WEIR_OK);
        append(log, 0, base + 10, 2 * BATCH);
        cr_assert_eq(weir_log_close(log), WEIR_OK);
        const int file = environment->ops->open(environment, segments[2], WR_OPEN_WRITE);
        cr_assert_eq(wr_file_write(environment, file, before, length, 0), 0);
        cr_assert_eq(environment->ops->sync(environment, file), 0);
        environment->ops->close(environment, file);
        wr_free(before);
        begin_reading(is_restarted);
        weir_reader *reader = open_partition(0, false);
        weir_status  status;
        cr_assert_eq(read_from(reader, 0, &status), base);
        cr_assert_eq(status, WEIR_DAMAGED);
        cr_assert_not_null(strstr(weir_reader_error(reader), "another time"), "%s",
                           weir_reader_error(reader));
        weir_reader_close(reader);
        end();
    }
}
