// file_target: a target of files (weir/outbox.h), in an environment of the caller's.
//
//   DIR/.progress                 file_progress.h: the one commit point, and the epoch
//   DIR/.lock                     held while the progress is read and replaced
//   DIR/.part-NUMBER-EPOCH.tmp    being written; synced, and its name too, before it counts
//   DIR/part-NUMBER-PARTITION-FROM.jsonl    the same file, once it does
//
// A commit: sync the part, sync the directory, lock, compare the epoch, replace the progress (which
// names the part), give the part its name, sync the directory, unlock.
//
// Why nothing is there twice, lost, or half: before the progress is replaced the part is hidden and
// its rows are still to be published; from then on it is named by the progress, and whoever opens
// the target next gives it its name if the crash came before. A number is used by one part that
// counts; a part that does not count has a name of its own, by its epoch, and is removed by the
// next opening. The epoch is compared and the progress replaced under one lock, so that who was
// fenced cannot come in between; the lock goes with its process.
//
// Thread rule: belongs to one thread.
#ifndef WR_FILE_TARGET_H
#define WR_FILE_TARGET_H

#include "runtime/base/environment.h"
#include <weir/outbox.h>

// weir_file_target_open in an environment that outlives it.
weir_outbox_target *wr_file_target_open_in(struct wr_environment *environment,
                                           const char            *directory);

#endif // WR_FILE_TARGET_H
