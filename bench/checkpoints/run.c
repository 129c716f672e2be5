// Running a job, and noting its checkpoints while it runs.
#include "bench/checkpoints/checkpoint_bench.h"

#include "runtime/run/coordinator.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_US  2000
#define NEVER_US INT64_C(3600000000)

static struct wr_coordinator *watched; // of the run under way

int64_t run_busy_until_us_any(void)
{
    // Pairs with the release in plan_run.
    struct wr_coordinator *coordinator = __atomic_load_n(&watched, __ATOMIC_ACQUIRE);
    return coordinator != NULL ? wr_coordinator_busy_until_any(coordinator) : 0;
}

static void taken_note(struct taken *taken, weir_run *run, uint64_t *seen)
{
    struct wr_checkpoint_facts facts;
    wr_coordinator_facts_any(run->coordinator, &facts);
    if (facts.count == *seen || taken->count == TAKEN_MAX) {
        return;
    }
    *seen                        = facts.count;
    taken->bytes[taken->count]   = (double)facts.bytes;
    taken->took_ms[taken->count] = (double)(facts.ended_us - facts.began_us) / 1e3;
    taken->packed[taken->count] =
        facts.segments > 0 ? (double)facts.packed_segments / (double)facts.segments : 0;
    taken->entries = facts.entries;
    taken->count++;
}

// Both numbers only rise, and the sink's is read first: what is under way is never less than zero,
// and at most what is read between the two too many.
static void under_way_note(const struct plan *plan, const weir_job *job, struct taken *taken)
{
    const uint64_t taken_up = weir_job_counter(job, plan->sink, WEIR_ROWS_IN);
    const uint64_t rows     = weir_job_sources_counter(job, WEIR_ROWS_OUT) - taken_up;
    taken->least_under_way  = rows < taken->least_under_way ? rows : taken->least_under_way;
    taken->most_under_way   = rows > taken->most_under_way ? rows : taken->most_under_way;
}

static void taken_note_state(struct taken *taken, const weir_run *run)
{
    taken->state_bytes = 0;
    taken->spilled     = (struct wr_spill_facts){ .segments = 0 };
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        const struct wr_task *task = run->now->tasks[i];
        taken->state_bytes += wr_pool_used_bytes(task->pool);
        if (task->spill != NULL) {
            const struct wr_spill_facts facts = wr_spill_facts(task->spill);
            taken->spilled.segments += facts.segments;
            taken->spilled.bytes += facts.bytes;
            taken->spilled.written += facts.written;
            taken->spilled.read += facts.read;
        }
    }
}

static bool plan_is_reached(const struct plan *plan, const weir_job *job, const struct taken *taken)
{
    return (plan->stop_at_checkpoint != 0 && taken->count >= plan->stop_at_checkpoint) ||
           (plan->stop_at_row != 0 &&
            weir_job_sources_counter(job, WEIR_ROWS_OUT) >= plan->stop_at_row) ||
           (plan->stops != NULL && __atomic_load_n(plan->stops, __ATOMIC_RELAXED));
}

bool plan_run(const struct plan *plan, weir_job *job, struct taken *taken)
{
    const weir_run_options options = {
        .workers             = plan->workers,
        .seed                = RUN_SEED,
        .checkpoints         = plan->checkpoints,
        .checkpoint_interval = plan->checkpoints == NULL ? 0
                               : plan->interval_us != 0  ? plan->interval_us
                                                         : NEVER_US,
        .state_budget        = plan->state_budget,
        .over_budget     = plan->state_budget != 0 ? WEIR_OVER_BUDGET_SPILL : WEIR_OVER_BUDGET_FAIL,
        .spill_directory = plan->spill_directory,
    };
    static struct taken ignored;
    uint64_t            seen   = 0;
    weir_status         status = WEIR_OK;
    taken                      = taken != NULL ? taken : &ignored;
    *taken                     = (struct taken){ .least_under_way = UINT64_MAX };
    weir_run *run              = weir_run_start(job, &options);
    if (run != NULL) {
        __atomic_store_n(&watched, run->coordinator, __ATOMIC_RELEASE);
        while (weir_run_wait(run, LOOK_US) == WEIR_TIMED_OUT) {
            if (run->coordinator != NULL) {
                taken_note(taken, run, &seen);
            }
            if (plan_is_reached(plan, job, taken)) {
                weir_run_stop_any(run, false);
            } else if (plan->sink != NULL && taken->count > 0) {
                under_way_note(plan, job, taken);
            }
        }
        __atomic_store_n(&watched, NULL, __ATOMIC_RELEASE);
        if (run->coordinator != NULL) {
            taken_note(taken, run, &seen);
        }
        taken_note_state(taken, run);
        status      = weir_run_close(run);
        taken->rows = weir_job_sources_counter(job, WEIR_ROWS_OUT);
    }
    if (run == NULL || status != WEIR_OK) {
        fprintf(stderr, "%s\n", weir_job_error(job));
    }
    weir_job_close(job);
    return run != NULL && status == WEIR_OK;
}

// ---- directories ----

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

void path_remove_all(const char *path) { (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

const char *bench_path(const struct bench *bench, const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", bench->directory, name);
    return path;
}
