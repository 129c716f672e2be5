// From a job to its end: plan it, build it, run it in threads or in the simulation, keep what it
// counted.
#include "runtime/plan/plan.h"

weir_run *weir_run_start(weir_job *job, const weir_run_options *options)
{
    if (job->error != NULL || job->run != NULL) {
        wr_job_mistake(job, WEIR_CONFLICT, "the job is running already; close its run first");
        return NULL;
    }
    const bool             is_simulated = options != NULL && options->is_simulated;
    struct wr_environment *environment  = is_simulated
                                              ? wr_environment_open_simulated(options->seed, true)
                                              : wr_environment_open_real();
    struct wr_plan        *plan         = wr_plan_open(job, options, environment);
    if (plan == NULL) {
        wr_environment_close(environment);
        return NULL;
    }
    struct weir_run *run = wr_plan_build(plan, environment);
    run->plan            = plan;
    job->run             = run;
    if (is_simulated) {
        wr_run_start_simulation(run, options->seed);
    } else {
        wr_run_start(run);
    }
    return run;
}

weir_status weir_run_close(weir_run *run)
{
    struct wr_plan *plan = run->plan;
    weir_job       *job  = plan->job;
    (void)weir_run_wait(run, -1);
    wr_run_join(run);
    wr_run_close_operators(run);
    const weir_status status = weir_run_wait(run, -1);
    if (run->failure != NULL) {
        wr_job_mistake(job, run->status, "%s", run->failure);
    }
    wr_tally_close(job->tally);
    job->tally = wr_tally_open(run);
    job->run   = NULL;
    wr_run_close(run);
    wr_plan_close(plan);
    return status;
}

weir_status weir_job_run(weir_job *job, const weir_run_options *options)
{
    weir_run *run = weir_run_start(job, options);
    return run != NULL ? weir_run_close(run) : job->error_status;
}
