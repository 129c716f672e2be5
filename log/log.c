// The handle: opening and closing it, what it says of failures, and the type of weir_log_text.
//
// A writer opens in this order: directory, lock and epoch, commits, all topics (which recovers
// them), transactions. It closes in the reverse order, and the lock goes last.
#include "log/log.h"

#include "log/catalog.h"
#include "log/commit.h"
#include "log/transactions.h"
#include "log/upkeep.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL     WEIR_MILLISECONDS(10)
#define BUFFER_BYTES (64u << 20)
#define MARK_AFTER   WEIR_MILLISECONDS(100)

// ---- sentences ----

static char *sentence_of(const char *format, va_list arguments)
{
    WR_ASSERT(format != NULL);
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    WR_ASSERT(length >= 0);
    char *const sentence = wr_alloc((size_t)length + 1);
    (void)vsnprintf(sentence, (size_t)length + 1, format, arguments);
    return sentence;
}

weir_status wr_log_fail(struct wr_log_error *error, weir_status status, const char *sentence, ...)
{
    WR_ASSERT(status != WEIR_OK);
    va_list arguments;
    va_start(arguments, sentence);
    char *const made = sentence_of(sentence, arguments); // may quote the one before
    va_end(arguments);
    wr_free(error->sentence);
    *error = (struct wr_log_error){ status, made };
    return status;
}

void wr_log_error_fini(struct wr_log_error *error)
{
    wr_free(error->sentence);
    *error = (struct wr_log_error){ .status = WEIR_OK };
}

weir_status wr_log_status_of(int error)
{
    switch (error < 0 ? -error : error) {
    case 0: return WEIR_OK;
    case ENOSPC:
    case EDQUOT: return WEIR_FULL;
    case ENOENT: return WEIR_NOT_FOUND;
    case EIO: return WEIR_DISK_FAILED;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return WEIR_NO_MEMORY;
    default: return WEIR_UNREACHABLE;
    }
}

weir_status wr_log_keep(weir_log *log, struct wr_log_error *error)
{
    const weir_status status = error->status;
    WR_ASSERT(status != WEIR_OK && error->sentence != NULL);
    (void)pthread_mutex_lock(&log->lock);
    wr_log_error_fini(&log->error);
    log->error = *error;
    (void)pthread_mutex_unlock(&log->lock);
    *error = (struct wr_log_error){ .status = WEIR_OK };
    return status;
}

const char *weir_log_error(const weir_log *log)
{
    if (log == NULL) {
        return weir_status_sentence(WEIR_NO_MEMORY);
    }
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&log->lock; // of a log that is not const
    (void)pthread_mutex_lock(lock);
    const char *sentence = log->error.sentence;
    (void)pthread_mutex_unlock(lock);
    return sentence == NULL ? "" : sentence;
}

void wr_log_warn(const weir_log *log, const char *sentence, ...)
{
    va_list arguments;
    va_start(arguments, sentence);
    char *const made = sentence_of(sentence, arguments);
    va_end(arguments);
    if (log->options.warn != NULL) {
        log->options.warn(log->options.opaque, made);
    } else {
        (void)fprintf(stderr, "weir: %s\n", made);
    }
    wr_free(made);
}

// ---- opening ----

static weir_log_options options_of(const weir_log_options *options)
{
    weir_log_options filled = options != NULL ? *options : (weir_log_options){ 0 };
    filled.interval         = filled.interval == 0 ? INTERVAL : filled.interval;
    filled.buffer_bytes     = filled.buffer_bytes == 0 ? BUFFER_BYTES : filled.buffer_bytes;
    filled.mark_after       = filled.mark_after == 0 ? MARK_AFTER : filled.mark_after;
    return filled;
}

static weir_status options_check(weir_log *log)
{
    const weir_log_options *options = &log->options;
    if (log->directory[0] == 0) {
        return wr_log_fail(&log->error, WEIR_USAGE, "log: the directory has no name");
    }
    if (options->creates && !options->writes) {
        return wr_log_fail(&log->error, WEIR_USAGE,
                           "log %s: only who writes makes a log: set .writes too, or leave "
                           ".creates out",
                           log->directory);
    }
    if ((int)options->durability < WEIR_DURABLE || (int)options->durability > WEIR_DURABLE_OS) {
        return wr_log_fail(&log->error, WEIR_USAGE,
                           "log %s: durability %d is none that is known; choose one of "
                           "weir_durability",
                           log->directory, (int)options->durability);
    }
    if (options->interval < 0 || options->mark_after < 0) {
        return wr_log_fail(&log->error, WEIR_USAGE,
                           "log %s: interval is %lld us and mark_after %lld us; choose 0 (the "
                           "default) or more",
                           log->directory, options->interval, options->mark_after);
    }
    return WEIR_OK;
}

// Set aside when all is open, so that opening may use the room.
static void see_to_ballast(weir_log *log)
{
    wr_commit_enter(log->commit);
    log->commit->has_ballast = wr_catalog_take_ballast(log);
    if (!log->commit->has_ballast) {
        wr_log_warn(log,
                    "log %s: there is no room to set %u MiB aside for a full disk; make room soon",
                    log->directory, WR_BALLAST_BYTES >> 20);
    }
    wr_commit_leave(log->commit);
}

// A weaker durability says what it may cost.
static void warn_of_loss(const weir_log *log)
{
    if (log->options.durability == WEIR_DURABLE_INTERVAL) {
        wr_log_warn(
            log,
            "log %s: durability interval: if the machine crashes, up to the last %lld ms of "
            "acknowledged records may be lost; a crash of the process loses none",
            log->directory, log->options.interval / 1000);
    } else if (log->options.durability == WEIR_DURABLE_OS) {
        wr_log_warn(log,
                    "log %s: durability os: if the machine crashes, acknowledged records that the "
                    "system has not written yet may be lost, typically those of the last 30 s; a "
                    "crash of the process loses none",
                    log->directory);
    }
}

static weir_status open_writer(weir_log *log)
{
    weir_status status = wr_catalog_lock(log);
    if (status == WEIR_OK) {
        status = wr_commit_start(log);
    }
    if (status == WEIR_OK) {
        status = wr_catalog_open_topics(log, &log->error);
    }
    if (status == WEIR_OK) {
        status = wr_transactions_open_writer(log);
    }
    if (status == WEIR_OK) {
        see_to_ballast(log);
        warn_of_loss(log);
        wr_commit_begin_upkeep(log->commit);
    }
    return status;
}

static void log_let_go(weir_log *log)
{
    wr_transactions_close(log->transactions);
    log->transactions = NULL;
    wr_catalog_close_topics(log);
    if (log->commit != NULL) {
        wr_upkeep_close(log);
        wr_commit_close(log->commit);
        log->commit = NULL;
    }
    wr_catalog_unlock(log);
}

weir_status wr_log_open_in(struct wr_environment *environment, const char *directory,
                           const weir_log_options *options, weir_log **log)
{
    weir_log *opened    = wr_alloc(sizeof(*opened));
    opened->environment = environment;
    opened->directory   = wr_copy_text(directory == NULL ? "" : directory);
    opened->options     = options_of(options);
    opened->lock_file   = -1;
    (void)pthread_mutex_init(&opened->lock, NULL);
    (void)pthread_mutex_init(&opened->catalog_lock, NULL);
    *log = opened;

    weir_status status = options_check(opened);
    if (status == WEIR_OK) {
        status = wr_catalog_open(opened);
    }
    if (status == WEIR_OK && opened->options.writes) {
        status = open_writer(opened);
    }
    if (status != WEIR_OK) {
        if (opened->commit != NULL) {
            wr_upkeep_stop(opened);
            (void)wr_commit_stop(opened);
        }
        log_let_go(opened); // so that the next may have it before this handle is closed
        return status;
    }
    wr_log_error_fini(&opened->error);
    return WEIR_OK;
}

weir_status weir_log_open(const char *directory, const weir_log_options *options, weir_log **log)
{
    struct wr_environment *environment = wr_environment_open_real();
    const weir_status      status      = wr_log_open_in(environment, directory, options, log);
    (*log)->owns_environment           = true;
    return status;
}

weir_status weir_log_close(weir_log *log)
{
    if (log == NULL) {
        return WEIR_OK;
    }
    weir_status status = wr_handles_check(log);
    if (status != WEIR_OK) {
        return status;
    }
    if (log->commit != NULL) {
        wr_upkeep_stop(log);
        status = wr_commit_stop(log);
    }
    log_let_go(log);
    if (log->owns_environment) {
        wr_environment_close(log->environment);
    }
    wr_log_error_fini(&log->error);
    (void)pthread_mutex_destroy(&log->catalog_lock);
    (void)pthread_mutex_destroy(&log->lock);
    wr_free(log->directory);
    wr_free(log);
    return status;
}

// ---- text ----

// By hand: WEIR_RECORD would give the type the name of the call.
static const weir_field text_fields[] = {
    { .name   = "key",
      .offset = offsetof(weir_log_text, key),
      .size   = sizeof(weir_str),
      .kind   = WEIR_KIND_STR,
      .count  = 1 },
    { .name   = "value",
      .offset = offsetof(weir_log_text, value),
      .size   = sizeof(weir_str),
      .kind   = WEIR_KIND_STR,
      .count  = 1 },
};

static const weir_type text_type = { .name        = "weir_log_text",
                                     .fields      = text_fields,
                                     .field_count = WR_COUNT_OF(text_fields),
                                     .size        = sizeof(weir_log_text),
                                     .align       = _Alignof(weir_log_text) };

const weir_type *weir_log_text_type(void) { return &text_type; }
