// feed: what comes to the standard input of `payments produce` from processes of its own: the
// generator's lines, and lines that wait until their time has come.
//
//   generator --pipe--+                      +--> stdin of this process
//                     +--> pacer ----pipe----+
//   files ------------+
//
// So the job itself never waits for a clock: it reads a pipe on which lines appear in time.
#ifndef PAYMENTS_FEED_H
#define PAYMENTS_FEED_H

#include <stdbool.h>
#include <stdint.h>

typedef struct payments_feed {
    const char *input;  // a file, a glob, a directory, or - for stdin; NULL: the generator
    const char *events; // of the generator; NULL: its default
    const char *seed;
    double      speed;   // of event time against the clock; 0: as fast as it goes
    uint64_t    at_once; // so many lines first do not wait
} payments_feed;

// Starts the processes and makes what they write the standard input. False, with a sentence on
// stderr, if that fails. Before any thread is started.
bool payments_feed_start(const payments_feed *feed);
// Ends them. False if one has failed, which it has said by itself.
bool payments_feed_end(void);

// Writes the input's lines to stdout, each when its time has come; lines of several files in the
// order of their times. Returns the exit code. (A process of payments_feed_start.)
int payments_pace(const payments_feed *feed);

#endif // PAYMENTS_FEED_H
