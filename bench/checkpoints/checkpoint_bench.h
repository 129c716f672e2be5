// The benchmarks of checkpoints: what each measures.
//
//   cost         w4 and w2 with a checkpoint every second to local disk; ratio: the rate over that
//                of the same job without checkpoints, both sides alternating
//   latency      w4 at half of its measured rate; how long after it was due a payment's result
//                comes, where a checkpoint was under way in between and where none was
//   restore      a run that begins with a checkpoint of much state: how long until its first
//                result, and its rate from there over the rate before the checkpoint
//   spill        w4 with a budget of half of its state, over which state goes to files, beside the
//                same in memory alone; all cards alike, or by Zipf's law
//   incremental  how much a checkpoint writes where only some keys are written between two
//   visible      from one log to the next: how long after a payment was appended a reader of
//                committed records has its result, and how much of that the interval adds
//   rescale      a run that is given 2, 4 and 1 workers while it works: how long its keys stand
//                still, and how late results are then
//   backpressure how long a checkpoint takes where every channel is full all the time
//
// Every job's results are checked: by the checksum of the other side, by one that is computed from
// the payments alone, or by the entries that a checkpoint holds.
#ifndef WEIR_BENCH_CHECKPOINT_BENCH_H
#define WEIR_BENCH_CHECKPOINT_BENCH_H

#include "bench/harness/histogram.h"
#include "bench/harness/machine.h"
#include "bench/workloads.h"
#include "runtime/state/spill.h"

#include <stdbool.h>
#include <weir.h>

#define RUNS_MAX  99
#define TAKEN_MAX 4096
#define RUN_SEED  UINT64_C(0x63617264) // of the keys' hash

struct bench {
    const char    *directory; // of the benchmark: made and removed by main
    struct machine machine;
    unsigned       workers;
    unsigned       runs;
    uint64_t       events; // 0: each job's own number
    double         rate;   // of w6_latency and w6_visible, events a second; 0: the job's own
    bool           is_small, is_json;
};

// Each prints its figures; false after saying why it could not.
bool bench_cost(const struct bench *bench, const char *job);
bool bench_latency(const struct bench *bench, const char *job);
bool bench_restore(const struct bench *bench, const char *job);
bool bench_incremental(const struct bench *bench, const char *job);
bool bench_visible(const struct bench *bench, const char *job);
bool bench_rescale(const struct bench *bench, const char *job);
bool bench_backpressure(const struct bench *bench, const char *job);
bool bench_spill(const struct bench *bench, const char *job);
// Ends what one has printed.
void line_end(const struct bench *bench);

// ---- running (run.c) ----

// The checkpoints of a run, in order, and its rows.
struct taken {
    uint32_t count;
    double   bytes[TAKEN_MAX], took_ms[TAKEN_MAX];
    double   packed[TAKEN_MAX]; // the share of the segments that are new in it
    uint64_t entries;           // of the last
    uint64_t rows;              // that sources have read, at the end
    // Of the rows that sources had read, those that plan.sink had not: after the first checkpoint.
    uint64_t least_under_way, most_under_way;
    // Of the run, when it ended.
    uint64_t              state_bytes; // in memory
    struct wr_spill_facts spilled;
};

// How a job is run: with checkpoints if there is a directory.
struct plan {
    unsigned    workers;
    const char *checkpoints;  // NULL: none
    int64_t     interval_us;  // 0: as good as never
    const char *sink;         // of which rows under way are noted; NULL: they are not
    uint64_t    state_budget; // over which state goes to files; 0: none
    const char *spill_directory;
    // When to stop it; 0: the job ends by itself.
    uint32_t    stop_at_checkpoint; // so many have been published by this run
    uint64_t    stop_at_row;        // sources have read so many, in this run and those before it
    const bool *stops;              // when that is so, atomic; NULL: nobody says so
};

// Runs the job to its end and closes it. `taken` may be NULL. False after saying why.
bool plan_run(const struct plan *plan, weir_job *job, struct taken *taken);

// The path of `name` in the benchmark's directory; one at a time.
const char *bench_path(const struct bench *bench, const char *name);
void        path_remove_all(const char *path);

// Of the run under way, or 0; see wr_coordinator_busy_until_any. Any thread.
int64_t run_busy_until_us_any(void);

// ---- latencies (percentiles.c) ----

double percentile_us(const struct histogram *h, double percent);
// A histogram of nanoseconds: a line, or a member of the JSON object.
void percentiles_print(const struct bench *bench, const char *name, const struct histogram *h);

// ---- the running sum (running.c) ----

// What a sink sees of time, in nanoseconds of the harness's clock, and of the results.
struct seen {
    struct checksum checksum;
    int64_t         first_ns, last_ns;
    int64_t         middle_ns; // when a task had seen `middle_count` results
    uint64_t        middle_count;
};
void seen_start(struct seen *seen, uint64_t middle_count);

// The number of cards, for the generators below; set between runs.
extern uint64_t running_keys;
// After the first `running_keys` payments, one a card, those of these cards only; NULL: of all at
// random.
extern const uint64_t *running_cards;
extern uint64_t        running_card_count;

// w4: payments 0 to events, each card's running sum, into `seen`. Filled: one of each card first.
weir_job *running_open(const struct bench *bench, uint64_t events, bool is_filled,
                       struct seen *seen);
// Payment i of a filled job.
void running_payment(payment *out, uint64_t i);
// The checksum of the first so many payments that `make` makes (running_payment: a filled job's),
// computed without weir.
struct checksum running_expected(uint64_t events, void (*make)(payment *out, uint64_t i));
// Half of the rate that w4 with W4_KEYS reaches by itself with so many workers, as cost.c measures
// it, over so many events a run. False after saying why.
bool      running_half_of_peak(const struct bench *bench, unsigned workers, uint64_t events,
                               double *rate);
weir_job *tumbling_open(const struct bench *bench, uint64_t events, struct seen *seen); // w2

#endif
