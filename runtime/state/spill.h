// spill: state larger than memory. Segments of a pool's tables that are not in use go to a file
// when the pool comes to its budget, and come back when they are asked for.
//
//   directory   | segment | spilled | segment | ...        an entry points at either
//                    |         |
//                    |         header, place in the file    128 bytes: all that is left in memory
//                    header, tags, slots, heap
//
// What may go is chosen by a clock with a second chance, over all tables of the pool. What a call
// has handed out pointers into stays until wr_spill_release: between two of these the pool may be
// beyond its budget, by what was asked for in between.
//
// Thread rule: the pool's owner makes every call.
#ifndef WR_SPILL_H
#define WR_SPILL_H

#include "runtime/base/environment.h"
#include "runtime/base/error.h"

struct wr_spill;

struct wr_spill_options {
    struct wr_environment *environment;
    const char            *directory; // copied
    // The file could not be written: the pool goes beyond its budget from now on. Or, with
    // `is_lost`, it could not be read, or is damaged: then entries of tables are missing, which
    // callers may not be able to bear; fail need not return (longjmp), as the tables are sound.
    // Once each at most.
    void (*fail)(void *opaque, weir_status status, const char *sentence, bool is_lost);
    void *opaque;
};

// For the tables that are opened from the pool from now on, within its budget, which is not 0.
// NULL: `error` says why.
struct wr_spill *wr_spill_open(struct wr_pool *pool, const struct wr_spill_options *options,
                               struct wr_error *error);
// After its tables; NULL is fine.
void wr_spill_close(struct wr_spill *spill);

// Pointers that tables of the pool have handed out are void from now on: what they point at may go,
// and does as far as the pool is beyond its budget. NULL is nothing.
void wr_spill_release(struct wr_spill *spill);

// Entries are missing: see fail. NULL: never.
bool wr_spill_has_lost(const struct wr_spill *spill);

struct wr_spill_facts {
    uint64_t segments; // in the file and not in memory
    uint64_t bytes;    // of their blocks
    uint64_t written;  // segments, so far
    uint64_t read;
};
struct wr_spill_facts wr_spill_facts(const struct wr_spill *spill);

#endif // WR_SPILL_H
