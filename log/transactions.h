// transactions: which transactions are decided, and how.
//
// A batch carries the number of its transaction. Whether that is committed stands in one place, the
// topic .transactions: one record is the moment of the decision, in every partition at once. So
// there are no marks to write into the partitions, and none to lose.
//
//   decision   u64 first, u64 end: the numbers it is about; i32 verdict (1 open, 2 prepared,
//              3 committed, 4 aborted); str name, of a prepared one
//
// Numbers grow: epoch << 32 | count, so none is used twice. Those below the greatest one named are
// committed unless a decision says otherwise (decisions.h). A transaction whose writer's epoch has
// ended is aborted by the next writer, unless it was prepared. A segment of .transactions that has
// older ones dropped begins with the whole picture; an aborted number is forgotten when no
// partition can hold a batch of it any more.
//
// Thread rule: a lock of their own guards them.
#ifndef WR_LOG_TRANSACTIONS_H
#define WR_LOG_TRANSACTIONS_H

#include "log/log.h"

#define WR_TRANSACTIONS_TOPIC ".transactions"

struct wr_decisions;
struct wr_partition;

enum wr_verdict {
    WR_VERDICT_OPEN      = 1, // or prepared: not decided
    WR_VERDICT_PREPARED  = 2,
    WR_VERDICT_COMMITTED = 3,
    WR_VERDICT_ABORTED   = 4
};

// Opens the writer's: reads all decisions, aborts (durably) what an earlier epoch left open. After
// wr_commit_start. On failure log->error says why.
weir_status wr_transactions_open_writer(weir_log *log);
// A reader's, of which there need not be any file yet.
weir_status wr_transactions_open_reader(weir_log *log, struct wr_log_error *error);
void        wr_transactions_close(struct wr_transactions *transactions);

// What became of a transaction, as far as is known; a reader's looks for news first if it is open
// so far. Any thread.
enum wr_verdict wr_transactions_verdict(weir_log *log, uint64_t transaction);
// For who has come to a transaction that is not decided: WEIR_OK, or why a reader cannot read what
// was decided (WEIR_DAMAGED: it is damaged, or gone). Any thread.
weir_status wr_transactions_look(weir_log *log, struct wr_log_error *error);
// What is decided as of one moment (a copy, to be finished): for ends that are to be consistent
// over several partitions, taken before it is looked how far these go.
void wr_transactions_copy(weir_log *log, struct wr_decisions *copy);

// The number under which a producer joined to it appends now; 0: none is begun.
uint64_t    wr_transaction_number(const weir_transaction *transaction);
const char *wr_transaction_name(const weir_transaction *transaction);
// WEIR_OK; WEIR_FENCED when its name was opened again; WEIR_CONFLICT while its transaction is being
// decided, or is prepared, and takes no more records. A producer asks under its own lock, before
// the number and until what it appends can be pulled: a decision is flagged first and pulls then,
// so what is appended is either in what it waits for or refused.
weir_status wr_transaction_check(const weir_transaction *transaction);
// weir_transaction_commit or _abort that does not wait for a full disk but for one more try.
// WEIR_FULL: that failed too; the transaction is as open as before.
weir_status wr_transaction_try(weir_transaction *transaction, bool commits);
// Noted by the producer when it first queues a batch for a partition in this transaction, so that
// upkeep leaves it alone there, and a decision wakes who reads it.
void wr_transaction_touch(weir_transaction *transaction, struct wr_partition *partition);

// ---- for upkeep ----

// The least offset of the partition at which a batch of an undecided transaction may lie;
// UINT64_MAX: there is none. WEIR_CONFLICT: it is not known yet, for the log is still opening.
// Cheap, but for the first time after an opening with prepared ones.
weir_status wr_transactions_least_undecided(struct wr_partition *partition, uint64_t *offset,
                                            struct wr_log_error *error);
// Forgets aborted numbers that nothing stored bears any more, when there are many. Now and then, by
// one thread.
void wr_transactions_tidy(weir_log *log);
// How many ranges it takes for that to be worth a look. Tests make it small.
extern uint32_t wr_transactions_aborted_kept;

#endif // WR_LOG_TRANSACTIONS_H
