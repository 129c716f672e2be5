#include "runtime/checkpoint/publish.h"

#include "runtime/base/text_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

// The text of the manifest; NULL: a sentence.
static char *compose(struct wr_environment *environment, const struct wr_manifest *facts,
                     struct wr_state_file *const *files, uint32_t file_count, const char *path,
                     struct wr_error *error)
{
    struct wr_manifest       manifest = *facts;
    struct wr_manifest_task *tasks    = wr_alloc(file_count * sizeof(*tasks) + 1);
    for (uint32_t i = 0; i < file_count; i++) {
        const struct wr_state_file *file = files[i];
        WR_ASSERT(file->is_finished); // and so it is synced
        tasks[i] = (struct wr_manifest_task){ .task       = file->id.task,
                                              .stage      = file->index.stage,
                                              .instance   = file->index.instance,
                                              .first_cell = file->index.first_cell,
                                              .end_cell   = file->index.end_cell,
                                              .bytes      = file->bytes,
                                              .index_crc  = file->index_crc,
                                              .file       = file->name };
    }
    manifest.version    = weir_version();
    manifest.durable_us = environment->ops->wall_us(environment);
    manifest.tasks      = tasks;
    manifest.task_count = file_count;
    char *const text    = wr_manifest_text(&manifest);
    if (text == NULL) {
        (void)wr_error_set(error, WEIR_USAGE,
                           "%s: the job's name or the line of an operator has a line's end in it; "
                           "leave that out",
                           path);
    }
    wr_free(tasks);
    return text;
}

static weir_status io_fail(struct wr_error *error, int io_error, const char *path, const char *what)
{
    return wr_error_set(error, wr_error_status(io_error), "%s: cannot %s: %s", path, what,
                        strerror(-io_error));
}

static weir_status sync_fail(struct wr_error *error, int io_error, const char *directory,
                             const char *what)
{
    return wr_error_set(error, WEIR_DISK_FAILED, "%s: cannot sync the directory: %s; %s", directory,
                        strerror(-io_error), what);
}

// Under the name `temporary`, then `path`.
static weir_status commit(struct wr_environment *environment, const char *directory,
                          const char *temporary, const char *path, const char *text,
                          enum wr_publication *outcome, struct wr_error *error)
{
    bool is_unsynced;
    *outcome   = WR_PUBLISHED_NOT_SYNC;
    int status = environment->ops->sync_directory(environment, directory);
    if (status < 0) {
        return sync_fail(error, status, directory, "the checkpoint is not published");
    }
    status = wr_text_file_make(environment, temporary, text, &is_unsynced);
    if (status < 0) {
        *outcome = is_unsynced ? WR_PUBLISHED_NOT_SYNC : WR_PUBLISHED_NOT;
        return io_fail(error, status, temporary, is_unsynced ? "sync it" : "write it");
    }
    *outcome = WR_PUBLISHED_NOT;
    status   = environment->ops->rename_new(environment, temporary, path);
    if (status < 0) {
        (void)environment->ops->unlink(environment, temporary);
        return status == -EEXIST
                   ? wr_error_set(error, WEIR_CONFLICT,
                                  "%s: it is there already: another process writes to this "
                                  "directory; stop one of them",
                                  path)
                   : io_fail(error, status, path, "give it its name");
    }
    *outcome = WR_PUBLISHED_PERHAPS;
    status   = environment->ops->sync_directory(environment, directory);
    if (status < 0) {
        return sync_fail(error, status, directory,
                         "whether the checkpoint outlives a crash is not known");
    }
    *outcome = WR_PUBLISHED;
    return WEIR_OK;
}

weir_status wr_publish(struct wr_environment *environment, const char *directory,
                       const struct wr_manifest *facts, struct wr_state_file *const *files,
                       uint32_t file_count, struct wr_manifest *published,
                       enum wr_publication *outcome, struct wr_error *error)
{
    char name[WR_MANIFEST_NAME_BYTES];
    wr_manifest_name(facts->checkpoint, name);
    char *const path      = wr_format("%s/%s", directory, name);
    char *const temporary = wr_format("%s/manifest.tmp-e%05" PRIu32, directory, facts->epoch);
    char *const text      = compose(environment, facts, files, file_count, path, error);
    *outcome              = WR_PUBLISHED_NOT;
    *published            = (struct wr_manifest){ .memory = NULL };

    // What is written is what a reader takes.
    weir_status status = text == NULL
                             ? error->status
                             : wr_manifest_parse(wr_copy_text(text), path, published, error);
    if (status == WEIR_OK) {
        status = commit(environment, directory, temporary, path, text, outcome, error);
        if (status != WEIR_OK) {
            wr_manifest_fini(published);
        }
    }
    wr_free(text);
    wr_free(temporary);
    wr_free(path);
    return status;
}
