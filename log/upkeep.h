// upkeep: what a log's writer does to records that are old: retention, compaction, truncation.
//
//   retention     whole segments from the front go, by age or by bytes
//   compaction    of a key only the last record stays; offsets stay as they are
//   truncation    by hand: before an offset, or from one on
//
// One thing is done at a time, by a thread that wr_upkeep_run starts and wakes, or by who calls
// weir_log_retain, _compact, _truncate_.... In a simulated environment wr_upkeep_run does it
// itself.
//
// The commit lock is held for short steps only: to end an idle segment, to drop files, to put one
// in place. Reading and rewriting go on beside the committer: a segment that is sealed changes by
// upkeep alone.
//
// Thread rule: `lock` of the upkeep is held for a whole piece of work, and taken before any other
// (log.h). Who deletes a topic holds it too: so a topic that is there when a piece of work begins
// is there until that ends, and no file of a new topic of its name is touched.
#ifndef WR_LOG_UPKEEP_H
#define WR_LOG_UPKEEP_H

#include "log/commit.h"

struct wr_upkeep;

// The log is open: its transactions are known. Before it wr_upkeep_run does nothing.
void wr_upkeep_open(weir_log *log);
// Sees to what is due, or wakes the thread that does. Now and then, not under the commit lock.
void wr_upkeep_run(weir_log *log);
// Ends the thread, for good: wr_upkeep_run does nothing after it. Work under way is left where it
// is safe to. Before wr_commit_stop, whose thread may call wr_upkeep_run until it ends.
void wr_upkeep_stop(weir_log *log);
// Frees it. After wr_commit_stop.
void wr_upkeep_close(weir_log *log);

// Between these nobody else does upkeep. Of a log open for writing.
void wr_upkeep_enter(weir_log *log);
void wr_upkeep_leave(weir_log *log);
// Work that takes long asks now and then whether to stop.
bool wr_upkeep_is_stopping(weir_log *log);

// ---- the work, between enter and leave; *bytes gets what was freed ----

weir_status wr_retain_partition(struct wr_partition *partition, uint64_t *bytes,
                                struct wr_log_error *error);
// `only_if_due`: only if half of what the sealed segments hold is out of date.
weir_status wr_compact_partition(struct wr_partition *partition, bool only_if_due, uint64_t *bytes,
                                 struct wr_log_error *error);
// Memory for keys in one pass of a compaction. Tests make it small.
extern size_t wr_compact_memory_bytes;

// WEIR_NOT_FOUND: the topic was deleted, and another may have its name and directory by now.
weir_status wr_upkeep_check(const struct wr_partition *partition, struct wr_log_error *error);
// Takes the commit lock; false, without it: the log is poisoned, or the topic was deleted.
bool wr_upkeep_begin_step(struct wr_partition *partition, struct wr_log_error *error);
// Gives it back. A disk that failed within the step poisons the log. Returns `status`.
weir_status wr_upkeep_end_step(struct wr_partition *partition, weir_status status,
                               const struct wr_log_error *error);
// After a step, without the commit lock: removes what it left over. A disk that fails poisons the
// log. Returns `status`, or what failed.
weir_status wr_upkeep_clear(struct wr_partition *partition, weir_status status,
                            struct wr_leftovers *leftovers, struct wr_log_error *error);
// How many bytes the partition's sealed segments had when compaction last looked at them; 0: it has
// not yet. Between enter and leave.
uint64_t *wr_upkeep_compacted_at(struct wr_partition *partition);

// A topic of a log open for writing, for a public call; NULL: `error` says why not.
struct wr_topic *wr_upkeep_topic(weir_log *log, const char *name, struct wr_log_error *error);

#endif // WR_LOG_UPKEEP_H
