// A slot is read whole or not at all: a writer publishes positions whose numbers belong together,
// readers that see two of different publications have found a tear. A reader that saw a word sees
// at least what was published before the word changed. Another writer takes the memory over
// meanwhile.
#include "log/live.h"
#include "tests/support/trial.h"

#define PARTITIONS   3u
#define READERS      3u
#define OF_ONE_EPOCH 20000u

struct round {
    struct wr_environment *environment;
    char                  *path;
    uint64_t               count;
    uint64_t               published; // the last number published in all slots, and then woken
    bool                   is_over;
};

struct reader {
    struct round *round;
    pthread_t     thread;
    uint64_t      reads, voids;
};

static struct trial_watchdog watchdog;

static struct wr_live_position position_of(uint64_t n)
{
    return (struct wr_live_position){ .readable      = n,
                                      .segment_base  = n * 3,
                                      .segment_bytes = n * 5,
                                      .first_offset  = n / 2,
                                      .durable       = n,
                                      .cut           = ~n };
}

// Reads a slot; false: void. The numbers must be of one publication, not before `least`.
static bool read_slot(struct reader *reader, const struct wr_live *live, uint32_t partition,
                      uint64_t least)
{
    struct wr_live_position position;
    if (!wr_live_read(live, partition, &position)) {
        reader->voids++;
        return false;
    }
    const struct wr_live_position whole = position_of(position.readable);
    TRIAL_CHECK(memcmp(&whole, &position, sizeof(whole)) == 0, "torn at %" PRIu64,
                position.readable);
    TRIAL_CHECK(position.readable >= least, "%" PRIu64 " after %" PRIu64 " was told",
                position.readable, least);
    reader->reads++;
    return true;
}

static void *reader_main(void *opaque)
{
    struct reader  *reader = opaque;
    struct round   *round  = reader->round;
    int             error;
    struct wr_live *live = wr_live_open_reader(round->environment, round->path, PARTITIONS, &error);
    TRIAL_CHECK(live != NULL, "error %d", error);
    while (!__atomic_load_n(&round->is_over, __ATOMIC_ACQUIRE)) {
        const uint64_t least = __atomic_load_n(&round->published, __ATOMIC_ACQUIRE);
        const uint32_t word  = wr_live_word_now(live);
        for (uint32_t i = 0; i < PARTITIONS; i++) {
            (void)read_slot(reader, live, i, least);
        }
        TRIAL_CHECK(wr_live_is_current(live), "it is of this boot");
        round->environment->ops->wait_word(round->environment, wr_live_word(live), word, 50);
        trial_progress(&watchdog);
    }
    wr_live_close(live);
    return NULL;
}

// One writer after the other, each for so many publications.
static void write_all(struct round *round)
{
    uint64_t n = 0;
    for (uint32_t epoch = 2; n < round->count; epoch++) {
        int             error;
        struct wr_live *live =
            wr_live_open_writer(round->environment, round->path, PARTITIONS, epoch, &error);
        TRIAL_CHECK(live != NULL, "error %d", error);
        for (uint32_t i = 0; i < OF_ONE_EPOCH && n < round->count; i++) {
            const struct wr_live_position position = position_of(++n);
            for (uint32_t p = 0; p < PARTITIONS; p++) {
                wr_live_publish(live, p, &position);
            }
            __atomic_store_n(&round->published, n, __ATOMIC_RELEASE);
            wr_live_wake_any(live);
        }
        wr_live_close(live);
        trial_progress(&watchdog);
    }
}

static uint64_t round_run(struct round *round)
{
    struct reader   readers[READERS];
    int             error;
    uint64_t        reads = 0;
    struct wr_live *live =
        wr_live_open_writer(round->environment, round->path, PARTITIONS, 1, &error);
    TRIAL_CHECK(live != NULL, "error %d", error);
    wr_live_close(live);
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){ .round = round };
        TRIAL_CHECK(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]) == 0,
                    "no thread");
    }
    write_all(round);
    __atomic_store_n(&round->is_over, true, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        reads += readers[i].reads;
    }
    return reads;
}

int main(int argc, char **argv)
{
    (void)trial_seed(argc, argv);
    const char  *temporary = getenv("TMPDIR");
    char *const  directory = wr_format("%s/weir-live-XXXXXX", temporary ? temporary : "/tmp");
    struct round round     = { .environment = wr_environment_open_real(),
                               .count       = trial_size(100000, 600000, 6000000) };
    TRIAL_CHECK(mkdtemp(directory) != NULL, "no directory %s", directory);
    round.path = wr_format("%s/live", directory);
    trial_watchdog_start(&watchdog);
    const uint64_t reads = round_run(&round);
    trial_watchdog_stop(&watchdog);
    (void)unlink(round.path);
    (void)rmdir(directory);
    wr_environment_close(round.environment);
    wr_free(round.path);
    wr_free(directory);
    printf("%" PRIu64 " publications, %" PRIu64 " slots read\n", round.count, reads);
    printf("cases: %" PRIu64 "\n", round.count);
    return 0;
}
