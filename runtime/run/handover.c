#include "runtime/run/handover.h"

#include "runtime/run/capturing.h"
#include "runtime/run/exchange.h"
#include "runtime/run/kept.h"
#include "runtime/run/restore.h"

#include <string.h>

// The tables, or tables by time, that the last generation's tasks keep under one name.
struct parts {
    struct wr_part        *tables;
    struct wr_slices_part *slices;
    uint32_t               table_count, slices_count;
};

static void parts_gather(struct parts *parts, const struct wr_generation *last,
                         const char *operator_name, const struct wr_kept_table *wanted)
{
    parts->table_count = parts->slices_count = 0;
    for (uint32_t i = 0; i < last->task_count; i++) {
        const struct wr_task      *task  = last->tasks[i];
        const struct wr_hash_range range = wr_task_range(task);
        for (uint32_t k = 0; k < task->node_count; k++) {
            const struct wr_kept_table *kept =
                strcmp(task->nodes[k]->spec->name, operator_name) == 0
                    ? wr_kept_find_table(task->nodes[k], wanted->name, wanted->slices != NULL)
                    : NULL;
            if (kept != NULL && kept->slices != NULL) {
                parts->slices[parts->slices_count++] =
                    (struct wr_slices_part){ kept->slices, range };
            } else if (kept != NULL) {
                parts->tables[parts->table_count++] = (struct wr_part){ kept->table, range };
            }
        }
    }
}

static bool node_take_tables(struct wr_node *node, const struct wr_generation *last,
                             struct parts *parts)
{
    const struct wr_hash_range range = wr_task_range(node->task);
    for (uint32_t i = 0; node->kept != NULL && i < node->kept->table_count; i++) {
        const struct wr_kept_table *kept = &node->kept->tables[i];
        parts_gather(parts, last, node->spec->name, kept);
        const bool is_good =
            kept->slices != NULL
                ? wr_slices_adopt(kept->slices, range, parts->slices, parts->slices_count)
                : wr_table_adopt(kept->table, range, parts->tables, parts->table_count);
        if (!is_good) {
            wr_node_fail_as(node, WEIR_NO_MEMORY,
                            "%s needs more than its share of the state budget; raise it",
                            kept->name);
            return false;
        }
    }
    return true;
}

bool wr_generation_take_over(struct wr_generation *next, const struct wr_generation *last,
                             const struct wr_index *const *indexes)
{
    struct parts parts = {
        .tables = wr_alloc((last->task_count + 1) * sizeof(*parts.tables)),
        .slices = wr_alloc((last->task_count + 1) * sizeof(*parts.slices)),
    };
    bool is_good = !wr_run_has_failed_any(next->run);
    for (uint32_t i = 0; i < next->task_count && is_good; i++) {
        for (uint32_t k = 0; k < next->tasks[i]->node_count && is_good; k++) {
            is_good = node_take_tables(next->tasks[i]->nodes[k], last, &parts);
        }
    }
    wr_free(parts.tables);
    wr_free(parts.slices);
    return is_good && wr_generation_restore_rest(next, indexes, last->task_count);
}
