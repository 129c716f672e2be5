// Alignment: how far each partition of a job has come, one word a partition.
//
//   entries:  | 2 * watermark + is_reading | ... a cache line ... |  one a partition
//
// Both facts lie in one word, so that a reader never sees a state without its watermark. An entry
// is written by the one task that reads the partition and read by all source tasks. It stands for
// itself: nothing else is published with it. Two entries may be seen some moments apart; as
// watermarks only rise, a minimum over them is then too low, never too high.
//
// A partition that comes back from idleness was in no minimum while it was idle, and enters at a
// floor that no minimum has passed:
//
//      who comes back (one at a time, under the lock)  who takes a minimum
//      1  store its entry: it reads                    a  load `returns`
//      2  add one to `returns`                         b  load the entries
//      3  load the others' entries                     c  load `returns`: if it has changed, again
//      4  store its entry: at what it found in 3
//
// All of these are in one order. A minimum that left the partition out loaded its entry before 1.
// If it was kept, its c came before 2 too (else a is before 1 and c is after 2: it is taken again),
// so that all its loads came before 3, which finds each other entry as high or higher. What 3 finds
// is thus no lower than the minimum; nor is an entry that began to read in between, as that came
// back itself, at a floor found in the same way (tests/models/alignment.pml). From 1 on the
// partition is in every minimum, which cannot pass its entry. Between 1 and 4 a minimum is too low,
// which does no harm.
//
// Who is paused waits for the minimum to rise; nobody looks at it in vain meanwhile:
//
//      the paused task                            a task that publishes
//      lower lowest_wanted (under the lock)       store its entry
//      look at the minimum; if too low, sleep     look at lowest_wanted; if it has just come
//                                                 past that: wake those whose wish is met (under
//                                                 the lock)
//
// Each stores before it looks, all four in one order, so that one of the two sees the other. Of
// several that must come past the wish, the last to take the lock sees what all have published.
#include "runtime/base/atomic.h"
#include "runtime/progress/progress.h"

#include <pthread.h>

#define WANTS_NOTHING INT64_MAX // no minimum ever comes to that

struct entry {
    _Alignas(WR_CACHE_LINE) int64_t word;
};

// A paused partition's; written under the lock.
struct wish {
    int64_t wanted; // WANTS_NOTHING: none
    void (*wake)(void *waker);
    void *waker;
};

struct wr_alignment {
    uint32_t        entry_count;
    struct entry   *entries;
    struct wish    *wishes; // of each partition
    pthread_mutex_t lock;
    _Alignas(WR_CACHE_LINE) int64_t lowest_wanted; // of all wishes; written under the lock
    int64_t returns;                               // from idleness, so far; written under the lock
};

// WEIR_TIME_MAX would not fit in 63 bits: one microsecond before the end of time is as good here.
static int64_t word_of(weir_time watermark, bool is_reading)
{
    const weir_time shown = watermark < WEIR_TIME_MAX ? watermark : WEIR_TIME_MAX - 1;
    return (int64_t)shown * 2 + (is_reading ? 1 : 0);
}

static bool      word_is_reading(int64_t word) { return (word & 1) != 0; }
static weir_time word_watermark(int64_t word) { return (weir_time)((word - (word & 1)) / 2); }

struct wr_alignment *wr_alignment_open(uint32_t partition_count)
{
    struct wr_alignment *alignment = wr_alloc_aligned(sizeof(*alignment), WR_CACHE_LINE);
    alignment->entry_count         = partition_count;
    alignment->lowest_wanted       = WANTS_NOTHING;
    alignment->wishes              = wr_alloc((partition_count + 1) * sizeof(struct wish));
    (void)pthread_mutex_init(&alignment->lock, NULL);
    alignment->entries =
        wr_alloc_aligned((partition_count + 1) * sizeof(struct entry), WR_CACHE_LINE);
    for (uint32_t i = 0; i < partition_count; i++) {
        wr_store_relaxed(&alignment->entries[i].word, word_of(WEIR_TIME_MIN, true));
        wr_store_relaxed(&alignment->wishes[i].wanted, WANTS_NOTHING);
    }
    return alignment;
}

void wr_alignment_close(struct wr_alignment *alignment)
{
    if (alignment != NULL) {
        (void)pthread_mutex_destroy(&alignment->lock);
        wr_free(alignment->wishes);
        wr_free(alignment->entries);
        wr_free(alignment);
    }
}

// ---- the minimum ----

// Over all partitions but one; if none of them reads, the highest ever published.
static weir_time alignment_minimum_but(const struct wr_alignment *alignment, uint32_t left_out)
{
    weir_time lowest     = WEIR_TIME_MAX; // of those reading
    weir_time highest    = WEIR_TIME_MIN; // of all: an entry's watermark never falls
    bool      is_reading = false;
    for (uint32_t i = 0; i < alignment->entry_count; i++) {
        // Pairs with the stores in wr_alignment_publish_any and wr_alignment_return_any.
        const int64_t   word      = wr_load_in_order(&alignment->entries[i].word);
        const weir_time watermark = word_watermark(word);
        highest                   = watermark > highest ? watermark : highest;
        if (word_is_reading(word) && i != left_out) {
            is_reading = true;
            lowest     = watermark < lowest ? watermark : lowest;
        }
    }
    return is_reading ? lowest : highest;
}

// ---- wishes ----

static int64_t alignment_recount(struct wr_alignment *alignment)
{
    int64_t lowest = WANTS_NOTHING;
    for (uint32_t i = 0; i < alignment->entry_count; i++) {
        const int64_t wanted = wr_load_relaxed(&alignment->wishes[i].wanted);
        lowest               = wanted < lowest ? wanted : lowest;
    }
    // Pairs with the load in wr_alignment_publish_any.
    wr_store_in_order(&alignment->lowest_wanted, lowest);
    return lowest;
}

static void alignment_grant(struct wr_alignment *alignment, weir_time minimum)
{
    for (uint32_t i = 0; i < alignment->entry_count; i++) {
        struct wish *wish = &alignment->wishes[i];
        if (wr_load_relaxed(&wish->wanted) <= minimum) {
            // Pairs with the load in wr_alignment_awaits_any.
            wr_store_in_order(&wish->wanted, WANTS_NOTHING);
            wish->wake(wish->waker);
        }
    }
}

// Under the lock. The minimum is looked at after lowest_wanted was written, until nothing changes.
static void alignment_settle(struct wr_alignment *alignment)
{
    while (alignment_recount(alignment) <= wr_alignment_minimum_any(alignment)) {
        alignment_grant(alignment, wr_alignment_minimum_any(alignment));
    }
}

void wr_alignment_await_any(struct wr_alignment *alignment, uint32_t partition, weir_time wanted,
                            void (*wake)(void *waker), void *waker)
{
    WR_ASSERT(partition < alignment->entry_count && wanted <= WEIR_TIME_MAX);
    struct wish *wish = &alignment->wishes[partition];
    (void)pthread_mutex_lock(&alignment->lock);
    wish->wake  = wake;
    wish->waker = waker;
    wr_store_in_order(&wish->wanted, wanted);
    alignment_settle(alignment);
    (void)pthread_mutex_unlock(&alignment->lock);
}

bool wr_alignment_awaits_any(const struct wr_alignment *alignment, uint32_t partition)
{
    // Pairs with the store in alignment_grant: who still sees a wish is woken after that look.
    return wr_load_in_order(&alignment->wishes[partition].wanted) != WANTS_NOTHING;
}

// ---- publishing ----

void wr_alignment_publish_any(struct wr_alignment *alignment, uint32_t partition,
                              weir_time watermark, enum wr_partition_state state)
{
    WR_ASSERT(partition < alignment->entry_count);
    WR_ASSERT(watermark >= WEIR_TIME_MIN && watermark <= WEIR_TIME_MAX);
    int64_t *const  word   = &alignment->entries[partition].word;
    const int64_t   next   = word_of(watermark, state == WR_PARTITION_READING);
    const weir_time before = word_watermark(wr_load_relaxed(word));
    WR_CHECK(word_watermark(next) >= before); // I9
    // Pairs with the load in wr_alignment_minimum_any, and with the store in alignment_recount.
    wr_store_in_order(word, next);
    const int64_t wanted = wr_load_in_order(&alignment->lowest_wanted);
    if (before < wanted && wanted != WANTS_NOTHING &&
        (word_watermark(next) >= wanted || !word_is_reading(next))) {
        (void)pthread_mutex_lock(&alignment->lock);
        alignment_settle(alignment);
        (void)pthread_mutex_unlock(&alignment->lock);
    }
}

weir_time wr_alignment_return_any(struct wr_alignment *alignment, uint32_t partition,
                                  weir_time watermark)
{
    WR_ASSERT(partition < alignment->entry_count);
    int64_t *const word = &alignment->entries[partition].word;
    (void)pthread_mutex_lock(&alignment->lock);
    WR_ASSERT(!word_is_reading(wr_load_relaxed(word)));
    WR_CHECK(word_watermark(wr_load_relaxed(word)) <= watermark); // I9
    // Steps 1 to 4 above; each pairs with the loads in wr_alignment_minimum_any.
    wr_store_in_order(word, word_of(watermark, true));
    wr_store_in_order(&alignment->returns, wr_load_relaxed(&alignment->returns) + 1);
    const weir_time others = alignment_minimum_but(alignment, partition);
    const weir_time floor  = others > watermark ? others : watermark;
    wr_store_in_order(word, word_of(floor, true));
    alignment_settle(alignment); // who published meanwhile may have seen the lower entry
    (void)pthread_mutex_unlock(&alignment->lock);
    return floor;
}

weir_time wr_alignment_minimum_any(const struct wr_alignment *alignment)
{
    for (;;) {
        // Pairs with step 2 in wr_alignment_return_any.
        const int64_t   returns = wr_load_in_order(&alignment->returns);
        const weir_time minimum = alignment_minimum_but(alignment, alignment->entry_count);
        if (wr_load_in_order(&alignment->returns) == returns) {
            return minimum;
        }
    }
}
