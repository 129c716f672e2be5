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
    source->started_us = INT64_MIN;
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

// Makes a row of the line at hand, or a dead letter; false: an output has no room for it, or it is
// at the limit.
static bool line_take(struct wr_line_source *source)
{
    const struct wr_line_options *options = options_of(source);
    struct wr_output             *out     = main_of(source);
    const char                   *reason  = NULL;
    char                          text[200];
    if (wr_reader_is_at_limit(&source->reader, source->line.offset)) {
        return false;
    }
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
    if (wr_reader_is_past_limit(&source->reader, row) || !wr_output_seal(out)) {
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

// ---- positions ----

#define CHECK_BYTES     1024u
#define CHECK_COUNT     0xffffu // the bits of numbers[3] that hold how many bytes it is of
#define POSITION_IS_END (UINT64_C(1) << 63)

// What numbers[3] is, of a position at `offset`, behind a line whose `count` first bytes have the
// hash.
static uint64_t check_of(const struct wr_line_source *source, uint64_t offset, uint64_t line_hash,
                         uint64_t count)
{
    const size_t   most = offset < WR_LINE_HEAD_BYTES ? (size_t)offset : WR_LINE_HEAD_BYTES;
    const size_t   head = most < source->head_bytes ? most : source->head_bytes;
    const uint64_t hash = wr_hash_bytes(source->head, head, line_hash);
    return (hash & ~(uint64_t)CHECK_COUNT) | count;
}

// The file's next bytes are these.
static void note_head(struct wr_line_source *source, const char *bytes, size_t length)
{
    const size_t room  = sizeof(source->head) - source->head_bytes;
    const size_t added = length < room ? length : room;
    memcpy(source->head + source->head_bytes, bytes, added);
    source->head_bytes += (uint32_t)added;
}

// While the bytes of the line taken last are still there.
static void note_taken(struct wr_line_source *source)
{
    const size_t kept = source->taken.kept_bytes;
    if (source->has_taken && !source->is_noted) {
        source->taken_count = kept < CHECK_BYTES ? kept : CHECK_BYTES;
        source->taken_hash  = wr_hash_bytes(source->taken.bytes, source->taken_count, 0);
        source->is_noted    = true;
    }
}

void wr_line_source_save(struct wr_reader *reader, struct wr_position *position)
{
    struct wr_line_source *source = (struct wr_line_source *)reader;
    *position                     = source->sought;
    if (source->restarts) { // all of the file there is now is yet to be read
        *position = (struct wr_position){ .numbers = { 0 } };
    } else if (source->has_taken) {
        note_taken(source);
        position->numbers[2] = source->taken.offset;
        if (source->has_line) {
            position->numbers[0] = source->line.offset;
            position->numbers[1] = source->line.number - 1;
        } else {
            source->format->where(source, &position->numbers[0], &position->numbers[1]);
        }
        position->numbers[3] =
            check_of(source, position->numbers[0], source->taken_hash, source->taken_count);
    }
    position->numbers[2] |= source->is_done ? POSITION_IS_END : 0;
}

static bool seek_refuse(const struct wr_line_source *source, const char *found, uint64_t offset)
{
    wr_node_fail_as(
        source->reader.node, WEIR_CONFLICT,
        "the checkpoint goes on at byte %llu of %s, %s: it was cut short or changed, or "
        "is another file; put the one back that was read, or begin anew",
        (unsigned long long)offset, source->reader.name, found);
    return false;
}

// A stream goes on only where nothing of it is missing.
static bool seek_stream(struct wr_line_source *source, const struct wr_position *position)
{
    const bool  is_end = (position->numbers[2] & POSITION_IS_END) != 0;
    const char *name   = source->reader.name;
    source->is_ended = source->is_done = is_end;
    if (!is_end && position->numbers[0] > 0) {
        wr_node_fail_as(source->reader.node, WEIR_CONFLICT,
                        "the checkpoint goes on at byte %llu of %s, which is a pipe or a terminal "
                        "and cannot be read again; read a file or a topic of a log, or begin anew",
                        (unsigned long long)position->numbers[0],
                        strcmp(name, "-") == 0 ? "standard input" : name);
        return false;
    }
    return true;
}

static bool seek_fail_read(const struct wr_line_source *source, int64_t error)
{
    char text[WR_FILE_ERROR_MAX];
    wr_node_fail(source->reader.node, "cannot read %s: %s", source->reader.name,
                 wr_file_error(error, text));
    return false;
}

// Reads the front of the file, up to `offset`.
static bool seek_head(struct wr_line_source *source, uint64_t offset)
{
    const size_t  head = offset < WR_LINE_HEAD_BYTES ? (size_t)offset : WR_LINE_HEAD_BYTES;
    const int64_t got  = wr_file_read_now(source->file.file, source->head, head, 0);
    source->head_bytes = got > 0 ? (uint32_t)got : 0;
    return got >= 0 || seek_fail_read(source, got);
}

// Whether the file begins as it did, and the line that was taken last is there.
static bool seek_check(struct wr_line_source *source, const struct wr_position *position)
{
    char           bytes[CHECK_BYTES];
    const uint64_t offset = position->numbers[0];
    const uint64_t before = position->numbers[2] & ~POSITION_IS_END;
    const uint64_t count  = position->numbers[3] & CHECK_COUNT;
    const uint64_t size   = wr_file_size_bytes(source->file.file);
    if (size < offset) {
        char found[60];
        (void)snprintf(found, sizeof(found), "which has only %llu", (unsigned long long)size);
        return seek_refuse(source, found, offset);
    }
    const bool    is_sane = count <= sizeof(bytes) && before <= offset && before + count <= offset;
    const int64_t got =
        is_sane ? wr_file_read_now(source->file.file, bytes, (size_t)count, before) : 0;
    if (got < 0) {
        return seek_fail_read(source, got);
    }
    if (!seek_head(source, offset)) {
        return false;
    }
    const uint64_t hash = wr_hash_bytes(bytes, (size_t)got, 0);
    return (is_sane && check_of(source, offset, hash, (uint64_t)got) == position->numbers[3]) ||
           seek_refuse(source, "and what lies before that is not what was read", offset);
}

// The last line of a file was read, which had no newline, and then got one: that is no line of its
// own. If it got more, the rest is one, of the same number.
static bool seek_pass_newline(const struct wr_line_source *source, uint64_t *offset,
                              uint64_t *newlines)
{
    char          bytes[3] = { 0 }; // the one before, and what may be a newline
    const int64_t got      = wr_file_read_now(source->file.file, bytes, sizeof(bytes), *offset - 1);
    if (got < 0) {
        return seek_fail_read(source, got);
    }
    const bool     is_whole = bytes[0] == '\n';
    const uint64_t length   = bytes[1] == '\n' ? 1 : bytes[1] == '\r' && bytes[2] == '\n' ? 2 : 0;
    if (!is_whole && length > 0) {
        *offset += length;
        *newlines += 1;
    }
    return true;
}

bool wr_line_source_seek(struct wr_reader *reader, const struct wr_position *position)
{
    struct wr_line_source *source   = (struct wr_line_source *)reader;
    uint64_t               offset   = position->numbers[0];
    uint64_t               newlines = position->numbers[1];
    source->sought                  = *position;
    source->sought.numbers[2] &= ~POSITION_IS_END;
    if (wr_file_is_stream(source->file.file)) {
        return seek_stream(source, position);
    }
    if (offset == 0) {
        return true;
    }
    if (!seek_check(source, position) || !seek_pass_newline(source, &offset, &newlines)) {
        return false;
    }
    wr_file_source_seek(&source->file, offset);
    return seek_head(source, offset) && source->format->seek(source, offset, newlines);
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
    const int64_t now_us = wr_now_us(source->reader.node->environment);
    if (source->started_us == INT64_MIN) { // not when it was opened: a restore may lie between
        source->started_us = now_us;
    }
    const int64_t  since_us = now_us - source->started_us;
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
    source->restarts   = false;
    source->has_taken  = false;
    source->head_bytes = 0;
    source->sought     = (struct wr_position){ .numbers = { 0 } };
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
        source->is_done = true;
        return WR_READ_END;
    }
    note_taken(source);
    switch (wr_file_source_next(&source->file, &bytes, &length, &source->reader.wake_at_us)) {
    case WR_FILE_BYTES:
        note_head(source, bytes, length);
        source->format->feed(source, bytes, length);
        return WR_READ_ROWS;
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
        source->has_line  = false;
        source->taken     = source->line;
        source->has_taken = true;
        source->is_noted  = false;
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
