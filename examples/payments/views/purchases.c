// purchases: how many payments by region and minute, and their average.
#include "views.h"

static bool is_purchase(const payment_event *e) { return e->kind == PAYMENT_AUTHORIZED; }
WEIR_FILTER(authorized_payments, payment_event, is_purchase);

WEIR_KEY(purchase_region, payment_event, region);

typedef struct total {
    int64_t count;
    int64_t cents;
} total;
WEIR_RECORD(total, count, cents);

static void add_purchase(total *t, const payment_event *e)
{
    t->count++;
    t->cents += e->amount_cents;
}

static void add_total(total *t, const total *more)
{
    t->count += more->count;
    t->cents += more->cents;
}

typedef struct purchase_row {
    weir_str  region;
    weir_time minute;
    int64_t   count;
    int64_t   average_cents; // rounded down
} purchase_row;
WEIR_RECORD(purchase_row, region, minute, count, average_cents);

static void to_purchase_row(purchase_row *out, const purchase_region *key, const weir_pane *pane,
                            const total *t)
{
    out->region        = key->region;
    out->minute        = pane->start;
    out->count         = t->count;
    out->average_cents = t->cents / t->count;
}
WEIR_AGGREGATE(purchases, payment_event, purchase_region, total, purchase_row, add_purchase,
               add_total, to_purchase_row);

static const payments_view purchases_view = { "purchases", &purchase_row_type, "region,minute",
                                              "minute", NULL };

void payments_purchases(weir_stream accepted, const payments_ends *ends)
{
    const weir_window minutes =
        weir_allow_lateness(weir_tumbling(WEIR_MINUTES(1)), PAYMENTS_LATENESS);
    const weir_keyed regions =
        weir_key(weir_filter(accepted, &authorized_payments), &purchase_region_key);
    payments_write_view(weir_aggregate(regions, minutes, &purchases), ends, &purchases_view);
}
