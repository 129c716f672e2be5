// Alignment: how far each partition of a job has come, one word a partition.
//
//   entries:  | 2 * watermark + is_reading | ... a cache line ... |  one a partition
//
// Both facts lie in one word, so that a reader never sees a state without its watermark. An entry
// is written by the one task that reads the partition and read by all source tasks. It stands for
// itself: nothing else is published with it, so its loads and stores are relaxed. Two entries may
// be seen some moments apart; as watermarks only rise, a minimum over them is then too low, never
// too high, but for a partition that just came back from idleness.
#include "runtime/base/atomic.h"
#include "runtime/progress/progress.h"

struct entry {
    _Alignas(WR_CACHE_LINE) int64_t word;
};

struct wr_alignment {
    uint32_t      entry_count;
    struct entry *entries;
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
    struct wr_alignment *alignment = wr_alloc(sizeof(*alignment));
    alignment->entry_count         = partition_count;
    alignment->entries =
        wr_alloc_aligned((partition_count + 1) * sizeof(struct entry), WR_CACHE_LINE);
    for (uint32_t i = 0; i < partition_count; i++) {
        wr_store_relaxed(&alignment->entries[i].word, word_of(WEIR_TIME_MIN, true));
    }
    return alignment;
}

void wr_alignment_close(struct wr_alignment *alignment)
{
    if (alignment != NULL) {
        wr_free(alignment->entries);
        wr_free(alignment);
    }
}

void wr_alignment_publish_any(struct wr_alignment *alignment, uint32_t partition,
                              weir_time watermark, enum wr_partition_state state)
{
    WR_ASSERT(partition < alignment->entry_count);
    WR_ASSERT(watermark >= WEIR_TIME_MIN && watermark <= WEIR_TIME_MAX);
    int64_t *const word = &alignment->entries[partition].word;
    const int64_t  next = word_of(watermark, state == WR_PARTITION_READING);
    WR_CHECK(word_watermark(next) >= word_watermark(wr_load_relaxed(word))); // I9
    // Pairs with the load in wr_alignment_minimum_any; see the top for why relaxed is enough.
    wr_store_relaxed(word, next);
}

weir_time wr_alignment_minimum_any(const struct wr_alignment *alignment)
{
    weir_time lowest     = WEIR_TIME_MAX; // of those reading
    weir_time highest    = WEIR_TIME_MIN; // of all: an entry's watermark never falls
    bool      is_reading = false;
    for (uint32_t i = 0; i < alignment->entry_count; i++) {
        // Pairs with the store in wr_alignment_publish_any.
        const int64_t   word      = wr_load_relaxed(&alignment->entries[i].word);
        const weir_time watermark = word_watermark(word);
        highest                   = watermark > highest ? watermark : highest;
        if (word_is_reading(word)) {
            is_reading = true;
            lowest     = watermark < lowest ? watermark : lowest;
        }
    }
    return is_reading ? lowest : highest;
}
