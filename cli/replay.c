#include "cli/replay.h"

#include "cli/checkpoint/cells.h"
#include "cli/checkpoint/state_dump.h"

#include <errno.h>
#include <string.h>

static weir_status dump_to(struct wr_store *store, const char *path, struct wr_error *error)
{
    FILE       *to     = fopen(path, "w");
    weir_status status = WEIR_OK;
    bool        is_bad = to == NULL;
    if (to != NULL) {
        status = wr_state_dump(store, NULL, to, NULL, error);
        is_bad = ferror(to) != 0;
        is_bad = fclose(to) != 0 || is_bad;
    }
    if (status == WEIR_OK && is_bad) {
        status = wr_error_set(error, wr_error_status(errno), "cannot write %s: %s", path,
                              strerror(errno));
    }
    return status;
}

// Whether each partition has come to its end, so that none had anything at the point or behind it.
static bool has_ended(const struct wr_store *store)
{
    bool has_any = false;
    for (uint32_t at = 0; at < wr_store_manifest(store)->task_count; at++) {
        const struct wr_index *index = wr_store_index(store, at);
        for (uint32_t i = 0; i < index->operator_count; i++) {
            const struct wr_index_operator *of = &index->operators[i];
            struct wr_partition_kept        kept;
            for (uint32_t k = 0; k < of->cell_count; k++) {
                if (!wr_cell_partition(&of->cells[k], &kept)) {
                    continue;
                }
                if (kept.is_ended == 0) {
                    return false;
                }
                has_any = true;
            }
        }
    }
    return has_any;
}

weir_status wr_replay_dump(const char *program, const char *directory, bool is_quiet)
{
    const struct wr_store_options reading     = { .writes = false };
    struct wr_environment        *environment = wr_environment_open_real();
    char *const                   path        = wr_format("%s/state.jsonl", directory);
    struct wr_store              *store       = NULL;
    struct wr_error               error       = { .status = WEIR_OK };
    bool                          is_short    = false;

    weir_status status = wr_store_open(environment, directory, &reading, &store, &error);
    if (status == WEIR_OK) {
        is_short = has_ended(store);
        status   = dump_to(store, path, &error);
        wr_store_close(store);
    }
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "%s: %s\n", program, error.sentence);
    } else if (!is_quiet) {
        (void)fprintf(stderr, "%s: the %s is in %s\n", program,
                      is_short ? "input ended before that point; the state at its end"
                               : "state at that point",
                      path);
    }
    wr_error_fini(&error);
    wr_free(path);
    wr_environment_close(environment);
    return status;
}
