// gen: the generator alone. w1: filter failed, double the amount, count and sum. Threads share
// nothing.

#include "bench/roof/crew.h"
#include "bench/roof/source.h"

#include <stdalign.h>

struct stateless_member {
    alignas(64) struct checksum checksum;
};

struct stateless {
    const struct roof_options *options;
    struct stateless_member    members[CREW_MAX_THREADS];
};

static void gen_work(void *job, unsigned self)
{
    struct stateless *g = job;
    struct source     source;
    source_init(&source, g->options, self);
    uint64_t count = 0;
    while (source_next(&source, NULL, NULL))
        count += source.count;
    g->members[self].checksum.count = count;
}

// Without a branch: one payment in five has failed, in no order a predictor could learn.
SOURCE_INLINE void w1_consume(void *to, const payment *p, size_t k)
{
    struct checksum *c         = to;
    int              is_failed = p->type == PAYMENT_FAILED;
    (void)k;
    c->count += (uint64_t)is_failed;
    c->sum += -(int64_t)is_failed & (p->amount * 2);
}

static void w1_work(void *job, unsigned self)
{
    struct stateless *g = job;
    struct source     source;
    struct checksum   checksum = { 0 };
    source_init(&source, g->options, self);
    while (source_next(&source, w1_consume, &checksum))
        ;
    g->members[self].checksum = checksum;
}

static bool stateless_run(const struct roof_options *options, struct roof_result *result,
                          void (*work)(void *job, unsigned self))
{
    struct stateless g = { .options = options };
    *result =
        (struct roof_result){ .seconds = crew_run(options->threads,
                                                  &(struct crew_work){ .work = work, .job = &g }) };
    for (unsigned t = 0; t < options->threads; t++)
        checksum_merge(&result->checksum, &g.members[t].checksum);
    return result->seconds >= 0;
}

bool roof_gen(const struct roof_options *options, struct roof_result *result)
{
    return stateless_run(options, result, gen_work);
}

bool roof_w1(const struct roof_options *options, struct roof_result *result)
{
    return stateless_run(options, result, w1_work);
}
