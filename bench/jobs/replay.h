// A workload's payments in a log, for the jobs that read them from there.
#ifndef WEIR_BENCH_REPLAY_H
#define WEIR_BENCH_REPLAY_H

#include "bench/roof/roof.h"

#define REPLAY_TOPIC "payments"

// The directory of a log with the payments of these options, a partition for each thread, as a
// generator would make them; written at the first call (in the working directory), kept for the
// next ones with the same options, removed at the program's end. NULL after saying why.
const char *replay_prepare(const struct roof_options *options);

#endif
