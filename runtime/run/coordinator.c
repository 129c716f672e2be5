// What a checkpoint goes through:
//
//   begun      barrier n is asked for; images come in and are written as they come
//   captured   of each task: its index ends its file, which is synced
//   published  of all: the manifest is durable
//   complete   what sinks had set aside up to n is shown; all hear of it; older ones are let go
//
// or given up, from begun or captured: it took too long, or the disk is full. The next try comes a
// second later, and the last one of a run is tried until it is made (trouble.c). Reports of a
// checkpoint that is given up are thrown away, but for what sinks set aside: that belongs to the
// next (a sink's output is lost or doubled otherwise).
#include "runtime/run/coordinating.h"

#include "runtime/base/thread.h"
#include "runtime/run/indexing.h"
#include "runtime/run/restore.h"

#include <stdio.h>

#define CHUNKS_QUEUED 24u             // on their way to the disk, until capturing waits
#define FEW_QUEUED    1u              // the same in the simulation, whose states are small
#define GENTLE_MAX_US WEIR_SECONDS(1) // at most, of a tenth of the interval
#define AGAIN_US      1000000         // after a checkpoint that failed

void wr_coordinator_post(struct wr_coordinator *coordinator, enum wr_message_verb verb,
                         uint64_t checkpoint)
{
    struct weir_run *run = coordinator->run;
    for (uint32_t i = 0; i < run->now->worker_count; i++) {
        wr_worker_post_any(&run->now->workers[i], verb, checkpoint);
    }
}

// ---- opening and closing ----

void wr_coordinator_open_parts(struct wr_coordinator *coordinator)
{
    const struct wr_generation *now = coordinator->run->now;
    coordinator->parts              = wr_alloc((now->task_count + 1) * sizeof(*coordinator->parts));
    coordinator->source_count       = 0;
    coordinator->ended_count        = 0;
    for (uint32_t i = 0; i < now->task_count; i++) {
        coordinator->source_count += now->tasks[i]->input_count == 0;
    }
}

void wr_coordinator_close_parts(struct wr_coordinator *coordinator)
{
    for (uint32_t i = 0; i < coordinator->run->now->task_count; i++) {
        wr_free(coordinator->parts[i].lengths);
        wr_index_close(coordinator->parts[i].handed);
    }
    wr_free(coordinator->parts);
}

struct wr_coordinator *wr_coordinator_open(struct weir_run                     *run,
                                           const struct wr_coordinator_options *options)
{
    struct wr_coordinator *coordinator = wr_alloc(sizeof(*coordinator));
    coordinator->run                   = run;
    coordinator->store                 = options->store;
    coordinator->restored              = options->savepoint;
    coordinator->had_ended             = options->had_ended;
    coordinator->next                  = wr_store_next(options->store);
    coordinator->interval_us           = options->interval_us;
    coordinator->timeout_us            = options->timeout_us;
    coordinator->job                   = wr_copy_text(options->job);
    coordinator->graph                 = options->graph;
    coordinator->last                  = &coordinator->first;
    coordinator->queued_most           = run->is_simulated ? FEW_QUEUED : CHUNKS_QUEUED;
    coordinator->next_us               = wr_coordinator_now_us(coordinator) + options->interval_us;
    wr_coordinator_open_parts(coordinator);
    (void)pthread_mutex_init(&coordinator->lock, NULL);
    wr_condition_init(&coordinator->has_work);
    wr_condition_init(&coordinator->has_served);
    return coordinator;
}

static void report_free(struct wr_coordinator *coordinator, struct wr_report *report)
{
    if (report->chunk != NULL) {
        wr_coordinator_give_chunk(coordinator, report->chunk);
    }
    wr_index_close(report->index);
    wr_free(report);
}

void wr_coordinator_close(struct wr_coordinator *coordinator)
{
    if (coordinator == NULL) {
        return;
    }
    while (coordinator->first != NULL) {
        struct wr_report *report = coordinator->first;
        coordinator->first       = report->next;
        report_free(coordinator, report);
    }
    while (coordinator->chunks != NULL) {
        struct wr_chunk *next = coordinator->chunks->next;
        wr_free(coordinator->chunks);
        coordinator->chunks = next;
    }
    wr_prepared_close(coordinator);
    wr_error_fini(&coordinator->trouble.why);
    wr_coordinator_close_parts(coordinator);
    wr_generation_close(coordinator->moving);
    wr_store_close(coordinator->restored);
    wr_store_close(coordinator->store);
    (void)pthread_cond_destroy(&coordinator->has_served);
    (void)pthread_cond_destroy(&coordinator->has_work);
    (void)pthread_mutex_destroy(&coordinator->lock);
    wr_free(coordinator->job);
    wr_graph_text_fini(&coordinator->graph);
    wr_free(coordinator);
}

// ---- a checkpoint's way ----

void wr_coordinator_rest(struct wr_coordinator *coordinator, int64_t next_us)
{
    for (uint32_t i = 0; i < coordinator->run->now->task_count; i++) {
        coordinator->parts[i].file        = NULL;
        coordinator->parts[i].is_captured = false;
    }
    wr_coordinator_tell_busy_until(coordinator, wr_coordinator_now_us(coordinator));
    coordinator->current        = 0;
    coordinator->captured_count = 0;
    coordinator->under_way      = (struct wr_checkpoint_facts){ .id = 0 };
    coordinator->next_us        = next_us;
    wr_breath_begin(&coordinator->breath, 0);
}

// What was written goes; what sinks have set aside stays for the next.
static void coordinator_give_up(struct wr_coordinator *coordinator, weir_status status,
                                const char *why)
{
    wr_trouble_note(coordinator, status, why);
    wr_savepoint_refuse(coordinator, status, why);
    wr_store_abort(coordinator->store, coordinator->current);
    wr_coordinator_post(coordinator, WR_MESSAGE_GIVE_UP, coordinator->current);
    wr_coordinator_rest(coordinator, wr_coordinator_now_us(coordinator) + AGAIN_US);
}

// A full disk is waited for; anything else the store says ends the run.
static void coordinator_meet(struct wr_coordinator *coordinator, struct wr_error *error)
{
    if (error->status == WEIR_FULL) {
        coordinator_give_up(coordinator, error->status, error->sentence);
    } else {
        wr_run_fail_any(coordinator->run, error->status, error->sentence);
    }
    wr_error_fini(error);
}

// Not where nothing is to be disturbed, or the last try has failed, perhaps by its timeout.
static bool coordinator_may_breathe(const struct wr_coordinator *coordinator)
{
    return !coordinator->run->is_simulated && !coordinator->is_final &&
           coordinator->trouble.count == 0;
}

static void coordinator_begin(struct wr_coordinator *coordinator, bool is_final)
{
    struct wr_error error = { .status = WEIR_OK };
    coordinator->current  = coordinator->next++;
    coordinator->began_us = wr_coordinator_now_us(coordinator);
    coordinator->is_final = is_final;
    wr_breath_begin(&coordinator->breath, coordinator_may_breathe(coordinator)
                                              ? wr_coordinator_gentle_us_any(coordinator)
                                              : 0);
    wr_savepoint_note_try(coordinator, is_final);
    wr_coordinator_tell_busy_until(coordinator, INT64_MAX);
    coordinator->began_wall_us =
        coordinator->run->environment->ops->wall_us(coordinator->run->environment);
    if (wr_store_begin(coordinator->store, coordinator->current, coordinator->run->now->task_count,
                       &error) != WEIR_OK) {
        coordinator_meet(coordinator, &error);
        return;
    }
    wr_coordinator_post(coordinator, WR_MESSAGE_BARRIER, coordinator->current);
}

// ---- reports ----

static bool part_open(struct wr_coordinator *coordinator, const struct wr_report *report,
                      uint32_t number, struct wr_error *error)
{
    struct task_part *part = &coordinator->parts[number];
    return part->file != NULL ||
           wr_store_file_open(coordinator->store, coordinator->current, number, report->file_number,
                              &part->file, error) == WEIR_OK;
}

static void part_set_lengths(struct task_part *part, struct wr_index *index)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < part->length_count; i++) {
        struct wr_index_file *file = wr_index_find_file(index, part->lengths[i].number);
        if (file != NULL) {
            file->bytes           = part->lengths[i].bytes;
            part->lengths[kept++] = part->lengths[i];
        }
    }
    part->length_count = kept;
}

static void part_note_length(struct task_part *part, uint32_t number, uint64_t bytes)
{
    part->lengths = wr_realloc(part->lengths, (part->length_count + 1) * sizeof(*part->lengths));
    part->lengths[part->length_count++] = (struct file_length){ number, bytes };
}

static bool report_take(struct wr_coordinator *coordinator, struct wr_report *report,
                        struct wr_error *error)
{
    const uint32_t    number = report->task->number;
    struct task_part *part   = &coordinator->parts[number];
    switch (report->kind) {
    case WR_REPORT_PASSED:
        (void)wr_prepared_take(coordinator, report->task, report->checkpoint);
        return true;
    case WR_REPORT_CHUNK:
        if (!part_open(coordinator, report, number, error)) {
            return false;
        }
        WR_ASSERT(report->chunk->offset == wr_state_file_bytes(part->file));
        return wr_store_append(part->file, report->chunk->bytes, report->chunk->filled,
                               report->chunk->block_count, error) == WEIR_OK;
    case WR_REPORT_CAPTURED:
        WR_ASSERT(!part->is_captured); // I16, I17
        wr_prepared_note(coordinator, report->task, report->index);
        part_set_lengths(part, report->index);
        if (!part_open(coordinator, report, number, error) ||
            wr_store_file_finish(part->file, report->index, error) != WEIR_OK) {
            return false;
        }
        part_note_length(part, report->file_number, wr_state_file_bytes(part->file));
        wr_checkpoint_facts_add(&coordinator->under_way, report->index, report->file_number);
        coordinator->under_way.bytes += wr_state_file_bytes(part->file);
        part->is_captured = true;
        coordinator->captured_count++;
        return true;
    case WR_REPORT_HANDED_OVER:
        coordinator->handed_us =
            coordinator->captured_count == 0 || report->at_us < coordinator->handed_us
                ? report->at_us
                : coordinator->handed_us;
        part->handed  = report->index;
        report->index = NULL;
        coordinator->captured_count++;
        return true;
    }
    return true;
}

static struct wr_report *reports_take(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    struct wr_report *taken = coordinator->first;
    coordinator->first      = NULL;
    coordinator->last       = &coordinator->first;
    coordinator->is_woken   = false;
    (void)pthread_mutex_unlock(&coordinator->lock);
    return taken;
}

// Late reports, of a checkpoint that was given up, count no more; but what sinks set aside does.
static uint32_t coordinator_take_reports(struct wr_coordinator *coordinator)
{
    uint32_t          count = 0;
    struct wr_report *next;
    for (struct wr_report *report = reports_take(coordinator); report != NULL; report = next) {
        struct wr_error error = { .status = WEIR_OK };
        next                  = report->next;
        const bool counts =
            report->checkpoint == coordinator->current || report->kind == WR_REPORT_PASSED;
        if (counts && !wr_run_has_failed_any(coordinator->run) &&
            !report_take(coordinator, report, &error)) {
            coordinator_meet(coordinator, &error);
        }
        report_free(coordinator, report);
        if (!wr_run_has_failed_any(coordinator->run)) {
            wr_breath_take(&coordinator->breath);
        }
        count++;
    }
    return count;
}

// ---- publishing ----

static void coordinator_end(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    coordinator->is_over = true;
    (void)pthread_cond_broadcast(&coordinator->has_served);
    (void)pthread_mutex_unlock(&coordinator->lock);
    wr_coordinator_post(coordinator, WR_MESSAGE_WAKE, 0);
}

static void coordinator_publish(struct wr_coordinator *coordinator)
{
    struct wr_error          error    = { .status = WEIR_OK };
    const uint64_t           done     = coordinator->current;
    const struct wr_manifest manifest = {
        .is_final   = coordinator->is_final,
        .is_stopped = coordinator->is_final &&
                      (wr_run_is_stopping_any(coordinator->run) || coordinator->run->until != NULL),
        .began_us       = coordinator->began_wall_us,
        .job            = coordinator->job,
        .graph_hash     = coordinator->graph.hash,
        .hash_seed      = coordinator->run->seed,
        .operators      = coordinator->graph.operators,
        .operator_count = coordinator->graph.operator_count,
    };
    if (wr_store_publish(coordinator->store, &manifest, &error) != WEIR_OK) {
        coordinator_meet(coordinator, &error);
        return;
    }
    wr_coordinator_publish_facts(coordinator);
    wr_trouble_end(coordinator);
    const int64_t due  = coordinator->began_us + coordinator->interval_us;
    const bool    ends = coordinator->is_final;
    wr_coordinator_rest(coordinator, due > wr_coordinator_now_us(coordinator)
                                         ? due
                                         : wr_coordinator_now_us(coordinator));
    if (!wr_prepared_commit(coordinator, done)) {
        return;
    }
    coordinator->completed = done;
    coordinator->published = coordinator->begun_at;
    wr_coordinator_post(coordinator, WR_MESSAGE_COMPLETE, done);
    wr_savepoint_make(coordinator, ends);
    if (ends) {
        coordinator_end(coordinator);
    }
}

// ---- the thread ----

static bool sources_have_ended(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    const bool have_ended = coordinator->ended_count == coordinator->source_count;
    (void)pthread_mutex_unlock(&coordinator->lock);
    return have_ended;
}

static bool coordinator_is_over(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    const bool is_over = coordinator->is_over;
    (void)pthread_mutex_unlock(&coordinator->lock);
    return is_over || wr_run_has_failed_any(coordinator->run);
}

// What the sources had made when it was looked, so that a job that rests is left in peace.
static struct made made_so_far(struct weir_run *run)
{
    return (struct made){
        .rows      = wr_run_counter_any(run, NULL, WR_ROWS_OUT),
        .late      = wr_run_counter_any(run, NULL, WR_LATE),
        .rejected  = wr_run_counter_any(run, NULL, WR_REJECTED),
        .watermark = wr_run_counter_any(run, NULL, WR_WATERMARK),
    };
}

static bool has_made_rows(const struct wr_coordinator *coordinator)
{
    const struct made now  = made_so_far(coordinator->run);
    const struct made then = coordinator->published;
    return now.rows != then.rows || now.late != then.late || now.rejected != then.rejected;
}

// The job had ended before this run, which has not changed that.
static bool is_as_it_had_ended(const struct wr_coordinator *coordinator)
{
    return coordinator->had_ended && coordinator->completed == 0 && !has_made_rows(coordinator);
}

// Whether there is anything that the last published checkpoint may not have.
static bool has_news(const struct wr_coordinator *coordinator)
{
    return !is_as_it_had_ended(coordinator) &&
           (coordinator->completed == 0 || has_made_rows(coordinator) ||
            made_so_far(coordinator->run).watermark != coordinator->published.watermark);
}

// Begins the next checkpoint if it is time, and there is a reason.
static uint32_t coordinator_begin_due(struct wr_coordinator *coordinator, int64_t now)
{
    const bool is_final   = sources_have_ended(coordinator);
    const bool is_a_retry = coordinator->trouble.count > 0;
    if (is_final) {
        wr_move_refuse(coordinator);
    } else if (wr_move_is_wanted(coordinator)) {
        wr_move_begin(coordinator);
        return 1;
    }
    if (wr_savepoint_is_wanted(coordinator)) {
        coordinator->is_asked = true;
        coordinator->next_us  = is_a_retry ? coordinator->next_us : now;
    }
    if (now < coordinator->next_us && (!is_final || is_a_retry)) {
        return 0;
    }
    if (!is_final && !coordinator->is_asked && !has_news(coordinator)) {
        coordinator->next_us = now + coordinator->interval_us;
        return 0;
    }
    if (is_final && !coordinator->is_asked && is_as_it_had_ended(coordinator)) {
        coordinator_end(coordinator);
        return 1;
    }
    coordinator->is_asked = false;
    coordinator->begun_at = made_so_far(coordinator->run);
    coordinator_begin(coordinator, is_final);
    return 1;
}

uint32_t wr_coordinator_step(struct wr_coordinator *coordinator)
{
    uint32_t work = coordinator_take_reports(coordinator);
    if (coordinator_is_over(coordinator)) {
        return work;
    }
    const int64_t now = wr_coordinator_now_us(coordinator);
    if (coordinator->current == 0) {
        work += coordinator_begin_due(coordinator, now);
    } else if (coordinator->captured_count == coordinator->run->now->task_count) {
        if (wr_move_is_under_way(coordinator)) {
            wr_move_end(coordinator);
        } else {
            coordinator_publish(coordinator);
        }
        work++;
    } else if (!wr_move_is_under_way(coordinator) &&
               now >= coordinator->began_us + coordinator->timeout_us) {
        coordinator_give_up(coordinator, WEIR_TIMED_OUT, "it took longer than its timeout");
        work++;
    }
    return work;
}

int64_t wr_coordinator_wake_at(struct wr_coordinator *coordinator)
{
    if (wr_move_is_under_way(coordinator)) {
        return INT64_MAX;
    }
    if (coordinator->current == 0 && coordinator->moving != NULL &&
        !sources_have_ended(coordinator)) {
        return 0;
    }
    return coordinator->current == 0 ? coordinator->next_us
                                     : coordinator->began_us + coordinator->timeout_us;
}

void wr_coordinator_hurry(struct wr_coordinator *coordinator)
{
    coordinator->next_us  = wr_coordinator_now_us(coordinator);
    coordinator->is_asked = true;
}

int64_t wr_coordinator_gentle_us_any(const struct wr_coordinator *coordinator)
{
    const int64_t shorter_us = coordinator->interval_us < coordinator->timeout_us
                                   ? coordinator->interval_us
                                   : coordinator->timeout_us;
    return shorter_us / 10 < GENTLE_MAX_US ? shorter_us / 10 : GENTLE_MAX_US;
}

uint64_t wr_coordinator_completed(const struct wr_coordinator *coordinator)
{
    return coordinator->completed;
}

static void coordinator_wait(struct wr_coordinator *coordinator)
{
    const int64_t due_us     = wr_coordinator_wake_at(coordinator);
    bool          is_in_time = true;
    (void)pthread_mutex_lock(&coordinator->lock);
    while (!coordinator->is_woken && is_in_time) {
        is_in_time = wr_condition_wait_until(&coordinator->has_work, &coordinator->lock, due_us);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}

void *wr_coordinator_main(void *opaque)
{
    struct wr_coordinator *coordinator = opaque;
    while (!coordinator_is_over(coordinator)) {
        if (wr_coordinator_step(coordinator) == 0) {
            coordinator_wait(coordinator);
        }
    }
    wr_run_end_threads_any(coordinator->run, 1);
    return NULL;
}

// ---- after a crash ----

static struct wr_store *store_restored(const struct wr_coordinator *coordinator)
{
    return coordinator->restored != NULL ? coordinator->restored : coordinator->store;
}

void wr_coordinator_recover(struct wr_coordinator *coordinator)
{
    wr_run_restore(coordinator->run, store_restored(coordinator));
    wr_prepared_recover(coordinator->run, store_restored(coordinator));
    coordinator->published = made_so_far(coordinator->run);
}

void wr_graph_text_fini(struct wr_graph_text *text)
{
    for (uint32_t i = 0; i < text->operator_count; i++) {
        wr_free((void *)(uintptr_t)text->operators[i]);
    }
    wr_free((void *)(uintptr_t)text->operators);
    *text = (struct wr_graph_text){ .operators = NULL };
}
