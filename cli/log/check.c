// weir log fsck: see log/fsck.h.
#include "cli/log/verbs.h"
#include "log/fsck.h"
#include "runtime/base/environment.h"

#include <inttypes.h>
#include <unistd.h>

#define SHOW_US 200000

struct check {
    const struct wr_command *command;
    int64_t                  shown_us;
    bool                     is_bar;
};

static void clear_bar(const struct check *check)
{
    if (check->is_bar) {
        (void)fputs("\r\033[K", stderr);
    }
}

static void print_finding(void *opaque, const struct wr_fsck_finding *finding)
{
    const struct check *check = opaque;
    clear_bar(check);
    if (!check->command->as_json) {
        (void)printf("%s: %s\n", wr_fsck_word(finding->kind), finding->sentence);
        return;
    }
    (void)printf("{\"kind\":\"%s\",\"exit_code\":%d,\"file\":", wr_fsck_word(finding->kind),
                 wr_fsck_exit_code(finding->kind));
    wr_json_print_text(stdout, finding->path);
    if (finding->byte != UINT64_MAX) {
        (void)printf(",\"byte\":%" PRIu64, finding->byte);
    }
    if (finding->topic != NULL) {
        (void)printf(",\"topic\":");
        wr_json_print_text(stdout, finding->topic);
    }
    if (finding->partition != UINT32_MAX) {
        (void)printf(",\"partition\":%u", finding->partition);
    }
    if (finding->end_offset > finding->first_offset) {
        (void)printf(",\"first_offset\":%" PRIu64 ",\"end_offset\":%" PRIu64, finding->first_offset,
                     finding->end_offset);
    }
    (void)printf(",\"sentence\":");
    wr_json_print_text(stdout, finding->sentence);
    (void)printf("}\n");
}

static void show(void *opaque, const struct wr_fsck_summary *sofar)
{
    struct check *check = opaque;
    const int64_t now   = check->is_bar ? wr_command_now_us() : 0;
    if (check->is_bar && now - check->shown_us >= SHOW_US) {
        char size[WR_VALUE_TEXT_MAX];
        (void)fprintf(stderr, "\r\033[K%u segments, %s, %.2f M records", sofar->segments,
                      wr_value_size_text(sofar->bytes, size), (double)sofar->rows / 1e6);
        (void)fflush(stderr);
        check->shown_us = now;
    }
}

static void print_summary(const struct wr_command *command, const struct wr_fsck_summary *summary)
{
    char size[WR_VALUE_TEXT_MAX];
    if (command->as_json) {
        (void)printf("{\"result\":\"%s\",\"exit_code\":%d,\"findings\":%u,\"topics\":%u,"
                     "\"partitions\":%u,\"segments\":%u,\"batches\":%" PRIu64
                     ",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64
                     ",\"consumers\":%u,\"has_writer\":%s}\n",
                     wr_fsck_word(summary->gravest), wr_fsck_exit_code(summary->gravest),
                     summary->findings, summary->topics, summary->partitions, summary->segments,
                     summary->batches, summary->rows, summary->bytes, summary->consumers,
                     summary->has_writer ? "true" : "false");
        return;
    }
    if (!command->is_quiet) {
        (void)printf("log %s: %s: topics %u, partitions %u, segments %u, records %" PRIu64
                     ", %s, findings %u%s\n",
                     command->directory, wr_fsck_word(summary->gravest), summary->topics,
                     summary->partitions, summary->segments, summary->rows,
                     wr_value_size_text(summary->bytes, size), summary->findings,
                     summary->has_writer ? "; a process writes to it, so it was checked as far as "
                                           "readers may read"
                                         : "");
    }
}

static int fsck_run(struct wr_command *command)
{
    const bool                   is_bar  = !command->is_quiet && isatty(STDERR_FILENO);
    struct check                 check   = { .command = command, .is_bar = is_bar };
    const struct wr_fsck_options options = {
        .topic = command->topic, .found = print_finding, .advanced = show, .opaque = &check
    };
    struct wr_environment *environment = wr_environment_open_real();
    struct wr_fsck_summary summary;
    struct wr_log_error    error = { .status = WEIR_OK };
    const weir_status      status =
        wr_fsck_run(environment, command->directory, &options, &summary, &error);
    int code = wr_fsck_exit_code(summary.gravest);
    clear_bar(&check);
    if (status == WEIR_OK) {
        print_summary(command, &summary);
    } else {
        code = wr_command_failed(status, error.sentence);
    }
    wr_log_error_fini(&error);
    wr_environment_close(environment);
    return code;
}

const struct wr_verb wr_verb_fsck = {
    .name    = "fsck",
    .words   = "DIR [TOPIC]",
    .summary = "read all of a log and say what is wrong with it",
    .more =
        "Never writes, and works on a damaged log and beside a writer. Prints a sentence a finding "
        "(with\n--json an object), with file, byte and offsets, then a summary. Ends with the code "
        "of the gravest\nfinding, which is the lowest of these lines:\n\n"
        "   0  clean\n"
        "  20  torn-tail    a crash left something half done; nothing acknowledged is lost, and "
        "the next\n                   writer clears it away\n"
        "  28  consumer     a consumer's offsets lie outside of the topic\n"
        "  27  transaction  records of transactions that nothing decides\n"
        "  26  rows         records that their schema cannot decode\n"
        "  25  small-file   a small file (log, epoch, topic, start, consumer) is damaged or "
        "missing\n"
        "  24  foreign      a segment of another log, topic, partition or time, or renamed\n"
        "  29  unreadable   a file or directory could not be read\n"
        "  21  damaged      bytes of a segment are not what was written\n"
        "  22  cut-short    a segment ends before it should\n"
        "  23  missing      a segment or a partition is not there\n\n"
        "  weir log fsck data/log\n"
        "  weir log fsck data/log payments --json\n",
    .options = 0,
    .least   = 1,
    .most    = 2,
    .run     = fsck_run,
};
