#include "tests/support/checkpoint_disk.h"

#include <errno.h>

TestSuite(store_failures, .timeout = 60);

static struct disk disk; // a test is a process

// How many changes of the disk a checkpoint like the third makes until its rename.
static uint64_t changes_of_a_checkpoint(void)
{
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    disk_checkpoint(&disk, 2);
    const uint64_t before = wr_simulation_changes(disk.environment);
    disk_checkpoint(&disk, 3);
    const uint64_t count = wr_simulation_changes(disk.environment) - before;
    disk_fini(&disk);
    return count;
}

Test(store_failures, a_full_disk_fails_one_checkpoint_which_leaves_nothing_behind)
{
    const uint64_t count   = changes_of_a_checkpoint();
    uint32_t       refused = 0;
    for (uint64_t change = 0; change < count; change++) {
        struct wr_error error = { .status = WEIR_OK };
        disk_init(&disk);
        disk_checkpoint(&disk, 1);
        disk_checkpoint(&disk, 2);
        wr_simulation_fault_at(disk.environment, wr_simulation_changes(disk.environment) + change,
                               WR_DISK_ENOSPC);
        const weir_status status = disk_try_checkpoint(&disk, 3, &error);
        cr_assert(status == WEIR_OK || status == WEIR_FULL, "%s", error.sentence);
        if (status == WEIR_FULL) {
            refused++;
            cr_assert(strstr(error.sentence, STORE) != NULL, "%s", error.sentence);
            cr_assert_eq(disk_count(&disk, STORE, "c0000000003"), 0);
            cr_assert_eq(disk_count(&disk, STORE, "manifest.tmp"), 0);
        }
        wr_simulation_make_room(disk.environment);
        disk_checkpoint(&disk, 4);
        disk_open_again(&disk, 4);
        wr_error_fini(&error);
        disk_fini(&disk);
    }
    cr_assert(refused >= 3 * LIFE_TASKS, "%u", refused);
}

Test(store_failures, all_further_calls_of_a_failed_checkpoint_say_why)
{
    static struct life_index of;
    struct wr_error          error    = { .status = WEIR_OK };
    const struct wr_manifest manifest = life_manifest();
    struct wr_state_file    *file;
    disk_init(&disk);
    cr_assert_eq(wr_store_begin(disk.store, 1, LIFE_TASKS, &error), WEIR_OK);
    cr_assert_eq(life_write_task(&disk.life, disk.store, 0, 1, &of, &error), WEIR_OK);
    wr_simulation_fail(disk.environment, WR_FAULT_WRITE, 0, EIO);
    cr_assert_eq(life_write_task(&disk.life, disk.store, 1, 1, &of, &error), WEIR_DISK_FAILED);
    cr_assert_eq(disk_count(&disk, STORE, "c"), 0);
    char *const why = wr_copy_text(error.sentence);
    cr_assert_eq(wr_store_file_open(disk.store, 1, 2, 1, &file, &error), WEIR_DISK_FAILED);
    cr_assert_str_eq(error.sentence, why);
    cr_assert_eq(wr_store_publish(disk.store, &manifest, &error), WEIR_DISK_FAILED);
    cr_assert_str_eq(error.sentence, why);
    wr_store_abort(disk.store, 1);
    disk_checkpoint(&disk, 2); // no sync failed: the store is not poisoned
    wr_free(why);
    wr_error_fini(&error);
    disk_fini(&disk);
}

// The n-th sync of a checkpoint fails; the store says so until it is opened again.
static void fail_sync(uint32_t nth, bool is_published)
{
    struct wr_error error = { .status = WEIR_OK };
    disk_init(&disk);
    for (uint64_t i = 1; i <= 3; i++) {
        disk_checkpoint(&disk, i);
    }
    wr_simulation_fail(disk.environment, WR_FAULT_SYNC, nth, EIO);
    const weir_status status = disk_try_checkpoint(&disk, 4, &error);
    cr_assert_eq(status, is_published ? WEIR_OK : WEIR_DISK_FAILED, "sync %u: %s", nth,
                 error.sentence == NULL ? "" : error.sentence);
    cr_assert(is_published || strstr(error.sentence, "sync") != NULL, "%s", error.sentence);
    cr_assert_eq(wr_store_begin(disk.store, 5, LIFE_TASKS, &error), WEIR_DISK_FAILED);
    assert_says(&error, WEIR_DISK_FAILED, "start again");
    wr_error_fini(&error);
    disk_close_store(&disk);
    disk_open_store(&disk, STORE, true, 0);
    const uint64_t at = wr_store_manifest(disk.store)->checkpoint;
    cr_assert(at == 4 || (at == 3 && !is_published));
    disk_check(&disk, at);
    life_restore(&disk.life, disk.store, &disk.pictures[at]);
    disk_checkpoint(&disk, 5);
    disk_open_again(&disk, 5);
    disk_fini(&disk);
}

Test(store_failures, a_failed_sync_poisons_the_store_until_it_is_opened_again)
{
    // Files, directory, manifest, directory again; then the deleting.
    for (uint32_t nth = 0; nth < LIFE_TASKS + 3; nth++) {
        fail_sync(nth, false);
    }
    fail_sync(LIFE_TASKS + 3, true);
}

Test(store_failures, a_block_that_cannot_be_read_is_a_sentence)
{
    static char     buffer[LIFE_BUFFER];
    struct wr_error error = { .status = WEIR_OK };
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    const struct wr_index_segment *segment =
        &wr_store_index(disk.store, 1)->operators[0].tables[0].segments[0];
    wr_simulation_fail(disk.environment, WR_FAULT_READ, 0, EIO);
    cr_assert_eq(wr_store_read_block(disk.store, 1, segment, buffer, &error), WEIR_DISK_FAILED);
    assert_says(&error, WEIR_DISK_FAILED, "c0000000001-e00001-t00001");
    cr_assert_eq(wr_store_read_block(disk.store, 1, segment, buffer, &error), WEIR_OK);
    wr_error_fini(&error);
    disk_fini(&disk);
}

Test(store_failures, a_savepoint_on_a_full_disk_leaves_nothing_and_harms_nothing)
{
    for (uint64_t change = 0;; change++) {
        struct wr_error     error = { .status = WEIR_OK };
        struct wr_file_info info;
        disk_init(&disk);
        disk_checkpoint(&disk, 1);
        const uint64_t at = wr_simulation_changes(disk.environment) + change;
        wr_simulation_fault_at(disk.environment, at, WR_DISK_ENOSPC);
        const weir_status status = wr_store_savepoint(disk.store, COPY, &error);
        const bool        is_met = wr_simulation_changes(disk.environment) > at;
        cr_assert(status == WEIR_OK || status == WEIR_FULL, "%s", error.sentence);
        if (!is_met) {
            cr_assert(change > 20 && status == WEIR_OK);
            disk_fini(&disk);
            return;
        }
        cr_assert(status == WEIR_OK ||
                  disk.environment->ops->info(disk.environment, COPY, &info) == -ENOENT);
        wr_simulation_make_room(disk.environment);
        disk_checkpoint(&disk, 2);
        disk_open_again(&disk, 2);
        wr_error_fini(&error);
        disk_fini(&disk);
    }
}

// A process is killed between the rename of a manifest and the sync after it; the machine stops at
// some change of the next opening.
static bool stop_opening(uint64_t change, uint64_t seed)
{
    struct wr_error error = { .status = WEIR_OK };
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    wr_simulation_fail(disk.environment, WR_FAULT_SYNC, LIFE_TASKS + 2, EIO);
    cr_assert_eq(disk_try_checkpoint(&disk, 2, &error), WEIR_DISK_FAILED);
    disk_close_store(&disk);
    wr_simulation_restart(disk.environment);
    const uint64_t at = wr_simulation_changes(disk.environment) + change;
    wr_simulation_fault_at(disk.environment, at, WR_DISK_CRASH_AFTER);
    const weir_status status = disk_try_open(&disk, STORE, true, 0, &error);
    const bool        is_met = wr_simulation_has_stopped(disk.environment);
    disk_close_store(&disk);
    wr_error_fini(&error);
    if (!is_met) {
        disk_fini(&disk);
        return false;
    }
    wr_simulation_reboot(disk.environment, seed);
    disk_open_store(&disk, STORE, true, 0);
    const uint64_t found = wr_store_manifest(disk.store)->checkpoint;
    cr_assert(found == 2 || (found == 1 && status != WEIR_OK), "change %llu",
              (unsigned long long)change);
    disk_check(&disk, found);
    disk_fini(&disk);
    return true;
}

Test(store_failures, what_a_killed_process_renamed_is_durable_before_it_is_built_upon)
{
    for (uint64_t seed = 0; seed < 16; seed++) {
        uint64_t change = 0;
        while (stop_opening(change, seed)) {
            change++;
        }
        cr_assert(change > 4);
    }
}

Test(store_failures, a_process_that_is_killed_before_the_last_sync_may_have_published)
{
    const uint64_t count = changes_of_a_checkpoint();
    for (uint64_t change = 0; change < count; change++) {
        struct wr_error error = { .status = WEIR_OK };
        disk_init(&disk);
        disk_checkpoint(&disk, 1);
        disk_checkpoint(&disk, 2);
        wr_simulation_fault_at(disk.environment, wr_simulation_changes(disk.environment) + change,
                               WR_DISK_CRASH_AFTER);
        const weir_status status = disk_try_checkpoint(&disk, 3, &error);
        disk_close_store(&disk);
        wr_simulation_reboot(disk.environment, change);
        disk_open_store(&disk, STORE, true, 0);
        const uint64_t at = wr_store_manifest(disk.store)->checkpoint;
        cr_assert(at == 3 || (at == 2 && status != WEIR_OK));
        disk_check(&disk, at);
        wr_error_fini(&error);
        disk_fini(&disk);
    }
}
