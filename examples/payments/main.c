// payments run | plan | produce | generate
#include "generate.h"
#include "job.h"
#include "produce.h"
#include "views/views.h"

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
    const char      *input, *log, *consumer; // NULL: not given, here and below
    const char      *output, *output_log;
    const char      *views, *job;
    const char      *follow;
    const char      *checkpoints, *until;
    bool             makes_output; // else the graph is only shown
    payments_options options;
    weir_status      status;
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

static bool is_one_of(const char *a, const char *a_name, const char *b, const char *b_name)
{
    if ((a != NULL) == (b != NULL)) {
        (void)fprintf(stderr, "payments: needs --%s or --%s, %s; see payments --help\n", a_name,
                      b_name, a != NULL ? "not both" : "one of them");
        return false;
    }
    return true;
}

static bool read_command(command *c, double rate)
{
    c->options.ends.input    = c->input;
    c->options.ends.log      = c->log;
    c->options.ends.consumer = c->consumer;
    c->options.ends.follow   = c->follow != NULL;
    c->options.ends.rate     = rate;
    if (c->until == NULL) { // the views of a replay go nowhere
        c->options.ends.output     = c->output;
        c->options.ends.output_log = c->output_log;
    }
    if (c->consumer != NULL && c->log == NULL) {
        (void)fprintf(stderr, "payments: --consumer is a name in a log; it needs --log DIR\n");
        return false;
    }
    return is_one_of(c->input, "input FILE", c->log, "log DIR") &&
           (c->until != NULL ||
            is_one_of(c->output, "output DIR", c->output_log, "output-log DIR")) &&
           payments_choose_views(c->views, c->job, &c->options.views);
}

static weir_status prepare_files(const command *c)
{
    const char *from = c->input != NULL ? c->input : c->log;
    if (!make_directory(c->output)) {
        return WEIR_UNREACHABLE;
    }
    if (would_mix(from, c->output)) {
        (void)fprintf(
            stderr,
            "payments: --output %s is where --%s %s is; the views would be mixed with the "
            "events: choose another directory\n",
            c->output, c->input != NULL ? "input" : "log", from);
        return WEIR_CONFLICT;
    }
    return WEIR_OK;
}

static weir_status prepare_log(const command *c)
{
    const char *names[PAYMENTS_VIEW_COUNT];
    uint32_t    count = 0;
    for (uint32_t i = 0; i < PAYMENTS_VIEW_COUNT; i++) {
        if ((c->options.views >> i & 1) != 0) {
            names[count++] = payments_view_name(i);
        }
    }
    return payments_empty_topics(&c->options.ends, names, count);
}

// Under a consumer's name, or with checkpoints, the job goes on, and so do its topics.
static bool has_output_to_prepare(const command *c)
{
    const bool goes_on = c->consumer != NULL || c->checkpoints != NULL;
    return c->makes_output && c->until == NULL && (c->output != NULL || !goes_on);
}

static weir_status prepare_output(const command *c)
{
    return c->output != NULL ? prepare_files(c) : prepare_log(c);
}

static weir_job *build(void *opaque, double rate)
{
    command  *c   = (command *)opaque;
    weir_job *job = NULL;
    c->status     = read_command(c, rate) ? WEIR_OK : WEIR_USAGE;
    if (c->status != WEIR_OK) {
        return NULL;
    }
    job = payments_job_open(&c->options);
    // A job that cannot be planned, for its input is not there, shall empty no view.
    if (has_output_to_prepare(c) && weir_job_memory_bound(job, NULL) > 0) {
        c->status = prepare_output(c);
    }
    if (c->status != WEIR_OK) {
        weir_job_close(job);
        return NULL;
    }
    return job;
}

static weir_status finish(weir_job *job, void *opaque)
{
    const command *c = (const command *)opaque;
    return payments_write_summary(job, &c->options) ? WEIR_OK : WEIR_UNREACHABLE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "generate") == 0) {
        return payments_generate(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "produce") == 0) {
        return payments_produce(argc - 1, argv + 1);
    }
    command c;
    memset(&c, 0, sizeof(c));
    c.makes_output = argc > 1 && strcmp(argv[1], "plan") != 0;

    const weir_main_option own[] = {
        { "input", "FILE", "events: a file, a glob, a directory, or - for stdin", false, &c.input },
        { "log", "DIR", "or a log: its topic \"events\"", false, &c.log },
        { "output", "DIR", "where the views go; made if it is not there", false, &c.output },
        { "output-log", "DIR", "or a log, a topic a view; it may be the same one", false,
          &c.output_log },
        { "views", "LIST", "some of them: alerts,kpi,sessions,orders,unpaid,purchases", false,
          &c.views },
        { "job", "NAME", "or a job's: fraud, kpi, orders, all (all)", false, &c.job },
        { "consumer", "NAME", "go on where a run of this name came to, and keep that", false,
          &c.consumer },
        { "follow", NULL, "at the end wait for more", false, &c.follow },
    };
    const weir_main_options options = {
        "Views of a stream of orders and payments; see also payments produce and generate --help.",
        own,
        sizeof(own) / sizeof(own[0]),
        build,
        finish,
        &c,
        &c.checkpoints,
        &c.until,
    };
    const int exit_code = weir_main_with(&options, argc, argv);
    return c.status != WEIR_OK ? weir_status_exit_code(c.status) : exit_code;
}
