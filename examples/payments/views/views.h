// views: what is derived from the accepted events, one file a view.
//
// Each function adds its part of the graph, which ends in DIRECTORY/<its name>.jsonl. A view comes
// early and is corrected: a later row of the same identity replaces a row, a retracted one
// withdraws it. What remains at the end is what a batch over all accepted events would say.
#ifndef PAYMENTS_VIEWS_H
#define PAYMENTS_VIEWS_H

#include "../events.h"

// Cards whose payments begin to fail too often.
void payments_alerts(weir_stream accepted, const char *directory);
// What happened, by region and minute.
void payments_kpi(weir_stream accepted, const char *directory);
// Runs of orders of one customer.
void payments_sessions(weir_stream accepted, const char *directory);
// Each order as it stands.
void payments_orders(weir_stream accepted, const char *directory);
// Orders that were not paid in time.
void payments_unpaid(weir_stream accepted, const char *directory);
// How many payments by region and minute, and their average.
void payments_purchases(weir_stream accepted, const char *directory);

// Writes a view to DIRECTORY/NAME.jsonl; the operator is called "write-NAME". `nullable` names the
// integer fields in which INT64_MIN is null ("a,b"), or is NULL.
void payments_write_view(weir_stream view, const char *directory, const char *name,
                         const char *nullable);

#endif // PAYMENTS_VIEWS_H
