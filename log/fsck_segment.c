// fsck of one segment's file: its header, how it fits behind the segments before, and whether it
// goes as far as it should.
//
// Where it ends is known from itself if it is sealed; else from the segment behind it; and of the
// last one from what its writer told, from its start file, and from its own batches.
#include "log/fsck_part.h"

#include "log/tail.h"

#include <errno.h>
#include <string.h>

#define OTHER_LOG   "another log"
#define OTHER_TOPIC "another topic, or of one of this name before it was made anew"

static unsigned long long u(uint64_t value) { return value; }

// Where the segment has to end by what is known without it.
static uint64_t end_by_others(const struct wr_fsck_file *file)
{
    const struct wr_fsck_part *part = file->part;
    return !file->is_last                                       ? part->bases[file->index + 1]
           : part->has_live && part->live.readable > file->base ? part->live.readable
                                                                : file->base;
}

// ---- where it stops ----

static bool is_cut_short(const struct wr_fsck_file *file, const struct wr_fsck_walked *walked)
{
    struct wr_log_batch_header header;
    const char                *reason;
    char                       bytes[WR_BATCH_HEADER_BYTES];
    if (file->bytes < walked->position + sizeof(bytes)) {
        return true;
    }
    const int64_t got = wr_log_read_fully(file->part->fsck->environment, file->file, bytes,
                                          sizeof(bytes), walked->position, 1);
    return got < (int64_t)sizeof(bytes) ||
           (wr_batch_header_decode(bytes, sizeof(bytes), file->part->seed, &header, &reason) ==
                WR_BATCH_SHORT &&
            header.bytes > 0 && walked->position + header.bytes > file->bytes);
}

// Tells where a walk ended that should have gone on to `end`.
static void report_stop(const struct wr_fsck_file *file, const struct wr_fsck_walked *walked,
                        uint64_t end)
{
    const struct wr_fsck_place *place   = WR_FSCK_AT(file, walked->position, walked->offset,
                                                   end > walked->offset ? end : walked->offset);
    const bool                  is_lost = end > walked->offset;
    char                       *lost    = NULL;
    if (is_lost) {
        lost = wr_format("offsets %llu to %llu cannot be read", u(walked->offset), u(end - 1));
    } else {
        lost = wr_format("all records before offset %llu can be read", u(walked->offset));
    }
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

bool wr_fsck_header_place(const char *bytes, struct wr_log_place *place,
                          struct wr_segment_header *header)
{
    const char *reason;
    memcpy(&place->log, bytes + 16, sizeof(place->log));
    memcpy(&place->topic, bytes + 32, sizeof(place->topic));
    memcpy(&place->partition, bytes + 48, sizeof(place->partition));
    return wr_segment_header_decode(bytes, wr_log_crc_seed(place), header, &reason);
}

// A last segment whose making was cut off holds nothing yet.
static bool is_unfinished(const struct wr_fsck_file *file)
{
    const struct wr_fsck_part *part = file->part;
    return file->is_last && part->has_start &&
           (part->start.newest_base == UINT64_MAX || file->base > part->start.newest_base);
}

static void report_header(const struct wr_fsck_file *file, const char *bytes, int64_t got)
{
    struct wr_fsck_part        *part = file->part;
    struct wr_log_place         place;
    struct wr_segment_header    header;
    const uint64_t              end = end_by_others(file);
    const struct wr_fsck_place *at  = WR_FSCK_AT(file, 0, file->base, end);
    if (got < 0) {
        wr_fsck_report(part->fsck, WR_FSCK_UNREADABLE, at, "%s: cannot be read: %s", file->path,
                       strerror((int)-got));
    } else if (got == WR_SEGMENT_HEADER_BYTES && wr_fsck_header_place(bytes, &place, &header)) {
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
        wr_fsck_report(part->fsck, WR_FSCK_TAIL, WR_FSCK_AT(file, 0, file->base, file->base),
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
static bool check_header(struct wr_fsck_file *file)
{
    struct wr_fsck_part   *part        = file->part;
    struct wr_environment *environment = part->fsck->environment;
    char                  *bytes       = wr_alloc(WR_SEGMENT_HEADER_BYTES);
    const char            *reason;
    const int64_t          got =
        wr_log_read_fully(environment, file->file, bytes, WR_SEGMENT_HEADER_BYTES, 0, 1);
    const bool is_right = got == WR_SEGMENT_HEADER_BYTES &&
                          wr_segment_header_decode(bytes, part->seed, &file->header, &reason);
    if (!is_right) {
        report_header(file, bytes, got);
    } else if (file->header.base_offset != file->base) {
        wr_fsck_report(part->fsck, WR_FSCK_FOREIGN,
                       WR_FSCK_AT(file, 0, file->header.base_offset, file->header.base_offset),
                       "%s: its name says offset %llu, its header %llu: it was renamed or "
                       "exchanged; name it %020llu.segment again",
                       file->path, u(file->base), u(file->header.base_offset),
                       u(file->header.base_offset));
    }
    wr_free(bytes);
    return is_right && file->header.base_offset == file->base;
}

// ---- one segment ----

static void check_sealed(struct wr_fsck_file *file)
{
    struct wr_fsck_part           *part   = file->part;
    const struct wr_segment_index *index  = &file->index_found;
    const struct wr_fsck_walked    walked = wr_fsck_walk(file, file->bytes);
    part->end = part->next = index->end_offset;
    if (!walked.has_footer) {
        report_stop(file, &walked, index->end_offset);
    } else if (walked.offset != index->end_offset || walked.rows != index->rows) {
        wr_fsck_report(part->fsck, WR_FSCK_DAMAGED,
                       WR_FSCK_AT(file, walked.position, walked.offset, walked.offset),
                       "%s: its footer says %llu records up to offset %llu, but it holds %llu up "
                       "to %llu",
                       file->path, u(index->rows), u(index->end_offset), u(walked.rows),
                       u(walked.offset));
    }
}

// One that is being written: as far as its writer says.
static void check_living(struct wr_fsck_file *file)
{
    struct wr_fsck_part        *part   = file->part;
    const struct wr_fsck_walked walked = wr_fsck_walk(file, part->live.segment_bytes);
    part->end = part->next = part->live.readable;
    if (walked.end != WR_CURSOR_END && !walked.has_footer) {
        report_stop(file, &walked, part->live.readable);
    }
}

// The last one, of a log that nobody writes.
static void check_tail(struct wr_fsck_file *file)
{
    struct wr_fsck_part *part = file->part;
    struct wr_tail       tail;
    struct wr_log_error  error = { .status = WEIR_OK };
    const uint64_t       cut =
        part->start.cut_count > 0 ? part->start.cuts[part->start.cut_count - 1].number : 0;
    const uint64_t    told   = part->has_live && part->live.cut == cut ? part->live.durable : 0;
    const uint64_t    noted  = part->has_start ? part->start.durable : 0;
    const uint64_t    known  = told > noted ? told : noted;
    const weir_status status = wr_tail_read(part->fsck->environment, file->path, WR_OPEN_READ,
                                            &part->place, file->base, known, &tail, &error);
    if (status != WEIR_OK) {
        const struct wr_fsck_walked walked = wr_fsck_walk(file, file->bytes);
        const uint64_t end = tail.durable > walked.offset ? tail.durable : walked.offset;
        if (walked.has_footer) {
            wr_fsck_report(part->fsck, WR_FSCK_DAMAGED,
                           WR_FSCK_AT(file, walked.position, walked.offset, end), "%s",
                           error.sentence);
        } else if (is_cut_short(file, &walked) || walked.end == WR_CURSOR_FAILED) {
            report_stop(file, &walked, end);
        } else {
            wr_fsck_report(part->fsck, WR_FSCK_DAMAGED,
                           WR_FSCK_AT(file, walked.position, walked.offset, end), "%s",
                           error.sentence);
        }
        part->next = UINT64_MAX;
        part->end  = UINT64_MAX;
        wr_log_error_fini(&error);
        return;
    }
    if (tail.garbage_bytes > 0) {
        wr_fsck_report(part->fsck, WR_FSCK_TAIL,
                       WR_FSCK_AT(file, tail.position, tail.end_offset, tail.end_offset),
                       "%s: a crash left %llu bytes half written from byte %llu on, behind offset "
                       "%llu; they were never acknowledged, and the next writer drops them",
                       file->path, u(tail.garbage_bytes), u(tail.position), u(tail.end_offset));
    } else if (tail.is_sealed && tail.position < file->bytes) {
        wr_fsck_report(part->fsck, WR_FSCK_TAIL,
                       WR_FSCK_AT(file, tail.position, tail.end_offset, tail.end_offset),
                       "%s: room is set aside behind its footer, which ends at byte %llu; the next "
                       "writer gives it back",
                       file->path, u(tail.position));
    }
    (void)wr_fsck_walk(file, tail.position);
    part->end = part->next = tail.end_offset;
    wr_tail_fini(&tail);
}

static void check_unsealed(struct wr_fsck_file *file)
{
    struct wr_fsck_part *part = file->part;
    if (part->is_written && part->has_live && file->base == part->live.segment_base) {
        check_living(file);
    } else if (file->is_last) {
        check_tail(file);
    } else {
        const struct wr_fsck_walked walked = wr_fsck_walk(file, file->bytes);
        report_stop(file, &walked, end_by_others(file));
        part->next = UINT64_MAX;
    }
}

// How the segment fits behind those before. False: it holds nothing that is not elsewhere.
static bool check_fit(struct wr_fsck_file *file)
{
    struct wr_fsck_part *part = file->part;
    const uint64_t       end  = file->index_found.end_offset;
    if (file->is_sealed && !file->is_last && part->has_start && end <= part->start.first_offset) {
        wr_fsck_report(part->fsck, WR_FSCK_TAIL,
                       WR_FSCK_AT(file, UINT64_MAX, file->base, file->base),
                       "%s: its records, before offset %llu, were dropped, and the next writer "
                       "removes the file",
                       file->path, u(part->start.first_offset));
        return false;
    }
    if (part->next == UINT64_MAX || file->base == part->next) {
        return true;
    }
    if (file->base > part->next) {
        wr_fsck_report(part->fsck, WR_FSCK_MISSING,
                       WR_FSCK_AT(file, UINT64_MAX, part->next, file->base),
                       "%s: a segment is missing: offsets %llu to %llu are not there, before %s",
                       part->directory, u(part->next), u(file->base - 1), file->path);
        return true;
    }
    if (file->is_sealed && end <= part->next && part->generation > file->header.generation) {
        wr_fsck_report(part->fsck, WR_FSCK_TAIL,
                       WR_FSCK_AT(file, UINT64_MAX, file->base, file->base),
                       "%s: compaction was cut off; its records are in the segment before it, and "
                       "the next writer removes the file",
                       file->path);
        return false;
    }
    wr_fsck_report(part->fsck, WR_FSCK_FOREIGN,
                   WR_FSCK_AT(file, UINT64_MAX, file->base, part->next),
                   "%s: it begins at offset %llu, but the segment before it ends at %llu: one of "
                   "them is of another time; put back the right one",
                   file->path, u(file->base), u(part->next));
    return true;
}

static void check_open_file(struct wr_fsck_file *file)
{
    struct wr_fsck_part       *part        = file->part;
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

void wr_fsck_segment(struct wr_fsck_part *part, uint32_t index)
{
    struct wr_environment *environment = part->fsck->environment;
    struct wr_fsck_file    file        = { .part    = part,
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
                       WR_FSCK_AT(&file, UINT64_MAX, file.base, end_by_others(&file)),
                       "%s: cannot be opened: %s", file.path, strerror(-file.file));
        part->next = UINT64_MAX;
    }
    wr_free(file.path);
}
