// The graph:
//
//   events --+--> typed --by event_id--> deduplicate --+--> alerts.jsonl
//            |                                         +--> kpi.jsonl
//            +--> late.jsonl                           +--> sessions.jsonl
//            +--> dead_letters.jsonl                   +--> orders.jsonl
//                                                      +--> unpaid.jsonl
//                                                      +--> purchases.jsonl
//
// A line is a dead letter, late, a duplicate, or accepted: the first of them that is true.
#include "job.h"

#include "events.h"
#include "views/views.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weir/run.h>

// An event_id seen again this close to the first time is the same event.
#define SAME_EVENT_WITHIN WEIR_HOURS(1)

static weir_stream read_events(weir_job *job, const payments_options *options)
{
    weir_jsonl_source_options source;
    memset(&source, 0, sizeof(source));
    source.name   = "events";
    source.path   = options->input;
    source.type   = &event_line_type;
    source.check  = payments_check;
    source.follow = options->follow;
    // A file that nobody writes to must not hold the others back for ever.
    source.time.idle_after      = options->follow ? WEIR_SECONDS(5) : 0;
    source.rate                 = options->rate;
    source.time.field           = "at";
    source.time.out_of_order    = PAYMENTS_OUT_OF_ORDER;
    source.time.judges_lateness = true;
    source.time.lateness        = PAYMENTS_LATENESS;
    source.time.max_ahead       = -1; // however long nothing happened, what follows is no mistake
    return weir_from_jsonl(job, &source);
}

static void write_lines_as_read(weir_stream lines, const char *directory, const char *name)
{
    char                   operator_name[64];
    char                   path[4096];
    weir_file_sink_options options;
    memset(&options, 0, sizeof(options));
    (void)snprintf(operator_name, sizeof(operator_name), "write-%s", name);
    (void)snprintf(path, sizeof(path), "%s/%s.jsonl", directory, name);
    options.name = operator_name;
    options.path = path;
    (void)weir_to_text(lines, &options);
}

WEIR_KEY(by_event_id, payment_event, event_id);

weir_job *payments_job_open(const payments_options *options)
{
    weir_job   *job       = weir_job_open("payments");
    const char *directory = options->directory;

    weir_stream lines = read_events(job, options);
    write_lines_as_read(weir_late(lines), directory, "late");
    payments_write_view(weir_dead_letters(lines), directory, "dead_letters", NULL);

    weir_stream events = payments_typed(lines);
    weir_stream accepted =
        weir_deduplicate(weir_key(events, &by_event_id_key), SAME_EVENT_WITHIN, PAYMENTS_LATENESS);
    payments_alerts(accepted, directory);
    payments_kpi(accepted, directory);
    payments_sessions(accepted, directory);
    payments_orders(accepted, directory);
    payments_unpaid(accepted, directory);
    payments_purchases(accepted, directory);
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

static void print_summary(const weir_job *job, FILE *to)
{
    const unsigned long long events       = weir_job_counter(job, "events", WEIR_ROWS_OUT);
    const unsigned long long late         = weir_job_counter(job, "events", WEIR_LATE);
    const unsigned long long dead_letters = weir_job_counter(job, "events", WEIR_REJECTED);
    const unsigned long long accepted     = weir_job_counter(job, "deduplicate", WEIR_ROWS_OUT);
    const unsigned long long duplicates   = weir_job_counter(job, "deduplicate", WEIR_DUPLICATES);

    (void)fprintf(to, "{\"events\":%llu,\"accepted\":%llu,\"duplicates\":%llu,\"late\":%llu",
                  events + late + dead_letters, accepted, duplicates, late);
    (void)fprintf(to, ",\"dead_letters\":%llu", dead_letters);
    static const char *const views[] = { "alerts", "kpi",    "sessions",
                                         "orders", "unpaid", "purchases" };
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        (void)fprintf(to, ",\"%s\":%llu", views[i], rows_of(job, views[i]));
    }
    (void)fputs("}\n", to);
}

bool payments_write_summary(const weir_job *job, const char *directory)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/summary.json", directory);
    FILE *file       = fopen(path, "w");
    bool  is_written = file != NULL;
    if (file != NULL) {
        print_summary(job, file);
        is_written = ferror(file) == 0;
        is_written = fclose(file) == 0 && is_written;
    }
    if (!is_written) {
        (void)fprintf(stderr, "payments: cannot write %s: %s\n", path, strerror(errno));
    }
    return is_written;
}
