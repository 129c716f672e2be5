#include "log/reader.h"

#include "log/catalog.h"
#include "log/commit.h"
#include "log/consumers.h"
#include "log/seek.h"
#include "log/transactions.h"

#include <string.h>

// So often is it noticed that a writer came or went, if nothing else is.
#define WAIT_SLICE_US 100000

// How long a wait for the writer's word is under way for a task, at most.
#define WAIT_REQUEST_US 10000000

// Two pieces of this size a partition.
#define PIECE_BYTES      (256u << 10)
#define MANY_PARTITIONS  32u
#define PIECE_BYTES_MANY (64u << 10)

struct weir_reader {
    weir_log                   *log;
    struct wr_handle            handle;
    struct wr_environment      *environment;
    struct wr_topic            *topic;
    struct wr_decoder           decoder;
    struct wr_partition_reader *partitions;
    uint32_t                    partition_count;
    uint32_t                    turn; // the partition whose turn it is
    struct wr_consumer         *consumer;
    struct wr_log_error        *error; // apart, for calls that do not change the reader

    // With a waker: the wait for the writer's word.
    void (*wake)(void *waker);
    void             *waker;
    struct wr_pending wait;
};

// ---- partitions ----

static struct wr_partition_reader *reader_partition(const weir_reader *reader, uint32_t partition)
{
    for (uint32_t i = 0; i < reader->partition_count; i++) {
        if (reader->partitions[i].number == partition) {
            return &reader->partitions[i];
        }
    }
    (void)wr_log_fail(reader->error, WEIR_NOT_FOUND,
                      "log %s: topic %s: this reader does not read partition %u; the topic has %u",
                      reader->log->directory, reader->topic->settings.name, partition,
                      reader->topic->settings.partitions);
    return NULL;
}

// Keeps a partition's sentence as the reader's.
static weir_status reader_fail(const weir_reader *reader, const struct wr_log_error *error)
{
    return wr_log_fail(reader->error, error->status, "%s", error->sentence);
}

static weir_status find_time(const weir_reader *reader, struct wr_partition_reader *partition,
                             weir_time time, uint64_t *offset)
{
    struct wr_partition_reader scout;
    struct wr_decoder          decoder;
    weir_status                status =
        wr_decoder_init(&decoder, reader->log, reader->topic, reader->decoder.type, reader->error);
    if (status == WEIR_OK) {
        const bool is_open      = wr_partition_reader_init(&scout, reader->log, reader->topic,
                                                           partition->number, PIECE_BYTES_MANY);
        scout.reads_uncommitted = partition->reads_uncommitted;
        status = is_open ? wr_seek_time(&scout, &decoder, time, offset) : scout.error.status;
        if (status != WEIR_OK) {
            (void)reader_fail(reader, &scout.error);
        }
        wr_partition_reader_fini(&scout);
    }
    wr_decoder_fini(&decoder);
    return status;
}

// ---- opening ----

static weir_status place_partition(weir_reader *reader, struct wr_partition_reader *partition,
                                   const weir_reader_options *options)
{
    uint64_t offset, cut;
    switch (options->start) {
    case WEIR_START_DEFAULT:
        if (reader->consumer != NULL &&
            wr_consumer_offset(reader->consumer, reader->topic, partition->number, &offset, &cut)) {
            wr_partition_reader_resume(partition, offset, cut);
        }
        return WEIR_OK;
    case WEIR_START_EARLIEST: return WEIR_OK;
    case WEIR_START_LATEST: wr_partition_reader_seek(partition, UINT64_MAX); return WEIR_OK;
    case WEIR_START_OFFSET: wr_partition_reader_seek(partition, options->offset); return WEIR_OK;
    case WEIR_START_TIME: break;
    }
    if (options->start != WEIR_START_TIME) {
        return wr_log_fail(reader->error, WEIR_USAGE,
                           "log %s: topic %s: %d is no weir_start; use WEIR_START_EARLIEST or "
                           "another",
                           reader->log->directory, reader->topic->settings.name,
                           (int)options->start);
    }
    weir_status status = find_time(reader, partition, options->time, &offset);
    if (status == WEIR_DAMAGED) { // it begins where that is met
        wr_log_error_fini(reader->error);
        status = WEIR_OK;
    }
    if (status == WEIR_OK) {
        wr_partition_reader_seek(partition, offset);
    }
    return status;
}

// Fixes the end, before the first transaction that is not decided in `decided`. Damage before it,
// or of what was decided, is met by reading.
static weir_status bound_partition(weir_reader *reader, struct wr_partition_reader *partition,
                                   const struct wr_decisions *decided)
{
    struct wr_partition_reader scout;
    const bool  is_known = wr_partition_reader_init(&scout, reader->log, reader->topic,
                                                    partition->number, PIECE_BYTES_MANY);
    weir_status status   = scout.error.status;
    if (is_known) {
        status = wr_seek_committed_end(&scout, partition->next, decided, true, &partition->end);
    }
    if (status == WEIR_OK && partition->end > scout.known.readable) {
        partition->end = scout.known.readable; // what a cut takes back lies behind it
    } else if (status == WEIR_OK && partition->end < scout.known.readable) {
        status = wr_partition_reader_undecided(&scout, partition->end);
    }
    if (status == WEIR_DAMAGED) {
        partition->end = scout.known.readable;
        status         = WEIR_OK;
    }
    if (status != WEIR_OK) {
        (void)reader_fail(reader, &scout.error);
    }
    wr_partition_reader_fini(&scout);
    return status;
}

static weir_status bound_by(weir_reader *reader, const struct wr_decisions *decided)
{
    weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < reader->partition_count && status == WEIR_OK; i++) {
        if (reader->partitions[i].is_known) {
            status = bound_partition(reader, &reader->partitions[i], decided);
        }
    }
    return status;
}

static weir_status bound_partitions(weir_reader *reader, bool reads_uncommitted,
                                    const struct wr_decisions *decided)
{
    struct wr_decisions own;
    if (reads_uncommitted) {
        for (uint32_t i = 0; i < reader->partition_count; i++) {
            if (reader->partitions[i].is_known) {
                reader->partitions[i].end = reader->partitions[i].known.readable;
            }
        }
        return WEIR_OK;
    }
    if (decided != NULL) {
        return bound_by(reader, decided);
    }
    wr_transactions_copy(reader->log, &own);
    const weir_status status = bound_by(reader, &own);
    wr_decisions_fini(&own);
    return status;
}

// Checks the list of partitions; all of them if there is none.
static weir_status check_partitions(const weir_reader *reader, const weir_reader_options *options)
{
    const uint32_t there = reader->topic->settings.partitions;
    for (uint32_t i = 0; options->partitions != NULL && i < options->partition_count; i++) {
        const uint32_t number = options->partitions[i];
        for (uint32_t j = 0; j < i; j++) {
            if (options->partitions[j] == number) {
                return wr_log_fail(reader->error, WEIR_USAGE,
                                   "log %s: topic %s: partition %u is named twice among those to "
                                   "read",
                                   reader->log->directory, reader->topic->settings.name, number);
            }
        }
        if (number >= there) {
            return wr_log_fail(reader->error, WEIR_NOT_FOUND,
                               "log %s: topic %s: there is no partition %u; it has %u, counted "
                               "from 0",
                               reader->log->directory, reader->topic->settings.name, number, there);
        }
    }
    return WEIR_OK;
}

static weir_status open_partitions(weir_reader *reader, const weir_reader_options *options,
                                   const struct wr_decisions *decided)
{
    weir_status status = check_partitions(reader, options);
    if (status != WEIR_OK) {
        return status;
    }
    const uint32_t count =
        options->partitions != NULL ? options->partition_count : reader->topic->settings.partitions;
    reader->partitions = wr_alloc((count + 1) * sizeof(*reader->partitions));
    for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
        struct wr_partition_reader *partition = &reader->partitions[i];
        const uint32_t number = options->partitions != NULL ? options->partitions[i] : i;
        const bool     is_known =
            wr_partition_reader_init(partition, reader->log, reader->topic, number,
                                     count > MANY_PARTITIONS ? PIECE_BYTES_MANY : PIECE_BYTES);
        partition->reads_uncommitted = options->reads_uncommitted;
        reader->partition_count      = i + 1;
        partition->is_damaged        = !is_known && partition->error.status == WEIR_DAMAGED;
        if (is_known) {
            status = place_partition(reader, partition, options);
        } else if (!partition->is_damaged) { // else it is told when its turn comes
            status = reader_fail(reader, &partition->error);
        }
    }
    if (status == WEIR_OK && options->is_bounded) {
        status = bound_partitions(reader, options->reads_uncommitted, decided);
    }
    return status;
}

static weir_status reader_open(weir_reader *reader, const char *topic,
                               const weir_reader_options *options,
                               const struct wr_decisions *decided)
{
    weir_log *log = reader->log;
    reader->topic = wr_catalog_topic(log, topic, reader->error);
    if (reader->topic == NULL) {
        return reader->error->status;
    }
    weir_status status =
        wr_decoder_init(&reader->decoder, log, reader->topic, options->type, reader->error);
    if (status == WEIR_OK && options->consumer != NULL) {
        status = wr_consumer_take(log, options->consumer, &reader->consumer, reader->error);
    }
    return status == WEIR_OK ? open_partitions(reader, options, decided) : status;
}

weir_status wr_reader_open_as_of(weir_log *log, const char *topic,
                                 const weir_reader_options *options,
                                 const struct wr_decisions *decided, weir_reader **reader)
{
    const weir_reader_options defaults = { 0 };
    weir_reader              *opened   = wr_alloc(sizeof(*opened));
    *opened                            = (weir_reader){
                                   .log         = log,
                                   .environment = log->environment,
                                   .error       = wr_alloc(sizeof(*opened->error)),
    };
    wr_pending_init(&opened->wait, log->environment);

    const weir_status status =
        reader_open(opened, topic, options != NULL ? options : &defaults, decided);
    *reader = opened;
    if (status != WEIR_OK) {
        (void)wr_log_keep(log, opened->error);
        weir_reader_close(opened);
        *reader = NULL;
    } else {
        wr_handle_put(log, &opened->handle, WR_HANDLE_READER, opened->topic->settings.name);
    }
    return status;
}

weir_status weir_reader_open(weir_log *log, const char *topic, const weir_reader_options *options,
                             weir_reader **reader)
{
    return wr_reader_open_as_of(log, topic, options, NULL, reader);
}

void weir_reader_close(weir_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    if (reader->wait.is_under_way) {
        wr_cancel(reader->environment, &reader->wait.request);
        wr_pending_wait(&reader->wait);
    }
    for (uint32_t i = 0; i < reader->partition_count; i++) {
        wr_partition_reader_fini(&reader->partitions[i]);
    }
    wr_free(reader->partitions);
    wr_decoder_fini(&reader->decoder);
    wr_consumer_give(reader->consumer);
    wr_pending_fini(&reader->wait);
    wr_log_error_fini(reader->error);
    wr_handle_take(reader->log, &reader->handle);
    wr_free(reader->error);
    wr_free(reader);
}

const char *weir_reader_error(const weir_reader *reader)
{
    return reader->error->sentence != NULL ? reader->error->sentence : "";
}

// ---- reading ----

// Gives out the batch at hand; rows->count may be 0 (all of it lies before where the reader
// stands).
static weir_status give_batch(weir_reader *reader, struct wr_partition_reader *partition,
                              weir_log_rows *rows)
{
    struct wr_log_error error = { WEIR_OK, NULL };
    const weir_status   status =
        wr_decoder_rows(&reader->decoder, &partition->header, partition->batch, partition->next,
                        partition->end, rows, &error);
    if (status == WEIR_OK) {
        rows->partition = partition->number;
        wr_partition_reader_pass(partition);
    } else if (status == WEIR_DAMAGED) {
        (void)wr_partition_reader_damage(partition, error.sentence);
        (void)reader_fail(reader, &partition->error);
    } else {
        (void)wr_log_fail(&partition->error, status, "%s", error.sentence);
        (void)reader_fail(reader, &error);
        partition->is_damaged = true; // until it is moved
    }
    wr_log_error_fini(&error);
    return status;
}

// The next rows of one partition. WEIR_TIMED_OUT: there are none; *state says why.
static weir_status read_partition(weir_reader *reader, struct wr_partition_reader *partition,
                                  weir_log_rows *rows, enum wr_partition_state *state)
{
    for (;;) {
        *state = wr_partition_reader_next(partition);
        if (*state == WR_PARTITION_FAILED) {
            return reader_fail(reader, &partition->error);
        }
        if (*state != WR_PARTITION_BATCH) {
            return WEIR_TIMED_OUT;
        }
        const weir_status status = give_batch(reader, partition, rows);
        if (status != WEIR_OK || rows->count > 0) {
            return status;
        }
    }
}

// How a round of all partitions went that gave no rows.
struct round {
    uint32_t ended, reading, held;
};

// One round, ended by the first partition that has something to say.
static weir_status read_any(weir_reader *reader, weir_log_rows *rows, struct round *round)
{
    *round = (struct round){ 0 };
    for (uint32_t i = 0; i < reader->partition_count; i++) {
        const uint32_t          number = reader->turn;
        enum wr_partition_state state;
        reader->turn = number + 1 < reader->partition_count ? number + 1 : 0;
        const weir_status status =
            read_partition(reader, &reader->partitions[number], rows, &state);
        if (status != WEIR_OK && status != WEIR_TIMED_OUT) {
            *rows = (weir_log_rows){ .partition = reader->partitions[number].number };
        }
        if (status != WEIR_TIMED_OUT) {
            return status;
        }
        round->ended += state == WR_PARTITION_ENDED;
        round->reading += state == WR_PARTITION_LATER;
        round->held += state == WR_PARTITION_HELD;
    }
    return round->ended == reader->partition_count ? WEIR_AT_END : WEIR_TIMED_OUT;
}

// The writer's memory; NULL: there is none, as far as is known.
static struct wr_live *reader_live(const weir_reader *reader)
{
    return reader->partition_count > 0 ? reader->partitions[0].live : NULL;
}

static void reader_wait(weir_reader *reader, struct wr_live *live, uint32_t seen, int64_t span_us)
{
    static const uint32_t never_changes = 0;
    if (reader->environment->is_simulated && reader->log->commit != NULL &&
        wr_commit_run(reader->log->commit, false)) {
        return;
    }
    reader->environment->ops->wait_word(reader->environment,
                                        live != NULL ? wr_live_word(live) : &never_changes,
                                        live != NULL ? seen : never_changes, span_us);
}

weir_status weir_reader_next(weir_reader *reader, int64_t timeout_us, weir_log_rows *rows)
{
    WR_ASSERT(reader->wake == NULL); // else wr_reader_poll
    const int64_t until_us = timeout_us > 0 ? wr_now_us(reader->environment) + timeout_us : 0;
    for (;;) {
        struct wr_live *live = reader_live(reader);
        const uint32_t  seen = live != NULL ? wr_live_word_now(live) : 0; // before looking at slots
        struct round    round;
        const weir_status status = read_any(reader, rows, &round);
        if (status != WEIR_TIMED_OUT || timeout_us == 0) {
            return status;
        }
        int64_t span_us = WAIT_SLICE_US;
        if (timeout_us > 0) {
            const int64_t left_us = until_us - wr_now_us(reader->environment);
            if (left_us <= 0) {
                return WEIR_TIMED_OUT;
            }
            span_us = left_us < span_us ? left_us : span_us;
        }
        reader_wait(reader, live, seen, span_us);
    }
}

// ---- for a task ----

// Keeps a wait for the writer's word under way. False: nobody is to be woken, there is no writer,
// or no thread to wait.
static bool reader_begin_wait(weir_reader *reader, struct wr_live *live, uint32_t seen)
{
    struct wr_pending *wait = &reader->wait;
    if (wait->is_under_way && !wr_pending_is_settled(wait)) {
        return true;
    }
    const bool was_refused = wait->is_under_way && wait->request.result < 0;
    wait->is_under_way     = false;
    if (reader->wake == NULL || live == NULL || was_refused) {
        return false;
    }
    wait->request = (struct wr_request){
        .verb   = WR_REQUEST_WAIT,
        .buffer = (void *)(uintptr_t)wr_live_word(live), // read only
        .offset = seen,
        .bytes  = WAIT_REQUEST_US,
    };
    wr_pending_submit(wait, reader->wake, reader->waker);
    return true;
}

weir_status wr_reader_poll(weir_reader *reader, weir_log_rows *rows, struct wr_reader_pause *pause)
{
    struct wr_live   *live = reader_live(reader);
    const uint32_t    seen = live != NULL ? wr_live_word_now(live) : 0; // before looking at slots
    struct round      round;
    const weir_status status = read_any(reader, rows, &round);
    pause->again_us          = INT64_MAX;
    pause->is_quiet          = round.reading == 0 && round.held == 0;
    if (status == WEIR_TIMED_OUT && round.reading == 0 && !reader_begin_wait(reader, live, seen)) {
        pause->again_us = wr_now_us(reader->environment) + WAIT_SLICE_US;
    }
    return status;
}

void wr_reader_set_wake(weir_reader *reader, void (*wake)(void *waker), void *waker)
{
    reader->wake  = wake;
    reader->waker = waker;
    for (uint32_t i = 0; i < reader->partition_count; i++) {
        reader->partitions[i].cursor.wake  = wake;
        reader->partitions[i].cursor.waker = waker;
    }
}

void wr_reader_resume(weir_reader *reader, uint32_t partition, uint64_t offset, uint64_t cut)
{
    struct wr_partition_reader *found = reader_partition(reader, partition);
    if (found != NULL) {
        wr_partition_reader_resume(found, offset, cut);
    }
}

uint64_t wr_reader_cut(weir_reader *reader, uint32_t partition)
{
    const struct wr_partition_reader *found = reader_partition(reader, partition);
    return found != NULL ? found->cut : 0;
}

const struct wr_log_id *wr_reader_topic_id(const weir_reader *reader) { return &reader->topic->id; }

bool wr_reader_is_gone(const weir_reader *reader)
{
    bool is_gone = false;
    for (uint32_t i = 0; i < reader->partition_count; i++) {
        is_gone |= reader->partitions[i].is_gone;
    }
    return is_gone;
}

uint64_t wr_reader_bytes(const weir_reader *reader)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < reader->partition_count; i++) {
        bytes += reader->partitions[i].read_bytes;
    }
    return bytes;
}

// ---- places ----

weir_status weir_reader_seek(weir_reader *reader, uint32_t partition, uint64_t offset)
{
    struct wr_partition_reader *found = reader_partition(reader, partition);
    if (found == NULL) {
        return WEIR_NOT_FOUND;
    }
    const bool was_known = found->is_known;
    found->look_again_us = 0;
    if (!wr_partition_reader_look(found)) {
        return reader_fail(reader, &found->error);
    }
    found->cut = was_known ? found->cut : found->known.cut;
    wr_partition_reader_seek(found, offset);
    return WEIR_OK;
}

weir_status weir_reader_find_time(weir_reader *reader, uint32_t partition, weir_time time,
                                  uint64_t *offset)
{
    struct wr_partition_reader *found = reader_partition(reader, partition);
    return found != NULL ? find_time(reader, found, time, offset) : WEIR_NOT_FOUND;
}

weir_status weir_reader_position(const weir_reader *reader, uint32_t partition, uint64_t *offset,
                                 uint64_t *lag)
{
    const struct wr_partition_reader *found = reader_partition(reader, partition);
    if (found == NULL) {
        return WEIR_NOT_FOUND;
    }
    struct wr_live_position position = found->known;
    if (found->live != NULL && wr_live_is_current(found->live)) {
        (void)wr_live_read(found->live, partition, &position);
    }
    *offset = found->next;
    *lag    = position.readable > found->next ? position.readable - found->next : 0;
    return WEIR_OK;
}

weir_status weir_reader_commit(weir_reader *reader)
{
    if (reader->consumer == NULL) {
        return wr_log_fail(reader->error, WEIR_USAGE,
                           "log %s: topic %s: this reader was opened without a consumer's name, "
                           "under which to keep its position; set weir_reader_options.consumer",
                           reader->log->directory, reader->topic->settings.name);
    }
    uint32_t  count   = 0;
    uint32_t *numbers = wr_alloc((reader->partition_count + 1) * sizeof(*numbers));
    uint64_t *offsets = wr_alloc((reader->partition_count + 1) * sizeof(*offsets));
    uint64_t *cuts    = wr_alloc((reader->partition_count + 1) * sizeof(*cuts));
    for (uint32_t i = 0; i < reader->partition_count; i++) {
        if (reader->partitions[i].is_known) { // else it never had a place
            numbers[count] = reader->partitions[i].number;
            offsets[count] = reader->partitions[i].next;
            cuts[count++]  = reader->partitions[i].cut;
        }
    }
    const weir_status status = wr_consumer_commit(reader->consumer, reader->topic, numbers, offsets,
                                                  cuts, count, reader->error);
    wr_free(numbers);
    wr_free(offsets);
    wr_free(cuts);
    return status;
}
