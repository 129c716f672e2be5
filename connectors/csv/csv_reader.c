// libcsv splits a record into cells; it knows neither where a record's bytes are nor how long one
// may get, so that the cutting into records is done here, by the same rules.

#include "connectors/csv/csv_reader.h"

#include "connectors/csv/csv_columns.h"
#include "connectors/text/text.h"
#include "runtime/base/base.h"

#include <csv.h>

// ---- records out of bytes ----

static size_t count_newlines(const char *bytes, size_t length)
{
    size_t count = 0;
    for (const char *at = bytes; (at = memchr(at, '\n', (size_t)(bytes + length - at))) != NULL;
         at++) {
        count++;
    }
    return count;
}

static enum wr_csv_place place_after(const struct wr_csv_records *records, char byte)
{
    const enum wr_csv_place place = records->place;
    if (place == WR_CSV_QUOTED) {
        return byte == '"' ? WR_CSV_QUOTE_IN_QUOTED : WR_CSV_QUOTED;
    }
    if (byte == '"' && place != WR_CSV_PLAIN) {
        return WR_CSV_QUOTED;
    }
    return byte == records->delimiter ? WR_CSV_CELL_START : WR_CSV_PLAIN;
}

// The \n that ends the record, byte by byte, in bytes where quotes matter.
static size_t find_end_quoted(struct wr_csv_records *records, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const bool is_too_long = records->record_bytes + i > records->max_record_bytes;
        if (bytes[i] == '\n' && (records->place != WR_CSV_QUOTED || is_too_long)) {
            return i;
        }
        records->place = place_after(records, bytes[i]);
    }
    return length;
}

static size_t find_end(void *state, const char *bytes, size_t length)
{
    struct wr_csv_records *const records = state;
    if (records->record_bytes == 0) {
        records->first_line = records->newline_count + 1;
    }

    // Without a quote up to the next \n, that ends the record.
    size_t end = length;
    if (records->place == WR_CSV_CELL_START || records->place == WR_CSV_PLAIN) {
        const char *const newline = memchr(bytes, '\n', length);
        end                       = newline != NULL ? (size_t)(newline - bytes) : length;
        if (memchr(bytes, '"', end) != NULL) {
            end = find_end_quoted(records, bytes, length);
        } else if (end > 0) {
            records->place = place_after(records, bytes[end - 1]);
        }
    } else {
        end = find_end_quoted(records, bytes, length);
    }

    records->newline_count += count_newlines(bytes, end);
    if (end == length) {
        records->record_bytes += length;
        return length;
    }
    records->newline_count++;
    records->record_bytes = 0;
    records->place        = WR_CSV_CELL_START;
    return end;
}

void wr_csv_records_init(struct wr_csv_records               *records,
                         const struct wr_csv_records_options *options)
{
    *records = (struct wr_csv_records){
        .place         = WR_CSV_CELL_START,
        .delimiter     = (char)(options->delimiter != 0 ? options->delimiter : ','),
        .newline_count = options->lines_before,
    };
    wr_lines_init(&records->lines, &(struct wr_lines_options){
                                       .max_line_bytes = options->max_record_bytes,
                                       .lines_before   = options->records_before,
                                       .offset         = options->offset,
                                       .find           = find_end,
                                       .find_state     = records,
                                   });
    records->max_record_bytes = records->lines.max_line_bytes;
}

void wr_csv_records_fini(struct wr_csv_records *records) { wr_lines_fini(&records->lines); }

void wr_csv_records_feed(struct wr_csv_records *records, const char *bytes, size_t length)
{
    wr_lines_feed(&records->lines, bytes, length);
}

void wr_csv_records_end(struct wr_csv_records *records) { wr_lines_end(&records->lines); }

bool wr_csv_records_next(struct wr_csv_records *records, struct wr_csv_record *record)
{
    struct wr_line line;
    if (!wr_lines_next(&records->lines, &line)) {
        return false;
    }
    // The \r of a \r\n; without its \n it is a byte of the last cell.
    const bool has_return = line.is_ended && !line.is_too_long && line.length > 0 &&
                            line.bytes[line.length - 1] == '\r';
    *record = (struct wr_csv_record){
        .bytes       = line.bytes,
        .length      = line.length - (has_return ? 1 : 0),
        .kept_bytes  = line.kept_bytes - (has_return ? 1 : 0),
        .number      = line.number,
        .line        = records->first_line,
        .offset      = line.offset,
        .is_too_long = line.is_too_long,
    };
    return true;
}

// ---- cells ----

#define NO_COLUMN UINT32_MAX

struct wr_csv_reader {
    const weir_type      *type;
    struct wr_csv_columns columns;
    bool                 *is_optional; // of each column
    bool                 *is_bound;    // of each column: the header has it

    uint32_t *bound; // of each cell of the header, its column, or NO_COLUMN
    uint32_t  cell_count;
    uint32_t  cell_capacity;

    struct csv_parser    parser;
    struct wr_text_arena arena;

    // Of the record or header being read.
    char    *record; // NULL: it is the header
    uint32_t cell;   // the next one's number
    bool     is_refused;
    char     reason[WR_TEXT_REASON_MAX];
};

static int is_never(unsigned char byte)
{
    (void)byte;
    return 0;
}

// A parser of one record at a time: it finds no ends of records, and spaces are bytes like others.
static void parser_init(struct csv_parser *parser, unsigned char delimiter)
{
    csv_init(parser, CSV_STRICT | CSV_STRICT_FINI);
    csv_set_delim(parser, delimiter);
    csv_set_space_func(parser, is_never);
    csv_set_term_func(parser, is_never);
}

static bool store_cell(struct wr_csv_reader *reader, const struct wr_csv_column *column,
                       const char *bytes, size_t length, void *to)
{
    if (wr_text_is_integer(column->kind)) {
        uint64_t value;
        bool     is_negative;
        return wr_text_read_integer(bytes, length, &value, &is_negative) &&
               (is_negative ? wr_text_store_i64(column->kind, (int64_t)value, to)
                            : wr_text_store_u64(column->kind, value, to));
    }
    switch ((int)column->kind) {
    case WEIR_KIND_F32:
    case WEIR_KIND_F64: {
        bool   is_whole;
        double value;
        return length > 0 && wr_text_number_length(bytes, length, &is_whole) == length &&
               wr_text_read_f64(bytes, length, &value) &&
               wr_text_store_float(column->kind, value, to);
    }
    case WEIR_KIND_BOOL: {
        const bool is_true = length == 4 && memcmp(bytes, "true", 4) == 0;
        memcpy(to, &is_true, sizeof(is_true));
        return is_true || (length == 5 && memcmp(bytes, "false", 5) == 0);
    }
    case WEIR_KIND_TIME: {
        weir_time time;
        if (!weir_time_parse(bytes, length, &time)) {
            return false;
        }
        memcpy(to, &time, sizeof(time));
        return true;
    }
    case WEIR_KIND_CHARS: return wr_text_store_chars(bytes, length, to, column->size);
    case WEIR_KIND_STR: {
        const weir_str string = wr_text_arena_str(&reader->arena, bytes, length);
        memcpy(to, &string, sizeof(string));
        return true;
    }
    default: return false;
    }
}

static void refuse_cell(struct wr_csv_reader *reader, const struct wr_csv_column *column,
                        const char *bytes, size_t length)
{
    char text[WR_TEXT_REASON_MAX];
    wr_text_reason(reader->reason, column->name,
                   wr_text_expected(column->kind, column->size, bytes, length, text), bytes,
                   length);
    reader->is_refused = true;
}

static void take_value(struct wr_csv_reader *reader, const char *bytes, size_t length)
{
    const uint32_t cell = reader->cell++;
    if (reader->is_refused || cell >= reader->cell_count || reader->bound[cell] == NO_COLUMN) {
        return;
    }
    const uint32_t                    number = reader->bound[cell];
    const struct wr_csv_column *const column = &reader->columns.at[number];
    if (length == 0 && reader->is_optional[number]) {
        return;
    }
    if (!store_cell(reader, column, bytes, length, reader->record + column->offset)) {
        refuse_cell(reader, column, bytes, length);
    }
}

static void take_name(struct wr_csv_reader *reader, const char *bytes, size_t length)
{
    if (reader->cell_count == reader->cell_capacity) {
        reader->cell_capacity = reader->cell_capacity * 2 + 8;
        reader->bound = wr_realloc(reader->bound, reader->cell_capacity * sizeof(*reader->bound));
    }
    uint32_t *const bound = &reader->bound[reader->cell_count++];
    *bound                = NO_COLUMN;
    for (uint32_t i = 0; i < reader->columns.count; i++) {
        const char *const name = reader->columns.at[i].name;
        if (strlen(name) != length || memcmp(name, bytes, length) != 0) {
            continue;
        }
        if (reader->is_bound[i] && !reader->is_refused) {
            wr_text_reason_format(reader->reason, "column %.200s is there twice", name);
            reader->is_refused = true;
        }
        reader->is_bound[i] = true;
        *bound              = i;
    }
}

// Called by libcsv for each cell; an empty one may come as NULL.
static void take_cell(void *bytes, size_t length, void *data)
{
    struct wr_csv_reader *const reader = data;
    const char *const           text   = length > 0 ? bytes : "";
    if (reader->record == NULL) {
        take_name(reader, text, length);
    } else {
        take_value(reader, text, length);
    }
}

static void take_end(int byte, void *data)
{
    (void)byte;
    (void)data;
}

static bool refuse(struct wr_csv_reader *reader, const char *sentence)
{
    wr_text_reason_format(reader->reason, "%s", sentence);
    return false;
}

// Splits a record and hands its cells to take_cell.
static bool split(struct wr_csv_reader *reader, const char *bytes, size_t length)
{
    struct csv_parser *const parser = &reader->parser;
    if (wr_text_utf8_valid(bytes, length) < length) {
        return refuse(reader, "not valid UTF-8");
    }
    if (length == 0) { // libcsv takes that for no record at all
        take_cell(NULL, 0, reader);
        return true;
    }
    if (csv_parse(parser, bytes, length, take_cell, take_end, reader) == length &&
        csv_fini(parser, take_cell, take_end, reader) == 0) {
        return true;
    }
    WR_ASSERT(csv_error(parser) == CSV_EPARSE); // else it had no memory
    // A record refused in its middle leaves the parser there.
    const unsigned char delimiter = csv_get_delim(parser);
    csv_free(parser);
    parser_init(parser, delimiter);
    return refuse(reader,
                  "not valid CSV: a quote out of place, or a quoted cell that is not closed");
}

// ---- the reader ----

static bool is_listed(const struct wr_csv_options *options, const char *name)
{
    for (uint32_t i = 0; options != NULL && i < options->optional_count; i++) {
        if (strcmp(options->optional[i], name) == 0) {
            return true;
        }
    }
    return false;
}

struct wr_csv_reader *wr_csv_reader_open(const weir_type             *type,
                                         const struct wr_csv_options *options)
{
    struct wr_csv_reader *const reader = wr_alloc(sizeof(*reader));
    reader->type                       = type;
    reader->columns                    = wr_csv_columns_of(type);
    reader->is_optional                = wr_alloc(reader->columns.count * sizeof(bool));
    reader->is_bound                   = wr_alloc(reader->columns.count * sizeof(bool));
    for (uint32_t i = 0; i < reader->columns.count; i++) {
        reader->is_optional[i] = is_listed(options, reader->columns.at[i].name);
    }
    const bool has_delimiter = options != NULL && options->delimiter != 0;
    parser_init(&reader->parser, has_delimiter ? (unsigned char)options->delimiter : CSV_COMMA);
    return reader;
}

void wr_csv_reader_close(struct wr_csv_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    csv_free(&reader->parser);
    wr_text_arena_fini(&reader->arena);
    wr_csv_columns_fini(&reader->columns);
    wr_free(reader->is_optional);
    wr_free(reader->is_bound);
    wr_free(reader->bound);
    wr_free(reader);
}

static bool read_header(struct wr_csv_reader *reader, const char *bytes, size_t length)
{
    if (!split(reader, bytes, length) || reader->is_refused) {
        return false;
    }
    for (uint32_t i = 0; i < reader->columns.count; i++) {
        if (!reader->is_bound[i] && !reader->is_optional[i]) {
            wr_text_reason_format(reader->reason, "column %.200s is missing",
                                  reader->columns.at[i].name);
            return false;
        }
    }
    return true;
}

bool wr_csv_read_header(struct wr_csv_reader *reader, const char *bytes, size_t length,
                        const char **reason)
{
    const bool has_mark = length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0;
    reader->cell_count  = 0;
    reader->record      = NULL;
    reader->is_refused  = false;
    for (uint32_t i = 0; i < reader->columns.count; i++) {
        reader->is_bound[i] = false;
    }
    *reason = reader->reason;
    return read_header(reader, bytes + (has_mark ? 3 : 0), length - (has_mark ? 3 : 0));
}

bool wr_csv_read(struct wr_csv_reader *reader, const char *bytes, size_t length, void *record,
                 const char **reason)
{
    reader->record     = record;
    reader->cell       = 0;
    reader->is_refused = false;
    *reason            = reader->reason;
    memset(record, 0, reader->type->size);
    if (!split(reader, bytes, length)) {
        return false;
    }
    if (reader->cell != reader->cell_count) {
        wr_text_reason_format(reader->reason, "expected %u cells, as the header has, found %u",
                              reader->cell_count, reader->cell);
        return false;
    }
    return !reader->is_refused;
}

void wr_csv_reader_reset(struct wr_csv_reader *reader) { wr_text_arena_reset(&reader->arena); }
