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

void wr_disk_init(struct wr_disk *disk)
{
    *disk = (struct wr_disk){ .entries = NULL };
    wr_disk_put_kept(disk, "/", WR_DISK_DIRECTORY, NULL);
}

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
    wr_disk_names_fini(&disk->names);
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

// Where no name is recorded yet: the entry only.
static void entry_put(struct wr_disk *disk, struct wr_disk_entry entry)
{
    const uint32_t place = place_of(disk, entry.path);
    if (entry.file != NULL) {
        wr_disk_file_hold(entry.file);
    }
    if (is_at(disk, place, entry.path)) {
        entry_fini(&disk->entries[place]);
        disk->entries[place] = entry;
    } else {
        entry_insert(disk, place, entry);
    }
}

static void entry_remove(struct wr_disk *disk, const char *path)
{
    const uint32_t place = place_of(disk, path);
    WR_ASSERT(is_at(disk, place, path));
    entry_fini(&disk->entries[place]);
    disk->count--;
    memmove(&disk->entries[place], &disk->entries[place + 1],
            (disk->count - place) * sizeof(struct wr_disk_entry));
}

// ---- names ----

// The entry's node; none of no entry.
static struct wr_disk_node node_of(const struct wr_disk_entry *entry)
{
    return entry == NULL ? (struct wr_disk_node){ NULL, 0 }
                         : (struct wr_disk_node){ entry->file, entry->directory };
}

// The name of `path` in its directory, which is on the disk. It points into `path`.
static struct wr_disk_slot slot_of(const struct wr_disk *disk, char *path)
{
    char                       *parent    = wr_disk_parent(path);
    const struct wr_disk_entry *directory = wr_disk_find(disk, parent);
    WR_ASSERT(directory != NULL && directory->kind == WR_DISK_DIRECTORY);
    wr_free(parent);
    return (struct wr_disk_slot){ directory->directory, strrchr(path, '/') + 1 };
}

// Puts the directories above `path` that are missing.
static void parents_put(struct wr_disk *disk, const char *path)
{
    char                       *parent = wr_disk_parent(path);
    const struct wr_disk_entry *entry  = wr_disk_find(disk, parent);
    if (entry == NULL || entry->kind != WR_DISK_DIRECTORY) {
        wr_disk_put_kept(disk, parent, WR_DISK_DIRECTORY, NULL);
    }
    wr_free(parent);
}

// Notes that the name at `path`, if there is one, goes.
static void name_remove(struct wr_disk *disk, const char *path)
{
    const struct wr_disk_entry *there = wr_disk_find(disk, path);
    if (there != NULL && there->kind != WR_DISK_REMOVED) {
        wr_disk_names_change(
            &disk->names,
            (struct wr_disk_change){ .from = slot_of(disk, there->path), .node = node_of(there) });
    }
}

// The entry's node replaces the file that has the name. The root has no name.
static void path_put(struct wr_disk *disk, const char *path, enum wr_disk_kind kind,
                     struct wr_disk_file *file)
{
    WR_ASSERT(path[0] == '/' && (file != NULL) == (kind == WR_DISK_FILE));
    struct wr_disk_entry entry = { wr_copy_text(path), kind, file, 0 };
    if (kind == WR_DISK_DIRECTORY) {
        entry.directory = ++disk->directory_count;
    }
    if (kind == WR_DISK_REMOVED) {
        name_remove(disk, path);
    } else if (path[1] != '\0') {
        parents_put(disk, path);
        wr_disk_names_change(
            &disk->names, (struct wr_disk_change){ .to       = slot_of(disk, entry.path),
                                                   .node     = node_of(&entry),
                                                   .replaced = node_of(wr_disk_find(disk, path)) });
    }
    entry_put(disk, entry);
}

void wr_disk_put(struct wr_disk *disk, const char *path, enum wr_disk_kind kind,
                 struct wr_disk_file *file)
{
    path_put(disk, path, kind, file);
}

void wr_disk_put_kept(struct wr_disk *disk, const char *path, enum wr_disk_kind kind,
                      struct wr_disk_file *file)
{
    path_put(disk, path, kind, file);
    if (path[1] != '\0') {
        wr_disk_names_keep(&disk->names);
    }
}

void wr_disk_remove(struct wr_disk *disk, const char *path)
{
    name_remove(disk, path);
    entry_remove(disk, path);
}

static int entry_compare(const void *a, const void *b)
{
    return strcmp(((const struct wr_disk_entry *)a)->path, ((const struct wr_disk_entry *)b)->path);
}

void wr_disk_move(struct wr_disk *disk, const char *from, const char *to)
{
    WR_ASSERT(strcmp(from, to) != 0 && path_under(from, to) == NULL);
    parents_put(disk, to);
    char                       *target = wr_copy_text(to);
    const struct wr_disk_entry *moving = wr_disk_find(disk, from);
    wr_disk_names_change(&disk->names,
                         (struct wr_disk_change){ .from     = slot_of(disk, moving->path),
                                                  .to       = slot_of(disk, target),
                                                  .node     = node_of(moving),
                                                  .replaced = node_of(wr_disk_find(disk, to)) });
    wr_free(target);
    if (wr_disk_find(disk, to) != NULL) {
        entry_remove(disk, to);
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

// ---- syncs and crashes ----

void wr_disk_sync_directory(struct wr_disk *disk, const char *path, bool is_failing)
{
    const struct wr_disk_entry *entry = wr_disk_find(disk, path);
    if (entry != NULL && entry->kind == WR_DISK_DIRECTORY) {
        wr_disk_names_sync(&disk->names, entry->directory, is_failing);
    }
}

// Drops all entries but the root and those that hide the host's.
static void entries_forget(struct wr_disk *disk)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < disk->count; i++) {
        struct wr_disk_entry *entry = &disk->entries[i];
        if (entry->kind == WR_DISK_REMOVED || entry->directory == WR_DISK_ROOT) {
            disk->entries[kept++] = *entry;
        } else {
            entry_fini(entry);
        }
    }
    disk->count = kept;
}

// Puts an entry for each link of the directory at `path`, and of those below it.
static void entries_restore(struct wr_disk *disk, uint64_t directory, const char *path)
{
    for (uint32_t i = 0; i < disk->names.link_count; i++) {
        const struct wr_disk_link *link = &disk->names.links[i];
        if (link->slot.directory == directory) {
            char *under = wr_disk_path(path, link->slot.name);
            entry_put(disk, (struct wr_disk_entry){ wr_copy_text(under),
                                                    link->node.file != NULL ? WR_DISK_FILE
                                                                            : WR_DISK_DIRECTORY,
                                                    link->node.file, link->node.directory });
            if (link->node.file == NULL) {
                entries_restore(disk, link->node.directory, under);
            }
            wr_free(under);
        }
    }
}

void wr_disk_crash(struct wr_disk *disk, uint64_t random)
{
    wr_disk_names_crash(&disk->names, &random);
    entries_forget(disk);
    entries_restore(disk, WR_DISK_ROOT, "/");
    for (uint32_t i = 0; i < disk->count; i++) {
        if (disk->entries[i].kind == WR_DISK_FILE) {
            wr_disk_file_crash(disk->entries[i].file, &random);
        }
    }
}
