// csv sink: a header, then one record of a table a record; a stream with changes has a last column
// "retracted".
#include "connectors/csv/csv_writer.h"
#include "connectors/file/file_sink.h"

static void *csv_open(const weir_type *type, const struct wr_sink_format_options *format)
{
    const struct wr_csv_plan_options options = { .delimiter      = format->delimiter,
                                                 .has_retracted  = format->has_retracted,
                                                 .nullable       = format->nullable,
                                                 .nullable_count = format->nullable_count };
    return wr_csv_plan_open(type, &options);
}

static void        csv_close(void *plan) { wr_csv_plan_close(plan); }
static const char *csv_header(const void *plan, size_t *length)
{
    return wr_csv_header(plan, length);
}
static size_t csv_bound(const void *plan, const void *record) { return wr_csv_bound(plan, record); }
static size_t csv_write(const void *plan, const void *record, bool is_retracted, char *to)
{
    return wr_csv_write(plan, record, is_retracted, to);
}

weir_stream weir_to_csv(weir_stream in, const weir_file_sink_options *options)
{
    static const struct wr_sink_format format = {
        .extension = ".csv",
        .open      = csv_open,
        .close     = csv_close,
        .header    = csv_header,
        .bound     = csv_bound,
        .write     = csv_write,
    };
    return wr_file_sink_add(in, "to_csv", options, &format, true);
}
