#include "connectors/file/file_source.h"

#include "connectors/lines/lines.h"

#define BUFFER_LEAST_BYTES ((size_t)4 << 10)
#define ALL_BUFFERS_BYTES  ((size_t)64 << 20)
// How soon a file at its end is looked at again; each look in vain doubles it.
#define LOOK_FIRST_US 10000
#define LOOK_LAST_US  100000

size_t wr_file_source_most_bytes = (size_t)256 << 10;

static size_t buffer_bytes_of(uint32_t partition_count)
{
    const size_t most  = wr_file_source_most_bytes;
    const size_t share = ALL_BUFFERS_BYTES / 2 / (partition_count > 0 ? partition_count : 1);
    const size_t whole = share / BUFFER_LEAST_BYTES * BUFFER_LEAST_BYTES;
    return whole > most ? most : whole < BUFFER_LEAST_BYTES ? BUFFER_LEAST_BYTES : whole;
}

static enum wr_file_step source_fail(struct wr_file_source *source, const char *what, int64_t error)
{
    char text[WR_FILE_ERROR_MAX];
    wr_node_fail_as(source->node, source->file == NULL ? WEIR_UNREACHABLE : WEIR_FAILED,
                    "%s %s: %s", what,
                    strcmp(source->path, "-") == 0 ? "standard input" : source->path,
                    wr_file_error(error, text));
    return WR_FILE_FAILED;
}

static bool source_open_file(struct wr_file_source *source)
{
    int error    = 0;
    source->file = wr_file_open(source->node, source->path, WR_OPEN_READ, &error);
    if (source->file == NULL) {
        (void)source_fail(source, "cannot open", error);
        return false;
    }
    source->offset    = 0;
    source->filling   = 0;
    source->is_at_end = false;
    return true;
}

static void source_submit(struct wr_file_source *source)
{
    struct wr_file_buffer *buffer = wr_file_buffer(source->file, source->filling);
    wr_file_grow(buffer, source->buffer_bytes, WR_LINES_PADDING);
    wr_file_submit(source->file, buffer, WR_REQUEST_READ, source->offset);
}

bool wr_file_source_open(struct wr_file_source *source, struct wr_node *node, const char *path,
                         bool follows, uint32_t partition_count)
{
    *source = (struct wr_file_source){
        .node         = node,
        .path         = path,
        .buffer_bytes = buffer_bytes_of(partition_count),
        .follows      = follows,
    };
    if (!source_open_file(source)) {
        return false;
    }
    if (!wr_file_is_stream(source->file) && !follows) {
        wr_count(node->counters, WR_BYTES_TOTAL, wr_file_size_bytes(source->file));
    }
    return true;
}

void wr_file_source_seek(struct wr_file_source *source, uint64_t offset)
{
    WR_ASSERT(source->offset == 0 && !source->is_at_end && !wr_file_is_stream(source->file));
    source->offset = offset;
    if (!source->follows) { // what was read before this run is not for it to read
        wr_count(source->node->counters, WR_BYTES_TOTAL, -offset);
    }
}

void wr_file_source_close(struct wr_file_source *source)
{
    wr_file_close(source->file);
    source->file = NULL;
}

// A file whose end was reached, looked at again from time to time. A file that got shorter, or was
// replaced by a shorter one of its name, is read from its beginning.
static enum wr_file_step source_look_again(struct wr_file_source *source, int64_t *wake_at_us)
{
    struct wr_environment *environment = source->node->environment;
    const int64_t          now_us      = wr_now_us(environment);
    struct wr_file_info    info        = { .size_bytes = source->offset };
    if (now_us < source->look_at_us) {
        *wake_at_us = source->look_at_us;
        return WR_FILE_QUIET;
    }
    source->look_after_us =
        source->look_after_us < LOOK_LAST_US / 2 ? source->look_after_us * 2 : LOOK_LAST_US;
    source->look_at_us = now_us + source->look_after_us;
    *wake_at_us        = source->look_at_us;
    if (environment->ops->info(environment, source->path, &info) < 0 ||
        info.size_bytes == source->offset) {
        return WR_FILE_QUIET; // a file that is gone for now may be back later
    }
    if (info.size_bytes < source->offset) {
        wr_file_close(source->file);
        return source_open_file(source) ? WR_FILE_ANEW : WR_FILE_FAILED;
    }
    source->is_at_end = false;
    source_submit(source);
    return WR_FILE_LATER;
}

static enum wr_file_step source_reach_end(struct wr_file_source *source, int64_t *wake_at_us)
{
    if (!source->follows || wr_file_is_stream(source->file)) {
        source->is_at_end = true;
        return WR_FILE_END;
    }
    source->is_at_end     = true;
    source->look_after_us = LOOK_FIRST_US;
    source->look_at_us    = wr_now_us(source->node->environment) + source->look_after_us;
    *wake_at_us           = source->look_at_us;
    return WR_FILE_QUIET;
}

enum wr_file_step wr_file_source_next(struct wr_file_source *source, const char **bytes,
                                      size_t *length, int64_t *wake_at_us)
{
    if (source->is_at_end) {
        const bool looks = source->follows && !wr_file_is_stream(source->file);
        return looks ? source_look_again(source, wake_at_us) : WR_FILE_END;
    }
    struct wr_file_buffer *buffer = wr_file_buffer(source->file, source->filling);
    int64_t                got    = 0;
    if (!buffer->is_under_way) {
        source_submit(source); // the first
    }
    if (!wr_file_is_done(source->file, buffer, &got)) {
        // A pipe's read waits for somebody to write: nothing to read is what it says.
        return wr_file_is_stream(source->file) ? WR_FILE_QUIET : WR_FILE_LATER;
    }
    if (got < 0) {
        return source_fail(source, "cannot read", got);
    }
    if (got == 0) {
        return source_reach_end(source, wake_at_us);
    }
    source->offset += (uint64_t)got;
    source->filling = 1 - source->filling;
    source_submit(source);
    wr_count(source->node->counters, WR_BYTES, (uint64_t)got);
    *bytes  = buffer->bytes;
    *length = (size_t)got;
    return WR_FILE_BYTES;
}
