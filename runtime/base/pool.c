// Memory in power-of-two blocks: a buddy system over chunks of 2 MiB.
//
//   chunk (2 MiB, aligned, huge if the system can, touched when it is taken from the system)
//   +-----------------------+-----------------------+--------
//   | 64 KiB                | 32 KiB    | 16 K |8|8 | ...        class c: 512 << c bytes
//   +-----------------------+-----------------------+--------
//
// Invariants: a block lies at a multiple of its own size; a bit in its chunk says that a block of a
// class is free, and then it is on that class's list; two free halves of a block of a class below
// the largest never stand beside each other (they are joined). Chunks go back when the pool closes.
// Larger blocks are mapped one by one, in pages.
//
// A pool whose blocks went to other owners (wr_pool_take_over) is left when it is closed: each of
// its chunks stays until its heirs have given back what lies in it.
//
// Under AddressSanitizer every free block is poisoned, and so is what a block has beyond the bytes
// asked for.

#include "runtime/base/base.h"

#include <pthread.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOL_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_POISONS 1
#endif
#endif
#ifdef POOL_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

#define CHUNK_BYTES ((size_t)2 << 20)
#define CLASS_COUNT 8u // 512 bytes to 64 KiB
#define SMALLEST    ((size_t)512)
#define LARGEST     (SMALLEST << (CLASS_COUNT - 1))
#define PAGE_BYTES  ((size_t)4096)

struct free_block {
    struct free_block *next;
    struct free_block *previous;
};

struct chunk {
    char    *memory;
    size_t   taken_bytes;                                       // by heirs
    uint64_t is_free[CLASS_COUNT][CHUNK_BYTES / SMALLEST / 64]; // bit i: block i of the class
};

struct wr_pool {
    struct free_block *free[CLASS_COUNT];
    size_t             used_bytes;
    size_t             budget_bytes;
    struct wr_spill   *spill;
    // The chunks by address: open addressing, at most half full.
    struct chunk **chunks;
    uint32_t       chunk_count;
    uint32_t       chunks_log2;
    // Pools from which blocks came that are this one's now.
    struct wr_pool **inherited;
    uint32_t         inherited_count;
    // Of one that was inherited from: heirs give at the same time as its owner does. Once it is
    // left nothing is taken from it, and a chunk goes with the last block in it.
    pthread_mutex_t lock;
    bool            was_inherited; // ever
    uint32_t        heirs;
    bool            is_left;
};

// ---- chunks ----

static uint32_t chunk_place(const struct wr_pool *pool, const void *memory)
{
    const uint64_t number = (uint64_t)(uintptr_t)memory / CHUNK_BYTES;
    return (uint32_t)(wr_mix64(number, 0) >> (64 - pool->chunks_log2));
}

// NULL: it is not a block of this pool's chunks.
static struct chunk *chunk_find(const struct wr_pool *pool, const void *block)
{
    char *const memory = (char *)((uintptr_t)block & ~(uintptr_t)(CHUNK_BYTES - 1));
    uint32_t    at     = chunk_place(pool, memory);
    while (pool->chunks[at] != NULL && pool->chunks[at]->memory != memory) {
        at = (at + 1) & ((1u << pool->chunks_log2) - 1);
    }
    return pool->chunks[at];
}

static struct chunk *chunk_of(const struct wr_pool *pool, const void *block)
{
    struct chunk *const chunk = chunk_find(pool, block);
    WR_ASSERT(chunk != NULL);
    return chunk;
}

static void chunk_enter(struct wr_pool *pool, struct chunk *chunk)
{
    uint32_t at = chunk_place(pool, chunk->memory);
    while (pool->chunks[at] != NULL) {
        at = (at + 1) & ((1u << pool->chunks_log2) - 1);
    }
    pool->chunks[at] = chunk;
}

static void chunks_reserve(struct wr_pool *pool)
{
    if (2 * (pool->chunk_count + 1) <= 1u << pool->chunks_log2) {
        return;
    }
    struct chunk **const old       = pool->chunks;
    const uint32_t       old_count = 1u << pool->chunks_log2;
    pool->chunks_log2++;
    pool->chunks = wr_alloc(sizeof(struct chunk *) << pool->chunks_log2);
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i] != NULL) {
            chunk_enter(pool, old[i]);
        }
    }
    wr_free(old);
}

static void *map_pages(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

// A mapping of 2 MiB at a multiple of 2 MiB: one of twice the size, with its ends cut off.
static char *chunk_map(void)
{
    char *memory = map_pages(2 * CHUNK_BYTES);
    if (memory == NULL) {
        return NULL;
    }
    const size_t before = (size_t)(-(uintptr_t)memory & (CHUNK_BYTES - 1));
    if (before > 0) {
        munmap(memory, before);
    }
    munmap(memory + before + CHUNK_BYTES, CHUNK_BYTES - before);
    return memory + before;
}

static void touch(char *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    if (bytes >= CHUNK_BYTES) {
        madvise(memory, bytes, MADV_HUGEPAGE);
    }
#endif
    for (size_t at = 0; at < bytes; at += PAGE_BYTES) {
        *(volatile char *)(memory + at) = 0;
    }
}

// ---- free blocks ----

static size_t block_number(const struct chunk *chunk, uint32_t class, const void *block)
{
    return (size_t)((const char *)block - chunk->memory) / (SMALLEST << class);
}

static bool is_free(const struct chunk *chunk, uint32_t class, const void *block)
{
    const size_t number = block_number(chunk, class, block);
    return (chunk->is_free[class][number / 64] >> number % 64 & 1) != 0;
}

static void flip_free(struct chunk *chunk, uint32_t class, const void *block)
{
    const size_t number = block_number(chunk, class, block);
    chunk->is_free[class][number / 64] ^= (uint64_t)1 << number % 64;
}

static void free_push(struct wr_pool *pool, struct chunk *chunk, uint32_t class, void *block)
{
    struct free_block *const first = pool->free[class];
    struct free_block *const added = block;
    flip_free(chunk, class, block);
    ASAN_UNPOISON_MEMORY_REGION(added, sizeof(*added));
    *added            = (struct free_block){ .next = first };
    pool->free[class] = added;
    if (first != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(first, sizeof(*first));
        first->previous = added;
        ASAN_POISON_MEMORY_REGION(first, sizeof(*first));
    }
    ASAN_POISON_MEMORY_REGION(block, SMALLEST << class);
}

static void free_remove(struct wr_pool *pool, struct chunk *chunk, uint32_t class, void *block)
{
    flip_free(chunk, class, block);
    ASAN_UNPOISON_MEMORY_REGION(block, sizeof(struct free_block));
    const struct free_block links = *(struct free_block *)block;
    if (links.previous != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(links.previous, sizeof(struct free_block));
        links.previous->next = links.next;
        ASAN_POISON_MEMORY_REGION(links.previous, sizeof(struct free_block));
    } else {
        pool->free[class] = links.next;
    }
    if (links.next != NULL) {
        ASAN_UNPOISON_MEMORY_REGION(links.next, sizeof(struct free_block));
        links.next->previous = links.previous;
        ASAN_POISON_MEMORY_REGION(links.next, sizeof(struct free_block));
    }
    ASAN_POISON_MEMORY_REGION(block, sizeof(struct free_block));
}

static bool pool_add_chunk(struct wr_pool *pool)
{
    char *const memory = chunk_map();
    if (memory == NULL) {
        return false;
    }
    touch(memory, CHUNK_BYTES);
    chunks_reserve(pool);
    struct chunk *const chunk = wr_alloc(sizeof(*chunk));
    chunk->memory             = memory;
    chunk_enter(pool, chunk);
    pool->chunk_count++;
    for (size_t at = CHUNK_BYTES; at > 0; at -= LARGEST) { // so that the first comes out first
        free_push(pool, chunk, CLASS_COUNT - 1, memory + at - LARGEST);
    }
    return true;
}

static uint32_t class_of(size_t bytes)
{
    uint32_t class = 0;
    while (SMALLEST << class < bytes) {
        class ++;
    }
    return class;
}

static void *take_class(struct wr_pool *pool, uint32_t class)
{
    uint32_t from = class;
    while (from < CLASS_COUNT && pool->free[from] == NULL) {
        from++;
    }
    if (from == CLASS_COUNT) {
        if (!pool_add_chunk(pool)) {
            return NULL;
        }
        from = CLASS_COUNT - 1;
    }
    char *const         block = (char *)pool->free[from];
    struct chunk *const chunk = chunk_of(pool, block);
    free_remove(pool, chunk, from, block);
    while (from > class) {
        from--;
        free_push(pool, chunk, from, block + (SMALLEST << from));
    }
    return block;
}

static void give_class(struct wr_pool *pool, struct chunk *chunk, uint32_t class, char *block)
{
    WR_ASSERT((size_t)(block - chunk->memory) % (SMALLEST << class) == 0);
    for (; class < CLASS_COUNT - 1; class ++) {
        const size_t at    = (size_t)(block - chunk->memory);
        char *const  buddy = chunk->memory + (at ^ (SMALLEST << class));
        if (!is_free(chunk, class, buddy)) {
            break;
        }
        free_remove(pool, chunk, class, buddy);
        block = buddy < block ? buddy : block;
    }
    WR_ASSERT(!is_free(chunk, class, block)); // not given twice
    free_push(pool, chunk, class, block);
}

// ---- the pool ----

struct wr_pool *wr_pool_open(size_t budget_bytes)
{
    struct wr_pool *const pool = wr_alloc(sizeof(*pool));
    pool->budget_bytes         = budget_bytes;
    pool->chunks_log2          = 3;
    pool->chunks               = wr_alloc(sizeof(struct chunk *) << pool->chunks_log2);
    (void)pthread_mutex_init(&pool->lock, NULL);
    return pool;
}

// Its place stays taken, by a chunk without memory, so that others are found behind it.
static void chunk_unmap(struct wr_pool *pool, struct chunk *chunk)
{
    ASAN_UNPOISON_MEMORY_REGION(chunk->memory, CHUNK_BYTES);
    munmap(chunk->memory, CHUNK_BYTES);
    chunk->memory = NULL;
    pool->chunk_count--;
}

static void unmap_unused(struct wr_pool *pool)
{
    for (uint32_t i = 0; i < 1u << pool->chunks_log2; i++) {
        struct chunk *const chunk = pool->chunks[i];
        if (chunk != NULL && chunk->memory != NULL && chunk->taken_bytes == 0) {
            chunk_unmap(pool, chunk);
        }
    }
}

static void pool_free(struct wr_pool *pool)
{
    unmap_unused(pool);
    WR_ASSERT(pool->chunk_count == 0);
    for (uint32_t i = 0; i < 1u << pool->chunks_log2; i++) {
        wr_free(pool->chunks[i]);
    }
    (void)pthread_mutex_destroy(&pool->lock);
    wr_free((void *)(uintptr_t)pool->inherited);
    wr_free(pool->chunks);
    wr_free(pool);
}

// ---- heirs ----

static void pool_inherit_one(struct wr_pool *pool, struct wr_pool *from)
{
    for (uint32_t i = 0; i < pool->inherited_count; i++) {
        if (pool->inherited[i] == from) {
            return;
        }
    }
    pool->inherited =
        wr_realloc((void *)(uintptr_t)pool->inherited, (pool->inherited_count + 1) * sizeof(from));
    pool->inherited[pool->inherited_count++] = from;
    (void)pthread_mutex_lock(&from->lock);
    from->heirs++;
    from->was_inherited = true;
    (void)pthread_mutex_unlock(&from->lock);
}

void wr_pool_inherit(struct wr_pool *pool, struct wr_pool *from)
{
    pool_inherit_one(pool, from);
    for (uint32_t i = 0; i < from->inherited_count; i++) {
        struct wr_pool *const before = from->inherited[i];
        (void)pthread_mutex_lock(&before->lock);
        const bool is_empty = before->is_left && before->chunk_count == 0;
        (void)pthread_mutex_unlock(&before->lock);
        if (!is_empty) {
            pool_inherit_one(pool, before);
        }
    }
}

static void pool_disinherit(struct wr_pool *pool)
{
    for (uint32_t i = 0; i < pool->inherited_count; i++) {
        struct wr_pool *from = pool->inherited[i];
        (void)pthread_mutex_lock(&from->lock);
        const bool is_last = --from->heirs == 0 && from->is_left;
        (void)pthread_mutex_unlock(&from->lock);
        if (is_last) {
            pool_free(from);
        }
    }
    pool->inherited_count = 0;
}

// To the chunk it came from, of which this pool was an heir.
static void give_inherited(const struct wr_pool *pool, uint32_t class, char *block)
{
    for (uint32_t i = 0; i < pool->inherited_count; i++) {
        struct wr_pool *from = pool->inherited[i];
        (void)pthread_mutex_lock(&from->lock);
        struct chunk *const chunk = chunk_find(from, block);
        if (chunk != NULL) {
            WR_ASSERT(chunk->taken_bytes >= SMALLEST << class);
            chunk->taken_bytes -= SMALLEST << class;
            if (!from->is_left) {
                give_class(from, chunk, class, block);
            } else if (chunk->taken_bytes == 0) {
                chunk_unmap(from, chunk);
            }
        }
        (void)pthread_mutex_unlock(&from->lock);
        if (chunk != NULL) {
            return;
        }
    }
    WR_ASSERT(false); // a block of no pool
}

void wr_pool_close(struct wr_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    WR_CHECK(pool->used_bytes == 0); // every block is back
    pool_disinherit(pool);
    (void)pthread_mutex_lock(&pool->lock);
    const bool has_heirs = pool->heirs > 0;
    pool->is_left        = true;
    unmap_unused(pool);
    (void)pthread_mutex_unlock(&pool->lock);
    if (!has_heirs) {
        pool_free(pool);
    }
}

static size_t block_bytes(size_t bytes)
{
    return bytes > LARGEST ? wr_round_up(bytes, PAGE_BYTES) : SMALLEST << class_of(bytes);
}

void *wr_pool_take(struct wr_pool *pool, size_t bytes)
{
    const size_t whole = block_bytes(bytes);
    if (pool->budget_bytes != 0 &&
        (whole > pool->budget_bytes || pool->used_bytes > pool->budget_bytes - whole)) {
        return NULL;
    }
    return wr_pool_take_beyond(pool, bytes);
}

void *wr_pool_take_beyond(struct wr_pool *pool, size_t bytes)
{
    const size_t whole = block_bytes(bytes);
    void *const  block = whole > LARGEST ? map_pages(whole) : take_class(pool, class_of(bytes));
    if (block != NULL) {
        pool->used_bytes += whole;
        if (whole > LARGEST) {
            touch(block, whole);
        }
        ASAN_UNPOISON_MEMORY_REGION(block, bytes);
    }
    return block;
}

void wr_pool_give(struct wr_pool *pool, void *block, size_t bytes)
{
    if (block == NULL) {
        return;
    }
    const size_t whole = block_bytes(bytes);
    WR_ASSERT(pool->used_bytes >= whole);
    pool->used_bytes -= whole;
    if (whole > LARGEST) {
        munmap(block, whole);
        return;
    }
    struct chunk *const chunk = chunk_find(pool, block);
    if (chunk == NULL) {
        give_inherited(pool, class_of(bytes), block);
    } else if (pool->was_inherited) {
        (void)pthread_mutex_lock(&pool->lock);
        give_class(pool, chunk, class_of(bytes), block);
        (void)pthread_mutex_unlock(&pool->lock);
    } else {
        give_class(pool, chunk, class_of(bytes), block);
    }
}

void wr_pool_take_over(struct wr_pool *pool, struct wr_pool *from, const void *block, size_t bytes)
{
    const size_t whole = block_bytes(bytes);
    WR_ASSERT(from->used_bytes >= whole);
    from->used_bytes -= whole;
    pool->used_bytes += whole;
    if (whole > LARGEST) {
        return;
    }
    WR_ASSERT(pool->inherited_count > 0);
    struct chunk *const chunk = chunk_find(from, block);
    if (chunk != NULL) {
        chunk->taken_bytes += whole;
    }
}

bool wr_pool_reserve(struct wr_pool *pool, size_t bytes)
{
    while (pool->chunk_count * CHUNK_BYTES < bytes) {
        if (!pool_add_chunk(pool)) {
            return false;
        }
    }
    return true;
}

size_t wr_pool_used_bytes(const struct wr_pool *pool) { return pool->used_bytes; }

size_t wr_pool_budget_bytes(const struct wr_pool *pool) { return pool->budget_bytes; }

void wr_pool_set_spill(struct wr_pool *pool, struct wr_spill *spill) { pool->spill = spill; }

struct wr_spill *wr_pool_spill(const struct wr_pool *pool) { return pool->spill; }
