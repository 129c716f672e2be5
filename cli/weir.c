// weir: the command. `weir log` works with logs, `weir checkpoint` with checkpoints, `weir job`
// with running jobs; these are programs of their own (weir_main).
#include "cli/checkpoint/command.h"
#include "cli/job/command.h"

#include <stdio.h>
#include <string.h>

static void print_help(FILE *to)
{
    (void)fprintf(
        to, "A dataflow runtime's tools. A job is a program of its own: JOB --help.\n\n"
            "usage: weir log VERB ...         work with a log: append, read, check, ...\n"
            "       weir checkpoint VERB ...  look into a job's checkpoints\n"
            "       weir job VERB ...         command a running job: rescale, stop, ...\n"
            "       weir --version            which version this is\n"
            "       weir --help               this page\n\n"
            "`weir log --help`, `weir checkpoint --help` and `weir job --help` list the verbs.\n");
}

int main(int argc, char **argv)
{
    static const char *const words[] = { "log", "checkpoint", "job", "--help", "--version" };
    const char              *word    = argc > 1 ? argv[1] : "";
    if (strcmp(word, "log") == 0) {
        return wr_log_command(argc - 1, argv + 1);
    }
    if (strcmp(word, "checkpoint") == 0) {
        return wr_checkpoint_command(argc - 1, argv + 1);
    }
    if (strcmp(word, "job") == 0) {
        return wr_job_command(argc - 1, argv + 1);
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        (void)printf("weir %s\n", weir_version());
        return 0;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (word[0] == '\0') {
        print_help(stderr);
        return weir_status_exit_code(WEIR_USAGE);
    }
    const char *nearest = wr_command_nearest(word, words, WR_COUNT_OF(words));
    (void)fprintf(stderr, "weir: there is no command %s%s%s; see weir --help\n", word,
                  nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "");
    return weir_status_exit_code(WEIR_USAGE);
}
