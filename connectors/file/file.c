#include "connectors/file/file.h"

#include <pthread.h>
#include <string.h>

struct wr_file {
    struct wr_environment *environment;
    int                    descriptor;
    bool                   is_stream;
    uint64_t               size_bytes;
    struct wr_file_buffer  buffers[2];

    pthread_mutex_t lock;
    uint32_t        holders; // the owner, and each request until its wake has returned
    void           *park;    // of the owner; NULL: nobody is to be woken
};

// ---- opening and closing ----

static const char *path_of(const char *path, enum wr_open_mode mode)
{
    if (strcmp(path, "-") != 0) {
        return path;
    }
    return mode == WR_OPEN_READ ? "/dev/stdin" : "/dev/stdout";
}

struct wr_file *wr_file_open(struct wr_node *node, const char *path, enum wr_open_mode mode,
                             int *error)
{
    struct wr_environment *environment = node->environment;
    const char            *real        = path_of(path, mode);
    const int              descriptor  = environment->ops->open(environment, real, mode);
    if (descriptor < 0) {
        *error = descriptor;
        return NULL;
    }
    struct wr_file     *file  = wr_alloc(sizeof(*file));
    struct wr_file_info info  = { .is_regular = false };
    const int           known = environment->ops->info(environment, real, &info);
    file->environment         = environment;
    file->descriptor          = descriptor;
    file->is_stream           = real != path || known < 0 || !info.is_regular;
    file->size_bytes          = info.size_bytes;
    file->holders             = 1;
    file->park                = node->park;
    (void)pthread_mutex_init(&file->lock, NULL);
    return file;
}

static void file_free(struct wr_file *file)
{
    file->environment->ops->close(file->environment, file->descriptor);
    (void)pthread_mutex_destroy(&file->lock);
    wr_free(file->buffers[0].bytes);
    wr_free(file->buffers[1].bytes);
    wr_free(file);
}

// One holder less; `is_owner` says that it is the owner, who wants no more wake-ups.
static void file_let_go(struct wr_file *file, bool is_owner)
{
    (void)pthread_mutex_lock(&file->lock);
    if (is_owner) {
        file->park = NULL;
    } else if (file->park != NULL) {
        wr_node_wake_any(file->park);
    }
    const bool is_last = --file->holders == 0;
    (void)pthread_mutex_unlock(&file->lock);
    if (is_last) {
        file_free(file);
    }
}

void wr_file_close(struct wr_file *file)
{
    if (file != NULL) {
        file_let_go(file, true);
    }
}

bool     wr_file_is_stream(const struct wr_file *file) { return file->is_stream; }
uint64_t wr_file_size_bytes(const struct wr_file *file) { return file->size_bytes; }

int64_t wr_file_read_now(struct wr_file *file, void *buffer, size_t bytes, uint64_t offset)
{
    struct wr_environment *environment = file->environment;
    size_t                 done        = 0;
    while (done < bytes) {
        const int64_t got =
            environment->ops->read_at(environment, file->descriptor, (char *)buffer + done,
                                      bytes - done, (int64_t)(offset + done));
        if (got <= 0) {
            return got < 0 ? got : (int64_t)done;
        }
        done += (size_t)got;
    }
    return (int64_t)done;
}

int wr_file_sync_now(struct wr_file *file)
{
    WR_ASSERT(!file->buffers[0].is_under_way && !file->buffers[1].is_under_way);
    return file->environment->ops->sync_data(file->environment, file->descriptor);
}

// ---- buffers ----

struct wr_file_buffer *wr_file_buffer(struct wr_file *file, uint32_t index)
{
    WR_ASSERT(index < WR_COUNT_OF(file->buffers));
    return &file->buffers[index];
}

void wr_file_grow(struct wr_file_buffer *buffer, size_t capacity, size_t padding)
{
    WR_ASSERT(!buffer->is_under_way);
    if (capacity > buffer->capacity) {
        buffer->bytes    = wr_realloc(buffer->bytes, capacity + padding);
        buffer->capacity = capacity;
        memset(buffer->bytes + capacity, 0, padding);
    }
}

// ---- requests ----

// On an I/O thread, or on the owner's.
static void file_wake(void *file) { file_let_go(file, false); }

void wr_file_submit(struct wr_file *file, struct wr_file_buffer *buffer, enum wr_request_verb verb,
                    uint64_t offset)
{
    WR_ASSERT(!buffer->is_under_way);
    const size_t bytes = verb == WR_REQUEST_READ ? buffer->capacity : buffer->length;
    WR_ASSERT(bytes > 0);
    buffer->is_under_way   = true;
    buffer->request.verb   = verb;
    buffer->request.file   = file->descriptor;
    buffer->request.buffer = buffer->bytes;
    buffer->request.bytes  = bytes;
    buffer->request.offset = file->is_stream ? -1 : (int64_t)offset;
    buffer->request.wake   = file_wake;
    buffer->request.waker  = file;
    (void)pthread_mutex_lock(&file->lock);
    file->holders++;
    (void)pthread_mutex_unlock(&file->lock);
    wr_submit(file->environment, &buffer->request);
}

bool wr_file_is_done(struct wr_file *file, struct wr_file_buffer *buffer, int64_t *result)
{
    WR_ASSERT(buffer->is_under_way);
    if (!wr_request_is_done(file->environment, &buffer->request)) {
        return false;
    }
    buffer->is_under_way = false;
    *result              = buffer->request.result;
    return true;
}

const char *wr_file_error(int64_t error, char *text)
{
    return strerror_r((int)(error < 0 ? -error : error), text, WR_FILE_ERROR_MAX);
}
