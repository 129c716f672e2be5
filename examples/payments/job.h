// job: the payments job: one stream of events, six views of it.
#ifndef PAYMENTS_JOB_H
#define PAYMENTS_JOB_H

#include <weir/job.h>

typedef struct payments_options {
    const char *input;     // a file, a glob, a directory, or - for stdin
    const char *directory; // of the outputs; exists
    bool        follow;    // wait for more at the end of a file
    double      rate;      // lines a second; 0: as fast as it goes
} payments_options;

// The job, to be run and closed by the caller. A mistake is kept in it.
weir_job *payments_job_open(const payments_options *options);

// After a run: counts what was read and what remains of each view, into DIRECTORY/summary.json.
// False, with a sentence on stderr, if that cannot be written.
bool payments_write_summary(const weir_job *job, const char *directory);

#endif // PAYMENTS_JOB_H
