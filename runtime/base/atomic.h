// Atomic loads and stores of plain fields, for the few files outside flow, run and watch that share
// memory between threads. Each use names its pair.
#ifndef WR_ATOMIC_H
#define WR_ATOMIC_H

#include <stdint.h>

// A value that stands for itself: it is seen whole, and says nothing about other memory.
static inline int64_t wr_load_relaxed(const int64_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}
static inline void wr_store_relaxed(int64_t *to, int64_t value)
{
    __atomic_store_n(to, value, __ATOMIC_RELAXED);
}

// Two threads that each store one field and then load the other's: at least one sees the store. A
// fence between relaxed ones would do, but ThreadSanitizer does not know fences.
static inline int64_t wr_load_in_order(const int64_t *from)
{
    return __atomic_load_n(from, __ATOMIC_SEQ_CST);
}
static inline void wr_store_in_order(int64_t *to, int64_t value)
{
    __atomic_store_n(to, value, __ATOMIC_SEQ_CST);
}

// A word in shared memory that is waited for: who sees it changed also sees what was written before
// it was. Pairs with the release of whoever changes it, in this process or another.
static inline uint32_t wr_load_word(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

#endif // WR_ATOMIC_H
