// `weir log VERB ...`: the list of verbs, reading the command line, the help.
#include "cli/log/verbs.h"

#include "cli/log/command.h"

#include <getopt.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const struct wr_verb *const wr_verbs[] = {
    &wr_verb_create,    &wr_verb_alter,
    &wr_verb_append,    &wr_verb_read,
    &wr_verb_tail,      &wr_verb_export,
    &wr_verb_info,      &wr_verb_fsck,
    &wr_verb_truncate,  &wr_verb_retain,
    &wr_verb_compact,   &wr_verb_delete,
    &wr_verb_consumers, NULL,
};

static const struct wr_option {
    int                 letter; // 0: none
    const char         *name;
    enum wr_option_kind kind;
    size_t              at; // of the field in struct wr_command
    const char         *value, *help;
} options[] = {
#define OPTION(number, letter, name, kind, field, value, help)                                     \
    { letter, name, WR_TAKES_##kind, offsetof(struct wr_command, field), value, help },
    WR_OPTION_LIST(OPTION)
#undef OPTION
};

#define EVERYBODYS (WR_TAKES(TOPIC) | WR_TAKES(QUIET) | WR_TAKES(JSON) | WR_TAKES(HELP))

static bool verb_takes(const struct wr_verb *verb, uint32_t option)
{
    return ((verb->options | EVERYBODYS) >> option & 1) != 0;
}

// ---- help ----

static void print_options(const struct wr_verb *verb)
{
    for (uint32_t i = 0; i < WR_OPTION_NUMBERS; i++) {
        if (verb_takes(verb, i)) {
            const struct wr_option *option = &options[i];
            char *left = wr_format("%c%c%s --%s%s%s", option->letter != 0 ? '-' : ' ',
                                   option->letter != 0 ? option->letter : ' ',
                                   option->letter != 0 ? "," : " ", option->name,
                                   option->value != NULL ? " " : "",
                                   option->value != NULL ? option->value : "");
            (void)printf("  %-26s %s\n", left, option->help);
            wr_free(left);
        }
    }
}

static void print_verb_help(const struct wr_verb *verb)
{
    (void)printf("%s\n\nusage: weir log %s [options] %s\n\n", verb->summary, verb->name,
                 verb->words);
    print_options(verb);
    (void)printf("\n%s", verb->more);
}

static void print_help(void)
{
    (void)printf("Works with a log: topics of records in a directory, which many may read and one "
                 "process\nat a time writes.\n\nusage: weir log VERB [options] DIR ...\n\n");
    for (uint32_t i = 0; wr_verbs[i] != NULL; i++) {
        (void)printf("  %-10s %s\n", wr_verbs[i]->name, wr_verbs[i]->summary);
    }
    (void)printf(
        "\n`weir log VERB --help` lists a verb's options and shows examples.\n\n"
        "Times are RFC 3339, a date, ms since 1970, now, or -2h; sizes 64MiB or 10GB; spans 7d or "
        "1h30m.\n\n"
        "exit codes: 0 done, 1 failed, 2 wrong command line, 3 unreachable, 4 not found, 5 "
        "somebody "
        "else\n"
        "            has it or it is there already, 6 took too long, 7 damaged, 8 disk full, 9 "
        "disk "
        "failed,\n"
        "            10 a later writer took over, 11 types do not fit, 20 to 29 see weir log fsck "
        "--help,\n"
        "            130 interrupted\n");
}

// ---- reading the command line ----

static bool take_name(const char *value, const char *const *names, uint32_t count, int *number)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(value, names[i]) == 0) {
            *number = (int)i;
            return true;
        }
    }
    return false;
}

static bool option_take(struct wr_command *command, uint32_t number, const char *value)
{
    static const char *const compressions[] = { "none", "lz4", "zstd" };
    static const char *const durabilities[] = { "disk", "interval", "os" };
    const struct wr_option  *option         = &options[number];
    void                    *field          = (char *)command + option->at;
    int                      name           = 0;
    bool                     is_right       = true;
    command->given |= UINT64_C(1) << number;
    switch (option->kind) {
    case WR_TAKES_FLAG: *(bool *)field = true; return true;
    case WR_TAKES_TEXT: *(const char **)field = value; return true;
    case WR_TAKES_COUNT: return wr_value_count(value, field);
    case WR_TAKES_SIZE: return wr_value_size(value, field);
    case WR_TAKES_SPAN: return wr_value_span(value, field);
    case WR_TAKES_TIME: return wr_value_time(value, command->now, field);
    case WR_TAKES_PARTITIONS: return wr_value_partitions(value, field);
    case WR_TAKES_PLACE: {
        const struct wr_place before = *(struct wr_place *)field;
        is_right                     = wr_value_place(value, command->now, field);
        if (is_right && command->place.kind == WR_PLACE_UNTIL) { // -o s@A -o e@B
            command->until = command->place.time;
            command->given |= WR_TAKES(UNTIL);
            command->place = before;
        }
        return is_right;
    }
    case WR_TAKES_COMPRESSION:
        is_right             = take_name(value, compressions, 3, &name);
        command->compression = (weir_compression)name;
        return is_right;
    case WR_TAKES_DURABILITY:
        is_right            = take_name(value, durabilities, 3, &name);
        command->durability = (weir_durability)name;
        return is_right;
    }
    return false;
}

// What getopt_long takes: letters, and long names whose val is 256 + the option's number.
static void options_of(const struct wr_verb *verb, char *letters, struct option *list)
{
    *letters++ = ':';
    for (uint32_t i = 0; i < WR_OPTION_NUMBERS; i++) {
        if (!verb_takes(verb, i)) {
            continue;
        }
        const bool has_value = options[i].value != NULL;
        if (options[i].letter != 0) {
            *letters++ = (char)options[i].letter;
            if (has_value) {
                *letters++ = ':';
            }
        }
        *list++ = (struct option){ options[i].name, has_value, NULL, 256 + (int)i };
    }
    *letters = '\0';
    *list    = (struct option){ NULL, 0, NULL, 0 };
}

static uint32_t option_number(const struct wr_verb *verb, int id)
{
    uint32_t number = id >= 256 ? (uint32_t)(id - 256) : 0;
    while (id < 256 && (options[number].letter != id || !verb_takes(verb, number))) {
        number++;
    }
    return number;
}

static int complain_of_option(const struct wr_command *command, int id, const char *word)
{
    const char *names[WR_OPTION_NUMBERS];
    uint32_t    count = 0;
    if (id == ':') {
        return wr_command_misused(command, "a value is missing after %s", word);
    }
    if (optopt != 0 && optopt < 256) {
        return wr_command_misused(command, "there is no option -%c", optopt);
    }
    for (uint32_t i = 0; i < WR_OPTION_NUMBERS; i++) {
        if (verb_takes(command->verb, i)) {
            names[count++] = options[i].name;
        }
    }
    const char *nearest =
        strncmp(word, "--", 2) == 0 ? wr_command_nearest(word + 2, names, count) : NULL;
    return nearest != NULL ? wr_command_misused(command, "there is no option %s; did you mean --%s",
                                                word, nearest)
                           : wr_command_misused(command, "there is no option %s", word);
}

// What a value is that was not taken.
static const char *const not_taken[] = {
    [WR_TAKES_COUNT]       = "not a whole number",
    [WR_TAKES_SIZE]        = "not a size, such as 4096, 64KiB or 10GB",
    [WR_TAKES_SPAN]        = "not a span, such as 7d, 1h30m or 250ms",
    [WR_TAKES_TIME]        = "not a time, such as 2026-03-01, 2026-03-01T10:00:00Z, -2h or now",
    [WR_TAKES_PLACE]       = "not a place, such as beginning, end, 17, -10 or s@2026-03-01",
    [WR_TAKES_PARTITIONS]  = "not a list of partitions, such as 0,2-5",
    [WR_TAKES_COMPRESSION] = "none of none, lz4, zstd",
    [WR_TAKES_DURABILITY]  = "none of disk, interval, os",
};

static int read_options(struct wr_command *command, int argc, char **argv)
{
    struct option list[WR_OPTION_NUMBERS + 1];
    char          letters[2 * WR_OPTION_NUMBERS + 2];
    options_of(command->verb, letters, list);
    optind = 1;
    opterr = 0;
    for (int id; (id = getopt_long(argc, argv, letters, list, NULL)) != -1;) {
        if (id == '?' || id == ':') {
            return complain_of_option(command, id, argv[optind - 1]);
        }
        const uint32_t number = option_number(command->verb, id);
        if (!option_take(command, number, optarg)) {
            return wr_command_misused(command, "--%s: \"%s\" is %s", options[number].name, optarg,
                                      not_taken[options[number].kind]);
        }
    }
    return 0;
}

static int read_words(struct wr_command *command, int argc, char **argv)
{
    const struct wr_verb *verb  = command->verb;
    uint32_t              count = 0;
    if (count < (uint32_t)argc) {
        command->directory = argv[count++];
    }
    if (verb->most > 1 && command->topic == NULL && count < (uint32_t)argc) {
        command->topic = argv[count++];
    }
    const uint32_t taken =
        (command->directory != NULL ? 1u : 0u) + (command->topic != NULL ? 1u : 0u);
    command->words      = (const char *const *)(argv + count);
    command->word_count = (uint32_t)argc - count;
    if (taken < verb->least) {
        return wr_command_misused(command, "%s is missing: say weir log %s %s",
                                  taken == 0 ? "the log's directory" : "the topic", verb->name,
                                  verb->words);
    }
    if (taken + command->word_count > verb->most) {
        return wr_command_misused(command, "do not know what to do with \"%s\"",
                                  command->words[command->word_count - 1]);
    }
    return 0;
}

static const struct wr_verb *find_verb(const char *name)
{
    for (uint32_t i = 0; wr_verbs[i] != NULL; i++) {
        if (strcmp(wr_verbs[i]->name, name) == 0) {
            return wr_verbs[i];
        }
    }
    return NULL;
}

static int complain_of_verb(const struct wr_command *command, const char *word)
{
    const char *names[sizeof(wr_verbs) / sizeof(wr_verbs[0])];
    uint32_t    count = 0;
    for (; wr_verbs[count] != NULL; count++) {
        names[count] = wr_verbs[count]->name;
    }
    const char *nearest = wr_command_nearest(word, names, count);
    return nearest != NULL
               ? wr_command_misused(command, "there is no verb %s; did you mean %s", word, nearest)
               : wr_command_misused(command, "there is no verb %s", word);
}

static weir_time wall_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return WEIR_SECONDS(now.tv_sec) + now.tv_nsec / 1000;
}

int wr_log_command(int argc, char **argv)
{
    struct wr_command command = { .now = wall_now() };
    const char       *word    = argc > 1 ? argv[1] : "--help";
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
        code = read_words(&command, argc - 1 - optind, argv + 1 + optind);
    }
    if (code != 0) {
        return code;
    }
    wr_command_catch_signals();
    return command.verb->run(&command);
}
