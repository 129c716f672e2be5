#include "log/partition.h"

#include "log/commit.h"
#include "log/rearrange.h"
#include "log/recover.h"
#include "runtime/base/file.h"
#include "runtime/base/thread.h"

#include <string.h>

// ---- the list of sealed segments ----

void wr_partition_add_sealed(struct wr_partition *partition, const struct wr_sealed_segment *sealed)
{
    (void)pthread_mutex_lock(&partition->lock);
    if (partition->segment_count == partition->segment_capacity) {
        const uint32_t capacity     = partition->segment_capacity * 2 + 16;
        partition->segments         = wr_realloc(partition->segments, capacity * sizeof(*sealed));
        partition->segment_capacity = capacity;
    }
    partition->segments[partition->segment_count++] = *sealed;
    (void)pthread_mutex_unlock(&partition->lock);
}

struct wr_sealed_segment wr_sealed_segment_of(const struct wr_segment_index *index, uint64_t base,
                                              uint64_t file_bytes, uint32_t generation)
{
    return (struct wr_sealed_segment){
        .base                = base,
        .end                 = index->end_offset,
        .bytes               = file_bytes,
        .rows                = index->rows,
        .generation          = generation,
        .last_appended       = index->last_appended,
        .greatest_time       = index->greatest_time,
        .least_time          = index->least_time,
        .transaction_batches = index->transaction_batches,
        .changes             = index->changes,
    };
}

// ---- opening and closing ----

static struct wr_partition *partition_new(struct wr_topic *topic, uint32_t number)
{
    struct wr_partition *partition = wr_alloc(sizeof(*partition));
    partition->topic               = topic;
    partition->number              = number;
    partition->place               = wr_topic_place(topic, number);
    partition->seed                = wr_log_crc_seed(&partition->place);
    partition->directory           = wr_topic_partition_directory(topic, number);
    partition->file                = -1;
    (void)pthread_mutex_init(&partition->lock, NULL);
    wr_condition_init(&partition->acknowledges);
    return partition;
}

weir_status wr_partition_open(struct wr_topic *topic, uint32_t number, struct wr_log_error *error,
                              struct wr_partition **partition)
{
    struct wr_partition *opened = partition_new(topic, number);
    const weir_status    status = wr_partition_recover(opened, error);
    if (status != WEIR_OK) {
        wr_partition_close(opened);
        return status;
    }
    wr_partition_publish(opened);
    *partition = opened;
    return WEIR_OK;
}

void wr_partition_close_file(struct wr_partition *partition)
{
    struct wr_environment *environment = partition->topic->log->environment;
    if (partition->file >= 0) {
        environment->ops->close(environment, partition->file);
        partition->file     = -1;
        partition->is_dirty = false;
        wr_segment_index_fini(&partition->index);
    }
    wr_free(partition->path);
    partition->path = NULL;
}

void wr_queued_free(struct wr_queued_batch *batch)
{
    while (batch != NULL) {
        struct wr_queued_batch *next = batch->next;
        wr_free(batch->bytes);
        wr_free(batch);
        batch = next;
    }
}

void wr_partition_close(struct wr_partition *partition)
{
    wr_partition_close_file(partition);
    wr_queued_free(partition->first);
    wr_partition_start_fini(&partition->start);
    (void)pthread_cond_destroy(&partition->acknowledges);
    (void)pthread_mutex_destroy(&partition->lock);
    wr_free(partition->segments);
    wr_free(partition->directory);
    wr_free(partition);
}

// ---- the queue ----

void wr_partition_queue_any(struct wr_partition *partition, struct wr_queued_batch *batch)
{
    batch->next = NULL;
    (void)pthread_mutex_lock(&partition->lock);
    if (partition->first == NULL) {
        partition->first = batch;
    } else {
        partition->last->next = batch;
    }
    partition->last = batch;
    if (batch->ticket != NULL) {
        batch->ticket->queued_batches++;
    }
    (void)pthread_mutex_unlock(&partition->lock);
}

void wr_partition_forget_ticket(struct wr_partition *partition, const struct wr_ticket *ticket)
{
    (void)pthread_mutex_lock(&partition->lock);
    for (struct wr_queued_batch *batch = partition->first; batch != NULL; batch = batch->next) {
        batch->ticket = batch->ticket == ticket ? NULL : batch->ticket;
    }
    (void)pthread_mutex_unlock(&partition->lock);
}

struct wr_queued_batch *wr_partition_withdraw(struct wr_partition    *partition,
                                              const struct wr_ticket *ticket)
{
    struct wr_queued_batch *withdrawn = NULL, *last = NULL;
    (void)pthread_mutex_lock(&partition->lock);
    for (struct wr_queued_batch **at = &partition->first; *at != NULL;) {
        struct wr_queued_batch *batch = *at;
        if (batch->ticket == ticket) {
            *at         = batch->next;
            batch->next = withdrawn;
            withdrawn   = batch;
        } else {
            last = batch;
            at   = &batch->next;
        }
    }
    partition->last = last;
    (void)pthread_mutex_unlock(&partition->lock);
    return withdrawn;
}

void wr_partition_wake(struct wr_partition *partition)
{
    (void)pthread_mutex_lock(&partition->lock);
    (void)pthread_cond_broadcast(&partition->acknowledges);
    (void)pthread_mutex_unlock(&partition->lock);
}

static struct wr_queued_batch *queue_take_all(struct wr_partition *partition)
{
    (void)pthread_mutex_lock(&partition->lock);
    struct wr_queued_batch *first = partition->first;
    partition->first              = NULL;
    partition->last               = NULL;
    (void)pthread_mutex_unlock(&partition->lock);
    return first;
}

// Puts the list back before what has been queued since.
static void queue_put_back(struct wr_partition *partition, struct wr_queued_batch *first)
{
    struct wr_queued_batch *last = first;
    while (last->next != NULL) {
        last = last->next;
    }
    (void)pthread_mutex_lock(&partition->lock);
    last->next = partition->first;
    if (partition->first == NULL) {
        partition->last = last;
    }
    partition->first = first;
    (void)pthread_mutex_unlock(&partition->lock);
}

// ---- segments: beginning and ending one ----

// Keeps what the disk said of this partition's newest segment.
static weir_status partition_fail(struct wr_partition *partition, struct wr_log_error *error,
                                  int io_error, const char *what)
{
    return wr_log_fail(error, wr_log_status_of(io_error), "%s: cannot %s: %s",
                       partition->path != NULL ? partition->path : partition->directory, what,
                       strerror(-io_error));
}

uint64_t wr_partition_cut_number(const struct wr_partition *partition)
{
    const struct wr_partition_start *start = &partition->start;
    return start->cut_count > 0 ? start->cuts[start->cut_count - 1].number : 0;
}

// The start file names the newest segment, so that its loss is seen.
static weir_status partition_note_newest(struct wr_partition *partition, struct wr_log_error *error)
{
    const uint64_t before        = partition->start.newest_base;
    partition->start.newest_base = partition->base;
    partition->start.durable     = partition->durable;
    const weir_status status     = wr_partition_start_write(
            partition->topic->log->environment, partition->directory, &partition->start, error);
    if (status != WEIR_OK) { // it may be noted or not: the segment stays, and is noted again
        partition->start.newest_base = before;
    }
    partition->is_noted = status == WEIR_OK;
    return status;
}

// Makes the segment that the next batch, of `bytes`, will be the first of.
static weir_status partition_begin_segment(struct wr_partition *partition, size_t bytes,
                                           struct wr_log_error *error)
{
    weir_log                *log    = partition->topic->log;
    struct wr_segment_header header = {
        .format      = WR_LOG_FORMAT,
        .log         = partition->place.log,
        .topic       = partition->place.topic,
        .partition   = partition->number,
        .epoch       = log->epoch,
        .base_offset = partition->next_offset,
        .created     = log->environment->ops->wall_us(log->environment),
    };
    const uint64_t least  = WR_SEGMENT_HEADER_BYTES + bytes;
    const uint64_t wanted = partition->topic->settings.segment_bytes;
    partition->room_bytes = wr_round_up(wanted > least ? wanted : least, 4096);
    partition->base       = partition->next_offset;
    partition->path       = wr_segment_path(partition->directory, partition->base);
    weir_status status =
        wr_segment_create(log->environment, partition->path, partition->directory, &header,
                          partition->seed, partition->room_bytes, &partition->file, NULL, error);
    if (status != WEIR_OK) {
        wr_partition_close_file(partition);
        return status;
    }
    partition->position = WR_SEGMENT_HEADER_BYTES;
    partition->is_noted = false;
    wr_segment_index_init(&partition->index, partition->base);
    return WEIR_OK;
}

// A header for what is written now; the rest is the caller's.
static struct wr_log_batch_header partition_header(struct wr_partition *partition,
                                                   enum wr_batch_kind   kind)
{
    weir_log *log = partition->topic->log;
    return (struct wr_log_batch_header){
        .kind          = (uint8_t)kind,
        .bytes         = WR_BATCH_HEADER_BYTES,
        .base_offset   = partition->next_offset,
        .epoch         = log->epoch,
        .durable_upto  = partition->durable,
        .cut           = wr_partition_cut_number(partition),
        .appended      = log->environment->ops->wall_us(log->environment),
        .least_time    = WEIR_TIME_MAX,
        .greatest_time = WEIR_TIME_MIN,
    };
}

static int partition_put(struct wr_partition *partition, const char *bytes, size_t length)
{
    partition->is_dirty = true;
    return wr_file_write(partition->topic->log->environment, partition->file, bytes, length,
                         partition->position);
}

weir_status wr_partition_seal(struct wr_partition *partition, struct wr_log_error *error)
{
    struct wr_environment *environment = partition->topic->log->environment;
    if (partition->file < 0 || partition->base == partition->next_offset) {
        return WEIR_OK;
    }
    const struct wr_log_batch_header header = partition_header(partition, WR_BATCH_FOOTER);
    size_t                           bytes;
    partition->index.bytes = partition->position;
    char *footer           = wr_footer_encode(&partition->index, &header, partition->seed, &bytes);
    int   status           = partition_put(partition, footer, bytes);
    wr_free(footer);
    if (status == 0) {
        status =
            environment->ops->truncate(environment, partition->file, partition->position + bytes);
    }
    if (status < 0) {
        return partition_fail(partition, error, status, "end the segment");
    }
    const weir_status synced = wr_partition_sync(partition, error);
    if (synced != WEIR_OK) {
        return synced;
    }
    const struct wr_sealed_segment sealed =
        wr_sealed_segment_of(&partition->index, partition->base, partition->position + bytes, 0);
    wr_partition_add_sealed(partition, &sealed);
    wr_partition_close_file(partition);
    return WEIR_OK;
}

// ---- writing ----

// A segment that holds nothing yet gets as much room as its first batch needs.
static weir_status partition_widen(struct wr_partition *partition, size_t bytes,
                                   struct wr_log_error *error)
{
    struct wr_environment *environment = partition->topic->log->environment;
    const uint64_t         room        = wr_round_up(partition->position + bytes, 4096);
    const int status = environment->ops->preallocate(environment, partition->file, room);
    if (status < 0) {
        return partition_fail(partition, error, status, "set room aside");
    }
    partition->room_bytes = room;
    partition->is_dirty   = true;
    return WEIR_OK;
}

// Makes room for a batch: in the segment being written, or in a new one.
static weir_status partition_make_room(struct wr_partition *partition, size_t bytes,
                                       struct wr_log_error *error)
{
    const bool  fits   = partition->position + bytes <= partition->room_bytes;
    weir_status status = wr_partition_finish_cut(partition, error); // before anything lies behind
    if (status == WEIR_OK && partition->file >= 0 && !fits) {
        status = partition->base == partition->next_offset
                     ? partition_widen(partition, bytes, error)
                     : wr_partition_seal(partition, error);
    }
    if (status == WEIR_OK && partition->file < 0) {
        status = partition_begin_segment(partition, bytes, error);
    }
    return status == WEIR_OK && !partition->is_noted ? partition_note_newest(partition, error)
                                                     : status;
}

static weir_status partition_write_batch(struct wr_partition    *partition,
                                         struct wr_queued_batch *batch, struct wr_log_error *error)
{
    const weir_status has_room = partition_make_room(partition, batch->header.bytes, error);
    if (has_room != WEIR_OK) {
        return has_room;
    }
    const struct wr_log_batch_header now = partition_header(partition, WR_BATCH_ROWS);
    batch->header.base_offset            = now.base_offset;
    batch->header.epoch                  = now.epoch;
    batch->header.durable_upto           = now.durable_upto;
    batch->header.cut                    = now.cut;
    batch->header.appended               = now.appended;
    if (partition->topic->settings.time == NULL) {
        batch->header.least_time    = now.appended;
        batch->header.greatest_time = now.appended;
    }
    wr_batch_header_encode(&batch->header, partition->seed, batch->bytes);
    const int put = partition_put(partition, batch->bytes, batch->header.bytes);
    if (put < 0) {
        return partition_fail(partition, error, put, "write to it");
    }
    wr_segment_index_add(&partition->index, &batch->header, partition->position);
    WR_CHECK(partition->vouched <= partition->durable);
    partition->vouched = partition->durable;
    partition->position += batch->header.bytes;
    partition->next_offset += batch->header.span;
    WR_ASSERT(partition->position <= partition->room_bytes);
    return WEIR_OK;
}

weir_status wr_partition_write(struct wr_partition *partition, struct wr_queued_batch **written,
                               struct wr_log_error *error)
{
    struct wr_queued_batch *queue  = queue_take_all(partition);
    weir_status             status = WEIR_OK;
    *written                       = NULL;
    while (queue != NULL && status == WEIR_OK) {
        status = partition_write_batch(partition, queue, error);
        if (status == WEIR_OK) {
            struct wr_queued_batch *batch = queue;
            queue                         = batch->next;
            *written                      = batch;
            written                       = &batch->next;
            batch->next                   = NULL;
        }
    }
    if (queue != NULL) {
        queue_put_back(partition, queue);
    }
    return status;
}

weir_status wr_partition_sync(struct wr_partition *partition, struct wr_log_error *error)
{
    struct wr_environment *environment = partition->topic->log->environment;
    if (!partition->is_dirty) {
        return WEIR_OK;
    }
    const int status = environment->ops->sync_data(environment, partition->file);
    if (status < 0) {
        (void)partition_fail(partition, error, status,
                             "sync it; what was not acknowledged may be "
                             "lost, and nothing more is written to it");
        error->status = WEIR_DISK_FAILED;
        return WEIR_DISK_FAILED;
    }
    partition->is_dirty = false;
    WR_ASSERT(partition->durable <= partition->next_offset);
    partition->durable = partition->next_offset;
    return WEIR_OK;
}

weir_status wr_partition_mark(struct wr_partition *partition, uint32_t flags,
                              struct wr_log_error *error)
{
    const bool is_vouched = partition->vouched == partition->durable && !partition->is_dirty;
    if (partition->file < 0 || (is_vouched && flags == 0)) {
        return WEIR_OK;
    }
    weir_status status = wr_partition_sync(partition, error);
    if (status != WEIR_OK) {
        return status;
    }
    if (partition->position + WR_BATCH_HEADER_BYTES > partition->room_bytes) {
        return wr_partition_seal(partition, error); // the footer vouches as well
    }
    char                       bytes[WR_BATCH_HEADER_BYTES];
    struct wr_log_batch_header header = partition_header(partition, WR_BATCH_MARK);
    header.flags                      = flags;
    header.payload_crc = wr_batch_payload_crc(bytes + WR_BATCH_HEADER_BYTES, 0, partition->seed);
    wr_batch_header_encode(&header, partition->seed, bytes);
    const int put = partition_put(partition, bytes, sizeof(bytes));
    if (put < 0) {
        return partition_fail(partition, error, put, "write to it");
    }
    wr_segment_index_add(&partition->index, &header, partition->position);
    partition->position += sizeof(bytes);
    partition->vouched = partition->durable;
    return wr_partition_sync(partition, error);
}

weir_status wr_partition_release_room(struct wr_partition *partition, struct wr_log_error *error)
{
    struct wr_environment *environment = partition->topic->log->environment;
    if (partition->file < 0) {
        return WEIR_OK;
    }
    const int status =
        environment->ops->truncate(environment, partition->file, partition->position);
    partition->is_dirty = true;
    return status < 0 ? partition_fail(partition, error, status, "give back its room")
                      : wr_partition_sync(partition, error);
}

weir_status wr_partition_vouch(struct wr_partition *partition, struct wr_log_error *error)
{
    if (partition->start.durable == partition->durable || partition->has_unfinished_cut) {
        return WEIR_OK;
    }
    partition->start.durable = partition->durable;
    return wr_partition_start_write(partition->topic->log->environment, partition->directory,
                                    &partition->start, error);
}

// ---- telling ----

void wr_partition_publish(struct wr_partition *partition)
{
    const weir_log                 *log       = partition->topic->log;
    const bool                      is_strict = log->options.durability == WEIR_DURABLE;
    const struct wr_sealed_segment *last =
        partition->segment_count > 0 ? &partition->segments[partition->segment_count - 1] : NULL;
    struct wr_live_position position = {
        .readable     = is_strict ? partition->durable : partition->next_offset,
        .durable      = partition->durable,
        .first_offset = partition->start.first_offset,
        .cut          = wr_partition_cut_number(partition),
    };
    if (partition->file >= 0) {
        position.segment_base  = partition->base;
        position.segment_bytes = partition->position;
    } else if (last != NULL) {
        position.segment_base  = last->base;
        position.segment_bytes = last->bytes;
    } else {
        position.segment_base = partition->next_offset;
    }
    WR_ASSERT(position.durable <= partition->next_offset);
    if (partition->topic->live != NULL) {
        wr_live_publish(partition->topic->live, partition->number, &position);
    }
}

void wr_partition_acknowledge(struct wr_partition *partition, struct wr_queued_batch *written)
{
    (void)pthread_mutex_lock(&partition->lock);
    for (struct wr_queued_batch *batch = written; batch != NULL; batch = batch->next) {
        if (batch->ticket != NULL) {
            batch->ticket->acknowledged_batches++;
            batch->ticket->acknowledged_rows += batch->header.rows;
            batch->ticket->next_offset = batch->header.base_offset + batch->header.span;
        }
    }
    (void)pthread_cond_broadcast(&partition->acknowledges);
    (void)pthread_mutex_unlock(&partition->lock);
    wr_queued_free(written);
}
