#include "tests/support/checkpoint_disk.h"

TestSuite(store, .timeout = 60);

static struct disk disk; // a test is a process

static weir_status open_says(bool writes, uint64_t checkpoint, const char *part)
{
    struct wr_error   error  = { .status = WEIR_OK };
    const weir_status status = disk_try_open(&disk, STORE, writes, checkpoint, &error);
    cr_assert(disk.store == NULL);
    assert_says(&error, status, part);
    wr_error_fini(&error);
    return status;
}

// ---- checkpoints ----

Test(store, gives_back_what_was_published)
{
    disk_init(&disk);
    cr_assert(wr_store_manifest(disk.store) == NULL);
    cr_assert_eq(wr_store_next(disk.store), 1);
    disk_checkpoint(&disk, 1);
    disk_check(&disk, 1);
    disk_open_again(&disk, 1);
    disk_fini(&disk);
}

Test(store, writes_only_what_changed_and_refers_to_earlier_files)
{
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    disk_checkpoint(&disk, 2);
    const struct wr_index *index = wr_store_index(disk.store, 1);
    cr_assert_eq(index->file_count, 2);
    cr_assert_str_eq(index->files[0].name, "c0000000001-e00001-t00001");
    cr_assert_str_eq(index->files[1].name, "c0000000002-e00001-t00001");
    disk_open_again(&disk, 2);
    disk_checkpoint(&disk, 3);
    disk_open_again(&disk, 3);
    disk_fini(&disk);
}

Test(store, of_an_aborted_checkpoint_has_nothing_left)
{
    struct wr_error error = { .status = WEIR_OK };
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    cr_assert_eq(life_checkpoint(&disk.life, disk.store, 2, true, &error), WEIR_OK);
    cr_assert_eq(disk_count(&disk, STORE, "c0000000002"), 0);
    disk_checkpoint(&disk, 3);
    disk_open_again(&disk, 3);
    disk_fini(&disk);
}

Test(store, that_is_closed_in_the_middle_of_a_checkpoint_is_at_the_one_before)
{
    struct wr_error       error = { .status = WEIR_OK };
    struct wr_state_file *file;
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    cr_assert_eq(wr_store_begin(disk.store, 2, LIFE_TASKS, &error), WEIR_OK);
    cr_assert_eq(wr_store_file_open(disk.store, 2, 0, 9, &file, &error), WEIR_OK);
    disk_open_again(&disk, 1);
    cr_assert_eq(disk_count(&disk, STORE, "c0000000002"), 0);
    disk_fini(&disk);
}

Test(store, takes_ids_that_rise_only)
{
    struct wr_error error = { .status = WEIR_OK };
    disk_init(&disk);
    disk_checkpoint(&disk, 5);
    cr_assert_eq(wr_store_next(disk.store), 6);
    cr_assert_eq(wr_store_begin(disk.store, 5, LIFE_TASKS, &error), WEIR_USAGE);
    assert_says(&error, WEIR_USAGE, "the next is 6");
    wr_error_fini(&error);
    disk_checkpoint(&disk, 9);
    disk_open_again(&disk, 9);
    cr_assert_eq(wr_store_next(disk.store), 10);
    disk_fini(&disk);
}

Test(store, drops_what_comes_for_a_checkpoint_that_is_not_in_progress)
{
    struct wr_error       error = { .status = WEIR_OK };
    struct wr_state_file *file;
    disk_init(&disk);
    cr_assert_eq(wr_store_file_open(disk.store, 1, 0, 1, &file, &error), WEIR_FENCED);
    cr_assert_eq(wr_store_begin(disk.store, 2, LIFE_TASKS, &error), WEIR_OK);
    cr_assert_eq(wr_store_file_open(disk.store, 1, 0, 1, &file, &error), WEIR_FENCED);
    wr_store_abort(disk.store, 1);
    cr_assert_eq(wr_store_file_open(disk.store, 2, 0, 1, &file, &error), WEIR_OK);
    wr_error_fini(&error);
    disk_fini(&disk);
}

Test(store, publishes_nothing_while_a_task_is_missing)
{
    static struct life_index of;
    struct wr_error          error    = { .status = WEIR_OK };
    const struct wr_manifest manifest = life_manifest();
    disk_init(&disk);
    cr_assert_eq(wr_store_begin(disk.store, 1, LIFE_TASKS, &error), WEIR_OK);
    cr_assert_eq(life_write_task(&disk.life, disk.store, 0, 1, &of, &error), WEIR_OK);
    cr_assert_eq(wr_store_publish(disk.store, &manifest, &error), WEIR_USAGE);
    assert_says(&error, WEIR_USAGE, "1 of 3 tasks");
    wr_error_fini(&error);
    cr_assert_eq(disk_count(&disk, STORE, "manifest"), 0);
    disk_fini(&disk);
}

Test(store, publishes_no_key_ranges_with_a_gap)
{
    static struct life_index of;
    struct wr_error          error    = { .status = WEIR_OK };
    const struct wr_manifest manifest = life_manifest();
    disk_init(&disk);
    cr_assert_eq(wr_store_begin(disk.store, 1, 2, &error), WEIR_OK);
    cr_assert_eq(life_write_task(&disk.life, disk.store, 0, 1, &of, &error), WEIR_OK);
    cr_assert_eq(life_write_task(&disk.life, disk.store, 1, 1, &of, &error), WEIR_OK);
    cr_assert_eq(wr_store_publish(disk.store, &manifest, &error), WEIR_DAMAGED);
    assert_says(&error, WEIR_DAMAGED, "partition");
    wr_error_fini(&error);
    disk_fini(&disk);
}

Test(store, takes_no_index_that_makes_no_sense)
{
    static struct life_index of;
    struct wr_error          error = { .status = WEIR_OK };
    struct wr_state_file    *file;
    disk_init(&disk);
    cr_assert_eq(wr_store_begin(disk.store, 1, LIFE_TASKS, &error), WEIR_OK);
    cr_assert_eq(wr_store_file_open(disk.store, 1, 1, 1, &file, &error), WEIR_OK);
    life_fill_index(&of, 1, 1);
    of.tables[0].entries       = 4;
    of.tables[0].segment_count = of.tables[1].segment_count = 0;
    cr_assert_eq(wr_store_file_finish(file, &of.index, &error), WEIR_USAGE);
    assert_says(&error, WEIR_USAGE, "mistake in weir");
    wr_error_fini(&error);
    disk_fini(&disk);
}

Test(store, never_replaces_a_manifest_that_somebody_else_published)
{
    struct wr_error error = { .status = WEIR_OK };
    size_t          length;
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    wr_simulation_import(disk.environment, STORE "/manifest-0000000002", "theirs", 6);
    cr_assert_eq(disk_try_checkpoint(&disk, 2, &error), WEIR_CONFLICT);
    assert_says(&error, WEIR_CONFLICT, "another process");
    const char *const bytes =
        wr_simulation_bytes(disk.environment, STORE "/manifest-0000000002", &length);
    cr_assert(length == 6 && memcmp(bytes, "theirs", 6) == 0);
    cr_assert_eq(disk_count(&disk, STORE, "c0000000002"), 0);
    wr_error_fini(&error);
    disk_fini(&disk);
}

Test(store, writes_to_no_state_file_that_is_there)
{
    struct wr_error error = { .status = WEIR_OK };
    size_t          length;
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    wr_simulation_import(disk.environment, STORE "/c0000000002-e00001-t00001", "theirs", 6);
    cr_assert_eq(disk_try_checkpoint(&disk, 2, &error), WEIR_CONFLICT);
    const char *const bytes =
        wr_simulation_bytes(disk.environment, STORE "/c0000000002-e00001-t00001", &length);
    cr_assert(length == 6 && memcmp(bytes, "theirs", 6) == 0);
    wr_error_fini(&error);
    disk_fini(&disk);
}

// ---- retention ----

Test(store, keeps_the_last_three_and_what_they_refer_to)
{
    char name[WR_STATE_NAME_BYTES];
    disk_init(&disk);
    for (uint64_t i = 1; i <= 12; i++) {
        disk_checkpoint(&disk, i);
        cr_assert_eq(disk_count(&disk, STORE, "manifest"), i < 3 ? i : 3);
    }
    for (uint64_t i = 10; i <= 12; i++) {
        disk_close_store(&disk);
        disk_open_store(&disk, STORE, false, i);
        disk_check(&disk, i);
    }
    for (uint64_t i = 1; i <= 12; i++) {
        wr_state_name(&(struct wr_file_id){ i, 1, 0 }, name);
        cr_assert_eq(disk_has(&disk, name), i >= 10, "%s", name);
        wr_state_name(&(struct wr_file_id){ i, 1, 1 }, name);
        // Each segment is written every fourth time; 10 refers back to 7.
        cr_assert_eq(disk_has(&disk, name), i >= 7, "%s", name);
    }
    cr_assert_eq(disk.warnings, 0, "%s", disk.warned);
    disk_fini(&disk);
}

Test(store, deletes_leftovers_after_the_next_publish_and_not_before)
{
    static const char *const leftovers[] = { STORE "/c0000000001-e00001-t00009",
                                             STORE "/manifest.tmp-e00001", STORE "/epoch.tmp" };
    disk_init(&disk);
    disk_checkpoint(&disk, 2);
    disk_close_store(&disk);
    for (uint32_t i = 0; i < WR_COUNT_OF(leftovers); i++) {
        wr_simulation_import(disk.environment, leftovers[i], "x", 1);
    }
    wr_simulation_import(disk.environment, STORE "/notes", "x", 1);
    disk_open_store(&disk, STORE, true, 0);
    cr_assert(disk_has(&disk, "c0000000001-e00001-t00009"));
    life_restore(&disk.life, disk.store, &disk.pictures[2]);
    disk_checkpoint(&disk, 3);
    cr_assert(!disk_has(&disk, "c0000000001-e00001-t00009"));
    cr_assert(!disk_has(&disk, "manifest.tmp-e00001"));
    cr_assert(!disk_has(&disk, "epoch.tmp"));
    cr_assert(disk_has(&disk, "notes"));
    disk_fini(&disk);
}

Test(store, deletes_nothing_newer_than_what_was_published)
{
    disk_init(&disk);
    wr_simulation_import(disk.environment, STORE "/c0000000007-e00001-t00000", "x", 1);
    disk_checkpoint(&disk, 6);
    cr_assert(disk_has(&disk, "c0000000007-e00001-t00000"));
    disk_fini(&disk);
}

Test(store, deletes_no_file_while_a_retained_manifest_cannot_be_read)
{
    size_t length;
    disk_init(&disk);
    for (uint64_t i = 1; i <= 4; i++) {
        disk_checkpoint(&disk, i);
    }
    disk_close_store(&disk);
    wr_simulation_bytes(disk.environment, STORE "/manifest-0000000003", &length)[9] ^= 1;
    wr_simulation_import(disk.environment, STORE "/c0000000001-e00001-t00009", "x", 1);
    disk_open_store(&disk, STORE, true, 0);
    life_restore(&disk.life, disk.store, &disk.pictures[4]);
    disk_checkpoint(&disk, 5);
    cr_assert(disk.warnings > 0 && strstr(disk.warned, "manifest-0000000003") != NULL);
    cr_assert(disk_has(&disk, "c0000000001-e00001-t00009"));
    disk_checkpoint(&disk, 6); // 3 is not retained any more
    cr_assert(!disk_has(&disk, "c0000000001-e00001-t00009"));
    disk_open_again(&disk, 6);
    disk_fini(&disk);
}

Test(store, warns_of_what_it_cannot_delete_and_goes_on)
{
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    disk.environment->ops->make_directory(disk.environment, STORE "/c0000000001-e00001-t00044");
    wr_simulation_import(disk.environment, STORE "/c0000000001-e00001-t00044/x", "x", 1);
    disk_checkpoint(&disk, 2);
    cr_assert_eq(disk.warnings, 1);
    cr_assert(strstr(disk.warned, "t00044") != NULL, "%s", disk.warned);
    disk_fini(&disk);
}

// ---- opening ----

Test(store, refuses_a_second_writer_and_names_the_first)
{
    disk_init(&disk);
    struct wr_store *const first = disk.store;
    cr_assert_eq(open_says(true, 0, "this process"), WEIR_CONFLICT);
    disk_open_store(&disk, STORE, false, 0); // reading is free
    disk_close_store(&disk);
    disk.store = first;
    disk_fini(&disk);
}

Test(store, has_an_epoch_for_each_opening_to_write)
{
    disk_init(&disk);
    cr_assert_eq(wr_store_epoch(disk.store), 1);
    disk_checkpoint(&disk, 1);
    disk_open_again(&disk, 1);
    cr_assert_eq(wr_store_epoch(disk.store), 2);
    disk_close_store(&disk);
    disk_open_store(&disk, STORE, false, 0);
    cr_assert_eq(wr_store_epoch(disk.store), 2);
    disk_fini(&disk);
}

Test(store, is_told_when_another_process_took_over)
{
    struct wr_error error = { .status = WEIR_OK };
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    cr_assert_eq(wr_epoch_write(disk.environment, STORE, &(struct wr_epoch){ .epoch = 2 }, &error),
                 WEIR_OK);
    cr_assert_eq(disk_try_checkpoint(&disk, 2, &error), WEIR_FENCED);
    assert_says(&error, WEIR_FENCED, "epoch 2");
    wr_error_fini(&error);
    cr_assert(!disk_has(&disk, "manifest-0000000002"));
    disk_fini(&disk);
}

Test(store, that_is_not_there_or_no_directory_is_a_sentence)
{
    disk_init(&disk);
    disk_close_store(&disk);
    struct wr_error error = { .status = WEIR_OK };
    cr_assert_eq(disk_try_open(&disk, "/none", false, 0, &error), WEIR_NOT_FOUND);
    assert_says(&error, WEIR_NOT_FOUND, "/none");
    wr_simulation_import(disk.environment, "/file", "x", 1);
    cr_assert_eq(disk_try_open(&disk, "/file", false, 0, &error), WEIR_CONFLICT);
    cr_assert_eq(disk_try_open(&disk, STORE, true, 77, &error), WEIR_NOT_FOUND);
    assert_says(&error, WEIR_NOT_FOUND, "77; there is none");
    wr_error_fini(&error);
    disk_fini(&disk);
}

Test(store, refuses_a_damaged_newest_manifest_by_name_and_opens_an_older_one_when_asked)
{
    size_t length;
    disk_init(&disk);
    for (uint64_t i = 1; i <= 3; i++) {
        disk_checkpoint(&disk, i);
    }
    disk_close_store(&disk);
    wr_simulation_bytes(disk.environment, STORE "/manifest-0000000003", &length)[40] ^= 4;
    cr_assert_eq(open_says(true, 0, "manifest-0000000003"), WEIR_DAMAGED);
    cr_assert_eq(open_says(false, 0, "manifest-0000000003"), WEIR_DAMAGED);
    disk_open_store(&disk, STORE, true, 2);
    disk_check(&disk, 2);
    life_restore(&disk.life, disk.store, &disk.pictures[2]);
    cr_assert_eq(wr_store_next(disk.store), 4);
    disk_checkpoint(&disk, 4);
    disk_open_again(&disk, 4);
    disk_fini(&disk);
}

Test(store, refuses_to_open_when_the_newest_manifest_was_taken_away)
{
    disk_init(&disk);
    for (uint64_t i = 1; i <= 3; i++) {
        disk_checkpoint(&disk, i);
    }
    disk_close_store(&disk);
    (void)disk.environment->ops->unlink(disk.environment, STORE "/manifest-0000000003");
    cr_assert_eq(open_says(true, 0, "checkpoint 3"), WEIR_DAMAGED);
    cr_assert_eq(open_says(false, 0, "checkpoint 3"), WEIR_DAMAGED);
    disk_open_store(&disk, STORE, true, 2);
    disk_check(&disk, 2);
    life_restore(&disk.life, disk.store, &disk.pictures[2]);
    cr_assert_eq(wr_store_next(disk.store), 4);
    disk_checkpoint(&disk, 4);
    disk_open_again(&disk, 4);
    disk_fini(&disk);
}

Test(store, refuses_a_state_file_that_is_missing_or_has_another_length)
{
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    disk_checkpoint(&disk, 2);
    disk_close_store(&disk);
    static const char *const names[] = { STORE "/c0000000001-e00001-t00001",
                                         STORE "/c0000000002-e00001-t00002" };
    for (uint32_t i = 0; i < WR_COUNT_OF(names); i++) {
        size_t      length;
        const char *bytes = wr_simulation_bytes(disk.environment, names[i], &length);
        char *const copy  = wr_alloc(length);
        memcpy(copy, bytes, length);
        wr_simulation_import(disk.environment, names[i], copy, length - 1);
        cr_assert_eq(open_says(true, 0, names[i]), WEIR_DAMAGED);
        (void)disk.environment->ops->unlink(disk.environment, names[i]);
        cr_assert_eq(open_says(true, 0, names[i]), WEIR_DAMAGED);
        wr_simulation_import(disk.environment, names[i], copy, length);
        wr_free(copy);
    }
    disk_open_store(&disk, STORE, true, 0);
    disk_check(&disk, 2);
    disk_fini(&disk);
}

Test(store, refuses_an_epoch_that_is_gone_or_older_than_its_files)
{
    struct wr_error error = { .status = WEIR_OK };
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    disk_open_again(&disk, 1);
    disk_checkpoint(&disk, 2);
    disk_close_store(&disk);
    cr_assert_eq(wr_epoch_write(disk.environment, STORE, &(struct wr_epoch){ .epoch = 1 }, &error),
                 WEIR_OK);
    cr_assert_eq(open_says(true, 0, "old copy"), WEIR_DAMAGED);
    (void)disk.environment->ops->unlink(disk.environment, STORE "/epoch");
    cr_assert_eq(open_says(true, 0, "\"epoch\" is gone"), WEIR_DAMAGED);
    disk_fini(&disk);
}

Test(store, says_where_a_block_is_damaged)
{
    struct wr_error error = { .status = WEIR_OK };
    size_t          length;
    static char     buffer[LIFE_BUFFER];
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    const struct wr_index_segment *segment =
        &wr_store_index(disk.store, 1)->operators[0].tables[0].segments[1];
    char *const bytes =
        wr_simulation_bytes(disk.environment, STORE "/c0000000001-e00001-t00001", &length);
    bytes[segment->place.offset + 100] ^= 1;
    cr_assert_eq(wr_store_read_block(disk.store, 1, segment, buffer, &error), WEIR_DAMAGED);
    char *const place = wr_format("at byte %llu", (unsigned long long)segment->place.offset);
    assert_says(&error, WEIR_DAMAGED, place);
    assert_says(&error, WEIR_DAMAGED, "t00001");
    wr_free(place);
    wr_error_fini(&error);
    disk_fini(&disk);
}

// ---- savepoints ----

Test(savepoint, stands_alone_and_opens_like_a_store)
{
    struct wr_error error = { .status = WEIR_OK };
    disk_init(&disk);
    for (uint64_t i = 1; i <= 5; i++) {
        disk_checkpoint(&disk, i);
    }
    cr_assert_eq(wr_store_savepoint(disk.store, COPY, &error), WEIR_OK, "%s", error.sentence);
    disk_check(&disk, 5);
    disk_checkpoint(&disk, 6); // the store goes on
    disk_close_store(&disk);
    cr_assert_eq(disk_count(&disk, COPY, "c"), LIFE_TASKS);
    disk_open_store(&disk, COPY, false, 0);
    disk_check(&disk, 5);
    cr_assert(wr_store_manifest(disk.store)->is_savepoint);
    cr_assert_eq(wr_store_index(disk.store, 1)->file_count, 1);
    disk_close_store(&disk);
    disk_open_store(&disk, COPY, true, 0); // and goes on by itself
    life_restore(&disk.life, disk.store, &disk.pictures[5]);
    disk_checkpoint(&disk, 6);
    disk_check(&disk, 6);
    cr_assert(!wr_store_manifest(disk.store)->is_savepoint);
    disk_fini(&disk);
}

Test(savepoint, goes_into_no_directory_that_has_something_in_it)
{
    struct wr_error error = { .status = WEIR_OK };
    disk_init(&disk);
    cr_assert_eq(wr_store_savepoint(disk.store, COPY, &error), WEIR_NOT_FOUND);
    disk_checkpoint(&disk, 1);
    wr_simulation_import(disk.environment, COPY "/notes", "x", 1);
    cr_assert_eq(wr_store_savepoint(disk.store, COPY, &error), WEIR_CONFLICT);
    assert_says(&error, WEIR_CONFLICT, "notes");
    (void)disk.environment->ops->unlink(disk.environment, COPY "/notes");
    cr_assert_eq(wr_store_savepoint(disk.store, COPY, &error), WEIR_OK);
    wr_error_fini(&error);
    disk_fini(&disk);
}

Test(savepoint, of_a_damaged_checkpoint_is_not_made)
{
    struct wr_error     error = { .status = WEIR_OK };
    struct wr_file_info info;
    size_t              length;
    disk_init(&disk);
    disk_checkpoint(&disk, 1);
    wr_simulation_bytes(disk.environment, STORE "/c0000000001-e00001-t00002", &length)[200] ^= 1;
    cr_assert_eq(wr_store_savepoint(disk.store, COPY, &error), WEIR_DAMAGED);
    assert_says(&error, WEIR_DAMAGED, "t00002");
    wr_error_fini(&error);
    cr_assert(disk.environment->ops->info(disk.environment, COPY, &info) != 0);
    disk_fini(&disk);
}
