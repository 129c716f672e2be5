// Deleting a checkpoint by hand leaves all others whole.
#include "runtime/checkpoint/fsck.h"
#include "tests/support/checkpoint_disk.h"

TestSuite(store_delete, .timeout = 60);

static struct disk disk; // a test is a process

static void make(void)
{
    disk_init(&disk);
    for (uint64_t i = 1; i <= 4; i++) {
        disk_checkpoint(&disk, i);
    }
}

static struct wr_store_deletion deletes(uint64_t checkpoint, bool may_be_newest)
{
    struct wr_error          error    = { .status = WEIR_OK };
    struct wr_store_deletion deletion = {
        .checkpoint = checkpoint, .may_be_newest = may_be_newest, .warn = disk_warn, .opaque = &disk
    };
    const weir_status status = wr_store_delete(disk.environment, STORE, &deletion, &error);
    cr_assert_eq(status, WEIR_OK, "%s", error.sentence);
    return deletion;
}

static void refuses(uint64_t checkpoint, weir_status status, const char *part)
{
    struct wr_error          error    = { .status = WEIR_OK };
    const uint64_t           changes  = wr_simulation_changes(disk.environment);
    struct wr_store_deletion deletion = { .checkpoint = checkpoint };
    cr_assert_eq(wr_store_delete(disk.environment, STORE, &deletion, &error), status);
    assert_says(&error, status, part);
    cr_assert_eq(wr_simulation_changes(disk.environment), changes, "it changes something");
    wr_error_fini(&error);
}

static void is_clean(void)
{
    const struct wr_store_fsck_options options = { .found = NULL };
    struct wr_store_summary            summary;
    struct wr_error                    error = { .status = WEIR_OK };
    cr_assert_eq(wr_store_fsck(disk.environment, STORE, &options, &summary, &error), WEIR_OK);
    cr_assert_eq(summary.gravest, WR_STORE_CLEAN, "%s", wr_store_kind_word(summary.gravest));
}

Test(store_delete, leaves_the_others_and_what_they_need)
{
    make();
    disk_close_store(&disk);
    (void)deletes(2, false);
    (void)deletes(3, false);
    cr_assert_eq(disk_count(&disk, STORE, "manifest"), 1);
    is_clean();
    disk_open_store(&disk, STORE, true, 0);
    disk_check(&disk, 4);
    disk_fini(&disk);
}

Test(store_delete, of_the_newest_goes_back_to_the_one_before_and_never_gives_its_number_again)
{
    make();
    disk_close_store(&disk);
    refuses(4, WEIR_USAGE, "--force");
    cr_assert(deletes(4, true).files > 0);
    cr_assert_eq(disk_count(&disk, STORE, "c0000000004"), 0);
    is_clean();
    for (uint32_t i = 0; i < 2; i++) { // it is remembered over openings
        disk_open_store(&disk, STORE, true, 0);
        cr_assert_eq(wr_store_manifest(disk.store)->checkpoint, 3);
        cr_assert_eq(wr_store_next(disk.store), 5);
        disk_check(&disk, 3);
        disk_close_store(&disk);
    }
    disk_open_store(&disk, STORE, true, 0);
    disk_fini(&disk);
}

Test(store_delete, of_all_leaves_an_empty_store)
{
    make();
    disk_close_store(&disk);
    for (uint64_t i = 2; i <= 4; i++) {
        (void)deletes(i, true);
    }
    cr_assert_eq(disk_count(&disk, STORE, "c"), 0);
    is_clean();
    disk_open_store(&disk, STORE, true, 0);
    cr_assert(wr_store_manifest(disk.store) == NULL);
    cr_assert_eq(wr_store_next(disk.store), 5);
    disk_fini(&disk);
}

Test(store_delete, refuses_what_is_not_there_and_what_a_process_writes)
{
    make();
    refuses(1, WEIR_NOT_FOUND, "there is no published checkpoint 1; there are 2, 3 and 4");
    struct wr_error          error    = { .status = WEIR_OK };
    struct wr_store_deletion deletion = { .checkpoint = 2 };
    cr_assert_eq(wr_store_delete(disk.environment, STORE, &deletion, &error), WEIR_CONFLICT);
    assert_says(&error, WEIR_CONFLICT, "stop it first");
    wr_error_fini(&error);
    disk_check(&disk, 4);
    disk_fini(&disk);
}

Test(store_delete, keeps_all_files_while_another_checkpoint_cannot_be_read)
{
    make();
    disk_close_store(&disk);
    wr_simulation_import(disk.environment, STORE "/manifest-0000000003", "no", 2);
    const uint32_t before = disk_count(&disk, STORE, "c");
    cr_assert_eq(deletes(2, false).files, 0);
    cr_assert_eq(disk_count(&disk, STORE, "c"), before);
    (void)deletes(3, false); // a damaged one can go
    is_clean();
    disk_open_store(&disk, STORE, true, 0);
    disk_check(&disk, 4);
    disk_fini(&disk);
}

// Cut off at change `nth` of the disk. False: it was over before.
static bool survives_a_power_cut(uint64_t checkpoint, uint64_t nth, enum wr_disk_fault fault)
{
    const struct wr_store_fsck_options options = { .found = NULL };
    struct wr_store_deletion deletion = { .checkpoint = checkpoint, .may_be_newest = true };
    struct wr_store_summary  summary;
    struct wr_error          error = { .status = WEIR_OK };
    make();
    disk_close_store(&disk);
    wr_simulation_fault_at(disk.environment, wr_simulation_changes(disk.environment) + nth, fault);
    (void)wr_store_delete(disk.environment, STORE, &deletion, &error);
    wr_error_fini(&error);
    const bool was_cut = wr_simulation_has_stopped(disk.environment);
    wr_simulation_forget_faults(disk.environment);
    wr_simulation_reboot(disk.environment, nth);
    cr_assert_eq(wr_store_fsck(disk.environment, STORE, &options, &summary, &error), WEIR_OK);
    cr_assert_leq(summary.gravest, WR_STORE_LEFTOVER, "%s, cut at %llu",
                  wr_store_kind_word(summary.gravest), (unsigned long long)nth);
    disk_open_store(&disk, STORE, true, 0);
    const uint64_t newest = wr_store_manifest(disk.store)->checkpoint;
    cr_assert(newest == 4 || (checkpoint == 4 && newest == 3));
    cr_assert(was_cut || newest == (checkpoint == 4 ? 3 : 4));
    cr_assert_eq(wr_store_next(disk.store), 5);
    disk_check(&disk, newest);
    disk_fini(&disk);
    return was_cut;
}

Test(store_delete, that_is_cut_off_anywhere_leaves_a_store_that_opens)
{
    for (uint64_t checkpoint = 3; checkpoint <= 4; checkpoint++) {
        uint64_t nth = 0;
        while (survives_a_power_cut(checkpoint, nth, WR_DISK_CRASH_BEFORE)) {
            (void)survives_a_power_cut(checkpoint, nth, WR_DISK_CRASH_AFTER);
            nth++;
        }
        cr_assert_gt(nth, 5);
    }
}
