// weir/job.h: the job graph: streams, and the verbs that make one of another.
//
// A weir_stream names what one operator sends; use it twice and both users get every record.
// Building is sticky: the first mistake is kept, later calls on its streams do nothing, the job
// refuses to run and weir_job_error has the sentence. Bindings and types are kept (static by
// construction); names, options and parameters are copied.
#ifndef WEIR_JOB_H
#define WEIR_JOB_H

#include <weir/bind.h>
#include <weir/status.h>
#include <weir/window.h>

typedef struct weir_job weir_job;

typedef struct weir_stream {
    weir_job *job;
    uint32_t  node;
    uint32_t  output;
} weir_stream;

typedef struct weir_keyed {
    weir_stream             stream;
    const weir_key_binding *key;
} weir_keyed;

// A record that could not be read or processed, and why.
typedef struct weir_dead_letter {
    weir_str partition; // the file, or the operator that refused it
    uint64_t line;      // from 1; 0 where there are no lines
    weir_str reason;
    uint64_t bytes; // of the line or record
    weir_str text;  // up to 4 KiB of it; what is not UTF-8 replaced
} weir_dead_letter;

// A line as it was read.
typedef struct weir_line {
    weir_str partition;
    uint64_t line; // from 1
    weir_str text; // without its newline
} weir_line;

WEIR_BEGIN

WEIR_API extern const weir_type weir_dead_letter_type;
WEIR_API extern const weir_type weir_line_type;

// A new, empty job; `name` is copied. Close it after the last run; NULL may be closed.
WEIR_API weir_job *weir_job_open(const char *name);
WEIR_API void      weir_job_close(weir_job *job);
// The first mistake as one sentence with its path in the graph; NULL: none so far. The job's own.
WEIR_API const char *weir_job_error(const weir_job *job);
// What kind of mistake it is; WEIR_OK: none so far.
WEIR_API weir_status weir_job_status(const weir_job *job);
WEIR_API const char *weir_job_name(const weir_job *job);

// ---- one record at a time ----

WEIR_API weir_stream weir_filter(weir_stream in, const weir_filter_binding *keep);
WEIR_API weir_stream weir_map(weir_stream in, const weir_map_binding *change);
WEIR_API weir_stream weir_flat_map(weir_stream in, const weir_flat_map_binding *expand);
// The first of `branches` streams (1 to 16) that each record goes to one of; weir_branch has the
// rest. A branch number that does not exist fails the job.
WEIR_API weir_stream weir_split(weir_stream in, const weir_split_binding *route, uint32_t branches);
WEIR_API weir_stream weir_branch(weir_stream split, uint32_t branch);
// Plain functions, for those who cannot compile a macro. `opaque` is kept.
WEIR_API weir_stream weir_filter_function(weir_stream in, const char *name,
                                          bool (*keep)(const void *record, void *opaque),
                                          void *opaque);
WEIR_API weir_stream weir_map_function(weir_stream in, const char *name, const weir_type *out,
                                       bool (*change)(void *out, const void *in, void *opaque),
                                       void *opaque);

// All records of all inputs, which carry the same type. weir_union_add adds one more, later.
WEIR_API weir_stream weir_union(const weir_stream *inputs, uint32_t count);
WEIR_API void        weir_union_add(weir_stream union_, weir_stream more);

// ---- by key ----

WEIR_API weir_keyed weir_key(weir_stream in, const weir_key_binding *key);

// A running result a record, in the order in which the records of a key arrive; where they come
// over two tasks of the stage before (another key's, say), that is any order that keeps each task's
// own.
WEIR_API weir_stream weir_reduce(weir_keyed in, const weir_reduce_binding *update);
// One result a key and window (see weir/window.h). Carries changes if the window allows lateness.
WEIR_API weir_stream weir_aggregate(weir_keyed in, weir_window window,
                                    const weir_aggregate_binding *aggregate);

// Zero means the default written beside each field. Copied.
typedef struct weir_process_options {
    const weir_list_view *lists[8]; // views it uses; kept
    const weir_map_view  *maps[8];
    const weir_type      *sides[8];      // types of its side outputs
    bool                  sends_changes; // it emits updates and deletes; default: inserts only
} weir_process_options;

// `options` may be NULL.
WEIR_API weir_stream weir_process(weir_keyed in, const weir_process_binding *process,
                                  const weir_process_options *options);
// The index-th side output of a process function; weir_emit_side sends to it.
WEIR_API weir_stream weir_side(weir_stream process, uint32_t index);
WEIR_API void       *weir_emit_side(weir_call *call, uint32_t index);

// Passes a record unless one with its key was passed at most `within` of event time away, in either
// direction, `within` included. What comes more than `lateness` behind the watermark is passed,
// because what it repeats may be forgotten.
WEIR_API weir_stream weir_deduplicate(weir_keyed in, weir_time within, weir_time lateness);

// ---- ends and side streams ----

WEIR_API weir_stream weir_sink(weir_stream in, const weir_sink_binding *sink, void *opaque);
// Records that came too late for the operator (a windowed aggregate: its input's type; a source of
// lines: weir_line). Rejected records of the operator, as weir_dead_letter.
WEIR_API weir_stream weir_late(weir_stream of);
WEIR_API weir_stream weir_dead_letters(weir_stream of);

// ---- how it runs ----

// Spread over the tasks of the next operator: evenly; all to all; by a function (hash space is cut
// evenly among the tasks: the top bits of what it returns decide).
WEIR_API weir_stream weir_rebalance(weir_stream in);
WEIR_API weir_stream weir_broadcast(weir_stream in);
WEIR_API weir_stream weir_partition_by(weir_stream in,
                                       uint64_t (*place)(const void *record, void *opaque),
                                       void *opaque);

// Of the operator that sends `of`: its stable name (unique in the job; else the binding's), its
// number of parallel tasks (else one a worker), and parameters for its functions. Return `of`.
WEIR_API weir_stream weir_name(weir_stream of, const char *name);
// The operator that sends `of`, a source or one in between, had that name in checkpoints from
// before: its state is found under it where there is none of its own name. Not for sinks, whose
// outside world knows them by their names. Returns `of`.
WEIR_API weir_stream weir_formerly(weir_stream of, const char *name);
WEIR_API weir_stream weir_parallelism(weir_stream of, uint32_t tasks);
WEIR_API weir_stream weir_with(weir_stream of, const void *parameters, size_t bytes);

WEIR_END

#endif // WEIR_JOB_H
