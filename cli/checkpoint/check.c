// weir checkpoint fsck: see runtime/checkpoint/fsck.h.
#include "cli/checkpoint/command.h"
#include "runtime/checkpoint/fsck.h"

#include <inttypes.h>
#include <unistd.h>

#define SHOW_US 200000

struct check {
    const struct wr_tool_call *command;
    int64_t                    shown_us;
    bool                       is_bar;
};

static void clear_bar(const struct check *check)
{
    if (check->is_bar) {
        (void)fputs("\r\033[K", stderr);
    }
}

static void print_finding(void *opaque, const struct wr_store_finding *finding)
{
    const struct check *check = opaque;
    clear_bar(check);
    if (!check->command->as_json) {
        (void)printf("%s: %s\n", wr_store_kind_word(finding->kind), finding->sentence);
        return;
    }
    (void)printf("{\"kind\":\"%s\",\"exit_code\":%d,\"file\":", wr_store_kind_word(finding->kind),
                 wr_store_kind_exit_code(finding->kind));
    wr_json_print_text(stdout, finding->path);
    if (finding->byte != UINT64_MAX) {
        (void)printf(",\"byte\":%" PRIu64, finding->byte);
    }
    if (finding->checkpoint != 0) {
        (void)printf(",\"checkpoint\":%" PRIu64, finding->checkpoint);
    }
    (void)printf(",\"sentence\":");
    wr_json_print_text(stdout, finding->sentence);
    (void)printf("}\n");
}

static void show(void *opaque, const struct wr_store_summary *sofar)
{
    struct check *check = opaque;
    const int64_t now   = check->is_bar ? wr_command_now_us() : 0;
    if (check->is_bar && now - check->shown_us >= SHOW_US) {
        char size[WR_VALUE_TEXT_MAX];
        (void)fprintf(stderr, "\r\033[K%u checkpoints, %s", sofar->manifests,
                      wr_value_size_text(sofar->read_bytes, size));
        (void)fflush(stderr);
        check->shown_us = now;
    }
}

static void print_summary(const struct wr_tool_call     *command,
                          const struct wr_store_summary *summary)
{
    char size[WR_VALUE_TEXT_MAX];
    if (command->as_json) {
        (void)printf("{\"result\":\"%s\",\"exit_code\":%d,\"findings\":%u,\"checkpoints\":%u,"
                     "\"newest\":%" PRIu64 ",\"files\":%u,\"blocks\":%" PRIu64 ",\"bytes\":%" PRIu64
                     ",\"has_writer\":%s}\n",
                     wr_store_kind_word(summary->gravest),
                     wr_store_kind_exit_code(summary->gravest), summary->findings,
                     summary->manifests, summary->newest, summary->files, summary->blocks,
                     summary->bytes, summary->has_writer ? "true" : "false");
        return;
    }
    if (!command->is_quiet) {
        (void)printf("checkpoints in %s: %s: checkpoints %u, files %u, blocks %" PRIu64
                     ", %s, findings %u%s\n",
                     command->directory, wr_store_kind_word(summary->gravest), summary->manifests,
                     summary->files, summary->blocks, wr_value_size_text(summary->bytes, size),
                     summary->findings, summary->has_writer ? "; a job writes to it" : "");
    }
}

// Whether anything of a job's checkpoints was ever there.
static bool is_store(const struct wr_tool_call *command, const struct wr_store_summary *summary)
{
    struct wr_file_info info;
    char *const         path = wr_format("%s/epoch", command->directory);
    const bool is_opened = command->environment->ops->info(command->environment, path, &info) == 0;
    wr_free(path);
    return is_opened || summary->manifests > 0 || summary->findings > 0 || summary->has_writer;
}

static int fsck_run(struct wr_tool_call *command)
{
    const bool                         is_bar  = !command->is_quiet && isatty(STDERR_FILENO);
    struct check                       check   = { .command = command, .is_bar = is_bar };
    const struct wr_store_fsck_options options = { .found    = print_finding,
                                                   .advanced = show,
                                                   .opaque   = &check };
    struct wr_store_summary            summary;
    struct wr_error                    error = { .status = WEIR_OK };
    const weir_status                  status =
        wr_store_fsck(command->environment, command->directory, &options, &summary, &error);
    clear_bar(&check);
    if (status != WEIR_OK) {
        return wr_tool_failed(&error);
    }
    if (!is_store(command, &summary)) {
        (void)wr_checkpoint_set_none(command, &error);
        return wr_tool_failed(&error);
    }
    print_summary(command, &summary);
    return wr_store_kind_exit_code(summary.gravest);
}

const struct wr_tool_verb wr_checkpoint_fsck_verb = {
    .name    = "fsck",
    .words   = "DIR",
    .summary = "read all checkpoints and say what is wrong with them",
    .more =
        "Never writes, and works on damaged checkpoints and beside a running job. Prints a "
        "sentence a\nfinding (with --json an object), with file and byte, then a summary. Ends "
        "with the code of the\ngravest finding, which is the lowest of these lines; with 4 where "
        "no job ever kept checkpoints:\n\n"
        "   0  clean\n"
        "  30  leftover    what a checkpoint that was not published left; the next one clears it "
        "away\n"
        "  31  epoch       the file \"epoch\" is damaged, missing, or lower than what is there\n"
        "  32  unreadable  a file or the directory could not be read\n"
        "  33  foreign     bytes of a state file that belong to another file or another place\n"
        "  34  reference   manifest, index and blocks are each whole, and do not fit together\n"
        "  35  damaged     bytes of a state file are not what was written\n"
        "  36  cut-short   a state file has another length than it must have\n"
        "  37  manifest    a manifest is damaged\n"
        "  38  missing     a state file, or the newest manifest, is not there\n\n"
        "  weir checkpoint fsck data/checkpoints\n"
        "  weir checkpoint fsck data/checkpoints --json\n",
    .least = 1,
    .most  = 1,
    .run   = fsck_run,
};
