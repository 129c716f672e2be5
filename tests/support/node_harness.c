// One operator by itself; see node_harness.h.
#include "tests/support/node_harness.h"

#include <string.h>

#define STUCK_CALLS 1000u // that get nowhere

static void output_open(struct wr_output *output, const weir_type *type, uint32_t columns,
                        uint32_t rows)
{
    const uint32_t row_bytes   = type->size + 17;
    const uint32_t block_bytes = (uint32_t)sizeof(struct wr_batch) + 64 + rows * row_bytes;
    output->is_used            = true;
    output->layout             = wr_batch_layout_of(type, columns, block_bytes);
    output->batch              = wr_batch_open(&output->layout);
}

void node_harness_open(struct node_harness *harness, const struct node_harness_options *options)
{
    *harness      = (struct node_harness){ .options = *options };
    harness->spec = (struct wr_spec){
        .operator_ = options->operator_,
        .name      = "under test",
        .binding   = options->binding,
        .key       = options->key,
        .options   = options->options,
    };
    struct wr_node *node = wr_alloc_aligned(options->operator_->node_bytes, WR_CACHE_LINE);
    harness->node        = node;
    node->ops            = options->operator_;
    node->spec           = &harness->spec;
    node->pool           = wr_pool_open(options->budget_bytes);
    node->parallelism    = 1;
    node->watermark      = WEIR_TIME_MIN;
    node->seed           = NODE_HARNESS_SEED;
    node->range_bits     = options->range_bits;
    node->counters       = wr_alloc_aligned(sizeof(*node->counters), WR_CACHE_LINE);
    node->call           = wr_alloc(sizeof(*node->call));
    node->call->node     = node;
    node->output_count   = 2;
    node->outputs        = wr_alloc(node->output_count * sizeof(*node->outputs));
    output_open(&node->outputs[WR_OUTPUT_MAIN], options->out, options->columns, options->rows);
    if (options->late != NULL) {
        output_open(&node->outputs[WR_OUTPUT_LATE], options->late, WR_COLUMN_TIME, options->rows);
    }
    harness->inlet.node = node;
    node->inlets        = &harness->inlet;
    node->inlet_count   = 1;
    WR_ASSERT(options->operator_->open == NULL || options->operator_->open(node));
}

void node_harness_close(struct node_harness *harness)
{
    struct wr_node *node = harness->node;
    if (node->ops->close != NULL) {
        node->ops->close(node);
    }
    for (uint32_t i = 0; i < node->output_count; i++) {
        if (node->outputs[i].is_used) {
            wr_batch_close(node->outputs[i].batch);
            wr_batch_layout_fini(&node->outputs[i].layout);
        }
    }
    WR_ASSERT(wr_pool_used_bytes(node->pool) == 0);
    wr_pool_close(node->pool);
    wr_call_reset(node->call);
    wr_free(node->call->scratch);
    wr_free(node->call);
    wr_free(node->counters);
    wr_free(node->outputs);
    wr_free(node);
}

// Hands over what the outputs hold, and empties them. True if there was something.
static bool outputs_leave(struct node_harness *harness)
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

void node_harness_rows(struct node_harness *harness, const struct wr_batch *batch,
                       const uint16_t *selection, uint32_t count)
{
    struct wr_inlet *inlet = &harness->inlet;
    inlet->batch           = batch;
    inlet->selection       = selection;
    inlet->count           = count;
    inlet->next            = 0;
    for (uint32_t stuck = 0; inlet->next < inlet->count; stuck++) {
        const uint32_t before = inlet->next;
        harness->node->ops->rows(harness->node, inlet);
        WR_ASSERT(inlet->next >= before && inlet->next <= inlet->count);
        if (outputs_leave(harness) || inlet->next > before) {
            stuck = 0;
        }
        WR_ASSERT(stuck < STUCK_CALLS);
    }
}

void node_harness_advance(struct node_harness *harness, weir_time watermark)
{
    struct wr_node *node    = harness->node;
    bool            is_done = node->ops->advance == NULL;
    for (uint32_t stuck = 0; !is_done; stuck++) {
        is_done = node->ops->advance(node, watermark);
        stuck   = outputs_leave(harness) ? 0 : stuck;
        WR_ASSERT(stuck < STUCK_CALLS);
    }
    node->watermark = watermark;
}

void node_harness_finish(struct node_harness *harness)
{
    struct wr_node *node    = harness->node;
    bool            is_done = node->ops->finish == NULL;
    for (uint32_t stuck = 0; !is_done; stuck++) {
        is_done = node->ops->finish(node);
        stuck   = outputs_leave(harness) ? 0 : stuck;
        WR_ASSERT(stuck < STUCK_CALLS);
    }
}

void node_harness_flush(struct node_harness *harness)
{
    struct wr_node *node = harness->node;
    while (node->ops->flush != NULL && node->ops->flush(node, true)) {
        (void)outputs_leave(harness);
    }
}

uint64_t node_harness_counter(const struct node_harness *harness, enum wr_counter counter)
{
    return wr_counter_read_any(harness->node->counters, counter);
}
