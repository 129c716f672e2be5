// The payments job under test: a test source and test sinks stand in for the ends of ends.c.
#include "events.h"
#include "job.h"
#include "views/views.h"

#include <stdio.h>
#include <stdlib.h>
#include <weir/test.h>

#define NOON WEIR_HOURS(12)

weir_stream payments_read_events(weir_job *job, const payments_ends *ends)
{
    const weir_event_time_options  time    = { .field           = "at",
                                               .out_of_order    = PAYMENTS_OUT_OF_ORDER,
                                               .judges_lateness = true,
                                               .lateness        = PAYMENTS_LATENESS };
    const weir_test_source_options options = { .check = payments_check, .time = time };
    (void)ends;
    return weir_test_source(job, "events", &event_line_type, &options);
}

void payments_write_view(weir_stream rows, const payments_ends *ends, const payments_view *view)
{
    char name[64];
    (void)ends;
    (void)snprintf(name, sizeof(name), "write-%s", view->name);
    weir_test_sink(rows, name, view->key);
}

void payments_write_late(weir_stream late, const payments_ends *ends)
{
    payments_write_view(late, ends, &(payments_view){ .name = "late" });
}

void payments_write_dead_letters(weir_stream letters, const payments_ends *ends)
{
    payments_write_view(letters, ends, &(payments_view){ .name = "dead-letters" });
}

// A row of the view "alerts".
typedef struct hot_window {
    weir_str  card_id;
    weir_time window_end;
    int64_t   failures, amount_cents;
} hot_window;
WEIR_RECORD(hot_window, card_id, window_end, failures, amount_cents);

static weir_job *build(void *opaque) { return payments_job_open((payments_options *)opaque); }

static void fail_payment(weir_test *test, const char *event_id, weir_time at)
{
    const event_line line = { .event_id     = weir_str_from(event_id),
                              .kind         = weir_str_from("PaymentFailed"),
                              .at           = at,
                              .order_id     = weir_str_from("o-1"),
                              .customer_id  = weir_str_from("c-1"),
                              .card_id      = weir_str_from("k-1"),
                              .amount_cents = 500 };
    weir_test_feed(test, "events", 0, &event_line_type, &line, 1);
}

// Four failures within ten minutes, out of order, one twice, and a fifth that is too late.
static void four_failures(weir_test *test, void *opaque)
{
    (void)opaque;
    fail_payment(test, "e-1", NOON);
    fail_payment(test, "e-2", NOON + WEIR_SECONDS(4));
    fail_payment(test, "e-3", NOON + WEIR_SECONDS(2));
    fail_payment(test, "e-1", NOON);
    weir_test_watermark(test, "events", 0, NOON + WEIR_SECONDS(60)); // three are no alert yet
    weir_test_checkpoint(test);
    fail_payment(test, "e-4", NOON + WEIR_SECONDS(6)); // late, but within the allowed lateness
    weir_test_watermark(test, "events", 0, NOON + WEIR_MINUTES(5));
    fail_payment(test, "e-5", NOON + WEIR_SECONDS(8)); // too late
}

int main(void)
{
    payments_options         options  = { .views = PAYMENTS_ALL_VIEWS };
    const weir_test_property property = { build, four_failures, .opaque = &options };
    const hot_window         alert    = { weir_str_from("k-1"), NOON + WEIR_SECONDS(10), 4, 2000 };

    char *differs = weir_test_permute(&property);
    (void)printf("in any order, with any crash: %s\n", differs != NULL ? differs : "the same");
    weir_test *test = weir_test_open(build(&options), NULL);
    four_failures(test, NULL);
    weir_test_crash(test, WEIR_TEST_POWER_CUT, 0);
    weir_test_restore(test, 3);
    weir_test_finish(test);
    const char *wrong =
        weir_test_expect(test, "write-alerts", &hot_window_type, &alert, 1, WEIR_TEST_REMAINING);
    const bool is_late = weir_test_counter(test, "events", WEIR_LATE) == 1;
    (void)printf("after a crash: %s\n", wrong != NULL ? wrong : "one alert");
    const int exit_code = differs == NULL && wrong == NULL && is_late ? 0 : 1;
    weir_test_close(test);
    free(differs);
    return exit_code;
}
