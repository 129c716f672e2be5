// The host's files: system calls that answer -errno, in the shape of struct wr_environment_ops.
// They do not look at `self`, which may be NULL.
//
// An offset of -1 is a *stream*: a pipe or a terminal, read and written where it stands, and only
// after poll said that it is ready. /dev/stdin, /dev/stdout and /dev/stderr are the process's own
// descriptors, duplicated: opening them anew would empty the file that they were redirected to.
//
// Thread rule: any thread.
#ifndef WR_HOST_FILES_H
#define WR_HOST_FILES_H

#include "runtime/base/environment.h"

int     wr_host_open(struct wr_environment *self, const char *path, enum wr_open_mode mode);
void    wr_host_close(struct wr_environment *self, int file);
int     wr_host_info(struct wr_environment *self, const char *path, struct wr_file_info *info);
int64_t wr_host_read_at(struct wr_environment *self, int file, void *buffer, size_t bytes,
                        int64_t offset);
int64_t wr_host_read_now(struct wr_environment *self, int file, void *buffer, size_t bytes,
                         int64_t offset);
void    wr_host_read_ahead(struct wr_environment *self, int file, size_t bytes, int64_t offset);
int64_t wr_host_write_at(struct wr_environment *self, int file, const void *buffer, size_t bytes,
                         int64_t offset);
int     wr_host_sync(struct wr_environment *self, int file);
int     wr_host_sync_data(struct wr_environment *self, int file);
int     wr_host_sync_directory(struct wr_environment *self, const char *path);
int     wr_host_truncate(struct wr_environment *self, int file, uint64_t size_bytes);
int     wr_host_preallocate(struct wr_environment *self, int file, uint64_t bytes);
int     wr_host_lock(struct wr_environment *self, int file);
int     wr_host_rename(struct wr_environment *self, const char *from, const char *to);
int     wr_host_rename_new(struct wr_environment *self, const char *from, const char *to);
int     wr_host_unlink(struct wr_environment *self, const char *path);
int     wr_host_make_directory(struct wr_environment *self, const char *path);
int     wr_host_list(struct wr_environment *self, const char            *path,
                     void (*each)(void *opaque, const char *name), void *opaque);

// One piece of a stream that poll called ready, without waiting for more: the bytes read or
// written, or -EAGAIN if somebody else was faster. Where SIGPIPE is not blocked, the write may
// raise it.
int64_t wr_host_stream_read(int file, void *buffer, size_t bytes);
int64_t wr_host_stream_write(int file, const void *buffer, size_t bytes);

#endif // WR_HOST_FILES_H
