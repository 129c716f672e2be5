// A log-linear histogram of whole numbers with three significant digits, after HdrHistogram.
//
// A value below 2,048 has a bucket of its own; above, each doubling is cut into 1,024 equal
// buckets, so a bucket is never wider than 1/1,024 of the values in it:
//
//     value   0 .. 2047 | 2048 .. 4095 | 4096 .. 8191 | ...          up to HISTOGRAM_LIMIT
//     width       1     |      2       |      4       | ...
//
// One thread records into a histogram; several are merged when their threads have stopped. Of
// values recorded in nanoseconds the limit is 73 minutes; larger ones count in the last bucket, and
// the maximum is kept exactly.
#ifndef WEIR_BENCH_HISTOGRAM_H
#define WEIR_BENCH_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define HISTOGRAM_DIGIT_LOG2 10
#define HISTOGRAM_LIMIT_LOG2 42
#define HISTOGRAM_LIMIT      (UINT64_C(1) << HISTOGRAM_LIMIT_LOG2)
#define HISTOGRAM_BUCKETS                                                                          \
    ((HISTOGRAM_LIMIT_LOG2 - HISTOGRAM_DIGIT_LOG2 + 1) << HISTOGRAM_DIGIT_LOG2)

struct histogram {
    uint64_t *buckets; // HISTOGRAM_BUCKETS of them
    uint64_t  count;
    uint64_t  max;
};

// Takes 264 KiB, touched here so that recording takes no page fault. False when there is no memory.
bool histogram_open(struct histogram *h);

void histogram_close(struct histogram *h);

void histogram_record(struct histogram *h, uint64_t value);

void histogram_merge(struct histogram *into, const struct histogram *from);

// The value at or below which `percent` (0 to 100) of the recorded values lie: the upper edge of
// its bucket, never above the maximum; 0 when nothing was recorded.
uint64_t histogram_percentile(const struct histogram *h, double percent);

#endif
