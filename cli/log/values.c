#include "cli/log/values.h"

#include "runtime/base/base.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool wr_value_count(const char *text, uint64_t *count)
{
    char *end = NULL;
    errno     = 0;
    if (!is_digit(text[0])) {
        return false;
    }
    *count = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

// ---- sizes ----

static const struct {
    const char *name;
    double      bytes;
} size_units[] = {
    { "", 1 },         { "B", 1 },        { "kB", 1e3 },     { "KB", 1e3 },
    { "MB", 1e6 },     { "GB", 1e9 },     { "TB", 1e12 },    { "KiB", 0x1p10 },
    { "MiB", 0x1p20 }, { "GiB", 0x1p30 }, { "TiB", 0x1p40 }, { "K", 0x1p10 },
    { "k", 0x1p10 },   { "M", 0x1p20 },   { "G", 0x1p30 },   { "T", 0x1p40 },
};

bool wr_value_size(const char *text, uint64_t *bytes)
{
    if (wr_value_count(text, bytes)) {
        return true;
    }
    const size_t digits = strspn(text, "0123456789.");
    char        *end    = NULL;
    if (!is_digit(text[0]) || strchr(text, ',') != NULL) {
        return false;
    }
    const double number = strtod(text, &end);
    if (end != text + digits) {
        return false;
    }
    for (uint32_t i = 0; i < WR_COUNT_OF(size_units); i++) {
        if (strcmp(end, size_units[i].name) == 0) {
            const double value = number * size_units[i].bytes;
            *bytes             = value < 0x1p63 ? (uint64_t)value : 0;
            return value < 0x1p63 && (size_units[i].bytes > 1 || value == floor(value));
        }
    }
    return false;
}

const char *wr_value_size_text(uint64_t bytes, char *to)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double                   value   = (double)bytes;
    uint32_t                 unit    = 0;
    while (value >= 1024 && unit + 1 < WR_COUNT_OF(units)) {
        value /= 1024;
        unit++;
    }
    const bool is_whole = value == floor(value);
    (void)snprintf(to, WR_VALUE_TEXT_MAX, is_whole ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return to;
}

// ---- spans and times ----

static const struct {
    const char *name;
    weir_time   span;
} span_units[] = {
    { "w", WEIR_DAYS(7) },          { "d", WEIR_DAYS(1) },    { "h", WEIR_HOURS(1) },
    { "ms", WEIR_MILLISECONDS(1) }, { "m", WEIR_MINUTES(1) }, { "s", WEIR_SECONDS(1) },
    { "us", WEIR_MICROSECONDS(1) },
};

static weir_time span_unit(const char *text, size_t length)
{
    for (uint32_t i = 0; i < WR_COUNT_OF(span_units); i++) {
        if (strlen(span_units[i].name) == length &&
            strncmp(text, span_units[i].name, length) == 0) {
            return span_units[i].span;
        }
    }
    return 0;
}

bool wr_value_span(const char *text, weir_time *span)
{
    weir_time sum = 0;
    if (strcmp(text, "0") == 0) {
        *span = 0;
        return true;
    }
    do {
        char *end = NULL;
        errno     = 0;
        if (!is_digit(text[0])) {
            return false;
        }
        const long long number = strtoll(text, &end, 10);
        const size_t    length = strspn(end, "wdhmsu");
        const weir_time unit   = span_unit(end, length);
        weir_time       part;
        if (errno != 0 || unit == 0 || __builtin_mul_overflow(number, unit, &part) ||
            __builtin_add_overflow(sum, part, &sum) || sum > WEIR_TIME_MAX) {
            return false;
        }
        text = end + length;
    } while (*text != '\0');
    *span = sum;
    return true;
}

const char *wr_value_span_text(weir_time span, char *to)
{
    static const uint32_t by_length[] = { 1, 2, 4, 5, 3, 6 }; // d h m s ms us
    size_t                at          = 0;
    (void)snprintf(to, WR_VALUE_TEXT_MAX, "0");
    for (uint32_t i = 0; i < WR_COUNT_OF(by_length) && span > 0; i++) {
        const weir_time unit = span_units[by_length[i]].span;
        if (span >= unit && at < WR_VALUE_TEXT_MAX) {
            at += (size_t)snprintf(to + at, WR_VALUE_TEXT_MAX - at, "%lld%s", span / unit,
                                   span_units[by_length[i]].name);
            span %= unit;
        }
    }
    return to;
}

bool wr_value_time(const char *text, weir_time now, weir_time *time)
{
    weir_time span;
    uint64_t  milliseconds;
    char      midnight[] = "0000-00-00T00:00:00Z";
    if (strcmp(text, "now") == 0) {
        *time = now;
        return true;
    }
    if (text[0] == '-' && wr_value_span(text + 1, &span)) {
        *time = weir_time_add(now, -span);
        return true;
    }
    if (wr_value_count(text, &milliseconds)) {
        *time = milliseconds < WEIR_TIME_MAX / 1000 ? (weir_time)milliseconds * 1000 : 0;
        return milliseconds < WEIR_TIME_MAX / 1000;
    }
    if (strlen(text) == 10) {
        memcpy(midnight, text, 10);
        return weir_time_parse(midnight, strlen(midnight), time);
    }
    return weir_time_parse(text, strlen(text), time);
}

// ---- places ----

bool wr_value_place(const char *text, weir_time now, struct wr_place *place)
{
    static const struct {
        const char        *word;
        enum wr_place_kind kind;
    } words[] = { { "beginning", WR_PLACE_BEGINNING },
                  { "earliest", WR_PLACE_BEGINNING },
                  { "end", WR_PLACE_END },
                  { "latest", WR_PLACE_END },
                  { "stored", WR_PLACE_STORED } };
    *place    = (struct wr_place){ .kind = WR_PLACE_NONE };
    for (uint32_t i = 0; i < WR_COUNT_OF(words); i++) {
        if (strcmp(text, words[i].word) == 0) {
            place->kind = words[i].kind;
            return true;
        }
    }
    if (strncmp(text, "s@", 2) == 0 || strncmp(text, "e@", 2) == 0) {
        place->kind = text[0] == 's' ? WR_PLACE_TIME : WR_PLACE_UNTIL;
        return wr_value_time(text + 2, now, &place->time);
    }
    place->kind = text[0] == '-' ? WR_PLACE_BACK : WR_PLACE_OFFSET;
    return wr_value_count(text + (text[0] == '-' ? 1 : 0), &place->offset);
}

bool wr_value_partitions(const char *text, uint64_t bits[WR_VALUE_PARTITIONS_MAX / 64])
{
    do {
        char *end = NULL;
        if (!is_digit(text[0])) {
            return false;
        }
        const unsigned long first = strtoul(text, &end, 10);
        unsigned long       last  = first;
        if (*end == '-') {
            if (!is_digit(end[1])) {
                return false;
            }
            last = strtoul(end + 1, &end, 10);
        }
        if (first > last || last >= WR_VALUE_PARTITIONS_MAX || (*end != ',' && *end != '\0') ||
            (*end == ',' && end[1] == '\0')) {
            return false;
        }
        for (unsigned long i = first; i <= last; i++) {
            bits[i / 64] |= UINT64_C(1) << (i % 64);
        }
        text = *end == ',' ? end + 1 : end;
    } while (*text != '\0');
    return true;
}

// ---- bytes ----

static int hex_digit(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool wr_value_bytes(const char *text, char *to, size_t *length)
{
    static const char letters[] = "nrt0\\", meanings[] = "\n\r\t\0\\";
    *length = 0;
    while (*text != '\0') {
        if (*text != '\\') {
            to[(*length)++] = *text++;
            continue;
        }
        const char *letter = text[1] != '\0' ? strchr(letters, text[1]) : NULL;
        if (letter != NULL) {
            to[(*length)++] = meanings[letter - letters];
            text += 2;
        } else if (text[1] == 'x' && hex_digit(text[2]) >= 0 && hex_digit(text[3]) >= 0) {
            to[(*length)++] = (char)(hex_digit(text[2]) * 16 + hex_digit(text[3]));
            text += 4;
        } else {
            return false;
        }
    }
    return true;
}
