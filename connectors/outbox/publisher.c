#include "connectors/outbox/publisher.h"

#include "log/catalog.h"
#include "log/live.h"
#include "log/small_file.h"
#include "log/transactions.h"

#include <stdio.h>
#include <string.h>

#define ROWS_DEFAULT        10000u
#define BYTES_DEFAULT       (1u << 20)
#define RETRY_LEAST_DEFAULT WEIR_MILLISECONDS(50)
#define RETRY_MOST_DEFAULT  WEIR_SECONDS(5)

// A transaction is committed when it is as old, however few rows it has.
#define TRANSACTION_US 1000000

// After so many tries a log is not being made, but damaged.
#define LOG_IS_MADE_TRIES 6

// Between looks of who is hurried and has not seen all.
#define LOOK_AGAIN_US 10000

typedef unsigned long long shown; // as %llu

// ---- what it says ----

static void warn(const struct wr_publisher *publisher, const char *sentence)
{
    if (publisher->options.warn != NULL) {
        publisher->options.warn(publisher->options.opaque, sentence);
    } else {
        (void)fprintf(stderr, "weir: %s\n", sentence);
    }
}

// Keeps a sentence that begins with what is published.
#define FAIL(publisher, status, sentence, ...)                                                     \
    wr_error_set(&(publisher)->error, (status), "outbox %s: log %s topic %s: " sentence,           \
                 (publisher)->name, (publisher)->directory, (publisher)->topic_name, __VA_ARGS__)

static void target_close(struct wr_publisher *publisher)
{
    if (publisher->is_connected) {
        publisher->target.close(publisher->target.opaque);
        publisher->is_connected = false;
    }
}

// For good, as `error` says.
static void end(struct wr_publisher *publisher)
{
    WR_ASSERT(publisher->error.status != WEIR_OK);
    target_close(publisher);
    publisher->state = WR_PUBLISHER_ENDED;
    warn(publisher, publisher->error.sentence);
}

// Tries again later, from `state` on. What it waits for is told once.
static void try_later(struct wr_publisher *publisher, enum wr_publisher_state state)
{
    const uint32_t doublings = publisher->tries < 20 ? publisher->tries : 20;
    const int64_t  most      = publisher->options.retry_most;
    const int64_t  least     = publisher->options.retry_least;
    const int64_t  pause     = least << doublings < most ? least << doublings : most;
    const uint64_t random    = publisher->environment->ops->random(publisher->environment);
    target_close(publisher);
    publisher->state = state;
    publisher->tries++;
    publisher->counters.retries++;
    publisher->wake_at_us = wr_now_us(publisher->environment) + pause / 2 +
                            (int64_t)(random % (uint64_t)(pause / 2 + 1));
    if (!publisher->has_told) {
        publisher->has_told = true;
        warn(publisher, publisher->error.sentence);
    }
}

// ---- the log ----

static void log_close(struct wr_publisher *publisher)
{
    for (uint32_t i = 0; i < publisher->partition_count; i++) {
        weir_reader_close(publisher->partitions[i].reader);
    }
    wr_free(publisher->partitions);
    wr_strings_fini(&publisher->strings);
    if (publisher->log != NULL) {
        (void)weir_log_close(publisher->log); // a reader's has nothing to lose
    }
    publisher->partitions      = NULL;
    publisher->partition_count = 0;
    publisher->topic           = NULL;
    publisher->log             = NULL;
}

static weir_status fail_by_log(struct wr_publisher *publisher, weir_status status)
{
    return wr_error_set(&publisher->error, status, "outbox %s: %s", publisher->name,
                        publisher->log != NULL ? weir_log_error(publisher->log)
                                               : weir_status_sentence(status));
}

static weir_status open_readers(struct wr_publisher *publisher)
{
    const uint32_t count       = publisher->topic->settings.partitions;
    publisher->partitions      = wr_alloc(count * sizeof(*publisher->partitions));
    publisher->partition_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const weir_reader_options options = {
            .type            = publisher->type,
            .partitions      = &i,
            .partition_count = 1,
            .start           = WEIR_START_EARLIEST,
        };
        struct wr_published *published = &publisher->partitions[i];
        published->number              = i;
        const weir_status status =
            weir_reader_open(publisher->log, publisher->topic_name, &options, &published->reader);
        if (status != WEIR_OK) {
            return fail_by_log(publisher, status);
        }
    }
    return WEIR_OK;
}

static weir_status open_log(struct wr_publisher *publisher)
{
    const weir_log_options reading = {
        .writes = false,
        .warn   = publisher->options.warn,
        .opaque = publisher->options.opaque,
    };
    struct wr_log_error error = { .status = WEIR_OK };
    weir_status         status =
        wr_log_open_in(publisher->environment, publisher->directory, &reading, &publisher->log);
    if (status != WEIR_OK) {
        return fail_by_log(publisher, status);
    }
    publisher->topic = wr_catalog_topic(publisher->log, publisher->topic_name, &error);
    if (publisher->topic == NULL) {
        status = wr_log_keep(publisher->log, &error);
        return fail_by_log(publisher, status);
    }
    publisher->type =
        publisher->options.type != NULL ? publisher->options.type : publisher->topic->settings.type;
    publisher->strings = wr_strings_of(publisher->type);
    wr_log_id_text(&publisher->topic->id, publisher->source_id);
    return open_readers(publisher);
}

static void step_log(struct wr_publisher *publisher)
{
    const weir_status status = open_log(publisher);
    if (status == WEIR_OK) {
        publisher->state    = WR_PUBLISHER_TARGET;
        publisher->tries    = 0;
        publisher->has_told = false;
        return;
    }
    log_close(publisher);
    // Whoever writes it has not come yet; or is making it just now, which looks like damage.
    if (status == WEIR_NOT_FOUND ||
        (status == WEIR_DAMAGED && publisher->tries < LOG_IS_MADE_TRIES)) {
        publisher->has_told |= status == WEIR_DAMAGED;
        try_later(publisher, WR_PUBLISHER_LOG);
    } else {
        end(publisher);
    }
}

// ---- the target ----

// Of a call that was not DONE: ends, or opens the target anew.
static void meet_outcome(struct wr_publisher *publisher, weir_outbox_outcome outcome,
                         const char *what)
{
    const char *said = publisher->target.error(publisher->target.opaque);
    switch (outcome) {
    case WEIR_OUTBOX_DONE: break;
    case WEIR_OUTBOX_UNKNOWN:
        publisher->counters.unknown++;
        (void)FAIL(publisher, WEIR_UNREACHABLE, "cannot %s; it is tried again: %s", what, said);
        try_later(publisher, WR_PUBLISHER_TARGET);
        return;
    case WEIR_OUTBOX_FENCED:
        (void)FAIL(publisher, WEIR_FENCED, "a later publisher has taken over: %s", said);
        end(publisher);
        return;
    case WEIR_OUTBOX_REFUSED:
        (void)FAIL(publisher, WEIR_FAILED, "the target refuses to %s: %s", what, said);
        end(publisher);
        return;
    }
    (void)FAIL(publisher, WEIR_FAILED, "asked to %s the target answers %d, which is no outcome",
               what, (int)outcome);
    end(publisher);
}

// Whether the log's writer of now has said how far this topic and the transactions go. Before it
// has, less may be seen of a log than was acknowledged: after a crash of the machine.
static bool writer_has_come(struct wr_publisher *publisher, uint32_t partition)
{
    const struct wr_live   *live  = wr_topic_live(publisher->topic);
    struct wr_log_error     error = { .status = WEIR_OK };
    struct wr_live_position position;
    bool                    has_come =
        live != NULL && wr_live_is_current(live) && wr_live_read(live, partition, &position);
    if (has_come && wr_catalog_has_topic(publisher->log, WR_TRANSACTIONS_TOPIC)) {
        struct wr_topic *decisions =
            wr_catalog_topic(publisher->log, WR_TRANSACTIONS_TOPIC, &error);
        live     = decisions != NULL ? wr_topic_live(decisions) : NULL;
        has_come = live != NULL && wr_live_is_current(live) && wr_live_read(live, 0, &position);
    }
    wr_log_error_fini(&error);
    return has_come;
}

// Whether the log can go on where the target is. WEIR_TIMED_OUT: it cannot be known yet.
static weir_status check_progress(struct wr_publisher *publisher, uint32_t partition,
                                  const weir_outbox_progress *progress,
                                  const weir_partition_info  *info)
{
    if (strncmp(progress->id, publisher->source_id, sizeof(progress->id)) != 0) {
        return FAIL(publisher, WEIR_CONFLICT,
                    "the target has the progress of another topic, or of this one before it was "
                    "made anew (id %.32s, not %s); publish to another target, or empty it",
                    progress->id, publisher->source_id);
    }
    if (progress->next > info->committed_offset) {
        return FAIL(publisher,
                    writer_has_come(publisher, partition) ? WEIR_CONFLICT : WEIR_TIMED_OUT,
                    "partition %u: the target has what is before offset %llu, but the log's "
                    "committed records end at %llu: they were lost or taken back, or the target "
                    "is that of another log",
                    partition, (shown)progress->next, (shown)info->committed_offset);
    }
    if (progress->next < info->first_offset) {
        return FAIL(publisher, WEIR_NOT_FOUND,
                    "partition %u: the target has what is before offset %llu, but the log's first "
                    "record is at %llu: what is between was dropped by retention before it was "
                    "published",
                    partition, (shown)progress->next, (shown)info->first_offset);
    }
    return WEIR_OK;
}

// The partition goes on at `next`, and nowhere else.
static weir_status place_reader(struct wr_publisher *publisher, uint32_t partition, uint64_t next)
{
    struct wr_published *published = &publisher->partitions[partition];
    uint64_t             stands    = 0;
    uint64_t             lag       = 0;
    published->has_rows            = false;
    published->next                = next;
    weir_status status             = weir_reader_seek(published->reader, partition, next);
    if (status == WEIR_OK) {
        status = weir_reader_position(published->reader, partition, &stands, &lag);
    }
    if (status != WEIR_OK) {
        return FAIL(publisher, status, "%s", weir_reader_error(published->reader));
    }
    return stands == next ? WEIR_OK
                          : FAIL(publisher, WEIR_CONFLICT,
                                 "partition %u: the target has what is before offset %llu, but the "
                                 "log goes on at %llu",
                                 partition, (shown)next, (shown)stands);
}

static weir_status place_partition(struct wr_publisher *publisher, uint32_t partition,
                                   const weir_outbox_progress *progress)
{
    weir_partition_info info;
    weir_status         status =
        weir_log_partition_info(publisher->log, publisher->topic_name, partition, &info);
    if (status != WEIR_OK) {
        return fail_by_log(publisher, status);
    }
    if (progress->is_known) {
        status = check_progress(publisher, partition, progress, &info);
    }
    return status == WEIR_OK ? place_reader(publisher, partition,
                                            progress->is_known ? progress->next : info.first_offset)
                             : status;
}

static bool open_target(struct wr_publisher *publisher)
{
    const weir_outbox_source source = {
        .name       = publisher->name,
        .id         = publisher->source_id,
        .partitions = publisher->partition_count,
        .type       = publisher->type,
    };
    const weir_outbox_claim claim = {
        .publisher  = publisher->id,
        .takes_over = !publisher->has_claimed,
    };
    uint64_t epoch          = 0;
    publisher->is_connected = true;
    const weir_outbox_outcome outcome =
        publisher->target.open(publisher->target.opaque, &source, &claim, &epoch);
    if (outcome != WEIR_OUTBOX_DONE) {
        meet_outcome(publisher, outcome, "open the target");
        return false;
    }
    if (epoch <= publisher->counters.epoch) {
        (void)FAIL(publisher, WEIR_FAILED,
                   "the target opened with epoch %llu after epoch %llu; it must grow, or older "
                   "publishers are not kept out",
                   (shown)epoch, (shown)publisher->counters.epoch);
        end(publisher);
        return false;
    }
    publisher->has_claimed    = true;
    publisher->counters.epoch = epoch;
    return true;
}

// Goes on where the target is.
static bool read_back(struct wr_publisher *publisher, uint32_t partition)
{
    weir_outbox_progress      progress = { .is_known = false };
    const weir_outbox_outcome outcome =
        publisher->target.progress(publisher->target.opaque, partition, &progress);
    if (outcome != WEIR_OUTBOX_DONE) {
        meet_outcome(publisher, outcome, "read the progress back");
        return false;
    }
    const weir_status status = place_partition(publisher, partition, &progress);
    if (status == WEIR_TIMED_OUT) {
        try_later(publisher, WR_PUBLISHER_TARGET);
    } else if (status != WEIR_OK) {
        end(publisher);
    }
    return status == WEIR_OK;
}

static void step_target(struct wr_publisher *publisher)
{
    bool is_good = open_target(publisher);
    for (uint32_t i = 0; i < publisher->partition_count && is_good; i++) {
        is_good = read_back(publisher, i);
    }
    if (is_good) {
        publisher->state = WR_PUBLISHER_PUBLISH;
        wr_error_fini(&publisher->error);
    }
}

// ---- a transaction ----

// The next rows of a partition, if there are none at hand. False: there are none, or it ended.
static bool fetch(struct wr_publisher *publisher, struct wr_published *published)
{
    if (published->has_rows) {
        return true;
    }
    const weir_status status = weir_reader_next(published->reader, 0, &published->rows);
    if (status == WEIR_TIMED_OUT) {
        return false;
    }
    if (status != WEIR_OK) {
        (void)FAIL(publisher, status, "%s", weir_reader_error(published->reader));
        end(publisher);
        return false;
    }
    WR_ASSERT(published->rows.count > 0 && published->rows.offset >= published->next);
    published->taken    = 0;
    published->has_rows = true;
    published->seen_us  = wr_now_us(publisher->environment);
    return true;
}

// Acknowledged offsets that are not published.
static uint64_t lag_of(const struct wr_published *published)
{
    uint64_t stands = 0, lag = 0;
    return weir_reader_position(published->reader, published->number, &stands, &lag) == WEIR_OK
               ? stands + lag - published->next
               : 0;
}

// The rows at hand that still go into a transaction, whose rows and bytes are counted.
static weir_log_rows slice(const struct wr_publisher *publisher,
                           const struct wr_published *published, uint64_t *rows, uint64_t *bytes)
{
    const uint32_t size  = publisher->type->size;
    weir_log_rows  slice = published->rows;
    slice.rows           = (const char *)slice.rows + (size_t)published->taken * size;
    slice.changes        = slice.changes != NULL ? slice.changes + published->taken : NULL;
    if (slice.deltas != NULL) {
        slice.deltas += published->taken;
    } else {
        slice.offset += published->taken;
    }
    slice.count          = 0;
    const uint32_t there = published->rows.count - published->taken;
    while (slice.count < there && *rows < publisher->options.rows &&
           *bytes < publisher->options.bytes) {
        const char *row = (const char *)slice.rows + (size_t)slice.count * size;
        *bytes += size + wr_strings_long_bytes(&publisher->strings, row);
        *rows += 1;
        slice.count++;
    }
    return slice;
}

// The offset behind the last of some rows.
static uint64_t end_of(const weir_log_rows *rows)
{
    const uint32_t last = rows->count - 1;
    return rows->offset + (rows->deltas != NULL ? rows->deltas[last] : last) + 1;
}

// Writes rows until there are enough, or no more. *next is behind the last; *what is what was done
// last.
static weir_outbox_outcome write_rows(struct wr_publisher *publisher,
                                      struct wr_published *published, uint64_t *rows,
                                      uint64_t *next)
{
    const int64_t until_us = wr_now_us(publisher->environment) + TRANSACTION_US;
    uint64_t      bytes    = 0;
    do {
        const weir_log_rows       some = slice(publisher, published, rows, &bytes);
        const weir_outbox_outcome outcome =
            publisher->target.write(publisher->target.opaque, &some);
        if (outcome != WEIR_OUTBOX_DONE) {
            return outcome;
        }
        *next = end_of(&some);
        published->taken += some.count;
        published->has_rows = published->taken < published->rows.count;
    } while (*rows < publisher->options.rows && bytes < publisher->options.bytes &&
             wr_now_us(publisher->environment) < until_us && fetch(publisher, published));
    return WEIR_OUTBOX_DONE;
}

// One transaction, with the rows at hand and what follows them.
static void publish(struct wr_publisher *publisher, uint32_t number)
{
    struct wr_published *published = &publisher->partitions[number];
    void *const          opaque    = publisher->target.opaque;
    weir_outbox_place    place     = {
               .partition = number,
               .from      = published->next,
               .next      = published->next,
               .epoch     = publisher->counters.epoch,
    };
    uint64_t            rows    = 0;
    weir_outbox_outcome outcome = publisher->target.begin(opaque, number, place.from);
    const char         *what    = "begin a transaction";
    if (outcome == WEIR_OUTBOX_DONE) {
        what    = "write records";
        outcome = write_rows(publisher, published, &rows, &place.next);
    }
    if (outcome == WEIR_OUTBOX_DONE && publisher->state != WR_PUBLISHER_ENDED) {
        WR_ASSERT(place.from < place.next);
        what    = "commit";
        outcome = publisher->target.commit(opaque, &place);
    }
    if (outcome != WEIR_OUTBOX_DONE) {
        meet_outcome(publisher, outcome, what);
    } else if (publisher->state != WR_PUBLISHER_ENDED) {
        published->next = place.next;
        publisher->counters.records += rows;
        publisher->counters.transactions++;
        publisher->tries    = 0;
        publisher->has_told = false;
    }
}

// Whether the rows at hand have waited long enough for more.
static bool is_due(const struct wr_publisher *publisher, const struct wr_published *published)
{
    return publisher->options.linger == 0 || lag_of(published) >= publisher->options.rows ||
           wr_now_us(publisher->environment) >= published->seen_us + publisher->options.linger;
}

// Whether the readers stand where what is committed ends by a fresh look: one that has not met the
// writer's memory looks at files now and then only.
static bool has_read_all(struct wr_publisher *publisher)
{
    for (uint32_t i = 0; i < publisher->partition_count; i++) {
        weir_partition_info info;
        uint64_t            stands = 0, lag = 0;
        if (weir_log_partition_info(publisher->log, publisher->topic_name, i, &info) != WEIR_OK ||
            weir_reader_position(publisher->partitions[i].reader, i, &stands, &lag) != WEIR_OK ||
            stands < info.committed_offset) {
            return false;
        }
    }
    return true;
}

static enum wr_publisher_step step_publish(struct wr_publisher *publisher, bool hurries)
{
    bool is_waiting       = false;
    publisher->wake_at_us = INT64_MAX;
    for (uint32_t i = 0; i < publisher->partition_count; i++) {
        const uint32_t       number    = publisher->turn;
        struct wr_published *published = &publisher->partitions[number];
        publisher->turn                = number + 1 < publisher->partition_count ? number + 1 : 0;
        if (fetch(publisher, published)) {
            if (hurries || is_due(publisher, published)) {
                publish(publisher, number);
                return WR_PUBLISHER_MOVED;
            }
            const int64_t due_us  = published->seen_us + publisher->options.linger;
            is_waiting            = true;
            publisher->wake_at_us = due_us < publisher->wake_at_us ? due_us : publisher->wake_at_us;
        } else if (publisher->state == WR_PUBLISHER_ENDED) {
            return WR_PUBLISHER_HAS_ENDED;
        }
    }
    if (!is_waiting && hurries && !has_read_all(publisher)) {
        is_waiting            = true;
        publisher->wake_at_us = wr_now_us(publisher->environment) + LOOK_AGAIN_US;
    }
    return is_waiting ? WR_PUBLISHER_WAITS : WR_PUBLISHER_IDLE;
}

static void count_lag(struct wr_publisher *publisher)
{
    publisher->counters.lag = 0;
    for (uint32_t i = 0; i < publisher->partition_count; i++) {
        publisher->counters.lag += lag_of(&publisher->partitions[i]);
    }
}

enum wr_publisher_step wr_publisher_step(struct wr_publisher *publisher, bool hurries)
{
    enum wr_publisher_step step = WR_PUBLISHER_MOVED;
    switch (publisher->state) {
    case WR_PUBLISHER_ENDED: return WR_PUBLISHER_HAS_ENDED;
    case WR_PUBLISHER_LOG:
    case WR_PUBLISHER_TARGET:
        if (wr_now_us(publisher->environment) < publisher->wake_at_us) {
            return WR_PUBLISHER_WAITS;
        }
        if (publisher->state == WR_PUBLISHER_LOG) {
            step_log(publisher);
        } else {
            step_target(publisher);
        }
        break;
    case WR_PUBLISHER_PUBLISH:
        step = step_publish(publisher, hurries);
        count_lag(publisher);
        break;
    }
    return step;
}

// ---- beginning and end ----

static weir_outbox_options options_with_defaults(const weir_outbox_options *given)
{
    weir_outbox_options options = given != NULL ? *given : (weir_outbox_options){ .rows = 0 };
    options.rows                = options.rows != 0 ? options.rows : ROWS_DEFAULT;
    options.bytes               = options.bytes != 0 ? options.bytes : BYTES_DEFAULT;
    options.retry_least = options.retry_least > 0 ? options.retry_least : RETRY_LEAST_DEFAULT;
    options.retry_most  = options.retry_most > 0 ? options.retry_most : RETRY_MOST_DEFAULT;
    options.name        = NULL; // a copy is kept apart
    return options;
}

void wr_publisher_init(struct wr_publisher *publisher, struct wr_environment *environment,
                       const char *directory, const char *topic, const weir_outbox_target *target,
                       const weir_outbox_options *options)
{
    *publisher = (struct wr_publisher){
        .environment = environment,
        .directory   = wr_copy_text(directory),
        .topic_name  = wr_copy_text(topic),
        .name    = wr_copy_text(options != NULL && options->name != NULL ? options->name : topic),
        .target  = *target,
        .options = options_with_defaults(options),
        .id      = environment->ops->random(environment) | 1,
        .state   = WR_PUBLISHER_LOG,
    };
}

void wr_publisher_fini(struct wr_publisher *publisher)
{
    target_close(publisher);
    log_close(publisher);
    wr_error_fini(&publisher->error);
    wr_free(publisher->directory);
    wr_free(publisher->topic_name);
    wr_free(publisher->name);
}
