#include "bench/roof/exchange.h"

#include <stdlib.h>
#include <string.h>

#define DRAIN_BLOCKS 2 // of one lane in a row, so that no lane runs far ahead of another

// Writer. The next block to fill, or NULL when the reader still has all of them.
static struct block *lane_open(struct lane *lane)
{
    uint64_t published = atomic_load_explicit(&lane->published, memory_order_relaxed);
    if (published - lane->taken_seen == LANE_BLOCKS) {
        // Pairs with the release in lane_give_back: the reader is done with the block.
        lane->taken_seen = atomic_load_explicit(&lane->taken, memory_order_acquire);
        if (published - lane->taken_seen == LANE_BLOCKS)
            return NULL;
    }
    struct block *block = &lane->blocks[published % LANE_BLOCKS];
    block->count        = 0;
    return block;
}

// Writer. Pairs with the acquire in lane_front.
static void lane_publish(struct lane *lane)
{
    uint64_t published = atomic_load_explicit(&lane->published, memory_order_relaxed);
    atomic_store_explicit(&lane->published, published + 1, memory_order_release);
}

// Reader. The oldest published block, or NULL.
static const struct block *lane_front(struct lane *lane)
{
    uint64_t taken = atomic_load_explicit(&lane->taken, memory_order_relaxed);
    if (taken == lane->published_seen) {
        // Pairs with the release in lane_publish: the block is filled.
        lane->published_seen = atomic_load_explicit(&lane->published, memory_order_acquire);
        if (taken == lane->published_seen)
            return NULL;
    }
    return &lane->blocks[taken % LANE_BLOCKS];
}

// Reader. Pairs with the acquire in lane_open.
static void lane_give_back(struct lane *lane)
{
    uint64_t taken = atomic_load_explicit(&lane->taken, memory_order_relaxed);
    atomic_store_explicit(&lane->taken, taken + 1, memory_order_release);
}

static int64_t end_watermark(const struct exchange_end *end)
{
    int64_t watermark = INT64_MAX;
    for (unsigned from = 0; from < end->exchange->threads; from++)
        watermark = end->applied[from] < watermark ? end->applied[from] : watermark;
    return watermark;
}

static bool end_may_read(const struct exchange_end *end, unsigned from)
{
    int64_t watermark = end_watermark(end);
    return watermark > INT64_MAX - EXCHANGE_SKEW_US ||
           end->applied[from] <= watermark + EXCHANGE_SKEW_US;
}

// Applies up to DRAIN_BLOCKS of each incoming lane.
static void end_drain(struct exchange_end *end)
{
    for (unsigned from = 0; from < end->exchange->threads; from++) {
        struct lane *lane = end->exchange->lanes[from][end->self];
        for (unsigned k = 0; k < DRAIN_BLOCKS && end_may_read(end, from); k++) {
            const struct block *block = lane_front(lane);
            if (!block)
                break;
            end->applied[from] = block->watermark;
            end->apply(end->owner, block, end_watermark(end));
            lane_give_back(lane);
        }
    }
}

static void end_open_block(struct exchange_end *end, unsigned to)
{
    unsigned turns = 0;
    while (!(end->open[to] = lane_open(end->exchange->lanes[end->self][to]))) {
        end_drain(end);
        crew_relax(&turns);
    }
}

static uint64_t exchange_slowest(const struct exchange *x)
{
    uint64_t slowest = UINT64_MAX;
    for (unsigned t = 0; t < x->threads; t++) {
        uint64_t event = atomic_load_explicit(&x->positions[t].event, memory_order_relaxed);
        slowest        = event < slowest ? event : slowest;
    }
    return slowest;
}

bool exchange_end_prepare(struct exchange_end *end)
{
    for (unsigned from = 0; from < end->exchange->threads; from++) {
        struct lane *lane = aligned_alloc(64, sizeof *lane);
        if (!lane)
            return false;
        memset(lane, 0, sizeof *lane);
        end->exchange->lanes[from][end->self] = lane;
        end->applied[from]                    = INT64_MIN;
    }
    return true;
}

void exchange_end_start(struct exchange_end *end)
{
    for (unsigned to = 0; to < end->exchange->threads; to++)
        end_open_block(end, to);
}

void exchange_publish(struct exchange_end *end, unsigned to, int64_t watermark)
{
    end->open[to]->watermark = watermark;
    lane_publish(end->exchange->lanes[end->self][to]);
    end_open_block(end, to);
}

struct block *exchange_room(struct exchange_end *end, unsigned to, size_t count, int64_t watermark)
{
    if (end->open[to]->count + count > BLOCK_RECORDS)
        exchange_publish(end, to, watermark);
    return end->open[to];
}

static void exchange_flush(struct exchange_end *end, uint64_t event, int64_t watermark)
{
    for (unsigned to = 0; to < end->exchange->threads; to++)
        exchange_publish(end, to, watermark);
    end->next_flush = event + EXCHANGE_SKEW_EVENTS;
}

void exchange_advance(struct exchange_end *end, uint64_t event, int64_t watermark)
{
    unsigned turns = 0;
    if (event >= end->next_flush)
        exchange_flush(end, event, watermark);
    // Relaxed: a hint for pacing; the records themselves are ordered by their lanes.
    atomic_store_explicit(&end->exchange->positions[end->self].event, event, memory_order_relaxed);
    end_drain(end);
    while (event > end->slowest_seen + EXCHANGE_SKEW_EVENTS) {
        end->slowest_seen = exchange_slowest(end->exchange);
        if (event <= end->slowest_seen + EXCHANGE_SKEW_EVENTS)
            break;
        end_drain(end);
        crew_relax(&turns);
    }
}

void exchange_finish(struct exchange_end *end)
{
    unsigned         turns = 0;
    struct position *mine  = &end->exchange->positions[end->self];
    // Half the range: far beyond every event, and a sum with the skew bound does not wrap.
    atomic_store_explicit(&mine->event, UINT64_MAX / 2, memory_order_relaxed);
    for (unsigned to = 0; to < end->exchange->threads; to++) {
        end->open[to]->watermark = EXCHANGE_END;
        lane_publish(end->exchange->lanes[end->self][to]);
    }
    while (end_watermark(end) != EXCHANGE_END) {
        end_drain(end);
        crew_relax(&turns);
    }
}

void exchange_close(struct exchange *x)
{
    for (unsigned from = 0; from < x->threads; from++)
        for (unsigned to = 0; to < x->threads; to++)
            free(x->lanes[from][to]);
}
