// The test source: sends what waits in its queues.
//
//   weir_test_feed --> queue of a partition: record, record, watermark, record, idle, ... end
//                         ^ position: the next item; kept by checkpoints
//
// How many records a read takes is drawn by the environment, so that seeds differ in that too.
#include "testing/testing.h"

#include "connectors/jsonl/json_writer.h"
#include "connectors/options/options.h"

#define MOST_ROWS_A_READ 8

struct test_reader {
    struct wr_reader reader;
    size_t           next;  // item
    size_t          *items; // of the batch's rows
    char            *text;  // of the last line asked for
};

static struct wr_test_input *input_of(const struct wr_reader *reader)
{
    return (struct wr_test_input *)(uintptr_t)reader->options;
}

static const struct wr_test_queue *queue_of(const struct wr_reader *reader)
{
    return &input_of(reader)->queues[reader->partition];
}

static const void *queue_record(const struct wr_test_queue *queue, size_t item)
{
    return weir_collection_at(queue->records, queue->items[item].record, NULL, NULL);
}

static const weir_event_time_options *input_time(const void *options)
{
    return &((const struct wr_test_input *)options)->options.time;
}

static bool input_list(struct wr_environment *environment, const void *options,
                       struct wr_partition_list *list, weir_status *status, char **error)
{
    const struct wr_test_input *input = options;
    (void)environment;
    if (!input->is_tested) {
        *status = WEIR_USAGE;
        *error  = wr_copy_text("a test source sends what a test feeds it: run the job with "
                                "weir_test_open");
        return false;
    }
    list->count = input->options.partitions;
    list->names = wr_alloc(list->count * sizeof(*list->names));
    for (uint32_t i = 0; i < list->count; i++) {
        list->names[i] = wr_format("%u", i);
    }
    return true;
}

// ---- reading ----

static bool reader_open(struct wr_reader *reader)
{
    struct test_reader *own  = (struct test_reader *)reader;
    const uint32_t      rows = reader->node->outputs[WR_OUTPUT_MAIN].layout.row_capacity;
    own->items               = wr_alloc((rows + 1) * sizeof(*own->items));
    return true;
}

static void reader_close(struct wr_reader *reader)
{
    struct test_reader *own = (struct test_reader *)reader;
    wr_free(own->items);
    wr_free(own->text);
}

static void reader_save(struct wr_reader *reader, struct wr_position *position)
{
    position->numbers[0] = ((struct test_reader *)reader)->next;
}

static bool reader_seek(struct wr_reader *reader, const struct wr_position *position)
{
    ((struct test_reader *)reader)->next = position->numbers[0];
    return true;
}

// The record as a line of JSON, without its newline.
static size_t reader_write(struct test_reader *reader, size_t item)
{
    const struct wr_json_plan *json   = input_of(&reader->reader)->json;
    const void                *record = queue_record(queue_of(&reader->reader), item);
    reader->text                      = wr_realloc(reader->text, wr_json_bound(json, record));
    return wr_json_write(json, record, false, reader->text) - 1;
}

static void reader_line(const struct wr_reader *reader, uint32_t row, weir_line *line)
{
    struct test_reader *own  = (struct test_reader *)(uintptr_t)reader;
    const size_t        item = own->items[row];
    line->partition          = weir_str_from(reader->name);
    line->line               = queue_of(reader)->items[item].record + 1;
    line->text               = weir_str_of(own->text, 0);
    const size_t length      = reader_write(own, item);
    line->text               = weir_str_of(own->text, length);
}

static bool reader_reject(struct test_reader *reader, const char *reason)
{
    const size_t   length = reader_write(reader, reader->next);
    const uint64_t line   = queue_of(&reader->reader)->items[reader->next].record + 1;
    const size_t   kept   = length < 4096 ? length : 4096;
    return wr_reader_reject(&reader->reader, line, reason, reader->text, kept, length);
}

// Makes a row, or a dead letter, of the next record; false: an output has no room for it, or it is
// at the limit.
static bool reader_take(struct test_reader *reader)
{
    const struct wr_test_input *input  = input_of(&reader->reader);
    const struct wr_output     *in     = &reader->reader.node->outputs[WR_OUTPUT_MAIN];
    struct wr_output           *out    = (struct wr_output *)(uintptr_t)in;
    const char                 *reason = NULL;
    char                        text[200];
    if (wr_output_room(out) == 0 || wr_reader_is_at_limit(&reader->reader, reader->next)) {
        return false;
    }
    void *row = wr_output_row(out);
    memcpy(row, queue_record(queue_of(&reader->reader), reader->next), input->type->size);
    if (input->options.check != NULL &&
        !input->options.check(row, &reason, text, input->options.opaque)) {
        return reader_reject(reader, reason != NULL ? reason : "the record was refused");
    }
    if (wr_batch_row_fits_never(&out->layout, row)) {
        return reader_reject(reader, "the record is larger than a record may be");
    }
    const uint32_t number = out->batch->row_count;
    if (wr_reader_is_past_limit(&reader->reader, row) || !wr_output_seal(out)) {
        return false;
    }
    reader->items[number] = reader->next;
    return true;
}

static enum wr_read reader_read_records(struct test_reader *reader)
{
    const struct wr_test_queue *queue       = queue_of(&reader->reader);
    struct wr_environment      *environment = reader->reader.node->environment;
    uint64_t                    left = 1 + environment->ops->random(environment) % MOST_ROWS_A_READ;
    for (; left > 0 && reader->next < queue->count &&
           queue->items[reader->next].verb == WR_TEST_RECORD;
         left--) {
        if (!reader_take(reader)) {
            return WR_READ_FULL;
        }
        reader->next++;
    }
    return WR_READ_ROWS;
}

static enum wr_read reader_read(struct wr_reader *reader)
{
    struct test_reader         *own   = (struct test_reader *)reader;
    const struct wr_test_queue *queue = queue_of(reader);
    if (own->next == queue->count) {
        return WR_READ_QUIET;
    }
    const struct wr_test_item *item = &queue->items[own->next];
    switch (item->verb) {
    case WR_TEST_RECORD: return reader_read_records(own);
    case WR_TEST_WATERMARK:
        reader->watermark = item->time;
        own->next++;
        return WR_READ_ROWS;
    case WR_TEST_IDLE: own->next++; return WR_READ_IDLE;
    case WR_TEST_END: break;
    }
    return WR_READ_END;
}

static const struct wr_connector test_connector = {
    .verb         = "test source",
    .reader_bytes = sizeof(struct test_reader),
    .time         = input_time,
    .list         = input_list,
    .open         = reader_open,
    .close        = reader_close,
    .read         = reader_read,
    .save         = reader_save,
    .seek         = reader_seek,
    .line         = reader_line,
};

// ---- feeding ----

void wr_test_input_add(struct wr_test_input *input, uint32_t partition,
                       const struct wr_test_item *item)
{
    struct wr_test_queue *queue = &input->queues[partition];
    if (queue->count == queue->capacity) {
        queue->capacity = queue->capacity * 2 + 64;
        queue->items    = wr_realloc(queue->items, queue->capacity * sizeof(*queue->items));
    }
    queue->items[queue->count++] = *item;
    queue->has_ended             = item->verb == WR_TEST_END;
}

// ---- declaring and finding ----

static void input_free(void *opaque)
{
    struct wr_test_input *input = opaque;
    for (uint32_t i = 0; i < input->options.partitions; i++) {
        weir_collection_close(input->queues[i].records);
        wr_free(input->queues[i].items);
    }
    wr_json_plan_close(input->json);
    wr_options_free_time(&input->options.time);
    wr_free(input->queues);
    wr_free(input);
}

weir_stream weir_test_source(weir_job *job, const char *name, const weir_type *type,
                             const weir_test_source_options *options)
{
    const weir_test_source_options none = { 0 };
    if (name == NULL || type == NULL) {
        return wr_job_refuse(job, "%s: a test source needs a name and the type of its records",
                             name != NULL ? name : "test source");
    }
    options = options != NULL ? options : &none;
    if (!wr_options_check_time(job, name, type, &options->time)) {
        return (weir_stream){ .job = NULL };
    }
    struct wr_test_input *input = wr_alloc(sizeof(*input));
    input->type                 = type;
    input->options              = *options;
    input->options.partitions   = options->partitions != 0 ? options->partitions : 1;
    input->options.time         = wr_options_copy_time(&options->time);
    if (options->time.align_within == 0) {
        input->options.time.align_within = -1;
    }
    input->json   = wr_json_plan_open(type, NULL);
    input->queues = wr_alloc(input->options.partitions * sizeof(*input->queues));
    for (uint32_t i = 0; i < input->options.partitions; i++) {
        input->queues[i].records = weir_collection_open();
        (void)wr_collection_attach(input->queues[i].records, type);
    }
    return wr_job_add_source(job, &test_connector, name, input, NULL, type, input_free);
}

// NULL: that operator is no test source.
static struct wr_test_input *node_input(const struct wr_graph_node *node)
{
    const struct wr_source_options *source = node->spec.options;
    return node->kind == WR_GRAPH_SOURCE && source->connector == &test_connector
               ? (struct wr_test_input *)(uintptr_t)source->options
               : NULL;
}

const char *wr_test_input_name(const weir_job *job, uint32_t index)
{
    for (uint32_t i = 0; i < job->node_count; i++) {
        if (node_input(job->nodes[i]) != NULL && index-- == 0) {
            return job->nodes[i]->spec.name;
        }
    }
    return NULL;
}

struct wr_test_input *wr_test_input_named(const weir_job *job, const char *name)
{
    for (uint32_t i = 0; i < job->node_count; i++) {
        if (node_input(job->nodes[i]) != NULL && strcmp(job->nodes[i]->spec.name, name) == 0) {
            return node_input(job->nodes[i]);
        }
    }
    return NULL;
}
