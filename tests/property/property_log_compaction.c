// Compaction against brute force: random keys, deletions, transactions, segments and passes of
// time; what a reader finds after each compaction is what a list of all records says.
#include "tests/support/upkeep_trial.h"

#define RECORDS_MAX 4096u
#define NAMES       2u

struct record {
    uint64_t key;
    int64_t  value;
    int64_t  appended;
    uint8_t  change;
    uint64_t transaction; // 0: none
};

struct world {
    struct trial_random   *random;
    struct wr_environment *environment;
    weir_log              *log;
    weir_producer         *plain, *joined[NAMES];
    weir_transaction      *names[NAMES];
    bool                   is_begun[NAMES];
    struct record          records[RECORDS_MAX];
    uint32_t               count;
    struct trial_found     found;
};

static struct wr_partition *partition_of(struct world *world)
{
    struct wr_log_error error = { .status = WEIR_OK };
    return wr_catalog_topic(world->log, "t", &error)->partitions[0];
}

static void world_open(struct world *world)
{
    weir_topic topic    = trial_topic("t", 1);
    topic.is_compacted  = true;
    topic.tombstone_age = WEIR_SECONDS(30);
    topic.compression =
        trial_one_in(world->random, 2) ? WEIR_COMPRESSION_LZ4 : WEIR_COMPRESSION_NONE;
    world->environment = wr_environment_open_simulated(trial_next(world->random), false);
    world->log         = trial_open(world->environment, true);
    world->count       = 0;
    trial_create(world->log, &topic);
    (void)weir_producer_open(world->log, "t", NULL, &world->plain);
    for (uint32_t i = 0; i < NAMES; i++) {
        (void)weir_producer_open(world->log, "t", NULL, &world->joined[i]);
        (void)weir_transaction_open(world->log, i == 0 ? "a" : "b", &world->names[i]);
        (void)weir_producer_join(world->joined[i], world->names[i]);
        world->is_begun[i] = false;
    }
}

static void world_close(struct world *world)
{
    for (uint32_t i = 0; i < NAMES; i++) {
        (void)weir_producer_close(world->joined[i]);
        weir_transaction_close(world->names[i]);
    }
    (void)weir_producer_close(world->plain);
    TRIAL_CHECK(weir_log_close(world->log) == WEIR_OK, "closing");
    wr_environment_close(world->environment);
}

static void append(struct world *world, weir_producer *producer, uint64_t transaction)
{
    const uint32_t keys  = 1 + trial_below(world->random, 40);
    const uint32_t count = 1 + trial_below(world->random, 20);
    trial_row      rows[20];
    uint8_t        changes[20];
    if (world->count + count > RECORDS_MAX) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct record *record = &world->records[world->count];
        *record =
            (struct record){ .key      = trial_below(world->random, keys),
                             .value    = world->count,
                             .appended = world->environment->ops->wall_us(world->environment),
                             .change   = trial_one_in(world->random, 6) ? WEIR_DELETE : WEIR_INSERT,
                             .transaction = transaction };
        world->count++;
        rows[i]    = (trial_row){ record->key, record->value };
        changes[i] = record->change;
    }
    TRIAL_CHECK(weir_producer_append_to(producer, 0, rows, changes, count) == WEIR_OK, "%s",
                weir_producer_error(producer));
    TRIAL_CHECK(weir_producer_flush(producer, -1) == WEIR_OK, "%s", weir_producer_error(producer));
}

static bool is_committed(struct world *world, const struct record *record)
{
    return record->transaction == 0 ||
           wr_transactions_verdict(world->log, record->transaction) == WR_VERDICT_COMMITTED;
}

static bool is_superseded(struct world *world, uint32_t number)
{
    for (uint32_t i = number + 1; i < world->count; i++) {
        if (world->records[i].key == world->records[number].key &&
            is_committed(world, &world->records[i])) {
            return true;
        }
    }
    return false;
}

// All that is found is as it was appended, in order; `is_exact`: and the last of each key only.
static void check(struct world *world, bool is_exact, int64_t compacted_at)
{
    TRIAL_CHECK(trial_read(world->log, "t", 0, false, &world->found) == WEIR_TIMED_OUT, "reading");
    uint32_t at   = 0;
    uint64_t held = UINT64_MAX; // a reader stops at the first undecided record
    for (uint32_t i = 0; i < world->count && held == UINT64_MAX; i++) {
        if (world->records[i].transaction != 0 &&
            wr_transactions_verdict(world->log, world->records[i].transaction) == WR_VERDICT_OPEN) {
            held = i;
        }
    }
    for (uint32_t i = 0; i < world->count && i < held; i++) {
        const struct record *record   = &world->records[i];
        const bool           is_found = at < world->found.count && world->found.offsets[at] == i;
        if (is_found) {
            TRIAL_CHECK(world->found.rows[at].key == record->key &&
                            world->found.rows[at].value == record->value &&
                            world->found.changes[at] == record->change,
                        "record %u is another", i);
            TRIAL_CHECK(is_committed(world, record), "record %u was not committed", i);
            at++;
        }
        if (!is_committed(world, record)) {
            continue;
        }
        const bool is_old = is_superseded(world, i);
        const bool is_expired =
            record->change == WEIR_DELETE && record->appended + WEIR_SECONDS(30) <= compacted_at;
        TRIAL_CHECK(is_found || is_old || is_expired, "record %u is lost", i);
        TRIAL_CHECK(!is_exact || !is_found || (!is_old && !is_expired), "record %u is still there",
                    i);
    }
    TRIAL_CHECK(at == world->found.count, "%u found, %u known", world->found.count, at);
}

static int64_t compact(struct world *world)
{
    const int64_t now       = world->environment->ops->wall_us(world->environment);
    wr_compact_memory_bytes = trial_one_in(world->random, 2) ? 1 : 64u << 20;
    TRIAL_CHECK(weir_log_compact(world->log, "t", NULL) == WEIR_OK, "%s",
                weir_log_error(world->log));
    return now;
}

static void seal(struct world *world)
{
    struct wr_log_error error = { .status = WEIR_OK };
    wr_commit_enter(world->log->commit);
    TRIAL_CHECK(wr_partition_seal(partition_of(world), &error) == WEIR_OK, "%s", error.sentence);
    wr_commit_leave(world->log->commit);
}

static void decide(struct world *world, uint32_t name)
{
    const bool commits = trial_one_in(world->random, 2);
    TRIAL_CHECK((commits ? weir_transaction_commit(world->names[name])
                         : weir_transaction_abort(world->names[name])) == WEIR_OK,
                "%s", weir_transaction_error(world->names[name]));
    world->is_begun[name] = false;
}

static void step(struct world *world, int64_t *compacted_at)
{
    const uint32_t name = trial_below(world->random, NAMES);
    switch (trial_below(world->random, 8)) {
    case 0:
    case 1:
    case 2: append(world, world->plain, 0); break;
    case 3:
    case 4:
        if (!world->is_begun[name]) {
            TRIAL_CHECK(weir_transaction_begin(world->names[name]) == WEIR_OK, "begin");
            world->is_begun[name] = true;
        }
        append(world, world->joined[name], wr_transaction_number(world->names[name]));
        break;
    case 5:
        if (world->is_begun[name]) {
            decide(world, name);
        }
        break;
    case 6: seal(world); break;
    default:
        wr_simulation_spend(world->environment, WEIR_SECONDS(trial_below(world->random, 20)));
        if (trial_one_in(world->random, 3)) {
            *compacted_at = compact(world);
            check(world, false, *compacted_at);
        }
        break;
    }
}

int main(int argc, char **argv)
{
    static struct world world;
    struct trial_random random = { trial_seed(argc, argv) };
    const uint64_t      cases  = trial_size(200, 3000, 20000);
    world.random               = &random;
    for (uint64_t i = 0; i < cases; i++) {
        int64_t compacted_at = 0;
        world_open(&world);
        for (uint32_t steps = trial_below(&random, 80); steps > 0; steps--) {
            step(&world, &compacted_at);
        }
        for (uint32_t name = 0; name < NAMES; name++) {
            if (world.is_begun[name]) {
                decide(&world, name);
            }
        }
        seal(&world);
        compacted_at = compact(&world);
        check(&world, true, compacted_at);
        world_close(&world);
    }
    printf("cases: %" PRIu64 "\n", cases);
    return 0;
}
