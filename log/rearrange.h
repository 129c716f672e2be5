// rearrange: taking whole segments away, or putting others in their place; the functions "for
// upkeep" of partition.h, and what recovery shares with them.
#ifndef WR_LOG_REARRANGE_H
#define WR_LOG_REARRANGE_H

#include "log/partition.h"

// Carries out a cut that the start file notes and that segments do not show yet.
weir_status wr_partition_finish_cut(struct wr_partition *partition, struct wr_log_error *error);

#endif // WR_LOG_REARRANGE_H
