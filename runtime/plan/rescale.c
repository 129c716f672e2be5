// Another number of workers for a run that works: a plan for that many, and the generation made of
// it, which takes over.
#include "runtime/plan/plan.h"
#include "runtime/run/coordinator.h"

static weir_status refuse(struct wr_error *error, const weir_run *run, weir_status status,
                          const char *sentence)
{
    return wr_error_set(error, status, "%s: another number of workers: %s", run->job_name,
                        sentence);
}

// What is wrong with the plan is no mistake of the job, which runs, and may have one already.
static struct wr_plan *plan_make(weir_run *run, uint32_t workers, struct wr_error *error)
{
    const struct wr_plan *now     = run->now->opaque;
    weir_job             *job     = run->job;
    weir_run_options      options = now->options;
    char *const           mistake = job->error;
    const weir_status     status  = job->error_status;

    options.workers      = workers;
    job->error           = NULL;
    job->error_status    = WEIR_OK;
    struct wr_plan *plan = wr_plan_open(job, &options, run->environment);
    if (plan == NULL) {
        (void)wr_error_set(error, job->error_status, "%s", job->error);
        wr_free(job->error);
    }
    job->error        = mistake;
    job->error_status = status;
    return plan;
}

// Of the plan, which is handed. NULL: *error says why, and the run goes on as it was.
static struct wr_generation *generation_make(weir_run *run, struct wr_plan *plan,
                                             struct wr_error *error)
{
    struct wr_generation *next = wr_plan_build_generation(plan, run);
    struct wr_error       why  = { .status = WEIR_OK };
    wr_generation_prepare(next);
    if (!wr_generation_is_sound_any(next, &why)) {
        (void)refuse(error, run, why.status, why.sentence);
        wr_error_fini(&why);
        wr_generation_close(next);
        return NULL;
    }
    if (!run->is_simulated) {
        wr_generation_warm(next);
    }
    return next;
}

bool wr_rescale_still(weir_run *run, uint32_t workers, struct wr_error *error)
{
    if (wr_coordinator_is_moving(run->coordinator)) {
        (void)refuse(error, run, WEIR_CONFLICT, "it is being given another number already");
        return false;
    }
    struct wr_plan       *plan = plan_make(run, workers, error);
    struct wr_generation *next = plan != NULL ? generation_make(run, plan, error) : NULL;
    if (next != NULL) {
        wr_coordinator_ask_move(run->coordinator, next);
    }
    return next != NULL;
}

// Whether it works with as many workers as the plan has. One that has ended works with none.
static bool run_has_them_any(weir_run *run, const struct wr_plan *plan)
{
    return plan->options.workers == run->now->worker_count && !wr_run_has_failed_any(run) &&
           weir_run_wait(run, 0) == WEIR_TIMED_OUT;
}

// No two at a time.
static void run_rescale(weir_run *run, uint32_t workers, int64_t timeout_us, int64_t *paused_us,
                        struct wr_error *error)
{
    struct wr_plan *plan = plan_make(run, workers, error);
    if (plan == NULL || run_has_them_any(run, plan)) {
        if (plan != NULL) {
            wr_plan_close(plan);
        }
        return;
    }
    struct wr_generation *next = generation_make(run, plan, error);
    if (next != NULL) {
        (void)wr_coordinator_move_any(run->coordinator, next, timeout_us, paused_us, error);
    }
}

weir_status weir_run_rescale_any(weir_run *run, uint32_t workers, int64_t timeout_us,
                                 int64_t *paused_us, char **sentence)
{
    struct wr_error error = { .status = WEIR_OK };
    if (paused_us != NULL) {
        *paused_us = 0;
    }
    if (run->coordinator == NULL || run->is_simulated) {
        (void)refuse(&error, run, WEIR_USAGE,
                     "the run takes no checkpoints, at whose barriers it could be given one; give "
                     "it a directory for them");
    } else if (run->until != NULL) {
        (void)refuse(&error, run, WEIR_USAGE, "it is a replay, which ends by itself");
    } else {
        (void)pthread_mutex_lock(&run->rescaling);
        run_rescale(run, workers, timeout_us, paused_us, &error);
        (void)pthread_mutex_unlock(&run->rescaling);
    }
    return wr_error_hand_out(&error, sentence);
}
