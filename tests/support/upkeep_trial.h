// What tests of transactions and upkeep share: a log on a simulated disk with one topic of small
// rows, and what a reader finds there.
#ifndef UPKEEP_TRIAL_H
#define UPKEEP_TRIAL_H

#include "log/commit.h"
#include "log/log.h"
#include "log/transactions.h"
#include "log/upkeep.h"
#include "tests/support/trial.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/call.h>

#define TRIAL_DIRECTORY "/log"
#define TRIAL_ROWS_MAX  65536u

typedef struct trial_row {
    uint64_t key;
    int64_t  value;
} trial_row;
WEIR_RECORD(trial_row, key, value);

static inline void trial_silence(void *opaque, const char *sentence)
{
    (void)opaque;
    (void)sentence;
}

static inline weir_status trial_try_open(struct wr_environment *environment, bool writes,
                                         weir_log **log)
{
    const weir_log_options options = { .writes = writes, .creates = writes, .warn = trial_silence };
    return wr_log_open_in(environment, TRIAL_DIRECTORY, &options, log);
}

static inline weir_log *trial_open(struct wr_environment *environment, bool writes)
{
    weir_log *log;
    if (trial_try_open(environment, writes, &log) != WEIR_OK) {
        fprintf(stderr, "cannot open: %s\n", weir_log_error(log));
        abort();
    }
    return log;
}

static inline weir_topic trial_topic(const char *name, uint32_t partitions)
{
    return (weir_topic){ .name          = name,
                         .type          = &trial_row_type,
                         .key           = "key",
                         .partitions    = partitions,
                         .segment_bytes = 64u << 10 };
}

static inline void trial_create(weir_log *log, const weir_topic *topic)
{
    if (weir_log_create_topic(log, topic) != WEIR_OK) {
        fprintf(stderr, "cannot create: %s\n", weir_log_error(log));
        abort();
    }
}

// Rows that a reader has now, in order of partitions and offsets.
struct trial_found {
    uint32_t  count;
    trial_row rows[TRIAL_ROWS_MAX];
    uint64_t  offsets[TRIAL_ROWS_MAX];
    uint8_t   changes[TRIAL_ROWS_MAX];
};

static inline void trial_take(struct trial_found *found, const weir_log_rows *rows)
{
    const trial_row *from = rows->rows;
    for (uint32_t i = 0; i < rows->count && found->count < TRIAL_ROWS_MAX; i++) {
        found->rows[found->count]    = from[i];
        found->offsets[found->count] = rows->offset + (rows->deltas != NULL ? rows->deltas[i] : i);
        found->changes[found->count] = rows->changes != NULL ? rows->changes[i] : 0;
        found->count++;
    }
}

// Reads a topic's partition (UINT32_MAX: all) from the earliest to where it gets. The status that
// ended it: WEIR_TIMED_OUT if all is well.
static inline weir_status trial_read(weir_log *log, const char *topic, uint32_t partition,
                                     bool reads_uncommitted, struct trial_found *found)
{
    weir_reader              *reader;
    const weir_reader_options options = { .partitions = partition == UINT32_MAX ? NULL : &partition,
                                          .partition_count   = partition == UINT32_MAX ? 0 : 1,
                                          .start             = WEIR_START_EARLIEST,
                                          .reads_uncommitted = reads_uncommitted };
    weir_log_rows             rows;
    found->count       = 0;
    weir_status status = weir_reader_open(log, topic, &options, &reader);
    while (status == WEIR_OK) {
        status = weir_reader_next(reader, 0, &rows);
        if (status == WEIR_OK) {
            trial_take(found, &rows);
        }
    }
    if (status != WEIR_TIMED_OUT) {
        fprintf(stderr, "cannot read: %s\n", weir_reader_error(reader));
    }
    weir_reader_close(reader);
    return status;
}

static inline uint32_t trial_count(weir_log *log, const char *topic)
{
    struct trial_found *found  = wr_alloc(sizeof(*found));
    const weir_status   status = trial_read(log, topic, UINT32_MAX, false, found);
    const uint32_t      count  = status == WEIR_TIMED_OUT ? found->count : UINT32_MAX;
    wr_free(found);
    return count;
}

// Appends `count` rows with keys and values from `first` on.
static inline weir_status trial_append(weir_producer *producer, uint64_t first, uint32_t count)
{
    weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
        const trial_row row = { first + i, (int64_t)(first + i) };
        status              = weir_producer_append(producer, &row, 1);
    }
    return status;
}

// Appends to partition 0 and waits for the acknowledgement.
static inline void trial_put(weir_producer *producer, uint64_t key, int64_t value, uint8_t change)
{
    const trial_row row = { key, value };
    if (weir_producer_append_to(producer, 0, &row, &change, 1) != WEIR_OK ||
        weir_producer_flush(producer, -1) != WEIR_OK) {
        fprintf(stderr, "cannot append: %s\n", weir_producer_error(producer));
        abort();
    }
}

#endif // UPKEEP_TRIAL_H
