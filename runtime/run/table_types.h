// table_types: what lies in a table, as a text in a checkpoint: every field of its keys and values
// with its place, nested records and arrays of them taken apart.
//
//   key payment_key
//   card_id u64 0 8
//   part state failures 0
//   count i64 0 8
//   price.cents i64 8 8
//   tags i32 16 12
//   +key - indexed 8
//   +index u64 0 8
//   +key owner payment_key 8
//   +card_id u64 0 8
//   +own - tally 32
//   +count u64 32 8
//
//   key TYPE                  the key's record; its fields follow
//   part NAME TYPE OFFSET     a record in the value; its fields follow
//   +key NAME TYPE BYTES      of a key of several records one behind the other, with the bytes of
//                             each as a record; their fields follow
//   +own NAME TYPE OFFSET     what the operator itself keeps in the value
//   PATH KIND OFFSET BYTES    a field: offsets are from the record's begin in keys, and from the
//                             value's begin in values; an array has the bytes of all elements
//
// A line that begins with + tells what else there is: the operator may change it, a text may lack
// it, and it is not compared. The name - says that the fields stand for themselves. PATH may have
// spaces in it (types made at run time), what follows has none; a line whose second last word is a
// number is a field's.
#ifndef WR_TABLE_TYPES_H
#define WR_TABLE_TYPES_H

#include "runtime/checkpoint/index.h"
#include "runtime/operator.h"

char *wr_table_types(const struct wr_table_shape *shape); // wr_alloc'ed
// NULL if what was stored as `stored` can be taken up as it is by `own`; else a sentence
// (wr_alloc'ed) that names the field.
char *wr_table_types_compare(const char *stored, const char *own);

// WR_TYPES_NONE: it is not understood.
enum wr_types_word { WR_TYPES_KEY, WR_TYPES_PART, WR_TYPES_FIELD, WR_TYPES_NONE };

struct wr_types_line {
    enum wr_types_word word;
    bool               is_own;      // begins with +; so do those of its fields
    const char        *name;        // of a field its path; of `key` its type
    size_t             name_length; // 0: "-"
    uint32_t           at;          // of a field or part
    uint32_t           bytes;       // of a field; of an own key's record
    weir_kind          kind;        // of a field, which has whole elements
};

// Whether a field of a value lies in the table's values, and its strings, if any, are where these
// have strings: elsewhere what looks like one may point anywhere.
bool wr_types_line_fits(const struct wr_types_line *line, const struct wr_index_table *table);

// Takes the next line off *text; false: there is none.
bool wr_types_next(const char **text, struct wr_types_line *line);

#endif // WR_TABLE_TYPES_H
