// log source: a partition of a topic is a partition of the source; its rows are copied from the
// log's batches into the stream's.
//
//   weir_reader (one partition, reads on I/O threads) --borrowed rows--> main output
//
// Invariant: rows before `next` of the rows at hand have been added or refused. Those at hand stay
// where they are until the next read, for the lines of late ones.
#include "connectors/jsonl/json_writer.h"
#include "connectors/log/shared_log.h"
#include "connectors/options/options.h"
#include "log/reader.h"

#include <stdio.h>
#include <string.h>
#include <weir/log_stream.h>

struct source_options {
    weir_log_source_options given; // its strings are copies
    char                   *topic;
    const weir_type        *type;
};

struct log_source {
    struct wr_reader           reader;
    weir_log                  *log;
    struct wr_decisions       *decided;  // so that all partitions end at the same moment
    struct wr_shared_consumer *consumer; // NULL: none
    weir_reader               *rows_from;
    weir_log_rows              rows; // at hand
    uint32_t                   next;
    uint32_t                  *picked;    // the row of `rows` that each row of the batch was
    char                      *refusable; // a row for `check`, which may change it
    int64_t                    started_us;
    uint64_t                   row_count; // handed on, for the rate
    uint64_t                   bytes;     // counted so far
    bool                       has_failed;
    struct wr_json_plan       *json; // for dead letters and late rows; made when the first comes
    char                      *text;
    size_t                     text_capacity;
};

static struct log_source *source_of(struct wr_reader *reader)
{
    return (struct log_source *)reader;
}

static const struct source_options *options_of(const struct log_source *source)
{
    return source->reader.options;
}

static struct wr_output *main_of(const struct log_source *source)
{
    return &source->reader.node->outputs[WR_OUTPUT_MAIN];
}

static const weir_event_time_options *source_time(const void *options)
{
    return &((const struct source_options *)options)->given.time;
}

// ---- listing ----

static bool list_refuse(weir_log *log, weir_status found, weir_status *status, char **error)
{
    *status = found;
    *error  = wr_copy_text(log != NULL ? weir_log_error(log) : weir_status_sentence(found));
    return false;
}

static bool source_list(struct wr_environment *environment, const void *options,
                        struct wr_partition_list *list, weir_status *status, char **error)
{
    const struct source_options *source  = options;
    const weir_log_options       reading = { 0 };
    weir_log                    *log     = NULL;
    weir_topic                   topic;
    weir_status found = wr_log_open_in(environment, source->given.directory, &reading, &log);
    if (found == WEIR_OK) {
        found = weir_log_topic(log, source->topic, &topic);
    }
    bool is_there = found == WEIR_OK;
    if (is_there) {
        list->count = topic.partitions;
        list->names = wr_alloc(list->count * sizeof(*list->names));
        for (uint32_t i = 0; i < list->count; i++) {
            list->names[i] = wr_format("%s/%u", source->topic, i);
        }
    } else {
        (void)list_refuse(log, found, status, error);
    }
    if (log != NULL) {
        (void)weir_log_close(log);
    }
    return is_there;
}

// ---- opening and closing ----

static bool source_fail(struct log_source *source, weir_status status, const char *sentence)
{
    source->has_failed = true;
    wr_node_fail_as(source->reader.node, status, "%s", sentence);
    return false;
}

// Where the partition is read from: the consumer's place if it shall be, and there is one.
// *cut: the last truncation heard of there; UINT64_MAX: it is not the consumer's place.
static weir_reader_options reader_options(const struct log_source *source, uint64_t *cut)
{
    const struct source_options *options = options_of(source);
    weir_reader_options          reading = {
                 .type              = options->type,
                 .partitions        = &source->reader.partition,
                 .partition_count   = 1,
                 .start             = options->given.start,
                 .offset            = options->given.offset,
                 .time              = options->given.from_time,
                 .is_bounded        = !options->given.follow,
                 .reads_uncommitted = options->given.reads_uncommitted,
    };
    *cut = UINT64_MAX;
    if (reading.start == WEIR_START_DEFAULT && source->consumer != NULL &&
        wr_shared_consumer_offset(source->consumer, source->reader.partition, &reading.offset,
                                  cut)) {
        reading.start = WEIR_START_OFFSET;
    }
    return reading;
}

static bool source_open(struct wr_reader *reader)
{
    struct log_source           *source  = source_of(reader);
    const struct source_options *options = options_of(source);
    source->log = wr_shared_log(reader->node, options->given.directory, NULL);
    if (source->log == NULL) {
        return false;
    }
    source->decided = wr_shared_decisions(reader->node, source->log);
    if (options->given.consumer != NULL && !wr_node_is_replay(reader->node)) {
        source->consumer =
            wr_shared_consumer(reader->node, source->log, options->given.consumer, options->topic);
        if (source->consumer == NULL) {
            return false;
        }
    }
    uint64_t                  cut;
    const weir_reader_options reading = reader_options(source, &cut);
    const weir_status         status  = wr_reader_open_as_of(source->log, options->topic, &reading,
                                                             source->decided, &source->rows_from);
    if (status != WEIR_OK) {
        return source_fail(source, status, weir_log_error(source->log));
    }
    if (cut != UINT64_MAX) {
        wr_reader_resume(source->rows_from, reader->partition, reading.offset, cut);
    }
    wr_reader_set_wake(source->rows_from, wr_node_wake_any, reader->node->park);
    source->started_us = wr_now_us(reader->node->environment);
    source->picked = wr_alloc((main_of(source)->layout.row_capacity + 1) * sizeof(*source->picked));
    return true;
}

static void source_close(struct wr_reader *reader)
{
    struct log_source *source = source_of(reader);
    if (source->consumer != NULL && source->rows_from != NULL &&
        reader->next_offset != UINT64_MAX) {
        wr_shared_consumer_reach(source->consumer, reader->partition, reader->next_offset,
                                 wr_reader_cut(source->rows_from, reader->partition));
    }
    weir_reader_close(source->rows_from);
    wr_node_unshare(reader->node, source->consumer);
    wr_node_unshare(reader->node, source->decided);
    wr_node_unshare(reader->node, source->log);
    if (source->json != NULL) {
        wr_json_plan_close(source->json);
    }
    wr_free(source->picked);
    wr_free(source->text);
}

// ---- a row as text ----

static uint64_t row_offset(const struct log_source *source, uint32_t row)
{
    const weir_log_rows *rows = &source->rows;
    return rows->offset + (rows->deltas != NULL ? rows->deltas[row] : row);
}

// The row as JSON, without a newline; valid until the next call.
static weir_str row_text(struct log_source *source, uint32_t row)
{
    const char *record = (const char *)source->rows.rows + (size_t)row * source->rows.type->size;
    if (source->json == NULL) {
        source->json = wr_json_plan_open(source->rows.type, NULL);
        WR_ASSERT(source->json != NULL);
    }
    const size_t most = wr_json_bound(source->json, record);
    if (most > source->text_capacity) {
        wr_free(source->text);
        source->text_capacity = most * 2;
        source->text          = wr_alloc(source->text_capacity);
    }
    const bool is_deletion =
        source->rows.changes != NULL && source->rows.changes[row] == WEIR_DELETE;
    const size_t length = wr_json_write(source->json, record, is_deletion, source->text);
    return weir_str_of(source->text, length - 1);
}

static void source_line(const struct wr_reader *reader, uint32_t row, weir_line *line)
{
    struct log_source *source = (struct log_source *)(uintptr_t)reader; // its text is made anew
    line->partition           = weir_str_from(reader->name);
    line->line                = row_offset(source, source->picked[row]);
    line->text                = row_text(source, source->picked[row]);
}

// ---- rows ----

// How many rows the rate allows for now; 0: wake_at_us says when.
static uint64_t rows_allowed(struct log_source *source)
{
    const struct wr_source_options *all  = source->reader.node->spec->options;
    const double                    rate = options_of(source)->given.rate / all->partitions.count;
    if (rate <= 0) {
        return UINT64_MAX;
    }
    const int64_t  since_us = wr_now_us(source->reader.node->environment) - source->started_us;
    const uint64_t due      = (uint64_t)((double)since_us * rate / 1e6) + 1;
    if (due > source->row_count) {
        return due - source->row_count;
    }
    const double next_us      = (double)source->row_count * 1e6 / rate;
    source->reader.wake_at_us = source->started_us + (int64_t)next_us + 1;
    return 0;
}

// Sends the row at `next` to the dead letters; false: they have no room.
static bool row_reject(struct log_source *source, const char *reason)
{
    const weir_str text   = row_text(source, source->next);
    const size_t   length = text.length;
    return wr_reader_reject(&source->reader, row_offset(source, source->next), reason,
                            weir_str_bytes(&text), length, length);
}

// Adds the row at `next`, or makes a dead letter of it; false: an output has no room for it, or it
// is at the limit.
static bool row_take(struct log_source *source)
{
    const weir_log_source_options *given   = &options_of(source)->given;
    struct wr_output              *out     = main_of(source);
    const uint8_t *const           changes = source->rows.changes;
    const char                    *reason  = NULL;
    char                           text[200];
    if (wr_output_room(out) == 0 ||
        wr_reader_is_at_limit(&source->reader, row_offset(source, source->next))) {
        return false;
    }
    if (changes != NULL && changes[source->next] == WEIR_DELETE && !given->sends_changes) {
        return row_reject(source, "it is a deletion; read changes with .sends_changes = true");
    }
    const uint32_t number = out->batch->row_count;
    void          *row    = wr_output_row(out);
    memcpy(row, (const char *)source->rows.rows + (size_t)source->next * out->layout.row_size,
           out->layout.row_size);
    if (given->check != NULL && !given->check(row, &reason, text, given->opaque)) {
        return row_reject(source, reason != NULL ? reason : "the record was refused");
    }
    if (wr_batch_row_fits_never(&out->layout, row)) {
        return row_reject(source, "the record is larger than a record may be");
    }
    if (wr_reader_is_past_limit(&source->reader, row) || !wr_output_seal(out)) {
        return false;
    }
    if (out->batch->changes != NULL) {
        out->batch->changes[number] = changes != NULL ? changes[source->next] : WR_INSERT;
    }
    source->picked[number] = source->next;
    return true;
}

// Adds rows one by one; how many were taken.
static uint32_t take_one_by_one(struct log_source *source, uint32_t most)
{
    uint32_t taken = 0;
    while (taken < most && row_take(source)) {
        source->next++;
        taken++;
    }
    return taken;
}

// Adds rows that nobody needs to look at, all at once.
static uint32_t take_all(struct log_source *source, uint32_t most)
{
    struct wr_output *out   = main_of(source);
    const uint32_t    room  = wr_output_room(out);
    const uint32_t    count = most < room ? most : room;
    const uint32_t    first = out->batch->row_count;
    memcpy(wr_output_row(out),
           (const char *)source->rows.rows + (size_t)source->next * out->layout.row_size,
           (size_t)count * out->layout.row_size);
    for (uint32_t i = 0; i < count; i++) {
        source->picked[first + i] = source->next + i;
    }
    if (out->batch->changes != NULL) {
        memset(out->batch->changes + first, WR_INSERT, count);
    }
    wr_output_commit(out, count);
    source->next += count;
    return count;
}

// Adds up to `allowed` of the rows at hand.
static void take_rows(struct log_source *source, uint64_t allowed)
{
    const struct wr_output *out  = main_of(source);
    const uint32_t          left = source->rows.count - source->next;
    const uint32_t          most = allowed < left ? (uint32_t)allowed : left;
    const bool is_plain          = out->layout.strings.count == 0 && source->rows.changes == NULL &&
                          options_of(source)->given.check == NULL && source->reader.limit == NULL;
    source->row_count += is_plain ? take_all(source, most) : take_one_by_one(source, most);
}

// ---- reading ----

// What the log says instead of rows.
static enum wr_read meet_status(struct log_source *source, weir_status status,
                                const struct wr_reader_pause *pause)
{
    const bool is_news = (status == WEIR_NOT_FOUND && !wr_reader_is_gone(source->rows_from)) ||
                         (status == WEIR_CONFLICT && source->rows.count == 0);
    if (is_news) { // told once: records went by retention while this job was too slow, or were
                   // taken back while it did not run
        (void)wr_reader_reject(&source->reader, 0, weir_reader_error(source->rows_from), "", 0, 0);
        return WR_READ_ROWS;
    }
    switch ((int)status) {
    case WEIR_AT_END: return WR_READ_END;
    case WEIR_TIMED_OUT:
        source->reader.wake_at_us = pause->again_us;
        return pause->is_quiet ? WR_READ_QUIET : WR_READ_LATER;
    default:
        (void)source_fail(source, status, weir_reader_error(source->rows_from));
        return WR_READ_END;
    }
}

// All that was added before has been taken by what lies behind the source.
static void take_note(struct log_source *source)
{
    const weir_log_source_options *given  = &options_of(source)->given;
    struct wr_reader              *reader = &source->reader;
    if (source->rows.count > 0) {
        uint64_t end = 0, lag = 0;
        (void)weir_reader_position(source->rows_from, reader->partition, &end, &lag);
        reader->next_offset =
            source->next < source->rows.count ? row_offset(source, source->next) : end;
    }
    if (source->consumer != NULL && given->commit_every > 0 && reader->next_offset != UINT64_MAX) {
        wr_shared_consumer_reach(source->consumer, reader->partition, reader->next_offset,
                                 wr_reader_cut(source->rows_from, reader->partition));
        (void)wr_shared_consumer_commit(source->consumer, reader->node, given->commit_every);
    }
}

// The offset that comes next, and the last truncation heard of.
static void source_save(struct wr_reader *reader, struct wr_position *position)
{
    struct log_source *source = source_of(reader);
    uint64_t           next = 0, lag = 0;
    (void)weir_reader_position(source->rows_from, reader->partition, &next, &lag);
    if (source->next < source->rows.count) {
        next = row_offset(source, source->next);
    }
    position->numbers[0] = next;
    position->numbers[1] = wr_reader_cut(source->rows_from, reader->partition);
    memcpy(&position->numbers[2], wr_reader_topic_id(source->rows_from), sizeof(struct wr_log_id));
}

// I20: exactly there, or not at all.
// Checkpoints of before the topic's id was kept have zeros there.
static bool seek_check_topic(struct log_source *source, const struct wr_position *position)
{
    const bool is_known = (position->numbers[2] | position->numbers[3]) != 0;
    if (!is_known || memcmp(&position->numbers[2], wr_reader_topic_id(source->rows_from),
                            sizeof(struct wr_log_id)) == 0) {
        return true;
    }
    char *sentence =
        wr_format("the topic %s in the log %s is another one than the checkpoint goes on with, of "
                  "the same name: give the log that the job has read so far, or begin with a new "
                  "directory for checkpoints",
                  options_of(source)->topic, options_of(source)->given.directory);
    (void)source_fail(source, WEIR_MISMATCH, sentence);
    wr_free(sentence);
    return false;
}

static bool source_seek(struct wr_reader *reader, const struct wr_position *position)
{
    struct log_source *source = source_of(reader);
    const uint64_t     offset = position->numbers[0];
    if (!seek_check_topic(source, position)) {
        return false;
    }
    weir_partition_info info;
    const char         *topic = options_of(source)->topic;
    const weir_status   status =
        weir_log_partition_info(source->log, topic, reader->partition, &info);
    if (status != WEIR_OK) {
        return source_fail(source, status, weir_log_error(source->log));
    }
    if (offset < info.first_offset) {
        char *sentence = wr_format(
            "the checkpoint goes on at offset %llu of %s/%u, and the log begins at %llu: retention "
            "or truncation took what is missing; restore an older topic, or begin anew",
            (unsigned long long)offset, topic, reader->partition,
            (unsigned long long)info.first_offset);
        (void)source_fail(source, WEIR_NOT_FOUND, sentence);
        wr_free(sentence);
        return false;
    }
    if (offset > info.end_offset) {
        char *sentence =
            wr_format("the checkpoint goes on at offset %llu of %s/%u, and the log ends at %llu: "
                      "records that the job had read are gone; begin anew",
                      (unsigned long long)offset, topic, reader->partition,
                      (unsigned long long)info.end_offset);
        (void)source_fail(source, WEIR_CONFLICT, sentence);
        wr_free(sentence);
        return false;
    }
    if (weir_reader_seek(source->rows_from, reader->partition, offset) != WEIR_OK) {
        return source_fail(source, WEIR_CONFLICT, weir_reader_error(source->rows_from));
    }
    wr_reader_resume(source->rows_from, reader->partition, offset, position->numbers[1]);
    return true;
}

static enum wr_read source_read(struct wr_reader *reader)
{
    struct log_source *source = source_of(reader);
    if (source->has_failed) {
        return WR_READ_END;
    }
    take_note(source);
    const uint64_t allowed = rows_allowed(source);
    if (allowed == 0) {
        return WR_READ_LATER;
    }
    if (source->next == source->rows.count) {
        struct wr_reader_pause pause;
        const weir_status      status = wr_reader_poll(source->rows_from, &source->rows, &pause);
        if (status != WEIR_OK) {
            source->rows.count = source->next = 0;
            return meet_status(source, status, &pause);
        }
        source->next         = 0;
        const uint64_t bytes = wr_reader_bytes(source->rows_from);
        wr_count(reader->node->counters, WR_BYTES, bytes - source->bytes);
        source->bytes = bytes;
    }
    take_rows(source, allowed);
    return source->next < source->rows.count ? WR_READ_FULL : WR_READ_ROWS;
}

static const struct wr_connector log_connector = {
    .verb         = "read log",
    .reader_bytes = sizeof(struct log_source),
    .time         = source_time,
    .list         = source_list,
    .open         = source_open,
    .close        = source_close,
    .read         = source_read,
    .save         = source_save,
    .seek         = source_seek,
    .line         = source_line,
};

// ---- declaring ----

static void options_free(void *opaque)
{
    struct source_options *options = opaque;
    wr_free(options->topic);
    wr_free((char *)(uintptr_t)options->given.directory);
    wr_free((char *)(uintptr_t)options->given.consumer);
    wr_options_free_time(&options->given.time);
    wr_free(options);
}

static struct source_options *options_copy(const weir_topic *topic, const weir_type *type,
                                           const weir_log_source_options *given)
{
    struct source_options *copy = wr_alloc(sizeof(*copy));
    copy->given                 = *given;
    copy->given.directory =
        wr_copy_text(given->directory != NULL ? given->directory : WR_LOG_DIRECTORY_DEFAULT);
    copy->given.consumer = wr_copy_text(given->consumer);
    copy->given.time     = wr_options_copy_time(&given->time);
    copy->topic          = wr_copy_text(topic->name);
    copy->type           = type;
    return copy;
}

static bool options_are_good(weir_job *job, const char *name, const weir_type *type,
                             const weir_log_source_options *given)
{
    if (!(given->rate >= 0)) {
        wr_job_refuse(job, "%s: rate is %g records a second, but must not be negative", name,
                      given->rate);
        return false;
    }
    if (given->commit_every < 0 || (given->commit_every > 0 && given->consumer == NULL)) {
        wr_job_refuse(job, "%s: commit_every is %lld us, but %s", name,
                      (long long)given->commit_every,
                      given->commit_every < 0 ? "must not be negative"
                                              : "there is no consumer to commit for; name one");
        return false;
    }
    return wr_options_check_time(job, name, type, &given->time);
}

weir_stream weir_from_log(weir_job *job, const weir_topic *topic,
                          const weir_log_source_options *options)
{
    weir_stream             out   = { .job = NULL };
    weir_log_source_options given = options != NULL ? *options : (weir_log_source_options){ 0 };
    if (topic == NULL || topic->name == NULL) {
        return wr_job_refuse(job, "%s: it has no topic; give it a weir_topic with a name",
                             given.name != NULL ? given.name : log_connector.verb);
    }
    const weir_type *type = topic->type != NULL ? topic->type : weir_log_text_type();
    if (given.time.field == NULL) {
        given.time.field = topic->time;
    } else if (given.time.field[0] == '\0') {
        given.time.field = NULL;
    }
    char       *own  = wr_format("read-%s", topic->name);
    const char *name = given.name != NULL ? given.name : own;
    if (options_are_good(job, name, type, &given)) {
        out = wr_job_add_source(job, &log_connector, name, options_copy(topic, type, &given), NULL,
                                type, options_free);
        if (given.sends_changes) {
            wr_job_source_sends_changes(out);
        }
    }
    wr_free(own);
    return out;
}
