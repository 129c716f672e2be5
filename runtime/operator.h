// operator.h: what an operator is to the task that runs it. One file an operator, in operators/.
//
//   inlet ---> rows() ---> output ---> inlets of the next nodes of the chain (or an exchange, a
//   sink)
//
// A node is one operator in one task. Its task calls it; it never blocks, never waits, and resumes
// at a row: rows() takes what its outputs have room for, moves inlet->next, and is called again
// when everything behind it in the chain has been consumed. So, whenever a function of a node is
// called, the batches of its own outputs are free to be written again.
//
// Thread rule: everything here belongs to the task's worker thread.
#ifndef WR_OPERATOR_H
#define WR_OPERATOR_H

#include "runtime/base/environment.h"
#include "runtime/base/error.h"
#include "runtime/flow/flow.h"
#include "runtime/progress/progress.h"
#include "runtime/state/spill.h"
#include "runtime/state/state.h"
#include "runtime/watch/watch.h"
#include <weir/bind.h>

struct wr_node;
struct wr_task;

// Rows on their way into a node: of `batch`, those `selection` names, or rows 0 to count - 1.
struct wr_inlet {
    struct wr_node        *node;
    uint32_t               index; // among the node's inlets
    const struct wr_batch *batch;
    const uint16_t        *selection; // NULL: all
    uint32_t               count;
    uint32_t               next; // the first not yet consumed; next == count: nothing pending
};

// Numbers of a node's outputs. Branches of a split and side outputs follow.
enum { WR_OUTPUT_MAIN = 0, WR_OUTPUT_LATE = 1, WR_OUTPUT_REJECTS = 2, WR_OUTPUT_SIDES = 3 };

// Where a node's rows go. `batch` is the node's own, to be filled through wr_output_row; a node
// that narrows a batch it was given passes that on instead, with a selection of its own.
struct wr_output {
    bool                   is_used; // someone listens; rows for an unused output are only counted
    struct wr_batch_layout layout;
    struct wr_batch       *batch;
    bool                   is_delivered; // the task's: consumers have seen it
    const struct wr_batch *passed;       // NULL: `batch` is what is delivered
    const uint16_t        *selection;
    uint32_t               count; // of passed
    struct wr_inlet      **consumers;
    uint32_t               consumer_count;
    char                  *staged; // rows a user function emitted that are not yet in the batch
    struct wr_staged      *staged_facts;
    uint32_t               staged_count, staged_next, staged_capacity;
};

struct wr_staged {
    weir_time time;
    uint64_t  hash;
    uint8_t   change;
};

enum wr_poll {
    WR_POLL_ROWS,  // rows or watermarks were made
    WR_POLL_LATER, // nothing now; node->wake_at_us says when to ask again (or a waker will)
    WR_POLL_END    // no more, ever
};

// What an operator is made of: static, by designated initialisers.
struct wr_operator {
    const char *verb;
    size_t      node_bytes; // of the operator's own struct, whose first member is struct wr_node
    // Before the first row, on any thread. False: wr_node_fail has said why.
    bool (*open)(struct wr_node *node);
    void (*close)(struct wr_node *node); // also after a failed open
    // Consumes rows of the inlet while the outputs have room.
    void (*rows)(struct wr_node *node, struct wr_inlet *inlet);
    // The watermark is about to become `watermark` (> node->watermark). Emits at most what fits;
    // true when done. NULL: nothing to do. Timers fire here.
    bool (*advance)(struct wr_node *node, weir_time watermark);
    // Everything before it has ended and its watermark is what it will be. True when done.
    bool (*finish)(struct wr_node *node);
    // Checkpoint `barrier` lies here: everything before it is consumed, nothing after it is. Lets
    // go of what is not state yet; true when done, else it is called again.
    bool (*barrier)(struct wr_node *node, uint64_t barrier);
    // The barrier before was the last of its task, and others go on from there: gives away what it
    // has that is not kept. NULL: nothing.
    void (*leave)(struct wr_node *node);
    // After open, when what it keeps (see wr_node_keep_table) has come back from a checkpoint:
    // makes anew what follows from it. False: wr_node_fail has said why.
    bool (*restored)(struct wr_node *node);
    // Sources only: makes the next rows; see enum wr_poll.
    enum wr_poll (*poll)(struct wr_node *node);
    // Lets go of what it holds back for the sake of larger batches. True if something left.
    bool (*flush)(struct wr_node *node, bool is_forced);
    // The path of the file it writes, where it writes one; NULL: none. "-" is no file.
    const char *(*writes)(const void *options);
    // Of sinks: what their output promises in a run with checkpoints, whatever crashes: "exactly
    // once", or "at least once" and in brackets why no more. Static. NULL: it is no sink.
    const char *(*guarantee)(struct wr_environment *environment, const void *options);
    const struct wr_committer *committer; // of sinks whose output shows with a checkpoint; or NULL
    bool passes_rows; // its outputs are selections of its input: they get no batch of their own
    bool uses_time;   // it needs its input's event time column
};

// A sink whose output shows when the checkpoint that counts it is durable, and never without it.
// In `barrier`, on the worker, the node sets aside what it has taken since the barrier before, and
// from then on takes what belongs to the next; it is not called again until that is prepared. The
// other functions are called by the coordinator's thread, or before the workers start; they may
// wait for a disk. False: *error says why, and the run fails with that status.
//
//   barrier n --> prepare --> token in checkpoint n --> n is durable --> commit
//                                          a crash here --> recover with the tokens of n
enum { WR_TOKEN_BYTES = 256 };
struct wr_token {
    uint32_t length;
    char     bytes[WR_TOKEN_BYTES];
};
struct wr_committer {
    // Makes what was set aside durable, but shows it to nobody. The token names it for ever; one
    // of length 0: there is nothing.
    bool (*prepare)(struct wr_node *node, uint64_t checkpoint, struct wr_token *token,
                    struct wr_error *error);
    // Shows it. Again is nothing.
    bool (*commit)(struct wr_node *node, const struct wr_token *token, struct wr_error *error);
    // Once an operator, before any row: shows what the tokens name, and withdraws all else that was
    // ever prepared for the operator.
    bool (*recover)(struct wr_node *node, const struct wr_token *tokens, uint32_t count,
                    struct wr_error *error);
};

// How the user declared it; shared by all its nodes, never written after the plan is made.
struct wr_spec {
    const struct wr_operator *operator_;  // "operator" is a word of C++
    const char               *name;       // stable: state is found by it
    const void               *binding;    // weir_..._binding of the verb; kept
    const weir_key_binding   *key;        // of keyed operators; kept
    const void               *options;    // the verb's own, copied into the job
    const void               *parameters; // of weir_with, copied into the job
    uint32_t                  id;
};

struct wr_call; // what weir_call is inside
struct wr_kept; // what a node keeps over a crash; run/kept.c

// The hot part first; see each field's comment for who writes it.
struct wr_node {
    const struct wr_operator *ops;
    const struct wr_spec     *spec;
    struct wr_task           *task;
    struct wr_environment    *environment;
    struct wr_pool           *pool; // the task's, for tables
    struct wr_output         *outputs;
    uint32_t                  output_count;
    uint32_t                  index;                 // in its task
    uint32_t                  instance, parallelism; // task i of n of its stage
    weir_time                 watermark;             // what it has processed
    struct wr_watermarks      watermarks;            // over its inlets
    struct wr_inlet          *inlets;
    uint32_t                  inlet_count;
    struct wr_counters       *counters; // written by this node, read by anyone
    uint64_t                  seed;     // the job's hash seed
    uint32_t                  range_bits;
    int64_t                   wake_at_us; // monotonic; INT64_MAX: no need
    struct weir_call         *call;
    bool                      sends_changes;   // its main output may carry updates and deletes
    struct wr_letter         *letters;         // dead letters that wait for room, oldest first
    bool                      holds_watermark; // the task's: rows of the last advance go first
    bool                      has_handed_idle; // the task's, of sources
    bool                      is_closed;       // the run's: its operator is
    uint32_t             is_setting_aside; // until the coordinator has prepared it; see committer
    struct wr_park      *park; // the worker's: for requests, wake = wr_node_wake_any, waker = park
    weir_time            source_watermark; // sources: after the rows made so far; never falls
    bool                 source_is_idle;
    struct wr_kept      *kept;
    struct wr_alignment *alignment;      // sources: how far each partition of the job has come
    uint32_t             alignment_base; // the number of this source's first partition in it
};

// What a user function sees as weir_call.
struct weir_call {
    struct wr_node          *node;
    weir_time                event_time;
    weir_time                watermark; // the task's: what the node has, or advances to
    uint8_t                  change;
    uint8_t                  is_rejected;
    uint8_t                  is_cleared; // weir_state_clear
    uint32_t                 emitted, most;
    uint32_t                 row;      // of `record` in `batch`
    uint16_t                *rejected; // rows since the last reset, in the order of the calls
    uint32_t                 rejected_count, rejected_capacity;
    uint64_t                 hash; // of the key at hand
    const void              *key;
    const struct wr_batch   *batch; // the record's
    const void              *record;
    char                    *scratch; // grown as needed, reset between records
    size_t                   scratch_used, scratch_bytes;
    struct wr_scratch_block *scratch_more;
};

// ---- for operators ----

// Stops the job with one sentence, prefixed with the job's and the operator's name.
void wr_node_fail(struct wr_node *node, const char *sentence, ...) WEIR_PRINTF(2, 3);
// The same with a status of its own, which the command's exit code tells.
void wr_node_fail_as(struct wr_node *node, weir_status status, const char *sentence, ...)
    WEIR_PRINTF(3, 4);

// For struct wr_request: wakes the worker whose park is given.
void wr_node_wake_any(void *park);

// True when the job has failed: what is done now is thrown away.
bool wr_node_has_failed(const struct wr_node *node);

// Nobody holds a pointer into a table of the task: what they point at may be written to a file to
// make room. Between two calls of a node's functions that is so anyway; a function that loops over
// many keys says it in between, so that the task does not need memory for all of them at once.
static inline void wr_node_release_state(const struct wr_node *node)
{
    wr_spill_release(wr_pool_spill(node->pool));
}

// Whether the run takes checkpoints; the same from open to close.
bool wr_node_is_checkpointed(const struct wr_node *node);
// The number of the node's generation: of two nodes of one task number the one with the higher
// number came to take over from the other (weir_run_rescale_any), and was opened while that worked.
uint32_t wr_node_generation(const struct wr_node *node);
// Whether the run is a replay (weir_run_options.until): nothing outside of its own directory is
// written, and sources do not wait for what is yet to come.
bool wr_node_is_replay(const struct wr_node *node);
// Of a replay: where the node's partition of that name is read to; see struct wr_limit of
// connectors. False: nothing was said of it.
bool wr_node_limit(const struct wr_node *node, const char *partition, uint64_t *offset,
                   weir_time *time);
// The job's name; with spec->name the node's operator is told from all others of all jobs.
const char *wr_node_job(const struct wr_node *node);

// How many rows without long strings `output` takes now. Output must be used.
static inline uint32_t wr_output_room(const struct wr_output *output)
{
    return wr_batch_room(output->batch);
}

// The place of the next row (row_count of the batch); there must be room. Columns are written at
// the same index, then wr_output_commit counts `count` rows written in a row from there; of a type
// with strings, one at a time with wr_output_seal, which is false when the row's strings do not fit
// (the row is then not counted and must be offered again).
static inline void *wr_output_row(const struct wr_output *output)
{
    return wr_batch_row(output->batch, output->batch->row_count);
}
static inline void wr_output_commit(struct wr_output *output, uint32_t count)
{
    output->batch->row_count += count;
    WR_CHECK(output->batch->row_count <= output->batch->row_capacity);
}
static inline bool wr_output_seal(struct wr_output *output)
{
    return wr_batch_seal_row(output->batch, &output->layout);
}

// Passes rows of a batch that is not the node's own: it stays untouched until they are consumed.
// `selection` is the node's own memory.
static inline void wr_output_pass(struct wr_output *output, const struct wr_batch *batch,
                                  const uint16_t *selection, uint32_t count)
{
    output->passed    = batch;
    output->selection = selection;
    output->count     = count;
}

// Staging: rows that a user function emits, up to `most`, kept until they fit. wr_output_stage
// gives a zeroed row; wr_output_unstage moves staged rows to the batch, true when none is left.
void *wr_output_stage(struct wr_node *node, struct wr_output *output, weir_change change,
                      weir_time time);
bool  wr_output_unstage(struct wr_node *node, struct wr_output *output);
// Forgets the staged rows: they do not leave.
static inline void wr_output_withdraw(struct wr_output *output)
{
    output->staged_next = output->staged_count = 0;
}
// Copies the long strings of staged rows into the call's scratch, so that what they point at may
// move.
void wr_output_own_staged(struct wr_node *node, struct wr_output *output);
// Makes room for staging `most` rows; in open().
void wr_output_allow_staging(struct wr_output *output, uint32_t most);

// Counts a dead letter of the node and, if somebody reads them, keeps it until it fits the output.
void wr_node_reject(struct wr_node *node, const char *reason);
// Moves dead letters that wait into the output; true when none waits any more. The task calls it.
bool wr_node_post_letters(struct wr_node *node);
void wr_node_drop_letters(struct wr_node *node);

// A resource that nodes of one run use together, by its key: whoever asks first opens it. From an
// operator's open only. NULL: `open` did not make it, and has called wr_node_fail.
struct wr_share {
    const char *key; // copied
    void *(*open)(struct wr_node *node, const void *options);
    // By the node that gave it back last; the environment is still open.
    void (*close)(struct wr_node *node, void *resource);
    const void *options; // for open
};
void *wr_node_share(struct wr_node *node, const struct wr_share *share);
// Gives it back, once for each time it was got: in the operator's finish or close. NULL is nothing.
void wr_node_unshare(struct wr_node *node, void *resource);

// ---- what a node keeps over a crash ----
//
// Told in open, under names that stay the same: what a checkpoint holds is found by operator, name
// and, where there is one, key. The names and what is pointed at live as long as the node. A node
// writes no code to save them; what else it has follows from these, and is made anew in `restored`.

struct wr_slices;

// What lies in a table's keys and values: records at their offsets, so that a checkpoint can be
// read by people and by programs whose records have changed. A part named "key" is a key, which
// stays as it is. Bytes that are in no part are the operator's own: where parts have changed, those
// it says nothing of, and those a checkpoint lacks, are zeros when the table is restored.
enum { WR_VALUE_PARTS = 3, WR_OWN_PARTS = 2 };
struct wr_value_part {
    const char      *name; // NULL: no more parts; "-": its fields stand for themselves
    const weir_type *type;
    uint32_t         at;
};
struct wr_table_shape {
    const weir_type     *key; // NULL: bytes that mean something to the operator only
    struct wr_value_part parts[WR_VALUE_PARTS];
    // Where `key` is NULL: what the bytes are, each behind the one before as a key's bytes
    // (wr_key_encode, or the record itself); only the last may be padded. `at` is not used.
    struct wr_value_part own_key[WR_OWN_PARTS];
    struct wr_value_part own[WR_OWN_PARTS]; // of the value
};

// A table by the node's key: after a restore it has the entries of the task's key range.
void wr_node_keep_table(struct wr_node *node, const char *name, struct wr_table *table,
                        const struct wr_table_shape *shape);
// Tables by event time, of the same.
void wr_node_keep_slices(struct wr_node *node, const char *name, struct wr_slices *slices,
                         const struct wr_table_shape *shape);
// A number of 64 bits of which there is one a task. From the tasks of before, each task gets the
// least, or the greatest.
enum wr_cell_rule { WR_CELL_LEAST, WR_CELL_GREATEST };
void wr_node_keep_number(struct wr_node *node, const char *name, enum wr_cell_rule rule,
                         void *number);
// In `restored`: whether a kept number that the program says, which state was cut by, is still what
// it was. False: the run has failed, and said so.
bool wr_node_is_still(struct wr_node *node, const char *name, int64_t was, int64_t is);
// Bytes of which there is one a `key` (copied): the name of a partition. They are as they were
// when nothing was kept of the key.
void wr_node_keep_bytes(struct wr_node *node, const char *name, const char *key, void *bytes,
                        uint32_t count);

// User code that no other task of the job may run at the same time (a sink's finish).
void wr_node_enter_serial(struct wr_node *node);
void wr_node_leave_serial(struct wr_node *node);

// Sets up the node's call before user code: parameters, watermark; then per row time and change.
void wr_call_begin(struct wr_node *node, const struct wr_batch *batch, uint32_t row);
// Frees what weir_scratch handed out and forgets who was rejected; after the outputs of a record
// were copied.
void wr_call_reset(struct weir_call *call);
// Whether the next of the rejected rows is this one; `next` counts those that have been met.
static inline bool wr_call_has_rejected(const struct weir_call *call, uint32_t row, uint32_t *next)
{
    const bool is_next = *next < call->rejected_count && call->rejected[*next] == row;
    *next += is_next;
    return is_next;
}
// Copies the row's long strings into the call's scratch, unless they are there already.
void wr_call_own_strings(struct weir_call *call, const struct wr_strings *strings, void *row);

// The i-th pending row's number in its batch.
static inline uint32_t wr_inlet_row(const struct wr_inlet *inlet, uint32_t i)
{
    return inlet->selection != NULL ? inlet->selection[i] : i;
}

#endif // WR_OPERATOR_H
