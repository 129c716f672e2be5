// A system outside that an outbox publishes to, for tests: it outlives publishers, and its network
// loses connections and answers, delays requests, and delivers them twice.
//
//   publisher --> link --request--> network --> outside: epoch, progress, values of each partition
//
// Like a broker it compares epochs and the numbers of requests, and nothing else: that each
// transaction starts where the partition stands is the publisher's to keep, and is checked here.
// A record's value is its first eight bytes.
#ifndef OUTSIDE_H
#define OUTSIDE_H

#include "tests/support/trial.h"
#include <weir/outbox.h>

#define OUTSIDE_PARTITIONS 4
#define OUTSIDE_DELAYED    8

typedef struct outside_event {
    uint64_t value;
} outside_event;
WEIR_RECORD(outside_event, value);

enum outside_trouble {
    OUTSIDE_FINE,
    OUTSIDE_LOST,   // the connection is lost, and nothing happens
    OUTSIDE_DEAF,   // it happens, and the connection is lost before the answer
    OUTSIDE_LATE,   // a commit: the connection is lost, and the request arrives later
    OUTSIDE_TWICE,  // a commit: it happens, and arrives once more, later
    OUTSIDE_REFUSES // it answers that it never will
};

enum outside_call { OUTSIDE_OPEN, OUTSIDE_PROGRESS, OUTSIDE_BEGIN, OUTSIDE_WRITE, OUTSIDE_COMMIT };

struct outside_request {
    bool              is_there;
    uint64_t          number; // of requests
    weir_outbox_place place;
    char              id[WEIR_OUTBOX_ID_BYTES];
    uint64_t         *values;
    uint32_t          count;
};

struct outside {
    uint64_t epoch, publisher; // of the last opening
    uint64_t requests, last_done;
    struct outside_partition {
        weir_outbox_progress progress;
        uint64_t            *values;
        uint32_t             count;
    } partitions[OUTSIDE_PARTITIONS];
    struct outside_request delayed[OUTSIDE_DELAYED];

    // Trouble: of the next call of a kind; or of one call in so many, drawn (0: of none).
    enum outside_trouble next[OUTSIDE_COMMIT + 1];
    struct trial_random *random;
    uint32_t             one_in;
    // Asked for each value that arrives (NULL: nobody).
    void (*arrives)(void *opaque, uint32_t partition, uint64_t value);
    void    *opaque;
    uint64_t opened, commits, fenced, late_done, late_dropped;
};

void outside_init(struct outside *outside);
void outside_fini(struct outside *outside);
// One of the delayed requests arrives, if there are any.
void outside_deliver(struct outside *outside);
// The values of a partition: "1 2 3 "; valid until the next call.
const char *outside_text(const struct outside *outside, uint32_t partition);

// A publisher's way to it; it ends after the publisher.
struct outside_link {
    weir_outbox_target     target;
    struct outside        *outside;
    bool                   is_open, is_lost;
    uint64_t               epoch;
    char                   id[WEIR_OUTBOX_ID_BYTES];
    struct outside_request transaction;
    const char            *sentence;
};
void outside_link_init(struct outside_link *link, struct outside *outside);
void outside_link_fini(struct outside_link *link);

#endif // OUTSIDE_H
