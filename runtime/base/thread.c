#include "runtime/base/thread.h"

#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <time.h>

#define NICER_BY 10 // a tenth of the weight of one that has not stood back

int wr_thread_start(pthread_t *thread, void *(*main)(void *), void *opaque, const char *name)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(thread, NULL, main, opaque);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0 && name != NULL) {
        (void)pthread_setname_np(*thread, name);
    }
    return error;
}

void wr_thread_stand_back(void)
{
#ifdef __linux__
    (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICER_BY);
#endif
}

void wr_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(condition, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

bool wr_condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_us)
{
    if (until_us == INT64_MAX) {
        return pthread_cond_wait(condition, lock) == 0;
    }
    const struct timespec until = { .tv_sec  = until_us / 1000000,
                                    .tv_nsec = until_us % 1000000 * 1000 };
    return pthread_cond_timedwait(condition, lock, &until) == 0;
}
