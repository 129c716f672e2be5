// The workloads as jobs of the engine, through the public API: what a user would write.
#ifndef WEIR_BENCH_JOBS_H
#define WEIR_BENCH_JOBS_H

#include "bench/roof/null_pipeline.h"
#include "bench/roof/roof.h"

// Each runs its workload once with options->threads workers. False when it could not, which has
// been said on stderr.
bool job_gen(const struct roof_options *options, struct roof_result *result);
bool job_w1(const struct roof_options *options, struct roof_result *result);
bool job_w2(const struct roof_options *options, struct roof_result *result);
bool job_w2_replay(const struct roof_options *options, struct roof_result *result); // from a log
bool job_w3(const struct roof_options *options, struct roof_result *result);
bool job_w3_tumbling(const struct roof_options *options, struct roof_result *result);
bool job_w4(const struct roof_options *options, struct roof_result *result);
bool job_w5(const struct paced_options *options, struct paced_result *result);

#endif
