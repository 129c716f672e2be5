// "Is my job right under any order and any crash?"
#include "tests/support/visit_job.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static weir_job *build(void *opaque)
{
    (void)opaque;
    return visit_job();
}

static void play(weir_test *test, void *opaque)
{
    (void)opaque;
    for (int64_t second = 0; second < 300; second++) {
        visit_feed(test, (uint32_t)second % 2, second, 1 + (uint64_t)second % 5);
    }
    weir_test_settle(test);
    weir_test_idle(test, "visits", 1);
    weir_test_advance(test, WEIR_SECONDS(1));
}

Test(permute, a_job_that_is_right_is_right_under_every_seed)
{
    const weir_test_property property = { .build = build, .play = play, .seeds = 30 };
    char                    *wrong    = weir_test_permute(&property);
    cr_expect_null(wrong, "%s", wrong);
    free(wrong);
}

// Counts in a variable of the program, which no checkpoint keeps.
static uint64_t seen_so_far;

typedef struct numbered {
    uint64_t number;
} numbered;
WEIR_RECORD(numbered, number);

static void number_visit(numbered *out, const visit *v)
{
    (void)v;
    out->number = seen_so_far++;
}
WEIR_MAP(number_visits, visit, numbered, number_visit);

static weir_job *build_wrong(void *opaque)
{
    (void)opaque;
    seen_so_far   = 0;
    weir_job *job = weir_job_open("wrong");
    weir_test_sink(weir_map(weir_test_source(job, "visits", &visit_type, NULL), &number_visits),
                   "numbers", NULL);
    return job;
}

static void play_wrong(weir_test *test, void *opaque)
{
    (void)opaque;
    for (int64_t i = 0; i < 200; i++) {
        visit_feed(test, 0, i, 1);
    }
}

Test(permute, a_job_that_keeps_state_of_its_own_is_found_out_with_the_seed)
{
    const weir_test_property property = { .build = build_wrong, .play = play_wrong };
    char                    *wrong    = weir_test_permute(&property);
    cr_assert_not_null(wrong);
    cr_expect_eq(strncmp(wrong, "under seed ", 11), 0, "%s", wrong);
    cr_expect_not_null(strstr(wrong, "and restored with"), "%s", wrong);
    cr_expect_not_null(strstr(wrong, "numbers: "), "%s", wrong);
    free(wrong);
}

Test(permute, a_mistake_of_the_play_is_said)
{
    const weir_test_property property = { .build = build, .play = play_wrong, .seeds = 1 };
    const weir_test_property broken   = { .build = build_wrong, .play = play, .seeds = 1 };
    char                    *right    = weir_test_permute(&property);
    char                    *wrong    = weir_test_permute(&broken);
    cr_expect_null(right, "%s", right);
    cr_assert_not_null(wrong);
    cr_expect_str_eq(wrong, "on one worker and without a crash: feed: visits has 1 partition, from "
                            "0 to 0, and no 1");
    free(wrong);
}

Test(permute, needs_a_job_and_a_play)
{
    const weir_test_property property = { .play = play };
    char                    *wrong    = weir_test_permute(&property);
    cr_expect_str_eq(wrong, "weir_test_permute: the property needs both build and play");
    free(wrong);
}
