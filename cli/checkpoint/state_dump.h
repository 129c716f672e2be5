// state_dump: every entry and cell of a checkpoint, a line of JSON each.
#ifndef WR_CLI_CHECKPOINT_STATE_DUMP_H
#define WR_CLI_CHECKPOINT_STATE_DUMP_H

#include "runtime/checkpoint/checkpoint.h"

#include <stdio.h>

// Prints those of the operator of that name (NULL: of all) of the checkpoint the store is open at,
// until `is_over` (NULL: never) says so, or `to` fails, which its error flag tells.
weir_status wr_state_dump(struct wr_store *store, const char *operator_name, FILE *to,
                          bool (*is_over)(void), struct wr_error *error);

#endif // WR_CLI_CHECKPOINT_STATE_DUMP_H
