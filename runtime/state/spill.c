// Segments that go to a file and come back; see spill.h.
//
//   in memory, changed    its entry points at it; nothing of it is in the file
//   in memory, as read    the same, but the file has its block still: when it goes nothing is
//                         written. The number of its descriptor is in `uses`. The first pointer for
//                         writing that is handed out, and whatever makes it anew, forgets that.
//   spilled               its entry points at its descriptor, whose header is the segment's own,
//                         followed by one group of free slots: who searches it finds nothing
//
//   uses     | number of the descriptor: 24 bits, 0: none | when last used: 8 bits |
//            one for each entry of a directory; the number is the same in all of a segment's
//
// The block in the file is the segment as it lay in memory, so that no slot has another number when
// it comes back; only strings, which point into its heap, are set right. Its header there means
// nothing: that in the descriptor lives on, as a capture writes it (a place, marks beside the
// directory) without having to read the segment.
//
// Time is counted in moments, from one wr_spill_release to the next; what was used in the present
// one stays. As long as there is air below the budget and nothing is in the file, nobody keeps
// account of uses, and tables are as fast as without all this: `is_watched` is off. Then nothing can
// go before the next moment.
#include "runtime/state/spill.h"

#include "runtime/state/segment.h"
#include "runtime/state/spill_file.h"

#include <errno.h>
#include <stdlib.h>

#define MOMENT_BITS  8u
#define MOMENT_MASK  ((1u << MOMENT_BITS) - 1)
#define NUMBER_MOST  ((1u << (32 - MOMENT_BITS)) - 1)
#define SLAB_COUNT   256u // descriptors made together
#define AHEAD_COUNT  32u  // segments that a walk has read ahead
#define CLOCK_ROUNDS 3u   // one from the middle, one that takes second chances, one that finds

// All that is left of a segment, or stands beside it.
struct spilled {
    _Alignas(64) struct segment header;
    uint8_t               tags[GROUP_TAG_BYTES]; // zeros
    struct wr_spill_place place;
    uintptr_t             address; // where it lay when it was written: its strings point there
    uint32_t              number;
    bool                  is_wanted; // stands in `wanted`
    struct spilled       *next_free;
};
_Static_assert(sizeof(struct spilled) == 128, "a descriptor is small");

struct wr_spill {
    struct wr_pool         *pool;
    struct wr_spill_options options;
    struct wr_spill_file    file;
    size_t                  budget_bytes;
    uint32_t                moment; // 1 to MOMENT_MASK
    bool                    is_watching;
    bool                    is_stuck; // nothing more can go in this moment
    bool                    has_failed; // nothing goes any more
    bool                    has_lost;   // and nothing comes back
    char                   *sentences[2];

    struct wr_table *tables;
    struct wr_table *hand; // the clock's: the next table, NULL: the first
    uint64_t         hand_at;

    struct spilled **slabs; // descriptor n is slabs[n / SLAB_COUNT][n % SLAB_COUNT]; 0 is none
    uint32_t         slab_count;
    uint32_t         descriptor_count; // in use
    struct spilled  *free_descriptors;
    struct spilled **wanted;
    uint32_t         wanted_count, wanted_capacity;

    const struct wr_table *ahead_of; // what a walk has had read ahead, up to ahead_at
    uint64_t               ahead_at;
    char                  *scratch;
    size_t                 scratch_bytes;
    struct wr_spill_facts  facts;
};

static struct spilled *spilled_of(const struct segment *segment)
{
    WR_CHECK(segment->is_spilled);
    return (struct spilled *)(uintptr_t)segment;
}

// ---- failing ----

static void spill_fail(struct wr_spill *spill, weir_status status, char *sentence, bool is_lost)
{
    bool *const has_told = is_lost ? &spill->has_lost : &spill->has_failed;
    if (*has_told) {
        wr_free(sentence);
        return;
    }
    *has_told                 = true;
    spill->has_failed         = true;
    spill->sentences[is_lost] = sentence; // as fail may not return
    spill->options.fail(spill->options.opaque, status, sentence, is_lost);
}

static void spill_fail_write(struct wr_spill *spill, int error)
{
    spill_fail(spill, wr_error_status(error),
               wr_format("state over the budget of %zu bytes could not be written to a file in %s: "
                         "%s; make room there, name another directory, or raise the budget",
                         spill->budget_bytes, spill->options.directory, strerror(-error)),
               false);
}

static void spill_fail_read(struct wr_spill *spill, const struct spilled *spilled, int error)
{
    if (error != -EBADMSG) {
        spill_fail(spill, wr_error_status(error),
                   wr_format("state that was written to a file in %s could not be read again: %s",
                             spill->options.directory, strerror(-error)),
                   true);
        return;
    }
    spill_fail(spill, WEIR_DAMAGED,
               wr_format("state that was written to a file in %s is damaged: the %zu bytes at %llu "
                         "do not have the checksum they were written with",
                         spill->options.directory, segment_block_bytes(&spilled->header),
                         (unsigned long long)spilled->place.offset),
               true);
}

// ---- descriptors ----

static void descriptors_make(struct wr_spill *spill)
{
    const uint32_t        first = spill->slab_count * SLAB_COUNT;
    struct spilled *const slab  = wr_alloc_aligned(SLAB_COUNT * sizeof(*slab), 64);
    spill->slabs = wr_realloc((void *)(uintptr_t)spill->slabs,
                              (spill->slab_count + 1) * sizeof(struct spilled *));
    spill->slabs[spill->slab_count++] = slab;
    for (uint32_t i = SLAB_COUNT; i-- > (first == 0 ? 1 : 0);) { // number 0 is none
        slab[i].number          = first + i;
        slab[i].next_free       = spill->free_descriptors;
        spill->free_descriptors = &slab[i];
    }
}

static struct spilled *descriptor_take(struct wr_spill *spill)
{
    if (spill->free_descriptors == NULL) {
        descriptors_make(spill);
    }
    struct spilled *const spilled = spill->free_descriptors;
    spill->free_descriptors       = spilled->next_free;
    spill->descriptor_count++;
    return spilled;
}

static void descriptor_give(struct wr_spill *spill, struct spilled *spilled)
{
    spilled->next_free      = spill->free_descriptors;
    spill->free_descriptors = spilled;
    spill->descriptor_count--;
}

static struct spilled *descriptor_at(const struct wr_spill *spill, uint32_t number)
{
    return &spill->slabs[number / SLAB_COUNT][number % SLAB_COUNT];
}

// ---- a segment's entries ----

static uint64_t entries_first(const struct wr_table *table, const struct segment *segment)
{
    return segment->prefix >> table->directory_shift;
}

static uint64_t entries_count(const struct wr_table *table, const struct segment *segment)
{
    return (uint64_t)1 << (table->depth - segment->depth);
}

static void entries_set(struct wr_table *table, const struct segment *segment, uintptr_t entry,
                        uint32_t use)
{
    const uint64_t first = entries_first(table, segment);
    const uint64_t end   = first + entries_count(table, segment);
    for (uint64_t at = first; at < end; at++) {
        table->directory[at] = entry;
        table->uses[at]      = use;
    }
}

static uint32_t *segment_uses(const struct wr_table *table, const struct segment *segment)
{
    return table->uses + entries_first(table, segment);
}

void wr_spill_note_made(struct wr_table *table, const struct segment *segment)
{
    const uint64_t first = entries_first(table, segment);
    const uint64_t end   = first + entries_count(table, segment);
    for (uint64_t at = first; at < end; at++) {
        table->uses[at] = table->spill->moment;
    }
}

void wr_spill_forget(struct wr_table *table, const struct segment *segment)
{
    struct wr_spill *const spill = table->spill;
    uint32_t *const        uses  = segment_uses(table, segment);
    const uint32_t         share = *uses >> MOMENT_BITS;
    if (share == 0) {
        return;
    }
    struct spilled *const copy = descriptor_at(spill, share);
    wr_spill_file_free(&spill->file, &copy->place);
    descriptor_give(spill, copy);
    for (uint64_t i = 0; i < entries_count(table, segment); i++) {
        uses[i] &= MOMENT_MASK;
    }
}

// ---- going ----

// What lies in a segment's heap has moved along with it.
static void strings_move(const struct wr_table *table, struct segment *segment, uintptr_t from)
{
    const uintptr_t moved = (uintptr_t)segment - from;
    for (uint32_t group = 0; table->strings != NULL && group < segment->group_count; group++) {
        uint32_t used = group_used(segment_tags(segment) + (size_t)group * GROUP_TAG_BYTES);
        for (; used != 0; used &= used - 1) {
            const size_t index = (size_t)group * GROUP_SLOTS + (uint32_t)__builtin_ctz(used);
            char *const  value = segment_slots(segment, segment->group_count) +
                                index * table->slot_bytes + table->value_at;
            for (uint32_t i = 0; i < table->strings->count; i++) {
                weir_str *const string = (void *)(value + table->strings->offsets[i]);
                if (!weir_str_is_inline(string)) {
                    string->rest.bytes = (const char *)((uintptr_t)string->rest.bytes + moved);
                }
            }
        }
    }
}

// NULL: it could not be written.
static struct spilled *segment_write(struct wr_table *table, const struct segment *segment)
{
    struct wr_spill *const spill = table->spill;
    const uint32_t         copy  = *segment_uses(table, segment) >> MOMENT_BITS;
    if (copy != 0) {
        return descriptor_at(spill, copy);
    }
    struct spilled *const spilled = descriptor_take(spill);
    const int             status =
        wr_spill_file_write(&spill->file, segment, segment->block_log2, &spilled->place);
    if (status < 0) {
        descriptor_give(spill, spilled);
        spill_fail_write(spill, status);
        return NULL;
    }
    spilled->address = (uintptr_t)segment;
    spill->facts.written++;
    return spilled;
}

static bool segment_spill(struct wr_table *table, struct segment *segment)
{
    struct wr_spill *const spill = table->spill;
    if (segment->undo != NULL) {
        wr_segment_capture(table, segment); // whose slots point where the heap lies now
    }
    wr_segment_learn_range(table, segment);
    struct spilled *const spilled = segment_write(table, segment);
    if (spilled == NULL) {
        return false;
    }
    spilled->header            = *segment;
    spilled->header.is_spilled = true;
    entries_set(table, segment, (uintptr_t)spilled | SHAPE_SPILLED, 0);
    spill->facts.segments++;
    spill->facts.bytes += segment_block_bytes(segment);
    wr_segment_give(table, segment);
    return true;
}

// Whether nobody has used it since the hand came by; if somebody did, not in this moment, the next
// time it will.
static bool segment_may_go(const struct wr_table *table, const struct segment *segment)
{
    uint32_t *const uses = segment_uses(table, segment);
    bool            is_used = false;
    for (uint64_t i = 0; i < entries_count(table, segment); i++) {
        if ((uses[i] & MOMENT_MASK) == table->spill->moment) {
            return false;
        }
        is_used |= (uses[i] & MOMENT_MASK) != 0;
    }
    for (uint64_t i = 0; is_used && i < entries_count(table, segment); i++) {
        uses[i] &= ~MOMENT_MASK;
    }
    return !is_used;
}

// Moves the hand on to the next segment of its table that may go. NULL: there is none, and the hand
// is at the next table.
static struct segment *hand_move(struct wr_spill *spill)
{
    const struct wr_table *const table = spill->hand;
    const uint64_t               end   = (uint64_t)1 << table->depth;
    uint64_t                     at    = spill->hand_at >> table->directory_shift;
    struct segment              *found = NULL;
    while (at < end && found == NULL) {
        struct segment *const segment = entry_segment(table->directory[at]);
        if (table->directory[at] % SHAPE_COUNT == SHAPE_SPILLED) {
            at++; // its header is not looked at
            continue;
        }
        at = entries_first(table, segment) + entries_count(table, segment);
        if (segment != wr_segment_empty && segment_may_go(table, segment)) {
            found = segment;
        }
    }
    spill->hand    = at < end ? spill->hand : table->next;
    spill->hand_at = at < end ? at << table->directory_shift : 0;
    return found;
}

// False: nothing can go.
static bool spill_one(struct wr_spill *spill)
{
    for (uint32_t rounds = 0; rounds < CLOCK_ROUNDS;) {
        struct wr_table *const table = spill->hand;
        if (table == NULL) {
            spill->hand = spill->tables;
            rounds++;
            continue;
        }
        struct segment *const segment = hand_move(spill);
        if (segment != NULL) {
            return segment_spill(table, segment);
        }
    }
    return false;
}

// Descriptors count as what they are: memory.
static void spill_make_room(struct wr_spill *spill, size_t bytes)
{
    const size_t descriptors = spill->descriptor_count * sizeof(struct spilled);
    const size_t limit = descriptors < spill->budget_bytes / 2 ? spill->budget_bytes - descriptors
                                                               : spill->budget_bytes / 2;
    while (!spill->is_stuck && !spill->has_failed &&
           wr_pool_used_bytes(spill->pool) + bytes > limit) {
        spill->is_stuck = !spill_one(spill);
    }
}

void *wr_spill_take(struct wr_spill *spill, size_t bytes)
{
    if (spill->is_watching) {
        spill_make_room(spill, bytes);
    }
    return wr_pool_take_beyond(spill->pool, bytes);
}

bool wr_spill_has_room(const struct wr_spill *spill, size_t bytes)
{
    return wr_pool_used_bytes(spill->pool) + bytes <= spill->budget_bytes;
}

// ---- coming back ----

// NULL: it could not be read.
static struct segment *segment_load(struct wr_table *table, struct spilled *spilled)
{
    struct wr_spill *const spill   = table->spill;
    const size_t           bytes   = segment_block_bytes(&spilled->header);
    struct segment *const  segment = wr_pool_take_beyond(spill->pool, bytes);
    if (segment == NULL) {
        spill_fail(spill, WEIR_NO_MEMORY, wr_copy_text("the system has no more memory"), true);
        return NULL;
    }
    const int status = wr_spill_file_read(&spill->file, &spilled->place, segment);
    if (status < 0) {
        wr_pool_give(spill->pool, segment, bytes);
        spill_fail_read(spill, spilled, status);
        return NULL;
    }
    *segment            = spilled->header;
    segment->is_spilled = false;
    strings_move(table, segment, spilled->address);
    table->segment_bytes += bytes;
    spill->facts.segments--;
    spill->facts.bytes -= bytes;
    spill->facts.read++;
    const bool is_kept = spilled->number <= NUMBER_MOST;
    entries_set(table, segment, (uintptr_t)segment | segment->shape,
                (is_kept ? spilled->number << MOMENT_BITS : 0) | spill->moment);
    if (!is_kept) {
        wr_spill_file_free(&spill->file, &spilled->place);
        descriptor_give(spill, spilled);
    }
    return segment;
}

static void wanted_add(struct wr_spill *spill, struct spilled *spilled)
{
    if (spilled->is_wanted) {
        return;
    }
    if (spill->wanted_count == spill->wanted_capacity) {
        spill->wanted_capacity = spill->wanted_capacity * 2 + 64;
        spill->wanted          = wr_realloc((void *)(uintptr_t)spill->wanted,
                                            spill->wanted_capacity * sizeof(struct spilled *));
    }
    spilled->is_wanted                   = true;
    spill->wanted[spill->wanted_count++] = spilled;
}

static int wanted_compare(const void *a, const void *b)
{
    const struct spilled *const *x = a, *const *y = b;
    return ((*x)->place.offset > (*y)->place.offset) - ((*x)->place.offset < (*y)->place.offset);
}

// All at once, so that the disk has them under way together, then in the order they lie in.
static bool wanted_load(struct wr_table *table, bool writes)
{
    struct wr_spill *const spill = table->spill;
    size_t                 bytes = 0;
    qsort((void *)(uintptr_t)spill->wanted, spill->wanted_count, sizeof(struct spilled *),
          wanted_compare);
    for (uint32_t i = 0; i < spill->wanted_count; i++) {
        bytes += segment_block_bytes(&spill->wanted[i]->header);
        if (spill->wanted_count > 1) {
            wr_spill_file_read_ahead(&spill->file, &spill->wanted[i]->place);
        }
    }
    spill_make_room(spill, bytes);
    for (uint32_t i = 0; i < spill->wanted_count; i++) {
        struct spilled *const spilled = spill->wanted[i];
        spilled->is_wanted            = false;
        const struct segment *const segment =
            spill->has_lost ? NULL : segment_load(table, spilled);
        if (segment != NULL && writes) {
            wr_spill_forget(table, segment);
        }
    }
    spill->wanted_count = 0;
    return !spill->has_lost;
}

bool wr_spill_bring_many(struct wr_table *table, const uint64_t *hashes, uint32_t count,
                         bool writes)
{
    struct wr_spill *const spill = table->spill;
    if (spill->has_lost) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t  at    = directory_index(table, hashes[i]);
        const uintptr_t entry = table->directory[at];
        if (entry % SHAPE_COUNT == SHAPE_SPILLED) {
            wanted_add(spill, spilled_of(entry_segment(entry)));
        } else if (writes && table->uses[at] > MOMENT_MASK) {
            wr_spill_forget(table, entry_segment(entry));
        }
        table->uses[at] = (table->uses[at] & ~MOMENT_MASK) | spill->moment;
    }
    return spill->wanted_count == 0 || wanted_load(table, writes);
}

// A walk goes on to the next ones.
static void read_ahead(struct wr_table *table, uint64_t first)
{
    struct wr_spill *const spill = table->spill;
    const uint64_t         end   = (uint64_t)1 << table->depth;
    uint64_t               at    = first;
    if (spill->ahead_of == table && first < spill->ahead_at &&
        first + AHEAD_COUNT >= spill->ahead_at) {
        return;
    }
    for (uint32_t count = 0; at < end && count < AHEAD_COUNT; count++) {
        const struct segment *const segment = entry_segment(table->directory[at]);
        if (segment->is_spilled) {
            wr_spill_file_read_ahead(&spill->file, &spilled_of(segment)->place);
        }
        at = entries_first(table, segment) + entries_count(table, segment);
    }
    spill->ahead_of = table;
    spill->ahead_at = at;
}

struct segment *wr_spill_bring_next(struct wr_table *table, struct segment *segment)
{
    struct wr_spill *const spill = table->spill;
    if (spill->has_lost) {
        return NULL;
    }
    if (!segment->is_spilled) {
        uint32_t *const use = segment_uses(table, segment);
        *use                = (*use & ~MOMENT_MASK) | spill->moment;
        return segment;
    }
    read_ahead(table, entries_first(table, segment));
    spill_make_room(spill, segment_block_bytes(segment));
    return segment_load(table, spilled_of(segment));
}

const struct segment *wr_spill_peek(const struct wr_table *table, const struct segment *segment)
{
    struct wr_spill *const      spill   = table->spill;
    const struct spilled *const spilled = spilled_of(segment);
    const size_t                bytes   = segment_block_bytes(segment);
    if (spill->has_lost) {
        return NULL;
    }
    if (bytes > spill->scratch_bytes) {
        wr_free(spill->scratch);
        spill->scratch       = wr_alloc_unset(bytes, 64);
        spill->scratch_bytes = bytes;
    }
    const int status = wr_spill_file_read(&spill->file, &spilled->place, spill->scratch);
    if (status < 0) {
        spill_fail_read(spill, spilled, status);
        return NULL;
    }
    spill->facts.read++;
    struct segment *const seen = (struct segment *)(void *)spill->scratch;
    *seen                      = *segment;
    seen->is_spilled           = false;
    strings_move(table, seen, spilled->address);
    return seen;
}

// ---- tables ----

void wr_spill_add_table(struct wr_spill *spill, struct wr_table *table)
{
    table->spill      = spill;
    table->is_watched = spill->is_watching;
    table->next       = spill->tables;
    if (spill->tables != NULL) {
        spill->tables->previous = table;
    }
    spill->tables = table;
}

void wr_spill_remove_table(struct wr_table *table)
{
    struct wr_spill *const spill = table->spill;
    if (spill->hand == table) {
        spill->hand    = table->next;
        spill->hand_at = 0;
    }
    if (spill->ahead_of == table) {
        spill->ahead_of = NULL;
    }
    if (table->next != NULL) {
        table->next->previous = table->previous;
    }
    if (table->previous != NULL) {
        table->previous->next = table->next;
    } else {
        spill->tables = table->next;
    }
}

void wr_spill_drop(struct wr_table *table, struct segment *segment)
{
    struct wr_spill *const spill   = table->spill;
    struct spilled *const  spilled = spilled_of(segment);
    spill->facts.segments--;
    spill->facts.bytes -= segment_block_bytes(segment);
    wr_spill_file_free(&spill->file, &spilled->place);
    descriptor_give(spill, spilled);
}

// ---- moments ----

static void spill_watch(struct wr_spill *spill, bool is_watching)
{
    spill->is_watching = is_watching;
    for (struct wr_table *table = spill->tables; table != NULL; table = table->next) {
        table->is_watched = is_watching;
    }
}

void wr_spill_release(struct wr_spill *spill)
{
    if (spill == NULL) {
        return;
    }
    const size_t used = wr_pool_used_bytes(spill->pool);
    spill->moment     = spill->moment % MOMENT_MASK + 1;
    spill->is_stuck   = false;
    if (!spill->is_watching && used > spill->budget_bytes / 4 * 3) {
        spill_watch(spill, true);
    } else if (spill->is_watching && spill->descriptor_count == 0 &&
               used < spill->budget_bytes / 2) {
        spill_watch(spill, false);
    }
    if (spill->is_watching) {
        spill_make_room(spill, 0);
    }
}

bool wr_spill_has_lost(const struct wr_spill *spill) { return spill != NULL && spill->has_lost; }

struct wr_spill_facts wr_spill_facts(const struct wr_spill *spill) { return spill->facts; }

// ---- opening and closing ----

struct wr_spill *wr_spill_open(struct wr_pool *pool, const struct wr_spill_options *options,
                               struct wr_error *error)
{
    struct wr_spill *const spill = wr_alloc(sizeof(*spill));
    WR_ASSERT(wr_pool_budget_bytes(pool) > 0);
    const int status = wr_spill_file_open(&spill->file, options->environment, options->directory);
    if (status < 0) {
        wr_error_set(error, wr_error_status(status),
                     "no file for state over the budget could be made in %s: %s; name another "
                     "directory",
                     options->directory, strerror(-status));
        wr_free(spill);
        return NULL;
    }
    spill->pool              = pool;
    spill->options           = *options;
    spill->options.directory = wr_copy_text(options->directory);
    spill->budget_bytes      = wr_pool_budget_bytes(pool);
    spill->moment            = 1;
    wr_pool_set_spill(pool, spill);
    return spill;
}

void wr_spill_close(struct wr_spill *spill)
{
    if (spill == NULL) {
        return;
    }
    WR_ASSERT(spill->tables == NULL && spill->descriptor_count == 0);
    wr_pool_set_spill(spill->pool, NULL);
    wr_spill_file_close(&spill->file);
    for (uint32_t i = 0; i < spill->slab_count; i++) {
        wr_free(spill->slabs[i]);
    }
    wr_free((void *)(uintptr_t)spill->slabs);
    wr_free((void *)(uintptr_t)spill->wanted);
    wr_free(spill->scratch);
    wr_free(spill->sentences[0]);
    wr_free(spill->sentences[1]);
    wr_free((void *)(uintptr_t)spill->options.directory);
    wr_free(spill);
}
