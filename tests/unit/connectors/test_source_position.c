#include "runtime/run/kept.h"
#include "tests/support/node_harness.h"

#include <criterion/criterion.h>
#include <string.h>
#include <weir/source.h>

typedef struct entry {
    uint64_t number;
} entry;
WEIR_RECORD(entry, number);

// A job that reads `path`, stopped and started again; what it read stands in `numbers`.
struct trial {
    weir_job              *job;
    weir_stream            stream;
    struct wr_environment *environment;
    struct node_harness    harness;
    char                   kept[256];
    char                   numbers[400];
};

static struct trial trial_open(const char *path, bool is_csv, bool follows, double rate)
{
    struct trial trial = { .job         = weir_job_open("test"),
                           .environment = wr_environment_open_simulated(1, false) };
    trial.stream =
        is_csv ? weir_from_csv(trial.job, &(weir_csv_source_options){ .path   = path,
                                                                      .type   = &entry_type,
                                                                      .follow = follows,
                                                                      .rate   = rate })
               : weir_from_jsonl(trial.job, &(weir_jsonl_source_options){ .path   = path,
                                                                          .type   = &entry_type,
                                                                          .follow = follows,
                                                                          .rate   = rate });
    return trial;
}

static void trial_put(const struct trial *trial, const char *path, const char *text)
{
    (void)trial->environment->ops->unlink(trial->environment, path);
    wr_simulation_import(trial->environment, path, text, strlen(text));
}

// Opens the source, at what was kept. False: it refuses.
static bool trial_start(struct trial *trial)
{
    node_harness_open(&trial->harness, &(struct node_harness_options){
                                           .environment     = trial->environment,
                                           .job             = trial->job,
                                           .stream          = trial->stream,
                                           .is_checkpointed = true,
                                       });
    cr_assert(trial->harness.is_open, "%s", node_harness_failure(&trial->harness));
    const struct wr_kept_cell *cell = &trial->harness.node->kept->cells[0];
    memcpy(cell->at, trial->kept, cell->bytes);
    return trial->harness.node->ops->restored(trial->harness.node);
}

static void trial_note(struct trial *trial)
{
    const struct wr_node  *node = trial->harness.node;
    const struct wr_batch *rows = node->outputs[WR_OUTPUT_MAIN].batch;
    const struct wr_batch *bad  = node->outputs[WR_OUTPUT_REJECTS].batch;
    for (uint32_t i = 0; i < rows->row_count; i++) {
        const size_t used = strlen(trial->numbers);
        (void)snprintf(trial->numbers + used, sizeof(trial->numbers) - used, "%llu ",
                       (unsigned long long)((const entry *)wr_batch_row(rows, i))->number);
    }
    for (uint32_t i = 0; i < bad->row_count; i++) {
        const size_t used = strlen(trial->numbers);
        (void)snprintf(trial->numbers + used, sizeof(trial->numbers) - used, "bad line %llu ",
                       (unsigned long long)((const weir_dead_letter *)wr_batch_row(bad, i))->line);
    }
    node_harness_take(&trial->harness);
}

// Polls until the source says that this is the end, or, often enough, that there is nothing now, or
// `most` rows have come.
static void trial_read(struct trial *trial, uint32_t most)
{
    struct wr_node *node  = trial->harness.node;
    uint32_t        later = 0;
    for (uint32_t rows = 0; rows < most && later < 100;) {
        node->wake_at_us         = INT64_MAX;
        const enum wr_poll state = node->ops->poll(node);
        rows += node->outputs[WR_OUTPUT_MAIN].batch->row_count +
                node->outputs[WR_OUTPUT_REJECTS].batch->row_count;
        trial_note(trial);
        if (state == WR_POLL_END) {
            break;
        }
        if (state == WR_POLL_LATER) {
            later++;
            node_harness_wait(&trial->harness);
        }
    }
}

// A checkpoint, and the end of the process.
static void trial_stop(struct trial *trial)
{
    struct wr_node            *node = trial->harness.node;
    const struct wr_kept_cell *cell = &node->kept->cells[0];
    cr_assert(node->ops->barrier(node, 1));
    memcpy(trial->kept, cell->at, cell->bytes);
    node_harness_close(&trial->harness);
}

static void trial_close(struct trial *trial)
{
    wr_environment_close(trial->environment);
    weir_job_close(trial->job);
}

#define THREE "{\"number\":1}\n{\"number\":2}\n{\"number\":3}\n"

static void read_two_of(struct trial *trial, const char *path, const char *text)
{
    trial_put(trial, path, text);
    cr_assert(trial_start(trial));
    trial_read(trial, 2);
    trial_stop(trial);
    cr_assert_str_eq(trial->numbers, "1 2 ");
}

static void expect_refused(const char *text, const char *sentence)
{
    struct trial trial = trial_open("/in", false, false, 0);
    read_two_of(&trial, "/in", THREE);
    trial_put(&trial, "/in", text);
    cr_assert_not(trial_start(&trial));
    cr_assert_str_eq(node_harness_failure(&trial.harness), sentence);
    cr_assert_eq(trial.harness.run->status, WEIR_CONFLICT);
    node_harness_close(&trial.harness);
    trial_close(&trial);
}

Test(source_position, refuses_a_file_that_was_cut_short)
{
    expect_refused(
        "{\"number\":1}\n{\"numb",
        "read-entry: the checkpoint goes on at byte 26 of /in, which has only 19: it was "
        "cut short or changed, or is another file; put the one back that was read, or "
        "begin anew");
}

#define CHANGED                                                                                    \
    "read-entry: the checkpoint goes on at byte 26 of /in, and what lies before that is not what " \
    "was read: it was cut short or changed, or is another file; put the one back that was read, "  \
    "or begin anew"

Test(source_position, refuses_a_file_whose_last_read_line_is_another)
{
    expect_refused("{\"number\":1}\n{\"number\":9}\n{\"number\":3}\n", CHANGED);
}

Test(source_position, refuses_a_file_that_begins_otherwise)
{
    expect_refused("{\"number\":9}\n{\"number\":2}\n{\"number\":3}\n", CHANGED);
}

Test(source_position, takes_a_copy_of_the_file_for_the_file)
{
    struct trial trial = trial_open("/in", false, false, 0);
    read_two_of(&trial, "/in", THREE);
    trial_put(&trial, "/in", THREE); // another inode
    cr_assert(trial_start(&trial), "%s", node_harness_failure(&trial.harness));
    trial_read(&trial, UINT32_MAX);
    trial_stop(&trial);
    cr_assert_str_eq(trial.numbers, "1 2 3 ");
    trial_close(&trial);
}

Test(source_position, reads_on_in_a_file_that_has_grown_where_it_ended_and_where_it_is_followed)
{
    for (int follows = 0; follows < 2; follows++) {
        struct trial trial = trial_open("/in", false, follows == 1, 0);
        read_two_of(&trial, "/in", "{\"number\":1}\n{\"number\":2}\n");
        trial_put(&trial, "/in", THREE "{\"number\":4}\nbroken\n");
        cr_assert(trial_start(&trial), "%s", node_harness_failure(&trial.harness));
        trial_read(&trial, UINT32_MAX);
        trial_stop(&trial);
        cr_assert_str_eq(trial.numbers, "1 2 3 4 bad line 5 ");
        trial_close(&trial);
    }
}

Test(source_position, goes_on_behind_the_newline_that_the_last_line_has_got_since)
{
    static const char *const grown[] = { "\n{\"number\":3}\nbroken\n",
                                         "\r\n{\"number\":3}\nbroken\n" };
    for (int i = 0; i < 2; i++) {
        struct trial trial = trial_open("/in", false, false, 0);
        char         text[200];
        read_two_of(&trial, "/in", "{\"number\":1}\n{\"number\":2}");
        (void)snprintf(text, sizeof(text), "{\"number\":1}\n{\"number\":2}%s", grown[i]);
        trial_put(&trial, "/in", text);
        cr_assert(trial_start(&trial), "%s", node_harness_failure(&trial.harness));
        trial_read(&trial, UINT32_MAX);
        trial_stop(&trial);
        cr_assert_str_eq(trial.numbers, "1 2 3 bad line 4 ");
        trial_close(&trial);
    }
}

Test(source_position, knows_the_header_of_a_table_without_making_a_record_of_it)
{
    struct trial trial = trial_open("/in", true, false, 0);
    read_two_of(&trial, "/in",
                "\xef\xbb\xbfother,number\r\nx,1\r\n\"line 3\nline 4\",2\r\n,\r\n,3\r\n");
    cr_assert(trial_start(&trial), "%s", node_harness_failure(&trial.harness));
    trial_read(&trial, UINT32_MAX);
    trial_stop(&trial);
    cr_assert_str_eq(trial.numbers, "1 2 3 bad line 5 "); // rows of a batch before its dead letters
    trial_close(&trial);
}

// ---- what cannot be read again ----

Test(source_position, refuses_to_go_on_in_standard_input)
{
    struct trial trial = trial_open("-", false, false, 0);
    read_two_of(&trial, "/dev/stdin", THREE);
    cr_assert_not(trial_start(&trial));
    cr_assert_str_eq(node_harness_failure(&trial.harness),
                     "read-entry: the checkpoint goes on at byte 26 of standard input, which is a "
                     "pipe or a terminal and cannot be read again; read a file or a topic of a "
                     "log, or begin anew");
    node_harness_close(&trial.harness);
    trial_close(&trial);
}

Test(source_position, goes_on_without_standard_input_that_was_read_to_its_end_or_not_at_all)
{
    struct trial trial = trial_open("-", false, false, 0);
    trial_put(&trial, "/dev/stdin", THREE);
    cr_assert(trial_start(&trial));
    trial_stop(&trial);
    cr_assert(trial_start(&trial), "%s", node_harness_failure(&trial.harness));
    trial_read(&trial, UINT32_MAX);
    trial_stop(&trial);
    cr_assert_str_eq(trial.numbers, "1 2 3 ");
    cr_assert(trial_start(&trial), "%s", node_harness_failure(&trial.harness));
    trial_read(&trial, UINT32_MAX);
    trial_stop(&trial);
    cr_assert_str_eq(trial.numbers, "1 2 3 ");
    trial_close(&trial);
}

// ---- the rate ----

Test(source_position, keeps_its_rate_after_a_long_restore)
{
    struct trial trial = trial_open("/in", false, false, 1);
    read_two_of(&trial, "/in", THREE "{\"number\":4}\n{\"number\":5}\n{\"number\":6}\n");
    cr_assert(trial_start(&trial));
    wr_simulation_spend(trial.environment, WEIR_SECONDS(100));
    const int64_t start_us = wr_now_us(trial.environment);
    trial_read(&trial, 4);
    const int64_t span_us = wr_now_us(trial.environment) - start_us;
    cr_assert_str_eq(trial.numbers, "1 2 3 4 5 6 ");
    cr_assert(span_us >= WEIR_SECONDS(3) && span_us < WEIR_SECONDS(4), "%lld us",
              (long long)span_us);
    trial_stop(&trial);
    trial_close(&trial);
}
