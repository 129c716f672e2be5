// What the files of the coordinator share. Private to coordinator.c, reports.c, prepared.c,
// savepoints.c, trouble.c and handover.c.
//
//   coordinator.c   a checkpoint's course, and the thread
//   reports.c       what tasks hand in, and who watches sees, from any thread
//   prepared.c      what sinks have set aside
//   savepoints.c    copies of checkpoints, for those who wait for them
//   trouble.c       tries that failed: what is said of them
//   handover.c      other numbers of workers, likewise
#ifndef WR_COORDINATING_H
#define WR_COORDINATING_H

#include "runtime/base/thread.h"
#include "runtime/run/coordinator.h"

// What a sink has set aside, prepared and not yet known to be shown.
struct prepared {
    struct prepared *next;
    struct wr_node  *node;
    uint64_t         checkpoint;
    uint32_t         task; // that did, of its generation
    struct wr_token  token;
};

// How long a finished file is, which the task that made its blocks does not know.
struct file_length {
    uint32_t number;
    uint64_t bytes;
};

struct task_part {
    struct wr_state_file *file; // of the checkpoint under way; NULL: nothing was written yet
    bool                  is_captured;
    struct file_length   *lengths; // of the files that the task's last index named, and the last
    uint32_t              length_count;
    struct wr_index      *handed; // of a task that has handed over
};

// A savepoint that somebody waits for; under the coordinator's lock.
struct savepoint {
    uint64_t    number; // of all that were asked for: its place in memory may be another's, later
    const char *directory;
    bool        is_trial; // nothing is copied: one checkpoint is to show whether there is room
    bool        is_last;  // of the last checkpoint of the run, which is asked to end
    bool        drains;   // with is_last
    bool        is_tried; // a checkpoint has begun for it since
    bool        is_done;
    struct wr_error error;
};

// A generation that is to take over, and that somebody may wait for; under the coordinator's lock.
struct move {
    struct wr_generation *next; // handed; NULL when it has been taken
    bool                  is_done;
    bool                  is_refused; // it came too late
    int64_t               paused_us;
};

// How far the sources had come.
struct made {
    uint64_t rows, late, rejected, watermark;
};

struct wr_coordinator {
    struct weir_run     *run;
    struct wr_store     *store;
    struct wr_store     *restored;  // a savepoint that the run goes on from; NULL
    bool                 had_ended; // the job had, by what it goes on from
    int64_t              interval_us, timeout_us;
    char                *job;
    struct wr_graph_text graph;

    // The coordinator's own.
    uint64_t                   current; // 0: none is under way
    uint64_t                   next;
    uint64_t                   completed; // the last one; 0: none of this run
    int64_t                    began_us, began_wall_us, next_us;
    uint32_t                   captured_count;
    bool                       is_final;            // of the current one: the last of the run
    bool                       is_asked;            // the next one is wanted, news or not
    struct made                begun_at, published; // before the current one, the last one
    struct task_part          *parts;               // a task each
    struct prepared           *prepared;
    struct wr_checkpoint_facts under_way; // of the current one, so far
    struct wr_generation      *moving; // takes over at the next barrier, or the current one; NULL
    int64_t                    handed_us; // when the first task stopped to hand over
    int64_t                    paused_us; // from then until the next threads were started
    struct wr_breath           breath;    // files are written beside what the workers do

    pthread_mutex_t   lock; // guards what follows
    pthread_cond_t    has_work;
    struct wr_report *first, **last;
    struct wr_chunk  *chunks; // at rest
    uint32_t          chunk_count;
    uint32_t          queued_count,
        queued_most; // chunks that are reported and not yet written; read without the lock
    uint32_t          source_count, ended_count; // tasks that are sources; that have told their end
    bool              is_over;                   // the final checkpoint is durable
    uint64_t          savepoints_asked;
    struct savepoint *savepoint; // asked for; NULL: none is
    struct move      *move;      // the same
    pthread_cond_t    has_served;
    bool              is_woken;
    struct wr_checkpoint_facts   facts;
    struct wr_checkpoint_trouble trouble;
    int64_t                      told_us; // when it was last told of
    int64_t                      busy_until_us;
};

static inline int64_t wr_coordinator_now_us(const struct wr_coordinator *coordinator)
{
    return wr_now_us(coordinator->run->environment);
}

// Under the lock: there is something to do.
static inline void wr_coordinator_signal(struct wr_coordinator *coordinator)
{
    coordinator->is_woken = true;
    (void)pthread_cond_signal(&coordinator->has_work);
}

// ---- coordinator.c ----

// To every worker's mailbox.
void wr_coordinator_post(struct wr_coordinator *coordinator, enum wr_message_verb verb,
                         uint64_t checkpoint);
// Of the run's tasks now.
void wr_coordinator_open_parts(struct wr_coordinator *coordinator);
void wr_coordinator_close_parts(struct wr_coordinator *coordinator);
// Nothing is under way; the next one is due then.
void wr_coordinator_rest(struct wr_coordinator *coordinator, int64_t next_us);

// ---- reports.c ----

void wr_coordinator_give_chunk(struct wr_coordinator *coordinator, struct wr_chunk *chunk);
void wr_coordinator_tell_busy_until(struct wr_coordinator *coordinator, int64_t until_us);
void wr_checkpoint_facts_add(struct wr_checkpoint_facts *facts, const struct wr_index *index,
                             uint32_t file_number);
void wr_coordinator_publish_facts(struct wr_coordinator *coordinator);

// ---- prepared.c ----

// The task has passed the barrier: its sinks prepare what they set aside. False: the run has
// failed.
bool wr_prepared_take(struct wr_coordinator *coordinator, const struct wr_task *task,
                      uint64_t checkpoint);
// I22: what belongs to the checkpoint and those before it, given up ones too. False: the run has
// failed.
bool wr_prepared_commit(struct wr_coordinator *coordinator, uint64_t checkpoint);
// Into the index of their task, under their operators' names.
void wr_prepared_note(const struct wr_coordinator *coordinator, const struct wr_task *task,
                      struct wr_index *index);
// What was prepared is `next`'s to commit.
void wr_prepared_move(struct wr_coordinator *coordinator, const struct wr_generation *next);
void wr_prepared_close(struct wr_coordinator *coordinator);
// Before anything runs: sinks settle what a crash left undecided, by what the checkpoint names.
void wr_prepared_recover(const struct weir_run *run, const struct wr_store *store);

// ---- savepoints.c ----

// Under the lock, for somebody who waits for what was asked for: for a piece of time, so that the
// end of the run is seen.
void wr_coordinator_await_news(struct wr_coordinator *coordinator);
bool wr_savepoint_is_wanted(struct wr_coordinator *coordinator);
// A checkpoint begins, which what is asked for will be made of.
void wr_savepoint_note_try(struct wr_coordinator *coordinator, bool is_last);
// The current one failed, which ends the wait of whoever it had begun for.
void wr_savepoint_refuse(struct wr_coordinator *coordinator, weir_status status, const char *why);
// Of the checkpoint just published, if somebody waits for one, who may give up meanwhile.
void wr_savepoint_make(struct wr_coordinator *coordinator, bool is_last);

// ---- trouble.c ----

// The current checkpoint is given up. It is said now and then, and when one is made again.
void wr_trouble_note(struct wr_coordinator *coordinator, weir_status status, const char *why);
void wr_trouble_end(struct wr_coordinator *coordinator); // the current one is made

// ---- handover.c ----

// Takes what was asked for, if there is any: true when there is a generation to move to.
bool wr_move_is_wanted(struct wr_coordinator *coordinator);
// The sources have ended: whoever asks for a move now hears that it is too late.
void wr_move_refuse(struct wr_coordinator *coordinator);
// The current barrier is where a generation takes over.
bool wr_move_is_under_way(const struct wr_coordinator *coordinator);
void wr_move_begin(struct wr_coordinator *coordinator);
// Every task has ended at the barrier.
void wr_move_end(struct wr_coordinator *coordinator);

#endif // WR_COORDINATING_H
