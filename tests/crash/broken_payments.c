// What makes the payments job break its word. It is linked with the job's objects, and HOW says
// what it does:
//
//   doubles   a start that finds checkpoints puts them away: what was shown is shown again
//   loses     a start that finds checkpoints puts the views away: what was shown is gone
//   retries   a sync that failed is called again, and that is trusted
//   nosync    nothing is synced
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool breaks_by(const char *how) { return strcmp(HOW, how) == 0; }

// ---- before main ----

static const char *value_of(int argc, char **argv, const char *option)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], option) == 0) {
            return argv[i + 1];
        }
    }
    return NULL;
}

static void put_away(const char *path)
{
    char aside[4096];
    (void)snprintf(aside, sizeof(aside), "%s-%ld", path, (long)getpid());
    (void)rename(path, aside);
}

// glibc hands the command line to constructors, too.
__attribute__((constructor)) static void before_main(int argc, char **argv)
{
    const char *checkpoints = value_of(argc, argv, "--checkpoints");
    const char *views       = value_of(argc, argv, "--output-log");
    if (checkpoints == NULL || views == NULL || access(checkpoints, F_OK) != 0) {
        return;
    }
    if (breaks_by("doubles")) {
        put_away(checkpoints);
    } else if (breaks_by("loses")) {
        put_away(views);
    }
}

// ---- instead of libc's ----

static int sync_by(long call, int file)
{
    if (breaks_by("nosync")) {
        return 0;
    }
    const int status = (int)syscall(call, file);
    return status != 0 && breaks_by("retries") ? (int)syscall(call, file) : status;
}

int fdatasync(int file) { return sync_by(SYS_fdatasync, file); }

int fsync(int file) { return sync_by(SYS_fsync, file); }
