// `weir checkpoint VERB ...`: the list of verbs.
#include "cli/checkpoint/command.h"

static const struct wr_tool_verb *const verbs[] = {
    &wr_checkpoint_list_verb, &wr_checkpoint_inspect_verb, &wr_checkpoint_dump_verb,
    &wr_checkpoint_diff_verb, &wr_checkpoint_delete_verb,  &wr_checkpoint_fsck_verb,
};

static const struct wr_tool_option options[] = {
    [WR_CHECKPOINT_FORCE] = { 'f', "force", NULL,
                              "also the newest, from which the job would go on" },
};

static const struct wr_tool tool = {
    .name = "checkpoint",
    .about =
        "Looks into the checkpoints of a job: a directory of pictures of its state, from which "
        "it\ngoes on. All but delete never write, and work beside a running job.",
    .more         = " N is a checkpoint's number;\nlatest, or none, is the newest.\n\n"
                    "exit codes: 0 done, 1 failed, 2 wrong command line, 3 unreachable, "
                    "4 not found, 5 somebody else\n            has it, 7 damaged, 8 disk full, "
                    "9 disk failed, 30 to 38 see weir checkpoint fsck --help,\n"
                    "            130 interrupted\n",
    .verbs        = verbs,
    .verb_count   = WR_COUNT_OF(verbs),
    .options      = options,
    .option_count = WR_COUNT_OF(options),
};

int wr_checkpoint_command(int argc, char **argv) { return wr_tool_run(&tool, argc, argv); }
