#include "connectors/file/file_list.h"
#include "tests/support/sink_trial.h"

#include <criterion/criterion.h>
#include <string.h>

static void in_both_sinks(void (*test)(struct sink_trial *trial))
{
    for (int kind = SINK_LOG; kind <= SINK_FILE; kind++) {
        struct sink_trial trial;
        sink_trial_open(&trial, (enum sink_kind)kind, 3);
        test(&trial);
        sink_trial_close(&trial);
    }
}

#define assert_visible(trial, expected)                                                            \
    cr_assert_str_eq(sink_trial_visible(trial), expected, "the %s shows \"%s\", not \"%s\"",       \
                     (trial)->kind == SINK_LOG ? "log" : "directory", sink_trial_visible(trial),   \
                     expected)

static void start(struct sink_trial *trial, uint32_t task)
{
    cr_assert(sink_trial_start(trial, task), "%s", node_harness_failure(&trial->tasks[task]));
}

static void give(struct sink_trial *trial, uint32_t task, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) {
        sink_trial_give(trial, task, i);
    }
}

static struct wr_token prepare(struct sink_trial *trial, uint32_t task, uint64_t checkpoint)
{
    struct wr_token token;
    cr_assert(sink_trial_prepare(trial, task, checkpoint, &token));
    return token;
}

static void commit(struct sink_trial *trial, const struct wr_token *token)
{
    cr_assert(sink_trial_commit(trial, 0, token), "%s", trial->sentence);
}

static void recover(struct sink_trial *trial, const struct wr_token *tokens, uint32_t count)
{
    cr_assert(sink_trial_recover(trial, tokens, count), "%s", trial->sentence);
}

// ---- one after the other ----

static void one_after_the_other(struct sink_trial *trial)
{
    start(trial, 0);
    give(trial, 0, 1, 2);
    assert_visible(trial, "");
    const struct wr_token first = prepare(trial, 0, 1);
    assert_visible(trial, "");
    give(trial, 0, 3, 3);
    assert_visible(trial, "");
    commit(trial, &first);
    assert_visible(trial, "1 2 ");
    const struct wr_token second = prepare(trial, 0, 2);
    commit(trial, &second);
    assert_visible(trial, "1 2 3 ");
    commit(trial, &first);
    commit(trial, &second);
    assert_visible(trial, "1 2 3 ");
}
Test(sink_commits, show_what_is_committed_when_it_is_and_nothing_before)
{
    in_both_sinks(one_after_the_other);
}

static void given_up(struct sink_trial *trial)
{
    start(trial, 0);
    give(trial, 0, 1, 1);
    const struct wr_token first = prepare(trial, 0, 1);
    give(trial, 0, 2, 2);
    const struct wr_token second = prepare(trial, 0, 2);
    give(trial, 0, 3, 3);
    const struct wr_token third = prepare(trial, 0, 3);
    give(trial, 0, 4, 4);
    commit(trial, &first);
    commit(trial, &second);
    commit(trial, &third);
    assert_visible(trial, "1 2 3 ");
}
Test(sink_commits, of_checkpoints_that_were_given_up_come_with_the_next)
{
    in_both_sinks(given_up);
}

static void empty(struct sink_trial *trial)
{
    start(trial, 0);
    cr_assert_eq(prepare(trial, 0, 1).length, 0);
    give(trial, 0, 1, 1);
    const struct wr_token token = prepare(trial, 0, 2);
    cr_assert_gt(token.length, 0);
    cr_assert_eq(prepare(trial, 0, 3).length, 0);
    give(trial, 0, 2, 2);
    const struct wr_token last = prepare(trial, 0, 4);
    commit(trial, &token);
    commit(trial, &last);
    assert_visible(trial, "1 2 ");
}
Test(sink_commits, need_nothing_where_there_were_no_records) { in_both_sinks(empty); }

// ---- crashes ----

static void crashed_before_prepare(struct sink_trial *trial)
{
    start(trial, 0);
    give(trial, 0, 1, 2);
    sink_trial_crash(trial, 5);
    start(trial, 0);
    recover(trial, NULL, 0);
    give(trial, 0, 1, 2); // the source goes back
    const struct wr_token token = prepare(trial, 0, 1);
    commit(trial, &token);
    assert_visible(trial, "1 2 ");
}
Test(sink_commits, forget_what_was_not_prepared_before_a_crash)
{
    in_both_sinks(crashed_before_prepare);
}

static void crashed_after_prepare(struct sink_trial *trial)
{
    start(trial, 0);
    give(trial, 0, 1, 2);
    const struct wr_token tokens[2] = { prepare(trial, 0, 1),
                                        (give(trial, 0, 3, 3), prepare(trial, 0, 2)) };
    give(trial, 0, 4, 4);
    sink_trial_crash(trial, 5);
    start(trial, 0);
    recover(trial, tokens, 2);
    assert_visible(trial, "1 2 3 ");
    recover(trial, tokens, 2);
    sink_trial_crash(trial, 6);
    cr_assert_eq(sink_trial_undecided(trial), 0);
    assert_visible(trial, "1 2 3 ");
}
Test(sink_commits, of_a_durable_checkpoint_survive_a_crash_before_they_were_committed)
{
    in_both_sinks(crashed_after_prepare);
}

static void crashed_and_withdrawn(struct sink_trial *trial)
{
    start(trial, 0);
    give(trial, 0, 1, 1);
    const struct wr_token token = prepare(trial, 0, 1);
    give(trial, 0, 2, 2);
    (void)prepare(trial, 0, 2);
    sink_trial_crash(trial, 5);
    start(trial, 0);
    recover(trial, &token, 1);
    assert_visible(trial, "1 ");
    sink_trial_end(trial, 0);
    cr_assert_eq(sink_trial_undecided(trial), 0);
}
Test(sink_commits, withdraw_what_no_token_names) { in_both_sinks(crashed_and_withdrawn); }

static void killed_in_commit(struct sink_trial *trial)
{
    start(trial, 0);
    give(trial, 0, 1, 1);
    const struct wr_token token   = prepare(trial, 0, 1);
    const uint64_t        changes = wr_simulation_changes(trial->environment);
    wr_simulation_fault_at(trial->environment, changes, WR_DISK_CRASH_AFTER);
    cr_assert_not(sink_trial_commit(trial, 0, &token));
    sink_trial_kill(trial); // what is not on disk may be lost yet
    start(trial, 0);
    recover(trial, &token, 1);
    for (uint64_t seed = 1; seed < 20; seed++) {
        sink_trial_crash(trial, seed);
        assert_visible(trial, "1 ");
        start(trial, 0);
    }
}
Test(sink_commits, are_durable_also_when_a_recovery_finds_them_done)
{
    in_both_sinks(killed_in_commit);
}

static void fewer_tasks(struct sink_trial *trial)
{
    struct wr_token tokens[3];
    for (uint32_t i = 0; i < 3; i++) {
        start(trial, i);
        give(trial, i, i + 1, i + 1);
    }
    for (uint32_t i = 0; i < 3; i++) {
        tokens[i] = prepare(trial, i, 1);
        give(trial, i, 10 + i, 10 + i);
    }
    for (uint32_t i = 0; i < 3; i++) {
        (void)prepare(trial, i, 2); // is not published
    }
    sink_trial_crash(trial, 5);
    start(trial, 0);
    recover(trial, tokens, 3);
    const char *visible = sink_trial_visible(trial); // of several tasks in any order
    cr_assert_eq(strlen(visible), 6, "%s", visible);
    for (const char *each = "123"; *each != '\0'; each++) {
        cr_assert_not_null(strchr(visible, *each), "%s", visible);
    }
    sink_trial_end(trial, 0);
    cr_assert_eq(sink_trial_undecided(trial), 0);
}
Test(sink_commits, of_tasks_that_are_no_more_are_seen_to_by_those_there_are)
{
    in_both_sinks(fewer_tasks);
}

// ---- others ----

static void check_beside(const char *job, const char *sink)
{
    for (int kind = SINK_LOG; kind <= SINK_FILE; kind++) {
        struct sink_trial trial, other;
        sink_trial_open(&trial, (enum sink_kind)kind, 3);
        start(&trial, 0);
        give(&trial, 0, 1, 1);
        const struct wr_token token = prepare(&trial, 0, 1);
        sink_trial_crash(&trial, 5);
        sink_trial_open_beside(&other, &trial, job, sink);
        start(&other, 0);
        recover(&other, NULL, 0);
        give(&other, 0, 2, 2);
        const struct wr_token others = prepare(&other, 0, 1);
        commit(&other, &others);
        sink_trial_close(&other);
        start(&trial, 0);
        recover(&trial, &token, 1);
        const char *visible = sink_trial_visible(&trial);
        cr_assert(strcmp(visible, "1 2 ") == 0 || strcmp(visible, "2 1 ") == 0, "%s", visible);
        sink_trial_close(&trial);
    }
}

Test(sink_commits, of_two_sinks_of_a_job_in_one_place_are_told_apart)
{
    check_beside("job", "other");
}
Test(sink_commits, of_two_jobs_in_one_place_are_told_apart)
{
    check_beside("other", "sink");
    check_beside("jobs", "ink");
    check_beside("job.sink", "sink");
}

Test(sink_commits, refuse_a_log_that_is_not_the_one_of_the_checkpoint)
{
    struct sink_trial trial;
    sink_trial_open(&trial, SINK_LOG, 3);
    start(&trial, 0);
    cr_assert_not(sink_trial_recover(
        &trial, &(struct wr_token){ .length = 23, .bytes = "12345678901234567 x.0.0" }, 1));
    cr_assert_str_eq(trial.sentence,
                     "log /data/out: it has prepared no transaction 12345678901234567; it is not "
                     "the log that the transaction was made in, or an older copy of it");
    sink_trial_close(&trial);
}

// ---- parts ----

Test(file_parts, are_files_of_a_directory_that_a_source_reads_in_their_order)
{
    struct sink_trial        trial;
    struct wr_partition_list list;
    weir_status              status;
    char                    *error = NULL;
    sink_trial_open(&trial, SINK_FILE, 3);
    start(&trial, 0);
    for (uint64_t checkpoint = 8; checkpoint <= 12; checkpoint++) {
        give(&trial, 0, checkpoint, checkpoint);
        const struct wr_token token = prepare(&trial, 0, checkpoint);
        commit(&trial, &token);
    }
    give(&trial, 0, 13, 13);
    assert_visible(&trial, "8 9 10 11 12 ");
    cr_assert(wr_file_list(trial.environment, "/data/out", &list, &status, &error), "%s", error);
    cr_assert_eq(list.count, 5);
    for (uint32_t i = 0; i < list.count; i++) {
        char begin[60];
        (void)snprintf(begin, sizeof(begin), "/data/out/part-%010u-00000-", 8 + i);
        cr_assert_eq(strncmp(list.names[i], begin, strlen(begin)), 0, "%s", list.names[i]);
        cr_assert_str_eq(list.names[i] + strlen(list.names[i]) - 6, ".jsonl");
        wr_free(list.names[i]);
    }
    wr_free(list.names);
    sink_trial_close(&trial);
}

Test(file_parts, that_were_taken_away_are_not_missed)
{
    struct sink_trial trial;
    sink_trial_open(&trial, SINK_FILE, 3);
    start(&trial, 0);
    give(&trial, 0, 1, 1);
    const struct wr_token token = prepare(&trial, 0, 7);
    commit(&trial, &token);
    struct wr_partition_list list;
    weir_status              status;
    char                    *error = NULL;
    cr_assert(wr_file_list(trial.environment, "/data/out", &list, &status, &error));
    cr_assert_eq(trial.environment->ops->unlink(trial.environment, list.names[0]), 0);
    wr_free(list.names[0]);
    wr_free(list.names);
    sink_trial_crash(&trial, 1);
    start(&trial, 0);
    recover(&trial, &token, 1);
    sink_trial_close(&trial);
}

Test(file_parts, cannot_be_where_a_file_is)
{
    struct sink_trial trial;
    sink_trial_open(&trial, SINK_FILE, 3);
    wr_simulation_import(trial.environment, "/data/out", "x", 1);
    cr_assert_not(sink_trial_start(&trial, 0));
    cr_assert_str_eq(node_harness_failure(&trial.tasks[0]),
                     "sink: /data/out is a file, but with checkpoints the sink writes a directory "
                     "of parts; name another path, or remove the file");
    sink_trial_close(&trial);
}

// A sink of a job of its own, in a place of the test's choice.
struct place {
    struct wr_environment *environment;
    weir_job              *job;
    weir_stream            sink;
    struct node_harness    task;
};

static void nothing(number *out, uint64_t count, weir_time due)
{
    (void)due;
    out->number = count;
}
WEIR_GENERATOR(nothings, number, nothing);

static struct place place_open(const char *path, bool is_csv)
{
    struct place place = { .environment = wr_environment_open_simulated(1, false),
                           .job         = weir_job_open("job") };
    wr_simulation_import(place.environment, "/dev/stdout", "", 0);
    const weir_stream            in = weir_generate(place.job, &nothings, NULL);
    const weir_file_sink_options to = { .name = "sink", .path = path };
    place.sink                      = is_csv ? weir_to_csv(in, &to) : weir_to_jsonl(in, &to);
    cr_assert_eq(weir_job_status(place.job), WEIR_OK, "%s", weir_job_error(place.job));
    return place;
}

static void place_start(struct place *place)
{
    node_harness_open(&place->task, &(struct node_harness_options){
                                        .environment     = place->environment,
                                        .job             = place->job,
                                        .stream          = place->sink,
                                        .is_checkpointed = true,
                                    });
    cr_assert(place->task.is_open, "%s", node_harness_failure(&place->task));
}

static struct wr_token place_write(struct place *place, uint64_t checkpoint)
{
    struct wr_token token;
    struct wr_error error = { .status = WEIR_OK };
    node_harness_give(&place->task, &number_type, &(number){ checkpoint });
    cr_assert(node_harness_barrier(&place->task, checkpoint));
    cr_assert(
        place->task.node->ops->committer->prepare(place->task.node, checkpoint, &token, &error));
    return token;
}

static void place_commit(struct place *place, const struct wr_token *token)
{
    struct wr_error error = { .status = WEIR_OK };
    cr_assert(place->task.node->ops->committer->recover(place->task.node, token, 1, &error), "%s",
              error.sentence);
}

static void place_close(struct place *place)
{
    wr_environment_close(place->environment);
    weir_job_close(place->job);
}

static void note_name(void *opaque, const char *name)
{
    char        *names = opaque;
    const size_t used  = strlen(names);
    (void)snprintf(names + used, 400 - used, "%.24s ", name);
}

Test(file_parts, of_a_directory_whose_path_fits_in_no_token_are_known_by_their_names)
{
    char path[241] = "/";
    memset(path + 1, 'x', sizeof(path) - 2);
    struct place place = place_open(path, false);
    place_start(&place);
    const struct wr_token token = place_write(&place, 1);
    node_harness_stop_machine(place.environment);
    node_harness_close(&place.task);
    wr_simulation_reboot(place.environment, 1);
    place_start(&place);
    place_commit(&place, &token);
    char names[400] = "";
    cr_assert_eq(place.environment->ops->list(place.environment, path, note_name, names), 0);
    cr_assert_eq(strncmp(names, "part-0000000001-00000-", 22), 0, "%s", names);
    node_harness_close(&place.task);
    place_close(&place);
}

// The part is where the path was; the sink's path may be another by now, or none for parts.
Test(file_parts, are_shown_where_they_were_prepared_though_the_path_has_changed)
{
    static const char *const paths[] = { "/new", "-" };
    for (int i = 0; i < 2; i++) {
        struct place place = place_open("/old", false), next = place_open(paths[i], false);
        place_start(&place);
        const struct wr_token token = place_write(&place, 1);
        node_harness_stop_machine(place.environment);
        node_harness_close(&place.task);
        wr_simulation_reboot(place.environment, 1);
        wr_simulation_import(place.environment, "/dev/stdout", "", 0);
        wr_environment_close(next.environment);
        next.environment = place.environment;
        place_start(&next);
        place_commit(&next, &token);
        node_harness_close(&next.task);
        weir_job_close(next.job);
        char names[400] = "";
        cr_assert_eq(place.environment->ops->list(place.environment, "/old", note_name, names), 0);
        cr_assert_eq(strncmp(names, "part-0000000001-00000-", 22), 0, "%s", names);
        place_close(&place);
    }
}

static void note_path(void *opaque, const char *name)
{
    if (name[0] != '.') {
        (void)snprintf(opaque, 300, "/out/%s", name);
    }
}

Test(file_parts, are_tables_of_their_own)
{
    struct place place = place_open("/out", true);
    place_start(&place);
    for (uint64_t checkpoint = 1; checkpoint <= 2; checkpoint++) {
        const struct wr_token token = place_write(&place, checkpoint);
        place_commit(&place, &token);
        char path[300] = "", expected[40];
        cr_assert_eq(place.environment->ops->list(place.environment, "/out", note_path, path), 0);
        size_t      length = 0;
        const char *bytes  = wr_simulation_bytes(place.environment, path, &length);
        (void)snprintf(expected, sizeof(expected), "number\n%u\n", (unsigned)checkpoint);
        cr_assert_eq(length, strlen(expected), "%s", path);
        cr_assert_eq(memcmp(bytes, expected, length), 0, "%.*s", (int)length, bytes);
    }
    node_harness_close(&place.task);
    place_close(&place);
}

Test(file_sink, has_written_what_a_checkpoint_counts_to_standard_output)
{
    struct place place = place_open("-", false);
    place_start(&place);
    cr_assert_eq(place_write(&place, 1).length, 0);
    size_t      length = 0;
    const char *bytes  = wr_simulation_bytes(place.environment, "/dev/stdout", &length);
    cr_assert(bytes != NULL && length == strlen("{\"number\":1}\n"), "%zu", length);
    node_harness_close(&place.task);
    place_close(&place);
}

Test(sinks, say_what_they_guarantee)
{
    struct wr_environment *environment = wr_environment_open_simulated(1, true);
    weir_job              *job         = weir_job_open("job");
    const weir_stream      in          = weir_generate(job, &nothings, NULL);
    weir_collection       *collection  = weir_collection_open();
    const struct {
        weir_stream sink;
        const char *says;
    } cases[] = {
        { weir_to_jsonl(in, &(weir_file_sink_options){ .name = "a", .path = "/none" }),
          "exactly once" },
        { weir_to_csv(in, &(weir_file_sink_options){ .name = "b", .path = "/dev/null" }),
          "at least once (a pipe or a device shows it at once)" },
        { weir_to_csv(in, &(weir_file_sink_options){ .name = "c", .path = "-" }),
          "at least once (standard output shows it at once)" },
        { weir_to_log(in, &(weir_topic){ .name = "t", .type = &number_type }, NULL),
          "exactly once" },
        { weir_collect(in, collection), "at least once (it is kept in memory)" },
    };
    for (size_t i = 0; i < WR_COUNT_OF(cases); i++) {
        cr_assert_eq(weir_job_status(job), WEIR_OK, "%s", weir_job_error(job));
        const struct wr_spec *spec = &job->nodes[cases[i].sink.node]->spec;
        cr_assert_str_eq(spec->operator_->guarantee(environment, spec->options), cases[i].says);
    }
    weir_collection_close(collection);
    weir_job_close(job);
    wr_environment_close(environment);
}
