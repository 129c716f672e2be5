// weir job status: how far the job is.
#include "cli/job/command.h"

#include <inttypes.h>

static void print_json(const struct wr_control_status *status)
{
    (void)printf("{\"job\":");
    wr_json_print_text(stdout, status->job);
    (void)printf(",\"workers\":%" PRIu64, status->workers);
    if (status->checkpoint != 0) {
        (void)printf(",\"checkpoint\":%" PRIu64 ",\"checkpoint_age_us\":%" PRIi64,
                     status->checkpoint, status->age_us);
    } else {
        (void)printf(",\"checkpoint\":null,\"checkpoint_age_us\":null");
    }
    (void)printf(",\"rows\":%" PRIu64 ",\"watermark\":", status->rows);
    wr_json_print_time(stdout, status->watermark);
    (void)printf(",\"stopping\":%s,\"failures\":%" PRIu64, status->is_stopping ? "true" : "false",
                 status->failures);
    if (status->failures > 0) {
        char *const failure = wr_job_failure(status);
        (void)printf(",\"failure_age_us\":%" PRIi64 ",\"failure\":", status->failure_age_us);
        wr_json_print_text(stdout, failure);
        (void)printf("}\n");
        wr_free(failure);
    } else {
        (void)printf(",\"failure_age_us\":null,\"failure\":null}\n");
    }
}

static void print_text(const struct wr_control_status *status)
{
    char watermark[WEIR_TIME_TEXT_MAX];
    (void)printf("job         %s%s\nworkers     %" PRIu64 "\n", status->job,
                 status->is_stopping ? ", which is being stopped" : "", status->workers);
    if (status->checkpoint != 0) {
        (void)printf("checkpoint  %" PRIu64 ", %.1f s ago\n", status->checkpoint,
                     (double)status->age_us / 1e6);
    } else {
        (void)printf("checkpoint  none of this run yet\n");
    }
    if (status->failures > 0) {
        char *const failure = wr_job_failure(status);
        (void)printf("given up    %" PRIu64 " in a row, the last %.1f s ago: %s\n",
                     status->failures, (double)status->failure_age_us / 1e6, failure);
        wr_free(failure);
    }
    (void)printf("rows read   %" PRIu64 "\nwatermark   %s\n", status->rows,
                 wr_time_text(status->watermark, watermark));
}

static int status_run(struct wr_tool_call *call)
{
    const struct wr_control_request request = { .verb = WR_CONTROL_STATUS };
    struct wr_control_status        status;
    char                           *rest;
    int                             code = wr_job_ask(call, &request, &rest);
    if (code == 0 && !wr_control_status_parse(rest, &status)) {
        code = wr_job_not_understood(call);
    } else if (code == 0 && call->as_json) {
        print_json(&status);
    } else if (code == 0) {
        print_text(&status);
    }
    wr_free(rest);
    return code;
}

const struct wr_tool_verb wr_job_status_verb = {
    .name    = "status",
    .words   = "DIR",
    .summary = "workers, the last checkpoint, rows read, watermark",
    .more =
        "Of the run that is under way: the last checkpoint that it has published and its age, the "
        "rows that\nits sources have read, rejected and late ones too, and how far event time has "
        "come there.\nWhile checkpoints fail, as on a full disk: how many have since the last good "
        "one, when, and why.\nIt is answered at once, whatever other commands wait for.\n\n"
        "  weir job status data/checkpoints\n"
        "  weir job status data/checkpoints --json | jq .watermark\n",
    .least   = 1,
    .most    = 1,
    .options = 1u << WR_JOB_TIMEOUT,
    .run     = status_run,
};
