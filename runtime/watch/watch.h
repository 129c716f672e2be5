// watch: what can be read about a running job, from any thread, without stopping it.
//
// Each node has one block of counters that only its own worker writes; readers see each counter
// whole, and a set of counters that may be a few microseconds apart.
#ifndef WR_WATCH_H
#define WR_WATCH_H

#include "runtime/base/base.h"

// Every row that enters an operator is counted out once: forwarded, taken into state, or dropped by
// one of the reasons.
#define WR_COUNTER_LIST(X)                                                                         \
    X(ROWS_IN, "rows in")                                                                          \
    X(ROWS_OUT, "rows out")                                                                        \
    X(FILTERED, "filtered")                                                                        \
    X(DUPLICATES, "duplicates")                                                                    \
    X(LATE, "late")                                                                                \
    X(REJECTED, "dead letters")                                                                    \
    X(INSERTS, "inserted results")                                                                 \
    X(UPDATES, "updated results")                                                                  \
    X(DELETES, "withdrawn results")                                                                \
    X(BYTES, "bytes read or written")                                                              \
    X(BYTES_TOTAL, "bytes there are to read, where known")                                         \
    X(WATERMARK, "watermark, as microseconds")                                                     \
    X(STATE_BYTES, "bytes of state")                                                               \
    X(TIMERS_DROPPED, "timers set at the end for a later time")

enum wr_counter {
#define WR_COUNTER_ENUM(name, sentence) WR_##name,
    WR_COUNTER_LIST(WR_COUNTER_ENUM)
#undef WR_COUNTER_ENUM
        WR_COUNTER_COUNT
};

struct wr_counters {
    _Alignas(WR_CACHE_LINE) uint64_t values[WR_COUNTER_COUNT];
};

// The owner's side: a relaxed store, which readers see whole.
static inline void wr_count(struct wr_counters *counters, enum wr_counter counter, uint64_t more)
{
    __atomic_store_n(&counters->values[counter], counters->values[counter] + more,
                     __ATOMIC_RELAXED);
}
static inline void wr_gauge(struct wr_counters *counters, enum wr_counter counter, uint64_t value)
{
    __atomic_store_n(&counters->values[counter], value, __ATOMIC_RELAXED);
}
static inline uint64_t wr_counter_read_any(const struct wr_counters *counters,
                                           enum wr_counter           counter)
{
    return __atomic_load_n(&counters->values[counter], __ATOMIC_RELAXED);
}

#endif // WR_WATCH_H
