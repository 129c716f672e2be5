// State larger than memory: each call of a table whose segments lie in a file.
#include "runtime/state/state.h"
#include "tests/support/spilling.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SEED   5u
#define BUDGET ((size_t)64 << 10)
#define KEYS   40000u // some 800 KiB of state

static struct spilling  spilling;
static struct wr_table *table;

static struct wr_table *open_sums(void)
{
    const struct wr_table_options options = { .key_kind   = WR_KEY_8,
                                              .value_size = sizeof(uint64_t),
                                              .seed       = SEED };
    return wr_table_open(spilling.pool, &options);
}

static void set_up(void)
{
    spilling_open(&spilling, BUDGET, 1);
    table = open_sums();
}

static void tear_down(void)
{
    wr_table_close(table);
    spilling_close(&spilling);
}

TestSuite(spill, .init = set_up, .fini = tear_down);

static uint64_t hash_of(uint64_t key) { return wr_mix64(key, SEED); }

static struct wr_spill_facts facts(void) { return wr_spill_facts(spilling.spill); }

static void release(void) { wr_spill_release(spilling.spill); }

static uint64_t *make(uint64_t key, bool *is_new)
{
    return wr_table_resolve(table, hash_of(key), &key, 0, is_new);
}

static const uint64_t *look(uint64_t key)
{
    return wr_table_find_read(table, hash_of(key), &key, 0);
}

// Each key's value is ten times the key.
static void fill(uint64_t count)
{
    for (uint64_t key = 0; key < count; key++) {
        *make(key, NULL) = key * 10;
        release();
    }
}

struct keys {
    uint64_t hashes[512], keys[512];
    void    *values[512];
};

// Every so-manieth key, so that they stand in as many segments.
static struct wr_keys spread(struct keys *keys, uint64_t first)
{
    for (uint64_t i = 0; i < 512; i++) {
        keys->keys[i]   = (first + i * 71) % KEYS;
        keys->hashes[i] = hash_of(keys->keys[i]);
    }
    return (struct wr_keys){ .fixed = keys->keys };
}

// ---- within the budget ----

Test(spill, leaves_a_table_alone_that_has_room)
{
    fill(1000);
    cr_assert_eq(facts().written, 0);
    cr_assert_eq(facts().segments, 0);
}

Test(spill, keeps_the_pool_within_its_budget_from_one_moment_to_the_next)
{
    for (uint64_t key = 0; key < KEYS; key++) {
        *make(key, NULL) = key;
        release();
        cr_assert_leq(wr_pool_used_bytes(spilling.pool), BUDGET);
    }
    cr_assert_gt(facts().bytes, 8 * BUDGET);
    cr_assert_eq(wr_table_count(table), KEYS);
}

Test(spill, keeps_in_memory_what_was_handed_out_beyond_the_budget)
{
    struct keys keys;
    fill(KEYS);
    const struct wr_keys column = spread(&keys, 0);
    cr_assert_eq(wr_table_resolve_many(table, keys.hashes, &column, 512, keys.values, NULL), 512);
    cr_assert_gt(wr_pool_used_bytes(spilling.pool), BUDGET);
    for (uint32_t i = 0; i < 512; i++) {
        *(uint64_t *)keys.values[i] += 1;
    }
    for (uint32_t i = 0; i < 512; i++) {
        cr_assert_eq(*(uint64_t *)keys.values[i], keys.keys[i] * 10 + 1);
    }
    release();
    cr_assert_leq(wr_pool_used_bytes(spilling.pool), BUDGET);
    cr_assert_eq(*look(keys.keys[300]), keys.keys[300] * 10 + 1);
}

Test(spill, seldom_reads_again_what_is_used_in_every_other_moment)
{
    uint64_t again = 0;
    fill(KEYS);
    for (uint64_t key = 0; key < KEYS; key++) {
        const uint64_t before = facts().read;
        (void)look(7);
        again += facts().read - before;
        release();
        (void)look(key);
        release();
    }
    cr_assert_gt(facts().read, KEYS / 2); // of the others
    cr_assert_lt(again, KEYS / 100);
}

Test(spill, is_watched_no_more_when_all_is_back_and_there_is_room)
{
    fill(KEYS);
    wr_table_close(table);
    table = open_sums();
    release();
    fill(1000);
    cr_assert_eq(facts().segments, 0);
    cr_assert_eq(facts().bytes, 0);
}

Test(spill, makes_no_room_ahead_that_others_would_have_to_go_for)
{
    wr_table_reserve(table, KEYS);
    cr_assert_eq(wr_pool_used_bytes(spilling.pool), 0);
    wr_table_reserve(table, 1000);
    cr_assert_gt(wr_pool_used_bytes(spilling.pool), 0);
}

// ---- calls ----

Test(spill, finds_what_lies_in_the_file_and_nothing_else)
{
    struct keys keys;
    fill(KEYS);
    const struct wr_keys column = spread(&keys, 11);
    keys.keys[100]              = KEYS + 5;
    keys.hashes[100]            = hash_of(KEYS + 5);
    wr_table_find_many(table, keys.hashes, &column, 512, keys.values);
    for (uint32_t i = 0; i < 512; i++) {
        if (i == 100) {
            cr_assert_null(keys.values[i]);
        } else {
            cr_assert_eq(*(uint64_t *)keys.values[i], keys.keys[i] * 10);
        }
    }
}

Test(spill, makes_an_entry_that_lies_in_the_file_no_second_time)
{
    bool is_new = true;
    fill(KEYS);
    cr_assert_eq(*make(3, &is_new), 30);
    cr_assert_not(is_new);
    (void)make(KEYS, &is_new);
    cr_assert(is_new);
    cr_assert_eq(wr_table_count(table), KEYS + 1);
}

Test(spill, reads_a_segment_once_for_all_keys_of_a_batch_in_it)
{
    fill(KEYS);
    uint64_t       hashes[512], keys[512];
    void          *values[512];
    const uint64_t before = facts().read;
    for (uint32_t i = 0; i < 512; i++) {
        keys[i]   = 9;
        hashes[i] = hash_of(9);
    }
    wr_table_find_many(table, hashes, &(struct wr_keys){ .fixed = keys }, 512, values);
    cr_assert_leq(facts().read, before + 1);
}

Test(spill, writes_a_segment_no_second_time_that_was_only_read)
{
    fill(KEYS);
    for (uint64_t round = 0; round < 3; round++) { // from then on nothing is changed
        for (uint64_t key = 0; key < KEYS; key += 50) {
            cr_assert_eq(*look(key), key * 10);
            release();
        }
        const uint64_t written = facts().written;
        const uint64_t read    = facts().read;
        for (uint64_t key = 0; key < KEYS; key += 50) {
            (void)look(key);
            release();
        }
        cr_assert(round == 0 || facts().written == written);
        cr_assert_gt(facts().read, read);
    }
}

Test(spill, writes_a_segment_again_through_which_a_pointer_for_writing_was_taken)
{
    fill(KEYS);
    for (uint64_t key = 0; key < KEYS; key++) {
        uint64_t *const value = wr_table_write_at(table, hash_of(key), look(key));
        *value += 1;
        release();
    }
    for (uint64_t key = 0; key < KEYS; key++) {
        cr_assert_eq(*look(key), key * 10 + 1);
        release();
    }
}

Test(spill, erases_what_lies_in_the_file)
{
    fill(KEYS);
    for (uint64_t key = 0; key < KEYS; key += 2) {
        cr_assert(wr_table_erase(table, hash_of(key), &key, 0));
        release();
    }
    for (uint64_t key = 0; key < KEYS; key++) {
        cr_assert_eq(look(key) == NULL, key % 2 == 0);
        release();
    }
    cr_assert(wr_table_is_valid(table));
}

Test(spill, walks_all_entries_whichever_lie_in_the_file)
{
    struct wr_table_cursor cursor = { 0, 0 };
    const void            *keys[100], *values[100];
    uint64_t               seen = 0;
    uint32_t               count;
    fill(KEYS);
    while ((count = wr_table_next(table, &cursor, 100, keys, NULL, NULL, values)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            cr_assert_eq(*(const uint64_t *)values[i], *(const uint64_t *)keys[i] * 10);
        }
        seen += count;
        release();
        cr_assert_leq(wr_pool_used_bytes(spilling.pool), BUDGET);
    }
    cr_assert_eq(seen, KEYS);
}

static bool is_small(void *opaque, const void *key, uint32_t length, const void *value)
{
    (void)opaque;
    (void)length;
    (void)value;
    return *(const uint64_t *)key < 100;
}

Test(spill, sweeps_what_lies_in_the_file)
{
    struct wr_table_cursor cursor = { 0, 0 };
    fill(KEYS);
    while (!wr_table_sweep(table, &cursor, 500, is_small, NULL)) {
        release();
    }
    cr_assert_eq(wr_table_count(table), 100);
    for (uint64_t key = 0; key < 200; key++) {
        cr_assert_eq(look(key) != NULL, key < 100);
    }
}

static void add_one(void *opaque, const void *key, uint32_t length, void *value)
{
    (void)key;
    (void)length;
    ++*(uint32_t *)opaque;
    ++*(uint64_t *)value;
}

Test(spill, finds_by_hash_what_lies_in_the_file)
{
    uint32_t count = 0;
    fill(KEYS);
    for (uint64_t key = 0; key < KEYS; key += 100) {
        wr_table_find_hash(table, hash_of(key), add_one, &count);
        release();
    }
    cr_assert_eq(count, KEYS / 100);
    for (uint64_t key = 0; key < KEYS; key += 100) {
        cr_assert_eq(*look(key), key * 10 + 1);
        release();
    }
}

Test(spill, brings_what_is_warmed)
{
    fill(KEYS);
    const uint64_t hash = hash_of(3);
    wr_table_warm_many(table, &hash, 1);
    const uint64_t read = facts().read;
    cr_assert_eq(*look(3), 30);
    cr_assert_eq(facts().read, read);
}

Test(spill, gives_the_files_room_to_others_when_a_table_goes)
{
    for (uint32_t round = 0; round < 3; round++) {
        fill(KEYS);
        cr_assert_gt(facts().segments, 0);
        wr_table_close(table);
        cr_assert_eq(facts().segments, 0);
        cr_assert_eq(facts().bytes, 0);
        table = open_sums();
    }
}

// ---- strings ----

Test(spill, keeps_keys_and_strings_of_any_length)
{
    uint32_t                      offset  = 0;
    const struct wr_strings       strings = { &offset, 1 };
    const struct wr_table_options options = { .key_kind      = WR_KEY_BYTES,
                                              .value_size    = sizeof(weir_str),
                                              .value_strings = &strings };
    struct wr_table *const        texts   = wr_table_open(spilling.pool, &options);
    char                          text[64];
    const char                   *bytes = text;
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            const uint32_t  length = (uint32_t)snprintf(text, sizeof(text), "%0*u", 8 + i % 40, i);
            const uint64_t  hash   = wr_hash_bytes(text, length, 0);
            void           *value  = wr_table_resolve(texts, hash, text, length, NULL);
            weir_str *const string = value;
            if (round == 0) {
                *string = weir_str_of(text, length);
                cr_assert(wr_table_keep_strings_many(
                    texts, &hash, &(struct wr_keys){ .bytes = &bytes, .lengths = &length }, 1,
                    &value));
            } else {
                cr_assert_eq(string->length, length);
                cr_assert_arr_eq(weir_str_bytes(string), text, length);
            }
            release();
        }
    }
    cr_assert_gt(facts().segments, 0);
    cr_assert(wr_table_is_valid(texts));
    wr_table_close(texts);
}

// ---- captures ----

static char            *packed;
static size_t           packed_bytes, packed_capacity;
static struct wr_image *images;
static uint32_t         image_count, packed_count;

static void *image_room(void *opaque, size_t bytes)
{
    (void)opaque;
    if (packed_bytes + bytes > packed_capacity) {
        packed_capacity = 2 * (packed_bytes + bytes);
        packed          = wr_realloc(packed, packed_capacity);
    }
    return packed + packed_bytes;
}

static void image_put(void *opaque, struct wr_image *image)
{
    (void)opaque;
    if (image->is_packed) {
        image->place.offset = packed_bytes;
        packed_bytes += image->bytes;
        packed_count++;
    }
    images                = wr_realloc(images, (image_count + 1) * sizeof(*images));
    images[image_count++] = *image;
}

static void capture(void)
{
    struct wr_pool *const   undo = wr_pool_open(0);
    const struct wr_capture to   = { .pool = undo, .room = image_room, .put = image_put };
    image_count = packed_count = 0;
    wr_table_mark(table, &to);
    while (!wr_table_capture(table, 10000)) {
        release();
    }
    wr_pool_close(undo);
}

static void captures_free(void)
{
    wr_free(packed);
    wr_free(images);
}

static void require_images(uint64_t added_to_ten_times)
{
    const struct wr_hash_range everything = { 0, UINT64_MAX };
    struct wr_table *const     seen       = table;
    table                                 = open_sums();
    // From everywhere in turn: by rising hashes a table would grow without splitting.
    for (uint32_t i = 0, at = 0; i < image_count; i++, at = (at + 101) % image_count) {
        cr_assert_eq(wr_table_unpack(table, packed + images[at].place.offset, images[at].bytes,
                                     &images[at], everything, NULL),
                     WR_UNPACK_DONE);
        cr_assert_leq(wr_pool_used_bytes(spilling.pool), 2 * BUDGET);
    }
    cr_assert_eq(wr_table_count(table), KEYS);
    for (uint64_t key = 0; key < KEYS; key++) {
        cr_assert_eq(*look(key), key * 10 + added_to_ten_times);
        release();
    }
    wr_table_close(table);
    table = seen;
}

Test(spill, captures_changed_segments_from_the_file_and_leaves_them_there)
{
    fill(KEYS);
    const uint64_t spilled = facts().segments;
    capture();
    cr_assert_eq(facts().segments, spilled);
    cr_assert_eq(packed_count, image_count);
    require_images(0);
    captures_free();
}

Test(spill, captures_unchanged_segments_without_reading_them)
{
    fill(KEYS);
    capture();
    const uint64_t read  = facts().read;
    const uint32_t count = image_count;
    capture();
    cr_assert_eq(facts().read, read);
    cr_assert_eq(packed_count, 0);
    cr_assert_eq(image_count, count);
    require_images(0);
    captures_free();
}

Test(spill, captures_what_was_there_at_the_mark_while_all_is_written_and_spilled)
{
    struct wr_pool *const   undo = wr_pool_open(0);
    const struct wr_capture to   = { .pool = undo, .room = image_room, .put = image_put };
    fill(KEYS);
    image_count = packed_count = 0;
    wr_table_mark(table, &to);
    for (uint64_t key = 0; key < KEYS; key++) {
        ++*make(key, NULL);
        release();
    }
    while (!wr_table_capture(table, 10000)) {
    }
    require_images(0);
    wr_pool_close(undo);
    captures_free();
}

Test(spill, packs_again_what_lay_in_a_file_that_is_gone)
{
    fill(KEYS);
    capture();
    const uint64_t read = facts().read;
    wr_table_touch_file(table, 0);
    cr_assert_eq(facts().read, read); // none is looked at for that
    capture();
    cr_assert_eq(packed_count, image_count);
    require_images(0);
    captures_free();
}

Test(spill, gives_up_a_capture_without_reading_anything)
{
    struct wr_pool *const   undo = wr_pool_open(0);
    const struct wr_capture to   = { .pool = undo, .room = image_room, .put = image_put };
    fill(KEYS);
    wr_table_mark(table, &to);
    const uint64_t read = facts().read;
    wr_table_unmark(table);
    cr_assert_eq(facts().read, read);
    capture();
    require_images(0);
    wr_pool_close(undo);
    captures_free();
}

// ---- a file that fails ----

Test(spill, goes_beyond_the_budget_and_says_so_when_the_disk_is_full)
{
    fill(KEYS / 2);
    wr_simulation_fault_at(spilling.environment, wr_simulation_changes(spilling.environment),
                           WR_DISK_ENOSPC);
    fill(KEYS);
    cr_assert_eq(spilling.status, WEIR_FULL);
    cr_assert_str_eq(spilling.sentence,
                     "state over the budget of 65536 bytes could not be written to a file in /: No "
                     "space left on device; make room there, name another directory, or raise the "
                     "budget");
    cr_assert_gt(wr_pool_used_bytes(spilling.pool), BUDGET);
    cr_assert_not(wr_spill_has_lost(spilling.spill));
    for (uint64_t key = 0; key < KEYS; key++) {
        cr_assert_eq(*look(key), key * 10);
    }
}

Test(spill, lacks_entries_and_says_so_when_the_file_cannot_be_read)
{
    fill(KEYS);
    wr_simulation_fail(spilling.environment, WR_FAULT_READ, 0, EIO);
    uint64_t key = 0;
    while (key < KEYS && look(key) != NULL) {
        release();
        key++;
    }
    cr_assert_lt(key, KEYS);
    cr_assert_eq(spilling.status, WEIR_DISK_FAILED);
    cr_assert_str_eq(spilling.sentence, "state that was written to a file in / could not be read "
                                        "again: Input/output error");
    cr_assert(wr_spill_has_lost(spilling.spill));
    cr_assert_null(make(key, NULL));
    cr_assert_null(look(key));
    struct wr_table_cursor cursor = { 0, 0 };
    cr_assert_eq(wr_table_next(table, &cursor, 1, NULL, NULL, NULL, NULL), 0);
}

static const struct wr_environment_ops *sound;

static int64_t read_damaged(struct wr_environment *self, int file, void *buffer, size_t bytes,
                            int64_t offset)
{
    const int64_t got = sound->read_at(self, file, buffer, bytes, offset);
    if (got > 0) {
        ((char *)buffer)[got / 2] ^= 4;
    }
    return got;
}

// On a real disk, whose functions can be put in front of.
static void set_up_real(void)
{
    spilling_open_real(&spilling, BUDGET, "/tmp");
    table = open_sums();
}

TestSuite(spill_on_a_disk, .init = set_up_real, .fini = tear_down);

Test(spill_on_a_disk, goes_and_comes_back)
{
    fill(KEYS);
    for (uint64_t key = 0; key < KEYS; key++) {
        cr_assert_eq(*look(key), key * 10);
        release();
    }
    cr_assert_gt(facts().read, 0);
}

Test(spill_on_a_disk, takes_a_block_with_one_bit_wrong_for_damaged)
{
    uint64_t key = 0;
    fill(KEYS);
    sound                             = spilling.environment->ops;
    struct wr_environment_ops damaged = *sound;
    damaged.read_at                   = read_damaged;
    spilling.environment->ops         = &damaged;
    while (key < KEYS && look(key) != NULL) {
        key++;
    }
    spilling.environment->ops = sound;
    cr_assert_lt(key, KEYS);
    cr_assert_eq(spilling.status, WEIR_DAMAGED);
    cr_assert_not_null(
        strstr(spilling.sentence, "do not have the checksum they were written with"));
}

Test(spill, says_which_directory_is_not_there)
{
    struct wr_pool *const         pool    = wr_pool_open(BUDGET);
    struct wr_error               error   = { .status = WEIR_OK };
    const struct wr_spill_options options = { .environment = spilling.environment,
                                              .directory   = "/nowhere" };
    cr_assert_null(wr_spill_open(pool, &options, &error));
    cr_assert_eq(error.status, WEIR_NOT_FOUND);
    cr_assert_str_eq(error.sentence, "no file for state over the budget could be made in /nowhere: "
                                     "No such file or directory; name another directory");
    wr_error_fini(&error);
    wr_pool_close(pool);
}

static void count_name(void *opaque, const char *name)
{
    (void)name;
    ++*(uint32_t *)opaque;
}

Test(spill, shows_no_file_in_its_directory)
{
    struct wr_environment *const environment = spilling.environment;
    uint32_t                     empty = 0, names = 0;
    cr_assert_eq(environment->ops->list(environment, "/", count_name, &empty), 0);
    fill(KEYS);
    cr_assert_eq(environment->ops->list(environment, "/", count_name, &names), 0);
    cr_assert_eq(names, empty);
}
