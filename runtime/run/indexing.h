// indexing: the index of a task's state as it is being made, for a checkpoint or for who takes
// over. Freed by whoever has it.
//
//   task --> stage, instance, cells of keys
//   node --> operator: watermark, counters, numbers and bytes by key (cells), outlines of tables
//
// Thread rule: the task's worker, then whoever it is handed to.
#ifndef WR_INDEXING_H
#define WR_INDEXING_H

#include "runtime/checkpoint/index.h"
#include "runtime/run/run.h"

struct wr_kept_table;

// The cells [*first, *end) of keys that the task owns; all of them if it is the only one.
void wr_task_cells(const struct wr_task *task, uint32_t *first, uint32_t *end);
// The hashes of these.
struct wr_hash_range wr_task_range(const struct wr_task *task);

// All that the task keeps, as it is now, but for its tables.
struct wr_index *wr_index_open(const struct wr_task *task);
void             wr_index_close(struct wr_index *index); // NULL is fine

// Adds a cell to the operator of that name; name and key are copied, as are the bytes.
void wr_index_add_cell(struct wr_index *index, const char *operator_name, const char *name,
                       const char *key, const void *bytes, uint32_t length);
// Adds a table's outline, without segments; `member`: of slices, which of them; NULL: it is a
// table. `number`: in the index, over all operators. Its place in the operator.
uint32_t wr_index_add_table(struct wr_index_operator *to, const struct wr_kept_table *kept,
                            const struct wr_table *table, const weir_time *member, uint32_t number);

#endif // WR_INDEXING_H
