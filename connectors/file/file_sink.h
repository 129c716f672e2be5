// file_sink: records as lines of a file; one task, in the order they arrive.
//
//   rows ---> buffer that is being filled ---> sent when full, or when there is nothing else to do
//             buffer that is being written
//
// In a run with checkpoints the path is a directory of parts (file_parts.h), unless it is a pipe, a
// device or standard output, which show at once what is written to them.
//
// What an update replaces is not written. A deleted row is, if the format has a way to say so.
#ifndef WR_FILE_SINK_H
#define WR_FILE_SINK_H

#include "connectors/file/file.h"
#include "runtime/connector.h"

struct wr_sink_format_options {
    char         delimiter;
    bool         has_retracted; // the stream carries changes
    const char **nullable;      // names of fields in which INT64_MIN means that there is no value
    uint32_t     nullable_count;
};

// How a record becomes a line; `plan` is the format's own, made once a node.
struct wr_sink_format {
    const char *extension; // of parts
    void *(*open)(const weir_type *type, const struct wr_sink_format_options *options);
    void (*close)(void *plan);
    const char *(*header)(const void *plan, size_t *length); // NULL: none
    // Bytes that write may touch, at most; and the line, with its newline, whose length it returns.
    size_t (*bound)(const void *plan, const void *record);
    size_t (*write)(const void *plan, const void *record, bool is_retracted, char *to);
};

// Declares the sink; `options` may be NULL, which is a mistake. False in `takes_changes`: a stream
// with updates and deletes is refused.
weir_stream wr_file_sink_add(weir_stream in, const char *verb,
                             const weir_file_sink_options *options,
                             const struct wr_sink_format *format, bool takes_changes);

#endif // WR_FILE_SINK_H
