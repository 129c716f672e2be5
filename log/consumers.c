#include "log/consumers.h"

#include "log/catalog.h"
#include "log/small_file.h"
#include "runtime/base/file.h"
#include "runtime/base/lock_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CONSUMER_FORMAT 1u

struct offset {
    uint32_t  partition;
    uint64_t  offset;
    weir_time committed_at;
    uint64_t  cut; // the last truncation that was heard of
};

// A topic's offsets, by rising partition.
struct topic_offsets {
    char            *topic;
    struct wr_log_id id;
    struct offset   *offsets;
    uint32_t         count;
};

// What a consumer's file says, by rising name of the topic.
struct offsets {
    struct topic_offsets *topics;
    uint32_t              count;
};

struct wr_consumer {
    weir_log      *log;
    char          *name;
    char          *path;
    int            lock_file;
    struct offsets offsets;
};

// ---- offsets in memory ----

static void offsets_fini(struct offsets *offsets)
{
    for (uint32_t i = 0; i < offsets->count; i++) {
        wr_free(offsets->topics[i].topic);
        wr_free(offsets->topics[i].offsets);
    }
    wr_free(offsets->topics);
    *offsets = (struct offsets){ 0 };
}

static struct offsets offsets_copy(const struct offsets *from)
{
    struct offsets to = { wr_alloc(from->count * sizeof(*to.topics)), from->count };
    for (uint32_t i = 0; i < from->count; i++) {
        const struct topic_offsets *topic = &from->topics[i];
        to.topics[i]                      = *topic;
        to.topics[i].topic                = wr_copy_text(topic->topic);
        to.topics[i].offsets              = wr_alloc(topic->count * sizeof(*topic->offsets));
        memcpy(to.topics[i].offsets, topic->offsets, topic->count * sizeof(*topic->offsets));
    }
    return to;
}

static struct topic_offsets *offsets_insert(struct offsets *offsets, uint32_t at, const char *topic,
                                            const struct wr_log_id *id)
{
    offsets->topics = wr_realloc(offsets->topics, (offsets->count + 1) * sizeof(*offsets->topics));
    memmove(&offsets->topics[at + 1], &offsets->topics[at],
            (offsets->count - at) * sizeof(*offsets->topics));
    offsets->topics[at] = (struct topic_offsets){ .topic = wr_copy_text(topic), .id = *id };
    offsets->count++;
    return &offsets->topics[at];
}

// Those of the topic, which are none any more if it was made anew since.
static struct topic_offsets *offsets_of(struct offsets *offsets, const char *topic,
                                        const struct wr_log_id *id)
{
    uint32_t at = 0;
    while (at < offsets->count && strcmp(offsets->topics[at].topic, topic) < 0) {
        at++;
    }
    if (at == offsets->count || strcmp(offsets->topics[at].topic, topic) != 0) {
        return offsets_insert(offsets, at, topic, id);
    }
    struct topic_offsets *found = &offsets->topics[at];
    if (memcmp(&found->id, id, sizeof(*id)) != 0) {
        found->id    = *id;
        found->count = 0;
    }
    return found;
}

static void offset_set(struct topic_offsets *topic, const struct offset *offset)
{
    uint32_t at = 0;
    while (at < topic->count && topic->offsets[at].partition < offset->partition) {
        at++;
    }
    if (at == topic->count || topic->offsets[at].partition != offset->partition) {
        topic->offsets = wr_realloc(topic->offsets, (topic->count + 1) * sizeof(*topic->offsets));
        memmove(&topic->offsets[at + 1], &topic->offsets[at],
                (topic->count - at) * sizeof(*topic->offsets));
        topic->count++;
    }
    topic->offsets[at] = *offset;
}

// ---- its file ----

static char *topic_text(char *text, const struct topic_offsets *topic)
{
    char digits[WR_LOG_ID_TEXT];
    wr_log_id_text(&topic->id, digits);
    char *longer = wr_format("%stopic %s %s\n", text, digits, topic->topic);
    wr_free(text);
    for (uint32_t i = 0; i < topic->count; i++) {
        const struct offset *offset = &topic->offsets[i];
        text                        = longer;
        longer = wr_format("%spartition %" PRIu32 " offset %" PRIu64 " at %lld", text,
                           offset->partition, offset->offset, offset->committed_at);
        wr_free(text);
        text   = longer;
        longer = offset->cut > 0 ? wr_format("%s cut %" PRIu64 "\n", text, offset->cut)
                                 : wr_format("%s\n", text);
        wr_free(text);
    }
    return longer;
}

static weir_status offsets_write(weir_log *log, const char *path, const struct offsets *offsets,
                                 struct wr_log_error *error)
{
    char *text = wr_format("weir consumer %u\n", CONSUMER_FORMAT);
    for (uint32_t i = 0; i < offsets->count; i++) {
        text = topic_text(text, &offsets->topics[i]);
    }
    const weir_status status = wr_small_file_write(log->environment, path, text, error);
    wr_free(text);
    return status;
}

// "ID NAME"
static bool topic_parse(struct offsets *offsets, char *line)
{
    struct wr_log_id id;
    char            *space = strchr(line, ' ');
    if (space == NULL) {
        return false;
    }
    *space = 0;
    return wr_log_id_parse(line, &id) && space[1] != 0 &&
           offsets_insert(offsets, offsets->count, space + 1, &id) != NULL;
}

// "3 offset 900 at 1767225600000000", or that and " cut 2"
static bool offset_parse(struct offsets *offsets, const char *line)
{
    uint64_t      partition, at;
    struct offset offset;
    if (line == NULL || offsets->count == 0 ||
        !wr_text_take_number(&line, UINT32_MAX, &partition) ||
        !wr_text_take_word(&line, " offset ") ||
        !wr_text_take_number(&line, UINT64_MAX, &offset.offset) ||
        !wr_text_take_word(&line, " at ") || !wr_text_take_number(&line, WEIR_TIME_MAX, &at)) {
        return false;
    }
    offset.cut = 0;
    if (*line != 0 && (!wr_text_take_word(&line, " cut ") ||
                       !wr_text_take_number(&line, UINT64_MAX, &offset.cut) || *line != 0)) {
        return false;
    }
    offset.partition    = (uint32_t)partition;
    offset.committed_at = (weir_time)at;
    offset_set(&offsets->topics[offsets->count - 1], &offset);
    return true;
}

static weir_status offsets_parse(const char *path, char *text, struct offsets *offsets,
                                 struct wr_log_error *error)
{
    struct wr_text_lines lines;
    if (!wr_lines_begin(&lines, text, "weir consumer", CONSUMER_FORMAT, path, error)) {
        return error->status;
    }
    bool is_right = true;
    while (is_right && *lines.at != 0) {
        char *topic = wr_text_lines_take(&lines, "topic");
        if (topic != NULL) {
            is_right = topic_parse(offsets, topic);
        } else {
            is_right = offset_parse(offsets, wr_text_lines_take(&lines, "partition"));
        }
    }
    return is_right ? WEIR_OK : wr_lines_fail(path, error);
}

// What is kept at `path`; nothing, if there is no such file.
static weir_status offsets_read(weir_log *log, const char *path, struct offsets *offsets,
                                struct wr_log_error *error)
{
    size_t      length;
    char *const text = wr_small_file_read(log->environment, path, &length, error);
    *offsets         = (struct offsets){ 0 };
    if (text == NULL && error->status == WEIR_NOT_FOUND) {
        wr_log_error_fini(error);
        return WEIR_OK;
    }
    const weir_status status =
        text == NULL ? error->status : offsets_parse(path, text, offsets, error);
    if (status != WEIR_OK) {
        offsets_fini(offsets);
    }
    wr_free(text);
    return status;
}

// ---- holding a name ----

static bool has_ending(const char *name, const char *ending)
{
    const size_t length = strlen(name), end = strlen(ending);
    return length >= end && strcmp(name + length - end, ending) == 0;
}

static bool is_file_of_a_consumer(const char *name)
{
    return !has_ending(name, ".lock") && !has_ending(name, ".tmp");
}

static weir_status name_check(weir_log *log, const char *name, struct wr_log_error *error)
{
    if (!wr_catalog_check_name(log, "consumer", name, error)) {
        return WEIR_USAGE;
    }
    if (!is_file_of_a_consumer(name)) {
        return wr_log_fail(error, WEIR_USAGE,
                           "log %s: \"%s\" cannot be the name of a consumer: it ends like a file "
                           "that the log keeps beside one; choose another ending",
                           log->directory, name);
    }
    return WEIR_OK;
}

static weir_status lock_fail(weir_log *log, const char *name, int io_error, const char *holder,
                             struct wr_log_error *error)
{
    if (io_error == -EWOULDBLOCK) {
        return wr_log_fail(error, WEIR_CONFLICT,
                           "log %s: consumer %s is held by a reader of %s, and a name is held by "
                           "one at a time; close it there, or choose another name",
                           log->directory, name, holder);
    }
    if (io_error == -EROFS || io_error == -EACCES) {
        return wr_log_fail(error, WEIR_UNREACHABLE,
                           "log %s: consumer %s cannot keep its offsets here: this process may not "
                           "write to the directory \"consumers\" (%s); read without a consumer's "
                           "name, or see to its rights",
                           log->directory, name, strerror(-io_error));
    }
    return wr_log_fail(error, wr_log_status_of(io_error),
                       "log %s: cannot take the lock of consumer %s: %s", log->directory, name,
                       strerror(-io_error));
}

weir_status wr_consumer_take(weir_log *log, const char *name, struct wr_consumer **consumer,
                             struct wr_log_error *error)
{
    *consumer          = NULL;
    weir_status status = name_check(log, name, error);
    if (status != WEIR_OK) {
        return status;
    }
    struct wr_consumer *taken  = wr_alloc(sizeof(*taken));
    char               *holder = NULL;
    taken->log                 = log;
    taken->lock_file           = -1;
    taken->name                = wr_copy_text(name);
    taken->path                = wr_format("%s/consumers/%s", log->directory, name);
    char *const lock           = wr_format("%s.lock", taken->path);
    const int   locked = wr_lock_file_take(log->environment, lock, &taken->lock_file, &holder);
    status             = locked < 0 ? lock_fail(log, name, locked, holder, error)
                                    : offsets_read(log, taken->path, &taken->offsets, error);
    wr_free(lock);
    wr_free(holder);
    if (status != WEIR_OK) {
        wr_consumer_give(taken);
        return status;
    }
    *consumer = taken;
    return WEIR_OK;
}

void wr_consumer_give(struct wr_consumer *consumer)
{
    if (consumer == NULL) {
        return;
    }
    struct wr_environment *environment = consumer->log->environment;
    if (consumer->lock_file >= 0) {
        environment->ops->close(environment, consumer->lock_file);
    }
    offsets_fini(&consumer->offsets);
    wr_free(consumer->path);
    wr_free(consumer->name);
    wr_free(consumer);
}

bool wr_consumer_offset(const struct wr_consumer *consumer, const struct wr_topic *topic,
                        uint32_t partition, uint64_t *offset, uint64_t *cut)
{
    for (uint32_t i = 0; i < consumer->offsets.count; i++) {
        const struct topic_offsets *found = &consumer->offsets.topics[i];
        if (memcmp(&found->id, &topic->id, sizeof(found->id)) != 0) {
            continue;
        }
        for (uint32_t j = 0; j < found->count; j++) {
            if (found->offsets[j].partition == partition) {
                *offset = found->offsets[j].offset;
                *cut    = found->offsets[j].cut;
                return true;
            }
        }
    }
    return false;
}

weir_status wr_consumer_commit(struct wr_consumer *consumer, const struct wr_topic *topic,
                               const uint32_t *partitions, const uint64_t *offsets,
                               const uint64_t *cuts, uint32_t count, struct wr_log_error *error)
{
    weir_log             *log      = consumer->log;
    const int64_t         wall     = log->environment->ops->wall_us(log->environment);
    struct offsets        next     = offsets_copy(&consumer->offsets);
    struct topic_offsets *of_topic = offsets_of(&next, topic->settings.name, &topic->id);
    for (uint32_t i = 0; i < count; i++) {
        const struct offset offset = { partitions[i], offsets[i], wall > 0 ? wall : 0, cuts[i] };
        WR_ASSERT(partitions[i] < topic->settings.partitions);
        offset_set(of_topic, &offset);
    }
    const weir_status status = offsets_write(log, consumer->path, &next, error);
    if (status == WEIR_OK) {
        offsets_fini(&consumer->offsets);
        consumer->offsets = next;
    } else {
        offsets_fini(&next);
    }
    return status;
}

// ---- the calls ----

struct listing {
    weir_log *log;
    void (*each)(void *opaque, const weir_consumer_offset *at);
    void               *opaque;
    struct wr_log_error error;
};

static void tell_topic(struct listing *listing, const char *name,
                       const struct topic_offsets *offsets)
{
    for (uint32_t i = 0; i < offsets->count; i++) {
        const struct offset *offset = &offsets->offsets[i];
        uint64_t             end    = 0;
        const weir_status    status = wr_topic_end(listing->log, offsets->topic, &offsets->id,
                                                   offset->partition, &end, &listing->error);
        if (status == WEIR_NOT_FOUND) { // the topic was deleted, and nothing is left to read
            wr_log_error_fini(&listing->error);
            end = offset->offset;
        } else if (status != WEIR_OK) {
            return;
        }
        const weir_consumer_offset at = {
            .consumer     = name,
            .topic        = offsets->topic,
            .partition    = offset->partition,
            .offset       = offset->offset,
            .lag          = end > offset->offset ? end - offset->offset : 0,
            .committed_at = offset->committed_at,
        };
        listing->each(listing->opaque, &at);
    }
}

static void tell_consumer(void *opaque, const char *name)
{
    struct listing *listing = opaque;
    struct offsets  offsets;
    if (listing->error.status != WEIR_OK || !is_file_of_a_consumer(name)) {
        return;
    }
    char *const path = wr_format("%s/consumers/%s", listing->log->directory, name);
    if (offsets_read(listing->log, path, &offsets, &listing->error) == WEIR_OK) {
        for (uint32_t i = 0; i < offsets.count && listing->error.status == WEIR_OK; i++) {
            tell_topic(listing, name, &offsets.topics[i]);
        }
        offsets_fini(&offsets);
    }
    wr_free(path);
}

weir_status weir_log_list_consumers(weir_log *log,
                                    void (*each)(void *opaque, const weir_consumer_offset *at),
                                    void *opaque)
{
    struct listing listing = { .log = log, .each = each, .opaque = opaque };
    char *const    path    = wr_format("%s/consumers", log->directory);
    const int status = log->environment->ops->list(log->environment, path, tell_consumer, &listing);
    wr_free(path);
    if (status < 0 && listing.error.status == WEIR_OK) {
        (void)wr_log_fail(&listing.error, wr_log_status_of(status),
                          "log %s: cannot list its directory \"consumers\": %s", log->directory,
                          strerror(-status));
    }
    return listing.error.status == WEIR_OK ? WEIR_OK : wr_log_keep(log, &listing.error);
}

// The number of the partition's last truncation.
static weir_status cut_now(const struct wr_topic *topic, uint32_t partition, uint64_t *cut,
                           struct wr_log_error *error)
{
    struct wr_partition_start start;
    char *const               directory = wr_topic_partition_directory(topic, partition);
    const weir_status         status =
        wr_partition_start_read(topic->log->environment, directory, &start, error);
    wr_free(directory);
    if (status == WEIR_OK) {
        *cut = start.cut_count > 0 ? start.cuts[start.cut_count - 1].number : 0;
        wr_partition_start_fini(&start);
    }
    return status;
}

static weir_status consumer_set(weir_log *log, const char *consumer, const char *topic,
                                uint32_t partition, uint64_t offset, struct wr_log_error *error)
{
    const struct wr_topic *found = wr_catalog_topic(log, topic, error);
    if (found == NULL) {
        return error->status;
    }
    if (partition >= found->settings.partitions) {
        return wr_log_fail(error, WEIR_NOT_FOUND,
                           "log %s: topic %s has no partition %" PRIu32 "; it has %" PRIu32,
                           log->directory, topic, partition, found->settings.partitions);
    }
    uint64_t            cut;
    struct wr_consumer *taken;
    weir_status         status = wr_consumer_take(log, consumer, &taken, error);
    if (status == WEIR_OK) {
        status = cut_now(found, partition, &cut, error);
        if (status == WEIR_OK) {
            status = wr_consumer_commit(taken, found, &partition, &offset, &cut, 1, error);
        }
        wr_consumer_give(taken);
    }
    return status;
}

weir_status weir_log_set_consumer(weir_log *log, const char *consumer, const char *topic,
                                  uint32_t partition, uint64_t offset)
{
    struct wr_log_error error  = { .status = WEIR_OK };
    const weir_status   status = consumer_set(log, consumer, topic, partition, offset, &error);
    if (status != WEIR_OK) {
        return wr_log_keep(log, &error);
    }
    wr_log_error_fini(&error);
    return WEIR_OK;
}

static weir_status consumer_remove(struct wr_consumer *consumer, struct wr_log_error *error)
{
    struct wr_environment *environment = consumer->log->environment;
    int                    status      = environment->ops->unlink(environment, consumer->path);
    if (status == 0) {
        status = wr_file_sync_parent(environment, consumer->path);
    }
    return status < 0 ? wr_log_fail(error, wr_log_status_of(status), "%s: cannot remove it: %s",
                                    consumer->path, strerror(-status))
                      : WEIR_OK;
}

static weir_status consumer_delete(weir_log *log, const char *name, struct wr_log_error *error)
{
    struct wr_file_info info;
    struct wr_consumer *taken;
    weir_status         status = name_check(log, name, error);
    if (status != WEIR_OK) {
        return status;
    }
    char *const path = wr_format("%s/consumers/%s", log->directory, name);
    if (log->environment->ops->info(log->environment, path, &info) == -ENOENT) {
        status = wr_log_fail(error, WEIR_NOT_FOUND,
                             "log %s: there is no consumer %s that has committed anything; check "
                             "the name",
                             log->directory, name);
    }
    wr_free(path);
    if (status == WEIR_OK) {
        status = wr_consumer_take(log, name, &taken, error);
    }
    if (status == WEIR_OK) {
        status = consumer_remove(taken, error);
        wr_consumer_give(taken);
    }
    return status;
}

weir_status weir_log_delete_consumer(weir_log *log, const char *consumer)
{
    struct wr_log_error error  = { .status = WEIR_OK };
    const weir_status   status = consumer_delete(log, consumer, &error);
    if (status != WEIR_OK) {
        return wr_log_keep(log, &error);
    }
    wr_log_error_fini(&error);
    return WEIR_OK;
}
