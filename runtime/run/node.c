// A node: one operator of one task, its outputs, and what it may ask of the run.
#include "runtime/run/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// ---- making ---------------------------------------------------------------------------------------

static void output_open(struct wr_output *output, const struct wr_plan_output *plan, bool is_main,
                        bool passes_rows, uint32_t block_bytes)
{
    if (plan->type == NULL) {
        return;
    }
    output->is_used = plan->is_used || is_main;
    if (!output->is_used) {
        return;
    }
    output->layout = wr_batch_layout_of(plan->type, plan->columns, block_bytes);
    if (!passes_rows) {
        output->batch = wr_batch_open(&output->layout);
    }
}

static void output_close(struct wr_output *output)
{
    if (output->batch != NULL) {
        wr_batch_close(output->batch);
    }
    if (output->layout.type != NULL) {
        wr_batch_layout_fini(&output->layout);
    }
    wr_free(output->consumers);
    wr_free(output->staged);
    wr_free(output->staged_facts);
}

// The task's range of hashes shares its top bits when the number of tasks is a power of two.
static uint32_t range_bits_of(uint32_t parallelism)
{
    return (parallelism & (parallelism - 1)) == 0 ? (uint32_t)__builtin_ctz(parallelism) : 0;
}

struct wr_node *wr_node_open(struct wr_task *task, uint32_t plan_node)
{
    struct weir_run           *run  = task->run;
    const struct wr_plan      *plan = run->plan;
    const struct wr_plan_node *from = plan->nodes[plan_node];
    struct wr_node *node = wr_alloc_aligned(from->spec.operator_->node_bytes, WR_CACHE_LINE);

    node->ops          = from->spec.operator_;
    node->spec         = &from->spec;
    node->task         = task;
    node->environment  = run->environment;
    node->pool         = task->pool;
    node->index        = from->index;
    node->instance     = task->instance;
    node->parallelism  = plan->stages[task->stage].parallelism;
    node->watermark    = WEIR_TIME_MIN;
    node->seed         = plan->options.seed;
    node->range_bits   = range_bits_of(node->parallelism);
    node->wake_at_us   = INT64_MAX;
    node->park         = &task->worker->park;
    node->alignment    = run->alignment;
    node->source_watermark = WEIR_TIME_MIN;
    node->counters         = wr_alloc_aligned(sizeof(*node->counters), WR_CACHE_LINE);
    wr_gauge(node->counters, WR_WATERMARK, (uint64_t)WEIR_TIME_MIN);
    node->call         = wr_alloc(sizeof(*node->call));
    node->call->node   = node;
    node->output_count = from->output_count;
    node->outputs      = wr_alloc(sizeof(*node->outputs) * (from->output_count + 1));
    for (uint32_t i = 0; i < from->output_count; i++) {
        const bool is_main = i == WR_OUTPUT_MAIN;
        output_open(&node->outputs[i], &from->outputs[i], is_main,
                    node->ops->passes_rows && i != WR_OUTPUT_LATE && i != WR_OUTPUT_REJECTS,
                    plan->node_block_bytes);
    }
    return node;
}

void wr_node_close(struct wr_node *node)
{
    if (node->ops->close != NULL) {
        node->ops->close(node);
    }
    for (uint32_t i = 0; i < node->output_count; i++) {
        output_close(&node->outputs[i]);
    }
    wr_watermarks_fini(&node->watermarks);
    wr_node_drop_letters(node);
    wr_call_reset(node->call);
    wr_free(node->call->scratch);
    wr_free(node->call);
    wr_free(node->inlets);
    wr_free(node->outputs);
    wr_free(node->counters);
    wr_free(node);
}

// ---- what an operator may ask -----------------------------------------------------------------------

void wr_node_fail(struct wr_node *node, const char *sentence, ...)
{
    char    text[900];
    va_list arguments;
    va_start(arguments, sentence);
    (void)vsnprintf(text, sizeof(text), sentence, arguments);
    va_end(arguments);
    char *whole = wr_format("%s: %s", node->spec->name, text);
    wr_run_fail_any(node->task->run, WEIR_FAILED, whole);
    wr_free(whole);
}

bool wr_node_has_failed(const struct wr_node *node) { return wr_run_has_failed_any(node->task->run); }

bool wr_node_is_stopping(const struct wr_node *node)
{
    const struct weir_run *run = node->task->run;
    return __atomic_load_n(&run->is_stopping, __ATOMIC_RELAXED) != 0 || wr_run_has_failed_any(run);
}

void wr_node_wake_any(void *park) { wr_park_wake_any(park); }

void wr_node_enter_serial(struct wr_node *node) { (void)pthread_mutex_lock(&node->task->run->serial); }
void wr_node_leave_serial(struct wr_node *node) { (void)pthread_mutex_unlock(&node->task->run->serial); }
