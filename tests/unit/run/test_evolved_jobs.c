// A job whose records and states have changed goes on from what the one before has kept; and so it
// does from what was written by earlier versions of weir.
#include "tests/support/shop_job.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static char             checkpoints[64], savepoint[80];
static struct shop_seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void set_up(void)
{
    (void)snprintf(checkpoints, sizeof(checkpoints), "/tmp/weir-evolved-XXXXXX");
    cr_assert_not_null(mkdtemp(checkpoints));
    (void)snprintf(savepoint, sizeof(savepoint), "%s-saved", checkpoints);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void tear_down(void)
{
    (void)nftw(checkpoints, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    (void)nftw(savepoint, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(evolved_jobs, .init = set_up, .fini = tear_down, .timeout = 240);

// ---- runs ----

typedef weir_job *job_maker(const struct shop_options *options);

static const uint64_t EVENTS = 5000;

// From a savepoint to the end.
static void run_on(job_maker *make, const char *from)
{
    const struct shop_options job_options = { .events = EVENTS, .seen = &seen };
    const weir_run_options    options     = { .workers     = 2,
                                              .is_unpinned = true,
                                              .batch_bytes = 4096,
                                              .checkpoints = checkpoints,
                                              .restore     = from };
    weir_job                 *job         = make(&job_options);
    cr_assert_eq(weir_job_run(job, &options), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
}

// Takes a savepoint somewhere on the way, with nothing left behind but that.
static void run_and_save(job_maker *make)
{
    const struct shop_options job_options = { .events = EVENTS, .rate = 10000, .seen = &seen };
    const weir_run_options    options     = { .workers     = 3,
                                              .is_unpinned = true,
                                              .checkpoints = checkpoints };
    weir_job                 *job         = make(&job_options);
    weir_run                 *run         = weir_run_start(job, &options);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    for (uint64_t count = 0; count < 1000;) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        count = weir_job_counter(job, "totals", WEIR_ROWS_IN);
    }
    char *sentence = NULL;
    cr_assert_eq(weir_run_savepoint_any(run, savepoint, -1, &sentence), WEIR_OK, "%s", sentence);
    weir_run_stop_any(run, false);
    cr_assert_eq(weir_run_close(run), WEIR_OK);
    weir_job_close(job);
    (void)nftw(checkpoints, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    for (uint32_t kind = 0; kind < SHOP_KINDS; kind++) {
        seen.of[kind].count = 0;
    }
}

// ---- what is right ----

static uint64_t taken_over; // the number of the first sale that the later version counted

// Sales of a shop and article (SHOPS, ARTICLES: of all) that were made in [begin, end).
struct sum {
    int64_t  count, cents, since;
    uint64_t first, last; // numbers
    weir_str longest;
};

static struct sum sum_of(uint32_t shop, uint32_t article, weir_time begin, weir_time end)
{
    struct sum sum = { .first = EVENTS, .longest = weir_str_from("") };
    for (uint64_t number = 0; number < EVENTS; number++) {
        const weir_time at   = SHOP_BEGIN + (weir_time)number * SHOP_INTERVAL;
        const weir_str  name = weir_str_from(shop_articles[number % ARTICLES]);
        if ((shop < SHOPS && number % SHOPS != shop) ||
            (article < ARTICLES && number % ARTICLES != article) || at < begin || at >= end) {
            continue;
        }
        sum.count++;
        sum.cents += shop_cents(number);
        sum.since += number >= taken_over;
        sum.first = number < sum.first ? number : sum.first;
        sum.last  = number;
        if (name.length > sum.longest.length) {
            sum.longest = name;
        }
    }
    return sum;
}

static int64_t article_check(uint64_t number)
{
    const weir_str name = weir_str_from(shop_articles[number % ARTICLES]);
    return shop_text_check(&name);
}

static int64_t checks_of_totals(const struct sum *sum)
{
    const weir_str code = weir_str_from("ab");
    return article_check(sum->last) + shop_text_check(&code) + 2 * sum->count +
           shop_cents(sum->last);
}

// The sales that are in the list of a shop: when it is full its first goes, and its last takes that
// place. So the second of all stays.
static void notes_of(const struct sum *sum, uint32_t shop, uint64_t numbers[LAST_NOTES])
{
    numbers[0] = sum->last;
    numbers[1] = sum->last - SHOPS;
    numbers[2] = shop + SHOPS;
}

static int64_t checks_of_watched(const struct sum *sum, uint32_t shop)
{
    int64_t  checks = 1; // the timer's time
    uint64_t numbers[LAST_NOTES];
    notes_of(sum, shop, numbers);
    for (uint32_t i = 0; i < LAST_NOTES; i++) {
        checks += article_check(numbers[i]) + (int64_t)numbers[i];
    }
    for (uint32_t article = 0; article < ARTICLES; article++) {
        checks += article_check(article) * sum_of(shop, article, INT64_MIN, INT64_MAX).count;
    }
    return checks;
}

static int64_t cents_of_notes(const struct sum *sum, uint32_t shop)
{
    int64_t  cents = 0;
    uint64_t numbers[LAST_NOTES];
    notes_of(sum, shop, numbers);
    for (uint32_t i = 0; i < LAST_NOTES; i++) {
        cents += shop_cents(numbers[i]);
    }
    return cents;
}

static void row_is_right(enum shop_kind kind, const shop_row *row)
{
    const bool      is_window = kind == SLIDING || kind == TUMBLING;
    const weir_time length    = kind == SLIDING ? WEIR_HOURS(30) : WEIR_HOURS(40);
    struct sum      sum       = sum_of(row->shop, row->article, is_window ? row->start : INT64_MIN,
                            is_window ? row->start + length : INT64_MAX);
    const int64_t   checks    = kind == TOTALS    ? checks_of_totals(&sum)
                                : kind == WATCHED ? checks_of_watched(&sum, row->shop)
                                : kind == SLIDING ? 0
                                                  : shop_text_check(&sum.longest);
    sum.cents                 = kind == WATCHED ? cents_of_notes(&sum, row->shop) : sum.cents;
    cr_expect_eq(row->count, sum.count, "%d: count %lld, not %lld", kind, (long long)row->count,
                 (long long)sum.count);
    cr_expect_eq(row->cents, sum.cents, "%d: cents %lld, not %lld", kind, (long long)row->cents,
                 (long long)sum.cents);
    cr_expect_eq(row->since, sum.since, "%d: since %lld, not %lld", kind, (long long)row->since,
                 (long long)sum.since);
    cr_expect_eq(row->checks, checks, "%d: checks %lld, not %lld", kind, (long long)row->checks,
                 (long long)checks);
}

// Which sales the later version has not counted is what the totals say; all else has to agree.
static void all_is_right(bool is_later)
{
    taken_over = EVENTS;
    for (uint32_t i = 0; i < seen.of[TOTALS].count && is_later; i++) {
        taken_over -= (uint64_t)seen.of[TOTALS].rows[i].since;
    }
    static const uint32_t least[SHOP_KINDS] = {
        [TOTALS] = SHOPS,      [SLIDING] = 3 * SHOPS, [TUMBLING] = SHOPS,
        [SESSIONS] = ARTICLES, [COUNTED] = ARTICLES,  [WATCHED] = SHOPS,
    };
    for (uint32_t kind = 0; kind < SHOP_KINDS; kind++) {
        cr_expect_geq(seen.of[kind].count, least[kind], "%u: %u", kind, seen.of[kind].count);
        for (uint32_t i = 0; i < seen.of[kind].count; i++) {
            row_is_right((enum shop_kind)kind, &seen.of[kind].rows[i]);
        }
    }
}

// ---- tests ----

Test(evolved_jobs, count_on_where_fields_were_gained_lost_widened_moved_and_renamed)
{
    run_and_save(shop_first);
    run_on(shop_later, savepoint);
    all_is_right(true);
    cr_expect(taken_over >= 1000 && taken_over < EVENTS, "%llu", (unsigned long long)taken_over);
}

Test(evolved_jobs, are_told_which_field_cannot_go_back)
{
    run_and_save(shop_later);
    const struct shop_options job_options = { .events = EVENTS, .seen = &seen };
    const weir_run_options    options     = { .checkpoints = checkpoints, .restore = savepoint };
    weir_job                 *job         = shop_first(&job_options);
    cr_assert_eq(weir_job_run(job, &options), WEIR_MISMATCH, "%s", weir_job_error(job));
    cr_expect_not_null(strstr(weir_job_error(job), "key field store is shop in this program"), "%s",
                       weir_job_error(job));
    weir_job_close(job);
}

// tests/fixtures/README.md says how it was made, and what was counted by then.
static const char     fixture_1[]          = WEIR_FIXTURES "/checkpoint-1";
static const uint64_t FIXTURE_1_TAKEN_OVER = 1214;

Test(evolved_jobs, go_on_from_a_checkpoint_of_format_1)
{
    run_on(shop_first, fixture_1);
    all_is_right(false);
}

Test(evolved_jobs, go_on_from_a_checkpoint_of_format_1_with_other_types)
{
    run_on(shop_later, fixture_1);
    all_is_right(true);
    cr_expect_eq(taken_over, FIXTURE_1_TAKEN_OVER);
}
