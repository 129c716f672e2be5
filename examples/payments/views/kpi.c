// kpi: what happened, by region and minute.
#include "views.h"

WEIR_KEY(kpi_region, payment_event, region);

typedef struct activity {
    int64_t orders, order_cents;
    int64_t authorized, authorized_cents;
    int64_t failed;
    int64_t refunds, refunded_cents;
    int64_t cancelled;
} activity;
WEIR_RECORD(activity, orders, order_cents, authorized, authorized_cents, failed, refunds,
            refunded_cents, cancelled);

static void add_event(activity *a, const payment_event *e)
{
    switch (e->kind) {
    case ORDER_PLACED:
        a->orders++;
        a->order_cents += e->amount_cents;
        break;
    case PAYMENT_AUTHORIZED:
        a->authorized++;
        a->authorized_cents += e->amount_cents;
        break;
    case PAYMENT_FAILED: a->failed++; break;
    case REFUND_ISSUED:
        a->refunds++;
        a->refunded_cents += e->amount_cents;
        break;
    case ORDER_CANCELLED: a->cancelled++; break;
    default: break;
    }
}

static void add_activity(activity *a, const activity *more)
{
    a->orders += more->orders;
    a->order_cents += more->order_cents;
    a->authorized += more->authorized;
    a->authorized_cents += more->authorized_cents;
    a->failed += more->failed;
    a->refunds += more->refunds;
    a->refunded_cents += more->refunded_cents;
    a->cancelled += more->cancelled;
}

typedef struct kpi_row {
    weir_str  region;
    weir_time minute;
    int64_t   orders, order_cents;
    int64_t   authorized, authorized_cents;
    int64_t   failed;
    int64_t   refunds, refunded_cents;
    int64_t   cancelled;
    uint32_t  revision; // rows of this region and minute before this one
} kpi_row;
WEIR_RECORD(kpi_row, region, minute, orders, order_cents, authorized, authorized_cents, failed,
            refunds, refunded_cents, cancelled, revision);

static void to_kpi_row(kpi_row *out, const kpi_region *key, const weir_pane *pane,
                       const activity *a)
{
    out->region           = key->region;
    out->minute           = pane->start;
    out->orders           = a->orders;
    out->order_cents      = a->order_cents;
    out->authorized       = a->authorized;
    out->authorized_cents = a->authorized_cents;
    out->failed           = a->failed;
    out->refunds          = a->refunds;
    out->refunded_cents   = a->refunded_cents;
    out->cancelled        = a->cancelled;
    out->revision         = pane->firing;
}
WEIR_AGGREGATE(kpi, payment_event, kpi_region, activity, kpi_row, add_event, add_activity,
               to_kpi_row);

static const payments_view kpi_view = { "kpi", &kpi_row_type, "region,minute", "minute", NULL };

void payments_kpi(weir_stream accepted, const payments_ends *ends)
{
    const weir_window minutes =
        weir_allow_lateness(weir_tumbling(WEIR_MINUTES(1)), PAYMENTS_LATENESS);
    const weir_keyed regions = weir_key(accepted, &kpi_region_key);
    payments_write_view(weir_aggregate(regions, minutes, &kpi), ends, &kpi_view);
}
