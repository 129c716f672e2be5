// A collection: rows one after the other, their long strings in blocks that never move.
#include "connectors/collect/collection.h"

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

weir_collection *weir_collection_open(void) { return wr_alloc(sizeof(struct weir_collection)); }

bool wr_collection_attach(weir_collection *collection, const weir_type *type)
{
    if (collection->type != NULL) {
        return false;
    }
    collection->type    = type;
    collection->strings = wr_strings_of(type);
    return true;
}

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

void wr_collection_add(weir_collection *collection, const void *row, weir_change change,
                       weir_time time)
{
    collection_make_room(collection);
    const size_t at  = collection->count++;
    char *const  own = collection->rows + at * collection->type->size;
    memcpy(own, row, collection->type->size);
    collection->times[at]   = time;
    collection->changes[at] = (uint8_t)change;
    const size_t bytes      = wr_strings_long_bytes(&collection->strings, own);
    if (bytes > 0) {
        (void)wr_strings_move(&collection->strings, own, collection_take_bytes(collection, bytes));
    }
}

void wr_collection_add_all(weir_collection *to, const weir_collection *from)
{
    for (size_t i = 0; i < from->count; i++) {
        wr_collection_add(to, from->rows + i * from->type->size, (weir_change)from->changes[i],
                          from->times[i]);
    }
}

void wr_collection_add_batch(weir_collection *collection, struct wr_inlet *inlet)
{
    const struct wr_batch *batch = inlet->batch;
    for (; inlet->next < inlet->count; inlet->next++) {
        const uint32_t row = wr_inlet_row(inlet, inlet->next);
        wr_collection_add(collection, wr_batch_row(batch, row),
                          (weir_change)(batch->changes != NULL ? batch->changes[row] : WR_INSERT),
                          batch->times != NULL ? batch->times[row] : WEIR_TIME_MIN);
    }
}
