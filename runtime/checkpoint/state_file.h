// state_file: writing one state file, from its creation to its sync. Knows no store: a savepoint is
// written by the same calls. Private to runtime/checkpoint.
#ifndef WR_STATE_FILE_H
#define WR_STATE_FILE_H

#include "runtime/base/error.h"
#include "runtime/checkpoint/checkpoint.h"

struct wr_state_file {
    struct wr_store       *store; // NULL: of a savepoint
    struct wr_environment *environment;
    struct wr_file_id      id;
    uint32_t               number; // among the files of its task
    char                   name[WR_STATE_NAME_BYTES];
    char                  *path;
    int                    file; // -1: closed
    uint64_t               bytes;
    uint64_t               block_count;
    bool                   is_made;     // and not removed
    bool                   is_unsynced; // its sync failed
    bool                   is_finished;
    struct wr_index        index; // of one that is finished: as it was stored
    uint32_t               index_crc;
};

// Creates it; fails if there is one. The struct is the caller's, and needs fini whatever happens.
weir_status wr_state_file_init(struct wr_state_file *file, struct wr_environment *environment,
                               const char *directory, const struct wr_file_id *id, uint32_t number,
                               struct wr_error *error);
// Blocks that are sealed already, for this place in the file.
weir_status wr_state_file_append(struct wr_state_file *file, const char *bytes, size_t length,
                                 uint32_t block_count, struct wr_error *error);
// As wr_store_write and wr_store_file_finish.
weir_status wr_state_file_write(struct wr_state_file *file, char *buffer, struct wr_block *blocks,
                                uint32_t count, struct wr_error *error);
weir_status wr_state_file_finish(struct wr_state_file *file, const char *directory,
                                 struct wr_index *index, struct wr_error *error);
// Closes and unlinks it, if it is there.
void wr_state_file_remove(struct wr_state_file *file);
// Closes it; what is on the disk stays.
void wr_state_file_fini(struct wr_state_file *file);

#endif // WR_STATE_FILE_H
