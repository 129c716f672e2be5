// Times as text: RFC 3339, the proleptic Gregorian calendar, no leap seconds, no C library.
//
//   0         1         2
//   01234567890123456789012345
//   2026-03-01T10:02:00.123456Z      or +hh:mm, -hh:mm in place of Z
//
// Days are counted in years that begin on the first of March: the leap day comes last, and the days
// before a month are a straight line, (153 * month + 2) / 5.
#include "runtime/base/base.h"

#include <stdio.h>

#define DAYS_TO_1970      719468 // from 0000-03-01
#define DAYS_OF_400_YEARS 146097 // the calendar's period
#define US_PER_SECOND     1000000LL
#define US_PER_DAY        WEIR_DAYS(1)

struct civil_date {
    int64_t  year;
    uint32_t month; // 1 to 12
    uint32_t day;   // 1 to 31
};

static bool year_is_leap(uint32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint32_t month_day_count(uint32_t year, uint32_t month)
{
    static const uint8_t days[13] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return month == 2 && year_is_leap(year) ? 29 : days[month];
}

// Days since 1970-01-01 of a date in the years 0 to 9999.
static int64_t days_of_date(uint32_t year, uint32_t month, uint32_t day)
{
    const uint32_t is_before_march = month < 3;
    const uint32_t y               = year + 400 - is_before_march; // 400 keeps it above zero
    const uint32_t m               = month + 12 * is_before_march - 3;
    const uint32_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    return (int64_t)days - DAYS_OF_400_YEARS - DAYS_TO_1970;
}

static struct civil_date date_of_days(int64_t days_since_1970)
{
    const int64_t     days  = days_since_1970 + DAYS_TO_1970;
    const int64_t     cycle = (days >= 0 ? days : days - DAYS_OF_400_YEARS + 1) / DAYS_OF_400_YEARS;
    const uint32_t    into  = (uint32_t)(days - cycle * DAYS_OF_400_YEARS);
    const uint32_t    year  = (into - into / 1460 + into / 36524 - into / 146096) / 365;
    const uint32_t    yday  = into - (365 * year + year / 4 - year / 100);
    const uint32_t    m     = (5 * yday + 2) / 153;
    struct civil_date date;
    date.month = m < 10 ? m + 3 : m - 9;
    date.day   = yday - (153 * m + 2) / 5 + 1;
    date.year  = cycle * 400 + year + (date.month < 3);
    return date;
}

// ---- writing ----

// Writes `value` as exactly `digits` digits and returns the place after them.
static char *put_digits(char *at, uint32_t value, uint32_t digits)
{
    for (uint32_t i = digits; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

static char *put_year(char *at, int64_t year)
{
    if (WR_LIKELY(year >= 0 && year <= 9999)) {
        return put_digits(at, (uint32_t)year, 4);
    }
    const int length =
        snprintf(at, 16, "%s%04lld", year < 0 ? "-" : "", (long long)(year < 0 ? -year : year));
    WR_ASSERT(length > 0 && length < 16);
    return at + length;
}

static char *put_date(char *at, struct civil_date date)
{
    at    = put_year(at, date.year);
    *at++ = '-';
    at    = put_digits(at, date.month, 2);
    *at++ = '-';
    return put_digits(at, date.day, 2);
}

static char *put_time_of_day(char *at, uint32_t second)
{
    at    = put_digits(at, second / 3600, 2);
    *at++ = ':';
    at    = put_digits(at, second / 60 % 60, 2);
    *at++ = ':';
    return put_digits(at, second % 60, 2);
}

static char *put_fraction(char *at, uint32_t microsecond)
{
    if (microsecond == 0) {
        return at;
    }
    *at++ = '.';
    return microsecond % 1000 == 0 ? put_digits(at, microsecond / 1000, 3)
                                   : put_digits(at, microsecond, 6);
}

size_t weir_time_format(weir_time time, char *text)
{
    weir_time into_day = time % US_PER_DAY;
    int64_t   days     = time / US_PER_DAY;
    if (into_day < 0) {
        into_day += US_PER_DAY;
        days--;
    }
    char *at = put_date(text, date_of_days(days));
    *at++    = 'T';
    at       = put_time_of_day(at, (uint32_t)(into_day / US_PER_SECOND));
    at       = put_fraction(at, (uint32_t)(into_day % US_PER_SECOND));
    *at++    = 'Z';
    *at      = '\0';
    WR_ASSERT(at - text < WEIR_TIME_TEXT_MAX);
    return (size_t)(at - text);
}

// ---- reading ----
//
// The parts before the fraction have fixed places: they are read without a branch, and what is
// wrong with any of them is gathered in one flag. (Eight bytes at a time in one word was tried: 13
// ns instead of 16 a time, not worth its patterns.)

// The number of two digits at `text`; *is_bad becomes true if they are none.
static inline uint32_t take_pair(const char *text, bool *is_bad)
{
    const uint32_t tens = (uint32_t)(unsigned char)text[0] - '0';
    const uint32_t ones = (uint32_t)(unsigned char)text[1] - '0';
    *is_bad |= (tens > 9) | (ones > 9);
    return tens * 10 + ones;
}

// Days since 1970 of the ten bytes of a date.
static inline int64_t take_date(const char *text, bool *is_bad)
{
    const uint32_t year  = take_pair(text, is_bad) * 100 + take_pair(text + 2, is_bad);
    const uint32_t month = take_pair(text + 5, is_bad);
    const uint32_t day   = take_pair(text + 8, is_bad);
    *is_bad |= (text[4] != '-') | (text[7] != '-') | (month - 1 > 11);
    if (WR_UNLIKELY(*is_bad)) {
        return 0;
    }
    *is_bad = day - 1 >= 28 && day - 1 >= month_day_count(year, month);
    return days_of_date(year, month, day);
}

// The second of the day of the eight bytes of a time of day.
static inline uint32_t take_time_of_day(const char *text, bool *is_bad)
{
    const uint32_t hour   = take_pair(text, is_bad);
    const uint32_t minute = take_pair(text + 3, is_bad);
    const uint32_t second = take_pair(text + 6, is_bad);
    *is_bad |= (text[2] != ':') | (text[5] != ':') | (hour > 23) | (minute > 59) | (second > 59);
    return hour * 3600 + minute * 60 + second;
}

// Reads the digits of a fraction from *at on, moves *at past them and returns microseconds.
static inline uint32_t take_fraction(const char **at, const char *end, bool *is_bad)
{
    static const uint32_t units[] = { 0, 100000, 10000, 1000, 100, 10, 1 };

    const char *digit = *at;
    uint32_t    value = 0;
    for (; digit < end && (unsigned char)(*digit - '0') <= 9; digit++) {
        value = digit - *at < 6 ? value * 10 + (uint32_t)(*digit - '0') : value;
    }
    const size_t count = (size_t)(digit - *at);
    *is_bad |= count == 0;
    *at = digit;
    return value * units[count < 6 ? count : 6];
}

// Seconds east of Greenwich of the zone that fills `text` to its end.
static inline int64_t take_zone(const char *text, size_t length, bool *is_bad)
{
    if (WR_LIKELY(length == 1 && (text[0] | 0x20) == 'z')) {
        return 0;
    }
    if (length != 6 || (text[0] != '+' && text[0] != '-')) {
        *is_bad = true;
        return 0;
    }
    const uint32_t hour   = take_pair(text + 1, is_bad);
    const uint32_t minute = take_pair(text + 4, is_bad);
    *is_bad |= (text[3] != ':') | (hour > 23) | (minute > 59);
    const int64_t seconds = (int64_t)hour * 3600 + (int64_t)minute * 60;
    return text[0] == '-' ? -seconds : seconds;
}

bool weir_time_parse(const char *text, size_t length, weir_time *time)
{
    if (length < sizeof("2026-03-01T10:02:00Z") - 1) {
        return false;
    }
    bool           is_bad = false;
    const int64_t  days   = take_date(text, &is_bad);
    const uint32_t second = take_time_of_day(text + 11, &is_bad);
    is_bad |= (text[10] | 0x20) != 't';

    const char *at          = text + 19;
    const char *end         = text + length;
    uint32_t    microsecond = 0;
    if (*at == '.') {
        at++;
        microsecond = take_fraction(&at, end, &is_bad);
    }
    const int64_t zone = take_zone(at, (size_t)(end - at), &is_bad);
    if (is_bad) {
        return false;
    }
    *time = days * US_PER_DAY + ((int64_t)second - zone) * US_PER_SECOND + microsecond;
    return true;
}
