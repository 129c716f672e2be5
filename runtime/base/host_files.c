#include "runtime/base/host_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int status_of(int result) { return result < 0 ? -errno : result; }

// ---- opening ----

static int open_flags(enum wr_open_mode mode)
{
    WR_ASSERT(mode >= WR_OPEN_READ && mode <= WR_OPEN_UNNAMED);
    switch (mode) {
    // Not blocking: a pipe by name may have no writer yet, and then poll waits for one.
    case WR_OPEN_READ: return O_RDONLY | O_NONBLOCK;
    case WR_OPEN_WRITE: return O_WRONLY | O_CREAT | O_TRUNC;
    case WR_OPEN_APPEND: return O_WRONLY | O_CREAT | O_APPEND;
    case WR_OPEN_EXCLUSIVE: return O_WRONLY | O_CREAT | O_EXCL;
    case WR_OPEN_UPDATE: return O_RDWR | O_CREAT;
    case WR_OPEN_DIRECT: return O_RDONLY | O_DIRECT;
    case WR_OPEN_UNNAMED: return O_RDWR | O_TMPFILE;
    }
    return 0;
}

// The standard descriptor that `path` names, or -1.
static int standard_descriptor(const char *path)
{
    static const char *const names[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };
    for (int i = 0; i < 3; i++) {
        if (strcmp(path, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static int open_retrying(const char *path, int flags)
{
    int file;
    do {
        file = open(path, flags | O_CLOEXEC | O_NOCTTY, 0666);
    } while (file < 0 && errno == EINTR);
    return status_of(file);
}

// Some file systems cannot read past the page cache: there it gives up the pages that it can before
// the reader comes.
static int open_without_cache(const char *path)
{
    const int file = open_retrying(path, O_RDONLY);
    if (file >= 0) {
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    }
    return file;
}

// Some file systems know no file without a name: there it has one for a moment.
static int open_and_unlink(const char *directory)
{
    char *const path   = wr_format("%s/.weir-%d-XXXXXX", directory, (int)getpid());
    const int   file   = mkostemp(path, O_CLOEXEC);
    const int   gone   = file < 0 || unlink(path) == 0 ? 0 : -errno;
    const int   status = status_of(file);
    wr_free(path);
    if (gone < 0) {
        close(file);
        return gone;
    }
    return status;
}

// Makes pipes and terminals non-blocking. 0, or an errno: directories are refused.
static int file_prepare(int file)
{
    struct stat found;
    if (fstat(file, &found) < 0) {
        return errno;
    }
    if (S_ISDIR(found.st_mode)) {
        return EISDIR;
    }
    const bool is_stream = !S_ISREG(found.st_mode);
    return is_stream && fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK) < 0 ? errno : 0;
}

int wr_host_open(WEIR_UNUSED struct wr_environment *self, const char *path, enum wr_open_mode mode)
{
    const int standard = standard_descriptor(path);
    if (standard >= 0) { // shared with other processes: its flags stay as they are
        return status_of(fcntl(standard, F_DUPFD_CLOEXEC, 3));
    }
    int file = open_retrying(path, open_flags(mode));
    if (file == -EINVAL && mode == WR_OPEN_DIRECT) {
        file = open_without_cache(path);
    }
    if ((file == -EOPNOTSUPP || file == -EISDIR) && mode == WR_OPEN_UNNAMED) {
        file = open_and_unlink(path);
    }
    const int error = file < 0 ? 0 : file_prepare(file);
    if (error != 0) {
        close(file);
        return -error;
    }
    return file;
}

void wr_host_close(WEIR_UNUSED struct wr_environment *self, int file)
{
    const int result = close(file);
    WR_ASSERT(result == 0 || errno != EBADF);
}

int wr_host_info(WEIR_UNUSED struct wr_environment *self, const char *path,
                 struct wr_file_info *info)
{
    struct stat found;
    if (stat(path, &found) < 0) {
        return -errno;
    }
    info->is_regular   = S_ISREG(found.st_mode);
    info->is_directory = S_ISDIR(found.st_mode);
    info->size_bytes   = info->is_regular ? (uint64_t)found.st_size : 0;
    info->device       = (uint64_t)found.st_dev;
    info->inode        = (uint64_t)found.st_ino;
    return 0;
}

// ---- streams ----

int64_t wr_host_stream_read(int file, void *buffer, size_t bytes)
{
    ssize_t got;
    do {
        got = read(file, buffer, bytes);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

// A pipe that is ready has room for PIPE_BUF bytes; more could block one that is shared.
int64_t wr_host_stream_write(int file, const void *buffer, size_t bytes)
{
    ssize_t put;
    do {
        put = write(file, buffer, bytes < PIPE_BUF ? bytes : PIPE_BUF);
    } while (put < 0 && errno == EINTR);
    return put < 0 ? -errno : put;
}

static void stream_wait(int file, short events)
{
    struct pollfd wanted = { .fd = file, .events = events };
    while (poll(&wanted, 1, -1) < 0 && errno == EINTR) {
    }
}

static int64_t stream_read_waiting(int file, void *buffer, size_t bytes)
{
    int64_t got;
    do {
        stream_wait(file, POLLIN);
        got = wr_host_stream_read(file, buffer, bytes);
    } while (got == -EAGAIN);
    return got;
}

static int64_t stream_write_waiting(int file, const char *bytes, size_t length)
{
    size_t written = 0;
    while (written < length) {
        stream_wait(file, POLLOUT);
        const int64_t put = wr_host_stream_write(file, bytes + written, length - written);
        if (put < 0 && put != -EAGAIN) {
            return put;
        }
        written += put < 0 ? 0 : (size_t)put;
    }
    return (int64_t)written;
}

// The same on a thread of the caller's, which must not be killed by a reader that went away:
// SIGPIPE is blocked for the time of the call, and one that the call raised is taken back.
static int64_t stream_write_quietly(int file, const char *bytes, size_t length)
{
    sigset_t pipe_only, pending, before;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    const int64_t written = stream_write_waiting(file, bytes, length);
    if (written == -EPIPE && !sigismember(&pending, SIGPIPE)) {
        const struct timespec no_time = { 0, 0 };
        sigtimedwait(&pipe_only, NULL, &no_time);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return written;
}

// ---- reading and writing ----

int64_t wr_host_read_at(WEIR_UNUSED struct wr_environment *self, int file, void *buffer,
                        size_t bytes, int64_t offset)
{
    WR_ASSERT(offset >= -1);
    if (offset == -1) {
        return stream_read_waiting(file, buffer, bytes);
    }
    ssize_t got;
    do {
        got = pread(file, buffer, bytes, offset);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

int64_t wr_host_read_now(WEIR_UNUSED struct wr_environment *self, int file, void *buffer,
                         size_t bytes, int64_t offset)
{
    struct iovec part = { buffer, bytes };
    ssize_t      got;
    WR_ASSERT(offset >= 0);
    do {
        got = preadv2(file, &part, 1, offset, RWF_NOWAIT);
    } while (got < 0 && errno == EINTR);
    // A file system that cannot tell makes the caller wait as for a disk.
    return got >= 0 ? got : errno == EOPNOTSUPP || errno == EINVAL ? -EAGAIN : -errno;
}

void wr_host_read_ahead(WEIR_UNUSED struct wr_environment *self, int file, size_t bytes,
                        int64_t offset)
{
    (void)posix_fadvise(file, offset, (off_t)bytes, POSIX_FADV_WILLNEED);
}

int64_t wr_host_write_at(WEIR_UNUSED struct wr_environment *self, int file, const void *buffer,
                         size_t bytes, int64_t offset)
{
    WR_ASSERT(offset >= -1);
    if (offset == -1) {
        return stream_write_quietly(file, buffer, bytes);
    }
    size_t written = 0;
    while (written < bytes) {
        const ssize_t put = pwrite(file, (const char *)buffer + written, bytes - written,
                                   offset + (int64_t)written);
        if (put < 0 && errno != EINTR) {
            return -errno;
        }
        written += put < 0 ? 0 : (size_t)put;
    }
    return (int64_t)written;
}

static int sync_retrying(int file, int (*sync)(int))
{
    int result;
    do {
        result = sync(file);
    } while (result < 0 && errno == EINTR);
    return status_of(result);
}

int wr_host_sync(WEIR_UNUSED struct wr_environment *self, int file)
{
    return sync_retrying(file, fsync);
}

int wr_host_sync_data(WEIR_UNUSED struct wr_environment *self, int file)
{
    return sync_retrying(file, fdatasync);
}

int wr_host_sync_directory(WEIR_UNUSED struct wr_environment *self, const char *path)
{
    const int directory = open_retrying(path, O_RDONLY | O_DIRECTORY);
    if (directory < 0) {
        return directory;
    }
    const int status = sync_retrying(directory, fsync);
    close(directory);
    return status;
}

int wr_host_truncate(WEIR_UNUSED struct wr_environment *self, int file, uint64_t size_bytes)
{
    WR_ASSERT(size_bytes <= INT64_MAX);
    return status_of(ftruncate(file, (off_t)size_bytes));
}

// Sets room aside, by writing zeros where the file system knows no better way. 0 or an errno.
static int allocate(int file, off_t bytes)
{
    int error;
    do {
        error = fallocate(file, 0, 0, bytes) < 0 ? errno : 0;
        error = error == EOPNOTSUPP ? posix_fallocate(file, 0, bytes) : error;
    } while (error == EINTR);
    return error;
}

int wr_host_preallocate(WEIR_UNUSED struct wr_environment *self, int file, uint64_t bytes)
{
    WR_ASSERT(bytes <= INT64_MAX);
    struct stat before;
    if (fstat(file, &before) < 0) {
        return -errno;
    }
    const int error = bytes == 0 ? 0 : allocate(file, (off_t)bytes);
    if (error != 0) { // what fitted may have made it longer
        const int status = status_of(ftruncate(file, before.st_size));
        return status == 0 || status == -EINVAL ? -error : status;
    }
    return 0;
}

int wr_host_lock(WEIR_UNUSED struct wr_environment *self, int file)
{
    int result;
    do {
        result = flock(file, LOCK_EX | LOCK_NB);
    } while (result < 0 && errno == EINTR);
    return status_of(result);
}

// ---- names ----

int wr_host_rename(WEIR_UNUSED struct wr_environment *self, const char *from, const char *to)
{
    return status_of(rename(from, to));
}

// Two steps where the file system cannot do it in one: a crash between them leaves both names.
static int link_and_unlink(const char *from, const char *to)
{
    const int status = status_of(link(from, to));
    return status < 0 ? status : status_of(unlink(from));
}

int wr_host_rename_new(WEIR_UNUSED struct wr_environment *self, const char *from, const char *to)
{
    const int status = status_of(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE));
    return status == -EINVAL || status == -ENOSYS ? link_and_unlink(from, to) : status;
}

int wr_host_unlink(WEIR_UNUSED struct wr_environment *self, const char *path)
{
    const int status = status_of(unlink(path));
    return status == -EISDIR ? status_of(rmdir(path)) : status;
}

int wr_host_make_directory(WEIR_UNUSED struct wr_environment *self, const char *path)
{
    return status_of(mkdir(path, 0777));
}

static int entry_is_listed(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

// alphasort would follow the locale.
static int entry_compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int wr_host_list(WEIR_UNUSED struct wr_environment *self, const char *path,
                 void (*each)(void *opaque, const char *name), void  *opaque)
{
    struct dirent **entries;
    const int       count = scandir(path, &entries, entry_is_listed, entry_compare);
    if (count < 0) {
        return -errno;
    }
    for (int i = 0; i < count; i++) {
        each(opaque, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}
