// Each kind of damage, made on purpose on a simulated disk, is told by its own name, and nothing
// else is. No check writes to the disk.
#include "log/fsck.h"

#include "log/catalog.h"
#include "log/segment.h"
#include "runtime/base/environment.h"
#include "runtime/base/file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <weir/record.h>

#define DIRECTORY "/log"
#define PARTITION DIRECTORY "/topics/events/0"

typedef struct event {
    uint64_t id;
    char     padding[200];
} event;
WEIR_RECORD(event, id, padding);

typedef struct other {
    weir_str text;
} other;
WEIR_RECORD(other, text);

static struct wr_environment *environment;

static weir_log *open_writer(void)
{
    const weir_log_options options = { .writes = true, .creates = true };
    weir_log              *log;
    cr_assert_eq(wr_log_open_in(environment, DIRECTORY, &options, &log), WEIR_OK, "%s",
                 weir_log_error(log));
    return log;
}

static void append(weir_log *log, uint64_t first, uint64_t count, weir_transaction *transaction)
{
    weir_producer *producer;
    cr_assert_eq(weir_producer_open(log, "events", &event_type, &producer), WEIR_OK, "%s",
                 weir_log_error(log));
    if (transaction != NULL) {
        cr_assert_eq(weir_producer_join(producer, transaction), WEIR_OK);
    }
    for (uint64_t i = first; i < first + count; i++) {
        event row = { .id = i };
        memset(row.padding, 'a' + (int)(i % 26), sizeof(row.padding));
        cr_assert_eq(weir_producer_append(producer, &row, 1), WEIR_OK);
        if (i % 50 == 49) {
            cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
        }
    }
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
}

// A log of one topic whose partition has several sealed segments and one that is clean.
static void make_log(void)
{
    const weir_topic topic = { .name = "events", .type = &event_type, .segment_bytes = 64u << 10 };
    environment            = wr_environment_open_simulated(1, false);
    weir_log *log          = open_writer();
    cr_assert_eq(weir_log_create_topic(log, &topic), WEIR_OK, "%s", weir_log_error(log));
    append(log, 0, 1000, NULL);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}

static char *kept[8]; // texts that a test was given
static int   kept_count;

static char *keep(char *text)
{
    cr_assert_lt(kept_count, 8);
    return kept[kept_count++] = text;
}

static void drop_log(void)
{
    while (kept_count > 0) {
        wr_free(kept[--kept_count]);
    }
    wr_environment_close(environment);
}

// ---- the disk ----

static char *bytes_of(const char *path, size_t *length)
{
    char *bytes = wr_simulation_bytes(environment, path, length);
    cr_assert_not_null(bytes, "%s is not there", path);
    return bytes;
}

static char *text_of(const char *path)
{
    size_t      length;
    const char *bytes = bytes_of(path, &length);
    return wr_format("%.*s", (int)length, bytes);
}

static void flip(const char *path, uint64_t at)
{
    size_t length;
    char  *bytes = bytes_of(path, &length);
    cr_assert_lt(at, length);
    bytes[at] = (char)(bytes[at] ^ 0x40);
}

static void cut(const char *path, uint64_t bytes)
{
    const int file = environment->ops->open(environment, path, WR_OPEN_UPDATE);
    cr_assert_geq(file, 0);
    cr_assert_eq(environment->ops->truncate(environment, file, bytes), 0);
    environment->ops->close(environment, file);
}

static void remove_file(const char *path)
{
    cr_assert_eq(environment->ops->unlink(environment, path), 0, "%s", path);
}

static void rename_file(const char *from, const char *to)
{
    cr_assert_eq(environment->ops->rename(environment, from, to), 0, "%s", from);
}

static void copy_file(const char *from, const char *to)
{
    size_t length;
    char  *bytes = bytes_of(from, &length);
    char  *copy  = wr_alloc(length + 1);
    memcpy(copy, bytes, length);
    const int file = environment->ops->open(environment, to, WR_OPEN_WRITE);
    cr_assert_geq(file, 0);
    cr_assert_eq(wr_file_write(environment, file, copy, length, 0), 0);
    environment->ops->close(environment, file);
    wr_free(copy);
}

// Segment number `i` of the partition; negative: from the end.
static char *segment(int i)
{
    uint64_t *bases;
    uint32_t  count;
    cr_assert_eq(wr_segment_list(environment, PARTITION, &bases, &count), 0);
    cr_assert_geq(count, 3, "there are only %u segments", count);
    char *path = keep(wr_segment_path(PARTITION, bases[i < 0 ? (int)count + i : i]));
    wr_free(bases);
    return path;
}

static size_t size_of(const char *path)
{
    size_t length;
    (void)bytes_of(path, &length);
    return length;
}

// ---- checking ----

struct found {
    uint32_t          count;
    enum wr_fsck_kind last;
    char              sentences[8192];
    uint64_t          first_offset, end_offset, byte;
};

static void note(void *opaque, const struct wr_fsck_finding *finding)
{
    struct found *found = opaque;
    found->count++;
    found->last         = finding->kind;
    found->first_offset = finding->first_offset;
    found->end_offset   = finding->end_offset;
    found->byte         = finding->byte;
    const size_t length = strlen(found->sentences);
    (void)snprintf(found->sentences + length, sizeof(found->sentences) - length, "%s: %s\n",
                   wr_fsck_word(finding->kind), finding->sentence);
}

static struct found check(struct wr_fsck_summary *summary)
{
    struct found                 found   = { .count = 0 };
    struct wr_log_error          error   = { .status = WEIR_OK };
    const struct wr_fsck_options options = { .found = note, .opaque = &found };
    const uint64_t               before  = wr_simulation_changes(environment);
    cr_assert_eq(wr_fsck_run(environment, DIRECTORY, &options, summary, &error), WEIR_OK, "%s",
                 error.sentence);
    cr_assert_eq(wr_simulation_changes(environment), before, "it wrote");
    cr_assert_eq(found.count, summary->findings);
    return found;
}

// Nothing but this, once.
static struct found assert_found(enum wr_fsck_kind kind)
{
    struct wr_fsck_summary summary;
    struct found           found = check(&summary);
    cr_assert(found.count == (kind == WR_FSCK_CLEAN ? 0 : 1) && summary.gravest == kind,
              "expected %s, found %u:\n%s", wr_fsck_word(kind), found.count, found.sentences);
    return found;
}

TestSuite(fsck, .init = make_log, .fini = drop_log);

Test(fsck, a_whole_log_is_clean_and_all_of_it_is_read)
{
    struct wr_fsck_summary summary;
    struct found           found = check(&summary);
    cr_assert_eq(found.count, 0, "%s", found.sentences);
    cr_assert_eq(summary.rows, 1000);
    cr_assert_eq(summary.topics, 1);
    cr_assert_eq(summary.partitions, 1);
    cr_assert_geq(summary.segments, 4);
    cr_assert_not(summary.has_writer);
}

Test(fsck, every_kind_has_a_code_of_its_own)
{
    for (int a = WR_FSCK_CLEAN; a <= WR_FSCK_MISSING; a++) {
        for (int b = a + 1; b <= WR_FSCK_MISSING; b++) {
            cr_assert_neq(wr_fsck_exit_code((enum wr_fsck_kind)a),
                          wr_fsck_exit_code((enum wr_fsck_kind)b));
        }
    }
}

Test(fsck, half_written_bytes_at_the_end_are_a_torn_tail)
{
    char     *path = segment(-1);
    const int file = environment->ops->open(environment, path, WR_OPEN_UPDATE);
    cr_assert_eq(wr_file_write(environment, file, "half of something that was never finished", 42,
                               size_of(path)),
                 0);
    environment->ops->close(environment, file);
    (void)assert_found(WR_FSCK_TAIL);
}

Test(fsck, a_file_that_upkeep_left_half_made_is_a_torn_tail)
{
    copy_file(segment(0), PARTITION "/00000000000000000000.tmp");
    (void)assert_found(WR_FSCK_TAIL);
}

Test(fsck, a_topic_half_made_is_a_torn_tail)
{
    cr_assert_eq(environment->ops->make_directory(environment, DIRECTORY "/topics/.new"), 0);
    (void)assert_found(WR_FSCK_TAIL);
}

Test(fsck, a_flipped_bit_in_a_payload_is_damage_at_that_batch)
{
    flip(segment(1), WR_SEGMENT_HEADER_BYTES + WR_BATCH_HEADER_BYTES + 100);
    const struct found found = assert_found(WR_FSCK_DAMAGED);
    cr_assert_eq(found.byte, WR_SEGMENT_HEADER_BYTES);
    cr_assert_lt(found.first_offset, found.end_offset);
}

Test(fsck, a_flipped_bit_in_the_last_segment_is_damage)
{
    flip(segment(-1), WR_SEGMENT_HEADER_BYTES + WR_BATCH_HEADER_BYTES + 100);
    (void)assert_found(WR_FSCK_DAMAGED);
}

Test(fsck, a_flipped_bit_in_a_header_is_damage)
{
    flip(segment(1), 100);
    const struct found found = assert_found(WR_FSCK_DAMAGED);
    cr_assert_eq(found.byte, 0);
}

Test(fsck, a_damaged_footer_loses_no_records)
{
    char *path = segment(1);
    flip(path, size_of(path) - 40);
    const struct found found = assert_found(WR_FSCK_DAMAGED);
    cr_assert_eq(found.first_offset, found.end_offset, "%s", found.sentences);
}

Test(fsck, a_sealed_segment_that_ends_early_is_cut_short)
{
    char *path = segment(1);
    cut(path, size_of(path) / 2);
    const struct found found = assert_found(WR_FSCK_SHORT);
    cr_assert_lt(found.first_offset, found.end_offset);
}

Test(fsck, a_segment_that_ends_within_its_header_is_cut_short)
{
    cut(segment(1), 4000);
    (void)assert_found(WR_FSCK_SHORT);
}

Test(fsck, an_empty_last_segment_that_was_known_is_cut_short)
{
    cut(segment(-1), 0);
    (void)assert_found(WR_FSCK_SHORT);
}

Test(fsck, a_segment_in_the_middle_that_is_gone_is_missing)
{
    remove_file(segment(1));
    const struct found found = assert_found(WR_FSCK_MISSING);
    cr_assert_lt(found.first_offset, found.end_offset);
}

Test(fsck, the_first_segment_that_is_gone_is_missing)
{
    remove_file(segment(0));
    const struct found found = assert_found(WR_FSCK_MISSING);
    cr_assert_eq(found.first_offset, 0);
}

Test(fsck, the_last_segment_that_is_gone_is_missing)
{
    remove_file(segment(-1));
    (void)assert_found(WR_FSCK_MISSING);
}

Test(fsck, a_segment_under_another_name_is_foreign)
{
    char *first = segment(1), *second = segment(2);
    rename_file(first, PARTITION "/swap");
    rename_file(second, first);
    rename_file(PARTITION "/swap", second);
    struct wr_fsck_summary summary;
    struct found           found = check(&summary);
    cr_assert_eq(summary.gravest, WR_FSCK_FOREIGN, "%s", found.sentences);
    cr_assert_eq(found.count, 2, "%s", found.sentences);
}

Test(fsck, a_segment_of_another_topic_is_foreign)
{
    const weir_topic topic = { .name = "others", .type = &event_type, .segment_bytes = 64u << 10 };
    weir_log        *log   = open_writer();
    weir_producer   *producer;
    event            row = { .id = 1 };
    cr_assert_eq(weir_log_create_topic(log, &topic), WEIR_OK);
    cr_assert_eq(weir_producer_open(log, "others", NULL, &producer), WEIR_OK);
    cr_assert_eq(weir_producer_append(producer, &row, 1), WEIR_OK);
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    copy_file(DIRECTORY "/topics/others/0/00000000000000000000.segment", segment(0));
    const struct found found = assert_found(WR_FSCK_FOREIGN);
    cr_assert_not_null(strstr(found.sentences, "another topic"), "%s", found.sentences);
}

Test(fsck, a_directory_that_is_no_partition_is_foreign)
{
    cr_assert_eq(environment->ops->make_directory(environment, DIRECTORY "/topics/events/7"), 0);
    (void)assert_found(WR_FSCK_FOREIGN);
}

Test(fsck, an_epoch_of_another_time_is_foreign)
{
    copy_file(DIRECTORY "/epoch", "/epoch.before");
    weir_log *log = open_writer();
    append(log, 1000, 10, NULL);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    copy_file("/epoch.before", DIRECTORY "/epoch");
    (void)assert_found(WR_FSCK_FOREIGN);
}

Test(fsck, a_damaged_small_file_is_named_and_the_rest_is_checked)
{
    static const char *const paths[] = { DIRECTORY "/log", DIRECTORY "/epoch",
                                         DIRECTORY "/topics/events/topic", PARTITION "/start" };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct wr_fsck_summary summary;
        flip(paths[i], 12);
        struct found found = check(&summary);
        cr_assert_eq(found.count, 1, "%s: %s", paths[i], found.sentences);
        cr_assert_eq(found.last, WR_FSCK_FILE, "%s: %s", paths[i], found.sentences);
        cr_assert_not_null(strstr(found.sentences, paths[i]), "%s", found.sentences);
        cr_assert_eq(summary.rows, 1000, "%s: only %llu rows were read", paths[i],
                     (unsigned long long)summary.rows);
        flip(paths[i], 12);
    }
    (void)assert_found(WR_FSCK_CLEAN);
}

Test(fsck, a_missing_small_file_is_named)
{
    remove_file(DIRECTORY "/log");
    const struct found found = assert_found(WR_FSCK_FILE);
    cr_assert_not_null(strstr(found.sentences, DIRECTORY "/log"), "%s", found.sentences);
}

// The same topic with another type under the same id: as if its file were of another time.
Test(fsck, rows_that_their_schema_cannot_decode_are_told)
{
    struct wr_fsck_summary summary;
    char                  *text = keep(text_of(DIRECTORY "/topics/events/topic"));
    char                  *at   = strstr(text, "schema 1 ");
    cr_assert_not_null(at);
    *at           = 0;
    char *schema  = keep(wr_schema_text(&other_type));
    char *changed = keep(wr_format("%sschema 1 %zu\n%s", text, strlen(schema), schema));
    char *whole =
        keep(wr_format("%scrc32c %08x\n", changed, wr_crc32c(0, changed, strlen(changed))));
    const int file =
        environment->ops->open(environment, DIRECTORY "/topics/events/topic", WR_OPEN_WRITE);
    cr_assert_eq(wr_file_write(environment, file, whole, strlen(whole), 0), 0);
    environment->ops->close(environment, file);
    const struct found found = check(&summary);
    cr_assert_eq(summary.gravest, WR_FSCK_ROWS, "%s", found.sentences);
}

Test(fsck, transactions_that_nothing_decides_are_told)
{
    weir_log         *log = open_writer();
    weir_transaction *transaction;
    cr_assert_eq(weir_transaction_open(log, "t", &transaction), WEIR_OK);
    cr_assert_eq(weir_transaction_begin(transaction), WEIR_OK);
    append(log, 1000, 10, transaction);
    cr_assert_eq(weir_transaction_commit(transaction), WEIR_OK);
    weir_transaction_close(transaction);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    (void)assert_found(WR_FSCK_CLEAN);
    // As if the topic of decisions had been taken away.
    rename_file(DIRECTORY "/topics/.transactions", "/away");
    (void)assert_found(WR_FSCK_TRANSACTION);
}

Test(fsck, a_transaction_that_a_crash_left_open_is_no_damage)
{
    weir_log         *log = open_writer();
    weir_transaction *transaction;
    cr_assert_eq(weir_transaction_open(log, "t", &transaction), WEIR_OK);
    cr_assert_eq(weir_transaction_begin(transaction), WEIR_OK);
    append(log, 1000, 10, transaction);
    wr_simulation_reboot(environment, 7);
    struct wr_fsck_summary summary;
    const struct found     found = check(&summary);
    cr_assert_leq(summary.gravest, WR_FSCK_TAIL, "%s", found.sentences);
    weir_transaction_close(transaction); // of a process that is gone
    (void)weir_log_close(log);
}

Test(fsck, a_consumer_behind_the_end_is_told)
{
    weir_log *log = open_writer();
    cr_assert_eq(weir_log_set_consumer(log, "reader", "events", 0, 1000), WEIR_OK);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    (void)assert_found(WR_FSCK_CLEAN); // at the end is right
    log = open_writer();
    cr_assert_eq(weir_log_set_consumer(log, "reader", "events", 0, 1001), WEIR_OK);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    (void)assert_found(WR_FSCK_CONSUMER);
}

Test(fsck, of_several_the_gravest_counts)
{
    struct wr_fsck_summary summary;
    remove_file(segment(1));
    flip(segment(-1), WR_SEGMENT_HEADER_BYTES + WR_BATCH_HEADER_BYTES + 100);
    flip(DIRECTORY "/epoch", 12);
    struct found found = check(&summary);
    cr_assert_eq(found.count, 3, "%s", found.sentences);
    cr_assert_eq(summary.gravest, WR_FSCK_MISSING);
}

Test(fsck, beside_a_writer_what_readers_may_read_is_checked)
{
    struct wr_fsck_summary summary;
    weir_log              *log = open_writer();
    append(log, 1000, 100, NULL);
    struct found found = check(&summary);
    cr_assert_eq(found.count, 0, "%s", found.sentences);
    cr_assert(summary.has_writer);
    cr_assert_eq(summary.rows, 1100);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}

Test(fsck, what_is_no_log_is_refused)
{
    struct wr_fsck_summary summary;
    struct wr_log_error    error = { .status = WEIR_OK };
    cr_assert_eq(wr_fsck_run(environment, "/nowhere", NULL, &summary, &error), WEIR_NOT_FOUND);
    cr_assert_eq(environment->ops->make_directory(environment, "/else"), 0);
    cr_assert_eq(wr_fsck_run(environment, "/else", NULL, &summary, &error), WEIR_NOT_FOUND);
    cr_assert_eq(wr_fsck_run(environment, DIRECTORY,
                             &(struct wr_fsck_options){ .topic = "nothing" }, &summary, &error),
                 WEIR_NOT_FOUND);
    wr_log_error_fini(&error);
}
