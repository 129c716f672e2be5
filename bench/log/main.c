// weir-log-bench: see log_bench.h for what is measured.
#include "bench/harness/machine.h"
#include "bench/harness/median.h"
#include "bench/log/log_bench.h"

#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNS_MAX         99
#define SUSTAINED_FACTOR 5

struct options {
    const char *parent;
    unsigned    runs;
    bool        is_small, is_json;
};

static const char usage[] =
    "usage: weir-log-bench [options]\n"
    "  --directory DIR  where to write, on the file system that is to be measured (default .)\n"
    "  --runs N         runs of each side, alternating; the median counts (default 5)\n"
    "  --small          small sizes: says whether it works, not how fast it is\n"
    "  --json           one JSON object a line and job, instead of a table\n";

// ---- removing what was written ----

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void remove_all(const char *path) { (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static void remove_in(const struct log_bench *bench, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", bench->directory, name);
    remove_all(path);
}

// ---- medians ----

struct side {
    double values[RUNS_MAX];
};

struct percentiles {
    struct side p50, p99, p999, max;
};

static void percentiles_note(struct percentiles *all, unsigned run, const struct histogram *h)
{
    all->p50.values[run]  = (double)histogram_percentile(h, 50) / 1e3;
    all->p99.values[run]  = (double)histogram_percentile(h, 99) / 1e3;
    all->p999.values[run] = (double)histogram_percentile(h, 99.9) / 1e3;
    all->max.values[run]  = (double)histogram_percentile(h, 100) / 1e3;
}

// ---- printing ----

static void print_rate(const struct options *o, const struct machine *machine, const char *job,
                       double rate, const char *limit, double roof, double ratio)
{
    if (o->is_json) {
        printf("{\"job\":\"%s\",\"events_per_second\":%.0f,\"roof\":\"%s\","
               "\"roof_events_per_second\":%.0f,\"roof_ratio\":%.4f,\"record_bytes\":100,"
               "\"runs\":%u,\"cpu\":",
               job, rate, limit, roof, ratio, o->runs);
        json_print_string(stdout, machine->cpu);
        printf("}\n");
    } else {
        printf("%-22s %8.2f M records/s %8.1f MB/s   %-6s %8.2f M/s   ratio %.3f\n", job,
               rate / 1e6, rate / 1e4, limit, roof / 1e6, ratio);
    }
    fflush(stdout);
}

// Medians over the runs.
static void print_latency(const struct options *o, const char *job, double rate,
                          struct percentiles *all)
{
    const double p50 = median(all->p50.values, o->runs), p99 = median(all->p99.values, o->runs),
                 p999 = median(all->p999.values, o->runs), max = median(all->max.values, o->runs);
    if (o->is_json) {
        printf("{\"job\":\"%s\",\"events_per_second\":%.0f,\"runs\":%u,\"p50_us\":%.1f,"
               "\"p99_us\":%.1f,\"p99_9_us\":%.1f,\"max_us\":%.1f}\n",
               job, rate, o->runs, p50, p99, p999, max);
    } else {
        printf("%-22s %8.2f M records/s   p50 %.0f us  p99 %.0f us  p99.9 %.0f us  max %.0f us\n",
               job, rate / 1e6, p50, p99, p999, max);
    }
    fflush(stdout);
}

// ---- the jobs ----

static bool measure_append(const struct options *o, const struct machine *machine,
                           struct log_bench *bench)
{
    struct side appends = { { 0 } }, disk = { { 0 } }, copy = { { 0 } }, ratio = { { 0 } };
    for (unsigned run = 0; run < o->runs; run++) {
        bool is_good = roof_disk(bench, &disk.values[run]) && roof_copy(bench, &copy.values[run]);
        remove_in(bench, "roof");
        is_good = is_good && bench_append(bench, &appends.values[run]);
        remove_in(bench, "append");
        if (!is_good) {
            return false;
        }
        const double roof =
            disk.values[run] < copy.values[run] ? disk.values[run] : copy.values[run];
        ratio.values[run] = appends.values[run] / roof;
    }
    const double disk_rate = median(disk.values, o->runs), copy_rate = median(copy.values, o->runs);
    print_rate(o, machine, "log_append_durable", median(appends.values, o->runs),
               disk_rate < copy_rate ? "disk" : "copy",
               disk_rate < copy_rate ? disk_rate : copy_rate, median(ratio.values, o->runs));
    return true;
}

static bool measure_append_os(const struct options *o, const struct machine *machine,
                              struct log_bench *bench)
{
    struct side appends = { { 0 } }, copy = { { 0 } }, ratio = { { 0 } };
    bench->durability = WEIR_DURABLE_OS;
    for (unsigned run = 0; run < o->runs; run++) {
        const bool is_good =
            roof_copy(bench, &copy.values[run]) && bench_append(bench, &appends.values[run]);
        remove_in(bench, "append");
        if (!is_good) {
            return false;
        }
        ratio.values[run] = appends.values[run] / copy.values[run];
    }
    bench->durability = WEIR_DURABLE;
    print_rate(o, machine, "log_append_os", median(appends.values, o->runs), "copy",
               median(copy.values, o->runs), median(ratio.values, o->runs));
    return true;
}

// What the disk takes for longer than its burst, in records a second.
static bool measure_sustained(const struct options *o, const struct log_bench *bench, double *rate)
{
    struct log_bench longer = *bench;
    longer.records *= o->is_small ? 1 : SUSTAINED_FACTOR;
    const bool is_good = roof_disk(&longer, rate);
    remove_in(bench, "roof");
    return is_good;
}

static bool measure_commit(const struct options *o, const struct log_bench *bench, double sustained,
                           unsigned share)
{
    struct percentiles ours = { .p50 = { { 0 } } }, roof = ours;
    const double       rate = sustained / share;
    char               job[64];
    for (unsigned run = 0; run < o->runs; run++) {
        struct histogram h, alone;
        double           records_per_commit = 1;
        bool             is_good            = histogram_open(&h) && histogram_open(&alone) &&
                       bench_commit(bench, rate, &h, &records_per_commit);
        remove_in(bench, "commit");
        is_good = is_good && roof_commit(bench, (size_t)(records_per_commit * sizeof(log_record)),
                                         rate / records_per_commit, &alone);
        remove_in(bench, "roof");
        if (is_good) {
            percentiles_note(&ours, run, &h);
            percentiles_note(&roof, run, &alone);
        }
        histogram_close(&h);
        histogram_close(&alone);
        if (!is_good) {
            return false;
        }
    }
    snprintf(job, sizeof(job), "log_commit_1/%u", share);
    print_latency(o, job, rate, &ours);
    snprintf(job, sizeof(job), "  disk_alone_1/%u", share);
    print_latency(o, job, rate, &roof);
    return true;
}

static bool measure_read(const struct options *o, const struct machine *machine,
                         const struct log_bench *bench)
{
    struct side reads = { { 0 } }, scan = { { 0 } }, ratio = { { 0 } };
    char        path[512];
    snprintf(path, sizeof(path), "%s/read", bench->directory);
    bool is_good = bench_prepare(bench, path);
    for (unsigned run = 0; run < o->runs && is_good; run++) {
        is_good = roof_scan(bench, path, &scan.values[run]) &&
                  bench_read(bench, path, &reads.values[run]);
        ratio.values[run] = reads.values[run] / scan.values[run];
    }
    remove_in(bench, "read");
    if (is_good) {
        print_rate(o, machine, "log_read", median(reads.values, o->runs), "scan",
                   median(scan.values, o->runs), median(ratio.values, o->runs));
    }
    return is_good;
}

static bool measure(const struct options *o, const char *directory)
{
    struct machine   machine;
    double           sustained = 0;
    struct log_bench bench     = { .directory     = directory,
                                   .records       = o->is_small ? 20000 : 5000000,
                                   .threads       = 2,
                                   .group         = 100,
                                   .paced_seconds = o->is_small ? 0.2 : 5 };
    machine_read(&machine);
    if (!o->is_json) {
        printf("%s; %s; median of %u runs\n", machine.cpu, machine.compiler, o->runs);
    }
    return measure_append(o, &machine, &bench) && measure_append_os(o, &machine, &bench) &&
           measure_sustained(o, &bench, &sustained) && measure_commit(o, &bench, sustained, 16) &&
           measure_commit(o, &bench, sustained, 4) && measure_read(o, &machine, &bench);
}

int main(int argc, char **argv)
{
    static const struct option known[] = { { "directory", required_argument, NULL, 'd' },
                                           { "runs", required_argument, NULL, 'r' },
                                           { "small", no_argument, NULL, 's' },
                                           { "json", no_argument, NULL, 'j' },
                                           { "help", no_argument, NULL, 'h' },
                                           { NULL, 0, NULL, 0 } };
    struct options             o       = { .parent = "." };
    for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (letter) {
        case 'd': o.parent = optarg; break;
        case 'r': o.runs = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': o.is_small = true; break;
        case 'j': o.is_json = true; break;
        case 'h': fputs(usage, stdout); return 0;
        default: fputs(usage, stderr); return 2;
        }
    }
    if (o.runs == 0 || o.runs > RUNS_MAX) {
        o.runs = o.is_small ? 1 : 5;
    }
    char directory[400];
    snprintf(directory, sizeof(directory), "%.300s/weir-log-bench-XXXXXX", o.parent);
    if (mkdtemp(directory) == NULL) {
        perror(directory);
        return 3;
    }
    const bool is_good = measure(&o, directory);
    remove_all(directory);
    return is_good ? 0 : 1;
}
