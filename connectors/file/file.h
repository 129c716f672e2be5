// file: an open file with two buffers, each of which may have a request under way.
//
//      owner (a worker)                        I/O thread of the environment
//      wr_file_submit  ----> request --------> reads or writes the buffer
//      wr_file_is_done <---- result  <-------- done; wakes the worker
//      wr_file_close:  who is last, the owner or the last request, frees the file
//
// A read of an idle pipe may never end, and nobody can take it back. So a file that is closed while
// a request is under way lives on until that ends; from then on nobody is woken.
//
// Thread rule: `holders` and `park` are guarded by the lock; everything else is the owner's, but
// for a buffer and a request that are under way.
#ifndef WR_FILE_H
#define WR_FILE_H

#include "runtime/operator.h"

struct wr_file_buffer {
    struct wr_request request;
    char             *bytes;
    size_t            capacity; // without padding
    size_t            length;   // of what is in it
    bool              is_under_way;
};

struct wr_file;

// Opens the file at `path` ("-": stdin or stdout, as the mode says) for a node, with empty buffers.
// NULL, and a negative errno in *error, if it cannot be opened.
struct wr_file *wr_file_open(struct wr_node *node, const char *path, enum wr_open_mode mode,
                             int *error);
void            wr_file_close(struct wr_file *file); // NULL may be closed

// Whether it is a pipe or a terminal, read and written where it stands.
bool wr_file_is_stream(const struct wr_file *file);
// Of a file that is no stream, when it was opened.
uint64_t wr_file_size_bytes(const struct wr_file *file);

// Reads at `offset` now, however long that takes, as many bytes as there are of `bytes`; or a
// negative errno. Of a file that is no stream, before a task runs.
int64_t wr_file_read_now(struct wr_file *file, void *buffer, size_t bytes, uint64_t offset);

// Syncs it now: contents and size. When no request is under way. A negative errno.
int wr_file_sync_now(struct wr_file *file);

// One of the two buffers.
struct wr_file_buffer *wr_file_buffer(struct wr_file *file, uint32_t index);
// Makes a buffer that is not under way as large; `padding` more bytes may be touched behind it.
void wr_file_grow(struct wr_file_buffer *buffer, size_t capacity, size_t padding);

// Reads up to the buffer's capacity, or writes its length, at `offset` (ignored for a stream).
void wr_file_submit(struct wr_file *file, struct wr_file_buffer *buffer, enum wr_request_verb verb,
                    uint64_t offset);
// Whether the request has ended: then *result is the bytes or -errno, and the buffer is the
// owner's.
bool wr_file_is_done(struct wr_file *file, struct wr_file_buffer *buffer, int64_t *result);

// The system's words for an errno, without its sign mattering. Borrowed from `text` or static.
#define WR_FILE_ERROR_MAX 128
const char *wr_file_error(int64_t error, char *text);

#endif // WR_FILE_H
