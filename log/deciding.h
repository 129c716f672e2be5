// deciding: the inside of transactions, for the files that tell its story.
//
//   transactions         opening: what is decided, and aborting what an earlier process left open
//   follow_decisions     reading .transactions; verdicts
//   decide               writing a record, in order; a new segment with the whole picture; waking
//   transaction_handle   the public calls; what producers ask
//   transaction_resolve  prepared ones, by their ids
//   undecided            where undecided batches lie, for upkeep
//   forget_aborted       which numbers nothing stored bears any more
//
// Thread rule: `lock` guards everything here but the partition and the moments (upkeep's); it is
// held while .transactions is followed, which takes the log's lock, and else nothing is taken under
// it. `settles` says that in_flight, is_rolling or a handle's is_deciding has changed.
#ifndef WR_LOG_DECIDING_H
#define WR_LOG_DECIDING_H

#include "log/decisions.h"
#include "log/pack.h"
#include "log/partition_reader.h"

#define WR_TRANSACTIONS_ROLL_BYTES (512u << 10) // written between two pictures, at least

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
    struct wr_handle         handle;
    char                    *name;
    struct wr_begun         *current;     // NULL: none
    bool                     is_prepared; // the current one
    bool                     is_deciding; // its thread, or one that fences it, is in a decision
    bool                     is_ending;   // ... about the current one, which takes no more records
    bool                     is_fenced;
    bool                     is_open; // in the list of handles; set once, by its thread
    struct wr_log_error      error;   // its thread's
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
    bool                 is_known;  // what earlier processes left; also when there is no topic yet
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

static inline void wr_transactions_lock(struct wr_transactions *transactions)
{
    (void)pthread_mutex_lock(&transactions->lock);
}

static inline void wr_transactions_unlock(struct wr_transactions *transactions)
{
    (void)pthread_mutex_unlock(&transactions->lock);
}

// ---- transactions ----

struct wr_transactions *wr_transactions_new(weir_log *log);
// Once: opens the topic (`creates`: makes it if it is missing) and ends what it says is open.
weir_status wr_transactions_start(struct wr_transactions *transactions, bool creates,
                                  struct wr_log_error *error);

// ---- following ----

// Begins to read the topic from its front; false: it cannot be read, `error` says why.
bool wr_transactions_follow_begin(struct wr_transactions *transactions, struct wr_topic *topic,
                                  struct wr_log_error *error);
// Applies all there is. WEIR_OK, or why it could not go on (in reader.error).
weir_status wr_transactions_follow_all(struct wr_transactions *transactions);

// ---- deciding ----

// With `gives_up` these wait for one more try on a full disk only (WEIR_FULL).

// Waits until everything queued so far, and what producers had gathered, is on disk.
weir_status wr_transactions_settle(weir_log *log, bool gives_up, struct wr_log_error *error);
// Writes records and waits until they are on disk; they are not applied. Of one that it failed to
// write nothing will be written later.
weir_status wr_transactions_write(struct wr_transactions   *transactions,
                                  const struct wr_decision *records, uint32_t count, bool gives_up,
                                  struct wr_log_error *error);
// Makes a verdict durable and known. Many threads at once. `name`: of a prepared one, else "".
weir_status wr_transactions_decide(struct wr_transactions *transactions, uint64_t number,
                                   enum wr_verdict verdict, const char *name, bool gives_up,
                                   struct wr_log_error *error);
// Takes the transaction out of the list, under the lock; NULL: it is not of this process.
struct wr_begun *wr_begun_take(struct wr_transactions *transactions, uint64_t number);
void             wr_begun_free(struct wr_begun *begun);

// ---- handles ----

// Each keeps a sentence with the handle and returns the status.
weir_status wr_transaction_fail(weir_transaction *transaction, weir_status status,
                                const char *what);
weir_status wr_transaction_fenced(weir_transaction *transaction);
weir_status wr_transaction_unopened(weir_transaction *transaction);
// Ends a decision of the handle's: who would fence it may go on.
void wr_transaction_leave(weir_transaction *transaction);

#endif // WR_LOG_DECIDING_H
