// file: what one usually wants of a file, over an environment's single calls.
#ifndef WR_FILE_H
#define WR_FILE_H

#include "runtime/base/environment.h"

// Writes all `length` bytes. 0 or -errno.
int wr_file_write(struct wr_environment *environment, int file, const void *bytes, size_t length,
                  uint64_t offset);
// Reads until `length` bytes are there or the file ends: how many, or -errno.
int64_t wr_file_read(struct wr_environment *environment, int file, void *buffer, size_t length,
                     uint64_t offset);
// Makes durable that a name came to `path`, or went from there. 0 or -errno.
int wr_file_sync_parent(struct wr_environment *environment, const char *path);

#endif // WR_FILE_H
