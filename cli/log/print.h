// print: records as bytes on a file: values, JSON, CSV, or by a template.
//
// Thread rule: owned by one thread.
#ifndef WR_CLI_PRINT_H
#define WR_CLI_PRINT_H

#include "cli/log/template.h"
#include <weir/log.h>

enum wr_print_mode {
    WR_PRINT_RAW,      // value and delimiter, of a text topic; with a key delimiter the key first
    WR_PRINT_JSONL,    // the record, an object a line
    WR_PRINT_CSV,      // a header, then a record a line
    WR_PRINT_ENVELOPE, // an object a line: topic, partition, offset, time, and the record
    WR_PRINT_TEMPLATE
};

struct wr_print_options {
    enum wr_print_mode mode;
    const char *template;      // of WR_PRINT_TEMPLATE
    const char *key_delimiter; // as it was written, with escapes; NULL: no key
    const char *delimiter;     // NULL: \n
    bool        shows_null;    // a deletion is the value NULL
};

struct wr_print {
    int                file;
    weir_topic         topic;
    const weir_type   *type;
    bool               is_text;
    enum wr_print_mode mode;
    bool               shows_null;
    uint32_t           time_at; // of the time field; UINT32_MAX: none
    struct wr_template template;
    char  *key_delimiter, *delimiter;
    size_t key_delimiter_bytes, delimiter_bytes;
    bool   has_key_delimiter;

    struct wr_json_plan *json, *key_json, *envelope;
    struct wr_csv_plan  *csv;
    const weir_field    *key_field; // if the key is one field
    char                *scratch;   // one record as text
    size_t               scratch_capacity;

    char    *buffer;
    size_t   filled, capacity;
    uint64_t bytes;    // written
    int      io_error; // 0, or the errno of a failed write; EPIPE: nobody reads any more
};

// Prints rows of `type` of the topic to `file`. False: *error (wr_alloc'ed) says why not; nothing
// is to be freed then.
bool wr_print_init(struct wr_print *print, int file, const weir_topic *topic, const weir_type *type,
                   const struct wr_print_options *options, char **error);
void wr_print_fini(struct wr_print *print);
// Row number `i`.
void wr_print_row(struct wr_print *print, const weir_log_rows *rows, uint32_t i);
// Writes what is gathered. False: io_error.
bool wr_print_flush(struct wr_print *print);

// The time and the offset of a row.
weir_time wr_print_time(const struct wr_print *print, const weir_log_rows *rows, uint32_t i);
static inline uint64_t wr_rows_offset(const weir_log_rows *rows, uint32_t i)
{
    return rows->offset + (rows->deltas != NULL ? rows->deltas[i] : i);
}

#endif // WR_CLI_PRINT_H
