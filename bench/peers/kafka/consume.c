// Reads a topic from its beginning until all records are there, and checks that each came once: the
// sum of their numbers is that of 0 to N-1.
//
// The clock runs from the assignment of the partitions to the last record.

#include "bench/harness/clock.h"
#include "bench/peers/kafka/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BATCH_MOST 10000

static const char *const consumer_settings[] = {
    "group.id=kafka_load", // asked for; there is no group, partitions are assigned by hand
    "enable.auto.commit=false",
    "enable.partition.eof=false",
    "fetch.wait.max.ms=10",
    "fetch.message.max.bytes=8000000",
    "fetch.max.bytes=64000000",
    "receive.message.max.bytes=100000000",
    "queued.min.messages=1000000",
    "queued.max.messages.kbytes=1000000",
    "socket.nagle.disable=true",
    "log_level=3",
    NULL,
};

struct reader {
    uint64_t count;
    uint64_t sum;
    int64_t  first_ns; // when the first record was there; 0 before
};

// Makes the connection and learns who leads the topic: without, the assignment takes half a second.
static void topic_find(rd_kafka_t *client, const char *name, int partition_count)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t               *topic = rd_kafka_topic_new(client, name, NULL);
    rd_kafka_resp_err_t             err =
        rd_kafka_metadata(client, 0, topic, &metadata, LOAD_RUN_LIMIT_S * 1000);
    if (err)
        load_fail("topic %s was not found: %s", name, rd_kafka_err2str(err));
    if (metadata->topic_cnt != 1 || metadata->topics[0].err)
        load_fail("topic %s is not there; was it produced to this broker?", name);
    if (metadata->topics[0].partition_cnt != partition_count)
        load_fail("topic %s has %d partitions; --partitions says %d", name,
                  metadata->topics[0].partition_cnt, partition_count);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
}

static void partitions_assign(rd_kafka_t *client, const struct load_options *o)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(o->partition_count);
    for (int i = 0; i < o->partition_count; i++)
        rd_kafka_topic_partition_list_add(list, o->topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t err = rd_kafka_assign(client, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (err)
        load_fail("topic %s: %s", o->topic, rd_kafka_err2str(err));
}

static void message_read(struct reader *r, rd_kafka_message_t *message)
{
    if (message->err)
        load_fail("after %" PRIu64 " records: %s", r->count, rd_kafka_message_errstr(message));
    if (message->len < LOAD_BYTES_MIN)
        load_fail("record %" PRIu64 " has %zu bytes; expected %d or more", r->count, message->len,
                  LOAD_BYTES_MIN);
    uint64_t number;
    memcpy(&number, message->payload, sizeof number);
    r->sum += number;
    r->count++;
    rd_kafka_message_destroy(message);
}

static void records_read(struct reader *r, rd_kafka_queue_t *queue, uint64_t record_count)
{
    static rd_kafka_message_t *messages[BATCH_MOST];
    int64_t deadline_ns = clock_now_ns() + (int64_t)LOAD_RUN_LIMIT_S * 1000000000;
    while (r->count < record_count) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 100, messages, BATCH_MOST);
        if (count < 0)
            load_fail("reading failed: %s", rd_kafka_err2str(rd_kafka_last_error()));
        if (count > 0 && !r->first_ns)
            r->first_ns = clock_now_ns();
        for (ssize_t i = 0; i < count; i++)
            message_read(r, messages[i]);
        if (clock_now_ns() > deadline_ns)
            load_fail("%" PRIu64 " of %" PRIu64 " records came within %d s", r->count, record_count,
                      LOAD_RUN_LIMIT_S);
    }
}

void consume_run(const struct load_options *options)
{
    rd_kafka_t *client = load_open(RD_KAFKA_CONSUMER, load_conf(options, consumer_settings));
    rd_kafka_poll_set_consumer(client);
    rd_kafka_queue_t *queue        = rd_kafka_queue_get_consumer(client);
    uint64_t          record_count = options->warm_up_count + options->record_count;
    struct reader     r            = { 0 };

    topic_find(client, options->topic, options->partition_count);

    double  cpu_before = load_cpu_seconds();
    int64_t from_ns    = clock_now_ns();
    partitions_assign(client, options);
    records_read(&r, queue, record_count);
    double seconds     = (double)(clock_now_ns() - from_ns) / 1e9;
    double cpu_seconds = load_cpu_seconds() - cpu_before;

    uint64_t sum = record_count % 2 ? (record_count - 1) / 2 * record_count
                                    : record_count / 2 * (record_count - 1);
    if (r.count != record_count || r.sum != sum)
        load_fail("%" PRIu64 " records with the sum %" PRIu64 " came; expected %" PRIu64
                  " with the sum %" PRIu64 "; was the topic filled by one run?",
                  r.count, r.sum, record_count, sum);
    printf("{\"what\":\"consume\",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"partitions\":%d,\"seconds\":%.4f,\"records_per_second\":%.0f"
           ",\"mb_per_second\":%.2f,\"cpu_seconds\":%.3f,\"first_record_ms\":%.1f"
           ",\"sum\":%" PRIu64 "}\n",
           record_count, options->record_bytes, options->partition_count, seconds,
           (double)record_count / seconds,
           (double)(record_count * options->record_bytes) / 1e6 / seconds, cpu_seconds,
           (double)(r.first_ns - from_ns) / 1e6, r.sum);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
}
