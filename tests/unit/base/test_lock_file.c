#include "runtime/base/lock_file.h"
#include "tests/support/log_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

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

// The lock of the file is held by another process for so long.
static void lock_of_another(const char *path, struct timespec held, int expected)
{
    struct wr_environment *environment = wr_environment_open_real();
    int                    ready[2];
    cr_assert_eq(pipe(ready), 0);
    const pid_t other = fork();
    if (other == 0) {
        const int file = open(path, O_RDWR | O_CREAT, 0666);
        if (flock(file, LOCK_EX) == 0 && write(ready[1], "", 1) == 1) {
            nanosleep(&held, NULL);
        }
        _exit(0);
    }
    char byte, *holder;
    int  file;
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    cr_assert_eq(wr_lock_file_take(environment, path, &file, &holder), expected);
    if (expected == 0) {
        environment->ops->close(environment, file);
    } else {
        cr_assert_str_eq(holder, "another process");
        wr_free(holder);
    }
    cr_assert_eq(kill(other, SIGKILL), 0);
    cr_assert_eq(waitpid(other, NULL, 0), other);
    close(ready[0]);
    close(ready[1]);
    wr_environment_close(environment);
}

Test(lock_file, of_a_process_that_is_about_to_end_is_waited_for)
{
    struct log_directory directory = log_directory_open(false);
    char                *path      = path_of(&directory);
    lock_of_another(path, (struct timespec){ .tv_sec = 20 }, -EWOULDBLOCK);
    lock_of_another(path, (struct timespec){ .tv_nsec = 100000000 }, 0);
    wr_free(path);
    log_directory_close(&directory);
}
