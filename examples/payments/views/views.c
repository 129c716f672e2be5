#include "views.h"

#include <stdio.h>
#include <string.h>

static const struct part {
    const char *name;
    const char *job;
    void (*add)(weir_stream accepted, const payments_ends *ends);
} parts[PAYMENTS_VIEW_COUNT] = {
    { "alerts", "fraud", payments_alerts },      { "kpi", "kpi", payments_kpi },
    { "sessions", "orders", payments_sessions }, { "orders", "orders", payments_orders },
    { "unpaid", "orders", payments_unpaid },     { "purchases", "kpi", payments_purchases },
};

const char *payments_view_name(uint32_t number) { return parts[number].name; }

// The bit of the view of that name, or the bits of the job's views; 0: there is none.
static uint32_t bits_named(const char *name, size_t length, bool is_job)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < PAYMENTS_VIEW_COUNT; i++) {
        const char *known = is_job ? parts[i].job : parts[i].name;
        if (strlen(known) == length && memcmp(known, name, length) == 0) {
            bits |= 1U << i;
        }
    }
    return bits;
}

static bool choose_listed(const char *list, uint32_t *chosen)
{
    for (const char *name = list;;) {
        const size_t   length = strcspn(name, ",");
        const uint32_t bit    = bits_named(name, length, false);
        if (bit == 0) {
            (void)fprintf(stderr,
                          "payments: --views: there is no view \"%.*s\"; there are alerts, kpi, "
                          "sessions, orders, unpaid, purchases\n",
                          (int)length, name);
            return false;
        }
        *chosen |= bit;
        if (name[length] == '\0') {
            return true;
        }
        name += length + 1;
    }
}

bool payments_choose_views(const char *views, const char *job, uint32_t *chosen)
{
    *chosen = 0;
    if (views != NULL && job != NULL) {
        (void)fprintf(stderr, "payments: --views and --job both choose the views; give one\n");
        return false;
    }
    if (views != NULL) {
        return choose_listed(views, chosen);
    }
    if (job == NULL || strcmp(job, "all") == 0) {
        *chosen = PAYMENTS_ALL_VIEWS;
        return true;
    }
    *chosen = bits_named(job, strlen(job), true);
    if (*chosen == 0) {
        (void)fprintf(
            stderr, "payments: --job: there is no job \"%s\"; there are fraud, kpi, orders, all\n",
            job);
    }
    return *chosen != 0;
}

void payments_add_views(weir_stream accepted, uint32_t chosen, const payments_ends *ends)
{
    for (uint32_t i = 0; i < PAYMENTS_VIEW_COUNT; i++) {
        if ((chosen >> i & 1) != 0) {
            parts[i].add(accepted, ends);
        }
    }
}
