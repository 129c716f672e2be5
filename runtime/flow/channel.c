// A channel: full batches forward, empty ones back, and the control batch on the same two rings.
//
//      sender's      spare -> spare -> spare      control (at home)
//                      |                            |
//                      +--------> forward ring ---->+----> receiver
//                      ^                                     |
//                      +--------- back ring <----------------+
//
// Invariants
//   I1   spare + taken + in forward + held + in back = credits + 1, the one being the control batch
//   I3   barriers' numbers rise; the control batch carries a barrier or the end only, so that a
//        barrier finds it at home; drain and watermarks take data credit
//   I8   batch n + 1 follows batch n: the receiver checks the sender's numbers
//   I9   watermarks do not fall; no row and no second drain follow a drain; nothing follows an end
//
// Waking. Send wakes the receiver's worker. Return wakes the sender's only if the sender was
// refused and has not got since what it asked for (`wanted`); otherwise it sleeps for want of
// input, and an empty batch would wake it for nothing. Refused, the sender tells what it wants and
// looks into the back ring once more; the receiver pushes and then looks at `wanted`; look.h says
// why one of them sees the other.
//
// Threads: the sender's part is written by the sender, the receiver's by the receiver; `wanted` is
// written by the sender and read by the receiver.
#include "runtime/flow/flow.h"
#include "runtime/flow/look.h"
#include "runtime/flow/ring.h"

// What the sender was refused; or-ed.
enum { WANTS_EMPTY = 1, WANTS_CONTROL = 2 };

// A line for each writer: NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct wr_channel {
    // Fixed.
    const struct wr_batch_layout *layout;
    struct wr_park               *receiver_park;
    struct wr_park               *sender_park;
    struct wr_batch              *control;
    struct wr_batch             **batches; // all but control
    uint32_t                      credits;

    // The sender's.
    _Alignas(WR_CACHE_LINE) struct wr_batch *spare; // cleared; the last to come back is first
    uint64_t  sent;
    uint64_t  last_barrier;
    weir_time last_watermark;
    uint32_t  spare_count; // control not counted
    uint32_t  taken_count; // in the sender's hands, control counted
    bool      is_control_home;
    bool      is_drained;
    bool      is_ended;

    _Alignas(WR_CACHE_LINE) uint32_t wanted;

    // The receiver's.
    _Alignas(WR_CACHE_LINE) uint64_t received;
    uint32_t held_count;

    struct wr_ring forward;
    struct wr_ring back;
};

// ---- open and close ----

struct wr_channel *wr_channel_open(const struct wr_channel_options *options)
{
    WR_ASSERT(options->layout != NULL && options->credits >= 2);
    struct wr_channel *channel = wr_alloc_aligned(sizeof(*channel), WR_CACHE_LINE);
    channel->layout            = options->layout;
    channel->receiver_park     = options->receiver_park;
    channel->sender_park       = options->sender_park;
    channel->credits           = options->credits;
    channel->last_watermark    = WEIR_TIME_MIN;
    wr_ring_open(&channel->forward, options->credits + 1);
    wr_ring_open(&channel->back, options->credits + 1);

    channel->control = wr_alloc_aligned(sizeof(*channel->control), WR_CACHE_LINE);
    wr_batch_clear(channel->control, channel->layout);
    channel->is_control_home = true;
    channel->batches         = wr_alloc(options->credits * sizeof(struct wr_batch *));
    for (uint32_t i = 0; i < options->credits; i++) {
        channel->batches[i]       = wr_batch_open(options->layout);
        channel->batches[i]->next = channel->spare;
        channel->spare            = channel->batches[i];
    }
    channel->spare_count = options->credits;
    return channel;
}

void wr_channel_close(struct wr_channel *channel)
{
    if (channel == NULL) {
        return;
    }
    for (uint32_t i = 0; i < channel->credits; i++) {
        wr_batch_close(channel->batches[i]);
    }
    wr_batch_close(channel->control);
    wr_free(channel->batches);
    wr_ring_close(&channel->forward);
    wr_ring_close(&channel->back);
    wr_free(channel);
}

// ---- sender ----

// Puts a batch back to where the sender takes from.
static void channel_put_home(struct wr_channel *channel, struct wr_batch *batch)
{
    wr_batch_clear(batch, channel->layout);
    if (batch == channel->control) {
        WR_ASSERT(!channel->is_control_home);
        channel->is_control_home = true;
        return;
    }
    batch->next    = channel->spare;
    channel->spare = batch;
    channel->spare_count++;
    WR_ASSERT(channel->spare_count <= channel->credits);
}

static void channel_refill(struct wr_channel *channel)
{
    struct wr_batch *batch;
    while ((batch = wr_ring_pop(&channel->back)) != NULL) {
        channel_put_home(channel, batch);
    }
}

static bool channel_has(const struct wr_channel *channel, uint32_t want)
{
    return want == WANTS_CONTROL ? channel->is_control_home : channel->spare != NULL;
}

// Whether what the sender wants is there. If not, the next return will wake it.
static bool channel_look(struct wr_channel *channel, uint32_t want)
{
    channel_refill(channel);
    const uint32_t wanted = __atomic_load_n(&channel->wanted, __ATOMIC_RELAXED);
    if (WR_LIKELY(channel_has(channel, want))) {
        if ((wanted & want) != 0) {
            // Relaxed: a receiver that still sees the old one wakes the sender once too often.
            __atomic_store_n(&channel->wanted, wanted & ~want, __ATOMIC_RELAXED);
        }
        return true;
    }
    if ((wanted & want) == 0) {
        // Pairs with the look in wr_channel_return.
        wr_tell_before_looking(&channel->wanted, wanted | want);
        channel_refill(channel);
    }
    return channel_has(channel, want);
}

bool wr_channel_has_empty(struct wr_channel *channel) { return channel_look(channel, WANTS_EMPTY); }

struct wr_batch *wr_channel_take_empty(struct wr_channel *channel)
{
    if (!channel_look(channel, WANTS_EMPTY)) {
        return NULL;
    }
    struct wr_batch *batch = channel->spare;
    channel->spare         = batch->next;
    batch->next            = NULL;
    channel->spare_count--;
    channel->taken_count++;
    return batch;
}

struct wr_batch *wr_channel_take_control(struct wr_channel *channel)
{
    if (!channel_look(channel, WANTS_CONTROL)) {
        return NULL;
    }
    channel->is_control_home = false;
    channel->taken_count++;
    return channel->control;
}

void wr_channel_keep(struct wr_channel *channel, struct wr_batch *batch)
{
    WR_ASSERT(channel->taken_count > 0);
    channel->taken_count--;
    channel_put_home(channel, batch);
}

WEIR_UNUSED static bool channel_owns(const struct wr_channel *channel, const struct wr_batch *batch)
{
    bool is_own = batch == channel->control;
    for (uint32_t i = 0; i < channel->credits && !is_own; i++) {
        is_own = batch == channel->batches[i];
    }
    return is_own;
}

// The order of what a channel carries, checked where it is made (I3, I9).
static void channel_note_control(struct wr_channel *channel, const struct wr_batch *batch)
{
    WR_ASSERT(!channel->is_ended);
    WR_ASSERT(!channel->is_drained || batch->row_count == 0);
    if (batch->watermark != WEIR_TIME_MIN) {
        WR_ASSERT(batch->watermark >= channel->last_watermark);
        channel->last_watermark = batch->watermark;
    }
    switch (batch->control) {
    case WR_CONTROL_NONE: break;
    case WR_CONTROL_BARRIER:
        WR_ASSERT(batch->barrier > channel->last_barrier);
        channel->last_barrier = batch->barrier;
        break;
    case WR_CONTROL_DRAIN:
        WR_ASSERT(!channel->is_drained);
        channel->is_drained = true;
        break;
    case WR_CONTROL_END: channel->is_ended = true; break;
    }
    WR_ASSERT(batch != channel->control || batch->control == WR_CONTROL_BARRIER ||
              batch->control == WR_CONTROL_END);
}

void wr_channel_send(struct wr_channel *channel, struct wr_batch *batch)
{
    WR_ASSERT(channel->taken_count > 0);
    WR_CHECK(channel_owns(channel, batch));
    WR_DEEP(wr_batch_is_valid(batch, channel->layout));
    channel_note_control(channel, batch);
    batch->sequence = channel->sent++;
    channel->taken_count--;
    wr_ring_push(&channel->forward, batch);
    if (channel->receiver_park != NULL) {
        wr_park_wake_any(channel->receiver_park);
    }
}

bool wr_channel_receiver_is_idle(const struct wr_channel *channel)
{
    return channel->receiver_park != NULL && wr_park_is_idle_any(channel->receiver_park);
}

// ---- receiver ----

bool wr_channel_has_batch(const struct wr_channel *channel)
{
    return wr_ring_count(&channel->forward) > 0;
}

struct wr_batch *wr_channel_receive(struct wr_channel *channel)
{
    struct wr_batch *batch = wr_ring_pop(&channel->forward);
    if (batch == NULL) {
        return NULL;
    }
    WR_ASSERT(batch->sequence == channel->received); // I8
    WR_DEEP(wr_batch_is_valid(batch, channel->layout));
    channel->received++;
    channel->held_count++;
    WR_ASSERT(channel->held_count <= channel->credits + 1); // I1
    return batch;
}

void wr_channel_return(struct wr_channel *channel, struct wr_batch *batch)
{
    WR_ASSERT(channel->held_count > 0); // I1
    WR_CHECK(channel_owns(channel, batch));
    channel->held_count--;
    wr_ring_push(&channel->back, batch);
    // Pairs with the telling in channel_look.
    if (channel->sender_park != NULL && wr_look_after_publishing(&channel->wanted) != 0) {
        wr_park_wake_any(channel->sender_park);
    }
}

// ---- readings ----

const struct wr_batch_layout *wr_channel_layout(const struct wr_channel *channel)
{
    return channel->layout;
}

// Its blocks; an overflow comes and goes and is bounded by the layout's max_record_bytes each.
size_t wr_channel_bytes(const struct wr_channel *channel)
{
    return (size_t)channel->credits * channel->layout->block_bytes + sizeof(*channel->control);
}

bool wr_channel_is_whole(const struct wr_channel *channel)
{
    uint32_t spare_count = 0;
    for (const struct wr_batch *batch = channel->spare; batch != NULL; batch = batch->next) {
        spare_count++;
    }
    return spare_count == channel->spare_count &&
           channel->spare_count + (channel->is_control_home ? 1 : 0) + channel->taken_count +
                   wr_ring_count(&channel->forward) + channel->held_count +
                   wr_ring_count(&channel->back) ==
               channel->credits + 1 &&
           channel->received + wr_ring_count(&channel->forward) == channel->sent;
}
