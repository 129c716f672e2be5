#include "tests/support/source_harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Made of a tick; `change` says how it is to be sent.
typedef struct result {
    uint64_t  number;
    weir_time at;
    weir_str  text;
} result;
WEIR_RECORD(result, number, at, text);

WEIR_KEY(by_partition, tick, partition);
typedef struct memory {
    uint64_t count;
} memory;
WEIR_RECORD(memory, count);

static const char *text_sent = "text"; // of every result
static bool        is_numbered;        // with its number

// Ticks are sent as insert, update-before, update-after and delete in turn.
static void send(weir_call *call, const by_partition *key, memory *state, const tick *record)
{
    static const weir_change changes[] = { WEIR_INSERT, WEIR_UPDATE_BEFORE, WEIR_UPDATE_AFTER,
                                           WEIR_DELETE };
    (void)key;
    result *sent = weir_emit_change(call, changes[state->count++ % 4], record->at);
    sent->number = record->number;
    sent->at     = record->at;
    sent->text   = weir_str_from(text_sent);
    if (is_numbered) {
        char *text = weir_scratch(call, 100);
        (void)snprintf(text, 100, "%s %llu", text_sent, (unsigned long long)record->number);
        sent->text = weir_str_from(text);
    }
}
static void no_timer(weir_call *call, const by_partition *key, memory *state, weir_time at)
{
    (void)call;
    (void)key;
    (void)state;
    (void)at;
}
WEIR_PROCESS(sender, tick, by_partition, memory, result, send, no_timer);

static bool of_tick(result *out, const tick *in)
{
    *out = (result){ in->number, in->at, weir_str_from(text_sent) };
    return true;
}
WEIR_MAP(copier, tick, result, of_tick);

// ---- a job of `count` results ----

static struct source_script script;
static char                *written;
static size_t               written_bytes;

static void read_back(struct wr_environment *environment)
{
    struct wr_file_info info;
    cr_assert_eq(environment->ops->info(environment, "/out", &info), 0);
    const int file = environment->ops->open(environment, "/out", WR_OPEN_READ);
    written        = calloc(info.size_bytes + 1, 1);
    written_bytes  = 0;
    int64_t got;
    do {
        got = environment->ops->read_at(environment, file, written + written_bytes,
                                        info.size_bytes - written_bytes, (int64_t)written_bytes);
        written_bytes += (size_t)got;
    } while (got > 0);
    environment->ops->close(environment, file);
}

static weir_stream results_of(weir_job *job, uint32_t count, bool with_changes)
{
    static struct source_step *steps; // live as long as the job
    wr_free(steps);
    steps = wr_alloc((count + 1) * sizeof(*steps));
    for (uint32_t i = 0; i < count; i++) {
        steps[i] = (struct source_step){ i % 50 == 0 ? SOURCE_TICK : SOURCE_MORE, WEIR_SECONDS(i) };
    }
    script.partitions[0]    = steps;
    script.partition_count  = 1;
    script.log_count        = 0;
    const weir_stream ticks = source_script_add(job, &script);
    return with_changes ? weir_process(weir_key(ticks, &by_partition_key), &sender,
                                       &(weir_process_options){ .sends_changes = true })
                        : weir_map(ticks, &copier);
}

static struct wr_environment *disk(uint64_t seed)
{
    struct wr_environment *environment = wr_environment_open_simulated(seed, false);
    wr_simulation_import(environment, "/out", "old", 3);
    return environment;
}

static const weir_file_sink_options to_out = { .name = "sink", .path = "/out" };

Test(file_sink, writes_what_changes_mean_as_json_lines)
{
    weir_job *job = weir_job_open("test");
    weir_to_jsonl(results_of(job, 4, true), &to_out);
    cr_assert_eq(source_harness_run_then(job, disk(1), NULL, read_back), WEIR_OK, "%s",
                 weir_job_error(job));
    cr_assert_str_eq(written, "{\"number\":1,\"at\":\"1970-01-01T00:00:00Z\",\"text\":\"text\"}\n"
                              "{\"number\":3,\"at\":\"1970-01-01T00:00:02Z\",\"text\":\"text\"}\n"
                              "{\"number\":4,\"at\":\"1970-01-01T00:00:03Z\",\"text\":\"text\","
                              "\"retracted\":true}\n");
    cr_assert_eq(weir_job_counter(job, "sink", WEIR_INSERTS), 1);
    cr_assert_eq(weir_job_counter(job, "sink", WEIR_UPDATES), 1);
    cr_assert_eq(weir_job_counter(job, "sink", WEIR_DELETES), 1);
    cr_assert_eq(weir_job_counter(job, "sink", WEIR_BYTES), strlen(written));
    weir_job_close(job);
}

Test(file_sink, writes_a_table_with_its_header_and_what_was_retracted)
{
    weir_job *job = weir_job_open("test");
    weir_to_csv(results_of(job, 4, true), &to_out);
    cr_assert_eq(source_harness_run_then(job, disk(1), NULL, read_back), WEIR_OK);
    cr_assert_str_eq(written, "number,at,text,retracted\n1,1970-01-01T00:00:00Z,text,false\n"
                              "3,1970-01-01T00:00:02Z,text,false\n"
                              "4,1970-01-01T00:00:03Z,text,true\n");
    weir_job_close(job);
}

Test(file_sink, writes_a_header_even_without_records)
{
    weir_job *job = weir_job_open("test");
    weir_to_csv(results_of(job, 0, false), &to_out);
    cr_assert_eq(source_harness_run_then(job, disk(1), NULL, read_back), WEIR_OK);
    cr_assert_str_eq(written, "number,at,text\n");
    weir_job_close(job);
}

Test(file_sink, writes_text_as_it_is)
{
    weir_job *job = weir_job_open("test");
    text_sent     = "any \xff bytes, \"unquoted\"";
    weir_to_text(results_of(job, 2, false), &to_out);
    cr_assert_eq(source_harness_run_then(job, disk(1), NULL, read_back), WEIR_OK);
    cr_assert_str_eq(written, "any \xff bytes, \"unquoted\"\nany \xff bytes, \"unquoted\"\n");
    weir_job_close(job);
}

// More than both buffers, and rows larger than one; requests end in any order.
static void check_all_in_order(uint32_t count, size_t text_bytes, uint64_t seed)
{
    char *text = calloc(text_bytes + 1, 1);
    memset(text, 'x', text_bytes);
    text_sent     = text;
    weir_job *job = weir_job_open("test");
    weir_to_jsonl(results_of(job, count, false), &to_out);
    cr_assert_eq(source_harness_run_then(
                     job, disk(seed), &(weir_run_options){ .workers = 2, .seed = seed }, read_back),
                 WEIR_OK, "%s", weir_job_error(job));
    const char *at = written;
    for (uint32_t i = 1; i <= count; i++) {
        char head[40];
        (void)snprintf(head, sizeof(head), "{\"number\":%u,", i);
        cr_assert_eq(strncmp(at, head, strlen(head)), 0, "seed %llu, line %u: %.40s",
                     (unsigned long long)seed, i, at);
        const char *end = strchr(at, '\n');
        cr_assert_not_null(end);
        cr_assert_geq((size_t)(end - at), text_bytes);
        at = end + 1;
    }
    cr_assert_eq((size_t)(at - written), written_bytes);
    weir_job_close(job);
    free(written);
    free(text);
}

Test(file_sink, writes_everything_in_order)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        check_all_in_order(3000, 200, seed);
        check_all_in_order(20, 100000, seed);
    }
}

// Nothing is held back while there is nothing else to do: a result is in the file long before the
// end.
static struct wr_environment *watched;
static uint64_t               size_seen;

typedef struct nothing {
    uint8_t unused;
} nothing;
static void look(nothing *local, const tick *record)
{
    struct wr_file_info info = { .size_bytes = 0 };
    (void)local;
    if (record->number == 3) {
        (void)watched->ops->info(watched, "/out", &info);
        size_seen = info.size_bytes;
    }
}
static void look_end(nothing *local, void *opaque)
{
    (void)local;
    (void)opaque;
}
WEIR_SINK(looker, tick, nothing, look, look_end);

Test(file_sink, writes_at_once_when_little_comes)
{
    static const struct source_step steps[] = { TICK(1), BUSY(WEIR_SECONDS(1)), TICK(2),
                                                END_OF_SCRIPT };
    script.partitions[0]                    = steps;
    script.partition_count                  = 1;
    weir_job         *job                   = weir_job_open("test");
    const weir_stream ticks                 = source_script_add(job, &script);
    weir_to_jsonl(weir_map(ticks, &copier), &to_out);
    weir_sink(ticks, &looker, NULL);
    watched = disk(1);
    cr_assert_eq(source_harness_run(job, watched, NULL), WEIR_OK);
    cr_assert_gt(size_seen, 0);
    weir_job_close(job);
}

// ---- failures ----

Test(file_sink, fails_the_job_when_the_disk_is_full)
{
    weir_job *job = weir_job_open("test");
    weir_to_jsonl(results_of(job, 100, false), &to_out);
    struct wr_environment *environment = disk(1);
    wr_simulation_fail(environment, WR_FAULT_WRITE, 0, ENOSPC);
    cr_assert_eq(source_harness_run(job, environment, NULL), WEIR_FAILED);
    cr_assert_str_eq(weir_job_error(job), "test: sink: cannot write /out: No space left on device");
    weir_job_close(job);
}

Test(file_sink, fails_the_job_where_the_directory_is_missing)
{
    weir_job *job = weir_job_open("test");
    weir_to_jsonl(results_of(job, 1, false),
                  &(weir_file_sink_options){ .path = "/none/such/out.jsonl" });
    cr_assert_eq(source_harness_run(job, disk(1), NULL), WEIR_UNREACHABLE);
    cr_assert_str_eq(weir_job_error(job),
                     "test: write-out.jsonl: cannot open /none/such/out.jsonl: No such file or "
                     "directory; its directory has to exist");
    weir_job_close(job);
}

// The file keeps what it has, in the simulation and on a real disk, where it has two names.
static void expect_refused(weir_job *job, const char *input, const char *output,
                           const weir_run_options *options, struct wr_environment *environment)
{
    const weir_jsonl_source_options from = { .name = "in", .path = input, .type = &result_type };
    const weir_file_sink_options    to   = { .name = "out", .path = output };
    char                            sentence[300];
    weir_to_jsonl(weir_from_jsonl(job, &from), &to);
    const weir_status status = environment != NULL ? source_harness_run(job, environment, options)
                                                   : weir_job_run(job, options);
    cr_assert_eq(status, WEIR_USAGE, "%s", weir_job_error(job));
    (void)snprintf(sentence, sizeof(sentence),
                   "test: out: it would overwrite %s, which in reads; write to another file",
                   input);
    cr_assert_str_eq(weir_job_error(job), sentence);
    weir_job_close(job);
}

Test(file_sink, refuses_to_overwrite_what_a_source_reads)
{
    expect_refused(weir_job_open("test"), "/out", "/./out", NULL, disk(1));
}

Test(file_sink, refuses_to_overwrite_what_a_source_reads_by_another_name)
{
    char      folder[] = "/tmp/weir-file-sink-XXXXXX", input[60], output[60];
    const int length   = (int)strlen("{}\n");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(input, sizeof(input), "%s/in.jsonl", folder);
    (void)snprintf(output, sizeof(output), "%s/out.jsonl", folder);
    FILE *file = fopen(input, "w");
    cr_assert_eq(fprintf(file, "{}\n"), length);
    (void)fclose(file);
    for (int is_hard = 0; is_hard < 2; is_hard++) {
        cr_assert_eq(is_hard ? link(input, output) : symlink(input, output), 0);
        expect_refused(weir_job_open("test"), input, output, &(weir_run_options){ .workers = 1 },
                       NULL);
        struct stat found;
        cr_assert_eq(stat(input, &found), 0);
        cr_assert_eq(found.st_size, length);
        cr_assert_eq(unlink(output), 0);
    }
    cr_assert_eq(unlink(input) | rmdir(folder), 0);
}

// A device is no file that a sink could empty.
Test(file_sink, may_write_to_the_device_that_a_source_reads)
{
    weir_job                       *job  = weir_job_open("test");
    const weir_jsonl_source_options from = { .path = "/dev/null", .type = &result_type };
    const weir_file_sink_options    to   = { .path = "/dev/null" };
    weir_to_jsonl(weir_from_jsonl(job, &from), &to);
    cr_assert_eq(weir_job_run(job, &(weir_run_options){ .workers = 1 }), WEIR_OK, "%s",
                 weir_job_error(job));
    weir_job_close(job);
}

Test(file_sink, refuses_options_that_cannot_work)
{
    weir_job *job = weir_job_open("test");
    weir_to_jsonl(results_of(job, 1, false), NULL);
    cr_assert_str_eq(weir_job_error(job),
                     "test: to_jsonl: it has no path; name a file, or - for stdout");
    weir_job_close(job);

    job = weir_job_open("test");
    weir_to_text(source_script_add(job, &script), &to_out);
    cr_assert_str_eq(weir_job_error(job),
                     "test: to_text: tick has no field \"text\" that is a weir_str");
    weir_job_close(job);

    job = weir_job_open("test");
    weir_to_text(results_of(job, 1, true), &to_out);
    cr_assert_str_eq(weir_job_error(job),
                     "test: sink: its input sends corrections (updates and deletes), which text "
                     "cannot show; write it with weir_to_jsonl or weir_to_csv");
    weir_job_close(job);
}

// ---- collect ----

Test(collect, keeps_records_with_their_strings_changes_and_times)
{
    weir_job        *job        = weir_job_open("test");
    weir_collection *collection = weir_collection_open();
    is_numbered                 = true;
    text_sent                   = "a text that is longer than a short one";
    weir_collect(results_of(job, 400, true), collection);
    cr_assert_eq(source_harness_run(job, disk(1), NULL), WEIR_OK);
    cr_assert_eq(weir_collection_count(collection), 400);
    for (uint32_t i = 0; i < 400; i++) {
        static const weir_change changes[] = { WEIR_INSERT, WEIR_UPDATE_BEFORE, WEIR_UPDATE_AFTER,
                                               WEIR_DELETE };
        weir_change              change    = WEIR_INSERT;
        weir_time                time      = 0;
        const result            *kept      = weir_collection_at(collection, i, &change, &time);
        cr_assert_eq(kept->number, i + 1);
        cr_assert_eq(change, changes[i % 4]);
        char expected[100];
        (void)snprintf(expected, sizeof(expected), "%s %u", text_sent, i + 1);
        cr_assert_eq(kept->text.length, strlen(expected));
        cr_assert_eq(memcmp(weir_str_bytes(&kept->text), expected, kept->text.length), 0);
    }
    cr_assert_null(weir_collection_at(collection, 400, NULL, NULL));
    weir_collection_close(collection);
    weir_job_close(job);
}
