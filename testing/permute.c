// The same play under many fates: what remains must not depend on them.
#include "testing/testing.h"

#include <stdlib.h>

#define MOST_CHECKPOINTS 20u // a seed

static uint64_t fate_draw(struct wr_test_fate *fate)
{
    return fate->random = wr_mix64(fate->random, 0x66617465);
}

static uint32_t fate_below(struct wr_test_fate *fate, uint32_t limit)
{
    return (uint32_t)(fate_draw(fate) >> 16) % limit;
}

// A play with its ends behind it; the caller closes the test.
static weir_test *property_play(const weir_test_property *property,
                                const weir_test_options *options, struct wr_test_fate *fate)
{
    weir_test *test = weir_test_open(property->build(property->opaque), options);
    test->fate      = fate;
    if (fate != NULL) {
        wr_test_doom(test);
    }
    property->play(test, property->opaque);
    weir_test_finish(test);
    return test;
}

static char *rows_differ(const weir_test *reference, const weir_test *test)
{
    char *sentence = NULL;
    for (uint32_t i = 0; sentence == NULL && wr_test_output_name(test->job, i) != NULL; i++) {
        const char                  *sink   = wr_test_output_name(test->job, i);
        const struct wr_test_output *wanted = wr_test_output_named(reference->job, sink);
        const struct wr_test_output *got    = wr_test_output_named(test->job, sink);
        if (wanted == NULL) {
            return wr_format("the job has a sink %s that it did not have under the first seed",
                             sink);
        }
        struct wr_test_rows expected =
            wr_test_rows_of(wanted, wanted->committed, WEIR_TEST_REMAINING);
        struct wr_test_rows found = wr_test_rows_of(got, got->committed, WEIR_TEST_REMAINING);
        sentence                  = wr_test_rows_compare(sink, wanted->type, &expected, &found);
        wr_test_rows_fini(&expected);
        wr_test_rows_fini(&found);
    }
    return sentence;
}

// NULL: under this seed the job gives what it gave the reference.
static char *property_try(const weir_test_property *property, const weir_test *reference,
                          uint64_t seed)
{
    char               *story = NULL;
    size_t              bytes = 0;
    struct wr_test_fate fate  = {
         .random       = wr_mix64(seed, 0x706572),
         .most_workers = property->workers,
         .story        = open_memstream(&story, &bytes),
    };
    WR_ASSERT(fate.story != NULL);
    fate.crashes_left     = fate_below(&fate, property->crashes + 1);
    fate.checkpoints_left = fate_below(&fate, MOST_CHECKPOINTS + 1);
    fate.checkpoint_every = 1 + fate_below(&fate, (uint32_t)weir_test_steps(reference) / 2 + 1);
    fate.checkpoint_at    = fate.checkpoint_every;
    fate.steps_between    = 1 + weir_test_steps(reference) * 2 / (property->crashes + 1);
    const weir_test_options options = {
        .workers     = 1 + fate_below(&fate, property->workers),
        .seed        = seed,
        .batch_bytes = fate_below(&fate, 2) == 0 ? 1024 : 0,
        .credits     = 2 + fate_below(&fate, 3),
    };
    weir_test *test  = property_play(property, &options, &fate);
    char      *wrong = weir_test_error(test) != NULL ? wr_copy_text(weir_test_error(test))
                                                     : rows_differ(reference, test);
    (void)fclose(fate.story);
    char *sentence = wrong != NULL
                         ? wr_format("under seed %llu (%u workers%s) %s", (unsigned long long)seed,
                                     options.workers, story, wrong)
                         : NULL;
    test->fate     = NULL;
    weir_test_close(test);
    wr_free(wrong);
    free(story);
    return sentence;
}

char *weir_test_permute(const weir_test_property *property)
{
    weir_test_property own = *property;
    own.first_seed         = own.first_seed != 0 ? own.first_seed : 1;
    own.seeds              = own.seeds != 0 ? own.seeds : 50;
    own.crashes            = own.crashes != 0 ? own.crashes : 3;
    own.workers            = own.workers != 0 ? own.workers : 4;
    if (own.build == NULL || own.play == NULL) {
        return wr_copy_text("weir_test_permute: the property needs both build and play");
    }
    const weir_test_options options   = { .workers = 1, .seed = own.first_seed };
    weir_test              *reference = property_play(&own, &options, NULL);
    char                   *sentence  = NULL;
    if (weir_test_error(reference) != NULL) {
        sentence = wr_format("on one worker and without a crash: %s", weir_test_error(reference));
    }
    for (uint32_t i = 0; sentence == NULL && i < own.seeds; i++) {
        sentence = property_try(&own, reference, own.first_seed + i);
    }
    weir_test_close(reference);
    return sentence;
}
