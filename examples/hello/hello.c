// hello: made-up visits of four pages, counted by page and second; page 0 is nobody's business.
#include <weir.h>

typedef struct visit {
    weir_time at;
    int64_t   page, count;
} visit;
WEIR_RECORD(visit, at, page, count);
static void make(visit *v, uint64_t number, weir_time due)
{
    v->at    = due + WEIR_MILLISECONDS(number);
    v->page  = (int64_t)(number % 7 % 4);
    v->count = 1;
}
WEIR_GENERATOR(visits, visit, make);
static bool is_counted(const visit *v) { return v->page != 0; }
WEIR_FILTER(counted, visit, is_counted);
WEIR_KEY(by_page, visit, page);
static void add(visit *sum, const visit *v) { sum->count += v->count; }
static void result(visit *out, const by_page *key, const weir_pane *pane, const visit *sum)
{
    out->at    = pane->start;
    out->page  = key->page;
    out->count = sum->count;
}
WEIR_AGGREGATE(visits_per_page, visit, by_page, visit, visit, add, add, result);

int main(int argc, char **argv)
{
    static const weir_file_sink_options to_stdout = { NULL, "-", 0, NULL };
    static weir_generator_options       options; // zeros are defaults
    options.events     = 10000;
    options.time.field = "at";
    weir_job   *job    = weir_job_open("hello");
    weir_stream some   = weir_filter(weir_generate(job, &visits, &options), &counted);
    weir_keyed  pages  = weir_key(some, &by_page_key);
    weir_stream counts = weir_aggregate(pages, weir_tumbling(WEIR_SECONDS(1)), &visits_per_page);
    weir_to_jsonl(counts, &to_stdout);
    return weir_main(job, argc, argv);
}
