// file_source: the bytes of a file, in order, a buffer at a time.
//
//   buffer 0   [ being cut into lines ]  [ being read            ]  [ being cut ...
//   buffer 1   [ being read           ]  [ being cut into lines  ]  [ being read ...
//
// One buffer is the caller's until it asks for the next; the other is read meanwhile.
#ifndef WR_FILE_SOURCE_H
#define WR_FILE_SOURCE_H

#include "connectors/file/file.h"

// The most that a buffer holds. Tests make it small.
extern size_t wr_file_source_most_bytes;

enum wr_file_step {
    WR_FILE_BYTES, // the next ones are there
    WR_FILE_LATER, // they are under way
    WR_FILE_QUIET, // there are none for now
    WR_FILE_ANEW,  // the file was cut short: what comes next is its beginning
    WR_FILE_END,
    WR_FILE_FAILED // wr_node_fail has said why
};

struct wr_file_source {
    struct wr_node *node;
    const char     *path; // borrowed
    struct wr_file *file;
    uint64_t        offset; // of what is read next
    size_t          buffer_bytes;
    uint32_t        filling; // the buffer that is read next
    bool            follows;
    bool            is_at_end;
    int64_t         look_at_us;    // when to look again whether the file has grown
    int64_t         look_after_us; // of the look before
};

// `padding` bytes behind those of a buffer may be read. `partition_count` files share the memory.
// False: wr_node_fail has said why. Close it in either case.
bool wr_file_source_open(struct wr_file_source *source, struct wr_node *node, const char *path,
                         bool follows, uint32_t partition_count);
void wr_file_source_close(struct wr_file_source *source);

// Before the first bytes are taken: the file is read from `offset` on, which lies in it.
void wr_file_source_seek(struct wr_file_source *source, uint64_t offset);

// Takes the next bytes; those of the call before are given up. Where it returns WR_FILE_QUIET and
// *wake_at_us is set, it is to be asked again then.
enum wr_file_step wr_file_source_next(struct wr_file_source *source, const char **bytes,
                                      size_t *length, int64_t *wake_at_us);

#endif // WR_FILE_SOURCE_H
