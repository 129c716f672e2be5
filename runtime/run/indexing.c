#include "runtime/run/indexing.h"

#include "runtime/run/exchange.h"
#include "runtime/run/kept.h"
#include "runtime/run/table_types.h"

#include <string.h>

// ---- whose keys a task has ----

void wr_task_cells(const struct wr_task *task, uint32_t *first, uint32_t *end)
{
    const uint64_t n = task->parallelism;
    *first           = (uint32_t)((task->instance * (uint64_t)WR_CELL_COUNT + n - 1) / n);
    *end             = (uint32_t)(((task->instance + 1) * (uint64_t)WR_CELL_COUNT + n - 1) / n);
}

struct wr_hash_range wr_task_range(const struct wr_task *task)
{
    uint32_t first, end;
    wr_task_cells(task, &first, &end);
    return (struct wr_hash_range){ (uint64_t)first << 48, ((uint64_t)end << 48) - 1 };
}

// ---- what a task keeps ----

static void *copy_bytes(const void *bytes, size_t length)
{
    char *copy = wr_alloc(length + 1);
    memcpy(copy, bytes, length);
    return copy;
}

void wr_index_add_cell(struct wr_index *index, const char *operator_name, const char *name,
                       const char *key, const void *bytes, uint32_t length)
{
    struct wr_index_operator *to =
        (struct wr_index_operator *)(uintptr_t)wr_index_find_operator(index, operator_name);
    WR_ASSERT(to != NULL); // every node has its operator
    struct wr_index_cell *cells =
        wr_realloc((void *)(uintptr_t)to->cells, (to->cell_count + 1) * sizeof(*to->cells));
    cells[to->cell_count++] = (struct wr_index_cell){
        .name   = wr_copy_text(name),
        .key    = key != NULL ? wr_copy_text(key) : NULL,
        .bytes  = copy_bytes(bytes, length),
        .length = length,
    };
    to->cells = cells;
}

static struct wr_index_table table_outline(const struct wr_kept_table *kept,
                                           const struct wr_table *table, uint32_t number)
{
    const struct wr_table_options options = wr_table_options_of(table);
    struct wr_index_table         outline = {
                .name        = kept->name,
                .number      = number,
                .key_kind    = options.key_kind,
                .stores_hash = options.stores_hash,
                .value_bytes = options.value_size,
                .types       = wr_table_types(&kept->shape),
    };
    if (options.value_strings != NULL) {
        outline.string_count = options.value_strings->count;
        outline.string_offsets =
            copy_bytes(options.value_strings->offsets, outline.string_count * sizeof(uint32_t));
    }
    return outline;
}

uint32_t wr_index_add_table(struct wr_index_operator *to, const struct wr_kept_table *kept,
                            const struct wr_table *table, const weir_time *member, uint32_t number)
{
    struct wr_index_table *tables =
        wr_realloc((void *)(uintptr_t)to->tables, (to->table_count + 1) * sizeof(*to->tables));
    tables[to->table_count] = table_outline(kept, table, number);
    if (member != NULL) {
        tables[to->table_count].has_member = true;
        tables[to->table_count].member     = *member;
    }
    to->tables = tables;
    return to->table_count++;
}

static void operator_add_counters(struct wr_index_operator *to, const struct wr_node *node)
{
    struct wr_index_counter *counters = wr_alloc(WR_COUNTER_COUNT * sizeof(*counters));
    for (uint32_t i = 0; i < WR_COUNTER_COUNT; i++) {
        const char *name = wr_kept_counter_name((enum wr_counter)i);
        if (name != NULL) {
            counters[to->counter_count++] = (struct wr_index_counter){
                .name  = name,
                .value = wr_counter_read_any(node->counters, (enum wr_counter)i),
            };
        }
    }
    to->counters = counters;
}

// Everything but its tables.
static void operator_take(struct wr_index *index, struct wr_index_operator *to,
                          const struct wr_node *node)
{
    const struct wr_kept *kept = node->kept;
    *to = (struct wr_index_operator){ .name = node->spec->name, .watermark = node->watermark };
    operator_add_counters(to, node);
    for (uint32_t i = 0; kept != NULL && i < kept->cell_count; i++) {
        const struct wr_kept_cell *cell = &kept->cells[i];
        wr_index_add_cell(index, to->name, cell->name, cell->key, cell->at, cell->bytes);
    }
}

struct wr_index *wr_index_open(const struct wr_task *task)
{
    struct wr_index          *index     = wr_alloc(sizeof(*index));
    struct wr_index_operator *operators = wr_alloc((task->node_count + 1) * sizeof(*operators));
    index->stage                        = task->stage;
    index->stage_name                   = task->nodes[0]->spec->name;
    index->instance                     = task->instance;
    index->operators                    = operators;
    wr_task_cells(task, &index->first_cell, &index->end_cell);
    for (uint32_t i = 0; i < task->node_count; i++) {
        if (task->nodes[i]->ops != &wr_exchange_operator) {
            index->operator_count++;
            operator_take(index, &operators[index->operator_count - 1], task->nodes[i]);
        }
    }
    return index;
}

// ---- the end ----

static void operator_free(const struct wr_index_operator *of)
{
    for (uint32_t i = 0; i < of->cell_count; i++) {
        wr_free((void *)(uintptr_t)of->cells[i].name);
        wr_free((void *)(uintptr_t)of->cells[i].key);
        wr_free((void *)(uintptr_t)of->cells[i].bytes);
    }
    for (uint32_t i = 0; i < of->table_count; i++) {
        wr_free((void *)(uintptr_t)of->tables[i].types);
        wr_free((void *)(uintptr_t)of->tables[i].segments);
        wr_free((void *)(uintptr_t)of->tables[i].string_offsets);
    }
    wr_free((void *)(uintptr_t)of->counters);
    wr_free((void *)(uintptr_t)of->cells);
    wr_free((void *)(uintptr_t)of->tables);
}

void wr_index_close(struct wr_index *index)
{
    if (index == NULL) {
        return;
    }
    for (uint32_t i = 0; i < index->operator_count; i++) {
        operator_free(&index->operators[i]);
    }
    for (uint32_t i = 0; i < index->file_count; i++) {
        wr_free((void *)(uintptr_t)index->files[i].name);
    }
    wr_free(index->files);
    wr_free((void *)(uintptr_t)index->operators);
    wr_free(index);
}
