// rearrange: taking whole segments away, or putting others in their place; the functions "for
// upkeep" of partition.h, and what recovery shares with them.
#ifndef WR_LOG_REARRANGE_H
#define WR_LOG_REARRANGE_H

#include "log/partition.h"

// Carries out a cut that the start file notes and that segments do not show yet.
weir_status wr_partition_finish_cut(struct wr_partition *partition, struct wr_log_error *error);

// Ends a segment that was written beside the others to take a place among them: footer, length and
// sync. index->end_offset is where it ends; *position moves behind the footer. 0, or -errno.
int wr_partition_end_copy(const struct wr_partition *partition, struct wr_segment_index *index,
                          int file, weir_time appended, uint64_t *position);

// A batch in the place of another, without rows (wr_alloc'ed; its header is still to be encoded);
// *empty is that header.
char *wr_partition_empty_batch(const struct wr_partition        *partition,
                               const struct wr_log_batch_header *in_place_of,
                               struct wr_log_batch_header       *empty);

#endif // WR_LOG_REARRANGE_H
