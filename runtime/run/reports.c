// What tasks hand in to the coordinator, and what others see of it, from any thread.
#include "runtime/run/coordinating.h"

#include "runtime/run/capturing.h"

#define CHUNKS_AT_REST 32u // kept for the next checkpoint

// ---- for tasks ----

void wr_coordinator_wake_any(struct wr_coordinator *coordinator)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    wr_coordinator_signal(coordinator);
    (void)pthread_cond_broadcast(&coordinator->has_served);
    (void)pthread_mutex_unlock(&coordinator->lock);
}

bool wr_coordinator_has_room_any(struct wr_coordinator *coordinator)
{
    // Asked between any two steps; without the lock, whose holder may not be running.
    return __atomic_load_n(&coordinator->queued_count, __ATOMIC_RELAXED) < coordinator->queued_most;
}

void wr_coordinator_report_any(struct wr_coordinator *coordinator, const struct wr_report *report)
{
    struct wr_report *copy = wr_alloc(sizeof(*copy));
    *copy                  = *report;
    copy->next             = NULL;
    (void)pthread_mutex_lock(&coordinator->lock);
    *coordinator->last = copy;
    coordinator->last  = &copy->next;
    __atomic_fetch_add(&coordinator->queued_count, report->chunk != NULL, __ATOMIC_RELAXED);
    wr_coordinator_signal(coordinator);
    (void)pthread_mutex_unlock(&coordinator->lock);
}

bool wr_coordinator_may_end_any(struct wr_coordinator *coordinator, struct wr_task *task)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    if (!task->has_told_end) {
        task->has_told_end = true;
        coordinator->ended_count++;
        wr_coordinator_signal(coordinator);
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

// It was written. Those of unusual size, and more than are needed, are not kept.
void wr_coordinator_give_chunk(struct wr_coordinator *coordinator, struct wr_chunk *chunk)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    const bool is_kept =
        chunk->capacity == WR_CHUNK_BYTES && coordinator->chunk_count < CHUNKS_AT_REST;
    if (is_kept) {
        chunk->next         = coordinator->chunks;
        coordinator->chunks = chunk;
        coordinator->chunk_count++;
    }
    const bool has_room_again =
        __atomic_sub_fetch(&coordinator->queued_count, 1, __ATOMIC_RELAXED) ==
        coordinator->queued_most / 2;
    (void)pthread_mutex_unlock(&coordinator->lock);
    if (!is_kept) {
        wr_free(chunk);
    }
    if (has_room_again) { // some may have waited for it
        wr_coordinator_post(coordinator, WR_MESSAGE_WAKE, 0);
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

void wr_coordinator_tell_busy_until(struct wr_coordinator *coordinator, int64_t until_us)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    coordinator->busy_until_us = until_us;
    (void)pthread_mutex_unlock(&coordinator->lock);
}

void wr_checkpoint_facts_add(struct wr_checkpoint_facts *facts, const struct wr_index *index,
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

void wr_coordinator_publish_facts(struct wr_coordinator *coordinator)
{
    struct wr_checkpoint_facts *facts = &coordinator->under_way;
    facts->id                         = coordinator->current;
    facts->began_us                   = coordinator->began_us;
    facts->ended_us                   = wr_coordinator_now_us(coordinator);
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
