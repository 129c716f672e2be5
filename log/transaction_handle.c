#include "log/deciding.h"
#include "log/producer.h"

#include <string.h>

#define NAME_BYTES_MAX 200u

// ---- for producers ----

uint64_t wr_transaction_number(const weir_transaction *transaction)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    wr_transactions_lock(transactions);
    const uint64_t number = transaction->current != NULL && !transaction->is_prepared
                                ? transaction->current->number
                                : 0;
    wr_transactions_unlock(transactions);
    return number;
}

const char *wr_transaction_name(const weir_transaction *transaction) { return transaction->name; }

weir_status wr_transaction_check(const weir_transaction *transaction)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    wr_transactions_lock(transactions);
    const bool is_fenced = transaction->is_fenced;
    const bool is_over   = transaction->is_ending || transaction->is_prepared;
    wr_transactions_unlock(transactions);
    return is_fenced ? WEIR_FENCED : is_over ? WEIR_CONFLICT : WEIR_OK;
}

void wr_transaction_touch(weir_transaction *transaction, struct wr_partition *partition)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    wr_transactions_lock(transactions);
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
    wr_transactions_unlock(transactions);
}

// ---- the public calls ----

weir_status wr_transaction_fail(weir_transaction *transaction, weir_status status, const char *what)
{
    return wr_log_fail(&transaction->error, status, "log %s: transaction %s: %s",
                       transaction->log->directory, transaction->name, what);
}

weir_status wr_transaction_fenced(weir_transaction *transaction)
{
    return wr_transaction_fail(transaction, WEIR_FENCED,
                               "its name was opened again, which ended this one; close it");
}

weir_status wr_transaction_unopened(weir_transaction *transaction)
{
    return wr_transaction_fail(transaction, WEIR_USAGE, "it could not be opened");
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

// Fences the other handles of the name, when their decisions under way are over. The one with an
// open transaction, which keeps it and is_deciding until the caller has aborted it: what its
// producers have gathered is still that one's. NULL: there is none.
static weir_transaction *fence_others(struct wr_transactions *transactions,
                                      const weir_transaction *by)
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
        } else if (is_other && other->current != NULL && !other->is_prepared) {
            other->is_deciding = true;
            return other;
        } else {
            if (is_other) { // a prepared one is nobody's from now on
                other->current     = NULL;
                other->is_prepared = false;
            }
            other = other->next;
        }
    }
    return NULL;
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
    wr_handle_put(log, &opened->handle, WR_HANDLE_TRANSACTION, opened->name);
    if (log->commit == NULL) {
        return wr_transaction_fail(opened, WEIR_USAGE,
                                   "the log was opened for reading; open it with `writes`");
    }
    if (!name_is_right(name)) {
        return wr_transaction_fail(opened, WEIR_USAGE, "its name must have 1 to 200 bytes");
    }
    weir_status status = wr_transactions_start(log->transactions, true, &opened->error);
    if (status != WEIR_OK) {
        return status;
    }
    struct wr_transactions *transactions = log->transactions;
    weir_transaction       *other;
    wr_transactions_lock(transactions);
    handle_link(transactions, opened);
    opened->is_open = true;
    while (status == WEIR_OK && (other = fence_others(transactions, opened)) != NULL) {
        const uint64_t number = other->current->number;
        wr_transactions_unlock(transactions);
        status = wr_transactions_decide(transactions, number, WR_VERDICT_ABORTED, "", false,
                                        &opened->error);
        wr_transaction_leave(other); // which is not closed before
        wr_transactions_lock(transactions);
    }
    wr_transactions_unlock(transactions);
    return status;
}

// Begins a decision about the current transaction: number is set. Ends with handle_leave.
static weir_status handle_enter(weir_transaction *transaction, const char *verb, uint64_t *number)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    weir_status             status       = WEIR_OK;
    if (!transaction->is_open) {
        return wr_transaction_unopened(transaction);
    }
    wr_transactions_lock(transactions);
    if (transaction->is_fenced) {
        status = WEIR_FENCED;
    } else if (transaction->current == NULL) {
        status = WEIR_CONFLICT;
    } else {
        transaction->is_deciding = true;
        transaction->is_ending   = true;
        *number                  = transaction->current->number;
    }
    wr_transactions_unlock(transactions);
    if (status == WEIR_FENCED) {
        return wr_transaction_fenced(transaction);
    }
    if (status != WEIR_OK) {
        char *sentence = wr_format("there is none to %s; begin one", verb);
        status         = wr_transaction_fail(transaction, status, sentence);
        wr_free(sentence);
    }
    return status;
}

void wr_transaction_leave(weir_transaction *transaction)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    wr_transactions_lock(transactions);
    transaction->is_deciding = false;
    transaction->is_ending   = false;
    (void)pthread_cond_broadcast(&transactions->settles);
    wr_transactions_unlock(transactions);
}

static weir_status handle_decide(weir_transaction *transaction, bool commits, bool gives_up)
{
    const enum wr_verdict verdict = commits ? WR_VERDICT_COMMITTED : WR_VERDICT_ABORTED;
    uint64_t              number  = 0;
    weir_status           status = handle_enter(transaction, commits ? "commit" : "abort", &number);
    if (status == WEIR_OK) {
        status = wr_transactions_decide(transaction->log->transactions, number, verdict, "",
                                        gives_up, &transaction->error);
        wr_transaction_leave(transaction);
    }
    return status;
}

weir_status weir_transaction_commit(weir_transaction *transaction)
{
    return handle_decide(transaction, true, false);
}

weir_status weir_transaction_abort(weir_transaction *transaction)
{
    return handle_decide(transaction, false, false);
}

weir_status wr_transaction_try(weir_transaction *transaction, bool commits)
{
    return handle_decide(transaction, commits, true);
}

void weir_transaction_close(weir_transaction *transaction)
{
    if (transaction == NULL) {
        return;
    }
    struct wr_transactions *transactions = transaction->log->transactions;
    if (transaction->is_open) {
        wr_transactions_lock(transactions);
        while (transaction->is_deciding) { // who fences it still aborts what it had open
            (void)pthread_cond_wait(&transactions->settles, &transactions->lock);
        }
        const bool is_open =
            !transaction->is_fenced && transaction->current != NULL && !transaction->is_prepared;
        wr_transactions_unlock(transactions);
        if (is_open) {
            (void)wr_transaction_try(transaction, false); // if it fails, the next opening does it
        }
        wr_producers_leave_any(transaction->log, transaction);
        wr_transactions_lock(transactions);
        handle_unlink(transactions, transaction);
        wr_transactions_unlock(transactions);
    }
    wr_handle_take(transaction->log, &transaction->handle);
    wr_log_error_fini(&transaction->error);
    wr_free(transaction->name);
    wr_free(transaction);
}

weir_status weir_transaction_begin(weir_transaction *transaction)
{
    struct wr_transactions *transactions = transaction->log->transactions;
    if (!transaction->is_open) {
        return wr_transaction_unopened(transaction);
    }
    struct wr_begun *begun = wr_alloc(sizeof(*begun));
    wr_transactions_lock(transactions);
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
    wr_transactions_unlock(transactions);
    wr_free(begun);
    if (is_fenced) {
        return wr_transaction_fenced(transaction);
    }
    return has_one ? wr_transaction_fail(transaction, WEIR_CONFLICT,
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
        status = wr_transactions_decide(transactions, number, WR_VERDICT_PREPARED,
                                        transaction->name, false, &transaction->error);
    }
    if (status == WEIR_OK) {
        wr_transactions_lock(transactions);
        transaction->is_prepared = true;
        wr_transactions_unlock(transactions);
    }
    wr_transaction_leave(transaction);
    if (id != NULL) {
        *id = number;
    }
    return status;
}
