#include "runtime/base/host_shared.h"

#include "runtime/base/host_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// ---- memory ----

// Makes the file long enough, or says why a reader must not map it: a page past the end of a file
// kills who touches it.
static int file_prepare(int file, size_t bytes, bool is_writer)
{
    if (is_writer) {
        return wr_host_preallocate(NULL, file, bytes);
    }
    struct stat found;
    if (fstat(file, &found) < 0) {
        return -errno;
    }
    return (uint64_t)found.st_size < bytes ? -ENODATA : 0;
}

static void *file_map(int file, size_t bytes, bool is_writer, int *error)
{
    *error = file_prepare(file, bytes, is_writer);
    if (*error < 0) {
        return NULL;
    }
    const int   rights = is_writer ? PROT_READ | PROT_WRITE : PROT_READ;
    void *const memory = mmap(NULL, bytes, rights, MAP_SHARED, file, 0);
    *error             = memory == MAP_FAILED ? -errno : 0;
    return memory == MAP_FAILED ? NULL : memory;
}

void *wr_host_share(WEIR_UNUSED struct wr_environment *self, const char *path, size_t bytes,
                    bool is_writer, int *error)
{
    WR_ASSERT(bytes > 0 && bytes % 4096 == 0);
    int file;
    do {
        file = open(path, (is_writer ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOCTTY, 0666);
    } while (file < 0 && errno == EINTR);
    if (file < 0) {
        *error = -errno;
        return NULL;
    }
    void *memory = file_map(file, bytes, is_writer, error);
    close(file);
    return memory;
}

void wr_host_unshare(WEIR_UNUSED struct wr_environment *self, void *memory, size_t bytes)
{
    const int result = munmap(memory, bytes);
    WR_ASSERT(result == 0);
}

// ---- words ----

void wr_host_wait_word(WEIR_UNUSED struct wr_environment *self, const uint32_t *word, uint32_t seen,
                       int64_t timeout_us)
{
    const struct timespec span = { .tv_sec  = (time_t)(timeout_us / 1000000),
                                   .tv_nsec = (long)(timeout_us % 1000000) * 1000 };
    const long            result =
        syscall(SYS_futex, word, FUTEX_WAIT, seen, timeout_us < 0 ? NULL : &span, NULL, 0);
    WR_ASSERT(result == 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT);
}

void wr_host_wake_word(WEIR_UNUSED struct wr_environment *self, const uint32_t *word)
{
    const long woken = syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    WR_ASSERT(woken >= 0);
}

// ---- machine and process ----

static uint64_t boot_number;

// Where the kernel does not say, each process counts as a boot of its own: it trusts no memory that
// another one left.
static void boot_read(void)
{
    char      text[64];
    const int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t   got  = file < 0 ? 0 : read(file, text, sizeof(text));
    if (file >= 0) {
        close(file);
    }
    if (got <= 0) {
        got = getrandom(text, 16, 0);
        WR_ASSERT(got == 16);
    }
    boot_number = wr_hash_bytes(text, (size_t)got, 0);
    boot_number = boot_number == 0 ? 1 : boot_number;
}

uint64_t wr_host_boot(WEIR_UNUSED struct wr_environment *self)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, boot_read);
    return boot_number;
}

uint32_t wr_host_process(WEIR_UNUSED struct wr_environment *self) { return (uint32_t)getpid(); }

// What proc(5) says in the file of that name about a process; "" if there is none.
static void proc_read(uint32_t process, const char *name, char *text, size_t bytes)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/%s", process, name);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t   got  = 0;
    if (file >= 0) {
        got = read(file, text, bytes - 1);
        close(file);
    }
    text[got > 0 ? got : 0] = 0;
}

// SIGKILL waits for the first thread, or that one ends already (the kernel's PF_EXITING; as a
// zombie too, while others of its threads are still under way).
bool wr_host_is_ending(WEIR_UNUSED struct wr_environment *self, uint32_t process)
{
    enum { FLAGS_WORD = 7, EXITING = 0x4 }; // words after the name, which is in brackets
    char text[4096];
    proc_read(process, "status", text, sizeof(text));
    const char *const pending = strstr(text, "\nSigPnd:");
    if (pending != NULL &&
        (strtoull(pending + strlen("\nSigPnd:"), NULL, 16) & (1ull << (SIGKILL - 1))) != 0) {
        return true;
    }
    proc_read(process, "stat", text, sizeof(text));
    const char *at = strrchr(text, ')');
    for (uint32_t word = 0; at != NULL && word < FLAGS_WORD; word++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL && (strtoull(at, NULL, 10) & EXITING) != 0;
}
