// shared_log: logs that nodes of one run use together: one that reads and one that writes for each
// directory, and one holder of each consumer's name.
#ifndef WR_SHARED_LOG_H
#define WR_SHARED_LOG_H

#include "log/log.h"
#include "runtime/connector.h"

#define WR_LOG_DIRECTORY_DEFAULT "weir-log"

// The run's handle of the log in `directory`. With `writing` it is the log's writer, opened with
// these options. NULL: wr_node_fail has said why. wr_node_unshare gives it back.
weir_log *wr_shared_log(struct wr_node *node, const char *directory,
                        const weir_log_options *writing);

// What is decided of the log's transactions as of the run's start; wr_node_unshare gives it back,
// before the log.
struct wr_decisions *wr_shared_decisions(struct wr_node *node, weir_log *log);

// A consumer of one topic, whose partitions are read by several nodes. Any thread.
struct wr_shared_consumer;

// The run's holder of the name; wr_node_unshare gives it back, before the log.
struct wr_shared_consumer *wr_shared_consumer(struct wr_node *node, weir_log *log,
                                              const char *consumer, const char *topic);
// What comes next in the partition, as committed, and the last truncation heard of then; false:
// nothing was.
bool wr_shared_consumer_offset(struct wr_shared_consumer *consumer, uint32_t partition,
                               uint64_t *offset, uint64_t *cut);
// Takes note that all before `offset` has left the source, which has heard of truncations up to
// number `cut`; kept by the next commit.
void wr_shared_consumer_reach(struct wr_shared_consumer *consumer, uint32_t partition,
                              uint64_t offset, uint64_t cut);
// Keeps what was reached, unless that was done less than `every_us` ago. False: wr_node_fail has
// said why.
bool wr_shared_consumer_commit(struct wr_shared_consumer *consumer, struct wr_node *node,
                               int64_t every_us);

#endif // WR_SHARED_LOG_H
