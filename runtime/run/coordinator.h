// coordinator: asks for checkpoints, gathers what the tasks hand in, publishes, and tells.
//
//   sources <--barrier n-- coordinator <--reports-- tasks       images and index of each task
//                              |
//                              +--> store: state files, then the manifest: the commit point
//                              +--> sinks: prepared before it, committed after it
//                              +--> tasks: complete n, or nothing will come of n
//
// One checkpoint is under way at a time. The coordinator may give it up at any moment: then what
// was written goes, and what sinks had set aside for it becomes part of the next. A run ends with a
// final checkpoint: sources that have nothing more to read stay, and pass barriers, until it is
// durable; only then does the end flow through the graph. A run that goes on from a final
// checkpoint, and finds nothing to do, has that one, and takes none.
//
// Thread rule: a thread of its own, or, simulated, a step now and then; it alone touches the store
// and calls committers. Workers reach it by reports, it reaches them by their mailboxes.
#ifndef WR_COORDINATOR_H
#define WR_COORDINATOR_H

#include "runtime/run/run.h"

#include "runtime/checkpoint/checkpoint.h"

// The cell of what a sink has prepared, by the checkpoint it was first part of.
#define WR_TOKEN_CELL "prepared"

struct wr_coordinator;

// A job's operators as a manifest knows them: a line each.
struct wr_graph_text {
    uint64_t     hash;
    const char **operators; // wr_alloc'ed, as is each
    uint32_t     operator_count;
};
void wr_graph_text_fini(struct wr_graph_text *text);

struct wr_coordinator_options {
    struct wr_store     *store;     // handed
    struct wr_store     *savepoint; // what to go on from instead; handed; NULL: of `store`
    bool                 had_ended; // by what `store` has: then what makes nothing publishes none
    int64_t              interval_us, timeout_us;
    const char          *job;   // copied
    struct wr_graph_text graph; // handed
};

struct wr_coordinator *wr_coordinator_open(struct weir_run                     *run,
                                           const struct wr_coordinator_options *options);
void                   wr_coordinator_close(struct wr_coordinator *coordinator); // NULL is fine

// When every operator is open: takes up what the store was opened at, and sinks settle what a crash
// left undecided. What goes wrong is the run's failure.
void wr_coordinator_recover(struct wr_coordinator *coordinator);

void *wr_coordinator_main(void *coordinator); // the thread
// Simulated: does what there is to do; how much. And when it wants to be stepped next.
uint32_t wr_coordinator_step(struct wr_coordinator *coordinator);
int64_t  wr_coordinator_wake_at(struct wr_coordinator *coordinator);
// Simulated: the next checkpoint is due now; and the last one of this run that is complete, 0:
// none.
void     wr_coordinator_hurry(struct wr_coordinator *coordinator);
uint64_t wr_coordinator_completed(const struct wr_coordinator *coordinator);

// Takes a checkpoint now and copies it whole into `directory`, which is made, or empty. Any thread
// but the coordinator's; waits up to timeout_us (< 0: no limit), and no longer than for one that
// fails, as on a full disk. Not of a simulated run.
weir_status wr_coordinator_savepoint_any(struct wr_coordinator *coordinator, const char *directory,
                                         int64_t timeout_us, struct wr_error *error);

// Asks the sources to end, and copies the run's last checkpoint into `directory`, likewise: nothing
// lies between the savepoint and the end. If that directory will not do, or checkpoints fail, the
// run goes on. If only the last one fails the run waits for room, as ever, without the savepoint.
weir_status wr_coordinator_stop_any(struct wr_coordinator *coordinator, const char *directory,
                                    bool drain, struct wr_error *error);

// The run goes on with the workers of `next` (handed), a generation that is prepared: at the next
// barrier it takes over (handover.c). Any thread but the coordinator's and the workers', one at a
// time (run->rescaling); waits up to timeout_us (< 0: no limit) for its begin. *paused_us (may be
// NULL): from the first task that stopped until the next threads were started. Not of a simulated
// run.
weir_status wr_coordinator_move_any(struct wr_coordinator *coordinator, struct wr_generation *next,
                                    int64_t timeout_us, int64_t *paused_us, struct wr_error *error);
// Simulated: the same, asked for; and whether it is still to come, or under way.
void wr_coordinator_ask_move(struct wr_coordinator *coordinator, struct wr_generation *next);
bool wr_coordinator_is_moving(const struct wr_coordinator *coordinator);

// ---- for tasks, from any thread ----

// The source task has nothing more to read; whether the end may flow now. If not, its worker is
// woken when it may.
bool wr_coordinator_may_end_any(struct wr_coordinator *coordinator, struct wr_task *task);
// How long a capture should leave most of the time to rows.
int64_t wr_coordinator_gentle_us_any(const struct wr_coordinator *coordinator);
// Something has changed that the thread may wait for: the run has failed.
void wr_coordinator_wake_any(struct wr_coordinator *coordinator);

// ---- for who watches, from any thread ----

// The last checkpoint that was published.
struct wr_checkpoint_facts {
    uint64_t count; // published by this run
    uint64_t id;    // 0: none yet, and nothing below means anything
    int64_t  began_us, ended_us;
    uint64_t bytes;             // written, of state files
    uint64_t entries, segments; // that it consists of
    uint64_t packed_segments;   // of these, new in it; the others lie in files of earlier ones
};
void wr_coordinator_facts_any(struct wr_coordinator      *coordinator,
                              struct wr_checkpoint_facts *facts);
// Tries that failed since the last checkpoint that was published.
struct wr_checkpoint_trouble {
    uint64_t        count;    // 0: none, and nothing below means anything
    bool            is_final; // the last try was one of the run's last checkpoint
    int64_t         at_us;    // when it failed
    struct wr_error why;      // it did; of a copy to be freed
};
void wr_coordinator_trouble_any(struct wr_coordinator        *coordinator,
                                struct wr_checkpoint_trouble *trouble);
// When the last checkpoint was over, published or given up, or the last change of workers;
// INT64_MAX: one is under way; 0: there was none.
int64_t wr_coordinator_busy_until_any(struct wr_coordinator *coordinator);

// ---- for tasks, from any thread: files ----

// Who a state file is.
struct wr_file_id wr_coordinator_file_id(const struct wr_coordinator *coordinator,
                                         const struct wr_task *task, uint64_t checkpoint);

// A piece of the task's file, from its pool of chunks; given back when it is written.
struct wr_chunk {
    struct wr_chunk *next;
    uint64_t         offset; // in the file
    uint32_t         block_count;
    size_t           filled, capacity;
    char             bytes[];
};
struct wr_chunk *wr_coordinator_take_chunk_any(struct wr_coordinator *coordinator, size_t bytes);
// Whether more should be captured now; not where the disk is behind. Then all workers are woken
// when it should.
bool wr_coordinator_has_room_any(struct wr_coordinator *coordinator);

enum wr_report_kind {
    WR_REPORT_PASSED,     // the task has passed the barrier: its sinks may be prepared
    WR_REPORT_CHUNK,      // `chunk` is full, or the last
    WR_REPORT_CAPTURED,   // all of it: `index` is what there is
    WR_REPORT_HANDED_OVER // the task has ended at the barrier: `index` is what it keeps but for
                          // tables
};
struct wr_report {
    struct wr_report   *next;
    enum wr_report_kind kind;
    struct wr_task     *task;
    uint64_t            checkpoint;
    uint32_t            file_number; // of the task's file of this checkpoint
    struct wr_chunk    *chunk;       // handed
    struct wr_index    *index;       // handed
    int64_t             at_us;       // of one that has handed over: when it stopped
};
// Copied.
void wr_coordinator_report_any(struct wr_coordinator *coordinator, const struct wr_report *report);

#endif // WR_COORDINATOR_H
