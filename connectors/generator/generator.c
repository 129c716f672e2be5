// generator: records made by a function of their number, as fast as it goes or by a schedule.
//
//   partition p of P makes numbers  p, p + P, p + 2 P, ...   below `events`
//   paced, number n is due at       start + n * 1,000,000 / rate      and is made once that is past
//
// The schedule never shifts: what could not be made in time is made at once, with the time it was
// due, so that a delay counts against every record it delayed.
#include "connectors/options/options.h"

#include <string.h>

struct generator {
    struct wr_reader reader;
    uint64_t         next; // number of the next record
    weir_time        start;
};

static const weir_generator_options *options_of(const struct wr_reader *reader)
{
    return reader->options;
}

static const weir_event_time_options *generator_time(const void *options)
{
    return &((const weir_generator_options *)options)->time;
}

static bool generator_list(struct wr_environment *environment, const void *options,
                           struct wr_partition_list *list, weir_status *status, char **error)
{
    const weir_generator_options *generate = options;
    (void)environment;
    (void)status;
    (void)error;
    list->count = generate->partitions != 0 ? generate->partitions : 1;
    list->names = wr_alloc(list->count * sizeof(*list->names));
    for (uint32_t i = 0; i < list->count; i++) {
        list->names[i] = wr_format("%u", i);
    }
    return true;
}

static bool generator_open(struct wr_reader *reader)
{
    struct generator             *generator   = (struct generator *)reader;
    const weir_generator_options *options     = options_of(reader);
    struct wr_environment        *environment = reader->node->environment;
    generator->next                           = reader->partition;
    generator->start =
        options->start != 0 ? options->start : environment->ops->wall_us(environment);
    return true;
}

// The next number, and when the schedule began.
static void generator_save(struct wr_reader *reader, struct wr_position *position)
{
    const struct generator *generator = (struct generator *)reader;
    position->numbers[0]              = generator->next;
    position->numbers[1]              = (uint64_t)generator->start;
}

static bool generator_seek(struct wr_reader *reader, const struct wr_position *position)
{
    struct generator *generator = (struct generator *)reader;
    generator->next             = position->numbers[0];
    generator->start            = (weir_time)position->numbers[1];
    return true;
}

static void generator_close(struct wr_reader *reader) { (void)reader; }

// When record `number` is due.
static weir_time generator_due(const struct generator *generator, uint64_t number)
{
    const double after_us = (double)number * 1e6 / options_of(&generator->reader)->rate;
    const double most     = (double)WEIR_TIME_MAX;
    return weir_time_add(generator->start, after_us < most ? (weir_time)after_us : WEIR_TIME_MAX);
}

// How many of at most `count` records are due. The double's rounding is corrected by looking.
static uint32_t generator_due_count(const struct generator *generator, uint64_t step,
                                    uint32_t count, weir_time now)
{
    if (generator_due(generator, generator->next) > now) {
        return 0;
    }
    const double rate  = options_of(&generator->reader)->rate;
    const double ahead = (double)(now - generator_due(generator, generator->next)) * rate / 1e6;
    const double due   = ahead / (double)step + 2;
    uint32_t     most  = due < (double)count ? (uint32_t)due : count;
    while (most > 1 && generator_due(generator, generator->next + (most - 1) * step) > now) {
        most--;
    }
    return most;
}

// Of a type with strings: each record's are copied before the next one is made. Returns how many
// fit.
static uint32_t generator_make_sealed(struct generator             *generator,
                                      const weir_generator_binding *binding, uint64_t step,
                                      uint32_t count)
{
    struct wr_node   *node = generator->reader.node;
    struct wr_output *out  = &node->outputs[WR_OUTPUT_MAIN];
    for (uint32_t i = 0; i < count; i++) {
        if (wr_output_room(out) == 0) {
            return i;
        }
        const bool      is_paced = options_of(&generator->reader)->rate > 0;
        const uint64_t  number   = generator->next + i * step;
        const weir_time due      = is_paced ? generator_due(generator, number) : 0;
        memset(wr_output_row(out), 0, out->layout.row_size);
        binding->rows(node->call, wr_output_row(out), number, step, 1, due, is_paced ? 1 : 0);
        if (wr_batch_row_fits_never(&out->layout, wr_output_row(out))) {
            wr_node_fail(node, "record %llu is larger than a record may be, %u bytes",
                         (unsigned long long)number, out->layout.max_record_bytes);
            return i;
        }
        if (wr_reader_is_past_limit(&generator->reader, wr_output_row(out)) ||
            !wr_output_seal(out)) {
            return i;
        }
    }
    return count;
}

// How many of the `count` records just made come before the limit.
static uint32_t generator_made(struct generator *generator, const struct wr_output *out,
                               uint32_t count)
{
    const char *records = wr_output_row(out);
    for (uint32_t i = 0; generator->reader.limit != NULL && i < count; i++) {
        if (wr_reader_is_past_limit(&generator->reader, records + i * out->layout.row_size)) {
            return i;
        }
    }
    return count;
}

static uint32_t generator_make(struct generator *generator, uint64_t step, uint32_t count)
{
    struct wr_node                 *node     = generator->reader.node;
    const struct wr_source_options *source   = node->spec->options;
    const weir_generator_binding   *binding  = source->binding;
    struct wr_output               *out      = &node->outputs[WR_OUTPUT_MAIN];
    const double                    rate     = options_of(&generator->reader)->rate;
    const bool                      is_paced = rate > 0;

    if (out->layout.strings.count > 0) {
        return generator_make_sealed(generator, binding, step, count);
    }
    binding->rows(node->call, wr_output_row(out), generator->next, step, count,
                  is_paced ? generator_due(generator, generator->next) : 0,
                  is_paced ? (double)step * 1e6 / rate : 0);
    const uint32_t made = generator_made(generator, out, count);
    wr_output_commit(out, made);
    return made;
}

// How many of its records come before number `end`.
static uint64_t generator_before(const struct generator *generator, uint64_t step, uint64_t end)
{
    return generator->next < end ? (end - generator->next - 1) / step + 1 : 0;
}

static uint64_t generator_left(const struct generator *generator, uint64_t step)
{
    const uint64_t events = options_of(&generator->reader)->events;
    return events == 0 ? UINT64_MAX : generator_before(generator, step, events);
}

// How many of at most `count` come before the limit.
static uint32_t generator_before_limit(struct generator *generator, uint64_t step, uint32_t count)
{
    const struct wr_limit *limit = generator->reader.limit;
    if (limit == NULL || wr_reader_is_at_limit(&generator->reader, generator->next)) {
        return limit == NULL ? count : 0;
    }
    const uint64_t before = generator_before(generator, step, limit->offset);
    return before < count ? (uint32_t)before : count;
}

static enum wr_read generator_read(struct wr_reader *reader)
{
    struct generator             *generator   = (struct generator *)reader;
    const weir_generator_options *options     = options_of(reader);
    struct wr_environment        *environment = reader->node->environment;
    const uint64_t                step        = options->partitions != 0 ? options->partitions : 1;
    const uint64_t                left        = generator_left(generator, step);
    const uint32_t                room  = wr_output_room(&reader->node->outputs[WR_OUTPUT_MAIN]);
    uint32_t                      count = left < room ? (uint32_t)left : room;

    if (left == 0) {
        return WR_READ_END;
    }
    count = generator_before_limit(generator, step, count);
    if (count == 0) {
        return WR_READ_FULL;
    }
    if (options->rate > 0) {
        const weir_time now = environment->ops->wall_us(environment);
        count               = generator_due_count(generator, step, count, now);
        if (count == 0) {
            const weir_time wait = generator_due(generator, generator->next) - now;
            reader->wake_at_us   = (int64_t)weir_time_add(wr_now_us(environment), wait);
            return WR_READ_LATER;
        }
    }
    generator->next += generator_make(generator, step, count) * step;
    return WR_READ_ROWS;
}

static const struct wr_connector generator_connector = {
    .verb         = "generate",
    .reader_bytes = sizeof(struct generator),
    .time         = generator_time,
    .list         = generator_list,
    .open         = generator_open,
    .close        = generator_close,
    .read         = generator_read,
    .save         = generator_save,
    .seek         = generator_seek,
};

static void generator_free_options(void *opaque)
{
    weir_generator_options *options = opaque;
    wr_options_free_time(&options->time);
    wr_free(options);
}

weir_stream weir_generate(weir_job *job, const weir_generator_binding *generator,
                          const weir_generator_options *options)
{
    const weir_generator_options none = { 0 };
    if (generator == NULL) {
        return wr_job_refuse(job, "generate: it has no generator; make one with WEIR_GENERATOR");
    }
    options          = options != NULL ? options : &none;
    const char *name = options->name != NULL ? options->name : generator->name;
    if (!(options->rate >= 0)) {
        return wr_job_refuse(job, "%s: rate is %g events a second, but must not be negative", name,
                             options->rate);
    }
    if (!wr_options_check_time(job, name, generator->out, &options->time)) {
        return (weir_stream){ .job = NULL };
    }
    weir_generator_options *copy = wr_alloc(sizeof(*copy));
    *copy                        = *options;
    copy->name                   = NULL;
    copy->time                   = wr_options_copy_time(&options->time);
    return wr_job_add_source(job, &generator_connector, name, copy, generator, generator->out,
                             generator_free_options);
}
