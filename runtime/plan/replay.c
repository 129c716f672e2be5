#include "runtime/plan/replay.h"

#include <errno.h>
#include <stdlib.h>
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

struct numbers {
    uint64_t *at;
    size_t    count;
};

static void numbers_add(void *opaque, const char *name)
{
    struct numbers *numbers = opaque;
    uint64_t        number;
    if (wr_manifest_name_parse(name, &number)) {
        numbers->at = wr_realloc(numbers->at, (numbers->count + 1) * sizeof(*numbers->at));
        numbers->at[numbers->count++] = number;
    }
}

static int number_compare_falling(const void *one, const void *other)
{
    const uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a < b) - (a > b);
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
    struct numbers numbers = { .at = NULL };
    const int      listed  = environment->ops->list(environment, directory, numbers_add, &numbers);
    *store                 = NULL;
    if (numbers.count > 1) {
        qsort(numbers.at, numbers.count, sizeof(*numbers.at), number_compare_falling);
    }
    for (size_t i = 0; i < numbers.count && *store == NULL; i++) {
        *store = store_before(environment, directory, numbers.at[i], until);
    }
    wr_free(numbers.at);
    if (listed < 0) {
        return wr_error_set(error, wr_error_status(listed),
                            "checkpoints in %s: cannot list the directory: %s", directory,
                            strerror(-listed));
    }
    return *store != NULL
               ? WEIR_OK
               : wr_error_set(error, WEIR_NOT_FOUND,
                              "checkpoints in %s: there is none from before the point up to which "
                              "it shall be replayed; without checkpoints it is replayed from the "
                              "beginning",
                              directory);
}
