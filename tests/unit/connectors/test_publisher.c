#include "connectors/outbox/publisher.h"
#include "log/commit.h"
#include "tests/support/outside.h"

#include <criterion/criterion.h>

#define DIRECTORY "/log"

// A log with a topic of two partitions, and a publisher of it, on a simulated disk.
struct stand {
    struct wr_environment *environment;
    weir_log              *log;
    weir_producer         *producer;
    weir_transaction      *transaction;
    struct outside         outside;
    struct outside_link    link;
    struct wr_publisher    publisher;
    char                   warned[1000];
};

static const weir_topic events = {
    .name = "events", .type = &outside_event_type, .partitions = 2, .segment_bytes = 64 << 10
};

static void keep_warning(void *opaque, const char *sentence)
{
    struct stand *stand = opaque;
    (void)snprintf(stand->warned, sizeof(stand->warned), "%s", sentence);
}

static void ignore(void *opaque, const char *sentence)
{
    (void)opaque;
    (void)sentence;
}

static void log_open(struct stand *stand)
{
    const weir_log_options writing = { .writes = true, .creates = true, .warn = ignore };
    cr_assert_eq(wr_log_open_in(stand->environment, DIRECTORY, &writing, &stand->log), WEIR_OK);
    cr_assert_eq(weir_log_create_topic(stand->log, &events), WEIR_OK);
    cr_assert_eq(weir_producer_open(stand->log, "events", NULL, &stand->producer), WEIR_OK);
    cr_assert_eq(weir_transaction_open(stand->log, "job", &stand->transaction), WEIR_OK);
}

static void log_close(struct stand *stand)
{
    if (stand->log != NULL) {
        weir_transaction_close(stand->transaction);
        (void)weir_producer_close(stand->producer);
        (void)weir_log_close(stand->log);
        stand->log = NULL;
    }
}

static void publisher_open(struct stand *stand, const weir_outbox_options *given)
{
    weir_outbox_options options = given != NULL ? *given : (weir_outbox_options){ .rows = 0 };
    options.warn                = keep_warning;
    options.opaque              = stand;
    outside_link_init(&stand->link, &stand->outside);
    wr_publisher_init(&stand->publisher, stand->environment, DIRECTORY, "events",
                      &stand->link.target, &options);
}

static void publisher_close(struct stand *stand)
{
    wr_publisher_fini(&stand->publisher);
    outside_link_fini(&stand->link);
}

static void stand_open(struct stand *stand)
{
    *stand = (struct stand){ .environment = wr_environment_open_simulated(5, false) };
    outside_init(&stand->outside);
    log_open(stand);
    publisher_open(stand, NULL);
}

static void stand_close(struct stand *stand)
{
    publisher_close(stand);
    log_close(stand);
    outside_fini(&stand->outside);
    wr_environment_close(stand->environment);
}

static void append(struct stand *stand, uint32_t partition, uint64_t first, uint64_t last)
{
    for (uint64_t value = first; value <= last; value++) {
        const outside_event event = { value };
        cr_assert_eq(weir_producer_append_to(stand->producer, partition, &event, NULL, 1), WEIR_OK);
    }
}

static void put(struct stand *stand, uint32_t partition, uint64_t first, uint64_t last)
{
    cr_assert_eq(weir_producer_join(stand->producer, NULL), WEIR_OK);
    append(stand, partition, first, last);
    cr_assert_eq(weir_producer_flush(stand->producer, -1), WEIR_OK);
}

static void begin(struct stand *stand)
{
    cr_assert_eq(weir_producer_join(stand->producer, stand->transaction), WEIR_OK);
    cr_assert_eq(weir_transaction_begin(stand->transaction), WEIR_OK);
}

// Steps, time passing where it waits, until all is published or it ended.
static enum wr_publisher_step run(struct stand *stand)
{
    for (uint32_t i = 0; i < 10000; i++) {
        const enum wr_publisher_step step = wr_publisher_step(&stand->publisher, true);
        if (step == WR_PUBLISHER_IDLE || step == WR_PUBLISHER_HAS_ENDED) {
            return step;
        }
        if (step == WR_PUBLISHER_WAITS) {
            wr_simulation_spend(stand->environment, 10000);
        }
    }
    return WR_PUBLISHER_WAITS;
}

static void assert_published(struct stand *stand, const char *first, const char *second)
{
    cr_assert_eq(run(stand), WR_PUBLISHER_IDLE, "%s", stand->warned);
    cr_assert_str_eq(outside_text(&stand->outside, 0), first);
    cr_assert_str_eq(outside_text(&stand->outside, 1), second);
}

static void assert_ended(struct stand *stand, weir_status status, const char *word)
{
    cr_assert_eq(run(stand), WR_PUBLISHER_HAS_ENDED);
    cr_assert_eq(stand->publisher.error.status, status, "%s", stand->publisher.error.sentence);
    cr_assert(strstr(stand->warned, word) != NULL, "\"%s\" does not say %s", stand->warned, word);
}

// ---- what is published ----

Test(publisher, copies_each_partition_in_order)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 3);
    put(&stand, 1, 11, 12);
    assert_published(&stand, "1 2 3 ", "11 12 ");
    put(&stand, 0, 4, 4);
    assert_published(&stand, "1 2 3 4 ", "11 12 ");
    cr_assert_eq(stand.publisher.counters.records, 6);
    cr_assert_eq(stand.publisher.counters.transactions, 3);
    cr_assert_eq(stand.publisher.counters.lag, 0);
    stand_close(&stand);
}

Test(publisher, copies_nothing_of_a_transaction_that_is_open_or_aborted)
{
    struct stand stand;
    stand_open(&stand);
    begin(&stand);
    append(&stand, 0, 1, 2);
    cr_assert_eq(weir_producer_flush(stand.producer, -1), WEIR_OK);
    assert_published(&stand, "", "");
    cr_assert_eq(weir_transaction_commit(stand.transaction), WEIR_OK);
    assert_published(&stand, "1 2 ", "");
    begin(&stand);
    append(&stand, 0, 3, 4);
    cr_assert_eq(weir_transaction_abort(stand.transaction), WEIR_OK);
    put(&stand, 0, 5, 5);
    assert_published(&stand, "1 2 5 ", "");
    stand_close(&stand);
}

Test(publisher, bounds_a_transaction_by_rows)
{
    struct stand stand;
    stand_open(&stand);
    publisher_close(&stand);
    publisher_open(&stand, &(weir_outbox_options){ .rows = 2 });
    put(&stand, 0, 1, 5);
    assert_published(&stand, "1 2 3 4 5 ", "");
    cr_assert_eq(stand.outside.commits, 3);
    stand_close(&stand);
}

Test(publisher, bounds_a_transaction_by_bytes)
{
    struct stand stand;
    stand_open(&stand);
    publisher_close(&stand);
    publisher_open(&stand, &(weir_outbox_options){ .bytes = 2 * sizeof(outside_event) });
    put(&stand, 0, 1, 5);
    assert_published(&stand, "1 2 3 4 5 ", "");
    cr_assert_eq(stand.outside.commits, 3);
    stand_close(&stand);
}

Test(publisher, lets_rows_wait_for_others_as_long_as_it_lingers)
{
    struct stand stand;
    stand_open(&stand);
    publisher_close(&stand);
    publisher_open(&stand, &(weir_outbox_options){ .rows = 4, .linger = WEIR_SECONDS(1) });
    cr_assert_eq(run(&stand), WR_PUBLISHER_IDLE);
    put(&stand, 0, 1, 1);
    cr_assert_eq(wr_publisher_step(&stand.publisher, false), WR_PUBLISHER_WAITS);
    cr_assert_leq(stand.publisher.wake_at_us,
                  wr_now_us(stand.environment) + (int64_t)WEIR_SECONDS(1));
    put(&stand, 0, 2, 2);
    cr_assert_eq(wr_publisher_step(&stand.publisher, false), WR_PUBLISHER_WAITS);
    wr_simulation_spend(stand.environment, WEIR_SECONDS(1));
    cr_assert_eq(wr_publisher_step(&stand.publisher, false), WR_PUBLISHER_MOVED);
    cr_assert_str_eq(outside_text(&stand.outside, 0), "1 2 ");
    cr_assert_eq(stand.outside.commits, 1);
    put(&stand, 0, 3, 6); // enough
    cr_assert_eq(wr_publisher_step(&stand.publisher, false), WR_PUBLISHER_MOVED);
    put(&stand, 0, 7, 7); // hurried
    cr_assert_eq(wr_publisher_step(&stand.publisher, true), WR_PUBLISHER_MOVED);
    cr_assert_eq(stand.outside.commits, 3);
    stand_close(&stand);
}

// ---- where it goes on ----

Test(publisher, goes_on_where_the_target_is)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 3);
    assert_published(&stand, "1 2 3 ", "");
    publisher_close(&stand);
    put(&stand, 0, 4, 4);
    publisher_open(&stand, NULL);
    assert_published(&stand, "1 2 3 4 ", "");
    cr_assert_eq(stand.publisher.counters.epoch, 2);
    stand_close(&stand);
}

static void after_trouble(enum outside_call call, enum outside_trouble trouble)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 2);
    assert_published(&stand, "1 2 ", "");
    put(&stand, 0, 3, 4);
    stand.outside.next[call] = trouble;
    if (call < OUTSIDE_BEGIN) {
        stand.outside.next[OUTSIDE_BEGIN] = OUTSIDE_LOST;
    }
    assert_published(&stand, "1 2 3 4 ", "");
    cr_assert_geq(stand.publisher.counters.unknown, 1);
    cr_assert_geq(stand.publisher.counters.epoch, 2);
    outside_deliver(&stand.outside);
    put(&stand, 0, 5, 5);
    assert_published(&stand, "1 2 3 4 5 ", "");
    cr_assert_eq(stand.outside.late_done, 0);
    stand_close(&stand);
}

Test(publisher, publishes_once_what_a_lost_connection_has_or_has_not_committed)
{
    for (int call = OUTSIDE_OPEN; call <= OUTSIDE_COMMIT; call++) {
        after_trouble((enum outside_call)call, OUTSIDE_LOST);
        after_trouble((enum outside_call)call, OUTSIDE_DEAF);
    }
}

Test(publisher, publishes_once_what_arrives_after_the_target_was_opened_anew)
{
    after_trouble(OUTSIDE_COMMIT, OUTSIDE_LATE);
}

Test(publisher, waits_longer_and_longer_for_a_target_and_varies)
{
    struct stand stand;
    stand_open(&stand);
    int64_t pauses[8];
    for (uint32_t i = 0; i < 8; i++) {
        stand.outside.next[OUTSIDE_OPEN] = OUTSIDE_LOST;
        while (wr_publisher_step(&stand.publisher, true) == WR_PUBLISHER_MOVED &&
               stand.publisher.tries == i) {
        }
        pauses[i] = stand.publisher.wake_at_us - wr_now_us(stand.environment);
        cr_assert_eq(wr_publisher_step(&stand.publisher, true), WR_PUBLISHER_WAITS);
        wr_simulation_spend(stand.environment, pauses[i]);
    }
    for (uint32_t i = 0; i < 8; i++) {
        const int64_t most = 50000 << i < 5000000 ? 50000 << i : 5000000;
        cr_assert(pauses[i] >= most / 2 && pauses[i] <= most, "pause %u is %lld", i,
                  (long long)pauses[i]);
    }
    cr_assert_neq(pauses[1], 2 * pauses[0]);
    stand_close(&stand);
}

// ---- of two, one ----

Test(publisher, ends_when_a_later_one_has_taken_over)
{
    struct stand        stand;
    struct outside_link link;
    struct wr_publisher earlier;
    stand_open(&stand);
    put(&stand, 0, 1, 1);
    assert_published(&stand, "1 ", "");
    earlier               = stand.publisher; // the stand goes on with another
    link                  = stand.link;
    earlier.target.opaque = &link;
    publisher_open(&stand, NULL);
    assert_published(&stand, "1 ", "");
    put(&stand, 0, 2, 2);
    while (wr_publisher_step(&earlier, true) == WR_PUBLISHER_MOVED) {
    }
    cr_assert_eq(earlier.state, WR_PUBLISHER_ENDED);
    cr_assert_eq(earlier.error.status, WEIR_FENCED, "%s", earlier.error.sentence);
    assert_published(&stand, "1 2 ", "");
    wr_publisher_fini(&earlier);
    stand_close(&stand);
}

Test(publisher, does_not_take_over_again_when_its_connection_was_lost)
{
    struct stand        stand;
    struct outside_link link;
    struct wr_publisher earlier;
    stand_open(&stand);
    put(&stand, 0, 1, 1);
    assert_published(&stand, "1 ", "");
    earlier               = stand.publisher;
    link                  = stand.link;
    earlier.target.opaque = &link;
    publisher_open(&stand, NULL);
    assert_published(&stand, "1 ", "");
    put(&stand, 0, 2, 2);
    stand.outside.next[OUTSIDE_COMMIT] = OUTSIDE_LOST;
    while (earlier.state != WR_PUBLISHER_ENDED) {
        (void)wr_publisher_step(&earlier, true);
        wr_simulation_spend(stand.environment, 1000);
    }
    cr_assert_eq(earlier.error.status, WEIR_FENCED, "%s", earlier.error.sentence);
    assert_published(&stand, "1 2 ", "");
    cr_assert_eq(stand.publisher.counters.unknown, 0);
    wr_publisher_fini(&earlier);
    stand_close(&stand);
}

// ---- what it refuses ----

Test(publisher, refuses_progress_past_what_is_committed)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 3);
    assert_published(&stand, "1 2 3 ", "");
    stand.outside.partitions[0].progress.next = 4;
    publisher_close(&stand);
    publisher_open(&stand, NULL);
    assert_ended(&stand, WEIR_CONFLICT, "before offset 4");
    stand_close(&stand);
}

Test(publisher, refuses_progress_into_a_transaction_that_is_not_decided)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 1);
    assert_published(&stand, "1 ", "");
    begin(&stand);
    append(&stand, 0, 2, 3);
    cr_assert_eq(weir_producer_flush(stand.producer, -1), WEIR_OK);
    stand.outside.partitions[0].progress.next = 2;
    publisher_close(&stand);
    publisher_open(&stand, NULL);
    assert_ended(&stand, WEIR_CONFLICT, "committed records end at 1");
    stand_close(&stand);
}

Test(publisher, refuses_progress_before_what_retention_has_left)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 3);
    put(&stand, 0, 4, 5);
    assert_published(&stand, "1 2 3 4 5 ", "");
    cr_assert_eq(weir_log_truncate_before(stand.log, "events", 0, 3), WEIR_OK);
    stand.outside.partitions[0].progress.next = 2;
    publisher_close(&stand);
    publisher_open(&stand, NULL);
    assert_ended(&stand, WEIR_NOT_FOUND, "retention");
    stand_close(&stand);
}

Test(publisher, ends_when_records_go_before_it_has_published_them)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 2);
    assert_published(&stand, "1 2 ", "");
    for (uint64_t first = 3; first < 40000; first += 1000) { // some segments
        put(&stand, 0, first, first + 999);
    }
    cr_assert_eq(weir_log_truncate_before(stand.log, "events", 0, 39000), WEIR_OK);
    assert_ended(&stand, WEIR_NOT_FOUND, "gone");
    cr_assert_lt(stand.outside.partitions[0].count, 39000);
    stand_close(&stand);
}

Test(publisher, ends_when_published_records_are_taken_back)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 4);
    assert_published(&stand, "1 2 3 4 ", "");
    cr_assert_eq(weir_log_truncate_from(stand.log, "events", 0, 2), WEIR_OK);
    put(&stand, 0, 5, 9);
    assert_ended(&stand, WEIR_CONFLICT, "taken back");
    cr_assert_str_eq(outside_text(&stand.outside, 0), "1 2 3 4 ");
    stand_close(&stand);
}

Test(publisher, refuses_the_progress_of_another_topic_of_that_name)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 1);
    assert_published(&stand, "1 ", "");
    publisher_close(&stand);
    log_close(&stand);
    log_open(&stand);
    weir_transaction_close(stand.transaction);
    cr_assert_eq(weir_producer_close(stand.producer), WEIR_OK);
    cr_assert_eq(weir_log_delete_topic(stand.log, "events"), WEIR_OK);
    cr_assert_eq(weir_log_create_topic(stand.log, &events), WEIR_OK);
    cr_assert_eq(weir_producer_open(stand.log, "events", NULL, &stand.producer), WEIR_OK);
    cr_assert_eq(weir_transaction_open(stand.log, "job", &stand.transaction), WEIR_OK);
    put(&stand, 0, 2, 2);
    publisher_open(&stand, NULL);
    assert_ended(&stand, WEIR_CONFLICT, "another topic");
    cr_assert_str_eq(outside_text(&stand.outside, 0), "1 ");
    stand_close(&stand);
}

Test(publisher, refuses_a_target_whose_epoch_does_not_grow)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 1);
    assert_published(&stand, "1 ", "");
    stand.outside.epoch               = 0;
    stand.outside.next[OUTSIDE_BEGIN] = OUTSIDE_LOST;
    put(&stand, 0, 2, 2);
    assert_ended(&stand, WEIR_FAILED, "epoch 1 after epoch 1");
    stand_close(&stand);
}

Test(publisher, ends_when_the_target_refuses)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 1);
    stand.outside.next[OUTSIDE_WRITE] = OUTSIDE_REFUSES;
    assert_ended(&stand, WEIR_FAILED, "refuses to write records: no");
    cr_assert_eq(stand.outside.commits, 0);
    cr_assert_not(stand.link.is_open);
    stand_close(&stand);
}

// ---- what it waits for ----

Test(publisher, waits_for_a_log_and_a_topic_that_are_not_there_yet)
{
    struct stand stand = { .environment = wr_environment_open_simulated(5, false) };
    outside_init(&stand.outside);
    publisher_open(&stand, NULL);
    cr_assert_eq(wr_publisher_step(&stand.publisher, true), WR_PUBLISHER_MOVED);
    cr_assert_eq(wr_publisher_step(&stand.publisher, true), WR_PUBLISHER_WAITS);
    cr_assert(strstr(stand.warned, "events") != NULL, "%s", stand.warned);
    log_open(&stand);
    put(&stand, 0, 1, 2);
    assert_published(&stand, "1 2 ", "");
    stand_close(&stand);
}

Test(publisher, takes_a_log_that_is_half_made_for_one_that_is_being_made_and_not_for_ever)
{
    struct stand stand = { .environment = wr_environment_open_simulated(5, false) };
    outside_init(&stand.outside);
    cr_assert_eq(stand.environment->ops->make_directory(stand.environment, DIRECTORY), 0);
    wr_simulation_import(stand.environment, DIRECTORY "/epoch", "", 0);
    wr_simulation_import(stand.environment, DIRECTORY "/log.tmp", "", 0);
    wr_simulation_import(stand.environment, DIRECTORY "/unknown", "", 0);
    cr_assert_eq(stand.environment->ops->make_directory(stand.environment, DIRECTORY "/topics"), 0);
    publisher_open(&stand, NULL);
    cr_assert_eq(wr_publisher_step(&stand.publisher, true), WR_PUBLISHER_MOVED);
    cr_assert_eq(stand.publisher.state, WR_PUBLISHER_LOG);
    assert_ended(&stand, WEIR_DAMAGED, "missing");
    cr_assert_geq(stand.publisher.tries, 3);
    stand_close(&stand);
}

Test(publisher, waits_for_the_writer_when_less_of_the_log_is_seen_than_is_published)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 3);
    assert_published(&stand, "1 2 3 ", "");
    publisher_close(&stand);
    log_close(&stand);
    wr_simulation_reboot(stand.environment, 3);
    stand.outside.partitions[0].progress.next = 5; // as if the last two were not seen yet
    publisher_open(&stand, NULL);
    for (uint32_t i = 0; i < 100; i++) {
        (void)wr_publisher_step(&stand.publisher, true);
        wr_simulation_spend(stand.environment, WEIR_SECONDS(1));
    }
    cr_assert_eq(stand.publisher.state, WR_PUBLISHER_TARGET);
    cr_assert_not(stand.link.is_open);
    log_open(&stand);
    assert_ended(&stand, WEIR_CONFLICT, "before offset 5");
    stand_close(&stand);
}

Test(publisher, leaves_what_it_has_not_done_to_the_next_one_when_it_is_closed)
{
    struct stand stand;
    stand_open(&stand);
    put(&stand, 0, 1, 4);
    publisher_close(&stand);
    publisher_open(&stand, &(weir_outbox_options){ .rows = 1 });
    while (stand.outside.commits < 2) {
        (void)wr_publisher_step(&stand.publisher, true);
    }
    publisher_close(&stand);
    cr_assert_not(stand.link.is_open);
    publisher_open(&stand, NULL);
    assert_published(&stand, "1 2 3 4 ", "");
    stand_close(&stand);
}
