// weir checkpoint inspect: what a checkpoint is of, and what lies in it.
//
// An operator's tasks are taken together: entries, bytes and counters are sums, its watermark is
// the least. Stages are counted from 1, as `plan` does.
#include "cli/checkpoint/cells.h"
#include "cli/checkpoint/command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// A table of an operator, or (of those by time) all of one name.
struct table_sum {
    const char *name;
    bool        has_member;
    int64_t     first, last; // members
    uint32_t    members;
    uint64_t    entries, bytes, segments;
};

struct operator_sum {
    const char              *name;
    int64_t                  watermark;
    uint32_t                 tasks;
    struct wr_index_counter *counters;
    uint32_t                 counter_count;
    struct table_sum        *tables;
    uint32_t                 table_count;
};

struct inspection {
    const struct wr_tool_call *command;
    const struct wr_store     *store;
    struct operator_sum       *operators; // in the order of the tasks
    uint32_t                   operator_count;
};

// ---- summing up ----

static struct operator_sum *operator_of(struct inspection *inspection, const char *name)
{
    for (uint32_t i = 0; i < inspection->operator_count; i++) {
        if (strcmp(inspection->operators[i].name, name) == 0) {
            return &inspection->operators[i];
        }
    }
    inspection->operators = wr_realloc(inspection->operators, (inspection->operator_count + 1) *
                                                                  sizeof(*inspection->operators));
    inspection->operators[inspection->operator_count] =
        (struct operator_sum){ .name = name, .watermark = INT64_MAX };
    return &inspection->operators[inspection->operator_count++];
}

static void counter_add(struct operator_sum *sum, const struct wr_index_counter *counter)
{
    for (uint32_t i = 0; i < sum->counter_count; i++) {
        if (strcmp(sum->counters[i].name, counter->name) == 0) {
            sum->counters[i].value += counter->value;
            return;
        }
    }
    sum->counters = wr_realloc(sum->counters, (sum->counter_count + 1) * sizeof(*sum->counters));
    sum->counters[sum->counter_count++] = *counter;
}

static struct table_sum *table_of(struct operator_sum *sum, const struct wr_index_table *table)
{
    for (uint32_t i = 0; i < sum->table_count; i++) {
        if (strcmp(sum->tables[i].name, table->name) == 0 &&
            sum->tables[i].has_member == table->has_member) {
            return &sum->tables[i];
        }
    }
    sum->tables = wr_realloc(sum->tables, (sum->table_count + 1) * sizeof(*sum->tables));
    sum->tables[sum->table_count] = (struct table_sum){
        .name       = table->name,
        .has_member = table->has_member,
        .first      = INT64_MAX,
        .last       = INT64_MIN,
    };
    return &sum->tables[sum->table_count++];
}

static void table_add(struct operator_sum *sum, const struct wr_index_table *table)
{
    struct table_sum *to = table_of(sum, table);
    to->first            = table->member < to->first ? table->member : to->first;
    to->last             = table->member > to->last ? table->member : to->last;
    to->members++;
    to->entries += table->entries;
    to->segments += table->segment_count;
    for (uint32_t i = 0; i < table->segment_count; i++) {
        to->bytes += table->segments[i].place.bytes;
    }
}

static void inspection_sum(struct inspection *inspection)
{
    for (uint32_t at = 0; at < wr_store_manifest(inspection->store)->task_count; at++) {
        const struct wr_index *index = wr_store_index(inspection->store, at);
        for (uint32_t i = 0; i < index->operator_count; i++) {
            const struct wr_index_operator *of  = &index->operators[i];
            struct operator_sum            *sum = operator_of(inspection, of->name);
            sum->watermark = of->watermark < sum->watermark ? of->watermark : sum->watermark;
            sum->tasks++;
            for (uint32_t j = 0; j < of->counter_count; j++) {
                counter_add(sum, &of->counters[j]);
            }
            for (uint32_t j = 0; j < of->table_count; j++) {
                table_add(sum, &of->tables[j]);
            }
        }
    }
}

// Calls `each` with every cell of the operator.
static void cells_each(const struct wr_store *store, const char *operator_name,
                       void (*each)(void *opaque, uint32_t task, const struct wr_index_cell *cell),
                       void *opaque)
{
    const struct wr_manifest *manifest = wr_store_manifest(store);
    for (uint32_t at = 0; at < manifest->task_count; at++) {
        const struct wr_index_operator *of =
            wr_index_find_operator(wr_store_index(store, at), operator_name);
        for (uint32_t i = 0; of != NULL && i < of->cell_count; i++) {
            each(opaque, manifest->tasks[at].task, &of->cells[i]);
        }
    }
}

// ---- for people ----

// A transaction that lies prepared is a sentence of its connector's, mostly of plain letters.
static bool is_readable(const struct wr_index_cell *cell)
{
    const unsigned char *bytes = cell->bytes;
    bool                 is    = cell->key != NULL && cell->length > 0;
    for (uint32_t i = 0; is && i < cell->length; i++) {
        is = bytes[i] >= ' ' && bytes[i] <= '~';
    }
    return is;
}

static void print_cell(void *opaque, uint32_t task, const struct wr_index_cell *cell)
{
    struct wr_partition_kept kept;
    char                     at[WEIR_TIME_TEXT_MAX];
    (void)opaque;
    if (wr_cell_partition(cell, &kept)) {
        (void)printf("    partition %s: offset %" PRIu64 ", watermark %s%s\n", cell->key,
                     kept.position.numbers[0], wr_time_text(kept.watermark, at),
                     kept.is_ended != 0  ? ", ended"
                     : kept.is_idle != 0 ? ", idle"
                                         : "");
        return;
    }
    (void)printf("    %s%s%s of task %" PRIu32 ": ", cell->name, cell->key != NULL ? " " : "",
                 cell->key != NULL ? cell->key : "", task);
    if (is_readable(cell)) {
        (void)printf("%.*s", (int)cell->length, (const char *)cell->bytes);
    } else {
        wr_cell_json(stdout, cell);
    }
    (void)printf("\n");
}

static void print_table(const struct table_sum *table)
{
    char size[WR_VALUE_TEXT_MAX], at[WEIR_TIME_TEXT_MAX];
    (void)printf("    table %s: %" PRIu64 " entries, %s in %" PRIu64 " segments", table->name,
                 table->entries, wr_value_size_text(table->bytes, size), table->segments);
    if (table->has_member) {
        (void)printf("; %" PRIu32 " of them, from %s", table->members,
                     wr_time_text(table->first, at));
        (void)printf(" to %s", wr_time_text(table->last, at));
    }
    (void)printf("\n");
}

static void print_operator(const struct inspection *inspection, const struct operator_sum *sum)
{
    char at[WEIR_TIME_TEXT_MAX];
    (void)printf("  %s: %" PRIu32 " task%s, watermark %s\n", sum->name, sum->tasks,
                 sum->tasks == 1 ? "" : "s", wr_time_text(sum->watermark, at));
    cells_each(inspection->store, sum->name, print_cell, NULL);
    for (uint32_t i = 0; i < sum->table_count; i++) {
        print_table(&sum->tables[i]);
    }
    bool has_any = false;
    for (uint32_t i = 0; i < sum->counter_count; i++) {
        if (sum->counters[i].value != 0) {
            (void)printf("%s %s %" PRIu64, has_any ? "," : "    counters:", sum->counters[i].name,
                         sum->counters[i].value);
            has_any = true;
        }
    }
    (void)printf("%s", has_any ? "\n" : "");
}

static void print_all(const struct inspection *inspection)
{
    const struct wr_manifest *manifest = wr_store_manifest(inspection->store);
    char                      at[WEIR_TIME_TEXT_MAX], size[WR_VALUE_TEXT_MAX];
    (void)printf("%s %" PRIu64 " of %s: durable %s, after %.3f s%s\n",
                 manifest->is_savepoint ? "savepoint" : "checkpoint", manifest->checkpoint,
                 manifest->job, wr_time_text(manifest->durable_us, at),
                 (double)(manifest->durable_us - manifest->began_us) / 1e6,
                 manifest->is_final     ? "; the job had ended"
                 : manifest->is_stopped ? "; the job was stopped by it"
                                        : "");
    (void)printf("  epoch %" PRIu32 ", weir %s, graph %016" PRIx64 ", seed %016" PRIx64 "\n",
                 manifest->epoch, manifest->version, manifest->graph_hash, manifest->hash_seed);
    (void)printf("tasks: %" PRIu32 "\n", manifest->task_count);
    for (uint32_t i = 0; i < manifest->task_count; i++) {
        const struct wr_manifest_task *task = &manifest->tasks[i];
        (void)printf("  %" PRIu32 ": stage %" PRIu32 " (%s), instance %" PRIu32 ", cells %" PRIu32
                     " to %" PRIu32 ", %s: %s\n",
                     task->task, task->stage + 1, wr_store_index(inspection->store, i)->stage_name,
                     task->instance, task->first_cell, task->end_cell, task->file,
                     wr_value_size_text(task->bytes, size));
    }
    (void)printf("operators: %" PRIu32 "\n", inspection->operator_count);
    for (uint32_t i = 0; i < inspection->operator_count; i++) {
        print_operator(inspection, &inspection->operators[i]);
    }
}

// ---- JSON ----

static const char *word_of(bool is) { return is ? "true" : "false"; }

static void json_cell(void *opaque, uint32_t task, const struct wr_index_cell *cell)
{
    bool *is_first = opaque;
    (void)printf("%s{\"cell\":", *is_first ? "" : ",");
    wr_json_print_text(stdout, cell->name);
    (void)printf(",\"task\":%" PRIu32 ",\"key\":", task);
    if (cell->key != NULL) {
        wr_json_print_text(stdout, cell->key);
    } else {
        (void)printf("null");
    }
    (void)printf(",\"value\":");
    wr_cell_json(stdout, cell);
    (void)printf("}");
    *is_first = false;
}

static void json_table(const struct table_sum *table)
{
    (void)printf("{\"table\":");
    wr_json_print_text(stdout, table->name);
    (void)printf(",\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"segments\":%" PRIu64,
                 table->entries, table->bytes, table->segments);
    if (table->has_member) {
        (void)printf(",\"members\":%" PRIu32 ",\"first_member\":", table->members);
        wr_json_print_time(stdout, table->first);
        (void)printf(",\"last_member\":");
        wr_json_print_time(stdout, table->last);
    }
    (void)printf("}");
}

static void json_operator(const struct inspection *inspection, const struct operator_sum *sum)
{
    bool is_first = true;
    (void)printf("{\"operator\":");
    wr_json_print_text(stdout, sum->name);
    (void)printf(",\"tasks\":%" PRIu32 ",\"watermark\":", sum->tasks);
    wr_json_print_time(stdout, sum->watermark);
    (void)printf(",\"cells\":[");
    cells_each(inspection->store, sum->name, json_cell, &is_first);
    (void)printf("],\"tables\":[");
    for (uint32_t i = 0; i < sum->table_count; i++) {
        (void)printf("%s", i > 0 ? "," : "");
        json_table(&sum->tables[i]);
    }
    (void)printf("],\"counters\":{");
    for (uint32_t i = 0; i < sum->counter_count; i++) {
        (void)printf("%s", i > 0 ? "," : "");
        wr_json_print_text(stdout, sum->counters[i].name);
        (void)printf(":%" PRIu64, sum->counters[i].value);
    }
    (void)printf("}}");
}

static void json_task(const struct inspection *inspection, uint32_t at)
{
    const struct wr_manifest_task *task = &wr_store_manifest(inspection->store)->tasks[at];
    (void)printf("{\"task\":%" PRIu32 ",\"stage\":%" PRIu32 ",\"stage_name\":", task->task,
                 task->stage + 1);
    wr_json_print_text(stdout, wr_store_index(inspection->store, at)->stage_name);
    (void)printf(",\"instance\":%" PRIu32 ",\"first_cell\":%" PRIu32 ",\"end_cell\":%" PRIu32
                 ",\"file\":",
                 task->instance, task->first_cell, task->end_cell);
    wr_json_print_text(stdout, task->file);
    (void)printf(",\"bytes\":%" PRIu64 "}", task->bytes);
}

static void json_all(const struct inspection *inspection)
{
    const struct wr_manifest *manifest = wr_store_manifest(inspection->store);
    (void)printf("{\"checkpoint\":%" PRIu64 ",\"job\":", manifest->checkpoint);
    wr_json_print_text(stdout, manifest->job);
    (void)printf(",\"began\":");
    wr_json_print_time(stdout, manifest->began_us);
    (void)printf(",\"durable\":");
    wr_json_print_time(stdout, manifest->durable_us);
    (void)printf(",\"took_us\":%" PRIi64 ",\"epoch\":%" PRIu32
                 ",\"savepoint\":%s,\"final\":%s,\"stopped\":%s,\"version\":",
                 manifest->durable_us - manifest->began_us, manifest->epoch,
                 word_of(manifest->is_savepoint), word_of(manifest->is_final),
                 word_of(manifest->is_stopped));
    wr_json_print_text(stdout, manifest->version);
    (void)printf(",\"graph\":\"%016" PRIx64 "\",\"seed\":\"%016" PRIx64 "\",\"tasks\":[",
                 manifest->graph_hash, manifest->hash_seed);
    for (uint32_t i = 0; i < manifest->task_count; i++) {
        (void)printf("%s", i > 0 ? "," : "");
        json_task(inspection, i);
    }
    (void)printf("],\"operators\":[");
    for (uint32_t i = 0; i < inspection->operator_count; i++) {
        (void)printf("%s", i > 0 ? "," : "");
        json_operator(inspection, &inspection->operators[i]);
    }
    (void)printf("]}\n");
}

// ---- the verb ----

static int inspect_run(struct wr_tool_call *command)
{
    struct inspection inspection = { .command = command };
    uint64_t          number     = 0;
    struct wr_store  *store;
    if (command->word_count > 0 && !wr_checkpoint_is_number(command->words[0], &number)) {
        return wr_tool_misused(command, "\"%s\" is not the number of a checkpoint",
                               command->words[0]);
    }
    const int code = wr_checkpoint_open(command, number, &store);
    if (code != 0) {
        return code;
    }
    inspection.store = store;
    inspection_sum(&inspection);
    if (command->as_json) {
        json_all(&inspection);
    } else {
        print_all(&inspection);
    }
    for (uint32_t i = 0; i < inspection.operator_count; i++) {
        wr_free(inspection.operators[i].counters);
        wr_free(inspection.operators[i].tables);
    }
    wr_free(inspection.operators);
    wr_store_close(store);
    return 0;
}

const struct wr_tool_verb wr_checkpoint_inspect_verb = {
    .name    = "inspect",
    .words   = "DIR [N]",
    .summary = "what a checkpoint is of, and what its operators keep",
    .more =
        "The job, when, by which process and version, tasks with their files and key ranges; of "
        "each\noperator its watermark (the least of its tasks), partitions with the offset that is "
        "read next,\ntables with entries and bytes, counters. Tables by time are taken "
        "together.\n\n"
        "  weir checkpoint inspect data/checkpoints\n"
        "  weir checkpoint inspect data/checkpoints 12 --json\n",
    .least = 1,
    .most  = 2,
    .run   = inspect_run,
};
