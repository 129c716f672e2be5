// Captures: what a capture sees while its table is written, and what it hands over.
#include "runtime/state/state.h"

#include <criterion/criterion.h>
#include <signal.h>

#define SEED       3u
#define MOST_BYTES ((size_t)16 << 20)

static struct wr_pool   *pool, *undo_pool;
static struct wr_table  *table;
static char             *bytes; // images, one after the other
static size_t            used;
static struct wr_image   images[4096];
static uint32_t          image_count, packed_count;
static uint32_t          file;
static struct wr_capture capture;

static void *give_room(void *opaque, size_t count)
{
    (void)opaque;
    cr_assert(used + count <= MOST_BYTES);
    return bytes + used;
}

static void take_image(void *opaque, struct wr_image *image)
{
    (void)opaque;
    if (image->is_packed) {
        image->place.file   = file;
        image->place.offset = used;
        used += image->bytes;
        packed_count++;
    }
    images[image_count++] = *image;
}

static struct wr_table *open_counters(void)
{
    const struct wr_table_options options = { .key_kind   = WR_KEY_8,
                                              .value_size = sizeof(uint64_t),
                                              .seed       = SEED };
    return wr_table_open(pool, &options);
}

static void open_table(void)
{
    pool      = wr_pool_open(0);
    undo_pool = wr_pool_open(0);
    table     = open_counters();
    bytes     = wr_alloc(MOST_BYTES);
    used = image_count = packed_count = 0;
    file                              = 1;
    capture = (struct wr_capture){ .pool = undo_pool, .room = give_room, .put = take_image };
}

static void close_table(void)
{
    wr_table_unmark(table);
    wr_table_close(table);
    wr_pool_close(undo_pool);
    wr_pool_close(pool);
    wr_free(bytes);
}

TestSuite(capture, .init = open_table, .fini = close_table);

static uint64_t hash_of(uint64_t key) { return wr_mix64(key, SEED); }

static void put(uint64_t key, uint64_t value)
{
    *(uint64_t *)wr_table_resolve(table, hash_of(key), &key, 0, NULL) = value;
}

static void put_many(uint64_t count)
{
    for (uint64_t key = 0; key < count; key++) {
        put(key, key * 10);
    }
}

static bool erase(uint64_t key) { return wr_table_erase(table, hash_of(key), &key, 0); }

static void mark(void)
{
    image_count = packed_count = 0;
    wr_table_mark(table, &capture);
}

static void finish(void)
{
    cr_assert(wr_table_is_valid(table));
    while (!wr_table_capture(table, 1)) {
        cr_assert(wr_table_is_valid(table));
    }
    cr_assert(wr_table_is_valid(table));
}

static void capture_all(void)
{
    mark();
    finish();
}

static const struct wr_hash_range everything = { 0, UINT64_MAX };

// A table of what the last capture handed over.
static struct wr_table *unpacked(void)
{
    struct wr_table *const made = open_counters();
    for (uint32_t i = 0; i < image_count; i++) {
        cr_assert_eq(wr_table_unpack(made, bytes + images[i].place.offset, images[i].bytes,
                                     &images[i], everything, NULL),
                     WR_UNPACK_DONE);
    }
    cr_assert(wr_table_is_valid(made));
    return made;
}

static const uint64_t *look(struct wr_table *in, uint64_t key)
{
    return wr_table_find_read(in, hash_of(key), &key, 0);
}

// That the last capture handed over keys 0 to count - 1, as put_many put them.
static void saw_many(uint64_t count)
{
    struct wr_table *const made = unpacked();
    cr_assert_eq(wr_table_count(made), count);
    for (uint64_t key = 0; key < count; key++) {
        cr_assert_not_null(look(made, key));
        cr_assert_eq(*look(made, key), key * 10);
    }
    wr_table_close(made);
}

// ---- what it sees ----

Test(capture, of_an_empty_table_hands_over_nothing)
{
    capture_all();
    cr_assert_eq(image_count, 0);
    put(1, 10);
    capture_all();
    cr_assert_eq(packed_count, 1);
}

Test(capture, hands_over_every_entry)
{
    put_many(20000);
    capture_all();
    cr_assert_gt(image_count, 4);
    saw_many(20000);
}

Test(capture, sees_values_as_they_were_at_the_mark)
{
    put_many(20000);
    mark();
    for (uint64_t key = 0; key < 20000; key += 3) {
        put(key, 7);
        put(key, 8); // the second write saves nothing
    }
    finish();
    saw_many(20000);
    for (uint64_t key = 0; key < 20000; key += 3) {
        cr_assert_eq(*look(table, key), 8);
    }
}

Test(capture, does_not_see_entries_made_since_the_mark)
{
    put_many(1000);
    mark();
    for (uint64_t key = 1000; key < 1010; key++) {
        put(key, 1);
    }
    finish();
    saw_many(1000);
    cr_assert_eq(wr_table_count(table), 1010);
}

Test(capture, sees_entries_erased_since_the_mark)
{
    put_many(1000);
    mark();
    for (uint64_t key = 0; key < 1000; key += 2) {
        cr_assert(erase(key));
    }
    finish();
    saw_many(1000);
    cr_assert_eq(wr_table_count(table), 500);
}

Test(capture, does_not_see_an_entry_made_in_the_slot_of_an_erased_one)
{
    put_many(10);
    mark();
    for (uint64_t round = 0; round < 50; round++) {
        erase(round < 10 ? round : 1000 + round - 1);
        put(1000 + round, 1);
    }
    finish();
    saw_many(10);
}

Test(capture, sees_all_of_a_segment_that_splits_before_its_visit)
{
    put_many(1000);
    mark();
    for (uint64_t key = 0; key < 1000; key++) {
        put(key, 5);
    }
    for (uint64_t key = 1000; key < 50000; key++) {
        put(key, 5);
    }
    finish();
    saw_many(1000);
    cr_assert_eq(wr_table_count(table), 50000);
}

static bool keeps_none(void *opaque, const void *key, uint32_t length, const void *value)
{
    (void)opaque, (void)key, (void)length, (void)value;
    return false;
}

Test(capture, sees_what_a_sweep_has_dropped_since_the_mark)
{
    struct wr_table_cursor cursor = { 0, 0 };
    put_many(20000);
    mark();
    cr_assert(wr_table_sweep(table, &cursor, UINT32_MAX, keeps_none, NULL));
    cr_assert_eq(wr_table_count(table), 0);
    finish();
    saw_many(20000);
}

static void set_value(void *opaque, const void *key, uint32_t length, void *value)
{
    (void)opaque, (void)key, (void)length;
    *(uint64_t *)value = 1;
}

Test(capture, sees_through_every_way_to_write)
{
    put_many(100);
    mark();
    for (uint64_t key = 0; key < 100; key++) {
        const uint64_t       hash = hash_of(key);
        const struct wr_keys keys = { .fixed = &key };
        void                *value;
        switch (key % 5) {
        case 0: wr_table_find_hash(table, hash, set_value, NULL); break;
        case 1: *(uint64_t *)wr_table_find(table, hash, &key, 0) = 1; break;
        case 2: *(uint64_t *)wr_table_write_at(table, hash, look(table, key)) = 1; break;
        case 3:
            wr_table_find_many(table, &hash, &keys, 1, &value);
            *(uint64_t *)value = 1;
            break;
        default:
            cr_assert_eq(wr_table_resolve_many(table, &hash, &keys, 1, &value, NULL), 1);
            *(uint64_t *)value = 1;
        }
        cr_assert_eq(*look(table, key), 1);
    }
    finish();
    saw_many(100);
}

Test(capture, sees_a_batch_that_splits_and_writes_as_it_was)
{
    static uint64_t keys[30000], hashes[30000];
    static void    *values[30000];
    put_many(15000);
    mark();
    for (uint64_t i = 0; i < 30000; i++) {
        keys[i]   = i;
        hashes[i] = hash_of(i);
    }
    const struct wr_keys column = { .fixed = keys };
    cr_assert_eq(wr_table_resolve_many(table, hashes, &column, 30000, values, NULL), 30000);
    for (uint32_t i = 0; i < 30000; i++) {
        *(uint64_t *)values[i] = 1;
    }
    finish();
    saw_many(15000);
}

Test(capture, without_memory_for_undo_takes_segments_at_once)
{
    wr_pool_close(undo_pool);
    undo_pool    = wr_pool_open(511); // no block fits
    capture.pool = undo_pool;
    put_many(20000);
    mark();
    put(20000, 0); // made
    cr_assert_eq(packed_count, 1);
    for (uint64_t key = 0; packed_count == 1; key++) { // written, in another segment
        cr_assert_lt(key, 20000);
        put(key, 0);
    }
    for (uint64_t key = 0; key < 20000; key++) {
        put(key, 0);
    }
    cr_assert_eq(wr_table_undo_bytes(table), 0);
    finish();
    saw_many(20000);
}

Test(capture, gives_the_memory_of_its_undo_back)
{
    put_many(20000);
    mark();
    put_many(20000);
    cr_assert_gt(wr_table_undo_bytes(table), 20000 * 16);
    cr_assert_eq(wr_table_undo_bytes(table), wr_pool_used_bytes(undo_pool));
    finish();
    cr_assert_eq(wr_table_undo_bytes(table), 0);
    cr_assert_eq(wr_pool_used_bytes(undo_pool), 0);
}

// ---- its pace ----

Test(capture, visits_one_segment_at_least_and_about_its_budget_at_most)
{
    put_many(50000);
    mark();
    cr_assert_not(wr_table_capture(table, 0));
    cr_assert_eq(image_count, 1);
    const size_t one = images[0].bytes;
    cr_assert_not(wr_table_capture(table, 2 * one));
    cr_assert(image_count == 3 || image_count == 4);
    cr_assert_not(wr_table_is_captured(table));
    cr_assert(wr_table_capture(table, SIZE_MAX));
    cr_assert(wr_table_is_captured(table));
}

Test(capture, is_over_at_once_when_none_is_under_way)
{
    cr_assert(wr_table_is_captured(table));
    cr_assert(wr_table_capture(table, 0));
}

Test(capture, moves_no_entry)
{
    put_many(20000);
    const uint64_t *const value = look(table, 77);
    mark();
    put(77, 1);
    finish();
    cr_assert_eq(look(table, 77), value);
}

Test(capture, is_one_at_a_time, .signal = SIGABRT)
{
    mark();
    mark();
}

Test(capture, under_way_keeps_its_table_from_closing, .signal = SIGABRT)
{
    mark();
    wr_table_close(table);
}

Test(capture, under_way_keeps_files_from_being_touched, .signal = SIGABRT)
{
    mark();
    wr_table_touch_file(table, 1);
}

// ---- what is unchanged ----

Test(capture, packs_nothing_that_was_not_written_since_the_last)
{
    put_many(20000);
    capture_all();
    const uint32_t first_count = image_count;
    file                       = 2;
    capture_all();
    cr_assert_eq(packed_count, 0);
    cr_assert_eq(image_count, first_count);
    cr_assert_eq(images[0].place.file, 1);
    saw_many(20000);
}

Test(capture, packs_only_the_segments_written_since_the_last)
{
    put_many(20000);
    capture_all();
    put(5, 50);
    file = 2;
    capture_all();
    cr_assert_eq(packed_count, 1);
    cr_assert_gt(image_count, 4);
    saw_many(20000);
}

Test(capture, packs_all_of_a_segment_that_the_first_write_since_its_image_makes_anew)
{
    static uint64_t counts[64]; // of keys after which one more makes a segment anew
    uint32_t        found  = 0;
    uint64_t        placed = wr_table_bytes(table);
    for (uint64_t key = 0; key < 20000; key++) {
        put(key, key * 10);
        if (wr_table_bytes(table) != placed && found < WR_COUNT_OF(counts)) {
            counts[found++] = key;
        }
        placed = wr_table_bytes(table);
    }
    cr_assert_gt(found, 8);
    for (uint32_t i = 0; i < found; i++) {
        wr_table_close(table);
        table = open_counters();
        put_many(counts[i]);
        used = 0;
        capture_all();
        put(counts[i], counts[i] * 10);
        capture_all();
        saw_many(counts[i] + 1);
    }
}

Test(capture, takes_reading_for_no_change)
{
    const uint64_t         key  = 5;
    const uint64_t         hash = hash_of(key);
    const struct wr_keys   keys = { .fixed = &key };
    const void            *value;
    struct wr_table_cursor cursor = { 0, 0 };
    put_many(1000);
    capture_all();
    cr_assert_not_null(look(table, 5));
    wr_table_find_many_read(table, &hash, &keys, 1, &value);
    cr_assert_eq(value, look(table, 5));
    cr_assert_eq(wr_table_next(table, &cursor, 1, NULL, NULL, NULL, &value), 1);
    capture_all();
    cr_assert_eq(packed_count, 0);
    cr_assert_not_null(wr_table_find(table, hash, &key, 0));
    capture_all();
    cr_assert_eq(packed_count, 1);
}

Test(capture, sees_an_unchanged_segment_at_its_place_though_it_is_written_before_its_visit)
{
    put_many(1000);
    capture_all();
    mark();
    put(5, 1);
    finish();
    cr_assert_eq(packed_count, 0);
    cr_assert_eq(wr_table_undo_bytes(table), 0);
    saw_many(1000);
    capture_all();
    cr_assert_gt(packed_count, 0); // the write
    put(5, 50);
    capture_all();
    saw_many(1000);
}

Test(capture, packs_again_what_was_written_between_mark_and_visit)
{
    put_many(10);
    mark();
    put(5, 1);
    finish();
    capture_all();
    cr_assert_eq(packed_count, 1);
    struct wr_table *const made = unpacked();
    cr_assert_eq(*look(made, 5), 1);
    wr_table_close(made);
}

Test(capture, hands_over_no_image_of_a_segment_that_became_empty)
{
    put_many(10);
    capture_all();
    cr_assert_eq(image_count, 1);
    for (uint64_t key = 0; key < 10; key++) {
        erase(key);
    }
    capture_all();
    cr_assert_eq(image_count, 0);
    capture_all();
    cr_assert_eq(image_count, 0);
}

// ---- captures that come to nothing ----

Test(capture, given_up_leaves_what_it_had_not_packed_changed)
{
    put_many(20000);
    mark();
    put(1, 10);
    cr_assert_not(wr_table_capture(table, 1));
    wr_table_unmark(table);
    cr_assert(wr_table_is_captured(table));
    cr_assert(wr_table_is_valid(table));
    cr_assert_eq(wr_pool_used_bytes(undo_pool), 0);
    capture_all();
    cr_assert_eq(packed_count, image_count - 1); // but for the one it had packed
    saw_many(20000);
}

Test(capture, given_up_leaves_what_was_unchanged_unchanged)
{
    put_many(20000);
    capture_all();
    mark();
    wr_table_unmark(table);
    capture_all();
    cr_assert_eq(packed_count, 0);
    saw_many(20000);
}

Test(capture, given_up_forgets_no_write_since_its_mark)
{
    put_many(20000);
    put(5, 1);
    capture_all();
    mark();
    put(5, 50);
    wr_table_unmark(table);
    capture_all();
    cr_assert_eq(packed_count, 1);
    saw_many(20000);
}

Test(capture, packs_again_what_lies_in_a_file_that_was_touched)
{
    put_many(20000);
    capture_all();
    file = 2;
    put(5, 50);
    capture_all();
    wr_table_touch_file(table, 3);
    capture_all();
    cr_assert_eq(packed_count, 0);
    wr_table_touch_file(table, 2);
    file = 4;
    capture_all();
    cr_assert_eq(packed_count, 1);
    wr_table_touch_file(table, 1);
    capture_all();
    cr_assert_eq(packed_count, image_count - 1);
    for (uint32_t i = 0; i < image_count; i++) {
        cr_assert_eq(images[i].place.file, 4);
    }
    saw_many(20000);
}

// ---- strings and keys in the heap ----

struct named {
    uint64_t number;
    weir_str name;
};

static uint32_t                name_offset = offsetof(struct named, name);
static const struct wr_strings names       = { &name_offset, 1 };

static const struct wr_table_options named_options = { .key_kind      = WR_KEY_BYTES,
                                                       .value_size    = sizeof(struct named),
                                                       .value_strings = &names };

static void open_named(void)
{
    wr_table_close(table);
    table = wr_table_open(pool, &named_options);
}

static void name(const char *key, const char *text)
{
    const uint64_t       hash   = wr_hash_bytes(key, strlen(key), 0);
    const uint32_t       length = (uint32_t)strlen(key);
    const struct wr_keys keys   = { .bytes = &key, .lengths = &length };
    void                *value  = wr_table_resolve(table, hash, key, length, NULL);
    *(struct named *)value      = (struct named){ 1, weir_str_from(text) };
    cr_assert(wr_table_keep_strings_many(table, &hash, &keys, 1, &value));
}

static void saw_name(const char *key, const char *text)
{
    struct wr_table *const made = wr_table_open(pool, &named_options);
    for (uint32_t i = 0; i < image_count; i++) {
        cr_assert_eq(wr_table_unpack(made, bytes + images[i].place.offset, images[i].bytes,
                                     &images[i], everything, NULL),
                     WR_UNPACK_DONE);
    }
    const struct named *const value =
        wr_table_find_read(made, wr_hash_bytes(key, strlen(key), 0), key, (uint32_t)strlen(key));
    const weir_str want = weir_str_from(text);
    cr_assert_not_null(value);
    cr_assert(weir_str_equal(&value->name, &want));
    wr_table_close(made);
}

Test(capture, sees_strings_that_were_replaced_since_the_mark)
{
    open_named();
    name("a", "a name of more than twelve bytes");
    name("b", "short");
    mark();
    for (uint32_t i = 0; i < 1000; i++) { // the heap is made anew again and again
        name("a", "another name of some length");
        name("b", "a third name of some length");
    }
    finish();
    saw_name("a", "a name of more than twelve bytes");
    saw_name("b", "short");
}

Test(capture, sees_keys_and_strings_of_a_heap_that_was_emptied_since_the_mark)
{
    open_named();
    name("the only key", "a name of more than twelve bytes");
    mark();
    cr_assert(wr_table_erase(table, wr_hash_bytes("the only key", 12, 0), "the only key", 12));
    name("another key!", "whatever is long enough to lie in the heap");
    finish();
    saw_name("the only key", "a name of more than twelve bytes");
}

// ---- the format ----

Test(capture, packs_key_and_value_and_no_padding)
{
    const struct wr_table_options options = { .key_kind    = WR_KEY_4,
                                              .value_size  = 3,
                                              .stores_hash = true };
    const uint32_t                key     = 0x04030201;
    wr_table_close(table);
    table = wr_table_open(pool, &options);
    memcpy(wr_table_resolve(table, 0x1122334455667788, &key, 0, NULL), "xyz", 3);
    capture_all();
    cr_assert_eq(image_count, 1);
    cr_assert_eq(images[0].entries, 1);
    cr_assert_eq(images[0].bytes, 15);
    cr_assert_eq(memcmp(bytes, "\x01\x02\x03\x04\x88\x77\x66\x55\x44\x33\x22\x11xyz", 15), 0);
}

Test(capture, packs_bytes_with_their_length_and_long_strings_after_their_value)
{
    open_named();
    name("key", "thirteen byte");
    capture_all();
    cr_assert_eq(images[0].bytes, 4 + 3 + 8 + sizeof(struct named) + 13);
    cr_assert_eq(memcmp(bytes, "\x03\0\0\0key", 7), 0);
    cr_assert_eq(memcmp(bytes + 15, "\x01\0\0\0\0\0\0\0\x0d\0\0\0thir\0\0\0\0\0\0\0\0", 24), 0);
    cr_assert_eq(memcmp(bytes + 39, "thirteen byte", 13), 0);
}

Test(capture, knows_its_images_by_the_whole_top_of_their_hashes)
{
    const struct wr_table_options options = { .key_kind    = WR_KEY_8,
                                              .range_bits  = 4,
                                              .stores_hash = true };
    wr_table_close(table);
    table = wr_table_open(pool, &options);
    for (uint64_t key = 0; key < 20000; key++) {
        wr_table_resolve(table, 0xa000000000000000 | hash_of(key) >> 4, &key, 0, NULL);
    }
    capture_all();
    cr_assert_gt(image_count, 4);
    for (uint32_t i = 0; i < image_count; i++) {
        cr_assert_gt(images[i].depth, 4);
        cr_assert_eq(images[i].prefix >> 60, 0xa);
        cr_assert(i == 0 || images[i].prefix > images[i - 1].prefix);
    }
}

// ---- unpacking ----

TestSuite(unpack, .init = open_table, .fini = close_table);

static enum wr_unpack unpack_into(struct wr_table *into, size_t length, struct wr_image image)
{
    return wr_table_unpack(into, bytes, length, &image, everything, NULL);
}

// Of an image of keys 0 to 9, `length` bytes, described as `image`.
static enum wr_unpack unpack(size_t length, struct wr_image image)
{
    struct wr_table *const made   = open_counters();
    const enum wr_unpack   result = unpack_into(made, length, image);
    cr_assert(wr_table_is_valid(made));
    wr_table_close(made);
    return result;
}

static struct wr_image pack_ten(void)
{
    put_many(10);
    capture_all();
    cr_assert_eq(image_count, 1);
    cr_assert_eq(images[0].bytes, 160);
    return images[0];
}

Test(unpack, takes_a_whole_image_only)
{
    struct wr_image image = pack_ten();
    cr_assert_eq(unpack(160, image), WR_UNPACK_DONE);
    for (size_t length = 0; length < 160; length++) {
        cr_assert_eq(unpack(length, image), WR_UNPACK_TRUNCATED);
    }
    cr_assert_eq(unpack(161, image), WR_UNPACK_TRAILING);
    image.entries = 11;
    cr_assert_eq(unpack(160, image), WR_UNPACK_TRUNCATED);
    image.entries = 9;
    cr_assert_eq(unpack(160, image), WR_UNPACK_TRAILING);
}

Test(unpack, refuses_a_hash_outside_the_prefix)
{
    struct wr_image image = pack_ten();
    uint64_t        key;
    memcpy(&key, bytes, sizeof(key));
    image.depth  = 64;
    image.prefix = hash_of(key);
    cr_assert_eq(unpack(160, image), WR_UNPACK_PREFIX);
    image.entries = 1;
    cr_assert_eq(unpack(16, image), WR_UNPACK_DONE);
    image.prefix ^= 1;
    cr_assert_eq(unpack(16, image), WR_UNPACK_PREFIX);
    image.depth = 63;
    cr_assert_eq(unpack(16, image), WR_UNPACK_DONE);
    image.depth = 65;
    cr_assert_eq(unpack(16, image), WR_UNPACK_PREFIX);
}

Test(unpack, refuses_a_key_that_comes_twice)
{
    struct wr_image image = pack_ten();
    memcpy(bytes + 144, bytes, 8);
    cr_assert_eq(unpack(160, image), WR_UNPACK_TWICE);
    image.entries = 1;
    cr_assert_eq(unpack_into(table, 16, image), WR_UNPACK_TWICE); // it is there
}

Test(unpack, refuses_what_there_is_no_budget_for)
{
    put_many(1000);
    capture_all();
    struct wr_pool *const         small   = wr_pool_open(4096);
    const struct wr_table_options options = { .key_kind = WR_KEY_8, .value_size = 8, .seed = SEED };
    struct wr_table *const        made    = wr_table_open(small, &options);
    uint64_t                      added   = 0;
    cr_assert_eq(wr_table_unpack(made, bytes, images[0].bytes, &images[0], everything, &added),
                 WR_UNPACK_OUT_OF_BUDGET);
    cr_assert_lt(added, 1000);
    cr_assert(wr_table_is_valid(made));
    wr_table_close(made);
    wr_pool_close(small);
}

Test(unpack, refuses_strings_that_were_not_packed_so)
{
    open_named();
    name("key", "thirteen byte");
    capture_all();
    static const struct {
        size_t         at;
        char           byte;
        enum wr_unpack result;
    } cases[] = {
        { 0, 3, WR_UNPACK_DONE },       { 23, 14, WR_UNPACK_TRUNCATED }, // its length
        { 23, 12, WR_UNPACK_TRAILING }, { 26, 0x7f, WR_UNPACK_TRUNCATED },
        { 27, 'T', WR_UNPACK_STRING },  { 31, 1, WR_UNPACK_STRING },      // its pointer
        { 38, 1, WR_UNPACK_STRING },    { 3, 0x7f, WR_UNPACK_TRUNCATED }, // the key's length
        { 0, 40, WR_UNPACK_TRUNCATED },
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(cases); i++) {
        struct wr_table *const made = wr_table_open(pool, &named_options);
        const char             was  = bytes[cases[i].at];
        bytes[cases[i].at]          = cases[i].byte;
        images[0].depth             = 0;
        cr_assert_eq(wr_table_unpack(made, bytes, images[0].bytes, &images[0], everything, NULL),
                     cases[i].result, "case %u", i);
        cr_assert(wr_table_is_valid(made));
        bytes[cases[i].at] = was;
        wr_table_close(made);
    }
}

Test(unpack, takes_the_hashes_of_its_range_only)
{
    put_many(1000);
    capture_all();
    const uint64_t         cut   = hash_of(500);
    struct wr_table *const low   = open_counters();
    struct wr_table *const high  = open_counters();
    uint64_t               added = 0;
    for (uint32_t i = 0; i < image_count; i++) {
        const struct wr_image *const image = &images[i];
        const char *const            at    = bytes + image->place.offset;
        cr_assert_eq(wr_table_unpack(low, at, image->bytes, image,
                                     (struct wr_hash_range){ 0, cut - 1 }, &added),
                     WR_UNPACK_DONE);
        cr_assert_eq(wr_table_unpack(high, at, image->bytes, image,
                                     (struct wr_hash_range){ cut, UINT64_MAX }, &added),
                     WR_UNPACK_DONE);
    }
    cr_assert_eq(added, 1000);
    cr_assert_eq(wr_table_count(low) + wr_table_count(high), 1000);
    struct wr_table *const one = open_counters();
    for (uint32_t i = 0; i < image_count; i++) {
        cr_assert_eq(wr_table_unpack(one, bytes + images[i].place.offset, images[i].bytes,
                                     &images[i], (struct wr_hash_range){ cut, cut }, NULL),
                     WR_UNPACK_DONE);
    }
    cr_assert_eq(wr_table_count(one), 1);
    cr_assert_not_null(look(one, 500));
    wr_table_close(one);
    cr_assert_null(look(low, 500));
    cr_assert_not_null(look(high, 500));
    for (uint64_t key = 0; key < 1000; key++) {
        cr_assert_eq(look(low, key) != NULL, hash_of(key) < cut);
    }
    wr_table_close(low);
    wr_table_close(high);
}

Test(unpack, tells_every_fault_in_words)
{
    for (int i = WR_UNPACK_DONE; i <= WR_UNPACK_STRING; i++) {
        cr_assert_gt(strlen(wr_unpack_text((enum wr_unpack)i)), 10);
    }
}
