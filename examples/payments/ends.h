// ends: where the job reads its events and where its views go: files, or topics of a log.
//
//   files, pipes (JSON Lines)  --+                +-->  DIRECTORY/<view>.jsonl
//                                +--> the job -->-+
//   topic "events" of a log    --+                +-->  topic <view> of a log
//
// Nothing else in the job knows which it is. A file is a partition, and so is a partition of the
// topic: each is judged for lateness by itself. A line is an event_line in either: what the topic
// holds was parsed and checked when it was appended.
#ifndef PAYMENTS_ENDS_H
#define PAYMENTS_ENDS_H

#include <weir/job.h>
#include <weir/log.h>

typedef struct payments_ends {
    const char *input;      // a file, a glob, a directory, or - for stdin; NULL: the log
    const char *log;        // its directory
    const char *consumer;   // under which the log keeps how far the job came; NULL: none, from the
                            // beginning
    bool        follow;     // at the end wait for more
    double      rate;       // lines a second; 0: as fast as it goes
    const char *output;     // a directory of files, which exists; NULL: the output log
    const char *output_log; // its directory
} payments_ends;

// A view as it leaves the job. Constant.
typedef struct payments_view {
    const char      *name;
    const weir_type *type;
    const char      *key;      // the fields that name a row: "region,minute"
    const char      *time;     // the field by which readers of the topic seek
    const char      *nullable; // integer fields in which INT64_MIN is null; NULL: none
} payments_view;

// What `produce` appends and the job reads: event_lines, by order; and what was no event.
extern const weir_topic payments_events_topic;
extern const weir_topic payments_dead_letters_topic;

// The events of the input, as event_lines; its operator is called "events".
weir_stream payments_read_events(weir_job *job, const payments_ends *ends);
// Lines that came too late, as they were read.
void payments_write_late(weir_stream late, const payments_ends *ends);
void payments_write_dead_letters(weir_stream letters, const payments_ends *ends);
// The operator is called "write-NAME".
void payments_write_view(weir_stream rows, const payments_ends *ends, const payments_view *view);

// Empties the topics of these views, and those of late lines and dead letters, in the output log,
// which is made if it is not there. A run from the beginning writes them anew, as it does files.
weir_status payments_empty_topics(const payments_ends *ends, const char *const *views,
                                  uint32_t count);

#endif // PAYMENTS_ENDS_H
