// The state of a small job, made up, and its checkpoints: what a store is given in tests, and what
// it must give back.
//
//   task 0      stage 0, a source: cells, no tables
//   task 1, 2   stage 1, each half of the keys: two tables of four segments
//
// A segment is of a version, which says all its bytes. A picture is what a checkpoint was: the
// version of every segment.
#ifndef CHECKPOINT_LIFE_H
#define CHECKPOINT_LIFE_H

#include "runtime/checkpoint/checkpoint.h"

#include <stdio.h>
#include <string.h>

#define LIFE_TASKS    3u
#define LIFE_TABLES   2u
#define LIFE_SEGMENTS 4u
#define LIFE_FILES    32u
#define LIFE_BUFFER   (64u << 10)

struct life_versions {
    uint32_t of[LIFE_TASKS][LIFE_TABLES][LIFE_SEGMENTS];
};

struct life_picture {
    uint64_t             checkpoint;
    struct life_versions versions;
};

struct life_segment {
    bool                    is_changed; // since the last checkpoint that was published
    struct wr_index_segment stored;     // if not
};

struct life_task {
    struct wr_index_file files[LIFE_FILES];
    char                 names[LIFE_FILES][WR_STATE_NAME_BYTES];
    uint32_t             file_count;
    uint32_t             next_number;
    struct life_segment  segments[LIFE_TABLES][LIFE_SEGMENTS];
};

struct life {
    uint32_t             payload_least, payload_span; // bytes; the span is not 0
    uint32_t             version;                     // the last that was given
    struct life_versions versions;
    struct life_task     tasks[LIFE_TASKS];
};

// ---- its state ----

// Of versions that differ by thousands it is the same: whole files may differ in their bytes only.
static inline uint32_t life_payload_bytes(const struct life *life, uint32_t version)
{
    return life->payload_least + (uint32_t)(wr_mix64(version % 1000, 1) % life->payload_span);
}

static inline void life_payload(const struct life *life, uint32_t version, char *to)
{
    const uint32_t length = life_payload_bytes(life, version);
    for (uint32_t i = 0; i < length; i++) {
        to[i] = (char)(wr_mix64(version, 2 + i / 8) >> 8 * (i % 8));
    }
}

static inline uint32_t life_tables_of(uint32_t task) { return task == 0 ? 0 : LIFE_TABLES; }

static inline void life_touch(struct life *life, uint32_t task, uint32_t table, uint32_t segment)
{
    life->versions.of[task][table][segment]               = ++life->version;
    life->tasks[task].segments[table][segment].is_changed = true;
}

static inline void life_init(struct life *life, uint32_t payload_least, uint32_t payload_span)
{
    *life = (struct life){ .payload_least = payload_least, .payload_span = payload_span };
    for (uint32_t task = 0; task < LIFE_TASKS; task++) {
        life->tasks[task].next_number = 1;
        for (uint32_t table = 0; table < life_tables_of(task); table++) {
            for (uint32_t segment = 0; segment < LIFE_SEGMENTS; segment++) {
                life_touch(life, task, table, segment);
            }
        }
    }
}

static inline struct life_picture life_picture_of(const struct life *life, uint64_t checkpoint)
{
    return (struct life_picture){ checkpoint, life->versions };
}

// ---- writing ----

// Puts the changed segments of a table into the file, at most three a call.
static inline weir_status life_write_table(struct life *life, uint32_t task, uint32_t table,
                                           struct wr_state_file    *file,
                                           struct wr_index_segment *stored, struct wr_error *error)
{
    static char     buffer[LIFE_BUFFER];
    struct wr_block blocks[3];
    uint32_t        of[3], count = 0;
    size_t          length = 0;
    weir_status     status = WEIR_OK;
    for (uint32_t i = 0; i <= LIFE_SEGMENTS && status == WEIR_OK; i++) {
        if (count == 3 || (i == LIFE_SEGMENTS && count > 0)) {
            status = wr_store_write(file, buffer, blocks, count, error);
            for (uint32_t j = 0; j < count; j++) {
                stored[of[j]].place = blocks[j].place;
            }
            count  = 0;
            length = 0;
        }
        if (i < LIFE_SEGMENTS && life->tasks[task].segments[table][i].is_changed) {
            const uint32_t version = life->versions.of[task][table][i];
            const uint32_t bytes   = life_payload_bytes(life, version);
            WR_ASSERT(length + wr_block_bytes(bytes) <= sizeof(buffer));
            life_payload(life, version, buffer + length + WR_BLOCK_HEADER_BYTES);
            blocks[count] = (struct wr_block){ .at     = (uint32_t)length,
                                               .header = { .prefix  = stored[i].prefix,
                                                           .depth   = stored[i].depth,
                                                           .table   = table,
                                                           .entries = version,
                                                           .bytes   = bytes } };
            of[count++]   = i;
            length += wr_block_bytes(bytes);
        }
    }
    return status;
}

struct life_index {
    struct wr_index          index;
    struct wr_index_operator operators[2];
    struct wr_index_counter  counters[1];
    struct wr_index_cell     cells[2];
    struct wr_index_table    tables[LIFE_TABLES];
    struct wr_index_segment  segments[LIFE_TABLES][LIFE_SEGMENTS];
    char                     text[32];
};

static const uint32_t life_string_offsets[] = { 8 };

// All but tables and files.
static inline void life_fill_index(struct life_index *of, uint32_t task, uint64_t checkpoint)
{
    *of = (struct life_index){ .counters = { { "records in", checkpoint } } };
    (void)snprintf(of->text, sizeof(of->text), "offset %llu", (unsigned long long)checkpoint);
    of->cells[0] =
        (struct wr_index_cell){ "offset", "part-0", of->text, (uint32_t)strlen(of->text) };
    of->cells[1]                = (struct wr_index_cell){ "kept", NULL, "", 0 };
    const int64_t     watermark = (int64_t)checkpoint - 1000000;
    const char *const name      = task > 0 ? "by-card" : "read";

    of->operators[0] = (struct wr_index_operator){ .name          = name,
                                                   .watermark     = watermark,
                                                   .counters      = of->counters,
                                                   .counter_count = 1,
                                                   .cells         = of->cells,
                                                   .cell_count    = 2,
                                                   .tables        = of->tables,
                                                   .table_count   = life_tables_of(task) };
    of->operators[1] = (struct wr_index_operator){ .name = "exchange", .watermark = INT64_MIN };

    const uint32_t half     = WR_CELL_COUNT / 2;
    const bool     is_first = task == 0;

    of->index = (struct wr_index){ .stage          = is_first ? 0 : 1,
                                   .stage_name     = is_first ? "source" : "cards",
                                   .instance       = is_first ? 0 : task - 1,
                                   .first_cell     = task == 2 ? half : 0,
                                   .end_cell       = task == 1 ? half : WR_CELL_COUNT,
                                   .operators      = of->operators,
                                   .operator_count = 2 };
    for (uint32_t i = 0; i < LIFE_TABLES; i++) {
        of->tables[i] = (struct wr_index_table){ .name           = "panes",
                                                 .has_member     = i == 1,
                                                 .member         = i == 1 ? -60000000 : 0,
                                                 .number         = i,
                                                 .key_kind       = i == 1 ? WR_KEY_BYTES : WR_KEY_8,
                                                 .stores_hash    = i == 1,
                                                 .value_bytes    = 40,
                                                 .string_offsets = life_string_offsets,
                                                 .string_count   = i,
                                                 .types          = "u64 -> count u64",
                                                 .segments       = of->segments[i],
                                                 .segment_count  = LIFE_SEGMENTS };
        for (uint32_t j = 0; j < LIFE_SEGMENTS; j++) {
            of->segments[i][j].depth  = 3;
            of->segments[i][j].prefix = (uint64_t)((task - 1) * LIFE_SEGMENTS + j) << 61;
        }
    }
}

// Segments as they are: their places in earlier files, and then in this one.
static inline weir_status life_write_task(struct life *life, struct wr_store *store, uint32_t task,
                                          uint64_t checkpoint, struct life_index *of,
                                          struct wr_error *error)
{
    struct life_task     *state = &life->tasks[task];
    struct wr_state_file *file;
    WR_ASSERT(state->file_count < LIFE_FILES);
    life_fill_index(of, task, checkpoint);
    struct wr_index_file *own    = &state->files[state->file_count];
    const uint32_t        number = state->next_number++;
    weir_status status = wr_store_file_open(store, checkpoint, task, number, &file, error);
    for (uint32_t i = 0; i < life_tables_of(task) && status == WEIR_OK; i++) {
        for (uint32_t j = 0; j < LIFE_SEGMENTS; j++) {
            if (!state->segments[i][j].is_changed) {
                of->segments[i][j] = state->segments[i][j].stored;
            }
        }
        status = life_write_table(life, task, i, file, of->segments[i], error);
        for (uint32_t j = 0; j < LIFE_SEGMENTS; j++) {
            of->tables[i].entries += of->segments[i][j].place.entries;
        }
    }
    if (status == WEIR_OK) {
        (void)snprintf(state->names[state->file_count], WR_STATE_NAME_BYTES, "%s",
                       wr_state_file_name(file));
        *own = (struct wr_index_file){ .number = number, .name = state->names[state->file_count] };
        of->index.files      = state->files;
        of->index.file_count = state->file_count + 1;
        status               = wr_store_file_finish(file, &of->index, error);
    }
    return status;
}

static const char *const life_operators[] = { "read", "by-card key u64" };

static inline struct wr_manifest life_manifest(void)
{
    return (struct wr_manifest){ .job            = "card-guard",
                                 .began_us       = 5,
                                 .graph_hash     = 0xc0ffee,
                                 .hash_seed      = 77,
                                 .operators      = life_operators,
                                 .operator_count = 2 };
}

// What was published is the state from now on: files of which nothing is used are forgotten.
static inline void life_keep(struct life_task *state, const struct life_index *of, uint32_t task)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < of->index.file_count; i++) {
        if (state->files[i].used > 0) {
            state->files[count] = state->files[i];
            memmove(state->names[count], state->names[i], WR_STATE_NAME_BYTES);
            state->files[count].name = state->names[count];
            count++;
        }
    }
    state->file_count = count;
    for (uint32_t i = 0; i < life_tables_of(task); i++) {
        for (uint32_t j = 0; j < LIFE_SEGMENTS; j++) {
            state->segments[i][j] = (struct life_segment){ false, of->segments[i][j] };
        }
    }
}

// A whole checkpoint, also its abort if it fails or `aborts`.
static inline weir_status life_checkpoint(struct life *life, struct wr_store *store,
                                          uint64_t checkpoint, bool aborts, struct wr_error *error)
{
    static struct life_index of[LIFE_TASKS];
    const struct wr_manifest manifest = life_manifest();
    weir_status              status   = wr_store_begin(store, checkpoint, LIFE_TASKS, error);
    if (status != WEIR_OK) {
        return status;
    }
    for (uint32_t task = LIFE_TASKS; task > 0 && status == WEIR_OK; task--) {
        status = life_write_task(life, store, task - 1, checkpoint, &of[task - 1], error);
    }
    if (status == WEIR_OK && !aborts) {
        status = wr_store_publish(store, &manifest, error);
    }
    if (status == WEIR_OK && !aborts) {
        for (uint32_t task = 0; task < LIFE_TASKS; task++) {
            life_keep(&life->tasks[task], &of[task], task);
        }
    }
    wr_store_abort(store, checkpoint);
    return status;
}

// ---- reading ----

// What is wrong with what a store gives back, or NULL; the text is static. A call that failed said
// *error.
#define LIFE_CLAIM(claim, ...)                                                                     \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            (void)snprintf(life_wrong, sizeof(life_wrong), __VA_ARGS__);                           \
            return life_wrong;                                                                     \
        }                                                                                          \
    } while (0)
static char life_wrong[300];

static inline const char *life_check_segment(const struct life *life, struct wr_store *store,
                                             uint32_t task, const struct wr_index_segment *segment,
                                             uint32_t version, struct wr_error *error)
{
    static char    buffer[LIFE_BUFFER], expected[LIFE_BUFFER];
    const uint32_t bytes = life_payload_bytes(life, version);
    LIFE_CLAIM(segment->place.bytes == bytes && segment->place.entries == version,
               "task %u: a segment of version %u is of %u bytes and version %u", task, version,
               segment->place.bytes, segment->place.entries);
    if (wr_store_read_block(store, task, segment, buffer, error) == WEIR_OK) {
        life_payload(life, version, expected);
        LIFE_CLAIM(memcmp(buffer + WR_BLOCK_HEADER_BYTES, expected, bytes) == 0,
                   "task %u: the bytes of version %u are others", task, version);
    }
    return NULL;
}

// The index of a task is that of the checkpoint.
static inline const char *life_check_index(const struct wr_index *index, uint32_t task,
                                           uint64_t checkpoint)
{
    struct life_index expected;
    life_fill_index(&expected, task, checkpoint);
    const struct wr_index_operator *owner = &index->operators[0];
    LIFE_CLAIM(index->operator_count == 2 && strcmp(index->operators[1].name, "exchange") == 0 &&
                   index->operators[1].watermark == INT64_MIN &&
                   strcmp(owner->name, expected.operators[0].name) == 0 &&
                   strcmp(index->stage_name, expected.index.stage_name) == 0 &&
                   index->first_cell == expected.index.first_cell &&
                   index->end_cell == expected.index.end_cell,
               "task %u: its index is another", task);
    LIFE_CLAIM(owner->watermark == expected.operators[0].watermark && owner->counter_count == 1 &&
                   strcmp(owner->counters[0].name, "records in") == 0 &&
                   owner->counters[0].value == checkpoint,
               "task %u: its watermark or counter is another", task);
    LIFE_CLAIM(owner->cell_count == 2 && strcmp(owner->cells[0].key, "part-0") == 0 &&
                   owner->cells[0].length == expected.cells[0].length &&
                   memcmp(owner->cells[0].bytes, expected.text, owner->cells[0].length) == 0 &&
                   owner->cells[1].key == NULL && owner->cells[1].length == 0,
               "task %u: its cells are others", task);
    LIFE_CLAIM(owner->table_count == life_tables_of(task), "task %u has %u tables", task,
               owner->table_count);
    for (uint32_t i = 0; i < owner->table_count; i++) {
        const struct wr_index_table *a = &owner->tables[i], *b = &expected.tables[i];
        LIFE_CLAIM(strcmp(a->name, b->name) == 0 && a->has_member == b->has_member &&
                       a->member == b->member && a->key_kind == b->key_kind &&
                       a->stores_hash == b->stores_hash && a->value_bytes == b->value_bytes &&
                       a->string_count == b->string_count && strcmp(a->types, b->types) == 0 &&
                       a->segment_count == LIFE_SEGMENTS && (i == 0 || a->string_offsets[0] == 8),
                   "task %u: table %u is another", task, i);
    }
    return NULL;
}

// The store is open at `picture`, and all of it reads as it was; or, with error->status set, some
// call refused.
static inline const char *life_check(const struct life *life, struct wr_store *store,
                                     const struct life_picture *picture, struct wr_error *error)
{
    const struct wr_manifest *manifest = wr_store_manifest(store);
    LIFE_CLAIM(manifest != NULL && manifest->checkpoint == picture->checkpoint &&
                   manifest->task_count == LIFE_TASKS && strcmp(manifest->job, "card-guard") == 0 &&
                   manifest->graph_hash == 0xc0ffee && manifest->hash_seed == 77 &&
                   manifest->operator_count == 2 &&
                   strcmp(manifest->operators[1], life_operators[1]) == 0,
               "the manifest is another");
    for (uint32_t task = 0; task < LIFE_TASKS; task++) {
        const struct wr_index *index = wr_store_index(store, task);
        const char            *wrong = life_check_index(index, task, picture->checkpoint);
        for (uint32_t i = 0; i < life_tables_of(task) && wrong == NULL; i++) {
            for (uint32_t j = 0; j < LIFE_SEGMENTS && wrong == NULL; j++) {
                wrong = life_check_segment(life, store, task,
                                           &index->operators[0].tables[i].segments[j],
                                           picture->versions.of[task][i][j], error);
            }
        }
        if (wrong != NULL) {
            return wrong;
        }
    }
    return NULL;
}

// Goes on from what the store is open at (NULL: from nothing).
static inline void life_restore(struct life *life, const struct wr_store *store,
                                const struct life_picture *picture)
{
    const uint32_t version = life->version;
    if (picture == NULL) {
        life_init(life, life->payload_least, life->payload_span);
        life->version = version > life->version ? version : life->version;
        return;
    }
    life->versions = picture->versions;
    for (uint32_t task = 0; task < LIFE_TASKS; task++) {
        const struct wr_index *index = wr_store_index(store, task);
        struct life_task      *state = &life->tasks[task];
        WR_ASSERT(index->file_count < LIFE_FILES);
        state->file_count = index->file_count;
        for (uint32_t i = 0; i < index->file_count; i++) {
            state->files[i] = index->files[i];
            (void)snprintf(state->names[i], WR_STATE_NAME_BYTES, "%s", index->files[i].name);
            state->files[i].name = state->names[i];
            state->next_number   = index->files[i].number + 1;
        }
        for (uint32_t i = 0; i < life_tables_of(task); i++) {
            for (uint32_t j = 0; j < LIFE_SEGMENTS; j++) {
                state->segments[i][j] =
                    (struct life_segment){ false, index->operators[0].tables[i].segments[j] };
            }
        }
    }
}

#endif // CHECKPOINT_LIFE_H
