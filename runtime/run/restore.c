#include "runtime/run/restore.h"

#include "runtime/base/thread.h"
#include "runtime/connector.h"
#include "runtime/run/ahead.h"
#include "runtime/run/coordinator.h"
#include "runtime/run/evolution.h"
#include "runtime/run/exchange.h"
#include "runtime/run/indexing.h"
#include "runtime/run/kept.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct restore {
    struct weir_run          *run;
    struct wr_store          *store;
    const struct wr_manifest *manifest;
    pthread_mutex_t           reading; // guards the store while blocks are read
    struct wr_evolutions      evolutions;
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
    return wr_index_find_operator(wr_store_index(store, at), name);
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
    char *why = wr_evolutions_add(&restore->evolutions, operator_name, table, &kept->shape,
                                  options.value_size);
    if (why != NULL) {
        (void)restore_fail(restore, WEIR_MISMATCH, "%s: %s: %s", operator_name, table->name, why);
        wr_free(why);
        return false;
    }
    return options.key_kind == table->key_kind ||
           restore_fail(restore, WEIR_MISMATCH,
                        "%s: %s: its keys are of another kind than those of this program",
                        operator_name, table->name);
}

static bool operator_has_state(const struct wr_index_operator *of)
{
    bool has_state = of->cell_count > 0;
    for (uint32_t i = 0; i < of->table_count; i++) {
        has_state |= of->tables[i].entries > 0;
    }
    return has_state;
}

static bool node_keeps_partition(const struct wr_node *node, const char *partition)
{
    for (uint32_t i = 0; node->kept != NULL && i < node->kept->cell_count; i++) {
        const struct wr_kept_cell *cell = &node->kept->cells[i];
        if (strcmp(cell->name, WR_PARTITION_CELL) == 0 && strcmp(cell->key, partition) == 0) {
            return true;
        }
    }
    return false;
}

static bool run_has_partition(const struct weir_run *run, const char *source, const char *partition)
{
    for (uint32_t i = 0; i < run->now->task_count; i++) {
        const struct wr_task *task = run->now->tasks[i];
        for (uint32_t k = 0; k < task->node_count; k++) {
            if (strcmp(task->nodes[k]->spec->name, source) == 0 &&
                node_keeps_partition(task->nodes[k], partition)) {
                return true;
            }
        }
    }
    return false;
}

// What a source had not read to its end must be there, or its records are lost without a word.
static bool partitions_fit(struct restore *restore, const struct wr_index_operator *of)
{
    for (uint32_t i = 0; i < of->cell_count && !restore->run->forgets_partitions; i++) {
        const struct wr_index_cell *cell = &of->cells[i];
        struct wr_partition_kept    was;
        if (strcmp(cell->name, WR_PARTITION_CELL) != 0 || cell->length != sizeof(was)) {
            continue;
        }
        memcpy(&was, cell->bytes, sizeof(was));
        if (was.is_known && !was.is_ended &&
            !run_has_partition(restore->run, of->name, cell->key)) {
            return restore_fail(restore, WEIR_MISMATCH,
                                "%s had not read %s to its end, and it is gone: put it back, or go "
                                "on without what is left of it (forgets_partitions, "
                                "--forget-partitions)",
                                of->name, cell->key);
        }
    }
    return true;
}

static bool operator_fits(struct restore *restore, const struct wr_index_operator *of)
{
    const struct wr_node *node = wr_generation_first_node(restore->run->now, of->name);
    if (node == NULL) {
        return !operator_has_state(of) ||
               restore_fail(restore, WEIR_MISMATCH,
                            "it has state of the operator %s, and the job has none of that name: "
                            "it was removed or renamed; give it its name back with weir_name, or "
                            "say what it was with weir_formerly",
                            of->name);
    }
    for (uint32_t i = 0; i < of->table_count; i++) {
        const struct wr_kept_table *kept =
            wr_kept_find_table(node, of->tables[i].name, of->tables[i].has_member);
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
    return partitions_fit(restore, of);
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

// ---- tables ----
//
// Each worker's tables are filled by a thread of its own, so that all processors take part and the
// memory is touched first by who will use it. What is not in tables is taken up afterwards, by one.

// A segment of one of the checkpoint's tasks that a table of this run takes up, as a whole or in
// part.
struct piece {
    const struct wr_kept_table    *kept;
    int64_t                        member;
    const struct wr_index_segment *segment;
    const struct wr_packed_values *values; // as they were, if they have changed since
    uint32_t                       at;     // task of the checkpoint
};

struct filler {
    struct restore *restore;
    uint32_t        worker; // whose tables
    pthread_t       thread;
    bool            is_started;
    char           *buffer; // of a block
    size_t          buffer_bytes;
    struct piece   *pieces; // of the node at hand
    size_t          piece_count, piece_capacity;
};

static bool segment_lies_in(const struct wr_index_segment *segment, struct wr_hash_range range)
{
    const uint64_t last =
        segment->depth == 0 ? UINT64_MAX : segment->prefix | (UINT64_MAX >> segment->depth);
    return segment->prefix <= range.last && last >= range.first;
}

static void pieces_add(struct filler *filler, const struct piece *piece)
{
    if (filler->piece_count == filler->piece_capacity) {
        filler->piece_capacity = filler->piece_capacity * 2 + 64;
        filler->pieces =
            wr_realloc(filler->pieces, filler->piece_capacity * sizeof(*filler->pieces));
    }
    filler->pieces[filler->piece_count++] = *piece;
}

static void pieces_gather(struct filler *filler, const struct wr_node *node)
{
    const struct restore      *restore = filler->restore;
    const struct wr_hash_range range   = wr_task_range(node->task);
    filler->piece_count                = 0;
    for (uint32_t at = 0; at < restore->manifest->task_count; at++) {
        const struct wr_index_operator *from = operator_at(restore->store, at, node->spec->name);
        for (uint32_t i = 0; from != NULL && i < from->table_count; i++) {
            const struct wr_index_table *table = &from->tables[i];
            struct piece piece = { .kept = wr_kept_find_table(node, table->name, table->has_member),
                                   .member = table->member,
                                   .at     = at };
            piece.values       = wr_evolutions_find(&restore->evolutions, node->spec->name, table);
            for (uint32_t k = 0; piece.kept != NULL && k < table->segment_count; k++) {
                piece.segment = &table->segments[k];
                if (segment_lies_in(piece.segment, range)) {
                    pieces_add(filler, &piece);
                }
            }
        }
    }
}

// A table's pieces stand together, by their prefixes; tables by their members.
static int piece_compare(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->kept != y->kept) {
        return x->kept > y->kept ? 1 : -1;
    }
    if (x->member != y->member) {
        return x->member > y->member ? 1 : -1;
    }
    return (x->segment->prefix > y->segment->prefix) - (x->segment->prefix < y->segment->prefix);
}

static bool block_read(struct filler *filler, const struct piece *piece)
{
    struct restore *restore = filler->restore;
    struct wr_error error   = { .status = WEIR_OK };
    const uint64_t  needed  = wr_block_bytes(piece->segment->place.bytes);
    if (needed > filler->buffer_bytes) {
        wr_free(filler->buffer);
        filler->buffer       = wr_alloc_aligned(needed, 64);
        filler->buffer_bytes = needed;
    }
    (void)pthread_mutex_lock(&restore->reading);
    const weir_status status =
        wr_store_read_block(restore->store, piece->at, piece->segment, filler->buffer, &error);
    (void)pthread_mutex_unlock(&restore->reading);
    if (status != WEIR_OK) {
        wr_run_fail_any(restore->run, error.status, error.sentence);
        wr_error_fini(&error);
    }
    return status == WEIR_OK;
}

static bool piece_unpack(struct filler *filler, const struct piece *piece,
                         const struct wr_node *node, struct wr_table *table)
{
    const struct wr_index_segment *segment = piece->segment;
    if (wr_run_has_failed_any(filler->restore->run) || !block_read(filler, piece)) {
        return false;
    }
    const struct wr_image image = {
        .prefix  = segment->prefix,
        .depth   = segment->depth,
        .entries = segment->place.entries,
        .values  = piece->values,
    };
    const enum wr_unpack unpacked =
        wr_table_unpack(table, filler->buffer + WR_BLOCK_HEADER_BYTES, segment->place.bytes, &image,
                        wr_task_range(node->task), NULL);
    if (unpacked == WR_UNPACK_OUT_OF_BUDGET) {
        return restore_fail(filler->restore, WEIR_NO_MEMORY,
                            "%s: %s needs more than its share of the state budget; raise it",
                            node->spec->name, piece->kept->name);
    }
    return unpacked == WR_UNPACK_DONE ||
           restore_fail(filler->restore, WEIR_DAMAGED, "%s: %s: a segment of it %s",
                        node->spec->name, piece->kept->name, wr_unpack_text(unpacked)); // I15
}

// The number whose `bits` lowest bits are those of i from back to front.
static size_t reversed(size_t i, uint32_t bits)
{
    size_t back = 0;
    for (uint32_t bit = 0; bit < bits; bit++) {
        back |= (i >> bit & 1) << (bits - 1 - bit);
    }
    return back;
}

// A table that is filled from its lowest hash to its highest does not split as it grows: all
// entries lie on one side. So where room cannot be made before, the pieces come from everywhere in
// turn: the first, the one in the middle, those in the middle of the halves, and so on.
static bool table_fill(struct filler *filler, const struct wr_node *node,
                       const struct piece *pieces, size_t count)
{
    const struct wr_kept_table *kept = pieces[0].kept;
    struct wr_table            *to =
        kept->table != NULL ? kept->table : wr_slices_make(kept->slices, pieces[0].member);
    uint64_t entries = 0;
    uint32_t bits    = 0;
    for (size_t i = 0; i < count; i++) {
        entries += pieces[i].segment->place.entries;
    }
    const size_t bytes_before = wr_table_bytes(to);
    wr_table_reserve(to, entries);
    if (wr_table_bytes(to) != bytes_before) {
        for (size_t i = 0; i < count; i++) {
            if (!piece_unpack(filler, &pieces[i], node, to)) {
                return false;
            }
        }
        return true;
    }
    while (count > (size_t)1 << bits) {
        bits++;
    }
    for (size_t i = 0; i < (size_t)1 << bits; i++) {
        const size_t next = reversed(i, bits);
        if (next < count && !piece_unpack(filler, &pieces[next], node, to)) {
            return false;
        }
    }
    return true;
}

static bool node_fill(struct filler *filler, const struct wr_node *node)
{
    pieces_gather(filler, node);
    if (filler->piece_count > 1) {
        qsort(filler->pieces, filler->piece_count, sizeof(*filler->pieces), piece_compare);
    }
    for (size_t begin = 0, end; begin < filler->piece_count; begin = end) {
        const struct piece *pieces = &filler->pieces[begin];
        for (end = begin + 1;
             end < filler->piece_count && filler->pieces[end].kept == pieces->kept &&
             filler->pieces[end].member == pieces->member;
             end++) {
        }
        if (!table_fill(filler, node, pieces, end - begin)) {
            return false;
        }
    }
    return true;
}

static void filler_fill(struct filler *filler)
{
    const struct weir_run *run     = filler->restore->run;
    bool                   is_good = true;
    for (uint32_t i = 0; i < run->now->task_count && is_good; i++) {
        const struct wr_task *task = run->now->tasks[i];
        for (uint32_t k = 0;
             k < task->node_count && task->worker->index == filler->worker && is_good; k++) {
            is_good = node_fill(filler, task->nodes[k]);
        }
    }
    wr_free(filler->pieces);
    wr_free(filler->buffer);
}

static void *filler_main(void *opaque)
{
    struct filler              *filler = opaque;
    const struct wr_generation *now    = filler->restore->run->now;
    if (now->pin_any != NULL) {
        now->pin_any(now->opaque, filler->worker);
    }
    filler_fill(filler);
    return NULL;
}

static void tables_restore(struct restore *restore)
{
    const struct weir_run *run     = restore->run;
    struct filler         *fillers = wr_alloc(run->now->worker_count * sizeof(*fillers));
    struct wr_ahead       *ahead   = wr_ahead_start(run, restore->store);
    for (uint32_t i = 0; i < run->now->worker_count; i++) {
        fillers[i] = (struct filler){ .restore = restore, .worker = i };
        fillers[i].is_started =
            !run->is_simulated && run->now->worker_count > 1 &&
            wr_thread_start(&fillers[i].thread, filler_main, &fillers[i], "weir/restore") == 0;
    }
    for (uint32_t i = 0; i < run->now->worker_count; i++) {
        if (fillers[i].is_started) {
            (void)pthread_join(fillers[i].thread, NULL);
        } else {
            filler_fill(&fillers[i]);
        }
    }
    wr_ahead_stop(ahead);
    wr_free(fillers);
}

// ---- the rest ----

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

static void operator_restore(struct wr_node *node, const struct wr_index_operator *from,
                             bool is_first)
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

static bool node_restore(struct wr_node *node, const struct wr_index *const *indexes,
                         uint32_t count)
{
    bool is_first = true;
    for (uint32_t at = 0; at < count; at++) {
        const struct wr_index_operator *from =
            wr_index_find_operator(indexes[at], node->spec->name);
        if (from == NULL) {
            continue;
        }
        operator_restore(node, from, is_first);
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

bool wr_generation_restore_rest(struct wr_generation         *generation,
                                const struct wr_index *const *indexes, uint32_t count)
{
    bool is_good = true;
    for (uint32_t i = 0; i < generation->task_count && is_good; i++) {
        struct wr_task *task = generation->tasks[i];
        for (uint32_t k = 0; k < task->node_count && is_good; k++) {
            is_good = task->nodes[k]->ops == &wr_exchange_operator ||
                      node_restore(task->nodes[k], indexes, count);
        }
        wr_task_hand_on(task);
    }
    return is_good;
}

void wr_run_restore(struct weir_run *run, struct wr_store *store)
{
    struct restore restore = { .run = run, .store = store, .manifest = wr_store_manifest(store) };
    if (restore.manifest == NULL || wr_run_has_failed_any(run)) {
        return;
    }
    if (restore_fits(&restore)) {
        (void)pthread_mutex_init(&restore.reading, NULL);
        tables_restore(&restore);
        (void)pthread_mutex_destroy(&restore.reading);
    }
    wr_evolutions_fini(&restore.evolutions);
    if (wr_run_has_failed_any(run)) {
        return;
    }
    const uint32_t          count   = restore.manifest->task_count;
    const struct wr_index **indexes = wr_alloc((count + 1) * sizeof(struct wr_index *));
    for (uint32_t at = 0; at < count; at++) {
        indexes[at] = wr_store_index(store, at);
    }
    (void)wr_generation_restore_rest(run->now, indexes, count);
    wr_free((void *)(uintptr_t)indexes);
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
