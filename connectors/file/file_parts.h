// file_parts: what a file sink writes in a run with checkpoints: a directory of parts, each with
// the records between two barriers of a task, each there as a whole or not at all.
//
//   out.jsonl/.part-OWNER-TASK-EPOCH-COUNT.tmp     being written; synced when it is prepared
//   out.jsonl/part-CHECKPOINT-TASK-EPOCH.jsonl     the same file, once the checkpoint is durable
//
// A directory, because several tasks may write, because a file cannot grow by a part at once, and
// because a source reads the files of a directory in byte order, but those whose name begins with a
// dot: so the output of one job is the input of another while it runs. Parts come in the order of
// their checkpoints (ten digits), then of tasks. OWNER is a hash of the job's and the operator's
// name, EPOCH a random number of this opening of the sink: no part ever gets the name of another,
// and what was left unfinished is known to be this operator's and nobody's any more.
//
// A token is the checkpoint in decimal, a space, and the path of the part as it was prepared; only
// its name, in the sink's directory, if the path is too long. A part that is neither there under
// that name nor under its last one was shown and has been taken away since.
//
// Why a crash leaves no half part, loses none and shows none twice: the name of a part that was
// prepared, and its bytes, are on disk before the checkpoint is; a rename leaves one of two names;
// the directory is synced before a commit counts, also by who finds that it was renamed already.
//
// Thread rule: as of struct wr_committer: set aside by the worker, then the coordinator's until it
// is prepared.
#ifndef WR_FILE_PARTS_H
#define WR_FILE_PARTS_H

#include "connectors/file/file.h"

struct wr_file_parts {
    struct wr_node *node;
    const char     *directory; // borrowed
    const char     *extension; // ".jsonl"; borrowed
    uint64_t        owner, epoch;
    uint32_t        count;      // parts begun
    char           *path;       // of the one being written; NULL: none
    char           *aside_path; // of the one set aside
    struct wr_file *aside;
};

void wr_file_parts_open(struct wr_file_parts *parts, struct wr_node *node, const char *directory,
                        const char *extension);
// From now on parts can be made. Makes the directory if it is missing. A negative errno; -EEXIST:
// there is a file.
int wr_file_parts_make_directory(struct wr_file_parts *parts);
// Removes what was not prepared; the file being written is closed.
void wr_file_parts_close(struct wr_file_parts *parts);

// Begins a part; NULL, and a negative errno in *error.
struct wr_file *wr_file_parts_begin(struct wr_file_parts *parts, int *error);
// Takes the part that is being written, whole (handed).
void wr_file_parts_set_aside(struct wr_file_parts *parts, struct wr_file *file);

// As of struct wr_committer.
bool wr_file_parts_prepare(struct wr_file_parts *parts, uint64_t checkpoint, struct wr_token *token,
                           struct wr_error *error);
bool wr_file_parts_commit(const struct wr_file_parts *parts, const struct wr_token *token,
                          struct wr_error *error);
bool wr_file_parts_recover(const struct wr_file_parts *parts, const struct wr_token *tokens,
                           uint32_t count, struct wr_error *error);
// After that: removes what is unfinished of the operator in the directory.
bool wr_file_parts_clear(const struct wr_file_parts *parts, struct wr_error *error);

#endif // WR_FILE_PARTS_H
