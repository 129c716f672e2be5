// How the threads of a roof hand records to the thread that owns their key, and stay close in event
// time.
//
//     thread 0  --lane 0,0-->  thread 0          a lane: a ring of LANE_BLOCKS blocks, one writer,
//     one reader;
//        |  \---lane 0,1-->    thread 1          the writer fills a block in place and publishes
//        it,
//     thread 1  ...                              the reader applies it in place and gives it back
//
// Every thread both makes records (it is a source) and applies those it owns. Waiting for room or
// for a slower source, a thread applies what has arrived, so no two threads wait for each other's
// rings.
//
// A block carries the watermark of its source: no record published later in this lane is older.
// Full queues do not keep sources together in event time, so three rules do; without them a record
// could reach a window whose memory an earlier one still occupies:
//
//     a source more than EXCHANGE_SKEW_EVENTS ahead of the slowest waits
//     a source publishes what it has to every thread at least every EXCHANGE_SKEW_EVENTS
//     a lane whose watermark is more than EXCHANGE_SKEW_US ahead of the slowest lane is not read
//
// The source that is furthest behind is held by none of them, so no thread waits for ever.
#ifndef WEIR_BENCH_EXCHANGE_H
#define WEIR_BENCH_EXCHANGE_H

#include "bench/roof/crew.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LANE_BLOCKS          8
#define BLOCK_RECORDS        1024
#define BLOCK_LOOKAHEAD      32        // records past the end that may be read, to prefetch for
#define EXCHANGE_SKEW_EVENTS 100000    // 100 ms of event time
#define EXCHANGE_SKEW_US     250000    // more than the two above together
#define EXCHANGE_END         INT64_MAX // the watermark of a source that has ended

// Three words, named by each workload.
struct record {
    uint64_t a, b, c;
};

struct block {
    int64_t       watermark;
    int64_t       window; // of all its records, where a workload says so
    size_t        count;
    struct record records[BLOCK_RECORDS + BLOCK_LOOKAHEAD];
};

struct lane {
    alignas(64) _Atomic uint64_t published; // writer
    uint64_t taken_seen;
    alignas(64) _Atomic uint64_t taken; // reader
    uint64_t published_seen;
    alignas(64) struct block blocks[LANE_BLOCKS];
};

struct position {
    alignas(64) _Atomic uint64_t event;
};

struct exchange {
    unsigned        threads;
    struct lane    *lanes[CREW_MAX_THREADS][CREW_MAX_THREADS]; // [from][to], touched by `to`
    struct position positions[CREW_MAX_THREADS];
};

// One thread's end. `apply` gets each block that arrives, in the order of its lane, and the
// watermark that all sources have passed once it is applied.
struct exchange_end {
    struct exchange *exchange;
    unsigned         self;
    void (*apply)(void *owner, const struct block *block, int64_t watermark);
    void         *owner;
    struct block *open[CREW_MAX_THREADS]; // being filled, to each thread; never NULL between calls
    int64_t
        applied[CREW_MAX_THREADS]; // the watermark of each source, as far as its blocks are applied
    uint64_t slowest_seen;
    uint64_t next_flush;
};

// Allocates and touches the lanes that end at `end->self`. False when there is no memory.
bool exchange_end_prepare(struct exchange_end *end);

// Takes the first block of each outgoing lane; on the clock, when all ends are prepared.
void exchange_end_start(struct exchange_end *end);

// Makes room for `count` records (at most BLOCK_RECORDS) in the open block to `to`; publishes what
// is there when it must, and applies arrivals while it waits. `watermark` is of everything put so
// far.
struct block *exchange_room(struct exchange_end *end, unsigned to, size_t count, int64_t watermark);

// Publishes the open block to `to`, full or not, and opens the next.
void exchange_publish(struct exchange_end *end, unsigned to, int64_t watermark);

// Says that this source has come to event number `event`, applies arrivals, and waits while it is
// too far ahead. `watermark` is of everything put so far.
void exchange_advance(struct exchange_end *end, uint64_t event, int64_t watermark);

// Publishes the end of this source to all and applies arrivals until all sources have ended.
void exchange_finish(struct exchange_end *end);

void exchange_close(struct exchange *x);

// The thread that owns a hash: its high bits decide, so that tables are free to use the low ones.
static inline unsigned exchange_owner(const struct exchange *x, uint64_t hash)
{
    return (unsigned)(((hash >> 32) * x->threads) >> 32);
}

#endif
