// Floats as text, by the C++ library: shortest, correctly rounded and without a locale, none of
// which printf and strtod are.

#include "connectors/text/text.h"

#include <charconv>
#include <cmath>

namespace
{

template <class T> size_t write_float(T value, char *to)
{
    return std::isfinite(value)
               ? static_cast<size_t>(std::to_chars(to, to + WR_TEXT_NUMBER_MAX, value).ptr - to)
               : 0;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether the first significant digit of a number stands before the point, its exponent counted in:
// tells the number that is too large from the one that is too small.
bool is_large(const char *bytes, const char *end)
{
    long        digits_before  = 0;
    bool        is_after_point = false;
    bool        is_significant = false;
    const char *at             = bytes + (*bytes == '-' ? 1 : 0);
    for (; at < end && (is_digit(*at) || *at == '.'); at++) {
        if (*at == '.') {
            is_after_point = true;
        } else {
            is_significant = is_significant || *at != '0';
            digits_before += is_significant && !is_after_point ? 1 : 0;
            digits_before -= !is_significant && is_after_point ? 1 : 0;
        }
    }
    if (at == end) {
        return digits_before > 0;
    }
    at++; // the e
    const bool is_negative = *at == '-';
    at += *at == '-' || *at == '+' ? 1 : 0;
    long exponent = 0;
    for (; at < end && exponent < 1000000000000; at++) {
        exponent = exponent * 10 + (*at - '0');
    }
    return digits_before + (is_negative ? -exponent : exponent) > 0;
}

} // namespace

size_t wr_text_write_f32(float value, char *to) { return write_float(value, to); }

size_t wr_text_write_f64(double value, char *to) { return write_float(value, to); }

bool wr_text_read_f64(const char *bytes, size_t length, double *value)
{
    const std::from_chars_result read = std::from_chars(bytes, bytes + length, *value);
    if (read.ec == std::errc()) {
        return true;
    }
    *value = *bytes == '-' ? -0.0 : 0.0;
    return !is_large(bytes, bytes + length);
}
