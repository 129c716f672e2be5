// reader: batches of a topic's partitions as rows of the reader's type. The public calls wait; a
// connector asks without waiting.
//
//   partition_reader: batches   --taking turns-->   decoder: rows   -->   the caller
//
// Thread rule: a reader belongs to one thread at a time; with a waker, the end of a read or wait is
// told from any thread.
#ifndef WR_LOG_READER_H
#define WR_LOG_READER_H

#include "log/log.h"

struct wr_decisions;

// weir_reader_open; a bounded reader of committed records ends by what is decided in `decided`
// (borrowed for the call; NULL: now), so that several end at the same moment.
weir_status wr_reader_open_as_of(weir_log *log, const char *topic,
                                 const weir_reader_options *options,
                                 const struct wr_decisions *decided, weir_reader **reader);

// Why there was nothing.
struct wr_reader_pause {
    bool    is_quiet; // there is nothing new; else a read is under way, or a transaction is open
    int64_t again_us; // when to poll again at the latest, monotonic; INT64_MAX: the waker tells
};

// weir_reader_next without waiting, for a task: with WEIR_TIMED_OUT, *pause says why.
weir_status wr_reader_poll(weir_reader *reader, weir_log_rows *rows, struct wr_reader_pause *pause);
// Before the first poll: reads are done by the environment's I/O threads, and wake is called from
// any thread when to poll again. It is not called any more once the reader is closed. Finding and
// opening the next segment is still done by the caller of poll.
void wr_reader_set_wake(weir_reader *reader, void (*wake)(void *waker), void *waker);
// Before the first poll: stands where a consumer committed; if that was taken back it is told.
void wr_reader_resume(weir_reader *reader, uint32_t partition, uint64_t offset, uint64_t cut);
// The number of the partition's last truncation that the reader has heard of.
uint64_t wr_reader_cut(weir_reader *reader, uint32_t partition);
// Of its topic, and of no other ever, be it of the same name.
const struct wr_log_id *wr_reader_topic_id(const weir_reader *reader);
// Whether the topic was deleted: then nothing comes any more.
bool wr_reader_is_gone(const weir_reader *reader);
// Bytes read so far.
uint64_t wr_reader_bytes(const weir_reader *reader);

#endif // WR_LOG_READER_H
