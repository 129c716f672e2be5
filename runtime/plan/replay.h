// replay: what a run up to a point goes on from (weir_run_options.until).
#ifndef WR_REPLAY_H
#define WR_REPLAY_H

#include "runtime/checkpoint/checkpoint.h"
#include "runtime/graph/graph.h"

// What the text names must be partitions of the job's sources, which have been listed. False: the
// job has the mistake.
bool wr_replay_fits(weir_job *job, const struct wr_until *until);

// Opens, for reading, the newest checkpoint in `directory` of which no source had come past the
// point. Those that cannot be read, or go meanwhile, are passed over. WEIR_NOT_FOUND: there is
// none.
weir_status wr_replay_open(struct wr_environment *environment, const char *directory,
                           const struct wr_until *until, struct wr_store **store,
                           struct wr_error *error);

#endif // WR_REPLAY_H
