#include "runtime/checkpoint/store.h"

#include "runtime/base/file.h"
#include "runtime/base/lock_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- names ----

void wr_names_add(void *opaque, const char *name)
{
    struct wr_names *names = opaque;
    if (names->count == names->capacity) {
        names->capacity = 2 * names->capacity + 16;
        names->names    = wr_realloc(names->names, names->capacity * sizeof(*names->names));
    }
    names->names[names->count++] = wr_copy_text(name);
}

static int name_compare(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

void wr_names_sort(struct wr_names *names)
{
    if (names->count > 1) {
        qsort(names->names, names->count, sizeof(*names->names), name_compare);
    }
}

bool wr_names_have(const struct wr_names *names, const char *name)
{
    return names->count > 0 &&
           bsearch(&name, names->names, names->count, sizeof(*names->names), name_compare) != NULL;
}

void wr_names_fini(struct wr_names *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        wr_free(names->names[i]);
    }
    wr_free(names->names);
    *names = (struct wr_names){ .count = 0 };
}

// ---- small things ----

void wr_store_warn(const struct wr_store *store, const char *sentence, ...)
{
    WR_ASSERT(sentence != NULL);
    if (store->options.warn != NULL) {
        char    text[1024];
        va_list arguments;
        va_start(arguments, sentence);
        (void)vsnprintf(text, sizeof(text), sentence, arguments);
        va_end(arguments);
        store->options.warn(store->options.opaque, text);
    }
}

void wr_store_poison(struct wr_store *store, const char *sentence)
{
    if (store->poison.status == WEIR_OK) {
        (void)wr_error_set(&store->poison, WEIR_DISK_FAILED,
                           "checkpoints in %s: a sync failed (%s), after which nothing that is "
                           "written there can be trusted: look at the disk, then start again",
                           store->directory, sentence);
    }
}

void wr_store_retain(struct wr_store *store, const struct wr_loaded *loaded)
{
    store->retained =
        wr_realloc(store->retained, (store->retained_count + 1) * sizeof(struct wr_retained));
    struct wr_retained *retained = &store->retained[store->retained_count++];
    *retained = (struct wr_retained){ loaded->manifest.checkpoint, { .count = 0 } };
    for (uint32_t i = 0; i < loaded->manifest.task_count; i++) {
        wr_names_add(&retained->files, loaded->manifest.tasks[i].file);
        for (uint32_t j = 0; j < loaded->indexes[i].file_count; j++) {
            wr_names_add(&retained->files, loaded->indexes[i].files[j].name);
        }
    }
    wr_names_sort(&retained->files);
}

// ---- opening ----

static weir_status open_fail(struct wr_error *error, int io_error, const struct wr_store *store,
                             const char *what)
{
    return wr_error_set(error, wr_error_status(io_error), "checkpoints in %s: cannot %s: %s",
                        store->directory, what, strerror(-io_error));
}

// Whether the store in the directory was never opened for writing.
static bool is_new(const struct wr_store *store)
{
    struct wr_file_info info;
    char *const         path  = wr_format("%s/epoch", store->directory);
    const int           found = store->environment->ops->info(store->environment, path, &info);
    wr_free(path);
    return found == -ENOENT;
}

static weir_status directory_make(struct wr_store *store, struct wr_error *error)
{
    struct wr_environment *environment = store->environment;
    int                    status = environment->ops->make_directory(environment, store->directory);
    const bool             is_made = status == 0;
    if (status == -EEXIST) {
        status = 0;
    }
    // Whoever made it may have been cut off before its name was on the disk.
    if (is_made || (status == 0 && is_new(store))) {
        status = wr_file_sync_parent(environment, store->directory);
        // It may lie in somebody else's, which can be neither read nor synced; then it was not
        // changed by us either.
        status = status == -EACCES || status == -EPERM ? 0 : status;
        if (status < 0 && is_made) {
            (void)environment->ops->unlink(environment, store->directory);
        }
    }
    return status < 0 ? open_fail(error, status, store, "make the directory") : WEIR_OK;
}

static weir_status lock_take(struct wr_store *store, struct wr_error *error)
{
    char       *holder;
    char *const path   = wr_format("%s/lock", store->directory);
    const int   status = wr_lock_file_take(store->environment, path, &store->lock_file, &holder);
    wr_free(path);
    if (status == 0) {
        return WEIR_OK;
    }
    store->lock_file = -1;
    if (status != -EWOULDBLOCK) {
        return open_fail(error, status, store, "take the file \"lock\"");
    }
    (void)wr_error_set(error, WEIR_CONFLICT,
                       "checkpoints in %s: %s writes to them, and only one may: stop it, or choose "
                       "another directory",
                       store->directory, holder);
    wr_free(holder);
    return WEIR_CONFLICT;
}

// The lock and the epoch are there once it was opened, be it for nothing.
static weir_status directory_is_new(const struct wr_store *store, struct wr_error *error)
{
    struct wr_names names = { .count = 0 };
    const char     *found = NULL;
    const int       status =
        store->environment->ops->list(store->environment, store->directory, wr_names_add, &names);
    for (uint32_t i = 0; i < names.count; i++) {
        if (strcmp(names.names[i], "lock") != 0 && strcmp(names.names[i], "epoch") != 0) {
            found = names.names[i];
        }
    }
    if (status < 0) {
        (void)open_fail(error, status, store, "list the directory");
    } else if (found != NULL) {
        (void)wr_error_set(error, WEIR_CONFLICT,
                           "checkpoints in %s: the directory is in use, there is \"%s\" in it: "
                           "choose a new one",
                           store->directory, found);
    }
    wr_names_fini(&names);
    return error->status;
}

// What the names in the directory come to.
struct survey {
    bool     has_manifest, has_state;
    bool     has_chosen; // the manifest that is to be opened
    uint64_t newest;     // of the manifests
    uint64_t last;       // id of any name
    uint32_t epoch;      // the greatest of any name
};

static void survey_name(struct survey *survey, uint64_t chosen, const char *name)
{
    struct wr_file_id id;
    uint64_t          checkpoint;
    if (wr_manifest_name_parse(name, &checkpoint)) {
        survey->has_manifest = true;
        survey->has_chosen |= checkpoint == chosen;
        survey->newest = checkpoint > survey->newest ? checkpoint : survey->newest;
        survey->last   = checkpoint > survey->last ? checkpoint : survey->last;
    } else if (wr_state_name_parse(name, &id)) {
        survey->has_state = true;
        survey->last      = id.checkpoint > survey->last ? id.checkpoint : survey->last;
        survey->epoch     = id.epoch > survey->epoch ? id.epoch : survey->epoch;
    }
}

static weir_status survey_take(struct wr_store *store, struct survey *survey,
                               struct wr_error *error)
{
    struct wr_names names = { .count = 0 };
    *survey               = (struct survey){ .has_manifest = false };
    const int status =
        store->environment->ops->list(store->environment, store->directory, wr_names_add, &names);
    for (uint32_t i = 0; i < names.count; i++) {
        survey_name(survey, store->options.checkpoint, names.names[i]);
    }
    wr_names_fini(&names);
    if (status < 0) {
        return open_fail(error, status, store, "list the directory");
    }
    if (survey->last == UINT64_MAX) {
        return wr_error_set(error, WEIR_CONFLICT,
                            "checkpoints in %s: there is a file of checkpoint %" PRIu64
                            ", behind which no other can come: take away what is not of this job",
                            store->directory, survey->last);
    }
    if (store->options.checkpoint != 0 && !survey->has_chosen) {
        char *const told = wr_manifest_list_text(store->environment, store->directory);
        (void)wr_error_set(error, WEIR_NOT_FOUND,
                           "checkpoints in %s: there is no published checkpoint %" PRIu64 "; %s",
                           store->directory, store->options.checkpoint, told);
        wr_free(told);
        return error->status;
    }
    return WEIR_OK;
}

// The epoch before this opening; 0 in a new directory.
static weir_status epoch_read(struct wr_store *store, const struct survey *survey,
                              struct wr_error *error)
{
    weir_status status = wr_epoch_read(store->environment, store->directory, &store->epoch, error);
    if (status == WEIR_NOT_FOUND) {
        if (!survey->has_manifest && !survey->has_state) {
            wr_error_fini(error);
            return WEIR_OK;
        }
        return wr_error_set(error, WEIR_DAMAGED,
                            "checkpoints in %s: the file \"epoch\" is gone, without which a "
                            "process cannot tell that another took over: put back a copy of it",
                            store->directory);
    }
    if (status == WEIR_OK && store->epoch.epoch < survey->epoch) {
        return wr_error_set(error, WEIR_DAMAGED,
                            "checkpoints in %s: the file \"epoch\" says %" PRIu32
                            ", and there are files of epoch %" PRIu32
                            ": it is an old copy; put back the right one",
                            store->directory, store->epoch.epoch, survey->epoch);
    }
    if (status == WEIR_OK && store->epoch.newest > survey->newest &&
        store->options.checkpoint == 0) {
        return wr_error_set(error, WEIR_DAMAGED,
                            "checkpoints in %s: checkpoint %" PRIu64
                            " was published, as the file \"epoch\" says, and its manifest is gone, "
                            "the newest is of %" PRIu64 ": put it back, or " WR_LOAD_ELSE,
                            store->directory, store->epoch.newest, survey->newest);
    }
    return status;
}

static weir_status newest_load(struct wr_store *store, const struct survey *survey,
                               struct wr_error *error)
{
    if (!survey->has_manifest) {
        return WEIR_OK;
    }
    const uint64_t chosen =
        store->options.checkpoint != 0 ? store->options.checkpoint : survey->newest;
    weir_status status =
        wr_load(store->environment, store->directory, chosen, &store->newest, error);
    if (status != WEIR_OK) {
        return status;
    }
    store->has_newest = true;
    if (store->newest.manifest.epoch > store->epoch.epoch) {
        return wr_error_set(
            error, WEIR_DAMAGED,
            "checkpoints in %s: the file \"epoch\" says %" PRIu32 ", and checkpoint %" PRIu64
            " is of epoch %" PRIu32 ": it is an old copy; put back the right one",
            store->directory, store->epoch.epoch, chosen, store->newest.manifest.epoch);
    }
    wr_store_retain(store, &store->newest);
    return WEIR_OK;
}

static weir_status epoch_bump(struct wr_store *store, const struct survey *survey,
                              struct wr_error *error)
{
    if (store->epoch.epoch == UINT32_MAX) {
        return wr_error_set(error, WEIR_CONFLICT,
                            "checkpoints in %s: they were opened %" PRIu32
                            " times, which is as often as can be counted: go on from a savepoint "
                            "in another directory",
                            store->directory, store->epoch.epoch);
    }
    // Whoever published the newest may have been killed before its last sync.
    const int synced =
        store->environment->ops->sync_directory(store->environment, store->directory);
    if (synced < 0) {
        return open_fail(error, synced, store, "sync the directory");
    }
    const struct wr_epoch epoch = {
        .epoch  = store->epoch.epoch + 1,
        .newest = survey->newest,
        .last   = store->epoch.last > survey->newest ? store->epoch.last : 0,
    };
    const weir_status status = wr_epoch_write(store->environment, store->directory, &epoch, error);
    store->epoch             = epoch;
    return status;
}

// At a clean close the newest checkpoint is vouched for. Nothing depends on it: it finds damage.
static void vouch(struct wr_store *store)
{
    struct wr_epoch epoch;
    struct wr_error error = { .status = WEIR_OK };
    if (store->options.writes && store->has_newest && store->poison.status == WEIR_OK &&
        store->newest.manifest.checkpoint > store->epoch.newest &&
        wr_epoch_read(store->environment, store->directory, &epoch, &error) == WEIR_OK &&
        epoch.epoch == store->epoch.epoch) {
        epoch.newest = store->newest.manifest.checkpoint;
        if (wr_epoch_write(store->environment, store->directory, &epoch, &error) != WEIR_OK) {
            wr_store_warn(store, "%s", error.sentence);
        }
    }
    wr_error_fini(&error);
}

static weir_status directory_find(struct wr_store *store, struct wr_error *error)
{
    struct wr_file_info info;
    const int status = store->environment->ops->info(store->environment, store->directory, &info);
    if (status < 0) {
        return open_fail(error, status, store, "open the directory");
    }
    return info.is_directory ? WEIR_OK
                             : wr_error_set(error, WEIR_CONFLICT,
                                            "checkpoints in %s: there is a file in the place of a "
                                            "directory; choose another path",
                                            store->directory);
}

// All that refuses comes before anything that changes what is there.
static weir_status store_open(struct wr_store *store, struct wr_error *error)
{
    struct survey survey;
    weir_status   status = store->options.creates ? directory_make(store, error) : WEIR_OK;
    status               = status != WEIR_OK ? status : directory_find(store, error);
    if (status == WEIR_OK && store->options.is_new) {
        status = directory_is_new(store, error);
    }
    if (status == WEIR_OK && store->options.writes) {
        status = lock_take(store, error);
    }
    status = status != WEIR_OK ? status : survey_take(store, &survey, error);
    status = status != WEIR_OK ? status : epoch_read(store, &survey, error);
    status = status != WEIR_OK ? status : newest_load(store, &survey, error);
    if (status == WEIR_OK && store->options.writes) {
        uint64_t known = store->epoch.newest > survey.last ? store->epoch.newest : survey.last;
        known          = store->epoch.last > known ? store->epoch.last : known;
        status         = epoch_bump(store, &survey, error);
        store->next    = known + 1;
    }
    return status;
}

weir_status wr_store_open(struct wr_environment *environment, const char *directory,
                          const struct wr_store_options *options, struct wr_store **store,
                          struct wr_error *error)
{
    WR_ASSERT(options->writes || !options->creates);
    struct wr_store *opened  = wr_alloc(sizeof(*opened));
    opened->environment      = environment;
    opened->directory        = wr_copy_text(directory);
    opened->options          = *options;
    opened->options.keeps    = options->keeps != 0 ? options->keeps : WR_STORE_KEEPS;
    opened->lock_file        = -1;
    const weir_status status = store_open(opened, error);
    opened->is_open          = status == WEIR_OK;
    if (status != WEIR_OK) {
        wr_store_close(opened);
        opened = NULL;
    }
    *store = opened;
    return status;
}

void wr_store_close(struct wr_store *store)
{
    if (store == NULL) {
        return;
    }
    wr_store_abort(store, store->progress.id);
    if (store->is_open) {
        vouch(store);
    }
    wr_store_close_readers(store);
    if (store->has_newest) {
        wr_loaded_fini(&store->newest);
    }
    for (uint32_t i = 0; i < store->retained_count; i++) {
        wr_names_fini(&store->retained[i].files);
    }
    if (store->lock_file >= 0) {
        store->environment->ops->close(store->environment, store->lock_file);
    }
    wr_error_fini(&store->poison);
    for (uint32_t i = 0; i < store->name_count; i++) {
        wr_free(store->names[i]);
    }
    wr_free((void *)store->names);
    wr_free(store->retained);
    wr_free(store->directory);
    wr_free(store);
}

// ---- what is there ----

const struct wr_manifest *wr_store_manifest(const struct wr_store *store)
{
    return store->has_newest ? &store->newest.manifest : NULL;
}

const struct wr_index *wr_store_index(const struct wr_store *store, uint32_t at)
{
    WR_ASSERT(store->has_newest && at < store->newest.manifest.task_count);
    return &store->newest.indexes[at];
}

// The operators of the task at `at`; the store owns its indexes.
static struct wr_index_operator *operators_of(struct wr_store *store, uint32_t at)
{
    return (struct wr_index_operator *)(uintptr_t)store->newest.indexes[at].operators;
}

static bool store_has_operator(struct wr_store *store, const char *name)
{
    for (uint32_t at = 0; at < store->newest.manifest.task_count; at++) {
        for (uint32_t i = 0; i < store->newest.indexes[at].operator_count; i++) {
            if (strcmp(operators_of(store, at)[i].name, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

void wr_store_rename(struct wr_store *store, const char *from, const char *to)
{
    const size_t length = strlen(from);
    if (!store->has_newest || store_has_operator(store, to)) {
        return;
    }
    for (uint32_t at = 0; at < store->newest.manifest.task_count; at++) {
        for (uint32_t i = 0; i < store->newest.indexes[at].operator_count; i++) {
            struct wr_index_operator *is   = &operators_of(store, at)[i];
            const char               *rest = is->name + length;
            if (strncmp(is->name, from, length) != 0 || (*rest != 0 && *rest != '/')) {
                continue;
            }
            store->names =
                wr_realloc((void *)store->names, (store->name_count + 1) * sizeof(*store->names));
            store->names[store->name_count] = wr_format("%s%s", to, rest);
            is->name                        = store->names[store->name_count++];
        }
    }
}

uint32_t wr_store_epoch(const struct wr_store *store) { return store->epoch.epoch; }

const char *wr_store_directory(const struct wr_store *store) { return store->directory; }
uint64_t    wr_store_next(const struct wr_store *store) { return store->next; }
