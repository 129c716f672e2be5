#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/disk.h"
#include "runtime/base/environment.h"

// An environment without the host's files, made before each test and closed after it.
static struct wr_environment *environment;

static void set_up(void) { environment = wr_environment_open_simulated(1, false); }
static void tear_down(void) { wr_environment_close(environment); }

TestSuite(environment_simulated, .init = set_up, .fini = tear_down, .timeout = 20);

static int open_file(const char *path, enum wr_open_mode mode)
{
    return environment->ops->open(environment, path, mode);
}

static void close_file(int file) { environment->ops->close(environment, file); }

static void write_file(const char *path, const char *text)
{
    const int file = open_file(path, WR_OPEN_WRITE);
    cr_assert(file >= 0, "%s: %d", path, file);
    cr_assert(environment->ops->write_at(environment, file, text, strlen(text), 0) ==
              (int64_t)strlen(text));
    close_file(file);
}

// All bytes of a file as a text, however short the reads are.
static const char *read_file(const char *path)
{
    static char text[256];
    const int   file = open_file(path, WR_OPEN_READ);
    cr_assert(file >= 0, "%s: %d", path, file);
    int64_t at = 0, got;
    while ((got = environment->ops->read_at(environment, file, text + at,
                                            sizeof(text) - 1 - (size_t)at, at)) > 0) {
        at += got;
    }
    text[at] = '\0';
    close_file(file);
    return text;
}

static bool is_there(const char *path)
{
    struct wr_file_info info;
    return environment->ops->info(environment, path, &info) == 0;
}

static struct wr_request request_of(enum wr_request_verb verb, int file, void *buffer, size_t bytes,
                                    int64_t offset, void (*wake)(void *), void *waker)
{
    return (struct wr_request){ .verb   = verb,
                                .file   = file,
                                .buffer = buffer,
                                .bytes  = bytes,
                                .offset = offset,
                                .wake   = wake,
                                .waker  = waker };
}

// ---- clock and random ----

Test(environment_simulated, time_stands_still_until_it_is_spent)
{
    const int64_t now = wr_now_us(environment), wall = environment->ops->wall_us(environment);
    cr_expect(wr_now_us(environment) == now);
    wr_simulation_spend(environment, 25);
    cr_expect(wr_now_us(environment) == now + 25);
    cr_expect(environment->ops->wall_us(environment) == wall + 25);
}

Test(environment_simulated, advances_to_the_time_asked_for_where_nothing_is_due)
{
    const int64_t now = wr_now_us(environment);
    cr_expect(!wr_simulation_advance(environment, now + 500));
    cr_expect(wr_now_us(environment) == now + 500);
}

Test(environment_simulated, does_not_wait_for_ever_for_nothing)
{
    const int64_t now = wr_now_us(environment);
    cr_expect(!wr_simulation_advance(environment, INT64_MAX));
    cr_expect(!wr_simulation_advance(environment, WEIR_TIME_MAX));
    cr_expect(wr_now_us(environment) == now);
}

Test(environment_simulated, never_moves_the_clock_back)
{
    const int64_t now = wr_now_us(environment);
    cr_expect(!wr_simulation_advance(environment, now - 500));
    cr_expect(wr_now_us(environment) == now);
}

Test(environment_simulated, one_seed_gives_one_sequence_of_random_numbers)
{
    struct wr_environment *same  = wr_environment_open_simulated(1, false);
    struct wr_environment *other = wr_environment_open_simulated(2, false);
    for (int i = 0; i < 10; i++) {
        const uint64_t value = environment->ops->random(environment);
        cr_expect(value == same->ops->random(same));
        cr_expect(value != other->ops->random(other));
    }
    wr_environment_close(same);
    wr_environment_close(other);
}

Test(environment_simulated, io_does_not_change_the_programs_random_numbers)
{
    struct wr_environment *same = wr_environment_open_simulated(1, false);
    write_file("/a", "abc");
    read_file("/a");
    cr_expect(environment->ops->random(environment) == same->ops->random(same));
    wr_environment_close(same);
}

Test(environment_simulated, the_wall_clock_begins_with_2026)
{
    cr_expect(environment->ops->wall_us(environment) == 1767225600000000);
}

// ---- files ----

Test(environment_simulated, reads_back_what_it_wrote)
{
    write_file("/a", "some text");
    cr_expect_str_eq(read_file("/a"), "some text");
}

Test(environment_simulated, nothing_that_is_written_reaches_the_host)
{
    write_file("/weir-simulated-only", "x");
    cr_expect(access("/weir-simulated-only", F_OK) < 0);
}

Test(environment_simulated, spellings_of_one_path_are_one_file)
{
    write_file("/d/../a", "x");
    cr_expect_str_eq(read_file("//./a"), "x");
    char *here = wr_format("%s/b", getcwd((char[4096]){ 0 }, 4096));
    write_file("b", "y");
    cr_expect_str_eq(read_file(here), "y");
    wr_free(here);
}

Test(environment_simulated, write_mode_empties_a_file)
{
    write_file("/a", "a long text");
    write_file("/a", "b");
    cr_expect_str_eq(read_file("/a"), "b");
}

Test(environment_simulated, append_mode_writes_at_the_end)
{
    write_file("/a", "one ");
    const int file = open_file("/a", WR_OPEN_APPEND);
    cr_expect(environment->ops->write_at(environment, file, "two", 3, 0) == 3);
    close_file(file);
    cr_expect_str_eq(read_file("/a"), "one two");
}

Test(environment_simulated, exclusive_mode_refuses_a_file_that_is_there)
{
    close_file(open_file("/a", WR_OPEN_EXCLUSIVE));
    cr_expect(open_file("/a", WR_OPEN_EXCLUSIVE) == -EEXIST);
}

Test(environment_simulated, update_mode_keeps_what_is_there)
{
    write_file("/a", "abcdef");
    const int file = open_file("/a", WR_OPEN_UPDATE);
    cr_expect(environment->ops->write_at(environment, file, "XY", 2, 2) == 2);
    close_file(file);
    cr_expect_str_eq(read_file("/a"), "abXYef");
}

Test(environment_simulated, a_write_past_the_end_leaves_zeros_between)
{
    const int file = open_file("/a", WR_OPEN_UPDATE);
    char      byte = 1;
    cr_expect(environment->ops->write_at(environment, file, "x", 1, 10000) == 1);
    while (environment->ops->read_at(environment, file, &byte, 1, 9999) != 1) {
    }
    cr_expect(byte == 0);
    close_file(file);
}

Test(environment_simulated, truncate_cuts_and_grows_with_zeros)
{
    struct wr_file_info info;
    write_file("/a", "abcdef");
    const int file = open_file("/a", WR_OPEN_UPDATE);
    cr_expect(environment->ops->truncate(environment, file, 2) == 0);
    cr_expect(environment->ops->truncate(environment, file, 4) == 0);
    close_file(file);
    cr_assert(environment->ops->info(environment, "/a", &info) == 0);
    cr_expect(info.is_regular && info.size_bytes == 4);
    cr_expect(memcmp(read_file("/a"), "ab\0\0", 4) == 0);
}

Test(environment_simulated, a_descriptor_does_only_what_it_was_opened_for)
{
    char byte = 'x';
    write_file("/a", "abc");
    const int reader = open_file("/a", WR_OPEN_READ), writer = open_file("/a", WR_OPEN_APPEND);
    cr_expect(environment->ops->write_at(environment, reader, &byte, 1, 0) == -EBADF);
    cr_expect(environment->ops->truncate(environment, reader, 0) == -EINVAL);
    cr_expect(environment->ops->read_at(environment, writer, &byte, 1, 0) == -EBADF);
    close_file(reader);
    close_file(writer);
}

Test(environment_simulated, descriptors_are_used_again_lowest_first)
{
    const int a = open_file("/a", WR_OPEN_WRITE), b = open_file("/b", WR_OPEN_WRITE);
    cr_expect(a == 0 && b == 1);
    close_file(a);
    cr_expect(open_file("/c", WR_OPEN_WRITE) == 0);
}

Test(environment_simulated, a_closed_descriptor_ends_the_process, .signal = SIGABRT)
{
    const int file = open_file("/a", WR_OPEN_WRITE);
    close_file(file);
    close_file(file);
}

Test(environment_simulated, offset_minus_one_goes_on_where_the_file_stands)
{
    char      text[7] = "";
    const int writer  = open_file("/a", WR_OPEN_WRITE);
    environment->ops->write_at(environment, writer, "abc", 3, -1);
    environment->ops->write_at(environment, writer, "def", 3, -1);
    close_file(writer);
    const int reader = open_file("/a", WR_OPEN_READ);
    for (int64_t at = 0; at < 6;) {
        at += environment->ops->read_at(environment, reader, text + at, (size_t)(6 - at), -1);
    }
    cr_expect_str_eq(text, "abcdef");
    cr_expect(environment->ops->read_at(environment, reader, text, 6, -1) == 0);
    close_file(reader);
}

Test(environment_simulated, reads_are_short_now_and_then_but_never_empty_before_the_end)
{
    char     text[100];
    uint32_t short_count = 0;
    wr_simulation_import(environment, "/a", memset(text, 'x', sizeof(text)), sizeof(text));
    const int file = open_file("/a", WR_OPEN_READ);
    for (int i = 0; i < 1000; i++) {
        const int64_t got = environment->ops->read_at(environment, file, text, sizeof(text), 0);
        cr_assert(got > 0 && got <= (int64_t)sizeof(text));
        short_count += got < (int64_t)sizeof(text);
    }
    cr_expect(short_count > 100 && short_count < 400, "%u", short_count);
    close_file(file);
}

// ---- names ----

Test(environment_simulated, a_file_needs_the_directory_it_lies_in)
{
    cr_expect(open_file("/d/a", WR_OPEN_WRITE) == -ENOENT);
    cr_expect(environment->ops->make_directory(environment, "/d/e") == -ENOENT);
    cr_expect(environment->ops->make_directory(environment, "/d") == 0);
    cr_expect(environment->ops->make_directory(environment, "/d") == -EEXIST);
    write_file("/d/a", "x");
    cr_expect(open_file("/d/a/b", WR_OPEN_WRITE) == -ENOTDIR);
}

Test(environment_simulated, a_directory_does_not_open_as_a_file)
{
    cr_assert(environment->ops->make_directory(environment, "/d") == 0);
    cr_expect(open_file("/d", WR_OPEN_READ) == -EISDIR);
    cr_expect(open_file("/d", WR_OPEN_WRITE) == -EISDIR);
    cr_expect(open_file("/d", WR_OPEN_EXCLUSIVE) == -EEXIST);
}

Test(environment_simulated, a_directory_is_unlinked_when_it_is_empty)
{
    cr_assert(environment->ops->make_directory(environment, "/d") == 0);
    write_file("/d/a", "x");
    cr_expect(environment->ops->unlink(environment, "/d") == -ENOTEMPTY);
    cr_expect(environment->ops->unlink(environment, "/d/a") == 0);
    cr_expect(environment->ops->unlink(environment, "/d") == 0);
    cr_expect(!is_there("/d"));
    cr_expect(environment->ops->unlink(environment, "/d") == -ENOENT);
}

Test(environment_simulated, an_unlinked_file_lives_on_while_it_is_open)
{
    char byte = 0;
    write_file("/a", "x");
    const int file = open_file("/a", WR_OPEN_READ);
    cr_expect(environment->ops->unlink(environment, "/a") == 0);
    cr_expect(!is_there("/a"));
    cr_expect(environment->ops->unlink(environment, "/a") == -ENOENT);
    cr_expect(environment->ops->read_at(environment, file, &byte, 1, 0) == 1 && byte == 'x');
    close_file(file);
}

Test(environment_simulated, rename_replaces_the_target)
{
    write_file("/a", "new");
    write_file("/b", "old");
    cr_expect(environment->ops->rename(environment, "/a", "/b") == 0);
    cr_expect_str_eq(read_file("/b"), "new");
    cr_expect(!is_there("/a"));
    cr_expect(environment->ops->rename(environment, "/a", "/b") == -ENOENT);
    cr_expect(environment->ops->rename(environment, "/b", "/b") == 0);
    cr_expect(environment->ops->rename(environment, "/b", "/none/b") == -ENOENT);
    cr_expect_str_eq(read_file("/b"), "new");
}

Test(environment_simulated, a_file_does_not_replace_a_directory_nor_the_other_way_round)
{
    write_file("/a", "x");
    environment->ops->make_directory(environment, "/d");
    environment->ops->make_directory(environment, "/e");
    cr_expect(environment->ops->rename(environment, "/a", "/d") == -EISDIR);
    cr_expect(environment->ops->rename(environment, "/d", "/a") == -ENOTDIR);
    cr_expect(environment->ops->rename(environment, "/d", "/e") == -ENOTEMPTY);
    cr_expect(is_there("/a") && is_there("/d"));
}

Test(environment_simulated, a_renamed_directory_takes_its_files_along)
{
    environment->ops->make_directory(environment, "/d");
    environment->ops->make_directory(environment, "/d/e");
    write_file("/d/e/a", "x");
    write_file("/d-not", "y");
    cr_expect(environment->ops->rename(environment, "/d", "/d/e/f") == -EINVAL);
    cr_expect(environment->ops->rename(environment, "/d", "/f") == 0);
    cr_expect_str_eq(read_file("/f/e/a"), "x");
    cr_expect_str_eq(read_file("/d-not"), "y");
    cr_expect(!is_there("/d"));
}

static void append_name(void *opaque, const char *name)
{
    strncat(opaque, name, 16);
    strncat(opaque, " ", 2);
}

Test(environment_simulated, lists_the_names_of_one_directory_in_byte_order)
{
    char names[128] = "";
    environment->ops->make_directory(environment, "/d");
    environment->ops->make_directory(environment, "/d/b");
    write_file("/d/b/deeper", "");
    write_file("/d/a", "");
    write_file("/d/B", "");
    write_file("/da", "");
    cr_expect(environment->ops->list(environment, "/d", append_name, names) == 0);
    cr_expect_str_eq(names, "B a b ");
    cr_expect(environment->ops->list(environment, "/none", append_name, names) == -ENOENT);
    cr_expect(environment->ops->list(environment, "/d/a", append_name, names) == -ENOTDIR);
}

Test(environment_simulated, an_imported_file_lies_in_directories_of_its_own)
{
    wr_simulation_import(environment, "/x/y/z", "abc", 3);
    cr_expect_str_eq(read_file("/x/y/z"), "abc");
    cr_expect(environment->ops->make_directory(environment, "/x/y") == -EEXIST);
    cr_expect(environment->ops->sync_directory(environment, "/x/y") == 0);
    cr_expect(environment->ops->sync_directory(environment, "/x/none") == -ENOENT);
}

// ---- what is synced ----

Test(environment_simulated, counts_the_blocks_that_a_crash_could_lose)
{
    char blocks[3 * WR_DISK_BLOCK] = { 0 };
    wr_simulation_import(environment, "/a", blocks, sizeof(blocks));
    cr_expect(wr_simulation_unsynced_blocks(environment, "/a") == 0);
    const int file = open_file("/a", WR_OPEN_UPDATE);
    environment->ops->write_at(environment, file, "xy", 2, WR_DISK_BLOCK - 2);
    cr_expect(wr_simulation_unsynced_blocks(environment, "/a") == 1);
    environment->ops->write_at(environment, file, "xy", 2, WR_DISK_BLOCK - 1);
    cr_expect(wr_simulation_unsynced_blocks(environment, "/a") == 2);
    cr_expect(environment->ops->sync(environment, file) == 0);
    cr_expect(wr_simulation_unsynced_blocks(environment, "/a") == 0);
    cr_expect(environment->ops->truncate(environment, file, sizeof(blocks) - WR_DISK_BLOCK) == 0);
    cr_expect(wr_simulation_unsynced_blocks(environment, "/a") == 1);
    cr_expect(wr_simulation_unsynced_blocks(environment, "/none") == 0);
    close_file(file);
}

Test(disk, keeps_the_synced_bytes_beside_those_written_since)
{
    struct wr_disk_file *file = wr_disk_file_open();
    wr_disk_file_write(file, "old", 3, 0);
    wr_disk_file_sync(file);
    wr_disk_file_write(file, "newer", 5, 0);
    cr_expect(file->synced_size == 3 && memcmp(file->synced, "old", 3) == 0);
    cr_expect(file->size == 5 && memcmp(file->bytes, "newer", 5) == 0);
    wr_disk_file_sync(file);
    cr_expect(file->synced_size == 5 && memcmp(file->synced, "newer", 5) == 0);
    wr_disk_file_release(file);
}

static void expect_path(const char *from, const char *path, const char *wanted)
{
    char *absolute = wr_disk_path(from, path);
    cr_expect_str_eq(absolute, wanted);
    wr_free(absolute);
}

Test(disk, paths_become_absolute_and_plain)
{
    expect_path("/d", "a", "/d/a");
    expect_path("/d", "/a", "/a");
    expect_path("/d", "", "/d");
    expect_path("/", "", "/");
    expect_path("/d", "./a//b/", "/d/a/b");
    expect_path("/d/e", "../a/.././b", "/d/b");
    expect_path("/d", "../../..", "/");
    expect_path("/d", "...", "/d/...");
    expect_path("/d", "..a", "/d/..a");
}

// ---- requests ----

static char     order[64];
static uint32_t order_count;

static void note(void *waker) { order[order_count++] = *(const char *)waker; }

enum { WRITES = 16 };
static const char        letters[WRITES + 1] = "abcdefghijklmnop";
static struct wr_request writes[WRITES];

static void submit_writes(struct wr_environment *to)
{
    const int file = to->ops->open(to, "/letters", WR_OPEN_WRITE);
    for (int i = 0; i < WRITES; i++) {
        char *letter = (char *)&letters[i];
        writes[i]    = request_of(WR_REQUEST_WRITE, file, letter, 1, i, note, letter);
        wr_submit(to, &writes[i]);
    }
}

// The order in which the writes complete under a seed.
static const char *order_of_seed(uint64_t seed)
{
    struct wr_environment *one = wr_environment_open_simulated(seed, false);
    order_count                = 0;
    memset(order, 0, sizeof(order));
    submit_writes(one);
    while (wr_simulation_advance(one, INT64_MAX)) {
    }
    wr_environment_close(one);
    return order;
}

Test(environment_simulated, requests_complete_out_of_order_and_the_same_for_one_seed)
{
    char first[sizeof(order)];
    snprintf(first, sizeof(first), "%s", order_of_seed(5));
    cr_expect(strlen(first) == WRITES);
    cr_expect_str_neq(first, letters);
    cr_expect_str_eq(order_of_seed(5), first);
    cr_expect_str_neq(order_of_seed(6), first);
}

Test(environment_simulated, a_request_acts_when_it_completes_and_not_before)
{
    submit_writes(environment);
    cr_expect(wr_simulation_pending(environment) == WRITES);
    cr_expect(!wr_request_is_done(environment, &writes[0]));
    cr_expect_str_eq(read_file("/letters"), "");
    while (wr_simulation_advance(environment, INT64_MAX)) {
    }
    cr_expect(wr_simulation_pending(environment) == 0);
    cr_expect(wr_request_is_done(environment, &writes[0]) && writes[0].result == 1);
    cr_expect_str_eq(read_file("/letters"), letters);
}

Test(environment_simulated, advance_stops_at_each_completion_in_turn)
{
    uint32_t steps = 0;
    int64_t  last  = wr_now_us(environment);
    submit_writes(environment);
    uint32_t before = wr_simulation_pending(environment);
    while (wr_simulation_advance(environment, INT64_MAX)) {
        cr_assert(wr_now_us(environment) > last);
        cr_assert(wr_simulation_pending(environment) < before);
        last   = wr_now_us(environment);
        before = wr_simulation_pending(environment);
        steps++;
    }
    cr_expect(before == 0);
    cr_expect(steps > WRITES / 2, "%u steps: hardly two are due at one time", steps);
}

Test(environment_simulated, advance_does_not_pass_the_time_asked_for)
{
    submit_writes(environment);
    const int64_t now = wr_now_us(environment);
    cr_expect(!wr_simulation_advance(environment, now));
    cr_expect(wr_now_us(environment) == now);
    cr_expect(wr_simulation_pending(environment) == WRITES);
}

Test(environment_simulated, what_fell_due_while_time_was_spent_completes_without_more_time)
{
    submit_writes(environment);
    wr_simulation_spend(environment, WEIR_SECONDS(1));
    const int64_t now = wr_now_us(environment);
    cr_expect(wr_simulation_advance(environment, 0));
    cr_expect(wr_now_us(environment) == now);
    cr_expect(wr_simulation_pending(environment) == 0);
}

static void submit_again(void *waker)
{
    struct wr_request *request = waker;
    request->wake              = NULL;
    wr_submit(environment, request);
}

Test(environment_simulated, a_request_may_be_used_again_from_its_wake)
{
    char              byte = 'x';
    const int         file = open_file("/a", WR_OPEN_APPEND);
    struct wr_request request =
        request_of(WR_REQUEST_WRITE, file, &byte, 1, 0, submit_again, &request);
    wr_submit(environment, &request);
    cr_expect(wr_simulation_advance(environment, INT64_MAX));
    cr_expect(!wr_request_is_done(environment, &request));
    cr_expect(wr_simulation_advance(environment, INT64_MAX));
    cr_expect(wr_request_is_done(environment, &request));
    cr_expect_str_eq(read_file("/a"), "xx");
    close_file(file);
}

Test(environment_simulated, closing_carries_out_what_was_submitted)
{
    struct wr_environment *one = wr_environment_open_simulated(3, false);
    submit_writes(one);
    wr_environment_close(one);
    cr_expect(writes[0].result == 1 && writes[WRITES - 1].result == 1);
}

// ---- faults ----

Test(environment_simulated, fails_the_operation_asked_for_and_no_other)
{
    wr_simulation_fail(environment, WR_FAULT_OPEN, 1, EMFILE);
    const int first = open_file("/a", WR_OPEN_WRITE);
    cr_expect(first >= 0);
    cr_expect(open_file("/a", WR_OPEN_WRITE) == -EMFILE);
    const int third = open_file("/a", WR_OPEN_WRITE);
    cr_expect(third >= 0);
    close_file(first);
    close_file(third);
}

Test(environment_simulated, each_kind_of_operation_can_fail)
{
    char      byte = 'x';
    const int file = open_file("/a", WR_OPEN_UPDATE);
    wr_simulation_fail(environment, WR_FAULT_READ, 0, EIO);
    wr_simulation_fail(environment, WR_FAULT_WRITE, 0, ENOSPC);
    wr_simulation_fail(environment, WR_FAULT_SYNC, 0, EIO);
    wr_simulation_fail(environment, WR_FAULT_RENAME, 0, EROFS);
    cr_expect(environment->ops->read_at(environment, file, &byte, 1, 0) == -EIO);
    cr_expect(environment->ops->write_at(environment, file, &byte, 1, 0) == -ENOSPC);
    cr_expect(environment->ops->sync(environment, file) == -EIO);
    cr_expect(environment->ops->rename(environment, "/a", "/b") == -EROFS);
    cr_expect(environment->ops->read_at(environment, file, &byte, 1, 0) == 0);
    cr_expect(is_there("/a") && !is_there("/b"));
    close_file(file);
}

Test(environment_simulated, a_request_can_fail_too)
{
    char              byte    = 'x';
    const int         file    = open_file("/a", WR_OPEN_WRITE);
    struct wr_request request = request_of(WR_REQUEST_WRITE, file, &byte, 1, 0, NULL, NULL);
    wr_simulation_fail(environment, WR_FAULT_WRITE, 0, ENOSPC);
    wr_submit(environment, &request);
    wr_simulation_advance(environment, INT64_MAX);
    cr_expect(request.result == -ENOSPC);
    cr_expect_str_eq(read_file("/a"), "");
    close_file(file);
}

Test(environment_simulated, two_faults_of_a_kind_each_count_from_when_they_were_asked_for)
{
    char      byte = 'x';
    const int file = open_file("/a", WR_OPEN_WRITE);
    wr_simulation_fail(environment, WR_FAULT_WRITE, 0, EIO);
    wr_simulation_fail(environment, WR_FAULT_WRITE, 2, ENOSPC);
    cr_expect(environment->ops->write_at(environment, file, &byte, 1, 0) == -EIO);
    cr_expect(environment->ops->write_at(environment, file, &byte, 1, 0) == 1);
    cr_expect(environment->ops->write_at(environment, file, &byte, 1, 0) == -ENOSPC);
    cr_expect(environment->ops->write_at(environment, file, &byte, 1, 0) == 1);
    close_file(file);
}

// ---- the host's files ----

static char directory[] = "/tmp/weir-simulated-XXXXXX";

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static int  next;
    char       *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void host_write(const char *name, const char *text)
{
    const int file = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
}

static const char *host_read(const char *name)
{
    static char   text[64];
    const int     file = open(path_of(name), O_RDONLY);
    const ssize_t got  = file < 0 ? 0 : read(file, text, sizeof(text) - 1);
    text[got]          = '\0';
    close(file);
    return file < 0 ? "(none)" : text;
}

static void set_up_host(void)
{
    cr_assert(mkdtemp(directory) != NULL);
    host_write("a", "host's a");
    host_write("b", "host's b");
    environment = wr_environment_open_simulated(1, true);
}

static void tear_down_host(void)
{
    wr_environment_close(environment);
    static const char *const names[] = { "a", "b", "c", "d/e/f", "d/e", "d", "" };
    for (uint32_t i = 0; i < WR_COUNT_OF(names); i++) {
        remove(path_of(names[i]));
    }
}

TestSuite(simulated_on_host, .init = set_up_host, .fini = tear_down_host, .timeout = 20);

Test(simulated_on_host, reads_what_the_host_has)
{
    struct wr_file_info info;
    cr_expect_str_eq(read_file(path_of("a")), "host's a");
    cr_assert(environment->ops->info(environment, path_of("a"), &info) == 0);
    cr_expect(info.is_regular && info.size_bytes == 8);
    cr_expect(open_file(path_of("none"), WR_OPEN_READ) == -ENOENT);
}

Test(environment_simulated, without_the_host_sees_none_of_its_files)
{
    cr_expect(open_file("/proc/self/status", WR_OPEN_READ) == -ENOENT);
    cr_expect(!is_there("/proc"));
}

Test(simulated_on_host, what_is_written_hides_the_hosts_file_and_leaves_it_alone)
{
    write_file(path_of("a"), "mine");
    cr_expect_str_eq(read_file(path_of("a")), "mine");
    cr_expect_str_eq(host_read("a"), "host's a");
}

Test(simulated_on_host, update_and_append_begin_with_the_hosts_bytes)
{
    const int update = open_file(path_of("a"), WR_OPEN_UPDATE);
    cr_expect(environment->ops->write_at(environment, update, "H", 1, 0) == 1);
    const int append = open_file(path_of("b"), WR_OPEN_APPEND);
    cr_expect(environment->ops->write_at(environment, append, "!", 1, 0) == 1);
    cr_expect_str_eq(read_file(path_of("a")), "Host's a");
    cr_expect_str_eq(read_file(path_of("b")), "host's b!");
    cr_expect_str_eq(host_read("a"), "host's a");
    cr_expect(open_file(path_of("b"), WR_OPEN_EXCLUSIVE) == -EEXIST);
}

Test(simulated_on_host, an_unlinked_file_of_the_host_is_hidden)
{
    cr_expect(environment->ops->unlink(environment, path_of("a")) == 0);
    cr_expect(open_file(path_of("a"), WR_OPEN_READ) == -ENOENT);
    cr_expect(environment->ops->unlink(environment, path_of("a")) == -ENOENT);
    cr_expect_str_eq(host_read("a"), "host's a");
    const int file = open_file(path_of("a"), WR_OPEN_EXCLUSIVE);
    cr_expect(file >= 0);
    cr_expect_str_eq(read_file(path_of("a")), "");
}

Test(simulated_on_host, a_renamed_file_of_the_host_moves_in_memory_only)
{
    cr_expect(environment->ops->rename(environment, path_of("a"), path_of("c")) == 0);
    cr_expect_str_eq(read_file(path_of("c")), "host's a");
    cr_expect(!is_there(path_of("a")));
    cr_expect_str_eq(host_read("a"), "host's a");
    cr_expect_str_eq(host_read("c"), "(none)");
}

Test(simulated_on_host, a_directory_of_the_host_does_not_move)
{
    cr_expect(environment->ops->rename(environment, directory, "/tmp/other") == -EXDEV);
}

Test(simulated_on_host, a_listing_merges_both)
{
    char names[128] = "";
    write_file(path_of("a"), "");
    write_file(path_of("a0"), "");
    write_file(path_of("c"), "");
    environment->ops->unlink(environment, path_of("c"));
    cr_expect(environment->ops->list(environment, directory, append_name, names) == 0);
    cr_expect_str_eq(names, "a a0 b ");
}

Test(simulated_on_host, a_directory_made_in_memory_lists_and_takes_files)
{
    char names[128] = "";
    cr_expect(environment->ops->make_directory(environment, directory) == -EEXIST);
    cr_expect(environment->ops->make_directory(environment, path_of("d")) == 0);
    write_file(path_of("d/x"), "");
    cr_expect(environment->ops->list(environment, path_of("d"), append_name, names) == 0);
    cr_expect_str_eq(names, "x ");
    cr_expect(access(path_of("d"), F_OK) < 0);
}

Test(simulated_on_host, export_writes_files_and_the_directories_above_them)
{
    environment->ops->make_directory(environment, path_of("d"));
    environment->ops->make_directory(environment, path_of("d/e"));
    write_file(path_of("d/e/f"), "out");
    write_file(path_of("a"), "mine");
    cr_expect(wr_simulation_export(environment) == 0);
    cr_expect_str_eq(host_read("d/e/f"), "out");
    cr_expect_str_eq(host_read("a"), "mine");
    cr_expect_str_eq(host_read("b"), "host's b");
}

Test(simulated_on_host, export_says_why_a_file_could_not_be_written)
{
    wr_simulation_import(environment, path_of("b/x"), "x", 1);
    cr_expect(wr_simulation_export(environment) == -ENOTDIR);
}

// ---- files without a name ----

Test(environment_simulated, an_unnamed_file_is_read_and_written_and_has_no_name)
{
    char      text[16] = "";
    uint64_t  before   = wr_simulation_changes(environment);
    const int file     = open_file("/", WR_OPEN_UNNAMED);
    cr_assert_geq(file, 0, "%d", file);
    cr_assert_eq(wr_simulation_changes(environment), before + 1);
    cr_assert_eq(environment->ops->write_at(environment, file, "spilled", 7, 0), 7);
    for (int64_t got = 0; got < 7;) {
        got += environment->ops->read_at(environment, file, text + got, 7 - (size_t)got, got);
    }
    cr_assert_str_eq(text, "spilled");
    close_file(file);
}

Test(environment_simulated, an_unnamed_file_is_gone_after_a_crash)
{
    const int file = open_file("/", WR_OPEN_UNNAMED);
    cr_assert_eq(environment->ops->write_at(environment, file, "spilled", 7, 0), 7);
    wr_simulation_reboot(environment, 1);
    char byte;
    cr_assert_eq(environment->ops->read_at(environment, file, &byte, 1, 0), -ENODEV);
    close_file(file);
}

Test(environment_simulated, an_unnamed_file_needs_its_directory)
{
    cr_assert_eq(open_file("/missing", WR_OPEN_UNNAMED), -ENOENT);
}
