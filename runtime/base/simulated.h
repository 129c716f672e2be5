// The simulated environment's own header: what its files share.
//
//   environment_simulated.c   clock, chance, requests
//   simulated_faults.c        what fails when; the machine's stops and starts
//   simulated_files.c         descriptors, reading and writing, import and export
//   simulated_names.c         what is at a path, in memory or on the host; directories
//   simulated_shared.c        shared memory and waits for its words, locks, boot and process
//
// Look-up: the disk in memory, where an entry may be a removal; then, with reads_host, the host.
// What is opened for writing is first copied from the host to the disk in memory; the host is
// written by wr_simulation_export only.
#ifndef WR_SIMULATED_H
#define WR_SIMULATED_H

#include "runtime/base/disk.h"
#include "runtime/base/environment.h"

// An open descriptor: of a file in memory or of one of the host.
struct wr_simulated_handle {
    struct wr_disk_file *file; // NULL: the host's, or closed
    int                  host_file;
    bool                 is_open;
    bool                 is_stale; // from before a restart: does nothing, and waits to be closed
    bool                 is_locked;
    enum wr_open_mode    mode;
    uint64_t             position; // for the offset -1
};

struct wr_simulated_pending {
    struct wr_request *request;
    int64_t            due_us; // INT64_MAX: a wait without end
    uint64_t           lot;    // orders those due at one time
};

struct wr_simulated_fault {
    enum wr_fault fault;
    uint32_t      remaining; // operations that succeed before it
    int           error;
};

struct wr_simulated_disk_fault {
    uint64_t           change;
    enum wr_disk_fault fault;
};

struct wr_simulated_mapping {
    void  *memory;
    size_t bytes;
};

struct wr_simulated {
    struct wr_environment  base;
    struct wr_environment *host;
    bool                   reads_host;
    bool                   is_closing;
    char                  *directory; // where relative paths start
    struct wr_disk         disk;
    int64_t                now_us;
    uint64_t               program_random;
    uint64_t               chance_random;

    struct wr_simulated_handle *handles;
    uint32_t                    handle_count;

    struct wr_simulated_pending *pending;
    uint32_t                     pending_count;
    uint32_t                     pending_capacity;

    struct wr_simulated_fault *faults;
    uint32_t                   fault_count;

    struct wr_simulated_disk_fault *disk_faults;
    uint32_t                        disk_fault_count;
    uint64_t                        change_count;
    bool                            is_full;
    bool                            has_stopped;
    bool                            is_killed; // it was not the machine that stopped

    uint64_t seed;
    uint32_t reboot_count;
    uint32_t process_count;

    struct wr_simulated_mapping *mappings;
    uint32_t                     mapping_count;
};

struct wr_simulated *wr_simulated_of(struct wr_environment *environment); // asserts that it is one

// ---- environment_simulated.c ----

// How many bytes a read of `bytes` asks for: one in four is short.
size_t wr_simulated_read_bytes(struct wr_simulated *self, size_t bytes);
// Completes those waits for the word that find it changed.
void wr_simulated_look(struct wr_simulated *self, const uint32_t *word);
// Completes with -ENODEV all that is under way.
void wr_simulated_abandon(struct wr_simulated *self);

// ---- simulated_faults.c ----

// 0, or -ENODEV once the machine has stopped. Each operation asks first.
int wr_simulated_status(const struct wr_simulated *self);
// The same; and counts an operation of this kind: -errno if it is one that shall fail.
int wr_simulated_fault(struct wr_simulated *self, enum wr_fault fault);

// What is to become of an operation that changes the disk.
struct wr_simulated_change {
    int  error;       // < 0: it fails, and does nothing more
    bool is_short;    // a write: half of it
    bool is_unsynced; // a sync: it loses what it should write
    bool stops_after;
};
// Numbers the operation, which would succeed.
struct wr_simulated_change wr_simulated_change_begin(struct wr_simulated *self, bool needs_room);
// Its result after it was carried out.
int64_t wr_simulated_change_end(struct wr_simulated *self, const struct wr_simulated_change *change,
                                int64_t result);

// ---- simulated_names.c: paths are absolute and plain ----

enum wr_simulated_place_kind { WR_SIMULATED_NOWHERE, WR_SIMULATED_FILE, WR_SIMULATED_DIRECTORY };

struct wr_simulated_place {
    enum wr_simulated_place_kind kind;
    struct wr_disk_file         *file; // in memory; NULL of a file: the host has it
    struct wr_file_info          info;
};

struct wr_simulated_place wr_simulated_place_of(struct wr_simulated *self, const char *path);
char *wr_simulated_path(const struct wr_simulated *self, const char *path); // wr_free it
// 0 if a directory is at `path`, else why not.
int wr_simulated_directory_status(struct wr_simulated *self, const char *path);
// 0 if the directory that `path` lies in is there, else why not.
int wr_simulated_parent_status(struct wr_simulated *self, const char *path);
// Puts a new file at `path` with the bytes of the host's, as if they had always been there.
int wr_simulated_copy_from_host(struct wr_simulated *self, const char *path);
// In the shape of struct wr_environment_ops.
int wr_simulated_sync_directory(struct wr_environment *environment, const char *path);
int wr_simulated_info(struct wr_environment *environment, const char *path,
                      struct wr_file_info *info);
int wr_simulated_unlink(struct wr_environment *environment, const char *path);
int wr_simulated_rename(struct wr_environment *environment, const char *from, const char *to);
int wr_simulated_rename_new(struct wr_environment *environment, const char *from, const char *to);
int wr_simulated_make_directory(struct wr_environment *environment, const char *path);
int wr_simulated_list(struct wr_environment *environment, const char     *path,
                      void (*each)(void *opaque, const char *name), void *opaque);

// ---- simulated_files.c ----

struct wr_simulated_handle *wr_simulated_handle_of(struct wr_simulated *self, int file);
void                        wr_simulated_forget_handles(struct wr_simulated *self); // all are stale

// In the shape of struct wr_environment_ops.

int wr_simulated_open(struct wr_environment *environment, const char *path, enum wr_open_mode mode);
void    wr_simulated_close(struct wr_environment *environment, int file);
int64_t wr_simulated_read_at(struct wr_environment *environment, int file, void *buffer,
                             size_t bytes, int64_t offset);
void    wr_simulated_read_ahead(struct wr_environment *environment, int file, size_t bytes,
                                int64_t offset);
int64_t wr_simulated_read_now(struct wr_environment *environment, int file, void *buffer,
                              size_t bytes, int64_t offset);
int64_t wr_simulated_write_at(struct wr_environment *environment, int file, const void *buffer,
                              size_t bytes, int64_t offset);
int     wr_simulated_sync(struct wr_environment *environment, int file);
int     wr_simulated_truncate(struct wr_environment *environment, int file, uint64_t size_bytes);
int     wr_simulated_preallocate(struct wr_environment *environment, int file, uint64_t bytes);

// ---- simulated_shared.c, in the shape of struct wr_environment_ops ----

int   wr_simulated_lock(struct wr_environment *environment, int file);
void *wr_simulated_share(struct wr_environment *environment, const char *path, size_t bytes,
                         bool is_writer, int *error);
void  wr_simulated_unshare(struct wr_environment *environment, void *memory, size_t bytes);
void wr_simulated_wait_word(struct wr_environment *environment, const uint32_t *word, uint32_t seen,
                            int64_t timeout_us);
void wr_simulated_wake_word(struct wr_environment *environment, const uint32_t *word);
uint64_t wr_simulated_boot(struct wr_environment *environment);
uint32_t wr_simulated_process(struct wr_environment *environment);
bool     wr_simulated_is_ending(struct wr_environment *environment, uint32_t process);
void     wr_simulated_unmap(struct wr_simulated *self); // all that is shared

#endif // WR_SIMULATED_H
