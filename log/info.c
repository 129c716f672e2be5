// What a partition holds, by what its files say: a footer of each sealed segment, the batch headers
// of the last one. Any process may ask, while another writes.
#include "log/catalog.h"
#include "log/live.h"
#include "log/partition.h"
#include "log/segment.h"
#include "log/transactions.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

// One partition being looked at.
struct look {
    weir_log               *log;
    struct wr_topic        *topic;
    uint32_t                number, seed;
    char                   *directory;
    struct wr_log_place     place;
    struct wr_live_position position;
    bool                    has_transactions; // the log has
    weir_partition_info    *info;
    struct wr_log_error    *error;
};

// ---- where it ends ----

static void look_init(struct look *look, struct wr_topic *topic, uint32_t number,
                      weir_partition_info *info, struct wr_log_error *error)
{
    *look      = (struct look){ .log       = topic->log,
                                .topic     = topic,
                                .number    = number,
                                .directory = wr_topic_partition_directory(topic, number),
                                .place     = wr_topic_place(topic, number),
                                .info      = info,
                                .error     = error };
    look->seed = wr_log_crc_seed(&look->place);
}

static void look_fini(struct look *look) { wr_free(look->directory); }

static weir_status look_position(struct look *look)
{
    const struct wr_live *live = wr_topic_live(look->topic);
    if (live != NULL && wr_live_is_current(live) &&
        wr_live_read(live, look->number, &look->position)) {
        return WEIR_OK;
    }
    return wr_partition_look(look->log->environment, look->directory, &look->place, &look->position,
                             look->error);
}

static weir_status partition_check(const struct wr_topic *topic, uint32_t partition,
                                   struct wr_log_error *error)
{
    return partition < topic->settings.partitions
               ? WEIR_OK
               : wr_log_fail(error, WEIR_NOT_FOUND,
                             "log %s: topic %s has no partition %" PRIu32 "; it has %" PRIu32,
                             topic->log->directory, topic->settings.name, partition,
                             topic->settings.partitions);
}

weir_status wr_topic_end(weir_log *log, const char *name, const struct wr_log_id *id,
                         uint32_t partition, uint64_t *end, struct wr_log_error *error)
{
    struct wr_topic *topic = wr_catalog_topic(log, name, error);
    if (topic == NULL) {
        return error->status;
    }
    if (memcmp(&topic->id, id, sizeof(*id)) != 0) {
        return wr_log_fail(error, WEIR_NOT_FOUND, "log %s: topic %s was made anew since",
                           log->directory, name);
    }
    struct look look;
    weir_status status = partition_check(topic, partition, error);
    if (status == WEIR_OK) {
        look_init(&look, topic, partition, NULL, error);
        status = look_position(&look);
        *end   = look.position.readable;
        look_fini(&look);
    }
    return status;
}

// ---- what lies before ----

// Takes note of a batch of rows.
static void note_batch(struct look *look, const struct wr_log_batch_header *header)
{
    weir_partition_info *info = look->info;
    if (info->first_time == WEIR_TIME_MIN && header->rows > 0 &&
        header->base_offset + header->span > info->first_offset) {
        info->first_time = header->least_time;
    }
    if (header->rows > 0 && header->greatest_time > info->max_time) {
        info->max_time = header->greatest_time;
    }
    if (header->transaction != 0 && info->committed_offset == UINT64_MAX) {
        const enum wr_verdict verdict = wr_transactions_verdict(look->log, header->transaction);
        if (verdict == WR_VERDICT_OPEN || verdict == WR_VERDICT_PREPARED) {
            info->committed_offset = header->base_offset;
        }
    }
}

// Walks batch headers up to `limit`, or with `is_first_only` up to the first one with rows. False:
// what is there is no batch.
static bool walk_headers(struct look *look, int file, uint64_t limit, bool is_first_only)
{
    struct wr_environment *environment = look->log->environment;
    for (uint64_t at = WR_SEGMENT_HEADER_BYTES; at + WR_BATCH_HEADER_BYTES <= limit;) {
        struct wr_log_batch_header header;
        const char                *reason;
        char                       bytes[WR_BATCH_HEADER_BYTES];
        if (wr_log_read_fully(environment, file, bytes, sizeof(bytes), at, 1) <
            (int64_t)sizeof(bytes)) {
            return false;
        }
        (void)wr_batch_header_decode(bytes, sizeof(bytes), look->seed, &header, &reason);
        if (header.bytes == 0) {
            return false;
        }
        if (header.kind == WR_BATCH_ROWS) {
            note_batch(look, &header);
            if (is_first_only && header.rows > 0) {
                return true;
            }
        }
        at += header.bytes;
    }
    return true;
}

static bool look_at_sealed(struct look *look, int file, const struct wr_segment_index *index,
                           uint64_t file_bytes)
{
    weir_partition_info *info     = look->info;
    const bool           is_mixed = look->has_transactions && index->transaction_batches > 0 &&
                          info->committed_offset == UINT64_MAX;
    bool is_right = true;
    if (is_mixed || info->first_time == WEIR_TIME_MIN) {
        is_right = walk_headers(look, file, index->bytes, !is_mixed);
    }
    if (index->rows > 0 && index->greatest_time > info->max_time) {
        info->max_time = index->greatest_time;
    }
    info->bytes += file_bytes;
    return is_right;
}

static weir_status look_at_file(struct look *look, const char *path, uint64_t base, int file)
{
    struct wr_environment     *environment = look->log->environment;
    struct wr_file_info        info        = { .size_bytes = 0 };
    struct wr_log_batch_header footer;
    struct wr_segment_index    index;
    bool                       is_right;
    (void)environment->ops->info(environment, path, &info);
    wr_segment_index_init(&index, base);
    if (wr_segment_read_footer(environment, file, info.size_bytes, look->seed, &footer, &index)) {
        is_right = look_at_sealed(look, file, &index, info.size_bytes);
    } else {
        const bool     is_last = base == look->position.segment_base;
        const uint64_t limit   = is_last ? look->position.segment_bytes : 0;
        is_right               = is_last && walk_headers(look, file, limit, false);
        look->info->bytes += limit;
    }
    wr_segment_index_fini(&index);
    look->info->segments++;
    return is_right ? WEIR_OK
                    : wr_log_fail(look->error, WEIR_DAMAGED,
                                  "%s: it is not sealed, or a batch in it is not what was written; "
                                  "ask weir log fsck",
                                  path);
}

// A segment that went away meanwhile does not count.
static weir_status look_at_segment(struct look *look, uint64_t base)
{
    struct wr_environment   *environment = look->log->environment;
    struct wr_segment_header header;
    int                      file = -1;
    char *const              path = wr_segment_path(look->directory, base);
    weir_status status = wr_segment_open(environment, path, WR_OPEN_READ, &look->place, base, &file,
                                         &header, look->error);
    if (status == WEIR_OK) {
        status = look_at_file(look, path, base, file);
        environment->ops->close(environment, file);
    } else if (status == WEIR_NOT_FOUND) {
        wr_log_error_fini(look->error);
        status = WEIR_OK;
    }
    wr_free(path);
    return status;
}

static weir_status look_at_all(struct look *look)
{
    uint64_t   *bases  = NULL;
    uint32_t    count  = 0;
    const int   listed = wr_segment_list(look->log->environment, look->directory, &bases, &count);
    weir_status status = listed < 0 ? wr_log_fail(look->error, wr_log_status_of(listed),
                                                  "%s: cannot list the partition's directory: %s",
                                                  look->directory, strerror(-listed))
                                    : WEIR_OK;
    for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
        const bool is_last = bases[i] == look->position.segment_base;
        if (bases[i] < look->position.segment_base || // a later one is being made
            (is_last && look->position.segment_bytes > 0)) {
            status = look_at_segment(look, bases[i]);
        }
    }
    wr_free(bases);
    return status;
}

weir_status weir_log_partition_info(weir_log *log, const char *topic, uint32_t partition,
                                    weir_partition_info *info)
{
    struct wr_log_error error = { .status = WEIR_OK };
    struct look         look;
    struct wr_topic    *found = wr_catalog_topic(log, topic, &error);
    weir_status status = found == NULL ? error.status : partition_check(found, partition, &error);
    if (status != WEIR_OK) {
        return wr_log_keep(log, &error);
    }
    look_init(&look, found, partition, info, &error);
    look.has_transactions = wr_catalog_has_topic(log, WR_TRANSACTIONS_TOPIC);
    status                = look_position(&look);
    *info                 = (weir_partition_info){ .first_offset     = look.position.first_offset,
                                                   .end_offset       = look.position.readable,
                                                   .committed_offset = UINT64_MAX,
                                                   .first_time       = WEIR_TIME_MIN,
                                                   .max_time         = WEIR_TIME_MIN };
    if (status == WEIR_OK) {
        status = look_at_all(&look);
    }
    if (info->committed_offset > info->end_offset) {
        info->committed_offset = info->end_offset;
    }
    look_fini(&look);
    if (status != WEIR_OK) {
        return wr_log_keep(log, &error);
    }
    wr_log_error_fini(&error);
    return WEIR_OK;
}
