// seek: places in a partition that are not offsets: a time, and the end of what is committed.
//
// Each search walks segments from the front: by their footers if they are sealed, by batch headers
// if not, and looks into the one batch that matters. It reads with a partition_reader of its own.
#ifndef WR_LOG_SEEK_H
#define WR_LOG_SEEK_H

#include "log/decoder.h"
#include "log/partition_reader.h"

// The first offset from which on a record's time is `time` or later, among those that may be read
// now and (unless it reads_uncommitted) are not of an aborted transaction; the end if there is
// none. `scout` was just initialised and is used up.
weir_status wr_seek_time(struct wr_partition_reader *scout, struct wr_decoder *decoder,
                         weir_time time, uint64_t *offset);

// Transactions that were found undecided. What was, counts as such in all later searches with the
// same set, so that of one transaction all is before the ends found, or nothing.
struct wr_undecided {
    uint64_t *transactions;
    uint32_t  count, capacity;
};
void wr_undecided_fini(struct wr_undecided *undecided);

// The first offset at or after `from` that belongs to an undecided transaction; the end of what may
// be read if there is none.
weir_status wr_seek_committed_end(struct wr_partition_reader *scout, uint64_t from,
                                  struct wr_undecided *undecided, uint64_t *offset);

#endif // WR_LOG_SEEK_H
