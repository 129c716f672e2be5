// Where a worker sleeps: one futex word.
//
//                 announce              wait                    the kernel, or a wake
//      0 awake -------------> 1 announced -----> 2 asleep ---------------------------> 0
//                 ^                |
//                 +----------------+  cancel, or a wake
//
// Why no wake is lost. The owner announces and then looks; a waker publishes and then looks at the
// word (look.h). So either the owner's look finds the work, or the waker finds 1 or 2 and takes it
// to 0. From 1, the owner's way to 2 is a compare-and-swap from 1, which then fails; from 2, the
// kernel compares the word with 2 before it lets the owner sleep, and the waker wakes it after
// storing 0.
//
// Threads: announce, cancel and wait are the owner's; wake and is_idle are anybody's.
#include "runtime/flow/flow.h"
#include "runtime/flow/look.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { AWAKE = 0, ANNOUNCED = 1, ASLEEP = 2 };

// Returns when woken, when the word is not ASLEEP, when time is up, or on a signal.
static void park_sleep(uint32_t *word, int64_t timeout_us)
{
    struct timespec        span;
    const struct timespec *limit = NULL;
    if (timeout_us >= 0) {
        span.tv_sec  = (time_t)(timeout_us / 1000000);
        span.tv_nsec = (long)(timeout_us % 1000000) * 1000;
        limit        = &span;
    }
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, (uint32_t)ASLEEP, limit, NULL, 0);
}

void wr_park_init(struct wr_park *park) { __atomic_store_n(&park->word, AWAKE, __ATOMIC_RELAXED); }

void wr_park_announce(struct wr_park *park)
{
    WR_CHECK(__atomic_load_n(&park->word, __ATOMIC_RELAXED) == AWAKE);
    // Pairs with the look in wr_park_wake_any.
    wr_tell_before_looking(&park->word, ANNOUNCED);
}

void wr_park_cancel(struct wr_park *park)
{
    // A wake may have been here already; its word is the same.
    __atomic_store_n(&park->word, AWAKE, __ATOMIC_RELAXED);
}

void wr_park_wait(struct wr_park *park, int64_t timeout_us)
{
    uint32_t expected = ANNOUNCED;
    // Sequentially consistent with the exchange in wr_park_wake_any: whichever is first decides.
    if (__atomic_compare_exchange_n(&park->word, &expected, ASLEEP, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST)) {
        park_sleep(&park->word, timeout_us);
        // Pairs with the release in wr_park_wake_any: what the waker published is seen.
        (void)__atomic_exchange_n(&park->word, AWAKE, __ATOMIC_SEQ_CST);
    }
    WR_CHECK(expected != ASLEEP); // one owner
}

void wr_park_wake_any(struct wr_park *park)
{
    if (WR_LIKELY(wr_look_after_publishing(&park->word) == AWAKE)) {
        return;
    }
    // Of several wakers one gets ASLEEP, and only it pays for the call.
    if (__atomic_exchange_n(&park->word, AWAKE, __ATOMIC_SEQ_CST) == ASLEEP) {
        (void)syscall(SYS_futex, &park->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

bool wr_park_is_idle_any(struct wr_park *park)
{
    return __atomic_load_n(&park->word, __ATOMIC_RELAXED) != AWAKE;
}
