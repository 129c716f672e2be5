// cells: the small pieces of an operator's state as JSON. A checkpoint has no types of them; those
// that the library itself keeps are known by their names.
//
//   partition    {"offset":9,"position":[9,0,0,0],"latest":"...","watermark":"...",
//                 "idle":false,"ended":false}; null: no checkpoint has seen it
//   fired until  a time; other cells of 8 bytes are numbers
//   prepared, .. "00ff": bytes
#ifndef WR_CLI_CHECKPOINT_CELLS_H
#define WR_CLI_CHECKPOINT_CELLS_H

#include "runtime/checkpoint/index.h"
#include "runtime/connector.h"

#include <stdio.h>

// False: it is not one of a source's partition, or nothing is known of that yet.
bool wr_cell_partition(const struct wr_index_cell *cell, struct wr_partition_kept *kept);
void wr_cell_json(FILE *to, const struct wr_index_cell *cell);

#endif // WR_CLI_CHECKPOINT_CELLS_H
