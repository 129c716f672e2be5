// checkpoint: the store, a directory of consistent pictures of a job.
//
//   tasks --images--> state files, each ended by its task's index --> all synced --> manifest,
//   published by one rename
//
//   DIR/lock                           held by the one process that writes (lock_file.h)
//   DIR/epoch                          how often it was opened for writing (load.h)
//   DIR/c0000000012-e00003-t00000      state file of a task at a checkpoint (block.h, index.h)
//   DIR/manifest-0000000012            a published checkpoint (manifest.h)
//   DIR/manifest.tmp-e00003, *.tmp     on their way; worth nothing
//
//   image       one segment of a table, packed; opaque to the store
//   block       an image in a state file, with a header that says what it is of
//   place       where an image lies: which file of the task, where, how long, its checksum
//   index       all places of one task at one checkpoint, and its small state
//   manifest    the one commit point: which state files a checkpoint is, and their checksums
//   savepoint   a checkpoint copied whole into a directory of its own, which opens like any other
//   leftover    a file that no published manifest refers to, by itself or through an index
//
// An index refers to files of earlier checkpoints where a segment has not changed since; so a
// checkpoint is incremental, and a file lives as long as an index of a retained manifest names it.
//
// Invariants. Ids of checkpoints only rise, and so do epochs: no file name is used twice. A state
// file is never opened for writing again. A manifest is published after all it refers to is synced,
// names and all. What is deleted was unreferenced by every manifest that is retained, and no newer
// than the last published checkpoint; first manifests, then a sync of the directory, then files. A
// sync that failed is never tried again: the store is poisoned and refuses to write until it is
// opened again. The newest published manifest, if damaged, is refused by name, never skipped.
//
// Thread rule: a store is owned by one thread at a time. It blocks on the disk.
#ifndef WR_CHECKPOINT_H
#define WR_CHECKPOINT_H

#include "runtime/base/environment.h"
#include "runtime/checkpoint/index.h"
#include "runtime/checkpoint/manifest.h"

struct wr_store;
struct wr_state_file; // one that is being written

struct wr_store_options {
    bool     writes;     // takes the lock and a new epoch
    bool     creates;    // with `writes`: makes the directory if it is missing
    bool     is_new;     // with `writes`: there must be nothing in it yet (WEIR_CONFLICT)
    uint64_t checkpoint; // the published one to open at; 0: the newest
    uint32_t keeps;      // published checkpoints that are kept; 0: 3
    // What went wrong and does not matter now: a file that could not be deleted. May be NULL.
    void (*warn)(void *opaque, const char *sentence);
    void *opaque;
};

// Opens the store in `directory`: reads the manifest and checks that all it refers to is there, as
// long as it must be, and that each index is what was written. Else a sentence, and *store is NULL:
//   WEIR_NOT_FOUND   no such directory, or (options.checkpoint) no such manifest
//   WEIR_CONFLICT    another process writes; or it is of another kind of machine, or newer
//   WEIR_DAMAGED     what is there is not what was written
//   or what the disk said
weir_status wr_store_open(struct wr_environment *environment, const char *directory,
                          const struct wr_store_options *options, struct wr_store **store,
                          struct wr_error *error);
// Gives up the checkpoint in progress. NULL is nothing.
void wr_store_close(struct wr_store *store);

// ---- what is there: of the checkpoint it was opened at, or else the last published since ----
//
// What these point at is valid until the next publish. Places are of this directory: a task that
// was restored from a savepoint writes all of its segments again.

const struct wr_manifest *wr_store_manifest(const struct wr_store *store); // NULL: none yet
// Of manifest->tasks[at].
const struct wr_index *wr_store_index(const struct wr_store *store, uint32_t at);
// What is there of the operator `from`, and of those whose names begin with "from/", is that of
// `to` from here on, in memory; unless there is something of `to`.
void        wr_store_rename(struct wr_store *store, const char *from, const char *to);
uint32_t    wr_store_epoch(const struct wr_store *store); // of this opening
const char *wr_store_directory(const struct wr_store *store);
// The least id that the next checkpoint may have; at least 1.
uint64_t wr_store_next(const struct wr_store *store);

// Reads the block of a segment of the index of tasks[at] and checks it: it is what the index says,
// or a sentence. `buffer` has room for wr_block_bytes(segment->place.bytes); the image begins
// WR_BLOCK_HEADER_BYTES into it.
weir_status wr_store_read_block(struct wr_store *store, uint32_t at,
                                const struct wr_index_segment *segment, char *buffer,
                                struct wr_error *error);

// ---- a checkpoint ----
//
//   begin --> for each task: file_open, write ..., finish --> publish
//         \-> abort, at any time
//
// The first call that fails ends the checkpoint: its files are removed at once, all further calls
// say the same sentence, until wr_store_abort. WEIR_FULL: there was no room; the next checkpoint
// may succeed. WEIR_FENCED: another process took over. After a failed sync the store is poisoned.

weir_status wr_store_begin(struct wr_store *store, uint64_t id, uint32_t task_count,
                           struct wr_error *error);
// The file of one task, empty. `number` is what its places name it by: the task's own, greater than
// those of all files in its index. WEIR_FENCED: checkpoint `id` is not in progress. *file is the
// store's, and void after publish or abort.
weir_status wr_store_file_open(struct wr_store *store, uint64_t id, uint32_t task, uint32_t number,
                               struct wr_state_file **file, struct wr_error *error);
const char *wr_state_file_name(const struct wr_state_file *file);
uint64_t    wr_state_file_bytes(const struct wr_state_file *file); // written so far

// One block of a buffer that is to be written.
struct wr_block {
    uint32_t               at; // where in the buffer its header is to be: the end of the one before
    struct wr_block_header header; // all but crc
    struct wr_block_place  place;  // set by the store
};

// Appends `count` blocks, which lie in `buffer` one behind the other: room for a header, the
// payload, room up to a multiple of 8. Fills in headers and places.
weir_status wr_store_write(struct wr_state_file *file, char *buffer, struct wr_block *blocks,
                           uint32_t count, struct wr_error *error);

// The same for blocks that the caller has sealed (wr_block_seal) for where they come to lie: at
// wr_state_file_bytes and behind.
weir_status wr_store_append(struct wr_state_file *file, const char *bytes, size_t length,
                            uint32_t block_count, struct wr_error *error);

// Ends the file with the task's index and syncs it. index->files lists every file that a segment of
// it lies in, this one too, by rising number; the store sets their `used`, index->id, and `bytes`
// of this one. Files of which nothing is used do not get into the index that is stored.
weir_status wr_store_file_finish(struct wr_state_file *file, struct wr_index *index,
                                 struct wr_error *error);

// Publishes the checkpoint, all of whose task_count files are finished; then deletes what is not
// retained. After WEIR_OK it is durable. After an error it is not, unless the last sync failed:
// then the next opening shows.
weir_status wr_store_publish(struct wr_store *store, const struct wr_manifest *manifest,
                             struct wr_error *error);
// Gives up checkpoint `id` and removes its files; nothing if it is not in progress.
void wr_store_abort(struct wr_store *store, uint64_t id);

// Copies the checkpoint of wr_store_manifest into `directory`, which is made, or empty: only blocks
// that are alive, one file a task. If it fails nothing is left there, and the store is as it was.
weir_status wr_store_savepoint(struct wr_store *store, const char *directory,
                               struct wr_error *error);
// Makes that directory ahead of time, or finds it empty: what would be refused is refused before
// anything is done for a savepoint's sake. Any thread.
weir_status wr_store_savepoint_directory(struct wr_environment *environment, const char *directory,
                                         struct wr_error *error);

// ---- by hand ----

struct wr_store_deletion {
    uint64_t checkpoint;
    bool     may_be_newest; // else the newest is refused: WEIR_USAGE
    // What went wrong and does not matter now, as in wr_store_options.
    void (*warn)(void *opaque, const char *sentence);
    void    *opaque;
    uint64_t files, bytes; // set: what was deleted besides the manifest
};

// Deletes a published checkpoint, be it damaged, and the files that no other needs, in a store that
// no process has open for writing (else WEIR_CONFLICT). If another one cannot be read, which may
// need them, files stay. WEIR_NOT_FOUND: there is no such checkpoint; nothing was made or changed.
weir_status wr_store_delete(struct wr_environment *environment, const char *directory,
                            struct wr_store_deletion *deletion, struct wr_error *error);

#endif // WR_CHECKPOINT_H
