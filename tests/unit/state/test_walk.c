// Going through a table: cursors, sweeps, entries by hash.
#include "runtime/state/state.h"

#include <criterion/criterion.h>

#define KEYS 5000u

static struct wr_pool  *pool;
static struct wr_table *table;

static uint64_t hash_of(uint64_t key) { return wr_mix64(key, 3); }

static void open_table(void)
{
    const struct wr_table_options options = { .key_kind = WR_KEY_8, .value_size = 8, .seed = 3 };
    pool                                  = wr_pool_open(0);
    table                                 = wr_table_open(pool, &options);
    for (uint64_t key = 0; key < KEYS; key++) {
        *(uint64_t *)wr_table_resolve(table, hash_of(key), &key, 0, NULL) = key * 10;
    }
}

static void close_table(void)
{
    wr_table_close(table);
    wr_pool_close(pool);
}

TestSuite(walk, .init = open_table, .fini = close_table);

Test(walk, over_an_empty_table_ends_at_once)
{
    const struct wr_table_options options = { .key_kind = WR_KEY_8, .value_size = 8 };
    struct wr_table *const        empty   = wr_table_open(pool, &options);
    struct wr_table_cursor        cursor  = { 0, 0 };
    cr_assert_eq(wr_table_next(empty, &cursor, 10, NULL, NULL, NULL, NULL), 0);
    wr_table_close(empty);
}

Test(walk, comes_by_every_entry_once)
{
    static uint8_t         seen[KEYS];
    const void            *keys[7];
    uint32_t               lengths[7];
    uint64_t               hashes[7];
    const void            *values[7];
    struct wr_table_cursor cursor = { 0, 0 };
    uint32_t               total  = 0;
    for (uint32_t count;
         (count = wr_table_next(table, &cursor, 7, keys, lengths, hashes, values)) > 0;) {
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t key = *(const uint64_t *)keys[i];
            cr_assert_eq(seen[key]++, 0);
            cr_assert_eq(lengths[i], 8);
            cr_assert_eq(hashes[i], hash_of(key));
            cr_assert_eq(*(const uint64_t *)values[i], key * 10);
        }
        total += count;
    }
    cr_assert_eq(total, KEYS);
}

Test(walk, may_erase_what_it_was_just_given)
{
    uint64_t               hashes[100];
    const void            *values[100];
    struct wr_table_cursor cursor = { 0, 0 };
    uint32_t               total  = 0;
    for (uint32_t count;
         (count = wr_table_next(table, &cursor, 100, NULL, NULL, hashes, values)) > 0;) {
        for (uint32_t i = 0; i < count; i++) {
            wr_table_erase_at(table, hashes[i], values[i]);
        }
        total += count;
    }
    cr_assert_eq(total, KEYS);
    cr_assert_eq(wr_table_count(table), 0);
    cr_assert(wr_table_is_valid(table));
}

static bool is_small(void *opaque, const void *key, uint32_t length, const void *value)
{
    (void)length, (void)value;
    ++*(uint32_t *)opaque;
    return *(const uint64_t *)key < 100;
}

Test(walk, of_a_sweep_keeps_what_it_is_told_to)
{
    uint32_t               calls  = 0;
    struct wr_table_cursor cursor = { 0, 0 };
    cr_assert(wr_table_sweep(table, &cursor, UINT32_MAX, is_small, &calls));
    cr_assert_eq(calls, KEYS);
    cr_assert_eq(wr_table_count(table), 100);
    for (uint64_t key = 0; key < KEYS; key++) {
        cr_assert_eq(wr_table_find(table, hash_of(key), &key, 0) != NULL, key < 100);
    }
    cr_assert(wr_table_is_valid(table));
}

Test(walk, of_a_sweep_gives_memory_back)
{
    const size_t           before = wr_pool_used_bytes(pool);
    uint32_t               calls  = 0;
    struct wr_table_cursor cursor = { 0, 0 };
    wr_table_sweep(table, &cursor, UINT32_MAX, is_small, &calls);
    cr_assert_lt(wr_pool_used_bytes(pool), before / 4);
}

Test(walk, of_a_sweep_goes_on_where_it_stopped_after_splits)
{
    uint32_t               calls  = 0;
    struct wr_table_cursor cursor = { 0, 0 };
    while (!wr_table_sweep(table, &cursor, 1, is_small, &calls)) {
        for (uint64_t key = 0; key < 50000; key++) { // not below 100: swept where still to come
            const uint64_t added = KEYS + key;
            wr_table_resolve(table, hash_of(added), &added, 0, NULL);
        }
    }
    for (uint64_t key = 100; key < KEYS; key++) {
        cr_assert_null(wr_table_find(table, hash_of(key), &key, 0));
    }
    for (uint64_t key = 0; key < 100; key++) {
        cr_assert_not_null(wr_table_find(table, hash_of(key), &key, 0));
    }
}

static void add_value(void *opaque, const void *key, uint32_t length, void *value)
{
    (void)key, (void)length;
    *(uint64_t *)opaque += *(uint64_t *)value;
}

Test(walk, by_hash_comes_by_the_entry_with_that_hash)
{
    uint64_t sum = 0;
    wr_table_find_hash(table, hash_of(77), add_value, &sum);
    cr_assert_eq(sum, 770);
}

Test(walk, by_hash_comes_by_none_when_there_is_none)
{
    uint64_t sum = 0;
    wr_table_find_hash(table, hash_of(KEYS), add_value, &sum);
    cr_assert_eq(sum, 0);
}

Test(walk, by_hash_comes_by_all_that_share_it)
{
    const struct wr_table_options options = { .key_kind = WR_KEY_BYTES, .value_size = 8 };
    struct wr_table *const        texts   = wr_table_open(pool, &options);
    *(uint64_t *)wr_table_resolve(texts, 5, "a", 1, NULL) = 1;
    *(uint64_t *)wr_table_resolve(texts, 5, "b", 1, NULL) = 2;
    *(uint64_t *)wr_table_resolve(texts, 6, "c", 1, NULL) = 4;
    uint64_t sum                                          = 0;
    wr_table_find_hash(texts, 5, add_value, &sum);
    cr_assert_eq(sum, 3);
    wr_table_close(texts);
}
