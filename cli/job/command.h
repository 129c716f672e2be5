// command: what verbs of `weir job` share: asking the job that runs on a directory of checkpoints.
//
// A verb is a struct wr_tool_verb in a file of its own; verbs.c lists them.
//
// Thread rule: the main thread's.
#ifndef WR_CLI_JOB_COMMAND_H
#define WR_CLI_JOB_COMMAND_H

#include "cli/tool/tool.h"
#include "runtime/plan/control_lines.h"

enum { WR_JOB_TIMEOUT, WR_JOB_DRAIN, WR_JOB_SAVEPOINT }; // numbers of its options

extern const struct wr_tool_verb wr_job_rescale_verb, wr_job_savepoint_verb, wr_job_stop_verb,
    wr_job_status_verb;

// `weir job ...`; argv[0] is "job". The exit code.
int wr_job_command(int argc, char **argv);

// Asks, and waits for the answer. 0, and *rest (wr_alloc'ed) is what follows its "ok"; or the exit
// code of what was said.
int wr_job_ask(const struct wr_tool_call *call, const struct wr_control_request *request,
               char **rest);
// Why the last checkpoint failed, where some have (wr_alloc'ed).
char *wr_job_failure(const struct wr_control_status *status);
// The answer is none that this version knows.
int wr_job_not_understood(const struct wr_tool_call *call);

// The path as the job understands it, whose working directory is another (wr_alloc'ed). NULL: *code
// is that of what was said.
char *wr_job_absolute(const struct wr_tool_call *call, const char *path, int *code);

#endif // WR_CLI_JOB_COMMAND_H
