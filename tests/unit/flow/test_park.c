#include "runtime/flow/flow.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <time.h>

static struct wr_park park;

static void init_park(void) { wr_park_init(&park); }

TestSuite(park, .init = init_park);

Test(park, is_awake_at_first) { cr_assert_not(wr_park_is_idle_any(&park)); }

Test(park, is_idle_once_announced)
{
    wr_park_announce(&park);
    cr_assert(wr_park_is_idle_any(&park));
}

Test(park, is_awake_again_when_cancelled)
{
    wr_park_announce(&park);
    wr_park_cancel(&park);
    cr_assert_not(wr_park_is_idle_any(&park));
}

Test(park, a_wake_between_announcing_and_waiting_is_kept, .timeout = 120)
{
    wr_park_announce(&park);
    wr_park_wake_any(&park);
    wr_park_wait(&park, -1);
    cr_assert_not(wr_park_is_idle_any(&park));
}

Test(park, a_wake_of_the_awake_is_forgotten)
{
    wr_park_wake_any(&park);
    wr_park_announce(&park);
    cr_assert(wr_park_is_idle_any(&park));
    wr_park_wait(&park, 1000);
}

Test(park, waiting_ends_when_the_time_is_up, .timeout = 120)
{
    wr_park_announce(&park);
    wr_park_wait(&park, 1000);
    cr_assert_not(wr_park_is_idle_any(&park));
}

Test(park, waiting_for_no_time_returns_at_once, .timeout = 120)
{
    wr_park_announce(&park);
    wr_park_wait(&park, 0);
    cr_assert_not(wr_park_is_idle_any(&park));
}

static void *wake_when_asleep(void *opaque)
{
    (void)opaque;
    while (__atomic_load_n(&park.word, __ATOMIC_RELAXED) != 2) {
        nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    }
    wr_park_wake_any(&park);
    return NULL;
}

Test(park, a_sleeper_is_woken, .timeout = 120)
{
    pthread_t waker;
    cr_assert_eq(pthread_create(&waker, NULL, wake_when_asleep, NULL), 0);
    wr_park_announce(&park);
    wr_park_wait(&park, -1);
    cr_assert_not(wr_park_is_idle_any(&park));
    pthread_join(waker, NULL);
}
