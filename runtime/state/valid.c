// Walks a table and compares it with the invariants in segment.h.
#include "runtime/state/segment.h"

static bool directory_is_valid(const struct wr_table *table, const struct segment *segment,
                               uint64_t position)
{
    if (segment->depth > table->depth || segment->prefix != position) {
        return false;
    }
    const uint64_t first = position >> table->directory_shift;
    const uint64_t count = (uint64_t)1 << (table->depth - segment->depth);
    const uint32_t shape = segment->is_spilled ? SHAPE_SPILLED : segment->shape;
    for (uint64_t i = first; i < first + count; i++) {
        if (table->directory[i] != ((uintptr_t)segment | shape) ||
            table->marks[i] != table->marks[first]) {
            return false;
        }
    }
    return table->shape_groups[segment->shape] == segment->group_count;
}

// The mark, and that what depends on it is so: see segment.h.
static bool mark_is_valid(const struct wr_table *table, const struct segment *segment,
                          uint64_t position)
{
    const uint8_t mark         = *segment_marks(table, segment);
    const bool    is_unvisited = (mark & MARK_UNVISITED) != 0;
    const bool    is_pending   = (mark & MARK_PENDING) != 0;
    const bool    is_changed   = (mark & MARK_CHANGED) != 0;
    const bool    is_to_come   = table->capture != NULL && position >= table->capture_at;
    return mark <= (MARK_CHANGED | MARK_UNVISITED | MARK_PENDING) &&
           (is_unvisited ? is_to_come : !is_pending) &&
           (segment->undo == NULL || (is_pending && is_changed)) &&
           (is_pending || is_changed || segment->count == segment->place.entries);
}

static bool is_in_heap(const struct segment *segment, const void *bytes, uint32_t length)
{
    const uintptr_t at = (uintptr_t)bytes - (uintptr_t)segment;
    return at >= segment->heap_at && at <= (size_t)segment->heap_at + segment->heap_used &&
           length <= segment->heap_at + segment->heap_used - at;
}

static bool strings_are_valid(const struct wr_table *table, const struct segment *segment,
                              const char *value)
{
    for (uint32_t i = 0; table->strings != NULL && i < table->strings->count; i++) {
        const weir_str *const string =
            (const weir_str *)(const void *)(value + table->strings->offsets[i]);
        if (!weir_str_is_inline(string) &&
            !is_in_heap(segment, string->rest.bytes, string->length)) {
            return false;
        }
    }
    return true;
}

// `home` is what the directory has of the segment: the same, or its header if it is spilled.
static bool slot_is_valid(const struct wr_table *table, const struct segment *segment,
                          const struct segment *home, const char *slot, uint8_t tag, uint64_t *hash)
{
    *hash                       = table->keys->hash_of(table, slot);
    const struct key_view key   = table->keys->key_of(segment, slot);
    const uint64_t        inner = *hash << table->range_bits;
    return (!table->knows_range || table->range_bits == 0 ||
            (*hash ^ table->range) >> (64 - table->range_bits) == 0) &&
           tag == hash_tag(*hash) && segment_of(table, *hash) == home &&
           (segment->depth == 0 || (inner ^ segment->prefix) >> (64 - segment->depth) == 0) &&
           (table->key_kind != WR_KEY_BYTES || is_in_heap(segment, key.bytes, key.length)) &&
           (home->is_spilled || table->keys->find(table, *hash, key) == slot) &&
           strings_are_valid(table, segment, slot + table->value_at);
}

// Checks every slot, and counts in `passed` how many keys went past each group.
static bool slots_are_valid(const struct wr_table *table, const struct segment *segment,
                            const struct segment *home, uint32_t *passed)
{
    const char *const slots = segment_slots(segment, segment->group_count);
    uint32_t          count = 0;
    for (uint32_t index = 0; index < segment->group_count * GROUP_SLOTS; index++) {
        const uint32_t group = index / GROUP_SLOTS;
        const uint8_t *tags  = segment_tags(segment) + (size_t)group * GROUP_TAG_BYTES;
        const uint8_t  tag   = tags[index % GROUP_SLOTS];
        uint64_t       hash;
        if (tag == 0) {
            continue;
        }
        count++;
        if (!slot_is_valid(table, segment, home, slots + (size_t)index * table->slot_bytes, tag,
                           &hash)) {
            return false;
        }
        for (uint32_t at = hash_group(hash, segment->group_count); at != group;
             at          = at + 1 == segment->group_count ? 0 : at + 1) {
            passed[at]++;
        }
    }
    return count == segment->count;
}

static bool segment_is_valid(const struct wr_table *table, const struct segment *home)
{
    if (home == wr_segment_empty) {
        return table->count == 0;
    }
    const struct segment *const segment = home->is_spilled ? wr_spill_peek(table, home) : home;
    if (segment == NULL) {
        return false;
    }
    const size_t slots_end = SEGMENT_HEADER_BYTES + (size_t)segment->group_count * GROUP_TAG_BYTES +
                             (size_t)segment->limit * table->slot_bytes;
    if (segment->count > segment->limit || slots_end > segment->heap_at ||
        segment->heap_at + (size_t)segment->heap_used > segment_block_bytes(segment) ||
        (segment->group_count > 1 && segment->limit >= segment->group_count * GROUP_SLOTS)) {
        return false;
    }
    uint32_t *const passed   = wr_alloc(segment->group_count * sizeof(*passed));
    bool            is_valid = slots_are_valid(table, segment, home, passed);
    for (uint32_t group = 0; group < segment->group_count; group++) {
        uint8_t *const tags     = segment_tags(segment) + (size_t)group * GROUP_TAG_BYTES;
        const uint8_t  overflow = *group_overflow(tags);
        is_valid = is_valid && (overflow == OVERFLOW_STUCK || overflow == passed[group]);
    }
    wr_free(passed);
    return is_valid;
}

bool wr_table_is_valid(const struct wr_table *table)
{
    uint64_t count      = 0;
    size_t   bytes      = 0;
    size_t   undo_bytes = 0;
    uint64_t next       = 0;
    do {
        const uint64_t              position = next;
        const struct segment *const segment  = segment_at(table, position, &next);
        if (!directory_is_valid(table, segment, position) || !segment_is_valid(table, segment) ||
            !mark_is_valid(table, segment, position) ||
            !wr_segment_undo_is_valid(table, segment, &undo_bytes)) {
            return false;
        }
        count += segment->count;
        bytes +=
            segment == wr_segment_empty || segment->is_spilled ? 0 : segment_block_bytes(segment);
    } while (next != 0);
    return count == table->count && bytes == table->segment_bytes &&
           undo_bytes == table->undo_bytes && table->retired == NULL;
}
