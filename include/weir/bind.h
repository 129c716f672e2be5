// weir/bind.h: one line that makes an operator of an ordinary function.
//
//   static bool is_failed(const payment *p) { return p->kind == FAILED; }
//   WEIR_FILTER(failed, payment, is_failed);
//
// compiles is_failed into a loop over a batch and makes `failed`, which weir_filter takes. A
// function of another signature is refused at that line in plain words. Each function may also take
// a weir_call * as its last parameter where that makes sense (see weir/call.h); in flat map and
// process functions it comes first, always.
//
// The loops see rows, selections and pointers to values, never how the library stores them.
#ifndef WEIR_BIND_H
#define WEIR_BIND_H

#include <weir/call.h>

// Rows are an array of records; `selection` holds the numbers of those that count, in order, or is
// NULL for rows 0 to count - 1. `kept` receives numbers i in [0, count) or, for filters, row
// numbers.
typedef struct weir_filter_binding {
    const char      *name;
    const weir_type *in;
    uint32_t (*rows)(weir_call *call, const void *rows, const uint16_t *selection, uint32_t count,
                     uint16_t *kept);
    bool takes_call; // the function may ask for the event time
} weir_filter_binding;

typedef struct weir_map_binding {
    const char      *name;
    const weir_type *in;
    const weir_type *out;
    // Writes one output a row; with may_skip, only for rows whose function returned true, counted
    // in the result and named in `kept`.
    uint32_t (*rows)(weir_call *call, const void *rows, const uint16_t *selection, uint32_t count,
                     void *out, uint16_t *kept);
    bool may_skip;
    bool takes_call;
} weir_map_binding;

typedef struct weir_flat_map_binding {
    const char      *name;
    const weir_type *in;
    const weir_type *out;
    uint32_t         most;        // records one call may emit
    uint32_t         cursor_size; // 0: called once a record; else until it returns true
    bool (*row)(weir_call *call, const void *record, void *cursor);
} weir_flat_map_binding;

typedef struct weir_split_binding {
    const char      *name;
    const weir_type *in;
    void (*rows)(weir_call *call, const void *rows, const uint16_t *selection, uint32_t count,
                 uint16_t *branches);
    bool takes_call;
} weir_split_binding;

typedef struct weir_key_binding {
    const char      *name;
    const weir_type *in;
    const weir_type *key;
    void (*rows)(const void *rows, const uint16_t *selection, uint32_t count, void *keys);
} weir_key_binding;

// One firing of a window for one key.
typedef struct weir_pane {
    weir_time start;  // of the window; of count and global windows: of its first record
    weir_time end;    // exclusive
    uint32_t  firing; // 0 the first time, then 1, 2, ... as late records correct it
} weir_pane;

typedef struct weir_aggregate_binding {
    const char      *name;
    const weir_type *in;
    const weir_type *key;
    const weir_type *accumulator;
    const weir_type *out;
    void (*init)(void *accumulator); // NULL: zeros
    void (*add)(weir_call *call, void *const *accumulators, const void *rows,
                const uint16_t *selection, uint32_t count);
    // into[i] takes in the accumulator at from + selection[i] * stride.
    void (*merge)(void *const *into, const void *from, uint32_t stride, const uint16_t *selection,
                  uint32_t count);
    void (*remove)(void *const *into, const void *from, uint32_t stride, const uint16_t *selection,
                   uint32_t count); // NULL: cannot be taken out again
    // One result for each keys[i], accumulators[i] for which the function did not return false.
    uint32_t (*results)(weir_call *call, void *out, const void *const *keys, const weir_pane *pane,
                        const void *const *accumulators, uint32_t count, uint16_t *kept);
} weir_aggregate_binding;

typedef struct weir_reduce_binding {
    const char      *name;
    const weir_type *in;
    const weir_type *key;
    const weir_type *state;
    const weir_type *out;
    void (*rows)(weir_call *call, void *out, const void *keys, void *const *states,
                 const void *rows, const uint16_t *selection, uint32_t count);
} weir_reduce_binding;

typedef struct weir_process_binding {
    const char      *name;
    const weir_type *in;
    const weir_type *key;
    const weir_type *state;
    const weir_type *out;
    uint32_t         most;
    void (*on_event)(weir_call *call, const void *key, void *state, const void *record);
    void (*on_timer)(weir_call *call, const void *key, void *state,
                     weir_time at); // NULL: no timers
} weir_process_binding;

typedef struct weir_sink_binding {
    const char      *name;
    const weir_type *in;
    uint32_t         local_size; // of each task's own zeroed memory
    void (*rows)(weir_call *call, void *local, const void *rows, const uint16_t *selection,
                 uint32_t count);
    // At the end of the stream, once a task, one task at a time. NULL: nothing to do.
    void (*finish)(void *local, void *opaque);
    bool takes_call;
} weir_sink_binding;

typedef struct weir_generator_binding {
    const char      *name;
    const weir_type *out;
    // Rows number first, first + step, first + 2 step, ...; `due` is the first one's intended time
    // and `due_step` what lies between two (both 0 when free-running).
    void (*rows)(weir_call *call, void *rows, uint64_t first, uint64_t step, uint32_t count,
                 weir_time due, double due_step);
} weir_generator_binding;

struct weir_list_view {
    const char      *name;
    const weir_type *element;
};
struct weir_map_view {
    const char      *name;
    const weir_type *key;
    const weir_type *value;
};

// ---- how the macros call a function that may or may not want the call ----
// One that wants it gets it pointed at its record, the last one before it.

// clang-format off
#define WEIR_ROW_(selection_, i) ((selection_) != NULL ? (uint32_t)(selection_)[i] : (i))

#ifdef __cplusplus
#include <type_traits>
#define WEIR_STATIC_ASSERT_ static_assert
template <class R, class A> static inline R weir_invoke_(R (*f)(A), weir_call *, A a) {
        return f(a); }
template <class R, class A> static inline R weir_invoke_(R (*f)(A, weir_call *), \
        weir_call *call, A a) { return f(a, weir_call_at(call, a)); }
template <class R, class A, class B> static inline R weir_invoke_(R (*f)(A, B), weir_call *, \
        A a, B b) { return f(a, b); }
template <class R, class A, class B> static inline R weir_invoke_(R (*f)(A, B, weir_call *), \
        weir_call *call, A a, B b) { return f(a, b, weir_call_at(call, b)); }
template <class R, class A, class B, class C> static inline R weir_invoke_(R (*f)(A, B, C), \
        weir_call *, A a, B b, C c) { return f(a, b, c); }
template <class R, class A, class B, class C> static inline R weir_invoke_(R (*f)(A, B, C, \
        weir_call *), weir_call *call, A a, B b, C c) { return f(a, b, c, call); }
template <class R, class A, class B, class C, class D> static inline R weir_invoke_(R (*f)(A, B, \
        C, D), weir_call *, A a, B b, C c, D d) { return f(a, b, c, d); }
template <class R, class A, class B, class C, class D> static inline R weir_invoke_(R (*f)(A, B, \
        C, D, weir_call *), weir_call *call, A a, B b, C c, D d) { return f(a, b, c, d, call); }
template <class F, class... A> static inline auto weir_invoke_bool_(F f, weir_call *call, A... a)
    -> typename std::enable_if<std::is_same<decltype(weir_invoke_(f, call, a...)), bool>::value,
            bool>::type { return weir_invoke_(f, call, a...); }
template <class F, class... A> static inline auto weir_invoke_bool_(F f, weir_call *call, A... a)
    -> typename std::enable_if<std::is_same<decltype(weir_invoke_(f, call, a...)), void>::value,
            bool>::type { weir_invoke_(f, call, a...); return true; }
#define WEIR_IS_ONE_OF_2_(fn, a, b) (std::is_same<decltype(&fn), a>::value \
        || std::is_same<decltype(&fn), b>::value)
#define WEIR_IS_ONE_OF_4_(fn, a, b, c, d) (WEIR_IS_ONE_OF_2_(fn, a, b) || WEIR_IS_ONE_OF_2_(fn, \
        c, d))
#define WEIR_RETURNS_BOOL_(fn, a, b) WEIR_IS_ONE_OF_2_(fn, a, b)
#else
#define WEIR_STATIC_ASSERT_ _Static_assert
#define WEIR_IS_ONE_OF_2_(fn, a, b) _Generic(&fn, a: 1, b: 1, default: 0)
#define WEIR_IS_ONE_OF_4_(fn, a, b, c, d) _Generic(&fn, a: 1, b: 1, c: 1, d: 1, default: 0)
#define WEIR_RETURNS_BOOL_(fn, a, b) _Generic(&fn, a: true, b: true, default: false)
// The function where it is of this type, else a null pointer of it in a branch never taken.
#define WEIR_AS_(type, fn) _Generic(&fn, type: fn, default: (type)0)
#endif

// The function types, named beside each binding so that the checks read well.
#define WEIR_FILTER(op, type, keep) \
    typedef bool (*op##_plain_)(const type *); \
    typedef bool (*op##_calls_)(const type *, weir_call *); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(keep, op##_plain_, op##_calls_), \
        "WEIR_FILTER(" #op "): " #keep " must be bool (const " #type " *) or bool (const " #type \
                " *, weir_call *)"); \
    static uint32_t op##_rows_(weir_call *call_, const void *rows_, const uint16_t *selection_, \
                               uint32_t count_, uint16_t *kept_) \
    { \
        const type *records_ = (const type *)rows_; \
        uint32_t    kept_count_ = 0; \
        (void)call_; \
        if (selection_ == NULL) { \
            for (uint32_t i = 0; i < count_; i++) { \
                kept_[kept_count_] = (uint16_t)i; \
                kept_count_ += (uint32_t)WEIR_CALL_1_(keep, op, call_, &records_[i]); \
            } \
        } else { \
            for (uint32_t i = 0; i < count_; i++) { \
                kept_[kept_count_] = selection_[i]; \
                kept_count_ += (uint32_t)WEIR_CALL_1_(keep, op, call_, &records_[selection_[i]]); \
            } \
        } \
        return kept_count_; \
    } \
    static const weir_filter_binding op WEIR_UNUSED = { #op, &type##_type, op##_rows_, \
        WEIR_RETURNS_BOOL_(keep, op##_calls_, op##_calls_ const) }

#ifdef __cplusplus
#define WEIR_CALL_1_(fn, op, call_, a) weir_invoke_(fn, call_, a)
#define WEIR_CALL_2_(fn, op, call_, a, b) weir_invoke_(fn, call_, a, b)
#define WEIR_CALL_3_(fn, op, call_, a, b, c) weir_invoke_(fn, call_, a, b, c)
#define WEIR_CALL_BOOL_2_(fn, op, call_, a, b) weir_invoke_bool_(&fn, call_, a, b)
#define WEIR_CALL_BOOL_4_(fn, op, call_, a, b, c, d) weir_invoke_bool_(&fn, call_, a, b, c, d)
#else
#define WEIR_CALL_1_(fn, op, call_, a) \
    _Generic(&fn, op##_plain_: WEIR_AS_(op##_plain_, fn)(a), default: WEIR_AS_(op##_calls_, \
            fn)(a, weir_call_at(call_, a)))
#define WEIR_CALL_2_(fn, op, call_, a, b) \
    _Generic(&fn, op##_plain_: WEIR_AS_(op##_plain_, fn)(a, b), default: WEIR_AS_(op##_calls_, \
            fn)(a, b, weir_call_at(call_, b)))
#define WEIR_CALL_3_(fn, op, call_, a, b, c) \
    _Generic(&fn, op##_plain_: WEIR_AS_(op##_plain_, fn)(a, b, c), default: \
            WEIR_AS_(op##_calls_, fn)(a, b, c, call_))
#define WEIR_CALL_BOOL_2_(fn, op, call_, a, b) \
    _Generic(&fn, op##_plain_: WEIR_AS_(op##_plain_, fn)(a, b), \
             op##_calls_: WEIR_AS_(op##_calls_, fn)(a, b, weir_call_at(call_, b)), \
             op##_void_: (WEIR_AS_(op##_void_, fn)(a, b), true), \
             default: (WEIR_AS_(op##_void_calls_, fn)(a, b, weir_call_at(call_, b)), true))
#define WEIR_CALL_BOOL_4_(fn, op, call_, a, b, c, d) \
    _Generic(&fn, op##_plain_: WEIR_AS_(op##_plain_, fn)(a, b, c, d), \
             op##_calls_: WEIR_AS_(op##_calls_, fn)(a, b, c, d, call_), \
             op##_void_: (WEIR_AS_(op##_void_, fn)(a, b, c, d), true), \
             default: (WEIR_AS_(op##_void_calls_, fn)(a, b, c, d, call_), true))
#endif

// change: void change(out *, const in *), or bool, where false makes no output. Must be pure.
#define WEIR_MAP(op, in_type, out_type, change) \
    typedef bool (*op##_plain_)(out_type *, const in_type *); \
    typedef bool (*op##_calls_)(out_type *, const in_type *, weir_call *); \
    typedef void (*op##_void_)(out_type *, const in_type *); \
    typedef void (*op##_void_calls_)(out_type *, const in_type *, weir_call *); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_4_(change, op##_plain_, op##_calls_, op##_void_, \
            op##_void_calls_), \
        "WEIR_MAP(" #op "): " #change " must be void (or bool) (" #out_type " *, const " \
                #in_type " *), with a weir_call * last if it wants one"); \
    static uint32_t op##_rows_(weir_call *call_, const void *rows_, const uint16_t *selection_, \
                               uint32_t count_, void *out_, uint16_t *kept_) \
    { \
        const in_type *records_ = (const in_type *)rows_; \
        out_type      *outputs_ = (out_type *)out_; \
        (void)call_; \
        if (!WEIR_RETURNS_BOOL_(change, op##_plain_, op##_calls_)) { \
            for (uint32_t i = 0; i < count_; i++) { \
                (void)WEIR_CALL_BOOL_2_(change, op, call_, &outputs_[i], \
                        &records_[WEIR_ROW_(selection_, i)]); \
            } \
            return count_; \
        } \
        uint32_t kept_count_ = 0; \
        for (uint32_t i = 0; i < count_; i++) { \
            kept_[kept_count_] = (uint16_t)i; \
            kept_count_ += (uint32_t)WEIR_CALL_BOOL_2_(change, op, call_, &outputs_[kept_count_], \
                                                      &records_[WEIR_ROW_(selection_, i)]); \
        } \
        return kept_count_; \
    } \
    static const weir_map_binding op WEIR_UNUSED = { #op, &in_type##_type, &out_type##_type, \
            op##_rows_, \
        WEIR_RETURNS_BOOL_(change, op##_plain_, op##_calls_), \
        WEIR_RETURNS_BOOL_(change, op##_calls_, op##_void_calls_) }

// expand: void expand(weir_call *, const in *), which calls op_emit(call) up to `most` times (16).
#define WEIR_FLAT_MAP(op, in_type, out_type, expand) WEIR_FLAT_MAP_MOST(op, in_type, out_type, \
        expand, 16)
#define WEIR_FLAT_MAP_MOST(op, in_type, out_type, expand, most) \
    typedef void (*op##_plain_)(weir_call *, const in_type *); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(expand, op##_plain_, op##_plain_ const), \
        "WEIR_FLAT_MAP(" #op "): " #expand " must be void (weir_call *, const " #in_type " *)"); \
    static bool op##_row_(weir_call *call_, const void *record_, void *cursor_) \
    { \
        (void)cursor_; \
        expand(call_, (const in_type *)record_); \
        return true; \
    } \
    static const weir_flat_map_binding op WEIR_UNUSED = { #op, &in_type##_type, \
            &out_type##_type, most, 0, op##_row_ }
// The emit functions are declared apart, because the function that emits comes before its binding:
// WEIR_EMITS(op, type) makes `type *op_emit(weir_call *)` and `type *op_emit_change(weir_call *,
// ...)`.
#define WEIR_EMITS(op, out_type) \
    WEIR_UNUSED static inline out_type *op##_emit(weir_call *call_) { \
            return (out_type *)weir_emit_row(call_); } \
    WEIR_UNUSED static inline out_type *op##_emit_change(weir_call *call_, weir_change change, \
            weir_time time) \
    { \
        return (out_type *)weir_emit_change(call_, change, time); \
    } \
    typedef out_type op##_emitted_
// expand: bool expand(weir_call *, const in *, cursor *): called again with the same record, and
// the
// cursor it left, until it returns true; each call may emit up to `most`.
#define WEIR_GENERATE(op, in_type, out_type, cursor_type, expand, most) \
    typedef bool (*op##_plain_)(weir_call *, const in_type *, cursor_type *); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(expand, op##_plain_, op##_plain_ const), \
        "WEIR_GENERATE(" #op "): " #expand " must be bool (weir_call *, const " #in_type " *, " \
                #cursor_type " *)"); \
    static bool op##_row_(weir_call *call_, const void *record_, void *cursor_) \
    { \
        return expand(call_, (const in_type *)record_, (cursor_type *)cursor_); \
    } \
    static const weir_flat_map_binding op WEIR_UNUSED = { #op, &in_type##_type, \
            &out_type##_type, most, \
        (uint32_t)sizeof(cursor_type), op##_row_ }

// route: uint32_t route(const type *): the number of the branch the record goes to.
#define WEIR_SPLIT(op, type, route) \
    typedef uint32_t (*op##_plain_)(const type *); \
    typedef uint32_t (*op##_calls_)(const type *, weir_call *); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(route, op##_plain_, op##_calls_), \
        "WEIR_SPLIT(" #op "): " #route " must be uint32_t (const " #type " *)"); \
    static void op##_rows_(weir_call *call_, const void *rows_, const uint16_t *selection_, \
                           uint32_t count_, uint16_t *branches_) \
    { \
        (void)call_; \
        for (uint32_t i = 0; i < count_; i++) { \
            const uint32_t branch = WEIR_CALL_1_(route, op, call_, \
                    &((const type *)rows_)[WEIR_ROW_(selection_, i)]); \
            branches_[i] = (uint16_t)(branch < UINT16_MAX ? branch : UINT16_MAX); \
        } \
    } \
    static const weir_split_binding op WEIR_UNUSED = { #op, &type##_type, op##_rows_, \
        WEIR_RETURNS_BOOL_(route, op##_calls_, op##_calls_ const) }

// The rest are fields of `type`; makes struct op { those fields } and its record type.
#define WEIR_KEY_FIELD_(type, field) \
    __typeof__(((type *)0)->WEIR_FIELD_NAME_(field)) WEIR_FIELD_NAME_(field);
#define WEIR_KEY_COPY_(unused, field) \
    key_->WEIR_FIELD_NAME_(field) = record_->WEIR_FIELD_NAME_(field);
#define WEIR_KEY(op, type, ...) \
    typedef struct op { WEIR_FOR_EACH_(WEIR_KEY_FIELD_, type, __VA_ARGS__) } op; \
    WEIR_RECORD(op, __VA_ARGS__); \
    static void op##_rows_(const void *rows_, const uint16_t *selection_, uint32_t count_, \
            void *keys_) \
    { \
        for (uint32_t i = 0; i < count_; i++) { \
            const type *record_ = &((const type *)rows_)[WEIR_ROW_(selection_, i)]; \
            op         *key_    = &((op *)keys_)[i]; \
            WEIR_FOR_EACH_(WEIR_KEY_COPY_, ~, __VA_ARGS__) \
        } \
    } \
    static const weir_key_binding op##_key WEIR_UNUSED = { #op, &type##_type, &op##_type, \
            op##_rows_ }
// A key that a function makes: void make(key *, const type *); key_type is a WEIR_RECORD of its
// own.
#define WEIR_KEY_BY(op, type, key_type, make) \
    typedef void (*op##_plain_)(key_type *, const type *); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(make, op##_plain_, op##_plain_ const), \
        "WEIR_KEY_BY(" #op "): " #make " must be void (" #key_type " *, const " #type " *)"); \
    static void op##_rows_(const void *rows_, const uint16_t *selection_, uint32_t count_, \
            void *keys_) \
    { \
        for (uint32_t i = 0; i < count_; i++) { \
            make(&((key_type *)keys_)[i], &((const type *)rows_)[WEIR_ROW_(selection_, i)]); \
        } \
    } \
    static const weir_key_binding op##_key WEIR_UNUSED = { #op, &type##_type, &key_type##_type, \
            op##_rows_ }

#define WEIR_AGGREGATE_LOOPS_(op, in_type, key_type, acc_type, out_type, add_fn, merge_fn, result) \
    typedef bool (*op##_plain_)(out_type *, const key_type *, const weir_pane *, \
            const acc_type *); \
    typedef bool (*op##_calls_)(out_type *, const key_type *, const weir_pane *, \
            const acc_type *, weir_call *); \
    typedef void (*op##_void_)(out_type *, const key_type *, const weir_pane *, const acc_type *); \
    typedef void (*op##_void_calls_)(out_type *, const key_type *, const weir_pane *, \
            const acc_type *, weir_call *); \
    typedef void (*op##_adds_)(acc_type *, const in_type *); \
    typedef void (*op##_merges_)(acc_type *, const acc_type *); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(add_fn, op##_adds_, op##_adds_ const), \
        "WEIR_AGGREGATE(" #op "): " #add_fn " must be void (" #acc_type " *, const " #in_type \
                " *)"); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(merge_fn, op##_merges_, op##_merges_ const), \
        "WEIR_AGGREGATE(" #op "): " #merge_fn " must be void (" #acc_type " *, const " #acc_type \
                " *)"); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_4_(result, op##_plain_, op##_calls_, op##_void_, \
            op##_void_calls_), \
        "WEIR_AGGREGATE(" #op "): " #result " must be void (or bool) (" #out_type " *, const " \
                #key_type \
        " *, const weir_pane *, const " #acc_type " *)"); \
    static void op##_add_(weir_call *call_, void *const *accumulators_, const void *rows_, \
                          const uint16_t *selection_, uint32_t count_) \
    { \
        (void)call_; \
        for (uint32_t i = 0; i < count_; i++) { \
            add_fn((acc_type *)accumulators_[i], &((const in_type *)rows_)[WEIR_ROW_(selection_, \
                    i)]); \
        } \
    } \
    static void op##_merge_(void *const *into_, const void *from_, uint32_t stride_, \
                            const uint16_t *selection_, uint32_t count_) \
    { \
        for (uint32_t i = 0; i < count_; i++) { \
            merge_fn((acc_type *)into_[i], \
                    (const acc_type *)(const void *)((const char *)from_ + \
                    (size_t)WEIR_ROW_(selection_, i) * stride_)); \
        } \
    } \
    static uint32_t op##_results_(weir_call *call_, void *out_, const void *const *keys_, \
            const weir_pane *pane_, \
                                  const void *const *accumulators_, uint32_t count_, \
                                          uint16_t *kept_) \
    { \
        uint32_t kept_count_ = 0; \
        (void)call_; \
        for (uint32_t i = 0; i < count_; i++) { \
            kept_[kept_count_] = (uint16_t)i; \
            kept_count_ += (uint32_t)WEIR_CALL_BOOL_4_(result, op, call_, \
                    &((out_type *)out_)[kept_count_], \
                (const key_type *)keys_[i], pane_, (const acc_type *)accumulators_[i]); \
        } \
        return kept_count_; \
    } \
    typedef int op##_aggregates_

// add: void (acc *, const in *); merge: void (acc *, const acc *), associative and commutative;
// result: void (or bool: false makes no result) (out *, const key *, const weir_pane *, const
// acc *),
// pure: a late record's correction calls it on the value before and after.
#define WEIR_AGGREGATE(op, in_type, key_type, acc_type, out_type, add_fn, merge_fn, result) \
    WEIR_AGGREGATE_LOOPS_(op, in_type, key_type, acc_type, out_type, add_fn, merge_fn, result); \
    static const weir_aggregate_binding op WEIR_UNUSED = { #op, &in_type##_type, \
            &key_type##_type, &acc_type##_type, \
        &out_type##_type, NULL, op##_add_, op##_merge_, NULL, op##_results_ }
// The same with unmerge: void (acc *, const acc *), which takes out what merge took in: sliding
// windows then cost one addition and one subtraction a slice, whatever their length.
#define WEIR_AGGREGATE_REMOVABLE(op, in_type, key_type, acc_type, out_type, add_fn, merge_fn, \
        unmerge_fn, result) \
    WEIR_AGGREGATE_LOOPS_(op, in_type, key_type, acc_type, out_type, add_fn, merge_fn, result); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(unmerge_fn, op##_merges_, op##_merges_ const), \
        "WEIR_AGGREGATE(" #op "): " #unmerge_fn " must be void (" #acc_type " *, const " \
                #acc_type " *)"); \
    static void op##_remove_(void *const *into_, const void *from_, uint32_t stride_, \
                             const uint16_t *selection_, uint32_t count_) \
    { \
        for (uint32_t i = 0; i < count_; i++) { \
            unmerge_fn((acc_type *)into_[i], \
                    (const acc_type *)(const void *)((const char *)from_ + \
                    (size_t)WEIR_ROW_(selection_, i) * stride_)); \
        } \
    } \
    static const weir_aggregate_binding op WEIR_UNUSED = { #op, &in_type##_type, \
            &key_type##_type, &acc_type##_type, \
        &out_type##_type, NULL, op##_add_, op##_merge_, op##_remove_, op##_results_ }

// update: void (out *, const key *, state *, const in *): one updated result a record.
#define WEIR_REDUCE(op, in_type, key_type, state_type, out_type, update) \
    typedef void (*op##_plain_)(out_type *, const key_type *, state_type *, const in_type *); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(update, op##_plain_, op##_plain_ const), \
        "WEIR_REDUCE(" #op "): " #update " must be void (" #out_type " *, const " #key_type \
                " *, " #state_type " *, const " #in_type " *)"); \
    static void op##_rows_(weir_call *call_, void *out_, const void *keys_, void *const *states_, \
                           const void *rows_, const uint16_t *selection_, uint32_t count_) \
    { \
        (void)call_; \
        for (uint32_t i = 0; i < count_; i++) { \
            update(&((out_type *)out_)[i], &((const key_type *)keys_)[i], \
                    (state_type *)states_[i], \
                   &((const in_type *)rows_)[WEIR_ROW_(selection_, i)]); \
        } \
    } \
    static const weir_reduce_binding op WEIR_UNUSED = { #op, &in_type##_type, &key_type##_type, \
            &state_type##_type, \
        &out_type##_type, op##_rows_ }

// on_event: void (weir_call *, const key *, state *, const in *); on_timer: void (weir_call *,
// const key *, state *, weir_time). Emit with the functions that WEIR_EMITS(op, out) made.
#define WEIR_PROCESS_MOST(op, in_type, key_type, state_type, out_type, event_fn, timer_fn, most) \
    typedef void (*op##_plain_)(weir_call *, const key_type *, state_type *, const in_type *); \
    typedef void (*op##_timer_plain_)(weir_call *, const key_type *, state_type *, weir_time); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(event_fn, op##_plain_, op##_plain_ const), \
        "WEIR_PROCESS(" #op "): " #event_fn " must be void (weir_call *, const " #key_type \
                " *, " #state_type " *, const " #in_type " *)"); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(timer_fn, op##_timer_plain_, op##_timer_plain_ const), \
        "WEIR_PROCESS(" #op "): " #timer_fn " must be void (weir_call *, const " #key_type \
                " *, " #state_type " *, weir_time)"); \
    static void op##_event_(weir_call *call_, const void *key_, void *state_, const void *record_) \
    { \
        event_fn(call_, (const key_type *)key_, (state_type *)state_, (const in_type *)record_); \
    } \
    static void op##_timer_(weir_call *call_, const void *key_, void *state_, weir_time at) \
    { \
        timer_fn(call_, (const key_type *)key_, (state_type *)state_, at); \
    } \
    static const weir_process_binding op WEIR_UNUSED = { #op, &in_type##_type, &key_type##_type, \
            &state_type##_type, \
        &out_type##_type, most, op##_event_, op##_timer_ }
#define WEIR_PROCESS(op, in_type, key_type, state_type, out_type, event_fn, timer_fn) \
    WEIR_PROCESS_MOST(op, in_type, key_type, state_type, out_type, event_fn, timer_fn, 16)

#define WEIR_LIST(view, element_type) static const weir_list_view view WEIR_UNUSED = { #view, \
        &element_type##_type }
#define WEIR_MAP_STATE(view, key_type, value_type) \
    static const weir_map_view view WEIR_UNUSED = { #view, &key_type##_type, &value_type##_type }

// take: void (local *, const type *) on each record; finish: void (local *, void *opaque) at the
// end.
#define WEIR_SINK(op, type, local_type, take, finish_fn) \
    typedef void (*op##_plain_)(local_type *, const type *); \
    typedef void (*op##_calls_)(local_type *, const type *, weir_call *); \
    typedef void (*op##_finishes_)(local_type *, void *); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(take, op##_plain_, op##_calls_), \
        "WEIR_SINK(" #op "): " #take " must be void (" #local_type " *, const " #type " *)"); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(finish_fn, op##_finishes_, op##_finishes_ const), \
        "WEIR_SINK(" #op "): " #finish_fn " must be void (" #local_type " *, void *)"); \
    static void op##_rows_(weir_call *call_, void *local_, const void *rows_, \
            const uint16_t *selection_, uint32_t count_) \
    { \
        (void)call_; \
        for (uint32_t i = 0; i < count_; i++) { \
            WEIR_CALL_2_(take, op, call_, (local_type *)local_, \
                    &((const type *)rows_)[WEIR_ROW_(selection_, i)]); \
        } \
    } \
    static void op##_finish_(void *local_, void *opaque_) { finish_fn((local_type *)local_, \
            opaque_); } \
    static const weir_sink_binding op WEIR_UNUSED = { #op, &type##_type, \
            (uint32_t)sizeof(local_type), op##_rows_, op##_finish_, \
        WEIR_RETURNS_BOOL_(take, op##_calls_, op##_calls_ const) }

// make: void (type *, uint64_t number, weir_time due): record `number` of the stream; due is its
// intended time when the generator is paced, else 0.
#define WEIR_GENERATOR(op, type, make) \
    typedef void (*op##_plain_)(type *, uint64_t, weir_time); \
    WEIR_STATIC_ASSERT_(WEIR_IS_ONE_OF_2_(make, op##_plain_, op##_plain_ const), \
        "WEIR_GENERATOR(" #op "): " #make " must be void (" #type " *, uint64_t, weir_time)"); \
    static void op##_rows_(weir_call *call_, void *rows_, uint64_t first_, uint64_t step_, \
            uint32_t count_, \
                           weir_time due_, double due_step_) \
    { \
        type *records_ = (type *)rows_; \
        (void)call_; \
        if (due_step_ > 0) { \
            for (uint32_t i = 0; i < count_; i++) { \
                make(&records_[i], first_ + i * step_, due_ + (weir_time)(due_step_ * (double)i)); \
            } \
        } else { \
            for (uint32_t i = 0; i < count_; i++) { \
                make(&records_[i], first_ + i * step_, 0); \
            } \
        } \
    } \
    static const weir_generator_binding op WEIR_UNUSED = { #op, &type##_type, op##_rows_ }
// clang-format on

#endif // WEIR_BIND_H
