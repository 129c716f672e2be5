// entries: what lies in the tables of a checkpoint, entry by entry.
//
// Each segment is unpacked into a table of its own, which checks it, and then walked.
#ifndef WR_CLI_CHECKPOINT_ENTRIES_H
#define WR_CLI_CHECKPOINT_ENTRIES_H

#include "runtime/checkpoint/checkpoint.h"
#include "runtime/state/state.h"

struct wr_entries {
    struct wr_store *store;
    struct wr_pool  *pool;
    char            *buffer; // a block
    size_t           buffer_bytes;
};

void wr_entries_init(struct wr_entries *entries, struct wr_store *store);
void wr_entries_fini(struct wr_entries *entries);

// Calls `each` with every entry of a segment of the table, which is one of task `at` of the
// manifest, in no particular order. False from it ends the walk, and is no failure.
weir_status
wr_entries_walk(struct wr_entries *entries, uint32_t at, const struct wr_index_table *table,
                const struct wr_index_segment *segment,
                bool (*each)(void *opaque, const void *key, uint32_t length, const void *value),
                void *opaque, struct wr_error *error);

#endif // WR_CLI_CHECKPOINT_ENTRIES_H
