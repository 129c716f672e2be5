#include "connectors/jsonl/json_scan.h"

#include "connectors/text/text.h"

#include <math.h>

// A number this short is read by the parser, unless it is for its exponent.
#define SHORT_NUMBER 18

// The longest text that a number of more than SHORT_NUMBER bytes becomes: a double's, and ".0".
#define TAMED_NUMBER 27

size_t wr_json_tamed_bound(size_t length)
{
    return length + (length / (SHORT_NUMBER + 1) + 1) * (TAMED_NUMBER - SHORT_NUMBER);
}

// The index behind the string that starts at `at` with its quote.
static size_t string_end(const char *line, size_t length, size_t at)
{
    for (at++; at < length && line[at] != '"'; at++) {
        at += line[at] == '\\' ? 1 : 0;
    }
    return at < length ? at + 1 : length;
}

static bool is_delimiter(char c)
{
    return c == ',' || c == ']' || c == '}' || c == ':' || c == ' ' || c == '\t' || c == '\r' ||
           c == '\n';
}

static size_t copy(char *to, const char *bytes, size_t length)
{
    memcpy(to, bytes, length);
    return length;
}

// Writes one valid number as the parser takes it.
static size_t tame_number(const char *bytes, size_t length, bool is_whole, char *to)
{
    double   value;
    uint64_t bits;
    bool     is_negative;
    if (is_whole && wr_text_read_integer(bytes, length, &bits, &is_negative)) {
        return copy(to, bytes, length);
    }
    if (!wr_text_read_f64(bytes, length, &value)) {
        return copy(to, "null", 4);
    }
    if (value == 0) { // one with a tiny exponent has room: it is written with three bytes or more
        return signbit(value) ? copy(to, "-0.0", 4) : copy(to, "0.0", 3);
    }
    if (length <= SHORT_NUMBER) {
        return copy(to, bytes, length);
    }
    const size_t written = wr_text_write_f64(value, to);
    for (size_t i = 0; i < written; i++) {
        if (to[i] == '.' || to[i] == 'e') {
            return written;
        }
    }
    return written + copy(to + written, ".0", 2);
}

bool wr_json_tame_numbers(const char *line, size_t length, char *to, size_t *to_length)
{
    size_t written = 0;
    for (size_t at = 0; at < length;) {
        const size_t start = at;
        if (line[at] == '"') {
            at = string_end(line, length, at);
            written += copy(to + written, line + start, at - start);
        } else if (line[at] == '-' || (line[at] >= '0' && line[at] <= '9')) {
            bool is_whole = false;
            at += wr_text_number_length(line + at, length - at, &is_whole);
            if (at == start || (at < length && !is_delimiter(line[at]))) {
                return false;
            }
            written += tame_number(line + start, at - start, is_whole, to + written);
        } else {
            to[written++] = line[at++];
        }
    }
    *to_length = written;
    return true;
}

// ---- where a value is ----

static size_t skip_space(const char *line, size_t length, size_t at)
{
    while (at < length &&
           (line[at] == ' ' || line[at] == '\t' || line[at] == '\r' || line[at] == '\n')) {
        at++;
    }
    return at;
}

// The index behind the value that starts at `at`.
static size_t value_end(const char *line, size_t length, size_t at)
{
    size_t depth = 0;
    while (at < length) {
        const char c = line[at];
        if (c == '"') {
            at = string_end(line, length, at);
        } else if (c == '{' || c == '[') {
            depth++;
            at++;
        } else if (c == '}' || c == ']') {
            depth--;
            at++;
        } else if (is_delimiter(c)) {
            at++;
        } else {
            while (at < length && !is_delimiter(line[at])) {
                at++;
            }
        }
        if (depth == 0) {
            break;
        }
    }
    return at;
}

// The index of the value number `step` in the object or array that starts at `at`.
static size_t value_inside(const char *line, size_t length, size_t at, uint32_t step)
{
    const bool is_object = line[at] == '{';
    for (at = skip_space(line, length, at + 1); at < length; step--) {
        if (is_object) {
            at = skip_space(line, length, string_end(line, length, at));
            at = skip_space(line, length, at + 1); // the colon
        }
        if (step == 0) {
            break;
        }
        at = skip_space(line, length, value_end(line, length, at));
        at = skip_space(line, length, at + 1); // the comma
    }
    return at;
}

struct wr_json_span wr_json_value_at(const char *line, size_t length, const uint32_t *steps,
                                     uint32_t step_count)
{
    size_t at = skip_space(line, length, 0);
    for (uint32_t i = 0; i < step_count && at < length; i++) {
        at = value_inside(line, length, at, steps[i]);
    }
    return (struct wr_json_span){ line + at, value_end(line, length, at) - at };
}
