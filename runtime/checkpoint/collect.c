// What is deleted, and in which order, so that no manifest that outlives a crash lacks a file:
//
//   manifests behind the newest K  -->  sync of the directory  -->  state files that none of the K
//   refers to, and that are no newer than the last published; temporary files
//
// In doubt nothing is deleted: a retained manifest that cannot be read may refer to anything.
#include "runtime/checkpoint/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct collection {
    struct wr_store *store;
    struct wr_names  names;       // in the directory
    uint64_t        *checkpoints; // published; falling
    uint32_t         count;
};

static int checkpoint_compare(const void *one, const void *other)
{
    const uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a > b ? -1 : a < b;
}

static void find_checkpoints(struct collection *collection)
{
    collection->checkpoints = wr_alloc(collection->names.count * sizeof(uint64_t) + 1);
    for (uint32_t i = 0; i < collection->names.count; i++) {
        uint64_t checkpoint;
        if (wr_manifest_name_parse(collection->names.names[i], &checkpoint)) {
            collection->checkpoints[collection->count++] = checkpoint;
        }
    }
    if (collection->count > 1) {
        qsort(collection->checkpoints, collection->count, sizeof(uint64_t), checkpoint_compare);
    }
}

static uint32_t kept_count(const struct collection *collection)
{
    const uint32_t keeps = collection->store->options.keeps;
    return collection->count < keeps ? collection->count : keeps;
}

// False: it is still there, as a warning says.
static bool remove_name(struct wr_store *store, const char *name)
{
    char *const path   = wr_format("%s/%s", store->directory, name);
    const int   status = store->environment->ops->unlink(store->environment, path);
    if (status < 0) {
        wr_store_warn(store,
                      "%s: cannot delete it, though nothing needs it: %s; it is tried again after "
                      "the next checkpoint",
                      path, strerror(-status));
    }
    wr_free(path);
    return status == 0;
}

// ---- what is referred to ----

static struct wr_retained *retained_find(const struct wr_store *store, uint64_t checkpoint)
{
    for (uint32_t i = 0; i < store->retained_count; i++) {
        if (store->retained[i].checkpoint == checkpoint) {
            return &store->retained[i];
        }
    }
    return NULL;
}

// Reads those of the kept checkpoints that were published before the store was opened. False: one
// cannot be read.
static bool know_kept(struct collection *collection)
{
    struct wr_store *store = collection->store;
    for (uint32_t i = 0; i < kept_count(collection); i++) {
        struct wr_loaded loaded;
        struct wr_error  error = { .status = WEIR_OK };
        if (retained_find(store, collection->checkpoints[i]) != NULL) {
            continue;
        }
        if (wr_load(store->environment, store->directory, collection->checkpoints[i], &loaded,
                    &error) != WEIR_OK) {
            wr_store_warn(store,
                          "checkpoints in %s: checkpoint %" PRIu64
                          ", which is retained, cannot be read, so that no old files are deleted "
                          "until it is not retained any more: %s",
                          store->directory, collection->checkpoints[i], error.sentence);
            wr_error_fini(&error);
            return false;
        }
        wr_store_retain(store, &loaded);
        wr_loaded_fini(&loaded);
    }
    return true;
}

static void forget_unkept(struct collection *collection)
{
    struct wr_store *store = collection->store;
    uint32_t         kept  = 0;
    for (uint32_t i = 0; i < store->retained_count; i++) {
        const uint64_t checkpoint = store->retained[i].checkpoint;
        bool           is_kept    = false;
        for (uint32_t j = 0; j < kept_count(collection); j++) {
            is_kept |= collection->checkpoints[j] == checkpoint;
        }
        if (is_kept) {
            store->retained[kept++] = store->retained[i];
        } else {
            wr_names_fini(&store->retained[i].files);
        }
    }
    store->retained_count = kept;
}

static bool is_referred_to(const struct wr_store *store, const char *name)
{
    for (uint32_t i = 0; i < store->retained_count; i++) {
        if (wr_names_have(&store->retained[i].files, name)) {
            return true;
        }
    }
    return false;
}

// ---- deleting ----

// False: one is still there, or may come back.
static bool delete_manifests(struct collection *collection)
{
    struct wr_store *store   = collection->store;
    bool             is_gone = true;
    for (uint32_t i = kept_count(collection); i < collection->count; i++) {
        char name[WR_MANIFEST_NAME_BYTES];
        wr_manifest_name(collection->checkpoints[i], name);
        is_gone = remove_name(store, name) && is_gone;
    }
    if (kept_count(collection) == collection->count) {
        return true;
    }
    const int status =
        store->environment->ops->sync_directory(store->environment, store->directory);
    if (status < 0) {
        char *const sentence =
            wr_format("%s: cannot sync the directory: %s", store->directory, strerror(-status));
        wr_store_warn(store, "%s; no further checkpoint is taken", sentence);
        wr_store_poison(store, sentence);
        wr_free(sentence);
    }
    return is_gone && status == 0;
}

static bool is_dead(const struct wr_store *store, const char *name)
{
    struct wr_file_id id;
    if (wr_state_name_parse(name, &id)) {
        return id.checkpoint <= store->newest.manifest.checkpoint && !is_referred_to(store, name);
    }
    // Nothing of this process is on its way now.
    return strncmp(name, "manifest.tmp-e", 14) == 0 || strcmp(name, "epoch.tmp") == 0;
}

static void collect(struct collection *collection)
{
    struct wr_store *store = collection->store;
    find_checkpoints(collection);
    const bool is_known = know_kept(collection);
    forget_unkept(collection);
    if (!delete_manifests(collection) || !is_known) {
        return;
    }
    for (uint32_t i = 0; i < collection->names.count; i++) {
        if (is_dead(store, collection->names.names[i])) {
            (void)remove_name(store, collection->names.names[i]);
        }
    }
}

void wr_store_collect(struct wr_store *store)
{
    WR_ASSERT(store->has_newest && !store->progress.is_active);
    struct collection collection = { .store = store };
    const int         status = store->environment->ops->list(store->environment, store->directory,
                                                             wr_names_add, &collection.names);
    if (status < 0) {
        wr_store_warn(store, "checkpoints in %s: cannot list the directory to delete old files: %s",
                      store->directory, strerror(-status));
    } else {
        collect(&collection);
    }
    wr_names_fini(&collection.names);
    wr_free(collection.checkpoints);
}
