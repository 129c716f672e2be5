#include "runtime/plan/restart.h"

#include <stdio.h>
#include <string.h>

#define DELAY_US   1000000
#define LONGEST_US 60000000
#define RESET_US   600000000
#define WINDOW_US  600000000
#define MOST       3u // failures within the window

void wr_restarts_init(struct wr_restarts *restarts, const weir_restart *rule)
{
    *restarts        = (struct wr_restarts){ .rule = *rule };
    weir_restart *r  = &restarts->rule;
    r->delay         = r->delay > 0 ? r->delay : DELAY_US;
    r->longest_delay = r->longest_delay > 0 ? r->longest_delay : LONGEST_US;
    r->reset_after   = r->reset_after > 0 ? r->reset_after : RESET_US;
    r->window        = r->window > 0 ? r->window : WINDOW_US;
    if (r->kind == WEIR_RESTART_RATE) {
        r->most            = r->most > 0 ? r->most : MOST;
        restarts->failures = wr_alloc(r->most * sizeof(*restarts->failures));
    }
    restarts->delay_us = r->delay;
}

void wr_restarts_fini(struct wr_restarts *restarts) { wr_free(restarts->failures); }

void wr_restarts_begin(struct wr_restarts *restarts, int64_t now_us)
{
    restarts->started_us = now_us;
}

static bool may_get_better(weir_status status)
{
    switch (status) {
    case WEIR_FAILED:
    case WEIR_UNREACHABLE:
    case WEIR_TIMED_OUT:
    case WEIR_NO_MEMORY:
    case WEIR_FULL:
    case WEIR_DISK_FAILED: return true;
    default: return false;
    }
}

// Whether this failure is one of more than `most` within the window; notes it.
static bool rate_is_passed(struct wr_restarts *restarts, int64_t now_us)
{
    const weir_restart *rule = &restarts->rule;
    uint32_t            kept = 0;
    for (uint32_t i = 0; i < restarts->failure_count; i++) {
        if (now_us - restarts->failures[i] < rule->window) {
            restarts->failures[kept++] = restarts->failures[i];
        }
    }
    restarts->failure_count = kept;
    if (kept == rule->most) {
        return true;
    }
    restarts->failures[restarts->failure_count++] = now_us;
    return false;
}

bool wr_restarts_again(struct wr_restarts *restarts, weir_status status, int64_t now_us,
                       int64_t *delay_us)
{
    const weir_restart *rule = &restarts->rule;
    if (rule->kind == WEIR_RESTART_NONE || !may_get_better(status)) {
        return false;
    }
    if (rule->kind == WEIR_RESTART_EXPONENTIAL &&
        now_us - restarts->started_us >= rule->reset_after) {
        restarts->delay_us = rule->delay; // it had run well for long
        restarts->count    = 0;
    }
    if (rule->kind == WEIR_RESTART_RATE ? rate_is_passed(restarts, now_us)
                                        : rule->most > 0 && restarts->count == rule->most) {
        return false;
    }
    restarts->count++;
    *delay_us = restarts->delay_us;
    if (rule->kind == WEIR_RESTART_EXPONENTIAL) {
        restarts->delay_us = restarts->delay_us > rule->longest_delay / 2 ? rule->longest_delay
                                                                          : restarts->delay_us * 2;
    }
    return true;
}

void wr_job_forget_failure(weir_job *job, const struct wr_restarts *restarts, int64_t delay_us)
{
    (void)fprintf(stderr, "weir: %s; restart %u in %.1f s\n", job->error, restarts->count,
                  (double)delay_us / 1e6);
    wr_free(job->error);
    job->error        = NULL;
    job->error_status = WEIR_OK;
}
