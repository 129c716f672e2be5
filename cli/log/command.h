// command: one call of `weir log VERB`: its options, read from a table, and what verbs share:
// opening the log, sentences, signals.
//
// A verb is a struct wr_verb in a file of its own; verbs.c lists them. Options have the letters of
// kcat where kcat has them.
//
// Thread rule: the main thread's; wr_command_signals may be read by it only.
#ifndef WR_CLI_COMMAND_H
#define WR_CLI_COMMAND_H

#include "cli/json.h"
#include "cli/log/values.h"
#include "log/log.h"

#include <stdio.h>

struct wr_command {
    const struct wr_verb *verb;
    const char           *directory; // its first word
    const char           *topic;     // -t, or its second word; NULL: none
    const char *const    *words;     // the others
    uint32_t              word_count;
    weir_time             now;

    // Options; each field is filled by one of wr_options.
    bool wants_help, as_json, is_quiet, is_unbuffered, follows, ends, reads_uncommitted, nulls,
        tees, says_yes, deletes, is_compacted, is_not_compacted, wants_schema, keeps_existing;
    const char *output, *format, *template, *key_delimiter, *delimiter, *key, *time, *schema,
        *fields, *like, *consumer, *transaction, *broken;
    uint64_t         limit, last, partition_count, segment_bytes, retain_bytes;
    weir_time        retain_age, tombstone_age, from, until, interval, at;
    struct wr_place  place, before, cut_from, set;
    uint64_t         partitions[WR_VALUE_PARTITIONS_MAX / 64];
    weir_compression compression;
    weir_durability  durability;
    uint64_t         given; // bit i: option number i was
};

enum wr_option_kind {
    WR_TAKES_FLAG,
    WR_TAKES_TEXT,
    WR_TAKES_COUNT,
    WR_TAKES_SIZE,
    WR_TAKES_SPAN,
    WR_TAKES_TIME,
    WR_TAKES_PLACE,
    WR_TAKES_PARTITIONS,
    WR_TAKES_COMPRESSION,
    WR_TAKES_DURABILITY
};

// name, letter or 0, name on the command line, kind, field, what its value is called, help
#define WR_OPTION_LIST(X)                                                                          \
    X(TOPIC, 't', "topic", TEXT, topic, "TOPIC", "the topic, instead of the word behind DIR")      \
    X(PARTITION, 'p', "partition", PARTITIONS, partitions, "LIST", "partitions, as 0,2-5")         \
    X(OFFSET, 'o', "offset", PLACE, place, "PLACE",                                                \
      "beginning, end, stored, 17, -10 (before the end), s@TIME; e@TIME: end there")               \
    X(COUNT, 'c', "count", COUNT, limit, "N", "so many records at most")                           \
    X(LAST, 'n', "last", COUNT, last, "N", "so many of each partition first (default: 10)")        \
    X(EXIT, 'e', "exit", FLAG, ends, NULL, "end at the end")                                       \
    X(FOLLOW, 'F', "follow", FLAG, follows, NULL, "wait for more at the end, until interrupted")   \
    X(FROM, 0, "from", TIME, from, "TIME", "from the first record of this time or later")          \
    X(UNTIL, 0, "until", TIME, until, "TIME", "only records before this time")                     \
    X(TEMPLATE, 'f', "template", TEXT, template, "TEXT",                                           \
      "%s value, %k key, %t %p %o topic, partition, offset, %T %I time; \\n")                      \
    X(KEY_DELIMITER, 'K', "key-delimiter", TEXT, key_delimiter, "TEXT",                            \
      "what stands between key and value")                                                         \
    X(DELIMITER, 'D', "delimiter", TEXT, delimiter, "TEXT", "what ends a record (default: \\n)")   \
    X(NULLS, 'Z', "null", FLAG, nulls, NULL,                                                       \
      "an empty value is a deletion; deletions are printed as NULL")                               \
    X(UNBUFFERED, 'u', "unbuffered", FLAG, is_unbuffered, NULL, "write each record at once")       \
    X(CONSUMER, 'G', "consumer", TEXT, consumer, "NAME",                                           \
      "begin where this consumer stands, and keep how far it came")                                \
    X(UNCOMMITTED, 0, "uncommitted", FLAG, reads_uncommitted, NULL,                                \
      "also records of transactions that are open or aborted")                                     \
    X(FORMAT, 0, "format", TEXT, format, "NAME", "jsonl, csv or raw (default: jsonl)")             \
    X(OUTPUT, 0, "output", TEXT, output, "FILE", "write there (default: stdout)")                  \
    X(KEY, 'k', "key", TEXT, key, "TEXT", "the key of all that have none")                         \
    X(TEE, 'T', "tee", FLAG, tees, NULL, "print what was appended")                                \
    X(BROKEN, 0, "broken", TEXT, broken, "WHAT", "broken lines: stop (default) or skip")           \
    X(DURABILITY, 0, "durability", DURABILITY, durability, "WHEN",                                 \
      "acknowledged when on disk: disk (default), interval, os")                                   \
    X(INTERVAL, 0, "interval", SPAN, interval, "SPAN", "of --durability interval (default: 10ms)") \
    X(TRANSACTION, 0, "transaction", TEXT, transaction, "NAME", "all of it, or nothing")           \
    X(PARTITIONS, 0, "partitions", COUNT, partition_count, "N",                                    \
      "how many (default: 1); fixed for ever")                                                     \
    X(KEY_FIELD, 0, "key-field", TEXT, key, "FIELDS", "equal keys go to one partition: a,b")       \
    X(TIME_FIELD, 0, "time-field", TEXT, time, "FIELD",                                            \
      "a time field, by which readers seek (default: when appended)")                              \
    X(SCHEMA, 0, "schema", TEXT, schema, "FILE", "the fields, from a file; - is stdin")            \
    X(FIELDS, 0, "fields", TEXT, fields, "TEXT", "the fields, as \"at time, card u64, note str\"") \
    X(LIKE, 0, "like", TEXT, like, "TOPIC", "the fields and settings of TOPIC, or of DIR/TOPIC")   \
    X(COMPRESSION, 'z', "compression", COMPRESSION, compression, "NAME", "none, lz4 or zstd")      \
    X(SEGMENT_BYTES, 0, "segment-bytes", SIZE, segment_bytes, "SIZE", "of a file (64MiB)")         \
    X(RETAIN_AGE, 0, "retain-age", SPAN, retain_age, "SPAN", "older records go (0: never)")        \
    X(RETAIN_BYTES, 0, "retain-bytes", SIZE, retain_bytes, "SIZE",                                 \
      "of a partition; the oldest beyond go (0: never)")                                           \
    X(COMPACTED, 0, "compacted", FLAG, is_compacted, NULL, "only the last record of a key stays")  \
    X(NOT_COMPACTED, 0, "not-compacted", FLAG, is_not_compacted, NULL, "all records stay")         \
    X(TOMBSTONE_AGE, 0, "tombstone-age", SPAN, tombstone_age, "SPAN",                              \
      "how long compaction keeps a deletion (default: 1d)")                                        \
    X(IF_MISSING, 0, "if-missing", FLAG, keeps_existing, NULL, "do nothing if the topic is there") \
    X(ONLY_SCHEMA, 0, "schema-only", FLAG, wants_schema, NULL,                                     \
      "print the topic's schema, as create --schema reads it")                                     \
    X(AT, 0, "at", TIME, at, "TIME", "also the first offset of this time or later")                \
    X(BEFORE, 0, "before", PLACE, before, "PLACE", "drop what is before it: 17, end, s@TIME")      \
    X(CUT_FROM, 0, "from", PLACE, cut_from, "PLACE", "drop it and what is behind: 17, -10, ...")   \
    X(SET, 0, "set", PLACE, set, "PLACE", "where it will begin: beginning, end, 17, s@TIME")       \
    X(DELETE, 0, "delete", FLAG, deletes, NULL, "forget the consumer")                             \
    X(YES, 'y', "yes", FLAG, says_yes, NULL, "do not ask")                                         \
    X(QUIET, 'q', "quiet", FLAG, is_quiet, NULL, "no progress and no summary on stderr")           \
    X(JSON, 'J', "json", FLAG, as_json, NULL, "print JSON, an object a line")                      \
    X(HELP, 'h', "help", FLAG, wants_help, NULL, "this page")

enum wr_option_number {
#define WR_OPTION_ENUM(number, letter, name, kind, field, value, help) WR_OPTION_##number,
    WR_OPTION_LIST(WR_OPTION_ENUM)
#undef WR_OPTION_ENUM
        WR_OPTION_NUMBERS
};
_Static_assert(WR_OPTION_NUMBERS <= 64, "an option is a bit of wr_command.given");

#define WR_TAKES(number) (UINT64_C(1) << WR_OPTION_##number)

struct wr_verb {
    const char *name;
    const char *words;       // "DIR TOPIC"
    const char *summary;     // one line
    const char *more;        // paragraphs and examples, for its help
    uint64_t    options;     // WR_TAKES of each; QUIET, JSON, HELP and TOPIC are everybody's
    uint32_t    least, most; // words, DIR included; TOPIC counts wherever it is given
    int (*run)(struct wr_command *command); // the exit code
};

// All verbs, the last one's name is NULL.
extern const struct wr_verb *const wr_verbs[];

// `weir log ...`; argv[0] is "log". The exit code.
int wr_log_command(int argc, char **argv);

static inline bool wr_command_has(const struct wr_command *command, enum wr_option_number number)
{
    return (command->given >> number & 1) != 0;
}
static inline bool wr_command_has_partition(const struct wr_command *command, uint32_t partition)
{
    return !wr_command_has(command, WR_OPTION_PARTITION) ||
           (command->partitions[partition / 64] >> partition % 64 & 1) != 0;
}

// ---- sentences; each returns an exit code ----

// The command line is wrong; a hint at the help follows.
int wr_command_misused(const struct wr_command *command, const char *sentence, ...)
    WEIR_PRINTF(2, 3);
// What a call on the log said.
int wr_command_failed(weir_status status, const char *sentence);
// A word to stderr, unless --quiet.
void wr_command_say(const struct wr_command *command, const char *sentence, ...) WEIR_PRINTF(2, 3);
// Asks on the terminal; true without asking by --yes. False: *code is why not.
bool wr_command_may(const struct wr_command *command, int *code, const char *question, ...)
    WEIR_PRINTF(3, 4);
// The name of `names` that was most likely meant, or NULL.
const char *wr_command_nearest(const char *wrong, const char *const *names, uint32_t count);

// ---- the log ----

// Opens the log, and the topic into *topic if it is not NULL. 0, or the exit code of what was said.
int wr_command_open(const struct wr_command *command, const weir_log_options *options,
                    weir_log **log, weir_topic *topic);
// Says what a call on the log or a topic of it failed with: a near name for one that is missing.
int wr_command_log_failed(const struct wr_command *command, weir_log *log, weir_status status);
// Closes a log; `code`, or that of what went wrong now if it is 0.
int wr_command_close(weir_log *log, int code);
// The offset a place means in a partition now. False: *code.
bool wr_command_resolve(const struct wr_command *command, weir_log *log, uint32_t partition,
                        const struct wr_place *place, uint64_t *offset, int *code);

// ---- the terminal ----

// Catches SIGINT and SIGTERM: the first is counted, the second ends the process; ignores SIGPIPE.
void wr_command_catch_signals(void);
bool wr_command_is_interrupted(void);
// Waits until `file` can be read; false: not within timeout_ms, or a signal came.
bool wr_command_can_read(int file, int timeout_ms);

int64_t wr_command_now_us(void); // monotonic

#endif // WR_CLI_COMMAND_H
