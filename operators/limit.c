// limit: where a replay stops reading a partition.
#include "runtime/connector.h"

#include <string.h>

bool wr_event_is_too_far(weir_time time, weir_time latest, weir_time max_ahead)
{
    return time < WEIR_TIME_MIN || time > WEIR_TIME_MAX ||
           (max_ahead >= 0 && latest > WEIR_TIME_MIN && time > weir_time_add(latest, max_ahead));
}

bool wr_limit_takes(struct wr_limit *limit, const void *record)
{
    weir_time time;
    if (limit->time == WEIR_TIME_MAX) {
        return true;
    }
    memcpy(&time, (const char *)record + limit->time_at, sizeof(time));
    if (wr_event_is_too_far(time, limit->latest, limit->max_ahead)) {
        return true; // it becomes a dead letter, as it did
    }
    if (time > limit->time) {
        limit->is_reached = true;
        return false;
    }
    limit->latest = time > limit->latest ? time : limit->latest;
    return true;
}

bool wr_limit_open(struct wr_limit *limit, struct wr_reader *reader, bool has_time)
{
    limit->latest = WEIR_TIME_MIN;
    if (!wr_node_limit(reader->node, reader->name, &limit->offset, &limit->time)) {
        wr_node_fail_as(reader->node, WEIR_USAGE,
                        "until says nothing of the partition %s: add %s@OFFSET, or a time for all "
                        "that are not named",
                        reader->name, reader->name);
        return false;
    }
    if (limit->time != WEIR_TIME_MAX && !has_time) {
        wr_node_fail_as(reader->node, WEIR_USAGE,
                        "until is a time, and the records of %s have no event time: give an "
                        "offset, as %s@OFFSET",
                        reader->name, reader->name);
        return false;
    }
    if (reader->connector->save == NULL) {
        wr_node_fail_as(reader->node, WEIR_USAGE, "what it reads has no offsets to replay up to");
        return false;
    }
    reader->limit = limit;
    return true;
}

bool wr_limit_is_ahead(const struct wr_reader *reader, const struct wr_partition_kept *kept)
{
    const struct wr_limit *limit  = reader->limit;
    const uint64_t         offset = kept->position.numbers[0];
    char                   is[WEIR_TIME_TEXT_MAX], last[WEIR_TIME_TEXT_MAX];
    if (offset > limit->offset) {
        wr_node_fail_as(reader->node, WEIR_USAGE,
                        "the checkpoint has read %s up to offset %llu, behind %llu, where the "
                        "replay is to end: restore an older one, or begin without",
                        reader->name, (unsigned long long)offset,
                        (unsigned long long)limit->offset);
        return false;
    }
    if (kept->latest > limit->time) {
        (void)weir_time_format(kept->latest, is);
        (void)weir_time_format(limit->time, last);
        wr_node_fail_as(reader->node, WEIR_USAGE,
                        "the checkpoint has read %s up to %s, past %s, where the replay is to "
                        "end: restore an older one, or begin without",
                        reader->name, is, last);
        return false;
    }
    return true;
}
