#include "runtime/checkpoint/fsck.h"
#include "tests/support/checkpoint_disk.h"

TestSuite(store_fsck, .timeout = 60);

static struct disk disk; // a test is a process
static char        found[2000];

static void note(void *opaque, const struct wr_store_finding *finding)
{
    (void)opaque;
    cr_assert(strstr(finding->sentence, STORE) != NULL, "%s", finding->sentence);
    const size_t length = strlen(found);
    (void)snprintf(found + length, sizeof(found) - length, "%s %s; ",
                   wr_store_kind_word(finding->kind), finding->sentence);
}

static struct wr_store_summary check(void)
{
    const struct wr_store_fsck_options options = { .found = note };
    struct wr_store_summary            summary;
    struct wr_error                    error   = { .status = WEIR_OK };
    const uint64_t                     changes = wr_simulation_changes(disk.environment);
    found[0]                                   = 0;
    cr_assert_eq(wr_store_fsck(disk.environment, STORE, &options, &summary, &error), WEIR_OK);
    cr_assert_eq(wr_simulation_changes(disk.environment), changes, "it writes");
    return summary;
}

static void finds(enum wr_store_kind kind, const char *part)
{
    const struct wr_store_summary summary = check();
    cr_assert_eq(summary.gravest, kind, "%s: %s", wr_store_kind_word(summary.gravest), found);
    cr_assert(strstr(found, part) != NULL, "\"%s\" does not say \"%s\"", found, part);
    cr_assert(summary.findings > 0);
}

// Four checkpoints, the last three of them retained; closed.
static void make(void)
{
    disk_init(&disk);
    for (uint64_t i = 1; i <= 4; i++) {
        disk_checkpoint(&disk, i);
    }
    disk_close_store(&disk);
}

static char *bytes_of(const char *path, size_t *length)
{
    char *const bytes = wr_simulation_bytes(disk.environment, path, length);
    cr_assert(bytes != NULL, "%s", path);
    return bytes;
}

#define FILE_2 STORE "/c0000000002-e00001-t00001"
#define FILE_4 STORE "/c0000000004-e00001-t00001"

Test(store_fsck, of_a_sound_store_counts_and_finds_nothing)
{
    make();
    struct wr_store_summary summary = check();
    cr_assert_eq(summary.gravest, WR_STORE_CLEAN, "%s", found);
    cr_assert_eq(summary.manifests, 3);
    cr_assert_eq(summary.newest, 4);
    cr_assert(!summary.has_writer);
    cr_assert(summary.files >= 3 * LIFE_TASKS && summary.blocks > 0);
    disk_open_store(&disk, STORE, true, 0);
    summary = check();
    cr_assert(summary.has_writer && summary.gravest == WR_STORE_CLEAN, "%s", found);
    disk_fini(&disk);
}

Test(store_fsck, of_an_empty_directory_finds_nothing_and_of_none_says_so)
{
    struct wr_store_summary            summary;
    struct wr_error                    error   = { .status = WEIR_OK };
    const struct wr_store_fsck_options options = { .found = note };
    disk_init(&disk);
    cr_assert_eq(check().gravest, WR_STORE_CLEAN);
    cr_assert_eq(wr_store_fsck(disk.environment, "/none", &options, &summary, &error),
                 WEIR_NOT_FOUND);
    wr_simulation_import(disk.environment, "/file", "x", 1);
    cr_assert_eq(wr_store_fsck(disk.environment, "/file", &options, &summary, &error),
                 WEIR_CONFLICT);
    cr_assert(strstr(error.sentence, "a file in the place of a directory") != NULL);
    wr_error_fini(&error);
    disk_fini(&disk);
}

Test(store_fsck, finds_a_damaged_block_in_an_old_checkpoint_too)
{
    size_t length;
    make();
    bytes_of(FILE_2, &length)[70] ^= 1;
    finds(WR_STORE_DAMAGED, "payload");
    cr_assert(strstr(found, "t00001") != NULL);
    disk_fini(&disk);
}

Test(store_fsck, finds_a_damaged_index_of_a_file_whose_manifest_is_gone)
{
    size_t length;
    make();
    (void)bytes_of(FILE_2, &length);
    (void)disk.environment->ops->unlink(disk.environment, STORE "/manifest-0000000002");
    bytes_of(FILE_2, &length)[length - WR_TRAILER_BYTES - 40] ^= 1;
    finds(WR_STORE_DAMAGED, "index");
    disk_fini(&disk);
}

Test(store_fsck, finds_a_block_in_the_place_of_another)
{
    static char other[WR_BLOCK_HEADER_BYTES];
    size_t      length;
    make();
    memcpy(other, bytes_of(FILE_4, &length), sizeof(other));
    memcpy(bytes_of(FILE_2, &length), other, sizeof(other));
    finds(WR_STORE_FOREIGN, "another file");
    disk_fini(&disk);
}

Test(store_fsck, finds_files_that_are_missing_or_cut)
{
    size_t length;
    make();
    char *const copy = wr_alloc(1 << 16);
    memcpy(copy, bytes_of(FILE_4, &length), 300);
    wr_simulation_import(disk.environment, FILE_4, copy, 300);
    finds(WR_STORE_SHORT, "has 300 bytes");
    (void)disk.environment->ops->unlink(disk.environment, FILE_4);
    finds(WR_STORE_MISSING, "t00001");
    wr_free(copy);
    disk_fini(&disk);
}

Test(store_fsck, finds_a_damaged_manifest_and_takes_nothing_for_a_leftover_then)
{
    size_t length;
    make();
    bytes_of(STORE "/manifest-0000000004", &length)[30] ^= 1;
    finds(WR_STORE_MANIFEST, "manifest-0000000004");
    cr_assert(strstr(found, "leftover") == NULL);
    disk_fini(&disk);
}

Test(store_fsck, finds_that_the_newest_manifest_was_taken_away)
{
    make();
    (void)disk.environment->ops->unlink(disk.environment, STORE "/manifest-0000000004");
    finds(WR_STORE_MISSING, "manifest-0000000004");
    disk_fini(&disk);
}

Test(store_fsck, finds_an_epoch_that_is_damaged_missing_or_too_low)
{
    size_t          length;
    struct wr_error error = { .status = WEIR_OK };
    make();
    disk_open_store(&disk, STORE, true, 0);
    life_restore(&disk.life, disk.store, &disk.pictures[4]);
    disk_checkpoint(&disk, 5);
    disk_close_store(&disk);
    cr_assert_eq(wr_epoch_write(disk.environment, STORE, &(struct wr_epoch){ .epoch = 1 }, &error),
                 WEIR_OK);
    finds(WR_STORE_EPOCH, "old copy");
    bytes_of(STORE "/epoch", &length)[3] ^= 1;
    finds(WR_STORE_EPOCH, "crc32c");
    (void)disk.environment->ops->unlink(disk.environment, STORE "/epoch");
    finds(WR_STORE_EPOCH, "epoch");
    disk_fini(&disk);
}

Test(store_fsck, finds_leftovers_unless_a_writer_may_be_making_them)
{
    make();
    wr_simulation_import(disk.environment, STORE "/c0000000009-e00001-t00000", "x", 1);
    finds(WR_STORE_LEFTOVER, "c0000000009");
    (void)disk.environment->ops->unlink(disk.environment, STORE "/c0000000009-e00001-t00000");
    wr_simulation_import(disk.environment, STORE "/manifest.tmp-e00001", "x", 1);
    finds(WR_STORE_LEFTOVER, "manifest.tmp");
    disk_open_store(&disk, STORE, true, 0);
    wr_simulation_import(disk.environment, STORE "/c0000000009-e00002-t00000", "x", 1);
    cr_assert_eq(check().gravest, WR_STORE_CLEAN, "%s", found);
    disk_fini(&disk);
}

Test(store_fsck, finds_a_whole_file_of_the_same_name_that_is_another)
{
    // The same job once more on another disk, with other state.
    struct disk first;
    size_t      length;
    make();
    const char *const bytes = bytes_of(FILE_4, &length);
    char *const       copy  = wr_alloc(length);
    memcpy(copy, bytes, length);
    first = disk;
    disk_init(&disk);
    life_touch(&disk.life, 1, 0, 0);
    for (uint64_t i = 1; i <= 4; i++) {
        disk_checkpoint(&disk, i);
    }
    disk_close_store(&disk);
    wr_simulation_import(disk.environment, FILE_4, copy, length);
    const struct wr_store_summary summary = check();
    cr_assert(summary.gravest == WR_STORE_REFERENCE || summary.gravest == WR_STORE_SHORT, "%s",
              found);
    wr_free(copy);
    disk_fini(&disk);
    disk_fini(&first);
}

Test(store_fsck, has_a_word_and_an_exit_code_of_its_own_for_each_kind)
{
    for (enum wr_store_kind a = WR_STORE_CLEAN; a <= WR_STORE_MISSING; a++) {
        cr_assert(strlen(wr_store_kind_word(a)) > 3);
        for (enum wr_store_kind b = WR_STORE_CLEAN; b < a; b++) {
            cr_assert_neq(wr_store_kind_exit_code(a), wr_store_kind_exit_code(b));
        }
    }
}
