// Two threads that each tell the other something and then look at what the other told:
//
//      one                                 the other
//      store word = "I am about to wait"   store data (ck's, or any)
//      ---- full fence ----                ---- full fence ----
//      look at the data                    look at the word
//
// With both fences at least one of them sees the other's store; without either, both stores may
// still sit in their processors' store buffers while both looks read the past, and the wake-up is
// lost. Acquire and release do not help: this is a store followed by a load.
//
// GCC's ThreadSanitizer refuses atomic_thread_fence; there a sequentially consistent
// read-modify-write of the word stands in, which is as strong on x86 and visible to it.
#ifndef WR_LOOK_H
#define WR_LOOK_H

#include <stdint.h>

#ifdef __SANITIZE_THREAD__
#define WR_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WR_TSAN 1
#endif
#endif
#ifndef WR_TSAN
#define WR_TSAN 0
#endif

// Stores `value`; what the caller looks at afterwards is looked at after the store.
// Pairs with the fence in wr_look_after_publishing.
static inline void wr_tell_before_looking(uint32_t *word, uint32_t value)
{
#if WR_TSAN
    (void)__atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
#else
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

// Loads the word after everything the caller stored before.
// Pairs with the fence in wr_tell_before_looking.
static inline uint32_t wr_look_after_publishing(uint32_t *word)
{
#if WR_TSAN
    return __atomic_fetch_add(word, 0, __ATOMIC_SEQ_CST);
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(word, __ATOMIC_RELAXED);
#endif
}

#endif // WR_LOOK_H
