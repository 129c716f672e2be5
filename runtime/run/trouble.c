// Checkpoints that fail one after the other, as on a full disk: what is said of it, and to whom.
#include "runtime/run/coordinating.h"

#include <stdio.h>

#define TELL_US 10000000 // from one line to the next

// With how many there were before it, if there were.
static void trouble_tell(const struct wr_coordinator *coordinator)
{
    const struct wr_checkpoint_trouble *trouble = &coordinator->trouble;
    char                                tries[64];
    (void)snprintf(tries, sizeof(tries), "; %llu tries have failed in a row",
                   (unsigned long long)trouble->count);
    (void)fprintf(stderr, "weir: %s: checkpoint %llu is given up: %s%s; the job %s\n",
                  coordinator->job, (unsigned long long)coordinator->current, trouble->why.sentence,
                  trouble->count > 1 ? tries : "",
                  trouble->is_final ? "ends when its last checkpoint is made" : "runs on");
}

void wr_trouble_note(struct wr_coordinator *coordinator, weir_status status, const char *why)
{
    struct wr_checkpoint_trouble *trouble = &coordinator->trouble;
    const int64_t                 now     = wr_coordinator_now_us(coordinator);
    const bool is_told = trouble->count > 0 && now - coordinator->told_us < TELL_US &&
                         trouble->is_final == coordinator->is_final; // that it ends now is news
    (void)pthread_mutex_lock(&coordinator->lock);
    trouble->count++;
    trouble->is_final = coordinator->is_final;
    trouble->at_us    = now;
    (void)wr_error_set(&trouble->why, status, "%s", why);
    (void)pthread_mutex_unlock(&coordinator->lock);
    if (!is_told) {
        trouble_tell(coordinator);
        coordinator->told_us = now;
    }
}

void wr_trouble_end(struct wr_coordinator *coordinator)
{
    struct wr_checkpoint_trouble *trouble = &coordinator->trouble;
    if (trouble->count == 0) {
        return;
    }
    (void)fprintf(stderr, "weir: %s: checkpoint %llu is made%s\n", coordinator->job,
                  (unsigned long long)coordinator->current,
                  trouble->why.status == WEIR_FULL ? ": there is room again" : " in time again");
    (void)pthread_mutex_lock(&coordinator->lock);
    trouble->count = 0;
    wr_error_fini(&trouble->why);
    (void)pthread_mutex_unlock(&coordinator->lock);
}

void wr_coordinator_trouble_any(struct wr_coordinator        *coordinator,
                                struct wr_checkpoint_trouble *trouble)
{
    (void)pthread_mutex_lock(&coordinator->lock);
    *trouble     = coordinator->trouble;
    trouble->why = (struct wr_error){ .status = WEIR_OK };
    if (trouble->count > 0) {
        (void)wr_error_set(&trouble->why, coordinator->trouble.why.status, "%s",
                           coordinator->trouble.why.sentence);
    }
    (void)pthread_mutex_unlock(&coordinator->lock);
}
