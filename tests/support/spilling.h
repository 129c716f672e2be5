// A pool whose tables spill, to the disk of a simulated environment or to a directory.
#ifndef WEIR_TESTS_SPILLING_H
#define WEIR_TESTS_SPILLING_H

#include "runtime/state/spill.h"

struct spilling {
    struct wr_environment *environment;
    struct wr_pool        *pool;
    struct wr_spill       *spill;
    weir_status            status;   // of the first failure, or WEIR_OK
    char                  *sentence; // its own; NULL
};

void spilling_open(struct spilling *spilling, size_t budget_bytes, uint64_t seed);
void spilling_open_real(struct spilling *spilling, size_t budget_bytes, const char *directory);
void spilling_close(struct spilling *spilling); // after its tables

#endif // WEIR_TESTS_SPILLING_H
