// Capturing a table while it is written: marks, undo, the walk over segments.
//
//   step | step | mark | step |c| step |c| step |c| ... |c| over
//                  |            \ the owner's: visits segments, in the order of their prefixes
//                  \ marks only: what was changed has to be packed, all has to be visited
//
// A segment to be packed that is written before its visit keeps an undo: the slots, as they were at
// the mark, of those that were written, freed or taken since.
//
//   undo      | header | masks: a bit a slot, 16 a group | saved slots ...         | free |
//                        set: it was saved, or was free    as they were, in any order
//
// A block of the capture's pool that doubles when it is full. The image is every slot in use
// without its bit, and every saved slot. What slots point at in the segment's heap stays: a heap
// only grows, and before one is begun anew the segment is captured. The same is done where the pool
// has no block for an undo.
//
// Invariants: no segment is UNVISITED while no capture is under way, nor one before `capture_at`;
// only a segment that is PENDING and CHANGED has an undo; one whose mark has neither CHANGED nor
// PENDING holds what lies at its place.
//
// All of it is the owner's.
#include "runtime/state/segment.h"

#define UNDO_SMALLEST ((size_t)512)
#define UNDO_SLOTS    4u           // at least, in the smallest block
#define VISIT_BYTES   ((size_t)64) // what a visit costs beside the bytes packed, as if packed

struct undo {
    size_t   block_bytes;
    uint32_t slots_at; // bytes from the start
    uint32_t capacity; // slots
    uint32_t count;
    uint32_t unused;
    uint16_t masks[];
};

static char *undo_slot(struct undo *undo, const struct wr_table *table, uint32_t i)
{
    return (char *)undo + undo->slots_at + (size_t)i * table->slot_bytes;
}

// ---- marks ----

static uint64_t segment_entries(const struct wr_table *table, const struct segment *segment)
{
    return (uint64_t)1 << (table->depth - segment->depth);
}

static void segment_set_marks(struct wr_table *table, const struct segment *segment, uint8_t mark)
{
    memset(segment_marks(table, segment), mark, segment_entries(table, segment));
}

static void segment_set_changed(struct wr_table *table, const struct segment *segment)
{
    const uint8_t mark = *segment_marks(table, segment);
    if ((mark & MARK_CHANGED) == 0) {
        segment_set_marks(table, segment, mark | MARK_CHANGED);
    }
}

// ---- undo ----

static size_t undo_slots_at(const struct segment *segment)
{
    return wr_round_up(sizeof(struct undo) + segment->group_count * sizeof(uint16_t), 16);
}

// A block twice as large, or the first. False: out of budget.
static bool undo_grow(struct wr_table *table, struct segment *segment)
{
    const struct undo *const old      = segment->undo;
    const size_t             slots_at = undo_slots_at(segment);
    size_t                   bytes    = old == NULL ? UNDO_SMALLEST : 2 * old->block_bytes;
    while (bytes < slots_at + (size_t)UNDO_SLOTS * table->slot_bytes) {
        bytes *= 2;
    }
    struct undo *const undo = wr_pool_take(table->capture->pool, bytes);
    if (undo == NULL) {
        return false;
    }
    if (old == NULL) {
        memset(undo, 0, slots_at);
    } else {
        memcpy(undo, old, slots_at + (size_t)old->count * table->slot_bytes);
        table->undo_bytes -= old->block_bytes;
        wr_pool_give(table->capture->pool, segment->undo, old->block_bytes);
    }
    undo->block_bytes = bytes;
    undo->slots_at    = (uint32_t)slots_at;
    undo->capacity    = (uint32_t)((bytes - slots_at) / table->slot_bytes);
    table->undo_bytes += bytes;
    segment->undo = undo;
    return true;
}

static void undo_give(struct wr_table *table, struct segment *segment)
{
    struct undo *const undo = segment->undo;
    if (undo != NULL) {
        table->undo_bytes -= undo->block_bytes;
        wr_pool_give(table->capture->pool, undo, undo->block_bytes);
        segment->undo = NULL;
    }
}

// False: out of budget.
static bool undo_save(struct wr_table *table, struct segment *segment, uint32_t index)
{
    struct undo   *undo  = segment->undo;
    const uint32_t group = index / GROUP_SLOTS;
    const uint16_t bit   = (uint16_t)(1u << index % GROUP_SLOTS);
    if (undo != NULL && (undo->masks[group] & bit) != 0) {
        return true;
    }
    if (undo == NULL || undo->count == undo->capacity) {
        if (!undo_grow(table, segment)) {
            return false;
        }
        undo = segment->undo;
    }
    const char *const slots = segment_slots(segment, segment->group_count);
    memcpy(undo_slot(undo, table, undo->count), slots + (size_t)index * table->slot_bytes,
           table->slot_bytes);
    undo->count++;
    undo->masks[group] |= bit;
    return true;
}

void wr_segment_save(struct wr_table *table, struct segment *segment, uint32_t index)
{
    if ((*segment_marks(table, segment) & MARK_PENDING) != 0 && !undo_save(table, segment, index)) {
        wr_segment_capture(table, segment);
    }
    segment_set_changed(table, segment);
}

void wr_segment_will_add(struct wr_table *table, struct segment *segment)
{
    if ((*segment_marks(table, segment) & MARK_PENDING) != 0 && segment->undo == NULL &&
        !undo_grow(table, segment)) {
        wr_segment_capture(table, segment);
    }
    segment_set_changed(table, segment);
}

void wr_segment_note_added(struct segment *segment, uint32_t index)
{
    segment->undo->masks[index / GROUP_SLOTS] |= (uint16_t)(1u << index % GROUP_SLOTS);
}

// Up to BATCH_KEYS. A segment that has been made anew meanwhile is CHANGED, so that pointers into
// what it was are not looked at.
void wr_segment_save_many(struct wr_table *table, const uint64_t *hashes, void *const *values,
                          uint32_t count)
{
    struct segment *segments[BATCH_KEYS];
    const void     *pending[BATCH_KEYS];
    uint32_t        pending_count = 0;
    WR_ASSERT(count <= BATCH_KEYS);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t at = directory_index(table, hashes[i]);
        if (table->marks[at] != MARK_CHANGED && values[i] != NULL) {
            segments[pending_count]  = entry_segment(table->directory[at]);
            pending[pending_count++] = values[i];
            __builtin_prefetch(entry_segment(table->directory[at]));
        }
    }
    for (uint32_t i = 0; i < pending_count; i++) {
        __builtin_prefetch(segments[i]->undo, 1);
    }
    for (uint32_t i = 0; i < pending_count; i++) {
        if (segments[i]->undo != NULL) {
            struct undo *const undo = segments[i]->undo;
            __builtin_prefetch(undo_slot(undo, table, undo->count), 1);
        }
    }
    for (uint32_t i = 0; i < pending_count; i++) {
        wr_segment_save(table, segments[i], segment_index(table, segments[i], pending[i]));
    }
}

// ---- images ----

static struct segment_saved segment_saved(const struct wr_table *table,
                                          const struct segment  *segment)
{
    struct undo *const undo = segment->undo;
    return undo == NULL ? (struct segment_saved){ .masks = NULL }
                        : (struct segment_saved){ .masks = undo->masks,
                                                  .slots = undo_slot(undo, table, 0),
                                                  .count = undo->count };
}

// What all hashes of a table have in common is known as soon as there is one.
static void table_set_range(struct wr_table *table, uint64_t hash)
{
    table->range       = hash & ~(UINT64_MAX >> table->range_bits);
    table->knows_range = true;
}

static void table_learn_range(struct wr_table *table)
{
    struct wr_table_cursor cursor = { 0, 0 };
    uint64_t               hash;
    if (!table->knows_range && table->count > 0 &&
        wr_table_next(table, &cursor, 1, NULL, NULL, &hash, NULL) == 1) {
        table_set_range(table, hash);
    }
}

void wr_segment_learn_range(struct wr_table *table, const struct segment *segment)
{
    const uint8_t *const tags = segment_tags(segment);
    if (table->knows_range || segment->count == 0) {
        return;
    }
    uint32_t group = 0;
    while (group_used(tags + (size_t)group * GROUP_TAG_BYTES) == 0) {
        group++;
    }
    const uint32_t used  = group_used(tags + (size_t)group * GROUP_TAG_BYTES);
    const size_t   index = (size_t)group * GROUP_SLOTS + (uint32_t)__builtin_ctz(used);
    const char    *slots = segment_slots(segment, segment->group_count);
    table_set_range(table, table->keys->hash_of(table, slots + index * table->slot_bytes));
}

static struct wr_image segment_image(const struct wr_table *table, const struct segment *segment,
                                     struct wr_image_place place)
{
    WR_ASSERT(table->knows_range);
    return (struct wr_image){
        .prefix  = table->range | segment->prefix >> table->range_bits,
        .depth   = table->range_bits + segment->depth,
        .entries = place.entries,
        .bytes   = place.bytes,
        .place   = place,
    };
}

static void segment_put_unchanged(struct wr_table *table, const struct segment *segment)
{
    if (segment->place.entries > 0) {
        struct wr_image image = segment_image(table, segment, segment->place);
        table->capture->put(table->capture->opaque, &image);
    }
}

static size_t segment_put_packed(struct wr_table *table, struct segment *segment)
{
    if (segment == wr_segment_empty) {
        return 0;
    }
    const struct segment *const held =
        segment->is_spilled ? wr_spill_peek(table, segment) : segment;
    if (held == NULL) {
        return 0; // the spill has said so
    }
    const struct segment_saved saved  = segment_saved(table, segment);
    const struct segment_image weight = wr_segment_weigh_image(table, held, &saved);
    if (weight.entries == 0) {
        segment->place = (struct wr_image_place){ .entries = 0 };
        return 0;
    }
    WR_ASSERT(weight.bytes <= UINT32_MAX); // a segment's block is below 2 GiB
    struct wr_image image = segment_image(
        table, segment,
        (struct wr_image_place){ .bytes = (uint32_t)weight.bytes, .entries = weight.entries });
    image.is_packed = true;
    wr_segment_pack(table, held, &saved, table->capture->room(table->capture->opaque, weight.bytes),
                    weight.bytes);
    table->capture->put(table->capture->opaque, &image);
    WR_ASSERT(image.place.bytes == weight.bytes && image.place.entries == weight.entries);
    segment->place = image.place;
    return weight.bytes;
}

size_t wr_segment_capture(struct wr_table *table, struct segment *segment)
{
    const uint8_t mark  = *segment_marks(table, segment);
    size_t        bytes = 0;
    if ((mark & MARK_UNVISITED) == 0) {
        return 0;
    }
    if ((mark & MARK_PENDING) != 0) {
        bytes = segment_put_packed(table, segment);
        undo_give(table, segment);
    } else {
        segment_put_unchanged(table, segment);
    }
    segment_set_marks(table, segment, mark & MARK_CHANGED);
    return bytes;
}

// ---- captures ----

void wr_table_mark(struct wr_table *table, const struct wr_capture *to)
{
    WR_ASSERT(table->capture == NULL); // one at a time
    table_learn_range(table);
    const uint64_t count = (uint64_t)1 << table->depth;
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t is_changed = table->marks[i] & MARK_CHANGED;
        table->marks[i]          = (uint8_t)(MARK_UNVISITED | is_changed * MARK_PENDING);
    }
    WR_CHECK(table->capture_at == 0);
    table->was_marked = true;
    table->capture    = to;
}

bool wr_table_capture(struct wr_table *table, size_t budget_bytes)
{
    size_t spent = 0;
    if (table->capture == NULL) {
        return true;
    }
    do {
        uint64_t next;
        spent += VISIT_BYTES;
        spent += wr_segment_capture(table, segment_at(table, table->capture_at, &next));
        table->capture_at = next;
    } while (table->capture_at != 0 && spent < budget_bytes);
    if (table->capture_at != 0) {
        return false;
    }
    WR_ASSERT(table->undo_bytes == 0);
    table->capture = NULL;
    return true;
}

bool wr_table_is_captured(const struct wr_table *table) { return table->capture == NULL; }

void wr_table_unmark(struct wr_table *table)
{
    if (table->capture == NULL) {
        return;
    }
    uint64_t next = table->capture_at;
    do {
        struct segment *const segment = segment_at(table, next, &next);
        const uint8_t         mark    = *segment_marks(table, segment);
        undo_give(table, segment);
        segment_set_marks(table, segment,
                          (mark & (MARK_CHANGED | MARK_PENDING)) != 0 ? MARK_CHANGED : 0);
    } while (next != 0);
    WR_ASSERT(table->undo_bytes == 0);
    table->capture_at = 0;
    table->capture    = NULL;
}

void wr_table_touch_file(struct wr_table *table, uint32_t file)
{
    WR_ASSERT(table->capture == NULL); // what it has still to pass on may lie there
    uint64_t next = 0;
    do {
        const struct segment *const segment = segment_at(table, next, &next);
        if (segment->place.entries > 0 && segment->place.file == file) {
            segment_set_changed(table, segment);
        }
    } while (next != 0);
}

size_t wr_table_undo_bytes(const struct wr_table *table) { return table->undo_bytes; }

// ---- checking ----

// Adds the undo's bytes to `bytes`.
bool wr_segment_undo_is_valid(const struct wr_table *table, const struct segment *segment,
                              size_t *bytes)
{
    const struct undo *const undo = segment->undo;
    if (undo == NULL) {
        return true;
    }
    uint32_t noted = 0;
    for (uint32_t group = 0; group < segment->group_count; group++) {
        noted += (uint32_t)__builtin_popcount(undo->masks[group]);
        if (undo->masks[group] >> GROUP_SLOTS != 0) {
            return false;
        }
    }
    *bytes += undo->block_bytes;
    return undo->slots_at == undo_slots_at(segment) && undo->count <= undo->capacity &&
           undo->count <= noted &&
           undo->slots_at + (size_t)undo->capacity * table->slot_bytes <= undo->block_bytes;
}
