// Every change of the disk that one life of a store of checkpoints makes, struck by every fault:
// what was published is there afterwards.
//
//   the run     make a store; four checkpoints, each with some segments in it and the others in
//               earlier files, one more aborted; what is deleted after them; a savepoint; close;
//               open again, two checkpoints more, close
//   the fault   at one change of the run; the run goes on as far as it can: a store that is
//               poisoned is opened again
//   after it    the process, or the machine, starts again; the store is read, and opened to write,
//               at the newest checkpoint whose publish said OK, or a later one; every block is
//               read; two more checkpoints are taken; the machine starts again; read once more,
//               with every checkpoint that is retained. fsck finds nothing but leftovers
//
// A second sweep has the machine stop twice, or the process killed and then the machine stopped: in
// the run, and in the opening after it.
//
// usage: fault_checkpoint_sweep [-v] [FAULT CHANGE [SEED]]: everything, or one case. -v: tell what
// each call said.
#include "runtime/checkpoint/fsck.h"

#include "../support/checkpoint_life.h"
#include "../support/trial.h"
#include "watched_disk.h"

#include <malloc.h>

#define STORE      "/state"
#define COPY       "/copy"
#define PICTURES   24u
#define REFUSALS   5u // until there is room again
#define SIZE_LEAST 500u
#define SIZE_SPAN  6000u

enum fault { NONE, EIO_ONCE, FULL, SHORT, UNSYNCED, CRASH_BEFORE, CRASH_AFTER, KILL, FAULTS };
static const char *const fault_names[FAULTS] = {
    "none", "eio", "full", "short", "unsynced", "crash-before", "crash-after", "kill"
};

typedef unsigned long long number; // for printing

struct run {
    struct watched_disk *disk;
    struct wr_store     *store;
    struct life          life;
    struct life_picture  pictures[PICTURES]; // what a checkpoint is, if it was published
    bool                 may_be[PICTURES];   // its publish was tried
    uint64_t             acknowledged;       // the newest whose publish said OK; 0: none
    bool                 has_savepoint;      // it was acknowledged
    uint64_t             savepoint_of;
    uint32_t             warnings;
    // The fault is a directory's sync that loses what it should keep: only the machine's restart
    // shows what is there.
    bool     loses_names;
    uint64_t struck_at; // the change
};

static char now_doing[200]; // for messages
static bool is_verbose;

#define REQUIRE(claim, ...)                                                                        \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            printf("%s: line %d: not so: %s: ", now_doing, __LINE__, #claim);                      \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            fflush(stdout);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

// ---- what calls may say ----

// True if the call succeeded. One that did not has a reason, and says so in a sentence; frees it.
static bool has_succeeded(const struct run *run, weir_status status, const char *call,
                          struct wr_error *error)
{
    if (status != WEIR_OK) {
        if (is_verbose) {
            printf("    %s: %s: %s\n", call, weir_status_name(status), error->sentence);
        }
        REQUIRE(status == error->status && strlen(error->sentence) > 20, "%s says %s and \"%s\"",
                call, weir_status_name(status), error->sentence);
        REQUIRE(status == WEIR_FULL || status == WEIR_DISK_FAILED ||
                    watched_disk_has_ended(run->disk),
                "%s says %s: %s", call, weir_status_name(status), error->sentence);
    }
    wr_error_fini(error);
    return status == WEIR_OK;
}

static void count_warning(void *opaque, const char *sentence)
{
    struct run *run = opaque;
    run->warnings++;
    if (is_verbose) {
        printf("    warned: %s\n", sentence);
    }
}

static weir_status open_store(struct run *run, const char *directory, bool writes,
                              uint64_t checkpoint, struct wr_error *error)
{
    const struct wr_store_options options = { .writes     = writes,
                                              .creates    = writes,
                                              .checkpoint = checkpoint,
                                              .warn       = count_warning,
                                              .opaque     = run };
    return wr_store_open(&run->disk->base, directory, &options, &run->store, error);
}

static void close_store(struct run *run)
{
    wr_store_close(run->store);
    run->store = NULL;
}

// ---- what must be there ----

// The store is open at the newest acknowledged checkpoint or a later one, and reads as that was.
// Which it is (0: none).
static uint64_t check_store(struct run *run)
{
    const struct wr_manifest *manifest = wr_store_manifest(run->store);
    const uint64_t            at       = manifest == NULL ? 0 : manifest->checkpoint;
    REQUIRE(at >= run->acknowledged, "it is open at %llu, and %llu was published", (number)at,
            (number)run->acknowledged);
    if (at > 0) {
        struct wr_error error = { .status = WEIR_OK };
        REQUIRE(at < PICTURES && run->may_be[at], "it is open at %llu, which was not published",
                (number)at);
        const char *wrong = life_check(&run->life, run->store, &run->pictures[at], &error);
        REQUIRE(wrong == NULL, "at %llu: %s", (number)at, wrong);
        REQUIRE(error.status == WEIR_OK, "at %llu: %s", (number)at, error.sentence);
    }
    return at;
}

static void restore(struct run *run)
{
    const uint64_t at = check_store(run);
    life_restore(&run->life, run->store, at == 0 ? NULL : &run->pictures[at]);
}

// ---- steps of a life ----

static bool can_go_on(const struct run *run)
{
    return run->store != NULL && !watched_disk_has_ended(run->disk);
}

static bool has_lost_names(const struct run *run)
{
    return run->loses_names && wr_simulation_changes(run->disk->inner) > run->struck_at;
}

// A fault strikes once: a second try may succeed.
static void open_writer(struct run *run)
{
    const int tries_most = run->loses_names ? 1 : 2;
    if (has_lost_names(run)) {
        return;
    }
    for (int tries = 0;
         tries < tries_most && run->store == NULL && !watched_disk_has_ended(run->disk); tries++) {
        struct wr_error   error  = { .status = WEIR_OK };
        const weir_status status = open_store(run, STORE, true, 0, &error);
        if (!has_succeeded(run, status, "open", &error)) {
            watched_disk_forget_failures(run->disk);
        } else {
            restore(run);
        }
    }
}

// Takes a checkpoint in which a few segments differ; a store that is poisoned is opened again.
static void take(struct run *run, uint64_t checkpoint, bool aborts)
{
    if (!can_go_on(run)) {
        return;
    }
    struct wr_error error = { .status = WEIR_OK };
    for (uint32_t task = 1; task < LIFE_TASKS; task++) {
        for (uint32_t table = 0; table < LIFE_TABLES; table++) {
            life_touch(&run->life, task, table,
                       (uint32_t)(checkpoint * 3 + task + table) % LIFE_SEGMENTS);
        }
    }
    run->pictures[checkpoint] = life_picture_of(&run->life, checkpoint);
    run->may_be[checkpoint]   = !aborts;
    const weir_status status  = life_checkpoint(&run->life, run->store, checkpoint, aborts, &error);
    const bool        is_full = status == WEIR_FULL;
    if (has_succeeded(run, status, "checkpoint", &error)) {
        run->acknowledged = aborts ? run->acknowledged : checkpoint;
    } else if (!is_full && !watched_disk_has_ended(run->disk)) {
        close_store(run);
        watched_disk_forget_failures(run->disk);
        open_writer(run);
    }
}

static void copy(struct run *run)
{
    if (can_go_on(run) && wr_store_manifest(run->store) != NULL) {
        struct wr_error error = { .status = WEIR_OK };
        run->savepoint_of     = wr_store_manifest(run->store)->checkpoint;
        run->has_savepoint =
            has_succeeded(run, wr_store_savepoint(run->store, COPY, &error), "savepoint", &error);
    }
}

static void live(struct run *run)
{
    open_writer(run);
    take(run, 1, false);
    take(run, 2, false);
    take(run, 3, true);
    take(run, 4, false);
    take(run, 5, false);
    take(run, 6, false);
    copy(run);
    close_store(run);
    open_writer(run);
    take(run, 7, false);
    take(run, 8, false);
    close_store(run);
}

// ---- after a fault ----

static struct wr_store_kind_count {
    enum wr_store_kind gravest;
    char               sentence[400];
} told;

static void note_finding(void *opaque, const struct wr_store_finding *finding)
{
    (void)opaque;
    if (finding->kind >= told.gravest) {
        told.gravest = finding->kind;
        (void)snprintf(told.sentence, sizeof(told.sentence), "%s", finding->sentence);
    }
}

static void check_fsck(struct run *run, const char *directory, enum wr_store_kind most)
{
    const struct wr_store_fsck_options options = { .found = note_finding };
    struct wr_store_summary            summary;
    struct wr_error                    error = { .status = WEIR_OK };
    told.gravest                             = WR_STORE_CLEAN;
    const weir_status status =
        wr_store_fsck(&run->disk->base, directory, &options, &summary, &error);
    REQUIRE(status == WEIR_OK || (status == WEIR_NOT_FOUND && run->acknowledged == 0), "fsck: %s",
            error.sentence);
    REQUIRE(status != WEIR_OK || summary.gravest <= most, "fsck finds %s: %s",
            wr_store_kind_word(summary.gravest), told.sentence);
    wr_error_fini(&error);
}

static void read_at(struct run *run, const char *directory, uint64_t checkpoint)
{
    struct wr_error   error  = { .status = WEIR_OK };
    const weir_status status = open_store(run, directory, false, checkpoint, &error);
    if (status == WEIR_NOT_FOUND && run->acknowledged == 0) {
        wr_error_fini(&error);
        return;
    }
    REQUIRE(status == WEIR_OK, "opening %s to read: %s", directory, error.sentence);
    if (checkpoint == 0) {
        (void)check_store(run);
    } else {
        const char *wrong = life_check(&run->life, run->store, &run->pictures[checkpoint], &error);
        REQUIRE(wrong == NULL && error.status == WEIR_OK, "at %llu: %s", (number)checkpoint,
                wrong == NULL ? error.sentence : wrong);
    }
    close_store(run);
}

// The savepoint is there if it was acknowledged; else it is whole, or has no manifest.
static void read_savepoint(struct run *run)
{
    struct wr_error error  = { .status = WEIR_OK };
    weir_status     status = open_store(run, COPY, false, 0, &error);
    if (status == WEIR_OK && wr_store_manifest(run->store) != NULL) {
        const struct wr_manifest *manifest = wr_store_manifest(run->store);
        REQUIRE(manifest->is_savepoint, "the savepoint is none");
        const char *wrong =
            life_check(&run->life, run->store, &run->pictures[manifest->checkpoint], &error);
        REQUIRE(wrong == NULL && error.status == WEIR_OK, "the savepoint: %s",
                wrong == NULL ? error.sentence : wrong);
        close_store(run);
        check_fsck(run, COPY, WR_STORE_CLEAN);
    } else {
        // Cut off while it was made: without an epoch, or without a manifest.
        REQUIRE(!run->has_savepoint, "the savepoint is gone: %s",
                status == WEIR_OK ? "no manifest" : error.sentence);
        close_store(run);
    }
    wr_error_fini(&error);
}

// All must work now.
static void go_on(struct run *run, uint64_t first)
{
    struct wr_error error = { .status = WEIR_OK };
    REQUIRE(open_store(run, STORE, true, 0, &error) == WEIR_OK, "opening it again to write: %s",
            error.sentence);
    restore(run);
    for (uint64_t checkpoint = first; checkpoint < first + 2; checkpoint++) {
        take(run, checkpoint, false);
        REQUIRE(run->acknowledged == checkpoint, "checkpoint %llu is not published afterwards",
                (number)checkpoint);
    }
    close_store(run);
    check_fsck(run, STORE, WR_STORE_CLEAN);
}

static void after_the_fault(struct run *run, uint64_t seed)
{
    read_at(run, STORE, 0);
    check_fsck(run, STORE, WR_STORE_LEFTOVER);
    read_savepoint(run);
    go_on(run, 11);
    watched_disk_reboot(run->disk, seed + 77);
    read_at(run, STORE, 0);
    read_at(run, STORE, 11);
    check_fsck(run, STORE, WR_STORE_LEFTOVER); // what was deleted and not synced may be back
    read_savepoint(run);
    go_on(run, 13);
    REQUIRE(run->disk->accusation == NULL, "the store %s", run->disk->accusation);
}

// ---- cases ----

static void run_open(struct run *run)
{
    *run                     = (struct run){ .disk = watched_disk_open(11) };
    run->disk->refusals_left = REFUSALS;
    life_init(&run->life, SIZE_LEAST, SIZE_SPAN);
}

static void run_close(struct run *run) { watched_disk_close(run->disk); }

static void strike(struct run *run, enum fault fault, uint64_t change)
{
    static const enum wr_disk_fault disk_faults[FAULTS] = { [EIO_ONCE]     = WR_DISK_EIO,
                                                            [FULL]         = WR_DISK_ENOSPC,
                                                            [SHORT]        = WR_DISK_SHORT,
                                                            [UNSYNCED]     = WR_DISK_UNSYNCED,
                                                            [CRASH_BEFORE] = WR_DISK_CRASH_BEFORE,
                                                            [CRASH_AFTER]  = WR_DISK_CRASH_AFTER };
    if (fault == KILL) {
        run->disk->kill_at = change;
    } else if (fault != NONE) {
        wr_simulation_fault_at(run->disk->inner, change, disk_faults[fault]);
    }
}

// Ends the process, if the fault has not, and begins another.
static void begin_again(struct run *run, enum fault fault, uint64_t seed)
{
    wr_simulation_make_room(run->disk->inner);
    const bool stops = fault == CRASH_BEFORE || fault == CRASH_AFTER;
    if (stops || run->loses_names || (fault != KILL && seed % 2 == 1)) {
        watched_disk_reboot(run->disk, seed);
    } else {
        watched_disk_restart(run->disk);
    }
}

static uint64_t case_counts[FAULTS], opening_count;
static uint64_t refused_count, warned_count;

static struct trial_watchdog watchdog;

static void run_case(enum fault fault, uint64_t change, uint64_t seed, bool loses_names)
{
    static struct run run;
    snprintf(now_doing, sizeof(now_doing), "%s %llu %llu", fault_names[fault], (number)change,
             (number)seed);
    run_open(&run);
    strike(&run, fault, change);
    run.loses_names = loses_names;
    run.struck_at   = change;
    live(&run);
    close_store(&run);
    refused_count += run.disk->refusals;
    begin_again(&run, fault, seed);
    after_the_fault(&run, seed);
    warned_count += run.warnings;
    run_close(&run);
    case_counts[fault]++;
    trial_progress(&watchdog);
}

static bool is_of_names(const struct watched_change *change)
{
    return strncmp(change->what, "sync directory", 14) == 0;
}

static bool applies(enum fault fault, const struct watched_change *change)
{
    switch (fault) {
    case FULL: return change->verb == WATCHED_WRITE || change->verb == WATCHED_ROOM;
    case SHORT: return change->verb == WATCHED_WRITE;
    case UNSYNCED: return change->verb == WATCHED_SYNC;
    default: return true;
    }
}

static uint64_t seeds_of(enum fault fault)
{
    switch (fault) {
    case CRASH_BEFORE:
    case CRASH_AFTER: return trial_size(2, 12, 100);
    case KILL: return 1;
    default: return 2; // started again with the process, or with the machine
    }
}

// The run without a fault: what its changes are.
static uint64_t learn(struct watched_change **changes)
{
    static struct run run;
    snprintf(now_doing, sizeof(now_doing), "without a fault");
    run_open(&run);
    run.disk->keeps_changes = true;
    live(&run);
    REQUIRE(run.acknowledged == 8 && run.has_savepoint && run.warnings == 0, "the run fails");
    const uint64_t count    = run.disk->change_count;
    *changes                = run.disk->changes;
    run.disk->changes       = NULL;
    run.disk->change_count  = 0;
    run.disk->keeps_changes = false;
    watched_disk_reboot(run.disk, 5);
    after_the_fault(&run, 5);
    run_close(&run);
    return count;
}

static void forget(struct watched_change *changes, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        wr_free(changes[i].what);
    }
    wr_free(changes);
}

static void sweep(const struct watched_change *changes, uint64_t count)
{
    const uint64_t stride = trial_size(5, 1, 1);
    for (enum fault fault = EIO_ONCE; fault < FAULTS; fault++) {
        for (uint64_t change = fault % stride; change < count; change += stride) {
            for (uint64_t seed = 0; applies(fault, &changes[change]) && seed < seeds_of(fault);
                 seed++) {
                run_case(fault, change, seed, fault == UNSYNCED && is_of_names(&changes[change]));
            }
        }
    }
}

// The machine stops at `crash` of the run, or the process is killed, and the machine stops at
// change `change` of what comes after: an opening and a checkpoint, which deletes what the run
// left. False: that makes fewer.
static bool run_twice_struck(uint64_t crash, uint64_t change)
{
    static struct run run;
    const enum fault  first = (crash + change) % 4 < 2 ? CRASH_BEFORE : KILL;
    const enum fault  fault = (crash + change) % 2 == 0 ? CRASH_BEFORE : CRASH_AFTER;
    snprintf(now_doing, sizeof(now_doing), "opening: %llu, then %llu", (number)crash,
             (number)change);
    run_open(&run);
    strike(&run, first, crash);
    live(&run);
    close_store(&run);
    begin_again(&run, first, crash * 31 + change);
    strike(&run, fault, wr_simulation_changes(run.disk->inner) + change);
    open_writer(&run);
    take(&run, 9, false);
    const bool is_struck = watched_disk_has_ended(run.disk);
    close_store(&run);
    if (is_struck) { // else the fault is still to come
        watched_disk_reboot(run.disk, crash * 57 + change);
        after_the_fault(&run, change);
    }
    run_close(&run);
    opening_count += is_struck;
    trial_progress(&watchdog);
    return is_struck;
}

static void sweep_openings(uint64_t count)
{
    const uint64_t stride = trial_size(17, 2, 1);
    for (uint64_t crash = 0; crash < count; crash += stride) {
        for (uint64_t change = 0; run_twice_struck(crash, change); change++) {
        }
    }
}

static enum fault fault_named(const char *name)
{
    for (enum fault fault = NONE; fault < FAULTS; fault++) {
        if (strcmp(name, fault_names[fault]) == 0) {
            return fault;
        }
    }
    printf("%s is no fault\n", name);
    exit(2);
}

static void one_case(const struct watched_change *changes, uint64_t count, int argc, char **argv)
{
    const enum fault fault  = fault_named(argv[1]);
    const uint64_t   change = strtoull(argv[2], NULL, 0);
    for (uint64_t i = 0; is_verbose && i < count; i++) {
        printf("%llu %s\n", (number)i, changes[i].what);
    }
    run_case(fault, change, argc > 3 ? strtoull(argv[3], NULL, 0) : 0,
             fault == UNSYNCED && change < count && is_of_names(&changes[change]));
}

static void report(void)
{
    uint64_t sum = opening_count;
    for (enum fault fault = EIO_ONCE; fault < FAULTS; fault++) {
        printf("%-13s %llu\n", fault_names[fault], (number)case_counts[fault]);
        sum += case_counts[fault];
    }
    printf("in opening    %llu\n", (number)opening_count);
    printf("refused for want of room: %llu, warnings: %llu\n", (number)refused_count,
           (number)warned_count);
    printf("cases: %llu\n", (number)sum);
}

int main(int argc, char **argv)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 30); // memory is used again and again
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    is_verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    argc -= is_verbose;
    argv += is_verbose;
    struct watched_change *changes;
    trial_watchdog_start(&watchdog);
    const uint64_t count = learn(&changes);
    printf("the run changes the disk %llu times\n", (number)count);
    if (argc > 2) {
        one_case(changes, count, argc, argv);
    } else {
        sweep(changes, count);
        sweep_openings(count);
        report();
    }
    forget(changes, count);
    trial_watchdog_stop(&watchdog);
    return 0;
}
