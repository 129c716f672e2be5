// fsck_part: what the parts of fsck share that look into one partition.
//
//   fsck_partition   its start file, what its writer told, its list of segments and their ends
//   fsck_segment     one file: its header, how it fits behind those before, where it ends
//   fsck_batches     the batches of a file, one after the other: their rows, their transactions
#ifndef WR_LOG_FSCK_PART_H
#define WR_LOG_FSCK_PART_H

#include "log/fsck_walk.h"
#include "log/live.h"
#include "log/partition.h"
#include "log/segment.h"

struct wr_fsck_part {
    struct wr_fsck           *fsck;
    struct wr_fsck_topic     *topic;
    uint32_t                  number, seed;
    char                     *directory;
    struct wr_log_place       place;
    struct wr_partition_start start;
    bool                      has_start;
    struct wr_live_position   live;
    bool                      has_live, is_written; // live memory is right; a writer lives
    uint64_t                 *bases;
    uint32_t                  count;

    uint64_t next;       // where the next segment begins; UINT64_MAX: not known
    uint32_t generation; // of the segment before
    uint64_t end;

    uint64_t undecided, first_undecided; // batches
    char    *unpacked;
    size_t   unpacked_capacity;
};

// A segment's file that is being checked.
struct wr_fsck_file {
    struct wr_fsck_part     *part;
    uint32_t                 index; // in part->bases
    uint64_t                 base, bytes;
    char                    *path;
    int                      file;
    bool                     is_last, is_sealed;
    struct wr_segment_header header;
    struct wr_segment_index  index_found; // of its footer, if it is sealed
};

#define WR_FSCK_AT(file_, byte_, first_, end_)                                                     \
    (&(struct wr_fsck_place){ .topic        = (file_)->part->topic,                                \
                              .partition    = (file_)->part->number,                               \
                              .path         = (file_)->path,                                       \
                              .byte         = (byte_),                                             \
                              .first_offset = (first_),                                            \
                              .end_offset   = (end_) })

// How far a walk over a file's batches came.
struct wr_fsck_walked {
    uint64_t       offset, position; // behind the last valid batch
    uint64_t       rows;
    enum wr_cursor end;
    bool           has_footer;
    const char    *reason;
    int            io_error;
};

// Walks the batches up to byte `limit`, or the footer, and tells what is wrong inside of them.
struct wr_fsck_walked wr_fsck_walk(struct wr_fsck_file *file, uint64_t limit);

// Checks the segment of that number in part->bases, and moves part->next and part->end behind it.
void wr_fsck_segment(struct wr_fsck_part *part, uint32_t index);

// The place a header says it is of, if its own checksum agrees.
bool wr_fsck_header_place(const char *bytes, struct wr_log_place *place,
                          struct wr_segment_header *header);

#endif // WR_LOG_FSCK_PART_H
