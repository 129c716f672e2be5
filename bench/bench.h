// A job of the benchmark: the same workload by hand, and on the engine.
//
// Both sides get the same options and must come to the same checksum; the engine's side ignores
// `exchange`, and `threads` are its workers. Its seconds run from the first event to the last
// result, as the roof's do.
#ifndef WEIR_BENCH_H
#define WEIR_BENCH_H

#include "bench/roof/null_pipeline.h"
#include "bench/roof/roof.h"

typedef bool bench_run(const struct roof_options *options, struct roof_result *result);
typedef bool bench_paced_run(const struct paced_options *options, struct paced_result *result);

struct bench_job {
    const char        *name;
    bench_run         *roof;
    bench_run         *engine; // NULL where there is none
    uint64_t           keys;
    uint64_t           events;
    enum roof_exchange exchange;
    bool               is_variant; // only measured with --variants: the other way to write a roof
};

struct bench_paced_job {
    const char      *name;
    bench_paced_run *null_pipeline;
    bench_paced_run *engine; // NULL where there is none
    bool             is_sleeping;
    bool             is_variant;
};

#endif
