#include "tests/support/source_harness.h"

#include "runtime/plan/plan.h"
#include "runtime/run/run.h"

#include <stdio.h>

// ---- the scripted connector ----

struct script_reader {
    struct wr_reader reader;
    uint32_t         step; // the next one
    int64_t          started_us;
    char             lines[64][40]; // of the batch's rows
    uint64_t         numbers[64];
};

static struct source_script *script_of(const struct wr_reader *reader)
{
    return *(struct source_script *const *)reader->options;
}

static const weir_event_time_options *script_time(const void *options)
{
    return &(*(struct source_script *const *)options)->time;
}

static bool script_list(struct wr_environment *environment, const void *options,
                        struct wr_partition_list *list, weir_status *status, char **error)
{
    const struct source_script *script = *(struct source_script *const *)options;
    (void)environment;
    (void)status;
    (void)error;
    list->count = script->partition_count;
    list->names = wr_alloc(list->count * sizeof(*list->names));
    for (uint32_t i = 0; i < list->count; i++) {
        list->names[i] = wr_format("part-%u", i);
    }
    return true;
}

static bool script_open(struct wr_reader *reader)
{
    ((struct script_reader *)reader)->started_us = wr_now_us(reader->node->environment);
    return true;
}

static void script_close(struct wr_reader *reader) { (void)reader; }

static void script_note(struct script_reader *reader, const struct source_step *step)
{
    struct source_script *script = script_of(&reader->reader);
    WR_ASSERT(script->log_count < SOURCE_LOG_MAX);
    script->log[script->log_count++] = (struct source_read){
        .partition = reader->reader.partition,
        .time      = step->value,
        .after_us  = wr_now_us(reader->reader.node->environment) - reader->started_us,
    };
}

static void script_add_row(struct script_reader *reader, const struct source_step *step)
{
    struct wr_output *out    = &reader->reader.node->outputs[WR_OUTPUT_MAIN];
    const uint32_t    row    = out->batch->row_count;
    const uint64_t    number = ++reader->step;
    WR_ASSERT(row < WR_COUNT_OF(reader->lines));
    *(tick *)wr_output_row(out) = (tick){ step->value, reader->reader.partition, number };
    wr_output_commit(out, 1);
    (void)snprintf(reader->lines[row], sizeof(reader->lines[row]), "line %llu of partition %u",
                   (unsigned long long)number, reader->reader.partition);
    reader->numbers[row] = number;
    script_note(reader, step);
}

static enum wr_read script_wait(struct script_reader *reader, const struct source_step *step)
{
    const int64_t until_us = reader->started_us + (int64_t)step->value;
    if (wr_now_us(reader->reader.node->environment) >= until_us) {
        reader->step++;
        return WR_READ_ROWS;
    }
    reader->reader.wake_at_us = until_us;
    return step->verb == SOURCE_QUIET ? WR_READ_QUIET : WR_READ_LATER;
}

static enum wr_read script_read(struct wr_reader *base)
{
    struct script_reader     *reader = (struct script_reader *)base;
    const struct source_step *steps  = script_of(base)->partitions[base->partition];
    const struct wr_output   *out    = &base->node->outputs[WR_OUTPUT_MAIN];
    switch (steps[reader->step].verb) {
    case SOURCE_END: return WR_READ_END;
    case SOURCE_QUIET:
    case SOURCE_BUSY: return script_wait(reader, &steps[reader->step]);
    case SOURCE_BROKEN:
        if (!wr_reader_reject(base, reader->step + 1, "broken", "text", 4, 4)) {
            return WR_READ_FULL;
        }
        reader->step++;
        return WR_READ_ROWS;
    case SOURCE_TICK:
    case SOURCE_MORE: break;
    }
    do {
        if (wr_output_room(out) == 0) {
            return WR_READ_FULL;
        }
        script_add_row(reader, &steps[reader->step]);
    } while (steps[reader->step].verb == SOURCE_MORE);
    return WR_READ_ROWS;
}

static void script_line(const struct wr_reader *base, uint32_t row, weir_line *line)
{
    const struct script_reader *reader = (const struct script_reader *)base;
    line->partition                    = weir_str_from(base->name);
    line->line                         = reader->numbers[row];
    line->text                         = weir_str_from(reader->lines[row]);
}

weir_stream source_script_add(weir_job *job, struct source_script *script)
{
    static const struct wr_connector connector = {
        .verb         = "script",
        .reader_bytes = sizeof(struct script_reader),
        .time         = script_time,
        .list         = script_list,
        .open         = script_open,
        .close        = script_close,
        .read         = script_read,
        .line         = script_line,
    };
    struct source_script **options = wr_alloc(sizeof(struct source_script *));
    *options                       = script;
    return wr_job_add_source(job, &connector, "script", options, NULL, &tick_type, wr_free);
}

// ---- running ----

weir_status source_harness_run(weir_job *job, struct wr_environment *environment,
                               const weir_run_options *options)
{
    return source_harness_run_then(job, environment, options, NULL);
}

weir_status source_harness_run_then(weir_job *job, struct wr_environment *environment,
                                    const weir_run_options *options,
                                    void (*then)(struct wr_environment *environment))
{
    weir_run_options simulated = options != NULL ? *options : (weir_run_options){ .workers = 1 };
    simulated.is_simulated     = true;
    struct wr_plan *plan       = wr_plan_open(job, &simulated, environment);
    if (plan == NULL) {
        wr_environment_close(environment);
        return weir_job_status(job);
    }
    struct weir_run *run = wr_plan_build(plan, environment, true);
    wr_run_prepare(run);
    job->run = run;
    wr_run_simulate(run, simulated.seed);
    if (then != NULL) {
        then(environment);
    }
    return weir_run_close(run);
}

weir_run *source_harness_run_of(const weir_job *job) { return job->run; }

const tick *tick_at(const weir_collection *collection, size_t index)
{
    return weir_collection_at(collection, index, NULL, NULL);
}
