// Topics made, altered and deleted, by the writer.
//
//   made      topics/.new with a directory a partition and the file "topic", synced; renamed to
//             topics/NAME; topics synced
//   altered   the file "topic" replaced
//   deleted   topics/NAME renamed to topics/.gone.ID; topics synced; then its files removed
//
// So each has one moment before which nothing has happened. What is left when it is cut off begins
// with a dot, is no topic, and is cleared away when the log is opened for writing.
#include "log/catalog.h"

#include "log/commit.h"
#include "log/key.h"
#include "log/live.h"
#include "log/producer.h"
#include "log/small_file.h"
#include "log/topic_file.h"
#include "log/upkeep.h"
#include "runtime/base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PARTITIONS_MAX    1024u
#define SEGMENT_BYTES     (64u << 20)
#define SEGMENT_BYTES_MIN (64u << 10)
#define SEGMENT_BYTES_MAX (1ull << 40)
#define NEW_DIRECTORY     "topics/.new"
#define GONE_PREFIX       ".gone."
#define TOMBSTONE_AGE     WEIR_DAYS(1)

// ---- removing trees ----

struct tree {
    struct wr_environment *environment;
    const char            *directory;
};

static void tree_remove(struct wr_environment *environment, const char *path);

static void tree_remove_name(void *opaque, const char *name)
{
    const struct tree *tree = opaque;
    char *const        path = wr_format("%s/%s", tree->directory, name);
    tree_remove(tree->environment, path);
    wr_free(path);
}

// As far as it can be done; the next writer does the rest.
static void tree_remove(struct wr_environment *environment, const char *path)
{
    struct wr_file_info info;
    if (environment->ops->info(environment, path, &info) == 0 && info.is_directory) {
        struct tree tree = { environment, path };
        (void)environment->ops->list(environment, path, tree_remove_name, &tree);
    }
    (void)environment->ops->unlink(environment, path);
}

static void leftover_remove(void *opaque, const char *name)
{
    const bool is_leftover =
        strcmp(name, ".new") == 0 || strncmp(name, GONE_PREFIX, strlen(GONE_PREFIX)) == 0;
    if (is_leftover) {
        tree_remove_name(opaque, name);
    }
}

void wr_catalog_clear_leftovers(weir_log *log)
{
    char *const path = wr_format("%s/topics", log->directory);
    struct tree tree = { log->environment, path };
    (void)log->environment->ops->list(log->environment, path, leftover_remove, &tree);
    wr_free(path);
}

// ---- settings ----

static weir_status refuse(const weir_log *log, const weir_topic *topic, struct wr_log_error *error,
                          char *sentence)
{
    (void)wr_log_fail(error, WEIR_USAGE, "log %s: topic %s: %s", log->directory, topic->name,
                      sentence);
    wr_free(sentence);
    return WEIR_USAGE;
}

// The topic with the defaults in place of zeros.
static weir_topic settings_of(const weir_topic *topic)
{
    weir_topic settings = *topic;
    if (settings.type == NULL) {
        settings.type = weir_log_text_type();
    }
    if (settings.key == NULL && wr_schema_is_same(settings.type, weir_log_text_type())) {
        settings.key = "key";
    }
    settings.partitions    = settings.partitions == 0 ? 1 : settings.partitions;
    settings.segment_bytes = settings.segment_bytes == 0 ? SEGMENT_BYTES : settings.segment_bytes;
    settings.tombstone_age = settings.tombstone_age == 0 ? TOMBSTONE_AGE : settings.tombstone_age;
    return settings;
}

// What is wrong with the numbers, as a sentence (wr_alloc'ed), or NULL.
static char *numbers_fault(const weir_topic *topic)
{
    if (topic->partitions > PARTITIONS_MAX) {
        return wr_format("%" PRIu32 " partitions are too many; %u are the most", topic->partitions,
                         PARTITIONS_MAX);
    }
    if (topic->segment_bytes < SEGMENT_BYTES_MIN || topic->segment_bytes > SEGMENT_BYTES_MAX) {
        return wr_format("segment_bytes is %" PRIu64 "; choose %u (64 KiB) to %llu (1 TiB)",
                         topic->segment_bytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    }
    if ((int)topic->compression < WEIR_COMPRESSION_NONE ||
        (int)topic->compression > WEIR_COMPRESSION_ZSTD) {
        return wr_format("compression %d is none that is known; choose one of weir_compression",
                         (int)topic->compression);
    }
    if (topic->retain_age < 0 || topic->retain_age > WEIR_TIME_MAX) {
        return wr_format("retain_age is %lld us; choose 0 (for ever) or more", topic->retain_age);
    }
    if (topic->tombstone_age < 0 || topic->tombstone_age > WEIR_TIME_MAX) {
        return wr_format("tombstone_age is %lld us; choose 0 (a day) or more",
                         topic->tombstone_age);
    }
    if (topic->is_compacted && topic->key == NULL) {
        return wr_copy_text("it is compacted and has no key, by which to tell what is out of date; "
                            "name a key");
    }
    return NULL;
}

// A name that two fields have, or NULL.
static const char *name_twice(const weir_type *type)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (weir_type_field(type, type->fields[i].name) != &type->fields[i]) {
            return type->fields[i].name;
        }
    }
    return NULL;
}

// What is wrong with type, key and time together, likewise.
static char *fields_fault(const weir_topic *topic)
{
    char *sentence = NULL;
    if (!wr_schema_check(topic->type, &sentence)) {
        return sentence;
    }
    if (topic->key != NULL) {
        struct wr_log_key key;
        if (!wr_log_key_init(&key, topic->type, topic->key, &sentence)) {
            return sentence;
        }
        const char *twice = name_twice(key.type);
        if (twice != NULL) {
            sentence = wr_format("the key \"%s\" names field \"%s\" twice", topic->key, twice);
        }
        wr_log_key_fini(&key);
        if (sentence != NULL) {
            return sentence;
        }
    }
    if (topic->time != NULL) {
        const weir_field *field = weir_type_field(topic->type, topic->time);
        if (field == NULL) {
            return wr_format("%s has no field \"%s\" for its time", topic->type->name, topic->time);
        }
        if (field->kind != WEIR_KIND_TIME || field->count != 1) {
            return wr_format("%s: field \"%s\" cannot be its time: it is %s%s; choose a weir_time",
                             topic->type->name, topic->time, weir_kind_name(field->kind),
                             field->count != 1 ? ", and an array" : "");
        }
    }
    return NULL;
}

static weir_status settings_check(const weir_log *log, const weir_topic *topic,
                                  struct wr_log_error *error)
{
    char *fault = numbers_fault(topic);
    if (fault == NULL) {
        fault = fields_fault(topic);
    }
    return fault == NULL ? WEIR_OK : refuse(log, topic, error, fault);
}

// ---- making ----

static weir_status make_fail(const weir_log *log, const weir_topic *topic, int io_error,
                             const char *what, struct wr_log_error *error)
{
    return wr_log_fail(error, wr_log_status_of(io_error), "log %s: topic %s: cannot %s: %s",
                       log->directory, topic->name, what, strerror(-io_error));
}

// Removes what is left of a topic that could not be made. It may have had its own name for a
// moment, and have it again after a crash: first it must be sure that it has not, or a topic
// without partitions is found.
static int new_remove(weir_log *log, const char *directory)
{
    const int status = wr_file_sync_parent(log->environment, directory);
    if (status == 0) {
        tree_remove(log->environment, directory);
    }
    return status;
}

static int make_directories(weir_log *log, const char *directory, uint32_t partitions)
{
    struct wr_environment *environment = log->environment;
    int                    status      = environment->ops->make_directory(environment, directory);
    if (status == -EEXIST) {
        status = new_remove(log, directory);
        status = status == 0 ? environment->ops->make_directory(environment, directory) : status;
    }
    for (uint32_t i = 0; i < partitions && (status == 0 || status == -EEXIST); i++) {
        char *const path = wr_format("%s/%" PRIu32, directory, i);
        status           = environment->ops->make_directory(environment, path);
        wr_free(path);
    }
    return status == -EEXIST ? 0 : status;
}

static weir_status write_text(weir_log *log, const char *directory, const weir_topic *topic,
                              struct wr_log_error *error)
{
    struct wr_environment *environment = log->environment;
    struct wr_log_id       id;
    for (uint32_t i = 0; i < sizeof(id.bytes); i += 8) {
        const uint64_t random = environment->ops->random(environment);
        memcpy(id.bytes + i, &random, 8);
    }
    char *const       path   = wr_format("%s/topic", directory);
    char *const       text   = wr_topic_text(&id, topic, &topic->type, 1);
    const weir_status status = wr_small_file_write(environment, path, text, error);
    wr_free(text);
    wr_free(path);
    return status;
}

// Renames a directory of topics, durably. If that cannot be made sure of, it has its old name
// again: what a failed sync left open is not built upon.
static int rename_durably(weir_log *log, const char *from, const char *to)
{
    struct wr_environment *environment = log->environment;
    int                    status      = environment->ops->rename(environment, from, to);
    if (status == 0) {
        status = wr_file_sync_parent(environment, to);
        if (status < 0) {
            (void)environment->ops->rename(environment, to, from);
        }
    }
    return status;
}

static weir_status topic_make(weir_log *log, const weir_topic *topic, struct wr_log_error *error)
{
    char *const directory = wr_format("%s/" NEW_DIRECTORY, log->directory);
    const int   made      = make_directories(log, directory, topic->partitions);
    weir_status status    = made < 0 ? make_fail(log, topic, made, "make its directories", error)
                                     : write_text(log, directory, topic, error);
    if (status == WEIR_OK) {
        char *const name  = wr_format("%s/topics/%s", log->directory, topic->name);
        const int   named = rename_durably(log, directory, name);
        status = named < 0 ? make_fail(log, topic, named, "name its directory", error) : WEIR_OK;
        wr_free(name);
    }
    if (status != WEIR_OK) {
        (void)new_remove(log, directory);
    }
    wr_free(directory);
    return status;
}

// ---- altering ----

static bool text_is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static const char *text_or_none(const char *text) { return text != NULL ? text : "none"; }

static weir_status fixed_check(const struct wr_topic *topic, const weir_topic *wanted,
                               struct wr_log_error *error)
{
    const weir_topic *is = &topic->settings;
    if (is->partitions != wanted->partitions) {
        return wr_log_fail(error, WEIR_CONFLICT,
                           "log %s: topic %s has %" PRIu32 " partitions, not %" PRIu32
                           ", and keeps them; ask for as many, or make another topic",
                           topic->log->directory, is->name, is->partitions, wanted->partitions);
    }
    if (!text_is_same(is->key, wanted->key)) {
        return wr_log_fail(error, WEIR_CONFLICT,
                           "log %s: topic %s has the key \"%s\", not \"%s\", and keeps it; ask for "
                           "the same, or make another topic",
                           topic->log->directory, is->name, text_or_none(is->key),
                           text_or_none(wanted->key));
    }
    if (!text_is_same(is->time, wanted->time)) {
        return wr_log_fail(error, WEIR_CONFLICT,
                           "log %s: topic %s has the time \"%s\", not \"%s\", and keeps it; ask "
                           "for the same, or make another topic",
                           topic->log->directory, is->name, text_or_none(is->time),
                           text_or_none(wanted->time));
    }
    return WEIR_OK;
}

// Whether rows of `from` can be read as `to`; else *sentence (wr_alloc'ed).
static bool can_read(const weir_type *from, const weir_type *to, char **sentence)
{
    struct wr_conversion *conversion = wr_schema_conversion(from, to, sentence);
    if (conversion == NULL) {
        return false;
    }
    wr_conversion_close(conversion);
    return true;
}

// Whether `type` can read all that is stored, and be read by all that read the topic.
static weir_status versions_check(const struct wr_topic *topic, const weir_type *type,
                                  struct wr_log_error *error)
{
    for (uint32_t i = 0; i < topic->schema_count; i++) {
        const weir_type *stored   = topic->schemas[i];
        char            *sentence = NULL;
        if (!can_read(stored, type, &sentence)) {
            (void)wr_log_fail(error, WEIR_MISMATCH,
                              "log %s: topic %s: its records of version %" PRIu32
                              " cannot be read as the new %s: %s",
                              topic->log->directory, topic->settings.name, i + 1, type->name,
                              sentence);
        } else if (!can_read(type, stored, &sentence)) {
            (void)wr_log_fail(
                error, WEIR_MISMATCH,
                "log %s: topic %s: records of the new %s cannot be read by readers of "
                "version %" PRIu32 ": %s",
                topic->log->directory, topic->settings.name, type->name, i + 1, sentence);
        } else {
            continue;
        }
        wr_free(sentence);
        return WEIR_MISMATCH;
    }
    if (topic->schema_count == UINT16_MAX) {
        return wr_log_fail(error, WEIR_CONFLICT,
                           "log %s: topic %s has %" PRIu32 " versions of its type, which are the "
                           "most; make another topic",
                           topic->log->directory, topic->settings.name, topic->schema_count);
    }
    return WEIR_OK;
}

// The file as it would be with these settings, and with their type if it is a new version.
static char *altered_text(const struct wr_topic *topic, const weir_topic *wanted, bool is_new)
{
    const uint32_t    count   = topic->schema_count + is_new;
    const weir_type **schemas = wr_alloc(count * sizeof(*schemas));
    for (uint32_t i = 0; i < topic->schema_count; i++) {
        schemas[i] = topic->schemas[i];
    }
    if (is_new) {
        schemas[count - 1] = wanted->type;
    }
    char *text = wr_topic_text(&topic->id, wanted, schemas, count);
    wr_free(schemas);
    return text;
}

// Writes the file and has the open topic follow it; producers and the committer see it at once.
static weir_status topic_write(struct wr_topic *topic, const char *text, struct wr_log_error *error)
{
    weir_log        *log    = topic->log;
    struct wr_topic *newer  = wr_alloc(sizeof(*newer));
    char *const      path   = wr_format("%s/topic", topic->directory);
    weir_status      status = wr_topic_parse(path, text, newer, error);
    newer->log              = log;
    if (status == WEIR_OK) {
        status = wr_small_file_write(log->environment, path, text, error);
    }
    wr_free(path);
    if (status != WEIR_OK) {
        wr_topic_free(newer);
        return status;
    }
    wr_commit_enter(log->commit);
    wr_topic_take(topic, newer);
    wr_commit_leave(log->commit);
    return WEIR_OK;
}

static weir_status topic_alter(struct wr_topic *topic, const weir_topic *wanted,
                               struct wr_log_error *error)
{
    const bool  is_new = wr_topic_schema_of(topic, wanted->type) == 0;
    weir_status status = fixed_check(topic, wanted, error);
    if (status == WEIR_OK && is_new) {
        status = versions_check(topic, wanted->type, error);
    }
    if (status != WEIR_OK) {
        return status;
    }
    char *const text = altered_text(topic, wanted, is_new);
    status           = strcmp(text, topic->text) == 0 ? WEIR_OK : topic_write(topic, text, error);
    wr_free(text);
    return status;
}

// ---- the calls ----

static weir_status writer_check(weir_log *log, const char *name, struct wr_log_error *error)
{
    if (log->commit == NULL) {
        return wr_log_fail(error, WEIR_USAGE,
                           "log %s: topic %s cannot be made, altered or deleted by who opened the "
                           "log for reading only; open it with .writes",
                           log->directory, name);
    }
    const weir_status status = wr_commit_poison(log->commit, error);
    return status != WEIR_OK ? status : wr_catalog_check_epoch(log, error);
}

weir_status wr_catalog_create_topic(weir_log *log, const weir_topic *topic,
                                    struct wr_log_error *error)
{
    const weir_topic wanted = settings_of(topic);
    weir_status      status = writer_check(log, topic->name, error);
    if (status == WEIR_OK) {
        status = settings_check(log, &wanted, error);
    }
    if (status != WEIR_OK) {
        return status;
    }
    (void)pthread_mutex_lock(&log->catalog_lock);
    struct wr_topic *found = wr_catalog_find_topic(log, wanted.name, error);
    status                 = found != NULL ? WEIR_OK : error->status;
    if (found != NULL) {
        status = topic_alter(found, &wanted, error);
    } else if (status == WEIR_NOT_FOUND) {
        status = topic_make(log, &wanted, error);
        if (status == WEIR_OK && wr_catalog_find_topic(log, wanted.name, error) == NULL) {
            status = error->status;
        }
    }
    (void)pthread_mutex_unlock(&log->catalog_lock);
    return status;
}

weir_status weir_log_create_topic(weir_log *log, const weir_topic *topic)
{
    struct wr_log_error error  = { .status = WEIR_OK };
    weir_status         status = WEIR_USAGE;
    if (wr_catalog_check_name(log, "topic", topic->name, &error)) {
        status = wr_catalog_create_topic(log, topic, &error);
    }
    if (status != WEIR_OK) {
        return wr_log_keep(log, &error);
    }
    wr_log_error_fini(&error);
    return WEIR_OK;
}

// Takes its name away, durably; then readers find nothing any more.
static weir_status topic_retire(struct wr_topic *topic, const char *gone,
                                struct wr_log_error *error)
{
    weir_log *log    = topic->log;
    const int status = rename_durably(log, topic->directory, gone);
    if (status < 0) {
        return make_fail(log, &topic->settings, status, "take its directory's name away", error);
    }
    (void)pthread_mutex_lock(&log->lock);
    topic->is_deleted = true;
    (void)pthread_mutex_unlock(&log->lock);
    wr_live_retire(topic->live);
    return WEIR_OK;
}

static weir_status topic_delete(struct wr_topic *topic, struct wr_log_error *error)
{
    weir_log *log = topic->log;
    char      digits[WR_LOG_ID_TEXT];
    wr_log_id_text(&topic->id, digits);
    char *const gone = wr_format("%s/topics/" GONE_PREFIX "%s", log->directory, digits);
    wr_commit_enter(log->commit);
    const uint32_t producers = wr_producer_count(log->commit, topic);
    weir_status    status    = WEIR_OK;
    if (producers > 0) {
        status = wr_log_fail(error, WEIR_CONFLICT,
                             "log %s: topic %s: %u open producers append to it; close them first",
                             log->directory, topic->settings.name, producers);
    } else {
        status = topic_retire(topic, gone, error);
    }
    if (status == WEIR_OK) {
        wr_commit_forget(log->commit, topic);
    }
    wr_commit_leave(log->commit);
    if (status == WEIR_OK) {
        tree_remove(log->environment, gone);
    }
    wr_free(gone);
    return status;
}

weir_status weir_log_delete_topic(weir_log *log, const char *name)
{
    struct wr_log_error error  = { .status = WEIR_OK };
    weir_status         status = WEIR_USAGE;
    if (wr_catalog_check_name(log, "topic", name, &error)) {
        status = writer_check(log, name, &error);
    }
    if (status == WEIR_OK) {
        wr_upkeep_enter(log); // what it does to a topic ends before that is gone
        (void)pthread_mutex_lock(&log->catalog_lock);
        struct wr_topic *topic = wr_catalog_find_topic(log, name, &error);
        status                 = topic == NULL ? error.status : topic_delete(topic, &error);
        (void)pthread_mutex_unlock(&log->catalog_lock);
        wr_upkeep_leave(log);
    }
    if (status != WEIR_OK) {
        return wr_log_keep(log, &error);
    }
    wr_log_error_fini(&error);
    return WEIR_OK;
}
