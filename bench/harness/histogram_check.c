// The histogram against sorted arrays.

#include "bench/check.h"
#include "bench/harness/histogram.h"
#include "bench/workloads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define VALUES 20000

static int value_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void expect_close(const char *what, double percent, uint64_t found, uint64_t exact)
{
    if (found >= exact && found - exact <= exact / 1024 + (exact < 2048 ? 0 : 1))
        return;
    fprintf(stderr,
            "%s: percentile %g is %" PRIu64 ", expected %" PRIu64 " or at most 1/1024 more\n", what,
            percent, found, exact);
    exit(1);
}

static void expect_equal(const char *what, uint64_t found, uint64_t expected)
{
    if (found == expected)
        return;
    fprintf(stderr, "%s: found %" PRIu64 ", expected %" PRIu64 "\n", what, found, expected);
    exit(1);
}

// Values of up to `bits` bits, spread over all magnitudes; half go through a second histogram and a
// merge.
static void percentiles_are_within_three_digits(unsigned bits, uint64_t seed)
{
    static uint64_t     values[VALUES];
    static const double percents[] = { 0, 1, 25, 50, 90, 99, 99.9, 99.99, 100 };
    struct histogram    h, other;
    if (!histogram_open(&h) || !histogram_open(&other))
        exit(77);
    for (size_t k = 0; k < VALUES; k++) {
        values[k] = workload_mix(seed + k) >> (64 - bits + workload_mix(~(seed + k)) % bits);
        histogram_record(k % 2 ? &h : &other, values[k]);
    }
    histogram_merge(&h, &other);
    qsort(values, VALUES, sizeof values[0], value_compare);
    for (size_t p = 0; p < sizeof percents / sizeof percents[0]; p++) {
        double   exact_rank = percents[p] / 100.0 * VALUES;
        uint64_t rank =
            (uint64_t)exact_rank + ((double)(uint64_t)exact_rank < exact_rank || exact_rank < 1);
        expect_close("spread values", percents[p], histogram_percentile(&h, percents[p]),
                     values[rank - 1]);
    }
    expect_equal("count", h.count, VALUES);
    expect_equal("max", h.max, values[VALUES - 1]);
    histogram_close(&h);
    histogram_close(&other);
}

static void edges_are_kept(void)
{
    static const uint64_t edges[] = {
        0, 1, 2047, 2048, 2049, 4095, 4096, HISTOGRAM_LIMIT - 1, HISTOGRAM_LIMIT, UINT64_MAX
    };
    for (size_t k = 0; k < sizeof edges / sizeof edges[0]; k++) {
        struct histogram h;
        if (!histogram_open(&h))
            exit(77);
        expect_equal("percentile of nothing", histogram_percentile(&h, 99), 0);
        histogram_record(&h, edges[k]);
        expect_equal("percentile of one value", histogram_percentile(&h, 99), edges[k]);
        histogram_close(&h);
    }
}

void check_histogram(void)
{
    edges_are_kept();
    for (unsigned bits = 1; bits <= HISTOGRAM_LIMIT_LOG2; bits++)
        percentiles_are_within_three_digits(bits, bits * UINT64_C(1000000));
}
