// The workloads every side of the benchmark runs: one generator, one definition of each result, one
// checksum.
//
//     mix(x)      splitmix64's output function
//     payment i   h = mix(i)
//                 event_time = BASE + i / 1000 ms - h % 1000 ms          one million events per
//                 event-second, up to
//                                                                        999 ms out of order,
//                                                                        written in microseconds
//                 card_id    = mix(i ^ 0x5555) % keys
//                 amount     = (h >> 20) % 10000
//                 type       = (h >> 40) % 5
//
// The watermark of a source is the largest event_time it has seen less WORKLOAD_DELAY_US; no event
// is ever late by it. Windows are [start, end), aligned to the epoch; at the end of the input every
// window that holds an event closes.
//
// A checksum is three numbers that do not depend on the order of the results:
//
//     job     a result is                                      count      sum             hash
//     adds, a result gen     nothing: the records reach a sink that does       events     0 0
//             not look at them
//     w1      amount * 2 of each failed payment                 results    of results      0
//     w2      (window end, card, sum, count) of each            results    of sums checksum_mix4 of
//     the four
//             tumbling window of 1 s and card with an event
//     w3      (window end, card, count) of each sliding         results    of counts
//     checksum_mix4(end, card,
//             window of 60 s every 1 s and card whose count                                count,
//             0) of failed payments is over w3_threshold(events)
//     w3_tumbling  the same with slide = length = 60 s
//     w4      (card, amount, running sum) of each payment       results    of amounts      f(card,
//     sum) -
//                                                                                          f(card,
//                                                                                          sum -
//                                                                                          amount)
//
// w4's running sums depend on how two sources interleave, so its hash telescopes: over all updates
// of a card it comes to f(card, final sum) - f(card, 0), whatever their order, and one wrong, lost
// or repeated update breaks it. Of the count, one of each update is kept, and of the sums, all
// amounts.
#ifndef WEIR_BENCH_WORKLOADS_H
#define WEIR_BENCH_WORKLOADS_H

#include <stddef.h>
#include <stdint.h>

#define WORKLOAD_SECOND_US INT64_C(1000000)
#define WORKLOAD_BASE_US                                                                           \
    (INT64_C(1772323200) * WORKLOAD_SECOND_US) // 2026-03-01T00:00:00Z, a whole minute
#define WORKLOAD_DELAY_US WORKLOAD_SECOND_US
#define WORKLOAD_FIRST_US (WORKLOAD_BASE_US - WORKLOAD_SECOND_US) // no event is older

#define W2_LENGTH_US         WORKLOAD_SECOND_US
#define W2_FEW_KEYS          1000
#define W2_MANY_KEYS         100000
#define W3_LENGTH_US         (60 * WORKLOAD_SECOND_US)
#define W3_SLIDE_US          WORKLOAD_SECOND_US
#define W3_KEYS              10000
#define W4_KEYS              1000000
#define W5_EVENTS_PER_SECOND 200000
#define W5_KEYS              1000

enum payment_type {
    PAYMENT_PLACED     = 0,
    PAYMENT_AUTHORIZED = 1,
    PAYMENT_FAILED     = 2,
    PAYMENT_REFUNDED   = 3,
    PAYMENT_CANCELLED  = 4,
};

// One event, 32 bytes. event_time is microseconds since the epoch.
typedef struct payment {
    long long event_time; // weir_time
    uint64_t  card_id;
    int64_t   amount;
    int32_t   type;
    int32_t   reserved; // zero
} payment;

_Static_assert(sizeof(payment) == 32, "the workloads are defined on records of 32 bytes");

static inline uint64_t workload_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

// Writes payment i. With `keys` a compile-time constant the remainder is a multiplication: call it
// so.
static inline void payment_make(payment *out, uint64_t i, uint64_t keys)
{
    uint64_t h      = workload_mix(i);
    out->event_time = WORKLOAD_BASE_US + ((int64_t)(i / 1000) - (int64_t)(h % 1000)) * 1000;
    out->card_id    = workload_mix(i ^ 0x5555) % keys;
    out->amount     = (int64_t)((h >> 20) % 10000);
    out->type       = (int32_t)((uint32_t)(h >> 40) % 5); // 24 bits: a narrow multiplication does
    out->reserved   = 0;
}

static inline void payments_fill_with(payment *out, uint64_t first, size_t count, uint64_t keys)
{
    for (size_t k = 0; k < count; k++)
        payment_make(&out[k], first + k, keys);
}

// Writes payments first to first + count - 1. One loop for each number of keys in use, so that none
// divides.
static inline void payments_fill(payment *out, uint64_t first, size_t count, uint64_t keys)
{
    switch (keys) {
    case W2_FEW_KEYS: payments_fill_with(out, first, count, W2_FEW_KEYS); break;
    case W3_KEYS: payments_fill_with(out, first, count, W3_KEYS); break;
    case W2_MANY_KEYS: payments_fill_with(out, first, count, W2_MANY_KEYS); break;
    case W4_KEYS: payments_fill_with(out, first, count, W4_KEYS); break;
    default: payments_fill_with(out, first, count, keys); break;
    }
}

// The count a window of w3 must exceed: with m failed payments a card expected in the fullest
// window, m + sqrt(2 m) rounded down, 1.4 standard deviations above the mean. At full size 1,248 of
// 1,200: about one in twelve passes.
static inline uint64_t w3_threshold(uint64_t events)
{
    uint64_t window_events = (uint64_t)(W3_LENGTH_US / 1000) * 1000;
    uint64_t mean          = (events < window_events ? events : window_events) / (5 * W3_KEYS);
    uint64_t root          = 0;
    while ((root + 1) * (root + 1) <= 2 * mean)
        root++;
    return mean + root;
}

// What a run found, in numbers that do not depend on the order in which it found them.
struct checksum {
    uint64_t count;
    int64_t  sum;
    uint64_t hash;
};

__extension__ typedef unsigned __int128 workload_u128;

// The high half of a product folded into its low half.
static inline uint64_t workload_fold(uint64_t a, uint64_t b)
{
    workload_u128 product = (workload_u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t checksum_mix4(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t x = workload_fold(a ^ UINT64_C(0xa0761d6478bd642f), b ^ UINT64_C(0xe7037ed1a0b428db));
    return workload_mix(
        x ^ workload_fold(c ^ UINT64_C(0x8ebc6af09c88c6e3), d ^ UINT64_C(0x589965cc75374cc3)));
}

static inline void checksum_add_w1(struct checksum *c, int64_t doubled_amount)
{
    c->count++;
    c->sum += doubled_amount;
}

static inline void checksum_add_w2(struct checksum *c, int64_t end_us, uint64_t card, int64_t sum,
                                   uint64_t count)
{
    c->count++;
    c->sum += sum;
    c->hash += checksum_mix4((uint64_t)end_us, card, (uint64_t)sum, count);
}

static inline void checksum_add_w3(struct checksum *c, int64_t end_us, uint64_t card,
                                   uint64_t count)
{
    c->count++;
    c->sum += (int64_t)count;
    c->hash += checksum_mix4((uint64_t)end_us, card, count, 0);
}

// f of the table above: what a card and one running sum of it are worth.
static inline uint64_t w4_hash(uint64_t card, int64_t sum)
{
    return workload_fold(card ^ UINT64_C(0xa0761d6478bd642f),
                         (uint64_t)sum ^ UINT64_C(0xe7037ed1a0b428db));
}

static inline void checksum_add_w4(struct checksum *c, uint64_t card, int64_t amount,
                                   int64_t running_sum)
{
    c->count++;
    c->sum += amount;
    c->hash += w4_hash(card, running_sum) - w4_hash(card, running_sum - amount);
}

static inline void checksum_merge(struct checksum *into, const struct checksum *from)
{
    into->count += from->count;
    into->sum += from->sum;
    into->hash += from->hash;
}

static inline int checksum_is_equal(const struct checksum *a, const struct checksum *b)
{
    return a->count == b->count && a->sum == b->sum && a->hash == b->hash;
}

#endif
