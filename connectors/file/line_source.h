// line_source: records out of the lines of a file, whatever a line looks like.
//
//   file_source --- bytes ---> format: next() cuts pieces, parse() makes a record of one
//
// A position (struct wr_position) is where the line after the last one taken begins, and what shows
// that it is that file: it begins as it began, and the line that was taken last still stands where
// it stood.
//
//   numbers[0]   the offset
//   numbers[1]   how many newlines are before it: the number of its line, less one
//   numbers[2]   the offset of the line taken last; the top bit: all was read
//   numbers[3]   the upper 48 bits of a hash of the file's first WR_LINE_HEAD_BYTES before the
//                offset and that line's first bytes, and how many of the latter these are
//
// All zeros: nothing was taken yet. Not the inode: a copy of the file, or one that came back from a
// backup, is as good; and a number given out anew would let another file pass.
//
// The connectors of the line formats are made of this: each embeds struct wr_line_source in its
// reader and names the format.
#ifndef WR_LINE_SOURCE_H
#define WR_LINE_SOURCE_H

#include "connectors/file/file_source.h"
#include "connectors/lines/lines.h"
#include "runtime/connector.h"

struct wr_line_source;

#define WR_LINE_HEAD_BYTES 256u

// A format's state is in the connector's own reader, behind the line source.
struct wr_line_format {
    bool (*open)(struct wr_line_source *source); // false: wr_node_fail has said why
    void (*close)(struct wr_line_source *source);
    void (*feed)(struct wr_line_source *source, const char *bytes, size_t length);
    void (*end)(struct wr_line_source *source);
    void (*restart)(struct wr_line_source *source); // the file begins anew
    // The next piece that is to become a record; false: more bytes are needed.
    bool (*next)(struct wr_line_source *source, struct wr_line *line);
    // Where the piece begins that next() gives out next, and how many newlines are before it.
    void (*where)(const struct wr_line_source *source, uint64_t *offset, uint64_t *newlines);
    // Before the first feed: what is fed begins there. False: wr_node_fail has said why.
    bool (*seek)(struct wr_line_source *source, uint64_t offset, uint64_t newlines);
    // Makes a record of it; false: *reason says why not. Strings live until reset.
    bool (*parse)(struct wr_line_source *source, const struct wr_line *line, void *record,
                  const char **reason);
    void (*reset)(struct wr_line_source *source);
};

// The options that all line formats have.
struct wr_line_options {
    char                   *path;
    const weir_type        *type;
    weir_check              check;
    void                   *opaque;
    bool                    follows;
    uint32_t                max_line_bytes; // 0: the default
    double                  rate;
    char                    delimiter; // CSV
    weir_event_time_options time;
};

struct wr_line_source {
    struct wr_reader             reader;
    const struct wr_line_format *format;
    struct wr_file_source        file;
    struct wr_line              *rows; // the lines of the batch's rows
    struct wr_line               line; // at hand
    bool                         has_line;
    bool                         is_ended;   // the format knows
    bool                         restarts;   // to be noted, then the format restarts
    bool                         is_done;    // all has been taken
    int64_t                      started_us; // INT64_MIN: not yet
    uint64_t                     line_count; // handed on, for the rate

    // For positions.
    struct wr_position sought; // where it began to read
    struct wr_line     taken;  // the last line that was; its bytes are there until is_noted
    bool               has_taken;
    bool               is_noted;
    uint64_t           taken_hash, taken_count; // of its first bytes
    uint32_t           head_bytes;
    char               head[WR_LINE_HEAD_BYTES]; // of the file
};

// The functions of struct wr_connector, but for verb, reader_bytes and open.
const weir_event_time_options *wr_line_source_time(const void *options);
bool         wr_line_source_list(struct wr_environment *environment, const void *options,
                                 struct wr_partition_list *list, weir_status *status, char **error);
bool         wr_line_source_open(struct wr_reader *reader, const struct wr_line_format *format);
void         wr_line_source_close(struct wr_reader *reader);
enum wr_read wr_line_source_read(struct wr_reader *reader);
void         wr_line_source_save(struct wr_reader *reader, struct wr_position *position);
bool         wr_line_source_seek(struct wr_reader *reader, const struct wr_position *position);
void         wr_line_source_line(const struct wr_reader *reader, uint32_t row, weir_line *line);

// Declares the source; `options` are the caller's, copied here. `name` NULL: "read-" and the
// type's.
weir_stream wr_line_source_add(weir_job *job, const struct wr_connector *connector,
                               const char *name, const struct wr_line_options *options);

#endif // WR_LINE_SOURCE_H
