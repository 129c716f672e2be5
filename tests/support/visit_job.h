// A small job for tests of weir/test.h: visits, counted by page and minute.
//
//   visits (2 partitions) --+--> counts: windows of a minute --> sink "counts"
//                           +--> late lines --> sink "late"
//                           +--> dead letters --> sink "letters"
#ifndef VISIT_JOB_H
#define VISIT_JOB_H

#include <weir.h>
#include <weir/test.h>

typedef struct visit {
    weir_time at;
    uint64_t  page;
    weir_str  from;
} visit;
WEIR_RECORD(visit, at, page, from);
WEIR_KEY(by_page, visit, page);

typedef struct visit_tally {
    uint64_t count;
} visit_tally;
WEIR_RECORD(visit_tally, count);

typedef struct page_count {
    weir_time minute;
    uint64_t  page;
    uint64_t  count;
} page_count;
WEIR_RECORD(page_count, minute, page, count);

static inline void tally_add(visit_tally *t, const visit *v)
{
    (void)v;
    t->count++;
}
static inline void tally_merge(visit_tally *t, const visit_tally *more) { t->count += more->count; }
static inline void tally_result(page_count *out, const by_page *key, const weir_pane *pane,
                                const visit_tally *t)
{
    out->minute = pane->start;
    out->page   = key->page;
    out->count  = t->count;
}
WEIR_AGGREGATE(page_counts, visit, by_page, visit_tally, page_count, tally_add, tally_merge,
               tally_result);

static inline bool visit_check(void *record, const char **reason, char *text, void *opaque)
{
    (void)text;
    (void)opaque;
    *reason = "there is no page 0";
    return ((const visit *)record)->page != 0;
}

// Its visits, to be used further.
static inline weir_stream visit_source(weir_job *job)
{
    const weir_test_source_options options = {
        .partitions = 2,
        .check      = visit_check,
        .time       = { .field = "at", .judges_lateness = true, .idle_after = WEIR_SECONDS(5) },
    };
    weir_stream visits = weir_test_source(job, "visits", &visit_type, &options);
    weir_test_sink(weir_late(visits), "late", NULL);
    weir_test_sink(weir_dead_letters(visits), "letters", NULL);
    return visits;
}

static inline weir_job *visit_job(void)
{
    weir_job   *job    = weir_job_open("pages");
    weir_keyed  pages  = weir_key(visit_source(job), &by_page_key);
    weir_stream counts = weir_aggregate(pages, weir_tumbling(WEIR_MINUTES(1)), &page_counts);
    weir_test_sink(weir_name(counts, "by-minute"), "counts", NULL);
    return job;
}

static inline weir_test *visit_test(uint32_t workers, uint64_t seed)
{
    const weir_test_options options = { .workers = workers, .seed = seed };
    return weir_test_open(visit_job(), &options);
}

// One visit of the page at that second.
static inline void visit_feed(weir_test *test, uint32_t partition, int64_t second, uint64_t page)
{
    const visit v = { .at   = WEIR_SECONDS(second),
                      .page = page,
                      .from = weir_str_from("a place with a name longer than a short string") };
    weir_test_feed(test, "visits", partition, &visit_type, &v, 1);
}

#endif // VISIT_JOB_H
