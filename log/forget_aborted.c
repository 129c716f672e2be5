#include "log/commit.h"
#include "log/deciding.h"

uint32_t wr_transactions_aborted_kept = 4096;

// Where a partition stood when all aborted numbers below `moment_top` had got their last batches.
struct wr_moment {
    struct wr_partition *partition;
    uint64_t             end;
};

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
    wr_transactions_lock(transactions);
    uint64_t top = transactions->decisions.top;
    for (uint32_t i = transactions->decisions.count; i > 0; i--) {
        const struct wr_decided_range *range = &transactions->decisions.ranges[i - 1];
        top = range->verdict != WR_VERDICT_ABORTED ? range->first : top;
    }
    wr_transactions_unlock(transactions);
    if (wr_transactions_settle(transactions->log, true, &error) == WEIR_OK) {
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
    wr_transactions_lock(transactions);
    const bool is_due =
        transactions->is_started && transactions->decisions.count >= wr_transactions_aborted_kept;
    wr_transactions_unlock(transactions);
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
        wr_transactions_lock(transactions);
        wr_decisions_forget_aborted(&transactions->decisions, transactions->moment_top);
        wr_transactions_unlock(transactions);
        transactions->moment_top = 0;
    }
}
