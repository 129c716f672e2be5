// The writer's side gives out numbers and writes verdicts; the reader's side follows the topic.
//
// What a reader sees, and why it is right
//
// Every verdict but one is a record: committed, prepared, aborted. The one without is "open": a
// number at or above `top`, or in a gap that later records left. So a reader needs no epoch, no
// clock and no writer to be there.
//
//   - A crashed writer's successor has not come: its undecided transactions are open; readers hold
//     back before them. They may not be called aborted yet: a decision may lie on the disk behind
//     the durable end that a reader can vouch for, and only recovery says whether it stays.
//   - The successor has come: recovery has kept or dropped the tail of .transactions, for good.
//     Then, before anything else, it writes one batch that names every number of earlier epochs
//     that is neither committed, aborted nor prepared as aborted, and makes it durable. From that
//     record on readers pass over them. Its own numbers begin at epoch << 32, above all of these.
//   - Prepared ones are named with their names; they stay until they are resolved.
//
// So a transaction is committed if and only if its record is on disk; weir_transaction_commit
// returns WEIR_OK only after that. A crash before the return leaves it either way, in all
// partitions alike.
//
// The order of a decision: (1) what the producers gathered is queued, written and synced; (2) the
// record is queued, written and synced; (3) it is applied to this process's picture; (4) who waits
// for held rows is woken. (1) before (2) even if the log's durability is weaker: a record on disk
// must never speak of rows that are not.
//
// Keeping it small. Records of different numbers may be applied in any order, so many threads
// decide at once and share syncs (`in_flight`). When enough has been written, one of them stops the
// others (`is_rolling`), ends the segment, writes the whole picture at the start of a new one and,
// once that is durable, drops the segments before. What the picture holds is bounded but for
// aborted numbers, which wr_transactions_tidy forgets.
//
// Thread rule: `lock` guards everything here but the partition and the moments (upkeep's), and
// nothing else is taken under it (a reader's follows under it); `settles` says that in_flight,
// is_rolling or a handle's is_deciding has changed.
#include "log/transactions.h"

#include "log/catalog.h"
#include "log/commit.h"
#include "log/decisions.h"
#include "log/pack.h"
#include "log/partition_reader.h"
#include "log/upkeep.h"

#include <string.h>

#define SEGMENT_BYTES      (1u << 20)
#define ROLL_BYTES         (512u << 10)
#define BATCH_TARGET_BYTES (4u << 20)
#define FULL_DISK_WAIT_US  20000
#define NAME_BYTES_MAX     200u

uint32_t wr_transactions_aborted_kept = 4096;

// A transaction of this process that is not decided.
struct wr_begun {
    struct wr_begun *next;
    uint64_t         number;
    struct wr_touched {
        struct wr_partition *partition;
        uint64_t             from; // no batch of the transaction is before it
    } * touched;
    uint32_t touched_count, touched_capacity;
};

struct weir_transaction {
    struct weir_transaction *next;
    weir_log                *log;
    char                    *name;
    struct wr_begun         *current;     // NULL: none
    bool                     is_prepared; // the current one
    bool                     is_deciding; // its thread is in a decision
    bool                     is_fenced;
    bool                     is_open; // in the list of handles; set once, by its thread
    struct wr_log_error      error;   // its thread's
};

// Where a partition stood when all aborted numbers below `moment_top` had got their last batches.
struct wr_moment {
    struct wr_partition *partition;
    uint64_t             end;
};

// The least offset at which a prepared transaction of an earlier process may be, as it was found.
struct wr_inherited {
    const struct wr_partition *partition;
    uint64_t                   from;
    uint64_t                   version;
};

struct wr_transactions {
    weir_log           *log;
    pthread_mutex_t     lock;
    struct wr_decisions decisions;
    struct wr_row_shape shape;

    // A writer's.
    pthread_cond_t       settles;
    pthread_mutex_t      start_lock; // held while the topic is made and read
    bool                 is_started;
    struct wr_partition *partition; // of .transactions
    uint64_t             next_number;
    weir_transaction    *handles;
    struct wr_begun     *begun;
    uint32_t             in_flight;
    bool                 is_rolling;
    uint64_t             rolled_at, written; // bytes: when to roll, since the last time
    struct wr_moment    *moments;
    uint32_t             moment_count;
    uint64_t             moment_top; // 0: no moment was taken
    struct wr_inherited *inherited;
    uint32_t             inherited_count;
    uint64_t             version; // counts what was decided of another process's transactions

    // A reader's.
    struct wr_partition_reader reader;
    bool                       is_following, has_warned;
    char                      *unpacked;
    size_t                     unpacked_capacity;
};

static void transactions_lock(struct wr_transactions *transactions)
{
    (void)pthread_mutex_lock(&transactions->lock);
}

static void transactions_unlock(struct wr_transactions *transactions)
{
    (void)pthread_mutex_unlock(&transactions->lock);
}

static struct wr_transactions *transactions_new(weir_log *log)
{
    struct wr_transactions *transactions = wr_alloc(sizeof(*transactions));
    transactions->log                    = log;
    transactions->rolled_at              = ROLL_BYTES;
    (void)pthread_mutex_init(&transactions->lock, NULL);
    (void)pthread_mutex_init(&transactions->start_lock, NULL);
    (void)pthread_cond_init(&transactions->settles, NULL);
    wr_decisions_init(&transactions->decisions);
    wr_row_shape_init(&transactions->shape, &wr_decision_type, NULL);
    return transactions;
}

// ---- following the topic ----

static bool follow_apply(struct wr_transactions *transactions, struct wr_partition_reader *reader)
{
    struct wr_unpacked unpacked;
    const char        *reason   = "it is of another type";
    bool               is_right = reader->header.schema == 1 &&
                    wr_batch_unpack(reader->batch + WR_BATCH_HEADER_BYTES, &reader->header,
                                    &transactions->shape, &transactions->unpacked,
                                    &transactions->unpacked_capacity, &unpacked, &reason);
    for (uint32_t i = 0; is_right && i < reader->header.rows; i++) {
        struct wr_decision decision;
        memcpy(&decision, unpacked.rows + i * sizeof(decision), sizeof(decision));
        reason   = "a decision makes no sense";
        is_right = wr_decisions_apply(&transactions->decisions, &decision);
    }
    if (!is_right) {
        (void)wr_partition_reader_damage(reader, reason);
    }
    return is_right;
}

// Applies all there is. WEIR_OK, or why it could not go on (in reader->error).
static weir_status follow_all(struct wr_transactions *transactions)
{
    struct wr_partition_reader *reader = &transactions->reader;
    for (;;) {
        switch (wr_partition_reader_next(reader)) {
        case WR_PARTITION_BATCH:
            if (!follow_apply(transactions, reader)) {
                return WEIR_DAMAGED;
            }
            wr_partition_reader_pass(reader);
            break;
        case WR_PARTITION_FAILED:
            if (reader->error.status != WEIR_NOT_FOUND) {
                return reader->error.status;
            }
            // What came next was dropped: then a later segment begins with the whole picture.
            wr_decisions_clear(&transactions->decisions);
            break;
        case WR_PARTITION_QUIET:
        case WR_PARTITION_LATER:
        case WR_PARTITION_HELD:
        case WR_PARTITION_ENDED: return WEIR_OK;
        }
    }
}

static bool follow_begin(struct wr_transactions *transactions, struct wr_topic *topic)
{
    transactions->is_following =
        wr_partition_reader_init(&transactions->reader, transactions->log, topic, 0, 0);
    transactions->reader.reads_uncommitted = true;
    if (!transactions->is_following) {
        wr_partition_reader_fini(&transactions->reader);
    }
    return transactions->is_following;
}

// A reader's look for news. On failure nothing new is known, and transactions stay open.
static void reader_follow(struct wr_transactions *transactions)
{
    struct wr_log_error error = { .status = WEIR_OK };
    weir_log           *log   = transactions->log;
    if (!transactions->is_following) {
        struct wr_topic *topic = wr_catalog_topic(log, WR_TRANSACTIONS_TOPIC, &error);
        wr_log_error_fini(&error);
        if (topic == NULL || !follow_begin(transactions, topic)) {
            return;
        }
    }
    if (follow_all(transactions) != WEIR_OK && !transactions->has_warned) {
        transactions->has_warned = true;
        wr_log_warn(log, "%s; transactions that are not known yet count as undecided",
                    transactions->reader.error.sentence);
    }
}

weir_status wr_transactions_open_reader(weir_log *log, struct wr_log_error *error)
{
    (void)error;
    struct wr_transactions *transactions = transactions_new(log);
    (void)pthread_mutex_lock(&log->lock);
    if (log->transactions == NULL) {
        log->transactions = transactions;
        transactions      = NULL;
    }
    (void)pthread_mutex_unlock(&log->lock);
    wr_transactions_close(transactions);
    return WEIR_OK;
}

static struct wr_transactions *transactions_of(weir_log *log)
{
    (void)pthread_mutex_lock(&log->lock);
    struct wr_transactions *transactions = log->transactions;
    (void)pthread_mutex_unlock(&log->lock);
    if (transactions == NULL) {
        (void)wr_transactions_open_reader(log, NULL);
        transactions = transactions_of(log);
    }
    return transactions;
}

enum wr_verdict wr_transactions_verdict(weir_log *log, uint64_t transaction)
{
    struct wr_transactions *transactions = transactions_of(log);
    transactions_lock(transactions);
    enum wr_verdict verdict = wr_decisions_verdict(&transactions->decisions, transaction);
    if (log->epoch == 0 && (verdict == WR_VERDICT_OPEN || verdict == WR_VERDICT_PREPARED)) {
        reader_follow(transactions);
        verdict = wr_decisions_verdict(&transactions->decisions, transaction);
    }
    transactions_unlock(transactions);
    return verdict;
}

void wr_transactions_copy(weir_log *log, struct wr_decisions *copy)
{
    struct wr_transactions *transactions = transactions_of(log);
    uint32_t                count;
    wr_decisions_init(copy);
    transactions_lock(transactions);
    if (log->epoch == 0) {
        reader_follow(transactions);
    }
    struct wr_decision *records = wr_decisions_records(&transactions->decisions, &count);
    for (uint32_t i = 0; i < count; i++) {
        const bool is_right = wr_decisions_apply(copy, &records[i]);
        WR_ASSERT(is_right);
    }
    transactions_unlock(transactions);
    wr_free(records);
}

struct wr_live *wr_transactions_live(weir_log *log)
{
    struct wr_log_error error = { .status = WEIR_OK };
    struct wr_topic    *topic = wr_catalog_topic(log, WR_TRANSACTIONS_TOPIC, &error);
    wr_log_error_fini(&error);
    return topic != NULL ? wr_topic_live(topic) : NULL;
}

// ---- writing records ----

// Waits until everything queued so far, and what producers had gathered, is on disk.
static weir_status settle(weir_log *log, struct wr_log_error *error)
{
    struct wr_commit *commit = log->commit;
    uint32_t          rounds = log->options.durability == WEIR_DURABLE ? 1 : 2;
    wr_commit_pull_any(commit);
    while (rounds > 0) {
        (void)wr_commit_run(commit, true);
        const weir_status status = wr_commit_poison(commit, error);
        if (status != WEIR_OK) {
            return status;
        }
        wr_commit_enter(commit);
        const bool is_full = commit->is_full;
        wr_commit_leave(commit);
        if (is_full) {
            const uint32_t nothing = 0;
            log->environment->ops->wait_word(log->environment, &nothing, 0, FULL_DISK_WAIT_US);
        } else {
            rounds--; // a weaker durability: that round may not have been one that syncs
        }
    }
    return WEIR_OK;
}

// Queues the batch, with its header complete but for what the committer knows.
static weir_status queue_batch(struct wr_transactions  *transactions,
                               struct wr_batch_builder *builder)
{
    const uint32_t          seed   = transactions->partition->seed;
    struct wr_queued_batch *batch  = wr_alloc(sizeof(*batch));
    weir_status             status = WEIR_OK;
    batch->bytes = wr_batch_builder_finish(builder, WEIR_COMPRESSION_NONE, seed, &batch->header);
    batch->header.schema = 1;
    if (!wr_commit_reserve_any(transactions->log->commit, batch->header.bytes, true, &status)) {
        wr_free(batch->bytes);
        wr_free(batch);
        return status;
    }
    transactions_lock(transactions);
    transactions->written += batch->header.bytes;
    transactions_unlock(transactions);
    wr_commit_queue_any(transactions->log->commit, transactions->partition, batch);
    return WEIR_OK;
}

// Writes records and waits until they are on disk.
static weir_status write_records(struct wr_transactions   *transactions,
                                 const struct wr_decision *records, uint32_t count,
                                 struct wr_log_error *error)
{
    struct wr_batch_builder builder;
    weir_status             status = WEIR_OK;
    wr_batch_builder_init(&builder, &transactions->shape,
                          count > 16 ? BATCH_TARGET_BYTES : count * 512);
    for (uint32_t done = 0; done < count && status == WEIR_OK;) {
        bool is_too_long = false;
        done += (uint32_t)wr_batch_builder_add(&builder, records + done, NULL, count - done,
                                               &is_too_long);
        WR_ASSERT(!is_too_long);
        status = queue_batch(transactions, &builder);
    }
    wr_batch_builder_fini(&builder);
    if (status != WEIR_OK) {
        (void)wr_commit_poison(transactions->log->commit, error);
        return status;
    }
    return settle(transactions->log, error);
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
    uint64_t             bytes     = 0;
    if (!wr_upkeep_begin_step(partition, error)) {
        return error->status;
    }
    const weir_status status = wr_partition_drop_before(partition, base, &bytes, error);
    return wr_upkeep_end_step(partition, status, error);
}

static weir_status write_picture(struct wr_transactions *transactions, struct wr_log_error *error)
{
    uint32_t    count;
    uint64_t    base   = 0;
    weir_status status = seal_segment(transactions, &base, error);
    if (status != WEIR_OK) {
        return status;
    }
    struct wr_decision *records = wr_decisions_records(&transactions->decisions, &count);
    status                      = write_records(transactions, records, count, error);
    wr_free(records);
    return status == WEIR_OK ? drop_segments(transactions, base, error) : status;
}

// Rolls if it is time to. What it cannot do now (a full disk) it tries again later: nothing depends
// on it but room.
static void roll_if_due(struct wr_transactions *transactions)
{
    struct wr_log_error error = { .status = WEIR_OK };
    transactions_lock(transactions);
    while (transactions->is_rolling) {
        (void)pthread_cond_wait(&transactions->settles, &transactions->lock);
    }
    if (transactions->written < transactions->rolled_at) {
        transactions_unlock(transactions);
        return;
    }
    transactions->is_rolling = true;
    while (transactions->in_flight > 0) {
        (void)pthread_cond_wait(&transactions->settles, &transactions->lock);
    }
    transactions->written = 0;
    transactions_unlock(transactions);

    if (write_picture(transactions, &error) != WEIR_OK) {
        wr_log_warn(transactions->log, "%s; old decisions are kept a little longer",
                    error.sentence);
    }
    wr_log_error_fini(&error);

    transactions_lock(transactions);
    const uint64_t picture   = transactions->written;
    transactions->rolled_at  = picture * 4 > ROLL_BYTES ? picture * 4 : ROLL_BYTES;
    transactions->written    = 0;
    transactions->is_rolling = false;
    (void)pthread_cond_broadcast(&transactions->settles);
    transactions_unlock(transactions);
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

static void begun_free(struct wr_begun *begun)
{
    if (begun != NULL) {
        wr_free(begun->touched);
        wr_free(begun);
    }
}

// Takes the transaction out of the list; NULL: it is not of this process.
static struct wr_begun *begun_take(struct wr_transactions *transactions, uint64_t number)
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
    transactions_lock(transactions);
    WR_ASSERT(wr_decisions_apply(&transactions->decisions, decision));
    if (is_last) {
        begun = begun_take(transactions, decision->first);
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
    transactions_unlock(transactions);
    if (is_last) {
        wake_touched(transactions, begun);
        begun_free(begun);
    }
}

// Makes a verdict durable and known. Many threads at once.
static weir_status decide(struct wr_transactions *transactions, uint64_t number,
                          enum wr_verdict verdict, const char *name, struct wr_log_error *error)
{
    const struct wr_decision decision = {
        .first = number, .end = number + 1, .name = weir_str_from(name), .verdict = (int32_t)verdict
    };
    weir_status status = settle(transactions->log, error);
    if (status != WEIR_OK) {
        return status;
    }
    roll_if_due(transactions);
    transactions_lock(transactions);
    while (transactions->is_rolling) {
        (void)pthread_cond_wait(&transactions->settles, &transactions->lock);
    }
    transactions->in_flight++;
    transactions_unlock(transactions);
    status = write_records(transactions, &decision, 1, error);
    if (status == WEIR_OK) {
        apply_decision(transactions, &decision);
        return WEIR_OK;
    }
    transactions_lock(transactions);
    transactions->in_flight--;
    (void)pthread_cond_broadcast(&transactions->settles);
    transactions_unlock(transactions);
    return status;
}

// ---- opening and closing ----

static weir_status open_topic(struct wr_transactions *transactions, bool creates,
                              struct wr_log_error *error)
{
    weir_log        *log   = transactions->log;
    struct wr_topic *topic = wr_catalog_topic(log, WR_TRANSACTIONS_TOPIC, error);
    if (topic == NULL && error->status == WEIR_NOT_FOUND && creates) {
        const weir_topic  settings = { .name          = WR_TRANSACTIONS_TOPIC,
                                       .type          = &wr_decision_type,
                                       .partitions    = 1,
                                       .segment_bytes = SEGMENT_BYTES };
        const weir_status status   = wr_catalog_create_topic(log, &settings, error);
        if (status != WEIR_OK) {
            return status;
        }
        topic = wr_catalog_topic(log, WR_TRANSACTIONS_TOPIC, error);
    }
    if (topic == NULL) {
        return error->status;
    }
    transactions->partition = topic->partitions[0];
    return WEIR_OK;
}

static weir_status read_decisions(struct wr_transactions *transactions, struct wr_log_error *error)
{
    weir_status status = WEIR_OK;
    if (!follow_begin(transactions, transactions->partition->topic)) {
        return wr_log_fail(error, WEIR_DAMAGED, "log %s: topic %s: its decisions cannot be read",
                           transactions->log->directory, WR_TRANSACTIONS_TOPIC);
    }
    status = follow_all(transactions);
    if (status != WEIR_OK) {
        (void)wr_log_fail(error, status, "%s", transactions->reader.error.sentence);
    }
    wr_partition_reader_fini(&transactions->reader);
    transactions->is_following = false;
    return status;
}

// Names what earlier epochs left open as aborted, durably; numbers of this one come behind.
static weir_status end_earlier_epochs(struct wr_transactions *transactions,
                                      struct wr_log_error    *error)
{
    struct wr_decisions *decisions = &transactions->decisions;
    const uint64_t       first     = (uint64_t)transactions->log->epoch << 32;
    struct wr_decision  *records   = wr_alloc((decisions->count + 1) * sizeof(*records));
    uint32_t             count     = 0;
    WR_ASSERT(decisions->top <= first);
    for (uint32_t i = 0; i < decisions->count; i++) {
        if (decisions->ranges[i].verdict == WR_VERDICT_OPEN) {
            records[count++] = (struct wr_decision){ .first   = decisions->ranges[i].first,
                                                     .end     = decisions->ranges[i].end,
                                                     .verdict = WR_VERDICT_ABORTED };
        }
    }
    if (decisions->top < first) {
        records[count++] = (struct wr_decision){ .first   = decisions->top,
                                                 .end     = first,
                                                 .verdict = WR_VERDICT_ABORTED };
    }
    const weir_status status =
        count > 0 ? write_records(transactions, records, count, error) : WEIR_OK;
    for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
        WR_ASSERT(wr_decisions_apply(decisions, &records[i]));
    }
    wr_free(records);
    transactions->next_number = first;
    return status;
}

// Once: opens the topic (`creates`: makes it if it is missing) and ends what it says is open.
static weir_status transactions_start(struct wr_transactions *transactions, bool creates,
                                      struct wr_log_error *error)
{
    weir_status status = WEIR_OK;
    (void)pthread_mutex_lock(&transactions->start_lock);
    if (!transactions->is_started) {
        status = open_topic(transactions, creates, error);
        if (status == WEIR_OK) {
            status = read_decisions(transactions, error);
        }
        if (status == WEIR_OK) {
            status = end_earlier_epochs(transactions, error);
        }
        transactions->is_started = status == WEIR_OK;
    }
    (void)pthread_mutex_unlock(&transactions->start_lock);
    return status;
}

weir_status wr_transactions_open_writer(weir_log *log)
{
    struct wr_log_error error = { .status = WEIR_OK };
    log->transactions         = transactions_new(log);
    weir_status status        = transactions_start(log->transactions, false, &error);
    if (status == WEIR_NOT_FOUND) {
        status = WEIR_OK; // made by the first who opens a name
    }
    if (status != WEIR_OK) {
        (void)wr_log_fail(&log->error, status, "%s", error.sentence);
    }
    wr_log_error_fini(&error);
    return status;
}

void wr_transactions_close(struct wr_transactions *transactions)
{
    if (transactions == NULL) {
        return;
    }
    WR_ASSERT(transactions->handles == NULL);
    while (transactions->begun != NULL) {
        begun_free(begun_take(transactions, transactions->begun->number));
    }
    if (transactions->is_following) {
        wr_partition_reader_fini(&transactions->reader);
    }
    wr_decisions_fini(&transactions->decisions);
    wr_row_shape_fini(&transactions->shape);
    wr_free(transactions->unpacked);
    wr_free(transactions->moments);
    wr_free(transactions->inherited);
    (void)pthread_cond_destroy(&transactions->settles);
    (void)pthread_mutex_destroy(&transactions->start_lock);
    (void)pthread_mutex_destroy(&transactions->lock);
    wr_free(transactions);
}

// ---- for producers ----

uint64_t wr_transaction_number(const weir_transaction *transaction)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    transactions_lock(transactions);
    const uint64_t number = transaction->current != NULL && !transaction->is_prepared
                                ? transaction->current->number
                                : 0;
    transactions_unlock(transactions);
    return number;
}

weir_status wr_transaction_check(const weir_transaction *transaction)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    transactions_lock(transactions);
    const bool is_fenced = transaction->is_fenced;
    transactions_unlock(transactions);
    return is_fenced ? WEIR_FENCED : WEIR_OK;
}

void wr_transaction_touch(weir_transaction *transaction, struct wr_partition *partition,
                          const struct wr_ticket *ticket)
{
    (void)ticket;
    struct wr_transactions *transactions = transaction->log->transactions;
    transactions_lock(transactions);
    struct wr_begun *begun = transaction->current;
    uint32_t         i     = 0;
    while (begun != NULL && i < begun->touched_count && begun->touched[i].partition != partition) {
        i++;
    }
    if (begun != NULL && i == begun->touched_count) {
        struct wr_live_position position;
        const bool              is_known = partition->topic->live != NULL &&
                              wr_live_read(partition->topic->live, partition->number, &position);
        if (begun->touched_count == begun->touched_capacity) {
            begun->touched_capacity = begun->touched_capacity * 2 + 8;
            begun->touched =
                wr_realloc(begun->touched, begun->touched_capacity * sizeof(*begun->touched));
        }
        begun->touched[begun->touched_count++] =
            (struct wr_touched){ partition, is_known ? position.readable : 0 };
    }
    transactions_unlock(transactions);
}

// ---- for upkeep ----

static bool is_begun_here(const struct wr_transactions *transactions, uint64_t number)
{
    const struct wr_begun *begun = transactions->begun;
    while (begun != NULL && begun->number != number) {
        begun = begun->next;
    }
    return begun != NULL;
}

// The prepared numbers of earlier processes (wr_alloc'ed).
static uint64_t *inherited_numbers(const struct wr_transactions *transactions, uint32_t *count)
{
    const struct wr_decisions *decisions = &transactions->decisions;
    uint64_t                  *numbers   = wr_alloc((decisions->count + 1) * sizeof(*numbers));
    *count                               = 0;
    for (uint32_t i = 0; i < decisions->count; i++) {
        if (decisions->ranges[i].verdict == WR_VERDICT_PREPARED &&
            !is_begun_here(transactions, decisions->ranges[i].first)) {
            numbers[(*count)++] = decisions->ranges[i].first;
        }
    }
    return numbers;
}

// Whether the batch at hand belongs to one of the transactions.
static bool is_one_of(uint64_t number, const uint64_t *numbers, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && numbers[i] != number) {
        i++;
    }
    return i < count;
}

// Reads a partition for the first batch of one of the transactions. UINT64_MAX: none.
static weir_status find_batch(struct wr_partition *partition, const uint64_t *numbers,
                              uint32_t count, uint64_t *offset, struct wr_log_error *error)
{
    struct wr_partition_reader reader;
    weir_status                status = WEIR_OK;
    enum wr_partition_state    state  = WR_PARTITION_FAILED;
    *offset                           = UINT64_MAX;
    if (wr_partition_reader_init(&reader, partition->topic->log, partition->topic,
                                 partition->number, 0)) {
        reader.reads_uncommitted = true;
        while (*offset == UINT64_MAX &&
               (state = wr_partition_reader_next(&reader)) == WR_PARTITION_BATCH) {
            if (is_one_of(reader.header.transaction, numbers, count)) {
                *offset = reader.header.base_offset;
            }
            wr_partition_reader_pass(&reader);
        }
    }
    if (state == WR_PARTITION_FAILED) {
        status = wr_log_fail(error, reader.error.status, "%s", reader.error.sentence);
    }
    wr_partition_reader_fini(&reader);
    return status;
}

// What find_batch found the last time, if nothing has been resolved since.
static struct wr_inherited *inherited_at(struct wr_transactions    *transactions,
                                         const struct wr_partition *partition)
{
    for (uint32_t i = 0; i < transactions->inherited_count; i++) {
        if (transactions->inherited[i].partition == partition) {
            return &transactions->inherited[i];
        }
    }
    transactions->inherited =
        wr_realloc(transactions->inherited,
                   (transactions->inherited_count + 1) * sizeof(*transactions->inherited));
    struct wr_inherited *added = &transactions->inherited[transactions->inherited_count++];
    *added = (struct wr_inherited){ .partition = partition, .version = UINT64_MAX };
    return added;
}

static uint64_t least_begun_here(const struct wr_transactions *transactions,
                                 const struct wr_partition    *partition)
{
    uint64_t least = UINT64_MAX;
    for (const struct wr_begun *begun = transactions->begun; begun != NULL; begun = begun->next) {
        for (uint32_t i = 0; i < begun->touched_count; i++) {
            if (begun->touched[i].partition == partition && begun->touched[i].from < least) {
                least = begun->touched[i].from;
            }
        }
    }
    return least;
}

weir_status wr_transactions_least_undecided(struct wr_partition *partition, uint64_t *offset,
                                            struct wr_log_error *error)
{
    struct wr_transactions *transactions = partition->topic->log->transactions;
    uint32_t                count        = 0;
    weir_status             status       = WEIR_OK;
    *offset                              = UINT64_MAX;
    if (transactions == NULL) {
        return WEIR_OK;
    }
    transactions_lock(transactions);
    const uint64_t  here    = least_begun_here(transactions, partition);
    uint64_t *const numbers = inherited_numbers(transactions, &count);
    const uint64_t  version = transactions->version;
    const bool is_known  = count == 0 || inherited_at(transactions, partition)->version == version;
    uint64_t   inherited = count == 0 ? UINT64_MAX : inherited_at(transactions, partition)->from;
    transactions_unlock(transactions);
    if (!is_known) {
        status = find_batch(partition, numbers, count, &inherited, error);
    }
    if (!is_known && status == WEIR_OK) {
        transactions_lock(transactions);
        struct wr_inherited *found = inherited_at(transactions, partition);
        found->from                = inherited;
        found->version             = version;
        transactions_unlock(transactions);
    }
    wr_free(numbers);
    *offset = here < inherited ? here : inherited;
    return status;
}

// Whether nothing before `end` in the partition can be of a transaction any more.
static bool moment_has_passed(const struct wr_moment *moment)
{
    struct wr_partition *partition = moment->partition;
    if (partition->topic->is_deleted) {
        return true;
    }
    (void)pthread_mutex_lock(&partition->lock);
    bool has_passed = partition->file < 0 || partition->base >= moment->end ||
                      partition->index.transaction_batches == 0;
    for (uint32_t i = 0; i < partition->segment_count && has_passed; i++) {
        has_passed = partition->segments[i].base >= moment->end ||
                     partition->segments[i].end <= partition->first_offset ||
                     partition->segments[i].transaction_batches == 0;
    }
    (void)pthread_mutex_unlock(&partition->lock);
    return has_passed;
}

static void moments_add(struct wr_transactions *transactions, struct wr_topic *topic)
{
    transactions->moments = wr_realloc(transactions->moments,
                                       (transactions->moment_count + topic->settings.partitions) *
                                           sizeof(*transactions->moments));
    for (uint32_t i = 0; i < topic->settings.partitions; i++) {
        transactions->moments[transactions->moment_count++] =
            (struct wr_moment){ topic->partitions[i], topic->partitions[i]->next_offset };
    }
}

struct moment_walk {
    struct wr_transactions *transactions;
    bool                    has_failed;
};

static void moment_take_topic(void *opaque, const char *name)
{
    struct moment_walk *walk  = opaque;
    struct wr_log_error error = { .status = WEIR_OK };
    struct wr_topic    *topic = wr_catalog_topic(walk->transactions->log, name, &error);
    wr_log_error_fini(&error);
    if (topic == NULL) {
        walk->has_failed = true;
        return;
    }
    wr_commit_enter(walk->transactions->log->commit);
    moments_add(walk->transactions, topic);
    wr_commit_leave(walk->transactions->log->commit);
}

// Notes where all partitions end. Aborted numbers below all that are undecided now have no batch
// behind these places, for a decision comes after all batches of its transaction.
static void moment_take(struct wr_transactions *transactions)
{
    struct moment_walk  walk  = { transactions, false };
    struct wr_log_error error = { .status = WEIR_OK };
    transactions_lock(transactions);
    uint64_t top = transactions->decisions.top;
    for (uint32_t i = transactions->decisions.count; i > 0; i--) {
        const struct wr_decided_range *range = &transactions->decisions.ranges[i - 1];
        top = range->verdict != WR_VERDICT_ABORTED ? range->first : top;
    }
    transactions_unlock(transactions);
    if (settle(transactions->log, &error) == WEIR_OK) {
        transactions->moment_count = 0;
        const weir_status status =
            weir_log_list_topics(transactions->log, moment_take_topic, &walk);
        transactions->moment_top = status == WEIR_OK && !walk.has_failed ? top : 0;
    }
    wr_log_error_fini(&error);
}

void wr_transactions_tidy(weir_log *log)
{
    struct wr_transactions *transactions = log->transactions;
    bool                    has_passed   = true;
    if (transactions == NULL) {
        return;
    }
    transactions_lock(transactions);
    const bool is_due =
        transactions->is_started && transactions->decisions.count >= wr_transactions_aborted_kept;
    transactions_unlock(transactions);
    if (!is_due) {
        return;
    }
    if (transactions->moment_top == 0) {
        moment_take(transactions);
        return;
    }
    wr_commit_enter(log->commit);
    for (uint32_t i = 0; i < transactions->moment_count && has_passed; i++) {
        has_passed = moment_has_passed(&transactions->moments[i]);
    }
    wr_commit_leave(log->commit);
    if (has_passed) {
        transactions_lock(transactions);
        wr_decisions_forget_aborted(&transactions->decisions, transactions->moment_top);
        transactions_unlock(transactions);
        transactions->moment_top = 0;
    }
}

// ---- the public calls ----

static weir_status handle_fail(weir_transaction *transaction, weir_status status, const char *what)
{
    return wr_log_fail(&transaction->error, status, "log %s: transaction %s: %s",
                       transaction->log->directory, transaction->name, what);
}

static weir_status handle_fenced(weir_transaction *transaction)
{
    return handle_fail(transaction, WEIR_FENCED,
                       "its name was opened again, which ended this one; close it");
}

static weir_status handle_unopened(weir_transaction *transaction)
{
    return handle_fail(transaction, WEIR_USAGE, "it could not be opened");
}

const char *weir_transaction_error(const weir_transaction *transaction)
{
    return transaction->error.sentence != NULL ? transaction->error.sentence : "";
}

static void handle_link(struct wr_transactions *transactions, weir_transaction *transaction)
{
    transaction->next     = transactions->handles;
    transactions->handles = transaction;
}

static void handle_unlink(struct wr_transactions *transactions, weir_transaction *transaction)
{
    weir_transaction **at = &transactions->handles;
    while (*at != transaction) {
        at = &(*at)->next;
    }
    *at = transaction->next;
}

// Fences the other handle of the name, when its decision under way is over, and takes its open
// transaction from it. False: there is no (other) one with something to take.
static bool fence_others(struct wr_transactions *transactions, const weir_transaction *by,
                         uint64_t *number)
{
    weir_transaction *other = transactions->handles;
    while (other != NULL) {
        const bool is_other = other != by && strcmp(other->name, by->name) == 0;
        if (is_other) {
            other->is_fenced = true;
        }
        if (is_other && other->is_deciding) {
            (void)pthread_cond_wait(&transactions->settles, &transactions->lock);
            other = transactions->handles; // it may be closed by now
        } else if (is_other && other->current != NULL) {
            const bool is_open = !other->is_prepared;
            *number            = other->current->number;
            other->current     = NULL;
            other->is_prepared = false;
            if (is_open) {
                return true;
            }
        } else {
            other = other->next;
        }
    }
    return false;
}

static bool name_is_right(const char *name)
{
    const size_t length = strlen(name);
    return length > 0 && length <= NAME_BYTES_MAX;
}

weir_status weir_transaction_open(weir_log *log, const char *name, weir_transaction **transaction)
{
    weir_transaction *opened = wr_alloc(sizeof(*opened));
    opened->log              = log;
    opened->name             = wr_copy_text(name);
    *transaction             = opened;
    if (log->epoch == 0) {
        return handle_fail(opened, WEIR_USAGE,
                           "the log was opened for reading; open it with `writes`");
    }
    if (!name_is_right(name)) {
        return handle_fail(opened, WEIR_USAGE, "its name must have 1 to 200 bytes");
    }
    weir_status status = transactions_start(log->transactions, true, &opened->error);
    if (status != WEIR_OK) {
        return status;
    }
    struct wr_transactions *transactions = log->transactions;
    uint64_t                number       = 0;
    transactions_lock(transactions);
    handle_link(transactions, opened);
    opened->is_open = true;
    while (status == WEIR_OK && fence_others(transactions, opened, &number)) {
        transactions_unlock(transactions);
        status = decide(transactions, number, WR_VERDICT_ABORTED, "", &opened->error);
        transactions_lock(transactions);
    }
    transactions_unlock(transactions);
    return status;
}

// Begins a decision about the current transaction: number is set. Ends with handle_leave.
static weir_status handle_enter(weir_transaction *transaction, const char *verb, uint64_t *number)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    weir_status             status       = WEIR_OK;
    if (!transaction->is_open) {
        return handle_unopened(transaction);
    }
    transactions_lock(transactions);
    if (transaction->is_fenced) {
        status = WEIR_FENCED;
    } else if (transaction->current == NULL) {
        status = WEIR_CONFLICT;
    } else {
        transaction->is_deciding = true;
        *number                  = transaction->current->number;
    }
    transactions_unlock(transactions);
    if (status == WEIR_FENCED) {
        return handle_fenced(transaction);
    }
    if (status != WEIR_OK) {
        char *sentence = wr_format("there is none to %s; begin one", verb);
        status         = handle_fail(transaction, status, sentence);
        wr_free(sentence);
    }
    return status;
}

static void handle_leave(weir_transaction *transaction)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    transactions_lock(transactions);
    transaction->is_deciding = false;
    (void)pthread_cond_broadcast(&transactions->settles);
    transactions_unlock(transactions);
}

static weir_status handle_decide(weir_transaction *transaction, enum wr_verdict verdict,
                                 const char *verb)
{
    uint64_t    number = 0;
    weir_status status = handle_enter(transaction, verb, &number);
    if (status == WEIR_OK) {
        status = decide(transaction->log->transactions, number, verdict, "", &transaction->error);
        handle_leave(transaction);
    }
    return status;
}

weir_status weir_transaction_commit(weir_transaction *transaction)
{
    return handle_decide(transaction, WR_VERDICT_COMMITTED, "commit");
}

weir_status weir_transaction_abort(weir_transaction *transaction)
{
    return handle_decide(transaction, WR_VERDICT_ABORTED, "abort");
}

void weir_transaction_close(weir_transaction *transaction)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    if (transaction->is_open) {
        transactions_lock(transactions);
        const bool is_open =
            !transaction->is_fenced && transaction->current != NULL && !transaction->is_prepared;
        transactions_unlock(transactions);
        if (is_open) {
            (void)weir_transaction_abort(transaction); // if it fails, the next opening does it
        }
        transactions_lock(transactions);
        handle_unlink(transactions, transaction);
        transactions_unlock(transactions);
    }
    wr_log_error_fini(&transaction->error);
    wr_free(transaction->name);
    wr_free(transaction);
}

weir_status weir_transaction_begin(weir_transaction *transaction)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    if (!transaction->is_open) {
        return handle_unopened(transaction);
    }
    struct wr_begun *begun = wr_alloc(sizeof(*begun));
    transactions_lock(transactions);
    const bool is_fenced = transaction->is_fenced;
    const bool has_one   = transaction->current != NULL && !transaction->is_prepared;
    if (!is_fenced && !has_one) {
        WR_ASSERT((uint32_t)(transactions->next_number + 1) != 0);
        begun->number            = transactions->next_number++;
        begun->next              = transactions->begun;
        transactions->begun      = begun;
        transaction->current     = begun;
        transaction->is_prepared = false;
        begun                    = NULL;
    }
    transactions_unlock(transactions);
    wr_free(begun);
    if (is_fenced) {
        return handle_fenced(transaction);
    }
    return has_one ? handle_fail(transaction, WEIR_CONFLICT,
                                 "one is open already; commit or abort it first")
                   : WEIR_OK;
}

weir_status weir_transaction_prepare(weir_transaction *transaction, uint64_t *id)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    uint64_t                number       = 0;
    weir_status             status       = handle_enter(transaction, "prepare", &number);
    if (status != WEIR_OK) {
        return status;
    }
    if (!transaction->is_prepared) {
        status = decide(transactions, number, WR_VERDICT_PREPARED, transaction->name,
                        &transaction->error);
    }
    if (status == WEIR_OK) {
        transactions_lock(transactions);
        transaction->is_prepared = true;
        transactions_unlock(transactions);
    }
    handle_leave(transaction);
    if (id != NULL) {
        *id = number;
    }
    return status;
}

// Whether a transaction that shall be decided so is to be decided (*is_due), or what to answer.
static weir_status resolve_judge(const weir_transaction *transaction, uint64_t id, bool commits,
                                 bool *is_due)
{
    const struct wr_decisions     *decisions = &transaction->log->transactions->decisions;
    const struct wr_decided_range *range     = wr_decisions_range(decisions, id);
    switch (wr_decisions_verdict(decisions, id)) {
    case WR_VERDICT_OPEN: return WEIR_NOT_FOUND;
    case WR_VERDICT_PREPARED:
        *is_due = strcmp(range->name, transaction->name) == 0;
        return *is_due ? WEIR_OK : WEIR_NOT_FOUND;
    case WR_VERDICT_COMMITTED: return commits ? WEIR_OK : WEIR_CONFLICT;
    case WR_VERDICT_ABORTED: break;
    }
    return commits ? WEIR_CONFLICT : WEIR_OK;
}

static weir_status resolve_fail(weir_transaction *transaction, weir_status status, bool commits)
{
    if (status == WEIR_NOT_FOUND) {
        return handle_fail(transaction, status,
                           "it has prepared none with this id; weir_transaction_list_prepared "
                           "says which it has");
    }
    return handle_fail(transaction, status,
                       commits ? "the one with this id was aborted and cannot be committed"
                               : "the one with this id was committed and cannot be aborted");
}

weir_status weir_transaction_resolve(weir_transaction *transaction, uint64_t id, bool commits)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    bool                    is_due       = false;
    if (!transaction->is_open) {
        return handle_unopened(transaction);
    }
    transactions_lock(transactions);
    const bool  is_fenced    = transaction->is_fenced;
    weir_status status       = resolve_judge(transaction, id, commits, &is_due);
    transaction->is_deciding = !is_fenced && is_due;
    transactions_unlock(transactions);
    if (is_fenced) {
        return handle_fenced(transaction);
    }
    if (is_due) {
        status = decide(transactions, id, commits ? WR_VERDICT_COMMITTED : WR_VERDICT_ABORTED, "",
                        &transaction->error);
        handle_leave(transaction);
        return status;
    }
    return status == WEIR_OK ? WEIR_OK : resolve_fail(transaction, status, commits);
}

weir_status weir_transaction_list_prepared(weir_transaction *transaction,
                                           void (*each)(void *opaque, uint64_t id), void *opaque)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    if (!transaction->is_open) {
        return handle_unopened(transaction);
    }
    transactions_lock(transactions);
    const struct wr_decisions *decisions = &transactions->decisions;
    uint64_t                  *ids       = wr_alloc((decisions->count + 1) * sizeof(*ids));
    uint32_t                   count     = 0;
    for (uint32_t i = 0; i < decisions->count; i++) {
        const struct wr_decided_range *range = &decisions->ranges[i];
        if (range->verdict == WR_VERDICT_PREPARED && strcmp(range->name, transaction->name) == 0) {
            ids[count++] = range->first;
        }
    }
    const bool is_fenced = transaction->is_fenced;
    transactions_unlock(transactions);
    for (uint32_t i = 0; i < count && !is_fenced; i++) {
        each(opaque, ids[i]);
    }
    wr_free(ids);
    return is_fenced ? handle_fenced(transaction) : WEIR_OK;
}
