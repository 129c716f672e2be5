#include "connectors/file/file_list.h"
#include "tests/support/source_harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

// ---- what a path stands for ----

struct disk {
    struct wr_environment   *environment;
    struct wr_partition_list list;
    weir_status              status;
    char                    *error;
};

static void disk_put(struct wr_environment *environment, const char *path)
{
    wr_simulation_import(environment, path, "x\n", 2);
}

static struct disk disk_open(void)
{
    struct disk disk = { .environment = wr_environment_open_simulated(1, false) };
    disk_put(disk.environment, "/in/b.jsonl");
    disk_put(disk.environment, "/in/a.jsonl");
    disk_put(disk.environment, "/in/c10.jsonl");
    disk_put(disk.environment, "/in/.hidden.jsonl");
    disk_put(disk.environment, "/in/notes.txt");
    disk_put(disk.environment, "/in/deep/a.jsonl");
    disk_put(disk.environment, "/in/dusk/a.jsonl");
    disk_put(disk.environment, "/in/what?.jsonl");
    disk_put(disk.environment, "/odd/d?.jsonl");
    disk_put(disk.environment, "/odd/dx.jsonl");
    disk_put(disk.environment, "/none/.only-hidden");
    return disk;
}

static void disk_close(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->list.count; i++) {
        wr_free(disk->list.names[i]);
    }
    wr_free(disk->list.names);
    wr_free(disk->error);
    wr_environment_close(disk->environment);
}

// The names that `path` stands for are `expected`, joined with spaces.
static void check_list(const char *path, const char *expected)
{
    struct disk disk     = disk_open();
    char        got[512] = "";
    const bool  is_ok = wr_file_list(disk.environment, path, &disk.list, &disk.status, &disk.error);
    cr_assert(is_ok, "%s: %s", path, disk.error);
    for (uint32_t i = 0; i < disk.list.count; i++) {
        const size_t used = strlen(got);
        (void)snprintf(got + used, sizeof(got) - used, "%s%s", i > 0 ? " " : "",
                       disk.list.names[i]);
    }
    cr_assert_str_eq(got, expected, "%s stands for \"%s\", not \"%s\"", path, got, expected);
    disk_close(&disk);
}

static void check_refused(const char *path, weir_status status, const char *sentence)
{
    struct disk disk = disk_open();
    cr_assert_not(wr_file_list(disk.environment, path, &disk.list, &disk.status, &disk.error));
    cr_assert_eq(disk.status, status, "%s: %s", path, weir_status_name(disk.status));
    cr_assert_str_eq(disk.error, sentence);
    disk_close(&disk);
}

Test(file_list, is_the_file_itself) { check_list("/in/a.jsonl", "/in/a.jsonl"); }

Test(file_list, is_stdin_for_a_dash) { check_list("-", "-"); }

Test(file_list, is_the_files_of_a_directory_in_order_without_hidden_ones_and_directories)
{
    check_list("/in", "/in/a.jsonl /in/b.jsonl /in/c10.jsonl /in/notes.txt /in/what?.jsonl");
    check_list("/in/", "/in/a.jsonl /in/b.jsonl /in/c10.jsonl /in/notes.txt /in/what?.jsonl");
}

Test(file_list, matches_a_star)
{
    check_list("/in/*.jsonl", "/in/a.jsonl /in/b.jsonl /in/c10.jsonl /in/what?.jsonl");
    check_list("/in/.*.jsonl", "/in/.hidden.jsonl");
}

Test(file_list, matches_one_letter_and_sets)
{
    check_list("/in/?.jsonl", "/in/a.jsonl /in/b.jsonl");
    check_list("/in/[b-z]*.jsonl", "/in/b.jsonl /in/c10.jsonl /in/what?.jsonl");
    check_list("/in/[!b-z].jsonl", "/in/a.jsonl");
}

Test(file_list, matches_directories)
{
    check_list("/in/d*/a.jsonl", "/in/deep/a.jsonl /in/dusk/a.jsonl");
    check_list("/i?/de*/*", "/in/deep/a.jsonl");
}

Test(file_list, takes_a_pattern_that_is_a_file_as_the_file)
{
    check_list("/odd/d?.jsonl", "/odd/d?.jsonl");
}

Test(file_list, refuses_what_does_not_exist)
{
    check_refused("/in/z.jsonl", WEIR_NOT_FOUND,
                  "\"/in/z.jsonl\" cannot be read: No such file or directory");
    check_refused("/in/z*.jsonl", WEIR_NOT_FOUND, "no file matches \"/in/z*.jsonl\"");
    check_refused("/in/d*", WEIR_NOT_FOUND, "no file matches \"/in/d*\"");
    check_refused("/none", WEIR_NOT_FOUND, "directory \"/none\" has no files to read");
}

Test(file_list, refuses_what_cannot_be_opened)
{
    struct disk disk = disk_open();
    wr_simulation_fail(disk.environment, WR_FAULT_OPEN, 1, EACCES);
    cr_assert_not(
        wr_file_list(disk.environment, "/in/?.jsonl", &disk.list, &disk.status, &disk.error));
    cr_assert_eq(disk.status, WEIR_UNREACHABLE);
    cr_assert_str_eq(disk.error, "\"/in/b.jsonl\" cannot be read: Permission denied");
    cr_assert_eq(disk.list.count, 0);
    disk_close(&disk);
}

// ---- reading ----

typedef struct entry {
    weir_time at;
    uint64_t  number;
    weir_str  text;
} entry;
WEIR_RECORD(entry, at, number, text);

struct reading {
    weir_job              *job;
    struct wr_environment *environment;
    weir_collection       *passed, *late, *letters;
    weir_status            status;
};

static struct reading reading_open(uint64_t seed)
{
    return (struct reading){ .job         = weir_job_open("test"),
                             .environment = wr_environment_open_simulated(seed, false),
                             .passed      = weir_collection_open(),
                             .late        = weir_collection_open(),
                             .letters     = weir_collection_open() };
}

static void reading_put(const struct reading *reading, const char *path, const char *text)
{
    wr_simulation_import(reading->environment, path, text, strlen(text));
}

static void reading_run(struct reading *reading, weir_stream in, uint64_t seed)
{
    weir_collect(in, reading->passed);
    weir_collect(weir_late(in), reading->late);
    weir_collect(weir_dead_letters(in), reading->letters);
    reading->status = source_harness_run(reading->job, reading->environment,
                                         &(weir_run_options){ .workers = 2, .seed = seed });
}

static void reading_close(struct reading *reading)
{
    weir_collection_close(reading->passed);
    weir_collection_close(reading->late);
    weir_collection_close(reading->letters);
    weir_job_close(reading->job);
}

static weir_jsonl_source_options jsonl_of(const char *path)
{
    return (weir_jsonl_source_options){
        .path = path,
        .type = &entry_type,
        .time = { .field = "at", .judges_lateness = true, .max_ahead = -1 }
    };
}

static const entry *entry_at(const struct reading *reading, size_t index)
{
    return weir_collection_at(reading->passed, index, NULL, NULL);
}

static const weir_dead_letter *letter_at(const struct reading *reading, size_t index)
{
    return weir_collection_at(reading->letters, index, NULL, NULL);
}

static void assert_text(const weir_str *text, const char *expected)
{
    cr_assert(text->length == strlen(expected) &&
                  memcmp(weir_str_bytes(text), expected, text->length) == 0,
              "\"%.*s\" is not \"%s\"", (int)text->length, weir_str_bytes(text), expected);
}

#define LINE(second, number, text)                                                                 \
    "{\"at\":\"2026-03-01T10:02:" second "Z\",\"number\":" number ",\"text\":\"" text "\"}\n"

Test(file_source, makes_a_record_a_dead_letter_or_a_late_line_of_each_line)
{
    struct reading reading = reading_open(1);
    reading_put(&reading, "/in.jsonl",
                LINE("10", "1", "first") "no record\n" LINE("09", "2", "late") "\n" LINE(
                    "11", "3", "a text that is longer than a short one"));
    const weir_jsonl_source_options options = jsonl_of("/in.jsonl");
    reading_run(&reading, weir_from_jsonl(reading.job, &options), 1);
    cr_assert_eq(reading.status, WEIR_OK, "%s", weir_job_error(reading.job));
    cr_assert_eq(weir_collection_count(reading.passed), 2);
    cr_assert_eq(entry_at(&reading, 0)->number, 1);
    assert_text(&entry_at(&reading, 1)->text, "a text that is longer than a short one");
    cr_assert_eq(weir_collection_count(reading.late), 1);
    const weir_line *late = weir_collection_at(reading.late, 0, NULL, NULL);
    assert_text(&late->text, "{\"at\":\"2026-03-01T10:02:09Z\",\"number\":2,\"text\":\"late\"}");
    assert_text(&late->partition, "/in.jsonl");
    cr_assert_eq(late->line, 3);
    cr_assert_eq(weir_collection_count(reading.letters), 2);
    assert_text(&letter_at(&reading, 0)->text, "no record");
    assert_text(&letter_at(&reading, 0)->partition, "/in.jsonl");
    cr_assert_eq(letter_at(&reading, 0)->line, 2);
    cr_assert_eq(letter_at(&reading, 0)->bytes, 9);
    cr_assert_eq(letter_at(&reading, 1)->line, 4);
    cr_assert_eq(letter_at(&reading, 1)->bytes, 0);
    reading_close(&reading);
}

Test(file_source, counts_the_bytes_there_are_and_those_it_has_read)
{
    struct reading reading = reading_open(1);
    reading_put(&reading, "/in/a", LINE("10", "1", "first"));
    reading_put(&reading, "/in/b", LINE("10", "2", "second"));
    const weir_jsonl_source_options options = jsonl_of("/in");
    reading_run(&reading, weir_from_jsonl(reading.job, &options), 1);
    const uint64_t bytes = strlen(LINE("10", "1", "first")) + strlen(LINE("10", "2", "second"));
    cr_assert_eq(weir_job_counter(reading.job, "read-entry", WEIR_BYTES), bytes);
    cr_assert_eq(weir_job_counter(reading.job, "read-entry", WEIR_BYTES_TOTAL), bytes);
    reading_close(&reading);
}

Test(file_source, takes_a_last_line_without_its_newline)
{
    struct reading reading = reading_open(1);
    reading_put(&reading, "/in.jsonl",
                "{\"at\":\"2026-03-01T10:02:10Z\",\"number\":7,\"text\":\"\"}");
    const weir_jsonl_source_options options = jsonl_of("/in.jsonl");
    reading_run(&reading, weir_from_jsonl(reading.job, &options), 1);
    cr_assert_eq(weir_collection_count(reading.passed), 1);
    reading_close(&reading);
}

// Lines of all lengths around those of buffers, batches and the longest line that is taken,
// whatever pieces the disk hands them out in.
Test(file_source, keeps_every_line_whole_whatever_its_length)
{
    static const size_t lengths[] = { 0,     1,      11,     12,      13,      4095,   4096,
                                      32000, 262143, 262144, 1048480, 1048576, 2000000 };
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct reading reading = reading_open(seed);
        const size_t   most    = (size_t)12 << 20;
        char          *text    = malloc(most);
        size_t         length  = 0;
        for (size_t i = 0; i < 40; i++) {
            const size_t letters = lengths[(i * 5 + seed) % WR_COUNT_OF(lengths)];
            if (length + letters + 200 > most) {
                break;
            }
            length +=
                (size_t)snprintf(text + length, 100,
                                 "{\"at\":\"2026-03-01T10:02:10Z\",\"number\":%zu,\"text\":\"", i);
            memset(text + length, (int)('a' + i % 26), letters);
            length += letters;
            length += (size_t)snprintf(text + length, 10, "\"}\n");
        }
        wr_simulation_import(reading.environment, "/in.jsonl", text, length);
        const weir_jsonl_source_options options = jsonl_of("/in.jsonl");
        reading_run(&reading, weir_from_jsonl(reading.job, &options), seed);
        cr_assert_eq(reading.status, WEIR_OK, "%s", weir_job_error(reading.job));
        size_t passed = 0, letters = 0;
        for (const char *line = text; line < text + length;) {
            const char  *end   = memchr(line, '\n', length - (size_t)(line - text));
            const size_t bytes = (size_t)(end - line);
            if (bytes > 1048576) {
                const weir_dead_letter *letter = letter_at(&reading, letters++);
                cr_assert_not_null(letter);
                char reason[100];
                (void)snprintf(reason, sizeof(reason),
                               "the line has %zu bytes, the most is 1048576", bytes);
                assert_text(&letter->reason, reason);
                cr_assert_eq(letter->bytes, bytes);
                cr_assert_eq(letter->text.length, 4096);
            } else {
                const entry *record = entry_at(&reading, passed++);
                cr_assert_not_null(record);
                const char *from = strstr(line, "\"text\":\"") + 8;
                cr_assert_eq(record->text.length, (size_t)(end - 2 - from), "seed %llu, record %zu",
                             (unsigned long long)seed, passed);
                cr_assert_eq(memcmp(weir_str_bytes(&record->text), from, record->text.length), 0);
            }
            line = end + 1;
        }
        cr_assert_eq(weir_collection_count(reading.passed), passed);
        cr_assert_eq(weir_collection_count(reading.letters), letters);
        free(text);
        reading_close(&reading);
    }
}

// The line of a late record is needed after the bytes behind it have been asked for.
Test(file_source, sends_late_lines_byte_for_byte)
{
    enum { LINES = 20000 };
    char *text = malloc(LINES * 80 + 100), *late = malloc(LINES * 80 + 100);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct reading reading = reading_open(seed);
        size_t         length = 0, late_length = 0;
        for (unsigned i = 0; i < LINES; i++) {
            const bool is_late = i % 3 != 0; // more than the late output has room for
            const int  put =
                snprintf(text + length, 100,
                         "{\"at\":\"2026-03-01T10:%s:00Z\",\"number\":%u,\"text\":\"\"}\n",
                         is_late ? "01" : "02", i);
            if (is_late) {
                memcpy(late + late_length, text + length, (size_t)put);
                late_length += (size_t)put;
            }
            length += (size_t)put;
        }
        wr_simulation_import(reading.environment, "/in.jsonl", text, length);
        const weir_jsonl_source_options options = jsonl_of("/in.jsonl");
        reading_run(&reading, weir_from_jsonl(reading.job, &options), seed);
        size_t at = 0;
        for (size_t i = 0; i < weir_collection_count(reading.late); i++) {
            const weir_line *line  = weir_collection_at(reading.late, i, NULL, NULL);
            const char      *bytes = weir_str_bytes(&line->text);
            cr_assert(at + line->text.length < late_length &&
                          memcmp(bytes, late + at, line->text.length) == 0,
                      "seed %llu: late line %zu is %.*s", (unsigned long long)seed, i,
                      (int)line->text.length, bytes);
            at += line->text.length + 1;
        }
        cr_assert_eq(at, late_length);
        reading_close(&reading);
    }
    free(text);
    free(late);
}

static bool is_even(void *record, const char **reason, char *text, void *opaque)
{
    const entry *read = record;
    cr_assert_str_eq(opaque, "mine");
    (void)snprintf(text, 200, "%llu is odd", (unsigned long long)read->number);
    *reason = text;
    return read->number % 2 == 0;
}

Test(file_source, asks_the_users_check)
{
    struct reading reading = reading_open(1);
    reading_put(&reading, "/in.jsonl", LINE("10", "1", "odd") LINE("10", "2", "even"));
    weir_jsonl_source_options options = jsonl_of("/in.jsonl");
    options.check                     = is_even;
    options.opaque                    = (void *)(uintptr_t) "mine";
    reading_run(&reading, weir_from_jsonl(reading.job, &options), 1);
    cr_assert_eq(weir_collection_count(reading.passed), 1);
    cr_assert_eq(weir_collection_count(reading.letters), 1);
    assert_text(&letter_at(&reading, 0)->reason, "1 is odd");
    reading_close(&reading);
}

// What is no UTF-8 becomes U+FFFD, and the text stays within 4 KiB even where all of it does.
Test(file_source, shows_what_is_no_utf8_within_4_kib)
{
    struct reading reading = reading_open(1);
    char           bad[6000];
    memset(bad, 0xff, sizeof(bad));
    memcpy(bad, "ab\xc3(\xe2\x82\n", 7);
    bad[sizeof(bad) - 1] = '\0';
    reading_put(&reading, "/in.jsonl", bad);
    const weir_jsonl_source_options options = jsonl_of("/in.jsonl");
    reading_run(&reading, weir_from_jsonl(reading.job, &options), 1);
    cr_assert_eq(weir_collection_count(reading.letters), 2);
    assert_text(&letter_at(&reading, 0)->text, "ab\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd");
    const weir_str *text = &letter_at(&reading, 1)->text;
    cr_assert_eq(text->length, 4095);
    cr_assert_eq(memcmp(weir_str_bytes(text), "\xef\xbf\xbd\xef\xbf\xbd", 6), 0);
    cr_assert_eq(letter_at(&reading, 1)->bytes, sizeof(bad) - 8);
    reading_close(&reading);
}

Test(file_source, fails_the_job_when_the_disk_does)
{
    struct reading reading = reading_open(1);
    reading_put(&reading, "/in.jsonl", LINE("10", "1", "odd"));
    const weir_jsonl_source_options options = jsonl_of("/in.jsonl");
    wr_simulation_fail(reading.environment, WR_FAULT_READ, 0, EIO);
    reading_run(&reading, weir_from_jsonl(reading.job, &options), 1);
    cr_assert_eq(reading.status, WEIR_FAILED);
    cr_assert_str_eq(weir_job_error(reading.job),
                     "test: read-entry: cannot read /in.jsonl: Input/output error");
    reading_close(&reading);
}

// ---- CSV ----

static weir_csv_source_options csv_of(const char *path)
{
    return (weir_csv_source_options){
        .path = path,
        .type = &entry_type,
        .time = { .field = "at", .judges_lateness = true, .max_ahead = -1 }
    };
}

Test(file_source, reads_tables)
{
    struct reading reading = reading_open(1);
    reading_put(&reading, "/in.csv",
                "number,at,more,text\n1,2026-03-01T10:02:10Z,x,\"two\nlines\"\n"
                "2,2026-03-01T10:02:09Z,,late\nx,y\n");
    const weir_csv_source_options options = csv_of("/in.csv");
    reading_run(&reading, weir_from_csv(reading.job, &options), 1);
    cr_assert_eq(reading.status, WEIR_OK, "%s", weir_job_error(reading.job));
    cr_assert_eq(weir_collection_count(reading.passed), 1);
    assert_text(&entry_at(&reading, 0)->text, "two\nlines");
    const weir_line *late = weir_collection_at(reading.late, 0, NULL, NULL);
    assert_text(&late->text, "2,2026-03-01T10:02:09Z,,late");
    cr_assert_eq(late->line, 4);
    cr_assert_eq(letter_at(&reading, 0)->line, 5);
    reading_close(&reading);
}

Test(file_source, fails_the_job_where_a_table_lacks_a_column)
{
    struct reading reading = reading_open(1);
    reading_put(&reading, "/in.csv", "number,text\n1,x\n");
    const weir_csv_source_options options = csv_of("/in.csv");
    reading_run(&reading, weir_from_csv(reading.job, &options), 1);
    cr_assert_eq(reading.status, WEIR_FAILED);
    cr_assert_not_null(
        strstr(weir_job_error(reading.job), "read-entry: /in.csv: the header in line 1"), "%s",
        weir_job_error(reading.job));
    cr_assert_not_null(strstr(weir_job_error(reading.job), "at"));
    cr_assert_eq(weir_collection_count(reading.letters), 0);
    reading_close(&reading);
}

// ---- a file that grows ----

// Changes the file while it is read: what a writer beside the job does. It is a source, so that the
// simulation steps it among the others.
struct writer {
    weir_job              *job;
    struct wr_environment *environment;
    const char *const     *texts; // from its beginning where it starts with '!', else appended
    uint32_t               written;
};

static struct writer writer;
typedef struct none {
    uint8_t unused;
} none;

static uint32_t entries_seen;
static void     count_entry(none *local, const entry *record)
{
    (void)local;
    (void)record;
    entries_seen++;
}
static void count_end(none *local, void *opaque)
{
    (void)local;
    (void)opaque;
}
WEIR_SINK(entry_counter, entry, none, count_entry, count_end);

static void writer_write(const char *text)
{
    struct wr_environment *environment = writer.environment;
    const bool             is_anew     = text[0] == '!';
    const int              file =
        environment->ops->open(environment, "/in.jsonl", is_anew ? WR_OPEN_WRITE : WR_OPEN_APPEND);
    text += is_anew ? 1 : 0;
    (void)environment->ops->write_at(environment, file, text, strlen(text), -1);
    environment->ops->close(environment, file);
}

// One tick every 100 ms of virtual time, each of which writes the next text; the last ends the job.
static void write_next(none *local, const tick *record)
{
    (void)local;
    (void)record;
    const char *text = writer.texts[writer.written++];
    if (text != NULL) {
        writer_write(text);
    } else {
        weir_run_stop_any(source_harness_run_of(writer.job), true);
    }
}
static void tick_end(none *local, void *opaque)
{
    (void)local;
    (void)opaque;
}
WEIR_SINK(tick_writer, tick, none, write_next, tick_end);

static void check_growth(const char *const *texts, uint32_t count, uint32_t entries,
                         uint32_t letters)
{
    static struct source_step   steps[32];
    static struct source_script script;
    for (uint32_t i = 0; i <= count; i++) {
        steps[2 * i]     = (struct source_step)BUSY(WEIR_MILLISECONDS(100) * (i + 1));
        steps[2 * i + 1] = (struct source_step)TICK(i);
    }
    script.partitions[0]   = steps;
    script.partition_count = 1;
    struct reading reading = reading_open(9);
    writer                 = (struct writer){ reading.job, reading.environment, texts, 0 };
    reading_put(&reading, "/in.jsonl", LINE("10", "1", "first"));
    weir_jsonl_source_options options = jsonl_of("/in.jsonl");
    options.follow                    = true;
    const weir_stream in              = weir_from_jsonl(reading.job, &options);
    weir_sink(in, &entry_counter, NULL);
    weir_sink(source_script_add(reading.job, &script), &tick_writer, NULL);
    reading_run(&reading, in, 9);
    cr_assert_eq(reading.status, WEIR_OK, "%s", weir_job_error(reading.job));
    cr_assert_eq(entries_seen, entries, "%u records, not %u", entries_seen, entries);
    cr_assert_eq(weir_collection_count(reading.letters), letters);
    reading_close(&reading);
}

Test(file_source, follows_a_file_that_grows)
{
    static const char *const texts[] = { LINE("11", "2", "second"),
                                         "{\"at\":\"2026-03-01T10:02:12Z\",\"num",
                                         "ber\":3,\"text\":\"\"}\n", "", NULL };
    check_growth(texts, 4, 3, 0);
}

Test(file_source, reads_a_file_that_was_cut_short_from_its_beginning)
{
    static const char *const texts[] = { "{\"at\":", "!" LINE("11", "2", ""), LINE("12", "3", ""),
                                         "", NULL };
    check_growth(texts, 4, 3, 2); // what was left of the line, and the note
}

// ---- mistakes ----

static void check_mistake(const weir_jsonl_source_options *options, const char *sentence)
{
    weir_job *job = weir_job_open("test");
    weir_from_jsonl(job, options);
    cr_assert_not_null(weir_job_error(job));
    cr_assert_str_eq(weir_job_error(job), sentence);
    weir_job_close(job);
}

Test(file_source, refuses_options_that_cannot_work)
{
    weir_jsonl_source_options options = jsonl_of("/in.jsonl");
    options.type                      = NULL;
    check_mistake(&options, "test: read JSON Lines: it has no type; name the records' with "
                            ".type = &..._type");
    options = jsonl_of(NULL);
    check_mistake(&options,
                  "test: read-entry: it has no path; name a file, a pattern, a directory, "
                  "or - for stdin");
    options            = jsonl_of("/in.jsonl");
    options.time.field = "att";
    check_mistake(&options,
                  "test: read-entry: field \"att\" is not in entry; did you mean \"at\"?");
    options.time.field = "number";
    check_mistake(&options,
                  "test: read-entry: field \"number\" of entry is of kind u64; event time "
                  "has to be a weir_time");
    options.time.field = NULL;
    check_mistake(&options,
                  "test: read-entry: judging lateness needs event time; name the weir_time "
                  "field of entry in time.field");
    options               = jsonl_of("/in.jsonl");
    options.time.lateness = -1;
    check_mistake(&options, "test: read-entry: lateness is -1 us, but must not be negative");
}
