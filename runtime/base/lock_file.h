// lock_file: a file that one process at a time holds. Its text says who, for sentences only.
#ifndef WR_LOCK_FILE_H
#define WR_LOCK_FILE_H

#include "runtime/base/environment.h"

// Takes the lock of the file at `path` (made if missing). Waits only for a process that was killed
// or exits and still has it, at most ten seconds. 0: *file is open, and closing it gives the lock
// back. -EWOULDBLOCK: somebody has it; *holder is a sentence's subject, like "process 812"
// (wr_alloc'ed). Else -errno.
int wr_lock_file_take(struct wr_environment *environment, const char *path, int *file,
                      char **holder);

#endif // WR_LOCK_FILE_H
