// Produces numbered records with the idempotent producer and acks=all, and measures how fast they
// are acknowledged and how late each is.
//
//     main thread:    due? -> rd_kafka_produce_batch ----> librdkafka ----> broker
//     report thread:  histogram <- delivery reports <------+
//
// A record's opaque pointer is the time its latency counts from, in nanoseconds: of a paced run the
// moment it was due, so that a stall shows in every record it delayed; of an unpaced one the moment
// it was handed over, so that it contains the wait in librdkafka's queue. It is NULL for records of
// the warm-up, which are not recorded.
//
// The histogram and the counts of struct reports belong to the report thread until it is joined; it
// ends by itself after the last report.

#include "bench/harness/clock.h"
#include "bench/harness/histogram.h"
#include "bench/harness/pacer.h"
#include "bench/peers/kafka/load.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST_MOST  1000 // records of one rd_kafka_produce_batch
#define LIMIT_MS    (LOAD_RUN_LIMIT_S * 1000)
#define MILLISECOND 1000000

// Found by trying; README.md says what else was tried. --set comes after these.
static const char *const producer_settings[] = {
    "acks=all",
    "enable.idempotence=true",
    "linger.ms=5",
    "batch.num.messages=100000",
    "batch.size=4000000",
    "message.max.bytes=16000000",
    "queue.buffering.max.messages=200000",
    "queue.buffering.max.kbytes=1000000",
    "socket.nagle.disable=true",
    "message.timeout.ms=60000",
    "log_level=3",
    NULL,
};

struct reports {
    rd_kafka_queue_t *queue;
    uint64_t          expected; // the thread ends after so many
    uint64_t          seen;
    int64_t           last_ns;
    struct histogram  latency_ns;
};

struct producer {
    const struct load_options *options;
    rd_kafka_t                *client;
    rd_kafka_topic_t          *topic;
    struct pacer               pacer;
    uint64_t                   next; // number of the next record
    int32_t                    partition;
    char                      *values; // BURST_MOST records
    rd_kafka_message_t         messages[BURST_MOST];
    int64_t                    commit_due_ns;
    struct histogram           commit_ns;
};

static void event_record(struct reports *r, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    r->last_ns = clock_now_ns();
    while ((message = rd_kafka_event_message_next(event))) {
        if (message->err)
            load_fail("record %" PRIu64 " was not acknowledged: %s", r->seen,
                      rd_kafka_err2str(message->err));
        int64_t from_ns = (int64_t)(intptr_t)message->_private;
        if (from_ns)
            histogram_record(&r->latency_ns, (uint64_t)(r->last_ns - from_ns));
        r->seen++;
    }
}

static void *reports_run(void *argument)
{
    struct reports *r           = argument;
    int64_t         deadline_ns = clock_now_ns() + (int64_t)LIMIT_MS * MILLISECOND;
    while (r->seen < r->expected) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(r->queue, 100);
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            event_record(r, event);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
            fprintf(stderr, "kafka_load: %s\n", rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
        if (clock_now_ns() > deadline_ns)
            load_fail("%" PRIu64 " of %" PRIu64 " records were acknowledged within %d s", r->seen,
                      r->expected, LOAD_RUN_LIMIT_S);
    }
    return NULL;
}

// Makes the topic, or finds it there.
static void topic_create(rd_kafka_t *client, const struct load_options *o)
{
    char                 why[256];
    rd_kafka_queue_t    *queue = rd_kafka_queue_new(client);
    rd_kafka_NewTopic_t *topic =
        rd_kafka_NewTopic_new(o->topic, o->partition_count, 1, why, sizeof why);
    if (!topic)
        load_fail("topic %s: %s", o->topic, why);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t                     *event  = rd_kafka_queue_poll(queue, LIMIT_MS);
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    if (!result || rd_kafka_event_error(event))
        load_fail("topic %s could not be made: %s", o->topic, rd_kafka_event_error_string(event));
    size_t                         count;
    const rd_kafka_topic_result_t *made = rd_kafka_CreateTopics_result_topics(result, &count)[0];
    rd_kafka_resp_err_t            err  = rd_kafka_topic_result_error(made);
    if (err && err != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        load_fail("topic %s could not be made: %s", o->topic, rd_kafka_err2str(err));
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_queue_destroy(queue);
}

// Waits until the broker leads each partition of a new topic. Records sent before that are refused
// and sent again, over which librdkafka 2.0.2's idempotent producer stalls for ever now and then.
static void topic_wait(rd_kafka_t *client, const struct load_options *o)
{
    int64_t deadline_ns = clock_now_ns() + (int64_t)LIMIT_MS * MILLISECOND;
    for (int partition = 0; partition < o->partition_count;) {
        int64_t             first, end;
        rd_kafka_resp_err_t err =
            rd_kafka_query_watermark_offsets(client, o->topic, partition, &first, &end, 1000);
        if (!err)
            partition++;
        else if (clock_now_ns() > deadline_ns)
            load_fail("topic %s, partition %d has no leader after %d s: %s", o->topic, partition,
                      LOAD_RUN_LIMIT_S, rd_kafka_err2str(err));
    }
}

static void transaction_begin(struct producer *p)
{
    load_check(rd_kafka_begin_transaction(p->client), "begin");
    p->commit_due_ns = clock_now_ns() + p->options->transaction_ms * MILLISECOND;
}

// Returns once all records of the transaction are acknowledged and the broker has committed it.
static void transaction_commit(struct producer *p, bool is_measured)
{
    int64_t from_ns = clock_now_ns();
    load_check(rd_kafka_commit_transaction(p->client, LIMIT_MS), "commit");
    if (is_measured)
        histogram_record(&p->commit_ns, (uint64_t)(clock_now_ns() - from_ns));
}

static void commit_when_due(struct producer *p, bool is_measured)
{
    if (!p->options->transaction_ms || clock_now_ns() < p->commit_due_ns)
        return;
    transaction_commit(p, is_measured);
    transaction_begin(p);
}

// Hands over `count` records, the next ones, to one partition; waits while the queue is full.
static void burst_send(struct producer *p, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        memcpy(p->messages[i].payload, &(uint64_t){ p->next + i }, sizeof(uint64_t));
    int taken =
        rd_kafka_produce_batch(p->topic, p->partition, RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK,
                               p->messages, (int)count);
    if (taken != (int)count)
        load_fail("%d of %d records were taken: %s", taken, (int)count,
                  rd_kafka_err2str(p->messages[taken].err));
    p->next += count;
    p->partition = (p->partition + 1) % p->options->partition_count;
}

static void send_unpaced(struct producer *p, uint64_t record_count, bool is_measured)
{
    for (uint64_t sent = 0, count; sent < record_count; sent += count) {
        int64_t now_ns = clock_now_ns();
        count          = record_count - sent < BURST_MOST ? record_count - sent : BURST_MOST;
        for (uint64_t i = 0; i < count; i++)
            p->messages[i]._private = is_measured ? (void *)(intptr_t)now_ns : NULL;
        burst_send(p, count);
        commit_when_due(p, is_measured);
    }
}

// Sleeps until a record is due, then hands over all that have become due.
static void send_paced(struct producer *p, uint64_t record_count, bool is_measured)
{
    pacer_start(&p->pacer, p->options->rate);
    for (uint64_t sent = 0, count; sent < record_count; sent += count) {
        int64_t now_ns = pacer_wait(&p->pacer, (int64_t)sent, true);
        int64_t due_ns = pacer_due_ns(&p->pacer, (int64_t)sent);
        for (count = 0; count < BURST_MOST && sent + count < record_count && due_ns <= now_ns;) {
            p->messages[count]._private = is_measured ? (void *)(intptr_t)due_ns : NULL;
            count++;
            due_ns = pacer_due_ns(&p->pacer, (int64_t)(sent + count));
        }
        burst_send(p, count);
        commit_when_due(p, is_measured);
    }
}

// Sends and waits until all are acknowledged, and committed.
static void phase_run(struct producer *p, uint64_t record_count, bool is_measured)
{
    bool is_transactional = p->options->transaction_ms > 0;
    if (is_transactional)
        transaction_begin(p);
    (p->options->rate ? send_paced : send_unpaced)(p, record_count, is_measured);
    if (is_transactional)
        transaction_commit(p, is_measured);
    rd_kafka_resp_err_t err = rd_kafka_flush(p->client, LIMIT_MS);
    if (err)
        load_fail("not all records were acknowledged: %s", rd_kafka_err2str(err));
}

static void producer_open(struct producer *p, const struct load_options *o)
{
    rd_kafka_conf_t *conf = load_conf(o, producer_settings);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    if (o->transaction_ms)
        rd_kafka_conf_set(conf, "transactional.id", o->topic, NULL, 0);
    *p = (struct producer){ .options = o, .client = load_open(RD_KAFKA_PRODUCER, conf) };
    topic_create(p->client, o);
    topic_wait(p->client, o);
    if (o->transaction_ms)
        load_check(rd_kafka_init_transactions(p->client, LIMIT_MS), "init_transactions");
    p->topic  = rd_kafka_topic_new(p->client, o->topic, NULL);
    p->values = malloc(BURST_MOST * o->record_bytes);
    if (!p->topic || !p->values || !histogram_open(&p->commit_ns))
        load_fail("no memory");
    memset(p->values, 'x', BURST_MOST * o->record_bytes);
    for (size_t i = 0; i < BURST_MOST; i++) {
        p->messages[i].payload = p->values + i * o->record_bytes;
        p->messages[i].len     = o->record_bytes;
    }
}

static void producer_close(struct producer *p)
{
    histogram_close(&p->commit_ns);
    free(p->values);
    rd_kafka_topic_destroy(p->topic);
    rd_kafka_destroy(p->client);
}

static void percentiles_print(const char *name, const struct histogram *h)
{
    printf(",\"%s_us\":{\"p50\":%.1f,\"p99\":%.1f,\"p99.9\":%.1f,\"max\":%.1f}", name,
           (double)histogram_percentile(h, 50) / 1e3, (double)histogram_percentile(h, 99) / 1e3,
           (double)histogram_percentile(h, 99.9) / 1e3, (double)h->max / 1e3);
}

static void result_print(const struct producer *p, const struct reports *r, double seconds,
                         double cpu_seconds)
{
    const struct load_options *o    = p->options;
    double                     rate = (double)o->record_count / seconds;
    printf("{\"what\":\"produce\",\"records\":%" PRIu64 ",\"warm_up\":%" PRIu64
           ",\"bytes\":%" PRIu64 ",\"partitions\":%d,\"rate\":%" PRId64
           ",\"transaction_ms\":%" PRId64 ",\"seconds\":%.4f,\"records_per_second\":%.0f"
           ",\"mb_per_second\":%.2f,\"cpu_seconds\":%.3f",
           o->record_count, o->warm_up_count, o->record_bytes, o->partition_count, o->rate,
           o->transaction_ms, seconds, rate, rate * (double)o->record_bytes / 1e6, cpu_seconds);
    percentiles_print("latency", &r->latency_ns);
    if (o->transaction_ms) {
        printf(",\"commits\":%" PRIu64, p->commit_ns.count);
        percentiles_print("commit", &p->commit_ns);
    }
    puts("}");
}

void produce_run(const struct load_options *options)
{
    static struct producer p;
    producer_open(&p, options);
    struct reports r = { .queue    = rd_kafka_queue_get_main(p.client),
                         .expected = options->warm_up_count + options->record_count };
    pthread_t      thread;
    if (!histogram_open(&r.latency_ns) || pthread_create(&thread, NULL, reports_run, &r))
        load_fail("no memory, or no thread");
    if (options->warm_up_count)
        phase_run(&p, options->warm_up_count, false);

    // Of a paced run the first second may be spent waiting for the schedule to start.
    double  cpu_before = load_cpu_seconds();
    int64_t from_ns    = clock_now_ns();
    phase_run(&p, options->record_count, true);
    int64_t until_ns = clock_now_ns();
    double  cpu      = load_cpu_seconds() - cpu_before;
    pthread_join(thread, NULL);

    if (options->rate)
        from_ns = p.pacer.start_ns;
    result_print(&p, &r, (double)(until_ns - from_ns) / 1e9, cpu);
    rd_kafka_queue_destroy(r.queue);
    histogram_close(&r.latency_ns);
    producer_close(&p);
}
