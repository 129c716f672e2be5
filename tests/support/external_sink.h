// A sink into a system that outlives the job's crashes, for tests: rows show when the checkpoint
// that counts them is committed. Rows have no strings.
//
//   external (of the test) <--- commit --- prepared, by token <--- prepare --- set aside, per task
//
// It asserts what a sink is promised: what is prepared is committed once or withdrawn, tokens of
// a restore are known, nothing else is shown.
#ifndef EXTERNAL_SINK_H
#define EXTERNAL_SINK_H

#include "runtime/connector.h"
#include <pthread.h>

struct external_piece {
    uint64_t token;
    uint32_t row_count;
    bool     is_committed;
    char    *rows;
};

struct external {
    pthread_mutex_t        lock;
    uint32_t               row_bytes;
    struct external_piece *pieces;
    uint32_t               piece_count, piece_capacity;
    char                  *rows; // committed, in the order of commits
    uint64_t               row_count, row_capacity;
    uint64_t               next_token;
    uint32_t               fails_in;         // the so many-th commit from now fails once; 0: none
    uint32_t               prepare_fails_in; // the same of prepares
    bool                   is_down;          // nothing can be opened
    uint64_t               recoveries, withdrawn, committed_late;
};

void external_init(struct external *external, uint32_t row_bytes);
void external_fini(struct external *external);

// `external` outlives the job.
weir_stream external_sink(weir_stream in, const char *name, struct external *external);

#endif // EXTERNAL_SINK_H
