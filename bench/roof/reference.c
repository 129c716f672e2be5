#include "bench/roof/reference.h"

#include <stdlib.h>

// Sums and counts of every second and card: second s of the input, from 0, and card c at s * keys +
// c.
struct grid {
    int64_t   first_second; // since the epoch
    int64_t   seconds;
    uint64_t  keys;
    int64_t  *sums;
    uint64_t *counts;
};

static bool grid_open(struct grid *g, const struct roof_options *options)
{
    *g        = (struct grid){ .first_second = WORKLOAD_FIRST_US / WORKLOAD_SECOND_US,
                               .seconds      = (int64_t)(options->events / 1000000) + 2,
                               .keys         = options->keys };
    g->sums   = calloc((size_t)g->seconds * g->keys, sizeof *g->sums);
    g->counts = calloc((size_t)g->seconds * g->keys, sizeof *g->counts);
    return g->sums && g->counts;
}

static void grid_close(struct grid *g)
{
    free(g->sums);
    free(g->counts);
}

static void grid_add(struct grid *g, const payment *p)
{
    uint64_t second = (uint64_t)(p->event_time / WORKLOAD_SECOND_US - g->first_second);
    g->sums[second * g->keys + p->card_id] += p->amount;
    g->counts[second * g->keys + p->card_id]++;
}

// The count of a card from second `from` to before second `until`, both since the epoch.
static uint64_t grid_count(const struct grid *g, uint64_t card, int64_t from, int64_t until)
{
    uint64_t count = 0;
    for (int64_t s = from - g->first_second; s < until - g->first_second; s++)
        if (s >= 0 && s < g->seconds)
            count += g->counts[(uint64_t)s * g->keys + card];
    return count;
}

bool reference_gen(const struct roof_options *options, struct checksum *checksum)
{
    *checksum = (struct checksum){ .count = options->events };
    return true;
}

bool reference_w1(const struct roof_options *options, struct checksum *checksum)
{
    *checksum = (struct checksum){ 0 };
    for (uint64_t i = 0; i < options->events; i++) {
        payment p;
        payment_make(&p, i, options->keys);
        if (p.type == PAYMENT_FAILED)
            checksum_add_w1(checksum, p.amount * 2);
    }
    return true;
}

bool reference_w2(const struct roof_options *options, struct checksum *checksum)
{
    struct grid g;
    *checksum       = (struct checksum){ 0 };
    bool has_memory = grid_open(&g, options);
    for (uint64_t i = 0; has_memory && i < options->events; i++) {
        payment p;
        payment_make(&p, i, options->keys);
        grid_add(&g, &p);
    }
    for (uint64_t at = 0; has_memory && at < (uint64_t)g.seconds * g.keys; at++) {
        int64_t second = g.first_second + (int64_t)(at / g.keys);
        if (g.counts[at] > 0)
            checksum_add_w2(checksum, (second + 1) * WORKLOAD_SECOND_US, at % g.keys, g.sums[at],
                            g.counts[at]);
    }
    grid_close(&g);
    return has_memory;
}

// Windows of 60 s that end at every multiple of `slide` seconds.
static bool reference_windows(const struct roof_options *options, struct checksum *checksum,
                              int64_t slide)
{
    struct grid g;
    *checksum       = (struct checksum){ 0 };
    bool has_memory = grid_open(&g, options);
    for (uint64_t i = 0; has_memory && i < options->events; i++) {
        payment p;
        payment_make(&p, i, options->keys);
        if (p.type == PAYMENT_FAILED)
            grid_add(&g, &p);
    }
    int64_t first_end = (g.first_second / slide + 1) * slide;
    for (int64_t end = first_end; has_memory && end < g.first_second + g.seconds + 60;
         end += slide) {
        for (uint64_t card = 0; card < g.keys; card++) {
            uint64_t count = grid_count(&g, card, end - 60, end);
            if (count > w3_threshold(options->events))
                checksum_add_w3(checksum, end * WORKLOAD_SECOND_US, card, count);
        }
    }
    grid_close(&g);
    return has_memory;
}

bool reference_w3(const struct roof_options *options, struct checksum *checksum)
{
    return reference_windows(options, checksum, 1);
}

bool reference_w3_tumbling(const struct roof_options *options, struct checksum *checksum)
{
    return reference_windows(options, checksum, 60);
}

bool reference_w4(const struct roof_options *options, struct checksum *checksum)
{
    int64_t *sums = calloc(options->keys, sizeof *sums);
    *checksum     = (struct checksum){ .count = options->events };
    for (uint64_t i = 0; sums && i < options->events; i++) {
        payment p;
        payment_make(&p, i, options->keys);
        sums[p.card_id] += p.amount;
        checksum->sum += p.amount;
    }
    for (uint64_t card = 0; sums && card < options->keys; card++)
        checksum->hash += w4_hash(card, sums[card]) - w4_hash(card, 0);
    free(sums);
    return sums != NULL;
}
