// live: what the writer tells readers while both run, in memory that their processes share.
//
//   DIR/topics/NAME/live   [head: 64 bytes][slot of partition 0: 64 bytes][slot of partition 1] ...
//
// It says how far a partition may be read. It is no truth of its own: a reader believes it only if
// it was written since the machine started (boot) and by the newest epoch; else it finds out by
// itself (wr_partition_look). After a killed writer it is still right: what it said was readable is
// in the page cache at least.
//
// A slot is read and written under its sequence number (a seqlock): odd while it changes. `word`
// changes with each publication of any slot; readers wait for it.
//
// Thread rule: one process writes, under the log's commit lock; anybody reads.
#ifndef WR_LOG_LIVE_H
#define WR_LOG_LIVE_H

#include "log/log.h"

struct wr_live;

struct wr_live_position {
    uint64_t readable;      // offsets below may be read
    uint64_t segment_base;  // of the segment in which `readable` lies or will lie
    uint64_t segment_bytes; // of it that may be read; at a batch's end
    uint64_t first_offset;  // retention and truncation took what was before
    uint64_t durable;       // offsets below are on disk
    uint64_t cut;           // how often the partition was truncated from an offset
};

// The writer's: made or taken over, all slots zero, and stamped with boot, epoch and process. NULL:
// *error is -errno.
struct wr_live *wr_live_open_writer(struct wr_environment *environment, const char *path,
                                    uint32_t partitions, uint32_t epoch, int *error);
// A reader's. NULL: there is none (-ENOENT), or of another size.
struct wr_live *wr_live_open_reader(struct wr_environment *environment, const char *path,
                                    uint32_t partitions, int *error);
void            wr_live_close(struct wr_live *live);
// The writer's: what it says holds no more, for anybody (its topic is being deleted).
void wr_live_retire(struct wr_live *live);

// Whether what it says holds: written since the machine started.
bool     wr_live_is_current(const struct wr_live *live);
uint32_t wr_live_epoch(const struct wr_live *live);

void wr_live_publish(struct wr_live *live, uint32_t partition,
                     const struct wr_live_position *position);
enum wr_live_look {
    WR_LIVE_KNOWN, // *position is what was published last
    WR_LIVE_VOID,  // nothing has been published in this slot by the writer whose epoch it is (yet)
    WR_LIVE_BUSY,  // a writer is in the midst of a publication; or was killed there
};
enum wr_live_look wr_live_look(const struct wr_live *live, uint32_t partition,
                               struct wr_live_position *position);
// The same for who does not ask why nothing is known.
bool wr_live_read(const struct wr_live *live, uint32_t partition,
                  struct wr_live_position *position);

// Changes the word and wakes who waits for it; after one or more publications.
void wr_live_wake_any(struct wr_live *live);
// The word; read it before looking at slots, then wait while it is the same. WR_REQUEST_WAIT takes
// its address.
const uint32_t *wr_live_word(const struct wr_live *live);
uint32_t        wr_live_word_now(const struct wr_live *live);

#endif // WR_LOG_LIVE_H
