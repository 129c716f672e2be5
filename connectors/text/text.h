// text: what the text formats share: values of record fields as text and back, UTF-8, reasons.
//
//   number   decimal text of integers and floats; never the locale's
//   store    a value that was read, into a field of some weir_kind, if it is in the kind's range
//   UTF-8    what is valid, by RFC 3629: no surrogates, nothing overlong, nothing past U+10FFFF
//   reason   one sentence that says why a value was refused: where, what was expected, what was
//   found arena    bytes that live until one reset
//
// Includes nothing of the runtime: it is read by C++ too. Thread rule: no state of its own; an
// arena is owned by one thread.
#ifndef WR_TEXT_H
#define WR_TEXT_H

#include <string.h>
#include <weir/record.h>

WEIR_BEGIN

// ---- numbers ----

#define WR_TEXT_NUMBER_MAX 32 // bytes of any number below

// Write a number and return its length. Floats are the shortest text that reads back the same, in
// the grammar of JSON; one that is not finite has no text: 0.
size_t wr_text_write_i64(int64_t value, char *to);
size_t wr_text_write_u64(uint64_t value, char *to);
size_t wr_text_write_f32(float value, char *to);
size_t wr_text_write_f64(double value, char *to);

// The length of the number at the start of `bytes` by JSON's grammar; 0 if there is none. *is_whole
// says that it is written without fraction and exponent.
size_t wr_text_number_length(const char *bytes, size_t length, bool *is_whole);

// The nearest double of a whole number text that wr_text_number_length accepts; false if that is
// infinite.
bool wr_text_read_f64(const char *bytes, size_t length, double *value);

// A whole number: '-' or nothing, then digits and nothing else. False also if no 64 bits hold it. A
// negative one comes as *is_negative and its two's complement.
bool wr_text_read_integer(const char *bytes, size_t length, uint64_t *value, bool *is_negative);

// ---- stores: false if the value does not fit ----

static inline bool wr_text_is_integer(weir_kind kind)
{
    return kind >= WEIR_KIND_I8 && kind <= WEIR_KIND_U64;
}

static inline bool wr_text_store_i64(weir_kind kind, int64_t value, void *to)
{
#define WR_TEXT_STORE_(type, is_in_range)                                                          \
    do {                                                                                           \
        const type stored = (type)value;                                                           \
        memcpy(to, &stored, sizeof(stored));                                                       \
        return is_in_range;                                                                        \
    } while (0)
    switch ((int)kind) {
    case WEIR_KIND_I8: WR_TEXT_STORE_(int8_t, value == stored);
    case WEIR_KIND_I16: WR_TEXT_STORE_(int16_t, value == stored);
    case WEIR_KIND_I32: WR_TEXT_STORE_(int32_t, value == stored);
    case WEIR_KIND_I64: WR_TEXT_STORE_(int64_t, true);
    case WEIR_KIND_U8: WR_TEXT_STORE_(uint8_t, value == stored);
    case WEIR_KIND_U16: WR_TEXT_STORE_(uint16_t, value == stored);
    case WEIR_KIND_U32: WR_TEXT_STORE_(uint32_t, value == stored);
    case WEIR_KIND_U64: WR_TEXT_STORE_(uint64_t, value >= 0);
    default: return false;
    }
#undef WR_TEXT_STORE_
}

// For what no int64_t holds.
static inline bool wr_text_store_u64(weir_kind kind, uint64_t value, void *to)
{
    if (kind != WEIR_KIND_U64) {
        return value <= INT64_MAX && wr_text_store_i64(kind, (int64_t)value, to);
    }
    memcpy(to, &value, sizeof(value));
    return true;
}

bool wr_text_store_float(weir_kind kind, double value, void *to);
bool wr_text_store_chars(const char *bytes, size_t length, void *to, size_t size);

// ---- UTF-8 ----

// The length of the valid sequence at the start of `bytes` (1 to 4), or 0.
size_t wr_text_utf8_sequence(const char *bytes, size_t length);
// The length of the longest valid start of `bytes`: `length` if all of it is valid.
size_t wr_text_utf8_valid(const char *bytes, size_t length);

// ---- reasons ----

#define WR_TEXT_REASON_MAX 512
#define WR_TEXT_FOUND_MAX  40 // bytes of a value that are shown

// "a whole number from -128 to 127", "an RFC 3339 time", ... for a field of `kind` and, where it is
// WEIR_KIND_CHARS, `size` bytes. `found` tells a number out of range from what is no whole number.
// Returns `to`, which has room for WR_TEXT_REASON_MAX bytes.
const char *wr_text_expected(weir_kind kind, size_t size, const char *found, size_t found_length,
                             char *to);

// "path: expected this, found that"; what was found is cut to WR_TEXT_FOUND_MAX bytes and is shown
// without control characters. `reason` has room for WR_TEXT_REASON_MAX bytes and ends with a NUL.
void wr_text_reason(char *reason, const char *path, const char *expected, const char *found,
                    size_t found_length);

// A sentence made as by printf, cut to WR_TEXT_REASON_MAX bytes.
void wr_text_reason_format(char *reason, const char *format, ...) WEIR_PRINTF(2, 3);

// ---- arena ----

struct wr_text_block;

// Zero-initialised is empty.
struct wr_text_arena {
    char                 *next;
    size_t                left_bytes;
    struct wr_text_block *blocks; // the first one holds `next`
};

void  wr_text_arena_fini(struct wr_text_arena *arena);
void  wr_text_arena_reset(struct wr_text_arena *arena); // keeps one block
char *wr_text_arena_grow(struct wr_text_arena *arena, size_t length);

// Room for `length` bytes, until the next reset; aligned to nothing.
static inline char *wr_text_arena_take(struct wr_text_arena *arena, size_t length)
{
    if (length > arena->left_bytes) {
        return wr_text_arena_grow(arena, length);
    }
    char *const taken = arena->next;
    arena->next += length;
    arena->left_bytes -= length;
    return taken;
}

// A string whose long bytes are copied to the arena.
static inline weir_str wr_text_arena_str(struct wr_text_arena *arena, const char *bytes,
                                         size_t length)
{
    if (length > WEIR_STR_INLINE) {
        bytes = (const char *)memcpy(wr_text_arena_take(arena, length), bytes, length);
    }
    return weir_str_of(bytes, length);
}

WEIR_END

#endif // WR_TEXT_H
