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
    if (run->handover != 0) { // its workers end, and it does not
        return wr_run_has_failed_any(run);
    }
    for (uint32_t i = 0; i < run->now->worker_count; i++) {
        if (run->now->workers[i].done_count < run->now->workers[i].task_count) {
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
    struct wr_worker *worker = &run->now->workers[simulation_draw(state) % run->now->worker_count];
    if (worker->task_count == 0 || simulation_draw(state) % 4 == 0) {
        return wr_worker_step(worker);
    }
    struct wr_task *task = worker->tasks[simulation_draw(state) % worker->task_count];
    if (task->state == WR_TASK_DONE) {
        return 0;
    }
    uint32_t work = wr_task_step(task);
    if (simulation_draw(state) % 2 == 0) { // rows may come in between
        work += wr_worker_capture(worker, work > 0);
    }
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
    for (uint32_t i = 0; i < run->now->worker_count; i++) {
        work += wr_worker_step(&run->now->workers[i]);
    }
    return run->coordinator != NULL ? work + wr_coordinator_step(run->coordinator) : work;
}

// Lets virtual time pass until something can happen. False: nothing ever will.
static bool simulation_wait(const struct wr_turns *turns)
{
    const int64_t wake_at_us = wr_turns_wake_at(turns);
    if (wake_at_us == INT64_MAX && wr_simulation_pending(turns->run->environment) == 0) {
        return false;
    }
    (void)wr_simulation_advance(turns->run->environment, wake_at_us);
    return true;
}

static void simulation_report_stall(struct weir_run *run)
{
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        const struct wr_task *task = run->now->tasks[i];
        if (task->state != WR_TASK_DONE) {
            char *sentence = wr_format("simulation: nothing can move any more; task %u of %s waits",
                                       task->instance, task->nodes[0]->spec->name);
            wr_run_fail_any(run, WEIR_FAILED, sentence);
            wr_free(sentence);
            return;
        }
    }
}

// ---- turn by turn ----

void wr_turns_init(struct wr_turns *turns, struct weir_run *run, uint64_t seed)
{
    *turns = (struct wr_turns){ .run = run, .random = wr_mix64(seed, 0x73696d) };
}

bool wr_turns_are_over(const struct wr_turns *turns) { return run_is_over(turns->run); }

int64_t wr_turns_wake_at(const struct wr_turns *turns)
{
    const struct weir_run *run        = turns->run;
    int64_t                wake_at_us = INT64_MAX;
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        const int64_t wish_us = wr_task_wake_at(run->now->tasks[i]);
        wake_at_us            = wish_us < wake_at_us ? wish_us : wake_at_us;
    }
    if (run->coordinator != NULL) {
        const int64_t wish_us = wr_coordinator_wake_at(run->coordinator);
        wake_at_us            = wish_us < wake_at_us ? wish_us : wake_at_us;
    }
    return wake_at_us;
}

bool wr_turns_take(struct wr_turns *turns)
{
    struct weir_run *run  = turns->run;
    const uint32_t   work = simulation_turn(run, &turns->random);
    turns->count++;
    turns->trace = wr_mix64(turns->trace + work, turns->random);
    wr_simulation_spend(run->environment, 1 + (int64_t)(simulation_draw(&turns->random) % 8));
    (void)wr_simulation_advance(run->environment, 0);
    turns->quiet = work > 0 ? 0 : turns->quiet + 1;
    if (turns->quiet > 4 * run->now->task_count && simulation_round(run) == 0) {
        turns->quiet = 0;
        return false;
    }
    return true;
}

void wr_run_simulate(struct weir_run *run, uint64_t seed)
{
    struct wr_turns turns;
    wr_turns_init(&turns, run, seed);
    while (!run_is_over(run)) {
        if (!wr_turns_take(&turns) && !run_is_over(run) && !simulation_wait(&turns)) {
            simulation_report_stall(run);
        }
    }
}
