// A fixed schedule: event i is due at start + i / rate, whatever became of the events before it. An
// event's time is the moment it was due, so a pause of whoever is measured shows in every event it
// delayed.
#ifndef WEIR_BENCH_PACER_H
#define WEIR_BENCH_PACER_H

#include "bench/harness/clock.h"

#include <stdbool.h>
#include <time.h>

struct pacer {
    int64_t start_ns; // on the clock of clock_now_ns
    int64_t events_per_second;
};

// Starts at the next whole second, so that windows of whole divisors of a second begin with the
// first event.
static inline void pacer_start(struct pacer *p, int64_t events_per_second)
{
    p->start_ns          = (clock_now_ns() / 1000000000 + 1) * 1000000000;
    p->events_per_second = events_per_second;
}

// When event `i` is due. Whole seconds apart, so that no product overflows.
static inline int64_t pacer_due_ns(const struct pacer *p, int64_t i)
{
    int64_t second = i / p->events_per_second, rest = i % p->events_per_second;
    return p->start_ns + second * 1000000000 + rest * 1000000000 / p->events_per_second;
}

// Returns the time now once event `i` is due. Spinning, it is the platform alone that is late;
// sleeping, the timer too, and the CPU is free between the events.
static inline int64_t pacer_wait(const struct pacer *p, int64_t i, bool is_sleeping)
{
    int64_t due_ns = pacer_due_ns(p, i);
    int64_t now_ns = clock_now_ns();
    while (now_ns < due_ns) {
        struct timespec until = { .tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000 };
        if (is_sleeping)
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        now_ns = clock_now_ns();
    }
    return now_ns;
}

#endif
