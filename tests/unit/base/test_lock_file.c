#include "runtime/base/lock_file.h"
#include "tests/support/log_directory.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(lock_file, .timeout = 60);

static char *path_of(const struct log_directory *directory)
{
    return wr_format("%s/file", directory->above);
}

static void lock(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    char                  *path        = path_of(directory);
    char                  *holder;
    int                    first, second;
    cr_assert_eq(wr_lock_file_take(environment, path, &first, &holder), 0);
    cr_assert(holder == NULL);
    cr_assert_eq(wr_lock_file_take(environment, path, &second, &holder), -EWOULDBLOCK);
    char *said = wr_format("this process (%u)", environment->ops->process(environment));
    cr_assert_str_eq(holder, said);
    wr_free(said);
    wr_free(holder);
    environment->ops->close(environment, first);
    cr_assert_eq(wr_lock_file_take(environment, path, &second, &holder), 0);
    environment->ops->close(environment, second);
    wr_free(path);
}
Test(lock_file, is_held_by_one_who_is_named_and_given_back) { in_both_environments(lock); }

static void lock_without_text(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    char                  *path        = path_of(directory);
    char                  *holder;
    int                    first, second;
    cr_assert_eq(wr_lock_file_take(environment, path, &first, &holder), 0);
    cr_assert_eq(environment->ops->write_at(environment, first, "process x", 9, 0), 9);
    cr_assert_eq(wr_lock_file_take(environment, path, &second, &holder), -EWOULDBLOCK);
    cr_assert_str_eq(holder, "another process");
    wr_free(holder);
    environment->ops->close(environment, first);
    wr_free(path);
}
Test(lock_file, whose_text_makes_no_sense_is_held_all_the_same)
{
    in_both_environments(lock_without_text);
}

static void lock_of_the_dead(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    char                  *path        = path_of(directory);
    char                  *holder;
    int                    file;
    log_file_write(environment, path, "process 4294967295 boot 18446744073709551615    \n", 49);
    cr_assert_eq(wr_lock_file_take(environment, path, &file, &holder), 0);
    environment->ops->close(environment, file);
    wr_free(path);
}
Test(lock_file, that_its_holder_left_behind_is_free) { in_both_environments(lock_of_the_dead); }

// Another process that has taken the lock, and much memory that takes the kernel a while to free.
static pid_t another_open(struct wr_environment *environment, const char *path)
{
    int ready[2];
    cr_assert_eq(pipe(ready), 0);
    const pid_t other = fork();
    if (other == 0) {
        const size_t bytes = (size_t)512 << 20;
        char        *much  = wr_alloc(bytes), *holder;
        int          file;
        memset(much, 1, bytes);
        if (wr_lock_file_take(environment, path, &file, &holder) == 0 &&
            write(ready[1], "", 1) == 1) {
            sleep(60);
        }
        _exit(much[bytes - 1]);
    }
    char byte;
    close(ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return other;
}

Test(lock_file, of_a_process_that_goes_on_is_refused_at_once)
{
    struct log_directory   directory   = log_directory_open(false);
    struct wr_environment *environment = directory.environment;
    char                  *path        = path_of(&directory);
    char                  *holder;
    int                    file;
    const pid_t            other  = another_open(environment, path);
    const int64_t          before = wr_now_us(environment);
    const int              status = wr_lock_file_take(environment, path, &file, &holder);
    const int64_t          took   = wr_now_us(environment) - before;
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);

    char *const said = wr_format("process %d", (int)other);
    cr_assert_eq(status, -EWOULDBLOCK);
    cr_assert_str_eq(holder, said);
    cr_assert_lt(took, 100000);
    wr_free(said);
    wr_free(holder);
    wr_free(path);
    log_directory_close(&directory);
}

Test(lock_file, of_a_process_that_was_just_killed_is_waited_for)
{
    struct log_directory   directory   = log_directory_open(false);
    struct wr_environment *environment = directory.environment;
    char                  *path        = path_of(&directory);
    char                  *holder;
    int                    file;
    const pid_t            other = another_open(environment, path);
    kill(other, SIGKILL);
    const int status = wr_lock_file_take(environment, path, &file, &holder);
    waitpid(other, NULL, 0);
    cr_assert_eq(status, 0);
    environment->ops->close(environment, file);
    wr_free(path);
    log_directory_close(&directory);
}
