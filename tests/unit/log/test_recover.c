// What a partition's writer makes of what it finds: torn tails, damage, unfinished work.
#include "log/partition.h"
#include "log/recover.h"
#include "log/segment.h"
#include "tests/support/log_directory.h"

typedef struct row {
    uint64_t number;
    char     text[56];
} row;
WEIR_RECORD(row, number, text);

static char warnings[4096];

static void take_warning(void *opaque, const char *sentence)
{
    (void)opaque;
    (void)snprintf(warnings + strlen(warnings), sizeof(warnings) - strlen(warnings), "%s\n",
                   sentence);
}

static weir_status try_open(struct log_directory *directory, weir_log **log)
{
    const weir_log_options options = { .writes = true, .creates = true, .warn = take_warning };
    warnings[0]                    = '\0';
    return wr_log_open_in(directory->environment, directory->path, &options, log);
}

// A closed log whose topic "t" has one partition with `count` rows.
static struct log_directory log_with(uint64_t count, bool is_closed_cleanly)
{
    struct log_directory directory = log_directory_open(true);
    const weir_topic     topic     = { .name = "t", .type = &row_type, .segment_bytes = 64 << 10 };
    weir_log            *log;
    weir_producer       *producer;
    cr_assert_eq(try_open(&directory, &log), WEIR_OK, "%s", weir_log_error(log));
    cr_assert_eq(weir_log_create_topic(log, &topic), WEIR_OK);
    cr_assert_eq(weir_producer_open(log, "t", NULL, &producer), WEIR_OK);
    for (uint64_t i = 0; i < count; i++) {
        const row one = { .number = i };
        cr_assert_eq(weir_producer_append(producer, &one, 1), WEIR_OK);
        if (i % 50 == 49) {
            cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
        }
    }
    cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
    if (!is_closed_cleanly) {
        wr_simulation_restart(directory.environment);
    }
    (void)weir_producer_close(producer);
    (void)weir_log_close(log);
    return directory;
}

static char *segment_of(struct log_directory *directory, uint64_t base, size_t *length)
{
    char *parent = wr_format("%s/topics/t/0", directory->path);
    char *path   = wr_segment_path(parent, base);
    char *bytes  = wr_simulation_bytes(directory->environment, path, length);
    wr_free(path);
    wr_free(parent);
    return bytes;
}

static uint32_t list_segments(struct log_directory *directory, uint64_t bases[64])
{
    uint64_t *found;
    uint32_t  count;
    char     *parent = wr_format("%s/topics/t/0", directory->path);
    cr_assert_eq(wr_segment_list(directory->environment, parent, &found, &count), 0);
    cr_assert_leq(count, 64);
    for (uint32_t i = 0; i < count; i++) {
        bases[i] = found[i];
    }
    wr_free(found);
    wr_free(parent);
    return count;
}

static void remove_segment(struct log_directory *directory, uint64_t base)
{
    char *parent = wr_format("%s/topics/t/0", directory->path);
    char *path   = wr_segment_path(parent, base);
    cr_assert_eq(directory->environment->ops->unlink(directory->environment, path), 0);
    wr_free(path);
    wr_free(parent);
}

static void expect_rows(struct log_directory *directory, uint64_t count)
{
    weir_log           *log;
    weir_partition_info info;
    cr_assert_eq(try_open(directory, &log), WEIR_OK, "%s", weir_log_error(log));
    cr_assert_eq(weir_log_partition_info(log, "t", 0, &info), WEIR_OK);
    cr_expect_eq(info.end_offset, count, "%lu", info.end_offset);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
}

static void expect_damage(struct log_directory *directory, const char *words)
{
    weir_log *log;
    cr_expect_eq(try_open(directory, &log), WEIR_DAMAGED, "%s", weir_log_error(log));
    assert_has(weir_log_error(log), words);
    (void)weir_log_close(log);
    log_directory_close(directory);
}

// ---- going on ----

Test(recover, goes_on_in_the_segment_after_a_clean_close)
{
    struct log_directory directory = log_with(100, true);
    uint64_t             bases[64];
    expect_rows(&directory, 100);
    expect_rows(&directory, 100);
    cr_expect_eq(list_segments(&directory, bases), 1);
    log_directory_close(&directory);
}

Test(recover, seals_the_segment_after_a_killed_writer)
{
    struct log_directory directory = log_with(100, false);
    uint64_t             bases[64];
    size_t               before, after;
    (void)segment_of(&directory, 0, &before);
    expect_rows(&directory, 100);
    (void)segment_of(&directory, 0, &after);
    cr_expect_lt(after, before, "its room was not given back");
    cr_expect_eq(list_segments(&directory, bases), 1);
    log_directory_close(&directory);
}

Test(recover, drops_a_torn_tail_and_says_so)
{
    struct log_directory directory = log_with(100, false);
    size_t               length;
    char                *bytes = segment_of(&directory, 0, &length);
    memset(bytes + length - 4096, 0x5a, 100); // far behind what was written
    expect_rows(&directory, 100);
    assert_has(warnings, "that a crash left half written; they were never acknowledged");
    log_directory_close(&directory);
}

Test(recover, says_nothing_of_room_that_was_never_used)
{
    struct log_directory directory = log_with(100, false);
    weir_log            *log;
    cr_assert_eq(try_open(&directory, &log), WEIR_OK);
    cr_expect_str_eq(warnings, "");
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}

// ---- refusing ----

Test(recover, refuses_damage_before_the_durable_end)
{
    struct log_directory directory = log_with(200, true);
    size_t               length;
    char                *bytes = segment_of(&directory, 0, &length);
    bytes[WR_SEGMENT_HEADER_BYTES + WR_BATCH_HEADER_BYTES + 5] ^= 1;
    expect_damage(&directory, "records up to offset 200 were on disk, those from 0 on cannot be "
                              "read: its payload's checksum is wrong");
}

Test(recover, refuses_damage_that_a_killed_writer_vouched_for)
{
    struct log_directory directory = log_with(200, false);
    size_t               length;
    char                *bytes = segment_of(&directory, 0, &length);
    bytes[WR_SEGMENT_HEADER_BYTES + 20] ^= 1;
    expect_damage(&directory, "those from 0 on cannot be read");
}

Test(recover, changes_nothing_when_it_refuses)
{
    struct log_directory directory = log_with(200, false);
    size_t               length;
    char                *bytes = segment_of(&directory, 0, &length);
    bytes[WR_SEGMENT_HEADER_BYTES + 20] ^= 1;
    weir_log *log;
    cr_expect_eq(try_open(&directory, &log), WEIR_DAMAGED);
    (void)weir_log_close(log);
    bytes = segment_of(&directory, 0, &length);
    bytes[WR_SEGMENT_HEADER_BYTES + 20] ^= 1; // mended
    expect_rows(&directory, 200);
    log_directory_close(&directory);
}

Test(recover, refuses_a_missing_segment_in_the_middle)
{
    struct log_directory directory = log_with(3000, true);
    uint64_t             bases[64];
    cr_assert_gt(list_segments(&directory, bases), 2);
    remove_segment(&directory, bases[1]);
    expect_damage(&directory, "a segment is missing");
}

Test(recover, refuses_a_missing_first_segment)
{
    struct log_directory directory = log_with(3000, true);
    remove_segment(&directory, 0);
    expect_damage(&directory, "a segment is missing: records begin at offset 0");
}

Test(recover, refuses_a_missing_last_segment)
{
    struct log_directory directory = log_with(3000, true);
    uint64_t             bases[64];
    const uint32_t       count = list_segments(&directory, bases);
    remove_segment(&directory, bases[count - 1]);
    expect_damage(&directory, "the newest segment is missing");
}

Test(recover, refuses_a_sealed_segment_that_was_cut_short)
{
    struct log_directory directory = log_with(3000, true);
    char  *path = wr_format("%s/topics/t/0/00000000000000000000.segment", directory.path);
    size_t length;
    (void)segment_of(&directory, 0, &length);
    const int file = directory.environment->ops->open(directory.environment, path, WR_OPEN_UPDATE);
    cr_assert_eq(directory.environment->ops->truncate(directory.environment, file, length - 32), 0);
    directory.environment->ops->close(directory.environment, file);
    wr_free(path);
    expect_damage(&directory, "does not end with its footer");
}

Test(recover, refuses_segments_that_were_exchanged)
{
    struct log_directory   directory = log_with(3000, true);
    uint64_t               bases[64];
    struct wr_environment *environment = directory.environment;
    cr_assert_gt(list_segments(&directory, bases), 2);
    char *parent = wr_format("%s/topics/t/0", directory.path);
    char *first  = wr_segment_path(parent, bases[0]);
    char *second = wr_segment_path(parent, bases[1]);
    char *aside  = wr_format("%s/aside", parent);
    cr_assert_eq(environment->ops->rename(environment, first, aside), 0);
    cr_assert_eq(environment->ops->rename(environment, second, first), 0);
    cr_assert_eq(environment->ops->rename(environment, aside, second), 0);
    wr_free(aside);
    wr_free(second);
    wr_free(first);
    wr_free(parent);
    expect_damage(&directory, "files were exchanged or renamed");
}

// ---- cutting ----

Test(cut, inside_a_batch_keeps_what_is_before_it)
{
    struct log_directory directory = log_with(3000, true);
    weir_log            *log;
    cr_assert_eq(try_open(&directory, &log), WEIR_OK);
    cr_expect_eq(weir_log_truncate_from(log, "t", 0, 1234), WEIR_OK, "%s", weir_log_error(log));
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    expect_rows(&directory, 1234);
    log_directory_close(&directory);
}

Test(cut, at_the_first_offset_empties_the_partition)
{
    struct log_directory directory = log_with(3000, true);
    weir_log            *log;
    uint64_t             bases[64];
    cr_assert_eq(try_open(&directory, &log), WEIR_OK);
    cr_expect_eq(weir_log_truncate_from(log, "t", 0, 0), WEIR_OK, "%s", weir_log_error(log));
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    cr_expect_eq(list_segments(&directory, bases), 0);
    expect_rows(&directory, 0);
    log_directory_close(&directory);
}

// Cuts a log of 3,000 rows at `offset` with the machine stopping at change `change` of it; how many
// rows are there afterwards. *is_over: the cut was done before.
static uint64_t rows_after_stopped_cut(uint64_t offset, uint64_t change, uint64_t seed,
                                       bool *is_over)
{
    struct log_directory directory = log_with(3000, true);
    weir_log            *log;
    weir_partition_info  info;
    cr_assert_eq(try_open(&directory, &log), WEIR_OK);
    wr_simulation_fault_at(directory.environment,
                           wr_simulation_changes(directory.environment) + change,
                           WR_DISK_CRASH_BEFORE);
    *is_over = weir_log_truncate_from(log, "t", 0, offset) == WEIR_OK &&
               !wr_simulation_has_stopped(directory.environment);
    if (*is_over) { // the fault would meet what comes after the cut
        (void)weir_log_close(log);
        log_directory_close(&directory);
        return offset;
    }
    wr_simulation_reboot(directory.environment, seed);
    (void)weir_log_close(log);
    cr_assert_eq(try_open(&directory, &log), WEIR_OK, "change %lu seed %lu: %s", change, seed,
                 weir_log_error(log));
    cr_assert_eq(weir_log_partition_info(log, "t", 0, &info), WEIR_OK);
    cr_expect_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
    return info.end_offset;
}

Test(cut, that_a_crash_interrupts_is_done_or_not)
{
    bool is_over = false;
    for (uint64_t change = 0; !is_over; change++) {
        cr_assert_lt(change, 1000);
        for (uint64_t seed = 1; seed <= 3; seed++) {
            const uint64_t rows = rows_after_stopped_cut(1234, change, seed, &is_over);
            cr_expect(rows == 1234 || (rows == 3000 && !is_over), "change %lu: %lu", change, rows);
        }
    }
}

// ---- after a clean close ----

Test(recover, refuses_a_last_segment_that_was_cut_short_after_a_clean_close)
{
    struct log_directory directory = log_with(200, true);
    char     *path = wr_format("%s/topics/t/0/00000000000000000000.segment", directory.path);
    const int file = directory.environment->ops->open(directory.environment, path, WR_OPEN_UPDATE);
    cr_assert_eq(directory.environment->ops->truncate(directory.environment, file, 8192), 0);
    directory.environment->ops->close(directory.environment, file);
    wr_free(path);
    wr_simulation_reboot(directory.environment, 1); // what the writer told readers is forgotten
    weir_log           *log;
    weir_partition_info info;
    cr_assert_eq(wr_log_open_in(directory.environment, directory.path, NULL, &log), WEIR_OK);
    cr_expect_eq(weir_log_partition_info(log, "t", 0, &info), WEIR_DAMAGED, "a reader was content");
    (void)weir_log_close(log);
    expect_damage(&directory, "records up to offset 200 were on disk");
}
