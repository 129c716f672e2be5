// Every change that making a log, making, altering and deleting topics and committing a consumer
// bring to the disk, made to fail: afterwards the log opens, what was said to be done is there, and
// what was not even begun is not.
#include "log/catalog.h"
#include "log/consumers.h"
#include "tests/support/log_directory.h"

TestSuite(catalog_faults, .timeout = 1200);

typedef struct order {
    weir_time at;
    uint64_t  id;
} order;
WEIR_RECORD(order, at, id);

typedef struct order_2 {
    weir_time at;
    uint64_t  id;
    uint32_t  shop;
} order_2;
WEIR_RECORD(order_2, at, id, shop);

static void pass_over(void *opaque, const char *sentence)
{
    (void)opaque;
    cr_assert(strncmp(sentence, "log ", 4) == 0 || sentence[0] == '/', "%s", sentence);
}

static const weir_log_options maker = { .writes = true, .creates = true, .warn = pass_over };

static const weir_topic orders = {
    .name = "orders", .type = &order_type, .key = "id", .partitions = 2, .segment_bytes = 65536
};

static const weir_topic altered = { .name          = "orders",
                                    .type          = &order_2_type,
                                    .key           = "id",
                                    .partitions    = 2,
                                    .segment_bytes = 65536,
                                    .retain_bytes  = 5 };

static const weir_topic notes = { .name = "notes", .segment_bytes = 65536 };

enum step { MAKE_LOG, MAKE_ORDERS, MAKE_NOTES, ALTER_ORDERS, COMMIT, DELETE_NOTES, STEP_COUNT };

static weir_status step_run(struct log_directory *directory, weir_log **log, enum step step)
{
    switch (step) {
    case MAKE_LOG: return wr_log_open_in(directory->environment, directory->path, &maker, log);
    case MAKE_ORDERS: return weir_log_create_topic(*log, &orders);
    case MAKE_NOTES: return weir_log_create_topic(*log, &notes);
    case ALTER_ORDERS: return weir_log_create_topic(*log, &altered);
    case COMMIT: return weir_log_set_consumer(*log, "kpi", "orders", 1, 7);
    default: return weir_log_delete_topic(*log, "notes");
    }
}

// Steps until one fails; how many were done. *log is open or failed to.
static uint32_t steps_run(struct log_directory *directory, weir_log **log, weir_status *status)
{
    *status = WEIR_OK;
    for (uint32_t step = 0; step < STEP_COUNT; step++) {
        *status = step_run(directory, log, (enum step)step);
        if (*status != WEIR_OK) {
            cr_assert(strlen(weir_log_error(*log)) > 20, "step %u: %s", step, weir_log_error(*log));
            assert_has(weir_log_error(*log), directory->path);
            return step;
        }
    }
    return STEP_COUNT;
}

// ---- what is there then ----

static void found(void *opaque, const weir_consumer_offset *at)
{
    if (strcmp(at->consumer, "kpi") == 0 && at->partition == 1 && at->offset == 7) {
        *(bool *)opaque = true;
    }
}

static bool step_shows(weir_log *log, enum step step)
{
    weir_topic topic;
    bool       is_there = false;
    switch (step) {
    case MAKE_LOG: return true;
    case MAKE_ORDERS: return weir_log_topic(log, "orders", &topic) == WEIR_OK;
    case MAKE_NOTES: return weir_log_topic(log, "notes", &topic) == WEIR_OK;
    case ALTER_ORDERS:
        return weir_log_topic(log, "orders", &topic) == WEIR_OK && topic.retain_bytes == 5 &&
               wr_schema_is_same(topic.type, &order_2_type);
    case COMMIT:
        cr_assert_eq(weir_log_list_consumers(log, found, &is_there), WEIR_OK, "%s",
                     weir_log_error(log));
        return is_there;
    default: return weir_log_topic(log, "notes", &topic) == WEIR_NOT_FOUND;
    }
}

static void assert_state(weir_log *log, uint32_t done, const char *what)
{
    for (uint32_t step = 0; step < STEP_COUNT; step++) {
        const bool shows = step_shows(log, (enum step)step);
        if (step == MAKE_NOTES && done >= DELETE_NOTES) {
            continue; // being deleted
        }
        if (step == DELETE_NOTES && done <= MAKE_NOTES) {
            continue; // not made for sure
        }
        if (step < done) {
            cr_assert(shows, "%s: step %u was undone", what, step);
        } else if (step > done) {
            cr_assert(!shows, "%s: step %u shows, and was never begun", what, step);
        }
    }
}

// The rest of the steps can be done now, and those that were done again.
static void finish(struct log_directory *directory, weir_log *log, const char *what)
{
    struct wr_environment *environment = directory->environment;
    for (uint32_t step = MAKE_ORDERS; step < STEP_COUNT; step++) {
        if (step == MAKE_ORDERS && step_shows(log, ALTER_ORDERS)) {
            continue; // its settings would be taken back
        }
        cr_assert_eq(step_run(directory, &log, (enum step)step), WEIR_OK, "%s: step %u: %s", what,
                     step, weir_log_error(log));
    }
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    wr_simulation_reboot(environment, 99);
    cr_assert_eq(wr_log_open_in(environment, directory->path, &maker, &log), WEIR_OK, "%s: %s",
                 what, weir_log_error(log));
    assert_state(log, STEP_COUNT, what);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
}

// ---- the loops ----

// One run with this fault at this change, and again `again` changes later (0: not again). False:
// there is no such change.
static bool run_with(enum wr_disk_fault fault, uint64_t change, uint64_t again, uint64_t seed)
{
    struct log_directory   directory   = log_directory_open(true);
    struct wr_environment *environment = directory.environment;
    const uint64_t         begin       = wr_simulation_changes(environment);
    char                   what[120];
    (void)snprintf(what, sizeof(what), "fault %d at change %llu and %llu later, seed %llu", fault,
                   (unsigned long long)change, (unsigned long long)again, (unsigned long long)seed);
    wr_simulation_fault_at(environment, begin + change, fault);
    if (again > 0) {
        wr_simulation_fault_at(environment, begin + change + again, fault);
    }
    weir_log      *log = NULL;
    weir_status    status;
    const uint32_t done   = steps_run(&directory, &log, &status);
    const bool     is_met = wr_simulation_changes(environment) > begin + change ||
                        wr_simulation_has_stopped(environment);
    if (fault == WR_DISK_ENOSPC) {
        cr_assert(status == WEIR_OK || status == WEIR_FULL, "%s: %s: %s", what,
                  weir_status_name(status), weir_log_error(log));
    }
    (void)weir_log_close(log);
    wr_simulation_forget_faults(environment);
    if (is_met) {
        wr_simulation_make_room(environment);
        wr_simulation_reboot(environment, seed);
        status = wr_log_open_in(environment, directory.path, &maker, &log);
        cr_assert_eq(status, WEIR_OK, "%s: %s", what, weir_log_error(log));
        assert_state(log, done, what);
        if (seed == 0) {
            finish(&directory, log, what);
        } else {
            cr_assert_eq(weir_log_close(log), WEIR_OK);
        }
    } else {
        cr_assert_eq(done, STEP_COUNT, "%s", what);
    }
    log_directory_close(&directory);
    return is_met;
}

static void loop_again(enum wr_disk_fault fault, uint64_t again, uint64_t seeds)
{
    uint64_t change = 0;
    for (bool is_met = true; is_met; change++) {
        for (uint64_t seed = 0; seed < seeds && is_met; seed++) {
            is_met = run_with(fault, change, again, seed);
        }
    }
    cr_assert(change > 50, "only %llu changes", (unsigned long long)change);
    printf("%llu changes\n", (unsigned long long)change);
}

static void loop(enum wr_disk_fault fault, uint64_t seeds) { loop_again(fault, 0, seeds); }

Test(catalog_faults, an_error_undoes_nothing_and_the_next_try_succeeds) { loop(WR_DISK_EIO, 20); }
// The second one meets what undoes the first.
Test(catalog_faults, an_error_while_another_is_undone_undoes_nothing)
{
    for (uint64_t again = 1; again <= 5; again++) {
        loop_again(WR_DISK_EIO, again, 10);
    }
}
Test(catalog_faults, a_full_disk_undoes_nothing_and_says_so) { loop(WR_DISK_ENOSPC, 1); }
Test(catalog_faults, a_short_write_changes_nothing) { loop(WR_DISK_SHORT, 1); }
Test(catalog_faults, a_crash_before_any_change_undoes_nothing) { loop(WR_DISK_CRASH_BEFORE, 5); }
Test(catalog_faults, a_crash_after_any_change_undoes_nothing) { loop(WR_DISK_CRASH_AFTER, 5); }

// A step that failed and is tried again in the same process, until it is done.
static bool retry_with(enum wr_disk_fault fault, uint64_t change, uint64_t seed)
{
    struct log_directory   directory   = log_directory_open(true);
    struct wr_environment *environment = directory.environment;
    const uint64_t         begin       = wr_simulation_changes(environment);
    weir_log              *log         = NULL;
    uint32_t               done        = 0;
    wr_simulation_fault_at(environment, begin + change, fault);
    for (uint32_t tries = 0; done < STEP_COUNT && tries < 3; tries++) {
        if (done == MAKE_LOG && log != NULL) {
            (void)weir_log_close(log);
        }
        if (step_run(&directory, &log, (enum step)done) == WEIR_OK) {
            done++;
            tries = 0;
        }
    }
    const bool is_met = wr_simulation_changes(environment) > begin + change;
    char       what[80];
    (void)snprintf(what, sizeof(what), "fault %d at change %llu, tried again", fault,
                   (unsigned long long)change);
    cr_assert_eq(done, STEP_COUNT, "%s: step %u: %s", what, done, weir_log_error(log));
    wr_simulation_reboot(environment, seed);
    (void)weir_log_close(log);
    cr_assert_eq(wr_log_open_in(environment, directory.path, &maker, &log), WEIR_OK, "%s: %s", what,
                 weir_log_error(log));
    assert_state(log, done, what);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    log_directory_close(&directory);
    return is_met;
}

static void retry_loop(enum wr_disk_fault fault, uint64_t seeds)
{
    bool is_met = true;
    for (uint64_t change = 0; is_met; change++) {
        for (uint64_t seed = 0; seed < seeds && is_met; seed++) {
            is_met = retry_with(fault, change, seed);
        }
    }
}

Test(catalog_faults, a_step_tried_again_after_an_error_is_there_for_good)
{
    retry_loop(WR_DISK_EIO, 1);
}
Test(catalog_faults, a_step_tried_again_after_a_failed_sync_is_there_for_good)
{
    retry_loop(WR_DISK_UNSYNCED, 3);
}

// A killed process loses nothing that it wrote.
Test(catalog_faults, a_kill_after_the_last_step_undoes_nothing)
{
    struct log_directory directory = log_directory_open(true);
    weir_log            *log       = NULL;
    weir_status          status;
    cr_assert_eq(steps_run(&directory, &log, &status), STEP_COUNT);
    wr_simulation_restart(directory.environment);
    weir_log *again;
    cr_assert_eq(wr_log_open_in(directory.environment, directory.path, &maker, &again), WEIR_OK,
                 "%s", weir_log_error(again));
    assert_state(again, STEP_COUNT, "kill");
    cr_assert_eq(weir_log_close(again), WEIR_OK);
    (void)weir_log_close(log);
    log_directory_close(&directory);
}

// Opening on a full disk works by the ballast's room, so that room can be made.
Test(catalog_faults, a_log_on_a_full_disk_can_be_opened)
{
    struct log_directory   directory   = log_directory_open(true);
    struct wr_environment *environment = directory.environment;
    weir_log              *log         = NULL;
    weir_status            status;
    char                  *ballast = wr_format("%s/ballast", directory.path);
    cr_assert_eq(steps_run(&directory, &log, &status), STEP_COUNT);
    cr_assert_eq(weir_log_close(log), WEIR_OK);
    for (uint64_t change = 0;; change++) {
        const uint64_t begin = wr_simulation_changes(environment);
        wr_simulation_fault_at(environment, begin + change, WR_DISK_ENOSPC);
        status = wr_log_open_in(environment, directory.path, &maker, &log);
        cr_assert(status == WEIR_OK || status == WEIR_FULL, "%s", weir_log_error(log));
        if (change == 0) { // the first change is the making of the new epoch's file
            cr_assert(!log_path_is_there(environment, ballast));
        }
        const bool is_met = wr_simulation_changes(environment) > begin + change;
        wr_simulation_make_room(environment);
        if (status == WEIR_OK) {
            assert_state(log, STEP_COUNT, "full");
        }
        (void)weir_log_close(log);
        if (!is_met) {
            cr_assert_eq(status, WEIR_OK);
            break;
        }
    }
    wr_free(ballast);
    log_directory_close(&directory);
}
