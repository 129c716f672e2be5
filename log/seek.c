#include "log/seek.h"

#include "log/search.h"
#include "log/transactions.h"

#include <string.h>

// ---- walking ----

// The cursor's next batch of the open segment, with its payload checked or not. False: the segment
// is over, or *status is not WEIR_OK.
static bool walk(struct wr_partition_reader *scout, bool skips_payload, weir_status *status)
{
    struct wr_segment_cursor *cursor = &scout->cursor;
    cursor->skips_payload_check      = skips_payload;
    cursor->limit                    = wr_partition_reader_limit(scout);
    scout->batch_position            = cursor->position;
    switch (wr_segment_cursor_next(cursor, &scout->header, &scout->batch)) {
    case WR_CURSOR_BATCH: return scout->header.kind != WR_BATCH_FOOTER;
    case WR_CURSOR_END: return false;
    case WR_CURSOR_INVALID:
        (void)wr_partition_reader_damage(scout, cursor->reason);
        *status = WEIR_DAMAGED;
        return false;
    case WR_CURSOR_LATER:
    case WR_CURSOR_FAILED: break;
    }
    *status = wr_log_fail(&scout->error, wr_log_status_of(-cursor->io_error),
                          "%s: cannot read at byte %llu: %s", scout->path,
                          (unsigned long long)cursor->position, strerror(-cursor->io_error));
    return false;
}

// Opens the segment of offset *at, which moves if the records there are gone by now.
static weir_status open_at(struct wr_partition_reader *scout, uint64_t *at,
                           struct wr_segment_index *index, bool *is_sealed)
{
    scout->next = *at;
    while (!wr_partition_reader_open(scout, scout->next, index, is_sealed)) {
        if (scout->error.status != WEIR_NOT_FOUND || scout->is_gone) {
            return scout->error.status;
        }
        if (scout->next >= scout->known.readable) {
            break;
        }
    }
    *at = scout->next;
    return WEIR_OK;
}

// The offset behind the open segment, of which a walk has come to the cursor's.
static uint64_t segment_end(const struct wr_partition_reader *scout)
{
    return scout->cursor.next_offset;
}

// ---- times ----

static bool all_before_is_earlier(const void *entries, uint32_t i, const void *time)
{
    return ((const struct wr_index_entry *)entries)[i].latest < *(const weir_time *)time;
}

// Puts the cursor before the first batch, or a little before it, that may have a record of that
// time.
static void move_near(struct wr_partition_reader *scout, const struct wr_segment_index *index,
                      weir_time time)
{
    const uint32_t before =
        wr_count_before(index->entries, index->count, all_before_is_earlier, &time);
    if (before > 0) {
        wr_segment_cursor_move(&scout->cursor, scout->file, scout->seed,
                               index->entries[before - 1].position,
                               index->entries[before - 1].offset, 0);
    }
}

// Whether the batch the walk has come to can have the record.
static bool batch_may_have(struct wr_partition_reader *scout, uint64_t from, weir_time time)
{
    const struct wr_log_batch_header *header = &scout->header;
    return header->kind == WR_BATCH_ROWS && header->rows > 0 && header->greatest_time >= time &&
           header->base_offset + header->span > from &&
           (scout->reads_uncommitted || header->transaction == 0 ||
            wr_transactions_verdict(scout->log, header->transaction) != WR_VERDICT_ABORTED);
}

// Looks for the record in the open segment, from the cursor on.
static bool find_in_segment(struct wr_partition_reader *scout, struct wr_decoder *decoder,
                            uint64_t from, weir_time time, uint64_t *offset, weir_status *status)
{
    uint32_t epoch = scout->cursor.least_epoch;
    while (walk(scout, true, status)) {
        if (batch_may_have(scout, from, time)) {
            wr_segment_cursor_move(&scout->cursor, scout->file, scout->seed, scout->batch_position,
                                   scout->header.base_offset, epoch);
            if (!walk(scout, false, status)) {
                return false;
            }
            if (wr_decoder_find_time(decoder, &scout->header, scout->batch, from, UINT64_MAX, time,
                                     offset, status, &scout->error)) {
                return true;
            }
            if (*status != WEIR_OK) {
                return false;
            }
        }
        epoch = scout->cursor.least_epoch;
    }
    return false;
}

weir_status wr_seek_time(struct wr_partition_reader *scout, struct wr_decoder *decoder,
                         weir_time time, uint64_t *offset)
{
    uint64_t    at     = scout->known.first_offset;
    weir_status status = WEIR_OK;
    while (at < scout->known.readable && status == WEIR_OK) {
        struct wr_segment_index index;
        bool                    is_sealed = false;
        status                            = open_at(scout, &at, &index, &is_sealed);
        *offset                           = at;
        if (status != WEIR_OK || at >= scout->known.readable) {
            break;
        }
        const bool     is_earlier = is_sealed && index.greatest_time < time;
        const uint64_t end        = is_sealed ? index.end_offset : 0;
        if (is_sealed) {
            move_near(scout, &index, time);
            wr_segment_index_fini(&index);
        }
        if (!is_earlier && find_in_segment(scout, decoder, at, time, offset, &status)) {
            return WEIR_OK;
        }
        *offset = segment_end(scout);
        at      = is_sealed ? end : segment_end(scout);
    }
    if (status == WEIR_OK) {
        *offset = scout->known.readable;
    }
    return status;
}

// ---- what is committed ----

static bool is_undecided(const struct wr_decisions *decided, uint64_t transaction)
{
    const enum wr_verdict verdict = wr_decisions_verdict(decided, transaction);
    return verdict == WR_VERDICT_OPEN || verdict == WR_VERDICT_PREPARED;
}

// Looks in the segment of *at, which moves behind it; true if the batch was found.
static bool find_undecided(struct wr_partition_reader *scout, const struct wr_decisions *decided,
                           uint64_t *at, uint64_t *offset, weir_status *status)
{
    struct wr_segment_index index;
    bool                    is_sealed = false;
    *status                           = open_at(scout, at, &index, &is_sealed);
    if (*status != WEIR_OK || *at >= scout->known.readable) {
        return false;
    }
    const bool     has_none = is_sealed && index.transaction_batches == 0;
    const uint64_t end      = is_sealed ? index.end_offset : 0;
    if (is_sealed) {
        wr_segment_index_fini(&index);
    }
    while (!has_none && walk(scout, true, status)) {
        const struct wr_log_batch_header *header = &scout->header;
        if (header->transaction != 0 && header->base_offset + header->span > *at &&
            is_undecided(decided, header->transaction)) {
            *offset = header->base_offset > *at ? header->base_offset : *at;
            return true;
        }
    }
    if (*status == WEIR_OK) {
        *at = is_sealed ? end : segment_end(scout);
    }
    return false;
}

weir_status wr_seek_committed_end(struct wr_partition_reader *scout, uint64_t from,
                                  const struct wr_decisions *decided, bool passes_damage,
                                  uint64_t *offset)
{
    uint64_t    at     = from > scout->known.first_offset ? from : scout->known.first_offset;
    weir_status status = WEIR_OK;
    while (at < scout->known.readable && status == WEIR_OK) {
        if (find_undecided(scout, decided, &at, offset, &status)) {
            return WEIR_OK;
        }
        if (status == WEIR_DAMAGED && passes_damage) {
            at     = wr_partition_reader_next_base(scout, at);
            status = WEIR_OK;
        }
    }
    *offset = scout->known.readable;
    return status;
}
