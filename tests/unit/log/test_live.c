#include "log/live.h"
#include "tests/support/log_directory.h"

#include <errno.h>

TestSuite(live, .timeout = 60);

static char *path_of(const struct log_directory *directory)
{
    return wr_format("%s/live", directory->above);
}

static struct wr_live *writer_of(const struct log_directory *directory, uint32_t partitions,
                                 uint32_t epoch)
{
    int             error = 0;
    char           *path  = path_of(directory);
    struct wr_live *live =
        wr_live_open_writer(directory->environment, path, partitions, epoch, &error);
    cr_assert(live != NULL, "%d", error);
    wr_free(path);
    return live;
}

static struct wr_live *reader_of(const struct log_directory *directory, uint32_t partitions)
{
    int             error = 0;
    char           *path  = path_of(directory);
    struct wr_live *live  = wr_live_open_reader(directory->environment, path, partitions, &error);
    cr_assert((live == NULL) == (error < 0), "%d", error);
    wr_free(path);
    return live;
}

static struct wr_live_position position_of(uint64_t n)
{
    return (struct wr_live_position){ .readable      = n + 5,
                                      .segment_base  = n + 1,
                                      .segment_bytes = n + 2,
                                      .first_offset  = n,
                                      .durable       = n + 4,
                                      .cut           = n + 3 };
}

static void assert_says(const struct wr_live *live, uint32_t partition, uint64_t n)
{
    const struct wr_live_position expected = position_of(n);
    struct wr_live_position       position = { 0 };
    cr_assert(wr_live_read(live, partition, &position));
    cr_assert_eq(memcmp(&position, &expected, sizeof(position)), 0, "%llu, not %llu",
                 (unsigned long long)position.readable, (unsigned long long)expected.readable);
}

static void tells(struct log_directory *directory)
{
    struct wr_live         *writer = writer_of(directory, 65, 3);
    struct wr_live         *reader = reader_of(directory, 65);
    struct wr_live_position position;
    cr_assert(wr_live_is_current(reader));
    cr_assert_eq(wr_live_epoch(reader), 3);
    cr_assert(!wr_live_read(reader, 64, &position));
    for (uint32_t i = 0; i < 65; i++) {
        const struct wr_live_position of_i = position_of(1000 * i);
        wr_live_publish(writer, i, &of_i);
    }
    for (uint32_t i = 0; i < 65; i++) {
        assert_says(reader, i, 1000 * i);
    }
    wr_live_close(reader);
    wr_live_close(writer);
}
Test(live, tells_each_partition_what_was_published_last) { in_both_environments(tells); }

static void word(struct log_directory *directory)
{
    struct wr_live *writer = writer_of(directory, 1, 1);
    struct wr_live *reader = reader_of(directory, 1);
    const uint32_t  before = wr_live_word_now(reader);
    cr_assert_eq(*wr_live_word(reader), before);
    wr_live_wake_any(writer);
    cr_assert_neq(wr_live_word_now(reader), before);
    // Returns at once, as the word is another by now.
    directory->environment->ops->wait_word(directory->environment, wr_live_word(reader), before,
                                           -1);
    wr_live_close(reader);
    wr_live_close(writer);
}
Test(live, changes_its_word_with_each_wake) { in_both_environments(word); }

static void taken_over(struct log_directory *directory)
{
    struct wr_live               *first  = writer_of(directory, 2, 1);
    struct wr_live               *reader = reader_of(directory, 2);
    const struct wr_live_position one = position_of(10), two = position_of(20);
    struct wr_live_position       position;
    wr_live_publish(first, 0, &one);
    wr_live_close(first);
    assert_says(reader, 0, 10); // what a killed writer said holds
    const uint32_t  before = wr_live_word_now(reader);
    struct wr_live *second = writer_of(directory, 2, 2);
    cr_assert_neq(wr_live_word_now(reader), before);
    cr_assert_eq(wr_live_epoch(reader), 2);
    cr_assert(wr_live_is_current(reader));
    cr_assert_eq(wr_live_look(reader, 0, &position), WR_LIVE_VOID);
    wr_live_publish(second, 0, &two);
    assert_says(reader, 0, 20);
    wr_live_close(second);
    wr_live_close(reader);
}
Test(live, is_taken_over_in_place_and_void_until_published_anew)
{
    in_both_environments(taken_over);
}

static void killed_within(struct log_directory *directory)
{
    struct wr_live               *writer = writer_of(directory, 1, 1);
    struct wr_live               *reader = reader_of(directory, 1);
    const struct wr_live_position one = position_of(10), two = position_of(20);
    struct wr_live_position       position;
    wr_live_publish(writer, 0, &one);
    uint64_t *sequence = (uint64_t *)(uintptr_t)wr_live_word(writer) - 4 + 8; // the first slot's
    cr_assert_eq(*sequence % 2, 0);
    *sequence += 1;
    cr_assert(!wr_live_read(reader, 0, &position)); // and it returns
    cr_assert_eq(wr_live_look(reader, 0, &position), WR_LIVE_BUSY);
    wr_live_publish(writer, 0, &two);
    assert_says(reader, 0, 20);
    wr_live_close(writer);
    wr_live_close(reader);
}
Test(live, says_nothing_when_its_writer_was_killed_within_a_publication)
{
    in_both_environments(killed_within);
}

static void retired(struct log_directory *directory)
{
    struct wr_live *writer = writer_of(directory, 1, 1);
    struct wr_live *reader = reader_of(directory, 1);
    const uint32_t  before = wr_live_word_now(reader);
    wr_live_retire(writer);
    cr_assert(!wr_live_is_current(reader));
    cr_assert_neq(wr_live_word_now(reader), before);
    wr_live_close(writer);
    wr_live_close(reader);
}
Test(live, that_is_retired_is_believed_by_nobody) { in_both_environments(retired); }

static void none(struct log_directory *directory)
{
    int   error = 0;
    char *path  = path_of(directory);
    cr_assert(wr_live_open_reader(directory->environment, path, 1, &error) == NULL);
    cr_assert_eq(error, -ENOENT);
    cr_assert(!log_path_is_there(directory->environment, path));
    struct wr_live *writer = writer_of(directory, 1, 1);
    cr_assert(reader_of(directory, 2) == NULL);   // as long, for another number of partitions
    cr_assert(reader_of(directory, 200) == NULL); // too short
    wr_live_close(writer);
    wr_free(path);
}
Test(live, that_is_not_there_or_of_another_size_is_not_mapped) { in_both_environments(none); }

static void zeros(struct log_directory *directory)
{
    char *path  = path_of(directory);
    char *bytes = wr_alloc(4096);
    log_file_write(directory->environment, path, bytes, 4096);
    cr_assert(reader_of(directory, 1) == NULL);
    wr_free(bytes);
    wr_free(path);
}
Test(live, that_is_being_made_is_not_mapped_yet) { in_both_environments(zeros); }

Test(live, of_before_a_restart_of_the_machine_is_not_current)
{
    struct log_directory          directory = log_directory_open(true);
    struct wr_live               *writer    = writer_of(&directory, 1, 1);
    const struct wr_live_position one       = position_of(10);
    wr_live_publish(writer, 0, &one);
    wr_live_close(writer);
    wr_simulation_restart(directory.environment); // the process
    struct wr_live *reader = reader_of(&directory, 1);
    cr_assert(wr_live_is_current(reader));
    assert_says(reader, 0, 10);
    wr_live_close(reader);
    wr_simulation_reboot(directory.environment, 1); // the machine
    reader = reader_of(&directory, 1);
    cr_assert(reader == NULL || !wr_live_is_current(reader));
    if (reader != NULL) {
        wr_live_close(reader);
    }
    log_directory_close(&directory);
}

Test(live, with_no_room_for_it_is_an_error)
{
    struct log_directory directory = log_directory_open(true);
    int                  error     = 0;
    char                *path      = path_of(&directory);
    wr_simulation_fault_at(directory.environment, wr_simulation_changes(directory.environment),
                           WR_DISK_ENOSPC);
    cr_assert(wr_live_open_writer(directory.environment, path, 1, 1, &error) == NULL);
    cr_assert_eq(error, -ENOSPC);
    wr_free(path);
    log_directory_close(&directory);
}
