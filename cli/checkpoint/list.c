// weir checkpoint list: which checkpoints there are.
#include "cli/checkpoint/command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// A state file that a checkpoint needs: its own, or one of a checkpoint before.
struct needed_file {
    char    *name;
    uint64_t bytes;
    uint32_t row;
};

// What is known of a checkpoint when all have been read.
struct row {
    uint64_t checkpoint;
    char    *failure; // why it cannot be read; NULL: it can
    uint32_t epoch, task_count;
    bool     is_savepoint, is_final, is_stopped;
    int64_t  began_us, durable_us;
    uint64_t entries, state_bytes;      // of images
    uint64_t alone_bytes, shared_bytes; // of files
};

struct list {
    const struct wr_tool_call *command;
    struct row                *rows;
    uint32_t                   row_count;
    struct needed_file        *files;
    uint32_t                   file_count;
    char                      *job; // of the newest that could be read
};

// ---- reading ----

static void list_need(struct list *list, const char *name, uint64_t bytes)
{
    list->files = wr_realloc(list->files, (list->file_count + 1) * sizeof(*list->files));
    list->files[list->file_count++] =
        (struct needed_file){ wr_copy_text(name), bytes, list->row_count };
}

static void row_add_index(struct list *list, struct row *row, const struct wr_index *index)
{
    for (uint32_t i = 0; i < index->file_count; i++) {
        list_need(list, index->files[i].name, index->files[i].bytes);
        row->state_bytes += index->files[i].used;
    }
    for (uint32_t i = 0; i < index->operator_count; i++) {
        for (uint32_t j = 0; j < index->operators[i].table_count; j++) {
            row->entries += index->operators[i].tables[j].entries;
        }
    }
}

static void list_add(struct list *list, const struct wr_store *store)
{
    const struct wr_manifest *manifest = wr_store_manifest(store);
    struct row                row      = {
                            .checkpoint   = manifest->checkpoint,
                            .epoch        = manifest->epoch,
                            .task_count   = manifest->task_count,
                            .is_savepoint = manifest->is_savepoint,
                            .is_final     = manifest->is_final,
                            .is_stopped   = manifest->is_stopped,
                            .began_us     = manifest->began_us,
                            .durable_us   = manifest->durable_us,
    };
    for (uint32_t at = 0; at < manifest->task_count; at++) {
        list_need(list, manifest->tasks[at].file, manifest->tasks[at].bytes);
        row_add_index(list, &row, wr_store_index(store, at));
    }
    wr_free(list->job);
    list->job                     = wr_copy_text(manifest->job);
    list->rows[list->row_count++] = row;
}

static int list_read(struct list *list, const uint64_t *numbers, uint32_t count)
{
    int code   = 0;
    list->rows = wr_alloc((count + 1) * sizeof(*list->rows));
    for (uint32_t i = 0; i < count; i++) {
        struct wr_error   error = { .status = WEIR_OK };
        struct wr_store  *store;
        const weir_status status =
            wr_checkpoint_try_open(list->command, numbers[i], &store, &error);
        if (status == WEIR_OK) {
            list_add(list, store);
            wr_store_close(store);
        } else if (status != WEIR_NOT_FOUND) { // else it was deleted meanwhile
            list->rows[list->row_count++] =
                (struct row){ .checkpoint = numbers[i], .failure = wr_copy_text(error.sentence) };
            code = weir_status_exit_code(status);
        }
        wr_error_fini(&error);
    }
    return code;
}

// ---- what is shared ----

static int file_compare(const void *one, const void *other)
{
    const struct needed_file *a = one, *b = other;
    const int                 order = strcmp(a->name, b->name);
    return order != 0 ? order : (a->row > b->row) - (a->row < b->row);
}

static void list_share(struct list *list)
{
    if (list->file_count > 1) {
        qsort(list->files, list->file_count, sizeof(*list->files), file_compare);
    }
    for (uint32_t i = 0, end; i < list->file_count; i = end) {
        const struct needed_file *first = &list->files[i];
        for (end = i; end < list->file_count && strcmp(list->files[end].name, first->name) == 0;) {
            end++;
        }
        const bool is_shared = first->row != list->files[end - 1].row;
        for (uint32_t k = i; k < end; k++) {
            struct row *row = &list->rows[list->files[k].row];
            if (k > i && list->files[k - 1].row == list->files[k].row) {
                continue; // its index lists its own file too
            }
            *(is_shared ? &row->shared_bytes : &row->alone_bytes) += list->files[k].bytes;
        }
    }
}

// ---- printing ----

static const char *word_of(bool is) { return is ? "true" : "false"; }

static void print_json(const struct row *row)
{
    (void)printf("{\"checkpoint\":%" PRIu64, row->checkpoint);
    if (row->failure != NULL) {
        (void)printf(",\"failure\":");
        wr_json_print_text(stdout, row->failure);
        (void)printf("}\n");
        return;
    }
    (void)printf(",\"began\":");
    wr_json_print_time(stdout, row->began_us);
    (void)printf(",\"durable\":");
    wr_json_print_time(stdout, row->durable_us);
    (void)printf(",\"took_us\":%" PRIi64 ",\"epoch\":%" PRIu32 ",\"tasks\":%" PRIu32
                 ",\"entries\":%" PRIu64 ",\"state_bytes\":%" PRIu64 ",\"alone_bytes\":%" PRIu64
                 ",\"shared_bytes\":%" PRIu64 ",\"savepoint\":%s,\"final\":%s,\"stopped\":%s}\n",
                 row->durable_us - row->began_us, row->epoch, row->task_count, row->entries,
                 row->state_bytes, row->alone_bytes, row->shared_bytes, word_of(row->is_savepoint),
                 word_of(row->is_final), word_of(row->is_stopped));
}

static void print_row(const struct row *row)
{
    char at[WEIR_TIME_TEXT_MAX], alone[WR_VALUE_TEXT_MAX], shared[WR_VALUE_TEXT_MAX];
    if (row->failure != NULL) {
        (void)printf("  %10" PRIu64 "  %s\n", row->checkpoint, row->failure);
        return;
    }
    (void)printf("  %10" PRIu64 "  %-27s  %7.3f s  %5" PRIu32 "  %5" PRIu32 "  %12" PRIu64
                 "  %10s  %10s%s%s\n",
                 row->checkpoint, wr_time_text(row->durable_us, at),
                 (double)(row->durable_us - row->began_us) / 1e6, row->epoch, row->task_count,
                 row->entries, wr_value_size_text(row->alone_bytes, alone),
                 wr_value_size_text(row->shared_bytes, shared),
                 row->is_savepoint ? "  savepoint" : "",
                 row->is_stopped ? "  the job was stopped"
                 : row->is_final ? "  final: the job had ended"
                                 : "");
}

static void list_print(const struct list *list)
{
    if (!list->command->as_json && list->row_count > 0) {
        (void)printf("checkpoints in %s%s%s\n  checkpoint  %-27s       took  epoch  tasks       "
                     "entries       alone      shared\n",
                     list->command->directory, list->job != NULL ? " of " : "",
                     list->job != NULL ? list->job : "", "durable");
    }
    for (uint32_t i = 0; i < list->row_count; i++) {
        if (list->command->as_json) {
            print_json(&list->rows[i]);
        } else {
            print_row(&list->rows[i]);
        }
    }
}

static int list_run(struct wr_tool_call *command)
{
    struct list list = { .command = command };
    uint64_t   *numbers;
    uint32_t    count;
    int         code = wr_checkpoint_numbers(command, &numbers, &count);
    if (code == 0 && count == 0) {
        struct wr_store *store; // says why
        code = wr_checkpoint_open(command, 0, &store);
        wr_store_close(store);
    } else if (code == 0) {
        code = list_read(&list, numbers, count);
        list_share(&list);
        list_print(&list);
    }
    for (uint32_t i = 0; i < list.row_count; i++) {
        wr_free(list.rows[i].failure);
    }
    for (uint32_t i = 0; i < list.file_count; i++) {
        wr_free(list.files[i].name);
    }
    wr_free(list.rows);
    wr_free(list.files);
    wr_free(list.job);
    wr_free(numbers);
    return code;
}

const struct wr_tool_verb wr_checkpoint_list_verb = {
    .name    = "list",
    .words   = "DIR",
    .summary = "which checkpoints there are, the newest last",
    .more =
        "Of each: when it was published, how long it took, the epoch of the process that wrote it, "
        "tasks,\nentries of all tables, and the bytes of its files: those that it alone needs, "
        "which deleting it\nfrees, and those that another checkpoint needs too. One that cannot be "
        "read is told, and the code\nis then 7.\n\n"
        "  weir checkpoint list data/checkpoints\n"
        "  weir checkpoint list data/checkpoints --json\n",
    .least = 1,
    .most  = 1,
    .run   = list_run,
};
