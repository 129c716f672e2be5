// The simulated environment: a virtual clock, a seeded random and a disk in memory, all on one
// thread. Two runs with one seed and the same calls do the same.
//
//   requests   act when they complete, in the order of a due time drawn when they are submitted
//   waits      end at their time, or when a look at their word finds it changed: there is one at
//   each
//              advance and at each wake
//   reads      may be short, as the contract allows
//
// Random numbers come in two sequences, so that another request more does not change the seeds that
// the program draws.
#include "runtime/base/atomic.h"
#include "runtime/base/simulated.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define START_NOW_US  WEIR_SECONDS(1)          // not 0, which is too often a mark
#define START_WALL_US (1767225600 * 1000000LL) // 2026-01-01T00:00:00Z, at START_NOW_US

enum request_state { REQUEST_UNUSED = 0, REQUEST_UNDER_WAY = 1, REQUEST_DONE = 2 };

// ---- clock and chance ----

static int64_t simulated_now_us(struct wr_environment *self)
{
    return wr_simulated_of(self)->now_us;
}

static int64_t simulated_wall_us(struct wr_environment *self)
{
    return START_WALL_US + wr_simulated_of(self)->now_us - START_NOW_US;
}

static uint64_t simulated_random(struct wr_environment *self)
{
    return wr_draw(&wr_simulated_of(self)->program_random);
}

// A number below `limit`.
static uint64_t chance_below(struct wr_simulated *self, uint64_t limit)
{
    return wr_draw(&self->chance_random) % limit;
}

// Microseconds that a request takes: mostly some, sometimes many.
static int64_t chance_delay_us(struct wr_simulated *self)
{
    const uint64_t longest = chance_below(self, 16) == 0 ? 20000 : 200;
    return (int64_t)(1 + chance_below(self, longest));
}

size_t wr_simulated_read_bytes(struct wr_simulated *self, size_t bytes)
{
    const bool is_short = chance_below(self, 4) == 0;
    return is_short && bytes > 1 ? 1 + (size_t)chance_below(self, bytes) : bytes;
}

// ---- requests ----

// When a wait ends by itself; INT64_MAX: never.
static int64_t wait_end_us(const struct wr_simulated *self, const struct wr_request *request)
{
    const uint64_t left = (uint64_t)(WEIR_TIME_MAX - self->now_us);
    return request->bytes < left ? self->now_us + (int64_t)request->bytes : INT64_MAX;
}

static void simulated_submit(struct wr_environment *environment, struct wr_request *request)
{
    struct wr_simulated *self = wr_simulated_of(environment);
    WR_ASSERT(!self->is_closing && request->state != REQUEST_UNDER_WAY);
    if (self->pending_count == self->pending_capacity) {
        self->pending_capacity = self->pending_capacity * 2 + 8;
        self->pending =
            wr_realloc(self->pending, self->pending_capacity * sizeof(struct wr_simulated_pending));
    }
    request->state        = REQUEST_UNDER_WAY;
    const bool    is_wait = request->verb == WR_REQUEST_WAIT;
    const int64_t due = is_wait ? wait_end_us(self, request) : self->now_us + chance_delay_us(self);
    const uint64_t lot                   = wr_draw(&self->chance_random);
    self->pending[self->pending_count++] = (struct wr_simulated_pending){ request, due, lot };
}

static bool simulated_is_done(WEIR_UNUSED struct wr_environment *self, struct wr_request *request)
{
    return request->state == REQUEST_DONE;
}

static int64_t request_run(struct wr_environment *environment, const struct wr_request *request)
{
    switch (request->verb) {
    case WR_REQUEST_READ:
        return wr_simulated_read_at(environment, request->file, request->buffer, request->bytes,
                                    request->offset);
    case WR_REQUEST_WRITE:
        return wr_simulated_write_at(environment, request->file, request->buffer, request->bytes,
                                     request->offset);
    case WR_REQUEST_SYNC: return wr_simulated_sync(environment, request->file);
    case WR_REQUEST_WAIT: return wr_simulated_status(wr_simulated_of(environment));
    }
    return -EINVAL;
}

static bool wait_is_over(const struct wr_simulated *self, const struct wr_request *request)
{
    return request->verb == WR_REQUEST_WAIT &&
           (self->has_stopped || wr_load_word(request->buffer) != (uint32_t)request->offset);
}

// When it completes, as things stand.
static int64_t pending_due_us(const struct wr_simulated         *self,
                              const struct wr_simulated_pending *pending)
{
    return wait_is_over(self, pending->request) && pending->due_us > self->now_us ? self->now_us
                                                                                  : pending->due_us;
}

static bool pending_is_before(const struct wr_simulated *self, const struct wr_simulated_pending *a,
                              const struct wr_simulated_pending *b)
{
    const int64_t a_us = pending_due_us(self, a), b_us = pending_due_us(self, b);
    return a_us != b_us ? a_us < b_us : a->lot < b->lot;
}

// The next that will complete, or NULL.
static struct wr_simulated_pending *pending_first(struct wr_simulated *self)
{
    struct wr_simulated_pending *first = NULL;
    for (uint32_t i = 0; i < self->pending_count; i++) {
        if (first == NULL || pending_is_before(self, &self->pending[i], first)) {
            first = &self->pending[i];
        }
    }
    return first;
}

// Completes it with this result; what is in its place then is another.
static void pending_end(struct wr_simulated *self, struct wr_simulated_pending *pending,
                        int64_t result)
{
    struct wr_request *request = pending->request;
    *pending                   = self->pending[--self->pending_count];
    request->result            = result;
    request->state             = REQUEST_DONE;
    if (request->wake != NULL) {
        request->wake(request->waker);
    }
}

static void pending_complete(struct wr_simulated *self, struct wr_simulated_pending *pending)
{
    pending_end(self, pending, request_run(&self->base, pending->request));
}

// The wait that is over and is for this word, or NULL.
static struct wr_simulated_pending *pending_changed(struct wr_simulated *self, const uint32_t *word)
{
    for (uint32_t i = 0; i < self->pending_count; i++) {
        const struct wr_request *request = self->pending[i].request;
        if (wait_is_over(self, request) && request->buffer == word) {
            return &self->pending[i];
        }
    }
    return NULL;
}

void wr_simulated_look(struct wr_simulated *self, const uint32_t *word)
{
    struct wr_simulated_pending *changed;
    while ((changed = pending_changed(self, word)) != NULL) {
        pending_complete(self, changed);
    }
}

void wr_simulated_abandon(struct wr_simulated *self)
{
    for (uint32_t left = self->pending_count; left > 0 && self->pending_count > 0; left--) {
        pending_end(self, pending_first(self), -ENODEV);
    }
}

static void simulated_cancel(struct wr_environment *environment, struct wr_request *request)
{
    struct wr_simulated *self = wr_simulated_of(environment);
    WR_ASSERT(request->verb == WR_REQUEST_WAIT);
    for (uint32_t i = 0; i < self->pending_count; i++) {
        if (self->pending[i].request == request) {
            pending_end(self, &self->pending[i], -ECANCELED);
            return;
        }
    }
}

// Where the clock goes: to what is due by `until_us`, else to `until_us`, but never to the end of
// time.
static int64_t advance_target(const struct wr_simulated *self, bool has_due, int64_t due_us,
                              int64_t until_us)
{
    const bool    is_for_ever = !has_due && until_us >= WEIR_TIME_MAX;
    const int64_t target      = has_due ? due_us : until_us;
    return is_for_ever || target < self->now_us ? self->now_us : target;
}

bool wr_simulation_advance(struct wr_environment *environment, int64_t until_us)
{
    struct wr_simulated         *self = wr_simulated_of(environment);
    struct wr_simulated_pending *next = pending_first(self);
    const int64_t                due  = next != NULL ? pending_due_us(self, next) : INT64_MAX;
    const bool has_due = due != INT64_MAX && (due <= until_us || due <= self->now_us);
    self->now_us       = advance_target(self, has_due, due, until_us);
    while (has_due && next != NULL && pending_due_us(self, next) <= self->now_us) {
        pending_complete(self, next);
        next = pending_first(self);
    }
    return has_due;
}

void wr_simulation_spend(struct wr_environment *environment, int64_t span_us)
{
    WR_ASSERT(span_us >= 0);
    wr_simulated_of(environment)->now_us += span_us;
}

uint32_t wr_simulation_pending(const struct wr_environment *environment)
{
    return ((const struct wr_simulated *)environment)->pending_count;
}

int64_t wr_simulation_due(struct wr_environment *environment)
{
    const struct wr_simulated *self   = wr_simulated_of(environment);
    int64_t                    due_us = INT64_MAX;
    for (uint32_t i = 0; i < self->pending_count; i++) {
        const struct wr_simulated_pending *pending = &self->pending[i];
        if (pending->request->verb != WR_REQUEST_WAIT && pending->due_us < due_us) {
            due_us = pending->due_us;
        }
    }
    return due_us;
}

// ---- opening and closing ----

static void waits_cancel(struct wr_simulated *self)
{
    for (uint32_t i = 0; i < self->pending_count;) {
        if (self->pending[i].request->verb == WR_REQUEST_WAIT) {
            pending_end(self, &self->pending[i], -ECANCELED);
        } else {
            i++;
        }
    }
}

static void simulated_fini(struct wr_environment *environment)
{
    struct wr_simulated *self = wr_simulated_of(environment);
    self->is_closing          = true;
    waits_cancel(self);
    while (wr_simulation_advance(environment, WEIR_TIME_MAX)) {
    }
    WR_ASSERT(self->pending_count == 0);
    for (uint32_t i = 0; i < self->handle_count; i++) {
        if (self->handles[i].is_open) {
            wr_simulated_close(environment, (int)i);
        }
    }
    wr_simulated_unmap(self);
    wr_disk_fini(&self->disk);
    wr_environment_close(self->host);
    wr_free(self->handles);
    wr_free(self->pending);
    wr_free(self->faults);
    wr_free(self->disk_faults);
    wr_free(self->directory);
    wr_free(self);
}

static const struct wr_environment_ops simulated_ops = {
    .now_us         = simulated_now_us,
    .wall_us        = simulated_wall_us,
    .random         = simulated_random,
    .open           = wr_simulated_open,
    .close          = wr_simulated_close,
    .info           = wr_simulated_info,
    .read_at        = wr_simulated_read_at,
    .read_now       = wr_simulated_read_now,
    .read_ahead     = wr_simulated_read_ahead,
    .write_at       = wr_simulated_write_at,
    .sync           = wr_simulated_sync,
    .sync_data      = wr_simulated_sync,
    .sync_directory = wr_simulated_sync_directory,
    .truncate       = wr_simulated_truncate,
    .preallocate    = wr_simulated_preallocate,
    .rename         = wr_simulated_rename,
    .rename_new     = wr_simulated_rename_new,
    .unlink         = wr_simulated_unlink,
    .make_directory = wr_simulated_make_directory,
    .list           = wr_simulated_list,
    .lock           = wr_simulated_lock,
    .share          = wr_simulated_share,
    .unshare        = wr_simulated_unshare,
    .wait_word      = wr_simulated_wait_word,
    .wake_word      = wr_simulated_wake_word,
    .boot           = wr_simulated_boot,
    .process        = wr_simulated_process,
    .is_ending      = wr_simulated_is_ending,
    .submit         = simulated_submit,
    .cancel         = simulated_cancel,
    .is_done        = simulated_is_done,
    .fini           = simulated_fini,
};

struct wr_simulated *wr_simulated_of(struct wr_environment *environment)
{
    WR_ASSERT(environment->ops == &simulated_ops);
    return (struct wr_simulated *)environment;
}

// The directory of the process, where relative paths start on the host too.
static char *process_directory(void)
{
    char *found     = getcwd(NULL, 0);
    char *directory = wr_disk_path("/", found != NULL ? found : "/");
    free(found);
    return directory;
}

struct wr_environment *wr_environment_open_simulated(uint64_t seed, bool reads_host)
{
    struct wr_simulated *self = wr_alloc(sizeof(*self));
    self->base.ops            = &simulated_ops;
    self->base.is_simulated   = true;
    self->host                = wr_environment_open_real();
    self->reads_host          = reads_host;
    self->directory           = process_directory();
    self->now_us              = START_NOW_US;
    self->seed                = seed;
    self->program_random      = wr_mix64(seed, 1);
    self->chance_random       = wr_mix64(seed, 2);
    wr_disk_init(&self->disk);
    if (wr_disk_find(&self->disk, self->directory) == NULL) {
        wr_disk_put_kept(&self->disk, self->directory, WR_DISK_DIRECTORY, NULL);
    }
    return &self->base;
}
