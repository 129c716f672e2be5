// weir/main.h: one command line for every job.
//
//   PROGRAM run   [--workers N] [--cpus LIST] [--state-budget N] [--checkpoints DIR]
//                 [--checkpoint-interval MS] [--checkpoints-kept N] [--restore N] [--restarts N]
//                 [--simulate SEED] [--quiet] [--json]
//   PROGRAM run   [--checkpoints DIR [--restore N]] --until POINT --replay-to NEW-DIR
//   PROGRAM plan  [--workers N] [--json]
//   PROGRAM --help
//
// With --checkpoints a job that was killed, or stopped, goes on where its newest checkpoint is when
// the same command is given again.
//
// With --until it is a replay (weir_run_options.until): from checkpoint N up to POINT, with nothing
// written but the state it ends with: to NEW-DIR, for `weir checkpoint`, and as lines of JSON to
// NEW-DIR/state.jsonl.
//
// A program that builds its job by weir_main_with also has --rate N, which is handed to `build`.
// `run` shows progress on stderr while it runs (events, rate, how far the watermark lags; a bar
// where the input's size is known) if stderr is a terminal; SIGINT or SIGTERM stop it, a second one
// at once. Exit codes are those of weir/status.h.
#ifndef WEIR_MAIN_H
#define WEIR_MAIN_H

#include <weir/run.h>

// An option of the program's own: "--input FILE" is { "input", "FILE", "...", true }. Borrowed.
typedef struct weir_main_option {
    const char  *name;      // without the dashes
    const char  *value;     // what its value is called in the help; NULL: it takes none
    const char  *help;      // one line
    bool         is_needed; // by run and plan
    const char **to;        // set to the value, or to "" when it takes none; points into argv
} weir_main_option;

typedef struct weir_main_options {
    const char             *summary; // first line of the help
    const weir_main_option *options; // the program's own
    uint32_t                option_count;
    // Builds the job after the options have been read. A mistake is kept in the job.
    weir_job *(*build)(void *opaque, double rate);
    // After a run that ended well or was interrupted: prints what there is to tell. What it
    // returns, if not WEIR_OK, is the exit code's status.
    weir_status (*finish)(weir_job *job, void *opaque);
    void *opaque;
    // Set to the value of --checkpoints before `build`, if it is given. NULL: the program need not
    // know.
    const char **checkpoints;
    // The same of --until, in a replay: whatever sinks `build` declares, they write nothing, and
    // it must not write anything either. NULL: the program need not know.
    const char **until;
} weir_main_options;

WEIR_BEGIN

// Runs or plans `job` as the command line says, closes it, and returns the exit code for main.
WEIR_API int weir_main(weir_job *job, int argc, char **argv);
// The same for a program with options of its own, whose job is built once they are known.
WEIR_API int weir_main_with(const weir_main_options *options, int argc, char **argv);

WEIR_END

#endif // WEIR_MAIN_H
