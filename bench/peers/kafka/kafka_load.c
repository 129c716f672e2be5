// kafka_load: produces numbered records to one Kafka topic, or reads them all back, and prints what
// that took as one JSON line. One connection, one partition or several, one process.

#include "bench/peers/kafka/load.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char usage[] =
    "usage: kafka_load produce [options]\n"
    "       kafka_load consume [options]\n"
    "  --broker HOST:PORT  default 127.0.0.1:19092\n"
    "  --topic NAME        default load; produce makes it when it is not there\n"
    "  --records N         how many are measured, or read (default 1000000)\n"
    "  --warm-up N         produce so many before the clock starts (default 0)\n"
    "  --bytes N           of one record, 8 to 4096 (default 100)\n"
    "  --partitions N      of the topic (default 1)\n"
    "  --rate N            records a second by a fixed schedule; 0 is as fast as it goes\n"
    "  --transaction-ms N  commit a transaction so often; 0 is no transactions\n"
    "  --set NAME=VALUE    a setting of librdkafka, as often as needed\n"
    "  --version           librdkafka's version\n";

void load_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("kafka_load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void load_check(rd_kafka_error_t *error, const char *what)
{
    if (error)
        load_fail("%s: %s", what, rd_kafka_error_string(error));
}

double load_cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void conf_set(rd_kafka_conf_t *conf, const char *setting)
{
    char        name[128], why[256];
    const char *equals = strchr(setting, '=');
    if (!equals || (size_t)(equals - setting) >= sizeof name)
        load_fail("--set %s: expected NAME=VALUE", setting);
    snprintf(name, sizeof name, "%.*s", (int)(equals - setting), setting);
    if (rd_kafka_conf_set(conf, name, equals + 1, why, sizeof why) != RD_KAFKA_CONF_OK)
        load_fail("--set %s: %s", setting, why);
}

rd_kafka_conf_t *load_conf(const struct load_options *options, const char *const *defaults)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char             brokers[256];
    snprintf(brokers, sizeof brokers, "bootstrap.servers=%s", options->broker);
    conf_set(conf, brokers);
    for (const char *const *setting = defaults; *setting; setting++)
        conf_set(conf, *setting);
    for (int i = 0; i < options->setting_count; i++)
        conf_set(conf, options->settings[i]);
    return conf;
}

rd_kafka_t *load_open(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char        why[256];
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (!client)
        load_fail("no client could be made: %s", why);
    return client;
}

static int64_t number_parse(const char *name, const char *text, int64_t least, int64_t most)
{
    char *end;
    errno            = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end || number < least || number > most)
        load_fail("--%s %s: expected a whole number from %lld to %lld", name, text,
                  (long long)least, (long long)most);
    return number;
}

static void option_take(struct load_options *o, const char *name, const char *text)
{
    if (strcmp(name, "broker") == 0)
        o->broker = text;
    else if (strcmp(name, "topic") == 0)
        o->topic = text;
    else if (strcmp(name, "records") == 0)
        o->record_count = (uint64_t)number_parse(name, text, 1, 1000000000);
    else if (strcmp(name, "warm-up") == 0)
        o->warm_up_count = (uint64_t)number_parse(name, text, 0, 1000000000);
    else if (strcmp(name, "bytes") == 0)
        o->record_bytes = (uint64_t)number_parse(name, text, LOAD_BYTES_MIN, LOAD_BYTES_MAX);
    else if (strcmp(name, "partitions") == 0)
        o->partition_count = (int)number_parse(name, text, 1, 64);
    else if (strcmp(name, "rate") == 0)
        o->rate = number_parse(name, text, 0, 100000000);
    else if (strcmp(name, "transaction-ms") == 0)
        o->transaction_ms = number_parse(name, text, 0, 60000);
    else if (o->setting_count < LOAD_SETTINGS)
        o->settings[o->setting_count++] = text;
    else
        load_fail("--set %s: %d settings are the most", text, LOAD_SETTINGS);
}

static void options_parse(struct load_options *o, int argc, char **argv)
{
    static const struct option names[] = {
        { "broker", required_argument, NULL, 'o' },
        { "topic", required_argument, NULL, 'o' },
        { "records", required_argument, NULL, 'o' },
        { "warm-up", required_argument, NULL, 'o' },
        { "bytes", required_argument, NULL, 'o' },
        { "partitions", required_argument, NULL, 'o' },
        { "rate", required_argument, NULL, 'o' },
        { "transaction-ms", required_argument, NULL, 'o' },
        { "set", required_argument, NULL, 'o' },
        { "version", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int index = 0;
    for (int c; (c = getopt_long(argc, argv, "", names, &index)) != -1;) {
        if (c == 'o') {
            option_take(o, names[index].name, optarg);
            continue;
        }
        if (c == '?')
            exit(2);
        puts(c == 'v' ? rd_kafka_version_str() : usage);
        exit(0);
    }
}

int main(int argc, char **argv)
{
    struct load_options options = {
        .broker          = "127.0.0.1:19092",
        .topic           = "load",
        .record_count    = 1000000,
        .record_bytes    = 100,
        .partition_count = 1,
    };
    options_parse(&options, argc, argv);
    const char *verb = optind == argc - 1 ? argv[optind] : "";
    if (strcmp(verb, "produce") == 0) {
        produce_run(&options);
    } else if (strcmp(verb, "consume") == 0) {
        consume_run(&options);
    } else {
        fputs(usage, stderr);
        return 2;
    }
    return 0;
}
