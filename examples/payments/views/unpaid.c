// unpaid: orders that were neither paid nor cancelled from their placing to 15 min later.
//
//   placings     by their time           p         p + 15 min
//                                        |------------|
//   settlements  by quarter     |   q - 1    |     q      |   q + 1    |
//                                first..last  first..last  first..last
//
// The term of an order placed in one quarter of an hour ends in the next quarter (its first moment
// included). So the first and the last settlement of each quarter say all: the order was settled in
// time iff its own quarter's last settlement is not before it, or the next quarter's first is not
// after the term. However many events an order has, a quarter stays this small.
//
// A placing is judged when the watermark has passed its term. Settlements and placings that come
// later still are judged again, always by a timer: one row at most a call.
#include "views.h"

#define TERM WEIR_MINUTES(15)
// The term's last moment still counts.
#define JUDGED_AFTER (TERM + WEIR_MICROSECONDS(1))
// From here no event can change a placing (a quarter) any more: event times come at most LATENESS
// behind the watermark.
#define PLACING_KEPT (JUDGED_AFTER + PAYMENTS_LATENESS)
#define QUARTER_KEPT (TERM + PLACING_KEPT)

static bool places_or_settles(const payment_event *e)
{
    return e->kind == ORDER_PLACED || e->kind == PAYMENT_AUTHORIZED || e->kind == ORDER_CANCELLED;
}
WEIR_FILTER(placings_and_settlements, payment_event, places_or_settles);

WEIR_KEY(unpaid_order, payment_event, order_id);

// ---- state ----

typedef struct moment {
    weir_time at;
} moment;
WEIR_RECORD(moment, at);

typedef struct placing {
    weir_str event_id; // of several at one moment the lowest
    weir_str customer_id;
    int64_t  order_cents;
    bool     is_known;  // false: just made
    bool     is_unpaid; // its row has been sent
} placing;
WEIR_RECORD(placing, event_id, customer_id, order_cents, is_known, is_unpaid);

typedef struct quarter {
    weir_time first, last; // settlement in it
    bool      is_known;
} quarter;
WEIR_RECORD(quarter, first, last, is_known);

WEIR_MAP_STATE(placings, moment, placing);
WEIR_MAP_STATE(quarters, moment, quarter);

typedef struct order_account {
    uint32_t placing_count; // in placings
    uint32_t quarter_count; // in quarters
    uint32_t unpaid_count;  // placings whose row has been sent
} order_account;
WEIR_RECORD(order_account, placing_count, quarter_count, unpaid_count);

static bool is_settled(weir_call *call, weir_time placed_at)
{
    const moment   own    = { weir_time_floor(placed_at, TERM, 0) };
    const moment   next   = { own.at + TERM };
    const quarter *in_own = (const quarter *)weir_map_find(call, &quarters, &own);
    if (in_own != NULL && in_own->last >= placed_at) {
        return true;
    }
    const quarter *in_next = (const quarter *)weir_map_find(call, &quarters, &next);
    return in_next != NULL && in_next->first <= placed_at + TERM;
}

// ---- the view ----

typedef struct unpaid_row {
    weir_str  order_id;
    weir_time placed_at;
    weir_str  customer_id;
    int64_t   order_cents;
} unpaid_row;
WEIR_RECORD(unpaid_row, order_id, placed_at, customer_id, order_cents);

WEIR_EMITS(unpaid, unpaid_row);

static void send_unpaid(weir_call *call, weir_change change, const unpaid_order *key,
                        weir_time placed_at, const placing *p)
{
    unpaid_row *row  = unpaid_emit_change(call, change, placed_at + TERM);
    row->order_id    = key->order_id;
    row->placed_at   = placed_at;
    row->customer_id = p->customer_id;
    row->order_cents = p->order_cents;
}

static void on_placed(weir_call *call, const unpaid_order *key, order_account *account,
                      const payment_event *e)
{
    const moment at = { e->at };
    placing     *p  = (placing *)weir_map_put(call, &placings, &at);
    if (p->is_known && weir_str_compare(&p->event_id, &e->event_id) <= 0) {
        return;
    }
    account->placing_count += p->is_known ? 0 : 1;
    p->is_known    = true;
    p->event_id    = e->event_id;
    p->customer_id = e->customer_id;
    p->order_cents = e->amount_cents;
    if (p->is_unpaid) {
        send_unpaid(call, WEIR_UPDATE_AFTER, key, e->at, p);
    } else {
        weir_timer_set(call, e->at + JUDGED_AFTER);
    }
}

static void on_settled(weir_call *call, order_account *account, const payment_event *e)
{
    const moment start = { weir_time_floor(e->at, TERM, 0) };
    quarter     *q     = (quarter *)weir_map_put(call, &quarters, &start);
    if (!q->is_known) {
        account->quarter_count++;
        q->is_known = true;
        q->first    = e->at;
        q->last     = e->at;
        weir_timer_set(call, start.at + QUARTER_KEPT);
    } else if (e->at < q->first) {
        q->first = e->at;
    } else if (e->at > q->last) {
        q->last = e->at;
    }
    if (account->unpaid_count == 0) {
        return;
    }
    // Too late to be seen at the end of the term: what it settles is judged once more.
    const uint32_t count = weir_map_count(call, &placings);
    for (uint32_t i = 0; i < count; i++) {
        const weir_time placed_at = ((const moment *)weir_map_key_at(call, &placings, i))->at;
        if (placed_at <= e->at && e->at <= placed_at + TERM) {
            weir_timer_set(call, placed_at + JUDGED_AFTER);
        }
    }
}

static void on_event(weir_call *call, const unpaid_order *key, order_account *account,
                     const payment_event *e)
{
    if (e->kind == ORDER_PLACED) {
        on_placed(call, key, account, e);
    } else {
        on_settled(call, account, e);
    }
}

static void judge(weir_call *call, const unpaid_order *key, order_account *account,
                  weir_time placed_at)
{
    const moment at = { placed_at };
    placing     *p  = (placing *)weir_map_find(call, &placings, &at);
    if (p == NULL) {
        return;
    }
    const bool was_unpaid = p->is_unpaid;
    const bool is_unpaid  = !is_settled(call, placed_at);
    if (is_unpaid && !was_unpaid) {
        p->is_unpaid = true;
        account->unpaid_count++;
        send_unpaid(call, WEIR_INSERT, key, placed_at, p);
        weir_timer_set(call, placed_at + PLACING_KEPT);
    } else if (!is_unpaid) {
        if (was_unpaid) {
            account->unpaid_count--;
            send_unpaid(call, WEIR_DELETE, key, placed_at, p);
        }
        // Settled once is settled for ever.
        account->placing_count -= (uint32_t)weir_map_remove(call, &placings, &at);
    }
}

static void forget_placing(weir_call *call, order_account *account, weir_time placed_at)
{
    const moment   at      = { placed_at };
    const uint32_t removed = (uint32_t)weir_map_remove(call, &placings, &at);
    account->placing_count -= removed;
    account->unpaid_count -= removed; // one that was paid in time has gone before
}

static void forget_quarter(weir_call *call, order_account *account, weir_time start)
{
    const moment at = { start };
    account->quarter_count -= (uint32_t)weir_map_remove(call, &quarters, &at);
}

// A timer's time says what it is for: each part finds nothing where it is for another.
static void on_time(weir_call *call, const unpaid_order *key, order_account *account, weir_time at)
{
    if (account->placing_count > 0) {
        judge(call, key, account, at - JUDGED_AFTER);
    }
    if (account->unpaid_count > 0) {
        forget_placing(call, account, at - PLACING_KEPT);
    }
    if (account->quarter_count > 0) {
        forget_quarter(call, account, at - QUARTER_KEPT);
    }
    if (account->placing_count == 0 && account->quarter_count == 0) {
        weir_state_clear(call);
    }
}
WEIR_PROCESS(unpaid, payment_event, unpaid_order, order_account, unpaid_row, on_event, on_time);

static const weir_process_options unpaid_options = {
    { NULL }, { &placings, &quarters }, { NULL }, true
};

static const payments_view unpaid_view = { "unpaid", &unpaid_row_type, "order_id,placed_at",
                                           "placed_at", NULL };

void payments_unpaid(weir_stream accepted, const payments_ends *ends)
{
    const weir_stream relevant = weir_filter(accepted, &placings_and_settlements);
    const weir_keyed  by_order = weir_key(relevant, &unpaid_order_key);
    payments_write_view(weir_process(by_order, &unpaid, &unpaid_options), ends, &unpaid_view);
}
