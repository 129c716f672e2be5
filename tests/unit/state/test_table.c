// Tables: finding, making and erasing entries of one table.
#include "runtime/state/state.h"

#include <criterion/criterion.h>

static struct wr_pool *pool;

static void open_pool(void) { pool = wr_pool_open(0); }
static void close_pool(void) { wr_pool_close(pool); }

TestSuite(table, .init = open_pool, .fini = close_pool);

#define SEED 11u

static struct wr_table *open_counters(struct wr_pool *from)
{
    const struct wr_table_options options = { .key_kind   = WR_KEY_8,
                                              .value_size = sizeof(uint64_t),
                                              .seed       = SEED };
    return wr_table_open(from, &options);
}

static uint64_t *counter(struct wr_table *table, uint64_t key, bool *is_new)
{
    return wr_table_resolve(table, wr_mix64(key, SEED), &key, 0, is_new);
}

static uint64_t *find(struct wr_table *table, uint64_t key)
{
    return wr_table_find(table, wr_mix64(key, SEED), &key, 0);
}

static bool erase(struct wr_table *table, uint64_t key)
{
    return wr_table_erase(table, wr_mix64(key, SEED), &key, 0);
}

Test(table, is_empty_and_takes_no_block_at_first)
{
    struct wr_table *const table = open_counters(pool);
    cr_assert_eq(wr_table_count(table), 0);
    cr_assert_eq(wr_pool_used_bytes(pool), 0);
    cr_assert_null(find(table, 1));
    cr_assert_not(erase(table, 1));
    cr_assert(wr_table_is_valid(table));
    wr_table_close(table);
}

Test(table, starts_with_a_block_of_512_bytes)
{
    struct wr_table *const table = open_counters(pool);
    counter(table, 1, NULL);
    cr_assert_eq(wr_pool_used_bytes(pool), 512);
    wr_table_close(table);
}

Test(table, makes_an_entry_once)
{
    struct wr_table *const table = open_counters(pool);
    bool                   is_new;
    uint64_t *const        first = counter(table, 5, &is_new);
    cr_assert(is_new);
    cr_assert_eq(counter(table, 5, &is_new), first);
    cr_assert_not(is_new);
    cr_assert_eq(wr_table_count(table), 1);
    wr_table_close(table);
}

Test(table, makes_values_of_zeros_where_others_were_erased)
{
    struct wr_table *const table = open_counters(pool);
    for (uint64_t key = 0; key < 10; key++) {
        *counter(table, key, NULL) = ~0ull;
    }
    for (uint64_t key = 0; key < 10; key++) {
        cr_assert(erase(table, key));
    }
    for (uint64_t key = 10; key < 20; key++) {
        cr_assert_eq(*counter(table, key, NULL), 0);
    }
    wr_table_close(table);
}

Test(table, keeps_all_entries_while_it_splits)
{
    struct wr_table *const table = open_counters(pool);
    for (uint64_t key = 0; key < 100000; key++) {
        *counter(table, key, NULL) = key;
    }
    for (uint64_t key = 0; key < 100000; key++) {
        cr_assert_eq(*find(table, key), key);
    }
    cr_assert_null(find(table, 100000));
    cr_assert(wr_table_is_valid(table));
    wr_table_close(table);
}

Test(table, gives_every_block_back_when_it_closes)
{
    struct wr_table *const table = open_counters(pool);
    for (uint64_t key = 0; key < 30000; key++) {
        counter(table, key, NULL);
    }
    cr_assert_gt(wr_pool_used_bytes(pool), 0);
    wr_table_close(table);
    cr_assert_eq(wr_pool_used_bytes(pool), 0);
}

Test(table, does_not_find_what_was_erased)
{
    struct wr_table *const table = open_counters(pool);
    counter(table, 1, NULL);
    counter(table, 2, NULL);
    cr_assert(erase(table, 1));
    cr_assert_null(find(table, 1));
    cr_assert_not_null(find(table, 2));
    cr_assert_eq(wr_table_count(table), 1);
    wr_table_close(table);
}

Test(table, does_not_grow_when_keys_come_and_go)
{
    struct wr_table *const table = open_counters(pool);
    for (uint64_t key = 0; key < 1000; key++) {
        counter(table, key, NULL);
    }
    const size_t bytes = wr_table_bytes(table);
    for (uint64_t key = 1000; key < 200000; key++) {
        counter(table, key, NULL);
        erase(table, key - 1000);
    }
    cr_assert_eq(wr_table_bytes(table), bytes);
    cr_assert(wr_table_is_valid(table));
    wr_table_close(table);
}

static uint32_t resolve_batch(struct wr_table *table, const uint64_t *keys, uint32_t count,
                              void **values, uint8_t *is_new)
{
    static uint64_t hashes[20000];
    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = wr_mix64(keys[i], SEED);
    }
    const struct wr_keys column = { .fixed = keys };
    return wr_table_resolve_many(table, hashes, &column, count, values, is_new);
}

Test(table, gives_equal_keys_of_a_batch_one_pointer)
{
    struct wr_table *const table   = open_counters(pool);
    const uint64_t         keys[5] = { 7, 8, 7, 8, 7 };
    void                  *values[5];
    uint8_t                is_new[5];
    cr_assert_eq(resolve_batch(table, keys, 5, values, is_new), 5);
    cr_assert(values[0] == values[2] && values[2] == values[4] && values[1] == values[3]);
    cr_assert(values[0] != values[1]);
    cr_assert(is_new[0] && is_new[1] && !is_new[2] && !is_new[3] && !is_new[4]);
    wr_table_close(table);
}

Test(table, gives_pointers_that_outlast_the_splits_of_their_batch)
{
    static uint64_t        keys[20000];
    static void           *values[20000];
    struct wr_table *const table = open_counters(pool);
    for (uint32_t i = 0; i < 20000; i++) {
        keys[i] = i / 2;
    }
    cr_assert_eq(resolve_batch(table, keys, 20000, values, NULL), 20000);
    for (uint32_t i = 0; i < 20000; i++) {
        cr_assert_eq(values[i], find(table, keys[i]));
    }
    wr_table_close(table);
}

Test(table, resolves_the_first_keys_of_a_batch_when_the_budget_ends)
{
    static uint64_t        keys[20000];
    static void           *values[20000];
    struct wr_pool *const  small = wr_pool_open(40000);
    struct wr_table *const table = open_counters(small);
    for (uint32_t i = 0; i < 20000; i++) {
        keys[i] = i;
    }
    const uint32_t count = resolve_batch(table, keys, 20000, values, NULL);
    cr_assert(count > 100 && count < 20000);
    cr_assert_eq(values[count - 1], find(table, count - 1));
    cr_assert_eq(wr_table_count(table), count);
    bool is_new = true;
    cr_assert_null(counter(table, count, &is_new));
    cr_assert_not(is_new);
    cr_assert(wr_table_is_valid(table));
    wr_table_close(table);
    wr_pool_close(small);
}

Test(table, finds_many_without_making_any)
{
    struct wr_table *const table     = open_counters(pool);
    const uint64_t         keys[2]   = { 1, 2 };
    const uint64_t         hashes[2] = { wr_mix64(1, SEED), wr_mix64(2, SEED) };
    const struct wr_keys   column    = { .fixed = keys };
    void                  *values[2];
    uint64_t *const        second = counter(table, 2, NULL);
    wr_table_find_many(table, hashes, &column, 2, values);
    cr_assert_null(values[0]);
    cr_assert_eq(values[1], second);
    cr_assert_eq(wr_table_count(table), 1);
    wr_table_close(table);
}

Test(table, grows_past_a_segment_when_all_hashes_are_equal)
{
    const struct wr_table_options options = { .key_kind    = WR_KEY_4,
                                              .value_size  = 60,
                                              .stores_hash = true };
    struct wr_table *const        table   = wr_table_open(pool, &options);
    for (uint32_t key = 0; key < 2500; key++) {
        cr_assert_not_null(wr_table_resolve(table, 42, &key, 0, NULL));
    }
    cr_assert_gt(wr_table_bytes(table), 128 << 10);
    for (uint32_t key = 0; key < 2500; key++) {
        cr_assert_not_null(wr_table_find(table, 42, &key, 0));
    }
    cr_assert(wr_table_is_valid(table));
    wr_table_close(table);
}

Test(table, tells_byte_keys_apart_by_length_and_bytes)
{
    const struct wr_table_options options = { .key_kind = WR_KEY_BYTES, .value_size = 8 };
    struct wr_table *const        table   = wr_table_open(pool, &options);
    void *const                   none    = wr_table_resolve(table, 1, "", 0, NULL);
    void *const                   ab      = wr_table_resolve(table, 1, "ab", 2, NULL);
    void *const                   ac      = wr_table_resolve(table, 1, "ac", 2, NULL);
    cr_assert(none != ab && ab != ac && none != ac);
    cr_assert_eq(wr_table_find(table, 1, "ab", 2), ab);
    cr_assert_null(wr_table_find(table, 1, "a", 1));
    cr_assert_null(wr_table_find(table, 2, "ab", 2));
    wr_table_close(table);
}

Test(table, takes_values_without_bytes)
{
    const struct wr_table_options options = { .key_kind = WR_KEY_16, .stores_hash = true };
    struct wr_table *const        table   = wr_table_open(pool, &options);
    const uint64_t                key[2]  = { 1, 2 };
    cr_assert_not_null(wr_table_resolve(table, 9, key, 0, NULL));
    cr_assert_not_null(wr_table_find(table, 9, key, 0));
    wr_table_close(table);
}
