// progress: how far event time has come.
//
//   watermark   "no record before this is expected any more"; the minimum over the active inputs
//   idle        an input that says nothing about time for now and holds nobody back
//   timers      an index of deadlines; the truth about a timer lies with its key's entry
//
// Thread rule: owned by one task.
#ifndef WR_PROGRESS_H
#define WR_PROGRESS_H

#include "runtime/base/base.h"

// ---- watermarks over several inputs ----

// Invariants (I9, I10): an input's watermark never falls; `current` never falls; an input coming
// back from idle re-enters without lowering it. `current` moves up to the minimum over the active
// inputs, those that are neither idle nor ended, whenever there is one; while there is none it
// stays, except at the end: see wr_watermarks_end.
struct wr_watermarks {
    struct wr_watermark_input {
        weir_time watermark;
        bool      is_idle;
        bool      is_ended;
    } * inputs;
    uint32_t  input_count;
    weir_time current;
    bool      is_idle; // there are inputs that have not ended, and all of them are idle
};

// All inputs start active, at WEIR_TIME_MIN.
void wr_watermarks_init(struct wr_watermarks *watermarks, uint32_t input_count);
void wr_watermarks_fini(struct wr_watermarks *watermarks);
// Input says `watermark` (a lower one than before is ignored) and is active. True if `current`
// moved or the whole stopped being idle.
bool wr_watermarks_set(struct wr_watermarks *watermarks, uint32_t input, weir_time watermark);
// Input has nothing to say for now. True if `current` moved or the whole became idle.
bool wr_watermarks_set_idle(struct wr_watermarks *watermarks, uint32_t input);
// Input is over: it counts no more, neither in the minimum nor among the idle, and says nothing
// more. With the last one `current` becomes WEIR_TIME_MAX if some input had said WEIR_TIME_MAX
// before it ended (it was drained), and otherwise stays what it was. True if `current` or `is_idle`
// changed.
bool wr_watermarks_end(struct wr_watermarks *watermarks, uint32_t input);

// ---- timers ----

// A hierarchical wheel of (deadline, hash): adding and taking cost O(1) amortised. Deadlines may
// lie anywhere in +-2^62, also before those already taken (they come out next; these cost O(log n)
// of their own number).
struct wr_timers;

struct wr_timers *wr_timers_open(void);
void              wr_timers_close(struct wr_timers *timers);
void              wr_timers_add(struct wr_timers *timers, weir_time deadline, uint64_t hash);
// Takes the earliest timer whose deadline is not after `until`; false if there is none. Deadlines
// come out in order; among equal ones no order is promised.
bool wr_timers_take(struct wr_timers *timers, weir_time until, weir_time *deadline, uint64_t *hash);
uint64_t wr_timers_count(const struct wr_timers *timers);
// The earliest deadline; WEIR_TIME_MAX when there is none.
weir_time wr_timers_earliest(const struct wr_timers *timers);

// ---- alignment of sources ----

// How far every partition of every source of a job has come; each entry is written by the task that
// reads the partition, all are read by all source tasks. A partition too far ahead of the slowest
// pauses itself; the one that holds the minimum never does.
struct wr_alignment;

enum wr_partition_state { WR_PARTITION_READING, WR_PARTITION_IDLE, WR_PARTITION_ENDED };

struct wr_alignment *wr_alignment_open(uint32_t partition_count); // all READING at WEIR_TIME_MIN
void                 wr_alignment_close(struct wr_alignment *alignment);
void                 wr_alignment_publish_any(struct wr_alignment *alignment, uint32_t partition,
                                              weir_time watermark, enum wr_partition_state state);
// A partition that is idle reads again: at `watermark`, or at the floor it is held to if that is
// higher, which is returned. No minimum that anyone has taken is above it, and none passes it until
// the partition publishes more.
weir_time wr_alignment_return_any(struct wr_alignment *alignment, uint32_t partition,
                                  weir_time watermark);
// The minimum over the reading partitions; if none reads, the highest ever published.
weir_time wr_alignment_minimum_any(const struct wr_alignment *alignment);
// A wish of a paused partition, by the task that reads it: wake(waker) once, when the minimum has
// come to `wanted`, by whoever publishes that; at once if it already has.
void wr_alignment_await_any(struct wr_alignment *alignment, uint32_t partition, weir_time wanted,
                            void (*wake)(void *waker), void *waker);
// Whether the partition has a wish that is not met.
bool wr_alignment_awaits_any(const struct wr_alignment *alignment, uint32_t partition);

#endif // WR_PROGRESS_H
