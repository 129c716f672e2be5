// How it works:
//
//   orders, one after the other in event time, each with its whole life: placed, paid or not,
//   refunded
//      |    every event gets the time it arrives at: its own time plus a delay
//      v
//   heap, by arrival --> line --> stdout or a file
//
// An order's life spans hours at most and orders come at a fixed rate, so the heap holds what is in
// flight, however long the stream. Everything is drawn from one seed; more events of the same seed
// begin with the same lines.
#include "generate.h"

#include "events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/status.h>

// ---- settings ----

enum setting_name {
    EVENTS,
    SEED,
    DISORDER_MS,
    LATE_PER_MILLE,
    DUPLICATE_PER_MILLE,
    BROKEN_PER_MILLE,
    CARDS,
    CUSTOMERS,
    HOT_CARD_PERCENT,
    SETTING_COUNT
};

typedef struct setting {
    const char *name;
    uint64_t    value; // the default
    uint64_t    least, most;
    const char *help;
} setting;

#define MOST_COUNT UINT64_C(1000000000)

static const setting default_settings[SETTING_COUNT] = {
    { "events", 1000000, 0, UINT64_MAX, "lines to write" },
    { "seed", 1, 0, UINT64_MAX, "the same seed gives the same bytes" },
    { "disorder-ms", 2000, 0, 3600000, "events arrive up to this late" },
    { "late-per-mille", 1, 0, 1000, "of a thousand events arrive too late to count" },
    { "duplicate-per-mille", 5, 0, 1000, "of a thousand events arrive twice" },
    { "broken-per-mille", 1, 0, 1000, "of a thousand lines are no event" },
    { "cards", 10000, 1, MOST_COUNT, "different cards" },
    { "customers", 20000, 1, MOST_COUNT, "different customers" },
    { "hot-card-percent", 0, 0, 100, "of a hundred orders use one and the same card" },
};

static void print_help(void)
{
    (void)puts("usage: payments generate [--events N] [--seed S] [--output FILE] [...]\n"
               "\n"
               "Writes events of an order and payment platform, one JSON object a line.\n");
    for (int i = 0; i < SETTING_COUNT; i++) {
        const setting *s = &default_settings[i];
        (void)printf("  --%-22s %s (%llu)\n", s->name, s->help, (unsigned long long)s->value);
    }
    (void)printf("  --%-22s %s\n", "output FILE", "instead of stdout");
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno   = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static setting *find_setting(setting *settings, const char *name)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(settings[i].name, name) == 0) {
            return &settings[i];
        }
    }
    return NULL;
}

// False, with a sentence on stderr, if they make no sense.
static bool read_options(int argc, char **argv, setting *settings, const char **output)
{
    for (int i = 1; i < argc; i += 2) {
        const char *name = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
        setting    *s    = find_setting(settings, name);
        if (s == NULL && strcmp(name, "output") != 0) {
            (void)fprintf(
                stderr, "payments generate: there is no option %s; see payments generate --help\n",
                argv[i]);
            return false;
        }
        if (i + 1 == argc) {
            (void)fprintf(stderr, "payments generate: %s needs a value\n", argv[i]);
            return false;
        }
        if (s == NULL) {
            *output = argv[i + 1];
        } else if (!read_number(argv[i + 1], &s->value) || s->value < s->least ||
                   s->value > s->most) {
            (void)fprintf(
                stderr,
                "payments generate: %s is \"%s\"; it must be a whole number from %llu to %llu\n",
                argv[i], argv[i + 1], (unsigned long long)s->least, (unsigned long long)s->most);
            return false;
        }
    }
    return true;
}

// ---- chance ----

// splitmix64.
static uint64_t draw(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x          = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x          = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

// From 0 to limit - 1; limit is below 2^32 and not 0.
static uint64_t draw_below(uint64_t *state, uint64_t limit)
{
    return (draw(state) >> 32) * limit >> 32;
}

static bool draw_chance(uint64_t *state, uint64_t count, uint64_t of)
{
    return draw_below(state, of) < count;
}

// A span of milliseconds, so that times have three digits of a fraction.
static weir_time draw_span(uint64_t *state, weir_time from, weir_time to)
{
    const uint64_t steps = (uint64_t)(to - from) / 1000;
    return from + (weir_time)draw_below(state, steps + 1) * 1000;
}

// ---- events in flight ----

typedef struct planned_event {
    weir_time   at;
    uint64_t    number;
    uint64_t    order;
    uint64_t    customer;
    uint64_t    card;
    uint64_t    amount_cents;
    const char *region;
    event_kind  kind;
    bool        is_copy;
} planned_event;

typedef struct arrival {
    weir_time time;
    uint32_t  slot; // of the event
} arrival;

// A heap with four children a node, by arrival; ties in any order that is the same for the same
// seed.
typedef struct in_flight {
    arrival       *heap;
    planned_event *events; // by slot
    uint32_t      *free_slots;
    uint32_t       count, capacity;
} in_flight;

typedef struct generator {
    setting   settings[SETTING_COUNT];
    uint64_t  random;
    weir_time now; // the last order's time
    uint64_t  event_count, order_count;
    in_flight flight;
    FILE     *to;
    char     *buffer;
    size_t    buffered;
    weir_time minute; // whose text `minute_text` is
    char      minute_text[WEIR_TIME_TEXT_MAX];
} generator;

static void *must_have(void *memory)
{
    if (memory == NULL) {
        (void)fputs("payments generate: out of memory\n", stderr);
        exit(weir_status_exit_code(WEIR_NO_MEMORY));
    }
    return memory;
}

static void flight_grow(in_flight *f)
{
    const uint32_t capacity = f->capacity == 0 ? 4096 : f->capacity * 2;
    f->heap                 = (arrival *)must_have(realloc(f->heap, capacity * sizeof(*f->heap)));
    f->events = (planned_event *)must_have(realloc(f->events, capacity * sizeof(*f->events)));
    f->free_slots =
        (uint32_t *)must_have(realloc(f->free_slots, capacity * sizeof(*f->free_slots)));
    for (uint32_t slot = f->capacity; slot < capacity; slot++) {
        f->free_slots[slot] = slot;
    }
    f->capacity = capacity;
}

// free_slots[count] to free_slots[capacity - 1] are free.
static void flight_add(in_flight *f, weir_time arrives_at, const planned_event *event)
{
    if (f->count == f->capacity) {
        flight_grow(f);
    }
    const uint32_t slot = f->free_slots[f->count];
    uint32_t       at   = f->count++;
    f->events[slot]     = *event;
    while (at > 0 && f->heap[(at - 1) / 4].time > arrives_at) {
        f->heap[at] = f->heap[(at - 1) / 4];
        at          = (at - 1) / 4;
    }
    f->heap[at].time = arrives_at;
    f->heap[at].slot = slot;
}

static planned_event flight_take_first(in_flight *f)
{
    const uint32_t slot     = f->heap[0].slot;
    const arrival  last     = f->heap[--f->count];
    uint32_t       at       = 0;
    f->free_slots[f->count] = slot;
    for (;;) {
        const uint32_t first = at * 4 + 1;
        const uint32_t end   = first + 4 < f->count ? first + 4 : f->count;
        uint32_t       least = first;
        for (uint32_t i = first + 1; i < end; i++) {
            least = f->heap[i].time < f->heap[least].time ? i : least;
        }
        if (first >= f->count || f->heap[least].time >= last.time) {
            break;
        }
        f->heap[at] = f->heap[least];
        at          = least;
    }
    f->heap[at] = last;
    return f->events[slot];
}

// ---- lives of orders ----

// 2026-03-01T10:00:00Z
#define FIRST_ORDER_AT WEIR_SECONDS(1772359200)
// Some 100 events a second.
#define BETWEEN_ORDERS WEIR_MILLISECONDS(23)

static void plan_event(generator *g, planned_event *like, event_kind kind, weir_time at)
{
    const weir_time disorder   = WEIR_MILLISECONDS((weir_time)g->settings[DISORDER_MS].value);
    weir_time       arrives_at = at + draw_span(&g->random, 0, disorder);
    if (draw_chance(&g->random, g->settings[LATE_PER_MILLE].value, 1000)) {
        // The latest event time by then is behind that by the disorder at most.
        arrives_at += PAYMENTS_OUT_OF_ORDER + PAYMENTS_LATENESS + disorder +
                      draw_span(&g->random, WEIR_SECONDS(1), WEIR_MINUTES(3));
    }
    like->kind   = kind;
    like->at     = at;
    like->number = ++g->event_count;
    flight_add(&g->flight, arrives_at, like);
}

static const char *draw_region(uint64_t *random)
{
    const uint64_t percent = draw_below(random, 100);
    return percent < 40   ? "EU"
           : percent < 70 ? "US"
           : percent < 85 ? "APAC"
           : percent < 95 ? "LATAM"
                          : "";
}

static uint64_t draw_amount(uint64_t *random)
{
    const uint64_t cents = 199 + draw_below(random, 9800);
    return draw_chance(random, 1, 10) ? cents * 10 : cents;
}

// From an order paid to its end.
static void plan_after_payment(generator *g, planned_event *e, weir_time paid_at)
{
    const uint64_t per_mille = draw_below(&g->random, 1000);
    if (per_mille < 30) {
        const bool is_partial = draw_chance(&g->random, 1, 3);
        e->amount_cents       = is_partial ? e->amount_cents / 2 : e->amount_cents;
        plan_event(g, e, REFUND_ISSUED,
                   paid_at + draw_span(&g->random, WEIR_MINUTES(10), WEIR_HOURS(4)));
    } else if (per_mille < 40) {
        plan_event(g, e, ORDER_CANCELLED,
                   paid_at + draw_span(&g->random, WEIR_MINUTES(5), WEIR_HOURS(1)));
    }
}

// Attempts to pay that fail, then one that does not, or the customer gives up.
static void plan_payment(generator *g, planned_event *e, weir_time at, uint64_t failures,
                         bool gives_up)
{
    for (uint64_t i = 0; i < failures; i++) {
        plan_event(g, e, PAYMENT_FAILED, at);
        at += draw_span(&g->random, WEIR_SECONDS(5), WEIR_SECONDS(60));
    }
    if (!gives_up) {
        plan_event(g, e, PAYMENT_AUTHORIZED, at);
        plan_after_payment(g, e, at);
    } else if (draw_chance(&g->random, 1, 2)) {
        plan_event(g, e, ORDER_CANCELLED, at);
    }
}

static void plan_order(generator *g)
{
    planned_event e;
    memset(&e, 0, sizeof(e));
    g->now += draw_span(&g->random, 0, 2 * BETWEEN_ORDERS);
    e.order        = ++g->order_count;
    e.customer     = 1 + draw_below(&g->random, g->settings[CUSTOMERS].value);
    e.region       = draw_region(&g->random);
    e.amount_cents = draw_amount(&g->random);
    // A customer has one card; the first is the hot one.
    e.card = 1 + e.customer % g->settings[CARDS].value;
    if (draw_chance(&g->random, g->settings[HOT_CARD_PERCENT].value, 100)) {
        e.card = 1;
    }
    plan_event(g, &e, ORDER_PLACED, g->now);

    const uint64_t per_mille = draw_below(&g->random, 1000);
    weir_time      pays_at   = g->now + draw_span(&g->random, WEIR_SECONDS(2), WEIR_SECONDS(90));
    if (per_mille < 850) {
        plan_payment(g, &e, pays_at, 0, false);
    } else if (per_mille < 920) { // a typing error or two
        plan_payment(g, &e, pays_at, 1 + draw_below(&g->random, 2), draw_chance(&g->random, 1, 5));
    } else if (per_mille < 924) { // a stolen card, tried again and again
        plan_payment(g, &e, pays_at, 4 + draw_below(&g->random, 8), true);
    } else if (per_mille < 950) { // paid by a reminder, often too late
        pays_at = g->now + draw_span(&g->random, WEIR_MINUTES(12), WEIR_MINUTES(40));
        plan_payment(g, &e, pays_at, 0, false);
    } else if (per_mille < 970) {
        plan_event(g, &e, ORDER_CANCELLED,
                   g->now + draw_span(&g->random, WEIR_SECONDS(20), WEIR_MINUTES(12)));
    } // else forgotten
}

// ---- lines ----

// More than the longest line.
enum { LINE_BYTES = 512, BUFFER_BYTES = 1 << 20 };

static char *put_bytes(char *to, const char *bytes, size_t length)
{
    memcpy(to, bytes, length);
    return to + length;
}
#define PUT(to, literal) put_bytes(to, literal, sizeof(literal) - 1)

static char *put_number(char *to, uint64_t number)
{
    char  digits[20];
    char *first = digits + sizeof(digits);
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put_bytes(to, first, (size_t)(digits + sizeof(digits) - first));
}

// "2026-03-01T10:02:00.123": events come in about the order of their times, so most share the
// minute.
static char *put_time(generator *g, char *to, weir_time at)
{
    const weir_time minute = weir_time_floor(at, WEIR_MINUTES(1), 0);
    const uint64_t  ms     = (uint64_t)(at - minute) / 1000;
    if (minute != g->minute) {
        g->minute = minute;
        (void)weir_time_format(minute, g->minute_text);
    }
    to    = put_bytes(to, g->minute_text, sizeof("2026-03-01T10:02:") - 1);
    to[0] = (char)('0' + ms / 10000);
    to[1] = (char)('0' + ms / 1000 % 10);
    to[2] = '.';
    to[3] = (char)('0' + ms / 100 % 10);
    to[4] = (char)('0' + ms / 10 % 10);
    to[5] = (char)('0' + ms % 10);
    return to + 6;
}

// Without a newline.
static char *put_event(generator *g, char *to, const planned_event *e)
{
    const char *kind = payments_kind_name(e->kind);
    to               = put_number(PUT(to, "{\"event_id\":\"e-"), e->number);
    to               = put_bytes(PUT(to, "\",\"kind\":\""), kind, strlen(kind));
    to               = put_time(g, PUT(to, "\",\"at\":\""), e->at);
    to               = put_number(PUT(to, "Z\",\"order_id\":\"o-"), e->order);
    to               = put_number(PUT(to, "\",\"customer_id\":\"c-"), e->customer);
    to               = put_number(PUT(to, "\",\"card_id\":\"k-"), e->card);
    to               = put_bytes(PUT(to, "\",\"region\":\""), e->region, strlen(e->region));
    to               = put_number(PUT(to, "\",\"amount_cents\":"), e->amount_cents);
    return PUT(to, "}");
}

// What goes wrong: the text after `after` up to `until` becomes `text`.
static const struct damage {
    const char *after;
    char        until;
    const char *text;
} damages[] = {
    { "\"kind\":\"", '"', "OrderShipped" },
    { "\"kind\":", ',', "null" },
    { "\"at\":\"", '"', "yesterday" },
    { "\"at\":\"", '"', "2026-02-30T10:00:00Z" },
    { "{\"", '"', "id" },
    { "\"order_id\":\"", '"', "" },
    { "\"card_id\":\"", '"', "" },
    { "\"region\":\"", '"', "\xff\xfe" },
    { "\"amount_cents\":", '}', "-1" },
    { "\"amount_cents\":", '}', "12.50" },
    { "\"amount_cents\":", '}', "\"1250\"" },
    { "\"amount_cents\":", '}', "1000000000001" },
    { ",", '}', "" },
};
enum { DAMAGE_COUNT = sizeof(damages) / sizeof(damages[0]) };

// Returns the new end of the line.
static char *damage_line(uint64_t *random, char *line, char *end)
{
    const uint64_t which = draw_below(random, DAMAGE_COUNT + 2);
    if (which == DAMAGE_COUNT) {
        return line; // empty
    }
    if (which > DAMAGE_COUNT) {
        return line + draw_below(random, (uint64_t)(end - line)); // cut off
    }
    const struct damage *d     = &damages[which];
    const size_t         added = strlen(d->text);
    *end                       = '\0';
    char *from                 = strstr(line, d->after) + strlen(d->after);
    char *rest                 = strchr(from, d->until);
    memmove(from + added, rest, (size_t)(end - rest));
    memcpy(from, d->text, added);
    return from + added + (end - rest);
}

static bool flush_lines(generator *g)
{
    const bool is_written = fwrite(g->buffer, 1, g->buffered, g->to) == g->buffered;
    g->buffered           = 0;
    return is_written;
}

static bool write_event(generator *g, const planned_event *e)
{
    char *line = g->buffer + g->buffered;
    char *end  = put_event(g, line, e);
    if (draw_chance(&g->random, g->settings[BROKEN_PER_MILLE].value, 1000)) {
        end = damage_line(&g->random, line, end);
    }
    *end++      = '\n';
    g->buffered = (size_t)(end - g->buffer);
    return g->buffered + LINE_BYTES <= BUFFER_BYTES || flush_lines(g);
}

// Sent again by someone who did not know that it had arrived.
static void plan_copy(generator *g, const planned_event *e, weir_time arrived_at)
{
    planned_event copy = *e;
    copy.is_copy       = true;
    flight_add(&g->flight, arrived_at + draw_span(&g->random, 0, WEIR_SECONDS(30)), &copy);
}

static bool write_lines(generator *g)
{
    for (uint64_t i = 0; i < g->settings[EVENTS].value; i++) {
        // Nothing of a later order arrives before the order itself.
        while (g->flight.count == 0 || g->flight.heap[0].time > g->now) {
            plan_order(g);
        }
        const weir_time     arrives_at = g->flight.heap[0].time;
        const planned_event e          = flight_take_first(&g->flight);
        if (!write_event(g, &e)) {
            return false;
        }
        if (!e.is_copy && draw_chance(&g->random, g->settings[DUPLICATE_PER_MILLE].value, 1000)) {
            plan_copy(g, &e, arrives_at);
        }
    }
    return flush_lines(g) && fflush(g->to) == 0;
}

// ---- the command ----

static weir_status write_file(generator *g, const char *output)
{
    const char *name = output != NULL ? output : "stdout";
    g->to            = output != NULL ? fopen(output, "wb") : stdout;
    if (g->to == NULL) {
        (void)fprintf(stderr, "payments generate: cannot write %s: %s\n", name, strerror(errno));
        return WEIR_UNREACHABLE;
    }
    bool is_written = write_lines(g);
    if (output != NULL) {
        is_written = fclose(g->to) == 0 && is_written;
    }
    if (!is_written) {
        (void)fprintf(stderr, "payments generate: cannot write to %s: %s\n", name, strerror(errno));
        return WEIR_FAILED;
    }
    return WEIR_OK;
}

int payments_generate(int argc, char **argv)
{
    static generator g; // zeros
    const char      *output = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return 0;
        }
    }
    memcpy(g.settings, default_settings, sizeof(g.settings));
    if (!read_options(argc, argv, g.settings, &output)) {
        return weir_status_exit_code(WEIR_USAGE);
    }
    g.random = g.settings[SEED].value;
    g.now    = FIRST_ORDER_AT;
    g.minute = WEIR_TIME_MIN;
    g.buffer = (char *)must_have(malloc(BUFFER_BYTES));

    const weir_status status = write_file(&g, output);
    free(g.buffer);
    free(g.flight.heap);
    free(g.flight.events);
    free(g.flight.free_slots);
    return weir_status_exit_code(status);
}
