// tested: a job of one's own under test: what it counts, and that crashes change nothing.
#include <stdio.h>
#include <stdlib.h>
#include <weir.h>
#include <weir/test.h>

typedef struct click {
    weir_time at;
    uint32_t  user;
} click;
WEIR_RECORD(click, at, user);
WEIR_KEY(by_user, click, user);

typedef struct tally {
    uint64_t count;
} tally;
WEIR_RECORD(tally, count);
static void add(tally *t, const click *c)
{
    (void)c;
    t->count++;
}
static void merge(tally *t, const tally *more) { t->count += more->count; }

typedef struct per_minute {
    weir_time minute;
    uint32_t  user;
    uint64_t  count;
} per_minute;
WEIR_RECORD(per_minute, minute, user, count);
static void result(per_minute *out, const by_user *key, const weir_pane *pane, const tally *t)
{
    out->minute = pane->start;
    out->user   = key->user;
    out->count  = t->count;
}
WEIR_AGGREGATE(clicks_per_minute, click, by_user, tally, per_minute, add, merge, result);

static weir_job *build(void *opaque)
{
    (void)opaque;
    const weir_test_source_options source = { .partitions = 2, .time = { .field = "at" } };

    weir_job   *job    = weir_job_open("clicks");
    weir_stream clicks = weir_test_source(job, "clicks", &click_type, &source);
    weir_keyed  users  = weir_key(clicks, &by_user_key);
    weir_stream counts = weir_aggregate(users, weir_tumbling(WEIR_MINUTES(1)), &clicks_per_minute);
    weir_test_sink(counts, "counts", NULL);
    return job;
}

static void print(const char *what, const char *wrong)
{
    (void)printf("%s: %s\n", what, wrong != NULL ? wrong : "as expected");
}

static void test_a_window(void)
{
    const click some[] = { { WEIR_SECONDS(5), 1 }, { WEIR_SECONDS(50), 1 } };

    weir_test *test = weir_test_open(build(NULL), NULL);
    weir_test_feed(test, "clicks", 0, &click_type, some, 2);
    weir_test_watermark(test, "clicks", 0, WEIR_MINUTES(1));
    weir_test_idle(test, "clicks", 1);
    weir_test_checkpoint(test);

    const per_minute expected = { .minute = 0, .user = 1, .count = 2 };
    print("a window",
          weir_test_expect(test, "counts", &per_minute_type, &expected, 1, WEIR_TEST_ANY_ORDER));
    const per_minute wrong = { .minute = 0, .user = 1, .count = 3 };
    print("a mistake",
          weir_test_expect(test, "counts", &per_minute_type, &wrong, 1, WEIR_TEST_ANY_ORDER));
    weir_test_close(test);
}

static void test_a_crash(void)
{
    const click some[] = { { WEIR_SECONDS(5), 1 }, { WEIR_SECONDS(50), 1 } };

    weir_test *test = weir_test_open(build(NULL), NULL);
    weir_test_feed(test, "clicks", 0, &click_type, &some[0], 1);
    weir_test_checkpoint(test);
    weir_test_feed(test, "clicks", 1, &click_type, &some[1], 1);
    weir_test_settle(test);
    weir_test_crash(test, WEIR_TEST_POWER_CUT, 0);
    weir_test_restore(test, 3); // on three workers
    weir_test_finish(test);

    const per_minute expected = { .minute = 0, .user = 1, .count = 2 };
    print("a crash",
          weir_test_expect(test, "counts", &per_minute_type, &expected, 1, WEIR_TEST_ANY_ORDER));
    weir_test_close(test);
}

static void play(weir_test *test, void *opaque)
{
    (void)opaque;
    for (uint32_t i = 0; i < 300; i++) {
        const click c = { .at = WEIR_SECONDS(i), .user = i * i % 5 };
        weir_test_feed(test, "clicks", i % 2, &click_type, &c, 1);
    }
}

static void test_any_order_and_any_crash(void)
{
    const weir_test_property property = { .build = build, .play = play, .seeds = 100 };
    char                    *wrong    = weir_test_permute(&property);
    print("any order, any crash", wrong);
    free(wrong);
}

int main(void)
{
    test_a_window();
    test_a_crash();
    test_any_order_and_any_crash();
    return 0;
}
