// Taking the turns of a run that wr_launch_still has prepared, on the test's own thread.
#ifndef RUN_TURNS_H
#define RUN_TURNS_H

#include "runtime/run/run.h"
#include "tests/support/trial.h"

// One turn, or, where nobody has anything to do, the time until somebody has.
static inline void run_turns_next(struct wr_turns *turns)
{
    if (!wr_turns_take(turns) && !wr_turns_are_over(turns)) {
        const int64_t wake_at_us = wr_turns_wake_at(turns);
        TRIAL_CHECK(wake_at_us != INT64_MAX || wr_simulation_pending(turns->run->environment) > 0,
                    "nothing can move any more");
        (void)wr_simulation_advance(turns->run->environment, wake_at_us);
    }
}

// Until the run is over, or `kill_after` turns (0: no limit) have been taken and it is killed. Its
// status.
static inline weir_status run_turns_take(weir_run *run, uint64_t seed, uint64_t kill_after)
{
    struct wr_turns turns;
    wr_turns_init(&turns, run, seed);
    while (!wr_turns_are_over(&turns)) {
        if (turns.count + 1 == kill_after) {
            wr_run_fail_any(run, WEIR_INTERRUPTED, "the simulated process was killed");
            break;
        }
        run_turns_next(&turns);
    }
    return weir_run_wait(run, -1);
}

#endif // RUN_TURNS_H
