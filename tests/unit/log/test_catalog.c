#include "log/catalog.h"
#include "log/live.h"
#include "log/small_file.h"
#include "tests/support/log_directory.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

TestSuite(catalog, .timeout = 120);

static const weir_log_options maker   = { .writes = true, .creates = true };
static const weir_log_options writing = { .writes = true };
static const weir_log_options reading = { .writes = false };

// What the first lines of a payment look like, then and later.
typedef struct payment {
    weir_time at;
    uint64_t  card_id;
    int64_t   cents;
    weir_str  region;
} payment;
WEIR_RECORD(payment, at, card_id, cents, region);

typedef struct payment_2 {
    weir_time at;
    uint64_t  card_id;
    int64_t   cents;
    weir_str  region;
    uint32_t  shop;
} payment_2;
WEIR_RECORD(payment_2, at, card_id, cents, region, shop);

typedef struct payment_3 {
    weir_time at;
    uint64_t  card_id;
    int32_t   cents;
    weir_str  region;
} payment_3;
WEIR_RECORD(payment_3, at, card_id, cents, region);

typedef struct payment_4 {
    weir_time at;
    uint64_t  card_id;
    double    cents;
    weir_str  region;
} payment_4;
WEIR_RECORD(payment_4, at, card_id, cents, region);

static const weir_topic payments = { .name          = "payments",
                                     .type          = &payment_type,
                                     .key           = "card_id,region",
                                     .time          = "at",
                                     .partitions    = 4,
                                     .segment_bytes = 1 << 20,
                                     .retain_age    = WEIR_DAYS(7) };

static weir_log *open_log(const struct log_directory *directory, const weir_log_options *options)
{
    weir_log         *log;
    const weir_status status =
        wr_log_open_in(directory->environment, directory->path, options, &log);
    cr_assert_eq(status, WEIR_OK, "%s", weir_log_error(log));
    cr_assert_str_eq(weir_log_error(log), "");
    return log;
}

static void close_log(weir_log *log) { cr_assert_eq(weir_log_close(log), WEIR_OK); }

static void assert_refused(const struct log_directory *directory, const char *path,
                           const weir_log_options *options, weir_status status, const char *part)
{
    weir_log *log;
    cr_assert_eq(wr_log_open_in(directory->environment, path, options, &log), status, "%s",
                 weir_log_error(log));
    assert_has(weir_log_error(log), path);
    assert_has(weir_log_error(log), part);
    close_log(log);
}

static void create(weir_log *log, const weir_topic *topic)
{
    cr_assert_eq(weir_log_create_topic(log, topic), WEIR_OK, "%s", weir_log_error(log));
}

static void assert_not_made(weir_log *log, const weir_topic *topic, weir_status status,
                            const char *part)
{
    cr_assert_eq(weir_log_create_topic(log, topic), status, "%s", weir_log_error(log));
    assert_has(weir_log_error(log), log->directory);
    assert_has(weir_log_error(log), part);
}

static struct wr_topic *topic_of(weir_log *log, const char *name)
{
    struct wr_log_error error = { .status = WEIR_OK };
    struct wr_topic    *topic = wr_catalog_topic(log, name, &error);
    cr_assert(topic != NULL, "%s", error.sentence);
    return topic;
}

// ---- the directory ----

static void makes(struct log_directory *directory)
{
    weir_log              *first = open_log(directory, &maker);
    const struct wr_log_id id    = first->id;
    cr_assert_eq(first->epoch, 1);
    close_log(first);
    weir_log *second = open_log(directory, &maker);
    cr_assert_eq(second->epoch, 2);
    cr_assert_arr_eq(second->id.bytes, id.bytes, sizeof(id.bytes));
    weir_log *reader = open_log(directory, &reading);
    cr_assert_eq(reader->epoch, 0);
    cr_assert_arr_eq(reader->id.bytes, id.bytes, sizeof(id.bytes));
    close_log(reader);
    close_log(second);
}
Test(catalog, makes_a_log_once_and_counts_its_writers) { in_both_environments(makes); }

static void empty_directory(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    cr_assert_eq(environment->ops->make_directory(environment, directory->path), 0);
    assert_refused(directory, directory->path, &writing, WEIR_NOT_FOUND, ".creates");
    assert_refused(directory, directory->path, &reading, WEIR_NOT_FOUND, "empty");
    close_log(open_log(directory, &maker));
}
Test(catalog, makes_a_log_in_an_empty_directory) { in_both_environments(empty_directory); }

static void half_made(struct log_directory *directory)
{
    static const char *const files[]       = { "lock", "epoch", "epoch.tmp", "log.tmp" };
    static const char *const directories[] = { "", "/topics", "/consumers" };
    struct wr_environment   *environment   = directory->environment;
    for (uint32_t i = 0; i < WR_COUNT_OF(directories); i++) {
        char *path = wr_format("%s%s", directory->path, directories[i]);
        cr_assert_eq(environment->ops->make_directory(environment, path), 0);
        wr_free(path);
    }
    for (uint32_t i = 0; i < WR_COUNT_OF(files); i++) {
        char *path = wr_format("%s/%s", directory->path, files[i]);
        log_file_write(environment, path, "x", 1);
        wr_free(path);
    }
    weir_log *log = open_log(directory, &maker);
    cr_assert_eq(log->epoch, 1);
    close_log(log);
}
Test(catalog, goes_on_where_the_making_of_a_log_was_cut_off) { in_both_environments(half_made); }

static void missing(struct log_directory *directory)
{
    char *deeper = wr_format("%s/deeper", directory->path);
    assert_refused(directory, directory->path, &reading, WEIR_NOT_FOUND, "no such directory");
    assert_refused(directory, directory->path, &writing, WEIR_NOT_FOUND, ".creates");
    assert_refused(directory, deeper, &maker, WEIR_NOT_FOUND, "make that first");
    cr_assert(!log_path_is_there(directory->environment, directory->path));
    wr_free(deeper);
}
Test(catalog, says_what_to_do_when_there_is_no_directory) { in_both_environments(missing); }

static void foreign(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    char                  *path        = wr_format("%s/thesis.txt", directory->path);
    char                  *lock        = wr_format("%s/lock", directory->path);
    cr_assert_eq(environment->ops->make_directory(environment, directory->path), 0);
    log_file_write(environment, path, "x", 1);
    assert_refused(directory, directory->path, &maker, WEIR_CONFLICT, "not empty and not a log");
    assert_refused(directory, directory->path, &maker, WEIR_CONFLICT, "\"thesis.txt\"");
    assert_refused(directory, directory->path, &reading, WEIR_CONFLICT, "choose a log's directory");
    cr_assert(!log_path_is_there(environment, lock));
    assert_refused(directory, path, &maker, WEIR_CONFLICT, "a file in the place");
    wr_free(lock);
    wr_free(path);
}
Test(catalog, leaves_alone_what_is_not_a_logs) { in_both_environments(foreign); }

// A log whose file "log" is gone must not be taken for an empty directory.
static void lost_identity(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    char                  *path        = wr_format("%s/log", directory->path);
    char                  *ballast     = wr_format("%s/ballast", directory->path);
    weir_log              *log         = open_log(directory, &maker);
    create(log, &payments);
    close_log(log);
    cr_assert_eq(environment->ops->unlink(environment, path), 0);
    (void)environment->ops->unlink(environment, ballast);
    assert_refused(directory, directory->path, &maker, WEIR_DAMAGED, "\"log\" is missing");
    wr_free(ballast);
    wr_free(path);
}
Test(catalog, does_not_make_a_log_over_topics) { in_both_environments(lost_identity); }

static void lost_topic(struct log_directory *directory)
{
    char     *path = wr_format("%s/topics/payments/topic", directory->path);
    weir_log *log  = open_log(directory, &maker);
    create(log, &payments);
    close_log(log);
    cr_assert_eq(directory->environment->ops->unlink(directory->environment, path), 0);
    log = open_log(directory, &reading);
    weir_topic topic;
    cr_assert_eq(weir_log_topic(log, "payments", &topic), WEIR_DAMAGED);
    assert_has(weir_log_error(log), "\"topic\" is missing");
    cr_assert_eq(weir_log_topic(log, "refunds", &topic), WEIR_NOT_FOUND);
    close_log(log);
    wr_free(path);
}
Test(catalog, tells_a_topic_without_its_file_from_one_that_is_not_there)
{
    in_both_environments(lost_topic);
}

static void newer(struct log_directory *directory)
{
    struct wr_log_error error = { .status = WEIR_OK };
    char               *path  = wr_format("%s/log", directory->path);
    close_log(open_log(directory, &maker));
    cr_assert_eq(wr_small_file_write(directory->environment, path,
                                     "weir log 2\nwhatever there will be\n", &error),
                 WEIR_OK);
    assert_refused(directory, directory->path, &writing, WEIR_CONFLICT, "number 2");
    assert_refused(directory, directory->path, &reading, WEIR_CONFLICT, "use a newer");
    wr_free(path);
}
Test(catalog, refuses_a_newer_format_by_its_number) { in_both_environments(newer); }

static void damaged(struct log_directory *directory)
{
    static const char *const names[]     = { "log", "epoch", "topics/payments/topic" };
    struct wr_environment   *environment = directory->environment;
    weir_log                *log         = open_log(directory, &maker);
    create(log, &payments);
    close_log(log);
    for (uint32_t i = 0; i < WR_COUNT_OF(names); i++) {
        char  *path   = wr_format("%s/%s", directory->path, names[i]);
        size_t length = 0;
        char  *bytes  = log_file_read(environment, path, &length);
        bytes[length / 3] ^= 4;
        log_file_write(environment, path, bytes, length);
        assert_refused(directory, directory->path, &writing, WEIR_DAMAGED, names[i]);
        bytes[length / 3] ^= 4;
        log_file_write(environment, path, bytes, length);
        wr_free(bytes);
        wr_free(path);
    }
    close_log(open_log(directory, &writing));
}
Test(catalog, refuses_a_damaged_file_by_its_path) { in_both_environments(damaged); }

static void options_refused(struct log_directory *directory)
{
    const weir_log_options only_creates = { .creates = true };
    const weir_log_options unknown      = { .writes = true, .durability = (weir_durability)3 };
    const weir_log_options negative     = { .writes = true, .interval = -1 };
    assert_refused(directory, directory->path, &only_creates, WEIR_USAGE, ".writes");
    assert_refused(directory, directory->path, &unknown, WEIR_USAGE, "durability 3");
    assert_refused(directory, directory->path, &negative, WEIR_USAGE, "-1");
    assert_refused(directory, "", &maker, WEIR_USAGE, "no name");
}
Test(catalog, refuses_options_that_make_no_sense) { in_both_environments(options_refused); }

static void reads_only(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    weir_log              *log         = open_log(directory, &maker);
    create(log, &payments);
    close_log(log);
    if (environment->is_simulated) {
        wr_simulation_reboot(environment, 1);
        const uint64_t changes = wr_simulation_changes(environment);
        log                    = open_log(directory, &reading);
        weir_partition_info info;
        cr_assert_eq(weir_log_partition_info(log, "payments", 3, &info), WEIR_OK, "%s",
                     weir_log_error(log));
        cr_assert_eq(weir_log_create_topic(log, &payments), WEIR_USAGE);
        assert_has(weir_log_error(log), ".writes");
        cr_assert_eq(weir_log_delete_topic(log, "payments"), WEIR_USAGE);
        close_log(log);
        cr_assert_eq(wr_simulation_changes(environment), changes);
    }
}
Test(catalog, changes_nothing_when_it_only_reads) { in_both_environments(reads_only); }

// ---- one writer ----

static void second_writer(struct log_directory *directory)
{
    weir_log *log  = open_log(directory, &maker);
    char     *said = wr_format("this process (%u) has it open for writing",
                               directory->environment->ops->process(directory->environment));
    assert_refused(directory, directory->path, &writing, WEIR_CONFLICT, said);
    assert_refused(directory, directory->path, &maker, WEIR_CONFLICT, "for reading only");
    close_log(open_log(directory, &reading));
    close_log(log);
    close_log(open_log(directory, &writing));
    wr_free(said);
}
Test(catalog, has_one_writer_at_a_time) { in_both_environments(second_writer); }

Test(catalog, names_the_process_that_writes)
{
    struct log_directory directory = log_directory_open(false);
    close_log(open_log(&directory, &maker));
    int up[2], down[2];
    cr_assert_eq(pipe(up) + pipe(down), 0);
    const pid_t child = fork();
    if (child == 0) {
        weir_log  *log;
        const char is_open = weir_log_open(directory.path, &writing, &log) == WEIR_OK;
        char       byte;
        (void)!write(up[1], &is_open, 1);
        (void)!read(down[0], &byte, 1);
        _exit(0);
    }
    char is_open = 0;
    cr_assert_eq(read(up[0], &is_open, 1), 1);
    cr_assert(is_open);
    char *said = wr_format("process %d has it open", child);
    assert_refused(&directory, directory.path, &writing, WEIR_CONFLICT, said);
    cr_assert_eq(write(down[1], "x", 1), 1);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    close_log(open_log(&directory, &writing)); // its lock went with it
    wr_free(said);
    log_directory_close(&directory);
}

static void fenced(struct log_directory *directory)
{
    struct wr_log_error error = { .status = WEIR_OK };
    weir_log           *log   = open_log(directory, &maker);
    char               *path  = wr_format("%s/epoch", directory->path);
    cr_assert_eq(wr_catalog_check_epoch(log, &error), WEIR_OK);
    cr_assert_eq(
        wr_small_file_write(directory->environment, path, "weir epoch 1\nepoch 2\n", &error),
        WEIR_OK);
    cr_assert_eq(wr_catalog_check_epoch(log, &error), WEIR_FENCED);
    assert_has(error.sentence, directory->path);
    assert_has(error.sentence, "number 1, and now it is at 2");
    cr_assert_eq(weir_log_create_topic(log, &payments), WEIR_FENCED);
    cr_assert_eq(weir_log_delete_topic(log, "payments"), WEIR_FENCED);
    cr_assert_eq(directory->environment->ops->unlink(directory->environment, path), 0);
    cr_assert_eq(wr_catalog_check_epoch(log, &error), WEIR_DAMAGED);
    wr_log_error_fini(&error);
    wr_free(path);
    (void)weir_log_close(log);
}
Test(catalog, sees_that_a_later_writer_took_over) { in_both_environments(fenced); }

static void last_epoch(struct log_directory *directory)
{
    struct wr_log_error error = { .status = WEIR_OK };
    char               *path  = wr_format("%s/epoch", directory->path);
    close_log(open_log(directory, &maker));
    cr_assert_eq(wr_small_file_write(directory->environment, path,
                                     "weir epoch 1\nepoch 4294967294\n", &error),
                 WEIR_OK);
    close_log(open_log(directory, &writing));
    assert_refused(directory, directory->path, &writing, WEIR_CONFLICT, "4294967295");
    wr_free(path);
}
Test(catalog, counts_writers_to_the_last_number_and_no_further)
{
    in_both_environments(last_epoch);
}

// ---- ballast ----

static void ballast(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    struct wr_file_info    info;
    char                  *path = wr_format("%s/ballast", directory->path);
    weir_log              *log  = open_log(directory, &maker);
    cr_assert_eq(environment->ops->info(environment, path, &info), 0);
    cr_assert_eq(info.size_bytes, 16u << 20);
    wr_catalog_drop_ballast(log);
    cr_assert(!log_path_is_there(environment, path));
    wr_catalog_drop_ballast(log);
    cr_assert(wr_catalog_take_ballast(log));
    cr_assert(wr_catalog_take_ballast(log));
    cr_assert_eq(environment->ops->info(environment, path, &info), 0);
    cr_assert_eq(info.size_bytes, 16u << 20);
    if (environment->is_simulated) {
        wr_catalog_drop_ballast(log);
        wr_simulation_fault_at(environment, wr_simulation_changes(environment), WR_DISK_ENOSPC);
        cr_assert(!wr_catalog_take_ballast(log));
        cr_assert(!log_path_is_there(environment, path));
        wr_simulation_make_room(environment);
        cr_assert(wr_catalog_take_ballast(log));
    }
    wr_free(path);
    close_log(log);
}
Test(catalog, sets_room_aside_gives_it_back_and_takes_it_again) { in_both_environments(ballast); }

// ---- topics ----

static void assert_settings(const weir_topic *is, const weir_topic *expected)
{
    cr_assert_str_eq(is->name, expected->name);
    cr_assert_str_eq(is->key, expected->key);
    cr_assert_str_eq(is->time, expected->time);
    cr_assert_eq(is->partitions, expected->partitions);
    cr_assert_eq(is->compression, expected->compression);
    cr_assert_eq(is->segment_bytes, expected->segment_bytes);
    cr_assert_eq(is->retain_age, expected->retain_age);
    cr_assert_eq(is->retain_bytes, expected->retain_bytes);
    cr_assert_eq(is->is_compacted, expected->is_compacted);
    cr_assert(wr_schema_is_same(is->type, expected->type));
}

static void topic(struct log_directory *directory)
{
    weir_log  *log    = open_log(directory, &maker);
    weir_log  *reader = open_log(directory, &reading);
    weir_topic is;
    create(log, &payments);
    cr_assert_eq(weir_log_topic(log, "payments", &is), WEIR_OK);
    assert_settings(&is, &payments);
    cr_assert_eq(is.tombstone_age, WEIR_DAYS(1));
    cr_assert_eq(weir_log_topic(reader, "payments", &is), WEIR_OK);
    assert_settings(&is, &payments);
    close_log(log);
    log = open_log(directory, &writing);
    cr_assert_eq(weir_log_topic(log, "payments", &is), WEIR_OK);
    assert_settings(&is, &payments);
    create(log, &payments); // the same again
    struct wr_topic *topic = topic_of(log, "payments");
    char            *path  = wr_topic_partition_directory(topic, 3);
    cr_assert(log_path_is_there(directory->environment, path));
    cr_assert_eq(topic->schema_count, 1);
    wr_free(path);
    close_log(reader);
    close_log(log);
}
Test(catalog, keeps_a_topic_as_it_was_made) { in_both_environments(topic); }

static void defaults(struct log_directory *directory)
{
    weir_log  *log = open_log(directory, &maker);
    weir_topic is;
    create(log, &(weir_topic){ .name = "notes" });
    cr_assert_eq(weir_log_topic(log, "notes", &is), WEIR_OK);
    cr_assert(wr_schema_is_same(is.type, weir_log_text_type()));
    cr_assert_str_eq(is.key, "key");
    cr_assert(is.time == NULL);
    cr_assert_eq(is.partitions, 1);
    cr_assert_eq(is.segment_bytes, 64u << 20);
    cr_assert_eq(is.compression, WEIR_COMPRESSION_NONE);
    cr_assert_eq(is.tombstone_age, WEIR_DAYS(1));
    create(log, &(weir_topic){ .name = "keyless", .type = &payment_type });
    cr_assert_eq(weir_log_topic(log, "keyless", &is), WEIR_OK);
    cr_assert(is.key == NULL);
    close_log(log);
}
Test(catalog, fills_in_the_defaults) { in_both_environments(defaults); }

static void names(struct log_directory *directory)
{
    static const char *const right[] = { "a", "A-z_0.9", "-", "x.", "log" };
    static const char *const wrong[] = { "", ".", "..", ".x", "a/b", "a b", "\xc3\xa4", "a\n" };
    char                     longest[102];
    weir_log                *log = open_log(directory, &maker);
    memset(longest, 'x', 101);
    longest[101] = 0;
    for (uint32_t i = 0; i < WR_COUNT_OF(right); i++) {
        create(log, &(weir_topic){ .name = right[i], .segment_bytes = 65536 });
    }
    for (uint32_t i = 0; i < WR_COUNT_OF(wrong); i++) {
        assert_not_made(log, &(weir_topic){ .name = wrong[i] }, WEIR_USAGE, wrong[i]);
        weir_topic is;
        cr_assert_eq(weir_log_topic(log, wrong[i], &is), WEIR_USAGE);
        cr_assert_eq(weir_log_delete_topic(log, wrong[i]), WEIR_USAGE);
    }
    assert_not_made(log, &(weir_topic){ .name = NULL }, WEIR_USAGE, "1 to 100");
    assert_not_made(log, &(weir_topic){ .name = longest }, WEIR_USAGE, "1 to 100");
    create(log, &(weir_topic){ .name = longest + 1 });
    close_log(log);
}
Test(catalog, takes_names_that_can_be_files) { in_both_environments(names); }

static void settings_refused(struct log_directory *directory)
{
    weir_log  *log = open_log(directory, &maker);
    weir_topic t   = payments;
    t.partitions   = 1025;
    assert_not_made(log, &t, WEIR_USAGE, "1025 partitions are too many; 1024 are the most");
    t               = payments;
    t.segment_bytes = 65535;
    assert_not_made(log, &t, WEIR_USAGE, "segment_bytes is 65535");
    t.segment_bytes = (1ull << 40) + 1;
    assert_not_made(log, &t, WEIR_USAGE, "segment_bytes is 1099511627777");
    t             = payments;
    t.compression = (weir_compression)3;
    assert_not_made(log, &t, WEIR_USAGE, "compression 3");
    t            = payments;
    t.retain_age = -1;
    assert_not_made(log, &t, WEIR_USAGE, "retain_age is -1");
    t               = payments;
    t.tombstone_age = -2;
    assert_not_made(log, &t, WEIR_USAGE, "tombstone_age is -2");
    t              = payments;
    t.key          = NULL;
    t.is_compacted = true;
    assert_not_made(log, &t, WEIR_USAGE, "name a key");
    t     = payments;
    t.key = "card_id,planet";
    assert_not_made(log, &t, WEIR_USAGE, "\"planet\"");
    t.key = "card_id,";
    assert_not_made(log, &t, WEIR_USAGE, "\"\"");
    t.key = "card_id,card_id";
    assert_not_made(log, &t, WEIR_USAGE, "card_id,card_id");
    t      = payments;
    t.time = "noon";
    assert_not_made(log, &t, WEIR_USAGE, "\"noon\"");
    t.time = "cents";
    assert_not_made(log, &t, WEIR_USAGE, "it is i64; choose a weir_time");
    cr_assert(!wr_catalog_has_topic(log, "payments"));
    t               = payments;
    t.segment_bytes = 65536;
    t.partitions    = 1024;
    create(log, &t);
    close_log(log);
}
Test(catalog, refuses_settings_with_a_sentence_for_each) { in_both_environments(settings_refused); }

// ---- altering ----

static void altered(struct log_directory *directory)
{
    weir_log  *log    = open_log(directory, &maker);
    weir_log  *reader = open_log(directory, &reading);
    weir_topic t      = payments;
    weir_topic is;
    create(log, &t);
    cr_assert_eq(weir_log_topic(reader, "payments", &is), WEIR_OK);
    struct wr_topic *before = topic_of(reader, "payments");
    t.compression           = WEIR_COMPRESSION_ZSTD;
    t.segment_bytes         = 1 << 21;
    t.retain_age            = 0;
    t.retain_bytes          = 99;
    t.is_compacted          = true;
    t.tombstone_age         = 5;
    create(log, &t);
    cr_assert_eq(weir_log_topic(log, "payments", &is), WEIR_OK);
    assert_settings(&is, &t);
    cr_assert_eq(weir_log_topic(reader, "payments", &is), WEIR_OK);
    assert_settings(&is, &t);
    cr_assert_eq(is.tombstone_age, 5);
    cr_assert_eq(topic_of(reader, "payments"), before);
    close_log(log);
    log = open_log(directory, &writing);
    cr_assert_eq(weir_log_topic(log, "payments", &is), WEIR_OK);
    assert_settings(&is, &t);
    close_log(reader);
    close_log(log);
}
Test(catalog, sets_what_may_change_and_readers_see_it) { in_both_environments(altered); }

static void fixed(struct log_directory *directory)
{
    weir_log  *log = open_log(directory, &maker);
    weir_topic t   = payments;
    create(log, &t);
    t.partitions = 5;
    assert_not_made(log, &t, WEIR_CONFLICT, "has 4 partitions, not 5");
    t     = payments;
    t.key = "card_id";
    assert_not_made(log, &t, WEIR_CONFLICT, "the key \"card_id,region\", not \"card_id\"");
    t.key = NULL;
    assert_not_made(log, &t, WEIR_CONFLICT, "not \"none\"");
    t      = payments;
    t.time = NULL;
    assert_not_made(log, &t, WEIR_CONFLICT, "the time \"at\", not \"none\"");
    close_log(log);
}
Test(catalog, keeps_partitions_key_and_time_for_ever) { in_both_environments(fixed); }

static void versions(struct log_directory *directory)
{
    struct wr_log_error error  = { .status = WEIR_OK };
    weir_log           *log    = open_log(directory, &maker);
    weir_log           *reader = open_log(directory, &reading);
    weir_topic          t      = payments;
    create(log, &t);
    struct wr_topic       *seen = topic_of(reader, "payments");
    const weir_type *const one  = wr_topic_schema(seen, 1, &error);
    cr_assert(wr_topic_schema(seen, 0, &error) == NULL);
    cr_assert(wr_topic_schema(seen, 2, &error) == NULL);
    t.type = &payment_2_type;
    create(log, &t);
    create(log, &payments); // the older version is still one of its own
    struct wr_topic *topic = topic_of(log, "payments");
    cr_assert_eq(wr_topic_schema_count(topic), 2);
    cr_assert_eq(wr_topic_schema_of(topic, &payment_type), 1);
    cr_assert_eq(wr_topic_schema_of(topic, &payment_2_type), 2);
    cr_assert_eq(wr_topic_schema_of(topic, &payment_3_type), 0);
    cr_assert(wr_schema_is_same(topic->settings.type, &payment_2_type));
    cr_assert_eq(wr_topic_schema_count(seen), 1);
    cr_assert(wr_schema_is_same(wr_topic_schema(seen, 2, &error), &payment_2_type));
    cr_assert_eq(wr_topic_schema(seen, 1, &error), one);
    close_log(reader);
    close_log(log);
    log = open_log(directory, &writing);
    cr_assert_eq(wr_topic_schema_of(topic_of(log, "payments"), &payment_2_type), 2);
    close_log(log);
    wr_log_error_fini(&error);
}
Test(catalog, appends_versions_of_a_type_and_readers_find_them) { in_both_environments(versions); }

static void mismatch(struct log_directory *directory)
{
    weir_log  *log = open_log(directory, &maker);
    weir_topic t   = payments;
    create(log, &t);
    t.type = &payment_3_type; // cents of 32 bits: cannot hold what is stored
    assert_not_made(log, &t, WEIR_MISMATCH, "cents");
    t.type = &payment_4_type;
    assert_not_made(log, &t, WEIR_MISMATCH, "cents");
    cr_assert_eq(wr_topic_schema_count(topic_of(log, "payments")), 1);
    t.name = "narrow"; // and the other way round: old readers could not read it
    t.type = &payment_3_type;
    create(log, &t);
    t.type = &payment_type;
    assert_not_made(log, &t, WEIR_MISMATCH, "readers of version 1");
    assert_not_made(log, &t, WEIR_MISMATCH, "cents");
    close_log(log);
}
Test(catalog, refuses_a_type_that_does_not_fit_and_names_the_field)
{
    in_both_environments(mismatch);
}

// ---- listing and deleting ----

#define NAMES_BYTES 1000

static void add_name(void *opaque, const char *name)
{
    char *const  names = opaque;
    const size_t used  = strlen(names);
    (void)snprintf(names + used, NAMES_BYTES - used, "%s ", name);
}

static void assert_topics(weir_log *log, const char *expected)
{
    char all[NAMES_BYTES] = "";
    cr_assert_eq(weir_log_list_topics(log, add_name, all), WEIR_OK);
    cr_assert_str_eq(all, expected);
}

static void lists(struct log_directory *directory)
{
    static const char *const names[] = { "b", "a", "B", "a.1", "-" };
    weir_log                *log     = open_log(directory, &maker);
    weir_log                *reader  = open_log(directory, &reading);
    assert_topics(log, "");
    for (uint32_t i = 0; i < WR_COUNT_OF(names); i++) {
        create(log, &(weir_topic){ .name = names[i], .segment_bytes = 65536 });
    }
    assert_topics(log, "- B a a.1 b ");
    assert_topics(reader, "- B a a.1 b ");
    cr_assert_eq(weir_log_delete_topic(log, "a"), WEIR_OK, "%s", weir_log_error(log));
    assert_topics(log, "- B a.1 b ");
    assert_topics(reader, "- B a.1 b ");
    close_log(reader);
    close_log(log);
}
Test(catalog, lists_topics_in_byte_order) { in_both_environments(lists); }

static void deleted(struct log_directory *directory)
{
    weir_log  *log    = open_log(directory, &maker);
    weir_log  *reader = open_log(directory, &reading);
    weir_topic is;
    create(log, &payments);
    struct wr_topic *old  = topic_of(reader, "payments");
    struct wr_live  *live = wr_topic_live(old);
    cr_assert(live != NULL && wr_live_is_current(live));
    cr_assert_eq(weir_log_delete_topic(log, "payments"), WEIR_OK, "%s", weir_log_error(log));
    cr_assert(!wr_live_is_current(live));
    cr_assert_eq(weir_log_topic(log, "payments", &is), WEIR_NOT_FOUND);
    cr_assert_eq(weir_log_topic(reader, "payments", &is), WEIR_NOT_FOUND);
    assert_has(weir_log_error(reader), "there is no topic payments");
    cr_assert_eq(weir_log_delete_topic(log, "payments"), WEIR_NOT_FOUND);
    weir_topic t = payments;
    t.partitions = 2;
    create(log, &t);
    struct wr_topic *anew = topic_of(reader, "payments");
    cr_assert_neq(anew, old);
    cr_assert(old->is_deleted);
    cr_assert_neq(memcmp(&anew->id, &old->id, sizeof(anew->id)), 0);
    cr_assert_eq(anew->settings.partitions, 2);
    close_log(reader);
    close_log(log);
    log = open_log(directory, &writing);
    cr_assert_eq(topic_of(log, "payments")->settings.partitions, 2);
    close_log(log);
}
Test(catalog, deletes_a_topic_whose_name_is_then_free) { in_both_environments(deleted); }

// A reader that read a topic's file, but mapped the memory of another with that name, must not
// believe it.
static void other_live(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    weir_log              *log         = open_log(directory, &maker);
    weir_log              *reader      = open_log(directory, &reading);
    create(log, &payments);
    char *live = wr_format("%s/topics/payments/live", directory->path);
    char *away = wr_format("%s/away", directory->above);
    cr_assert_eq(environment->ops->rename(environment, live, away), 0);
    struct wr_topic *old = topic_of(reader, "payments");
    cr_assert(wr_topic_live(old) == NULL);
    cr_assert_eq(environment->ops->rename(environment, away, live), 0);
    cr_assert_eq(weir_log_delete_topic(log, "payments"), WEIR_OK);
    create(log, &payments);
    cr_assert(wr_topic_live(old) == NULL);
    cr_assert(wr_topic_live(topic_of(reader, "payments")) != NULL);
    wr_free(away);
    wr_free(live);
    close_log(reader);
    close_log(log);
}
Test(catalog, does_not_take_another_topics_live_memory) { in_both_environments(other_live); }

static void renamed_by_hand(struct log_directory *directory)
{
    struct wr_environment *environment = directory->environment;
    weir_log              *log         = open_log(directory, &maker);
    create(log, &payments);
    close_log(log);
    char *from = wr_format("%s/topics/payments", directory->path);
    char *to   = wr_format("%s/topics/refunds", directory->path);
    cr_assert_eq(environment->ops->rename(environment, from, to), 0);
    assert_refused(directory, directory->path, &writing, WEIR_DAMAGED, "name it payments again");
    wr_free(from);
    wr_free(to);
}
Test(catalog, refuses_a_topic_renamed_by_hand) { in_both_environments(renamed_by_hand); }

static void leftovers(struct log_directory *directory)
{
    static const char *const directories[] = { ".new", ".new/0", ".gone.00", ".gone.00/0" };
    struct wr_environment   *environment   = directory->environment;
    close_log(open_log(directory, &maker));
    for (uint32_t i = 0; i < WR_COUNT_OF(directories); i++) {
        char *path = wr_format("%s/topics/%s", directory->path, directories[i]);
        cr_assert_eq(environment->ops->make_directory(environment, path), 0);
        char *file = wr_format("%s/file", path);
        log_file_write(environment, file, "x", 1);
        wr_free(file);
        wr_free(path);
    }
    weir_log *log = open_log(directory, &writing);
    for (uint32_t i = 0; i < WR_COUNT_OF(directories); i++) {
        char *path = wr_format("%s/topics/%s", directory->path, directories[i]);
        cr_assert(!log_path_is_there(environment, path), "%s", path);
        wr_free(path);
    }
    create(log, &payments);
    assert_topics(log, "payments ");
    close_log(log);
}
Test(catalog, clears_away_what_a_crash_left) { in_both_environments(leftovers); }

// ---- what a partition holds ----

static void append(weir_log *log, uint32_t partition, weir_time at, uint32_t count)
{
    weir_producer *producer;
    cr_assert_eq(weir_producer_open(log, "payments", &payment_type, &producer), WEIR_OK);
    for (uint32_t i = 0; i < count; i++) {
        const payment row = { .at = at + i, .card_id = i, .region = weir_str_from("west") };
        cr_assert_eq(weir_producer_append_to(producer, partition, &row, NULL, 1), WEIR_OK);
        cr_assert_eq(weir_producer_flush(producer, -1), WEIR_OK);
    }
    cr_assert_eq(weir_producer_close(producer), WEIR_OK);
}

static void assert_info(weir_log *log, uint32_t partition, uint64_t end, weir_time first,
                        weir_time last)
{
    weir_partition_info info;
    cr_assert_eq(weir_log_partition_info(log, "payments", partition, &info), WEIR_OK, "%s",
                 weir_log_error(log));
    cr_assert_eq(info.first_offset, 0);
    cr_assert_eq(info.end_offset, end);
    cr_assert_eq(info.committed_offset, end);
    cr_assert_eq(info.first_time, first);
    cr_assert_eq(info.max_time, last);
    cr_assert_eq(info.bytes == 0, end == 0);
    cr_assert_eq(info.segments == 0, end == 0);
    cr_assert(info.bytes < 1 << 20);
}

static void info(struct log_directory *directory)
{
    weir_log           *log    = open_log(directory, &maker);
    weir_log           *reader = open_log(directory, &reading);
    weir_partition_info none;
    weir_topic          t = payments;
    t.segment_bytes       = 65536;
    create(log, &t);
    assert_info(reader, 2, 0, WEIR_TIME_MIN, WEIR_TIME_MIN);
    append(log, 2, 1000, 5);
    append(log, 2, 500, 2);
    assert_info(log, 2, 7, 1000, 1004);
    assert_info(reader, 2, 7, 1000, 1004);
    assert_info(reader, 1, 0, WEIR_TIME_MIN, WEIR_TIME_MIN);
    cr_assert_eq(weir_log_partition_info(reader, "payments", 4, &none), WEIR_NOT_FOUND);
    assert_has(weir_log_error(reader), "no partition 4; it has 4");
    cr_assert_eq(weir_log_partition_info(reader, "refunds", 0, &none), WEIR_NOT_FOUND);
    close_log(log);
    assert_info(reader, 2, 7, 1000, 1004);
    close_log(reader);
    if (directory->environment->is_simulated) { // no memory of a writer
        wr_simulation_reboot(directory->environment, 3);
    }
    reader = open_log(directory, &reading);
    assert_info(reader, 2, 7, 1000, 1004);
    close_log(reader);
    log = open_log(directory, &writing);
    assert_info(log, 2, 7, 1000, 1004);
    close_log(log);
}
Test(catalog, says_what_a_partition_holds) { in_both_environments(info); }

// ---- start files ----

static void start(struct log_directory *directory)
{
    struct wr_environment    *environment = directory->environment;
    struct wr_log_error       error       = { .status = WEIR_OK };
    struct wr_partition_start start;
    cr_assert_eq(wr_partition_start_read(environment, directory->above, &start, &error), WEIR_OK);
    cr_assert_eq(start.first_offset, 0);
    cr_assert_eq(start.newest_base, UINT64_MAX);
    cr_assert_eq(start.cut_count, 0);
    cr_assert(error.sentence == NULL);

    struct wr_partition_cut         cuts[]  = { { 1, 3, 900 }, { 2, UINT32_MAX, UINT64_MAX } };
    const struct wr_partition_start wrote[] = {
        { .first_offset = 17, .newest_base = 0, .cuts = cuts, .cut_count = 2 },
        { .first_offset = UINT64_MAX, .newest_base = UINT64_MAX - 1 },
        { .first_offset = 0, .newest_base = UINT64_MAX, .cuts = cuts, .cut_count = 1 },
    };
    for (uint32_t i = 0; i < WR_COUNT_OF(wrote); i++) {
        cr_assert_eq(wr_partition_start_write(environment, directory->above, &wrote[i], &error),
                     WEIR_OK);
        cr_assert_eq(wr_partition_start_read(environment, directory->above, &start, &error),
                     WEIR_OK, "%s", error.sentence);
        cr_assert_eq(start.first_offset, wrote[i].first_offset);
        cr_assert_eq(start.newest_base, wrote[i].newest_base);
        cr_assert_eq(start.cut_count, wrote[i].cut_count);
        for (uint32_t j = 0; j < start.cut_count; j++) {
            cr_assert_eq(start.cuts[j].number, cuts[j].number);
            cr_assert_eq(start.cuts[j].epoch, cuts[j].epoch);
            cr_assert_eq(start.cuts[j].offset, cuts[j].offset);
        }
        wr_partition_start_fini(&start);
    }
}
Test(catalog, keeps_where_a_partition_starts) { in_both_environments(start); }

static void start_nonsense(struct log_directory *directory)
{
    static const char *const texts[] = {
        "weir start 1\n",
        "weir start 1\nfirst_offset 0\n",
        "weir start 1\nfirst_offset 0\nnewest_base -\n",
        "weir start 1\nfirst_offset 0\nnewest_base 18446744073709551615\n",
        "weir start 1\nfirst_offset 0\nnewest_base none\ndurable 0\ncut 1 epoch 2\n",
        "weir start 1\nfirst_offset 0\nnewest_base none\nmore\n",
    };
    char *path = wr_format("%s/start", directory->above);
    for (uint32_t i = 0; i < WR_COUNT_OF(texts); i++) {
        struct wr_log_error       error = { .status = WEIR_OK };
        struct wr_partition_start start;
        cr_assert_eq(wr_small_file_write(directory->environment, path, texts[i], &error), WEIR_OK);
        cr_assert_eq(
            wr_partition_start_read(directory->environment, directory->above, &start, &error),
            WEIR_DAMAGED, "%s", texts[i]);
        assert_has(error.sentence, path);
        wr_log_error_fini(&error);
    }
    wr_free(path);
}
Test(catalog, refuses_a_start_file_that_makes_no_sense) { in_both_environments(start_nonsense); }
