// The host's shared memory and the words in it that are waited for, and which machine and process
// this is; in the shape of struct wr_environment_ops. They do not look at `self`, which may be
// NULL.
//
// Waiting is the kernel's futex, in its kind that works between processes: a word is known by its
// place in the file, so that a reader may map it read-only, and where it likes.
//
// Thread rule: any thread.
#ifndef WR_HOST_SHARED_H
#define WR_HOST_SHARED_H

#include "runtime/base/environment.h"

void    *wr_host_share(struct wr_environment *self, const char *path, size_t bytes, bool is_writer,
                       int *error);
void     wr_host_unshare(struct wr_environment *self, void *memory, size_t bytes);
void     wr_host_wait_word(struct wr_environment *self, const uint32_t *word, uint32_t seen,
                           int64_t timeout_us);
void     wr_host_wake_word(struct wr_environment *self, const uint32_t *word);
uint64_t wr_host_boot(struct wr_environment *self);
uint32_t wr_host_process(struct wr_environment *self);
bool     wr_host_is_ending(struct wr_environment *self, uint32_t process);

#endif // WR_HOST_SHARED_H
