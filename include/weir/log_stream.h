// weir/log_stream.h: topics of a log (weir/log.h) as streams of a job, and streams as topics.
//
//   weir_stream payments = weir_from_log(job, &payments_topic, NULL);
//   weir_to_log(alerts, &alerts_topic, NULL);
//
// A topic's partition is a partition of the source, with a watermark of its own. Each job reads at
// its own pace. Options are copied, the topic's type is kept; zero means the default written beside
// each field.
#ifndef WEIR_LOG_STREAM_H
#define WEIR_LOG_STREAM_H

#include <weir/log.h>
#include <weir/source.h>

typedef struct weir_log_source_options {
    const char *name;      // NULL: "read-" and the topic's name
    const char *directory; // the log's; NULL: "weir-log", where the program runs
    weir_start  start;     // DEFAULT: where the consumer came to; else the earliest
    uint64_t    offset;    // of WEIR_START_OFFSET
    weir_time   from_time; // of WEIR_START_TIME
    bool        follow;    // wait for more at the end; default: end where the topic ends now
    bool        reads_uncommitted; // also records of transactions that are open or aborted
    // The stream carries each record's change: updates and deletes, and not only inserts. Default:
    // deletions are dead letters, the rest are records.
    bool sends_changes;
    // A name that keeps how far the job came, held by one run at a time; NULL: none. It is kept
    // when the run ends without a failure, so that no record is passed over: each was processed at
    // least once. With commit_every also while it runs, as records leave the source: then a crash
    // may pass over what was under way inside the job.
    const char             *consumer;
    weir_time               commit_every; // 0: at the end of the run only
    weir_check              check; // NULL: every record is good; what is refused is a dead letter
    void                   *opaque;
    double                  rate; // records a second, of all partitions; 0: as fast as it goes
    weir_event_time_options time; // field NULL: the topic's; "" for a stream without event time
} weir_log_source_options;

typedef struct weir_log_sink_options {
    const char *name;      // NULL: "write-" and the topic's name
    const char *directory; // the log's, made if missing; NULL: "weir-log", where the program runs
    weir_durability durability; // of all that this run writes to the log: the first sink's counts
    weir_time       interval;   // of WEIR_DURABLE_INTERVAL; 0: 10 ms
} weir_log_sink_options;

WEIR_BEGIN

// The records of a topic that exists, as `topic->type`; of `topic` only name, type and time are
// looked at. Late records: weir_late (weir_line: partition, offset, the record as JSON).
WEIR_API weir_stream weir_from_log(weir_job *job, const weir_topic *topic,
                                   const weir_log_source_options *options);
// Appends the stream's records, with their change, to a topic, which is made if it is missing. What
// an update replaces is not written. The job is done when all is acknowledged. One run at a time
// writes to a log. In a run with checkpoints readers of committed records see what a checkpoint
// counts when it is durable, each record once whatever crashes.
WEIR_API weir_stream weir_to_log(weir_stream in, const weir_topic *topic,
                                 const weir_log_sink_options *options);

WEIR_END

#endif // WEIR_LOG_STREAM_H
