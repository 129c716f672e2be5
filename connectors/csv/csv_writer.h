// csv_writer: one record as one record of a table (RFC 4180, but lines end in \n alone).
//
// The columns are those of csv_columns.h, in the type's order. A cell is quoted where it holds the
// delimiter, a quote, \r or \n. Times are RFC 3339 in UTC; WEIR_TIME_MIN is an empty cell, and so
// is a float that is not finite. Of strings, a byte that is no UTF-8 becomes U+FFFD; char[n] ends
// at its first zero.
//
// A plan is made once a type and is then only read: any number of threads may write by it.
#ifndef WR_CSV_WRITER_H
#define WR_CSV_WRITER_H

#include <weir/record.h>

struct wr_csv_plan_options {
    char delimiter; // default ','
    // int64 columns in which INT64_MIN is written as an empty cell.
    const char *const *nullable;
    uint32_t           nullable_count;
    bool               has_retracted; // a last column, "retracted": true or false
};

struct wr_csv_plan;

// Options may be NULL. The type is not needed any more once the plan is made.
struct wr_csv_plan *wr_csv_plan_open(const weir_type                  *type,
                                     const struct wr_csv_plan_options *options);
void                wr_csv_plan_close(struct wr_csv_plan *plan);

// The header with its \n; it lives as long as the plan.
const char *wr_csv_header(const struct wr_csv_plan *plan, size_t *length);

// Bytes that wr_csv_write may touch at `to` for this record, at most.
size_t wr_csv_bound(const struct wr_csv_plan *plan, const void *record);

// Writes the record, its \n included, and returns its length.
size_t wr_csv_write(const struct wr_csv_plan *plan, const void *record, bool is_retracted,
                    char *to);

#endif // WR_CSV_WRITER_H
