// Readers of a log against a list in memory, on a simulated disk: random appends to several
// partitions in batches of all sizes, in two versions of a type, compressed or not, in transactions
// or not, with times out of order; and, at random moments, readers that read, seek and look for
// times, from the writer's own handle and from one that only reads, with the writer there or gone.
//
// usage: property_log_reader [--seed N] [--cases N]
//
// A case is one action; what a reader gives is compared with the list record by record.
#include "log/log.h"
#include "log/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/call.h>
#include <weir/record.h>

#define PARTITIONS   3u
#define MOST_RECORDS 60000u
#define DIRECTORY    "/log"

typedef struct event {
    weir_time at;
    uint64_t  id;
    int32_t   small;
} event;
WEIR_RECORD(event, at, id, small);

typedef struct event_2 {
    weir_time at;
    uint64_t  id;
    weir_str  text;
    int32_t   small;
    int64_t   more;
} event_2;
WEIR_RECORD(event_2, at, id, text, small, more);

typedef struct view { // what some readers want: less, and wider
    int64_t small;
    int64_t at;
} view;
WEIR_RECORD(view, small, at);

enum verdict { DECIDED, OPEN, ABORTED };

struct record {
    weir_time at;
    uint64_t  id;
    uint32_t  transaction; // 0: none
    uint8_t   change;
    bool      has_text;
};

struct round {
    uint64_t               random;
    struct wr_environment *environment;
    weir_log              *writer; // NULL: closed
    weir_log              *reader; // of another handle, which only reads
    weir_producer         *producer;
    weir_transaction      *transaction;
    bool                   is_begun, has_time, has_version_2, producer_is_2;
    weir_compression       compression;

    struct record *records[PARTITIONS];
    uint64_t       count[PARTITIONS];
    enum verdict  *verdicts; // of transactions
    uint32_t       transaction_count;
    uint64_t       ids;
};

static uint64_t run_seed, round_number, case_number;

#define REQUIRE(claim, ...)                                                                        \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            printf("--seed %llu, round %llu, case %llu, line %d: %s: ",                            \
                   (unsigned long long)run_seed, (unsigned long long)round_number,                 \
                   (unsigned long long)case_number, __LINE__, #claim);                             \
            printf(__VA_ARGS__);                                                                   \
            printf("\n");                                                                          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static uint64_t draw(struct round *r)
{
    r->random += 0x9e3779b97f4a7c15u;
    return wr_mix64(r->random, run_seed);
}

static uint32_t below(struct round *r, uint32_t limit)
{
    return (uint32_t)((draw(r) >> 32) * limit >> 32);
}

// ---- what records are ----

static int32_t small_of(uint64_t id) { return (int32_t)(id * 2654435761u); }

static size_t text_of(uint64_t id, char *text)
{
    const size_t length = id % 5 == 0 ? 40 + id % 100 : id % 13;
    memset(text, 'a' + (int)(id % 26), length);
    return length;
}

static void check_row(const struct round *r, const weir_log_rows *rows, uint32_t row,
                      const struct record *record)
{
    const char *at = (const char *)rows->rows + (size_t)row * rows->type->size;
    (void)r;
    if (rows->type == &view_type) {
        const view *is = (const view *)(const void *)at;
        REQUIRE(is->small == small_of(record->id) && is->at == record->at,
                "as a view, record %llu is %lld", (unsigned long long)record->id,
                (long long)is->small);
        return;
    }
    const weir_field *id_field = weir_type_field(rows->type, "id");
    uint64_t          id;
    memcpy(&id, at + id_field->offset, sizeof(id));
    REQUIRE(id == record->id, "offset %llu of partition %u has id %llu, expected %llu",
            (unsigned long long)rows->offset + row, rows->partition, (unsigned long long)id,
            (unsigned long long)record->id);
    const weir_field *text_field = weir_type_field(rows->type, "text");
    if (text_field != NULL) {
        char     expected[200];
        size_t   length = record->has_text ? text_of(id, expected) : 0;
        weir_str text;
        memcpy(&text, at + text_field->offset, sizeof(text));
        REQUIRE(text.length == length && memcmp(weir_str_bytes(&text), expected, length) == 0,
                "the text of %llu has %u bytes, expected %zu", (unsigned long long)id, text.length,
                length);
    }
    const uint8_t change = rows->changes != NULL ? rows->changes[row] : WEIR_INSERT;
    REQUIRE(change == record->change, "the change of %llu is %u", (unsigned long long)id, change);
}

// ---- the model ----

static enum verdict verdict_of(const struct round *r, const struct record *record)
{
    return record->transaction == 0 ? DECIDED : r->verdicts[record->transaction];
}

// Where a reader of committed records has to stop.
static uint64_t committed_end(const struct round *r, uint32_t partition)
{
    uint64_t end = 0;
    while (end < r->count[partition] && verdict_of(r, &r->records[partition][end]) != OPEN) {
        end++;
    }
    return end;
}

static uint64_t end_of(const struct round *r, uint32_t partition, bool reads_uncommitted)
{
    return reads_uncommitted ? r->count[partition] : committed_end(r, partition);
}

// The next one a reader gets at or after `at`.
static uint64_t next_visible(const struct round *r, uint32_t partition, uint64_t at, uint64_t end,
                             bool reads_uncommitted)
{
    while (at < end && !reads_uncommitted && verdict_of(r, &r->records[partition][at]) == ABORTED) {
        at++;
    }
    return at;
}

// ---- writing ----

static void require_ok(struct round *r, weir_status status, const char *what, const char *sentence)
{
    (void)r;
    REQUIRE(status == WEIR_OK, "%s: %s: %s", what, weir_status_name(status), sentence);
}

static weir_topic topic_of(const struct round *r)
{
    return (weir_topic){
        .name          = "events",
        .type          = r->has_version_2 ? &event_2_type : &event_type,
        .time          = r->has_time ? "at" : NULL,
        .partitions    = PARTITIONS,
        .compression   = r->compression,
        .segment_bytes = 64 << 10,
    };
}

static void flush(struct round *r)
{
    if (r->producer != NULL) {
        require_ok(r, weir_producer_flush(r->producer, -1), "flush",
                   weir_producer_error(r->producer));
    }
}

static void close_producer(struct round *r)
{
    flush(r);
    if (r->producer != NULL) {
        require_ok(r, weir_producer_close(r->producer), "close", "");
        r->producer = NULL;
    }
}

static void open_producer(struct round *r)
{
    close_producer(r);
    r->producer_is_2 = r->has_version_2 && below(r, 3) > 0;
    require_ok(r,
               weir_producer_open(r->writer, "events",
                                  r->producer_is_2 ? &event_2_type : &event_type, &r->producer),
               "open a producer", weir_log_error(r->writer));
    if (r->is_begun) {
        require_ok(r, weir_producer_join(r->producer, r->transaction), "join",
                   weir_producer_error(r->producer));
    }
}

static struct record record_new(struct round *r)
{
    struct record record = {
        .id          = r->ids++,
        .transaction = r->is_begun ? r->transaction_count - 1 : 0,
        .has_text    = r->producer_is_2,
        .change      = below(r, 50) == 0 ? WEIR_DELETE : WEIR_INSERT,
    };
    record.at = (weir_time)(record.id * 1000 + below(r, 200000)) - 300000;
    return record;
}

static void append(struct round *r)
{
    static event   rows[2000];
    static event_2 rows_2[2000];
    static char    texts[2000][200];
    static uint8_t changes[2000];
    const uint32_t partition = below(r, PARTITIONS);
    const uint32_t count     = 1 + below(r, below(r, 4) == 0 ? 1999 : 30);
    if (r->count[partition] + count > MOST_RECORDS) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct record record                   = record_new(r);
        r->records[partition][r->count[partition]++] = record;
        rows[i]   = (event){ record.at, record.id, small_of(record.id) };
        rows_2[i] = (event_2){
            .at    = record.at,
            .id    = record.id,
            .small = small_of(record.id),
            .text  = weir_str_of(texts[i], text_of(record.id, texts[i])),
        };
        changes[i] = record.change;
    }
    const void *all = r->producer_is_2 ? (const void *)rows_2 : (const void *)rows;
    require_ok(r, weir_producer_append_to(r->producer, partition, all, changes, count), "append",
               weir_producer_error(r->producer));
}

static void begin_or_decide(struct round *r)
{
    if (!r->is_begun) {
        flush(r); // what comes before is not in it
        require_ok(r, weir_transaction_begin(r->transaction), "begin",
                   weir_transaction_error(r->transaction));
        require_ok(r, weir_producer_join(r->producer, r->transaction), "join",
                   weir_producer_error(r->producer));
        r->is_begun = true;
        r->verdicts = wr_realloc(r->verdicts, (r->transaction_count + 1) * sizeof(*r->verdicts));
        r->verdicts[r->transaction_count++] = OPEN;
        return;
    }
    const bool commits = below(r, 3) > 0;
    if (below(r, 3) == 0) {
        require_ok(r, weir_transaction_prepare(r->transaction, NULL), "prepare",
                   weir_transaction_error(r->transaction));
    }
    require_ok(r,
               commits ? weir_transaction_commit(r->transaction)
                       : weir_transaction_abort(r->transaction),
               "decide", weir_transaction_error(r->transaction));
    require_ok(r, weir_producer_join(r->producer, NULL), "leave", weir_producer_error(r->producer));
    r->is_begun                           = false;
    r->verdicts[r->transaction_count - 1] = commits ? DECIDED : ABORTED;
}

static void open_writer(struct round *r)
{
    const weir_topic topic = topic_of(r);
    require_ok(r,
               wr_log_open_in(r->environment, DIRECTORY,
                              &(weir_log_options){ .writes = true, .creates = true }, &r->writer),
               "open the log", weir_log_error(r->writer));
    require_ok(r, weir_log_create_topic(r->writer, &topic), "make the topic",
               weir_log_error(r->writer));
    require_ok(r, weir_transaction_open(r->writer, "t", &r->transaction), "open a transaction",
               weir_log_error(r->writer));
    open_producer(r);
}

static void close_writer(struct round *r)
{
    if (r->writer == NULL) {
        return;
    }
    if (r->is_begun) {
        begin_or_decide(r);
    }
    close_producer(r);
    weir_transaction_close(r->transaction);
    require_ok(r, weir_log_close(r->writer), "close the log", "");
    r->writer = NULL;
}

static void evolve(struct round *r)
{
    if (!r->has_version_2) {
        r->has_version_2       = true;
        const weir_topic topic = topic_of(r);
        require_ok(r, weir_log_create_topic(r->writer, &topic), "change the type",
                   weir_log_error(r->writer));
        open_producer(r);
    }
}

// ---- reading ----

static const weir_type *reader_type(struct round *r)
{
    switch (below(r, r->has_version_2 ? 4 : 3)) {
    case 0: return NULL;
    case 1: return &event_type;
    case 2: return &view_type;
    default: return &event_2_type;
    }
}

// Compares one batch with the list; `at` moves behind it.
static void check_rows(struct round *r, const weir_log_rows *rows, uint64_t *at, uint64_t end,
                       bool reads_uncommitted)
{
    REQUIRE(rows->count > 0, "an empty batch");
    for (uint32_t i = 0; i < rows->count; i++) {
        const uint64_t offset = rows->offset + (rows->deltas != NULL ? rows->deltas[i] : i);
        *at                   = next_visible(r, rows->partition, *at, end, reads_uncommitted);
        REQUIRE(offset == *at && *at < end,
                "partition %u gives offset %llu, expected %llu of at most %llu", rows->partition,
                (unsigned long long)offset, (unsigned long long)*at, (unsigned long long)end);
        check_row(r, rows, i, &r->records[rows->partition][offset]);
        (*at)++;
    }
}

static weir_time row_time(const struct round *r, uint32_t partition, uint64_t offset)
{
    return r->records[partition][offset].at;
}

static void check_find_time(struct round *r, weir_reader *reader, bool reads_uncommitted)
{
    const uint32_t  partition = below(r, PARTITIONS);
    const weir_time time      = (weir_time)(r->ids == 0 ? 0 : draw(r) % (r->ids * 1100)) - 300000;
    uint64_t        found = 0, expected = 0;
    if (!r->has_time) {
        return;
    }
    require_ok(r, weir_reader_find_time(reader, partition, time, &found), "find a time",
               weir_reader_error(reader));
    while (expected < r->count[partition] &&
           (row_time(r, partition, expected) < time ||
            (!reads_uncommitted && verdict_of(r, &r->records[partition][expected]) == ABORTED))) {
        expected++;
    }
    REQUIRE(found == expected, "time %lld of partition %u is at %llu, expected %llu of %llu", time,
            partition, (unsigned long long)found, (unsigned long long)expected,
            (unsigned long long)r->count[partition]);
}

static weir_reader *open_reader(struct round *r, weir_log *log, weir_reader_options *options)
{
    weir_reader *reader = NULL;
    require_ok(r, weir_reader_open(log, "events", options, &reader), "open a reader",
               weir_log_error(log));
    return reader;
}

static void note_wake(void *opaque) { ++*(uint32_t *)opaque; }

// wr_reader_poll, coming back as a task would.
static weir_status poll_patiently(struct round *r, weir_reader *reader, weir_log_rows *rows)
{
    struct wr_reader_pause pause  = { 0 };
    weir_status            status = wr_reader_poll(reader, rows, &pause);
    for (uint32_t i = 0; i < 50 && status == WEIR_TIMED_OUT && !pause.is_quiet; i++) {
        (void)wr_simulation_advance(r->environment, wr_now_us(r->environment) + 1000);
        status = wr_reader_poll(reader, rows, &pause);
    }
    return status;
}

// Reads to the end, with jumps.
static void read_some(struct round *r, weir_log *log)
{
    weir_reader_options options = {
        .type              = reader_type(r),
        .is_bounded        = below(r, 2) == 0,
        .reads_uncommitted = below(r, 3) == 0,
    };
    weir_reader *reader  = open_reader(r, log, &options);
    const bool   is_task = below(r, 3) == 0; // asks without waiting
    uint32_t     jumps = below(r, 4), wakes = 0;
    if (is_task && below(r, 4) > 0) {
        wr_reader_set_wake(reader, note_wake, &wakes);
    }
    uint64_t at[PARTITIONS] = { 0 }, end[PARTITIONS];
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        end[p] = end_of(r, p, options.reads_uncommitted);
    }
    for (;;) {
        weir_log_rows rows;
        if (jumps > 0 && below(r, 20) == 0) {
            const uint32_t p = below(r, PARTITIONS);
            at[p]            = below(r, (uint32_t)r->count[p] + 2);
            require_ok(r, weir_reader_seek(reader, p, at[p]), "seek", weir_reader_error(reader));
            at[p] = at[p] > r->count[p] ? r->count[p] : at[p];
            jumps--;
        }
        const weir_status status =
            is_task ? poll_patiently(r, reader, &rows)
                    : weir_reader_next(reader, below(r, 2) == 0 ? 0 : 1000, &rows);
        if (status == WEIR_TIMED_OUT || status == WEIR_AT_END) {
            REQUIRE(status != WEIR_AT_END || options.is_bounded, "an end without one");
            REQUIRE(status == WEIR_AT_END || !options.is_bounded, "a bounded reader waits");
            break;
        }
        require_ok(r, status, "read", weir_reader_error(reader));
        check_rows(r, &rows, &at[rows.partition], end[rows.partition], options.reads_uncommitted);
        uint64_t position, lag;
        require_ok(r, weir_reader_position(reader, rows.partition, &position, &lag), "position",
                   "");
        REQUIRE(position == at[rows.partition] && position + lag == r->count[rows.partition],
                "it stands at %llu with %llu to come, expected %llu of %llu",
                (unsigned long long)position, (unsigned long long)lag,
                (unsigned long long)at[rows.partition],
                (unsigned long long)r->count[rows.partition]);
    }
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        at[p] = next_visible(r, p, at[p], end[p], options.reads_uncommitted);
        REQUIRE(at[p] >= end[p], "partition %u ends at %llu, expected %llu", p,
                (unsigned long long)at[p], (unsigned long long)end[p]);
    }
    check_find_time(r, reader, options.reads_uncommitted);
    weir_reader_close(reader);
}

// Starts by time or offset, reads one batch.
static void start_somewhere(struct round *r, weir_log *log)
{
    const uint32_t      partition = below(r, PARTITIONS);
    weir_reader_options options   = {
          .type            = reader_type(r),
          .partitions      = &partition,
          .partition_count = 1,
          .start           = WEIR_START_OFFSET,
          .offset          = below(r, (uint32_t)r->count[partition] + 2),
          .is_bounded      = true,
    };
    weir_reader  *reader = open_reader(r, log, &options);
    weir_log_rows rows;
    uint64_t      at     = options.offset;
    uint64_t      end    = end_of(r, partition, false);
    weir_status   status = weir_reader_next(reader, 0, &rows);
    if (status == WEIR_OK) {
        check_rows(r, &rows, &at, end, false);
    } else {
        REQUIRE(status == WEIR_AT_END && next_visible(r, partition, at, end, false) >= end,
                "it says %s at %llu of %llu", weir_status_name(status), (unsigned long long)at,
                (unsigned long long)end);
    }
    weir_reader_close(reader);
}

// ---- rounds ----

static void act(struct round *r)
{
    case_number++;
    if (r->writer == NULL && below(r, 4) == 0) {
        open_writer(r);
    }
    const uint32_t action = below(r, 100);
    if (r->writer != NULL && action < 60) {
        append(r);
        return;
    }
    if (r->writer != NULL && action < 72) {
        begin_or_decide(r);
        return;
    }
    if (r->writer != NULL && action < 74) {
        evolve(r);
        return;
    }
    if (r->writer != NULL && action < 76) {
        open_producer(r);
        return;
    }
    if (action == 76) {
        close_writer(r);
    }
    flush(r);
    weir_log *log = r->writer != NULL && below(r, 2) == 0 ? r->writer : r->reader;
    if (log == r->reader && r->writer == NULL) {
        wr_simulation_spend(r->environment, 1000000); // it looks now and then
    }
    if (action < 90) {
        read_some(r, log);
    } else {
        start_somewhere(r, log);
    }
}

static void run_round(struct round *r)
{
    r->environment       = wr_environment_open_simulated(r->random, false);
    r->has_time          = below(r, 4) > 0;
    r->compression       = (weir_compression)below(r, 3);
    r->transaction_count = 1;
    r->verdicts          = wr_alloc(sizeof(*r->verdicts));
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        r->records[p] = wr_alloc(MOST_RECORDS * sizeof(struct record));
    }
    open_writer(r);
    require_ok(r, wr_log_open_in(r->environment, DIRECTORY, &(weir_log_options){ 0 }, &r->reader),
               "open to read", weir_log_error(r->reader));
    for (uint32_t i = 0; i < 150; i++) {
        act(r);
    }
    close_writer(r);
    require_ok(r, weir_log_close(r->reader), "close the reading log", "");
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        wr_free(r->records[p]);
    }
    wr_free(r->verdicts);
    wr_environment_close(r->environment);
}

int main(int argc, char **argv)
{
    uint64_t cases = 15000;
    run_seed       = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) {
            run_seed = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--cases") == 0) {
            cases = strtoull(argv[i + 1], NULL, 10);
        }
    }
    printf("seed: %llu\n", (unsigned long long)run_seed);
    for (round_number = 0; case_number < cases; round_number++) {
        static struct round r;
        memset(&r, 0, sizeof(r));
        r.random = round_number << 40;
        run_round(&r);
    }
    printf("cases: %llu\n", (unsigned long long)case_number);
    return 0;
}
