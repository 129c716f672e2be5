#include "cli/job/command.h"

#include "runtime/base/local_socket.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES (64u << 10) // more than any has
#define LOOK_US      3000000     // after which whoever waits for an end is told for what
#define LOOK_MS      1000        // in which a status must come

static int fail(weir_status status, const struct wr_tool_call *call, const char *sentence)
{
    char *const whole = wr_format("%s: %s", call->directory, sentence);
    const int   code  = wr_command_failed(status, whole);
    wr_free(whole);
    return code;
}

// ---- reaching the job ----

static int fail_to_connect(const struct wr_tool_call *call, int error)
{
    struct wr_file_info info;
    const int status = call->environment->ops->info(call->environment, call->directory, &info);
    if (status == -ENOENT || error == -ENOTDIR) {
        return fail(WEIR_NOT_FOUND, call, "there is no such directory");
    }
    if (error == -ENOENT || error == -ECONNREFUSED) {
        return fail(WEIR_NOT_FOUND, call,
                    "no job runs on it: one that is run with --checkpoints and this directory can "
                    "be commanded here, unless with --no-control");
    }
    char *const sentence = wr_format("the job cannot be reached: %s", strerror(-error));
    const int   code     = fail(wr_error_status(error), call, sentence);
    wr_free(sentence);
    return code;
}

// False: the job is gone.
static bool say(int job, const char *line)
{
    const size_t length = strlen(line); // less than a socket holds
    return send(job, line, length, MSG_NOSIGNAL) == (ssize_t)length;
}

// ---- its answer ----

static bool read_timeout(const struct wr_tool_call *call, uint64_t *seconds)
{
    const char *const text = call->given[WR_JOB_TIMEOUT];
    *seconds               = 0;
    return text == NULL || (wr_value_count(text, seconds) && *seconds > 0 && *seconds <= INT32_MAX);
}

char *wr_job_failure(const struct wr_control_status *status)
{
    return wr_format("%.*s", (int)status->failure_bytes, status->failure);
}

// What a job that was told to end waits for, by its status (wr_alloc'ed); NULL: nothing that it
// tells.
static char *what_it_waits_for(const struct wr_tool_call *call)
{
    static const char        question[] = "status\n";
    struct wr_control_status status;
    const char              *rest;
    char                    *reason = NULL;
    const int                job    = wr_local_socket_connect(call->directory, WR_CONTROL_SOCKET);
    if (job < 0) {
        return NULL;
    }
    char *const line   = wr_alloc(ANSWER_BYTES + 1);
    size_t      length = 0;
    ssize_t     got    = say(job, question) ? 1 : 0;
    while (got > 0 && memchr(line, '\n', length) == NULL) {
        got = wr_command_can_read(job, LOOK_MS) ? recv(job, line + length, ANSWER_BYTES - length, 0)
                                                : 0;
        length += got > 0 ? (size_t)got : 0;
    }
    (void)close(job);
    line[length > 0 ? length - 1 : 0] = 0; // the newline
    if (got > 0 && wr_control_answer_parse(line, &rest) == WEIR_OK &&
        wr_control_status_parse(rest, &status) && status.is_stopping && status.failures > 0) {
        reason = wr_format("it waits %sfor its last checkpoint: %.*s",
                           status.failure_status == WEIR_FULL ? "for room " : "",
                           (int)status.failure_bytes, status.failure);
    }
    wr_free(line);
    return reason;
}

static int fail_to_wait(const struct wr_tool_call *call, uint64_t seconds, bool is_end)
{
    if (wr_command_is_interrupted()) {
        return fail(WEIR_INTERRUPTED, call, "interrupted; the job may still do what it was told");
    }
    char *const reason = is_end ? what_it_waits_for(call) : NULL;
    char *const sentence =
        reason != NULL
            ? wr_format("the job has not ended within %llu s: %s", (unsigned long long)seconds,
                        reason)
            : wr_format("the job did not answer within %llu s; it may still do what it was told",
                        (unsigned long long)seconds);
    const int code = fail(WEIR_TIMED_OUT, call, sentence);
    wr_free(sentence);
    wr_free(reason);
    return code;
}

// Until `until_us`, 0: without a limit. False: interrupted, or it took too long.
static bool await(int job, int64_t until_us)
{
    for (;;) {
        const int64_t left_us = until_us == 0 ? INT64_MAX : until_us - wr_command_now_us();
        if (left_us <= 0 || wr_command_is_interrupted()) {
            return false;
        }
        // In pieces, so that no signal is missed between the look and the wait.
        if (wr_command_can_read(job, left_us < 200000 ? (int)(left_us / 1000) + 1 : 200)) {
            return true;
        }
    }
}

// Whoever waits for an end without a limit, and long, is told once for what.
static void tell_of_wait(const struct wr_tool_call *call, int job, int64_t *look_us)
{
    const int64_t at_us = *look_us;
    *look_us            = 0;
    if (at_us == 0 || await(job, at_us) || wr_command_is_interrupted()) {
        return;
    }
    char *const reason = what_it_waits_for(call);
    if (reason != NULL && !call->is_quiet) {
        (void)fprintf(stderr, "%s: %s\n", call->directory, reason);
    }
    wr_free(reason);
}

// The line without its newline. 0, or the exit code of what was said.
static int answer_read(const struct wr_tool_call *call, int job, uint64_t seconds, bool is_end,
                       char *line)
{
    const int64_t now_us   = wr_command_now_us();
    const int64_t until_us = seconds == 0 ? 0 : now_us + (int64_t)seconds * 1000000;
    int64_t       look_us  = is_end && seconds == 0 ? now_us + LOOK_US : 0;
    size_t        length   = 0;
    for (;;) {
        tell_of_wait(call, job, &look_us);
        if (!await(job, until_us)) {
            return fail_to_wait(call, seconds, is_end);
        }
        const ssize_t got = recv(job, line + length, ANSWER_BYTES - length, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (got <= 0) {
            return fail(WEIR_UNREACHABLE, call, "the job ended before it answered");
        }
        char *const end = memchr(line + length, '\n', (size_t)got);
        if (end != NULL) {
            *end = 0;
            return 0;
        }
        length += (size_t)got;
    }
}

static int converse(const struct wr_tool_call *call, int job, uint64_t seconds,
                    const struct wr_control_request *request, char *line)
{
    char *const question = wr_control_request_line(request);
    const bool  is_said  = say(job, question);
    wr_free(question);
    return is_said ? answer_read(call, job, seconds, request->verb == WR_CONTROL_STOP, line)
                   : fail(WEIR_UNREACHABLE, call, "the job ended before it was told anything");
}

int wr_job_ask(const struct wr_tool_call *call, const struct wr_control_request *request,
               char **rest)
{
    uint64_t seconds;
    *rest = NULL;
    if (!read_timeout(call, &seconds)) {
        return wr_tool_misused(call, "--timeout: \"%s\" is not a number of seconds",
                               call->given[WR_JOB_TIMEOUT]);
    }
    const int job = wr_local_socket_connect(call->directory, WR_CONTROL_SOCKET);
    if (job < 0) {
        return fail_to_connect(call, job);
    }
    char *const line = wr_alloc(ANSWER_BYTES + 1);
    int         code = converse(call, job, seconds, request, line);
    (void)close(job);
    if (code == 0) {
        const char       *said;
        const weir_status status = wr_control_answer_parse(line, &said);
        code                     = status == WEIR_OK ? 0 : fail(status, call, said);
        *rest                    = code == 0 ? wr_copy_text(said) : NULL;
    }
    wr_free(line);
    return code;
}

int wr_job_not_understood(const struct wr_tool_call *call)
{
    const char       *sentence;
    const weir_status status = wr_control_answer_parse("", &sentence);
    return fail(status, call, sentence);
}

// ---- paths ----

char *wr_job_absolute(const struct wr_tool_call *call, const char *path, int *code)
{
    char here[PATH_MAX];
    if (path[0] == 0 || strchr(path, '\n') != NULL || strlen(path) >= PATH_MAX) {
        *code = wr_tool_misused(call, "\"%s\" is no path that a job could be told", path);
        return NULL;
    }
    if (path[0] == '/') {
        return wr_copy_text(path);
    }
    if (getcwd(here, sizeof(here)) == NULL) {
        struct wr_error error = { .status = WEIR_OK };
        (void)wr_error_set(&error, wr_error_status(errno), "cannot find the working directory: %s",
                           strerror(errno));
        *code = wr_tool_failed(&error);
        return NULL;
    }
    return wr_format("%s/%s", here, path);
}
