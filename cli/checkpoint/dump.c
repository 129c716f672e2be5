// weir checkpoint dump: every entry and cell of a checkpoint, as JSON Lines.
#include "cli/checkpoint/command.h"
#include "cli/checkpoint/state_dump.h"

static bool is_over(void) { return ferror(stdout) != 0 || wr_command_is_interrupted(); }

static int dump_store(const struct wr_tool_call *command, struct wr_store *store,
                      const char *operator_name)
{
    struct wr_error error = { .status = WEIR_OK };
    if (operator_name != NULL && !wr_checkpoint_has_operator(store, operator_name)) {
        return wr_checkpoint_no_operator(store, operator_name);
    }
    const weir_status status = wr_state_dump(store, operator_name, stdout, is_over, &error);
    (void)fflush(stdout);
    if (status != WEIR_OK) {
        return wr_checkpoint_read_failed(command, wr_store_manifest(store)->checkpoint, &error);
    }
    return wr_command_is_interrupted() ? weir_status_exit_code(WEIR_INTERRUPTED) : 0;
}

static int dump_run(struct wr_tool_call *command)
{
    const char      *operator_name = NULL;
    uint64_t         number        = 0;
    struct wr_store *store;
    if (command->word_count > 0 && !wr_checkpoint_is_number(command->words[0], &number)) {
        if (command->word_count > 1) {
            return wr_tool_misused(command, "\"%s\" is not the number of a checkpoint",
                                   command->words[0]);
        }
        operator_name = command->words[0];
    } else if (command->word_count > 1) {
        operator_name = command->words[1];
    }
    int code = wr_checkpoint_open(command, number, &store);
    if (code == 0) {
        code = dump_store(command, store, operator_name);
        wr_store_close(store);
    }
    return code;
}

const struct wr_tool_verb wr_checkpoint_dump_verb = {
    .name    = "dump",
    .words   = "DIR [N] [OPERATOR]",
    .summary = "all entries of all tables as JSON Lines, or those of an operator",
    .more =
        "A line an entry, in no particular order: operator, table, member (the time of the slice, "
        "of\ntables by time), key, value. Records are objects; what no record describes comes as "
        "hexadecimal\ndigits, under \"other\" by where it is. A line a cell: operator, cell, task, "
        "key (a partition's name),\nvalue. Keys of timers and of items of lists and maps have the "
        "owner's key in them.\n\n"
        "  weir checkpoint dump data/checkpoints > state.jsonl\n"
        "  weir checkpoint dump data/checkpoints by-card\n"
        "  weir checkpoint dump data/checkpoints 12 by-card\n",
    .least = 1,
    .most  = 3,
    .run   = dump_run,
};
