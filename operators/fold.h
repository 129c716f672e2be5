// A small table in the cache where rows of equal key and slice are folded into one partial.
//
//   four lanes, one a slice: slice n is in lane n mod 4
//
//   lane    tags      | 4 of 32 bits | ... |     a set is compared at once; 0: free
//           tag       | 20 bits of hash, never 0 | 12 bits: number of the entry |
//           entries   | accumulator | key |      as partials leave, in order of coming: dense, so
//                                                that few keys stay in the first-level cache
//           slots     of each entry's tag
//
// A row whose set is full of other keys is not folded, and nobody is evicted for it: pointers to
// entries stay good until a drain.
#ifndef WR_OPERATORS_FOLD_H
#define WR_OPERATORS_FOLD_H

#include "runtime/base/type.h"

#define WR_FOLD_LANES       4u
#define WR_FOLD_WAYS        4u
#define WR_FOLD_NUMBER_BITS 12u

struct wr_fold_lane {
    weir_time start; // of the slice; says nothing while used is 0
    uint32_t  used;
    uint32_t *tags;
    uint64_t *hashes;
    uint16_t *slots;
    char     *entries;
};

struct wr_fold {
    uint32_t            entry_count; // of a lane, a power of two
    uint32_t            entry_bytes;
    uint32_t            key_at, key_bytes;
    struct wr_fold_lane lanes[WR_FOLD_LANES];
};

// Entries of `entry_bytes`, keys of `key_bytes` at `key_at` in them.
void wr_fold_init(struct wr_fold *fold, uint32_t entry_bytes, uint32_t key_at, uint32_t key_bytes);
void wr_fold_fini(struct wr_fold *fold);

// The lane of the slice with that number.
static inline struct wr_fold_lane *wr_fold_lane_of(struct wr_fold *fold, weir_time number)
{
    return &fold->lanes[(uint64_t)number % WR_FOLD_LANES];
}

// Takes the newest entry out of the lane, which must have one; it stays readable until the next
// find.
static inline const char *wr_fold_take(const struct wr_fold *fold, struct wr_fold_lane *lane,
                                       uint64_t *hash)
{
    const uint32_t number           = --lane->used;
    lane->tags[lane->slots[number]] = 0;
    *hash                           = lane->hashes[number];
    return lane->entries + (size_t)number * fold->entry_bytes;
}

#endif // WR_OPERATORS_FOLD_H
