// fsck of a log's directory: its small files, its topics, its consumers. See fsck_part.h for what
// lies in a partition.
//
//   log, epoch --> .transactions --> topic: file, partitions --> ... --> consumers
#include "log/fsck.h"

#include "log/catalog.h"
#include "log/fsck_walk.h"
#include "log/small_file.h"
#include "log/topic_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int         code;
    const char *word;
} kinds[] = {
#define FSCK_KIND(name, code, word) { code, word },
    WR_FSCK_LIST(FSCK_KIND)
#undef FSCK_KIND
};

int         wr_fsck_exit_code(enum wr_fsck_kind kind) { return kinds[kind].code; }
const char *wr_fsck_word(enum wr_fsck_kind kind) { return kinds[kind].word; }

// ---- findings ----

void wr_fsck_report(struct wr_fsck *fsck, enum wr_fsck_kind kind, const struct wr_fsck_place *place,
                    const char *sentence, ...)
{
    if (fsck->is_counting) {
        fsck->counted++;
        return;
    }
    WR_ASSERT(sentence != NULL);
    va_list arguments, again;
    va_start(arguments, sentence);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, sentence, again);
    va_end(again);
    WR_ASSERT(length >= 0);
    char *made = wr_alloc((size_t)length + 1);
    (void)vsnprintf(made, (size_t)length + 1, sentence, arguments);
    va_end(arguments);

    const struct wr_fsck_finding finding = {
        .kind         = kind,
        .sentence     = made,
        .path         = place->path,
        .byte         = place->byte,
        .topic        = place->topic != NULL ? place->topic->name : NULL,
        .partition    = place->partition,
        .first_offset = place->first_offset,
        .end_offset   = place->end_offset,
    };
    fsck->summary->findings++;
    fsck->summary->gravest = kind > fsck->summary->gravest ? kind : fsck->summary->gravest;
    if (fsck->options->found != NULL) {
        fsck->options->found(fsck->options->opaque, &finding);
    }
    wr_free(made);
}

static void report_path(struct wr_fsck *fsck, enum wr_fsck_kind kind,
                        const struct wr_fsck_topic *topic, const char *path, const char *sentence)
{
    const struct wr_fsck_place place = {
        .topic = topic, .partition = UINT32_MAX, .path = path, .byte = UINT64_MAX
    };
    wr_fsck_report(fsck, kind, &place, "%s", sentence);
}

// What reading a small file came to: damaged or missing, or not readable at all.
static void report_small(struct wr_fsck *fsck, const struct wr_fsck_topic *topic, const char *path,
                         struct wr_log_error *error)
{
    const bool is_file = error->status == WEIR_DAMAGED || error->status == WEIR_NOT_FOUND ||
                         error->status == WEIR_CONFLICT;
    report_path(fsck, is_file ? WR_FSCK_FILE : WR_FSCK_UNREADABLE, topic, path, error->sentence);
    wr_log_error_fini(error);
}

// ---- log and epoch ----

static bool identity_parse(struct wr_fsck *fsck, const char *path, char *text,
                           struct wr_log_error *error)
{
    struct wr_text_lines lines;
    uint64_t             created;
    if (!wr_lines_begin(&lines, text, "weir log", WR_LOG_FORMAT, path, error)) {
        return false;
    }
    const char *id = wr_text_lines_take(&lines, "id");
    if (id == NULL || !wr_log_id_parse(id, &fsck->id) ||
        !wr_text_lines_number(&lines, "created", UINT64_MAX, &created)) {
        (void)wr_lines_fail(path, error);
        return false;
    }
    return true;
}

static void check_identity(struct wr_fsck *fsck)
{
    struct wr_log_error error = { .status = WEIR_OK };
    size_t              length;
    char *const         path = wr_format("%s/log", fsck->directory);
    char *const         text = wr_small_file_read(fsck->environment, path, &length, &error);
    fsck->has_id             = text != NULL && identity_parse(fsck, path, text, &error);
    if (!fsck->has_id) {
        report_small(fsck, NULL, path, &error);
    }
    wr_free(text);
    wr_free(path);
}

static void check_epoch(struct wr_fsck *fsck)
{
    struct wr_log_error  error = { .status = WEIR_OK };
    size_t               length;
    uint64_t             epoch = UINT32_MAX;
    struct wr_text_lines lines;
    char *const          path = wr_format("%s/epoch", fsck->directory);
    char *const          text = wr_small_file_read(fsck->environment, path, &length, &error);
    if (text != NULL && wr_lines_begin(&lines, text, "weir epoch", 1, path, &error) &&
        !wr_text_lines_number(&lines, "epoch", UINT32_MAX, &epoch)) {
        (void)wr_lines_fail(path, &error);
    }
    if (error.status != WEIR_OK) {
        report_small(fsck, NULL, path, &error);
        epoch = UINT32_MAX;
    }
    fsck->epoch = (uint32_t)epoch;
    wr_free(text);
    wr_free(path);
}

// Whether a process holds the lock; it is asked for a moment, by a file opened for reading.
static bool has_writer(struct wr_fsck *fsck)
{
    struct wr_environment *environment = fsck->environment;
    char *const            path        = wr_format("%s/lock", fsck->directory);
    const int              file        = environment->ops->open(environment, path, WR_OPEN_READ);
    bool                   is_held     = false;
    if (file >= 0) {
        is_held = environment->ops->lock(environment, file) == -EWOULDBLOCK;
        environment->ops->close(environment, file);
    }
    wr_free(path);
    return is_held;
}

// ---- names ----

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

static void names_fini(struct names *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        wr_free(names->at[i]);
    }
    wr_free(names->at);
}

// Names in a directory of the log; a failure is told and gives none.
static struct names names_of(struct wr_fsck *fsck, const struct wr_fsck_topic *topic,
                             const char *path)
{
    struct names names  = { NULL, 0 };
    const int    status = fsck->environment->ops->list(fsck->environment, path, names_add, &names);
    if (status < 0) {
        char *sentence = wr_format("%s: cannot list the directory: %s", path, strerror(-status));
        report_path(fsck, status == -ENOENT ? WR_FSCK_MISSING : WR_FSCK_UNREADABLE, topic, path,
                    sentence);
        wr_free(sentence);
    }
    return names;
}

// ---- topics ----

static void read_topic_file(struct wr_fsck_topic *topic)
{
    struct wr_fsck     *fsck  = topic->fsck;
    struct wr_log_error error = { .status = WEIR_OK };
    size_t              length;
    char *const         path = wr_format("%s/topic", topic->directory);
    char *const         text = wr_small_file_read(fsck->environment, path, &length, &error);
    topic->has_file = text != NULL && wr_topic_parse(path, text, &topic->file, &error) == WEIR_OK;
    topic->has_id   = topic->has_file;
    if (!topic->has_file) {
        report_small(fsck, topic, path, &error);
    } else if (strcmp(topic->file.settings.name, topic->name) != 0) {
        char *sentence =
            wr_format("%s: it is of topic %s: its directory was renamed by hand; name it %s again",
                      path, topic->file.settings.name, topic->file.settings.name);
        report_path(fsck, WR_FSCK_FOREIGN, topic, path, sentence);
        wr_free(sentence);
    }
    if (topic->has_file) {
        topic->partitions = topic->file.settings.partitions;
        topic->shapes     = wr_alloc((topic->file.schema_count + 1) * sizeof(*topic->shapes));
        for (uint32_t i = 0; i < topic->file.schema_count; i++) {
            wr_row_shape_init(&topic->shapes[i], topic->file.schemas[i], topic->file.settings.time);
        }
    }
    wr_free(text);
    wr_free(path);
}

// Directories that are numbers: how many partitions there are if the file does not say, and those
// that it does not know.
static void look_at_numbers(struct wr_fsck_topic *topic)
{
    struct names names = names_of(topic->fsck, topic, topic->directory);
    for (uint32_t i = 0; i < names.count; i++) {
        const char *at = names.at[i];
        uint64_t    number;
        if (!wr_text_take_number(&at, UINT32_MAX - 1, &number) || *at != 0) {
            continue;
        }
        if (!topic->has_file) {
            topic->partitions =
                number >= topic->partitions ? (uint32_t)number + 1 : topic->partitions;
        } else if (number >= topic->partitions) {
            char *path     = wr_format("%s/%s", topic->directory, names.at[i]);
            char *sentence = wr_format("%s: the topic has %u partitions, and this is none of them; "
                                       "move it away",
                                       path, topic->partitions);
            report_path(topic->fsck, WR_FSCK_FOREIGN, topic, path, sentence);
            wr_free(sentence);
            wr_free(path);
        }
    }
    names_fini(&names);
}

static void topic_fini(struct wr_fsck_topic *topic)
{
    for (uint32_t i = 0; topic->shapes != NULL && i < topic->file.schema_count; i++) {
        wr_row_shape_fini(&topic->shapes[i]);
    }
    if (topic->has_file) {
        wr_topic_text_fini(&topic->file);
    }
    wr_free(topic->shapes);
    wr_free(topic->ends);
    wr_free(topic->directory);
    wr_free(topic->name);
}

static void topic_check(struct wr_fsck *fsck, const char *name, struct wr_fsck_topic *topic)
{
    *topic =
        (struct wr_fsck_topic){ .fsck      = fsck,
                                .name      = wr_copy_text(name),
                                .directory = wr_format("%s/topics/%s", fsck->directory, name) };
    read_topic_file(topic);
    look_at_numbers(topic);
    topic->ends = wr_alloc((topic->partitions + 1) * sizeof(*topic->ends));
    for (uint32_t i = 0; i < topic->partitions; i++) {
        wr_fsck_partition(topic, i);
    }
    fsck->summary->topics += name[0] != '.';
}

// ---- consumers ----

struct topics {
    struct wr_fsck_topic *at;
    uint32_t              count;
};

static const struct wr_fsck_topic *topics_find(const struct topics    *topics,
                                               const struct wr_log_id *id)
{
    for (uint32_t i = 0; i < topics->count; i++) {
        if (topics->at[i].has_id && memcmp(&topics->at[i].file.id, id, sizeof(*id)) == 0) {
            return &topics->at[i];
        }
    }
    return NULL;
}

// "3 offset 900 at 1767225600000000", of `topic` (NULL: one that is gone).
static bool check_offset(struct wr_fsck *fsck, const char *path, const struct wr_fsck_topic *topic,
                         const char *line)
{
    uint64_t partition, offset, at;
    if (line == NULL || !wr_text_take_number(&line, UINT32_MAX, &partition) ||
        !wr_text_take_word(&line, " offset ") || !wr_text_take_number(&line, UINT64_MAX, &offset) ||
        !wr_text_take_word(&line, " at ") || !wr_text_take_number(&line, WEIR_TIME_MAX, &at) ||
        *line != 0) {
        return false;
    }
    if (topic == NULL) {
        return true;
    }
    const struct wr_fsck_place place = { .topic        = topic,
                                         .partition    = (uint32_t)partition,
                                         .path         = path,
                                         .byte         = UINT64_MAX,
                                         .first_offset = offset,
                                         .end_offset   = offset };
    if (partition >= topic->partitions) {
        wr_fsck_report(fsck, WR_FSCK_CONSUMER, &place,
                       "%s: it keeps an offset of partition %llu of topic %s, which has %u", path,
                       (unsigned long long)partition, topic->name, topic->partitions);
    } else if (topic->ends[partition] != UINT64_MAX && offset > topic->ends[partition] &&
               !fsck->summary->has_writer) {
        wr_fsck_report(
            fsck, WR_FSCK_CONSUMER, &place,
            "%s: it keeps offset %llu of partition %llu of topic %s, which ends at "
            "%llu: records were taken back or lost; set it with weir log consumers --set",
            path, (unsigned long long)offset, (unsigned long long)partition, topic->name,
            (unsigned long long)topic->ends[partition]);
    }
    return true;
}

static bool check_offsets(struct wr_fsck *fsck, const struct topics *topics, const char *path,
                          char *text, struct wr_log_error *error)
{
    const struct wr_fsck_topic *topic = NULL;
    struct wr_text_lines        lines;
    if (!wr_lines_begin(&lines, text, "weir consumer", 1, path, error)) {
        return false;
    }
    for (bool has_topic = false; *lines.at != 0;) {
        char            *line = wr_text_lines_take(&lines, "topic");
        struct wr_log_id id;
        bool             is_right;
        if (line != NULL) {
            char *space = strchr(line, ' ');
            is_right    = space != NULL;
            if (is_right) {
                *space   = 0;
                is_right = wr_log_id_parse(line, &id);
                topic    = is_right ? topics_find(topics, &id) : NULL;
            }
            has_topic = true;
        } else {
            is_right = has_topic &&
                       check_offset(fsck, path, topic, wr_text_lines_take(&lines, "partition"));
        }
        if (!is_right) {
            (void)wr_lines_fail(path, error);
            return false;
        }
    }
    return true;
}

static bool has_ending(const char *name, const char *ending)
{
    const size_t length = strlen(name), end = strlen(ending);
    return length >= end && strcmp(name + length - end, ending) == 0;
}

static void check_consumers(struct wr_fsck *fsck, const struct topics *topics)
{
    char        *directory = wr_format("%s/consumers", fsck->directory);
    struct names names     = names_of(fsck, NULL, directory);
    for (uint32_t i = 0; i < names.count; i++) {
        if (has_ending(names.at[i], ".lock") || has_ending(names.at[i], ".tmp")) {
            continue;
        }
        struct wr_log_error error = { .status = WEIR_OK };
        size_t              length;
        char               *path = wr_format("%s/%s", directory, names.at[i]);
        char               *text = wr_small_file_read(fsck->environment, path, &length, &error);
        if (text == NULL || !check_offsets(fsck, topics, path, text, &error)) {
            report_small(fsck, NULL, path, &error);
        }
        fsck->summary->consumers++;
        wr_free(text);
        wr_free(path);
    }
    names_fini(&names);
    wr_free(directory);
}

// ---- the whole ----

// Leftovers of a topic being made or deleted are told; true if the name is one to check.
static bool is_topic(struct wr_fsck *fsck, const char *directory, const char *name)
{
    if (name[0] != '.') {
        return true;
    }
    if ((strcmp(name, ".new") == 0 || strncmp(name, ".gone.", 6) == 0) &&
        !fsck->summary->has_writer) {
        char *path     = wr_format("%s/%s", directory, name);
        char *sentence = wr_format("%s: a topic was being made or deleted when a crash came; the "
                                   "next writer removes it",
                                   path);
        report_path(fsck, WR_FSCK_TAIL, NULL, path, sentence);
        wr_free(sentence);
        wr_free(path);
    }
    return false;
}

static void check_all(struct wr_fsck *fsck)
{
    char         *directory = wr_format("%s/topics", fsck->directory);
    struct names  names     = names_of(fsck, NULL, directory);
    struct topics topics    = { wr_alloc((names.count + 1) * sizeof(*topics.at)), 0 };
    for (uint32_t i = 0; i < names.count; i++) {
        if (strcmp(names.at[i], WR_TRANSACTIONS_TOPIC) == 0) {
            topic_check(fsck, names.at[i], &topics.at[topics.count++]);
        }
    }
    for (uint32_t i = 0; i < names.count; i++) {
        if (is_topic(fsck, directory, names.at[i]) &&
            (fsck->options->topic == NULL || strcmp(fsck->options->topic, names.at[i]) == 0)) {
            topic_check(fsck, names.at[i], &topics.at[topics.count++]);
        }
    }
    if (fsck->options->topic == NULL) {
        check_consumers(fsck, &topics);
    }
    for (uint32_t i = 0; i < topics.count; i++) {
        topic_fini(&topics.at[i]);
    }
    wr_free(topics.at);
    names_fini(&names);
    wr_free(directory);
}

// 0, or -errno: -ENOENT if there is none.
static int look_for(struct wr_environment *environment, const char *directory, const char *name)
{
    struct wr_file_info info;
    char               *path   = wr_format("%s/%s", directory, name);
    const int           status = environment->ops->info(environment, path, &info);
    wr_free(path);
    return status < 0 ? status : 0;
}

// Whether there is a log, or what is left of one, and the topic that was asked for.
static weir_status check_there(struct wr_environment *environment, const char *directory,
                               const char *topic, struct wr_log_error *error)
{
    struct wr_file_info info;
    const int           found = environment->ops->info(environment, directory, &info);
    if (found < 0) {
        return wr_log_fail(error, wr_log_status_of(found), "log %s: %s; name a log's directory",
                           directory, strerror(-found));
    }
    const int file = look_for(environment, directory, "log");
    if (file == -EACCES) {
        return wr_log_fail(error, wr_log_status_of(file), "log %s: cannot look into it: %s",
                           directory, strerror(-file));
    }
    if (file < 0 && look_for(environment, directory, "topics") < 0) {
        return wr_log_fail(error, WEIR_NOT_FOUND,
                           "log %s: it is no log: there is neither a file \"log\" nor a directory "
                           "\"topics\" in it; name a log's directory",
                           directory);
    }
    char *const name     = wr_format("topics/%s", topic != NULL ? topic : "");
    const bool  is_there = topic == NULL || look_for(environment, directory, name) == 0;
    wr_free(name);
    return is_there ? WEIR_OK
                    : wr_log_fail(error, WEIR_NOT_FOUND,
                                  "log %s: there is no topic %s; check the name", directory, topic);
}

weir_status wr_fsck_run(struct wr_environment *environment, const char *directory,
                        const struct wr_fsck_options *options, struct wr_fsck_summary *summary,
                        struct wr_log_error *error)
{
    static const struct wr_fsck_options all;
    options                  = options != NULL ? options : &all;
    *summary                 = (struct wr_fsck_summary){ .gravest = WR_FSCK_CLEAN };
    const weir_status status = check_there(environment, directory, options->topic, error);
    if (status != WEIR_OK) {
        return status;
    }
    struct wr_fsck fsck = {
        .environment = environment, .directory = directory, .options = options, .summary = summary
    };
    summary->has_writer = has_writer(&fsck);
    wr_decisions_init(&fsck.decisions);
    check_identity(&fsck);
    check_epoch(&fsck);
    check_all(&fsck);
    wr_decisions_fini(&fsck.decisions);
    return WEIR_OK;
}
