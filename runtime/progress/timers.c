// An index of deadlines: a wheel of wheels whose first tick is the deadline last taken.
//
//   deadline as an unsigned number:  | 4 bits | 6 bits | 6 bits | ... | 6 bits |
//   level                              10       9        8              0
//
// A timer stands at the level of the highest digit in which its deadline differs from `now`, in the
// bucket of its digit there. So of all buckets the first of the lowest level in use is the
// earliest, and a bucket of level 0 holds equal deadlines. Taking from a higher one makes its
// earliest deadline the new `now` and hands its timers down; each goes down at most once a level.
// `now` never passes what was taken, so that later additions seldom come before it; those that do
// go to a heap. (A radix heap: Ahuja, Mehlhorn, Orlin, Tarjan 1990.)
//
// Invariants: every deadline in the wheel is at or after `now`, every one in the heap before it; a
// bucket's `earliest` is the minimum over its timers; a bucket's bit is set when it has timers.
//
// Timers stand in blocks of 15, taken from slabs and used again; slabs go when the index closes.
#include "runtime/progress/progress.h"

#define DIGIT_BITS   6u
#define BUCKETS      64u // of a level
#define LEVELS       11u
#define BLOCK_TIMERS 15u
#define SLAB_BLOCKS  255u

struct timer {
    uint64_t deadline; // shifted by 2^63, so that it sorts as an unsigned number
    uint64_t hash;
};

struct block {
    struct block *next;
    uint64_t      count;
    struct timer  timers[BLOCK_TIMERS];
};

struct slab {
    struct slab *next;
    struct block blocks[SLAB_BLOCKS];
};

struct bucket {
    struct block *blocks; // only the first may be not full
    uint64_t      earliest;
};

struct wr_timers {
    uint64_t      now;
    uint64_t      used[LEVELS]; // bit i: bucket i of the level has timers
    uint64_t      used_levels;  // bit l: some bucket of level l has
    uint64_t      count;        // in wheel and heap
    struct bucket buckets[LEVELS][BUCKETS];
    struct block *free_blocks;
    struct slab  *slabs;

    struct timer *overdue; // a binary heap: those before `now`
    size_t        overdue_count;
    size_t        overdue_room;
};

static uint64_t to_unsigned(weir_time deadline) { return (uint64_t)deadline + ((uint64_t)1 << 63); }

static weir_time to_time(uint64_t deadline) { return (weir_time)(deadline - ((uint64_t)1 << 63)); }

// ---- the heap of overdue timers ----

static void overdue_push(struct wr_timers *timers, struct timer added)
{
    if (timers->overdue_count == timers->overdue_room) {
        timers->overdue_room = timers->overdue_room == 0 ? 64 : 2 * timers->overdue_room;
        timers->overdue =
            wr_realloc(timers->overdue, timers->overdue_room * sizeof(*timers->overdue));
    }
    struct timer *const heap = timers->overdue;
    size_t              at   = timers->overdue_count++;
    for (; at > 0 && heap[(at - 1) / 2].deadline > added.deadline; at = (at - 1) / 2) {
        heap[at] = heap[(at - 1) / 2];
    }
    heap[at] = added;
}

static struct timer overdue_pop(struct wr_timers *timers)
{
    struct timer *const heap  = timers->overdue;
    const struct timer  first = heap[0];
    const struct timer  last  = heap[--timers->overdue_count];
    const size_t        count = timers->overdue_count;
    size_t              at    = 0;
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && heap[child + 1].deadline < heap[child].deadline;
        if (last.deadline <= heap[child].deadline) {
            break;
        }
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

// ---- the wheel ----

static struct block *block_take(struct wr_timers *timers)
{
    if (timers->free_blocks == NULL) {
        struct slab *const slab = wr_alloc(sizeof(*slab));
        slab->next              = timers->slabs;
        timers->slabs           = slab;
        for (uint32_t i = SLAB_BLOCKS; i > 0; i--) {
            slab->blocks[i - 1].next = timers->free_blocks;
            timers->free_blocks      = &slab->blocks[i - 1];
        }
    }
    struct block *const block = timers->free_blocks;
    timers->free_blocks       = block->next;
    return block;
}

static void block_give(struct wr_timers *timers, struct block *block)
{
    block->next         = timers->free_blocks;
    timers->free_blocks = block;
}

static void wheel_add(struct wr_timers *timers, struct timer added)
{
    const uint64_t       differs = (added.deadline ^ timers->now) | 1;
    const uint32_t       level   = (63 - (uint32_t)__builtin_clzll(differs)) / DIGIT_BITS;
    const uint32_t       place   = (uint32_t)(added.deadline >> level * DIGIT_BITS) % BUCKETS;
    struct bucket *const bucket  = &timers->buckets[level][place];
    if ((timers->used[level] >> place & 1) == 0) {
        timers->used[level] |= (uint64_t)1 << place;
        timers->used_levels |= (uint64_t)1 << level;
        bucket->earliest = added.deadline;
    }
    if (bucket->blocks == NULL || bucket->blocks->count == BLOCK_TIMERS) {
        struct block *const block = block_take(timers);
        block->next               = bucket->blocks;
        block->count              = 0;
        bucket->blocks            = block;
    }
    bucket->blocks->timers[bucket->blocks->count++] = added;
    if (added.deadline < bucket->earliest) {
        bucket->earliest = added.deadline;
    }
}

// The bucket with the earliest timers, or NULL.
static struct bucket *wheel_first(struct wr_timers *timers, uint32_t *level, uint32_t *place)
{
    if (timers->used_levels == 0) {
        return NULL;
    }
    *level = (uint32_t)__builtin_ctzll(timers->used_levels);
    *place = (uint32_t)__builtin_ctzll(timers->used[*level]);
    return &timers->buckets[*level][*place];
}

static void wheel_mark_empty(struct wr_timers *timers, uint32_t level, uint32_t place)
{
    timers->used[level] &= ~((uint64_t)1 << place);
    if (timers->used[level] == 0) {
        timers->used_levels &= ~((uint64_t)1 << level);
    }
}

// Moves `now` to the bucket's earliest deadline and its timers to lower levels.
static void wheel_hand_down(struct wr_timers *timers, uint32_t level, uint32_t place)
{
    struct bucket *const bucket = &timers->buckets[level][place];
    struct block        *block  = bucket->blocks;
    timers->now                 = bucket->earliest;
    bucket->blocks              = NULL;
    wheel_mark_empty(timers, level, place);
    while (block != NULL) {
        struct block *const next = block->next;
        for (uint64_t i = 0; i < block->count; i++) {
            wheel_add(timers, block->timers[i]);
        }
        block_give(timers, block);
        block = next;
    }
}

// The latest added of a bucket of level 0.
static struct timer wheel_pop(struct wr_timers *timers, uint32_t place)
{
    struct bucket *const bucket = &timers->buckets[0][place];
    struct block *const  block  = bucket->blocks;
    const struct timer   timer  = block->timers[--block->count];
    timers->now                 = timer.deadline;
    if (block->count == 0) {
        bucket->blocks = block->next;
        block_give(timers, block);
        if (bucket->blocks == NULL) {
            wheel_mark_empty(timers, 0, place);
        }
    }
    return timer;
}

static bool wheel_take(struct wr_timers *timers, uint64_t until, struct timer *taken)
{
    uint32_t             level, place;
    const struct bucket *first = wheel_first(timers, &level, &place);
    if (first == NULL || first->earliest > until) {
        return false;
    }
    if (level > 0) {
        wheel_hand_down(timers, level, place);
        wheel_first(timers, &level, &place);
        WR_CHECK(level == 0);
    }
    *taken = wheel_pop(timers, place);
    return true;
}

// ---- the index ----

struct wr_timers *wr_timers_open(void) { return wr_alloc(sizeof(struct wr_timers)); }

void wr_timers_close(struct wr_timers *timers)
{
    if (timers == NULL) {
        return;
    }
    while (timers->slabs != NULL) {
        struct slab *const slab = timers->slabs;
        timers->slabs           = slab->next;
        wr_free(slab);
    }
    wr_free(timers->overdue);
    wr_free(timers);
}

void wr_timers_add(struct wr_timers *timers, weir_time deadline, uint64_t hash)
{
    const struct timer added = { to_unsigned(deadline), hash };
    if (timers->count++ == 0) {
        // Nothing is ordered against `now`: it may go anywhere, back too.
        timers->now = added.deadline < timers->now ? added.deadline : timers->now;
    }
    if (added.deadline < timers->now) {
        overdue_push(timers, added);
    } else {
        wheel_add(timers, added);
    }
}

bool wr_timers_take(struct wr_timers *timers, weir_time until, weir_time *deadline, uint64_t *hash)
{
    struct timer taken;
    if (timers->overdue_count > 0) {
        if (timers->overdue[0].deadline > to_unsigned(until)) {
            return false;
        }
        taken = overdue_pop(timers);
    } else if (!wheel_take(timers, to_unsigned(until), &taken)) {
        return false;
    }
    timers->count--;
    *deadline = to_time(taken.deadline);
    *hash     = taken.hash;
    return true;
}

uint64_t wr_timers_count(const struct wr_timers *timers) { return timers->count; }

weir_time wr_timers_earliest(const struct wr_timers *timers)
{
    if (timers->overdue_count > 0) {
        return to_time(timers->overdue[0].deadline);
    }
    if (timers->used_levels == 0) {
        return WEIR_TIME_MAX;
    }
    const uint32_t level = (uint32_t)__builtin_ctzll(timers->used_levels);
    const uint32_t place = (uint32_t)__builtin_ctzll(timers->used[level]);
    return to_time(timers->buckets[level][place].earliest);
}
