// weir log info: what is in a log.
#include "cli/log/verbs.h"

#include <inttypes.h>
#include <string.h>

static const char *const compressions[] = { "none", "lz4", "zstd" };

// A time in JSON, or null.
static void json_time(const char *name, weir_time time)
{
    char text[WEIR_TIME_TEXT_MAX];
    if (time <= WEIR_TIME_MIN || time >= WEIR_TIME_MAX) {
        (void)printf(",\"%s\":null", name);
    } else {
        (void)weir_time_format(time, text);
        (void)printf(",\"%s\":\"%s\"", name, text);
    }
}

static void json_or_null(const char *name, const char *text)
{
    (void)printf(",\"%s\":", name);
    if (text == NULL) {
        (void)printf("null");
    } else {
        wr_json_print_text(stdout, text);
    }
}

static void print_settings(const weir_topic *topic)
{
    char size[WR_VALUE_TEXT_MAX], age[WR_VALUE_TEXT_MAX], kept[WR_VALUE_TEXT_MAX];
    (void)printf("topic %s: %s, %u partition%s, key %s, time %s, compression %s, segments of %s\n",
                 topic->name, topic->type->name, topic->partitions,
                 topic->partitions == 1 ? "" : "s", topic->key != NULL ? topic->key : "none",
                 topic->time != NULL ? topic->time : "of appending",
                 compressions[topic->compression], wr_value_size_text(topic->segment_bytes, size));
    (void)printf("  kept %s%s%s%s", topic->retain_age > 0 ? "for " : "for ever",
                 topic->retain_age > 0 ? wr_value_span_text(topic->retain_age, age) : "",
                 topic->retain_bytes > 0 ? ", at most " : "",
                 topic->retain_bytes > 0 ? wr_value_size_text(topic->retain_bytes, kept) : "");
    if (topic->is_compacted) {
        (void)printf(", compacted, deletions kept %s",
                     wr_value_span_text(topic->tombstone_age, age));
    }
    (void)printf("\n");
}

static void json_settings(const struct wr_command *command, const weir_topic *topic)
{
    char *schema = wr_schema_text(topic->type);
    (void)printf("{\"log\":");
    wr_json_print_text(stdout, command->directory);
    json_or_null("topic", topic->name);
    json_or_null("type", topic->type->name);
    json_or_null("key", topic->key);
    json_or_null("time", topic->time);
    (void)printf(",\"compression\":\"%s\",\"segment_bytes\":%" PRIu64
                 ",\"retain_age_us\":%lld,\"retain_bytes\":%" PRIu64
                 ",\"compacted\":%s,\"tombstone_age_us\":%lld",
                 compressions[topic->compression], topic->segment_bytes, topic->retain_age,
                 topic->retain_bytes, topic->is_compacted ? "true" : "false", topic->tombstone_age);
    json_or_null("schema", schema);
    (void)printf(",\"partitions\":[");
    wr_free(schema);
}

static void print_time(weir_time time, bool is_last)
{
    char text[WEIR_TIME_TEXT_MAX] = "-";
    if (time > WEIR_TIME_MIN && time < WEIR_TIME_MAX) {
        (void)weir_time_format(time, text);
    }
    (void)printf("  %-*s", is_last ? 0 : 27, text);
}

static void print_partition(const struct wr_command *command, uint32_t number,
                            const weir_partition_info *info, uint64_t at)
{
    char       size[WR_VALUE_TEXT_MAX];
    const bool has_at = wr_command_has(command, WR_OPTION_AT);
    if (command->as_json) {
        (void)printf("%s{\"partition\":%u,\"first\":%" PRIu64 ",\"end\":%" PRIu64
                     ",\"committed\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"segments\":%u",
                     number > 0 ? "," : "", number, info->first_offset, info->end_offset,
                     info->committed_offset, info->bytes, info->segments);
        json_time("first_time", info->first_time);
        json_time("last_time", info->max_time);
        if (has_at) {
            (void)printf(",\"at\":%" PRIu64, at);
        }
        (void)printf("}");
        return;
    }
    (void)printf("  %9u  %12" PRIu64 "  %12" PRIu64 "  %12" PRIu64 "  %10s  %8u", number,
                 info->first_offset, info->end_offset, info->committed_offset,
                 wr_value_size_text(info->bytes, size), info->segments);
    print_time(info->first_time, false);
    print_time(info->max_time, !has_at);
    if (has_at) {
        (void)printf("  %" PRIu64, at);
    }
    (void)printf("\n");
}

static int print_partitions(struct wr_command *command, weir_log *log, const weir_topic *topic)
{
    const struct wr_place at   = { .kind = WR_PLACE_TIME, .time = command->at };
    int                   code = 0;
    if (!command->as_json) {
        (void)printf("  partition         first           end     committed       bytes  segments  "
                     "%-27s  %s\n",
                     "from",
                     wr_command_has(command, WR_OPTION_AT) ? "until                        at"
                                                           : "until");
    }
    for (uint32_t i = 0; i < topic->partitions && code == 0; i++) {
        weir_partition_info info;
        uint64_t            offset = 0;
        const weir_status   status = weir_log_partition_info(log, topic->name, i, &info);
        if (status != WEIR_OK) {
            code = wr_command_failed(status, weir_log_error(log));
        } else if (!wr_command_has(command, WR_OPTION_AT) ||
                   wr_command_resolve(command, log, i, &at, &offset, &code)) {
            print_partition(command, i, &info, offset);
        }
    }
    return code;
}

static int print_topic(struct wr_command *command, weir_log *log, const char *name)
{
    weir_topic        topic;
    const weir_status status = weir_log_topic(log, name, &topic);
    command->topic           = name;
    if (status != WEIR_OK) {
        return wr_command_log_failed(command, log, status);
    }
    if (command->wants_schema) {
        char *schema = wr_schema_text(topic.type);
        (void)printf("%s", schema);
        wr_free(schema);
        return 0;
    }
    if (command->as_json) {
        json_settings(command, &topic);
    } else {
        print_settings(&topic);
    }
    const int code = print_partitions(command, log, &topic);
    if (command->as_json) {
        (void)printf("]}\n");
    }
    return code;
}

struct names {
    char   **at;
    uint32_t count;
};

static void names_add(void *opaque, const char *name)
{
    struct names *names       = opaque;
    names->at                 = wr_realloc(names->at, (names->count + 1) * sizeof(*names->at));
    names->at[names->count++] = wr_copy_text(name);
}

static int print_all(struct wr_command *command, weir_log *log)
{
    struct names      names  = { NULL, 0 };
    const weir_status status = weir_log_list_topics(log, names_add, &names);
    int               code = status == WEIR_OK ? 0 : wr_command_failed(status, weir_log_error(log));
    if (!command->as_json && code == 0) {
        (void)printf("log %s: %u topic%s\n", command->directory, names.count,
                     names.count == 1 ? "" : "s");
    }
    for (uint32_t i = 0; i < names.count; i++) {
        const int of_topic = print_topic(command, log, names.at[i]);
        code               = code != 0 ? code : of_topic;
        command->topic     = NULL;
        wr_free(names.at[i]);
    }
    wr_free(names.at);
    return code;
}

static int info_run(struct wr_command *command)
{
    const weir_log_options reading = { 0 };
    weir_log              *log;
    int                    code = wr_command_open(command, &reading, &log, NULL);
    if (code != 0) {
        return code;
    }
    if (command->wants_schema && command->topic == NULL) {
        code = wr_command_misused(command, "--schema-only needs a topic");
    } else {
        code = command->topic != NULL ? print_topic(command, log, command->topic)
                                      : print_all(command, log);
    }
    return wr_command_close(log, code);
}

const struct wr_verb wr_verb_info = {
    .name    = "info",
    .words   = "DIR [TOPIC]",
    .summary = "print topics, offsets, bytes, times, settings",
    .more =
        "Of each partition: the first offset that is there, the end (which the next record gets), "
        "how far\nreaders of committed records get, bytes and files, and the times of the oldest "
        "and the latest\nrecord. With --json an object a topic.\n\n"
        "  weir log info data/log\n"
        "  weir log info data/log payments --at -2h\n"
        "  weir log info data/log payments --schema-only > payments.schema\n",
    .options = WR_TAKES(AT) | WR_TAKES(ONLY_SCHEMA),
    .least   = 1,
    .most    = 2,
    .run     = info_run,
};
