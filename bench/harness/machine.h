// What a figure was measured on: it is printed beside each, because figures of different machines
// do not compare.
#ifndef WEIR_BENCH_MACHINE_H
#define WEIR_BENCH_MACHINE_H

#include <stdio.h>

struct machine {
    char cpu[128];      // "model name" of /proc/cpuinfo, or "unknown"
    char compiler[128]; // the one that compiled the benchmark
    char commit[64];    // of the git checkout in the working directory, or "unknown"
};

void machine_read(struct machine *m);

// Writes `text` as a JSON string, quotes included.
void json_print_string(FILE *out, const char *text);

#endif
