// A run that is given other numbers of workers while it works: 1, 2, 4, 1, at half of what one
// worker reaches; how long its keys stand still for it, and how late results are around it.
//
// The pause is from the first task that stopped to the start of the new workers: no key stands
// still for longer. With 4 workers on fewer cores the system's own turns come on top.
#include "bench/checkpoints/checkpoint_bench.h"
#include "bench/checkpoints/due.h"

#include "bench/harness/clock.h"
#include "bench/harness/median.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PEAK_EVENTS UINT64_C(30000000)
#define PARTITIONS  4u

static const unsigned steps[] = { 2, 4, 1 }; // from 1
enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

// ---- the job ----

static void make_any(payment *p, uint64_t number) { payment_make(p, number, W4_KEYS); }

static void make_due(payment *p, uint64_t number, weir_time due)
{
    make_any(p, number);
    p->event_time = due;
}
WEIR_GENERATOR(payments_paced, payment, make_due);

struct late {
    struct checksum  checksum;
    struct histogram during, outside; // nanoseconds
    bool             is_open;
};

static uint32_t  is_rescaling; // atomic: from before the call to some time after it
static weir_time warm_after_us;

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void take_updates(weir_call *call, void *opaque, const void *rows, const uint16_t *selection,
                         uint32_t count)
{
    struct late      *late    = opaque;
    const due_update *updates = rows;
    const int64_t     now_us  = wall_us();
    (void)call;
    if (!late->is_open) {
        late->is_open = histogram_open(&late->during) && histogram_open(&late->outside);
    }
    struct histogram *to =
        __atomic_load_n(&is_rescaling, __ATOMIC_RELAXED) != 0 ? &late->during : &late->outside;
    for (uint32_t i = 0; i < count && late->is_open; i++) {
        const due_update *u = &updates[selection != NULL ? selection[i] : i];
        checksum_add_w4(&late->checksum, u->card_id, u->amount, u->sum);
        if (u->due >= warm_after_us) {
            const int64_t late_us = now_us - u->due;
            histogram_record(to, late_us > 0 ? (uint64_t)late_us * 1000 : 0);
        }
    }
}

static void late_merge(void *from, void *opaque)
{
    struct late *local = from, *all = opaque;
    if (local->is_open) {
        checksum_merge(&all->checksum, &local->checksum);
        histogram_merge(&all->during, &local->during);
        histogram_merge(&all->outside, &local->outside);
        histogram_close(&local->during);
        histogram_close(&local->outside);
        local->is_open = false;
    }
}
static const weir_sink_binding measure_late = { .name       = "measure_late",
                                                .in         = &due_update_type,
                                                .local_size = sizeof(struct late),
                                                .rows       = take_updates,
                                                .finish     = late_merge };

static weir_job *job_open(uint64_t events, double rate, weir_time start, struct late *late)
{
    const weir_generator_options options = {
        .name = "payments", .events = events, .partitions = PARTITIONS, .rate = rate, .start = start
    };
    weir_job         *job  = weir_job_open("w6_rescale");
    const weir_stream in   = weir_generate(job, &payments_paced, &options);
    const weir_stream sums = weir_reduce(weir_key(in, &by_card_key), &due_sums);
    (void)weir_sink(sums, &measure_late, late);
    return job;
}

// ---- measuring ----

static void wait_us(int64_t us)
{
    nanosleep(&(struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 }, NULL);
}

static bool rescale(weir_run *run, unsigned workers, int64_t *paused_us)
{
    char *sentence = NULL;
    __atomic_store_n(&is_rescaling, 1, __ATOMIC_RELAXED);
    const weir_status status = weir_run_rescale_any(run, workers, -1, paused_us, &sentence);
    wait_us(200000);
    __atomic_store_n(&is_rescaling, 0, __ATOMIC_RELAXED);
    if (status != WEIR_OK) {
        fprintf(stderr, "%s\n", sentence);
    }
    free(sentence);
    return status == WEIR_OK;
}

// One run through all numbers of workers; pauses in milliseconds.
static bool run_once(const struct bench *bench, double rate, double *paused_ms, struct late *late)
{
    const int64_t          phase_us = bench->is_small ? 300000 : 3000000;
    const double           seconds  = (double)phase_us * (STEPS + 1) / 1e6 + 1;
    const uint64_t         events   = (uint64_t)(rate * seconds);
    const weir_time        start_us = wall_us() + 200000;
    const weir_run_options options  = { .workers             = 1,
                                        .seed                = RUN_SEED,
                                        .checkpoints         = bench_path(bench, "rescale"),
                                        .checkpoint_interval = 1000000 };
    warm_after_us                   = start_us + phase_us / 2;
    weir_job *job                   = job_open(events, rate, start_us, late);
    weir_run *run                   = weir_run_start(job, &options);
    bool      is_good               = run != NULL;
    for (unsigned i = 0; i < STEPS && is_good; i++) {
        int64_t paused_us = 0;
        wait_us(phase_us);
        is_good      = rescale(run, steps[i], &paused_us);
        paused_ms[i] = (double)paused_us / 1e3;
    }
    if (run == NULL || weir_run_close(run) != WEIR_OK) {
        fprintf(stderr, "%s\n", weir_job_error(job));
        is_good = false;
    }
    weir_job_close(job);
    path_remove_all(options.checkpoints);
    running_keys                   = W4_KEYS;
    const struct checksum expected = running_expected(events, make_any);
    if (is_good && !checksum_is_equal(&late->checksum, &expected)) {
        fprintf(stderr, "w6_rescale: other results than those of an undisturbed run\n");
        is_good = false;
    }
    return is_good;
}

static void print_pauses(const struct bench *bench, double paused[STEPS][RUNS_MAX])
{
    for (unsigned i = 0; i < STEPS; i++) {
        const unsigned from = i == 0 ? 1 : steps[i - 1];
        const double   half = median(paused[i], bench->runs); // sorts
        if (bench->is_json) {
            printf(",\"paused_ms_%u_%u\":{\"median\":%.3f,\"most\":%.3f}", from, steps[i], half,
                   paused[i][bench->runs - 1]);
        } else {
            printf("  %u to %u workers: paused %.2f ms (most %.2f)\n", from, steps[i], half,
                   paused[i][bench->runs - 1]);
        }
    }
}

bool bench_rescale(const struct bench *bench, const char *job)
{
    static double paused[STEPS][RUNS_MAX];
    struct late   late    = { .is_open = false };
    double        rate    = bench->rate;
    bool          is_good = rate > 0 || running_half_of_peak(bench, 1, PEAK_EVENTS, &rate);
    is_good = is_good && histogram_open(&late.during) && histogram_open(&late.outside);
    for (unsigned run = 0; run < bench->runs && is_good; run++) {
        double one[STEPS];
        late.checksum = (struct checksum){ 0 };
        is_good       = run_once(bench, rate, one, &late);
        for (unsigned i = 0; i < STEPS && is_good; i++) {
            paused[i][run] = one[i];
        }
    }
    if (is_good) {
        printf(bench->is_json ? "{\"job\":\"%s\",\"rate\":%.0f"
                              : "%s at %.0f events a second, half of what one worker reaches\n",
               job, rate);
        print_pauses(bench, paused);
        percentiles_print(bench, "around", &late.during);
        percentiles_print(bench, "otherwise", &late.outside);
        line_end(bench);
    }
    histogram_close(&late.during);
    histogram_close(&late.outside);
    return is_good;
}
