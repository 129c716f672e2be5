// What each workload's results are, told naively: one thread, every count of every second and card
// in one array, every window added up anew. It knows the range of the cards and the whole input,
// and shares no table, exchange or watermark with the roof; the roof's checksums must equal its.
#ifndef WEIR_BENCH_REFERENCE_H
#define WEIR_BENCH_REFERENCE_H

#include "bench/roof/roof.h"

bool reference_gen(const struct roof_options *options, struct checksum *checksum);
bool reference_w1(const struct roof_options *options, struct checksum *checksum);
bool reference_w2(const struct roof_options *options, struct checksum *checksum);
bool reference_w3(const struct roof_options *options, struct checksum *checksum);
bool reference_w3_tumbling(const struct roof_options *options, struct checksum *checksum);
bool reference_w4(const struct roof_options *options, struct checksum *checksum);

#endif
