#include "tests/support/source_harness.h"

#include <criterion/criterion.h>
#include <string.h>

#define S(n) WEIR_SECONDS(n)

static struct source_script script; // of the test that runs; each runs in a process of its own

// What left a job that does nothing but read the script.
struct outcome {
    weir_job        *job;
    weir_collection *passed, *late, *letters;
};

static struct outcome outcome_of(weir_run_options options)
{
    struct outcome    outcome = { weir_job_open("test"), weir_collection_open(),
                                  weir_collection_open(), weir_collection_open() };
    const weir_stream ticks   = source_script_add(outcome.job, &script);
    weir_collect(ticks, outcome.passed);
    weir_collect(weir_late(ticks), outcome.late);
    weir_collect(weir_dead_letters(ticks), outcome.letters);
    const weir_status status = source_harness_run(
        outcome.job, wr_environment_open_simulated(options.seed, false), &options);
    cr_assert_eq(status, WEIR_OK, "%s", weir_job_error(outcome.job));
    return outcome;
}

static struct outcome outcome_of_script(void)
{
    return outcome_of((weir_run_options){ .workers = 1, .seed = 7 });
}

static void outcome_close(struct outcome *outcome)
{
    weir_collection_close(outcome->passed);
    weir_collection_close(outcome->late);
    weir_collection_close(outcome->letters);
    weir_job_close(outcome->job);
}

static void assert_text(const weir_str *text, const char *expected)
{
    cr_assert(text->length == strlen(expected) &&
                  memcmp(weir_str_bytes(text), expected, text->length) == 0,
              "\"%.*s\" is not \"%s\"", (int)text->length, weir_str_bytes(text), expected);
}

static void assert_numbers(const weir_collection *ticks, const uint64_t *numbers, size_t count)
{
    cr_assert_eq(weir_collection_count(ticks), count, "%zu passed, not %zu",
                 weir_collection_count(ticks), count);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(tick_at(ticks, i)->number, numbers[i], "passed %zu is step %llu, not %llu", i,
                     (unsigned long long)tick_at(ticks, i)->number, (unsigned long long)numbers[i]);
    }
}

static void use(uint32_t partition, const struct source_step *steps)
{
    script.partitions[partition] = steps;
    if (partition >= script.partition_count) {
        script.partition_count = partition + 1;
    }
}

static void judge(weir_time out_of_order, weir_time lateness)
{
    script.time = (weir_event_time_options){ .field           = "at",
                                             .out_of_order    = out_of_order,
                                             .judges_lateness = true,
                                             .lateness        = lateness,
                                             .max_ahead       = -1 };
}

// ---- event times ----

Test(source_time, stamps_records_with_the_field)
{
    static const struct source_step steps[] = { TICK(S(-5)), MORE(S(9)), MORE(S(3)),
                                                END_OF_SCRIPT };
    script.time.field                       = "at";
    use(0, steps);
    struct outcome outcome = outcome_of_script();
    cr_assert_eq(weir_collection_count(outcome.passed), 3);
    for (size_t i = 0; i < 3; i++) {
        weir_time   time   = 0;
        const tick *record = weir_collection_at(outcome.passed, i, NULL, &time);
        cr_assert_eq(time, record->at, "record %zu is stamped %lld, not %lld", i, time, record->at);
    }
    outcome_close(&outcome);
}

Test(source_time, gives_no_time_without_a_field)
{
    static const struct source_step steps[] = { TICK(S(1)), END_OF_SCRIPT };
    use(0, steps);
    struct outcome outcome = outcome_of_script();
    weir_time      time    = 0;
    (void)weir_collection_at(outcome.passed, 0, NULL, &time);
    cr_assert_eq(time, WEIR_TIME_MIN);
    outcome_close(&outcome);
}

// ---- lateness ----

// One microsecond decides, in a batch and between batches alike.
static void check_lateness_boundary(const struct source_step *steps)
{
    judge(S(5), S(120));
    use(0, steps);
    struct outcome outcome = outcome_of_script();
    assert_numbers(outcome.passed, (uint64_t[]){ 1, 2 }, 2);
    cr_assert_eq(weir_collection_count(outcome.late), 1);
    const weir_line *line = weir_collection_at(outcome.late, 0, NULL, NULL);
    assert_text(&line->text, "line 3 of partition 0");
    assert_text(&line->partition, "part-0");
    cr_assert_eq(line->line, 3);
    cr_assert_eq(weir_job_counter(outcome.job, "script", WEIR_LATE), 1);
    outcome_close(&outcome);
}

Test(source_time, is_late_behind_the_lateness_in_one_batch)
{
    static const struct source_step steps[] = { TICK(S(1000)), MORE(S(875)), MORE(S(875) - 1),
                                                END_OF_SCRIPT };
    check_lateness_boundary(steps);
}

Test(source_time, is_late_behind_the_lateness_of_earlier_batches)
{
    static const struct source_step steps[] = { TICK(S(1000)), TICK(S(875)), TICK(S(875) - 1),
                                                END_OF_SCRIPT };
    check_lateness_boundary(steps);
}

Test(source_time, is_not_late_by_what_is_read_after_it)
{
    static const struct source_step steps[] = { TICK(S(100)), MORE(S(1000)), MORE(S(870)),
                                                MORE(S(1001)), END_OF_SCRIPT };
    judge(S(5), S(120));
    use(0, steps);
    struct outcome outcome = outcome_of_script();
    assert_numbers(outcome.passed, (uint64_t[]){ 1, 2, 4 }, 3);
    outcome_close(&outcome);
}

// One that is too far ahead is among them, so that they are judged row by row.
Test(source_time, passes_late_records_on_unless_told_to_judge)
{
    static const struct source_step steps[] = { TICK(S(1000)), MORE(S(1)), TICK(S(5000)),
                                                MORE(S(2)), END_OF_SCRIPT };
    judge(0, 0);
    script.time.judges_lateness = false;
    script.time.max_ahead       = S(1000);
    use(0, steps);
    struct outcome outcome = outcome_of_script();
    assert_numbers(outcome.passed, (uint64_t[]){ 1, 2, 4 }, 3);
    cr_assert_eq(weir_job_counter(outcome.job, "script", WEIR_LATE), 0);
    outcome_close(&outcome);
}

Test(source_time, counts_late_records_nobody_listens_to)
{
    static const struct source_step steps[] = { TICK(S(1000)), MORE(S(1)), MORE(S(1001)),
                                                END_OF_SCRIPT };
    judge(0, 0);
    use(0, steps);
    weir_job        *job    = weir_job_open("test");
    weir_collection *passed = weir_collection_open();
    weir_collect(source_script_add(job, &script), passed);
    cr_assert_eq(source_harness_run(job, wr_environment_open_simulated(1, false), NULL), WEIR_OK);
    assert_numbers(passed, (uint64_t[]){ 1, 3 }, 2);
    cr_assert_eq(weir_job_counter(job, "script", WEIR_LATE), 1);
    weir_collection_close(passed);
    weir_job_close(job);
}

// More late lines in one batch than the late output has room for: judging resumes where it stopped.
Test(source_time, resumes_when_the_late_output_is_full)
{
    static struct source_step steps[61];
    steps[0] = (struct source_step)TICK(S(1000));
    for (uint32_t i = 1; i < 60; i++) {
        steps[i] = (struct source_step)MORE(i % 10 == 0 ? S(1000) + i : i);
    }
    judge(0, 0);
    use(0, steps);
    struct outcome outcome =
        outcome_of((weir_run_options){ .workers = 1, .seed = 3, .batch_bytes = 2048 });
    assert_numbers(outcome.passed, (uint64_t[]){ 1, 11, 21, 31, 41, 51 }, 6);
    cr_assert_eq(weir_collection_count(outcome.late), 54);
    uint64_t number = 1;
    for (size_t i = 0; i < 54; i++) {
        number += (number + 1) % 10 == 1 ? 2 : 1;
        const weir_line *line = weir_collection_at(outcome.late, i, NULL, NULL);
        cr_assert_eq(line->line, number, "late line %zu is %llu, not %llu", i,
                     (unsigned long long)line->line, (unsigned long long)number);
    }
    outcome_close(&outcome);
}

// ---- far ahead ----

Test(source_time, rejects_what_is_too_far_ahead_and_is_not_moved_by_it)
{
    static const struct source_step steps[] = { TICK(S(10)), MORE(S(20)), MORE(S(31)), MORE(S(10)),
                                                END_OF_SCRIPT };
    judge(0, S(10));
    script.time.max_ahead = S(10);
    use(0, steps);
    struct outcome outcome = outcome_of_script();
    assert_numbers(outcome.passed, (uint64_t[]){ 1, 2, 4 }, 3);
    outcome_close(&outcome);
}

Test(source_time, rejects_a_jump_of_more_than_the_bound_by_a_microsecond)
{
    static const struct source_step steps[] = { TICK(S(10)), TICK(S(20) + 1), TICK(S(20)),
                                                END_OF_SCRIPT };
    judge(0, 0);
    script.time.max_ahead = S(10);
    use(0, steps);
    struct outcome outcome = outcome_of_script();
    assert_numbers(outcome.passed, (uint64_t[]){ 1, 3 }, 2);
    cr_assert_eq(weir_collection_count(outcome.letters), 1);
    const weir_dead_letter *letter = weir_collection_at(outcome.letters, 0, NULL, NULL);
    cr_assert_eq(letter->line, 2);
    assert_text(&letter->text, "line 2 of partition 0");
    cr_assert_eq(weir_job_counter(outcome.job, "script", WEIR_REJECTED), 1);
    outcome_close(&outcome);
}

// ---- watermarks ----

// What a sink saw: each record with the watermark it came under.
struct seen {
    uint64_t  partition, number;
    weir_time watermark;
};
static struct seen seen[64];
static uint32_t    seen_count;

typedef struct nothing {
    uint8_t unused;
} nothing;
static void see(nothing *local, const tick *record, weir_call *call)
{
    (void)local;
    seen[seen_count++] = (struct seen){ record->partition, record->number, weir_watermark(call) };
}
static void see_end(nothing *local, void *opaque)
{
    (void)local;
    (void)opaque;
}
WEIR_SINK(watcher, tick, nothing, see, see_end);

static void watch(void)
{
    weir_job *job = weir_job_open("test");
    weir_sink(source_script_add(job, &script), &watcher, NULL);
    const weir_status status =
        source_harness_run(job, wr_environment_open_simulated(5, false), NULL);
    cr_assert_eq(status, WEIR_OK, "%s", weir_job_error(job));
    weir_job_close(job);
}

static weir_time watermark_at(uint64_t partition, uint64_t number)
{
    for (uint32_t i = 0; i < seen_count; i++) {
        if (seen[i].partition == partition && seen[i].number == number) {
            return seen[i].watermark;
        }
    }
    cr_assert_fail("step %llu of partition %llu was not seen", (unsigned long long)number,
                   (unsigned long long)partition);
    return 0;
}

Test(source_time, sends_the_watermark_after_the_records_it_speaks_of)
{
    static const struct source_step steps[] = { TICK(S(100)), TICK(S(50)), TICK(S(200)),
                                                TICK(S(201)), END_OF_SCRIPT };
    script.time = (weir_event_time_options){ .field = "at", .out_of_order = S(5) };
    use(0, steps);
    watch();
    cr_assert_eq(watermark_at(0, 1), WEIR_TIME_MIN);
    cr_assert_eq(watermark_at(0, 2), S(95));
    cr_assert_eq(watermark_at(0, 3), S(95));
    cr_assert_eq(watermark_at(0, 4), S(195));
}

Test(source_time, takes_the_least_of_the_partitions)
{
    static const struct source_step ahead[]  = { TICK(S(30)), BUSY(S(1)), TICK(S(31)),
                                                 END_OF_SCRIPT };
    static const struct source_step behind[] = { TICK(S(10)), BUSY(S(2)),  TICK(S(40)),
                                                 BUSY(S(3)),  TICK(S(50)), END_OF_SCRIPT };
    script.time.field                        = "at";
    use(0, ahead);
    use(1, behind);
    watch();
    cr_assert_eq(watermark_at(0, 3), S(10));
    cr_assert_eq(watermark_at(1, 3), S(10), "a partition that ended holds nobody back: %lld",
                 watermark_at(1, 3));
    cr_assert_eq(watermark_at(1, 5), S(40));
}

static weir_time halfway(const void *record, weir_time latest, void *opaque)
{
    (void)record;
    cr_assert_eq(opaque, &script);
    return latest / 2;
}

Test(source_time, takes_the_users_watermark)
{
    static const struct source_step steps[] = { TICK(S(100)), MORE(S(90)), TICK(S(50)), TICK(S(49)),
                                                END_OF_SCRIPT };
    judge(0, 0);
    script.time.watermark = halfway;
    script.time.opaque    = &script;
    use(0, steps);
    watch();
    cr_assert_eq(seen_count, 3);
    cr_assert_eq(watermark_at(0, 3), S(50));
}

// ---- idleness ----

static const struct source_step busy_partition[] = { TICK(S(10)),  BUSY(S(1)),    TICK(S(1000)),
                                                     BUSY(S(20)),  TICK(S(1001)), BUSY(S(40)),
                                                     END_OF_SCRIPT };

static void idle_after(weir_time span)
{
    judge(0, S(100));
    script.time.idle_after   = span;
    script.time.align_within = -1;
    use(0, busy_partition);
}

Test(source_time, an_idle_partition_holds_nobody_back)
{
    static const struct source_step quiet[] = { TICK(S(10)), QUIET(S(30)), END_OF_SCRIPT };
    idle_after(S(5));
    use(1, quiet);
    watch();
    cr_assert_eq(watermark_at(0, 5), S(1000));
}

Test(source_time, a_partition_is_not_idle_before_its_time)
{
    static const struct source_step quiet[] = { TICK(S(10)), QUIET(S(30)), END_OF_SCRIPT };
    idle_after(S(25));
    use(1, quiet);
    watch();
    cr_assert_eq(watermark_at(0, 5), S(10));
}

Test(source_time, a_partition_with_a_read_under_way_is_not_idle)
{
    static const struct source_step busy[] = { TICK(S(10)), BUSY(S(30)), END_OF_SCRIPT };
    idle_after(S(5));
    use(1, busy);
    watch();
    cr_assert_eq(watermark_at(0, 5), S(10));
}

Test(source_time, a_partition_is_never_idle_unless_asked_for)
{
    static const struct source_step quiet[] = { TICK(S(10)), QUIET(S(30)), END_OF_SCRIPT };
    idle_after(0);
    use(1, quiet);
    watch();
    cr_assert_eq(watermark_at(0, 5), S(10));
}

Test(source_time, a_partition_back_from_idleness_is_held_to_the_jobs_watermark)
{
    static const struct source_step quiet[] = { TICK(S(10)),  QUIET(S(30)),     TICK(S(901)),
                                                MORE(S(900)), MORE(S(901) - 1), END_OF_SCRIPT };
    idle_after(S(5));
    use(1, quiet); // the job's watermark is 1001 by then; 901 is exactly within
    watch();
    (void)watermark_at(1, 3);
    cr_assert_eq(seen_count, 5, "%u records passed, not 5", seen_count);
    cr_assert_eq(watermark_at(1, 3), S(1001), "its return lowers nothing");
}

Test(source_time, a_partition_that_was_not_idle_is_held_to_its_own_watermark_only)
{
    static const struct source_step busy[] = { TICK(S(10)),  BUSY(S(30)),      TICK(S(901)),
                                               MORE(S(900)), MORE(S(901) - 1), END_OF_SCRIPT };
    idle_after(S(5));
    use(1, busy);
    watch();
    cr_assert_eq(seen_count, 7, "%u records passed, not 7", seen_count);
}

// ---- alignment ----

// No read starts with a partition further ahead of the slowest that still reads than allowed.
static void check_alignment(weir_time within)
{
    weir_time latest[SOURCE_PARTITIONS_MAX];
    uint32_t  left[SOURCE_PARTITIONS_MAX] = { 0 };
    for (uint32_t p = 0; p < script.partition_count; p++) {
        latest[p] = WEIR_TIME_MIN;
    }
    for (uint32_t i = 0; i < script.log_count; i++) {
        left[script.log[i].partition]++;
    }
    for (uint32_t i = 0; i < script.log_count; i++) {
        const uint32_t of     = script.log[i].partition;
        weir_time      lowest = WEIR_TIME_MAX;
        for (uint32_t p = 0; p < script.partition_count; p++) {
            lowest = left[p] > 0 && latest[p] < lowest ? latest[p] : lowest;
        }
        cr_assert(latest[of] <= weir_time_add(lowest, within),
                  "read %u: partition %u at %lld is read, the slowest is at %lld", i, of,
                  latest[of], lowest);
        latest[of] = script.log[i].time > latest[of] ? script.log[i].time : latest[of];
        left[of]--;
    }
}

#define ALIGNED_TICKS 200

static uint32_t run_aligned(weir_time within, uint32_t workers, uint64_t seed)
{
    static struct source_step steps[3][ALIGNED_TICKS + 1];
    memset(steps, 0, sizeof(steps));
    for (uint32_t i = 0; i < ALIGNED_TICKS; i++) {
        steps[0][i] = (struct source_step)TICK(S(i));
        steps[1][i] = (struct source_step)TICK(S(i * 7 / 2));
        steps[2][i] = (struct source_step)TICK(S(i * 20));
    }
    script                   = (struct source_script){ .log_count = 0 };
    script.time.field        = "at";
    script.time.align_within = within;
    use(0, steps[0]);
    use(1, steps[1]);
    use(2, steps[2]);
    struct outcome outcome = outcome_of((weir_run_options){ .workers = workers, .seed = seed });
    const size_t   passed  = weir_collection_count(outcome.passed);
    cr_assert_eq(passed, 3 * ALIGNED_TICKS, "%zu records passed", passed);
    outcome_close(&outcome);
    return script.log_count;
}

Test(source_time, reads_no_partition_far_ahead_of_the_slowest)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        run_aligned(S(30), 1 + (uint32_t)(seed % 3), seed);
        check_alignment(S(30));
    }
}

Test(source_time, reads_on_where_alignment_is_off)
{
    run_aligned(-1, 1, 1);
    weir_time furthest = 0;
    for (uint32_t i = 0; i < 30; i++) {
        furthest = script.log[i].time > furthest ? script.log[i].time : furthest;
    }
    cr_assert_gt(furthest, S(90), "%lld", furthest);
}

Test(source_time, a_source_without_event_time_holds_no_other_back)
{
    static const struct source_step timed[] = { TICK(S(1)), TICK(S(500)), TICK(S(1000)),
                                                END_OF_SCRIPT };
    static struct source_script     untimed;
    static const struct source_step waiting[] = { TICK(S(0)), BUSY(S(60)), END_OF_SCRIPT };
    script.time.field                         = "at";
    script.time.align_within                  = S(1);
    use(0, timed);
    untimed.partitions[0]   = waiting;
    untimed.partition_count = 1;
    weir_job        *job    = weir_job_open("test");
    weir_collection *first = weir_collection_open(), *second = weir_collection_open();
    weir_collect(source_script_add(job, &script), first);
    weir_collect(weir_name(source_script_add(job, &untimed), "untimed"), second);
    cr_assert_eq(source_harness_run(job, wr_environment_open_simulated(1, false), NULL), WEIR_OK);
    cr_assert_lt(script.log[2].after_us, S(60), "read only after %lld us",
                 (long long)script.log[2].after_us);
    weir_collection_close(first);
    weir_collection_close(second);
    weir_job_close(job);
}
