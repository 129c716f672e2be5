// csv_reader: a stream of bytes into the records of a table (RFC 4180), and one of these, as text,
// into one record of a type.
//
//   at,card_id,note                      the header: names the columns, in any order
//   2026-03-01T10:02:00Z,9,"a ""b"","    a quoted cell may hold delimiters, quotes as two, and
//   2026-03-01T10:02:01Z,10,"line 1      newlines: records are not lines
//   line 2"
//
// A record ends at \n or \r\n outside of quotes, or at the end of the input; quotes count only
// where a cell starts with one. One of more than max_record_bytes is consumed and not kept; it ends
// at the first \n after that many bytes, quoted or not, so that a quote nobody closed cannot
// swallow the rest.
//
// Cells, by kind: integers are [-]digits in range; floats are numbers by JSON's grammar that are
// finite in the kind; bool is true or false; time is RFC 3339; strings are valid UTF-8. An empty
// cell is an empty string and nothing else. Spaces belong to the cell. Every record has as many
// cells as the header.
//
// Thread rule: each struct is owned by one thread.
#ifndef WR_CSV_READER_H
#define WR_CSV_READER_H

#include "connectors/lines/lines.h"
#include <weir/record.h>

// ---- records out of bytes ----

struct wr_csv_record {
    const char *bytes;      // the raw record without its \n or \r\n
    size_t      length;     // of the whole record, also of a too long one
    size_t      kept_bytes; // that lie at `bytes`: length, or WR_LINES_KEPT_BYTES of a too long one
    uint64_t    number;     // from 1, the header included
    uint64_t    line;       // the number of its first line, from 1
    uint64_t    offset;     // of its first byte in the stream
    bool        is_too_long;
};

struct wr_csv_records_options {
    char     delimiter;        // default ','
    size_t   max_record_bytes; // default WR_LINES_MAX_BYTES; at least WR_LINES_KEPT_BYTES
    uint64_t records_before;   // of a stream read from its middle
    uint64_t lines_before;
    uint64_t offset;
};

// Where in a record the next byte stands.
enum wr_csv_place {
    WR_CSV_CELL_START,
    WR_CSV_PLAIN,
    WR_CSV_QUOTED,
    WR_CSV_QUOTE_IN_QUOTED // it closes the cell, or is the first of two
};

// Not to be moved once initialised.
struct wr_csv_records {
    struct wr_lines   lines;
    enum wr_csv_place place;
    char              delimiter;
    size_t            max_record_bytes;
    size_t            record_bytes;  // of the record under way
    uint64_t          first_line;    // of the record under way
    uint64_t          newline_count; // before the next byte, counting from the start of the stream
};

// As wr_lines_init and so on, buffers and ownership included: see lines.h.
void wr_csv_records_init(struct wr_csv_records               *records,
                         const struct wr_csv_records_options *options);
void wr_csv_records_fini(struct wr_csv_records *records);
void wr_csv_records_feed(struct wr_csv_records *records, const char *bytes, size_t length);
void wr_csv_records_end(struct wr_csv_records *records);
bool wr_csv_records_next(struct wr_csv_records *records, struct wr_csv_record *record);

// ---- a record out of its bytes ----

struct wr_csv_options {
    char delimiter; // default ','
    // Columns that may be missing, and whose cells may be empty; they are zero then.
    const char *const *optional;
    uint32_t           optional_count;
};

struct wr_csv_reader;

// A reader of records of `type`; options may be NULL. Columns are named as csv_columns.h says. The
// type must outlive it.
struct wr_csv_reader *wr_csv_reader_open(const weir_type             *type,
                                         const struct wr_csv_options *options);
void                  wr_csv_reader_close(struct wr_csv_reader *reader);

// Takes the header (a UTF-8 mark before it is skipped): the columns of the records after it, until
// the next header. False, with a reason, if a column of the type is missing or there twice, or if
// it is no CSV; columns that the type does not have are ignored.
bool wr_csv_read_header(struct wr_csv_reader *reader, const char *bytes, size_t length,
                        const char **reason);

// Reads one raw record into `record` (type->size bytes; what is no column becomes zero). If it does
// not fit the header and the type: false, *reason says why in one sentence that lives until the
// reader's next call, and the record holds nothing of use. Long strings live until
// wr_csv_reader_reset.
bool wr_csv_read(struct wr_csv_reader *reader, const char *bytes, size_t length, void *record,
                 const char **reason);

void wr_csv_reader_reset(struct wr_csv_reader *reader);

#endif // WR_CSV_READER_H
