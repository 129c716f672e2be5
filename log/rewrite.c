// Writing segments anew with the rows that stay, into a file beside them.
#include "log/compaction.h"
#include "log/rearrange.h"
#include "runtime/base/file.h"

#include <string.h>

struct rewriting {
    struct wr_compaction   *compaction;
    struct wr_segment_index index;
    uint64_t                position;
    int                     file;
    uint64_t                row; // of the next batch's first
    // The batch to be written next, when it is known that none without rows follows.
    struct wr_log_batch_header pending;
    char                      *pending_bytes; // NULL: there is none
    struct wr_row_shape       *shapes;        // of version v: shapes[v - 1]
    uint32_t                   shape_count;
    char                      *unpacked;
    size_t                     unpacked_capacity;
};

static bool rewriting_put(struct rewriting *rewriting, const char *bytes, size_t length)
{
    struct wr_compaction *compaction = rewriting->compaction;
    const int             status =
        wr_file_write(compaction->environment, rewriting->file, bytes, length, rewriting->position);
    rewriting->position += length;
    return status == 0 || wr_compaction_fail(compaction, wr_log_status_of(status),
                                             "the new segment cannot be written");
}

static bool flush_pending(struct rewriting *rewriting)
{
    if (rewriting->pending_bytes == NULL) {
        return true;
    }
    const uint64_t at = rewriting->position;
    wr_batch_header_encode(&rewriting->pending, rewriting->compaction->partition->seed,
                           rewriting->pending_bytes);
    const bool is_good =
        rewriting_put(rewriting, rewriting->pending_bytes, rewriting->pending.bytes);
    wr_segment_index_add(&rewriting->index, &rewriting->pending, at);
    wr_free(rewriting->pending_bytes);
    rewriting->pending_bytes = NULL;
    return is_good;
}

// Makes `bytes` (handed) the next batch.
static bool set_pending(struct rewriting *rewriting, const struct wr_log_batch_header *header,
                        char *bytes)
{
    const bool is_good       = flush_pending(rewriting);
    rewriting->pending       = *header;
    rewriting->pending_bytes = bytes;
    return is_good;
}

// A batch all of whose rows stay: as it is.
static bool keep_whole(struct rewriting *rewriting, const struct wr_log_batch_header *header,
                       const char *batch)
{
    struct wr_log_batch_header kept  = *header;
    char                      *bytes = wr_alloc_unset(header->bytes, 64);
    memcpy(bytes, batch, header->bytes);
    kept.transaction = 0;
    return set_pending(rewriting, &kept, bytes);
}

// A batch none of whose rows stay: its offsets go to the one before, or to an empty one.
static bool keep_none(struct rewriting *rewriting, const struct wr_log_batch_header *header)
{
    if (rewriting->pending_bytes != NULL && rewriting->pending.span <= UINT32_MAX - header->span) {
        rewriting->pending.span += header->span;
        return true;
    }
    struct wr_log_batch_header empty;
    char *bytes = wr_partition_empty_batch(rewriting->compaction->partition, header, &empty);
    return set_pending(rewriting, &empty, bytes);
}

static const struct wr_row_shape *shape_of(struct rewriting *rewriting, uint32_t version)
{
    struct wr_topic *topic = rewriting->compaction->partition->topic;
    while (rewriting->shape_count < version) {
        const weir_type *type =
            wr_topic_schema(topic, rewriting->shape_count + 1, rewriting->compaction->error);
        if (type == NULL) {
            return NULL;
        }
        rewriting->shapes = wr_realloc(rewriting->shapes,
                                       (rewriting->shape_count + 1) * sizeof(*rewriting->shapes));
        wr_row_shape_init(&rewriting->shapes[rewriting->shape_count++], type, topic->settings.time);
    }
    return &rewriting->shapes[version - 1];
}

// Packs the rows that stay, as many as `kept`; their header's place in the log is the old one's.
static char *pack_kept(struct rewriting *rewriting, const struct wr_row_shape *shape,
                       const struct wr_unpacked *unpacked, uint32_t kept,
                       struct wr_log_batch_header *header)
{
    struct wr_compaction   *compaction = rewriting->compaction;
    struct wr_batch_builder builder;
    uint32_t               *picks       = wr_alloc(kept * sizeof(*picks));
    uint32_t               *deltas      = wr_alloc(kept * sizeof(*deltas));
    uint32_t                count       = 0;
    bool                    is_too_long = false;
    for (uint32_t i = 0; i < header->rows; i++) {
        if (!wr_compaction_is_dropped(compaction, rewriting->row + i)) {
            picks[count]    = i;
            deltas[count++] = unpacked->deltas != NULL ? unpacked->deltas[i] : i;
        }
    }
    wr_batch_builder_init(&builder, shape, WR_BATCH_BYTES_MAX);
    const size_t taken = wr_batch_builder_add_picked(&builder, unpacked->rows, unpacked->changes,
                                                     picks, kept, &is_too_long);
    WR_ASSERT(count == kept && taken == kept); // they were one batch before, with more rows
    builder.deltas                 = deltas;
    struct wr_log_batch_header was = *header;
    char *bytes  = wr_batch_builder_finish(&builder, compaction->settings.compression,
                                           compaction->partition->seed, header);
    header->span = was.span;
    if (compaction->settings.time == NULL) {
        header->least_time    = was.least_time;
        header->greatest_time = was.greatest_time;
    }
    wr_batch_builder_fini(&builder);
    wr_free(picks);
    wr_free(deltas);
    return bytes;
}

static bool keep_some(struct rewriting *rewriting, const struct wr_log_batch_header *header,
                      char *batch, uint32_t kept)
{
    struct wr_compaction      *compaction = rewriting->compaction;
    struct wr_log_batch_header packed     = *header;
    struct wr_unpacked         unpacked;
    const char                *reason = NULL;
    const struct wr_row_shape *shape  = shape_of(rewriting, header->schema);
    if (shape == NULL) {
        return wr_compaction_fail(compaction, WEIR_DAMAGED, "a batch's schema is not known");
    }
    if (!wr_batch_unpack(batch + WR_BATCH_HEADER_BYTES, header, shape, &rewriting->unpacked,
                         &rewriting->unpacked_capacity, &unpacked, &reason)) {
        return wr_compaction_fail(compaction, WEIR_DAMAGED, reason);
    }
    char *bytes        = pack_kept(rewriting, shape, &unpacked, kept, &packed);
    packed.transaction = 0;
    return set_pending(rewriting, &packed, bytes);
}

static bool rewrite_batches(struct rewriting *rewriting)
{
    struct wr_log_batch_header header;
    char                      *batch;
    bool                       is_good = true;
    while (is_good && wr_compaction_walk_next(rewriting->compaction, &header, &batch)) {
        const uint64_t kept = wr_compaction_count_kept(rewriting->compaction, rewriting->row,
                                                       rewriting->row + header.rows);
        if (kept == 0) {
            is_good = keep_none(rewriting, &header);
        } else if (kept == header.rows) {
            is_good = keep_whole(rewriting, &header, batch);
        } else {
            is_good = keep_some(rewriting, &header, batch, (uint32_t)kept);
        }
        rewriting->row += header.rows;
    }
    return is_good && rewriting->compaction->error->status == WEIR_OK;
}

static bool rewriting_end(struct rewriting *rewriting, uint64_t end)
{
    struct wr_compaction *compaction = rewriting->compaction;
    if (!flush_pending(rewriting)) {
        return false;
    }
    if (rewriting->index.end_offset != end) {
        return wr_compaction_fail(compaction, WEIR_DAMAGED,
                                  "a segment ends before its footer says");
    }
    const int status =
        wr_partition_end_copy(compaction->partition, &rewriting->index, rewriting->file,
                              compaction->now, &rewriting->position);
    return status >= 0 || wr_compaction_fail(compaction, wr_log_status_of(status),
                                             "the new segment cannot be ended and synced");
}

static void rewriting_fini(struct rewriting *rewriting)
{
    for (uint32_t i = 0; i < rewriting->shape_count; i++) {
        wr_row_shape_fini(&rewriting->shapes[i]);
    }
    wr_free(rewriting->shapes);
    wr_free(rewriting->unpacked);
    wr_free(rewriting->pending_bytes);
    wr_segment_index_fini(&rewriting->index);
    if (rewriting->file >= 0) {
        rewriting->compaction->environment->ops->close(rewriting->compaction->environment,
                                                       rewriting->file);
    }
}

static uint32_t greatest_generation(const struct wr_compaction *compaction, uint32_t first,
                                    uint32_t count)
{
    uint32_t greatest = 0;
    for (uint32_t i = first; i < first + count; i++) {
        const uint32_t generation = compaction->segments[i].generation;
        greatest                  = generation > greatest ? generation : greatest;
    }
    return greatest;
}

// Writes segments [first, first + count) as one to `path`.
bool wr_compaction_rewrite(struct wr_compaction *compaction, uint32_t first, uint32_t count,
                           const char *path, struct wr_sealed_segment *by)
{
    const struct wr_partition      *partition = compaction->partition;
    const struct wr_sealed_segment *segments  = compaction->segments;
    const uint64_t                  base      = segments[first].base;
    struct wr_segment_header        header, ignored;
    struct rewriting                rewriting = { .compaction = compaction,
                                                  .file       = -1,
                                                  .position   = WR_SEGMENT_HEADER_BYTES,
                                                  .row        = compaction->first_rows[first] };
    bool is_good = wr_compaction_walk_open(compaction, base, segments[first].bytes, &header);
    wr_compaction_walk_close(compaction);
    wr_segment_index_init(&rewriting.index, base);
    if (is_good) {
        header.generation = greatest_generation(compaction, first, count) + 1;
        is_good = wr_segment_create(compaction->environment, path, partition->directory, &header,
                                    partition->seed, WR_SEGMENT_HEADER_BYTES, &rewriting.file, NULL,
                                    compaction->error) == WEIR_OK;
    }
    for (uint32_t i = first; i < first + count && is_good; i++) {
        is_good =
            wr_compaction_walk_open(compaction, segments[i].base, segments[i].bytes, &ignored) &&
            rewrite_batches(&rewriting);
        wr_compaction_walk_close(compaction);
    }
    is_good = is_good && rewriting_end(&rewriting, segments[first + count - 1].end);
    if (is_good) {
        *by = wr_sealed_segment_of(&rewriting.index, base, rewriting.position, header.generation);
    }
    rewriting_fini(&rewriting);
    return is_good;
}
