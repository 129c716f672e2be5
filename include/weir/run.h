// weir/run.h: running a job, and reading what it did.
#ifndef WEIR_RUN_H
#define WEIR_RUN_H

#include <stdio.h>
#include <weir/job.h>

// What weir_job_run and weir_main do when a run fails: an operator, a connector or the disk did.
// They wait, and run the job again from its newest checkpoint (without checkpoints: from the
// beginning). What does not get better by itself is not tried again: a graph, types or stored bytes
// that are wrong.
typedef enum weir_restart_kind {
    WEIR_RESTART_NONE        = 0,
    WEIR_RESTART_FIXED       = 1, // each after `delay`, at most `most` times
    WEIR_RESTART_EXPONENTIAL = 2, // after `delay`, and twice as long each time, up to
                                  // `longest_delay`; a run that lasts `reset_after` begins anew
    WEIR_RESTART_RATE = 3 // each after `delay`, until there are more than `most` within `window`
} weir_restart_kind;

// Zero means the default written beside each field.
typedef struct weir_restart {
    weir_restart_kind kind;
    uint32_t          most;          // 0: no limit; of WEIR_RESTART_RATE 3
    weir_time         delay;         // 0: 1 s
    weir_time         longest_delay; // 0: 1 min
    weir_time         reset_after;   // 0: 10 min
    weir_time         window;        // 0: 10 min
} weir_restart;

// What happens when a task's state comes to its share of `state_budget`.
typedef enum weir_over_budget {
    // The run fails, and names the operator.
    WEIR_OVER_BUDGET_FAIL = 0,
    // What was not used lately goes to a file, and comes back when it is asked for.
    WEIR_OVER_BUDGET_SPILL = 1,
    // From three quarters of its share on, until it is down to half, sources read a batch every 10
    // ms only, so that what is under way can close windows and free state. At the whole share the
    // run fails.
    WEIR_OVER_BUDGET_SLOW = 2
} weir_over_budget;

// Zero means the default written beside each field. Copied.
typedef struct weir_run_options {
    uint32_t         workers;      // pinned threads; 0: one a core this process may use
    const char      *cpus;         // cores to pin to, as "0,2-5"; NULL: those the process may use
    bool             is_unpinned;  // leave the placing of threads to the system
    uint64_t         state_budget; // bytes of state of the whole job, in memory; 0: no limit
    weir_over_budget over_budget;  // not but WEIR_OVER_BUDGET_FAIL without a state_budget
    // Where state over the budget goes: a directory on a local disk. NULL: `checkpoints`, without
    // them $TMPDIR or /tmp. The files have no names, and go with the process, however it ends.
    const char *spill_directory;
    uint32_t    batch_bytes; // of one batch; 0: by the number of outputs, 8 to 32 KiB
    uint32_t    credits;     // batches a channel, 2 or more; 0: 4
    uint64_t    seed;        // of the keys' hash and of the simulation; 0: fixed
    bool is_simulated;       // one thread, virtual time and a simulated disk, all drawn from `seed`
    // A directory in which checkpoints of the job are kept, and from the newest of which it goes on
    // when it is run again; NULL: none are taken, and each run begins anew. Made if missing; held
    // by one run at a time. Without it none of the next four may be given, but in a replay.
    const char *checkpoints;
    weir_time   checkpoint_interval; // from the begin of one to that of the next; 0: 1 s
    weir_time   checkpoint_timeout;  // one that takes longer is given up; 0: 10 min
    uint32_t    checkpoints_kept;    // the last so many; 0: 3
    // What to go on from: NULL or "latest": the newest checkpoint; a number: that one of
    // `checkpoints`; else a savepoint's directory, and `checkpoints` must not have any: NULL goes
    // on, later, from those that it has then.
    const char *restore;
    // A replay: goes on from `restore` up to this point and ends there, with the state as it was,
    // for somebody to look at. One or more of these, with commas between them:
    //   TIME          "2026-03-01T10:02:00.123Z": each partition up to its first record that
    //                 happened after it
    //   @OFFSET       each partition up to the record of that offset, which is not read
    //   NAME@OFFSET   the same of the partition of that name, as "events/0@512"; the others need
    //                 one of the above
    // All sinks discard, and no consumer's place is kept. `checkpoints` are only read, and may be
    // those of a job that runs: `restore` NULL is the newest from before the point; without any it
    // begins at the beginning. With one worker, which is what `workers` 0 means here, and one
    // source the same replay ends with the same state each time. NULL: it is no replay.
    const char *until;
    // Of a replay, which needs it: the state goes there, as a checkpoint that `weir checkpoint`
    // reads. Made if missing; nothing may be in it.
    const char  *replay_to;
    weir_restart restart_rule; // of weir_job_run; a replay is not tried again
    int64_t spin_us; // a worker without work spins this long before it parks; 0: 50; < 0: never
    // A run with checkpoints takes commands through the socket `control` in their directory, from
    // this user's processes (weir job); with this it does not.
    bool is_not_commanded;
    // A partition that a checkpoint's source had not read to its end, and that is not there any
    // more (a file that was removed, another path), is refused, WEIR_MISMATCH; with this the job
    // goes on without what was left of it.
    bool forgets_partitions;
} weir_run_options;

typedef struct weir_run weir_run;

// What the operators of a job have counted.
typedef enum weir_counter {
    WEIR_ROWS_IN        = 0,
    WEIR_ROWS_OUT       = 1,
    WEIR_FILTERED       = 2,
    WEIR_DUPLICATES     = 3,
    WEIR_LATE           = 4,
    WEIR_REJECTED       = 5, // dead letters
    WEIR_INSERTS        = 6,
    WEIR_UPDATES        = 7,
    WEIR_DELETES        = 8,
    WEIR_BYTES          = 9,  // read or written
    WEIR_BYTES_TOTAL    = 10, // there are to read, where that is known
    WEIR_WATERMARK      = 11, // microseconds; the lowest of the operator's tasks
    WEIR_STATE_BYTES    = 12,
    WEIR_TIMERS_DROPPED = 13 // set at the end for later; see weir_timer_set
} weir_counter;

WEIR_BEGIN

// Runs the job to its end: the end of its sources, a failure, or weir_job_stop. `options` may be
// NULL. What went wrong is in weir_job_error.
WEIR_API weir_status weir_job_run(weir_job *job, const weir_run_options *options);

// The same in two steps: the workers run until weir_run_wait returns. Only one run of a job at a
// time.
WEIR_API weir_run *weir_run_start(weir_job               *job,
                                  const weir_run_options *options); // NULL: weir_job_error
WEIR_API weir_status
weir_run_wait(weir_run *run, int64_t timeout_us);   // WEIR_TIMED_OUT: still running; < 0: no limit
WEIR_API weir_status weir_run_close(weir_run *run); // waits for the end; the run's status

// Asks the sources to end. With `drain` time runs to its end: windows close and timers fire.
// Any thread, also a signal handler.
WEIR_API void weir_run_stop_any(weir_run *run, bool drain);

// Takes a checkpoint now and copies it, whole, into `directory`, which is made, or empty: a
// savepoint, which no run deletes. The run goes on. Any thread but a worker's; waits up to
// timeout_us (< 0: no limit), and must have returned before weir_run_close. What went wrong is in
// *sentence (to be freed with free(); `sentence` may be NULL).
//   WEIR_USAGE      the run takes no checkpoints
//   WEIR_CONFLICT   the directory is not empty, or the run has ended or failed
//   WEIR_TIMED_OUT  the copy may go on, and be whole later; or the checkpoint took longer than
//                   checkpoint_timeout, and nothing comes of it
//   WEIR_FULL       there is no room for the checkpoint, or for the copy: nothing comes of it
//   WEIR_DISK_FAILED, WEIR_UNREACHABLE
WEIR_API weir_status weir_run_savepoint_any(weir_run *run, const char *directory,
                                            int64_t timeout_us, char **sentence);

// Gives the run another number of workers (0: one a core) while it goes on, in this process. Its
// operators are opened anew beside those that work; at the next barrier the tables change hands as
// they lie in memory, and the new workers go on from the very row. Order, output and checkpoints
// are as if nothing had happened. Any thread but a worker's; the new threads have its priority and,
// unpinned, its cores. Waits up to timeout_us (< 0: no limit) for the begin, then to the end; must
// have returned before weir_run_close. *paused_us (may be NULL; 0 unless it is done): microseconds
// from the moment the first task stopped for it until the new threads were started. A run that has
// so many already goes on without a pause: WEIR_OK, *paused_us 0. What went wrong is in *sentence
// (to be freed with free(); may be NULL).
//   WEIR_USAGE      the run takes no checkpoints, or is a replay; so many workers cannot be
//   WEIR_CONFLICT   the sources, or the run, have ended, or it has failed, be it for this
//   WEIR_TIMED_OUT  it did not begin, and will not
//   others          an operator could not be opened once more: the run goes on as it was
WEIR_API weir_status weir_run_rescale_any(weir_run *run, uint32_t workers, int64_t timeout_us,
                                          int64_t *paused_us, char **sentence);

// A counter of the operator of that name, summed over its tasks (of a watermark: the least), of the
// job's running or last run; 0 if there is no such operator. Any thread.
WEIR_API uint64_t weir_job_counter(const weir_job *job, const char *operator_name,
                                   weir_counter counter);
// The same summed over all sources of the job.
WEIR_API uint64_t weir_job_sources_counter(const weir_job *job, weir_counter counter);

// Prints how the job would run with these options: stages, exchanges, places, memory bound; as text
// or JSON.
WEIR_API weir_status weir_job_plan(weir_job *job, const weir_run_options *options, bool as_json,
                                   FILE *to);
// The most memory its batches and its state budget take, in bytes; 0 after a mistake. Not in it:
// the buffers of files (64 to 512 KiB each), and what a single record over a batch's size hangs on
// it.
WEIR_API uint64_t weir_job_memory_bound(weir_job *job, const weir_run_options *options);

WEIR_END

#endif // WEIR_RUN_H
