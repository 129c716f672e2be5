// Buckets of the histogram: the index is the exponent above ten bits, then the ten bits below the
// leading one.

#include "bench/harness/histogram.h"

#include <stdlib.h>
#include <string.h>

static unsigned value_shift(uint64_t value)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
    return bits <= HISTOGRAM_DIGIT_LOG2 + 1 ? 0 : bits - (HISTOGRAM_DIGIT_LOG2 + 1);
}

static uint64_t bucket_of(uint64_t value)
{
    if (value >= HISTOGRAM_LIMIT)
        return HISTOGRAM_BUCKETS - 1;
    unsigned shift = value_shift(value);
    return ((uint64_t)shift << HISTOGRAM_DIGIT_LOG2) + (value >> shift);
}

static uint64_t bucket_upper_edge(uint64_t bucket)
{
    if (bucket < (2u << HISTOGRAM_DIGIT_LOG2))
        return bucket;
    uint64_t shift = (bucket >> HISTOGRAM_DIGIT_LOG2) - 1;
    return ((bucket - (shift << HISTOGRAM_DIGIT_LOG2) + 1) << shift) - 1;
}

bool histogram_open(struct histogram *h)
{
    *h = (struct histogram){ .buckets = malloc(HISTOGRAM_BUCKETS * sizeof *h->buckets) };
    if (h->buckets)
        memset(h->buckets, 0, HISTOGRAM_BUCKETS * sizeof *h->buckets);
    return h->buckets != NULL;
}

void histogram_close(struct histogram *h)
{
    free(h->buckets);
    h->buckets = NULL;
}

void histogram_record(struct histogram *h, uint64_t value)
{
    h->buckets[bucket_of(value)]++;
    h->count++;
    if (value > h->max)
        h->max = value;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (uint64_t b = 0; b < HISTOGRAM_BUCKETS; b++)
        into->buckets[b] += from->buckets[b];
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    double   exact = percent / 100.0 * (double)h->count;
    uint64_t rank  = (uint64_t)exact;
    if ((double)rank < exact || rank == 0)
        rank++;
    uint64_t seen = 0;
    for (uint64_t b = 0; b < HISTOGRAM_BUCKETS; b++) {
        seen += h->buckets[b];
        if (seen >= rank) {
            uint64_t edge = bucket_upper_edge(b);
            return edge < h->max && b != HISTOGRAM_BUCKETS - 1 ? edge : h->max;
        }
    }
    return h->max;
}
