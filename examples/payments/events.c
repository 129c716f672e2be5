#include "events.h"

#include <stdio.h>

static const char *const kind_names[] = {
    "", "OrderPlaced", "PaymentAuthorized", "PaymentFailed", "RefundIssued", "OrderCancelled"
};

const char *payments_kind_name(event_kind kind) { return kind_names[kind]; }

// The kind of that name, or 0.
static int32_t kind_named(const weir_str *name)
{
    for (int32_t kind = ORDER_PLACED; kind <= ORDER_CANCELLED; kind++) {
        const weir_str known = weir_str_from(kind_names[kind]);
        if (weir_str_equal(name, &known)) {
            return kind;
        }
    }
    return 0;
}

enum { REASON_BYTES = 200, SHOWN_BYTES = 60 };

bool payments_check(void *record, const char **reason, char *text, void *opaque)
{
    const event_line *line = (const event_line *)record;
    (void)opaque;
    if (kind_named(&line->kind) == 0) {
        const uint32_t length = line->kind.length;
        const bool     is_cut = length > SHOWN_BYTES;
        (void)snprintf(
            text, REASON_BYTES, "kind is \"%.*s%s\"; known are %s",
            is_cut ? (int)SHOWN_BYTES : (int)length, weir_str_bytes(&line->kind),
            is_cut ? "..." : "",
            "OrderPlaced, PaymentAuthorized, PaymentFailed, RefundIssued, OrderCancelled");
        *reason = text;
    } else if (line->amount_cents < 0 || line->amount_cents > PAYMENTS_MOST_CENTS) {
        (void)snprintf(text, REASON_BYTES, "amount_cents is %lld; it must be from 0 to %lld",
                       (long long)line->amount_cents, (long long)PAYMENTS_MOST_CENTS);
        *reason = text;
    } else if (line->event_id.length == 0) {
        *reason = "event_id is empty";
    } else if (line->order_id.length == 0) {
        *reason = "order_id is empty";
    } else if (line->customer_id.length == 0) {
        *reason = "customer_id is empty";
    } else if (line->card_id.length == 0) {
        *reason = "card_id is empty";
    } else {
        return true;
    }
    return false;
}

static void to_event(payment_event *event, const event_line *line)
{
    event->at           = line->at;
    event->event_id     = line->event_id;
    event->order_id     = line->order_id;
    event->customer_id  = line->customer_id;
    event->card_id      = line->card_id;
    event->region       = line->region;
    event->amount_cents = line->amount_cents;
    event->kind         = kind_named(&line->kind);
}
WEIR_MAP(typed, event_line, payment_event, to_event);

weir_stream payments_typed(weir_stream lines) { return weir_map(lines, &typed); }
