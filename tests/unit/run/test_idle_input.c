// An input that is idle holds nobody back, also when a barrier comes through it.
#include "runtime/connector.h"
#include "runtime/run/run.h"
#include <weir.h>

#include <criterion/criterion.h>
#include <time.h>

typedef struct tick {
    weir_time at;
} tick;
WEIR_RECORD(tick, at);

static void make(tick *t, uint64_t number, weir_time due)
{
    (void)number;
    t->at = due;
}
WEIR_GENERATOR(ticks, tick, make);

// ---- a source that has one old record, and then nothing, but does not end ----

struct quiet_reader {
    struct wr_reader reader;
    bool             has_sent;
};

static const weir_event_time_options quiet_times = { .field = "at", .idle_after = 1000 };

static const weir_event_time_options *quiet_time(const void *options)
{
    (void)options;
    return &quiet_times;
}
static bool quiet_list(struct wr_environment *environment, const void *options,
                       struct wr_partition_list *list, weir_status *status, char **error)
{
    (void)environment;
    (void)options;
    (void)status;
    (void)error;
    list->count    = 1;
    list->names    = wr_alloc(sizeof(*list->names));
    list->names[0] = wr_copy_text("quiet");
    return true;
}
static bool         quiet_open(struct wr_reader *reader) { return reader != NULL; }
static void         quiet_close(struct wr_reader *reader) { (void)reader; }
static enum wr_read quiet_read(struct wr_reader *reader)
{
    struct quiet_reader *quiet  = (struct quiet_reader *)reader;
    struct wr_output    *output = &reader->node->outputs[WR_OUTPUT_MAIN];
    if (quiet->has_sent) {
        return WR_READ_QUIET;
    }
    ((tick *)wr_output_row(output))->at = 1;
    wr_output_commit(output, 1);
    quiet->has_sent = true;
    return WR_READ_ROWS;
}
static const struct wr_connector quiet_connector = {
    .verb         = "quiet",
    .reader_bytes = sizeof(struct quiet_reader),
    .time         = quiet_time,
    .list         = quiet_list,
    .open         = quiet_open,
    .close        = quiet_close,
    .read         = quiet_read,
};

// ---- a sink that notes barriers ----

enum { TAPS = 2 };
static uint64_t passes; // of barriers through taps

static void tap_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    (void)node;
    inlet->next = inlet->count;
}
static bool tap_barrier(struct wr_node *node, uint64_t barrier)
{
    (void)node;
    (void)barrier;
    (void)__atomic_fetch_add(&passes, 1, __ATOMIC_RELEASE);
    return true;
}
static const struct wr_operator tap_operator = {
    .verb       = "tap",
    .node_bytes = sizeof(struct wr_node),
    .rows       = tap_rows,
    .barrier    = tap_barrier,
};

static void wait_a_little(void) { nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL); }

static weir_time watermark_of(const weir_job *job)
{
    return (weir_time)weir_job_counter(job, "tap", WEIR_WATERMARK);
}

// Ends when the watermark is past `least`; the test's time limit ends what waits for ever.
static weir_time wait_for_watermark(const weir_job *job, weir_time least)
{
    while (watermark_of(job) <= least) {
        wait_a_little();
    }
    return watermark_of(job);
}

Test(idle_input, stays_idle_when_a_barrier_comes_through_it, .timeout = 240)
{
    weir_job                    *job   = weir_job_open("idle");
    const weir_generator_options paced = { .rate = 2000, .time = { .field = "at" } };
    const weir_stream            quiet =
        wr_job_add_source(job, &quiet_connector, "quiet", wr_alloc(1), NULL, &tick_type, wr_free);
    const weir_stream both =
        weir_union((weir_stream[]){ quiet, weir_generate(job, &ticks, &paced) }, 2);
    (void)wr_job_add_sink(both, &tap_operator, "tap", NULL, NULL, TAPS, NULL);

    weir_run *run = weir_run_start(job, &(weir_run_options){ .workers = 2, .is_unpinned = true });
    cr_assert_not_null(run, "%s", weir_job_error(job));
    weir_time watermark = wait_for_watermark(job, 2);
    for (uint64_t barrier = 1; barrier <= 3; barrier++) {
        wr_run_barrier_any(run, barrier);
        while (__atomic_load_n(&passes, __ATOMIC_ACQUIRE) < TAPS * barrier) {
            wait_a_little();
        }
        watermark = wait_for_watermark(job, watermark + 20000);
    }
    weir_run_stop_any(run, false);
    cr_assert_eq(weir_run_close(run), WEIR_OK);
    weir_job_close(job);
}
