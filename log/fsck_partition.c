// fsck of one partition: its start file, its list of segments, and how they fit together; see
// fsck_segment.c for what is in each.
//
// Beside a living writer the last segment is read as far as its live memory says; and because
// upkeep may take or replace a segment meanwhile, what seems wrong is looked at again, twice,
// before it is told.
#include "log/catalog.h"
#include "log/fsck_part.h"
#include "log/recover.h"

#include <errno.h>
#include <string.h>

#define TRIES 3u

static unsigned long long u(uint64_t value) { return value; }

static const struct wr_fsck_place *at_partition(const struct wr_fsck_part *part, const char *path,
                                                uint64_t first, uint64_t end,
                                                struct wr_fsck_place *place)
{
    *place = (struct wr_fsck_place){ .topic        = part->topic,
                                     .partition    = part->number,
                                     .path         = path,
                                     .byte         = UINT64_MAX,
                                     .first_offset = first,
                                     .end_offset   = end };
    return place;
}

static void check_ends(const struct wr_fsck_part *part, uint64_t last_base)
{
    struct wr_fsck_place place;
    const uint64_t       newest = part->start.newest_base;
    if (!part->has_start || newest == UINT64_MAX) {
        return;
    }
    const bool is_merged = part->count > 0 && part->next != UINT64_MAX && part->next > newest;
    if ((part->count == 0 || last_base < newest) && !is_merged) {
        wr_fsck_report(
            part->fsck, WR_FSCK_MISSING,
            at_partition(part, part->directory, newest, newest, &place),
            "%s: the newest segment is missing, which began at offset %llu; what it held "
            "is lost",
            part->directory, u(newest));
    }
}

static void take_leftover(void *opaque, const char *name)
{
    const struct wr_fsck_part *part   = opaque;
    const size_t               length = strlen(name);
    struct wr_fsck_place       place;
    if (length > 4 && strcmp(name + length - 4, ".tmp") == 0 && !part->is_written) {
        char *path = wr_format("%s/%s", part->directory, name);
        wr_fsck_report(part->fsck, WR_FSCK_TAIL, at_partition(part, path, 0, 0, &place),
                       "%s: was being made when a crash came; the next writer removes it", path);
        wr_free(path);
    }
}

// The ids are taken from the first segment whose header agrees with itself, if a damaged small file
// does not give them.
static bool find_ids(struct wr_fsck_part *part)
{
    struct wr_fsck_topic  *topic       = part->topic;
    struct wr_environment *environment = part->fsck->environment;
    char                  *bytes       = wr_alloc(WR_SEGMENT_HEADER_BYTES);
    for (uint32_t i = 0; i < part->count && !(topic->has_id && part->fsck->has_id); i++) {
        struct wr_log_place      place;
        struct wr_segment_header header;
        char                    *path = wr_segment_path(part->directory, part->bases[i]);
        const int                file = environment->ops->open(environment, path, WR_OPEN_READ);
        if (file >= 0) {
            const int64_t got =
                wr_log_read_fully(environment, file, bytes, WR_SEGMENT_HEADER_BYTES, 0, 1);
            if (got == WR_SEGMENT_HEADER_BYTES && wr_fsck_header_place(bytes, &place, &header)) {
                part->fsck->id     = part->fsck->has_id ? part->fsck->id : place.log;
                topic->file.id     = topic->has_id ? topic->file.id : place.topic;
                part->fsck->has_id = topic->has_id = true;
            }
            environment->ops->close(environment, file);
        }
        wr_free(path);
    }
    wr_free(bytes);
    part->place = (struct wr_log_place){ part->fsck->id, topic->file.id, part->number };
    part->seed  = wr_log_crc_seed(&part->place);
    return topic->has_id && part->fsck->has_id;
}

static void read_live(struct wr_fsck_part *part)
{
    int             io_error;
    char           *path = wr_format("%s/live", part->topic->directory);
    struct wr_live *live =
        wr_live_open_reader(part->fsck->environment, path, part->topic->partitions, &io_error);
    if (live != NULL) {
        part->has_live = wr_live_is_current(live) && wr_live_read(live, part->number, &part->live);
        wr_live_close(live);
    }
    wr_free(path);
}

static void read_start(struct wr_fsck_part *part)
{
    struct wr_log_error  error = { .status = WEIR_OK };
    struct wr_fsck_place place;
    part->has_start = wr_partition_start_read(part->fsck->environment, part->directory,
                                              &part->start, &error) == WEIR_OK;
    if (!part->has_start) {
        char *path = wr_format("%s/start", part->directory);
        wr_fsck_report(part->fsck, WR_FSCK_FILE, at_partition(part, path, 0, 0, &place), "%s",
                       error.sentence);
        wr_free(path);
    }
    wr_log_error_fini(&error);
}

// False: the directory cannot be listed, which was told.
static bool list_segments(struct wr_fsck_part *part)
{
    struct wr_fsck_place place;
    const int            listed =
        wr_segment_list(part->fsck->environment, part->directory, &part->bases, &part->count);
    if (listed < 0) {
        wr_fsck_report(part->fsck, listed == -ENOENT ? WR_FSCK_MISSING : WR_FSCK_UNREADABLE,
                       at_partition(part, part->directory, 0, 0, &place),
                       "%s: partition %u of topic %s cannot be listed: %s", part->directory,
                       part->number, part->topic->name, strerror(-listed));
        return false;
    }
    while (part->is_written && part->has_live && part->count > 0 &&
           part->bases[part->count - 1] > part->live.segment_base) {
        part->count--; // is being made
    }
    return true;
}

static void report_undecided(const struct wr_fsck_part *part)
{
    struct wr_fsck_place place;
    if (part->undecided > 0) {
        wr_fsck_report(part->fsck, WR_FSCK_TRANSACTION,
                       at_partition(part, part->directory, part->first_undecided,
                                    part->first_undecided, &place),
                       "%s: %llu batches, the first at offset %llu, are of transactions that the "
                       "topic %s does not decide; readers of committed records stop there",
                       part->directory, u(part->undecided), u(part->first_undecided),
                       WR_TRANSACTIONS_TOPIC);
    }
}

// Whatever a writer would refuse is damage, should nothing above have seen it.
static void ask_recovery(struct wr_fsck_part *part)
{
    struct wr_found      found;
    struct wr_fsck_place place;
    struct wr_log_error  error = { .status = WEIR_OK };
    if (wr_partition_find(part->fsck->environment, part->directory, &part->place, &found, &error) ==
        WEIR_OK) {
        wr_found_fini(&found);
    } else {
        wr_fsck_report(part->fsck, WR_FSCK_DAMAGED,
                       at_partition(part, part->directory, 0, 0, &place), "%s", error.sentence);
    }
    wr_log_error_fini(&error);
}

static void check_once(struct wr_fsck_part *part)
{
    struct wr_fsck *fsck   = part->fsck;
    const uint32_t  before = fsck->summary->findings + fsck->counted;
    read_live(part);
    read_start(part);
    if (!list_segments(part) || !find_ids(part)) {
        return;
    }
    part->next = part->has_start ? part->start.first_offset : UINT64_MAX;
    part->end  = part->next;
    if (part->count > 0 && part->next != UINT64_MAX && part->bases[0] < part->next) {
        part->next = part->bases[0]; // records before the first offset share its segment
    }
    for (uint32_t i = 0; i < part->count; i++) {
        wr_fsck_segment(part, i);
    }
    check_ends(part, part->count > 0 ? part->bases[part->count - 1] : 0);
    (void)fsck->environment->ops->list(fsck->environment, part->directory, take_leftover, part);
    report_undecided(part);
    if (fsck->summary->findings + fsck->counted == before && !part->is_written) {
        ask_recovery(part);
    }
}

void wr_fsck_partition(struct wr_fsck_topic *topic, uint32_t number)
{
    struct wr_fsck              *fsck  = topic->fsck;
    const struct wr_fsck_summary start = *fsck->summary;
    topic->ends[number]                = UINT64_MAX;
    for (uint32_t i = 0; i < TRIES; i++) {
        struct wr_fsck_part part = { .fsck       = fsck,
                                     .topic      = topic,
                                     .number     = number,
                                     .directory  = wr_format("%s/%u", topic->directory, number),
                                     .end        = UINT64_MAX,
                                     .is_written = fsck->summary->has_writer };
        fsck->is_counting        = part.is_written && i + 1 < TRIES;
        fsck->counted            = 0;
        check_once(&part);
        topic->ends[number] = part.end;
        wr_partition_start_fini(&part.start);
        wr_free(part.bases);
        wr_free(part.directory);
        wr_free(part.unpacked);
        if (fsck->counted == 0) {
            break;
        }
        *fsck->summary = start;
    }
    fsck->is_counting = false;
    fsck->summary->partitions++;
}
