// restart: whether a job that failed is run again, and when.
//
// Thread rule: owned by who runs the job.
#ifndef WR_RESTART_H
#define WR_RESTART_H

#include "runtime/graph/graph.h"

struct wr_restarts {
    weir_restart rule; // with the defaults filled in
    uint32_t     count;
    int64_t      delay_us;   // of the next one
    int64_t      started_us; // of the run at hand
    int64_t     *failures;   // the last rule.most of them, for WEIR_RESTART_RATE
    uint32_t     failure_count;
};

void wr_restarts_init(struct wr_restarts *restarts, const weir_restart *rule);
void wr_restarts_fini(struct wr_restarts *restarts);
// A run begins at `now_us`.
void wr_restarts_begin(struct wr_restarts *restarts, int64_t now_us);
// The run has ended with `status`: whether to wait *delay_us and run again. What will not get
// better by itself (a wrong graph, damage, types that do not fit) is not tried again.
bool wr_restarts_again(struct wr_restarts *restarts, weir_status status, int64_t now_us,
                       int64_t *delay_us);

// Says on stderr what failed and what will be done about it, and clears the job's mistake.
void wr_job_forget_failure(weir_job *job, const struct wr_restarts *restarts, int64_t delay_us);

#endif // WR_RESTART_H
