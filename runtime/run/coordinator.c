// What a checkpoint goes through:
//
//   begun      barrier n is asked for; images come in and are written as they come
//   captured   of each task: its index ends its file, which is synced
//   published  of all: the manifest is durable
//   complete   what sinks had set aside up to n is shown; all hear of it; older ones are let go
//
// or given up, from begun or captured: it took too long, or the disk is full. Reports of a
// checkpoint that is given up are thrown away, but for what sinks set aside: that belongs to the
// next (a sink's output is lost or doubled otherwise).
#include "runtime/run/coordinator.h"

#include "runtime/base/thread.h"
#include "runtime/checkpoint/checkpoint.h"
#include "runtime/run/capturing.h"
#include "runtime/run/handover.h"
#include "runtime/run/restore.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define CHUNKS_AT_REST 32u     // kept for the next checkpoint
#define CHUNKS_QUEUED  24u     // on their way to the disk, until capturing waits
#define FEW_QUEUED     1u      // the same in the simulation, whose states are small
#define AGAIN_US       1000000 // after a checkpoint that failed

// What a sink has set aside, prepared and not yet known to be shown.
struct prepared {
    struct prepared *next;
    struct wr_node  *node;
    uint64_t         checkpoint;
    uint32_t         task; // that did, of its generation
    struct wr_token  token;
};

// How long a finished file is, which the task that made its blocks does not know.
struct file_length {
    uint32_t number;
    uint64_t bytes;
};

struct task_part {
    struct wr_state_file *file; // of the checkpoint under way; NULL: nothing was written yet
    bool                  is_captured;
    struct file_length   *lengths; // of the files that the task's last index named, and the last
    uint32_t              length_count;
    struct wr_index      *handed; // of a task that has handed over
};

// A savepoint that somebody waits for; under the coordinator's lock.
struct savepoint {
    const char     *directory;
    bool            is_last; // of the last checkpoint of the run, which is asked to end
    bool            drains;  // with is_last
    bool            is_done;
    struct wr_error error;
};

// A generation that is to take over, and that somebody may wait for; under the coordinator's lock.
struct move {
    struct wr_generation *next; // handed; NULL when it has been taken
    bool                  is_done;
    int64_t               paused_us;
};

// How far the sources had come.
struct made {
    uint64_t rows, late, rejected, watermark;
};

struct wr_coordinator {
    struct weir_run     *run;
    struct wr_store     *store;
    struct wr_store     *restored; // a savepoint that the run goes on from; NULL
    int64_t              interval_us, timeout_us;
    char                *job;
    struct wr_graph_text graph;

    // The coordinator's own.
    uint64_t                   current; // 0: none is under way
    uint64_t                   next;
    uint64_t                   completed; // the last one; 0: none of this run
    int64_t                    began_us, began_wall_us, next_us;
    uint32_t                   captured_count;
    bool                       is_final; // of the current one: the last of the run
    bool                       has_warned;
    bool                       is_asked;            // the next one is wanted, news or not
    struct made                begun_at, published; // before the current one, the last one
    struct task_part          *parts;               // a task each
    struct prepared           *prepared;
    struct wr_checkpoint_facts under_way; // of the current one, so far
    struct wr_generation      *moving; // takes over at the next barrier, or the current one; NULL
    int64_t                    handed_us; // when the first task had handed over

    pthread_mutex_t   lock; // guards what follows
    pthread_cond_t    has_work;
    struct wr_report *first, **last;
    struct wr_chunk  *chunks; // at rest
    uint32_t          chunk_count;
    uint32_t          queued_count, queued_most; // chunks that are reported and not yet written
    uint32_t          source_count, ended_count; // tasks that are sources; that have told their end
    bool              is_over;                   // the final checkpoint is durable
    struct savepoint *savepoint;                 // asked for; NULL: none is
    struct move      *move;                      // the same
    pthread_cond_t    has_served;
    bool              is_woken;
    struct wr_checkpoint_facts facts;
    int64_t                    busy_until_us;
};

static int64_t now_us(const struct wr_coordinator *coordinator)
{
    return wr_now_us(coordinator->run->environment);
}

// ---- for tasks ----

static void coordinator_signal(struct wr_coordinator *coordinator)
{
    coordinator->is_woken = true;
    (void)pthread_cond_signal(&coordinator->has_work);
}

void wr_coordinator_wake_any(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    coordinator_signal(coordinator);
    (void)pthread_cond_broadcast(&coordinator->has_served);
    (void)pthread_mutex_unlock(&coordinator->lock);
}

bool wr_coordinator_has_room_any(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    const bool has_room = coordinator->queued_count < coordinator->queued_most;
    (void)pthread_mutex_unlock(&coordinator->lock);
    return has_room;
}

void wr_coordinator_report_any(struct wr_coordinator *coordinator, const struct wr_report *report)
{
    struct wr_report *copy = wr_alloc(sizeof(*copy));
    *copy                  = *report;
    copy->next             = NULL;
    (void)pthread_mutex_lock(&coordinator->lock);
    *coordinator->last = copy;
    coordinator->last  = &copy->next;
    coordinator->queued_count += report->chunk != NULL;
    coordinator_signal(coordinator);
    (void)pthread_mutex_unlock(&coordinator->lock);
}

bool wr_coordinator_may_end_any(struct wr_coordinator *coordinator, struct wr_task *task)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    if (!task->has_told_end) {
        task->has_told_end = true;
        coordinator->ended_count++;
        coordinator_signal(coordinator);
    }
    const bool may_end = coordinator->is_over;
    (void)pthread_mutex_unlock(&coordinator->lock);
    return may_end;
}

struct wr_chunk *wr_coordinator_take_chunk_any(struct wr_coordinator *coordinator, size_t bytes)
{
    struct wr_chunk *chunk = NULL;
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->chunks != NULL && coordinator->chunks->capacity >= bytes) {
        chunk               = coordinator->chunks;
        coordinator->chunks = chunk->next;
        coordinator->chunk_count--;
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
    if (chunk == NULL) {
        const size_t capacity = bytes > WR_CHUNK_BYTES ? bytes : WR_CHUNK_BYTES;
        chunk                 = wr_alloc(sizeof(*chunk) + capacity);
        chunk->capacity       = capacity;
    }
    chunk->next        = NULL;
    chunk->filled      = 0;
    chunk->block_count = 0;
    return chunk;
}

static void coordinator_post(struct wr_coordinator *coordinator, enum wr_message_verb verb,
                             uint64_t checkpoint)
{
    struct weir_run *run = coordinator->run;
    for (uint32_t i = 0; i < run->now->worker_count; i++) {
        wr_worker_post_any(&run->now->workers[i], verb, checkpoint);
    }
}

// It was written. Those of unusual size, and more than are needed, are not kept.
static void chunk_give(struct wr_coordinator *coordinator, struct wr_chunk *chunk)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    const bool is_kept =
        chunk->capacity == WR_CHUNK_BYTES && coordinator->chunk_count < CHUNKS_AT_REST;
    if (is_kept) {
        chunk->next         = coordinator->chunks;
        coordinator->chunks = chunk;
        coordinator->chunk_count++;
    }
    coordinator->queued_count--;
    const bool has_room_again = coordinator->queued_count == coordinator->queued_most / 2;
    (void)pthread_mutex_unlock(&coordinator->lock);
    if (!is_kept) {
        wr_free(chunk);
    }
    if (has_room_again) { // some may have waited for it
        coordinator_post(coordinator, WR_MESSAGE_WAKE, 0);
    }
}

// ---- for who watches ----

void wr_coordinator_facts_any(struct wr_coordinator *coordinator, struct wr_checkpoint_facts *facts)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    *facts = coordinator->facts;
    (void)pthread_mutex_unlock(&coordinator->lock);
}

int64_t wr_coordinator_busy_until_any(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    const int64_t until_us = coordinator->busy_until_us;
    (void)pthread_mutex_unlock(&coordinator->lock);
    return until_us;
}

static void coordinator_tell_busy_until(struct wr_coordinator *coordinator, int64_t until_us)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    coordinator->busy_until_us = until_us;
    (void)pthread_mutex_unlock(&coordinator->lock);
}

static void facts_add(struct wr_checkpoint_facts *facts, const struct wr_index *index,
                      uint32_t file_number)
{
    for (uint32_t i = 0; i < index->operator_count; i++) {
        for (uint32_t k = 0; k < index->operators[i].table_count; k++) {
            const struct wr_index_table *table = &index->operators[i].tables[k];
            facts->entries += table->entries;
            facts->segments += table->segment_count;
            for (uint32_t j = 0; j < table->segment_count; j++) {
                facts->packed_segments += table->segments[j].place.file == file_number;
            }
        }
    }
}

static void facts_publish(struct wr_coordinator *coordinator)
{
    struct wr_checkpoint_facts *facts = &coordinator->under_way;
    facts->id                         = coordinator->current;
    facts->began_us                   = coordinator->began_us;
    facts->ended_us                   = now_us(coordinator);
    (void)pthread_mutex_lock(&coordinator->lock);
    facts->count       = coordinator->facts.count + 1;
    coordinator->facts = *facts;
    (void)pthread_mutex_unlock(&coordinator->lock);
}

struct wr_file_id wr_coordinator_file_id(const struct wr_coordinator *coordinator,
                                         const struct wr_task *task, uint64_t checkpoint)
{
    return (struct wr_file_id){
        .checkpoint = checkpoint,
        .epoch      = wr_store_epoch(coordinator->store), // does not change while it is open
        .task       = task->number,
    };
}

// ---- opening and closing ----

static void parts_open(struct wr_coordinator *coordinator)
{
    const struct wr_generation *now = coordinator->run->now;
    coordinator->parts              = wr_alloc((now->task_count + 1) * sizeof(*coordinator->parts));
    coordinator->source_count       = 0;
    coordinator->ended_count        = 0;
    for (uint32_t i = 0; i < now->task_count; i++) {
        coordinator->source_count += now->tasks[i]->input_count == 0;
    }
}

static void parts_close(struct wr_coordinator *coordinator)
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
    coordinator->next                  = wr_store_next(options->store);
    coordinator->interval_us           = options->interval_us;
    coordinator->timeout_us            = options->timeout_us;
    coordinator->job                   = wr_copy_text(options->job);
    coordinator->graph                 = options->graph;
    coordinator->last                  = &coordinator->first;
    coordinator->queued_most           = run->is_simulated ? FEW_QUEUED : CHUNKS_QUEUED;
    coordinator->next_us               = now_us(coordinator) + options->interval_us;
    parts_open(coordinator);
    (void)pthread_mutex_init(&coordinator->lock, NULL);
    wr_condition_init(&coordinator->has_work);
    wr_condition_init(&coordinator->has_served);
    return coordinator;
}

static void report_free(struct wr_coordinator *coordinator, struct wr_report *report)
{
    if (report->chunk != NULL) {
        chunk_give(coordinator, report->chunk);
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
    while (coordinator->prepared != NULL) {
        struct prepared *next = coordinator->prepared->next;
        wr_free(coordinator->prepared);
        coordinator->prepared = next;
    }
    parts_close(coordinator);
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

static void coordinator_rest(struct wr_coordinator *coordinator, int64_t next_us)
{
    for (uint32_t i = 0; i < coordinator->run->now->task_count; i++) {
        coordinator->parts[i].file        = NULL;
        coordinator->parts[i].is_captured = false;
    }
    coordinator_tell_busy_until(coordinator, now_us(coordinator));
    coordinator->current        = 0;
    coordinator->captured_count = 0;
    coordinator->under_way      = (struct wr_checkpoint_facts){ .id = 0 };
    coordinator->next_us        = next_us;
}

// What was written goes; what sinks have set aside stays for the next.
static void coordinator_give_up(struct wr_coordinator *coordinator, const char *why)
{
    if (!coordinator->has_warned) {
        (void)fprintf(stderr, "weir: %s: checkpoint %llu is given up: %s; the job runs on\n",
                      coordinator->job, (unsigned long long)coordinator->current, why);
        coordinator->has_warned = true;
    }
    wr_store_abort(coordinator->store, coordinator->current);
    coordinator_post(coordinator, WR_MESSAGE_GIVE_UP, coordinator->current);
    coordinator_rest(coordinator, now_us(coordinator) + AGAIN_US);
}

// A full disk is waited for; anything else the store says ends the run.
static void coordinator_meet(struct wr_coordinator *coordinator, struct wr_error *error)
{
    if (error->status == WEIR_FULL) {
        coordinator_give_up(coordinator, error->sentence);
    } else {
        wr_run_fail_any(coordinator->run, error->status, error->sentence);
    }
    wr_error_fini(error);
}

static void coordinator_begin(struct wr_coordinator *coordinator, bool is_final)
{
    struct wr_error error = { .status = WEIR_OK };
    coordinator->current  = coordinator->next++;
    coordinator->began_us = now_us(coordinator);
    coordinator->is_final = is_final;
    coordinator_tell_busy_until(coordinator, INT64_MAX);
    coordinator->began_wall_us =
        coordinator->run->environment->ops->wall_us(coordinator->run->environment);
    if (wr_store_begin(coordinator->store, coordinator->current, coordinator->run->now->task_count,
                       &error) != WEIR_OK) {
        coordinator_meet(coordinator, &error);
        return;
    }
    coordinator_post(coordinator, WR_MESSAGE_BARRIER, coordinator->current);
}

// ---- sinks ----

static void node_fail(struct wr_node *node, struct wr_error *error)
{
    wr_node_fail_as(node, error->status, "%s", error->sentence);
    wr_error_fini(error);
}

static bool node_prepare(struct wr_coordinator *coordinator, struct wr_node *node,
                         uint64_t checkpoint)
{
    struct prepared *prepared = wr_alloc(sizeof(*prepared));
    struct wr_error  error    = { .status = WEIR_OK };
    prepared->node            = node;
    prepared->checkpoint      = checkpoint;
    prepared->task            = node->task->number;
    if (!node->ops->committer->prepare(node, checkpoint, &prepared->token, &error)) {
        wr_free(prepared);
        node_fail(node, &error);
        return false;
    }
    if (prepared->token.length == 0) {
        wr_free(prepared);
    } else {
        struct prepared **last = &coordinator->prepared; // in the order of checkpoints
        while (*last != NULL) {
            last = &(*last)->next;
        }
        *last = prepared;
    }
    // Pairs with the acquire in node_pass_barrier.
    __atomic_store_n(&node->is_setting_aside, 0, __ATOMIC_RELEASE);
    wr_node_wake_any(node->park);
    return true;
}

static void task_prepare(struct wr_coordinator *coordinator, const struct wr_report *report)
{
    for (uint32_t i = 0; i < report->task->node_count; i++) {
        struct wr_node *node = report->task->nodes[i];
        if (node->ops->committer != NULL && !node_prepare(coordinator, node, report->checkpoint)) {
            return;
        }
    }
}

// I22: what belongs to the checkpoint and those before it, given up ones too.
static bool prepared_commit(struct wr_coordinator *coordinator, uint64_t checkpoint)
{
    struct prepared **at = &coordinator->prepared;
    while (*at != NULL) {
        struct prepared *prepared = *at;
        struct wr_error  error    = { .status = WEIR_OK };
        if (prepared->checkpoint > checkpoint) {
            at = &prepared->next;
            continue;
        }
        struct wr_node *node = prepared->node;
        if (!node->ops->committer->commit(node, &prepared->token, &error)) {
            node_fail(node, &error);
            return false;
        }
        *at = prepared->next;
        wr_free(prepared);
    }
    return true;
}

// Into the index of their task, under their operators' names.
static void prepared_note(const struct wr_coordinator *coordinator, const struct wr_task *task,
                          struct wr_index *index)
{
    for (const struct prepared *prepared = coordinator->prepared; prepared != NULL;
         prepared                        = prepared->next) {
        if (prepared->node->task == task) {
            char key[40];
            (void)snprintf(key, sizeof(key), "%llu/%u", (unsigned long long)prepared->checkpoint,
                           prepared->task);
            wr_index_add_cell(index, prepared->node->spec->name, WR_TOKEN_CELL, key,
                              prepared->token.bytes, prepared->token.length);
        }
    }
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
    case WR_REPORT_PASSED: task_prepare(coordinator, report); return true;
    case WR_REPORT_CHUNK:
        if (!part_open(coordinator, report, number, error)) {
            return false;
        }
        WR_ASSERT(report->chunk->offset == wr_state_file_bytes(part->file));
        return wr_store_append(part->file, report->chunk->bytes, report->chunk->filled,
                               report->chunk->block_count, error) == WEIR_OK;
    case WR_REPORT_CAPTURED:
        WR_ASSERT(!part->is_captured); // I16, I17
        prepared_note(coordinator, report->task, report->index);
        part_set_lengths(part, report->index);
        if (!part_open(coordinator, report, number, error) ||
            wr_store_file_finish(part->file, report->index, error) != WEIR_OK) {
            return false;
        }
        part_note_length(part, report->file_number, wr_state_file_bytes(part->file));
        facts_add(&coordinator->under_way, report->index, report->file_number);
        coordinator->under_way.bytes += wr_state_file_bytes(part->file);
        part->is_captured = true;
        coordinator->captured_count++;
        return true;
    case WR_REPORT_HANDED_OVER:
        coordinator->handed_us =
            coordinator->captured_count == 0 ? now_us(coordinator) : coordinator->handed_us;
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
        count++;
    }
    return count;
}

// ---- savepoints ----

// Under the lock.
static void savepoint_ask(struct wr_coordinator *coordinator, struct savepoint *own)
{
    coordinator->savepoint = own;
    coordinator_signal(coordinator);
    if (own->is_last) { // not before it is known what the last checkpoint is wanted for
        weir_run_stop_any(coordinator->run, own->drains);
    }
}

static weir_status savepoint_await(struct wr_coordinator *coordinator, struct savepoint own,
                                   int64_t timeout_us, struct wr_error *error)
{
    const int64_t begin_us = now_us(coordinator);
    bool          is_over  = false;
    bool          is_late  = false;
    (void)pthread_mutex_lock(&coordinator->lock);
    while (!own.is_done && !is_over && !is_late) {
        if (coordinator->savepoint == NULL) { // one at a time
            savepoint_ask(coordinator, &own);
        }
        // In pieces, so that the end of the run is seen.
        const int64_t         until_us = now_us(coordinator) + 100000;
        const struct timespec until    = { .tv_sec  = until_us / 1000000,
                                           .tv_nsec = until_us % 1000000 * 1000 };
        (void)pthread_cond_timedwait(&coordinator->has_served, &coordinator->lock, &until);
        is_late = timeout_us >= 0 && now_us(coordinator) - begin_us >= timeout_us;
        is_over = coordinator->is_over || wr_run_has_failed_any(coordinator->run);
    }
    if (coordinator->savepoint == &own) {
        coordinator->savepoint = NULL;
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
    if (!own.is_done) {
        (void)wr_error_set(&own.error, is_over ? WEIR_CONFLICT : WEIR_TIMED_OUT, "savepoint %s: %s",
                           own.directory,
                           is_over ? "the run has ended" : "it was not made in the time given");
    }
    *error = own.error;
    return error->status;
}

weir_status wr_coordinator_savepoint_any(struct wr_coordinator *coordinator, const char *directory,
                                         int64_t timeout_us, struct wr_error *error)
{
    const struct savepoint own = { .directory = directory };
    return savepoint_await(coordinator, own, timeout_us, error);
}

weir_status wr_coordinator_stop_any(struct wr_coordinator *coordinator, const char *directory,
                                    bool drain, struct wr_error *error)
{
    const struct savepoint own = { .directory = directory, .is_last = true, .drains = drain };
    return wr_store_savepoint_directory(coordinator->run->environment, directory, error) == WEIR_OK
               ? savepoint_await(coordinator, own, -1, error)
               : error->status;
}

static bool savepoint_is_wanted(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    const bool is_wanted = coordinator->savepoint != NULL && !coordinator->savepoint->is_last;
    (void)pthread_mutex_unlock(&coordinator->lock);
    return is_wanted;
}

// Of the checkpoint just published, if somebody waits for one, who may give up meanwhile.
static void savepoint_make(struct wr_coordinator *coordinator, bool is_last)
{
    struct wr_error error = { .status = WEIR_OK };
    (void)pthread_mutex_lock(&coordinator->lock);
    const struct savepoint *asked     = coordinator->savepoint;
    const bool              is_due    = asked != NULL && (is_last || !asked->is_last);
    char                   *directory = is_due ? wr_copy_text(asked->directory) : NULL;
    (void)pthread_mutex_unlock(&coordinator->lock);
    if (directory == NULL) {
        return;
    }
    (void)wr_store_savepoint(coordinator->store, directory, &error);
    wr_free(directory);
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->savepoint == asked) {
        coordinator->savepoint->error   = error;
        coordinator->savepoint->is_done = true;
        coordinator->savepoint          = NULL;
        (void)pthread_cond_broadcast(&coordinator->has_served);
    } else {
        wr_error_fini(&error);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}

// ---- moving ----

static bool is_waiting(struct wr_coordinator *coordinator, const struct move *own)
{
    return !own->is_done && !wr_run_has_failed_any(coordinator->run) &&
           (own->next == NULL || !coordinator->is_over);
}

weir_status wr_coordinator_move_any(struct wr_coordinator *coordinator, struct wr_generation *next,
                                    int64_t timeout_us, int64_t *paused_us, struct wr_error *error)
{
    const int64_t begin_us = now_us(coordinator);
    struct move   own      = { .next = next };
    bool          is_late  = false;
    (void)pthread_mutex_lock(&coordinator->lock);
    while (is_waiting(coordinator, &own) && !is_late) {
        if (coordinator->move == NULL) { // one at a time
            coordinator->move = &own;
            coordinator_signal(coordinator);
        }
        // In pieces, so that the end of the run is seen.
        const int64_t         until_us = now_us(coordinator) + 100000;
        const struct timespec until    = { .tv_sec  = until_us / 1000000,
                                           .tv_nsec = until_us % 1000000 * 1000 };
        (void)pthread_cond_timedwait(&coordinator->has_served, &coordinator->lock, &until);
        is_late =
            timeout_us >= 0 && own.next != NULL && now_us(coordinator) - begin_us >= timeout_us;
    }
    if (coordinator->move == &own) {
        coordinator->move = NULL;
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
    wr_generation_close(own.next);
    if (paused_us != NULL) {
        *paused_us = own.paused_us;
    }
    return own.is_done ? WEIR_OK
           : is_late
               ? wr_error_set(error, WEIR_TIMED_OUT,
                              "another number of workers: it was not begun in the time given")
               : wr_error_set(error, WEIR_CONFLICT, "another number of workers: the run has ended");
}

void wr_coordinator_ask_move(struct wr_coordinator *coordinator, struct wr_generation *next)
{
    WR_ASSERT(!wr_coordinator_is_moving(coordinator));
    coordinator->moving = next;
}

bool wr_coordinator_is_moving(const struct wr_coordinator *coordinator)
{
    return coordinator->moving != NULL;
}

// Takes what was asked for, if there is any: true when there is a generation to move to.
static bool move_is_wanted(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->move != NULL && coordinator->move->next != NULL) {
        coordinator->moving     = coordinator->move->next;
        coordinator->move->next = NULL; // who waits waits to the end now
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
    return coordinator->moving != NULL;
}

// The current barrier is where a generation takes over.
static bool move_is_under_way(const struct wr_coordinator *coordinator)
{
    return coordinator->current != 0 && coordinator->current == coordinator->run->handover;
}

static void move_begin(struct wr_coordinator *coordinator)
{
    coordinator->current  = coordinator->next++;
    coordinator->began_us = now_us(coordinator);
    // Read by tasks when the barrier has come to them.
    __atomic_store_n(&coordinator->run->handover, coordinator->current, __ATOMIC_RELAXED);
    coordinator_post(coordinator, WR_MESSAGE_BARRIER, coordinator->current);
}

static bool generation_take_over(struct wr_coordinator      *coordinator,
                                 const struct wr_generation *last)
{
    const struct wr_index **indexes = wr_alloc((last->task_count + 1) * sizeof(struct wr_index *));
    for (uint32_t i = 0; i < last->task_count; i++) {
        indexes[i] = coordinator->parts[i].handed;
    }
    const bool is_good = wr_generation_take_over(coordinator->moving, last, indexes);
    wr_free((void *)(uintptr_t)indexes);
    return is_good;
}

static void move_tell(struct wr_coordinator *coordinator, int64_t paused_us)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->move != NULL) {
        coordinator->move->paused_us = paused_us;
        coordinator->move->is_done   = true;
        coordinator->move            = NULL;
        (void)pthread_cond_broadcast(&coordinator->has_served);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}

// Every task has ended at the barrier.
static void move_end(struct wr_coordinator *coordinator)
{
    struct weir_run      *run  = coordinator->run;
    struct wr_generation *last = run->now;
    struct wr_generation *next = coordinator->moving;
    wr_generation_join(last);
    if (wr_run_has_failed_any(run) || !generation_take_over(coordinator, last)) {
        return;
    }
    for (struct prepared *at = coordinator->prepared; at != NULL; at = at->next) {
        at->node = wr_generation_first_node(next, at->node->spec->name);
    }
    parts_close(coordinator);
    coordinator->moving = NULL;
    wr_run_succeed(run, next);
    __atomic_store_n(&run->handover, 0, __ATOMIC_RELAXED);
    (void)pthread_mutex_lock(&coordinator->lock);
    parts_open(coordinator);
    (void)pthread_mutex_unlock(&coordinator->lock);
    coordinator_rest(coordinator, coordinator->next_us);
    if (!run->is_simulated && !wr_generation_start(next)) {
        return;
    }
    const int64_t paused_us = now_us(coordinator) - coordinator->handed_us;
    wr_generation_empty(last);
    move_tell(coordinator, paused_us);
}

// ---- publishing ----

static void coordinator_end(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    coordinator->is_over = true;
    (void)pthread_cond_broadcast(&coordinator->has_served);
    (void)pthread_mutex_unlock(&coordinator->lock);
    coordinator_post(coordinator, WR_MESSAGE_WAKE, 0);
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
    facts_publish(coordinator);
    const int64_t due       = coordinator->began_us + coordinator->interval_us;
    const bool    ends      = coordinator->is_final;
    coordinator->has_warned = false;
    coordinator_rest(coordinator, due > now_us(coordinator) ? due : now_us(coordinator));
    if (!prepared_commit(coordinator, done)) {
        return;
    }
    coordinator->completed = done;
    coordinator->published = coordinator->begun_at;
    coordinator_post(coordinator, WR_MESSAGE_COMPLETE, done);
    savepoint_make(coordinator, ends);
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

// Whether there is anything that the last published checkpoint may not have.
static bool has_news(const struct wr_coordinator *coordinator)
{
    const struct made now  = made_so_far(coordinator->run);
    const struct made then = coordinator->published;
    return coordinator->completed == 0 || now.rows != then.rows || now.late != then.late ||
           now.rejected != then.rejected || now.watermark != then.watermark;
}

// Begins the next checkpoint if it is time, and there is a reason.
static uint32_t coordinator_begin_due(struct wr_coordinator *coordinator, int64_t now)
{
    const bool is_final = sources_have_ended(coordinator);
    if (!is_final && move_is_wanted(coordinator)) {
        move_begin(coordinator);
        return 1;
    }
    if (savepoint_is_wanted(coordinator)) {
        coordinator->is_asked = true;
        coordinator->next_us  = coordinator->has_warned ? coordinator->next_us : now;
    }
    if (now < coordinator->next_us && (!is_final || coordinator->has_warned)) {
        return 0;
    }
    if (!is_final && !coordinator->is_asked && !has_news(coordinator)) {
        coordinator->next_us = now + coordinator->interval_us;
        return 0;
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
    const int64_t now = now_us(coordinator);
    if (coordinator->current == 0) {
        work += coordinator_begin_due(coordinator, now);
    } else if (coordinator->captured_count == coordinator->run->now->task_count) {
        if (move_is_under_way(coordinator)) {
            move_end(coordinator);
        } else {
            coordinator_publish(coordinator);
        }
        work++;
    } else if (coordinator->moving == NULL &&
               now >= coordinator->began_us + coordinator->timeout_us) {
        coordinator_give_up(coordinator, "it took longer than its timeout");
        work++;
    }
    return work;
}

int64_t wr_coordinator_wake_at(const struct wr_coordinator *coordinator)
{
    if (move_is_under_way(coordinator)) {
        return INT64_MAX;
    }
    if (coordinator->current == 0 && coordinator->moving != NULL) {
        return 0;
    }
    return coordinator->current == 0 ? coordinator->next_us
                                     : coordinator->began_us + coordinator->timeout_us;
}

void wr_coordinator_hurry(struct wr_coordinator *coordinator)
{
    coordinator->next_us  = now_us(coordinator);
    coordinator->is_asked = true;
}

uint64_t wr_coordinator_completed(const struct wr_coordinator *coordinator)
{
    return coordinator->completed;
}

static void coordinator_wait(struct wr_coordinator *coordinator)
{
    const int64_t         due    = wr_coordinator_wake_at(coordinator);
    const struct timespec until  = { .tv_sec = due / 1000000, .tv_nsec = due % 1000000 * 1000 };
    int                   waited = 0;
    (void)pthread_mutex_lock(&coordinator->lock);
    while (!coordinator->is_woken && waited == 0) {
        waited = pthread_cond_timedwait(&coordinator->has_work, &coordinator->lock, &until);
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
    wr_run_end_workers_any(coordinator->run, 1);
    return NULL;
}

// ---- after a crash ----

static struct wr_store *store_restored(const struct wr_coordinator *coordinator)
{
    return coordinator->restored != NULL ? coordinator->restored : coordinator->store;
}

static bool operator_recover(struct wr_coordinator *coordinator, struct wr_node *node)
{
    uint32_t         count = 0;
    struct wr_error  error = { .status = WEIR_OK };
    struct wr_token *tokens =
        wr_restore_tokens(store_restored(coordinator), node->spec->name, &count);
    const bool is_good = node->ops->committer->recover(node, tokens, count, &error);
    wr_free(tokens);
    if (!is_good) {
        node_fail(node, &error);
    }
    return is_good;
}

void wr_coordinator_recover(struct wr_coordinator *coordinator)
{
    struct weir_run *run = coordinator->run;
    wr_run_restore(run, store_restored(coordinator));
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        for (uint32_t k = 0; k < run->now->tasks[i]->node_count; k++) {
            struct wr_node *node = run->now->tasks[i]->nodes[k];
            if (wr_run_has_failed_any(run) ||
                (node->ops->committer != NULL && node->instance == 0 &&
                 !operator_recover(coordinator, node))) {
                return;
            }
        }
    }
}

void wr_graph_text_fini(struct wr_graph_text *text)
{
    for (uint32_t i = 0; i < text->operator_count; i++) {
        wr_free((void *)(uintptr_t)text->operators[i]);
    }
    wr_free((void *)(uintptr_t)text->operators);
    *text = (struct wr_graph_text){ .operators = NULL };
}
