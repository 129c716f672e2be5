// What the tests of windows aggregate: one event type, four shapes of key, three aggregates over
// it.
//
//   keys         a number of 8 bytes, of 4, one of 12 (padded for the table), text (short or long)
//   aggregates   sums, which can be taken out again; the largest too, which cannot; and text
//
// Each result has the key's number, so that it can be compared whatever the key.
#ifndef WINDOW_RECORDS_H
#define WINDOW_RECORDS_H

#include <weir/bind.h>

typedef struct event {
    weir_time at;
    uint64_t  number;
    uint32_t  low, high, zero;
    weir_str  name; // the number as text
    int64_t   amount;
    weir_str  text;
} event;
WEIR_RECORD(event, at, number, low, high, zero, name, amount, text);

WEIR_KEY(by_number, event, number);
WEIR_KEY(by_low, event, low);
WEIR_KEY(by_three, event, low, high, zero);
WEIR_KEY(by_name, event, name);

// Digits, and after them whatever else.
static inline uint64_t name_number(const weir_str *name)
{
    uint64_t number = 0;
    for (const char *at = weir_str_bytes(name); *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return number;
}
static inline uint64_t by_number_of(const by_number *key) { return key->number; }
static inline uint64_t by_low_of(const by_low *key) { return key->low; }
static inline uint64_t by_three_of(const by_three *key) { return key->low; }
static inline uint64_t by_name_of(const by_name *key) { return name_number(&key->name); }

typedef struct sums {
    int64_t  sum;
    uint64_t count;
} sums;
WEIR_RECORD(sums, sum, count);

typedef struct largest {
    int64_t  sum;
    uint64_t count;
    int64_t  most; // valid if count > 0
} largest;
WEIR_RECORD(largest, sum, count, most);

typedef struct texts {
    int64_t  sum;
    uint64_t count;
    weir_str most; // the text that sorts last
} texts;
WEIR_RECORD(texts, sum, count, most);

typedef struct result {
    uint64_t  key;
    weir_time start, end;
    int64_t   sum;
    uint64_t  count;
    int64_t   most;
    uint32_t  firing;
} result;
WEIR_RECORD(result, key, start, end, sum, count, most, firing);

typedef struct text_result {
    result   base;
    weir_str most;
} text_result;
WEIR_RECORD(text_result, (base, result), most);

static inline void sums_add(sums *acc, const event *e)
{
    acc->sum += e->amount;
    acc->count++;
}
static inline void sums_merge(sums *acc, const sums *more)
{
    acc->sum += more->sum;
    acc->count += more->count;
}
static inline void sums_unmerge(sums *acc, const sums *less)
{
    acc->sum -= less->sum;
    acc->count -= less->count;
}

static inline void largest_add(largest *acc, const event *e)
{
    acc->most = acc->count == 0 || e->amount > acc->most ? e->amount : acc->most;
    acc->sum += e->amount;
    acc->count++;
}
static inline void largest_merge(largest *acc, const largest *more)
{
    if (more->count > 0) {
        acc->most = acc->count == 0 || more->most > acc->most ? more->most : acc->most;
    }
    acc->sum += more->sum;
    acc->count += more->count;
}

static inline void texts_add(texts *acc, const event *e)
{
    if (weir_str_compare(&e->text, &acc->most) > 0) {
        acc->most = e->text;
    }
    acc->sum += e->amount;
    acc->count++;
}
static inline void texts_merge(texts *acc, const texts *more)
{
    if (weir_str_compare(&more->most, &acc->most) > 0) {
        acc->most = more->most;
    }
    acc->sum += more->sum;
    acc->count += more->count;
}

// Some values have no result, so that results also come and go.
static inline bool value_has_result(int64_t sum) { return sum % 4 != 3; }

#define WINDOW_RESULTS(key)                                                                        \
    static bool key##_to_sums(result *out, const key *k, const weir_pane *pane, const sums *acc)   \
    {                                                                                              \
        *out = (result){                                                                           \
            key##_of(k), pane->start, pane->end, acc->sum, acc->count, 0, pane->firing             \
        };                                                                                         \
        return value_has_result(acc->sum);                                                         \
    }                                                                                              \
    static bool key##_to_largest(result *out, const key *k, const weir_pane *pane,                 \
                                 const largest *acc)                                               \
    {                                                                                              \
        *out = (result){ key##_of(k), pane->start, pane->end,   acc->sum,                          \
                         acc->count,  acc->most,   pane->firing };                                 \
        return value_has_result(acc->sum);                                                         \
    }                                                                                              \
    static bool key##_to_texts(text_result *out, const key *k, const weir_pane *pane,              \
                               const texts *acc)                                                   \
    {                                                                                              \
        out->base = (result){ key##_of(k), pane->start, pane->end,   acc->sum,                     \
                              acc->count,  0,           pane->firing };                            \
        out->most = acc->most;                                                                     \
        return value_has_result(acc->sum);                                                         \
    }                                                                                              \
    WEIR_AGGREGATE_REMOVABLE(sums_##key, event, key, sums, result, sums_add, sums_merge,           \
                             sums_unmerge, key##_to_sums);                                         \
    WEIR_AGGREGATE(largest_##key, event, key, largest, result, largest_add, largest_merge,         \
                   key##_to_largest);                                                              \
    WEIR_AGGREGATE(texts_##key, event, key, texts, text_result, texts_add, texts_merge,            \
                   key##_to_texts)

WINDOW_RESULTS(by_number);
WINDOW_RESULTS(by_low);
WINDOW_RESULTS(by_three);
WINDOW_RESULTS(by_name);

#endif // WINDOW_RECORDS_H
