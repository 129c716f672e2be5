#include "runtime/run/restore.h"

#include "runtime/run/capturing.h"
#include "runtime/run/exchange.h"
#include "runtime/run/kept.h"
#include "runtime/run/table_types.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct restore {
    struct weir_run          *run;
    struct wr_store          *store;
    const struct wr_manifest *manifest;
    char                     *buffer; // of a block
    size_t                    buffer_bytes;
};

static bool restore_fail(struct restore *restore, weir_status status, const char *sentence, ...)
    WEIR_PRINTF(3, 4);

static bool restore_fail(struct restore *restore, weir_status status, const char *sentence, ...)
{
    va_list arguments;
    char    text[900];
    va_start(arguments, sentence);
    (void)vsnprintf(text, sizeof(text), sentence, arguments);
    va_end(arguments);
    char *whole =
        wr_format("checkpoint %llu of %s: %s", (unsigned long long)restore->manifest->checkpoint,
                  restore->manifest->job, text);
    wr_run_fail_any(restore->run, status, whole);
    wr_free(whole);
    return false;
}

// ---- finding ----

// The operator of that name in the index of the checkpoint's task `at`; NULL.
static const struct wr_index_operator *operator_at(const struct wr_store *store, uint32_t at,
                                                   const char *name)
{
    const struct wr_index *index = wr_store_index(store, at);
    for (uint32_t i = 0; i < index->operator_count; i++) {
        if (strcmp(index->operators[i].name, name) == 0) {
            return &index->operators[i];
        }
    }
    return NULL;
}

static const struct wr_node *node_of(const struct weir_run *run, const char *name)
{
    for (uint32_t i = 0; i < run->task_count; i++) {
        for (uint32_t k = 0; k < run->tasks[i]->node_count; k++) {
            if (strcmp(run->tasks[i]->nodes[k]->spec->name, name) == 0) {
                return run->tasks[i]->nodes[k];
            }
        }
    }
    return NULL;
}

static const struct wr_kept_table *kept_table_of(const struct wr_node        *node,
                                                 const struct wr_index_table *table)
{
    for (uint32_t i = 0; node->kept != NULL && i < node->kept->table_count; i++) {
        const struct wr_kept_table *kept = &node->kept->tables[i];
        if (strcmp(kept->name, table->name) == 0 && (kept->slices != NULL) == table->has_member) {
            return kept;
        }
    }
    return NULL;
}

// ---- whether it fits ----

static struct wr_table_options options_of(const struct wr_kept_table *kept)
{
    return kept->slices != NULL ? kept->slices->options : wr_table_options_of(kept->table);
}

static bool table_fits(struct restore *restore, const char *operator_name,
                       const struct wr_kept_table *kept, const struct wr_index_table *table)
{
    const struct wr_table_options options = options_of(kept);
    char                         *types   = wr_table_types(&kept->shape);
    char                         *why     = wr_table_types_compare(table->types, types);
    wr_free(types);
    if (why != NULL) {
        (void)restore_fail(restore, WEIR_MISMATCH, "%s: %s: %s", operator_name, table->name, why);
        wr_free(why);
        return false;
    }
    if (options.key_kind != table->key_kind || options.value_size != table->value_bytes) {
        return restore_fail(restore, WEIR_MISMATCH,
                            "%s: %s: its values have %u bytes, and those of this program %u",
                            operator_name, table->name, table->value_bytes, options.value_size);
    }
    return true;
}

static bool operator_has_state(const struct wr_index_operator *of)
{
    bool has_state = of->cell_count > 0;
    for (uint32_t i = 0; i < of->table_count; i++) {
        has_state |= of->tables[i].entries > 0;
    }
    return has_state;
}

static bool operator_fits(struct restore *restore, const struct wr_index_operator *of)
{
    const struct wr_node *node = node_of(restore->run, of->name);
    if (node == NULL) {
        return !operator_has_state(of) ||
               restore_fail(restore, WEIR_MISMATCH,
                            "it has state of the operator %s, and the job has none of that name: "
                            "it was removed or renamed; give it its name back with weir_name",
                            of->name);
    }
    for (uint32_t i = 0; i < of->table_count; i++) {
        const struct wr_kept_table *kept = kept_table_of(node, &of->tables[i]);
        if (kept == NULL && of->tables[i].entries > 0) {
            return restore_fail(restore, WEIR_MISMATCH,
                                "%s: it keeps no %s any more: it is another operator, or was "
                                "given another kind of window",
                                of->name, of->tables[i].name);
        }
        if (kept != NULL && !table_fits(restore, of->name, kept, &of->tables[i])) {
            return false;
        }
    }
    return true;
}

static bool restore_fits(struct restore *restore)
{
    if (strcmp(restore->manifest->job, restore->run->job_name) != 0) {
        return restore_fail(restore, WEIR_MISMATCH,
                            "it is not of the job %s; use another directory",
                            restore->run->job_name);
    }
    for (uint32_t at = 0; at < restore->manifest->task_count; at++) {
        const struct wr_index *index = wr_store_index(restore->store, at);
        for (uint32_t i = 0; i < index->operator_count; i++) {
            if (!operator_fits(restore, &index->operators[i])) {
                return false;
            }
        }
    }
    return true;
}

// ---- taking up ----

static bool segment_lies_in(const struct wr_index_segment *segment, struct wr_hash_range range)
{
    const uint64_t last =
        segment->depth == 0 ? UINT64_MAX : segment->prefix | (UINT64_MAX >> segment->depth);
    return segment->prefix <= range.last && last >= range.first;
}

static bool segment_restore(struct restore *restore, uint32_t at, struct wr_table *table,
                            const struct wr_node *node, const char *table_name,
                            const struct wr_index_segment *segment, struct wr_hash_range range)
{
    struct wr_error error  = { .status = WEIR_OK };
    const uint64_t  needed = wr_block_bytes(segment->place.bytes);
    if (needed > restore->buffer_bytes) {
        wr_free(restore->buffer);
        restore->buffer       = wr_alloc_aligned(needed, 64);
        restore->buffer_bytes = needed;
    }
    if (wr_store_read_block(restore->store, at, segment, restore->buffer, &error) != WEIR_OK) {
        wr_run_fail_any(restore->run, error.status, error.sentence);
        wr_error_fini(&error);
        return false;
    }
    const struct wr_image image = {
        .prefix  = segment->prefix,
        .depth   = segment->depth,
        .entries = segment->place.entries,
    };
    const enum wr_unpack unpacked = wr_table_unpack(table, restore->buffer + WR_BLOCK_HEADER_BYTES,
                                                    segment->place.bytes, &image, range, NULL);
    if (unpacked == WR_UNPACK_OUT_OF_BUDGET) {
        return restore_fail(restore, WEIR_NO_MEMORY,
                            "%s: %s needs more than its share of the state budget; raise it",
                            node->spec->name, table_name);
    }
    return unpacked == WR_UNPACK_DONE ||
           restore_fail(restore, WEIR_DAMAGED, "%s: %s: a segment of it %s", node->spec->name,
                        table_name, wr_unpack_text(unpacked)); // I15
}

static bool table_restore(struct restore *restore, uint32_t at, struct wr_node *node,
                          const struct wr_index_table *table)
{
    const struct wr_kept_table *kept = kept_table_of(node, table);
    uint32_t                    first, end;
    if (kept == NULL || table->segment_count == 0) {
        return true;
    }
    wr_task_cells(node->task, &first, &end);
    const struct wr_hash_range range = { (uint64_t)first << 48, ((uint64_t)end << 48) - 1 };
    struct wr_table           *to    = kept->table;
    for (uint32_t i = 0; i < table->segment_count; i++) {
        if (!segment_lies_in(&table->segments[i], range)) {
            continue;
        }
        if (to == NULL) {
            to = wr_slices_make(kept->slices, table->member);
        }
        if (!segment_restore(restore, at, to, node, table->name, &table->segments[i], range)) {
            return false;
        }
    }
    return true;
}

static void cell_restore(const struct wr_kept_cell *to, const struct wr_index_cell *from,
                         bool is_first)
{
    const bool is_same_key = (to->key == NULL) == (from->key == NULL) &&
                             (to->key == NULL || strcmp(to->key, from->key) == 0);
    if (strcmp(to->name, from->name) != 0 || !is_same_key || to->bytes != from->length) {
        return;
    }
    int64_t have, more;
    if (to->kind != WR_KEPT_BY_KEY && !is_first) {
        memcpy(&have, to->at, sizeof(have));
        memcpy(&more, from->bytes, sizeof(more));
        if (to->kind == WR_KEPT_LEAST ? more >= have : more <= have) {
            return;
        }
    }
    memcpy(to->at, from->bytes, from->length);
}

static void counters_restore(const struct wr_node *node, const struct wr_index_operator *from)
{
    for (uint32_t i = 0; i < from->counter_count && node->instance == 0; i++) {
        for (uint32_t c = 0; c < WR_COUNTER_COUNT; c++) {
            const char *name = wr_kept_counter_name((enum wr_counter)c);
            if (name != NULL && strcmp(name, from->counters[i].name) == 0) {
                wr_count(node->counters, (enum wr_counter)c, from->counters[i].value);
            }
        }
    }
}

static bool operator_restore(struct restore *restore, uint32_t at, struct wr_node *node,
                             const struct wr_index_operator *from, bool is_first)
{
    counters_restore(node, from);
    if (is_first || from->watermark < node->watermark) {
        node->watermark = from->watermark;
    }
    for (uint32_t i = 0; node->kept != NULL && i < node->kept->cell_count; i++) {
        for (uint32_t k = 0; k < from->cell_count; k++) {
            cell_restore(&node->kept->cells[i], &from->cells[k], is_first);
        }
    }
    for (uint32_t i = 0; i < from->table_count; i++) {
        if (!table_restore(restore, at, node, &from->tables[i])) {
            return false;
        }
    }
    return true;
}

// B4: the watermark comes back before the first record.
static void node_take_watermark(struct wr_node *node)
{
    struct wr_watermarks *watermarks = &node->watermarks;
    for (uint32_t i = 0; i < watermarks->input_count; i++) {
        (void)wr_watermarks_set(watermarks, i, node->watermark);
    }
    node->call->watermark = node->watermark;
    wr_gauge(node->counters, WR_WATERMARK, (uint64_t)node->watermark);
}

static bool node_restore(struct restore *restore, struct wr_node *node)
{
    bool is_first = true;
    for (uint32_t at = 0; at < restore->manifest->task_count; at++) {
        const struct wr_index_operator *from = operator_at(restore->store, at, node->spec->name);
        if (from == NULL) {
            continue;
        }
        if (!operator_restore(restore, at, node, from, is_first)) {
            return false;
        }
        is_first = false;
    }
    if (is_first) {
        return true; // it is new
    }
    node_take_watermark(node);
    if (node->ops->restored != NULL && !node->ops->restored(node)) {
        wr_node_fail(node, "what a checkpoint keeps of it could not be taken up");
        return false;
    }
    return true;
}

void wr_run_restore(struct weir_run *run, struct wr_store *store)
{
    struct restore restore = { .run = run, .store = store, .manifest = wr_store_manifest(store) };
    if (restore.manifest == NULL || wr_run_has_failed_any(run) || !restore_fits(&restore)) {
        return;
    }
    bool is_good = true;
    for (uint32_t i = 0; i < run->task_count && is_good; i++) {
        const struct wr_task *task = run->tasks[i];
        for (uint32_t k = 0; k < task->node_count && is_good; k++) {
            is_good = task->nodes[k]->ops == &wr_exchange_operator ||
                      node_restore(&restore, task->nodes[k]);
        }
        wr_task_hand_on(run->tasks[i]);
    }
    wr_free(restore.buffer);
}

// ---- tokens ----

static int token_compare(const void *a, const void *b)
{
    const struct wr_token *x = a, *y = b;
    const uint32_t         least = x->length < y->length ? x->length : y->length;
    const int              order = memcmp(x->bytes, y->bytes, least);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

struct wr_token *wr_restore_tokens(const struct wr_store *store, const char *operator_name,
                                   uint32_t *count)
{
    const struct wr_manifest *manifest = wr_store_manifest(store);
    struct wr_token          *tokens   = NULL;
    *count                             = 0;
    for (uint32_t at = 0; manifest != NULL && at < manifest->task_count; at++) {
        const struct wr_index_operator *from = operator_at(store, at, operator_name);
        for (uint32_t i = 0; from != NULL && i < from->cell_count; i++) {
            const struct wr_index_cell *cell = &from->cells[i];
            if (strcmp(cell->name, WR_TOKEN_CELL) != 0 || cell->length > WR_TOKEN_BYTES) {
                continue;
            }
            tokens                = wr_realloc(tokens, (*count + 1) * sizeof(*tokens));
            tokens[*count].length = cell->length;
            memcpy(tokens[*count].bytes, cell->bytes, cell->length);
            *count += 1;
        }
    }
    if (*count > 1) {
        qsort(tokens, *count, sizeof(*tokens), token_compare);
    }
    return tokens;
}
