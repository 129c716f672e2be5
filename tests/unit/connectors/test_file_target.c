#include "connectors/outbox/file_target.h"
#include "tests/support/outside.h"

#include "runtime/base/environment.h"
#include <criterion/criterion.h>

#define DIRECTORY "/out"

static const weir_outbox_source source = { .name       = "alerts",
                                           .id         = "0123456789abcdef0123456789abcdef",
                                           .partitions = 2,
                                           .type       = &outside_event_type };

static const weir_outbox_claim claim = { .publisher = 7, .takes_over = true };

#define assert_done(call)                                                                          \
    cr_assert_eq((call), WEIR_OUTBOX_DONE, "%s", target->error(target->opaque))

static struct wr_environment *disk_open(void)
{
    struct wr_environment *environment = wr_environment_open_simulated(3, false);
    (void)environment->ops->sync_directory(environment, "/");
    return environment;
}

static uint64_t opened(weir_outbox_target *target)
{
    uint64_t epoch = 0;
    assert_done(target->open(target->opaque, &source, &claim, &epoch));
    return epoch;
}

static weir_outbox_target *target_open(struct wr_environment *environment)
{
    return wr_file_target_open_in(environment, DIRECTORY);
}

// Begins a transaction with values from `first` on, from the offset `from`.
static weir_outbox_outcome try_fill(weir_outbox_target *target, uint32_t partition, uint64_t from,
                                    uint64_t first, uint32_t count)
{
    outside_event       events[8];
    const weir_log_rows rows = { .partition = partition,
                                 .count     = count,
                                 .offset    = from,
                                 .rows      = events,
                                 .type      = &outside_event_type };
    for (uint32_t i = 0; i < count; i++) {
        events[i].value = first + i;
    }
    const weir_outbox_outcome outcome = target->begin(target->opaque, partition, from);
    return outcome == WEIR_OUTBOX_DONE ? target->write(target->opaque, &rows) : outcome;
}

static void fill(weir_outbox_target *target, uint32_t partition, uint64_t from, uint64_t first,
                 uint32_t count)
{
    assert_done(try_fill(target, partition, from, first, count));
}

static weir_outbox_outcome commit(weir_outbox_target *target, uint32_t partition, uint64_t from,
                                  uint64_t next, uint64_t epoch)
{
    const weir_outbox_place place = { partition, from, next, epoch };
    return target->commit(target->opaque, &place);
}

static uint64_t next_of(weir_outbox_target *target, uint32_t partition)
{
    weir_outbox_progress progress;
    assert_done(target->progress(target->opaque, partition, &progress));
    return progress.is_known ? progress.next : UINT64_MAX;
}

// ---- what is in the directory ----

struct listing {
    struct wr_environment *environment;
    char                   text[2000]; // "NAME:" and the file's content
    uint32_t               hidden;
};

static void list_one(void *opaque, const char *name)
{
    struct listing *listing = opaque;
    char            path[200];
    size_t          length = 0;
    listing->hidden += strncmp(name, ".part", 5) == 0;
    if (name[0] == '.') {
        return;
    }
    (void)snprintf(path, sizeof(path), DIRECTORY "/%s", name);
    const char  *bytes = wr_simulation_bytes(listing->environment, path, &length);
    const size_t at    = strlen(listing->text);
    (void)snprintf(listing->text + at, sizeof(listing->text) - at, "%s:%.*s", name, (int)length,
                   bytes);
}

static void assert_shown(struct wr_environment *environment, const char *expected)
{
    struct listing listing = { .environment = environment };
    (void)environment->ops->list(environment, DIRECTORY, list_one, &listing);
    cr_assert_str_eq(listing.text, expected);
}

static uint32_t hidden_count(struct wr_environment *environment)
{
    struct listing listing = { .environment = environment };
    (void)environment->ops->list(environment, DIRECTORY, list_one, &listing);
    return listing.hidden;
}

// ---- transactions ----

Test(file_target, shows_a_part_and_its_progress_when_it_is_committed_and_nothing_before)
{
    struct wr_environment *environment = disk_open();
    weir_outbox_target    *target      = target_open(environment);
    const uint64_t         epoch       = opened(target);
    cr_assert_eq(next_of(target, 1), UINT64_MAX);
    fill(target, 1, 100, 1, 2);
    assert_shown(environment, "");
    assert_done(commit(target, 1, 100, 102, epoch));
    assert_shown(environment, "part-0000000001-00001-100.jsonl:{\"value\":1}\n{\"value\":2}\n");
    fill(target, 0, 0, 3, 1);
    assert_done(commit(target, 0, 0, 1, epoch));
    assert_shown(environment, "part-0000000001-00001-100.jsonl:{\"value\":1}\n{\"value\":2}\n"
                              "part-0000000002-00000-0.jsonl:{\"value\":3}\n");
    cr_assert_eq(next_of(target, 1), 102);
    cr_assert_eq(next_of(target, 0), 1);
    weir_file_target_close(target);
    wr_environment_close(environment);
}

Test(file_target, knows_its_progress_when_it_is_opened_again_with_a_greater_epoch)
{
    struct wr_environment *environment = disk_open();
    weir_outbox_target    *target      = target_open(environment);
    const uint64_t         epoch       = opened(target);
    fill(target, 1, 0, 1, 2);
    assert_done(commit(target, 1, 0, 2, epoch));
    target->close(target->opaque);
    weir_file_target_close(target);
    wr_simulation_reboot(environment, 1);
    target = target_open(environment);
    cr_assert_gt(opened(target), epoch);
    cr_assert_eq(next_of(target, 1), 2);
    cr_assert_eq(next_of(target, 0), UINT64_MAX);
    weir_outbox_progress progress;
    assert_done(target->progress(target->opaque, 1, &progress));
    cr_assert_str_eq(progress.id, source.id);
    weir_file_target_close(target);
    wr_environment_close(environment);
}

Test(file_target, drops_what_was_not_committed)
{
    struct wr_environment *environment = disk_open();
    weir_outbox_target    *target      = target_open(environment);
    (void)opened(target);
    fill(target, 0, 0, 1, 2);
    target->close(target->opaque);
    cr_assert_eq(hidden_count(environment), 0);
    (void)opened(target);
    cr_assert_eq(next_of(target, 0), UINT64_MAX);
    weir_file_target_close(target);
    wr_environment_close(environment);
}

Test(file_target, removes_what_a_killed_publisher_left_unfinished)
{
    struct wr_environment *environment = disk_open();
    weir_outbox_target    *target      = target_open(environment);
    (void)opened(target);
    fill(target, 0, 0, 1, 2);
    wr_simulation_kill(environment);
    weir_file_target_close(target);
    wr_simulation_restart(environment);
    cr_assert_eq(hidden_count(environment), 1);
    target = target_open(environment);
    (void)opened(target);
    cr_assert_eq(hidden_count(environment), 0);
    weir_file_target_close(target);
    wr_environment_close(environment);
}

// Crashes at each change of a commit: the rows are there exactly if the progress says so.
Test(file_target, is_whole_after_a_crash_at_each_moment_of_a_commit)
{
    bool     has_ended = false;
    uint32_t with = 0, without = 0;
    for (uint64_t change = 0; !has_ended; change++) {
        struct wr_environment *environment = disk_open();
        weir_outbox_target    *target      = target_open(environment);
        const uint64_t         epoch       = opened(target);
        fill(target, 0, 0, 1, 2);
        assert_done(commit(target, 0, 0, 2, epoch));
        wr_simulation_fault_at(environment, wr_simulation_changes(environment) + change,
                               WR_DISK_CRASH_AFTER);
        has_ended = try_fill(target, 0, 2, 3, 1) == WEIR_OUTBOX_DONE &&
                    commit(target, 0, 2, 3, epoch) == WEIR_OUTBOX_DONE;
        wr_simulation_forget_faults(environment);
        weir_file_target_close(target);
        wr_simulation_reboot(environment, change);
        target = target_open(environment);
        (void)opened(target);
        const bool is_there = next_of(target, 0) == 3;
        with += is_there;
        without += !is_there;
        assert_shown(environment,
                     is_there ? "part-0000000001-00000-0.jsonl:{\"value\":1}\n{\"value\":2}\n"
                                "part-0000000002-00000-2.jsonl:{\"value\":3}\n"
                              : "part-0000000001-00000-0.jsonl:{\"value\":1}\n{\"value\":2}\n");
        cr_assert_eq(hidden_count(environment), 0);
        cr_assert(is_there || !has_ended, "lost what was committed");
        weir_file_target_close(target);
        wr_environment_close(environment);
    }
    cr_assert(with > 2 && without > 2, "%u crashes with, %u without", with, without);
}

Test(file_target, keeps_a_part_whose_commit_failed_when_it_counted)
{
    bool     has_ended = false;
    uint32_t with      = 0;
    for (uint64_t change = 0; !has_ended; change++) {
        struct wr_environment *environment = disk_open();
        weir_outbox_target    *target      = target_open(environment);
        const uint64_t         epoch       = opened(target);
        fill(target, 0, 0, 1, 1);
        wr_simulation_fault_at(environment, wr_simulation_changes(environment) + change,
                               WR_DISK_EIO);
        const weir_outbox_outcome outcome = commit(target, 0, 0, 1, epoch);
        has_ended                         = outcome == WEIR_OUTBOX_DONE;
        cr_assert(has_ended || outcome == WEIR_OUTBOX_UNKNOWN);
        wr_simulation_forget_faults(environment);
        target->close(target->opaque);
        (void)opened(target);
        const bool is_there = next_of(target, 0) == 1;
        with += is_there;
        assert_shown(environment, is_there ? "part-0000000001-00000-0.jsonl:{\"value\":1}\n" : "");
        weir_file_target_close(target);
        wr_environment_close(environment);
    }
    cr_assert_gt(with, 1);
}

// ---- of two, one ----

Test(file_target, refuses_the_commit_of_an_earlier_publisher)
{
    struct wr_environment *environment = disk_open();
    weir_outbox_target    *target      = target_open(environment);
    weir_outbox_target    *later       = target_open(environment);
    const uint64_t         epoch       = opened(target);
    fill(target, 0, 0, 1, 2);
    const weir_outbox_claim other = { .publisher = 8, .takes_over = true };
    uint64_t                newer = 0;
    cr_assert_eq(later->open(later->opaque, &source, &other, &newer), WEIR_OUTBOX_DONE);
    cr_assert_eq(commit(target, 0, 0, 2, epoch), WEIR_OUTBOX_FENCED);
    assert_shown(environment, "");
    target->close(target->opaque);
    const weir_outbox_claim again = { .publisher = 7, .takes_over = false };
    uint64_t                none  = 0;
    cr_assert_eq(target->open(target->opaque, &source, &again, &none), WEIR_OUTBOX_FENCED);
    fill(later, 0, 0, 1, 2);
    cr_assert_eq(commit(later, 0, 0, 2, newer), WEIR_OUTBOX_DONE);
    weir_file_target_close(target);
    weir_file_target_close(later);
    wr_environment_close(environment);
}

// The opening of a later one fails at each of its changes: the earlier one goes on whole, or is
// barred.
Test(file_target, leaves_to_an_earlier_publisher_what_it_may_still_commit)
{
    bool     is_opened = false;
    uint32_t done = 0, fenced = 0;
    for (uint64_t change = 0; !is_opened; change++) {
        struct wr_environment  *environment = disk_open();
        weir_outbox_target     *target      = target_open(environment);
        weir_outbox_target     *later       = target_open(environment);
        const uint64_t          epoch       = opened(target);
        const weir_outbox_claim other       = { .publisher = 8, .takes_over = true };
        uint64_t                newer       = 0;
        fill(target, 0, 0, 1, 1);
        wr_simulation_fault_at(environment, wr_simulation_changes(environment) + change,
                               WR_DISK_EIO);
        is_opened = later->open(later->opaque, &source, &other, &newer) == WEIR_OUTBOX_DONE;
        wr_simulation_forget_faults(environment);
        const bool is_done = commit(target, 0, 0, 1, epoch) == WEIR_OUTBOX_DONE;
        assert_shown(environment, is_done ? "part-0000000001-00000-0.jsonl:{\"value\":1}\n" : "");
        cr_assert(!is_done || !is_opened, "both have it");
        done += is_done;
        fenced += !is_done;
        weir_file_target_close(target);
        weir_file_target_close(later);
        wr_environment_close(environment);
    }
    cr_assert(done > 0 && fenced > 1, "%u went on, %u were barred", done, fenced);
}

Test(file_target, is_not_entered_while_another_commits)
{
    struct wr_environment *environment = disk_open();
    weir_outbox_target    *target      = target_open(environment);
    const uint64_t         epoch       = opened(target);
    const int file = environment->ops->open(environment, DIRECTORY "/.lock", WR_OPEN_UPDATE);
    cr_assert_eq(environment->ops->lock(environment, file), 0);
    fill(target, 0, 0, 1, 1);
    cr_assert_eq(commit(target, 0, 0, 1, epoch), WEIR_OUTBOX_UNKNOWN);
    target->close(target->opaque);
    uint64_t none = 0;
    cr_assert_eq(target->open(target->opaque, &source, &claim, &none), WEIR_OUTBOX_UNKNOWN);
    environment->ops->close(environment, file);
    target->close(target->opaque);
    cr_assert_gt(opened(target), epoch);
    weir_file_target_close(target);
    wr_environment_close(environment);
}

// ---- what it refuses ----

static void assert_refused(struct wr_environment *environment, const weir_outbox_source *given,
                           const char *word)
{
    weir_outbox_target *target = target_open(environment);
    uint64_t            epoch  = 0;
    cr_assert_eq(target->open(target->opaque, given, &claim, &epoch), WEIR_OUTBOX_REFUSED);
    const char *said = target->error(target->opaque);
    cr_assert(strstr(said, word) != NULL, "\"%s\" does not say %s", said, word);
    weir_file_target_close(target);
}

Test(file_target, holds_one_outbox)
{
    struct wr_environment *environment = disk_open();
    weir_outbox_target    *target      = target_open(environment);
    (void)opened(target);
    weir_file_target_close(target);
    weir_outbox_source other = source;
    other.name               = "payments";
    assert_refused(environment, &other, "its own directory");
    other.name = source.name;
    other.id   = "ffffffffffffffffffffffffffffffff";
    assert_refused(environment, &other, "its own directory");
    wr_environment_close(environment);
}

Test(file_target, refuses_progress_that_is_damaged)
{
    struct wr_environment *environment = disk_open();
    weir_outbox_target    *target      = target_open(environment);
    size_t                 length      = 0;
    (void)opened(target);
    weir_file_target_close(target);
    char *bytes = wr_simulation_bytes(environment, DIRECTORY "/.progress", &length);
    cr_assert(bytes != NULL && length > 20);
    bytes[15] ^= 1;
    assert_refused(environment, &source, ".progress");
    wr_environment_close(environment);
}

Test(file_target, refuses_records_that_do_not_follow_what_it_has)
{
    struct wr_environment *environment = disk_open();
    weir_outbox_target    *target      = target_open(environment);
    const uint64_t         epoch       = opened(target);
    fill(target, 0, 0, 1, 2);
    assert_done(commit(target, 0, 0, 2, epoch));
    fill(target, 0, 1, 2, 2);
    cr_assert_eq(commit(target, 0, 1, 3, epoch), WEIR_OUTBOX_REFUSED);
    target->close(target->opaque);
    (void)opened(target);
    cr_assert_eq(next_of(target, 0), 2);
    weir_file_target_close(target);
    wr_environment_close(environment);
}

Test(file_target, waits_for_a_directory_above_that_is_not_there)
{
    struct wr_environment *environment = disk_open();
    weir_outbox_target    *target      = wr_file_target_open_in(environment, "/mounted/later/out");
    uint64_t               epoch       = 0;
    cr_assert_eq(target->open(target->opaque, &source, &claim, &epoch), WEIR_OUTBOX_UNKNOWN);
    cr_assert(strstr(target->error(target->opaque), "/mounted/later/out") != NULL);
    weir_file_target_close(target);
    wr_environment_close(environment);
}
