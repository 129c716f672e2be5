// flow: how records move between tasks.
//
//   batch     a block of rows of one type, with columns beside them, control behind them
//   channel   one sending task, one receiving task: full batches forward, empty ones back
//   credit    an empty batch in the sender's hands; there is no other counter
//   park      where a worker sleeps; whoever gives it work wakes it
//
//      sender task                                                       receiver task
//      wr_channel_take_empty <---- ring of empty batches  <------------- wr_channel_return
//      wr_channel_send       ----> ring of full batches   -------------> wr_channel_receive
//
// Invariants
//   batches of a channel = with the sender + in the forward ring + with the receiver
//                        + in the back ring
//   each ring has at least twice as many slots as the channel has batches: a push never fails
//   a batch is written by its sender until it is sent and by nobody after that
// Threads: the sender's functions belong to one thread at a time, the receiver's to one other.
#ifndef WR_FLOW_H
#define WR_FLOW_H

#include "runtime/base/type.h"

// ---- batch ----

// How a record of a stream relates to what was sent before.
enum wr_change {
    WR_INSERT        = 0,
    WR_UPDATE_AFTER  = 1, // replaces the row of the same identity
    WR_DELETE        = 2, // withdraws it
    WR_UPDATE_BEFORE = 3  // what an update replaces, for operators that subtract
};

// What follows a batch's rows. Control is in band: nothing overtakes it and it overtakes nothing.
enum wr_control {
    WR_CONTROL_NONE    = 0,
    WR_CONTROL_BARRIER = 1, // checkpoint `barrier` lies here
    WR_CONTROL_DRAIN   = 2, // the watermark is WEIR_TIME_MAX from here on
    WR_CONTROL_END     = 3  // nothing comes after this on the channel
};

enum wr_column { WR_COLUMN_TIME = 1, WR_COLUMN_HASH = 2, WR_COLUMN_CHANGE = 4 };

// What the rows of an edge look like; shared by all its batches.
//
//   block:  header | times | hashes | changes | rows -> ...... <- string bytes |
struct wr_batch_layout {
    const weir_type  *type;
    struct wr_strings strings; // of type
    uint32_t          row_size;
    uint32_t          columns;      // enum wr_column, or-ed
    const void       *hashed_by;    // the key whose hashes the hash column holds; NULL: not said
    uint32_t          block_bytes;  // header included
    uint32_t          row_capacity; // rows that fit when no string is long
    uint32_t          times_at, hashes_at, changes_at, rows_at; // byte offsets in the block
    uint32_t          max_record_bytes; // of a row with its strings; 0: 1 MiB + 64 KiB
};

struct wr_batch {
    uint32_t         row_count;
    uint32_t         row_capacity;
    uint32_t         row_size;
    uint32_t         string_begin; // offset of the lowest string byte in the block
    char            *rows;
    weir_time       *times;     // NULL: no such column
    uint64_t        *hashes;    // NULL: no such column
    const void      *hashed_by; // whose hashes they are: the layout's
    uint8_t         *changes;   // enum wr_change; NULL: all are inserts
    weir_time        watermark; // after the rows; WEIR_TIME_MIN: says nothing new
    enum wr_control  control;   // after the watermark
    bool             is_idle;   // the sender has nothing to say about time until the next batch
    uint64_t         barrier;   // WR_CONTROL_BARRIER: the checkpoint's number
    uint64_t         sequence;  // of the channel's batches, from 0; checked by the receiver
    char            *overflow;  // string bytes of a single row that does not fit the block, or NULL
    struct wr_batch *next;      // in its owner's list of spare batches
};

// Fixes a layout: `columns` of enum wr_column, a block of about `block_bytes`. The strings' offsets
// are the layout's; wr_batch_layout_fini frees them.
struct wr_batch_layout wr_batch_layout_of(const weir_type *type, uint32_t columns,
                                          uint32_t block_bytes);
void                   wr_batch_layout_fini(struct wr_batch_layout *layout);

struct wr_batch *wr_batch_open(const struct wr_batch_layout *layout);
void             wr_batch_close(struct wr_batch *batch); // and its overflow
// No rows, no control, no overflow; watermark WEIR_TIME_MIN.
void wr_batch_clear(struct wr_batch *batch, const struct wr_batch_layout *layout);

static inline void *wr_batch_row(const struct wr_batch *batch, uint32_t row)
{
    return batch->rows + (size_t)row * batch->row_size;
}

// The rows after the last that fit now if none had long strings.
static inline uint32_t wr_batch_room(const struct wr_batch *batch)
{
    return batch->overflow != NULL ? 0 : batch->row_capacity - batch->row_count;
}

// Copies the long strings of the row at index row_count (already written there) into the batch and
// counts it in. False, and the row is not counted, when they do not fit; a row that does not fit an
// empty batch gets an overflow block and fits. wr_batch_row_fits_never tells a row over
// max_record_bytes, which the caller must reject first.
bool wr_batch_seal_row(struct wr_batch *batch, const struct wr_batch_layout *layout);
bool wr_batch_row_fits_never(const struct wr_batch_layout *layout, const void *row);
bool wr_batch_is_valid(const struct wr_batch *batch, const struct wr_batch_layout *layout);

// Rows `selection[0..count)` of `from` (all rows from `first` if selection is NULL) are appended to
// `to` with those columns that both have; stops when `to` is full. Returns how many were taken.
uint32_t wr_batch_copy_rows(struct wr_batch *to, const struct wr_batch_layout *layout,
                            const struct wr_batch *from, const uint16_t *selection, uint32_t first,
                            uint32_t count);

// ---- park ----
//
// The worker: spins while it pays, then announces, looks once more at everything it waits for, and
// waits. Everybody else: publishes, then wakes. Publish-then-look and announce-then-look are both
// sequentially consistent on the park's word, so one of the two sees the other.

struct wr_park {
    _Alignas(WR_CACHE_LINE) uint32_t word; // 0 awake, 1 announced, 2 asleep
};

void wr_park_init(struct wr_park *park);
void wr_park_announce(struct wr_park *park);                 // the owner is about to wait
void wr_park_cancel(struct wr_park *park);                   // it found work after all
void wr_park_wait(struct wr_park *park, int64_t timeout_us); // < 0: no limit; returns awake
void wr_park_wake_any(struct wr_park *park);                 // any thread, after publishing
bool wr_park_is_idle_any(struct wr_park *park);              // a hint: announced or asleep

// ---- channel ----

struct wr_channel;

struct wr_channel_options {
    const struct wr_batch_layout *layout;        // kept
    uint32_t                      credits;       // batches, 2 or more
    struct wr_park               *receiver_park; // kept; woken by send; NULL: nobody sleeps
    struct wr_park *sender_park; // kept; woken by return after a refusal; NULL: likewise
};

struct wr_channel *wr_channel_open(const struct wr_channel_options *options);
void               wr_channel_close(struct wr_channel *channel);

// Sender. An empty batch, cleared, now the sender's; NULL: out of credit. The one that came back
// last is handed out first.
struct wr_batch *wr_channel_take_empty(struct wr_channel *channel);
// Whether take_empty would find one: what a worker that announced itself looks at.
bool wr_channel_has_empty(struct wr_channel *channel);
// The header-only control batch; NULL while it is under way. A barrier always finds it at home
// because checkpoint n+1 starts when every control batch of n is back, and because it carries a
// barrier or the end only: a drain takes an empty batch.
struct wr_batch *wr_channel_take_control(struct wr_channel *channel);
// Hands the batch to the receiver and wakes its worker. The batch must be the channel's own.
void wr_channel_send(struct wr_channel *channel, struct wr_batch *batch);
// The sender changed its mind about an empty batch.
void wr_channel_keep(struct wr_channel *channel, struct wr_batch *batch);
// A hint: the receiving worker has announced that it is idle.
bool wr_channel_receiver_is_idle(const struct wr_channel *channel);

// Receiver. The oldest batch, borrowed until it is returned; NULL: none.
struct wr_batch *wr_channel_receive(struct wr_channel *channel);
bool             wr_channel_has_batch(const struct wr_channel *channel);
void             wr_channel_return(struct wr_channel *channel, struct wr_batch *batch);

// Bytes of all its batches; and, with both sides stopped, whether every batch is accounted for.
size_t wr_channel_bytes(const struct wr_channel *channel);
// The layout of its batches; kept.
const struct wr_batch_layout *wr_channel_layout(const struct wr_channel *channel);
bool                          wr_channel_is_whole(const struct wr_channel *channel);

#endif // WR_FLOW_H
