// scan: what read, tail and export do: a reader from a place on, its rows printed, to an end.
//
// Thread rule: the main thread's.
#ifndef WR_CLI_SCAN_H
#define WR_CLI_SCAN_H

#include "cli/log/command.h"
#include "cli/log/print.h"

struct wr_scan {
    const struct wr_command *command;
    struct wr_print_options  print;
    int                      file;      // where to
    bool                     follows;   // else it ends at the end
    bool                     shows_bar; // of progress, if stderr is a terminal

    // Afterwards.
    uint64_t records, bytes;
    bool     is_cut_off; // nobody reads what is written any more, or a signal came
};

// The exit code. A reader that went away, and an interrupted `follows`, are 0.
int wr_scan_run(struct wr_scan *scan);

#endif // WR_CLI_SCAN_H
