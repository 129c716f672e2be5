// The four kinds of key, each with its own copy of the searching code.
#include "runtime/state/segment.h"

// Most values and slots are small and multiples of 8 bytes: no call for these.

static inline void clear_value(char *value, uint32_t bytes)
{
    if (bytes % 8 != 0 || bytes > 128) {
        memset(value, 0, bytes);
        return;
    }
    for (uint32_t at = 0; at < bytes; at += 8) {
        memset(value + at, 0, 8);
    }
}

static inline void copy_slot(char *to, const char *from, uint32_t bytes)
{
    if (bytes % 8 != 0 || bytes > 128) {
        memcpy(to, from, bytes);
        return;
    }
    for (uint32_t at = 0; at < bytes; at += 8) {
        memcpy(to + at, from + at, 8);
    }
}

// Whether a write to one of these hashes' segments has something to do first.
static inline bool marks_differ(const struct wr_table *table, const uint64_t *hashes,
                                uint32_t count)
{
    uint32_t differing = 0;
    for (uint32_t i = 0; i < count; i++) {
        differing |= table->marks[directory_index(table, hashes[i])] ^ MARK_CHANGED;
    }
    return differing != 0;
}

#define KEYS_SIZE   4
#define KEYS_(name) name##_4
#include "runtime/state/table_keys.inl.h"
#undef KEYS_SIZE
#undef KEYS_

#define KEYS_SIZE   8
#define KEYS_(name) name##_8
#include "runtime/state/table_keys.inl.h"
#undef KEYS_SIZE
#undef KEYS_

#define KEYS_SIZE   16
#define KEYS_(name) name##_16
#include "runtime/state/table_keys.inl.h"
#undef KEYS_SIZE
#undef KEYS_

#define KEYS_SIZE   0
#define KEYS_(name) name##_bytes
#include "runtime/state/table_keys.inl.h"
#undef KEYS_SIZE
#undef KEYS_

#define KEYS_OPS(suffix)                                                                           \
    {                                                                                              \
        .resolve_many = resolve_many_##suffix, .find_many = find_many_##suffix,                    \
        .resolve = resolve_##suffix, .find = find_##suffix, .hash_of = hash_of_##suffix,           \
        .key_of = key_of_##suffix, .weigh = weigh_##suffix, .move = move_##suffix                  \
    }

const struct table_keys_ops wr_table_keys_ops[4] = {
    [WR_KEY_4]     = KEYS_OPS(4),
    [WR_KEY_8]     = KEYS_OPS(8),
    [WR_KEY_16]    = KEYS_OPS(16),
    [WR_KEY_BYTES] = KEYS_OPS(bytes),
};
