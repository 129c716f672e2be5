// weir job savepoint: a copy of the running job's state that nothing deletes.
#include "cli/job/command.h"

static int savepoint_run(struct wr_tool_call *call)
{
    struct wr_control_request request = { .verb = WR_CONTROL_SAVEPOINT };
    int                       code    = 0;
    char                     *rest    = NULL;
    char *const               path    = wr_job_absolute(call, call->words[0], &code);
    if (path == NULL) {
        return code;
    }
    request.path = path;
    code         = wr_job_ask(call, &request, &rest);
    if (code == 0 && call->as_json) {
        (void)printf("{\"savepoint\":");
        wr_json_print_text(stdout, path);
        (void)printf("}\n");
    } else if (code == 0 && !call->is_quiet) {
        (void)printf("savepoint in %s\n", path);
    }
    wr_free(rest);
    wr_free(path);
    return code;
}

const struct wr_tool_verb wr_job_savepoint_verb = {
    .name    = "savepoint",
    .words   = "DIR TO",
    .second  = "the savepoint's directory",
    .summary = "take a checkpoint now and copy it whole into TO",
    .more    = "TO is made, or empty. The job goes on, and never deletes it. A job goes on from it "
               "with a new\ndirectory of checkpoints and --restore TO. If the checkpoint fails, as "
               "on a full disk, nothing\ncomes of it.\n\n"
               "  weir job savepoint data/checkpoints data/before-the-upgrade\n",
    .least   = 2,
    .most    = 2,
    .options = 1u << WR_JOB_TIMEOUT,
    .run     = savepoint_run,
};
