// A run is given another number of workers, and goes on.
//
//   next generation   made and opened beside the one that works
//   barrier           the last of the old one, as its number tells: each task that has passed it
//                     hands over and ends; then nothing is under way
//   take over         tables by their segments, as they are; the rest as from a checkpoint
//   start             of the next generation's threads
//   prepare           beside them, sinks of the last one what they took until the barrier, as part
//                     of the next checkpoint; then it is closed
//
// Nothing is written for it: if the process ends in the middle, the next one goes on from the last
// checkpoint, and what sinks prepared since then is withdrawn, as ever.
#include "runtime/run/coordinating.h"
#include "runtime/run/exchange.h"
#include "runtime/run/indexing.h"
#include "runtime/run/kept.h"
#include "runtime/run/restore.h"

#include <string.h>

// ---- what changes hands ----

// The tables, or tables by time, that the last generation's tasks keep under one name.
struct parts {
    struct wr_part        *tables;
    struct wr_slices_part *slices;
    uint32_t               table_count, slices_count;
};

static void parts_gather(struct parts *parts, const struct wr_generation *last,
                         const char *operator_name, const struct wr_kept_table *wanted)
{
    parts->table_count = parts->slices_count = 0;
    for (uint32_t i = 0; i < last->task_count; i++) {
        const struct wr_task      *task  = last->tasks[i];
        const struct wr_hash_range range = wr_task_range(task);
        for (uint32_t k = 0; k < task->node_count; k++) {
            const struct wr_kept_table *kept =
                strcmp(task->nodes[k]->spec->name, operator_name) == 0
                    ? wr_kept_find_table(task->nodes[k], wanted->name, wanted->slices != NULL)
                    : NULL;
            if (kept != NULL && kept->slices != NULL) {
                parts->slices[parts->slices_count++] =
                    (struct wr_slices_part){ kept->slices, range };
            } else if (kept != NULL) {
                parts->tables[parts->table_count++] = (struct wr_part){ kept->table, range };
            }
        }
    }
}

static bool node_take_tables(struct wr_node *node, const struct wr_generation *last,
                             struct parts *parts)
{
    const struct wr_hash_range range = wr_task_range(node->task);
    for (uint32_t i = 0; node->kept != NULL && i < node->kept->table_count; i++) {
        const struct wr_kept_table *kept = &node->kept->tables[i];
        parts_gather(parts, last, node->spec->name, kept);
        const bool is_good =
            kept->slices != NULL
                ? wr_slices_adopt(kept->slices, range, parts->slices, parts->slices_count)
                : wr_table_adopt(kept->table, range, parts->tables, parts->table_count);
        if (!is_good) {
            wr_node_fail_as(node, WEIR_NO_MEMORY,
                            "%s needs more than its share of the state budget; raise it",
                            kept->name);
            return false;
        }
    }
    return true;
}

static bool generation_take_tables(struct wr_generation *next, const struct wr_generation *last)
{
    struct parts parts = {
        .tables = wr_alloc((last->task_count + 1) * sizeof(*parts.tables)),
        .slices = wr_alloc((last->task_count + 1) * sizeof(*parts.slices)),
    };
    bool is_good = true;
    for (uint32_t i = 0; i < next->task_count && is_good; i++) {
        for (uint32_t k = 0; k < next->tasks[i]->node_count && is_good; k++) {
            is_good = node_take_tables(next->tasks[i]->nodes[k], last, &parts);
        }
    }
    wr_free(parts.tables);
    wr_free(parts.slices);
    return is_good;
}

static bool generation_take_rest(struct wr_generation        *next,
                                 const struct wr_coordinator *coordinator)
{
    const uint32_t          count   = coordinator->run->now->task_count;
    const struct wr_index **indexes = wr_alloc((count + 1) * sizeof(struct wr_index *));
    for (uint32_t i = 0; i < count; i++) {
        indexes[i] = coordinator->parts[i].handed;
    }
    const bool is_good = wr_generation_restore_rest(next, indexes, count);
    wr_free((void *)(uintptr_t)indexes);
    return is_good;
}

// ---- for who asks ----

// A run that ends before the move has begun leaves it; one that has begun comes to its end.
static bool is_waiting(struct wr_coordinator *coordinator, const struct move *own)
{
    return !own->is_done && !own->is_refused && !wr_run_has_failed_any(coordinator->run) &&
           (own->next == NULL || !coordinator->is_over);
}

static weir_status move_explain(const struct wr_coordinator *coordinator, const struct move *own,
                                bool is_late, struct wr_error *error)
{
    return wr_error_set(
        error, is_late ? WEIR_TIMED_OUT : WEIR_CONFLICT, "another number of workers: %s",
        is_late                                   ? "it was not begun in the time given"
        : wr_run_has_failed_any(coordinator->run) ? "the run has failed"
        : own->is_refused ? "the sources have ended, and the run ends with its last checkpoint"
                          : "the run has ended");
}

weir_status wr_coordinator_move_any(struct wr_coordinator *coordinator, struct wr_generation *next,
                                    int64_t timeout_us, int64_t *paused_us, struct wr_error *error)
{
    const int64_t begin_us = wr_coordinator_now_us(coordinator);
    struct move   own      = { .next = next };
    bool          is_late  = false;
    (void)pthread_mutex_lock(&coordinator->lock);
    WR_ASSERT(coordinator->move == NULL);
    coordinator->move = &own;
    wr_coordinator_signal(coordinator);
    while (is_waiting(coordinator, &own) && !is_late) {
        wr_coordinator_await_news(coordinator);
        is_late = timeout_us >= 0 && own.next != NULL &&
                  wr_coordinator_now_us(coordinator) - begin_us >= timeout_us;
    }
    coordinator->move = NULL;
    (void)pthread_mutex_unlock(&coordinator->lock);
    wr_generation_close(own.next);
    if (paused_us != NULL) {
        *paused_us = own.paused_us;
    }
    return own.is_done ? WEIR_OK : move_explain(coordinator, &own, is_late, error);
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

// ---- for the coordinator ----

bool wr_move_is_wanted(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->move != NULL && coordinator->move->next != NULL) {
        coordinator->moving     = coordinator->move->next;
        coordinator->move->next = NULL; // who waits waits to the end now
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
    return coordinator->moving != NULL;
}

void wr_move_refuse(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->move != NULL && coordinator->move->next != NULL) {
        coordinator->move->is_refused = true;
        (void)pthread_cond_broadcast(&coordinator->has_served);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}

bool wr_move_is_under_way(const struct wr_coordinator *coordinator)
{
    return coordinator->current != 0 && coordinator->current == coordinator->run->handover;
}

void wr_move_begin(struct wr_coordinator *coordinator)
{
    coordinator->current  = coordinator->next++;
    coordinator->began_us = wr_coordinator_now_us(coordinator);
    wr_coordinator_tell_busy_until(coordinator, INT64_MAX);
    // Read by tasks when the barrier has come to them.
    __atomic_store_n(&coordinator->run->handover, coordinator->current, __ATOMIC_RELAXED);
    wr_coordinator_post(coordinator, WR_MESSAGE_BARRIER, coordinator->current);
}

// The pause: every task has ended at the barrier, until the next ones' threads are started. If
// anything fails so does the run.
static void move_perform(struct wr_coordinator *coordinator)
{
    struct weir_run      *run  = coordinator->run;
    struct wr_generation *last = run->now;
    struct wr_generation *next = coordinator->moving;
    wr_generation_join(last);
    if (wr_run_has_failed_any(run) || !wr_generation_begin(next) ||
        !generation_take_tables(next, last) || !generation_take_rest(next, coordinator)) {
        return;
    }
    wr_coordinator_close_parts(coordinator);
    coordinator->moving = NULL;
    wr_run_set_generation(run, next);
    __atomic_store_n(&run->handover, 0, __ATOMIC_RELAXED);
    (void)pthread_mutex_lock(&coordinator->lock);
    wr_coordinator_open_parts(coordinator);
    (void)pthread_mutex_unlock(&coordinator->lock);
    wr_coordinator_rest(coordinator, coordinator->next_us);
    if (!run->is_simulated) {
        (void)wr_generation_start(next);
    }
    coordinator->paused_us = wr_coordinator_now_us(coordinator) - coordinator->handed_us;
}

// What the sinks of the last generation set aside at the barrier where it ended: preparing waits
// for disks, which the next generation need not. False: the run has failed.
static bool generation_prepare_sinks(struct wr_coordinator      *coordinator,
                                     const struct wr_generation *last, uint64_t barrier)
{
    bool is_good = !wr_run_has_failed_any(coordinator->run);
    for (uint32_t i = 0; i < last->task_count && is_good; i++) {
        is_good = wr_prepared_take(coordinator, last->tasks[i], barrier);
    }
    return is_good;
}

static void move_tell(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    if (coordinator->move != NULL) {
        coordinator->move->paused_us = coordinator->paused_us;
        coordinator->move->is_done   = true;
        (void)pthread_cond_broadcast(&coordinator->has_served);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}

void wr_move_end(struct wr_coordinator *coordinator)
{
    struct weir_run      *run     = coordinator->run;
    struct wr_generation *last    = run->now;
    const uint64_t        barrier = coordinator->current;
    move_perform(coordinator);
    if (run->now == last) {
        return; // the run has failed
    }
    const bool is_prepared = generation_prepare_sinks(coordinator, last, barrier);
    if (is_prepared) {
        wr_prepared_move(coordinator, run->now);
    }
    wr_generation_empty(last);
    if (is_prepared) {
        move_tell(coordinator);
    }
}
