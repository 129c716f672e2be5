#include "log/segment.h"

#include "runtime/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES_DEFAULT (256u << 10)
#define NAME_DIGITS         20
#define NAME_SUFFIX         ".segment"

// ---- names ----

// False if `name` is not a segment's.
static bool base_of_name(const char *name, uint64_t *base)
{
    if (strspn(name, "0123456789") != NAME_DIGITS || strcmp(name + NAME_DIGITS, NAME_SUFFIX) != 0) {
        return false;
    }
    errno = 0;
    *base = strtoull(name, NULL, 10);
    return errno == 0;
}

struct base_list {
    uint64_t *bases;
    uint32_t  count, capacity;
};

static void take_name(void *opaque, const char *name)
{
    struct base_list *list = opaque;
    uint64_t          base;
    if (!base_of_name(name, &base)) {
        return;
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity * 2 + 16;
        list->bases    = wr_realloc(list->bases, list->capacity * sizeof(*list->bases));
    }
    list->bases[list->count++] = base;
}

int wr_segment_list(struct wr_environment *environment, const char *directory, uint64_t **bases,
                    uint32_t *count)
{
    struct base_list list   = { NULL, 0, 0 };
    const int        status = environment->ops->list(environment, directory, take_name, &list);
    *bases                  = list.bases; // in byte order, which is ascending: all have 20 digits
    *count                  = list.count;
    return status;
}

char *wr_segment_path(const char *directory, uint64_t base_offset)
{
    return wr_format("%s/%020llu" NAME_SUFFIX, directory, (unsigned long long)base_offset);
}

// ---- opening and making ----

int64_t wr_log_read_fully(struct wr_environment *environment, int file, char *to, size_t bytes,
                          uint64_t offset, size_t align)
{
    size_t done = 0;
    while (done < bytes && done % align == 0) {
        const int64_t got = environment->ops->read_at(environment, file, to + done, bytes - done,
                                                      (int64_t)(offset + done));
        if (got < 0) {
            return got;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (int64_t)done;
}

// Checks the header of an open file. The bytes are read past the page cache, if it was opened so.
static weir_status check_header(struct wr_environment *environment, int file, const char *path,
                                const struct wr_log_place *place, uint64_t base_offset,
                                struct wr_segment_header *header, struct wr_log_error *error)
{
    char         *bytes = wr_alloc_aligned(WR_SEGMENT_HEADER_BYTES, WR_DIRECT_ALIGN);
    const int64_t got = wr_log_read_fully(environment, file, bytes, WR_SEGMENT_HEADER_BYTES, 0, 1);
    const char   *reason = "it ends within its header";
    weir_status   status = WEIR_OK;
    if (got < 0) {
        status = wr_log_fail(error, wr_log_status_of((int)got), "%s: cannot read it: %s", path,
                             strerror((int)-got));
    } else if (got < (int64_t)WR_SEGMENT_HEADER_BYTES ||
               !wr_segment_header_decode(bytes, wr_log_crc_seed(place), header, &reason)) {
        status = wr_log_fail(error, WEIR_DAMAGED,
                             "%s: its header is not a segment's of this "
                             "partition: %s",
                             path, reason);
    } else if (header->base_offset != base_offset) {
        status = wr_log_fail(error, WEIR_DAMAGED,
                             "%s: its name says offset %llu, its header %llu: files were exchanged "
                             "or renamed",
                             path, (unsigned long long)base_offset,
                             (unsigned long long)header->base_offset);
    }
    wr_free(bytes);
    return status;
}

weir_status wr_segment_open(struct wr_environment *environment, const char *path,
                            enum wr_open_mode mode, const struct wr_log_place *place,
                            uint64_t base_offset, int *file, struct wr_segment_header *header,
                            struct wr_log_error *error)
{
    const int opened = environment->ops->open(environment, path, mode);
    if (opened < 0) {
        return wr_log_fail(error, wr_log_status_of(opened), "%s: cannot open it: %s", path,
                           strerror(-opened));
    }
    const weir_status status =
        check_header(environment, opened, path, place, base_offset, header, error);
    if (status != WEIR_OK) {
        environment->ops->close(environment, opened);
        return status;
    }
    *file = opened;
    return WEIR_OK;
}

// The steps of making a segment's file; 0 or -errno. A failed sync is -EIO, whatever it says: it is
// never tried again.
static int fill_new_file(struct wr_environment *environment, int file, const char *directory,
                         const struct wr_segment_header *header, uint32_t seed, uint64_t room_bytes)
{
    int status = environment->ops->preallocate(environment, file, room_bytes);
    if (status < 0) {
        return status;
    }
    char *bytes = wr_alloc_aligned(WR_SEGMENT_HEADER_BYTES, WR_DIRECT_ALIGN);
    wr_segment_header_encode(header, seed, bytes);
    status = wr_file_write(environment, file, bytes, WR_SEGMENT_HEADER_BYTES, 0);
    wr_free(bytes);
    if (status == 0 && environment->ops->sync_data(environment, file) < 0) {
        status = -EIO;
    }
    return status < 0 ? status : environment->ops->sync_directory(environment, directory);
}

weir_status wr_segment_create(struct wr_environment *environment, const char *path,
                              const char *directory, const struct wr_segment_header *header,
                              uint32_t seed, uint64_t room_bytes, int *file, int *io_error,
                              struct wr_log_error *error)
{
    const int made   = environment->ops->open(environment, path, WR_OPEN_EXCLUSIVE);
    int       status = made;
    if (made >= 0) {
        environment->ops->close(environment, made);
        *file  = environment->ops->open(environment, path, WR_OPEN_UPDATE);
        status = *file < 0 ? *file
                           : fill_new_file(environment, *file, directory, header, seed, room_bytes);
        if (status < 0) {
            if (*file >= 0) {
                environment->ops->close(environment, *file);
            }
            (void)environment->ops->unlink(environment, path);
        }
    }
    if (status >= 0) {
        return WEIR_OK;
    }
    *file = -1;
    if (io_error != NULL) {
        *io_error = status;
    }
    return wr_log_fail(error, wr_log_status_of(status), "%s: cannot make the segment: %s", path,
                       strerror(-status));
}

// ---- pieces ----

// Takes the result of a read that is over; false if it failed.
static bool piece_collect(struct wr_cursor_piece *piece)
{
    piece->read.is_under_way = false;
    if (piece->read.request.result < 0) {
        piece->cursor->io_error = (int)piece->read.request.result;
        return false;
    }
    piece->filled += (size_t)piece->read.request.result;
    return true;
}

static void piece_reserve(struct wr_cursor_piece *piece, size_t bytes)
{
    if (bytes <= piece->capacity) {
        return;
    }
    const size_t capacity = wr_round_up(bytes, WR_DIRECT_ALIGN);
    char        *grown    = wr_alloc_aligned(capacity, WR_DIRECT_ALIGN);
    if (piece->filled > 0) {
        memcpy(grown, piece->bytes, piece->filled);
    }
    wr_free(piece->bytes);
    piece->bytes    = grown;
    piece->capacity = capacity;
}

static void piece_submit(struct wr_cursor_piece *piece, size_t bytes)
{
    piece->read.request = (struct wr_request){
        .verb   = WR_REQUEST_READ,
        .file   = piece->cursor->file,
        .buffer = piece->bytes + piece->filled,
        .bytes  = bytes,
        .offset = (int64_t)(piece->from + piece->filled),
    };
    wr_pending_submit(&piece->read, piece->cursor->wake, piece->cursor->waker);
}

// ---- a cursor ----

void wr_segment_cursor_init(struct wr_segment_cursor *cursor, struct wr_environment *environment,
                            int file, uint32_t seed, uint64_t base_offset, size_t piece_bytes)
{
    *cursor = (struct wr_segment_cursor){
        .environment = environment,
        .file        = file,
        .seed        = seed,
        .position    = WR_SEGMENT_HEADER_BYTES,
        .next_offset = base_offset,
        .limit       = WR_SEGMENT_HEADER_BYTES,
        .piece_bytes =
            piece_bytes != 0 ? wr_round_up(piece_bytes, WR_DIRECT_ALIGN) : PIECE_BYTES_DEFAULT,
    };
    for (uint32_t i = 0; i < 2; i++) {
        cursor->pieces[i].cursor = cursor;
        wr_pending_init(&cursor->pieces[i].read, environment);
    }
}

static void cursor_settle(struct wr_segment_cursor *cursor)
{
    for (uint32_t i = 0; i < 2; i++) {
        wr_pending_wait(&cursor->pieces[i].read);
        cursor->pieces[i].filled = 0;
    }
}

void wr_segment_cursor_fini(struct wr_segment_cursor *cursor)
{
    cursor_settle(cursor);
    for (uint32_t i = 0; i < 2; i++) {
        wr_free(cursor->pieces[i].bytes);
        wr_pending_fini(&cursor->pieces[i].read);
    }
}

void wr_segment_cursor_move(struct wr_segment_cursor *cursor, int file, uint32_t seed,
                            uint64_t position, uint64_t next_offset, uint32_t least_epoch)
{
    WR_ASSERT(position % WR_BATCH_ALIGN == 0);
    cursor_settle(cursor);
    cursor->file        = file;
    cursor->seed        = seed;
    cursor->position    = position;
    cursor->next_offset = next_offset;
    cursor->least_epoch = least_epoch;
    cursor->limit       = position;
}

// What places and lengths of reads are multiples of.
static size_t cursor_align(const struct wr_segment_cursor *cursor)
{
    return cursor->is_direct ? WR_DIRECT_ALIGN : 1;
}

// How much of the piece is worth reading: up to the limit.
static size_t piece_wanted(const struct wr_cursor_piece *piece)
{
    const uint64_t left =
        wr_round_up(piece->cursor->limit - piece->from, cursor_align(piece->cursor));
    return left < piece->capacity ? (size_t)left : piece->capacity;
}

// Where the first batch that does not lie wholly in the piece begins; `limit` if all of it does.
static uint64_t piece_boundary(const struct wr_cursor_piece *piece, uint32_t seed)
{
    uint64_t                   at = piece->cursor->position;
    struct wr_log_batch_header header;
    const char                *reason;
    for (;;) {
        const uint64_t skip = at - piece->from;
        if (skip >= piece->filled ||
            wr_batch_header_decode(piece->bytes + skip, piece->filled - skip, seed, &header,
                                   &reason) != WR_BATCH_VALID) {
            return at;
        }
        at += header.bytes;
    }
}

// Asynchronous: the piece behind the current one is read while that is walked.
static void cursor_read_ahead(struct wr_segment_cursor *cursor)
{
    struct wr_cursor_piece *next = &cursor->pieces[1 - cursor->current];
    const uint64_t boundary      = piece_boundary(&cursor->pieces[cursor->current], cursor->seed);
    if (boundary >= cursor->limit || next->read.is_under_way) {
        return;
    }
    WR_CHECK(!cursor->is_direct);
    next->from   = boundary;
    next->filled = 0;
    piece_reserve(next, cursor->piece_bytes);
    piece_submit(next, piece_wanted(next));
}

// Asynchronous: takes what is in memory without a request. WR_CURSOR_LATER: a request is under way
// for the rest.
static enum wr_cursor piece_read_soon(struct wr_cursor_piece *piece, size_t bytes)
{
    struct wr_segment_cursor *cursor = piece->cursor;
    const int64_t got = cursor->environment->ops->read_now(cursor->environment, cursor->file,
                                                           piece->bytes + piece->filled, bytes,
                                                           (int64_t)(piece->from + piece->filled));
    cursor->is_cold   = got == -EAGAIN;
    if (cursor->is_cold) {
        piece_submit(piece, bytes);
        return WR_CURSOR_LATER;
    }
    if (got < 0) {
        cursor->io_error = (int)got;
        return WR_CURSOR_FAILED;
    }
    if (got == 0) {
        cursor->reason = "the file ends before it should";
        return WR_CURSOR_INVALID;
    }
    piece->filled += (size_t)got;
    return WR_CURSOR_BATCH;
}

// Makes `need` bytes at the cursor's position lie in the current piece. WR_CURSOR_BATCH: they do.
static enum wr_cursor cursor_fill(struct wr_segment_cursor *cursor, size_t need)
{
    struct wr_cursor_piece *next = &cursor->pieces[1 - cursor->current];
    if (next->read.is_under_way) {
        if (!wr_pending_is_settled(&next->read)) {
            return WR_CURSOR_LATER;
        }
        if (!piece_collect(next)) {
            return WR_CURSOR_FAILED;
        }
        if (next->read.request.result == 0) {
            cursor->reason = "the file ends before it should";
            return WR_CURSOR_INVALID;
        }
    }
    const uint64_t from = cursor->position - cursor->position % cursor_align(cursor);
    if (next->from != from) {
        next->from   = from;
        next->filled = 0;
    }
    need += cursor->position - from;
    while (next->filled < need) {
        piece_reserve(next, need > cursor->piece_bytes ? need : cursor->piece_bytes);
        const size_t bytes = piece_wanted(next) - next->filled;
        if (cursor->wake != NULL) {
            const enum wr_cursor soon = piece_read_soon(next, bytes);
            if (soon != WR_CURSOR_BATCH) {
                return soon;
            }
            continue;
        }
        const int64_t got =
            wr_log_read_fully(cursor->environment, cursor->file, next->bytes + next->filled, bytes,
                              next->from + next->filled, cursor_align(cursor));
        if (got < 0) {
            cursor->io_error = (int)got;
            return WR_CURSOR_FAILED;
        }
        next->filled += (size_t)got;
        if (next->filled < need) {
            cursor->reason = "the file ends before it should";
            return WR_CURSOR_INVALID;
        }
    }
    cursor->pieces[cursor->current].filled = 0;
    cursor->current                        = 1 - cursor->current;
    if (cursor->is_cold) {
        cursor_read_ahead(cursor);
    }
    return WR_CURSOR_BATCH;
}

// The bytes at the cursor's position, `need` of them.
static enum wr_cursor cursor_need(struct wr_segment_cursor *cursor, size_t need, char **bytes)
{
    if (need > cursor->limit - cursor->position) {
        cursor->reason = "it goes on past the end of what was written";
        return WR_CURSOR_INVALID;
    }
    const struct wr_cursor_piece *piece = &cursor->pieces[cursor->current];
    if (piece->filled == 0 || cursor->position < piece->from ||
        cursor->position + need > piece->from + piece->filled) {
        const enum wr_cursor filled = cursor_fill(cursor, need);
        if (filled != WR_CURSOR_BATCH) {
            return filled;
        }
        piece = &cursor->pieces[cursor->current];
    }
    *bytes = piece->bytes + (cursor->position - piece->from);
    return WR_CURSOR_BATCH;
}

// Whether a valid batch is the one that belongs here.
static bool batch_belongs(struct wr_segment_cursor         *cursor,
                          const struct wr_log_batch_header *header)
{
    if (header->base_offset != cursor->next_offset) {
        cursor->reason = "a batch of other offsets lies there";
    } else if (header->epoch < cursor->least_epoch) {
        cursor->reason = "a batch of an earlier epoch lies there";
    } else {
        return true;
    }
    return false;
}

enum wr_cursor wr_segment_cursor_next(struct wr_segment_cursor   *cursor,
                                      struct wr_log_batch_header *header, char **batch)
{
    WR_CHECK(cursor->position <= cursor->limit);
    if (cursor->position == cursor->limit) {
        return WR_CURSOR_END;
    }
    char          *bytes;
    enum wr_cursor got = cursor_need(cursor, WR_BATCH_HEADER_BYTES, &bytes);
    if (got != WR_CURSOR_BATCH) {
        return got;
    }
    const enum wr_batch_check check =
        wr_batch_header_decode(bytes, WR_BATCH_HEADER_BYTES, cursor->seed, header, &cursor->reason);
    if (check == WR_BATCH_ZEROS) {
        cursor->reason = "zeros lie there";
    }
    if ((check != WR_BATCH_VALID && check != WR_BATCH_SHORT) || !batch_belongs(cursor, header)) {
        return WR_CURSOR_INVALID;
    }
    if (!cursor->skips_payload_check || header->kind == WR_BATCH_FOOTER) {
        got = cursor_need(cursor, header->bytes, &bytes);
        if (got != WR_CURSOR_BATCH) {
            return got;
        }
        if (!wr_batch_payload_is_valid(bytes, header, cursor->seed)) {
            cursor->reason = "its payload's checksum is wrong";
            return WR_CURSOR_INVALID;
        }
    } else if (header->bytes > cursor->limit - cursor->position) {
        cursor->reason = "it goes on past the end of what was written";
        return WR_CURSOR_INVALID;
    }
    *batch = bytes;
    cursor->position += header->bytes;
    cursor->next_offset += header->span;
    cursor->least_epoch = header->epoch;
    return WR_CURSOR_BATCH;
}

// ---- the footer ----

// How long the footer is that ends with these bytes; 0: it is none.
static uint32_t footer_bytes_of(const char tail[8])
{
    uint32_t bytes, magic;
    memcpy(&bytes, tail, sizeof(bytes));
    memcpy(&magic, tail + 4, sizeof(magic));
    return magic == WR_FOOTER_MAGIC ? bytes : 0;
}

bool wr_segment_read_footer(struct wr_environment *environment, int file, uint64_t file_bytes,
                            uint32_t seed, struct wr_log_batch_header *header,
                            struct wr_segment_index *index)
{
    char tail[8];
    if (file_bytes < WR_SEGMENT_HEADER_BYTES + WR_BATCH_HEADER_BYTES ||
        wr_log_read_fully(environment, file, tail, sizeof(tail), file_bytes - sizeof(tail), 1) !=
            (int64_t)sizeof(tail)) {
        return false;
    }
    const uint32_t bytes = footer_bytes_of(tail);
    if (bytes < WR_BATCH_HEADER_BYTES || bytes > WR_BATCH_BYTES_MAX ||
        bytes > file_bytes - WR_SEGMENT_HEADER_BYTES) {
        return false;
    }
    char       *footer = wr_alloc_aligned(bytes, 64);
    const char *reason;
    const bool  is_valid =
        wr_log_read_fully(environment, file, footer, bytes, file_bytes - bytes, 1) ==
            (int64_t)bytes &&
        wr_batch_header_decode(footer, bytes, seed, header, &reason) == WR_BATCH_VALID &&
        header->kind == WR_BATCH_FOOTER && header->bytes == bytes &&
        wr_batch_payload_is_valid(footer, header, seed) &&
        wr_footer_decode(footer, header, index) && index->bytes == file_bytes - bytes;
    wr_free(footer);
    return is_valid;
}
