#include "connectors/text/text.h"

#include "runtime/base/base.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

// ---- numbers ----

static const char two_digits[] = "00010203040506070809101112131415161718192021222324"
                                 "25262728293031323334353637383940414243444546474849"
                                 "50515253545556575859606162636465666768697071727374"
                                 "75767778798081828384858687888990919293949596979899";

size_t wr_text_write_u64(uint64_t value, char *to)
{
    char  digits[20];
    char *first = digits + sizeof(digits);
    while (value >= 100) {
        first -= 2;
        memcpy(first, two_digits + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        first -= 2;
        memcpy(first, two_digits + value * 2, 2);
    } else {
        *--first = (char)('0' + value);
    }
    const size_t length = (size_t)(digits + sizeof(digits) - first);
    memcpy(to, first, length);
    return length;
}

size_t wr_text_write_i64(int64_t value, char *to)
{
    if (value >= 0) {
        return wr_text_write_u64((uint64_t)value, to);
    }
    *to = '-';
    return 1 + wr_text_write_u64(0 - (uint64_t)value, to + 1);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The index of the first byte at or after `from` that is no digit.
static size_t digits_end(const char *bytes, size_t length, size_t from)
{
    while (from < length && is_digit(bytes[from])) {
        from++;
    }
    return from;
}

size_t wr_text_number_length(const char *bytes, size_t length, bool *is_whole)
{
    const size_t first = length > 0 && bytes[0] == '-' ? 1 : 0;
    size_t       at    = digits_end(bytes, length, first);
    if (at == first || (bytes[first] == '0' && at > first + 1)) {
        return 0;
    }
    *is_whole = true;
    if (at < length && bytes[at] == '.') {
        const size_t fraction = at + 1;
        at                    = digits_end(bytes, length, fraction);
        *is_whole             = false;
        if (at == fraction) {
            return 0;
        }
    }
    if (at < length && (bytes[at] == 'e' || bytes[at] == 'E')) {
        size_t exponent = at + 1;
        if (exponent < length && (bytes[exponent] == '-' || bytes[exponent] == '+')) {
            exponent++;
        }
        at        = digits_end(bytes, length, exponent);
        *is_whole = false;
        if (at == exponent) {
            return 0;
        }
    }
    return at;
}

bool wr_text_read_integer(const char *bytes, size_t length, uint64_t *value, bool *is_negative)
{
    const size_t first     = length > 0 && bytes[0] == '-' ? 1 : 0;
    uint64_t     magnitude = 0;
    if (first == length) {
        return false;
    }
    for (size_t i = first; i < length; i++) {
        const uint64_t digit = (uint64_t)(bytes[i] - '0');
        if (!is_digit(bytes[i]) || __builtin_mul_overflow(magnitude, 10, &magnitude) ||
            __builtin_add_overflow(magnitude, digit, &magnitude)) {
            return false;
        }
    }
    *is_negative = first == 1 && magnitude != 0;
    *value       = *is_negative ? 0 - magnitude : magnitude;
    return !*is_negative || magnitude <= (uint64_t)INT64_MAX + 1;
}

// ---- stores ----

bool wr_text_store_float(weir_kind kind, double value, void *to)
{
    if (kind == WEIR_KIND_F64) {
        memcpy(to, &value, sizeof(value));
        return true;
    }
    // What lies past the largest float but nearer to it than to the next step is rounded to it.
    const float narrow = fabs(value) < 0x1.ffffffp127 ? (float)value : INFINITY;
    memcpy(to, &narrow, sizeof(narrow));
    return isfinite(narrow);
}

bool wr_text_store_chars(const char *bytes, size_t length, void *to, size_t size)
{
    if (length > size || (length > 0 && memchr(bytes, 0, length) != NULL)) {
        return false;
    }
    memset(to, 0, size);
    if (length > 0) {
        memcpy(to, bytes, length);
    }
    return true;
}

// ---- UTF-8 ----

size_t wr_text_utf8_sequence(const char *bytes, size_t length)
{
    const unsigned char *const at = (const unsigned char *)bytes;
    if (length == 0) {
        return 0;
    }
    const unsigned char lead = at[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4) {
        return 0;
    }
    const size_t needed = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length < needed) {
        return 0;
    }
    // The second byte's range excludes what is overlong, the surrogates, and what is past U+10FFFF.
    const unsigned char lowest  = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < lowest || at[1] > highest) {
        return 0;
    }
    for (size_t i = 2; i < needed; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return needed;
}

size_t wr_text_utf8_valid(const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        uint64_t eight;
        if (length - at >= sizeof(eight)) {
            memcpy(&eight, bytes + at, sizeof(eight));
            if ((eight & 0x8080808080808080u) == 0) {
                at += sizeof(eight);
                continue;
            }
        }
        const size_t step = wr_text_utf8_sequence(bytes + at, length - at);
        if (step == 0) {
            break;
        }
        at += step;
    }
    return at;
}

// ---- reasons ----

static const struct {
    int64_t  lowest;
    uint64_t highest;
} ranges[] = {
    [WEIR_KIND_I8] = { INT8_MIN, INT8_MAX },    [WEIR_KIND_I16] = { INT16_MIN, INT16_MAX },
    [WEIR_KIND_I32] = { INT32_MIN, INT32_MAX }, [WEIR_KIND_I64] = { INT64_MIN, INT64_MAX },
    [WEIR_KIND_U8] = { 0, UINT8_MAX },          [WEIR_KIND_U16] = { 0, UINT16_MAX },
    [WEIR_KIND_U32] = { 0, UINT32_MAX },        [WEIR_KIND_U64] = { 0, UINT64_MAX },
};

static bool is_whole_number(const char *bytes, size_t length)
{
    const size_t first = length > 0 && bytes[0] == '-' ? 1 : 0;
    return first < length && digits_end(bytes, length, first) == length;
}

static bool is_number(const char *bytes, size_t length)
{
    bool is_whole;
    return length > 0 && wr_text_number_length(bytes, length, &is_whole) == length;
}

const char *wr_text_expected(weir_kind kind, size_t size, const char *found, size_t found_length,
                             char *to)
{
    if (wr_text_is_integer(kind)) {
        if (!is_whole_number(found, found_length)) {
            return "a whole number";
        }
        snprintf(to, WR_TEXT_REASON_MAX, "a whole number from %" PRId64 " to %" PRIu64,
                 ranges[kind].lowest, ranges[kind].highest);
        return to;
    }
    switch ((int)kind) {
    case WEIR_KIND_BOOL: return "true or false";
    case WEIR_KIND_F32:
    case WEIR_KIND_F64:
        return !is_number(found, found_length) ? "a number"
               : kind == WEIR_KIND_F32         ? "a number that a 32-bit float holds"
                                               : "a number that a 64-bit float holds";
    case WEIR_KIND_TIME: return "an RFC 3339 time such as 2026-03-01T10:02:00Z";
    case WEIR_KIND_CHARS:
        snprintf(to, WR_TEXT_REASON_MAX, "a string of at most %zu bytes, none of them zero", size);
        return to;
    case WEIR_KIND_RECORD: return "an object";
    default: return "a string";
    }
}

// Copies what can be shown of `found`, whole UTF-8 sequences only, and returns how many bytes.
static size_t show(const char *found, size_t length, char *to)
{
    size_t at = 0;
    while (at < length && at < WR_TEXT_FOUND_MAX) {
        const size_t step = wr_text_utf8_sequence(found + at, length - at);
        if (at + step > WR_TEXT_FOUND_MAX) {
            break;
        }
        if (step <= 1) {
            const bool is_shown = step == 1 && found[at] >= 0x20 && found[at] != 0x7f;
            to[at]              = '?';
            if (is_shown) {
                to[at] = found[at];
            }
            at++;
        } else {
            memcpy(to + at, found + at, step);
            at += step;
        }
    }
    return at;
}

void wr_text_reason(char *reason, const char *path, const char *expected, const char *found,
                    size_t found_length)
{
    char         shown[WR_TEXT_FOUND_MAX];
    const size_t shown_bytes = show(found, found_length, shown);
    wr_text_reason_format(reason, "%.200s: expected %.200s, found %s%.*s%s", path, expected,
                          found_length == 0 ? "nothing" : "", (int)shown_bytes, shown,
                          shown_bytes < found_length ? "..." : "");
}

void wr_text_reason_format(char *reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, WR_TEXT_REASON_MAX, format, arguments);
    va_end(arguments);
}

// ---- arena ----

#define BLOCK_BYTES (256u << 10)

struct wr_text_block {
    struct wr_text_block *next;
    char                  bytes[];
};

static struct wr_text_block *block_open(size_t bytes)
{
    return wr_realloc(NULL, sizeof(struct wr_text_block) + bytes);
}

char *wr_text_arena_grow(struct wr_text_arena *arena, size_t length)
{
    if (length > BLOCK_BYTES / 4 && arena->blocks != NULL) {
        // A large one gets a block of its own, behind the first, which stays in use.
        struct wr_text_block *const own = block_open(length);
        own->next                       = arena->blocks->next;
        arena->blocks->next             = own;
        return own->bytes;
    }
    const size_t                bytes = length > BLOCK_BYTES ? length : BLOCK_BYTES;
    struct wr_text_block *const block = block_open(bytes);
    block->next                       = arena->blocks;
    arena->blocks                     = block;
    arena->next                       = block->bytes + length;
    arena->left_bytes                 = bytes - length;
    return block->bytes;
}

static void blocks_close(struct wr_text_block *block)
{
    while (block != NULL) {
        struct wr_text_block *const next = block->next;
        wr_free(block);
        block = next;
    }
}

void wr_text_arena_fini(struct wr_text_arena *arena)
{
    blocks_close(arena->blocks);
    *arena = (struct wr_text_arena){ 0 };
}

void wr_text_arena_reset(struct wr_text_arena *arena)
{
    struct wr_text_block *const first = arena->blocks;
    if (first == NULL) {
        return;
    }
    blocks_close(first->next);
    // The first block may be larger than usual; its surplus is not worth remembering.
    first->next       = NULL;
    arena->next       = first->bytes;
    arena->left_bytes = BLOCK_BYTES;
}
