// run: who runs when.
//
//   run ---- now: a generation ---- workers, each a thread (or, simulated, taken in turn by one)
//                                     worker ---- tasks, stepped downstream first
//                                                   task ---- nodes of one stage, in topological
//                                                             order
//                                   channels, which join tasks
//
// A run has one generation, until it is given another number of workers: then the next one is made
// beside it, and takes over what the tasks keep where a barrier lies (handover.c).
//
// A step is bounded work that never blocks. A task's nodes hold at most one batch each; a step runs
// the most downstream node that has rows or a watermark to take, as long as what lies behind it is
// empty. Only when the whole chain is empty does the task take the next batch, or poll its source.
//
// Thread rule: a task, its nodes and its pool belong to its worker; the run's shared fields say who
// writes them. Everybody else speaks to a worker through its mailbox.
#ifndef WR_RUN_H
#define WR_RUN_H

#include "runtime/operator.h"
#include "runtime/run/until.h"
#include <weir/run.h>

#include <pthread.h>
#include <setjmp.h>

// ---- task ----

// One channel into a task. Its number among the task's inputs is its number in the first node's
// watermarks.
struct wr_input {
    struct wr_channel *channel;
    struct wr_batch   *batch;      // being consumed; NULL: none
    bool               is_aligned; // has delivered the barrier being aligned; read no further
    bool               has_ended;
};

enum wr_task_state {
    WR_TASK_RUNNING,
    WR_TASK_AT_BARRIER, // every input has delivered it: nodes flush, then take note, in order
    WR_TASK_ENDING,     // every input has ended: nodes finish, in order
    WR_TASK_DONE
};

struct wr_task {
    struct weir_run      *run;
    struct wr_generation *generation;
    struct wr_worker     *worker;
    uint32_t              number, stage;         // among the generation's tasks; of which stage
    uint32_t              instance, parallelism; // task i of n of its stage
    struct wr_node      **nodes;
    uint32_t              node_count;
    uint64_t             *behind;         // of each node: the nodes its rows can reach, as bits
    uint64_t              with_rows;      // nodes with rows to take
    uint64_t              with_watermark; // nodes whose watermark or idleness is to be handed on
    struct wr_input      *inputs;
    uint32_t              input_count;
    uint32_t              live_count;    // inputs that have not ended
    uint32_t              aligned_count; // of the barrier being aligned
    uint32_t              turn;
    struct wr_input      *current; // whose batch is in the chain
    enum wr_task_state    state;
    uint32_t              cursor;        // of WR_TASK_AT_BARRIER and WR_TASK_ENDING
    uint64_t              barrier;       // being aligned or last seen
    uint64_t              given_up;      // the last checkpoint of which nothing will come
    uint64_t              asked_barrier; // sources: to be emitted next; 0: none
    bool                  has_ended_source;
    bool                  has_told_end;     // sources: the coordinator knows
    bool                  has_filled_batch; // sources: by the last poll, so that there may be more
    struct wr_pool       *pool;
    struct wr_spill      *spill;       // of the pool; NULL: its budget is all there is
    jmp_buf              *step;        // under way, where the task spills; else NULL
    size_t                tight_bytes; // of state, from which on it wants sources slowed; 0: never
    bool                  is_tight;
    int64_t               next_poll_us; // of a source that is slowed
    struct wr_capturing  *capturing;    // NULL: the run takes no checkpoints
};

// Bounded work: how much was done; 0: nothing to do now.
uint32_t wr_task_step(struct wr_task *task);
// A segment could not be read again, and the run has failed. Does not return if that was in a step.
void wr_task_lose_state(struct wr_task *task);
// Nothing will come of checkpoint `barrier`: inputs that wait for it are read again.
void wr_task_give_up(struct wr_task *task, uint64_t barrier);
// Checkpoint task->barrier lies here: what the task keeps is captured as it is now.
void wr_task_mark(struct wr_task *task);
// Barrier task->barrier is where the task ends, and hands over what it keeps: reports that.
void wr_task_hand_over(struct wr_task *task);
// Whether more rows wait for it than the last step took.
bool wr_task_is_behind(const struct wr_task *task);
bool wr_task_is_capturing(const struct wr_task *task);
// Packs some `bytes` more of what is being captured, at least one segment; work done.
uint32_t wr_task_capture(struct wr_task *task, size_t bytes);
// Checkpoint `barrier` is durable; or nothing came of it, or of one before.
void wr_task_complete(struct wr_task *task, uint64_t barrier);
void wr_task_forget(struct wr_task *task, uint64_t barrier);
// A source that has nothing more to read: whether the end may follow.
bool wr_task_may_end(struct wr_task *task);
// What its nodes have processed, as a restore has set it, is handed on to those that read them:
// these know only that much of all their inputs, and of one that is at its end will hear no more.
void wr_task_hand_on(struct wr_task *task);
// Lets batches go that have waited long enough, or whose receiver is idle.
void wr_task_flush_aged(struct wr_task *task);
// When it wants to be stepped again even if nobody wakes it; INT64_MAX: no need.
int64_t wr_task_wake_at(const struct wr_task *task);

// ---- worker ----

// What a worker is asked to do between two steps.
enum wr_message_verb {
    WR_MESSAGE_BARRIER,  // sources emit it
    WR_MESSAGE_GIVE_UP,  // nothing will come of that checkpoint, nor of one before it
    WR_MESSAGE_COMPLETE, // that checkpoint is durable
    WR_MESSAGE_WAKE
};

struct wr_message {
    enum wr_message_verb verb;
    uint64_t             barrier;
    struct wr_message   *next;
};

struct wr_worker {
    struct wr_park        park; // first: a line of its own
    struct weir_run      *run;
    struct wr_generation *generation;
    uint32_t              index;
    struct wr_task      **tasks; // downstream first
    uint32_t              task_count;
    uint32_t              done_count;
    int64_t               gentle_until_us; // with captures
    int64_t               caught_up_at_us; // no task was behind, while one captures
    int64_t               capture_at_us;   // the next piece, where tasks are behind
    pthread_t             thread;
    bool                  is_started;
    pthread_mutex_t       mail_lock;
    struct wr_message    *mail;     // under mail_lock
    uint32_t              has_mail; // a hint read without it
};

void     wr_worker_post_any(struct wr_worker *worker, enum wr_message_verb verb, uint64_t barrier);
uint32_t wr_worker_serve(struct wr_worker *worker); // the mailbox
uint32_t wr_worker_step(struct wr_worker *worker);  // mailbox, then every task once, then captures
// Packs for the tasks that capture, a piece each, if it is time for one; work done. `is_busy`: the
// worker has other work.
uint32_t wr_worker_capture(struct wr_worker *worker, bool is_busy);
bool     wr_worker_is_done(const struct wr_worker *worker);
void    *wr_worker_main(void *worker); // the thread

// ---- generation ----

// The workers of a run and all that belongs to them.
struct wr_generation {
    struct weir_run         *run;
    uint32_t                 number; // from 0; of all that the run ever had its own
    struct wr_worker        *workers;
    uint32_t                 worker_count;
    struct wr_task         **tasks; // upstream first
    uint32_t                 task_count;
    struct wr_channel      **channels;
    uint32_t                 channel_count;
    struct wr_batch_layout **layouts; // of the channels' batches
    uint32_t                 layout_count;
    struct wr_alignment     *alignment;
    // Pins the calling worker's thread, in its own way; NULL: nobody is pinned.
    void (*pin_any)(const void *opaque, uint32_t worker);
    // Frees what it was made of, when it is gone; may be NULL.
    void (*release)(void *opaque);
    void                 *opaque; // for both
    struct wr_generation *before; // taken over; of it there are only workers, and no threads
    // Beside the one that works: what fails in it is its own failure, not the run's, and under the
    // run's lock.
    bool            is_candidate;
    struct wr_error failure;
};

struct wr_generation_options {
    uint32_t worker_count;
    uint32_t partition_count; // of all sources
    void (*pin_any)(const void *opaque, uint32_t worker);
    void (*release)(void *opaque);
    void *opaque;
};

// ---- run ----

struct weir_run {
    struct wr_environment    *environment;
    bool                      owns_environment;
    struct wr_generation     *now;              // any thread reads it; see wr_run_now_any
    uint32_t                  generation_count; // made so far
    uint64_t                  seed;             // of the keys' hash
    const char               *job_name;
    int64_t                   spin_us;
    bool                      is_simulated;
    const struct wr_until    *until; // how far its sources read; NULL: it is no replay
    bool                      forgets_partitions;
    weir_job                 *job;     // whose it is; for whoever launched it
    char                     *origin;  // the same: what it goes on from, in words; NULL: anew
    struct wr_control_socket *control; // the same: through which it is commanded; NULL: it is not
    struct wr_coordinator    *coordinator; // of its checkpoints; NULL: it takes none
    pthread_t                 coordinator_thread;
    bool                      has_coordinator_thread;
    struct wr_shared         *shared; // resources that nodes use together; see share.c

    uint32_t        is_stopping;   // any thread sets it; sources read it
    uint32_t        drains;        // with is_stopping
    uint32_t        has_failed;    // set once, under lock; everybody reads it
    uint32_t        tight_count;   // tasks that want sources slowed; sources read it
    uint64_t        handover;      // the barrier at which tasks hand over, and end; 0: none
    uint32_t        running_count; // threads not yet done; under lock
    uint64_t        simulation_seed;
    weir_status     status;  // under lock
    char           *failure; // the first one's sentence; under lock
    pthread_mutex_t lock;
    pthread_mutex_t serial;    // of user functions that must not overlap
    pthread_mutex_t sharing;   // guards `shared`
    pthread_mutex_t counting;  // held while counters are read, and while `now` is changed
    pthread_mutex_t rescaling; // held while another number of workers is asked for
    pthread_cond_t  ended;
};

struct wr_run_options {
    struct wr_environment *environment;
    bool                   owns_environment; // it is closed with the run
    const char            *job_name;         // kept
    uint64_t               seed;
    int64_t                spin_us;
    bool                   is_simulated;
    const struct wr_until *until; // kept; NULL: it is no replay
    bool                   forgets_partitions;
};

// Making a run: open it, and its generation: add tasks in topological order of their stages, add
// their nodes, join nodes and tasks; then wr_run_prepare. Nothing here fails; what an operator's
// open refuses is a failed run.
struct weir_run *wr_run_open(const struct wr_run_options *options);
void             wr_run_close(struct weir_run *run);

// generation.c. The first one that is opened is the run's.
struct wr_generation *wr_generation_open(struct weir_run                    *run,
                                         const struct wr_generation_options *options);
// Takes apart all but its workers, who must have ended.
void wr_generation_empty(struct wr_generation *generation);
// Together with those before it; NULL is fine.
void wr_generation_close(struct wr_generation *generation);
// Of the generation now; signal handlers too.
static inline struct wr_generation *wr_run_now_any(const struct weir_run *run)
{
    // Pairs with the release in wr_run_set_generation.
    return __atomic_load_n(&run->now, __ATOMIC_ACQUIRE);
}
// All nodes are joined and none is open: deals the tasks to their workers and opens the operators.
void wr_generation_prepare(struct wr_generation *generation);
// Fetches the first memory for its tables, which takes the system milliseconds, before a run has to
// wait for it.
void wr_generation_warm(struct wr_generation *generation);
// The first failure wins: a candidate's is its own, else it is the run's. Any thread.
void wr_generation_fail_any(struct wr_generation *generation, weir_status status,
                            const char *sentence);
// False: the candidate has failed; *error says why (to be freed).
bool wr_generation_is_sound_any(struct wr_generation *candidate, struct wr_error *error);
// From here on it is no candidate. False: it has failed, and now the run has.
bool wr_generation_begin(struct wr_generation *candidate);
// The first node of the operator of that name; NULL: it has none.
struct wr_node *wr_generation_first_node(const struct wr_generation *generation, const char *name);
// `next` is the run's from here on. The workers of the one before stay until the run is closed:
// somebody may be about to wake them.
void wr_run_set_generation(struct weir_run *run, struct wr_generation *next);

struct wr_task_outline {
    uint32_t worker, stage;
    uint32_t instance, parallelism; // task i of n of its stage
    uint32_t node_count;
    size_t   state_budget;
    // Where state over the budget goes; NULL: it may not.
    const char *spill_directory;
    bool        slows_sources; // when its state comes near the budget
};
struct wr_task *wr_generation_add_task(struct wr_generation         *generation,
                                       const struct wr_task_outline *outline);

// What a node is made of.
struct wr_output_outline {
    const weir_type *type; // NULL: there is no such output
    uint32_t         columns;
    const void      *hashed_by; // of its hash column, if it has one
    bool             sends_changes;
    bool             is_used;
};
struct wr_node_outline {
    const struct wr_spec           *spec; // kept
    const struct wr_output_outline *outputs;
    uint32_t                        output_count;
    uint32_t                        inlet_count; // fused edges into it
    uint32_t                        block_bytes; // of its outputs' batches
    uint32_t                        alignment_base;
};
// node.c: the task's next node.
struct wr_node *wr_task_add_node(struct wr_task *task, const struct wr_node_outline *outline);
void            wr_node_close(struct wr_node *node);
void            wr_node_close_operator(struct wr_node *node); // once
// When all is joined: an input for each channel, if it is fed by channels, else for each inlet.
void wr_node_init_watermarks(struct wr_node *node, uint32_t channel_count);
// Rows of `from`'s output are read by `to`, a later node of the same task.
void wr_node_join(struct wr_node *from, uint32_t output, struct wr_node *to);

// Layouts live as long as the generation.
const struct wr_batch_layout *wr_generation_add_layout(struct wr_generation *generation,
                                                       const weir_type *type, uint32_t columns,
                                                       const void *hashed_by, uint32_t block_bytes);

struct wr_channel *wr_generation_add_channel(struct wr_generation         *generation,
                                             const struct wr_batch_layout *layout, uint32_t credits,
                                             const struct wr_task *from, struct wr_task *to);

// Before wr_run_prepare, if at all: the run takes checkpoints by this coordinator (handed), and
// goes on from the one that its store was opened at, if there is one.
void wr_run_take_checkpoints(struct weir_run *run, struct wr_coordinator *coordinator);
// Opens the operators, deals the tasks to their workers, and takes up what a checkpoint holds.
void wr_run_prepare(struct weir_run *run);

// Starts the threads; or one that simulates, and copies the simulated disk to the real one.
void wr_run_start(struct weir_run *run);
// The same of a generation's workers alone. False: the system refuses a thread, and the run has
// failed.
bool wr_generation_start(struct wr_generation *generation);
// Waits for its workers to have ended.
void wr_generation_join(struct wr_generation *generation);
void wr_run_start_simulation(struct weir_run *run, uint64_t seed);
// Runs everything on this thread, in an order drawn from the seed.
void wr_run_simulate(struct weir_run *run, uint64_t seed);

// The same turn by turn, by whoever prepared the run and starts no thread. Each turn is one step of
// a worker, of one task or of the coordinator, and takes some microseconds of virtual time.
struct wr_turns {
    struct weir_run *run;
    uint64_t         random;
    uint64_t         count; // so far
    uint64_t         trace; // a number made of all of them
    uint32_t         quiet; // in a row, in which there was nothing to do
};
void wr_turns_init(struct wr_turns *turns, struct weir_run *run, uint64_t seed);
// One turn, of a run that is not over. False: nobody has anything to do until time passes.
bool wr_turns_take(struct wr_turns *turns);
// The run has ended, or failed.
bool wr_turns_are_over(const struct wr_turns *turns);
// When somebody wants a turn although nothing happened; INT64_MAX: nobody.
int64_t wr_turns_wake_at(const struct wr_turns *turns);

// So many threads have ended, or will never start.
void wr_run_end_threads_any(struct weir_run *run, uint32_t count);
// Waits for the threads to have ended, and takes them back.
void wr_run_join(struct weir_run *run);
// After that: closes the operators, which may still fail the run.
void wr_run_close_operators(struct weir_run *run);

// The first failure wins, and everybody stops.
void wr_run_fail_any(struct weir_run *run, weir_status status, const char *sentence);
bool wr_run_has_failed_any(const struct weir_run *run);
bool wr_run_is_stopping_any(const struct weir_run *run);
void wr_run_wake_all_any(struct weir_run *run);
// Asks every source for a barrier.
void wr_run_barrier_any(struct weir_run *run, uint64_t barrier);

// ---- counters ----

// A counter of all nodes of that name (NULL: of all sources), combined: sums; of watermarks the
// least.
uint64_t wr_run_counter_any(struct weir_run *run, const char *name, enum wr_counter counter);

// What is left of a run's counters when it is gone.
struct wr_tally;
struct wr_tally *wr_tally_open(const struct weir_run *run);
void             wr_tally_close(struct wr_tally *tally); // NULL is fine
uint64_t wr_tally_counter(const struct wr_tally *tally, const char *name, enum wr_counter counter);

#endif // WR_RUN_H
