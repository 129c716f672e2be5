// The table where combine folds rows; see fold.h.
#include "operators/fold.h"

// Two lanes are in use as a rule, and share the second-level cache with a batch or two.
#define LANE_BYTES       (128u << 10)
#define LANE_ENTRIES_MAX (1u << WR_FOLD_NUMBER_BITS)
#define LANE_ENTRIES_MIN 64u

void wr_fold_init(struct wr_fold *fold, uint32_t entry_bytes, uint32_t key_at, uint32_t key_bytes)
{
    uint32_t count = LANE_ENTRIES_MAX;
    while (count > LANE_ENTRIES_MIN && count * entry_bytes > LANE_BYTES) {
        count /= 2;
    }
    *fold = (struct wr_fold){ count, entry_bytes, key_at, key_bytes, { { 0 } } };
    // wr_alloc leaves pages alone that nobody has written: a lane costs what it holds.
    for (uint32_t i = 0; i < WR_FOLD_LANES; i++) {
        struct wr_fold_lane *lane = &fold->lanes[i];
        lane->tags                = wr_alloc(count * sizeof(*lane->tags));
        lane->hashes              = wr_alloc(count * sizeof(*lane->hashes));
        lane->slots               = wr_alloc(count * sizeof(*lane->slots));
        lane->entries             = wr_alloc((size_t)count * entry_bytes);
    }
}

void wr_fold_fini(struct wr_fold *fold)
{
    for (uint32_t i = 0; i < WR_FOLD_LANES; i++) {
        wr_free(fold->lanes[i].tags);
        wr_free(fold->lanes[i].hashes);
        wr_free(fold->lanes[i].slots);
        wr_free(fold->lanes[i].entries);
    }
    *fold = (struct wr_fold){ 0 };
}
