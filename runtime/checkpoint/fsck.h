// fsck: what is wrong with a store of checkpoints, found by reading all of it. It never writes,
// works on a damaged store, and beside a living writer.
//
// Each kind has an exit code of its own; of several the gravest counts, which is the last of these
// that was found:
//
//   code  kind
//      0  clean
//     30  leftover      what a checkpoint that was not published left; the next one clears it away
//     31  epoch         the file "epoch" is damaged, missing, or lower than what is there
//     32  unreadable    a file or the directory could not be read
//     33  foreign       bytes of a state file that belong to another file or another place
//     34  reference     manifest, index and blocks are each whole, and do not fit together
//     35  damaged       bytes of a state file are not what was written
//     36  cut-short     a state file has another length than it must have
//     37  manifest      a manifest is damaged
//     38  missing       a state file, or the newest manifest, is not there
//
// Thread rule: owned by one thread.
#ifndef WR_CHECKPOINT_FSCK_H
#define WR_CHECKPOINT_FSCK_H

#include "runtime/base/environment.h"
#include "runtime/base/error.h"

// From the least grave to the gravest: name, exit code, word.
#define WR_STORE_KIND_LIST(X)                                                                      \
    X(CLEAN, 0, "clean")                                                                           \
    X(LEFTOVER, 30, "leftover")                                                                    \
    X(EPOCH, 31, "epoch")                                                                          \
    X(UNREADABLE, 32, "unreadable")                                                                \
    X(FOREIGN, 33, "foreign")                                                                      \
    X(REFERENCE, 34, "reference")                                                                  \
    X(DAMAGED, 35, "damaged")                                                                      \
    X(SHORT, 36, "cut-short")                                                                      \
    X(MANIFEST, 37, "manifest")                                                                    \
    X(MISSING, 38, "missing")

enum wr_store_kind {
#define WR_STORE_KIND_ENUM(name, code, word) WR_STORE_##name,
    WR_STORE_KIND_LIST(WR_STORE_KIND_ENUM)
#undef WR_STORE_KIND_ENUM
};
int         wr_store_kind_exit_code(enum wr_store_kind kind);
const char *wr_store_kind_word(enum wr_store_kind kind);

struct wr_store_finding {
    enum wr_store_kind kind;
    const char        *sentence;
    const char        *path;
    uint64_t           byte;       // of the file; UINT64_MAX: all of it
    uint64_t           checkpoint; // whose manifest refers to it; 0: none
};

struct wr_store_summary {
    uint32_t           manifests, files; // published; state files
    uint64_t           blocks, bytes;    // read, of state files
    uint64_t           read_bytes;       // so far, those read twice too
    uint32_t           findings;
    enum wr_store_kind gravest;
    uint64_t           newest;     // published; 0: none
    bool               has_writer; // a process has it open for writing
};

struct wr_store_fsck_options {
    void (*found)(void *opaque, const struct wr_store_finding *finding);  // may be NULL
    void (*advanced)(void *opaque, const struct wr_store_summary *sofar); // a block; may be NULL
    void *opaque;
};

// Checks the store in `directory`. WEIR_OK: it was checked, and *summary says how it is; else a
// sentence: there is no such directory, or it cannot be listed.
weir_status wr_store_fsck(struct wr_environment *environment, const char *directory,
                          const struct wr_store_fsck_options *options,
                          struct wr_store_summary *summary, struct wr_error *error);

#endif // WR_CHECKPOINT_FSCK_H
