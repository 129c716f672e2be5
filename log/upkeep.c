#include "log/upkeep.h"

#include "log/transactions.h"
#include "runtime/base/thread.h"

#include <errno.h>
#include <string.h>

struct wr_upkeep {
    weir_log       *log;
    pthread_mutex_t lock; // held while something is done; guards the looks
    struct look {
        const struct wr_partition *partition;
        uint64_t                   bytes;
    } * looks;
    uint32_t look_count;

    pthread_mutex_t state_lock; // guards what follows
    pthread_cond_t  is_wanted;
    bool            is_open, is_asked, is_stopping, has_thread;
    pthread_t       thread;
};

// The log's, made on first use.
static struct wr_upkeep *upkeep_of(weir_log *log)
{
    (void)pthread_mutex_lock(&log->lock);
    if (log->upkeep == NULL) {
        log->upkeep      = wr_alloc(sizeof(*log->upkeep));
        log->upkeep->log = log;
        (void)pthread_mutex_init(&log->upkeep->lock, NULL);
        (void)pthread_mutex_init(&log->upkeep->state_lock, NULL);
        (void)pthread_cond_init(&log->upkeep->is_wanted, NULL);
    }
    struct wr_upkeep *upkeep = log->upkeep;
    (void)pthread_mutex_unlock(&log->lock);
    return upkeep;
}

void wr_upkeep_enter(weir_log *log) { (void)pthread_mutex_lock(&upkeep_of(log)->lock); }

void wr_upkeep_leave(weir_log *log) { (void)pthread_mutex_unlock(&upkeep_of(log)->lock); }

bool wr_upkeep_is_stopping(weir_log *log)
{
    struct wr_upkeep *upkeep = upkeep_of(log);
    (void)pthread_mutex_lock(&upkeep->state_lock);
    const bool is_stopping = upkeep->is_stopping;
    (void)pthread_mutex_unlock(&upkeep->state_lock);
    return is_stopping;
}

weir_status wr_upkeep_check(const struct wr_partition *partition, struct wr_log_error *error)
{
    weir_log *log = partition->topic->log;
    (void)pthread_mutex_lock(&log->lock);
    const bool is_deleted = partition->topic->is_deleted;
    (void)pthread_mutex_unlock(&log->lock);
    return is_deleted
               ? wr_log_fail(error, WEIR_NOT_FOUND,
                             "log %s: topic %s: it was deleted meanwhile; nothing of it is left",
                             log->directory, partition->topic->settings.name)
               : WEIR_OK;
}

bool wr_upkeep_begin_step(struct wr_partition *partition, struct wr_log_error *error)
{
    struct wr_commit *commit = partition->topic->log->commit;
    wr_commit_enter(commit);
    if (wr_commit_poison(commit, error) != WEIR_OK ||
        wr_upkeep_check(partition, error) != WEIR_OK) {
        wr_commit_leave(commit);
        return false;
    }
    return true;
}

weir_status wr_upkeep_end_step(struct wr_partition *partition, weir_status status,
                               const struct wr_log_error *error)
{
    struct wr_commit *commit = partition->topic->log->commit;
    if (status == WEIR_DISK_FAILED) {
        wr_commit_fail(commit, error);
    }
    wr_commit_leave(commit);
    return status;
}

weir_status wr_upkeep_clear(struct wr_partition *partition, weir_status status,
                            struct wr_leftovers *leftovers, struct wr_log_error *error)
{
    struct wr_log_error ours = { .status = WEIR_OK };
    WR_ASSERT(!partition->topic->is_deleted); // whose deletion waits for this piece of work
    const weir_status removed = wr_partition_remove_leftovers(partition, leftovers, &ours);
    if (removed == WEIR_DISK_FAILED) {
        wr_commit_fail(partition->topic->log->commit, &ours);
    }
    if (removed != WEIR_OK && status == WEIR_OK) {
        status = wr_log_fail(error, removed, "%s", ours.sentence);
    }
    wr_log_error_fini(&ours);
    return status;
}

uint64_t *wr_upkeep_compacted_at(struct wr_partition *partition)
{
    struct wr_upkeep *upkeep = upkeep_of(partition->topic->log);
    for (uint32_t i = 0; i < upkeep->look_count; i++) {
        if (upkeep->looks[i].partition == partition) {
            return &upkeep->looks[i].bytes;
        }
    }
    upkeep->looks = wr_realloc(upkeep->looks, (upkeep->look_count + 1) * sizeof(*upkeep->looks));
    upkeep->looks[upkeep->look_count] = (struct look){ partition, 0 };
    return &upkeep->looks[upkeep->look_count++].bytes;
}

struct wr_topic *wr_upkeep_topic(weir_log *log, const char *name, struct wr_log_error *error)
{
    if (log->commit == NULL) {
        (void)wr_log_fail(error, WEIR_USAGE,
                          "log %s: it was opened for reading; upkeep is its writer's, open it with "
                          "`writes`",
                          log->directory);
        return NULL;
    }
    return wr_catalog_check_name(log, "topic", name, error) ? wr_catalog_topic(log, name, error)
                                                            : NULL;
}

// ---- what is due ----

static void upkeep_partition(struct wr_partition *partition)
{
    struct wr_log_error error  = { .status = WEIR_OK };
    uint64_t            bytes  = 0;
    weir_status         status = wr_retain_partition(partition, &bytes, &error);
    if (status == WEIR_OK) {
        status = wr_compact_partition(partition, true, &bytes, &error);
    }
    const bool is_told = status == WEIR_OK || partition->topic->is_deleted ||
                         wr_commit_poison(partition->topic->log->commit, &error) != WEIR_OK;
    if (!is_told) {
        wr_log_warn(partition->topic->log, "%s; upkeep of this partition is tried again later",
                    error.sentence);
    }
    wr_log_error_fini(&error);
}

// Topic number `i` of those that are open; NULL: no such.
static struct wr_topic *upkeep_topic_at(weir_log *log, uint32_t i)
{
    (void)pthread_mutex_lock(&log->lock);
    struct wr_topic *topic = i < log->topic_count ? log->topics[i] : NULL;
    (void)pthread_mutex_unlock(&log->lock);
    return topic;
}

static bool is_kept(weir_log *log, const struct wr_topic *topic)
{
    (void)pthread_mutex_lock(&log->lock);
    const bool is_ours =
        topic->is_deleted || topic->partitions == NULL || topic->settings.name[0] == '.';
    (void)pthread_mutex_unlock(&log->lock);
    return !is_ours;
}

static void upkeep_pass(weir_log *log)
{
    struct wr_topic *topic;
    for (uint32_t i = 0; (topic = upkeep_topic_at(log, i)) != NULL; i++) {
        for (uint32_t p = 0; p < topic->settings.partitions; p++) {
            wr_upkeep_enter(log); // for one partition at a time: who truncates waits no longer
            if (is_kept(log, topic) && !wr_upkeep_is_stopping(log)) {
                upkeep_partition(topic->partitions[p]);
            }
            wr_upkeep_leave(log);
        }
    }
    wr_transactions_tidy(log);
}

// ---- the thread ----

static bool upkeep_wait(struct wr_upkeep *upkeep)
{
    (void)pthread_mutex_lock(&upkeep->state_lock);
    while (!upkeep->is_asked && !upkeep->is_stopping) {
        (void)pthread_cond_wait(&upkeep->is_wanted, &upkeep->state_lock);
    }
    upkeep->is_asked   = false;
    const bool goes_on = !upkeep->is_stopping;
    (void)pthread_mutex_unlock(&upkeep->state_lock);
    return goes_on;
}

static void *upkeep_main(void *opaque)
{
    struct wr_upkeep *upkeep = opaque;
    while (upkeep_wait(upkeep)) {
        upkeep_pass(upkeep->log);
    }
    return NULL;
}

static void upkeep_start(struct wr_upkeep *upkeep)
{
    // If there is none now, it is tried again the next time.
    upkeep->has_thread = wr_thread_start(&upkeep->thread, upkeep_main, upkeep, "weir/upkeep") == 0;
}

void wr_upkeep_open(weir_log *log)
{
    struct wr_upkeep *upkeep = upkeep_of(log);
    (void)pthread_mutex_lock(&upkeep->state_lock);
    upkeep->is_open = true;
    (void)pthread_mutex_unlock(&upkeep->state_lock);
}

void wr_upkeep_run(weir_log *log)
{
    struct wr_upkeep *upkeep       = upkeep_of(log);
    const bool        is_simulated = log->environment->is_simulated;
    (void)pthread_mutex_lock(&upkeep->state_lock);
    const bool goes_on = upkeep->is_open && !upkeep->is_stopping;
    if (goes_on && !is_simulated) {
        if (!upkeep->has_thread) {
            upkeep_start(upkeep);
        }
        upkeep->is_asked = true;
        (void)pthread_cond_signal(&upkeep->is_wanted);
    }
    (void)pthread_mutex_unlock(&upkeep->state_lock);
    if (goes_on && is_simulated) {
        upkeep_pass(log);
    }
}

void wr_upkeep_stop(weir_log *log)
{
    struct wr_upkeep *upkeep = upkeep_of(log);
    (void)pthread_mutex_lock(&upkeep->state_lock);
    upkeep->is_stopping   = true;
    const bool has_thread = upkeep->has_thread;
    upkeep->has_thread    = false;
    (void)pthread_cond_signal(&upkeep->is_wanted);
    (void)pthread_mutex_unlock(&upkeep->state_lock);
    if (has_thread) {
        (void)pthread_join(upkeep->thread, NULL);
    }
}

void wr_upkeep_close(weir_log *log)
{
    struct wr_upkeep *upkeep = log->upkeep;
    if (upkeep == NULL) {
        return;
    }
    (void)pthread_cond_destroy(&upkeep->is_wanted);
    (void)pthread_mutex_destroy(&upkeep->state_lock);
    (void)pthread_mutex_destroy(&upkeep->lock);
    wr_free(upkeep->looks);
    wr_free(upkeep);
    log->upkeep = NULL;
}
