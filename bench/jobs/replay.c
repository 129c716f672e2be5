#include "bench/jobs/replay.h"

#include "bench/jobs/payments.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define GROUP 1024

static char                directory[64];
static struct roof_options made_for;

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void replay_remove(void)
{
    if (directory[0] != '\0') {
        (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        directory[0] = '\0';
    }
}

// Partition p gets the numbers p, p + threads, ...
static weir_status append_partition(weir_producer *producer, const struct roof_options *options,
                                    uint32_t partition)
{
    payment     group[GROUP];
    weir_status status = WEIR_OK;
    size_t      count  = 0;
    for (uint64_t i = partition; i < options->events && status == WEIR_OK; i += options->threads) {
        payment_make(&group[count++], i, options->keys);
        if (count == GROUP || i + options->threads >= options->events) {
            status = weir_producer_append_to(producer, partition, group, NULL, count);
            count  = 0;
        }
    }
    return status;
}

static weir_status append_all(weir_log *log, const struct roof_options *options)
{
    const weir_topic topic    = { .name       = REPLAY_TOPIC,
                                  .type       = &payment_type,
                                  .time       = "event_time",
                                  .partitions = options->threads };
    weir_producer   *producer = NULL;
    weir_status      status   = weir_log_create_topic(log, &topic);
    if (status == WEIR_OK) {
        status = weir_producer_open(log, REPLAY_TOPIC, NULL, &producer);
    }
    for (uint32_t p = 0; p < options->threads && status == WEIR_OK; p++) {
        status = append_partition(producer, options, p);
    }
    if (producer != NULL) {
        const weir_status closed = weir_producer_close(producer);
        status                   = status == WEIR_OK ? closed : status;
    }
    return status;
}

const char *replay_prepare(const struct roof_options *options)
{
    if (directory[0] != '\0' && made_for.events == options->events &&
        made_for.keys == options->keys && made_for.threads == options->threads) {
        return directory;
    }
    static bool is_registered;
    if (!is_registered) {
        is_registered = true;
        (void)atexit(replay_remove);
    }
    replay_remove();
    (void)snprintf(directory, sizeof(directory), "weir-bench-XXXXXX");
    if (mkdtemp(directory) == NULL) {
        perror("weir-bench: cannot make a directory here");
        directory[0] = '\0';
        return NULL;
    }
    const weir_log_options how = { .writes = true, .creates = true, .durability = WEIR_DURABLE_OS };
    weir_log              *log;
    weir_status            status = weir_log_open(directory, &how, &log);
    if (status == WEIR_OK) {
        status = append_all(log, options);
    }
    if (status != WEIR_OK) {
        fprintf(stderr, "weir-bench: %s\n", weir_log_error(log));
    }
    const weir_status closed = weir_log_close(log);
    made_for                 = *options;
    return status == WEIR_OK && closed == WEIR_OK ? directory : NULL;
}
