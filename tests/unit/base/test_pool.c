// The pool: blocks against a budget.
#include "runtime/base/base.h"

#include <criterion/criterion.h>

static struct wr_pool *pool;

static void open_pool(void) { pool = wr_pool_open(128 << 10); }
static void close_pool(void) { wr_pool_close(pool); }

TestSuite(pool, .init = open_pool, .fini = close_pool);

Test(pool, gives_blocks_of_a_power_of_two)
{
    void *const small = wr_pool_take(pool, 512);
    cr_assert_eq(wr_pool_used_bytes(pool), 512);
    void *const larger = wr_pool_take(pool, 513);
    cr_assert_eq(wr_pool_used_bytes(pool), 512 + 1024);
    wr_pool_give(pool, small, 512);
    wr_pool_give(pool, larger, 513);
    cr_assert_eq(wr_pool_used_bytes(pool), 0);
}

Test(pool, aligns_blocks_to_cache_lines)
{
    for (size_t bytes = 1; bytes <= 64 << 10; bytes = 3 * bytes + 1) {
        void *const block = wr_pool_take(pool, bytes);
        cr_assert_eq((uintptr_t)block % WR_CACHE_LINE, 0);
        wr_pool_give(pool, block, bytes);
    }
}

Test(pool, gives_up_to_its_budget)
{
    void *const block = wr_pool_take(pool, 128 << 10);
    cr_assert_not_null(block);
    cr_assert_null(wr_pool_take(pool, 1));
    wr_pool_give(pool, block, 128 << 10);
}

Test(pool, refuses_a_block_beyond_its_budget)
{
    cr_assert_null(wr_pool_take(pool, (128 << 10) + 1));
    cr_assert_eq(wr_pool_used_bytes(pool), 0);
}

Test(pool, gives_again_what_it_got_back)
{
    void *const first = wr_pool_take(pool, 64 << 10);
    wr_pool_give(pool, first, 64 << 10);
    void *const second = wr_pool_take(pool, 64 << 10);
    cr_assert_eq(first, second);
    wr_pool_give(pool, second, 64 << 10);
}

Test(pool, joins_small_blocks_to_larger_ones)
{
    char *blocks[128];
    for (uint32_t i = 0; i < 128; i++) {
        blocks[i] = wr_pool_take(pool, 512);
    }
    char *const first = blocks[0];
    for (uint32_t i = 0; i < 128; i++) {
        cr_assert(blocks[i] >= first && blocks[i] < first + (64 << 10));
        wr_pool_give(pool, blocks[i], 512);
    }
    char *const whole = wr_pool_take(pool, 64 << 10);
    cr_assert_eq(whole, first);
    wr_pool_give(pool, whole, 64 << 10);
}

Test(pool, keeps_blocks_apart)
{
    char *const a = wr_pool_take(pool, 2000);
    char *const b = wr_pool_take(pool, 3000);
    memset(a, 1, 2000);
    memset(b, 2, 3000);
    cr_assert(a[0] == 1 && a[1999] == 1 && b[0] == 2 && b[2999] == 2);
    wr_pool_give(pool, a, 2000);
    wr_pool_give(pool, b, 3000);
}

Test(pool, reserves_memory_without_using_any)
{
    cr_assert(wr_pool_reserve(pool, 1));
    cr_assert_eq(wr_pool_used_bytes(pool), 0);
}

Test(pool, gives_beyond_its_budget_to_who_asks_for_that)
{
    void *const all = wr_pool_take(pool, 64 << 10);
    void *const two = wr_pool_take(pool, 64 << 10);
    cr_assert_null(wr_pool_take(pool, 512));
    void *const more = wr_pool_take_beyond(pool, 512);
    cr_assert_not_null(more);
    cr_assert_eq(wr_pool_used_bytes(pool), (128 << 10) + 512);
    wr_pool_give(pool, more, 512);
    wr_pool_give(pool, two, 64 << 10);
    wr_pool_give(pool, all, 64 << 10);
}
