// A savepoint: the newest checkpoint once more, in a directory of its own, with one file a task in
// which every block that is alive lies one behind the other. The layout is the store's, so that
// whatever opens one opens the other.
#include "runtime/base/file.h"
#include "runtime/checkpoint/publish.h"
#include "runtime/checkpoint/store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define FILE_NUMBER 1u // of the one file of each task

struct savepoint {
    struct wr_store       *store;
    const char            *directory;
    bool                   is_made; // the directory
    struct wr_state_file **files;   // of the tasks so far
    uint32_t               file_count;
    char                  *buffer;
    size_t                 capacity;
};

// ---- the directory ----

static weir_status directory_take(struct wr_environment *environment, const char *directory,
                                  bool *is_made, struct wr_error *error)
{
    struct wr_names names  = { .count = 0 };
    int             status = environment->ops->make_directory(environment, directory);
    *is_made               = status == 0;
    if (status == 0 || status == -EEXIST) {
        status = environment->ops->list(environment, directory, wr_names_add, &names);
    }
    if (status == 0 && names.count > 0) {
        (void)wr_error_set(error, WEIR_CONFLICT,
                           "savepoint in %s: the directory is not empty, there is \"%s\": choose "
                           "another one",
                           directory, names.names[0]);
        wr_names_fini(&names);
        return WEIR_CONFLICT;
    }
    wr_names_fini(&names);
    if (status == 0) {
        status = wr_file_sync_parent(environment, directory);
    }
    return status == 0 ? WEIR_OK
                       : wr_error_set(error, wr_error_status(status),
                                      "savepoint in %s: cannot make the directory: %s", directory,
                                      strerror(-status));
}

weir_status wr_store_savepoint_directory(struct wr_environment *environment, const char *directory,
                                         struct wr_error *error)
{
    bool is_made;
    return directory_take(environment, directory, &is_made, error);
}

// Leaves nothing behind.
static void undo(struct savepoint *savepoint)
{
    struct wr_environment *environment = savepoint->store->environment;
    char *const            epoch       = wr_format("%s/epoch", savepoint->directory);
    for (uint32_t i = 0; i < savepoint->file_count; i++) {
        wr_state_file_remove(savepoint->files[i]);
    }
    (void)environment->ops->unlink(environment, epoch);
    if (savepoint->is_made) {
        (void)environment->ops->unlink(environment, savepoint->directory);
    }
    wr_free(epoch);
}

// ---- one task ----

static weir_status copy_segment(struct savepoint *savepoint, uint32_t at, uint32_t table,
                                struct wr_index_segment *segment, struct wr_state_file *to,
                                struct wr_error *error)
{
    const uint64_t length = wr_block_bytes(segment->place.bytes);
    if (length > savepoint->capacity) {
        wr_free(savepoint->buffer);
        savepoint->capacity = length;
        savepoint->buffer   = wr_alloc_unset(length, WR_CACHE_LINE);
    }
    weir_status status =
        wr_store_read_block(savepoint->store, at, segment, savepoint->buffer, error);
    if (status != WEIR_OK) {
        return status;
    }
    struct wr_block block = { .header = { .prefix  = segment->prefix,
                                          .depth   = segment->depth,
                                          .table   = table,
                                          .entries = segment->place.entries,
                                          .bytes   = segment->place.bytes } };
    status                = wr_state_file_write(to, savepoint->buffer, &block, 1, error);
    segment->place        = block.place;
    return status;
}

static weir_status copy_table(struct savepoint *savepoint, uint32_t at,
                              struct wr_index_table *table, struct wr_state_file *to,
                              struct wr_error *error)
{
    const size_t             bytes    = table->segment_count * sizeof(struct wr_index_segment);
    struct wr_index_segment *segments = wr_alloc(bytes + 1);
    weir_status              status   = WEIR_OK;
    if (bytes > 0) {
        memcpy(segments, table->segments, bytes);
    }
    table->segments = segments;
    for (uint32_t i = 0; i < table->segment_count && status == WEIR_OK; i++) {
        status = copy_segment(savepoint, at, table->number, &segments[i], to, error);
    }
    return status;
}

// Copies the tables of `owner`, which are its own afterwards.
static weir_status copy_operator(struct savepoint *savepoint, uint32_t at,
                                 struct wr_index_operator *owner, struct wr_state_file *to,
                                 struct wr_error *error)
{
    const size_t           bytes  = owner->table_count * sizeof(struct wr_index_table);
    struct wr_index_table *tables = wr_alloc(bytes + 1);
    weir_status            status = WEIR_OK;
    if (bytes > 0) {
        memcpy(tables, owner->tables, bytes);
    }
    owner->tables  = tables;
    uint32_t count = 0;
    while (count < owner->table_count && status == WEIR_OK) {
        status = copy_table(savepoint, at, &tables[count++], to, error);
    }
    owner->table_count = count; // as many have segments of their own
    return status;
}

// An index like the one of task `at`, but of one file; its tables are its own.
static weir_status copy_index(struct savepoint *savepoint, uint32_t at, struct wr_index *index,
                              struct wr_index_file *own, struct wr_state_file *to,
                              struct wr_error *error)
{
    *index                           = *wr_store_index(savepoint->store, at);
    const size_t              bytes  = index->operator_count * sizeof(struct wr_index_operator);
    struct wr_index_operator *owners = wr_alloc(bytes + 1);
    weir_status               status = WEIR_OK;
    if (bytes > 0) {
        memcpy(owners, index->operators, bytes);
    }
    *own              = (struct wr_index_file){ .number = FILE_NUMBER, .name = to->name };
    index->operators  = owners;
    index->files      = own;
    index->file_count = 1;
    index->memory     = NULL;
    uint32_t count    = 0;
    while (count < index->operator_count && status == WEIR_OK) {
        status = copy_operator(savepoint, at, &owners[count++], to, error);
    }
    index->operator_count = count;
    return status;
}

// What copy_index made.
static void copied_fini(struct wr_index *index)
{
    for (uint32_t i = 0; i < index->operator_count; i++) {
        for (uint32_t j = 0; j < index->operators[i].table_count; j++) {
            wr_free((void *)(uintptr_t)index->operators[i].tables[j].segments);
        }
        wr_free((void *)(uintptr_t)index->operators[i].tables);
    }
    wr_free((void *)(uintptr_t)index->operators);
}

static weir_status copy_task(struct savepoint *savepoint, uint32_t at, struct wr_error *error)
{
    struct wr_store          *store    = savepoint->store;
    const struct wr_manifest *manifest = wr_store_manifest(store);
    const struct wr_file_id   id       = { manifest->checkpoint, store->epoch.epoch,
                                           manifest->tasks[at].task };
    struct wr_state_file     *file     = wr_alloc(sizeof(*file));
    struct wr_index           index;
    struct wr_index_file      own;
    savepoint->files[savepoint->file_count++] = file;
    weir_status status =
        wr_state_file_init(file, store->environment, savepoint->directory, &id, FILE_NUMBER, error);
    if (status != WEIR_OK) {
        return status;
    }
    status = copy_index(savepoint, at, &index, &own, file, error);
    if (status == WEIR_OK) {
        status = wr_state_file_finish(file, savepoint->directory, &index, error);
    }
    copied_fini(&index);
    return status;
}

// ---- all of it ----

static weir_status copy_all(struct savepoint *savepoint, enum wr_publication *outcome,
                            struct wr_error *error)
{
    struct wr_store   *store = savepoint->store;
    struct wr_manifest facts = *wr_store_manifest(store);
    struct wr_manifest published;
    // It vouches for nothing yet.
    const struct wr_epoch epoch = { .epoch = store->epoch.epoch };
    weir_status status = wr_epoch_write(store->environment, savepoint->directory, &epoch, error);
    for (uint32_t i = 0; i < facts.task_count && status == WEIR_OK; i++) {
        status = copy_task(savepoint, i, error);
    }
    if (status == WEIR_OK) {
        facts.epoch        = store->epoch.epoch;
        facts.is_savepoint = true;
        status = wr_publish(store->environment, savepoint->directory, &facts, savepoint->files,
                            savepoint->file_count, &published, outcome, error);
    }
    if (status == WEIR_OK) {
        wr_manifest_fini(&published);
    }
    return status;
}

weir_status wr_store_savepoint(struct wr_store *store, const char *directory,
                               struct wr_error *error)
{
    struct savepoint    savepoint = { .store = store, .directory = directory };
    enum wr_publication outcome   = WR_PUBLISHED_NOT;
    WR_ASSERT(store->options.writes);
    if (!store->has_newest) {
        return wr_error_set(error, WEIR_NOT_FOUND,
                            "savepoint in %s: there is no checkpoint in %s to copy: take one first",
                            directory, store->directory);
    }
    weir_status status = directory_take(store->environment, directory, &savepoint.is_made, error);
    if (status == WEIR_OK) {
        savepoint.files =
            wr_alloc(store->newest.manifest.task_count * sizeof(struct wr_state_file *) + 1);
        status = copy_all(&savepoint, &outcome, error);
        if (status != WEIR_OK && outcome != WR_PUBLISHED_PERHAPS) {
            undo(&savepoint);
        }
    } else if (savepoint.is_made) {
        (void)store->environment->ops->unlink(store->environment, directory);
    }
    for (uint32_t i = 0; i < savepoint.file_count; i++) {
        wr_state_file_fini(savepoint.files[i]);
        wr_free(savepoint.files[i]);
    }
    wr_free(savepoint.files);
    wr_free(savepoint.buffer);
    return status;
}
