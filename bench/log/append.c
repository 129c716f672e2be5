// The log's side: appending, and waiting for acknowledgements.
#include "bench/log/log_bench.h"

#include "bench/harness/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 16
#define GROUP_MAX   1024

struct thread {
    const struct log_bench *bench;
    weir_log               *log;
    uint32_t                partition;
    uint64_t                records;
    bool                    is_good;
    pthread_t               handle;
};

static bool complain(const char *what, const char *sentence)
{
    fprintf(stderr, "weir-log-bench: %s: %s\n", what, sentence != NULL ? sentence : "?");
    return false;
}

static void records_fill(log_record *records, unsigned count, uint64_t from)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t number = from + i;
        memset(records[i].bytes, (int)(number % 251), sizeof(records[i].bytes));
        memcpy(records[i].bytes, &number, sizeof(number));
    }
}

static void *append_main(void *opaque)
{
    struct thread *thread = opaque;
    log_record     records[GROUP_MAX];
    weir_producer *producer;
    thread->is_good =
        weir_producer_open(thread->log, "bench", &log_record_type, &producer) == WEIR_OK;
    if (!thread->is_good) {
        complain("append", weir_log_error(thread->log));
        return NULL;
    }
    records_fill(records, thread->bench->group, 0);
    for (uint64_t done = 0; done < thread->records && thread->is_good;) {
        const uint64_t left  = thread->records - done;
        const unsigned group = left < thread->bench->group ? (unsigned)left : thread->bench->group;
        thread->is_good =
            weir_producer_append_to(producer, thread->partition, records, NULL, group) == WEIR_OK;
        done += group;
    }
    thread->is_good = thread->is_good && weir_producer_flush(producer, -1) == WEIR_OK;
    if (!thread->is_good) {
        complain("append", weir_producer_error(producer));
    }
    thread->is_good = weir_producer_close(producer) == WEIR_OK && thread->is_good;
    return NULL;
}

static weir_log *log_make(const struct log_bench *bench, const char *path)
{
    const weir_log_options options = { .writes     = true,
                                       .creates    = true,
                                       .durability = bench->durability };
    const weir_topic       topic   = { .name       = "bench",
                                       .type       = &log_record_type,
                                       .partitions = bench->threads };
    weir_log              *log;
    if (weir_log_open(path, &options, &log) != WEIR_OK ||
        weir_log_create_topic(log, &topic) != WEIR_OK) {
        complain(path, weir_log_error(log));
        (void)weir_log_close(log);
        return NULL;
    }
    return log;
}

// Appends all records with the bench's threads, each to its own partition.
static bool append_all(const struct log_bench *bench, weir_log *log)
{
    struct thread threads[THREADS_MAX];
    bool          is_good = true;
    for (unsigned i = 0; i < bench->threads; i++) {
        threads[i] = (struct thread){
            .bench = bench, .log = log, .partition = i, .records = bench->records / bench->threads
        };
        if (pthread_create(&threads[i].handle, NULL, append_main, &threads[i]) != 0) {
            abort();
        }
    }
    for (unsigned i = 0; i < bench->threads; i++) {
        (void)pthread_join(threads[i].handle, NULL);
        is_good = is_good && threads[i].is_good;
    }
    return is_good;
}

bool bench_append(const struct log_bench *bench, double *records_per_second)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/append", bench->directory);
    weir_log *log = log_make(bench, path);
    if (log == NULL) {
        return false;
    }
    const int64_t start   = clock_now_ns();
    const bool    is_good = append_all(bench, log);
    const double  seconds = (double)(clock_now_ns() - start) / 1e9;
    *records_per_second   = (double)bench->records / seconds;
    return weir_log_close(log) == WEIR_OK && is_good;
}

bool bench_prepare(const struct log_bench *bench, const char *path)
{
    struct log_bench quick = *bench;
    quick.durability       = WEIR_DURABLE_OS;
    weir_log *log          = log_make(&quick, path);
    return log != NULL && append_all(&quick, log) && weir_log_close(log) == WEIR_OK;
}

// ---- latency ----

// One producer appends by a schedule; what is acknowledged is looked for between appends and noted
// with the intended time of its record.
struct pacer {
    weir_producer    *producer;
    int64_t           start_ns;
    double            ns_a_group;
    unsigned          group;
    uint64_t          appended, noted, commits; // in groups; noted: latency recorded
    struct histogram *latency;
};

static void note_acknowledged(struct pacer *pacer)
{
    const uint64_t rows   = weir_producer_acknowledged(pacer->producer, 0, NULL);
    const uint64_t groups = rows / pacer->group;
    if (groups == pacer->noted) {
        return;
    }
    const int64_t now = clock_now_ns();
    for (; pacer->noted < groups; pacer->noted++) {
        const int64_t due = pacer->start_ns + (int64_t)((double)pacer->noted * pacer->ns_a_group);
        histogram_record(pacer->latency, now > due ? (uint64_t)(now - due) : 0);
    }
    pacer->commits++;
}

static bool pace(struct pacer *pacer, uint64_t groups)
{
    log_record records[GROUP_MAX];
    records_fill(records, pacer->group, 0);
    pacer->start_ns = clock_now_ns();
    while (pacer->noted < groups) {
        const int64_t due =
            pacer->start_ns + (int64_t)((double)pacer->appended * pacer->ns_a_group);
        if (pacer->appended < groups && clock_now_ns() >= due) {
            if (weir_producer_append_to(pacer->producer, 0, records, NULL, pacer->group) !=
                WEIR_OK) {
                return complain("commit", weir_producer_error(pacer->producer));
            }
            pacer->appended++;
        }
        note_acknowledged(pacer);
    }
    return true;
}

bool bench_commit(const struct log_bench *bench, double records_per_second,
                  struct histogram *latency_ns, double *records_per_commit)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/commit", bench->directory);
    struct log_bench one = *bench;
    one.threads          = 1;
    weir_log *log        = log_make(&one, path);
    if (log == NULL) {
        return false;
    }
    struct pacer pacer = { .group = 10, .latency = latency_ns };
    bool is_good = weir_producer_open(log, "bench", &log_record_type, &pacer.producer) == WEIR_OK;
    if (is_good) {
        pacer.ns_a_group      = 1e9 * pacer.group / records_per_second;
        const uint64_t groups = (uint64_t)(bench->paced_seconds * 1e9 / pacer.ns_a_group) + 1;
        is_good               = pace(&pacer, groups);
        *records_per_commit   = (double)(groups * pacer.group) / (double)pacer.commits;
        is_good               = weir_producer_close(pacer.producer) == WEIR_OK && is_good;
    }
    return weir_log_close(log) == WEIR_OK && is_good;
}

// ---- reading ----

bool bench_read(const struct log_bench *bench, const char *path, double *records_per_second)
{
    weir_log                 *log;
    weir_reader              *reader = NULL;
    weir_log_rows             rows;
    uint64_t                  count   = 0;
    const weir_reader_options options = { .type       = &log_record_type,
                                          .is_bounded = true,
                                          .start      = WEIR_START_EARLIEST };
    weir_status   status = weir_log_open(path, &(weir_log_options){ .writes = false }, &log);
    const int64_t start  = clock_now_ns();
    if (status == WEIR_OK) {
        status = weir_reader_open(log, "bench", &options, &reader);
    }
    if (status != WEIR_OK) {
        complain("read", weir_log_error(log));
        (void)weir_log_close(log);
        return false;
    }
    while ((status = weir_reader_next(reader, -1, &rows)) == WEIR_OK) {
        count += rows.count;
    }
    *records_per_second = (double)count / ((double)(clock_now_ns() - start) / 1e9);
    const bool is_good =
        status == WEIR_AT_END && count == bench->records / bench->threads * bench->threads;
    if (!is_good) {
        complain("read",
                 status == WEIR_AT_END ? "not all records came" : weir_reader_error(reader));
    }
    weir_reader_close(reader);
    (void)weir_log_close(log);
    return is_good;
}
