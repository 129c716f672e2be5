// weir/source.h: where records come from, and what their event time is.
//
// A source is a set of partitions, read in order each; a file is a partition. Options are copied;
// zero means the default written beside each field.
#ifndef WEIR_SOURCE_H
#define WEIR_SOURCE_H

#include <weir/job.h>

// Event time and watermarks, judged per partition, once, where the record is read:
//   watermark = latest event time read so far - out_of_order
//   late      = event time < watermark - lateness   (only if judges_lateness)
typedef struct weir_event_time_options {
    const char *field;        // a weir_time field of the record; NULL: the stream has no event time
    weir_time   out_of_order; // 0: records are in order
    bool        judges_lateness; // send late records to weir_late(source); default: pass them on
    weir_time   lateness;
    weir_time   idle_after; // of no input, until the partition holds nobody back; 0: never idle
    weir_time max_ahead; // further ahead of the partition's latest is a dead letter; 0: a day; < 0:
                         // no limit
    weir_time align_within; // a partition further ahead of the slowest waits; 0: a minute; < 0:
                            // never waits
    // A watermark of the user's own, instead of latest - out_of_order: called after each record
    // with the partition's latest event time and the record; a lower one than before is ignored.
    weir_time (*watermark)(const void *record, weir_time latest, void *opaque);
    void *opaque;
} weir_event_time_options;

typedef struct weir_generator_options {
    const char *name;       // NULL: the binding's
    uint64_t    events;     // 0: no end
    uint32_t    partitions; // 0: 1; partition p makes numbers p, p + partitions, ...
    double    rate; // events a second of all partitions, by a fixed schedule; 0: as fast as it goes
    weir_time start; // intended time of number 0 when paced; 0: when the run starts (wall clock)
    weir_event_time_options time;
} weir_generator_options;

// Refuses a record that was read: false, with a reason (static or `text`, 200 bytes). May change
// it.
typedef bool (*weir_check)(void *record, const char **reason, char *text, void *opaque);

typedef struct weir_jsonl_source_options {
    const char             *name;  // NULL: "read-" and the type's name
    const char             *path;  // a file, a glob, a directory (its files), or - for stdin
    const weir_type        *type;  // of the records; kept
    weir_check              check; // NULL: every record that parses is good
    void                   *opaque;
    bool                    follow;         // at the end of a file wait for more (never for stdin)
    uint32_t                max_line_bytes; // 0: 1,048,576
    double                  rate; // lines a second, of all partitions; 0: as fast as it goes
    weir_event_time_options time;
} weir_jsonl_source_options;

typedef struct weir_csv_source_options {
    const char             *name;
    const char             *path;
    const weir_type        *type;
    weir_check              check;
    void                   *opaque;
    bool                    follow;
    uint32_t                max_line_bytes;
    double                  rate;
    char                    delimiter; // 0: comma
    weir_event_time_options time;
} weir_csv_source_options;

typedef struct weir_file_sink_options {
    const char *name; // NULL: "write-" and the file's name
    // Created or emptied, so no file that the job reads; - for stdout. In a run with checkpoints a
    // directory, created if missing, of parts: each is there when the checkpoint that counts it is
    // durable, and never without it. A pipe, a device or stdout shows at once what is written.
    const char *path;
    char        delimiter; // CSV: 0: comma
    // Names of int64 fields, "cents,price.cents", in which INT64_MIN means that there is no value:
    // null in JSON, empty in CSV. NULL: none.
    const char *nullable;
} weir_file_sink_options;

// Records kept in memory, for tests: in order of arrival at the sink, with their change and time.
typedef struct weir_collection weir_collection;

WEIR_BEGIN

WEIR_API weir_stream weir_generate(weir_job *job, const weir_generator_binding *generator,
                                   const weir_generator_options *options);
// Late lines: weir_late (weir_line). What is no record: weir_dead_letters.
WEIR_API weir_stream weir_from_jsonl(weir_job *job, const weir_jsonl_source_options *options);
WEIR_API weir_stream weir_from_csv(weir_job *job, const weir_csv_source_options *options);

// One JSON object a line, in the order of the type's fields; times as RFC 3339, WEIR_TIME_MIN as
// null; a deleted row carries "retracted":true; what an update replaces is not written.
WEIR_API weir_stream weir_to_jsonl(weir_stream in, const weir_file_sink_options *options);
WEIR_API weir_stream weir_to_csv(weir_stream in, const weir_file_sink_options *options);
// The bytes of the record's field named `text` (a weir_str), and a newline.
WEIR_API weir_stream weir_to_text(weir_stream in, const weir_file_sink_options *options);

WEIR_API weir_collection *weir_collection_open(void);
WEIR_API void             weir_collection_close(weir_collection *collection);
WEIR_API weir_stream      weir_collect(weir_stream in, weir_collection *into); // kept
// After the run: how many, and the i-th record with its change and event time (either may be NULL).
WEIR_API size_t      weir_collection_count(const weir_collection *collection);
WEIR_API const void *weir_collection_at(const weir_collection *collection, size_t index,
                                        weir_change *change, weir_time *time);

WEIR_END

#endif // WEIR_SOURCE_H
