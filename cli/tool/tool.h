// tool: one call of `weir TOOL VERB [options] DIR ...`, for tools whose verbs work on a directory
// that a job writes to (`weir checkpoint`, `weir job`): reading the command line, help, sentences,
// output.
//
// A verb is a struct wr_tool_verb in a file of its own; the tool's file lists them.
//
// Thread rule: the main thread's.
#ifndef WR_CLI_TOOL_H
#define WR_CLI_TOOL_H

#include "cli/log/command.h"
#include "runtime/base/environment.h"
#include "runtime/base/error.h"

#define WR_TOOL_OPTIONS_MAX 8u

// All tools have quiet, json and help besides.
struct wr_tool_option {
    int         letter;
    const char *name;
    const char *value; // what its value is called; NULL: it takes none
    const char *help;
};

struct wr_tool_call {
    const struct wr_tool      *tool;
    const struct wr_tool_verb *verb;
    const char                *directory;
    const char *const         *words; // behind DIR
    uint32_t                   word_count;
    bool                       wants_help, as_json, is_quiet;
    const char                *given[WR_TOOL_OPTIONS_MAX]; // values of the tool's options; NULL: no
    struct wr_environment     *environment;
};

struct wr_tool_verb {
    const char *name;
    const char *words;                     // "DIR N"
    const char *second;                    // what the word behind DIR is, if one is needed
    const char *summary;                   // one line
    const char *more;                      // paragraphs and examples, for its help
    uint32_t    least, most;               // words, DIR included
    uint32_t    options;                   // bit i: the tool's option i
    int (*run)(struct wr_tool_call *call); // the exit code
};

struct wr_tool {
    const char                       *name;  // "checkpoint"
    const char                       *about; // paragraph of its help, before the verbs
    const char                       *more;  // paragraphs behind them
    const struct wr_tool_verb *const *verbs;
    uint32_t                          verb_count;
    const struct wr_tool_option      *options;
    uint32_t                          option_count;
};

// `weir TOOL ...`; argv[0] is the tool's name. The exit code.
int wr_tool_run(const struct wr_tool *tool, int argc, char **argv);

// ---- sentences; each returns an exit code ----

// The command line is wrong; a hint at the help follows.
int wr_tool_misused(const struct wr_tool_call *call, const char *sentence, ...) WEIR_PRINTF(2, 3);
int wr_tool_failed(struct wr_error *error); // and frees it

#endif // WR_CLI_TOOL_H
