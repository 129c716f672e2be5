// A job that keeps something of every kind, for tests that look into its checkpoints: made-up
// payments at a fixed rate.
//
//   payments --by shop--> totals  (reduce)                      --> seen
//   payments --by card--> per_second  (tumbling windows of 1 s) --> seen
//   payments --by card--> watched  (a list, a map, timers)      --> seen
//   payments --by card--> sessions, sliding and counted windows --> seen
//   payments --by number--> distinct  (deduplication)           --> seen
//
//   --events N     how many payments (default: 20,000)
//   --rate N       a second (default: 4,000)
//   --other NAME   the windows or the span of time of that operator are twice what they were
//
// Every payment counts once in totals, and once in the states of watched; the list of a card has
// its last numbers, the map how often it paid in which shop; a timer is always set for a card, an
// hour of event time after its last payment.
#include <weir.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CARDS = 50, SHOPS = 7, LAST_NUMBERS = 3 };

typedef struct money {
    int64_t  cents;
    uint32_t currency;
    uint32_t parts[2];
} money;
WEIR_RECORD(money, cents, currency, parts);

typedef struct payment {
    weir_time at;
    uint64_t  number, card;
    weir_str  shop;
    uint32_t  till;
    char      code[4];
    money     price;
} payment;
WEIR_RECORD(payment, at, number, card, shop, till, code, (price, money));

static const char *const shops[SHOPS] = {
    "bakery",  "a bookshop \"with\" a long name", "cinema", "dentist", "\xc3\xa9picerie",
    "florist", "a greengrocer around the corner",
};

static void make_payment(payment *p, uint64_t number, weir_time due)
{
    (void)due;
    p->at             = WEIR_SECONDS(1767225600) + WEIR_MILLISECONDS(number);
    p->number         = number;
    p->card           = number % CARDS;
    p->shop           = weir_str_from(shops[number % SHOPS]);
    p->till           = number % 2;
    p->price.cents    = (int64_t)(number % 1000);
    p->price.currency = 978;
    p->price.parts[0] = (uint32_t)number;
    p->price.parts[1] = 1;
    memcpy(p->code, "ab", 2);
}
WEIR_GENERATOR(payments, payment, make_payment);

WEIR_KEY(by_shop, payment, shop, till);
WEIR_KEY(by_card, payment, card);
WEIR_KEY(by_number, payment, number);

typedef struct total {
    int64_t   count;
    weir_time last;
    money     sum;
    weir_str  shop;
    char      code[4];
} total;
WEIR_RECORD(total, count, last, (sum, money), shop, code);

static void update(total *out, const by_shop *key, total *state, const payment *p)
{
    state->count++;
    state->last = p->at;
    state->sum.cents += p->price.cents;
    state->sum.currency = p->price.currency;
    memcpy(state->sum.parts, p->price.parts, sizeof(state->sum.parts));
    state->shop = key->shop;
    memcpy(state->code, p->code, sizeof(state->code));
    *out = *state;
}
WEIR_REDUCE(totals, payment, by_shop, total, total, update);

typedef struct spent {
    weir_time second;
    uint64_t  card;
    int64_t   count, cents;
} spent;
WEIR_RECORD(spent, second, card, count, cents);

static void add(spent *s, const payment *p)
{
    s->count++;
    s->cents += p->price.cents;
}
static void merge(spent *s, const spent *more)
{
    s->count += more->count;
    s->cents += more->cents;
}
static void to_spent(spent *out, const by_card *key, const weir_pane *pane, const spent *s)
{
    *out        = *s;
    out->second = pane->start;
    out->card   = key->card;
}
WEIR_AGGREGATE(per_second, payment, by_card, spent, spent, add, merge, to_spent);

typedef struct watch {
    int64_t   count;
    weir_time timer;
} watch;
WEIR_RECORD(watch, count, timer);

typedef struct shop_key {
    weir_str shop;
} shop_key;
WEIR_RECORD(shop_key, shop);

WEIR_LIST(numbers, payment);
WEIR_MAP_STATE(shop_counts, shop_key, watch);
WEIR_EMITS(watched, watch);

static void on_payment(weir_call *call, const by_card *key, watch *state, const payment *p)
{
    (void)key;
    state->count++;
    if (state->timer != 0) {
        weir_timer_clear(call, state->timer);
    }
    state->timer = p->at + WEIR_HOURS(1);
    weir_timer_set(call, state->timer);
    if (weir_list_count(call, &numbers) == LAST_NUMBERS) {
        weir_list_remove(call, &numbers, 0);
    }
    *(payment *)weir_list_add(call, &numbers) = *p;

    const shop_key shop = { .shop = p->shop };
    watch         *of   = weir_map_put(call, &shop_counts, &shop);
    of->count++;
}

static void on_timer(weir_call *call, const by_card *key, watch *state, weir_time at)
{
    (void)key;
    (void)at;
    state->timer        = 0;
    *watched_emit(call) = *state;
}
WEIR_PROCESS(watched, payment, by_card, watch, watch, on_payment, on_timer);

static void see_total(watch *local, const total *t) { local->count += t->count > 0; }
static void see_spent(watch *local, const spent *s) { local->count += s->count > 0; }
static void see_payment(watch *local, const payment *p) { local->count += p->number > 0; }
static void see_watch(watch *local, const watch *w) { local->count += w->count > 0; }
static void forget(watch *local, void *opaque)
{
    (void)local;
    (void)opaque;
}
WEIR_SINK(totals_seen, total, watch, see_total, forget);
WEIR_SINK(spent_seen, spent, watch, see_spent, forget);
WEIR_SINK(distinct_seen, payment, watch, see_payment, forget);
WEIR_SINK(watched_seen, watch, watch, see_watch, forget);

struct given {
    const char *events, *rate, *other;
};

static int64_t times_of(const struct given *given, const char *name)
{
    return given->other != NULL && strcmp(given->other, name) == 0 ? 2 : 1;
}

static void add_window(weir_stream all, const char *name, const char *sink, weir_window window)
{
    weir_stream results =
        weir_name(weir_aggregate(weir_key(all, &by_card_key), window, &per_second), name);
    (void)weir_name(weir_sink(results, &spent_seen, NULL), sink);
}

static weir_job *build(void *opaque, double rate)
{
    const struct given          *given   = opaque;
    const weir_generator_options options = {
        .events = given->events != NULL ? strtoull(given->events, NULL, 10) : 20000,
        .rate   = given->rate != NULL ? strtod(given->rate, NULL)
                  : rate > 0          ? rate
                                      : 4000,
        .time   = { .field = "at" },
    };
    const weir_process_options process = { .lists = { &numbers }, .maps = { &shop_counts } };

    weir_job   *job = weir_job_open("checkpointed");
    weir_stream all = weir_generate(job, &payments, &options);
    (void)weir_sink(weir_reduce(weir_key(all, &by_shop_key), &totals), &totals_seen, NULL);
    (void)weir_sink(weir_aggregate(weir_key(all, &by_card_key),
                                   weir_tumbling(times_of(given, "per_second") * WEIR_SECONDS(1)),
                                   &per_second),
                    &spent_seen, NULL);
    (void)weir_sink(weir_process(weir_key(all, &by_card_key), &watched, &process), &watched_seen,
                    NULL);
    add_window(all, "sessions", "sessions_seen",
               weir_session(times_of(given, "sessions") * WEIR_MILLISECONDS(500)));
    add_window(all, "sliding", "sliding_seen",
               weir_sliding(WEIR_SECONDS(2), times_of(given, "sliding") * WEIR_MILLISECONDS(500)));
    add_window(all, "counted", "counted_seen",
               weir_count_window(100 * (uint64_t)times_of(given, "counted")));
    (void)weir_sink(
        weir_name(weir_deduplicate(weir_key(all, &by_number_key),
                                   times_of(given, "distinct") * WEIR_MILLISECONDS(100), 0),
                  "distinct"),
        &distinct_seen, NULL);
    return job;
}

int main(int argc, char **argv)
{
    struct given           given = { 0 };
    const weir_main_option own[] = {
        { "events", "N", "how many payments (default: 20,000)", false, &given.events },
        { "rate", "N", "a second (default: 4,000)", false, &given.rate },
        { "other", "NAME", "an operator whose windows are twice as long", false, &given.other },
    };
    const weir_main_options options = {
        .options = own, .option_count = 3, .build = build, .opaque = &given
    };
    return weir_main_with(&options, argc, argv);
}
