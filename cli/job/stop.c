// weir job stop: the job ends, with a last checkpoint.
#include "cli/job/command.h"

static void print_end(const struct wr_tool_call *call, const char *path)
{
    if (call->as_json) {
        (void)printf("{\"stopped\":true,\"savepoint\":");
        if (path != NULL) {
            wr_json_print_text(stdout, path);
        } else {
            (void)printf("null");
        }
        (void)printf("}\n");
    } else if (!call->is_quiet) {
        (void)printf("stopped%s%s\n", path != NULL ? "; savepoint in " : "",
                     path != NULL ? path : "");
    }
}

static int stop_run(struct wr_tool_call *call)
{
    struct wr_control_request request = { .verb   = WR_CONTROL_STOP,
                                          .drains = call->given[WR_JOB_DRAIN] != NULL };
    const char *const         to      = call->given[WR_JOB_SAVEPOINT];
    int                       code    = 0;
    char                     *rest    = NULL;
    char *const               path    = to != NULL ? wr_job_absolute(call, to, &code) : NULL;
    if (code != 0) {
        return code;
    }
    request.path = path;
    code         = wr_job_ask(call, &request, &rest);
    if (code == 0) {
        print_end(call, path);
    }
    wr_free(rest);
    wr_free(path);
    return code;
}

const struct wr_tool_verb wr_job_stop_verb = {
    .name    = "stop",
    .words   = "DIR",
    .summary = "end the job, with a last checkpoint",
    .more =
        "Ends when the job has: then it may be started again at once, and goes on. Without --drain "
        "open\nwindows stay as they are; with it they close and timers fire, as at the end of the "
        "input.\n--savepoint copies that last checkpoint into TO, which is made, or empty; if TO "
        "will not do, or\ncheckpoints fail, the job runs on. Where the disk is full a job that was "
        "told to end waits for room,\nso that nothing is lost: that is said after three seconds, "
        "or after --timeout.\n\n"
        "  weir job stop data/checkpoints\n"
        "  weir job stop data/checkpoints --savepoint data/before-the-upgrade\n",
    .least   = 1,
    .most    = 1,
    .options = 1u << WR_JOB_TIMEOUT | 1u << WR_JOB_DRAIN | 1u << WR_JOB_SAVEPOINT,
    .run     = stop_run,
};
