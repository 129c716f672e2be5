#include "log/deciding.h"

#include <string.h>

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
        return wr_transaction_fail(
            transaction, status,
            "it has prepared none with this id; weir_transaction_list_prepared "
            "says which it has");
    }
    return wr_transaction_fail(transaction, status,
                               commits
                                   ? "the one with this id was aborted and cannot be committed"
                                   : "the one with this id was committed and cannot be aborted");
}

weir_status weir_transaction_resolve(weir_transaction *transaction, uint64_t id, bool commits)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    bool                    is_due       = false;
    if (!transaction->is_open) {
        return wr_transaction_unopened(transaction);
    }
    wr_transactions_lock(transactions);
    const bool  is_fenced = transaction->is_fenced;
    weir_status status    = resolve_judge(transaction, id, commits, &is_due);
    if (!is_fenced && is_due) {
        transaction->is_deciding = true;
    }
    wr_transactions_unlock(transactions);
    if (is_fenced) {
        return wr_transaction_fenced(transaction);
    }
    if (is_due) {
        status = wr_transactions_decide(transactions, id,
                                        commits ? WR_VERDICT_COMMITTED : WR_VERDICT_ABORTED, "",
                                        false, &transaction->error);
        wr_transaction_leave(transaction);
        return status;
    }
    return status == WEIR_OK ? WEIR_OK : resolve_fail(transaction, status, commits);
}

weir_status weir_transaction_list_prepared(weir_transaction *transaction,
                                           void (*each)(void *opaque, uint64_t id), void *opaque)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    if (!transaction->is_open) {
        return wr_transaction_unopened(transaction);
    }
    wr_transactions_lock(transactions);
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
    wr_transactions_unlock(transactions);
    for (uint32_t i = 0; i < count && !is_fenced; i++) {
        each(opaque, ids[i]);
    }
    wr_free(ids);
    return is_fenced ? wr_transaction_fenced(transaction) : WEIR_OK;
}
