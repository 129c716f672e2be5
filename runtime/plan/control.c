#include "runtime/plan/control.h"

#include "runtime/base/local_socket.h"
#include "runtime/base/thread.h"
#include "runtime/plan/control_lines.h"
#include "runtime/run/coordinator.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_US  3000000 // in which a client says its line
#define PAUSE_US 1000000 // after a connection that could not be taken, as without descriptors
#define WAITING  64u     // commands that wait for their turn, at most

// A command that waits for its turn, and who gave it.
struct command {
    struct command           *next;
    int                       client;
    struct wr_control_request request; // of the line
    char                      line[WR_CONTROL_LINE_BYTES];
};

struct wr_control_socket {
    struct weir_run *run;
    char            *directory;
    int64_t          timeout_us;
    int              listening, wake; // wake: an eventfd, readable when the threads are to end
    pthread_t        reader, performer;
    int              stopper; // whoever asked for the end, and waits for it; -1: nobody

    pthread_mutex_t lock; // guards what follows
    pthread_cond_t  has_work;
    struct command *first, **last;
    uint32_t        count;
    bool            is_over;
};

static int64_t now_us(const struct wr_control_socket *control)
{
    return wr_now_us(control->run->environment);
}

// Waits until `file` (-1: none) can be read; false: not within `timeout_us` (< 0: no limit), or the
// thread is to end.
static bool control_await(const struct wr_control_socket *control, int file, int64_t timeout_us)
{
    struct pollfd wait[2] = { { .fd = control->wake, .events = POLLIN },
                              { .fd = file, .events = POLLIN } };
    // Rounded up, so that what is left of a limit is not waited for by spinning.
    const int timeout_ms = timeout_us < 0 ? -1 : (int)((timeout_us + 999) / 1000);
    return poll(wait, 2, timeout_ms) > 0 && wait[0].revents == 0 && wait[1].revents != 0;
}

static bool is_ending(const struct wr_control_socket *control)
{
    struct pollfd look = { .fd = control->wake, .events = POLLIN };
    return poll(&look, 1, 0) > 0;
}

// ---- a client ----

// What does not fit into the socket at once is of somebody who does not read.
static void client_answer(int client, char *line)
{
    (void)send(client, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
    wr_free(line);
}

// The line without its newline. False: it did not come, *error says why; WEIR_OK: nobody waits for
// an answer.
static bool client_read(const struct wr_control_socket *control, int client,
                        char line[WR_CONTROL_LINE_BYTES], struct wr_error *error)
{
    const int64_t until_us = now_us(control) + LINE_US;
    size_t        length   = 0;
    while (length < WR_CONTROL_LINE_BYTES) {
        const int64_t left_us = until_us - now_us(control);
        if (left_us <= 0 || !control_await(control, client, left_us)) {
            if (!is_ending(control)) {
                (void)wr_error_set(error, WEIR_TIMED_OUT, "no whole line came within %d s",
                                   LINE_US / 1000000);
            }
            return false;
        }
        const ssize_t got =
            recv(client, line + length, WR_CONTROL_LINE_BYTES - length, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            return false;
        }
        char *const end = got > 0 ? memchr(line + length, '\n', (size_t)got) : NULL;
        if (end != NULL) {
            *end = 0;
            return true;
        }
        length += got > 0 ? (size_t)got : 0;
    }
    (void)wr_error_set(error, WEIR_USAGE, "the command has more than %u bytes",
                       WR_CONTROL_LINE_BYTES);
    return false;
}

// ---- commands ----

// The answer of a call that says what went wrong in a string of its own.
static char *answer_of(weir_status status, char *sentence, char *done)
{
    if (status == WEIR_OK) {
        return done;
    }
    wr_free(done);
    char *const line = wr_control_error_line(status, sentence);
    free(sentence);
    return line;
}

static char *control_rescale(const struct wr_control_socket *control, uint32_t workers)
{
    char             *sentence  = NULL;
    int64_t           paused_us = 0;
    const weir_status status =
        weir_run_rescale_any(control->run, workers, control->timeout_us, &paused_us, &sentence);
    return answer_of(status, sentence, wr_control_rescaled_line(workers, paused_us));
}

static char *control_savepoint(const struct wr_control_socket *control, const char *path)
{
    char             *sentence = NULL;
    const weir_status status =
        weir_run_savepoint_any(control->run, path, control->timeout_us, &sentence);
    return answer_of(status, sentence, wr_control_done_line());
}

static char *control_status(const struct wr_control_socket *control)
{
    struct weir_run             *run = control->run;
    struct wr_checkpoint_facts   facts;
    struct wr_checkpoint_trouble trouble;
    wr_coordinator_facts_any(run->coordinator, &facts);
    wr_coordinator_trouble_any(run->coordinator, &trouble);
    const struct wr_control_status status = {
        .workers    = wr_run_now_any(run)->worker_count,
        .checkpoint = facts.id,
        .age_us     = facts.id != 0 ? now_us(control) - facts.ended_us : 0,
        .rows       = wr_run_counter_any(run, NULL, WR_ROWS_OUT) +
                wr_run_counter_any(run, NULL, WR_LATE) + wr_run_counter_any(run, NULL, WR_REJECTED),
        .watermark      = (int64_t)wr_run_counter_any(run, NULL, WR_WATERMARK),
        .is_stopping    = wr_run_is_stopping_any(run),
        .job            = run->job_name,
        .failures       = trouble.count,
        .failure_age_us = now_us(control) - trouble.at_us,
        .failure_status = trouble.why.status,
        .failure        = trouble.why.sentence,
        .failure_bytes  = trouble.count > 0 ? strlen(trouble.why.sentence) : 0,
    };
    char *const line = wr_control_status_line(&status);
    wr_error_fini(&trouble.why);
    return line;
}

// NULL: the answer comes when the run has ended.
static char *control_end(struct wr_control_socket *control, int client,
                         const struct wr_control_request *request)
{
    struct wr_error error = { .status = WEIR_OK };
    if (control->stopper >= 0) {
        return wr_control_error_line(WEIR_CONFLICT, "the job is being stopped already");
    }
    if (request->path == NULL) {
        weir_run_stop_any(control->run, request->drains);
    } else if (wr_coordinator_stop_any(control->run->coordinator, request->path, request->drains,
                                       &error) != WEIR_OK) {
        char *const line = wr_control_error_line(error.status, error.sentence);
        wr_error_fini(&error);
        return line;
    }
    control->stopper = client;
    return NULL;
}

// NULL: none yet.
static char *control_perform(struct wr_control_socket *control, const struct command *command)
{
    const struct wr_control_request *request = &command->request;
    switch (request->verb) {
    case WR_CONTROL_RESCALE: return control_rescale(control, request->workers);
    case WR_CONTROL_SAVEPOINT: return control_savepoint(control, request->path);
    case WR_CONTROL_STOP: return control_end(control, command->client, request);
    case WR_CONTROL_STATUS: break;
    }
    return control_status(control);
}

// ---- the thread that does what it is told ----

static void command_close(struct command *command)
{
    (void)close(command->client);
    wr_free(command);
}

// False: too many wait already.
static bool control_queue(struct wr_control_socket *control, struct command *command)
{
    (void)pthread_mutex_lock(&control->lock);
    const bool has_room = control->count < WAITING;
    if (has_room) {
        *control->last = command;
        control->last  = &command->next;
        control->count++;
        (void)pthread_cond_signal(&control->has_work);
    }
    (void)pthread_mutex_unlock(&control->lock);
    return has_room;
}

// NULL: the thread is to end. Those that wait then are let go without an answer.
static struct command *control_next(struct wr_control_socket *control)
{
    struct command *command = NULL;
    (void)pthread_mutex_lock(&control->lock);
    while (control->first == NULL && !control->is_over) {
        (void)pthread_cond_wait(&control->has_work, &control->lock);
    }
    if (!control->is_over) {
        command        = control->first;
        control->first = command->next;
        control->last  = control->first == NULL ? &control->first : control->last;
        control->count--;
    }
    (void)pthread_mutex_unlock(&control->lock);
    return command;
}

static void *performer_main(void *opaque)
{
    struct wr_control_socket *control = opaque;
    for (struct command *command = control_next(control); command != NULL;
         command                 = control_next(control)) {
        char *const answer = control_perform(control, command);
        if (answer == NULL) {
            wr_free(command); // its client is the stopper
        } else {
            client_answer(command->client, answer);
            command_close(command);
        }
    }
    return NULL;
}

// ---- the thread that reads ----

// The answer, NULL: the command waits for its turn, or nobody waits for one.
static char *control_take(struct wr_control_socket *control, struct command *command,
                          bool *is_queued)
{
    struct wr_error error = { .status = WEIR_OK };
    if (client_read(control, command->client, command->line, &error) &&
        wr_control_request_parse(command->line, &command->request, &error)) {
        if (command->request.verb == WR_CONTROL_STATUS) {
            return control_status(control);
        }
        *is_queued = control_queue(control, command);
        if (!*is_queued) {
            (void)wr_error_set(&error, WEIR_CONFLICT, "%u commands wait for their turn already",
                               WAITING);
        }
    }
    char *const refusal =
        error.status != WEIR_OK ? wr_control_error_line(error.status, error.sentence) : NULL;
    wr_error_fini(&error);
    return refusal;
}

static void control_serve(struct wr_control_socket *control, int client)
{
    struct command *command   = wr_alloc(sizeof(*command));
    bool            is_queued = false;
    command->client           = client;
    char *const answer        = control_take(control, command, &is_queued);
    if (answer != NULL) {
        client_answer(client, answer);
    }
    if (!is_queued) {
        command_close(command);
    }
}

static void *reader_main(void *opaque)
{
    struct wr_control_socket *control = opaque;
    while (!is_ending(control)) {
        if (!control_await(control, control->listening, -1)) {
            continue;
        }
        const int client = accept4(control->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client >= 0) {
            control_serve(control, client);
        } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            (void)control_await(control, -1, PAUSE_US);
        }
    }
    return NULL;
}

static void control_free(struct wr_control_socket *control)
{
    while (control->first != NULL) {
        struct command *next = control->first->next;
        command_close(control->first);
        control->first = next;
    }
    (void)pthread_cond_destroy(&control->has_work);
    (void)pthread_mutex_destroy(&control->lock);
    if (control->listening >= 0) {
        wr_local_socket_close(control->listening, control->directory, WR_CONTROL_SOCKET);
    }
    if (control->wake >= 0) {
        (void)close(control->wake);
    }
    wr_free(control->directory);
    wr_free(control);
}

static void performer_end(struct wr_control_socket *control)
{
    (void)pthread_mutex_lock(&control->lock);
    control->is_over = true;
    (void)pthread_cond_signal(&control->has_work);
    (void)pthread_mutex_unlock(&control->lock);
    (void)pthread_join(control->performer, NULL);
}

// 0, or -errno.
static int control_start(struct wr_control_socket *control)
{
    control->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (control->wake < 0) {
        return -errno;
    }
    control->listening = wr_local_socket_listen(control->directory, WR_CONTROL_SOCKET);
    if (control->listening < 0) {
        return control->listening;
    }
    int status = wr_thread_start(&control->performer, performer_main, control, "weir/command");
    if (status == 0) {
        status = wr_thread_start(&control->reader, reader_main, control, "weir/control");
        if (status != 0) {
            performer_end(control);
        }
    }
    return -status;
}

struct wr_control_socket *wr_control_open(weir_run *run, const char *directory, int64_t timeout_us,
                                          char **sentence)
{
    struct wr_control_socket *control = wr_alloc(sizeof(*control));
    control->run                      = run;
    control->directory                = wr_copy_text(directory);
    control->timeout_us               = timeout_us;
    control->listening                = -1;
    control->stopper                  = -1;
    control->last                     = &control->first;
    (void)pthread_mutex_init(&control->lock, NULL);
    wr_condition_init(&control->has_work);
    const int status = control_start(control);
    if (status == 0) {
        return control;
    }
    *sentence = wr_format("%s/" WR_CONTROL_SOCKET
                          ": cannot make the socket for commands: %s; the job runs without",
                          directory, strerror(-status));
    control_free(control);
    return NULL;
}

void wr_control_stop(struct wr_control_socket *control)
{
    if (control != NULL) {
        (void)eventfd_write(control->wake, 1);
        (void)pthread_join(control->reader, NULL);
        performer_end(control);
        wr_local_socket_close(control->listening, control->directory, WR_CONTROL_SOCKET);
        control->listening = -1;
    }
}

void wr_control_close(struct wr_control_socket *control, weir_status status, const char *sentence)
{
    if (control == NULL) {
        return;
    }
    if (control->stopper >= 0) {
        client_answer(control->stopper, status == WEIR_OK
                                            ? wr_control_done_line()
                                            : wr_control_error_line(status, sentence));
        (void)close(control->stopper);
    }
    control_free(control);
}
