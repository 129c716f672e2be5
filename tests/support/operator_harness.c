// One operator by itself; see operator_harness.h.
#include "tests/support/operator_harness.h"

#include "runtime/run/kept.h"

#define STUCK_CALLS 100000u // that get nowhere: a timer that emits nothing does, too

static void output_open(struct wr_output *output, const weir_type *type, uint32_t columns,
                        uint32_t rows)
{
    output->is_used = true;
    output->layout  = wr_batch_layout_of(
         type, columns, (uint32_t)sizeof(struct wr_batch) + 64 + rows * (type->size + 17));
    output->batch = wr_batch_open(&output->layout);
}

void operator_harness_open(struct operator_harness               *harness,
                           const struct operator_harness_options *options)
{
    struct wr_node *node     = wr_alloc_aligned(options->operator_->node_bytes, WR_CACHE_LINE);
    *harness                 = (struct operator_harness){ .options = *options };
    harness->spec            = (struct wr_spec){ .operator_  = options->operator_,
                                                 .name       = "under test",
                                                 .binding    = options->binding,
                                                 .key        = options->key,
                                                 .options    = options->options,
                                                 .parameters = options->parameters };
    harness->generation.run  = &harness->run;
    harness->task.run        = &harness->run;
    harness->task.generation = &harness->generation;
    harness->node            = node;
    (void)pthread_mutex_init(&harness->run.lock, NULL);
    (void)pthread_mutex_init(&harness->run.serial, NULL);
    node->ops             = options->operator_;
    node->spec            = &harness->spec;
    node->task            = &harness->task;
    node->pool            = wr_pool_open(options->budget_bytes);
    node->parallelism     = 1;
    node->watermark       = WEIR_TIME_MIN;
    node->seed            = 0x5eed;
    node->range_bits      = options->range_bits;
    node->counters        = wr_alloc_aligned(sizeof(*node->counters), WR_CACHE_LINE);
    node->call            = wr_alloc(sizeof(*node->call));
    node->call->node      = node;
    node->call->watermark = WEIR_TIME_MIN;
    node->sends_changes   = (options->columns & WR_COLUMN_CHANGE) != 0;
    node->output_count    = options->output_count;
    node->outputs         = wr_alloc((node->output_count + 1) * sizeof(*node->outputs));
    for (uint32_t i = 0; i < node->output_count; i++) {
        if (options->outputs[i] != NULL) {
            output_open(&node->outputs[i], options->outputs[i],
                        i == WR_OUTPUT_LATE ? (uint32_t)WR_COLUMN_TIME : options->columns,
                        options->rows);
        }
    }
    harness->inlet.node = node;
    node->inlets        = &harness->inlet;
    node->inlet_count   = 1;
    WR_ASSERT(options->operator_->open == NULL || options->operator_->open(node));
}

void operator_harness_close(struct operator_harness *harness)
{
    struct wr_node *node = harness->node;
    if (node->ops->close != NULL) {
        node->ops->close(node);
    }
    for (uint32_t i = 0; i < node->output_count; i++) {
        if (node->outputs[i].is_used) {
            wr_batch_close(node->outputs[i].batch);
            wr_batch_layout_fini(&node->outputs[i].layout);
            wr_free(node->outputs[i].staged);
            wr_free(node->outputs[i].staged_facts);
        }
    }
    WR_ASSERT(wr_pool_used_bytes(node->pool) == 0);
    wr_pool_close(node->pool);
    wr_call_reset(node->call);
    wr_free(node->call->scratch);
    wr_free(node->call->rejected);
    wr_free(node->call);
    wr_kept_close(node->kept);
    wr_free(node->counters);
    wr_free(node->outputs);
    wr_free(node);
    (void)pthread_mutex_destroy(&harness->run.lock);
    (void)pthread_mutex_destroy(&harness->run.serial);
    wr_free(harness->run.failure);
}

// Hands over what the outputs hold, and empties them. True if there was something.
static bool outputs_empty(struct operator_harness *harness)
{
    bool is_any = false;
    for (uint32_t i = 0; i < harness->node->output_count; i++) {
        struct wr_output *output = &harness->node->outputs[i];
        if (!output->is_used) {
            continue;
        }
        const bool             is_passed = output->passed != NULL;
        const struct wr_batch *batch     = is_passed ? output->passed : output->batch;
        const uint32_t         count     = is_passed ? output->count : batch->row_count;
        WR_ASSERT(is_passed || wr_batch_is_valid(batch, &output->layout));
        if (count > 0) {
            is_any = true;
            harness->options.take(harness->options.opaque, i, batch,
                                  is_passed ? output->selection : NULL, count);
        }
        output->passed = NULL;
        output->count  = 0;
        wr_batch_clear(output->batch, &output->layout);
    }
    return is_any;
}

// The same with the dead letters, however many batches they take.
static bool outputs_leave(struct operator_harness *harness)
{
    bool is_any   = false;
    bool is_whole = false;
    while (!is_whole) {
        is_whole = wr_node_post_letters(harness->node);
        is_any |= outputs_empty(harness);
    }
    return is_any;
}

void operator_harness_rows(struct operator_harness *harness, const struct wr_batch *batch,
                           const uint16_t *selection, uint32_t count)
{
    struct wr_inlet *inlet = &harness->inlet;
    inlet->batch           = batch;
    inlet->selection       = selection;
    inlet->count           = count;
    inlet->next            = 0;
    for (uint32_t stuck = 0; inlet->next < inlet->count && harness->run.has_failed == 0; stuck++) {
        const uint32_t before = inlet->next;
        harness->node->ops->rows(harness->node, inlet);
        WR_ASSERT(inlet->next >= before && inlet->next <= inlet->count);
        stuck = outputs_leave(harness) || inlet->next > before ? 0 : stuck;
        WR_ASSERT(stuck < STUCK_CALLS);
    }
}

void operator_harness_advance(struct operator_harness *harness, weir_time watermark)
{
    struct wr_node *node    = harness->node;
    bool            is_done = node->ops->advance == NULL;
    node->call->watermark   = watermark;
    for (uint32_t stuck = 0; !is_done; stuck++) {
        is_done = node->ops->advance(node, watermark);
        stuck   = outputs_leave(harness) ? 0 : stuck;
        WR_ASSERT(stuck < STUCK_CALLS);
    }
    node->watermark = watermark;
}

void operator_harness_finish(struct operator_harness *harness)
{
    struct wr_node *node    = harness->node;
    bool            is_done = node->ops->finish == NULL;
    for (uint32_t stuck = 0; !is_done; stuck++) {
        is_done = node->ops->finish(node);
        stuck   = outputs_leave(harness) ? 0 : stuck;
        WR_ASSERT(stuck < STUCK_CALLS);
    }
}

void operator_harness_flush(struct operator_harness *harness)
{
    struct wr_node *node = harness->node;
    while (node->ops->flush != NULL && node->ops->flush(node, true)) {
        (void)outputs_leave(harness);
    }
}

uint64_t operator_harness_counter(const struct operator_harness *harness, enum wr_counter counter)
{
    return wr_counter_read_any(harness->node->counters, counter);
}

const char *operator_harness_failure(const struct operator_harness *harness)
{
    return harness->run.failure;
}

struct operator_harness_batch operator_harness_batch_open(const weir_type *type, uint32_t columns,
                                                          uint32_t block_bytes)
{
    struct operator_harness_batch made = { .layout =
                                               wr_batch_layout_of(type, columns, block_bytes) };
    made.batch                         = wr_batch_open(&made.layout);
    return made;
}

void operator_harness_batch_close(struct operator_harness_batch *batch)
{
    wr_batch_close(batch->batch);
    wr_batch_layout_fini(&batch->layout);
}

bool operator_harness_batch_add(struct operator_harness_batch *batch, const void *record,
                                weir_time time, weir_change change)
{
    struct wr_batch *to = batch->batch;
    if (wr_batch_room(to) == 0) {
        return false;
    }
    memcpy(wr_batch_row(to, to->row_count), record, to->row_size);
    if (to->times != NULL) {
        to->times[to->row_count] = time;
    }
    if (to->changes != NULL) {
        to->changes[to->row_count] = (uint8_t)change;
    }
    return wr_batch_seal_row(to, &batch->layout);
}
