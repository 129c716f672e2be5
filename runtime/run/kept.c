#include "runtime/run/kept.h"

#include <string.h>

static struct wr_kept *kept_of(struct wr_node *node)
{
    if (node->kept == NULL) {
        node->kept = wr_alloc(sizeof(*node->kept));
    }
    return node->kept;
}

static void kept_add_table(struct wr_node *node, const struct wr_kept_table *table)
{
    struct wr_kept *kept = kept_of(node);
    kept->tables = wr_realloc(kept->tables, (kept->table_count + 1) * sizeof(*kept->tables));
    kept->tables[kept->table_count++] = *table;
}

void wr_node_keep_table(struct wr_node *node, const char *name, struct wr_table *table,
                        const struct wr_table_shape *shape)
{
    const struct wr_kept_table kept = { .name = name, .table = table, .shape = *shape };
    kept_add_table(node, &kept);
}

void wr_node_keep_slices(struct wr_node *node, const char *name, struct wr_slices *slices,
                         const struct wr_table_shape *shape)
{
    const struct wr_kept_table kept = { .name = name, .slices = slices, .shape = *shape };
    kept_add_table(node, &kept);
}

static void kept_add_cell(struct wr_node *node, const struct wr_kept_cell *cell)
{
    struct wr_kept *kept = kept_of(node);
    kept->cells          = wr_realloc(kept->cells, (kept->cell_count + 1) * sizeof(*kept->cells));
    kept->cells[kept->cell_count++] = *cell;
}

void wr_node_keep_number(struct wr_node *node, const char *name, enum wr_cell_rule rule,
                         void *number)
{
    const struct wr_kept_cell cell = {
        .name  = name,
        .at    = number,
        .bytes = sizeof(int64_t),
        .kind  = rule == WR_CELL_LEAST ? WR_KEPT_LEAST : WR_KEPT_GREATEST,
    };
    kept_add_cell(node, &cell);
}

void wr_node_keep_bytes(struct wr_node *node, const char *name, const char *key, void *bytes,
                        uint32_t count)
{
    const struct wr_kept_cell cell = {
        .name  = name,
        .key   = wr_copy_text(key),
        .at    = bytes,
        .bytes = count,
        .kind  = WR_KEPT_BY_KEY,
    };
    kept_add_cell(node, &cell);
}

const char *wr_kept_counter_name(enum wr_counter counter)
{
    static const char *const names[WR_COUNTER_COUNT] = {
#define NAME(name, sentence) [WR_##name] = #name,
        WR_COUNTER_LIST(NAME)
#undef NAME
    };
    const bool is_gauge =
        counter == WR_WATERMARK || counter == WR_STATE_BYTES || counter == WR_BYTES_TOTAL;
    return is_gauge ? NULL : names[counter];
}

const struct wr_kept_table *wr_kept_find_table(const struct wr_node *node, const char *name,
                                               bool is_by_time)
{
    for (uint32_t i = 0; node->kept != NULL && i < node->kept->table_count; i++) {
        const struct wr_kept_table *kept = &node->kept->tables[i];
        if ((kept->slices != NULL) == is_by_time && strcmp(kept->name, name) == 0) {
            return kept;
        }
    }
    return NULL;
}

void wr_kept_close(struct wr_kept *kept)
{
    if (kept == NULL) {
        return;
    }
    for (uint32_t i = 0; i < kept->cell_count; i++) {
        wr_free(kept->cells[i].key);
    }
    wr_free(kept->cells);
    wr_free(kept->tables);
    wr_free(kept);
}
