// compaction: what one compaction of a partition knows, for the files that tell its story.
//
//   compact       when it is due, which segments, putting new ones in place
//   out_of_date   reading: which rows a later record has superseded
//   rewrite       writing segments anew with the rows that stay
//
// Thread rule: one thread's, between wr_upkeep_enter and wr_upkeep_leave.
#ifndef WR_LOG_COMPACTION_H
#define WR_LOG_COMPACTION_H

#include "log/decoder.h"
#include "log/key.h"
#include "log/key_map.h"
#include "log/upkeep.h"

struct wr_compaction {
    struct wr_partition   *partition;
    struct wr_environment *environment;
    weir_topic             settings; // as they were when it began
    struct wr_log_error   *error;
    bool                   is_stopped;

    // What is compacted, and what counts besides.
    struct wr_sealed_segment *segments; // the sealed ones, of which `count` may be rewritten
    uint32_t                  count, sealed_count;
    uint64_t                  active_base, active_bytes; // of the segment being written; 0: none
    uint64_t                  first_offset, durable;
    weir_time                 now;

    // What is known of rows, numbered in order from 0.
    uint64_t *dropped; // a bit each
    uint64_t  row_count;
    uint64_t *first_rows; // of each segment, and then row_count

    // Reading.
    int                      file;
    struct wr_segment_cursor cursor;
    struct wr_decoder        decoder;
    struct wr_log_key        key;
    struct wr_key_map        map;
    char                    *keys;
    uint64_t                *hashes;
    size_t                   key_capacity; // rows
    char                    *encoded;
    size_t                   encoded_capacity;
};

static inline bool wr_compaction_is_dropped(const struct wr_compaction *compaction, uint64_t row)
{
    return (compaction->dropped[row / 64] >> (row % 64) & 1) != 0;
}

static inline void wr_compaction_drop(struct wr_compaction *compaction, uint64_t row)
{
    WR_CHECK(row < compaction->row_count);
    compaction->dropped[row / 64] |= (uint64_t)1 << (row % 64);
}

// How many of the rows [first, end) stay.
uint64_t wr_compaction_count_kept(const struct wr_compaction *compaction, uint64_t first,
                                  uint64_t end);
// Keeps a sentence about it; returns false.
bool wr_compaction_fail(struct wr_compaction *compaction, weir_status status, const char *what);

// Opens the segment to be walked, up to `bytes`.
bool wr_compaction_walk_open(struct wr_compaction *compaction, uint64_t base, uint64_t bytes,
                             struct wr_segment_header *header);
// The next batch of rows. False: there is none, or compaction->error says why.
bool wr_compaction_walk_next(struct wr_compaction *compaction, struct wr_log_batch_header *header,
                             char **batch);
void wr_compaction_walk_close(struct wr_compaction *compaction);

// Sets the bits of all rows that do not stay. False: it was stopped, or could not be read.
bool wr_compaction_find_out_of_date(struct wr_compaction *compaction);
// Writes segments [first, first + count) as one to `path`; *by is what the partition knows of it.
bool wr_compaction_rewrite(struct wr_compaction *compaction, uint32_t first, uint32_t count,
                           const char *path, struct wr_sealed_segment *by);

#endif // WR_LOG_COMPACTION_H
