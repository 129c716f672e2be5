#include "log/catalog.h"
#include "log/deciding.h"

#include <string.h>

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
weir_status wr_transactions_follow_all(struct wr_transactions *transactions)
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

bool wr_transactions_follow_begin(struct wr_transactions *transactions, struct wr_topic *topic,
                                  struct wr_log_error *error)
{
    struct wr_partition_reader *reader = &transactions->reader;
    transactions->is_following = wr_partition_reader_init(reader, transactions->log, topic, 0, 0);
    reader->reads_uncommitted  = true;
    if (!transactions->is_following) {
        (void)wr_log_fail(error, reader->error.status, "%s", reader->error.sentence);
        wr_partition_reader_fini(reader);
    }
    return transactions->is_following;
}

static void warn_once(struct wr_transactions *transactions, const char *sentence)
{
    wr_transactions_lock(transactions);
    const bool is_first      = !transactions->has_warned;
    transactions->has_warned = true;
    wr_transactions_unlock(transactions);
    if (is_first) {
        wr_log_warn(transactions->log, "%s; transactions that are not known yet count as undecided",
                    sentence);
    }
}

// Whether there are decisions, though the file that says so may be missing.
static bool has_directory(weir_log *log)
{
    struct wr_file_info info;
    char               *path   = wr_format("%s/topics/" WR_TRANSACTIONS_TOPIC, log->directory);
    const int           status = log->environment->ops->info(log->environment, path, &info);
    wr_free(path);
    return status == 0;
}

static bool is_following(struct wr_transactions *transactions)
{
    wr_transactions_lock(transactions);
    const bool is_following = transactions->is_following;
    wr_transactions_unlock(transactions);
    return is_following;
}

// Applies all there is, of `topic` if none is followed yet.
static weir_status follow(struct wr_transactions *transactions, struct wr_topic *topic,
                          struct wr_log_error *error)
{
    wr_transactions_lock(transactions);
    weir_status status = WEIR_OK;
    if (!transactions->is_following && !wr_transactions_follow_begin(transactions, topic, error)) {
        status = error->status;
    } else if ((status = wr_transactions_follow_all(transactions)) != WEIR_OK) {
        (void)wr_log_fail(error, status, "%s", transactions->reader.error.sentence);
    }
    wr_transactions_unlock(transactions);
    return status;
}

// A reader's look for news. On failure nothing new is known, and transactions stay open. With
// `has_some` there is a transaction: that there are no decisions at all is a failure then.
static weir_status look_for_news(struct wr_transactions *transactions, bool has_some,
                                 struct wr_log_error *error)
{
    struct wr_topic *topic = NULL;
    if (!is_following(transactions)) { // the catalog's lock comes before the transactions'
        topic = wr_catalog_topic(transactions->log, WR_TRANSACTIONS_TOPIC, error);
        if (topic == NULL && error->status == WEIR_NOT_FOUND && !has_some &&
            !has_directory(transactions->log)) {
            wr_log_error_fini(error);
            return WEIR_OK;
        }
        if (topic == NULL) {
            return error->status;
        }
    }
    return follow(transactions, topic, error);
}

// The same for who has no use for the sentence: it is a warning, once.
static void reader_follow(struct wr_transactions *transactions, bool has_some)
{
    struct wr_log_error error = { .status = WEIR_OK };
    if (look_for_news(transactions, has_some, &error) != WEIR_OK) {
        warn_once(transactions, error.sentence);
    }
    wr_log_error_fini(&error);
}

weir_status wr_transactions_open_reader(weir_log *log, struct wr_log_error *error)
{
    (void)error;
    struct wr_transactions *transactions = wr_transactions_new(log);
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

static enum wr_verdict known_verdict(struct wr_transactions *transactions, uint64_t transaction)
{
    wr_transactions_lock(transactions);
    const enum wr_verdict verdict = wr_decisions_verdict(&transactions->decisions, transaction);
    wr_transactions_unlock(transactions);
    return verdict;
}

enum wr_verdict wr_transactions_verdict(weir_log *log, uint64_t transaction)
{
    struct wr_transactions *transactions = transactions_of(log);
    enum wr_verdict         verdict      = known_verdict(transactions, transaction);
    if (log->epoch == 0 && (verdict == WR_VERDICT_OPEN || verdict == WR_VERDICT_PREPARED)) {
        reader_follow(transactions, true);
        verdict = known_verdict(transactions, transaction);
    }
    return verdict;
}

weir_status wr_transactions_look(weir_log *log, struct wr_log_error *error)
{
    if (log->epoch > 0) {
        return WEIR_OK;
    }
    const weir_status status = look_for_news(transactions_of(log), true, error);
    // What is missing was there: a transaction begins when its decisions can be written.
    return status == WEIR_NOT_FOUND ? WEIR_DAMAGED : status;
}

void wr_transactions_copy(weir_log *log, struct wr_decisions *copy)
{
    struct wr_transactions *transactions = transactions_of(log);
    uint32_t                count;
    wr_decisions_init(copy);
    if (log->epoch == 0) {
        reader_follow(transactions, false);
    }
    wr_transactions_lock(transactions);
    struct wr_decision *records = wr_decisions_records(&transactions->decisions, &count);
    for (uint32_t i = 0; i < count; i++) {
        const bool is_right = wr_decisions_apply(copy, &records[i]);
        WR_ASSERT(is_right);
    }
    wr_transactions_unlock(transactions);
    wr_free(records);
}
