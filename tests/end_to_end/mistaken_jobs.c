// Jobs that somebody got wrong, one a name: each must be refused by a sentence before anything
// runs.
//
//   mistaken_jobs NAME run | plan
#include <weir.h>

#include <stdio.h>
#include <string.h>

typedef struct event {
    weir_time at;
    uint64_t  card_id;
    int64_t   amount;
} event;
WEIR_RECORD(event, at, card_id, amount);

static void make_event(event *e, uint64_t number, weir_time due)
{
    (void)due;
    e->at      = (weir_time)number;
    e->card_id = number;
}
WEIR_GENERATOR(events, event, make_event);

static bool is_large(const event *e) { return e->amount > 100; }
WEIR_FILTER(large, event, is_large);
WEIR_KEY(by_card, event, card_id);

typedef struct total {
    int64_t sum;
} total;
WEIR_RECORD(total, sum);
static void add(total *t, const event *e) { t->sum += e->amount; }
static void merge(total *t, const total *more) { t->sum += more->sum; }
static void to_total(total *out, const by_card *key, const weir_pane *pane, const total *t)
{
    (void)key;
    (void)pane;
    *out = *t;
}
WEIR_AGGREGATE(totals, event, by_card, total, total, add, merge, to_total);

// A record that got here would show on standard output: nothing may run.
static void print(total *local, const total *t)
{
    (void)local;
    (void)printf("%lld\n", (long long)t->sum);
}
static void print_event(total *local, const event *e)
{
    (void)local;
    (void)printf("%llu\n", (unsigned long long)e->card_id);
}
static void forget(total *local, void *opaque)
{
    (void)local;
    (void)opaque;
}
WEIR_SINK(print_totals, total, total, print, forget);
WEIR_SINK(print_events, event, total, print_event, forget);

static weir_stream source(weir_job *job)
{
    const weir_generator_options options = { .events = 1000, .time = { .field = "at" } };
    return weir_generate(job, &events, &options);
}

static void window_over(weir_job *job, weir_window window)
{
    weir_stream in = weir_filter(source(job), &large);
    (void)weir_sink(weir_aggregate(weir_key(in, &by_card_key), window, &totals), &print_totals,
                    NULL);
}

static void slide_longer_than_length(weir_job *job)
{
    window_over(job, weir_sliding(WEIR_SECONDS(10), WEIR_SECONDS(60)));
}

static void slide_no_divisor(weir_job *job)
{
    window_over(job, weir_sliding(WEIR_MINUTES(10), WEIR_MINUTES(7)));
}

static void length_of_nothing(weir_job *job) { window_over(job, weir_tumbling(0)); }

// weir_aggregate(stream, ...) does not compile; who makes the keyed stream by hand is told.
static void window_unkeyed(weir_job *job)
{
    const weir_keyed no_key = { .stream = source(job), .key = NULL };
    (void)weir_sink(weir_aggregate(no_key, weir_tumbling(WEIR_SECONDS(1)), &totals), &print_totals,
                    NULL);
}

static void key_of_nothing(weir_job *job)
{
    const weir_keyed no_key = weir_key(source(job), NULL);
    (void)weir_sink(weir_aggregate(no_key, weir_tumbling(WEIR_SECONDS(1)), &totals), &print_totals,
                    NULL);
}

static void cycle(weir_job *job)
{
    const weir_stream in    = source(job);
    weir_stream       all   = weir_union(&in, 1);
    weir_stream       again = weir_filter(all, &large);
    weir_union_add(all, again);
    (void)weir_sink(again, &print_events, NULL);
}

static void one_name_for_two(weir_job *job)
{
    weir_stream in = source(job);
    (void)weir_sink(weir_name(weir_filter(in, &large), "costly"), &print_events, NULL);
    (void)weir_sink(weir_name(weir_filter(in, &large), "costly"), &print_events, NULL);
}

static void field_misspelled(weir_job *job)
{
    const weir_jsonl_source_options options = { .path = "-",
                                                .type = &event_type,
                                                .time = { .field = "att" } };
    (void)weir_sink(weir_from_jsonl(job, &options), &print_events, NULL);
}

static void field_of_another_kind(weir_job *job)
{
    const weir_jsonl_source_options options = { .path = "-",
                                                .type = &event_type,
                                                .time = { .field = "amount" } };
    (void)weir_sink(weir_from_jsonl(job, &options), &print_events, NULL);
}

static void no_operator(weir_job *job) { (void)job; }

static const struct mistake {
    const char *name;
    void (*build)(weir_job *job);
} mistakes[] = {
    { "slide-longer-than-length", slide_longer_than_length },
    { "slide-no-divisor", slide_no_divisor },
    { "length-of-nothing", length_of_nothing },
    { "window-unkeyed", window_unkeyed },
    { "key-of-nothing", key_of_nothing },
    { "cycle", cycle },
    { "one-name-for-two", one_name_for_two },
    { "field-misspelled", field_misspelled },
    { "field-of-another-kind", field_of_another_kind },
    { "no-operator", no_operator },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        if (strcmp(argv[1], mistakes[i].name) == 0) {
            weir_job *job = weir_job_open("mistaken");
            mistakes[i].build(job);
            return weir_main(job, argc - 1, argv + 1);
        }
    }
    (void)fprintf(stderr, "mistaken_jobs: which one?\n");
    return 77;
}
