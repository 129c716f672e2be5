#include "runtime/plan/control_lines.h"

#include "runtime/base/text_file.h"

#include <inttypes.h>

// ---- commands ----

char *wr_control_request_line(const struct wr_control_request *request)
{
    switch (request->verb) {
    case WR_CONTROL_RESCALE: return wr_format("rescale %" PRIu32 "\n", request->workers);
    case WR_CONTROL_SAVEPOINT: return wr_format("savepoint %s\n", request->path);
    case WR_CONTROL_STOP:
        return wr_format("stop%s%s%s\n", request->drains ? " drain" : "",
                         request->path != NULL ? " savepoint " : "",
                         request->path != NULL ? request->path : "");
    case WR_CONTROL_STATUS: break;
    }
    return wr_copy_text("status\n");
}

static bool refuse(struct wr_error *error, const char *sentence, const char *what)
{
    (void)wr_error_set(error, WEIR_USAGE, sentence, what);
    return false;
}

static bool path_parse(const char *text, struct wr_control_request *request, struct wr_error *error)
{
    request->path = text;
    return text[0] == '/' ||
           refuse(error, "the savepoint's directory \"%s\" must be an absolute path", text);
}

static bool stop_parse(const char *text, struct wr_control_request *request, struct wr_error *error)
{
    request->drains = wr_text_take_word(&text, " drain");
    if (wr_text_take_word(&text, " savepoint ")) {
        return path_parse(text, request, error);
    }
    return text[0] == 0 || refuse(error,
                                  "do not know how to stop with \"%s\": say stop, stop drain, stop "
                                  "savepoint PATH or stop drain savepoint PATH",
                                  text + strspn(text, " "));
}

bool wr_control_request_parse(const char *line, struct wr_control_request *request,
                              struct wr_error *error)
{
    const char *rest = line;
    uint64_t    workers;
    *request = (struct wr_control_request){ .verb = WR_CONTROL_STATUS };
    if (strcmp(line, "status") == 0) {
        return true;
    }
    if (wr_text_take_word(&rest, "rescale ")) {
        if (!wr_text_take_number(&rest, WR_CONTROL_WORKERS_MAX, &workers) || workers == 0 ||
            *rest != 0) {
            return refuse(error, "\"%s\" is no number of workers: 1 to 1024 can be",
                          line + strlen("rescale "));
        }
        request->verb    = WR_CONTROL_RESCALE;
        request->workers = (uint32_t)workers;
        return true;
    }
    if (wr_text_take_word(&rest, "savepoint ")) {
        request->verb = WR_CONTROL_SAVEPOINT;
        return path_parse(rest, request, error);
    }
    if (wr_text_take_word(&rest, "stop") && (*rest == 0 || *rest == ' ')) {
        request->verb = WR_CONTROL_STOP;
        return stop_parse(rest, request, error);
    }
    return refuse(error,
                  "there is no command \"%.100s\"; there are rescale N, savepoint PATH, stop "
                  "[drain] [savepoint PATH] and status",
                  line);
}

// ---- answers ----

char *wr_control_done_line(void) { return wr_copy_text("ok\n"); }

char *wr_control_rescaled_line(uint32_t workers, int64_t paused_us)
{
    return wr_format("ok %" PRIu32 " %" PRIi64 "\n", workers, paused_us);
}

// A newline of a text would end the answer.
static char *line_of(char *text)
{
    for (char *at = strchr(text, '\n'); at != NULL; at = strchr(at, '\n')) {
        *at = ' ';
    }
    text[strlen(text) - 1] = '\n';
    return text;
}

char *wr_control_status_line(const struct wr_control_status *status)
{
    char *const failure =
        status->failures == 0
            ? wr_copy_text("")
            : wr_format(" failure_age_us %" PRIi64 " failure %s %zu %.*s", status->failure_age_us,
                        weir_status_name(status->failure_status), status->failure_bytes,
                        (int)status->failure_bytes, status->failure);
    char *const line = line_of(wr_format(
        "ok workers %" PRIu64 " checkpoint %" PRIu64 " age_us %" PRIi64 " rows %" PRIu64
        " watermark %" PRIi64 " stopping %d failures %" PRIu64 "%s job %s\n",
        status->workers, status->checkpoint, status->age_us, status->rows, status->watermark,
        status->is_stopping ? 1 : 0, status->failures, failure, status->job));
    wr_free(failure);
    return line;
}

char *wr_control_error_line(weir_status status, const char *sentence)
{
    return line_of(wr_format("error %s %s\n", weir_status_name(status), sentence));
}

// The status of that name, which a space follows; moves *text past both. WEIR_OK: it is none.
static weir_status take_status(const char **text)
{
#define CASE(code, name, exit_code, sentence)                                                      \
    if (wr_text_take_word(text, #name " ")) {                                                      \
        return WEIR_##name;                                                                        \
    }
    WEIR_STATUS_LIST(CASE)
#undef CASE
    return WEIR_OK;
}

weir_status wr_control_answer_parse(const char *line, const char **rest)
{
    *rest = line;
    if (wr_text_take_word(rest, "ok") && (**rest == 0 || **rest == ' ')) {
        *rest += **rest == ' ';
        return WEIR_OK;
    }
    *rest = line;
    if (wr_text_take_word(rest, "error ")) {
        const weir_status status = take_status(rest);
        if (status != WEIR_OK) {
            return status;
        }
    }
    *rest = "its answer is none that this version knows: use the weir of the job's version";
    return WEIR_MISMATCH;
}

static bool take_signed(const char **text, int64_t *number)
{
    const bool is_negative = wr_text_take_word(text, "-");
    uint64_t   size;
    if (!wr_text_take_number(text, (uint64_t)INT64_MAX + is_negative, &size)) {
        return false;
    }
    *number = is_negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

bool wr_control_rescaled_parse(const char *rest, uint32_t *workers, int64_t *paused_us)
{
    uint64_t count;
    if (!wr_text_take_number(&rest, UINT32_MAX, &count) || !wr_text_take_word(&rest, " ") ||
        !take_signed(&rest, paused_us)) {
        return false;
    }
    *workers = (uint32_t)count;
    return *rest == 0;
}

// Moves *text past it, if it is there.
static bool failures_parse(const char **text, struct wr_control_status *status)
{
    uint64_t bytes = 0;
    if (!wr_text_take_word(text, " failures ")) {
        return true;
    }
    if (!wr_text_take_number(text, UINT64_MAX, &status->failures)) {
        return false;
    }
    if (status->failures == 0) {
        return true;
    }
    if (!wr_text_take_word(text, " failure_age_us ") ||
        !take_signed(text, &status->failure_age_us) || !wr_text_take_word(text, " failure ")) {
        return false;
    }
    status->failure_status = take_status(text);
    if (status->failure_status == WEIR_OK || !wr_text_take_number(text, strlen(*text), &bytes) ||
        !wr_text_take_word(text, " ") || bytes > strlen(*text)) {
        return false;
    }
    status->failure       = *text;
    status->failure_bytes = (size_t)bytes;
    *text += bytes;
    return true;
}

bool wr_control_status_parse(const char *rest, struct wr_control_status *status)
{
    uint64_t is_stopping = 0;
    *status              = (struct wr_control_status){ .workers = 0 };
    if (!wr_text_take_word(&rest, "workers ") ||
        !wr_text_take_number(&rest, UINT64_MAX, &status->workers) ||
        !wr_text_take_word(&rest, " checkpoint ") ||
        !wr_text_take_number(&rest, UINT64_MAX, &status->checkpoint) ||
        !wr_text_take_word(&rest, " age_us ") || !take_signed(&rest, &status->age_us) ||
        !wr_text_take_word(&rest, " rows ") ||
        !wr_text_take_number(&rest, UINT64_MAX, &status->rows) ||
        !wr_text_take_word(&rest, " watermark ") || !take_signed(&rest, &status->watermark) ||
        !wr_text_take_word(&rest, " stopping ") || !wr_text_take_number(&rest, 1, &is_stopping) ||
        !failures_parse(&rest, status)) {
        return false;
    }
    // What a later version says before the name is passed over.
    const char *const name = strstr(rest, " job ");
    status->is_stopping    = is_stopping != 0;
    status->job            = name != NULL ? name + strlen(" job ") : NULL;
    return name != NULL;
}
