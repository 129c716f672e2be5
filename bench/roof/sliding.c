// w3: failed payments per card over 60 s, every second; and the same over tumbling 60 s.
//
// Slices of one slide's length, kept slice by slice over one directory of cards:
//
//     cards[slot]               the directory: open addressing, linear probing; holds card + 1, 0
//     is empty counts[slice][slot]       a ring of SLICE_RING slices: the overlap being counted,
//     and four that may be open totals[slot]              the window: += the slice that closes, -=
//     the slice that leaves; a sweep over arrays
//
// A payment costs one search and one increment whatever the overlap; a second costs one sweep of
// the slots. The card of value 2^64 - 1 would read as empty and has the slot after the last. A card
// stays in the directory for the whole run: a directory for unbounded cards would also drop those
// whose total has come to 0.
//
// Several threads exchange either failed payments {card, slice, hash} (shuffle), or count locally
// by slice and send {card, count} when their own watermark passes a slice (partials).

#include "bench/roof/exchange.h"
#include "bench/roof/memory.h"
#include "bench/roof/source.h"

#define SLICE_RING     64
#define OPEN_SLICES    4
#define SWEEP_SLOTS    64
#define DIRECTORY_ROOM 2 // slots a card

struct slices {
    uint64_t *cards; // slots + 1
    uint32_t *counts[SLICE_RING];
    uint32_t *totals;
    uint64_t  slots; // a multiple of SWEEP_SLOTS
    uint64_t  used;
    int64_t   slide_us;
    int64_t   overlap;
    int64_t   first_open; // the oldest slice not yet closed
    int64_t   newest;     // of all slices counted into
};

// Arrays hold one slot more for the last card of all, rounded up so that a sweep needs no tail.
static uint64_t slices_array_slots(const struct slices *s) { return s->slots + SWEEP_SLOTS; }

static uint64_t slots_rounded_up(uint64_t slots)
{
    return (slots + SWEEP_SLOTS) / SWEEP_SLOTS * SWEEP_SLOTS;
}

static bool slices_open(struct slices *s, uint64_t cards, int64_t length_us, int64_t slide_us)
{
    *s             = (struct slices){ .slots      = slots_rounded_up(cards * DIRECTORY_ROOM),
                                      .slide_us   = slide_us,
                                      .overlap    = length_us / slide_us,
                                      .first_open = WORKLOAD_FIRST_US / slide_us,
                                      .newest     = WORKLOAD_FIRST_US / slide_us };
    uint64_t slots = slices_array_slots(s);
    s->cards       = memory_take(slots * sizeof *s->cards);
    s->totals      = memory_take(slots * (SLICE_RING + 1) * sizeof *s->totals);
    for (unsigned k = 0; s->totals && k < SLICE_RING; k++)
        s->counts[k] = s->totals + slots * (k + 1);
    return s->cards && s->totals;
}

static void slices_close(struct slices *s)
{
    free(s->cards);
    free(s->totals);
}

static inline uint64_t slices_find(struct slices *s, uint64_t hash, uint64_t card)
{
    uint64_t key = card + 1;
    if (__builtin_expect(key == 0, 0)) {
        s->cards[s->slots] = UINT64_MAX;
        return s->slots;
    }
    uint64_t slot = slot_of(hash, s->slots);
    while (s->cards[slot] != key) {
        if (s->cards[slot] == 0) {
            roof_require(++s->used < s->slots);
            s->cards[slot] = key;
            break;
        }
        slot = slot + 1 == s->slots ? 0 : slot + 1;
    }
    return slot;
}

// The card of a used slot: the last slot is only ever used by the card whose key wraps to 0.
static inline uint64_t slices_card(const struct slices *s, uint64_t slot)
{
    return slot == s->slots ? UINT64_MAX : s->cards[slot] - 1;
}

static inline void slices_add(struct slices *s, int64_t slice, uint64_t hash, uint64_t card,
                              uint32_t count)
{
    // Neither late nor so early that its place in the ring is still in use.
    roof_require((uint64_t)slice - (uint64_t)s->first_open < OPEN_SLICES);
    s->newest = slice > s->newest ? slice : s->newest;
    s->counts[slice % SLICE_RING][slices_find(s, hash, card)] += count;
}

// Moves the window of SWEEP_SLOTS slots on by a slice. True when one of their totals is over the
// threshold.
static bool totals_sweep(uint32_t *restrict totals, const uint32_t *restrict enters,
                         uint32_t *restrict leaves, uint32_t threshold)
{
    uint32_t is_over = 0;
    for (unsigned k = 0; k < SWEEP_SLOTS; k++) {
        totals[k] += enters[k] - leaves[k];
        leaves[k] = 0;
        is_over |= totals[k] > threshold;
    }
    return is_over;
}

struct sliding_member {
    struct sliding     *job;
    struct slices       owned; // of the cards this thread owns
    struct slices       local; // partials only: of the payments this thread generates
    struct exchange_end end;
    struct checksum     checksum;
    struct source       source;
};

struct sliding {
    const struct roof_options *options;
    int64_t                    length_us;
    int64_t                    slide_us;
    uint32_t                   threshold;
    bool                       is_partials;
    struct exchange            exchange;
    struct sliding_member     *members[CREW_MAX_THREADS];
};

// Closes a slice and emits the window that ends with it.
static void window_emit(struct sliding_member *m, int64_t slice)
{
    struct slices *s      = &m->owned;
    uint32_t      *enters = s->counts[slice % SLICE_RING];
    uint32_t      *leaves = s->counts[(slice - s->overlap) % SLICE_RING];
    for (uint64_t first = 0; first < slices_array_slots(s); first += SWEEP_SLOTS) {
        if (!totals_sweep(s->totals + first, enters + first, leaves + first, m->job->threshold))
            continue;
        for (uint64_t slot = first; slot < first + SWEEP_SLOTS; slot++)
            if (s->totals[slot] > m->job->threshold)
                checksum_add_w3(&m->checksum, (slice + 1) * s->slide_us, slices_card(s, slot),
                                s->totals[slot]);
    }
}

// Closes the slices that `watermark` has passed. At the end the window runs on until the last
// record has left it.
static void results_advance(struct sliding_member *m, int64_t watermark)
{
    struct slices *s      = &m->owned;
    int64_t        until  = watermark < 0 ? 0 : watermark / s->slide_us;
    int64_t        beyond = s->newest + s->overlap;
    for (until = until < beyond ? until : beyond; s->first_open < until; s->first_open++)
        window_emit(m, s->first_open);
}

static void partials_emit(struct sliding_member *m, int64_t slice)
{
    struct slices *s      = &m->local;
    uint32_t      *counts = s->counts[slice % SLICE_RING];
    for (uint64_t slot = 0; slot <= s->slots; slot++) {
        if (counts[slot] == 0)
            continue;
        uint64_t      card         = slices_card(s, slot);
        unsigned      owner        = exchange_owner(&m->job->exchange, key_hash(card));
        struct block *out          = exchange_room(&m->end, owner, 1, slice * s->slide_us);
        out->window                = slice;
        out->records[out->count++] = (struct record){ card, counts[slot], 0 };
        counts[slot]               = 0;
    }
    // A block holds partials of one slice.
    for (unsigned to = 0; to < m->job->exchange.threads; to++)
        exchange_publish(&m->end, to, (slice + 1) * s->slide_us);
}

static void partials_advance(struct sliding_member *m, int64_t watermark)
{
    struct slices *s      = &m->local;
    int64_t        until  = watermark < 0 ? 0 : watermark / s->slide_us;
    int64_t        beyond = s->newest + 1;
    for (until = until < beyond ? until : beyond; s->first_open < until; s->first_open++)
        partials_emit(m, s->first_open);
}

// The failed payments of a block, gathered without a branch: one in five, in no order a predictor
// could learn.
struct failed {
    size_t   count;
    uint16_t at[SOURCE_BLOCK];
};

SOURCE_INLINE void failed_consume(void *to, const payment *p, size_t k)
{
    struct failed *f = to;
    f->at[f->count]  = (uint16_t)k;
    f->count += p->type == PAYMENT_FAILED;
}

// Makes a block of payments and counts the failed ones. `slide_us` is a constant where this is
// inlined, so that nothing divides.
SOURCE_INLINE bool slices_count_next(struct slices *s, struct source *source, int64_t slide_us)
{
    struct failed failed;
    failed.count = 0;
    if (!source_next(source, failed_consume, &failed))
        return false;
    for (size_t k = 0; k < failed.count; k++) {
        const payment *p = &source->payments[failed.at[k]];
        slices_add(s, p->event_time / slide_us, key_hash(p->card_id), p->card_id, 1);
    }
    return true;
}

static bool source_count(struct sliding_member *m, struct slices *s)
{
    if (s->slide_us == W3_SLIDE_US)
        return slices_count_next(s, &m->source, W3_SLIDE_US);
    return slices_count_next(s, &m->source, W3_LENGTH_US);
}

struct shuffle {
    struct sliding_member *member;
    struct block          *out[CREW_MAX_THREADS];
};

SOURCE_INLINE void shuffle_consume(void *to, const payment *p, size_t k)
{
    struct shuffle *s    = to;
    uint64_t        hash = key_hash(p->card_id);
    struct block   *out  = s->out[exchange_owner(&s->member->job->exchange, hash)];
    (void)k;
    out->records[out->count] = (struct record){ p->card_id, (uint64_t)p->event_time, hash };
    out->count += p->type == PAYMENT_FAILED;
}

static bool source_shuffle(struct sliding_member *m)
{
    struct shuffle s = { .member = m };
    for (unsigned t = 0; t < m->job->exchange.threads; t++)
        s.out[t] = exchange_room(&m->end, t, SOURCE_BLOCK, source_watermark(&m->source));
    return source_next(&m->source, shuffle_consume, &s);
}

static inline void payments_apply(struct slices *s, const struct block *block, int64_t slide_us)
{
    for (size_t k = 0; k < block->count; k++) {
        const struct record *r = &block->records[k];
        slices_add(s, (int64_t)r->b / slide_us, r->c, r->a, 1);
    }
}

static void partials_apply(struct slices *s, const struct block *block)
{
    for (size_t k = 0; k < block->count; k++) {
        const struct record *r = &block->records[k];
        slices_add(s, block->window, key_hash(r->a), r->a, (uint32_t)r->b);
    }
}

static void member_apply(void *owner, const struct block *block, int64_t watermark)
{
    struct sliding_member *m = owner;
    if (m->job->is_partials)
        partials_apply(&m->owned, block);
    else if (m->job->slide_us == W3_SLIDE_US)
        payments_apply(&m->owned, block, W3_SLIDE_US);
    else
        payments_apply(&m->owned, block, W3_LENGTH_US);
    results_advance(m, watermark);
}

static void member_work_alone(struct sliding_member *m)
{
    while (source_count(m, &m->owned))
        results_advance(m, source_watermark(&m->source));
    results_advance(m, INT64_MAX);
}

static void member_work_partials(struct sliding_member *m)
{
    while (source_count(m, &m->local)) {
        partials_advance(m, source_watermark(&m->source));
        exchange_advance(&m->end, m->source.next, m->local.first_open * m->local.slide_us);
    }
    partials_advance(m, INT64_MAX);
    exchange_finish(&m->end);
}

static void member_work_shuffle(struct sliding_member *m)
{
    while (source_shuffle(m))
        exchange_advance(&m->end, m->source.next, source_watermark(&m->source));
    exchange_finish(&m->end);
}

static bool sliding_prepare(void *job, unsigned self)
{
    struct sliding            *g       = job;
    const struct roof_options *options = g->options;
    struct sliding_member     *m       = memory_take(sizeof *m);
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
    share          = options->threads == 1 ? share : share + share / 8 + 64;
    return slices_open(&m->owned, share, g->length_us, g->slide_us) &&
           (!g->is_partials || slices_open(&m->local, options->keys, g->slide_us, g->slide_us)) &&
           (options->threads == 1 || exchange_end_prepare(&m->end));
}

static void sliding_work(void *job, unsigned self)
{
    struct sliding_member *m = ((struct sliding *)job)->members[self];
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

static void sliding_close(struct sliding *g, struct checksum *checksum)
{
    for (unsigned t = 0; t < g->options->threads; t++) {
        if (!g->members[t])
            continue;
        checksum_merge(checksum, &g->members[t]->checksum);
        slices_close(&g->members[t]->owned);
        slices_close(&g->members[t]->local);
        free(g->members[t]);
    }
    exchange_close(&g->exchange);
}

static bool sliding_run(const struct roof_options *options, struct roof_result *result,
                        int64_t slide_us)
{
    bool             is_partials = options->exchange != ROOF_SHUFFLE && options->threads > 1;
    struct sliding   g           = { .options          = options,
                                     .length_us        = W3_LENGTH_US,
                                     .slide_us         = slide_us,
                                     .threshold        = (uint32_t)w3_threshold(options->events),
                                     .is_partials      = is_partials,
                                     .exchange.threads = options->threads };
    struct crew_work work        = { .prepare = sliding_prepare, .work = sliding_work, .job = &g };
    *result = (struct roof_result){ .seconds = crew_run(options->threads, &work) };
    sliding_close(&g, &result->checksum);
    return result->seconds >= 0;
}

bool roof_w3(const struct roof_options *options, struct roof_result *result)
{
    return sliding_run(options, result, W3_SLIDE_US);
}

bool roof_w3_tumbling(const struct roof_options *options, struct roof_result *result)
{
    return sliding_run(options, result, W3_LENGTH_US);
}
