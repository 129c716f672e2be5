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
#include "log/compaction.h"
#include "log/transactions.h"

#include <string.h>

typedef unsigned long long number; // for printing

// ---- which segments ----

static uint64_t kept_of(const struct wr_compaction *compaction, uint32_t i)
{
    return wr_compaction_count_kept(compaction, compaction->first_rows[i],
                                    compaction->first_rows[i + 1]);
}

// About how many bytes of the segment will stay.
static uint64_t bytes_kept(const struct wr_compaction *compaction, uint32_t i)
{
    const struct wr_sealed_segment *segment = &compaction->segments[i];
    return segment->rows == 0
               ? 0
               : (uint64_t)((double)segment->bytes *
                            ((double)kept_of(compaction, i) / (double)segment->rows));
}

static bool has_work(const struct wr_compaction *compaction, uint32_t i)
{
    const struct wr_sealed_segment *segment = &compaction->segments[i];
    return segment->transaction_batches > 0 || kept_of(compaction, i) < segment->rows;
}

// How many segments from number `first` on become one.
static uint32_t group_of(const struct wr_compaction *compaction, uint32_t first)
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
static bool put_in_place(struct wr_compaction *compaction, uint32_t at, uint32_t count,
                         const char *path, const struct wr_sealed_segment *by)
{
    struct wr_partition *partition = compaction->partition;
    struct wr_leftovers  leftovers;
    if (!wr_upkeep_begin_step(partition, compaction->error)) {
        return false;
    }
    WR_ASSERT(at + count <= partition->segment_count && partition->segments[at].base == by->base);
    weir_status status =
        wr_partition_replace(partition, at, count, path, by, &leftovers, compaction->error);
    if (status == WEIR_OK) {
        wr_partition_publish(partition); // it may be the newest there is
    }
    status = wr_upkeep_end_step(partition, status, compaction->error);
    return wr_upkeep_clear(partition, status, &leftovers, compaction->error) == WEIR_OK;
}

static bool compact_group(struct wr_compaction *compaction, uint32_t first, uint32_t count,
                          uint32_t at, uint64_t *bytes)
{
    struct wr_sealed_segment by;
    uint64_t                 before = 0;
    char *path = wr_format("%s/%020llu.segment.compact.tmp", compaction->partition->directory,
                           (number)compaction->segments[first].base);
    for (uint32_t i = first; i < first + count; i++) {
        before += compaction->segments[i].bytes;
    }
    const bool is_good = wr_compaction_rewrite(compaction, first, count, path, &by) &&
                         put_in_place(compaction, at, count, path, &by);
    if (is_good) {
        *bytes += before > by.bytes ? before - by.bytes : 0;
    } else {
        (void)compaction->environment->ops->unlink(compaction->environment, path);
    }
    wr_free(path);
    return is_good;
}

static bool compact_groups(struct wr_compaction *compaction, uint64_t *bytes)
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
static bool is_worth_it(const struct wr_compaction *compaction)
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
static bool compaction_look(struct wr_compaction *compaction, uint64_t undecided)
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
static bool look_is_due(const struct wr_compaction *compaction)
{
    const uint64_t looked_at = *wr_upkeep_compacted_at(compaction->partition);
    uint64_t       fresh = 0, all = 0;
    for (uint32_t i = 0; i < compaction->count; i++) {
        all += compaction->segments[i].bytes;
        fresh += compaction->segments[i].generation == 0 ? compaction->segments[i].bytes : 0;
    }
    return fresh * 2 >= all && all >= looked_at + looked_at / 2;
}

static void note_look(const struct wr_compaction *compaction)
{
    uint64_t *looked_at = wr_upkeep_compacted_at(compaction->partition);
    *looked_at          = 0;
    for (uint32_t i = 0; i < compaction->count; i++) {
        *looked_at += compaction->segments[i].bytes;
    }
}

static bool compaction_run(struct wr_compaction *compaction, bool only_if_due, uint64_t *bytes)
{
    char *sentence = NULL;
    if (wr_decoder_init(&compaction->decoder, compaction->partition->topic->log,
                        compaction->partition->topic, NULL, compaction->error) != WEIR_OK) {
        return false;
    }
    if (!wr_log_key_init(&compaction->key, compaction->decoder.type, compaction->settings.key,
                         &sentence)) {
        (void)wr_compaction_fail(compaction, WEIR_MISMATCH, sentence);
        wr_free(sentence);
        return false;
    }
    bool is_good = wr_compaction_find_out_of_date(compaction);
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
    weir_log            *log        = partition->topic->log;
    struct wr_compaction compaction = { .partition   = partition,
                                        .environment = log->environment,
                                        .error       = error,
                                        .file        = -1,
                                        .now = log->environment->ops->wall_us(log->environment) };
    uint64_t             undecided;
    bool                 is_good = true;
    *bytes                       = 0;
    if (!partition->topic->settings.is_compacted || partition->topic->settings.key == NULL) {
        return WEIR_OK;
    }
    if (wr_upkeep_check(partition, error) != WEIR_OK ||
        wr_transactions_least_undecided(partition, &undecided, error) != WEIR_OK) {
        return error->status;
    }
    wr_segment_cursor_init(&compaction.cursor, log->environment, -1, partition->seed, 0, 0);
    if (compaction_look(&compaction, undecided) && (!only_if_due || look_is_due(&compaction))) {
        is_good = compaction_run(&compaction, only_if_due, bytes);
        wr_decoder_fini(&compaction.decoder);
    }
    wr_compaction_walk_close(&compaction);
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
                             "log %s: topic %s keeps every record; to keep only the last one of "
                             "each key, make it compacted: weir log alter --compacted, or "
                             ".is_compacted",
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
