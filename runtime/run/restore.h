// restore: a run takes up what a checkpoint holds, whatever its number of tasks was.
//
//   operator "alerts" of the checkpoint's tasks 0, 1, 2   --by name-->   of this run's tasks 0, 1
//     tables: the entries of each task's cells      numbers: the least or the greatest
//     bytes by key: to whoever asks for the key     watermark: the least
#ifndef WR_RESTORE_H
#define WR_RESTORE_H

#include "runtime/checkpoint/checkpoint.h"
#include "runtime/run/run.h"

// When all operators are open, before anything runs. What does not fit is the run's failure; it is
// told before anything is taken up where that can be seen from the indexes.
void wr_run_restore(struct weir_run *run, struct wr_store *store);

// Everything but tables, from these indexes, and then what follows from tables and all else; of
// tasks whose operators are open and whose tables are filled. False: the run has failed.
bool wr_generation_restore_rest(struct wr_generation         *generation,
                                const struct wr_index *const *indexes, uint32_t count);

// The tokens of what an operator had prepared (wr_alloc'ed); in the order of checkpoints.
struct wr_token;
struct wr_token *wr_restore_tokens(const struct wr_store *store, const char *operator_name,
                                   uint32_t *count);

#endif // WR_RESTORE_H
