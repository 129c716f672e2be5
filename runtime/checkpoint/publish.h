// publish: the one commit point. Private to runtime/checkpoint.
#ifndef WR_PUBLISH_H
#define WR_PUBLISH_H

#include "runtime/base/error.h"
#include "runtime/checkpoint/manifest.h"
#include "runtime/checkpoint/state_file.h"

enum wr_publication {
    WR_PUBLISHED,          // durable
    WR_PUBLISHED_NOT,      // as if never tried
    WR_PUBLISHED_NOT_SYNC, // the same, and a sync failed
    WR_PUBLISHED_PERHAPS   // the last sync failed: a crash may or may not take it back
};

// Publishes a checkpoint in `directory` whose files are all finished (`files`, by rising task):
// syncs the directory, writes the manifest under another name, renames it, syncs the directory.
// `facts` has what the caller gives and is_savepoint. *published is what was published, for
// wr_manifest_fini; empty unless WEIR_OK.
weir_status wr_publish(struct wr_environment *environment, const char *directory,
                       const struct wr_manifest *facts, struct wr_state_file *const *files,
                       uint32_t file_count, struct wr_manifest *published,
                       enum wr_publication *outcome, struct wr_error *error);

#endif // WR_PUBLISH_H
