// Prepared transactions without their handles: of many names at once, also of names that nobody
// will open again.
#include "log/prepared.h"
#include "log/deciding.h"

#include <string.h>

struct found {
    uint64_t id;
    char    *name;
};

weir_status wr_transactions_each_prepared(weir_log *log, const char *prefix,
                                          void (*each)(void *opaque, uint64_t id, const char *name),
                                          void *opaque)
{
    struct wr_transactions *transactions = log->transactions;
    const size_t            length       = strlen(prefix);
    uint32_t                count        = 0;
    if (log->commit == NULL) {
        return WEIR_USAGE;
    }
    wr_transactions_lock(transactions);
    const struct wr_decisions *decisions = &transactions->decisions;
    struct found              *found     = wr_alloc((decisions->count + 1) * sizeof(*found));
    for (uint32_t i = 0; i < decisions->count; i++) {
        const struct wr_decided_range *range = &decisions->ranges[i];
        if (range->verdict == WR_VERDICT_PREPARED && strncmp(range->name, prefix, length) == 0) {
            found[count++] = (struct found){ range->first, wr_copy_text(range->name) };
        }
    }
    wr_transactions_unlock(transactions);
    for (uint32_t i = 0; i < count; i++) {
        each(opaque, found[i].id, found[i].name);
        wr_free(found[i].name);
    }
    wr_free(found);
    return WEIR_OK;
}

weir_status wr_transactions_resolve(weir_log *log, uint64_t id, bool commits,
                                    struct wr_log_error *error)
{
    struct wr_transactions *transactions = log->transactions;
    if (log->commit == NULL) {
        return wr_log_fail(error, WEIR_USAGE, "log %s: it was opened for reading", log->directory);
    }
    wr_transactions_lock(transactions);
    const enum wr_verdict verdict = wr_decisions_verdict(&transactions->decisions, id);
    wr_transactions_unlock(transactions);
    switch (verdict) {
    case WR_VERDICT_PREPARED:
        return wr_transactions_decide(transactions, id,
                                      commits ? WR_VERDICT_COMMITTED : WR_VERDICT_ABORTED, "",
                                      false, error);
    case WR_VERDICT_OPEN:
        return wr_log_fail(
            error, WEIR_NOT_FOUND,
            "log %s: it has prepared no transaction %llu; it is not the log that the "
            "transaction was made in, or an older copy of it",
            log->directory, (unsigned long long)id);
    case WR_VERDICT_COMMITTED:
    case WR_VERDICT_ABORTED: break;
    }
    return (verdict == WR_VERDICT_COMMITTED) == commits
               ? WEIR_OK
               : wr_log_fail(error, WEIR_CONFLICT,
                             "log %s: transaction %llu was %s already and cannot be %s",
                             log->directory, (unsigned long long)id,
                             commits ? "aborted" : "committed", commits ? "committed" : "aborted");
}
