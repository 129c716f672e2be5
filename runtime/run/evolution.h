// evolution: the tables of a checkpoint whose records are others in this program.
//
//   stored text of types  --leaves-->  type of a stored value  --conversion-->  value of this
//   program
//
// A value's records may gain, lose, widen, reorder and rename fields (runtime/base/conversion.h).
// Records that are keys may have fields renamed, and nothing else: their bytes say where state
// lies.
//
// Thread rule: made by one thread, before those that fill tables start; then read by all.
#ifndef WR_EVOLUTION_H
#define WR_EVOLUTION_H

#include "runtime/checkpoint/index.h"
#include "runtime/operator.h"
#include "runtime/state/state.h"

struct wr_evolution;
struct wr_evolutions {
    struct wr_evolution *first; // NULL: every table is as it was
};

// Takes a stored table of that operator, which becomes one of `shape` and `value_bytes` a value.
// NULL: it can. Else a sentence that names the field (wr_alloc'ed). The index and the name must
// stay.
char *wr_evolutions_add(struct wr_evolutions *evolutions, const char *operator_name,
                        const struct wr_index_table *table, const struct wr_table_shape *shape,
                        uint32_t value_bytes);
// How its values are unpacked; NULL: as they are.
const struct wr_packed_values *wr_evolutions_find(const struct wr_evolutions  *evolutions,
                                                  const char                  *operator_name,
                                                  const struct wr_index_table *table);
void                           wr_evolutions_fini(struct wr_evolutions *evolutions);

#endif // WR_EVOLUTION_H
