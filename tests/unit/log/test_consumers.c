#include "log/catalog.h"
#include "log/consumers.h"
#include "log/small_file.h"
#include "tests/support/log_directory.h"

#include <sys/stat.h>

TestSuite(consumers, .timeout = 120);

// A writer's log with topic "a" of 3 partitions and "b" of one.
static weir_log *log_of(const struct log_directory *directory)
{
    const weir_log_options options = { .writes = true, .creates = true };
    const weir_topic       a       = { .name = "a", .partitions = 3, .segment_bytes = 65536 };
    const weir_topic       b       = { .name = "b", .segment_bytes = 65536 };
    weir_log              *log;
    const weir_status      status =
        wr_log_open_in(directory->environment, directory->path, &options, &log);
    cr_assert_eq(status, WEIR_OK, "%s", weir_log_error(log));
    cr_assert_eq(weir_log_create_topic(log, &a), WEIR_OK, "%s", weir_log_error(log));
    cr_assert_eq(weir_log_create_topic(log, &b), WEIR_OK, "%s", weir_log_error(log));
    return log;
}

static weir_log *reader_of(const struct log_directory *directory)
{
    weir_log         *log;
    const weir_status status = wr_log_open_in(directory->environment, directory->path, NULL, &log);
    cr_assert_eq(status, WEIR_OK, "%s", weir_log_error(log));
    return log;
}

static struct wr_topic *topic_of(weir_log *log, const char *name)
{
    struct wr_log_error error = { .status = WEIR_OK };
    struct wr_topic    *topic = wr_catalog_topic(log, name, &error);
    cr_assert(topic != NULL, "%s", error.sentence);
    return topic;
}

static struct wr_consumer *take(weir_log *log, const char *name)
{
    struct wr_log_error error = { .status = WEIR_OK };
    struct wr_consumer *consumer;
    cr_assert_eq(wr_consumer_take(log, name, &consumer, &error), WEIR_OK, "%s", error.sentence);
    return consumer;
}

static void commit(struct wr_consumer *consumer, const struct wr_topic *topic, uint32_t partition,
                   uint64_t offset)
{
    struct wr_log_error error = { .status = WEIR_OK };
    const uint64_t      cut   = partition; // any will do
    cr_assert_eq(wr_consumer_commit(consumer, topic, &partition, &offset, &cut, 1, &error), WEIR_OK,
                 "%s", error.sentence);
}

// The committed offset; UINT64_MAX: none.
static uint64_t offset_of(const struct wr_consumer *consumer, const struct wr_topic *topic,
                          uint32_t partition)
{
    uint64_t offset, cut;
    if (!wr_consumer_offset(consumer, topic, partition, &offset, &cut)) {
        return UINT64_MAX;
    }
    cr_assert_eq(cut, partition);
    return offset;
}

// ---- offsets ----

static void keeps(struct log_directory *directory)
{
    weir_log           *log      = log_of(directory);
    struct wr_topic    *a        = topic_of(log, "a");
    struct wr_topic    *b        = topic_of(log, "b");
    struct wr_consumer *consumer = take(log, "fraud");
    cr_assert_eq(offset_of(consumer, a, 0), UINT64_MAX);
    commit(consumer, a, 2, 20);
    commit(consumer, b, 0, UINT64_MAX - 1);
    commit(consumer, a, 0, 7);
    commit(consumer, a, 2, 21);
    wr_consumer_give(consumer);
    consumer = take(log, "fraud");
    cr_assert_eq(offset_of(consumer, a, 0), 7);
    cr_assert_eq(offset_of(consumer, a, 1), UINT64_MAX);
    cr_assert_eq(offset_of(consumer, a, 2), 21);
    cr_assert_eq(offset_of(consumer, b, 0), UINT64_MAX - 1);
    wr_consumer_give(consumer);
    consumer = take(log, "other");
    cr_assert_eq(offset_of(consumer, a, 0), UINT64_MAX);
    wr_consumer_give(consumer);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}
Test(consumers, keep_their_offsets_of_each_topic_and_partition) { in_both_environments(keeps); }

static void made_anew(struct log_directory *directory)
{
    weir_log           *log      = log_of(directory);
    struct wr_consumer *consumer = take(log, "fraud");
    commit(consumer, topic_of(log, "a"), 0, 5);
    commit(consumer, topic_of(log, "a"), 2, 6);
    cr_assert_eq(weir_log_delete_topic(log, "a"), WEIR_OK, "%s", weir_log_error(log));
    const weir_topic again = { .name = "a", .partitions = 3, .segment_bytes = 65536 };
    cr_assert_eq(weir_log_create_topic(log, &again), WEIR_OK, "%s", weir_log_error(log));
    struct wr_topic *a = topic_of(log, "a");
    cr_assert_eq(offset_of(consumer, a, 0), UINT64_MAX);
    commit(consumer, a, 0, 1);
    cr_assert_eq(offset_of(consumer, a, 0), 1);
    cr_assert_eq(offset_of(consumer, a, 2), UINT64_MAX);
    wr_consumer_give(consumer);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}
Test(consumers, begin_again_when_a_topic_was_made_anew) { in_both_environments(made_anew); }

static void set_by_hand(struct log_directory *directory)
{
    weir_log      *log = log_of(directory);
    weir_producer *producer;
    cr_assert_eq(weir_producer_open(log, "b", NULL, &producer), WEIR_OK);
    for (uint32_t i = 0; i < 4; i++) {
        const weir_log_text text = { weir_str_from("k"), weir_str_from("v") };
        cr_assert_eq(weir_producer_append(producer, &text, 1), WEIR_OK);
    }
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
    cr_assert_eq(weir_log_truncate_from(log, "b", 0, 2), WEIR_OK, "%s", weir_log_error(log));
    cr_assert_eq(weir_log_set_consumer(log, "kpi", "b", 0, 2), WEIR_OK, "%s", weir_log_error(log));
    struct wr_consumer *consumer = take(log, "kpi");
    uint64_t            offset, cut;
    cr_assert(wr_consumer_offset(consumer, topic_of(log, "b"), 0, &offset, &cut));
    cr_assert_eq(offset, 2);
    cr_assert_eq(cut, 1); // this truncation is known to whoever set it
    wr_consumer_give(consumer);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}
Test(consumers, that_are_set_know_the_truncations_before) { in_both_environments(set_by_hand); }

// ---- names ----

static void held(struct log_directory *directory)
{
    weir_log           *writer   = log_of(directory);
    weir_log           *reader   = reader_of(directory);
    struct wr_log_error error    = { .status = WEIR_OK };
    struct wr_consumer *consumer = take(writer, "fraud");
    struct wr_consumer *other;
    cr_assert_eq(wr_consumer_take(reader, "fraud", &other, &error), WEIR_CONFLICT);
    char *holder = wr_format("this process (%u)",
                             directory->environment->ops->process(directory->environment));
    assert_has(error.sentence, directory->path);
    assert_has(error.sentence, "consumer fraud");
    assert_has(error.sentence, holder);
    cr_assert_eq(weir_log_set_consumer(reader, "fraud", "a", 0, 1), WEIR_CONFLICT);
    cr_assert_eq(weir_log_delete_consumer(reader, "fraud"), WEIR_NOT_FOUND);
    commit(consumer, topic_of(writer, "a"), 0, 1);
    cr_assert_eq(weir_log_delete_consumer(reader, "fraud"), WEIR_CONFLICT);
    wr_consumer_give(consumer);
    cr_assert_eq(wr_consumer_take(reader, "fraud", &other, &error), WEIR_OK);
    wr_consumer_give(other);
    wr_free(holder);
    wr_log_error_fini(&error);
    cr_assert_eq(weir_log_close(reader), WEIR_OK);
    cr_assert_eq(weir_log_close(writer), WEIR_OK);
}
Test(consumers, are_held_by_one_who_is_named) { in_both_environments(held); }

static void names(struct log_directory *directory)
{
    static const char *const wrong[] = { "", ".", "..", ".a", "a/b", "a b", "a.lock", "a.tmp" };
    char                     longest[102];
    weir_log                *log   = log_of(directory);
    struct wr_log_error      error = { .status = WEIR_OK };
    struct wr_consumer      *consumer;
    for (uint32_t i = 0; i < WR_COUNT_OF(wrong); i++) {
        cr_assert_eq(wr_consumer_take(log, wrong[i], &consumer, &error), WEIR_USAGE, "%s",
                     wrong[i]);
        assert_has(error.sentence, "consumer");
        assert_has(error.sentence, wrong[i]);
    }
    memset(longest, 'x', sizeof(longest) - 1);
    longest[101] = 0;
    cr_assert_eq(wr_consumer_take(log, longest, &consumer, &error), WEIR_USAGE);
    cr_assert_eq(wr_consumer_take(log, longest + 1, &consumer, &error), WEIR_OK);
    wr_consumer_give(consumer);
    wr_consumer_give(NULL);
    wr_log_error_fini(&error);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}
Test(consumers, have_names_that_can_be_files) { in_both_environments(names); }

// ---- the calls ----

struct told {
    char     text[1024];
    uint32_t count;
};

static void tell(void *opaque, const weir_consumer_offset *at)
{
    struct told *told = opaque;
    const size_t used = strlen(told->text);
    (void)snprintf(told->text + used, sizeof(told->text) - used, "%s %s %u %llu %llu\n",
                   at->consumer, at->topic, at->partition, (unsigned long long)at->offset,
                   (unsigned long long)at->lag);
    told->count++;
}

static void assert_list(weir_log *log, const char *expected)
{
    struct told told = { .count = 0 };
    cr_assert_eq(weir_log_list_consumers(log, tell, &told), WEIR_OK, "%s", weir_log_error(log));
    cr_assert_str_eq(told.text, expected);
}

static void append(weir_log *log, const char *topic, uint32_t partition, uint32_t count)
{
    weir_producer      *producer;
    const weir_log_text row = { weir_str_from("k"), weir_str_from("v") };
    cr_assert_eq(weir_producer_open(log, topic, NULL, &producer), WEIR_OK, "%s",
                 weir_producer_error(producer));
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(weir_producer_append_to(producer, partition, &row, NULL, 1), WEIR_OK);
    }
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
}

static void lists(struct log_directory *directory)
{
    weir_log *writer = log_of(directory);
    weir_log *reader = reader_of(directory);
    assert_list(reader, "");
    append(writer, "a", 1, 10);
    cr_assert_eq(weir_log_set_consumer(reader, "kpi", "b", 0, 3), WEIR_OK);
    cr_assert_eq(weir_log_set_consumer(reader, "kpi", "a", 1, 4), WEIR_OK);
    cr_assert_eq(weir_log_set_consumer(reader, "kpi", "a", 0, 0), WEIR_OK);
    cr_assert_eq(weir_log_set_consumer(writer, "fraud", "a", 1, 10), WEIR_OK);
    const char *expected = "fraud a 1 10 0\nkpi a 0 0 0\nkpi a 1 4 6\nkpi b 0 3 0\n";
    assert_list(reader, expected);
    assert_list(writer, expected);
    cr_assert_eq(weir_log_delete_consumer(reader, "kpi"), WEIR_OK, "%s", weir_log_error(reader));
    assert_list(reader, "fraud a 1 10 0\n");
    cr_assert_eq(weir_log_delete_consumer(reader, "kpi"), WEIR_NOT_FOUND);
    assert_has(weir_log_error(reader), "kpi");
    cr_assert_eq(weir_log_delete_topic(writer, "a"), WEIR_OK, "%s", weir_log_error(writer));
    assert_list(reader, "fraud a 1 10 0\n");
    cr_assert_eq(weir_log_close(reader), WEIR_OK);
    cr_assert_eq(weir_log_close(writer), WEIR_OK);
}
Test(consumers, are_listed_with_what_they_have_to_read_yet) { in_both_environments(lists); }

static void sets(struct log_directory *directory)
{
    weir_log *log = log_of(directory);
    cr_assert_eq(weir_log_set_consumer(log, "kpi", "a", 2, 1), WEIR_OK);
    cr_assert_eq(weir_log_set_consumer(log, "kpi", "a", 3, 1), WEIR_NOT_FOUND);
    assert_has(weir_log_error(log), "topic a has no partition 3; it has 3");
    cr_assert_eq(weir_log_set_consumer(log, "kpi", "c", 0, 1), WEIR_NOT_FOUND);
    assert_has(weir_log_error(log), "there is no topic c");
    cr_assert_eq(weir_log_set_consumer(log, ".kpi", "a", 0, 1), WEIR_USAGE);
    cr_assert_eq(weir_log_delete_consumer(log, ".kpi"), WEIR_USAGE);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}
Test(consumers, are_set_for_topics_and_partitions_that_there_are) { in_both_environments(sets); }

// ---- files that are not what they were ----

static void damaged(struct log_directory *directory)
{
    weir_log           *log   = log_of(directory);
    struct wr_log_error error = { .status = WEIR_OK };
    struct wr_consumer *consumer;
    struct told         told   = { .count = 0 };
    char               *path   = wr_format("%s/consumers/kpi", directory->path);
    size_t              length = 0;
    cr_assert_eq(weir_log_set_consumer(log, "kpi", "a", 2, 1), WEIR_OK);
    char *bytes = log_file_read(directory->environment, path, &length);
    bytes[length / 2] ^= 1;
    log_file_write(directory->environment, path, bytes, length);
    cr_assert_eq(wr_consumer_take(log, "kpi", &consumer, &error), WEIR_DAMAGED);
    assert_has(error.sentence, path);
    cr_assert_eq(weir_log_list_consumers(log, tell, &told), WEIR_DAMAGED);
    assert_has(weir_log_error(log), path);
    cr_assert_eq(weir_log_delete_consumer(log, "kpi"), WEIR_DAMAGED);
    wr_free(bytes);
    wr_free(path);
    wr_log_error_fini(&error);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}
Test(consumers, whose_file_is_damaged_are_refused_with_its_path) { in_both_environments(damaged); }

static void nonsense(struct log_directory *directory)
{
    static const char *const texts[] = {
        "weir consumer 1\npartition 0 offset 1 at 2\n",
        "weir consumer 1\ntopic 00 a\n",
        "weir consumer 1\ntopic 00112233445566778899aabbccddeeff a\npartition 0 offset 1\n",
        "weir consumer 1\ntopic 00112233445566778899aabbccddeeff a\nother\n",
        "weir consumer 1\ntopic 00112233445566778899aabbccddeeff a\n"
        "partition 0 offset 1 at 2 cut\n",
        "weir consumer 1\ntopic 00112233445566778899aabbccddeeff a\n"
        "partition 0 offset 1 at 2 cut 3 4\n",
        "weir topic 1\n",
    };
    weir_log *log  = log_of(directory);
    char     *path = wr_format("%s/consumers/kpi", directory->path);
    for (uint32_t i = 0; i < WR_COUNT_OF(texts); i++) {
        struct wr_log_error error = { .status = WEIR_OK };
        struct wr_consumer *consumer;
        cr_assert_eq(wr_small_file_write(directory->environment, path, texts[i], &error), WEIR_OK);
        cr_assert_eq(wr_consumer_take(log, "kpi", &consumer, &error), WEIR_DAMAGED, "%s", texts[i]);
        assert_has(error.sentence, path);
        wr_log_error_fini(&error);
    }
    wr_free(path);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}
Test(consumers, whose_file_makes_no_sense_are_refused) { in_both_environments(nonsense); }

Test(consumers, cannot_be_kept_where_nothing_may_be_written)
{
    if (geteuid() == 0) {
        cr_skip_test("rights do not bind this user");
    }
    struct log_directory directory = log_directory_open(false);
    weir_log            *log       = log_of(&directory);
    struct wr_log_error  error     = { .status = WEIR_OK };
    struct wr_consumer  *consumer;
    char                *path = wr_format("%s/consumers", directory.path);
    cr_assert_eq(chmod(path, 0555), 0);
    cr_assert_eq(wr_consumer_take(log, "kpi", &consumer, &error), WEIR_UNREACHABLE);
    assert_has(error.sentence, "without a consumer's name");
    cr_assert_eq(chmod(path, 0755), 0);
    wr_log_error_fini(&error);
    wr_free(path);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
}
