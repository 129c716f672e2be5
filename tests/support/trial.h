// What the programs that try many random cases share: a seed that is printed and can be given
// again, a size, and a watchdog.
//
//   program [SEED]          the seed of an earlier run; else a new one
//   WEIR_TEST_SIZE=small | normal | full
#ifndef TRIAL_H
#define TRIAL_H

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// ---- random: splitmix64 ----

struct trial_random {
    uint64_t state;
};

static inline uint64_t trial_next(struct trial_random *random)
{
    uint64_t x = random->state += 0x9e3779b97f4a7c15u;
    x          = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x          = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

// A number of [0, below).
static inline uint32_t trial_below(struct trial_random *random, uint32_t below)
{
    return (uint32_t)(trial_next(random) % below);
}

static inline bool trial_one_in(struct trial_random *random, uint32_t count)
{
    return trial_below(random, count) == 0;
}

// ---- seed and size ----

static inline uint64_t trial_seed(int argc, char **argv)
{
    uint64_t seed;
    if (argc > 1) {
        seed = strtoull(argv[1], NULL, 0);
    } else {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed =
            (uint64_t)now.tv_sec * 1000000007u ^ (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 40;
        seed %= 1000000000u; // short enough to type
    }
    printf("seed: %" PRIu64 "\n", seed);
    fflush(stdout);
    return seed;
}

static inline uint64_t trial_size(uint64_t small, uint64_t normal, uint64_t full)
{
    const char *size = getenv("WEIR_TEST_SIZE");
    if (size != NULL && strcmp(size, "small") == 0) {
        return small;
    }
    return size != NULL && strcmp(size, "full") == 0 ? full : normal;
}

// ---- failing: the sentence, and the end of the program ----

#define TRIAL_CHECK(claim, ...)                                                                    \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            printf("%s:%d: not so: %s: ", __FILE__, __LINE__, #claim);                             \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            fflush(stdout);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

// ---- watchdog: ends the program when `progress` has not moved for two minutes ----

struct trial_watchdog {
    uint64_t  progress; // whoever moves adds to it; relaxed
    bool      is_done;
    pthread_t thread;
};

static inline void trial_progress(struct trial_watchdog *watchdog)
{
    __atomic_fetch_add(&watchdog->progress, 1, __ATOMIC_RELAXED);
}

static inline void *trial_watch(void *opaque)
{
    struct trial_watchdog *watchdog = opaque;
    uint64_t               seen     = UINT64_MAX;
    for (int quiet = 0; !__atomic_load_n(&watchdog->is_done, __ATOMIC_RELAXED); quiet++) {
        const uint64_t progress = __atomic_load_n(&watchdog->progress, __ATOMIC_RELAXED);
        quiet                   = progress == seen ? quiet : 0;
        seen                    = progress;
        TRIAL_CHECK(quiet < 2400, "nothing has moved for 120 s, after %" PRIu64 " steps", progress);
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    }
    return NULL;
}

static inline void trial_watchdog_start(struct trial_watchdog *watchdog)
{
    TRIAL_CHECK(pthread_create(&watchdog->thread, NULL, trial_watch, watchdog) == 0, "no thread");
}

static inline void trial_watchdog_stop(struct trial_watchdog *watchdog)
{
    __atomic_store_n(&watchdog->is_done, true, __ATOMIC_RELAXED);
    pthread_join(watchdog->thread, NULL);
}

#endif // TRIAL_H
