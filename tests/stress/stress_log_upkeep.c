// Readers, producers, transactions, retention, compaction and truncation all at once, on the real
// disk. A record carries a checksum of itself, so a reader knows what it was given; offsets only
// grow, but where the reader was told.
#include "log/upkeep.h"
#include "runtime/base/base.h"
#include "tests/support/trial.h"

#include <unistd.h>
#include <weir/call.h>

#define PRODUCERS 2u
#define READERS   4u
#define KEYS      200u

typedef struct stress_row {
    uint64_t key;
    uint64_t sequence; // of the key and its producer
    uint64_t sum;
} stress_row;
WEIR_RECORD(stress_row, key, sequence, sum);

struct stress {
    weir_log             *log;
    const char           *directory;
    bool                  is_done;
    uint64_t              rounds;
    struct trial_watchdog watchdog;
};

struct actor {
    struct stress *stress;
    uint32_t       number;
    uint64_t       seen;
};

static uint64_t sum_of(const stress_row *row) { return wr_mix64(row->key, row->sequence); }

static bool is_done(const struct stress *stress)
{
    return __atomic_load_n(&stress->is_done, __ATOMIC_RELAXED);
}

static void *produce(void *opaque)
{
    struct actor     *actor  = opaque;
    struct stress    *stress = actor->stress;
    weir_producer    *plain, *joined;
    weir_transaction *transaction;
    stress_row        rows[64];
    const char       *name = actor->number == 0 ? "p0" : "p1";
    TRIAL_CHECK(weir_producer_open(stress->log, "t", NULL, &plain) == WEIR_OK, "producer");
    TRIAL_CHECK(weir_producer_open(stress->log, "t", NULL, &joined) == WEIR_OK, "producer");
    TRIAL_CHECK(weir_transaction_open(stress->log, name, &transaction) == WEIR_OK, "transaction");
    TRIAL_CHECK(weir_producer_join(joined, transaction) == WEIR_OK, "join");
    for (uint64_t round = 0; round < stress->rounds; round++) {
        for (uint32_t i = 0; i < 64; i++) {
            const uint64_t key = (round * 64 + i) % KEYS + actor->number * KEYS;
            rows[i]            = (stress_row){ key, round * 64 + i, 0 };
            rows[i].sum        = sum_of(&rows[i]);
        }
        const bool is_joined = round % 3 == 0;
        if (is_joined) {
            TRIAL_CHECK(weir_transaction_begin(transaction) == WEIR_OK, "begin");
        }
        TRIAL_CHECK(weir_producer_append(is_joined ? joined : plain, rows, 64) == WEIR_OK,
                    "append");
        if (is_joined) {
            const bool commits = round % 2 == 0;
            TRIAL_CHECK((commits ? weir_transaction_commit(transaction)
                                 : weir_transaction_abort(transaction)) == WEIR_OK,
                        "%s", weir_transaction_error(transaction));
        }
        trial_progress(&stress->watchdog);
    }
    TRIAL_CHECK(weir_producer_close(plain) == WEIR_OK, "close");
    TRIAL_CHECK(weir_producer_close(joined) == WEIR_OK, "close");
    weir_transaction_close(transaction);
    return NULL;
}

// Checks rows that came next in a partition; returns the offset after them.
static uint64_t check_rows(const weir_log_rows *rows, uint64_t next)
{
    const stress_row *row = rows->rows;
    for (uint32_t i = 0; i < rows->count; i++) {
        const uint64_t offset = rows->offset + (rows->deltas != NULL ? rows->deltas[i] : i);
        TRIAL_CHECK(offset >= next, "offset %" PRIu64 " after %" PRIu64, offset, next);
        TRIAL_CHECK(row[i].sum == sum_of(&row[i]), "offset %" PRIu64 " is not what was written",
                    offset);
        next = offset + 1;
    }
    return next;
}

static void *consume(void *opaque)
{
    struct actor             *actor   = opaque;
    struct stress            *stress  = actor->stress;
    const weir_reader_options options = { .start = WEIR_START_EARLIEST };
    weir_log                 *other   = NULL;
    weir_log                 *log     = stress->log;
    if (actor->number % 2 == 1) { // as another process would
        TRIAL_CHECK(weir_log_open(stress->directory, &(weir_log_options){ .writes = false },
                                  &other) == WEIR_OK,
                    "%s", weir_log_error(other));
        log = other;
    }
    while (!is_done(stress)) {
        weir_reader  *reader;
        uint64_t      next[2] = { 0, 0 };
        weir_log_rows rows;
        TRIAL_CHECK(weir_reader_open(log, "t", &options, &reader) == WEIR_OK, "%s",
                    weir_reader_error(reader));
        for (uint32_t i = 0; i < 500 && !is_done(stress); i++) {
            const weir_status status = weir_reader_next(reader, 20000, &rows);
            if (status == WEIR_OK) {
                next[rows.partition] = check_rows(&rows, next[rows.partition]);
                actor->seen += rows.count;
            } else if (status == WEIR_CONFLICT) { // records were taken back
                next[0] = next[1] = 0;
            } else {
                TRIAL_CHECK(status == WEIR_TIMED_OUT || status == WEIR_NOT_FOUND, "%s: %s",
                            weir_status_name(status), weir_reader_error(reader));
            }
            trial_progress(&stress->watchdog);
        }
        weir_reader_close(reader);
    }
    if (other != NULL) {
        (void)weir_log_close(other);
    }
    return NULL;
}

static void truncate_some(struct stress *stress, struct trial_random *random, uint32_t partition)
{
    weir_partition_info info;
    TRIAL_CHECK(weir_log_partition_info(stress->log, "t", partition, &info) == WEIR_OK, "info");
    const uint64_t    span   = info.end_offset - info.first_offset;
    const uint64_t    some   = span / 8;
    const bool        before = trial_one_in(random, 2);
    const weir_status status =
        before ? weir_log_truncate_before(stress->log, "t", partition, info.first_offset + some)
               : weir_log_truncate_from(stress->log, "t", partition, info.end_offset - some);
    TRIAL_CHECK(status == WEIR_OK || status == WEIR_CONFLICT || status == WEIR_USAGE, "%s",
                weir_log_error(stress->log));
}

static void *upkeep(void *opaque)
{
    struct actor       *actor  = opaque;
    struct stress      *stress = actor->stress;
    struct trial_random random = { 7 };
    while (!is_done(stress)) {
        TRIAL_CHECK(weir_log_compact(stress->log, "t", NULL) == WEIR_OK, "%s",
                    weir_log_error(stress->log));
        TRIAL_CHECK(weir_log_retain(stress->log, "t", NULL) == WEIR_OK, "%s",
                    weir_log_error(stress->log));
        truncate_some(stress, &random, trial_below(&random, 2));
        wr_upkeep_run(stress->log);
        nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
        actor->seen++;
    }
    return NULL;
}

static void silence(void *opaque, const char *sentence)
{
    (void)opaque;
    (void)sentence;
}

int main(int argc, char **argv)
{
    (void)trial_seed(argc, argv);
    char                   directory[] = "/tmp/weir-stress-XXXXXX";
    struct stress          stress      = { .rounds = trial_size(60, 400, 5000) };
    const weir_log_options options     = { .writes = true, .creates = true, .warn = silence };
    const weir_topic       topic       = { .name          = "t",
                                           .type          = &stress_row_type,
                                           .key           = "key",
                                           .partitions    = 2,
                                           .segment_bytes = 64u << 10,
                                           .retain_bytes  = 512u << 10,
                                           .is_compacted  = true };
    struct actor           actors[PRODUCERS + READERS + 1];
    pthread_t              threads[PRODUCERS + READERS + 1];
    TRIAL_CHECK(mkdtemp(directory) != NULL, "no directory");
    stress.directory = directory;
    TRIAL_CHECK(weir_log_open(directory, &options, &stress.log) == WEIR_OK, "%s",
                weir_log_error(stress.log));
    TRIAL_CHECK(weir_log_create_topic(stress.log, &topic) == WEIR_OK, "%s",
                weir_log_error(stress.log));
    trial_watchdog_start(&stress.watchdog);
    for (uint32_t i = 0; i < PRODUCERS + READERS + 1; i++) {
        actors[i]                      = (struct actor){ .stress = &stress, .number = i };
        void *(*const main_of)(void *) = i < PRODUCERS             ? produce
                                         : i < PRODUCERS + READERS ? consume
                                                                   : upkeep;
        TRIAL_CHECK(pthread_create(&threads[i], NULL, main_of, &actors[i]) == 0, "no thread");
    }
    uint64_t seen = 0;
    for (uint32_t i = 0; i < PRODUCERS + READERS + 1; i++) {
        if (i == PRODUCERS) {
            __atomic_store_n(&stress.is_done, true, __ATOMIC_RELAXED);
        }
        (void)pthread_join(threads[i], NULL);
        seen += i >= PRODUCERS && i < PRODUCERS + READERS ? actors[i].seen : 0;
    }
    trial_watchdog_stop(&stress.watchdog);
    TRIAL_CHECK(weir_log_close(stress.log) == WEIR_OK, "closing");
    char     *command = wr_format("rm -r %s", directory);
    const int removed = system(command);
    wr_free(command);
    TRIAL_CHECK(removed == 0, "the directory stays");
    printf("read: %" PRIu64 ", upkeep: %" PRIu64 "\n", seen, actors[PRODUCERS + READERS].seen);
    return 0;
}
