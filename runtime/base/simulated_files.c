// The simulated environment's descriptors and the bytes behind them.
#include "runtime/base/simulated.h"

#include <errno.h>

// ---- descriptors ----

struct wr_simulated_handle *wr_simulated_handle_of(struct wr_simulated *self, int file)
{
    WR_ASSERT(file >= 0 && (uint32_t)file < self->handle_count);
    WR_ASSERT(self->handles[file].is_open);
    return &self->handles[file];
}

// 0, or -ENODEV: the machine has stopped, or was started anew since the descriptor was opened.
static int handle_status(const struct wr_simulated *self, const struct wr_simulated_handle *handle)
{
    return handle->is_stale ? -ENODEV : wr_simulated_status(self);
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
    return handle->mode == WR_OPEN_READ || handle->mode == WR_OPEN_UPDATE ||
           handle->mode == WR_OPEN_DIRECT || handle->mode == WR_OPEN_UNNAMED;
}

static bool handle_is_writable(const struct wr_simulated_handle *handle)
{
    return handle->mode != WR_OPEN_READ && handle->mode != WR_OPEN_DIRECT;
}

static int open_for_reading(struct wr_simulated *self, const char *path, enum wr_open_mode mode)
{
    const struct wr_simulated_place place = wr_simulated_place_of(self, path);
    if (place.kind != WR_SIMULATED_FILE) {
        return place.kind == WR_SIMULATED_DIRECTORY ? -EISDIR : -ENOENT;
    }
    if (place.file != NULL) {
        wr_disk_file_hold(place.file);
        return handle_put(self, (struct wr_simulated_handle){ .file = place.file, .mode = mode });
    }
    const int file = self->host->ops->open(self->host, path, WR_OPEN_READ);
    if (file < 0) {
        return file;
    }
    return handle_put(self, (struct wr_simulated_handle){ .host_file = file, .mode = mode });
}

// Whether a writer of this mode may open `path`; copies what it will need from the host. 0 or
// -errno.
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
    return place.info.is_regular && mode != WR_OPEN_WRITE ? wr_simulated_copy_from_host(self, path)
                                                          : wr_simulated_parent_status(self, path);
}

static void create(struct wr_simulated *self, const char *path)
{
    struct wr_disk_file *file = wr_disk_file_open();
    wr_disk_put(&self->disk, path, WR_DISK_FILE, file);
    wr_disk_file_release(file);
}

// Creates or empties the file, if the mode wants it. 0 or -errno.
static int create_or_empty(struct wr_simulated *self, const char *path, enum wr_open_mode mode)
{
    struct wr_disk_file *file = wr_simulated_place_of(self, path).file;
    if (file != NULL && mode != WR_OPEN_WRITE) {
        return 0;
    }
    const struct wr_simulated_change change = wr_simulated_change_begin(self, file == NULL);
    if (change.error < 0) {
        return change.error;
    }
    if (file == NULL) {
        create(self, path);
    } else {
        wr_disk_file_truncate(file, 0);
    }
    return (int)wr_simulated_change_end(self, &change, 0);
}

static int open_for_writing(struct wr_simulated *self, const char *path, enum wr_open_mode mode)
{
    int status = prepare_for_writing(self, path, mode);
    status     = status < 0 ? status : create_or_empty(self, path, mode);
    if (status < 0) {
        return status;
    }
    struct wr_disk_file *file = wr_disk_find(&self->disk, path)->file;
    wr_disk_file_hold(file);
    return handle_put(self, (struct wr_simulated_handle){ .file = file, .mode = mode });
}

// On the disk in memory, also where the directory is the host's.
static int open_unnamed(struct wr_simulated *self, const char *directory)
{
    const int status = wr_simulated_directory_status(self, directory);
    if (status < 0) {
        return status;
    }
    const struct wr_simulated_change change = wr_simulated_change_begin(self, true);
    if (change.error < 0) {
        return change.error;
    }
    const struct wr_simulated_handle handle = { .file = wr_disk_file_open(),
                                                .mode = WR_OPEN_UNNAMED };
    return (int)wr_simulated_change_end(self, &change, handle_put(self, handle));
}

int wr_simulated_open(struct wr_environment *environment, const char *path, enum wr_open_mode mode)
{
    struct wr_simulated *self  = wr_simulated_of(environment);
    const int            error = wr_simulated_fault(self, WR_FAULT_OPEN);
    if (error != 0) {
        return error;
    }
    const bool reads    = mode == WR_OPEN_READ || mode == WR_OPEN_DIRECT;
    char      *absolute = wr_simulated_path(self, path);
    const int  file     = reads                     ? open_for_reading(self, absolute, mode)
                          : mode == WR_OPEN_UNNAMED ? open_unnamed(self, absolute)
                                                    : open_for_writing(self, absolute, mode);
    wr_free(absolute);
    return file;
}

// Gives back what the descriptor holds.
static void handle_drop(struct wr_simulated *self, struct wr_simulated_handle *handle)
{
    if (handle->file != NULL) {
        wr_disk_file_release(handle->file);
    } else if (!handle->is_stale) {
        self->host->ops->close(self->host, handle->host_file);
    }
    *handle = (struct wr_simulated_handle){ .is_open = false };
}

void wr_simulated_close(struct wr_environment *environment, int file)
{
    struct wr_simulated *self = wr_simulated_of(environment);
    handle_drop(self, wr_simulated_handle_of(self, file));
}

void wr_simulated_forget_handles(struct wr_simulated *self)
{
    for (uint32_t i = 0; i < self->handle_count; i++) {
        if (self->handles[i].is_open) {
            handle_drop(self, &self->handles[i]);
            self->handles[i] = (struct wr_simulated_handle){ .is_open = true, .is_stale = true };
        }
    }
}

// ---- reading and writing ----

static int64_t read_direct(struct wr_simulated *self, const struct wr_simulated_handle *handle,
                           void *buffer, size_t bytes, int64_t offset)
{
    if (offset < 0 || (uint64_t)offset % WR_DIRECT_ALIGN != 0 || bytes % WR_DIRECT_ALIGN != 0 ||
        (uintptr_t)buffer % WR_DIRECT_ALIGN != 0) {
        return -EINVAL;
    }
    bytes = wr_round_up(wr_simulated_read_bytes(self, bytes), WR_DIRECT_ALIGN);
    return (int64_t)wr_disk_file_read_synced(handle->file, buffer, bytes, (uint64_t)offset);
}

int64_t wr_simulated_read_at(struct wr_environment *environment, int file, void *buffer,
                             size_t bytes, int64_t offset)
{
    struct wr_simulated        *self   = wr_simulated_of(environment);
    struct wr_simulated_handle *handle = wr_simulated_handle_of(self, file);
    WR_ASSERT(offset >= -1);
    const int stale = handle_status(self, handle);
    const int error = stale != 0 ? stale : wr_simulated_fault(self, WR_FAULT_READ);
    if (error != 0 || !handle_is_readable(handle)) {
        return error != 0 ? error : -EBADF;
    }
    if (handle->mode == WR_OPEN_DIRECT && handle->file != NULL) {
        return read_direct(self, handle, buffer, bytes, offset);
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

// One in four is not in memory.
int64_t wr_simulated_read_now(struct wr_environment *environment, int file, void *buffer,
                              size_t bytes, int64_t offset)
{
    const bool is_in_memory = wr_simulated_read_bytes(wr_simulated_of(environment), 2) == 2;
    return is_in_memory ? wr_simulated_read_at(environment, file, buffer, bytes, offset) : -EAGAIN;
}

// What it would read is in memory.
void wr_simulated_read_ahead(WEIR_UNUSED struct wr_environment *environment, WEIR_UNUSED int file,
                             WEIR_UNUSED size_t bytes, WEIR_UNUSED int64_t offset)
{
}

// Writes as much as the faults and the room on the disk allow; where that is less than all because
// the disk is full, -ENOSPC.
static int64_t write_some(struct wr_simulated *self, struct wr_disk_file *file, const void *buffer,
                          size_t bytes, uint64_t at)
{
    const bool                       needs_room = bytes > 0 && at + bytes > file->room;
    const struct wr_simulated_change change     = wr_simulated_change_begin(self, needs_room);
    if (change.error == -ENOSPC) {
        wr_disk_file_write(file, buffer, file->room > at ? (size_t)(file->room - at) : 0, at);
    }
    if (change.error < 0) {
        return change.error;
    }
    bytes = change.is_short ? bytes / 2 : bytes;
    wr_disk_file_write(file, buffer, bytes, at);
    return wr_simulated_change_end(self, &change, (int64_t)bytes);
}

// A file opened to append is written at its end, whatever the offset.
int64_t wr_simulated_write_at(struct wr_environment *environment, int file, const void *buffer,
                              size_t bytes, int64_t offset)
{
    struct wr_simulated        *self   = wr_simulated_of(environment);
    struct wr_simulated_handle *handle = wr_simulated_handle_of(self, file);
    WR_ASSERT(offset >= -1);
    const int stale = handle_status(self, handle);
    const int error = stale != 0 ? stale : wr_simulated_fault(self, WR_FAULT_WRITE);
    if (error != 0 || !handle_is_writable(handle)) {
        return error != 0 ? error : -EBADF;
    }
    uint64_t at = offset < 0 ? handle->position : (uint64_t)offset;
    if (handle->mode == WR_OPEN_APPEND) {
        at = handle->file->size;
    }
    const int64_t put = write_some(self, handle->file, buffer, bytes, at);
    handle->position  = offset < 0 && put >= 0 ? at + (uint64_t)put : handle->position;
    return put;
}

int wr_simulated_sync(struct wr_environment *environment, int file)
{
    struct wr_simulated        *self   = wr_simulated_of(environment);
    struct wr_simulated_handle *handle = wr_simulated_handle_of(self, file);
    const int                   stale  = handle_status(self, handle);
    const int error = stale != 0 ? stale : wr_simulated_fault(self, WR_FAULT_SYNC);
    if (error != 0 || handle->file == NULL) {
        return error;
    }
    const struct wr_simulated_change change = wr_simulated_change_begin(self, false);
    if (change.error < 0) {
        return change.error;
    }
    if (change.is_unsynced) {
        wr_disk_file_lose(handle->file);
        return -EIO;
    }
    wr_disk_file_sync(handle->file);
    return (int)wr_simulated_change_end(self, &change, 0);
}

int wr_simulated_truncate(struct wr_environment *environment, int file, uint64_t size_bytes)
{
    struct wr_simulated        *self   = wr_simulated_of(environment);
    struct wr_simulated_handle *handle = wr_simulated_handle_of(self, file);
    const int                   stale  = handle_status(self, handle);
    if (stale != 0 || !handle_is_writable(handle)) {
        return stale != 0 ? stale : -EINVAL;
    }
    const struct wr_simulated_change change = wr_simulated_change_begin(self, false);
    if (change.error < 0) {
        return change.error;
    }
    wr_disk_file_truncate(handle->file, size_bytes);
    return (int)wr_simulated_change_end(self, &change, 0);
}

int wr_simulated_preallocate(struct wr_environment *environment, int file, uint64_t bytes)
{
    struct wr_simulated        *self   = wr_simulated_of(environment);
    struct wr_simulated_handle *handle = wr_simulated_handle_of(self, file);
    const int                   stale  = handle_status(self, handle);
    if (stale != 0 || !handle_is_writable(handle)) {
        return stale != 0 ? stale : -EBADF;
    }
    const struct wr_simulated_change change =
        wr_simulated_change_begin(self, bytes > handle->file->room);
    if (change.error < 0) {
        return change.error;
    }
    wr_disk_file_preallocate(handle->file, bytes);
    return (int)wr_simulated_change_end(self, &change, 0);
}

// ---- import and export ----

void wr_simulation_import(struct wr_environment *environment, const char *path, const void *bytes,
                          size_t length)
{
    struct wr_simulated *self     = wr_simulated_of(environment);
    char                *absolute = wr_simulated_path(self, path);
    struct wr_disk_file *file     = wr_disk_file_open();
    wr_disk_file_write(file, bytes, length, 0);
    wr_disk_file_sync(file);
    wr_disk_put_kept(&self->disk, absolute, WR_DISK_FILE, file);
    wr_disk_file_release(file);
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

char *wr_simulation_bytes(struct wr_environment *environment, const char *path, size_t *length)
{
    struct wr_simulated *self     = wr_simulated_of(environment);
    char                *absolute = wr_simulated_path(self, path);
    struct wr_disk_file *file     = wr_simulated_place_of(self, absolute).file;
    wr_free(absolute);
    if (file == NULL) {
        return NULL;
    }
    *length = (size_t)file->size;
    return wr_disk_file_lend(file);
}
