#include "connectors/file/file_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// ---- names ----

#define OWNER_FORMAT ".part-%016llx-"
#define SUFFIX       ".tmp"

static uint64_t owner_of(const struct wr_node *node)
{
    const char    *job  = wr_node_job(node);
    const char    *name = node->spec->name;
    const uint64_t seed = wr_hash_bytes(job, strlen(job), 0);
    return wr_hash_bytes(name, strlen(name), seed);
}

// The directory that the path lies in; wr_free it.
static char *parent_of(const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    while (length > 0 && path[length - 1] != '/') {
        length--;
    }
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    return length > 0 ? wr_format("%.*s", (int)length, path) : wr_copy_text(".");
}

static bool name_is_unfinished(const char *name, const char *prefix)
{
    const size_t length = strlen(name), end = strlen(SUFFIX);
    return strncmp(name, prefix, strlen(prefix)) == 0 && length > end &&
           strcmp(name + length - end, SUFFIX) == 0;
}

static bool fail(struct wr_error *error, const char *what, const char *path, int io_error)
{
    char text[WR_FILE_ERROR_MAX];
    (void)wr_error_set(error, wr_error_status(io_error), "cannot %s %s: %s", what, path,
                       wr_file_error(io_error, text));
    return false;
}

// ---- opening and closing ----

void wr_file_parts_open(struct wr_file_parts *parts, struct wr_node *node, const char *directory,
                        const char *extension)
{
    *parts = (struct wr_file_parts){
        .node      = node,
        .directory = directory,
        .extension = extension,
    };
}

int wr_file_parts_make_directory(struct wr_file_parts *parts)
{
    struct wr_environment *environment = parts->node->environment;
    parts->owner                       = owner_of(parts->node);
    parts->epoch                       = environment->ops->random(environment);
    struct wr_file_info info           = { .is_directory = false };
    int                 made = environment->ops->make_directory(environment, parts->directory);
    if (made == -EEXIST && environment->ops->info(environment, parts->directory, &info) == 0 &&
        info.is_directory) {
        made = 0;
    }
    if (made == 0) { // also if it was there: who made it may have crashed before this
        char *parent = parent_of(parts->directory);
        made         = environment->ops->sync_directory(environment, parent);
        wr_free(parent);
    }
    return made;
}

static void part_remove(const struct wr_file_parts *parts, const char *path)
{
    if (path != NULL) { // what stays because this fails is removed by the next recovery
        (void)parts->node->environment->ops->unlink(parts->node->environment, path);
    }
}

void wr_file_parts_close(struct wr_file_parts *parts)
{
    if (parts->node == NULL) {
        return;
    }
    wr_file_close(parts->aside);
    part_remove(parts, parts->path);
    part_remove(parts, parts->aside_path);
    wr_free(parts->path);
    wr_free(parts->aside_path);
    *parts = (struct wr_file_parts){ .node = NULL };
}

// ---- a part ----

struct wr_file *wr_file_parts_begin(struct wr_file_parts *parts, int *error)
{
    WR_ASSERT(parts->path == NULL);
    char           *path = wr_format("%s/" OWNER_FORMAT "%05u-%016llx-%u" SUFFIX, parts->directory,
                                     (unsigned long long)parts->owner, parts->node->instance,
                                     (unsigned long long)parts->epoch, parts->count);
    struct wr_file *file = wr_file_open(parts->node, path, WR_OPEN_EXCLUSIVE, error);
    if (file != NULL) {
        parts->path = path;
        parts->count++;
    } else {
        wr_free(path);
    }
    return file;
}

void wr_file_parts_set_aside(struct wr_file_parts *parts, struct wr_file *file)
{
    WR_ASSERT(parts->aside == NULL && parts->path != NULL);
    parts->aside      = file;
    parts->aside_path = parts->path;
    parts->path       = NULL;
}

static void token_write(struct wr_token *token, uint64_t checkpoint, const char *path)
{
    const char *name   = strrchr(path, '/') + 1;
    int         length = snprintf(token->bytes, sizeof(token->bytes), "%llu %s",
                                  (unsigned long long)checkpoint, path);
    if ((size_t)length >= sizeof(token->bytes)) {
        length = snprintf(token->bytes, sizeof(token->bytes), "%llu %s",
                          (unsigned long long)checkpoint, name);
    }
    WR_ASSERT(length > 0 && (size_t)length < sizeof(token->bytes));
    token->length = (uint32_t)length;
}

bool wr_file_parts_prepare(struct wr_file_parts *parts, uint64_t checkpoint, struct wr_token *token,
                           struct wr_error *error)
{
    struct wr_environment *environment = parts->node->environment;
    token->length                      = 0;
    if (parts->aside == NULL) {
        return true;
    }
    int synced = wr_file_sync_now(parts->aside);
    if (synced < 0) {
        return fail(error, "sync", parts->aside_path, synced);
    }
    synced = environment->ops->sync_directory(environment, parts->directory);
    if (synced < 0) {
        return fail(error, "sync", parts->directory, synced);
    }
    token_write(token, checkpoint, parts->aside_path);
    wr_file_close(parts->aside);
    wr_free(parts->aside_path);
    parts->aside      = NULL;
    parts->aside_path = NULL;
    return true;
}

// ---- showing parts ----

// Where a part lies and what it is to be called.
struct part {
    char *directory, *from, *to;
};

static void part_fini(struct part *part)
{
    wr_free(part->directory);
    wr_free(part->from);
    wr_free(part->to);
}

// False: the token is none.
static bool part_of(const struct wr_file_parts *parts, const struct wr_token *token,
                    struct part *part)
{
    char               text[WR_TOKEN_BYTES + 1];
    unsigned long long checkpoint = 0, owner = 0, epoch = 0;
    unsigned           task = 0, count = 0;
    memcpy(text, token->bytes, token->length);
    text[token->length] = '\0';
    const char *space   = strchr(text, ' ');
    const char *path    = space != NULL ? space + 1 : text;
    const char *slash   = strrchr(path, '/');
    const char *name    = slash != NULL ? slash + 1 : path;
    if (sscanf(text, "%llu ", &checkpoint) != 1 ||
        sscanf(name, ".part-%16llx-%u-%16llx-%u", &owner, &task, &epoch, &count) != 4) {
        return false;
    }
    part->directory = slash != NULL ? wr_format("%.*s", (int)(slash - path), path)
                                    : wr_copy_text(parts->directory);
    part->from      = wr_format("%s/%s", part->directory, name);
    part->to = wr_format("%s/part-%010llu-%05u-%016llx%s", part->directory, checkpoint, task, epoch,
                         parts->extension);
    return true;
}

bool wr_file_parts_commit(const struct wr_file_parts *parts, const struct wr_token *token,
                          struct wr_error *error)
{
    struct wr_environment *environment = parts->node->environment;
    struct part            part        = { .from = NULL };
    if (token->length == 0) {
        return true;
    }
    if (!part_of(parts, token, &part)) {
        (void)wr_error_set(error, WEIR_DAMAGED,
                           "the checkpoint names a part of %s that makes no sense: \"%.*s\"",
                           parts->directory, (int)token->length, token->bytes);
        return false;
    }
    bool      is_good = true;
    const int renamed = environment->ops->rename_new(environment, part.from, part.to);
    if (renamed < 0 && renamed != -ENOENT) {
        is_good = fail(error, "rename", part.from, renamed);
    }
    const int synced = is_good ? environment->ops->sync_directory(environment, part.directory) : 0;
    if (synced < 0) {
        is_good = fail(error, "sync", part.directory, synced);
    }
    part_fini(&part);
    return is_good;
}

bool wr_file_parts_recover(const struct wr_file_parts *parts, const struct wr_token *tokens,
                           uint32_t count, struct wr_error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!wr_file_parts_commit(parts, &tokens[i], error)) {
            return false;
        }
    }
    return true;
}

struct unfinished {
    char   **names;
    uint32_t count;
    char    *prefix;
};

static void unfinished_take(void *opaque, const char *name)
{
    struct unfinished *unfinished = opaque;
    if (name_is_unfinished(name, unfinished->prefix)) {
        unfinished->names = wr_realloc(unfinished->names, (unfinished->count + 1) * sizeof(char *));
        unfinished->names[unfinished->count++] = wr_copy_text(name);
    }
}

bool wr_file_parts_clear(const struct wr_file_parts *parts, struct wr_error *error)
{
    struct wr_environment *environment = parts->node->environment;
    struct unfinished      unfinished  = { .prefix = wr_format(OWNER_FORMAT,
                                                               (unsigned long long)parts->owner) };
    int                    io_error =
        environment->ops->list(environment, parts->directory, unfinished_take, &unfinished);
    bool is_good = io_error == 0 || fail(error, "list", parts->directory, io_error);
    for (uint32_t i = 0; i < unfinished.count; i++) {
        char *path = wr_format("%s/%s", parts->directory, unfinished.names[i]);
        io_error   = is_good ? environment->ops->unlink(environment, path) : 0;
        is_good    = is_good && (io_error == 0 || fail(error, "remove", path, io_error));
        wr_free(path);
        wr_free(unfinished.names[i]);
    }
    wr_free(unfinished.names);
    wr_free(unfinished.prefix);
    return is_good;
}
