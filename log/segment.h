// segment: a file of a partition's records: finding it, walking its batches, making one.
//
// The file's name is its base offset, 20 digits, ".segment". A cursor walks batches in order and
// checks each: both checksums, place, epoch. It reads in large pieces up to `limit`, which its
// owner raises as more becomes readable, so it never meets bytes that are still being written.
//
// Thread rule: a cursor belongs to one thread.
#ifndef WR_LOG_SEGMENT_H
#define WR_LOG_SEGMENT_H

#include "log/log.h"
#include "log/pending.h"

// All of the bytes asked for, unless the file ends, however short single reads are; or -errno. A
// file opened by WR_OPEN_DIRECT is read in multiples of `align`; of others it is 1.
int64_t wr_log_read_fully(struct wr_environment *environment, int file, char *to, size_t bytes,
                          uint64_t offset, size_t align);

// The base offsets of the segment files in a partition's directory, ascending (*bases wr_alloc'ed).
// 0 or -errno; other names are passed over.
int   wr_segment_list(struct wr_environment *environment, const char *directory, uint64_t **bases,
                      uint32_t *count);
char *wr_segment_path(const char *directory, uint64_t base_offset); // wr_free it

// Opens the file for reading (mode WR_OPEN_READ or WR_OPEN_DIRECT) and checks its header against
// `place` and `base_offset`; *file is set on WEIR_OK. WEIR_NOT_FOUND: no such file (any more).
weir_status wr_segment_open(struct wr_environment *environment, const char *path,
                            enum wr_open_mode mode, const struct wr_log_place *place,
                            uint64_t base_offset, int *file, struct wr_segment_header *header,
                            struct wr_log_error *error);

// Makes the file (exclusively), sets `room_bytes` aside, writes and syncs the header and the
// directory. On failure nothing is left at `path` as far as that can be done. *file is open for
// reading and writing. -errno in *io_error (may be NULL).
weir_status wr_segment_create(struct wr_environment *environment, const char *path,
                              const char *directory, const struct wr_segment_header *header,
                              uint32_t seed, uint64_t room_bytes, int *file, int *io_error,
                              struct wr_log_error *error);

enum wr_cursor {
    WR_CURSOR_BATCH,   // *header and *batch are the next one; valid until the next call
    WR_CURSOR_END,     // at the limit
    WR_CURSOR_LATER,   // asynchronous: a read is under way, whose end calls wake
    WR_CURSOR_INVALID, // what lies before the limit is no valid next batch; cursor->reason
    WR_CURSOR_FAILED   // a read failed; cursor->io_error
};

struct wr_segment_cursor {
    struct wr_environment *environment;
    int                    file;
    uint32_t               seed;
    uint64_t               position;            // of the next batch in the file
    uint64_t               next_offset;         // its base offset must be this
    uint32_t               least_epoch;         // its epoch must be at least this
    uint64_t               limit;               // bytes of the file that may be read
    bool                   is_direct;           // the file was opened by WR_OPEN_DIRECT
    bool                   skips_payload_check; // only headers are checked (an index walk)
    const char            *reason;
    int                    io_error;

    // What has been read, and what comes next, which is read ahead.
    struct wr_cursor_piece {
        struct wr_segment_cursor *cursor;
        char                     *bytes; // of the file from `from` on
        size_t                    capacity, filled;
        uint64_t                  from;
        struct wr_pending         read;
    } pieces[2];
    uint32_t current;
    size_t   piece_bytes;
    void (*wake)(void *waker); // NULL: reads are done at once, by the caller's thread
    void *waker;
    bool  is_cold; // the last piece came from the disk: the next is read ahead
};

// A cursor before the first batch of an open segment, which it does not own. piece_bytes: how much
// is read at a time, 0: 256 KiB.
void wr_segment_cursor_init(struct wr_segment_cursor *cursor, struct wr_environment *environment,
                            int file, uint32_t seed, uint64_t base_offset, size_t piece_bytes);
// Waits for a read under way.
void wr_segment_cursor_fini(struct wr_segment_cursor *cursor);
// Goes on in another file, or at another place in it, with the memory it has.
void wr_segment_cursor_move(struct wr_segment_cursor *cursor, int file, uint32_t seed,
                            uint64_t position, uint64_t next_offset, uint32_t least_epoch);
// The next batch, whatever its kind; *batch is its first byte, aligned to 32, writable, owned by
// the cursor. Moves past it.
enum wr_cursor wr_segment_cursor_next(struct wr_segment_cursor   *cursor,
                                      struct wr_log_batch_header *header, char **batch);

// The footer's index of a sealed segment: from its last bytes. False: the file does not end with a
// valid footer (it is not sealed, or damaged).
bool wr_segment_read_footer(struct wr_environment *environment, int file, uint64_t file_bytes,
                            uint32_t seed, struct wr_log_batch_header *header,
                            struct wr_segment_index *index);

#endif // WR_LOG_SEGMENT_H
