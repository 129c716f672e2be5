// pending: a request to the environment whose end wakes somebody, and that its owner can wait for.
//
// Thread rule: its owner's, one thread; the wake comes from any.
#ifndef WR_LOG_PENDING_H
#define WR_LOG_PENDING_H

#include "runtime/base/environment.h"
#include <pthread.h>

struct wr_pending {
    struct wr_environment *environment;
    struct wr_request      request;      // but for its wake
    bool                   is_under_way; // until the owner takes note of its end
    bool                   is_settled;   // the request and its wake are over; under `lock`
    void (*wake)(void *waker);
    void           *waker;
    pthread_mutex_t lock;
    pthread_cond_t  settles;
};

void wr_pending_init(struct wr_pending *pending, struct wr_environment *environment);
void wr_pending_fini(struct wr_pending *pending); // none may be under way

// Submits pending->request. `wake` is called when it is over, by an I/O thread or by the owner's.
void wr_pending_submit(struct wr_pending *pending, void (*wake)(void *waker), void *waker);
bool wr_pending_is_settled(struct wr_pending *pending);
// Until it is over, and wake will not be called any more. None under way: does nothing.
void wr_pending_wait(struct wr_pending *pending);

#endif // WR_LOG_PENDING_H
