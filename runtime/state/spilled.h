// What the files of the spill share: a segment's way into the file and back is spilled.c, which of
// them go, and when they come back, spill.c. Private to the two.
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
#ifndef WR_SPILLED_H
#define WR_SPILLED_H

#include "runtime/state/segment.h"
#include "runtime/state/spill_file.h"

#define MOMENT_BITS 8u
#define MOMENT_MASK ((1u << MOMENT_BITS) - 1)

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
    bool                    is_stuck;   // nothing more can go in this moment
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

static inline struct spilled *spilled_of(const struct segment *segment)
{
    WR_CHECK(segment->is_spilled);
    return (struct spilled *)(uintptr_t)segment;
}

// ---- a segment's entries ----

static inline uint64_t entries_first(const struct wr_table *table, const struct segment *segment)
{
    return segment->prefix >> table->directory_shift;
}

static inline uint64_t entries_count(const struct wr_table *table, const struct segment *segment)
{
    return (uint64_t)1 << (table->depth - segment->depth);
}

static inline uint32_t *segment_uses(const struct wr_table *table, const struct segment *segment)
{
    return table->uses + entries_first(table, segment);
}

// ---- spilled.c ----

// Into the file, and out of memory. False: it could not be written.
bool wr_spilled_write(struct wr_table *table, struct segment *segment);
// Back into memory, used in this moment. NULL: it could not be read; or, with `is_now`, not without
// waiting for the disk, which has then begun to read it.
struct segment *wr_spilled_load(struct wr_table *table, struct spilled *spilled, bool is_now);
void            wr_spilled_close(struct wr_spill *spill); // what is left of descriptors

#endif // WR_SPILLED_H
