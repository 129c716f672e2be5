#include "cli/log/command.h"

#include "connectors/options/options.h"
#include "connectors/text/text.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// ---- sentences ----

static const char *verb_name(const struct wr_command *command)
{
    return command->verb != NULL ? command->verb->name : "";
}

int wr_command_misused(const struct wr_command *command, const char *sentence, ...)
{
    va_list arguments;
    va_start(arguments, sentence);
    (void)fprintf(stderr, "weir log%s%s: ", command->verb != NULL ? " " : "", verb_name(command));
    (void)vfprintf(stderr, sentence, arguments);
    (void)fprintf(stderr, "; see weir log %s%s--help\n", verb_name(command),
                  command->verb != NULL ? " " : "");
    va_end(arguments);
    return weir_status_exit_code(WEIR_USAGE);
}

int wr_command_failed(weir_status status, const char *sentence)
{
    (void)fprintf(stderr, "%s\n", sentence);
    return weir_status_exit_code(status);
}

void wr_command_say(const struct wr_command *command, const char *sentence, ...)
{
    if (!command->is_quiet) {
        va_list arguments;
        va_start(arguments, sentence);
        (void)vfprintf(stderr, sentence, arguments);
        va_end(arguments);
        (void)fputc('\n', stderr);
    }
}

bool wr_command_may(const struct wr_command *command, int *code, const char *question, ...)
{
    char answer[16] = "";
    if (command->says_yes) {
        return true;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        *code = wr_command_misused(command, "there is no terminal to ask on: say --yes");
        return false;
    }
    va_list arguments;
    va_start(arguments, question);
    (void)vfprintf(stderr, question, arguments);
    va_end(arguments);
    (void)fputs(" [y/N] ", stderr);
    const bool may =
        fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
    if (!may) {
        (void)fputs("nothing was changed\n", stderr);
        *code = weir_status_exit_code(WEIR_INTERRUPTED);
    }
    return may;
}

const char *wr_command_nearest(const char *wrong, const char *const *names, uint32_t count)
{
    weir_field *fields = wr_alloc((count + 1) * sizeof(*fields));
    for (uint32_t i = 0; i < count; i++) {
        fields[i].name = names[i];
    }
    const weir_type   words   = { .fields = fields, .field_count = count };
    const char *const nearest = wr_options_nearest(wrong, &words);
    wr_free(fields);
    return nearest;
}

// ---- the log ----

struct names {
    char   **at;
    uint32_t count;
};

static void names_add(void *opaque, const char *name)
{
    struct names *names       = opaque;
    names->at                 = wr_realloc(names->at, (names->count + 1) * sizeof(*names->at));
    names->at[names->count++] = wr_copy_text(name);
}

static bool is_listed(const struct names *names, const char *name)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (strcmp(names->at[i], name) == 0) {
            return true;
        }
    }
    return false;
}

int wr_command_log_failed(const struct wr_command *command, weir_log *log, weir_status status)
{
    struct names names    = { NULL, 0 };
    char        *sentence = wr_copy_text(weir_log_error(log));
    const char  *nearest  = NULL;
    if (status == WEIR_NOT_FOUND && command->topic != NULL &&
        weir_log_list_topics(log, names_add, &names) == WEIR_OK &&
        !is_listed(&names, command->topic)) {
        nearest = wr_command_nearest(command->topic, (const char *const *)names.at, names.count);
        wr_free(sentence);
        sentence =
            nearest != NULL
                ? wr_format("log %s: there is no topic %s; did you mean %s?", command->directory,
                            command->topic, nearest)
                : wr_format("log %s: there is no topic %s; weir log info %s lists those there are, "
                            "weir log create makes one",
                            command->directory, command->topic, command->directory);
    }
    const int code = wr_command_failed(status, sentence);
    for (uint32_t i = 0; i < names.count; i++) {
        wr_free(names.at[i]);
    }
    wr_free(names.at);
    wr_free(sentence);
    return code;
}

static void warn(void *opaque, const char *sentence)
{
    (void)opaque;
    (void)fprintf(stderr, "%s%s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", sentence);
}

int wr_command_open(const struct wr_command *command, const weir_log_options *options,
                    weir_log **log, weir_topic *topic)
{
    weir_log_options with = *options;
    with.warn             = warn;
    weir_status status    = weir_log_open(command->directory, &with, log);
    int         code      = 0;
    if (status != WEIR_OK) {
        code = wr_command_failed(status, weir_log_error(*log));
    } else if (topic != NULL) {
        status = weir_log_topic(*log, command->topic, topic);
        code   = status == WEIR_OK ? 0 : wr_command_log_failed(command, *log, status);
    }
    if (code != 0) {
        (void)weir_log_close(*log);
        *log = NULL;
    }
    return code;
}

int wr_command_close(weir_log *log, int code)
{
    // The sentence of a failed close went to `warn`, or was that of a call before.
    const weir_status status = weir_log_close(log);
    if (status != WEIR_OK && code == 0) {
        code = wr_command_failed(status, weir_status_sentence(status));
    }
    return code;
}

// The first offset of that time or later, by a reader.
static weir_status find_time(weir_log *log, const char *topic, uint32_t partition, weir_time time,
                             uint64_t *offset, char **sentence)
{
    weir_reader        *reader  = NULL;
    weir_reader_options options = { .partitions      = &partition,
                                    .partition_count = 1,
                                    .start           = WEIR_START_EARLIEST };
    weir_status         status  = weir_reader_open(log, topic, &options, &reader);
    if (status != WEIR_OK) {
        *sentence = wr_copy_text(weir_log_error(log));
        return status;
    }
    status = weir_reader_find_time(reader, partition, time, offset);
    if (status != WEIR_OK) {
        *sentence = wr_copy_text(weir_reader_error(reader));
    }
    weir_reader_close(reader);
    return status;
}

bool wr_command_resolve(const struct wr_command *command, weir_log *log, uint32_t partition,
                        const struct wr_place *place, uint64_t *offset, int *code)
{
    weir_partition_info info;
    char               *sentence = NULL;
    weir_status         status   = weir_log_partition_info(log, command->topic, partition, &info);
    if (status != WEIR_OK) {
        *code = wr_command_log_failed(command, log, status);
        return false;
    }
    switch (place->kind) {
    case WR_PLACE_BEGINNING: *offset = info.first_offset; return true;
    case WR_PLACE_END: *offset = info.end_offset; return true;
    case WR_PLACE_OFFSET: *offset = place->offset; return true;
    case WR_PLACE_BACK:
        *offset = info.end_offset - info.first_offset > place->offset
                      ? info.end_offset - place->offset
                      : info.first_offset;
        return true;
    case WR_PLACE_TIME:
        status = find_time(log, command->topic, partition, place->time, offset, &sentence);
        if (status != WEIR_OK) {
            *code = wr_command_failed(status, sentence);
            wr_free(sentence);
        }
        return status == WEIR_OK;
    case WR_PLACE_NONE:
    case WR_PLACE_STORED:
    case WR_PLACE_UNTIL: break;
    }
    *code = wr_command_misused(command, "only beginning, end, 17, -10 and s@TIME are places here");
    return false;
}

// ---- the terminal ----

static volatile sig_atomic_t signals_seen;

// The first signal asks for the end, the second ends the process.
static void on_signal(int number)
{
    if (signals_seen++ > 0) {
        _exit(128 + number);
    }
}

void wr_command_catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN; // a reader that goes away is a failed write
    (void)sigaction(SIGPIPE, &action, NULL);
}

bool wr_command_is_interrupted(void) { return signals_seen > 0; }

bool wr_command_can_read(int file, int timeout_ms)
{
    struct pollfd wait = { .fd = file, .events = POLLIN };
    return poll(&wait, 1, timeout_ms) > 0 && signals_seen == 0;
}

int64_t wr_command_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
