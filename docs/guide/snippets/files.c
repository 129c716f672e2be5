// files: readings of meters from CSV to JSON Lines; what is wrong or too late goes elsewhere.
#include <stdio.h>
#include <weir.h>

typedef struct reading {
    weir_time at;
    weir_str  meter;
    double    kwh;
} reading;
WEIR_RECORD(reading, at, meter, kwh);

static bool check_reading(void *record, const char **reason, char *text, void *opaque)
{
    const reading *r = record;
    (void)opaque;
    if (r->kwh < 0) {
        (void)snprintf(text, 200, "kwh is %g, but a meter does not run backwards", r->kwh);
        *reason = text;
    }
    return r->kwh >= 0;
}

static const char *input, *output, *follow;

static weir_job *build(void *opaque, double rate)
{
    char path[3][4096];
    (void)opaque;
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = { "good.jsonl", "late.csv", "dead_letters.jsonl" };
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s", output, names[i]);
    }
    const weir_csv_source_options from = {
        .path   = input,
        .type   = &reading_type,
        .check  = check_reading,
        .follow = follow != NULL,
        .rate   = rate,
        .time   = { .field           = "at",
                    .out_of_order    = WEIR_SECONDS(5),
                    .judges_lateness = true,
                    .lateness        = WEIR_MINUTES(1) },
    };
    const weir_file_sink_options good = { .path = path[0] };
    const weir_file_sink_options late = { .path = path[1] };
    const weir_file_sink_options dead = { .path = path[2] };

    weir_job   *job      = weir_job_open("files");
    weir_stream readings = weir_from_csv(job, &from);
    weir_to_jsonl(readings, &good);
    weir_to_text(weir_late(readings), &late);
    weir_to_jsonl(weir_dead_letters(readings), &dead);
    return job;
}

static weir_status finish(weir_job *job, void *opaque)
{
    (void)opaque;
    (void)printf("%llu good, %llu late, %llu dead letters\n",
                 (unsigned long long)weir_job_sources_counter(job, WEIR_ROWS_OUT),
                 (unsigned long long)weir_job_sources_counter(job, WEIR_LATE),
                 (unsigned long long)weir_job_sources_counter(job, WEIR_REJECTED));
    return WEIR_OK;
}

int main(int argc, char **argv)
{
    static const weir_main_option own[] = {
        { "input", "FILE", "readings: a file, a glob, a directory, or - for stdin", true, &input },
        { "output", "DIR", "an existing directory", true, &output },
        { "follow", NULL, "at the end of a file wait for more", false, &follow },
    };
    static const weir_main_options options = {
        .summary      = "Readings of meters from CSV to JSON Lines.",
        .options      = own,
        .option_count = sizeof(own) / sizeof(own[0]),
        .build        = build,
        .finish       = finish,
    };
    return weir_main_with(&options, argc, argv);
}
