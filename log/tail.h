// tail: what a segment holds and where its valid bytes end: the judgement between a torn tail and
// damage (see the crash argument in format.h). It reads only.
#ifndef WR_LOG_TAIL_H
#define WR_LOG_TAIL_H

#include "log/segment.h"

struct wr_tail {
    struct wr_segment_header header;
    struct wr_segment_index  index; // of the valid batches; owned
    uint64_t                 file_bytes;
    uint64_t                 end_offset, position; // where the next batch belongs
    uint64_t                 durable;       // the greatest durable_upto found; at least the base
    uint64_t                 batch_count;   // but for marks and the footer
    uint64_t                 garbage_bytes; // behind `position`, up to the last that is not zero
    uint64_t                 cut;           // of its last batch, else 0
    uint32_t                 epoch;         // of its last batch, else the header's
    bool is_sealed; // ends with a footer; zeros may follow it: its truncation was cut off
    bool is_clean;  // ends with the mark of a clean close
};

// Walks the whole segment. `known_durable`: offsets below are known to be on disk from elsewhere.
// WEIR_DAMAGED: bytes before the durable end are not what was written; the sentence says where, and
// *tail, which is not to be finished then, as far as its numbers go.
weir_status wr_tail_read(struct wr_environment *environment, const char *path,
                         enum wr_open_mode mode, const struct wr_log_place *place,
                         uint64_t base_offset, uint64_t known_durable, struct wr_tail *tail,
                         struct wr_log_error *error);
void        wr_tail_fini(struct wr_tail *tail);

#endif // WR_LOG_TAIL_H
