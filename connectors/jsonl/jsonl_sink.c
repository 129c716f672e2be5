// jsonl sink: one JSON object a line.
#include "connectors/file/file_sink.h"
#include "connectors/jsonl/json_writer.h"

static void *jsonl_open(const weir_type *type, const struct wr_sink_format_options *format)
{
    const struct wr_json_plan_options options = { format->nullable, format->nullable_count };
    return wr_json_plan_open(type, &options);
}

static void   jsonl_close(void *plan) { wr_json_plan_close(plan); }
static size_t jsonl_bound(const void *plan, const void *record)
{
    return wr_json_bound(plan, record);
}
static size_t jsonl_write(const void *plan, const void *record, bool is_retracted, char *to)
{
    return wr_json_write(plan, record, is_retracted, to);
}

weir_stream weir_to_jsonl(weir_stream in, const weir_file_sink_options *options)
{
    static const struct wr_sink_format format = {
        .extension = ".jsonl",
        .open      = jsonl_open,
        .close     = jsonl_close,
        .bound     = jsonl_bound,
        .write     = jsonl_write,
    };
    return wr_file_sink_add(in, "to_jsonl", options, &format, true);
}
