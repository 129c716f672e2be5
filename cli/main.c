// weir_main: the command line every job has.
//
//   argv --> verb and options --> build the job --> plan, or run with progress --> exit code
#include <weir/main.h>

#include "cli/log/values.h"
#include "cli/progress.h"
#include "cli/replay.h"
#include "runtime/graph/graph.h"
#include "runtime/plan/restart.h"
#include "runtime/run/coordinator.h"
#include "runtime/run/run.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum verb { VERB_RUN, VERB_PLAN };

struct command {
    const char      *program;
    enum verb        verb;
    weir_run_options run;
    double           rate;
    bool             as_json;
    bool             is_quiet;
    bool             wants_help;
};

// The options of every job; val is what getopt returns, the program's own come after.
enum {
    OPTION_WORKERS = 1,
    OPTION_CPUS,
    OPTION_RATE,
    OPTION_CHECKPOINTS,
    OPTION_INTERVAL,
    OPTION_KEPT,
    OPTION_RESTORE,
    OPTION_UNTIL,
    OPTION_REPLAY_TO,
    OPTION_RESTARTS,
    OPTION_NO_CONTROL,
    OPTION_FORGET_PARTITIONS,
    OPTION_SIMULATE,
    OPTION_STATE,
    OPTION_OVER,
    OPTION_SPILL,
    OPTION_QUIET,
    OPTION_JSON,
    OPTION_HELP,
    OPTION_OWN
};

static const struct common_option {
    const char *name, *value, *help;
    int         id;
} common_options[] = {
    { "workers", "N", "pinned worker threads (default: one a core)", OPTION_WORKERS },
    { "cpus", "LIST", "cores to pin them to, as 0,2-5", OPTION_CPUS },
    { "rate", "N", "records a second to read, where the source can be slowed", OPTION_RATE },
    { "checkpoints", "DIR", "keep checkpoints here, and go on from the newest",
      OPTION_CHECKPOINTS },
    { "checkpoint-interval", "MS", "from one to the next, in milliseconds (default: 1000)",
      OPTION_INTERVAL },
    { "checkpoints-kept", "N", "how many of them, the newest (default: 3)", OPTION_KEPT },
    { "restore", "N", "go on from checkpoint N, not from the newest", OPTION_RESTORE },
    { "until", "POINT", "replay up to a time, or to @OFFSET or PARTITION@OFFSET, and stop there",
      OPTION_UNTIL },
    { "replay-to", "DIR", "of a replay: a new directory for its state; sinks write nothing",
      OPTION_REPLAY_TO },
    { "restarts", "N", "run it again after a failure, at most N times, 1 s later and longer",
      OPTION_RESTARTS },
    { "no-control", NULL, "take no commands (weir job) through a socket beside the checkpoints",
      OPTION_NO_CONTROL },
    { "forget-partitions", NULL, "go on although an input that was not read to its end is gone",
      OPTION_FORGET_PARTITIONS },
    { "state-budget", "SIZE", "most memory for state: bytes, or 512K, 20M, 2G (default: no limit)",
      OPTION_STATE },
    { "over-budget", "WHAT", "of state: fail, spill to files, or slow the sources (default: fail)",
      OPTION_OVER },
    { "spill-directory", "DIR", "where to (default: that of the checkpoints, $TMPDIR, /tmp)",
      OPTION_SPILL },
    { "simulate", "SEED", "run on one thread in virtual time, in an order drawn from SEED",
      OPTION_SIMULATE },
    { "json", NULL, "print the plan, or the end of the run, as JSON", OPTION_JSON },
    { "quiet", NULL, "no progress on stderr", OPTION_QUIET },
    { "help", NULL, "this page", OPTION_HELP },
};

// ---- help and mistakes ----

static void print_option(const char *name, const char *value, const char *help, bool is_needed)
{
    char *left = wr_format("--%s%s%s", name, value != NULL ? " " : "", value != NULL ? value : "");
    (void)printf("  %-24s %s%s\n", left, help, is_needed ? " (needed)" : "");
    wr_free(left);
}

// All that a run may end with: each code once, in rising order, by the first of its statuses.
static void print_exit_codes(void)
{
#define STATUS(code, name, exit_code, sentence) WEIR_##name,
    static const weir_status statuses[] = { WEIR_STATUS_LIST(STATUS) };
#undef STATUS
    const int last = weir_status_exit_code(WEIR_INTERRUPTED);
    (void)printf("\nexit codes:\n");
    for (int code = 0; code <= last; code++) {
        uint32_t i = 0;
        while (i < WR_COUNT_OF(statuses) && weir_status_exit_code(statuses[i]) != code) {
            i++;
        }
        if (i < WR_COUNT_OF(statuses)) {
            (void)printf("  %3d  %s\n", code, weir_status_sentence(statuses[i]));
        }
    }
}

static void print_help(const weir_main_options *own, const char *program)
{
    if (own->summary != NULL) {
        (void)printf("%s\n\n", own->summary);
    }
    (void)printf("usage: %s run [options]     run the job to its end; Ctrl-C stops it\n", program);
    (void)printf(
        "       %s plan [options]    print how it would run, and the most memory it takes\n\n",
        program);
    for (uint32_t i = 0; i < own->option_count; i++) {
        print_option(own->options[i].name, own->options[i].value, own->options[i].help,
                     own->options[i].is_needed);
    }
    for (uint32_t i = 0; i < WR_COUNT_OF(common_options); i++) {
        print_option(common_options[i].name, common_options[i].value, common_options[i].help,
                     false);
    }
    print_exit_codes();
}

static int complain(const char *program, const char *sentence, const char *what)
{
    (void)fprintf(stderr, "%s: %s%s%s; see %s --help\n", program, sentence, what != NULL ? " " : "",
                  what != NULL ? what : "", program);
    return weir_status_exit_code(WEIR_USAGE);
}

// ---- reading the command line ----

static bool parse_count(const char *text, uint64_t *count)
{
    char *end = NULL;
    errno     = 0;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    *count = strtoull(text, &end, 0);
    return errno == 0 && *end == '\0';
}

static bool parse_over_budget(const char *text, weir_over_budget *over_budget)
{
    static const char *const names[] = { "fail", "spill", "slow" };
    for (uint32_t i = 0; i < WR_COUNT_OF(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *over_budget = (weir_over_budget)i;
            return true;
        }
    }
    return false;
}

static bool command_take(struct command *command, int id, const char *value)
{
    uint64_t count = 0;
    char    *end   = NULL;
    switch (id) {
    case OPTION_WORKERS:
        command->run.workers = parse_count(value, &count) && count <= 1024 ? (uint32_t)count : 0;
        return command->run.workers > 0;
    case OPTION_CPUS: command->run.cpus = value; return true;
    case OPTION_RATE: command->rate = strtod(value, &end); return *end == '\0' && command->rate > 0;
    case OPTION_CHECKPOINTS: command->run.checkpoints = value; return value[0] != 0;
    case OPTION_INTERVAL:
        command->run.checkpoint_interval =
            parse_count(value, &count) && count <= 86400000 ? (weir_time)count * 1000 : 0;
        return command->run.checkpoint_interval > 0;
    case OPTION_RESTARTS:
        command->run.restart_rule.kind = WEIR_RESTART_EXPONENTIAL;
        command->run.restart_rule.most =
            parse_count(value, &count) && count <= UINT32_MAX ? (uint32_t)count : 0;
        return command->run.restart_rule.most > 0;
    case OPTION_KEPT:
        command->run.checkpoints_kept =
            parse_count(value, &count) && count <= UINT32_MAX ? (uint32_t)count : 0;
        return command->run.checkpoints_kept > 0;
    case OPTION_RESTORE: command->run.restore = value; return true;
    case OPTION_UNTIL: command->run.until = value; return value[0] != 0;
    case OPTION_REPLAY_TO: command->run.replay_to = value; return value[0] != 0;
    case OPTION_NO_CONTROL: command->run.is_not_commanded = true; return true;
    case OPTION_FORGET_PARTITIONS: command->run.forgets_partitions = true; return true;
    case OPTION_STATE: return wr_value_size(value, &command->run.state_budget);
    case OPTION_OVER: return parse_over_budget(value, &command->run.over_budget);
    case OPTION_SPILL: command->run.spill_directory = value; return value[0] != 0;
    case OPTION_SIMULATE:
        command->run.is_simulated = true;
        return parse_count(value, &command->run.seed);
    case OPTION_JSON: command->as_json = true; return true;
    case OPTION_QUIET: command->is_quiet = true; return true;
    case OPTION_HELP: command->wants_help = true; return true;
    default: return false;
    }
}

static struct option *options_of(const weir_main_options *own)
{
    struct option *list =
        wr_alloc(sizeof(*list) * (WR_COUNT_OF(common_options) + own->option_count + 1));
    uint32_t next = 0;
    for (uint32_t i = 0; i < WR_COUNT_OF(common_options); i++) {
        list[next++] = (struct option){ common_options[i].name, common_options[i].value != NULL,
                                        NULL, common_options[i].id };
    }
    for (uint32_t i = 0; i < own->option_count; i++) {
        list[next++] = (struct option){ own->options[i].name, own->options[i].value != NULL, NULL,
                                        OPTION_OWN + (int)i };
    }
    return list;
}

static const char *common_name(int id)
{
    for (uint32_t i = 0; i < WR_COUNT_OF(common_options); i++) {
        if (common_options[i].id == id) {
            return common_options[i].name;
        }
    }
    return "";
}

// What is given without the option that it needs would do nothing. 0, or the exit code of what was
// said.
static int command_check(const struct command *command)
{
    const weir_run_options *run   = &command->run;
    const char             *given = run->restore != NULL            ? "--restore"
                                    : run->checkpoint_interval != 0 ? "--checkpoint-interval"
                                    : run->checkpoints_kept != 0    ? "--checkpoints-kept"
                                                                    : NULL;
    if (run->replay_to != NULL && run->until == NULL) {
        return complain(command->program, "--replay-to needs", "--until POINT");
    }
    if (given == NULL || run->checkpoints != NULL || run->until != NULL) {
        return 0; // a replay takes none, and may go on from a savepoint alone
    }
    char     *sentence = wr_format("%s needs", given);
    const int code     = complain(command->program, sentence, "--checkpoints DIR");
    wr_free(sentence);
    return code;
}

// Reads everything after the verb. 0, or the exit code of a mistake that has been said.
static int command_read(struct command *command, const weir_main_options *own, int argc,
                        char **argv)
{
    struct option *list = options_of(own);
    int            code = 0;
    int            id;
    optind = 1;
    opterr = 0;
    while (code == 0 && (id = getopt_long(argc, argv, ":", list, NULL)) != -1) {
        if (id == '?' || id == ':') {
            code = complain(command->program,
                            id == '?' ? "there is no option" : "a value is missing after",
                            argv[optind - 1]);
        } else if (id >= OPTION_OWN) {
            *own->options[id - OPTION_OWN].to = optarg != NULL ? optarg : "";
        } else if (!command_take(command, id, optarg)) {
            char *what = wr_format("--%s: \"%s\"", common_name(id), optarg);
            code       = complain(command->program, "not a value for", what);
            wr_free(what);
        }
    }
    if (code == 0 && optind < argc) {
        code = complain(command->program, "do not know what to do with", argv[optind]);
    }
    for (uint32_t i = 0; code == 0 && !command->wants_help && i < own->option_count; i++) {
        if (own->options[i].is_needed && *own->options[i].to == NULL) {
            char *what = wr_format("--%s %s", own->options[i].name, own->options[i].value);
            code       = complain(command->program, "needs", what);
            wr_free(what);
        }
    }
    wr_free(list);
    return code != 0 || command->wants_help ? code : command_check(command);
}

// ---- running ----

static volatile sig_atomic_t signals_seen;
static weir_run *volatile run_to_stop;

// The first signal asks the sources to end, the second ends the process.
static void on_signal(int number)
{
    if (signals_seen++ > 0) {
        _exit(128 + number);
    }
    if (run_to_stop != NULL) {
        weir_run_stop_any(run_to_stop, false);
    }
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN; // a reader that goes away is a failed write, told by name
    (void)sigaction(SIGPIPE, &action, NULL);
}

// After the first signal: that the run waits for its last checkpoint, and what a second one does.
// True: that was said.
static bool tell_of_wait(const weir_run *run)
{
    struct wr_checkpoint_trouble trouble = { .count = 0 };
    struct wr_checkpoint_facts   facts   = { .id = 0 };
    if (run->coordinator != NULL) {
        wr_coordinator_trouble_any(run->coordinator, &trouble);
        wr_coordinator_facts_any(run->coordinator, &facts);
    }
    const bool is_said = trouble.count > 0 && trouble.is_final;
    if (is_said) {
        char number[48] = "the one that it went on from, if any";
        if (facts.id != 0) {
            (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)facts.id);
        }
        (void)fprintf(
            stderr,
            "weir: %s: it waits %sfor its last checkpoint: %s; a second Ctrl-C ends it at "
            "its last one, %s\n",
            run->job_name, trouble.why.status == WEIR_FULL ? "for room " : "", trouble.why.sentence,
            number);
    }
    wr_error_fini(&trouble.why);
    return is_said;
}

static void tell_origin(const struct command *command, const weir_job *job, const weir_run *run)
{
    if (!command->is_quiet && run->origin != NULL && !wr_run_has_failed_any(run)) {
        (void)fprintf(stderr, "weir: %s: goes on from %s\n", weir_job_name(job), run->origin);
    }
}

static weir_status command_run_once(struct command *command, weir_job *job,
                                    struct wr_progress *progress)
{
    weir_run *run = weir_run_start(job, &command->run);
    if (run == NULL) {
        return WEIR_USAGE;
    }
    tell_origin(command, job, run);
    run_to_stop = run;
    if (signals_seen > 0) {
        weir_run_stop_any(run, false);
    }
    bool has_told = false;
    while (weir_run_wait(run, 200000) == WEIR_TIMED_OUT) {
        wr_progress_show(progress);
        has_told = has_told || (signals_seen > 0 && tell_of_wait(run));
    }
    run_to_stop = NULL;
    return weir_run_close(run);
}

// In pieces, so that a signal ends it.
static void wait_before_restart(struct wr_environment *environment, int64_t delay_us)
{
    const int64_t until_us = wr_now_us(environment) + delay_us;
    while (signals_seen == 0 && wr_now_us(environment) < until_us) {
        const int64_t left_us = until_us - wr_now_us(environment);
        environment->ops->wait_word(environment, &(uint32_t){ 0 }, 0,
                                    left_us < 100000 ? left_us : 100000);
    }
}

static weir_status command_run(struct command *command, weir_job *job)
{
    const weir_restart     none        = { .kind = WEIR_RESTART_NONE };
    const bool             is_replay   = command->run.until != NULL;
    struct wr_environment *environment = wr_environment_open_real(); // to wait by
    struct wr_progress     progress;
    struct wr_restarts     restarts;
    weir_status            status;
    int64_t                delay_us = 0;
    catch_signals();
    wr_progress_init(&progress, job, stderr, !command->is_quiet && isatty(STDERR_FILENO));
    wr_restarts_init(&restarts, is_replay ? &none : &command->run.restart_rule);
    for (;;) {
        wr_restarts_begin(&restarts, wr_now_us(environment));
        status = command_run_once(command, job, &progress);
        if (signals_seen > 0 ||
            !wr_restarts_again(&restarts, status, wr_now_us(environment), &delay_us)) {
            break;
        }
        wr_job_forget_failure(job, &restarts, delay_us);
        wait_before_restart(environment, delay_us);
    }
    wr_restarts_fini(&restarts);
    wr_environment_close(environment);
    if (status == WEIR_USAGE) {
        return status;
    }
    wr_progress_end(&progress, command->as_json);
    const uint64_t unread = wr_job_unread_dead_letters(job);
    if (unread > 0 && status == WEIR_OK) {
        (void)fprintf(stderr, "%s: %llu dead letters, which nobody reads; see weir_dead_letters\n",
                      weir_job_name(job), (unsigned long long)unread);
    }
    if (status == WEIR_OK && signals_seen > 0) {
        return WEIR_INTERRUPTED;
    }
    return status == WEIR_OK && is_replay
               ? wr_replay_dump(command->program, command->run.replay_to, command->is_quiet)
               : status;
}

static int command_perform(struct command *command, const weir_main_options *own, weir_job *job)
{
    weir_status status = WEIR_OK;
    if (weir_job_error(job) == NULL) {
        status = command->verb == VERB_PLAN
                     ? weir_job_plan(job, &command->run, command->as_json, stdout)
                     : command_run(command, job);
    }
    if (weir_job_error(job) != NULL) {
        (void)fprintf(stderr, "%s\n", weir_job_error(job));
        status = weir_job_status(job);
    } else if (command->verb == VERB_RUN && own->finish != NULL &&
               (status == WEIR_OK || status == WEIR_INTERRUPTED)) {
        const weir_status finished = own->finish(job, own->opaque);
        status                     = finished != WEIR_OK ? finished : status;
    }
    return weir_status_exit_code(status);
}

// ---- the public calls ----

static const char *program_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

// Finds the verb, which is the first word; "run" may be left out when options follow at once.
static int main_with(const weir_main_options *own, weir_job *job, int argc, char **argv)
{
    struct command command = { .program = argc > 0 ? program_name(argv[0]) : "weir" };
    const char    *verb    = argc > 1 ? argv[1] : "run";
    int            shift   = argc > 1 ? 1 : 0;
    if (verb[0] == '-') {
        verb  = "run";
        shift = 0;
    }
    if (strcmp(verb, "help") == 0) {
        print_help(own, command.program);
        return 0;
    }
    if (strcmp(verb, "run") != 0 && strcmp(verb, "plan") != 0) {
        return complain(command.program, "there is no verb", verb);
    }
    command.verb   = strcmp(verb, "plan") == 0 ? VERB_PLAN : VERB_RUN;
    const int code = command_read(&command, own, argc - shift, argv + shift);
    if (code != 0) {
        return code;
    }
    if (command.wants_help) {
        print_help(own, command.program);
        return 0;
    }
    if (own->checkpoints != NULL) {
        *own->checkpoints = command.run.checkpoints;
    }
    if (own->until != NULL) {
        *own->until = command.run.until;
    }
    if (job == NULL) {
        job = own->build(own->opaque, command.rate);
    }
    if (job == NULL) {
        return weir_status_exit_code(WEIR_USAGE); // build has said why
    }
    const int result = command_perform(&command, own, job);
    weir_job_close(job);
    return result;
}

int weir_main_with(const weir_main_options *options, int argc, char **argv)
{
    return main_with(options, NULL, argc, argv);
}

int weir_main(weir_job *job, int argc, char **argv)
{
    static const weir_main_options none;
    return main_with(&none, job, argc, argv);
}
