// combine: rows become partials (accumulator, key, slice) before they travel; see partial.h.
//
//   rows --> keys --> hashes --> slices --> a place for each row --> the user's add, over the
//   places
//                                             |              |
//                                     entry of the fold      a partial of its own, in the output
//
// Time windows are folded: rows of equal key and slice meet in one partial, which leaves before a
// watermark that closes its slice, or when asked (flush, the end). A row behind the watermark is
// not folded, so that a partial that comes too late at the window is one row. What folding saves is
// measured: below one hit in two rows it pauses, and every row is a partial of its own.
//
// The other windows get one partial a row, with the row's own event time.
//
// Standing in the window's task, combine also judges lateness: late rows leave by the late output
// as they came.
//
// Nothing may be held back at a barrier: flush(forced) is called until nothing leaves before it.
#include "operators/fold.h"
#include "operators/operators.h"
#include "operators/partial.h"
#include "operators/times.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define GROUP_ROWS  WR_GROUP_ROWS
#define SAMPLE_ROWS (64u << 10) // folding is judged by this many rows
#define PAUSE_ROWS  (1u << 20)  // and then pauses for these
#define SPAN_SLICES 3u // slices around a group's first row that are told without a division

// A row's number in `bounds` below; the others lie outside.
#define SPAN_FIRST 1u
#define SPAN_LAST  SPAN_SLICES

struct combine {
    struct wr_node                node;
    const weir_aggregate_binding *aggregate;
    const weir_key_binding       *key;
    weir_window                   window;
    struct wr_key_codec           codec;
    uint32_t                      key_at, key_bytes, partial_bytes;
    bool                          is_sliced;
    bool                          has_strings; // partials leave one by one, see held
    bool                          is_foldable;
    bool                          judges_lateness;

    // whether folding pays
    uint32_t sampled, hits; // rows of this sample, and those that met an entry
    uint32_t pause;         // rows still to go unfolded
    bool     is_stale;      // entries that no longer hit are in the way

    struct wr_fold fold;

    // the group at hand: `count` rows, or those of `rows`, from `first` on
    const char      *first;
    const uint16_t  *rows;
    uint32_t         count;
    const weir_time *times;
    weir_time        bounds[SPAN_SLICES + 1]; // starts of the slices around the first row
    char            *keys;
    uint64_t        *hashes;
    uint8_t         *spans;
    void           **places;
    weir_time       *gathered_times;

    // partials of single rows: in the output or, with strings, held here until it takes them
    char            *singles;
    weir_time       *single_times;
    uint64_t        *single_hashes;
    uint32_t         single_count;
    char            *held;
    weir_time       *held_times;
    uint64_t        *held_hashes;
    uint32_t         held_next, held_count;
    struct wr_inlet *held_inlet; // whose last row counts as unconsumed until they have left

    weir_time late_before;
};

// ---- opening ----

static bool combine_open(struct wr_node *node)
{
    struct combine                    *combine   = (struct combine *)node;
    const struct wr_aggregate_options *options   = node->spec->options;
    const weir_aggregate_binding      *aggregate = node->spec->binding;
    const struct wr_output            *output    = &node->outputs[WR_OUTPUT_MAIN];

    combine->aggregate       = aggregate;
    combine->key             = node->spec->key;
    combine->window          = wr_window_normal(options->window);
    combine->codec           = wr_key_codec_of(aggregate->key);
    combine->key_at          = wr_partial_key_at(aggregate);
    combine->key_bytes       = aggregate->key->size;
    combine->partial_bytes   = output->layout.row_size;
    combine->is_sliced       = wr_window_is_sliced(&combine->window);
    combine->has_strings     = output->layout.strings.count > 0;
    combine->judges_lateness = options->judges_lateness;

    struct wr_strings strings = wr_strings_of(aggregate->accumulator);
    combine->is_foldable      = combine->is_sliced && strings.count == 0;
    wr_strings_fini(&strings);
    if (combine->is_foldable) {
        wr_fold_init(&combine->fold, combine->partial_bytes, combine->key_at, combine->key_bytes);
    }
    combine->keys   = wr_alloc_aligned((size_t)GROUP_ROWS * combine->key_bytes, WR_CACHE_LINE);
    combine->hashes = wr_alloc_aligned(GROUP_ROWS * sizeof(uint64_t), WR_CACHE_LINE);
    combine->spans  = wr_alloc_aligned(GROUP_ROWS, WR_CACHE_LINE);
    combine->places = wr_alloc_aligned(GROUP_ROWS * sizeof(void *), WR_CACHE_LINE);
    combine->gathered_times = wr_alloc(GROUP_ROWS * sizeof(weir_time));
    if (combine->has_strings) {
        combine->held =
            wr_alloc_aligned((size_t)GROUP_ROWS * combine->partial_bytes, WR_CACHE_LINE);
        combine->held_times  = wr_alloc(GROUP_ROWS * sizeof(weir_time));
        combine->held_hashes = wr_alloc(GROUP_ROWS * sizeof(uint64_t));
    }
    return true;
}

static void combine_close(struct wr_node *node)
{
    struct combine *combine = (struct combine *)node;
    wr_key_codec_fini(&combine->codec);
    wr_fold_fini(&combine->fold);
    wr_free(combine->keys);
    wr_free(combine->hashes);
    wr_free(combine->spans);
    wr_free((void *)(uintptr_t)combine->places);
    wr_free(combine->gathered_times);
    wr_free(combine->held);
    wr_free(combine->held_times);
    wr_free(combine->held_hashes);
}

// ---- the group ----

// Whether a row of the inlet is late. Late rows are not part of a group: one ends before them.
static bool row_is_late(const struct combine *combine, const struct wr_inlet *inlet, uint32_t i)
{
    return inlet->batch->times != NULL &&
           inlet->batch->times[wr_inlet_row(inlet, i)] < combine->late_before;
}

// Takes the inlet's next rows, at most `most`; none if the first is late.
static void group_take(struct combine *combine, const struct wr_inlet *inlet, uint32_t most)
{
    combine->count = most;
    if (combine->judges_lateness) {
        combine->count = 0;
        while (combine->count < most &&
               !row_is_late(combine, inlet, inlet->next + combine->count)) {
            combine->count++;
        }
    }
    combine->first =
        inlet->selection != NULL ? inlet->batch->rows : wr_batch_row(inlet->batch, inlet->next);
    combine->rows = inlet->selection != NULL ? inlet->selection + inlet->next : NULL;
}

// Consumes the next row, which is late; false: the late output is full.
static bool late_leave(struct combine *combine, struct wr_inlet *inlet)
{
    const uint16_t row = (uint16_t)wr_inlet_row(inlet, inlet->next);
    if (combine->node.output_count > WR_OUTPUT_LATE &&
        combine->node.outputs[WR_OUTPUT_LATE].is_used) {
        struct wr_output *late = &combine->node.outputs[WR_OUTPUT_LATE];
        if (wr_batch_copy_rows(late->batch, &late->layout, inlet->batch, &row, 0, 1) == 0) {
            return false;
        }
    }
    wr_count(combine->node.counters, WR_LATE, 1);
    inlet->next++;
    return true;
}

static void group_times(struct combine *combine, const struct wr_inlet *inlet)
{
    const weir_time *times = inlet->batch->times;
    if (times != NULL && combine->rows == NULL) {
        combine->times = times + inlet->next;
        return;
    }
    for (uint32_t i = 0; i < combine->count; i++) {
        combine->gathered_times[i] =
            times != NULL ? times[wr_inlet_row(inlet, inlet->next + i)] : WEIR_TIME_MIN;
    }
    combine->times = combine->gathered_times;
}

// Which slice each row is in, of those around the first row's: three comparisons instead of a
// division.
static void group_spans(struct combine *combine)
{
    const weir_time slide = combine->window.slide;
    weir_time      *bound = combine->bounds;
    bound[0] = wr_slice_start(combine->times[0], slide, combine->window.offset) - slide;
    for (uint32_t i = 1; i <= SPAN_SLICES; i++) {
        bound[i] = bound[i - 1] + slide;
    }
    const weir_time  b0 = bound[0], b1 = bound[1], b2 = bound[2], b3 = bound[3];
    const weir_time *times = combine->times;
    for (uint32_t i = 0; i < combine->count; i++) {
        combine->spans[i] =
            (uint8_t)((times[i] >= b0) + (times[i] >= b1) + (times[i] >= b2) + (times[i] >= b3));
    }
}

static weir_time row_start(const struct combine *combine, uint32_t i)
{
    const uint32_t  span = combine->spans[i];
    const weir_time start =
        span >= SPAN_FIRST && span <= SPAN_LAST
            ? combine->bounds[span - 1]
            : wr_slice_start(combine->times[i], combine->window.slide, combine->window.offset);
    return start > WEIR_TIME_MIN ? start : WEIR_TIME_MIN;
}

// ---- places ----

static inline __attribute__((always_inline)) void copy_key(char *to, const char *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

static inline __attribute__((always_inline)) void singles_clear(const struct combine *combine,
                                                                uint32_t at, uint32_t count)
{
    char *first = combine->singles + (size_t)at * combine->partial_bytes;
    memset(first, 0, (size_t)count * combine->partial_bytes);
    for (uint32_t i = 0; i < count && combine->aggregate->init != NULL; i++) {
        combine->aggregate->init(first + (size_t)i * combine->partial_bytes);
    }
}

// The accumulator of row i's own partial, whose key, time and hash are set.
static inline __attribute__((always_inline)) void *single_make(struct combine *combine, uint32_t i,
                                                               size_t key_bytes)
{
    const uint32_t at      = combine->single_count++;
    char          *partial = combine->singles + (size_t)at * combine->partial_bytes;
    singles_clear(combine, at, 1);
    copy_key(partial + combine->key_at, combine->keys + i * key_bytes, key_bytes);
    combine->single_hashes[at] = combine->hashes[i];
    combine->single_times[at]  = combine->is_sliced ? row_start(combine, i) : combine->times[i];
    return partial;
}

// Every row its own partial.
static inline __attribute__((always_inline)) void places_single(struct combine *combine,
                                                                size_t          key_bytes)
{
    const uint32_t count = combine->count;
    singles_clear(combine, 0, count);
    for (uint32_t i = 0; i < count; i++) {
        char *partial      = combine->singles + (size_t)i * combine->partial_bytes;
        combine->places[i] = partial;
        copy_key(partial + combine->key_at, combine->keys + i * key_bytes, key_bytes);
    }
    memcpy(combine->single_hashes, combine->hashes, count * sizeof(uint64_t));
    if (combine->is_sliced) {
        for (uint32_t i = 0; i < count; i++) {
            combine->single_times[i] = row_start(combine, i);
        }
    } else {
        memcpy(combine->single_times, combine->times, count * sizeof(weir_time));
    }
    combine->single_count = count;
}

#define NUMBER_MASK ((1u << WR_FOLD_NUMBER_BITS) - 1)

// The tag of a hash, for entry 0.
static inline uint32_t hash_tag(uint64_t hash)
{
    return ((uint32_t)(hash >> 24) | 1u << WR_FOLD_NUMBER_BITS) & ~NUMBER_MASK;
}

// Bit i: the i-th tag of the set is this one, whatever its entry.
#if defined(__SSE2__)
static inline uint32_t set_match(const uint32_t *tags, uint32_t tag)
{
    const __m128i have = _mm_load_si128((const __m128i *)(const void *)tags);
    const __m128i bare = _mm_and_si128(have, _mm_set1_epi32((int)~NUMBER_MASK));
    const __m128i same = _mm_cmpeq_epi32(bare, _mm_set1_epi32((int)tag));
    return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(same));
}
#else
static inline uint32_t set_match(const uint32_t *tags, uint32_t tag)
{
    uint32_t match = 0;
    for (uint32_t i = 0; i < WR_FOLD_WAYS; i++) {
        match |= (uint32_t)((tags[i] & ~NUMBER_MASK) == tag) << i;
    }
    return match;
}
#endif

// Row i's key comes into the lane, if its set has a slot; else NULL.
static void *lane_add(struct combine *combine, struct wr_fold_lane *lane, uint32_t set, uint32_t i)
{
    const struct wr_fold *fold = &combine->fold;
    const uint32_t        free = set_match(lane->tags + set, 0);
    if (free == 0) {
        return NULL;
    }
    const uint32_t slot   = set + (uint32_t)__builtin_ctz(free);
    const uint32_t number = lane->used++;
    char          *entry  = lane->entries + (size_t)number * fold->entry_bytes;
    lane->tags[slot]      = hash_tag(combine->hashes[i]) | number;
    lane->hashes[number]  = combine->hashes[i];
    lane->slots[number]   = (uint16_t)slot;
    memset(entry, 0, fold->entry_bytes);
    memcpy(entry + fold->key_at, combine->keys + (size_t)i * fold->key_bytes, fold->key_bytes);
    if (combine->aggregate->init != NULL) {
        combine->aggregate->init(entry);
    }
    return entry;
}

// What the loop over rows reads again and again; as a copy of its own it stays in registers.
struct find {
    uint32_t set_mask, key_at, entry_bytes;
};

// The entry of the key in the lane, or NULL.
static inline __attribute__((always_inline)) void *lane_find(struct find                find,
                                                             const struct wr_fold_lane *lane,
                                                             uint64_t hash, const char *key,
                                                             size_t key_bytes)
{
    const uint32_t *tags  = lane->tags + (hash & find.set_mask) * WR_FOLD_WAYS;
    uint32_t        match = set_match(tags, hash_tag(hash));
    while (match != 0) {
        const uint32_t number = tags[__builtin_ctz(match)] & NUMBER_MASK;
        char          *entry  = lane->entries + (size_t)number * find.entry_bytes;
        if (memcmp(entry + find.key_at, key, key_bytes) == 0) {
            return entry;
        }
        match &= match - 1;
    }
    return NULL;
}

// A key with a long string is not folded: its bytes are not the row's own.
static bool key_is_long(const struct combine *combine, uint32_t i)
{
    const struct wr_strings *strings = &combine->codec.strings;
    return strings->count > 0 &&
           wr_strings_long_bytes(strings, combine->keys + (size_t)i * combine->key_bytes) > 0;
}

// Where row i goes that has no entry: a new one, or its own partial. Out of line, so that the loop
// that finds keeps its registers.
static __attribute__((noinline)) void *place_missed(struct combine      *combine,
                                                    struct wr_fold_lane *lane, uint32_t i)
{
    const uint32_t set_mask = combine->fold.entry_count / WR_FOLD_WAYS - 1;
    void          *place    = NULL;
    if (lane != NULL && !key_is_long(combine, i)) {
        const uint32_t set = (uint32_t)combine->hashes[i] & set_mask;
        place              = lane_add(combine, lane, set * WR_FOLD_WAYS, i);
    }
    return place != NULL ? place : single_make(combine, i, combine->key_bytes);
}

// Each row an entry of the fold, or its own partial. lanes[span]: NULL where rows are not folded.
static inline __attribute__((always_inline)) void
places_fold(struct combine *combine, struct wr_fold_lane *const *lanes, size_t key_bytes)
{
    const struct find find   = { combine->fold.entry_count / WR_FOLD_WAYS - 1, combine->key_at,
                                 combine->fold.entry_bytes };
    const uint64_t   *hashes = combine->hashes;
    const uint8_t    *spans  = combine->spans;
    const char       *keys   = combine->keys;
    void            **places = combine->places;
    const uint32_t    count  = combine->count;
    uint32_t          misses = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct wr_fold_lane *lane  = lanes[spans[i]];
        void                *place = NULL;
        if (WR_LIKELY(lane != NULL)) { // a key with a long string is in no lane
            place = lane_find(find, lane, hashes[i], keys + i * key_bytes, key_bytes);
        }
        if (WR_UNLIKELY(place == NULL)) {
            place = place_missed(combine, lane, i);
            misses++;
        }
        places[i] = place;
    }
    combine->hits += count - misses;
}

// The lanes by span. A lane that holds a slice further ahead is left to it.
static void lanes_choose(struct combine *combine, struct wr_fold_lane **lanes)
{
    const weir_time slide = combine->window.slide;
    lanes[0]              = NULL;
    lanes[SPAN_LAST + 1]  = NULL;
    for (uint32_t span = SPAN_FIRST; span <= SPAN_LAST; span++) {
        const weir_time      start     = combine->bounds[span - 1];
        const weir_time      number    = (start - combine->window.offset) / slide;
        struct wr_fold_lane *lane      = wr_fold_lane_of(&combine->fold, number);
        const bool           is_behind = start + slide <= combine->node.watermark;
        if (lane->used == 0 && !is_behind) {
            lane->start = start;
        }
        lanes[span] = lane->start == start && !is_behind ? lane : NULL;
    }
}

static void group_place(struct combine *combine, bool is_folded)
{
    struct wr_fold_lane *lanes[SPAN_LAST + 2];
    if (!is_folded) {
        switch (combine->key_bytes) {
        case 4: places_single(combine, 4); break;
        case 8: places_single(combine, 8); break;
        case 16: places_single(combine, 16); break;
        default: places_single(combine, combine->key_bytes);
        }
        return;
    }
    lanes_choose(combine, lanes);
    switch (combine->key_bytes) {
    case 4: places_fold(combine, lanes, 4); break;
    case 8: places_fold(combine, lanes, 8); break;
    case 16: places_fold(combine, lanes, 16); break;
    default: places_fold(combine, lanes, combine->key_bytes);
    }
}

// ---- what leaves ----

// Held partials into the output; false: it is full. One too large for any batch is rejected.
static bool held_leave(struct combine *combine)
{
    struct wr_output *output = &combine->node.outputs[WR_OUTPUT_MAIN];
    for (; combine->held_next < combine->held_count; combine->held_next++) {
        const uint32_t i       = combine->held_next;
        const uint32_t at      = output->batch->row_count;
        const char    *partial = combine->held + (size_t)i * combine->partial_bytes;
        if (wr_output_room(output) == 0) {
            return false;
        }
        if (wr_batch_row_fits_never(&output->layout, partial)) {
            wr_node_reject(&combine->node, "its key or accumulator is larger than a record may be");
            continue;
        }
        memcpy(wr_output_row(output), partial, combine->partial_bytes);
        output->batch->times[at]  = combine->held_times[i];
        output->batch->hashes[at] = combine->held_hashes[i];
        if (!wr_output_seal(output)) {
            return false;
        }
    }
    combine->held_next  = 0;
    combine->held_count = 0;
    return true;
}

// All entries of a lane into the output; false: it is full.
static bool lane_leave(struct combine *combine, struct wr_fold_lane *lane)
{
    struct wr_output *output = &combine->node.outputs[WR_OUTPUT_MAIN];
    const weir_time   start  = lane->start > WEIR_TIME_MIN ? lane->start : WEIR_TIME_MIN;
    while (lane->used > 0) {
        const uint32_t at = output->batch->row_count;
        if (wr_output_room(output) == 0) {
            return false;
        }
        const char *entry = wr_fold_take(&combine->fold, lane, &output->batch->hashes[at]);
        memcpy(wr_output_row(output), entry, combine->partial_bytes);
        output->batch->times[at] = start;
        if (!combine->has_strings) {
            wr_output_commit(output, 1);
        } else {
            const bool is_sealed = wr_output_seal(output);
            WR_ASSERT(is_sealed); // none of its strings is long
        }
    }
    return true;
}

// The slices that end at or before `until`, and all at WEIR_TIME_MAX.
static bool lanes_leave(struct combine *combine, weir_time until)
{
    for (uint32_t i = 0; i < WR_FOLD_LANES && combine->is_foldable; i++) {
        struct wr_fold_lane *lane = &combine->fold.lanes[i];
        if (lane->used > 0 && wr_time_is_reached(lane->start + combine->window.slide, until) &&
            !lane_leave(combine, lane)) {
            return false;
        }
    }
    return true;
}

// Makes place in the lanes of the group's slices; false: the output is full.
static bool lanes_make_room(struct combine *combine)
{
    if (combine->is_stale && !lanes_leave(combine, WEIR_TIME_MAX)) {
        return false;
    }
    combine->is_stale = false;
    for (uint32_t i = 0; i < SPAN_SLICES; i++) {
        const weir_time number =
            (combine->bounds[i] - combine->window.offset) / combine->window.slide;
        struct wr_fold_lane *lane = wr_fold_lane_of(&combine->fold, number);
        if (lane->used > 0 && lane->start < combine->bounds[i] && !lane_leave(combine, lane)) {
            return false;
        }
    }
    return true;
}

// ---- whether to fold ----

static void sample_note(struct combine *combine, bool is_folded)
{
    if (!is_folded) {
        combine->pause -= combine->count < combine->pause ? combine->count : combine->pause;
        return;
    }
    combine->sampled += combine->count;
    if (combine->sampled >= SAMPLE_ROWS) {
        combine->pause    = combine->hits < combine->sampled / 2 ? PAUSE_ROWS : 0;
        combine->is_stale = combine->hits < combine->sampled / 5 * 4;
        combine->sampled  = 0;
        combine->hits     = 0;
    }
}

// ---- rows ----

static void singles_begin(struct combine *combine)
{
    const struct wr_output *output = &combine->node.outputs[WR_OUTPUT_MAIN];
    const uint32_t          at     = output->batch->row_count;
    combine->singles               = combine->has_strings ? combine->held : wr_output_row(output);
    combine->single_times = combine->has_strings ? combine->held_times : output->batch->times + at;
    combine->single_hashes =
        combine->has_strings ? combine->held_hashes : output->batch->hashes + at;
    combine->single_count = 0;
}

static void singles_end(struct combine *combine)
{
    if (combine->has_strings) {
        combine->held_next  = 0;
        combine->held_count = combine->single_count;
    } else {
        wr_output_commit(&combine->node.outputs[WR_OUTPUT_MAIN], combine->single_count);
    }
}

// The group's rows become partials.
static void group_combine(struct combine *combine, bool is_folded)
{
    combine->key->rows(combine->first, combine->rows, combine->count, combine->keys);
    wr_key_hash_many(&combine->codec, combine->keys, combine->count, combine->node.seed,
                     combine->hashes);
    singles_begin(combine);
    group_place(combine, is_folded);
    combine->aggregate->add(combine->node.call, combine->places, combine->first, combine->rows,
                            combine->count);
    singles_end(combine);
    sample_note(combine, is_folded);
}

static uint32_t group_most(const struct combine *combine, const struct wr_inlet *inlet)
{
    const uint32_t waiting = inlet->count - inlet->next;
    const uint32_t most    = waiting < GROUP_ROWS ? waiting : GROUP_ROWS;
    const uint32_t room    = wr_output_room(&combine->node.outputs[WR_OUTPUT_MAIN]);
    return combine->has_strings || most < room ? most : room;
}

// The group's rows become partials, once what is in the way has left. False: the output is full.
static bool group_consume(struct combine *combine, struct wr_inlet *inlet)
{
    const struct wr_output *output    = &combine->node.outputs[WR_OUTPUT_MAIN];
    const uint32_t          room      = wr_output_room(output);
    const bool              is_folded = combine->is_foldable && combine->pause == 0;
    group_times(combine, inlet);
    if (combine->is_sliced) {
        group_spans(combine);
    }
    if (is_folded && !lanes_make_room(combine)) {
        return false;
    }
    if (room != wr_output_room(output)) {
        return true; // less than the group counted on: it is taken again
    }
    group_combine(combine, is_folded);
    inlet->next += combine->count;
    if (held_leave(combine)) {
        return true;
    }
    inlet->next--; // their strings are the batch's: it is not consumed until they have left
    combine->held_inlet = inlet;
    return false;
}

static void combine_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct combine *combine = (struct combine *)node;
    combine->late_before    = wr_late_before(&combine->window, node->watermark);
    if (combine->held_count > 0) {
        if (!held_leave(combine)) {
            return;
        }
        combine->held_inlet->next++;
    }
    while (inlet->next < inlet->count) {
        if (combine->judges_lateness && row_is_late(combine, inlet, inlet->next)) {
            if (!late_leave(combine, inlet)) {
                return;
            }
            continue;
        }
        group_take(combine, inlet, group_most(combine, inlet));
        if (combine->count == 0 || !group_consume(combine, inlet)) {
            return;
        }
    }
}

// ---- time and the end ----

static bool combine_advance(struct wr_node *node, weir_time watermark)
{
    return lanes_leave((struct combine *)node, watermark);
}

static bool combine_finish(struct wr_node *node)
{
    return lanes_leave((struct combine *)node, WEIR_TIME_MAX);
}

static uint32_t lanes_used(const struct combine *combine)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < WR_FOLD_LANES; i++) {
        used += combine->fold.lanes[i].used;
    }
    return used;
}

// What is folded misses nothing by waiting for its slice to close, so that only a flush that is
// forced lets it go.
static bool combine_flush(struct wr_node *node, bool is_forced)
{
    struct combine *combine = (struct combine *)node;
    const uint32_t  before  = lanes_used(combine);
    if (is_forced) {
        (void)lanes_leave(combine, WEIR_TIME_MAX);
    }
    return lanes_used(combine) < before;
}

const struct wr_operator wr_combine_operator = {
    .verb       = "combine",
    .node_bytes = sizeof(struct combine),
    .open       = combine_open,
    .close      = combine_close,
    .rows       = combine_rows,
    .advance    = combine_advance,
    .finish     = combine_finish,
    .flush      = combine_flush,
    .uses_time  = true,
};
