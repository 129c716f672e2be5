// disk: a disk in memory, the simulated environment's.
//
//   entry   a path and what is there now; kept in the byte order of the paths, so that a walk is
//   the
//           same in each run. A removed entry hides the host's file of that path.
//   names   what a crash would leave of the entries; disk_names.h
//   file    bytes, shared by its entry, its names and the descriptors that are open on it: it
//           outlives its name; disk_file.c
//   block   4 KiB of a file. Dirty: written since the last sync. After a crash a block that is not
//           dirty is `synced`; one that is, `synced`, `bytes`, or the first sectors of `bytes`
//   room    how far a file has its place on the disk: a write below it needs no more
//
// Invariants of a file: size <= capacity, synced_size <= synced_capacity <= capacity, capacities
// are whole blocks, and what lies between size and capacity is zero, as what lies between
// synced_size and synced_capacity is. A block may differ from `synced` and not be dirty: its sync
// failed. It is written with the next sync after a write to it, whole, as a page is.
//
// Paths are absolute and plain, as wr_disk_path makes them. Thread rule: one thread.
#ifndef WR_DISK_H
#define WR_DISK_H

#include "runtime/base/base.h"
#include "runtime/base/disk_names.h"

#define WR_DISK_BLOCK  4096u
#define WR_DISK_SECTOR 512u

struct wr_disk_file {
    uint32_t reference_count;
    uint64_t size;
    uint64_t capacity;
    char    *bytes;
    bool    *dirty; // of capacity / WR_DISK_BLOCK blocks

    uint64_t synced_size;
    uint64_t synced_capacity;
    char    *synced;
    bool     size_is_dirty; // since the last sync
    uint64_t room;          // in bytes, whole blocks

    char    *lent; // a copy of `bytes` when they were lent to a test, of lent_size; or NULL
    uint64_t lent_size;
    int      shared; // the memory of those who share it: a descriptor of the host; -1: nobody yet
};

enum wr_disk_kind { WR_DISK_FILE, WR_DISK_DIRECTORY, WR_DISK_REMOVED };

struct wr_disk_entry {
    char                *path;
    enum wr_disk_kind    kind;
    struct wr_disk_file *file;      // of a file; else NULL
    uint64_t             directory; // the number of a directory; else 0
};

struct wr_disk {
    struct wr_disk_entry *entries;
    uint32_t              count;
    uint32_t              capacity;
    uint64_t              directory_count; // numbers given so far
    struct wr_disk_names  names;
};

// The next random number of a sequence (splitmix64).
static inline uint64_t wr_draw(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return wr_mix64(*state, 0);
}

void wr_disk_init(struct wr_disk *disk); // with its root
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
// which is NULL unless `kind` is WR_DISK_FILE. Directories above it that are missing are put too,
// as if they had always been there.
void wr_disk_put(struct wr_disk *disk, const char *path, enum wr_disk_kind kind,
                 struct wr_disk_file *file);
// The same, as if it had always been there: no crash loses it.
void wr_disk_put_kept(struct wr_disk *disk, const char *path, enum wr_disk_kind kind,
                      struct wr_disk_file *file);
void wr_disk_remove(struct wr_disk *disk, const char *path);
// Moves all that lies at or under `from` to `to`, under which nothing lies.
void wr_disk_move(struct wr_disk *disk, const char *from, const char *to);
// Makes what changed in the directory at `path`, if it is on the disk, outlive a crash; with
// `is_failing` it is lost in one.
void wr_disk_sync_directory(struct wr_disk *disk, const char *path, bool is_failing);
// Leaves what a crash would, drawn from `random`: names, sizes, blocks.
void wr_disk_crash(struct wr_disk *disk, uint64_t random);

struct wr_disk_file *wr_disk_file_open(void); // empty, with one reference
void                 wr_disk_file_hold(struct wr_disk_file *file);
void                 wr_disk_file_release(struct wr_disk_file *file);

size_t wr_disk_file_read(const struct wr_disk_file *file, void *buffer, size_t bytes,
                         uint64_t offset);
// What is on the disk, whatever was written since.
size_t   wr_disk_file_read_synced(struct wr_disk_file *file, void *buffer, size_t bytes,
                                  uint64_t offset);
void     wr_disk_file_write(struct wr_disk_file *file, const void *buffer, size_t bytes,
                            uint64_t offset);
void     wr_disk_file_truncate(struct wr_disk_file *file, uint64_t size);
void     wr_disk_file_preallocate(struct wr_disk_file *file, uint64_t bytes);
void     wr_disk_file_sync(struct wr_disk_file *file);
void     wr_disk_file_lose(struct wr_disk_file *file); // a sync that fails: clean, and not written
void     wr_disk_file_crash(struct wr_disk_file *file, uint64_t *random);
char    *wr_disk_file_lend(struct wr_disk_file *file); // `bytes`, to be damaged; never NULL
uint32_t wr_disk_file_dirty_count(const struct wr_disk_file *file); // in blocks

#endif // WR_DISK_H
