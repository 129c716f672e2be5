// watched_disk: a simulated environment that is looked at while a log runs on it.
//
//   log  -->  watched disk  -->  simulated environment (inner)
//
//   counts     what kind of operation each numbered change of the disk was, and where
//   kills      from a given change on the process does nothing any more
//   makes room some refusals after the disk became full
//   accuses    whoever writes to or syncs a file after a sync of it failed, by the same process
//   collects   the paths that were changed, so that a test can put them back
//
// The log's ballast is one block here, and shared memory is the test's own with `has_own_memory`:
// both only to be fast. Thread rule: one thread.
#ifndef WATCHED_DISK_H
#define WATCHED_DISK_H

#include "runtime/base/environment.h"

enum watched_verb {
    WATCHED_OTHER, // makes or empties a file, truncates, unlinks
    WATCHED_WRITE,
    WATCHED_ROOM, // a preallocation, a new file or directory: needs room, as a write may
    WATCHED_SYNC,
    WATCHED_RENAME
};

struct watched_change {
    enum watched_verb verb;
    char             *what; // "sync /log/epoch.tmp"
};

struct watched_handle {
    char    *path; // NULL: closed
    uint64_t inode;
};

struct watched_memory {
    char  *path;
    void  *bytes;
    size_t length;
};

struct watched_disk {
    struct wr_environment  base; // hand &disk->base to the log
    struct wr_environment *inner;

    bool                   keeps_changes;
    struct watched_change *changes; // by number
    uint64_t               change_count;

    uint64_t kill_at; // UINT64_MAX: never
    bool     is_killed;
    uint32_t refusals_left; // until room is made
    uint64_t refusals;

    struct watched_handle *handles;
    uint32_t               handle_count;
    uint64_t              *failed_inodes; // of files a sync of which failed
    uint32_t               failed_count;
    char                  *accusation; // the first; NULL: none

    bool                   has_own_memory;
    struct watched_memory *memories;
    uint32_t               memory_count;

    bool     collects_paths;
    char   **paths; // changed since watched_disk_forget_paths
    uint32_t path_count;
};

struct watched_disk *watched_disk_open(uint64_t seed);
void                 watched_disk_close(struct watched_disk *disk);
// True once the machine stopped or the process was killed.
bool watched_disk_has_ended(const struct watched_disk *disk);
// Another process begins: after a reboot with this seed, or on the same machine.
void watched_disk_reboot(struct watched_disk *disk, uint64_t seed);
void watched_disk_restart(struct watched_disk *disk);
// Files a sync of which failed may be written again: the log was closed since.
void watched_disk_forget_failures(struct watched_disk *disk);
void watched_disk_forget_paths(struct watched_disk *disk);
// The memory that readers and writers share there; NULL: none.
void watched_disk_forget_memory(struct watched_disk *disk);

#endif // WATCHED_DISK_H
