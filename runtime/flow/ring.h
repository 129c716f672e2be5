// A ring of pointers between two threads: one pushes, one pops. The only file that knows ck.
//
//      slots   | | | |c|.|.|.|p| | |      c: c_head, the popper's; p: p_tail, the pusher's
//
// Invariants
//   0 <= p_tail - c_head < slots: ck_ring holds one less than its slots
//   what is pushed at most is half the slots, see wr_ring_open: a push never fails
//
// Why slots are twice the pointers in circulation. ck 0.7.1 orders the popper's read of a slot
// before its new c_head by a store fence only, which is enough on x86 and not elsewhere. Here
// nothing leans on it. Let P pointers circulate through a pair of rings of S >= 2P slots. When push
// number n + S rewrites the slot of push n, at most P of the n + S pointers pushed before it are
// still out, so at least n + P of them have come back through the other ring, the last of those
// after the pop of number n + P - 1 >= n. That pop came after the read of slot n, and the other
// ring's hand-over orders both before the rewrite.
//
// ThreadSanitizer does not see ck's assembly. The pusher says __tsan_release on the slot between
// filling it and publishing it; the popper says __tsan_acquire on it between seeing it published
// and reading it. The marks are no memory order: they name the one that ck's fences make.
#ifndef WR_RING_H
#define WR_RING_H

#include "runtime/base/base.h"
#include "runtime/flow/look.h"

#include <ck_ring.h>

#if WR_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define WR_RING_ACQUIRED(slot) __tsan_acquire(slot)
#define WR_RING_RELEASES(slot) __tsan_release(slot)
#else
#define WR_RING_ACQUIRED(slot) ((void)(slot))
#define WR_RING_RELEASES(slot) ((void)(slot))
#endif

struct wr_ring {
    // The head and the tail have a cache line each inside it.
    _Alignas(WR_CACHE_LINE) struct ck_ring ring;
    struct ck_ring_buffer *slots;
};

// A ring through which at most `pointers` ever circulate.
static inline void wr_ring_open(struct wr_ring *ring, uint32_t pointers)
{
    uint32_t slots = 4; // ck wants a power of two
    while (slots < 2 * pointers) {
        slots *= 2;
    }
    ck_ring_init(&ring->ring, slots);
    ring->slots = wr_alloc_aligned(slots * sizeof(*ring->slots), WR_CACHE_LINE);
}

static inline void wr_ring_close(struct wr_ring *ring) { wr_free(ring->slots); }

// How many it holds: exact for its own two threads at rest, else a lower (popper) or upper (pusher)
// bound.
static inline uint32_t wr_ring_count(const struct wr_ring *ring)
{
    return ck_ring_size(&ring->ring);
}

// The pushing thread only.
static inline void wr_ring_push(struct wr_ring *ring, void *pointer)
{
    void **slot = ck_ring_enqueue_reserve_spsc(&ring->ring, ring->slots);
    WR_ASSERT(slot != NULL); // I1: slots are twice the pointers
    *slot = pointer;
    WR_RING_RELEASES(slot);
    // Its store fence stands between the slot, with all that was written before, and the new
    // p_tail. Pairs with the load fence of ck_ring_dequeue_spsc in wr_ring_pop.
    ck_ring_enqueue_commit_spsc(&ring->ring);
}

// The popping thread only. The oldest pointer, or NULL.
static inline void *wr_ring_pop(struct wr_ring *ring)
{
    if (wr_ring_count(ring) == 0) {
        return NULL;
    }
    WR_RING_ACQUIRED(&ring->slots[ring->ring.c_head & ring->ring.mask]);
    void *pointer = NULL;
    // Its load fence stands between p_tail and the slot, with all that is read through it after.
    // Pairs with the store fence of ck_ring_enqueue_commit_spsc in wr_ring_push.
    const bool is_popped = ck_ring_dequeue_spsc(&ring->ring, ring->slots, &pointer);
    WR_ASSERT(is_popped); // nobody else pops
    return pointer;
}

#endif // WR_RING_H
