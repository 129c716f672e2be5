// ahead: a checkpoint's files are read from front to back before a restore needs them.
//
// Blocks are taken up in the order of hashes, by several threads, which to a disk looks like no
// order at all. One thread more reads what they will read, for the page cache.
#ifndef WR_AHEAD_H
#define WR_AHEAD_H

#include "runtime/checkpoint/checkpoint.h"
#include "runtime/run/run.h"

struct wr_ahead;

// NULL, and all is read when it is needed: of a simulated run, or without another thread.
struct wr_ahead *wr_ahead_start(const struct weir_run *run, const struct wr_store *store);
void             wr_ahead_stop(struct wr_ahead *ahead); // what is not read yet is not; NULL is fine

#endif // WR_AHEAD_H
