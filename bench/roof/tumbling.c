// w2: sum and count per card and tumbling window.
//
// A window is a table, and a ring of WINDOW_RING tables holds the open ones:
//
//     first_open           the oldest window not yet emitted; window w is in ring[w % WINDOW_RING]
//     first_open + 1 ..    records are up to a second out of order, the watermark a second behind,
//     two sources up to
//                          100 ms apart: three windows can be open, a fourth is room
//
// A table is open addressing with linear probing, 24 bytes a slot; a slot whose count is 0 is
// empty, whatever its card. When its window is emitted the table is swept in memory order and is
// empty again, so no card outlives its window.
//
// One owner a card. Alone, a thread applies its payments itself. Several exchange either payments
// {card, amount, window and hash} (shuffle), or sum locally and send {card, sum, count} when their
// own watermark passes a window (partials).

#include "bench/roof/exchange.h"
#include "bench/roof/memory.h"
#include "bench/roof/source.h"

#define WINDOW_RING    4
#define PREFETCH_AHEAD 24

struct slot {
    uint64_t card;
    int64_t  sum;
    uint64_t count;
};

struct windows {
    struct slot *ring[WINDOW_RING];
    uint64_t     used[WINDOW_RING];
    uint64_t     slots; // of each table
    int64_t      first_open;
    bool         is_prefetched;
};

static bool windows_open(struct windows *w, uint64_t cards)
{
    *w               = (struct windows){ .slots      = slots_for(cards, sizeof(struct slot)),
                                         .first_open = WORKLOAD_FIRST_US / W2_LENGTH_US };
    w->is_prefetched = w->slots * sizeof(struct slot) > SMALL_TABLE_BYTES;
    for (unsigned k = 0; k < WINDOW_RING; k++)
        if (!(w->ring[k] = memory_take(w->slots * sizeof(struct slot))))
            return false;
    return true;
}

static void windows_close(struct windows *w)
{
    for (unsigned k = 0; k < WINDOW_RING; k++)
        free(w->ring[k]);
}

// Where the search for a hash in a window starts.
static inline struct slot *windows_start(const struct windows *w, uint64_t window, uint64_t hash)
{
    return &w->ring[window % WINDOW_RING][slot_of(hash, w->slots)];
}

static inline void windows_add(struct windows *w, uint64_t window, struct slot *at, uint64_t card,
                               int64_t sum, uint64_t count)
{
    struct slot *table = w->ring[window % WINDOW_RING];
    // Neither late nor so early that its table is still in use.
    roof_require(window - (uint64_t)w->first_open < WINDOW_RING);
    while (__builtin_expect(at->card != card || at->count == 0, 0)) {
        if (at->count == 0) {
            roof_require(++w->used[window % WINDOW_RING] < w->slots);
            at->card = card;
            break;
        }
        at = at + 1 == table + w->slots ? table : at + 1;
    }
    at->sum += sum;
    at->count += count;
}

// Where the payments of a block will look.
struct windows_ahead {
    struct windows *windows;
    struct slot    *start[SOURCE_BLOCK];
};

static inline uint64_t payment_window(const payment *p)
{
    return (uint64_t)p->event_time / W2_LENGTH_US;
}

SOURCE_INLINE void windows_consume(void *to, const payment *p, size_t k)
{
    struct windows *w      = ((struct windows_ahead *)to)->windows;
    uint64_t        window = payment_window(p);
    (void)k;
    windows_add(w, window, windows_start(w, window, key_hash(p->card_id)), p->card_id, p->amount,
                1);
}

SOURCE_INLINE void windows_ask(void *to, const payment *p, size_t k)
{
    struct windows_ahead *ahead = to;
    ahead->start[k] = windows_start(ahead->windows, payment_window(p), key_hash(p->card_id));
    __builtin_prefetch(ahead->start[k], 1);
}

// Makes a block of payments and adds them: at once to a small table; to a large one in two passes,
// the first asking for the slots that the second finds in the cache (19 ns a payment at 100,000
// cards against 32).
static bool windows_add_next(struct windows *w, struct source *source)
{
    struct windows_ahead ahead = { .windows = w };
    if (!w->is_prefetched)
        return source_next(source, windows_consume, &ahead);
    if (!source_next(source, windows_ask, &ahead))
        return false;
    for (size_t k = 0; k < source->count; k++) {
        const payment *p = &source->payments[k];
        windows_add(w, payment_window(p), ahead.start[k], p->card_id, p->amount, 1);
    }
    return true;
}

// Gives each window that `watermark` has passed to `emit`, oldest first, and empties it.
static void windows_advance(struct windows *w, int64_t                                   watermark,
                            void (*emit)(void *to, int64_t window, struct slot *), void *to)
{
    int64_t until  = watermark < 0 ? 0 : watermark / W2_LENGTH_US;
    int64_t beyond = w->first_open + WINDOW_RING;
    for (until = until < beyond ? until : beyond; w->first_open < until; w->first_open++) {
        emit(to, w->first_open, w->ring[w->first_open % WINDOW_RING]);
        w->used[w->first_open % WINDOW_RING] = 0;
    }
}

struct tumbling_member {
    struct tumbling    *job;
    struct windows      owned; // of the cards this thread owns
    struct windows      local; // partials only: of the payments this thread generates
    struct exchange_end end;
    struct checksum     checksum;
    struct source       source;
};

struct tumbling {
    const struct roof_options *options;
    bool                       is_partials;
    struct exchange            exchange;
    struct tumbling_member    *members[CREW_MAX_THREADS];
};

static void results_emit(void *to, int64_t window, struct slot *table)
{
    struct tumbling_member *m = to;
    for (uint64_t k = 0; k < m->owned.slots; k++) {
        if (table[k].count == 0)
            continue;
        checksum_add_w2(&m->checksum, (window + 1) * W2_LENGTH_US, table[k].card, table[k].sum,
                        table[k].count);
        table[k] = (struct slot){ 0 };
    }
}

static void partials_emit(void *to, int64_t window, struct slot *table)
{
    struct tumbling_member *m = to;
    for (uint64_t k = 0; k < m->local.slots; k++) {
        if (table[k].count == 0)
            continue;
        unsigned      owner = exchange_owner(&m->job->exchange, key_hash(table[k].card));
        struct block *out   = exchange_room(&m->end, owner, 1, window * W2_LENGTH_US);
        out->window         = window;
        out->records[out->count++] =
            (struct record){ table[k].card, (uint64_t)table[k].sum, table[k].count };
        table[k] = (struct slot){ 0 };
    }
    // A block holds partials of one window.
    for (unsigned to_thread = 0; to_thread < m->job->exchange.threads; to_thread++)
        exchange_publish(&m->end, to_thread, (window + 1) * W2_LENGTH_US);
}

static void partials_apply(struct windows *w, const struct block *block)
{
    uint64_t window = (uint64_t)block->window;
    for (size_t k = 0; k < block->count; k++) {
        const struct record *r = &block->records[k];
        __builtin_prefetch(windows_start(w, window, key_hash(r[PREFETCH_AHEAD].a)), 1);
        windows_add(w, window, windows_start(w, window, key_hash(r->a)), r->a, (int64_t)r->b, r->c);
    }
}

// A shuffled payment's third word: the window in the high half, the low half of the hash below.
static inline uint64_t payment_pack(uint64_t window, uint64_t hash)
{
    return window << 32 | (uint32_t)hash;
}

static void payments_apply(struct windows *w, const struct block *block)
{
    for (size_t k = 0; k < block->count; k++) {
        const struct record *r = &block->records[k];
        if (w->is_prefetched)
            __builtin_prefetch(
                windows_start(w, r[PREFETCH_AHEAD].c >> 32, (uint32_t)r[PREFETCH_AHEAD].c), 1);
        windows_add(w, r->c >> 32, windows_start(w, r->c >> 32, (uint32_t)r->c), r->a,
                    (int64_t)r->b, 1);
    }
}

static void member_apply(void *owner, const struct block *block, int64_t watermark)
{
    struct tumbling_member *m = owner;
    if (m->job->is_partials)
        partials_apply(&m->owned, block);
    else
        payments_apply(&m->owned, block);
    windows_advance(&m->owned, watermark, results_emit, m);
}

struct shuffle {
    struct tumbling_member *member;
    struct block           *out[CREW_MAX_THREADS];
};

SOURCE_INLINE void shuffle_consume(void *to, const payment *p, size_t k)
{
    struct shuffle *s    = to;
    uint64_t        hash = key_hash(p->card_id);
    struct block   *out  = s->out[exchange_owner(&s->member->job->exchange, hash)];
    (void)k;
    out->records[out->count++] =
        (struct record){ p->card_id, (uint64_t)p->amount, payment_pack(payment_window(p), hash) };
}

static bool source_shuffle(struct tumbling_member *m)
{
    struct shuffle s = { .member = m };
    for (unsigned t = 0; t < m->job->exchange.threads; t++)
        s.out[t] = exchange_room(&m->end, t, SOURCE_BLOCK, source_watermark(&m->source));
    return source_next(&m->source, shuffle_consume, &s);
}

static void member_work_alone(struct tumbling_member *m)
{
    while (windows_add_next(&m->owned, &m->source))
        windows_advance(&m->owned, source_watermark(&m->source), results_emit, m);
    windows_advance(&m->owned, INT64_MAX, results_emit, m);
}

static void member_work_partials(struct tumbling_member *m)
{
    while (windows_add_next(&m->local, &m->source)) {
        windows_advance(&m->local, source_watermark(&m->source), partials_emit, m);
        exchange_advance(&m->end, m->source.next, m->local.first_open * W2_LENGTH_US);
    }
    windows_advance(&m->local, INT64_MAX, partials_emit, m);
    exchange_finish(&m->end);
}

static void member_work_shuffle(struct tumbling_member *m)
{
    while (source_shuffle(m))
        exchange_advance(&m->end, m->source.next, source_watermark(&m->source));
    exchange_finish(&m->end);
}

static bool tumbling_prepare(void *job, unsigned self)
{
    struct tumbling           *g       = job;
    const struct roof_options *options = g->options;
    struct tumbling_member    *m       = memory_take(sizeof *m);
    g->members[self]                   = m;
    if (!m)
        return false;
    m->job = g;
    source_init(&m->source, options, self);
    m->end = (struct exchange_end){
        .exchange = &g->exchange, .self = self, .apply = member_apply, .owner = m
    };
    // An owner's share of the cards, and an eighth and 64 more for the unevenness of the hash.
    uint64_t share = options->keys / options->threads;
    return windows_open(&m->owned, options->threads == 1 ? share : share + share / 8 + 64) &&
           (!g->is_partials || windows_open(&m->local, options->keys)) &&
           (options->threads == 1 || exchange_end_prepare(&m->end));
}

static void tumbling_work(void *job, unsigned self)
{
    struct tumbling_member *m = ((struct tumbling *)job)->members[self];
    if (m->job->options->threads == 1) {
        member_work_alone(m);
        return;
    }
    exchange_end_start(&m->end);
    if (m->job->is_partials)
        member_work_partials(m);
    else
        member_work_shuffle(m);
}

static void tumbling_close(struct tumbling *g, struct checksum *checksum)
{
    for (unsigned t = 0; t < g->options->threads; t++) {
        if (!g->members[t])
            continue;
        checksum_merge(checksum, &g->members[t]->checksum);
        windows_close(&g->members[t]->owned);
        windows_close(&g->members[t]->local);
        free(g->members[t]);
    }
    exchange_close(&g->exchange);
}

bool roof_w2(const struct roof_options *options, struct roof_result *result)
{
    // Partials win as long as each stands for many payments: at the workloads' 1,000 cards, not at
    // their 100,000.
    bool is_best_partials = options->keys <= 20000;
    bool is_partials =
        options->exchange == ROOF_PARTIALS || (options->exchange == ROOF_BEST && is_best_partials);
    struct tumbling  g    = { .options          = options,
                              .is_partials      = is_partials && options->threads > 1,
                              .exchange.threads = options->threads };
    struct crew_work work = { .prepare = tumbling_prepare, .work = tumbling_work, .job = &g };
    *result               = (struct roof_result){ .seconds = crew_run(options->threads, &work) };
    tumbling_close(&g, &result->checksum);
    return result->seconds >= 0;
}
