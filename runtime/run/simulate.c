// The simulated executor: one thread takes the steps that workers would take, in an order drawn
// from the seed, on a virtual clock. The same seed gives the same run.
//
// Each turn picks a worker, or a single task of one, and steps it; time passes by a small random
// cost. When a whole round finds no work, the clock jumps to the next completion or wake-up; if
// there is none, nothing will ever move again, and the job fails by name instead of hanging.
#include "runtime/run/coordinator.h"
#include "runtime/run/run.h"

static uint64_t simulation_draw(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return wr_mix64(*state, 0);
}

static bool run_is_over(const struct weir_run *run)
{
    for (uint32_t i = 0; i < run->worker_count; i++) {
        if (run->workers[i].done_count < run->workers[i].task_count) {
            return wr_run_has_failed_any(run);
        }
    }
    return true;
}

static uint32_t simulation_turn(struct weir_run *run, uint64_t *state)
{
    if (run->coordinator != NULL && simulation_draw(state) % 8 == 0) {
        return wr_coordinator_step(run->coordinator);
    }
    struct wr_worker *worker = &run->workers[simulation_draw(state) % run->worker_count];
    if (worker->task_count == 0 || simulation_draw(state) % 4 == 0) {
        return wr_worker_step(worker);
    }
    struct wr_task *task = worker->tasks[simulation_draw(state) % worker->task_count];
    if (task->state == WR_TASK_DONE) {
        return 0;
    }
    const uint32_t work = wr_task_step(task);
    if (simulation_draw(state) % 4 == 0) {
        wr_task_flush_aged(task);
    }
    worker->done_count += task->state == WR_TASK_DONE;
    return work;
}

// One pass over all workers in order, so that "no work" means that nobody has any.
static uint32_t simulation_round(struct weir_run *run)
{
    uint32_t work = 0;
    for (uint32_t i = 0; i < run->worker_count; i++) {
        work += wr_worker_step(&run->workers[i]);
    }
    return run->coordinator != NULL ? work + wr_coordinator_step(run->coordinator) : work;
}

// Lets virtual time pass until something can happen. False: nothing ever will.
static bool simulation_wait(struct weir_run *run)
{
    int64_t wake_at_us = INT64_MAX;
    for (uint32_t i = 0; i < run->task_count; i++) {
        const int64_t wish_us = wr_task_wake_at(run->tasks[i]);
        wake_at_us            = wish_us < wake_at_us ? wish_us : wake_at_us;
    }
    if (run->coordinator != NULL) {
        const int64_t wish_us = wr_coordinator_wake_at(run->coordinator);
        wake_at_us            = wish_us < wake_at_us ? wish_us : wake_at_us;
    }
    if (wake_at_us == INT64_MAX && wr_simulation_pending(run->environment) == 0) {
        return false;
    }
    (void)wr_simulation_advance(run->environment, wake_at_us);
    return true;
}

static void simulation_report_stall(struct weir_run *run)
{
    for (uint32_t i = 0; i < run->task_count; i++) {
        const struct wr_task *task = run->tasks[i];
        if (task->state != WR_TASK_DONE) {
            char *sentence = wr_format("simulation: nothing can move any more; task %u of %s waits",
                                       task->instance, task->nodes[0]->spec->name);
            wr_run_fail_any(run, WEIR_FAILED, sentence);
            wr_free(sentence);
            return;
        }
    }
}

void wr_run_simulate(struct weir_run *run, uint64_t seed)
{
    uint64_t state = wr_mix64(seed, 0x73696d);
    uint32_t quiet = 0;
    for (uint64_t turn = 1; !run_is_over(run); turn++) {
        if (turn == run->kill_after) {
            wr_run_fail_any(run, WEIR_INTERRUPTED, "the simulated process was killed");
            return;
        }
        const uint32_t work = simulation_turn(run, &state);
        wr_simulation_spend(run->environment, 1 + (int64_t)(simulation_draw(&state) % 8));
        (void)wr_simulation_advance(run->environment, 0);
        quiet = work > 0 ? 0 : quiet + 1;
        if (quiet > 4 * run->task_count && simulation_round(run) == 0) {
            quiet = 0;
            if (!run_is_over(run) && !simulation_wait(run)) {
                simulation_report_stall(run);
            }
        }
    }
}
