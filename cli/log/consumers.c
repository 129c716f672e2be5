// weir log consumers: where readers with a name stand.
#include "cli/log/verbs.h"

#include <inttypes.h>
#include <string.h>

struct listing {
    const struct wr_command *command;
    const char              *consumer; // NULL: all
    uint32_t                 count;
};

static void print_consumer(void *opaque, const weir_consumer_offset *at)
{
    struct listing          *listing = opaque;
    const struct wr_command *command = listing->command;
    char                     time[WEIR_TIME_TEXT_MAX];
    if ((listing->consumer != NULL && strcmp(listing->consumer, at->consumer) != 0) ||
        (command->topic != NULL && strcmp(command->topic, at->topic) != 0)) {
        return;
    }
    (void)weir_time_format(at->committed_at, time);
    if (command->as_json) {
        (void)printf("{\"consumer\":\"%s\",\"topic\":\"%s\",\"partition\":%u,\"offset\":%" PRIu64
                     ",\"lag\":%" PRIu64 ",\"committed_at\":\"%s\"}\n",
                     at->consumer, at->topic, at->partition, at->offset, at->lag, time);
    } else {
        if (listing->count == 0) {
            (void)printf("%-20s %-20s %9s %12s %12s  %s\n", "consumer", "topic", "partition",
                         "offset", "lag", "committed");
        }
        (void)printf("%-20s %-20s %9u %12" PRIu64 " %12" PRIu64 "  %s\n", at->consumer, at->topic,
                     at->partition, at->offset, at->lag, time);
    }
    listing->count++;
}

static int list(const struct wr_command *command, weir_log *log, const char *consumer)
{
    struct listing listing = { .command = command, .consumer = consumer };
    weir_topic     topic;
    weir_status    status =
        command->topic != NULL ? weir_log_topic(log, command->topic, &topic) : WEIR_OK;
    if (status != WEIR_OK) {
        return wr_command_log_failed(command, log, status);
    }
    status = weir_log_list_consumers(log, print_consumer, &listing);
    if (status != WEIR_OK) {
        return wr_command_failed(status, weir_log_error(log));
    }
    if (listing.count == 0 && consumer != NULL) {
        char *sentence = wr_format("log %s: there is no consumer %s that has committed anything; "
                                   "check the name",
                                   command->directory, consumer);
        const int code = wr_command_failed(WEIR_NOT_FOUND, sentence);
        wr_free(sentence);
        return code;
    }
    if (listing.count == 0) {
        wr_command_say(command, "log %s: no consumer has committed anything%s%s",
                       command->directory, command->topic != NULL ? " of topic " : "",
                       command->topic != NULL ? command->topic : "");
    }
    return 0;
}

// A consumer stands within the records, or behind the last one.
static int set_one(const struct wr_command *command, weir_log *log, const char *consumer,
                   uint32_t partition, uint64_t offset)
{
    weir_partition_info info;
    weir_status         status = weir_log_partition_info(log, command->topic, partition, &info);
    if (status == WEIR_OK && offset > info.end_offset) {
        char *sentence = wr_format("log %s: topic %s partition %u: there is no offset %llu yet: it "
                                   "ends at %llu",
                                   command->directory, command->topic, partition,
                                   (unsigned long long)offset, (unsigned long long)info.end_offset);
        const int code = wr_command_failed(WEIR_NOT_FOUND, sentence);
        wr_free(sentence);
        return code;
    }
    if (status == WEIR_OK) {
        status = weir_log_set_consumer(log, consumer, command->topic, partition, offset);
    }
    if (status != WEIR_OK) {
        return wr_command_failed(status, weir_log_error(log));
    }
    wr_command_say(command, "consumer %s: topic %s partition %u: begins at %" PRIu64, consumer,
                   command->topic, partition, offset);
    return 0;
}

static int set(const struct wr_command *command, weir_log *log, const char *consumer)
{
    weir_topic  topic;
    weir_status status = weir_log_topic(log, command->topic, &topic);
    int         code   = status == WEIR_OK ? 0 : wr_command_log_failed(command, log, status);
    if (code == 0 && command->set.kind == WR_PLACE_OFFSET && topic.partitions > 1 &&
        !wr_command_has(command, WR_OPTION_PARTITION)) {
        code = wr_command_misused(command,
                                  "an offset is one partition's, and %s has %u: name one with -p",
                                  command->topic, topic.partitions);
    }
    for (uint32_t i = 0; code == 0 && i < topic.partitions; i++) {
        uint64_t offset;
        if (wr_command_has_partition(command, i) &&
            wr_command_resolve(command, log, i, &command->set, &offset, &code)) {
            code = set_one(command, log, consumer, i, offset);
        }
    }
    return code;
}

static int forget(const struct wr_command *command, weir_log *log, const char *consumer)
{
    const weir_status status = weir_log_delete_consumer(log, consumer);
    if (status != WEIR_OK) {
        return wr_command_failed(status, weir_log_error(log));
    }
    wr_command_say(command, "consumer %s was forgotten", consumer);
    return 0;
}

static int consumers_run(struct wr_command *command)
{
    const weir_log_options reading  = { 0 };
    const bool             has_set  = wr_command_has(command, WR_OPTION_SET);
    const char            *consumer = command->consumer;
    weir_log              *log;
    if (has_set && command->deletes) {
        return wr_command_misused(command, "say either --set or --delete");
    }
    if ((has_set || command->deletes) && consumer == NULL) {
        return wr_command_misused(command, "name the consumer with --consumer");
    }
    if (has_set && command->topic == NULL) {
        return wr_command_misused(command, "--set needs a topic");
    }
    int code = wr_command_open(command, &reading, &log, NULL);
    if (code != 0) {
        return code;
    }
    code = has_set            ? set(command, log, consumer)
           : command->deletes ? forget(command, log, consumer)
                              : list(command, log, consumer);
    return wr_command_close(log, code);
}

const struct wr_verb wr_verb_consumers = {
    .name    = "consumers",
    .words   = "DIR [TOPIC]",
    .summary = "list, set or forget where named readers stand",
    .more =
        "A consumer is a name under which a reader keeps how far it came. Its lag is the records "
        "that are\nacknowledged from there on. One that is read with at the moment cannot be "
        "set.\n\n"
        "  weir log consumers data/log\n"
        "  weir log consumers data/log payments -G audit --set s@2026-03-01\n"
        "  weir log consumers data/log payments -G audit -p 2 --set 1000\n"
        "  weir log consumers data/log -G audit --delete\n",
    .options = WR_TAKES(PARTITION) | WR_TAKES(CONSUMER) | WR_TAKES(SET) | WR_TAKES(DELETE),
    .least   = 1,
    .most    = 2,
    .run     = consumers_run,
};
