// Compaction: of each key the last record stays, the others go.
//
//   sealed segments              [ a b a c ][ b a - a ][ c c b d ] | [ a ... being written
//   which rows are out of date     x x x x    x x   x    x           (a newer a is on disk)
//   rewritten, and put in place  [ . . . . . . c b d ]             | [ a ...
//
// Reading, in as many passes as the keys need memory: the whole partition up to what is on disk, by
// key, to know of each row of the sealed segments whether a later record has its key (one bit a
// row). Records of aborted transactions count for nothing; the first segment with an undecided
// transaction, and all behind it, stay as they are. Keys are compared whole, never by hash alone.
//
// Writing: segments that lose rows, or that are small enough to be one with their neighbours, into
// a file of their own (BASE.segment.compact.tmp), which is sealed, synced and renamed over the
// first of them. Rows keep their offsets: a batch keeps its base and span, and says by deltas which
// rows it still has; a batch without any is added to the span of the one before. Rows of committed
// transactions become plain ones. From the front, so that a deletion never goes before what it
// deletes.
//
// A deletion stays until it is `tombstone_age` old, so that who reads along sees it.
//
// By itself it happens when half of what the sealed segments hold is out of date. That is found out
// by reading, so it is only looked at when segments that were never compacted have as many bytes as
// the others, and then again when there is half as much more: in the long run each byte is read a
// few times.
#include "log/upkeep.h"

#include "log/decoder.h"
#include "log/key.h"
#include "log/key_map.h"
#include "log/transactions.h"

#include <string.h>
#include <weir/call.h>

typedef unsigned long long number; // for printing

size_t wr_compact_memory_bytes = 64u << 20;

struct compaction {
    struct wr_partition   *partition;
    struct wr_environment *environment;
    weir_topic             settings; // as they were when it began
    struct wr_log_error   *error;
    bool                   is_stopped;

    // What is compacted, and what counts besides.
    struct wr_sealed_segment *segments; // the sealed ones, of which `count` may be rewritten
    uint32_t                  count, sealed_count;
    uint64_t                  active_base, active_bytes; // of the segment being written; 0: none
    uint64_t                  first_offset, durable;
    weir_time                 now;

    // What is known of rows, numbered in order from 0.
    uint64_t *dropped; // a bit each
    uint64_t  row_count;
    uint64_t *first_rows; // of each segment, and then row_count

    // Reading.
    int                      file;
    struct wr_segment_cursor cursor;
    struct wr_decoder        decoder;
    struct wr_log_key        key;
    struct wr_key_map        map;
    char                    *keys;
    uint64_t                *hashes;
    size_t                   key_capacity; // rows
    char                    *encoded;
    size_t                   encoded_capacity;
};

// ---- bits ----

static bool is_dropped(const struct compaction *compaction, uint64_t row)
{
    return (compaction->dropped[row / 64] >> (row % 64) & 1) != 0;
}

static void drop_row(struct compaction *compaction, uint64_t row)
{
    WR_CHECK(row < compaction->row_count);
    compaction->dropped[row / 64] |= (uint64_t)1 << (row % 64);
}

// How many of the rows [first, end) stay.
static uint64_t count_kept(const struct compaction *compaction, uint64_t first, uint64_t end)
{
    uint64_t kept = 0;
    for (uint64_t row = first; row < end; row++) {
        kept += !is_dropped(compaction, row);
    }
    return kept;
}

// ---- walking a segment ----

static bool compaction_fail(struct compaction *compaction, weir_status status, const char *what)
{
    const struct wr_partition *partition = compaction->partition;
    (void)wr_log_fail(compaction->error, status, "log %s: topic %s partition %u: compaction: %s",
                      partition->topic->log->directory, partition->topic->settings.name,
                      partition->number, what);
    return false;
}

static void walk_close(struct compaction *compaction)
{
    if (compaction->file >= 0) {
        wr_segment_cursor_move(&compaction->cursor, -1, compaction->partition->seed,
                               WR_SEGMENT_HEADER_BYTES, 0, 0);
        compaction->environment->ops->close(compaction->environment, compaction->file);
        compaction->file = -1;
    }
}

static bool walk_open(struct compaction *compaction, uint64_t base, uint64_t bytes,
                      struct wr_segment_header *header)
{
    const struct wr_partition *partition = compaction->partition;
    char                      *path      = wr_segment_path(partition->directory, base);
    const weir_status          status =
        wr_segment_open(compaction->environment, path, WR_OPEN_READ, &partition->place, base,
                        &compaction->file, header, compaction->error);
    wr_free(path);
    if (status != WEIR_OK) {
        compaction->file = -1;
        return false;
    }
    wr_segment_cursor_move(&compaction->cursor, compaction->file, partition->seed,
                           WR_SEGMENT_HEADER_BYTES, base, 0);
    compaction->cursor.limit = bytes;
    return true;
}

// The next batch of rows. False: there is none, or compaction->error says why.
static bool walk_next(struct compaction *compaction, struct wr_log_batch_header *header,
                      char **batch)
{
    for (;;) {
        switch (wr_segment_cursor_next(&compaction->cursor, header, batch)) {
        case WR_CURSOR_BATCH:
            if (header->kind == WR_BATCH_ROWS) {
                return true;
            }
            if (header->kind == WR_BATCH_FOOTER) {
                return false;
            }
            break;
        case WR_CURSOR_INVALID:
            return compaction_fail(compaction, WEIR_DAMAGED, compaction->cursor.reason);
        case WR_CURSOR_FAILED:
            return compaction_fail(compaction, wr_log_status_of(compaction->cursor.io_error),
                                   "a segment cannot be read");
        case WR_CURSOR_END:
        case WR_CURSOR_LATER: return false;
        }
    }
}

// ---- which rows are out of date ----

static void reserve_keys(struct compaction *compaction, uint32_t count)
{
    if (count > compaction->key_capacity) {
        wr_free(compaction->keys);
        wr_free(compaction->hashes);
        compaction->key_capacity = count + count / 4;
        compaction->keys =
            wr_alloc_aligned(compaction->key_capacity * compaction->key.type->size, 64);
        compaction->hashes = wr_alloc(compaction->key_capacity * sizeof(*compaction->hashes));
    }
}

// The bytes that make a key what it is.
static const void *key_bytes(struct compaction *compaction, const void *key, uint32_t *length)
{
    const struct wr_key_codec *codec = &compaction->key.codec;
    if (codec->kind != WR_KEY_BYTES) {
        *length = compaction->key.type->size;
        return key;
    }
    const size_t bytes = wr_key_encoded_bytes(codec, key);
    if (bytes > compaction->encoded_capacity) {
        wr_free(compaction->encoded);
        compaction->encoded_capacity = bytes * 2;
        compaction->encoded          = wr_alloc(compaction->encoded_capacity);
    }
    *length = (uint32_t)wr_key_encode(codec, key, compaction->encoded);
    return compaction->encoded;
}

// Notes what the rows of a visible batch supersede. `first_row`: the number of its first one, or
// WR_KEY_MAP_NO_ROW if it is behind what is compacted.
static void meet_rows(struct compaction *compaction, const weir_log_rows *rows, uint64_t first_row)
{
    const uint32_t key_size = compaction->key.type->size;
    reserve_keys(compaction, rows->count);
    wr_log_key_gather(&compaction->key, rows->rows, rows->type->size, rows->count,
                      compaction->keys);
    wr_key_hash_many(&compaction->key.codec, compaction->keys, rows->count, 0, compaction->hashes);
    for (uint32_t i = 0; i < rows->count; i++) {
        const uint64_t offset  = rows->offset + (rows->deltas != NULL ? rows->deltas[i] : i);
        const bool     counts  = offset >= compaction->first_offset && offset < compaction->durable;
        const bool     is_ours = first_row != WR_KEY_MAP_NO_ROW;
        const uint64_t row     = is_ours ? first_row + i : WR_KEY_MAP_NO_ROW;
        const bool     is_deletion = rows->changes != NULL && rows->changes[i] == WEIR_DELETE;
        if (is_ours && (!counts || (is_deletion && compaction->settings.tombstone_age <=
                                                       compaction->now - rows->appended))) {
            drop_row(compaction, row);
        }
        if (counts) {
            uint32_t       length;
            const void    *key = key_bytes(compaction, compaction->keys + i * key_size, &length);
            const uint64_t before =
                wr_key_map_put(&compaction->map, compaction->hashes[i], key, length, row);
            if (before != WR_KEY_MAP_NO_ROW) {
                drop_row(compaction, before);
            }
        }
    }
}

static bool meet_batch(struct compaction *compaction, const struct wr_log_batch_header *header,
                       char *batch, uint64_t first_row)
{
    weir_log       *log     = compaction->partition->topic->log;
    weir_log_rows   rows    = { .count = 0 };
    enum wr_verdict verdict = header->transaction == 0
                                  ? WR_VERDICT_COMMITTED
                                  : wr_transactions_verdict(log, header->transaction);
    if (verdict == WR_VERDICT_ABORTED) {
        for (uint32_t i = 0; first_row != WR_KEY_MAP_NO_ROW && i < header->rows; i++) {
            drop_row(compaction, first_row + i);
        }
        return true;
    }
    if (verdict != WR_VERDICT_COMMITTED || header->rows == 0) {
        WR_ASSERT(verdict == WR_VERDICT_COMMITTED || first_row == WR_KEY_MAP_NO_ROW);
        return true;
    }
    if (wr_decoder_rows(&compaction->decoder, header, batch, header->base_offset,
                        header->base_offset + header->span, &rows, compaction->error) != WEIR_OK) {
        return false;
    }
    WR_ASSERT(rows.count == header->rows);
    meet_rows(compaction, &rows, first_row);
    return true;
}

// Meets the rows of one segment; the first has the number *row, which moves behind the last.
static bool meet_segment(struct compaction *compaction, uint64_t base, uint64_t bytes,
                         uint64_t *row)
{
    struct wr_segment_header   segment;
    struct wr_log_batch_header header;
    char                      *batch;
    bool                       is_good = walk_open(compaction, base, bytes, &segment);
    while (is_good && walk_next(compaction, &header, &batch)) {
        is_good = meet_batch(compaction, &header, batch, *row);
        if (*row != WR_KEY_MAP_NO_ROW) {
            *row += header.rows;
        }
    }
    walk_close(compaction);
    if (wr_upkeep_is_stopping(compaction->partition->topic->log)) {
        compaction->is_stopped = true;
        return false;
    }
    return is_good && compaction->error->status == WEIR_OK;
}

// One pass: all that counts, in order.
static bool meet_all(struct compaction *compaction)
{
    uint64_t row = 0, none = WR_KEY_MAP_NO_ROW;
    for (uint32_t i = 0; i < compaction->sealed_count; i++) {
        const struct wr_sealed_segment *segment = &compaction->segments[i];
        const bool                      is_ours = i < compaction->count;
        WR_ASSERT(!is_ours || row == compaction->first_rows[i]);
        if (!meet_segment(compaction, segment->base, segment->bytes, is_ours ? &row : &none)) {
            return false;
        }
    }
    return compaction->active_bytes == 0 ||
           meet_segment(compaction, compaction->active_base, compaction->active_bytes, &none);
}

static bool find_out_of_date(struct compaction *compaction)
{
    uint64_t least   = 0;
    bool     is_good = true, is_last = false;
    wr_key_map_init(&compaction->map, wr_compact_memory_bytes);
    while (is_good && !is_last) {
        wr_key_map_begin(&compaction->map, least);
        is_good = meet_all(compaction);
        is_last = compaction->map.greatest == UINT64_MAX;
        least   = compaction->map.greatest + 1;
    }
    wr_key_map_fini(&compaction->map);
    return is_good;
}

// ---- writing a segment anew ----

struct rewriting {
    struct compaction      *compaction;
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
    struct compaction *compaction = rewriting->compaction;
    const int status = wr_log_write_fully(compaction->environment, rewriting->file, bytes, length,
                                          rewriting->position);
    rewriting->position += length;
    return status == 0 || compaction_fail(compaction, wr_log_status_of(status),
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
    struct wr_log_batch_header empty = *header;
    char                      *bytes = wr_alloc_aligned(WR_BATCH_HEADER_BYTES, 64);
    empty.bytes                      = WR_BATCH_HEADER_BYTES;
    empty.rows                       = 0;
    empty.compression                = WEIR_COMPRESSION_NONE;
    empty.flags                      = 0;
    empty.unpacked_bytes             = 0;
    empty.transaction                = 0;
    empty.least_time                 = WEIR_TIME_MAX;
    empty.greatest_time              = WEIR_TIME_MIN;
    empty.payload_crc                = wr_batch_payload_crc(bytes + WR_BATCH_HEADER_BYTES, 0,
                                                            rewriting->compaction->partition->seed);
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
    struct compaction      *compaction = rewriting->compaction;
    struct wr_batch_builder builder;
    uint32_t               *picks       = wr_alloc(kept * sizeof(*picks));
    uint32_t               *deltas      = wr_alloc(kept * sizeof(*deltas));
    uint32_t                count       = 0;
    bool                    is_too_long = false;
    for (uint32_t i = 0; i < header->rows; i++) {
        if (!is_dropped(compaction, rewriting->row + i)) {
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
    struct compaction         *compaction = rewriting->compaction;
    struct wr_log_batch_header packed     = *header;
    struct wr_unpacked         unpacked;
    const char                *reason = NULL;
    const struct wr_row_shape *shape  = shape_of(rewriting, header->schema);
    if (shape == NULL) {
        return compaction_fail(compaction, WEIR_DAMAGED, "a batch's schema is not known");
    }
    if (!wr_batch_unpack(batch + WR_BATCH_HEADER_BYTES, header, shape, &rewriting->unpacked,
                         &rewriting->unpacked_capacity, &unpacked, &reason)) {
        return compaction_fail(compaction, WEIR_DAMAGED, reason);
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
    while (is_good && walk_next(rewriting->compaction, &header, &batch)) {
        const uint64_t kept =
            count_kept(rewriting->compaction, rewriting->row, rewriting->row + header.rows);
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

// Footer, length, sync.
static bool rewriting_seal(struct rewriting *rewriting, uint64_t end)
{
    struct compaction               *compaction = rewriting->compaction;
    const struct wr_partition       *partition  = compaction->partition;
    const struct wr_log_batch_header header     = {
            .kind          = WR_BATCH_FOOTER,
            .base_offset   = end,
            .epoch         = partition->topic->log->epoch,
            .durable_upto  = end,
            .cut           = wr_partition_cut_number(partition),
            .appended      = compaction->now,
            .least_time    = WEIR_TIME_MAX,
            .greatest_time = WEIR_TIME_MIN,
    };
    struct wr_environment *environment = compaction->environment;
    size_t                 bytes;
    if (!flush_pending(rewriting)) {
        return false;
    }
    if (rewriting->index.end_offset != end) {
        return compaction_fail(compaction, WEIR_DAMAGED, "a segment ends before its footer says");
    }
    rewriting->index.bytes = rewriting->position;
    char *footer           = wr_footer_encode(&rewriting->index, &header, partition->seed, &bytes);
    bool  is_good          = rewriting_put(rewriting, footer, bytes);
    wr_free(footer);
    if (!is_good) {
        return false;
    }
    int status = environment->ops->truncate(environment, rewriting->file, rewriting->position);
    if (status >= 0) {
        status = environment->ops->sync_data(environment, rewriting->file);
    }
    return status >= 0 || compaction_fail(compaction, wr_log_status_of(status),
                                          "the new segment cannot be made durable");
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

static uint32_t greatest_generation(const struct compaction *compaction, uint32_t first,
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
static bool rewrite(struct compaction *compaction, uint32_t first, uint32_t count, const char *path,
                    struct wr_sealed_segment *by)
{
    const struct wr_partition      *partition = compaction->partition;
    const struct wr_sealed_segment *segments  = compaction->segments;
    const uint64_t                  base      = segments[first].base;
    struct wr_segment_header        header, ignored;
    struct rewriting                rewriting = { .compaction = compaction,
                                                  .file       = -1,
                                                  .position   = WR_SEGMENT_HEADER_BYTES,
                                                  .row        = compaction->first_rows[first] };
    bool is_good = walk_open(compaction, base, segments[first].bytes, &header);
    walk_close(compaction);
    wr_segment_index_init(&rewriting.index, base);
    if (is_good) {
        header.generation = greatest_generation(compaction, first, count) + 1;
        is_good = wr_segment_create(compaction->environment, path, partition->directory, &header,
                                    partition->seed, WR_SEGMENT_HEADER_BYTES, &rewriting.file, NULL,
                                    compaction->error) == WEIR_OK;
    }
    for (uint32_t i = first; i < first + count && is_good; i++) {
        is_good = walk_open(compaction, segments[i].base, segments[i].bytes, &ignored) &&
                  rewrite_batches(&rewriting);
        walk_close(compaction);
    }
    is_good = is_good && rewriting_seal(&rewriting, segments[first + count - 1].end);
    if (is_good) {
        *by = wr_sealed_segment_of(&rewriting.index, base, rewriting.position, header.generation);
    }
    rewriting_fini(&rewriting);
    return is_good;
}

// ---- which segments ----

static uint64_t kept_of(const struct compaction *compaction, uint32_t i)
{
    return count_kept(compaction, compaction->first_rows[i], compaction->first_rows[i + 1]);
}

// About how many bytes of the segment will stay.
static uint64_t bytes_kept(const struct compaction *compaction, uint32_t i)
{
    const struct wr_sealed_segment *segment = &compaction->segments[i];
    return segment->rows == 0
               ? 0
               : (uint64_t)((double)segment->bytes *
                            ((double)kept_of(compaction, i) / (double)segment->rows));
}

static bool has_work(const struct compaction *compaction, uint32_t i)
{
    const struct wr_sealed_segment *segment = &compaction->segments[i];
    return segment->transaction_batches > 0 || kept_of(compaction, i) < segment->rows;
}

// How many segments from number `first` on become one.
static uint32_t group_of(const struct compaction *compaction, uint32_t first)
{
    uint64_t bytes = bytes_kept(compaction, first);
    uint32_t count = 1;
    while (first + count < compaction->count &&
           bytes + bytes_kept(compaction, first + count) <= compaction->settings.segment_bytes) {
        bytes += bytes_kept(compaction, first + count);
        count++;
    }
    return count;
}

// Puts the file in the place of `count` segments, the first of which is number `at` of the
// partition's list now.
static bool put_in_place(struct compaction *compaction, uint32_t at, uint32_t count,
                         const char *path, const struct wr_sealed_segment *by)
{
    struct wr_partition *partition = compaction->partition;
    if (!wr_upkeep_begin_step(partition, compaction->error)) {
        return false;
    }
    WR_ASSERT(at + count <= partition->segment_count && partition->segments[at].base == by->base);
    const weir_status status =
        wr_partition_replace(partition, at, count, path, by, compaction->error);
    if (status == WEIR_OK) {
        wr_partition_publish(partition); // it may be the newest there is
    }
    return wr_upkeep_end_step(partition, status, compaction->error) == WEIR_OK;
}

static bool compact_group(struct compaction *compaction, uint32_t first, uint32_t count,
                          uint32_t at, uint64_t *bytes)
{
    struct wr_sealed_segment by;
    uint64_t                 before = 0;
    char *path = wr_format("%s/%020llu.segment.compact.tmp", compaction->partition->directory,
                           (number)compaction->segments[first].base);
    for (uint32_t i = first; i < first + count; i++) {
        before += compaction->segments[i].bytes;
    }
    const bool is_good = rewrite(compaction, first, count, path, &by) &&
                         put_in_place(compaction, at, count, path, &by);
    if (is_good) {
        *bytes += before > by.bytes ? before - by.bytes : 0;
    } else {
        (void)compaction->environment->ops->unlink(compaction->environment, path);
    }
    wr_free(path);
    return is_good;
}

static bool compact_groups(struct compaction *compaction, uint64_t *bytes)
{
    uint32_t at = 0; // in the partition's list, where groups before have become one each
    for (uint32_t first = 0; first < compaction->count; at++) {
        const uint32_t count = group_of(compaction, first);
        if ((count > 1 || has_work(compaction, first)) &&
            !compact_group(compaction, first, count, at, bytes)) {
            return false;
        }
        first += count;
    }
    return true;
}

// Whether half of what the segments hold is out of date.
static bool is_worth_it(const struct compaction *compaction)
{
    uint64_t bytes = 0, kept = 0;
    for (uint32_t i = 0; i < compaction->count; i++) {
        bytes += compaction->segments[i].bytes;
        kept += bytes_kept(compaction, i);
    }
    return kept * 2 <= bytes;
}

// ---- beginning ----

// What there is now, and how much of it is decided and on disk.
static bool compaction_look(struct compaction *compaction, uint64_t undecided)
{
    struct wr_partition *partition = compaction->partition;
    wr_commit_enter(partition->topic->log->commit);
    compaction->settings     = partition->topic->settings;
    compaction->sealed_count = partition->segment_count;
    compaction->segments = wr_alloc((partition->segment_count + 1) * sizeof(*compaction->segments));
    if (partition->segment_count > 0) {
        memcpy(compaction->segments, partition->segments,
               partition->segment_count * sizeof(*compaction->segments));
    }
    compaction->first_offset = partition->start.first_offset;
    compaction->durable      = partition->durable;
    if (partition->file >= 0) {
        compaction->active_base  = partition->base;
        compaction->active_bytes = partition->position;
    }
    wr_commit_leave(partition->topic->log->commit);

    const uint64_t limit   = undecided < compaction->durable ? undecided : compaction->durable;
    compaction->first_rows = wr_alloc((compaction->sealed_count + 1) * sizeof(uint64_t));
    while (compaction->count < compaction->sealed_count &&
           compaction->segments[compaction->count].end <= limit) {
        const uint32_t i              = compaction->count++;
        compaction->first_rows[i + 1] = compaction->first_rows[i] + compaction->segments[i].rows;
    }
    compaction->row_count = compaction->first_rows[compaction->count];
    compaction->dropped   = wr_alloc((compaction->row_count / 64 + 1) * sizeof(uint64_t));
    return compaction->count > 0;
}

// Whether reading it all, to know how much is out of date, is due.
static bool look_is_due(const struct compaction *compaction)
{
    const uint64_t looked_at = *wr_upkeep_compacted_at(compaction->partition);
    uint64_t       fresh = 0, all = 0;
    for (uint32_t i = 0; i < compaction->count; i++) {
        all += compaction->segments[i].bytes;
        fresh += compaction->segments[i].generation == 0 ? compaction->segments[i].bytes : 0;
    }
    return fresh * 2 >= all && all >= looked_at + looked_at / 2;
}

static void note_look(const struct compaction *compaction)
{
    uint64_t *looked_at = wr_upkeep_compacted_at(compaction->partition);
    *looked_at          = 0;
    for (uint32_t i = 0; i < compaction->count; i++) {
        *looked_at += compaction->segments[i].bytes;
    }
}

static bool compaction_run(struct compaction *compaction, bool only_if_due, uint64_t *bytes)
{
    char *sentence = NULL;
    if (wr_decoder_init(&compaction->decoder, compaction->partition->topic->log,
                        compaction->partition->topic, NULL, compaction->error) != WEIR_OK) {
        return false;
    }
    if (!wr_log_key_init(&compaction->key, compaction->decoder.type, compaction->settings.key,
                         &sentence)) {
        (void)compaction_fail(compaction, WEIR_MISMATCH, sentence);
        wr_free(sentence);
        return false;
    }
    bool is_good = find_out_of_date(compaction);
    if (is_good && only_if_due) {
        note_look(compaction);
    }
    if (is_good && (!only_if_due || is_worth_it(compaction))) {
        is_good = compact_groups(compaction, bytes);
    }
    wr_log_key_fini(&compaction->key);
    return is_good;
}

weir_status wr_compact_partition(struct wr_partition *partition, bool only_if_due, uint64_t *bytes,
                                 struct wr_log_error *error)
{
    weir_log         *log        = partition->topic->log;
    struct compaction compaction = { .partition   = partition,
                                     .environment = log->environment,
                                     .error       = error,
                                     .file        = -1,
                                     .now = log->environment->ops->wall_us(log->environment) };
    uint64_t          undecided;
    bool              is_good = true;
    *bytes                    = 0;
    if (!partition->topic->settings.is_compacted || partition->topic->settings.key == NULL) {
        return WEIR_OK;
    }
    if (wr_transactions_least_undecided(partition, &undecided, error) != WEIR_OK) {
        return error->status;
    }
    wr_segment_cursor_init(&compaction.cursor, log->environment, -1, partition->seed, 0, 0);
    if (compaction_look(&compaction, undecided) && (!only_if_due || look_is_due(&compaction))) {
        is_good = compaction_run(&compaction, only_if_due, bytes);
        wr_decoder_fini(&compaction.decoder);
    }
    walk_close(&compaction);
    wr_segment_cursor_fini(&compaction.cursor);
    wr_free(compaction.segments);
    wr_free(compaction.dropped);
    wr_free(compaction.first_rows);
    wr_free(compaction.keys);
    wr_free(compaction.hashes);
    wr_free(compaction.encoded);
    return is_good || compaction.is_stopped ? WEIR_OK : error->status;
}

weir_status weir_log_compact(weir_log *log, const char *topic, uint64_t *bytes)
{
    struct wr_log_error error = { .status = WEIR_OK };
    struct wr_topic    *found = wr_upkeep_topic(log, topic, &error);
    uint64_t            freed = 0, all = 0;
    weir_status         status = found != NULL ? WEIR_OK : error.status;
    if (status == WEIR_OK && !found->settings.is_compacted) {
        status = wr_log_fail(&error, WEIR_USAGE,
                             "log %s: topic %s keeps every record; set is_compacted to keep the "
                             "last one of each key only",
                             log->directory, topic);
    }
    for (uint32_t i = 0; status == WEIR_OK && i < found->settings.partitions; i++) {
        wr_upkeep_enter(log);
        status = wr_compact_partition(found->partitions[i], false, &freed, &error);
        wr_upkeep_leave(log);
        all += freed;
    }
    if (bytes != NULL) {
        *bytes = all;
    }
    return status == WEIR_OK ? WEIR_OK : wr_log_keep(log, &error);
}
