// until: how far a replay reads (weir_run_options.until): an event time, an offset, or both.
//
//   text    point { "," point }
//   point   TIME               of each partition that is not named: up to its first record that
//                              happened after TIME
//           "@" OFFSET         the same: the records before OFFSET
//           NAME "@" OFFSET    of the partition NAME: the records before OFFSET
//   NAME    as `weir checkpoint dump` shows it ("events/0"), or SOURCE "/" NAME
//   TIME    RFC 3339
//
// At most one point names no partition.
#ifndef WR_UNTIL_H
#define WR_UNTIL_H

#include "runtime/base/base.h"
#include <weir/event_time.h>

struct wr_until;

// NULL: the text is none, and *sentence (wr_alloc'ed) says why.
struct wr_until *wr_until_open(const char *text, char **sentence);
void             wr_until_close(struct wr_until *until); // NULL is fine

// Where a partition of a source is read to: the records before `offset`, up to the first one that
// happened after `time`.
struct wr_until_point {
    uint64_t  offset; // UINT64_MAX: none is given
    weir_time time;   // WEIR_TIME_MAX: none is given
};
// False: nothing is said of it.
bool wr_until_find(const struct wr_until *until, const char *source, const char *partition,
                   struct wr_until_point *point);

// The names it has, which partitions must have, too: the i-th, or NULL behind the last.
const char *wr_until_name(const struct wr_until *until, uint32_t i);
// Whether a name is that of the partition.
bool wr_until_is_name(const char *name, const char *source, const char *partition);

#endif // WR_UNTIL_H
