// Every change of the disk that one life of a log makes, struck by every fault: what was
// acknowledged, or seen by a reader, is there afterwards.
//
//   the run     make a log and two topics, append with rolls, decide transactions, commit a
//               consumer, compact, truncate at both ends, alter, retain, close; open again, decide
//               what was prepared, append, close
//   the fault   at one change of the run; the run goes on as far as it can
//   after it    the process, or the machine, starts again; the log is opened, compared with the
//               model, appended to, closed; the machine starts again; compared by a reader alone
//               and by a writer
//
// A second sweep has the machine stop twice: in a shorter run, and in the recovery from that.
//
// The model keeps for each partition what was appended, in order, and how much of that must be
// there: acknowledged, or given to a reader. What follows may be there, up to some record.
//
// usage: fault_log_sweep [-v | -a] [FAULT CHANGE [SEED]]: everything, or one case. -v: tell what
// each call said; -a: each case in a process of its own, so that all failures are told.
#include "log/log.h"

#include "../support/trial.h"
#include "watched_disk.h"

#include <malloc.h>
#include <sys/wait.h>
#include <weir/call.h>
#include <weir/record.h>

#define DIRECTORY     "/log"
#define PARTITIONS    3u // plain 0, plain 1, keyed 0
#define RECORDS_MAX   400u
#define TRANSACTIONS  5u
#define KEYS          8
#define BODY_BYTES    2600u
#define SEGMENT_BYTES (64u << 10)
#define RETAIN_BYTES  (120u << 10)
#define FLUSH_US      WEIR_SECONDS(8)
#define REFUSALS      7u // until there is room again
#define ATTEMPTS_MAX  8u
#define MANY          100000u

typedef struct row {
    uint64_t id;
    int64_t  key;
    weir_str body;
} row;
WEIR_RECORD(row, id, key, body);

enum fault { NONE, EIO_ONCE, FULL, SHORT, UNSYNCED, CRASH_BEFORE, CRASH_AFTER, KILL, FAULTS };
static const char *const fault_names[FAULTS] = {
    "none", "eio", "full", "short", "unsynced", "crash-before", "crash-after", "kill"
};

// ---- the model ----

struct record {
    uint64_t id;
    int64_t  key;
    uint32_t transaction; // 0: none
    bool     is_deletion;
};

struct history {
    const char   *topic;
    uint32_t      number;
    struct record records[RECORDS_MAX];
    uint64_t      count;
    uint64_t      sure;   // as many must be there
    uint64_t      known;  // records[] from `count` to here were taken back; a reader alone may
                          // see them, until a writer has carried that out again
    uint64_t first_least; // the first offset must be at least this
    uint64_t first_most;  // and at most this
    uint64_t appended[RECORDS_MAX]; // offsets of what the producer that is open appended
    uint64_t appended_count;
    uint64_t told;       // as many of these were known to be acknowledged
    bool     may_be_cut; // whether a truncation to `cut_at` was carried out is not known
    uint64_t cut_at;
};

struct attempt { // transactions
    bool     may_be_committed, may_be_aborted;
    uint32_t rows;
};

struct model {
    struct history histories[PARTITIONS];
    struct attempt transactions[TRANSACTIONS];
    uint32_t       transaction_count; // 1, 2, ... are used
    uint64_t       ids;
    bool           is_made; // the log was acknowledged
    bool           has_plain, has_keyed;
    bool           has_retention;
    uint64_t       consumed[2][ATTEMPTS_MAX]; // offsets that a commit named, the first of them sure
    uint32_t       consumed_count;
    bool           consumed_is_sure;
};

// One run: the model, and the handles of the process.
struct run {
    struct model         model;
    struct watched_disk *disk;
    weir_log            *log;
    weir_log            *reading_log; // a handle that only reads; its reader runs along
    weir_reader         *follower;
    weir_producer       *plain, *keyed;
    weir_transaction    *transaction;
    uint32_t             open_transaction; // begun and not decided; 0: none
    uint32_t             warnings;
    bool                 is_lax;      // a reader alone, after a fault, reads
    bool                 is_stuck;    // a transaction could not be decided
    bool                 loses_names; // the fault is a directory's sync that loses what it should
                                      // keep: only the machine's restart shows what is there
};

static char     now_doing[200]; // for messages
static bool     is_verbose, is_apart;
static uint64_t failed_count;

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

typedef unsigned long long number; // for printing

// ---- rows ----

static void body_of(uint64_t id, char *body)
{
    uint64_t random = id;
    for (uint32_t i = 0; i < BODY_BYTES; i += 8) {
        random             = wr_mix64(random, i);
        const uint64_t put = random;
        memcpy(body + i, &put, 8);
    }
}

static bool row_is(const row *at, const struct record *record)
{
    static char body[BODY_BYTES];
    body_of(record->id, body);
    return at->id == record->id && at->key == record->key && at->body.length == BODY_BYTES &&
           memcmp(weir_str_bytes(&at->body), body, BODY_BYTES) == 0;
}

// ---- what calls may say ----

// Whether a status is one that a failing disk may cause.
static bool is_expected(weir_status status)
{
    return status == WEIR_FULL || status == WEIR_DISK_FAILED || status == WEIR_UNREACHABLE ||
           status == WEIR_TIMED_OUT;
}

// True if the call succeeded. One that did not has a reason, and says so in a sentence.
static bool has_succeeded(const struct run *run, weir_status status, const char *call,
                          const char *sentence)
{
    if (status != WEIR_OK) {
        if (is_verbose) {
            printf("    %s: %s: %s\n", call, weir_status_name(status), sentence);
        }
        REQUIRE(sentence != NULL && strlen(sentence) > 20, "%s says %s and \"%s\"", call,
                weir_status_name(status), sentence == NULL ? "" : sentence);
        REQUIRE(is_expected(status) || watched_disk_has_ended(run->disk), "%s says %s: %s", call,
                weir_status_name(status), sentence);
    }
    return status == WEIR_OK;
}

// The call first, and its handle's sentence afterwards.
static weir_status last_status;
#define SUCCEEDED(run, called, call, sentence)                                                     \
    (last_status = (called), has_succeeded(run, last_status, call, sentence))

static void count_warning(void *opaque, const char *sentence)
{
    struct run *run = opaque;
    run->warnings++;
    if (is_verbose) {
        printf("    warned: %s\n", sentence);
    }
}

// ---- the reader that runs along ----

static struct history *history_of(struct model *model, const char *topic, uint32_t partition)
{
    return strcmp(topic, "keyed") == 0 ? &model->histories[2] : &model->histories[partition];
}

// What a reader got is what was appended there, and must stay.
static void take_rows(struct run *run, const char *topic, const weir_log_rows *rows)
{
    struct history *history = history_of(&run->model, topic, rows->partition);
    for (uint32_t i = 0; i < rows->count; i++) {
        const uint64_t offset = rows->offset + (rows->deltas != NULL ? rows->deltas[i] : i);
        const row     *at     = (const row *)rows->rows + i;
        REQUIRE(offset < (run->is_lax ? history->known : history->count),
                "%s %u: read offset %llu of %llu", topic, rows->partition, (number)offset,
                (number)history->count);
        REQUIRE(row_is(at, &history->records[offset]), "%s %u: offset %llu has id %llu, not %llu",
                topic, rows->partition, (number)offset, (number)at->id,
                (number)history->records[offset].id);
        if (!run->is_lax && history->sure <= offset) {
            history->sure = offset + 1;
        }
    }
}

static void follower_open(struct run *run)
{
    const weir_log_options    options = { .warn = count_warning, .opaque = run };
    const weir_reader_options reads   = { .type              = &row_type,
                                          .start             = WEIR_START_EARLIEST,
                                          .reads_uncommitted = true };
    weir_status status = wr_log_open_in(&run->disk->base, DIRECTORY, &options, &run->reading_log);
    if (SUCCEEDED(run, status, "open for reading", weir_log_error(run->reading_log))) {
        status = weir_reader_open(run->reading_log, "plain", &reads, &run->follower);
        (void)SUCCEEDED(run, status, "open a reader",
                        status == WEIR_OK ? "" : weir_log_error(run->reading_log));
    }
}

static void follow(struct run *run)
{
    weir_log_rows rows;
    weir_status   status = WEIR_OK;
    while (run->follower != NULL && status != WEIR_TIMED_OUT &&
           !watched_disk_has_ended(run->disk)) {
        status = weir_reader_next(run->follower, 0, &rows);
        if (status == WEIR_OK) {
            take_rows(run, "plain", &rows);
        }
        REQUIRE(status == WEIR_OK || status == WEIR_TIMED_OUT || status == WEIR_NOT_FOUND ||
                    status == WEIR_CONFLICT || watched_disk_has_ended(run->disk),
                "the reader that runs along says %s: %s", weir_status_name(status),
                weir_reader_error(run->follower));
    }
}

// ---- steps of a life ----

static weir_topic plain_topic(bool has_retention)
{
    return (weir_topic){ .name          = "plain",
                         .type          = &row_type,
                         .partitions    = 2,
                         .segment_bytes = SEGMENT_BYTES,
                         .retain_bytes  = has_retention ? RETAIN_BYTES : 0 };
}

static weir_topic keyed_topic(void)
{
    return (weir_topic){ .name          = "keyed",
                         .type          = &row_type,
                         .key           = "key",
                         .compression   = WEIR_COMPRESSION_LZ4,
                         .segment_bytes = SEGMENT_BYTES,
                         .is_compacted  = true };
}

static bool can_go_on(const struct run *run)
{
    return run->log != NULL && !watched_disk_has_ended(run->disk);
}

// A fault strikes once: a second try may succeed.
static void open_log(struct run *run)
{
    const weir_log_options options = {
        .writes = true, .creates = true, .warn = count_warning, .opaque = run
    };
    const int tries_most = run->loses_names ? 1 : 2;
    for (int tries = 0;
         tries < tries_most && run->log == NULL && !watched_disk_has_ended(run->disk); tries++) {
        const weir_status status = wr_log_open_in(&run->disk->base, DIRECTORY, &options, &run->log);
        if (!SUCCEEDED(run, status, "open", weir_log_error(run->log))) {
            (void)weir_log_close(run->log);
            run->log = NULL;
            watched_disk_forget_failures(run->disk);
        }
    }
    run->model.is_made |= run->log != NULL;
}

static void create_topics(struct run *run)
{
    const weir_topic plain = plain_topic(false), keyed = keyed_topic();
    if (can_go_on(run)) {
        weir_status status = weir_log_create_topic(run->log, &plain);
        run->model.has_plain |= SUCCEEDED(run, status, "create plain", weir_log_error(run->log));
        status = weir_log_create_topic(run->log, &keyed);
        run->model.has_keyed |= SUCCEEDED(run, status, "create keyed", weir_log_error(run->log));
    }
}

static void open_producers(struct run *run)
{
    if (can_go_on(run) && run->model.has_plain) {
        const weir_status status = weir_producer_open(run->log, "plain", NULL, &run->plain);
        (void)SUCCEEDED(run, status, "open a producer", weir_log_error(run->log));
    }
    if (can_go_on(run) && run->model.has_keyed) {
        const weir_status status = weir_producer_open(run->log, "keyed", NULL, &run->keyed);
        (void)SUCCEEDED(run, status, "open a producer", weir_log_error(run->log));
    }
}

// Appends `count` rows as one batch.
static void append(struct run *run, struct history *history, uint32_t count, bool deletes)
{
    static char    bodies[32][BODY_BYTES];
    static row     rows[32];
    static uint8_t changes[32];
    const bool     is_keyed = history == &run->model.histories[2];
    weir_producer *producer = is_keyed ? run->keyed : run->plain;
    if (producer == NULL || watched_disk_has_ended(run->disk)) {
        return;
    }
    WR_ASSERT(count <= 32 && history->count + count <= RECORDS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct record *record = &history->records[history->count + i];
        *record               = (struct record){ .id          = ++run->model.ids,
                                                 .key         = (int64_t)(run->model.ids % KEYS),
                                                 .transaction = run->open_transaction,
                                                 .is_deletion = deletes };
        body_of(record->id, bodies[i]);
        rows[i]    = (row){ record->id, record->key, weir_str_of(bodies[i], BODY_BYTES) };
        changes[i] = deletes ? WEIR_DELETE : WEIR_INSERT;
    }
    const weir_status status =
        weir_producer_append_to(producer, history->number, rows, deletes ? changes : NULL, count);
    if (SUCCEEDED(run, status, "append", weir_producer_error(producer))) {
        for (uint32_t i = 0; i < count; i++) {
            history->appended[history->appended_count++] = history->count++;
        }
        history->known = history->count;
        if (run->open_transaction != 0) {
            run->model.transactions[run->open_transaction].rows += count;
        }
    }
}

// What the producer says is acknowledged must stay.
static void note_acknowledged(const weir_producer *producer, struct history *history)
{
    uint64_t       next;
    const uint64_t count = weir_producer_acknowledged(producer, history->number, &next);
    REQUIRE(count <= history->appended_count && count >= history->told,
            "%s %u: %llu rows are acknowledged, after %llu; %llu were appended", history->topic,
            history->number, (number)count, (number)history->told, (number)history->appended_count);
    if (count > history->told) {
        const uint64_t end = history->appended[count - 1] + 1;
        REQUIRE(next == end, "%s %u: the row acknowledged last got offset %llu, not %llu",
                history->topic, history->number, (number)next - 1, (number)end - 1);
        history->told       = count;
        history->sure       = history->sure > end ? history->sure : end;
        history->may_be_cut = history->may_be_cut && end <= history->cut_at;
    }
}

static void flush(struct run *run)
{
    struct model *model = &run->model;
    if (run->plain != NULL && !watched_disk_has_ended(run->disk)) {
        (void)SUCCEEDED(run, weir_producer_flush(run->plain, FLUSH_US), "flush",
                        weir_producer_error(run->plain));
        note_acknowledged(run->plain, &model->histories[0]);
        note_acknowledged(run->plain, &model->histories[1]);
    }
    if (run->keyed != NULL && !watched_disk_has_ended(run->disk)) {
        (void)SUCCEEDED(run, weir_producer_flush(run->keyed, FLUSH_US), "flush",
                        weir_producer_error(run->keyed));
        note_acknowledged(run->keyed, &model->histories[2]);
    }
    follow(run);
}

// ---- transactions ----

static void open_transactions(struct run *run)
{
    if (can_go_on(run)) {
        const weir_status status = weir_transaction_open(run->log, "t", &run->transaction);
        if (!SUCCEEDED(run, status, "open a transaction",
                       weir_transaction_error(run->transaction))) {
            weir_transaction_close(run->transaction);
            run->transaction = NULL;
        }
    }
}

// No more of them in this life: one is not decided.
static void transactions_end(struct run *run)
{
    if (run->plain != NULL) {
        (void)weir_producer_join(run->plain, NULL);
    }
    weir_transaction_close(run->transaction);
    run->transaction = NULL;
    run->is_stuck    = true;
}

static bool begin(struct run *run)
{
    if (run->transaction == NULL || run->plain == NULL || watched_disk_has_ended(run->disk) ||
        run->open_transaction != 0) {
        return false;
    }
    if (!SUCCEEDED(run, weir_transaction_begin(run->transaction), "begin",
                   weir_transaction_error(run->transaction)) ||
        !SUCCEEDED(run, weir_producer_join(run->plain, run->transaction), "join",
                   weir_producer_error(run->plain))) {
        return false;
    }
    run->open_transaction = ++run->model.transaction_count;
    WR_ASSERT(run->open_transaction < TRANSACTIONS);
    run->model.transactions[run->open_transaction] = (struct attempt){ .may_be_aborted = true };
    return true;
}

static void leave(struct run *run)
{
    run->open_transaction = 0;
    if (run->plain != NULL) {
        (void)weir_producer_join(run->plain, NULL);
    }
    if (run->plain != NULL && !watched_disk_has_ended(run->disk)) {
        note_acknowledged(run->plain, &run->model.histories[0]);
        note_acknowledged(run->plain, &run->model.histories[1]);
    }
}

enum ending { COMMITS, ABORTS, PREPARES };

static void transact(struct run *run, enum ending ending, bool prepares)
{
    if (!begin(run)) {
        return;
    }
    struct attempt *attempt = &run->model.transactions[run->open_transaction];
    append(run, &run->model.histories[0], 2, false);
    append(run, &run->model.histories[1], 2, false);
    if (prepares) {
        const weir_status status  = weir_transaction_prepare(run->transaction, NULL);
        attempt->may_be_committed = true; // by whoever resolves it later
        (void)SUCCEEDED(run, status, "prepare", weir_transaction_error(run->transaction));
    }
    if (ending == COMMITS) {
        attempt->may_be_committed = true;
        if (SUCCEEDED(run, weir_transaction_commit(run->transaction), "commit",
                      weir_transaction_error(run->transaction))) {
            attempt->may_be_aborted = false;
        } else if (!watched_disk_has_ended(run->disk) &&
                   SUCCEEDED(run, weir_transaction_abort(run->transaction), "abort",
                             weir_transaction_error(run->transaction))) {
            attempt->may_be_committed = false;
        } else {
            transactions_end(run);
        }
    } else if (ending == ABORTS) {
        const bool was_prepared = prepares;
        const bool is_done      = SUCCEEDED(run, weir_transaction_abort(run->transaction), "abort",
                                            weir_transaction_error(run->transaction));
        if (is_done || !was_prepared) {
            attempt->may_be_committed = false;
        }
        if (!is_done) {
            transactions_end(run);
        }
    }
    leave(run);
    follow(run);
}

static uint64_t prepared[TRANSACTIONS + 4];
static uint32_t prepared_count;

static void add_prepared(void *opaque, uint64_t id)
{
    (void)opaque;
    REQUIRE(prepared_count < TRANSACTIONS, "more transactions are prepared than there were");
    prepared[prepared_count++] = id;
}

// Commits what is prepared.
static void resolve(struct run *run)
{
    if (run->transaction == NULL || watched_disk_has_ended(run->disk)) {
        return;
    }
    prepared_count     = 0;
    weir_status status = weir_transaction_list_prepared(run->transaction, add_prepared, NULL);
    (void)SUCCEEDED(run, status, "list", weir_transaction_error(run->transaction));
    for (uint32_t i = 0; i < prepared_count && !watched_disk_has_ended(run->disk); i++) {
        status = weir_transaction_resolve(run->transaction, prepared[i], true);
        (void)SUCCEEDED(run, status, "resolve", weir_transaction_error(run->transaction));
    }
}

// ---- upkeep ----

static void truncate_before(struct run *run, struct history *history, uint64_t offset)
{
    if (!can_go_on(run) || !run->model.has_plain || offset > history->sure) {
        return;
    }
    history->first_most = history->first_most > offset ? history->first_most : offset;
    const weir_status status =
        weir_log_truncate_before(run->log, history->topic, history->number, offset);
    if (SUCCEEDED(run, status, "truncate before", weir_log_error(run->log))) {
        history->first_least = offset;
    }
}

static void history_cut(struct history *history, uint64_t offset)
{
    history->count = offset;
    history->sure  = history->sure < offset ? history->sure : offset;
}

// Whether a transaction is neither committed nor aborted, or may be.
static bool has_undecided(const struct model *model)
{
    for (uint32_t i = 1; i <= model->transaction_count; i++) {
        if (model->transactions[i].may_be_committed && model->transactions[i].may_be_aborted) {
            return true;
        }
    }
    return false;
}

static void truncate_from(struct run *run, struct history *history)
{
    if (!can_go_on(run) || run->is_stuck || has_undecided(&run->model) || !run->model.has_plain ||
        history->sure < 3 || history->sure != history->count) {
        return;
    }
    const uint64_t      offset = history->count - 2;
    weir_partition_info info;
    const weir_status   status =
        weir_log_truncate_from(run->log, history->topic, history->number, offset);
    if (SUCCEEDED(run, status, "truncate from", weir_log_error(run->log))) {
        history_cut(history, offset);
        return;
    }
    // Both are right, until something that was appended behind it is acknowledged.
    history->may_be_cut = true;
    history->cut_at     = offset;
    if (!watched_disk_has_ended(run->disk) && last_status == WEIR_FULL &&
        weir_log_partition_info(run->log, history->topic, history->number, &info) == WEIR_OK &&
        info.end_offset == offset) {
        history_cut(history, offset);
    }
}

static void compact(struct run *run)
{
    if (can_go_on(run) && run->model.has_keyed) {
        uint64_t bytes;
        (void)SUCCEEDED(run, weir_log_compact(run->log, "keyed", &bytes), "compact",
                        weir_log_error(run->log));
    }
}

static void alter_and_retain(struct run *run)
{
    const weir_topic plain = plain_topic(true);
    if (can_go_on(run) && run->model.has_plain) {
        uint64_t bytes;
        run->model.has_retention = true;
        (void)SUCCEEDED(run, weir_log_create_topic(run->log, &plain), "alter",
                        weir_log_error(run->log));
        (void)SUCCEEDED(run, weir_log_retain(run->log, "plain", &bytes), "retain",
                        weir_log_error(run->log));
    }
    follow(run);
}

// ---- consumers ----

// Reads `batches` batches as a consumer, and commits.
static void consume(struct run *run, uint32_t batches)
{
    const weir_reader_options options = { .consumer = "c", .type = &row_type };
    struct model             *model   = &run->model;
    weir_reader              *reader  = NULL;
    weir_log_rows             rows;
    if (!can_go_on(run) || !model->has_plain) {
        return;
    }
    weir_status status = weir_reader_open(run->log, "plain", &options, &reader);
    if (SUCCEEDED(run, status, "open a consumer", weir_log_error(run->log))) {
        for (uint32_t i = 0; i < batches; i++) {
            status = weir_reader_next(reader, 0, &rows);
            if (status == WEIR_OK) {
                take_rows(run, "plain", &rows);
            }
        }
        WR_ASSERT(model->consumed_count < ATTEMPTS_MAX);
        uint64_t lag;
        for (uint32_t p = 0; p < 2; p++) {
            (void)weir_reader_position(reader, p, &model->consumed[p][model->consumed_count], &lag);
        }
        model->consumed_count++;
        status = weir_reader_commit(reader);
        if (SUCCEEDED(run, status, "commit offsets", weir_reader_error(reader))) {
            for (uint32_t p = 0; p < 2; p++) {
                model->consumed[p][0] = model->consumed[p][model->consumed_count - 1];
            }
            model->consumed_count   = 1;
            model->consumed_is_sure = true;
        }
    }
    weir_reader_close(reader);
}

// ---- lives ----

static void close_writer(struct run *run)
{
    struct model *model = &run->model;
    if (run->transaction != NULL) {
        weir_transaction_close(run->transaction);
    }
    weir_producer *producers[] = { run->plain, run->keyed };
    for (int i = 0; i < 2; i++) {
        if (producers[i] != NULL) {
            (void)weir_producer_close(producers[i]);
        }
    }
    if (run->log != NULL) {
        const weir_status status = weir_log_close(run->log);
        if (status == WEIR_OK && !watched_disk_has_ended(run->disk)) {
            for (uint32_t i = 0; i < PARTITIONS; i++) { // a close acknowledges
                struct history *history = &model->histories[i];
                history->sure           = history->may_be_cut ? history->sure : history->count;
            }
        } else if (is_verbose) {
            printf("    close: %s\n", weir_status_name(status));
        }
    }
    watched_disk_forget_failures(run->disk); // who opens it again looks at what is on the disk
    run->log              = NULL;
    run->plain            = NULL;
    run->keyed            = NULL;
    run->transaction      = NULL;
    run->open_transaction = 0;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        model->histories[i].appended_count = 0;
        model->histories[i].told           = 0;
    }
}

static void close_reading(struct run *run)
{
    weir_reader_close(run->follower);
    if (run->reading_log != NULL) {
        (void)weir_log_close(run->reading_log);
    }
    run->follower    = NULL;
    run->reading_log = NULL;
}

static void first_life(struct run *run)
{
    struct history *h = run->model.histories;
    open_log(run);
    create_topics(run);
    open_producers(run);
    open_transactions(run);
    append(run, &h[0], 6, false);
    append(run, &h[1], 5, false);
    flush(run);
    if (run->log != NULL && !watched_disk_has_ended(run->disk) && run->model.has_plain) {
        follower_open(run);
    }
    for (int i = 0; i < 6; i++) {
        append(run, &h[2], 9, i == 4);
        append(run, &h[0], 9, false);
        flush(run);
    }
    consume(run, 2);
    transact(run, COMMITS, true);
    transact(run, ABORTS, false);
    compact(run);
    truncate_before(run, &h[1], 2);
    truncate_from(run, &h[1]);
    append(run, &h[1], 3, false);
    flush(run);
    alter_and_retain(run);
    wr_simulation_spend(run->disk->inner, WEIR_SECONDS(1));
    append(run, &h[1], 1, false);
    flush(run);
    transact(run, PREPARES, true);
    close_writer(run);
}

// The ends are where they may be; from now on they are sure. A reader alone, after a crash, sees
// only what something vouches for: `is_lax`.
static void settle_ends(struct run *run, weir_log *log, struct history *history, bool is_lax)
{
    weir_partition_info info;
    const weir_status status = weir_log_partition_info(log, history->topic, history->number, &info);
    if (watched_disk_has_ended(run->disk)) {
        return;
    }
    REQUIRE(status == WEIR_OK, "%s %u: %s", history->topic, history->number, weir_log_error(log));
    const bool is_cut = history->may_be_cut && info.end_offset == history->cut_at;
    if (is_lax) {
        return;
    }
    REQUIRE(is_cut || info.end_offset >= history->sure,
            "%s %u ends at %llu, but the records up to %llu were acknowledged or read",
            history->topic, history->number, (number)info.end_offset, (number)history->sure);
    REQUIRE(info.end_offset <= history->count, "%s %u ends at %llu; %llu were appended",
            history->topic, history->number, (number)info.end_offset, (number)history->count);
    history->count      = info.end_offset;
    history->sure       = info.end_offset;
    history->may_be_cut = false;
    REQUIRE(info.first_offset >= history->first_least &&
                (info.first_offset <= history->first_most || run->model.has_retention),
            "%s %u begins at %llu; expected %llu to %llu", history->topic, history->number,
            (number)info.first_offset, (number)history->first_least, (number)history->first_most);
    // Retention keeps as much as it was told to.
    REQUIRE(info.first_offset <= history->first_most ||
                (history->count - info.first_offset) * BODY_BYTES * 11 / 10 >=
                    RETAIN_BYTES - SEGMENT_BYTES,
            "%s %u begins at %llu and ends at %llu: retention took too much", history->topic,
            history->number, (number)info.first_offset, (number)history->count);
    history->first_most =
        history->first_most > info.first_offset ? history->first_most : info.first_offset;
}

static void settle_all(struct run *run, weir_log *log, bool is_lax)
{
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        if (i == 2 ? run->model.has_keyed : run->model.has_plain) {
            settle_ends(run, log, &run->model.histories[i], is_lax);
        }
    }
}

static void second_life(struct run *run)
{
    struct history *h = run->model.histories;
    open_log(run);
    if (can_go_on(run)) {
        settle_all(run, run->log, false);
    }
    open_transactions(run);
    resolve(run);
    open_producers(run);
    append(run, &h[0], 4, false);
    append(run, &h[2], 9, false);
    flush(run);
    consume(run, 3);
    compact(run);
    close_writer(run);
    close_reading(run);
}

// ---- what must be there ----

// Reads a topic from its beginning and marks in `is_seen` what is there; the rows are the model's.
static void read_all(struct run *run, weir_log *log, const char *topic, bool reads_uncommitted,
                     bool is_seen[PARTITIONS][RECORDS_MAX])
{
    const weir_reader_options options = { .type              = &row_type,
                                          .start             = WEIR_START_EARLIEST,
                                          .is_bounded        = true,
                                          .reads_uncommitted = reads_uncommitted };
    const uint32_t            shift   = strcmp(topic, "keyed") == 0 ? 2 : 0;
    weir_reader              *reader  = NULL;
    weir_log_rows             rows;
    weir_status               status = weir_reader_open(log, topic, &options, &reader);
    REQUIRE(status == WEIR_OK, "a reader of %s: %s", topic, weir_log_error(log));
    while ((status = weir_reader_next(reader, WEIR_SECONDS(1), &rows)) == WEIR_OK) {
        take_rows(run, topic, &rows);
        for (uint32_t i = 0; i < rows.count; i++) {
            const uint64_t offset = rows.offset + (rows.deltas != NULL ? rows.deltas[i] : i);
            bool          *seen   = &is_seen[rows.partition + shift][offset];
            REQUIRE(!*seen, "%s %u: offset %llu comes twice", topic, rows.partition,
                    (number)offset);
            *seen = true;
        }
    }
    REQUIRE(status == WEIR_AT_END, "reading %s ends with %s: %s", topic, weir_status_name(status),
            weir_reader_error(reader));
    weir_reader_close(reader);
}

// From the first that is there on.
static uint64_t first_seen(const struct history *history, const bool *is_seen)
{
    uint64_t first = history->first_least;
    while (first < history->count && !is_seen[first]) {
        first++;
    }
    return first;
}

static void check_dense(const struct history *history, const bool *is_seen)
{
    const uint64_t first = first_seen(history, is_seen);
    for (uint64_t i = first; i < history->count; i++) {
        REQUIRE(is_seen[i], "%s %u: offset %llu of [%llu, %llu) is missing", history->topic,
                history->number, (number)i, (number)first, (number)history->count);
    }
}

// Of a compacted topic the last record of each key is there (a deletion may be gone in time, but
// not in this run).
static void check_keys(const struct history *history, const bool *is_seen)
{
    for (int64_t key = 0; key < KEYS; key++) {
        for (uint64_t i = history->count; i > 0; i--) {
            if (history->records[i - 1].key == key) {
                REQUIRE(is_seen[i - 1], "%s: offset %llu, the last of key %lld, is missing",
                        history->topic, (number)(i - 1), (long long)key);
                break;
            }
        }
    }
}

// How many rows of each transaction are seen, and are there.
static void check_transactions(struct model *model, bool raw[PARTITIONS][RECORDS_MAX],
                               bool is_seen[PARTITIONS][RECORDS_MAX])
{
    uint32_t seen[TRANSACTIONS] = { 0 }, there[TRANSACTIONS] = { 0 };
    for (uint32_t p = 0; p < 2; p++) {
        const struct history *history = &model->histories[p];
        for (uint64_t i = first_seen(history, raw[p]); i < history->count; i++) {
            const uint32_t number_of = history->records[i].transaction;
            there[number_of]++;
            seen[number_of] += is_seen[p][i];
        }
    }
    REQUIRE(seen[0] == there[0],
            "%u of %u rows of no transaction are seen by readers of committed "
            "ones",
            seen[0], there[0]);
    for (uint32_t i = 1; i <= model->transaction_count; i++) {
        struct attempt *attempt = &model->transactions[i];
        const bool      is_all  = seen[i] == attempt->rows && attempt->rows > 0;
        REQUIRE(seen[i] == 0 || is_all, "transaction %u: %u of %u rows are seen", i, seen[i],
                attempt->rows);
        REQUIRE(is_all || attempt->may_be_aborted || attempt->rows == 0,
                "transaction %u was committed; none of its %u rows is seen", i, attempt->rows);
        REQUIRE(!is_all || attempt->may_be_committed,
                "transaction %u was not committed; all of its rows are seen", i);
        attempt->may_be_committed = is_all; // for ever
        attempt->may_be_aborted   = !is_all;
    }
}

static uint64_t offset_found[2];

static void note_offset(void *opaque, const weir_consumer_offset *at)
{
    (void)opaque;
    REQUIRE(strcmp(at->consumer, "c") == 0 && strcmp(at->topic, "plain") == 0,
            "there is a consumer %s of %s", at->consumer, at->topic);
    offset_found[at->partition] = at->offset;
}

static void check_consumer(struct model *model, weir_log *log)
{
    offset_found[0] = offset_found[1] = UINT64_MAX;
    REQUIRE(weir_log_list_consumers(log, note_offset, NULL) == WEIR_OK, "consumers: %s",
            weir_log_error(log));
    const bool is_none = offset_found[0] == UINT64_MAX && offset_found[1] == UINT64_MAX;
    bool       is_one  = is_none && !model->consumed_is_sure;
    for (uint32_t i = 0; i < model->consumed_count; i++) {
        is_one |=
            offset_found[0] == model->consumed[0][i] && offset_found[1] == model->consumed[1][i];
    }
    REQUIRE(is_one, "the consumer stands at %llu and %llu; committed was %llu and %llu",
            (number)offset_found[0], (number)offset_found[1], (number)model->consumed[0][0],
            (number)model->consumed[1][0]);
}

static uint32_t topics_found; // 1: plain, 2: keyed

static void note_topic(void *opaque, const char *name)
{
    (void)opaque;
    topics_found |= strcmp(name, "plain") == 0 ? 1u : strcmp(name, "keyed") == 0 ? 2u : 4u;
}

static void check_topics(struct model *model, weir_log *log)
{
    topics_found = 0;
    REQUIRE(weir_log_list_topics(log, note_topic, NULL) == WEIR_OK, "topics: %s",
            weir_log_error(log));
    REQUIRE(topics_found < 4 && (!model->has_plain || (topics_found & 1) != 0) &&
                (!model->has_keyed || (topics_found & 2) != 0),
            "not the topics that were made: %u", topics_found);
    model->has_plain = (topics_found & 1) != 0;
    model->has_keyed = (topics_found & 2) != 0;
}

static void check_log(struct run *run, weir_log *log, bool is_lax)
{
    static bool   raw[PARTITIONS][RECORDS_MAX], committed[PARTITIONS][RECORDS_MAX];
    struct model *model = &run->model;
    memset(raw, 0, sizeof(raw));
    memset(committed, 0, sizeof(committed));
    check_topics(model, log);
    check_consumer(model, log);
    settle_all(run, log, is_lax);
    run->is_lax = is_lax;
    if (model->has_plain) {
        read_all(run, log, "plain", true, raw);
        read_all(run, log, "plain", false, committed);
    }
    if (model->has_keyed) {
        read_all(run, log, "keyed", true, raw);
    }
    run->is_lax = false;
    if (!is_lax) {
        check_dense(&model->histories[0], raw[0]);
        check_dense(&model->histories[1], raw[1]);
        check_keys(&model->histories[2], raw[2]);
        check_transactions(model, raw, committed);
    }
}

// ---- after a fault ----

static void open_again(struct run *run, bool writes)
{
    const weir_log_options options = {
        .writes = writes, .creates = writes, .warn = count_warning, .opaque = run
    };
    const weir_status status = wr_log_open_in(&run->disk->base, DIRECTORY, &options, &run->log);
    if (!writes && status == WEIR_NOT_FOUND && !run->model.is_made) {
        (void)weir_log_close(run->log);
        run->log = NULL;
        return;
    }
    REQUIRE(status == WEIR_OK, "opening it again, %s: %s: %s", writes ? "to write" : "to read",
            weir_status_name(status), weir_log_error(run->log));
}

// All must work now.
static void go_on(struct run *run)
{
    struct model *model = &run->model;
    create_topics(run);
    open_transactions(run);
    resolve(run);
    check_log(run, run->log, false);
    open_producers(run);
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        append(run, &model->histories[i], 3, false);
    }
    flush(run);
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        REQUIRE(model->histories[i].sure == model->histories[i].count,
                "%s %u: what was appended afterwards is not acknowledged",
                model->histories[i].topic, model->histories[i].number);
    }
    transact(run, COMMITS, true);
    check_log(run, run->log, false);
    close_writer(run);
}

static void after_the_fault(struct run *run, uint64_t seed)
{
    open_again(run, false);
    if (run->log != NULL) {
        check_log(run, run->log, true);
        (void)weir_log_close(run->log);
        run->log = NULL;
    }
    open_again(run, true);
    run->model.is_made = true;
    go_on(run);
    watched_disk_reboot(run->disk, seed + 77);
    open_again(run, false);
    check_log(run, run->log, false);
    (void)weir_log_close(run->log);
    run->log = NULL;
    open_again(run, true);
    check_log(run, run->log, false);
    close_writer(run);
    REQUIRE(run->disk->accusation == NULL, "the log %s", run->disk->accusation);
}

// ---- cases ----

static void run_open(struct run *run)
{
    static const char *const topics[PARTITIONS] = { "plain", "plain", "keyed" };
    *run                                        = (struct run){ .disk = watched_disk_open(11) };
    run->disk->refusals_left                    = REFUSALS;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        run->model.histories[i].topic  = topics[i];
        run->model.histories[i].number = i % 2;
    }
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

static uint64_t case_counts[FAULTS], recovery_count;
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
    first_life(&run);
    if (!loses_names || wr_simulation_changes(run.disk->inner) <= change) {
        second_life(&run);
    }
    close_reading(&run);
    refused_count += run.disk->refusals;
    begin_again(&run, fault, seed);
    after_the_fault(&run, seed);
    warned_count += run.warnings;
    run_close(&run);
    case_counts[fault]++;
    trial_progress(&watchdog);
}

// The same, in a process of its own if failures are to be told apart.
static void run_case_apart(enum fault fault, uint64_t change, uint64_t seed, bool loses_names)
{
    fflush(stdout);
    const pid_t child = is_apart ? fork() : 0;
    if (child == 0) {
        run_case(fault, change, seed, loses_names);
        if (!is_apart) {
            return;
        }
        _exit(0);
    }
    int ended;
    (void)waitpid(child, &ended, 0);
    failed_count += ended != 0;
    if (WIFSIGNALED(ended)) {
        printf("%s %llu %llu: ended by signal %d\n", fault_names[fault], (number)change,
               (number)seed, WTERMSIG(ended));
    }
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
    case CRASH_AFTER: return trial_size(1, 2, 40);
    case KILL: return trial_size(1, 4, 40); // the machine crashes later
    default: return trial_size(1, 2, 2);    // started again with the process, or with the machine
    }
}

// The run without a fault: what its changes are.
static uint64_t learn(struct watched_change **changes, void (*live)(struct run *run))
{
    static struct run run;
    snprintf(now_doing, sizeof(now_doing), "without a fault");
    run_open(&run);
    run.disk->keeps_changes = true;
    live(&run);
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

static void both_lives(struct run *run)
{
    first_life(run);
    second_life(run);
}

static void sweep(void)
{
    struct watched_change *changes;
    const uint64_t         count  = learn(&changes, both_lives);
    const uint64_t         stride = trial_size(7, 1, 1);
    printf("the run changes the disk %llu times\n", (number)count);
    for (enum fault fault = EIO_ONCE; fault < FAULTS; fault++) {
        for (uint64_t change = fault % stride; change < count; change += stride) {
            for (uint64_t seed = 0; applies(fault, &changes[change]) && seed < seeds_of(fault);
                 seed++) {
                run_case_apart(fault, change, seed,
                               fault == UNSYNCED && is_of_names(&changes[change]));
            }
        }
    }
    forget(changes, count);
}

// ---- crashes in recoveries ----

static void short_life(struct run *run)
{
    struct history *h = run->model.histories;
    open_log(run);
    create_topics(run);
    open_producers(run);
    open_transactions(run);
    append(run, &h[0], 20, false);
    append(run, &h[2], 9, false);
    flush(run);
    append(run, &h[0], 9, false);
    append(run, &h[1], 4, false);
    flush(run);
    transact(run, COMMITS, true);
    append(run, &h[1], 3, false);
    flush(run);
    truncate_from(run, &h[1]);
    append(run, &h[2], 16, false);
    flush(run);
    compact(run);
    transact(run, PREPARES, true);
    close_writer(run);
}

// What another process does first: it is struck at its change `change`. False: it does fewer.
static bool recover_struck(struct run *run, uint64_t change, enum fault fault)
{
    const uint64_t before = wr_simulation_changes(run->disk->inner);
    strike(run, fault, before + change);
    open_log(run);
    open_transactions(run);
    resolve(run);
    close_writer(run);
    return watched_disk_has_ended(run->disk);
}

static void sweep_recoveries(void)
{
    static struct run      run;
    struct watched_change *changes;
    const uint64_t         count  = learn(&changes, short_life);
    const uint64_t         stride = trial_size(11, 1, 1);
    printf("the shorter run changes the disk %llu times\n", (number)count);
    forget(changes, count);
    for (uint64_t crash = 0; crash < count; crash += stride) {
        bool is_struck = true;
        for (uint64_t change = 0; is_struck; change++) {
            const enum fault fault = (crash + change) % 2 == 0 ? CRASH_BEFORE : CRASH_AFTER;
            snprintf(now_doing, sizeof(now_doing), "recovery: %llu, then %llu", (number)crash,
                     (number)change);
            run_open(&run);
            strike(&run, CRASH_BEFORE, crash);
            short_life(&run);
            watched_disk_reboot(run.disk, crash * 31 + change);
            is_struck = recover_struck(&run, change, fault);
            if (is_struck) { // else the fault is still to come
                watched_disk_reboot(run.disk, crash * 57 + change);
                after_the_fault(&run, change);
            }
            run_close(&run);
            recovery_count += is_struck;
            trial_progress(&watchdog);
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

static void one_case(enum fault fault, uint64_t change, uint64_t seed)
{
    struct watched_change *changes;
    const uint64_t         count = learn(&changes, both_lives);
    for (uint64_t i = 0; is_verbose && i < count; i++) {
        printf("%llu %s\n", (number)i, changes[i].what);
    }
    const bool loses_names = fault == UNSYNCED && change < count && is_of_names(&changes[change]);
    forget(changes, count);
    printf("---- %s %llu %llu\n", fault_names[fault], (number)change, (number)seed);
    run_case(fault, change, seed, loses_names);
}

int main(int argc, char **argv)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 30); // memory is used again and again
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    is_verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    is_apart   = argc > 1 && strcmp(argv[1], "-a") == 0;
    argc -= is_verbose || is_apart;
    argv += is_verbose || is_apart;
    if (argc > 2) {
        one_case(fault_named(argv[1]), strtoull(argv[2], NULL, 0),
                 argc > 3 ? strtoull(argv[3], NULL, 0) : 0);
        return 0;
    }
    trial_watchdog_start(&watchdog);
    sweep();
    sweep_recoveries();
    trial_watchdog_stop(&watchdog);
    uint64_t sum = recovery_count;
    for (enum fault fault = EIO_ONCE; fault < FAULTS; fault++) {
        printf("%-13s %llu\n", fault_names[fault], (number)case_counts[fault]);
        sum += case_counts[fault];
    }
    printf("in recovery   %llu\n", (number)recovery_count);
    printf("refused for want of room: %llu, warnings: %llu\n", (number)refused_count,
           (number)warned_count);
    printf("cases: %llu\n", (number)sum);
    if (is_apart) {
        printf("failed: %llu\n", (number)failed_count);
    }
    return failed_count > 0;
}
