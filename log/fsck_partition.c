// fsck of one partition: names, headers, every batch, and how the segments fit together.
//
// Beside a living writer the last segment is read as far as its live memory says; and because
// upkeep may take or replace a segment meanwhile, what seems wrong is looked at again, twice,
// before it is told.
#include "log/catalog.h"
#include "log/fsck_walk.h"
#include "log/live.h"
#include "log/recover.h"
#include "log/tail.h"

#include <errno.h>
#include <string.h>

#define PIECE_BYTES (1u << 20)
#define TRIES       3u
#define OTHER_LOG   "another log"
#define OTHER_TOPIC "another topic, or of one of this name before it was made anew"

struct part {
    struct wr_fsck           *fsck;
    struct wr_fsck_topic     *topic;
    uint32_t                  number, seed;
    char                     *directory;
    struct wr_log_place       place;
    struct wr_partition_start start;
    bool                      has_start;
    struct wr_live_position   live;
    bool                      has_live, is_written; // live memory is right; a writer lives
    uint64_t                 *bases;
    uint32_t                  count;

    uint64_t next;       // where the next segment begins; UINT64_MAX: not known
    uint32_t generation; // of the segment before
    uint64_t end;

    uint64_t undecided, first_undecided; // batches
    char    *unpacked;
    size_t   unpacked_capacity;
};

// A segment's file that is being checked.
struct file {
    struct part             *part;
    uint32_t                 index; // in part->bases
    uint64_t                 base, bytes;
    char                    *path;
    int                      file;
    bool                     is_last, is_sealed;
    struct wr_segment_header header;
    struct wr_segment_index  index_found; // of its footer, if it is sealed
};

#define AT(file_, byte_, first_, end_)                                                             \
    (&(struct wr_fsck_place){ .topic        = (file_)->part->topic,                                \
                              .partition    = (file_)->part->number,                               \
                              .path         = (file_)->path,                                       \
                              .byte         = (byte_),                                             \
                              .first_offset = (first_),                                            \
                              .end_offset   = (end_) })

static unsigned long long u(uint64_t value) { return value; }

// Where the segment has to end by what is known without it.
static uint64_t end_by_others(const struct file *file)
{
    const struct part *part = file->part;
    return !file->is_last                                       ? part->bases[file->index + 1]
           : part->has_live && part->live.readable > file->base ? part->live.readable
                                                                : file->base;
}

// Up to `length` bytes at the offset, fewer only where the file ends; or -errno.
static int64_t read_fully(struct wr_environment *environment, int file, char *bytes, size_t length,
                          uint64_t offset)
{
    int64_t done = 0;
    while (done < (int64_t)length) {
        const int64_t got = environment->ops->read_at(
            environment, file, bytes + done, length - (size_t)done, (int64_t)offset + done);
        if (got <= 0) {
            return got < 0 ? got : done;
        }
        done += got;
    }
    return done;
}

// ---- batches ----

static void check_transaction(struct part *part, const struct wr_log_batch_header *header)
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
static void take_decisions(struct part *part, const struct wr_log_batch_header *header,
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

static void check_batch(struct file *file, const struct wr_log_batch_header *header, char *batch,
                        uint64_t position)
{
    struct part       *part   = file->part;
    const char        *reason = "its file knows no such version";
    struct wr_unpacked unpacked;
    part->fsck->summary->batches++;
    if (part->fsck->epoch < header->epoch && !part->is_written) {
        wr_fsck_report(part->fsck, WR_FSCK_FOREIGN,
                       AT(file, position, header->base_offset, header->base_offset + header->span),
                       "%s: the batch at byte %llu, offset %llu, is of epoch %u, but the log's "
                       "epoch is %u: the file \"epoch\" or this one is of another time; put "
                       "back the right one",
                       file->path, u(position), u(header->base_offset), header->epoch,
                       part->fsck->epoch);
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
        wr_fsck_report(part->fsck, WR_FSCK_ROWS,
                       AT(file, position, header->base_offset, header->base_offset + header->span),
                       "%s: the rows at byte %llu, offsets %llu to %llu, are not decoded by "
                       "version %u of the topic's schema: %s",
                       file->path, u(position), u(header->base_offset),
                       u(header->base_offset + header->span - 1), header->schema, reason);
        return;
    }
    take_decisions(part, header, &unpacked);
}

struct walked {
    uint64_t       offset, position; // behind the last valid batch
    uint64_t       rows;
    enum wr_cursor end;
    bool           has_footer;
    const char    *reason;
    int            io_error;
};

// Walks the batches up to byte `limit`, or the footer.
static struct walked walk(struct file *file, uint64_t limit)
{
    struct part               *part = file->part;
    struct wr_segment_cursor   cursor;
    struct wr_log_batch_header header;
    char                      *batch;
    struct walked              walked = { .rows = 0 };
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

static bool is_cut_short(const struct file *file, const struct walked *walked)
{
    struct wr_log_batch_header header;
    const char                *reason;
    char                       bytes[WR_BATCH_HEADER_BYTES];
    if (file->bytes < walked->position + sizeof(bytes)) {
        return true;
    }
    const int64_t got = read_fully(file->part->fsck->environment, file->file, bytes, sizeof(bytes),
                                   walked->position);
    return got < (int64_t)sizeof(bytes) ||
           (wr_batch_header_decode(bytes, sizeof(bytes), file->part->seed, &header, &reason) ==
                WR_BATCH_SHORT &&
            header.bytes > 0 && walked->position + header.bytes > file->bytes);
}

// Tells where a walk ended that should have gone on to `end`.
static void report_stop(const struct file *file, const struct walked *walked, uint64_t end)
{
    const struct wr_fsck_place *place =
        AT(file, walked->position, walked->offset, end > walked->offset ? end : walked->offset);
    const bool is_lost = end > walked->offset;
    char      *lost =
        is_lost ? wr_format("offsets %llu to %llu cannot be read", u(walked->offset), u(end - 1))
                     : wr_format("all records before offset %llu can be read", u(walked->offset));
    if (walked->end == WR_CURSOR_FAILED) {
        wr_fsck_report(file->part->fsck, WR_FSCK_UNREADABLE, place,
                       "%s: cannot be read at byte %llu: %s; %s", file->path, u(walked->position),
                       strerror(walked->io_error < 0 ? -walked->io_error : walked->io_error), lost);
    } else if (is_cut_short(file, walked)) {
        wr_fsck_report(file->part->fsck, WR_FSCK_SHORT, place,
                       "%s: cut short: at byte %llu a batch that begins with offset %llu%s is "
                       "expected, but the file ends at byte %llu; %s",
                       file->path, u(walked->position), u(walked->offset),
                       is_lost ? "" : ", or the footer,", u(file->bytes), lost);
    } else {
        wr_fsck_report(file->part->fsck, WR_FSCK_DAMAGED, place,
                       "%s: damaged at byte %llu, where offset %llu should be: %s; %s", file->path,
                       u(walked->position), u(walked->offset),
                       walked->reason != NULL ? walked->reason : "what lies there is no footer",
                       lost);
    }
    wr_free(lost);
}

// ---- headers ----

// The place a header says it is of, if its own checksum agrees.
static bool header_place(const char *bytes, struct wr_log_place *place,
                         struct wr_segment_header *header)
{
    const char *reason;
    memcpy(&place->log, bytes + 16, sizeof(place->log));
    memcpy(&place->topic, bytes + 32, sizeof(place->topic));
    memcpy(&place->partition, bytes + 48, sizeof(place->partition));
    return wr_segment_header_decode(bytes, wr_log_crc_seed(place), header, &reason);
}

// A last segment whose making was cut off holds nothing yet.
static bool is_unfinished(const struct file *file)
{
    const struct part *part = file->part;
    return file->is_last && part->has_start &&
           (part->start.newest_base == UINT64_MAX || file->base > part->start.newest_base);
}

static void report_header(const struct file *file, const char *bytes, int64_t got)
{
    struct part                *part = file->part;
    struct wr_log_place         place;
    struct wr_segment_header    header;
    const uint64_t              end = end_by_others(file);
    const struct wr_fsck_place *at  = AT(file, 0, file->base, end);
    if (got < 0) {
        wr_fsck_report(part->fsck, WR_FSCK_UNREADABLE, at, "%s: cannot be read: %s", file->path,
                       strerror((int)-got));
    } else if (got == WR_SEGMENT_HEADER_BYTES && header_place(bytes, &place, &header)) {
        const bool is_log   = memcmp(&place.log, &part->place.log, sizeof(place.log)) == 0;
        const bool is_topic = memcmp(&place.topic, &part->place.topic, sizeof(place.topic)) == 0;
        char      *whose    = NULL;
        if (is_log && is_topic) {
            whose = wr_format("partition %u", place.partition);
        } else {
            whose = wr_copy_text(is_log ? OTHER_TOPIC : OTHER_LOG);
        }
        wr_fsck_report(part->fsck, WR_FSCK_FOREIGN, at,
                       "%s: it is of %s, base offset %llu, and does not belong here; put back "
                       "the right file",
                       file->path, whose, u(header.base_offset));
        wr_free(whose);
    } else if (is_unfinished(file)) {
        wr_fsck_report(part->fsck, WR_FSCK_TAIL, AT(file, 0, file->base, file->base),
                       "%s: its making was cut off; nothing was acknowledged in it, and the next "
                       "writer removes it",
                       file->path);
    } else if (got < (int64_t)WR_SEGMENT_HEADER_BYTES) {
        wr_fsck_report(part->fsck, WR_FSCK_SHORT, at,
                       "%s: cut short at byte %llu, within its header of %u; its records from "
                       "offset %llu on cannot be read",
                       file->path, u((uint64_t)got), WR_SEGMENT_HEADER_BYTES, u(file->base));
    } else {
        wr_fsck_report(part->fsck, WR_FSCK_DAMAGED, at,
                       "%s: its header, the first %u bytes, is damaged; its records from offset "
                       "%llu on are not read without it",
                       file->path, WR_SEGMENT_HEADER_BYTES, u(file->base));
    }
}

// Reads the header; false: it was told why the file cannot be gone into.
static bool check_header(struct file *file)
{
    struct part           *part        = file->part;
    struct wr_environment *environment = part->fsck->environment;
    char                  *bytes       = wr_alloc(WR_SEGMENT_HEADER_BYTES);
    const char            *reason;
    const int64_t got      = read_fully(environment, file->file, bytes, WR_SEGMENT_HEADER_BYTES, 0);
    const bool    is_right = got == WR_SEGMENT_HEADER_BYTES &&
                          wr_segment_header_decode(bytes, part->seed, &file->header, &reason);
    if (!is_right) {
        report_header(file, bytes, got);
    } else if (file->header.base_offset != file->base) {
        wr_fsck_report(part->fsck, WR_FSCK_FOREIGN,
                       AT(file, 0, file->header.base_offset, file->header.base_offset),
                       "%s: its name says offset %llu, its header %llu: it was renamed or "
                       "exchanged; name it %020llu.segment again",
                       file->path, u(file->base), u(file->header.base_offset),
                       u(file->header.base_offset));
    }
    wr_free(bytes);
    return is_right && file->header.base_offset == file->base;
}

// ---- one segment ----

static void check_sealed(struct file *file)
{
    struct part                   *part   = file->part;
    const struct wr_segment_index *index  = &file->index_found;
    const struct walked            walked = walk(file, file->bytes);
    part->end = part->next = index->end_offset;
    if (!walked.has_footer) {
        report_stop(file, &walked, index->end_offset);
    } else if (walked.offset != index->end_offset || walked.rows != index->rows) {
        wr_fsck_report(
            part->fsck, WR_FSCK_DAMAGED, AT(file, walked.position, walked.offset, walked.offset),
            "%s: its footer says %llu records up to offset %llu, but it holds %llu up "
            "to %llu",
            file->path, u(index->rows), u(index->end_offset), u(walked.rows), u(walked.offset));
    }
}

// One that is being written: as far as its writer says.
static void check_living(struct file *file)
{
    struct part        *part   = file->part;
    const struct walked walked = walk(file, part->live.segment_bytes);
    part->end = part->next = part->live.readable;
    if (walked.end != WR_CURSOR_END && !walked.has_footer) {
        report_stop(file, &walked, part->live.readable);
    }
}

// The last one, of a log that nobody writes.
static void check_tail(struct file *file)
{
    struct part        *part = file->part;
    struct wr_tail      tail;
    struct wr_log_error error = { .status = WEIR_OK };
    const uint64_t      cut =
        part->start.cut_count > 0 ? part->start.cuts[part->start.cut_count - 1].number : 0;
    const uint64_t    told   = part->has_live && part->live.cut == cut ? part->live.durable : 0;
    const uint64_t    noted  = part->has_start ? part->start.durable : 0;
    const uint64_t    known  = told > noted ? told : noted;
    const weir_status status = wr_tail_read(part->fsck->environment, file->path, WR_OPEN_READ,
                                            &part->place, file->base, known, &tail, &error);
    if (status != WEIR_OK) {
        const struct walked walked = walk(file, file->bytes);
        const uint64_t      end    = tail.durable > walked.offset ? tail.durable : walked.offset;
        if (walked.has_footer) {
            wr_fsck_report(part->fsck, WR_FSCK_DAMAGED,
                           AT(file, walked.position, walked.offset, end), "%s", error.sentence);
        } else if (is_cut_short(file, &walked) || walked.end == WR_CURSOR_FAILED) {
            report_stop(file, &walked, end);
        } else {
            wr_fsck_report(part->fsck, WR_FSCK_DAMAGED,
                           AT(file, walked.position, walked.offset, end), "%s", error.sentence);
        }
        part->next = UINT64_MAX;
        part->end  = UINT64_MAX;
        wr_log_error_fini(&error);
        return;
    }
    if (tail.garbage_bytes > 0) {
        wr_fsck_report(part->fsck, WR_FSCK_TAIL,
                       AT(file, tail.position, tail.end_offset, tail.end_offset),
                       "%s: a crash left %llu bytes half written from byte %llu on, behind offset "
                       "%llu; they were never acknowledged, and the next writer drops them",
                       file->path, u(tail.garbage_bytes), u(tail.position), u(tail.end_offset));
    } else if (tail.is_sealed && tail.position < file->bytes) {
        wr_fsck_report(part->fsck, WR_FSCK_TAIL,
                       AT(file, tail.position, tail.end_offset, tail.end_offset),
                       "%s: room is set aside behind its footer, which ends at byte %llu; the next "
                       "writer gives it back",
                       file->path, u(tail.position));
    }
    (void)walk(file, tail.position);
    part->end = part->next = tail.end_offset;
    wr_tail_fini(&tail);
}

static void check_unsealed(struct file *file)
{
    struct part *part = file->part;
    if (part->is_written && part->has_live && file->base == part->live.segment_base) {
        check_living(file);
    } else if (file->is_last) {
        check_tail(file);
    } else {
        const struct walked walked = walk(file, file->bytes);
        report_stop(file, &walked, end_by_others(file));
        part->next = UINT64_MAX;
    }
}

// How the segment fits behind those before. False: it holds nothing that is not elsewhere.
static bool check_fit(struct file *file)
{
    struct part   *part = file->part;
    const uint64_t end  = file->index_found.end_offset;
    if (file->is_sealed && !file->is_last && part->has_start && end <= part->start.first_offset) {
        wr_fsck_report(part->fsck, WR_FSCK_TAIL, AT(file, UINT64_MAX, file->base, file->base),
                       "%s: its records, before offset %llu, were dropped, and the next writer "
                       "removes the file",
                       file->path, u(part->start.first_offset));
        return false;
    }
    if (part->next == UINT64_MAX || file->base == part->next) {
        return true;
    }
    if (file->base > part->next) {
        wr_fsck_report(part->fsck, WR_FSCK_MISSING, AT(file, UINT64_MAX, part->next, file->base),
                       "%s: a segment is missing: offsets %llu to %llu are not there, before %s",
                       part->directory, u(part->next), u(file->base - 1), file->path);
        return true;
    }
    if (file->is_sealed && end <= part->next && part->generation > file->header.generation) {
        wr_fsck_report(part->fsck, WR_FSCK_TAIL, AT(file, UINT64_MAX, file->base, file->base),
                       "%s: compaction was cut off; its records are in the segment before it, and "
                       "the next writer removes the file",
                       file->path);
        return false;
    }
    wr_fsck_report(part->fsck, WR_FSCK_FOREIGN, AT(file, UINT64_MAX, file->base, part->next),
                   "%s: it begins at offset %llu, but the segment before it ends at %llu: one of "
                   "them is of another time; put back the right one",
                   file->path, u(file->base), u(part->next));
    return true;
}

static void check_open_file(struct file *file)
{
    struct part               *part        = file->part;
    struct wr_environment     *environment = part->fsck->environment;
    struct wr_log_batch_header footer;
    struct wr_file_info        info = { .size_bytes = 0 };
    (void)environment->ops->info(environment, file->path, &info);
    file->bytes = info.size_bytes;
    part->fsck->summary->segments++;
    if (!check_header(file)) {
        part->next = UINT64_MAX;
        part->end  = UINT64_MAX;
        return;
    }
    wr_segment_index_init(&file->index_found, file->base);
    file->is_sealed = wr_segment_read_footer(environment, file->file, file->bytes, part->seed,
                                             &footer, &file->index_found);
    if (check_fit(file)) {
        if (file->is_sealed) {
            check_sealed(file);
        } else {
            check_unsealed(file);
        }
        part->generation = file->header.generation;
    }
    wr_segment_index_fini(&file->index_found);
}

static void check_file(struct part *part, uint32_t index)
{
    struct wr_environment *environment = part->fsck->environment;
    struct file            file        = { .part    = part,
                                           .index   = index,
                                           .base    = part->bases[index],
                                           .is_last = index + 1 == part->count };
    file.path                          = wr_segment_path(part->directory, file.base);
    file.file = environment->ops->open(environment, file.path, WR_OPEN_READ);
    if (file.file >= 0) {
        check_open_file(&file);
        environment->ops->close(environment, file.file);
    } else if (file.file != -ENOENT) {
        wr_fsck_report(part->fsck, WR_FSCK_UNREADABLE,
                       AT(&file, UINT64_MAX, file.base, end_by_others(&file)),
                       "%s: cannot be opened: %s", file.path, strerror(-file.file));
        part->next = UINT64_MAX;
    }
    wr_free(file.path);
}

// ---- the partition ----

static const struct wr_fsck_place *at_partition(const struct part *part, const char *path,
                                                uint64_t first, uint64_t end,
                                                struct wr_fsck_place *place)
{
    *place = (struct wr_fsck_place){ .topic        = part->topic,
                                     .partition    = part->number,
                                     .path         = path,
                                     .byte         = UINT64_MAX,
                                     .first_offset = first,
                                     .end_offset   = end };
    return place;
}

static void check_ends(const struct part *part, uint64_t last_base)
{
    struct wr_fsck_place place;
    const uint64_t       newest = part->start.newest_base;
    if (!part->has_start || newest == UINT64_MAX) {
        return;
    }
    const bool is_merged = part->count > 0 && part->next != UINT64_MAX && part->next > newest;
    if ((part->count == 0 || last_base < newest) && !is_merged) {
        wr_fsck_report(
            part->fsck, WR_FSCK_MISSING,
            at_partition(part, part->directory, newest, newest, &place),
            "%s: the newest segment is missing, which began at offset %llu; what it held "
            "is lost",
            part->directory, u(newest));
    }
}

static void take_leftover(void *opaque, const char *name)
{
    const struct part   *part   = opaque;
    const size_t         length = strlen(name);
    struct wr_fsck_place place;
    if (length > 4 && strcmp(name + length - 4, ".tmp") == 0 && !part->is_written) {
        char *path = wr_format("%s/%s", part->directory, name);
        wr_fsck_report(part->fsck, WR_FSCK_TAIL, at_partition(part, path, 0, 0, &place),
                       "%s: was being made when a crash came; the next writer removes it", path);
        wr_free(path);
    }
}

// The ids are taken from the first segment whose header agrees with itself, if a damaged small file
// does not give them.
static bool find_ids(struct part *part)
{
    struct wr_fsck_topic  *topic       = part->topic;
    struct wr_environment *environment = part->fsck->environment;
    char                  *bytes       = wr_alloc(WR_SEGMENT_HEADER_BYTES);
    for (uint32_t i = 0; i < part->count && !(topic->has_id && part->fsck->has_id); i++) {
        struct wr_log_place      place;
        struct wr_segment_header header;
        char                    *path = wr_segment_path(part->directory, part->bases[i]);
        const int                file = environment->ops->open(environment, path, WR_OPEN_READ);
        if (file >= 0) {
            const int64_t got = read_fully(environment, file, bytes, WR_SEGMENT_HEADER_BYTES, 0);
            if (got == WR_SEGMENT_HEADER_BYTES && header_place(bytes, &place, &header)) {
                part->fsck->id     = part->fsck->has_id ? part->fsck->id : place.log;
                topic->file.id     = topic->has_id ? topic->file.id : place.topic;
                part->fsck->has_id = topic->has_id = true;
            }
            environment->ops->close(environment, file);
        }
        wr_free(path);
    }
    wr_free(bytes);
    part->place = (struct wr_log_place){ part->fsck->id, topic->file.id, part->number };
    part->seed  = wr_log_crc_seed(&part->place);
    return topic->has_id && part->fsck->has_id;
}

static void read_live(struct part *part)
{
    int             io_error;
    char           *path = wr_format("%s/live", part->topic->directory);
    struct wr_live *live =
        wr_live_open_reader(part->fsck->environment, path, part->topic->partitions, &io_error);
    if (live != NULL) {
        part->has_live = wr_live_is_current(live) && wr_live_read(live, part->number, &part->live);
        wr_live_close(live);
    }
    wr_free(path);
}

static void read_start(struct part *part)
{
    struct wr_log_error  error = { .status = WEIR_OK };
    struct wr_fsck_place place;
    part->has_start = wr_partition_start_read(part->fsck->environment, part->directory,
                                              &part->start, &error) == WEIR_OK;
    if (!part->has_start) {
        char *path = wr_format("%s/start", part->directory);
        wr_fsck_report(part->fsck, WR_FSCK_FILE, at_partition(part, path, 0, 0, &place), "%s",
                       error.sentence);
        wr_free(path);
    }
    wr_log_error_fini(&error);
}

// False: the directory cannot be listed, which was told.
static bool list_segments(struct part *part)
{
    struct wr_fsck_place place;
    const int            listed =
        wr_segment_list(part->fsck->environment, part->directory, &part->bases, &part->count);
    if (listed < 0) {
        wr_fsck_report(part->fsck, listed == -ENOENT ? WR_FSCK_MISSING : WR_FSCK_UNREADABLE,
                       at_partition(part, part->directory, 0, 0, &place),
                       "%s: partition %u of topic %s cannot be listed: %s", part->directory,
                       part->number, part->topic->name, strerror(-listed));
        return false;
    }
    while (part->is_written && part->has_live && part->count > 0 &&
           part->bases[part->count - 1] > part->live.segment_base) {
        part->count--; // is being made
    }
    return true;
}

static void report_undecided(const struct part *part)
{
    struct wr_fsck_place place;
    if (part->undecided > 0) {
        wr_fsck_report(part->fsck, WR_FSCK_TRANSACTION,
                       at_partition(part, part->directory, part->first_undecided,
                                    part->first_undecided, &place),
                       "%s: %llu batches, the first at offset %llu, are of transactions that the "
                       "topic %s does not decide; readers of committed records stop there",
                       part->directory, u(part->undecided), u(part->first_undecided),
                       WR_TRANSACTIONS_TOPIC);
    }
}

// Whatever a writer would refuse is damage, should nothing above have seen it.
static void ask_recovery(struct part *part)
{
    struct wr_found      found;
    struct wr_fsck_place place;
    struct wr_log_error  error = { .status = WEIR_OK };
    if (wr_partition_find(part->fsck->environment, part->directory, &part->place, &found, &error) ==
        WEIR_OK) {
        wr_found_fini(&found);
    } else {
        wr_fsck_report(part->fsck, WR_FSCK_DAMAGED,
                       at_partition(part, part->directory, 0, 0, &place), "%s", error.sentence);
    }
    wr_log_error_fini(&error);
}

static void check_once(struct part *part)
{
    struct wr_fsck *fsck   = part->fsck;
    const uint32_t  before = fsck->summary->findings + fsck->counted;
    read_live(part);
    read_start(part);
    if (!list_segments(part) || !find_ids(part)) {
        return;
    }
    part->next = part->has_start ? part->start.first_offset : UINT64_MAX;
    part->end  = part->next;
    if (part->count > 0 && part->next != UINT64_MAX && part->bases[0] < part->next) {
        part->next = part->bases[0]; // records before the first offset share its segment
    }
    for (uint32_t i = 0; i < part->count; i++) {
        check_file(part, i);
    }
    check_ends(part, part->count > 0 ? part->bases[part->count - 1] : 0);
    (void)fsck->environment->ops->list(fsck->environment, part->directory, take_leftover, part);
    report_undecided(part);
    if (fsck->summary->findings + fsck->counted == before && !part->is_written) {
        ask_recovery(part);
    }
}

void wr_fsck_partition(struct wr_fsck_topic *topic, uint32_t number)
{
    struct wr_fsck              *fsck  = topic->fsck;
    const struct wr_fsck_summary start = *fsck->summary;
    topic->ends[number]                = UINT64_MAX;
    for (uint32_t i = 0; i < TRIES; i++) {
        struct part part  = { .fsck       = fsck,
                              .topic      = topic,
                              .number     = number,
                              .directory  = wr_format("%s/%u", topic->directory, number),
                              .end        = UINT64_MAX,
                              .is_written = fsck->summary->has_writer };
        fsck->is_counting = part.is_written && i + 1 < TRIES;
        fsck->counted     = 0;
        check_once(&part);
        topic->ends[number] = part.end;
        wr_partition_start_fini(&part.start);
        wr_free(part.bases);
        wr_free(part.directory);
        wr_free(part.unpacked);
        if (fsck->counted == 0) {
            break;
        }
        *fsck->summary = start;
    }
    fsck->is_counting = false;
    fsck->summary->partitions++;
}
