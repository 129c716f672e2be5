#include "cli/tool/tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

static const struct wr_tool_option everybodys[] = {
    { 'q', "quiet", NULL, "no progress and no summary on stderr" },
    { 'J', "json", NULL, "print JSON, an object a line" },
    { 'h', "help", NULL, "this page" },
};

// Of those a verb takes: the tool's, then everybody's. *number is that of a tool's option, or
// tool->option_count and more.
static const struct wr_tool_option *option_next(const struct wr_tool_call *call, uint32_t *number)
{
    const struct wr_tool *tool = call->tool;
    while (*number < tool->option_count && (call->verb->options >> *number & 1) == 0) {
        (*number)++;
    }
    if (*number < tool->option_count) {
        return &tool->options[*number];
    }
    const uint32_t at = *number - tool->option_count;
    return at < WR_COUNT_OF(everybodys) ? &everybodys[at] : NULL;
}

// ---- sentences ----

int wr_tool_misused(const struct wr_tool_call *call, const char *sentence, ...)
{
    const char *tool = call->tool->name;
    const char *name = call->verb != NULL ? call->verb->name : "";
    const char *gap  = call->verb != NULL ? " " : "";
    va_list     arguments;
    va_start(arguments, sentence);
    (void)fprintf(stderr, "weir %s%s%s: ", tool, gap, name);
    (void)vfprintf(stderr, sentence, arguments);
    (void)fprintf(stderr, "; see weir %s %s%s--help\n", tool, name, gap);
    va_end(arguments);
    return weir_status_exit_code(WEIR_USAGE);
}

int wr_tool_failed(struct wr_error *error)
{
    const int code = wr_command_failed(error->status, error->sentence);
    wr_error_fini(error);
    return code;
}

// ---- help ----

static void print_verb_help(const struct wr_tool_call *call)
{
    const struct wr_tool_verb   *verb = call->verb;
    const struct wr_tool_option *option;
    (void)printf("%s\n\nusage: weir %s %s [options] %s\n\n", verb->summary, call->tool->name,
                 verb->name, verb->words);
    for (uint32_t i = 0; (option = option_next(call, &i)) != NULL; i++) {
        char *left = wr_format("%s%s%s", option->name, option->value != NULL ? " " : "",
                               option->value != NULL ? option->value : "");
        (void)printf("  -%c, --%-14s %s\n", option->letter, left, option->help);
        wr_free(left);
    }
    (void)printf("\n%s", verb->more);
}

static void print_help(const struct wr_tool *tool)
{
    (void)printf("%s\n\nusage: weir %s VERB [options] DIR ...\n\n", tool->about, tool->name);
    for (uint32_t i = 0; i < tool->verb_count; i++) {
        (void)printf("  %-10s %s\n", tool->verbs[i]->name, tool->verbs[i]->summary);
    }
    (void)printf("\n`weir %s VERB --help` lists a verb's options and shows examples.%s", tool->name,
                 tool->more);
}

// ---- reading the command line ----

static int complain_of_option(const struct wr_tool_call *call, int id, const char *word)
{
    const char                  *names[WR_TOOL_OPTIONS_MAX + WR_COUNT_OF(everybodys)];
    const struct wr_tool_option *option;
    uint32_t                     count = 0;
    if (id == ':') {
        return wr_tool_misused(call, "a value is missing after %s", word);
    }
    if (optopt != 0 && optopt < 256) {
        return wr_tool_misused(call, "there is no option -%c", optopt);
    }
    for (uint32_t i = 0; (option = option_next(call, &i)) != NULL; i++) {
        names[count++] = option->name;
    }
    const char *nearest =
        strncmp(word, "--", 2) == 0 ? wr_command_nearest(word + 2, names, count) : NULL;
    return wr_tool_misused(call, "there is no option %s%s%s", word,
                           nearest != NULL ? "; did you mean --" : "",
                           nearest != NULL ? nearest : "");
}

static void option_take(struct wr_tool_call *call, int letter)
{
    const struct wr_tool_option *option;
    switch (letter) {
    case 'q': call->is_quiet = true; return;
    case 'J': call->as_json = true; return;
    case 'h': call->wants_help = true; return;
    default: break;
    }
    for (uint32_t i = 0; (option = option_next(call, &i)) != NULL; i++) {
        if (option->letter == letter) {
            call->given[i] = option->value != NULL ? optarg : option->name;
        }
    }
}

static int read_options(struct wr_tool_call *call, int argc, char **argv)
{
    struct option list[WR_TOOL_OPTIONS_MAX + WR_COUNT_OF(everybodys) + 1]          = { { 0 } };
    char          letters[2 * (WR_TOOL_OPTIONS_MAX + WR_COUNT_OF(everybodys)) + 2] = ":";
    const struct wr_tool_option *option;
    size_t                       length = 1, count = 0;
    WR_ASSERT(call->tool->option_count <= WR_TOOL_OPTIONS_MAX);
    for (uint32_t i = 0; (option = option_next(call, &i)) != NULL; i++) {
        list[count++] =
            (struct option){ option->name, option->value != NULL, NULL, option->letter };
        letters[length++] = (char)option->letter;
        if (option->value != NULL) {
            letters[length++] = ':';
        }
    }
    optind = 1;
    opterr = 0;
    for (int id; (id = getopt_long(argc, argv, letters, list, NULL)) != -1;) {
        if (id == '?' || id == ':') {
            return complain_of_option(call, id, argv[optind - 1]);
        }
        option_take(call, id);
    }
    return 0;
}

static int read_words(struct wr_tool_call *call, uint32_t count, char **words)
{
    const struct wr_tool_verb *verb = call->verb;
    if (count < verb->least) {
        WR_ASSERT(count == 0 || verb->second != NULL);
        return wr_tool_misused(call, "%s is missing: say weir %s %s %s",
                               count == 0 ? "the directory of the checkpoints" : verb->second,
                               call->tool->name, verb->name, verb->words);
    }
    if (count > verb->most) {
        return wr_tool_misused(call, "do not know what to do with \"%s\"", words[count - 1]);
    }
    call->directory  = words[0];
    call->words      = (const char *const *)(words + 1);
    call->word_count = count - 1;
    return 0;
}

static const struct wr_tool_verb *find_verb(const struct wr_tool *tool, const char *name)
{
    for (uint32_t i = 0; i < tool->verb_count; i++) {
        if (strcmp(tool->verbs[i]->name, name) == 0) {
            return tool->verbs[i];
        }
    }
    return NULL;
}

static int complain_of_verb(const struct wr_tool_call *call, const char *word)
{
    const uint32_t count = call->tool->verb_count;
    const char   **names = wr_alloc(count * sizeof(*names));
    for (uint32_t i = 0; i < count; i++) {
        names[i] = call->tool->verbs[i]->name;
    }
    const char *nearest = wr_command_nearest(word, names, count);
    const int   code =
        wr_tool_misused(call, "there is no verb %s%s%s", word,
                        nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "");
    wr_free((void *)names);
    return code;
}

// `code`, or that of what became of stdout if it is 0: 0 if its reader went away.
static int end_output(int code)
{
    errno                = 0;
    const bool has_ended = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (!has_ended || code != 0 || errno == EPIPE || errno == 0) {
        return code;
    }
    (void)fprintf(stderr, "standard output: %s\n", strerror(errno));
    return weir_status_exit_code(wr_error_status(errno));
}

int wr_tool_run(const struct wr_tool *tool, int argc, char **argv)
{
    struct wr_tool_call call = { .tool = tool };
    const char         *word = argc > 1 ? argv[1] : "--help";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help(tool);
        return argc > 1 ? 0 : weir_status_exit_code(WEIR_USAGE);
    }
    call.verb = find_verb(tool, word);
    if (call.verb == NULL) {
        return complain_of_verb(&call, word);
    }
    int code = read_options(&call, argc - 1, argv + 1);
    if (code == 0 && call.wants_help) {
        print_verb_help(&call);
        return 0;
    }
    if (code == 0) {
        code = read_words(&call, (uint32_t)(argc - 1 - optind), argv + 1 + optind);
    }
    if (code != 0) {
        return code;
    }
    wr_command_catch_signals();
    call.environment = wr_environment_open_real();
    code             = call.verb->run(&call);
    wr_environment_close(call.environment);
    return end_output(code);
}
