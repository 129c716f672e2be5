// From one log to the next: how long after a payment was appended its result is read.
//
//   appender --> topic of one log --> w4 --> topic of another, exactly once --> two readers
//
// One reader has committed records: it sees a result when the checkpoint that counts it is durable.
// The other has the latest: it sees the result as soon as that is written. Both read all of the
// same run, so the difference is what checkpoints add. A payment counts from the moment it was due
// to be appended, once a millisecond, whenever it really was.
//
// Thread rule: the appender and the readers have a thread each and write their own struct;
// `is_over` ends them early, `has_failed` the job.
#include "bench/checkpoints/checkpoint_bench.h"
#include "bench/checkpoints/due.h"

#include "bench/harness/clock.h"
#include "bench/harness/median.h"
#include "bench/harness/pacer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define RATE              50000
#define GROUPS_PER_SECOND 1000
#define GROUP_MAX         1000 // payments
#define LOOK_US           100000

struct flow {
    const struct bench *bench;
    int64_t             interval_us;
    char                in[512], out[512]; // directories of the logs
    struct pacer        pacer;             // of groups
    uint64_t            group;             // payments in one
    uint64_t            groups;
    uint64_t            first_group, end_group; // latencies are recorded of [first, end)
    weir_time           first_us, end_us;       // when these are due
    bool                is_over;                // atomic: nothing more will come
    bool                has_failed;             // atomic: the appender has, so the job is to end
};

struct appender {
    struct flow *flow;
    weir_log    *log;
    pthread_t    thread;
};

struct reader {
    struct flow     *flow;
    bool             is_committed;
    bool             is_good;
    struct histogram late; // nanoseconds
    struct checksum  checksum;
    pthread_t        thread;
};

static const weir_topic payments_topic = {
    .name = "payments", .type = &payment_type, .key = "card_id", .partitions = 2
};
static const weir_topic results_topic = {
    .name = "results", .type = &due_update_type, .key = "card_id", .partitions = 2
};

static void complain(const char *sentence)
{
    fprintf(stderr, "weir-checkpoint-bench: w6_visible: %s\n", sentence);
}

// ---- appending ----

static weir_time group_due_us(const struct flow *flow, uint64_t group)
{
    return pacer_due_ns(&flow->pacer, (int64_t)group) / 1000;
}

static bool append_all(struct appender *appender, weir_producer *producer)
{
    struct flow *flow = appender->flow;
    payment      group[GROUP_MAX];
    for (uint64_t i = 0; i < flow->groups && !__atomic_load_n(&flow->is_over, __ATOMIC_RELAXED);
         i++) {
        for (uint64_t k = 0; k < flow->group; k++) {
            running_payment(&group[k], i * flow->group + k);
            group[k].event_time = group_due_us(flow, i);
        }
        (void)pacer_wait(&flow->pacer, (int64_t)i, true);
        if (weir_producer_append(producer, group, flow->group) != WEIR_OK) {
            return false;
        }
    }
    return true;
}

static void *appender_main(void *opaque)
{
    struct appender *appender = opaque;
    weir_producer   *producer = NULL;
    bool             is_good =
        weir_producer_open(appender->log, payments_topic.name, NULL, &producer) == WEIR_OK;
    if (is_good) {
        is_good = append_all(appender, producer);
        is_good = weir_producer_close(producer) == WEIR_OK && is_good;
    }
    if (!is_good) {
        complain(weir_log_error(appender->log));
        __atomic_store_n(&appender->flow->has_failed, true, __ATOMIC_RELAXED);
    }
    return NULL;
}

// ---- reading ----

static void rows_take(struct reader *reader, const weir_log_rows *rows)
{
    const struct flow *flow    = reader->flow;
    const due_update  *updates = rows->rows;
    const int64_t      now_us  = clock_now_ns() / 1000;
    for (uint32_t i = 0; i < rows->count; i++) {
        const due_update *u = &updates[i];
        checksum_add_w4(&reader->checksum, u->card_id, u->amount, u->sum);
        if (u->due >= flow->first_us && u->due < flow->end_us) {
            histogram_record(&reader->late, (uint64_t)(now_us - u->due) * 1000);
        }
    }
}

static bool read_all(struct reader *reader, weir_reader *rows)
{
    const struct flow *flow = reader->flow;
    while (reader->checksum.count < flow->groups * flow->group) {
        const bool        is_over = __atomic_load_n(&flow->is_over, __ATOMIC_RELAXED);
        weir_log_rows     some;
        const weir_status status = weir_reader_next(rows, LOOK_US, &some);
        if (status == WEIR_OK) {
            rows_take(reader, &some);
        } else if (status != WEIR_TIMED_OUT) {
            complain(weir_reader_error(rows));
            return false;
        } else if (is_over) {
            return true; // what is missing is seen by the checksum
        }
    }
    return true;
}

static void *reader_main(void *opaque)
{
    struct reader            *reader  = opaque;
    const weir_reader_options options = { .type              = &due_update_type,
                                          .reads_uncommitted = !reader->is_committed };
    weir_log                 *log     = NULL;
    weir_reader              *rows    = NULL;
    reader->is_good = weir_log_open(reader->flow->out, &(weir_log_options){ 0 }, &log) == WEIR_OK &&
                      weir_reader_open(log, results_topic.name, &options, &rows) == WEIR_OK;
    if (reader->is_good) {
        reader->is_good = read_all(reader, rows);
        weir_reader_close(rows);
    } else {
        complain(weir_log_error(log));
    }
    (void)weir_log_close(log);
    return NULL;
}

// ---- one run ----

static weir_log *log_make(const char *directory, const weir_topic *topic)
{
    const weir_log_options options = { .writes = true, .creates = true };
    weir_log              *log     = NULL;
    if (weir_log_open(directory, &options, &log) != WEIR_OK ||
        weir_log_create_topic(log, topic) != WEIR_OK) {
        complain(weir_log_error(log));
        (void)weir_log_close(log);
        return NULL;
    }
    return log;
}

static bool job_run(struct flow *flow, struct taken *taken)
{
    const weir_log_source_options source = { .directory = flow->in,
                                             .follow    = true,
                                             .time      = { .field = "" } };
    const weir_log_sink_options   sink   = { .directory = flow->out };
    char                          saved[512];
    (void)snprintf(saved, sizeof(saved), "%s", bench_path(flow->bench, "visible-saved"));
    const struct plan plan = { .workers     = flow->bench->workers,
                               .checkpoints = saved,
                               .interval_us = flow->interval_us,
                               .stop_at_row = flow->groups * flow->group,
                               .stops       = &flow->has_failed };
    weir_job         *job  = weir_job_open("visible");
    weir_keyed per_card    = weir_key(weir_from_log(job, &payments_topic, &source), &by_card_key);
    weir_to_log(weir_reduce(per_card, &due_sums), &results_topic, &sink);
    const bool is_good = plan_run(&plan, job, taken);
    path_remove_all(saved);
    return is_good;
}

static bool checksums_are_right(const struct flow *flow, const struct reader *readers)
{
    const struct checksum expected = running_expected(flow->groups * flow->group, running_payment);
    for (unsigned i = 0; i < 2; i++) {
        const struct checksum *found = &readers[i].checksum;
        if (!checksum_is_equal(found, &expected)) {
            fprintf(stderr,
                    "weir-checkpoint-bench: w6_visible: the reader of %s records has %" PRIu64
                    " results, hash %016" PRIx64 "; without weir there are %" PRIu64 ", %016" PRIx64
                    "\n",
                    readers[i].is_committed ? "committed" : "the latest", found->count, found->hash,
                    expected.count, expected.hash);
            return false;
        }
    }
    return true;
}

static bool threads_run(struct flow *flow, struct appender *appender, struct reader *readers,
                        struct taken *taken)
{
    pacer_start(&flow->pacer, GROUPS_PER_SECOND);
    flow->first_us = group_due_us(flow, flow->first_group);
    flow->end_us   = group_due_us(flow, flow->end_group);
    if (pthread_create(&appender->thread, NULL, appender_main, appender) != 0 ||
        pthread_create(&readers[0].thread, NULL, reader_main, &readers[0]) != 0 ||
        pthread_create(&readers[1].thread, NULL, reader_main, &readers[1]) != 0) {
        abort();
    }
    const bool is_good = job_run(flow, taken);
    __atomic_store_n(&flow->is_over, true, __ATOMIC_RELAXED);
    (void)pthread_join(appender->thread, NULL);
    (void)pthread_join(readers[0].thread, NULL);
    (void)pthread_join(readers[1].thread, NULL);
    return is_good && !flow->has_failed && readers[0].is_good && readers[1].is_good;
}

static bool flow_run(struct flow *flow, struct reader *readers, struct taken *taken)
{
    struct appender appender = { .flow = flow, .log = log_make(flow->in, &payments_topic) };
    weir_log *const out      = log_make(flow->out, &results_topic);
    bool            is_good  = appender.log != NULL && out != NULL;
    if (out != NULL) { // its writer is to be the job
        is_good = weir_log_close(out) == WEIR_OK && is_good;
    }
    is_good = is_good && threads_run(flow, &appender, readers, taken) &&
              checksums_are_right(flow, readers);
    if (appender.log != NULL) {
        is_good = weir_log_close(appender.log) == WEIR_OK && is_good;
    }
    path_remove_all(flow->in);
    path_remove_all(flow->out);
    return is_good;
}

// Long enough for thirty checkpoints. Behind it more is appended, so that the run's last
// checkpoint, which does not wait for its time, shows nothing that is recorded.
static void flow_init(struct flow *flow, const struct bench *bench, int64_t interval_us)
{
    const uint64_t interval_ms = (uint64_t)interval_us / 1000;
    const uint64_t warm_ms     = bench->is_small ? 200 : 2000;
    const uint64_t least_ms    = bench->is_small ? 300 : 10000;
    const uint64_t long_ms     = interval_ms * (bench->is_small ? 2 : 30);
    const double   rate        = bench->rate > 0 ? bench->rate : RATE;
    *flow = (struct flow){ .bench = bench, .interval_us = interval_us, .first_group = warm_ms };
    flow->end_group = warm_ms + (long_ms > least_ms ? long_ms : least_ms);
    flow->groups    = flow->end_group + 2 * interval_ms + 200;
    flow->group     = (uint64_t)(rate / GROUPS_PER_SECOND);
    flow->group     = flow->group < 1 ? 1 : flow->group > GROUP_MAX ? GROUP_MAX : flow->group;
    (void)snprintf(flow->in, sizeof(flow->in), "%s", bench_path(bench, "visible-in"));
    (void)snprintf(flow->out, sizeof(flow->out), "%s", bench_path(bench, "visible-out"));
}

static void flow_print(const char *job, const struct flow *flow, const struct reader *committed,
                       const struct reader *latest, struct taken *taken)
{
    const struct bench *bench = flow->bench;
    const double        took  = median(taken->took_ms, taken->count), // sorted now
        longest               = taken->took_ms[taken->count - 1];
    const double interval_us  = (double)flow->interval_us;
    const double added_p50 = percentile_us(&committed->late, 50) - percentile_us(&latest->late, 50),
                 added_p99 = percentile_us(&committed->late, 99) - percentile_us(&latest->late, 99);
    if (bench->is_json) {
        printf("{\"job\":\"%s\",\"interval_us\":%.0f,\"events_per_second\":%" PRIu64
               ",\"added_p50_us\":%.0f,\"added_p99_us\":%.0f,\"added_p50_ratio\":%.3f,"
               "\"added_p99_ratio\":%.3f,\"checkpoints\":%u,\"median_ms\":%.1f,"
               "\"longest_ms\":%.1f,\"workers\":%u",
               job, interval_us, flow->group * GROUPS_PER_SECOND, added_p50, added_p99,
               added_p50 / interval_us, added_p99 / interval_us, taken->count, took, longest,
               bench->workers);
    } else {
        printf("%-15s every %4.0f ms   %" PRIu64 "/s   %u checkpoints, %.1f ms, longest %.1f ms   "
               "adds p50 %.1f ms, p99 %.1f ms   ratio %.2f, %.2f of the interval\n",
               job, interval_us / 1e3, flow->group * GROUPS_PER_SECOND, taken->count, took, longest,
               added_p50 / 1e3, added_p99 / 1e3, added_p50 / interval_us, added_p99 / interval_us);
    }
    percentiles_print(bench, "committed", &committed->late);
    percentiles_print(bench, "latest", &latest->late);
}

static bool interval_measure(const struct bench *bench, const char *job, int64_t interval_us)
{
    static struct taken taken;
    struct flow         flow;
    struct reader       readers[2] = { { .flow = &flow, .is_committed = true }, { .flow = &flow } };
    flow_init(&flow, bench, interval_us);
    const bool is_good = histogram_open(&readers[0].late) && histogram_open(&readers[1].late) &&
                         flow_run(&flow, readers, &taken) && taken.count > 0;
    if (is_good) {
        flow_print(job, &flow, &readers[0], &readers[1], &taken);
        line_end(bench);
    }
    histogram_close(&readers[0].late);
    histogram_close(&readers[1].late);
    return is_good;
}

bool bench_visible(const struct bench *bench, const char *job)
{
    static const int64_t intervals_us[] = { 10000, 100000, 1000000 };
    running_keys                        = W5_KEYS;
    running_cards                       = NULL;
    for (size_t i = 0; i < sizeof(intervals_us) / sizeof(intervals_us[0]); i++) {
        if (!interval_measure(bench, job, intervals_us[i] / (bench->is_small ? 5 : 1))) {
            return false;
        }
    }
    return true;
}
