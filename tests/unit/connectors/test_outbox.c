// The thread around a publisher, on the real disk.
#include "tests/support/log_directory.h"
#include "tests/support/outside.h"

#include <criterion/criterion.h>

struct bench {
    struct log_directory directory;
    weir_log            *log;
    weir_producer       *producer;
    char                *out;
    weir_outbox_target  *target;
    weir_outbox         *outbox;
    char                 warned[500];
};

static const weir_topic events = { .name = "events", .type = &outside_event_type };

static void keep_warning(void *opaque, const char *sentence)
{
    struct bench *bench = opaque;
    (void)snprintf(bench->warned, sizeof(bench->warned), "%s", sentence);
}

static void log_open(struct bench *bench)
{
    const weir_log_options writing = { .writes = true, .creates = true };
    cr_assert_eq(weir_log_open(bench->directory.path, &writing, &bench->log), WEIR_OK);
    cr_assert_eq(weir_log_create_topic(bench->log, &events), WEIR_OK);
    cr_assert_eq(weir_producer_open(bench->log, "events", NULL, &bench->producer), WEIR_OK);
}

static void outbox_open(struct bench *bench)
{
    const weir_outbox_options options = {
        .retry_least = WEIR_MILLISECONDS(2),
        .retry_most  = WEIR_MILLISECONDS(20),
        .warn        = keep_warning,
        .opaque      = bench,
    };
    cr_assert_eq(
        weir_outbox_open(bench->directory.path, "events", bench->target, &options, &bench->outbox),
        WEIR_OK);
}

static void bench_open(struct bench *bench)
{
    *bench        = (struct bench){ .directory = log_directory_open(false) };
    bench->out    = wr_format("%s/out", bench->directory.above);
    bench->target = weir_file_target_open(bench->out);
}

static void bench_close(struct bench *bench)
{
    weir_file_target_close(bench->target);
    if (bench->log != NULL) {
        cr_assert_eq(weir_producer_close(bench->producer), WEIR_OK);
        cr_assert_eq(weir_log_close(bench->log), WEIR_OK);
    }
    wr_free(bench->out);
    log_directory_close(&bench->directory);
}

static void put(struct bench *bench, uint64_t first, uint64_t last)
{
    for (uint64_t value = first; value <= last; value++) {
        const outside_event event = { value };
        cr_assert_eq(weir_producer_append(bench->producer, &event, 1), WEIR_OK);
    }
    cr_assert_eq(weir_producer_flush(bench->producer, -1), WEIR_OK);
}

static void assert_flushed(struct bench *bench)
{
    cr_assert_eq(weir_outbox_flush(bench->outbox, WEIR_SECONDS(60)), WEIR_OK, "%s",
                 weir_outbox_error(bench->outbox));
}

static uint64_t published(struct bench *bench)
{
    weir_outbox_counters counters;
    weir_outbox_count(bench->outbox, &counters);
    return counters.records;
}

Test(outbox, flushes_what_is_committed_beside_the_one_who_writes)
{
    struct bench         bench;
    weir_outbox_counters counters;
    bench_open(&bench);
    log_open(&bench);
    outbox_open(&bench);
    put(&bench, 1, 100);
    assert_flushed(&bench);
    cr_assert_eq(published(&bench), 100);
    put(&bench, 101, 103);
    assert_flushed(&bench);
    weir_outbox_count(bench.outbox, &counters);
    cr_assert_eq(counters.records, 103);
    cr_assert_eq(counters.lag, 0);
    cr_assert_eq(counters.epoch, 1);
    cr_assert_eq(weir_outbox_close(bench.outbox), WEIR_OK);
    bench_close(&bench);
}

Test(outbox, publishes_what_comes_without_being_asked)
{
    struct bench bench;
    bench_open(&bench);
    log_open(&bench);
    outbox_open(&bench);
    assert_flushed(&bench);
    put(&bench, 1, 5);
    for (uint32_t i = 0; i < 6000 && published(&bench) < 5; i++) {
        cr_assert_eq(weir_outbox_wait(bench.outbox, WEIR_MILLISECONDS(10)), WEIR_TIMED_OUT);
    }
    cr_assert_eq(published(&bench), 5);
    cr_assert_eq(weir_outbox_close(bench.outbox), WEIR_OK);
    bench_close(&bench);
}

Test(outbox, waits_for_a_log_that_comes_later_and_may_be_closed_before)
{
    struct bench bench;
    bench_open(&bench);
    outbox_open(&bench);
    cr_assert_eq(weir_outbox_flush(bench.outbox, WEIR_MILLISECONDS(30)), WEIR_TIMED_OUT);
    cr_assert_eq(weir_outbox_close(bench.outbox), WEIR_OK);
    cr_assert(strstr(bench.warned, bench.directory.path) != NULL, "%s", bench.warned);
    outbox_open(&bench);
    log_open(&bench);
    put(&bench, 1, 3);
    assert_flushed(&bench);
    cr_assert_eq(published(&bench), 3, "%d", (int)published(&bench));
    cr_assert_eq(weir_outbox_close(bench.outbox), WEIR_OK);
    bench_close(&bench);
}

Test(outbox, tells_who_waits_that_a_later_one_has_taken_over)
{
    struct bench bench;
    bench_open(&bench);
    log_open(&bench);
    outbox_open(&bench);
    put(&bench, 1, 3);
    assert_flushed(&bench);
    weir_outbox        *earlier        = bench.outbox;
    weir_outbox_target *earlier_target = bench.target;
    bench.target                       = weir_file_target_open(bench.out);
    outbox_open(&bench);
    assert_flushed(&bench);
    put(&bench, 4, 6);
    cr_assert_eq(weir_outbox_wait(earlier, WEIR_SECONDS(60)), WEIR_FENCED);
    cr_assert(strstr(weir_outbox_error(earlier), "taken over") != NULL);
    cr_assert_eq(weir_outbox_flush(earlier, -1), WEIR_FENCED);
    cr_assert_eq(weir_outbox_close(earlier), WEIR_FENCED);
    weir_file_target_close(earlier_target);
    assert_flushed(&bench);
    cr_assert_eq(published(&bench), 3, "%d", (int)published(&bench));
    cr_assert_eq(weir_outbox_close(bench.outbox), WEIR_OK);
    bench_close(&bench);
}

Test(outbox, refuses_to_be_opened_without_a_topic)
{
    struct bench bench;
    bench_open(&bench);
    cr_assert_eq(weir_outbox_open(bench.directory.path, NULL, bench.target, NULL, &bench.outbox),
                 WEIR_USAGE);
    cr_assert(strstr(weir_outbox_error(bench.outbox), "topic") != NULL);
    cr_assert_eq(weir_outbox_wait(bench.outbox, -1), WEIR_USAGE);
    cr_assert_eq(weir_outbox_close(bench.outbox), WEIR_OK);
    cr_assert_eq(weir_outbox_close(NULL), WEIR_OK);
    bench_close(&bench);
}
