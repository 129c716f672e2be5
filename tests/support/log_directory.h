// Where a test makes a log: a temporary directory of the real disk, or the simulated one.
#ifndef LOG_DIRECTORY_H
#define LOG_DIRECTORY_H

#include "log/log.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct log_directory {
    struct wr_environment *environment;
    char                  *above; // a directory that exists
    char                  *path;  // in it, and does not
};

static inline struct log_directory log_directory_open(bool is_simulated)
{
    struct log_directory directory;
    if (is_simulated) {
        directory.environment              = wr_environment_open_simulated(7, false);
        directory.above                    = wr_copy_text("/disk");
        struct wr_environment *environment = directory.environment;
        cr_assert_eq(environment->ops->make_directory(environment, "/disk"), 0);
        cr_assert_eq(environment->ops->sync_directory(environment, "/"), 0);
    } else {
        const char *temporary = getenv("TMPDIR");
        directory.above = wr_format("%s/weir-log-XXXXXX", temporary != NULL ? temporary : "/tmp");
        cr_assert(mkdtemp(directory.above) != NULL);
        directory.environment = wr_environment_open_real();
    }
    directory.path = wr_format("%s/log", directory.above);
    return directory;
}

static inline int log_directory_remove(const char *path, const struct stat *found, int kind,
                                       struct FTW *walk)
{
    (void)found;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void log_directory_close(struct log_directory *directory)
{
    if (!directory->environment->is_simulated) {
        (void)nftw(directory->above, log_directory_remove, 16, FTW_DEPTH | FTW_PHYS);
    }
    wr_environment_close(directory->environment);
    wr_free(directory->above);
    wr_free(directory->path);
}

// Runs a test in both.
static inline void in_both_environments(void (*test)(struct log_directory *directory))
{
    for (int is_simulated = 0; is_simulated < 2; is_simulated++) {
        struct log_directory directory = log_directory_open(is_simulated);
        test(&directory);
        log_directory_close(&directory);
    }
}

// ---- files ----

// The bytes of a file, ended by a zero byte; NULL: there is none. wr_free it.
static inline char *log_file_read(struct wr_environment *environment, const char *path,
                                  size_t *length)
{
    const int file = environment->ops->open(environment, path, WR_OPEN_READ);
    if (file < 0) {
        return NULL;
    }
    char *bytes = wr_alloc(1 << 20);
    *length     = 0;
    for (int64_t got;
         (got = environment->ops->read_at(environment, file, bytes + *length,
                                          (1 << 20) - 1 - *length, (int64_t)*length)) > 0;) {
        *length += (size_t)got;
    }
    environment->ops->close(environment, file);
    return bytes;
}

static inline void log_file_write(struct wr_environment *environment, const char *path,
                                  const char *bytes, size_t length)
{
    const int file = environment->ops->open(environment, path, WR_OPEN_WRITE);
    cr_assert(file >= 0, "%s: %d", path, file);
    cr_assert_eq(environment->ops->write_at(environment, file, bytes, length, 0), (int64_t)length);
    cr_assert_eq(environment->ops->sync(environment, file), 0);
    environment->ops->close(environment, file);
}

static inline bool log_path_is_there(struct wr_environment *environment, const char *path)
{
    struct wr_file_info info;
    return environment->ops->info(environment, path, &info) == 0;
}

// ---- sentences ----

static inline void assert_has(const char *sentence, const char *part)
{
    cr_assert(sentence != NULL && strstr(sentence, part) != NULL, "\"%s\" does not say \"%s\"",
              sentence == NULL ? "" : sentence, part);
}

#endif // LOG_DIRECTORY_H
