// `weir job VERB ...`: the list of verbs.
#include "cli/job/command.h"

static const struct wr_tool_verb *const verbs[] = {
    &wr_job_status_verb,
    &wr_job_rescale_verb,
    &wr_job_savepoint_verb,
    &wr_job_stop_verb,
};

static const struct wr_tool_option options[] = {
    [WR_JOB_TIMEOUT]   = { 't', "timeout", "S", "wait so many seconds at most (no limit)" },
    [WR_JOB_DRAIN]     = { 'd', "drain", NULL, "close windows and fire timers first" },
    [WR_JOB_SAVEPOINT] = { 's', "savepoint", "TO", "copy the last checkpoint, whole, into TO" },
};

static const struct wr_tool tool = {
    .name = "job",
    .about =
        "Commands a running job: DIR is the directory of its checkpoints, in which it listens.",
    .more         = "\n\nexit codes: 0 done, 2 wrong command line, 3 the job cannot be reached, "
                    "or went away,\n            4 no such directory, or no job runs on it, "
                    "5 refused by the run, 6 took too long,\n            8 disk full, "
                    "9 disk failed, 130 interrupted; of stop also that of a job that fails\n"
                    "            at its end\n",
    .verbs        = verbs,
    .verb_count   = WR_COUNT_OF(verbs),
    .options      = options,
    .option_count = WR_COUNT_OF(options),
};

int wr_job_command(int argc, char **argv) { return wr_tool_run(&tool, argc, argv); }
