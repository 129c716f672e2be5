// testing: the simulation as a product; see weir/test.h for what it does.
//
//   weir_test --- the job --- test sources: queues of what is fed, one a partition
//       |             \------ test sinks: what is pending, prepared, committed
//       \---- environment (virtual clock, disk), run (one life), turns (its steps)
//
// A life ends with a crash or with the job; queues, sinks and the disk outlive it. Queues and sinks
// belong to the job's operators, so that they are found by name.
//
// Thread rule: all of it on the caller's thread.
#ifndef WR_TESTING_H
#define WR_TESTING_H

#include "connectors/collect/collection.h"
#include "runtime/plan/plan.h"
#include <weir/test.h>

#include <stdio.h>

// ---- source.c ----

enum wr_test_verb { WR_TEST_RECORD, WR_TEST_WATERMARK, WR_TEST_IDLE, WR_TEST_END };

struct wr_test_item {
    enum wr_test_verb verb;
    size_t            record; // its number among the partition's records
    weir_time         time;   // of a watermark
};

// What was fed, from the beginning: a reader may come back to any of it.
struct wr_test_queue {
    weir_collection     *records;
    struct wr_test_item *items;
    size_t               count, capacity;
    bool                 has_ended;
};

struct wr_test_input {
    const weir_type         *type;
    weir_test_source_options options;
    struct wr_test_queue    *queues; // of each partition
    struct wr_json_plan     *json;   // of late lines and dead letters
    bool                     is_tested;
};

// That of the job's test source of this name; NULL: there is none.
struct wr_test_input *wr_test_input_named(const weir_job *job, const char *name);
// The name of the i-th test source, NULL beyond the last.
const char *wr_test_input_name(const weir_job *job, uint32_t index);
void        wr_test_input_add(struct wr_test_input *input, uint32_t partition,
                              const struct wr_test_item *item);

// ---- sink.c ----

// What a task set aside at a barrier, prepared: in a checkpoint by its token.
struct wr_test_piece {
    uint64_t         token;
    weir_collection *rows;
};

struct wr_test_part {
    weir_collection *taken, *set_aside; // NULL: nothing
};

// Invariant: a row is in one of taken, set_aside, a piece, committed; a crash throws the first two
// away, a restore decides about pieces.
struct wr_test_output {
    const weir_type      *type;
    const weir_field    **identity; // the fields that name a row
    uint32_t              identity_count;
    struct wr_test_part  *parts; // of each task
    uint32_t              part_count;
    struct wr_test_piece *pieces; // in the order in which they were prepared
    uint32_t              piece_count;
    uint64_t              last_token;
    weir_collection      *committed;
    weir_collection      *pending; // a copy for the test
    bool                  is_tested;
};

struct wr_test_output *wr_test_output_named(const weir_job *job, const char *name);
const char            *wr_test_output_name(const weir_job *job, uint32_t index);
// The process is gone, and what was not prepared with it.
void wr_test_output_die(struct wr_test_output *output);
// Rows that are not committed, in `pending`.
void wr_test_output_gather(struct wr_test_output *output);
void wr_test_output_take(struct wr_test_output *output);

// ---- describe.c ----

// "{card: 7, at: 2026-03-01T10:00:00Z, region: "north"}"
void wr_test_describe(FILE *to, const weir_type *type, const void *record);
// A value of one of its fields.
void wr_test_describe_field(FILE *to, const weir_field *field, const void *record);

// ---- expect.c ----

// Rows as texts, equal ones together, with how many there are of each.
struct wr_test_row {
    char       *text;
    const char *record;
    int64_t     count;
};
struct wr_test_rows {
    struct wr_test_row *rows;
    size_t              count;
};
// `collection` has rows as the sink takes them; its own, or what a test expects.
struct wr_test_rows wr_test_rows_of(const struct wr_test_output *output,
                                    const weir_collection *collection, weir_test_order order);
void                wr_test_rows_fini(struct wr_test_rows *rows);
// NULL: they are the same, in any order. Else a wr_alloc'ed sentence about the sink of this name.
char *wr_test_rows_compare(const char *sink, const weir_type *type,
                           const struct wr_test_rows *expected, const struct wr_test_rows *found);
// The same of rows in their order.
char *wr_test_rows_compare_in_order(const char *sink, const weir_type *type,
                                    const struct wr_test_rows *expected,
                                    const struct wr_test_rows *found);

// ---- test.c ----

// What makes a job die, live again and take checkpoints by itself; weir_test_permute. Checkpoints
// come by steps and not by time, and not for ever, so that a test comes to rest.
struct wr_test_fate {
    uint64_t random;
    uint32_t crashes_left;
    uint32_t most_workers;
    uint64_t steps_between; // crashes, at most
    uint32_t checkpoints_left;
    uint64_t checkpoint_at, checkpoint_every; // steps
    FILE    *story;
};

struct weir_test {
    weir_job              *job;
    struct wr_environment *environment;
    weir_run              *run; // NULL: it is down, or has ended
    weir_test_options      options;
    struct wr_turns        turns;
    uint64_t               random; // of crashes and of the lives' seeds
    uint64_t               lives;
    uint64_t               steps, trace; // of the lives before this
    bool                   is_down;
    bool                   is_doomed; // it dies at that step
    uint64_t               dies_at;
    weir_test_death        death;
    struct wr_test_fate   *fate;  // NULL: the test decides
    char                  *error; // the first mistake
    char                  *sentence;
    weir_collection       *nothing; // what there is to read after a mistake
};

void wr_test_mistake(weir_test *test, const char *sentence, ...) WEIR_PRINTF(2, 3);
// Draws when it dies next, if it is to.
void wr_test_doom(weir_test *test);

#endif // WR_TESTING_H
