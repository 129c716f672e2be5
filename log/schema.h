// schema: what a topic's records are, version by version, and how rows of one are read as another.
//
// A schema is a weir_type as it was when rows were written: name, size, alignment, fields by name
// with kind, offset, size and count. Rows lie in the log as the structs they were (batches say
// which version), so a reader whose type is the same takes them as they are, and any other
// field by field, by name (runtime/base/conversion.h).
#ifndef WR_LOG_SCHEMA_H
#define WR_LOG_SCHEMA_H

#include "runtime/base/conversion.h"

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

// How rows of `from` become rows of `to`, once both have passed wr_schema_check; as
// wr_conversion_open.
struct wr_conversion *wr_schema_conversion(const weir_type *from, const weir_type *to,
                                           char **error);

#endif // WR_LOG_SCHEMA_H
