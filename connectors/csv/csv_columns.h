// csv_columns: a record type as the columns of a table. A nested record's field is `price.cents`,
// an array's elements are `xs[0]`, `xs[1]`, ...; any other field is its own name.
#ifndef WR_CSV_COLUMNS_H
#define WR_CSV_COLUMNS_H

#include <weir/record.h>

struct wr_csv_column {
    char     *name;
    weir_kind kind; // never WEIR_KIND_RECORD
    uint32_t  offset;
    uint32_t  size; // bytes of one element
};

struct wr_csv_columns {
    struct wr_csv_column *at;
    uint32_t              count;
    uint32_t              capacity;
};

// In the type's order; wr_csv_columns_fini frees them.
struct wr_csv_columns wr_csv_columns_of(const weir_type *type);
void                  wr_csv_columns_fini(struct wr_csv_columns *columns);

#endif // WR_CSV_COLUMNS_H
