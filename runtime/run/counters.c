// Reading a job's counters: while it runs from its nodes, afterwards from what was kept of them.
#include "runtime/run/run.h"

#include <stdlib.h>

struct wr_kept_counters {
    char    *name;
    bool     is_source;
    uint64_t values[WR_COUNTER_COUNT];
};

static uint64_t counter_combine(enum wr_counter counter, uint64_t sum, uint64_t value, bool is_first)
{
    if (counter == WR_WATERMARK && !is_first) {
        return (int64_t)value < (int64_t)sum ? value : sum;
    }
    return counter == WR_WATERMARK ? value : sum + value;
}

// The operator's node in each task of its stage, combined. `number` of the plan's nodes.
static uint64_t run_counter(const struct weir_run *run, uint32_t number, enum wr_counter counter)
{
    const struct wr_plan_node *node     = run->plan->nodes[number];
    uint64_t                   combined = 0;
    for (uint32_t i = 0; i < run->plan->stages[node->stage].parallelism; i++) {
        const struct wr_task *task  = run->tasks[run->first_tasks[node->stage] + i];
        const uint64_t        value = wr_counter_read_any(task->nodes[node->index]->counters, counter);
        combined                    = counter_combine(counter, combined, value, i == 0);
    }
    return combined;
}

static void job_drop_counters(weir_job *job)
{
    for (uint32_t i = 0; i < job->kept_count; i++) {
        wr_free(job->kept[i].name);
    }
    wr_free(job->kept);
    job->kept       = NULL;
    job->kept_count = 0;
}

void wr_job_keep_counters(weir_job *job, const struct weir_run *run)
{
    struct wr_kept_counters *kept = wr_alloc(sizeof(*kept) * (run->plan->node_count + 1));
    for (uint32_t i = 0; i < run->plan->node_count; i++) {
        kept[i].name      = wr_copy_text(run->plan->nodes[i]->spec.name);
        kept[i].is_source = run->plan->nodes[i]->spec.operator_ == &wr_source_operator;
        for (uint32_t c = 0; c < WR_COUNTER_COUNT; c++) {
            kept[i].values[c] = run_counter(run, i, (enum wr_counter)c);
        }
    }
    job_drop_counters(job);
    job->drop_kept  = job_drop_counters;
    job->kept       = kept;
    job->kept_count = run->plan->node_count;
    job->last_run   = NULL;
}

static uint64_t job_counter(const weir_job *job, const char *name, weir_counter counter)
{
    const struct weir_run *run   = job->last_run;
    const uint32_t         count = run != NULL ? run->plan->node_count : job->kept_count;
    uint64_t               sum   = 0;
    bool                   is_first = true;
    for (uint32_t i = 0; i < count; i++) {
        const bool is_source = run != NULL ? run->plan->nodes[i]->spec.operator_ == &wr_source_operator
                                           : job->kept[i].is_source;
        const char *node_name = run != NULL ? run->plan->nodes[i]->spec.name : job->kept[i].name;
        if (name != NULL ? strcmp(node_name, name) != 0 : !is_source) {
            continue;
        }
        const uint64_t value = run != NULL ? run_counter(run, i, (enum wr_counter)counter)
                                           : job->kept[i].values[counter];
        sum      = counter_combine((enum wr_counter)counter, sum, value, is_first);
        is_first = false;
    }
    return sum;
}

uint64_t weir_job_counter(const weir_job *job, const char *operator_name, weir_counter counter)
{
    return operator_name != NULL ? job_counter(job, operator_name, counter) : 0;
}

uint64_t weir_job_sources_counter(const weir_job *job, weir_counter counter)
{
    return job_counter(job, NULL, counter);
}
