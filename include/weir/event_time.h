// weir/event_time.h: points and spans of time, in microseconds, that cannot overflow.
//
// A weir_time is a signed 64-bit count of microseconds since 1970-01-01T00:00:00Z. It is its own C
// type (long long, where int64_t is long), so that a record's fields of time are told from its
// integers. Every time lies within +-2^62; arithmetic goes through weir_time_add, which saturates.
#ifndef WEIR_EVENT_TIME_H
#define WEIR_EVENT_TIME_H

#include <weir/api.h>

typedef long long weir_time;

#define WEIR_TIME_MAX (4611686018427387904LL)  // 2^62: "after everything"; the watermark at the end
#define WEIR_TIME_MIN (-4611686018427387904LL) // "before everything"; the watermark at the start

#define WEIR_MICROSECONDS(n) ((weir_time)(n))
#define WEIR_MILLISECONDS(n) ((weir_time)(n)*1000)
#define WEIR_SECONDS(n)      ((weir_time)(n)*1000000)
#define WEIR_MINUTES(n)      ((weir_time)(n)*60000000)
#define WEIR_HOURS(n)        ((weir_time)(n)*3600000000)
#define WEIR_DAYS(n)         ((weir_time)(n)*86400000000)

// time + span, kept within [WEIR_TIME_MIN, WEIR_TIME_MAX]. Both must lie within it: then neither
// the room that is left nor the sum can overflow 64 bits.
static inline weir_time weir_time_add(weir_time time, weir_time span)
{
    if (time > 0) {
        return span > WEIR_TIME_MAX - time ? WEIR_TIME_MAX : time + span;
    }
    return span < WEIR_TIME_MIN - time ? WEIR_TIME_MIN : time + span;
}

// The latest multiple of `span` (> 0) plus `offset` that is not after `time`; floors below zero
// too.
static inline weir_time weir_time_floor(weir_time time, weir_time span, weir_time offset)
{
    weir_time into = (time - offset) % span;
    if (into < 0) {
        into += span;
    }
    return weir_time_add(time, -into);
}

WEIR_BEGIN

#define WEIR_TIME_TEXT_MAX 40

// Writes `time` as RFC 3339 in UTC ("2026-03-01T10:02:00.123Z"): without a fraction, or with 3 or 6
// digits, whichever is the shortest exact one. `text` has room for WEIR_TIME_TEXT_MAX bytes and
// ends with a NUL; returns the length.
WEIR_API size_t weir_time_format(weir_time time, char *text);

// Reads an RFC 3339 time (date, T, time with seconds 00 to 59, any fraction, Z or +-hh:mm; t and z
// may be lower case). Digits past the microsecond are cut off. False if it is none.
WEIR_API bool weir_time_parse(const char *text, size_t length, weir_time *time);

WEIR_END

#endif // WEIR_EVENT_TIME_H
