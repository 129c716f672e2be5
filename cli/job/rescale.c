// weir job rescale: another number of workers, while the job goes on.
#include "cli/job/command.h"

#include <inttypes.h>

static int rescale_run(struct wr_tool_call *call)
{
    struct wr_control_request request = { .verb = WR_CONTROL_RESCALE };
    uint64_t                  count;
    uint32_t                  workers;
    int64_t                   paused_us;
    char                     *rest;
    if (!wr_value_count(call->words[0], &count) || count == 0 || count > WR_CONTROL_WORKERS_MAX) {
        return wr_tool_misused(call, "\"%s\" is not a number of workers from 1 to %u",
                               call->words[0], WR_CONTROL_WORKERS_MAX);
    }
    request.workers = (uint32_t)count;
    int code        = wr_job_ask(call, &request, &rest);
    if (code == 0 && !wr_control_rescaled_parse(rest, &workers, &paused_us)) {
        code = wr_job_not_understood(call);
    } else if (code == 0 && call->as_json) {
        (void)printf("{\"workers\":%" PRIu32 ",\"paused_us\":%" PRIi64 "}\n", workers, paused_us);
    } else if (code == 0 && !call->is_quiet && paused_us == 0) {
        (void)printf("it has %" PRIu32 " worker%s already\n", workers, workers == 1 ? "" : "s");
    } else if (code == 0 && !call->is_quiet) {
        (void)printf("%" PRIu32 " worker%s; paused %.1f ms\n", workers, workers == 1 ? "" : "s",
                     (double)paused_us / 1e3);
    }
    wr_free(rest);
    return code;
}

const struct wr_tool_verb wr_job_rescale_verb = {
    .name    = "rescale",
    .words   = "DIR N",
    .second  = "the number of workers",
    .summary = "give the running job N workers",
    .more =
        "The job goes on: at a barrier, as of a checkpoint, its tables change hands as they lie in "
        "memory.\nPrints how long it was paused for that; nothing is done to one that has N "
        "already.\nOrder, output and checkpoints are as if "
        "nothing had happened.\nIt lasts as long as the run: started again, the job has the "
        "workers of its --workers.\n\n"
        "  weir job rescale data/checkpoints 4\n"
        "  weir job rescale data/checkpoints 4 --json\n",
    .least   = 2,
    .most    = 2,
    .options = 1u << WR_JOB_TIMEOUT,
    .run     = rescale_run,
};
