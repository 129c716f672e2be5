// lines: cuts a stream of bytes into lines, in bounded memory.
//
//   feed:  ...7}\n{"a":8}\n{"a":   |   9}\n{"a":10}\n      what reads of any size returned
//   next:  line 1, line 2          |   line 3, line 4       true a line; false: feed more
//
// A line ends at \n, which is no part of it; a \r before it is. What lies between the last \n and
// the end of the input is a line too, if it has a byte. A line inside one fed buffer points into
// it; one split over several is joined in a buffer of the struct's own (the carry). A line of more
// than max_line_bytes is consumed and not kept: it comes as one line that is_too_long, with its
// full length and its first WR_LINES_KEPT_BYTES.
//
//   wr_lines_init(&lines, &(struct wr_lines_options){ 0 });
//   while ((got = read(file, buffer, size)) > 0) {
//       wr_lines_feed(&lines, buffer, (size_t)got);
//       while (wr_lines_next(&lines, &line)) ...
//   }
//   wr_lines_end(&lines);
//   while (wr_lines_next(&lines, &line)) ...
//   wr_lines_fini(&lines);
//
// Who owns what, and how long:
//
//   * A fed buffer is the caller's, and is read only, by wr_lines_next only, until that returns
//   false
//     for it; its unfinished end has been copied by then. Behind its bytes lie WR_LINES_PADDING
//     more that may be read: their values do not matter.
//   * A line that lies in a fed buffer is valid as long as the caller leaves that buffer alone. A
//   joined
//     one is valid until the next wr_lines_feed or wr_lines_end: the carry is two buffers in turn,
//     so that keeping the end of a fed buffer does not touch the line joined at its start.
//   * So a reader with two buffers may fill B, on any thread, while A is cut and its lines are
//   used;
//     before it feeds B it must be done with A's lines, or have copied the first one.
//   * Every line has WR_LINES_PADDING readable bytes behind it, as a parser with wide loads needs.
//
// Thread rule: owned by one thread.
#ifndef WR_LINES_H
#define WR_LINES_H

#include <weir/api.h>

#define WR_LINES_PADDING    64
#define WR_LINES_MAX_BYTES  1048576
#define WR_LINES_KEPT_BYTES 4096

struct wr_line {
    const char *bytes;
    size_t      length;     // of the whole line without its \n, also of a too long one
    size_t      kept_bytes; // that lie at `bytes`: length, or WR_LINES_KEPT_BYTES of a too long one
    uint64_t    number;     // from 1
    uint64_t    offset;     // of its first byte in the stream
    bool        is_too_long;
    bool        is_ended; // by a \n; false only for a remainder at the end of the input
};

// Where a line ends other than at the next \n: gets every byte of the stream once, in order, in
// pieces, and returns the index of the \n that ends the line, or `length` if none in this piece
// does.
typedef size_t wr_lines_find(void *state, const char *bytes, size_t length);

struct wr_lines_options {
    size_t         max_line_bytes; // default WR_LINES_MAX_BYTES; at least WR_LINES_KEPT_BYTES
    uint64_t       lines_before;   // the first line's number - 1, of a stream read from its middle
    uint64_t       offset;         // of the first byte fed
    wr_lines_find *find;           // default: the next \n
    void          *find_state;
};

struct wr_lines_carry {
    char  *bytes;
    size_t capacity; // padding included
};

// Invariant: the line under way has line_bytes so far; of these, carried_bytes lie in the current
// carry: all of them, or the first WR_LINES_KEPT_BYTES once they are more than max_line_bytes.
struct wr_lines {
    const char *fed; // the bytes not looked at yet
    size_t      fed_bytes;

    struct wr_lines_carry carries[2];
    uint32_t              current; // the carry of the line under way
    bool                  is_ended;
    size_t                carried_bytes;
    size_t                line_bytes;

    uint64_t lines_before; // lines handed out, plus those of the options
    uint64_t offset;       // where the line under way starts: everything before was handed out

    size_t         max_line_bytes;
    wr_lines_find *find;
    void          *find_state;
};

WEIR_BEGIN

void wr_lines_init(struct wr_lines *lines, const struct wr_lines_options *options);
void wr_lines_fini(struct wr_lines *lines);

// Hands over the next bytes of the stream, when wr_lines_next has returned false for those before.
void wr_lines_feed(struct wr_lines *lines, const char *bytes, size_t length);

// Says that the input is over: what is left is a line. Not called where a stream may still grow.
void wr_lines_end(struct wr_lines *lines);

// The next line; false when more bytes are needed, or, after wr_lines_end, when there is none.
bool wr_lines_next(struct wr_lines *lines, struct wr_line *line);

WEIR_END

#endif // WR_LINES_H
