// What a segment looks like inside. Private to runtime/state.
//
//   block   | header | tags: 16 bytes a group | slots: 15 a group | heap, filled from its start |
//   tags    | tag of slot 0 | ... | tag of slot 14 | overflow |    0: the slot is free
//   slot    | key | hash, if stored | value |                      stride: slot_bytes
//   hash    | range_bits | depth bits: directory | ... | 8 bits: tag | 24 bits: group |
//                                                      bit 32 upwards
//
// A key stands in its home group or, where that was full, in one of the next (around the end).
// `overflow` of a group counts the keys that went past it when they came; a key that leaves takes
// itself off again, so that no tombstones are left. At 255 it sticks until the segment is made
// anew. A search ends at a group with overflow 0. (After F14, Facebook's hash table.)
//
// An entry of the directory is the segment's address with, in its low 6 bits, the segment's shape:
// the table knows a shape's count of groups without touching the segment. Where nothing has been
// added yet the directory points at one shared empty segment, which nobody writes.
//
// Beside the directory stands a mark for each of its entries, the same for all entries of one
// segment: what a write to the segment has to do first, and what a capture (capture.c) finds.
//
//   CHANGED               since it was last captured: nothing more to do. Always, without captures.
//   (none)                lies at its place as it is
//   UNVISITED             the same, and the capture under way has not come by
//   UNVISITED, CHANGED    at the mark it lay at its place as it was; it has been written since
//   UNVISITED, PENDING    at the mark it was changed, so that it has to be packed
//   UNVISITED, PENDING, CHANGED    and it has been written since: the old slots are in its undo
//
// Invariants: slots in use <= limit; limit < 15 * groups if there is more than one group, so that a
// free slot is always found; all of a segment's keys agree in range_bits + depth top bits;
// heap_used <= heap_bytes. A segment's share of the directory is 2^(table depth - segment depth)
// entries in a row.
#ifndef WR_SEGMENT_H
#define WR_SEGMENT_H

#include "runtime/state/spill.h"
#include "runtime/state/state.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define GROUP_SLOTS      15u
#define GROUP_TAG_BYTES  16u
#define OVERFLOW_STUCK   255u
#define SHAPE_COUNT      64u
#define SEGMENT_SMALLEST ((size_t)512)
#define SEGMENT_USUAL    ((size_t)64 << 10) // the largest that is not there for a special reason
#define SEGMENT_SMALL    ((size_t)4 << 10)  // the same where one key costs a read of all of it
#define HASH_PREFIX_BITS 32u                // the directory sees no bit below these
#define SHAPE_SPILLED    (SHAPE_COUNT - 1)  // of a segment that is in a file; no other has it

// Keys fetched together: enough to cover the latency of memory, few enough for the processor's
// outstanding misses.
#define BATCH_KEYS 32u
// A table of up to so many bytes is taken to stay in the second-level cache.
#define NEAR_BYTES ((size_t)256 << 10)

#define MARK_CHANGED   1u
#define MARK_UNVISITED 2u
#define MARK_PENDING   4u

struct undo;

struct segment {
    uint32_t count;
    uint32_t limit;
    uint64_t prefix; // the bits after range_bits, at the top; zeros below depth
    uint32_t group_count;
    uint32_t heap_at; // bytes from the start of the segment, up to its end
    uint32_t heap_used;
    uint8_t  depth;
    uint8_t  shape;
    uint8_t  block_log2;
    bool     is_spilled; // this header is all of it that is in memory; see spill.c
    union {
        struct undo    *undo; // of a segment in the directory: NULL unless pending and changed
        struct segment *next_retired;
    };
    struct wr_image_place place; // of its last image; no entries: it has none
};
#define SEGMENT_HEADER_BYTES ((size_t)64)
_Static_assert(sizeof(struct segment) <= SEGMENT_HEADER_BYTES, "the header has its line");

// A key of WR_KEY_BYTES in its slot.
struct bytes_key {
    uint64_t hash;
    uint32_t at; // bytes from the start of the segment
    uint32_t length;
};

struct key_view {
    const void *bytes;
    uint32_t    length;
};

// What entries take: their count, and the bytes of their keys and strings in the heap.
struct segment_load {
    uint32_t count;
    size_t   heap_bytes;
};

// What depends on the kind of key; table_keys.inl.h makes four of these.
struct table_keys_ops {
    // What batches hand out for writing has been saved for the capture under way.
    uint32_t (*resolve_many)(struct wr_table *table, const uint64_t *hashes,
                             const struct wr_keys *keys, uint32_t count, void **values,
                             uint8_t *is_new);
    void (*find_many)(struct wr_table *table, const uint64_t *hashes, const struct wr_keys *keys,
                      uint32_t count, void **values, bool writes);
    // The slot, or NULL. Not saved, except that a slot which is made is noted.
    char *(*resolve)(struct wr_table *table, uint64_t hash, struct key_view key, bool *is_new);
    char *(*find)(const struct wr_table *table, uint64_t hash, struct key_view key);
    uint64_t (*hash_of)(const struct wr_table *table, const char *slot);
    struct key_view (*key_of)(const struct segment *segment, const char *slot);
    // Adds the entries of `segment` to loads[0], or, where bit `bit` of the hash is one, to
    // loads[1].
    void (*weigh)(const struct wr_table *table, const struct segment *segment, uint32_t bit,
                  struct segment_load loads[2]);
    // Copies the entries of `from` to `low`, or, where `high` is not NULL and bit `bit` of the hash
    // is one, to `high`. Both are empty and have room.
    void (*move)(const struct wr_table *table, const struct segment *from, struct segment *low,
                 struct segment *high, uint32_t bit);
};

struct wr_table {
    // read for every key
    uintptr_t *directory; // 2^depth segments with their shapes
    uint8_t   *marks;     // of each of them; in the same memory
    uint32_t   range_bits;
    uint32_t   directory_shift; // 64 - depth
    uint32_t   slot_bytes;
    uint32_t   value_at; // in the slot
    uint32_t   hash_at;  // in the slot, where stores_hash
    bool       stores_hash;
    bool       was_marked; // ever: else all marks are CHANGED
    bool       is_watched; // its segments may be, or become, spilled: whoever uses one tells
    uint64_t   seed;
    uint64_t   moves; // counts segments made anew: pointers taken before may be void
    uint32_t   shape_groups[SHAPE_COUNT];

    // the rest
    uint32_t                    *uses; // of each directory entry; see spill.c. NULL: none can spill
    struct wr_spill             *spill;           // NULL: the same
    struct wr_table             *next, *previous; // of the spill
    const struct table_keys_ops *keys;
    struct wr_pool              *pool;
    const struct wr_strings     *strings;
    uint64_t                     count;
    size_t                       segment_bytes; // in memory
    size_t                       usual_bytes;   // a segment's; see SEGMENT_USUAL
    uint32_t                     value_size;
    uint32_t                     depth; // of the directory, at least 1
    enum wr_key_kind             key_kind;
    bool                         has_heap;
    bool                         retires; // segments left behind stay readable for now
    struct segment              *retired;

    // the capture under way; see capture.c
    const struct wr_capture *capture;    // NULL: there is none
    uint64_t                 capture_at; // the prefix of the next segment to visit; else 0
    size_t                   undo_bytes;
    uint64_t                 range; // the range_bits top bits of every hash, once known
    bool                     knows_range;
};

extern const struct table_keys_ops wr_table_keys_ops[4];

// ---- from hash to slot ----

static inline uint64_t directory_index(const struct wr_table *table, uint64_t hash)
{
    return (hash << table->range_bits) >> table->directory_shift;
}

static inline struct segment *entry_segment(uintptr_t entry)
{
    return (struct segment *)(entry & ~(uintptr_t)(SHAPE_COUNT - 1));
}

static inline struct segment *segment_of(const struct wr_table *table, uint64_t hash)
{
    return entry_segment(table->directory[directory_index(table, hash)]);
}

static inline size_t segment_block_bytes(const struct segment *segment)
{
    return (size_t)1 << segment->block_log2;
}

static inline size_t segment_heap_room(const struct segment *segment)
{
    return segment_block_bytes(segment) - segment->heap_at - segment->heap_used;
}

// The mark of the first of the segment's directory entries; the others are equal.
static inline uint8_t *segment_marks(const struct wr_table *table, const struct segment *segment)
{
    return table->marks + (segment->prefix >> table->directory_shift);
}

static inline uint8_t hash_tag(uint64_t hash)
{
    const uint8_t tag = (uint8_t)(hash >> 24);
    return (uint8_t)(tag + (tag == 0));
}

static inline uint32_t hash_group(uint64_t hash, uint32_t group_count)
{
    return (uint32_t)(((hash & 0xffffff) * group_count) >> 24);
}

static inline uint8_t *segment_tags(const struct segment *segment)
{
    return (uint8_t *)(uintptr_t)segment + SEGMENT_HEADER_BYTES;
}

static inline char *segment_slots(const struct segment *segment, uint32_t group_count)
{
    return (char *)segment_tags(segment) + (size_t)group_count * GROUP_TAG_BYTES;
}

// Bit i: slot i of the group has this tag (0: is free).
static inline uint32_t group_match(const uint8_t *tags, uint8_t tag)
{
#if defined(__SSE2__)
    const __m128i have = _mm_loadu_si128((const __m128i *)(const void *)tags);
    const __m128i same = _mm_cmpeq_epi8(have, _mm_set1_epi8((char)tag));
    return (uint32_t)_mm_movemask_epi8(same) & ((1u << GROUP_SLOTS) - 1);
#else
    uint32_t match = 0;
    for (uint32_t i = 0; i < GROUP_SLOTS; i++) {
        match |= (uint32_t)(tags[i] == tag) << i;
    }
    return match;
#endif
}

static inline uint32_t group_used(const uint8_t *tags)
{
    return group_match(tags, 0) ^ ((1u << GROUP_SLOTS) - 1);
}

static inline uint8_t *group_overflow(uint8_t *tags) { return tags + GROUP_SLOTS; }

// Takes a free slot for `hash`: there is one (count < limit).
static inline char *segment_place(const struct wr_table *table, struct segment *segment,
                                  uint64_t hash)
{
    uint8_t *const tags  = segment_tags(segment);
    uint32_t       group = hash_group(hash, segment->group_count);
    uint32_t       is_free;
    while ((is_free = group_match(tags + (size_t)group * GROUP_TAG_BYTES, 0)) == 0) {
        uint8_t *const overflow = group_overflow(tags + (size_t)group * GROUP_TAG_BYTES);
        *overflow               = (uint8_t)(*overflow + (*overflow < OVERFLOW_STUCK));
        group                   = group + 1 == segment->group_count ? 0 : group + 1;
    }
    const uint32_t place                          = (uint32_t)__builtin_ctz(is_free);
    tags[(size_t)group * GROUP_TAG_BYTES + place] = hash_tag(hash);
    segment->count++;
    return segment_slots(segment, segment->group_count) +
           ((size_t)group * GROUP_SLOTS + place) * table->slot_bytes;
}

// The number of the slot that has its value there.
static inline uint32_t segment_index(const struct wr_table *table, const struct segment *segment,
                                     const void *value)
{
    const char *const slots  = segment_slots(segment, segment->group_count);
    const size_t      offset = (size_t)((const char *)value - table->value_at - slots);
    WR_ASSERT(offset < segment_block_bytes(segment)); // a value of this segment
    const uint32_t index = (uint32_t)offset / table->slot_bytes;
    WR_ASSERT(index < segment->group_count * GROUP_SLOTS &&
              (uint32_t)offset == index * table->slot_bytes);
    return index;
}

// ---- capture.c ----

// Before slot `index`, which is in use, is written or freed, unless the mark is CHANGED.
void wr_segment_save(struct wr_table *table, struct segment *segment, uint32_t index);
// The same for what a batch found; values may be NULL.
void wr_segment_save_many(struct wr_table *table, const uint64_t *hashes, void *const *values,
                          uint32_t count);
// Before a free slot is taken, unless the mark is CHANGED; and after it, if the segment has undo.
void wr_segment_will_add(struct wr_table *table, struct segment *segment);
void wr_segment_note_added(struct segment *segment, uint32_t index);
// Hands the segment's image to the capture under way, if that has not come by: before the segment
// is made anew, or bytes that its slots point at go. Returns the bytes packed.
size_t wr_segment_capture(struct wr_table *table, struct segment *segment);
bool   wr_segment_undo_is_valid(const struct wr_table *table, const struct segment *segment,
                                size_t *bytes);

static inline void segment_save_at(struct wr_table *table, uint64_t hash, const void *value)
{
    if (WR_UNLIKELY(table->marks[directory_index(table, hash)] != MARK_CHANGED)) {
        struct segment *const segment = segment_of(table, hash);
        wr_segment_save(table, segment, segment_index(table, segment, value));
    }
}

// Before the segment is out of sight: what all hashes of a table have in common, a mark must know.
void wr_segment_learn_range(struct wr_table *table, const struct segment *segment);

// ---- spill.c: of tables that have a spill ----

// The segments of these hashes are in memory, and stay until the next wr_spill_release. `writes`:
// pointers for writing will be taken. False: one could not be read; see wr_spill_options.
bool wr_spill_bring_many(struct wr_table *table, const uint64_t *hashes, uint32_t count,
                         bool writes);
static inline bool table_bring_many(struct wr_table *table, const uint64_t *hashes, uint32_t count,
                                    bool writes)
{
    return WR_LIKELY(!table->is_watched) || wr_spill_bring_many(table, hashes, count, writes);
}
// The same for one that a walk has come to, for reading: the segment in its place, or NULL.
struct segment               *wr_spill_bring_next(struct wr_table *table, struct segment *segment);
static inline struct segment *table_bring_next(struct wr_table *table, struct segment *segment)
{
    return WR_LIKELY(!table->is_watched) ? segment : wr_spill_bring_next(table, segment);
}
// A spilled segment as it would be in memory, until the next call; NULL: it could not be read.
const struct segment *wr_spill_peek(const struct wr_table *table, const struct segment *segment);
// Before a segment in memory is written or made anew: the file's copy of it is one no more.
void               wr_spill_forget(struct wr_table *table, const struct segment *segment);
static inline void segment_forget_copy(struct wr_table *table, const struct segment *segment)
{
    if (WR_UNLIKELY(table->uses != NULL)) {
        wr_spill_forget(table, segment);
    }
}
void wr_spill_note_made(struct wr_table *table, const struct segment *segment);
// A block for a segment; others go for it.
void *wr_spill_take(struct wr_spill *spill, size_t bytes);
bool  wr_spill_has_room(const struct wr_spill *spill, size_t bytes); // without others going
// With its table: a spilled segment goes for ever.
void wr_spill_drop(struct wr_table *table, struct segment *segment);
void wr_spill_add_table(struct wr_spill *spill, struct wr_table *table);
void wr_spill_remove_table(struct wr_table *table);

// ---- pack.c ----

// Slots that hold what the capture under way must see in place of what the segment holds now.
struct segment_saved {
    const uint16_t *masks; // a bit a slot, a mask a group: that slot is not to be looked at
    const char     *slots; // what stands for them, where they were in use at the mark
    uint32_t        count;
};
struct segment_image {
    uint32_t entries;
    size_t   bytes;
};
struct segment_image wr_segment_weigh_image(const struct wr_table      *table,
                                            const struct segment       *segment,
                                            const struct segment_saved *saved);
void                 wr_segment_pack(const struct wr_table *table, const struct segment *segment,
                                     const struct segment_saved *saved, void *to, size_t bytes);

// ---- segment.c ----

extern struct segment *const wr_segment_empty;

// Makes the segment of `hash` anew, alone or as two, so that `entries` more with `bytes` more of
// heap find room in it, or fewer are in their way: call again until they do. False: out of budget.
bool wr_segment_make_room(struct wr_table *table, uint64_t hash, uint32_t entries, size_t bytes);
// Makes a segment smaller that has become mostly empty, if there is budget to do so.
void wr_segment_shrink(struct wr_table *table, struct segment *segment);
// Frees slot `index` (group * 15 + place in it).
void wr_segment_erase(struct wr_table *table, struct segment *segment, uint32_t index,
                      uint64_t hash);
void wr_segment_give(struct wr_table *table, struct segment *segment);
void wr_segment_give_retired(struct wr_table *table);
// Points all directory entries of its prefix at the segment, which counts as changed.
void wr_segment_enter(struct wr_table *table, const struct segment *segment);
// The same with a new one that has no entries; NULL: out of budget.
struct segment *wr_segment_add_empty(struct wr_table *table, uint64_t prefix, uint32_t depth);
void            wr_segment_shapes_init(struct wr_table *table);
// Memory for 2^depth entries, their marks and uses, all zeros; the one before is the caller's.
void wr_segment_directory_open(struct wr_table *table, uint32_t depth);
void wr_segment_directory_close(struct wr_table *table);
#define WR_DIRECTORY_ENTRY_BYTES (sizeof(uintptr_t) + 1)

// The first segment at or after `position`, a prefix at the top of 64 bits; sets the position after
// it, 0 at the end of the table.
static inline struct segment *segment_at(const struct wr_table *table, uint64_t position,
                                         uint64_t *next)
{
    struct segment *const segment =
        entry_segment(table->directory[position >> table->directory_shift]);
    *next = segment->depth == 0 ? 0 : position + ((uint64_t)1 << (64 - segment->depth));
    return segment;
}

#endif // WR_SEGMENT_H
