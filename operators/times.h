// Where windows and slices begin and end, and which records come too late for them.
//
//   slice    [n slide + offset, (n + 1) slide + offset): the smallest piece that windows share
//   window   the slices of [end - length, end); one ends with every slice
//
// Bounds of windows lie outside of [WEIR_TIME_MIN, WEIR_TIME_MAX] where records lie near its ends;
// as spans are at most WR_SPAN_MAX, 64 bits hold them. What leaves is clamped: wr_time_clamp.
#ifndef WR_OPERATORS_TIMES_H
#define WR_OPERATORS_TIMES_H

#include "runtime/base/base.h"
#include <weir/window.h>

#define WR_SPAN_MAX     ((weir_time)1 << 60)
#define WR_LATENESS_MAX ((weir_time)1 << 61) // more is as if no record were ever late

static inline weir_time wr_time_clamp(weir_time time)
{
    return time > WEIR_TIME_MAX ? WEIR_TIME_MAX : time < WEIR_TIME_MIN ? WEIR_TIME_MIN : time;
}

// weir_time_floor without its clamp; offset lies in [0, span).
static inline weir_time wr_slice_start(weir_time time, weir_time span, weir_time offset)
{
    const weir_time into = (time - offset) % span;
    return time - (into < 0 ? into + span : into);
}

// The window with its offset in [0, slide) and its lateness in [0, WR_LATENESS_MAX].
static inline weir_window wr_window_normal(weir_window window)
{
    if (window.slide > 0) {
        window.offset %= window.slide;
        window.offset += window.offset < 0 ? window.slide : 0;
    }
    window.lateness = window.lateness < WR_LATENESS_MAX ? window.lateness : WR_LATENESS_MAX;
    return window;
}

static inline bool wr_window_is_sliced(const weir_window *window)
{
    return window->kind == WEIR_WINDOW_TUMBLING || window->kind == WEIR_WINDOW_SLIDING;
}

// Whether the watermark has reached `end`. WEIR_TIME_MAX has reached everything.
static inline bool wr_time_is_reached(weir_time end, weir_time watermark)
{
    return end <= watermark || watermark == WEIR_TIME_MAX;
}

// Records before this time are late: every window that could take one has ended more than the
// allowed lateness ago. A session is judged as if the record were alone in it. Of a sliced window
// it is the start of a slice.
static inline weir_time wr_late_before(const weir_window *window, weir_time watermark)
{
    const weir_time behind = watermark - window->lateness;
    if (!wr_window_is_sliced(window) && window->kind != WEIR_WINDOW_SESSION) {
        return INT64_MIN;
    }
    if (watermark == WEIR_TIME_MAX) {
        return INT64_MAX;
    }
    if (window->kind == WEIR_WINDOW_SESSION) {
        return behind - window->gap + 1;
    }
    return wr_slice_start(behind - window->length, window->slide, window->offset) + window->slide;
}

#endif // WR_OPERATORS_TIMES_H
