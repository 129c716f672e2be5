#include "cli/checkpoint/command.h"

#include <inttypes.h>
#include <string.h>

#define OPEN_ATTEMPTS 3

// ---- checkpoints ----

bool wr_checkpoint_is_number(const char *word, uint64_t *number)
{
    *number = 0;
    return strcmp(word, "latest") == 0 || (wr_value_count(word, number) && *number > 0);
}

int wr_checkpoint_numbers(const struct wr_tool_call *command, uint64_t **numbers, uint32_t *count)
{
    struct wr_error   error = { .status = WEIR_OK };
    const weir_status status =
        wr_manifest_numbers(command->environment, command->directory, numbers, count, &error);
    return status == WEIR_OK ? 0 : wr_tool_failed(&error);
}

static bool is_published(const struct wr_tool_call *command, uint64_t number)
{
    struct wr_file_info info;
    char                name[WR_MANIFEST_NAME_BYTES];
    wr_manifest_name(number, name);
    char *const path = wr_format("%s/%s", command->directory, name);
    const bool  is   = command->environment->ops->info(command->environment, path, &info) == 0;
    wr_free(path);
    return is;
}

static weir_status set_deleted(const struct wr_tool_call *command, uint64_t number,
                               struct wr_error *error)
{
    return wr_error_set(error, WEIR_NOT_FOUND,
                        "checkpoints in %s: checkpoint %" PRIu64
                        " was deleted while it was looked at: choose a newer one",
                        command->directory, number);
}

int wr_checkpoint_read_failed(const struct wr_tool_call *command, uint64_t number,
                              struct wr_error *error)
{
    if (error->status == WEIR_NOT_FOUND && !is_published(command, number)) {
        (void)set_deleted(command, number, error);
    }
    return wr_tool_failed(error);
}

weir_status wr_checkpoint_set_none(const struct wr_tool_call *command, struct wr_error *error)
{
    return wr_error_set(error, WEIR_NOT_FOUND,
                        "checkpoints in %s: there is none: a job writes them there with "
                        "--checkpoints %s",
                        command->directory, command->directory);
}

weir_status wr_checkpoint_try_open(const struct wr_tool_call *command, uint64_t number,
                                   struct wr_store **store, struct wr_error *error)
{
    const struct wr_store_options options = { .checkpoint = number };
    weir_status                   status  = WEIR_OK;
    // A writer that deletes what is being looked at makes it look damaged.
    for (uint32_t i = 0; i < OPEN_ATTEMPTS; i++) {
        wr_error_fini(error);
        status = wr_store_open(command->environment, command->directory, &options, store, error);
        if (status != WEIR_DAMAGED && status != WEIR_NOT_FOUND) {
            break;
        }
    }
    if (status == WEIR_DAMAGED && number != 0 && !is_published(command, number)) {
        return set_deleted(command, number, error);
    }
    if (status == WEIR_OK && wr_store_manifest(*store) == NULL) {
        wr_store_close(*store);
        *store = NULL;
        return wr_checkpoint_set_none(command, error);
    }
    return status;
}

int wr_checkpoint_open(const struct wr_tool_call *command, uint64_t number, struct wr_store **store)
{
    struct wr_error error = { .status = WEIR_OK };
    *store                = NULL;
    return wr_checkpoint_try_open(command, number, store, &error) == WEIR_OK
               ? 0
               : wr_tool_failed(&error);
}

// ---- operators ----

bool wr_checkpoint_has_operator(const struct wr_store *store, const char *name)
{
    for (uint32_t at = 0; at < wr_store_manifest(store)->task_count; at++) {
        if (wr_index_find_operator(wr_store_index(store, at), name) != NULL) {
            return true;
        }
    }
    return false;
}

int wr_checkpoint_no_operator(const struct wr_store *store, const char *name)
{
    const struct wr_manifest *manifest = wr_store_manifest(store);
    const char              **names    = NULL;
    uint32_t                  count    = 0;
    for (uint32_t at = 0; at < manifest->task_count; at++) {
        const struct wr_index *index = wr_store_index(store, at);
        names = wr_realloc((void *)names, (count + index->operator_count + 1) * sizeof(*names));
        for (uint32_t i = 0; i < index->operator_count; i++) {
            names[count++] = index->operators[i].name;
        }
    }
    const char *nearest = wr_command_nearest(name, names, count);
    (void)fprintf(stderr, "checkpoint %" PRIu64 " of %s: there is no operator %s%s%s%s\n",
                  manifest->checkpoint, manifest->job, name,
                  nearest != NULL ? "; did you mean " : "; weir checkpoint inspect lists them",
                  nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    wr_free((void *)names);
    return weir_status_exit_code(WEIR_NOT_FOUND);
}
