#include "log/tail.h"

#include <string.h>

#define PIECE_BYTES (1u << 20)

// Everything one walk needs.
struct walk {
    struct wr_environment     *environment;
    const char                *path;
    const struct wr_log_place *place;
    int                        file;
    uint32_t                   seed;
    bool                       is_direct;
    struct wr_tail            *tail;
    struct wr_log_error       *error;
};

static void take_batch(struct wr_tail *tail, const struct wr_log_batch_header *header,
                       uint64_t position)
{
    tail->is_clean  = header->kind == WR_BATCH_MARK && (header->flags & WR_BATCH_IS_CLEAN) != 0;
    tail->is_sealed = header->kind == WR_BATCH_FOOTER;
    tail->batch_count += header->kind == WR_BATCH_ROWS;
    tail->epoch = header->epoch;
    tail->cut   = header->cut;
    if (header->durable_upto > tail->durable) {
        tail->durable = header->durable_upto;
    }
    if (!tail->is_sealed) {
        wr_segment_index_add(&tail->index, header, position);
    }
}

// Walks the valid batches from the front. False: a read failed. *reason: why it ended, NULL at the
// end of the file.
static bool walk_batches(const struct walk *walk, const char **reason)
{
    struct wr_tail            *tail = walk->tail;
    struct wr_segment_cursor   cursor;
    struct wr_log_batch_header header;
    char                      *batch;
    enum wr_cursor             got;
    wr_segment_cursor_init(&cursor, walk->environment, walk->file, walk->seed,
                           tail->header.base_offset, PIECE_BYTES);
    cursor.is_direct   = walk->is_direct;
    cursor.least_epoch = tail->header.epoch;
    cursor.limit       = tail->file_bytes;
    while (!tail->is_sealed &&
           (got = wr_segment_cursor_next(&cursor, &header, &batch)) == WR_CURSOR_BATCH) {
        take_batch(tail, &header, cursor.position - header.bytes);
        tail->position   = cursor.position;
        tail->end_offset = cursor.next_offset;
    }
    *reason             = tail->is_sealed || got == WR_CURSOR_END ? NULL : cursor.reason;
    const bool is_read  = tail->is_sealed || got != WR_CURSOR_FAILED;
    const int  io_error = cursor.io_error;
    wr_segment_cursor_fini(&cursor);
    if (!is_read) {
        (void)wr_log_fail(walk->error, WEIR_DISK_FAILED, "%s: cannot read it at byte %llu: %s",
                          walk->path, (unsigned long long)tail->position, strerror(-io_error));
    }
    return is_read;
}

// ---- behind the valid batches ----

struct rest {
    char    *bytes; // of the file from `from` on
    uint64_t from, length;
};

static bool rest_read(const struct walk *walk, struct rest *rest)
{
    const uint64_t align  = walk->is_direct ? WR_DIRECT_ALIGN : 1;
    rest->from            = walk->tail->position - walk->tail->position % align;
    const uint64_t wanted = wr_round_up(walk->tail->file_bytes - rest->from, align);
    rest->bytes           = wr_alloc_aligned(wanted + WR_DIRECT_ALIGN, WR_DIRECT_ALIGN);
    rest->length          = 0;
    while (rest->length < wanted && rest->length % align == 0) {
        const int64_t got = walk->environment->ops->read_at(
            walk->environment, walk->file, rest->bytes + rest->length, wanted - rest->length,
            (int64_t)(rest->from + rest->length));
        if (got < 0) {
            (void)wr_log_fail(walk->error, WEIR_DISK_FAILED, "%s: cannot read it at byte %llu: %s",
                              walk->path, (unsigned long long)(rest->from + rest->length),
                              strerror((int)-got));
            return false;
        }
        if (got == 0) {
            break;
        }
        rest->length += (uint64_t)got;
    }
    return true;
}

static bool is_zero(const char *bytes, size_t length)
{
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

// What valid batches that lie in the rest, after a gap, say of the durable end; and how much of the
// rest is not zeros.
static void judge_rest(const struct walk *walk, const struct rest *rest)
{
    struct wr_tail            *tail = walk->tail;
    struct wr_log_batch_header header;
    const char                *reason;
    const uint64_t             skip = tail->position - rest->from;
    for (uint64_t at = skip; at + WR_BATCH_ALIGN <= rest->length; at += WR_BATCH_ALIGN) {
        const char *bytes = rest->bytes + at;
        if (is_zero(bytes, WR_BATCH_ALIGN)) {
            continue;
        }
        tail->garbage_bytes = at + WR_BATCH_ALIGN - skip;
        if (wr_batch_header_decode(bytes, rest->length - at, walk->seed, &header, &reason) ==
                WR_BATCH_VALID &&
            header.epoch >= tail->header.epoch && header.base_offset >= tail->end_offset &&
            wr_batch_payload_is_valid(bytes, &header, walk->seed) &&
            header.durable_upto > tail->durable) {
            tail->durable = header.durable_upto;
        }
    }
}

// Looks behind the last valid batch. False: a read failed, or damage; the sentence is kept.
static bool look_behind(const struct walk *walk, const char *reason)
{
    struct wr_tail *tail = walk->tail;
    if (tail->position < tail->file_bytes) {
        struct rest rest    = { NULL, 0, 0 };
        const bool  is_read = rest_read(walk, &rest);
        if (is_read) {
            judge_rest(walk, &rest);
        }
        wr_free(rest.bytes);
        if (!is_read) {
            return false;
        }
    }
    if (tail->is_sealed && tail->garbage_bytes > 0) {
        (void)wr_log_fail(walk->error, WEIR_DAMAGED,
                          "%s: bytes follow its footer, which ends at %llu of %llu", walk->path,
                          (unsigned long long)tail->position, (unsigned long long)tail->file_bytes);
        return false;
    }
    if (tail->end_offset < tail->durable) {
        (void)wr_log_fail(
            walk->error, WEIR_DAMAGED,
            "%s: damaged at byte %llu: records up to offset %llu were on disk, those from %llu on "
            "cannot be read: %s",
            walk->path, (unsigned long long)tail->position, (unsigned long long)tail->durable,
            (unsigned long long)tail->end_offset, reason != NULL ? reason : "the file ends there");
        return false;
    }
    return true;
}

weir_status wr_tail_read(struct wr_environment *environment, const char *path,
                         enum wr_open_mode mode, const struct wr_log_place *place,
                         uint64_t base_offset, uint64_t known_durable, struct wr_tail *tail,
                         struct wr_log_error *error)
{
    struct wr_file_info info;
    struct walk         walk = { .environment = environment,
                                 .path        = path,
                                 .place       = place,
                                 .file        = -1,
                                 .seed        = wr_log_crc_seed(place),
                                 .is_direct   = mode == WR_OPEN_DIRECT,
                                 .tail        = tail,
                                 .error       = error };
    *tail                    = (struct wr_tail){ .file_bytes = 0 };
    weir_status status = wr_segment_open(environment, path, mode, place, base_offset, &walk.file,
                                         &tail->header, error);
    if (status != WEIR_OK) {
        return status;
    }
    const int found = environment->ops->info(environment, path, &info);
    if (found < 0) {
        environment->ops->close(environment, walk.file);
        return wr_log_fail(error, wr_log_status_of(found), "%s: cannot look at it: %s", path,
                           strerror(-found));
    }
    tail->file_bytes = info.size_bytes;
    tail->position   = WR_SEGMENT_HEADER_BYTES;
    tail->end_offset = base_offset;
    tail->durable    = known_durable > base_offset ? known_durable : base_offset;
    tail->epoch      = tail->header.epoch;
    wr_segment_index_init(&tail->index, base_offset);
    const char *reason  = NULL;
    const bool  is_good = walk_batches(&walk, &reason) && look_behind(&walk, reason);
    environment->ops->close(environment, walk.file);
    if (!is_good) {
        wr_tail_fini(tail);
        return error->status;
    }
    return WEIR_OK;
}

void wr_tail_fini(struct wr_tail *tail) { wr_segment_index_fini(&tail->index); }
