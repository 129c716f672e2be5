// capturing: a task's part in checkpoints, by its worker, between steps.
//
//   barrier --> mark: every table's and cell's state is fixed --> capture, some bytes a step
//           --> chunks, full ones reported as they fill --> the index, reported when all is in it
//
// A segment that was not written since an earlier checkpoint is not packed again: the index names
// where it lies, in a file of that checkpoint. Files of which less than half is still named have
// the rest packed again by the next checkpoint, so that they can go.
//
// Invariants
//   one capture at a time; one that is given up leaves its file's segments changed
//   file numbers grow; a number means the same file as long as the run lasts
//   every segment of the index lies in a file of its list
#ifndef WR_CAPTURING_H
#define WR_CAPTURING_H

#include "runtime/run/coordinator.h"

#define WR_CHUNK_BYTES ((size_t)1 << 20)

struct wr_capturing *wr_capturing_open(struct wr_task *task, struct wr_coordinator *coordinator);
void                 wr_capturing_close(struct wr_capturing *capturing); // NULL is fine

#endif // WR_CAPTURING_H
