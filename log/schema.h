// schema: what a topic's records are, version by version, and how rows of one are read as another.
//
// A schema is a weir_type as it was when rows were written: name, size, alignment, fields by name
// with kind, offset, size and count. Rows lie in the log as the structs they were (batches say
// which version), so a reader whose type is the same takes them as they are, and any other field by
// field, by name:
//
//   stored              read as
//   integer             an integer that holds all its values; f64 if it has up to 32 bits
//   time                time, i64; and i64 as time
//   f32                 f32, f64
//   bool                bool, any integer: 0 or 1
//   char[n]             char[m], m >= n; weir_str, up to the zeros it is padded with
//   weir_str, f64       itself only
//   record              record, field by field
//   fixed array         element by element, same count
//   not read            is passed over
//   not stored          is zero
//
// Anything else is refused, naming the field.
#ifndef WR_LOG_SCHEMA_H
#define WR_LOG_SCHEMA_H

#include "runtime/base/type.h"

#define WR_SCHEMA_NAME_MAX   200u  // bytes of a name
#define WR_SCHEMA_DEPTH_MAX  8u    // records in each other, the outermost included
#define WR_SCHEMA_FIELDS_MAX 1024u // in all, those of nested records included
#define WR_SCHEMA_ALIGN_MAX  4096u
#define WR_SCHEMA_ROW_MAX    (32u << 20) // bytes of a record

// Whether a type may be a topic's: names are C identifiers, no two fields of a record have the
// same, fields lie in order and aligned, and all is within the limits above. Else a sentence in
// *error (wr_alloc'ed).
bool wr_schema_check(const weir_type *type, char **error);

// The type as lines of text for the topic's file (wr_alloc'ed), nested records indented; and back:
// NULL, with a sentence in *error (wr_alloc'ed), if the text is no schema. Of a type there is one
// text only, and no other is taken. wr_schema_text is for types that pass wr_schema_check. A type
// made here, nested ones included, is freed with wr_schema_type_close.
char      *wr_schema_text(const weir_type *type);
weir_type *wr_schema_parse(const char *text, size_t length, char **error);
void       wr_schema_type_close(weir_type *type);

bool wr_schema_is_same(const weir_type *a, const weir_type *b); // names, layouts and all

// How rows of `from` become rows of `to`. NULL: they cannot; *error (wr_alloc'ed) names the field.
struct wr_conversion *wr_conversion_open(const weir_type *from, const weir_type *to, char **error);
void                  wr_conversion_close(struct wr_conversion *conversion);
// True if a row is what it was: nothing to convert.
bool wr_conversion_is_identity(const struct wr_conversion *conversion);
// `count` rows, from and to aligned for their types, not overlapping. Long strings still point
// where they pointed; a char[n] longer than 12 bytes that becomes a weir_str points into `from`.
void wr_conversion_run(const struct wr_conversion *conversion, const void *from, void *to,
                       size_t count);

#endif // WR_LOG_SCHEMA_H
