// How long a run that begins with a checkpoint takes to its first result, and how fast it goes on.
//
// The state is made once, by a run that pays one payment into each card and then as many at random
// as each of the runs after it, at the end of which stands a checkpoint. Each of those takes up the
// newest checkpoint and leaves its own. They alternate: the state's files in the system's cache, or
// dropped from it before; beside the latter, what a plain read of as much takes. A run that is
// stopped leaves its partitions where they happen to be, so the last one reads on to a number that
// none has passed, which gives results that can be checked.
#include "bench/checkpoints/checkpoint_bench.h"

#include "bench/harness/clock.h"
#include "bench/harness/median.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MILLION     UINT64_C(1000000)
#define KEYS        (64 * MILLION)
#define LEAST_BYTES 1e9 // of their checkpoint

struct restored {
    uint64_t        more;  // payments of each run after the state is there
    double          peak;  // events a second before the checkpoint
    double          bytes; // that the newest checkpoint wrote
    double          cached[RUNS_MAX], cold[RUNS_MAX]; // seconds to the first result
    double          disk[RUNS_MAX];                   // bytes a second of a plain read
    double          replay[2 * RUNS_MAX], ratios[2 * RUNS_MAX];
    unsigned        replay_count;
    struct checksum checksum;
};

// Written pages are clean after the checkpoint's sync, and go.
static void files_drop_from_cache(const char *path)
{
    DIR *const directory = opendir(path);
    for (const struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        const int file = openat(dirfd(directory), entry->d_name, O_RDONLY);
        if (file >= 0) {
            (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
            (void)close(file);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
}

// Bytes a second of reading one of the newest checkpoint's files, which is in no cache; 0: there is
// none.
static double files_read_rate(const char *path)
{
    static char buffer[1 << 20];
    char        newest[256] = "";
    DIR *const  directory   = opendir(path);
    uint64_t    bytes       = 0;
    for (const struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == 'c' && strcmp(entry->d_name, newest) > 0) { // rising numbers
            (void)snprintf(newest, sizeof(newest), "%s", entry->d_name);
        }
    }
    const int     file     = directory != NULL ? openat(dirfd(directory), newest, O_RDONLY) : -1;
    const int64_t start_ns = clock_now_ns();
    for (ssize_t got; file >= 0 && (got = read(file, buffer, sizeof(buffer))) > 0;) {
        bytes += (uint64_t)got;
    }
    const double seconds = (double)(clock_now_ns() - start_ns) / 1e9;
    if (file >= 0) {
        (void)close(file);
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return (double)bytes / seconds;
}

// Until sources have read so many payments, about, or exactly.
static bool one_run(const struct bench *bench, struct restored *all, uint64_t rows, bool is_last,
                    struct seen *seen)
{
    static struct taken taken;
    const struct plan   plan = { .workers     = bench->workers,
                                 .checkpoints = bench_path(bench, "restore"),
                                 .stop_at_row = is_last ? 0 : rows };
    seen_start(seen, running_keys);
    if (!plan_run(&plan, running_open(bench, is_last ? rows : 0, true, seen), &taken) ||
        taken.count == 0 || seen->checksum.count == 0) {
        return false;
    }
    all->bytes = taken.bytes[taken.count - 1];
    checksum_merge(&all->checksum, &seen->checksum);
    return true;
}

static bool state_make(const struct bench *bench, struct restored *all)
{
    struct seen seen;
    if (!one_run(bench, all, running_keys + all->more, false, &seen)) {
        return false;
    }
    all->peak = (double)(seen.checksum.count - running_keys) /
                ((double)(seen.last_ns - seen.middle_ns) / 1e9);
    return true;
}

static bool state_restore(const struct bench *bench, struct restored *all, double *seconds)
{
    struct seen   seen;
    const int64_t start_ns = clock_now_ns();
    if (!one_run(bench, all, all->checksum.count + all->more, false, &seen)) {
        return false;
    }
    const double rate =
        (double)seen.checksum.count / ((double)(seen.last_ns - seen.first_ns) / 1e9);
    *seconds                         = (double)(seen.first_ns - start_ns) / 1e9;
    all->replay[all->replay_count]   = rate;
    all->ratios[all->replay_count++] = rate / all->peak;
    return true;
}

static bool restored_check(const struct bench *bench, struct restored *all)
{
    const uint64_t events = all->checksum.count + all->checksum.count / 2;
    struct seen    seen;
    if (!one_run(bench, all, events, true, &seen)) {
        return false;
    }
    const struct checksum expected = running_expected(events, running_payment);
    if (!checksum_is_equal(&all->checksum, &expected)) {
        fprintf(stderr,
                "weir-checkpoint-bench: w6_restore_1g: %" PRIu64 " results, hash %016" PRIx64
                "; without weir there are %" PRIu64 ", %016" PRIx64 "\n",
                all->checksum.count, all->checksum.hash, expected.count, expected.hash);
        return false;
    }
    return true;
}

static bool restored_measure(const struct bench *bench, struct restored *all)
{
    if (!state_make(bench, all)) {
        return false;
    }
    for (unsigned run = 0; run < bench->runs; run++) {
        if (!state_restore(bench, all, &all->cached[run])) {
            return false;
        }
        files_drop_from_cache(bench_path(bench, "restore"));
        all->disk[run] = files_read_rate(bench_path(bench, "restore"));
        files_drop_from_cache(bench_path(bench, "restore"));
        if (!state_restore(bench, all, &all->cold[run])) {
            return false;
        }
    }
    return restored_check(bench, all);
}

static void restored_print(const struct bench *bench, const char *job, struct restored *all)
{
    const double cached = median(all->cached, bench->runs), cold = median(all->cold, bench->runs),
                 replay = median(all->replay, all->replay_count),
                 ratio  = median(all->ratios, all->replay_count),
                 disk   = all->bytes / median(all->disk, bench->runs);
    if (bench->is_json) {
        printf("{\"job\":\"%s\",\"first_result_s\":%.3f,\"cold_first_result_s\":%.3f,\"disk_s\":%."
               "3f,\"bytes\":%.0f,"
               "\"replay_events_per_second\":%.0f,\"peak_events_per_second\":%.0f,"
               "\"replay_ratio\":%.4f,\"keys\":%" PRIu64 ",\"workers\":%u,\"runs\":%u,"
               "\"checksum\":{\"count\":%" PRIu64 ",\"sum\":%" PRId64 ",\"hash\":\"%016" PRIx64
               "\"}",
               job, cached, cold, disk, all->bytes, replay, all->peak, ratio, running_keys,
               bench->workers, bench->runs, all->checksum.count, all->checksum.sum,
               all->checksum.hash);
        return;
    }
    printf("%-15s %.2f s to the first result (%.2f to %.2f), cold %.2f s (%.2f to %.2f), "
           "of which the disk alone %.2f s   %.0f MB, "
           "%" PRIu64 " keys\n",
           job, cached, all->cached[0], all->cached[bench->runs - 1], cold, all->cold[0],
           all->cold[bench->runs - 1], disk, all->bytes / 1e6, running_keys);
    printf("%-15s then %.2f M/s, %.2f M/s before   ratio %.3f   %" PRIu64 " results %016" PRIx64
           "\n",
           "", replay / 1e6, all->peak / 1e6, ratio, all->checksum.count, all->checksum.hash);
}

bool bench_restore(const struct bench *bench, const char *job)
{
    static struct restored all;
    all           = (struct restored){ .more = bench->is_small ? 200000 : 40 * MILLION };
    running_keys  = bench->is_small ? 100000 : KEYS;
    running_cards = NULL;
    bool is_good  = restored_measure(bench, &all);
    path_remove_all(bench_path(bench, "restore"));
    if (is_good && !bench->is_small && all.bytes < LEAST_BYTES) {
        fprintf(stderr, "weir-checkpoint-bench: %s: the checkpoint has %.0f bytes, and not %.0f\n",
                job, all.bytes, LEAST_BYTES);
        is_good = false;
    }
    if (is_good) {
        restored_print(bench, job, &all);
        line_end(bench);
    }
    return is_good;
}
