// WAIT requests of the real environment: each has a thread of its own while it is under way.
//
// A wait in the kernel is for one word, ends by a wake of that word only, and the word may be
// read-only here. So who cancels a wait wakes its word, again and again until the thread has left
// the kernel: one wake could come between the thread's last look and its sleep.
//
// Thread rule: any thread, between init and fini.
#ifndef WR_HOST_WAITS_H
#define WR_HOST_WAITS_H

#include "runtime/base/environment.h"

#include <pthread.h>

#define WR_HOST_WAITS_MOST 256u // under way at a time; one more is refused

struct wr_host_wait; // a thread: idle, or with one request

struct wr_host_waits {
    pthread_mutex_t      lock;
    struct wr_host_wait *threads[WR_HOST_WAITS_MOST];
    uint32_t             count;
    bool                 is_closing;
    void (*complete)(struct wr_request *request, int64_t result); // from the wait's thread
};

void wr_host_waits_init(struct wr_host_waits *waits,
                        void (*complete)(struct wr_request *request, int64_t result));
void wr_host_waits_fini(struct wr_host_waits *waits); // cancels those under way

// Takes the request over. -EAGAIN: there is no thread for it, and it is still the caller's.
int  wr_host_waits_submit(struct wr_host_waits *waits, struct wr_request *request);
void wr_host_waits_cancel(struct wr_host_waits *waits, const struct wr_request *request);

#endif // WR_HOST_WAITS_H
