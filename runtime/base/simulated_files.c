// The simulated environment's descriptors and the bytes behind them.
#include "runtime/base/simulated.h"

#include <errno.h>

// ---- descriptors ----

static struct wr_simulated_handle *handle_of(struct wr_simulated *self, int file)
{
    WR_ASSERT(file >= 0 && (uint32_t)file < self->handle_count);
    WR_ASSERT(self->handles[file].is_open);
    return &self->handles[file];
}

// The lowest free descriptor, now taken by `handle`.
static int handle_put(struct wr_simulated *self, struct wr_simulated_handle handle)
{
    uint32_t i = 0;
    while (i < self->handle_count && self->handles[i].is_open) {
        i++;
    }
    if (i == self->handle_count) {
        self->handle_count++;
        self->handles = wr_realloc(self->handles, self->handle_count * sizeof(handle));
    }
    self->handles[i]         = handle;
    self->handles[i].is_open = true;
    return (int)i;
}

static bool handle_is_readable(const struct wr_simulated_handle *handle)
{
    return handle->mode == WR_OPEN_READ || handle->mode == WR_OPEN_UPDATE;
}

static int open_for_reading(struct wr_simulated *self, const char *path)
{
    const struct wr_simulated_place place = wr_simulated_place_of(self, path);
    if (place.kind != WR_SIMULATED_FILE) {
        return place.kind == WR_SIMULATED_DIRECTORY ? -EISDIR : -ENOENT;
    }
    if (place.file != NULL) {
        wr_disk_file_hold(place.file);
        return handle_put(self,
                          (struct wr_simulated_handle){ .file = place.file, .mode = WR_OPEN_READ });
    }
    const int file = self->host->ops->open(self->host, path, WR_OPEN_READ);
    if (file < 0) {
        return file;
    }
    return handle_put(self,
                      (struct wr_simulated_handle){ .host_file = file, .mode = WR_OPEN_READ });
}

// Makes sure that a file in memory is at `path`, for a writer of this mode. 0 or -errno.
static int prepare_for_writing(struct wr_simulated *self, const char *path, enum wr_open_mode mode)
{
    const struct wr_simulated_place place = wr_simulated_place_of(self, path);
    if (place.kind == WR_SIMULATED_DIRECTORY) {
        return mode == WR_OPEN_EXCLUSIVE ? -EEXIST : -EISDIR;
    }
    if (place.kind == WR_SIMULATED_FILE && mode == WR_OPEN_EXCLUSIVE) {
        return -EEXIST;
    }
    if (place.file != NULL) {
        return 0;
    }
    if (place.info.is_regular && mode != WR_OPEN_WRITE) {
        return wr_simulated_copy_from_host(self, path);
    }
    const int status = wr_simulated_parent_status(self, path);
    if (status == 0) {
        struct wr_disk_file *file = wr_disk_file_open();
        wr_disk_put(&self->disk, path, WR_DISK_FILE, file);
        wr_disk_file_release(file);
    }
    return status;
}

static int open_for_writing(struct wr_simulated *self, const char *path, enum wr_open_mode mode)
{
    const int status = prepare_for_writing(self, path, mode);
    if (status < 0) {
        return status;
    }
    struct wr_disk_file *file = wr_disk_find(&self->disk, path)->file;
    if (mode == WR_OPEN_WRITE) {
        wr_disk_file_truncate(file, 0);
    }
    wr_disk_file_hold(file);
    return handle_put(self, (struct wr_simulated_handle){ .file = file, .mode = mode });
}

int wr_simulated_open(struct wr_environment *environment, const char *path, enum wr_open_mode mode)
{
    struct wr_simulated *self  = wr_simulated_of(environment);
    const int            error = wr_simulated_fault(self, WR_FAULT_OPEN);
    if (error != 0) {
        return error;
    }
    char     *absolute = wr_simulated_path(self, path);
    const int file     = mode == WR_OPEN_READ ? open_for_reading(self, absolute)
                                              : open_for_writing(self, absolute, mode);
    wr_free(absolute);
    return file;
}

void wr_simulated_close(struct wr_environment *environment, int file)
{
    struct wr_simulated        *self   = wr_simulated_of(environment);
    struct wr_simulated_handle *handle = handle_of(self, file);
    if (handle->file != NULL) {
        wr_disk_file_release(handle->file);
    } else {
        self->host->ops->close(self->host, handle->host_file);
    }
    *handle = (struct wr_simulated_handle){ .is_open = false };
}

// ---- reading and writing ----

int64_t wr_simulated_read_at(struct wr_environment *environment, int file, void *buffer,
                             size_t bytes, int64_t offset)
{
    struct wr_simulated        *self   = wr_simulated_of(environment);
    struct wr_simulated_handle *handle = handle_of(self, file);
    WR_ASSERT(offset >= -1);
    const int error = wr_simulated_fault(self, WR_FAULT_READ);
    if (error != 0 || !handle_is_readable(handle)) {
        return error != 0 ? error : -EBADF;
    }
    bytes = wr_simulated_read_bytes(self, bytes);
    if (handle->file == NULL) {
        return self->host->ops->read_at(self->host, handle->host_file, buffer, bytes, offset);
    }
    const uint64_t from = offset < 0 ? handle->position : (uint64_t)offset;
    const size_t   got  = wr_disk_file_read(handle->file, buffer, bytes, from);
    handle->position += offset < 0 ? got : 0;
    return (int64_t)got;
}

// A file opened to append is written at its end, whatever the offset.
int64_t wr_simulated_write_at(struct wr_environment *environment, int file, const void *buffer,
                              size_t bytes, int64_t offset)
{
    struct wr_simulated        *self   = wr_simulated_of(environment);
    struct wr_simulated_handle *handle = handle_of(self, file);
    WR_ASSERT(offset >= -1);
    const int error = wr_simulated_fault(self, WR_FAULT_WRITE);
    if (error != 0 || handle->mode == WR_OPEN_READ) {
        return error != 0 ? error : -EBADF;
    }
    uint64_t at = offset < 0 ? handle->position : (uint64_t)offset;
    if (handle->mode == WR_OPEN_APPEND) {
        at = handle->file->size;
    }
    wr_disk_file_write(handle->file, buffer, bytes, at);
    handle->position = offset < 0 ? at + bytes : handle->position;
    return (int64_t)bytes;
}

int wr_simulated_sync(struct wr_environment *environment, int file)
{
    struct wr_simulated        *self   = wr_simulated_of(environment);
    struct wr_simulated_handle *handle = handle_of(self, file);
    const int                   error  = wr_simulated_fault(self, WR_FAULT_SYNC);
    if (error == 0 && handle->file != NULL) {
        wr_disk_file_sync(handle->file);
    }
    return error;
}

int wr_simulated_truncate(struct wr_environment *environment, int file, uint64_t size_bytes)
{
    struct wr_simulated_handle *handle = handle_of(wr_simulated_of(environment), file);
    if (handle->mode == WR_OPEN_READ) {
        return -EINVAL;
    }
    wr_disk_file_truncate(handle->file, size_bytes);
    return 0;
}

// ---- import and export ----

void wr_simulation_import(struct wr_environment *environment, const char *path, const void *bytes,
                          size_t length)
{
    struct wr_simulated *self     = wr_simulated_of(environment);
    char                *absolute = wr_simulated_path(self, path);
    char                *parent   = wr_disk_parent(absolute);
    struct wr_disk_file *file     = wr_disk_file_open();
    wr_disk_file_write(file, bytes, length, 0);
    wr_disk_file_sync(file);
    wr_simulated_put_directories(self, parent);
    wr_disk_put(&self->disk, absolute, WR_DISK_FILE, file);
    wr_disk_file_release(file);
    wr_free(parent);
    wr_free(absolute);
}

// Makes the host's directories above `path`, as far as they are missing.
static int host_make_parents(struct wr_environment *host, const char *path)
{
    char               *parent = wr_disk_parent(path);
    struct wr_file_info info;
    int                 status = 0;
    if (host->ops->info(host, parent, &info) < 0) {
        status = host_make_parents(host, parent);
        status = status < 0 ? status : host->ops->make_directory(host, parent);
    }
    wr_free(parent);
    return status;
}

static int host_write_file(struct wr_environment *host, const char *path,
                           const struct wr_disk_file *content)
{
    const int status = host_make_parents(host, path);
    const int file   = status < 0 ? status : host->ops->open(host, path, WR_OPEN_WRITE);
    if (file < 0) {
        return file;
    }
    const int64_t written = host->ops->write_at(host, file, content->bytes, content->size, -1);
    host->ops->close(host, file);
    return written < 0 ? (int)written : 0;
}

int wr_simulation_export(struct wr_environment *environment)
{
    const struct wr_simulated *self   = wr_simulated_of(environment);
    int                        status = 0;
    for (uint32_t i = 0; i < self->disk.count && status == 0; i++) {
        const struct wr_disk_entry *entry = &self->disk.entries[i];
        if (entry->kind == WR_DISK_FILE) {
            status = host_write_file(self->host, entry->path, entry->file);
        }
    }
    return status;
}

uint32_t wr_simulation_unsynced_blocks(struct wr_environment *environment, const char *path)
{
    struct wr_simulated       *self     = wr_simulated_of(environment);
    char                      *absolute = wr_simulated_path(self, path);
    const struct wr_disk_file *file     = wr_simulated_place_of(self, absolute).file;
    wr_free(absolute);
    return file == NULL ? 0 : wr_disk_file_dirty_count(file);
}
