// disk: a disk in memory, the simulated environment's.
//
//   entry   a path and what is there; kept in the byte order of the paths, so that a walk is the
//   same
//           in each run. A removed entry hides the host's file of that path.
//   file    bytes, shared by its entry and the descriptors that are open on it: it outlives its
//   name block   4 KiB of a file. Dirty: written since the last sync. What a crash leaves is, block
//   by
//           block, `synced` or `bytes`
//
// Invariants of a file: size <= capacity, synced_size <= synced_capacity <= capacity, capacities
// are whole blocks, and what lies between size and capacity is zero.
//
// Paths are absolute and plain, as wr_disk_path makes them. Thread rule: one thread.
#ifndef WR_DISK_H
#define WR_DISK_H

#include "runtime/base/base.h"

#define WR_DISK_BLOCK 4096u

struct wr_disk_file {
    uint32_t reference_count;
    uint64_t size;
    uint64_t capacity;
    char    *bytes;
    bool    *dirty; // of capacity / WR_DISK_BLOCK blocks

    uint64_t synced_size;
    uint64_t synced_capacity;
    char    *synced;
};

enum wr_disk_kind { WR_DISK_FILE, WR_DISK_DIRECTORY, WR_DISK_REMOVED };

struct wr_disk_entry {
    char                *path;
    enum wr_disk_kind    kind;
    struct wr_disk_file *file; // of a file; else NULL
};

struct wr_disk {
    struct wr_disk_entry *entries;
    uint32_t              count;
    uint32_t              capacity;
};

void wr_disk_init(struct wr_disk *disk);
void wr_disk_fini(struct wr_disk *disk);

// `path` from `directory`, absolute, without ".", ".." and doubled slashes; free with wr_free.
char *wr_disk_path(const char *directory, const char *path);
// The directory that `path` lies in; free with wr_free. The root lies in itself.
char *wr_disk_parent(const char *path);
// The name of `path` if it lies right in `directory`, else NULL.
const char *wr_disk_name_in(const char *directory, const char *path);

// What is at `path`, or NULL; valid until the next put or remove.
struct wr_disk_entry *wr_disk_find(const struct wr_disk *disk, const char *path);
// Puts an entry at `path`, in place of what is there. The entry holds its own reference to `file`,
// which is NULL unless `kind` is WR_DISK_FILE.
void wr_disk_put(struct wr_disk *disk, const char *path, enum wr_disk_kind kind,
                 struct wr_disk_file *file);
void wr_disk_remove(struct wr_disk *disk, const char *path);
// Moves all that lies at or under `from` to `to`, under which nothing lies.
void wr_disk_move(struct wr_disk *disk, const char *from, const char *to);

struct wr_disk_file *wr_disk_file_open(void); // empty, with one reference
void                 wr_disk_file_hold(struct wr_disk_file *file);
void                 wr_disk_file_release(struct wr_disk_file *file);

size_t   wr_disk_file_read(const struct wr_disk_file *file, void *buffer, size_t bytes,
                           uint64_t offset);
void     wr_disk_file_write(struct wr_disk_file *file, const void *buffer, size_t bytes,
                            uint64_t offset);
void     wr_disk_file_truncate(struct wr_disk_file *file, uint64_t size);
void     wr_disk_file_sync(struct wr_disk_file *file);
uint32_t wr_disk_file_dirty_count(const struct wr_disk_file *file); // in blocks

#endif // WR_DISK_H
