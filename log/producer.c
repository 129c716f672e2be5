#include "log/producer.h"

#include <string.h>

#define BATCH_BYTES (64u << 10) // aimed at
#define CHUNK_ROWS  1024u       // handled at a time,
#define CHUNK_BYTES (1u << 20)  // with their strings; or a quarter of the buffer, if that is less

// ---- opening and closing ----

static void list_put(struct wr_commit *commit, weir_producer *producer)
{
    (void)pthread_mutex_lock(&commit->producers_lock);
    producer->next = commit->producers;
    if (producer->next != NULL) {
        producer->next->before = producer;
    }
    commit->producers = producer;
    (void)pthread_mutex_unlock(&commit->producers_lock);
}

static void list_take(struct wr_commit *commit, weir_producer *producer)
{
    (void)pthread_mutex_lock(&commit->producers_lock);
    if (producer->before != NULL) {
        producer->before->next = producer->next;
    } else {
        commit->producers = producer->next;
    }
    if (producer->next != NULL) {
        producer->next->before = producer->before;
    }
    (void)pthread_mutex_unlock(&commit->producers_lock);
}

uint32_t wr_producer_count(struct wr_commit *commit, const struct wr_topic *topic)
{
    uint32_t count = 0;
    (void)pthread_mutex_lock(&commit->producers_lock);
    for (const weir_producer *producer = commit->producers; producer != NULL;
         producer                      = producer->next) {
        count += producer->topic == topic;
    }
    (void)pthread_mutex_unlock(&commit->producers_lock);
    return count;
}

static void producer_free(weir_producer *producer)
{
    for (uint32_t i = 0; producer->lanes != NULL && i < producer->topic->settings.partitions; i++) {
        wr_batch_builder_fini(&producer->lanes[i].builder);
    }
    if (producer->has_key) {
        wr_log_key_fini(&producer->key);
    }
    if (producer->shape.type != NULL) {
        wr_row_shape_fini(&producer->shape);
    }
    (void)pthread_mutex_destroy(&producer->lock);
    wr_log_error_fini(&producer->error);
    wr_free(producer->lanes);
    wr_free(producer->keys);
    wr_free(producer->hashes);
    wr_free(producer->numbers);
    wr_free(producer->picks);
    wr_free(producer);
}

static weir_status producer_take_topic(weir_producer *producer, const char *name,
                                       const weir_type *type)
{
    weir_log *log = producer->log;
    if (log->epoch == 0) {
        return wr_log_fail(&producer->error, WEIR_USAGE,
                           "log %s: opened for reading; set `writes` in its options to append",
                           log->directory);
    }
    producer->topic = wr_catalog_topic(log, name, &producer->error);
    if (producer->topic == NULL) {
        return producer->error.status;
    }
    const weir_topic *settings = &producer->topic->settings;
    type                       = type != NULL ? type : settings->type;
    producer->schema           = (uint16_t)wr_topic_schema_of(producer->topic, type);
    if (producer->schema == 0) {
        return wr_log_fail(&producer->error, WEIR_MISMATCH,
                           "log %s: topic %s: it has no version of its type that is %s as given; "
                           "make it one with weir_log_create_topic",
                           log->directory, name, type->name);
    }
    wr_row_shape_init(&producer->shape, type, settings->time);
    char *error = NULL;
    if (settings->key != NULL) {
        producer->has_key = wr_log_key_init(&producer->key, type, settings->key, &error);
        if (!producer->has_key) {
            (void)wr_log_fail(&producer->error, WEIR_MISMATCH, "log %s: topic %s: %s",
                              log->directory, name, error);
            wr_free(error);
            return WEIR_MISMATCH;
        }
        producer->keys = wr_alloc_aligned((size_t)CHUNK_ROWS * producer->key.type->size, 64);
    }
    return WEIR_OK;
}

weir_status weir_producer_open(weir_log *log, const char *topic, const weir_type *type,
                               weir_producer **producer)
{
    weir_producer *opened = wr_alloc(sizeof(*opened));
    opened->log           = log;
    (void)pthread_mutex_init(&opened->lock, NULL);
    weir_status status = producer_take_topic(opened, topic, type);
    if (status != WEIR_OK) {
        (void)wr_log_keep(log, &opened->error);
        producer_free(opened);
        *producer = NULL;
        return status;
    }
    const uint32_t partitions = opened->topic->settings.partitions;
    opened->lanes             = wr_alloc(partitions * sizeof(*opened->lanes));
    for (uint32_t i = 0; i < partitions; i++) {
        wr_batch_builder_init(&opened->lanes[i].builder, &opened->shape, BATCH_BYTES);
    }
    opened->hashes  = wr_alloc(CHUNK_ROWS * sizeof(*opened->hashes));
    opened->numbers = wr_alloc(CHUNK_ROWS * sizeof(*opened->numbers));
    opened->picks   = wr_alloc(CHUNK_ROWS * sizeof(*opened->picks));
    list_put(log->commit, opened);
    wr_handle_put(log, &opened->handle, WR_HANDLE_PRODUCER, opened->topic->settings.name);
    *producer = opened;
    (void)pthread_mutex_lock(&log->lock);
    const bool is_deleted = opened->topic->is_deleted; // before it was listed
    if (is_deleted) {
        status = wr_log_fail(&log->error, WEIR_NOT_FOUND, "log %s: topic %s was deleted",
                             log->directory, topic);
    }
    (void)pthread_mutex_unlock(&log->lock);
    if (is_deleted) {
        (void)weir_producer_close(opened);
        *producer = NULL;
    }
    return status;
}

static weir_status flush(weir_producer *producer, int64_t timeout_us, bool gives_up);

weir_status weir_producer_close(weir_producer *producer)
{
    weir_status status = flush(producer, -1, true);
    list_take(producer->log->commit, producer);
    if (status != WEIR_OK) {
        // Batches that are still queued must not tell a producer that is gone.
        wr_commit_enter(producer->log->commit);
        for (uint32_t i = 0; i < producer->topic->settings.partitions; i++) {
            wr_partition_forget_ticket(producer->topic->partitions[i], &producer->lanes[i].ticket);
        }
        wr_commit_leave(producer->log->commit);
        if (wr_commit_poison(producer->log->commit, &producer->error) == WEIR_OK) {
            (void)wr_log_fail(&producer->error, status,
                              "log %s: topic %s: it closes with rows that are not acknowledged; "
                              "they are written if there is room before the log closes: %s",
                              producer->log->directory, producer->topic->settings.name,
                              producer->error.sentence);
        }
        status = wr_log_keep(producer->log, &producer->error);
    }
    wr_handle_take(producer->log, &producer->handle);
    producer_free(producer);
    return status;
}

const char *weir_producer_error(const weir_producer *producer) { return producer->error.sentence; }

// ---- gathering and queueing ----

// Queues what a lane has gathered; under the producer's lock.
static void lane_queue(weir_producer *producer, uint32_t number)
{
    struct wr_producer_lane *lane = &producer->lanes[number];
    if (lane->builder.rows == 0) {
        return;
    }
    struct wr_partition    *partition = producer->topic->partitions[number];
    struct wr_queued_batch *batch     = wr_alloc(sizeof(*batch));
    batch->ticket                     = &lane->ticket;
    batch->bytes = wr_batch_builder_finish(&lane->builder, producer->topic->settings.compression,
                                           partition->seed, &batch->header);
    batch->header.schema      = producer->schema;
    batch->header.transaction = producer->transaction_number;
    if (producer->transaction_number != 0) {
        wr_transaction_touch(producer->transaction, partition);
    }
    wr_commit_queue_any(producer->log->commit, partition, batch);
}

static void queue_all(weir_producer *producer)
{
    for (uint32_t i = 0; i < producer->topic->settings.partitions; i++) {
        lane_queue(producer, i);
    }
    producer->has_asked = false;
}

void wr_producer_pull_any(weir_producer *producer)
{
    (void)pthread_mutex_lock(&producer->lock);
    if (producer->has_asked) {
        queue_all(producer);
    }
    (void)pthread_mutex_unlock(&producer->lock);
}

static void producer_leave(weir_producer *producer, const weir_transaction *transaction)
{
    (void)pthread_mutex_lock(&producer->lock);
    if (producer->transaction == transaction) {
        queue_all(producer);
        producer->is_fenced          = wr_transaction_check(transaction) == WEIR_FENCED;
        producer->transaction        = NULL;
        producer->transaction_number = 0;
    }
    (void)pthread_mutex_unlock(&producer->lock);
}

void wr_producers_leave_any(weir_log *log, const weir_transaction *transaction)
{
    struct wr_commit *commit = log->commit;
    (void)pthread_mutex_lock(&commit->producers_lock);
    for (weir_producer *producer = commit->producers; producer != NULL; producer = producer->next) {
        producer_leave(producer, transaction);
    }
    (void)pthread_mutex_unlock(&commit->producers_lock);
    wr_commit_ask_any(commit);
}

// Rows of one transaction, or of none, share a batch.
static weir_status follow_transaction(weir_producer *producer)
{
    const weir_transaction *transaction = producer->transaction;
    const weir_status       status      = transaction != NULL   ? wr_transaction_check(transaction)
                                          : producer->is_fenced ? WEIR_FENCED
                                                                : WEIR_OK;
    if (status == WEIR_CONFLICT) {
        return wr_log_fail(&producer->error, WEIR_CONFLICT,
                           "log %s: topic %s: a record may not be appended while its transaction "
                           "is being decided, or once it is prepared; begin another first",
                           producer->log->directory, producer->topic->settings.name);
    }
    if (status == WEIR_FENCED) {
        return wr_log_fail(&producer->error, WEIR_FENCED,
                           "log %s: the transaction's name was opened again; this one may not "
                           "append any more",
                           producer->log->directory);
    }
    const uint64_t number = transaction != NULL ? wr_transaction_number(transaction) : 0;
    if (transaction != NULL && number == 0) {
        return wr_log_fail(&producer->error, WEIR_CONFLICT,
                           "log %s: topic %s: its transaction %s is not begun; begin a "
                           "transaction first, or leave it with weir_producer_join(producer, NULL)",
                           producer->log->directory, producer->topic->settings.name,
                           wr_transaction_name(transaction));
    }
    if (number != producer->transaction_number) {
        queue_all(producer);
        producer->transaction_number = number;
    }
    return WEIR_OK;
}

static weir_status too_long(weir_producer *producer)
{
    return wr_log_fail(
        &producer->error, WEIR_USAGE, "log %s: topic %s: a record is longer than %u bytes",
        producer->log->directory, producer->topic->settings.name, WR_BATCH_BYTES_MAX / 2);
}

// Adds rows to one lane, queueing full batches as they come. `picks` NULL: all of them in order.
static weir_status lane_add(weir_producer *producer, uint32_t number, const void *rows,
                            const uint8_t *changes, const uint32_t *picks, size_t count)
{
    struct wr_batch_builder *builder   = &producer->lanes[number].builder;
    const size_t             row_bytes = producer->shape.type->size;
    for (size_t at = 0; at < count;) {
        bool         is_too_long = false;
        const size_t taken =
            picks != NULL ? wr_batch_builder_add_picked(builder, rows, changes, picks + at,
                                                        count - at, &is_too_long)
                          : wr_batch_builder_add(builder, (const char *)rows + at * row_bytes,
                                                 changes != NULL ? changes + at : NULL, count - at,
                                                 &is_too_long);
        if (is_too_long) {
            return too_long(producer);
        }
        at += taken;
        if (at < count) {
            WR_ASSERT(taken > 0 || builder->rows > 0);
            lane_queue(producer, number);
        }
    }
    return WEIR_OK;
}

// Sends each row to the partition of its key: a counting sort of row numbers by partition.
static weir_status add_by_key(weir_producer *producer, const void *rows, const uint8_t *changes,
                              uint32_t count)
{
    const uint32_t partitions = producer->topic->settings.partitions;
    wr_log_key_gather(&producer->key, rows, producer->shape.type->size, count, producer->keys);
    wr_log_key_partitions(&producer->key, producer->keys, count, partitions, producer->hashes,
                          producer->numbers);
    uint32_t ends[1024 + 1] = { 0 };
    WR_ASSERT(partitions <= 1024);
    for (uint32_t i = 0; i < count; i++) {
        ends[producer->numbers[i] + 1]++;
    }
    for (uint32_t p = 0; p < partitions; p++) {
        ends[p + 1] += ends[p];
    }
    for (uint32_t i = 0; i < count; i++) {
        producer->picks[ends[producer->numbers[i]]++] = i;
    }
    weir_status status = WEIR_OK;
    for (uint32_t p = 0, from = 0; p < partitions && status == WEIR_OK; from = ends[p++]) {
        if (ends[p] > from) {
            status = lane_add(producer, p, rows, changes, producer->picks + from, ends[p] - from);
        }
    }
    return status;
}

#define ANY_PARTITION UINT32_MAX

static weir_status add_chunk(weir_producer *producer, uint32_t partition, const void *rows,
                             const uint8_t *changes, uint32_t count)
{
    if (partition != ANY_PARTITION) {
        return lane_add(producer, partition, rows, changes, NULL, count);
    }
    const uint32_t partitions = producer->topic->settings.partitions;
    if (producer->has_key && partitions > 1) {
        return add_by_key(producer, rows, changes, count);
    }
    producer->turn = (producer->turn + 1) % partitions;
    return lane_add(producer, producer->turn, rows, changes, NULL, count);
}

// Adds rows and sees to it that the committer will come for them.
static weir_status append_chunk(weir_producer *producer, uint32_t partition, const void *rows,
                                const uint8_t *changes, uint32_t count)
{
    (void)pthread_mutex_lock(&producer->lock);
    weir_status status = follow_transaction(producer);
    if (status == WEIR_OK) {
        status = add_chunk(producer, partition, rows, changes, count);
    }
    const bool asks     = !producer->has_asked;
    producer->has_asked = true;
    (void)pthread_mutex_unlock(&producer->lock);
    if (asks) {
        wr_commit_ask_any(producer->log->commit);
    }
    return status;
}

// How many of the rows fit into `limit` bytes with their strings, one at least; *bytes is what they
// take.
static size_t rows_within(const weir_producer *producer, const char *rows, size_t count,
                          size_t limit, size_t *bytes)
{
    const struct wr_strings *strings   = &producer->shape.strings;
    const size_t             row_bytes = producer->shape.type->size;
    size_t                   fits      = 0;
    if (strings->count == 0) {
        fits   = limit / row_bytes;
        fits   = fits == 0 ? 1 : fits < count ? fits : count;
        *bytes = fits * row_bytes;
        return fits;
    }
    *bytes = 0;
    while (fits < count) {
        const size_t row = row_bytes + wr_strings_long_bytes(strings, rows + fits * row_bytes);
        if (fits > 0 && row > limit - *bytes) {
            break;
        }
        *bytes += row;
        fits++;
        if (*bytes > limit) { // the first alone
            break;
        }
    }
    return fits;
}

static weir_status append(weir_producer *producer, uint32_t partition, const void *rows,
                          const uint8_t *changes, size_t count)
{
    const size_t   row_bytes = producer->shape.type->size;
    const uint64_t quarter   = producer->log->options.buffer_bytes / 4;
    const size_t   limit     = quarter < CHUNK_BYTES ? (size_t)quarter : CHUNK_BYTES;
    for (size_t at = 0, some = 0; at < count; at += some) {
        const char  *from = (const char *)rows + at * row_bytes;
        const size_t most = count - at < CHUNK_ROWS ? count - at : CHUNK_ROWS;
        size_t       bytes;
        weir_status  status;
        some = rows_within(producer, from, most, limit, &bytes);
        if (!wr_commit_reserve_any(producer->log->commit, bytes, true, &status)) {
            return wr_commit_poison(producer->log->commit, &producer->error);
        }
        status = append_chunk(producer, partition, from, changes != NULL ? changes + at : NULL,
                              (uint32_t)some);
        if (status != WEIR_OK) {
            return status;
        }
    }
    return WEIR_OK;
}

// ---- the public calls ----

weir_status weir_producer_append(weir_producer *producer, const void *rows, size_t count)
{
    return append(producer, ANY_PARTITION, rows, NULL, count);
}

static weir_status check_partition(weir_producer *producer, uint32_t partition)
{
    const uint32_t partitions = producer->topic->settings.partitions;
    return partition < partitions
               ? WEIR_OK
               : wr_log_fail(&producer->error, WEIR_USAGE,
                             "log %s: topic %s has partitions 0 to %u, not %u",
                             producer->log->directory, producer->topic->settings.name,
                             partitions - 1, partition);
}

weir_status weir_producer_append_to(weir_producer *producer, uint32_t partition, const void *rows,
                                    const uint8_t *changes, size_t count)
{
    const weir_status status = check_partition(producer, partition);
    return status == WEIR_OK ? append(producer, partition, rows, changes, count) : status;
}

bool wr_producer_try(weir_producer *producer, uint32_t partition, const void *rows,
                     const uint8_t *changes, size_t count, weir_status *status)
{
    const size_t row_bytes = producer->shape.type->size;
    size_t       bytes     = 0;
    (void)rows_within(producer, rows, count, SIZE_MAX, &bytes);
    if (!wr_commit_reserve_any(producer->log->commit, bytes, false, status)) {
        if (*status != WEIR_OK) {
            *status = wr_commit_poison(producer->log->commit, &producer->error);
        } else {
            wr_commit_ask_any(producer->log->commit);
        }
        return false;
    }
    for (size_t at = 0; at < count && *status == WEIR_OK; at += CHUNK_ROWS) {
        const uint32_t some = (uint32_t)(count - at < CHUNK_ROWS ? count - at : CHUNK_ROWS);
        *status             = append_chunk(producer, partition, (const char *)rows + at * row_bytes,
                               changes != NULL ? changes + at : NULL, some);
    }
    return *status == WEIR_OK;
}

// Waits for the acknowledgement of all; with `gives_up` for no more than one more try on a full
// disk.
static weir_status flush(weir_producer *producer, int64_t timeout_us, bool gives_up)
{
    struct wr_commit  *commit   = producer->log->commit;
    const int64_t      now      = wr_now_us(producer->log->environment);
    const bool         is_timed = timeout_us >= 0 && timeout_us < INT64_MAX - now;
    struct wr_patience patience = { .until_us    = is_timed ? now + timeout_us : INT64_MAX,
                                    .stuck_since = UINT64_MAX };
    weir_status        status   = WEIR_OK;
    (void)pthread_mutex_lock(&producer->lock);
    queue_all(producer);
    (void)pthread_mutex_unlock(&producer->lock);
    if (gives_up) {
        patience.stuck_since = wr_commit_round_any(commit);
    }
    wr_commit_ask_any(commit);
    for (uint32_t i = 0; i < producer->topic->settings.partitions && status == WEIR_OK; i++) {
        struct wr_producer_lane *lane = &producer->lanes[i];
        // Only this thread and those that pull queue batches; what it appended is queued.
        struct wr_partition *partition = producer->topic->partitions[i];
        (void)pthread_mutex_lock(&partition->lock);
        const uint64_t batches = lane->ticket.queued_batches;
        (void)pthread_mutex_unlock(&partition->lock);
        status =
            wr_commit_wait(commit, partition, &lane->ticket, batches, &patience, &producer->error);
    }
    return status;
}

weir_status weir_producer_flush(weir_producer *producer, int64_t timeout_us)
{
    return flush(producer, timeout_us, false);
}

uint64_t weir_producer_acknowledged(const weir_producer *producer, uint32_t partition,
                                    uint64_t *next_offset)
{
    if (partition >= producer->topic->settings.partitions) {
        return 0;
    }
    struct wr_partition    *of     = producer->topic->partitions[partition];
    const struct wr_ticket *ticket = &producer->lanes[partition].ticket;
    (void)pthread_mutex_lock(&of->lock);
    const uint64_t rows = ticket->acknowledged_rows;
    if (next_offset != NULL) {
        *next_offset = ticket->next_offset;
    }
    (void)pthread_mutex_unlock(&of->lock);
    return rows;
}

weir_status weir_producer_join(weir_producer *producer, weir_transaction *transaction)
{
    (void)pthread_mutex_lock(&producer->lock);
    queue_all(producer); // what was appended before belongs to what was joined before
    producer->transaction        = transaction;
    producer->transaction_number = 0;
    producer->is_fenced          = false;
    (void)pthread_mutex_unlock(&producer->lock);
    wr_commit_ask_any(producer->log->commit);
    return WEIR_OK;
}
