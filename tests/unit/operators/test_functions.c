// What a user's function may ask of its call, and what happens when it asks for too much: small
// whole jobs, simulated and in threads.
#include <weir.h>

#include <criterion/criterion.h>
#include <string.h>

enum { EVENTS = 3000 };

typedef struct tick {
    weir_time at;
    uint64_t  number;
    weir_time seen; // the event time its function was told
} tick;
WEIR_RECORD(tick, at, number, seen);

static void make(tick *t, uint64_t number, weir_time due)
{
    (void)due;
    t->at     = (weir_time)number + 1000;
    t->number = number;
    t->seen   = 0;
}
WEIR_GENERATOR(ticks, tick, make);

static void note_time(tick *out, const tick *in, weir_call *call)
{
    *out      = *in;
    out->seen = weir_event_time(call);
}
WEIR_MAP(noted, tick, tick, note_time);

static bool is_at_its_time(const tick *in, weir_call *call)
{
    return weir_event_time(call) == in->at;
}
WEIR_FILTER(at_its_time, tick, is_at_its_time);

static bool refuse_all(const tick *in, weir_call *call)
{
    weir_reject(call, "number %llu, and a reason of more than twelve bytes",
                (unsigned long long)in->number);
    return false;
}
WEIR_FILTER(refused, tick, refuse_all);

static bool emit_from_a_filter(const tick *in, weir_call *call)
{
    tick *out = weir_emit_row(call);
    *out      = *in;
    return true;
}
WEIR_FILTER(emitting, tick, emit_from_a_filter);

WEIR_EMITS(too_many, tick);
static void emit_three(weir_call *call, const tick *in)
{
    for (uint32_t i = 0; i < 3; i++) {
        *too_many_emit(call) = *in;
    }
}
WEIR_FLAT_MAP_MOST(too_many, tick, tick, emit_three, 2);

static bool use_much_scratch(const tick *in, weir_call *call)
{
    (void)in;
    for (size_t bytes = 1; bytes < 100000; bytes = bytes * 3 + 1) {
        char *memory = weir_scratch(call, bytes);
        cr_assert_eq((uintptr_t)memory % 16, 0);
        memset(memory, 1, bytes);
    }
    return true;
}
WEIR_FILTER(scratching, tick, use_much_scratch);

typedef struct shared {
    uint64_t count, tasks;
} shared;
typedef struct own {
    uint64_t count;
} own;
static void take(own *o, const tick *t, weir_call *call)
{
    o->count += weir_event_time(call) == t->at;
}
static void finish(own *o, void *opaque)
{
    ((shared *)opaque)->count += o->count;
    ((shared *)opaque)->tasks++;
}
WEIR_SINK(counted, tick, own, take, finish);

// ---- timers ----

WEIR_KEY(by_number, tick, number);
typedef struct fired {
    uint64_t times;
} fired;
WEIR_RECORD(fired, times);

static void set_one(weir_call *call, const by_number *key, fired *state, const tick *in)
{
    (void)key;
    (void)state;
    weir_timer_set(call, in->at + 10);
}
WEIR_EMITS(watching, tick);
static void tell_watermark(weir_call *call, const by_number *key, fired *state, weir_time at)
{
    tick *out   = watching_emit(call);
    out->at     = at;
    out->number = key->number;
    out->seen   = weir_watermark(call);
    state->times++;
}
WEIR_PROCESS(watching, tick, by_number, fired, tick, set_one, tell_watermark);

// Sets itself again for ever, and once more for its own time.
WEIR_EMITS(metronome, tick);
static void tick_on(weir_call *call, const by_number *key, fired *state, weir_time at)
{
    tick *out   = metronome_emit(call);
    out->at     = at;
    out->number = key->number;
    if (state->times++ == 0) {
        weir_timer_set(call, at);
        weir_timer_set(call, at - 1);
    }
    weir_timer_set(call, at + WEIR_SECONDS(1));
}
static void start(weir_call *call, const by_number *key, fired *state, const tick *in)
{
    (void)key;
    (void)state;
    weir_timer_set(call, in->at + WEIR_SECONDS(1)); // later than all records
}
WEIR_PROCESS(metronome, tick, by_number, fired, tick, start, tick_on);

WEIR_EMITS(emit_or_refuse, tick);
static void emit_then_refuse(weir_call *call, const by_number *key, fired *state, const tick *in)
{
    (void)state;
    *emit_or_refuse_emit(call) = *in;
    if (key->number % 2 == 1) {
        weir_reject(call, "odd");
    }
}
static void no_timer(weir_call *call, const by_number *key, fired *state, weir_time at)
{
    (void)call;
    (void)key;
    (void)state;
    (void)at;
}
WEIR_PROCESS(emit_or_refuse, tick, by_number, fired, tick, emit_then_refuse, no_timer);

static void see_pane(tick *out, const by_number *key, const weir_pane *pane, const fired *f,
                     weir_call *call)
{
    (void)f;
    out->at     = pane->end;
    out->number = key->number;
    out->seen   = weir_watermark(call);
}
static void count_one(fired *f, const tick *t)
{
    (void)t;
    f->times++;
}
static void add_fired(fired *f, const fired *more) { f->times += more->times; }
WEIR_AGGREGATE(panes, tick, by_number, fired, tick, count_one, add_fired, see_pane);

static weir_job        *job;
static weir_stream      source;
static weir_collection *collected;

static void open_job(void)
{
    const weir_generator_options options = { .events = EVENTS, .time = { .field = "at" } };
    job                                  = weir_job_open("calls");
    source                               = weir_generate(job, &ticks, &options);
    collected                            = weir_collection_open();
}
static void close_job(void)
{
    weir_job_close(job);
    weir_collection_close(collected);
}

TestSuite(functions, .init = open_job, .fini = close_job);

static void run(weir_status expected)
{
    const weir_run_options options = { .workers = 2, .batch_bytes = 2048 };
    cr_assert_eq(weir_job_run(job, &options), expected, "%s", weir_job_error(job));
}

Test(functions, of_maps_see_the_event_time_of_their_own_record)
{
    (void)weir_collect(weir_map(source, &noted), collected);
    run(WEIR_OK);
    cr_assert_eq(weir_collection_count(collected), EVENTS);
    for (size_t i = 0; i < EVENTS; i++) {
        const tick *t = weir_collection_at(collected, i, NULL, NULL);
        cr_assert_eq(t->seen, t->at, "record %zu: %lld, not %lld", i, t->seen, t->at);
    }
}

Test(functions, of_filters_see_the_event_time_of_their_own_record)
{
    (void)weir_filter(source, &at_its_time);
    run(WEIR_OK);
    cr_assert_eq(weir_job_counter(job, "at_its_time", WEIR_FILTERED), 0);
}

Test(functions, of_sinks_see_the_event_time_and_finish_once_a_task)
{
    shared all = { 0 };
    (void)weir_parallelism(weir_sink(weir_rebalance(source), &counted, &all), 3);
    run(WEIR_OK);
    cr_assert_eq(all.count, EVENTS);
    cr_assert_eq(all.tasks, 3);
}

Test(functions, may_refuse_every_record_and_each_is_a_dead_letter)
{
    const weir_stream none = weir_filter(source, &refused);
    (void)weir_collect(weir_dead_letters(none), collected);
    run(WEIR_OK);
    cr_assert_eq(weir_job_counter(job, "refused", WEIR_REJECTED), EVENTS);
    cr_assert_eq(weir_collection_count(collected), EVENTS, "%zu arrived",
                 weir_collection_count(collected));
    static const char reason[] = "number %zu, and a reason of more than twelve bytes";
    for (size_t i = 0; i < EVENTS; i++) {
        char                    expected[100];
        const weir_dead_letter *letter = weir_collection_at(collected, i, NULL, NULL);
        const int               length = snprintf(expected, sizeof(expected), reason, i);
        cr_assert_eq(letter->reason.length, (uint32_t)length);
        cr_assert_arr_eq(weir_str_bytes(&letter->reason), expected, (size_t)length);
    }
}

Test(functions, of_filters_cannot_emit)
{
    (void)weir_filter(source, &emitting);
    run(WEIR_FAILED);
    cr_assert_str_eq(weir_job_error(job),
                     "calls: emitting: its function emits, which only those of flat maps "
                     "and process functions can");
}

Test(functions, that_emit_more_than_their_most_fail_the_job_by_name)
{
    (void)weir_flat_map(source, &too_many);
    run(WEIR_FAILED);
    cr_assert_str_eq(weir_job_error(job),
                     "calls: too_many: one call emitted more than the 2 records its "
                     "binding declares; raise its most");
}

Test(functions, get_aligned_scratch_of_any_size)
{
    (void)weir_filter(source, &scratching);
    run(WEIR_OK);
}

static void expect_to_see_what_has_come(void)
{
    uint64_t before_the_end = 0;
    run(WEIR_OK);
    cr_assert_eq(weir_collection_count(collected), EVENTS);
    for (size_t i = 0; i < EVENTS; i++) {
        const tick *t = weir_collection_at(collected, i, NULL, NULL);
        cr_assert_geq(t->seen, t->at, "%lld fired at a watermark of %lld", t->at, t->seen);
        before_the_end += t->seen < WEIR_TIME_MAX;
    }
    cr_expect_gt(before_the_end, 0);
}

Test(functions, of_timers_see_the_watermark_that_made_them_fire)
{
    const weir_keyed keyed = weir_key(source, &by_number_key);
    (void)weir_collect(weir_process(keyed, &watching, NULL), collected);
    expect_to_see_what_has_come();
}

Test(functions, of_results_see_the_watermark_that_closed_the_window)
{
    const weir_keyed keyed = weir_key(source, &by_number_key);
    (void)weir_collect(weir_aggregate(keyed, weir_tumbling(10), &panes), collected);
    expect_to_see_what_has_come();
}

Test(functions, of_timers_that_set_themselves_again_end_with_the_input)
{
    (void)weir_collect(weir_process(weir_key(source, &by_number_key), &metronome, NULL), collected);
    run(WEIR_OK);
    // No timer is due before the end: each fires, once more at its own time and once before that.
    cr_assert_eq(weir_collection_count(collected), 3 * EVENTS, "%zu",
                 weir_collection_count(collected));
    cr_assert_eq(weir_job_counter(job, "metronome", WEIR_TIMERS_DROPPED), 3 * EVENTS);
}

Test(functions, of_process_send_nothing_for_what_they_refuse)
{
    const weir_keyed keyed = weir_key(source, &by_number_key);
    (void)weir_collect(weir_process(keyed, &emit_or_refuse, NULL), collected);
    run(WEIR_OK);
    cr_assert_eq(weir_job_counter(job, "emit_or_refuse", WEIR_REJECTED), EVENTS / 2);
    cr_assert_eq(weir_collection_count(collected), EVENTS / 2);
}
