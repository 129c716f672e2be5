// manifest: what makes a checkpoint count. A text file with its own checksum (text_file.h), named
// manifest-0000000012 by its checkpoint; one fact a line:
//
//   weir checkpoint 1             the format
//   version 0.1.0                 of the library that wrote it
//   checkpoint 12
//   epoch 3                       of the process that wrote it
//   savepoint no                  whether it is a copy that stands alone
//   final no                      whether the job had ended, and this is its last state
//   stopped no                    whether the job was stopped by it
//   began 1767225600000000        wall clock, microseconds since 1970
//   durable 1767225600050000      when it was about to be published
//   job card-guard
//   graph 00c0ffee00c0ffee        hash of the job's graph, 16 hexadecimal digits
//   seed 0123456789abcdef         of the hashes of keys
//   cells 65536                   that key ranges are counted in
//   endianness little             of what is in the state files
//   operators 2                   how many lines of the caller's own follow
//   operator failed filter
//   operator by-card window key u64
//   tasks 2                       how many lines follow
//   task 0 stage 0 instance 0 cells 0 65536 bytes 812 index 1a2b3c4d file c0000000012-e00003-t00000
//   task 1 stage 1 instance 0 cells 0 65536 bytes 9020 index 5e6f7a8b file
//   c0000000012-e00003-t00001 crc32c 9c8d7e6f
//
// `bytes` is the length of the state file, `index` the checksum of its index.
//
// Validity. Tasks come by rising number and have files of their own number, of this checkpoint and
// epoch. The instances of a stage are 0, 1, ... n - 1; their ranges of cells are, in that order, a
// partition of all cells, or each of them is all cells (a stage whose records are not keyed), or
// each is empty.
//
// Crash argument. The manifest is written under another name and synced after everything it names
// is on disk, then gets its own name by a rename that replaces nothing, then the directory is
// synced. So a manifest that is there is whole, and so is what it names; if not, the disk is
// damaged, and nobody falls back to an older one unasked.
#ifndef WR_MANIFEST_H
#define WR_MANIFEST_H

#include "runtime/base/environment.h"
#include "runtime/base/error.h"
#include "runtime/checkpoint/block.h"

#define WR_MANIFEST_NAME_BYTES 40u
#define WR_MANIFEST_FORMAT     1u

struct wr_manifest_task {
    uint32_t    task;
    uint32_t    stage, instance;
    uint32_t    first_cell, end_cell;
    uint64_t    bytes;
    uint32_t    index_crc;
    const char *file;
};

struct wr_manifest {
    // The store's to set.
    uint64_t                       checkpoint;
    uint32_t                       epoch;
    bool                           is_savepoint;
    int64_t                        durable_us; // wall clock
    const char                    *version;
    const struct wr_manifest_task *tasks;
    uint32_t                       task_count;
    // The caller's. No text may have a line's end in it.
    bool               is_final, is_stopped;
    int64_t            began_us; // wall clock
    const char        *job;
    uint64_t           graph_hash, hash_seed;
    const char *const *operators; // their names and types, as the caller wants to compare them
    uint32_t           operator_count;

    char *memory; // of one that was parsed: the texts; else NULL
};

// `name` has WR_MANIFEST_NAME_BYTES.
void wr_manifest_name(uint64_t checkpoint, char *name);
bool wr_manifest_name_parse(const char *name, uint64_t *checkpoint);
// The numbers of the checkpoints that are published in the directory, rising; *numbers is
// wr_alloc'ed, also after a failure.
weir_status wr_manifest_numbers(struct wr_environment *environment, const char *directory,
                                uint64_t **numbers, uint32_t *count, struct wr_error *error);
// Says that the directory cannot be listed. WEIR_CONFLICT: there is a file in its place.
weir_status wr_manifest_not_listed(const char *directory, int io_error, struct wr_error *error);
// "there are 5, 6 and 7": those that are published, in words (wr_alloc'ed); of many the newest.
char *wr_manifest_list_text(struct wr_environment *environment, const char *directory);

// The text (wr_alloc'ed), without its checksum; NULL: a text of the caller's has a line's end.
char *wr_manifest_text(const struct wr_manifest *manifest);
// From a text without its checksum (wr_alloc'ed), which is handed over, whatever becomes of it.
// `path` is for sentences. Else a sentence: WEIR_DAMAGED, or WEIR_CONFLICT for one of another kind
// of machine or a newer version.
weir_status wr_manifest_parse(char *text, const char *path, struct wr_manifest *manifest,
                              struct wr_error *error);
void        wr_manifest_fini(struct wr_manifest *manifest); // only of a parsed one

#endif // WR_MANIFEST_H
