// From a job to its end: plan it, build it, run it in threads or in the simulation, keep what it
// counted. With a directory for checkpoints: open that first, for it may say what was before.
#include "runtime/plan/control.h"
#include "runtime/plan/plan.h"
#include "runtime/plan/replay.h"
#include "runtime/plan/restart.h"
#include "runtime/run/coordinator.h"

#include <stdio.h>
#include <stdlib.h>

#define INTERVAL_US 1000000
#define TIMEOUT_US  600000000
#define NEVER_US    WEIR_DAYS(36500) // a replay takes its last checkpoint only

// ---- checkpoints ----

// "operator NAME VERB KEY": what of a graph is compared between two runs, and shown.
static struct wr_graph_text graph_text(const weir_job *job)
{
    struct wr_graph_text text = { .operators = wr_alloc((job->node_count + 1) * sizeof(char *)) };
    for (uint32_t i = 0; i < job->node_count; i++) {
        const struct wr_spec *spec = &job->nodes[i]->spec;
        if (job->nodes[i]->kind == WR_GRAPH_ROUTE) {
            continue;
        }
        char *line = wr_format("%s: %s%s%s", spec->name, spec->operator_->verb,
                               spec->key != NULL ? " by " : "",
                               spec->key != NULL ? spec->key->key->name : "");
        for (const char *at = line; *at != 0; at++) {
            text.hash = wr_mix64(text.hash ^ (unsigned char)*at, 0x6772617068);
        }
        text.operators[text.operator_count++] = line;
    }
    return text;
}

// NULL if "" or "none" or nothing was asked for; else the number in *checkpoint.
static bool restore_number(weir_job *job, const char *restore, uint64_t *checkpoint)
{
    char *end   = NULL;
    *checkpoint = 0;
    if (restore == NULL || strcmp(restore, "latest") == 0) {
        return true;
    }
    *checkpoint = strtoull(restore, &end, 10);
    if (end == restore || *end != 0 || *checkpoint == 0) {
        wr_job_mistake(job, WEIR_USAGE,
                       "restore \"%s\": it must be \"latest\", the number of a checkpoint, or a "
                       "savepoint's directory",
                       restore);
        return false;
    }
    return true;
}

static void warn(void *opaque, const char *sentence)
{
    const weir_job *job = opaque;
    (void)fprintf(stderr, "weir: %s: %s\n", job->name, sentence);
}

// Where a run's checkpoints go, and what it goes on from.
struct stores {
    struct wr_store *own;
    struct wr_store *savepoint; // NULL: it goes on from its own, if there is one
    uint64_t         end;       // that is the checkpoint the job had ended with; 0: it had not
};

static void stores_close(struct stores *stores)
{
    wr_store_close(stores->savepoint);
    wr_store_close(stores->own);
}

static bool is_savepoint(const char *restore)
{
    return restore != NULL && strcmp(restore, "latest") != 0 &&
           restore[strspn(restore, "0123456789")] != 0;
}

static bool open_store(weir_job *job, struct wr_environment *environment, const char *directory,
                       const struct wr_store_options *options, struct wr_store **store)
{
    struct wr_error error = { .status = WEIR_OK };
    if (wr_store_open(environment, directory, options, store, &error) != WEIR_OK) {
        wr_job_mistake(job, error.status, "%s", error.sentence);
        wr_error_fini(&error);
        return false;
    }
    return true;
}

// The savepoint, beside a store that has nothing yet.
static bool open_savepoint(weir_job *job, const weir_run_options *options,
                           struct wr_environment *environment, struct stores *stores)
{
    const struct wr_store_options reading = { .writes = false };
    if (wr_store_manifest(stores->own) != NULL) {
        wr_job_mistake(job, WEIR_CONFLICT,
                       "%s has checkpoints of its own; leave restore (--restore %s) out to go on "
                       "from the newest of them, or give another directory to go on from that "
                       "savepoint",
                       options->checkpoints, options->restore);
        return false;
    }
    if (!open_store(job, environment, options->restore, &reading, &stores->savepoint)) {
        return false;
    }
    if (wr_store_manifest(stores->savepoint) == NULL) {
        wr_job_mistake(job, WEIR_NOT_FOUND, "%s: there is no savepoint in it", options->restore);
        return false;
    }
    return true;
}

// Opens the stores that the options name, and says by the manifest what must stay as it was. False:
// the job has the mistake. stores->own is NULL where no checkpoints are wanted.
static bool launch_open_stores(weir_job *job, weir_run_options *options,
                               struct wr_environment *environment, struct stores *stores)
{
    struct wr_store_options open = {
        .writes  = true,
        .creates = true,
        .keeps   = options->checkpoints_kept,
        .warn    = warn,
        .opaque  = job,
    };
    *stores = (struct stores){ .own = NULL };
    if (options->replay_to != NULL) {
        wr_job_mistake(job, WEIR_USAGE,
                       "replay_to %s: it is where a replay's state goes; say with until how far to "
                       "replay (--until POINT)",
                       options->replay_to);
        return false;
    }
    if (options->checkpoints == NULL) {
        return true;
    }
    const bool goes_on_from_savepoint = is_savepoint(options->restore);
    if (!goes_on_from_savepoint && !restore_number(job, options->restore, &open.checkpoint)) {
        return false;
    }
    if (!open_store(job, environment, options->checkpoints, &open, &stores->own) ||
        (goes_on_from_savepoint && !open_savepoint(job, options, environment, stores))) {
        return false;
    }
    struct wr_store *from = stores->savepoint != NULL ? stores->savepoint : stores->own;
    for (uint32_t i = 0; i < job->node_count; i++) {
        if (job->nodes[i]->formerly != NULL) {
            wr_store_rename(from, job->nodes[i]->formerly, job->nodes[i]->spec.name);
        }
    }
    const struct wr_manifest *manifest = wr_store_manifest(from);
    if (manifest != NULL) {
        options->seed = manifest->hash_seed; // state is found by hash
        stores->end   = manifest->is_final && !manifest->is_stopped ? manifest->checkpoint : 0;
    }
    return true;
}

// What a replay goes on from is only read: a savepoint, the checkpoint that was asked for, or the
// newest from before the point.
static bool open_replayed(weir_job *job, const weir_run_options *options,
                          const struct wr_until *until, struct wr_environment *environment,
                          struct stores *stores)
{
    const bool              is_copy = is_savepoint(options->restore);
    const char             *from    = is_copy ? options->restore : options->checkpoints;
    struct wr_store_options reading = { .writes = false };
    struct wr_error         error   = { .status = WEIR_OK };
    if (!is_copy && !restore_number(job, options->restore, &reading.checkpoint)) {
        return false;
    }
    if (from == NULL) {
        return true; // from the beginning
    }
    if (options->restore == NULL) {
        if (wr_replay_open(environment, from, until, &stores->savepoint, &error) != WEIR_OK) {
            wr_job_mistake(job, error.status, "%s", error.sentence);
            wr_error_fini(&error);
            return false;
        }
    } else if (!open_store(job, environment, from, &reading, &stores->savepoint)) {
        return false;
    }
    if (wr_store_manifest(stores->savepoint) == NULL) {
        wr_job_mistake(job, WEIR_NOT_FOUND, "checkpoints in %s: there is none", from);
        return false;
    }
    return true;
}

// What a replay writes lies in a directory that nobody else uses.
static bool launch_open_replay(weir_job *job, weir_run_options *options,
                               const struct wr_until *until, struct wr_environment *environment,
                               struct stores *stores)
{
    const struct wr_store_options writing = {
        .writes = true, .creates = true, .is_new = true, .warn = warn, .opaque = job
    };
    if (options->replay_to == NULL || options->replay_to[0] == '\0') {
        wr_job_mistake(job, WEIR_USAGE,
                       "until %s: it needs a directory of its own for the state that it ends with; "
                       "name a new one in replay_to (--replay-to DIR)",
                       options->until);
        return false;
    }
    if (options->checkpoints == NULL && options->restore != NULL &&
        !is_savepoint(options->restore)) {
        wr_job_mistake(job, WEIR_USAGE,
                       "restore %s: there are no checkpoints to find it in; name their directory "
                       "(--checkpoints DIR)",
                       options->restore);
        return false;
    }
    if (!open_replayed(job, options, until, environment, stores) ||
        !open_store(job, environment, options->replay_to, &writing, &stores->own)) {
        return false;
    }
    if (stores->savepoint != NULL) {
        options->seed = wr_store_manifest(stores->savepoint)->hash_seed; // state is found by hash
    }
    return true;
}

static int64_t timeout_of(const weir_run_options *options)
{
    return options->checkpoint_timeout > 0 ? options->checkpoint_timeout : TIMEOUT_US;
}

static void launch_take_checkpoints(const weir_job *job, const weir_run_options *options,
                                    struct weir_run *run, const struct stores *stores)
{
    const struct wr_coordinator_options coordinator = {
        .store       = stores->own,
        .savepoint   = stores->savepoint,
        .had_ended   = stores->end != 0 && stores->savepoint == NULL,
        .interval_us = options->until != NULL             ? NEVER_US
                       : options->checkpoint_interval > 0 ? options->checkpoint_interval
                                                          : INTERVAL_US,
        .timeout_us  = timeout_of(options),
        .job         = job->name,
        .graph       = graph_text(job),
    };
    wr_run_take_checkpoints(run, wr_coordinator_open(run, &coordinator));
}

// "checkpoint 7 of 2026-03-01T10:02:00Z in DIR" (wr_alloc'ed): what the run goes on from. NULL: it
// begins anew, or nothing is left to do.
static char *origin_text(const struct stores *stores)
{
    const struct wr_store    *from = stores->savepoint != NULL ? stores->savepoint : stores->own;
    const struct wr_manifest *manifest = from != NULL ? wr_store_manifest(from) : NULL;
    char                      at[WEIR_TIME_TEXT_MAX];
    if (manifest == NULL || (manifest->is_final && !manifest->is_stopped)) {
        return NULL;
    }
    (void)weir_time_format(manifest->durable_us, at);
    return wr_format("%s %llu of %s in %s", manifest->is_savepoint ? "savepoint" : "checkpoint",
                     (unsigned long long)manifest->checkpoint, at, wr_store_directory(from));
}

// ---- launching ----

static struct wr_plan *prepare_replay(weir_job *job, weir_run_options *options,
                                      struct wr_environment *environment, struct stores *stores)
{
    char            *sentence = NULL;
    struct wr_until *until    = wr_until_open(options->until, &sentence);
    struct wr_plan  *plan     = NULL;
    *stores                   = (struct stores){ .own = NULL };
    if (until == NULL) {
        wr_job_mistake(job, WEIR_USAGE, "%s", sentence);
        wr_free(sentence);
    } else if (launch_open_replay(job, options, until, environment, stores)) {
        plan = wr_plan_open(job, options, environment);
    }
    if (plan != NULL && wr_replay_fits(job, until)) {
        plan->until = until; // handed
        return plan;
    }
    wr_until_close(until);
    if (plan != NULL) {
        wr_plan_close(plan);
    }
    return NULL;
}

// When nothing is in the way of going on.
static void tell_of_end(const weir_job *job, const weir_run_options *options, uint64_t checkpoint)
{
    (void)fprintf(stderr,
                  "weir: %s: the job had ended with checkpoint %llu in %s; nothing is left to do: "
                  "to run it anew, give another directory\n",
                  job->name, (unsigned long long)checkpoint, options->checkpoints);
}

// Everything but the start.
static weir_run *prepare(weir_job *job, const weir_run_options *options,
                         struct wr_environment *environment, bool owns_environment)
{
    weir_run_options own = options != NULL ? *options : (weir_run_options){ .workers = 0 };
    struct stores    stores;
    struct wr_plan  *plan = own.until != NULL ? prepare_replay(job, &own, environment, &stores)
                            : launch_open_stores(job, &own, environment, &stores)
                                ? wr_plan_open(job, &own, environment)
                                : NULL;
    if (plan == NULL) {
        stores_close(&stores);
        return NULL;
    }
    struct weir_run *run = wr_plan_build(plan, environment, owns_environment);
    job->run             = run;
    run->origin          = origin_text(&stores);
    if (stores.own != NULL) {
        launch_take_checkpoints(job, &own, run, &stores);
    }
    wr_run_prepare(run);
    if (stores.end != 0 && !wr_run_has_failed_any(run)) {
        tell_of_end(job, &own, stores.end);
    }
    return run;
}

static void launch_take_commands(weir_job *job, const weir_run_options *options,
                                 struct weir_run *run)
{
    char *sentence = NULL;
    run->control   = wr_control_open(run, options->checkpoints, timeout_of(options), &sentence);
    if (run->control == NULL) {
        warn(job, sentence);
        wr_free(sentence);
    }
}

static weir_run *launch(weir_job *job, const weir_run_options *options,
                        struct wr_environment *environment)
{
    struct weir_run *run = prepare(job, options, environment, true);
    if (run == NULL) {
        return NULL;
    }
    if (options != NULL && options->is_simulated) {
        wr_run_start_simulation(run, options->seed);
    } else {
        wr_run_start(run);
        // A replay ends by itself, and the directory is somebody else's.
        if (run->coordinator != NULL && !options->is_not_commanded && run->until == NULL) {
            launch_take_commands(job, options, run);
        }
    }
    return run;
}

static bool job_may_run(weir_job *job)
{
    if (job->error != NULL || job->run != NULL) {
        wr_job_mistake(job, WEIR_CONFLICT, "the job is running already; close its run first");
        return false;
    }
    return true;
}

weir_run *wr_launch_still(weir_job *job, const weir_run_options *options,
                          struct wr_environment *environment)
{
    return job_may_run(job) ? prepare(job, options, environment, false) : NULL;
}

weir_run *weir_run_start(weir_job *job, const weir_run_options *options)
{
    if (!job_may_run(job)) {
        return NULL;
    }
    const bool             is_simulated = options != NULL && options->is_simulated;
    struct wr_environment *environment  = is_simulated
                                              ? wr_environment_open_simulated(options->seed, true)
                                              : wr_environment_open_real();
    weir_run              *run          = launch(job, options, environment);
    if (run == NULL) {
        wr_environment_close(environment);
    }
    return run;
}

weir_status weir_run_close(weir_run *run)
{
    weir_job *job = run->job;
    (void)weir_run_wait(run, -1);
    wr_control_stop(run->control);
    wr_run_join(run);
    wr_run_close_operators(run);
    const weir_status status = weir_run_wait(run, -1);
    wr_control_close(run->control, status, run->failure);
    if (run->failure != NULL) {
        wr_job_mistake(job, run->status, "%s", run->failure);
    }
    wr_tally_close(job->tally);
    job->tally = wr_tally_open(run);
    job->run   = NULL;
    wr_run_close(run);
    return status;
}

weir_status weir_job_run(weir_job *job, const weir_run_options *options)
{
    const weir_restart     none        = { .kind = WEIR_RESTART_NONE };
    struct wr_environment *environment = wr_environment_open_real(); // to wait by
    const bool             is_real     = options != NULL && !options->is_simulated;
    struct wr_restarts     restarts;
    weir_status            status;
    int64_t                delay_us = 0;
    wr_restarts_init(&restarts, is_real && options->until == NULL ? &options->restart_rule : &none);
    for (;;) {
        wr_restarts_begin(&restarts, wr_now_us(environment));
        weir_run *run = weir_run_start(job, options);
        status        = run != NULL ? weir_run_close(run) : job->error_status;
        if (!wr_restarts_again(&restarts, status, wr_now_us(environment), &delay_us)) {
            break;
        }
        wr_job_forget_failure(job, &restarts, delay_us);
        environment->ops->wait_word(environment, &(uint32_t){ 0 }, 0, delay_us);
    }
    wr_restarts_fini(&restarts);
    wr_environment_close(environment);
    return status;
}
