#include "runtime/base/disk.h"

#include <stdlib.h>

// ---- paths ----

// Appends the components of `from` to the absolute path of *length bytes in `path`.
static void path_append(char *path, size_t *length, const char *from)
{
    while (*from != '\0') {
        const size_t size = strcspn(from, "/");
        if (size == 2 && memcmp(from, "..", 2) == 0) {
            while (*length > 0 && path[--*length] != '/') {
            }
        } else if (size > 0 && !(size == 1 && *from == '.')) {
            path[(*length)++] = '/';
            memcpy(path + *length, from, size);
            *length += size;
        }
        from += size + (from[size] == '/');
    }
}

char *wr_disk_path(const char *directory, const char *path)
{
    char  *absolute = wr_alloc(strlen(directory) + strlen(path) + 3);
    size_t length   = 0;
    if (path[0] != '/') {
        path_append(absolute, &length, directory);
    }
    path_append(absolute, &length, path);
    if (length == 0) {
        absolute[length++] = '/';
    }
    absolute[length] = '\0';
    return absolute;
}

char *wr_disk_parent(const char *path) { return wr_disk_path(path, ".."); }

// What follows `directory` and a slash in `path`, or NULL if it does not lie under it.
static const char *path_under(const char *directory, const char *path)
{
    const size_t length = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
    const bool   is_under =
        strncmp(directory, path, length) == 0 && path[length] == '/' && path[length + 1] != '\0';
    return is_under ? path + length + 1 : NULL;
}

const char *wr_disk_name_in(const char *directory, const char *path)
{
    const char *name = path_under(directory, path);
    return name != NULL && strchr(name, '/') == NULL ? name : NULL;
}

// ---- entries ----

void wr_disk_init(struct wr_disk *disk) { *disk = (struct wr_disk){ NULL, 0, 0 }; }

static void entry_fini(struct wr_disk_entry *entry)
{
    wr_free(entry->path);
    if (entry->file != NULL) {
        wr_disk_file_release(entry->file);
    }
}

void wr_disk_fini(struct wr_disk *disk)
{
    for (uint32_t i = 0; i < disk->count; i++) {
        entry_fini(&disk->entries[i]);
    }
    wr_free(disk->entries);
    wr_disk_init(disk);
}

// The place of the first entry whose path is not before `path`.
static uint32_t place_of(const struct wr_disk *disk, const char *path)
{
    uint32_t low  = 0;
    uint32_t high = disk->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (strcmp(disk->entries[middle].path, path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct wr_disk *disk, uint32_t place, const char *path)
{
    return place < disk->count && strcmp(disk->entries[place].path, path) == 0;
}

struct wr_disk_entry *wr_disk_find(const struct wr_disk *disk, const char *path)
{
    const uint32_t place = place_of(disk, path);
    return is_at(disk, place, path) ? &disk->entries[place] : NULL;
}

static void entry_insert(struct wr_disk *disk, uint32_t place, struct wr_disk_entry entry)
{
    if (disk->count == disk->capacity) {
        disk->capacity = disk->capacity * 2 + 16;
        disk->entries  = wr_realloc(disk->entries, disk->capacity * sizeof(entry));
    }
    memmove(&disk->entries[place + 1], &disk->entries[place],
            (disk->count - place) * sizeof(entry));
    disk->entries[place] = entry;
    disk->count++;
}

void wr_disk_put(struct wr_disk *disk, const char *path, enum wr_disk_kind kind,
                 struct wr_disk_file *file)
{
    WR_ASSERT(path[0] == '/' && (file != NULL) == (kind == WR_DISK_FILE));
    const struct wr_disk_entry entry = { wr_copy_text(path), kind, file };
    const uint32_t             place = place_of(disk, path);
    if (file != NULL) {
        wr_disk_file_hold(file);
    }
    if (is_at(disk, place, path)) {
        entry_fini(&disk->entries[place]);
        disk->entries[place] = entry;
    } else {
        entry_insert(disk, place, entry);
    }
}

void wr_disk_remove(struct wr_disk *disk, const char *path)
{
    const uint32_t place = place_of(disk, path);
    WR_ASSERT(is_at(disk, place, path));
    entry_fini(&disk->entries[place]);
    disk->count--;
    memmove(&disk->entries[place], &disk->entries[place + 1],
            (disk->count - place) * sizeof(struct wr_disk_entry));
}

static int entry_compare(const void *a, const void *b)
{
    return strcmp(((const struct wr_disk_entry *)a)->path, ((const struct wr_disk_entry *)b)->path);
}

void wr_disk_move(struct wr_disk *disk, const char *from, const char *to)
{
    WR_ASSERT(strcmp(from, to) != 0 && path_under(from, to) == NULL);
    if (wr_disk_find(disk, to) != NULL) {
        wr_disk_remove(disk, to);
    }
    for (uint32_t i = 0; i < disk->count; i++) {
        struct wr_disk_entry *entry = &disk->entries[i];
        const char           *under = path_under(from, entry->path);
        if (under != NULL || strcmp(entry->path, from) == 0) {
            char *moved = under != NULL ? wr_format("%s/%s", to, under) : wr_copy_text(to);
            wr_free(entry->path);
            entry->path = moved;
        }
    }
    qsort(disk->entries, disk->count, sizeof(struct wr_disk_entry), entry_compare);
}

// ---- files ----

struct wr_disk_file *wr_disk_file_open(void)
{
    struct wr_disk_file *file = wr_alloc(sizeof(*file));
    file->reference_count     = 1;
    return file;
}

void wr_disk_file_hold(struct wr_disk_file *file) { file->reference_count++; }

void wr_disk_file_release(struct wr_disk_file *file)
{
    WR_ASSERT(file->reference_count > 0);
    if (--file->reference_count == 0) {
        wr_free(file->bytes);
        wr_free(file->dirty);
        wr_free(file->synced);
        wr_free(file);
    }
}

static uint64_t file_block_count(const struct wr_disk_file *file)
{
    return file->capacity / WR_DISK_BLOCK;
}

static char *bytes_grow(char *bytes, uint64_t from, uint64_t to)
{
    bytes = wr_realloc(bytes, to);
    memset(bytes + from, 0, to - from);
    return bytes;
}

static void file_reserve(struct wr_disk_file *file, uint64_t size)
{
    if (size <= file->capacity) {
        return;
    }
    const uint64_t before   = file_block_count(file);
    const uint64_t doubled  = file->capacity * 2;
    const uint64_t capacity = wr_round_up(size > doubled ? size : doubled, WR_DISK_BLOCK);
    file->bytes             = bytes_grow(file->bytes, file->capacity, capacity);
    file->capacity          = capacity;
    file->dirty             = wr_realloc(file->dirty, file_block_count(file) * sizeof(bool));
    memset(file->dirty + before, 0, (file_block_count(file) - before) * sizeof(bool));
}

// Marks the blocks of the bytes [from, to).
static void file_mark_dirty(struct wr_disk_file *file, uint64_t from, uint64_t to)
{
    for (uint64_t i = from / WR_DISK_BLOCK; i * WR_DISK_BLOCK < to; i++) {
        file->dirty[i] = true;
    }
}

size_t wr_disk_file_read(const struct wr_disk_file *file, void *buffer, size_t bytes,
                         uint64_t offset)
{
    const uint64_t there = offset < file->size ? file->size - offset : 0;
    const size_t   got   = bytes < there ? bytes : (size_t)there;
    if (got > 0) {
        memcpy(buffer, file->bytes + offset, got);
    }
    return got;
}

void wr_disk_file_write(struct wr_disk_file *file, const void *buffer, size_t bytes,
                        uint64_t offset)
{
    if (bytes == 0) {
        return;
    }
    const uint64_t end = offset + bytes;
    file_reserve(file, end);
    memcpy(file->bytes + offset, buffer, bytes);
    file_mark_dirty(file, offset < file->size ? offset : file->size, end);
    file->size = end > file->size ? end : file->size;
}

void wr_disk_file_truncate(struct wr_disk_file *file, uint64_t size)
{
    const uint64_t low  = size < file->size ? size : file->size;
    const uint64_t high = size < file->size ? file->size : size;
    file_reserve(file, high);
    if (high > low) {
        memset(file->bytes + low, 0, high - low);
        file_mark_dirty(file, low, high);
    }
    file->size = size;
}

void wr_disk_file_sync(struct wr_disk_file *file)
{
    if (file->synced_capacity < file->capacity) {
        file->synced          = bytes_grow(file->synced, file->synced_capacity, file->capacity);
        file->synced_capacity = file->capacity;
    }
    for (uint64_t i = 0; i < file_block_count(file); i++) {
        if (file->dirty[i]) {
            memcpy(file->synced + i * WR_DISK_BLOCK, file->bytes + i * WR_DISK_BLOCK,
                   WR_DISK_BLOCK);
            file->dirty[i] = false;
        }
    }
    file->synced_size = file->size;
}

uint32_t wr_disk_file_dirty_count(const struct wr_disk_file *file)
{
    uint32_t count = 0;
    for (uint64_t i = 0; i < file_block_count(file); i++) {
        count += file->dirty[i];
    }
    return count;
}
