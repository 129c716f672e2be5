#include "bench/roof/null_pipeline.h"

#include "bench/harness/pacer.h"
#include "bench/workloads.h"

#include <sys/resource.h>

bool paced_result_open(struct paced_result *r)
{
    *r = (struct paced_result){ 0 };
    return histogram_open(&r->first) && histogram_open(&r->last) && histogram_open(&r->event);
}

void paced_result_close(struct paced_result *r)
{
    histogram_close(&r->first);
    histogram_close(&r->last);
    histogram_close(&r->event);
}

static double cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

// Makes event i as every side of w5 does: all fields into memory, its time the moment it was due.
static void event_make(payment *p, const struct pacer *pacer, int64_t i)
{
    payment_make(p, (uint64_t)i, W5_KEYS);
    p->event_time = pacer_due_ns(pacer, i) / 1000;
    __asm__ volatile("" : : "r"(p) : "memory");
}

// One event more than the windows hold: the one that closes the last.
static int64_t event_count(const struct paced_options *o)
{
    return (o->warmup_windows + o->windows) * o->window_us * o->events_per_second /
               WORKLOAD_SECOND_US +
           1;
}

bool null_pipeline(const struct paced_options *options, struct paced_result *result)
{
    struct pacer pacer;
    payment      p;
    pacer_start(&pacer, options->events_per_second);
    int64_t window_end_us = pacer.start_ns / 1000 + options->window_us;
    int64_t recorded_after_us =
        pacer.start_ns / 1000 + options->warmup_windows * options->window_us;
    int64_t start_ns   = pacer_wait(&pacer, 0, options->is_sleeping);
    double  cpu_before = cpu_seconds();
    for (int64_t i = 0; i < event_count(options); i++) {
        int64_t now_ns = pacer_wait(&pacer, i, options->is_sleeping);
        event_make(&p, &pacer, i);
        if (p.event_time > recorded_after_us)
            histogram_record(&result->event, (uint64_t)(now_ns - pacer_due_ns(&pacer, i)));
        if (p.event_time < window_end_us)
            continue;
        if (window_end_us > recorded_after_us) {
            uint64_t late_ns = (uint64_t)(clock_now_ns() - window_end_us * 1000);
            histogram_record(&result->first, late_ns);
            histogram_record(&result->last, late_ns);
        }
        window_end_us += options->window_us;
    }
    result->cores_used = (cpu_seconds() - cpu_before) / ((double)(clock_now_ns() - start_ns) / 1e9);
    return true;
}
