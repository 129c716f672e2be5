// A node: one operator of one task, its outputs, and what it may ask of the run.
#include "runtime/run/kept.h"
#include "runtime/run/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// ---- making ----

static void output_open(struct wr_output *output, const struct wr_output_outline *outline,
                        bool is_main, bool passes_rows, uint32_t block_bytes)
{
    output->is_used = outline->type != NULL && (outline->is_used || is_main);
    if (!output->is_used) {
        return;
    }
    output->layout           = wr_batch_layout_of(outline->type, outline->columns, block_bytes);
    output->layout.hashed_by = outline->hashed_by; // before its batch is made
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

static void node_open_outputs(struct wr_node *node, const struct wr_node_outline *outline)
{
    node->output_count = outline->output_count;
    node->outputs      = wr_alloc(sizeof(*node->outputs) * (outline->output_count + 1));
    for (uint32_t i = 0; i < outline->output_count; i++) {
        const bool is_aside = i == WR_OUTPUT_LATE || i == WR_OUTPUT_REJECTS;
        output_open(&node->outputs[i], &outline->outputs[i], i == WR_OUTPUT_MAIN,
                    node->ops->passes_rows && !is_aside, outline->block_bytes);
    }
}

struct wr_node *wr_task_add_node(struct wr_task *task, const struct wr_node_outline *outline)
{
    const struct weir_run    *run  = task->run;
    const struct wr_operator *ops  = outline->spec->operator_;
    struct wr_node           *node = wr_alloc_aligned(ops->node_bytes, WR_CACHE_LINE);

    node->ops              = ops;
    node->spec             = outline->spec;
    node->task             = task;
    node->environment      = run->environment;
    node->pool             = task->pool;
    node->index            = task->node_count;
    node->instance         = task->instance;
    node->parallelism      = task->parallelism;
    node->watermark        = WEIR_TIME_MIN;
    node->source_watermark = WEIR_TIME_MIN;
    node->seed             = run->seed;
    node->range_bits       = range_bits_of(task->parallelism);
    node->wake_at_us       = INT64_MAX;
    node->park             = &task->worker->park;
    node->alignment        = task->generation->alignment;
    node->alignment_base   = outline->alignment_base;
    node->sends_changes =
        outline->output_count > 0 && outline->outputs[WR_OUTPUT_MAIN].sends_changes;
    node->inlets          = wr_alloc(sizeof(struct wr_inlet) * (outline->inlet_count + 1));
    node->counters        = wr_alloc_aligned(sizeof(*node->counters), WR_CACHE_LINE);
    node->call            = wr_alloc(sizeof(*node->call));
    node->call->node      = node;
    node->call->watermark = WEIR_TIME_MIN;
    wr_gauge(node->counters, WR_WATERMARK, (uint64_t)WEIR_TIME_MIN);
    node_open_outputs(node, outline);
    task->nodes[task->node_count++] = node;
    return node;
}

// Inlets were given their room when the node was made, so that they do not move.
static struct wr_inlet *node_add_inlet(struct wr_node *node)
{
    struct wr_inlet *inlet = &node->inlets[node->inlet_count];
    inlet->node            = node;
    inlet->index           = node->inlet_count++;
    return inlet;
}

void wr_node_join(struct wr_node *from, uint32_t output, struct wr_node *to)
{
    struct wr_output *sends = &from->outputs[output];
    WR_ASSERT(from->task == to->task && from->index < to->index);
    sends->consumers =
        wr_realloc(sends->consumers, sizeof(struct wr_inlet *) * (sends->consumer_count + 1));
    sends->consumers[sends->consumer_count++] = node_add_inlet(to);
}

void wr_node_init_watermarks(struct wr_node *node, uint32_t channel_count)
{
    if (channel_count > 0) {
        WR_ASSERT(node->inlet_count == 0);
        (void)node_add_inlet(node); // one for the rows of all channels
    }
    const uint32_t count = channel_count > 0 ? channel_count : node->inlet_count;
    if (count > 0) {
        wr_watermarks_init(&node->watermarks, count);
    }
}

void wr_node_close_operator(struct wr_node *node)
{
    if (node->ops->close != NULL && !node->is_closed) {
        node->ops->close(node);
    }
    node->is_closed = true;
}

void wr_node_close(struct wr_node *node)
{
    wr_node_close_operator(node);
    for (uint32_t i = 0; i < node->output_count; i++) {
        output_close(&node->outputs[i]);
    }
    wr_watermarks_fini(&node->watermarks);
    wr_node_drop_letters(node);
    wr_call_reset(node->call);
    wr_free(node->call->scratch);
    wr_free(node->call->rejected);
    wr_free(node->call);
    wr_free(node->inlets);
    wr_free(node->outputs);
    wr_kept_close(node->kept);
    wr_free(node->counters);
    wr_free(node);
}

// ---- what an operator may ask ----

static void node_fail(struct wr_node *node, weir_status status, const char *sentence,
                      va_list arguments)
{
    char text[900];
    (void)vsnprintf(text, sizeof(text), sentence, arguments);
    char *whole = wr_format("%s: %s", node->spec->name, text);
    wr_generation_fail_any(node->task->generation, status, whole);
    wr_free(whole);
}

void wr_node_fail(struct wr_node *node, const char *sentence, ...)
{
    va_list arguments;
    va_start(arguments, sentence);
    node_fail(node, WEIR_FAILED, sentence, arguments);
    va_end(arguments);
}

void wr_node_fail_as(struct wr_node *node, weir_status status, const char *sentence, ...)
{
    va_list arguments;
    va_start(arguments, sentence);
    node_fail(node, status, sentence, arguments);
    va_end(arguments);
}

bool wr_node_is_still(struct wr_node *node, const char *name, int64_t was, int64_t is)
{
    if (was != is) {
        wr_node_fail_as(node, WEIR_MISMATCH,
                        "the state in the checkpoint was cut by another %s, %lld and not %lld, and "
                        "cannot be cut anew: give it the %s it had, or begin with a new directory "
                        "for checkpoints",
                        name, (long long)was, (long long)is, name);
    }
    return was == is;
}

bool wr_node_has_failed(const struct wr_node *node)
{
    return wr_run_has_failed_any(node->task->run);
}

bool wr_node_is_checkpointed(const struct wr_node *node) { return node->task->capturing != NULL; }

uint32_t wr_node_generation(const struct wr_node *node) { return node->task->generation->number; }

bool wr_node_is_replay(const struct wr_node *node) { return node->task->run->until != NULL; }

bool wr_node_limit(const struct wr_node *node, const char *partition, uint64_t *offset,
                   weir_time *time)
{
    struct wr_until_point point;
    const bool            is_found =
        wr_until_find(node->task->run->until, node->spec->name, partition, &point);
    *offset = point.offset;
    *time   = point.time;
    return is_found;
}

const char *wr_node_job(const struct wr_node *node) { return node->task->run->job_name; }

void wr_node_wake_any(void *park) { wr_park_wake_any(park); }

void wr_node_enter_serial(struct wr_node *node)
{
    (void)pthread_mutex_lock(&node->task->run->serial);
}
void wr_node_leave_serial(struct wr_node *node)
{
    (void)pthread_mutex_unlock(&node->task->run->serial);
}
