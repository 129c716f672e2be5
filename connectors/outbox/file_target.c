#include "connectors/outbox/file_target.h"

#include "connectors/jsonl/json_writer.h"
#include "connectors/outbox/file_progress.h"
#include "runtime/base/file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <weir/call.h>

// Lines are gathered up to this and then written.
#define BUFFER_BYTES (256u << 10)

#define HIDDEN ".part-"

struct file_target {
    weir_outbox_target     verbs; // first: what users hold
    struct wr_environment *environment;
    bool                   owns_environment;
    char                  *directory, *progress_path, *lock_path;
    struct wr_error        error;

    // Of an opening.
    struct wr_json_plan    *plan;
    struct wr_file_progress progress; // as it was read, or replaced, last
    // Of a transaction.
    char    *part_path;  // NULL: none is begun
    int      part;       // its file; -1: closed
    uint64_t part_bytes; // written
    char    *lines;
    size_t   line_bytes, line_capacity;
};

static weir_outbox_outcome io_fail(struct file_target *target, int error, const char *what,
                                   const char *path)
{
    (void)wr_error_set(&target->error, wr_error_status(error), "%s: cannot %s: %s", path, what,
                       strerror(-error));
    return WEIR_OUTBOX_UNKNOWN;
}

// Of what could not be read or written.
static weir_outbox_outcome outcome_of(weir_status status)
{
    const bool is_wrong = status == WEIR_DAMAGED || status == WEIR_CONFLICT;
    return status == WEIR_OK ? WEIR_OUTBOX_DONE
           : is_wrong        ? WEIR_OUTBOX_REFUSED
                             : WEIR_OUTBOX_UNKNOWN;
}

// ---- the lock ----

static weir_outbox_outcome lock_take(struct file_target *target, int *file)
{
    struct wr_environment *environment = target->environment;
    *file = environment->ops->open(environment, target->lock_path, WR_OPEN_UPDATE);
    if (*file < 0) {
        return io_fail(target, *file, "open it", target->lock_path);
    }
    const int status = environment->ops->lock(environment, *file);
    if (status < 0) {
        environment->ops->close(environment, *file);
        return io_fail(target, status, "lock it", target->lock_path);
    }
    return WEIR_OUTBOX_DONE;
}

static void lock_give(struct file_target *target, int file)
{
    target->environment->ops->close(target->environment, file);
}

// ---- parts ----

static char *hidden_path(const struct file_target *target, uint64_t number, uint64_t epoch)
{
    return wr_format("%s/" HIDDEN "%010" PRIu64 "-%" PRIu64 ".tmp", target->directory, number,
                     epoch);
}

// Gives the part that the progress names its name, unless it has it, or had it and was taken away.
static weir_outbox_outcome part_show(struct file_target *target)
{
    const struct wr_file_progress *progress    = &target->progress;
    struct wr_environment         *environment = target->environment;
    if (progress->number == 0) {
        return WEIR_OUTBOX_DONE;
    }
    char *from = hidden_path(target, progress->number, progress->part_epoch);
    char *to =
        wr_format("%s/part-%010" PRIu64 "-%05" PRIu32 "-%" PRIu64 ".jsonl", target->directory,
                  progress->number, progress->part_partition, progress->part_from);
    int status = environment->ops->rename(environment, from, to);
    status     = status == -ENOENT ? 0 : status;
    if (status == 0) {
        status = environment->ops->sync_directory(environment, target->directory);
    }
    const weir_outbox_outcome outcome =
        status == 0 ? WEIR_OUTBOX_DONE : io_fail(target, status, "show the part", to);
    wr_free(from);
    wr_free(to);
    return outcome;
}

static void part_drop(struct file_target *target)
{
    if (target->part_path == NULL) {
        return;
    }
    if (target->part >= 0) {
        target->environment->ops->close(target->environment, target->part);
    }
    // What stays because this fails is removed by the next opening.
    (void)target->environment->ops->unlink(target->environment, target->part_path);
    wr_free(target->part_path);
    target->part_path = NULL;
    target->part      = -1;
}

struct names {
    char   **names;
    uint32_t count;
};

static void hidden_take(void *opaque, const char *name)
{
    struct names *names = opaque;
    if (strncmp(name, HIDDEN, strlen(HIDDEN)) == 0) {
        names->names = wr_realloc(names->names, (names->count + 1) * sizeof(char *));
        names->names[names->count++] = wr_copy_text(name);
    }
}

// Removes what earlier publishers left unfinished; when the part that counts has its name.
static weir_outbox_outcome hidden_remove(struct file_target *target)
{
    struct wr_environment *environment = target->environment;
    struct names           hidden      = { .names = NULL };
    int status = environment->ops->list(environment, target->directory, hidden_take, &hidden);
    for (uint32_t i = 0; i < hidden.count; i++) {
        char     *path    = wr_format("%s/%s", target->directory, hidden.names[i]);
        const int removed = environment->ops->unlink(environment, path);
        status            = removed < 0 && removed != -ENOENT ? removed : status;
        wr_free(path);
        wr_free(hidden.names[i]);
    }
    wr_free(hidden.names);
    return status == 0 ? WEIR_OUTBOX_DONE
                       : io_fail(target, status, "remove what is unfinished", target->directory);
}

// ---- opening ----

static weir_outbox_outcome make_directory(struct file_target *target)
{
    struct wr_environment *environment = target->environment;
    int                    made = environment->ops->make_directory(environment, target->directory);
    made                        = made == -EEXIST ? 0 : made;
    if (made == 0) { // also if it was there: who made it may have crashed before this
        made = wr_file_sync_parent(environment, target->directory);
    }
    return made == 0 ? WEIR_OUTBOX_DONE : io_fail(target, made, "make it", target->directory);
}

// The progress is read, under the lock. Of a directory without any it is empty.
static weir_outbox_outcome progress_read(struct file_target *target)
{
    const uint32_t partitions = target->progress.partition_count;
    wr_file_progress_fini(&target->progress);
    weir_status status = wr_file_progress_read(target->environment, target->progress_path,
                                               partitions, &target->progress, &target->error);
    if (status == WEIR_NOT_FOUND) {
        wr_file_progress_fini(&target->progress);
        wr_file_progress_init(&target->progress, partitions);
        status = WEIR_OK;
    }
    return outcome_of(status);
}

static weir_outbox_outcome check_claim(struct file_target *target, const weir_outbox_source *source,
                                       const weir_outbox_claim *claim)
{
    const struct wr_file_progress *progress = &target->progress;
    if (progress->epoch == 0) {
        return WEIR_OUTBOX_DONE; // nobody was here
    }
    if (strcmp(progress->name, source->name) != 0 || strcmp(progress->id, source->id) != 0) {
        (void)wr_error_set(&target->error, WEIR_CONFLICT,
                           "%s holds outbox %s of topic id %s, not outbox %s of topic id %s; give "
                           "each its own directory",
                           target->directory, progress->name, progress->id, source->name,
                           source->id);
        return WEIR_OUTBOX_REFUSED;
    }
    if (!claim->takes_over && progress->publisher != claim->publisher) {
        (void)wr_error_set(&target->error, WEIR_FENCED,
                           "%s was opened by another publisher (%016" PRIx64 ") since",
                           target->directory, progress->publisher);
        return WEIR_OUTBOX_FENCED;
    }
    return WEIR_OUTBOX_DONE;
}

// From now on nobody commits with an earlier epoch. Written again, also what was read becomes
// durable: whoever wrote that may have died before it was.
static weir_outbox_outcome fence(struct file_target *target, const weir_outbox_source *source,
                                 const weir_outbox_claim *claim)
{
    struct wr_file_progress *progress = &target->progress;
    memcpy(progress->name, source->name, strlen(source->name) + 1);
    memcpy(progress->id, source->id, strlen(source->id) + 1);
    progress->publisher = claim->publisher;
    progress->epoch++;
    return outcome_of(wr_file_progress_write(target->environment, target->progress_path, progress,
                                             &target->error));
}

// Under the lock: ends what the one before has done, and bars it. Only then is what it has under
// way removed: until it is barred it may still commit that.
static weir_outbox_outcome take_over(struct file_target *target, const weir_outbox_source *source,
                                     const weir_outbox_claim *claim)
{
    weir_outbox_outcome outcome = progress_read(target);
    if (outcome == WEIR_OUTBOX_DONE) {
        outcome = check_claim(target, source, claim);
    }
    if (outcome == WEIR_OUTBOX_DONE) {
        outcome = part_show(target);
    }
    if (outcome == WEIR_OUTBOX_DONE) {
        outcome = fence(target, source, claim);
    }
    return outcome == WEIR_OUTBOX_DONE ? hidden_remove(target) : outcome;
}

static weir_outbox_outcome target_open(void *opaque, const weir_outbox_source *source,
                                       const weir_outbox_claim *claim, uint64_t *epoch)
{
    struct file_target *target = opaque;
    int                 lock;
    if (strlen(source->name) >= sizeof(target->progress.name)) {
        (void)wr_error_set(&target->error, WEIR_USAGE,
                           "the name of outbox %s has %zu bytes; %zu is the most", source->name,
                           strlen(source->name), sizeof(target->progress.name) - 1);
        return WEIR_OUTBOX_REFUSED;
    }
    wr_json_plan_close(target->plan);
    wr_file_progress_fini(&target->progress);
    target->plan                     = wr_json_plan_open(source->type, NULL);
    target->progress.partition_count = source->partitions;
    weir_outbox_outcome outcome      = make_directory(target);
    if (outcome == WEIR_OUTBOX_DONE) {
        outcome = lock_take(target, &lock);
    }
    if (outcome == WEIR_OUTBOX_DONE) {
        outcome = take_over(target, source, claim);
        lock_give(target, lock);
    }
    *epoch = target->progress.epoch;
    return outcome;
}

static weir_outbox_outcome target_progress(void *opaque, uint32_t partition,
                                           weir_outbox_progress *progress)
{
    const struct file_target *target = opaque;
    progress->is_known               = target->progress.nexts[partition] != UINT64_MAX;
    progress->next                   = target->progress.nexts[partition];
    memcpy(progress->id, target->progress.id, sizeof(progress->id));
    return WEIR_OUTBOX_DONE;
}

// ---- a transaction ----

static weir_outbox_outcome target_begin(void *opaque, uint32_t partition, uint64_t from)
{
    struct file_target    *target      = opaque;
    struct wr_environment *environment = target->environment;
    (void)partition;
    (void)from;
    WR_ASSERT(target->part_path == NULL);
    target->part_path  = hidden_path(target, target->progress.number + 1, target->progress.epoch);
    target->part_bytes = 0;
    target->line_bytes = 0;
    target->part       = environment->ops->open(environment, target->part_path, WR_OPEN_EXCLUSIVE);
    return target->part >= 0 ? WEIR_OUTBOX_DONE
                             : io_fail(target, target->part, "make it", target->part_path);
}

static weir_outbox_outcome lines_write(struct file_target *target)
{
    const int written = wr_file_write(target->environment, target->part, target->lines,
                                      target->line_bytes, target->part_bytes);
    target->part_bytes += target->line_bytes;
    target->line_bytes = 0;
    return written == 0 ? WEIR_OUTBOX_DONE
                        : io_fail(target, written, "write it", target->part_path);
}

static void line_add(struct file_target *target, const void *row, bool is_deletion)
{
    const size_t needed = target->line_bytes + wr_json_bound(target->plan, row);
    if (needed > target->line_capacity) {
        target->line_capacity = needed + BUFFER_BYTES;
        target->lines         = wr_realloc(target->lines, target->line_capacity);
    }
    target->line_bytes +=
        wr_json_write(target->plan, row, is_deletion, target->lines + target->line_bytes);
}

static weir_outbox_outcome target_write(void *opaque, const weir_log_rows *rows)
{
    struct file_target *target = opaque;
    for (uint32_t i = 0; i < rows->count; i++) {
        const char *row = (const char *)rows->rows + (size_t)i * rows->type->size;
        line_add(target, row, rows->changes != NULL && rows->changes[i] == WEIR_DELETE);
        if (target->line_bytes >= BUFFER_BYTES && lines_write(target) != WEIR_OUTBOX_DONE) {
            return WEIR_OUTBOX_UNKNOWN;
        }
    }
    return WEIR_OUTBOX_DONE;
}

// The part and its name are on disk.
static weir_outbox_outcome part_sync(struct file_target *target)
{
    struct wr_environment *environment = target->environment;
    weir_outbox_outcome    outcome     = lines_write(target);
    if (outcome != WEIR_OUTBOX_DONE) {
        return outcome;
    }
    int status = environment->ops->sync_data(environment, target->part);
    environment->ops->close(environment, target->part);
    target->part = -1;
    if (status == 0) {
        status = environment->ops->sync_directory(environment, target->directory);
    }
    return status == 0 ? WEIR_OUTBOX_DONE : io_fail(target, status, "sync it", target->part_path);
}

// Under the lock.
static weir_outbox_outcome part_count(struct file_target *target, const weir_outbox_place *place)
{
    struct wr_file_progress *progress = &target->progress;
    weir_outbox_outcome      outcome  = progress_read(target);
    if (outcome != WEIR_OUTBOX_DONE) {
        return outcome;
    }
    if (progress->epoch != place->epoch) {
        (void)wr_error_set(&target->error, WEIR_FENCED,
                           "%s is at epoch %" PRIu64 ", and this is epoch %" PRIu64,
                           target->directory, progress->epoch, place->epoch);
        return WEIR_OUTBOX_FENCED;
    }
    if (progress->nexts[place->partition] != UINT64_MAX &&
        progress->nexts[place->partition] != place->from) {
        (void)wr_error_set(&target->error, WEIR_CONFLICT,
                           "%s has what is before offset %" PRIu64 " of partition %" PRIu32
                           ", and records from offset %" PRIu64 " on were to follow",
                           target->directory, progress->nexts[place->partition], place->partition,
                           place->from);
        return WEIR_OUTBOX_REFUSED;
    }
    progress->number++;
    progress->part_epoch              = place->epoch;
    progress->part_partition          = place->partition;
    progress->part_from               = place->from;
    progress->nexts[place->partition] = place->next;
    wr_free(target->part_path); // from now on the progress may name it
    target->part_path        = NULL;
    const weir_status status = wr_file_progress_write(target->environment, target->progress_path,
                                                      progress, &target->error);
    return status == WEIR_OK ? part_show(target) : outcome_of(status);
}

static weir_outbox_outcome target_commit(void *opaque, const weir_outbox_place *place)
{
    struct file_target *target  = opaque;
    int                 lock    = -1;
    weir_outbox_outcome outcome = part_sync(target);
    if (outcome == WEIR_OUTBOX_DONE) {
        outcome = lock_take(target, &lock);
    }
    if (outcome == WEIR_OUTBOX_DONE) {
        outcome = part_count(target, place);
        lock_give(target, lock);
    }
    return outcome;
}

static void target_close(void *opaque)
{
    struct file_target *target = opaque;
    part_drop(target);
}

static const char *target_error(void *opaque)
{
    const struct file_target *target = opaque;
    return target->error.sentence != NULL ? target->error.sentence : "";
}

// ---- for users ----

weir_outbox_target *wr_file_target_open_in(struct wr_environment *environment,
                                           const char            *directory)
{
    struct file_target *target = wr_alloc(sizeof(*target));
    *target                    = (struct file_target){
                           .verbs         = { .opaque   = target,
                                              .open     = target_open,
                                              .progress = target_progress,
                                              .begin    = target_begin,
                                              .write    = target_write,
                                              .commit   = target_commit,
                                              .close    = target_close,
                                              .error    = target_error },
                           .environment   = environment,
                           .directory     = wr_copy_text(directory),
                           .progress_path = wr_format("%s/.progress", directory),
                           .lock_path     = wr_format("%s/.lock", directory),
                           .part          = -1,
    };
    return &target->verbs;
}

weir_outbox_target *weir_file_target_open(const char *directory)
{
    weir_outbox_target *opened = wr_file_target_open_in(wr_environment_open_real(), directory);
    ((struct file_target *)opened)->owns_environment = true;
    return opened;
}

void weir_file_target_close(weir_outbox_target *opened)
{
    struct file_target *target = (struct file_target *)opened;
    if (target == NULL) {
        return;
    }
    target_close(target);
    wr_json_plan_close(target->plan);
    wr_file_progress_fini(&target->progress);
    wr_error_fini(&target->error);
    if (target->owns_environment) {
        wr_environment_close(target->environment);
    }
    wr_free(target->directory);
    wr_free(target->progress_path);
    wr_free(target->lock_path);
    wr_free(target->lines);
    wr_free(target);
}
