// look: how far a partition may be read by what its files say, when no writer's memory does
// (wr_partition_look), and past damage: what is whole before it is still read.
#ifndef WR_LOG_LOOK_H
#define WR_LOG_LOOK_H

#include "log/live.h"

// wr_partition_look for who reads the segments one after the other. Damage in the midst of them is
// not looked for: whoever reads comes to it. What a reader would not come to is `damage`
// (WEIR_OK: nothing): the newest segment is missing or its header is gone, bytes follow its footer,
// or two segments hold the same offsets, of which neither is believed. It is to be told at
// position->readable, before which all is right as far as is known.
weir_status wr_partition_look_past(struct wr_environment *environment, const char *directory,
                                   const struct wr_log_place *place,
                                   struct wr_live_position *position, struct wr_log_error *damage,
                                   struct wr_log_error *error);

#endif // WR_LOG_LOOK_H
