// Does not compile, on purpose: is_hot has no const, and is told so in words.
#include <weir.h>

typedef struct reading {
    weir_time at;
    double    celsius;
} reading;
WEIR_RECORD(reading, at, celsius);

static bool is_hot(reading *r) { return r->celsius > 30; }
WEIR_FILTER(hot, reading, is_hot);

int main(void) { return hot.rows == NULL; }
