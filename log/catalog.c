// The log's directory. What is in a directory in which the making of a log was cut off: any of
// lock, epoch, topics and consumers (both empty), log.tmp, epoch.tmp; a later open takes that for
// empty. DIR/log, written last, makes it a log.
#include "log/catalog.h"

#include "log/small_file.h"
#include "runtime/base/file.h"
#include "runtime/base/lock_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define EPOCH_FORMAT 1u

static char *path_in(const weir_log *log, const char *name)
{
    return wr_format("%s/%s", log->directory, name);
}

static weir_status catalog_fail(weir_log *log, int io_error, const char *what)
{
    return wr_log_fail(&log->error, wr_log_status_of(io_error), "log %s: cannot %s: %s",
                       log->directory, what, strerror(-io_error));
}

// ---- what the directory is ----

static weir_status identity_parse(weir_log *log, const char *path, char *text)
{
    struct wr_text_lines lines;
    uint64_t             created;
    if (!wr_lines_begin(&lines, text, "weir log", WR_LOG_FORMAT, path, &log->error)) {
        return log->error.status;
    }
    const char *id = wr_text_lines_take(&lines, "id");
    return id != NULL && wr_log_id_parse(id, &log->id) &&
                   wr_text_lines_number(&lines, "created", UINT64_MAX, &created) && *lines.at == 0
               ? WEIR_OK
               : wr_lines_fail(path, &log->error);
}

// WEIR_NOT_FOUND: there is no such file.
static weir_status identity_read(weir_log *log)
{
    size_t      length;
    char *const path   = path_in(log, "log");
    char *const text   = wr_small_file_read(log->environment, path, &length, &log->error);
    weir_status status = text == NULL ? log->error.status : identity_parse(log, path, text);
    wr_free(text);
    wr_free(path);
    return status;
}

struct survey {
    weir_log *log;
    char     *foreign; // the first name that is no part of a log half made
};

static void survey_empty(void *opaque, WEIR_UNUSED const char *name) { *(bool *)opaque = false; }

static void survey_name(void *opaque, const char *name)
{
    static const char *const files[]       = { "lock", "epoch", "epoch.tmp", "log.tmp" };
    static const char *const directories[] = { "topics", "consumers" };
    struct survey           *survey        = opaque;
    bool                     is_ours       = false;
    for (uint32_t i = 0; i < WR_COUNT_OF(files); i++) {
        is_ours = is_ours || strcmp(name, files[i]) == 0;
    }
    for (uint32_t i = 0; i < WR_COUNT_OF(directories); i++) {
        if (strcmp(name, directories[i]) == 0) {
            struct wr_environment *environment = survey->log->environment;
            char                  *path        = path_in(survey->log, name);
            is_ours                            = true;
            if (environment->ops->list(environment, path, survey_empty, &is_ours) < 0) {
                is_ours = false;
            }
            wr_free(path);
        }
    }
    if (!is_ours && survey->foreign == NULL) {
        survey->foreign = wr_copy_text(name);
    }
}

static bool has_entry(const weir_log *log, const char *name)
{
    struct wr_file_info info;
    char *const         path     = path_in(log, name);
    const bool          is_there = log->environment->ops->info(log->environment, path, &info) >= 0;
    wr_free(path);
    return is_there;
}

// Whether nothing is in the directory but what the making of a log may have left.
static weir_status directory_is_empty(weir_log *log)
{
    struct survey survey = { .log = log };
    const int     status =
        log->environment->ops->list(log->environment, log->directory, survey_name, &survey);
    if (status < 0) {
        return catalog_fail(log, status, "list its directory");
    }
    if (survey.foreign == NULL) {
        return WEIR_OK;
    }
    if (has_entry(log, "topics") && has_entry(log, "epoch")) {
        (void)wr_log_fail(
            &log->error, WEIR_DAMAGED,
            "log %s: its file \"log\" is missing; put back a copy; see `weir log fsck`",
            log->directory);
    } else {
        (void)wr_log_fail(
            &log->error, WEIR_CONFLICT,
            "log %s: the directory is not empty and not a log: it has \"%s\" in it, "
            "and no file \"log\"; choose a log's directory, or an empty one to make a "
            "log in",
            log->directory, survey.foreign);
    }
    wr_free(survey.foreign);
    return log->error.status;
}

// ---- making one ----

// The directory that `log->directory` lies in may be somebody else's, which can be neither read nor
// synced; then it was not changed by us either.
static int sync_above(const weir_log *log)
{
    char *path = wr_copy_text(log->directory);
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';) {
        path[--length] = 0;
    }
    const int status = wr_file_sync_parent(log->environment, path);
    wr_free(path);
    return status == -EACCES || status == -EPERM ? 0 : status;
}

static weir_status make_directories(weir_log *log)
{
    struct wr_environment   *environment = log->environment;
    static const char *const names[]     = { "topics", "consumers" };
    for (uint32_t i = 0; i < WR_COUNT_OF(names); i++) {
        char     *path   = path_in(log, names[i]);
        const int status = environment->ops->make_directory(environment, path);
        wr_free(path);
        if (status < 0 && status != -EEXIST) {
            return catalog_fail(log, status, "make the directories of its topics and consumers");
        }
    }
    return WEIR_OK;
}

static weir_status epoch_write(weir_log *log, uint32_t epoch)
{
    char *const       path   = path_in(log, "epoch");
    char *const       text   = wr_format("weir epoch %u\nepoch %" PRIu32 "\n", EPOCH_FORMAT, epoch);
    const weir_status status = wr_small_file_write(log->environment, path, text, &log->error);
    wr_free(text);
    wr_free(path);
    return status;
}

static weir_status identity_write(weir_log *log)
{
    struct wr_environment *environment = log->environment;
    for (uint32_t i = 0; i < sizeof(log->id.bytes); i += 8) {
        const uint64_t random = environment->ops->random(environment);
        memcpy(log->id.bytes + i, &random, 8);
    }
    char          id[WR_LOG_ID_TEXT];
    const int64_t now = environment->ops->wall_us(environment);
    wr_log_id_text(&log->id, id);
    char *const path = path_in(log, "log");
    char *const text = wr_format("weir log %u\nid %s\ncreated %" PRId64 "\n", WR_LOG_FORMAT, id,
                                 now > 0 ? now : 0);
    const weir_status status = wr_small_file_write(environment, path, text, &log->error);
    wr_free(text);
    wr_free(path);
    return status;
}

static weir_status lock_take(weir_log *log)
{
    char     *holder;
    char     *path   = path_in(log, "lock");
    const int status = wr_lock_file_take(log->environment, path, &log->lock_file, &holder);
    wr_free(path);
    if (status == 0) {
        return WEIR_OK;
    }
    log->lock_file = -1;
    if (status != -EWOULDBLOCK) {
        return catalog_fail(log, status, "take its file \"lock\"");
    }
    (void)wr_log_fail(&log->error, WEIR_CONFLICT,
                      "log %s: %s has it open for writing, and a log has one writer: close it "
                      "there, or open it here for reading only",
                      log->directory, holder);
    wr_free(holder);
    return WEIR_CONFLICT;
}

// 0 or -errno; one that is not there is none.
static int file_remove(const weir_log *log, const char *name)
{
    char *const path   = path_in(log, name);
    const int   status = log->environment->ops->unlink(log->environment, path);
    wr_free(path);
    return status == -ENOENT ? 0 : status;
}

// What a failed sync left open is not built upon: the next try makes all anew. The file "log" may
// be there again after a crash: first it must be sure that it is not, or a log without an epoch is
// found.
static void unmake(weir_log *log)
{
    static const char *const rest[] = { "epoch", "topics", "consumers" };
    if (file_remove(log, "log") < 0 ||
        log->environment->ops->sync_directory(log->environment, log->directory) < 0) {
        return; // the next try makes what is missing
    }
    for (uint32_t i = 0; i < WR_COUNT_OF(rest); i++) {
        (void)file_remove(log, rest[i]);
    }
}

// Under the lock, so that only one of two makes it; the other finds it made.
static weir_status catalog_make(weir_log *log)
{
    weir_status status = lock_take(log);
    if (status != WEIR_OK) {
        return status;
    }
    status = identity_read(log);
    if (status != WEIR_NOT_FOUND) {
        return status;
    }
    const int synced = sync_above(log); // who made the directory may have been cut off
    status           = synced < 0 ? catalog_fail(log, synced, "sync the directory it lies in")
                                  : make_directories(log);
    if (status == WEIR_OK) {
        status = epoch_write(log, 0);
    }
    if (status == WEIR_OK) {
        status = identity_write(log);
    }
    if (status != WEIR_OK) {
        unmake(log);
    }
    return status;
}

static weir_status directory_make(weir_log *log)
{
    struct wr_environment *environment = log->environment;
    int                    status = environment->ops->make_directory(environment, log->directory);
    if (status == -ENOENT) {
        return wr_log_fail(&log->error, WEIR_NOT_FOUND,
                           "log %s: the directory it should be made in does not exist; make that "
                           "first",
                           log->directory);
    }
    if (status == 0) {
        status = sync_above(log);
        if (status < 0) {
            (void)environment->ops->unlink(environment, log->directory);
        }
    }
    return status < 0 && status != -EEXIST ? catalog_fail(log, status, "make its directory")
                                           : WEIR_OK;
}

// Sees to the directory itself.
static weir_status directory_find(weir_log *log)
{
    struct wr_environment *environment = log->environment;
    struct wr_file_info    info;
    const int              status = environment->ops->info(environment, log->directory, &info);
    if (status == -ENOENT && log->options.creates) {
        return directory_make(log);
    }
    if (status == -ENOENT) {
        return wr_log_fail(&log->error, WEIR_NOT_FOUND,
                           "log %s: there is no such directory; check the path, or make a log "
                           "there: weir log create, or .writes and .creates",
                           log->directory);
    }
    if (status == -ENOTDIR || (status == 0 && !info.is_directory)) {
        return wr_log_fail(&log->error, WEIR_CONFLICT,
                           "log %s: there is a file in the place of a directory; choose another "
                           "path",
                           log->directory);
    }
    return status < 0 ? catalog_fail(log, status, "look at its directory") : WEIR_OK;
}

weir_status wr_catalog_open(weir_log *log)
{
    weir_status status = directory_find(log);
    if (status == WEIR_OK) {
        status = identity_read(log);
        if (status == WEIR_NOT_FOUND) {
            status = directory_is_empty(log);
            if (status == WEIR_OK && log->options.creates) {
                return catalog_make(log);
            }
            return status != WEIR_OK
                       ? status
                       : wr_log_fail(&log->error, WEIR_NOT_FOUND,
                                     "log %s: the directory is empty; check the path, or make a "
                                     "log there: weir log create, or .writes and .creates",
                                     log->directory);
        }
    }
    return status;
}

// ---- one writer ----

static weir_status epoch_parse(const char *path, char *text, uint64_t *epoch,
                               struct wr_log_error *error)
{
    struct wr_text_lines lines;
    if (!wr_lines_begin(&lines, text, "weir epoch", EPOCH_FORMAT, path, error)) {
        return error->status;
    }
    return wr_text_lines_number(&lines, "epoch", UINT32_MAX, epoch) && *lines.at == 0
               ? WEIR_OK
               : wr_lines_fail(path, error);
}

weir_status wr_catalog_read_epoch(weir_log *log, uint32_t *epoch, struct wr_log_error *error)
{
    size_t      length;
    uint64_t    found  = 0;
    char *const path   = path_in(log, "epoch");
    char *const text   = wr_small_file_read(log->environment, path, &length, error);
    weir_status status = text == NULL ? error->status : epoch_parse(path, text, &found, error);
    if (text == NULL && status == WEIR_NOT_FOUND) {
        status = wr_log_fail(error, WEIR_DAMAGED,
                             "log %s: its file \"epoch\" is gone, without which a writer cannot "
                             "tell that another took over: put back a copy of it",
                             log->directory);
    }
    wr_free(text);
    wr_free(path);
    *epoch = (uint32_t)found;
    return status;
}

static weir_status epoch_bump(weir_log *log)
{
    uint32_t    before;
    weir_status status = wr_catalog_read_epoch(log, &before, &log->error);
    if (status != WEIR_OK) {
        return status;
    }
    if (before == UINT32_MAX) {
        return wr_log_fail(&log->error, WEIR_CONFLICT,
                           "log %s: it was opened for writing %" PRIu32
                           " times, which is as often as can be counted; copy its records to a new "
                           "log",
                           log->directory, before);
    }
    status = epoch_write(log, before + 1);
    if (status == WEIR_FULL) { // what the ballast is for: the log can be opened to make room
        wr_catalog_drop_ballast(log);
        status = epoch_write(log, before + 1);
    }
    log->epoch = status == WEIR_OK ? before + 1 : 0;
    return status;
}

// Whoever made or deleted a topic may have been killed before its last sync.
static weir_status topics_sync(weir_log *log)
{
    char     *path   = path_in(log, "topics");
    const int status = log->environment->ops->sync_directory(log->environment, path);
    wr_free(path);
    return status < 0 ? catalog_fail(log, status, "sync the directory of its topics") : WEIR_OK;
}

weir_status wr_catalog_lock(weir_log *log)
{
    weir_status status = log->lock_file < 0 ? lock_take(log) : WEIR_OK;
    if (status == WEIR_OK) {
        wr_catalog_clear_leftovers(log);
        status = topics_sync(log);
    }
    if (status == WEIR_OK) {
        status = epoch_bump(log);
    }
    if (status != WEIR_OK) {
        wr_catalog_unlock(log);
    }
    return status;
}

void wr_catalog_unlock(weir_log *log)
{
    if (log->lock_file >= 0) {
        log->environment->ops->close(log->environment, log->lock_file);
        log->lock_file = -1;
    }
}

weir_status wr_catalog_check_epoch(weir_log *log, struct wr_log_error *error)
{
    uint32_t          newest;
    const weir_status status = wr_catalog_read_epoch(log, &newest, error);
    if (status == WEIR_NO_MEMORY) { // no descriptor now: the next round looks
        wr_log_error_fini(error);
        return WEIR_OK;
    }
    if (status != WEIR_OK || newest == log->epoch) {
        return status;
    }
    return wr_log_fail(
        error, WEIR_FENCED,
        "log %s: a later writer has taken over: this one opened it as number %" PRIu32
        ", and now it is at %" PRIu32
        "; nothing more is written here. The lock did not keep them apart: is the "
        "directory on a network's file system, or was its file \"lock\" removed?",
        log->directory, log->epoch, newest);
}

// ---- ballast ----

void wr_catalog_drop_ballast(weir_log *log) { (void)file_remove(log, "ballast"); }

bool wr_catalog_take_ballast(weir_log *log)
{
    struct wr_environment *environment = log->environment;
    char                  *path        = path_in(log, "ballast");
    const int              file        = environment->ops->open(environment, path, WR_OPEN_UPDATE);
    int                    status      = file;
    if (file >= 0) {
        status = environment->ops->preallocate(environment, file, WR_BALLAST_BYTES);
        environment->ops->close(environment, file);
        if (status < 0) {
            (void)environment->ops->unlink(environment, path);
        }
    }
    wr_free(path);
    return status >= 0;
}
