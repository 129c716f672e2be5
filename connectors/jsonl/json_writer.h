// json_writer: one record as one line of JSON.
//
//   {"card_id":"k-9","at":"2026-03-01T10:02:00.123Z","price":{"cents":1250},"rate":null}\n
//
// The fields come in the type's order. Times are RFC 3339 in UTC; WEIR_TIME_MIN is null. Floats are
// the shortest text that reads back the same; what is not finite is null. Of strings, a byte that
// is no UTF-8 becomes U+FFFD; char[n] ends at its first zero.
//
// A plan is made once a type and is then only read: any number of threads may write by it.
#ifndef WR_JSON_WRITER_H
#define WR_JSON_WRITER_H

#include <weir/record.h>

struct wr_json_plan_options {
    // int64 fields in which INT64_MIN is written as null; one of a nested record as "price.cents".
    const char *const *nullable;
    uint32_t           nullable_count;
};

struct wr_json_plan;

WEIR_BEGIN

// Options may be NULL. The type is not needed any more once the plan is made.
struct wr_json_plan *wr_json_plan_open(const weir_type                   *type,
                                       const struct wr_json_plan_options *options);
void                 wr_json_plan_close(struct wr_json_plan *plan);

// Bytes that wr_json_write may touch at `to` for this record, at most. The same for every record of
// a type without strings.
size_t wr_json_bound(const struct wr_json_plan *plan, const void *record);

// Writes the line, its \n included, and returns its length. A retracted one ends with
// "retracted":true.
size_t wr_json_write(const struct wr_json_plan *plan, const void *record, bool is_retracted,
                     char *to);

WEIR_END

#endif // WR_JSON_WRITER_H
