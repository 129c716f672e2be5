// The graph:
//
//   events --+--> typed --by event_id--> deduplicate --+--> alerts
//            |                                         +--> kpi
//            +--> late                                 +--> sessions
//            +--> dead_letters                         +--> orders
//                                                      +--> unpaid
//                                                      +--> purchases
//
// A line is a dead letter, late, a duplicate, or accepted: the first of them that is true. Where
// lines come from and rows go to is the business of ends.c.
#include "job.h"

#include "events.h"
#include "views/views.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weir/run.h>

// An event_id seen again this close to the first time is the same event.
#define SAME_EVENT_WITHIN WEIR_HOURS(1)

WEIR_KEY(by_event_id, payment_event, event_id);

weir_job *payments_job_open(const payments_options *options)
{
    weir_job            *job  = weir_job_open("payments");
    const payments_ends *ends = &options->ends;

    weir_stream lines = payments_read_events(job, ends);
    payments_write_late(weir_late(lines), ends);
    payments_write_dead_letters(weir_dead_letters(lines), ends);

    weir_stream events = payments_typed(lines);
    weir_stream accepted =
        weir_deduplicate(weir_key(events, &by_event_id_key), SAME_EVENT_WITHIN, PAYMENTS_LATENESS);
    payments_add_views(accepted, options->views, ends);
    return job;
}

// ---- the summary ----

// Rows of the view that remain: what was inserted and not withdrawn.
static unsigned long long rows_of(const weir_job *job, const char *view)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "write-%s", view);
    return weir_job_counter(job, name, WEIR_INSERTS) - weir_job_counter(job, name, WEIR_DELETES);
}

static void print_summary(const weir_job *job, uint32_t views, FILE *to)
{
    const unsigned long long events       = weir_job_counter(job, "events", WEIR_ROWS_OUT);
    const unsigned long long late         = weir_job_counter(job, "events", WEIR_LATE);
    const unsigned long long dead_letters = weir_job_counter(job, "events", WEIR_REJECTED);
    const unsigned long long accepted     = weir_job_counter(job, "deduplicate", WEIR_ROWS_OUT);
    const unsigned long long duplicates   = weir_job_counter(job, "deduplicate", WEIR_DUPLICATES);

    (void)fprintf(to, "{\"events\":%llu,\"accepted\":%llu,\"duplicates\":%llu,\"late\":%llu",
                  events + late + dead_letters, accepted, duplicates, late);
    (void)fprintf(to, ",\"dead_letters\":%llu", dead_letters);
    for (uint32_t i = 0; i < PAYMENTS_VIEW_COUNT; i++) {
        const char *name = payments_view_name(i);
        if ((views >> i & 1) != 0) {
            (void)fprintf(to, ",\"%s\":%llu", name, rows_of(job, name));
        }
    }
    (void)fputs("}\n", to);
}

bool payments_write_summary(const weir_job *job, const payments_options *options)
{
    char path[4096];
    if (options->ends.output == NULL) {
        print_summary(job, options->views, stdout);
        return fflush(stdout) == 0;
    }
    (void)snprintf(path, sizeof(path), "%s/summary.json", options->ends.output);
    FILE *file       = fopen(path, "w");
    bool  is_written = file != NULL;
    if (file != NULL) {
        print_summary(job, options->views, file);
        is_written = ferror(file) == 0;
        is_written = fclose(file) == 0 && is_written;
    }
    if (!is_written) {
        (void)fprintf(stderr, "payments: cannot write %s: %s\n", path, strerror(errno));
    }
    return is_written;
}
