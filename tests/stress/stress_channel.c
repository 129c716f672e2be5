// Two threads and a channel between them, with few credits, batches of random sizes, random delays
// and parking on both sides. Each row's value is the one before plus one, so that a lost, doubled,
// overtaken or half-written batch shows. Barriers travel on the control batch in between.
#include "runtime/flow/flow.h"
#include "tests/support/trial.h"

#include <sched.h>

struct item {
    uint64_t value;
    uint64_t check; // ~value
};

static const weir_field item_fields[] = {
    { "value", NULL, 0, 8, WEIR_KIND_U64, 1, NULL },
    { "check", NULL, 8, 8, WEIR_KIND_U64, 1, NULL },
};
static const weir_type item_type = { "item", item_fields, 2, sizeof(struct item), 8 };

struct round {
    struct wr_batch_layout layout;
    struct wr_channel     *channel;
    struct wr_park         sender_park;
    struct wr_park         receiver_park;
    uint64_t               seed;
    uint64_t               batches;    // to send, control batches not counted
    uint32_t               lazy;       // one delay in so many batches
    uint32_t               spins_most; // looks before announcing
    uint64_t               rows_sent;
    uint64_t               rows_received;
    uint64_t               barriers_sent;
    uint64_t               barriers_received;
    uint64_t               waits; // of both sides
};

static struct trial_watchdog watchdog;

static void dawdle(struct trial_random *random)
{
    switch (trial_below(random, 8)) {
    case 0: nanosleep(&(struct timespec){ .tv_nsec = trial_below(random, 20000) }, NULL); break;
    case 1: sched_yield(); break;
    default:
        for (volatile uint32_t i = trial_below(random, 2000); i > 0; i--) {
        }
        break;
    }
}

// ---- sender ----

// Without a limit mostly, so that a lost wake-up is seen as no progress.
static int64_t some_timeout(struct trial_random *random)
{
    return trial_one_in(random, 50) ? (int64_t)trial_below(random, 200) : -1;
}

static struct wr_batch *sender_take(struct round *round, struct trial_random *random)
{
    struct wr_batch *batch;
    uint32_t         spins = trial_below(random, round->spins_most + 1);
    while ((batch = wr_channel_take_empty(round->channel)) == NULL) {
        if (spins > 0) {
            spins--;
            continue;
        }
        wr_park_announce(&round->sender_park);
        if (wr_channel_has_empty(round->channel)) {
            wr_park_cancel(&round->sender_park);
        } else {
            __atomic_fetch_add(&round->waits, 1, __ATOMIC_RELAXED);
            wr_park_wait(&round->sender_park, some_timeout(random));
        }
    }
    return batch;
}

static void sender_fill(struct round *round, struct trial_random *random, struct wr_batch *batch)
{
    const uint32_t count = trial_below(random, wr_batch_room(batch) + 1);
    for (uint32_t i = 0; i < count; i++) {
        struct item *item = wr_batch_row(batch, i);
        *item             = (struct item){ round->rows_sent, ~round->rows_sent };
        batch->times[i]   = (weir_time)round->rows_sent;
        batch->row_count  = i + 1;
        round->rows_sent += 1;
    }
    batch->watermark = (weir_time)round->rows_sent;
    batch->is_idle   = count == 0;
}

static void sender_send_barrier(struct round *round)
{
    struct wr_batch *control = wr_channel_take_control(round->channel);
    if (control != NULL) {
        control->control = WR_CONTROL_BARRIER;
        control->barrier = ++round->barriers_sent;
        wr_channel_send(round->channel, control);
    }
}

static void *sender_main(void *opaque)
{
    struct round       *round  = opaque;
    struct trial_random random = { round->seed };
    for (uint64_t n = 0; n < round->batches; n++) {
        struct wr_batch *batch = sender_take(round, &random);
        TRIAL_CHECK(batch->row_count == 0 && batch->control == WR_CONTROL_NONE, "not cleared");
        if (trial_one_in(&random, 20)) {
            wr_channel_keep(round->channel, batch);
            batch = sender_take(round, &random);
        }
        sender_fill(round, &random, batch);
        wr_channel_send(round->channel, batch);
        trial_progress(&watchdog);
        if (trial_one_in(&random, 10)) {
            sender_send_barrier(round);
        }
        if (trial_one_in(&random, round->lazy)) {
            dawdle(&random);
        }
    }
    struct wr_batch *last = sender_take(round, &random);
    last->control         = WR_CONTROL_END;
    wr_channel_send(round->channel, last);
    return NULL;
}

// ---- receiver ----

static struct wr_batch *receiver_receive(struct round *round, struct trial_random *random)
{
    struct wr_batch *batch;
    uint32_t         spins = trial_below(random, round->spins_most + 1);
    while ((batch = wr_channel_receive(round->channel)) == NULL) {
        if (spins > 0) {
            spins--;
            continue;
        }
        wr_park_announce(&round->receiver_park);
        if (wr_channel_has_batch(round->channel)) {
            wr_park_cancel(&round->receiver_park);
        } else {
            __atomic_fetch_add(&round->waits, 1, __ATOMIC_RELAXED);
            wr_park_wait(&round->receiver_park, some_timeout(random));
        }
    }
    return batch;
}

static void receiver_check(struct round *round, const struct wr_batch *batch)
{
    for (uint32_t i = 0; i < batch->row_count; i++) {
        const struct item *item = wr_batch_row(batch, i);
        TRIAL_CHECK(item->value == round->rows_received && item->check == ~item->value &&
                        batch->times[i] == (weir_time)item->value,
                    "row %" PRIu64 " is %" PRIu64 ", %" PRIx64 ", %lld", round->rows_received,
                    item->value, item->check, batch->times[i]);
        round->rows_received++;
    }
    TRIAL_CHECK(batch->control != WR_CONTROL_NONE || batch->is_idle == (batch->row_count == 0),
                "after row %" PRIu64, round->rows_received);
    if (batch->control == WR_CONTROL_BARRIER) {
        round->barriers_received++;
        TRIAL_CHECK(batch->barrier == round->barriers_received,
                    "barrier %" PRIu64 " came as number %" PRIu64, batch->barrier,
                    round->barriers_received);
    }
}

// Up to two batches are held back for a while and returned in any order.
static void *receiver_main(void *opaque)
{
    struct round       *round  = opaque;
    struct trial_random random = { ~round->seed };
    struct wr_batch    *held   = NULL;
    bool                is_end = false;
    while (!is_end) {
        struct wr_batch *batch = receiver_receive(round, &random);
        receiver_check(round, batch);
        is_end = batch->control == WR_CONTROL_END;
        if (held == NULL && trial_one_in(&random, 4)) {
            held = batch;
            continue;
        }
        wr_channel_return(round->channel, batch);
        if (held != NULL && trial_one_in(&random, 2)) {
            wr_channel_return(round->channel, held);
            held = NULL;
        }
        trial_progress(&watchdog);
        if (trial_one_in(&random, round->lazy)) {
            dawdle(&random);
        }
    }
    if (held != NULL) {
        wr_channel_return(round->channel, held);
    }
    return NULL;
}

// ---- rounds ----

static void round_run(struct round *round, uint32_t credits)
{
    pthread_t                       sender, receiver;
    const struct wr_channel_options options = {
        .layout        = &round->layout,
        .credits       = credits,
        .receiver_park = &round->receiver_park,
        .sender_park   = &round->sender_park,
    };
    round->channel = wr_channel_open(&options);
    wr_park_init(&round->sender_park);
    wr_park_init(&round->receiver_park);
    TRIAL_CHECK(pthread_create(&sender, NULL, sender_main, round) == 0, "no thread");
    TRIAL_CHECK(pthread_create(&receiver, NULL, receiver_main, round) == 0, "no thread");
    pthread_join(sender, NULL);
    pthread_join(receiver, NULL);

    TRIAL_CHECK(round->rows_sent == round->rows_received, "%" PRIu64 " sent, %" PRIu64 " received",
                round->rows_sent, round->rows_received);
    TRIAL_CHECK(round->barriers_sent == round->barriers_received, "%" PRIu64 " of %" PRIu64,
                round->barriers_received, round->barriers_sent);
    TRIAL_CHECK(wr_channel_is_whole(round->channel), "a batch is missing");
    wr_channel_close(round->channel);
}

int main(int argc, char **argv)
{
    struct trial_random random = { trial_seed(argc, argv) };
    const uint64_t      rounds = trial_size(8, 24, 200);
    const uint64_t      each   = trial_size(20000, 250000, 1000000);
    uint64_t            rows = 0, batches = 0, waits = 0;
    trial_watchdog_start(&watchdog);
    for (uint64_t i = 0; i < rounds; i++) {
        struct round round = {
            .layout =
                wr_batch_layout_of(&item_type, WR_COLUMN_TIME, 256 + trial_below(&random, 1500)),
            .seed    = trial_next(&random),
            .batches = each,
            .lazy    = i % 3 == 0   ? 20
                       : i % 3 == 1 ? 1000
                                    : 1000000,
        };
        // Slow sides, sides that sleep at once, and sides that meet awake and on their way to
        // sleep.
        round.batches    = i % 3 == 0 ? each / 20 : i % 3 == 1 ? each / 4 : each;
        round.spins_most = i % 3 == 0 ? 0 : i % 3 == 1 ? 20 : 2000;
        round_run(&round, 2 + trial_below(&random, 7));
        wr_batch_layout_fini(&round.layout);
        rows += round.rows_received;
        batches += round.batches;
        waits += round.waits;
    }
    trial_watchdog_stop(&watchdog);
    printf("%" PRIu64 " batches, %" PRIu64 " rows, %" PRIu64 " waits\n", batches, rows, waits);
    printf("cases: %" PRIu64 "\n", rounds);
    return 0;
}
