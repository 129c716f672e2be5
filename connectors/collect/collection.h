// collection: records kept in memory with their strings, change and event time, in the order in
// which they were added. Owned by one thread at a time.
#ifndef WR_COLLECTION_H
#define WR_COLLECTION_H

#include "runtime/connector.h"

// From now on it takes records of this type, which is kept. False: it has one already.
bool wr_collection_attach(weir_collection *collection, const weir_type *type);
// Adds a copy; `row` is of the collection's type.
void wr_collection_add(weir_collection *collection, const void *row, weir_change change,
                       weir_time time);
void wr_collection_add_all(weir_collection *to, const weir_collection *from);
// Adds, and consumes, what is pending in the inlet.
void wr_collection_add_batch(weir_collection *collection, struct wr_inlet *inlet);

#endif // WR_COLLECTION_H
