// The environment: every outside effect a running job has. Two exist: the real one, and a simulated
// one with a virtual clock, a seeded random and a disk in memory that can be told to fail.
//
//   clock    monotonic microseconds (for pacing, flushing, idleness) and wall-clock microseconds
//   random   64 bits at a time; the only source of seeds
//   files    open, read and write at an offset, sync, rename, unlink, list; errors are -errno
//   io       requests that may block, run aside and completed later; see struct wr_request
//
// Thread rule: a real environment may be used from any thread; a simulated one from one thread.
#ifndef WR_ENVIRONMENT_H
#define WR_ENVIRONMENT_H

#include "runtime/base/base.h"

struct wr_environment;

// How a file is opened. Descriptors are small non-negative integers of the environment.
enum wr_open_mode {
    WR_OPEN_READ      = 0, // an existing file, a pipe or a terminal
    WR_OPEN_WRITE     = 1, // created or emptied
    WR_OPEN_APPEND    = 2, // created, or written at its end
    WR_OPEN_EXCLUSIVE = 3, // created; fails with -EEXIST if it is there
    WR_OPEN_UPDATE    = 4, // created if missing, read and written in place
    WR_OPEN_DIRECT = 5, // an existing file, read from the disk and not from the page cache; buffer,
                        // bytes and offset are multiples of WR_DIRECT_ALIGN
    WR_OPEN_UNNAMED = 6 // a new file in the directory at the path, without a name, read and written
                        // in place; gone when it is closed, however the process ends
};

#define WR_DIRECT_ALIGN 4096

struct wr_file_info {
    uint64_t size_bytes;
    bool     is_regular;
    bool     is_directory;
    uint64_t device, inode; // of a regular file: the same pair is the same file, whatever its name
};

// WAIT ends when the shared word at `buffer` is no longer (uint32_t)offset, or after `bytes`
// microseconds; its result is 0, or -ECANCELED; -EAGAIN: too many (256) are under way.
enum wr_request_verb { WR_REQUEST_READ, WR_REQUEST_WRITE, WR_REQUEST_SYNC, WR_REQUEST_WAIT };

// One blocking piece of work. The caller owns the struct and its buffer, fills the first part,
// submits it, leaves both alone until wr_request_is_done says true (once true, the result may be
// read), and may then use it again. A read gives the bytes read, 0 at the end of the file; a write
// gives the bytes written, all of them or an error. Offset -1 means "where the file stands"
// (pipes).
struct wr_request {
    enum wr_request_verb verb;
    int                  file;
    void                *buffer;
    size_t               bytes;
    int64_t              offset;
    void (*wake)(void *waker); // called from the I/O thread after completion; NULL: nobody waits
    void *waker;

    int64_t            result; // bytes, or -errno
    int                state;  // the environment's; zero before the first use
    struct wr_request *next;
};

// The functions of one environment; `self` is the environment.
struct wr_environment_ops {
    int64_t (*now_us)(struct wr_environment *self);  // monotonic
    int64_t (*wall_us)(struct wr_environment *self); // since 1970
    uint64_t (*random)(struct wr_environment *self);

    int (*open)(struct wr_environment *self, const char *path, enum wr_open_mode mode);
    void (*close)(struct wr_environment *self, int file);
    int (*info)(struct wr_environment *self, const char *path, struct wr_file_info *info);
    int64_t (*read_at)(struct wr_environment *self, int file, void *buffer, size_t bytes,
                       int64_t offset);
    // What is in memory already, at most `bytes`; -EAGAIN if it would have to wait for the disk.
    int64_t (*read_now)(struct wr_environment *self, int file, void *buffer, size_t bytes,
                        int64_t offset);
    // Starts reading so many bytes into memory, for a read that comes soon: a hint.
    void (*read_ahead)(struct wr_environment *self, int file, size_t bytes, int64_t offset);
    int64_t (*write_at)(struct wr_environment *self, int file, const void *buffer, size_t bytes,
                        int64_t offset);
    int (*sync)(struct wr_environment *self, int file);
    int (*sync_data)(struct wr_environment *self, int file); // contents and size only (fdatasync)
    int (*sync_directory)(struct wr_environment *self, const char *path);
    int (*truncate)(struct wr_environment *self, int file, uint64_t size_bytes);
    // Sets room aside for the first `bytes` and makes the file that long; what was never written
    // reads as zeros. -ENOSPC leaves the file's size as it was.
    int (*preallocate)(struct wr_environment *self, int file, uint64_t bytes);
    int (*rename)(struct wr_environment *self, const char *from, const char *to);
    int (*rename_new)(struct wr_environment *self, const char *from,
                      const char *to); // -EEXIST rather than replace
    // Of a file, or of an empty directory; -ENOTEMPTY of another.
    int (*unlink)(struct wr_environment *self, const char *path);
    int (*make_directory)(struct wr_environment *self, const char *path); // -EEXIST if there
    // Calls `each` with every name in the directory but . and .., in byte order.
    int (*list)(struct wr_environment *self, const char            *path,
                void (*each)(void *opaque, const char *name), void *opaque);

    // Takes the exclusive lock of an open file without waiting (flock): -EWOULDBLOCK if another
    // open of it has it. Closing the file, or the end of the process, gives it back.
    int (*lock)(struct wr_environment *self, int file);

    // Memory that all who share the file at `path` see, `bytes` long (a multiple of 4096). With
    // `is_writer` the file is made if missing, its room set aside, and the memory may be written.
    // What is in it outlives the process, but not a restart of the machine: check `boot`. NULL:
    // *error is -errno.
    void *(*share)(struct wr_environment *self, const char *path, size_t bytes, bool is_writer,
                   int *error);
    void (*unshare)(struct wr_environment *self, void *memory, size_t bytes);
    // Waits until the shared word is no longer `seen`, a wake of it, or timeout_us (< 0: none);
    // may return early.
    void (*wait_word)(struct wr_environment *self, const uint32_t *word, uint32_t seen,
                      int64_t timeout_us);
    // Wakes all who wait for the word, in every process. After the word was changed.
    void (*wake_word)(struct wr_environment *self, const uint32_t *word);
    uint64_t (*boot)(struct wr_environment *self);    // the same until the machine restarts; not 0
    uint32_t (*process)(struct wr_environment *self); // this process's number
    // Whether the process of that number was killed or exits, and has not given back all it holds.
    bool (*is_ending)(struct wr_environment *self, uint32_t process);

    void (*submit)(struct wr_environment *self, struct wr_request *request);
    // Ends a WAIT that is under way; it completes soon. Nothing if it is done.
    void (*cancel)(struct wr_environment *self, struct wr_request *request);
    bool (*is_done)(struct wr_environment *self, struct wr_request *request); // acquire

    void (*fini)(struct wr_environment *self); // frees it: wr_environment_close
};

struct wr_environment {
    const struct wr_environment_ops *ops;
    bool is_simulated; // nothing happens by itself: who waits makes time pass
};

// The real environment. Its I/O threads start with the first submitted request.
struct wr_environment *wr_environment_open_real(void);

// The simulated environment. Its disk is in memory; with `reads_host` a path that is not on it is
// read from the real file system (what is written never is). Requests complete in an order and
// after virtual delays drawn from the seed. wr_simulation_advance runs what is due.
struct wr_environment *wr_environment_open_simulated(uint64_t seed, bool reads_host);

// Moves the virtual clock to the next due completion or to `until_us`, whichever is first, and
// completes what is due then (calling wake). True if a completion ran. With nothing under way and
// `until_us` at or past WEIR_TIME_MAX there is nothing to wait for: the clock stays.
bool wr_simulation_advance(struct wr_environment *environment, int64_t until_us);
// Virtual time passes by so much (the cost of a step).
void wr_simulation_spend(struct wr_environment *environment, int64_t span_us);
// Requests submitted and not yet completed.
uint32_t wr_simulation_pending(const struct wr_environment *environment);
// When the next of them completes that is no WAIT; INT64_MAX: there is none.
int64_t wr_simulation_due(struct wr_environment *environment);
// Copies every file of the simulated disk to the real file system at its own path, making
// directories as needed. 0 or -errno.
int wr_simulation_export(struct wr_environment *environment);
// Puts a file onto the simulated disk.
void wr_simulation_import(struct wr_environment *environment, const char *path, const void *bytes,
                          size_t length);
// Makes the n-th (from 0) operation of this kind from now on fail with -error.
enum wr_fault { WR_FAULT_OPEN, WR_FAULT_READ, WR_FAULT_WRITE, WR_FAULT_SYNC, WR_FAULT_RENAME };
void wr_simulation_fail(struct wr_environment *environment, enum wr_fault fault, uint32_t nth,
                        int error);

// ---- the simulated disk's faults ----
//
// Operations that change the disk are numbered from 0: writes, syncs of files and directories,
// truncations, preallocations, renames, unlinks, new directories, opens that create or empty.

uint64_t wr_simulation_changes(const struct wr_environment *environment); // so far

enum wr_disk_fault {
    WR_DISK_EIO,    // it fails with -EIO and does nothing
    WR_DISK_ENOSPC, // this and every later one that needs room fails, until wr_simulation_make_room
    WR_DISK_SHORT,  // a write takes only the first half of its bytes and says so
    WR_DISK_UNSYNCED, // a sync fails with -EIO, and what it should have written never will be,
                      // though reads from the page cache still show it (WR_OPEN_DIRECT does not)
    WR_DISK_CRASH_BEFORE, // the machine stops before it
    WR_DISK_CRASH_AFTER   // the machine stops after it
};
void wr_simulation_fault_at(struct wr_environment *environment, uint64_t change,
                            enum wr_disk_fault fault);
// What wr_simulation_fault_at and wr_simulation_fail have asked for and was not met yet.
void wr_simulation_forget_faults(struct wr_environment *environment);
void wr_simulation_make_room(struct wr_environment *environment);

// True once the machine stopped: until wr_simulation_reboot everything fails with -ENODEV (clocks
// go on).
bool wr_simulation_has_stopped(const struct wr_environment *environment);
// The power is cut (if the machine has not stopped already) and comes back: of each block written
// and not synced, the new content, the old, or (a torn write) the first sectors of 512 bytes of the
// new survive, drawn from `seed`; likewise each change of a directory that was not synced, and a
// file's size. Descriptors, locks and shared memory are gone; `boot` is another.
void wr_simulation_reboot(struct wr_environment *environment, uint64_t seed);
// The process is killed: its requests end, and from now on nothing that is left of it reaches the
// disk; wr_simulation_restart or wr_simulation_reboot starts another.
void wr_simulation_kill(struct wr_environment *environment);
// The process is killed, if it was not, and started again: all that was written is there, as is
// shared memory; descriptors and locks are gone.
void wr_simulation_restart(struct wr_environment *environment);
// The bytes of a file on the simulated disk, as a reader sees them; borrowed until the next change.
// NULL: no such file. A test may damage them; what it changes is on the disk at once.
char *wr_simulation_bytes(struct wr_environment *environment, const char *path, size_t *length);

// How many blocks of a file on the simulated disk a crash now could lose: those written and not yet
// synced. 0 if there is no such file.
uint32_t wr_simulation_unsynced_blocks(struct wr_environment *environment, const char *path);

// Requests under way complete first; one that waits on an idle pipe or terminal, with -ECANCELED.
void wr_environment_close(struct wr_environment *environment);

// Short spellings.
static inline int64_t wr_now_us(struct wr_environment *e) { return e->ops->now_us(e); }
static inline void    wr_submit(struct wr_environment *e, struct wr_request *r)
{
    e->ops->submit(e, r);
}
static inline void wr_cancel(struct wr_environment *e, struct wr_request *r)
{
    e->ops->cancel(e, r);
}
static inline bool wr_request_is_done(struct wr_environment *e, struct wr_request *r)
{
    return e->ops->is_done(e, r);
}

#endif // WR_ENVIRONMENT_H
