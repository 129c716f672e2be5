// events: what happens on the platform, as it is read and as the views see it.
//
//   a line of JSON  --read-->  event_line  --checked, typed-->  payment_event
//
// An event_line has the fields as they are spelled in the input. Only lines that payments_check
// finds good become payment_events.
#ifndef PAYMENTS_EVENTS_H
#define PAYMENTS_EVENTS_H

#include <weir/job.h>
#include <weir/source.h>

// How far event times may be out of order. The watermark is OUT_OF_ORDER behind the latest event;
// what is more than LATENESS behind the watermark is late and no part of any view.
#define PAYMENTS_OUT_OF_ORDER WEIR_SECONDS(5)
#define PAYMENTS_LATENESS     WEIR_MINUTES(2)

#define PAYMENTS_MOST_CENTS INT64_C(1000000000000)

typedef struct event_line {
    weir_str  event_id;
    weir_str  kind;
    weir_time at;
    weir_str  order_id;
    weir_str  customer_id;
    weir_str  card_id;
    weir_str  region;
    int64_t   amount_cents;
} event_line;
WEIR_RECORD(event_line, event_id, kind, at, order_id, customer_id, card_id, region, amount_cents);

// Not one of them is 0: a record of zeros is no event.
typedef enum event_kind {
    ORDER_PLACED       = 1,
    PAYMENT_AUTHORIZED = 2,
    PAYMENT_FAILED     = 3,
    REFUND_ISSUED      = 4,
    ORDER_CANCELLED    = 5
} event_kind;

typedef struct payment_event {
    weir_time at;
    weir_str  event_id;
    weir_str  order_id;
    weir_str  customer_id;
    weir_str  card_id;
    weir_str  region; // may be empty
    int64_t   amount_cents;
    int32_t   kind; // enum event_kind
} payment_event;
WEIR_RECORD(payment_event, at, event_id, order_id, customer_id, card_id, region, amount_cents,
            kind);

// "OrderPlaced", ...
const char *payments_kind_name(event_kind kind);

// A weir_check of event_lines: a known kind, an amount in range, no empty id.
bool payments_check(void *record, const char **reason, char *text, void *opaque);

// Checked lines as events.
weir_stream payments_typed(weir_stream lines);

#endif // PAYMENTS_EVENTS_H
