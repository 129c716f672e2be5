// w4: the running sum of each card, and every update of it into the sink.
//
// One table of {card + 1, sum}, open addressing with linear probing, 16 bytes a slot, so that an
// update touches one cache line; the card of value 2^64 - 1 would read as empty and has the slot
// after the last. The table is larger than the caches: a payment's slot is asked for while the
// payments of its group are made, and found some groups later.
//
// One owner a card; several threads shuffle payments {card, amount, hash}. There is nothing to
// aggregate before the exchange, because every update is a result.

#include "bench/roof/exchange.h"
#include "bench/roof/memory.h"
#include "bench/roof/source.h"

#define PREFETCH_AHEAD 24

struct sum_slot {
    uint64_t key; // card + 1; 0 is empty
    int64_t  sum;
};

struct sums {
    struct sum_slot *slots;
    uint64_t         slot_count;
    uint64_t         used;
};

static bool sums_open(struct sums *s, uint64_t cards)
{
    *s       = (struct sums){ .slot_count = slots_for(cards, sizeof *s->slots) };
    s->slots = memory_take((s->slot_count + 1) * sizeof *s->slots);
    return s->slots != NULL;
}

static inline struct sum_slot *sums_start(const struct sums *s, uint64_t hash)
{
    return &s->slots[slot_of(hash, s->slot_count)];
}

static inline int64_t sums_add(struct sums *s, struct sum_slot *at, uint64_t card, int64_t amount)
{
    uint64_t         key  = card + 1;
    struct sum_slot *last = &s->slots[s->slot_count];
    if (__builtin_expect(key == 0, 0))
        return last->sum += amount;
    while (__builtin_expect(at->key != key, 0)) {
        if (at->key == 0) {
            roof_require(++s->used < s->slot_count);
            at->key = key;
            break;
        }
        at = at + 1 == last ? s->slots : at + 1;
    }
    return at->sum += amount;
}

struct running_member {
    struct running     *job;
    struct sums         owned;
    struct exchange_end end;
    struct checksum     checksum;
    struct source       source;
};

struct running {
    const struct roof_options *options;
    struct exchange            exchange;
    struct running_member     *members[CREW_MAX_THREADS];
};

// Where the payments of a block will look.
struct sums_ahead {
    const struct sums *sums;
    struct sum_slot   *start[SOURCE_BLOCK];
};

SOURCE_INLINE void sums_ask(void *to, const payment *p, size_t k)
{
    struct sums_ahead *ahead = to;
    ahead->start[k]          = sums_start(ahead->sums, key_hash(p->card_id));
    __builtin_prefetch(ahead->start[k], 1);
}

static bool sums_add_next(struct running_member *m)
{
    struct sums_ahead ahead = { .sums = &m->owned };
    if (!source_next(&m->source, sums_ask, &ahead))
        return false;
    struct checksum checksum = m->checksum;
    for (size_t k = 0; k < m->source.count; k++) {
        const payment *p   = &m->source.payments[k];
        int64_t        sum = sums_add(&m->owned, ahead.start[k], p->card_id, p->amount);
        checksum_add_w4(&checksum, p->card_id, p->amount, sum);
    }
    m->checksum = checksum;
    return true;
}

struct shuffle {
    struct running_member *member;
    struct block          *out[CREW_MAX_THREADS];
};

SOURCE_INLINE void shuffle_consume(void *to, const payment *p, size_t k)
{
    struct shuffle *s    = to;
    uint64_t        hash = key_hash(p->card_id);
    struct block   *out  = s->out[exchange_owner(&s->member->job->exchange, hash)];
    (void)k;
    out->records[out->count++] = (struct record){ p->card_id, (uint64_t)p->amount, hash };
}

static bool source_shuffle(struct running_member *m)
{
    struct shuffle s = { .member = m };
    for (unsigned t = 0; t < m->job->exchange.threads; t++)
        s.out[t] = exchange_room(&m->end, t, SOURCE_BLOCK, 0);
    return source_next(&m->source, shuffle_consume, &s);
}

static void member_apply(void *owner, const struct block *block, int64_t watermark)
{
    struct running_member *m        = owner;
    struct checksum        checksum = m->checksum;
    (void)watermark;
    for (size_t k = 0; k < block->count; k++) {
        const struct record *r = &block->records[k];
        __builtin_prefetch(sums_start(&m->owned, r[PREFETCH_AHEAD].c), 1);
        int64_t sum = sums_add(&m->owned, sums_start(&m->owned, r->c), r->a, (int64_t)r->b);
        checksum_add_w4(&checksum, r->a, (int64_t)r->b, sum);
    }
    m->checksum = checksum;
}

static bool running_prepare(void *job, unsigned self)
{
    struct running            *g       = job;
    const struct roof_options *options = g->options;
    struct running_member     *m       = memory_take(sizeof *m);
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
    return sums_open(&m->owned, options->threads == 1 ? share : share + share / 8 + 64) &&
           (options->threads == 1 || exchange_end_prepare(&m->end));
}

static void member_work_alone(struct running_member *m)
{
    while (sums_add_next(m))
        ;
}

static void member_work_shuffle(struct running_member *m)
{
    exchange_end_start(&m->end);
    while (source_shuffle(m))
        exchange_advance(&m->end, m->source.next, 0);
    exchange_finish(&m->end);
}

static void running_work(void *job, unsigned self)
{
    struct running_member *m = ((struct running *)job)->members[self];
    if (m->job->options->threads == 1)
        member_work_alone(m);
    else
        member_work_shuffle(m);
}

bool roof_w4(const struct roof_options *options, struct roof_result *result)
{
    struct running   g    = { .options = options, .exchange.threads = options->threads };
    struct crew_work work = { .prepare = running_prepare, .work = running_work, .job = &g };
    *result               = (struct roof_result){ .seconds = crew_run(options->threads, &work) };
    for (unsigned t = 0; t < options->threads; t++) {
        if (!g.members[t])
            continue;
        checksum_merge(&result->checksum, &g.members[t]->checksum);
        free(g.members[t]->owned.slots);
        free(g.members[t]);
    }
    exchange_close(&g.exchange);
    return result->seconds >= 0;
}
