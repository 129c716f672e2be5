// The steps of a recovery, each of which may be cut off by a crash and is then done again:
//
//   find     names, headers, footers; refuse what does not fit together
//   cut      finish a truncation that was noted and not carried out
//   tail     walk the last segment past the page cache: torn tail or damage
//   settle   go on after the mark of a clean close, else drop the tail and seal; remove leftovers
//
// Everything that refuses comes before anything that changes.
#include "log/recover.h"

#include "log/commit.h"
#include "log/rearrange.h"

#include <errno.h>
#include <string.h>

// ---- finding ----

static weir_status look_at_segment(struct wr_environment     *environment,
                                   const struct wr_log_place *place,
                                   struct wr_found_segment *segment, struct wr_log_error *error)
{
    struct wr_segment_header   header;
    struct wr_log_batch_header footer;
    struct wr_segment_index    index;
    struct wr_file_info        info = { .size_bytes = 0 };
    int                        file = -1;
    const weir_status status = wr_segment_open(environment, segment->path, WR_OPEN_READ, place,
                                               segment->base, &file, &header, error);
    if (status != WEIR_OK) {
        return status;
    }
    (void)environment->ops->info(environment, segment->path, &info);
    segment->file_bytes        = info.size_bytes;
    segment->sealed.generation = header.generation;
    wr_segment_index_init(&index, segment->base);
    if (wr_segment_read_footer(environment, file, info.size_bytes, wr_log_crc_seed(place), &footer,
                               &index)) {
        segment->is_sealed = true;
        segment->cut       = footer.cut;
        segment->sealed =
            wr_sealed_segment_of(&index, segment->base, info.size_bytes, header.generation);
    }
    wr_segment_index_fini(&index);
    environment->ops->close(environment, file);
    return WEIR_OK;
}

static void add_leftover(struct wr_found *found, char *path)
{
    found->leftovers =
        wr_realloc(found->leftovers, (found->leftover_count + 1) * sizeof(*found->leftovers));
    found->leftovers[found->leftover_count++] = path;
}

// Moves segment `i` from the list to the leftovers.
static void drop_segment(struct wr_found *found, uint32_t i)
{
    add_leftover(found, found->segments[i].path);
    found->count--;
    memmove(&found->segments[i], &found->segments[i + 1],
            (found->count - i) * sizeof(*found->segments));
}

// Drops what an unfinished compaction left: a segment whose offsets an older generation's
// replacement before it covers; and what an unfinished retention left.
static void drop_covered(struct wr_found *found)
{
    for (uint32_t i = 0; i < found->count;) {
        const struct wr_found_segment *segment = &found->segments[i];
        const struct wr_found_segment *before  = i > 0 ? segment - 1 : NULL;
        const bool is_covered = before != NULL && segment->is_sealed && before->is_sealed &&
                                segment->base < before->sealed.end &&
                                segment->sealed.end <= before->sealed.end &&
                                before->sealed.generation > segment->sealed.generation;
        const bool is_retained_away = segment->is_sealed && i + 1 < found->count &&
                                      segment->sealed.end <= found->start.first_offset;
        if (is_covered || is_retained_away) {
            drop_segment(found, i);
        } else {
            i++;
        }
    }
}

// A last segment whose making was cut off: its header is not there, and the start file does not
// name it yet, so nothing was ever acknowledged in it.
static bool is_unfinished(const struct wr_found *found, uint32_t i)
{
    return i + 1 == found->count && (found->start.newest_base == UINT64_MAX ||
                                     found->segments[i].base > found->start.newest_base);
}

// A segment whose header does not belong there stays in the list, with the sentence.
static weir_status look_at_segments(struct wr_environment     *environment,
                                    const struct wr_log_place *place, struct wr_found *found,
                                    struct wr_log_error *error)
{
    for (uint32_t i = 0; i < found->count; i++) {
        const weir_status status = look_at_segment(environment, place, &found->segments[i], error);
        if (status == WEIR_DAMAGED && is_unfinished(found, i)) {
            wr_log_error_fini(error);
            drop_segment(found, i);
        } else if (status == WEIR_DAMAGED) {
            found->segments[i].damage = error->sentence;
            *error                    = (struct wr_log_error){ .status = WEIR_OK };
        } else if (status != WEIR_OK) {
            return status;
        }
    }
    return WEIR_OK;
}

static weir_status judge_headers(const struct wr_found *found, struct wr_log_error *error)
{
    for (uint32_t i = 0; i < found->count; i++) {
        if (found->segments[i].damage != NULL) {
            return wr_log_fail(error, WEIR_DAMAGED, "%s", found->segments[i].damage);
        }
    }
    return WEIR_OK;
}

weir_status wr_found_overlap(const struct wr_found_segment *segment, struct wr_log_error *error)
{
    return wr_log_fail(error, WEIR_DAMAGED,
                       "%s: it ends at offset %llu, but %s begins at %llu: one of them is of "
                       "another time; put back the right one",
                       segment->path, (unsigned long long)segment->sealed.end, segment[1].path,
                       (unsigned long long)segment[1].base);
}

static weir_status judge_neighbours(const struct wr_found *found, const char *directory,
                                    struct wr_log_error *error)
{
    for (uint32_t i = 0; i + 1 < found->count; i++) {
        const struct wr_found_segment *segment = &found->segments[i];
        if (!segment->is_sealed) {
            return wr_log_fail(error, WEIR_DAMAGED,
                               "%s: cut short or damaged: segments follow it, but it does not end "
                               "with its footer",
                               segment->path);
        }
        if (segment->sealed.end > segment[1].base) {
            return wr_found_overlap(segment, error);
        }
        if (segment->sealed.end < segment[1].base) {
            return wr_log_fail(
                error, WEIR_DAMAGED,
                "%s: a segment is missing: %s ends at offset %llu, the next begins at %llu",
                directory, segment->path, (unsigned long long)segment->sealed.end,
                (unsigned long long)segment[1].base);
        }
    }
    return WEIR_OK;
}

weir_status wr_found_judge_newest(const struct wr_found *found, const char *directory,
                                  struct wr_log_error *error)
{
    const uint64_t                 newest = found->start.newest_base;
    const struct wr_found_segment *last =
        found->count > 0 ? &found->segments[found->count - 1] : NULL;
    const bool has_newest = found->count > 0 && (last->base >= newest || // or merged by compaction
                                                 (last->is_sealed && last->sealed.end > newest));
    return newest == UINT64_MAX || has_newest
               ? WEIR_OK
               : wr_log_fail(error, WEIR_DAMAGED,
                             "%s: the newest segment is missing: it began at offset %llu",
                             directory, (unsigned long long)newest);
}

// The first segment must not begin behind the first offset.
static weir_status judge_first(const struct wr_found *found, const char *directory,
                               struct wr_log_error *error)
{
    return found->count == 0 || found->segments[0].base <= found->start.first_offset
               ? WEIR_OK
               : wr_log_fail(error, WEIR_DAMAGED,
                             "%s: a segment is missing: records begin at offset %llu, the first "
                             "segment at %llu",
                             directory, (unsigned long long)found->start.first_offset,
                             (unsigned long long)found->segments[0].base);
}

struct leftover_walk {
    struct wr_found *found;
    const char      *directory;
};

// What upkeep was making when it was cut off.
static void take_temporary(void *opaque, const char *name)
{
    const struct leftover_walk *walk   = opaque;
    const size_t                length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".tmp") == 0) {
        add_leftover(walk->found, wr_format("%s/%s", walk->directory, name));
    }
}

static weir_status find_names(struct wr_environment *environment, const char *directory,
                              struct wr_found *found, struct wr_log_error *error)
{
    uint64_t *bases  = NULL;
    uint32_t  count  = 0;
    int       listed = wr_segment_list(environment, directory, &bases, &count);
    if (listed >= 0) {
        struct leftover_walk walk = { found, directory };
        listed = environment->ops->list(environment, directory, take_temporary, &walk);
    }
    if (listed < 0) {
        wr_free(bases);
        return wr_log_fail(error, listed == -ENOENT ? WEIR_DAMAGED : wr_log_status_of(listed),
                           "%s: cannot list the partition's directory: %s", directory,
                           strerror(-listed));
    }
    found->segments = wr_alloc((count + 1) * sizeof(*found->segments));
    found->count    = count;
    for (uint32_t i = 0; i < count; i++) {
        found->segments[i].base = bases[i];
        found->segments[i].path = wr_segment_path(directory, bases[i]);
    }
    wr_free(bases);
    return WEIR_OK;
}

weir_status wr_found_gather(struct wr_environment *environment, const char *directory,
                            const struct wr_log_place *place, struct wr_found *found,
                            struct wr_log_error *error)
{
    *found             = (struct wr_found){ .count = 0 };
    weir_status status = wr_partition_start_read(environment, directory, &found->start, error);
    if (status == WEIR_OK) {
        status = find_names(environment, directory, found, error);
    }
    if (status == WEIR_OK) {
        status = look_at_segments(environment, place, found, error);
    }
    if (status != WEIR_OK) {
        wr_found_fini(found);
        return status;
    }
    drop_covered(found);
    // Without any segment: behind what was dropped, and where the last cut was.
    found->next_offset = found->start.first_offset;
    if (found->start.cut_count > 0 &&
        found->start.cuts[found->start.cut_count - 1].offset > found->next_offset) {
        found->next_offset = found->start.cuts[found->start.cut_count - 1].offset;
    }
    return WEIR_OK;
}

weir_status wr_partition_find(struct wr_environment *environment, const char *directory,
                              const struct wr_log_place *place, struct wr_found *found,
                              struct wr_log_error *error)
{
    weir_status status = wr_found_gather(environment, directory, place, found, error);
    if (status != WEIR_OK) {
        return status;
    }
    status = judge_headers(found, error);
    if (status == WEIR_OK) {
        status = judge_neighbours(found, directory, error);
    }
    if (status == WEIR_OK) {
        status = wr_found_judge_newest(found, directory, error);
    }
    if (status == WEIR_OK) {
        status = judge_first(found, directory, error);
    }
    if (status != WEIR_OK) {
        wr_found_fini(found);
    }
    return status;
}

void wr_found_fini(struct wr_found *found)
{
    for (uint32_t i = 0; i < found->count; i++) {
        wr_free(found->segments[i].path);
        wr_free(found->segments[i].damage);
    }
    for (uint32_t i = 0; i < found->leftover_count; i++) {
        wr_free(found->leftovers[i]);
    }
    wr_free(found->segments);
    wr_free(found->leftovers);
    wr_partition_start_fini(&found->start);
    *found = (struct wr_found){ .count = 0 };
}

bool wr_found_has_unfinished_cut(const struct wr_found *found)
{
    const struct wr_partition_start *start = &found->start;
    if (start->cut_count == 0) {
        return false;
    }
    const struct wr_partition_cut *last = &start->cuts[start->cut_count - 1];
    for (uint32_t i = 0; i < found->count; i++) {
        const struct wr_found_segment *segment = &found->segments[i];
        if (segment->is_sealed && segment->cut < last->number &&
            segment->sealed.end > last->offset) {
            return true;
        }
    }
    return false;
}

weir_status wr_found_all_gone(const char *directory, uint64_t durable, uint64_t next_offset,
                              struct wr_log_error *error)
{
    return wr_log_fail(error, WEIR_DAMAGED,
                       "%s: records up to offset %llu were on disk, those from %llu on are gone",
                       directory, (unsigned long long)durable, (unsigned long long)next_offset);
}

// ---- settling ----

static struct wr_environment *environment_of(const struct wr_partition *partition)
{
    return partition->topic->log->environment;
}

// What was on disk as far as is known: from the start file, or, if the machine has not restarted
// since and nothing was cut off after it said so, from what the writer before told readers.
static uint64_t known_durable(const struct wr_partition *partition)
{
    const struct wr_live_position *known = partition->topic->known;
    const uint64_t                 noted = partition->start.durable;
    if (known == NULL || known[partition->number].cut != wr_partition_cut_number(partition)) {
        return noted;
    }
    const uint64_t told = known[partition->number].durable;
    return told > noted ? told : noted;
}

// All but the last one, which is judged by what is on the disk.
static void take_sealed(struct wr_partition *partition, const struct wr_found *found)
{
    for (uint32_t i = 0; i + 1 < found->count; i++) {
        WR_ASSERT(found->segments[i].is_sealed);
        wr_partition_add_sealed(partition, &found->segments[i].sealed);
        partition->next_offset = found->segments[i].sealed.end;
    }
}

// Goes on writing in the segment: its tail ends with the mark of a clean close, or holds nothing.
static weir_status go_on_in(struct wr_partition *partition, struct wr_tail *tail, const char *path,
                            struct wr_log_error *error)
{
    struct wr_environment *environment = environment_of(partition);
    const uint64_t         wanted      = partition->topic->settings.segment_bytes;
    const int              file        = environment->ops->open(environment, path, WR_OPEN_UPDATE);
    int                    status      = file;
    if (file >= 0) {
        partition->room_bytes =
            wr_round_up(wanted > tail->position ? wanted : tail->position, 4096);
        status = environment->ops->truncate(environment, file, tail->position);
        if (status >= 0) {
            status = environment->ops->preallocate(environment, file, partition->room_bytes);
        }
        if (status == -ENOSPC) { // it can be opened all the same, to make room
            partition->room_bytes = tail->position;
            status                = 0;
        }
        if (status >= 0 && environment->ops->sync_data(environment, file) < 0) {
            status = -EIO; // never tried again
        }
        if (status < 0) {
            environment->ops->close(environment, file);
        }
    }
    if (status < 0) {
        return wr_log_fail(error, wr_log_status_of(status), "%s: cannot go on in it: %s", path,
                           strerror(-status));
    }
    partition->file        = file;
    partition->path        = wr_copy_text(path);
    partition->base        = tail->header.base_offset;
    partition->position    = tail->position;
    partition->next_offset = tail->end_offset;
    partition->is_noted    = partition->start.newest_base == partition->base;
    partition->index       = tail->index; // handed
    wr_segment_index_init(&tail->index, 0);
    return WEIR_OK;
}

static void warn_of_garbage(const struct wr_partition *partition, const struct wr_tail *tail,
                            const char *path)
{
    if (tail->garbage_bytes > 0) {
        wr_log_warn(partition->topic->log,
                    "%s: dropped %llu bytes behind offset %llu that a crash left half written; "
                    "they were never acknowledged",
                    path, (unsigned long long)tail->garbage_bytes,
                    (unsigned long long)tail->end_offset);
    }
}

// A seal that was cut off between the footer and the sync is finished.
static weir_status finish_seal(struct wr_partition *partition, const struct wr_tail *tail,
                               const char *path, struct wr_log_error *error)
{
    struct wr_environment *environment = environment_of(partition);
    const int              file        = environment->ops->open(environment, path, WR_OPEN_UPDATE);
    int                    status      = file;
    if (file >= 0) {
        status = tail->file_bytes > tail->position
                     ? environment->ops->truncate(environment, file, tail->position)
                     : 0;
        if (status >= 0 && environment->ops->sync_data(environment, file) < 0) {
            status = -EIO;
        }
        environment->ops->close(environment, file);
    }
    if (status < 0) {
        return wr_log_fail(error, wr_log_status_of(status), "%s: cannot end it: %s", path,
                           strerror(-status));
    }
    const struct wr_sealed_segment sealed = wr_sealed_segment_of(
        &tail->index, tail->header.base_offset, tail->position, tail->header.generation);
    wr_partition_add_sealed(partition, &sealed);
    partition->next_offset = sealed.end;
    partition->durable     = sealed.end;
    partition->vouched     = sealed.end;
    return WEIR_OK;
}

// The last segment, which is not sealed.
static weir_status settle_last(struct wr_partition *partition, const struct wr_found_segment *last,
                               struct wr_tail *tail, struct wr_log_error *error)
{
    if (tail->is_sealed) {
        return finish_seal(partition, tail, last->path, error);
    }
    warn_of_garbage(partition, tail, last->path);
    const weir_status status = go_on_in(partition, tail, last->path, error);
    if (status != WEIR_OK) {
        return status;
    }
    partition->durable  = partition->next_offset;
    partition->vouched  = tail->is_clean ? partition->durable : 0;
    const bool is_fresh = partition->next_offset == partition->base;
    // After a crash nothing is added to a file whose pages may not be what is on disk.
    return tail->is_clean || is_fresh ? WEIR_OK : wr_partition_seal(partition, error);
}

static weir_status remove_leftovers(struct wr_partition *partition, const struct wr_found *found,
                                    struct wr_log_error *error)
{
    struct wr_environment *environment = environment_of(partition);
    for (uint32_t i = 0; i < found->leftover_count; i++) {
        const int status = environment->ops->unlink(environment, found->leftovers[i]);
        if (status < 0 && status != -ENOENT) {
            return wr_log_fail(error, wr_log_status_of(status),
                               "%s: cannot remove the leftover: %s", found->leftovers[i],
                               strerror(-status));
        }
    }
    const int synced = found->leftover_count > 0
                           ? environment->ops->sync_directory(environment, partition->directory)
                           : 0;
    return synced < 0 ? wr_log_fail(error, wr_log_status_of(synced), "%s: cannot sync it: %s",
                                    partition->directory, strerror(-synced))
                      : WEIR_OK;
}

// Reads the last segment past the page cache, even one that looks sealed: a footer that was written
// and whose sync failed, or never came, is not on the disk. One that the start file does not name
// holds nothing that was acknowledged: where it is not whole it is a leftover. *has_last: there is
// one, and *tail is to be finished.
static weir_status judge_last(struct wr_partition *partition, struct wr_found *found,
                              struct wr_tail *tail, bool *has_last, struct wr_log_error *error)
{
    *has_last = false;
    while (found->count > 0) {
        const struct wr_found_segment *last = &found->segments[found->count - 1];
        const weir_status              status =
            wr_tail_read(environment_of(partition), last->path, WR_OPEN_DIRECT, &partition->place,
                         last->base, known_durable(partition), tail, error);
        *has_last = status == WEIR_OK;
        if (*has_last && tail->epoch > partition->topic->log->epoch) {
            *has_last = false;
            (void)wr_log_fail(
                error, WEIR_DAMAGED,
                "%s: written in epoch %u, but the log's epoch file says %u: that file "
                "is an older one, put back",
                last->path, tail->epoch, partition->topic->log->epoch);
            wr_tail_fini(tail);
            return WEIR_DAMAGED;
        }
        if (status != WEIR_DAMAGED || !is_unfinished(found, found->count - 1)) {
            return status;
        }
        wr_log_error_fini(error);
        drop_segment(found, found->count - 1);
    }
    return WEIR_OK;
}

static weir_status settle(struct wr_partition *partition, struct wr_found *found,
                          struct wr_log_error *error)
{
    struct wr_tail tail;
    bool           has_last;
    weir_status    status = judge_last(partition, found, &tail, &has_last, error);
    if (status != WEIR_OK) {
        return status;
    }
    take_sealed(partition, found);
    if (!has_last && known_durable(partition) > partition->next_offset) {
        return wr_found_all_gone(partition->directory, known_durable(partition),
                                 partition->next_offset, error);
    }
    status = remove_leftovers(partition, found, error);
    if (has_last) {
        if (status == WEIR_OK) {
            status = settle_last(partition, &found->segments[found->count - 1], &tail, error);
        }
        wr_tail_fini(&tail);
    }
    return status;
}

weir_status wr_partition_recover(struct wr_partition *partition, struct wr_log_error *error)
{
    struct wr_found found;
    weir_status     status = wr_partition_find(environment_of(partition), partition->directory,
                                               &partition->place, &found, error);
    if (status != WEIR_OK) {
        return status;
    }
    partition->start              = found.start; // shared until the end
    partition->first_offset       = partition->start.first_offset;
    partition->next_offset        = found.next_offset;
    partition->durable            = partition->next_offset;
    partition->vouched            = partition->next_offset;
    partition->has_unfinished_cut = wr_found_has_unfinished_cut(&found);
    status                        = settle(partition, &found, error);
    found.start.cuts              = NULL; // the partition's
    found.start.cut_count         = 0;
    wr_found_fini(&found);
    return status != WEIR_OK ? status : wr_partition_finish_cut(partition, error);
}
