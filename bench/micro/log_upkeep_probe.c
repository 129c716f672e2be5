// What upkeep costs producers: from append to acknowledgement while nothing but appending goes on,
// while retention and compaction run without a pause, and while retention drops many segments at
// once.
//
// usage: log_upkeep_probe [--small] [DIRECTORY]
//
// A paced producer appends ten records at a time to one topic (latency from the intended time on).
// A second one fills a compacted topic all the time, in each of the three phases, so that they
// differ by upkeep alone; a third topic has the many segments.
#include "bench/harness/clock.h"
#include "bench/harness/histogram.h"
#include "runtime/base/base.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/call.h>
#include <weir/log.h>

#define GROUP      10u
#define GROUP_NS   1000000 // between two groups: 10,000 records/s
#define KEYS       5000u
#define FILL_ROWS  256u
#define FILL_US    2000 // between two fills
#define PHASES     3u
#define SEGMENT    (256u << 10)
#define KEPT_BYTES (16u << 20)

typedef struct probe_row {
    uint64_t key;
    uint64_t payload[7];
} probe_row;
WEIR_RECORD(probe_row, key, payload);

struct probe {
    weir_log *log;
    bool      stops_filling, stops_upkeep;
    uint32_t  rounds; // of upkeep
    uint64_t  groups; // of a phase
    uint32_t  old_segments;
};

static void check(bool is_good, const char *sentence)
{
    if (!is_good) {
        fprintf(stderr, "log_upkeep_probe: %s\n", sentence);
        exit(1);
    }
}

static weir_producer *producer_of(struct probe *probe, const char *topic)
{
    weir_producer *producer;
    check(weir_producer_open(probe->log, topic, NULL, &producer) == WEIR_OK,
          weir_log_error(probe->log));
    return producer;
}

static void *fill(void *opaque)
{
    struct probe  *probe    = opaque;
    weir_producer *producer = producer_of(probe, "filled");
    probe_row      rows[FILL_ROWS];
    memset(rows, 0, sizeof(rows));
    for (uint64_t count = 0; !__atomic_load_n(&probe->stops_filling, __ATOMIC_RELAXED);) {
        for (uint32_t i = 0; i < FILL_ROWS; i++) {
            rows[i].key = wr_mix64(count++, 0) % KEYS;
        }
        check(weir_producer_append(producer, rows, FILL_ROWS) == WEIR_OK, "cannot fill");
        usleep(FILL_US);
    }
    check(weir_producer_close(producer) == WEIR_OK, weir_log_error(probe->log));
    return NULL;
}

static void *keep_up(void *opaque)
{
    struct probe *probe = opaque;
    while (!__atomic_load_n(&probe->stops_upkeep, __ATOMIC_RELAXED)) {
        check(weir_log_compact(probe->log, "filled", NULL) == WEIR_OK, weir_log_error(probe->log));
        check(weir_log_retain(probe->log, "filled", NULL) == WEIR_OK, weir_log_error(probe->log));
        probe->rounds++;
    }
    return NULL;
}

static void *drop_many(void *opaque)
{
    struct probe *probe = opaque;
    usleep(200000);
    check(weir_log_retain(probe->log, "old", NULL) == WEIR_OK, weir_log_error(probe->log));
    return NULL;
}

// One producer by a schedule; a latency for each group that was acknowledged.
static void pace(struct probe *probe, struct histogram *latency)
{
    weir_producer  *producer    = producer_of(probe, "paced");
    const probe_row rows[GROUP] = { { .key = 1 } };
    const int64_t   start       = clock_now_ns();
    uint64_t        appended = 0, noted = 0;
    while (noted < probe->groups) {
        if (appended < probe->groups && clock_now_ns() >= start + (int64_t)appended * GROUP_NS) {
            check(weir_producer_append(producer, rows, GROUP) == WEIR_OK,
                  weir_producer_error(producer));
            appended++;
        }
        const uint64_t groups = weir_producer_acknowledged(producer, 0, NULL) / GROUP;
        const int64_t  now    = clock_now_ns();
        for (; noted < groups; noted++) {
            histogram_record(latency, (uint64_t)(now - start - (int64_t)noted * GROUP_NS));
        }
        usleep(50);
    }
    check(weir_producer_close(producer) == WEIR_OK, weir_log_error(probe->log));
}

static void topic_make(struct probe *probe, const char *name, uint64_t retain_bytes,
                       bool is_compacted)
{
    const weir_topic topic = { .name          = name,
                               .type          = &probe_row_type,
                               .key           = "key",
                               .partitions    = 1,
                               .segment_bytes = SEGMENT,
                               .retain_bytes  = retain_bytes,
                               .is_compacted  = is_compacted };
    check(weir_log_create_topic(probe->log, &topic) == WEIR_OK, weir_log_error(probe->log));
}

// Fills topic "old" with as many segments, and lets none of them be kept.
static void make_old(struct probe *probe)
{
    static probe_row rows[SEGMENT / sizeof(probe_row) + 1];
    topic_make(probe, "old", 0, false);
    weir_producer *producer = producer_of(probe, "old");
    for (uint32_t i = 0; i < probe->old_segments; i++) {
        check(weir_producer_append(producer, rows, WR_COUNT_OF(rows)) == WEIR_OK, "cannot fill");
    }
    check(weir_producer_close(producer) == WEIR_OK, weir_log_error(probe->log));
    topic_make(probe, "old", 1, false);
}

static void run_phase(struct probe *probe, void *(*beside)(void *), struct histogram *latency)
{
    pthread_t thread;
    probe->stops_upkeep = false;
    check(beside == NULL || pthread_create(&thread, NULL, beside, probe) == 0, "no thread");
    pace(probe, latency);
    __atomic_store_n(&probe->stops_upkeep, true, __ATOMIC_RELAXED);
    if (beside != NULL) {
        (void)pthread_join(thread, NULL);
    }
}

static double ms_at(const struct histogram *latency, double percent)
{
    return (double)histogram_percentile(latency, percent) / 1e6;
}

static void remove_directory(const char *directory)
{
    char     *command = wr_format("rm -r '%s'", directory);
    const int removed = system(command);
    check(removed == 0, "the directory stays");
    wr_free(command);
}

int main(int argc, char **argv)
{
    static const char *const phases[PHASES] = { "alone", "upkeep", "drop" };
    void *(*const beside[PHASES])(void *)   = { NULL, keep_up, drop_many };
    const bool             is_small         = argc > 1 && strcmp(argv[1], "--small") == 0;
    const char            *under            = argc > 1 + is_small ? argv[1 + is_small] : "/tmp";
    char                  *directory        = wr_format("%s/weir-upkeep-probe-XXXXXX", under);
    const weir_log_options options          = { .writes = true, .creates = true };
    struct probe probe = { .groups = is_small ? 300 : 10000, .old_segments = is_small ? 20 : 2000 };
    pthread_t    filler;
    check(mkdtemp(directory) != NULL, "no directory");
    check(weir_log_open(directory, &options, &probe.log) == WEIR_OK, weir_log_error(probe.log));
    topic_make(&probe, "paced", KEPT_BYTES, false);
    topic_make(&probe, "filled", KEPT_BYTES, true);
    make_old(&probe);
    check(pthread_create(&filler, NULL, fill, &probe) == 0, "no thread");
    printf("{\"bench\":\"log_upkeep_probe\",\"groups\":%llu,\"old_segments\":%u",
           (unsigned long long)probe.groups, probe.old_segments);
    for (uint32_t i = 0; i < PHASES; i++) {
        struct histogram latency;
        check(histogram_open(&latency), "no memory");
        run_phase(&probe, beside[i], &latency);
        printf(",\"%s_ms\":{\"p50\":%.2f,\"p99\":%.2f,\"p99.9\":%.2f,\"max\":%.2f}", phases[i],
               ms_at(&latency, 50), ms_at(&latency, 99), ms_at(&latency, 99.9),
               (double)latency.max / 1e6);
        histogram_close(&latency);
    }
    __atomic_store_n(&probe.stops_filling, true, __ATOMIC_RELAXED);
    (void)pthread_join(filler, NULL);
    printf(",\"upkeep_rounds\":%u}\n", probe.rounds);
    check(weir_log_close(probe.log) == WEIR_OK, "closing");
    remove_directory(directory);
    wr_free(directory);
    return 0;
}
