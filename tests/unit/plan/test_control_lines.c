// What is said to a running job, and what it answers.
#include "runtime/plan/control_lines.h"

#include <criterion/criterion.h>

static struct wr_control_request request;
static struct wr_error           error;

static void done(void) { wr_error_fini(&error); }

TestSuite(control_lines, .fini = done);

static bool parse(const char *line)
{
    wr_error_fini(&error);
    return wr_control_request_parse(line, &request, &error);
}

static void refuses(const char *line, const char *part)
{
    cr_assert_not(parse(line), "\"%s\" was taken", line);
    cr_assert_eq(error.status, WEIR_USAGE, "\"%s\": %d", line, error.status);
    cr_assert_not_null(strstr(error.sentence, part), "\"%s\": %s", line, error.sentence);
}

// Said and heard again.
static void goes_through(const struct wr_control_request *said)
{
    char *const line = wr_control_request_line(said);
    cr_assert_eq(line[strlen(line) - 1], '\n');
    line[strlen(line) - 1] = 0;
    cr_assert(parse(line), "%s: %s", line, error.sentence);
    cr_assert_eq(request.verb, said->verb, "%s", line);
    cr_assert_eq(request.workers, said->workers, "%s", line);
    cr_assert_eq(request.drains, said->drains, "%s", line);
    cr_assert_eq(request.path == NULL, said->path == NULL, "%s", line);
    if (said->path != NULL) {
        cr_assert_str_eq(request.path, said->path);
    }
    wr_free(line);
}

Test(control_lines, carry_every_command)
{
    const struct wr_control_request all[] = {
        { .verb = WR_CONTROL_STATUS },
        { .verb = WR_CONTROL_RESCALE, .workers = 1 },
        { .verb = WR_CONTROL_RESCALE, .workers = WR_CONTROL_WORKERS_MAX },
        { .verb = WR_CONTROL_SAVEPOINT, .path = "/a path/with drain savepoint in it " },
        { .verb = WR_CONTROL_STOP },
        { .verb = WR_CONTROL_STOP, .drains = true },
        { .verb = WR_CONTROL_STOP, .path = "/to" },
        { .verb = WR_CONTROL_STOP, .drains = true, .path = "/to savepoint /there" },
    };
    for (size_t i = 0; i < WR_COUNT_OF(all); i++) {
        goes_through(&all[i]);
    }
}

Test(control_lines, refuse_a_command_by_its_name)
{
    refuses("rescle 4", "there is no command \"rescle 4\"; there are rescale N");
    refuses("", "there is no command \"\"");
    refuses("stopp", "there is no command \"stopp\"");
    refuses("status now", "there is no command \"status now\"");
    refuses("STATUS", "there is no command \"STATUS\"");
    refuses("rescale", "there is no command \"rescale\"");
}

Test(control_lines, refuse_what_is_no_number_of_workers)
{
    refuses("rescale 0", "\"0\" is no number of workers");
    refuses("rescale 1025", "\"1025\" is no number of workers");
    refuses("rescale 18446744073709551617", "is no number of workers");
    refuses("rescale -1", "\"-1\" is no number of workers");
    refuses("rescale 4 5", "\"4 5\" is no number of workers");
    refuses("rescale ", "\"\" is no number of workers");
}

Test(control_lines, refuse_a_path_that_is_not_absolute)
{
    refuses("savepoint here", "\"here\" must be an absolute path");
    refuses("savepoint ", "\"\" must be an absolute path");
    refuses("stop savepoint here", "\"here\" must be an absolute path");
    refuses("stop drain savepoint ../x", "\"../x\" must be an absolute path");
}

Test(control_lines, refuse_another_way_to_stop)
{
    refuses("stop now", "do not know how to stop with \"now\"");
    refuses("stop drainsavepoint /x", "do not know how to stop with \"savepoint /x\"");
    refuses("stop savepoint", "do not know how to stop with \"savepoint\"");
    refuses("stop ", "do not know how to stop with \"\"");
}

static weir_status answer(char *line, const char **rest)
{
    cr_assert_eq(line[strlen(line) - 1], '\n', "%s", line);
    line[strlen(line) - 1] = 0;
    cr_assert_null(strchr(line, '\n'), "%s", line);
    return wr_control_answer_parse(line, rest);
}

Test(control_lines, carry_every_error_with_its_sentence)
{
    const weir_status all[] = {
#define STATUS(code, name, exit_code, sentence) WEIR_##name,
        WEIR_STATUS_LIST(STATUS)
#undef STATUS
    };
    for (size_t i = 1; i < WR_COUNT_OF(all); i++) {
        const char *rest;
        char *const line = wr_control_error_line(all[i], "why\nit is so");
        cr_assert_eq(answer(line, &rest), all[i], "%s", line);
        cr_assert_str_eq(rest, "why it is so");
        wr_free(line);
    }
}

Test(control_lines, do_not_take_an_answer_of_another_kind)
{
    const char *const others[] = { "",
                                   "okay",
                                   "error",
                                   "error WHY it is so",
                                   "error OK fine",
                                   "error FAILED",
                                   "HTTP/1.1 400 Bad Request" };
    for (size_t i = 0; i < WR_COUNT_OF(others); i++) {
        const char *rest;
        cr_assert_eq(wr_control_answer_parse(others[i], &rest), WEIR_MISMATCH, "%s", others[i]);
        cr_assert_not_null(strstr(rest, "none that this version knows"));
    }
}

Test(control_lines, carry_what_became_of_a_rescale)
{
    const char *rest;
    uint32_t    workers;
    int64_t     paused_us;
    char *const line = wr_control_rescaled_line(4, 1300);
    cr_assert_eq(answer(line, &rest), WEIR_OK);
    cr_assert(wr_control_rescaled_parse(rest, &workers, &paused_us));
    cr_assert_eq(workers, 4);
    cr_assert_eq(paused_us, 1300);
    wr_free(line);
    cr_assert_not(wr_control_rescaled_parse("", &workers, &paused_us));
    cr_assert_not(wr_control_rescaled_parse("4", &workers, &paused_us));
    cr_assert_not(wr_control_rescaled_parse("4 5 6", &workers, &paused_us));
}

static void status_goes_through(const struct wr_control_status *said)
{
    const char              *rest;
    struct wr_control_status heard;
    char *const              line = wr_control_status_line(said);
    cr_assert_eq(answer(line, &rest), WEIR_OK);
    cr_assert(wr_control_status_parse(rest, &heard), "%s", rest);
    cr_assert_eq(heard.workers, said->workers);
    cr_assert_eq(heard.checkpoint, said->checkpoint);
    cr_assert_eq(heard.age_us, said->age_us);
    cr_assert_eq(heard.rows, said->rows);
    cr_assert_eq(heard.watermark, said->watermark);
    cr_assert_eq(heard.is_stopping, said->is_stopping);
    cr_assert_str_eq(heard.job, said->job);
    cr_assert_eq(heard.failures, said->failures);
    cr_assert_eq(heard.failure_age_us, said->failure_age_us);
    cr_assert_eq(heard.failure_status, said->failure_status);
    cr_assert_eq(heard.failure_bytes, said->failure_bytes);
    cr_assert_eq(heard.failure_bytes == 0 ||
                     strncmp(heard.failure, said->failure, heard.failure_bytes) == 0,
                 1, "%s", heard.failure);
    wr_free(line);
}

Test(control_lines, carry_a_status_to_the_ends_of_its_numbers)
{
    const struct wr_control_status all[] = {
        { .workers = 1, .watermark = WEIR_TIME_MIN, .job = "a job b" },
        { .workers     = 1024,
          .checkpoint  = UINT64_MAX,
          .age_us      = INT64_MAX,
          .rows        = UINT64_MAX,
          .watermark   = INT64_MIN,
          .is_stopping = true,
          .job         = "" },
        { .workers    = 2,
          .checkpoint = 3,
          .age_us     = 4,
          .rows       = 5,
          .watermark  = WEIR_TIME_MAX,
          .job        = "x" },
    };
    for (size_t i = 0; i < WR_COUNT_OF(all); i++) {
        status_goes_through(&all[i]);
    }
}

Test(control_lines, carry_why_checkpoints_fail_whatever_the_sentence_is)
{
    const char *const sentences[] = { "/a job b/c1: No space left on device", "x", " job ", "" };
    for (size_t i = 0; i < WR_COUNT_OF(sentences); i++) {
        status_goes_through(&(struct wr_control_status){ .workers        = 1,
                                                         .job            = "payments",
                                                         .failures       = i == 0 ? UINT64_MAX : i,
                                                         .failure_age_us = (int64_t)i,
                                                         .failure_status = WEIR_FULL,
                                                         .failure        = sentences[i],
                                                         .failure_bytes  = strlen(sentences[i]) });
    }
}

Test(control_lines, refuse_failures_that_are_cut_off)
{
    const char *const before =
        "workers 1 checkpoint 2 age_us 3 rows 4 watermark -5 stopping 0 failures 2";
    const char *const rests[] = { "", " job payments",
                                  " failure_age_us 7 failure FULL 100 why job payments",
                                  " failure_age_us 7 failure OK 3 why job payments",
                                  " failure_age_us 7 failure FULL 3 why" };
    for (size_t i = 0; i < WR_COUNT_OF(rests); i++) {
        struct wr_control_status status;
        char *const              line = wr_format("%s%s", before, rests[i]);
        cr_assert_not(wr_control_status_parse(line, &status), "%s", line);
        wr_free(line);
    }
}

Test(control_lines, pass_over_what_a_later_version_says_in_a_status)
{
    struct wr_control_status status;
    cr_assert(wr_control_status_parse("workers 1 checkpoint 2 age_us 3 rows 4 watermark -5 "
                                      "stopping 0 lag_us 17 job payments",
                                      &status));
    cr_assert_eq(status.watermark, -5);
    cr_assert_str_eq(status.job, "payments");
    cr_assert_not(wr_control_status_parse("workers 1 checkpoint 2", &status));
    cr_assert_not(wr_control_status_parse("", &status));
}
