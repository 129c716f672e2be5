#include "runtime/checkpoint/publish.h"
#include "runtime/checkpoint/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// ---- failing ----

static void remove_files(struct wr_progress *progress)
{
    for (uint32_t i = 0; i < progress->file_count; i++) {
        wr_state_file_remove(progress->files[i]);
    }
}

// The checkpoint failed with *error: its files go, and the sentence stays.
static weir_status progress_fail(struct wr_store *store, const struct wr_error *error)
{
    struct wr_progress *progress = &store->progress;
    remove_files(progress);
    return wr_error_set(&progress->error, error->status, "%s", error->sentence);
}

// Whether the checkpoint may go on.
static weir_status progress_check(const struct wr_store *store, struct wr_error *error)
{
    const struct wr_error *why =
        store->poison.status != WEIR_OK ? &store->poison : &store->progress.error;
    return why->status == WEIR_OK ? WEIR_OK : wr_error_set(error, why->status, "%s", why->sentence);
}

static weir_status fenced(const struct wr_store *store, uint64_t id, struct wr_error *error)
{
    return wr_error_set(error, WEIR_FENCED,
                        "checkpoints in %s: checkpoint %" PRIu64
                        " is not in progress any more: what was captured for it is dropped",
                        store->directory, id);
}

// ---- a checkpoint ----

weir_status wr_store_begin(struct wr_store *store, uint64_t id, uint32_t task_count,
                           struct wr_error *error)
{
    WR_ASSERT(store->options.writes && !store->progress.is_active && task_count > 0);
    if (store->poison.status != WEIR_OK) {
        return wr_error_set(error, store->poison.status, "%s", store->poison.sentence);
    }
    if (id < store->next) {
        return wr_error_set(error, WEIR_USAGE,
                            "checkpoints in %s: checkpoint %" PRIu64
                            " cannot begin, since ids only rise; the next is %" PRIu64,
                            store->directory, id, store->next);
    }
    store->next     = id + 1;
    store->progress = (struct wr_progress){ .is_active = true, .id = id, .task_count = task_count };
    return WEIR_OK;
}

weir_status wr_store_file_open(struct wr_store *store, uint64_t id, uint32_t task, uint32_t number,
                               struct wr_state_file **file, struct wr_error *error)
{
    struct wr_progress *progress = &store->progress;
    *file                        = NULL;
    if (!progress->is_active || progress->id != id) {
        return fenced(store, id, error);
    }
    weir_status status = progress_check(store, error);
    if (status != WEIR_OK) {
        return status;
    }
    for (uint32_t i = 0; i < progress->file_count; i++) {
        WR_ASSERT(progress->files[i]->id.task != task);
    }
    WR_ASSERT(progress->file_count < progress->task_count);
    const struct wr_file_id identity = { id, store->epoch.epoch, task };
    struct wr_state_file   *made     = wr_alloc(sizeof(*made));
    progress->files =
        wr_realloc(progress->files, (progress->file_count + 1) * sizeof(struct wr_state_file *));
    progress->files[progress->file_count++] = made;
    status =
        wr_state_file_init(made, store->environment, store->directory, &identity, number, error);
    made->store = store;
    if (status != WEIR_OK) {
        return progress_fail(store, error);
    }
    *file = made;
    return WEIR_OK;
}

const char *wr_state_file_name(const struct wr_state_file *file) { return file->name; }
uint64_t    wr_state_file_bytes(const struct wr_state_file *file) { return file->bytes; }

weir_status wr_store_write(struct wr_state_file *file, char *buffer, struct wr_block *blocks,
                           uint32_t count, struct wr_error *error)
{
    weir_status status = progress_check(file->store, error);
    if (status == WEIR_OK) {
        status = wr_state_file_write(file, buffer, blocks, count, error);
        if (status != WEIR_OK) {
            (void)progress_fail(file->store, error);
        }
    }
    return status;
}

weir_status wr_store_append(struct wr_state_file *file, const char *bytes, size_t length,
                            uint32_t block_count, struct wr_error *error)
{
    weir_status status = progress_check(file->store, error);
    if (status == WEIR_OK) {
        status = wr_state_file_append(file, bytes, length, block_count, error);
        if (status != WEIR_OK) {
            (void)progress_fail(file->store, error);
        }
    }
    return status;
}

weir_status wr_store_file_finish(struct wr_state_file *file, struct wr_index *index,
                                 struct wr_error *error)
{
    struct wr_store *store  = file->store;
    weir_status      status = progress_check(store, error);
    if (status == WEIR_OK) {
        status = wr_state_file_finish(file, store->directory, index, error);
        if (file->is_unsynced) {
            wr_store_poison(store, error->sentence);
        }
        if (status != WEIR_OK) {
            (void)progress_fail(store, error);
        }
    }
    return status;
}

static void progress_end(struct wr_store *store)
{
    struct wr_progress *progress = &store->progress;
    for (uint32_t i = 0; i < progress->file_count; i++) {
        wr_state_file_fini(progress->files[i]);
        wr_free(progress->files[i]);
    }
    wr_free(progress->files);
    wr_error_fini(&progress->error);
    *progress = (struct wr_progress){ .is_active = false };
}

void wr_store_abort(struct wr_store *store, uint64_t id)
{
    if (store->progress.is_active && store->progress.id == id) {
        remove_files(&store->progress);
        progress_end(store);
    }
}

// ---- publishing ----

// A process that took over although this one holds the lock: on a file system without working ones.
static weir_status check_epoch(struct wr_store *store, struct wr_error *error)
{
    struct wr_epoch   found;
    const weir_status status = wr_epoch_read(store->environment, store->directory, &found, error);
    if (status == WEIR_OK && found.epoch != store->epoch.epoch) {
        return wr_error_set(error, WEIR_FENCED,
                            "checkpoints in %s: another process took over (epoch %" PRIu32
                            ", and this one's is %" PRIu32 "): end this one",
                            store->directory, found.epoch, store->epoch.epoch);
    }
    return status;
}

static weir_status check_complete(const struct wr_store *store, struct wr_error *error)
{
    const struct wr_progress *progress = &store->progress;
    uint32_t                  finished = 0;
    for (uint32_t i = 0; i < progress->file_count; i++) {
        finished += progress->files[i]->is_finished;
    }
    return finished == progress->task_count
               ? WEIR_OK
               : wr_error_set(error, WEIR_USAGE,
                              "checkpoints in %s: checkpoint %" PRIu64 " has %" PRIu32
                              " of %" PRIu32 " tasks; this is a mistake in weir",
                              store->directory, progress->id, finished, progress->task_count);
}

static int task_compare(const void *one, const void *other)
{
    const struct wr_state_file *a = *(const struct wr_state_file *const *)one;
    const struct wr_state_file *b = *(const struct wr_state_file *const *)other;
    return a->id.task < b->id.task ? -1 : a->id.task > b->id.task;
}

// What was published is what is there from now on.
static void install(struct wr_store *store, const struct wr_manifest *published)
{
    struct wr_progress *progress = &store->progress;
    struct wr_loaded    loaded   = { *published,
                                     wr_alloc(progress->file_count * sizeof(struct wr_index)) };
    for (uint32_t i = 0; i < progress->file_count; i++) {
        loaded.indexes[i]         = progress->files[i]->index;
        progress->files[i]->index = (struct wr_index){ .memory = NULL };
    }
    if (store->has_newest) {
        wr_loaded_fini(&store->newest);
    }
    wr_store_close_readers(store);
    store->newest     = loaded;
    store->has_newest = true;
    wr_store_retain(store, &store->newest);
}

static weir_status publish(struct wr_store *store, const struct wr_manifest *manifest,
                           struct wr_manifest *published, enum wr_publication *outcome,
                           struct wr_error *error)
{
    struct wr_progress *progress = &store->progress;
    struct wr_manifest  facts    = *manifest;
    facts.checkpoint             = progress->id;
    facts.epoch                  = store->epoch.epoch;
    facts.is_savepoint           = false;
    weir_status status           = check_complete(store, error);
    status                       = status != WEIR_OK ? status : check_epoch(store, error);
    if (status != WEIR_OK) {
        return status;
    }
    qsort(progress->files, progress->file_count, sizeof(struct wr_state_file *), task_compare);
    return wr_publish(store->environment, store->directory, &facts, progress->files,
                      progress->file_count, published, outcome, error);
}

weir_status wr_store_publish(struct wr_store *store, const struct wr_manifest *manifest,
                             struct wr_error *error)
{
    struct wr_manifest  published;
    enum wr_publication outcome = WR_PUBLISHED_NOT;
    WR_ASSERT(store->progress.is_active);
    weir_status status = progress_check(store, error);
    if (status != WEIR_OK) {
        return status;
    }
    status = publish(store, manifest, &published, &outcome, error);
    if (outcome == WR_PUBLISHED_NOT_SYNC || outcome == WR_PUBLISHED_PERHAPS) {
        wr_store_poison(store, error->sentence);
    }
    if (outcome == WR_PUBLISHED_PERHAPS) {
        // Its manifest may be there after a crash, and needs them.
        for (uint32_t i = 0; i < store->progress.file_count; i++) {
            store->progress.files[i]->is_made = false;
        }
    }
    if (status != WEIR_OK) {
        return progress_fail(store, error);
    }
    install(store, &published);
    progress_end(store);
    wr_store_collect(store);
    return WEIR_OK;
}
