// producer: rows into batches, a builder a partition, and batches into the partitions' queues.
//
// A builder is queued when it is full, by the producer's thread, or when the committer is free, by
// its thread (wr_commit_pull_any): so batches are as small as the load is low.
//
// Thread rule: `lock` guards the builders, tickets' order of queueing and the transaction; the rest
// belongs to the producer's thread.
#ifndef WR_LOG_PRODUCER_H
#define WR_LOG_PRODUCER_H

#include "log/commit.h"
#include "log/key.h"
#include "log/pack.h"
#include "log/transactions.h"

struct wr_producer_lane { // to one partition
    struct wr_batch_builder builder;
    struct wr_ticket        ticket;
};

struct weir_producer {
    weir_producer      *next, *before; // in the commit's list; guarded by its producers_lock
    weir_log           *log;
    struct wr_handle    handle;
    struct wr_topic    *topic;
    struct wr_row_shape shape;
    uint16_t            schema;
    bool                has_key;
    struct wr_log_key   key;
    uint32_t            turn; // without a key: the next partition
    struct wr_log_error error;

    pthread_mutex_t          lock;
    bool                     has_asked; // the committer knows that something is gathered
    struct wr_producer_lane *lanes;     // a partition each
    weir_transaction        *transaction;
    uint64_t                 transaction_number; // of what is gathered; 0: none
    bool                     is_fenced;          // the transaction was, and is closed

    // Room for finding partitions.
    char     *keys;
    uint64_t *hashes;
    uint32_t *numbers, *picks;
};

// How many are open on the topic. Any thread.
uint32_t wr_producer_count(struct wr_commit *commit, const struct wr_topic *topic);
// Queues what was gathered. Any thread.
void wr_producer_pull_any(weir_producer *producer);

// Producers of the log that have joined the transaction leave it: its handle closes. What they
// gathered still belongs to it; if it is fenced, they append nothing until they join another.
void wr_producers_leave_any(weir_log *log, const weir_transaction *transaction);

// For a task, which cannot wait: weir_producer_append or _append_to (partition UINT32_MAX: by key)
// that gives up when the log's buffer is full. False: nothing was appended; *status is WEIR_OK if
// it may be tried again.
bool wr_producer_try(weir_producer *producer, uint32_t partition, const void *rows,
                     const uint8_t *changes, size_t count, weir_status *status);

#endif // WR_LOG_PRODUCER_H
