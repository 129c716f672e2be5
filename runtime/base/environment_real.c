// The real environment: the machine's clocks, random and files, and the threads that wait for them.
//
//   submit ---> disk queue   ---> weir/io0, weir/io1   offsets; a call that ends by itself
//          \--> stream queue ---> weir/stream          offset -1; poll, then one piece at a time
//          \--> waits        ---> weir/wait            a thread for each; host_waits.h
//
// A read of an idle pipe or terminal may never end. So streams are polled, all by one thread, which
// never waits inside a read or a write: it starves nobody, and an event ends its wait when the
// environment closes. Requests on one stream are served in the order of their submission; others in
// any order.
//
// Who writes what: `lock` guards the queues and is_closing. A request belongs to its caller until
// submit and after wr_request_is_done, and to one of the threads in between; `state` hands it over.
#include "runtime/base/host_files.h"
#include "runtime/base/host_shared.h"
#include "runtime/base/host_waits.h"
#include "runtime/base/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define DISK_THREADS 2

enum request_state { REQUEST_UNUSED = 0, REQUEST_UNDER_WAY = 1, REQUEST_DONE = 2 };

struct request_queue {
    struct wr_request *first;
    struct wr_request *last;
};

struct real_environment {
    struct wr_environment base;
    pthread_mutex_t       lock;
    pthread_cond_t        disk_has_work; // a request queued, or closing
    struct request_queue  disk_queue;
    struct request_queue  stream_queue; // submitted, and not yet seen by the stream thread
    bool                  is_closing;

    pthread_t disk_threads[DISK_THREADS];
    uint32_t  disk_thread_count;
    pthread_t stream_thread;
    bool      has_stream_thread;
    int       stream_event; // an eventfd: a request queued, or closing

    struct wr_host_waits waits;
};

static struct real_environment *real_of(struct wr_environment *self)
{
    return (struct real_environment *)self;
}

// ---- clocks and random ----

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    const int       result = clock_gettime(clock, &now);
    WR_ASSERT(result == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t real_now_us(WEIR_UNUSED struct wr_environment *self)
{
    return clock_us(CLOCK_MONOTONIC);
}

static int64_t real_wall_us(WEIR_UNUSED struct wr_environment *self)
{
    return clock_us(CLOCK_REALTIME);
}

static uint64_t real_random(WEIR_UNUSED struct wr_environment *self)
{
    uint64_t value;
    ssize_t  got;
    do {
        got = getrandom(&value, sizeof(value), 0);
    } while (got < 0 && errno == EINTR);
    WR_ASSERT(got == (ssize_t)sizeof(value));
    return value;
}

// ---- requests ----

static void queue_put(struct request_queue *queue, struct wr_request *request)
{
    request->next = NULL;
    if (queue->first == NULL) {
        queue->first = request;
    } else {
        queue->last->next = request;
    }
    queue->last = request;
}

static struct wr_request *queue_take(struct request_queue *queue)
{
    struct wr_request *request = queue->first;
    if (request != NULL) {
        queue->first = request->next;
    }
    return request;
}

// The header keeps the state a plain int, so that others can include it.
_Static_assert(sizeof(atomic_int) == sizeof(int) && ATOMIC_INT_LOCK_FREE == 2,
               "an int can be used as an atomic in place");

static atomic_int *request_state(struct wr_request *request)
{
    return (atomic_int *)&request->state;
}

static void request_complete(struct wr_request *request, int64_t result)
{
    // Once done, the request is its caller's, who may use it again or free it: read all of it
    // before.
    void (*wake)(void *) = request->wake;
    void *waker          = request->waker;
    request->result      = result;
    // Pairs with the acquire in real_is_done: who sees done also sees the result and the buffer.
    atomic_store_explicit(request_state(request), REQUEST_DONE, memory_order_release);
    if (wake != NULL) {
        wake(waker);
    }
}

static bool real_is_done(WEIR_UNUSED struct wr_environment *self, struct wr_request *request)
{
    // Pairs with the release in request_complete.
    return atomic_load_explicit(request_state(request), memory_order_acquire) == REQUEST_DONE;
}

// ---- disk threads ----

static int64_t request_run(const struct wr_request *request)
{
    switch (request->verb) {
    case WR_REQUEST_READ:
        return wr_host_read_at(NULL, request->file, request->buffer, request->bytes,
                               request->offset);
    case WR_REQUEST_WRITE:
        return wr_host_write_at(NULL, request->file, request->buffer, request->bytes,
                                request->offset);
    case WR_REQUEST_SYNC: return wr_host_sync_data(NULL, request->file);
    case WR_REQUEST_WAIT: break; // on a thread of its own
    }
    return -EINVAL;
}

// The next request for a disk thread; waits for one. NULL: none is left and the environment closes.
static struct wr_request *disk_wait(struct real_environment *self)
{
    pthread_mutex_lock(&self->lock);
    while (self->disk_queue.first == NULL && !self->is_closing) {
        pthread_cond_wait(&self->disk_has_work, &self->lock);
    }
    struct wr_request *request = queue_take(&self->disk_queue);
    pthread_mutex_unlock(&self->lock);
    return request;
}

static void *disk_main(void *opaque)
{
    struct real_environment *self = opaque;
    struct wr_request       *request;
    while ((request = disk_wait(self)) != NULL) {
        request_complete(request, request_run(request));
    }
    return NULL;
}

// ---- the stream thread ----

struct streams {
    struct request_queue waiting; // in the order of submission
    struct pollfd       *polls;   // the event's, then one a waiting request
    uint32_t             poll_count;
    uint32_t             poll_capacity;
};

// Moves what was submitted to `streams`; true if the environment closes.
static bool streams_take_submitted(struct real_environment *self, struct streams *streams)
{
    // Clear the event before looking, so that what is submitted after the look sets it again.
    uint64_t      count;
    const ssize_t got = read(self->stream_event, &count, sizeof(count));
    WR_ASSERT(got == (ssize_t)sizeof(count) || errno == EAGAIN);

    pthread_mutex_lock(&self->lock);
    struct wr_request *request;
    while ((request = queue_take(&self->stream_queue)) != NULL) {
        queue_put(&streams->waiting, request);
    }
    const bool is_closing = self->is_closing;
    pthread_mutex_unlock(&self->lock);
    return is_closing;
}

// Whether an earlier request has the same file and verb: its turn is first.
static bool stream_has_turn(const struct streams *streams, const struct wr_request *request)
{
    const struct wr_request *other = streams->waiting.first;
    while (other != request && (other->file != request->file || other->verb != request->verb)) {
        other = other->next;
    }
    return other == request;
}

static void streams_add_poll(struct streams *streams, int file, short events)
{
    if (streams->poll_count == streams->poll_capacity) {
        streams->poll_capacity = streams->poll_capacity * 2 + 8;
        streams->polls = wr_realloc(streams->polls, streams->poll_capacity * sizeof(struct pollfd));
    }
    streams->polls[streams->poll_count++] = (struct pollfd){ .fd = file, .events = events };
}

// Fills `polls`. One whose turn has not come gets a negative descriptor, which poll passes over.
static void streams_fill_polls(struct streams *streams, int event)
{
    streams->poll_count = 0;
    streams_add_poll(streams, event, POLLIN);
    for (struct wr_request *r = streams->waiting.first; r != NULL; r = r->next) {
        streams_add_poll(streams, stream_has_turn(streams, r) ? r->file : -1,
                         r->verb == WR_REQUEST_READ ? POLLIN : POLLOUT);
    }
}

// Moves a ready request on by one piece; true, with the result to complete it with, if that was the
// last. A write keeps its progress in request->result.
static bool stream_advance(struct wr_request *request, int64_t *result)
{
    if (request->verb == WR_REQUEST_READ) {
        *result = wr_host_stream_read(request->file, request->buffer, request->bytes);
        return *result != -EAGAIN;
    }
    *result = wr_host_stream_write(request->file, (char *)request->buffer + request->result,
                                   request->bytes - (size_t)request->result);
    if (*result >= 0) {
        request->result += *result;
        *result = request->result;
        return (size_t)request->result == request->bytes;
    }
    return *result != -EAGAIN;
}

// Advances each request whose poll is ready. With `is_cancelled`, completes each instead.
static void streams_advance(struct streams *streams, bool is_cancelled)
{
    struct request_queue waiting = streams->waiting;
    streams->waiting             = (struct request_queue){ NULL, NULL };
    struct wr_request *request;
    for (uint32_t i = 1; (request = queue_take(&waiting)) != NULL; i++) {
        WR_ASSERT(i < streams->poll_count);
        int64_t result = -ECANCELED;
        if (is_cancelled || (streams->polls[i].revents != 0 && stream_advance(request, &result))) {
            request_complete(request, result);
        } else {
            queue_put(&streams->waiting, request);
        }
    }
}

// Ends when the environment closes and no stream moves any more.
static void *stream_main(void *opaque)
{
    struct real_environment *self    = opaque;
    struct streams           streams = { .polls = NULL };
    for (bool is_over = false; !is_over;) {
        const bool is_closing = streams_take_submitted(self, &streams);
        streams_fill_polls(&streams, self->stream_event);
        const int ready = poll(streams.polls, streams.poll_count, is_closing ? 0 : -1);
        WR_ASSERT(ready >= 0 || errno == EINTR);
        is_over = is_closing && ready == 0;
        if (ready >= 0) {
            streams_advance(&streams, is_over);
        }
    }
    wr_free(streams.polls);
    return NULL;
}

// ---- starting and submitting ----

// One disk thread is enough to go on with.
static int disk_threads_start(struct real_environment *self)
{
    static const char *const names[DISK_THREADS] = { "weir/io0", "weir/io1" };
    while (self->disk_thread_count < DISK_THREADS) {
        const uint32_t i     = self->disk_thread_count;
        const int      error = wr_thread_start(&self->disk_threads[i], disk_main, self, names[i]);
        if (error != 0) {
            return i > 0 ? 0 : error;
        }
        self->disk_thread_count++;
    }
    return 0;
}

static int stream_thread_start(struct real_environment *self)
{
    if (self->has_stream_thread) {
        return 0;
    }
    if (self->stream_event < 0) {
        self->stream_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (self->stream_event < 0) {
        return errno;
    }
    const int error = wr_thread_start(&self->stream_thread, stream_main, self, "weir/stream");
    self->has_stream_thread = error == 0;
    return error;
}

static void stream_thread_wake(const struct real_environment *self)
{
    const uint64_t one = 1;
    const ssize_t  put = write(self->stream_event, &one, sizeof(one));
    WR_ASSERT(put == (ssize_t)sizeof(one) || errno == EAGAIN);
}

// A request that some thread reads, writes or syncs for. 0 or an errno: no thread runs.
static int file_request_submit(struct real_environment *self, struct wr_request *request)
{
    const bool is_stream = request->offset == -1 && request->verb != WR_REQUEST_SYNC;
    pthread_mutex_lock(&self->lock);
    WR_ASSERT(!self->is_closing);
    const int error = is_stream ? stream_thread_start(self) : disk_threads_start(self);
    if (error == 0) {
        queue_put(is_stream ? &self->stream_queue : &self->disk_queue, request);
        pthread_cond_signal(&self->disk_has_work);
    }
    pthread_mutex_unlock(&self->lock);
    if (error == 0 && is_stream) {
        stream_thread_wake(self);
    }
    return error;
}

static void real_submit(struct wr_environment *environment, struct wr_request *request)
{
    struct real_environment *self = real_of(environment);
    WR_ASSERT(request->state != REQUEST_UNDER_WAY);
    WR_ASSERT(request->verb <= WR_REQUEST_WAIT);
    request->state  = REQUEST_UNDER_WAY; // only the caller looks until a thread takes it
    request->result = 0;
    const int error = request->verb == WR_REQUEST_WAIT
                          ? -wr_host_waits_submit(&self->waits, request)
                          : file_request_submit(self, request);
    if (error != 0) {
        request_complete(request, -error); // no thread: the caller's own completes it
    }
}

static void real_cancel(struct wr_environment *environment, struct wr_request *request)
{
    WR_ASSERT(request->verb == WR_REQUEST_WAIT);
    wr_host_waits_cancel(&real_of(environment)->waits, request);
}

// ---- opening and closing ----

static void real_fini(struct wr_environment *environment)
{
    struct real_environment *self = real_of(environment);
    pthread_mutex_lock(&self->lock);
    self->is_closing = true;
    pthread_cond_broadcast(&self->disk_has_work);
    pthread_mutex_unlock(&self->lock);

    wr_host_waits_fini(&self->waits);
    for (uint32_t i = 0; i < self->disk_thread_count; i++) {
        pthread_join(self->disk_threads[i], NULL);
    }
    if (self->has_stream_thread) {
        stream_thread_wake(self);
        pthread_join(self->stream_thread, NULL);
    }
    if (self->stream_event >= 0) {
        close(self->stream_event);
    }
    WR_ASSERT(self->disk_queue.first == NULL && self->stream_queue.first == NULL);
    pthread_cond_destroy(&self->disk_has_work);
    pthread_mutex_destroy(&self->lock);
    wr_free(self);
}

static const struct wr_environment_ops real_ops = {
    .now_us         = real_now_us,
    .wall_us        = real_wall_us,
    .random         = real_random,
    .open           = wr_host_open,
    .close          = wr_host_close,
    .info           = wr_host_info,
    .read_at        = wr_host_read_at,
    .read_now       = wr_host_read_now,
    .read_ahead     = wr_host_read_ahead,
    .write_at       = wr_host_write_at,
    .sync           = wr_host_sync,
    .sync_data      = wr_host_sync_data,
    .sync_directory = wr_host_sync_directory,
    .truncate       = wr_host_truncate,
    .preallocate    = wr_host_preallocate,
    .rename         = wr_host_rename,
    .rename_new     = wr_host_rename_new,
    .unlink         = wr_host_unlink,
    .make_directory = wr_host_make_directory,
    .list           = wr_host_list,
    .lock           = wr_host_lock,
    .share          = wr_host_share,
    .unshare        = wr_host_unshare,
    .wait_word      = wr_host_wait_word,
    .wake_word      = wr_host_wake_word,
    .boot           = wr_host_boot,
    .process        = wr_host_process,
    .is_ending      = wr_host_is_ending,
    .submit         = real_submit,
    .cancel         = real_cancel,
    .is_done        = real_is_done,
    .fini           = real_fini,
};

struct wr_environment *wr_environment_open_real(void)
{
    struct real_environment *self = wr_alloc(sizeof(*self));
    self->base.ops                = &real_ops;
    self->stream_event            = -1;
    wr_host_waits_init(&self->waits, request_complete);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->disk_has_work, NULL);
    return &self->base;
}
