// weir checkpoint dump: every entry and cell of a checkpoint, as JSON Lines.
#include "cli/checkpoint/cells.h"
#include "cli/checkpoint/command.h"
#include "cli/checkpoint/described.h"
#include "cli/checkpoint/entries.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct dump {
    const struct wr_tool_call *command;
    const char                *operator_name; // NULL: all
    struct wr_entries          entries;
    struct wr_described       *described;
    char                      *head; // of the line: operator, table, member
};

static bool is_over(void) { return ferror(stdout) != 0 || wr_command_is_interrupted(); }

static bool print_entry(void *opaque, const void *key, uint32_t length, const void *value)
{
    const struct dump *dump       = opaque;
    char *const        key_text   = wr_described_key(dump->described, key, length);
    char *const        value_text = wr_described_value(dump->described, value);
    (void)printf("%s,\"key\":%s,\"value\":%s}\n", dump->head, key_text, value_text);
    wr_free(key_text);
    wr_free(value_text);
    return !is_over();
}

static void print_cell(const char *operator_name, uint32_t task, const struct wr_index_cell *cell)
{
    (void)printf("{\"operator\":");
    wr_command_json_text(stdout, operator_name);
    (void)printf(",\"cell\":");
    wr_command_json_text(stdout, cell->name);
    (void)printf(",\"task\":%" PRIu32 ",\"key\":", task);
    if (cell->key != NULL) {
        wr_command_json_text(stdout, cell->key);
    } else {
        (void)printf("null");
    }
    (void)printf(",\"value\":");
    wr_cell_json(stdout, cell);
    (void)printf("}\n");
}

// What all lines of the table begin with (wr_alloc'ed).
static char *head_of(const char *operator_name, const struct wr_index_table *table)
{
    char  *text   = NULL;
    size_t length = 0;
    FILE  *to     = open_memstream(&text, &length);
    WR_CHECK(to != NULL);
    (void)fputs("{\"operator\":", to);
    wr_command_json_text(to, operator_name);
    (void)fputs(",\"table\":", to);
    wr_command_json_text(to, table->name);
    (void)fputs(",\"member\":", to);
    if (table->has_member) {
        wr_tool_json_time(to, table->member);
    } else {
        (void)fputs("null", to);
    }
    (void)fclose(to);
    char *const copy = wr_copy_text(text);
    free(text);
    return copy;
}

static weir_status dump_table(struct dump *dump, uint32_t at, const char *operator_name,
                              const struct wr_index_table *table, struct wr_error *error)
{
    weir_status status = WEIR_OK;
    dump->described    = wr_described_open(table);
    dump->head         = head_of(operator_name, table);
    for (uint32_t i = 0; i < table->segment_count && status == WEIR_OK && !is_over(); i++) {
        status = wr_entries_walk(&dump->entries, at, table, &table->segments[i], print_entry, dump,
                                 error);
    }
    wr_free(dump->head);
    wr_described_close(dump->described);
    return status;
}

static weir_status dump_operator(struct dump *dump, uint32_t at, uint32_t task,
                                 const struct wr_index_operator *of, struct wr_error *error)
{
    weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < of->cell_count && !is_over(); i++) {
        print_cell(of->name, task, &of->cells[i]);
    }
    for (uint32_t i = 0; i < of->table_count && status == WEIR_OK && !is_over(); i++) {
        status = dump_table(dump, at, of->name, &of->tables[i], error);
    }
    return status;
}

static weir_status dump_all(struct dump *dump, const struct wr_store *store, struct wr_error *error)
{
    const struct wr_manifest *manifest = wr_store_manifest(store);
    weir_status               status   = WEIR_OK;
    for (uint32_t at = 0; at < manifest->task_count; at++) {
        const struct wr_index *index = wr_store_index(store, at);
        for (uint32_t i = 0; i < index->operator_count && status == WEIR_OK && !is_over(); i++) {
            const struct wr_index_operator *of = &index->operators[i];
            if (dump->operator_name == NULL || strcmp(of->name, dump->operator_name) == 0) {
                status = dump_operator(dump, at, manifest->tasks[at].task, of, error);
            }
        }
    }
    return status;
}

static int dump_store(struct dump *dump, struct wr_store *store)
{
    struct wr_error error = { .status = WEIR_OK };
    if (dump->operator_name != NULL && !wr_checkpoint_has_operator(store, dump->operator_name)) {
        return wr_checkpoint_no_operator(store, dump->operator_name);
    }
    wr_entries_init(&dump->entries, store);
    const weir_status status = dump_all(dump, store, &error);
    wr_entries_fini(&dump->entries);
    (void)fflush(stdout);
    if (status != WEIR_OK) {
        return wr_checkpoint_read_failed(dump->command, wr_store_manifest(store)->checkpoint,
                                         &error);
    }
    return wr_command_is_interrupted() ? weir_status_exit_code(WEIR_INTERRUPTED) : 0;
}

static int dump_run(struct wr_tool_call *command)
{
    struct dump      dump   = { .command = command };
    uint64_t         number = 0;
    struct wr_store *store;
    if (command->word_count > 0 && !wr_checkpoint_is_number(command->words[0], &number)) {
        if (command->word_count > 1) {
            return wr_tool_misused(command, "\"%s\" is not the number of a checkpoint",
                                   command->words[0]);
        }
        dump.operator_name = command->words[0];
    } else if (command->word_count > 1) {
        dump.operator_name = command->words[1];
    }
    int code = wr_checkpoint_open(command, number, &store);
    if (code == 0) {
        code = dump_store(&dump, store);
        wr_store_close(store);
    }
    return code;
}

const struct wr_tool_verb wr_checkpoint_dump_verb = {
    .name    = "dump",
    .words   = "DIR [N] [OPERATOR]",
    .summary = "all entries of all tables as JSON Lines, or those of an operator",
    .more =
        "A line an entry, in no particular order: operator, table, member (the time of the slice, "
        "of\ntables by time), key, value. Records are objects; what no record describes comes as "
        "hexadecimal\ndigits, under \"other\" by where it is. A line a cell: operator, cell, task, "
        "key (a partition's name),\nvalue. Keys of timers and of items of lists and maps have the "
        "owner's key in them.\n\n"
        "  weir checkpoint dump data/checkpoints > state.jsonl\n"
        "  weir checkpoint dump data/checkpoints by-card\n"
        "  weir checkpoint dump data/checkpoints 12 by-card\n",
    .least = 1,
    .most  = 3,
    .run   = dump_run,
};
