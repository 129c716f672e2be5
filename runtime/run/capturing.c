#include "runtime/run/capturing.h"

#include "runtime/run/exchange.h"
#include "runtime/run/indexing.h"
#include "runtime/run/kept.h"

#include <stdio.h>
#include <string.h>

// A table whose capture is under way, and where its segments are noted.
struct capture {
    struct wr_capturing     *capturing;
    struct wr_table         *table;
    struct wr_slices        *slices; // it was one of these when it was marked; NULL
    struct wr_capture        to;
    struct wr_index_segment *segments;
    uint32_t                 segment_count, segment_capacity;
    uint32_t                 number; // in the index, over all operators
    uint64_t                 entries;
    uint32_t                 operator_at, table_at; // in the index
};

struct wr_capturing {
    struct wr_task        *task;
    struct wr_coordinator *coordinator;
    struct wr_pool        *undo;       // of what is saved while a capture is under way
    uint64_t               checkpoint; // 0: none is under way
    struct wr_index       *index;      // of the one under way
    struct capture       **captures;
    uint32_t               capture_count, capture_capacity;
    uint32_t               next;    // capture
    struct wr_chunk       *chunk;   // being filled
    uint64_t               written; // bytes of the file in chunks before it

    struct wr_index_file *files; // those that segments lie in, oldest first
    uint32_t              file_count;
    uint32_t              file_number;       // of the file of the checkpoint under way, or the last
    uint64_t              marked, completed; // the last checkpoint that was
};

// ---- images ----

// Ends the chunk: the coordinator writes it.
static void chunk_report(struct wr_capturing *capturing)
{
    struct wr_chunk *chunk = capturing->chunk;
    if (chunk == NULL) {
        return;
    }
    capturing->chunk = NULL;
    capturing->written += chunk->filled;
    wr_coordinator_report_any(capturing->coordinator,
                              &(struct wr_report){ .kind        = WR_REPORT_CHUNK,
                                                   .task        = capturing->task,
                                                   .checkpoint  = capturing->checkpoint,
                                                   .file_number = capturing->file_number,
                                                   .chunk       = chunk });
}

// Behind room for a block's header.
static void *image_room(void *opaque, size_t bytes)
{
    struct wr_capturing *capturing = ((struct capture *)opaque)->capturing;
    WR_ASSERT(bytes <= WR_BLOCK_PAYLOAD_MAX);
    const size_t needed = wr_block_bytes((uint32_t)bytes);
    if (capturing->chunk != NULL &&
        capturing->chunk->capacity - capturing->chunk->filled < needed) {
        chunk_report(capturing);
    }
    if (capturing->chunk == NULL) {
        capturing->chunk         = wr_coordinator_take_chunk_any(capturing->coordinator, needed);
        capturing->chunk->offset = capturing->written;
    }
    return capturing->chunk->bytes + capturing->chunk->filled + WR_BLOCK_HEADER_BYTES;
}

static void image_seal(struct capture *capture, struct wr_image *image)
{
    struct wr_capturing    *capturing = capture->capturing;
    struct wr_chunk        *chunk     = capturing->chunk;
    const uint64_t          offset    = capturing->written + chunk->filled;
    const struct wr_file_id id =
        wr_coordinator_file_id(capturing->coordinator, capturing->task, capturing->checkpoint);
    struct wr_block_header header = {
        .prefix  = image->prefix,
        .depth   = image->depth,
        .table   = capture->number,
        .entries = image->entries,
        .bytes   = (uint32_t)image->bytes,
    };
    wr_block_seal(chunk->bytes + chunk->filled, &id, offset, &header);
    chunk->filled += wr_block_bytes(header.bytes);
    chunk->block_count++;
    image->place = (struct wr_image_place){
        .file    = capturing->file_number,
        .bytes   = header.bytes,
        .offset  = offset,
        .entries = image->entries,
        .crc     = header.crc,
    };
}

static void image_put(void *opaque, struct wr_image *image)
{
    struct capture *capture = opaque;
    if (image->is_packed) {
        image_seal(capture, image);
    }
    if (capture->segment_count == capture->segment_capacity) {
        capture->segment_capacity = capture->segment_capacity * 2 + 16;
        capture->segments =
            wr_realloc(capture->segments, capture->segment_capacity * sizeof(*capture->segments));
    }
    capture->segments[capture->segment_count++] = (struct wr_index_segment){
        .place = { image->place.file, image->place.bytes, image->place.offset, image->place.entries,
                   image->place.crc },
        .prefix = image->prefix,
        .depth  = image->depth,
    };
    capture->entries += image->entries;
}

// ---- marking ----

static void capture_add(struct wr_capturing *capturing, const struct wr_kept_table *kept,
                        struct wr_table *table, uint32_t operator_at, uint32_t table_at)
{
    struct capture *capture = wr_alloc(sizeof(*capture));
    *capture                = (struct capture){
                       .capturing   = capturing,
                       .table       = table,
                       .slices      = kept->slices,
                       .number      = capturing->capture_count,
                       .operator_at = operator_at,
                       .table_at    = table_at,
    };
    capture->to = (struct wr_capture){
        .opaque = capture,
        .pool   = capturing->undo,
        .room   = image_room,
        .put    = image_put,
    };
    if (capturing->capture_count == capturing->capture_capacity) {
        capturing->capture_capacity = capturing->capture_capacity * 2 + 16;
        capturing->captures         = wr_realloc((void *)(uintptr_t)capturing->captures,
                                                 capturing->capture_capacity * sizeof(capture));
    }
    capturing->captures[capturing->capture_count++] = capture;
    if (kept->slices != NULL) {
        wr_slices_hold(kept->slices, table);
    }
    wr_table_mark(table, &capture->to);
}

static void operator_add_table(struct wr_capturing *capturing, struct wr_index_operator *to,
                               const struct wr_kept_table *kept, struct wr_table *table,
                               const weir_time *member)
{
    const uint32_t at = wr_index_add_table(to, kept, table, member, capturing->capture_count);
    capture_add(capturing, kept, table, (uint32_t)(to - capturing->index->operators), at);
}

static void operator_add_tables(struct wr_capturing *capturing, struct wr_index_operator *to,
                                const struct wr_kept_table *kept)
{
    if (kept->table != NULL) {
        operator_add_table(capturing, to, kept, kept->table, NULL);
        return;
    }
    for (uint32_t i = kept->slices->first; i < kept->slices->end; i++) {
        const struct wr_slice *slice = &kept->slices->spans[i];
        operator_add_table(capturing, to, kept, slice->table, &slice->start);
    }
}

static void capturing_begin_index(struct wr_capturing *capturing)
{
    const struct wr_task *task = capturing->task;
    capturing->index           = wr_index_open(task);
    struct wr_index_operator *operator_ =
        (struct wr_index_operator *)(uintptr_t)capturing->index->operators;
    for (uint32_t i = 0; i < task->node_count; i++) {
        const struct wr_kept *kept = task->nodes[i]->kept;
        if (task->nodes[i]->ops == &wr_exchange_operator) {
            continue;
        }
        for (uint32_t k = 0; kept != NULL && k < kept->table_count; k++) {
            operator_add_tables(capturing, operator_, &kept->tables[k]);
        }
        operator_++;
    }
}

// ---- files ----

// Takes what the segments of the index lie in; of files of which less than half is named the rest
// is packed again by the next checkpoint.
static void capturing_note_files(struct wr_capturing *capturing)
{
    struct wr_index *index = capturing->index;
    uint32_t         unknown;
    index->files = wr_alloc((capturing->file_count + 1) * sizeof(*index->files));
    for (uint32_t i = 0; i < capturing->file_count; i++) {
        index->files[i]      = capturing->files[i];
        index->files[i].name = wr_copy_text(capturing->files[i].name);
    }
    index->file_count   = capturing->file_count;
    const bool is_known = wr_index_count_used(index, &unknown);
    WR_ASSERT(is_known);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < capturing->file_count; i++) {
        struct wr_index_file *file = &capturing->files[i];
        file->used                 = index->files[i].used;
        const bool is_current      = file->number == capturing->file_number;
        if (file->used == 0 && !is_current) {
            wr_free((void *)(uintptr_t)file->name);
            continue;
        }
        capturing->files[kept++] = *file;
    }
    capturing->file_count = kept;
}

static void tables_touch(struct wr_capturing *capturing, uint32_t file)
{
    const struct wr_task *task = capturing->task;
    for (uint32_t i = 0; i < task->node_count; i++) {
        const struct wr_kept *kept = task->nodes[i]->kept;
        for (uint32_t k = 0; kept != NULL && k < kept->table_count; k++) {
            const struct wr_kept_table *at = &kept->tables[k];
            if (at->table != NULL) {
                wr_table_touch_file(at->table, file);
            }
            for (uint32_t j = at->slices != NULL ? at->slices->first : 0;
                 at->slices != NULL && j < at->slices->end; j++) {
                wr_table_touch_file(at->slices->spans[j].table, file);
            }
        }
    }
}

static void files_rewrite_sparse(struct wr_capturing *capturing)
{
    for (uint32_t i = 0; i < capturing->file_count; i++) {
        const struct wr_index_file *file = &capturing->files[i];
        if (file->used < file->bytes / 2 && file->number != capturing->file_number) {
            tables_touch(capturing, file->number);
        }
    }
}

static void files_add(struct wr_capturing *capturing, uint64_t checkpoint)
{
    const struct wr_file_id id =
        wr_coordinator_file_id(capturing->coordinator, capturing->task, checkpoint);
    char name[WR_STATE_NAME_BYTES];
    wr_state_name(&id, name);
    capturing->files =
        wr_realloc(capturing->files, (capturing->file_count + 1) * sizeof(*capturing->files));
    capturing->files[capturing->file_count++] =
        (struct wr_index_file){ .number = ++capturing->file_number, .name = wr_copy_text(name) };
}

static void files_drop_last(struct wr_capturing *capturing)
{
    capturing->file_count--;
    wr_free((void *)(uintptr_t)capturing->files[capturing->file_count].name);
}

// ---- the capture's course ----

// The table is no business of the capture any more.
static void capture_release(struct capture *capture)
{
    if (capture->slices != NULL) {
        wr_slices_release(capture->slices, capture->table);
    }
    capture->table = NULL;
}

static void capture_close(struct capture *capture)
{
    wr_free(capture->segments);
    wr_free(capture);
}

// Nothing will come of the capture under way.
static void capturing_drop(struct wr_capturing *capturing)
{
    if (capturing->checkpoint == 0) {
        return;
    }
    for (uint32_t i = 0; i < capturing->capture_count; i++) {
        if (i >= capturing->next) {
            wr_table_unmark(capturing->captures[i]->table);
            capture_release(capturing->captures[i]);
        }
        capture_close(capturing->captures[i]);
    }
    if (capturing->chunk != NULL) {
        chunk_report(capturing); // late: it comes back to the pool of chunks
    }
    wr_index_close(capturing->index);
    capturing->index         = NULL;
    capturing->capture_count = 0;
    capturing->checkpoint    = 0;
}

void wr_task_hand_over(struct wr_task *task)
{
    const struct wr_capturing *capturing = task->capturing;
    const int64_t              at_us     = wr_now_us(task->run->environment);
    WR_ASSERT(capturing->checkpoint == 0 && capturing->completed == capturing->marked);
    for (uint32_t i = 0; i < task->node_count; i++) {
        if (task->nodes[i]->ops->leave != NULL) {
            task->nodes[i]->ops->leave(task->nodes[i]);
        }
    }
    wr_coordinator_report_any(capturing->coordinator,
                              &(struct wr_report){ .kind       = WR_REPORT_HANDED_OVER,
                                                   .task       = task,
                                                   .checkpoint = task->barrier,
                                                   .index      = wr_index_open(task),
                                                   .at_us      = at_us });
}

void wr_task_mark(struct wr_task *task)
{
    struct wr_capturing *capturing = task->capturing;
    if (capturing == NULL) {
        return;
    }
    wr_coordinator_report_any(
        capturing->coordinator,
        &(struct wr_report){ .kind = WR_REPORT_PASSED, .task = task, .checkpoint = task->barrier });
    if (task->barrier <= task->given_up) {
        return;
    }
    // What became of the one before stands in the mail of every worker before this one is asked
    // for.
    WR_ASSERT(capturing->checkpoint == 0 && capturing->completed == capturing->marked);
    capturing->checkpoint         = task->barrier;
    capturing->marked             = task->barrier;
    capturing->written            = 0;
    capturing->next               = 0;
    task->worker->caught_up_at_us = wr_now_us(task->run->environment);
    task->worker->gentle_until_us =
        task->worker->caught_up_at_us + wr_coordinator_gentle_us_any(capturing->coordinator);
    files_add(capturing, task->barrier);
    files_rewrite_sparse(capturing);
    capturing_begin_index(capturing);
}

// The index takes what the captures have found, and goes to the coordinator.
static void capturing_end(struct wr_capturing *capturing)
{
    struct wr_index *index = capturing->index;
    for (uint32_t i = 0; i < capturing->capture_count; i++) {
        struct capture        *capture = capturing->captures[i];
        struct wr_index_table *table =
            (struct wr_index_table *)(uintptr_t)&index->operators[capture->operator_at]
                .tables[capture->table_at];
        table->segments      = capture->segments;
        table->segment_count = capture->segment_count;
        table->entries       = capture->entries;
        capture->segments    = NULL;
        capture_close(capture);
    }
    capturing->capture_count = 0;
    chunk_report(capturing);
    capturing->files[capturing->file_count - 1].bytes = capturing->written;
    capturing_note_files(capturing);
    wr_coordinator_report_any(capturing->coordinator,
                              &(struct wr_report){ .kind        = WR_REPORT_CAPTURED,
                                                   .task        = capturing->task,
                                                   .checkpoint  = capturing->checkpoint,
                                                   .file_number = capturing->file_number,
                                                   .index       = index });
    capturing->index      = NULL;
    capturing->checkpoint = 0;
}

bool wr_task_is_capturing(const struct wr_task *task)
{
    return task->capturing != NULL && task->capturing->checkpoint != 0;
}

uint32_t wr_task_capture(struct wr_task *task, size_t bytes)
{
    struct wr_capturing *capturing = task->capturing;
    if (!wr_task_is_capturing(task) || (task->spill != NULL && wr_spill_has_lost(task->spill))) {
        return 0;
    }
    if (capturing->next < capturing->capture_count) {
        if (!wr_coordinator_has_room_any(capturing->coordinator)) {
            return 0;
        }
        if (wr_table_capture(capturing->captures[capturing->next]->table, bytes)) {
            capture_release(capturing->captures[capturing->next]);
            capturing->next++;
        }
        return 1;
    }
    capturing_end(capturing);
    return 1;
}

// What was packed for a checkpoint that is given up lies in a file that is gone.
void wr_task_forget(struct wr_task *task, uint64_t checkpoint)
{
    struct wr_capturing *capturing = task->capturing;
    if (capturing == NULL || capturing->marked == capturing->completed ||
        capturing->marked > checkpoint) {
        return;
    }
    capturing_drop(capturing);
    tables_touch(capturing, capturing->file_number);
    files_drop_last(capturing);
    capturing->marked = capturing->completed;
}

void wr_task_complete(struct wr_task *task, uint64_t checkpoint)
{
    if (task->capturing != NULL) {
        WR_ASSERT(task->capturing->marked == checkpoint && task->capturing->checkpoint == 0);
        task->capturing->completed = checkpoint;
    }
}

bool wr_task_may_end(struct wr_task *task)
{
    return task->capturing == NULL ||
           wr_coordinator_may_end_any(task->capturing->coordinator, task);
}

// ---- opening and closing ----

struct wr_capturing *wr_capturing_open(struct wr_task *task, struct wr_coordinator *coordinator)
{
    struct wr_capturing *capturing = wr_alloc(sizeof(*capturing));
    capturing->task                = task;
    capturing->coordinator         = coordinator;
    capturing->undo                = wr_pool_open(0);
    return capturing;
}

void wr_capturing_close(struct wr_capturing *capturing)
{
    if (capturing == NULL) {
        return;
    }
    capturing_drop(capturing);
    while (capturing->file_count > 0) {
        files_drop_last(capturing);
    }
    wr_free(capturing->files);
    wr_free((void *)(uintptr_t)capturing->captures);
    wr_pool_close(capturing->undo);
    wr_free(capturing);
}
