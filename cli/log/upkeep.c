// weir log truncate, retain, compact: what a writer does to old records, by hand.
#include "cli/log/verbs.h"

#include <inttypes.h>

// ---- truncate ----

struct cut {
    uint32_t partition;
    uint64_t offset, first, end; // of the partition before
};

static bool is_before(const struct wr_command *command)
{
    return wr_command_has(command, WR_OPTION_BEFORE);
}

// Where each partition is to be cut. False: *code.
static bool find_cuts(struct wr_command *command, weir_log *log, const weir_topic *topic,
                      struct cut *cuts, uint32_t *count, int *code)
{
    const struct wr_place *place = is_before(command) ? &command->before : &command->cut_from;
    for (uint32_t i = 0; i < topic->partitions; i++) {
        weir_partition_info info;
        if (!wr_command_has_partition(command, i)) {
            continue;
        }
        const weir_status status = weir_log_partition_info(log, topic->name, i, &info);
        if (status != WEIR_OK) {
            *code = wr_command_failed(status, weir_log_error(log));
            return false;
        }
        struct cut *cut = &cuts[(*count)++];
        *cut = (struct cut){ .partition = i, .first = info.first_offset, .end = info.end_offset };
        if (!wr_command_resolve(command, log, i, place, &cut->offset, code)) {
            return false;
        }
    }
    return true;
}

static void print_cut(const struct wr_command *command, const struct cut *cut)
{
    const uint64_t first = is_before(command) ? cut->first : cut->offset;
    const uint64_t end   = is_before(command) ? cut->offset : cut->end;
    if (command->as_json) {
        (void)printf("{\"topic\":\"%s\",\"partition\":%u,\"first\":%" PRIu64 ",\"end\":%" PRIu64
                     "}\n",
                     command->topic, cut->partition, first, end);
    } else if (end > first) {
        wr_command_say(command,
                       "topic %s partition %u: offsets %" PRIu64 " to %" PRIu64 " were dropped",
                       command->topic, cut->partition, first, end - 1);
    } else {
        wr_command_say(command, "topic %s partition %u: there was nothing to drop", command->topic,
                       cut->partition);
    }
}

static int carry_out(struct wr_command *command, weir_log *log, const struct cut *cuts,
                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const weir_status status =
            is_before(command)
                ? weir_log_truncate_before(log, command->topic, cuts[i].partition, cuts[i].offset)
                : weir_log_truncate_from(log, command->topic, cuts[i].partition, cuts[i].offset);
        if (status != WEIR_OK) {
            return wr_command_failed(status, weir_log_error(log));
        }
        print_cut(command, &cuts[i]);
    }
    return 0;
}

static int truncate_run(struct wr_command *command)
{
    const weir_log_options writing = { .writes = true };
    weir_log              *log;
    weir_topic             topic;
    uint32_t               count = 0;
    int                    code  = 0;
    if (is_before(command) == wr_command_has(command, WR_OPTION_CUT_FROM)) {
        return wr_command_misused(command, "say either --before or --from");
    }
    code = wr_command_open(command, &writing, &log, &topic);
    if (code != 0) {
        return code;
    }
    const struct wr_place *place = is_before(command) ? &command->before : &command->cut_from;
    struct cut            *cuts  = wr_alloc((topic.partitions + 1) * sizeof(*cuts));
    if (place->kind == WR_PLACE_OFFSET && topic.partitions > 1 &&
        !wr_command_has(command, WR_OPTION_PARTITION)) {
        code = wr_command_misused(command,
                                  "an offset is one partition's, and %s has %u: name one "
                                  "with -p",
                                  command->topic, topic.partitions);
    } else if (find_cuts(command, log, &topic, cuts, &count, &code)) {
        if (count == 0) {
            code = wr_command_misused(command, "%s has partitions 0 to %u", command->topic,
                                      topic.partitions - 1);
        } else if (wr_command_may(command, &code,
                                  "log %s: topic %s: drop what is %s offset %llu of partition "
                                  "%u%s?",
                                  command->directory, command->topic,
                                  is_before(command) ? "before" : "at and behind",
                                  (unsigned long long)cuts[0].offset, cuts[0].partition,
                                  count > 1 ? ", and likewise in others" : "")) {
            code = carry_out(command, log, cuts, count);
        }
    }
    wr_free(cuts);
    return wr_command_close(log, code);
}

const struct wr_verb wr_verb_truncate = {
    .name    = "truncate",
    .words   = "DIR TOPIC",
    .summary = "drop records before a place, or from it on",
    .more =
        "Asks first, unless --yes says not to. Records before a place are no longer read at once; "
        "their\nroom is given back as whole segments. After --from the next record appended gets "
        "that offset.\n\n"
        "  weir log truncate data/log payments -p 2 --before 1000\n"
        "  weir log truncate data/log payments --before s@2026-03-01 --yes\n"
        "  weir log truncate data/log payments -p 0 --from -10\n",
    .options = WR_TAKES(PARTITION) | WR_TAKES(BEFORE) | WR_TAKES(CUT_FROM) | WR_TAKES(YES),
    .least   = 2,
    .most    = 2,
    .run     = truncate_run,
};

// ---- retain and compact ----

static weir_status sum_bytes(weir_log *log, const weir_topic *topic, uint64_t *bytes)
{
    weir_status status = WEIR_OK;
    *bytes             = 0;
    for (uint32_t i = 0; i < topic->partitions && status == WEIR_OK; i++) {
        weir_partition_info info;
        status = weir_log_partition_info(log, topic->name, i, &info);
        *bytes += info.bytes;
    }
    return status;
}

static int upkeep_run(struct wr_command *command,
                      weir_status (*work)(weir_log *log, const char *topic, uint64_t *bytes))
{
    const weir_log_options writing = { .writes = true };
    char                   text[2][WR_VALUE_TEXT_MAX];
    weir_log              *log;
    weir_topic             topic;
    uint64_t               before, after, freed;
    int                    code = wr_command_open(command, &writing, &log, &topic);
    if (code != 0) {
        return code;
    }
    weir_status status = sum_bytes(log, &topic, &before);
    if (status == WEIR_OK) {
        status = work(log, topic.name, &freed);
    }
    if (status == WEIR_OK) {
        status = sum_bytes(log, &topic, &after);
    }
    if (status != WEIR_OK) {
        code = wr_command_failed(status, weir_log_error(log));
    } else if (command->as_json) {
        (void)printf("{\"topic\":\"%s\",\"bytes_before\":%" PRIu64 ",\"bytes_after\":%" PRIu64
                     ",\"freed\":%" PRIu64 "}\n",
                     topic.name, before, after, freed);
    } else {
        wr_command_say(command, "topic %s: %s before, %s after", topic.name,
                       wr_value_size_text(before, text[0]), wr_value_size_text(after, text[1]));
    }
    return wr_command_close(log, code);
}

static int retain_run(struct wr_command *command) { return upkeep_run(command, weir_log_retain); }

static int compact_run(struct wr_command *command) { return upkeep_run(command, weir_log_compact); }

const struct wr_verb wr_verb_retain = {
    .name    = "retain",
    .words   = "DIR TOPIC",
    .summary = "drop what is older or more than a topic keeps",
    .more =
        "A writer does it by itself every few seconds; this is for a log that nobody writes.\n\n"
        "  weir log retain data/log payments\n",
    .options = 0,
    .least   = 2,
    .most    = 2,
    .run     = retain_run,
};

const struct wr_verb wr_verb_compact = {
    .name    = "compact",
    .words   = "DIR TOPIC",
    .summary = "keep only the last record of each key",
    .more = "Of a topic that is compacted (weir log alter --compacted); a writer does it by itself "
            "when half\nof what is stored is out of date. Offsets stay as they are.\n\n"
            "  weir log compact data/log accounts\n",
    .options = 0,
    .least   = 2,
    .most    = 2,
    .run     = compact_run,
};
