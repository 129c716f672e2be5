// w5 without a runtime: how late a window's result is when nothing is between the pacer and the
// histogram.
//
// One thread makes payments by a fixed schedule (harness/pacer.h), their event_time being the
// moment they were due, in microseconds of CLOCK_MONOTONIC. They are in order, so the watermark is
// the newest event_time, and the payment due exactly at a window's end closes it. What is measured
// of each window is the time from its end until that payment is out of the generator: the
// platform's own lateness, which every engine on this machine has too.
#ifndef WEIR_BENCH_NULL_PIPELINE_H
#define WEIR_BENCH_NULL_PIPELINE_H

#include "bench/harness/histogram.h"

#include <stdbool.h>
#include <stdint.h>

struct paced_options {
    int64_t  events_per_second;
    int64_t  window_us;      // divides a second
    int64_t  warmup_windows; // not recorded
    int64_t  windows;        // recorded
    unsigned threads;        // the engine's workers; the null pipeline is one thread
    bool     is_sleeping;    // the pacer sleeps between events rather than spins
};

// All in nanoseconds after the moment due. `first` and `last` are of the first and the last result
// of each window; the null pipeline has one result a window and fills both alike.
struct paced_result {
    struct histogram first;
    struct histogram last;
    struct histogram event;      // null pipeline only: each event's release
    double           cores_used; // CPU seconds a second, of the whole process
};

bool paced_result_open(struct paced_result *r);
void paced_result_close(struct paced_result *r);

bool null_pipeline(const struct paced_options *options, struct paced_result *result);

#endif
