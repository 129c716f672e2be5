// table_types: what lies in a table, as a text in a checkpoint: every field of its keys and values
// with its place, nested records and arrays of them taken apart.
//
//   key payment_key
//   card_id u64 0 8
//   part state failures 0
//   count i64 0 8
//   tags i32 8 12
#ifndef WR_TABLE_TYPES_H
#define WR_TABLE_TYPES_H

#include "runtime/operator.h"

char *wr_table_types(const struct wr_table_shape *shape); // wr_alloc'ed
// NULL if what was stored as `stored` can be taken up as it is by `own`; else a sentence
// (wr_alloc'ed) that names the field.
char *wr_table_types_compare(const char *stored, const char *own);

#endif // WR_TABLE_TYPES_H
