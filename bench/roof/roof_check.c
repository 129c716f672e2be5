// Every roof finds what the naive reference finds: at sizes around the edges of blocks, windows and
// the 60 s of w3, with 1, 2, 3 and 5 threads, with both exchanges.

#include "bench/check.h"
#include "bench/roof/reference.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct subject {
    const char *name;
    bool (*roof)(const struct roof_options *options, struct roof_result *result);
    bool (*reference)(const struct roof_options *options, struct checksum *checksum);
    uint64_t keys;
    bool     is_long; // worth more than 60 s of events
};

static const struct subject subjects[] = {
    { "gen", roof_gen, reference_gen, W2_FEW_KEYS, false },
    { "w1", roof_w1, reference_w1, W2_FEW_KEYS, false },
    { "w2", roof_w2, reference_w2, W2_FEW_KEYS, false },
    { "w2", roof_w2, reference_w2, W2_MANY_KEYS, false },
    { "w2", roof_w2, reference_w2, 17, false },
    { "w3", roof_w3, reference_w3, W3_KEYS, true },
    { "w3_tumbling", roof_w3_tumbling, reference_w3_tumbling, W3_KEYS, true },
    { "w4", roof_w4, reference_w4, W4_KEYS, false },
    { "w4", roof_w4, reference_w4, 3, false },
};

static const uint64_t sizes[]   = { 0, 1, 255, 256, 257, 1000, 50001, 999999, 3200000 };
static const unsigned threads[] = { 1, 2, 3, 5 };

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define LONG_EVENTS     64000000

static void expect_equal(const struct subject *s, const struct roof_options *o,
                         const struct checksum *found, const struct checksum *expected)
{
    if (checksum_is_equal(found, expected))
        return;
    fprintf(stderr,
            "%s of %" PRIu64 " events, %" PRIu64 " keys, %u threads, exchange %d:\n"
            "found    %" PRIu64 " results, sum %" PRId64 ", hash %016" PRIx64 "\n"
            "expected %" PRIu64 " results, sum %" PRId64 ", hash %016" PRIx64 "\n",
            s->name, o->events, o->keys, o->threads, (int)o->exchange, found->count, found->sum,
            found->hash, expected->count, expected->sum, expected->hash);
    exit(1);
}

static void roof_equals(const struct subject *s, const struct roof_options *options,
                        const struct checksum *expected)
{
    struct roof_result result;
    if (!s->roof(options, &result))
        exit(77);
    expect_equal(s, options, &result.checksum, expected);
}

static void subject_check(const struct subject *s, uint64_t events, size_t thread_counts)
{
    struct roof_options options = { .events = events, .keys = s->keys, .threads = 1 };
    struct checksum     expected;
    if (!s->reference(&options, &expected))
        exit(77);
    for (size_t t = 0; t < thread_counts; t++) {
        options.threads = threads[t];
        for (int exchange = ROOF_BEST; exchange <= ROOF_PARTIALS; exchange++) {
            options.exchange = (enum roof_exchange)exchange;
            roof_equals(s, &options, &expected);
        }
    }
}

// A run of w3 that only ever saw part of a window, or a threshold nothing passes, would check
// little.
static void long_input_has_results(void)
{
    struct roof_options options = { .events = LONG_EVENTS, .keys = W3_KEYS, .threads = 2 };
    struct roof_result  result;
    if (!roof_w3(&options, &result))
        exit(77);
    if (result.checksum.count >= 1000)
        return;
    fprintf(stderr, "w3: %" PRIu64 " results, expected at least 1000\n", result.checksum.count);
    exit(1);
}

void check_roofs(void)
{
    for (size_t k = 0; k < COUNT_OF(subjects); k++) {
        for (size_t n = 0; n < COUNT_OF(sizes); n++)
            subject_check(&subjects[k], sizes[n], COUNT_OF(threads));
        if (subjects[k].is_long)
            subject_check(&subjects[k], LONG_EVENTS, 2);
    }
    long_input_has_results();
}
