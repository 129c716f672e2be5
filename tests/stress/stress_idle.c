// A job that waits for input uses no CPU: a source that is not due for ten seconds, one whose
// partition went idle, one that is ahead and waits for another, a file that does not grow, a pipe
// that nobody writes to. Each is looked at until it has been quiet for a second: on a slow machine
// what there is to do at the start takes a while.
#include "tests/support/trial.h"

#include <weir.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define WORKERS   2
#define TRIES     60
#define LIMIT_US  100000 // of one that does not wait: a second, or two
#define SECOND_US 1000000

typedef struct tick {
    weir_time at;
    uint64_t  number;
} tick;
WEIR_RECORD(tick, at, number);

static void make_tick(tick *t, uint64_t number, weir_time due)
{
    t->at     = due != 0 ? due : (weir_time)number;
    t->number = number;
}
WEIR_GENERATOR(ticks, tick, make_tick);
static bool is_any(const tick *t) { return t->at != WEIR_TIME_MIN; }
WEIR_FILTER(any, tick, is_any);
WEIR_KEY(by_number, tick, number);

typedef struct total {
    uint64_t count;
} total;
WEIR_RECORD(total, count);
static void add(total *t, const tick *k) { t->count += k->number < UINT64_MAX; }
static void merge(total *t, const total *more) { t->count += more->count; }
static void to_total(total *out, const by_number *key, const weir_pane *pane, const total *t)
{
    (void)key;
    (void)pane;
    *out = *t;
}
WEIR_AGGREGATE(totals, tick, by_number, total, total, add, merge, to_total);
static void take(total *local, const total *t) { merge(local, t); }
static void finish(total *local, void *into) { merge(into, local); }
WEIR_SINK(sum_totals, total, total, take, finish);

static void job_add_ends(weir_stream all, total *result)
{
    weir_stream counted = weir_aggregate(weir_key(weir_filter(all, &any), &by_number_key),
                                         weir_tumbling(WEIR_SECONDS(1)), &totals);
    (void)weir_sink(counted, &sum_totals, result);
}

static weir_time wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (weir_time)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static weir_generator_options every_ten_seconds(void)
{
    const weir_generator_options options = { .rate  = 0.1,
                                             .start = wall_us(),
                                             .time  = { .field = "at" } };
    return options;
}

// ---- what the job waits for ----

static void wait_for_schedule(weir_job *job, total *result)
{
    weir_generator_options options = every_ten_seconds();
    job_add_ends(weir_generate(job, &ticks, &options), result);
}

// Each of two partitions has one record in twenty seconds, and goes idle in between.
static void wait_while_idle(weir_job *job, total *result)
{
    weir_generator_options options = every_ten_seconds();
    options.partitions             = 2;
    options.time.idle_after        = WEIR_MILLISECONDS(50);
    job_add_ends(weir_generate(job, &ticks, &options), result);
}

// Hours of event time are there at once, but the other source holds them back.
static void wait_for_the_other(weir_job *job, total *result)
{
    weir_generator_options options      = every_ten_seconds();
    weir_generator_options free_running = { .name = "ahead", .events = UINT64_C(1) << 40 };
    options.start -= WEIR_HOURS(1);
    options.rate               = 1e-4;
    free_running.time.field    = "at";
    free_running.rate          = 1000;
    free_running.start         = options.start;
    const weir_stream inputs[] = { weir_generate(job, &ticks, &options),
                                   weir_generate(job, &ticks, &free_running) };
    job_add_ends(weir_union(inputs, 2), result);
}

static char path[] = "/tmp/weir-idle-XXXXXX";

static void read_lines(weir_job *job, const char *from, bool follows, total *result)
{
    const weir_jsonl_source_options options = {
        .path = from, .type = &tick_type, .follow = follows, .time = { .field = "at" }
    };
    job_add_ends(weir_from_jsonl(job, &options), result);
}

static void wait_for_a_file(weir_job *job, total *result) { read_lines(job, path, true, result); }
static void wait_for_a_pipe(weir_job *job, total *result) { read_lines(job, "-", false, result); }

// ---- a second of waiting ----

static int64_t cpu_us(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static int64_t cpu_us_of_a_second(void)
{
    const int64_t before = cpu_us();
    (void)usleep(SECOND_US);
    return cpu_us() - before;
}

struct wait {
    const char *name;
    void (*build)(weir_job *job, total *result);
};

static void wait_run(const struct wait *wait)
{
    const weir_run_options options = { .workers = WORKERS };
    total                  result  = { 0 };
    weir_job              *job     = weir_job_open("idle");
    wait->build(job, &result);
    weir_run *run = weir_run_start(job, &options);
    TRIAL_CHECK(run != NULL, "%s: %s", wait->name, weir_job_error(job));
    while (weir_job_sources_counter(job, WEIR_ROWS_OUT) == 0) {
        (void)usleep(1000);
    }
    (void)usleep(300000); // most that there is to do at the start is done
    int64_t best_us = INT64_MAX;
    for (int i = 0; i < TRIES && best_us >= LIMIT_US; i++) {
        const int64_t used_us = cpu_us_of_a_second();
        best_us               = used_us < best_us ? used_us : best_us;
    }
    printf("%-24s %6.2f ms of CPU in a second\n", wait->name, (double)best_us / 1e3);
    TRIAL_CHECK(best_us < LIMIT_US, "%s used %" PRId64 " us", wait->name, best_us);
    TRIAL_CHECK(weir_run_wait(run, 0) == WEIR_TIMED_OUT, "%s does not wait", wait->name);
    weir_run_stop_any(run, true);
    TRIAL_CHECK(weir_run_close(run) == WEIR_OK, "%s: %s", wait->name, weir_job_error(job));
    TRIAL_CHECK(result.count > 0, "%s: nothing came through", wait->name);
    weir_job_close(job);
}

int main(void)
{
    static const struct wait waits[] = {
        { "for its schedule", wait_for_schedule },
        { "with idle partitions", wait_while_idle },
        { "for another source", wait_for_the_other },
        { "for a file to grow", wait_for_a_file },
        { "for a pipe", wait_for_a_pipe },
    };
    static const char line[] = "{\"at\":\"2026-03-01T10:02:00Z\",\"number\":1}\n";
    int               ends[2];
    const int         file = mkstemp(path);
    TRIAL_CHECK(file >= 0 && write(file, line, strlen(line)) == (ssize_t)strlen(line), "no file %s",
                path);
    TRIAL_CHECK(pipe(ends) == 0 && dup2(ends[0], STDIN_FILENO) == STDIN_FILENO, "no pipe");
    TRIAL_CHECK(write(ends[1], line, strlen(line)) == (ssize_t)strlen(line), "nobody reads");
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        wait_run(&waits[i]);
    }
    (void)close(file);
    (void)unlink(path);
    printf("cases: %zu\n", sizeof(waits) / sizeof(waits[0]));
    return 0;
}
