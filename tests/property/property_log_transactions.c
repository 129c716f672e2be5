// Transactions against a model: several names, random order, closed and killed processes, cut
// power. What is committed is seen whole, what is prepared stays, anything else is never seen.
#include "log/decisions.h"
#include "tests/support/upkeep_trial.h"

#define NAMES     3u
#define KNOWN_MAX 4096u
#define ROWS_EACH 4u

enum fate { OPEN, PREPARED, COMMITTED, ABORTED, UNKNOWN };

// A transaction; its rows have its number in this list as their key.
struct known {
    uint32_t  name;
    uint64_t  id;
    enum fate fate;
    enum fate wanted; // of an unknown one: what was asked for
};

struct world {
    struct trial_random   *random;
    struct wr_environment *environment;
    weir_log              *log;
    weir_producer         *producers[NAMES];
    weir_transaction      *names[NAMES];
    uint32_t               current[NAMES]; // in the list; UINT32_MAX: none
    struct known           known[KNOWN_MAX];
    uint32_t               count;
    struct trial_found     found;
};

static const char *const NAME[NAMES] = { "a", "b", "c" };

static void world_open_log(struct world *world)
{
    const weir_topic topic = trial_topic("t", 2);
    world->log             = trial_open(world->environment, true);
    trial_create(world->log, &topic);
    for (uint32_t i = 0; i < NAMES; i++) {
        TRIAL_CHECK(weir_producer_open(world->log, "t", NULL, &world->producers[i]) == WEIR_OK,
                    "producer");
        TRIAL_CHECK(weir_transaction_open(world->log, NAME[i], &world->names[i]) == WEIR_OK, "%s",
                    weir_transaction_error(world->names[i]));
        TRIAL_CHECK(weir_producer_join(world->producers[i], world->names[i]) == WEIR_OK, "join");
        world->current[i] = UINT32_MAX;
    }
}

static void world_close_log(struct world *world)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        (void)weir_producer_close(world->producers[i]);
        weir_transaction_close(world->names[i]);
    }
    (void)weir_log_close(world->log);
}

// Whoever was open is aborted, whoever was being decided is what the disk says.
static void end_epoch(struct world *world)
{
    for (uint32_t i = 0; i < world->count; i++) {
        if (world->known[i].fate == OPEN) {
            world->known[i].fate = ABORTED;
        }
    }
}

static uint32_t rows_found(const struct world *world, uint32_t number)
{
    uint32_t rows = 0;
    for (uint32_t i = 0; i < world->found.count; i++) {
        rows += world->found.rows[i].key / ROWS_EACH == number;
    }
    return rows;
}

struct listing {
    struct world *world;
    uint32_t      name, count;
    uint64_t      last;
};

static void take_prepared(void *opaque, uint64_t id)
{
    struct listing *listing = opaque;
    TRIAL_CHECK(listing->count == 0 || id > listing->last, "ids are not in order");
    listing->last = id;
    listing->count++;
    for (uint32_t i = 0; i < listing->world->count; i++) {
        struct known *known = &listing->world->known[i];
        if (known->id == id) {
            TRIAL_CHECK(known->name == listing->name, "listed under another name");
            TRIAL_CHECK(known->fate == PREPARED || known->fate == UNKNOWN, "it is decided");
            known->fate = PREPARED;
        }
    }
}

// Whether an undecided transaction may hold a reader back in some partition.
static bool is_held(const struct world *world)
{
    bool holds = false;
    for (uint32_t i = 0; i < world->count; i++) {
        holds = holds || world->known[i].fate == OPEN || world->known[i].fate == PREPARED;
    }
    return holds;
}

static void look(struct world *world, weir_log *log)
{
    TRIAL_CHECK(trial_read(log, "t", UINT32_MAX, false, &world->found) == WEIR_TIMED_OUT,
                "reading");
    for (uint32_t i = 0; i < world->count; i++) {
        struct known  *known = &world->known[i];
        const uint32_t rows  = rows_found(world, i);
        TRIAL_CHECK(rows == 0 || rows == ROWS_EACH || is_held(world), "transaction %u: %u rows", i,
                    rows);
        TRIAL_CHECK(rows == 0 || known->fate == COMMITTED || known->fate == UNKNOWN,
                    "transaction %u is seen and is %d", i, (int)known->fate);
    }
}

// After an opening nothing is open but what is prepared; resolves some of that, and sees the rest.
static void settle(struct world *world)
{
    for (uint32_t name = 0; name < NAMES; name++) {
        struct listing listing = { .world = world, .name = name };
        TRIAL_CHECK(weir_transaction_list_prepared(world->names[name], take_prepared, &listing) ==
                        WEIR_OK,
                    "listing");
        uint32_t known = 0;
        for (uint32_t i = 0; i < world->count; i++) {
            known += world->known[i].name == name && world->known[i].fate == PREPARED;
        }
        TRIAL_CHECK(known == listing.count, "%u are prepared, %u listed", known, listing.count);
    }
    for (uint32_t i = 0; i < world->count; i++) {
        struct known *known = &world->known[i];
        if (known->fate == PREPARED && trial_one_in(world->random, 2)) {
            const bool commits = trial_one_in(world->random, 2);
            TRIAL_CHECK(weir_transaction_resolve(world->names[known->name], known->id, commits) ==
                            WEIR_OK,
                        "%s", weir_transaction_error(world->names[known->name]));
            known->fate = commits ? COMMITTED : ABORTED;
        }
        if (known->fate == UNKNOWN) {
            const enum wr_verdict verdict = wr_transactions_verdict(world->log, known->id);
            TRIAL_CHECK(verdict == WR_VERDICT_ABORTED ||
                            (verdict == WR_VERDICT_COMMITTED && known->wanted == COMMITTED),
                        "transaction %u has verdict %d", i, (int)verdict);
            known->fate = verdict == WR_VERDICT_COMMITTED ? COMMITTED : ABORTED;
        }
    }
}

// Every committed one is seen when nothing holds a reader back.
static void look_at_all(struct world *world)
{
    look(world, world->log);
    for (uint32_t i = 0; i < world->count && !is_held(world); i++) {
        TRIAL_CHECK(world->known[i].fate != COMMITTED || rows_found(world, i) == ROWS_EACH,
                    "transaction %u is lost", i);
    }
}

static void begin(struct world *world, uint32_t name)
{
    const uint32_t number = world->count;
    TRIAL_CHECK(number < KNOWN_MAX, "too many");
    if (weir_transaction_begin(world->names[name]) != WEIR_OK) {
        return;
    }
    world->known[world->count++] = (struct known){ .name = name,
                                                   .id = wr_transaction_number(world->names[name]),
                                                   .fate = OPEN };
    world->current[name]         = number;
    if (trial_append(world->producers[name], (uint64_t)number * ROWS_EACH, ROWS_EACH) != WEIR_OK) {
        world->known[number].wanted = ABORTED;
    }
}

// Prepares, commits or aborts; UNKNOWN if the call failed.
static void act(struct world *world, uint32_t name)
{
    struct known     *known  = &world->known[world->current[name]];
    const enum fate   wanted = (enum fate)(PREPARED + trial_below(world->random, 3));
    weir_transaction *of     = world->names[name];
    const weir_status status = wanted == PREPARED    ? weir_transaction_prepare(of, NULL)
                               : wanted == COMMITTED ? weir_transaction_commit(of)
                                                     : weir_transaction_abort(of);
    known->fate              = status == WEIR_OK ? wanted : UNKNOWN;
    known->wanted            = wanted;
    if (wanted != PREPARED || status != WEIR_OK) {
        world->current[name] = UINT32_MAX;
    }
}

static void reopen(struct world *world)
{
    const bool has_stopped = wr_simulation_has_stopped(world->environment);
    if (has_stopped) {
        wr_simulation_reboot(world->environment, trial_next(world->random));
    } else if (trial_one_in(world->random, 2)) {
        wr_simulation_restart(world->environment);
    }
    world_close_log(world);
    wr_simulation_restart(world->environment);
    world_open_log(world);
    end_epoch(world);
    settle(world);
    look_at_all(world);
}

static void step(struct world *world)
{
    const uint32_t name = trial_below(world->random, NAMES);
    if (wr_simulation_has_stopped(world->environment) || trial_one_in(world->random, 25)) {
        reopen(world);
    } else if (world->current[name] == UINT32_MAX ||
               (world->known[world->current[name]].fate == PREPARED &&
                trial_one_in(world->random, 2))) {
        begin(world, name);
    } else {
        act(world, name);
    }
    if (!wr_simulation_has_stopped(world->environment) && trial_one_in(world->random, 6)) {
        look_at_all(world);
    }
}

// One name goes on until the machine stops under it.
static void crash(struct world *world)
{
    const uint64_t at   = wr_simulation_changes(world->environment) + trial_below(world->random, 8);
    const uint32_t name = trial_below(world->random, NAMES);
    wr_simulation_fault_at(world->environment, at,
                           trial_one_in(world->random, 2) ? WR_DISK_CRASH_BEFORE
                                                          : WR_DISK_CRASH_AFTER);
    while (!wr_simulation_has_stopped(world->environment)) {
        if (world->current[name] == UINT32_MAX) {
            begin(world, name);
        }
        TRIAL_CHECK(world->current[name] != UINT32_MAX, "it cannot begin");
        act(world, name);
    }
}

static void try_once(struct world *world)
{
    world->environment = wr_environment_open_simulated(trial_next(world->random), false);
    world->count       = 0;
    world_open_log(world);
    for (uint32_t steps = 20 + trial_below(world->random, 100); steps > 0; steps--) {
        if (!wr_simulation_has_stopped(world->environment) && trial_one_in(world->random, 12)) {
            crash(world);
        }
        step(world);
    }
    reopen(world);
    world_close_log(world);
    wr_environment_close(world->environment);
}

int main(int argc, char **argv)
{
    static struct world world;
    struct trial_random random = { trial_seed(argc, argv) };
    const uint64_t      cases  = trial_size(20, 500, 5000);
    world.random               = &random;
    for (uint64_t i = 0; i < cases; i++) {
        try_once(&world);
    }
    printf("cases: %" PRIu64 "\n", cases);
    return 0;
}
