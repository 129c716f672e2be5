// alerts: cards whose payments begin to fail too often.
//
//   failures --by card--> window of 10 min by 10 s --more than 3--> hot windows
//            --by card--> those whose predecessor was not hot --> alerts
//
// A hot window is an alert iff the card's window ending one slide earlier is not hot. Late failures
// make windows hot, hotter or (never by themselves, but the runtime may say so) cold again, so each
// change of a hot window judges that window and the next one anew.
#include "views.h"

#define ALERT_LENGTH WEIR_MINUTES(10)
#define ALERT_SLIDE  WEIR_SECONDS(10)
#define ALERT_OVER   3

static bool is_failure(const payment_event *e) { return e->kind == PAYMENT_FAILED; }
WEIR_FILTER(failed_payments, payment_event, is_failure);

WEIR_KEY(by_card, payment_event, card_id);

// ---- hot windows ----

typedef struct failures {
    int64_t count;
    int64_t amount_cents;
} failures;
WEIR_RECORD(failures, count, amount_cents);

static void add_failure(failures *f, const payment_event *e)
{
    f->count++;
    f->amount_cents += e->amount_cents;
}

static void add_failures(failures *f, const failures *more)
{
    f->count += more->count;
    f->amount_cents += more->amount_cents;
}

static void take_failures(failures *f, const failures *less)
{
    f->count -= less->count;
    f->amount_cents -= less->amount_cents;
}

// Also what an alert looks like: an alert is the first of a run of hot windows.
typedef struct hot_window {
    weir_str  card_id;
    weir_time window_end;
    int64_t   failures;
    int64_t   amount_cents;
} hot_window;
WEIR_RECORD(hot_window, card_id, window_end, failures, amount_cents);

static bool to_hot_window(hot_window *out, const by_card *key, const weir_pane *pane,
                          const failures *f)
{
    out->card_id      = key->card_id;
    out->window_end   = pane->end;
    out->failures     = f->count;
    out->amount_cents = f->amount_cents;
    return f->count > ALERT_OVER;
}
WEIR_AGGREGATE_REMOVABLE(hot_windows, payment_event, by_card, failures, hot_window, add_failure,
                         add_failures, take_failures, to_hot_window);

// ---- the first of each run ----

WEIR_KEY(by_hot_card, hot_window, card_id);

typedef struct window_end {
    weir_time at;
} window_end;
WEIR_RECORD(window_end, at);

// The card's hot windows that may still change, or whose successor may.
WEIR_MAP_STATE(recent_windows, window_end, failures);

typedef struct card_state {
    uint32_t recent_count; // of recent_windows
} card_state;
WEIR_RECORD(card_state, recent_count);

WEIR_EMITS(alerts, hot_window);

static const failures *window_ending(weir_call *call, weir_time end)
{
    const window_end key = { end };
    return (const failures *)weir_map_find(call, &recent_windows, &key);
}

static void send_alert(weir_call *call, const by_hot_card *key, weir_change change, weir_time end,
                       const failures *f)
{
    hot_window *alert   = alerts_emit_change(call, change, end);
    alert->card_id      = key->card_id;
    alert->window_end   = end;
    alert->failures     = f->count;
    alert->amount_cents = f->amount_cents;
}

static void remember(weir_call *call, card_state *card, weir_time end, const failures *f)
{
    const window_end key = { end };
    failures        *at  = (failures *)weir_map_put(call, &recent_windows, &key);
    card->recent_count += (uint32_t)(at->count == 0); // a hot window has failures
    *at = *f;
    // The window is final LATENESS after its end, the next one a slide later.
    weir_timer_set(call, end + ALERT_SLIDE + PAYMENTS_LATENESS);
}

static void forget(weir_call *call, card_state *card, weir_time end)
{
    const window_end key = { end };
    card->recent_count -= (uint32_t)weir_map_remove(call, &recent_windows, &key);
    if (card->recent_count == 0) {
        weir_state_clear(call);
    }
}

static void on_hot_window(weir_call *call, const by_hot_card *key, card_state *card,
                          const hot_window *hot)
{
    const weir_time   end      = hot->window_end;
    const failures    now      = { hot->failures, hot->amount_cents };
    const bool        is_first = window_ending(call, end - ALERT_SLIDE) == NULL;
    const failures   *next     = window_ending(call, end + ALERT_SLIDE);
    const weir_change change   = weir_change_of(call);

    if (change == WEIR_UPDATE_BEFORE) {
        return; // the row that replaces it follows
    }
    if (is_first) {
        send_alert(call, key, change, end, &now);
    }
    // The next window is the first of its run exactly while this one is not hot.
    if (next != NULL && change == WEIR_INSERT) {
        send_alert(call, key, WEIR_DELETE, end + ALERT_SLIDE, next);
    } else if (next != NULL && change == WEIR_DELETE) {
        send_alert(call, key, WEIR_INSERT, end + ALERT_SLIDE, next);
    }
    if (change == WEIR_DELETE) {
        forget(call, card, end);
    } else {
        remember(call, card, end, &now);
    }
}

static void on_final(weir_call *call, const by_hot_card *key, card_state *card, weir_time at)
{
    (void)key;
    forget(call, card, at - ALERT_SLIDE - PAYMENTS_LATENESS);
}
WEIR_PROCESS(alerts, hot_window, by_hot_card, card_state, hot_window, on_hot_window, on_final);

static const weir_process_options alerts_options = {
    { NULL }, { &recent_windows }, { NULL }, true
};

static const payments_view alerts_view = { "alerts", &hot_window_type, "card_id,window_end",
                                           "window_end", NULL };

void payments_alerts(weir_stream accepted, const payments_ends *ends)
{
    const weir_window window =
        weir_allow_lateness(weir_sliding(ALERT_LENGTH, ALERT_SLIDE), PAYMENTS_LATENESS);

    weir_stream failed = weir_filter(accepted, &failed_payments);
    weir_stream hot    = weir_aggregate(weir_key(failed, &by_card_key), window, &hot_windows);
    weir_stream first  = weir_process(weir_key(hot, &by_hot_card_key), &alerts, &alerts_options);
    payments_write_view(first, ends, &alerts_view);
}
