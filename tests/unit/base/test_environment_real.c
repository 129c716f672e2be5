#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/base/environment.h"

// An environment and an empty directory, made before each test and gone after it.
static struct wr_environment *environment;
static char                   directory[] = "/tmp/weir-environment-XXXXXX";

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static int  next;
    char       *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

static void set_up(void)
{
    cr_assert(mkdtemp(directory) != NULL);
    environment = wr_environment_open_real();
}

static void remove_name(void *opaque, const char *name)
{
    (void)opaque;
    remove(path_of(name));
}

static void tear_down(void)
{
    environment->ops->list(environment, directory, remove_name, NULL);
    wr_environment_close(environment);
    cr_assert(rmdir(directory) == 0);
}

TestSuite(environment_real, .init = set_up, .fini = tear_down, .timeout = 20);

static int open_file(const char *name, enum wr_open_mode mode)
{
    return environment->ops->open(environment, path_of(name), mode);
}

static void close_file(int file) { environment->ops->close(environment, file); }

static void write_file(const char *name, const char *text)
{
    const int file = open_file(name, WR_OPEN_WRITE);
    cr_assert(file >= 0);
    cr_assert(environment->ops->write_at(environment, file, text, strlen(text), 0) ==
              (int64_t)strlen(text));
    close_file(file);
}

static const char *read_file(const char *name)
{
    static char text[256];
    const int   file = open_file(name, WR_OPEN_READ);
    cr_assert(file >= 0);
    const int64_t got = environment->ops->read_at(environment, file, text, sizeof(text) - 1, 0);
    cr_assert(got >= 0);
    text[got] = '\0';
    close_file(file);
    return text;
}

static void post(void *semaphore) { sem_post(semaphore); }

static void submit_and_wait(struct wr_request *request)
{
    sem_t done;
    sem_init(&done, 0, 0);
    request->wake  = post;
    request->waker = &done;
    wr_submit(environment, request);
    while (sem_wait(&done) < 0) {
    }
    cr_assert(wr_request_is_done(environment, request));
    sem_destroy(&done);
}

static struct wr_request request_of(enum wr_request_verb verb, int file, void *buffer, size_t bytes,
                                    int64_t offset, void (*wake)(void *), void *waker)
{
    return (struct wr_request){ .verb   = verb,
                                .file   = file,
                                .buffer = buffer,
                                .bytes  = bytes,
                                .offset = offset,
                                .wake   = wake,
                                .waker  = waker };
}

// ---- clocks and random ----

Test(environment_real, monotonic_time_does_not_run_backwards)
{
    int64_t last = wr_now_us(environment);
    for (int i = 0; i < 1000; i++) {
        const int64_t now = wr_now_us(environment);
        cr_assert(now >= last);
        last = now;
    }
}

Test(environment_real, wall_time_counts_from_1970)
{
    const int64_t before = (int64_t)time(NULL);
    const int64_t now    = environment->ops->wall_us(environment) / 1000000;
    cr_expect(now >= before - 1 && now <= (int64_t)time(NULL) + 1);
}

Test(environment_real, random_numbers_differ)
{
    cr_expect(environment->ops->random(environment) != environment->ops->random(environment));
}

// ---- files ----

Test(environment_real, reads_back_what_it_wrote)
{
    write_file("a", "some text");
    cr_expect_str_eq(read_file("a"), "some text");
}

Test(environment_real, write_mode_empties_a_file)
{
    write_file("a", "a long text");
    write_file("a", "b");
    cr_expect_str_eq(read_file("a"), "b");
}

Test(environment_real, append_mode_writes_at_the_end)
{
    write_file("a", "one ");
    const int file = open_file("a", WR_OPEN_APPEND);
    cr_expect(environment->ops->write_at(environment, file, "two", 3, 0) == 3);
    close_file(file);
    cr_expect_str_eq(read_file("a"), "one two");
}

Test(environment_real, exclusive_mode_refuses_a_file_that_is_there)
{
    const int file = open_file("a", WR_OPEN_EXCLUSIVE);
    cr_assert(file >= 0);
    close_file(file);
    cr_expect(open_file("a", WR_OPEN_EXCLUSIVE) == -EEXIST);
}

Test(environment_real, update_mode_reads_and_writes_in_place)
{
    write_file("a", "abcdef");
    const int file = open_file("a", WR_OPEN_UPDATE);
    char      text[3];
    cr_expect(environment->ops->write_at(environment, file, "XY", 2, 2) == 2);
    cr_expect(environment->ops->read_at(environment, file, text, 3, 1) == 3);
    cr_expect(memcmp(text, "bXY", 3) == 0);
    close_file(file);
    cr_expect_str_eq(read_file("a"), "abXYef");
}

Test(environment_real, a_missing_file_is_not_found)
{
    struct wr_file_info info;
    cr_expect(open_file("none", WR_OPEN_READ) == -ENOENT);
    cr_expect(environment->ops->info(environment, path_of("none"), &info) == -ENOENT);
    cr_expect(environment->ops->unlink(environment, path_of("none")) == -ENOENT);
}

Test(environment_real, a_directory_does_not_open_as_a_file)
{
    cr_expect(environment->ops->open(environment, directory, WR_OPEN_READ) == -EISDIR);
}

Test(environment_real, a_read_past_the_end_gives_nothing)
{
    write_file("a", "abc");
    const int file = open_file("a", WR_OPEN_READ);
    char      text[8];
    cr_expect(environment->ops->read_at(environment, file, text, 8, 2) == 1);
    cr_expect(environment->ops->read_at(environment, file, text, 8, 3) == 0);
    cr_expect(environment->ops->read_at(environment, file, text, 8, 100) == 0);
    close_file(file);
}

Test(environment_real, descriptors_are_not_left_to_children)
{
    const int file = open_file("a", WR_OPEN_WRITE);
    cr_expect((fcntl(file, F_GETFD) & FD_CLOEXEC) != 0);
    close_file(file);
}

Test(environment_real, tells_files_directories_and_pipes_apart)
{
    struct wr_file_info info;
    write_file("a", "abc");
    cr_assert(mkfifo(path_of("pipe"), 0600) == 0);
    cr_assert(environment->ops->info(environment, path_of("a"), &info) == 0);
    cr_expect(info.is_regular && !info.is_directory && info.size_bytes == 3);
    cr_assert(environment->ops->info(environment, directory, &info) == 0);
    cr_expect(!info.is_regular && info.is_directory);
    cr_assert(environment->ops->info(environment, path_of("pipe"), &info) == 0);
    cr_expect(!info.is_regular && !info.is_directory && info.size_bytes == 0);
}

Test(environment_real, truncate_cuts_and_grows_with_zeros)
{
    write_file("a", "abcdef");
    const int file = open_file("a", WR_OPEN_UPDATE);
    char      text[8];
    cr_expect(environment->ops->truncate(environment, file, 2) == 0);
    cr_expect(environment->ops->truncate(environment, file, 4) == 0);
    cr_expect(environment->ops->read_at(environment, file, text, 8, 0) == 4);
    cr_expect(memcmp(text, "ab\0\0", 4) == 0);
    close_file(file);
}

Test(environment_real, rename_replaces_the_target)
{
    write_file("a", "new");
    write_file("b", "old");
    cr_expect(environment->ops->rename(environment, path_of("a"), path_of("b")) == 0);
    cr_expect_str_eq(read_file("b"), "new");
    cr_expect(open_file("a", WR_OPEN_READ) == -ENOENT);
}

Test(environment_real, a_directory_is_made_once)
{
    cr_expect(environment->ops->make_directory(environment, path_of("d")) == 0);
    cr_expect(environment->ops->make_directory(environment, path_of("d")) == -EEXIST);
    cr_expect(environment->ops->make_directory(environment, path_of("no/d")) == -ENOENT);
}

Test(environment_real, syncs_files_and_directories)
{
    const int file = open_file("a", WR_OPEN_WRITE);
    cr_expect(environment->ops->sync(environment, file) == 0);
    close_file(file);
    cr_expect(environment->ops->sync_directory(environment, directory) == 0);
    cr_expect(environment->ops->sync_directory(environment, path_of("none")) == -ENOENT);
}

static void append_name(void *opaque, const char *name)
{
    strncat(opaque, name, 8);
    strncat(opaque, " ", 2);
}

Test(environment_real, lists_names_in_byte_order)
{
    char names[64] = "";
    write_file("b", "");
    write_file("a", "");
    write_file("B", "");
    write_file("a-1", "");
    cr_expect(environment->ops->list(environment, directory, append_name, names) == 0);
    cr_expect_str_eq(names, "B a a-1 b ");
    cr_expect(environment->ops->list(environment, path_of("none"), append_name, names) == -ENOENT);
}

// ---- requests ----

Test(environment_real, a_request_is_not_done_before_its_first_use)
{
    struct wr_request request = { .verb = WR_REQUEST_READ };
    cr_expect(!wr_request_is_done(environment, &request));
}

Test(environment_real, requests_write_sync_and_read)
{
    char              text[16] = "written aside";
    const int         file     = open_file("a", WR_OPEN_UPDATE);
    struct wr_request request  = request_of(WR_REQUEST_WRITE, file, text, 13, 0, NULL, NULL);
    submit_and_wait(&request);
    cr_expect(request.result == 13);
    request.verb = WR_REQUEST_SYNC;
    submit_and_wait(&request);
    cr_expect(request.result == 0);
    memset(text, 0, sizeof(text));
    request.verb   = WR_REQUEST_READ;
    request.bytes  = sizeof(text);
    request.offset = 8;
    submit_and_wait(&request);
    cr_expect(request.result == 5);
    cr_expect(memcmp(text, "aside", 5) == 0);
    close_file(file);
}

Test(environment_real, a_request_that_fails_gives_the_error)
{
    char              byte;
    const int         file    = open_file("a", WR_OPEN_WRITE);
    struct wr_request request = request_of(WR_REQUEST_READ, file, &byte, 1, 0, NULL, NULL);
    submit_and_wait(&request);
    cr_expect(request.result == -EBADF);
    close_file(file);
}

Test(environment_real, a_request_without_a_waker_completes)
{
    char              byte    = 'x';
    const int         file    = open_file("a", WR_OPEN_WRITE);
    struct wr_request request = request_of(WR_REQUEST_WRITE, file, &byte, 1, 0, NULL, NULL);
    wr_submit(environment, &request);
    while (!wr_request_is_done(environment, &request)) {
        poll(NULL, 0, 1);
    }
    cr_expect(request.result == 1);
    close_file(file);
}

Test(environment_real, many_requests_in_flight_each_complete_once)
{
    enum { COUNT = 200 };
    static struct wr_request requests[COUNT];
    static uint32_t          numbers[COUNT];
    sem_t                    done;
    sem_init(&done, 0, 0);
    const int file = open_file("a", WR_OPEN_UPDATE);
    for (uint32_t i = 0; i < COUNT; i++) {
        numbers[i] = i;
        requests[i] =
            request_of(WR_REQUEST_WRITE, file, &numbers[i], 4, (int64_t)i * 4, post, &done);
        wr_submit(environment, &requests[i]);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        sem_wait(&done);
    }
    cr_expect(sem_trywait(&done) < 0, "a wake too many");
    uint32_t back[COUNT];
    cr_expect(environment->ops->read_at(environment, file, back, sizeof(back), 0) == sizeof(back));
    cr_expect(memcmp(back, numbers, sizeof(back)) == 0);
    close_file(file);
}

static uint32_t thread_count(void)
{
    uint32_t count = 0;
    DIR     *tasks = opendir("/proc/self/task");
    while (readdir(tasks) != NULL) {
        count++;
    }
    closedir(tasks);
    return count - 2;
}

Test(environment_real, starts_its_threads_with_the_first_request)
{
    char              byte    = 'x';
    const uint32_t    before  = thread_count();
    const int         file    = open_file("a", WR_OPEN_WRITE);
    struct wr_request request = request_of(WR_REQUEST_WRITE, file, &byte, 1, 0, NULL, NULL);
    cr_expect(thread_count() == before);
    submit_and_wait(&request);
    cr_expect(thread_count() == before + 2);
    close_file(file);
}

static void note_signals(void *opaque) { pthread_sigmask(SIG_SETMASK, NULL, opaque); }

Test(environment_real, io_threads_take_no_signals)
{
    static sigset_t   blocked;
    char              byte = 'x';
    const int         file = open_file("a", WR_OPEN_WRITE);
    struct wr_request request =
        request_of(WR_REQUEST_WRITE, file, &byte, 1, 0, note_signals, &blocked);
    wr_submit(environment, &request);
    wr_environment_close(environment);
    environment = wr_environment_open_real();
    cr_expect(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT) &&
              sigismember(&blocked, SIGPIPE));
    close_file(file);
}

Test(environment_real, closing_carries_out_what_was_submitted)
{
    enum { COUNT = 50 };
    static struct wr_request requests[COUNT];
    char                     byte = 'x';
    const int                file = open_file("a", WR_OPEN_WRITE);
    for (int i = 0; i < COUNT; i++) {
        requests[i] = request_of(WR_REQUEST_WRITE, file, &byte, 1, i, NULL, NULL);
        wr_submit(environment, &requests[i]);
    }
    wr_environment_close(environment);
    environment = wr_environment_open_real();
    for (int i = 0; i < COUNT; i++) {
        cr_assert(wr_request_is_done(environment, &requests[i]) && requests[i].result == 1);
    }
    close_file(file);
}

// ---- streams ----

// A named pipe, open at its two ends; the writer's is the test's own.
static void open_pipe(int *reader, int *writer)
{
    cr_assert(mkfifo(path_of("pipe"), 0600) == 0);
    *reader = open_file("pipe", WR_OPEN_READ);
    cr_assert(*reader >= 0);
    *writer = open(path_of("pipe"), O_WRONLY);
    cr_assert(*writer >= 0);
}

static void put(int writer, const char *text)
{
    cr_assert(write(writer, text, strlen(text)) == (ssize_t)strlen(text));
}

Test(environment_real, a_pipe_gives_what_is_there_and_then_its_end)
{
    int reader, writer;
    open_pipe(&reader, &writer);
    put(writer, "abc");
    close(writer);
    char              text[8];
    struct wr_request request = request_of(WR_REQUEST_READ, reader, text, 8, -1, NULL, NULL);
    submit_and_wait(&request);
    cr_expect(request.result == 3 && memcmp(text, "abc", 3) == 0);
    submit_and_wait(&request);
    cr_expect(request.result == 0);
    close_file(reader);
}

Test(environment_real, a_pipe_without_a_writer_yet_is_not_at_its_end)
{
    sem_t done;
    sem_init(&done, 0, 0);
    cr_assert(mkfifo(path_of("pipe"), 0600) == 0);
    const int         reader = open_file("pipe", WR_OPEN_READ);
    char              text[8];
    struct wr_request request = request_of(WR_REQUEST_READ, reader, text, 8, -1, post, &done);
    wr_submit(environment, &request);
    const int writer = open(path_of("pipe"), O_WRONLY);
    put(writer, "late");
    sem_wait(&done);
    cr_expect(request.result == 4);
    close(writer);
    close_file(reader);
}

static void *write_late(void *opaque)
{
    (void)opaque;
    poll(NULL, 0, 20); // gives a reader that does not wait the time to be wrong
    const int writer = open(path_of("pipe"), O_WRONLY);
    put(writer, "late");
    close(writer);
    return NULL;
}

Test(environment_real, a_plain_read_waits_for_a_writer)
{
    pthread_t thread;
    char      text[8];
    cr_assert(mkfifo(path_of("pipe"), 0600) == 0);
    const int reader = open_file("pipe", WR_OPEN_READ);
    cr_assert(pthread_create(&thread, NULL, write_late, NULL) == 0);
    cr_expect(environment->ops->read_at(environment, reader, text, 8, -1) == 4);
    pthread_join(thread, NULL);
    close_file(reader);
}

Test(environment_real, an_idle_pipe_does_not_hold_up_other_requests)
{
    enum { COUNT = 8 };
    static struct wr_request reads[COUNT];
    static char              bytes[COUNT];
    int                      reader, writer;
    open_pipe(&reader, &writer);
    for (int i = 0; i < COUNT; i++) {
        reads[i] = request_of(WR_REQUEST_READ, reader, &bytes[i], 1, -1, NULL, NULL);
        wr_submit(environment, &reads[i]);
    }
    char              byte    = 'x';
    const int         file    = open_file("a", WR_OPEN_WRITE);
    struct wr_request request = request_of(WR_REQUEST_WRITE, file, &byte, 1, 0, NULL, NULL);
    submit_and_wait(&request);
    request.offset = -1;
    submit_and_wait(&request);
    cr_expect(!wr_request_is_done(environment, &reads[0]));
    close_file(file);
    put(writer, "12345678");
    close(writer);
}

Test(environment_real, reads_of_one_pipe_complete_in_their_order)
{
    enum { COUNT = 8 };
    static struct wr_request reads[COUNT];
    static char              bytes[COUNT];
    sem_t                    done;
    int                      reader, writer;
    sem_init(&done, 0, 0);
    open_pipe(&reader, &writer);
    for (int i = 0; i < COUNT; i++) {
        reads[i] = request_of(WR_REQUEST_READ, reader, &bytes[i], 1, -1, post, &done);
        wr_submit(environment, &reads[i]);
    }
    put(writer, "12345678");
    for (int i = 0; i < COUNT; i++) {
        sem_wait(&done);
    }
    cr_expect(memcmp(bytes, "12345678", COUNT) == 0);
    close(writer);
    close_file(reader);
}

Test(environment_real, closing_cancels_a_read_of_an_idle_pipe)
{
    int reader, writer;
    open_pipe(&reader, &writer);
    char              byte;
    struct wr_request request = request_of(WR_REQUEST_READ, reader, &byte, 1, -1, NULL, NULL);
    wr_submit(environment, &request);
    wr_environment_close(environment);
    environment = wr_environment_open_real();
    cr_expect(wr_request_is_done(environment, &request));
    cr_expect(request.result == -ECANCELED);
    close(writer);
    close_file(reader);
}

Test(environment_real, closing_cancels_a_read_of_an_idle_terminal)
{
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    const int reader = environment->ops->open(environment, ptsname(terminal), WR_OPEN_READ);
    cr_assert(reader >= 0);
    char              byte;
    struct wr_request request = request_of(WR_REQUEST_READ, reader, &byte, 1, -1, NULL, NULL);
    wr_submit(environment, &request);
    wr_environment_close(environment);
    environment = wr_environment_open_real();
    cr_expect(request.result == -ECANCELED);
    close_file(reader);
    close(terminal);
}

// The standard input is shared with other processes and stays blocking.
Test(environment_real, closing_cancels_a_read_of_an_idle_standard_input)
{
    int ends[2];
    cr_assert(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
    const int         reader = environment->ops->open(environment, "/dev/stdin", WR_OPEN_READ);
    char              byte;
    struct wr_request request = request_of(WR_REQUEST_READ, reader, &byte, 1, -1, NULL, NULL);
    wr_submit(environment, &request);
    wr_environment_close(environment);
    environment = wr_environment_open_real();
    cr_expect(request.result == -ECANCELED);
    close_file(reader);
    close(ends[0]);
    close(ends[1]);
}

static const size_t PIECE = 300000; // more than a pipe holds

// Reads two pieces from a pipe as they come.
static void read_pieces(int reader, char *bytes)
{
    for (size_t got = 0; got < 2 * PIECE;) {
        struct pollfd wanted = { reader, POLLIN, 0 };
        poll(&wanted, 1, -1);
        const ssize_t piece = read(reader, bytes + got, 2 * PIECE - got);
        got += piece > 0 ? (size_t)piece : 0;
    }
}

Test(environment_real, writes_to_a_pipe_are_whole_and_one_after_the_other)
{
    char *first = wr_alloc(PIECE), *second = wr_alloc(PIECE), *back = wr_alloc(2 * PIECE);
    memset(first, 'a', PIECE);
    memset(second, 'b', PIECE);
    sem_t done;
    sem_init(&done, 0, 0);
    cr_assert(mkfifo(path_of("pipe"), 0600) == 0);
    const int         reader = open(path_of("pipe"), O_RDONLY | O_NONBLOCK);
    const int         writer = open_file("pipe", WR_OPEN_WRITE);
    struct wr_request one    = request_of(WR_REQUEST_WRITE, writer, first, PIECE, -1, post, &done);
    struct wr_request two    = request_of(WR_REQUEST_WRITE, writer, second, PIECE, -1, post, &done);
    wr_submit(environment, &one);
    wr_submit(environment, &two);
    read_pieces(reader, back);
    sem_wait(&done);
    sem_wait(&done);
    cr_expect(one.result == (int64_t)PIECE && two.result == (int64_t)PIECE);
    cr_expect(memcmp(back, first, PIECE) == 0 && memcmp(back + PIECE, second, PIECE) == 0);
    close_file(writer);
    close(reader);
    wr_free(first);
    wr_free(second);
    wr_free(back);
}

Test(environment_real, closing_cancels_a_write_to_a_pipe_that_nobody_reads)
{
    char *bytes = wr_alloc(PIECE);
    cr_assert(mkfifo(path_of("pipe"), 0600) == 0);
    const int         reader  = open(path_of("pipe"), O_RDONLY | O_NONBLOCK);
    const int         writer  = open_file("pipe", WR_OPEN_WRITE);
    struct wr_request request = request_of(WR_REQUEST_WRITE, writer, bytes, PIECE, -1, NULL, NULL);
    wr_submit(environment, &request);
    wr_environment_close(environment);
    environment = wr_environment_open_real();
    cr_expect(request.result == -ECANCELED);
    close_file(writer);
    close(reader);
    wr_free(bytes);
}

Test(environment_real, a_write_to_a_pipe_whose_reader_went_is_an_error_and_no_signal)
{
    cr_assert(mkfifo(path_of("pipe"), 0600) == 0);
    const int reader = open(path_of("pipe"), O_RDONLY | O_NONBLOCK);
    const int writer = open_file("pipe", WR_OPEN_WRITE);
    close(reader);
    char byte = 'x';
    cr_expect(environment->ops->write_at(environment, writer, &byte, 1, -1) == -EPIPE);
    struct wr_request request = request_of(WR_REQUEST_WRITE, writer, &byte, 1, -1, NULL, NULL);
    submit_and_wait(&request);
    cr_expect(request.result == -EPIPE);
    close_file(writer);
}

Test(environment_real, an_offset_into_a_pipe_is_an_error)
{
    int  reader, writer;
    char byte;
    open_pipe(&reader, &writer);
    cr_expect(environment->ops->read_at(environment, reader, &byte, 1, 0) == -ESPIPE);
    close(writer);
    close_file(reader);
}

Test(environment_real, standard_output_goes_on_where_it_stands)
{
    write_file("log", "before ");
    const int kept = dup(1);
    const int log  = open(path_of("log"), O_WRONLY | O_APPEND);
    dup2(log, 1);
    const int file = environment->ops->open(environment, "/dev/stdout", WR_OPEN_WRITE);
    cr_expect(environment->ops->write_at(environment, file, "after", 5, -1) == 5);
    close_file(file);
    dup2(kept, 1);
    close(log);
    cr_expect_str_eq(read_file("log"), "before after");
}

// ---- files without a name ----

static void count_name(void *opaque, const char *name)
{
    (void)name;
    ++*(uint32_t *)opaque;
}

Test(environment_real, an_unnamed_file_is_read_and_written_and_no_name_shows)
{
    const int file     = environment->ops->open(environment, directory, WR_OPEN_UNNAMED);
    char      text[16] = "";
    uint32_t  names    = 0;
    cr_assert_geq(file, 0, "%d", file);
    cr_assert_eq(environment->ops->write_at(environment, file, "spilled", 7, 4096), 7);
    environment->ops->read_ahead(environment, file, 7, 4096);
    cr_assert_eq(environment->ops->read_at(environment, file, text, 7, 4096), 7);
    cr_assert_str_eq(text, "spilled");
    cr_assert_eq(environment->ops->list(environment, directory, count_name, &names), 0);
    cr_assert_eq(names, 0);
    close_file(file);
}

Test(environment_real, an_unnamed_file_needs_its_directory)
{
    cr_assert_eq(open_file("missing", WR_OPEN_UNNAMED), -ENOENT);
}
