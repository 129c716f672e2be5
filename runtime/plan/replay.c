#include "runtime/plan/replay.h"

#include <string.h>

// ---- partitions ----

static bool job_has_partition(const weir_job *job, const char *name)
{
    for (uint32_t i = 0; i < job->node_count; i++) {
        const struct wr_graph_node     *node   = job->nodes[i];
        const struct wr_source_options *source = node->spec.options;
        for (uint32_t k = 0; k < node->partition_count; k++) {
            if (wr_until_is_name(name, node->spec.name, source->partitions.names[k])) {
                return true;
            }
        }
    }
    return false;
}

bool wr_replay_fits(weir_job *job, const struct wr_until *until)
{
    const char *name;
    for (uint32_t i = 0; (name = wr_until_name(until, i)) != NULL; i++) {
        if (!job_has_partition(job, name)) {
            wr_job_mistake(job, WEIR_USAGE,
                           "until %s@...: no source has a partition %s; weir checkpoint inspect "
                           "shows their names",
                           name, name);
            return false;
        }
    }
    return true;
}

// ---- choosing a checkpoint ----

// Whether the cell is of a partition that had come past the point. Who stops right before the end
// has not heard of the end.
static bool cell_is_past(const struct wr_until *until, const char *operator_name,
                         const struct wr_index_cell *cell)
{
    struct wr_partition_kept kept;
    struct wr_until_point    point;
    if (strcmp(cell->name, WR_PARTITION_CELL) != 0 || cell->length != sizeof(kept) ||
        !wr_until_find(until, operator_name, cell->key, &point)) {
        return false;
    }
    memcpy(&kept, cell->bytes, sizeof(kept));
    const uint64_t offset = kept.position.numbers[0];
    return kept.is_known != 0 && (offset > point.offset || kept.latest > point.time ||
                                  (kept.is_ended && offset == point.offset));
}

static bool store_is_past(const struct wr_store *store, const struct wr_until *until)
{
    for (uint32_t at = 0; at < wr_store_manifest(store)->task_count; at++) {
        const struct wr_index *index = wr_store_index(store, at);
        for (uint32_t i = 0; i < index->operator_count; i++) {
            const struct wr_index_operator *of = &index->operators[i];
            for (uint32_t k = 0; k < of->cell_count; k++) {
                if (cell_is_past(until, of->name, &of->cells[k])) {
                    return true;
                }
            }
        }
    }
    return false;
}

// NULL: it is past the point, or cannot be read.
static struct wr_store *store_before(struct wr_environment *environment, const char *directory,
                                     uint64_t number, const struct wr_until *until)
{
    const struct wr_store_options options = { .checkpoint = number };
    struct wr_error               error   = { .status = WEIR_OK };
    struct wr_store              *store   = NULL;
    if (wr_store_open(environment, directory, &options, &store, &error) != WEIR_OK) {
        wr_error_fini(&error);
    } else if (store_is_past(store, until)) {
        wr_store_close(store);
        store = NULL;
    }
    return store;
}

weir_status wr_replay_open(struct wr_environment *environment, const char *directory,
                           const struct wr_until *until, struct wr_store **store,
                           struct wr_error *error)
{
    uint64_t         *numbers;
    uint32_t          count;
    const weir_status listed = wr_manifest_numbers(environment, directory, &numbers, &count, error);
    *store                   = NULL;
    while (listed == WEIR_OK && count > 0 && *store == NULL) { // the newest first
        *store = store_before(environment, directory, numbers[--count], until);
    }
    wr_free(numbers);
    if (listed != WEIR_OK) {
        return listed;
    }
    return *store != NULL
               ? WEIR_OK
               : wr_error_set(error, WEIR_NOT_FOUND,
                              "checkpoints in %s: there is none from before the point up to which "
                              "it shall be replayed; without checkpoints it is replayed from the "
                              "beginning",
                              directory);
}
