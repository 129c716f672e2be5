// load: a published checkpoint as it is read: manifest, then the end of each task's file. Private
// to runtime/checkpoint.
#ifndef WR_CHECKPOINT_LOAD_H
#define WR_CHECKPOINT_LOAD_H

#include "runtime/base/environment.h"
#include "runtime/checkpoint/fsck.h"
#include "runtime/checkpoint/index.h"
#include "runtime/checkpoint/manifest.h"

#define WR_EPOCH_FORMAT 1u

// What else can be done about a checkpoint that is damaged, where no copy can be put back.
#define WR_LOAD_ELSE                                                                               \
    "choose an older checkpoint by its number: --restore N goes on from there, and what sinks "    \
    "have shown since comes again"

struct wr_loaded {
    struct wr_manifest manifest;
    struct wr_index   *indexes; // of manifest.tasks
};

// What went wrong, for fsck: beside the error.
struct wr_load_fault {
    enum wr_store_kind kind;
    char              *path; // wr_alloc'ed
    uint64_t           byte;
};
void wr_load_fault_fini(struct wr_load_fault *fault);

// `fault` may be NULL in all of these.

weir_status wr_load_manifest(struct wr_environment *environment, const char *directory,
                             uint64_t checkpoint, struct wr_manifest *manifest,
                             struct wr_load_fault *fault, struct wr_error *error);
// Trailer and index of the file of manifest->tasks[at], which must have its length.
weir_status wr_load_index(struct wr_environment *environment, const char *directory,
                          const struct wr_manifest *manifest, uint32_t at, struct wr_index *index,
                          struct wr_trailer *trailer, struct wr_load_fault *fault,
                          struct wr_error *error);
// Whether file `name`, of checkpoint `checkpoint`, is there with this length.
weir_status wr_load_check_file(struct wr_environment *environment, const char *directory,
                               const char *name, uint64_t bytes, const char *referrer,
                               struct wr_load_fault *fault, struct wr_error *error);
// All of that, and that every file an index names is there.
weir_status wr_load(struct wr_environment *environment, const char *directory, uint64_t checkpoint,
                    struct wr_loaded *loaded, struct wr_error *error);
void        wr_loaded_fini(struct wr_loaded *loaded);

// Reads one block and checks that it is the segment's; `file` is open for reading, `path` its name
// for sentences, `id` its identity. As wr_store_read_block.
weir_status wr_load_block(struct wr_environment *environment, int file, const char *path,
                          const struct wr_file_id *id, const struct wr_index_segment *segment,
                          char *buffer, struct wr_load_fault *fault, struct wr_error *error);

// DIR/epoch, a text file:
//
//   weir epoch 1
//   epoch 3         how often the directory was opened for writing
//   newest 12       a published checkpoint, known to be durable when this was written: as newest at
//                   the opening, or at a clean close; 0: none. So that a manifest that is taken
//                   away does not look like one that was never published
//   last 14         may be missing; a published checkpoint that was deleted when it was the newest
//                   (wr_store_delete): the next one has a greater number all the same
//   crc32c 1a2b3c4d
struct wr_epoch {
    uint32_t epoch;
    uint64_t newest;
    uint64_t last; // 0: there is no such line
};
// WEIR_NOT_FOUND: there is no such file.
weir_status wr_epoch_read(struct wr_environment *environment, const char *directory,
                          struct wr_epoch *epoch, struct wr_error *error);
weir_status wr_epoch_write(struct wr_environment *environment, const char *directory,
                           const struct wr_epoch *epoch, struct wr_error *error);

#endif // WR_CHECKPOINT_LOAD_H
