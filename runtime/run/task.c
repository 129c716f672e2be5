// A task: one stage's chain of nodes, stepped. See run.h for the rules it keeps.
#include "runtime/run/exchange.h"
#include "runtime/run/run.h"

#include <setjmp.h>
#include <stdlib.h>

enum {
    STEP_BUDGET = 256
}; // calls of nodes a step, so that other tasks of the worker get their turn

#define SLOWED_POLL_US 10000 // between two polls of a source that is slowed

static uint64_t node_bit(const struct wr_node *node) { return UINT64_C(1) << node->index; }

// ---- rows ----

// The consumers have taken everything: the node's outputs may be written again.
static void node_reclaim_outputs(struct wr_node *node)
{
    for (uint32_t i = 0; i < node->output_count; i++) {
        struct wr_output *output = &node->outputs[i];
        if (!output->is_delivered) {
            continue;
        }
        output->is_delivered = false;
        output->passed       = NULL;
        output->count        = 0;
        if (output->batch != NULL && output->batch->row_count > 0) {
            wr_batch_clear(output->batch, &output->layout);
        }
    }
}

// Before a node is called. Nobody holds pointers into the task's tables then.
static void node_begin_call(struct wr_task *task, struct wr_node *node)
{
    node_reclaim_outputs(node);
    wr_spill_release(task->spill);
}

static void inlet_give(struct wr_task *task, struct wr_inlet *inlet, const struct wr_batch *batch,
                       const uint16_t *selection, uint32_t count)
{
    WR_ASSERT(inlet->next == inlet->count);
    inlet->batch     = batch;
    inlet->selection = selection;
    inlet->count     = count;
    inlet->next      = 0;
    task->with_rows |= node_bit(inlet->node);
    wr_count(inlet->node->counters, WR_ROWS_IN, count);
}

// Hands what the node has put into its outputs to those that read them. True if there was
// something.
static bool node_deliver(struct wr_task *task, struct wr_node *node)
{
    bool     is_any = false;
    uint64_t rows   = 0;
    if (node->letters != NULL) {
        (void)wr_node_post_letters(node); // what does not fit goes along next time
    }
    for (uint32_t i = 0; i < node->output_count; i++) {
        struct wr_output *output = &node->outputs[i];
        if (!output->is_used) {
            continue;
        }
        const struct wr_batch *batch = output->passed != NULL ? output->passed : output->batch;
        const uint32_t         count = output->passed != NULL ? output->count
                                       : batch != NULL        ? batch->row_count
                                                              : 0;
        output->is_delivered         = true;
        if (count == 0) {
            continue;
        }
        is_any = true;
        rows += i != WR_OUTPUT_LATE && i != WR_OUTPUT_REJECTS ? count : 0;
        for (uint32_t k = 0; k < output->consumer_count; k++) {
            inlet_give(task, output->consumers[k], batch,
                       output->passed != NULL ? output->selection : NULL, count);
        }
    }
    if (rows > 0) {
        wr_count(node->counters, WR_ROWS_OUT, rows);
    }
    return is_any;
}

// Lets the node take rows. True if it got anywhere.
static bool task_run_rows(struct wr_task *task, struct wr_node *node)
{
    bool has_rows = false;
    bool has_run  = false;
    node_begin_call(task, node);
    for (uint32_t i = 0; i < node->inlet_count; i++) {
        struct wr_inlet *inlet = &node->inlets[i];
        if (inlet->next == inlet->count) {
            continue;
        }
        if (has_run && node->ops->passes_rows) {
            has_rows = true; // its one selection is taken by the first inlet's rows
            continue;
        }
        const uint32_t before = inlet->next;
        node->ops->rows(node, inlet);
        WR_ASSERT(inlet->next >= before && inlet->next <= inlet->count);
        has_run |= inlet->next > before;
        has_rows |= inlet->next < inlet->count;
    }
    if (!has_rows) {
        task->with_rows &= ~node_bit(node);
    }
    return node_deliver(task, node) || has_run;
}

// ---- watermarks ----

static void consumer_set_watermark(struct wr_task *task, const struct wr_inlet *inlet,
                                   const struct wr_node *from, bool is_idle)
{
    struct wr_watermarks *watermarks = &inlet->node->watermarks;
    bool                  has_moved  = wr_watermarks_set(watermarks, inlet->index, from->watermark);
    if (is_idle) {
        has_moved |= wr_watermarks_set_idle(watermarks, inlet->index);
    }
    if (has_moved) {
        task->with_watermark |= node_bit(inlet->node);
    }
}

static void node_hand_on_watermark(struct wr_task *task, struct wr_node *node, bool is_idle)
{
    for (uint32_t i = 0; i < node->output_count; i++) {
        const struct wr_output *output = &node->outputs[i];
        for (uint32_t k = 0; k < output->consumer_count; k++) {
            consumer_set_watermark(task, output->consumers[k], node, is_idle);
        }
    }
}

// Lets the node take its new watermark; once it has, those behind it get it. True if it got
// anywhere.
static bool task_run_watermark(struct wr_task *task, struct wr_node *node)
{
    const weir_time watermark = node->watermarks.current;
    node->call->watermark     = watermark;
    node_begin_call(task, node);
    if (node->ops->advance != NULL && !node->ops->advance(node, watermark)) {
        WR_ASSERT(watermark >= node->watermark);
        return node_deliver(task, node);
    }
    WR_ASSERT(watermark >= node->watermark);
    node->watermark = watermark;
    wr_gauge(node->counters, WR_WATERMARK, (uint64_t)watermark);
    if (node_deliver(task, node)) {
        // The rows go first: the watermark is handed on when they have been taken.
        node->holds_watermark = true;
        return true;
    }
    task->with_watermark &= ~node_bit(node);
    node_hand_on_watermark(task, node, node->watermarks.is_idle);
    return true;
}

static bool task_hand_on_held(struct wr_task *task, struct wr_node *node)
{
    node->holds_watermark = false;
    task->with_watermark &= ~node_bit(node);
    node_hand_on_watermark(task, node, node->watermarks.is_idle);
    return true;
}

void wr_task_hand_on(struct wr_task *task)
{
    for (uint32_t i = 0; i < task->node_count; i++) {
        struct wr_node *node = task->nodes[i];
        if (node->watermark > WEIR_TIME_MIN) {
            node_hand_on_watermark(task, node, false);
        }
    }
}

// ---- the chain ----

// Runs the chain until it is empty or stuck, or the budget is spent. True if it is empty.
static bool task_run_chain(struct wr_task *task, uint32_t *work)
{
    uint64_t stuck = 0;
    while (*work < STEP_BUDGET) {
        uint64_t candidates = (task->with_rows | task->with_watermark) & ~stuck;
        bool     has_run    = false;
        while (candidates != 0) {
            const uint32_t  index = 63 - (uint32_t)__builtin_clzll(candidates);
            struct wr_node *node  = task->nodes[index];
            candidates &= ~node_bit(node);
            if (((task->with_rows | task->with_watermark) & task->behind[index]) != 0) {
                continue;
            }
            bool has_moved;
            if (node->holds_watermark) {
                has_moved = task_hand_on_held(task, node);
            } else if ((task->with_rows & node_bit(node)) != 0) {
                has_moved = task_run_rows(task, node);
            } else {
                has_moved = task_run_watermark(task, node);
            }
            if (has_moved) {
                has_run = true;
                *work += 1;
                break;
            }
            stuck |= node_bit(node);
        }
        if (!has_run) {
            break;
        }
    }
    return (task->with_rows | task->with_watermark) == 0;
}

// ---- inputs ----

static void task_unalign(struct wr_task *task)
{
    for (uint32_t i = 0; i < task->input_count; i++) {
        task->inputs[i].is_aligned = false;
    }
    task->aligned_count = 0;
}

// One of a checkpoint that was given up is dropped where it is met; a later one than is being
// aligned says that this was given up, though the message that says so is still under way.
static void task_take_barrier(struct wr_task *task, struct wr_input *input, uint64_t barrier)
{
    WR_ASSERT(!input->is_aligned); // I5: an aligned input is not read
    wr_worker_serve(task->worker); // what became of the checkpoints before
    if (barrier < task->barrier || barrier <= task->given_up) {
        return;
    }
    if (barrier > task->barrier) {
        task_unalign(task);
        task->barrier = barrier;
    }
    WR_ASSERT(task->aligned_count == 0 || barrier == task->barrier);
    input->is_aligned = true;
    task->aligned_count++;
}

void wr_task_give_up(struct wr_task *task, uint64_t barrier)
{
    task->given_up = barrier > task->given_up ? barrier : task->given_up;
    if (task->asked_barrier <= barrier) {
        task->asked_barrier = 0;
    }
    if (task->state == WR_TASK_RUNNING && task->barrier <= barrier) {
        task_unalign(task);
    }
    wr_task_forget(task, barrier);
}

static void task_take_control(struct wr_task *task, struct wr_input *input,
                              const struct wr_batch *batch)
{
    switch (batch->control) {
    case WR_CONTROL_BARRIER: task_take_barrier(task, input, batch->barrier); break;
    case WR_CONTROL_END:
        WR_ASSERT(!input->has_ended);
        input->has_ended = true;
        task->live_count--;
        break;
    case WR_CONTROL_NONE:
    case WR_CONTROL_DRAIN: break; // a drain is its watermark
    }
}

// The batch's rows are consumed: what follows them counts now, and the batch goes back as a credit.
static void task_finish_batch(struct wr_task *task)
{
    struct wr_input *input     = task->current;
    struct wr_batch *batch     = input->batch;
    struct wr_node  *head      = task->nodes[0];
    const uint32_t   index     = (uint32_t)(input - task->inputs);
    bool             has_moved = false;

    task->current = NULL;
    input->batch  = NULL;
    if (batch->watermark != WEIR_TIME_MIN || batch->row_count > 0) {
        has_moved = wr_watermarks_set(&head->watermarks, index, batch->watermark);
    }
    if (batch->is_idle) {
        has_moved |= wr_watermarks_set_idle(&head->watermarks, index);
    }
    task_take_control(task, input, batch);
    // One that ended without a drain was stopped: what it had yet to say holds event time where it
    // is, so that nothing is completed without it.
    if (input->has_ended && head->watermarks.inputs[index].watermark == WEIR_TIME_MAX) {
        has_moved |= wr_watermarks_end(&head->watermarks, index);
    }
    wr_channel_return(input->channel, batch);
    if (has_moved) {
        task->with_watermark |= node_bit(head);
    }
}

// Takes the next batch of the next input that has one and is not waiting for the others' barrier.
static bool task_take_batch(struct wr_task *task)
{
    for (uint32_t i = 0; i < task->input_count; i++) {
        struct wr_input *input = &task->inputs[task->turn];
        task->turn             = task->turn + 1 == task->input_count ? 0 : task->turn + 1;
        if (input->is_aligned || input->has_ended) {
            continue;
        }
        struct wr_batch *batch = wr_channel_receive(input->channel);
        if (batch == NULL) {
            continue;
        }
        input->batch  = batch;
        task->current = input;
        if (batch->row_count > 0) {
            inlet_give(task, &task->nodes[0]->inlets[0], batch, NULL, batch->row_count);
        }
        return true;
    }
    return false;
}

// Above three quarters of its budget a task has sources slowed, until it is down to half.
static void task_note_state(struct wr_task *task)
{
    const size_t used = task->state == WR_TASK_DONE ? 0 : wr_pool_used_bytes(task->pool);
    if (!task->is_tight && used > task->tight_bytes) {
        task->is_tight = true;
        // Pairs with the load in task_is_slowed; it stands for itself.
        __atomic_fetch_add(&task->run->tight_count, 1, __ATOMIC_RELAXED);
    } else if (task->is_tight && used <= task->tight_bytes / 3 * 2) {
        task->is_tight = false;
        __atomic_fetch_sub(&task->run->tight_count, 1, __ATOMIC_RELAXED);
        wr_run_wake_all_any(task->run);
    }
}

// Whether the source is to wait before it is polled. Only more input lets event time go on, and
// that alone frees state when all that is under way is through: so it never waits for long.
static bool source_is_slowed(struct wr_task *task, struct wr_node *source)
{
    // Pairs with the changes in task_note_state.
    if (__atomic_load_n(&task->run->tight_count, __ATOMIC_RELAXED) == 0) {
        return false;
    }
    const int64_t now_us = wr_now_us(source->environment);
    if (now_us < task->next_poll_us) {
        source->wake_at_us = task->next_poll_us;
        return true;
    }
    task->next_poll_us = now_us + SLOWED_POLL_US;
    return false;
}

static bool task_poll_source(struct wr_task *task)
{
    struct wr_node *source = task->nodes[0];
    if (task->asked_barrier != 0 && task->asked_barrier > task->barrier) {
        task->barrier = task->asked_barrier; // above given_up: else it is asked for no more
        task->state   = WR_TASK_AT_BARRIER;
        task->cursor  = 0;
        return true;
    }
    // What was polled last has been consumed: its watermark counts now.
    if (source->source_watermark > source->watermark ||
        source->source_is_idle != source->has_handed_idle) {
        source->watermark       = source->source_watermark;
        source->has_handed_idle = source->source_is_idle;
        wr_gauge(source->counters, WR_WATERMARK, (uint64_t)source->watermark);
        node_hand_on_watermark(task, source, source->source_is_idle);
        return true;
    }
    if (task->has_ended_source) {
        if (!wr_task_may_end(task)) {
            return false;
        }
        task->state  = WR_TASK_ENDING;
        task->cursor = 0;
        return true;
    }
    const bool is_stopping = __atomic_load_n(&task->run->is_stopping, __ATOMIC_RELAXED) != 0;
    if (!is_stopping && source_is_slowed(task, source)) {
        return false;
    }
    node_reclaim_outputs(source);
    source->wake_at_us      = INT64_MAX;
    const enum wr_poll poll = is_stopping ? WR_POLL_END : source->ops->poll(source);
    task->has_filled_batch =
        poll == WR_POLL_ROWS && wr_output_room(&source->outputs[WR_OUTPUT_MAIN]) == 0;
    const bool made = node_deliver(task, source);
    if (poll == WR_POLL_END && !made) {
        const bool drains =
            task->run->until == NULL && // a replay ends as it was at that moment
            (!is_stopping || __atomic_load_n(&task->run->drains, __ATOMIC_RELAXED) != 0);
        task->has_ended_source = true;
        source->source_is_idle = false;
        if (drains) {
            source->source_watermark = WEIR_TIME_MAX;
        }
        return true;
    }
    return made || poll == WR_POLL_ROWS;
}

// ---- barrier and end ----

// Both walk the nodes in order; what a node lets go on the way is consumed before the next one's
// turn.
static bool task_walk(struct wr_task *task,
                      bool (*visit)(struct wr_task *task, struct wr_node *node))
{
    while (task->cursor < task->node_count) {
        struct wr_node *node = task->nodes[task->cursor];
        node_begin_call(task, node);
        const bool is_done  = visit(task, node);
        const bool has_rows = node_deliver(task, node);
        if (is_done) {
            task->cursor++;
        }
        if (has_rows || !is_done) {
            return false;
        }
    }
    return true;
}

static bool node_pass_barrier(struct wr_task *task, struct wr_node *node)
{
    if (node->ops != &wr_exchange_operator && node->ops->flush != NULL &&
        node->ops->flush(node, true)) {
        return false;
    }
    // Pairs with the release in node_prepare: what was set aside last is prepared.
    if (node->letters != NULL || __atomic_load_n(&node->is_setting_aside, __ATOMIC_ACQUIRE) != 0) {
        return false;
    }
    if (node->ops->barrier != NULL && !node->ops->barrier(node, task->barrier)) {
        return false;
    }
    if (node->ops->committer != NULL && task->capturing != NULL) {
        __atomic_store_n(&node->is_setting_aside, 1, __ATOMIC_RELAXED); // told by a report
    }
    return true;
}

static bool node_finish(struct wr_task *task, struct wr_node *node)
{
    (void)task;
    const bool is_done = node->ops->finish == NULL || node->ops->finish(node);
    return is_done && node->letters == NULL;
}

static void task_pass_barrier(struct wr_task *task)
{
    // Set before the barrier is asked for, and it came by that way.
    if (task->barrier == __atomic_load_n(&task->run->handover, __ATOMIC_RELAXED)) {
        task->state = WR_TASK_DONE;
        wr_task_hand_over(task);
        return;
    }
    task->state = WR_TASK_RUNNING;
    wr_task_mark(task);
}

// Moves on from the state the inputs have led to. True if something was done.
static bool task_advance_state(struct wr_task *task)
{
    const uint32_t before = task->cursor;
    switch (task->state) {
    case WR_TASK_RUNNING:
        if (task->input_count == 0) {
            return false;
        }
        if (task->aligned_count > 0 && task->aligned_count == task->live_count) {
            task->state = WR_TASK_AT_BARRIER;
        } else if (task->live_count == 0 && task->aligned_count == 0) {
            task->state = WR_TASK_ENDING;
        } else {
            return false;
        }
        task->cursor = 0;
        return true;
    case WR_TASK_AT_BARRIER:
        if (task_walk(task, node_pass_barrier)) {
            task_unalign(task);
            task_pass_barrier(task);
            return true;
        }
        return task->with_rows != 0 || task->cursor > before;
    case WR_TASK_ENDING:
        if (task_walk(task, node_finish)) {
            task->state = WR_TASK_DONE;
            return true;
        }
        return task->with_rows != 0 || task->cursor > before;
    case WR_TASK_DONE: break;
    }
    return false;
}

// ---- the step ----

// Nothing to do: whoever holds rows back for larger batches lets them go.
static bool task_flush(struct wr_task *task)
{
    for (uint32_t i = 0; i < task->node_count; i++) {
        struct wr_node *node = task->nodes[i];
        if (node->ops->flush == NULL) {
            continue;
        }
        node_begin_call(task, node);
        const bool has_flushed = node->ops->flush(node, true);
        if (node_deliver(task, node) || has_flushed) {
            return true; // what it let go is consumed before the next one's turn
        }
    }
    return false;
}

static bool task_flush_exchanges(struct wr_task *task, bool is_forced)
{
    bool has_flushed = false;
    for (uint32_t i = 0; i < task->node_count; i++) {
        struct wr_node *node = task->nodes[i];
        if (node->ops == &wr_exchange_operator) {
            has_flushed |= node->ops->flush(node, is_forced);
        }
    }
    return has_flushed;
}

static uint32_t task_step(struct wr_task *task)
{
    uint32_t work = 0;
    if (task->state == WR_TASK_DONE) {
        return 0;
    }
    if (!task_run_chain(task, &work)) {
        // Stuck for want of credit: what is open towards others must not wait for it too.
        return work > 0 || !task_flush_exchanges(task, true) ? work : 1;
    }
    bool has_moved = true;
    if (task->current != NULL) {
        task_finish_batch(task);
    } else {
        has_moved = task_advance_state(task);
        if (!has_moved && task->state == WR_TASK_RUNNING) {
            has_moved = task->input_count > 0 ? task_take_batch(task) : task_poll_source(task);
        }
    }
    if (task->tight_bytes > 0) {
        task_note_state(task);
    }
    if (has_moved) {
        (void)task_run_chain(task, &work);
        return work + 1;
    }
    return task_flush(task) ? work + 1 : work;
}

// Without a segment that cannot be read neither operators nor user functions can go on: the step
// that meets one is left where it stands, and the task is not stepped again.
void wr_task_lose_state(struct wr_task *task)
{
    if (task->step != NULL) {
        longjmp(*task->step, 1);
    }
}

uint32_t wr_task_step(struct wr_task *task)
{
    jmp_buf step;
    if (task->spill == NULL) {
        return task_step(task);
    }
    if (wr_spill_has_lost(task->spill)) {
        return 0;
    }
    task->step = &step;
    if (setjmp(step) != 0) {
        task->step = NULL;
        return 0;
    }
    const uint32_t work = task_step(task);
    task->step          = NULL;
    return work;
}

bool wr_task_is_behind(const struct wr_task *task)
{
    if (task->state == WR_TASK_DONE) {
        return false;
    }
    for (uint32_t i = 0; i < task->input_count; i++) {
        if (!task->inputs[i].is_aligned && wr_channel_has_batch(task->inputs[i].channel)) {
            return true;
        }
    }
    return task->has_filled_batch;
}

void wr_task_flush_aged(struct wr_task *task) { (void)task_flush_exchanges(task, false); }

int64_t wr_task_wake_at(const struct wr_task *task)
{
    int64_t wake_at_us = INT64_MAX;
    for (uint32_t i = 0; task->state != WR_TASK_DONE && i < task->node_count; i++) {
        const int64_t wish_us = task->nodes[i]->wake_at_us;
        wake_at_us            = wish_us < wake_at_us ? wish_us : wake_at_us;
    }
    return wake_at_us;
}
