// Adopting: a table takes over the segments of others, as they are, when tasks become more or
// fewer.
//
//   before   | task 0 of 2: segment segment segment | task 1 of 2: segment segment |
//   after    | 0 of 4: segment | 1 of 4: segment ...
//
// A segment whose hashes all belong to the new table changes hands without being looked into: its
// block goes from pool to pool. Of one that lies across a border each side takes its own entries,
// copied; there is at most one a border and table, unless the table is that small as a whole.
// Tables that spill are copied altogether, their segments in files one after the other.
#include "runtime/state/segment.h"
#include "runtime/state/slices.h"

#define AHEAD 16u // entries of the directory from the segment visited to the one fetched

struct adoption {
    struct wr_table      *to;
    struct wr_hash_range  range;      // of hashes that belong to it
    const struct wr_part *moved_from; // the last part whose segments change hands; NULL: none
};

// ---- where a segment lies among all hashes ----

static struct wr_hash_range segment_range(const struct wr_part *part, const struct segment *segment)
{
    const uint32_t bits   = part->table->range_bits;
    const uint64_t top    = bits == 0 ? 0 : part->range.first & ~(UINT64_MAX >> bits);
    const uint32_t depth  = bits + segment->depth;
    const uint64_t prefix = top | segment->prefix >> bits;
    return (struct wr_hash_range){ prefix, depth == 0    ? UINT64_MAX
                                           : depth == 64 ? prefix
                                                         : prefix | UINT64_MAX >> depth };
}

static bool lies_in(struct wr_hash_range range, struct wr_hash_range other)
{
    return range.first >= other.first && range.last <= other.last;
}

// It changes hands. A segment may reach over the end of its own table's range, where another part's
// begins; that one is copied too.
static bool is_within(const struct adoption *adoption, const struct wr_part *part,
                      const struct segment *segment)
{
    const struct wr_hash_range range = segment_range(part, segment);
    return part->table->spill == NULL && adoption->to->spill == NULL &&
           lies_in(range, adoption->range) && lies_in(range, part->range) &&
           part->table->range_bits + segment->depth >= adoption->to->range_bits;
}

static bool is_across(const struct adoption *adoption, const struct wr_part *part,
                      const struct segment *segment)
{
    const struct wr_hash_range range = segment_range(part, segment);
    return range.first <= adoption->range.last && range.last >= adoption->range.first &&
           !is_within(adoption, part, segment);
}

// ---- moving ----

// Calls `visit` for each segment of the part that is still there. False: a call was.
static bool each_segment(struct adoption *adoption, const struct wr_part *part,
                         bool (*visit)(struct adoption *adoption, const struct wr_part *part,
                                       struct segment *segment))
{
    const struct wr_table *table = part->table;
    const uint64_t         count = (uint64_t)1 << table->depth;
    for (uint64_t i = 0; i < count;) {
        if (i + AHEAD < count) {
            __builtin_prefetch(entry_segment(table->directory[i + AHEAD]));
        }
        struct segment *const segment = entry_segment(table->directory[i]);
        if (segment == wr_segment_empty) {
            return true; // it has never had another
        }
        if (segment == NULL) {
            i++;
            continue;
        }
        i += (uint64_t)1 << (table->depth - segment->depth);
        if (!visit(adoption, part, segment)) {
            return false;
        }
    }
    return true;
}

static bool note_depth(struct adoption *adoption, const struct wr_part *part,
                       struct segment *segment)
{
    if (is_within(adoption, part, segment)) {
        struct wr_table *const to    = adoption->to;
        const uint32_t         depth = part->table->range_bits + segment->depth - to->range_bits;
        to->depth                    = depth > to->depth ? depth : to->depth;
        if (adoption->moved_from != part) {
            adoption->moved_from = part;
            wr_pool_inherit(to->pool, part->table->pool);
        }
    }
    return true;
}

static bool move_segment(struct adoption *adoption, const struct wr_part *part,
                         struct segment *segment)
{
    struct wr_table *const from = part->table;
    struct wr_table *const to   = adoption->to;
    if (!is_within(adoption, part, segment)) {
        return true;
    }
    const uint64_t first = segment->prefix >> from->directory_shift;
    const uint64_t count = (uint64_t)1 << (from->depth - segment->depth);
    memset(from->directory + first, 0, count * sizeof(*from->directory));
    const size_t bytes = segment_block_bytes(segment);
    from->segment_bytes -= bytes;
    from->count -= segment->count;
    wr_pool_take_over(to->pool, from->pool, segment, bytes);

    segment->prefix = segment_range(part, segment).first << to->range_bits;
    segment->depth  = (uint8_t)(from->range_bits + segment->depth - to->range_bits);
    segment->place  = (struct wr_image_place){ .entries = 0 };
    segment->undo   = NULL;
    to->segment_bytes += bytes;
    to->count += segment->count;
    wr_segment_enter(to, segment);
    return true;
}

// How many entries from `first` on, up to `most`, have no segment.
static uint64_t gap_length(const struct wr_table *to, uint64_t first, uint64_t most)
{
    uint64_t length = 0;
    while (length < most && to->directory[first + length] == 0) {
        length++;
    }
    return length;
}

// Where nothing came from, a segment must stand all the same: as large ones as fit.
static bool fill_gaps(struct wr_table *to)
{
    const uint64_t count = (uint64_t)1 << to->depth;
    for (uint64_t i = 0; i < count;) {
        const struct segment *segment = entry_segment(to->directory[i]);
        if (segment == NULL) {
            const uint64_t length = gap_length(to, i, count - i);
            uint32_t       log2   = 0;
            while (log2 < to->depth && i % ((uint64_t)2 << log2) == 0 &&
                   (uint64_t)2 << log2 <= length) {
                log2++;
            }
            segment = wr_segment_add_empty(to, i << to->directory_shift, to->depth - log2);
            if (segment == NULL) {
                return false;
            }
        }
        i += (uint64_t)1 << (to->depth - segment->depth);
    }
    return true;
}

// ---- copying ----

static bool copy_across(struct adoption *adoption, const struct wr_part *part,
                        struct segment *segment)
{
    if (segment->count == 0 || !is_across(adoption, part, segment)) {
        return true;
    }
    const struct wr_hash_range all = segment_range(part, segment);
    const struct segment      *from =
        segment->is_spilled ? wr_spill_peek(part->table, segment) : segment;
    const struct segment_saved none = { .count = 0 };
    if (from == NULL) {
        return false; // and the table's owner knows
    }
    const struct segment_image image = wr_segment_weigh_image(part->table, from, &none);
    const struct wr_image      shape = {
             .prefix  = all.first,
             .depth   = part->table->range_bits + segment->depth,
             .entries = image.entries,
    };
    char *packed = wr_alloc(image.bytes + 1);
    wr_segment_pack(part->table, from, &none, packed, image.bytes);
    const enum wr_unpack unpacked =
        wr_table_unpack(adoption->to, packed, image.bytes, &shape, adoption->range, NULL);
    wr_free(packed);
    WR_ASSERT(unpacked == WR_UNPACK_DONE || unpacked == WR_UNPACK_OUT_OF_BUDGET);
    return unpacked == WR_UNPACK_DONE;
}

// ---- tables ----

static void directory_make(struct wr_table *to, uint32_t depth)
{
    wr_free(to->directory);
    wr_segment_directory_open(to, depth);
    memset(to->directory, 0, ((uint64_t)1 << depth) * sizeof(*to->directory));
}

bool wr_table_adopt(struct wr_table *to, struct wr_hash_range range, const struct wr_part *parts,
                    uint32_t count)
{
    struct adoption adoption = { .to = to, .range = range };
    const uint32_t  depth    = to->depth;
    WR_ASSERT(to->count == 0 && to->segment_bytes == 0 && !to->was_marked);
    for (uint32_t i = 0; i < count; i++) {
        WR_ASSERT(wr_table_is_captured(parts[i].table) && parts[i].table->retired == NULL);
        (void)each_segment(&adoption, &parts[i], note_depth);
    }
    if (adoption.moved_from != NULL) {
        directory_make(to, to->depth);
        for (uint32_t i = 0; i < count; i++) {
            (void)each_segment(&adoption, &parts[i], move_segment);
        }
        if (!fill_gaps(to)) {
            return false;
        }
    } else {
        to->depth = depth;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!each_segment(&adoption, &parts[i], copy_across)) {
            return false;
        }
    }
    return true;
}

// ---- slices ----

// Of all parts the first start after `last`; false: there is none.
static bool next_start(const struct wr_slices_part *parts, uint32_t count, bool is_first,
                       weir_time last, weir_time *start)
{
    bool is_any = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct wr_slices *slices = parts[i].slices;
        for (uint32_t k = slices->first; k < slices->end; k++) {
            const weir_time at = slices->spans[k].start;
            if ((is_first || at > last) && (!is_any || at < *start)) {
                *start = at;
                is_any = true;
            }
        }
    }
    return is_any;
}

bool wr_slices_adopt(struct wr_slices *to, struct wr_hash_range range,
                     const struct wr_slices_part *parts, uint32_t count)
{
    struct wr_part *tables  = wr_alloc((count + 1) * sizeof(*tables));
    weir_time       start   = 0;
    bool            is_good = true;
    for (bool is_first = true; is_good && next_start(parts, count, is_first, start, &start);
         is_first      = false) {
        uint32_t table_count = 0;
        for (uint32_t i = 0; i < count; i++) {
            struct wr_table *table = wr_slices_find(parts[i].slices, start);
            if (table != NULL) {
                tables[table_count++] = (struct wr_part){ table, parts[i].range };
            }
        }
        is_good = wr_table_adopt(wr_slices_add(to, start), range, tables, table_count);
    }
    wr_free(tables);
    return is_good;
}
