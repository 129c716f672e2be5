#include "runtime/checkpoint/manifest.h"

#include "runtime/base/text_file.h"
#include "runtime/checkpoint/index.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND         "weir checkpoint"
#define TOLD_NUMBERS 10u // in a sentence

// ---- names ----

void wr_manifest_name(uint64_t checkpoint, char *name)
{
    (void)snprintf(name, WR_MANIFEST_NAME_BYTES, "manifest-%010" PRIu64, checkpoint);
}

bool wr_manifest_name_parse(const char *name, uint64_t *checkpoint)
{
    const char *at = name;
    char        again[WR_MANIFEST_NAME_BYTES];
    if (!wr_text_take_word(&at, "manifest-")) {
        return false;
    }
    at += strspn(at, "0");
    *checkpoint = 0;
    if (*at != 0 && !wr_text_take_number(&at, UINT64_MAX, checkpoint)) {
        return false;
    }
    wr_manifest_name(*checkpoint, again);
    return strcmp(name, again) == 0;
}

struct numbers {
    uint64_t *at;
    uint32_t  count;
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

static int number_compare(const void *one, const void *other)
{
    const uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

weir_status wr_manifest_numbers(struct wr_environment *environment, const char *directory,
                                uint64_t **numbers, uint32_t *count, struct wr_error *error)
{
    struct numbers found  = { .at = NULL };
    const int      status = environment->ops->list(environment, directory, numbers_add, &found);
    if (found.count > 1) {
        qsort(found.at, found.count, sizeof(*found.at), number_compare);
    }
    *numbers = found.at;
    *count   = found.count;
    return status == 0 ? WEIR_OK : wr_manifest_not_listed(directory, status, error);
}

weir_status wr_manifest_not_listed(const char *directory, int io_error, struct wr_error *error)
{
    return io_error == -ENOTDIR
               ? wr_error_set(error, WEIR_CONFLICT,
                              "checkpoints in %s: there is a file in the place of a directory; "
                              "choose another path",
                              directory)
               : wr_error_set(error, wr_error_status(io_error),
                              "checkpoints in %s: cannot list the directory: %s", directory,
                              strerror(-io_error));
}

char *wr_manifest_list_text(struct wr_environment *environment, const char *directory)
{
    struct wr_error error = { .status = WEIR_OK };
    uint64_t       *numbers;
    uint32_t        count;
    (void)wr_manifest_numbers(environment, directory, &numbers, &count, &error);
    wr_error_fini(&error);
    const uint32_t first = count > TOLD_NUMBERS ? count - TOLD_NUMBERS : 0;
    char          *text  = wr_copy_text(count == 0   ? "there is none"
                                        : count == 1 ? "there is"
                                        : first > 0  ? "the newest are"
                                                     : "there are");
    for (uint32_t i = first; i < count; i++) {
        const char *gap    = i == first ? " " : i + 1 < count ? ", " : " and ";
        char *const longer = wr_format("%s%s%" PRIu64, text, gap, numbers[i]);
        wr_free(text);
        text = longer;
    }
    wr_free(numbers);
    return text;
}

// ---- to text ----

struct text {
    char  *bytes;
    size_t length, capacity;
    bool   is_broken;
};

// Appends a line and frees it.
static void put_line(struct text *text, char *line)
{
    const size_t length = strlen(line);
    text->is_broken |= strchr(line, '\n') != NULL;
    if (text->capacity - text->length < length + 2) {
        text->capacity = 2 * (text->length + length) + 1024;
        text->bytes    = wr_realloc(text->bytes, text->capacity);
    }
    memcpy(text->bytes + text->length, line, length);
    memcpy(text->bytes + text->length + length, "\n", 2);
    text->length += length + 1;
    wr_free(line);
}

static const char *yes_or_no(bool is_yes) { return is_yes ? "yes" : "no"; }

static void put_task(struct text *text, const struct wr_manifest_task *task)
{
    put_line(text,
             wr_format("task %" PRIu32 " stage %" PRIu32 " instance %" PRIu32 " cells %" PRIu32
                       " %" PRIu32 " bytes %" PRIu64 " index %08" PRIx32 " file %s",
                       task->task, task->stage, task->instance, task->first_cell, task->end_cell,
                       task->bytes, task->index_crc, task->file));
}

char *wr_manifest_text(const struct wr_manifest *manifest)
{
    struct text text = { .length = 0 };
    put_line(&text, wr_format(KIND " %u", WR_MANIFEST_FORMAT));
    put_line(&text, wr_format("version %s", manifest->version));
    put_line(&text, wr_format("checkpoint %" PRIu64, manifest->checkpoint));
    put_line(&text, wr_format("epoch %" PRIu32, manifest->epoch));
    put_line(&text, wr_format("savepoint %s", yes_or_no(manifest->is_savepoint)));
    put_line(&text, wr_format("final %s", yes_or_no(manifest->is_final)));
    put_line(&text, wr_format("stopped %s", yes_or_no(manifest->is_stopped)));
    put_line(&text, wr_format("began %" PRIu64,
                              manifest->began_us > 0 ? (uint64_t)manifest->began_us : 0));
    put_line(&text, wr_format("durable %" PRIu64,
                              manifest->durable_us > 0 ? (uint64_t)manifest->durable_us : 0));
    put_line(&text, wr_format("job %s", manifest->job != NULL ? manifest->job : ""));
    put_line(&text, wr_format("graph %016" PRIx64, manifest->graph_hash));
    put_line(&text, wr_format("seed %016" PRIx64, manifest->hash_seed));
    put_line(&text, wr_format("cells %u", WR_CELL_COUNT));
    put_line(&text, wr_copy_text("endianness little"));
    put_line(&text, wr_format("operators %" PRIu32, manifest->operator_count));
    for (uint32_t i = 0; i < manifest->operator_count; i++) {
        put_line(&text, wr_format("operator %s", manifest->operators[i]));
    }
    put_line(&text, wr_format("tasks %" PRIu32, manifest->task_count));
    for (uint32_t i = 0; i < manifest->task_count; i++) {
        put_task(&text, &manifest->tasks[i]);
    }
    if (text.is_broken) {
        wr_free(text.bytes);
        return NULL;
    }
    return text.bytes;
}

// ---- from text ----

static bool take_yes_or_no(struct wr_text_lines *lines, const char *word, bool *is_yes)
{
    const char *rest = wr_text_lines_take(lines, word);
    *is_yes          = rest != NULL && strcmp(rest, "yes") == 0;
    return *is_yes || (rest != NULL && strcmp(rest, "no") == 0);
}

static bool take_hash(struct wr_text_lines *lines, const char *word, uint64_t *hash)
{
    const char *rest = wr_text_lines_take(lines, word);
    return rest != NULL && wr_text_take_hex(&rest, 16, hash) && *rest == 0;
}

static bool take_time(struct wr_text_lines *lines, const char *word, int64_t *time_us)
{
    uint64_t   number = 0;
    const bool is     = wr_text_lines_number(lines, word, INT64_MAX, &number);
    *time_us          = (int64_t)number;
    return is;
}

static bool take_u32(const char **text, const char *word, uint32_t *number)
{
    uint64_t   found = 0;
    const bool is = wr_text_take_word(text, word) && wr_text_take_number(text, UINT32_MAX, &found);
    *number       = (uint32_t)found;
    return is;
}

static bool take_task(struct wr_text_lines *lines, struct wr_manifest_task *task)
{
    const char *at  = wr_text_lines_take(lines, "task");
    uint64_t    crc = 0;
    if (at == NULL || !take_u32(&at, "", &task->task) || !take_u32(&at, " stage ", &task->stage) ||
        !take_u32(&at, " instance ", &task->instance) ||
        !take_u32(&at, " cells ", &task->first_cell) || !take_u32(&at, " ", &task->end_cell) ||
        !wr_text_take_word(&at, " bytes ") || !wr_text_take_number(&at, UINT64_MAX, &task->bytes) ||
        !wr_text_take_word(&at, " index ") || !wr_text_take_hex(&at, 8, &crc) ||
        !wr_text_take_word(&at, " file ")) {
        return false;
    }
    task->index_crc = (uint32_t)crc;
    task->file      = at;
    return true;
}

// As many lines as there can be behind `lines`, each "word ..." with at least one byte.
static bool take_count(struct wr_text_lines *lines, const char *word, uint32_t *count)
{
    uint64_t   number = 0;
    const bool is     = wr_text_lines_number(lines, word, UINT32_MAX, &number);
    *count            = (uint32_t)number;
    return is && number <= strlen(lines->at) / strlen(word);
}

static bool take_operators(struct wr_text_lines *lines, struct wr_manifest *manifest)
{
    if (!take_count(lines, "operators", &manifest->operator_count)) {
        return false;
    }
    const char **operators = wr_alloc((size_t)manifest->operator_count * sizeof(char *) + 1);
    manifest->operators    = operators;
    bool is                = true;
    for (uint32_t i = 0; i < manifest->operator_count && is; i++) {
        operators[i] = wr_text_lines_take(lines, "operator");
        is           = operators[i] != NULL;
    }
    return is;
}

static bool take_tasks(struct wr_text_lines *lines, struct wr_manifest *manifest)
{
    if (!take_count(lines, "tasks", &manifest->task_count)) {
        return false;
    }
    struct wr_manifest_task *tasks =
        wr_alloc((size_t)manifest->task_count * sizeof(struct wr_manifest_task) + 1);
    manifest->tasks = tasks;
    bool is         = true;
    for (uint32_t i = 0; i < manifest->task_count && is; i++) {
        is = take_task(lines, &tasks[i]);
    }
    return is;
}

// All lines behind the first.
static bool take_facts(struct wr_text_lines *lines, struct wr_manifest *manifest, uint64_t *cells,
                       const char **endianness)
{
    uint64_t epoch = 0;
    bool     is    = (manifest->version = wr_text_lines_take(lines, "version")) != NULL;
    is = is && wr_text_lines_number(lines, "checkpoint", UINT64_MAX, &manifest->checkpoint);
    is = is && wr_text_lines_number(lines, "epoch", UINT32_MAX, &epoch);
    is = is && take_yes_or_no(lines, "savepoint", &manifest->is_savepoint);
    is = is && take_yes_or_no(lines, "final", &manifest->is_final);
    is = is && take_yes_or_no(lines, "stopped", &manifest->is_stopped);
    is = is && take_time(lines, "began", &manifest->began_us);
    is = is && take_time(lines, "durable", &manifest->durable_us);
    is = is && (manifest->job = wr_text_lines_take(lines, "job")) != NULL;
    is = is && take_hash(lines, "graph", &manifest->graph_hash);
    is = is && take_hash(lines, "seed", &manifest->hash_seed);
    is = is && wr_text_lines_number(lines, "cells", UINT64_MAX, cells);
    is = is && (*endianness = wr_text_lines_take(lines, "endianness")) != NULL;
    manifest->epoch = (uint32_t)epoch;
    return is && take_operators(lines, manifest) && take_tasks(lines, manifest) && *lines->at == 0;
}

// ---- whether the tasks make sense together ----

static int task_compare(const void *one, const void *other)
{
    const struct wr_manifest_task *a = one, *b = other;
    if (a->stage != b->stage) {
        return a->stage < b->stage ? -1 : 1;
    }
    return a->instance < b->instance ? -1 : a->instance > b->instance;
}

// Of the `count` instances of a stage, in order. NULL, or what is wrong.
static const char *check_stage(const struct wr_manifest_task *tasks, uint32_t count)
{
    bool     is_partition = true, is_whole = true, is_empty = true;
    uint32_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t first = tasks[i].first_cell, last = tasks[i].end_cell;
        if (tasks[i].instance != i) {
            return "the instances of a stage are not each there once";
        }
        is_partition = is_partition && first == end && last >= first && last <= WR_CELL_COUNT;
        is_whole     = is_whole && first == 0 && last == WR_CELL_COUNT;
        is_empty     = is_empty && first == last && last <= WR_CELL_COUNT;
        end          = last;
    }
    is_partition = is_partition && end == WR_CELL_COUNT;
    return is_partition || is_whole || is_empty
               ? NULL
               : "the key ranges of a stage's instances are no partition of all keys";
}

static const char *check_tasks(const struct wr_manifest *manifest)
{
    for (uint32_t i = 0; i < manifest->task_count; i++) {
        const struct wr_manifest_task *task = &manifest->tasks[i];
        struct wr_file_id              id;
        if (i > 0 && task->task <= task[-1].task) {
            return "the numbers of its tasks do not rise";
        }
        if (!wr_state_name_parse(task->file, &id) || id.checkpoint != manifest->checkpoint ||
            id.epoch != manifest->epoch || id.task != task->task) {
            return "the file of a task is not the one that it should have";
        }
    }
    const char              *reason = NULL;
    const size_t             bytes  = manifest->task_count * sizeof(struct wr_manifest_task);
    struct wr_manifest_task *order  = wr_alloc(bytes + 1);
    if (bytes > 0) {
        memcpy(order, manifest->tasks, bytes);
        qsort(order, manifest->task_count, sizeof(*order), task_compare);
    }
    for (uint32_t first = 0, end; first < manifest->task_count && reason == NULL; first = end) {
        end = first + 1;
        while (end < manifest->task_count && order[end].stage == order[first].stage) {
            end++;
        }
        reason = check_stage(order + first, end - first);
    }
    wr_free(order);
    return reason;
}

static weir_status check(const struct wr_manifest *manifest, uint64_t cells, const char *endianness,
                         const char *path, struct wr_error *error)
{
    if (cells != WR_CELL_COUNT || strcmp(endianness, "little") != 0) {
        return wr_error_set(error, WEIR_CONFLICT,
                            "%s: it counts key ranges in %" PRIu64
                            " cells and its state is %s-endian; this program has %u cells and "
                            "little-endian state: restore it where it was made",
                            path, cells, endianness, WR_CELL_COUNT);
    }
    const char *const reason = check_tasks(manifest);
    return reason == NULL ? WEIR_OK
                          : wr_error_set(error, WEIR_DAMAGED,
                                         "%s: its checksum is right, but %s: it was changed by "
                                         "hand, or made by a broken program; put back a copy of "
                                         "it",
                                         path, reason);
}

weir_status wr_manifest_parse(char *text, const char *path, struct wr_manifest *manifest,
                              struct wr_error *error)
{
    struct wr_text_lines lines;
    uint64_t             cells      = 0;
    const char          *endianness = "";
    *manifest                       = (struct wr_manifest){ .memory = text };
    weir_status status              = WEIR_OK;
    if (!wr_text_lines_begin(&lines, text, KIND, WR_MANIFEST_FORMAT, path, error)) {
        status = error->status;
    } else if (!take_facts(&lines, manifest, &cells, &endianness)) {
        status = wr_text_lines_fail(path, error);
    } else {
        status = check(manifest, cells, endianness, path, error);
    }
    if (status != WEIR_OK) {
        wr_manifest_fini(manifest);
    }
    return status;
}

void wr_manifest_fini(struct wr_manifest *manifest)
{
    wr_free((void *)(uintptr_t)manifest->operators);
    wr_free((void *)(uintptr_t)manifest->tasks);
    wr_free(manifest->memory);
    *manifest = (struct wr_manifest){ .memory = NULL };
}
