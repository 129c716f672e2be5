// What unit tests of upkeep share: a log on a simulated disk with the topic "t" and its producer.
#ifndef UPKEEP_BENCH_H
#define UPKEEP_BENCH_H

#include "tests/support/upkeep_trial.h"

#include <criterion/criterion.h>

struct bench {
    struct wr_environment *environment;
    weir_log              *log;
    weir_producer         *producer;
};

static inline struct bench bench_open_with(const weir_topic *topic)
{
    struct bench bench = { .environment = wr_environment_open_simulated(1, false) };
    bench.log          = trial_open(bench.environment, true);
    trial_create(bench.log, topic);
    cr_assert_eq(weir_producer_open(bench.log, topic->name, NULL, &bench.producer), WEIR_OK);
    return bench;
}

static inline void bench_close(struct bench *bench)
{
    cr_expect_eq(weir_producer_close(bench->producer), WEIR_OK);
    cr_expect_eq(weir_log_close(bench->log), WEIR_OK);
    wr_environment_close(bench->environment);
}

// The producer's rows belong to a transaction from now on, which has begun.
static inline weir_transaction *bench_begin(struct bench *bench)
{
    weir_transaction *transaction;
    cr_assert_eq(weir_transaction_open(bench->log, "x", &transaction), WEIR_OK);
    cr_assert_eq(weir_producer_join(bench->producer, transaction), WEIR_OK);
    cr_assert_eq(weir_transaction_begin(transaction), WEIR_OK);
    return transaction;
}

// ---- the machine stops ----

// It will at change `at` from now.
static inline void bench_stop_at(struct bench *bench, uint64_t at, enum wr_disk_fault fault)
{
    wr_simulation_fault_at(bench->environment, wr_simulation_changes(bench->environment) + at,
                           fault);
}

// Whether it has; then it is started again and the log opened, without a producer. Else the bench
// is over. End it with bench_close_reopened.
static inline bool bench_reopen(struct bench *bench, uint64_t at)
{
    const bool has_stopped = wr_simulation_has_stopped(bench->environment);
    if (has_stopped) {
        wr_simulation_reboot(bench->environment, at);
    }
    (void)weir_producer_close(bench->producer);
    (void)weir_log_close(bench->log);
    if (has_stopped) {
        wr_simulation_restart(bench->environment);
        bench->log = trial_open(bench->environment, true);
    } else {
        wr_environment_close(bench->environment);
    }
    return has_stopped;
}

static inline void bench_close_reopened(struct bench *bench)
{
    cr_expect_eq(weir_log_close(bench->log), WEIR_OK);
    wr_environment_close(bench->environment);
}

// Tries a stop at each change, from the first on, until `is_stopped` says that it came too late.
static inline void bench_stop_anywhere(bool (*is_stopped)(uint64_t at), uint64_t least)
{
    uint64_t at = 0;
    while (is_stopped(at)) {
        at++;
    }
    cr_expect_gt(at, least);
}

#endif // UPKEEP_BENCH_H
