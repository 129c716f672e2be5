// weir checkpoint delete: one checkpoint less.
#include "cli/checkpoint/command.h"

#include <inttypes.h>

static void warn(void *opaque, const char *sentence)
{
    (void)opaque;
    (void)fprintf(stderr, "%s\n", sentence);
}

static int delete_run(struct wr_tool_call *command)
{
    struct wr_store_deletion deletion = { .may_be_newest =
                                              command->given[WR_CHECKPOINT_FORCE] != NULL,
                                          .warn = warn };
    struct wr_error          error    = { .status = WEIR_OK };
    char                     size[WR_VALUE_TEXT_MAX];
    if (!wr_value_count(command->words[0], &deletion.checkpoint) || deletion.checkpoint == 0) {
        return wr_tool_misused(command,
                               "\"%s\" is not the number of a checkpoint; what goes is told by its "
                               "number, the newest too",
                               command->words[0]);
    }
    if (wr_store_delete(command->environment, command->directory, &deletion, &error) != WEIR_OK) {
        return wr_tool_failed(&error);
    }
    if (command->as_json) {
        (void)printf("{\"deleted\":%" PRIu64 ",\"files\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n",
                     deletion.checkpoint, deletion.files, deletion.bytes);
    } else if (!command->is_quiet) {
        (void)fprintf(stderr, "deleted checkpoint %" PRIu64 ": %s in %" PRIu64 " files\n",
                      deletion.checkpoint, wr_value_size_text(deletion.bytes, size),
                      deletion.files);
    }
    return 0;
}

const struct wr_tool_verb wr_checkpoint_delete_verb = {
    .name    = "delete",
    .words   = "DIR N",
    .second  = "the number of a checkpoint",
    .summary = "delete a checkpoint, and the files that no other needs",
    .more =
        "Refused while a job has the directory open. The newest, from which the job would go on, "
        "is only\ndeleted with --force; the job then goes on from the one before, and what its "
        "sinks have shown\nsince is shown again. The number is not used again. N is a number: "
        "latest is not taken here.\n\n"
        "  weir checkpoint delete data/checkpoints 11\n"
        "  weir checkpoint delete data/checkpoints 12 --force\n",
    .least   = 2,
    .most    = 2,
    .options = 1u << WR_CHECKPOINT_FORCE,
    .run     = delete_run,
};
