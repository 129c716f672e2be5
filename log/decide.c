#include "log/commit.h"
#include "log/deciding.h"
#include "log/upkeep.h"

#define BATCH_TARGET_BYTES (4u << 20)
#define FULL_DISK_WAIT_US  20000

// ---- writing records ----

weir_status wr_transactions_settle(weir_log *log, bool gives_up, struct wr_log_error *error)
{
    struct wr_commit *commit = log->commit;
    uint32_t          rounds = log->options.durability == WEIR_DURABLE ? 1 : 2;
    wr_commit_pull_any(commit);
    const uint64_t since = gives_up ? wr_commit_round_any(commit) : UINT64_MAX;
    while (rounds > 0) {
        (void)wr_commit_run(commit, true);
        weir_status status = wr_commit_poison(commit, error);
        if (status == WEIR_OK) {
            status = wr_commit_stuck_any(commit, since, error);
        }
        if (status != WEIR_OK) {
            return status;
        }
        wr_commit_enter(commit);
        const bool is_full = commit->is_full;
        wr_commit_leave(commit);
        if (is_full && wr_upkeep_is_stopping(log)) { // who closes the log waits for who is here
            return wr_log_fail(error, WEIR_FULL,
                               "log %s: the disk is full and the log is being closed; make room, "
                               "then open it again",
                               log->directory);
        }
        if (is_full) {
            const uint32_t nothing = 0;
            log->environment->ops->wait_word(log->environment, &nothing, 0, FULL_DISK_WAIT_US);
        } else {
            rounds--; // a weaker durability: that round may not have been one that syncs
        }
    }
    return WEIR_OK;
}

// Queues the batch, with its header complete but for what the committer knows. Who gives up on a
// full disk does not wait for room in the buffer either: what he queues he takes back.
static weir_status queue_batch(struct wr_transactions  *transactions,
                               struct wr_batch_builder *builder, struct wr_ticket *ticket,
                               bool gives_up)
{
    const uint32_t          seed   = transactions->partition->seed;
    struct wr_queued_batch *batch  = wr_alloc(sizeof(*batch));
    weir_status             status = WEIR_OK;
    batch->bytes = wr_batch_builder_finish(builder, WEIR_COMPRESSION_NONE, seed, &batch->header);
    batch->header.schema = 1;
    batch->ticket        = ticket;
    if (!wr_commit_reserve_any(transactions->log->commit, batch->header.bytes, !gives_up,
                               &status) &&
        status != WEIR_OK) {
        wr_free(batch->bytes);
        wr_free(batch);
        return status;
    }
    wr_transactions_lock(transactions);
    transactions->written += batch->header.bytes;
    wr_transactions_unlock(transactions);
    wr_commit_queue_any(transactions->log->commit, transactions->partition, batch);
    return WEIR_OK;
}

// What was queued is not known to be on disk: takes back what is not written. WEIR_OK: all was, and
// is on disk now; else `status`.
static weir_status take_back(struct wr_transactions *transactions, const struct wr_ticket *ticket,
                             weir_status status, struct wr_log_error *error)
{
    struct wr_partition *partition = transactions->partition;
    if (wr_commit_withdraw(transactions->log->commit, partition, ticket) > 0 ||
        !wr_upkeep_begin_step(partition, error)) {
        return status;
    }
    status = wr_upkeep_end_step(partition, wr_partition_sync(partition, error), error);
    if (status == WEIR_OK) {
        wr_log_error_fini(error);
    }
    return status;
}

weir_status wr_transactions_write(struct wr_transactions   *transactions,
                                  const struct wr_decision *records, uint32_t count, bool gives_up,
                                  struct wr_log_error *error)
{
    struct wr_batch_builder builder;
    struct wr_ticket        ticket = { 0 };
    weir_status             status = WEIR_OK;
    wr_batch_builder_init(&builder, &transactions->shape,
                          count > 16 ? BATCH_TARGET_BYTES : count * 512);
    for (uint32_t done = 0; done < count && status == WEIR_OK;) {
        bool is_too_long = false;
        done += (uint32_t)wr_batch_builder_add(&builder, records + done, NULL, count - done,
                                               &is_too_long);
        WR_ASSERT(!is_too_long);
        status = queue_batch(transactions, &builder, &ticket, gives_up);
    }
    wr_batch_builder_fini(&builder);
    if (status != WEIR_OK) {
        (void)wr_commit_poison(transactions->log->commit, error);
    } else {
        status = wr_transactions_settle(transactions->log, gives_up, error);
    }
    return status == WEIR_OK ? WEIR_OK : take_back(transactions, &ticket, status, error);
}

// ---- a new segment with the whole picture ----

// Ends the segment being written; *base is where the next one begins.
static weir_status seal_segment(struct wr_transactions *transactions, uint64_t *base,
                                struct wr_log_error *error)
{
    struct wr_partition *partition = transactions->partition;
    if (!wr_upkeep_begin_step(partition, error)) {
        return error->status;
    }
    const weir_status status = wr_partition_seal(partition, error);
    *base                    = partition->next_offset;
    return wr_upkeep_end_step(partition, status, error);
}

static weir_status drop_segments(struct wr_transactions *transactions, uint64_t base,
                                 struct wr_log_error *error)
{
    struct wr_partition *partition = transactions->partition;
    struct wr_leftovers  leftovers;
    if (!wr_upkeep_begin_step(partition, error)) {
        return error->status;
    }
    weir_status status = wr_partition_drop_before(partition, base, &leftovers, error);
    status             = wr_upkeep_end_step(partition, status, error);
    return wr_upkeep_clear(partition, status, &leftovers, error);
}

static weir_status write_picture(struct wr_transactions *transactions, struct wr_log_error *error)
{
    uint32_t    count;
    uint64_t    base   = 0;
    weir_status status = seal_segment(transactions, &base, error);
    if (status != WEIR_OK) {
        return status;
    }
    wr_transactions_lock(transactions); // upkeep may be forgetting aborted ones
    struct wr_decision *records = wr_decisions_records(&transactions->decisions, &count);
    wr_transactions_unlock(transactions);
    // Who decides meanwhile waits for this, so it does not wait for a full disk.
    status = wr_transactions_write(transactions, records, count, true, error);
    wr_free(records);
    return status == WEIR_OK ? drop_segments(transactions, base, error) : status;
}

// Rolls if it is time to. What it cannot do now (a full disk) it tries again later: nothing depends
// on it but room.
static void roll_if_due(struct wr_transactions *transactions)
{
    struct wr_log_error error = { .status = WEIR_OK };
    wr_transactions_lock(transactions);
    while (transactions->is_rolling) {
        (void)pthread_cond_wait(&transactions->settles, &transactions->lock);
    }
    if (transactions->written < transactions->rolled_at) {
        wr_transactions_unlock(transactions);
        return;
    }
    transactions->is_rolling = true;
    while (transactions->in_flight > 0) {
        (void)pthread_cond_wait(&transactions->settles, &transactions->lock);
    }
    transactions->written = 0;
    wr_transactions_unlock(transactions);

    if (write_picture(transactions, &error) != WEIR_OK) {
        wr_log_warn(transactions->log, "%s; old decisions are kept a little longer",
                    error.sentence);
    }
    wr_log_error_fini(&error);

    wr_transactions_lock(transactions);
    const uint64_t picture = transactions->written;
    transactions->rolled_at =
        picture * 4 > WR_TRANSACTIONS_ROLL_BYTES ? picture * 4 : WR_TRANSACTIONS_ROLL_BYTES;
    transactions->written    = 0;
    transactions->is_rolling = false;
    (void)pthread_cond_broadcast(&transactions->settles);
    wr_transactions_unlock(transactions);
}

// ---- waking ----

static void wake_all(weir_log *log)
{
    (void)pthread_mutex_lock(&log->lock);
    for (uint32_t i = 0; i < log->topic_count; i++) {
        if (log->topics[i]->live != NULL) {
            wr_live_wake_any(log->topics[i]->live);
        }
    }
    (void)pthread_mutex_unlock(&log->lock);
}

// Readers that hold rows of the transaction back look again.
static void wake_touched(struct wr_transactions *transactions, const struct wr_begun *begun)
{
    if (begun == NULL) { // of an earlier process: anywhere
        wake_all(transactions->log);
        return;
    }
    for (uint32_t i = 0; i < begun->touched_count; i++) {
        struct wr_topic *topic   = begun->touched[i].partition->topic;
        bool             is_done = topic->live == NULL;
        for (uint32_t j = 0; j < i && !is_done; j++) {
            is_done = begun->touched[j].partition->topic == topic;
        }
        if (!is_done) {
            wr_live_wake_any(topic->live);
        }
    }
    // Those in this process wait for this one, and may have looked before the verdict was applied.
    if (transactions->partition->topic->live != NULL) {
        wr_live_wake_any(transactions->partition->topic->live);
    }
}

// ---- deciding ----

void wr_begun_free(struct wr_begun *begun)
{
    if (begun != NULL) {
        wr_free(begun->touched);
        wr_free(begun);
    }
}

// Takes the transaction out of the list; NULL: it is not of this process.
struct wr_begun *wr_begun_take(struct wr_transactions *transactions, uint64_t number)
{
    for (struct wr_begun **at = &transactions->begun; *at != NULL; at = &(*at)->next) {
        struct wr_begun *begun = *at;
        if (begun->number == number) {
            *at = begun->next;
            return begun;
        }
    }
    return NULL;
}

// Applies a decision that is on disk.
static void apply_decision(struct wr_transactions *transactions, const struct wr_decision *decision)
{
    struct wr_begun *begun   = NULL;
    const bool       is_last = decision->verdict != WR_VERDICT_PREPARED;
    wr_transactions_lock(transactions);
    const bool is_right = wr_decisions_apply(&transactions->decisions, decision);
    WR_ASSERT(is_right);
    if (is_last) {
        begun = wr_begun_take(transactions, decision->first);
        for (weir_transaction *handle = transactions->handles; handle != NULL;
             handle                   = handle->next) {
            if (begun != NULL && handle->current == begun) {
                handle->current     = NULL;
                handle->is_prepared = false;
            }
        }
        transactions->version += begun == NULL;
    }
    transactions->in_flight--;
    (void)pthread_cond_broadcast(&transactions->settles);
    wr_transactions_unlock(transactions);
    if (is_last) {
        wake_touched(transactions, begun);
        wr_begun_free(begun);
    }
}

weir_status wr_transactions_decide(struct wr_transactions *transactions, uint64_t number,
                                   enum wr_verdict verdict, const char *name, bool gives_up,
                                   struct wr_log_error *error)
{
    const struct wr_decision decision = {
        .first = number, .end = number + 1, .name = weir_str_from(name), .verdict = (int32_t)verdict
    };
    weir_status status = wr_transactions_settle(transactions->log, gives_up, error);
    if (status != WEIR_OK) {
        return status;
    }
    roll_if_due(transactions);
    wr_transactions_lock(transactions);
    while (transactions->is_rolling) {
        (void)pthread_cond_wait(&transactions->settles, &transactions->lock);
    }
    transactions->in_flight++;
    wr_transactions_unlock(transactions);
    status = wr_transactions_write(transactions, &decision, 1, gives_up, error);
    if (status == WEIR_OK) {
        apply_decision(transactions, &decision);
        return WEIR_OK;
    }
    wr_transactions_lock(transactions);
    transactions->in_flight--;
    (void)pthread_cond_broadcast(&transactions->settles);
    wr_transactions_unlock(transactions);
    return status;
}
