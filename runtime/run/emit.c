// What user functions emit: staged until it fits the output's batch, in order; and what else a
// weir_call offers that does not need an operator's state.
#include "runtime/operator.h"
#include <weir/job.h>

#include <stdarg.h>
#include <stdio.h>

enum { STRAY_BYTES = 65536 }; // takes a row that nobody will see

// ---- staging ----

void wr_output_allow_staging(struct wr_output *output, uint32_t most)
{
    if (!output->is_used || most <= output->staged_capacity) {
        return;
    }
    output->staged = wr_realloc(output->staged, (size_t)(most + 1) * output->layout.row_size);
    output->staged_facts =
        wr_realloc(output->staged_facts, sizeof(*output->staged_facts) * (most + 1));
    output->staged_capacity = most;
}

static void *staged_row(const struct wr_output *output, uint32_t index)
{
    return output->staged + (size_t)index * output->layout.row_size;
}

void *wr_output_stage(struct wr_node *node, struct wr_output *output, weir_change change,
                      weir_time time)
{
    uint32_t index = output->staged_count;
    if (output->staged == NULL) {
        wr_node_fail(node,
                     "its function emits, which only those of flat maps and process functions can");
        return memset(weir_scratch(node->call, STRAY_BYTES), 0, STRAY_BYTES);
    }
    if (index >= output->staged_capacity) {
        wr_node_fail(
            node, "one call emitted more than the %u records its binding declares; raise its most",
            output->staged_capacity);
        index = output->staged_capacity; // one spare place takes what nobody will see
    } else {
        output->staged_count++;
    }
    void *row = staged_row(output, index);
    memset(row, 0, output->layout.row_size);
    output->staged_facts[index] = (struct wr_staged){ .time = time, .change = (uint8_t)change };
    return row;
}

static bool staged_move_one(struct wr_node *node, struct wr_output *output, uint32_t index)
{
    struct wr_batch        *batch = output->batch;
    const struct wr_staged *facts = &output->staged_facts[index];
    if (wr_batch_room(batch) == 0) {
        return false;
    }
    if (wr_batch_row_fits_never(&output->layout, staged_row(output, index))) {
        wr_node_reject(node, "an emitted record is larger than a record may be");
        return true;
    }
    memcpy(wr_output_row(output), staged_row(output, index), output->layout.row_size);
    if (batch->times != NULL) {
        batch->times[batch->row_count] = facts->time;
    }
    if (batch->changes != NULL) {
        batch->changes[batch->row_count] = facts->change;
    }
    return wr_output_seal(output);
}

bool wr_output_unstage(struct wr_node *node, struct wr_output *output)
{
    while (output->staged_next < output->staged_count) {
        if (!staged_move_one(node, output, output->staged_next)) {
            return false;
        }
        output->staged_next++;
    }
    output->staged_next = output->staged_count = 0;
    return true;
}

void wr_output_own_staged(struct wr_node *node, struct wr_output *output)
{
    for (uint32_t i = output->staged_next; i < output->staged_count; i++) {
        wr_call_own_strings(node->call, &output->layout.strings, staged_row(output, i));
    }
}

// ---- the call ----

struct wr_scratch_block {
    struct wr_scratch_block *next;
    size_t                   used, capacity;
    _Alignas(16) char bytes[];
};

void wr_call_begin(struct wr_node *node, const struct wr_batch *batch, uint32_t row)
{
    struct weir_call *call = node->call;
    call->event_time       = batch->times != NULL ? batch->times[row] : WEIR_TIME_MIN;
    call->change           = batch->changes != NULL ? batch->changes[row] : WEIR_INSERT;
    call->batch            = batch;
    call->record           = wr_batch_row(batch, row);
    call->row              = row;
    call->is_rejected      = 0;
    call->is_cleared       = 0;
    call->emitted          = 0;
}

weir_call *weir_call_at(weir_call *call, const void *record)
{
    const size_t row = (size_t)((const char *)record - call->batch->rows) / call->batch->row_size;
    WR_CHECK(row < call->batch->row_count);
    wr_call_begin(call->node, call->batch, (uint32_t)row);
    return call;
}

void wr_call_reset(struct weir_call *call)
{
    call->scratch_used   = 0;
    call->rejected_count = 0;
    while (call->scratch_more != NULL) {
        struct wr_scratch_block *block = call->scratch_more;
        call->scratch_more             = block->next;
        wr_free(block);
    }
}

// The first 4 KiB are the call's for good; what is more comes in blocks of its own, so that nothing
// handed out ever moves. Aligned for any record.
char *weir_scratch(weir_call *call, size_t bytes)
{
    enum { SCRATCH_BYTES = 4096, BLOCK_BYTES = 32768 };
    bytes = wr_round_up(bytes, 16);
    if (call->scratch == NULL) {
        call->scratch       = wr_alloc(SCRATCH_BYTES);
        call->scratch_bytes = SCRATCH_BYTES;
    }
    if (bytes <= call->scratch_bytes - call->scratch_used) {
        char *at = call->scratch + call->scratch_used;
        call->scratch_used += bytes;
        return at;
    }
    struct wr_scratch_block *block = call->scratch_more;
    if (block == NULL || bytes > block->capacity - block->used) {
        const size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block                 = wr_alloc(sizeof(*block) + capacity);
        block->capacity       = capacity;
        block->next           = call->scratch_more;
        call->scratch_more    = block;
    }
    char *at = block->bytes + block->used;
    block->used += bytes;
    return at;
}

static bool scratch_holds(const struct weir_call *call, const char *bytes)
{
    if (bytes >= call->scratch && bytes < call->scratch + call->scratch_used) {
        return true;
    }
    for (const struct wr_scratch_block *block = call->scratch_more; block != NULL;
         block                                = block->next) {
        if (bytes >= block->bytes && bytes < block->bytes + block->used) {
            return true;
        }
    }
    return false;
}

void wr_call_own_strings(struct weir_call *call, const struct wr_strings *strings, void *row)
{
    for (uint32_t i = 0; i < strings->count; i++) {
        weir_str *string = (weir_str *)(void *)((char *)row + strings->offsets[i]);
        if (!weir_str_is_inline(string) && !scratch_holds(call, string->rest.bytes)) {
            char *own = weir_scratch(call, string->length);
            memcpy(own, string->rest.bytes, string->length);
            string->rest.bytes = own;
        }
    }
}

const void *weir_parameters(const weir_call *call) { return call->node->spec->parameters; }
weir_time   weir_event_time(const weir_call *call) { return call->event_time; }
weir_time   weir_watermark(const weir_call *call) { return call->watermark; }
weir_change weir_change_of(const weir_call *call) { return (weir_change)call->change; }

void *weir_emit_change(weir_call *call, weir_change change, weir_time time)
{
    if (change != WEIR_INSERT && !call->node->sends_changes) {
        wr_node_fail(call->node, "it emitted an update or a delete, but was not declared to; set "
                                 "sends_changes in the options of weir_process");
    }
    return wr_output_stage(call->node, &call->node->outputs[WR_OUTPUT_MAIN], change, time);
}

void *weir_emit_row(weir_call *call)
{
    return weir_emit_change(call, WEIR_INSERT, call->event_time);
}

// ---- dead letters of operators ----

void weir_reject(weir_call *call, const char *reason, ...)
{
    char    text[400];
    va_list arguments;
    va_start(arguments, reason);
    (void)vsnprintf(text, sizeof(text), reason, arguments);
    va_end(arguments);
    if (call->is_rejected) {
        return;
    }
    call->is_rejected = 1;
    if (call->rejected_count == call->rejected_capacity) {
        call->rejected_capacity = call->rejected_capacity * 2 + 16;
        call->rejected =
            wr_realloc(call->rejected, sizeof(*call->rejected) * call->rejected_capacity);
    }
    call->rejected[call->rejected_count++] = (uint16_t)call->row;
    wr_node_reject(call->node, text);
}

struct wr_letter {
    struct wr_letter *next;
    size_t            length;
    char              reason[];
};

void wr_node_reject(struct wr_node *node, const char *reason)
{
    wr_count(node->counters, WR_REJECTED, 1);
    if (node->output_count <= WR_OUTPUT_REJECTS || !node->outputs[WR_OUTPUT_REJECTS].is_used) {
        return;
    }
    const size_t      length = strlen(reason);
    struct wr_letter *letter = wr_alloc(sizeof(*letter) + length + 1);
    letter->length           = length;
    memcpy(letter->reason, reason, length);
    struct wr_letter **end = &node->letters;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = letter;
}

bool wr_node_post_letters(struct wr_node *node)
{
    while (node->letters != NULL) {
        struct wr_output *output = &node->outputs[WR_OUTPUT_REJECTS];
        struct wr_letter *letter = node->letters;
        if (wr_output_room(output) == 0) {
            return false;
        }
        weir_dead_letter *row = wr_output_row(output);
        memset(row, 0, sizeof(*row));
        row->partition = weir_str_from(node->spec->name);
        row->reason    = weir_str_of(letter->reason, letter->length);
        if (!wr_output_seal(output)) {
            return false;
        }
        node->letters = letter->next;
        wr_free(letter);
    }
    return true;
}

void wr_node_drop_letters(struct wr_node *node)
{
    while (node->letters != NULL) {
        struct wr_letter *letter = node->letters;
        node->letters            = letter->next;
        wr_free(letter);
    }
}
