// The progress line; see progress.h.
#include "cli/progress.h"

#include <time.h>

static int64_t now_us(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// Everything read counts, whatever became of it.
static uint64_t events_read(const weir_job *job)
{
    return weir_job_sources_counter(job, WEIR_ROWS_OUT) + weir_job_sources_counter(job, WEIR_LATE) +
           weir_job_sources_counter(job, WEIR_REJECTED);
}

void wr_progress_init(struct wr_progress *progress, weir_job *job, FILE *to, bool is_shown)
{
    *progress            = (struct wr_progress){ .job = job, .to = to, .is_shown = is_shown };
    progress->started_us = progress->shown_us = now_us(CLOCK_MONOTONIC);
}

void wr_progress_bar(FILE *to, uint64_t done, uint64_t total)
{
    enum { BAR_WIDTH = 24 };
    const double   share = total > 0 ? (double)done / (double)total : 0;
    const unsigned full  = share >= 1 ? BAR_WIDTH : (unsigned)(share * BAR_WIDTH);
    (void)fputc('[', to);
    for (unsigned i = 0; i < BAR_WIDTH; i++) {
        (void)fputc(i < full ? '#' : '.', to);
    }
    (void)fprintf(to, "] %3.0f %%  ", share >= 1 ? 100.0 : share * 100);
}

static void print_lag(FILE *to, weir_time watermark)
{
    if (watermark <= WEIR_TIME_MIN || watermark >= WEIR_TIME_MAX) {
        return;
    }
    const double lag = (double)(now_us(CLOCK_REALTIME) - watermark) / 1e6;
    if (lag < 120) {
        (void)fprintf(to, ", watermark %.1f s behind", lag);
    } else {
        char text[WEIR_TIME_TEXT_MAX];
        (void)weir_time_format(watermark / 1000000 * 1000000, text);
        (void)fprintf(to, ", watermark %s", text);
    }
}

void wr_progress_show(struct wr_progress *progress)
{
    if (!progress->is_shown) {
        return;
    }
    const int64_t  now    = now_us(CLOCK_MONOTONIC);
    const uint64_t events = events_read(progress->job);
    const uint64_t total  = weir_job_sources_counter(progress->job, WEIR_BYTES_TOTAL);
    const double   span   = (double)(now - progress->shown_us + 1) / 1e6;
    const double   rate   = (double)(events - progress->shown_events) / span;
    progress->rate        = progress->rate == 0 ? rate : 0.7 * progress->rate + 0.3 * rate;
    (void)fputs("\r\033[K", progress->to);
    if (total > 0) {
        wr_progress_bar(progress->to, weir_job_sources_counter(progress->job, WEIR_BYTES), total);
    }
    (void)fprintf(progress->to, "%.2f M events, %.2f M/s", (double)events / 1e6,
                  progress->rate / 1e6);
    print_lag(progress->to, (weir_time)weir_job_sources_counter(progress->job, WEIR_WATERMARK));
    (void)fflush(progress->to);
    progress->shown_us     = now;
    progress->shown_events = events;
}

void wr_progress_end(struct wr_progress *progress, bool as_json)
{
    const double seconds = (double)(now_us(CLOCK_MONOTONIC) - progress->started_us + 1) / 1e6;
    const double events  = (double)events_read(progress->job);
    if (progress->is_shown) {
        (void)fprintf(progress->to, "\r\033[K%.2f M events in %.2f s, %.2f M/s\n", events / 1e6,
                      seconds, events / seconds / 1e6);
    }
    if (as_json) {
        (void)printf(
            "{\"job\":\"%s\",\"events\":%.0f,\"seconds\":%.6f,\"events_per_second\":%.0f}\n",
            weir_job_name(progress->job), events, seconds, events / seconds);
    }
}
