// No reader ever sees half of a transaction: writers put the number of each transaction into every
// partition of two topics, and readers, in this process and as another one would, look on.
//
// What a look is held to. A reader gives out a partition in order, so it may be held back in one
// partition by a transaction that is open there and not yet in another: what two partitions show is
// not the same at every moment. So a look reads all that it gets (`seen`), notes which decisions
// have returned (`done`), and reads all that it gets once more. Then each partition is at its end
// or stops before a transaction that
//   - was not decided when `done` was noted, and
//   - had not been seen in any partition before that: else half of it would be visible;
// and one that is at its end shows everything that had been seen in any other. What is aborted, or
// not asked to be committed yet, is never seen. When all is decided, all partitions show the same.
#include "runtime/base/base.h"
#include "tests/support/trial.h"

#include <unistd.h>
#include <weir/call.h>
#include <weir/log.h>

#define WRITERS    3u
#define READERS    4u
#define TOPICS     2u
#define PARTITIONS 5u // 3 of one topic, then 2 of the other
#define EACH_MAX   4096u

typedef struct atomic_row {
    uint64_t writer;
    uint64_t number;
} atomic_row;
WEIR_RECORD(atomic_row, writer, number);

static const struct {
    const char *name;
    uint32_t    first, count; // of its partitions
} topics[TOPICS] = { { "a", 0, 3 }, { "b", 3, 2 } };

struct play {
    weir_log             *log;
    const char           *directory;
    uint64_t              each;           // transactions of a writer, numbered from 1
    uint64_t              asked[WRITERS]; // the greatest whose decision was asked for
    uint64_t              done[WRITERS];  // the greatest whose decision has returned
    bool                  is_over;
    struct trial_watchdog watchdog;
};

struct actor {
    struct play *play;
    uint32_t     number;
    uint64_t     looks, held;
};

struct view {
    struct play *play;
    weir_reader *committed[TOPICS], *all[TOPICS];
    uint8_t      seen[PARTITIONS][WRITERS][EACH_MAX];
    uint8_t      before[WRITERS][EACH_MAX]; // seen in any partition before the second reading
    uint64_t     done[WRITERS];
};

static bool is_aborting(const atomic_row *row) { return row->number % 5 == 0; }

static void append_all(weir_producer *const *producers, const atomic_row *row)
{
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        for (uint32_t i = 0; i < topics[topic].count; i++) {
            TRIAL_CHECK(weir_producer_append_to(producers[topic], i, row, NULL, 1) == WEIR_OK, "%s",
                        weir_producer_error(producers[topic]));
        }
    }
}

static void *write_some(void *opaque)
{
    struct actor     *actor = opaque;
    struct play      *play  = actor->play;
    weir_producer    *producers[TOPICS];
    weir_transaction *transaction;
    const char        name[2] = { (char)('p' + actor->number), '\0' };
    TRIAL_CHECK(weir_transaction_open(play->log, name, &transaction) == WEIR_OK, "transaction");
    for (uint32_t i = 0; i < TOPICS; i++) {
        TRIAL_CHECK(weir_producer_open(play->log, topics[i].name, NULL, &producers[i]) == WEIR_OK,
                    "producer");
        TRIAL_CHECK(weir_producer_join(producers[i], transaction) == WEIR_OK, "join");
    }
    for (uint64_t number = 1; number <= play->each; number++) {
        const atomic_row row = { actor->number, number };
        TRIAL_CHECK(weir_transaction_begin(transaction) == WEIR_OK, "begin");
        append_all(producers, &row);
        __atomic_store_n(&play->asked[actor->number], number, __ATOMIC_RELEASE);
        TRIAL_CHECK((is_aborting(&row) ? weir_transaction_abort(transaction)
                                       : weir_transaction_commit(transaction)) == WEIR_OK,
                    "%s", weir_transaction_error(transaction));
        __atomic_store_n(&play->done[actor->number], number, __ATOMIC_RELEASE);
        trial_progress(&play->watchdog);
    }
    for (uint32_t i = 0; i < TOPICS; i++) {
        TRIAL_CHECK(weir_producer_close(producers[i]) == WEIR_OK, "close");
    }
    weir_transaction_close(transaction);
    return NULL;
}

// ---- a look ----

static void note_rows(struct view *view, uint32_t topic, const weir_log_rows *rows)
{
    const atomic_row *row = rows->rows;
    for (uint32_t i = 0; i < rows->count; i++) {
        const uint32_t partition = topics[topic].first + rows->partition;
        uint8_t       *seen      = &view->seen[partition][row[i].writer][row[i].number];
        TRIAL_CHECK(!is_aborting(&row[i]), "%" PRIu64 " was aborted and is seen", row[i].number);
        TRIAL_CHECK(row[i].number <=
                        __atomic_load_n(&view->play->asked[row[i].writer], __ATOMIC_ACQUIRE),
                    "%" PRIu64 " is seen before its commit", row[i].number);
        TRIAL_CHECK(*seen == 0, "%" PRIu64 " is seen twice", row[i].number);
        *seen = 1;
    }
}

// Reads all that the readers of committed records get now.
static void read_committed(struct view *view)
{
    weir_log_rows rows;
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        weir_status status;
        while ((status = weir_reader_next(view->committed[topic], 0, &rows)) == WEIR_OK) {
            note_rows(view, topic, &rows);
        }
        TRIAL_CHECK(status == WEIR_TIMED_OUT, "%s", weir_reader_error(view->committed[topic]));
    }
}

static void note_before(struct view *view)
{
    for (uint32_t w = 0; w < WRITERS; w++) {
        for (uint64_t n = 1; n <= view->play->each; n++) {
            for (uint32_t p = 0; p < PARTITIONS; p++) {
                view->before[w][n] |= view->seen[p][w][n];
            }
        }
    }
}

// Whether a partition that is read up to this row may stop here. False: it is one that readers
// pass.
static bool stops_at(const struct view *view, uint32_t partition, const atomic_row *row)
{
    const bool is_done = row->number <= view->done[row->writer];
    if (is_aborting(row)) {
        return !is_done;
    }
    TRIAL_CHECK(!is_done,
                "partition %u hides %" PRIu64 " of writer %" PRIu64 ", committed long ago",
                partition, row->number, row->writer);
    TRIAL_CHECK(!view->before[row->writer][row->number],
                "partition %u hides %" PRIu64 " of writer %" PRIu64 ", which another one shows",
                partition, row->number, row->writer);
    return true;
}

// Whether something holds the committed reader back in a partition; checks that it may.
static bool is_held(struct view *view, uint32_t topic, uint32_t number)
{
    weir_reader  *all = view->all[topic];
    weir_log_rows rows;
    uint64_t      offset, lag;
    TRIAL_CHECK(weir_reader_position(view->committed[topic], number, &offset, &lag) == WEIR_OK,
                "position");
    for (uint32_t i = 0; i < topics[topic].count; i++) { // the others at their ends
        TRIAL_CHECK(weir_reader_seek(all, i, i == number ? offset : UINT64_MAX) == WEIR_OK, "%s",
                    weir_reader_error(all));
    }
    while (weir_reader_next(all, 0, &rows) == WEIR_OK) {
        const atomic_row *row = rows.rows;
        for (uint32_t i = 0; rows.partition == number && i < rows.count; i++) {
            if (stops_at(view, topics[topic].first + number, &row[i])) {
                return true;
            }
        }
    }
    return false;
}

static void check_seen(const struct view *view, uint32_t partition)
{
    for (uint32_t w = 0; w < WRITERS; w++) {
        for (uint64_t n = 1; n <= view->play->each; n++) {
            TRIAL_CHECK(!view->before[w][n] || view->seen[partition][w][n],
                        "partition %u lacks %" PRIu64 " of writer %u, which another one shows",
                        partition, n, w);
        }
    }
}

static void look(struct view *view, struct actor *actor)
{
    read_committed(view);
    note_before(view);
    for (uint32_t w = 0; w < WRITERS; w++) {
        view->done[w] = __atomic_load_n(&view->play->done[w], __ATOMIC_ACQUIRE);
    }
    read_committed(view);
    for (uint32_t topic = 0; topic < TOPICS; topic++) {
        for (uint32_t i = 0; i < topics[topic].count; i++) {
            if (is_held(view, topic, i)) {
                actor->held++;
            } else {
                check_seen(view, topics[topic].first + i);
            }
        }
    }
    actor->looks++;
}

// Everything is decided: every partition shows what was committed, all of it.
static void look_at_last(struct view *view)
{
    read_committed(view);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        for (uint64_t w = 0; w < WRITERS; w++) {
            for (uint64_t n = 1; n <= view->play->each; n++) {
                const bool is_committed = !is_aborting(&(atomic_row){ w, n });
                TRIAL_CHECK(view->seen[p][w][n] == is_committed,
                            "partition %u: %" PRIu64 " of writer %" PRIu64 ": %d", p, n, w,
                            view->seen[p][w][n]);
            }
        }
    }
}

static void view_open(struct view *view, weir_log *log)
{
    const weir_reader_options committed = { .start = WEIR_START_EARLIEST };
    const weir_reader_options all = { .start = WEIR_START_EARLIEST, .reads_uncommitted = true };
    for (uint32_t i = 0; i < TOPICS; i++) {
        TRIAL_CHECK(weir_reader_open(log, topics[i].name, &committed, &view->committed[i]) ==
                            WEIR_OK &&
                        weir_reader_open(log, topics[i].name, &all, &view->all[i]) == WEIR_OK,
                    "%s", weir_log_error(log));
    }
}

static void *look_on(void *opaque)
{
    struct actor *actor = opaque;
    struct play  *play  = actor->play;
    struct view  *view  = wr_alloc(sizeof(*view));
    weir_log     *other = NULL;
    if (actor->number % 2 == 1) { // as another process would
        TRIAL_CHECK(weir_log_open(play->directory, &(weir_log_options){ .writes = false },
                                  &other) == WEIR_OK,
                    "%s", weir_log_error(other));
    }
    view->play = play;
    view_open(view, other != NULL ? other : play->log);
    while (!__atomic_load_n(&play->is_over, __ATOMIC_ACQUIRE)) {
        look(view, actor);
    }
    look_at_last(view);
    for (uint32_t i = 0; i < TOPICS; i++) {
        weir_reader_close(view->committed[i]);
        weir_reader_close(view->all[i]);
    }
    if (other != NULL) {
        (void)weir_log_close(other);
    }
    wr_free(view);
    return NULL;
}

static void play_open(struct play *play)
{
    const weir_log_options options = { .writes = true, .creates = true };
    TRIAL_CHECK(weir_log_open(play->directory, &options, &play->log) == WEIR_OK, "%s",
                weir_log_error(play->log));
    for (uint32_t i = 0; i < TOPICS; i++) {
        const weir_topic topic = { .name          = topics[i].name,
                                   .type          = &atomic_row_type,
                                   .partitions    = topics[i].count,
                                   .segment_bytes = 64u << 10 };
        TRIAL_CHECK(weir_log_create_topic(play->log, &topic) == WEIR_OK, "%s",
                    weir_log_error(play->log));
    }
}

int main(int argc, char **argv)
{
    (void)trial_seed(argc, argv);
    char         directory[] = "/tmp/weir-atomic-XXXXXX";
    struct play  play        = { .each = trial_size(40, 300, EACH_MAX - 1) };
    struct actor actors[WRITERS + READERS];
    pthread_t    threads[WRITERS + READERS];
    uint64_t     looks = 0, held = 0;
    TRIAL_CHECK(mkdtemp(directory) != NULL, "no directory");
    play.directory = directory;
    play_open(&play);
    trial_watchdog_start(&play.watchdog);
    for (uint32_t i = 0; i < WRITERS + READERS; i++) {
        actors[i] = (struct actor){ .play = &play, .number = i };
        TRIAL_CHECK(
            pthread_create(&threads[i], NULL, i < WRITERS ? write_some : look_on, &actors[i]) == 0,
            "no thread");
    }
    for (uint32_t i = 0; i < WRITERS + READERS; i++) {
        if (i == WRITERS) {
            __atomic_store_n(&play.is_over, true, __ATOMIC_RELEASE);
        }
        (void)pthread_join(threads[i], NULL);
        looks += actors[i].looks;
        held += actors[i].held;
    }
    trial_watchdog_stop(&play.watchdog);
    TRIAL_CHECK(weir_log_close(play.log) == WEIR_OK, "closing");
    char     *command = wr_format("rm -r %s", directory);
    const int removed = system(command);
    wr_free(command);
    TRIAL_CHECK(removed == 0, "the directory stays");
    printf("looks: %" PRIu64 ", partitions held back: %" PRIu64 "\n", looks, held);
    return 0;
}
