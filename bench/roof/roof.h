// The roof: each workload written by hand in C, as fast as we know how, without a runtime. An
// engine's rate is read as a share of it.
//
// What it grants itself: everything fused into one loop, no checkpoint, no report, no failure but
// abort; tables sized for the number of distinct keys and touched before the clock starts; the
// second of the first event known. What it does not: it knows nothing of the keys' values (open
// addressing by a mixed 64-bit hash), it keeps full 64-bit sums and counts, it generates every
// field of every record into memory, and a result leaves only when the watermark of all sources has
// passed its window.
//
// With several threads each generates every threads-th block of event numbers, so all sources move
// through the same event time; keyed state has one owner a key. ROOF_SHUFFLE sends each record to
// the owner of its key, ROOF_PARTIALS aggregates in the source and sends one partial a key and
// window; ROOF_BEST is the faster of the two as measured.
#ifndef WEIR_BENCH_ROOF_H
#define WEIR_BENCH_ROOF_H

#include "bench/workloads.h"

#include <stdbool.h>

enum roof_exchange { ROOF_BEST, ROOF_SHUFFLE, ROOF_PARTIALS };

struct roof_options {
    uint64_t           events;
    uint64_t           keys;
    unsigned           threads; // 1 to CREW_MAX_THREADS
    enum roof_exchange exchange;
};

struct roof_result {
    struct checksum checksum;
    double          seconds; // from the first event to the last result
};

// Each runs its workload once. False when there is no memory or no thread.
bool roof_gen(const struct roof_options *options, struct roof_result *result);
bool roof_w1(const struct roof_options *options, struct roof_result *result);
bool roof_w2(const struct roof_options *options, struct roof_result *result);
bool roof_w3(const struct roof_options *options, struct roof_result *result);
bool roof_w3_tumbling(const struct roof_options *options, struct roof_result *result);
bool roof_w4(const struct roof_options *options, struct roof_result *result);

#endif
