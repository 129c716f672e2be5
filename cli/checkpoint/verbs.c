// `weir checkpoint VERB ...`: the list of verbs, reading the command line, the help.
#include "cli/checkpoint/command.h"

#include <getopt.h>
#include <string.h>

static const struct wr_checkpoint_verb *const verbs[] = {
    &wr_checkpoint_list_verb, &wr_checkpoint_inspect_verb, &wr_checkpoint_dump_verb,
    &wr_checkpoint_diff_verb, &wr_checkpoint_delete_verb,  &wr_checkpoint_fsck_verb,
};

static const struct {
    int         letter;
    const char *name, *help;
    bool        is_of_delete;
} options[] = {
    { 'f', "force", "also the newest, from which the job would go on", true },
    { 'q', "quiet", "no progress and no summary on stderr", false },
    { 'J', "json", "print JSON, an object a line", false },
    { 'h', "help", "this page", false },
};

// ---- help ----

static void print_verb_help(const struct wr_checkpoint_verb *verb)
{
    (void)printf("%s\n\nusage: weir checkpoint %s [options] %s\n\n", verb->summary, verb->name,
                 verb->words);
    for (uint32_t i = 0; i < WR_COUNT_OF(options); i++) {
        if (!options[i].is_of_delete || verb->takes_force) {
            (void)printf("  -%c, --%-12s %s\n", options[i].letter, options[i].name,
                         options[i].help);
        }
    }
    (void)printf("\n%s", verb->more);
}

static void print_help(void)
{
    (void)printf("Looks into the checkpoints of a job: a directory of pictures of its state, from "
                 "which it\ngoes on. All but delete never write, and work beside a running "
                 "job.\n\nusage: weir checkpoint VERB [options] DIR ...\n\n");
    for (uint32_t i = 0; i < WR_COUNT_OF(verbs); i++) {
        (void)printf("  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    }
    (void)printf("\n`weir checkpoint VERB --help` lists a verb's options and shows examples. N is "
                 "a checkpoint's number;\nlatest, or none, is the newest.\n\n"
                 "exit codes: 0 done, 1 failed, 2 wrong command line, 3 unreachable, 4 not found, "
                 "5 somebody else\n            has it, 7 damaged, 8 disk full, 9 disk failed, 30 "
                 "to 38 see weir checkpoint fsck --help,\n            130 interrupted\n");
}

// ---- reading the command line ----

static int complain_of_option(const struct wr_checkpoint_command *command, const char *word)
{
    const char *names[WR_COUNT_OF(options)];
    uint32_t    count = 0;
    if (optopt != 0 && optopt < 256) {
        return wr_checkpoint_misused(command, "there is no option -%c", optopt);
    }
    for (uint32_t i = 0; i < WR_COUNT_OF(options); i++) {
        if (!options[i].is_of_delete || command->verb->takes_force) {
            names[count++] = options[i].name;
        }
    }
    const char *nearest =
        strncmp(word, "--", 2) == 0 ? wr_command_nearest(word + 2, names, count) : NULL;
    return wr_checkpoint_misused(command, "there is no option %s%s%s", word,
                                 nearest != NULL ? "; did you mean --" : "",
                                 nearest != NULL ? nearest : "");
}

static int read_options(struct wr_checkpoint_command *command, int argc, char **argv)
{
    static const struct option all[]       = { { "force", 0, NULL, 'f' },
                                               { "quiet", 0, NULL, 'q' },
                                               { "json", 0, NULL, 'J' },
                                               { "help", 0, NULL, 'h' },
                                               { NULL, 0, NULL, 0 } };
    const bool                 takes_force = command->verb->takes_force;
    optind                                 = 1;
    opterr                                 = 0;
    for (int id; (id = getopt_long(argc, argv, takes_force ? "fqJh" : "qJh",
                                   all + (takes_force ? 0 : 1), NULL)) != -1;) {
        switch (id) {
        case 'f': command->is_forced = true; break;
        case 'q': command->is_quiet = true; break;
        case 'J': command->as_json = true; break;
        case 'h': command->wants_help = true; break;
        default: return complain_of_option(command, argv[optind - 1]);
        }
    }
    return 0;
}

static int read_words(struct wr_checkpoint_command *command, uint32_t count, char **words)
{
    const struct wr_checkpoint_verb *verb = command->verb;
    if (count < verb->least) {
        return wr_checkpoint_misused(command, "%s is missing: say weir checkpoint %s %s",
                                     count == 0 ? "the directory of the checkpoints"
                                                : "the number of a checkpoint",
                                     verb->name, verb->words);
    }
    if (count > verb->most) {
        return wr_checkpoint_misused(command, "do not know what to do with \"%s\"",
                                     words[count - 1]);
    }
    command->directory  = words[0];
    command->words      = (const char *const *)(words + 1);
    command->word_count = count - 1;
    return 0;
}

static const struct wr_checkpoint_verb *find_verb(const char *name)
{
    for (uint32_t i = 0; i < WR_COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i]->name, name) == 0) {
            return verbs[i];
        }
    }
    return NULL;
}

static int complain_of_verb(const struct wr_checkpoint_command *command, const char *word)
{
    const char *names[WR_COUNT_OF(verbs)];
    for (uint32_t i = 0; i < WR_COUNT_OF(verbs); i++) {
        names[i] = verbs[i]->name;
    }
    const char *nearest = wr_command_nearest(word, names, WR_COUNT_OF(verbs));
    return wr_checkpoint_misused(command, "there is no verb %s%s%s", word,
                                 nearest != NULL ? "; did you mean " : "",
                                 nearest != NULL ? nearest : "");
}

int wr_checkpoint_command(int argc, char **argv)
{
    struct wr_checkpoint_command command = { .verb = NULL };
    const char                  *word    = argc > 1 ? argv[1] : "--help";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help();
        return argc > 1 ? 0 : weir_status_exit_code(WEIR_USAGE);
    }
    command.verb = find_verb(word);
    if (command.verb == NULL) {
        return complain_of_verb(&command, word);
    }
    int code = read_options(&command, argc - 1, argv + 1);
    if (code == 0 && command.wants_help) {
        print_verb_help(command.verb);
        return 0;
    }
    if (code == 0) {
        code = read_words(&command, (uint32_t)(argc - 1 - optind), argv + 1 + optind);
    }
    if (code != 0) {
        return code;
    }
    wr_command_catch_signals();
    command.environment = wr_environment_open_real();
    code                = command.verb->run(&command);
    wr_environment_close(command.environment);
    return wr_checkpoint_end(code);
}
