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
    char                    *damage; // why its header is none that belongs there; NULL: it does
};

// The segments that count, ascending; and leftovers: files that an
// unfinished upkeep left behind and that hold nothing that is not elsewhere.
struct wr_found {
    struct wr_partition_start start;
    struct wr_found_segment  *segments;
    uint32_t                  count;
    char                    **leftovers;
    uint32_t                  leftover_count;
    uint64_t                  next_offset; // where an empty partition begins
};

// Reads names, headers and footers. Damage is no failure but that of the start file, or of a
// directory that is gone. Changes nothing, as all that follows.
weir_status wr_found_gather(struct wr_environment *environment, const char *directory,
                            const struct wr_log_place *place, struct wr_found *found,
                            struct wr_log_error *error);
// The same, and judges it: WEIR_DAMAGED for a missing segment, one of another partition, one that
// overlaps, or one before the last that is not sealed.
weir_status wr_partition_find(struct wr_environment *environment, const char *directory,
                              const struct wr_log_place *place, struct wr_found *found,
                              struct wr_log_error *error);
void        wr_found_fini(struct wr_found *found);

// WEIR_DAMAGED if the newest segment that is known is not there.
weir_status wr_found_judge_newest(const struct wr_found *found, const char *directory,
                                  struct wr_log_error *error);
// WEIR_DAMAGED, always: the segment and the one behind it hold the same offsets.
weir_status wr_found_overlap(const struct wr_found_segment *segment, struct wr_log_error *error);
// WEIR_DAMAGED, always: no segment is left, though some held records up to `durable`.
weir_status wr_found_all_gone(const char *directory, uint64_t durable, uint64_t next_offset,
                              struct wr_log_error *error);
// Whether a segment from before the last cut goes on past its offset.
bool wr_found_has_unfinished_cut(const struct wr_found *found);

// The rest of wr_partition_open.
weir_status wr_partition_recover(struct wr_partition *partition, struct wr_log_error *error);

#endif // WR_LOG_RECOVER_H
