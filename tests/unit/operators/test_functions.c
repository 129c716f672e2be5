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
