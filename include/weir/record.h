// weir/record.h: plain C structs whose shape the runtime knows.
//
//   typedef struct payment { weir_time at; uint64_t card_id; int64_t cents; weir_str region; }
//   payment; WEIR_RECORD(payment, at, card_id, cents, region);
//
// makes `payment_type`, a weir_type that drives keys, state, capture, JSON and CSV. A nested record
// is named with its type in parentheses: WEIR_RECORD(order, at, (price, money)). A field that had
// other names in what is stored says so: WEIR_RECORD(payment, at, WEIR_FORMERLY(cents, amount)).
// Fields may be
// integers, floats, bool, weir_time, weir_str, enums, fixed arrays of numbers, char arrays (text
// padded with zeros) and nested records. Fields left out of the list are not seen by the runtime:
// they travel in batches, but are not kept by state that outlives the process.
#ifndef WEIR_RECORD_H
#define WEIR_RECORD_H

#include <weir/event_time.h>
#include <weir/str.h>

typedef enum weir_kind {
    WEIR_KIND_BOOL   = 1,
    WEIR_KIND_I8     = 2,
    WEIR_KIND_I16    = 3,
    WEIR_KIND_I32    = 4,
    WEIR_KIND_I64    = 5,
    WEIR_KIND_U8     = 6,
    WEIR_KIND_U16    = 7,
    WEIR_KIND_U32    = 8,
    WEIR_KIND_U64    = 9,
    WEIR_KIND_F32    = 10,
    WEIR_KIND_F64    = 11,
    WEIR_KIND_TIME   = 12,
    WEIR_KIND_STR    = 13,
    WEIR_KIND_CHARS  = 14, // char[n]: text, padded with zeros
    WEIR_KIND_RECORD = 15
} weir_kind;

typedef struct weir_type weir_type;

typedef struct weir_field {
    const char      *name;
    const weir_type *record; // of a nested record; else NULL
    uint32_t         offset; // bytes from the start of the record
    uint32_t         size;   // bytes of the whole field
    weir_kind        kind;
    uint32_t         count;    // elements of a fixed array; 1 for anything else (and for char[n])
    const char      *formerly; // names it had, "amount" or "amount, sum"; NULL: none
} weir_field;

struct weir_type {
    const char       *name;
    const weir_field *fields;
    uint32_t          field_count;
    uint32_t          size; // bytes of one record
    uint32_t          align;
};

WEIR_BEGIN

// Makes a type at run time; names (former ones too) and fields are copied, the types of nested
// records are not.
// Fields must be in order of offset, aligned, must not overlap and must lie inside `size`; NULL if
// they do not, or if memory ran out. Free it with weir_type_close after every job that uses it is
// closed.
WEIR_API weir_type *weir_type_open(const char *name, uint32_t size, uint32_t align,
                                   const weir_field *fields, uint32_t field_count);
WEIR_API void       weir_type_close(weir_type *type);

// The field of that name, or NULL.
WEIR_API const weir_field *weir_type_field(const weir_type *type, const char *name);

// "i64", "time", "str", ...
WEIR_API const char *weir_kind_name(weir_kind kind);

WEIR_END

// ---- the macros ----

// clang-format off
#ifdef __cplusplus

template <class T> struct weir_kind_of_type { // an enum counts as the integer it is stored in
    static constexpr weir_kind kind = sizeof(T) == 1 ? WEIR_KIND_I8 : sizeof(T) == 2 ?
            WEIR_KIND_I16 : sizeof(T) == 4 ? WEIR_KIND_I32 : WEIR_KIND_I64;
};
#define WEIR_KIND_OF_(T, K) template <> struct weir_kind_of_type<T> { \
        static constexpr weir_kind kind = K; }
WEIR_KIND_OF_(bool, WEIR_KIND_BOOL);
WEIR_KIND_OF_(char, WEIR_KIND_I8);
WEIR_KIND_OF_(signed char, WEIR_KIND_I8);
WEIR_KIND_OF_(short, WEIR_KIND_I16);
WEIR_KIND_OF_(int, WEIR_KIND_I32);
WEIR_KIND_OF_(long, WEIR_KIND_I64);
WEIR_KIND_OF_(unsigned char, WEIR_KIND_U8);
WEIR_KIND_OF_(unsigned short, WEIR_KIND_U16);
WEIR_KIND_OF_(unsigned, WEIR_KIND_U32);
WEIR_KIND_OF_(unsigned long, WEIR_KIND_U64);
WEIR_KIND_OF_(unsigned long long, WEIR_KIND_U64);
WEIR_KIND_OF_(float, WEIR_KIND_F32);
WEIR_KIND_OF_(double, WEIR_KIND_F64);
WEIR_KIND_OF_(weir_time, WEIR_KIND_TIME);
WEIR_KIND_OF_(weir_str, WEIR_KIND_STR);
template <class T, unsigned long N> struct weir_kind_of_type<T[N]> {
        static constexpr weir_kind kind = weir_kind_of_type<T>::kind; };
template <unsigned long N> struct weir_kind_of_type<char[N]> { \
        static constexpr weir_kind kind = WEIR_KIND_CHARS; };
template <class T> struct weir_count_of_type { static constexpr uint32_t count = 1; };
template <class T, unsigned long N> struct weir_count_of_type<T[N]> {
        static constexpr uint32_t count = N; };
template <unsigned long N> struct weir_count_of_type<char[N]> { \
        static constexpr uint32_t count = 1; };
#undef WEIR_KIND_OF_

#define WEIR_FIELD_KIND_(type, field) weir_kind_of_type<decltype(type::field)>::kind
#define WEIR_FIELD_COUNT_(type, field) weir_count_of_type<decltype(type::field)>::count
#define WEIR_ALIGNOF_(type) alignof(type)

#else

#define WEIR_FIELD_KIND_(type, field) \
    _Generic(((type *)0)->field, \
        bool: WEIR_KIND_BOOL, char: WEIR_KIND_I8, signed char: WEIR_KIND_I8, short: WEIR_KIND_I16, \
        int: WEIR_KIND_I32, long: WEIR_KIND_I64, unsigned char: WEIR_KIND_U8, \
        unsigned short: WEIR_KIND_U16, unsigned: WEIR_KIND_U32, unsigned long: WEIR_KIND_U64, \
        unsigned long long: WEIR_KIND_U64, float: WEIR_KIND_F32, double: WEIR_KIND_F64, \
        weir_time: WEIR_KIND_TIME, weir_str: WEIR_KIND_STR, \
        char *: WEIR_KIND_CHARS, signed char *: WEIR_KIND_I8, short *: WEIR_KIND_I16, \
        int *: WEIR_KIND_I32, long *: WEIR_KIND_I64, unsigned char *: WEIR_KIND_U8, \
        unsigned short *: WEIR_KIND_U16, unsigned *: WEIR_KIND_U32, \
        unsigned long *: WEIR_KIND_U64, float *: WEIR_KIND_F32, double *: WEIR_KIND_F64, \
        weir_time *: WEIR_KIND_TIME)
// An array decays to a pointer above; a real pointer is no field: its size would count as elements.
#define WEIR_FIELD_COUNT_(type, field) \
    ((uint32_t)_Generic(((type *)0)->field, \
        signed char *: sizeof(((type *)0)->field), short *: sizeof(((type *)0)->field) / 2, \
        int *: sizeof(((type *)0)->field) / 4, long *: sizeof(((type *)0)->field) / 8, \
        unsigned char *: sizeof(((type *)0)->field), unsigned short *: \
                sizeof(((type *)0)->field) / 2, \
        unsigned *: sizeof(((type *)0)->field) / 4, unsigned long *: \
                sizeof(((type *)0)->field) / 8, \
        float *: sizeof(((type *)0)->field) / 4, double *: sizeof(((type *)0)->field) / 8, \
        weir_time *: sizeof(((type *)0)->field) / 8, default: 1))
#define WEIR_ALIGNOF_(type) _Alignof(type)

#endif

#define WEIR_FIELD_PLAIN_(type, field, formerly) \
    { #field, NULL, (uint32_t)offsetof(type, field), (uint32_t)sizeof(((type *)0)->field), \
      WEIR_FIELD_KIND_(type, field), WEIR_FIELD_COUNT_(type, field), formerly },
#define WEIR_FIELD_NESTED_(type, field, record, formerly) \
    { #field, &record##_type, (uint32_t)offsetof(type, field), (uint32_t)sizeof(record), \
      WEIR_KIND_RECORD, 1, formerly },

// In the list of a WEIR_RECORD or WEIR_KEY: `field`, or a nested `(field, record)`, which had the
// names that follow in rows that were stored and are read by this program: of a topic's earlier
// versions, or of a checkpoint.
#define WEIR_FORMERLY(field, ...) (field, #__VA_ARGS__, ~)

// Tells `field`, `(field, record)` and `(field or (field, record), "names", ~)` apart.
#define WEIR_CAT_(a, b) WEIR_CAT_2_(a, b)
#define WEIR_CAT_2_(a, b) a##b
#define WEIR_SECOND_(a, b, ...) b
#define WEIR_IS_PAREN_PROBE_(...) ~, 1
#define WEIR_IS_PAREN_CHECK_(...) WEIR_SECOND_(__VA_ARGS__, 0, ~)
#define WEIR_IS_PAREN_(x) WEIR_IS_PAREN_CHECK_(WEIR_IS_PAREN_PROBE_ x)
#define WEIR_UNWRAP_(...) __VA_ARGS__
#define WEIR_COUNT_2_3_(...) WEIR_THIRD_AFTER_(__VA_ARGS__, 3, 2, ~)
#define WEIR_THIRD_AFTER_(a, b, c, n, ...) n
#define WEIR_FIELD_0_(type, field, formerly) WEIR_FIELD_PLAIN_(type, field, formerly)
#define WEIR_FIELD_1_(type, list, formerly) \
        WEIR_CAT_(WEIR_CAT_(WEIR_FIELD_OF_, WEIR_COUNT_2_3_ list), _)(type, formerly, \
        WEIR_UNWRAP_ list)
#define WEIR_FIELD_OF_2_(...) WEIR_FIELD_OF_PAIR_(__VA_ARGS__)
#define WEIR_FIELD_OF_3_(...) WEIR_FIELD_OF_THREE_(__VA_ARGS__)
#define WEIR_FIELD_OF_PAIR_(type, formerly, field, record) \
        WEIR_FIELD_NESTED_(type, field, record, formerly)
#define WEIR_FIELD_OF_THREE_(type, unused, field, formerly, tilde) \
        WEIR_CAT_(WEIR_CAT_(WEIR_FIELD_TOLD_, WEIR_IS_PAREN_(field)), _)(type, field, formerly)
#define WEIR_FIELD_TOLD_0_(type, field, formerly) WEIR_FIELD_PLAIN_(type, field, formerly)
#define WEIR_FIELD_TOLD_1_(type, pair, formerly) \
        WEIR_FIELD_OF_2_(type, formerly, WEIR_UNWRAP_ pair)
#define WEIR_FIELD_(type, field) WEIR_CAT_(WEIR_CAT_(WEIR_FIELD_, WEIR_IS_PAREN_(field)), \
        _)(type, field, NULL)

// The name of `field` or of (field, "names", ~).
#define WEIR_FIELD_NAME_(field) \
        WEIR_CAT_(WEIR_CAT_(WEIR_FIELD_NAME_, WEIR_IS_PAREN_(field)), _)(field)
#define WEIR_FIELD_NAME_0_(field) field
#define WEIR_FIELD_NAME_1_(list) WEIR_FIRST_ list
#define WEIR_FIRST_(a, ...) a

// WEIR_FOR_EACH_(m, x, a, b, ...) is m(x, a) m(x, b) ..., for 1 to 64 arguments.
#define WEIR_FE_1_(m, x, a) m(x, a)
#define WEIR_EXPAND_(...) WEIR_EXPAND_2_(WEIR_EXPAND_2_(WEIR_EXPAND_2_(__VA_ARGS__)))
#define WEIR_EXPAND_2_(...) WEIR_EXPAND_3_(WEIR_EXPAND_3_(WEIR_EXPAND_3_(__VA_ARGS__)))
#define WEIR_EXPAND_3_(...) WEIR_EXPAND_4_(WEIR_EXPAND_4_(WEIR_EXPAND_4_(__VA_ARGS__)))
#define WEIR_EXPAND_4_(...) WEIR_EXPAND_5_(WEIR_EXPAND_5_(WEIR_EXPAND_5_(__VA_ARGS__)))
#define WEIR_EXPAND_5_(...) __VA_ARGS__
#define WEIR_PARENS_ ()
#define WEIR_FOR_EACH_(m, x, ...) WEIR_EXPAND_(WEIR_FE_STEP_(m, x, __VA_ARGS__, WEIR_FE_END_, ~))
#define WEIR_FE_END_PROBE_WEIR_FE_END_ ~, 1
#define WEIR_FE_IS_END_(a) WEIR_IS_PAREN_CHECK_(WEIR_FE_IS_END_2_(WEIR_IS_PAREN_(a), a))
#define WEIR_FE_IS_END_2_(paren, a) WEIR_CAT_(WEIR_FE_IS_END_3_, paren)(a)
#define WEIR_FE_IS_END_3_0(a) WEIR_CAT_2_(WEIR_FE_END_PROBE_, a)
#define WEIR_FE_IS_END_3_1(a) 0
#define WEIR_FE_STEP_(m, x, a, ...) WEIR_CAT_(WEIR_FE_STEP_, WEIR_FE_IS_END_(a))(m, x, a, \
        __VA_ARGS__)
#define WEIR_FE_STEP_0(m, x, a, ...) m(x, a) WEIR_FE_AGAIN_ WEIR_PARENS_ (m, x, __VA_ARGS__)
#define WEIR_FE_STEP_1(m, x, a, ...)
#define WEIR_FE_AGAIN_() WEIR_FE_STEP_

// Describes the struct `type`; the rest are its fields, in order.
#define WEIR_RECORD(type, ...) \
    static const weir_field type##_fields[] WEIR_UNUSED = { WEIR_FOR_EACH_(WEIR_FIELD_, type, \
            __VA_ARGS__) }; \
    static const weir_type  type##_type WEIR_UNUSED     = { #type, type##_fields, \
        (uint32_t)(sizeof(type##_fields) / sizeof(type##_fields[0])), (uint32_t)sizeof(type), \
                (uint32_t)WEIR_ALIGNOF_(type) }
// clang-format on

#endif // WEIR_RECORD_H
