// Images of segments: packing them, and filling tables from them.
//
//   image    entry, entry, ...       in no particular order; how many is known beside it
//
//   entry    key      of WR_KEY_4, _8, _16: its 4, 8 or 16 bytes
//                     of WR_KEY_BYTES: its length (4 bytes), then its bytes
//            hash     8 bytes; only of WR_KEY_BYTES, and of tables that store hashes
//            value    value_size bytes as they are in memory, but in each string of more than 12
//                     bytes the 8 bytes of the pointer (the last) are zeros
//            strings  the bytes of each such string, in the order of the table's value_strings
//
// All numbers are little-endian, and nothing is aligned. How slots, groups and heaps are laid out,
// and where, does not show; neither does padding between key, hash and value. Equal entries have
// equal bytes, if the padding inside their values, if any, is equal.
//
// Valid is an image of exactly its bytes and entries, in which every hash has the image's prefix,
// no key comes twice, and each longer string has its first 4 bytes before its pointer's zeros. What
// was written is known to be what is read by checksums, which are not here.
#include "runtime/state/segment.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are packed as they are");
_Static_assert(offsetof(weir_str, rest) == 8 && sizeof(((weir_str *)0)->rest) == 8,
               "a long string's pointer is its last 8 bytes");

#define UNPACK_BATCH 128u // entries added together
#define FETCH_AHEAD  ((size_t)2048)

static uint32_t key_bytes(const struct wr_table *table) { return 4u << table->key_kind; }

static bool packs_hash(const struct wr_table *table)
{
    return table->stores_hash || table->key_kind == WR_KEY_BYTES;
}

// Of an entry, without what depends on it.
static size_t fixed_bytes(const struct wr_table *table)
{
    return (table->key_kind == WR_KEY_BYTES ? sizeof(uint32_t) : key_bytes(table)) +
           (packs_hash(table) ? sizeof(uint64_t) : 0) + table->value_size;
}

// ---- packing ----

static size_t heap_bytes(const struct wr_table *table, const struct segment *segment,
                         const char *slot)
{
    return (table->key_kind == WR_KEY_BYTES ? table->keys->key_of(segment, slot).length : 0) +
           (table->strings == NULL ? 0
                                   : wr_strings_long_bytes(table->strings, slot + table->value_at));
}

static uint32_t group_as_marked(const struct segment *segment, uint32_t group,
                                const struct segment_saved *saved)
{
    const uint32_t used = group_used(segment_tags(segment) + (size_t)group * GROUP_TAG_BYTES);
    return saved->masks == NULL ? used : used & ~(uint32_t)saved->masks[group];
}

struct segment_image wr_segment_weigh_image(const struct wr_table      *table,
                                            const struct segment       *segment,
                                            const struct segment_saved *saved)
{
    const char *const    slots = segment_slots(segment, segment->group_count);
    struct segment_image image = { saved->count, 0 };
    for (uint32_t group = 0; group < segment->group_count; group++) {
        uint32_t used = group_as_marked(segment, group, saved);
        image.entries += (uint32_t)__builtin_popcount(used);
        for (; table->has_heap && used != 0; used &= used - 1) {
            const size_t index = (size_t)group * GROUP_SLOTS + (uint32_t)__builtin_ctz(used);
            image.bytes += heap_bytes(table, segment, slots + index * table->slot_bytes);
        }
    }
    for (uint32_t i = 0; table->has_heap && i < saved->count; i++) {
        image.bytes += heap_bytes(table, segment, saved->slots + (size_t)i * table->slot_bytes);
    }
    image.bytes += image.entries * fixed_bytes(table);
    return image;
}

static char *pack_strings(const struct wr_strings *strings, const char *value, char *packed,
                          char *to)
{
    for (uint32_t i = 0; i < strings->count; i++) {
        const weir_str *const string = (const void *)(value + strings->offsets[i]);
        if (!weir_str_is_inline(string)) {
            memset(packed + strings->offsets[i] + offsetof(weir_str, rest), 0,
                   sizeof(string->rest));
            memcpy(to, string->rest.bytes, string->length);
            to += string->length;
        }
    }
    return to;
}

static char *pack_slot(const struct wr_table *table, const struct segment *segment,
                       const char *slot, char *to)
{
    if (table->key_kind == WR_KEY_BYTES) {
        const struct key_view key = table->keys->key_of(segment, slot);
        memcpy(to, &key.length, sizeof(key.length));
        memcpy(to + sizeof(key.length), key.bytes, key.length);
        to += sizeof(key.length) + key.length;
    } else {
        memcpy(to, slot, key_bytes(table));
        to += key_bytes(table);
    }
    if (packs_hash(table)) {
        const uint64_t hash = table->keys->hash_of(table, slot);
        memcpy(to, &hash, sizeof(hash));
        to += sizeof(hash);
    }
    memcpy(to, slot + table->value_at, table->value_size);
    char *const value = to;
    to += table->value_size;
    return table->strings == NULL ? to
                                  : pack_strings(table->strings, slot + table->value_at, value, to);
}

// Of a group whose slots hold key and value together, as the image does. Where `bytes` is a
// constant a slot is copied in a few moves.
static inline char *pack_together(const struct wr_table *table, const char *slots, uint32_t used,
                                  uint32_t bytes, char *to)
{
    for (; used != 0; used &= used - 1) {
        memcpy(to, slots + (size_t)(uint32_t)__builtin_ctz(used) * table->slot_bytes, bytes);
        to += bytes;
    }
    return to;
}

static char *pack_group(const struct wr_table *table, const struct segment *segment,
                        uint32_t together, const char *slots, uint32_t used, char *to)
{
    switch (together) {
    case 8: return pack_together(table, slots, used, 8, to);
    case 16: return pack_together(table, slots, used, 16, to);
    case 24: return pack_together(table, slots, used, 24, to);
    case 32: return pack_together(table, slots, used, 32, to);
    case 40: return pack_together(table, slots, used, 40, to);
    case 48: return pack_together(table, slots, used, 48, to);
    case 56: return pack_together(table, slots, used, 56, to);
    case 64: return pack_together(table, slots, used, 64, to);
    case 0: break;
    default: return pack_together(table, slots, used, together, to);
    }
    for (; used != 0; used &= used - 1) {
        const size_t index = (uint32_t)__builtin_ctz(used);
        to                 = pack_slot(table, segment, slots + index * table->slot_bytes, to);
    }
    return to;
}

// The processor sees that bytes are used in a row, but not beyond a page. `left`: there are so
// many.
static void fetch_ahead(const char *at, size_t left, size_t bytes, bool writes)
{
    const size_t end = FETCH_AHEAD + bytes < left ? FETCH_AHEAD + bytes : left;
    for (size_t i = FETCH_AHEAD; i < end; i += WR_CACHE_LINE) {
        if (writes) {
            __builtin_prefetch(at + i, 1);
        } else {
            __builtin_prefetch(at + i);
        }
    }
}

void wr_segment_pack(const struct wr_table *table, const struct segment *segment,
                     const struct segment_saved *saved, void *to, size_t bytes)
{
    const size_t group_bytes = (size_t)GROUP_SLOTS * table->slot_bytes;
    const bool   is_plain =
        !table->has_heap && !packs_hash(table) && table->value_at == key_bytes(table);
    const uint32_t together = is_plain ? (uint32_t)fixed_bytes(table) : 0;
    const char    *slots    = segment_slots(segment, segment->group_count);
    char          *at       = to;
    for (uint32_t group = 0; group < segment->group_count; group++, slots += group_bytes) {
        fetch_ahead(slots, (segment->group_count - group) * group_bytes, group_bytes, false);
        fetch_ahead(at, bytes - (size_t)(at - (char *)to), group_bytes, true);
        at =
            pack_group(table, segment, together, slots, group_as_marked(segment, group, saved), at);
    }
    for (uint32_t i = 0; i < saved->count; i++) {
        at = pack_slot(table, segment, saved->slots + (size_t)i * table->slot_bytes, at);
    }
    WR_ASSERT((size_t)(at - (char *)to) == bytes);
}

// ---- unpacking ----

struct reader {
    const char *at;
    const char *end;
};

// NULL: there are not so many bytes.
static const char *reader_take(struct reader *reader, size_t bytes)
{
    const char *const at = reader->at;
    if (bytes > (size_t)(reader->end - at)) {
        return NULL;
    }
    reader->at += bytes;
    return at;
}

struct packed_entry {
    struct key_view key;
    uint64_t        hash;
    const char     *value; // then the strings
};

// Values as the image has them.
static struct wr_packed_values packed_values_of(const struct wr_table *table,
                                                const struct wr_image *image)
{
    return image->values != NULL
               ? *image->values
               : (struct wr_packed_values){ table->value_size, table->strings, NULL };
}

// Goes past the entry's strings.
static enum wr_unpack read_strings(const struct wr_strings *strings, const char *value,
                                   struct reader *reader)
{
    for (uint32_t i = 0; i < strings->count; i++) {
        weir_str string;
        memcpy(&string, value + strings->offsets[i], sizeof(string));
        if (weir_str_is_inline(&string)) {
            continue;
        }
        const char *const bytes = reader_take(reader, string.length);
        if (bytes == NULL) {
            return WR_UNPACK_TRUNCATED;
        }
        static const char no_pointer[sizeof(string.rest)];
        if (memcmp(&string.rest, no_pointer, sizeof(no_pointer)) != 0 ||
            memcmp(string.head, bytes, sizeof(string.head)) != 0) {
            return WR_UNPACK_STRING;
        }
    }
    return WR_UNPACK_DONE;
}

static enum wr_unpack read_entry(const struct wr_table         *table,
                                 const struct wr_packed_values *values, struct reader *reader,
                                 struct packed_entry *entry)
{
    entry->key.length = key_bytes(table);
    if (table->key_kind == WR_KEY_BYTES) {
        const char *const length = reader_take(reader, sizeof(entry->key.length));
        if (length == NULL) {
            return WR_UNPACK_TRUNCATED;
        }
        memcpy(&entry->key.length, length, sizeof(entry->key.length));
    }
    entry->key.bytes = reader_take(reader, entry->key.length);
    if (entry->key.bytes == NULL) {
        return WR_UNPACK_TRUNCATED;
    }
    if (packs_hash(table)) {
        const char *const hash = reader_take(reader, sizeof(entry->hash));
        if (hash == NULL) {
            return WR_UNPACK_TRUNCATED;
        }
        memcpy(&entry->hash, hash, sizeof(entry->hash));
    } else {
        entry->hash = table->keys->hash_of(table, entry->key.bytes); // of the key alone
    }
    entry->value = reader_take(reader, values->size);
    if (entry->value == NULL) {
        return WR_UNPACK_TRUNCATED;
    }
    return values->strings == NULL ? WR_UNPACK_DONE
                                   : read_strings(values->strings, entry->value, reader);
}

struct unpack_batch {
    struct wr_packed_values from;
    char                   *before; // UNPACK_BATCH values that are to be converted; NULL: none are
    uint32_t                count;
    uint64_t                hashes[UNPACK_BATCH];
    char                    fixed[UNPACK_BATCH * 16];
    const char             *bytes[UNPACK_BATCH];
    uint32_t                lengths[UNPACK_BATCH];
    const char             *packed[UNPACK_BATCH]; // values, then their strings
    void                   *values[UNPACK_BATCH];
    uint8_t                 is_new[UNPACK_BATCH];
};

static void batch_note(const struct wr_table *table, struct unpack_batch *batch,
                       const struct packed_entry *entry)
{
    const uint32_t i = batch->count++;
    batch->hashes[i] = entry->hash;
    batch->packed[i] = entry->value;
    if (table->key_kind == WR_KEY_BYTES) {
        batch->bytes[i]   = entry->key.bytes;
        batch->lengths[i] = entry->key.length;
    } else {
        memcpy(batch->fixed + (size_t)i * entry->key.length, entry->key.bytes, entry->key.length);
    }
}

// The value's long strings point at their packed bytes, until they are kept.
static void value_unpack(const struct wr_packed_values *from, const char *packed, char *value)
{
    const char *bytes = packed + from->size;
    memcpy(value, packed, from->size);
    for (uint32_t i = 0; from->strings != NULL && i < from->strings->count; i++) {
        weir_str *const string = (void *)(value + from->strings->offsets[i]);
        if (!weir_str_is_inline(string)) {
            string->rest.bytes = bytes;
            bytes += string->length;
        }
    }
}

static void batch_unpack_values(const struct unpack_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        char *const value =
            batch->before != NULL ? batch->before + (size_t)i * batch->from.size : batch->values[i];
        value_unpack(&batch->from, batch->packed[i], value);
        if (batch->before != NULL) {
            wr_conversion_run(batch->from.conversion, value, batch->values[i], 1);
        }
    }
}

// So that none points outside.
static void value_clear_strings(const struct wr_table *table, char *value)
{
    for (uint32_t i = 0; i < table->strings->count; i++) {
        memset(value + table->strings->offsets[i], 0, sizeof(weir_str));
    }
}

static enum wr_unpack batch_add(struct wr_table *table, struct unpack_batch *batch, uint64_t *added)
{
    wr_spill_release(table->spill); // of the batch before this one
    const struct wr_keys keys =
        table->key_kind == WR_KEY_BYTES
            ? (struct wr_keys){ .bytes = batch->bytes, .lengths = batch->lengths }
            : (struct wr_keys){ .fixed = batch->fixed };
    const uint32_t reached = wr_table_resolve_many(table, batch->hashes, &keys, batch->count,
                                                   batch->values, batch->is_new);
    for (uint32_t i = 0; i < reached; i++) {
        if (!batch->is_new[i]) {
            return WR_UNPACK_TWICE;
        }
    }
    if (reached < batch->count) {
        return WR_UNPACK_OUT_OF_BUDGET;
    }
    batch_unpack_values(batch);
    if (!wr_table_keep_strings_many(table, batch->hashes, &keys, batch->count, batch->values)) {
        for (uint32_t i = 0; i < batch->count; i++) {
            value_clear_strings(table, batch->values[i]);
        }
        return WR_UNPACK_OUT_OF_BUDGET;
    }
    *added += batch->count;
    batch->count = 0;
    return WR_UNPACK_DONE;
}

static bool has_prefix(const struct wr_image *image, uint64_t hash)
{
    return image->depth == 0 || (hash ^ image->prefix) >> (64 - image->depth) == 0;
}

static enum wr_unpack batches_unpack(struct wr_table *table, struct unpack_batch *batch,
                                     struct reader *reader, const struct wr_image *image,
                                     struct wr_hash_range range, uint64_t *added)
{
    for (uint32_t i = 0; i < image->entries; i++) {
        struct packed_entry  entry;
        const enum wr_unpack read = read_entry(table, &batch->from, reader, &entry);
        if (read != WR_UNPACK_DONE) {
            return read;
        }
        if (!has_prefix(image, entry.hash)) {
            return WR_UNPACK_PREFIX;
        }
        if (entry.hash >= range.first && entry.hash <= range.last) {
            batch_note(table, batch, &entry);
        }
        if (batch->count == UNPACK_BATCH) {
            const enum wr_unpack done = batch_add(table, batch, added);
            if (done != WR_UNPACK_DONE) {
                return done;
            }
        }
    }
    if (reader->at != reader->end) {
        return WR_UNPACK_TRAILING;
    }
    return batch_add(table, batch, added);
}

static enum wr_unpack image_unpack(struct wr_table *table, struct reader *reader,
                                   const struct wr_image *image, struct wr_hash_range range,
                                   uint64_t *added)
{
    struct unpack_batch batch = { .from = packed_values_of(table, image) };
    if (batch.from.conversion != NULL) {
        batch.before = wr_alloc_aligned((size_t)UNPACK_BATCH * batch.from.size, 64);
    }
    const enum wr_unpack unpacked = batches_unpack(table, &batch, reader, image, range, added);
    wr_free(batch.before);
    return unpacked;
}

enum wr_unpack wr_table_unpack(struct wr_table *table, const void *bytes, size_t length,
                               const struct wr_image *image, struct wr_hash_range range,
                               uint64_t *added)
{
    struct reader reader = { bytes, (const char *)bytes + length };
    uint64_t      count  = 0;
    WR_ASSERT(range.first <= range.last);
    WR_ASSERT(table->range_bits == 0 ||
              (range.first ^ range.last) >> (64 - table->range_bits) == 0);
    const enum wr_unpack unpacked =
        image->depth > 64 ? WR_UNPACK_PREFIX : image_unpack(table, &reader, image, range, &count);
    if (added != NULL) {
        *added += count;
    }
    return unpacked;
}

const char *wr_unpack_text(enum wr_unpack unpacked)
{
    switch (unpacked) {
    case WR_UNPACK_DONE: return "nothing is wrong";
    case WR_UNPACK_OUT_OF_BUDGET: return "the state budget is too small for it";
    case WR_UNPACK_TRUNCATED: return "it ends within an entry or before its last";
    case WR_UNPACK_TRAILING: return "bytes follow its last entry";
    case WR_UNPACK_PREFIX: return "an entry's hash does not have its prefix";
    case WR_UNPACK_TWICE: return "a key comes twice";
    case WR_UNPACK_STRING: return "a string is not as strings are packed";
    }
    return "an unknown fault";
}
