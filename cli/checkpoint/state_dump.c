#include "cli/checkpoint/state_dump.h"

#include "cli/checkpoint/cells.h"
#include "cli/checkpoint/described.h"
#include "cli/checkpoint/entries.h"
#include "cli/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct dump {
    FILE       *to;
    const char *operator_name; // NULL: all
    bool (*is_over)(void);
    struct wr_entries    entries;
    struct wr_described *described;
    char                *head; // of the line: operator, table, member
};

static bool dump_is_over(const struct dump *dump)
{
    return ferror(dump->to) != 0 || (dump->is_over != NULL && dump->is_over());
}

static bool print_entry(void *opaque, const void *key, uint32_t length, const void *value)
{
    const struct dump *dump       = opaque;
    char *const        key_text   = wr_described_key(dump->described, key, length);
    char *const        value_text = wr_described_value(dump->described, value);
    (void)fprintf(dump->to, "%s,\"key\":%s,\"value\":%s}\n", dump->head, key_text, value_text);
    wr_free(key_text);
    wr_free(value_text);
    return !dump_is_over(dump);
}

static void print_cell(const struct dump *dump, const char *operator_name, uint32_t task,
                       const struct wr_index_cell *cell)
{
    (void)fprintf(dump->to, "{\"operator\":");
    wr_json_print_text(dump->to, operator_name);
    (void)fprintf(dump->to, ",\"cell\":");
    wr_json_print_text(dump->to, cell->name);
    (void)fprintf(dump->to, ",\"task\":%" PRIu32 ",\"key\":", task);
    if (cell->key != NULL) {
        wr_json_print_text(dump->to, cell->key);
    } else {
        (void)fprintf(dump->to, "null");
    }
    (void)fprintf(dump->to, ",\"value\":");
    wr_cell_json(dump->to, cell);
    (void)fprintf(dump->to, "}\n");
}

// What all lines of the table begin with (wr_alloc'ed).
static char *head_of(const char *operator_name, const struct wr_index_table *table)
{
    char  *text   = NULL;
    size_t length = 0;
    FILE  *to     = open_memstream(&text, &length);
    WR_CHECK(to != NULL);
    (void)fputs("{\"operator\":", to);
    wr_json_print_text(to, operator_name);
    (void)fputs(",\"table\":", to);
    wr_json_print_text(to, table->name);
    (void)fputs(",\"member\":", to);
    if (table->has_member) {
        wr_json_print_time(to, table->member);
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
    for (uint32_t i = 0; i < table->segment_count && status == WEIR_OK && !dump_is_over(dump);
         i++) {
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
    for (uint32_t i = 0; i < of->cell_count && !dump_is_over(dump); i++) {
        print_cell(dump, of->name, task, &of->cells[i]);
    }
    for (uint32_t i = 0; i < of->table_count && status == WEIR_OK && !dump_is_over(dump); i++) {
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
        for (uint32_t i = 0; i < index->operator_count && status == WEIR_OK && !dump_is_over(dump);
             i++) {
            const struct wr_index_operator *of = &index->operators[i];
            if (dump->operator_name == NULL || strcmp(of->name, dump->operator_name) == 0) {
                status = dump_operator(dump, at, manifest->tasks[at].task, of, error);
            }
        }
    }
    return status;
}

weir_status wr_state_dump(struct wr_store *store, const char *operator_name, FILE *to,
                          bool (*is_over)(void), struct wr_error *error)
{
    struct dump dump = { .to = to, .operator_name = operator_name, .is_over = is_over };
    wr_entries_init(&dump.entries, store);
    const weir_status status = dump_all(&dump, store, error);
    wr_entries_fini(&dump.entries);
    return status;
}
