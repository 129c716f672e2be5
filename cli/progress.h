// What a run tells while it runs: events, rate, how far the watermark lags, and a bar where it is
// known how much there is to read.
#ifndef WR_PROGRESS_LINE_H
#define WR_PROGRESS_LINE_H

#include <stdio.h>
#include <weir/run.h>

struct wr_progress {
    weir_job *job;
    FILE     *to;
    bool      is_shown; // to a terminal
    int64_t   started_us;
    int64_t   shown_us;
    uint64_t  shown_events;
    double    rate; // events a second, smoothed
};

void wr_progress_init(struct wr_progress *progress, weir_job *job, FILE *to, bool is_shown);
void wr_progress_show(struct wr_progress *progress);
// Clears the line; as JSON, prints events, seconds and rate to stdout.
void wr_progress_end(struct wr_progress *progress, bool as_json);

// "[#########.....] 62 %"
void wr_progress_bar(FILE *to, uint64_t done, uint64_t total);

#endif // WR_PROGRESS_LINE_H
