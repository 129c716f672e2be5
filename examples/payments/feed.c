#include "feed.h"

#include "generate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_PROCESSES = 2, PIPE_BYTES = 1 << 20 };

static pid_t processes[MOST_PROCESSES];
static int   process_count;

static int run_generator(const payments_feed *feed)
{
    // Never written to: they are char * because main's are.
    static char name[] = "generate", events[] = "--events", seed[] = "--seed";
    char       *arguments[6] = { name, NULL, NULL, NULL, NULL, NULL };
    int         count        = 1;
    if (feed->events != NULL) {
        arguments[count++] = events;
        arguments[count++] = (char *)(uintptr_t)feed->events;
    }
    if (feed->seed != NULL) {
        arguments[count++] = seed;
        arguments[count++] = (char *)(uintptr_t)feed->seed;
    }
    return payments_generate(count, arguments);
}

// In the new process: its output is the pipe, and it does not outlive its parent.
static void become(int (*work)(const payments_feed *feed), const payments_feed *feed,
                   const int *ends)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(ends[1], STDOUT_FILENO);
    (void)close(ends[0]);
    (void)close(ends[1]);
    const int code = work(feed);
    (void)fflush(stdout);
    _exit(code);
}

// Starts a process that does `work`; what it writes is the standard input from now on.
static bool add_process(int (*work)(const payments_feed *feed), const payments_feed *feed)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return false;
    }
    (void)fcntl(ends[1], F_SETPIPE_SZ, (int)PIPE_BYTES);
    const pid_t process = fork();
    if (process == 0) {
        become(work, feed, ends);
    }
    if (process > 0) {
        processes[process_count++] = process;
        (void)dup2(ends[0], STDIN_FILENO);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    return process > 0;
}

bool payments_feed_start(const payments_feed *feed)
{
    if ((feed->input == NULL && !add_process(run_generator, feed)) ||
        (feed->speed > 0 && !add_process(payments_pace, feed))) {
        (void)fprintf(stderr, "payments produce: cannot start a process: %s\n", strerror(errno));
        return false;
    }
    return true;
}

bool payments_feed_end(void)
{
    bool is_good = true;
    for (int i = 0; i < process_count; i++) {
        int status = 0;
        // One that has written all has ended already: the job saw the end of the pipe.
        (void)kill(processes[i], SIGTERM);
        if (waitpid(processes[i], &status, 0) == processes[i] && WIFEXITED(status) &&
            WEXITSTATUS(status) != 0) {
            is_good = false;
        }
    }
    process_count = 0;
    return is_good;
}
