// resume: what an earlier `produce`, ended in its middle, has appended already.
//
// Each event and each dead letter in the log stands for one line of the input that need not be
// appended again. Lines are told by what they say, not by how many there are: after a crash one
// partition may have got further than another.
#ifndef PAYMENTS_RESUME_H
#define PAYMENTS_RESUME_H

#include "events.h"

#include <weir/log.h>

// 64-bit marks, each with how often it is there. One thread at a time.
typedef struct payments_marks {
    uint64_t *marks; // open addressing; 0: free
    uint32_t *counts;
    uint64_t  capacity; // a power of two
    uint64_t  used;     // slots
    uint64_t  total;    // marks added
} payments_marks;

typedef struct payments_present {
    payments_marks events;
    payments_marks letters;
} payments_present;

// Reads what is in the log of that directory. A status that is not WEIR_OK has been told on stderr.
weir_status payments_present_read(const char *directory, payments_present *present);

// Those that the log does not have; `present` is kept, and each mark counts once.
weir_stream payments_new_events(weir_stream lines, payments_present *present);
weir_stream payments_new_letters(weir_stream letters, payments_present *present);

#endif // PAYMENTS_RESUME_H
