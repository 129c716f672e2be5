// log_commits: the transactions of a log sink's task, one a checkpoint.
//
//   rows --> handle 0 --barrier 1--> set aside, prepared, committed with checkpoint 1
//            handle 1 <--- rows --barrier 2--> set aside ...
//            handle 0 <--- rows ...
//
// What a handle has prepared outlives it under its id, so that two handles are enough, whatever
// checkpoints are given up. A handle's name is
//
//   job.operator.hash of both.generation.instance.0 or .1
//
// The same after a restart; no other sink of any job has it. What was prepared under the names of
// an operator, and is not among the tokens of the checkpoint a job goes on from, is aborted: also
// that of tasks which are no more.
//
// A token is the transaction's id in decimal, a space, and its handle's name.
//
// Thread rule: as of struct wr_committer: between a barrier and its prepare `taking` does not
// change.
#ifndef WR_LOG_COMMITS_H
#define WR_LOG_COMMITS_H

#include "log/log.h"
#include "runtime/operator.h"

struct wr_log_commits {
    weir_log         *log;
    weir_producer    *producer;
    char             *prefix;               // of the operator's names
    uint32_t          instance, generation; // the task's
    weir_transaction *handles[2];
    uint32_t          taking; // the handle whose transaction gets the rows
    bool              has_aside;
};

// Opens both handles and begins the first transaction. False: wr_node_fail has said why; close it
// nevertheless.
bool wr_log_commits_open(struct wr_log_commits *commits, struct wr_node *node, weir_log *log,
                         weir_producer *producer);
// What is not prepared is aborted. The producer belongs to no transaction from then on.
void wr_log_commits_close(struct wr_log_commits *commits);

// What the producer has appended is set aside; what it appends from now on is the next one's.
weir_status wr_log_commits_set_aside(struct wr_log_commits *commits);

// As of struct wr_committer.
bool wr_log_commits_prepare(struct wr_log_commits *commits, struct wr_token *token,
                            struct wr_error *error);
bool wr_log_commits_commit(const struct wr_log_commits *commits, const struct wr_token *token,
                           struct wr_error *error);
bool wr_log_commits_recover(const struct wr_log_commits *commits, const struct wr_token *tokens,
                            uint32_t count, struct wr_error *error);

#endif // WR_LOG_COMMITS_H
