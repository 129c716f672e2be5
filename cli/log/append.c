// weir log append: lines into a topic.
//
//   file or pipe --read--> lines --parse--> rows --producer--> log, acknowledged before it ends
//
// Rows of text point into the bytes that were read, those of JSON into the reader's memory: both
// are appended before more is read.
#include "cli/log/verbs.h"
#include "connectors/jsonl/json_reader.h"
#include "connectors/lines/lines.h"
#include "log/producer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <weir/call.h>

#define READ_BYTES     (256u << 10)
#define LINE_BYTES_MAX (32u << 20)
#define ROWS           1024u
#define ROWS_BYTES     (1u << 20)
#define SHOW_US        200000
#define ANY_PARTITION  UINT32_MAX
#define BROKEN_SHOWN   20u

struct append {
    const struct wr_command *command;
    weir_log                *log;
    weir_topic               topic;
    weir_producer           *producer;
    weir_transaction        *transaction; // NULL: none
    uint32_t                 partition;
    bool                     takes_turns; // text without keys: a partition after the other
    bool                     is_text, skips_broken;

    char                  *delimiter, *key_delimiter;
    size_t                 delimiter_bytes, key_delimiter_bytes, matched;
    struct wr_lines        lines;
    struct wr_json_reader *json;
    char                  *rows; // gathered
    uint8_t               *changes;
    uint32_t               row_count, row_limit;
    bool                   has_deletion;

    const char *source; // what is being read
    uint64_t    records, bytes, broken;
    int64_t     began_us, shown_us;
    bool        is_over, is_bar, has_failed;
    int         code;

    // Interrupted on a full disk.
    bool     is_ending, has_given_up;
    uint64_t ending_since; // the committer's round
    uint64_t taken, acknowledged;
};

static void append_failed(struct append *append, weir_status status, const char *sentence)
{
    append->code       = wr_command_failed(status, sentence);
    append->is_over    = true;
    append->has_failed = true;
}

static void show_bar(struct append *append)
{
    const int64_t now = wr_command_now_us();
    if (append->is_bar && now - append->shown_us >= SHOW_US) {
        char         size[WR_VALUE_TEXT_MAX];
        const double seconds = (double)(now - append->began_us + 1) / 1e6;
        (void)fprintf(stderr, "\r\033[K%.2f M records, %s, %.2f M/s", (double)append->records / 1e6,
                      wr_value_size_text(append->bytes, size),
                      (double)append->records / seconds / 1e6);
        (void)fflush(stderr);
        append->shown_us = now;
    }
}

// ---- into the log ----

static void pause_ms(long milliseconds)
{
    const struct timespec span = { .tv_nsec = milliseconds * 1000000 };
    (void)nanosleep(&span, NULL);
}

// Whether it was interrupted, and another try to write to a full disk has failed since.
static bool gives_up(struct append *append)
{
    struct wr_log_error why = { .status = WEIR_OK };
    if (!wr_command_is_interrupted()) {
        return false;
    }
    if (!append->is_ending) {
        append->is_ending    = true;
        append->ending_since = wr_commit_round_any(append->log->commit);
    }
    append->has_given_up =
        append->has_given_up ||
        wr_commit_stuck_any(append->log->commit, append->ending_since, &why) != WEIR_OK;
    wr_log_error_fini(&why);
    return append->has_given_up;
}

// Appends what was gathered; waits while the log's buffer is full, which is what a full disk makes
// it, until it is interrupted.
static void append_rows(struct append *append)
{
    weir_status status = WEIR_OK;
    while (append->row_count > 0 && !append->has_failed && !gives_up(append) &&
           !wr_producer_try(append->producer, append->partition, append->rows,
                            append->has_deletion ? append->changes : NULL, append->row_count,
                            &status)) {
        if (status != WEIR_OK) {
            append_failed(append, status, weir_producer_error(append->producer));
        } else {
            pause_ms(1);
            show_bar(append);
        }
    }
    if (!append->has_failed && !append->has_given_up) {
        append->taken += append->row_count;
    }
    if (append->takes_turns && append->row_count > 0) {
        append->partition = (append->partition + 1) % append->topic.partitions;
    }
    append->row_count    = 0;
    append->has_deletion = false;
    if (append->json != NULL) {
        wr_json_reader_reset(append->json);
    }
}

// ---- lines ----

// How much of the delimiter is matched after a byte, of which `matched` bytes were before.
static size_t match_byte(const struct append *append, size_t matched, char byte)
{
    while (matched > 0 && append->delimiter[matched] != byte) {
        // The longest shorter start of the delimiter with which what was matched ends.
        const size_t before = matched--;
        while (matched > 0 &&
               memcmp(append->delimiter, append->delimiter + before - matched, matched) != 0) {
            matched--;
        }
    }
    return matched + (append->delimiter[matched] == byte);
}

// Ends a line at its delimiter's last byte.
static size_t find_delimiter(void *state, const char *bytes, size_t length)
{
    struct append *append = state;
    if (append->delimiter_bytes == 1) {
        const char *found = memchr(bytes, append->delimiter[0], length);
        return found != NULL ? (size_t)(found - bytes) : length;
    }
    for (size_t i = 0; i < length; i++) {
        append->matched = match_byte(append, append->matched, bytes[i]);
        if (append->matched == append->delimiter_bytes) {
            append->matched = 0;
            return i;
        }
    }
    return length;
}

static void report_broken(struct append *append, uint64_t number, const char *reason)
{
    append->broken++;
    if (!append->skips_broken) {
        char *sentence =
            wr_format("%s: line %" PRIu64 ": %s; nothing from there on was appended; --broken skip "
                      "goes on",
                      append->source, number, reason);
        append_failed(append, WEIR_FAILED, sentence);
        append->has_failed = false; // what came before is
        wr_free(sentence);
    } else if (append->broken <= BROKEN_SHOWN) {
        wr_command_say(append->command, "%s: line %" PRIu64 ": %s; skipped", append->source, number,
                       reason);
    }
}

// The first place of the key's delimiter in a value; NULL: it has none.
static const char *find_key(const struct append *append, const char *bytes, size_t length)
{
    return append->key_delimiter_bytes > 0
               ? memmem(bytes, length, append->key_delimiter, append->key_delimiter_bytes)
               : NULL;
}

static void parse_text(struct append *append, const char *bytes, size_t length)
{
    weir_log_text *row = &((weir_log_text *)(void *)append->rows)[append->row_count];
    const char    *at  = find_key(append, bytes, length);
    *row = (weir_log_text){ .key = weir_str_from(append->command->key != NULL ? append->command->key
                                                                              : "") };
    if (at != NULL) {
        row->key = weir_str_of(bytes, (size_t)(at - bytes));
        length -= (size_t)(at - bytes) + append->key_delimiter_bytes;
        bytes = at + append->key_delimiter_bytes;
    }
    row->value                         = weir_str_of(bytes, length);
    const bool is_deletion             = append->command->nulls && length == 0;
    append->changes[append->row_count] = is_deletion ? WEIR_DELETE : WEIR_INSERT;
    append->has_deletion               = append->has_deletion || is_deletion;
    append->row_count++;
}

static void parse_json(struct append *append, const struct wr_line *line, size_t length)
{
    const char *reason;
    char       *row = append->rows + (size_t)append->row_count * append->topic.type->size;
    if (length == 0) {
        return; // an empty line between two
    }
    if (wr_json_read(append->json, line->bytes, length, row, &reason)) {
        append->changes[append->row_count++] = WEIR_INSERT;
    } else {
        report_broken(append, line->number, reason);
    }
}

static void take_line(struct append *append, const struct wr_line *line)
{
    const uint32_t before = append->row_count;
    const size_t   length =
        line->is_ended ? line->length - (append->delimiter_bytes - 1) : line->length;
    if (line->is_too_long) {
        report_broken(append, line->number, "it is longer than 32 MiB");
        return;
    }
    if (append->is_text) {
        parse_text(append, line->bytes, length);
    } else {
        parse_json(append, line, length);
    }
    if (append->row_count == before) {
        return;
    }
    append->records++;
    append->bytes += length;
    if (append->command->tees) {
        (void)fwrite(line->bytes, 1, length, stdout);
        (void)fwrite(append->delimiter, 1, append->delimiter_bytes, stdout);
    }
    if (wr_command_has(append->command, WR_OPTION_COUNT) &&
        append->records == append->command->limit) {
        append->is_over = true;
    }
}

static void take_lines(struct append *append)
{
    struct wr_line line;
    while (!append->is_over && wr_lines_next(&append->lines, &line)) {
        take_line(append, &line);
        if (append->row_count == append->row_limit) {
            append_rows(append);
        }
    }
    append_rows(append);
    if (append->command->tees) {
        (void)fflush(stdout);
    }
    show_bar(append);
}

static void read_file(struct append *append, int file, char *buffer)
{
    append->matched = 0;
    wr_lines_init(&append->lines, &(struct wr_lines_options){ .max_line_bytes = LINE_BYTES_MAX,
                                                              .find           = find_delimiter,
                                                              .find_state     = append });
    while (!append->is_over && !wr_command_is_interrupted()) {
        if (!wr_command_can_read(file, 200)) {
            continue;
        }
        const ssize_t got = read(file, buffer, READ_BYTES);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            char *sentence = wr_format("%s: cannot read it: %s", append->source, strerror(errno));
            append_failed(append, WEIR_UNREACHABLE, sentence);
            wr_free(sentence);
        }
        if (got <= 0) {
            break;
        }
        wr_lines_feed(&append->lines, buffer, (size_t)got);
        take_lines(append);
    }
    if (!append->is_over && !wr_command_is_interrupted()) {
        wr_lines_end(&append->lines);
        take_lines(append);
    }
    wr_lines_fini(&append->lines);
}

static void read_all(struct append *append)
{
    const struct wr_command *command = append->command;
    const uint32_t           count   = command->word_count > 0 ? command->word_count : 1;
    char                    *buffer  = wr_alloc(READ_BYTES + WR_LINES_PADDING);
    for (uint32_t i = 0; i < count && !append->is_over && !wr_command_is_interrupted(); i++) {
        const bool is_stdin = command->word_count == 0 || strcmp(command->words[i], "-") == 0;
        const int  file = is_stdin ? STDIN_FILENO : open(command->words[i], O_RDONLY | O_CLOEXEC);
        append->source  = is_stdin ? "stdin" : command->words[i];
        if (file < 0) {
            char *sentence = wr_format("%s: cannot open it: %s", append->source, strerror(errno));
            append_failed(append, wr_log_status_of(errno), sentence);
            wr_free(sentence);
        } else {
            read_file(append, file, buffer);
        }
        if (file > STDIN_FILENO) {
            (void)close(file);
        }
    }
    wr_free(buffer);
}

// ---- opening and ending ----

// One partition, if -p names one. False: it was told.
static bool choose_partition(struct append *append)
{
    append->partition = ANY_PARTITION;
    if (!wr_command_has(append->command, WR_OPTION_PARTITION)) {
        return true;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < WR_VALUE_PARTITIONS_MAX; i++) {
        if (wr_command_has_partition(append->command, i)) {
            append->partition = i;
            count++;
        }
    }
    if (count != 1) {
        append->code =
            wr_command_misused(append->command, "append goes to one partition (-p 3), or "
                                                "without -p to that of each key");
    } else if (append->partition >= append->topic.partitions) {
        char *sentence =
            wr_format("log %s: topic %s has no partition %u; it has %u", append->command->directory,
                      append->command->topic, append->partition, append->topic.partitions);
        append->code = wr_command_failed(WEIR_NOT_FOUND, sentence);
        wr_free(sentence);
    }
    return append->code == 0;
}

static char *delimiter_of(struct append *append, const char *text, size_t *length)
{
    char *bytes = wr_alloc(strlen(text) + 1);
    if (append->code == 0 && !wr_value_bytes(text, bytes, length)) {
        append->code = wr_command_misused(append->command,
                                          "\"%s\" has an escape that is none of \\n \\r \\t \\0 "
                                          "\\\\ \\xNN",
                                          text);
    }
    return bytes;
}

static bool take_options(struct append *append)
{
    const struct wr_command *command = append->command;
    append->skips_broken  = command->broken != NULL && strcmp(command->broken, "skip") == 0;
    const char *delimiter = command->delimiter != NULL ? command->delimiter : "\\n";
    append->delimiter     = delimiter_of(append, delimiter, &append->delimiter_bytes);
    append->key_delimiter =
        delimiter_of(append, command->key_delimiter != NULL ? command->key_delimiter : "",
                     &append->key_delimiter_bytes);
    if (append->code == 0 && append->delimiter_bytes == 0) {
        append->code = wr_command_misused(command, "--delimiter is empty");
    }
    if (append->code == 0 && command->broken != NULL && !append->skips_broken &&
        strcmp(command->broken, "stop") != 0) {
        append->code = wr_command_misused(command, "--broken: \"%s\" is neither stop nor skip",
                                          command->broken);
    }
    return append->code == 0;
}

static void open_rows(struct append *append)
{
    const uint32_t row_bytes = append->topic.type->size;
    append->is_text          = wr_schema_is_same(append->topic.type, weir_log_text_type());
    append->row_limit        = row_bytes * ROWS <= ROWS_BYTES ? ROWS
                               : row_bytes < ROWS_BYTES       ? ROWS_BYTES / row_bytes
                                                              : 1;
    append->takes_turns      = append->is_text && append->partition == ANY_PARTITION &&
                          append->command->key == NULL && append->key_delimiter_bytes == 0;
    if (append->takes_turns) {
        append->partition = 0;
    }
    append->rows    = wr_alloc_aligned((size_t)append->row_limit * row_bytes, 4096);
    append->changes = wr_alloc(append->row_limit);
    append->json    = append->is_text ? NULL : wr_json_reader_open(append->topic.type, NULL);
}

static bool open_producer(struct append *append)
{
    const struct wr_command *command = append->command;
    weir_status              status =
        weir_producer_open(append->log, command->topic, append->topic.type, &append->producer);
    if (status != WEIR_OK) {
        append->producer = NULL;
        append->code     = wr_command_log_failed(command, append->log, status);
        return false;
    }
    if (command->transaction == NULL) {
        return true;
    }
    status = weir_transaction_open(append->log, command->transaction, &append->transaction);
    if (status == WEIR_OK) {
        status = weir_transaction_begin(append->transaction);
    }
    if (status == WEIR_OK) {
        status = weir_producer_join(append->producer, append->transaction);
    }
    if (status != WEIR_OK) {
        append->code = wr_command_failed(status, weir_transaction_error(append->transaction));
    }
    return status == WEIR_OK;
}

// Commits it if all that was to be is appended, else aborts it.
static void decide_transaction(struct append *append)
{
    bool        is_whole;
    weir_status status;
    do { // a full disk is tried until it is interrupted
        is_whole = append->code == 0 && !wr_command_is_interrupted();
        status   = wr_transaction_try(append->transaction, is_whole);
    } while (status == WEIR_FULL && !gives_up(append));
    if (append->has_given_up) {
        return;
    }
    if (status != WEIR_OK) {
        append_failed(append, status, weir_transaction_error(append->transaction));
    } else if (!is_whole) {
        wr_command_say(append->command,
                       "log %s: topic %s: nothing was appended: the transaction %s "
                       "was aborted",
                       append->command->directory, append->command->topic,
                       append->command->transaction);
    }
}

// Waits for the acknowledgement of all that was appended.
static void await_acknowledgement(struct append *append)
{
    weir_status status = WEIR_TIMED_OUT;
    while (!append->has_failed && status == WEIR_TIMED_OUT && !gives_up(append)) {
        status = weir_producer_flush(append->producer, SHOW_US);
        show_bar(append);
    }
    if (!append->has_failed && !append->has_given_up && status != WEIR_OK) {
        append_failed(append, status, weir_producer_error(append->producer));
    }
    if (append->transaction != NULL && !append->has_failed && !append->has_given_up) {
        decide_transaction(append);
    }
}

static void print_summary(struct append *append)
{
    char         size[WR_VALUE_TEXT_MAX];
    const double seconds = (double)(wr_command_now_us() - append->began_us) / 1e6;
    uint64_t     next, sum = 0;
    if (append->is_bar) {
        (void)fputs("\r\033[K", stderr);
    }
    for (uint32_t i = 0; i < append->topic.partitions; i++) {
        sum += weir_producer_acknowledged(append->producer, i, &next);
    }
    append->acknowledged = sum;
    if (append->has_given_up && !append->command->as_json) {
        return; // say_given_up does
    }
    if (append->command->as_json) {
        (void)printf("{\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"broken\":%" PRIu64
                     ",\"seconds\":%.6f,\"partitions\":[",
                     sum, append->bytes, append->broken, seconds);
    } else {
        wr_command_say(append->command, "topic %s: %" PRIu64 " records, %s, acknowledged in %.2f s",
                       append->command->topic, sum, wr_value_size_text(append->bytes, size),
                       seconds);
    }
    bool has_one = false;
    for (uint32_t i = 0; i < append->topic.partitions; i++) {
        const uint64_t rows = weir_producer_acknowledged(append->producer, i, &next);
        if (rows > 0 && append->command->as_json) {
            (void)printf("%s{\"partition\":%u,\"first\":%" PRIu64 ",\"end\":%" PRIu64 "}",
                         has_one ? "," : "", i, next - rows, next);
            has_one = true;
        } else if (rows > 0) {
            wr_command_say(append->command, "  partition %u: offsets %" PRIu64 " to %" PRIu64, i,
                           next - rows, next - 1);
        }
    }
    if (append->command->as_json) {
        (void)printf("]}\n");
    }
    if (append->broken > 0 && append->skips_broken) {
        wr_command_say(append->command, "  broken lines skipped: %" PRIu64, append->broken);
    }
}

static void append_fini(struct append *append)
{
    if (append->transaction != NULL) {
        weir_transaction_close(append->transaction);
    }
    if (append->producer != NULL) {
        (void)weir_producer_close(append->producer);
    }
    if (append->json != NULL) {
        wr_json_reader_close(append->json);
    }
    wr_free(append->rows);
    wr_free(append->changes);
}

// Closes the log, which tries once more to write, and says what became of what was read.
static int say_given_up(const struct append *append)
{
    const struct wr_command *command    = append->command;
    const bool               is_written = weir_log_close(append->log) == WEIR_OK;
    const uint64_t           rows       = is_written ? append->taken : append->acknowledged;
    char                    *what;
    if (append->transaction != NULL) {
        what = wr_format("nothing was appended: the transaction %s is not committed",
                         command->transaction);
    } else {
        what = wr_format("%" PRIu64 " records were acknowledged, %" PRIu64 " that were read were "
                         "not",
                         rows, append->records - rows);
    }
    char     *sentence = wr_format("log %s: topic %s: interrupted on a full disk: %s",
                                   command->directory, command->topic, what);
    const int code     = wr_command_failed(WEIR_INTERRUPTED, sentence);
    wr_free(sentence);
    wr_free(what);
    return append->code != 0 ? append->code : code;
}

static int append_run(struct wr_command *command)
{
    const weir_log_options writing = { .writes     = true,
                                       .durability = command->durability,
                                       .interval   = command->interval };
    struct append          append  = { .command  = command,
                                       .began_us = wr_command_now_us(),
                                       .is_bar   = !command->is_quiet && isatty(STDERR_FILENO) };
    if (take_options(&append)) {
        append.code = wr_command_open(command, &writing, &append.log, &append.topic);
    }
    if (append.log != NULL) {
        if (choose_partition(&append)) {
            open_rows(&append);
            if (open_producer(&append)) {
                read_all(&append);
                await_acknowledgement(&append);
                print_summary(&append);
            }
        }
        append_fini(&append);
        append.code =
            append.has_given_up ? say_given_up(&append) : wr_command_close(append.log, append.code);
    }
    wr_free(append.delimiter);
    wr_free(append.key_delimiter);
    return append.code == 0 && wr_command_is_interrupted() ? weir_status_exit_code(WEIR_INTERRUPTED)
                                                           : append.code;
}

const struct wr_verb wr_verb_append = {
    .name    = "append",
    .words   = "DIR TOPIC [FILE ...]",
    .summary = "append lines of files, or of stdin",
    .more =
        "A topic of text takes each line as a value, with -K as key and value; values without keys "
        "go "
        "to\nthe partitions in turns. Any other topic takes a JSON object a line. All that was "
        "appended is\nacknowledged before it ends, also when it is interrupted (exit code 130) or "
        "meets a broken line\n(1); with --transaction nothing is, then. Interrupted on a full disk "
        "it tries once more, ends\n(130), and says how many records were acknowledged and how many "
        "were not.\n\n"
        "  weir log append data/log lines < access.log\n"
        "  printf 'a:1\\nb:2\\n' | weir log append data/log lines -K :\n"
        "  weir log append data/log payments --broken skip monday.jsonl tuesday.jsonl\n"
        "  weir log append data/log lines --durability os --quiet < big.txt\n",
    .options = WR_TAKES(PARTITION) | WR_TAKES(KEY_DELIMITER) | WR_TAKES(DELIMITER) |
               WR_TAKES(COUNT) | WR_TAKES(KEY) | WR_TAKES(NULLS) | WR_TAKES(TEE) |
               WR_TAKES(BROKEN) | WR_TAKES(DURABILITY) | WR_TAKES(INTERVAL) | WR_TAKES(TRANSACTION),
    .least = 2,
    .most  = UINT32_MAX,
    .run   = append_run,
};
