#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir.h>

#define PARTITIONS 3
#define COUNT      5000u

typedef struct reading {
    weir_time at;
    uint64_t  id;
    uint32_t  sensor;
    weir_str  place;
} reading;
WEIR_RECORD(reading, at, id, sensor, place);

static const weir_topic readings = {
    .name          = "readings",
    .type          = &reading_type,
    .key           = "sensor",
    .time          = "at",
    .partitions    = PARTITIONS,
    .segment_bytes = 64 << 10,
};
static const weir_topic kept = {
    .name = "kept", .type = &reading_type, .key = "sensor", .partitions = 2
};

static bool is_odd(const reading *r) { return r->id % 2 == 1; }
WEIR_FILTER(odd, reading, is_odd);

// A folder of the test that runs; each test is a process of its own.
static char folder[] = "/tmp/weir-log-stream-XXXXXX";

static void make_folder(void) { cr_assert_not_null(mkdtemp(folder)); }

static void remove_folder(void)
{
    char command[100];
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(log_stream, .init = make_folder, .fini = remove_folder);

static const char *path_of(const char *name)
{
    static char paths[4][100];
    static int  turn;
    char       *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static weir_log *open_log(const char *directory, bool writes)
{
    weir_log         *log;
    const weir_status status =
        weir_log_open(directory, &(weir_log_options){ .writes = writes, .creates = writes }, &log);
    cr_assert_eq(status, WEIR_OK, "%s", weir_log_error(log));
    return log;
}

static reading reading_of(uint64_t id)
{
    static const char *places[] = { "", "north", "a place whose name does not fit into a row" };
    return (reading){
        .at     = (weir_time)id * 1000,
        .id     = id,
        .sensor = (uint32_t)(id * 7919 % 101),
        .place  = weir_str_from(places[id % 3]),
    };
}

static void append(const char *directory, uint64_t first, uint32_t count)
{
    weir_log      *log = open_log(directory, true);
    weir_producer *producer;
    cr_assert_eq(weir_log_create_topic(log, &readings), WEIR_OK, "%s", weir_log_error(log));
    cr_assert_eq(weir_producer_open(log, "readings", NULL, &producer), WEIR_OK, "%s",
                 weir_log_error(log));
    for (uint32_t i = 0; i < count; i++) {
        const reading row = reading_of(first + i);
        cr_assert_eq(weir_producer_append(producer, &row, 1), WEIR_OK);
    }
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}

static void run(weir_job *job, const weir_run_options *options)
{
    const weir_status status = weir_job_run(job, options);
    cr_assert_eq(status, WEIR_OK, "%s", weir_job_error(job));
}

static void check_reading(const reading *row)
{
    const reading expected = reading_of(row->id);
    cr_assert(row->at == expected.at && row->sensor == expected.sensor &&
                  row->place.length == expected.place.length &&
                  memcmp(weir_str_bytes(&row->place), weir_str_bytes(&expected.place),
                         expected.place.length) == 0,
              "reading %llu is not what it was", (unsigned long long)row->id);
}

// Reads a topic to its end: each id of [0, ids) once if `is_expected`, and of a sensor in order.
static void check_topic(const char *directory, const char *topic, uint64_t ids,
                        bool (*is_expected)(const reading *row))
{
    weir_log    *log = open_log(directory, false);
    weir_reader *reader;
    cr_assert_eq(
        weir_reader_open(log, topic, &(weir_reader_options){ .is_bounded = true }, &reader),
        WEIR_OK, "%s", weir_log_error(log));
    uint8_t      *seen      = calloc(ids, 1);
    uint64_t      last[101] = { 0 };
    weir_log_rows rows;
    weir_status   status;
    while ((status = weir_reader_next(reader, -1, &rows)) == WEIR_OK) {
        for (uint32_t i = 0; i < rows.count; i++) {
            const reading *row = (const reading *)rows.rows + i;
            check_reading(row);
            cr_assert_lt(row->id, ids);
            cr_assert_eq(seen[row->id]++, 0, "%llu comes twice", (unsigned long long)row->id);
            cr_assert(last[row->sensor] <= row->id, "sensor %u is out of order", row->sensor);
            last[row->sensor] = row->id;
        }
    }
    cr_assert_eq(status, WEIR_AT_END, "%s", weir_reader_error(reader));
    for (uint64_t id = 0; id < ids; id++) {
        const reading row = reading_of(id);
        cr_assert_eq(seen[id], is_expected(&row), "reading %llu", (unsigned long long)id);
    }
    free(seen);
    weir_reader_close(reader);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}

static void run_filter_job(const char *from, const char *to, const weir_run_options *options)
{
    weir_job         *job = weir_job_open("filter");
    const weir_stream in =
        weir_from_log(job, &readings, &(weir_log_source_options){ .directory = from });
    weir_to_log(weir_filter(in, &odd), &kept, &(weir_log_sink_options){ .directory = to });
    run(job, options);
    cr_assert_eq(weir_job_counter(job, "write-kept", WEIR_INSERTS), COUNT / 2);
    weir_job_close(job);
}

Test(log_stream, a_filtered_topic_becomes_another_topic_of_the_same_log)
{
    append(path_of("log"), 0, COUNT);
    run_filter_job(path_of("log"), path_of("log"), &(weir_run_options){ .workers = 2 });
    check_topic(path_of("log"), "kept", COUNT, is_odd);
}

Test(log_stream, a_simulated_run_reads_and_writes_the_same_in_every_order)
{
    append(path_of("log"), 0, COUNT);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        char name[20];
        (void)snprintf(name, sizeof(name), "out-%u", (unsigned)seed);
        run_filter_job(path_of("log"), path_of(name),
                       &(weir_run_options){ .workers      = 1 + (uint32_t)seed % 3,
                                            .seed         = seed,
                                            .is_simulated = true,
                                            .batch_bytes  = 4096 });
        check_topic(path_of(name), "kept", COUNT, is_odd);
    }
}

// How many readings a run of this job collects.
static size_t collect(const weir_log_source_options *options)
{
    weir_job        *job  = weir_job_open("collect");
    weir_collection *into = weir_collection_open();
    weir_collect(weir_from_log(job, &readings, options), into);
    run(job, &(weir_run_options){ .workers = 2 });
    const size_t count = weir_collection_count(into);
    for (size_t i = 0; i < count; i++) {
        check_reading(weir_collection_at(into, i, NULL, NULL));
    }
    weir_collection_close(into);
    weir_job_close(job);
    return count;
}

Test(log_stream, each_consumer_goes_on_where_its_last_run_ended)
{
    const weir_log_source_options fraud = { .directory = path_of("log"), .consumer = "fraud" };
    const weir_log_source_options kpi   = { .directory = path_of("log"), .consumer = "kpi" };
    append(path_of("log"), 0, 1000);
    cr_assert_eq(collect(&fraud), 1000);
    cr_assert_eq(collect(&fraud), 0);
    append(path_of("log"), 1000, 500);
    cr_assert_eq(collect(&kpi), 1500);
    cr_assert_eq(collect(&fraud), 500);
    cr_assert_eq(collect(&kpi), 0);
}

Test(log_stream, a_run_that_failed_has_kept_no_place)
{
    append(path_of("log"), 0, 100);
    weir_job         *job = weir_job_open("fails");
    const weir_stream in  = weir_from_log(
         job, &readings,
         &(weir_log_source_options){ .directory = path_of("log"), .consumer = "fraud" });
    weir_to_jsonl(in, &(weir_file_sink_options){ .path = "/dev/full" });
    cr_assert_neq(weir_job_run(job, NULL), WEIR_OK);
    weir_job_close(job);
    cr_assert_eq(
        collect(&(weir_log_source_options){ .directory = path_of("log"), .consumer = "fraud" }),
        100);
}

Test(log_stream, a_start_time_is_where_reading_begins)
{
    append(path_of("log"), 0, 1000);
    cr_assert_eq(collect(&(weir_log_source_options){ .directory = path_of("log"),
                                                     .start     = WEIR_START_TIME,
                                                     .from_time = 900 * 1000 }),
                 100);
    cr_assert_eq(collect(&(weir_log_source_options){ .directory = path_of("log"),
                                                     .start     = WEIR_START_LATEST }),
                 0);
}

Test(log_stream, a_source_that_follows_waits_for_what_is_appended)
{
    append(path_of("log"), 0, 10);
    weir_job        *job  = weir_job_open("follow");
    weir_collection *into = weir_collection_open();
    weir_collect(
        weir_from_log(job, &readings,
                      &(weir_log_source_options){ .directory = path_of("log"), .follow = true }),
        into);
    weir_run *started = weir_run_start(job, &(weir_run_options){ .workers = 1 });
    cr_assert_not_null(started, "%s", weir_job_error(job));
    for (uint64_t first = 10; first < 40; first += 10) {
        append(path_of("log"), first, 10);
        while (weir_job_counter(job, "read-readings", WEIR_ROWS_OUT) < first + 10) {
            if (weir_run_wait(started, 1000) != WEIR_TIMED_OUT) {
                (void)weir_run_close(started);
                cr_assert_fail("it ended: %s", weir_job_error(job));
            }
        }
    }
    weir_run_stop_any(started, true);
    cr_assert_eq(weir_run_close(started), WEIR_OK, "%s", weir_job_error(job));
    cr_assert_eq(weir_collection_count(into), 40);
    weir_collection_close(into);
    weir_job_close(job);
}

static bool check_sensor(void *record, const char **reason, char *text, void *opaque)
{
    const reading *row = record;
    (void)opaque;
    (void)snprintf(text, 200, "sensor %u is broken", row->sensor);
    *reason = text;
    return row->sensor != 0;
}

Test(log_stream, a_record_that_is_refused_is_a_dead_letter_with_its_offset_and_json)
{
    append(path_of("log"), 0, 102); // ids 0 and 101 are of sensor 0
    weir_job         *job     = weir_job_open("check");
    weir_collection  *letters = weir_collection_open(), *into = weir_collection_open();
    const weir_stream in = weir_from_log(
        job, &readings,
        &(weir_log_source_options){ .directory = path_of("log"), .check = check_sensor });
    weir_collect(in, into);
    weir_collect(weir_dead_letters(in), letters);
    run(job, NULL);
    cr_assert_eq(weir_collection_count(into), 100);
    cr_assert_eq(weir_collection_count(letters), 2);
    const weir_dead_letter *letter = weir_collection_at(letters, 0, NULL, NULL);
    cr_assert(memmem(weir_str_bytes(&letter->reason), letter->reason.length, "sensor 0 is broken",
                     18) != NULL);
    cr_assert(memmem(weir_str_bytes(&letter->text), letter->text.length, "\"sensor\":0", 10) !=
              NULL);
    weir_collection_close(letters);
    weir_collection_close(into);
    weir_job_close(job);
}

static void append_deletion(const char *directory)
{
    weir_log      *log = open_log(directory, true);
    weir_producer *producer;
    const reading  row    = reading_of(0);
    const uint8_t  change = WEIR_DELETE;
    cr_assert_eq(weir_producer_open(log, "readings", NULL, &producer), WEIR_OK);
    cr_assert_eq(weir_producer_append_to(producer, 0, &row, &change, 1), WEIR_OK);
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}

Test(log_stream, a_deletion_is_a_change_or_a_dead_letter)
{
    append(path_of("log"), 0, 10);
    append_deletion(path_of("log"));
    for (int sends = 0; sends < 2; sends++) {
        weir_job         *job  = weir_job_open("changes");
        weir_collection  *into = weir_collection_open(), *letters = weir_collection_open();
        const weir_stream in = weir_from_log(
            job, &readings,
            &(weir_log_source_options){ .directory = path_of("log"), .sends_changes = sends == 1 });
        weir_collect(in, into);
        weir_collect(weir_dead_letters(in), letters);
        run(job, &(weir_run_options){ .workers = 1 });
        cr_assert_eq(weir_collection_count(into), 10u + (uint32_t)sends);
        cr_assert_eq(weir_collection_count(letters), 1u - (uint32_t)sends);
        uint32_t deletions = 0;
        for (size_t i = 0; i < weir_collection_count(into); i++) {
            weir_change change;
            (void)weir_collection_at(into, i, &change, NULL);
            deletions += change == WEIR_DELETE;
        }
        cr_assert_eq(deletions, (uint32_t)sends);
        weir_collection_close(into);
        weir_collection_close(letters);
        weir_job_close(job);
    }
}

// ---- mistakes ----

static void check_failure(weir_job *job, weir_status expected, const char *part)
{
    const weir_status status = weir_job_run(job, NULL);
    cr_assert_eq(status == WEIR_OK, false);
    cr_assert_eq(weir_job_status(job), expected, "%s", weir_job_error(job));
    cr_assert_not_null(strstr(weir_job_error(job), part), "%s", weir_job_error(job));
    weir_job_close(job);
}

static void check_reading_fails(const weir_topic *topic, weir_status expected, const char *part)
{
    weir_collection *into = weir_collection_open();
    weir_job        *job  = weir_job_open("mistake");
    weir_collect(
        weir_from_log(job, topic, &(weir_log_source_options){ .directory = path_of("log") }), into);
    check_failure(job, expected, part);
    weir_collection_close(into);
}

Test(log_stream, a_log_that_is_not_there_is_named)
{
    check_reading_fails(&readings, WEIR_NOT_FOUND, path_of("log"));
}

Test(log_stream, a_topic_that_is_not_there_is_named)
{
    append(path_of("log"), 0, 1);
    check_reading_fails(&(weir_topic){ .name = "reading", .type = &reading_type }, WEIR_NOT_FOUND,
                        "reading");
}

typedef struct other {
    bool at;
} other;
WEIR_RECORD(other, at);

Test(log_stream, a_type_that_does_not_fit_names_the_field)
{
    append(path_of("log"), 0, 1);
    check_reading_fails(&(weir_topic){ .name = "readings", .type = &other_type }, WEIR_MISMATCH,
                        "at");
}

Test(log_stream, a_log_that_somebody_else_writes_to_is_refused)
{
    append(path_of("log"), 0, 1);
    weir_log *log = open_log(path_of("log"), true);
    weir_job *job = weir_job_open("mistake");
    weir_to_log(
        weir_from_log(job, &readings, &(weir_log_source_options){ .directory = path_of("log") }),
        &kept, &(weir_log_sink_options){ .directory = path_of("log") });
    check_failure(job, WEIR_CONFLICT, "log");
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}

Test(log_stream, a_stream_of_another_type_is_refused)
{
    weir_job *job = weir_job_open("mistake");
    weir_to_log(weir_from_log(job, &readings, NULL), &(weir_topic){ .name = "x" }, NULL);
    check_failure(job, WEIR_USAGE, "reading");
}
