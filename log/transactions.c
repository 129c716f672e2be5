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
// How its files divide it, and the thread rule: deciding.h.
#include "log/transactions.h"

#include "log/catalog.h"
#include "log/commit.h"
#include "log/deciding.h"
#include "log/upkeep.h"

#define SEGMENT_BYTES (1u << 20)

struct wr_transactions *wr_transactions_new(weir_log *log)
{
    struct wr_transactions *transactions = wr_alloc(sizeof(*transactions));
    transactions->log                    = log;
    transactions->rolled_at              = WR_TRANSACTIONS_ROLL_BYTES;
    (void)pthread_mutex_init(&transactions->lock, NULL);
    (void)pthread_mutex_init(&transactions->start_lock, NULL);
    (void)pthread_cond_init(&transactions->settles, NULL);
    wr_decisions_init(&transactions->decisions);
    wr_row_shape_init(&transactions->shape, &wr_decision_type, NULL);
    return transactions;
}

// ---- opening ----

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
    if (!wr_transactions_follow_begin(transactions, transactions->partition->topic, error)) {
        return error->status;
    }
    wr_transactions_lock(transactions); // upkeep and readers of this process look already
    status = wr_transactions_follow_all(transactions);
    wr_transactions_unlock(transactions);
    if (status != WEIR_OK) {
        (void)wr_log_fail(error, status, "%s", transactions->reader.error.sentence);
    }
    wr_partition_reader_fini(&transactions->reader);
    transactions->is_following = false;
    return status;
}

// The records that name what earlier epochs left open as aborted (wr_alloc'ed).
static struct wr_decision *open_ones(struct wr_transactions *transactions, uint64_t first,
                                     uint32_t *count)
{
    const struct wr_decisions *decisions = &transactions->decisions;
    uint32_t                   found     = 0;
    wr_transactions_lock(transactions);
    struct wr_decision *records = wr_alloc((decisions->count + 1) * sizeof(*records));
    WR_ASSERT(decisions->top <= first);
    for (uint32_t i = 0; i < decisions->count; i++) {
        if (decisions->ranges[i].verdict == WR_VERDICT_OPEN) {
            records[found++] = (struct wr_decision){ .first   = decisions->ranges[i].first,
                                                     .end     = decisions->ranges[i].end,
                                                     .verdict = WR_VERDICT_ABORTED };
        }
    }
    if (decisions->top < first) {
        records[found++] = (struct wr_decision){ .first   = decisions->top,
                                                 .end     = first,
                                                 .verdict = WR_VERDICT_ABORTED };
    }
    wr_transactions_unlock(transactions);
    *count = found;
    return records;
}

// Numbers of this epoch must not have been given out before.
static weir_status check_numbers(struct wr_transactions *transactions, uint64_t first,
                                 struct wr_log_error *error)
{
    const weir_log *log = transactions->log;
    wr_transactions_lock(transactions);
    const uint64_t top = transactions->decisions.top;
    wr_transactions_unlock(transactions);
    return top <= first
               ? WEIR_OK
               : wr_log_fail(error, WEIR_DAMAGED,
                             "log %s: topic %s: transactions of epoch %u are decided, but the "
                             "log's epoch file had not come to %u yet: that file is an older one, "
                             "put back",
                             log->directory, WR_TRANSACTIONS_TOPIC, (unsigned)((top - 1) >> 32),
                             log->epoch);
}

// Names what earlier epochs left open as aborted, durably; numbers of this one come behind.
static weir_status end_earlier_epochs(struct wr_transactions *transactions,
                                      struct wr_log_error    *error)
{
    const uint64_t      first = (uint64_t)transactions->log->epoch << 32;
    uint32_t            count;
    struct wr_decision *records = open_ones(transactions, first, &count);
    const weir_status   status =
        count > 0 ? wr_transactions_write(transactions, records, count, false, error) : WEIR_OK;
    wr_transactions_lock(transactions);
    for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
        const bool is_right = wr_decisions_apply(&transactions->decisions, &records[i]);
        WR_ASSERT(is_right);
    }
    transactions->next_number = first;
    wr_transactions_unlock(transactions);
    wr_free(records);
    return status;
}

// Once: opens the topic (`creates`: makes it if it is missing) and ends what it says is open.
weir_status wr_transactions_start(struct wr_transactions *transactions, bool creates,
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
            status = check_numbers(transactions, (uint64_t)transactions->log->epoch << 32, error);
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
    log->transactions         = wr_transactions_new(log);
    weir_status status        = wr_transactions_start(log->transactions, false, &error);
    if (status == WEIR_NOT_FOUND) {
        struct wr_file_info info;
        char               *path = wr_format("%s/topics/" WR_TRANSACTIONS_TOPIC, log->directory);
        status                   = WEIR_OK; // made by the first who opens a name
        if (log->environment->ops->info(log->environment, path, &info) == 0) {
            status = wr_log_fail(&error, WEIR_DAMAGED,
                                 "%s: the file \"topic\" is missing in it; without it no "
                                 "transaction is known to be committed",
                                 path);
        }
        wr_free(path);
    }
    if (status != WEIR_OK) {
        (void)wr_log_fail(&log->error, status, "%s", error.sentence);
    } else {
        wr_transactions_lock(log->transactions);
        log->transactions->is_known = true;
        wr_transactions_unlock(log->transactions);
        wr_upkeep_open(log);
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
        wr_begun_free(wr_begun_take(transactions, transactions->begun->number));
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
