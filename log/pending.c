#include "log/pending.h"

void wr_pending_init(struct wr_pending *pending, struct wr_environment *environment)
{
    *pending = (struct wr_pending){ .environment = environment };
    (void)pthread_mutex_init(&pending->lock, NULL);
    (void)pthread_cond_init(&pending->settles, NULL);
}

void wr_pending_fini(struct wr_pending *pending)
{
    WR_ASSERT(!pending->is_under_way);
    (void)pthread_cond_destroy(&pending->settles);
    (void)pthread_mutex_destroy(&pending->lock);
}

static void pending_settle(void *opaque)
{
    struct wr_pending *pending = opaque;
    (void)pthread_mutex_lock(&pending->lock);
    pending->is_settled = true;
    (void)pthread_cond_signal(&pending->settles);
    pending->wake(pending->waker);
    (void)pthread_mutex_unlock(&pending->lock); // whoever waits may free it now
}

void wr_pending_submit(struct wr_pending *pending, void (*wake)(void *waker), void *waker)
{
    WR_ASSERT(!pending->is_under_way);
    pending->is_under_way  = true;
    pending->is_settled    = false;
    pending->wake          = wake;
    pending->waker         = waker;
    pending->request.wake  = pending_settle;
    pending->request.waker = pending;
    wr_submit(pending->environment, &pending->request);
}

bool wr_pending_is_settled(struct wr_pending *pending)
{
    (void)pthread_mutex_lock(&pending->lock);
    const bool is_settled = pending->is_settled;
    (void)pthread_mutex_unlock(&pending->lock);
    return is_settled;
}

void wr_pending_wait(struct wr_pending *pending)
{
    if (!pending->is_under_way) {
        return;
    }
    while (pending->environment->is_simulated && !wr_pending_is_settled(pending)) {
        (void)wr_simulation_advance(pending->environment, WEIR_TIME_MAX - 1);
    }
    (void)pthread_mutex_lock(&pending->lock);
    while (!pending->is_settled) {
        (void)pthread_cond_wait(&pending->settles, &pending->lock);
    }
    (void)pthread_mutex_unlock(&pending->lock);
    pending->is_under_way = false;
}
