// Threads of a roof. The barrier separates preparing from working; each member notes its own start
// and end.

#include "bench/roof/crew.h"

#include "bench/harness/clock.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

struct member {
    pthread_t    thread;
    unsigned     self;
    bool         is_ready;
    struct crew *crew;
    int64_t      start_ns;
    int64_t      end_ns;
};

struct crew {
    const struct crew_work *work;
    unsigned                threads;
    pthread_barrier_t       prepared;
    struct member           members[CREW_MAX_THREADS];
};

// Pins the calling thread to the self-th of the CPUs this process may use; only a wish.
static void member_pin(unsigned self)
{
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    unsigned turn = self % (unsigned)CPU_COUNT(&allowed);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || turn-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        pthread_setaffinity_np(pthread_self(), sizeof one, &one);
        return;
    }
}

static bool crew_is_ready(const struct crew *crew)
{
    for (unsigned t = 0; t < crew->threads; t++)
        if (!crew->members[t].is_ready)
            return false;
    return true;
}

static void *member_main(void *argument)
{
    struct member          *m    = argument;
    const struct crew_work *work = m->crew->work;
    member_pin(m->self);
    m->is_ready = !work->prepare || work->prepare(work->job, m->self);
    pthread_barrier_wait(&m->crew->prepared);
    if (!crew_is_ready(m->crew))
        return NULL;
    m->start_ns = clock_now_ns();
    work->work(work->job, m->self);
    m->end_ns = clock_now_ns();
    return NULL;
}

static double crew_seconds(const struct crew *crew)
{
    int64_t start_ns = INT64_MAX, end_ns = INT64_MIN;
    for (unsigned t = 0; t < crew->threads; t++) {
        const struct member *m = &crew->members[t];
        start_ns               = m->start_ns < start_ns ? m->start_ns : start_ns;
        end_ns                 = m->end_ns > end_ns ? m->end_ns : end_ns;
    }
    return (double)(end_ns - start_ns) / 1e9;
}

double crew_run(unsigned threads, const struct crew_work *work)
{
    struct crew crew = { .work = work, .threads = threads };
    if (threads < 1 || threads > CREW_MAX_THREADS)
        return -1;
    if (pthread_barrier_init(&crew.prepared, NULL, threads) != 0)
        return -1;
    // A thread that cannot be started would leave the others at the barrier for ever; nothing of it
    // can be undone.
    for (unsigned t = 0; t < threads; t++) {
        crew.members[t] = (struct member){ .self = t, .crew = &crew };
        if (pthread_create(&crew.members[t].thread, NULL, member_main, &crew.members[t]) != 0)
            __builtin_trap();
    }
    for (unsigned t = 0; t < threads; t++)
        pthread_join(crew.members[t].thread, NULL);
    pthread_barrier_destroy(&crew.prepared);
    return crew_is_ready(&crew) ? crew_seconds(&crew) : -1;
}

void crew_relax(unsigned *turns)
{
    if (++*turns % 64 == 0)
        sched_yield();
    else
        __builtin_ia32_pause();
}
