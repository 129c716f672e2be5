// recover: what a partition's directory holds after whatever happened to it.
#ifndef WR_LOG_RECOVER_H
#define WR_LOG_RECOVER_H

#include "log/partition.h"
#include "log/tail.h"

// A segment file as it was found.
struct wr_found_segment {
    uint64_t                 base, file_bytes;
    char                    *path;
    bool                     is_sealed;
    struct wr_sealed_segment sealed; // if it is
    uint64_t                 cut;    // of its footer, if sealed
};

// The segments that count, ascending, gap-free up to the last; and leftovers: files that an
// unfinished upkeep left behind and that hold nothing that is not elsewhere.
struct wr_found {
    struct wr_partition_start start;
    struct wr_found_segment  *segments;
    uint32_t                  count;
    char                    **leftovers;
    uint32_t                  leftover_count;
    uint64_t                  next_offset; // where an empty partition begins
};

// Reads names, headers and footers, and judges them: WEIR_DAMAGED for a missing segment, one of
// another partition, one that overlaps, or one before the last that is not sealed. Changes nothing.
weir_status wr_partition_find(struct wr_environment *environment, const char *directory,
                              const struct wr_log_place *place, struct wr_found *found,
                              struct wr_log_error *error);
void        wr_found_fini(struct wr_found *found);

// The rest of wr_partition_open.
weir_status wr_partition_recover(struct wr_partition *partition, struct wr_log_error *error);

#endif // WR_LOG_RECOVER_H
