// json_reader: one JSON object, as text, into one record, by the names of the type's fields.
//
//   {"at":"2026-03-01T10:02:00Z","card_id":9,"price":{"cents":1250},"note":[1e400]}
//    time                         integer     nested record           ignored: no such field
//
// The line is one object of RFC 8259 in UTF-8, with nothing but space, tab and \r around it; that
// holds for the fields that are ignored too, which may be numbers of any size and nested as deep as
// the line is long. Every field of the type has to be there, of the right type:
//
//   integers   a number written as a whole one, in the kind's range (-0 is 0; 1.0 and 1e3 are none)
//   floats     any number that is finite in the kind
//   bool       true or false
//   time       a string, RFC 3339
//   str        a string; its bytes live until wr_json_reader_reset
//   char[n]    a string of at most n bytes and none of them zero
//   arrays     an array of as many elements
//   records    an object
//
// null is none of them. Of a key that comes twice the last counts. Names are compared after
// escapes.
//
// Thread rule: a reader is owned by one thread.
#ifndef WR_JSON_READER_H
#define WR_JSON_READER_H

#include <weir/record.h>

#define WR_JSON_PADDING 64 // readable bytes behind a line; lines.h promises as many

struct wr_json_options {
    // Fields that may be missing and then are zero; one of a nested record as "price.cents".
    const char *const *optional;
    uint32_t           optional_count;
};

struct wr_json_reader;

WEIR_BEGIN

// A reader of records of `type`, which must outlive it; options may be NULL. NULL if memory ran
// out. Names in the options that are no field change nothing: wr_json_has_field tells.
struct wr_json_reader *wr_json_reader_open(const weir_type              *type,
                                           const struct wr_json_options *options);
void                   wr_json_reader_close(struct wr_json_reader *reader);

// Reads a line into `record` (type->size bytes; what is no field of the type becomes zero). Behind
// the line lie WR_JSON_PADDING bytes that may be read. If it is not such an object: false, *reason
// says why in one sentence that lives until the reader's next call, and the record holds nothing of
// use.
bool wr_json_read(struct wr_json_reader *reader, const char *line, size_t length, void *record,
                  const char **reason);

// Ends the life of the strings of all records read so far.
void wr_json_reader_reset(struct wr_json_reader *reader);

// Whether the type has a field of that name; "price.cents" for one of a nested record.
bool wr_json_has_field(const weir_type *type, const char *name);

WEIR_END

#endif // WR_JSON_READER_H
