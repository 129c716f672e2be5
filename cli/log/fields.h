// fields: a record's type written by hand, a line (or a part between commas) a field.
//
//   record payment            its name; may be left out
//   at time                   bool i8 ... i64 u8 ... u64 f32 f64 time str
//   card_id u64
//   tags i32 3                an array of 3
//   code chars 4              text of at most 4 bytes
//   price record money        a record, whose fields are indented below it
//     units i64
//     currency u32
//   # a comment
//
// Fields are laid out as the C compiler does it for a struct of them. What `weir log info
// --schema-only` prints (log/schema.h) is read too.
#ifndef WR_CLI_FIELDS_H
#define WR_CLI_FIELDS_H

#include <weir/record.h>

// The type, to be freed with wr_schema_type_close; `name` is its name if the text has none. NULL:
// *error (wr_alloc'ed) says which line is wrong, and why.
weir_type *wr_fields_parse(const char *text, const char *name, char **error);

#endif // WR_CLI_FIELDS_H
