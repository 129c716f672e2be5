// consumers: names under which readers keep how far they came.
//
//   DIR/consumers/NAME        the offsets, of any number of topics
//   DIR/consumers/NAME.lock   locked by the reader that holds the name; which process that is.
//   Stays
//
//   weir consumer 1
//   topic ID NAME                      ID: 32 hexadecimal digits; a topic made anew has another
//   partition 0 offset 17 at 1767225600000000
//   partition 1 offset 40 at 1767225600000000 cut 2    truncations heard of; missing: 0
//   ...
//   crc32c 1a2b3c4d
//
// Only who holds a name writes its file, so that what was read when the name was taken stays true.
//
// Thread rule: a held name belongs to one thread at a time.
#ifndef WR_LOG_CONSUMERS_H
#define WR_LOG_CONSUMERS_H

#include "log/log.h"

struct wr_consumer;

// Takes the name and reads its offsets. WEIR_USAGE: no such name is allowed; WEIR_CONFLICT: the
// sentence names the process that holds it; WEIR_UNREACHABLE: a log that this process may not
// write to keeps no consumers.
weir_status wr_consumer_take(weir_log *log, const char *name, struct wr_consumer **consumer,
                             struct wr_log_error *error);
// Lets go of the name; what was not committed is forgotten. NULL is nobody.
void wr_consumer_give(struct wr_consumer *consumer);
// What comes next in the topic's partition, as it was committed, and the number of the last
// truncation that was heard of then. False: nothing was.
bool wr_consumer_offset(const struct wr_consumer *consumer, const struct wr_topic *topic,
                        uint32_t partition, uint64_t *offset, uint64_t *cut);
// Keeps offsets[i] and cuts[i] of partitions[i] of the topic, durably, together; other partitions
// and topics stay as they are. On failure the offsets before are still the ones that are kept,
// unless the disk failed: then either.
weir_status wr_consumer_commit(struct wr_consumer *consumer, const struct wr_topic *topic,
                               const uint32_t *partitions, const uint64_t *offsets,
                               const uint64_t *cuts, uint32_t count, struct wr_log_error *error);

#endif // WR_LOG_CONSUMERS_H
