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
