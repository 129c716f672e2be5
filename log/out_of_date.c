// Which rows a later record has superseded: a walk of all that is on disk, in as many passes as the
// keys need memory (key_map.h).
#include "log/compaction.h"
#include "log/transactions.h"

#include <weir/call.h>

size_t wr_compact_memory_bytes = 64u << 20;

// How many of the rows [first, end) stay.
uint64_t wr_compaction_count_kept(const struct wr_compaction *compaction, uint64_t first,
                                  uint64_t end)
{
    uint64_t kept = 0;
    for (uint64_t row = first; row < end; row++) {
        kept += !wr_compaction_is_dropped(compaction, row);
    }
    return kept;
}

// ---- walking a segment ----

bool wr_compaction_fail(struct wr_compaction *compaction, weir_status status, const char *what)
{
    const struct wr_partition *partition = compaction->partition;
    (void)wr_log_fail(compaction->error, status, "log %s: topic %s partition %u: compaction: %s",
                      partition->topic->log->directory, partition->topic->settings.name,
                      partition->number, what);
    return false;
}

void wr_compaction_walk_close(struct wr_compaction *compaction)
{
    if (compaction->file >= 0) {
        wr_segment_cursor_move(&compaction->cursor, -1, compaction->partition->seed,
                               WR_SEGMENT_HEADER_BYTES, 0, 0);
        compaction->environment->ops->close(compaction->environment, compaction->file);
        compaction->file = -1;
    }
}

bool wr_compaction_walk_open(struct wr_compaction *compaction, uint64_t base, uint64_t bytes,
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
bool wr_compaction_walk_next(struct wr_compaction *compaction, struct wr_log_batch_header *header,
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
            return wr_compaction_fail(compaction, WEIR_DAMAGED, compaction->cursor.reason);
        case WR_CURSOR_FAILED:
            return wr_compaction_fail(compaction, wr_log_status_of(compaction->cursor.io_error),
                                      "a segment cannot be read");
        case WR_CURSOR_END:
        case WR_CURSOR_LATER: return false;
        }
    }
}

// ---- which rows are out of date ----

static void reserve_keys(struct wr_compaction *compaction, uint32_t count)
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
static const void *key_bytes(struct wr_compaction *compaction, const void *key, uint32_t *length)
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
static void meet_rows(struct wr_compaction *compaction, const weir_log_rows *rows,
                      uint64_t first_row)
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
            wr_compaction_drop(compaction, row);
        }
        if (counts) {
            uint32_t       length;
            const void    *key = key_bytes(compaction, compaction->keys + i * key_size, &length);
            const uint64_t before =
                wr_key_map_put(&compaction->map, compaction->hashes[i], key, length, row);
            if (before != WR_KEY_MAP_NO_ROW) {
                wr_compaction_drop(compaction, before);
            }
        }
    }
}

static bool meet_batch(struct wr_compaction *compaction, const struct wr_log_batch_header *header,
                       char *batch, uint64_t first_row)
{
    weir_log       *log     = compaction->partition->topic->log;
    weir_log_rows   rows    = { .count = 0 };
    enum wr_verdict verdict = header->transaction == 0
                                  ? WR_VERDICT_COMMITTED
                                  : wr_transactions_verdict(log, header->transaction);
    if (verdict == WR_VERDICT_ABORTED) {
        for (uint32_t i = 0; first_row != WR_KEY_MAP_NO_ROW && i < header->rows; i++) {
            wr_compaction_drop(compaction, first_row + i);
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
static bool meet_segment(struct wr_compaction *compaction, uint64_t base, uint64_t bytes,
                         uint64_t *row)
{
    struct wr_segment_header   segment;
    struct wr_log_batch_header header;
    char                      *batch;
    bool                       is_good = wr_compaction_walk_open(compaction, base, bytes, &segment);
    while (is_good && wr_compaction_walk_next(compaction, &header, &batch)) {
        is_good = meet_batch(compaction, &header, batch, *row);
        if (*row != WR_KEY_MAP_NO_ROW) {
            *row += header.rows;
        }
    }
    wr_compaction_walk_close(compaction);
    if (wr_upkeep_is_stopping(compaction->partition->topic->log)) {
        compaction->is_stopped = true;
        return false;
    }
    return is_good && compaction->error->status == WEIR_OK;
}

// One pass: all that counts, in order.
static bool meet_all(struct wr_compaction *compaction)
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

bool wr_compaction_find_out_of_date(struct wr_compaction *compaction)
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
