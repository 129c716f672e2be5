// Spreading rows over channels; see exchange.h.
#include "runtime/run/exchange.h"

struct exchange_lane {
    struct wr_channel *channel;
    struct wr_batch   *open;      // being filled; NULL: none
    uint16_t          *selection; // rows of the batch at hand that go here
    uint32_t           count, next;
    weir_time          sent_watermark;
    bool               sent_idle;
    bool               sent_drain;
    bool               sent_end;
    uint64_t           sent_barrier; // the last one
};

struct exchange_node {
    struct wr_node         node;
    struct exchange_lane  *lanes;
    uint32_t               lane_count;
    const struct wr_batch *routed; // the batch whose rows are in the lanes' selections
    uint32_t               selection_capacity;
    uint64_t              *hashes; // of the batch's rows, by row number
    char                  *keys;
    struct wr_key_codec    codec;
    uint32_t               turn;      // WR_EXCHANGE_REBALANCE: whose it is
    int64_t                opened_us; // since when something waits to be flushed; 0: nothing does
    bool                   is_idle;
};

static const struct wr_exchange_options *exchange_options(const struct exchange_node *exchange)
{
    return exchange->node.spec->options;
}

void wr_exchange_connect(struct wr_node *node, struct wr_channel **channels, uint32_t channel_count)
{
    struct exchange_node *exchange = (struct exchange_node *)node;
    exchange->lanes                = wr_alloc(sizeof(*exchange->lanes) * channel_count);
    exchange->lane_count           = channel_count;
    for (uint32_t i = 0; i < channel_count; i++) {
        exchange->lanes[i].channel        = channels[i];
        exchange->lanes[i].sent_watermark = WEIR_TIME_MIN;
    }
}

static bool exchange_open(struct wr_node *node)
{
    struct exchange_node *exchange = (struct exchange_node *)node;
    if (exchange_options(exchange)->key != NULL) {
        exchange->codec = wr_key_codec_of(exchange_options(exchange)->key->key);
    }
    return true;
}

static void exchange_close(struct wr_node *node)
{
    struct exchange_node *exchange = (struct exchange_node *)node;
    for (uint32_t i = 0; i < exchange->lane_count; i++) {
        struct exchange_lane *lane = &exchange->lanes[i];
        if (lane->open != NULL) {
            wr_channel_keep(lane->channel, lane->open);
        }
        wr_free(lane->selection);
    }
    wr_free(exchange->lanes);
    wr_free(exchange->hashes);
    wr_free(exchange->keys);
    if (exchange_options(exchange)->key != NULL) {
        wr_key_codec_fini(&exchange->codec);
    }
}

// ---- lanes ----

static bool lane_open_batch(struct exchange_node *exchange, struct exchange_lane *lane)
{
    if (lane->open == NULL) {
        lane->open = wr_channel_take_empty(lane->channel);
        if (lane->open != NULL && exchange->opened_us == 0) {
            exchange->opened_us = wr_now_us(exchange->node.environment);
        }
    }
    return lane->open != NULL;
}

// ---- which rows go where ----

static void exchange_make_room(struct exchange_node *exchange, const struct wr_batch *batch)
{
    const uint32_t needed = batch->row_count;
    if (needed <= exchange->selection_capacity) {
        return;
    }
    for (uint32_t i = 0; i < exchange->lane_count; i++) {
        exchange->lanes[i].selection =
            wr_realloc(exchange->lanes[i].selection, sizeof(uint16_t) * needed);
    }
    exchange->hashes = wr_realloc(exchange->hashes, sizeof(uint64_t) * needed);
    if (exchange_options(exchange)->key != NULL) {
        wr_free(exchange->keys);
        exchange->keys =
            wr_alloc_aligned((size_t)needed * exchange->codec.type->size + 16, WR_CACHE_LINE);
    }
    exchange->selection_capacity = needed;
}

// The hash of the i-th pending row, for all of them, into `hashes[i]`.
static void exchange_hash(struct exchange_node *exchange, const struct wr_inlet *inlet)
{
    const struct wr_exchange_options *options = exchange_options(exchange);
    const struct wr_batch            *batch   = inlet->batch;
    if (options->kind == WR_EXCHANGE_CUSTOM) {
        for (uint32_t i = 0; i < inlet->count; i++) {
            exchange->hashes[i] =
                options->place(wr_batch_row(batch, wr_inlet_row(inlet, i)), options->opaque);
        }
    } else if (batch->hashes != NULL && batch->hashed_by == options->key) {
        for (uint32_t i = 0; i < inlet->count; i++) {
            exchange->hashes[i] = batch->hashes[wr_inlet_row(inlet, i)];
        }
    } else {
        options->key->rows(batch->rows, inlet->selection, inlet->count, exchange->keys);
        wr_key_hash_many(&exchange->codec, exchange->keys, inlet->count, exchange->node.seed,
                         exchange->hashes);
    }
}

static void exchange_route_by_hash(struct exchange_node *exchange, const struct wr_inlet *inlet)
{
    exchange_hash(exchange, inlet);
    for (uint32_t i = 0; i < inlet->count; i++) {
        struct exchange_lane *lane =
            &exchange->lanes[wr_exchange_task(exchange->hashes[i], exchange->lane_count)];
        lane->selection[lane->count++] = (uint16_t)i;
    }
}

// The next lane in turn that can take rows now; if none can, the next in turn.
static uint32_t exchange_next_with_credit(struct exchange_node *exchange)
{
    for (uint32_t i = 1; i <= exchange->lane_count; i++) {
        const uint32_t turn = (exchange->turn + i) % exchange->lane_count;
        if (lane_open_batch(exchange, &exchange->lanes[turn])) {
            return turn;
        }
    }
    return (exchange->turn + 1) % exchange->lane_count;
}

// Selections hold numbers of pending rows, so that hashes are found by the same number.
static void exchange_route(struct exchange_node *exchange, const struct wr_inlet *inlet)
{
    exchange_make_room(exchange, inlet->batch);
    for (uint32_t i = 0; i < exchange->lane_count; i++) {
        exchange->lanes[i].count = exchange->lanes[i].next = 0;
    }
    switch (exchange_options(exchange)->kind) {
    case WR_EXCHANGE_HASH:
    case WR_EXCHANGE_CUSTOM: exchange_route_by_hash(exchange, inlet); break;
    case WR_EXCHANGE_BROADCAST:
        for (uint32_t i = 0; i < exchange->lane_count; i++) {
            exchange->lanes[i].count = inlet->count;
        }
        break;
    case WR_EXCHANGE_FORWARD: exchange->lanes[0].count = inlet->count; break;
    case WR_EXCHANGE_REBALANCE:
        exchange->turn                        = exchange_options(exchange)->keeps_order
                                                    ? exchange->node.instance % exchange->lane_count
                                                    : exchange_next_with_credit(exchange);
        exchange->lanes[exchange->turn].count = inlet->count;
        break;
    }
    exchange->routed = inlet->batch;
}

static bool lane_is_whole_batch(const struct exchange_node *exchange)
{
    const enum wr_exchange_kind kind = exchange_options(exchange)->kind;
    return kind != WR_EXCHANGE_HASH && kind != WR_EXCHANGE_CUSTOM;
}

// ---- sending ----

static void lane_send(struct exchange_node *exchange, struct exchange_lane *lane)
{
    struct wr_batch *batch = lane->open;
    batch->watermark       = exchange->node.watermark;
    batch->is_idle         = exchange->is_idle;
    if (exchange->node.watermark == WEIR_TIME_MAX && !lane->sent_drain) {
        batch->control   = WR_CONTROL_DRAIN;
        lane->sent_drain = true;
    }
    lane->sent_watermark = batch->watermark;
    lane->sent_idle      = batch->is_idle;
    lane->open           = NULL;
    wr_channel_send(lane->channel, batch);
}

// Whether the lane's receiver has yet to hear of the watermark or of idleness; the end is the last
// it hears of anything.
static bool lane_owes(const struct exchange_node *exchange, const struct exchange_lane *lane)
{
    return !lane->sent_end && (lane->sent_watermark < exchange->node.watermark ||
                               lane->sent_idle != exchange->is_idle);
}

// Copies up to what fits of the lane's rows into its open batch; how many.
static uint32_t lane_copy(struct exchange_node *exchange, struct exchange_lane *lane,
                          const struct wr_inlet *inlet)
{
    struct wr_batch              *to     = lane->open;
    const struct wr_batch_layout *layout = wr_channel_layout(lane->channel);
    const uint32_t                first  = to->row_count;
    uint16_t                      rows[1024];
    uint32_t count = lane->count - lane->next < 1024 ? lane->count - lane->next : 1024;
    uint32_t taken;

    if (lane_is_whole_batch(exchange)) {
        const uint16_t *selection = inlet->selection != NULL ? inlet->selection + lane->next : NULL;
        return wr_batch_copy_rows(to, layout, inlet->batch, selection, lane->next,
                                  lane->count - lane->next);
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = (uint16_t)wr_inlet_row(inlet, lane->selection[lane->next + i]);
    }
    taken = wr_batch_copy_rows(to, layout, inlet->batch, rows, 0, count);
    if (to->hashes != NULL) {
        for (uint32_t i = 0; i < taken; i++) {
            to->hashes[first + i] = exchange->hashes[lane->selection[lane->next + i]];
        }
    }
    return taken;
}

// Sends as many of the lane's rows as there is credit for. True when none is left.
static bool lane_advance(struct exchange_node *exchange, struct exchange_lane *lane,
                         const struct wr_inlet *inlet)
{
    while (lane->next < lane->count) {
        if (!lane_open_batch(exchange, lane)) {
            return false;
        }
        const uint32_t taken = lane_copy(exchange, lane, inlet);
        lane->next += taken;
        if (taken == 0 || wr_batch_room(lane->open) == 0) {
            WR_ASSERT(lane->open->row_count > 0); // every row fits an empty batch
            lane_send(exchange, lane);
        }
    }
    return true;
}

static void exchange_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    struct exchange_node *exchange = (struct exchange_node *)node;
    bool                  is_done  = true;

    if (exchange->routed == NULL) {
        exchange->is_idle = false;
        exchange_route(exchange, inlet);
    }
    for (uint32_t i = 0; i < exchange->lane_count; i++) {
        is_done &= lane_advance(exchange, &exchange->lanes[i], inlet);
    }
    if (is_done) {
        exchange->routed = NULL;
        inlet->next      = inlet->count;
    }
}

// ---- time and the end ----

static bool exchange_advance(struct wr_node *node, weir_time watermark)
{
    struct exchange_node *exchange = (struct exchange_node *)node;
    (void)watermark; // the task sets it; the next batch that leaves carries it
    exchange->is_idle = node->watermarks.is_idle;
    if (exchange->opened_us == 0) {
        exchange->opened_us = wr_now_us(node->environment);
    }
    return true;
}

static bool lane_flush(struct exchange_node *exchange, struct exchange_lane *lane)
{
    if (lane->open == NULL && lane_owes(exchange, lane)) {
        (void)lane_open_batch(exchange, lane);
    }
    if (lane->open == NULL) {
        return false;
    }
    lane_send(exchange, lane);
    return true;
}

static bool exchange_flush(struct wr_node *node, bool is_forced)
{
    struct exchange_node *exchange = (struct exchange_node *)node;
    bool                  has_sent = false;
    bool                  is_owing = false;

    if (exchange->opened_us == 0) {
        return false;
    }
    if (!is_forced) {
        const int64_t age_us = wr_now_us(node->environment) - exchange->opened_us;
        is_forced            = age_us >= exchange_options(exchange)->flush_after_us;
    }
    for (uint32_t i = 0; i < exchange->lane_count; i++) {
        struct exchange_lane *lane = &exchange->lanes[i];
        if (is_forced || wr_channel_receiver_is_idle(lane->channel)) {
            has_sent |= lane_flush(exchange, lane);
        }
        is_owing |= lane->open != NULL || lane_owes(exchange, lane);
    }
    if (!is_owing) {
        exchange->opened_us = 0;
    }
    return has_sent;
}

// Everything open leaves, then the control batch with the barrier. That is at home unless the
// barrier before was of a checkpoint that was given up: then it is waited for.
static bool lane_send_barrier(struct exchange_node *exchange, struct exchange_lane *lane,
                              uint64_t barrier)
{
    if (lane->sent_barrier == barrier) {
        return true;
    }
    if (lane->open != NULL) {
        lane_send(exchange, lane);
    }
    struct wr_batch *control = wr_channel_take_control(lane->channel);
    if (control == NULL) {
        return false;
    }
    control->control   = WR_CONTROL_BARRIER;
    control->barrier   = barrier;
    control->watermark = exchange->node.watermark;
    control->is_idle   = exchange->is_idle; // else it would wake the receiver's input
    lane->sent_barrier = barrier;
    wr_channel_send(lane->channel, control);
    return true;
}

static bool exchange_barrier(struct wr_node *node, uint64_t barrier)
{
    struct exchange_node *exchange = (struct exchange_node *)node;
    bool                  is_done  = true;
    WR_ASSERT(exchange->routed == NULL);
    for (uint32_t i = 0; i < exchange->lane_count; i++) {
        is_done &= lane_send_barrier(exchange, &exchange->lanes[i], barrier);
    }
    return is_done;
}

// Sends what is owed, a drain if time has run out, and the end; true when every lane has it.
static bool lane_finish(struct exchange_node *exchange, struct exchange_lane *lane)
{
    if (lane->sent_end) {
        return true;
    }
    const bool owes_drain = exchange->node.watermark == WEIR_TIME_MAX && !lane->sent_drain;
    if (lane->open == NULL && owes_drain && !lane_open_batch(exchange, lane)) {
        return false;
    }
    if (lane->open != NULL) {
        lane_send(exchange, lane);
    }
    struct wr_batch *control = wr_channel_take_control(lane->channel);
    if (control == NULL) {
        return false;
    }
    control->control   = WR_CONTROL_END;
    control->watermark = exchange->node.watermark;
    lane->sent_end     = true;
    wr_channel_send(lane->channel, control);
    return true;
}

static bool exchange_finish(struct wr_node *node)
{
    struct exchange_node *exchange = (struct exchange_node *)node;
    bool                  is_done  = true;
    for (uint32_t i = 0; i < exchange->lane_count; i++) {
        is_done &= lane_finish(exchange, &exchange->lanes[i]);
    }
    return is_done;
}

const struct wr_operator wr_exchange_operator = {
    .verb       = "exchange",
    .node_bytes = sizeof(struct exchange_node),
    .open       = exchange_open,
    .close      = exchange_close,
    .rows       = exchange_rows,
    .advance    = exchange_advance,
    .flush      = exchange_flush,
    .barrier    = exchange_barrier,
    .finish     = exchange_finish,
};
