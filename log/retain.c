// Retention: segments from the front of a partition whose records are all older than the topic's
// age, counted from when they were appended (whatever time field the topic has), or that are beyond
// its bytes. A segment goes by bytes when those behind it have as many; so up to a segment more is
// kept, never less. One that holds a batch of an undecided transaction stays, and all behind it.
#include "log/upkeep.h"

#include "log/transactions.h"

// What is asked of one partition now.
struct retention {
    weir_time oldest; // what was appended before is too old; WEIR_TIME_MIN: nothing is
    uint64_t  bytes;  // 0: any number
    uint64_t  limit;  // segments that end behind it stay
};

static struct retention retention_of(const struct wr_partition *partition)
{
    const weir_log        *log         = partition->topic->log;
    struct wr_environment *environment = log->environment;
    const weir_topic      *settings    = &partition->topic->settings;
    const int64_t          now         = environment->ops->wall_us(environment);
    return (struct retention){
        .oldest = settings->retain_age > 0 ? now - settings->retain_age : WEIR_TIME_MIN,
        .bytes  = settings->retain_bytes,
        .limit  = UINT64_MAX,
    };
}

// The segment being written ends if all of it is too old, so that an idle topic empties.
static weir_status seal_if_old(struct wr_partition *partition, const struct retention *retention,
                               struct wr_log_error *error)
{
    const bool is_old = partition->file >= 0 && partition->next_offset > partition->base &&
                        partition->index.last_appended < retention->oldest;
    const weir_status status = is_old ? wr_partition_seal(partition, error) : WEIR_OK;
    if (is_old && status == WEIR_OK) {
        wr_partition_publish(partition);
    }
    return status;
}

// Where the records that are to stay begin.
static uint64_t keep_from(const struct wr_partition *partition, const struct retention *retention)
{
    uint64_t bytes = partition->file >= 0 ? partition->position : 0;
    uint64_t from  = partition->start.first_offset;
    for (uint32_t i = 0; i < partition->segment_count; i++) {
        bytes += partition->segments[i].bytes;
    }
    for (uint32_t i = 0; i < partition->segment_count; i++) {
        const struct wr_sealed_segment *segment = &partition->segments[i];
        bytes -= segment->bytes;
        const bool is_old    = segment->last_appended < retention->oldest;
        const bool is_beyond = retention->bytes > 0 && bytes >= retention->bytes;
        if ((!is_old && !is_beyond) || segment->end > retention->limit) {
            break;
        }
        from = segment->end > from ? segment->end : from;
    }
    return from;
}

weir_status wr_retain_partition(struct wr_partition *partition, uint64_t *bytes,
                                struct wr_log_error *error)
{
    struct wr_commit   *commit    = partition->topic->log->commit;
    struct wr_leftovers leftovers = { .bases = NULL };
    *bytes                        = 0;
    if (wr_upkeep_check(partition, error) != WEIR_OK) {
        return error->status;
    }
    wr_commit_enter(commit);
    struct retention retention = retention_of(partition);
    wr_commit_leave(commit);
    if (retention.oldest == WEIR_TIME_MIN && retention.bytes == 0) {
        return WEIR_OK;
    }
    weir_status status = wr_transactions_least_undecided(partition, &retention.limit, error);
    if (status != WEIR_OK) {
        return status;
    }
    if (!wr_upkeep_begin_step(partition, error)) {
        return error->status;
    }
    status = seal_if_old(partition, &retention, error);
    if (status == WEIR_OK) {
        const uint64_t from = keep_from(partition, &retention);
        if (partition->segment_count > 0 && partition->segments[0].end <= from) {
            status = wr_partition_drop_before(partition, from, &leftovers, error);
        }
    }
    status = wr_upkeep_end_step(partition, status, error);
    *bytes = leftovers.bytes;
    return wr_upkeep_clear(partition, status, &leftovers, error);
}

weir_status weir_log_retain(weir_log *log, const char *topic, uint64_t *bytes)
{
    struct wr_log_error error = { .status = WEIR_OK };
    struct wr_topic    *found = wr_upkeep_topic(log, topic, &error);
    uint64_t            freed = 0, all = 0;
    weir_status         status = found != NULL ? WEIR_OK : error.status;
    for (uint32_t i = 0; status == WEIR_OK && i < found->settings.partitions; i++) {
        wr_upkeep_enter(log);
        status = wr_retain_partition(found->partitions[i], &freed, &error);
        wr_upkeep_leave(log);
        all += freed;
    }
    if (bytes != NULL) {
        *bytes = all;
    }
    return status == WEIR_OK ? WEIR_OK : wr_log_keep(log, &error);
}
