// handover: a run is given another number of workers, and goes on.
//
//   next generation   made and opened beside the one that works
//   barrier           told by its number to be the last of the old one: every task that has passed
//   it
//                     hands over and ends; sinks prepare what they took; nothing is under way then
//   take over         tables by their segments, as they are; the rest as from a checkpoint
//   start             the next generation's workers; what is left of the old one is closed
//
// Nothing is written for it: if the process ends in the middle, the next one goes on from the last
// checkpoint, and what sinks prepared since then is withdrawn, as ever.
#ifndef WR_HANDOVER_H
#define WR_HANDOVER_H

#include "runtime/checkpoint/index.h"
#include "runtime/run/run.h"

// What the tasks of `last` keep becomes that of `next`, whose operators are open. Nobody runs;
// `indexes` are those that the tasks handed in, in their order. False: the run has failed.
bool wr_generation_take_over(struct wr_generation *next, const struct wr_generation *last,
                             const struct wr_index *const *indexes);

#endif // WR_HANDOVER_H
