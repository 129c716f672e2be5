// embedded: a job inside a program that has other things to do: started, watched, stopped.
#include <inttypes.h>
#include <stdio.h>
#include <weir.h>

typedef struct tick {
    weir_time at;
    uint64_t  number;
} tick;
WEIR_RECORD(tick, at, number);
static void make_tick(tick *t, uint64_t number, weir_time due)
{
    t->at     = due; // the generator is paced: when this tick was meant to be
    t->number = number;
}
WEIR_GENERATOR(ticks, tick, make_tick);

typedef struct tally {
    uint64_t count;
} tally;
static void take(tally *local, const tick *t)
{
    (void)t;
    local->count++;
}
static void finish(tally *local, void *opaque) { *(uint64_t *)opaque += local->count; }
WEIR_SINK(count, tick, tally, take, finish);

int main(void)
{
    static const weir_generator_options for_ever = { .rate = 100000, .time = { .field = "at" } };
    static const weir_run_options       two      = { .workers = 2, .state_budget = 64 << 20 };
    uint64_t                            total    = 0;

    weir_job *job = weir_job_open("embedded");
    weir_sink(weir_generate(job, &ticks, &for_ever), &count, &total);

    weir_run *run = weir_run_start(job, &two);
    if (run == NULL) {
        (void)fprintf(stderr, "%s\n", weir_job_error(job));
        return weir_status_exit_code(weir_job_status(job));
    }
    while (weir_job_counter(job, "ticks", WEIR_ROWS_OUT) < 1000) {
        (void)weir_run_wait(run, WEIR_MILLISECONDS(10)); // WEIR_TIMED_OUT: it still runs
    }
    weir_run_stop_any(run, true);
    const weir_status status = weir_run_close(run);
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", weir_job_error(job));
    }
    const uint64_t made = weir_job_counter(job, "ticks", WEIR_ROWS_OUT);
    (void)printf("%s\n",
                 made >= 1000 && total == made ? "every tick was counted" : "ticks were lost");
    weir_job_close(job);
    return weir_status_exit_code(status);
}
