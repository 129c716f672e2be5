#include "connectors/file/line_source.h"

#include "connectors/file/file_list.h"
#include "connectors/options/options.h"

#include <stdio.h>
#include <string.h>

static const struct wr_line_options *options_of(const struct wr_line_source *source)
{
    return source->reader.options;
}

static struct wr_output *main_of(const struct wr_line_source *source)
{
    return &source->reader.node->outputs[WR_OUTPUT_MAIN];
}

const weir_event_time_options *wr_line_source_time(const void *options)
{
    return &((const struct wr_line_options *)options)->time;
}

bool wr_line_source_list(struct wr_environment *environment, const void *options,
                         struct wr_partition_list *list, weir_status *status, char **error)
{
    const struct wr_line_options *read = options;
    return wr_file_list(environment, read->path, list, status, error);
}

// ---- opening ----

bool wr_line_source_open(struct wr_reader *reader, const struct wr_line_format *format)
{
    struct wr_line_source          *source  = (struct wr_line_source *)reader;
    const struct wr_source_options *node    = reader->node->spec->options;
    const struct wr_line_options   *options = options_of(source);

    source->format = format;
    source->rows   = wr_alloc((main_of(source)->layout.row_capacity + 1) * sizeof(*source->rows));
    source->started_us = wr_now_us(reader->node->environment);
    return wr_file_source_open(&source->file, reader->node, reader->name, options->follows,
                               node->partitions.count) &&
           format->open(source);
}

void wr_line_source_close(struct wr_reader *reader)
{
    struct wr_line_source *source = (struct wr_line_source *)reader;
    if (source->format != NULL) {
        source->format->close(source);
    }
    wr_file_source_close(&source->file);
    wr_free(source->rows);
}

// ---- a line ----

static bool line_reject(struct wr_line_source *source, const char *reason)
{
    const struct wr_line *line = &source->line;
    return wr_reader_reject(&source->reader, line->number, reason, line->bytes, line->kept_bytes,
                            line->length);
}

static bool line_reject_length(struct wr_line_source *source)
{
    const uint32_t most = options_of(source)->max_line_bytes;
    char           reason[160];
    (void)snprintf(reason, sizeof(reason), "the line has %zu bytes, the most is %u",
                   source->line.length, most != 0 ? most : WR_LINES_MAX_BYTES);
    return line_reject(source, reason);
}

// Makes a row of the line at hand, or a dead letter; false: an output has no room for it.
static bool line_take(struct wr_line_source *source)
{
    const struct wr_line_options *options = options_of(source);
    struct wr_output             *out     = main_of(source);
    const char                   *reason  = NULL;
    char                          text[200];
    if (source->line.is_too_long) {
        return line_reject_length(source);
    }
    if (wr_output_room(out) == 0) {
        return false;
    }
    void *row = wr_output_row(out);
    if (!source->format->parse(source, &source->line, row, &reason)) {
        return line_reject(source, reason);
    }
    if (options->check != NULL && !options->check(row, &reason, text, options->opaque)) {
        return line_reject(source, reason != NULL ? reason : "the record was refused");
    }
    if (wr_batch_row_fits_never(&out->layout, row)) {
        return line_reject(source, "the record is larger than a record may be");
    }
    const uint32_t number = out->batch->row_count;
    if (!wr_output_seal(out)) {
        return false;
    }
    source->rows[number] = source->line;
    return true;
}

void wr_line_source_line(const struct wr_reader *reader, uint32_t row, weir_line *line)
{
    const struct wr_line_source *source = (const struct wr_line_source *)reader;
    const struct wr_line        *from   = &source->rows[row];

    line->partition = weir_str_from(reader->name);
    line->line      = from->number;
    line->text      = weir_str_of(from->bytes, from->length);
}

// ---- reading ----

// How many lines the rate allows for now; the time of the next one, if that is none.
static uint64_t lines_allowed(struct wr_line_source *source)
{
    const struct wr_source_options *all  = source->reader.node->spec->options;
    const double                    rate = options_of(source)->rate / all->partitions.count;
    if (rate <= 0) {
        return UINT64_MAX;
    }
    const int64_t  since_us = wr_now_us(source->reader.node->environment) - source->started_us;
    const uint64_t due      = (uint64_t)((double)since_us * rate / 1e6) + 1;
    if (due > source->line_count) {
        return due - source->line_count;
    }
    const double next_us      = (double)source->line_count * 1e6 / rate;
    source->reader.wake_at_us = source->started_us + (int64_t)next_us + 1;
    return 0;
}

// The file was cut short under the reader: what was left of its last line has become a line, and
// the dead letters say why it may look strange. False: no room.
static bool source_restart(struct wr_line_source *source)
{
    if (!wr_reader_reject(&source->reader, 0,
                          "the file became shorter; it is read again from its beginning", "", 0,
                          0)) {
        return false;
    }
    source->format->restart(source);
    source->restarts = false;
    return true;
}

// Gets more bytes for the format. WR_READ_ROWS: it has some, or its end; go on.
static enum wr_read source_feed(struct wr_line_source *source)
{
    const char *bytes  = NULL;
    size_t      length = 0;
    if (source->restarts) {
        return source_restart(source) ? WR_READ_ROWS : WR_READ_FULL;
    }
    if (source->is_ended) {
        return WR_READ_END;
    }
    switch (wr_file_source_next(&source->file, &bytes, &length, &source->reader.wake_at_us)) {
    case WR_FILE_BYTES: source->format->feed(source, bytes, length); return WR_READ_ROWS;
    case WR_FILE_LATER: return WR_READ_LATER;
    case WR_FILE_QUIET: return WR_READ_QUIET;
    case WR_FILE_ANEW:
        source->format->end(source);
        source->restarts = true;
        return WR_READ_ROWS;
    case WR_FILE_END:
        source->format->end(source);
        source->is_ended = true;
        return WR_READ_ROWS;
    case WR_FILE_FAILED: break;
    }
    return WR_READ_END;
}

// Lines of one buffer: those of the batch stay where they are until the next call.
enum wr_read wr_line_source_read(struct wr_reader *reader)
{
    struct wr_line_source *source  = (struct wr_line_source *)reader;
    uint64_t               allowed = lines_allowed(source);
    source->format->reset(source);
    if (allowed == 0) {
        return WR_READ_LATER;
    }
    bool has_fed = false;
    for (;;) {
        if (!source->has_line && !source->format->next(source, &source->line)) {
            if (main_of(source)->batch->row_count > 0 || has_fed) {
                return WR_READ_ROWS;
            }
            const enum wr_read fed = source_feed(source);
            if (fed != WR_READ_ROWS) {
                return fed;
            }
            has_fed = true;
            continue;
        }
        source->has_line = true;
        if (allowed == 0) {
            return WR_READ_ROWS;
        }
        if (!line_take(source)) {
            return WR_READ_FULL;
        }
        source->has_line = false;
        source->line_count++;
        allowed--;
    }
}

// ---- declaring ----

static bool options_are_good(weir_job *job, const char *name, const struct wr_line_options *options)
{
    if (options->path == NULL || options->path[0] == '\0') {
        wr_job_refuse(
            job, "%s: it has no path; name a file, a pattern, a directory, or - for stdin", name);
        return false;
    }
    if (options->max_line_bytes > WR_LINES_MAX_BYTES ||
        (options->max_line_bytes != 0 && options->max_line_bytes < WR_LINES_KEPT_BYTES)) {
        wr_job_refuse(job, "%s: max_line_bytes is %u, but must be from %u to %u", name,
                      options->max_line_bytes, WR_LINES_KEPT_BYTES, WR_LINES_MAX_BYTES);
        return false;
    }
    if (!(options->rate >= 0)) {
        wr_job_refuse(job, "%s: rate is %g lines a second, but must not be negative", name,
                      options->rate);
        return false;
    }
    return wr_options_check_time(job, name, options->type, &options->time);
}

static void options_free(void *opaque)
{
    struct wr_line_options *options = opaque;
    wr_free(options->path);
    wr_options_free_time(&options->time);
    wr_free(options);
}

static struct wr_line_options *options_copy(const struct wr_line_options *options)
{
    struct wr_line_options *copy = wr_alloc(sizeof(*copy));
    *copy                        = *options;
    copy->path                   = wr_copy_text(options->path);
    copy->time                   = wr_options_copy_time(&options->time);
    return copy;
}

weir_stream wr_line_source_add(weir_job *job, const struct wr_connector *connector,
                               const char *name, const struct wr_line_options *options)
{
    const weir_stream none = { .job = NULL };
    if (options->type == NULL) {
        return wr_job_refuse(job, "%s: it has no type; name the records' with .type = &..._type",
                             name != NULL ? name : connector->verb);
    }
    char             *own   = wr_format("read-%s", options->type->name);
    const char       *given = name != NULL ? name : own;
    const bool        is_ok = options_are_good(job, given, options);
    const weir_stream out = is_ok ? wr_job_add_source(job, connector, given, options_copy(options),
                                                      NULL, options->type, options_free)
                                  : none;
    wr_free(own);
    return out;
}
