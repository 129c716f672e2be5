#include "connectors/file/file_sink.h"

#include "connectors/file/file_parts.h"
#include "connectors/options/options.h"

#include <errno.h>
#include <string.h>

#define BUFFER_BYTES ((size_t)64 << 10)

struct file_sink_options {
    const struct wr_sink_format  *format;
    const weir_type              *type;
    char                         *path;
    char                         *names; // what `format_options.nullable` points into
    struct wr_sink_format_options format_options;
};

struct file_sink {
    struct wr_node  node;
    void           *plan;
    struct wr_file *file;    // NULL: of parts none is being written
    uint64_t        offset;  // of what is sent next
    uint32_t        filling; // the buffer
    bool            has_failed;
    bool            has_parts;

    struct wr_file_parts parts;
};

static const struct file_sink_options *options_of(const struct file_sink *sink)
{
    return sink->node.spec->options;
}

static void sink_fail(struct file_sink *sink, const char *what, int64_t error)
{
    const char *path        = options_of(sink)->path;
    const bool  is_standard = strcmp(path, "-") == 0;
    const char *name        = is_standard ? "standard output" : path;
    char        text[WR_FILE_ERROR_MAX];
    sink->has_failed = true;
    if (error == -EPIPE) {
        wr_node_fail(&sink->node, "cannot %s %s: whoever read it has gone", what, name);
    } else {
        wr_node_fail_as(&sink->node, sink->file == NULL ? WEIR_UNREACHABLE : WEIR_FAILED,
                        "cannot %s %s: %s%s", what, name, wr_file_error(error, text),
                        sink->file == NULL && error == -ENOENT ? "; its directory has to exist"
                                                               : "");
    }
}

// ---- buffers ----

// Whether the buffer is the sink's to fill; takes the result of a write that has ended.
static bool sink_owns(struct file_sink *sink, struct wr_file_buffer *buffer)
{
    int64_t result = 0;
    if (!buffer->is_under_way) {
        return true;
    }
    if (!wr_file_is_done(sink->file, buffer, &result)) {
        return false;
    }
    buffer->length = 0;
    if (result < 0 && !sink->has_failed) {
        sink_fail(sink, "write", result);
    }
    return true;
}

static bool sink_owns_both(struct file_sink *sink)
{
    const bool owns_first = sink_owns(sink, wr_file_buffer(sink->file, 0));
    return sink_owns(sink, wr_file_buffer(sink->file, 1)) && owns_first;
}

// Writes what is filled, and goes on with the other buffer. False, and nothing is done, if it
// cannot be yet: on a stream one write follows the other.
static bool sink_send(struct file_sink *sink)
{
    struct wr_file_buffer *buffer = wr_file_buffer(sink->file, sink->filling);
    struct wr_file_buffer *other  = wr_file_buffer(sink->file, 1 - sink->filling);
    if (wr_file_is_stream(sink->file) && !sink_owns(sink, other)) {
        return false;
    }
    wr_file_submit(sink->file, buffer, WR_REQUEST_WRITE, sink->offset);
    sink->offset += buffer->length;
    sink->filling = 1 - sink->filling;
    return true;
}

// Where `bytes` more may be written; NULL: not yet.
static char *sink_room(struct file_sink *sink, size_t bytes)
{
    struct wr_file_buffer *buffer = wr_file_buffer(sink->file, sink->filling);
    if (sink_owns(sink, buffer) && buffer->length > 0 &&
        buffer->capacity - buffer->length < bytes) {
        if (!sink_send(sink)) {
            return NULL;
        }
        buffer = wr_file_buffer(sink->file, sink->filling);
    }
    if (!sink_owns(sink, buffer)) {
        return NULL;
    }
    if (buffer->length == 0) {
        wr_file_grow(buffer, bytes > BUFFER_BYTES ? bytes : BUFFER_BYTES, 0);
    }
    return buffer->bytes + buffer->length;
}

static void sink_commit(struct file_sink *sink, size_t bytes)
{
    struct wr_file_buffer *buffer = wr_file_buffer(sink->file, sink->filling);
    buffer->length += bytes;
    WR_ASSERT(buffer->length <= buffer->capacity);
    wr_count(sink->node.counters, WR_BYTES, bytes);
}

// ---- the operator ----

static void sink_write_header(struct file_sink *sink)
{
    const struct wr_sink_format *format = options_of(sink)->format;
    size_t                       length = 0;
    if (format->header != NULL) {
        const char *header = format->header(sink->plan, &length);
        memcpy(sink_room(sink, length), header, length);
        sink_commit(sink, length);
    }
}

// Whether the path is or becomes a directory or a file: nobody has seen of it what was not shown.
static bool path_can_wait(struct wr_environment *environment, const char *path)
{
    struct wr_file_info info;
    return strcmp(path, "-") != 0 && (environment->ops->info(environment, path, &info) < 0 ||
                                      info.is_regular || info.is_directory);
}

static bool sink_make_directory(struct file_sink *sink)
{
    const int made = wr_file_parts_make_directory(&sink->parts);
    if (made == -EEXIST) {
        sink->has_failed = true;
        wr_node_fail_as(&sink->node, WEIR_CONFLICT,
                        "%s is a file, but with checkpoints the sink writes a directory of parts; "
                        "name another path, or remove the file",
                        options_of(sink)->path);
    } else if (made < 0) {
        sink_fail(sink, "make", made);
    }
    return made == 0;
}

// A part begins with the header, so that it is a table by itself. False: it has failed.
static bool sink_begin_part(struct file_sink *sink)
{
    int error  = 0;
    sink->file = wr_file_parts_begin(&sink->parts, &error);
    if (sink->file == NULL) {
        sink_fail(sink, "make a part in", error);
        return false;
    }
    sink->offset  = 0;
    sink->filling = 0;
    sink_write_header(sink);
    return true;
}

static bool sink_open(struct wr_node *node)
{
    struct file_sink               *sink    = (struct file_sink *)node;
    const struct file_sink_options *options = options_of(sink);
    const struct wr_sink_format    *format  = options->format;
    int                             error   = 0;

    sink->plan = format->open(options->type, &options->format_options);
    if (sink->plan == NULL) {
        wr_node_fail(node, "there is no memory for a writer of %s", options->type->name);
        return false;
    }
    wr_file_parts_open(&sink->parts, node, options->path, format->extension);
    sink->has_parts =
        wr_node_is_checkpointed(node) && path_can_wait(node->environment, options->path);
    if (sink->has_parts) {
        return sink_make_directory(sink);
    }
    sink->file = wr_file_open(node, options->path, WR_OPEN_WRITE, &error);
    if (sink->file == NULL) {
        sink_fail(sink, "open", error);
        return false;
    }
    sink_write_header(sink);
    return true;
}

static void sink_close(struct wr_node *node)
{
    struct file_sink *sink = (struct file_sink *)node;
    wr_file_close(sink->file);
    wr_file_parts_close(&sink->parts);
    if (sink->plan != NULL) {
        options_of(sink)->format->close(sink->plan);
    }
}

static enum wr_counter counter_of(enum wr_change change)
{
    return change == WR_DELETE ? WR_DELETES : change == WR_INSERT ? WR_INSERTS : WR_UPDATES;
}

// False: there is no room yet.
static bool sink_write_row(struct file_sink *sink, const void *record, enum wr_change change)
{
    const struct wr_sink_format *format = options_of(sink)->format;
    if (sink->file == NULL && !sink_begin_part(sink)) {
        return false;
    }
    char *to = sink_room(sink, format->bound(sink->plan, record));
    if (to == NULL) {
        return false;
    }
    sink_commit(sink, format->write(sink->plan, record, change == WR_DELETE, to));
    wr_count(sink->node.counters, counter_of(change), 1);
    return true;
}

static void sink_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct file_sink      *sink  = (struct file_sink *)node;
    const struct wr_batch *batch = inlet->batch;
    for (; inlet->next < inlet->count && !sink->has_failed; inlet->next++) {
        const uint32_t       row = wr_inlet_row(inlet, inlet->next);
        const enum wr_change change =
            batch->changes != NULL ? (enum wr_change)batch->changes[row] : WR_INSERT;
        if (change != WR_UPDATE_BEFORE && !sink_write_row(sink, wr_batch_row(batch, row), change)) {
            return;
        }
    }
    if (sink->has_failed) {
        inlet->next = inlet->count; // the job is ending
    }
}

static bool sink_flush(struct wr_node *node, bool is_forced)
{
    struct file_sink *sink = (struct file_sink *)node;
    (void)is_forced;
    if (sink->file == NULL || sink->has_failed || !sink_owns_both(sink) ||
        wr_file_buffer(sink->file, sink->filling)->length == 0) {
        return false;
    }
    return sink_send(sink);
}

// Whether all that was taken is written, or lost; false: to be asked again when the write under way
// has ended.
static bool sink_is_written(struct file_sink *sink)
{
    return sink->file == NULL || sink->has_failed ||
           (sink_owns_both(sink) && !sink_flush(&sink->node, true));
}

static bool sink_finish(struct wr_node *node)
{
    struct file_sink *sink = (struct file_sink *)node;
    if (!sink_is_written(sink)) {
        return false;
    }
    if (sink->file == NULL || sink->has_failed) {
        return true;
    }
    WR_ASSERT(wr_file_buffer(sink->file, sink->filling)->length == 0);
    wr_file_close(sink->file);
    sink->file = NULL;
    return true;
}

// ---- checkpoints ----

// What shows at once is at least written before the checkpoint counts it.
static bool sink_barrier(struct wr_node *node, uint64_t barrier)
{
    struct file_sink *sink = (struct file_sink *)node;
    (void)barrier;
    if (!sink_is_written(sink)) {
        return false;
    }
    if (sink->has_parts && sink->file != NULL && !sink->has_failed) {
        wr_file_parts_set_aside(&sink->parts, sink->file);
        sink->file = NULL;
    }
    return true;
}

static bool sink_prepare(struct wr_node *node, uint64_t checkpoint, struct wr_token *token,
                         struct wr_error *error)
{
    return wr_file_parts_prepare(&((struct file_sink *)node)->parts, checkpoint, token, error);
}

static bool sink_commit_token(struct wr_node *node, const struct wr_token *token,
                              struct wr_error *error)
{
    return wr_file_parts_commit(&((struct file_sink *)node)->parts, token, error);
}

// A pipe may have been a directory when the checkpoint was taken.
static bool sink_recover(struct wr_node *node, const struct wr_token *tokens, uint32_t count,
                         struct wr_error *error)
{
    const struct file_sink *sink = (const struct file_sink *)node;
    return wr_file_parts_recover(&sink->parts, tokens, count, error) &&
           (!sink->has_parts || wr_file_parts_clear(&sink->parts, error));
}

static const struct wr_committer file_sink_committer = {
    .prepare = sink_prepare,
    .commit  = sink_commit_token,
    .recover = sink_recover,
};

static const char *sink_guarantee(struct wr_environment *environment, const void *options)
{
    const char *path = ((const struct file_sink_options *)options)->path;
    return path_can_wait(environment, path) ? "exactly once"
           : strcmp(path, "-") == 0         ? "at least once (standard output shows it at once)"
                                            : "at least once (a pipe or a device shows it at once)";
}

static const char *sink_writes(const void *options)
{
    return ((const struct file_sink_options *)options)->path;
}

static const struct wr_operator file_sink_operator = {
    .verb       = "write",
    .node_bytes = sizeof(struct file_sink),
    .open       = sink_open,
    .close      = sink_close,
    .rows       = sink_rows,
    .finish     = sink_finish,
    .barrier    = sink_barrier,
    .flush      = sink_flush,
    .writes     = sink_writes,
    .guarantee  = sink_guarantee,
    .committer  = &file_sink_committer,
};

// ---- declaring ----

static void options_free(void *opaque)
{
    struct file_sink_options *options = opaque;
    wr_free(options->path);
    wr_free(options->names);
    wr_free((void *)(uintptr_t)options->format_options.nullable);
    wr_free(options);
}

// Cuts "a,b" into names; refuses the job, saying which, if one is no int64 field of the type.
static void options_take_nullable(struct file_sink_options *options, weir_job *job,
                                  const char *sink, const char *list)
{
    options->names = wr_copy_text(list);
    for (char *name = options->names; name != NULL;) {
        char *comma = strchr(name, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        const weir_field *field = weir_type_field(options->type, name);
        if (strchr(name, '.') == NULL && (field == NULL || field->kind != WEIR_KIND_I64)) {
            (void)wr_job_refuse(job,
                                "%s: \"%s\" cannot be null: %s has no int64 field of that name",
                                sink, name, options->type->name);
            return;
        }
        struct wr_sink_format_options *format = &options->format_options;
        const size_t                   bytes  = sizeof(char *) * (format->nullable_count + 1);
        format->nullable = wr_realloc((void *)(uintptr_t)format->nullable, bytes);
        format->nullable[format->nullable_count++] = name;
        name                                       = comma != NULL ? comma + 1 : NULL;
    }
}

weir_stream wr_file_sink_add(weir_stream in, const char *verb,
                             const weir_file_sink_options *options,
                             const struct wr_sink_format *format, bool takes_changes)
{
    const weir_type *type = wr_stream_type(in);
    if (type == NULL) {
        return (weir_stream){ .job = NULL }; // an earlier mistake
    }
    if (options == NULL || options->path == NULL || options->path[0] == '\0') {
        return wr_job_refuse(in.job, "%s: it has no path; name a file, or - for stdout",
                             options != NULL && options->name != NULL ? options->name : verb);
    }
    const char *file  = wr_options_path_name(options->path, "stdout");
    char       *own   = wr_format("write-%s", file);
    const char *name  = options->name != NULL ? options->name : own;
    weir_stream added = { .job = NULL };
    if (!takes_changes && wr_stream_sends_changes(in)) {
        added = wr_job_refuse(in.job,
                              "%s: its input sends corrections (updates and deletes), which text "
                              "cannot show; write it with weir_to_jsonl or weir_to_csv",
                              name);
    } else {
        struct file_sink_options *copy     = wr_alloc(sizeof(*copy));
        copy->format                       = format;
        copy->type                         = type;
        copy->path                         = wr_copy_text(options->path);
        copy->format_options.delimiter     = options->delimiter;
        copy->format_options.has_retracted = wr_stream_sends_changes(in);
        if (options->nullable != NULL) {
            options_take_nullable(copy, in.job, name, options->nullable);
        }
        added = wr_job_add_sink(in, &file_sink_operator, name, copy, NULL, 1, options_free);
    }
    wr_free(own);
    return added;
}
