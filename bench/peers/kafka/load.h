// What the parts of kafka_load share: the options of one run, and librdkafka's handles.
#ifndef WEIR_BENCH_KAFKA_LOAD_H
#define WEIR_BENCH_KAFKA_LOAD_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

// A record is its number, eight bytes little-endian, and then filling.
#define LOAD_BYTES_MIN   8
#define LOAD_BYTES_MAX   4096
#define LOAD_SETTINGS    32
#define LOAD_RUN_LIMIT_S 120 // no run waits longer for the broker

struct load_options {
    const char *broker;
    const char *topic;
    uint64_t    record_count;
    uint64_t    warm_up_count; // produced before the clock starts, and counted by consume
    uint64_t    record_bytes;
    int         partition_count;
    int64_t     rate;                    // records/s by a fixed schedule; 0 is as fast as it goes
    int64_t     transaction_ms;          // between two commits; 0 is no transactions
    const char *settings[LOAD_SETTINGS]; // "name=value" for librdkafka, after its own
    int         setting_count;
};

// Each prints one JSON line, or ends the program with a sentence on standard error.
void produce_run(const struct load_options *options);
void consume_run(const struct load_options *options);

// Prints the sentence and exits with 1.
_Noreturn void load_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Exits when `error` is not NULL.
void load_check(rd_kafka_error_t *error, const char *what);

// A configuration of the defaults given as "name=value", NULL at the end, and then the user's.
rd_kafka_conf_t *load_conf(const struct load_options *options, const char *const *defaults);

rd_kafka_t *load_open(rd_kafka_type_t type, rd_kafka_conf_t *conf);

// Processor time of this process so far, all threads, seconds.
double load_cpu_seconds(void);

#endif
