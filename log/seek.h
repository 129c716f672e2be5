// seek: places in a partition that are not offsets: a time, and the end of what is committed.
//
// Each search walks segments from the front: by their footers if they are sealed, by batch headers
// if not, and looks into the one batch that matters. It reads with a partition_reader of its own.
#ifndef WR_LOG_SEEK_H
#define WR_LOG_SEEK_H

#include "log/decisions.h"
#include "log/decoder.h"
#include "log/partition_reader.h"

// The first offset from which on a record's time is `time` or later, among those that may be read
// now and (unless it reads_uncommitted) are not of an aborted transaction; the end if there is
// none. `scout` was just initialised and is used up. WEIR_DAMAGED: what might have it cannot be
// read; *offset is the place.
weir_status wr_seek_time(struct wr_partition_reader *scout, struct wr_decoder *decoder,
                         weir_time time, uint64_t *offset);

// The first offset at or after `from` that belongs to a transaction which is not decided in
// `decided`; the end of what may be read if there is none. If `decided` is older than the scouts of
// several partitions, then of each transaction all is before the ends found, or nothing: what was
// decided then had been readable before. With `passes_damage`, segments from where they are damaged
// on hold no such record: whoever reads stops there.
weir_status wr_seek_committed_end(struct wr_partition_reader *scout, uint64_t from,
                                  const struct wr_decisions *decided, bool passes_damage,
                                  uint64_t *offset);

#endif // WR_LOG_SEEK_H
