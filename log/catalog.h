// catalog: the log's directory: making it, locking it, counting epochs, and its topics' files.
//
//   DIR/log            weir log 1          DIR/epoch   weir epoch 1
//                      id 32 digits                    epoch 7
//                      created 17672256...
//   DIR/topics/NAME/topic                  DIR/topics/NAME/P/start
//                      weir topic 1                    weir start 1
//                      id 32 digits                    first_offset 0
//                      name payments                   newest_base 1000         or none
//                      partitions 4                    cut 1 epoch 3 offset 900 ...
//                      key card_id,region   or -
//                      time at              or -
//                      compression none
//                      segment_bytes 67108864
//                      retain_age 0         us
//                      retain_bytes 0
//                      compacted 0
//                      tombstone_age 86400000000
//                      schema 1 93          version, bytes of the text that follows
//                      ...
//
// All are small files (small_file.h). DIR/log is the last thing written when a log is made; a topic
// is made as topics/.new and renamed, renamed to topics/.gone.ID when it is deleted. What a crash
// leaves of either, the next writer clears away.
#ifndef WR_LOG_CATALOG_H
#define WR_LOG_CATALOG_H

#include "log/log.h"

// Checks that log->directory is a log (or makes it, with options.creates), and reads its id.
weir_status wr_catalog_open(weir_log *log);
// Becomes its writer: takes the lock (WEIR_CONFLICT names the holder's process, within 100 ms),
// clears leftovers away, bumps the epoch durably (giving the ballast back if there is no room).
weir_status wr_catalog_lock(weir_log *log);
void        wr_catalog_unlock(weir_log *log);
// Whether this writer's epoch is still the newest; WEIR_FENCED otherwise. A few microseconds;
// before every publication. The file is opened and read each time: on a network's file system, the
// case this is for, only an open looks past cached attributes; and the inode of a file that was
// replaced is given to another, so that the same number and size need not be the same file.
weir_status wr_catalog_check_epoch(weir_log *log, struct wr_log_error *error);
// The newest writer's epoch.
weir_status wr_catalog_read_epoch(weir_log *log, uint32_t *epoch, struct wr_log_error *error);
#define WR_BALLAST_BYTES (16u << 20)
// On a full disk: gives the ballast's room back; and sets it aside again when there is some.
void wr_catalog_drop_ballast(weir_log *log);
bool wr_catalog_take_ballast(weir_log *log);

// The topic of that name, opened on first use (its file read, its live memory mapped, a writer's
// partitions recovered); NULL: `error` says why. A reader's is read again if its file changed. Any
// thread.
struct wr_topic *wr_catalog_topic(weir_log *log, const char *name, struct wr_log_error *error);
// The directory of a partition, wr_alloc'ed.
char               *wr_topic_partition_directory(const struct wr_topic *topic, uint32_t partition);
struct wr_log_place wr_topic_place(const struct wr_topic *topic, uint32_t partition);
// For a reader without the writer's live memory: tries again to map it (a writer may have come).
struct wr_live *wr_topic_live(struct wr_topic *topic);
// Whether it was deleted since it was read, by whichever process: looks at its file. Any thread.
bool wr_topic_is_gone(const struct wr_topic *topic);
// The type that rows of this version were written as, read anew if it is not known yet; valid until
// the log is closed. NULL: there is no such version, or `error` says why it cannot be read. Any
// thread.
const weir_type *wr_topic_schema(struct wr_topic *topic, uint32_t version,
                                 struct wr_log_error *error);
// How many versions are known. Any thread.
uint32_t wr_topic_schema_count(struct wr_topic *topic);
// The version number of `type` among the topic's schemas, 0: none is the same.
uint32_t wr_topic_schema_of(struct wr_topic *topic, const weir_type *type);
// Where the partition of the topic with this name and id ends now, for readers.
weir_status wr_topic_end(weir_log *log, const char *name, const struct wr_log_id *id,
                         uint32_t partition, uint64_t *end, struct wr_log_error *error);
// weir_log_create_topic, also for the log's own topics, whose names begin with a dot.
weir_status wr_catalog_create_topic(weir_log *log, const weir_topic *topic,
                                    struct wr_log_error *error);
// Whether a name is one for a topic or consumer of the user's; else a sentence about `what` of that
// name.
bool wr_catalog_check_name(const weir_log *log, const char *what, const char *name,
                           struct wr_log_error *error);
// Opens every topic there is: a writer recovers them so.
weir_status wr_catalog_open_topics(weir_log *log, struct wr_log_error *error);
// Whether there is such a topic; it need not be open.
bool wr_catalog_has_topic(weir_log *log, const char *name);
// Frees all that are open; nothing uses them any more.
void wr_catalog_close_topics(weir_log *log);
// Clears away what was half made or half deleted under DIR/topics.
void wr_catalog_clear_leftovers(weir_log *log);

// What DIR/topics/NAME/P/start says.
struct wr_partition_start {
    uint64_t first_offset;
    uint64_t
        newest_base;  // a segment with this base, or a later one, must be there; UINT64_MAX: none
    uint64_t durable; // offsets below were on disk when this was written
    struct wr_partition_cut { // truncated from `offset` on, when `epoch` was the writer's
        uint64_t number;      // 1, 2, ...
        uint32_t epoch;
        uint64_t offset;
    } * cuts;
    uint32_t cut_count;
};
weir_status wr_partition_start_read(struct wr_environment *environment, const char *directory,
                                    struct wr_partition_start *start, struct wr_log_error *error);
weir_status wr_partition_start_write(struct wr_environment *environment, const char *directory,
                                     const struct wr_partition_start *start,
                                     struct wr_log_error             *error);
void        wr_partition_start_fini(struct wr_partition_start *start);

#endif // WR_LOG_CATALOG_H
