// A worker: a pinned thread that steps its tasks, and what it does when there is nothing to do.
//
// Idling is fed by work counts alone: after a pass without work the worker spins for a bounded
// time, then announces that it will sleep, looks at everything once more, and parks until somebody
// who has published work wakes it, or until the earliest time one of its tasks asked for.
#include "runtime/run/run.h"

#include <signal.h>
#include <stdio.h>

// Of a capture, between two passes, for each task. A segment is not packed in parts.
#define GENTLE_BYTES  ((size_t)4 << 10)
#define FULL_BYTES    ((size_t)64 << 10)
#define BEHIND_MAX_US 2000
#define ROWS_SHARE    7 // times as long as a piece took, while the capture is gentle

// ---- mailbox ----

void wr_worker_post_any(struct wr_worker *worker, enum wr_message_verb verb, uint64_t barrier)
{
    struct wr_message *message = wr_alloc(sizeof(*message));
    *message                   = (struct wr_message){ .verb = verb, .barrier = barrier };
    (void)pthread_mutex_lock(&worker->mail_lock);
    struct wr_message **end = &worker->mail;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = message;
    // Pairs with the acquire in wr_worker_serve; the lock would do, the hint saves taking it.
    __atomic_store_n(&worker->has_mail, 1, __ATOMIC_RELEASE);
    (void)pthread_mutex_unlock(&worker->mail_lock);
    wr_park_wake_any(&worker->park);
}

static void worker_serve(struct wr_worker *worker, const struct wr_message *message)
{
    for (uint32_t i = 0; i < worker->task_count; i++) {
        struct wr_task *task = worker->tasks[i];
        switch (message->verb) {
        case WR_MESSAGE_BARRIER:
            if (task->input_count == 0) {
                task->asked_barrier = message->barrier;
            }
            break;
        case WR_MESSAGE_GIVE_UP: wr_task_give_up(task, message->barrier); break;
        case WR_MESSAGE_COMPLETE: wr_task_complete(task, message->barrier); break;
        case WR_MESSAGE_WAKE: break; // a wake-up was all
        }
    }
}

uint32_t wr_worker_serve(struct wr_worker *worker)
{
    // Pairs with the release in wr_worker_post_any.
    if (__atomic_load_n(&worker->has_mail, __ATOMIC_ACQUIRE) == 0) {
        return 0;
    }
    (void)pthread_mutex_lock(&worker->mail_lock);
    struct wr_message *message = worker->mail;
    worker->mail               = NULL;
    __atomic_store_n(&worker->has_mail, 0, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&worker->mail_lock);
    uint32_t count = 0;
    while (message != NULL) {
        struct wr_message *next = message->next;
        worker_serve(worker, message);
        wr_free(message);
        message = next;
        count++;
    }
    return count;
}

// ---- steps ----

static bool is_any(const struct wr_worker *worker, bool (*is_so)(const struct wr_task *task))
{
    for (uint32_t i = 0; i < worker->task_count; i++) {
        if (is_so(worker->tasks[i])) {
            return true;
        }
    }
    return false;
}

// A capture is gentle while rows hardly wait: where they do, it takes an eighth of the time. If
// they wait for longer the worker has too little time for both, and what helps them is that it
// ends.
static bool capture_is_gentle(struct wr_worker *worker, int64_t now_us, bool is_behind)
{
    worker->caught_up_at_us = is_behind ? worker->caught_up_at_us : now_us;
    if (now_us - worker->caught_up_at_us > BEHIND_MAX_US) {
        worker->gentle_until_us = now_us;
    }
    return now_us < worker->gentle_until_us;
}

uint32_t wr_worker_capture(struct wr_worker *worker, bool is_busy)
{
    if (!is_any(worker, wr_task_is_capturing)) {
        return 0;
    }
    struct wr_environment *environment = worker->run->environment;
    const int64_t          begin_us    = wr_now_us(environment);
    const bool             is_behind   = is_busy && is_any(worker, wr_task_is_behind);
    const bool             is_gentle   = capture_is_gentle(worker, begin_us, is_behind);
    if (is_gentle && is_behind && begin_us < worker->capture_at_us) {
        return 0;
    }
    uint32_t work = 0;
    for (uint32_t i = 0; i < worker->task_count; i++) {
        work += wr_task_capture(worker->tasks[i], is_gentle ? GENTLE_BYTES : FULL_BYTES);
    }
    const int64_t end_us  = wr_now_us(environment);
    worker->capture_at_us = end_us + ROWS_SHARE * (end_us - begin_us);
    return work;
}

uint32_t wr_worker_step(struct wr_worker *worker)
{
    uint32_t work = wr_worker_serve(worker);
    for (uint32_t i = 0; i < worker->task_count; i++) {
        struct wr_task *task = worker->tasks[i];
        if (task->state == WR_TASK_DONE) {
            continue;
        }
        work += wr_task_step(task);
        wr_task_flush_aged(task);
        worker->done_count += task->state == WR_TASK_DONE;
    }
    return work + wr_worker_capture(worker, work > 0);
}

bool wr_worker_is_done(const struct wr_worker *worker)
{
    return worker->done_count == worker->task_count || wr_run_has_failed_any(worker->run);
}

// Microseconds until the earliest time a task asked for; < 0: nobody asked.
static int64_t worker_patience_us(const struct wr_worker *worker)
{
    int64_t wake_at_us = INT64_MAX;
    for (uint32_t i = 0; i < worker->task_count; i++) {
        const int64_t wish_us = wr_task_wake_at(worker->tasks[i]);
        wake_at_us            = wish_us < wake_at_us ? wish_us : wake_at_us;
    }
    if (wake_at_us == INT64_MAX) {
        return -1;
    }
    const int64_t patience_us = wake_at_us - wr_now_us(worker->run->environment);
    return patience_us > 0 ? patience_us : 0;
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// No work for a whole pass: spin while it pays, then sleep.
static void worker_idle(struct wr_worker *worker, int64_t *idle_since_us)
{
    const int64_t now_us = wr_now_us(worker->run->environment);
    if (*idle_since_us == 0) {
        *idle_since_us = now_us;
    }
    const int64_t patience_us = worker_patience_us(worker);
    if (now_us - *idle_since_us < worker->run->spin_us ||
        (patience_us >= 0 && patience_us < worker->run->spin_us)) {
        pause_briefly();
        return;
    }
    wr_park_announce(&worker->park);
    if (wr_worker_step(worker) > 0 || wr_worker_is_done(worker)) {
        wr_park_cancel(&worker->park);
        *idle_since_us = 0;
        return;
    }
    // Who wakes it has work, which ends its idleness; who was only asked to look again does not
    // spin.
    wr_park_wait(&worker->park, worker_patience_us(worker));
}

static void worker_name_thread(const struct wr_worker *worker)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "weir/w%u", worker->index % 10000);
    (void)pthread_setname_np(pthread_self(), name);
}

void *wr_worker_main(void *opaque)
{
    struct wr_worker *worker        = opaque;
    struct weir_run  *run           = worker->run;
    int64_t           idle_since_us = 0;

    worker_name_thread(worker);
    if (worker->generation->pin_any != NULL) {
        worker->generation->pin_any(worker->generation->opaque, worker->index);
    }
    while (!wr_worker_is_done(worker)) {
        if (wr_worker_step(worker) > 0) {
            idle_since_us = 0;
        } else if (!wr_worker_is_done(worker)) {
            worker_idle(worker, &idle_since_us);
        }
    }
    wr_run_end_threads_any(run, 1);
    return NULL;
}
