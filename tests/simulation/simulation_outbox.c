// A job, its log, publishers of it and a target, through random lives: every committed record is in
// the target once, in order, and nothing that is not committed ever is.
//
//   writer: transactions, prepared ones, single rows --> log --> publisher --> target
//                                                         \--> an earlier one, that does not know
//
// What happens, drawn from the seed: steps of either publisher; a later one that takes over between
// two steps or in the midst of a transaction; publishers, the process and the machine that die at
// any change of the disk; failing changes; connections, answers and requests that are lost, late,
// or come twice; time. The target is a system outside (outside.h), or a directory of files on the
// same disk.
//
//   simulation_outbox [SEED]
//   simulation_outbox --from SEED COUNT     so many cases, one seed each
#include "connectors/outbox/file_target.h"
#include "connectors/outbox/publisher.h"
#include "log/log.h"
#include "log/prepared.h"
#include "tests/support/node_harness.h"
#include "tests/support/outside.h"

#define PARTITIONS 3
#define VALUES_MAX 4096
#define OUT        "/out"
#define STEPS      160

enum verdict { VERDICT_OPEN, VERDICT_COMMITTED, VERDICT_ABORTED };

// A publisher and its way to the target, which may be held up by a later publisher before a call.
struct seat {
    weir_outbox_target  held; // the verbs that the publisher calls
    struct world       *world;
    struct wr_publisher publisher;
    struct outside_link link;
    weir_outbox_target *files;
    bool                is_open;
};

struct world {
    uint64_t               seed;
    struct trial_random   *random;
    struct wr_environment *environment;
    bool                   is_files; // the target is
    bool                   has_io_faults;
    bool                   is_calm; // nothing goes wrong any more
    struct outside         outside;

    weir_log         *log;
    weir_producer    *producer;
    weir_transaction *transaction;
    bool              is_begun;
    enum verdict      verdicts[VALUES_MAX];
    uint64_t          value_count;
    uint64_t          first_of_transaction;

    struct seat seats[2];
    uint32_t    newest; // of the seats
};

static const weir_topic events = { .name          = "events",
                                   .type          = &outside_event_type,
                                   .partitions    = PARTITIONS,
                                   .segment_bytes = 64 << 10 };

static uint64_t crash_count, take_over_count, published_count;

static bool has_stopped(const struct world *world)
{
    return wr_simulation_has_stopped(world->environment);
}

static void ignore(void *opaque, const char *sentence)
{
    (void)opaque;
    (void)sentence;
}

static void check_arrival(void *opaque, uint32_t partition, uint64_t value)
{
    const struct world *world = opaque;
    TRIAL_CHECK(value < world->value_count && world->verdicts[value] == VERDICT_COMMITTED,
                "seed %" PRIu64 ": value %" PRIu64 " of partition %u is not committed", world->seed,
                value, partition);
}

// ---- the writer ----

static void decide_prepared(void *opaque, uint64_t id, const char *name)
{
    struct world       *world = opaque;
    struct wr_log_error error = { .status = WEIR_OK };
    (void)name;
    (void)wr_transactions_resolve(world->log, id, true, &error);
    wr_log_error_fini(&error);
}

static void writer_open(struct world *world)
{
    const weir_log_options writing = { .writes = true, .creates = true, .warn = ignore };
    if (wr_log_open_in(world->environment, "/log", &writing, &world->log) == WEIR_OK) {
        // Like a job that restores: what was prepared and counts is committed first.
        (void)wr_transactions_each_prepared(world->log, "job", decide_prepared, world);
    }
    if (weir_log_create_topic(world->log, &events) != WEIR_OK ||
        weir_producer_open(world->log, "events", NULL, &world->producer) != WEIR_OK) {
        world->producer = NULL;
    }
    (void)weir_transaction_open(world->log, "job", &world->transaction);
    world->is_begun = false;
}

static void writer_close(struct world *world)
{
    if (world->log == NULL) {
        return;
    }
    weir_transaction_close(world->transaction);
    if (world->producer != NULL) {
        (void)weir_producer_close(world->producer);
    }
    (void)weir_log_close(world->log);
    world->log      = NULL;
    world->producer = NULL;
}

static void writer_append(struct world *world, enum verdict verdict)
{
    const uint32_t partition = trial_below(world->random, PARTITIONS);
    for (uint32_t i = 1 + trial_below(world->random, 6); i > 0; i--) {
        if (world->value_count < VALUES_MAX) {
            const outside_event event             = { world->value_count };
            world->verdicts[world->value_count++] = verdict;
            (void)weir_producer_append_to(world->producer, partition, &event, NULL, 1);
        }
    }
}

static void writer_decide(struct world *world)
{
    const bool commits = !trial_one_in(world->random, 4);
    for (uint64_t i = world->first_of_transaction; i < world->value_count; i++) {
        if (world->verdicts[i] == VERDICT_OPEN) {
            world->verdicts[i] = commits ? VERDICT_COMMITTED : VERDICT_ABORTED;
        }
    }
    if (!commits) {
        (void)weir_transaction_abort(world->transaction);
    } else if (trial_one_in(world->random, 2)) {
        (void)weir_transaction_commit(world->transaction);
    } else { // a crash may come in between: then the next writer commits
        uint64_t id;
        if (weir_transaction_prepare(world->transaction, &id) == WEIR_OK) {
            (void)weir_transaction_resolve(world->transaction, id, true);
        }
    }
    world->is_begun = false;
}

static void writer_step(struct world *world)
{
    if (world->producer == NULL) {
        return;
    }
    if (!world->is_begun && trial_one_in(world->random, 3)) {
        (void)weir_producer_join(world->producer, NULL);
        writer_append(world, VERDICT_COMMITTED);
        (void)weir_producer_flush(world->producer, -1);
    } else if (!world->is_begun) {
        (void)weir_producer_join(world->producer, world->transaction);
        if (weir_transaction_begin(world->transaction) == WEIR_OK) {
            world->is_begun             = true;
            world->first_of_transaction = world->value_count;
        }
    } else if (trial_one_in(world->random, 3)) {
        writer_decide(world);
    } else {
        writer_append(world, VERDICT_OPEN);
    }
}

// ---- publishers ----

static weir_outbox_target *target_of(struct seat *seat)
{
    return seat->world->is_files ? seat->files : &seat->link.target;
}

static bool take_over(struct world *world);

// Now and then a later publisher comes just before a call of this one.
static void maybe_hold_up(struct seat *seat)
{
    struct world *world = seat->world;
    if (!world->is_calm && seat == &world->seats[world->newest] &&
        trial_one_in(world->random, 40) && take_over(world)) {
        for (uint32_t i = trial_below(world->random, 6); i > 0; i--) {
            (void)wr_publisher_step(&world->seats[world->newest].publisher, true);
        }
    }
}

static weir_outbox_outcome held_open(void *opaque, const weir_outbox_source *source,
                                     const weir_outbox_claim *claim, uint64_t *epoch)
{
    const weir_outbox_target *target = target_of(opaque);
    return target->open(target->opaque, source, claim, epoch);
}

static weir_outbox_outcome held_progress(void *opaque, uint32_t partition,
                                         weir_outbox_progress *progress)
{
    const weir_outbox_target *target = target_of(opaque);
    maybe_hold_up(opaque);
    return target->progress(target->opaque, partition, progress);
}

static weir_outbox_outcome held_begin(void *opaque, uint32_t partition, uint64_t from)
{
    const weir_outbox_target *target = target_of(opaque);
    maybe_hold_up(opaque);
    return target->begin(target->opaque, partition, from);
}

static weir_outbox_outcome held_write(void *opaque, const weir_log_rows *rows)
{
    const weir_outbox_target *target = target_of(opaque);
    maybe_hold_up(opaque);
    return target->write(target->opaque, rows);
}

static weir_outbox_outcome held_commit(void *opaque, const weir_outbox_place *place)
{
    const weir_outbox_target *target = target_of(opaque);
    maybe_hold_up(opaque);
    return target->commit(target->opaque, place);
}

static void held_close(void *opaque)
{
    const weir_outbox_target *target = target_of(opaque);
    target->close(target->opaque);
}

static const char *held_error(void *opaque)
{
    const weir_outbox_target *target = target_of(opaque);
    return target->error(target->opaque);
}

static void seat_open(struct world *world, uint32_t number)
{
    struct seat *seat = &world->seats[number];
    *seat             = (struct seat){
                    .world   = world,
                    .is_open = true,
                    .held    = { .opaque   = seat,
                                 .open     = held_open,
                                 .progress = held_progress,
                                 .begin    = held_begin,
                                 .write    = held_write,
                                 .commit   = held_commit,
                                 .close    = held_close,
                                 .error    = held_error },
    };
    if (world->is_files) {
        seat->files = wr_file_target_open_in(world->environment, OUT);
    } else {
        outside_link_init(&seat->link, &world->outside);
    }
    const weir_outbox_options options = {
        .rows   = 1 + trial_below(world->random, 6),
        .linger = trial_one_in(world->random, 2) ? 0 : WEIR_MILLISECONDS(20),
        .warn   = ignore,
    };
    wr_publisher_init(&seat->publisher, world->environment, "/log", "events", &seat->held,
                      &options);
}

static void seat_close(struct seat *seat)
{
    if (!seat->is_open) {
        return;
    }
    published_count += seat->publisher.counters.records;
    wr_publisher_fini(&seat->publisher);
    weir_file_target_close(seat->files);
    outside_link_fini(&seat->link);
    seat->is_open = false;
    seat->files   = NULL;
}

// A later publisher, unless there are two already. The one before has had the target: who has not
// is no earlier one, and may come to it last. False: it does not come.
static bool take_over(struct world *world)
{
    const uint32_t number = 1 - world->newest;
    if (world->seats[number].is_open || !world->seats[world->newest].publisher.has_claimed) {
        return false;
    }
    seat_open(world, number);
    if (trial_one_in(world->random, 6)) { // its opening may fail half way
        world->has_io_faults = true;
        wr_simulation_fault_at(world->environment,
                               wr_simulation_changes(world->environment) +
                                   trial_below(world->random, 12),
                               WR_DISK_EIO);
    }
    world->newest = number;
    take_over_count++;
    return true;
}

static void seat_step(struct world *world, uint32_t number)
{
    struct seat *seat = &world->seats[number];
    if (!seat->is_open || wr_publisher_step(&seat->publisher, trial_one_in(world->random, 2)) !=
                              WR_PUBLISHER_HAS_ENDED) {
        return;
    }
    const bool is_newest = number == world->newest;
    TRIAL_CHECK(has_stopped(world) || world->has_io_faults ||
                    (!is_newest && seat->publisher.error.status == WEIR_FENCED),
                "seed %" PRIu64 ": publisher %u ended: %s", world->seed, number,
                seat->publisher.error.sentence);
    if (!is_newest) {
        seat_close(seat);
    } else if (!has_stopped(world)) {
        seat_close(seat);
        seat_open(world, number);
    }
}

// ---- lives ----

static void begin_life(struct world *world)
{
    const uint64_t now = wr_simulation_changes(world->environment);
    if (trial_one_in(world->random, 2)) {
        wr_simulation_fault_at(world->environment, now + trial_below(world->random, 200),
                               trial_one_in(world->random, 2) ? WR_DISK_CRASH_BEFORE
                                                              : WR_DISK_CRASH_AFTER);
    }
    if (trial_one_in(world->random, 4)) {
        world->has_io_faults = true;
        wr_simulation_fault_at(world->environment, now + trial_below(world->random, 200),
                               WR_DISK_EIO);
    }
    // The publisher may come before the writer.
    if (trial_one_in(world->random, 2)) {
        seat_open(world, world->newest);
        for (uint32_t i = trial_below(world->random, 10); i > 0 && !has_stopped(world); i--) {
            seat_step(world, world->newest);
            wr_simulation_spend(world->environment, 20000);
        }
        writer_open(world);
    } else {
        writer_open(world);
        seat_open(world, world->newest);
    }
}

static void end_life(struct world *world)
{
    const bool is_kill = !has_stopped(world) && trial_one_in(world->random, 2);
    crash_count++;
    wr_simulation_forget_faults(world->environment);
    if (is_kill) {
        node_harness_stop_machine(world->environment);
    } else if (!has_stopped(world)) {
        wr_simulation_kill(world->environment);
    }
    seat_close(&world->seats[0]);
    seat_close(&world->seats[1]);
    writer_close(world);
    if (is_kill) {
        node_harness_go_on(world->environment);
    } else {
        wr_simulation_reboot(world->environment, trial_next(world->random));
    }
    world->has_io_faults = false;
}

static void live(struct world *world)
{
    for (uint32_t i = trial_below(world->random, STEPS); i > 0 && !has_stopped(world); i--) {
        switch (trial_below(world->random, 12)) {
        case 0:
        case 1:
        case 2:
        case 3: writer_step(world); break;
        case 4: wr_simulation_spend(world->environment, trial_below(world->random, 500000)); break;
        case 5: outside_deliver(&world->outside); break;
        case 6: seat_step(world, 1 - world->newest); break;
        case 7:
            if (trial_one_in(world->random, 6)) {
                (void)take_over(world);
            } else if (trial_one_in(world->random, 6) && !world->is_files) {
                // Dies alone: what it has under way in the network goes on.
                seat_close(&world->seats[world->newest]);
                seat_open(world, world->newest);
            }
            break;
        default: seat_step(world, world->newest);
        }
    }
}

// ---- what there must be ----

struct expected {
    uint64_t values[PARTITIONS][VALUES_MAX];
    uint32_t counts[PARTITIONS];
};

static void read_log(struct world *world, struct expected *expected)
{
    weir_reader  *reader = NULL;
    weir_log_rows rows;
    weir_status   status = weir_reader_open(world->log, "events",
                                            &(weir_reader_options){ .is_bounded = true }, &reader);
    while (status == WEIR_OK && (status = weir_reader_next(reader, 0, &rows)) == WEIR_OK) {
        for (uint32_t i = 0; i < rows.count; i++) {
            expected->values[rows.partition][expected->counts[rows.partition]++] =
                ((const outside_event *)rows.rows)[i].value;
        }
    }
    TRIAL_CHECK(status == WEIR_AT_END, "seed %" PRIu64 ": the log: %s", world->seed,
                weir_reader_error(reader));
    weir_reader_close(reader);
}

static void take_part(void *opaque, const char *name)
{
    struct world *world = opaque;
    char          path[200];
    unsigned      partition = 0;
    size_t        length    = 0;
    if (sscanf(name, "part-%*10u-%5u-", &partition) != 1) {
        TRIAL_CHECK(name[0] == '.', "%s is no part", name);
        return;
    }
    (void)snprintf(path, sizeof(path), OUT "/%s", name);
    const char               *at    = wr_simulation_bytes(world->environment, path, &length);
    const char               *end   = at + length;
    struct outside_partition *found = &world->outside.partitions[partition];
    while (at < end) {
        unsigned long long value;
        const char        *newline = memchr(at, '\n', (size_t)(end - at));
        TRIAL_CHECK(newline != NULL && sscanf(at, "{\"value\":%llu}", &value) == 1,
                    "seed %" PRIu64 ": %s has a broken line", world->seed, name);
        check_arrival(world, partition, value);
        found->values = wr_realloc(found->values, (found->count + 1) * sizeof(*found->values));
        found->values[found->count++] = value;
        at                            = newline + 1;
    }
}

static void publish_all(struct world *world)
{
    struct seat *seat = &world->seats[world->newest];
    for (uint32_t i = 0; i < 100000; i++) {
        switch (wr_publisher_step(&seat->publisher, true)) {
        case WR_PUBLISHER_IDLE: return;
        case WR_PUBLISHER_HAS_ENDED:
            TRIAL_CHECK(false, "seed %" PRIu64 ": the last publisher ended: %s", world->seed,
                        seat->publisher.error.sentence);
            return;
        case WR_PUBLISHER_WAITS: wr_simulation_spend(world->environment, 50000); break;
        case WR_PUBLISHER_MOVED: break;
        }
    }
    TRIAL_CHECK(false, "seed %" PRIu64 ": it never comes to an end: %s", world->seed,
                seat->publisher.error.sentence);
}

static void check_all(struct world *world)
{
    static struct expected expected;
    expected = (struct expected){ .counts = { 0 } };
    read_log(world, &expected);
    if (world->is_files) {
        (void)world->environment->ops->list(world->environment, OUT, take_part, world);
    }
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        const struct outside_partition *found = &world->outside.partitions[i];
        TRIAL_CHECK(found->count == expected.counts[i],
                    "seed %" PRIu64 ": partition %u has %u records, not %u", world->seed, i,
                    found->count, expected.counts[i]);
        for (uint32_t j = 0; j < found->count; j++) {
            TRIAL_CHECK(found->values[j] == expected.values[i][j],
                        "seed %" PRIu64 ": record %u of partition %u is %" PRIu64 ", not %" PRIu64,
                        world->seed, j, i, found->values[j], expected.values[i][j]);
        }
    }
}

static void try_once(uint64_t seed)
{
    static struct world world;
    struct trial_random random = { seed };
    world                      = (struct world){ .seed = seed, .random = &random };
    world.environment          = wr_environment_open_simulated(trial_next(&random), false);
    world.is_files             = trial_one_in(&random, 2);
    outside_init(&world.outside);
    world.outside.random  = &random;
    world.outside.one_in  = trial_one_in(&random, 4) ? 0 : 2 + trial_below(&random, 20);
    world.outside.arrives = check_arrival;
    world.outside.opaque  = &world;
    for (uint32_t lives = 1 + trial_below(&random, 4); lives > 0; lives--) {
        begin_life(&world);
        live(&world);
        end_life(&world);
    }
    world.is_calm        = true;
    world.outside.one_in = 0;
    writer_open(&world);
    seat_open(&world, world.newest);
    publish_all(&world);
    for (uint32_t i = 0; i < OUTSIDE_DELAYED; i++) { // what still was under way, too
        outside_deliver(&world.outside);
    }
    check_all(&world);
    seat_close(&world.seats[world.newest]);
    writer_close(&world);
    outside_fini(&world.outside);
    wr_environment_close(world.environment);
}

int main(int argc, char **argv)
{
    uint64_t cases = trial_size(300, 3000, 100000), first;
    if (argc == 4 && strcmp(argv[1], "--from") == 0) {
        first = strtoull(argv[2], NULL, 0);
        cases = strtoull(argv[3], NULL, 0);
    } else {
        first = trial_seed(argc, argv);
    }
    for (uint64_t i = 0; i < cases; i++) {
        try_once(first + i);
    }
    printf("cases: %" PRIu64 "\n%" PRIu64 " crashes, %" PRIu64 " take-overs, %" PRIu64
           " records published\n",
           cases, crash_count, take_over_count, published_count);
    return 0;
}
