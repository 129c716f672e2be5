// Going through all entries of a table, in the order of their hashes' prefixes.
//
// A cursor's `segment` is the prefix where the next segment starts, `slot` the next slot in it. A
// prefix stays the start of a segment when segments split, so that a sweep may be interrupted.
#include "runtime/state/segment.h"

#define WALK_IS_OVER UINT32_MAX

static void cursor_leave_segment(struct wr_table_cursor *cursor, uint64_t next)
{
    cursor->segment = next;
    cursor->slot    = next == 0 ? WALK_IS_OVER : 0;
}

uint32_t wr_table_next(struct wr_table *table, struct wr_table_cursor *cursor, uint32_t count,
                       const void **keys_out, uint32_t *lengths_out, uint64_t *hashes_out,
                       const void **values_out)
{
    uint32_t out = 0;
    while (out < count && cursor->slot != WALK_IS_OVER) {
        uint64_t              next;
        struct segment *const segment =
            table_bring_next(table, segment_at(table, cursor->segment, &next));
        if (WR_UNLIKELY(segment == NULL)) {
            cursor_leave_segment(cursor, 0);
            break;
        }
        const uint32_t group = cursor->slot / GROUP_SLOTS;
        if (group >= segment->group_count) {
            cursor_leave_segment(cursor, next);
            continue;
        }
        char *const slots = segment_slots(segment, segment->group_count) +
                            (size_t)group * GROUP_SLOTS * table->slot_bytes;
        uint32_t used = group_used(segment_tags(segment) + (size_t)group * GROUP_TAG_BYTES);
        used          = used >> cursor->slot % GROUP_SLOTS << cursor->slot % GROUP_SLOTS;
        for (; used != 0 && out < count; used &= used - 1, out++) {
            char *const slot = slots + (size_t)__builtin_ctz(used) * table->slot_bytes;
            if (keys_out != NULL || lengths_out != NULL) {
                const struct key_view key = table->keys->key_of(segment, slot);
                if (keys_out != NULL) {
                    keys_out[out] = key.bytes;
                }
                if (lengths_out != NULL) {
                    lengths_out[out] = key.length;
                }
            }
            if (hashes_out != NULL) {
                hashes_out[out] = table->keys->hash_of(table, slot);
            }
            if (values_out != NULL) {
                values_out[out] = slot + table->value_at;
            }
        }
        cursor->slot =
            group * GROUP_SLOTS + (used != 0 ? (uint32_t)__builtin_ctz(used) : GROUP_SLOTS);
    }
    return out;
}

bool wr_table_sweep(struct wr_table *table, struct wr_table_cursor *cursor, uint32_t budget,
                    bool (*keep)(void *opaque, const void *key, uint32_t length, const void *value),
                    void *opaque)
{
    uint32_t seen = 0;
    while (cursor->slot != WALK_IS_OVER && seen < budget) {
        uint64_t              next;
        struct segment *const segment =
            table_bring_next(table, segment_at(table, cursor->segment, &next));
        if (WR_UNLIKELY(segment == NULL)) {
            cursor_leave_segment(cursor, 0);
            break;
        }
        const uint32_t group_count = segment->group_count;
        char *const    slots       = segment_slots(segment, group_count);
        for (uint32_t group = 0; group < group_count; group++) {
            const uint8_t *const tags = segment_tags(segment) + (size_t)group * GROUP_TAG_BYTES;
            for (uint32_t used = group_used(tags); used != 0; used &= used - 1) {
                const uint32_t        index = group * GROUP_SLOTS + (uint32_t)__builtin_ctz(used);
                char *const           slot  = slots + (size_t)index * table->slot_bytes;
                const struct key_view key   = table->keys->key_of(segment, slot);
                seen++;
                if (!keep(opaque, key.bytes, key.length, slot + table->value_at)) {
                    wr_segment_erase(table, segment, index, table->keys->hash_of(table, slot));
                }
            }
        }
        wr_segment_shrink(table, segment);
        cursor_leave_segment(cursor, next);
    }
    return cursor->slot == WALK_IS_OVER;
}
