// weir-checkpoint-bench: see checkpoint_bench.h for what is measured.
#include "bench/checkpoints/checkpoint_bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const char *name;
    bool (*run)(const struct bench *bench, const char *job);
};
static const struct job jobs[] = {
    { "w6_1m", bench_cost },
    { "w6_10m", bench_cost },
    { "w6_w2_100k", bench_cost },
    { "w6_latency", bench_latency },
    { "w6_restore_1g", bench_restore },
    { "w6_incremental", bench_incremental },
    { "w6_rescale", bench_rescale },
    { "w6_visible", bench_visible },
    { "w6_backpressure", bench_backpressure },
    { "w6_spill", bench_spill },
    { "w6_spill_zipf", bench_spill },
};

static const char usage[] =
    "usage: weir-checkpoint-bench [options]\n"
    "  --jobs LIST      only these, separated by commas: w6_1m w6_10m w6_w2_100k w6_latency\n"
    "                   w6_restore_1g w6_incremental w6_rescale w6_visible\n"
    "                   w6_backpressure w6_spill w6_spill_zipf;\n"
    "                   a name's beginning stands for all that share it\n"
    "  --directory DIR  where to write, on the file system that is to be measured (default .)\n"
    "  --runs N         runs of each side, alternating; the median counts (default 5)\n"
    "  --threads N      workers (default 2)\n"
    "  --events N       events a run of w6_1m, w6_10m, w6_w2_100k and, once its tables are "
    "filled,\n"
    "                   of w6_spill, instead of its own number\n"
    "  --rate N         events a second of w6_latency, instead of half of what it reaches, and of\n"
    "                   w6_visible, up to a million, instead of 50,000\n"
    "  --small          small sizes: says whether it works, not how fast it is\n"
    "  --json           one JSON object a line, instead of a table\n"
    "  --help           this\n";

void line_end(const struct bench *bench)
{
    if (bench->is_json) {
        printf(",\"cpu\":");
        json_print_string(stdout, bench->machine.cpu);
        printf(",\"compiler\":");
        json_print_string(stdout, bench->machine.compiler);
        printf(",\"commit\":");
        json_print_string(stdout, bench->machine.commit);
        printf("}\n");
    }
    fflush(stdout);
}

static bool name_is_listed(const char *list, const char *name)
{
    for (const char *at = list; at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        const size_t length = strcspn(at, ",");
        if (length > 0 && strncmp(name, at, length) == 0 &&
            (name[length] == '\0' || name[length] == '_')) {
            return true;
        }
    }
    return false;
}

static uint64_t number_parse(const char *option, const char *text, uint64_t most)
{
    char *end;
    errno                = 0;
    const uint64_t value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < 1 || value > most) {
        fprintf(stderr, "weir-checkpoint-bench: --%s: '%s' is not a whole number from 1 to %llu\n",
                option, text, (unsigned long long)most);
        exit(2);
    }
    return value;
}

static void options_parse(struct bench *bench, const char **list, int argc, char **argv)
{
    static const struct option known[] = {
        { "jobs", required_argument, NULL, 'j' },   { "directory", required_argument, NULL, 'd' },
        { "runs", required_argument, NULL, 'r' },   { "threads", required_argument, NULL, 't' },
        { "events", required_argument, NULL, 'e' }, { "small", no_argument, NULL, 's' },
        { "rate", required_argument, NULL, 'a' },   { "json", no_argument, NULL, 'o' },
        { "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
    };
    for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (letter) {
        case 'j': *list = optarg; break;
        case 'd': bench->directory = optarg; break;
        case 'r': bench->runs = (unsigned)number_parse("runs", optarg, RUNS_MAX); break;
        case 't': bench->workers = (unsigned)number_parse("threads", optarg, 64); break;
        case 'e': bench->events = number_parse("events", optarg, UINT64_C(1) << 40); break;
        case 'a': bench->rate = (double)number_parse("rate", optarg, 1000000000); break;
        case 's': bench->is_small = true; break;
        case 'o': bench->is_json = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "weir-checkpoint-bench: '%s' is not an option\n%s", argv[optind], usage);
        exit(2);
    }
}

// 0, or 1 at the first failure, or 2 when nothing has that name.
static int jobs_run(const struct bench *bench, const char *list)
{
    unsigned wanted = 0;
    for (size_t k = 0; k < sizeof(jobs) / sizeof(jobs[0]); k++) {
        if (list != NULL && !name_is_listed(list, jobs[k].name)) {
            continue;
        }
        wanted++;
        if (!jobs[k].run(bench, jobs[k].name)) {
            return 1;
        }
    }
    if (wanted == 0) {
        fprintf(stderr, "weir-checkpoint-bench: --jobs: no job is named '%s'\n%s", list, usage);
    }
    return wanted > 0 ? 0 : 2;
}

int main(int argc, char **argv)
{
    struct bench bench = { .directory = ".", .workers = 2 };
    const char  *list  = NULL;
    char         directory[400];
    options_parse(&bench, &list, argc, argv);
    if (bench.runs == 0) {
        bench.runs = bench.is_small ? 1 : 5;
    }
    (void)snprintf(directory, sizeof(directory), "%.300s/weir-checkpoint-bench-XXXXXX",
                   bench.directory);
    if (mkdtemp(directory) == NULL) {
        perror(directory);
        return 3;
    }
    bench.directory = directory;
    machine_read(&bench.machine);
    if (!bench.is_json) {
        printf("%s; %s; commit %s; %u workers, median of %u runs (lowest to highest)\n",
               bench.machine.cpu, bench.machine.compiler, bench.machine.commit, bench.workers,
               bench.runs);
        fflush(stdout);
    }
    const int status = jobs_run(&bench, list);
    path_remove_all(directory);
    return status;
}
