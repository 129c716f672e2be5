// What the simulated disk keeps of what was done to it, when it is told to fail.
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "runtime/base/disk.h"
#include "runtime/base/environment.h"

enum { PAGE = 4096, SEEDS = 200 };

static struct wr_environment *environment;

static void set_up(void)
{
    environment = wr_environment_open_simulated(1, false);
    cr_assert(environment->ops->make_directory(environment, "/d") == 0);
    cr_assert(environment->ops->sync_directory(environment, "/") == 0);
}

static void tear_down(void) { wr_environment_close(environment); }

TestSuite(environment_faults, .init = set_up, .fini = tear_down, .timeout = 60);

// ---- short names ----

static int open_file(const char *path, enum wr_open_mode mode)
{
    return environment->ops->open(environment, path, mode);
}

static void close_file(int file) { environment->ops->close(environment, file); }

static int64_t put(int file, const char *text, int64_t at)
{
    return environment->ops->write_at(environment, file, text, strlen(text), at);
}

static int sync_file(int file) { return environment->ops->sync_data(environment, file); }

static int sync_directory(const char *path)
{
    return environment->ops->sync_directory(environment, path);
}

static int rename_file(const char *from, const char *to)
{
    return environment->ops->rename(environment, from, to);
}

static int64_t size_of(const char *path)
{
    struct wr_file_info info;
    const int           status = environment->ops->info(environment, path, &info);
    return status < 0 ? status : (int64_t)info.size_bytes;
}

static bool is_there(const char *path) { return size_of(path) >= 0; }

// The file's bytes as a text; "(none)" without a file.
static const char *text_of(const char *path)
{
    static char text[64];
    size_t      length = 0;
    const char *bytes  = wr_simulation_bytes(environment, path, &length);
    snprintf(text, sizeof(text), "%.*s", (int)length, bytes == NULL ? "" : bytes);
    return bytes == NULL ? "(none)" : text;
}

// A file of this content, synced with its name if `is_kept`.
static void make_file(const char *path, const char *text, bool is_kept)
{
    const int file = open_file(path, WR_OPEN_WRITE);
    cr_assert(file >= 0 && put(file, text, 0) == (int64_t)strlen(text));
    cr_assert(!is_kept || (sync_file(file) == 0 && sync_directory("/d") == 0));
    close_file(file);
}

static void fault_at_next(enum wr_disk_fault fault)
{
    wr_simulation_fault_at(environment, wr_simulation_changes(environment), fault);
}

// Makes the scene anew under each seed and reboots; how often `is_so` holds then.
static uint32_t count_after_reboot(void (*scene)(void), bool (*is_so)(void))
{
    uint32_t count = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        tear_down();
        set_up();
        scene();
        wr_simulation_reboot(environment, seed);
        count += is_so();
    }
    return count;
}

static void expect_always(void (*scene)(void), bool (*is_so)(void))
{
    cr_expect(count_after_reboot(scene, is_so) == SEEDS);
}

static void expect_by_chance(void (*scene)(void), bool (*is_so)(void))
{
    const uint32_t count = count_after_reboot(scene, is_so);
    cr_expect(count > 0 && count < SEEDS, "%u of %d", count, SEEDS);
}

// ---- numbers ----

Test(environment_faults, operations_that_change_the_disk_are_numbered)
{
    uint64_t  at   = wr_simulation_changes(environment);
    const int file = open_file("/d/a", WR_OPEN_UPDATE);
    cr_expect(wr_simulation_changes(environment) == ++at);
    close_file(open_file("/d/a", WR_OPEN_UPDATE)); // neither creates nor empties
    close_file(open_file("/d/a", WR_OPEN_APPEND));
    close_file(open_file("/d/a", WR_OPEN_READ));
    cr_expect(open_file("/d/a", WR_OPEN_EXCLUSIVE) == -EEXIST);
    cr_expect(wr_simulation_changes(environment) == at);
    close_file(open_file("/d/a", WR_OPEN_WRITE));
    cr_expect(wr_simulation_changes(environment) == ++at);
    put(file, "abc", 0);
    cr_expect(wr_simulation_changes(environment) == ++at);
    environment->ops->sync(environment, file);
    cr_expect(wr_simulation_changes(environment) == ++at);
    sync_file(file);
    cr_expect(wr_simulation_changes(environment) == ++at);
    environment->ops->truncate(environment, file, 1);
    cr_expect(wr_simulation_changes(environment) == ++at);
    environment->ops->preallocate(environment, file, 10);
    cr_expect(wr_simulation_changes(environment) == ++at);
    sync_directory("/d");
    cr_expect(wr_simulation_changes(environment) == ++at);
    rename_file("/d/a", "/d/b");
    cr_expect(wr_simulation_changes(environment) == ++at);
    environment->ops->rename_new(environment, "/d/b", "/d/c");
    cr_expect(wr_simulation_changes(environment) == ++at);
    environment->ops->unlink(environment, "/d/c");
    cr_expect(wr_simulation_changes(environment) == ++at);
    environment->ops->make_directory(environment, "/d/e");
    cr_expect(wr_simulation_changes(environment) == ++at);
    environment->ops->make_directory(environment, "/d/e"); // is there
    cr_expect(wr_simulation_changes(environment) == at);
    close_file(file);
}

// ---- faults without a crash ----

Test(environment_faults, each_change_can_fail_and_do_nothing)
{
    make_file("/d/a", "abc", true);
    const int file = open_file("/d/a", WR_OPEN_UPDATE);
    fault_at_next(WR_DISK_EIO);
    cr_expect(put(file, "xy", 0) == -EIO);
    fault_at_next(WR_DISK_EIO);
    cr_expect(environment->ops->truncate(environment, file, 0) == -EIO);
    fault_at_next(WR_DISK_EIO);
    cr_expect(environment->ops->preallocate(environment, file, 100) == -EIO);
    cr_expect_str_eq(text_of("/d/a"), "abc");
    put(file, "xy", 0);
    fault_at_next(WR_DISK_EIO);
    cr_expect(sync_file(file) == -EIO);
    cr_expect(wr_simulation_unsynced_blocks(environment, "/d/a") == 1);
    fault_at_next(WR_DISK_EIO);
    cr_expect(sync_directory("/d") == -EIO);
    fault_at_next(WR_DISK_EIO);
    cr_expect(rename_file("/d/a", "/d/b") == -EIO);
    fault_at_next(WR_DISK_EIO);
    cr_expect(environment->ops->unlink(environment, "/d/a") == -EIO);
    fault_at_next(WR_DISK_EIO);
    cr_expect(environment->ops->make_directory(environment, "/d/e") == -EIO);
    fault_at_next(WR_DISK_EIO);
    cr_expect(open_file("/d/c", WR_OPEN_EXCLUSIVE) == -EIO);
    fault_at_next(WR_DISK_EIO);
    cr_expect(open_file("/d/a", WR_OPEN_WRITE) == -EIO);
    cr_expect(is_there("/d/a") && !is_there("/d/b") && !is_there("/d/c") && !is_there("/d/e"));
    cr_expect(put(file, "XY", 0) == 2);
    cr_expect_str_eq(text_of("/d/a"), "XYc");
    close_file(file);
}

Test(environment_faults, a_fault_strikes_its_own_number_only)
{
    const int file = open_file("/d/a", WR_OPEN_WRITE);
    wr_simulation_fault_at(environment, wr_simulation_changes(environment) + 1, WR_DISK_EIO);
    cr_expect(put(file, "a", 0) == 1);
    cr_expect(put(file, "b", 1) == -EIO);
    cr_expect(put(file, "c", 1) == 1);
    close_file(file);
}

Test(environment_faults, a_full_disk_refuses_what_needs_room_until_there_is_some)
{
    const int file = open_file("/d/a", WR_OPEN_UPDATE);
    cr_assert(environment->ops->preallocate(environment, file, 2 * PAGE) == 0);
    fault_at_next(WR_DISK_ENOSPC);
    cr_expect(put(file, "x", 2 * PAGE) == -ENOSPC);
    cr_expect(size_of("/d/a") == 2 * PAGE);
    cr_expect(environment->ops->preallocate(environment, file, 3 * PAGE) == -ENOSPC);
    cr_expect(size_of("/d/a") == 2 * PAGE);
    cr_expect(open_file("/d/b", WR_OPEN_WRITE) == -ENOSPC && !is_there("/d/b"));
    cr_expect(environment->ops->make_directory(environment, "/d/e") == -ENOSPC);
    cr_expect(put(file, "x", 2 * PAGE - 1) == 1); // its room was set aside
    cr_expect(sync_file(file) == 0);
    cr_expect(rename_file("/d/a", "/d/c") == 0);
    cr_expect(environment->ops->truncate(environment, file, PAGE) == 0);
    cr_expect(put(file, "x", PAGE) == -ENOSPC); // given back
    cr_expect(put(file, "x", PAGE - 1) == 1);
    wr_simulation_make_room(environment);
    cr_expect(put(file, "x", PAGE) == 1);
    close_file(file);
}

Test(environment_faults, a_write_that_a_full_disk_refuses_may_have_begun)
{
    char      bytes[2 * PAGE + 1];
    const int file = open_file("/d/a", WR_OPEN_WRITE);
    memset(bytes, 'x', sizeof(bytes) - 1);
    bytes[2 * PAGE] = '\0';
    cr_assert(put(file, "abc", 0) == 3);
    fault_at_next(WR_DISK_ENOSPC);
    cr_expect(put(file, bytes, 3) == -ENOSPC);
    cr_expect(size_of("/d/a") == PAGE);
    close_file(file);
}

Test(environment_faults, a_short_write_says_how_much_it_took)
{
    const int file = open_file("/d/a", WR_OPEN_WRITE);
    fault_at_next(WR_DISK_SHORT);
    cr_expect(put(file, "abcdef", 0) == 3);
    cr_expect_str_eq(text_of("/d/a"), "abc");
    fault_at_next(WR_DISK_SHORT);
    cr_expect(sync_file(file) == 0);
    close_file(file);
}

// What a direct read of the first page gives, as a text.
static const char *direct_text_of(const char *path)
{
    static _Alignas(PAGE) char page[PAGE + 1];
    const int                  file = open_file(path, WR_OPEN_DIRECT);
    cr_assert(file >= 0);
    const int64_t got = environment->ops->read_at(environment, file, page, PAGE, 0);
    cr_assert(got >= 0);
    page[got] = '\0';
    close_file(file);
    return page;
}

Test(environment_faults, a_failed_sync_marks_the_pages_clean_and_does_not_write_them)
{
    make_file("/d/a", "old", true);
    const int file = open_file("/d/a", WR_OPEN_UPDATE);
    put(file, "newer", 0);
    fault_at_next(WR_DISK_UNSYNCED);
    cr_expect(sync_file(file) == -EIO);
    cr_expect_str_eq(text_of("/d/a"), "newer");
    cr_expect_str_eq(direct_text_of("/d/a"), "old");
    cr_expect(sync_file(file) == 0);
    cr_expect_str_eq(direct_text_of("/d/a"), "old");
    wr_simulation_reboot(environment, 1);
    cr_expect_str_eq(text_of("/d/a"), "old");
    close_file(file);
}

Test(environment_faults, a_write_after_a_failed_sync_reaches_the_disk)
{
    make_file("/d/a", "old", true);
    const int file = open_file("/d/a", WR_OPEN_UPDATE);
    put(file, "newer", 0);
    fault_at_next(WR_DISK_UNSYNCED);
    cr_expect(sync_file(file) == -EIO);
    put(file, "X", PAGE);
    cr_expect(sync_file(file) == 0);
    wr_simulation_reboot(environment, 1);
    size_t      length;
    const char *bytes = wr_simulation_bytes(environment, "/d/a", &length);
    cr_expect(length == PAGE + 1 && bytes[PAGE] == 'X');
    cr_expect(memcmp(bytes, "old\0\0", 5) == 0); // another page, which was lost
    close_file(file);
}

Test(environment_faults, a_write_where_a_failed_sync_lost_the_size_brings_it_back)
{
    const int file = open_file("/d/a", WR_OPEN_WRITE);
    put(file, "abc", 0);
    fault_at_next(WR_DISK_UNSYNCED);
    cr_expect(sync_file(file) == -EIO);
    cr_expect_str_eq(direct_text_of("/d/a"), "");
    put(file, "X", 0);
    cr_expect(sync_file(file) == 0);
    cr_expect_str_eq(direct_text_of("/d/a"), "Xbc");
    close_file(file);
}

static void scene_failed_directory_sync(void)
{
    make_file("/d/a", "x", false);
    fault_at_next(WR_DISK_UNSYNCED);
    cr_assert(sync_directory("/d") == -EIO);
    cr_assert(sync_directory("/d") == 0);
    make_file("/d/b", "x", false);
    cr_assert(sync_directory("/d") == 0);
}

static bool a_is_gone_and_b_is_there(void) { return !is_there("/d/a") && is_there("/d/b"); }

Test(environment_faults, a_failed_sync_of_a_directory_loses_its_changes)
{
    expect_always(scene_failed_directory_sync, a_is_gone_and_b_is_there);
}

// ---- what a reboot leaves of names ----

static void scene_new_file(void)
{
    const int file = open_file("/d/a", WR_OPEN_WRITE);
    put(file, "abc", 0);
    sync_file(file);
    close_file(file);
}

static void scene_new_file_and_directory(void)
{
    scene_new_file();
    sync_directory("/d");
}

static bool a_is_abc(void) { return strcmp(text_of("/d/a"), "abc") == 0; }
static bool a_is_abc_or_none(void) { return a_is_abc() || !is_there("/d/a"); }

Test(environment_faults, a_new_file_is_sure_once_its_directory_is_synced_too)
{
    expect_by_chance(scene_new_file, a_is_abc);
    expect_always(scene_new_file, a_is_abc_or_none);
    expect_always(scene_new_file_and_directory, a_is_abc);
}

static void scene_synced_before(void)
{
    sync_directory("/d");
    scene_new_file();
}

static void scene_synced_elsewhere(void)
{
    scene_new_file();
    sync_directory("/");
}

Test(environment_faults, a_sync_of_another_directory_or_before_makes_nothing_sure)
{
    expect_by_chance(scene_synced_before, a_is_abc);
    expect_by_chance(scene_synced_elsewhere, a_is_abc);
}

static void scene_unlink(void)
{
    make_file("/d/a", "abc", true);
    environment->ops->unlink(environment, "/d/a");
}

static void scene_unlink_and_sync(void)
{
    scene_unlink();
    sync_directory("/d");
}

static bool a_is_gone(void) { return !is_there("/d/a"); }

Test(environment_faults, an_unlinked_file_may_come_back_until_its_directory_is_synced)
{
    expect_by_chance(scene_unlink, a_is_gone);
    expect_always(scene_unlink, a_is_abc_or_none);
    expect_always(scene_unlink_and_sync, a_is_gone);
}

static void scene_replace(void)
{
    make_file("/d/a", "old", true);
    make_file("/d/t", "new", false);
    const int file = open_file("/d/t", WR_OPEN_UPDATE);
    sync_file(file);
    close_file(file);
    rename_file("/d/t", "/d/a");
}

static void scene_replace_and_sync(void)
{
    scene_replace();
    sync_directory("/d");
}

static bool a_is_new(void) { return strcmp(text_of("/d/a"), "new") == 0 && !is_there("/d/t"); }

// The old file, with the new one beside it or without; or the new one alone.
static bool a_is_old_or_new(void)
{
    const bool is_old = strcmp(text_of("/d/a"), "old") == 0;
    return is_old ? !is_there("/d/t") || strcmp(text_of("/d/t"), "new") == 0 : a_is_new();
}

static bool both_are_there(void) { return is_there("/d/a") && is_there("/d/t"); }

Test(environment_faults, a_rename_leaves_the_old_file_or_the_new_one)
{
    expect_always(scene_replace, a_is_old_or_new);
    expect_by_chance(scene_replace, a_is_new);
    expect_by_chance(scene_replace, both_are_there);
    expect_always(scene_replace_and_sync, a_is_new);
}

static void scene_rotate(void)
{
    make_file("/d/a", "abc", true);
    rename_file("/d/a", "/d/b");
    make_file("/d/a", "", false);
}

static bool abc_is_somewhere_once(void)
{
    const bool at_a = a_is_abc(), at_b = strcmp(text_of("/d/b"), "abc") == 0;
    return at_a != at_b;
}

Test(environment_faults, a_file_renamed_away_is_not_lost_to_the_next_of_its_name)
{
    expect_always(scene_rotate, abc_is_somewhere_once);
}

static void move_to_other_directory(void)
{
    environment->ops->make_directory(environment, "/e");
    sync_directory("/");
    make_file("/d/a", "abc", true);
    rename_file("/d/a", "/e/a");
    sync_directory("/e");
}

static void move_and_sync_both(void)
{
    move_to_other_directory();
    sync_directory("/d");
}

static bool one_of_two_directories_has_a(void) { return is_there("/d/a") != is_there("/e/a"); }

Test(environment_faults, a_rename_between_directories_needs_both_synced)
{
    expect_by_chance(move_to_other_directory, a_is_gone);
    expect_always(move_to_other_directory, one_of_two_directories_has_a);
    expect_always(move_and_sync_both, a_is_gone);
}

static void scene_unlink_after_move(void)
{
    move_to_other_directory();
    environment->ops->unlink(environment, "/e/a");
    sync_directory("/e");
}

static bool neither_has_a(void) { return !is_there("/d/a") && !is_there("/e/a"); }

Test(environment_faults, a_sure_change_takes_along_what_it_was_made_on)
{
    expect_always(scene_unlink_after_move, neither_has_a);
}

static void scene_new_directory(void)
{
    environment->ops->make_directory(environment, "/e");
    make_file("/e/a", "abc", false);
    sync_directory("/e");
}

static void scene_renamed_directory(void)
{
    scene_new_directory();
    sync_directory("/");
    rename_file("/e", "/f");
    make_file("/f/b", "abc", false);
    sync_directory("/f");
}

static bool e_has_a(void) { return is_there("/e/a"); }
static bool e_has_a_or_is_gone(void) { return is_there("/e/a") || !is_there("/e"); }

static bool one_directory_has_both(void)
{
    return is_there("/e/a") != is_there("/f/a") && is_there("/e/a") == is_there("/e/b") &&
           is_there("/f/a") == is_there("/f/b");
}

Test(environment_faults, a_new_directory_is_sure_once_its_parent_is_synced)
{
    expect_by_chance(scene_new_directory, e_has_a);
    expect_always(scene_new_directory, e_has_a_or_is_gone);
}

Test(environment_faults, what_is_synced_in_a_directory_is_there_under_either_of_its_names)
{
    expect_always(scene_renamed_directory, one_directory_has_both);
    expect_by_chance(scene_renamed_directory, e_has_a);
}

// ---- what a reboot leaves of contents ----

static void scene_overwrite(void)
{
    char old[2 * PAGE + 1], new[2 * PAGE + 1];
    memset(old, 'o', sizeof(old));
    memset(new, 'n', sizeof(new));
    old[2 * PAGE] = new[2 * PAGE] = '\0';
    make_file("/d/a", old, true);
    const int file = open_file("/d/a", WR_OPEN_UPDATE);
    put(file, new, 0);
    close_file(file);
}

// Of each page: how many bytes from its start are new, -1 if it is not some sectors of new, then
// old.
static int new_bytes(uint32_t page)
{
    size_t      length;
    const char *bytes = wr_simulation_bytes(environment, "/d/a", &length) + page * PAGE;
    int         count = 0;
    cr_assert(length == 2 * PAGE);
    while (count < PAGE && bytes[count] == 'n') {
        count++;
    }
    for (int i = count; i < PAGE; i++) {
        count = bytes[i] == 'o' ? count : -1;
    }
    return count >= 0 && count % 512 == 0 ? count : -1;
}

static bool pages_are_torn_at_sectors(void) { return new_bytes(0) >= 0 && new_bytes(1) >= 0; }
static bool first_page_is_new(void) { return new_bytes(0) == PAGE; }
static bool first_page_is_old(void) { return new_bytes(0) == 0; }
static bool first_page_is_torn(void) { return new_bytes(0) > 0 && new_bytes(0) < PAGE; }
static bool only_second_page_is_new(void) { return new_bytes(0) == 0 && new_bytes(1) == PAGE; }

Test(environment_faults, of_each_block_a_reboot_leaves_the_new_the_old_or_some_sectors)
{
    expect_always(scene_overwrite, pages_are_torn_at_sectors);
    expect_by_chance(scene_overwrite, first_page_is_new);
    expect_by_chance(scene_overwrite, first_page_is_old);
    expect_by_chance(scene_overwrite, first_page_is_torn);
    expect_by_chance(scene_overwrite, only_second_page_is_new);
}

static void scene_append(void)
{
    make_file("/d/a", "abc", true);
    const int file = open_file("/d/a", WR_OPEN_APPEND);
    put(file, "def", 0);
    close_file(file);
}

static bool size_is_old(void) { return size_of("/d/a") == 3; }
static bool tail_is_zeros(void)
{
    size_t      length;
    const char *bytes = wr_simulation_bytes(environment, "/d/a", &length);
    return length == 6 && memcmp(bytes, "abc\0\0\0", 6) == 0;
}

static bool tail_is_right_or_zeros(void)
{
    return size_is_old() || tail_is_zeros() || strcmp(text_of("/d/a"), "abcdef") == 0;
}

Test(environment_faults, a_files_size_is_the_synced_or_the_new_one_and_what_is_lost_is_zeros)
{
    expect_always(scene_append, tail_is_right_or_zeros);
    expect_by_chance(scene_append, size_is_old);
    expect_by_chance(scene_append, tail_is_zeros);
}

static void scene_sizes(bool is_synced)
{
    make_file("/d/a", "abcdef", true);
    const int file = open_file("/d/a", WR_OPEN_UPDATE);
    environment->ops->truncate(environment, file, 3);
    cr_assert(!is_synced || sync_file(file) == 0);
    close_file(file);
}

static void scene_truncated(void) { scene_sizes(false); }
static void scene_truncated_and_synced(void) { scene_sizes(true); }

static void scene_preallocated(void)
{
    make_file("/d/a", "abc", true);
    const int file = open_file("/d/a", WR_OPEN_UPDATE);
    environment->ops->preallocate(environment, file, PAGE);
    close_file(file);
}

static void scene_preallocated_and_synced(void)
{
    scene_preallocated();
    const int file = open_file("/d/a", WR_OPEN_UPDATE);
    sync_file(file);
    close_file(file);
}

static bool size_is_a_page(void) { return size_of("/d/a") == PAGE; }

Test(environment_faults, truncations_and_preallocations_are_sure_with_the_files_sync)
{
    expect_by_chance(scene_truncated, size_is_old);
    expect_always(scene_truncated_and_synced, a_is_abc);
    expect_by_chance(scene_preallocated, size_is_a_page);
    expect_always(scene_preallocated_and_synced, size_is_a_page);
}

Test(environment_faults, one_seed_leaves_one_disk)
{
    char first[80];
    for (uint64_t seed = 0; seed < 20; seed++) {
        for (int turn = 0; turn < 2; turn++) {
            tear_down();
            set_up();
            scene_append();
            scene_replace();
            wr_simulation_reboot(environment, seed);
            char now[80];
            snprintf(now, sizeof(now), "%s %d", text_of("/d/a"), is_there("/d/t"));
            cr_assert(turn == 0 || strcmp(first, now) == 0);
            memcpy(first, now, sizeof(now));
        }
    }
}

// ---- stops ----

Test(environment_faults, the_machine_stops_before_or_after_a_change)
{
    make_file("/d/a", "abc", true);
    int file = open_file("/d/a", WR_OPEN_UPDATE);
    fault_at_next(WR_DISK_CRASH_BEFORE);
    cr_expect(!wr_simulation_has_stopped(environment));
    cr_expect(put(file, "X", 0) == -ENODEV);
    cr_expect(wr_simulation_has_stopped(environment));
    cr_expect_str_eq(text_of("/d/a"), "abc");
    close_file(file);
    wr_simulation_reboot(environment, 1);
    cr_expect(!wr_simulation_has_stopped(environment));
    file = open_file("/d/a", WR_OPEN_UPDATE);
    fault_at_next(WR_DISK_CRASH_AFTER);
    cr_expect(put(file, "X", 0) == -ENODEV);
    cr_expect(wr_simulation_has_stopped(environment));
    cr_expect_str_eq(text_of("/d/a"), "Xbc");
    close_file(file);
}

Test(environment_faults, a_sync_that_the_machine_stops_after_is_sure)
{
    make_file("/d/a", "abc", true);
    const int file = open_file("/d/a", WR_OPEN_UPDATE);
    put(file, "X", 0);
    fault_at_next(WR_DISK_CRASH_AFTER);
    cr_expect(sync_file(file) == -ENODEV);
    close_file(file);
    wr_simulation_reboot(environment, 1);
    cr_expect_str_eq(text_of("/d/a"), "Xbc");
}

static void list_nothing(void *opaque, const char *name)
{
    (void)opaque;
    (void)name;
}

Test(environment_faults, nothing_works_on_a_machine_that_stopped_but_clocks_and_closing)
{
    struct wr_environment *e = environment;
    struct wr_file_info    info;
    char                   byte;
    int                    error = 0;
    make_file("/d/a", "abc", true);
    const int file   = open_file("/d/a", WR_OPEN_UPDATE);
    char     *shared = e->ops->share(e, "/d/s", PAGE, true, &error);
    cr_assert(shared != NULL);
    fault_at_next(WR_DISK_CRASH_BEFORE);
    cr_expect(e->ops->sync(e, file) == -ENODEV);
    cr_expect(open_file("/d/a", WR_OPEN_READ) == -ENODEV);
    cr_expect(open_file("/d/b", WR_OPEN_WRITE) == -ENODEV);
    cr_expect(e->ops->info(e, "/d/a", &info) == -ENODEV);
    cr_expect(e->ops->read_at(e, file, &byte, 1, 0) == -ENODEV);
    cr_expect(put(file, "x", 0) == -ENODEV);
    cr_expect(e->ops->sync(e, file) == -ENODEV && sync_file(file) == -ENODEV);
    cr_expect(e->ops->truncate(e, file, 0) == -ENODEV);
    cr_expect(e->ops->preallocate(e, file, 9) == -ENODEV);
    cr_expect(sync_directory("/d") == -ENODEV);
    cr_expect(rename_file("/d/a", "/d/b") == -ENODEV);
    cr_expect(e->ops->rename_new(e, "/d/a", "/d/b") == -ENODEV);
    cr_expect(e->ops->unlink(e, "/d/a") == -ENODEV);
    cr_expect(e->ops->make_directory(e, "/d/e") == -ENODEV);
    cr_expect(e->ops->list(e, "/d", list_nothing, NULL) == -ENODEV);
    cr_expect(e->ops->lock(e, file) == -ENODEV);
    cr_expect(e->ops->share(e, "/d/s", PAGE, true, &error) == NULL && error == -ENODEV);
    cr_expect(e->ops->share(e, "/d/s", PAGE, false, &error) == NULL && error == -ENODEV);
    const int64_t now = wr_now_us(e);
    cr_expect(!wr_simulation_advance(e, now + 10) && wr_now_us(e) == now + 10);
    e->ops->unshare(e, shared, PAGE);
    close_file(file);
}

static void count_wake(void *waker) { (*(uint32_t *)waker)++; }

static struct wr_request write_of(int file, uint32_t *wakes)
{
    return (struct wr_request){ .verb   = WR_REQUEST_WRITE,
                                .file   = file,
                                .buffer = "x",
                                .bytes  = 1,
                                .wake   = count_wake,
                                .waker  = wakes };
}

Test(environment_faults, requests_of_a_machine_that_stopped_complete_with_no_device)
{
    uint32_t          word = 0, wakes = 0;
    const int         file  = open_file("/d/a", WR_OPEN_WRITE);
    struct wr_request write = write_of(file, &wakes);
    struct wr_request wait  = { .verb = WR_REQUEST_WAIT, .buffer = &word, .bytes = SIZE_MAX };
    wr_submit(environment, &write);
    wr_submit(environment, &wait);
    fault_at_next(WR_DISK_CRASH_BEFORE);
    sync_directory("/d");
    while (wr_simulation_advance(environment, INT64_MAX)) {
    }
    cr_expect(wr_request_is_done(environment, &write) && write.result == -ENODEV && wakes == 1);
    cr_expect(wr_request_is_done(environment, &wait) && wait.result == -ENODEV);
    wr_submit(environment, &write);
    wr_simulation_reboot(environment, 1);
    cr_expect(wr_request_is_done(environment, &write) && write.result == -ENODEV && wakes == 2);
    close_file(file);
}

// ---- reboots and restarts ----

Test(environment_faults, descriptors_and_locks_of_before_are_gone)
{
    for (int turn = 0; turn < 2; turn++) {
        make_file("/d/a", "abc", true);
        const int old = open_file("/d/a", WR_OPEN_UPDATE);
        cr_assert(environment->ops->lock(environment, old) == 0);
        if (turn == 0) {
            wr_simulation_reboot(environment, 1);
        } else {
            wr_simulation_restart(environment);
        }
        const int new = open_file("/d/a", WR_OPEN_UPDATE);
        cr_expect(new >= 0 && new != old);
        cr_expect(environment->ops->lock(environment, new) == 0);
        cr_expect(put(old, "X", 0) == -ENODEV);
        cr_expect(environment->ops->lock(environment, old) == -ENODEV);
        cr_expect(sync_file(old) == -ENODEV);
        close_file(old);
        cr_expect(put(new, "abc", 0) == 3);
        close_file(new);
    }
}

Test(environment_faults, a_restart_loses_nothing_that_was_written)
{
    int            error;
    const uint64_t boot    = environment->ops->boot(environment);
    const uint32_t process = environment->ops->process(environment);
    make_file("/d/a", "abc", false);
    char *shared = environment->ops->share(environment, "/d/s", PAGE, true, &error);
    shared[7]    = 'x';
    wr_simulation_restart(environment);
    environment->ops->unshare(environment, shared, PAGE);
    cr_expect_str_eq(text_of("/d/a"), "abc");
    cr_expect(wr_simulation_unsynced_blocks(environment, "/d/a") == 1);
    shared = environment->ops->share(environment, "/d/s", PAGE, true, &error);
    cr_expect(shared[7] == 'x');
    cr_expect(environment->ops->boot(environment) == boot);
    cr_expect(environment->ops->process(environment) != process);
}

Test(environment_faults, nothing_of_a_killed_process_reaches_the_disk_until_it_is_restarted)
{
    const int file = open_file("/d/a", WR_OPEN_WRITE);
    cr_expect_eq(put(file, "before", 0), 6);
    wr_simulation_kill(environment);
    cr_expect_eq(put(file, "behind", 0), -ENODEV);
    cr_expect_eq(open_file("/d/b", WR_OPEN_WRITE), -ENODEV);
    wr_simulation_restart(environment);
    cr_expect_eq(size_of("/d/a"), 6);
    cr_expect_not(is_there("/d/b"));
    char      found[6];
    const int again = open_file("/d/a", WR_OPEN_READ);
    cr_expect_eq(environment->ops->read_at(environment, again, found, 6, 0), 6);
    cr_expect_eq(memcmp(found, "before", 6), 0);
    close_file(again);
}

Test(environment_faults, waits_are_no_work_that_is_due)
{
    uint32_t          word = 7;
    struct wr_request wait = {
        .verb = WR_REQUEST_WAIT, .buffer = &word, .bytes = 1000, .offset = 7
    };
    const int         file   = open_file("/d/a", WR_OPEN_WRITE);
    char              text[] = "text";
    struct wr_request write  = {
         .verb = WR_REQUEST_WRITE, .file = file, .buffer = text, .bytes = 4
    };
    wr_submit(environment, &wait);
    cr_expect_eq(wr_simulation_due(environment), INT64_MAX);
    wr_submit(environment, &write);
    const int64_t due_us = wr_simulation_due(environment);
    cr_assert_neq(due_us, INT64_MAX);
    while (!wr_request_is_done(environment, &write)) {
        (void)wr_simulation_advance(environment, due_us);
    }
    cr_expect_geq(wr_now_us(environment), due_us);
    cr_expect_eq(wr_simulation_due(environment), INT64_MAX);
    close_file(file);
}

Test(environment_faults, a_reboot_is_another_boot_and_empties_shared_memory)
{
    int            error;
    const uint64_t boot   = environment->ops->boot(environment);
    char          *shared = environment->ops->share(environment, "/d/s", PAGE, true, &error);
    sync_directory("/d");
    shared[7] = 'x';
    wr_simulation_reboot(environment, 1);
    cr_expect(shared[7] == 'x'); // the old one, until it is given back
    environment->ops->unshare(environment, shared, PAGE);
    shared = environment->ops->share(environment, "/d/s", PAGE, true, &error);
    cr_assert(shared != NULL);
    cr_expect(shared[7] == 0);
    cr_expect(environment->ops->boot(environment) != boot &&
              environment->ops->boot(environment) != 0);
}

Test(environment_faults, what_was_imported_was_always_there)
{
    make_file("/d/a", "old", false);
    wr_simulation_import(environment, "/d/a", "abc", 3);
    wr_simulation_import(environment, "/x/y/z", "abc", 3);
    for (uint64_t seed = 0; seed < 20; seed++) {
        wr_simulation_reboot(environment, seed);
        cr_assert_str_eq(text_of("/d/a"), "abc");
        cr_assert_str_eq(text_of("/x/y/z"), "abc");
    }
}

// ---- damage ----

Test(environment_faults, the_bytes_of_a_file_may_be_damaged)
{
    size_t length = 9;
    cr_expect(wr_simulation_bytes(environment, "/d/none", &length) == NULL);
    cr_expect(wr_simulation_bytes(environment, "/d", &length) == NULL);
    make_file("/d/e", "", false);
    cr_expect(wr_simulation_bytes(environment, "/d/e", &length) != NULL && length == 0);
    make_file("/d/a", "abc", true);
    char *bytes = wr_simulation_bytes(environment, "/d/a", &length);
    cr_assert(bytes != NULL && length == 3);
    bytes[1] ^= 1;
    cr_expect_str_eq(direct_text_of("/d/a"), "acc");
    bytes[0] ^= 2;
    wr_simulation_reboot(environment, 1);
    cr_expect_str_eq(text_of("/d/a"), "ccc");
}
