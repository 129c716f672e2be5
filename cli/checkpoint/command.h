// command: one call of `weir checkpoint VERB`, and what verbs share: opening a checkpoint,
// sentences, output.
//
// A verb is a struct wr_checkpoint_verb in a file of its own; verbs.c lists them. All but delete
// only read, and work beside a running job.
//
// Thread rule: the main thread's.
#ifndef WR_CLI_CHECKPOINT_COMMAND_H
#define WR_CLI_CHECKPOINT_COMMAND_H

#include "cli/log/command.h"
#include "runtime/base/environment.h"
#include "runtime/checkpoint/checkpoint.h"

struct wr_checkpoint_command {
    const struct wr_checkpoint_verb *verb;
    const char                      *directory;
    const char *const               *words; // behind DIR
    uint32_t                         word_count;
    bool                             wants_help, as_json, is_quiet, is_forced;
    struct wr_environment           *environment;
};

struct wr_checkpoint_verb {
    const char *name;
    const char *words;       // "DIR [N]"
    const char *summary;     // one line
    const char *more;        // paragraphs and examples, for its help
    uint32_t    least, most; // words, DIR included
    bool        takes_force;
    int (*run)(struct wr_checkpoint_command *command); // the exit code
};

extern const struct wr_checkpoint_verb wr_checkpoint_list_verb, wr_checkpoint_inspect_verb,
    wr_checkpoint_dump_verb, wr_checkpoint_diff_verb, wr_checkpoint_delete_verb,
    wr_checkpoint_fsck_verb;

// `weir checkpoint ...`; argv[0] is "checkpoint". The exit code.
int wr_checkpoint_command(int argc, char **argv);

// ---- sentences; each returns an exit code ----

int wr_checkpoint_misused(const struct wr_checkpoint_command *command, const char *sentence, ...)
    WEIR_PRINTF(2, 3);
int wr_checkpoint_failed(struct wr_error *error); // and frees it

// ---- checkpoints ----

// A number that is not 0, or "latest", which is 0.
bool wr_checkpoint_is_number(const char *word, uint64_t *number);

// Published ones, rising; *numbers is wr_alloc'ed. 0, or the exit code of what was said.
int wr_checkpoint_numbers(const struct wr_checkpoint_command *command, uint64_t **numbers,
                          uint32_t *count);

// Opens checkpoint `number` (0: the newest, which there must be) for reading. The writer may
// publish and delete meanwhile: what it deleted is not found.
weir_status wr_checkpoint_try_open(const struct wr_checkpoint_command *command, uint64_t number,
                                   struct wr_store **store, struct wr_error *error);
// The same; 0, or the exit code of what was said.
int wr_checkpoint_open(const struct wr_checkpoint_command *command, uint64_t number,
                       struct wr_store **store);

// Says why something of an open checkpoint could not be read, and frees it.
int wr_checkpoint_read_failed(const struct wr_checkpoint_command *command, uint64_t number,
                              struct wr_error *error);

// Whether one of the checkpoint's tasks has an operator of that name; else says which there are.
bool wr_checkpoint_has_operator(const struct wr_store *store, const char *name);
int  wr_checkpoint_no_operator(const struct wr_store *store, const char *name);

// `code`, or that of what became of stdout if it is 0: 0 if its reader went away.
int wr_checkpoint_end(int code);

#endif // WR_CLI_CHECKPOINT_COMMAND_H
