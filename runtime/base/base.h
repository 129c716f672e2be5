// base: what everything else stands on.
//
//   assertions   WR_ASSERT always on and O(1); WR_CHECK in debug builds; WR_DEEP walks structures
//   hash         one strong 64-bit mix; the hash of a key decides its task, directory and slot
//   pool         memory taken in power-of-two blocks against a budget
//   environment  every outside effect: clock, random, files, the network; real or simulated
//
// Thread rule: nothing here is shared between threads unless its name ends in _any.
#ifndef WR_BASE_H
#define WR_BASE_H

#include <weir/event_time.h>
#include <weir/status.h>
#include <weir/str.h>

#ifndef WEIR_CHECKS
#define WEIR_CHECKS 0
#endif

// ---- assertions: a broken invariant ends the process with its place and its claim ----

_Noreturn void wr_assert_failed(const char *claim, const char *file, int line);

#define WR_ASSERT(claim) ((claim) ? (void)0 : wr_assert_failed(#claim, __FILE__, __LINE__))
#if WEIR_CHECKS >= 1
#define WR_CHECK(claim) WR_ASSERT(claim)
#else
#define WR_CHECK(claim) ((void)0)
#endif
#if WEIR_CHECKS >= 2
#define WR_DEEP(claim) WR_ASSERT(claim)
#else
#define WR_DEEP(claim) ((void)0)
#endif

#define WR_LIKELY(x)       __builtin_expect(!!(x), 1)
#define WR_UNLIKELY(x)     __builtin_expect(!!(x), 0)
#define WR_CACHE_LINE      64
#define WR_COUNT_OF(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

static inline size_t wr_round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

// ---- control-plane memory: ends the process with a sentence when there is none ----

void *wr_alloc(size_t bytes);                               // zeroed; free with wr_free
void *wr_alloc_aligned(size_t bytes, size_t to);            // zeroed; free with wr_free
void *wr_alloc_unset(size_t bytes, size_t to);              // aligned, not zeroed; wr_free frees it
void *wr_realloc(void *memory, size_t bytes);               // new bytes are not zeroed
char *wr_format(const char *format, ...) WEIR_PRINTF(1, 2); // a new string; free with wr_free
char *wr_copy_text(const char *text);                       // NULL stays NULL
void  wr_free(void *memory);

// ---- hash ----

// The splitmix64 finaliser over value + seed: every input bit moves every output bit.
static inline uint64_t wr_mix64(uint64_t value, uint64_t seed)
{
    uint64_t x = value + seed + 0x9e3779b97f4a7c15u;
    x          = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x          = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t wr_hash_bytes(const void *bytes, size_t length, uint64_t seed); // XXH3 with a seed

// ---- pool: blocks of memory against a budget ----
//
// Blocks of 512 bytes to 64 KiB come in powers of two from touched chunks; larger ones straight
// from the system. Owned by one thread; who took blocks over gives them back on its own. Out of
// budget: NULL, and the owner decides what that means.

struct wr_pool;

struct wr_pool *wr_pool_open(size_t budget_bytes); // 0: no limit
void            wr_pool_close(struct wr_pool *pool);
void           *wr_pool_take(struct wr_pool *pool, size_t bytes); // 64-byte aligned, not zeroed
void           *wr_pool_take_beyond(struct wr_pool *pool, size_t bytes); // whatever the budget
void wr_pool_give(struct wr_pool *pool, void *block, size_t bytes); // the bytes it was taken with
// Blocks of `from`, and those it has taken over itself, may be taken over by `pool` from here on.
// `from` may be closed before they are given back: each 2 MiB of it go with the last of them. The
// owners of both wait, here and in wr_pool_take_over.
void wr_pool_inherit(struct wr_pool *pool, struct wr_pool *from);
// The block is `pool`'s from here on, which may go past its budget by it, and is given to that one.
void wr_pool_take_over(struct wr_pool *pool, struct wr_pool *from, const void *block, size_t bytes);
size_t wr_pool_budget_bytes(const struct wr_pool *pool); // 0: no limit
size_t wr_pool_used_bytes(const struct wr_pool *pool);   // in blocks taken and not given back

// What makes room in the pool, state/spill.h; NULL until it is set: nothing does.
struct wr_spill;
void             wr_pool_set_spill(struct wr_pool *pool, struct wr_spill *spill);
struct wr_spill *wr_pool_spill(const struct wr_pool *pool);

// Takes memory from the system now, and touches it, until the pool holds `bytes` in all: getting it
// later costs the record path milliseconds. False: the system has no more.
bool wr_pool_reserve(struct wr_pool *pool, size_t bytes);

#endif // WR_BASE_H
