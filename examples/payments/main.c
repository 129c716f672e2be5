// payments run | plan | generate
#include "generate.h"
#include "job.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <weir/main.h>

// The longest directory whose files' paths fit.
enum { DIRECTORY_BYTES = 4000 };

typedef struct command {
    const char *input;
    const char *output;
    const char *follow;       // NULL: not given
    bool        makes_output; // else the graph is only shown
    weir_status status;
} command;

// False, with a sentence, if there is no such directory and it cannot be made.
static bool make_directory(const char *path)
{
    struct stat found;
    if (strlen(path) > DIRECTORY_BYTES) {
        (void)fprintf(stderr, "payments: the path of --output is too long: at most %d bytes\n",
                      (int)DIRECTORY_BYTES);
    } else if (mkdir(path, 0777) == 0 || (stat(path, &found) == 0 && S_ISDIR(found.st_mode))) {
        return true;
    } else {
        (void)fprintf(stderr, "payments: cannot make the directory %s for the outputs: %s\n", path,
                      strerror(errno));
    }
    return false;
}

// Whether the views would be written beside the events they are made of, and be read as events, or
// empty them. What cannot be found out is for the reader of the input to say.
static bool would_mix(const char *input, const char *output)
{
    char        folder[PATH_MAX], views[PATH_MAX], copy[PATH_MAX];
    struct stat found;
    if (strcmp(input, "-") == 0 || strlen(input) >= sizeof(copy) ||
        realpath(output, views) == NULL) {
        return false;
    }
    memcpy(copy, input, strlen(input) + 1);
    const char *parent = stat(input, &found) == 0 && S_ISDIR(found.st_mode) ? input : dirname(copy);
    return realpath(parent, folder) != NULL && strcmp(folder, views) == 0;
}

static weir_job *build(void *opaque, double rate)
{
    command         *c = (command *)opaque;
    payments_options options;
    if (c->makes_output && !make_directory(c->output)) {
        c->status = WEIR_UNREACHABLE;
        return NULL;
    }
    if (c->makes_output && would_mix(c->input, c->output)) {
        (void)fprintf(
            stderr,
            "payments: --output %s is where --input %s is; the views would be mixed with the "
            "events: choose another directory\n",
            c->output, c->input);
        c->status = WEIR_CONFLICT;
        return NULL;
    }
    options.input     = c->input;
    options.directory = c->output;
    options.follow    = c->follow != NULL;
    options.rate      = rate;
    return payments_job_open(&options);
}

static weir_status finish(weir_job *job, void *opaque)
{
    const command *c = (const command *)opaque;
    return payments_write_summary(job, c->output) ? WEIR_OK : WEIR_UNREACHABLE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "generate") == 0) {
        return payments_generate(argc - 1, argv + 1);
    }
    command c;
    memset(&c, 0, sizeof(c));
    c.makes_output = argc > 1 && strcmp(argv[1], "plan") != 0;

    const weir_main_option own[] = {
        { "input", "FILE", "events: a file, a glob, a directory, or - for stdin", true, &c.input },
        { "output", "DIR", "where the views go; made if it is not there", true, &c.output },
        { "follow", NULL, "at the end of a file wait for more", false, &c.follow },
    };
    const weir_main_options options = {
        "Views of a stream of orders and payments; see also payments generate --help.",
        own,
        sizeof(own) / sizeof(own[0]),
        build,
        finish,
        &c,
    };
    const int exit_code = weir_main_with(&options, argc, argv);
    return c.status != WEIR_OK ? weir_status_exit_code(c.status) : exit_code;
}
