// Sinks whose output shows with a checkpoint, driven by hand on the simulated disk: a log sink, or
// a file sink, of records that are numbers.
#ifndef SINK_TRIAL_H
#define SINK_TRIAL_H

#include "tests/support/node_harness.h"

#include <weir/log_stream.h>
#include <weir/source.h>

typedef struct number {
    uint64_t number;
} number;
WEIR_RECORD(number, number);

enum sink_kind { SINK_LOG, SINK_FILE };

#define SINK_TASKS 4

struct sink_trial {
    enum sink_kind         kind;
    struct wr_environment *environment;
    weir_job              *job;
    weir_stream            sink;
    struct weir_run       *run; // NULL: no task is open
    struct node_harness    tasks[SINK_TASKS];
    bool                   is_open[SINK_TASKS];
    bool                   is_beside;
    char                  *sentence; // of the committer's last call that failed
};

// The job's sink writes to /data/out, a topic "numbers" or a directory.
void sink_trial_open(struct sink_trial *trial, enum sink_kind kind, uint64_t seed);
// A job of that name with a sink of that name in the same place, in the first one's environment.
void sink_trial_open_beside(struct sink_trial *trial, const struct sink_trial *first,
                            const char *job, const char *sink);
void sink_trial_close(struct sink_trial *trial); // of one beside: not the environment

// A task of the sink begins; false: it could not.
bool sink_trial_start(struct sink_trial *trial, uint32_t task);
void sink_trial_end(struct sink_trial *trial, uint32_t task);
void sink_trial_give(struct sink_trial *trial, uint32_t task, uint64_t number);
// Barrier and prepare. False: it failed.
bool sink_trial_prepare(struct sink_trial *trial, uint32_t task, uint64_t checkpoint,
                        struct wr_token *token);
bool sink_trial_commit(struct sink_trial *trial, uint32_t task, const struct wr_token *token);
bool sink_trial_recover(struct sink_trial *trial, const struct wr_token *tokens, uint32_t count);

// The machine stops, with all tasks, and starts again.
void sink_trial_crash(struct sink_trial *trial, uint64_t seed);
// The process is killed; the machine goes on.
void sink_trial_kill(struct sink_trial *trial);

// What a reader of the output sees, in its order: "1 2 3 "; valid until the next call. A line that
// is not whole is shown as "?".
const char *sink_trial_visible(struct sink_trial *trial);
// How many parts, or transactions, are not decided; when no task is open.
uint32_t sink_trial_undecided(struct sink_trial *trial);

#endif // SINK_TRIAL_H
