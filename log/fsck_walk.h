// fsck_walk: what the two halves of fsck share: the walk over the directory (fsck.c) and over one
// partition's segments (fsck_part.h).
#ifndef WR_LOG_FSCK_WALK_H
#define WR_LOG_FSCK_WALK_H

#include "log/decisions.h"
#include "log/fsck.h"
#include "log/pack.h"

struct wr_fsck {
    struct wr_environment        *environment;
    const char                   *directory;
    const struct wr_fsck_options *options;
    struct wr_fsck_summary       *summary;
    struct wr_log_id              id;
    bool                          has_id;
    uint32_t                      epoch; // UINT32_MAX: not known

    // Of the topic of decisions, which is walked first.
    struct wr_decisions decisions;
    bool                has_decisions;  // it is there and was read
    uint32_t            decision_epoch; // the latest a decision was written in

    // While a partition is looked at beside a living writer, findings are only counted.
    bool     is_counting;
    uint32_t counted;
};

// A topic that is being checked.
struct wr_fsck_topic {
    struct wr_fsck      *fsck;
    char                *name, *directory;
    bool                 has_file, has_id; // `file` was read; the id is known
    struct wr_topic      file;             // its id, settings and schemas
    struct wr_row_shape *shapes;           // version v is shapes[v - 1]
    uint32_t             partitions;
    uint64_t            *ends; // of each partition; UINT64_MAX: not known
};

// Where something was found.
struct wr_fsck_place {
    const struct wr_fsck_topic *topic; // NULL: of none
    uint32_t                    partition;
    const char                 *path;
    uint64_t                    byte; // UINT64_MAX: of none in particular
    uint64_t                    first_offset, end_offset;
};

void wr_fsck_report(struct wr_fsck *fsck, enum wr_fsck_kind kind, const struct wr_fsck_place *place,
                    const char *sentence, ...) WEIR_PRINTF(4, 5);

// Reads all segments of a partition and tells what is wrong; sets topic->ends[number].
void wr_fsck_partition(struct wr_fsck_topic *topic, uint32_t number);

#endif // WR_LOG_FSCK_WALK_H
