// command: what verbs of `weir checkpoint` share: opening a checkpoint, and its operators.
//
// A verb is a struct wr_tool_verb in a file of its own; verbs.c lists them. All but delete only
// read, and work beside a running job.
//
// Thread rule: the main thread's.
#ifndef WR_CLI_CHECKPOINT_COMMAND_H
#define WR_CLI_CHECKPOINT_COMMAND_H

#include "cli/tool/tool.h"
#include "runtime/checkpoint/checkpoint.h"

enum { WR_CHECKPOINT_FORCE }; // numbers of its options

extern const struct wr_tool_verb wr_checkpoint_list_verb, wr_checkpoint_inspect_verb,
    wr_checkpoint_dump_verb, wr_checkpoint_diff_verb, wr_checkpoint_delete_verb,
    wr_checkpoint_fsck_verb;

// `weir checkpoint ...`; argv[0] is "checkpoint". The exit code.
int wr_checkpoint_command(int argc, char **argv);

// ---- checkpoints ----

// A number that is not 0, or "latest", which is 0.
bool wr_checkpoint_is_number(const char *word, uint64_t *number);

// Published ones, rising; *numbers is wr_alloc'ed. 0, or the exit code of what was said.
int wr_checkpoint_numbers(const struct wr_tool_call *command, uint64_t **numbers, uint32_t *count);

// Says that there is none in the directory; WEIR_NOT_FOUND.
weir_status wr_checkpoint_set_none(const struct wr_tool_call *command, struct wr_error *error);

// Opens checkpoint `number` (0: the newest, which there must be) for reading. The writer may
// publish and delete meanwhile: what it deleted is not found.
weir_status wr_checkpoint_try_open(const struct wr_tool_call *command, uint64_t number,
                                   struct wr_store **store, struct wr_error *error);
// The same; 0, or the exit code of what was said.
int wr_checkpoint_open(const struct wr_tool_call *command, uint64_t number,
                       struct wr_store **store);

// Says why something of an open checkpoint could not be read, and frees it.
int wr_checkpoint_read_failed(const struct wr_tool_call *command, uint64_t number,
                              struct wr_error *error);

// Whether one of the checkpoint's tasks has an operator of that name; else says which there are.
bool wr_checkpoint_has_operator(const struct wr_store *store, const char *name);
int  wr_checkpoint_no_operator(const struct wr_store *store, const char *name);

#endif // WR_CLI_CHECKPOINT_COMMAND_H
