// publisher: what a thread of an outbox does, one bounded step at a time; a simulation steps it
// too.
//
//   LOG      the log and the topic are to be opened
//   TARGET   the target is to be opened, and asked how far each partition has come
//   PUBLISH  one transaction a step:  reader of a partition --rows--> begin, write ..., commit
//   ENDED    for good; status and sentence say why
//
//   LOG --> TARGET --> PUBLISH           a call on the target is UNKNOWN: --> TARGET, a little
//   later
//                                        FENCED, REFUSED, or the log fails: --> ENDED
//
// Invariants
//   `next` of a partition was read back from the target, or is what a commit since then that was
//     DONE says; it is never past what is committed in the log, nor before what the log has
//   a transaction starts exactly at `next`, and none is open between two steps
//   each opening of the target has a greater epoch than the one before
//
// Thread rule: belongs to one thread.
#ifndef WR_PUBLISHER_H
#define WR_PUBLISHER_H

#include "log/log.h"
#include "runtime/base/error.h"
#include "runtime/base/type.h"
#include <weir/outbox.h>

enum wr_publisher_state {
    WR_PUBLISHER_LOG,
    WR_PUBLISHER_TARGET,
    WR_PUBLISHER_PUBLISH,
    WR_PUBLISHER_ENDED
};

struct wr_published {
    uint32_t      number;
    weir_reader  *reader;
    uint64_t      next;  // the target has what is before
    weir_log_rows rows;  // the reader's, not yet given to the target
    uint32_t      taken; // of them that are
    bool          has_rows;
    int64_t       seen_us; // when they came
};

struct wr_publisher {
    // Constant.
    struct wr_environment     *environment;
    char                      *directory, *topic_name, *name;
    weir_outbox_target         target;
    struct weir_outbox_options options; // with the defaults filled in
    uint64_t                   id;

    enum wr_publisher_state state;
    struct wr_error         error;    // of the end, or of the last try
    bool                    has_told; // that it waits for something
    uint32_t                tries;    // in a row that failed
    int64_t wake_at_us; // no step does anything before; INT64_MAX: until there is news

    weir_log            *log;
    struct wr_topic     *topic;
    const weir_type     *type;
    struct wr_strings    strings;
    char                 source_id[WEIR_OUTBOX_ID_BYTES];
    struct wr_published *partitions;
    uint32_t             partition_count;
    uint32_t             turn; // the partition to look at first

    bool                 is_connected; // the target has been opened and not closed
    bool                 has_claimed;  // it was opened before
    weir_outbox_counters counters;
};

// The environment outlives it. Nothing is opened yet.
void wr_publisher_init(struct wr_publisher *publisher, struct wr_environment *environment,
                       const char *directory, const char *topic, const weir_outbox_target *target,
                       const weir_outbox_options *options);
void wr_publisher_fini(struct wr_publisher *publisher);

enum wr_publisher_step {
    WR_PUBLISHER_MOVED, // call it again
    WR_PUBLISHER_IDLE,  // all that is committed is published
    WR_PUBLISHER_WAITS, // for the log, the target, or more rows: until wake_at_us, or for news
    WR_PUBLISHER_HAS_ENDED
};
// One step; `hurries`: nothing is kept waiting for more.
enum wr_publisher_step wr_publisher_step(struct wr_publisher *publisher, bool hurries);

#endif // WR_PUBLISHER_H
