// views: what is derived from the accepted events, one file a view.
//
// Each function adds its part of the graph, which ends in the view of its name. A view comes early
// and is corrected: a later row of the same identity replaces a row, a retracted one withdraws it.
// What remains at the end is what a batch over all accepted events would say.
#ifndef PAYMENTS_VIEWS_H
#define PAYMENTS_VIEWS_H

#include "../ends.h"
#include "../events.h"

// Cards whose payments begin to fail too often.
void payments_alerts(weir_stream accepted, const payments_ends *ends);
// What happened, by region and minute.
void payments_kpi(weir_stream accepted, const payments_ends *ends);
// Runs of orders of one customer.
void payments_sessions(weir_stream accepted, const payments_ends *ends);
// Each order as it stands.
void payments_orders(weir_stream accepted, const payments_ends *ends);
// Orders that were not paid in time.
void payments_unpaid(weir_stream accepted, const payments_ends *ends);
// How many payments by region and minute, and their average.
void payments_purchases(weir_stream accepted, const payments_ends *ends);

// ---- all of them ----

#define PAYMENTS_VIEW_COUNT 6
#define PAYMENTS_ALL_VIEWS  ((1U << PAYMENTS_VIEW_COUNT) - 1)

const char *payments_view_name(uint32_t number);
// Sets bit i for view number i: those listed ("alerts,kpi"), or a job's (fraud, kpi, orders, all);
// both NULL: all. False, with a sentence on stderr, if there is none of that name.
bool payments_choose_views(const char *views, const char *job, uint32_t *chosen);
void payments_add_views(weir_stream accepted, uint32_t chosen, const payments_ends *ends);

#endif // PAYMENTS_VIEWS_H
