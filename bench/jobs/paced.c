// w5 through the public API: w2 with 1,000 cards at a fixed rate; how late each window's first and
// last result is.
#include "bench/jobs/payments.h"

#include "bench/harness/clock.h"

#include <stdio.h>
#include <sys/resource.h>

// An event's time is the moment it was due.
static void make_due(payment *p, uint64_t number, weir_time due)
{
    payment_make(p, number, W5_KEYS);
    p->event_time = due;
}
WEIR_GENERATOR(payments_due, payment, make_due);

typedef struct due_total {
    weir_time end;
    uint64_t  card_id;
    int64_t   sum;
} due_total;
WEIR_RECORD(due_total, end, card_id, sum);

typedef struct sum_of {
    int64_t sum;
} sum_of;
WEIR_RECORD(sum_of, sum);

static void add_amount(sum_of *s, const payment *p) { s->sum += p->amount; }
static void merge_sums(sum_of *s, const sum_of *more) { s->sum += more->sum; }
static void to_due_total(due_total *out, const by_card *key, const weir_pane *pane, const sum_of *s)
{
    out->end     = pane->end;
    out->card_id = key->card_id;
    out->sum     = s->sum;
}
WEIR_AGGREGATE(due_totals, payment, by_card, sum_of, due_total, add_amount, merge_sums,
               to_due_total);

// Latencies of the windows of one task, on the wall clock that the events' times are on.
typedef struct lateness {
    weir_time window; // whose results are coming; 0: none yet
    int64_t   first_us, last_us;
    int64_t   first_of[256], last_of[256];
    weir_time ends[256];
    uint32_t  count;
} lateness;

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void take_due(lateness *l, const due_total *t)
{
    const int64_t late_us = wall_us() - t->end;
    if (l->count == 0 || l->ends[l->count - 1] != t->end) {
        if (l->count == 256) {
            return;
        }
        l->ends[l->count]     = t->end;
        l->first_of[l->count] = late_us;
        l->count++;
    }
    l->last_of[l->count - 1] = late_us;
}

struct windows {
    struct paced_result        *result;
    const struct paced_options *options;
    weir_time                   start_us;
    int64_t                     first_of[1024], last_of[1024];
    bool                        is_seen[1024];
};

// A window's first result is the first of any task's, its last the last of any task's.
static void finish_due(lateness *l, void *opaque)
{
    struct windows *windows = opaque;
    for (uint32_t i = 0; i < l->count; i++) {
        const int64_t number = (l->ends[i] - windows->start_us) / windows->options->window_us;
        if (number < 0 || number >= 1024) {
            continue;
        }
        if (!windows->is_seen[number] || l->first_of[i] < windows->first_of[number]) {
            windows->first_of[number] = l->first_of[i];
        }
        if (!windows->is_seen[number] || l->last_of[i] > windows->last_of[number]) {
            windows->last_of[number] = l->last_of[i];
        }
        windows->is_seen[number] = true;
    }
}
WEIR_SINK(measure_due, due_total, lateness, take_due, finish_due);

static double cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void record_windows(const struct windows *windows)
{
    const int64_t first = windows->options->warmup_windows + 1;
    const int64_t last  = windows->options->warmup_windows + windows->options->windows;
    for (int64_t n = first; n <= last && n < 1024; n++) {
        if (!windows->is_seen[n]) {
            continue;
        }
        histogram_record(&windows->result->first, (uint64_t)windows->first_of[n] * 1000);
        histogram_record(&windows->result->last, (uint64_t)windows->last_of[n] * 1000);
    }
}

// The schedule starts at a whole window soon, and runs one event past the last window.
bool job_w5(const struct paced_options *options, struct paced_result *result)
{
    static struct windows windows;
    windows          = (struct windows){ .result = result, .options = options };
    windows.start_us = (wall_us() / 1000000 + 1) * 1000000;

    const uint64_t events = (uint64_t)((options->warmup_windows + options->windows) *
                                       options->window_us * options->events_per_second / 1000000) +
                            options->threads;
    weir_generator_options generator = { .name       = "payments",
                                         .events     = events,
                                         .partitions = options->threads,
                                         .rate       = (double)options->events_per_second,
                                         .start      = windows.start_us };
    generator.time.field             = "event_time";
    weir_job   *job                  = weir_job_open("w5");
    weir_stream payments             = weir_generate(job, &payments_due, &generator);
    weir_keyed  per_card             = weir_key(payments, &by_card_key);
    weir_stream sums = weir_aggregate(per_card, weir_tumbling(options->window_us), &due_totals);
    weir_sink(sums, &measure_due, &windows);

    const double cpu_before = cpu_seconds();
    double       seconds    = 0;
    if (!jobs_run(job, options->threads, &seconds)) {
        return false;
    }
    result->cores_used = (cpu_seconds() - cpu_before) / seconds;
    record_windows(&windows);
    return true;
}
