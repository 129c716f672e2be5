#include "runtime/base/host_waits.h"

#include "runtime/base/thread.h"

#include "runtime/base/atomic.h"
#include "runtime/base/host_shared.h"

#include <errno.h>
#include <time.h>

// A thread. waits->lock guards all but `waits` and `thread`.
struct wr_host_wait {
    struct wr_host_waits *waits;
    pthread_t             thread;
    pthread_cond_t        has_work; // a request, or closing
    struct wr_request    *request;  // NULL: idle
    uint64_t              turn;     // how many it has had: a request may come again
    bool                  is_cancelled;
};

// ---- the thread ----

static int64_t now_us(void)
{
    struct timespec now;
    const int       result = clock_gettime(CLOCK_MONOTONIC, &now);
    WR_ASSERT(result == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// The time at which the request ends by itself.
static int64_t deadline_of(const struct wr_request *request)
{
    const int64_t now = now_us();
    return request->bytes < (uint64_t)(INT64_MAX - now) ? now + (int64_t)request->bytes : INT64_MAX;
}

static bool wait_is_cancelled(struct wr_host_wait *wait)
{
    pthread_mutex_lock(&wait->waits->lock);
    const bool is_cancelled = wait->is_cancelled;
    pthread_mutex_unlock(&wait->waits->lock);
    return is_cancelled;
}

static int64_t wait_run(struct wr_host_wait *wait, const struct wr_request *request)
{
    const uint32_t *word     = request->buffer;
    const uint32_t  seen     = (uint32_t)request->offset;
    const int64_t   deadline = deadline_of(request);
    while (!wait_is_cancelled(wait)) {
        const int64_t left = deadline - now_us();
        if (wr_load_word(word) != seen || left <= 0) {
            return 0;
        }
        wr_host_wait_word(NULL, word, seen, left);
    }
    return -ECANCELED;
}

// The next request; waits for one. NULL: the environment closes.
static struct wr_request *wait_next(struct wr_host_wait *wait)
{
    pthread_mutex_lock(&wait->waits->lock);
    while (wait->request == NULL && !wait->waits->is_closing) {
        pthread_cond_wait(&wait->has_work, &wait->waits->lock);
    }
    struct wr_request *request = wait->request;
    pthread_mutex_unlock(&wait->waits->lock);
    return request;
}

static void *wait_main(void *opaque)
{
    struct wr_host_wait *wait = opaque;
    struct wr_request   *request;
    while ((request = wait_next(wait)) != NULL) {
        const int64_t result = wait_run(wait, request);
        pthread_mutex_lock(&wait->waits->lock);
        wait->request = NULL; // from here on nobody wakes the word, which may go
        pthread_mutex_unlock(&wait->waits->lock);
        wait->waits->complete(request, result);
    }
    return NULL;
}

// ---- submitting and cancelling ----

// An idle thread, or NULL. The lock is held.
static struct wr_host_wait *waits_idle(struct wr_host_waits *waits)
{
    for (uint32_t i = 0; i < waits->count; i++) {
        if (waits->threads[i]->request == NULL) {
            return waits->threads[i];
        }
    }
    return NULL;
}

// One thread more, or NULL. The lock is held.
static struct wr_host_wait *waits_add(struct wr_host_waits *waits)
{
    if (waits->count == WR_HOST_WAITS_MOST) {
        return NULL;
    }
    struct wr_host_wait *wait = wr_alloc(sizeof(*wait));
    wait->waits               = waits;
    pthread_cond_init(&wait->has_work, NULL);
    if (wr_thread_start(&wait->thread, wait_main, wait, "weir/wait") != 0) {
        pthread_cond_destroy(&wait->has_work);
        wr_free(wait);
        return NULL;
    }
    waits->threads[waits->count++] = wait;
    return wait;
}

int wr_host_waits_submit(struct wr_host_waits *waits, struct wr_request *request)
{
    pthread_mutex_lock(&waits->lock);
    WR_ASSERT(!waits->is_closing);
    struct wr_host_wait *wait = waits_idle(waits);
    wait                      = wait != NULL ? wait : waits_add(waits);
    if (wait != NULL) {
        wait->request = request;
        wait->turn++;
        wait->is_cancelled = false;
        pthread_cond_signal(&wait->has_work);
    }
    pthread_mutex_unlock(&waits->lock);
    return wait != NULL ? 0 : -EAGAIN;
}

// Whether the thread is still busy with this turn; if so, it is told to give it up.
static bool wait_nudge(struct wr_host_wait *wait, uint64_t turn)
{
    pthread_mutex_lock(&wait->waits->lock);
    const bool is_busy = wait->request != NULL && wait->turn == turn;
    if (is_busy) {
        wait->is_cancelled = true;
        wr_host_wake_word(NULL, wait->request->buffer);
    }
    pthread_mutex_unlock(&wait->waits->lock);
    return is_busy;
}

static void wait_cancel(struct wr_host_wait *wait, uint64_t turn)
{
    const struct timespec a_moment = { 0, 20000 };
    while (wait_nudge(wait, turn)) {
        nanosleep(&a_moment, NULL);
    }
}

void wr_host_waits_cancel(struct wr_host_waits *waits, const struct wr_request *request)
{
    struct wr_host_wait *holder = NULL;
    uint64_t             turn   = 0;
    pthread_mutex_lock(&waits->lock);
    for (uint32_t i = 0; i < waits->count && holder == NULL; i++) {
        holder = waits->threads[i]->request == request ? waits->threads[i] : NULL;
        turn   = holder != NULL ? holder->turn : 0;
    }
    pthread_mutex_unlock(&waits->lock);
    if (holder != NULL) {
        wait_cancel(holder, turn);
    }
}

// ---- init and fini ----

void wr_host_waits_init(struct wr_host_waits *waits,
                        void (*complete)(struct wr_request *request, int64_t result))
{
    *waits = (struct wr_host_waits){ .complete = complete };
    pthread_mutex_init(&waits->lock, NULL);
}

void wr_host_waits_fini(struct wr_host_waits *waits)
{
    pthread_mutex_lock(&waits->lock);
    waits->is_closing = true;
    for (uint32_t i = 0; i < waits->count; i++) {
        pthread_cond_signal(&waits->threads[i]->has_work);
    }
    pthread_mutex_unlock(&waits->lock);

    for (uint32_t i = 0; i < waits->count; i++) {
        struct wr_host_wait *wait = waits->threads[i];
        pthread_mutex_lock(&waits->lock);
        const uint64_t turn = wait->turn;
        pthread_mutex_unlock(&waits->lock);
        wait_cancel(wait, turn);
        pthread_join(wait->thread, NULL);
        pthread_cond_destroy(&wait->has_work);
        wr_free(wait);
    }
    pthread_mutex_destroy(&waits->lock);
}
