#include "log/look.h"

#include "log/recover.h"

// As far as a file goes whose end is not where it should be: reading it meets that.
#define ALL_BYTES (UINT64_MAX / 2)

// Nothing behind the offset of an unfinished cut is read, and who has read it already hears of the
// cut when a writer has finished it.
static void look_before_cut(const struct wr_found *found, struct wr_live_position *position)
{
    if (!wr_found_has_unfinished_cut(found)) {
        return;
    }
    const struct wr_partition_cut *last = found->start.cuts + found->start.cut_count - 1;
    position->cut                       = last->number - 1;
    if (position->readable > last->offset) {
        position->readable = last->offset;
    }
}

static struct wr_live_position position_without_segments(const struct wr_found *found)
{
    return (struct wr_live_position){
        .readable     = found->next_offset,
        .segment_base = found->next_offset,
        .first_offset = found->start.first_offset,
        .cut =
            found->start.cut_count > 0 ? found->start.cuts[found->start.cut_count - 1].number : 0,
    };
}

weir_status wr_partition_look(struct wr_environment *environment, const char *directory,
                              const struct wr_log_place *place, struct wr_live_position *position,
                              struct wr_log_error *error)
{
    struct wr_found found;
    weir_status     status = wr_partition_find(environment, directory, place, &found, error);
    if (status != WEIR_OK) {
        return status;
    }
    *position = position_without_segments(&found);
    if (found.count > 0) {
        const struct wr_found_segment *last = &found.segments[found.count - 1];
        struct wr_tail                 tail;
        status = wr_tail_read(environment, last->path, WR_OPEN_READ, place, last->base,
                              found.start.durable, &tail, error);
        if (status == WEIR_OK) {
            position->readable      = tail.end_offset;
            position->segment_bytes = tail.position;
            position->segment_base  = last->base;
            wr_tail_fini(&tail);
        }
    } else if (found.start.durable > found.next_offset) {
        status = wr_found_all_gone(directory, found.start.durable, found.next_offset, error);
    }
    look_before_cut(&found, position);
    position->durable = position->readable;
    wr_found_fini(&found);
    return status;
}

// ---- past damage ----

// What the last segment says of the end.
static weir_status look_at_last(struct wr_environment     *environment,
                                const struct wr_log_place *place, const struct wr_found *found,
                                struct wr_live_position *position, struct wr_log_error *damage,
                                struct wr_log_error *error)
{
    const struct wr_found_segment *last = &found->segments[found->count - 1];
    struct wr_tail                 tail;
    position->segment_base  = last->base;
    position->segment_bytes = ALL_BYTES;
    if (last->damage != NULL) {
        position->readable = found->start.durable > last->base ? found->start.durable : last->base;
        (void)wr_log_fail(damage, WEIR_DAMAGED, "%s", last->damage);
        return WEIR_OK;
    }
    const weir_status status = wr_tail_read(environment, last->path, WR_OPEN_READ, place,
                                            last->base, found->start.durable, &tail, error);
    if (status == WEIR_OK) {
        position->readable      = tail.end_offset;
        position->segment_bytes = tail.position;
        wr_tail_fini(&tail);
        return WEIR_OK;
    }
    if (status != WEIR_DAMAGED) {
        return status;
    }
    const bool ends_early = tail.end_offset < tail.durable; // who reads on meets it
    position->readable    = ends_early ? tail.durable : tail.end_offset;
    if (!ends_early) {
        (void)wr_log_fail(damage, WEIR_DAMAGED, "%s", error->sentence);
    }
    wr_log_error_fini(error);
    return WEIR_OK;
}

// Nothing of two segments that hold the same offsets is read, nor what is behind them.
static void look_before_overlap(const struct wr_found *found, struct wr_live_position *position,
                                struct wr_log_error *damage)
{
    for (uint32_t i = 0; i + 1 < found->count; i++) {
        const struct wr_found_segment *segment = &found->segments[i];
        if (segment->is_sealed && segment->sealed.end > segment[1].base) {
            position->readable =
                segment->base < position->readable ? segment->base : position->readable;
            (void)wr_found_overlap(segment, damage);
            return;
        }
    }
}

weir_status wr_partition_look_past(struct wr_environment *environment, const char *directory,
                                   const struct wr_log_place *place,
                                   struct wr_live_position *position, struct wr_log_error *damage,
                                   struct wr_log_error *error)
{
    struct wr_found found;
    weir_status     status = wr_found_gather(environment, directory, place, &found, error);
    if (status != WEIR_OK) {
        return status;
    }
    *position = position_without_segments(&found);
    if (found.count > 0) {
        status = look_at_last(environment, place, &found, position, damage, error);
    } else if (found.start.durable > found.next_offset) {
        (void)wr_found_all_gone(directory, found.start.durable, found.next_offset, damage);
    }
    if (status == WEIR_OK) {
        (void)wr_found_judge_newest(&found, directory, damage);
        look_before_overlap(&found, position, damage);
        look_before_cut(&found, position);
        position->durable = position->readable;
    }
    wr_found_fini(&found);
    return status;
}
