// weir log create, alter, delete: making a topic, changing its settings, removing it.
#include "cli/log/fields.h"
#include "cli/log/verbs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FIELDS_BYTES_MAX (1u << 20)

#define SETTINGS                                                                                   \
    (WR_TAKES(COMPRESSION) | WR_TAKES(SEGMENT_BYTES) | WR_TAKES(RETAIN_AGE) |                      \
     WR_TAKES(RETAIN_BYTES) | WR_TAKES(COMPACTED) | WR_TAKES(NOT_COMPACTED) |                      \
     WR_TAKES(TOMBSTONE_AGE) | WR_TAKES(SCHEMA) | WR_TAKES(FIELDS))

// ---- the type ----

// A whole file as text; NULL: *code.
static char *file_read(const char *path, int *code)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (file == NULL) {
        char *sentence = wr_format("%s: cannot open it: %s", path, strerror(errno));
        *code = wr_command_failed(errno == ENOENT ? WEIR_NOT_FOUND : WEIR_UNREACHABLE, sentence);
        wr_free(sentence);
        return NULL;
    }
    char        *text   = wr_alloc(FIELDS_BYTES_MAX + 1);
    const size_t length = fread(text, 1, FIELDS_BYTES_MAX, file);
    text[length]        = '\0';
    if (file != stdin) {
        (void)fclose(file);
    }
    return text;
}

// A name as in C, made of the topic's.
static char *type_name(const char *topic)
{
    char *name = wr_format("%s%s", topic[0] >= '0' && topic[0] <= '9' ? "_" : "", topic);
    for (char *at = name; *at != '\0'; at++) {
        *at = *at == '-' || *at == '.' ? '_' : *at;
    }
    return name;
}

// --schema or --fields as a type; NULL: there is none, or *code.
static weir_type *type_read(const struct wr_command *command, int *code)
{
    const bool is_file = wr_command_has(command, WR_OPTION_SCHEMA);
    if (!is_file && !wr_command_has(command, WR_OPTION_FIELDS)) {
        return NULL;
    }
    if (is_file && wr_command_has(command, WR_OPTION_FIELDS)) {
        *code = wr_command_misused(command, "--schema and --fields are two ways to say the same");
        return NULL;
    }
    char      *text = is_file ? file_read(command->schema, code) : wr_copy_text(command->fields);
    weir_type *type = NULL;
    if (text != NULL) {
        char *error = NULL;
        char *name  = type_name(command->topic);
        type        = wr_fields_parse(text, name, &error);
        if (type == NULL) {
            *code = wr_command_misused(command, "%s: %s", is_file ? command->schema : "--fields",
                                       error);
        }
        wr_free(error);
        wr_free(name);
        wr_free(text);
    }
    return type;
}

// ---- settings ----

static void take_settings(const struct wr_command *command, weir_topic *topic)
{
    if (wr_command_has(command, WR_OPTION_COMPRESSION)) {
        topic->compression = command->compression;
    }
    if (wr_command_has(command, WR_OPTION_SEGMENT_BYTES)) {
        topic->segment_bytes = command->segment_bytes;
    }
    if (wr_command_has(command, WR_OPTION_RETAIN_AGE)) {
        topic->retain_age = command->retain_age;
    }
    if (wr_command_has(command, WR_OPTION_RETAIN_BYTES)) {
        topic->retain_bytes = command->retain_bytes;
    }
    if (wr_command_has(command, WR_OPTION_TOMBSTONE_AGE)) {
        topic->tombstone_age = command->tombstone_age;
    }
    if (wr_command_has(command, WR_OPTION_COMPACTED) ||
        wr_command_has(command, WR_OPTION_NOT_COMPACTED)) {
        topic->is_compacted = command->is_compacted && !command->is_not_compacted;
    }
}

// The settings and fields of --like; its log is open as long as they are needed.
static int take_like(const struct wr_command *command, weir_log *own, weir_log **other,
                     weir_topic *topic)
{
    const char       *slash = strrchr(command->like, '/');
    struct wr_command like  = { .verb  = command->verb,
                                .topic = slash != NULL ? slash + 1 : command->like };
    char *directory = slash != NULL ? wr_format("%.*s", (int)(slash - command->like), command->like)
                                    : wr_copy_text(command->directory);
    like.directory  = directory;
    int code        = 0;
    if (slash != NULL && strcmp(directory, command->directory) != 0) {
        code = wr_command_open(&like, &(weir_log_options){ 0 }, other, topic);
    } else {
        const weir_status status = weir_log_topic(own, like.topic, topic);
        code = status == WEIR_OK ? 0 : wr_command_log_failed(&like, own, status);
    }
    wr_free(directory);
    topic->name = command->topic;
    return code;
}

static int topic_make(weir_log *log, const weir_topic *topic)
{
    const weir_status status = weir_log_create_topic(log, topic);
    return status == WEIR_OK ? 0 : wr_command_failed(status, weir_log_error(log));
}

static void say_done(const struct wr_command *command, const char *what)
{
    if (command->as_json) {
        (void)printf("{\"log\":");
        wr_json_print_text(stdout, command->directory);
        if (command->topic != NULL) {
            (void)printf(",\"topic\":");
            wr_json_print_text(stdout, command->topic);
        }
        (void)printf(",\"done\":\"%s\"}\n", what);
    } else {
        wr_command_say(command, "log %s: %s%s %s", command->directory,
                       command->topic != NULL ? "topic " : "it",
                       command->topic != NULL ? command->topic : "", what);
    }
}

// ---- create ----

static int create_topic(const struct wr_command *command, weir_log *log, const weir_type *type)
{
    weir_topic there, topic = { .name = command->topic };
    weir_log  *other = NULL;
    int        code  = 0;
    if (weir_log_topic(log, command->topic, &there) == WEIR_OK) {
        if (command->keeps_existing) {
            say_done(command, "is there already");
            return 0;
        }
        char *sentence = wr_format("log %s: topic %s is there already; change its settings with "
                                   "weir log alter, or say --if-missing",
                                   command->directory, command->topic);
        code           = wr_command_failed(WEIR_CONFLICT, sentence);
        wr_free(sentence);
        return code;
    }
    if (command->like != NULL) {
        code = take_like(command, log, &other, &topic);
    }
    take_settings(command, &topic);
    topic.partitions =
        wr_command_has(command, WR_OPTION_PARTITIONS)
            ? (uint32_t)(command->partition_count < UINT32_MAX ? command->partition_count
                                                               : UINT32_MAX)
            : topic.partitions;
    topic.key  = command->key != NULL ? command->key : topic.key;
    topic.time = command->time != NULL ? command->time : topic.time;
    topic.type = type != NULL ? type : topic.type;
    if (code == 0) {
        code = topic_make(log, &topic);
    }
    if (other != NULL) {
        code = wr_command_close(other, code);
    }
    if (code == 0) {
        say_done(command, "was made");
    }
    return code;
}

static int create_run(struct wr_command *command)
{
    const weir_log_options writing   = { .writes = true, .creates = true };
    weir_log              *log       = NULL;
    int                    code      = 0;
    weir_type             *type      = command->topic != NULL ? type_read(command, &code) : NULL;
    char *const            file      = wr_format("%s/log", command->directory);
    const bool             was_there = access(file, F_OK) == 0;
    wr_free(file);
    if (code == 0 && wr_command_has(command, WR_OPTION_PARTITIONS) &&
        command->partition_count == 0) {
        code = wr_command_misused(command, "--partitions: a topic has one at least");
    }
    if (code == 0) {
        code = wr_command_open(command, &writing, &log, NULL);
    }
    if (code == 0 && command->topic != NULL) {
        code = create_topic(command, log, type);
    } else if (code == 0) {
        say_done(command, was_there ? "is there already" : "was made");
    }
    if (log != NULL) {
        code = wr_command_close(log, code);
    }
    wr_schema_type_close(type);
    return code;
}

const struct wr_verb wr_verb_create = {
    .name    = "create",
    .words   = "DIR [TOPIC]",
    .summary = "make a topic, and the log if it is missing",
    .more = "Without fields a topic holds text: a key and a value. With --fields or --schema each "
            "record\nis of one type: a field a line, NAME KIND [COUNT], where KIND is bool, i8 to "
            "i64, u8 to u64,\nf32, f64, time, str, chars N, or record NAME with its fields "
            "indented below.\n\n"
            "  weir log create data/log lines\n"
            "  weir log create data/log payments --partitions 4 --key-field card \\\n"
            "      --fields 'at time, card u64, cents i64, note str' --time-field at \\\n"
            "      --retain-age 7d --compression zstd\n"
            "  weir log create data/log archive --like payments --retain-age 0\n",
    .options = SETTINGS | WR_TAKES(PARTITIONS) | WR_TAKES(KEY_FIELD) | WR_TAKES(TIME_FIELD) |
               WR_TAKES(LIKE) | WR_TAKES(IF_MISSING),
    .least = 1,
    .most  = 2,
    .run   = create_run,
};

// ---- alter ----

static int alter_run(struct wr_command *command)
{
    const weir_log_options writing = { .writes = true };
    weir_log              *log     = NULL;
    weir_topic             topic;
    int                    code = 0;
    weir_type             *type = type_read(command, &code);
    if (code == 0) {
        code = wr_command_open(command, &writing, &log, &topic);
    }
    if (code == 0) {
        take_settings(command, &topic);
        topic.type = type != NULL ? type : topic.type;
        code       = topic_make(log, &topic);
        if (code == 0) {
            say_done(command, "was changed");
        }
        code = wr_command_close(log, code);
    }
    wr_schema_type_close(type);
    return code;
}

const struct wr_verb wr_verb_alter = {
    .name    = "alter",
    .words   = "DIR TOPIC",
    .summary = "change a topic's settings, or give its type another version",
    .more = "What is not named stays as it is. Partitions, key and time are fixed for ever. A new "
            "type has\nto read what is stored, and to be read by those who know the one before.\n\n"
            "  weir log alter data/log payments --retain-age 30d --retain-bytes 10GB\n",
    .options = SETTINGS,
    .least   = 2,
    .most    = 2,
    .run     = alter_run,
};

// ---- delete ----

static int delete_run(struct wr_command *command)
{
    const weir_log_options writing = { .writes = true };
    weir_log              *log     = NULL;
    weir_topic             topic;
    int                    code = 0;
    if (!wr_command_may(command, &code, "log %s: remove topic %s with all its records?",
                        command->directory, command->topic)) {
        return code;
    }
    code = wr_command_open(command, &writing, &log, &topic);
    if (code != 0) {
        return code;
    }
    const weir_status status = weir_log_delete_topic(log, command->topic);
    code = status == WEIR_OK ? 0 : wr_command_failed(status, weir_log_error(log));
    if (code == 0) {
        say_done(command, "was removed");
    }
    return wr_command_close(log, code);
}

const struct wr_verb wr_verb_delete = {
    .name    = "delete",
    .words   = "DIR TOPIC",
    .summary = "remove a topic with all its records",
    .more    = "Asks first, unless --yes says not to.\n\n"
               "  weir log delete data/log payments --yes\n",
    .options = WR_TAKES(YES),
    .least   = 2,
    .most    = 2,
    .run     = delete_run,
};
