// weir/window.h: which records of a key belong together.
#ifndef WEIR_WINDOW_H
#define WEIR_WINDOW_H

#include <weir/event_time.h>

typedef enum weir_window_kind {
    WEIR_WINDOW_TUMBLING = 1, // [n length + offset, (n + 1) length + offset)
    WEIR_WINDOW_SLIDING  = 2, // one every slide, each length long; they overlap
    WEIR_WINDOW_SESSION  = 3, // records less than gap apart; ends gap after the last
    WEIR_WINDOW_COUNT    = 4, // every `count` records of a key, in order of arrival
    WEIR_WINDOW_GLOBAL   = 5  // all of them: one result at the end of the stream
} weir_window_kind;

typedef struct weir_window {
    weir_window_kind kind;
    weir_time        length;
    weir_time        slide;
    weir_time        offset; // of tumbling and sliding windows from the epoch
    weir_time        gap;
    uint64_t         count;
    // How long after its end a window still takes late records; its result is then corrected: the
    // stream carries changes. 0: results are final, later records are late.
    weir_time lateness;
} weir_window;

static inline weir_window weir_window_of_kind_(weir_window_kind kind)
{
    weir_window window;
    window.kind     = kind;
    window.length   = 0;
    window.slide    = 0;
    window.offset   = 0;
    window.gap      = 0;
    window.count    = 0;
    window.lateness = 0;
    return window;
}

static inline weir_window weir_tumbling(weir_time length)
{
    weir_window window = weir_window_of_kind_(WEIR_WINDOW_TUMBLING);
    window.length      = length;
    window.slide       = length;
    return window;
}

// Length must be a multiple of slide.
static inline weir_window weir_sliding(weir_time length, weir_time slide)
{
    weir_window window = weir_window_of_kind_(WEIR_WINDOW_SLIDING);
    window.length      = length;
    window.slide       = slide;
    return window;
}

static inline weir_window weir_session(weir_time gap)
{
    weir_window window = weir_window_of_kind_(WEIR_WINDOW_SESSION);
    window.gap         = gap;
    return window;
}

static inline weir_window weir_count_window(uint64_t count)
{
    weir_window window = weir_window_of_kind_(WEIR_WINDOW_COUNT);
    window.count       = count;
    return window;
}

static inline weir_window weir_global(void) { return weir_window_of_kind_(WEIR_WINDOW_GLOBAL); }

static inline weir_window weir_allow_lateness(weir_window window, weir_time lateness)
{
    window.lateness = lateness;
    return window;
}

#endif // WEIR_WINDOW_H
