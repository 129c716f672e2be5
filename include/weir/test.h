// weir/test.h: a job tested in the simulation, step by step, crashes included.
//
//   weir_job   *job    = weir_job_open("shop");
//   weir_stream clicks = weir_test_source(job, "clicks", &click_type, &in_order);
//   weir_test_sink(count_by_minute(clicks), "counts", NULL);
//
//   weir_test *test = weir_test_open(job, NULL);
//   weir_test_feed(test, "clicks", 0, &click_type, three_clicks, 3);
//   weir_test_checkpoint(test);
//   weir_test_feed(test, "clicks", 0, &click_type, one_more, 1);
//   weir_test_crash(test, WEIR_TEST_POWER_CUT, 0);
//   weir_test_restore(test, 3);
//   weir_test_finish(test);
//   wrong = weir_test_expect(test, "counts", &count_type, expected, 2, WEIR_TEST_ANY_ORDER);
//   weir_test_close(test);
//
// The job runs on the calling thread, on a virtual clock and a disk in memory, with as many workers
// as the test likes, whose steps are taken in an order drawn from a seed; the user's functions are
// called from within the calls below. Sources and sinks are found by the names of their operators.
//
// Mistakes are sticky: the first one, of the test or of the job, is kept; later calls do nothing,
// and weir_test_expect has that sentence to say. Other sources and sinks work too: files are read
// from the real disk, what is written stays in memory.
//
// Not in weir.h: a program that ships has no use for it.
#ifndef WEIR_TEST_H
#define WEIR_TEST_H

#include <weir/job.h>
#include <weir/run.h>
#include <weir/source.h>

typedef struct weir_test weir_test;

// Zero means the default written beside each field. Copied.
typedef struct weir_test_source_options {
    uint32_t   partitions; // 0: 1
    weir_check check;      // as of the sources of files; NULL: every record is good
    void      *opaque;
    // As of any source, but for align_within: 0 is no limit, so that a partition is read whenever
    // it was fed. With out_of_order = WEIR_TIME_MAX all watermarks come by weir_test_watermark.
    weir_event_time_options time;
} weir_test_source_options;

// Zero means the default written beside each field. Copied.
typedef struct weir_test_options {
    uint32_t         workers;     // 0: 2
    uint64_t         seed;        // of the order of steps, and of all that is left to chance; 0: 1
    uint32_t         batch_bytes; // as in weir_run_options; small batches make many interleavings
    uint32_t         credits;
    uint64_t         state_budget;
    weir_over_budget over_budget;  // a spilled segment goes to the disk in memory
    weir_time checkpoint_interval; // 0: they are taken by weir_test_checkpoint only; 5 ms or more
} weir_test_options;

// Every partition of a source.
#define WEIR_TEST_EVERY_PARTITION UINT32_MAX

typedef enum weir_test_death {
    WEIR_TEST_KILL      = 0, // of the process: what it wrote is there
    WEIR_TEST_POWER_CUT = 1  // of what it wrote and did not sync, some is lost
} weir_test_death;

// How rows are compared. A row that is not inserted ("delete", "update before", "update after") is
// another one than the same inserted.
typedef enum weir_test_order {
    WEIR_TEST_ANY_ORDER = 0,
    WEIR_TEST_IN_ORDER  = 1,
    WEIR_TEST_REMAINING = 2 // any order; what remains when the changes are applied by identity
} weir_test_order;

WEIR_BEGIN

// ---- the ends of the job ----

// A source that sends what it is fed. It can be read again from any position by itself.
WEIR_API weir_stream weir_test_source(weir_job *job, const char *name, const weir_type *type,
                                      const weir_test_source_options *options); // NULL: defaults
// A sink whose rows show with the checkpoint that counts them, exactly once. `identity` names the
// fields by which a later row replaces or withdraws an earlier one, "card,minute"; NULL where rows
// are only inserted.
WEIR_API weir_stream weir_test_sink(weir_stream in, const char *name, const char *identity);

// ---- the test ----

// Starts the job, which is handed over and closed with the test. `options` may be NULL.
WEIR_API weir_test  *weir_test_open(weir_job *job, const weir_test_options *options);
WEIR_API void        weir_test_close(weir_test *test);       // NULL may be closed
WEIR_API const char *weir_test_error(const weir_test *test); // NULL: none so far; the test's own

// ---- what comes in ----
//
// It waits in its partition until the job takes the steps to read it. Records of one partition stay
// in order; between partitions the seed decides, unless weir_test_settle stands in between. While
// the job is down it may be fed all the same.

// `type` is that of the source; records and their strings are copied.
WEIR_API void weir_test_feed(weir_test *test, const char *source, uint32_t partition,
                             const weir_type *type, const void *records, size_t count);
// Nothing before `time` comes in the partition any more (what comes all the same may be late).
WEIR_API void weir_test_watermark(weir_test *test, const char *source, uint32_t partition,
                                  weir_time time);
// It holds nobody back until it is fed again.
WEIR_API void weir_test_idle(weir_test *test, const char *source, uint32_t partition);
// Nothing more will be fed.
WEIR_API void weir_test_end(weir_test *test, const char *source, uint32_t partition);

// ---- what is done ----

// All that can be done now: until only time or the test can bring more.
WEIR_API void weir_test_settle(weir_test *test);
// At most so many steps of it.
WEIR_API void weir_test_step(weir_test *test, uint64_t steps);
// Lets virtual time pass, and what is due in it happen: idleness, schedules, checkpoints.
WEIR_API void weir_test_advance(weir_test *test, weir_time span);
// Settles, takes a checkpoint and settles: what was sent to the sinks so far is committed.
WEIR_API void weir_test_checkpoint(weir_test *test);
// Ends all test sources and runs the job to its end, its last checkpoint included.
WEIR_API void weir_test_finish(weir_test *test);

// Gives the job so many workers while it goes on, as weir_run_rescale_any does: takes steps until
// the new ones have taken over. At most 1,024. Nothing while it is down, or when all its sources
// have ended.
WEIR_API void weir_test_rescale(weir_test *test, uint32_t workers);

// ---- crashes ----

// The process dies before the next step, or when it has taken `after_steps` more, in whatever call
// that is. Until weir_test_restore nothing is done and time only passes by weir_test_advance; to
// ask for a checkpoint, the end, or what is expected is a mistake then.
WEIR_API void weir_test_crash(weir_test *test, weir_test_death death, uint64_t after_steps);
WEIR_API bool weir_test_is_down(const weir_test *test);
// Starts it again with so many workers (0: as many as before) from its last checkpoint, or from its
// beginning if there is none. If it is still up, the crash it waits for comes now: else a kill.
WEIR_API void weir_test_restore(weir_test *test, uint32_t workers);

// ---- what came out ----

// The rows of a sink that are committed, in the order of commits; or those it was sent beyond
// these, which a crash withdraws. Valid until the next call. After a mistake there are none.
WEIR_API const weir_collection *weir_test_committed(weir_test *test, const char *sink);
WEIR_API const weir_collection *weir_test_uncommitted(weir_test *test, const char *sink);
// Those committed so far are done with: from here on only what comes behind them counts.
WEIR_API void weir_test_take(weir_test *test, const char *sink);

// As of weir_job_counter. The watermark is that of the operator's slowest task.
WEIR_API uint64_t  weir_test_counter(weir_test *test, const char *operator_name,
                                     weir_counter counter);
WEIR_API weir_time weir_test_watermark_of(weir_test *test, const char *operator_name);
WEIR_API weir_time weir_test_now(const weir_test *test);   // the virtual wall clock
WEIR_API uint64_t  weir_test_steps(const weir_test *test); // taken so far, in all lives
// A number made of every step: the same in two tests with the same seed and calls, or a function of
// the job depends on something else than its records.
WEIR_API uint64_t weir_test_trace(const weir_test *test);

// NULL: the committed rows of the sink that were not taken are these records. Else what is wrong,
// with the differing rows field by field; the test's own, until the next such call. Fields are
// compared as WEIR_RECORD lists them.
WEIR_API const char *weir_test_expect(weir_test *test, const char *sink, const weir_type *type,
                                      const void *records, size_t count, weir_test_order order);

// ---- any order, any crash ----

// Zero means the default written beside each field.
typedef struct weir_test_property {
    weir_job *(*build)(void *opaque);            // a new job, with test sources and sinks
    void (*play)(weir_test *test, void *opaque); // feeds it; all sources end behind that
    void    *opaque;
    uint64_t first_seed; // 0: 1
    uint32_t seeds;      // 0: 50
    uint32_t crashes;    // at most so many a seed; 0: 3
    uint32_t workers;    // at most; 0: 4
} weir_test_property;

// Is the job right under any order and any crash? Plays it once on one worker without a crash, then
// under each seed with workers, batches, checkpoints, kills, power cuts, restores onto other
// numbers of workers and changes of that number on the way drawn from it, and compares what remains
// in each sink (as WEIR_TEST_REMAINING). NULL: it is always the same. Else a sentence with the
// seed, to be freed with free().
WEIR_API char *weir_test_permute(const weir_test_property *property);

WEIR_END

#endif // WEIR_TEST_H
