// One thread's share of the events: blocks self, self + threads, self + 2 threads, ... of
// SOURCE_BLOCK events.
//
// Each payment is written to memory with all its fields, whichever of them the workload reads, and
// then given to `consume`, all in one loop: the processor overlaps the making of one with the use
// of another, worth about 1 ns a payment in w1 against a loop for each. Everything a `consume`
// keeps in a local struct stays in registers.
#ifndef WEIR_BENCH_SOURCE_H
#define WEIR_BENCH_SOURCE_H

#include "bench/roof/roof.h"

#include <stddef.h>

#define SOURCE_BLOCK                                                                               \
    64 // payments asked for ahead in the tables; more would push each other out of the cache

#define SOURCE_INLINE static inline __attribute__((always_inline))

struct source {
    uint64_t next;
    uint64_t stride;
    uint64_t events;
    uint64_t keys;
    int64_t  newest; // event time of all payments made
    size_t   count;
    payment  payments[SOURCE_BLOCK];
};

static inline void source_init(struct source *s, const struct roof_options *options, unsigned self)
{
    s->next   = (uint64_t)self * SOURCE_BLOCK;
    s->stride = (uint64_t)options->threads * SOURCE_BLOCK;
    s->events = options->events;
    s->keys   = options->keys;
    s->newest = INT64_MIN + WORKLOAD_DELAY_US;
    s->count  = 0;
}

typedef void source_consume(void *to, const payment *p, size_t k);

SOURCE_INLINE void source_fill(struct source *s, uint64_t keys, source_consume *consume, void *to)
{
    int64_t newest = s->newest;
    for (size_t k = 0; k < s->count; k++) {
        payment *p = &s->payments[k];
        payment_make(p, s->next + k, keys);
        newest = p->event_time > newest ? p->event_time : newest;
        if (consume)
            consume(to, p, k);
    }
    s->newest = newest;
}

// Generates the next block into s->payments, giving each to `consume`, which may be NULL; false at
// the end. One loop for each number of keys in use, so that none divides; with the compiler's help
// one for each `consume`, too.
SOURCE_INLINE bool source_next(struct source *s, source_consume *consume, void *to)
{
    if (s->next >= s->events)
        return false;
    uint64_t left = s->events - s->next;
    s->count      = left < SOURCE_BLOCK ? (size_t)left : SOURCE_BLOCK;
    switch (s->keys) {
    case W2_FEW_KEYS: source_fill(s, W2_FEW_KEYS, consume, to); break;
    case W3_KEYS: source_fill(s, W3_KEYS, consume, to); break;
    case W2_MANY_KEYS: source_fill(s, W2_MANY_KEYS, consume, to); break;
    case W4_KEYS: source_fill(s, W4_KEYS, consume, to); break;
    default: source_fill(s, s->keys, consume, to); break;
    }
    // All of the block reaches memory: no store of it is dropped, though nobody reads it.
    __asm__ volatile("" : : "r"(s->payments) : "memory");
    s->next += s->stride;
    return true;
}

static inline int64_t source_watermark(const struct source *s)
{
    return s->newest - WORKLOAD_DELAY_US;
}

#endif
