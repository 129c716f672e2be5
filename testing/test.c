// A test: lives of a job, one after the other, in one simulated environment.
//
//   open --> [ turns --> crash --> restore --> turns --> ... ] --> the job's end
#include "testing/testing.h"

#include "runtime/plan/control_lines.h"
#include "runtime/run/coordinator.h"

#include <stdarg.h>
#include <stdlib.h>

#define CHECKPOINTS     "/weir-test"
#define NEVER_US        (WEIR_TIME_MAX / 4) // an interval of checkpoints that are not taken
#define LEAST_US        5000                // an interval: below it nothing ever comes to rest
#define MOST_STEPS      4000000u            // in one call
#define MOST_WAITING_US WEIR_DAYS(366)      // for a job to end

// ---- mistakes ----

void wr_test_mistake(weir_test *test, const char *sentence, ...)
{
    if (test->error != NULL) {
        return;
    }
    char   *text = NULL;
    va_list arguments;
    va_start(arguments, sentence);
    const int length = vasprintf(&text, sentence, arguments);
    va_end(arguments);
    WR_ASSERT(length >= 0);
    test->error = text;
}

const char *weir_test_error(const weir_test *test) { return test->error; }

// "a, b and c" of the names that `name_of` has; "none".
static char *names_list(const weir_job *job,
                        const char *(*name_of)(const weir_job *job, uint32_t index))
{
    char *list = wr_copy_text(name_of(job, 0) != NULL ? name_of(job, 0) : "none");
    for (uint32_t i = 1; name_of(job, i) != NULL; i++) {
        char *longer = wr_format("%s%s%s", list, name_of(job, i + 1) != NULL ? ", " : " and ",
                                 name_of(job, i));
        wr_free(list);
        list = longer;
    }
    return list;
}

static void mistake_no_such(weir_test *test, const char *verb, const char *kind, const char *name,
                            const char *(*name_of)(const weir_job *job, uint32_t index))
{
    char *list = names_list(test->job, name_of);
    wr_test_mistake(test, "%s: the job has no test %s named \"%s\"; it has %s", verb, kind,
                    name != NULL ? name : "", list);
    wr_free(list);
}

// ---- a life ----

uint64_t weir_test_steps(const weir_test *test)
{
    return test->steps + (test->run != NULL ? test->turns.count : 0);
}

uint64_t weir_test_trace(const weir_test *test)
{
    return test->run != NULL ? wr_mix64(test->trace, test->turns.trace) : test->trace;
}

weir_time weir_test_now(const weir_test *test)
{
    return test->environment->ops->wall_us(test->environment);
}

static uint64_t test_draw(weir_test *test)
{
    return test->random = wr_mix64(test->random, 0x74657374);
}

static weir_status test_close_run(weir_test *test)
{
    test->trace              = weir_test_trace(test);
    test->steps              = weir_test_steps(test);
    const weir_status status = weir_run_close(test->run);
    test->run                = NULL;
    return status;
}

static void job_forget_mistake(weir_job *job)
{
    wr_free(job->error);
    job->error        = NULL;
    job->error_status = WEIR_OK;
}

// The run may be over: it has ended, or failed by itself.
static void test_notice(weir_test *test)
{
    if (test->run != NULL && wr_turns_are_over(&test->turns) && test_close_run(test) != WEIR_OK) {
        wr_test_mistake(test, "%s", weir_job_error(test->job));
    }
}

static void test_start(weir_test *test)
{
    const weir_test_options *chosen  = &test->options;
    const weir_run_options   options = {
          .workers             = chosen->workers,
          .is_unpinned         = true,
          .state_budget        = chosen->state_budget,
          .over_budget         = chosen->over_budget,
          .batch_bytes         = chosen->batch_bytes,
          .credits             = chosen->credits,
          .seed                = chosen->seed,
          .is_simulated        = true,
          .checkpoints         = CHECKPOINTS,
          .checkpoint_interval = chosen->checkpoint_interval,
    };
    test->is_down = false;
    test->run     = wr_launch_still(test->job, &options, test->environment);
    if (test->run == NULL) {
        wr_test_mistake(test, "%s", weir_job_error(test->job));
        return;
    }
    wr_turns_init(&test->turns, test->run, wr_mix64(chosen->seed, test->lives++));
    test_notice(test);
}

static void test_die(weir_test *test)
{
    const bool is_power_cut = test->death == WEIR_TEST_POWER_CUT;
    test->is_doomed         = false;
    if (test->run == NULL) {
        return;
    }
    if (test->fate != NULL) {
        (void)fprintf(test->fate->story, ", %s after %llu steps",
                      is_power_cut ? "power cut" : "killed",
                      (unsigned long long)weir_test_steps(test));
    }
    wr_run_fail_any(test->run, WEIR_INTERRUPTED, "the simulated process was killed");
    wr_simulation_kill(test->environment);
    (void)test_close_run(test);
    job_forget_mistake(test->job);
    if (is_power_cut) {
        wr_simulation_reboot(test->environment, test_draw(test));
    } else {
        wr_simulation_restart(test->environment);
    }
    for (uint32_t i = 0; wr_test_output_name(test->job, i) != NULL; i++) {
        wr_test_output_die(wr_test_output_named(test->job, wr_test_output_name(test->job, i)));
    }
    test->is_down = true;
}

void wr_test_doom(weir_test *test)
{
    struct wr_test_fate *fate = test->fate;
    if (fate->crashes_left == 0) {
        return;
    }
    fate->crashes_left--;
    fate->random    = wr_mix64(fate->random, 1);
    test->is_doomed = true;
    test->death     = fate->random % 2 == 0 ? WEIR_TEST_KILL : WEIR_TEST_POWER_CUT;
    test->dies_at   = weir_test_steps(test) + 1 + (fate->random >> 8) % fate->steps_between;
}

static void test_live_again(weir_test *test)
{
    struct wr_test_fate *fate = test->fate;
    fate->random              = wr_mix64(fate->random, 2);
    test->options.workers     = 1 + (uint32_t)(fate->random % fate->most_workers);
    (void)fprintf(fate->story, " and restored with %u", test->options.workers);
    wr_test_doom(test);
    test_start(test);
}

static void test_ask_workers(weir_test *test, uint32_t workers)
{
    struct wr_error error = { .status = WEIR_OK };
    if (!wr_rescale_still(test->run, workers, &error) && !wr_run_has_failed_any(test->run)) {
        wr_test_mistake(test, "rescale: %s", error.sentence);
    }
    wr_error_fini(&error);
}

static void test_hurry(weir_test *test)
{
    struct wr_test_fate *fate = test->fate;
    if (fate->checkpoints_left > 0 && weir_test_steps(test) >= fate->checkpoint_at) {
        fate->checkpoints_left--;
        fate->checkpoint_at += fate->checkpoint_every;
        wr_coordinator_hurry(test->run->coordinator);
        fate->random = wr_mix64(fate->random, 3);
        if (fate->random % 2 == 0 && !wr_coordinator_is_moving(test->run->coordinator)) {
            const uint32_t workers = 1 + (uint32_t)((fate->random >> 8) % fate->most_workers);
            (void)fprintf(fate->story, ", %u workers after %llu steps", workers,
                          (unsigned long long)weir_test_steps(test));
            test_ask_workers(test, workers);
        }
    }
}

// One step. False: there is none to take: it is down, or over, or only time can help.
static bool test_turn(weir_test *test)
{
    if (test->is_doomed && test->run != NULL && weir_test_steps(test) >= test->dies_at) {
        test_die(test);
        if (test->fate != NULL) {
            test_live_again(test);
        }
        return test->run != NULL;
    }
    if (test->run == NULL || test->error != NULL) {
        return false;
    }
    if (test->fate != NULL) {
        test_hurry(test);
    }
    const bool can_move = wr_turns_take(&test->turns);
    test_notice(test);
    return can_move && test->run != NULL;
}

// Takes steps until there is none to take and no disk to wait for.
static void test_settle(weir_test *test, const char *verb, uint64_t most_steps)
{
    while (test->error == NULL) {
        if (weir_test_steps(test) >= most_steps) {
            wr_test_mistake(test,
                            "%s: the job still has work after %u steps; a source that never rests "
                            "needs a rate, or take steps with weir_test_step",
                            verb, MOST_STEPS);
            return;
        }
        if (test_turn(test)) {
            continue;
        }
        const int64_t due_us = test->run != NULL ? wr_simulation_due(test->environment) : INT64_MAX;
        if (due_us == INT64_MAX) {
            return;
        }
        (void)wr_simulation_advance(test->environment, due_us);
    }
}

static uint64_t test_limit(const weir_test *test) { return weir_test_steps(test) + MOST_STEPS; }

// ---- opening and closing ----

weir_test *weir_test_open(weir_job *job, const weir_test_options *options)
{
    weir_test *test = wr_alloc(sizeof(*test));
    test->job       = job;
    test->nothing   = weir_collection_open();
    if (options != NULL) {
        test->options = *options;
    }
    weir_test_options *own = &test->options;
    own->workers           = own->workers != 0 ? own->workers : 2;
    own->seed              = own->seed != 0 ? own->seed : 1;
    if (own->checkpoint_interval == 0) {
        own->checkpoint_interval = NEVER_US;
    }
    test->random      = own->seed;
    test->environment = wr_environment_open_simulated(own->seed, true);
    if (job == NULL) {
        wr_test_mistake(test, "weir_test_open: the job is NULL; make one with weir_job_open");
        return test;
    }
    if (weir_job_error(job) != NULL) {
        wr_test_mistake(test, "%s", weir_job_error(job));
        return test;
    }
    if (own->checkpoint_interval < LEAST_US) {
        wr_test_mistake(test,
                        "weir_test_open: checkpoint_interval is %lld us, but must be %d or more",
                        own->checkpoint_interval, LEAST_US);
        return test;
    }
    for (uint32_t i = 0; wr_test_input_name(job, i) != NULL; i++) {
        wr_test_input_named(job, wr_test_input_name(job, i))->is_tested = true;
    }
    for (uint32_t i = 0; wr_test_output_name(job, i) != NULL; i++) {
        wr_test_output_named(job, wr_test_output_name(job, i))->is_tested = true;
    }
    test_start(test);
    return test;
}

void weir_test_close(weir_test *test)
{
    if (test == NULL) {
        return;
    }
    if (test->run != NULL) {
        test->fate  = NULL;
        test->death = WEIR_TEST_KILL;
        test_die(test);
    }
    weir_job_close(test->job);
    wr_environment_close(test->environment);
    weir_collection_close(test->nothing);
    wr_free(test->error);
    wr_free(test->sentence);
    wr_free(test);
}

// ---- what comes in ----

static bool types_are_equal(const weir_type *a, const weir_type *b)
{
    bool are_equal = a == b || (strcmp(a->name, b->name) == 0 && a->size == b->size &&
                                a->field_count == b->field_count);
    for (uint32_t i = 0; a != b && are_equal && i < a->field_count; i++) {
        const weir_field *x = &a->fields[i], *y = &b->fields[i];
        are_equal = strcmp(x->name, y->name) == 0 && x->offset == y->offset && x->size == y->size &&
                    x->kind == y->kind && x->count == y->count;
    }
    return are_equal;
}

// NULL after a mistake. `partition` may be every one only if `takes_every`.
static struct wr_test_input *test_input(weir_test *test, const char *verb, const char *source,
                                        uint32_t partition, bool takes_every)
{
    if (test->error != NULL) {
        return NULL;
    }
    struct wr_test_input *input = source != NULL ? wr_test_input_named(test->job, source) : NULL;
    if (input == NULL) {
        mistake_no_such(test, verb, "source", source, wr_test_input_name);
        return NULL;
    }
    const uint32_t count = input->options.partitions;
    if (partition == WEIR_TEST_EVERY_PARTITION && takes_every) {
        return input;
    }
    if (partition >= count) {
        wr_test_mistake(test, "%s: %s has %u partition%s, from 0 to %u, and no %u", verb, source,
                        count, count == 1 ? "" : "s", count - 1, partition);
        return NULL;
    }
    if (input->queues[partition].has_ended) {
        wr_test_mistake(test, "%s: partition %u of %s has ended; nothing may come after that", verb,
                        partition, source);
        return NULL;
    }
    return input;
}

void weir_test_feed(weir_test *test, const char *source, uint32_t partition, const weir_type *type,
                    const void *records, size_t count)
{
    struct wr_test_input *input = test_input(test, "feed", source, partition, false);
    if (input == NULL) {
        return;
    }
    if (type == NULL || !types_are_equal(type, input->type)) {
        wr_test_mistake(test, "feed: %s sends records of type %s, and these are of type %s", source,
                        input->type->name, type != NULL ? type->name : "NULL");
        return;
    }
    weir_collection *kept = input->queues[partition].records;
    for (size_t i = 0; i < count; i++) {
        const struct wr_test_item item = { .verb   = WR_TEST_RECORD,
                                           .record = weir_collection_count(kept) };
        wr_collection_add(kept, (const char *)records + i * type->size, WEIR_INSERT, WEIR_TIME_MIN);
        wr_test_input_add(input, partition, &item);
    }
}

static void input_add(struct wr_test_input *input, uint32_t partition,
                      const struct wr_test_item *item)
{
    const bool is_every = partition == WEIR_TEST_EVERY_PARTITION;
    for (uint32_t i = 0; i < input->options.partitions; i++) {
        if ((is_every || i == partition) && !input->queues[i].has_ended) {
            wr_test_input_add(input, i, item);
        }
    }
}

void weir_test_watermark(weir_test *test, const char *source, uint32_t partition, weir_time time)
{
    const struct wr_test_item item  = { .verb = WR_TEST_WATERMARK, .time = time };
    struct wr_test_input     *input = test_input(test, "watermark", source, partition, true);
    if (input != NULL && input->options.time.field == NULL) {
        wr_test_mistake(test,
                        "watermark: %s has no event time; name a weir_time field of %s in "
                        ".time.field",
                        source, input->type->name);
    } else if (input != NULL) {
        input_add(input, partition, &item);
    }
}

void weir_test_idle(weir_test *test, const char *source, uint32_t partition)
{
    struct wr_test_input *input = test_input(test, "idle", source, partition, true);
    if (input != NULL) {
        input_add(input, partition, &(struct wr_test_item){ .verb = WR_TEST_IDLE });
    }
}

void weir_test_end(weir_test *test, const char *source, uint32_t partition)
{
    struct wr_test_input *input = test_input(test, "end", source, partition, true);
    if (input != NULL) {
        input_add(input, partition, &(struct wr_test_item){ .verb = WR_TEST_END });
    }
}

// ---- what is done ----

void weir_test_settle(weir_test *test) { test_settle(test, "settle", test_limit(test)); }

void weir_test_step(weir_test *test, uint64_t steps)
{
    for (uint64_t i = 0; i < steps && test_turn(test); i++) {
    }
}

void weir_test_advance(weir_test *test, weir_time span)
{
    struct wr_environment *environment = test->environment;
    const int64_t          until_us    = weir_time_add(wr_now_us(environment), span);
    const uint64_t         most_steps  = test_limit(test);
    if (span < 0 || span > MOST_WAITING_US) {
        wr_test_mistake(test, "advance: %lld us; it must be from 0 to %lld, a year", span,
                        (weir_time)MOST_WAITING_US);
    }
    test_settle(test, "advance", most_steps);
    while (test->error == NULL && wr_now_us(environment) < until_us) {
        const int64_t wake_us = test->run != NULL ? wr_turns_wake_at(&test->turns) : INT64_MAX;
        const bool    is_soon = wake_us > wr_now_us(environment) && wake_us < until_us;
        (void)wr_simulation_advance(environment, is_soon ? wake_us : until_us);
        test_settle(test, "advance", most_steps);
    }
}

// False, with a mistake: nothing could come of it.
static bool test_is_up(weir_test *test, const char *verb)
{
    if (test->is_down) {
        wr_test_mistake(
            test, "%s: the job has crashed; start it again with weir_test_restore first", verb);
    }
    return !test->is_down;
}

void weir_test_checkpoint(weir_test *test)
{
    if (!test_is_up(test, "checkpoint")) {
        return;
    }
    const uint64_t most_steps = test_limit(test);
    uint64_t       life;
    do { // again, if it dies meanwhile and lives again by itself
        test_settle(test, "checkpoint", most_steps);
        if (test->run == NULL || test->error != NULL) {
            return;
        }
        life                  = test->lives;
        const uint64_t before = wr_coordinator_completed(test->run->coordinator);
        wr_coordinator_hurry(test->run->coordinator);
        test_settle(test, "checkpoint", most_steps);
        if (test->run != NULL && test->lives == life &&
            wr_coordinator_completed(test->run->coordinator) == before) {
            wr_test_mistake(test, "checkpoint: it was given up, or waits for a task for ever");
        }
    } while (test->run != NULL && test->lives != life);
}

void weir_test_rescale(weir_test *test, uint32_t workers)
{
    if (test->error != NULL || test->run == NULL) {
        return;
    }
    if (workers > WR_CONTROL_WORKERS_MAX) {
        wr_test_mistake(test, "rescale: %u workers; there may be %u at most", workers,
                        WR_CONTROL_WORKERS_MAX);
        return;
    }
    const uint64_t life       = test->lives;
    const uint64_t most_steps = test_limit(test);
    test_ask_workers(test, workers);
    while (test->error == NULL && test->run != NULL && test->lives == life &&
           wr_coordinator_is_moving(test->run->coordinator) && weir_test_steps(test) < most_steps &&
           test_turn(test)) {
    }
    test->options.workers = workers;
}

static void test_report_waiting(weir_test *test)
{
    for (uint32_t i = 0; i < test->run->now->task_count; i++) {
        const struct wr_task *task = test->run->now->tasks[i];
        if (task->state != WR_TASK_DONE) {
            wr_test_mistake(test,
                            "finish: the job does not end, though its test sources have; task %u "
                            "of %s waits",
                            task->instance, task->nodes[0]->spec->name);
        }
    }
}

void weir_test_finish(weir_test *test)
{
    if (!test_is_up(test, "finish")) {
        return;
    }
    const uint64_t most_steps = test_limit(test);
    const int64_t  until_us   = weir_time_add(wr_now_us(test->environment), MOST_WAITING_US);
    for (uint32_t i = 0; test->error == NULL && wr_test_input_name(test->job, i) != NULL; i++) {
        input_add(wr_test_input_named(test->job, wr_test_input_name(test->job, i)),
                  WEIR_TEST_EVERY_PARTITION, &(struct wr_test_item){ .verb = WR_TEST_END });
    }
    test_settle(test, "finish", most_steps);
    while (test->run != NULL && test->error == NULL) {
        const int64_t wake_us = wr_turns_wake_at(&test->turns);
        if (wake_us > until_us && wr_simulation_pending(test->environment) == 0) {
            test_report_waiting(test);
            return;
        }
        (void)wr_simulation_advance(test->environment, wake_us < until_us ? wake_us : until_us);
        test_settle(test, "finish", most_steps);
    }
}

// ---- crashes ----

void weir_test_crash(weir_test *test, weir_test_death death, uint64_t after_steps)
{
    if (test->error != NULL || test->is_down) {
        return;
    }
    if (death != WEIR_TEST_KILL && death != WEIR_TEST_POWER_CUT) {
        wr_test_mistake(test,
                        "crash: %d is no death; there are WEIR_TEST_KILL and "
                        "WEIR_TEST_POWER_CUT",
                        (int)death);
        return;
    }
    test->is_doomed = true;
    test->death     = death;
    test->dies_at   = weir_test_steps(test) + after_steps;
    if (after_steps == 0) {
        test_die(test);
    }
}

bool weir_test_is_down(const weir_test *test) { return test->is_down; }

void weir_test_restore(weir_test *test, uint32_t workers)
{
    if (test->error != NULL) {
        return;
    }
    if (test->run != NULL) {
        test->death = test->is_doomed ? test->death : WEIR_TEST_KILL;
        test_die(test);
    }
    test->is_doomed       = false;
    test->options.workers = workers != 0 ? workers : test->options.workers;
    test_start(test);
}

// ---- what came out ----

static struct wr_test_output *test_output(weir_test *test, const char *verb, const char *sink)
{
    if (test->error != NULL) {
        return NULL;
    }
    struct wr_test_output *output = sink != NULL ? wr_test_output_named(test->job, sink) : NULL;
    if (output == NULL) {
        mistake_no_such(test, verb, "sink", sink, wr_test_output_name);
    }
    return output;
}

const weir_collection *weir_test_committed(weir_test *test, const char *sink)
{
    const struct wr_test_output *output = test_output(test, "committed", sink);
    return output != NULL ? output->committed : test->nothing;
}

const weir_collection *weir_test_uncommitted(weir_test *test, const char *sink)
{
    struct wr_test_output *output = test_output(test, "uncommitted", sink);
    if (output == NULL) {
        return test->nothing;
    }
    wr_test_output_gather(output);
    return output->pending;
}

void weir_test_take(weir_test *test, const char *sink)
{
    struct wr_test_output *output = test_output(test, "take", sink);
    if (output != NULL) {
        wr_test_output_take(output);
    }
}

static bool test_has_operator(weir_test *test, const char *verb, const char *name)
{
    for (uint32_t i = 0; test->error == NULL && i < test->job->node_count; i++) {
        if (name != NULL && strcmp(test->job->nodes[i]->spec.name, name) == 0) {
            return true;
        }
    }
    wr_test_mistake(test, "%s: the job has no operator named \"%s\"", verb,
                    name != NULL ? name : "");
    return false;
}

uint64_t weir_test_counter(weir_test *test, const char *operator_name, weir_counter counter)
{
    return test_has_operator(test, "counter", operator_name)
               ? weir_job_counter(test->job, operator_name, counter)
               : 0;
}

weir_time weir_test_watermark_of(weir_test *test, const char *operator_name)
{
    return test_has_operator(test, "watermark of", operator_name)
               ? (weir_time)weir_job_counter(test->job, operator_name, WEIR_WATERMARK)
               : WEIR_TIME_MIN;
}

const char *weir_test_expect(weir_test *test, const char *sink, const weir_type *type,
                             const void *records, size_t count, weir_test_order order)
{
    const bool                   is_up  = test_is_up(test, "expect");
    const struct wr_test_output *output = is_up ? test_output(test, "expect", sink) : NULL;
    if (output != NULL && (type == NULL || !types_are_equal(type, output->type))) {
        wr_test_mistake(test, "expect: %s takes records of type %s, and these are of type %s", sink,
                        output->type->name, type != NULL ? type->name : "NULL");
    }
    if (test->error != NULL) {
        return test->error;
    }
    weir_collection *wanted = weir_collection_open();
    (void)wr_collection_attach(wanted, output->type);
    for (size_t i = 0; i < count; i++) {
        wr_collection_add(wanted, (const char *)records + i * type->size, WEIR_INSERT,
                          WEIR_TIME_MIN);
    }
    struct wr_test_rows expected = wr_test_rows_of(output, wanted, order);
    struct wr_test_rows found    = wr_test_rows_of(output, output->committed, order);
    wr_free(test->sentence);
    test->sentence = order == WEIR_TEST_IN_ORDER
                         ? wr_test_rows_compare_in_order(sink, output->type, &expected, &found)
                         : wr_test_rows_compare(sink, output->type, &expected, &found);
    wr_test_rows_fini(&expected);
    wr_test_rows_fini(&found);
    weir_collection_close(wanted);
    return test->sentence;
}
