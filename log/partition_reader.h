// partition_reader: the batches of one partition, in order, as far as they may be read.
//
//   live or look --> known: how far        segment files --> cursor --> batch at hand
//
// It stands at an offset, `next`, and knows nothing of rows. Compaction may replace or merge files
// while it reads; an open file stays as it was, and is read to its end.
//
// Invariants: next never moves over a committed record that was not given out, but by retention,
// truncation or a seek, which are told; nothing is given out from an offset on where the files are
// damaged, until a seek behind it; `file` >= 0 means that the cursor stands in it, at or
// before `next`.
//
// The file of the newest segment is read as far as the writer says. Once that is sealed, upkeep may
// put a smaller one in its place, and the writer speaks of that: whoever still has the old file
// sees that the two do not fit (doubt_file), and opens the new one.
//
// Thread rule: belongs to one thread, but for reads under way.
#ifndef WR_LOG_PARTITION_READER_H
#define WR_LOG_PARTITION_READER_H

#include "log/live.h"
#include "log/segment.h"

enum wr_partition_state {
    WR_PARTITION_BATCH, // header and batch are at hand
    WR_PARTITION_QUIET, // there is nothing new
    WR_PARTITION_LATER, // a read is under way
    WR_PARTITION_HELD,  // the next batch belongs to a transaction that is not decided
    WR_PARTITION_ENDED, // `next` is at `end`
    // error says how; told once, but for WEIR_DAMAGED, failing disks and a topic that was deleted
    WR_PARTITION_FAILED,
};

struct wr_partition_reader {
    weir_log              *log;
    struct wr_environment *environment;
    struct wr_topic       *topic;
    uint32_t               number, seed;
    struct wr_log_place    place;
    char                  *directory;
    bool                   reads_uncommitted;
    uint64_t               next; // the offset that comes next
    uint64_t               end;  // where it ends; UINT64_MAX: never

    // How far may be read, when last looked.
    struct wr_live         *live; // NULL: no writer's memory yet
    struct wr_live_position known;
    bool                    is_known;
    bool                    is_gone;       // the topic was deleted
    bool                    is_seen;       // `known` is what live said at `seen_word`
    uint32_t                seen_word;     // of live
    int64_t                 look_again_us; // without live
    uint64_t                cut;           // truncations that it has heard of
    struct wr_log_error     end_damage;    // told at known.readable; WEIR_OK: none

    // Where it reads.
    uint64_t                *bases; // of segment files, as last listed
    uint32_t                 base_count;
    int                      file; // -1: none
    uint64_t                 file_base;
    uint64_t                 file_end; // no batch of the file goes on behind this offset
    bool                     is_whole; // the file is sealed, and read to its end
    uint64_t                 doubted;  // where the file was opened anew last; UINT64_MAX: nowhere
    char                    *path;     // of the file
    struct wr_segment_cursor cursor;

    struct wr_log_batch_header header; // of the batch at hand
    char                      *batch;
    bool                       holds_batch;
    uint64_t                   batch_position; // in the file
    uint64_t                   read_bytes;     // of batches, so far
    // Batches before `next` were passed over by their headers; or are read, to find where damage
    // begins.
    bool has_skipped, skips_nothing;

    bool                is_damaged, has_news; // `error` is to be told; once, if news
    struct wr_log_error error;
};

// A reader of partition `number`, at its first offset, and how far may be read is known. Damage of
// its segments is met by reading. False: `error` of it says why. Finish it in either case.
// piece_bytes as for a cursor.
bool wr_partition_reader_init(struct wr_partition_reader *reader, weir_log *log,
                              struct wr_topic *topic, uint32_t number, size_t piece_bytes);
void wr_partition_reader_fini(struct wr_partition_reader *reader);

// Looks how far may be read now; cheap if the writer's memory is there and nothing has changed.
// False: nothing is known, `error` says why.
bool wr_partition_reader_look(struct wr_partition_reader *reader);

// The next batch with offsets at or after `next` that its kind of reader may have. It stays at hand
// until wr_partition_reader_pass.
enum wr_partition_state wr_partition_reader_next(struct wr_partition_reader *reader);
// `next` moves behind the batch at hand.
void wr_partition_reader_pass(struct wr_partition_reader *reader);
// Stands at `offset`, kept between the partition's first and its end.
void wr_partition_reader_seek(struct wr_partition_reader *reader, uint64_t offset);
// Stands where a consumer committed that had heard of truncations up to number `cut`, before the
// first read. Past the end, or behind what a later one took back: that is told.
void wr_partition_reader_resume(struct wr_partition_reader *reader, uint64_t offset, uint64_t cut);
// The batch at `offset` is of a transaction that is not decided: WEIR_OK, or why that cannot be
// known (in `error`).
weir_status wr_partition_reader_undecided(struct wr_partition_reader *reader, uint64_t offset);
// What lies at the batch at hand cannot be read, and why. Returns WR_PARTITION_FAILED.
enum wr_partition_state wr_partition_reader_damage(struct wr_partition_reader *reader,
                                                   const char                 *reason);

// ---- for searches ----

// Opens the segment that holds offset `at` and puts the cursor before its first batch. With its
// footer's index (to be finished) if it is sealed: *is_sealed. False: `error` says why.
bool wr_partition_reader_open(struct wr_partition_reader *reader, uint64_t at,
                              struct wr_segment_index *index, bool *is_sealed);
// Where the next segment behind offset `at` begins, as far as is listed; UINT64_MAX: there is none.
uint64_t wr_partition_reader_next_base(const struct wr_partition_reader *reader, uint64_t at);
// How much of the open file may be read; the cursor never stands behind that.
uint64_t wr_partition_reader_limit(const struct wr_partition_reader *reader);

#endif // WR_LOG_PARTITION_READER_H
