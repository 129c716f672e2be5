// decisions: what became of every transaction, in little memory.
//
//   0 ......... committed, but for these ranges ......... | top, undecided
//        [aborted)   [open)  [prepared, name)  [aborted)  |
//
// Numbers are given out in order, so nearly all below `top` are committed and need no memory. The
// rest are ranges: aborted ones (neighbours are one range), those begun and not decided, and
// prepared ones, each with its name. A record says the verdict of the numbers [first, end); records
// of different numbers may be applied in any order, and one may be applied again.
//
// Invariants: ranges ascend, do not overlap, are not empty and end at or before top; a prepared one
// is one number; two aborted or two open ones never touch.
//
// Thread rule: whoever owns it guards it.
#ifndef WR_LOG_DECISIONS_H
#define WR_LOG_DECISIONS_H

#include "log/transactions.h"
#include <weir/record.h>

// A row of .transactions.
struct wr_decision {
    uint64_t first, end;
    weir_str name; // of a prepared one; else empty
    int32_t  verdict;
};
extern const weir_type wr_decision_type;

struct wr_decided_range {
    uint64_t        first, end;
    enum wr_verdict verdict; // OPEN, PREPARED, ABORTED
    char           *name;    // of a prepared one
};

struct wr_decisions {
    uint64_t                 top;
    struct wr_decided_range *ranges;
    uint32_t                 count, capacity;
};

void wr_decisions_init(struct wr_decisions *decisions);
void wr_decisions_fini(struct wr_decisions *decisions);
// Forgets everything.
void wr_decisions_clear(struct wr_decisions *decisions);

enum wr_verdict wr_decisions_verdict(const struct wr_decisions *decisions, uint64_t transaction);
// The range that holds the number; NULL: it is committed, or not below top.
const struct wr_decided_range *wr_decisions_range(const struct wr_decisions *decisions,
                                                  uint64_t                   transaction);
// False: the record makes no sense, and nothing has changed.
bool wr_decisions_apply(struct wr_decisions *decisions, const struct wr_decision *decision);
// The records that make the same of an empty one, ascending, so that those applied so far are never
// wrong (wr_alloc'ed; their names point into the ranges).
struct wr_decision *wr_decisions_records(const struct wr_decisions *decisions, uint32_t *count);
// Aborted ranges that end at or before `end` are taken for committed from now on: nothing that is
// stored bears their numbers any more.
void wr_decisions_forget_aborted(struct wr_decisions *decisions, uint64_t end);
// Whether the invariants above hold, by a walk.
bool wr_decisions_are_valid(const struct wr_decisions *decisions);

#endif // WR_LOG_DECISIONS_H
