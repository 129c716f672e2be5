#include "log/small_file.h"
#include "tests/support/log_directory.h"

#include <errno.h>

TestSuite(small_file, .timeout = 60);

#define TEXT "weir thing 1\nname a\n"

static char *path_of(const struct log_directory *directory)
{
    return wr_format("%s/file", directory->above);
}

static void write_text(struct wr_environment *environment, const char *path, const char *text)
{
    struct wr_log_error error = { .status = WEIR_OK };
    cr_assert_eq(wr_small_file_write(environment, path, text, &error), WEIR_OK, "%s",
                 error.sentence);
}

static weir_status read_status(struct wr_environment *environment, const char *path,
                               struct wr_log_error *error)
{
    size_t length = 0;
    char  *text   = wr_small_file_read(environment, path, &length, error);
    if (text == NULL) {
        return error->status;
    }
    wr_free(text);
    return WEIR_OK;
}

// ---- whole files ----

static void gives_back(struct log_directory *directory)
{
    const char *const texts[] = { "", "\n", TEXT, "no end of a line but the last one\n" };
    char             *path    = path_of(directory);
    for (uint32_t i = 0; i < WR_COUNT_OF(texts); i++) {
        struct wr_log_error error  = { .status = WEIR_OK };
        size_t              length = 0;
        write_text(directory->environment, path, texts[i]);
        char *text = wr_small_file_read(directory->environment, path, &length, &error);
        cr_assert(text != NULL, "%s", error.sentence);
        cr_assert_str_eq(text, texts[i]);
        cr_assert_eq(length, strlen(texts[i]));
        wr_free(text);
    }
    wr_free(path);
}
Test(small_file, gives_back_what_was_written) { in_both_environments(gives_back); }

static void long_text(struct log_directory *directory)
{
    struct wr_log_error error  = { .status = WEIR_OK };
    char               *path   = path_of(directory);
    char               *text   = wr_alloc(300001);
    size_t              length = 0;
    memset(text, 'x', 300000);
    text[299999] = '\n';
    write_text(directory->environment, path, text);
    char *again = wr_small_file_read(directory->environment, path, &length, &error);
    cr_assert_str_eq(again, text);
    wr_free(again);
    wr_free(text);
    wr_free(path);
}
Test(small_file, may_be_longer_than_one_read) { in_both_environments(long_text); }

static void leaves_no_temporary(struct log_directory *directory)
{
    char *path      = path_of(directory);
    char *temporary = wr_format("%s.tmp", path);
    write_text(directory->environment, path, TEXT);
    cr_assert(!log_path_is_there(directory->environment, temporary));
    wr_free(temporary);
    wr_free(path);
}
Test(small_file, leaves_no_temporary_file) { in_both_environments(leaves_no_temporary); }

static void missing(struct log_directory *directory)
{
    struct wr_log_error error = { .status = WEIR_OK };
    char               *path  = path_of(directory);
    cr_assert_eq(read_status(directory->environment, path, &error), WEIR_NOT_FOUND);
    assert_has(error.sentence, path);
    wr_log_error_fini(&error);
    wr_free(path);
}
Test(small_file, that_is_missing_is_told_from_a_damaged_one) { in_both_environments(missing); }

// ---- damage ----

static void flips(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    char                  *path        = path_of(directory);
    size_t                 length      = 0;
    write_text(environment, path, TEXT);
    char *bytes = log_file_read(environment, path, &length);
    for (size_t i = 0; i < length * 8; i++) {
        struct wr_log_error error = { .status = WEIR_OK };
        bytes[i / 8]              = (char)(bytes[i / 8] ^ (1 << i % 8));
        log_file_write(environment, path, bytes, length);
        cr_assert_eq(read_status(environment, path, &error), WEIR_DAMAGED, "bit %zu", i);
        assert_has(error.sentence, path);
        wr_log_error_fini(&error);
        bytes[i / 8] = (char)(bytes[i / 8] ^ (1 << i % 8));
    }
    wr_free(bytes);
    wr_free(path);
}
Test(small_file, with_any_bit_flipped_is_damaged) { in_both_environments(flips); }

static void cuts(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    char                  *path        = path_of(directory);
    size_t                 length      = 0;
    write_text(environment, path, TEXT);
    char *bytes = log_file_read(environment, path, &length);
    for (size_t i = 0; i < length; i++) {
        struct wr_log_error error = { .status = WEIR_OK };
        log_file_write(environment, path, bytes, i);
        cr_assert_eq(read_status(environment, path, &error), WEIR_DAMAGED, "%zu bytes", i);
        wr_log_error_fini(&error);
    }
    wr_free(bytes);
    wr_free(path);
}
Test(small_file, cut_at_any_length_is_damaged) { in_both_environments(cuts); }

Test(small_file, longer_than_any_may_be_is_damaged)
{
    struct log_directory directory = log_directory_open(false);
    struct wr_log_error  error     = { .status = WEIR_OK };
    char                *path      = path_of(&directory);
    log_file_write(directory.environment, path, "", 0);
    cr_assert_eq(truncate(path, (off_t)WR_SMALL_FILE_BYTES_MAX + 1), 0);
    cr_assert_eq(read_status(directory.environment, path, &error), WEIR_DAMAGED);
    assert_has(error.sentence, "16777216");
    wr_log_error_fini(&error);
    wr_free(path);
    log_directory_close(&directory);
}

Test(small_file, that_is_a_directory_is_a_sentence)
{
    struct log_directory directory = log_directory_open(false);
    struct wr_log_error  error     = { .status = WEIR_OK };
    cr_assert_eq(read_status(directory.environment, directory.above, &error), WEIR_UNREACHABLE);
    assert_has(error.sentence, "Is a directory");
    wr_log_error_fini(&error);
    log_directory_close(&directory);
}

// ---- faults ----

#define OLD "weir thing 1\nname old\n"
#define NEW "weir thing 1\nname new\n"

static bool holds(struct wr_environment *environment, const char *path, const char *text)
{
    struct wr_log_error error  = { .status = WEIR_OK };
    size_t              length = 0;
    char               *now    = wr_small_file_read(environment, path, &length, &error);
    cr_assert(now != NULL, "%s", error.sentence);
    const bool is_it = strcmp(now, text) == 0;
    wr_free(now);
    return is_it;
}

// With a fault at each change of a replacement, the file is the old one or the new one, and the
// new one if the call said so.
static void replace_with(enum wr_disk_fault fault, uint64_t seed)
{
    for (uint64_t change = 0;; change++) {
        struct log_directory   directory   = log_directory_open(true);
        struct wr_environment *environment = directory.environment;
        struct wr_log_error    error       = { .status = WEIR_OK };
        char                  *path        = path_of(&directory);
        write_text(environment, path, OLD);
        const uint64_t begin = wr_simulation_changes(environment);
        wr_simulation_fault_at(environment, begin + change, fault);
        const weir_status status = wr_small_file_write(environment, path, NEW, &error);
        const bool        is_met = wr_simulation_changes(environment) > begin + change;
        if (status != WEIR_OK) {
            assert_has(error.sentence, path);
        } else if (fault == WR_DISK_EIO) {
            cr_assert(!is_met, "change %llu failed, and the call did not",
                      (unsigned long long)change);
        }
        cr_assert(fault != WR_DISK_ENOSPC || status == WEIR_OK || status == WEIR_FULL);
        wr_simulation_make_room(environment);
        wr_simulation_reboot(environment, seed);
        const bool is_new = holds(environment, path, NEW);
        cr_assert(is_new || holds(environment, path, OLD));
        cr_assert(is_new || status != WEIR_OK);
        wr_log_error_fini(&error);
        wr_free(path);
        log_directory_close(&directory);
        if (!is_met) {
            cr_assert(change >= 4, "only %llu changes", (unsigned long long)change);
            return;
        }
    }
}

Test(small_file, is_the_old_or_the_new_one_whatever_fails)
{
    const enum wr_disk_fault faults[] = {
        WR_DISK_EIO,   WR_DISK_ENOSPC,       WR_DISK_UNSYNCED,
        WR_DISK_SHORT, WR_DISK_CRASH_BEFORE, WR_DISK_CRASH_AFTER
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(faults); i++) {
        for (uint64_t seed = 0; seed < 10; seed++) {
            replace_with(faults[i], seed);
        }
    }
}

Test(small_file, gives_the_room_of_an_unfinished_one_back)
{
    struct log_directory   directory   = log_directory_open(true);
    struct wr_environment *environment = directory.environment;
    struct wr_log_error    error       = { .status = WEIR_OK };
    char                  *path        = path_of(&directory);
    char                  *temporary   = wr_format("%s.tmp", path);
    wr_simulation_fault_at(environment, wr_simulation_changes(environment) + 1, WR_DISK_ENOSPC);
    cr_assert_eq(wr_small_file_write(environment, path, TEXT, &error), WEIR_FULL);
    cr_assert(!log_path_is_there(environment, temporary));
    wr_log_error_fini(&error);
    wr_free(temporary);
    wr_free(path);
    log_directory_close(&directory);
}

// ---- lines ----

static bool begins(const char *text, uint64_t format, struct wr_log_error *error)
{
    struct wr_text_lines lines;
    char                *copy = wr_copy_text(text);
    const bool           is   = wr_lines_begin(&lines, copy, "weir thing", format, "/place", error);
    wr_free(copy);
    return is;
}

Test(small_file, of_a_newer_format_is_refused_by_its_number)
{
    struct wr_log_error error = { .status = WEIR_OK };
    cr_assert(begins("weir thing 2\n", 2, &error));
    cr_assert(!begins("weir thing 3\n", 2, &error));
    cr_assert_eq(error.status, WEIR_CONFLICT);
    assert_has(error.sentence, "number 3");
    assert_has(error.sentence, "up to 2");
    cr_assert(!begins("weir other 1\n", 2, &error));
    cr_assert_eq(error.status, WEIR_DAMAGED);
    cr_assert(!begins("weir thing 0\n", 2, &error));
    cr_assert(!begins("weir thing one\n", 2, &error));
    wr_log_error_fini(&error);
}

Test(small_file, takes_lines_in_their_order_only)
{
    char                 text[] = "a 1\nb two words\nc 18446744073709551615\n";
    struct wr_text_lines lines  = { text };
    uint64_t             number;
    cr_assert(wr_text_lines_take(&lines, "b") == NULL);
    cr_assert(!wr_text_lines_number(&lines, "b", 9, &number));
    cr_assert(wr_text_lines_number(&lines, "a", 1, &number));
    cr_assert_eq(number, 1);
    cr_assert_str_eq(wr_text_lines_take(&lines, "b"), "two words");
    cr_assert(wr_text_lines_number(&lines, "c", UINT64_MAX, &number));
    cr_assert_eq(number, UINT64_MAX);
    cr_assert_eq(*lines.at, 0);
    cr_assert(wr_text_lines_take(&lines, "d") == NULL);
}

Test(small_file, takes_a_number_in_one_way_of_writing_it_only)
{
    static const char *const wrong[] = { "",   "+1",  "-1",
                                         "01", " 1",  "1 ",
                                         "1x", "0x1", "18446744073709551616" };
    for (uint32_t i = 0; i < WR_COUNT_OF(wrong); i++) {
        const char *at = wrong[i];
        uint64_t    number;
        cr_assert(!wr_text_take_number(&at, UINT64_MAX, &number) || *at != 0, "\"%s\"", wrong[i]);
    }
    const char *at = "255 and on";
    uint64_t    number;
    cr_assert(!wr_text_take_number(&at, 254, &number));
    cr_assert(wr_text_take_number(&at, 255, &number));
    cr_assert_str_eq(at, " and on");
    const char *three = "3";
    cr_assert(!wr_text_take_number(&three, 2, &number));
}

Test(small_file, reads_the_id_that_it_wrote)
{
    struct wr_log_id id, again;
    char             text[WR_LOG_ID_TEXT];
    for (uint32_t i = 0; i < sizeof(id.bytes); i++) {
        id.bytes[i] = (uint8_t)(i * 17 + 3);
    }
    wr_log_id_text(&id, text);
    cr_assert(wr_log_id_parse(text, &again));
    cr_assert_arr_eq(id.bytes, again.bytes, sizeof(id.bytes));
    text[31] = 'g';
    cr_assert(!wr_log_id_parse(text, &again));
    text[31] = 0;
    cr_assert(!wr_log_id_parse(text, &again));
    cr_assert(!wr_log_id_parse("0123456789abcdef0123456789abcdef0", &again));
}
