// What both environments promise of locks, of direct reads, of room set aside, of shared memory and
// of waiting for its words.
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/atomic.h"
#include "runtime/base/environment.h"

enum { PAGE = 4096, WAITS = 40 };

// A real and a simulated environment, each with an empty directory of its own.
struct world {
    struct wr_environment *environment;
    char                   directory[64];
};

static struct world real, simulated;

static void set_up(void)
{
    snprintf(real.directory, sizeof(real.directory), "/tmp/weir-shared-XXXXXX");
    snprintf(simulated.directory, sizeof(simulated.directory), "/d");
    cr_assert(mkdtemp(real.directory) != NULL);
    real.environment      = wr_environment_open_real();
    simulated.environment = wr_environment_open_simulated(1, false);
    cr_assert(simulated.environment->ops->make_directory(simulated.environment, "/d") == 0);
}

static const char *path_of(const struct world *world, const char *name)
{
    static char paths[4][128];
    static int  next;
    char       *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", world->directory, name);
    return path;
}

static void remove_name(void *opaque, const char *name) { remove(path_of(opaque, name)); }

static void tear_down(void)
{
    real.environment->ops->list(real.environment, real.directory, remove_name, &real);
    wr_environment_close(real.environment);
    wr_environment_close(simulated.environment);
    cr_assert(rmdir(real.directory) == 0);
}

TestSuite(environment_shared, .init = set_up, .fini = tear_down, .timeout = 60);

static void in_both(void (*claim)(struct world *world))
{
    claim(&real);
    claim(&simulated);
}

static int open_file(struct world *world, const char *name, enum wr_open_mode mode)
{
    return world->environment->ops->open(world->environment, path_of(world, name), mode);
}

static void close_file(struct world *world, int file)
{
    world->environment->ops->close(world->environment, file);
}

static void write_file(struct world *world, const char *name, const char *text)
{
    const int file = open_file(world, name, WR_OPEN_WRITE);
    cr_assert(file >= 0);
    cr_assert(world->environment->ops->write_at(world->environment, file, text, strlen(text), 0) ==
              (int64_t)strlen(text));
    close_file(world, file);
}

static int64_t size_of(struct world *world, const char *name)
{
    struct wr_file_info info;
    const int           status =
        world->environment->ops->info(world->environment, path_of(world, name), &info);
    return status < 0 ? status : (int64_t)info.size_bytes;
}

static void *share(struct world *world, const char *name, bool is_writer, int *error)
{
    return world->environment->ops->share(world->environment, path_of(world, name), PAGE, is_writer,
                                          error);
}

static void give_back(struct world *world, void *memory)
{
    world->environment->ops->unshare(world->environment, memory, PAGE);
}

// ---- names, room, locks, direct reads ----

static void claim_rename_new(struct world *world)
{
    struct wr_environment *e = world->environment;
    write_file(world, "a", "one");
    write_file(world, "b", "four");
    cr_expect(e->ops->rename_new(e, path_of(world, "a"), path_of(world, "b")) == -EEXIST);
    cr_expect(size_of(world, "a") == 3 && size_of(world, "b") == 4);
    cr_expect(e->ops->rename_new(e, path_of(world, "a"), path_of(world, "a")) == -EEXIST);
    cr_expect(e->ops->rename_new(e, path_of(world, "none"), path_of(world, "b")) == -ENOENT);
    cr_expect(e->ops->rename_new(e, path_of(world, "a"), path_of(world, "c")) == 0);
    cr_expect(size_of(world, "a") == -ENOENT && size_of(world, "c") == 3);
}

Test(environment_shared, rename_new_replaces_nothing) { in_both(claim_rename_new); }

static void claim_preallocate(struct world *world)
{
    struct wr_environment *e    = world->environment;
    char                   byte = 'x';
    write_file(world, "a", "abc");
    const int file = open_file(world, "a", WR_OPEN_UPDATE);
    cr_expect(e->ops->preallocate(e, file, 10000) == 0);
    cr_expect(size_of(world, "a") == 10000);
    cr_expect(e->ops->read_at(e, file, &byte, 1, 9999) == 1 && byte == 0);
    cr_expect(e->ops->read_at(e, file, &byte, 1, 2) == 1 && byte == 'c');
    cr_expect(e->ops->preallocate(e, file, 0) == 0);
    cr_expect(e->ops->preallocate(e, file, 5000) == 0);
    cr_expect(size_of(world, "a") == 10000);
    close_file(world, file);
}

Test(environment_shared, preallocate_grows_with_zeros_and_never_shrinks)
{
    in_both(claim_preallocate);
}

Test(environment_shared, preallocate_of_too_much_leaves_the_size)
{
    write_file(&real, "a", "abc");
    const int file = open_file(&real, "a", WR_OPEN_UPDATE);
    cr_expect(real.environment->ops->preallocate(real.environment, file, 1ull << 50) < 0);
    cr_expect(size_of(&real, "a") == 3);
    close_file(&real, file);
}

static void claim_sync_data(struct world *world)
{
    struct wr_environment *e    = world->environment;
    const int              file = open_file(world, "a", WR_OPEN_WRITE);
    cr_expect(e->ops->sync_data(e, file) == 0);
    cr_expect(e->ops->sync(e, file) == 0);
    close_file(world, file);
}

Test(environment_shared, syncs_data_alone_and_with_all) { in_both(claim_sync_data); }

static void claim_lock(struct world *world)
{
    struct wr_environment *e     = world->environment;
    const int              one   = open_file(world, "lock", WR_OPEN_UPDATE);
    const int              two   = open_file(world, "lock", WR_OPEN_UPDATE);
    const int              other = open_file(world, "other", WR_OPEN_UPDATE);
    cr_expect(e->ops->lock(e, one) == 0);
    cr_expect(e->ops->lock(e, one) == 0);
    cr_expect(e->ops->lock(e, two) == -EWOULDBLOCK);
    cr_expect(e->ops->lock(e, other) == 0);
    close_file(world, one);
    cr_expect(e->ops->lock(e, two) == 0);
    close_file(world, two);
    close_file(world, other);
}

Test(environment_shared, a_lock_is_one_descriptors_until_it_is_closed) { in_both(claim_lock); }

static void claim_direct(struct world *world)
{
    struct wr_environment *e     = world->environment;
    char                  *bytes = wr_alloc_aligned(2 * PAGE, PAGE);
    cr_expect(open_file(world, "none", WR_OPEN_DIRECT) == -ENOENT);
    const int writer = open_file(world, "a", WR_OPEN_WRITE);
    memset(bytes, 'x', 2 * PAGE);
    cr_assert(e->ops->write_at(e, writer, bytes, PAGE + 100, 0) == PAGE + 100);
    cr_assert(e->ops->sync(e, writer) == 0);
    memset(bytes, 0, 2 * PAGE);
    const int reader = open_file(world, "a", WR_OPEN_DIRECT);
    cr_assert(reader >= 0);
    cr_expect(e->ops->read_at(e, reader, bytes + PAGE, PAGE, PAGE) == 100);
    cr_expect(bytes[PAGE] == 'x' && bytes[PAGE + 99] == 'x');
    cr_expect(e->ops->read_at(e, reader, bytes, PAGE, 2 * PAGE) == 0);
    cr_expect(e->ops->write_at(e, reader, bytes, PAGE, 0) == -EBADF);
    close_file(world, reader);
    close_file(world, writer);
    wr_free(bytes);
}

Test(environment_shared, a_direct_read_gives_what_was_synced) { in_both(claim_direct); }

// As /proc is.
Test(environment_shared, a_file_system_without_direct_reads_is_read_plainly)
{
    struct wr_environment *e     = real.environment;
    char                  *bytes = wr_alloc_aligned(PAGE, PAGE);
    const int              file  = e->ops->open(e, "/proc/version", WR_OPEN_DIRECT);
    cr_assert(file >= 0);
    cr_expect(e->ops->read_at(e, file, bytes, PAGE, 0) > 0);
    close_file(&real, file);
    wr_free(bytes);
}

Test(environment_shared, a_simulated_direct_read_must_be_aligned)
{
    struct wr_environment *e     = simulated.environment;
    char                  *bytes = wr_alloc_aligned(2 * PAGE, PAGE);
    write_file(&simulated, "a", "abc");
    const int file = open_file(&simulated, "a", WR_OPEN_DIRECT);
    cr_expect(e->ops->read_at(e, file, bytes + 1, PAGE, 0) == -EINVAL);
    cr_expect(e->ops->read_at(e, file, bytes, PAGE - 1, 0) == -EINVAL);
    cr_expect(e->ops->read_at(e, file, bytes, PAGE, 1) == -EINVAL);
    cr_expect(e->ops->read_at(e, file, bytes, PAGE, 0) == 0); // nothing is synced
    close_file(&simulated, file);
    wr_free(bytes);
}

// ---- shared memory ----

static void claim_share(struct world *world)
{
    int   error;
    char *writer = share(world, "shared", true, &error);
    cr_assert(writer != NULL && error == 0);
    char *reader = share(world, "shared", false, &error);
    cr_assert(reader != NULL && error == 0);
    cr_expect(size_of(world, "shared") == PAGE);
    cr_expect(writer[100] == 0);
    writer[100] = 'x';
    cr_expect(reader[100] == 'x');
    give_back(world, writer);
    cr_expect(reader[100] == 'x');
    give_back(world, reader);
    writer = share(world, "shared", true, &error);
    cr_expect(writer[100] == 'x');
    give_back(world, writer);
}

Test(environment_shared, all_who_share_a_file_see_one_memory_which_outlives_them)
{
    in_both(claim_share);
}

static void claim_share_refused(struct world *world)
{
    int error = 0;
    cr_expect(share(world, "shared", false, &error) == NULL && error == -ENOENT);
    write_file(world, "shared", "abc");
    cr_expect(share(world, "shared", false, &error) == NULL && error == -ENODATA);
    cr_expect(share(world, "none/shared", true, &error) == NULL && error == -ENOENT);
    char *writer = share(world, "shared", true, &error);
    cr_assert(writer != NULL && error == 0);
    give_back(world, writer);
}

Test(environment_shared, a_reader_shares_only_what_a_writer_made_long_enough)
{
    in_both(claim_share_refused);
}

// The kernel refuses to write there for us, where a write of ours would end the test.
static void claim_reader_is_read_only(struct world *world)
{
    int   ends[2], error;
    char *writer = share(world, "shared", true, &error);
    char *reader = share(world, "shared", false, &error);
    cr_assert(writer != NULL && reader != NULL);
    cr_assert(pipe(ends) == 0 && write(ends[1], "xy", 2) == 2);
    cr_expect(read(ends[0], reader, 1) < 0 && errno == EFAULT);
    cr_expect(read(ends[0], writer, 1) == 1);
    close(ends[0]);
    close(ends[1]);
    give_back(world, writer);
    give_back(world, reader);
}

Test(environment_shared, a_reader_cannot_write) { in_both(claim_reader_is_read_only); }

static void claim_machine(struct world *world)
{
    struct wr_environment *e = world->environment;
    cr_expect(e->ops->boot(e) != 0 && e->ops->boot(e) == e->ops->boot(e));
    cr_expect(e->ops->process(e) == e->ops->process(e));
}

Test(environment_shared, boot_and_process_stay) { in_both(claim_machine); }

Test(environment_shared, another_environment_of_this_process_has_its_boot_and_number)
{
    struct wr_environment *other = wr_environment_open_real();
    cr_expect(other->ops->boot(other) == real.environment->ops->boot(real.environment));
    cr_expect(other->ops->process(other) == (uint32_t)getpid());
    wr_environment_close(other);
}

// ---- waiting, in both ----

static struct wr_request wait_of(const uint32_t *word, uint32_t seen, size_t timeout_us)
{
    return (struct wr_request){
        .verb = WR_REQUEST_WAIT, .buffer = (void *)word, .bytes = timeout_us, .offset = seen
    };
}

// Until the request is done: by the real clock, or by moving the simulated one.
static void finish(struct world *world, struct wr_request *request)
{
    while (!wr_request_is_done(world->environment, request)) {
        if (world == &simulated) {
            wr_simulation_advance(world->environment, INT64_MAX);
        } else {
            sched_yield();
        }
    }
}

static void claim_waits(struct world *world)
{
    struct wr_environment *e = world->environment;
    int                    error;
    uint32_t              *word    = share(world, "word", true, &error);
    const uint32_t        *reading = share(world, "word", false, &error);

    e->ops->wait_word(e, reading, 1, -1); // it differs
    e->ops->wait_word(e, reading, 0, 1000);
    struct wr_request request = wait_of(reading, 1, SIZE_MAX);
    wr_submit(e, &request);
    finish(world, &request);
    cr_expect(request.result == 0);
    request = wait_of(reading, 0, 1000);
    wr_submit(e, &request);
    finish(world, &request);
    cr_expect(request.result == 0);

    request = wait_of(reading, 0, SIZE_MAX);
    wr_submit(e, &request);
    cr_expect(!wr_request_is_done(e, &request));
    __atomic_store_n(word, UINT32_MAX, __ATOMIC_RELEASE);
    e->ops->wake_word(e, word);
    finish(world, &request);
    cr_expect(request.result == 0);

    request = wait_of(reading, UINT32_MAX, SIZE_MAX); // not a stream, though the offset could be -1
    request.offset = -1;
    wr_submit(e, &request);
    cr_expect(!wr_request_is_done(e, &request));
    wr_cancel(e, &request);
    finish(world, &request);
    cr_expect(request.result == -ECANCELED);
    wr_cancel(e, &request); // done: nothing
    cr_expect(request.result == -ECANCELED);
    give_back(world, word);
    give_back(world, (void *)reading);
}

Test(environment_shared, a_wait_ends_with_a_change_its_time_or_its_cancellation)
{
    in_both(claim_waits);
}

static void claim_closing(struct world *world)
{
    static struct wr_request requests[WAITS];
    static uint32_t          word;
    for (int i = 0; i < WAITS; i++) {
        requests[i] = wait_of(&word, 0, SIZE_MAX);
        wr_submit(world->environment, &requests[i]);
    }
    wr_environment_close(world->environment);
    world->environment =
        world == &real ? wr_environment_open_real() : wr_environment_open_simulated(1, false);
    for (int i = 0; i < WAITS; i++) {
        cr_assert(wr_request_is_done(world->environment, &requests[i]));
        cr_assert(requests[i].result == -ECANCELED);
    }
}

Test(environment_shared, closing_cancels_the_waits_under_way) { in_both(claim_closing); }

// ---- waiting, in the real environment ----

static void post(void *semaphore) { sem_post(semaphore); }

Test(environment_shared, waits_do_not_keep_the_disk_threads)
{
    static struct wr_request waits[WAITS];
    static uint32_t          word;
    sem_t                    done;
    char                     byte = 'x';
    sem_init(&done, 0, 0);
    for (int i = 0; i < WAITS; i++) {
        waits[i] = wait_of(&word, 0, SIZE_MAX);
        wr_submit(real.environment, &waits[i]);
    }
    const int         file    = open_file(&real, "a", WR_OPEN_WRITE);
    struct wr_request request = { .verb   = WR_REQUEST_WRITE,
                                  .file   = file,
                                  .buffer = &byte,
                                  .bytes  = 1,
                                  .wake   = post,
                                  .waker  = &done };
    wr_submit(real.environment, &request);
    while (sem_wait(&done) < 0) {
    }
    cr_expect(request.result == 1);
    cr_expect(!wr_request_is_done(real.environment, &waits[0]));
    wr_cancel(real.environment, &waits[7]);
    finish(&real, &waits[7]);
    cr_expect(waits[7].result == -ECANCELED); // and no other
    cr_expect(!wr_request_is_done(real.environment, &waits[6]));
    close_file(&real, file);
}

Test(environment_shared, a_wake_is_for_all_who_wait)
{
    static struct wr_request waits[WAITS];
    static uint32_t          word;
    for (int i = 0; i < WAITS; i++) {
        waits[i] = wait_of(&word, 0, SIZE_MAX);
        wr_submit(real.environment, &waits[i]);
    }
    poll(NULL, 0, 50); // most are asleep by then; those that are not see the change by themselves
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    real.environment->ops->wake_word(real.environment, &word);
    for (int i = 0; i < WAITS; i++) {
        finish(&real, &waits[i]);
        cr_assert(waits[i].result == 0);
    }
}

Test(environment_shared, waits_past_the_most_are_refused_and_the_others_go_on)
{
    enum { MOST = 256 };
    static struct wr_request waits[MOST + 1];
    static uint32_t          word;
    for (int i = 0; i <= MOST; i++) {
        waits[i] = wait_of(&word, 0, SIZE_MAX);
        wr_submit(real.environment, &waits[i]);
    }
    cr_expect(wr_request_is_done(real.environment, &waits[MOST]));
    cr_expect(waits[MOST].result == -EAGAIN);
    wr_cancel(real.environment, &waits[0]);
    finish(&real, &waits[0]);
    while (wr_submit(real.environment, &waits[MOST]),
           wr_request_is_done(real.environment, &waits[MOST])) { // its thread is not idle yet
        sched_yield();
    }
    cr_expect(!wr_request_is_done(real.environment, &waits[1]));
}

Test(environment_shared, cancelling_at_any_moment_ends_the_wait)
{
    static uint32_t word;
    for (int i = 0; i < 2000; i++) {
        struct wr_request request = wait_of(&word, 0, SIZE_MAX);
        wr_submit(real.environment, &request);
        for (int turn = 0; turn < i % 50; turn++) {
            sched_yield();
        }
        wr_cancel(real.environment, &request);
        finish(&real, &request);
        cr_assert(request.result == -ECANCELED);
    }
}

// Answers each odd count with the next even one, until it is past `last`.
static void answer(const char *path, uint32_t last)
{
    struct wr_environment *e = wr_environment_open_real();
    int                    error;
    uint32_t              *word = e->ops->share(e, path, PAGE, true, &error);
    for (uint32_t count = 0; word != NULL && count < last;) {
        const uint32_t now = wr_load_word(word);
        if (now % 2 == 0) {
            e->ops->wait_word(e, word, now, -1);
        } else {
            count = now + 1;
            __atomic_store_n(word, count, __ATOMIC_RELEASE);
            e->ops->wake_word(e, word);
        }
    }
    _exit(word == NULL);
}

Test(environment_shared, processes_wake_each_other)
{
    enum { LAST = 2000 };
    struct wr_environment *e = real.environment;
    int                    error, status;
    uint32_t              *word    = share(&real, "word", true, &error);
    const uint32_t        *reading = share(&real, "word", false, &error);
    const pid_t            child   = fork();
    if (child == 0) {
        answer(path_of(&real, "word"), LAST);
    }
    for (uint32_t count = 1; count < LAST; count += 2) {
        __atomic_store_n(word, count, __ATOMIC_RELEASE);
        e->ops->wake_word(e, word);
        while (wr_load_word(reading) == count) {
            e->ops->wait_word(e, reading, count, -1); // through the read-only mapping
        }
    }
    cr_expect(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_expect(wr_load_word(reading) == LAST);
    give_back(&real, word);
    give_back(&real, (void *)reading);
}

Test(environment_shared, the_end_of_a_process_gives_its_lock_back)
{
    struct wr_environment *e = real.environment;
    int                    status;
    const int              file  = open_file(&real, "lock", WR_OPEN_UPDATE);
    const pid_t            child = fork();
    if (child == 0) {
        struct wr_environment *own  = wr_environment_open_real();
        const int              mine = own->ops->open(own, path_of(&real, "lock"), WR_OPEN_UPDATE);
        _exit(own->ops->lock(own, mine) == 0 ? 0 : 1); // with the lock
    }
    cr_expect(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_expect(e->ops->lock(e, file) == 0);
    close_file(&real, file);
}

// ---- waiting, in the simulated environment ----

Test(environment_shared, a_simulated_wait_takes_virtual_time)
{
    struct wr_environment *e    = simulated.environment;
    uint32_t               word = 7;
    const int64_t          now  = wr_now_us(e);
    e->ops->wait_word(e, &word, 8, 500);
    cr_expect(wr_now_us(e) == now);
    e->ops->wait_word(e, &word, 7, 500);
    cr_expect(wr_now_us(e) == now + 500);
    e->ops->wait_word(e, &word, 7, -1); // nothing could change it: early
    cr_expect(wr_now_us(e) == now + 500);
}

static void change_word(void *waker) { (*(uint32_t *)waker)++; }

Test(environment_shared, a_simulated_wait_runs_what_is_due_until_the_word_changes)
{
    struct wr_environment *e       = simulated.environment;
    uint32_t               word    = 7;
    char                   byte    = 'x';
    const int              file    = open_file(&simulated, "a", WR_OPEN_WRITE);
    struct wr_request      request = { .verb   = WR_REQUEST_WRITE,
                                       .file   = file,
                                       .buffer = &byte,
                                       .bytes  = 1,
                                       .wake   = change_word,
                                       .waker  = &word };
    wr_submit(e, &request);
    const int64_t now = wr_now_us(e);
    e->ops->wait_word(e, &word, 7, -1);
    cr_expect(word == 8 && wr_request_is_done(e, &request));
    cr_expect(wr_now_us(e) > now && wr_now_us(e) <= now + 20000);
    close_file(&simulated, file);
}

Test(environment_shared, a_simulated_wait_request_ends_at_its_time_and_not_before)
{
    struct wr_environment *e       = simulated.environment;
    uint32_t               word    = 7;
    const int64_t          now     = wr_now_us(e);
    struct wr_request      request = wait_of(&word, 7, 500);
    wr_submit(e, &request);
    cr_expect(!wr_simulation_advance(e, now + 499));
    cr_expect(!wr_request_is_done(e, &request));
    cr_expect(wr_simulation_advance(e, INT64_MAX));
    cr_expect(wr_now_us(e) == now + 500 && wr_request_is_done(e, &request));
}

Test(environment_shared, a_simulated_wait_request_ends_when_a_look_finds_the_word_changed)
{
    struct wr_environment *e       = simulated.environment;
    uint32_t               word    = 7;
    const int64_t          now     = wr_now_us(e);
    struct wr_request      request = wait_of(&word, 7, SIZE_MAX);
    wr_submit(e, &request);
    cr_expect(!wr_simulation_advance(e, INT64_MAX));
    e->ops->wake_word(e, &word);
    cr_expect(!wr_request_is_done(e, &request));
    word = 8;
    cr_expect(wr_simulation_advance(e, now + 1000));
    cr_expect(wr_request_is_done(e, &request) && wr_now_us(e) == now);
    request = wait_of(&word, 8, SIZE_MAX);
    wr_submit(e, &request);
    word = 9;
    e->ops->wake_word(e, &word);
    cr_expect(wr_request_is_done(e, &request));
}
