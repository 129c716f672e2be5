// Replays of a job, up to a point: where they end, on both sides of it, and what they refuse.
//
// What a replay's state is shows by going on from it: the first row of each key says how many of
// its events had been counted.
#include "runtime/checkpoint/checkpoint.h"
#include "runtime/connector.h"
#include "tests/support/external_sink.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/run.h>
#include <weir/source.h>

enum { EVENTS = 40000, KEYS = 100, PARTITIONS = 3, ALL = 1000 };

typedef struct event {
    uint64_t  number, key;
    weir_time at;
} event;
WEIR_RECORD(event, number, key, at);

typedef struct outcome {
    uint64_t key, count;
} outcome;
WEIR_RECORD(outcome, key, count);

// Pairs change places: number 2 n happens a microsecond after 2 n + 1, of the same partition.
static weir_time time_of(uint64_t number)
{
    const uint64_t turn = number / PARTITIONS;
    return (weir_time)(turn ^ 1);
}

static void make(event *e, uint64_t number, weir_time due)
{
    (void)due;
    e->number = number;
    e->key    = number % KEYS;
    e->at     = time_of(number);
}
WEIR_GENERATOR(numbers, event, make);
WEIR_KEY(by_key, event, key);

typedef struct counted {
    uint64_t count;
} counted;
WEIR_RECORD(counted, count);
static void count(outcome *out, const by_key *key, counted *state, const event *e)
{
    (void)e;
    out->key   = key->key;
    out->count = ++state->count;
}
WEIR_REDUCE(counting, event, by_key, counted, outcome, count);

static struct external external;
static double          rate;
static char            directory[64], saved[80], replayed[80], continued[80];

static void set_up(void)
{
    external_init(&external, sizeof(outcome));
    (void)snprintf(directory, sizeof(directory), "/tmp/weir-replay-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    (void)snprintf(saved, sizeof(saved), "%s/saved", directory);
    (void)snprintf(replayed, sizeof(replayed), "%s/replayed", directory);
    (void)snprintf(continued, sizeof(continued), "%s/continued", directory);
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
    external_fini(&external);
    (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(replay, .init = set_up, .fini = tear_down, .timeout = 240);

static weir_job *job_timed(bool has_time)
{
    const weir_generator_options options = {
        .events     = EVENTS,
        .partitions = PARTITIONS,
        .rate       = rate,
        .time       = { .field = has_time ? "at" : NULL, .out_of_order = 1 },
    };
    weir_job   *job = weir_job_open("tested");
    weir_stream in  = weir_generate(job, &numbers, &options);
    weir_stream out = weir_reduce(weir_key(in, &by_key_key), &counting);
    (void)external_sink(out, "out", &external);
    return job;
}

static weir_run_options options_of(uint32_t workers)
{
    return (weir_run_options){
        .workers             = workers,
        .is_unpinned         = true,
        .checkpoints         = saved,
        .checkpoint_interval = 10000,
    };
}

// Slow enough for some checkpoints before the end.
static void run_all(uint32_t workers, uint32_t kept)
{
    rate                     = 100000;
    weir_job        *job     = job_timed(true);
    weir_run_options options = options_of(workers);
    options.checkpoints_kept = kept;
    cr_assert_eq(weir_job_run(job, &options), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
    cr_assert_eq(external.row_count, EVENTS);
    external.row_count = 0;
    rate               = 0;
}

static void replay(const char *until, const char *restore, uint32_t workers)
{
    weir_job        *job     = job_timed(true);
    weir_run_options options = options_of(workers);
    options.until            = until;
    options.restore          = restore;
    options.replay_to        = replayed;
    cr_assert_eq(weir_job_run(job, &options), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
    cr_assert_eq(external.row_count, 0, "a replay shows nothing");
}

static void is_refused(const weir_run_options *options, bool has_time, weir_status status,
                       const char *words)
{
    weir_job *job = job_timed(has_time);
    cr_assert_eq(weir_job_run(job, options), status, "%s", weir_job_error(job));
    cr_assert_not_null(strstr(weir_job_error(job), words), "%s", weir_job_error(job));
    weir_job_close(job);
}

// Where the replay has stopped reading a partition.
static uint64_t offset_of(uint32_t partition)
{
    const struct wr_store_options reading     = { .writes = false };
    struct wr_environment        *environment = wr_environment_open_real();
    struct wr_error               error       = { .status = WEIR_OK };
    struct wr_store              *store       = NULL;
    struct wr_partition_kept      kept        = { .is_known = 0 };
    char                          name[16];
    (void)snprintf(name, sizeof(name), "%u", partition);
    cr_assert_eq(wr_store_open(environment, replayed, &reading, &store, &error), WEIR_OK, "%s",
                 error.sentence);
    cr_assert(wr_store_manifest(store)->is_stopped);
    for (uint32_t at = 0; at < wr_store_manifest(store)->task_count; at++) {
        const struct wr_index *index = wr_store_index(store, at);
        for (uint32_t i = 0; i < index->operator_count; i++) {
            const struct wr_index_operator *of = &index->operators[i];
            for (uint32_t k = 0; k < of->cell_count; k++) {
                if (strcmp(of->cells[k].name, WR_PARTITION_CELL) == 0 &&
                    strcmp(of->cells[k].key, name) == 0) {
                    memcpy(&kept, of->cells[k].bytes, sizeof(kept));
                }
            }
        }
    }
    cr_assert_eq(kept.is_known, 1);
    wr_store_close(store);
    wr_environment_close(environment);
    return kept.position.numbers[0];
}

// Goes on from the replay's state to the end: it had counted `expected` events of each key.
static void had_counted(const uint64_t *expected)
{
    uint64_t         firsts[KEYS] = { 0 };
    weir_job        *job          = job_timed(true);
    weir_run_options options      = options_of(2);
    options.restore               = replayed;
    options.checkpoints           = continued;
    cr_assert_eq(weir_job_run(job, &options), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
    for (uint64_t i = 0; i < external.row_count; i++) {
        const outcome *o = (const outcome *)(const void *)(external.rows + i * sizeof(*o));
        firsts[o->key]   = firsts[o->key] == 0 ? o->count : firsts[o->key];
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        cr_assert_eq(firsts[key], expected[key] + 1, "key %u: %llu, not %llu", key,
                     (unsigned long long)firsts[key] - 1, (unsigned long long)expected[key]);
    }
    (void)nftw(continued, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    (void)nftw(replayed, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    external.row_count = 0;
}

// The events below number ends[p] of each partition p.
static void had_read(const uint64_t *ends)
{
    uint64_t expected[KEYS] = { 0 };
    for (uint64_t number = 0; number < EVENTS; number++) {
        expected[number % KEYS] += number < ends[number % PARTITIONS];
    }
    for (uint32_t p = 0; p < PARTITIONS; p++) { // the offset is that of the next one
        cr_assert_geq(offset_of(p), ends[p]);
        cr_assert_lt(offset_of(p), ends[p] + PARTITIONS);
    }
    had_counted(expected);
}

// The number of the partition's first event that happened after `time`.
static uint64_t first_after(uint32_t partition, weir_time time)
{
    uint64_t number = partition;
    while (time_of(number) <= time) {
        number += PARTITIONS;
    }
    return number;
}

Test(replay, ends_before_an_offset_and_behind_it)
{
    run_all(2, ALL);
    for (uint32_t workers = 1; workers <= 4; workers++) {
        const uint64_t at = 20000 + workers;
        char           text[2][32];
        for (uint64_t i = 0; i < 2; i++) {
            const uint64_t end = at + i;
            (void)snprintf(text[i], sizeof(text[i]), "@%llu", (unsigned long long)end);
            replay(text[i], NULL, workers);
            had_read((const uint64_t[]){ end, end, end });
        }
    }
}

Test(replay, ends_before_the_first_event_after_a_time_in_each_partition)
{
    run_all(2, ALL);
    for (uint32_t i = 0; i < 4; i++) { // both of a pair that changed places
        const weir_time last = 7000 + i;
        char            text[WEIR_TIME_TEXT_MAX];
        uint64_t        ends[PARTITIONS];
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            ends[p] = first_after(p, last);
        }
        (void)weir_time_format(last, text);
        replay(text, NULL, 1 + i);
        had_read(ends);
    }
}

Test(replay, ends_in_each_partition_where_it_was_told)
{
    run_all(1, ALL);
    replay("0@12000,numbers/1@24001,1970-01-01T00:00:00.005Z", NULL, 2);
    had_read((const uint64_t[]){ 12000, 24001, first_after(2, 5000) });
}

Test(replay, begins_at_the_beginning_where_there_are_no_checkpoints)
{
    weir_job              *job     = job_timed(true);
    const weir_run_options options = { .until = "@5000", .replay_to = replayed };
    cr_assert_eq(weir_job_run(job, &options), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
    had_read((const uint64_t[]){ 5000, 5000, 5000 });
}

Test(replay, ends_at_the_end_if_the_point_is_behind_it)
{
    run_all(2, ALL);
    replay("@1000000", "1", 2);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        cr_assert_geq(offset_of(p), EVENTS);
    }
}

Test(replay, goes_on_from_a_replay)
{
    run_all(2, ALL);
    replay("@20000", NULL, 2);
    char first[100];
    (void)snprintf(first, sizeof(first), "%s-first", replayed);
    cr_assert_eq(rename(replayed, first), 0);
    replay("@30000", first, 3);
    had_read((const uint64_t[]){ 30000, 30000, 30000 });
}

Test(replay, does_not_mind_a_job_that_holds_the_checkpoints)
{
    run_all(2, ALL);
    weir_job        *job     = job_timed(true);
    weir_run_options options = options_of(1);
    options.checkpoints_kept = ALL;
    weir_run *run            = weir_run_start(job, &options);
    cr_assert_not_null(run, "%s", weir_job_error(job));
    weir_job        *looked = job_timed(true);
    weir_run_options look   = options_of(1);
    look.until              = "@38000";
    look.replay_to          = replayed;
    cr_assert_eq(weir_job_run(looked, &look), WEIR_OK, "%s", weir_job_error(looked));
    weir_job_close(looked);
    cr_assert_eq(weir_run_close(run), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
}

Test(replay, refuses_a_point_that_the_checkpoint_is_past)
{
    run_all(2, 1);
    weir_run_options options = options_of(2);
    options.until            = "@1";
    options.replay_to        = replayed;
    options.restore          = "latest";
    is_refused(&options, true, WEIR_USAGE, "behind 1, where the replay is to end");
    options.until = "1970-01-01T00:00:00Z";
    is_refused(&options, true, WEIR_USAGE, "past 1970-01-01T00:00:00Z, where the replay is to end");
    options.restore = NULL;
    is_refused(&options, true, WEIR_NOT_FOUND, "there is none from before the point");
    options.checkpoints = NULL;
    // A directory in which only refused replays were is still a new one.
    options.until = "@39000";
    weir_job *job = job_timed(true);
    cr_assert_eq(weir_job_run(job, &options), WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
}

Test(replay, refuses_checkpoints_that_are_not_there)
{
    weir_run_options options = options_of(2);
    options.until            = "@39000";
    options.replay_to        = replayed;
    is_refused(&options, true, WEIR_NOT_FOUND, saved);
    run_all(2, ALL);
    options.restore = "777777";
    is_refused(&options, true, WEIR_NOT_FOUND, "777777");
    options.checkpoints = NULL;
    is_refused(&options, true, WEIR_USAGE, "there are no checkpoints to find it in");
}

Test(replay, refuses_a_directory_in_which_there_is_something)
{
    run_all(2, ALL);
    weir_run_options options = options_of(2);
    options.until            = "@39000";
    is_refused(&options, true, WEIR_USAGE, "it needs a directory of its own");
    options.replay_to = saved;
    is_refused(&options, true, WEIR_CONFLICT, "the directory is in use");
    options.until = NULL;
    is_refused(&options, true, WEIR_USAGE, "say with until how far");
}

Test(replay, refuses_a_point_that_does_not_fit_the_sources)
{
    weir_run_options options = { .until = "@9,4@9", .replay_to = replayed };
    is_refused(&options, true, WEIR_USAGE, "no source has a partition 4");
    options.until = "0@9,1@9";
    is_refused(&options, true, WEIR_USAGE, "until says nothing of the partition 2");
    options.until = "1970-01-01T00:00:01Z";
    is_refused(&options, false, WEIR_USAGE, "have no event time");
    options.until = "soon";
    is_refused(&options, true, WEIR_USAGE, "it is neither a time");
}
