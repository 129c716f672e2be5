// orders: each order as it stands, the fold of its events by (at, event_id).
//
//          life              more than 7 days              the latest life
//   [ placed .. paid ]  ------------------------->  [ placed .. failed .. cancelled ]
//
// More than 7 days without an event end the life of an order; a later event begins a new one.
// Events arrive out of order, so one that arrives late may belong to a life that was thought over,
// or join two lives. Therefore:
//
//  - a life is an interval of event time with the fold of its events; lives of an order are always
//    more than 7 days apart; the fold does not depend on the order in which lives are joined
//  - the latest life is the order's state, kept for ever: it is the view
//  - earlier lives wait in a list until no event can come any more that would join them
#include "views.h"

#define LIFE_GAP WEIR_DAYS(7)
// Event times come at most LATENESS behind the watermark, so that a life which ended at `last_at`
// is over once the watermark has reached last_at + FINAL_AFTER.
#define FINAL_AFTER (LIFE_GAP + PAYMENTS_LATENESS + WEIR_MICROSECONDS(1))

#define NO_TIME  WEIR_TIME_MIN
#define NO_CENTS INT64_MIN

WEIR_KEY(by_order, payment_event, order_id);

// ---- lives ----

typedef struct life {
    weir_time first_at;
    weir_time last_at; // of the last event, as last_id, customer_id and kind are
    weir_str  last_id;
    weir_str  customer_id;
    weir_time placed_at; // of the first OrderPlaced, as placed_id and order_cents are; else NO_TIME
    weir_str  placed_id;
    int64_t   order_cents; // or NO_CENTS
    int64_t   paid_cents;
    int64_t   refunded_cents;
    int32_t   kind; // 0: no life yet
} life;
WEIR_RECORD(life, first_at, last_at, last_id, customer_id, placed_at, placed_id, order_cents,
            paid_cents, refunded_cents, kind);

WEIR_LIST(earlier_lives, life);

static life life_of(const payment_event *e)
{
    life l;
    memset(&l, 0, sizeof(l));
    l.first_at    = e->at;
    l.last_at     = e->at;
    l.last_id     = e->event_id;
    l.customer_id = e->customer_id;
    l.placed_at   = NO_TIME;
    l.order_cents = NO_CENTS;
    l.kind        = e->kind;
    if (e->kind == ORDER_PLACED) {
        l.placed_at   = e->at;
        l.placed_id   = e->event_id;
        l.order_cents = e->amount_cents;
    } else if (e->kind == PAYMENT_AUTHORIZED) {
        l.paid_cents = e->amount_cents;
    } else if (e->kind == REFUND_ISSUED) {
        l.refunded_cents = e->amount_cents;
    }
    return l;
}

// Whether an event at `at` with that id comes before another; by bytes where the times are equal.
static bool is_before(weir_time at, const weir_str *id, weir_time other_at,
                      const weir_str *other_id)
{
    return at != other_at ? at < other_at : weir_str_compare(id, other_id) < 0;
}

static bool lives_touch(const life *a, const life *b)
{
    return a->first_at - b->last_at <= LIFE_GAP && b->first_at - a->last_at <= LIFE_GAP;
}

static void join(life *l, const life *other)
{
    if (other->first_at < l->first_at) {
        l->first_at = other->first_at;
    }
    if (is_before(l->last_at, &l->last_id, other->last_at, &other->last_id)) {
        l->last_at     = other->last_at;
        l->last_id     = other->last_id;
        l->customer_id = other->customer_id;
        l->kind        = other->kind;
    }
    if (other->placed_at != NO_TIME &&
        (l->placed_at == NO_TIME ||
         is_before(other->placed_at, &other->placed_id, l->placed_at, &l->placed_id))) {
        l->placed_at   = other->placed_at;
        l->placed_id   = other->placed_id;
        l->order_cents = other->order_cents;
    }
    l->paid_cents += other->paid_cents;
    l->refunded_cents += other->refunded_cents;
}

// A string that stays where it is until the function at hand returns.
static weir_str hold(weir_call *call, const weir_str *text)
{
    if (weir_str_is_inline(text)) {
        return *text;
    }
    char *bytes = weir_scratch(call, text->length);
    memcpy(bytes, weir_str_bytes(text), text->length);
    return weir_str_of(bytes, text->length);
}

// A life on its way between the state and the list.
static life hold_life(weir_call *call, const life *of)
{
    life held        = *of;
    held.last_id     = hold(call, &of->last_id);
    held.customer_id = hold(call, &of->customer_id);
    held.placed_id   = hold(call, &of->placed_id);
    return held;
}

// ---- the view ----

typedef struct order_row {
    weir_str  order_id;
    weir_str  customer_id;
    weir_str  status;
    weir_time placed_at; // null without an OrderPlaced, as is order_cents
    weir_time updated_at;
    int64_t   order_cents;
    int64_t   paid_cents;
    int64_t   refunded_cents;
} order_row;
WEIR_RECORD(order_row, order_id, customer_id, status, placed_at, updated_at, order_cents,
            paid_cents, refunded_cents);

WEIR_EMITS(orders, order_row);

static const char *status_after(int32_t kind)
{
    switch (kind) {
    case ORDER_PLACED: return "placed";
    case PAYMENT_AUTHORIZED: return "authorized";
    case PAYMENT_FAILED: return "failed";
    case REFUND_ISSUED: return "refunded";
    default: return "cancelled";
    }
}

static void send_order(weir_call *call, weir_change change, const by_order *key, const life *l)
{
    order_row *row      = orders_emit_change(call, change, l->last_at);
    row->order_id       = key->order_id;
    row->customer_id    = l->customer_id;
    row->status         = weir_str_from(status_after(l->kind));
    row->placed_at      = l->placed_at;
    row->updated_at     = l->last_at;
    row->order_cents    = l->order_cents;
    row->paid_cents     = l->paid_cents;
    row->refunded_cents = l->refunded_cents;
}

static void keep_earlier(weir_call *call, const life *l)
{
    *(life *)weir_list_add(call, &earlier_lives) = *l;
    weir_timer_set(call, weir_time_add(l->last_at, FINAL_AFTER));
}

// Joins `l` with the earlier lives it touches, which leave the list.
static void join_earlier(weir_call *call, life *l)
{
    for (uint32_t i = weir_list_count(call, &earlier_lives); i-- > 0;) {
        const life *earlier = (const life *)weir_list_at(call, &earlier_lives, i);
        if (lives_touch(l, earlier)) {
            const life held = hold_life(call, earlier);
            weir_list_remove(call, &earlier_lives, i);
            join(l, &held);
        }
    }
}

static void on_event(weir_call *call, const by_order *key, life *latest, const payment_event *e)
{
    const bool is_new = latest->kind == 0;
    life       l      = life_of(e);
    join_earlier(call, &l);
    if (!is_new && lives_touch(&l, latest)) {
        join(&l, latest);
    } else if (!is_new && l.last_at < latest->first_at) {
        keep_earlier(call, &l);
        return; // what the order is now has not changed
    } else if (!is_new) {
        const life held = hold_life(call, latest);
        keep_earlier(call, &held);
    }
    *latest = l;
    send_order(call, is_new ? WEIR_INSERT : WEIR_UPDATE_AFTER, key, &l);
}

static void on_final(weir_call *call, const by_order *key, life *latest, weir_time at)
{
    (void)key;
    (void)latest;
    for (uint32_t i = weir_list_count(call, &earlier_lives); i-- > 0;) {
        const life *earlier = (const life *)weir_list_at(call, &earlier_lives, i);
        if (weir_time_add(earlier->last_at, FINAL_AFTER) <= at) {
            weir_list_remove(call, &earlier_lives, i);
        }
    }
}
WEIR_PROCESS(orders, payment_event, by_order, life, order_row, on_event, on_final);

static const weir_process_options orders_options = { { &earlier_lives }, { NULL }, { NULL }, true };

static const payments_view orders_view = { "orders", &order_row_type, "order_id", "updated_at",
                                           "order_cents" };

void payments_orders(weir_stream accepted, const payments_ends *ends)
{
    const weir_stream rows =
        weir_process(weir_key(accepted, &by_order_key), &orders, &orders_options);
    payments_write_view(rows, ends, &orders_view);
}
