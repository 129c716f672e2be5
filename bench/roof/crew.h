// A crew: N threads pinned to CPUs that set up, meet, start the clock together and work.
#ifndef WEIR_BENCH_CREW_H
#define WEIR_BENCH_CREW_H

#include <stdbool.h>

#define CREW_MAX_THREADS 32

// What one member does. Each callback runs on the member's own thread, so that it touches its own
// memory first.
struct crew_work {
    bool (*prepare)(void    *job,
                    unsigned self); // before the clock; false when there is no memory. May be NULL
    void (*work)(void *job, unsigned self); // on the clock
    void *job;
};

// Runs the work on `threads` threads, 1 to CREW_MAX_THREADS, each pinned to a CPU of its own where
// there are enough. Returns the seconds from the first member's start to the last one's end, or a
// negative number when it could not run.
double crew_run(unsigned threads, const struct crew_work *work);

// Waits a moment for another thread: a pause, and every now and then the CPU for whoever else wants
// it.
void crew_relax(unsigned *turns);

#endif
