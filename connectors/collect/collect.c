// collect: records kept in memory, in the order they arrive, with their strings; for tests.
//
// One task writes a collection while the job runs; whoever opened it reads it after that.
#include "runtime/connector.h"

#include <string.h>

#define BLOCK_BYTES 65536

// Bytes of long strings; rows point into it, so it never moves.
struct block {
    struct block *next;
    size_t        used, capacity;
    char          bytes[];
};

struct weir_collection {
    const weir_type  *type; // of the stream it is attached to; NULL: none yet
    struct wr_strings strings;
    char             *rows;
    weir_time        *times;
    uint8_t          *changes;
    size_t            count, capacity;
    struct block     *blocks; // the first one has room
};

struct collect_options {
    weir_collection *into;
};

// ---- the collection ----

weir_collection *weir_collection_open(void) { return wr_alloc(sizeof(struct weir_collection)); }

void weir_collection_close(weir_collection *collection)
{
    if (collection == NULL) {
        return;
    }
    while (collection->blocks != NULL) {
        struct block *next = collection->blocks->next;
        wr_free(collection->blocks);
        collection->blocks = next;
    }
    wr_strings_fini(&collection->strings);
    wr_free(collection->rows);
    wr_free(collection->times);
    wr_free(collection->changes);
    wr_free(collection);
}

size_t weir_collection_count(const weir_collection *collection) { return collection->count; }

const void *weir_collection_at(const weir_collection *collection, size_t index, weir_change *change,
                               weir_time *time)
{
    if (index >= collection->count) {
        return NULL;
    }
    if (change != NULL) {
        *change = (weir_change)collection->changes[index];
    }
    if (time != NULL) {
        *time = collection->times[index];
    }
    return collection->rows + index * collection->type->size;
}

static void collection_make_room(weir_collection *collection)
{
    if (collection->count < collection->capacity) {
        return;
    }
    const size_t capacity = collection->capacity * 2 + 64;
    collection->rows      = wr_realloc(collection->rows, capacity * collection->type->size);
    collection->times     = wr_realloc(collection->times, capacity * sizeof(weir_time));
    collection->changes   = wr_realloc(collection->changes, capacity);
    collection->capacity  = capacity;
}

static char *collection_take_bytes(weir_collection *collection, size_t bytes)
{
    struct block *block = collection->blocks;
    if (block == NULL || block->capacity - block->used < bytes) {
        const size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block                 = wr_alloc(sizeof(*block) + capacity);
        block->capacity       = capacity;
        block->next           = collection->blocks;
        collection->blocks    = block;
    }
    char *taken = block->bytes + block->used;
    block->used += bytes;
    return taken;
}

static void collection_add(weir_collection *collection, const struct wr_batch *batch, uint32_t row)
{
    collection_make_room(collection);
    const size_t at  = collection->count++;
    char *const  own = collection->rows + at * collection->type->size;
    memcpy(own, wr_batch_row(batch, row), collection->type->size);
    collection->times[at]   = batch->times != NULL ? batch->times[row] : WEIR_TIME_MIN;
    collection->changes[at] = batch->changes != NULL ? batch->changes[row] : WR_INSERT;
    const size_t bytes      = wr_strings_long_bytes(&collection->strings, own);
    if (bytes > 0) {
        (void)wr_strings_move(&collection->strings, own, collection_take_bytes(collection, bytes));
    }
}

// ---- the operator ----

static void collect_rows(struct wr_node *node, struct wr_inlet *inlet)
{
    const struct collect_options *options = node->spec->options;
    for (; inlet->next < inlet->count; inlet->next++) {
        collection_add(options->into, inlet->batch, wr_inlet_row(inlet, inlet->next));
    }
}

static const char *collect_guarantee(struct wr_environment *environment, const void *options)
{
    (void)environment;
    (void)options;
    return "at least once (it is kept in memory)";
}

static const struct wr_operator collect_operator = {
    .verb       = "collect",
    .node_bytes = sizeof(struct wr_node),
    .rows       = collect_rows,
    .guarantee  = collect_guarantee,
    .uses_time  = true,
};

static void collect_free_options(void *options) { wr_free(options); }

weir_stream weir_collect(weir_stream in, weir_collection *into)
{
    const weir_type *type = wr_stream_type(in);
    if (type == NULL) {
        return (weir_stream){ .job = NULL }; // an earlier mistake
    }
    if (into == NULL || into->type != NULL) {
        return wr_job_refuse(in.job, "collect: the collection %s; open one for each stream",
                             into == NULL ? "is NULL" : "already takes another stream's records");
    }
    into->type                      = type;
    into->strings                   = wr_strings_of(type);
    struct collect_options *options = wr_alloc(sizeof(*options));
    options->into                   = into;

    char *const side = in.output == 0 ? wr_copy_text("") : wr_format(".%u", in.output);
    char *const name = wr_format("collect-%u%s", in.node, side);
    wr_free(side);
    const weir_stream out =
        wr_job_add_sink(in, &collect_operator, name, options, NULL, 1, collect_free_options);
    wr_free(name);
    return out;
}
