// job: the payments job: one stream of events, up to six views of it.
#ifndef PAYMENTS_JOB_H
#define PAYMENTS_JOB_H

#include "ends.h"

typedef struct payments_options {
    payments_ends ends;
    uint32_t      views; // a bit each: see payments_choose_views
} payments_options;

// The job, to be run and closed by the caller. A mistake is kept in it.
weir_job *payments_job_open(const payments_options *options);

// After a run: counts what was read and what remains of each view, into DIRECTORY/summary.json, or
// on stdout where the views go to a log. False, with a sentence on stderr, if that cannot be
// written.
bool payments_write_summary(const weir_job *job, const payments_options *options);

#endif // PAYMENTS_JOB_H
