// Mistakes while a job is built: each is one sentence with its path and the values; the first is
// kept, and the job refuses to run.
#include "runtime/connector.h"
#include <weir.h>

#include <criterion/criterion.h>
#include <stdio.h>

typedef struct payment {
    weir_time at;
    uint64_t  card;
} payment;
WEIR_RECORD(payment, at, card);

typedef struct refund {
    weir_time at;
    uint64_t  card;
} refund;
WEIR_RECORD(refund, at, card);

typedef struct total {
    uint64_t count;
} total;
WEIR_RECORD(total, count);

static void make(payment *p, uint64_t number, weir_time due)
{
    p->at   = due;
    p->card = number;
}
WEIR_GENERATOR(payments, payment, make);

static void make_refund(refund *r, uint64_t number, weir_time due)
{
    r->at   = due;
    r->card = number;
}
WEIR_GENERATOR(refunds, refund, make_refund);

static bool keep(const payment *p) { return p->card % 2 == 0; }
WEIR_FILTER(even, payment, keep);

static void copy(payment *out, const payment *in) { *out = *in; }
WEIR_MAP(copied, payment, payment, copy);

static uint32_t route(const payment *p) { return (uint32_t)p->card % 3; }
WEIR_SPLIT(by_rest, payment, route);
static uint32_t route_far(const payment *p) { return p->card == 0 ? UINT32_C(65536) : 0; }
WEIR_SPLIT(too_far, payment, route_far);

WEIR_KEY(by_card, payment, card);
WEIR_KEY(by_time, payment, at);

static void add(total *t, const payment *p)
{
    (void)p;
    t->count++;
}
static void merge(total *t, const total *more) { t->count += more->count; }
static void result(total *out, const by_card *key, const weir_pane *pane, const total *t)
{
    (void)key;
    (void)pane;
    *out = *t;
}
WEIR_AGGREGATE(counts, payment, by_card, total, total, add, merge, result);

static void again(total *t, const total *p)
{
    (void)p;
    t->count++;
}
WEIR_KEY(by_count, total, count);
static void again_result(total *out, const by_count *key, const weir_pane *pane, const total *t)
{
    (void)key;
    (void)pane;
    *out = *t;
}
WEIR_AGGREGATE(counts_again, total, by_count, total, total, again, merge, again_result);

static void update(total *out, const by_card *key, total *t, const payment *p)
{
    (void)key;
    (void)p;
    out->count = ++t->count;
}
WEIR_REDUCE(running, payment, by_card, total, total, update);

static void on_event(weir_call *call, const by_card *key, total *t, const payment *p)
{
    (void)call;
    (void)key;
    (void)t;
    (void)p;
}
static void on_timer(weir_call *call, const by_card *key, total *t, weir_time at)
{
    (void)call;
    (void)key;
    (void)t;
    (void)at;
}
WEIR_PROCESS(watched, payment, by_card, total, total, on_event, on_timer);

static weir_job   *job;
static weir_stream source;

static void open_job(void)
{
    const weir_generator_options options = { .events = 10 };
    job                                  = weir_job_open("shop");
    source                               = weir_generate(job, &payments, &options);
}
static void close_job(void) { weir_job_close(job); }

TestSuite(job, .init = open_job, .fini = close_job);

// The job has exactly this mistake and refuses to run, simulated and in threads.
static void expect_mistake(const char *sentence)
{
    const weir_run_options simulated = { .is_simulated = true };
    cr_assert_not_null(weir_job_error(job), "nothing is wrong, but expected: %s", sentence);
    cr_assert_str_eq(weir_job_error(job), sentence);
    cr_assert_eq(weir_job_status(job), WEIR_USAGE);
    cr_assert_eq(weir_job_run(job, &simulated), WEIR_USAGE);
    cr_assert_eq(weir_job_run(job, NULL), WEIR_USAGE);
    cr_assert_str_eq(weir_job_error(job), sentence);
}

// The same for what only shows when the whole is looked at.
static void expect_mistake_of_whole(const char *sentence)
{
    cr_assert_null(weir_job_error(job), "%s", weir_job_error(job));
    cr_assert_eq(weir_job_run(job, NULL), WEIR_USAGE);
    expect_mistake(sentence);
}

static weir_stream corrected(void)
{
    return weir_aggregate(weir_key(source, &by_card_key),
                          weir_allow_lateness(weir_tumbling(WEIR_SECONDS(60)), WEIR_SECONDS(1)),
                          &counts);
}

Test(job, without_mistakes_has_no_sentence_and_runs)
{
    (void)weir_filter(source, &even);
    cr_assert_null(weir_job_error(job));
    cr_assert_eq(weir_job_status(job), WEIR_OK);
    cr_assert_eq(weir_job_run(job, &(weir_run_options){ .workers = 1 }), WEIR_OK, "%s",
                 weir_job_error(job));
    cr_assert_eq(weir_job_counter(job, "even", WEIR_ROWS_IN), 10);
    cr_assert_eq(weir_job_counter(job, "even", WEIR_FILTERED), 5);
}

Test(job, without_a_source_is_empty)
{
    weir_job *empty = weir_job_open("nothing");
    cr_assert_eq(weir_job_run(empty, NULL), WEIR_USAGE);
    cr_assert_str_eq(weir_job_error(empty),
                     "nothing: the job is empty; begin with a source, such as weir_generate");
    weir_job_close(empty);
}

Test(job, names_both_types_where_one_does_not_fit)
{
    (void)weir_filter(weir_generate(job, &refunds, NULL), &even);
    expect_mistake(
        "shop: refunds > even: it takes records of type payment, but refunds sends refund");
}

Test(job, keeps_the_first_mistake)
{
    (void)weir_branch(weir_filter(source, &even), 2);
    (void)weir_parallelism(source, 0);
    expect_mistake("shop: payments > even > branch 2 does not exist: even has 1, counted from 0");
}

Test(job, does_nothing_on_streams_after_a_mistake)
{
    (void)weir_parallelism(source, 0);
    const weir_stream nothing = weir_filter(source, &even);
    cr_assert_null(nothing.job);
    (void)weir_aggregate(weir_key(nothing, &by_card_key), weir_tumbling(1), &counts);
    (void)weir_union((weir_stream[]){ nothing, source }, 2);
    (void)weir_late(nothing);
    (void)weir_side(nothing, 3);
    (void)weir_deduplicate(weir_key(nothing, &by_card_key), 1, 1);
    (void)weir_with(weir_name(weir_rebalance(nothing), "x"), "x", 1);
    expect_mistake("shop: payments > 0 parallel tasks; an operator has 1 to 1,024");
}

Test(job, refuses_a_window_without_a_key)
{
    (void)weir_aggregate((weir_keyed){ .stream = source }, weir_tumbling(1), &counts);
    expect_mistake("shop: payments > counts: window needs a key; make one with weir_key");
}

Test(job, refuses_a_key_of_another_type)
{
    (void)weir_aggregate(weir_key(source, &by_time_key), weir_tumbling(1), &counts);
    expect_mistake(
        "shop: payments > counts: it expects the key by_card, but the stream is keyed by by_time");
}

Test(job, refuses_a_slide_longer_than_the_window)
{
    (void)weir_aggregate(weir_key(source, &by_card_key),
                         weir_sliding(WEIR_SECONDS(10), WEIR_SECONDS(11)), &counts);
    expect_mistake(
        "shop: payments > counts: slide 11 s is longer than length 10 s, so records between two "
        "windows would be lost; choose a slide of at most the length");
}

Test(job, refuses_a_slide_that_does_not_divide_the_window)
{
    (void)weir_aggregate(weir_key(source, &by_card_key),
                         weir_sliding(WEIR_SECONDS(10), WEIR_SECONDS(4)), &counts);
    expect_mistake(
        "shop: payments > counts: slide 4 s does not divide length 10 s; choose a divisor");
}

Test(job, takes_a_slide_as_long_as_the_window)
{
    (void)weir_aggregate(weir_key(source, &by_card_key),
                         weir_sliding(WEIR_SECONDS(10), WEIR_SECONDS(10)), &counts);
    cr_assert_null(weir_job_error(job), "%s", weir_job_error(job));
}

Test(job, refuses_a_window_of_no_length)
{
    (void)weir_aggregate(weir_key(source, &by_card_key), weir_tumbling(0), &counts);
    expect_mistake("shop: payments > counts: length and slide must be more than zero");
}

Test(job, refuses_a_session_without_a_gap)
{
    (void)weir_aggregate(weir_key(source, &by_card_key), weir_session(0), &counts);
    expect_mistake("shop: payments > counts: the gap of a session must be more than zero");
}

Test(job, refuses_a_count_window_of_none)
{
    (void)weir_aggregate(weir_key(source, &by_card_key), weir_count_window(0), &counts);
    expect_mistake("shop: payments > counts: a count window needs a count of at least 1");
}

Test(job, refuses_a_window_of_no_kind)
{
    (void)weir_aggregate(weir_key(source, &by_card_key), (weir_window){ .length = 5 }, &counts);
    expect_mistake("shop: payments > counts: the window has no kind; make it with weir_tumbling, "
                   "weir_sliding, weir_session, weir_count_window or weir_global");
}

Test(job, refuses_negative_lateness)
{
    (void)weir_aggregate(weir_key(source, &by_card_key), weir_allow_lateness(weir_tumbling(1), -1),
                         &counts);
    expect_mistake("shop: payments > counts: lateness must not be negative");
}

Test(job, refuses_corrections_into_a_window)
{
    (void)weir_aggregate(weir_key(corrected(), &by_count_key), weir_tumbling(1), &counts_again);
    expect_mistake(
        "shop: payments > counts > counts_again: counts sends corrections (updates and deletes), "
        "which counts_again cannot take; window without lateness, select in the window's result "
        "function, or process them with weir_process");
}

Test(job, refuses_corrections_that_come_late_into_a_union_that_is_read)
{
    const weir_stream first =
        weir_aggregate(weir_key(source, &by_card_key), weir_tumbling(1), &counts);
    const weir_stream both = weir_union(&first, 1);
    (void)weir_aggregate(weir_key(both, &by_count_key), weir_tumbling(1), &counts_again);
    weir_union_add(both, weir_name(corrected(), "corrected"));
    expect_mistake(
        "shop: payments > corrected > union: it sends corrections (updates and deletes), but the "
        "union is read already by those who expect none; add it before they are");
}

Test(job, refuses_one_name_for_two_operators)
{
    (void)weir_filter(weir_filter(source, &even), &even);
    expect_mistake_of_whole(
        "shop: payments > even > even: the name \"even\" is already taken by payments > "
        "even; state is found by name, so give one of them another with weir_name");
}

Test(job, takes_one_binding_twice_under_two_names)
{
    (void)weir_name(weir_filter(weir_filter(source, &even), &even), "even-again");
    cr_assert_eq(weir_job_run(job, &(weir_run_options){ .workers = 1 }), WEIR_OK, "%s",
                 weir_job_error(job));
}

Test(job, refuses_an_empty_name)
{
    (void)weir_name(weir_filter(source, &even), "");
    expect_mistake("shop: payments > even > a name must not be empty");
}

Test(job, names_the_way_around_a_cycle)
{
    const weir_stream both = weir_union(&source, 1);
    weir_union_add(both, weir_filter(both, &even));
    cr_assert_null(weir_job_error(job));
    cr_assert_eq(weir_job_run(job, NULL), WEIR_USAGE);
    cr_assert_not_null(strstr(weir_job_error(job), "a cycle; a job graph must not have any"), "%s",
                       weir_job_error(job));
    cr_assert_not_null(strstr(weir_job_error(job), "shop: payments > union"), "%s",
                       weir_job_error(job));
}

Test(job, refuses_another_input_for_what_is_no_union)
{
    weir_union_add(weir_filter(source, &even), source);
    expect_mistake("shop: payments > even > even is no union; only a union takes another input");
}

Test(job, refuses_another_type_in_a_union)
{
    (void)weir_union((weir_stream[]){ source, weir_generate(job, &refunds, NULL) }, 2);
    expect_mistake(
        "shop: refunds > union: it takes records of type payment, but refunds sends refund");
}

Test(job, refuses_a_stream_of_another_job_in_a_union)
{
    weir_job *other = weir_job_open("elsewhere");
    (void)weir_union((weir_stream[]){ source, weir_generate(other, &payments, NULL) }, 2);
    expect_mistake(
        "shop: payments > union > its input payments is of another job, elsewhere; a stream stays "
        "in its job");
    weir_job_close(other);
}

Test(job, refuses_late_records_of_a_map)
{
    (void)weir_late(weir_map(source, &copied));
    expect_mistake("shop: payments > copied > a map has no late records");
}

Test(job, refuses_dead_letters_of_a_union)
{
    (void)weir_dead_letters(weir_union(&source, 1));
    expect_mistake("shop: payments > union > a union has no dead letters");
}

Test(job, has_as_many_branches_as_were_asked_for)
{
    const weir_stream split = weir_split(source, &by_rest, 3);
    (void)weir_branch(split, 2);
    cr_assert_null(weir_job_error(job));
    (void)weir_branch(split, 3);
    expect_mistake(
        "shop: payments > by_rest > branch 3 does not exist: by_rest has 3, counted from 0");
}

Test(job, refuses_more_than_sixteen_branches)
{
    (void)weir_split(source, &by_rest, 17);
    expect_mistake("shop: payments > by_rest: 17 branches; a split has 1 to 16");
}

Test(job, refuses_a_split_without_branches)
{
    (void)weir_split(source, &by_rest, 0);
    expect_mistake("shop: payments > by_rest: 0 branches; a split has 1 to 16");
}

Test(job, fails_when_a_record_goes_to_a_branch_that_is_not_there)
{
    (void)weir_split(source, &by_rest, 2);
    cr_assert_eq(weir_job_run(job, &(weir_run_options){ .workers = 1 }), WEIR_FAILED);
    cr_assert_str_eq(weir_job_error(job),
                     "shop: by_rest: a record was routed to branch 2, but there are 2");
}

Test(job, takes_no_far_branch_for_a_near_one)
{
    (void)weir_split(source, &too_far, 2);
    cr_assert_eq(weir_job_run(job, &(weir_run_options){ .workers = 1 }), WEIR_FAILED);
}

Test(job, refuses_a_side_output_that_was_not_declared)
{
    (void)weir_side(weir_process(weir_key(source, &by_card_key), &watched, NULL), 0);
    expect_mistake(
        "shop: payments > watched > side output 0 does not exist; name its type in the options");
}

Test(job, refuses_a_negative_span_of_deduplication)
{
    (void)weir_deduplicate(weir_key(source, &by_card_key), -1, 0);
    expect_mistake("shop: payments > deduplicate: within and lateness must not be negative");
}

Test(job, refuses_more_tasks_than_there_may_be)
{
    (void)weir_parallelism(weir_parallelism(source, 1024), 1025);
    expect_mistake("shop: payments > 1025 parallel tasks; an operator has 1 to 1,024");
}

Test(job, refuses_a_former_name_that_is_empty)
{
    (void)weir_formerly(source, "");
    expect_mistake("shop: payments > a former name must not be empty");
}

Test(job, refuses_a_former_name_that_another_operator_has)
{
    (void)weir_formerly(weir_name(weir_filter(source, &even), "evens"), "payments");
    expect_mistake_of_whole(
        "shop: evens: it was formerly named \"payments\", and so is, or was, payments; "
        "only one operator can have the state of that name");
}

Test(job, copies_names_and_parameters)
{
    char     name[]     = "mine";
    uint64_t parameters = 7;
    (void)weir_with(weir_name(weir_filter(source, &even), name), &parameters, sizeof(parameters));
    memset(name, 'x', sizeof(name) - 1);
    cr_assert_eq(weir_job_run(job, &(weir_run_options){ .workers = 1 }), WEIR_OK);
    cr_assert_eq(weir_job_counter(job, "mine", WEIR_ROWS_IN), 10);
    cr_assert_eq(weir_job_counter(job, "even", WEIR_ROWS_IN), 0);
}

Test(job, runs_again_after_it_ran)
{
    (void)weir_reduce(weir_key(source, &by_card_key), &running);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(
            weir_job_run(job, &(weir_run_options){ .workers = 2, .is_simulated = i % 2 == 0 }),
            WEIR_OK);
        cr_assert_eq(weir_job_counter(job, "running", WEIR_ROWS_OUT), 10);
    }
}
