// jsonl source: one JSON object a line becomes one record.
#include "connectors/file/line_source.h"
#include "connectors/jsonl/json_reader.h"

struct jsonl_source {
    struct wr_line_source  base;
    struct wr_lines        lines;
    struct wr_json_reader *json;
};

_Static_assert(WR_JSON_PADDING <= WR_LINES_PADDING, "a line has the padding its parser needs");

static struct jsonl_source *jsonl_of(struct wr_line_source *source)
{
    return (struct jsonl_source *)source;
}

static void jsonl_start(struct wr_line_source *source)
{
    const struct wr_line_options *options = source->reader.options;
    wr_lines_init(&jsonl_of(source)->lines,
                  &(struct wr_lines_options){ .max_line_bytes = options->max_line_bytes });
}

static bool jsonl_format_open(struct wr_line_source *source)
{
    const struct wr_line_options *options = source->reader.options;
    jsonl_start(source);
    jsonl_of(source)->json = wr_json_reader_open(options->type, NULL);
    if (jsonl_of(source)->json == NULL) {
        wr_node_fail(source->reader.node, "there is no memory for a reader of %s",
                     options->type->name);
    }
    return jsonl_of(source)->json != NULL;
}

static void jsonl_format_close(struct wr_line_source *source)
{
    wr_lines_fini(&jsonl_of(source)->lines);
    if (jsonl_of(source)->json != NULL) {
        wr_json_reader_close(jsonl_of(source)->json);
    }
}

static void jsonl_feed(struct wr_line_source *source, const char *bytes, size_t length)
{
    wr_lines_feed(&jsonl_of(source)->lines, bytes, length);
}

static void jsonl_end(struct wr_line_source *source) { wr_lines_end(&jsonl_of(source)->lines); }

static void jsonl_restart(struct wr_line_source *source)
{
    wr_lines_fini(&jsonl_of(source)->lines);
    jsonl_start(source);
}

static bool jsonl_next(struct wr_line_source *source, struct wr_line *line)
{
    return wr_lines_next(&jsonl_of(source)->lines, line);
}

// A line that was the end of the file, without its newline, is the last before the position.
static void jsonl_where(const struct wr_line_source *source, uint64_t *offset, uint64_t *newlines)
{
    const struct wr_lines *lines = &((const struct jsonl_source *)source)->lines;
    *offset                      = lines->offset;
    *newlines = lines->lines_before - (source->has_taken && !source->taken.is_ended ? 1 : 0);
}

static bool jsonl_seek(struct wr_line_source *source, uint64_t offset, uint64_t newlines)
{
    const struct wr_line_options *options = source->reader.options;
    wr_lines_fini(&jsonl_of(source)->lines);
    wr_lines_init(&jsonl_of(source)->lines,
                  &(struct wr_lines_options){ .max_line_bytes = options->max_line_bytes,
                                              .lines_before   = newlines,
                                              .offset         = offset });
    return true;
}

static bool jsonl_parse(struct wr_line_source *source, const struct wr_line *line, void *record,
                        const char **reason)
{
    return wr_json_read(jsonl_of(source)->json, line->bytes, line->length, record, reason);
}

static void jsonl_reset(struct wr_line_source *source)
{
    wr_json_reader_reset(jsonl_of(source)->json);
}

static bool jsonl_open(struct wr_reader *reader)
{
    static const struct wr_line_format format = {
        .open    = jsonl_format_open,
        .close   = jsonl_format_close,
        .feed    = jsonl_feed,
        .end     = jsonl_end,
        .restart = jsonl_restart,
        .next    = jsonl_next,
        .where   = jsonl_where,
        .seek    = jsonl_seek,
        .parse   = jsonl_parse,
        .reset   = jsonl_reset,
    };
    return wr_line_source_open(reader, &format);
}

static const struct wr_connector jsonl_connector = {
    .verb         = "read JSON Lines",
    .reader_bytes = sizeof(struct jsonl_source),
    .reads_files  = true,
    .time         = wr_line_source_time,
    .list         = wr_line_source_list,
    .open         = jsonl_open,
    .close        = wr_line_source_close,
    .read         = wr_line_source_read,
    .save         = wr_line_source_save,
    .seek         = wr_line_source_seek,
    .line         = wr_line_source_line,
};

weir_stream weir_from_jsonl(weir_job *job, const weir_jsonl_source_options *options)
{
    const weir_jsonl_source_options none = { 0 };
    options                              = options != NULL ? options : &none;
    return wr_line_source_add(job, &jsonl_connector, options->name,
                              &(struct wr_line_options){
                                  .path           = (char *)(uintptr_t)options->path,
                                  .type           = options->type,
                                  .check          = options->check,
                                  .opaque         = options->opaque,
                                  .follows        = options->follow,
                                  .max_line_bytes = options->max_line_bytes,
                                  .rate           = options->rate,
                                  .time           = options->time,
                              });
}
