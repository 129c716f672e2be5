// A job of ten operators, for tests of how a process starts and ends: made-up clicks, cleaned,
// counted by page and second, ranked, as JSON Lines.
//
//   clicks > human > in_range > shares > distinct > per_second > ranked > running > popular > write
//
//   --events N     how many clicks; 0: no end
//   --output FILE  - is standard output
//   --stuck        the last operator never comes back from its first record
#include <weir.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct click {
    weir_time at;
    uint64_t  number;
    int32_t   page, is_robot;
} click;
WEIR_RECORD(click, at, number, page, is_robot);

static void make_click(click *c, uint64_t number, weir_time due)
{
    (void)due;
    c->at       = WEIR_MILLISECONDS(number);
    c->number   = number;
    c->page     = (int32_t)(number % 7);
    c->is_robot = number % 10 == 0;
}
WEIR_GENERATOR(clicks, click, make_click);

static bool is_human(const click *c) { return !c->is_robot; }
WEIR_FILTER(human, click, is_human);

static void clamp(click *out, const click *in)
{
    *out      = *in;
    out->page = in->page % 5;
}
WEIR_MAP(in_range, click, click, clamp);

WEIR_EMITS(shares, click);
static void share(weir_call *call, const click *in)
{
    *shares_emit(call) = *in;
    if (in->page == 0) {
        click *again  = shares_emit(call);
        *again        = *in;
        again->number = ~in->number;
    }
}
WEIR_FLAT_MAP(shares, click, click, share);

WEIR_KEY(by_number, click, number);
WEIR_KEY(by_page, click, page);

typedef struct visits {
    weir_time second;
    int64_t   count, page;
} visits;
WEIR_RECORD(visits, second, page, count);
static void add(visits *v, const click *c) { v->count += c->page >= 0; }
static void merge(visits *v, const visits *more) { v->count += more->count; }
static void to_visits(visits *out, const by_page *key, const weir_pane *pane, const visits *v)
{
    out->second = pane->start;
    out->page   = key->page;
    out->count  = v->count;
}
WEIR_AGGREGATE(per_second, click, by_page, visits, visits, add, merge, to_visits);

static void rank(visits *out, const visits *in)
{
    *out = *in;
    out->page += 1;
}
WEIR_MAP(ranked, visits, visits, rank);

WEIR_KEY(by_rank, visits, page);
static void accumulate(visits *out, const by_rank *key, visits *state, const visits *in)
{
    (void)key;
    state->count += in->count;
    *out       = *in;
    out->count = state->count;
}
WEIR_REDUCE(running, visits, by_rank, visits, visits, accumulate);

static bool is_popular(const visits *v) { return v->count > 0; }
WEIR_FILTER(popular, visits, is_popular);

static void hang(visits *local, const visits *v)
{
    local->count += v->count;
    (void)fputs("stuck\n", stderr);
    for (;;) {
        (void)pause();
    }
}
static void forget(visits *local, void *opaque)
{
    (void)local;
    (void)opaque;
}
WEIR_SINK(stuck, visits, visits, hang, forget);

struct given {
    const char *events, *output, *is_stuck;
};

static weir_job *build(void *opaque, double rate)
{
    const struct given          *given   = opaque;
    const weir_generator_options options = {
        .events = given->events != NULL ? strtoull(given->events, NULL, 10) : 10000,
        .rate   = rate,
        .time   = { .field = "at" },
    };
    const weir_file_sink_options to = { .path = given->output != NULL ? given->output : "-" };

    weir_job   *job      = weir_job_open("ten-operators");
    weir_stream all      = weir_generate(job, &clicks, &options);
    weir_stream clean    = weir_map(weir_filter(all, &human), &in_range);
    weir_stream shared   = weir_flat_map(clean, &shares);
    weir_stream distinct = weir_deduplicate(weir_key(shared, &by_number_key), WEIR_SECONDS(1), 0);
    weir_stream counted  = weir_aggregate(weir_key(distinct, &by_page_key),
                                          weir_tumbling(WEIR_SECONDS(1)), &per_second);
    weir_stream sums   = weir_reduce(weir_key(weir_map(counted, &ranked), &by_rank_key), &running);
    weir_stream chosen = weir_filter(sums, &popular);
    if (given->is_stuck != NULL) {
        (void)weir_sink(chosen, &stuck, NULL);
    } else {
        (void)weir_to_jsonl(chosen, &to);
    }
    return job;
}

int main(int argc, char **argv)
{
    struct given           given = { 0 };
    const weir_main_option own[] = {
        { "events", "N", "how many clicks; 0: no end", false, &given.events },
        { "output", "FILE", "- is standard output", false, &given.output },
        { "stuck", NULL, "never come back from the first result", false, &given.is_stuck },
    };
    const weir_main_options options = {
        .options = own, .option_count = 3, .build = build, .opaque = &given
    };
    return weir_main_with(&options, argc, argv);
}
