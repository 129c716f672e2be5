#include "watched_disk.h"

#include <errno.h>
#include <string.h>

#define BALLAST_BYTES 4096u

static struct watched_disk *of(struct wr_environment *environment)
{
    return (struct watched_disk *)environment;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

// ---- changes ----

// Whether the operation that may change the disk is carried out: not by a process that was killed.
static bool may_change(struct watched_disk *disk)
{
    disk->is_killed |= wr_simulation_changes(disk->inner) >= disk->kill_at;
    return !disk->is_killed;
}

static void note_path(struct watched_disk *disk, const char *path)
{
    for (uint32_t i = 0; disk->collects_paths && i < disk->path_count; i++) {
        if (strcmp(disk->paths[i], path) == 0) {
            return;
        }
    }
    if (disk->collects_paths) {
        disk->paths = wr_realloc(disk->paths, (disk->path_count + 1) * sizeof(*disk->paths));
        disk->paths[disk->path_count++] = wr_copy_text(path);
    }
}

// Keeps what the changes since the last note were, and counts refusals for want of room.
static int64_t note(struct watched_disk *disk, enum watched_verb verb, const char *word,
                    const char *path, int64_t result)
{
    note_path(disk, path);
    const uint64_t count = disk->keeps_changes ? wr_simulation_changes(disk->inner) : 0;
    while (disk->change_count < count) {
        disk->changes =
            wr_realloc(disk->changes, (disk->change_count + 1) * sizeof(*disk->changes));
        disk->changes[disk->change_count++] =
            (struct watched_change){ verb, wr_format("%s %s", word, path) };
    }
    if (result == -ENOSPC) {
        disk->refusals++;
        if (disk->refusals_left > 0 && --disk->refusals_left == 0) {
            wr_simulation_make_room(disk->inner);
        }
    }
    return result;
}

// ---- what may not be done to a file ----

static bool has_failed(const struct watched_disk *disk, uint64_t inode)
{
    for (uint32_t i = 0; i < disk->failed_count; i++) {
        if (disk->failed_inodes[i] == inode) {
            return true;
        }
    }
    return false;
}

static void judge(struct watched_disk *disk, const struct watched_handle *handle, const char *word)
{
    if (has_failed(disk, handle->inode) && disk->accusation == NULL) {
        disk->accusation = wr_format("%s %s after a sync of it failed", word, handle->path);
    }
}

static void note_failed_sync(struct watched_disk *disk, uint64_t inode)
{
    disk->failed_inodes =
        wr_realloc(disk->failed_inodes, (disk->failed_count + 1) * sizeof(uint64_t));
    disk->failed_inodes[disk->failed_count++] = inode;
}

// A file that is made, emptied or unlinked is another from then on.
static void forgive(struct watched_disk *disk, const char *path)
{
    struct wr_file_info info;
    if (disk->inner->ops->info(disk->inner, path, &info) != 0 || !info.is_regular) {
        return;
    }
    for (uint32_t i = 0; i < disk->failed_count; i++) {
        if (disk->failed_inodes[i] == info.inode) {
            disk->failed_inodes[i] = 0;
        }
    }
}

// ---- files ----

static void handle_set(struct watched_disk *disk, int file, const char *path)
{
    struct wr_file_info info = { .inode = 0 };
    (void)disk->inner->ops->info(disk->inner, path, &info);
    if ((uint32_t)file >= disk->handle_count) {
        const uint32_t count = (uint32_t)file + 8;
        disk->handles        = wr_realloc(disk->handles, count * sizeof(*disk->handles));
        memset(disk->handles + disk->handle_count, 0,
               (count - disk->handle_count) * sizeof(*disk->handles));
        disk->handle_count = count;
    }
    disk->handles[file] = (struct watched_handle){ wr_copy_text(path), info.inode };
}

static struct watched_handle *handle_of(struct watched_disk *disk, int file)
{
    WR_ASSERT((uint32_t)file < disk->handle_count && disk->handles[file].path != NULL);
    return &disk->handles[file];
}

static int watched_open(struct wr_environment *self, const char *path, enum wr_open_mode mode)
{
    struct watched_disk *disk  = of(self);
    const bool           reads = mode == WR_OPEN_READ || mode == WR_OPEN_DIRECT;
    struct wr_file_info  info;
    const bool           is_there = disk->inner->ops->info(disk->inner, path, &info) == 0;
    const bool           changes  = !reads && (!is_there || mode == WR_OPEN_WRITE);
    if (disk->is_killed || (changes && !may_change(disk))) {
        return -ENODEV;
    }
    if (mode == WR_OPEN_WRITE) {
        forgive(disk, path);
    }
    const int file = disk->inner->ops->open(disk->inner, path, mode);
    if (!reads) {
        (void)note(disk, is_there ? WATCHED_OTHER : WATCHED_ROOM, "make", path, file);
    }
    if (file >= 0) {
        if (!is_there) {
            forgive(disk, path);
        }
        handle_set(disk, file, path);
    }
    return file;
}

static void watched_close(struct wr_environment *self, int file)
{
    struct watched_disk *disk = of(self);
    wr_free(handle_of(disk, file)->path);
    disk->handles[file].path = NULL;
    disk->inner->ops->close(disk->inner, file);
}

static int watched_info(struct wr_environment *self, const char *path, struct wr_file_info *info)
{
    struct watched_disk *disk = of(self);
    return disk->is_killed ? -ENODEV : disk->inner->ops->info(disk->inner, path, info);
}

static int64_t watched_read_at(struct wr_environment *self, int file, void *buffer, size_t bytes,
                               int64_t offset)
{
    struct watched_disk *disk = of(self);
    return disk->is_killed ? -ENODEV
                           : disk->inner->ops->read_at(disk->inner, file, buffer, bytes, offset);
}

static int64_t watched_read_now(struct wr_environment *self, int file, void *buffer, size_t bytes,
                                int64_t offset)
{
    struct watched_disk *disk = of(self);
    return disk->is_killed ? -ENODEV
                           : disk->inner->ops->read_now(disk->inner, file, buffer, bytes, offset);
}

static void watched_read_ahead(struct wr_environment *self, int file, size_t bytes, int64_t offset)
{
    of(self)->inner->ops->read_ahead(of(self)->inner, file, bytes, offset);
}

static int64_t watched_write_at(struct wr_environment *self, int file, const void *buffer,
                                size_t bytes, int64_t offset)
{
    struct watched_disk *disk = of(self);
    if (!may_change(disk)) {
        return -ENODEV;
    }
    judge(disk, handle_of(disk, file), "writes to");
    return note(disk, WATCHED_WRITE, "write", handle_of(disk, file)->path,
                disk->inner->ops->write_at(disk->inner, file, buffer, bytes, offset));
}

static int watched_sync(struct wr_environment *self, int file)
{
    struct watched_disk *disk = of(self);
    if (!may_change(disk)) {
        return -ENODEV;
    }
    const struct watched_handle *handle = handle_of(disk, file);
    judge(disk, handle, "syncs");
    const int status = disk->inner->ops->sync(disk->inner, file);
    if (status < 0) {
        note_failed_sync(disk, handle->inode);
    }
    return (int)note(disk, WATCHED_SYNC, "sync", handle->path, status);
}

static int watched_sync_directory(struct wr_environment *self, const char *path)
{
    struct watched_disk *disk = of(self);
    return !may_change(disk) ? -ENODEV
                             : (int)note(disk, WATCHED_SYNC, "sync directory", path,
                                         disk->inner->ops->sync_directory(disk->inner, path));
}

static int watched_truncate(struct wr_environment *self, int file, uint64_t size_bytes)
{
    struct watched_disk *disk = of(self);
    return !may_change(disk)
               ? -ENODEV
               : (int)note(disk, WATCHED_OTHER, "truncate", handle_of(disk, file)->path,
                           disk->inner->ops->truncate(disk->inner, file, size_bytes));
}

static int watched_preallocate(struct wr_environment *self, int file, uint64_t bytes)
{
    struct watched_disk *disk = of(self);
    if (!may_change(disk)) {
        return -ENODEV;
    }
    const char *path = handle_of(disk, file)->path;
    bytes            = ends_with(path, "/ballast") ? BALLAST_BYTES : bytes;
    return (int)note(disk, WATCHED_ROOM, "preallocate", path,
                     disk->inner->ops->preallocate(disk->inner, file, bytes));
}

// ---- names ----

static int watched_rename(struct wr_environment *self, const char *from, const char *to)
{
    struct watched_disk *disk = of(self);
    if (!may_change(disk)) {
        return -ENODEV;
    }
    note_path(disk, from);
    return (int)note(disk, WATCHED_RENAME, "rename to", to,
                     disk->inner->ops->rename(disk->inner, from, to));
}

static int watched_rename_new(struct wr_environment *self, const char *from, const char *to)
{
    struct watched_disk *disk = of(self);
    if (!may_change(disk)) {
        return -ENODEV;
    }
    note_path(disk, from);
    return (int)note(disk, WATCHED_RENAME, "rename to new", to,
                     disk->inner->ops->rename_new(disk->inner, from, to));
}

static int watched_unlink(struct wr_environment *self, const char *path)
{
    struct watched_disk *disk = of(self);
    if (!may_change(disk)) {
        return -ENODEV;
    }
    forgive(disk, path);
    return (int)note(disk, WATCHED_OTHER, "unlink", path,
                     disk->inner->ops->unlink(disk->inner, path));
}

static int watched_make_directory(struct wr_environment *self, const char *path)
{
    struct watched_disk *disk = of(self);
    return !may_change(disk) ? -ENODEV
                             : (int)note(disk, WATCHED_ROOM, "make directory", path,
                                         disk->inner->ops->make_directory(disk->inner, path));
}

static int watched_list(struct wr_environment *self, const char            *path,
                        void (*each)(void *opaque, const char *name), void *opaque)
{
    struct watched_disk *disk = of(self);
    return disk->is_killed ? -ENODEV : disk->inner->ops->list(disk->inner, path, each, opaque);
}

// ---- locks and shared memory ----

static int watched_lock(struct wr_environment *self, int file)
{
    struct watched_disk *disk = of(self);
    return disk->is_killed ? -ENODEV : disk->inner->ops->lock(disk->inner, file);
}

static struct watched_memory *memory_find(struct watched_disk *disk, const char *path)
{
    for (uint32_t i = 0; i < disk->memory_count; i++) {
        if (strcmp(disk->memories[i].path, path) == 0) {
            return &disk->memories[i];
        }
    }
    return NULL;
}

static void *share_own(struct watched_disk *disk, const char *path, size_t bytes, bool is_writer,
                       int *error)
{
    struct watched_memory *memory = memory_find(disk, path);
    *error                        = memory != NULL || is_writer ? 0 : -ENOENT;
    if (memory == NULL && is_writer) {
        disk->memories =
            wr_realloc(disk->memories, (disk->memory_count + 1) * sizeof(*disk->memories));
        memory  = &disk->memories[disk->memory_count++];
        *memory = (struct watched_memory){ wr_copy_text(path), wr_alloc(bytes), bytes };
    }
    if (memory == NULL || memory->length < bytes) {
        *error = *error < 0 ? *error : -ENODATA;
        return NULL;
    }
    return memory->bytes;
}

static void *watched_share(struct wr_environment *self, const char *path, size_t bytes,
                           bool is_writer, int *error)
{
    struct watched_disk *disk = of(self);
    if (disk->is_killed || (is_writer && !may_change(disk))) {
        *error = -ENODEV;
        return NULL;
    }
    if (disk->has_own_memory) {
        return share_own(disk, path, bytes, is_writer, error);
    }
    void *memory = disk->inner->ops->share(disk->inner, path, bytes, is_writer, error);
    if (is_writer) {
        (void)note(disk, WATCHED_ROOM, "share", path, memory == NULL ? *error : 0);
    }
    return memory;
}

static void watched_unshare(struct wr_environment *self, void *memory, size_t bytes)
{
    struct watched_disk *disk = of(self);
    if (!disk->has_own_memory) {
        disk->inner->ops->unshare(disk->inner, memory, bytes);
    }
}

// ---- the rest is the inner one's ----

static int64_t watched_now_us(struct wr_environment *self) { return wr_now_us(of(self)->inner); }

static int64_t watched_wall_us(struct wr_environment *self)
{
    return of(self)->inner->ops->wall_us(of(self)->inner);
}

static uint64_t watched_random(struct wr_environment *self)
{
    return of(self)->inner->ops->random(of(self)->inner);
}

static void watched_wait_word(struct wr_environment *self, const uint32_t *word, uint32_t seen,
                              int64_t timeout_us)
{
    of(self)->inner->ops->wait_word(of(self)->inner, word, seen, timeout_us);
}

static void watched_wake_word(struct wr_environment *self, const uint32_t *word)
{
    of(self)->inner->ops->wake_word(of(self)->inner, word);
}

static uint64_t watched_boot(struct wr_environment *self)
{
    return of(self)->inner->ops->boot(of(self)->inner);
}

static uint32_t watched_process(struct wr_environment *self)
{
    return of(self)->inner->ops->process(of(self)->inner);
}

static bool watched_is_ending(struct wr_environment *self, uint32_t process)
{
    return of(self)->inner->ops->is_ending(of(self)->inner, process);
}

static void watched_submit(struct wr_environment *self, struct wr_request *request)
{
    wr_submit(of(self)->inner, request);
}

static void watched_cancel(struct wr_environment *self, struct wr_request *request)
{
    wr_cancel(of(self)->inner, request);
}

static bool watched_is_done(struct wr_environment *self, struct wr_request *request)
{
    return wr_request_is_done(of(self)->inner, request);
}

static void watched_fini(struct wr_environment *self) { watched_disk_close(of(self)); }

static const struct wr_environment_ops watched_ops = {
    .now_us         = watched_now_us,
    .wall_us        = watched_wall_us,
    .random         = watched_random,
    .open           = watched_open,
    .close          = watched_close,
    .info           = watched_info,
    .read_at        = watched_read_at,
    .read_now       = watched_read_now,
    .read_ahead     = watched_read_ahead,
    .write_at       = watched_write_at,
    .sync           = watched_sync,
    .sync_data      = watched_sync,
    .sync_directory = watched_sync_directory,
    .truncate       = watched_truncate,
    .preallocate    = watched_preallocate,
    .rename         = watched_rename,
    .rename_new     = watched_rename_new,
    .unlink         = watched_unlink,
    .make_directory = watched_make_directory,
    .list           = watched_list,
    .lock           = watched_lock,
    .share          = watched_share,
    .unshare        = watched_unshare,
    .wait_word      = watched_wait_word,
    .wake_word      = watched_wake_word,
    .boot           = watched_boot,
    .process        = watched_process,
    .is_ending      = watched_is_ending,
    .submit         = watched_submit,
    .cancel         = watched_cancel,
    .is_done        = watched_is_done,
    .fini           = watched_fini,
};

// ---- opening, closing, ends of processes ----

struct watched_disk *watched_disk_open(uint64_t seed)
{
    struct watched_disk *disk = wr_alloc(sizeof(*disk));
    disk->base                = (struct wr_environment){ &watched_ops, true };
    disk->inner               = wr_environment_open_simulated(seed, false);
    disk->kill_at             = UINT64_MAX;
    return disk;
}

void watched_disk_forget_paths(struct watched_disk *disk)
{
    for (uint32_t i = 0; i < disk->path_count; i++) {
        wr_free(disk->paths[i]);
    }
    disk->path_count = 0;
}

void watched_disk_forget_memory(struct watched_disk *disk)
{
    for (uint32_t i = 0; i < disk->memory_count; i++) {
        wr_free(disk->memories[i].path);
        wr_free(disk->memories[i].bytes);
    }
    disk->memory_count = 0;
}

void watched_disk_close(struct watched_disk *disk)
{
    wr_environment_close(disk->inner);
    watched_disk_forget_paths(disk);
    watched_disk_forget_memory(disk);
    for (uint64_t i = 0; i < disk->change_count; i++) {
        wr_free(disk->changes[i].what);
    }
    for (uint32_t i = 0; i < disk->handle_count; i++) {
        wr_free(disk->handles[i].path);
    }
    wr_free(disk->paths);
    wr_free(disk->memories);
    wr_free(disk->changes);
    wr_free(disk->handles);
    wr_free(disk->failed_inodes);
    wr_free(disk->accusation);
    wr_free(disk);
}

bool watched_disk_has_ended(const struct watched_disk *disk)
{
    return disk->is_killed || wr_simulation_has_stopped(disk->inner);
}

void watched_disk_forget_failures(struct watched_disk *disk) { disk->failed_count = 0; }

static void process_begin(struct watched_disk *disk)
{
    watched_disk_forget_failures(disk);
    disk->is_killed = false;
    disk->kill_at   = UINT64_MAX;
}

void watched_disk_reboot(struct watched_disk *disk, uint64_t seed)
{
    wr_simulation_reboot(disk->inner, seed);
    process_begin(disk);
}

void watched_disk_restart(struct watched_disk *disk)
{
    wr_simulation_restart(disk->inner);
    process_begin(disk);
}
