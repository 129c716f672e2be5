// replay: the state a replay ended with, as lines of JSON.
#ifndef WR_CLI_REPLAY_H
#define WR_CLI_REPLAY_H

#include <weir/status.h>

// Writes what lies in the newest checkpoint of `directory` to DIRECTORY/state.jsonl, and says on
// stderr, as `program`, where it is, and whether the input ended before the point, unless is_quiet;
// or what went wrong.
weir_status wr_replay_dump(const char *program, const char *directory, bool is_quiet);

#endif // WR_CLI_REPLAY_H
