// weir/str.h: text and bytes inside records.
//
//   length | up to 12 bytes inline                      (length <= 12; unused bytes are zero)
//   length | first 4 bytes | pointer to all the bytes   (length > 12)
//
// Sixteen bytes, copied like any struct. The bytes behind a long one are borrowed: a string inside
// a record handed to a user function lives until that function returns, and whatever the runtime
// stores or forwards it copies. So `out->region = in->region` is right, into an output or a state.
#ifndef WEIR_STR_H
#define WEIR_STR_H

#include <string.h>
#include <weir/api.h>

#define WEIR_STR_INLINE 12u

typedef struct weir_str {
    uint32_t length; // in bytes
    char     head[4];
    union {
        char        tail[8];
        const char *bytes; // all of them, not NUL-terminated
    } rest;
} weir_str;

#ifdef __cplusplus
static_assert(sizeof(weir_str) == 16, "a weir_str is 16 bytes");
#else
_Static_assert(sizeof(weir_str) == 16, "a weir_str is 16 bytes");
#endif

static inline bool weir_str_is_inline(const weir_str *s) { return s->length <= WEIR_STR_INLINE; }

// The string's bytes: borrowed from `s` itself when it is short.
static inline const char *weir_str_bytes(const weir_str *s)
{
    return weir_str_is_inline(s) ? s->head : s->rest.bytes;
}

// gcc takes the copy of a long string's first bytes for one of a short literal's that it inlined.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-bounds"
// A string over `length` bytes; short ones are copied into it, long ones stay borrowed.
static inline weir_str weir_str_of(const char *bytes, size_t length)
{
    weir_str s;
    memset(&s, 0, sizeof(s));
    s.length = (uint32_t)length;
    if (length <= WEIR_STR_INLINE) {
        if (length > 0) {
            memcpy((char *)&s + offsetof(weir_str, head), bytes, length);
        }
    } else {
        memcpy(s.head, bytes, 4);
        s.rest.bytes = bytes;
    }
    return s;
}
#pragma GCC diagnostic pop

// A string over a NUL-terminated text.
static inline weir_str weir_str_from(const char *text) { return weir_str_of(text, strlen(text)); }

static inline bool weir_str_equal(const weir_str *a, const weir_str *b)
{
    return a->length == b->length && memcmp(a->head, b->head, 4) == 0 &&
           memcmp(weir_str_bytes(a), weir_str_bytes(b), a->length) == 0;
}

// Below, at or above zero as `a` sorts before, with or after `b`, byte by byte.
static inline int weir_str_compare(const weir_str *a, const weir_str *b)
{
    const uint32_t common = a->length < b->length ? a->length : b->length;
    const int      order  = memcmp(weir_str_bytes(a), weir_str_bytes(b), common);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

#endif // WEIR_STR_H
