// Topics as they are open: found, read, read again.
//
// Thread rule: the list of topics, and what of a topic may change (settings, schemas, text, live,
// is_deleted), change under the log's catalog lock and its lock, and may be read under either. A
// writer's settings change under the commit lock too.
#include "log/catalog.h"

#include "log/live.h"
#include "log/partition.h"
#include "log/small_file.h"
#include "log/topic_file.h"
#include "log/transactions.h"

#include <errno.h>
#include <string.h>

#define NAME_BYTES_MAX 100u

// ---- names ----

static bool is_name(const char *name)
{
    const size_t length = name == NULL ? 0 : strnlen(name, NAME_BYTES_MAX + 1);
    if (length == 0 || length > NAME_BYTES_MAX || name[0] == '.') {
        return false;
    }
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
           length;
}

bool wr_catalog_check_name(const weir_log *log, const char *what, const char *name,
                           struct wr_log_error *error)
{
    if (!is_name(name)) {
        (void)wr_log_fail(error, WEIR_USAGE,
                          "log %s: \"%.*s\" cannot be the name of a %s: take 1 to %u letters, "
                          "digits, '-', '_' or '.', the first of which is not '.'",
                          log->directory, 2 * (int)NAME_BYTES_MAX, name == NULL ? "" : name, what,
                          NAME_BYTES_MAX);
        return false;
    }
    return true;
}

static bool is_topic_name(const char *name)
{
    return is_name(name) || (name != NULL && strcmp(name, WR_TRANSACTIONS_TOPIC) == 0);
}

static char *topic_directory(const weir_log *log, const char *name)
{
    return wr_format("%s/topics/%s", log->directory, name);
}

char *wr_topic_partition_directory(const struct wr_topic *topic, uint32_t partition)
{
    return wr_format("%s/%u", topic->directory, partition);
}

struct wr_log_place wr_topic_place(const struct wr_topic *topic, uint32_t partition)
{
    return (struct wr_log_place){ topic->log->id, topic->id, partition };
}

// ---- reading a topic's file ----

static bool has_directory(weir_log *log, const char *name)
{
    struct wr_file_info info;
    char *const         path     = topic_directory(log, name);
    const bool          is_there = log->environment->ops->info(log->environment, path, &info) >= 0;
    wr_free(path);
    return is_there;
}

// The text (wr_alloc'ed), or NULL: `error` says why.
static char *topic_read(weir_log *log, const char *name, struct wr_log_error *error)
{
    size_t      length;
    char *const path = wr_format("%s/topics/%s/topic", log->directory, name);
    char       *text = wr_small_file_read(log->environment, path, &length, error);
    if (text == NULL && error->status == WEIR_NOT_FOUND && has_directory(log, name)) {
        // A topic's directory comes and goes with all that is in it: perhaps it has come just now.
        text = wr_small_file_read(log->environment, path, &length, error);
        if (text == NULL && error->status == WEIR_NOT_FOUND) {
            (void)wr_log_fail(
                error, WEIR_DAMAGED,
                "log %s: topic %s: its file \"topic\" is missing; put back a copy; see "
                "`weir log fsck`",
                log->directory, name);
        }
    } else if (text == NULL && error->status == WEIR_NOT_FOUND) {
        (void)wr_log_fail(error, WEIR_NOT_FOUND,
                          "log %s: there is no topic %s; check the name, or make it with "
                          "weir_log_create_topic",
                          log->directory, name);
    }
    wr_free(path);
    return text;
}

// The topic that is in the directory now; NULL: `error` says why. It is not in the log's list.
static struct wr_topic *topic_load(weir_log *log, const char *name, struct wr_log_error *error)
{
    char *const text = topic_read(log, name, error);
    if (text == NULL) {
        return NULL;
    }
    struct wr_topic *topic  = wr_alloc(sizeof(*topic));
    char *const      path   = wr_format("%s/topics/%s/topic", log->directory, name);
    weir_status      status = wr_topic_parse(path, text, topic, error);
    topic->log              = log;
    topic->directory        = topic_directory(log, name);
    if (status == WEIR_OK && strcmp(topic->settings.name, name) != 0) {
        status = wr_log_fail(error, WEIR_DAMAGED,
                             "%s: it is of topic %s: its directory was renamed by hand; name it "
                             "%s again",
                             path, topic->settings.name, topic->settings.name);
    }
    wr_free(path);
    wr_free(text);
    if (status != WEIR_OK) {
        wr_topic_free(topic);
        return NULL;
    }
    return topic;
}

void wr_topic_free(struct wr_topic *topic)
{
    for (uint32_t i = 0; topic->partitions != NULL && i < topic->settings.partitions; i++) {
        if (topic->partitions[i] != NULL) {
            wr_partition_close(topic->partitions[i]);
        }
    }
    if (topic->live != NULL) {
        wr_live_close(topic->live);
    }
    wr_topic_text_fini(topic);
    wr_free(topic->partitions);
    wr_free(topic->known);
    wr_free(topic->directory);
    wr_free(topic);
}

static void topics_add(weir_log *log, struct wr_topic *topic)
{
    (void)pthread_mutex_lock(&log->lock);
    log->topics = wr_realloc(log->topics, (log->topic_count + 1) * sizeof(*log->topics));
    log->topics[log->topic_count++] = topic;
    (void)pthread_mutex_unlock(&log->lock);
}

static struct wr_topic *topics_find(const weir_log *log, const char *name)
{
    for (uint32_t i = 0; i < log->topic_count; i++) {
        struct wr_topic *topic = log->topics[i];
        if (!topic->is_deleted && strcmp(topic->settings.name, name) == 0) {
            return topic;
        }
    }
    return NULL;
}

// ---- a writer's ----

// What the writer before said of each partition, if the machine has not restarted since.
static struct wr_live_position *known_read(struct wr_topic *topic, const char *path)
{
    int             io_error;
    const uint32_t  count = topic->settings.partitions;
    struct wr_live *live  = wr_live_open_reader(topic->log->environment, path, count, &io_error);
    if (live == NULL) {
        return NULL;
    }
    struct wr_live_position *known = NULL;
    if (wr_live_is_current(live)) {
        known = wr_alloc(count * sizeof(*known));
        for (uint32_t i = 0; i < count; i++) {
            if (!wr_live_read(live, i, &known[i])) {
                known[i] = (struct wr_live_position){ 0 };
            }
        }
    }
    wr_live_close(live);
    return known;
}

static weir_status live_take_over(struct wr_topic *topic, const char *path,
                                  struct wr_log_error *error)
{
    weir_log      *log      = topic->log;
    const uint32_t count    = topic->settings.partitions;
    int            io_error = 0;
    topic->live = wr_live_open_writer(log->environment, path, count, log->epoch, &io_error);
    if (topic->live == NULL) {
        return wr_log_fail(error, wr_log_status_of(io_error),
                           "%s: cannot share it with readers: %s", path, strerror(-io_error));
    }
    for (uint32_t i = 0; i < count; i++) {
        wr_partition_publish(topic->partitions[i]);
    }
    wr_live_wake_any(topic->live);
    return WEIR_OK;
}

// What is built upon must be on the disk: whoever altered the topic, or moved a partition's start,
// may have been killed before the last sync.
static weir_status names_sync(const struct wr_topic *topic, struct wr_log_error *error)
{
    struct wr_environment *environment = topic->log->environment;
    int                    status = environment->ops->sync_directory(environment, topic->directory);
    for (uint32_t i = 0; i < topic->settings.partitions && status == 0; i++) {
        char *const directory = wr_topic_partition_directory(topic, i);
        status                = environment->ops->sync_directory(environment, directory);
        wr_free(directory);
    }
    return status < 0 ? wr_log_fail(error, wr_log_status_of(status),
                                    "%s: cannot sync it and the directories in it: %s",
                                    topic->directory, strerror(-status))
                      : WEIR_OK;
}

// Recovers the partitions, and then takes over the live memory: until all are recovered it keeps
// what the writer before knew, for the next try.
static weir_status topic_recover(struct wr_topic *topic, struct wr_log_error *error)
{
    struct wr_environment *environment = topic->log->environment;
    const uint32_t         count       = topic->settings.partitions;
    char *const            path        = wr_format("%s/live", topic->directory);
    char *const            half        = wr_format("%s/topic.tmp", topic->directory);
    (void)environment->ops->unlink(environment, half); // an alteration that was cut off
    topic->known       = known_read(topic, path);
    topic->partitions  = wr_alloc(count * sizeof(struct wr_partition *));
    weir_status status = names_sync(topic, error);
    for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
        status = wr_partition_open(topic, i, error, &topic->partitions[i]);
    }
    if (status == WEIR_OK) {
        status = live_take_over(topic, path, error);
    }
    wr_free(half);
    wr_free(path);
    return status;
}

// ---- a reader's ----

// Whether the directory still holds the topic that was read. WEIR_NOT_FOUND: it was deleted, and
// its name may have gone to another.
static weir_status topic_look(const struct wr_topic *topic)
{
    struct wr_log_error error  = { .status = WEIR_OK };
    struct wr_topic    *now    = topic_load(topic->log, topic->settings.name, &error);
    weir_status         status = error.status;
    if (now != NULL) {
        const bool is_same = memcmp(&now->id, &topic->id, sizeof(now->id)) == 0;
        status             = is_same ? WEIR_OK : WEIR_NOT_FOUND;
        wr_topic_free(now);
    }
    wr_log_error_fini(&error);
    return status;
}

bool wr_topic_is_gone(const struct wr_topic *topic) { return topic_look(topic) == WEIR_NOT_FOUND; }

struct wr_live *wr_topic_live(struct wr_topic *topic)
{
    weir_log *log = topic->log;
    (void)pthread_mutex_lock(&log->lock);
    if (topic->live == NULL && !topic->is_deleted) {
        int             io_error;
        char *const     path = wr_format("%s/live", topic->directory);
        struct wr_live *live =
            wr_live_open_reader(log->environment, path, topic->settings.partitions, &io_error);
        if (live != NULL && topic_look(topic) != WEIR_OK) { // then it may be another topic's
            wr_live_close(live);
            live = NULL;
        }
        topic->live = live;
        wr_free(path);
    }
    struct wr_live *live = topic->live;
    (void)pthread_mutex_unlock(&log->lock);
    return live;
}

void wr_topic_take(struct wr_topic *topic, struct wr_topic *newer)
{
    weir_log *log = topic->log;
    WR_ASSERT(newer->schema_count >= topic->schema_count);
    (void)pthread_mutex_lock(&log->lock);
    const uint32_t known = topic->schema_count;
    for (uint32_t i = known; i < newer->schema_count; i++) {
        topic->schemas =
            wr_realloc(topic->schemas, (topic->schema_count + 1) * sizeof(*topic->schemas));
        topic->schemas[topic->schema_count++] = newer->schemas[i];
        newer->schemas[i]                     = NULL;
    }
    // What stays the topic's own: name, key and time never change.
    topic->settings.compression   = newer->settings.compression;
    topic->settings.segment_bytes = newer->settings.segment_bytes;
    topic->settings.retain_age    = newer->settings.retain_age;
    topic->settings.retain_bytes  = newer->settings.retain_bytes;
    topic->settings.is_compacted  = newer->settings.is_compacted;
    topic->settings.tombstone_age = newer->settings.tombstone_age;
    topic->settings.type          = topic->schemas[topic->schema_count - 1];
    wr_free(topic->text);
    topic->text = newer->text;
    newer->text = NULL;
    if (newer->schema_count > known) {
        newer->schema_count = known;
    }
    (void)pthread_mutex_unlock(&log->lock);
    wr_topic_free(newer);
}

// Reads an open topic of a reader again. NULL: it is gone, or another has its name.
static struct wr_topic *topic_refresh(struct wr_topic *topic, struct wr_log_error *error)
{
    weir_log   *log  = topic->log;
    char *const text = topic_read(log, topic->settings.name, error);
    if (text == NULL) {
        (void)pthread_mutex_lock(&log->lock);
        topic->is_deleted = error->status == WEIR_NOT_FOUND;
        (void)pthread_mutex_unlock(&log->lock);
        return NULL;
    }
    const bool is_same = strcmp(text, topic->text) == 0;
    wr_free(text);
    if (is_same) {
        return topic;
    }
    struct wr_topic *newer = topic_load(log, topic->settings.name, error);
    if (newer == NULL) {
        return NULL;
    }
    if (memcmp(&newer->id, &topic->id, sizeof(newer->id)) == 0 &&
        newer->schema_count >= topic->schema_count) {
        wr_topic_take(topic, newer);
        return topic;
    }
    (void)pthread_mutex_lock(&log->lock);
    topic->is_deleted = true;
    (void)pthread_mutex_unlock(&log->lock);
    topics_add(log, newer);
    return newer;
}

// ---- finding ----

struct wr_topic *wr_catalog_find_topic(weir_log *log, const char *name, struct wr_log_error *error)
{
    struct wr_topic *topic = topics_find(log, name);
    if (topic != NULL) {
        return log->epoch == 0 ? topic_refresh(topic, error) : topic;
    }
    topic = topic_load(log, name, error);
    if (topic == NULL) {
        return NULL;
    }
    if (log->epoch != 0 && topic_recover(topic, error) != WEIR_OK) {
        wr_topic_free(topic);
        return NULL;
    }
    topics_add(log, topic);
    return topic;
}

struct wr_topic *wr_catalog_topic(weir_log *log, const char *name, struct wr_log_error *error)
{
    if (!is_topic_name(name)) {
        (void)wr_catalog_check_name(log, "topic", name, error);
        return NULL;
    }
    (void)pthread_mutex_lock(&log->catalog_lock);
    struct wr_topic *topic = wr_catalog_find_topic(log, name, error);
    (void)pthread_mutex_unlock(&log->catalog_lock);
    return topic;
}

bool wr_catalog_has_topic(weir_log *log, const char *name)
{
    struct wr_file_info info;
    char *const         path   = wr_format("%s/topics/%s/topic", log->directory, name);
    const int           status = log->environment->ops->info(log->environment, path, &info);
    wr_free(path);
    return status == 0;
}

void wr_catalog_close_topics(weir_log *log)
{
    for (uint32_t i = 0; i < log->topic_count; i++) {
        wr_topic_free(log->topics[i]);
    }
    wr_free(log->topics);
    log->topics      = NULL;
    log->topic_count = 0;
}

// ---- schemas ----

const weir_type *wr_topic_schema(struct wr_topic *topic, uint32_t version,
                                 struct wr_log_error *error)
{
    weir_log *log = topic->log;
    if (version > wr_topic_schema_count(topic) && log->epoch == 0) {
        (void)wr_catalog_topic(log, topic->settings.name, error);
    }
    (void)pthread_mutex_lock(&log->lock);
    const weir_type *type =
        version == 0 || version > topic->schema_count ? NULL : topic->schemas[version - 1];
    (void)pthread_mutex_unlock(&log->lock);
    return type;
}

uint32_t wr_topic_schema_count(struct wr_topic *topic)
{
    (void)pthread_mutex_lock(&topic->log->lock);
    const uint32_t count = topic->schema_count;
    (void)pthread_mutex_unlock(&topic->log->lock);
    return count;
}

uint32_t wr_topic_schema_of(struct wr_topic *topic, const weir_type *type)
{
    uint32_t version = 0;
    (void)pthread_mutex_lock(&topic->log->lock);
    for (uint32_t i = topic->schema_count; i > 0 && version == 0; i--) {
        version = wr_schema_is_same(topic->schemas[i - 1], type) ? i : 0;
    }
    (void)pthread_mutex_unlock(&topic->log->lock);
    return version;
}

// ---- all of them ----

struct names {
    weir_log *log;
    char    **names;
    uint32_t  count;
};

static void names_add(void *opaque, const char *name)
{
    struct names *names = opaque;
    if (is_topic_name(name) && wr_catalog_has_topic(names->log, name)) {
        names->names = wr_realloc(names->names, (names->count + 1) * sizeof(*names->names));
        names->names[names->count++] = wr_copy_text(name);
    }
}

static void names_fini(struct names *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        wr_free(names->names[i]);
    }
    wr_free(names->names);
}

// The names of all topics, in byte order.
static weir_status names_read(weir_log *log, struct names *names, struct wr_log_error *error)
{
    *names             = (struct names){ .log = log };
    char *const path   = wr_format("%s/topics", log->directory);
    const int   status = log->environment->ops->list(log->environment, path, names_add, names);
    wr_free(path);
    return status < 0 ? wr_log_fail(error, wr_log_status_of(status),
                                    "log %s: cannot list its directory \"topics\": %s",
                                    log->directory, strerror(-status))
                      : WEIR_OK;
}

weir_status wr_catalog_open_topics(weir_log *log, struct wr_log_error *error)
{
    struct names names;
    weir_status  status = names_read(log, &names, error);
    for (uint32_t i = 0; i < names.count && status == WEIR_OK; i++) {
        if (wr_catalog_topic(log, names.names[i], error) == NULL) {
            status = error->status;
        }
        if (status == WEIR_FULL) { // what the ballast is for: to open it and make room
            wr_catalog_drop_ballast(log);
            status = wr_catalog_topic(log, names.names[i], error) == NULL ? error->status : WEIR_OK;
        }
    }
    names_fini(&names);
    return status;
}

weir_status weir_log_list_topics(weir_log *log, void (*each)(void *opaque, const char *name),
                                 void     *opaque)
{
    struct wr_log_error error = { .status = WEIR_OK };
    struct names        names;
    const weir_status   status = names_read(log, &names, &error);
    for (uint32_t i = 0; i < names.count && status == WEIR_OK; i++) {
        if (is_name(names.names[i])) {
            each(opaque, names.names[i]);
        }
    }
    names_fini(&names);
    return status == WEIR_OK ? WEIR_OK : wr_log_keep(log, &error);
}

weir_status weir_log_topic(weir_log *log, const char *name, weir_topic *topic)
{
    struct wr_log_error    error = { .status = WEIR_OK };
    const struct wr_topic *found = wr_catalog_topic(log, name, &error);
    if (found == NULL) {
        return wr_log_keep(log, &error);
    }
    (void)pthread_mutex_lock(&log->lock);
    *topic = found->settings;
    (void)pthread_mutex_unlock(&log->lock);
    wr_log_error_fini(&error);
    return WEIR_OK;
}
