// Which segments go, and when they come back; see spill.h, and spilled.h for what becomes of one.
//
// Time is counted in moments, from one wr_spill_release to the next; what was used in the present
// one stays. As long as there is air below the budget and nothing is in the file, nobody keeps
// account of uses, and tables are as fast as without all this: `is_watched` is off. Then nothing
// can go before the next moment.
#include "runtime/state/spilled.h"

#include <stdlib.h>

#define AHEAD_COUNT  32u // segments that a walk has read ahead
#define CLOCK_ROUNDS 3u  // one from the middle, one that takes second chances, one that finds

// ---- going ----

// Whether nobody has used it since the hand came by; if somebody did, not in this moment, the next
// time it will.
static bool segment_may_go(const struct wr_table *table, const struct segment *segment)
{
    uint32_t *const uses    = segment_uses(table, segment);
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
            return wr_spilled_write(table, segment);
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

// Those that the system has in memory at once; the others are asked of the disk together, and then
// read in the order they lie in.
static bool wanted_load(struct wr_table *table, bool writes)
{
    struct wr_spill *const spill = table->spill;
    size_t                 bytes = 0;
    qsort((void *)(uintptr_t)spill->wanted, spill->wanted_count, sizeof(struct spilled *),
          wanted_compare);
    for (uint32_t i = 0; i < spill->wanted_count; i++) {
        spill->wanted[i]->is_wanted = false;
        bytes += segment_block_bytes(&spill->wanted[i]->header);
    }
    spill_make_room(spill, bytes);
    for (int is_now = spill->wanted_count > 1; is_now >= 0; is_now--) {
        uint32_t left = 0;
        for (uint32_t i = 0; i < spill->wanted_count && !spill->has_lost; i++) {
            struct spilled *const       wanted  = spill->wanted[i];
            const struct segment *const segment = wr_spilled_load(table, wanted, is_now != 0);
            if (segment == NULL) {
                spill->wanted[left++] = wanted;
            } else if (writes) {
                wr_spill_forget(table, segment);
            }
        }
        spill->wanted_count = left;
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
    return wr_spilled_load(table, spilled_of(segment), false);
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
    WR_ASSERT(spill->tables == NULL);
    wr_pool_set_spill(spill->pool, NULL);
    wr_spill_file_close(&spill->file);
    wr_spilled_close(spill);
    wr_free((void *)(uintptr_t)spill->wanted);
    wr_free(spill->sentences[0]);
    wr_free(spill->sentences[1]);
    wr_free((void *)(uintptr_t)spill->options.directory);
    wr_free(spill);
}
