// The store's own header: what its files share.
//
//   store.c         opening: directory, lock, epoch, what is there; closing
//   store_read.c    blocks, with a few files kept open
//   store_write.c   a checkpoint from begin to publish
//   collect.c       what is deleted after a publish
//   savepoint.c     a copy that stands alone
#ifndef WR_CHECKPOINT_STORE_H
#define WR_CHECKPOINT_STORE_H

#include "runtime/checkpoint/checkpoint.h"
#include "runtime/checkpoint/load.h"
#include "runtime/checkpoint/state_file.h"

#define WR_STORE_KEEPS 3u
#define WR_STORE_OPEN  16u // files kept open for reading

// Names, in byte order.
struct wr_names {
    char   **names;
    uint32_t count, capacity;
};
// In the shape that an environment's `list` calls; opaque is a struct wr_names.
void wr_names_add(void *opaque, const char *name);
void wr_names_sort(struct wr_names *names);
bool wr_names_have(const struct wr_names *names, const char *name); // of sorted ones
void wr_names_fini(struct wr_names *names);

// A retained checkpoint: the state files that its manifest and its indexes name.
struct wr_retained {
    uint64_t        checkpoint;
    struct wr_names files;
};

struct wr_store_reader {
    char    *name;
    int      file;
    uint64_t used_at; // the store's count of reads
};

// The checkpoint in progress.
struct wr_progress {
    bool                   is_active;
    uint64_t               id;
    uint32_t               task_count;
    struct wr_state_file **files;
    uint32_t               file_count;
    struct wr_error        error; // why it failed; WEIR_OK: it has not
};

struct wr_store {
    struct wr_environment  *environment;
    char                   *directory;
    struct wr_store_options options;
    int                     lock_file; // -1: none
    struct wr_epoch         epoch;     // as it is on the disk
    bool                    is_open;
    uint64_t                next;
    bool                    has_newest;
    struct wr_loaded        newest; // what wr_store_manifest is
    struct wr_error         poison; // a sync failed; WEIR_OK: none did
    struct wr_progress      progress;
    struct wr_retained     *retained; // those known so far
    uint32_t                retained_count;
    struct wr_store_reader  readers[WR_STORE_OPEN];
    uint64_t                read_count;
    char                  **names; // given by wr_store_rename
    uint32_t                name_count;
};

// Takes note of what became known of a checkpoint.
void wr_store_retain(struct wr_store *store, const struct wr_loaded *loaded);
// Deletes what is not retained, after a publish. What fails is a warning.
void wr_store_collect(struct wr_store *store);
void wr_store_warn(const struct wr_store *store, const char *sentence, ...) WEIR_PRINTF(2, 3);
// From now on nothing is written.
void wr_store_poison(struct wr_store *store, const char *sentence);
void wr_store_close_readers(struct wr_store *store);

#endif // WR_CHECKPOINT_STORE_H
