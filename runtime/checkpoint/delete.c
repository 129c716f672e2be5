// A checkpoint that is deleted by hand:
//
//   lock --> epoch, one more and, if it was the newest, vouching for the one before --> manifest
//   --> sync of the directory --> state files that no other manifest refers to
//
// A crash in between leaves the checkpoint as it was, or leftovers.
#include "runtime/base/lock_file.h"
#include "runtime/checkpoint/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct deleting {
    struct wr_environment    *environment;
    const char               *directory;
    struct wr_store_deletion *deletion;
    struct wr_names           names;    // in the directory, sorted
    struct wr_names           referred; // state files that remain
    uint64_t                  newest;   // published
    uint64_t                  before;   // the newest of the others; 0: there is none
    bool                      is_there;
};

static void warn(const struct deleting *deleting, const char *sentence, ...) WEIR_PRINTF(2, 3);

static void warn(const struct deleting *deleting, const char *sentence, ...)
{
    if (deleting->deletion->warn != NULL) {
        char    text[1024];
        va_list arguments;
        va_start(arguments, sentence);
        (void)vsnprintf(text, sizeof(text), sentence, arguments);
        va_end(arguments);
        deleting->deletion->warn(deleting->deletion->opaque, text);
    }
}

static weir_status may_delete(const struct deleting *deleting, struct wr_error *error)
{
    const struct wr_store_deletion *deletion = deleting->deletion;
    if (!deleting->is_there) {
        char *const told = wr_manifest_list_text(deleting->environment, deleting->directory);
        (void)wr_error_set(error, WEIR_NOT_FOUND,
                           "checkpoints in %s: there is no published checkpoint %" PRIu64 "; %s",
                           deleting->directory, deletion->checkpoint, told);
        wr_free(told);
        return error->status;
    }
    if (deletion->checkpoint == deleting->newest && !deletion->may_be_newest) {
        return wr_error_set(error, WEIR_USAGE,
                            "checkpoints in %s: checkpoint %" PRIu64
                            " is the newest, from which the job goes on: it is deleted only with "
                            "--force",
                            deleting->directory, deleting->newest);
    }
    return WEIR_OK;
}

// What there is, and whether the checkpoint may go.
static weir_status list(struct deleting *deleting, struct wr_error *error)
{
    const uint64_t chosen = deleting->deletion->checkpoint;
    const int status = deleting->environment->ops->list(deleting->environment, deleting->directory,
                                                        wr_names_add, &deleting->names);
    if (status < 0) {
        return wr_manifest_not_listed(deleting->directory, status, error);
    }
    wr_names_sort(&deleting->names);
    for (uint32_t i = 0; i < deleting->names.count; i++) {
        uint64_t number;
        if (!wr_manifest_name_parse(deleting->names.names[i], &number)) {
            continue;
        }
        deleting->newest = number > deleting->newest ? number : deleting->newest;
        deleting->is_there |= number == chosen;
        deleting->before =
            number != chosen && number > deleting->before ? number : deleting->before;
    }
    return may_delete(deleting, error);
}

static weir_status lock(const struct deleting *deleting, int *file, struct wr_error *error)
{
    char       *holder;
    char *const path   = wr_format("%s/lock", deleting->directory);
    const int   status = wr_lock_file_take(deleting->environment, path, file, &holder);
    wr_free(path);
    if (status == -EWOULDBLOCK) {
        (void)wr_error_set(error, WEIR_CONFLICT,
                           "checkpoints in %s: %s writes to them, and nothing is deleted "
                           "meanwhile: stop it first",
                           deleting->directory, holder);
        wr_free(holder);
        return WEIR_CONFLICT;
    }
    return status == 0 ? WEIR_OK
                       : wr_error_set(error, wr_error_status(status),
                                      "checkpoints in %s: cannot take the file \"lock\": %s",
                                      deleting->directory, strerror(-status));
}

static weir_status bump(const struct deleting *deleting, struct wr_error *error)
{
    struct wr_epoch epoch;
    weir_status status = wr_epoch_read(deleting->environment, deleting->directory, &epoch, error);
    if (status != WEIR_OK) {
        return status;
    }
    if (epoch.epoch == UINT32_MAX) {
        return wr_error_set(error, WEIR_CONFLICT,
                            "checkpoints in %s: they were opened as often as can be counted",
                            deleting->directory);
    }
    epoch.epoch++;
    if (deleting->deletion->checkpoint == deleting->newest) {
        epoch.newest = deleting->before;
        epoch.last   = deleting->newest > epoch.last ? deleting->newest : epoch.last;
    }
    return wr_epoch_write(deleting->environment, deleting->directory, &epoch, error);
}

static weir_status remove_manifest(const struct deleting *deleting, struct wr_error *error)
{
    struct wr_environment *environment = deleting->environment;
    char                   name[WR_MANIFEST_NAME_BYTES];
    wr_manifest_name(deleting->deletion->checkpoint, name);
    char *const path   = wr_format("%s/%s", deleting->directory, name);
    int         status = environment->ops->unlink(environment, path);
    status =
        status < 0 ? status : environment->ops->sync_directory(environment, deleting->directory);
    if (status < 0) {
        (void)wr_error_set(error, wr_error_status(status), "%s: cannot delete it: %s", path,
                           strerror(-status));
    }
    wr_free(path);
    return status < 0 ? error->status : WEIR_OK;
}

// False: one of the others cannot be read.
static bool find_referred(struct deleting *deleting)
{
    for (uint32_t i = 0; i < deleting->names.count; i++) {
        struct wr_loaded loaded;
        struct wr_error  error = { .status = WEIR_OK };
        uint64_t         number;
        if (!wr_manifest_name_parse(deleting->names.names[i], &number) ||
            number == deleting->deletion->checkpoint) {
            continue;
        }
        if (wr_load(deleting->environment, deleting->directory, number, &loaded, &error) !=
            WEIR_OK) {
            warn(deleting,
                 "checkpoints in %s: checkpoint %" PRIu64
                 " cannot be read and may need any file, so that all stay: %s",
                 deleting->directory, number, error.sentence);
            wr_error_fini(&error);
            return false;
        }
        for (uint32_t at = 0; at < loaded.manifest.task_count; at++) {
            wr_names_add(&deleting->referred, loaded.manifest.tasks[at].file);
            for (uint32_t j = 0; j < loaded.indexes[at].file_count; j++) {
                wr_names_add(&deleting->referred, loaded.indexes[at].files[j].name);
            }
        }
        wr_loaded_fini(&loaded);
    }
    wr_names_sort(&deleting->referred);
    return true;
}

static void remove_file(const struct deleting *deleting, const char *name)
{
    struct wr_environment *environment = deleting->environment;
    struct wr_file_info    info;
    char *const            path     = wr_format("%s/%s", deleting->directory, name);
    const bool             is_known = environment->ops->info(environment, path, &info) == 0;
    const int              status   = environment->ops->unlink(environment, path);
    if (status < 0) {
        warn(deleting, "%s: cannot delete it, though nothing needs it: %s", path,
             strerror(-status));
    } else {
        deleting->deletion->files++;
        deleting->deletion->bytes += is_known ? info.size_bytes : 0;
    }
    wr_free(path);
}

static weir_status delete_locked(struct deleting *deleting, struct wr_error *error)
{
    weir_status status = list(deleting, error); // again: nobody writes now
    status             = status != WEIR_OK ? status : bump(deleting, error);
    status             = status != WEIR_OK ? status : remove_manifest(deleting, error);
    if (status != WEIR_OK || !find_referred(deleting)) {
        return status;
    }
    for (uint32_t i = 0; i < deleting->names.count; i++) {
        struct wr_file_id id;
        if (wr_state_name_parse(deleting->names.names[i], &id) &&
            !wr_names_have(&deleting->referred, deleting->names.names[i])) {
            remove_file(deleting, deleting->names.names[i]);
        }
    }
    return WEIR_OK;
}

weir_status wr_store_delete(struct wr_environment *environment, const char *directory,
                            struct wr_store_deletion *deletion, struct wr_error *error)
{
    struct deleting deleting = { .environment = environment,
                                 .directory   = directory,
                                 .deletion    = deletion };
    int             file     = -1;
    deletion->files = deletion->bytes = 0;
    weir_status status                = list(&deleting, error);
    wr_names_fini(&deleting.names);
    status = status != WEIR_OK ? status : lock(&deleting, &file, error);
    if (status == WEIR_OK) {
        deleting.newest = deleting.before = 0;
        deleting.is_there                 = false;
        status                            = delete_locked(&deleting, error);
        environment->ops->close(environment, file);
    }
    wr_names_fini(&deleting.names);
    wr_names_fini(&deleting.referred);
    return status;
}
