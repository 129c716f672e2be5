// connector.h: what a connector is to the source that runs it. One folder a system, in connectors/.
//
// A source (operators/source.c) owns event time: watermarks, lateness, idleness, alignment. A
// connector lists partitions and reads records of one partition at a time; nothing in it knows a
// worker. What blocks goes through the environment's requests.
#ifndef WR_CONNECTOR_H
#define WR_CONNECTOR_H

#include "runtime/operator.h"
#include <weir/source.h>

struct wr_partition_list {
    char   **names; // wr_alloc'ed, as is the array
    uint32_t count;
};

enum wr_read {
    WR_READ_ROWS,  // rows were added, or dead letters sent; ask again
    WR_READ_FULL,  // the main or the reject output has no room
    WR_READ_LATER, // nothing now: a request is under way, whose end wakes the worker, or wake_at_us
                   // is set
    WR_READ_QUIET, // nothing now and nothing under way: the outside has nothing to read (may go
                   // idle)
    WR_READ_IDLE,  // the outside says that nothing will come for now: it is idle at once
    WR_READ_END    // nothing more, ever
};

// Where a reader goes on: what it needs to read again from the record that comes after all that it
// has added. Numbers of the connector's own meaning; zeros are the beginning.
struct wr_position {
    uint64_t numbers[4];
};

// What a checkpoint keeps of a partition, by its name, in a cell of the source.
#define WR_PARTITION_CELL "partition"
struct wr_partition_kept {
    struct wr_position position;
    weir_time          latest, watermark; // of the events read; of what was read so far
    uint8_t            is_known;          // a checkpoint has seen it
    uint8_t            is_idle, is_ended;
    uint8_t            zeros[5];
};

// Where a replay stops reading a partition. Whoever adds rows asks by the two calls below, and adds
// nothing from the record on that is at the limit; the source then asks it no more.
struct wr_limit {
    uint64_t  offset;    // of the first record that is not read; UINT64_MAX: any
    weir_time time;      // the first record that happened after it is not read; WEIR_TIME_MAX: any
    uint32_t  time_at;   // of the field in the record
    weir_time max_ahead; // of `latest`: a record further ahead is a dead letter, and no limit; < 0:
                         // none is
    weir_time latest;    // of the records that were added
    bool      is_reached;
};

// A reader of one partition; its first member in the connector's own struct.
struct wr_reader {
    const struct wr_connector *connector;
    struct wr_node            *node;
    const void                *options; // the verb's
    const char                *name;    // of the partition
    uint32_t                   partition;
    int64_t                    wake_at_us;
    // Where it stands, if records of the partition can be read again: the offset of the one that
    // comes after all that were added before this read. UINT64_MAX: unknown.
    uint64_t next_offset;
    // The outside itself says that nothing before it comes any more; looked at after a read that
    // added no row. WEIR_TIME_MIN: it says nothing.
    weir_time        watermark;
    struct wr_limit *limit; // NULL: it is no replay
};

// Whether the record at `offset`, which comes next, is the first that is not read.
static inline bool wr_reader_is_at_limit(struct wr_reader *reader, uint64_t offset)
{
    if (reader->limit == NULL || offset < reader->limit->offset) {
        return false;
    }
    reader->limit->is_reached = true;
    return true;
}
// The same, by what it says; else it is about to be added. In operators/limit.c.
bool               wr_limit_takes(struct wr_limit *limit, const void *record);
static inline bool wr_reader_is_past_limit(struct wr_reader *reader, const void *record)
{
    return reader->limit != NULL && !wr_limit_takes(reader->limit, record);
}

// The source's, in the same place: says where the reader's partition is read to, of a limit of
// which `time_at` and `max_ahead` are set; and whether nothing behind it had been read. False:
// wr_node_fail has said why.
bool wr_limit_open(struct wr_limit *limit, struct wr_reader *reader, bool has_time);
bool wr_limit_is_ahead(const struct wr_reader *reader, const struct wr_partition_kept *kept);
// Whether an event is no time, or so far ahead of the latest before it that it is no event.
bool wr_event_is_too_far(weir_time time, weir_time latest, weir_time max_ahead);

struct wr_connector {
    const char *verb;
    size_t      reader_bytes;
    bool        reads_files; // the partitions' names are paths; "-" is no file
    const weir_type *(*type)(const void *options);
    // Where the common options are inside the verb's.
    const weir_event_time_options *(*time)(const void *options);
    // When the plan is made. False: *error is a wr_alloc'ed sentence and *status says what kind.
    bool (*list)(struct wr_environment *environment, const void *options,
                 struct wr_partition_list *list, weir_status *status, char **error);
    bool (*open)(struct wr_reader *reader); // false: wr_node_fail has said why
    void (*close)(struct wr_reader *reader);
    // Adds rows to the node's main output while it has room, dead letters to its reject output.
    enum wr_read (*read)(struct wr_reader *reader);
    // Where it stands, when all that it added has been consumed: numbers[0] is the offset of the
    // record that comes next. And, after open and before the first read, to go there (false:
    // wr_node_fail has said why). NULL: what it read cannot be read again.
    void (*save)(struct wr_reader *reader, struct wr_position *position);
    bool (*seek)(struct wr_reader *reader, const struct wr_position *position);
    // The line that row `row` of the main output's batch was made of; valid until the next read.
    // NULL: the connector has no lines.
    void (*line)(const struct wr_reader *reader, uint32_t row, weir_line *line);
};

// What a source node's spec->options points at.
struct wr_source_options {
    const struct wr_connector *connector;
    const void                *options;    // the verb's, copied
    const void                *binding;    // of generators
    struct wr_partition_list   partitions; // filled when the plan is made
    void (*free_options)(void *options);
};
void wr_source_options_free(void *source_options);

extern const struct wr_operator wr_source_operator;

// Declares a source in a job; options are copied with their strings by the caller. In
// runtime/graph.
weir_stream wr_job_add_source(weir_job *job, const struct wr_connector *connector, const char *name,
                              void *options, const void *binding, const weir_type *type,
                              void (*free_options)(void *options));
// The source's records carry their changes, as a connector adds them: not inserts only.
void wr_job_source_sends_changes(weir_stream source);
// Declares a sink: `options` as above; parallelism 0: one a worker.
weir_stream wr_job_add_sink(weir_stream in, const struct wr_operator *ops, const char *name,
                            void *options, const void *binding, uint32_t parallelism,
                            void (*free_options)(void *options));
// Keeps a mistake of a connector's options; sticky.
weir_stream wr_job_refuse(weir_job *job, const char *sentence, ...) WEIR_PRINTF(2, 3);
// The type a stream carries, NULL after a mistake; and whether it carries changes.
const weir_type *wr_stream_type(weir_stream stream);
bool             wr_stream_sends_changes(weir_stream stream);

// Sends a dead letter from a source's reader; false if the reject output has no room (send it again
// later). If nobody listens it is only counted.
bool wr_reader_reject(struct wr_reader *reader, uint64_t line, const char *reason,
                      const char *bytes, size_t kept_bytes, uint64_t total_bytes);

#endif // WR_CONNECTOR_H
