#include "ends.h"

#include "events.h"

#include <stdio.h>
#include <string.h>
#include <weir/log_stream.h>

// Of an order all events come in their order, and orders are many: the partitions are even.
const weir_topic payments_events_topic = {
    "events", &event_line_type, "order_id", "at", 0, WEIR_COMPRESSION_LZ4, 0, 0, 0, false, 0
};
const weir_topic payments_dead_letters_topic = {
    "dead_letters", &weir_dead_letter_type, NULL, NULL, 0, WEIR_COMPRESSION_NONE, 0, 0, 0, false, 0
};
static const weir_topic late_topic = {
    "late", &weir_line_type, NULL, NULL, 0, WEIR_COMPRESSION_NONE, 0, 0, 0, false, 0
};

// ---- in ----

static weir_event_time_options event_time(bool follows)
{
    weir_event_time_options time;
    memset(&time, 0, sizeof(time));
    time.field           = "at";
    time.out_of_order    = PAYMENTS_OUT_OF_ORDER;
    time.judges_lateness = true;
    time.lateness        = PAYMENTS_LATENESS;
    time.max_ahead       = -1; // however long nothing happened, what follows is no mistake
    // A partition that nobody writes to must not hold the others back for ever.
    time.idle_after = follows ? WEIR_SECONDS(5) : 0;
    return time;
}

static weir_stream read_log(weir_job *job, const payments_ends *ends)
{
    weir_log_source_options source;
    memset(&source, 0, sizeof(source));
    source.name      = "events";
    source.directory = ends->log;
    source.start     = ends->consumer != NULL ? WEIR_START_DEFAULT : WEIR_START_EARLIEST;
    source.consumer  = ends->consumer;
    source.check     = payments_check; // others may append too
    source.follow    = ends->follow;
    source.rate      = ends->rate;
    source.time      = event_time(ends->follow);
    return weir_from_log(job, &payments_events_topic, &source);
}

static weir_stream read_files(weir_job *job, const payments_ends *ends)
{
    weir_jsonl_source_options source;
    memset(&source, 0, sizeof(source));
    source.name   = "events";
    source.path   = ends->input;
    source.type   = &event_line_type;
    source.check  = payments_check;
    source.follow = ends->follow;
    source.rate   = ends->rate;
    source.time   = event_time(ends->follow);
    return weir_from_jsonl(job, &source);
}

weir_stream payments_read_events(weir_job *job, const payments_ends *ends)
{
    return ends->input != NULL ? read_files(job, ends) : read_log(job, ends);
}

// ---- out ----

// The options of DIRECTORY/NAME.jsonl; valid until the next call.
static const weir_file_sink_options *file_named(const payments_ends *ends, const char *name,
                                                const char *nullable)
{
    static char                   operator_name[64];
    static char                   path[4096];
    static weir_file_sink_options file;
    (void)snprintf(operator_name, sizeof(operator_name), "write-%s", name);
    (void)snprintf(path, sizeof(path), "%s/%s.jsonl", ends->output, name);
    file.name     = operator_name;
    file.path     = path;
    file.nullable = nullable;
    return &file;
}

static void write_log(weir_stream rows, const payments_ends *ends, const weir_topic *topic)
{
    weir_log_sink_options sink;
    memset(&sink, 0, sizeof(sink));
    sink.directory = ends->output_log;
    (void)weir_to_log(rows, topic, &sink);
}

void payments_write_view(weir_stream rows, const payments_ends *ends, const payments_view *view)
{
    weir_topic topic;
    if (ends->output != NULL) {
        (void)weir_to_jsonl(rows, file_named(ends, view->name, view->nullable));
        return;
    }
    memset(&topic, 0, sizeof(topic));
    topic.name         = view->name;
    topic.type         = view->type;
    topic.key          = view->key;
    topic.time         = view->time;
    topic.compression  = WEIR_COMPRESSION_LZ4;
    topic.is_compacted = true; // a view is the last row of each key
    write_log(rows, ends, &topic);
}

void payments_write_late(weir_stream late, const payments_ends *ends)
{
    if (ends->output != NULL) {
        (void)weir_to_text(late, file_named(ends, late_topic.name, NULL));
    } else {
        write_log(late, ends, &late_topic);
    }
}

void payments_write_dead_letters(weir_stream letters, const payments_ends *ends)
{
    if (ends->output != NULL) {
        (void)weir_to_jsonl(letters, file_named(ends, payments_dead_letters_topic.name, NULL));
    } else {
        write_log(letters, ends, &payments_dead_letters_topic);
    }
}

// ---- anew ----

static weir_status empty_topic(weir_log *log, const char *name)
{
    weir_topic  topic;
    weir_status status = weir_log_topic(log, name, &topic);
    if (status == WEIR_NOT_FOUND) {
        return WEIR_OK;
    }
    for (uint32_t p = 0; status == WEIR_OK && p < topic.partitions; p++) {
        weir_partition_info info;
        status = weir_log_partition_info(log, name, p, &info);
        if (status == WEIR_OK) {
            status = weir_log_truncate_before(log, name, p, info.end_offset);
        }
    }
    return status;
}

weir_status payments_empty_topics(const payments_ends *ends, const char *const *views,
                                  uint32_t count)
{
    weir_log        *log = NULL;
    weir_log_options writing;
    memset(&writing, 0, sizeof(writing));
    writing.writes     = true;
    writing.creates    = true;
    weir_status status = weir_log_open(ends->output_log, &writing, &log);
    for (uint32_t i = 0; status == WEIR_OK && i < count; i++) {
        status = empty_topic(log, views[i]);
    }
    status = status == WEIR_OK ? empty_topic(log, late_topic.name) : status;
    // Beside the events lie the dead letters of those who appended them.
    weir_topic events;
    if (status == WEIR_OK &&
        weir_log_topic(log, payments_events_topic.name, &events) == WEIR_NOT_FOUND) {
        status = empty_topic(log, payments_dead_letters_topic.name);
    }
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "payments: %s\n",
                      log != NULL ? weir_log_error(log) : weir_status_sentence(status));
    }
    if (log != NULL) {
        (void)weir_log_close(log);
    }
    return status;
}
