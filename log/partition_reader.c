#include "log/partition_reader.h"

#include "log/catalog.h"
#include "log/look.h"
#include "log/partition.h"
#include "log/search.h"
#include "log/transactions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Without the writer's memory, how often it is looked how far may be read.
#define LOOK_EVERY_US 250000

// Files may vanish between listing and opening, but not for ever.
#define FIND_TRIES 64

// How long an opening waits for a writer that is in the midst of a publication, before it takes
// that for one that was killed there.
#define BUSY_TRIES   100u
#define BUSY_WAIT_US 10000

typedef unsigned long long shown; // as %llu

// Keeps a sentence that begins with the partition's place.
#define FAIL(reader, status, sentence, ...)                                                        \
    wr_log_fail(&(reader)->error, (status), "log %s: topic %s partition %u: " sentence,            \
                (reader)->log->directory, (reader)->topic->settings.name, (reader)->number,        \
                __VA_ARGS__)

// ---- how far ----

// While nothing is known it waits for a writer in the midst of a publication: the files may hold
// what that has not synced yet.
static enum wr_live_look look_at_slot(struct wr_partition_reader *reader,
                                      struct wr_live_position    *position)
{
    enum wr_live_look look  = wr_live_look(reader->live, reader->number, position);
    uint32_t          tries = reader->is_known ? BUSY_TRIES : 0;
    for (; look == WR_LIVE_BUSY && tries < BUSY_TRIES; tries++) {
        reader->environment->ops->wait_word(reader->environment, wr_live_word(reader->live),
                                            wr_live_word_now(reader->live), BUSY_WAIT_US);
        look = wr_live_look(reader->live, reader->number, position);
    }
    return look;
}

// False: there is none, or it says nothing about this partition yet.
static bool look_at_live(struct wr_partition_reader *reader)
{
    if (reader->live == NULL || !wr_live_is_current(reader->live)) {
        return false;
    }
    const uint32_t word = wr_live_word_now(reader->live);
    if (reader->is_seen && word == reader->seen_word) {
        return true;
    }
    struct wr_live_position position;
    switch (look_at_slot(reader, &position)) {
    case WR_LIVE_VOID: return false;
    case WR_LIVE_BUSY: return reader->is_known; // what is known holds; it is looked again
    case WR_LIVE_KNOWN: break;
    }
    wr_log_error_fini(&reader->end_damage);
    reader->known     = position;
    reader->seen_word = word;
    reader->is_seen   = true;
    reader->is_known  = true;
    return true;
}

// The topic was deleted: keeps the sentence. What the log itself keeps is never deleted.
static bool meet_deletion(struct wr_partition_reader *reader)
{
    if (strcmp(reader->topic->settings.name, WR_TRANSACTIONS_TOPIC) == 0 ||
        !(reader->is_gone || wr_topic_is_gone(reader->topic))) {
        return false;
    }
    reader->is_gone = true;
    (void)wr_log_fail(&reader->error, WEIR_NOT_FOUND,
                      "log %s: topic %s was deleted; partition %u was read up to offset %llu",
                      reader->log->directory, reader->topic->settings.name, reader->number,
                      (shown)reader->next);
    return true;
}

// The same by the files, now and then.
static bool look_at_files(struct wr_partition_reader *reader)
{
    const int64_t now_us = wr_now_us(reader->environment);
    if (reader->is_known && !reader->is_gone && now_us < reader->look_again_us) {
        return true;
    }
    reader->look_again_us = now_us + LOOK_EVERY_US;
    if (reader->live == NULL) {
        reader->live = wr_topic_live(reader->topic);
        if (look_at_live(reader)) {
            reader->look_again_us = 0; // when that holds no more
            return true;
        }
    }
    if (reader->is_gone || reader->live == NULL || !wr_live_is_current(reader->live)) {
        if (meet_deletion(reader)) {
            return false;
        }
    }
    struct wr_live_position position;
    struct wr_log_error     damage = { .status = WEIR_OK };
    weir_status             status;
    status = wr_partition_look_past(reader->environment, reader->directory, &reader->place,
                                    &position, &damage, &reader->error);
    if (reader->is_known && (status != WEIR_OK || damage.status != WEIR_OK) &&
        reader->live != NULL && wr_live_is_current(reader->live)) {
        wr_log_error_fini(&damage);
        return true; // a writer that has not published yet is recovering, and moves files about
    }
    if (status != WEIR_OK) {
        return false;
    }
    wr_log_error_fini(&reader->end_damage);
    reader->end_damage = damage;
    reader->known      = position;
    reader->is_known   = true;
    reader->is_seen    = false;
    return true;
}

bool wr_partition_reader_look(struct wr_partition_reader *reader)
{
    return look_at_live(reader) || look_at_files(reader);
}

// ---- opening and closing ----

static void reader_close_file(struct wr_partition_reader *reader)
{
    reader->holds_batch = false;
    if (reader->file >= 0) {
        // The cursor lets go of the file before it is closed.
        wr_segment_cursor_move(&reader->cursor, -1, reader->seed, WR_SEGMENT_HEADER_BYTES, 0, 0);
        reader->environment->ops->close(reader->environment, reader->file);
        reader->file = -1;
    }
}

bool wr_partition_reader_init(struct wr_partition_reader *reader, weir_log *log,
                              struct wr_topic *topic, uint32_t number, size_t piece_bytes)
{
    *reader = (struct wr_partition_reader){
        .log         = log,
        .environment = log->environment,
        .topic       = topic,
        .number      = number,
        .place       = wr_topic_place(topic, number),
        .directory   = wr_topic_partition_directory(topic, number),
        .end         = UINT64_MAX,
        .doubted     = UINT64_MAX,
        .file        = -1,
    };
    reader->seed = wr_log_crc_seed(&reader->place);
    wr_segment_cursor_init(&reader->cursor, reader->environment, -1, reader->seed, 0, piece_bytes);
    if (!wr_partition_reader_look(reader)) {
        return false;
    }
    reader->next = reader->known.first_offset;
    reader->cut  = reader->known.cut;
    return true;
}

void wr_partition_reader_fini(struct wr_partition_reader *reader)
{
    reader_close_file(reader);
    wr_segment_cursor_fini(&reader->cursor);
    wr_free(reader->bases);
    wr_free(reader->path);
    wr_free(reader->directory);
    wr_log_error_fini(&reader->error);
    wr_log_error_fini(&reader->end_damage);
}

// ---- finding a segment ----

static bool list_segments(struct wr_partition_reader *reader)
{
    wr_free(reader->bases);
    const int status = wr_segment_list(reader->environment, reader->directory, &reader->bases,
                                       &reader->base_count);
    if (status < 0 && !(status == -ENOENT && meet_deletion(reader))) {
        // The topic is there and the partition's directory is not: files were taken away.
        (void)FAIL(reader, status == -ENOENT ? WEIR_DAMAGED : wr_log_status_of(status),
                   "cannot list %s: %s", reader->directory, strerror(-status));
    }
    return status >= 0;
}

static bool base_is_reached(const void *bases, uint32_t i, const void *offset)
{
    return ((const uint64_t *)bases)[i] <= *(const uint64_t *)offset;
}

// The number of listed bases at or below `offset`.
static uint32_t bases_reached(const struct wr_partition_reader *reader, uint64_t offset)
{
    return wr_count_before(reader->bases, reader->base_count, base_is_reached, &offset);
}

enum find {
    FIND_OPEN,   // the file is open
    FIND_PASSED, // it ends before the offset
    FIND_GONE,   // list again
    FIND_FAILED
};

uint64_t wr_partition_reader_next_base(const struct wr_partition_reader *reader, uint64_t at)
{
    const uint32_t behind = bases_reached(reader, at);
    return behind < reader->base_count ? reader->bases[behind] : UINT64_MAX;
}

// Whether the sealed segment goes on behind where the next one begins. What compaction made may:
// the next one is a leftover then.
static bool overlaps_next(struct wr_partition_reader *reader, uint64_t base,
                          const struct wr_segment_header *header, uint64_t end)
{
    const uint64_t next     = wr_partition_reader_next_base(reader, base);
    const bool     overlaps = header->generation == 0 && end > next;
    if (overlaps) {
        (void)FAIL(
            reader, WEIR_DAMAGED,
            "%s: it ends at offset %llu, but the next segment begins at %llu: one of them is "
            "of another time; put back the right one",
            reader->path, (shown)end, (shown)next);
    }
    return overlaps;
}

// Opens the segment of that base if `at` is in it.
static enum find open_segment(struct wr_partition_reader *reader, uint64_t base, uint64_t at,
                              struct wr_segment_index *index, bool *is_sealed)
{
    struct wr_segment_header   header;
    struct wr_log_batch_header footer;
    struct wr_file_info        info;
    wr_free(reader->path);
    reader->path    = wr_segment_path(reader->directory, base);
    const int known = reader->environment->ops->info(reader->environment, reader->path, &info);

    const weir_status status =
        wr_segment_open(reader->environment, reader->path, WR_OPEN_READ, &reader->place, base,
                        &reader->file, &header, &reader->error);
    if (status != WEIR_OK) {
        reader->file = -1;
        if (status == WEIR_DAMAGED) {
            (void)FAIL(reader, WEIR_DAMAGED, "%s; its records, from offset %llu on, are not read",
                       reader->error.sentence, (shown)base);
        }
        return status == WEIR_NOT_FOUND ? FIND_GONE : FIND_FAILED;
    }
    *is_sealed =
        known >= 0 && wr_segment_read_footer(reader->environment, reader->file, info.size_bytes,
                                             reader->seed, &footer, index);
    if (*is_sealed && base == reader->known.segment_base &&
        index->end_offset > reader->known.readable) { // being sealed: it may not be synced yet
        wr_segment_index_fini(index);
        *is_sealed = false;
    }
    if (*is_sealed && overlaps_next(reader, base, &header, index->end_offset)) {
        wr_segment_index_fini(index);
        reader_close_file(reader);
        return FIND_FAILED;
    }
    if (!*is_sealed || index->end_offset > at) {
        reader->file_base = base;
        reader->file_end =
            *is_sealed ? index->end_offset : wr_partition_reader_next_base(reader, base);
        reader->is_whole = *is_sealed || header.generation > 0;
        return FIND_OPEN;
    }
    wr_segment_index_fini(index);
    reader_close_file(reader);
    return FIND_PASSED;
}

// Of the segments as they are listed, the one that holds `at`: of the greatest base at or below it,
// unless that ends before it (then it is a leftover of a merge, and an earlier one covers it). A
// leftover that does hold it is as good as the file that replaced it: nothing that was merged is
// forgotten while a leftover is there.
static enum find find_listed(struct wr_partition_reader *reader, uint64_t at,
                             struct wr_segment_index *index, bool *is_sealed)
{
    for (uint32_t above = bases_reached(reader, at); above > 0; above--) {
        const enum find found =
            open_segment(reader, reader->bases[above - 1], at, index, is_sealed);
        if (found != FIND_PASSED) {
            return found;
        }
    }
    return FIND_GONE;
}

// The partition's first offset by its start file, which is written before files go.
static uint64_t first_by_start_file(struct wr_partition_reader *reader)
{
    struct wr_partition_start start;
    if (wr_partition_start_read(reader->environment, reader->directory, &start, &reader->error) !=
        WEIR_OK) {
        return 0;
    }
    const uint64_t first = start.first_offset;
    wr_partition_start_fini(&start);
    return first;
}

// Tells that what came next is gone, and goes on at `first`.
static void skip_to_first(struct wr_partition_reader *reader, uint64_t first)
{
    (void)FAIL(reader, WEIR_NOT_FOUND,
               "records from offset %llu to %llu are gone, by retention or truncation; reading "
               "goes on at offset %llu",
               (shown)reader->next, (shown)(first - 1), (shown)first);
    reader->next = first;
}

bool wr_partition_reader_open(struct wr_partition_reader *reader, uint64_t at,
                              struct wr_segment_index *index, bool *is_sealed)
{
    reader_close_file(reader);
    enum find found = FIND_GONE;
    for (uint32_t tries = 0; tries < FIND_TRIES && found == FIND_GONE; tries++) {
        if ((tries > 0 || reader->bases == NULL) && !list_segments(reader)) {
            return false;
        }
        found = find_listed(reader, at, index, is_sealed);
    }
    if (found == FIND_GONE) {
        const uint64_t first = first_by_start_file(reader);
        if (first > at) {
            reader->known.first_offset = first;
            skip_to_first(reader, first);
        } else {
            (void)FAIL(reader, WEIR_DAMAGED,
                       "%s: no segment file holds offset %llu, though there should be records "
                       "up to offset %llu; see `weir log fsck`",
                       reader->directory, (shown)at, (shown)(reader->known.readable - 1));
        }
        return false;
    }
    if (found == FIND_OPEN) {
        wr_segment_cursor_move(&reader->cursor, reader->file, reader->seed, WR_SEGMENT_HEADER_BYTES,
                               reader->file_base, 0);
    }
    return found == FIND_OPEN;
}

uint64_t wr_partition_reader_limit(const struct wr_partition_reader *reader)
{
    // A sealed file ends with its footer, behind which nobody reads.
    if (reader->file_base != reader->known.segment_base || reader->is_whole) {
        return UINT64_MAX / 2;
    }
    const uint64_t bytes = reader->known.segment_bytes, position = reader->cursor.position;
    return bytes > position ? bytes : position;
}

static bool entry_is_reached(const void *entries, uint32_t i, const void *offset)
{
    return ((const struct wr_index_entry *)entries)[i].offset <= *(const uint64_t *)offset;
}

// Opens the segment of the next offset, with the cursor at or a little before it; what is before it
// is passed over by headers.
static bool open_at_next(struct wr_partition_reader *reader)
{
    struct wr_segment_index index;
    bool                    is_sealed = false;
    if (reader->next < reader->known.first_offset) {
        skip_to_first(reader, reader->known.first_offset);
        return false;
    }
    if (!wr_partition_reader_open(reader, reader->next, &index, &is_sealed)) {
        return false;
    }
    if (is_sealed) {
        const uint32_t behind =
            wr_count_before(index.entries, index.count, entry_is_reached, &reader->next);
        if (behind > 0) {
            wr_segment_cursor_move(&reader->cursor, reader->file, reader->seed,
                                   index.entries[behind - 1].position,
                                   index.entries[behind - 1].offset, 0);
        }
        wr_segment_index_fini(&index);
    }
    reader->has_skipped = !reader->skips_nothing && reader->cursor.next_offset < reader->next;
    reader->cursor.skips_payload_check = reader->has_skipped;
    return true;
}

// ---- truncation from an offset ----

// Hears of the cuts made since: *least is the least offset of them. False: told why not.
static bool hear_of_cuts(struct wr_partition_reader *reader, uint64_t *least)
{
    struct wr_partition_start start;
    reader_close_file(reader);
    wr_free(reader->bases);
    reader->bases = NULL;
    if (wr_partition_start_read(reader->environment, reader->directory, &start, &reader->error) !=
        WEIR_OK) {
        return false;
    }
    uint64_t newest = reader->known.cut;
    *least          = UINT64_MAX;
    for (uint32_t i = 0; i < start.cut_count; i++) {
        if (start.cuts[i].number > reader->cut) {
            *least = start.cuts[i].offset < *least ? start.cuts[i].offset : *least;
        }
        newest = start.cuts[i].number > newest ? start.cuts[i].number : newest;
    }
    wr_partition_start_fini(&start);
    reader->cut = newest;
    return true;
}

// Hears of the cuts made since. True if records it has passed were taken back: told.
static bool take_cuts(struct wr_partition_reader *reader)
{
    uint64_t least;
    if (!hear_of_cuts(reader, &least)) {
        return true;
    }
    if (reader->end != UINT64_MAX && least < reader->end) {
        reader->end = least; // what comes there now was not there when it was opened
    }
    if (least >= reader->next) {
        return false;
    }
    (void)FAIL(reader, WEIR_CONFLICT,
               "records from offset %llu on were taken back by a truncation, of which this reader "
               "had passed those up to %llu; it stands at offset %llu now",
               (shown)least, (shown)(reader->next - 1), (shown)least);
    reader->next = least;
    return true;
}

// ---- batches ----

enum wr_partition_state wr_partition_reader_damage(struct wr_partition_reader *reader,
                                                   const char                 *reason)
{
    (void)FAIL(reader, WEIR_DAMAGED,
               "%s: at byte %llu a batch that begins with offset %llu is expected, but %s; reading "
               "goes on only at an offset behind the damage, which `weir log fsck` names",
               reader->path, (shown)reader->batch_position, (shown)reader->cursor.next_offset,
               reason);
    reader->is_damaged = true;
    return WR_PARTITION_FAILED;
}

// The open file and what is known do not fit: perhaps it was replaced since it was opened. True: it
// is to be opened anew; once at each place.
static bool doubt_file(struct wr_partition_reader *reader)
{
    const uint64_t at = reader->cursor.next_offset;
    if (reader->is_whole || reader->doubted == at) {
        return false;
    }
    reader->doubted = at;
    reader_close_file(reader);
    return true;
}

// Batches that were passed over by their headers may be where damage begins: they are read now.
static bool read_what_was_skipped(struct wr_partition_reader *reader)
{
    const bool has_skipped = reader->has_skipped;
    if (has_skipped) {
        reader->skips_nothing = true;
        reader_close_file(reader);
    }
    return has_skipped;
}

// What the cursor could not take for a batch: damage, unless the partition was cut meanwhile or the
// file replaced.
static enum wr_partition_state meet_invalid(struct wr_partition_reader *reader)
{
    const char *reason = reader->cursor.reason;
    if (reader->cursor.next_offset == reader->file_end && reader->next >= reader->file_end) {
        reader_close_file(
            reader); // all its records were there, and the next segment has what follows
        return WR_PARTITION_BATCH;
    }
    reader->look_again_us = 0;
    reader->is_seen       = false;
    if (!wr_partition_reader_look(reader)) {
        return WR_PARTITION_FAILED;
    }
    if (reader->known.cut > reader->cut || doubt_file(reader) || read_what_was_skipped(reader)) {
        return WR_PARTITION_BATCH; // once more
    }
    return wr_partition_reader_damage(reader, reason);
}

static enum wr_partition_state meet_failure(struct wr_partition_reader *reader)
{
    const int error = -reader->cursor.io_error;
    (void)FAIL(reader, wr_log_status_of(error), "%s: cannot read at byte %llu: %s", reader->path,
               (shown)reader->cursor.position, strerror(error));
    return WR_PARTITION_FAILED;
}

// Looks at the batch the cursor has just passed: whether it is one to hold.
static void meet_batch(struct wr_partition_reader *reader, uint32_t epoch_before)
{
    const struct wr_log_batch_header *header = &reader->header;
    const uint64_t                    end    = header->base_offset + header->span;
    if (header->kind == WR_BATCH_FOOTER) {
        reader_close_file(reader);
        return;
    }
    if (header->kind != WR_BATCH_ROWS || end <= reader->next) {
        return;
    }
    if (header->cut > reader->cut) { // without live memory, this is where one hears of it
        reader->known.cut = header->cut;
        return;
    }
    if (reader->cursor.skips_payload_check) { // passed over so far; this one is read, and checked
        wr_segment_cursor_move(&reader->cursor, reader->file, reader->seed, reader->batch_position,
                               header->base_offset, epoch_before);
        reader->cursor.skips_payload_check = false;
        return;
    }
    reader->holds_batch = true;
    reader->has_skipped = false;
    reader->doubted     = UINT64_MAX;
    reader->read_bytes += header->bytes;
}

// Moves the cursor by one batch. WR_PARTITION_BATCH: it has; see whether it holds one now.
static enum wr_partition_state reader_step(struct wr_partition_reader *reader)
{
    if (reader->file < 0) {
        if (reader->next >= reader->known.readable) {
            return WR_PARTITION_QUIET;
        }
        if (!open_at_next(reader)) {
            reader->is_damaged = reader->error.status == WEIR_DAMAGED;
            return WR_PARTITION_FAILED;
        }
    }
    if (reader->cursor.next_offset >= reader->known.readable) {
        return WR_PARTITION_QUIET; // what may lie there is not to be read yet
    }
    const uint32_t epoch   = reader->cursor.least_epoch;
    reader->cursor.limit   = wr_partition_reader_limit(reader);
    reader->batch_position = reader->cursor.position;
    switch (wr_segment_cursor_next(&reader->cursor, &reader->header, &reader->batch)) {
    case WR_CURSOR_BATCH:
        if (reader->cursor.next_offset > reader->file_end) {
            reader->cursor.next_offset -= reader->header.span;
            return wr_partition_reader_damage(reader,
                                              "one that overlaps the next segment is there");
        }
        meet_batch(reader, epoch);
        return WR_PARTITION_BATCH;
    case WR_CURSOR_END: // although there is more
        return doubt_file(reader) ? WR_PARTITION_BATCH : WR_PARTITION_QUIET;
    case WR_CURSOR_LATER: return WR_PARTITION_LATER;
    case WR_CURSOR_INVALID: return meet_invalid(reader);
    case WR_CURSOR_FAILED: break;
    }
    return meet_failure(reader);
}

weir_status wr_partition_reader_undecided(struct wr_partition_reader *reader, uint64_t offset)
{
    struct wr_log_error error  = { .status = WEIR_OK };
    const weir_status   status = wr_transactions_look(reader->log, &error);
    if (status != WEIR_OK) {
        (void)FAIL(reader, status,
                   "whether the transaction at offset %llu is committed cannot be known: %s",
                   (shown)offset, error.sentence);
    }
    wr_log_error_fini(&error);
    return status;
}

// Whether the batch at hand may be given out: WR_PARTITION_BATCH, or HELD; QUIET: it is to be
// passed over.
static enum wr_partition_state judge_batch(struct wr_partition_reader *reader)
{
    if (reader->header.rows == 0) {
        return WR_PARTITION_QUIET;
    }
    if (reader->reads_uncommitted || reader->header.transaction == 0) {
        return WR_PARTITION_BATCH;
    }
    switch (wr_transactions_verdict(reader->log, reader->header.transaction)) {
    case WR_VERDICT_COMMITTED: return WR_PARTITION_BATCH;
    case WR_VERDICT_ABORTED: return WR_PARTITION_QUIET;
    case WR_VERDICT_OPEN:
    case WR_VERDICT_PREPARED: break;
    }
    return wr_partition_reader_undecided(reader, reader->header.base_offset) == WEIR_OK
               ? WR_PARTITION_HELD
               : WR_PARTITION_FAILED;
}

enum wr_partition_state wr_partition_reader_next(struct wr_partition_reader *reader)
{
    bool has_looked = reader->live != NULL;
    for (;;) {
        if (reader->is_damaged || reader->has_news) {
            reader->has_news = false;
            return WR_PARTITION_FAILED;
        }
        if (reader->live != NULL && !wr_partition_reader_look(reader)) {
            return WR_PARTITION_FAILED;
        }
        if (reader->known.cut > reader->cut && take_cuts(reader)) {
            return WR_PARTITION_FAILED;
        }
        if (reader->end_damage.status != WEIR_OK && reader->next >= reader->known.readable) {
            if (has_looked) {
                (void)FAIL(reader, reader->end_damage.status, "%s", reader->end_damage.sentence);
                return WR_PARTITION_FAILED;
            }
            has_looked = true;
            if (!wr_partition_reader_look(reader)) {
                return WR_PARTITION_FAILED;
            }
            continue;
        }
        if (reader->next >= reader->end) {
            return WR_PARTITION_ENDED;
        }
        if (reader->holds_batch) {
            const enum wr_partition_state state = judge_batch(reader);
            if (state != WR_PARTITION_QUIET) {
                return state;
            }
            wr_partition_reader_pass(reader);
            continue;
        }
        const enum wr_partition_state state = reader_step(reader);
        if (state == WR_PARTITION_QUIET && !has_looked) {
            has_looked = true;
            if (!wr_partition_reader_look(reader)) {
                return WR_PARTITION_FAILED;
            }
        } else if (state != WR_PARTITION_BATCH) {
            return state;
        }
    }
}

void wr_partition_reader_pass(struct wr_partition_reader *reader)
{
    WR_ASSERT(reader->holds_batch);
    reader->next        = reader->header.base_offset + reader->header.span;
    reader->holds_batch = false;
}

void wr_partition_reader_resume(struct wr_partition_reader *reader, uint64_t offset, uint64_t cut)
{
    uint64_t least = UINT64_MAX;
    reader->next   = offset;
    reader->cut    = cut;
    if (reader->known.cut > cut && !hear_of_cuts(reader, &least)) {
        reader->has_news = true; // and it is tried again
    } else if (least < offset) {
        reader->next     = least;
        reader->has_news = true;
        (void)FAIL(reader, WEIR_CONFLICT,
                   "the consumer has committed offset %llu, but records from offset %llu on were "
                   "taken back by a truncation since; it stands at offset %llu now",
                   (shown)offset, (shown)least, (shown)least);
    } else if (offset > reader->known.readable && reader->end_damage.status == WEIR_OK) {
        reader->next     = reader->known.readable;
        reader->has_news = true;
        (void)FAIL(reader, WEIR_CONFLICT,
                   "the consumer has committed offset %llu, but the partition ends at %llu: "
                   "records it has read were taken back, or lost in a crash; it stands at the end",
                   (shown)offset, (shown)reader->next);
    }
}

void wr_partition_reader_seek(struct wr_partition_reader *reader, uint64_t offset)
{
    const struct wr_live_position *known = &reader->known;
    reader_close_file(reader);
    reader->is_damaged    = false;
    reader->skips_nothing = false;
    reader->doubted       = UINT64_MAX;
    reader->next          = offset < known->first_offset ? known->first_offset
                            : offset > known->readable   ? known->readable
                                                         : offset;
}
