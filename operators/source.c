// source: reads the partitions of a connector and owns their event time.
//
//   connector ---> batch of one partition ---> times, latest, watermark ---> main output
//                                         \--> late: the line            ---> late output
//                                         \--> too far ahead             ---> dead letters
//
// Partition p of the connector belongs to the task p % parallelism. A poll reads one of them.
//
// Nearly every batch has no late record and none too far ahead: its lowest and highest time show
// that, and it leaves as it is. Any other is judged row by row in arrival order. While that goes
// on, over several polls if the late or the reject output fills up, the batch is held aside; the
// rows that may pass leave it as a selection.
//
// Invariants
//   `held` is a batch whose rows before `cursor` are judged; what was read before it is judged
//   a partition's latest and watermark never fall
//   a partition that a replay has stopped holds the others' watermark back, and does not pause them
//   a partition is idle only after its reader had nothing to read for idle_after; one that is
//   paused, has a read under way, or waits for its consumers is not
#include "operators/operators.h"
#include "runtime/connector.h"

#include <stdio.h>
#include <string.h>

#define MAX_AHEAD_DEFAULT    WEIR_DAYS(1)
#define ALIGN_WITHIN_DEFAULT WEIR_MINUTES(1)

struct partition {
    struct wr_reader *reader;
    weir_time         latest;    // of the events read; WEIR_TIME_MIN before the first
    weir_time         watermark; // after the events read; at least the floor it came back at
    weir_time         published;
    int64_t           quiet_since_us; // -1: not quiet
    bool              is_idle;
    bool              is_ended;
    bool              is_stopped; // a replay reads no more of it: its time stays where it is
    struct wr_limit   limit;      // of a replay

    struct wr_partition_kept kept; // as of the last barrier
};

struct source_node {
    struct wr_node    node;
    struct partition *partitions;
    uint32_t          partition_count;
    uint32_t          turn;

    // Event time, with the defaults filled in.
    bool      has_time;
    uint32_t  time_at; // of the field in the record
    weir_time out_of_order, lateness, idle_after;
    weir_time max_ahead, align_within; // < 0: no limit
    bool      judges_lateness;
    weir_time (*watermark)(const void *record, weir_time latest, void *opaque);
    void *opaque;

    struct wr_watermarks watermarks;    // an input a partition
    weir_time            known_minimum; // of the job, when last looked; at most the present one

    struct wr_batch  *spare;     // the main output has one batch, and one may be held
    struct wr_batch  *held;      // being judged, or judged and on its way; NULL: none
    struct partition *held_of;   // whose rows they are
    uint16_t         *selection; // of held
    uint32_t          selected, cursor;
};

static struct source_node *source_of(struct wr_node *node) { return (struct source_node *)node; }

static struct wr_output *source_main(const struct source_node *source)
{
    return &source->node.outputs[WR_OUTPUT_MAIN];
}

// ---- opening ----

// Spans are bounded as times are, so that adding one to a time cannot overflow.
static weir_time span_of(weir_time span, weir_time default_span)
{
    const weir_time chosen = span != 0 ? span : default_span;
    return chosen < WEIR_TIME_MAX ? chosen : WEIR_TIME_MAX;
}

static bool source_take_times(struct source_node *source, const weir_event_time_options *time,
                              const weir_type *type)
{
    source->known_minimum = WEIR_TIME_MIN;
    source->idle_after    = time != NULL ? span_of(time->idle_after, 0) : 0;
    if (time == NULL || time->field == NULL) {
        return true;
    }
    const weir_field *field = weir_type_field(type, time->field);
    if (field == NULL || field->kind != WEIR_KIND_TIME || field->count != 1) {
        wr_node_fail(&source->node, "%s has no field \"%s\" of type weir_time", type->name,
                     time->field);
        return false;
    }
    source->has_time        = true;
    source->time_at         = field->offset;
    source->out_of_order    = span_of(time->out_of_order, 0);
    source->lateness        = span_of(time->lateness, 0);
    source->judges_lateness = time->judges_lateness;
    source->max_ahead       = span_of(time->max_ahead, MAX_AHEAD_DEFAULT);
    source->align_within    = span_of(time->align_within, ALIGN_WITHIN_DEFAULT);
    source->watermark       = time->watermark;
    source->opaque          = time->opaque;
    return true;
}

static bool source_open_partition(struct source_node *source, uint32_t number)
{
    const struct wr_source_options *options   = source->node.spec->options;
    struct partition               *partition = &source->partitions[source->partition_count++];

    struct wr_reader *reader = wr_alloc(options->connector->reader_bytes);
    reader->connector        = options->connector;
    reader->node             = &source->node;
    reader->options          = options->options;
    reader->name             = options->partitions.names[number];
    reader->partition        = number;
    reader->wake_at_us       = INT64_MAX;
    reader->next_offset      = UINT64_MAX;
    reader->watermark        = WEIR_TIME_MIN;
    *partition               = (struct partition){
                      .reader         = reader,
                      .latest         = WEIR_TIME_MIN,
                      .watermark      = WEIR_TIME_MIN,
                      .published      = WEIR_TIME_MIN,
                      .quiet_since_us = -1,
    };
    if (!source->has_time) { // it has nothing to say about time and holds nobody back
        wr_alignment_publish_any(source->node.alignment, source->node.alignment_base + number,
                                 WEIR_TIME_MIN, WR_PARTITION_ENDED);
    }
    wr_node_keep_bytes(&source->node, WR_PARTITION_CELL, reader->name, &partition->kept,
                       sizeof(partition->kept));
    if (wr_node_is_replay(&source->node)) {
        partition->limit =
            (struct wr_limit){ .time_at = source->time_at, .max_ahead = source->max_ahead };
        if (!wr_limit_open(&partition->limit, reader, source->has_time)) {
            return false;
        }
    }
    return options->connector->open(reader);
}

static bool source_open(struct wr_node *node)
{
    struct source_node             *source  = source_of(node);
    const struct wr_source_options *options = node->spec->options;
    const struct wr_output         *out     = source_main(source);
    const uint32_t                  count   = options->partitions.count;
    const uint32_t                  own =
        count > node->instance ? (count - node->instance - 1) / node->parallelism + 1 : 0;

    source->partitions = wr_alloc((own + 1) * sizeof(*source->partitions));
    wr_watermarks_init(&source->watermarks, own);
    if (!source_take_times(source, options->connector->time(options->options), out->layout.type)) {
        return false;
    }
    if (source->has_time) {
        source->spare     = wr_batch_open(&out->layout);
        source->selection = wr_alloc((out->layout.row_capacity + 1) * sizeof(*source->selection));
    }
    for (uint32_t number = node->instance; number < count; number += node->parallelism) {
        if (!source_open_partition(source, number)) {
            return false;
        }
    }
    return true;
}

static void source_close(struct wr_node *node)
{
    struct source_node             *source  = source_of(node);
    const struct wr_source_options *options = node->spec->options;
    for (uint32_t i = 0; i < source->partition_count; i++) {
        options->connector->close(source->partitions[i].reader);
        wr_free(source->partitions[i].reader);
    }
    wr_watermarks_fini(&source->watermarks);
    wr_batch_close(source->spare);
    wr_batch_close(source->held);
    wr_free(source->selection);
    wr_free(source->partitions);
}

// ---- saying how far it has come ----

static uint32_t partition_index(const struct source_node *source, const struct partition *partition)
{
    return (uint32_t)(partition - source->partitions);
}

static void source_take_note(struct source_node *source)
{
    struct wr_node *node   = &source->node;
    node->source_watermark = source->watermarks.current;
    node->source_is_idle   = source->watermarks.is_idle;
}

static void partition_publish(struct source_node *source, struct partition *partition,
                              enum wr_partition_state state)
{
    if (source->has_time) {
        wr_alignment_publish_any(source->node.alignment,
                                 source->node.alignment_base + partition->reader->partition,
                                 partition->watermark, state);
    }
}

static void partition_set_watermark(struct source_node *source, struct partition *partition)
{
    partition->published = partition->watermark;
    (void)wr_watermarks_set(&source->watermarks, partition_index(source, partition),
                            partition->watermark);
    source_take_note(source);
}

// What the outside says about time itself.
static void partition_take_watermark(struct source_node *source, struct partition *partition)
{
    const weir_time watermark = partition->reader->watermark;
    if (source->has_time && watermark > partition->watermark) {
        partition->watermark = watermark < WEIR_TIME_MAX ? watermark : WEIR_TIME_MAX;
        partition_publish(source, partition, WR_PARTITION_READING);
        partition_set_watermark(source, partition);
    }
}

// After its rows.
static void partition_say_reading(struct source_node *source, struct partition *partition)
{
    WR_CHECK(!partition->is_idle);
    if (partition->watermark != partition->published) {
        partition_publish(source, partition, WR_PARTITION_READING);
        partition_set_watermark(source, partition);
    }
}

// There is something to read, or may be: it counts again. Nobody has waited for its events, so that
// they are held to the job's watermark; it is in that before it learns what it is, as else the job
// could move on between the two, and an event be judged in time by a watermark of the past.
static void partition_wake(struct source_node *source, struct partition *partition)
{
    partition->quiet_since_us = -1;
    if (!partition->is_idle) {
        return;
    }
    partition->is_idle = false;
    if (source->has_time) {
        partition->watermark = wr_alignment_return_any(
            source->node.alignment, source->node.alignment_base + partition->reader->partition,
            partition->watermark);
    }
    partition_set_watermark(source, partition);
}

static void partition_wish(struct source_node *source, int64_t wake_at_us)
{
    struct wr_node *node = &source->node;
    node->wake_at_us     = wake_at_us < node->wake_at_us ? wake_at_us : node->wake_at_us;
}

static void partition_become_idle(struct source_node *source, struct partition *partition)
{
    partition->is_idle = true;
    partition_publish(source, partition, WR_PARTITION_IDLE);
    (void)wr_watermarks_set_idle(&source->watermarks, partition_index(source, partition));
    source_take_note(source);
}

// Its reader has nothing to read. True if it just became idle.
static bool partition_rest(struct source_node *source, struct partition *partition)
{
    if (source->idle_after <= 0 || partition->is_idle) {
        return false;
    }
    const int64_t now_us = wr_now_us(source->node.environment);
    if (partition->quiet_since_us < 0) {
        partition->quiet_since_us = now_us;
    }
    if (now_us - partition->quiet_since_us < source->idle_after) {
        partition_wish(source,
                       (int64_t)weir_time_add(partition->quiet_since_us, source->idle_after));
        return false;
    }
    partition_become_idle(source, partition);
    return true;
}

static void partition_end(struct source_node *source, struct partition *partition)
{
    partition->is_ended = true;
    partition_publish(source, partition, WR_PARTITION_ENDED);
    (void)wr_watermarks_end(&source->watermarks, partition_index(source, partition));
    source_take_note(source);
}

// A replay reads no more of it. Nobody learns of events behind it, so that its time stays; the
// others read on, however far ahead they come.
static void partition_stop(struct source_node *source, struct partition *partition)
{
    partition->is_stopped = true;
    partition_publish(source, partition, WR_PARTITION_ENDED);
}

// A replay has read all there is. One that others would not have waited for holds nobody back.
static void partition_stop_at_end(struct source_node *source, struct partition *partition)
{
    if (source->idle_after > 0 && !partition->is_idle) {
        partition_become_idle(source, partition);
    }
    partition_stop(source, partition);
}

// Whether a replay has read all that is before its limit.
static bool partition_is_at_limit(const struct partition *partition)
{
    struct wr_reader  *reader   = partition->reader;
    struct wr_position position = { .numbers = { 0 } };
    if (reader->limit == NULL || partition->limit.is_reached) {
        return reader->limit != NULL;
    }
    reader->connector->save(reader, &position);
    return position.numbers[0] >= partition->limit.offset;
}

// Whether it is so far ahead of the job's slowest partition that it has to wait. The slowest itself
// never is. Who publishes what ends the wait wakes the worker.
static bool partition_is_paused(struct source_node *source, const struct partition *partition)
{
    struct wr_node *node   = &source->node;
    const uint32_t  number = node->alignment_base + partition->reader->partition;
    if (!source->has_time || source->align_within < 0 ||
        partition->watermark <= weir_time_add(source->known_minimum, source->align_within)) {
        return false;
    }
    if (wr_alignment_awaits_any(node->alignment, number)) {
        return true;
    }
    source->known_minimum = wr_alignment_minimum_any(node->alignment);
    if (partition->watermark <= weir_time_add(source->known_minimum, source->align_within)) {
        return false;
    }
    wr_alignment_await_any(node->alignment, number,
                           weir_time_add(partition->watermark, -source->align_within),
                           wr_node_wake_any, node->park);
    return wr_alignment_awaits_any(node->alignment, number);
}

// ---- event times ----

static weir_time row_time(const char *rows, size_t row_size, uint32_t row)
{
    weir_time time;
    memcpy(&time, rows + row * row_size, sizeof(time));
    return time;
}

struct bounds {
    weir_time lowest, highest;
};

static struct bounds bounds_add(struct bounds bounds, weir_time time)
{
    return (struct bounds){
        .lowest  = time < bounds.lowest ? time : bounds.lowest,
        .highest = time > bounds.highest ? time : bounds.highest,
    };
}

static struct bounds bounds_join(struct bounds a, struct bounds b)
{
    return bounds_add(bounds_add(a, b.lowest), b.highest);
}

// The bounds of the times in `count` > 0 rows, which are `stride` bytes apart. Four at a time: one
// comparison would wait for the one before it.
static inline __attribute__((always_inline)) struct bounds
times_bounds(const char *at, size_t stride, uint32_t count)
{
    const weir_time first = row_time(at, stride, 0);
    struct bounds   a = { first, first }, b = a, c = a, d = a;
    uint32_t        i = 0;
    for (; i + 4 <= count; i += 4) {
        const char *four = at + i * stride;
        a                = bounds_add(a, row_time(four, stride, 0));
        b                = bounds_add(b, row_time(four, stride, 1));
        c                = bounds_add(c, row_time(four, stride, 2));
        d                = bounds_add(d, row_time(four, stride, 3));
    }
    for (; i < count; i++) {
        a = bounds_add(a, row_time(at, stride, i));
    }
    return bounds_join(bounds_join(a, b), bounds_join(c, d));
}

// Fills the times column, if there is one, and finds its bounds.
static struct bounds source_read_times(const struct source_node *source, struct wr_batch *batch)
{
    const char    *at     = batch->rows + source->time_at;
    const size_t   stride = batch->row_size;
    const uint32_t count  = batch->row_count;
    if (batch->times == NULL) {
        return times_bounds(at, stride, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        batch->times[i] = row_time(at, stride, i);
    }
    return times_bounds((const char *)batch->times, sizeof(weir_time), count);
}

// ---- judging ----

// Events before this time are late now.
static weir_time partition_late_before(const struct source_node *source,
                                       const struct partition   *partition)
{
    return weir_time_add(partition->watermark, -source->lateness);
}

static void partition_advance(const struct source_node *source, struct partition *partition,
                              weir_time time, const void *record)
{
    partition->latest         = time > partition->latest ? time : partition->latest;
    const weir_time watermark = source->watermark != NULL
                                    ? source->watermark(record, partition->latest, source->opaque)
                                    : weir_time_add(partition->latest, -source->out_of_order);
    if (watermark > partition->watermark) {
        partition->watermark = watermark < WEIR_TIME_MAX ? watermark : WEIR_TIME_MAX;
    }
}

// Whether bounds alone show that no row is late or too far ahead, whatever their order.
static bool partition_takes_all(const struct source_node *source, const struct partition *partition,
                                struct bounds bounds, weir_time first)
{
    if (source->watermark != NULL || bounds.lowest < WEIR_TIME_MIN ||
        bounds.highest > WEIR_TIME_MAX) {
        return false;
    }
    const weir_time before = partition->latest > WEIR_TIME_MIN ? partition->latest : first;
    if (source->max_ahead >= 0 && bounds.highest > weir_time_add(before, source->max_ahead)) {
        return false;
    }
    if (!source->judges_lateness) {
        return true;
    }
    struct partition after = *partition;
    partition_advance(source, &after, bounds.highest, NULL);
    return bounds.lowest >= partition_late_before(source, &after);
}

// Sends the row's line to who listens to late ones; false: no room.
static bool held_send_late(struct source_node *source, uint32_t row)
{
    struct wr_node         *node   = &source->node;
    struct wr_output       *output = &node->outputs[WR_OUTPUT_LATE];
    const struct wr_reader *reader = source->held_of->reader;
    if (node->output_count > WR_OUTPUT_LATE && output->is_used && reader->connector->line != NULL) {
        if (wr_output_room(output) == 0) {
            return false;
        }
        reader->connector->line(reader, row, wr_output_row(output));
        if (output->batch->times != NULL) {
            output->batch->times[output->batch->row_count] = WEIR_TIME_MIN;
        }
        if (!wr_output_seal(output)) {
            return false;
        }
    }
    wr_count(node->counters, WR_LATE, 1);
    return true;
}

// Sends the row to the dead letters; false: no room.
static bool held_send_too_far(struct source_node *source, uint32_t row, weir_time time)
{
    struct wr_reader *reader = source->held_of->reader;
    weir_line         line   = { .line = 0 };
    char              is[WEIR_TIME_TEXT_MAX], latest[WEIR_TIME_TEXT_MAX], reason[200];
    if (reader->connector->line != NULL) {
        reader->connector->line(reader, row, &line);
    }
    if (time < WEIR_TIME_MIN || time > WEIR_TIME_MAX) {
        (void)snprintf(reason, sizeof(reason), "its event time %lld is no time", time);
    } else {
        (void)weir_time_format(time, is);
        (void)weir_time_format(source->held_of->latest, latest);
        (void)snprintf(reason, sizeof(reason),
                       "its event time %s is too far ahead of the latest before it, %s", is,
                       latest);
    }
    return wr_reader_reject(reader, line.line, reason, weir_str_bytes(&line.text), line.text.length,
                            line.text.length);
}

// Judges the row at the cursor, by the events before it; false: an output has no room for it.
static bool held_judge(struct source_node *source)
{
    struct partition *partition = source->held_of;
    const uint32_t    row       = source->cursor;
    const char       *record    = wr_batch_row(source->held, row);
    const weir_time   time      = row_time(record + source->time_at, 0, 0);

    if (time >= WEIR_TIME_MIN && source->judges_lateness &&
        time < partition_late_before(source, partition)) {
        return held_send_late(source, row);
    }
    if (wr_event_is_too_far(time, partition->latest, source->max_ahead)) {
        return held_send_too_far(source, row, time);
    }
    partition_advance(source, partition, time, record);
    source->selection[source->selected++] = (uint16_t)row;
    return true;
}

// Goes on judging, as far as the outputs have room, and passes on what may pass.
static void source_judge(struct source_node *source)
{
    const uint32_t count   = source->held->row_count;
    const bool     is_anew = source->cursor == 0;
    source->selected       = 0;
    while (source->cursor < count && held_judge(source)) {
        source->cursor++;
    }
    const bool is_all = is_anew && source->selected == count;
    wr_output_pass(source_main(source), source->held, is_all ? NULL : source->selection,
                   source->selected);
    partition_say_reading(source, source->held_of);
}

// Takes the batch that was just read out of the main output, to be judged row by row.
static void source_hold(struct source_node *source, struct partition *partition)
{
    struct wr_output *out = source_main(source);
    WR_ASSERT(source->held == NULL && source->spare != NULL);
    source->held    = out->batch;
    source->held_of = partition;
    source->cursor  = 0;
    out->batch      = source->spare;
    source->spare   = NULL;
}

// What was held has been judged and consumed: its batch may be written again.
static void source_release_held(struct source_node *source)
{
    wr_batch_clear(source->held, &source_main(source)->layout);
    source->spare = source->held;
    source->held  = NULL;
}

// Stamps the rows that were just read, all of one partition.
static void source_stamp(struct source_node *source, struct partition *partition)
{
    struct wr_batch *batch = source_main(source)->batch;
    if (!source->has_time) {
        for (uint32_t i = 0; batch->times != NULL && i < batch->row_count; i++) {
            batch->times[i] = WEIR_TIME_MIN;
        }
        return;
    }
    const struct bounds bounds = source_read_times(source, batch);
    const weir_time     first  = row_time(batch->rows + source->time_at, 0, 0);
    if (partition_takes_all(source, partition, bounds, first)) {
        partition_advance(source, partition, bounds.highest, NULL);
        partition_say_reading(source, partition);
    } else {
        source_hold(source, partition);
        source_judge(source);
    }
}

// ---- checkpoints ----

// What is held is judged first; then all that was read is behind the source.
static bool source_barrier(struct wr_node *node, uint64_t barrier)
{
    struct source_node *source = source_of(node);
    (void)barrier;
    if (source->held != NULL && source->cursor < source->held->row_count) {
        source_judge(source);
        return false;
    }
    if (source->held != NULL) {
        source_release_held(source);
    }
    for (uint32_t i = 0; i < source->partition_count; i++) {
        struct partition *partition = &source->partitions[i];
        struct wr_reader *reader    = partition->reader;
        partition->kept             = (struct wr_partition_kept){
                        .latest    = partition->latest,
                        .watermark = partition->watermark,
                        .is_known  = 1,
                        .is_idle   = partition->is_idle,
                        .is_ended  = partition->is_ended,
        };
        if (reader->connector->save != NULL) {
            reader->connector->save(reader, &partition->kept.position);
        }
    }
    return true;
}

static bool partition_restore(struct source_node *source, struct partition *partition)
{
    const struct wr_partition_kept *kept   = &partition->kept;
    struct wr_reader               *reader = partition->reader;
    if (!kept->is_known) { // found since
        return true;
    }
    if (reader->limit != NULL && !wr_limit_is_ahead(reader, kept)) {
        return false;
    }
    if (reader->connector->seek != NULL && !reader->connector->seek(reader, &kept->position)) {
        return false;
    }
    partition->latest       = kept->latest;
    partition->limit.latest = kept->latest;
    partition->watermark    = kept->watermark;
    partition_set_watermark(source, partition);
    partition_publish(source, partition, WR_PARTITION_READING);
    if (kept->is_ended) {
        partition_end(source, partition);
    } else if (kept->is_idle) {
        partition_become_idle(source, partition);
    }
    return true;
}

static bool source_restored(struct wr_node *node)
{
    struct source_node *source = source_of(node);
    for (uint32_t i = 0; i < source->partition_count; i++) {
        if (!partition_restore(source, &source->partitions[i])) {
            return false;
        }
    }
    return true;
}

// ---- polling ----

static bool source_has_rejects(const struct source_node *source)
{
    const struct wr_node *node = &source->node;
    return node->output_count > WR_OUTPUT_REJECTS && node->outputs[WR_OUTPUT_REJECTS].is_used &&
           node->outputs[WR_OUTPUT_REJECTS].batch->row_count > 0;
}

// Reads once from a partition. True if there is something to hand on, or to come back for at once.
static bool source_read(struct source_node *source, struct partition *partition)
{
    struct wr_reader *reader   = partition->reader;
    reader->wake_at_us         = INT64_MAX;
    const enum wr_read outcome = reader->connector->read(reader);

    if (source_main(source)->batch->row_count > 0) {
        partition_wake(source, partition);
        source_stamp(source, partition);
        return true; // an end comes again
    }
    if (reader->limit != NULL && reader->limit->is_reached) {
        partition_stop(source, partition);
        return true;
    }
    switch (outcome) {
    case WR_READ_ROWS:
    case WR_READ_FULL:
        partition_wake(source, partition);
        partition_take_watermark(source, partition);
        return true;
    case WR_READ_LATER:
        partition_wake(source, partition);
        partition_wish(source, reader->wake_at_us);
        return false;
    case WR_READ_QUIET:
        if (reader->limit != NULL) {
            partition_stop_at_end(source, partition);
            return true;
        }
        partition_wish(source, reader->wake_at_us);
        return partition_rest(source, partition);
    case WR_READ_IDLE:
        if (!partition->is_idle) {
            partition_become_idle(source, partition);
        }
        return true;
    case WR_READ_END:
        if (partition_is_at_limit(partition)) {
            partition_stop(source, partition);
        } else {
            partition_end(source, partition);
        }
        return true;
    }
    return false;
}

static enum wr_poll source_poll(struct wr_node *node)
{
    struct source_node *source = source_of(node);
    if (source->held != NULL && source->cursor < source->held->row_count) {
        source_judge(source);
        return WR_POLL_ROWS;
    }
    if (source->held != NULL) {
        source_release_held(source);
    }
    bool is_open = false;
    for (uint32_t i = 0; i < source->partition_count; i++) {
        const uint32_t    turn      = source->turn;
        struct partition *partition = &source->partitions[turn];
        source->turn                = turn + 1 == source->partition_count ? 0 : turn + 1;
        if (partition->is_ended || partition->is_stopped) {
            continue;
        }
        is_open = true;
        if (partition_is_paused(source, partition)) {
            partition->quiet_since_us = -1;
        } else if (source_read(source, partition) || source_has_rejects(source)) {
            return WR_POLL_ROWS;
        } else if (partition->reader->limit != NULL) { // in the same order each time, not by who
            source->turn = turn;                       // is quicker
            return WR_POLL_LATER;
        }
    }
    return is_open ? WR_POLL_LATER : WR_POLL_END;
}

const struct wr_operator wr_source_operator = {
    .verb       = "source",
    .node_bytes = sizeof(struct source_node),
    .open       = source_open,
    .close      = source_close,
    .barrier    = source_barrier,
    .restored   = source_restored,
    .poll       = source_poll,
};
