// fsck of the batches of one segment: that they follow each other, that their rows are decoded by
// their schema, and that something decides their transactions.
#include "log/fsck_part.h"

#include "log/catalog.h"

#include <string.h>

#define PIECE_BYTES (1u << 20)

static unsigned long long u(uint64_t value) { return value; }

static void check_transaction(struct wr_fsck_part *part, const struct wr_log_batch_header *header)
{
    const struct wr_fsck *fsck = part->fsck;
    if (header->transaction == 0 || strcmp(part->topic->name, WR_TRANSACTIONS_TOPIC) == 0) {
        return;
    }
    const bool is_over = header->transaction >> 32 < fsck->decision_epoch;
    if (!fsck->has_decisions ||
        (is_over &&
         wr_decisions_verdict(&fsck->decisions, header->transaction) == WR_VERDICT_OPEN)) {
        if (part->undecided++ == 0) {
            part->first_undecided = header->base_offset;
        }
    }
}

// The rows of the topic of decisions.
static void take_decisions(struct wr_fsck_part *part, const struct wr_log_batch_header *header,
                           const struct wr_unpacked *unpacked)
{
    struct wr_fsck  *fsck = part->fsck;
    const weir_type *type = part->topic->shapes[header->schema - 1].type;
    if (strcmp(part->topic->name, WR_TRANSACTIONS_TOPIC) != 0 ||
        !wr_schema_is_same(type, &wr_decision_type)) {
        return;
    }
    fsck->has_decisions = true;
    if (header->epoch > fsck->decision_epoch) {
        fsck->decision_epoch = header->epoch;
    }
    for (uint32_t i = 0; i < header->rows; i++) {
        struct wr_decision decision;
        memcpy(&decision, unpacked->rows + i * sizeof(decision), sizeof(decision));
        if (!wr_decisions_apply(&fsck->decisions, &decision)) {
            const struct wr_fsck_place place = { .topic        = part->topic,
                                                 .partition    = part->number,
                                                 .path         = part->directory,
                                                 .byte         = UINT64_MAX,
                                                 .first_offset = header->base_offset + i,
                                                 .end_offset   = header->base_offset + i + 1 };
            wr_fsck_report(fsck, WR_FSCK_TRANSACTION, &place,
                           "%s: the decision at offset %llu makes no sense: numbers %llu to %llu, "
                           "verdict %d",
                           part->directory, u(header->base_offset + i), u(decision.first),
                           u(decision.end), decision.verdict);
        }
    }
}

static void check_batch(struct wr_fsck_file *file, const struct wr_log_batch_header *header,
                        char *batch, uint64_t position)
{
    struct wr_fsck_part *part   = file->part;
    const char          *reason = "its file knows no such version";
    struct wr_unpacked   unpacked;
    part->fsck->summary->batches++;
    if (part->fsck->epoch < header->epoch && !part->is_written) {
        wr_fsck_report(
            part->fsck, WR_FSCK_FOREIGN,
            WR_FSCK_AT(file, position, header->base_offset, header->base_offset + header->span),
            "%s: the batch at byte %llu, offset %llu, is of epoch %u, but the log's "
            "epoch is %u: the file \"epoch\" or this one is of another time; put "
            "back the right one",
            file->path, u(position), u(header->base_offset), header->epoch, part->fsck->epoch);
        part->fsck->epoch = header->epoch; // told once
    }
    if (header->kind != WR_BATCH_ROWS) {
        return;
    }
    part->fsck->summary->rows += header->rows;
    check_transaction(part, header);
    if (!part->topic->has_file) {
        return;
    }
    const bool is_known = header->schema > 0 && header->schema <= part->topic->file.schema_count;
    if (!is_known || !wr_batch_unpack(batch + WR_BATCH_HEADER_BYTES, header,
                                      &part->topic->shapes[header->schema - 1], &part->unpacked,
                                      &part->unpacked_capacity, &unpacked, &reason)) {
        wr_fsck_report(
            part->fsck, WR_FSCK_ROWS,
            WR_FSCK_AT(file, position, header->base_offset, header->base_offset + header->span),
            "%s: the rows at byte %llu, offsets %llu to %llu, are not decoded by "
            "version %u of the topic's schema: %s",
            file->path, u(position), u(header->base_offset),
            u(header->base_offset + header->span - 1), header->schema, reason);
        return;
    }
    take_decisions(part, header, &unpacked);
}

struct wr_fsck_walked wr_fsck_walk(struct wr_fsck_file *file, uint64_t limit)
{
    struct wr_fsck_part       *part = file->part;
    struct wr_segment_cursor   cursor;
    struct wr_log_batch_header header;
    char                      *batch;
    struct wr_fsck_walked      walked = { .rows = 0 };
    wr_segment_cursor_init(&cursor, part->fsck->environment, file->file, part->seed, file->base,
                           PIECE_BYTES);
    cursor.least_epoch = file->header.epoch;
    cursor.limit       = limit;
    while (!walked.has_footer &&
           (walked.end = wr_segment_cursor_next(&cursor, &header, &batch)) == WR_CURSOR_BATCH) {
        check_batch(file, &header, batch, cursor.position - header.bytes);
        walked.rows += header.rows;
        walked.has_footer = header.kind == WR_BATCH_FOOTER;
        part->fsck->summary->bytes += header.bytes;
        if (part->fsck->options->advanced != NULL) {
            part->fsck->options->advanced(part->fsck->options->opaque, part->fsck->summary);
        }
    }
    walked.offset   = cursor.next_offset;
    walked.position = cursor.position;
    walked.reason   = cursor.reason;
    walked.io_error = cursor.io_error;
    wr_segment_cursor_fini(&cursor);
    return walked;
}
