// Printing what a histogram of nanoseconds has.
#include "bench/checkpoints/checkpoint_bench.h"

#include <inttypes.h>
#include <stdio.h>

static const double      percents[]      = { 50, 99, 99.9, 100 };
static const char *const percent_names[] = { "p50", "p99", "p99_9", "max" };

double percentile_us(const struct histogram *h, double percent)
{
    return (double)histogram_percentile(h, percent) / 1e3;
}

void percentiles_print(const struct bench *bench, const char *name, const struct histogram *h)
{
    if (bench->is_json) {
        printf(",\"%s\":{\"samples\":%" PRIu64, name, h->count);
    } else {
        printf("%-15s %-9s", "", name);
    }
    for (size_t k = 0; k < sizeof(percents) / sizeof(percents[0]); k++) {
        printf(bench->is_json ? ",\"%s_us\":%.0f" : "  %s %.0f us", percent_names[k],
               percentile_us(h, percents[k]));
    }
    if (bench->is_json) {
        printf("}");
    } else {
        printf("   of %" PRIu64 "\n", h->count);
    }
}
