// orders: a durable log between a program that takes orders and jobs that read them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir.h>

typedef struct order {
    weir_time at;
    uint64_t  number;
    uint32_t  customer;
    int32_t   cents;
} order;
WEIR_RECORD(order, at, number, customer, cents);

static const weir_topic orders = {
    .name       = "orders",
    .type       = &order_type,
    .key        = "customer", // orders of one customer stay in order
    .time       = "at",
    .partitions = 4,
};

static bool is_large(const order *o) { return o->cents >= 5000; }
WEIR_FILTER(large, order, is_large);

static const weir_topic large_orders = { .name = "large-orders", .type = &order_type };

static weir_status take(uint64_t count)
{
    weir_log      *log;
    weir_producer *producer = NULL;
    weir_status    status =
        weir_log_open("shop", &(weir_log_options){ .writes = true, .creates = true }, &log);
    if (status == WEIR_OK) {
        status = weir_log_create_topic(log, &orders);
    }
    if (status == WEIR_OK) {
        status = weir_producer_open(log, "orders", NULL, &producer);
    }
    for (uint64_t i = 0; i < count && status == WEIR_OK; i++) {
        const order taken = {
            .at       = WEIR_SECONDS(i),
            .number   = i,
            .customer = (uint32_t)(i % 7),
            .cents    = (int32_t)(i * 1000 % 10000),
        };
        status = weir_producer_append(producer, &taken, 1);
    }
    if (producer != NULL) {
        const weir_status closed = weir_producer_close(producer); // waits: all are on disk
        status                   = status == WEIR_OK ? closed : status;
    }
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "orders: %s\n", weir_log_error(log));
    }
    (void)weir_log_close(log);
    return status;
}

static weir_status find_large(void)
{
    weir_job   *job = weir_job_open("find-large");
    weir_stream in  = weir_from_log(
         job, &orders, &(weir_log_source_options){ .directory = "shop", .consumer = "find-large" });
    weir_stream found = weir_filter(in, &large);
    weir_to_log(found, &large_orders, &(weir_log_sink_options){ .directory = "shop" });

    const weir_status status = weir_job_run(job, NULL);
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", weir_job_error(job));
    }
    (void)printf("read %llu, wrote %llu\n",
                 (unsigned long long)weir_job_sources_counter(job, WEIR_ROWS_OUT),
                 (unsigned long long)weir_job_counter(job, "write-large-orders", WEIR_INSERTS));
    weir_job_close(job);
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "take") == 0) {
        return weir_status_exit_code(take(strtoull(argv[2], NULL, 10)));
    }
    if (argc == 2 && strcmp(argv[1], "find-large") == 0) {
        return weir_status_exit_code(find_large());
    }
    (void)fprintf(stderr, "usage: orders take COUNT | orders find-large\n");
    return weir_status_exit_code(WEIR_USAGE);
}
