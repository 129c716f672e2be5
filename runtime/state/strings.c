// Strings of values: copied into their segment's heap after user code wrote them.
//
// A string may have been copied from another entry, so that it points into another segment's heap:
// blocks left behind meanwhile are given back only at the end.
#include "runtime/state/segment.h"

static weir_str *string_at(const struct wr_table *table, char *value, uint32_t i)
{
    return (weir_str *)(void *)(value + table->strings->offsets[i]);
}

static bool is_outside(const struct segment *segment, const weir_str *string)
{
    if (weir_str_is_inline(string)) {
        return false;
    }
    const uintptr_t heap = (uintptr_t)segment + segment->heap_at;
    return (uintptr_t)string->rest.bytes - heap >= segment->heap_used;
}

static size_t outside_bytes(const struct wr_table *table, const struct segment *segment,
                            char *value)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < table->strings->count; i++) {
        const weir_str *const string = string_at(table, value, i);
        bytes += is_outside(segment, string) ? string->length : 0;
    }
    return bytes;
}

static void copy_in(const struct wr_table *table, struct segment *segment, char *value)
{
    char *to = (char *)segment + segment->heap_at + segment->heap_used;
    for (uint32_t i = 0; i < table->strings->count; i++) {
        weir_str *const string = string_at(table, value, i);
        if (is_outside(segment, string)) {
            memcpy(to, string->rest.bytes, string->length);
            string->rest.bytes = to;
            to += string->length;
        }
    }
    segment->heap_used = (uint32_t)(to - (char *)segment - segment->heap_at);
}

// False: out of budget.
static bool keep_strings(struct wr_table *table, uint64_t hash, char *value)
{
    struct segment *const segment = segment_of(table, hash);
    const size_t          bytes   = outside_bytes(table, segment, value);
    if (bytes == 0) {
        return true;
    }
    if (bytes > segment_heap_room(segment)) {
        return wr_segment_make_room(table, hash, 0, 0); // copies in whatever its values point at
    }
    copy_in(table, segment, value);
    return true;
}

bool wr_table_keep_strings_many(struct wr_table *table, const uint64_t *hashes,
                                const struct wr_keys *keys, uint32_t count, void **values)
{
    if (table->strings == NULL) {
        return true;
    }
    const uint64_t moves   = table->moves;
    bool           is_kept = true;
    table->retires         = true;
    for (uint32_t i = 0; i < count && is_kept; i++) {
        if (WR_UNLIKELY(table->moves != moves)) {
            const struct wr_keys rest = {
                .fixed   = keys->fixed == NULL
                               ? NULL
                               : (const char *)keys->fixed + (size_t)i * (4u << table->key_kind),
                .bytes   = keys->bytes == NULL ? NULL : keys->bytes + i,
                .lengths = keys->lengths == NULL ? NULL : keys->lengths + i,
            };
            table->keys->find_many(table, hashes + i, &rest, 1, values + i, true);
        }
        is_kept = values[i] == NULL || keep_strings(table, hashes[i], values[i]);
    }
    table->retires = false;
    wr_segment_give_retired(table);
    if (table->moves != moves) {
        table->keys->find_many(table, hashes, keys, count, values, true);
    }
    return is_kept;
}
