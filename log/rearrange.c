#include "log/rearrange.h"

#include "log/pack.h"
#include "runtime/base/file.h"

#include <errno.h>
#include <string.h>

static struct wr_environment *environment_of(const struct wr_partition *partition)
{
    return partition->topic->log->environment;
}

static weir_status fail(const struct wr_partition *partition, struct wr_log_error *error,
                        int status, const char *what, const char *path)
{
    return wr_log_fail(error, wr_log_status_of(status), "%s: cannot %s%s: %s", partition->directory,
                       what, path, strerror(-status));
}

static weir_status sync_directory(const struct wr_partition *partition, struct wr_log_error *error)
{
    const int status = environment_of(partition)->ops->sync_directory(environment_of(partition),
                                                                      partition->directory);
    return status < 0 ? fail(partition, error, status, "sync it", "") : WEIR_OK;
}

// Takes `count` segments from number `first` on out of the list.
static void list_remove(struct wr_partition *partition, uint32_t first, uint32_t count)
{
    (void)pthread_mutex_lock(&partition->lock);
    WR_ASSERT(first + count <= partition->segment_count);
    partition->segment_count -= count;
    memmove(&partition->segments[first], &partition->segments[first + count],
            (partition->segment_count - first) * sizeof(*partition->segments));
    (void)pthread_mutex_unlock(&partition->lock);
}

// Takes `count` segments from number `first` on out of the list; their files are left over.
static void leave_over(struct wr_partition *partition, uint32_t first, uint32_t count,
                       struct wr_leftovers *leftovers)
{
    if (count == 0) {
        return;
    }
    leftovers->bases = wr_alloc(count * sizeof(*leftovers->bases));
    for (uint32_t i = 0; i < count; i++) {
        leftovers->bases[leftovers->count++] = partition->segments[first + i].base;
        leftovers->bytes += partition->segments[first + i].bytes;
    }
    list_remove(partition, first, count);
}

weir_status wr_partition_remove_leftovers(const struct wr_partition *partition,
                                          struct wr_leftovers       *leftovers,
                                          struct wr_log_error       *error)
{
    struct wr_environment *environment = environment_of(partition);
    // The new name is on disk before the others go: a crash never leaves a gap.
    weir_status status  = leftovers->is_replaced ? sync_directory(partition, error) : WEIR_OK;
    int         removed = 0;
    for (uint32_t i = 0; i < leftovers->count && status == WEIR_OK; i++) {
        char     *path = wr_segment_path(partition->directory, leftovers->bases[i]);
        const int one  = environment->ops->unlink(environment, path);
        removed        = one < 0 && one != -ENOENT && removed == 0 ? one : removed;
        wr_free(path);
    }
    if (status == WEIR_OK && removed < 0) {
        status = fail(partition, error, removed, "remove a segment", "");
    } else if (status == WEIR_OK && leftovers->count > 0) {
        status = sync_directory(partition, error);
    }
    wr_free(leftovers->bases);
    *leftovers = (struct wr_leftovers){ .bases = NULL };
    return status;
}

static weir_status write_start(struct wr_partition *partition, struct wr_log_error *error)
{
    return wr_partition_start_write(environment_of(partition), partition->directory,
                                    &partition->start, error);
}

// ---- dropping what is old ----

weir_status wr_partition_drop_before(struct wr_partition *partition, uint64_t offset,
                                     struct wr_leftovers *leftovers, struct wr_log_error *error)
{
    const uint64_t before = partition->start.first_offset;
    *leftovers            = (struct wr_leftovers){ .bases = NULL };
    if (offset > partition->next_offset) {
        offset = partition->next_offset;
    }
    if (offset > before) {
        partition->start.first_offset = offset;
        const weir_status status      = write_start(partition, error);
        if (status != WEIR_OK) {
            partition->start.first_offset = before;
            return status;
        }
        (void)pthread_mutex_lock(&partition->lock);
        partition->first_offset = offset;
        (void)pthread_mutex_unlock(&partition->lock);
        wr_partition_publish(partition);
    }
    // The newest segment stays even when it is sealed and all of it is old: it says what comes
    // next.
    uint32_t       count = 0;
    const uint32_t most  = partition->segment_count - (partition->file < 0 ? 1 : 0);
    while (count < most && partition->segment_count > 0 &&
           partition->segments[count].end <= partition->start.first_offset) {
        count++;
    }
    leave_over(partition, 0, count, leftovers);
    return WEIR_OK;
}

// ---- putting others in their place ----

weir_status wr_partition_replace(struct wr_partition *partition, uint32_t first, uint32_t count,
                                 const char *path, const struct wr_sealed_segment *by,
                                 struct wr_leftovers *leftovers, struct wr_log_error *error)
{
    *leftovers                         = (struct wr_leftovers){ .is_replaced = true };
    struct wr_environment *environment = environment_of(partition);
    WR_ASSERT(count > 0 && first + count <= partition->segment_count);
    WR_ASSERT(by->base == partition->segments[first].base &&
              by->end <= partition->segments[first + count - 1].end);
    char     *name    = wr_segment_path(partition->directory, by->base);
    const int renamed = environment->ops->rename(environment, path, name);
    wr_free(name);
    if (renamed < 0) {
        return fail(partition, error, renamed, "put in place ", path);
    }
    (void)pthread_mutex_lock(&partition->lock);
    partition->segments[first] = *by;
    (void)pthread_mutex_unlock(&partition->lock);
    leave_over(partition, first + 1, count - 1, leftovers);
    return WEIR_OK;
}

char *wr_partition_empty_batch(const struct wr_partition        *partition,
                               const struct wr_log_batch_header *in_place_of,
                               struct wr_log_batch_header       *empty)
{
    char *bytes           = wr_alloc_aligned(WR_BATCH_HEADER_BYTES, 64);
    *empty                = *in_place_of;
    empty->bytes          = WR_BATCH_HEADER_BYTES;
    empty->rows           = 0;
    empty->compression    = WEIR_COMPRESSION_NONE;
    empty->flags          = 0;
    empty->unpacked_bytes = 0;
    empty->transaction    = 0;
    empty->least_time     = WEIR_TIME_MAX;
    empty->greatest_time  = WEIR_TIME_MIN;
    empty->payload_crc    = wr_batch_payload_crc(bytes + WR_BATCH_HEADER_BYTES, 0, partition->seed);
    return bytes;
}

int wr_partition_end_copy(const struct wr_partition *partition, struct wr_segment_index *index,
                          int file, weir_time appended, uint64_t *position)
{
    const struct wr_log_batch_header footer = {
        .kind          = WR_BATCH_FOOTER,
        .base_offset   = index->end_offset,
        .epoch         = partition->topic->log->epoch,
        .durable_upto  = index->end_offset,
        .cut           = wr_partition_cut_number(partition),
        .appended      = appended,
        .least_time    = WEIR_TIME_MAX,
        .greatest_time = WEIR_TIME_MIN,
    };
    struct wr_environment *environment = environment_of(partition);
    size_t                 bytes;
    index->bytes  = *position;
    char *encoded = wr_footer_encode(index, &footer, partition->seed, &bytes);
    int   status  = wr_file_write(environment, file, encoded, bytes, *position);
    wr_free(encoded);
    *position += bytes;
    if (status == 0) {
        status = environment->ops->truncate(environment, file, *position);
    }
    return status >= 0 ? environment->ops->sync_data(environment, file) : status;
}

// ---- taking what is new away ----

// One copy of a segment up to an offset.
struct copy {
    struct wr_partition     *partition;
    struct wr_segment_index  index;
    struct wr_segment_cursor cursor;
    uint64_t                 upto;
    uint64_t                 position;
    int                      from, to;
    int                      io_error;
    struct wr_log_error     *error;
};

static bool copy_put(struct copy *copy, const struct wr_log_batch_header *header, const char *bytes)
{
    copy->io_error = wr_file_write(environment_of(copy->partition), copy->to, bytes, header->bytes,
                                   copy->position);
    if (copy->io_error < 0) {
        return false;
    }
    wr_segment_index_add(&copy->index, header, copy->position);
    copy->position += header->bytes;
    return true;
}

// How many of the batch's rows lie below the offset.
static uint32_t rows_below(const struct wr_log_batch_header *header, const uint32_t *deltas,
                           uint64_t offset)
{
    uint32_t count = 0;
    while (count < header->rows &&
           header->base_offset + (deltas != NULL ? deltas[count] : count) < offset) {
        count++;
    }
    return count;
}

static bool cut_batch_fail(const struct copy *copy, const char *reason)
{
    (void)wr_log_fail(copy->error, WEIR_DAMAGED, "%s: cannot cut a batch: %s",
                      copy->partition->directory, reason);
    return false;
}

// Writes the first `rows` of a batch as one of their own, which ends where the copy does.
static bool copy_rows(struct copy *copy, const struct wr_log_batch_header *header,
                      const struct wr_row_shape *shape, const struct wr_unpacked *unpacked,
                      uint32_t rows)
{
    struct wr_log_batch_header part = *header;
    struct wr_batch_builder    builder;
    bool                       is_too_long = false;
    wr_batch_builder_init(&builder, shape, WR_BATCH_BYTES_MAX / 2);
    const size_t taken =
        wr_batch_builder_add(&builder, unpacked->rows, unpacked->changes, rows, &is_too_long);
    WR_ASSERT(taken == rows);
    builder.deltas = unpacked->deltas;
    char *packed   = wr_batch_builder_finish(&builder, (weir_compression)header->compression,
                                             copy->partition->seed, &part);
    part.span      = (uint32_t)(copy->upto - header->base_offset);
    if (copy->partition->topic->settings.time == NULL) { // it is when they were appended
        part.least_time    = header->least_time;
        part.greatest_time = header->greatest_time;
    }
    wr_batch_header_encode(&part, copy->partition->seed, packed);
    const bool is_done = copy_put(copy, &part, packed);
    wr_free(packed);
    wr_batch_builder_fini(&builder);
    return is_done;
}

// None of the batch's rows lie below the offset (compaction has dropped those): its offsets up to
// there stay, in a batch without rows, for a segment's batches leave no gap.
static bool copy_none(struct copy *copy, const struct wr_log_batch_header *header)
{
    struct wr_log_batch_header empty;
    char                      *bytes = wr_partition_empty_batch(copy->partition, header, &empty);
    empty.span                       = (uint32_t)(copy->upto - header->base_offset);
    wr_batch_header_encode(&empty, copy->partition->seed, bytes);
    const bool is_done = copy_put(copy, &empty, bytes);
    wr_free(bytes);
    return is_done;
}

// The batch that goes on past the offset: its first rows in a batch of their own.
static bool copy_part(struct copy *copy, const struct wr_log_batch_header *header, char *batch)
{
    const struct wr_topic *topic = copy->partition->topic;
    struct wr_row_shape    shape;
    struct wr_unpacked     unpacked;
    char                  *buffer   = NULL;
    size_t                 capacity = 0;
    const char            *reason   = NULL;
    if (header->rows == 0) {
        return copy_none(copy, header);
    }
    if (header->schema == 0 || header->schema > topic->schema_count) {
        return cut_batch_fail(copy, "its schema is not known");
    }
    wr_row_shape_init(&shape, topic->schemas[header->schema - 1], topic->settings.time);
    bool is_done = wr_batch_unpack(batch + WR_BATCH_HEADER_BYTES, header, &shape, &buffer,
                                   &capacity, &unpacked, &reason) ||
                   cut_batch_fail(copy, reason);
    const uint32_t rows = is_done ? rows_below(header, unpacked.deltas, copy->upto) : 0;
    if (is_done) {
        is_done =
            rows > 0 ? copy_rows(copy, header, &shape, &unpacked, rows) : copy_none(copy, header);
    }
    wr_row_shape_fini(&shape);
    wr_free(buffer);
    return is_done;
}

static bool copy_batches(struct copy *copy)
{
    struct wr_log_batch_header header;
    char                      *batch;
    enum wr_cursor             got;
    while (copy->cursor.next_offset < copy->upto &&
           (got = wr_segment_cursor_next(&copy->cursor, &header, &batch)) == WR_CURSOR_BATCH) {
        const bool is_whole = header.base_offset + header.span <= copy->upto;
        if (!(is_whole ? copy_put(copy, &header, batch) : copy_part(copy, &header, batch))) {
            return false;
        }
    }
    if (copy->cursor.next_offset < copy->upto) {
        (void)wr_log_fail(copy->error, WEIR_DAMAGED, "%s: cannot read a segment to cut it: %s",
                          copy->partition->directory,
                          copy->cursor.reason != NULL ? copy->cursor.reason : "it ends early");
        return false;
    }
    return true;
}

// Copies what lies before the offset into the file that was made for it, and ends that.
static weir_status copy_all(struct copy *copy, const struct wr_sealed_segment *old,
                            const struct wr_segment_header *header, struct wr_sealed_segment *by)
{
    const struct wr_partition *partition = copy->partition;
    wr_segment_index_init(&copy->index, old->base);
    wr_segment_cursor_init(&copy->cursor, environment_of(partition), copy->from, partition->seed,
                           old->base, 0);
    copy->cursor.limit = old->bytes;
    bool is_good       = copy_batches(copy);
    if (is_good) {
        copy->index.end_offset = copy->upto;
        copy->io_error = wr_partition_end_copy(partition, &copy->index, copy->to, header->created,
                                               &copy->position);
        is_good        = copy->io_error >= 0;
    }
    *by = wr_sealed_segment_of(&copy->index, old->base, copy->position, header->generation);
    wr_segment_cursor_fini(&copy->cursor);
    wr_segment_index_fini(&copy->index);
    if (is_good) {
        return WEIR_OK;
    }
    return copy->io_error < 0 ? fail(partition, copy->error, copy->io_error, "copy a segment", "")
                              : copy->error->status;
}

// Copies segment `old` up to an offset inside it to `temporary`, sealed and synced.
static weir_status copy_below(struct wr_partition *partition, const struct wr_sealed_segment *old,
                              uint64_t upto, const char *temporary, struct wr_sealed_segment *by,
                              struct wr_log_error *error)
{
    struct wr_environment   *environment = environment_of(partition);
    struct wr_segment_header header;
    struct copy              copy = { .partition = partition, .upto = upto, .error = error };
    char                    *path = wr_segment_path(partition->directory, old->base);
    const weir_status opened = wr_segment_open(environment, path, WR_OPEN_READ, &partition->place,
                                               old->base, &copy.from, &header, error);
    wr_free(path);
    copy.position = WR_SEGMENT_HEADER_BYTES;
    if (opened != WEIR_OK) {
        return opened;
    }
    header.generation  = old->generation + 1;
    weir_status status = wr_segment_create(environment, temporary, partition->directory, &header,
                                           partition->seed, old->bytes, &copy.to, NULL, error);
    if (status == WEIR_OK) {
        status = copy_all(&copy, old, &header, by);
        environment->ops->close(environment, copy.to);
    }
    environment->ops->close(environment, copy.from);
    if (status != WEIR_OK) {
        (void)environment->ops->unlink(environment, temporary);
    }
    return status;
}

static weir_status cut_inside(struct wr_partition *partition, uint32_t number, uint64_t offset,
                              struct wr_log_error *error)
{
    const struct wr_sealed_segment old       = partition->segments[number];
    char                          *temporary = wr_format("%s/cut.tmp", partition->directory);
    struct wr_sealed_segment       by;
    struct wr_leftovers            leftovers;
    weir_status status = copy_below(partition, &old, offset, temporary, &by, error);
    if (status == WEIR_OK) {
        status = wr_partition_replace(partition, number, 1, temporary, &by, &leftovers, error);
    }
    if (status == WEIR_OK) {
        status = wr_partition_remove_leftovers(partition, &leftovers, error);
    }
    wr_free(temporary);
    return status;
}

// A segment that was begun and holds nothing; its base is behind the offset.
static weir_status drop_empty(struct wr_partition *partition, struct wr_log_error *error)
{
    struct wr_environment *environment = environment_of(partition);
    if (partition->file < 0) {
        return WEIR_OK;
    }
    WR_ASSERT(partition->base == partition->next_offset);
    const int removed = environment->ops->unlink(environment, partition->path);
    if (removed < 0 && removed != -ENOENT) {
        return fail(partition, error, removed, "remove ", partition->path);
    }
    wr_partition_close_file(partition);
    return sync_directory(partition, error);
}

// Segments that end behind the offset go, the last one first, so that what is left never has a gap.
static weir_status carry_out_cut(struct wr_partition *partition, uint64_t offset,
                                 struct wr_log_error *error)
{
    weir_status status = drop_empty(partition, error);
    while (status == WEIR_OK && partition->segment_count > 0 &&
           partition->segments[partition->segment_count - 1].base >= offset) {
        struct wr_leftovers last = { .bases = NULL };
        leave_over(partition, partition->segment_count - 1, 1, &last);
        status = wr_partition_remove_leftovers(partition, &last, error);
    }
    if (status == WEIR_OK && partition->segment_count > 0 &&
        partition->segments[partition->segment_count - 1].end > offset) {
        status = cut_inside(partition, partition->segment_count - 1, offset, error);
    }
    if (status == WEIR_OK) {
        partition->next_offset        = offset;
        partition->durable            = offset;
        partition->vouched            = offset;
        partition->has_unfinished_cut = false;
        wr_partition_publish(partition);
    }
    return status;
}

static void add_cut(struct wr_partition_start *start, uint32_t epoch, uint64_t offset,
                    uint64_t newest_base)
{
    start->cuts           = wr_realloc(start->cuts, (start->cut_count + 1) * sizeof(*start->cuts));
    const uint64_t number = start->cut_count > 0 ? start->cuts[start->cut_count - 1].number + 1 : 1;
    start->cuts[start->cut_count++] =
        (struct wr_partition_cut){ .number = number, .epoch = epoch, .offset = offset };
    start->newest_base = newest_base;
    start->durable     = start->durable < offset ? start->durable : offset;
}

weir_status wr_partition_cut(struct wr_partition *partition, uint64_t offset,
                             struct wr_log_error *error)
{
    WR_ASSERT(offset >= partition->start.first_offset && offset <= partition->next_offset);
    weir_status status = wr_partition_seal(partition, error);
    if (status != WEIR_OK || offset == partition->next_offset) {
        return status;
    }
    uint64_t newest = UINT64_MAX; // the newest segment that will be left
    for (uint32_t i = 0; i < partition->segment_count && partition->segments[i].base < offset;
         i++) {
        newest = partition->segments[i].base;
    }
    const struct wr_partition_start before = partition->start;
    add_cut(&partition->start, partition->topic->log->epoch, offset, newest);
    status = write_start(partition, error);
    if (status != WEIR_OK) { // whether it is on disk is not known: the next opening finds out
        partition->start.cut_count   = before.cut_count;
        partition->start.newest_base = before.newest_base;
        partition->start.durable     = before.durable;
        return status;
    }
    partition->has_unfinished_cut = true; // if it fails now, the next batch finishes it first
    const uint64_t durable        = partition->durable;
    partition->durable            = offset; // from now on nobody counts on what is behind it
    wr_partition_publish(partition);
    partition->durable = durable;
    return carry_out_cut(partition, offset, error);
}

weir_status wr_partition_finish_cut(struct wr_partition *partition, struct wr_log_error *error)
{
    const struct wr_partition_start *start = &partition->start;
    if (!partition->has_unfinished_cut) {
        return WEIR_OK;
    }
    const weir_status status = wr_partition_seal(partition, error);
    return status == WEIR_OK
               ? carry_out_cut(partition, start->cuts[start->cut_count - 1].offset, error)
               : status;
}
