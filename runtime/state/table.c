// A table: opening, closing, and the calls for keys that the caller names.
#include "runtime/state/segment.h"

// The largest power of two, up to 8, that divides the size: what a value's type can be aligned to.
static uint32_t align_of(uint32_t size)
{
    const uint32_t lowest = size & -size;
    return lowest == 0 ? 1 : lowest > 8 ? 8 : lowest;
}

static void lay_out_slot(struct wr_table *table, const struct wr_table_options *options)
{
    static const uint32_t key_bytes[4] = {
        [WR_KEY_4] = 4, [WR_KEY_8] = 8, [WR_KEY_16] = 16, [WR_KEY_BYTES] = sizeof(struct bytes_key)
    };
    uint32_t at         = key_bytes[options->key_kind];
    uint32_t slot_align = at < 8 ? 4 : 8;
    if (table->stores_hash) {
        slot_align     = 8;
        table->hash_at = (uint32_t)wr_round_up(at, 8);
        at             = table->hash_at + 8;
    }
    const uint32_t value_align = align_of(options->value_size);
    slot_align                 = value_align > slot_align ? value_align : slot_align;
    table->value_at            = (uint32_t)wr_round_up(at, value_align);
    table->slot_bytes = (uint32_t)wr_round_up(table->value_at + options->value_size, slot_align);
}

// Small, as one key brings all of its segment, but not for a handful of large slots.
static size_t usual_where_it_spills(const struct wr_table *table)
{
    size_t bytes = SEGMENT_SMALL;
    while (bytes < SEGMENT_USUAL && bytes < (size_t)GROUP_SLOTS * table->slot_bytes) {
        bytes *= 2;
    }
    return bytes;
}

struct wr_table *wr_table_open(struct wr_pool *pool, const struct wr_table_options *options)
{
    WR_ASSERT(options->key_kind <= WR_KEY_BYTES);
    WR_ASSERT(options->range_bits < HASH_PREFIX_BITS);
    struct wr_table *const table = wr_alloc(sizeof(*table));
    table->keys                  = &wr_table_keys_ops[options->key_kind];
    table->pool                  = pool;
    table->range_bits            = options->range_bits;
    table->seed                  = options->seed;
    table->key_kind              = options->key_kind;
    table->value_size            = options->value_size;
    table->stores_hash           = options->stores_hash && options->key_kind != WR_KEY_BYTES;
    if (options->value_strings != NULL && options->value_strings->count > 0) {
        table->strings = options->value_strings;
    }
    table->has_heap = table->strings != NULL || options->key_kind == WR_KEY_BYTES;
    lay_out_slot(table, options);
    wr_segment_shapes_init(table);
    table->usual_bytes = SEGMENT_USUAL;
    if (wr_pool_spill(pool) != NULL) {
        wr_spill_add_table(wr_pool_spill(pool), table);
        table->usual_bytes = usual_where_it_spills(table);
    }
    // Depth 1 at least: a shift by 64 has no meaning in C.
    wr_segment_directory_open(table, 1);
    for (uint32_t i = 0; i < 2; i++) {
        table->directory[i] = (uintptr_t)wr_segment_empty;
        table->marks[i]     = MARK_CHANGED;
    }
    return table;
}

void wr_table_close(struct wr_table *table)
{
    if (table == NULL) {
        return;
    }
    WR_ASSERT(wr_table_is_captured(table)); // else it is kept until it is, or unmarked
    const uint64_t count = (uint64_t)1 << table->depth;
    for (uint64_t i = 0; i < count;) {
        struct segment *const segment = entry_segment(table->directory[i]);
        if (segment == NULL) { // adopted by another
            i++;
            continue;
        }
        i += (uint64_t)1 << (table->depth - segment->depth);
        if (segment->is_spilled) {
            wr_spill_drop(table, segment);
        } else {
            segment_forget_copy(table, segment);
            wr_segment_give(table, segment);
        }
    }
    WR_CHECK(table->segment_bytes == 0);
    if (table->spill != NULL) {
        wr_spill_remove_table(table);
    }
    wr_segment_directory_close(table);
    wr_free(table);
}

struct wr_table_options wr_table_options_of(const struct wr_table *table)
{
    return (struct wr_table_options){
        .key_kind      = table->key_kind,
        .value_size    = table->value_size,
        .value_strings = table->strings,
        .range_bits    = table->range_bits,
        .stores_hash   = table->stores_hash,
        .seed          = table->seed,
    };
}

uint64_t wr_table_count(const struct wr_table *table) { return table->count; }

size_t wr_table_bytes(const struct wr_table *table)
{
    return table->segment_bytes + (WR_DIRECTORY_ENTRY_BYTES << table->depth);
}

// ---- keys the caller names ----

uint32_t wr_table_resolve_many(struct wr_table *table, const uint64_t *hashes,
                               const struct wr_keys *keys, uint32_t count, void **values,
                               uint8_t *is_new)
{
    return table_bring_many(table, hashes, count, true)
               ? table->keys->resolve_many(table, hashes, keys, count, values, is_new)
               : 0;
}

static void find_many(struct wr_table *table, const uint64_t *hashes, const struct wr_keys *keys,
                      uint32_t count, void **values, bool writes)
{
    if (table_bring_many(table, hashes, count, writes)) {
        table->keys->find_many(table, hashes, keys, count, values, writes);
    } else {
        memset((void *)(uintptr_t)values, 0, count * sizeof(*values));
    }
}

void wr_table_find_many(struct wr_table *table, const uint64_t *hashes, const struct wr_keys *keys,
                        uint32_t count, void **values)
{
    find_many(table, hashes, keys, count, values, true);
}

void wr_table_find_many_read(struct wr_table *table, const uint64_t *hashes,
                             const struct wr_keys *keys, uint32_t count, const void **values)
{
    find_many(table, hashes, keys, count, (void **)(uintptr_t)values, false);
}

static inline void fetch_bytes(const char *bytes, uint32_t count)
{
    for (uint32_t at = 0; at < count; at += WR_CACHE_LINE) {
        __builtin_prefetch(bytes + at);
    }
    __builtin_prefetch(bytes + count - 1);
}

// Up to BATCH_KEYS: their tags, then the slots that those name (without one, the free slot that an
// add would take), then the keys in the heap.
static void warm_some(const struct wr_table *table, const uint64_t *hashes, uint32_t count)
{
    const struct segment *segments[BATCH_KEYS];
    const uint8_t        *tags[BATCH_KEYS];
    const char           *slots[BATCH_KEYS]; // of the home group; then the one, or NULL

    for (uint32_t i = 0; i < count; i++) {
        const uintptr_t entry       = table->directory[directory_index(table, hashes[i])];
        const uint32_t  group_count = table->shape_groups[entry % SHAPE_COUNT];
        const size_t    group       = hash_group(hashes[i], group_count);
        segments[i]                 = entry_segment(entry);
        tags[i]                     = segment_tags(segments[i]) + group * GROUP_TAG_BYTES;
        slots[i] =
            segment_slots(segments[i], group_count) + group * GROUP_SLOTS * table->slot_bytes;
        __builtin_prefetch(segments[i]);
        __builtin_prefetch(tags[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t match = group_match(tags[i], hash_tag(hashes[i]));
        const uint32_t place = match != 0 ? match : group_match(tags[i], 0);
        if (place != 0) {
            slots[i] += (size_t)__builtin_ctz(place) * table->slot_bytes;
            fetch_bytes(slots[i], table->slot_bytes);
        }
        slots[i] = match != 0 ? slots[i] : NULL;
    }
    for (uint32_t i = 0; i < count && table->key_kind == WR_KEY_BYTES; i++) {
        if (slots[i] != NULL) {
            struct bytes_key key;
            memcpy(&key, slots[i], sizeof(key));
            __builtin_prefetch((const char *)segments[i] + key.at);
        }
    }
}

void wr_table_warm_many(struct wr_table *table, const uint64_t *hashes, uint32_t count)
{
    if (!table_bring_many(table, hashes, count, false) || table->segment_bytes <= NEAR_BYTES) {
        return;
    }
    for (uint32_t begin = 0; begin < count; begin += BATCH_KEYS) {
        warm_some(table, hashes + begin, count - begin < BATCH_KEYS ? count - begin : BATCH_KEYS);
    }
}

void *wr_table_resolve(struct wr_table *table, uint64_t hash, const void *key, uint32_t length,
                       bool *is_new)
{
    bool        was_made = false;
    char *const slot =
        table_bring_many(table, &hash, 1, true)
            ? table->keys->resolve(table, hash, (struct key_view){ key, length }, &was_made)
            : NULL;
    if (is_new != NULL) {
        *is_new = was_made && slot != NULL;
    }
    if (slot == NULL) {
        return NULL;
    }
    if (!was_made) {
        segment_save_at(table, hash, slot + table->value_at);
    }
    return slot + table->value_at;
}

const void *wr_table_find_read(struct wr_table *table, uint64_t hash, const void *key,
                               uint32_t length)
{
    const char *const slot = table_bring_many(table, &hash, 1, false)
                                 ? table->keys->find(table, hash, (struct key_view){ key, length })
                                 : NULL;
    return slot == NULL ? NULL : slot + table->value_at;
}

void *wr_table_find(struct wr_table *table, uint64_t hash, const void *key, uint32_t length)
{
    const void *const value = wr_table_find_read(table, hash, key, length);
    return value == NULL ? NULL : wr_table_write_at(table, hash, value);
}

void *wr_table_write_at(struct wr_table *table, uint64_t hash, const void *value)
{
    if (WR_UNLIKELY(table->uses != NULL)) {
        wr_spill_forget(table, segment_of(table, hash));
    }
    segment_save_at(table, hash, value);
    return (void *)(uintptr_t)value;
}

void wr_table_erase_at(struct wr_table *table, uint64_t hash, const void *value)
{
    struct segment *const segment = segment_of(table, hash);
    wr_segment_erase(table, segment, segment_index(table, segment, value), hash);
}

bool wr_table_erase(struct wr_table *table, uint64_t hash, const void *key, uint32_t length)
{
    const void *const value = wr_table_find_read(table, hash, key, length);
    if (value != NULL) {
        wr_table_erase_at(table, hash, value);
    }
    return value != NULL;
}

void wr_table_find_hash(struct wr_table *table, uint64_t hash,
                        void (*each)(void *opaque, const void *key, uint32_t length, void *value),
                        void *opaque)
{
    if (!table_bring_many(table, &hash, 1, true)) {
        return;
    }
    struct segment *const segment = segment_of(table, hash);
    char *const           slots   = segment_slots(segment, segment->group_count);
    uint32_t              group   = hash_group(hash, segment->group_count);
    for (uint32_t seen = 0; seen < segment->group_count; seen++) {
        uint8_t *const tags  = segment_tags(segment) + (size_t)group * GROUP_TAG_BYTES;
        uint32_t       match = group_match(tags, hash_tag(hash));
        for (; match != 0; match &= match - 1) {
            const size_t index = (size_t)group * GROUP_SLOTS + (uint32_t)__builtin_ctz(match);
            char *const  slot  = slots + index * table->slot_bytes;
            if (table->keys->hash_of(table, slot) == hash) {
                const struct key_view key = table->keys->key_of(segment, slot);
                segment_save_at(table, hash, slot + table->value_at);
                each(opaque, key.bytes, key.length, slot + table->value_at);
            }
        }
        if (*group_overflow(tags) == 0) {
            return;
        }
        group = group + 1 == segment->group_count ? 0 : group + 1;
    }
}
