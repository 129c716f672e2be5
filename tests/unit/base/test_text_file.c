#include "runtime/base/text_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

TestSuite(text_file, .timeout = 60);

#define PATH "/file"
#define OLD  "weir thing 1\nname old\n"
#define NEW  "weir thing 1\nname new\n"

static struct wr_environment *disk_open(void) { return wr_environment_open_simulated(3, false); }

static void put(struct wr_environment *environment, const char *text)
{
    struct wr_error error = { .status = WEIR_OK };
    cr_assert_eq(wr_text_file_write(environment, PATH, text, &error), WEIR_OK, "%s",
                 error.sentence);
}

// The status of reading it; WEIR_OK only if it is `text` (NULL: any).
static weir_status get(struct wr_environment *environment, const char *text)
{
    struct wr_error   error  = { .status = WEIR_OK };
    size_t            length = 0;
    char             *found  = wr_text_file_read(environment, PATH, &length, &error);
    const weir_status status = error.status;
    cr_assert_eq(found == NULL, status != WEIR_OK);
    cr_assert(found != NULL || strstr(error.sentence, PATH) != NULL);
    if (found != NULL && text != NULL) {
        cr_assert_eq(length, strlen(text));
        cr_assert_str_eq(found, text);
    }
    wr_free(found);
    wr_error_fini(&error);
    return status;
}

static bool is_there(struct wr_environment *environment, const char *path)
{
    struct wr_file_info info;
    return environment->ops->info(environment, path, &info) == 0;
}

Test(text_file, gives_back_what_was_written_and_leaves_no_temporary)
{
    struct wr_environment *environment = disk_open();
    char                  *long_text   = wr_alloc(300001);
    memset(long_text, 'x', 300000);
    long_text[299999]         = '\n';
    const char *const texts[] = { "", "\n", OLD, long_text };
    for (uint32_t i = 0; i < WR_COUNT_OF(texts); i++) {
        put(environment, texts[i]);
        cr_assert_eq(get(environment, texts[i]), WEIR_OK);
        cr_assert(!is_there(environment, PATH ".tmp"));
    }
    wr_free(long_text);
    wr_environment_close(environment);
}

Test(text_file, that_is_missing_is_told_from_a_damaged_one)
{
    struct wr_environment *environment = disk_open();
    cr_assert_eq(get(environment, NULL), WEIR_NOT_FOUND);
    wr_environment_close(environment);
}

Test(text_file, with_any_bit_flipped_or_cut_anywhere_is_damaged)
{
    struct wr_environment *environment = disk_open();
    size_t                 length;
    put(environment, OLD);
    char *const bytes = wr_simulation_bytes(environment, PATH, &length);
    char        copy[64];
    memcpy(copy, bytes, length);
    for (size_t i = 0; i < length * 8; i++) {
        copy[i / 8] = (char)(copy[i / 8] ^ (1 << i % 8));
        wr_simulation_import(environment, PATH, copy, length);
        cr_assert_eq(get(environment, NULL), WEIR_DAMAGED, "bit %zu", i);
        copy[i / 8] = (char)(copy[i / 8] ^ (1 << i % 8));
    }
    for (size_t i = 0; i < length; i++) {
        wr_simulation_import(environment, PATH, copy, i);
        cr_assert_eq(get(environment, NULL), WEIR_DAMAGED, "%zu bytes", i);
    }
    wr_environment_close(environment);
}

static void replace_with(enum wr_disk_fault fault, uint64_t seed)
{
    for (uint64_t change = 0;; change++) {
        struct wr_environment *environment = disk_open();
        struct wr_error        error       = { .status = WEIR_OK };
        put(environment, OLD);
        const uint64_t begin = wr_simulation_changes(environment);
        wr_simulation_fault_at(environment, begin + change, fault);
        const weir_status status = wr_text_file_write(environment, PATH, NEW, &error);
        const bool        is_met = wr_simulation_changes(environment) > begin + change;
        cr_assert(fault != WR_DISK_EIO || status != WEIR_OK || !is_met);
        cr_assert(fault != WR_DISK_ENOSPC || status == WEIR_OK || status == WEIR_FULL);
        cr_assert(status != WEIR_FULL || !is_there(environment, PATH ".tmp"));
        wr_simulation_make_room(environment);
        wr_simulation_reboot(environment, seed);
        cr_assert_eq(get(environment, NULL), WEIR_OK);
        if (status == WEIR_OK) {
            cr_assert_eq(get(environment, NEW), WEIR_OK);
        }
        wr_error_fini(&error);
        wr_environment_close(environment);
        if (!is_met) {
            cr_assert(change >= 4, "only %llu changes", (unsigned long long)change);
            return;
        }
    }
}

Test(text_file, is_the_old_or_the_new_one_whatever_fails)
{
    const enum wr_disk_fault faults[] = { WR_DISK_EIO,          WR_DISK_ENOSPC,
                                          WR_DISK_SHORT,        WR_DISK_UNSYNCED,
                                          WR_DISK_CRASH_BEFORE, WR_DISK_CRASH_AFTER };
    for (uint32_t i = 0; i < WR_COUNT_OF(faults); i++) {
        for (uint64_t seed = 0; seed < 10; seed++) {
            replace_with(faults[i], seed);
        }
    }
}

Test(text_file, that_is_made_and_not_synced_says_so_and_is_gone)
{
    struct wr_environment *environment = disk_open();
    bool                   is_unsynced = true;
    cr_assert_eq(wr_text_file_make(environment, PATH, OLD, &is_unsynced), 0);
    cr_assert(!is_unsynced && is_there(environment, PATH));
    wr_simulation_fault_at(environment, wr_simulation_changes(environment) + 2, WR_DISK_UNSYNCED);
    cr_assert_eq(wr_text_file_make(environment, PATH, NEW, &is_unsynced), -EIO);
    cr_assert(is_unsynced && !is_there(environment, PATH));
    wr_simulation_fail(environment, WR_FAULT_OPEN, 0, EIO);
    cr_assert_eq(wr_text_file_make(environment, PATH, NEW, &is_unsynced), -EIO);
    cr_assert(!is_unsynced);
    wr_environment_close(environment);
}

// ---- lines ----

static weir_status begins(const char *text, uint64_t format)
{
    struct wr_text_lines lines;
    struct wr_error      error = { .status = WEIR_OK };
    char                *copy  = wr_copy_text(text);
    const bool           is = wr_text_lines_begin(&lines, copy, "weir thing", format, PATH, &error);
    const weir_status    status = error.status;
    cr_assert_eq(is, status == WEIR_OK);
    wr_error_fini(&error);
    wr_free(copy);
    return status;
}

Test(text_file, of_a_newer_format_is_refused_by_its_number)
{
    cr_assert_eq(begins("weir thing 2\n", 2), WEIR_OK);
    cr_assert_eq(begins("weir thing 3\n", 2), WEIR_CONFLICT);
    cr_assert_eq(begins("weir other 1\n", 2), WEIR_DAMAGED);
    cr_assert_eq(begins("weir thing 0\n", 2), WEIR_DAMAGED);
    cr_assert_eq(begins("weir thing one\n", 2), WEIR_DAMAGED);
}

Test(text_file, takes_lines_in_their_order_only)
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
    cr_assert(wr_text_lines_take(&lines, "d") == NULL);
}

Test(text_file, takes_a_number_in_one_way_of_writing_it_only)
{
    static const char *const wrong[] = { "",   "+1", "-1", "01",  " 1",
                                         "1 ", "1x", "0x", "1e1", "18446744073709551616" };
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
    const char *hex = "00ffA";
    cr_assert(wr_text_take_hex(&hex, 4, &number));
    cr_assert_eq(number, 255);
    cr_assert(!wr_text_take_hex(&hex, 1, &number));
}
