// hello: made-up clicks on three pages, the human ones counted second by second, as JSON on stdout.
#include <weir.h>

typedef struct click {
    weir_time at;
    int32_t   page, is_robot;
} click;
WEIR_RECORD(click, at, page, is_robot);

static void make_click(click *c, uint64_t number, weir_time due)
{
    c->at       = due + WEIR_MILLISECONDS(number);
    c->page     = (int32_t)(number % 7 % 3);
    c->is_robot = number % 10 == 0;
}
WEIR_GENERATOR(clicks, click, make_click);

static bool is_human(const click *c) { return !c->is_robot; }
WEIR_FILTER(human_clicks, click, is_human);
WEIR_KEY(by_page, click, page);

typedef struct visits {
    weir_time second;
    int64_t   count, page;
} visits;
WEIR_RECORD(visits, second, page, count);
static void add(visits *v, const click *c) { v->count += c->is_robot ? 0 : 1; }
static void merge(visits *v, const visits *more) { v->count += more->count; }
static void result(visits *out, const by_page *key, const weir_pane *pane, const visits *v)
{
    out->second = pane->start;
    out->page   = key->page;
    out->count  = v->count;
}
WEIR_AGGREGATE(visits_per_page, click, by_page, visits, visits, add, merge, result);

int main(int argc, char **argv)
{
    static weir_generator_options ten_seconds; // zeros are defaults
    static weir_file_sink_options to_stdout;
    ten_seconds.events     = 10000;
    ten_seconds.time.field = "at";
    to_stdout.path         = "-";

    weir_job   *job    = weir_job_open("hello");
    weir_stream all    = weir_generate(job, &clicks, &ten_seconds);
    weir_stream human  = weir_filter(all, &human_clicks);
    weir_keyed  pages  = weir_key(human, &by_page_key);
    weir_stream counts = weir_aggregate(pages, weir_tumbling(WEIR_SECONDS(1)), &visits_per_page);
    weir_to_jsonl(counts, &to_stdout);
    return weir_main(job, argc, argv);
}
