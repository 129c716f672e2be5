// Strings in values: what the segments' heaps keep.
#include "runtime/state/state.h"

#include <criterion/criterion.h>
#include <stdio.h>

struct named {
    uint64_t number;
    weir_str name;
};

static uint32_t                name_offset = offsetof(struct named, name);
static const struct wr_strings names       = { &name_offset, 1 };
static struct wr_pool         *pool;
static struct wr_table        *table;

static void open_table(void)
{
    const struct wr_table_options options = { .key_kind      = WR_KEY_4,
                                              .value_size    = sizeof(struct named),
                                              .value_strings = &names };
    pool                                  = wr_pool_open(0);
    table                                 = wr_table_open(pool, &options);
}

static void close_table(void)
{
    wr_table_close(table);
    wr_pool_close(pool);
}

TestSuite(strings, .init = open_table, .fini = close_table);

static struct named *named(uint32_t key)
{
    return wr_table_resolve(table, wr_mix64(key, 0), &key, 0, NULL);
}

// Gives the key the text and has it kept; afterwards the text's own memory is gone.
static struct named *name(uint32_t key, const char *text, size_t length)
{
    const uint64_t       hash  = wr_mix64(key, 0);
    const struct wr_keys keys  = { .fixed = &key };
    char *const          bytes = wr_alloc(length + 1);
    memcpy(bytes, text, length);
    void *value                   = named(key);
    ((struct named *)value)->name = weir_str_of(bytes, length);
    cr_assert(wr_table_keep_strings_many(table, &hash, &keys, 1, &value));
    memset(bytes, '#', length);
    wr_free(bytes);
    return value;
}

static bool has_name(uint32_t key, const char *text)
{
    const weir_str want = weir_str_from(text);
    return weir_str_equal(&named(key)->name, &want);
}

Test(strings, of_12_bytes_need_no_heap)
{
    name(1, "twelve bytes", 12);
    cr_assert(has_name(1, "twelve bytes"));
    cr_assert_eq(wr_pool_used_bytes(pool), 512);
}

Test(strings, of_13_bytes_are_copied)
{
    name(1, "13 bytes long", 13);
    cr_assert(has_name(1, "13 bytes long"));
    cr_assert(wr_table_is_valid(table));
}

Test(strings, follow_their_entries_through_splits)
{
    for (uint32_t key = 0; key < 20000; key++) {
        char text[40];
        name(key, text, (size_t)snprintf(text, sizeof(text), "a name that is long: %u", key));
    }
    for (uint32_t key = 0; key < 20000; key++) {
        char text[40];
        snprintf(text, sizeof(text), "a name that is long: %u", key);
        cr_assert(has_name(key, text));
    }
    cr_assert(wr_table_is_valid(table));
}

Test(strings, that_were_replaced_take_no_room_for_ever)
{
    name(1, "another entry's long name", 25);
    for (uint32_t i = 0; i < 10000; i++) {
        char text[40];
        name(2, text, (size_t)snprintf(text, sizeof(text), "version number %08u", i));
    }
    cr_assert(has_name(2, "version number 00009999"));
    cr_assert(has_name(1, "another entry's long name"));
    cr_assert_leq(wr_pool_used_bytes(pool), 1024);
}

Test(strings, longer_than_a_segment_are_kept)
{
    char *const text = wr_alloc(1 << 20);
    memset(text, 'x', 1 << 20);
    name(1, "short neighbour's name", 22);
    const struct named *const value = name(2, text, 1 << 20);
    cr_assert_eq(value->name.length, 1 << 20);
    cr_assert_eq(memcmp(value->name.rest.bytes, text, 1 << 20), 0);
    cr_assert(has_name(1, "short neighbour's name"));
    cr_assert(wr_table_is_valid(table));
    wr_free(text);
}

Test(strings, may_be_copied_from_another_entry)
{
    name(1, "the first entry's name", 22);
    uint32_t             key      = 2;
    const uint64_t       hash     = wr_mix64(key, 0);
    const struct wr_keys keys     = { .fixed = &key };
    void                *value    = named(2);
    ((struct named *)value)->name = named(1)->name;
    cr_assert(wr_table_keep_strings_many(table, &hash, &keys, 1, &value));
    key = 1;
    cr_assert(wr_table_erase(table, wr_mix64(key, 0), &key, 0));
    name(1, "something else entirely", 23);
    cr_assert(has_name(2, "the first entry's name"));
}

Test(strings, are_refused_beyond_the_budget)
{
    const struct wr_table_options options = { .key_kind      = WR_KEY_4,
                                              .value_size    = sizeof(struct named),
                                              .value_strings = &names };
    struct wr_pool *const         small   = wr_pool_open(8192);
    struct wr_table *const        narrow  = wr_table_open(small, &options);
    const uint32_t                key     = 1;
    const uint64_t                hash    = wr_mix64(key, 0);
    const struct wr_keys          keys    = { .fixed = &key };
    char *const                   text    = wr_alloc(10000);
    void                         *value   = wr_table_resolve(narrow, hash, &key, 0, NULL);
    ((struct named *)value)->name         = weir_str_of(text, 10000);
    cr_assert_not(wr_table_keep_strings_many(narrow, &hash, &keys, 1, &value));
    ((struct named *)value)->name = weir_str_of(text, 1000);
    cr_assert(wr_table_keep_strings_many(narrow, &hash, &keys, 1, &value));
    wr_free(text);
    wr_table_close(narrow);
    wr_pool_close(small);
}
