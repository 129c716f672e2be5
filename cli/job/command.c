#include "cli/job/command.h"

#include "runtime/base/local_socket.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES (64u << 10) // more than any has

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

static int fail_to_wait(const struct wr_tool_call *call, uint64_t seconds)
{
    if (wr_command_is_interrupted()) {
        return fail(WEIR_INTERRUPTED, call, "interrupted; the job may still do what it was told");
    }
    char *const sentence =
        wr_format("the job did not answer within %llu s; it may still do what it was told",
                  (unsigned long long)seconds);
    const int code = fail(WEIR_TIMED_OUT, call, sentence);
    wr_free(sentence);
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

// The line without its newline. 0, or the exit code of what was said.
static int answer_read(const struct wr_tool_call *call, int job, uint64_t seconds, char *line)
{
    const int64_t until_us = seconds == 0 ? 0 : wr_command_now_us() + (int64_t)seconds * 1000000;
    size_t        length   = 0;
    for (;;) {
        if (!await(job, until_us)) {
            return fail_to_wait(call, seconds);
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
    return is_said ? answer_read(call, job, seconds, line)
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
