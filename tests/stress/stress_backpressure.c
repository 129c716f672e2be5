// Backpressure: a sink a hundred times slower than its source, and a burst of fifty times the
// steady rate. Nothing may be lost, repeated or out of order, and memory stays within the plan's
// bound.
//
//   readings, a partition a task --+--> slow sink, one task: sees every number of each partition in
//   turn
//                                  +--> count by card and second --> totals: add up to the same
//
// Each part runs in a process of its own, so that the one's memory is not the other's.
//
//   part     source                                    sink
//   slow     as fast as it goes                        1/100 of what the job does with a free sink
//   burst    RATE steadily, and 49 RATE for a while    4 RATE, at most 1/4 of what it does freely
#include "tests/support/trial.h"

#include <weir.h>

#include <sys/wait.h>

#define WORKERS      2
#define STATE_BUDGET (UINT64_C(64) << 20)
#define SLACK_BYTES  (UINT64_C(64) << 20) // over the bound
#define SLOWER       100
#define FREE_RECORDS 50000 // at least, to find out what the job does with a free sink
#define BURST        50
#define PARTITIONS   2
#define CARDS        1000
#define PACED        32  // records between two looks at the clock
#define PAUSE_US     500 // shorter sleeps are saved up

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEASURES_MEMORY false // the sanitizer's own is many times ours
#else
#define MEASURES_MEMORY true
#endif

static struct trial_watchdog watchdog;

// ---- the job ----

typedef struct reading {
    weir_time at;
    uint64_t  number;
    uint32_t  stream; // which source
    uint32_t  card;
} reading;
WEIR_RECORD(reading, at, number, stream, card);

static uint32_t card_of(uint64_t number) { return (uint32_t)(number * 2654435761u >> 16) % CARDS; }

static void make_steady(reading *r, uint64_t number, weir_time due)
{
    r->at     = due != 0 ? due : (weir_time)number;
    r->number = number;
    r->stream = 0;
    r->card   = card_of(number);
}
static void make_burst(reading *r, uint64_t number, weir_time due)
{
    make_steady(r, number, due);
    r->stream = 1;
}
WEIR_GENERATOR(steady, reading, make_steady);
WEIR_GENERATOR(burst, reading, make_burst);

// What arrived, and whether each stream's partitions came whole and in order.
typedef struct arrivals {
    uint64_t count, sum;
    uint64_t next[2][PARTITIONS]; // the number that must come, less the partition's
    uint64_t misplaced;
    double   due_us; // when it is ready for the next
} arrivals;

static int64_t now_us(void);

static double   sink_rate; // records a second; 0: no limit
static uint64_t arrived;   // for the watchdog and the samples; the sink's one task writes it

// Sleeps as a slow disk would, with the worker waiting. What it did not take in time it cannot
// catch up with.
static void pace(arrivals *local)
{
    const double now = (double)now_us();
    local->due_us    = local->due_us > now - PAUSE_US ? local->due_us : now - PAUSE_US;
    local->due_us += PACED * 1e6 / sink_rate;
    if (local->due_us > now + PAUSE_US) {
        usleep((useconds_t)(local->due_us - now));
    }
}

static uint32_t partitions_of(uint32_t stream) { return stream == 0 ? PARTITIONS : 1; }

static void take_slowly(arrivals *local, const reading *r)
{
    const uint32_t step      = partitions_of(r->stream);
    const uint32_t partition = (uint32_t)(r->number % step);
    uint64_t      *next      = &local->next[r->stream][partition];
    local->misplaced += r->number != *next + partition;
    *next += step;
    local->count++;
    local->sum += r->number;
    if (local->count % PACED == 0) {
        __atomic_store_n(&arrived, local->count, __ATOMIC_RELAXED);
        if (sink_rate > 0) {
            pace(local);
        }
    }
}
static void finish_arrivals(arrivals *local, void *into) { *(arrivals *)into = *local; }
WEIR_SINK(slow_sink, reading, arrivals, take_slowly, finish_arrivals);

typedef struct total {
    uint64_t count, sum;
} total;
WEIR_RECORD(total, count, sum);

static void add(total *t, const reading *r)
{
    t->count++;
    t->sum += r->number;
}
static void merge(total *t, const total *more)
{
    t->count += more->count;
    t->sum += more->sum;
}
WEIR_KEY(by_card, reading, card);
static void to_total(total *out, const by_card *key, const weir_pane *pane, const total *t)
{
    (void)key;
    (void)pane;
    *out = *t;
}
WEIR_AGGREGATE(totals, reading, by_card, total, total, add, merge, to_total);

static void take_total(total *local, const total *t) { merge(local, t); }
static void finish_totals(total *local, void *into) { merge(into, local); }
WEIR_SINK(sum_totals, total, total, take_total, finish_totals);

struct outcome {
    arrivals at_sink;
    total    in_windows;
};

static void job_add_ends(weir_stream readings, struct outcome *outcome)
{
    (void)weir_parallelism(weir_sink(readings, &slow_sink, &outcome->at_sink), 1);
    weir_stream counted =
        weir_aggregate(weir_key(readings, &by_card_key), weir_tumbling(WEIR_SECONDS(1)), &totals);
    (void)weir_sink(counted, &sum_totals, &outcome->in_windows);
}

static weir_job *job_open(double rate, weir_time start, uint64_t events, struct outcome *outcome)
{
    weir_job                    *job     = weir_job_open("backpressure");
    const weir_generator_options options = {
        .events     = events,
        .partitions = PARTITIONS,
        .rate       = rate,
        .start      = start,
        .time       = { .field = "at" },
    };
    weir_stream readings = weir_generate(job, &steady, &options);
    if (rate > 0) {
        // From a third of the way on, until as many have come as the steady source makes in all.
        const double                 burst_rate    = rate * (BURST - 1);
        const uint64_t               burst_events  = events / BURST * (BURST - 1);
        const weir_time              span          = (weir_time)((double)events / rate * 1e6);
        const weir_generator_options burst_options = {
            .events = burst_events,
            .rate   = burst_rate,
            .start  = start + span / 3,
            .time   = { .field = "at" },
        };
        const weir_stream both[] = { readings, weir_generate(job, &burst, &burst_options) };
        readings                 = weir_union(both, 2);
    }
    job_add_ends(readings, outcome);
    TRIAL_CHECK(weir_job_error(job) == NULL, "%s", weir_job_error(job));
    return job;
}

// ---- time and memory ----

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static weir_time wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (weir_time)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// A figure of /proc/self/status in bytes.
static uint64_t status_bytes(const char *name)
{
    char     line[256];
    uint64_t kib    = 0;
    FILE    *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kib = strtoull(line + strlen(name) + 1, NULL, 10);
        }
    }
    if (status != NULL) {
        (void)fclose(status);
    }
    return kib * 1024;
}

// ---- a run, watched ----

struct measure {
    double   seconds;
    uint64_t sent, most_in_flight; // records
    uint64_t bound, grown;         // bytes
};

// The sources' rows that the sink has not seen; the sink's own count moves in steps.
static uint64_t rows_in_flight(const weir_job *job)
{
    const uint64_t seen = __atomic_load_n(&arrived, __ATOMIC_RELAXED);
    const uint64_t sent = weir_job_sources_counter(job, WEIR_ROWS_OUT);
    return sent > seen ? sent - seen : 0;
}

// Runs the job to its end, or stops it after `limit_us` (if > 0) and `least` records at the sink,
// and lets it drain.
static struct measure job_measure(weir_job *job, int64_t limit_us, uint64_t least)
{
    const weir_run_options options = { .workers = WORKERS, .state_budget = STATE_BUDGET };
    struct measure         measure = { .bound = weir_job_memory_bound(job, &options) };
    TRIAL_CHECK(measure.bound > STATE_BUDGET, "%" PRIu64, measure.bound);
    const uint64_t before_bytes = status_bytes("VmRSS");
    const int64_t  started_us   = now_us();
    bool           is_stopped   = false;
    uint64_t       seen         = 0;

    __atomic_store_n(&arrived, 0, __ATOMIC_RELAXED);
    weir_run *run = weir_run_start(job, &options);
    TRIAL_CHECK(run != NULL, "%s", weir_job_error(job));
    while (weir_run_wait(run, 20000) == WEIR_TIMED_OUT) {
        const uint64_t in_flight = rows_in_flight(job);
        measure.most_in_flight =
            in_flight > measure.most_in_flight ? in_flight : measure.most_in_flight;
        if (__atomic_load_n(&arrived, __ATOMIC_RELAXED) != seen) {
            seen = __atomic_load_n(&arrived, __ATOMIC_RELAXED);
            trial_progress(&watchdog);
        }
        if (!is_stopped && limit_us > 0 && seen >= least && now_us() - started_us > limit_us) {
            measure.seconds = (double)(now_us() - started_us) / 1e6;
            is_stopped      = true;
            weir_run_stop_any(run, true);
        }
    }
    const uint64_t most_bytes = status_bytes("VmHWM");
    TRIAL_CHECK(weir_run_close(run) == WEIR_OK, "%s", weir_job_error(job));
    if (!is_stopped) {
        measure.seconds = (double)(now_us() - started_us) / 1e6;
    }
    measure.sent  = weir_job_sources_counter(job, WEIR_ROWS_OUT);
    measure.grown = most_bytes > before_bytes ? most_bytes - before_bytes : 0;
    return measure;
}

// The sum of p, p + n, p + 2n, ... (count of them).
static uint64_t sum_of(uint64_t first, uint64_t step, uint64_t count)
{
    return count * first + step * (count * (count - 1) / 2);
}

static uint64_t sum_sent(const arrivals *a)
{
    uint64_t sum = sum_of(0, 1, a->next[1][0]);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        sum += sum_of(p, PARTITIONS, a->next[0][p] / PARTITIONS);
    }
    return sum;
}

static void check_nothing_lost(const struct outcome *outcome, uint64_t sent)
{
    const arrivals *a = &outcome->at_sink;
    TRIAL_CHECK(a->count == sent, "the sink saw %" PRIu64 " of %" PRIu64, a->count, sent);
    TRIAL_CHECK(a->misplaced == 0, "%" PRIu64 " of %" PRIu64 " out of turn", a->misplaced, sent);
    TRIAL_CHECK(a->sum == sum_sent(a), "%" PRIu64 " instead of %" PRIu64, a->sum, sum_sent(a));
    TRIAL_CHECK(outcome->in_windows.count == sent, "windows counted %" PRIu64 " of %" PRIu64,
                outcome->in_windows.count, sent);
    TRIAL_CHECK(outcome->in_windows.sum == a->sum, "windows summed %" PRIu64 " instead of %" PRIu64,
                outcome->in_windows.sum, a->sum);
}

static void check_memory(const struct measure *measure)
{
    const double mib = 1048576.0;
    printf("  %.1f s; %" PRIu64 " records; at most %" PRIu64 " in flight (%.2f MiB)\n",
           measure->seconds, measure->sent, measure->most_in_flight,
           (double)(measure->most_in_flight * sizeof(reading)) / mib);
    printf("  memory grew by %.1f MiB; bound %.1f MiB (state %.0f) + %.0f\n",
           (double)measure->grown / mib, (double)measure->bound / mib, (double)STATE_BUDGET / mib,
           (double)SLACK_BYTES / mib);
    TRIAL_CHECK(!MEASURES_MEMORY || measure->grown <= measure->bound + SLACK_BYTES,
                "%" PRIu64 " bytes over a bound of %" PRIu64, measure->grown, measure->bound);
    // What lies between was full, and the source was held back to it. What is in flight is in
    // batches: the state has nothing to do with it.
    TRIAL_CHECK(measure->most_in_flight > 1000, "%" PRIu64 " in flight", measure->most_in_flight);
    TRIAL_CHECK(measure->most_in_flight * sizeof(reading) <= measure->bound - STATE_BUDGET,
                "%" PRIu64 " records wait in batches of %" PRIu64 " bytes", measure->most_in_flight,
                measure->bound - STATE_BUDGET);
}

// ---- the two parts ----

// Records a second that the job does, here and now, with a sink that takes what comes.
static double free_rate(void)
{
    struct outcome outcome       = { 0 };
    sink_rate                    = 0;
    weir_job            *job     = job_open(0, 0, 0, &outcome);
    const struct measure measure = job_measure(job, 300000, FREE_RECORDS);
    weir_job_close(job);
    check_nothing_lost(&outcome, measure.sent);
    return (double)measure.sent / measure.seconds;
}

static void part_slow(double seconds)
{
    const double   rate    = free_rate();
    struct outcome outcome = { 0 };
    sink_rate              = rate / SLOWER;
    printf("slow sink: the source makes %.2f M/s, the sink takes %.3f M/s\n", rate / 1e6,
           sink_rate / 1e6);
    weir_job            *job     = job_open(0, 0, 0, &outcome);
    const struct measure measure = job_measure(job, (int64_t)(seconds * 1e6), 0);
    weir_job_close(job);
    check_nothing_lost(&outcome, measure.sent);
    check_memory(&measure);
}

static void part_burst(double seconds)
{
    const double   rate    = 100000;
    const uint64_t events  = (uint64_t)(rate * seconds) / BURST * BURST;
    struct outcome outcome = { 0 };
    const double   most    = free_rate() / 4; // the burst comes faster than the sink takes it
    sink_rate              = 4 * rate < most ? 4 * rate : most;
    printf("burst: %.1f M/s, %.1f M/s for %.2f s; the sink takes %.1f M/s\n", rate / 1e6,
           rate * BURST / 1e6, seconds / BURST, sink_rate / 1e6);
    weir_job            *job     = job_open(rate, wall_us(), events, &outcome);
    const struct measure measure = job_measure(job, 0, 0);
    weir_job_close(job);
    TRIAL_CHECK(measure.sent == events + events / BURST * (BURST - 1), "%" PRIu64, measure.sent);
    check_nothing_lost(&outcome, measure.sent);
    check_memory(&measure);
}

static void in_a_process(void (*part)(double seconds), double seconds)
{
    (void)fflush(stdout);
    const pid_t child = fork();
    TRIAL_CHECK(child >= 0, "no process");
    if (child == 0) {
        trial_watchdog_start(&watchdog);
        part(seconds);
        trial_watchdog_stop(&watchdog);
        exit(0);
    }
    int status = 0;
    TRIAL_CHECK(waitpid(child, &status, 0) == child, "it is gone");
    TRIAL_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
}

int main(void)
{
    in_a_process(part_slow, (double)trial_size(1, 2, 60));
    in_a_process(part_burst, (double)trial_size(1, 3, 60));
    printf("cases: 2\n");
    return 0;
}
