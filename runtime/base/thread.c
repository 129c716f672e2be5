#include "runtime/base/thread.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

#define NS_PER_S    INT64_C(1000000000)
#define PIECE_NS    INT64_C(100000)  // of work
#define REST_TIMES  6                // as long it sleeps
#define REST_MAX_NS INT64_C(5000000) // as who wakes the thread does not wake it from that

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

static int64_t processor_ns(void)
{
    struct timespec spent = { .tv_sec = 0 };
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return (int64_t)spent.tv_sec * NS_PER_S + spent.tv_nsec;
}

void wr_breath_begin(struct wr_breath *breath, int64_t most_us)
{
    *breath = (struct wr_breath){ .spent_ns = most_us > 0 ? processor_ns() : 0,
                                  .left_ns  = most_us * 1000 };
}

void wr_breath_take(struct wr_breath *breath)
{
    if (breath->left_ns <= 0) { // the thread's clock costs a call of the system
        return;
    }
    const int64_t piece_ns = processor_ns() - breath->spent_ns;
    if (piece_ns < PIECE_NS) {
        return;
    }
    int64_t rest_ns            = piece_ns * REST_TIMES;
    rest_ns                    = rest_ns < REST_MAX_NS ? rest_ns : REST_MAX_NS;
    rest_ns                    = rest_ns < breath->left_ns ? rest_ns : breath->left_ns;
    const struct timespec rest = { .tv_sec = 0, .tv_nsec = rest_ns };
    (void)nanosleep(&rest, NULL);
    breath->left_ns -= rest_ns;
    breath->spent_ns = processor_ns();
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
