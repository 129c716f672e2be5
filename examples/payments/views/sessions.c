// sessions: runs of orders of one customer, each placed less than 30 min after the one before.
#include "views.h"

#define SESSION_GAP WEIR_MINUTES(30)

static bool is_order(const payment_event *e) { return e->kind == ORDER_PLACED; }
WEIR_FILTER(placed_orders, payment_event, is_order);

WEIR_KEY(by_customer, payment_event, customer_id);

typedef struct basket {
    int64_t orders;
    int64_t order_cents;
} basket;
WEIR_RECORD(basket, orders, order_cents);

static void add_order(basket *b, const payment_event *e)
{
    b->orders++;
    b->order_cents += e->amount_cents;
}

static void add_basket(basket *b, const basket *more)
{
    b->orders += more->orders;
    b->order_cents += more->order_cents;
}

typedef struct session {
    weir_str  customer_id;
    weir_time start;
    weir_time end; // the gap after its last order
    int64_t   orders;
    int64_t   order_cents;
} session;
WEIR_RECORD(session, customer_id, start, end, orders, order_cents);

static void to_session(session *out, const by_customer *key, const weir_pane *pane, const basket *b)
{
    out->customer_id = key->customer_id;
    out->start       = pane->start;
    out->end         = pane->end;
    out->orders      = b->orders;
    out->order_cents = b->order_cents;
}
WEIR_AGGREGATE(sessions, payment_event, by_customer, basket, session, add_order, add_basket,
               to_session);

static const payments_view sessions_view = { "sessions", &session_type, "customer_id,start",
                                             "start", NULL };

void payments_sessions(weir_stream accepted, const payments_ends *ends)
{
    const weir_window gaps      = weir_allow_lateness(weir_session(SESSION_GAP), PAYMENTS_LATENESS);
    const weir_keyed  customers = weir_key(weir_filter(accepted, &placed_orders), &by_customer_key);
    payments_write_view(weir_aggregate(customers, gaps, &sessions), ends, &sessions_view);
}
