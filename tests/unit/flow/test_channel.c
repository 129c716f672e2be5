#include "runtime/flow/flow.h"
#include "runtime/flow/ring.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <signal.h>

typedef struct item {
    uint64_t value;
} item;
WEIR_RECORD(item, value);

#define CREDITS 3

static struct wr_batch_layout layout;
static struct wr_channel     *channel;
static struct wr_park         sender_park, receiver_park;

static void open_channel(void)
{
    layout                                  = wr_batch_layout_of(&item_type, 0, 1024);
    const struct wr_channel_options options = {
        .layout        = &layout,
        .credits       = CREDITS,
        .receiver_park = &receiver_park,
        .sender_park   = &sender_park,
    };
    wr_park_init(&sender_park);
    wr_park_init(&receiver_park);
    channel = wr_channel_open(&options);
}

static void close_channel(void)
{
    cr_assert(wr_channel_is_whole(channel));
    wr_channel_close(channel);
    wr_batch_layout_fini(&layout);
}

TestSuite(channel, .init = open_channel, .fini = close_channel);

static void send_value(uint64_t value)
{
    struct wr_batch *batch = wr_channel_take_empty(channel);
    cr_assert_not_null(batch);
    ((item *)wr_batch_row(batch, 0))->value = value;
    batch->row_count                        = 1;
    wr_channel_send(channel, batch);
}

static void send_control(struct wr_batch *batch, enum wr_control control, uint64_t barrier)
{
    cr_assert_not_null(batch);
    batch->control = control;
    batch->barrier = barrier;
    wr_channel_send(channel, batch);
}

static struct wr_batch *receive_value(uint64_t value)
{
    struct wr_batch *batch = wr_channel_receive(channel);
    cr_assert_not_null(batch);
    cr_assert_eq(batch->row_count, 1);
    cr_assert_eq(((item *)wr_batch_row(batch, 0))->value, value);
    return batch;
}

Test(channel, delivers_batches_in_the_order_they_were_sent)
{
    send_value(1);
    send_value(2);
    send_value(3);
    for (uint64_t value = 1; value <= 3; value++) {
        wr_channel_return(channel, receive_value(value));
    }
    cr_assert_null(wr_channel_receive(channel));
}

Test(channel, refuses_when_out_of_credit)
{
    for (uint64_t value = 0; value < CREDITS; value++) {
        cr_assert(wr_channel_has_empty(channel));
        send_value(value);
    }
    cr_assert_not(wr_channel_has_empty(channel));
    cr_assert_null(wr_channel_take_empty(channel));
}

Test(channel, a_batch_that_comes_back_is_credit_again)
{
    for (uint64_t value = 0; value < CREDITS; value++) {
        send_value(value);
    }
    wr_channel_return(channel, receive_value(0));
    send_value(CREDITS);
    cr_assert_null(wr_channel_take_empty(channel));
}

Test(channel, a_held_batch_is_no_credit)
{
    send_value(1);
    struct wr_batch *held = receive_value(1);
    send_value(2);
    send_value(3);
    cr_assert_null(wr_channel_take_empty(channel));
    wr_channel_return(channel, held);
    cr_assert_eq(wr_channel_take_empty(channel), held);
    wr_channel_keep(channel, held);
}

Test(channel, hands_out_the_batch_that_came_back_last)
{
    send_value(1);
    send_value(2);
    struct wr_batch *first  = receive_value(1);
    struct wr_batch *second = receive_value(2);
    wr_channel_return(channel, second);
    wr_channel_return(channel, first);
    struct wr_batch *taken = wr_channel_take_empty(channel);
    cr_assert_eq(taken, first);
    wr_channel_keep(channel, taken);
    cr_assert_eq(wr_channel_take_empty(channel), first, "what was kept comes first too");
    wr_channel_keep(channel, first);
}

Test(channel, an_empty_batch_is_cleared)
{
    struct wr_batch *batch = wr_channel_take_empty(channel);
    batch->row_count       = 1;
    batch->watermark       = 5;
    batch->is_idle         = true;
    wr_channel_send(channel, batch);
    wr_channel_return(channel, wr_channel_receive(channel));
    cr_assert_eq(wr_channel_take_empty(channel), batch);
    cr_assert_eq(batch->row_count, 0);
    cr_assert_eq(batch->watermark, WEIR_TIME_MIN);
    cr_assert_not(batch->is_idle);
    wr_channel_keep(channel, batch);
}

Test(channel, a_barrier_fits_when_out_of_credit)
{
    for (uint64_t value = 0; value < CREDITS; value++) {
        send_value(value);
    }
    cr_assert_null(wr_channel_take_empty(channel));
    send_control(wr_channel_take_control(channel), WR_CONTROL_BARRIER, 1);
    for (uint64_t value = 0; value < CREDITS; value++) {
        wr_channel_return(channel, receive_value(value));
    }
    struct wr_batch *control = wr_channel_receive(channel);
    cr_assert_eq(control->control, WR_CONTROL_BARRIER);
    cr_assert_eq(control->row_count, 0);
    wr_channel_return(channel, control);
}

Test(channel, has_one_control_batch)
{
    send_control(wr_channel_take_control(channel), WR_CONTROL_BARRIER, 1);
    cr_assert_null(wr_channel_take_control(channel));
    wr_channel_return(channel, wr_channel_receive(channel));
    struct wr_batch *control = wr_channel_take_control(channel);
    cr_assert_not_null(control);
    cr_assert_eq(control->control, WR_CONTROL_NONE);
    wr_channel_keep(channel, control);
}

Test(channel, the_control_batch_is_no_credit)
{
    send_control(wr_channel_take_control(channel), WR_CONTROL_BARRIER, 1);
    wr_channel_return(channel, wr_channel_receive(channel));
    for (uint64_t value = 0; value < CREDITS; value++) {
        send_value(value);
    }
    cr_assert_null(wr_channel_take_empty(channel));
}

Test(channel, says_whether_a_batch_waits)
{
    cr_assert_not(wr_channel_has_batch(channel));
    send_value(1);
    cr_assert(wr_channel_has_batch(channel));
    wr_channel_return(channel, receive_value(1));
    cr_assert_not(wr_channel_has_batch(channel));
}

Test(channel, sending_wakes_the_receivers_worker)
{
    wr_park_announce(&receiver_park);
    cr_assert(wr_channel_receiver_is_idle(channel));
    send_value(1);
    cr_assert_not(wr_channel_receiver_is_idle(channel));
}

Test(channel, returning_wakes_a_refused_sender)
{
    for (uint64_t value = 0; value < CREDITS; value++) {
        send_value(value);
    }
    cr_assert_null(wr_channel_take_empty(channel));
    wr_park_announce(&sender_park);
    wr_channel_return(channel, receive_value(0));
    cr_assert_not(wr_park_is_idle_any(&sender_park));
}

Test(channel, returning_lets_a_sender_sleep_that_wants_no_credit)
{
    send_value(1);
    wr_park_announce(&sender_park);
    wr_channel_return(channel, receive_value(1));
    cr_assert(wr_park_is_idle_any(&sender_park));
}

Test(channel, getting_one_thing_does_not_forget_the_other)
{
    send_control(wr_channel_take_control(channel), WR_CONTROL_BARRIER, 1);
    cr_assert_null(wr_channel_take_control(channel));
    cr_assert(wr_channel_has_empty(channel));
    wr_park_announce(&sender_park);
    wr_channel_return(channel, wr_channel_receive(channel));
    cr_assert_not(wr_park_is_idle_any(&sender_park), "the control batch was asked for");
}

Test(channel, counts_the_bytes_of_its_batches)
{
    cr_assert_eq(wr_channel_bytes(channel),
                 (size_t)CREDITS * layout.block_bytes + sizeof(struct wr_batch));
}

Test(channel, is_not_whole_while_a_batch_is_missing)
{
    struct wr_batch *batch = wr_channel_take_empty(channel);
    cr_assert(wr_channel_is_whole(channel));
    send_value(1);
    struct wr_batch *held = receive_value(1);
    cr_assert(wr_channel_is_whole(channel));
    wr_channel_return(channel, held);
    wr_channel_keep(channel, batch);
}

// ---- what ends the process ----

Test(channel, nothing_follows_an_end, .signal = SIGABRT)
{
    send_control(wr_channel_take_empty(channel), WR_CONTROL_END, 0);
    send_value(1);
}

Test(channel, no_row_follows_a_drain, .signal = SIGABRT)
{
    send_control(wr_channel_take_empty(channel), WR_CONTROL_DRAIN, 0);
    send_value(1);
}

Test(channel, barriers_may_follow_a_drain)
{
    send_control(wr_channel_take_empty(channel), WR_CONTROL_DRAIN, 0);
    send_control(wr_channel_take_control(channel), WR_CONTROL_BARRIER, 4);
    send_control(wr_channel_take_empty(channel), WR_CONTROL_END, 0);
}

Test(channel, barriers_numbers_rise, .signal = SIGABRT)
{
    send_control(wr_channel_take_empty(channel), WR_CONTROL_BARRIER, 2);
    send_control(wr_channel_take_empty(channel), WR_CONTROL_BARRIER, 2);
}

Test(channel, a_drain_may_not_take_the_barriers_batch, .signal = SIGABRT)
{
    send_control(wr_channel_take_control(channel), WR_CONTROL_DRAIN, 0);
}

Test(channel, a_watermark_does_not_fall, .signal = SIGABRT)
{
    for (weir_time watermark = 2; watermark > 0; watermark--) {
        struct wr_batch *batch = wr_channel_take_empty(channel);
        batch->watermark       = watermark;
        wr_channel_send(channel, batch);
    }
}

Test(channel, a_batch_without_a_watermark_says_nothing_new)
{
    struct wr_batch *batch = wr_channel_take_empty(channel);
    batch->watermark       = 5;
    wr_channel_send(channel, batch);
    send_value(1);
}

Test(channel, what_was_not_received_is_not_returned, .signal = SIGABRT)
{
    wr_channel_return(channel, wr_channel_take_empty(channel));
}

Test(channel, a_batch_out_of_order_is_noticed, .signal = SIGABRT)
{
    send_value(1);
    struct wr_batch *batch = receive_value(1);
    wr_channel_return(channel, batch);
    send_value(2);
    batch->sequence++;
    receive_value(2);
}

// ---- the ring alone ----

Test(ring, has_twice_as_many_slots_as_pointers)
{
    for (uint32_t pointers = 1; pointers < 40; pointers++) {
        struct wr_ring ring;
        wr_ring_open(&ring, pointers);
        cr_assert_geq(ck_ring_capacity(&ring.ring), 2 * pointers);
        wr_ring_close(&ring);
    }
}

Test(ring, keeps_order_where_its_counters_wrap)
{
    static int     things[5];
    struct wr_ring ring;
    wr_ring_open(&ring, 4);
    ring.ring.c_head = ring.ring.p_tail = ring.ring.p_head = UINT_MAX - 10;
    for (uint32_t i = 0; i < 30; i++) {
        wr_ring_push(&ring, &things[i % 5]);
        cr_assert_eq(wr_ring_count(&ring), i < 3 ? i + 1 : 4);
        if (i >= 3) {
            cr_assert_eq(wr_ring_pop(&ring), &things[(i - 3) % 5]);
        }
    }
    wr_ring_close(&ring);
}

Test(ring, gives_nothing_when_empty)
{
    struct wr_ring ring;
    wr_ring_open(&ring, 2);
    cr_assert_null(wr_ring_pop(&ring));
    wr_ring_close(&ring);
}
