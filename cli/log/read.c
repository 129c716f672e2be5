// weir log read, tail, export: records out of a log.
#include "cli/log/scan.h"
#include "cli/log/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define PLACES                                                                                     \
    (WR_TAKES(PARTITION) | WR_TAKES(COUNT) | WR_TAKES(UNTIL) | WR_TAKES(UNCOMMITTED) |             \
     WR_TAKES(NULLS) | WR_TAKES(KEY_DELIMITER) | WR_TAKES(DELIMITER))

// ---- read and tail ----

// Text as it is, other records as JSON, unless something else is asked for.
static int print_of(const struct wr_command *command, struct wr_print_options *print)
{
    const weir_log_options reading = { 0 };
    weir_log              *log;
    weir_topic             topic;
    *print      = (struct wr_print_options){ .template      = command->template,
                                             .key_delimiter = command->key_delimiter,
                                             .delimiter     = command->delimiter,
                                             .shows_null    = command->nulls };
    print->mode = command->template != NULL ? WR_PRINT_TEMPLATE : WR_PRINT_ENVELOPE;
    if (command->template != NULL || command->as_json) {
        return 0;
    }
    const int code = wr_command_open(command, &reading, &log, &topic);
    if (code != 0) {
        return code;
    }
    print->mode =
        wr_schema_is_same(topic.type, weir_log_text_type()) ? WR_PRINT_RAW : WR_PRINT_JSONL;
    return wr_command_close(log, 0);
}

static int read_run(struct wr_command *command)
{
    struct wr_scan scan = { .command = command,
                            .file    = STDOUT_FILENO,
                            .follows = command->follows && !command->ends };
    const int      code = print_of(command, &scan.print);
    return code == 0 ? wr_scan_run(&scan) : code;
}

const struct wr_verb wr_verb_read = {
    .name    = "read",
    .words   = "DIR TOPIC",
    .summary = "print a topic's records, to its end",
    .more =
        "Text is printed as it is, other records as JSON; --json puts topic, partition, offset "
        "and\n"
        "time around each. A format (-f) has %s value, %S its bytes (-1: a deletion), %R the same "
        "as\n32 bits, %k key, %K its bytes, %t topic, %p partition, %o offset, %T time in ms, %I "
        "time as\nRFC 3339, %C change, %h nothing, %%, and \\n \\r \\t \\0 \\\\ \\xNN. Partitions "
        "take turns.\n\nEnds with 4 if records it was asked for are gone.\n\n"
        "  weir log read data/log lines -o -10 -K '\\t'\n"
        "  weir log read data/log payments -p 0 -o 1000 -c 5 -f '%p/%o %k %s\\n'\n"
        "  weir log read data/log payments -o s@2026-03-01 -o e@2026-03-02 --json\n"
        "  weir log read data/log payments --consumer audit --follow\n",
    .options = PLACES | WR_TAKES(OFFSET) | WR_TAKES(FROM) | WR_TAKES(EXIT) | WR_TAKES(FOLLOW) |
               WR_TAKES(TEMPLATE) | WR_TAKES(UNBUFFERED) | WR_TAKES(CONSUMER),
    .least = 2,
    .most  = 2,
    .run   = read_run,
};

static int tail_run(struct wr_command *command)
{
    struct wr_scan scan = { .command = command, .file = STDOUT_FILENO, .follows = !command->ends };
    command->place =
        (struct wr_place){ .kind   = WR_PLACE_BACK,
                           .offset = wr_command_has(command, WR_OPTION_LAST) ? command->last : 10 };
    const int code = print_of(command, &scan.print);
    return code == 0 ? wr_scan_run(&scan) : code;
}

const struct wr_verb wr_verb_tail = {
    .name    = "tail",
    .words   = "DIR TOPIC",
    .summary = "print the last records, and those that come",
    .more = "The last 10 (-n) of each partition, then what is appended, until interrupted, which "
            "is no\nfailure: it follows unasked. With -e it ends at the end. Formats are those of "
            "weir log read.\n\n"
            "  weir log tail data/log payments\n"
            "  weir log tail data/log lines -n 100 -e -f '%I %s\\n'\n",
    .options = PLACES | WR_TAKES(LAST) | WR_TAKES(EXIT) | WR_TAKES(FOLLOW) | WR_TAKES(TEMPLATE) |
               WR_TAKES(UNBUFFERED),
    .least = 2,
    .most  = 2,
    .run   = tail_run,
};

// ---- export ----

static bool format_of(const struct wr_command *command, enum wr_print_mode *mode)
{
    static const struct {
        const char        *name;
        enum wr_print_mode mode;
    } formats[] = { { "jsonl", WR_PRINT_JSONL }, { "csv", WR_PRINT_CSV }, { "raw", WR_PRINT_RAW } };
    const char *name = command->format != NULL ? command->format : "jsonl";
    for (uint32_t i = 0; i < WR_COUNT_OF(formats); i++) {
        if (strcmp(name, formats[i].name) == 0) {
            *mode = formats[i].mode;
            return true;
        }
    }
    return false;
}

static int file_failed(const char *path, const char *what)
{
    const int error    = errno;
    char     *sentence = wr_format("%s: cannot %s it: %s", path, what, strerror(error));
    const int code     = wr_command_failed(wr_log_status_of(error), sentence);
    wr_free(sentence);
    return code;
}

// Into a file beside it, which takes its name when it is whole.
static int export_to_file(struct wr_scan *scan)
{
    const char *path = scan->command->output;
    char       *part = wr_format("%s.part", path);
    scan->file       = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int code         = scan->file < 0 ? file_failed(part, "make") : 0;
    if (code == 0) {
        code = wr_scan_run(scan);
        if (close(scan->file) < 0 && code == 0) {
            code = file_failed(part, "close");
        }
        if (code == 0 && rename(part, path) < 0) {
            code = file_failed(path, "replace");
        }
        if (code != 0) {
            (void)unlink(part);
        }
    }
    wr_free(part);
    return code;
}

static int export_run(struct wr_command *command)
{
    struct wr_scan scan = { .command = command, .file = STDOUT_FILENO, .shows_bar = true };
    scan.print          = (struct wr_print_options){ .key_delimiter = command->key_delimiter,
                                                     .delimiter     = command->delimiter,
                                                     .shows_null    = command->nulls };
    if (!format_of(command, &scan.print.mode)) {
        return wr_command_misused(command, "there is no format \"%s\": take jsonl, csv or raw",
                                  command->format);
    }
    const int64_t began   = wr_command_now_us();
    const bool    is_file = command->output != NULL && strcmp(command->output, "-") != 0;
    const int     code    = is_file ? export_to_file(&scan) : wr_scan_run(&scan);
    if (code == 0 && is_file && command->as_json) {
        (void)printf("{\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"seconds\":%.6f}\n",
                     scan.records, scan.bytes, (double)(wr_command_now_us() - began) / 1e6);
    } else if (code == 0 && is_file) {
        char size[WR_VALUE_TEXT_MAX];
        wr_command_say(command, "%s: %" PRIu64 " records, %s, in %.2f s", command->output,
                       scan.records, wr_value_size_text(scan.bytes, size),
                       (double)(wr_command_now_us() - began) / 1e6);
    }
    return code;
}

const struct wr_verb wr_verb_export = {
    .name    = "export",
    .words   = "DIR TOPIC",
    .summary = "write a topic's records to a file",
    .more = "The file appears when it is whole. A deletion has \"retracted\":true in JSON; a table "
            "of a\ncompacted topic has a column of that name. Raw is for topics of text.\n\n"
            "  weir log export data/log payments --format csv --output payments.csv\n"
            "  weir log export data/log lines --format raw --from 2026-03-01 --until now | wc -l\n",
    .options = PLACES | WR_TAKES(OFFSET) | WR_TAKES(FROM) | WR_TAKES(FORMAT) | WR_TAKES(OUTPUT),
    .least   = 2,
    .most    = 2,
    .run     = export_run,
};
