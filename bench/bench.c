// weir-bench: runs the roof and the engine's job of each workload in turn and prints what each
// reached.
//
// The two sides alternate, run by run, so that a machine that slows down slows both; the ratio is
// the median of the runs' own ratios, the rates are medians. A run whose checksum differs ends the
// benchmark: a fast wrong answer has no rate.

#include "bench/bench.h"
#include "bench/check.h"
#include "bench/harness/machine.h"
#include "bench/harness/median.h"
#include "bench/jobs/jobs.h"
#include "bench/roof/crew.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RUNS     99
#define SMALL_EVENTS 2000000
#define MILLION      UINT64_C(1000000)

static const struct bench_job jobs[] = {
    { .name   = "gen",
      .roof   = roof_gen,
      .engine = job_gen,
      .keys   = W2_FEW_KEYS,
      .events = 200 * MILLION },
    { .name   = "w1",
      .roof   = roof_w1,
      .engine = job_w1,
      .keys   = W2_FEW_KEYS,
      .events = 200 * MILLION },
    { .name   = "w2_1k",
      .roof   = roof_w2,
      .engine = job_w2,
      .keys   = W2_FEW_KEYS,
      .events = 100 * MILLION },
    { .name       = "w2_1k_shuffle",
      .roof       = roof_w2,
      .keys       = W2_FEW_KEYS,
      .events     = 100 * MILLION,
      .exchange   = ROOF_SHUFFLE,
      .is_variant = true },
    { .name       = "w2_1k_partials",
      .roof       = roof_w2,
      .keys       = W2_FEW_KEYS,
      .events     = 100 * MILLION,
      .exchange   = ROOF_PARTIALS,
      .is_variant = true },
    { .name   = "w2_100k",
      .roof   = roof_w2,
      .engine = job_w2,
      .keys   = W2_MANY_KEYS,
      .events = 100 * MILLION },
    { .name       = "w2_100k_shuffle",
      .roof       = roof_w2,
      .keys       = W2_MANY_KEYS,
      .events     = 100 * MILLION,
      .exchange   = ROOF_SHUFFLE,
      .is_variant = true },
    { .name       = "w2_100k_partials",
      .roof       = roof_w2,
      .keys       = W2_MANY_KEYS,
      .events     = 100 * MILLION,
      .exchange   = ROOF_PARTIALS,
      .is_variant = true },
    // The roof of a replay is the same job fed from memory.
    { .name   = "replay_w2_1k",
      .roof   = job_w2,
      .engine = job_w2_replay,
      .keys   = W2_FEW_KEYS,
      .events = 50 * MILLION },
    { .name   = "replay_w2_100k",
      .roof   = job_w2,
      .engine = job_w2_replay,
      .keys   = W2_MANY_KEYS,
      .events = 50 * MILLION },
    { .name = "w3", .roof = roof_w3, .engine = job_w3, .keys = W3_KEYS, .events = 150 * MILLION },
    { .name       = "w3_shuffle",
      .roof       = roof_w3,
      .keys       = W3_KEYS,
      .events     = 150 * MILLION,
      .exchange   = ROOF_SHUFFLE,
      .is_variant = true },
    { .name       = "w3_partials",
      .roof       = roof_w3,
      .keys       = W3_KEYS,
      .events     = 150 * MILLION,
      .exchange   = ROOF_PARTIALS,
      .is_variant = true },
    { .name   = "w3_tumbling",
      .roof   = roof_w3_tumbling,
      .engine = job_w3_tumbling,
      .keys   = W3_KEYS,
      .events = 150 * MILLION },
    { .name = "w4", .roof = roof_w4, .engine = job_w4, .keys = W4_KEYS, .events = 100 * MILLION },
};

static const struct bench_paced_job paced_jobs[] = {
    { .name = "w5", .null_pipeline = null_pipeline, .engine = job_w5 },
    { .name          = "w5_sleeping",
      .null_pipeline = null_pipeline,
      .is_sleeping   = true,
      .is_variant    = true },
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

struct options {
    const char *jobs;   // comma-separated; NULL is all
    uint64_t    events; // 0 is each job's own
    unsigned    runs;
    unsigned    threads;
    bool        is_small;
    bool        is_json;
    bool        has_variants;
    bool        is_check;
};

static const char usage[] =
    "usage: weir-bench [options]\n"
    "  --jobs LIST   only these, separated by commas: gen w1 w2_1k w2_100k\n"
    "                replay_w2_1k replay_w2_100k w3 w3_tumbling w4 w5;\n"
    "                a name's beginning stands for all that share it (w2: both sizes)\n"
    "  --runs N      runs of each side, alternating; the median counts (default 5)\n"
    "  --threads N   threads of the roof and workers of the engine (default 2)\n"
    "  --events N    events a run, instead of each job's own number\n"
    "  --variants    also the other ways to write a roof, to see that the one used is the fastest\n"
    "  --small       small sizes: says whether it works, not how fast it is\n"
    "  --json        one JSON object a line and job, instead of a table\n"
    "  --check       no benchmark: check the roofs against a naive reference, and the histogram\n"
    "  --help        this\n";

// Whether one of the comma-separated names in `list` is `name` or a beginning of it that ends at an
// underscore.
static bool name_is_listed(const char *list, const char *name)
{
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t length    = strcspn(at, ",");
        bool   is_prefix = length > 0 && strncmp(name, at, length) == 0;
        if (is_prefix && (name[length] == '\0' || name[length] == '_'))
            return true;
    }
    return false;
}

static bool job_is_wanted(const struct options *o, const char *name, bool is_variant)
{
    return (!o->jobs || name_is_listed(o->jobs, name)) && (!is_variant || o->has_variants);
}

// The rates of one side, events a second; sorted once their median is taken.
struct side {
    double rates[MAX_RUNS];
    double median;
};

struct measured {
    struct roof_options options;
    struct checksum     checksum;
    bool                has_checksum;
    struct side         roof;
    struct side         engine;
    double              ratio;
};

static void checksum_complain(const char *job, const char *side, const struct checksum *found,
                              const struct checksum *expected)
{
    fprintf(stderr,
            "weir-bench: %s: the %s found %" PRIu64 " results, sum %" PRId64 ", hash %016" PRIx64
            "; the run before found %" PRIu64 ", %" PRId64 ", %016" PRIx64
            "; the rates of different answers do not compare\n",
            job, side, found->count, found->sum, found->hash, expected->count, expected->sum,
            expected->hash);
}

// One run of one side; its rate, or a negative number after saying what went wrong.
static double side_run(const struct bench_job *job, const char *side, bench_run *run,
                       struct measured *m)
{
    struct roof_result result;
    if (!run(&m->options, &result)) {
        fprintf(stderr, "weir-bench: %s: the %s could not run: no memory or no thread\n", job->name,
                side);
        return -1;
    }
    if (m->has_checksum && !checksum_is_equal(&result.checksum, &m->checksum)) {
        checksum_complain(job->name, side, &result.checksum, &m->checksum);
        return -1;
    }
    m->checksum     = result.checksum;
    m->has_checksum = true;
    return (double)m->options.events / result.seconds;
}

static bool job_measure(const struct bench_job *job, const struct options *o, struct measured *m)
{
    double ratios[MAX_RUNS];
    for (unsigned run = 0; run < o->runs; run++) {
        if ((m->roof.rates[run] = side_run(job, "roof", job->roof, m)) < 0)
            return false;
        if (!job->engine)
            continue;
        if ((m->engine.rates[run] = side_run(job, "engine", job->engine, m)) < 0)
            return false;
        ratios[run] = m->engine.rates[run] / m->roof.rates[run];
    }
    m->roof.median = median(m->roof.rates, o->runs);
    if (job->engine) {
        m->engine.median = median(m->engine.rates, o->runs);
        m->ratio         = median(ratios, o->runs);
    }
    return true;
}

static void json_print_machine(const struct machine *machine)
{
    printf(",\"cpu\":");
    json_print_string(stdout, machine->cpu);
    printf(",\"compiler\":");
    json_print_string(stdout, machine->compiler);
    printf(",\"commit\":");
    json_print_string(stdout, machine->commit);
    printf("}\n");
    fflush(stdout);
}

// A side's rate, in full; null where there is no such side.
static void json_print_rate(const char *prefix, const struct side *s, bool is_there)
{
    if (is_there)
        printf(",\"%sevents_per_second\":%.0f,\"%sns_per_event\":%.3f", prefix, s->median, prefix,
               1e9 / s->median);
    else
        printf(",\"%sevents_per_second\":null,\"%sns_per_event\":null", prefix, prefix);
}

static void job_print_json(const struct bench_job *job, const struct options *o,
                           const struct measured *m, const struct machine *machine)
{
    printf("{\"job\":\"%s\"", job->name);
    json_print_rate("", &m->engine, job->engine != NULL);
    json_print_rate("roof_", &m->roof, true);
    if (job->engine)
        printf(",\"roof_ratio\":%.4f", m->ratio);
    else
        printf(",\"roof_ratio\":null");
    printf(",\"threads\":%u,\"workers\":%u,\"events\":%" PRIu64 ",\"keys\":%" PRIu64 ",\"runs\":%u",
           o->threads, o->threads, m->options.events, m->options.keys, o->runs);
    printf(",\"checksum\":{\"count\":%" PRIu64 ",\"sum\":%" PRId64 ",\"hash\":\"%016" PRIx64 "\"}",
           m->checksum.count, m->checksum.sum, m->checksum.hash);
    json_print_machine(machine);
}

static void side_print_text(const struct side *s, unsigned runs)
{
    printf("  %8.1f M/s (%.1f to %.1f)", s->median / 1e6, s->rates[0] / 1e6,
           s->rates[runs - 1] / 1e6);
}

static void job_print_text(const struct bench_job *job, const struct options *o,
                           const struct measured *m)
{
    printf("%-17s roof", job->name);
    side_print_text(&m->roof, o->runs);
    if (job->engine) {
        printf("   engine");
        side_print_text(&m->engine, o->runs);
        printf("   ratio %.3f", m->ratio);
    }
    printf("   %" PRIu64 " results %016" PRIx64 "\n", m->checksum.count, m->checksum.hash);
    fflush(stdout);
}

static bool job_run(const struct bench_job *job, const struct options *o,
                    const struct machine *machine)
{
    struct measured m = { .options = { .events   = o->events     ? o->events
                                                   : o->is_small ? SMALL_EVENTS
                                                                 : job->events,
                                       .keys     = job->keys,
                                       .threads  = o->threads,
                                       .exchange = job->exchange } };
    if (!job_measure(job, o, &m))
        return false;
    if (o->is_json)
        job_print_json(job, o, &m, machine);
    else
        job_print_text(job, o, &m);
    return true;
}

static const double      percents[]      = { 50, 99, 99.9, 99.99, 100 };
static const char *const percent_names[] = { "p50", "p99", "p99_9", "p99_99", "max" };

static void histogram_print_json(const char *name, const struct histogram *h)
{
    printf(",\"%s\":{\"samples\":%" PRIu64, name, h->count);
    for (size_t k = 0; k < COUNT_OF(percents); k++)
        printf(",\"%s_us\":%.3f", percent_names[k],
               (double)histogram_percentile(h, percents[k]) / 1e3);
    printf("}");
}

static void histogram_print_text(const char *job, const char *name, const struct histogram *h)
{
    printf("%-17s %-17s", job, name);
    for (size_t k = 0; k < COUNT_OF(percents); k++)
        printf("  %s %.1f us", percent_names[k],
               (double)histogram_percentile(h, percents[k]) / 1e3);
    printf("   of %" PRIu64 "\n", h->count);
}

static void paced_print_json(const struct bench_paced_job *job, const struct paced_options *p,
                             const struct paced_result *none, const struct paced_result *engine,
                             const struct machine *machine)
{
    printf("{\"job\":\"%s\",\"events_per_second\":%" PRId64 ",\"roof_ratio\":null", job->name,
           p->events_per_second);
    printf(",\"threads\":1,\"workers\":%u,\"window_us\":%" PRId64 ",\"warmup_windows\":%" PRId64,
           p->threads, p->window_us, p->warmup_windows);
    histogram_print_json("null_window", &none->first);
    histogram_print_json("null_event", &none->event);
    printf(",\"null_cores_used\":%.3f", none->cores_used);
    if (engine) {
        histogram_print_json("first_result", &engine->first);
        histogram_print_json("last_result", &engine->last);
        printf(",\"cores_used\":%.3f", engine->cores_used);
    }
    json_print_machine(machine);
}

static void paced_print_text(const struct bench_paced_job *job, const struct paced_result *none,
                             const struct paced_result *engine)
{
    histogram_print_text(job->name, "null, windows", &none->first);
    histogram_print_text(job->name, "null, events", &none->event);
    printf("%-17s null, cores used   %.2f\n", job->name, none->cores_used);
    if (engine) {
        histogram_print_text(job->name, "engine, first", &engine->first);
        histogram_print_text(job->name, "engine, last", &engine->last);
        printf("%-17s engine, cores used %.2f\n", job->name, engine->cores_used);
    }
    fflush(stdout);
}

static bool paced_measure(const struct bench_paced_job *job, const struct paced_options *p,
                          struct paced_result *none, struct paced_result *engine)
{
    bool is_done = paced_result_open(none) && paced_result_open(engine) &&
                   job->null_pipeline(p, none) && (!job->engine || job->engine(p, engine));
    if (!is_done)
        fprintf(stderr, "weir-bench: %s: could not run: no memory or no thread\n", job->name);
    return is_done;
}

// Full size: 20 s of warm-up and 40 windows of 1 s. Small: 2 and 8 windows of 50 ms.
static bool paced_job_run(const struct bench_paced_job *job, const struct options *o,
                          const struct machine *machine)
{
    struct paced_options p    = { .events_per_second = W5_EVENTS_PER_SECOND,
                                  .window_us         = o->is_small ? 50000 : W2_LENGTH_US,
                                  .warmup_windows    = o->is_small ? 2 : 20,
                                  .windows           = o->is_small ? 8 : 40,
                                  .threads           = o->threads,
                                  .is_sleeping       = job->is_sleeping };
    struct paced_result  none = { 0 }, engine = { 0 };
    bool                 is_done = paced_measure(job, &p, &none, &engine);
    if (is_done && o->is_json)
        paced_print_json(job, &p, &none, job->engine ? &engine : NULL, machine);
    else if (is_done)
        paced_print_text(job, &none, job->engine ? &engine : NULL);
    paced_result_close(&none);
    paced_result_close(&engine);
    return is_done;
}

// A whole number from `least` to `most`; ends the program with a sentence otherwise.
static uint64_t number_parse(const char *option, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    errno              = 0;
    uint64_t value     = strtoull(text, &end, 10);
    bool     is_number = text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
    if (is_number && value >= least && value <= most)
        return value;
    fprintf(stderr,
            "weir-bench: --%s: '%s' is not a whole number from %" PRIu64 " to %" PRIu64 "\n",
            option, text, least, most);
    exit(2);
}

static void options_parse(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        { "jobs", required_argument, NULL, 'j' },    { "runs", required_argument, NULL, 'r' },
        { "threads", required_argument, NULL, 't' }, { "events", required_argument, NULL, 'e' },
        { "variants", no_argument, NULL, 'v' },      { "small", no_argument, NULL, 's' },
        { "json", no_argument, NULL, 'o' },          { "check", no_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
    };
    int letter;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (letter) {
        case 'j': o->jobs = optarg; break;
        case 'r': o->runs = (unsigned)number_parse("runs", optarg, 1, MAX_RUNS); break;
        case 't':
            o->threads = (unsigned)number_parse("threads", optarg, 1, CREW_MAX_THREADS);
            break;
        case 'e': o->events = number_parse("events", optarg, 1, UINT64_C(1) << 40); break;
        case 'v': o->has_variants = true; break;
        case 's': o->is_small = true; break;
        case 'o': o->is_json = true; break;
        case 'c': o->is_check = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "weir-bench: '%s' is not an option\n%s", argv[optind], usage);
        exit(2);
    }
}

// Runs what is wanted; 0, or 1 at the first failure, or 2 when nothing has that name.
static int jobs_run(const struct options *o, const struct machine *machine)
{
    unsigned wanted = 0;
    for (size_t k = 0; k < COUNT_OF(jobs); k++) {
        if (!job_is_wanted(o, jobs[k].name, jobs[k].is_variant))
            continue;
        wanted++;
        if (!job_run(&jobs[k], o, machine))
            return 1;
    }
    for (size_t k = 0; k < COUNT_OF(paced_jobs); k++) {
        if (!job_is_wanted(o, paced_jobs[k].name, paced_jobs[k].is_variant))
            continue;
        wanted++;
        if (!paced_job_run(&paced_jobs[k], o, machine))
            return 1;
    }
    if (wanted > 0)
        return 0;
    fprintf(stderr, "weir-bench: --jobs: no job is named '%s'\n%s", o->jobs, usage);
    return 2;
}

int main(int argc, char **argv)
{
    struct options options = { .threads = 2 };
    struct machine machine;
    options_parse(&options, argc, argv);
    if (options.is_check) {
        check_histogram();
        check_roofs();
        return 0;
    }
    if (options.runs == 0)
        options.runs = options.is_small ? 1 : 5;
    machine_read(&machine);
    if (!options.is_json)
        printf("%s; %s; commit %s; %u threads, median of %u runs (lowest to highest)\n",
               machine.cpu, machine.compiler, machine.commit, options.threads, options.runs);
    return jobs_run(&options, &machine);
}
