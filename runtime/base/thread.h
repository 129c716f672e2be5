// thread: starting a thread of the library, one that leaves its core to others, and conditions that
// wait by the monotonic clock.
#ifndef WR_THREAD_H
#define WR_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

// Starts a thread with all signals blocked: they are for the threads of whoever embeds the library.
// `name` (NULL: none) is at most 15 bytes. 0 or an errno.
int wr_thread_start(pthread_t *thread, void *(*main)(void *), void *opaque, const char *name);

// How a thread whose work can wait a little leaves its core to others: it works in pieces and
// sleeps between them. A nice value does not do that: of two threads that never sleep each has the
// core for a tick of the system's clock and more, 4 ms and 8, and the other one waits.
struct wr_breath {
    int64_t spent_ns; // of the processor, when it slept last
    int64_t left_ns;  // to sleep, in all
};
// From now on the calling thread sleeps `most_us` at most.
void wr_breath_begin(struct wr_breath *breath, int64_t most_us);
// Between two pieces of its work: sleeps, if it has had the core for long enough.
void wr_breath_take(struct wr_breath *breath);

// A condition whose timed waits are by the environment's clock, not by the wall's.
void wr_condition_init(pthread_cond_t *condition);
// Under the lock. INT64_MAX: for ever. False: that time has come.
bool wr_condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_us);

#endif // WR_THREAD_H
