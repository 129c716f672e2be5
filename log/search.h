// search: where something belongs among things in order.
#ifndef WR_LOG_SEARCH_H
#define WR_LOG_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

// How many of `count` things are before the place sought: `is_before` (thing number i is) holds for
// those in front and for none behind them.
static inline uint32_t wr_count_before(const void *things, uint32_t count,
                                       bool (*is_before)(const void *things, uint32_t i,
                                                         const void *place),
                                       const void *place)
{
    uint32_t low = 0;
    for (uint32_t high = count; low < high;) {
        const uint32_t middle = low + (high - low) / 2;
        if (is_before(things, middle, place)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

#endif // WR_LOG_SEARCH_H
