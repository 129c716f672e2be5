// What the simulated environment finds at a path, and what it changes there.
#include "runtime/base/simulated.h"

#include <errno.h>
#include <stdlib.h>

// ---- look-up ----

static struct wr_simulated_place place_on_disk(const struct wr_disk_entry *entry)
{
    struct wr_simulated_place place = { .kind = WR_SIMULATED_NOWHERE };
    if (entry->kind == WR_DISK_FILE) {
        place.kind            = WR_SIMULATED_FILE;
        place.file            = entry->file;
        place.info.is_regular = true;
        place.info.size_bytes = entry->file->size;
        place.info.inode      = (uint64_t)(uintptr_t)entry->file;
    } else if (entry->kind == WR_DISK_DIRECTORY) {
        place.kind              = WR_SIMULATED_DIRECTORY;
        place.info.is_directory = true;
    }
    return place;
}

struct wr_simulated_place wr_simulated_place_of(struct wr_simulated *self, const char *path)
{
    const struct wr_disk_entry *entry = wr_disk_find(&self->disk, path);
    if (entry != NULL) {
        return place_on_disk(entry);
    }
    struct wr_simulated_place place = { .kind = WR_SIMULATED_NOWHERE };
    if (self->reads_host && self->host->ops->info(self->host, path, &place.info) == 0) {
        place.kind = place.info.is_directory ? WR_SIMULATED_DIRECTORY : WR_SIMULATED_FILE;
    }
    return place;
}

// 0 if `path` is a directory, else why not.
int wr_simulated_directory_status(struct wr_simulated *self, const char *path)
{
    const enum wr_simulated_place_kind kind = wr_simulated_place_of(self, path).kind;
    return kind == WR_SIMULATED_DIRECTORY ? 0 : kind == WR_SIMULATED_FILE ? -ENOTDIR : -ENOENT;
}

int wr_simulated_parent_status(struct wr_simulated *self, const char *path)
{
    char     *parent = wr_disk_parent(path);
    const int status = wr_simulated_directory_status(self, parent);
    wr_free(parent);
    return status;
}

char *wr_simulated_path(const struct wr_simulated *self, const char *path)
{
    return wr_disk_path(self->directory, path);
}

int wr_simulated_copy_from_host(struct wr_simulated *self, const char *path)
{
    struct wr_environment *host   = self->host;
    const int              source = host->ops->open(host, path, WR_OPEN_READ);
    if (source < 0) {
        return source;
    }
    struct wr_disk_file *file = wr_disk_file_open();
    char                 buffer[WR_DISK_BLOCK];
    int64_t              got;
    while ((got = host->ops->read_at(host, source, buffer, sizeof(buffer), (int64_t)file->size)) >
           0) {
        wr_disk_file_write(file, buffer, (size_t)got, file->size);
    }
    wr_disk_file_sync(file);
    host->ops->close(host, source);
    if (got == 0) {
        wr_disk_put_kept(&self->disk, path, WR_DISK_FILE, file);
    }
    wr_disk_file_release(file);
    return (int)got;
}

// ---- names ----

int wr_simulated_info(struct wr_environment *environment, const char *path,
                      struct wr_file_info *info)
{
    struct wr_simulated            *self     = wr_simulated_of(environment);
    char                           *absolute = wr_simulated_path(self, path);
    const struct wr_simulated_place place    = wr_simulated_place_of(self, absolute);
    const int                       status   = wr_simulated_status(self);
    wr_free(absolute);
    if (status < 0 || place.kind == WR_SIMULATED_NOWHERE) {
        return status < 0 ? status : -ENOENT;
    }
    *info = place.info;
    return 0;
}

// Nothing is at `path` from now on.
static void path_remove(struct wr_simulated *self, const char *path)
{
    if (self->reads_host) {
        wr_disk_put(&self->disk, path, WR_DISK_REMOVED, NULL);
    } else {
        wr_disk_remove(&self->disk, path);
    }
}

static void note_name(void *opaque, WEIR_UNUSED const char *name) { *(bool *)opaque = true; }

static int unlink_absolute(struct wr_simulated *self, const char *path)
{
    const enum wr_simulated_place_kind kind     = wr_simulated_place_of(self, path).kind;
    bool                               has_name = false;
    if (kind == WR_SIMULATED_NOWHERE) {
        return -ENOENT;
    }
    if (kind == WR_SIMULATED_DIRECTORY) {
        const int status = wr_simulated_list(&self->base, path, note_name, &has_name);
        if (status < 0 || has_name) {
            return status < 0 ? status : -ENOTEMPTY;
        }
    }
    const struct wr_simulated_change change = wr_simulated_change_begin(self, false);
    if (change.error < 0) {
        return change.error;
    }
    path_remove(self, path);
    return (int)wr_simulated_change_end(self, &change, 0);
}

int wr_simulated_unlink(struct wr_environment *environment, const char *path)
{
    struct wr_simulated *self     = wr_simulated_of(environment);
    char                *absolute = wr_simulated_path(self, path);
    int                  status   = wr_simulated_status(self);
    status                        = status < 0 ? status : unlink_absolute(self, absolute);
    wr_free(absolute);
    return status;
}

// Moves what is there on the disk in memory.
static int move(struct wr_simulated *self, const char *from, const char *to)
{
    const struct wr_simulated_change change = wr_simulated_change_begin(self, false);
    if (change.error < 0) {
        return change.error;
    }
    wr_disk_move(&self->disk, from, to);
    if (self->reads_host) {
        wr_disk_put(&self->disk, from, WR_DISK_REMOVED, NULL);
    }
    return (int)wr_simulated_change_end(self, &change, 0);
}

static int rename_file(struct wr_simulated *self, const char *from, const char *to)
{
    if (wr_simulated_place_of(self, to).kind == WR_SIMULATED_DIRECTORY) {
        return -EISDIR;
    }
    const int status = wr_simulated_place_of(self, from).file == NULL
                           ? wr_simulated_copy_from_host(self, from)
                           : 0;
    if (status < 0 || strcmp(from, to) == 0) {
        return status;
    }
    return move(self, from, to);
}

// A directory moves to where nothing is. One that the host has too would be left in two places.
static int rename_directory(struct wr_simulated *self, const char *from, const char *to)
{
    if (strcmp(from, to) == 0) {
        return 0;
    }
    struct wr_file_info info;
    const bool is_on_host = self->reads_host && self->host->ops->info(self->host, from, &info) == 0;
    if (is_on_host || wr_disk_find(&self->disk, from) == NULL) {
        return -EXDEV;
    }
    if (wr_simulated_place_of(self, to).kind != WR_SIMULATED_NOWHERE) {
        return wr_simulated_place_of(self, to).kind == WR_SIMULATED_FILE ? -ENOTDIR : -ENOTEMPTY;
    }
    if (strncmp(from, to, strlen(from)) == 0 && to[strlen(from)] == '/') {
        return -EINVAL;
    }
    return move(self, from, to);
}

static int rename_absolute(struct wr_simulated *self, const char *from, const char *to)
{
    const enum wr_simulated_place_kind kind = wr_simulated_place_of(self, from).kind;
    const int                          status =
        kind == WR_SIMULATED_NOWHERE ? -ENOENT : wr_simulated_parent_status(self, to);
    if (status < 0) {
        return status;
    }
    return kind == WR_SIMULATED_FILE ? rename_file(self, from, to)
                                     : rename_directory(self, from, to);
}

static int rename_with(struct wr_simulated *self, const char *from, const char *to,
                       int (*rename)(struct wr_simulated *self, const char *from, const char *to))
{
    const int error = wr_simulated_fault(self, WR_FAULT_RENAME);
    if (error != 0) {
        return error;
    }
    char     *absolute_from = wr_simulated_path(self, from);
    char     *absolute_to   = wr_simulated_path(self, to);
    const int status        = rename(self, absolute_from, absolute_to);
    wr_free(absolute_from);
    wr_free(absolute_to);
    return status;
}

int wr_simulated_rename(struct wr_environment *environment, const char *from, const char *to)
{
    return rename_with(wr_simulated_of(environment), from, to, rename_absolute);
}

static int rename_new_absolute(struct wr_simulated *self, const char *from, const char *to)
{
    const bool is_there = wr_simulated_place_of(self, from).kind != WR_SIMULATED_NOWHERE;
    if (is_there && wr_simulated_place_of(self, to).kind != WR_SIMULATED_NOWHERE) {
        return -EEXIST;
    }
    return rename_absolute(self, from, to);
}

int wr_simulated_rename_new(struct wr_environment *environment, const char *from, const char *to)
{
    return rename_with(wr_simulated_of(environment), from, to, rename_new_absolute);
}

static int make_directory_absolute(struct wr_simulated *self, const char *path)
{
    if (wr_simulated_place_of(self, path).kind != WR_SIMULATED_NOWHERE) {
        return -EEXIST;
    }
    const int status = wr_simulated_parent_status(self, path);
    if (status < 0) {
        return status;
    }
    const struct wr_simulated_change change = wr_simulated_change_begin(self, true);
    if (change.error < 0) {
        return change.error;
    }
    wr_disk_put(&self->disk, path, WR_DISK_DIRECTORY, NULL);
    return (int)wr_simulated_change_end(self, &change, 0);
}

int wr_simulated_make_directory(struct wr_environment *environment, const char *path)
{
    struct wr_simulated *self     = wr_simulated_of(environment);
    char                *absolute = wr_simulated_path(self, path);
    int                  status   = wr_simulated_status(self);
    status                        = status < 0 ? status : make_directory_absolute(self, absolute);
    wr_free(absolute);
    return status;
}

static int sync_directory_absolute(struct wr_simulated *self, const char *path)
{
    const int status = wr_simulated_directory_status(self, path);
    if (status < 0) {
        return status;
    }
    const struct wr_simulated_change change = wr_simulated_change_begin(self, false);
    if (change.error < 0) {
        return change.error;
    }
    wr_disk_sync_directory(&self->disk, path, change.is_unsynced);
    return change.is_unsynced ? -EIO : (int)wr_simulated_change_end(self, &change, 0);
}

int wr_simulated_sync_directory(struct wr_environment *environment, const char *path)
{
    struct wr_simulated *self  = wr_simulated_of(environment);
    const int            error = wr_simulated_fault(self, WR_FAULT_SYNC);
    if (error != 0) {
        return error;
    }
    char     *absolute = wr_simulated_path(self, path);
    const int status   = sync_directory_absolute(self, absolute);
    wr_free(absolute);
    return status;
}

// ---- listing ----

struct listing {
    struct wr_simulated *self;
    const char          *directory;
    char               **names;
    uint32_t             count;
};

static void listing_add(struct listing *listing, const char *name)
{
    listing->names = wr_realloc(listing->names, (listing->count + 1) * sizeof(char *));
    listing->names[listing->count++] = wr_copy_text(name);
}

// A name of the host counts unless the disk in memory says what is there.
static void listing_add_host(void *opaque, const char *name)
{
    struct listing *listing = opaque;
    char           *path    = wr_disk_path(listing->directory, name);
    if (wr_disk_find(&listing->self->disk, path) == NULL) {
        listing_add(listing, name);
    }
    wr_free(path);
}

static void listing_add_disk(struct listing *listing)
{
    const struct wr_disk *disk = &listing->self->disk;
    for (uint32_t i = 0; i < disk->count; i++) {
        const char *name = wr_disk_name_in(listing->directory, disk->entries[i].path);
        if (name != NULL && disk->entries[i].kind != WR_DISK_REMOVED) {
            listing_add(listing, name);
        }
    }
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Collected first and told then, so that `each` may change the directory.
static void listing_tell(struct listing *listing, void (*each)(void *opaque, const char *name),
                         void           *opaque)
{
    if (listing->count > 0) {
        qsort(listing->names, listing->count, sizeof(char *), name_compare);
    }
    for (uint32_t i = 0; i < listing->count; i++) {
        each(opaque, listing->names[i]);
        wr_free(listing->names[i]);
    }
    wr_free(listing->names);
}

int wr_simulated_list(struct wr_environment *environment, const char     *path,
                      void (*each)(void *opaque, const char *name), void *opaque)
{
    struct wr_simulated *self     = wr_simulated_of(environment);
    char                *absolute = wr_simulated_path(self, path);
    int                  status   = wr_simulated_status(self);
    status = status < 0 ? status : wr_simulated_directory_status(self, absolute);
    if (status == 0) {
        struct listing listing = { self, absolute, NULL, 0 };
        if (self->reads_host) { // a directory in memory only lists nothing there
            self->host->ops->list(self->host, absolute, listing_add_host, &listing);
        }
        listing_add_disk(&listing);
        listing_tell(&listing, each, opaque);
    }
    wr_free(absolute);
    return status;
}
