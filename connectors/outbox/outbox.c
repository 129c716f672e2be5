// outbox: the thread around a publisher, and what others ask of it.
//
//   any thread --flush, wait, count--> state under `lock`  <--after each step-- thread -->
//   publisher
//
// Between steps that find nothing the thread waits: for the log's word that there is news, for what
// others ask, or until the publisher's own time.
//
// Thread rule: the publisher belongs to the thread while that runs; the rest is guarded by `lock`.
#include "connectors/outbox/publisher.h"

#include "log/catalog.h"
#include "log/live.h"
#include "log/pending.h"
#include "runtime/base/thread.h"

#include <string.h>

// Without the memory of a log's writer nobody tells that there is news.
#define LOOK_AGAIN_US 100000

struct weir_outbox {
    struct wr_environment *environment;
    struct wr_publisher    publisher;
    struct wr_pending      news; // the thread's: the wait for the log's word

    pthread_mutex_t      lock;
    pthread_cond_t       changes; // for the thread, and for who waits for it
    pthread_t            thread;
    bool                 has_thread, is_stopping, has_news, has_ended;
    uint64_t             flush_asked, flush_done;
    weir_outbox_counters counters;
    struct wr_error      error; // as the publisher's, after its last step
    char                *told;  // what weir_outbox_error gave out
};

// ---- the thread ----

static void wake(void *opaque)
{
    struct weir_outbox *outbox = opaque;
    (void)pthread_mutex_lock(&outbox->lock);
    outbox->has_news = true;
    (void)pthread_cond_broadcast(&outbox->changes);
    (void)pthread_mutex_unlock(&outbox->lock);
}

// The memory of the log's writer; NULL: there is none, as far as is known.
static struct wr_live *live_of(struct weir_outbox *outbox)
{
    struct wr_topic *topic = outbox->publisher.topic;
    struct wr_live  *live  = topic != NULL ? wr_topic_live(topic) : NULL;
    return live != NULL && wr_live_is_current(live) ? live : NULL;
}

// Is told when the word is no longer `seen`, as long as that wait is under way. False: nobody
// tells.
static bool listen(struct weir_outbox *outbox, struct wr_live *live, uint32_t seen)
{
    struct wr_pending *news = &outbox->news;
    if (news->is_under_way && !wr_pending_is_settled(news)) {
        return true;
    }
    const bool was_refused = news->is_under_way && news->request.result < 0;
    news->is_under_way     = false;
    if (live == NULL || was_refused) {
        return false;
    }
    news->request = (struct wr_request){
        .verb   = WR_REQUEST_WAIT,
        .buffer = (void *)(uintptr_t)wr_live_word(live), // read only
        .offset = seen,
        .bytes  = WEIR_SECONDS(10),
    };
    wr_pending_submit(news, wake, outbox);
    return true;
}

static void deafen(struct weir_outbox *outbox)
{
    if (outbox->news.is_under_way) {
        wr_cancel(outbox->environment, &outbox->news.request);
        wr_pending_wait(&outbox->news);
    }
}

static void copy_error(struct wr_error *to, const struct wr_error *from)
{
    if (from->status == WEIR_OK) {
        wr_error_fini(to);
    } else if (to->status == WEIR_OK || strcmp(to->sentence, from->sentence) != 0) {
        (void)wr_error_set(to, from->status, "%s", from->sentence);
    }
}

// What others see of the step. True: go on with the next one.
static bool take_note(struct weir_outbox *outbox, enum wr_publisher_step step, uint64_t flush)
{
    const struct wr_publisher *publisher = &outbox->publisher;
    outbox->counters                     = publisher->counters;
    copy_error(&outbox->error, &publisher->error);
    if (step == WR_PUBLISHER_IDLE) {
        outbox->flush_done = flush;
    }
    outbox->has_ended = step == WR_PUBLISHER_HAS_ENDED;
    if (step != WR_PUBLISHER_MOVED) {
        (void)pthread_cond_broadcast(&outbox->changes);
    }
    return step == WR_PUBLISHER_MOVED;
}

static void *outbox_main(void *opaque)
{
    struct weir_outbox *outbox = opaque;
    (void)pthread_mutex_lock(&outbox->lock);
    while (!outbox->is_stopping && !outbox->has_ended) {
        const uint64_t flush   = outbox->flush_asked;
        const bool     hurries = flush > outbox->flush_done;
        outbox->has_news       = false;
        (void)pthread_mutex_unlock(&outbox->lock);
        struct wr_live *live = live_of(outbox);
        const uint32_t  seen = live != NULL ? wr_live_word_now(live) : 0; // before the step looks
        const enum wr_publisher_step step  = wr_publisher_step(&outbox->publisher, hurries);
        bool                         hears = false;
        if (step == WR_PUBLISHER_IDLE || step == WR_PUBLISHER_WAITS) {
            hears = listen(outbox, live, seen);
        }
        (void)pthread_mutex_lock(&outbox->lock);
        if (take_note(outbox, step, flush)) {
            continue;
        }
        int64_t until_us = outbox->publisher.wake_at_us;
        if (!hears) {
            const int64_t look_us = wr_now_us(outbox->environment) + LOOK_AGAIN_US;
            until_us              = look_us < until_us ? look_us : until_us;
        }
        while (!outbox->is_stopping && !outbox->has_ended && !outbox->has_news &&
               outbox->flush_asked == flush &&
               wr_condition_wait_until(&outbox->changes, &outbox->lock, until_us)) {
        }
    }
    (void)pthread_mutex_unlock(&outbox->lock);
    deafen(outbox);
    return NULL;
}

// ---- for users ----

weir_status weir_outbox_open(const char *directory, const char *topic,
                             const weir_outbox_target *target, const weir_outbox_options *options,
                             weir_outbox **outbox)
{
    struct weir_outbox *opened = wr_alloc(sizeof(*opened));
    *outbox                    = opened;
    (void)pthread_mutex_init(&opened->lock, NULL);
    wr_condition_init(&opened->changes);
    if (directory == NULL || topic == NULL || target == NULL) {
        return wr_error_set(&opened->error, WEIR_USAGE,
                            "an outbox has the directory of a log, a topic and a target; one of "
                            "them is NULL");
    }
    opened->environment = wr_environment_open_real();
    wr_pending_init(&opened->news, opened->environment);
    wr_publisher_init(&opened->publisher, opened->environment, directory, topic, target, options);
    const int error    = wr_thread_start(&opened->thread, outbox_main, opened, "weir/outbox");
    opened->has_thread = error == 0;
    return error == 0 ? WEIR_OK
                      : wr_error_set(&opened->error, WEIR_NO_MEMORY,
                                     "outbox of topic %s: cannot start a thread: %s", topic,
                                     strerror(error));
}

weir_status weir_outbox_close(weir_outbox *outbox)
{
    if (outbox == NULL) {
        return WEIR_OK;
    }
    if (outbox->has_thread) {
        (void)pthread_mutex_lock(&outbox->lock);
        outbox->is_stopping = true;
        (void)pthread_cond_broadcast(&outbox->changes);
        (void)pthread_mutex_unlock(&outbox->lock);
        (void)pthread_join(outbox->thread, NULL);
    }
    const weir_status status = outbox->has_ended ? outbox->error.status : WEIR_OK;
    if (outbox->environment != NULL) {
        wr_publisher_fini(&outbox->publisher);
        wr_pending_fini(&outbox->news);
        wr_environment_close(outbox->environment);
    }
    wr_error_fini(&outbox->error);
    wr_free(outbox->told);
    (void)pthread_cond_destroy(&outbox->changes);
    (void)pthread_mutex_destroy(&outbox->lock);
    wr_free(outbox);
    return status;
}

// Waits, under the lock, until it ended or flush number `flush` is done.
static weir_status wait_for(struct weir_outbox *outbox, uint64_t flush, int64_t timeout_us)
{
    // One that could not be opened has no environment.
    const int64_t until_us   = timeout_us < 0 || !outbox->has_thread
                                   ? INT64_MAX
                                   : wr_now_us(outbox->environment) + timeout_us;
    bool          is_in_time = true;
    while (outbox->has_thread && !outbox->has_ended && outbox->flush_done < flush && is_in_time) {
        is_in_time = wr_condition_wait_until(&outbox->changes, &outbox->lock, until_us);
    }
    if (!outbox->has_thread || outbox->has_ended) {
        return outbox->error.status;
    }
    return outbox->flush_done < flush ? WEIR_TIMED_OUT : WEIR_OK;
}

weir_status weir_outbox_flush(weir_outbox *outbox, int64_t timeout_us)
{
    (void)pthread_mutex_lock(&outbox->lock);
    const uint64_t flush = ++outbox->flush_asked;
    (void)pthread_cond_broadcast(&outbox->changes);
    const weir_status status = wait_for(outbox, flush, timeout_us);
    (void)pthread_mutex_unlock(&outbox->lock);
    return status;
}

weir_status weir_outbox_wait(weir_outbox *outbox, int64_t timeout_us)
{
    (void)pthread_mutex_lock(&outbox->lock);
    const weir_status status = wait_for(outbox, UINT64_MAX, timeout_us);
    (void)pthread_mutex_unlock(&outbox->lock);
    return status;
}

const char *weir_outbox_error(weir_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->lock);
    wr_free(outbox->told);
    outbox->told =
        wr_copy_text(outbox->error.sentence != NULL ? outbox->error.sentence : "all is well");
    const char *told = outbox->told;
    (void)pthread_mutex_unlock(&outbox->lock);
    return told;
}

void weir_outbox_count(weir_outbox *outbox, weir_outbox_counters *counters)
{
    (void)pthread_mutex_lock(&outbox->lock);
    *counters = outbox->counters;
    (void)pthread_mutex_unlock(&outbox->lock);
}
