// Memory and the hash of the roof's tables.
#ifndef WEIR_BENCH_MEMORY_H
#define WEIR_BENCH_MEMORY_H

#include "bench/workloads.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SMALL_TABLE_BYTES ((size_t)256 << 10) // half a second-level cache
#define HUGE_PAGE_BYTES   ((size_t)2 << 20)

// Zeroed and touched, in huge pages where the system gives them; NULL when there is no memory.
// Freed by free().
static inline void *memory_take(size_t bytes)
{
    size_t rounded = (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    void  *memory  = aligned_alloc(HUGE_PAGE_BYTES, rounded);
    if (!memory)
        return NULL;
    madvise(memory, rounded, MADV_HUGEPAGE);
    memset(memory, 0, rounded);
    return memory;
}

// A 64-bit hash that mixes any keys well, whatever their range: one wide multiplication, folded.
static inline uint64_t key_hash(uint64_t key)
{
    return workload_fold(key ^ UINT64_C(0x2d358dccaa6c78a5), UINT64_C(0x9e3779b97f4a7c15));
}

// The slot a search for a hash starts at, of any number of them below 2^32. The low half decides
// here; the high half decides the owner.
static inline uint64_t slot_of(uint64_t hash, uint64_t slots)
{
    return ((uint64_t)(uint32_t)hash * slots) >> 32;
}

// How many slots to take for `keys` keys: one in eight is used where such a table fits the
// second-level cache, since there a search that misses at first costs more than the space (at 1,000
// keys 10.5 ns a payment, its making included, against 14.2 for one in two); one in two elsewhere.
static inline uint64_t slots_for(uint64_t keys, size_t slot_bytes)
{
    uint64_t roomy = keys * 8 + 64;
    return roomy * slot_bytes <= SMALL_TABLE_BYTES ? roomy : keys * 2 + 64;
}

// What is impossible with this data: the roof says so and stops, rather than count wrong.
static inline void roof_require(int holds)
{
    if (__builtin_expect(!holds, 0))
        abort();
}

#endif
