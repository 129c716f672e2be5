// The yardstick's own checks, run by weir-bench --check. Each returns when all holds; it ends the
// program with 1 and the first difference on stderr otherwise, or with 77 when there is no memory
// or no thread for it.
#ifndef WEIR_BENCH_CHECK_H
#define WEIR_BENCH_CHECK_H

void check_histogram(void);
void check_roofs(void);

#endif
