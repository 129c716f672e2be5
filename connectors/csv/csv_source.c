// csv source: one record of a table, which may span several lines, becomes one record. The first
// names the columns.
#include "connectors/csv/csv_reader.h"
#include "connectors/file/line_source.h"

struct csv_source {
    struct wr_line_source base;
    struct wr_csv_records records;
    struct wr_csv_reader *csv;
    bool                  has_header;
    bool                  has_failed;
};

static struct csv_source *csv_of(struct wr_line_source *source)
{
    return (struct csv_source *)source;
}

static struct wr_csv_records_options csv_records_options(const struct wr_line_source *source)
{
    const struct wr_line_options *options = source->reader.options;
    return (struct wr_csv_records_options){
        .delimiter        = options->delimiter,
        .max_record_bytes = options->max_line_bytes,
    };
}

static void csv_start(struct wr_line_source *source)
{
    const struct wr_csv_records_options records = csv_records_options(source);
    wr_csv_records_init(&csv_of(source)->records, &records);
    csv_of(source)->has_header = false;
}

static bool csv_format_open(struct wr_line_source *source)
{
    const struct wr_line_options *options = source->reader.options;
    csv_start(source);
    csv_of(source)->csv = wr_csv_reader_open(
        options->type, &(struct wr_csv_options){ .delimiter = options->delimiter });
    if (csv_of(source)->csv == NULL) {
        wr_node_fail(source->reader.node, "there is no memory for a reader of %s",
                     options->type->name);
    }
    return csv_of(source)->csv != NULL;
}

static void csv_format_close(struct wr_line_source *source)
{
    wr_csv_records_fini(&csv_of(source)->records);
    if (csv_of(source)->csv != NULL) {
        wr_csv_reader_close(csv_of(source)->csv);
    }
}

static void csv_feed(struct wr_line_source *source, const char *bytes, size_t length)
{
    wr_csv_records_feed(&csv_of(source)->records, bytes, length);
}

static void csv_end(struct wr_line_source *source) { wr_csv_records_end(&csv_of(source)->records); }

static void csv_restart(struct wr_line_source *source)
{
    wr_csv_records_fini(&csv_of(source)->records);
    csv_start(source);
}

// Without its columns nothing of a table can be read: that is no dead letter, it fails the job.
static bool csv_take_header(struct csv_source *csv, const struct wr_csv_record *record)
{
    const struct wr_reader *reader = &csv->base.reader;
    const char             *reason = "it is too long";
    csv->has_header                = true;
    if (!record->is_too_long &&
        wr_csv_read_header(csv->csv, record->bytes, record->length, &reason)) {
        return true;
    }
    wr_node_fail(reader->node, "%s: the header in line %llu: %s", reader->name,
                 (unsigned long long)record->line, reason);
    csv->has_failed = true;
    return false;
}

static bool csv_next(struct wr_line_source *source, struct wr_line *line)
{
    struct csv_source   *csv = csv_of(source);
    struct wr_csv_record record;
    do {
        if (csv->has_failed || !wr_csv_records_next(&csv->records, &record)) {
            return false;
        }
    } while (!csv->has_header && (csv_take_header(csv, &record) || csv->has_failed));
    *line = (struct wr_line){
        .bytes       = record.bytes,
        .length      = record.length,
        .kept_bytes  = record.kept_bytes,
        .number      = record.line,
        .offset      = record.offset,
        .is_too_long = record.is_too_long,
    };
    return true;
}

// ---- positions ----

static void csv_where(const struct wr_line_source *source, uint64_t *offset, uint64_t *newlines)
{
    const struct wr_csv_records *records      = &((const struct csv_source *)source)->records;
    const bool                   is_under_way = records->lines.line_bytes > 0;
    *offset                                   = records->lines.offset;
    *newlines = is_under_way ? records->first_line - 1 : records->newline_count;
}

#define HEADER_PIECE_BYTES 4096

// Takes the header at the front of the file, which is not read from there.
static bool csv_seek_header(struct csv_source *csv)
{
    struct wr_line_source              *source  = &csv->base;
    char                               *piece   = wr_alloc(HEADER_PIECE_BYTES + WR_LINES_PADDING);
    const struct wr_csv_records_options options = csv_records_options(source);
    struct wr_csv_records               front;
    struct wr_csv_record                record;
    bool                                is_found = false;
    int64_t                             got      = 1;
    wr_csv_records_init(&front, &options);
    for (uint64_t at = 0; !is_found && got > 0; at += (uint64_t)got) {
        got = wr_file_read_now(source->file.file, piece, HEADER_PIECE_BYTES, at);
        if (got > 0) {
            wr_csv_records_feed(&front, piece, (size_t)got);
            is_found = wr_csv_records_next(&front, &record);
        }
    }
    const bool is_taken = is_found && csv_take_header(csv, &record);
    if (!is_found) { // a position behind it says that it was there
        wr_node_fail_as(
            source->reader.node, WEIR_CONFLICT,
            "%s: its header, which a checkpoint goes on behind, cannot be read any more",
            source->reader.name);
    }
    wr_csv_records_fini(&front);
    wr_free(piece);
    return is_taken;
}

static bool csv_seek(struct wr_line_source *source, uint64_t offset, uint64_t newlines)
{
    struct wr_csv_records_options records = csv_records_options(source);
    records.lines_before                  = newlines;
    records.offset                        = offset;
    wr_csv_records_fini(&csv_of(source)->records);
    wr_csv_records_init(&csv_of(source)->records, &records);
    return csv_seek_header(csv_of(source));
}

static bool csv_parse(struct wr_line_source *source, const struct wr_line *line, void *record,
                      const char **reason)
{
    return wr_csv_read(csv_of(source)->csv, line->bytes, line->length, record, reason);
}

static void csv_reset(struct wr_line_source *source) { wr_csv_reader_reset(csv_of(source)->csv); }

static bool csv_open(struct wr_reader *reader)
{
    static const struct wr_line_format format = {
        .open    = csv_format_open,
        .close   = csv_format_close,
        .feed    = csv_feed,
        .end     = csv_end,
        .restart = csv_restart,
        .next    = csv_next,
        .where   = csv_where,
        .seek    = csv_seek,
        .parse   = csv_parse,
        .reset   = csv_reset,
    };
    return wr_line_source_open(reader, &format);
}

static const struct wr_connector csv_connector = {
    .verb         = "read CSV",
    .reader_bytes = sizeof(struct csv_source),
    .reads_files  = true,
    .time         = wr_line_source_time,
    .list         = wr_line_source_list,
    .open         = csv_open,
    .close        = wr_line_source_close,
    .read         = wr_line_source_read,
    .save         = wr_line_source_save,
    .seek         = wr_line_source_seek,
    .line         = wr_line_source_line,
};

weir_stream weir_from_csv(weir_job *job, const weir_csv_source_options *options)
{
    const weir_csv_source_options none = { 0 };
    options                            = options != NULL ? options : &none;
    return wr_line_source_add(job, &csv_connector, options->name,
                              &(struct wr_line_options){
                                  .path           = (char *)(uintptr_t)options->path,
                                  .type           = options->type,
                                  .check          = options->check,
                                  .opaque         = options->opaque,
                                  .follows        = options->follow,
                                  .max_line_bytes = options->max_line_bytes,
                                  .rate           = options->rate,
                                  .delimiter      = options->delimiter,
                                  .time           = options->time,
                              });
}
