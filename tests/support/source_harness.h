// Sources in whole jobs, simulated: a job runs in an environment that the test has prepared, and a
// scripted connector says when there is something to read.
//
//   static const struct source_step first[] = { TICK(SECONDS(1)), QUIET(SECONDS(9)), END_OF_SCRIPT
//   };
//
// Each tick becomes a record of its time; the script also keeps a log of who was read when.
#ifndef SOURCE_HARNESS_H
#define SOURCE_HARNESS_H

#include "runtime/connector.h"

#include <weir/run.h>
#include <weir/source.h>

typedef struct tick {
    weir_time at;
    uint64_t  partition;
    uint64_t  number; // of the step in its script, from 1: its line
} tick;
WEIR_RECORD(tick, at, partition, number);

enum source_verb {
    SOURCE_END,   // of the script
    SOURCE_TICK,  // a record; in a batch of its own
    SOURCE_MORE,  // a record in the batch of the one before
    SOURCE_QUIET, // nothing to read until that long after the start
    SOURCE_BUSY,  // the same, with a read under way
    SOURCE_BROKEN // a dead letter
};

struct source_step {
    enum source_verb verb;
    weir_time        value;
};

#define TICK(time)                                                                                 \
    {                                                                                              \
        SOURCE_TICK, (time)                                                                        \
    }
#define MORE(time)                                                                                 \
    {                                                                                              \
        SOURCE_MORE, (time)                                                                        \
    }
#define QUIET(until)                                                                               \
    {                                                                                              \
        SOURCE_QUIET, (until)                                                                      \
    }
#define BUSY(until)                                                                                \
    {                                                                                              \
        SOURCE_BUSY, (until)                                                                       \
    }
#define BROKEN                                                                                     \
    {                                                                                              \
        SOURCE_BROKEN, 0                                                                           \
    }
#define END_OF_SCRIPT                                                                              \
    {                                                                                              \
        SOURCE_END, 0                                                                              \
    }

#define SOURCE_PARTITIONS_MAX 8
#define SOURCE_LOG_MAX        4096

// One step that was read, and what was true then.
struct source_read {
    uint32_t  partition;
    weir_time time;
    int64_t   after_us; // virtual, since the start
};

struct source_script {
    const struct source_step *partitions[SOURCE_PARTITIONS_MAX];
    uint32_t                  partition_count;
    weir_event_time_options   time;
    struct source_read        log[SOURCE_LOG_MAX];
    uint32_t                  log_count;
};

// The script as a source named "script"; kept until the job is closed.
weir_stream source_script_add(weir_job *job, struct source_script *script);

// Runs a job in `environment` (simulated; handed over: closed by this) from the seed to its end.
weir_status source_harness_run(weir_job *job, struct wr_environment *environment,
                               const weir_run_options *options);
// The same, and `then` looks at what the job left before the environment is closed.
weir_status source_harness_run_then(weir_job *job, struct wr_environment *environment,
                                    const weir_run_options *options,
                                    void (*then)(struct wr_environment *environment));

// While it runs, the job's run.
weir_run *source_harness_run_of(const weir_job *job);

// The i-th collected record.
const tick *tick_at(const weir_collection *collection, size_t index);

#endif // SOURCE_HARNESS_H
