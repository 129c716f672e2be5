// The log's own benchmarks: what each measures, and against what limit of the machine.
//
//   append   durable, group-committed appends of 100-byte records
//            limit: the smaller of what the disk takes (pwrite and fdatasync of 1 MiB pieces, one
//            after the other, into room set aside) and memcpy + CRC-32C of the same bytes
//   commit   from append to acknowledgement, paced at half of the append rate; from the intended
//            time, so that waiting counts (coordinated omission)
//            beside it: one pwrite + fdatasync of as many bytes as a commit had, same pace
//   read     reading and counting all records; limit: pread of the same files and a sum of them
//
// Both sides alternate in one run; the ratio is the median of the runs' own.
#ifndef WEIR_BENCH_LOG_H
#define WEIR_BENCH_LOG_H

#include "bench/harness/histogram.h"

#include <weir/log.h>

typedef struct log_record {
    char bytes[100];
} log_record;
WEIR_RECORD(log_record, bytes);

struct log_bench {
    const char     *directory; // of the run: made and removed by main
    uint64_t        records;   // of one run of append
    unsigned        threads;   // producers
    unsigned        group;     // records a call
    weir_durability durability;
    double          paced_seconds;
};

// Each is one run, in a new place under the directory; false after saying why.
bool bench_append(const struct log_bench *bench, double *records_per_second);
bool bench_read(const struct log_bench *bench, const char *log, double *records_per_second);
bool bench_commit(const struct log_bench *bench, double records_per_second,
                  struct histogram *latency_ns, double *records_per_commit);

// The limits, in records of 100 bytes a second.
bool roof_disk(const struct log_bench *bench, double *records_per_second);
bool roof_copy(const struct log_bench *bench, double *records_per_second);
bool roof_scan(const struct log_bench *bench, const char *log, double *records_per_second);
// pwrite + fdatasync of `bytes` at a pace of `per_second`, for the time of a paced run.
bool roof_commit(const struct log_bench *bench, size_t bytes, double per_second,
                 struct histogram *latency_ns);

// Writes a log with bench->records records to `log`, for the readers.
bool bench_prepare(const struct log_bench *bench, const char *log);

#endif
