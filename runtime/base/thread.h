// thread: starting a thread of the library, and conditions that wait by the monotonic clock.
#ifndef WR_THREAD_H
#define WR_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

// Starts a thread with all signals blocked: they are for the threads of whoever embeds the library.
// `name` (NULL: none) is at most 15 bytes. 0 or an errno.
int wr_thread_start(pthread_t *thread, void *(*main)(void *), void *opaque, const char *name);

// The calling thread does work that can wait a little: where others want its core, they get most of
// it. For good, as it takes a privilege to come forward again, and for threads that it starts, too.
// Only on Linux, where a thread has a nice value of its own; elsewhere nothing.
void wr_thread_stand_back(void);

// A condition whose timed waits are by the environment's clock, not by the wall's.
void wr_condition_init(pthread_cond_t *condition);
// Under the lock. INT64_MAX: for ever. False: that time has come.
bool wr_condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_us);

#endif // WR_THREAD_H
