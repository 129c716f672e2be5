// json_scan: two walks over the bytes of a JSON line, for what the parser's tree cannot say.
// Neither recurses. Both are off the usual path: they run for lines with odd numbers and for
// refused ones.
#ifndef WR_JSON_SCAN_H
#define WR_JSON_SCAN_H

#include <weir/api.h>

WEIR_BEGIN

// Bytes that wr_json_tame_numbers may write for a line of `length`.
size_t wr_json_tamed_bound(size_t length);

// The parser refuses whole numbers beyond 64 bits and floats beyond a double, which JSON allows.
// Copies `line`, whose strings must be closed, with each such number written as the double it is
// nearest to, or as null where that is infinite (so that it is refused as any number, and ignored
// where nothing reads it). False if a number breaks JSON's grammar; nothing else is checked.
bool wr_json_tame_numbers(const char *line, size_t length, char *to, size_t *to_length);

struct wr_json_span {
    const char *bytes;
    size_t      length;
};

// The text of a value inside a valid line: steps[0] is the number (from 0) of a member or element
// of the outermost object or array, steps[1] of one inside that, and so on. The whole value without
// steps.
struct wr_json_span wr_json_value_at(const char *line, size_t length, const uint32_t *steps,
                                     uint32_t step_count);

WEIR_END

#endif // WR_JSON_SCAN_H
