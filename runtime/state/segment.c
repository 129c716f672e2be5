// Making segments: their shapes, growing, splitting, compacting, shrinking.
//
// A segment that lacks room is always made anew, as one or as two, in new blocks; what is no longer
// pointed at in its heap is left behind. Which it will be follows from a plan: the smallest block
// in which the entries have some air. Up to 64 KiB that block is taken; beyond, the segment splits,
// unless one side would get more than three quarters of it.
#include "runtime/state/segment.h"

struct segment_plan {
    size_t   block_bytes; // 0: there is none that large
    uint32_t shape;
    uint32_t group_count;
    uint32_t limit;
    size_t   heap_at;
};

static const struct {
    _Alignas(64) struct segment header;
    _Alignas(64) uint8_t tags[GROUP_TAG_BYTES];
} empty_segment = { .header = { .group_count = 1 } };

struct segment *const wr_segment_empty = (struct segment *)(uintptr_t)&empty_segment;

// ---- shapes ----

static size_t groups_bytes(const struct wr_table *table, uint32_t group_count)
{
    return group_count * (GROUP_TAG_BYTES + (size_t)GROUP_SLOTS * table->slot_bytes);
}

// Without a heap, shape s is what a block of 2^s bytes holds. With one, blocks share their bytes
// between slots and heap, and shapes are 1, 2, 3, 4, 6, 8, 12, ... groups.
void wr_segment_shapes_init(struct wr_table *table)
{
    for (uint32_t s = 0; s < SHAPE_COUNT; s++) {
        uint64_t groups;
        if (table->has_heap) {
            groups = s == 0 ? 1 : s % 2 == 1 ? 1ull << (s + 1) / 2 : 3ull << (s / 2 - 1);
        } else {
            const uint64_t bytes = 1ull << s;
            groups               = bytes <= SEGMENT_HEADER_BYTES
                                       ? 1
                                       : (bytes - SEGMENT_HEADER_BYTES) / groups_bytes(table, 1);
        }
        groups                 = groups < 1 ? 1 : groups;
        table->shape_groups[s] = groups > UINT32_MAX ? UINT32_MAX : (uint32_t)groups;
    }
    table->shape_groups[SHAPE_SPILLED] = 1; // whose slots are free
}

// How many slots may be in use: 25/32 to 29/32 of them, depending on the prefix, so that segments
// that grow alike do not split in the same moment. A single group may be full.
static uint32_t limit_of(uint32_t group_count, uint64_t prefix, uint32_t depth)
{
    const uint64_t slots = (uint64_t)group_count * GROUP_SLOTS;
    if (group_count == 1) {
        return GROUP_SLOTS;
    }
    const uint64_t number = depth == 0 ? 0 : prefix >> (64 - depth);
    const uint64_t share  = number * 0x9e3779b97f4a7c15u >> 32; // of 2^32; evenly spread
    return (uint32_t)(slots * 25 / 32 + (slots * 4 / 32 * share >> 32));
}

// In a block of `block_bytes`; false if it is too small.
static bool plan_without_heap(const struct wr_table *table, struct segment_plan *plan,
                              uint32_t entries, uint64_t prefix, uint32_t depth)
{
    const size_t room = plan->block_bytes - SEGMENT_HEADER_BYTES - GROUP_TAG_BYTES;
    plan->shape       = (uint32_t)__builtin_ctzll(plan->block_bytes);
    plan->group_count = table->shape_groups[plan->shape];
    plan->limit       = limit_of(plan->group_count, prefix, depth);
    if (plan->group_count == 1 && room / table->slot_bytes < plan->limit) {
        plan->limit = (uint32_t)(room / table->slot_bytes);
    }
    plan->heap_at = plan->block_bytes;
    return plan->limit >= entries;
}

static bool plan_with_heap(const struct wr_table *table, struct segment_plan *plan,
                           uint32_t entries, size_t heap_bytes, uint64_t prefix, uint32_t depth)
{
    const size_t room = plan->block_bytes - SEGMENT_HEADER_BYTES;
    if (heap_bytes > 0 && heap_bytes < room / 16) {
        heap_bytes = room / 16;
    }
    plan->shape = 0;
    while (limit_of(table->shape_groups[plan->shape], prefix, depth) < entries) {
        plan->shape++;
    }
    const size_t least = plan->shape == 0 ? GROUP_TAG_BYTES + (size_t)entries * table->slot_bytes
                                          : groups_bytes(table, table->shape_groups[plan->shape]);
    if (least + heap_bytes > room) {
        return false;
    }
    // What is left goes to slots and heap in proportion.
    const double share       = (double)least / (double)(least + heap_bytes);
    const size_t fair        = (size_t)((double)room * share);
    const size_t slots_bytes = fair > least ? fair : least;
    while (plan->shape + 1 < SHAPE_COUNT &&
           groups_bytes(table, table->shape_groups[plan->shape + 1]) <= slots_bytes) {
        plan->shape++;
    }
    plan->group_count = table->shape_groups[plan->shape];
    plan->limit       = limit_of(plan->group_count, prefix, depth);
    plan->heap_at     = SEGMENT_HEADER_BYTES + groups_bytes(table, plan->group_count);
    if (plan->group_count == 1) {
        const size_t places = (slots_bytes - GROUP_TAG_BYTES) / table->slot_bytes;
        plan->limit         = places < plan->limit ? (uint32_t)places : plan->limit;
        plan->heap_at =
            SEGMENT_HEADER_BYTES + GROUP_TAG_BYTES + (size_t)plan->limit * table->slot_bytes;
    }
    return true;
}

// The smallest block for `load` with an eighth more entries and a quarter more heap.
static struct segment_plan plan_for(const struct wr_table *table, struct segment_load load,
                                    uint64_t prefix, uint32_t depth)
{
    struct segment_plan plan    = { .block_bytes = SEGMENT_SMALLEST };
    const uint32_t      entries = load.count + load.count / 8;
    const size_t        bytes   = load.heap_bytes + load.heap_bytes / 4;
    while (plan.block_bytes < (size_t)1 << 32) {
        if (table->has_heap ? plan_with_heap(table, &plan, entries, bytes, prefix, depth)
                            : plan_without_heap(table, &plan, entries, prefix, depth)) {
            return plan;
        }
        plan.block_bytes *= 2;
    }
    return (struct segment_plan){ .block_bytes = 0 };
}

// ---- blocks ----

static struct segment *segment_take(struct wr_table *table, const struct segment_plan *plan,
                                    uint64_t prefix, uint32_t depth)
{
    struct segment *const segment = plan->block_bytes == 0 ? NULL
                                    : table->spill == NULL
                                        ? wr_pool_take(table->pool, plan->block_bytes)
                                        : wr_spill_take(table->spill, plan->block_bytes);
    if (segment == NULL) {
        return NULL;
    }
    WR_CHECK(((uintptr_t)segment & (SHAPE_COUNT - 1)) == 0);
    *segment = (struct segment){
        .limit       = plan->limit,
        .prefix      = prefix,
        .group_count = plan->group_count,
        .heap_at     = (uint32_t)plan->heap_at,
        .depth       = (uint8_t)depth,
        .shape       = (uint8_t)plan->shape,
        .block_log2  = (uint8_t)__builtin_ctzll(plan->block_bytes),
    };
    memset(segment_tags(segment), 0, (size_t)plan->group_count * GROUP_TAG_BYTES);
    table->segment_bytes += plan->block_bytes;
    return segment;
}

void wr_segment_give(struct wr_table *table, struct segment *segment)
{
    if (segment != wr_segment_empty) {
        table->segment_bytes -= segment_block_bytes(segment);
        wr_pool_give(table->pool, segment, segment_block_bytes(segment));
    }
}

static void segment_leave(struct wr_table *table, struct segment *segment)
{
    table->moves++;
    if (table->retires && segment != wr_segment_empty) {
        segment->next_retired = table->retired;
        table->retired        = segment;
    } else {
        wr_segment_give(table, segment);
    }
}

void wr_segment_give_retired(struct wr_table *table)
{
    while (table->retired != NULL) {
        struct segment *const segment = table->retired;
        table->retired                = segment->next_retired;
        wr_segment_give(table, segment);
    }
}

// ---- the directory ----

void wr_segment_enter(struct wr_table *table, const struct segment *segment)
{
    const uint64_t first = segment->prefix >> table->directory_shift;
    const uint64_t count = (uint64_t)1 << (table->depth - segment->depth);
    for (uint64_t i = first; i < first + count; i++) {
        table->directory[i] = (uintptr_t)segment | segment->shape;
    }
    memset(table->marks + first, MARK_CHANGED, count);
    if (table->uses != NULL) {
        wr_spill_note_made(table, segment);
    }
}

void wr_segment_directory_open(struct wr_table *table, uint32_t depth)
{
    const uint64_t count   = (uint64_t)1 << depth;
    table->directory       = wr_alloc(count * WR_DIRECTORY_ENTRY_BYTES);
    table->marks           = (uint8_t *)(table->directory + count);
    table->depth           = depth;
    table->directory_shift = 64 - depth;
    table->uses            = table->spill == NULL ? NULL : wr_alloc(count * sizeof(uint32_t));
}

void wr_segment_directory_close(struct wr_table *table)
{
    wr_free(table->directory);
    wr_free(table->uses);
}

static void directory_double(struct wr_table *table)
{
    const uint64_t       count = (uint64_t)1 << table->depth;
    uintptr_t *const     half  = table->directory;
    const uint8_t *const marks = table->marks;
    uint32_t *const      uses  = table->uses;
    wr_segment_directory_open(table, table->depth + 1);
    for (uint64_t i = 0; i < 2 * count; i++) {
        table->directory[i] = half[i / 2];
        table->marks[i]     = marks[i / 2];
    }
    for (uint64_t i = 0; uses != NULL && i < 2 * count; i++) {
        table->uses[i] = uses[i / 2];
    }
    wr_free(half);
    wr_free(uses);
}

struct segment *wr_segment_add_empty(struct wr_table *table, uint64_t prefix, uint32_t depth)
{
    const struct segment_plan plan = plan_for(table, (struct segment_load){ 1, 0 }, prefix, depth);
    struct segment *const     segment = segment_take(table, &plan, prefix, depth);
    if (segment != NULL) {
        wr_segment_enter(table, segment);
    }
    return segment;
}

// ---- making anew ----
//
// A capture under way takes the segment first.

static bool segment_remake(struct wr_table *table, struct segment *segment,
                           const struct segment_plan *plan)
{
    wr_segment_capture(table, segment);
    struct segment *const made = segment_take(table, plan, segment->prefix, segment->depth);
    if (made == NULL) {
        return false;
    }
    table->keys->move(table, segment, made, NULL, 0);
    segment_forget_copy(table, segment);
    wr_segment_enter(table, made);
    segment_leave(table, segment);
    return true;
}

static bool segment_split(struct wr_table *table, struct segment *segment,
                          const struct segment_load loads[2], uint32_t bit)
{
    const uint32_t depth  = segment->depth + 1;
    const uint64_t prefix = segment->prefix;
    const uint64_t above  = prefix | (uint64_t)1 << (64 - depth);
    wr_segment_capture(table, segment);
    const struct segment_plan low_plan = plan_for(table, loads[0], prefix, depth);
    const struct segment_plan top_plan = plan_for(table, loads[1], above, depth);
    struct segment *const     low      = segment_take(table, &low_plan, prefix, depth);
    struct segment *const     top      = segment_take(table, &top_plan, above, depth);
    if (low == NULL || top == NULL) {
        if (low != NULL) {
            wr_segment_give(table, low);
        }
        if (top != NULL) {
            wr_segment_give(table, top);
        }
        return false;
    }
    table->keys->move(table, segment, low, top, bit);
    segment_forget_copy(table, segment);
    if (depth > table->depth) {
        directory_double(table);
    }
    wr_segment_enter(table, low);
    wr_segment_enter(table, top);
    segment_leave(table, segment);
    return true;
}

static bool load_is_halved(const struct wr_table *table, const struct segment_load loads[2])
{
    const size_t low = loads[0].count * (size_t)table->slot_bytes + loads[0].heap_bytes;
    const size_t top = loads[1].count * (size_t)table->slot_bytes + loads[1].heap_bytes;
    return (low > top ? low : top) <= (low + top) / 4 * 3;
}

bool wr_segment_make_room(struct wr_table *table, uint64_t hash, uint32_t entries, size_t bytes)
{
    struct segment *const segment  = segment_of(table, hash);
    const bool            can_part = table->range_bits + segment->depth < HASH_PREFIX_BITS;
    const uint32_t        bit      = 63 - table->range_bits - segment->depth;
    struct segment_load   total    = { segment->count + entries, bytes };
    struct segment_load   sides[2] = { { 0, 0 }, { 0, 0 } };
    // Walking the entries tells the heap's live bytes and how a split would divide them; without a
    // heap, a segment still small needs neither.
    const bool weighs = table->has_heap || segment_block_bytes(segment) >= table->usual_bytes;
    if (weighs) {
        table->keys->weigh(table, segment, bit, sides);
        sides[hash >> bit & 1].count += entries;
        sides[hash >> bit & 1].heap_bytes += bytes;
        total.heap_bytes = sides[0].heap_bytes + sides[1].heap_bytes;
    }
    const struct segment_plan plan = plan_for(table, total, segment->prefix, segment->depth);
    if (weighs && can_part && (plan.block_bytes == 0 || plan.block_bytes > table->usual_bytes) &&
        load_is_halved(table, sides)) {
        return segment_split(table, segment, sides, bit);
    }
    return segment_remake(table, segment, &plan);
}

// Segments for `count` keys, spread as hashes are; nothing is done if there is no memory for all.
void wr_table_reserve(struct wr_table *table, uint64_t count)
{
    const uint32_t depth_most = HASH_PREFIX_BITS - table->range_bits;
    uint32_t       depth      = 1;
    if (table->count != 0 || table->segment_bytes != 0 || table->has_heap) {
        return; // with a heap it is not known what the keys will take
    }
    struct segment_plan plan =
        plan_for(table, (struct segment_load){ (uint32_t)(count >> 1), 0 }, 0, 1);
    while (depth < depth_most && plan.block_bytes > table->usual_bytes) {
        depth++;
        plan = plan_for(table, (struct segment_load){ (uint32_t)(count >> depth), 0 }, 0, depth);
    }
    const uint64_t segments = (uint64_t)1 << depth;
    if (table->spill != NULL && !wr_spill_has_room(table->spill, segments * plan.block_bytes)) {
        return; // what is reserved would have to go first
    }
    uintptr_t *const made  = wr_alloc(segments * sizeof(*made));
    uint64_t         taken = 0;
    for (; taken < segments; taken++) {
        const uint64_t        prefix  = taken << (64 - depth);
        struct segment *const segment = segment_take(table, &plan, prefix, depth);
        if (segment == NULL) {
            break;
        }
        if (plan.group_count > 1) {
            segment->limit = limit_of(plan.group_count, prefix, depth); // staggered
        }
        made[taken] = (uintptr_t)segment | segment->shape;
    }
    if (taken < segments) {
        while (taken-- > 0) {
            wr_segment_give(table, entry_segment(made[taken]));
        }
        wr_free(made);
        return;
    }
    wr_segment_directory_close(table);
    wr_segment_directory_open(table, depth);
    memcpy(table->directory, made, segments * sizeof(*made));
    memset(table->marks, MARK_CHANGED, segments);
    wr_free(made);
}

void wr_segment_shrink(struct wr_table *table, struct segment *segment)
{
    if (segment_block_bytes(segment) <= SEGMENT_SMALLEST || segment->count > segment->limit / 4) {
        return;
    }
    struct segment_load sides[2] = { { 0, 0 }, { 0, 0 } };
    table->keys->weigh(table, segment, 0, sides);
    const uint32_t            count = sides[0].count + sides[1].count;
    const struct segment_load load  = { count + count / 2,
                                        sides[0].heap_bytes + sides[1].heap_bytes };
    const struct segment_plan plan  = plan_for(table, load, segment->prefix, segment->depth);
    if (plan.block_bytes > 0 && plan.block_bytes <= segment_block_bytes(segment) / 4) {
        (void)segment_remake(table, segment, &plan);
    }
}

void wr_segment_erase(struct wr_table *table, struct segment *segment, uint32_t index,
                      uint64_t hash)
{
    uint8_t *const tags  = segment_tags(segment);
    const uint32_t group = index / GROUP_SLOTS;
    segment_forget_copy(table, segment);
    if (WR_UNLIKELY(*segment_marks(table, segment) != MARK_CHANGED)) {
        wr_segment_save(table, segment, index);
    }
    for (uint32_t passed = hash_group(hash, segment->group_count); passed != group;
         passed          = passed + 1 == segment->group_count ? 0 : passed + 1) {
        uint8_t *const overflow = group_overflow(tags + (size_t)passed * GROUP_TAG_BYTES);
        WR_CHECK(*overflow > 0);
        *overflow = (uint8_t)(*overflow - (*overflow < OVERFLOW_STUCK));
    }
    WR_CHECK(tags[(size_t)group * GROUP_TAG_BYTES + index % GROUP_SLOTS] == hash_tag(hash));
    tags[(size_t)group * GROUP_TAG_BYTES + index % GROUP_SLOTS] = 0;
    table->count--;
    segment->count--;
    if (segment->count == 0) { // as if new
        if (segment->heap_used > 0) {
            wr_segment_capture(table, segment); // whose undo points into the heap
        }
        memset(tags, 0, (size_t)segment->group_count * GROUP_TAG_BYTES);
        segment->heap_used = 0;
    }
}
